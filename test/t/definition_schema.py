"""Compares doc/definition.schema.json with workflow.validate(): definition_schema.py CONNECTION

Prints "ok" or "not ok" and what was checked, a line each, as definition_schema.pl wants it.
"""

import json
import re
import sys
from pathlib import Path

import jsonschema
import psycopg2

HERE = Path(__file__).resolve().parent
ROOT = next(d for d in (HERE.parent, HERE.parent.parent) if (d / "doc" / "definition.schema.json").exists())

SCHEMA = json.loads((ROOT / "doc" / "definition.schema.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)

# What workflow.validate() finds that is a matter of form, and so of the schema, too
FORM = {"UnknownField", "UnknownType", "MissingField", "WrongType", "ExclusiveFields", "EmptyChoices", "EmptyErrorEquals"}


def check(holds, what, *details):
    print("ok" if holds else "not ok", what)
    if not holds:
        for detail in details:
            print("   ", detail)


def faults(definition):
    return ["/".join(map(str, e.absolute_path)) + ": " + e.message[:300] for e in VALIDATOR.iter_errors(definition)]


# ---- the definitions of this tree ----


def texts(file):
    """Everything in a file that may be a definition, with its line."""
    text = file.read_text()
    if file.suffix == ".json":
        yield 1, text
        return
    for pattern in (r"\$asl\$(.*?)\$asl\$", r"```json\n(.*?)```", r"'(\{\s*\"StartAt\"[^']*)'"):
        for match in re.finditer(pattern, text, re.S):
            yield text.count("\n", 0, match.start()) + 1, match.group(1)


def definitions():
    seen = set()
    for pattern in ("README.md", "doc/*.md", "examples/**/*", "pgtap/*.sql", "sql/*.sql", "test/pgtap/*.sql", "test/sql/*.sql"):
        for file in sorted(ROOT.glob(pattern)):
            if file.suffix not in (".md", ".sql", ".json"):
                continue
            for line, text in texts(file):
                try:
                    definition = json.loads(text)
                except ValueError:
                    continue
                if isinstance(definition, dict) and "StartAt" in definition and text not in seen:
                    seen.add(text)
                    yield f"{file.relative_to(ROOT)}:{line}", text, definition


def check_definitions(cursor):
    public = 0
    for place, text, definition in definitions():
        cursor.execute("SELECT code FROM workflow.validate(%s::text) WHERE severity = 'error'", (text,))
        codes = {code for code, in cursor.fetchall()}
        found = faults(definition)
        if not codes:
            check(not found, f"{place} is valid", *found)
            public += not re.match("(test/)?(pgtap|sql)/", place)
        elif codes & FORM:
            check(found, f"{place} is not: {', '.join(sorted(codes))}")
    check(public >= 7, f"{public} of them are in the README, the pages and the examples")


# ---- wrong ones ----

TASK = {"Type": "Task", "Resource": "Pay", "End": True}


def state(**fields):
    return {"StartAt": "A", "States": {"A": {k: v for k, v in {**TASK, **fields}.items() if v is not None}}}


def top(**fields):
    return {**state(), **fields}


def choice(*rules):
    return {"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": list(rules)}, "B": {"Type": "Succeed"}}}


def mapping(**fields):
    return {"StartAt": "A", "States": {"A": {"Type": "Map", "ItemProcessor": state(), "End": True, **fields}}}


RIGHT = {
    "a task": state(),
    "every option": state(StartToCloseSeconds=5, ScheduleToCloseSeconds=9, HeartbeatSeconds=1, Priority=1, TaskQueue="q",
                          FairnessKey="$.c", Transaction="Own", Compensate={"Resource": "Undo", "When": "Scheduled"}),
    "a template": top(Templates={"T": {"Type": "Task", "Retry": []}}, States={"A": {"Use": "T", "Resource": "Pay", "End": True}}),
    "free keys": top(**{"Comment": "c", "x-team": "shop", "$schema": "definition.schema.json"}),
    "types": top(Input='shop."Order Line"', Output={"type": ["object", "null"], "properties": {"a": {"items": {"const": 1}}}}),
    "a map": mapping(ItemsPath="$.lines", ItemSelector={"n.$": "$$.Map.Item.Index"}, MaxConcurrency=3, ItemBatcher={"MaxItemsPerBatch": 2},
                     ToleratedFailurePercentage=5.5, Retry=[{"ErrorEquals": ["States.ALL"]}]),
    "a parallel": {"StartAt": "A", "States": {"A": {"Type": "Parallel", "Branches": [state(), mapping()], "Next": "B"}, "B": {"Type": "Fail"}}},
    "SQL": {"QueryLanguage": "SQL", "StartAt": "A", "States": {
        "A": {"Type": "Task", "Resource": "Pay", "Arguments": {"id": "{% input->'id' %}"}, "Output": "{% result %}", "TimeoutSeconds": "{% 5 %}", "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Condition": "{% (input->>'n')::int > 1 %}", "Next": "C"}], "Default": "D"},
        "C": {"Type": "Map", "Items": "{% input->'lines' %}", "ItemProcessor": state(), "Next": "D"},
        "D": {"Type": "Wait", "Seconds": "{% 1 + 1 %}", "Next": "E"},
        "E": {"Type": "Fail", "Error": "{% 'E' %}", "Cause": "{% 'C' %}"}}},
    "search attributes": top(SearchAttributes={"Comment": "c", "a": {"Type": "Keyword", "Path": "$.a", "Comment": "c"}, "b": {"Type": "Int"}}),
    "queries": top(Queries={"Comment": "c", "a": {"Comment": "c", "Result": {"a.$": "$.a"}}, "b": {"Result.$": "$$.State"},
                            "c": {"QueryLanguage": "SQL", "Result": "{% 1 %}"}}),
    "metrics": top(Metrics={"Comment": "c", "x-why": 1, "a": {"Comment": "c", "Type": "Histogram", "Buckets": [0.5, 1], "Help": "h", "On": ["Completed", "TimedOut"],
                            "Labels": {"a.$": "$.a", "b": "c", "d": 1}}, "b_total": {"Type": "Counter"}, "c": {"Type": "Gauge", "Value.$": "$.c"},
                            "d": {"QueryLanguage": "SQL", "Type": "Gauge", "Value": "{% input->'n' %}", "Labels": {"a": "{% 'x' %}"}}}),
    "updates": {"StartAt": "A", "Updates": {
        "a": {"Comment": "c", "Payload": {"type": "number"}, "Condition": {"Variable": "$", "NumericGreaterThan": 1}, "Error": "E", "Cause": "c",
              "Public": {"Code": "C"}, "Assign": {"a.$": "$"}, "Result.$": "$a"},
        "b": {}, "c": {"QueryLanguage": "SQL", "Condition": "{% true %}", "Result": {"r": "{% result %}"}}}, "States": {
        "A": {"Type": "Await", "Any": [{"Update": "b", "Condition": {"Variable": "$.a", "IsNull": True}, "ResultPath": "$.b", "Result": {"x.$": "$"}, "Next": "B"}]},
        "B": {"Type": "Await", "QueryLanguage": "SQL", "All": [{"Update": "b", "Result": "{% result %}"}], "End": True}}},
    "an await": {"StartAt": "A", "Signals": {"s": {"Payload": {"type": "object"}}, "t": {}}, "States": {
        "A": {"Type": "Await", "Any": [{"Signal": "s", "Condition": {"Variable": "$.a", "IsNull": True}, "ResultPath": "$.s", "Next": "B"},
                                       {"AfterSeconds": 5, "Assign": {"a": 1}, "Next": "B"}]},
        "B": {"Type": "Await", "All": [{"Signal": "s"}, {"AtPath": "$.at"}], "End": True}}},
    "an await in SQL": {"QueryLanguage": "SQL", "StartAt": "A", "Signals": {"s": {}}, "States": {
        "A": {"Type": "Await", "Any": [{"Signal": "s", "Condition": "{% true %}", "Output": 1, "Next": "B"},
                                       {"At": "{% '2030-01-01T00:00:00Z' %}", "Next": "B"}]},
        "B": {"Type": "Await", "All": [{"Signal": "s"}], "Output": "{% result %}", "Assign": {"a": 1}, "End": True}}},
    "a version": {"StartAt": "A", "States": {
        "A": {"Type": "Version", "ChangeId": "c", "Min": -1, "Max": 1, "Flag": "f", "Versions": {"-1": "B", "1": "C"}},
        "B": {"Type": "Succeed"}, "C": {"Type": "Succeed"}}},
}

SIGNALS = {"s": {}}


def awaiting(signals=SIGNALS, **fields):
    return {"StartAt": "A", "Signals": signals, "States": {"A": {"Type": "Await", **fields}, "B": {"Type": "Succeed"}}}


WRONG = {
    "no StartAt": {"States": {"A": {"Type": "Succeed"}}},
    "no state": {"StartAt": "A", "States": {}},
    "a version": top(Version="2.0"),
    "a version that is none": {"StartAt": "A", "States": {"A": {"Type": "Version", "ChangeId": "c", "Versions": {"one": "B"}}, "B": {"Type": "Succeed"}}},
    "no versions": {"StartAt": "A", "States": {"A": {"Type": "Version", "ChangeId": "c", "Versions": {}}, "B": {"Type": "Succeed"}}},
    "no change": {"StartAt": "A", "States": {"A": {"Type": "Version", "Versions": {"1": "B"}}, "B": {"Type": "Succeed"}}},
    "an unknown key": top(OnErorr="A"),
    "JSONata": top(QueryLanguage="JSONata"),
    "a type of input": top(Input="order"),
    "a keyword": top(Input={"properties": {"a": {"kind": "string"}}}),
    "a name of a type": top(Output={"type": "int"}),
    "enum and const": top(Output={"enum": [1], "const": 1}),
    "no type": state(Type=None),
    "an unknown type": state(Type="Tusk"),
    "no resource": state(Resource=None),
    "neither Next nor End": state(End=None),
    "Next and End": state(Next="A"),
    "an unknown field": state(Resourc="Pay"),
    "a field of another type": state(Choices=[]),
    "two timeouts": state(TimeoutSeconds=1, StartToCloseSeconds=1),
    "no time": state(StartToCloseSeconds=0),
    "a path": state(InputPath="order"),
    "a transaction": state(Transaction="None"),
    "a retry that is none": state(Retry={}),
    "a retrier without errors": state(Retry=[{"MaxAttempts": 1}]),
    "a retrier of no errors": state(Retry=[{"ErrorEquals": []}]),
    "a retrier with both": state(Retry=[{"ErrorEquals": ["E"], "MaxAttempts": 1, "MaximumAttempts": 1}]),
    "a catcher without Next": state(Catch=[{"ErrorEquals": ["E"]}]),
    "a compensation": state(Compensate={"Resource": "Undo", "When": "Later"}),
    "what customers are told": state(Type="Fail", End=None, Resource=None, Public={"Message": "m"}),
    "no choices": choice(),
    "a rule without Next": choice({"Variable": "$.a", "IsNull": True}),
    "a rule with two comparisons": choice({"Variable": "$.a", "IsNull": True, "IsString": True, "Next": "B"}),
    "a rule within with Next": choice({"Not": {"Variable": "$.a", "IsNull": True, "Next": "B"}, "Next": "B"}),
    "an operand": choice({"Variable": "$.a", "NumericEquals": "1", "Next": "B"}),
    "two ways to wait": {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 1, "SecondsPath": "$.s", "End": True}}},
    "no way to wait": {"StartAt": "A", "States": {"A": {"Type": "Wait", "End": True}}},
    "a timestamp": {"StartAt": "A", "States": {"A": {"Type": "Wait", "Timestamp": "tomorrow", "End": True}}},
    "a part of a template": top(Templates={"T": {"Type": "Task", "Resourc": "Pay"}}, States={"A": {"Use": "T", "End": True}}),
    "defaults": top(Defaults={"StartToCloseSecond": 5}),
    "no branches": state(Type="Parallel", Resource=None, Branches=[]),
    "a branch without states": state(Type="Parallel", Resource=None, Branches=[{"StartAt": "A"}]),
    "a state in a branch": state(Type="Parallel", Resource=None, Branches=[state(End=None)]),
    "two processors": mapping(Iterator=state()),
    "a distributed map": mapping(ItemReader={}),
    "a concurrency": mapping(MaxConcurrency=-1),
    "an empty batcher": mapping(ItemBatcher={}),
    "nothing awaited": awaiting(Any=[]),
    "neither any nor all": awaiting(Next="B"),
    "any and all": awaiting(Any=[{"Signal": "s", "Next": "B"}], All=[{"Signal": "s"}], Next="B"),
    "a signal and a time": awaiting(Any=[{"Signal": "s", "AfterSeconds": 1, "Next": "B"}]),
    "two times": awaiting(Any=[{"AfterSeconds": 1, "At": "2030-01-01T00:00:00Z", "Next": "B"}]),
    "neither signal nor time": awaiting(Any=[{"Next": "B"}]),
    "any without Next": awaiting(Any=[{"Signal": "s"}]),
    "all with Next": awaiting(All=[{"Signal": "s", "Next": "B"}], Next="B"),
    "all that leads nowhere": awaiting(All=[{"Signal": "s"}]),
    "a search attribute without a type": top(SearchAttributes={"a": {"Path": "$.a"}}),
    "a type of search attributes that there is not": top(SearchAttributes={"a": {"Type": "Number"}}),
    "a retry of runs that is none": top(Retry=[{"MaxAttempts": 1}]),
    "a query without a result": top(Queries={"a": {}}),
    "a query with two": top(Queries={"a": {"Result": 1, "Result.$": "$"}}),
    "a field of a query": top(Queries={"a": {"Result": 1, "Payload": {}}}),
    "a metric without a type": top(Metrics={"a": {"Value": 1}}),
    "a gauge without a value": top(Metrics={"a": {"Type": "Gauge"}}),
    "a metric with two values": top(Metrics={"a": {"Type": "Gauge", "Value": 1, "Value.$": "$.a"}}),
    "a metric's name": top(Metrics={"a-b": {"Type": "Gauge", "Value": 1}}),
    "a label's name": top(Metrics={"a": {"Type": "Gauge", "Value": 1, "Labels": {"a-b": 1}}}),
    "a label that is an object": top(Metrics={"a": {"Type": "Gauge", "Value": 1, "Labels": {"a": {}}}}),
    "a bucket that is no number": top(Metrics={"a": {"Type": "Histogram", "Buckets": ["1"]}}),
    "a way to close that there is not": top(Metrics={"a": {"Type": "Histogram", "On": ["Stuck"]}}),
    "an update's declaration": {**awaiting(Any=[{"AfterSeconds": 1, "Next": "B"}]), "Updates": {"u": {"Result": 1, "Output": 1}}},
    "a result of a signal": awaiting(Any=[{"Signal": "s", "Result": 1, "Next": "B"}]),
    "a signal and an update": {**awaiting(Any=[{"Signal": "s", "Update": "u", "Next": "B"}]), "Updates": {"u": {}}},
    "a signal's declaration": awaiting({"s": {"Type": "object"}}, Any=[{"Signal": "s", "Next": "B"}]),
    "SQL without signs": {"QueryLanguage": "SQL", **choice({"Condition": "input->'a'", "Next": "B"})},
}


def check_lists(cursor):
    for name, definition in RIGHT.items():
        found = faults(definition)
        check(not found, f"right: {name}", *found)
    for name, definition in WRONG.items():
        check(faults(definition), f"wrong: {name}")
        cursor.execute("SELECT count(*) FROM workflow.validate(%s::jsonb) WHERE severity = 'error'", (json.dumps(definition),))
        check(cursor.fetchone()[0] > 0, f"wrong for workflow.validate(), too: {name}")


# ---- the tables of fields in the source ----

# Known to the source so that it can say why not
REFUSED = {"ItemReader", "ResultWriter", "Label"}
# In the schema, and not in the source yet
PLANNED = set()
# Of what is no part of a definition
ELSEWHERE = {"activity_tables", "result_tables", "circuit_breaker_tables", "job_tables", "rule_tables"}
# Fields of the other query language, which a state is told about in particular
FOREIGN = {"ow_jsonpath_only_fields", "ow_sql_only_fields"}
# Which of the schema's objects a list of tables is about
OBJECTS = {
    "top_tables": "", "defaults_tables": "defaults", "public_tables": "public", "retrier_tables": "retrier",
    "catcher_tables": "catcher", "compensation_tables": "compensation", "schema_tables": "payloadSchema",
    "branch_tables": "branch", "processor_tables": "processor", "batcher_tables": "batcher",
    "processor_config_tables": "processor/properties/ProcessorConfig",
    **{f"{language}{form}_{kind}_tables": "awaited" for language in ("", "sql_") for form in ("any", "all") for kind in ("moment", "signal", "update")},
    "signal_tables": "signal", "attribute_tables": "searchAttribute", "update_tables": "update", "sql_update_tables": "update", "query_tables": "query", "sql_query_tables": "query",
    "metric_tables": "metric", "sql_metric_tables": "metric",
    "sql_catcher_tables": "catcher", "sql_compensation_tables": "compensation", "sql_batcher_tables": "batcher",
}


def read_source():
    return "\n".join(file.read_text() for file in sorted((ROOT / "src" / "machine").glob("*.c")))


def properties(pointer):
    place = SCHEMA
    if pointer:
        place = SCHEMA["definitions"]
        for part in pointer.split("/"):
            place = place[part]
    names = set(place["properties"])
    return names | {p[1:-1].replace("\\", "") for p in place["patternProperties"] if re.fullmatch(r"\^\\\$\w+\$", p)}


def compare(what, pointer, fields, later):
    """fields: of the tables; later: those of them that are not supported yet"""
    known = properties(pointer)
    missing = fields - later - known - REFUSED
    extra = {name for name in known - fields - {"Comment"} if (pointer, name) not in PLANNED}
    check(not missing and not extra, f"{what} has the fields of the source",
          f"not in the schema: {sorted(missing)}", f"not in the source: {sorted(extra)}")
    done = {name for object_, name in PLANNED if object_ == pointer and name in fields}
    check(not done, f"{what} has nothing planned that is there", f"take these from PLANNED: {sorted(done)}")


def check_fields():
    source = read_source()
    tables = {}
    later = {}
    for name, body in re.findall(r"\bOwField (\w+)\[\] = \{\n(.*?)\n\t\{NULL\}\n\};", source, re.S):
        rows = re.findall(r'\{"([^"]+)", (\w+)', body)
        tables[name] = set() if name in FOREIGN else {field for field, _ in rows}
        later[name] = {field for field, types in rows if types == "OW_NOT_YET"}
    used = set()

    def join(names):
        used.update(names)
        return set().union(*(tables[n] for n in names)), set().union(*(later[n] for n in names))

    objects = {}  # an object may have a list for either query language
    for name, body in re.findall(r"\bOwField \*const (\w+_tables)\[\] = \{([^}]*)\};", source):
        fields, not_yet = join([n for n in re.findall(r"\w+", body) if n != "NULL"])
        if name in OBJECTS:
            both = objects.setdefault(OBJECTS[name], (set(), set()))
            objects[OBJECTS[name]] = (both[0] | fields, both[1] | not_yet)
        else:
            check(name in ELSEWHERE, f"{name} is in this test's list of objects")
    for name, (fields, not_yet) in objects.items():
        compare(name or "the top level", name, fields, not_yet)

    kinds = re.findall(r'\{"(\w+)", OW_STATE_\w+, \w+, \w+, \w+,\s*\{([^}]*)\},\s*\{([^}]*)\}\}', source)
    for kind, body, sql_body in kinds:
        fields, not_yet = join([n for n in re.findall(r"\w+", f"{body}, {sql_body}") if n != "NULL"])
        compare(kind, f"state{kind}", fields | {"Use"}, not_yet)
    of_schema = set(SCHEMA["definitions"]["fields"]["Type"]["enum"])
    check(len(kinds) >= 7 and {kind[0] for kind in kinds} == of_schema, "the types of states are those of the source")
    check(set(tables) == used, "every table of fields was looked at", sorted(set(tables) - used))

    body = re.search(r"operators\[\] = \{\n(.*?)\n\};", source, re.S).group(1)
    operators = {n + p for n in re.findall(r'BOTH\("(\w+)"', body) for p in ("", "Path")} | set(re.findall(r'\{"(\w+)"', body))
    others = {"And", "Or", "Not", "Variable", "Condition"}
    check(len(operators) > 30, "operators are found")
    check(properties("condition") == operators | others | {"Comment"}, "a condition has the operators of the source")
    check(properties("choiceRule") == operators | others | {"Comment", "Next", "Assign", "Output"}, "and so has a rule")


def main():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    connection = psycopg2.connect(sys.argv[1])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET client_min_messages = error")
        check_definitions(cursor)
        check_lists(cursor)
    check_fields()


main()
