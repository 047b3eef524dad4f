"""Runs one case on a database, in a transaction that is rolled back, and says how it went."""

import json
from collections import namedtuple

import psycopg2

from match import has_matcher, matches

BEGINNING = "2030-01-01 00:00:00+00"
NEVER = "3000 days"  # a call without a result outlasts every timeout of a case

# passed is None for a skipped case; lines say why it failed or was skipped; cause is None where none
# is expected, else whether it was as expected, which does not count.
Verdict = namedtuple("Verdict", "passed lines cause")

STATUSES = {"Completed": "SUCCEEDED", "Failed": "FAILED", "Stuck": "FAILED", "TimedOut": "TIMED_OUT",
            "Canceled": "ABORTED", "Terminated": "ABORTED"}


class Skipped(Exception):
    """The case needs something that a run here cannot be given."""


def skipped(reason):
    return Verdict(None, [str(reason)], None)


def decided(differences, cause=None):
    return Verdict(not differences, differences, cause)


def shown(value):
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 600 else text[:600] + "…"


def difference(what, have, want):
    return [f"{what}: have {shown(have)}", f"{' ' * len(what)}  want {shown(want)}"]


def as_text(definition):
    return definition if isinstance(definition, str) else json.dumps(definition)


# ---- definitions ----

def states_in(machine):
    """Yields name and body of all states, those in Map and Parallel included."""
    if not isinstance(machine, dict):
        return
    for name, state in (machine.get("States") or {}).items():
        if not isinstance(state, dict):
            continue
        yield name, state
        for inner in [state.get("ItemProcessor"), state.get("Iterator"), *(state.get("Branches") or [])]:
            yield from states_in(inner)


def activity_of(state):
    """The name under which a Task's activity must be registered; see src/machine/definition_resource.c."""
    resource = state.get("Resource", "")
    parts = resource.split(":", 5)
    if parts[0] != "arn" or len(parts) < 6:
        return resource
    service, region, name = parts[2], parts[3], parts[5]
    if service == "lambda" and name.startswith("function:"):
        return name.split(":")[1]
    if service == "states" and name.startswith("activity:"):
        return name.split(":", 1)[1]
    if service == "states" and region == "":
        action = name.removesuffix(".waitForTaskToken").removesuffix(":2").removesuffix(".sync")
        given = state.get("Parameters") or state.get("Arguments")
        function = given.get("FunctionName") if isinstance(given, dict) else None
        if action == "lambda:invoke" and isinstance(function, str) and not function.startswith("{%"):
            name = function.split("function:")[-1]
            return name.split(":")[0]
        return action
    return f"{service}:{name.rsplit(':', 1)[-1]}"


# ---- one run ----

def query(cursor, sql, *arguments):
    cursor.execute(sql, arguments)
    return cursor.fetchall() if cursor.description else None


def errors_of(cursor, definition):
    """What makes a definition invalid, as texts"""
    return [f"{path}: {message}" for path, message in query(
        cursor, "SELECT path, message FROM workflow.validate(%s::text) WHERE severity = 'error'", definition)]


class Run:
    """One workflow, from its registration to its end, within a transaction."""

    def __init__(self, cursor, definition):
        self.cursor = cursor
        self.definition = definition
        self.machine = json.loads(definition)
        self.activities = {name: activity_of(state) for name, state in states_in(self.machine)
                           if state.get("Type") == "Task"}
        self.callbacks = {name for name, state in states_in(self.machine)
                          if str(state.get("Resource")).endswith(".waitForTaskToken")}
        self.answers = []  # calls of these that wait for their task token to be answered

    def query(self, sql, *arguments):
        return query(self.cursor, sql, *arguments)

    def problems(self):
        return errors_of(self.cursor, self.definition)

    def prepare(self):
        self.query("SELECT workflow_test.begin(%s)", BEGINNING)
        for activity in sorted(set(self.activities.values())):
            self.query("SELECT workflow.register_activity(%s, 'public.never_called(jsonb)')", activity)
        self.query("SELECT workflow.register('Conformance', %s::text)", self.definition)

    def mock(self, activity, call, match_input=False):
        """Lets the next call of an activity have the outcome of a recorded one."""
        if call.get("state") in self.callbacks:
            self.answers.append(call)
            call = {"state": call["state"], "input": call.get("input"), "output": call.get("submitted")}
        error, cause = call.get("error"), call.get("cause")
        wanted = call.get("input") if match_input and not has_matcher(call.get("input")) else None
        self.query(
            "SELECT workflow_test.mock_activity(%s, result => %s, error => %s, message => %s, input => %s, times => 1,"
            " duration => %s::interval)",
            activity, json.dumps(call.get("output")), error,
            cause if cause is None or isinstance(cause, str) else json.dumps(cause),
            None if wanted is None else json.dumps(wanted),
            NEVER if call.get("no_result") or (call.get("timed_out") and not error) else "0")

    def mock_all(self, tasks, match_input):
        calls = [(self.activities.get(call.get("state")) or activity_of({"Resource": resource}), call)
                 for resource, recorded in tasks.items() for call in recorded]
        if match_input:  # an input contains every smaller one
            calls.sort(key=lambda each: -len(json.dumps(each[1].get("input"))))
        for activity, call in calls:
            self.mock(activity, call, match_input)

    def go(self, data, until=None):
        self.query("SELECT workflow.start('Conformance', %s, 'case')", json.dumps(data))
        if until or not self.callbacks:
            self.query("SELECT workflow_test.run(%s::timestamptz)", until)
            return
        due = BEGINNING
        while due is not None:
            self.query("SELECT workflow_test.run(%s::timestamptz)", due)
            while self.answer_waiting():
                self.query("SELECT workflow_test.run(%s::timestamptz)", due)
            (due,), = self.query("SELECT min(due_at) FROM workflow.timers WHERE workflow_id = 'case'")

    def answer_waiting(self):
        """Answers task tokens as was recorded; False when nobody waits for an answer that there is."""
        waiting = self.query("SELECT state, task_token::text FROM workflow.pending_activities"
                             " WHERE workflow_id = 'case' AND status = 'Started' ORDER BY scheduled_at")
        inputs = [(state, data) for state, data in self.calls()]
        for state, token in waiting:
            given = [data for called, data in inputs if called == state and token in json.dumps(data)]
            fitting = [call for call in self.answers if call["state"] == state and
                       (not given or "input" not in call or matches(call["input"], given[0]))]
            if not fitting or fitting[0].get("no_result") or fitting[0].get("timed_out"):
                continue
            self.answers.remove(fitting[0])
            self.answer(token, fitting[0])
            return True
        return False

    def answer(self, token, call):
        if "output" in call:
            self.query("SELECT workflow.complete_activity(%s::uuid, %s)", token, json.dumps(call["output"]))
        else:
            self.query("SELECT workflow.fail_activity(%s::uuid, %s, %s)", token, call.get("error"), call.get("cause"))

    def outcome(self):
        """Status, output, error and cause, in the words of the service."""
        (status, output, error, cause, stuck), = self.query(
            "SELECT status, output, error, cause, stuck FROM workflow.get_execution('case'::text)")
        if status == "Stuck":
            error, cause = stuck.get("Error"), stuck.get("Cause")
        return STATUSES.get(status, "RUNNING"), output, error, cause

    def states(self):
        """The states entered, in order: a Task shows as its first attempt."""
        return [name for name, in self.query(
            "SELECT h.state FROM workflow.history h WHERE h.workflow_id = 'case' AND (h.event_type = 'StateEntered'"
            " OR (h.event_type = 'ActivityTaskScheduled' AND (h.attributes->>'attempt')::int = 1"
            "     AND NOT h.attributes ? 'compensation')) ORDER BY h.event_id")]

    def calls(self):
        return self.query("SELECT state, input FROM workflow_test.calls()")

    def is_rebuilt(self):
        """Does the history lead to the state the run is in?"""
        same, = self.query("SELECT count(*) FROM workflow.executions e, workflow.rebuild_state(e.run_id) r"
                           " WHERE e.workflow_id = 'case' AND r.status = e.status")
        return same == (1,)


# ---- kinds of cases ----

def compare_outcome(run, expected):
    status, output, error, cause = run.outcome()
    lines = []
    if status != expected["status"]:
        lines += difference("status", status, expected["status"])
        if error or cause:
            lines.append(f"error: {error}: {cause}")
    elif "output" in expected and not matches(expected["output"], output):
        lines += difference("output", output, expected["output"])
    if expected.get("error") is not None and not lines and not matches(expected["error"], error):
        lines += difference("error", error, expected["error"]) + [f"cause: {cause}"]
    return lines, matches(expected["cause"], cause) if "cause" in expected else None


def run_execution(run, case):
    expected = case["expected"]
    concurrent = "states" not in expected
    if case.get("objects"):
        raise Skipped("reads stored objects, which only a distributed Map does")
    if expected.get("error") == "States.DataLimitExceeded" and "DataLimit" not in json.dumps(case.get("tasks")):
        raise Skipped("tests how much data the service takes")
    problems = run.problems()
    if problems:
        return decided([] if case.get("or_invalid") else [f"refused: {problem}" for problem in problems])
    run.prepare()
    run.mock_all(case.get("tasks") or {}, concurrent)
    run.go(case.get("input"))
    lines, cause = compare_outcome(run, expected)
    if not concurrent and run.states() != expected["states"]:
        lines += difference("states", run.states(), expected["states"])
    if not concurrent:
        lines += compare_calls(run, case)
    if not run.is_rebuilt():
        lines.append("the history does not lead to the state of the run")
    return decided(lines, cause)


def compare_calls(run, case):
    """Whatever the tasks were called with, by state and in order."""
    lines = []
    wanted = {}
    for recorded in (case.get("tasks") or {}).values():
        for call in recorded:
            wanted.setdefault(call.get("state"), []).append(call)
    for state, data in run.calls():
        call = wanted[state].pop(0) if wanted.get(state) else {}
        if "input" in call and not matches(call["input"], data):
            lines += difference(f"input of {state}", data, call["input"])
    return lines


def targets_of(state):
    rules = (state.get("Choices") or []) + (state.get("Catch") or [])
    named = [state.get("Next"), state.get("Default")] + [rule.get("Next") for rule in rules]
    return {name for name in named if isinstance(name, str)}


def single_state_machine(case):
    """A machine of the state alone: what it leads to ends it, what came before only sets variables."""
    definition = json.loads(as_text(case["definition"]))
    name = case.get("state_name", "TestedState")
    state = dict(states_in(definition))[name] if "States" in definition else definition
    states = {target: {"Type": "Pass", "End": True} for target in targets_of(state) - {name}}
    states[name] = state
    machine = {"StartAt": name, "States": states}
    if "QueryLanguage" in definition and "States" in definition:
        machine["QueryLanguage"] = definition["QueryLanguage"]
    variables = case.get("variables")
    if variables:
        machine["StartAt"] = "SetVariables"
        states["SetVariables"] = {"Type": "Pass", "Assign": json.loads(variables) if isinstance(variables, str)
                                  else variables, "Next": name}
    return name, machine


def run_test_state(cursor, case):
    if case.get("context") and "$$" in as_text(case["definition"]):
        raise Skipped("gives a context object of its own")
    if case.get("state_configuration"):
        raise Skipped("configures what happened before (state_configuration)")
    name, machine = single_state_machine(case)
    run = Run(cursor, json.dumps(machine))
    problems = run.problems()
    if problems:
        return decided([f"refused: {problem}" for problem in problems])
    mock = case.get("mock") or {}
    if machine["States"][name].get("Type") != "Task" and mock:
        raise Skipped("mocks a state that is no Task")
    run.prepare()
    if mock:
        failure = mock.get("errorOutput") or {}
        run.mock(run.activities[name], {"output": mock.get("result"), "error": failure.get("error"),
                                        "cause": failure.get("cause")})
    expected = dict(case["expected"])
    retriable = expected["status"] == "RETRIABLE"
    run.go(case.get("input"), BEGINNING if retriable else None)
    if retriable:
        status, *_ = run.outcome()
        return decided([] if status == "RUNNING" else difference("status", status, "RETRIABLE"))
    if expected["status"] == "CAUGHT_ERROR":
        expected["status"] = "SUCCEEDED"
        expected.pop("error", None)
        expected.pop("cause", None)
    lines, cause = compare_outcome(run, expected)
    after = (run.states() + [None])[run.states().index(name) + 1] if name in run.states() else None
    if expected["status"] == "SUCCEEDED" and expected.get("nextState") != after:
        lines += difference("next state", after, expected.get("nextState"))
    return decided(lines, cause)


def run_validation(cursor, case):
    errors = errors_of(cursor, as_text(case["definition"]))
    if (not errors) == case["valid"]:
        return decided([])
    return decided([f"refused: {error}" for error in errors] or
                   ["accepted; the service says: " + "; ".join(case.get("messages") or ["invalid"])])


def run_case(connection, case):
    kind = case.get("kind")
    try:
        with connection.cursor() as cursor:
            if kind == "execution":
                return run_execution(Run(cursor, as_text(case["definition"])), case)
            if kind == "test_state":
                return run_test_state(cursor, case)
            if kind == "validation":
                return run_validation(cursor, case)
        return skipped(f"unknown kind {kind!r}")
    except Skipped as reason:
        return skipped(reason)
    except psycopg2.OperationalError:
        raise
    except psycopg2.Error as error:
        return decided([f"raised: {error.pgerror or error}".strip()])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return skipped(f"not a case of the known form: {error!r}")
    finally:
        if not connection.closed:
            connection.rollback()
