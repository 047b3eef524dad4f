#!/usr/bin/env python3
"""Runs every case of a folder and scores it: a line per suite and per feature, then the total.

usage: conformance.py FOLDER

The database is that of libpq's environment. VERBOSE=1 shows each failed or skipped case and why; ONLY
takes the cases alone whose id or features contain a text. The exit code is 0 when nothing failed.
"""

import json
import os
import pathlib
import sys
from collections import Counter, defaultdict

import psycopg2
import psycopg2.extras

from run_case import run_case, skipped

RESULTS = ("passed", "failed", "skipped")


class Score:
    def __init__(self):
        self.counts = defaultdict(Counter)
        self.causes = Counter()
        self.reasons = Counter()

    def add(self, names, verdict):
        result = "skipped" if verdict.passed is None else "passed" if verdict.passed else "failed"
        for name in names:
            self.counts[name][result] += 1
        return result

    def print(self, title):
        print(f"\n{title:<44}{'passed':>8}{'failed':>8}{'skipped':>8}")
        for name in sorted(self.counts):
            print(f"{name:<44}" + "".join(f"{self.counts[name][result]:>8}" for result in RESULTS))


def load(folder):
    """Yields (suite, case) of each file; what is no suite is named and passed over."""
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            suite, cases = content.get("suite", path.stem), content["cases"]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            print(f"{path.name}: not a suite of cases: {error!r}", file=sys.stderr)
            continue
        for case in cases:
            yield suite, {"kind": content.get("kind"), **case}


def is_wanted(case, only):
    return not only or only in case.get("id", "") or only in case.get("features", [])


def connect():
    connection = psycopg2.connect("")
    with connection.cursor() as cursor:
        cursor.execute("SET client_min_messages = error")
        cursor.execute("SET statement_timeout = '60s'")
    connection.commit()
    psycopg2.extras.register_default_jsonb(connection, loads=json.loads)
    return connection


def score_all(folder, verbose, only):
    suites, features, total = Score(), Score(), Score()
    connection = connect()
    for suite, case in load(folder):
        if not is_wanted(case, only):
            continue
        try:
            verdict = run_case(connection, case)
        except psycopg2.OperationalError as error:
            connection = connect()
            verdict = skipped("")._replace(passed=False, lines=[f"the connection was lost: {error}".strip()])
        suites.add([suite], verdict)
        features.add(case.get("features") or ["(none)"], verdict)
        result = total.add(["total"], verdict)
        if verdict.passed is not None and verdict.cause is not None:
            total.causes[verdict.cause] += 1
        if result == "skipped":
            total.reasons[verdict.lines[0]] += 1
        if verbose and result != "passed":
            print(f"\n{result}: {case.get('id', '(no id)')}", *verdict.lines, sep="\n    ")
    return suites, features, total


def main():
    if len(sys.argv) != 2 or not os.path.isdir(sys.argv[1]):
        sys.exit(__doc__)
    suites, features, total = score_all(sys.argv[1], os.environ.get("VERBOSE", "") not in ("", "0"),
                                        os.environ.get("ONLY", ""))
    suites.print("suite")
    features.print("feature")
    for reason, count in total.reasons.most_common():
        print(f"\n{count} skipped: {reason}", end="")
    if total.causes:
        print(f"\n\ncauses as recorded (not counted): {total.causes[True]} of {sum(total.causes.values())}")
    total.print("")
    sys.exit(1 if total.counts["total"]["failed"] or not total.counts else 0)


if __name__ == "__main__":
    main()
