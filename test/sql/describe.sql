-- workflow.describe: pictures of definitions.

BEGIN;
SET client_min_messages = error;
\pset format unaligned
\pset tuples_only on

SELECT workflow.register('Saga', workflow.sequence(ARRAY[
    workflow.step('Reserve', undo => 'Release'),
    workflow.step('Pay', undo => 'Refund'),
    workflow.step('Ship')]));
SELECT workflow.describe('Saga');
SELECT workflow.describe('Saga', format => 'dot');
SELECT workflow.describe('Saga', 1, 'states');

-- States come in the order of the text; templates are applied; names may be anything.
SELECT workflow.register('Odd', $asl${
    "StartAt": "say \"hi\" ]] --> x",
    "States": {
        "say \"hi\" ]] --> x": {"Type": "Choice", "Choices": [
            {"And": [{"Variable": "$.a", "NumericGreaterThanEquals": 5}, {"Not": {"Variable": "$.b", "IsPresent": true}}],
                "Next": "%%{init}%% $$x$$ `md` <b>&lt;"},
            {"Or": [{"Variable": "$.c", "IsNull": false}, {"Variable": "$.s", "StringMatches": "x*"}], "Next": "end"},
            {"Variable": "$.s", "StringEqualsPath": "$.t", "Next": "end"}],
            "Default": "line\nbreak\\N"},
        "%%{init}%% $$x$$ `md` <b>&lt;": {"Use": "Lambda", "Next": "end"},
        "line\nbreak\\N": {"Type": "Wait", "Seconds": 1, "Next": "Done"},
        "end": {"Type": "Compensate", "Next": "Failed"},
        "Done": {"Type": "Succeed"},
        "Failed": {"Type": "Fail", "Error": "X"}},
    "Templates": {
        "Lambda": {"Type": "Task", "Resource": "arn:aws:lambda:eu-west-1:1:function:Fn:3",
            "Catch": [{"ErrorEquals": ["My \"error\"", "States.Timeout"], "Next": "end"}],
            "Compensate": {"Resource": "Undo\"it\""}}},
    "OnError": "end", "OnCancel": "end", "OnTimeout": "Failed"
}$asl$);
SELECT workflow.describe('Odd');
SELECT workflow.describe('Odd', format => 'dot');
SELECT workflow.describe('Odd', format => 'states');

-- Nested machines, and what is done again
\set nested '{"StartAt": "Check", "Defaults": {"Retry": [{"ErrorEquals": ["Declined"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"], "MaximumAttempts": 5}]},  "States": {   "Check": {"Type": "Choice", "QueryLanguage": "SQL", "Choices": [{"Condition": "{% (input->>''total'')::int > 100 \\n  AND input ? ''gift'' %}", "Next": "Prepare"}], "Default": "Each line"},   "Prepare": {"Type": "Parallel", "Next": "Each line", "Compensate": "Unprepare",      "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 2}],      "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Sorry"}],      "Branches": [        {"StartAt": "Pay", "States": {"Pay": {"Use": "Paid", "Next": "Book"}, "Book": {"Type": "Pass", "End": true}}},        {"StartAt": "Pack", "States": {            "Pack": {"Type": "Map", "ItemsPath": "$.parts", "MaxConcurrency": 3, "ToleratedFailureCount": 1, "End": true,               "ItemProcessor": {"StartAt": "Wrap", "States": {"Wrap": {"Type": "Task", "Resource": "Wrap", "Retry": [], "Next": "Wrapped?"},                  "Wrapped?": {"Type": "Choice", "Choices": [{"Variable": "$.ok", "BooleanEquals": true, "Next": "Good"}], "Default": "Bad"},                  "Good": {"Type": "Succeed"}, "Bad": {"Type": "Fail", "Error": "Torn"}}}}}}]},   "Each line": {"Type": "Map", "QueryLanguage": "SQL", "Items": "{% input->''lines'' %}", "ItemBatcher": {"MaxItemsPerBatch": 10}, "Next": "Done",      "Iterator": {"StartAt": "Ship", "States": {"Ship": {"Type": "Task", "Resource": "Ship", "End": true}}}},   "Done": {"Type": "Succeed"}, "Sorry": {"Type": "Fail", "Error": "Sorry"}},  "Templates": {"Paid": {"Type": "Task", "Resource": "Pay", "Compensate": "Refund"}}, "OnError": "Sorry"}'
SELECT workflow.describe_states(:'nested');
SELECT workflow.describe_mermaid(:'nested');
SELECT workflow.describe_dot(:'nested');
SELECT workflow.definition_state(:'nested', state) FROM unnest('{Done,Pay,Ship,Nowhere}'::text[]) state;
SELECT workflow.map_label(m::json)
FROM unnest(ARRAY['{}', '{"ItemsPath": "$.a", "MaxConcurrency": 0}', '{"Items": [1, 2], "MaxConcurrency": "{% 2 + 3 %}"}',
    '{"MaxConcurrencyPath": "$.n", "ToleratedFailurePercentage": 5, "ToleratedFailureCountPath": "$.c", "ItemBatcher": {"MaxItemsPerBatchPath": "$.b"}}']) m;
SELECT workflow.retry_label(r::jsonb)
FROM unnest(ARRAY['[]', '[{"ErrorEquals": ["States.ALL"]}]', '[{"ErrorEquals": ["A", "B"], "MaxAttempts": 7}, {"ErrorEquals": ["C"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"], "MaximumAttempts": 5}]']) r;
SELECT workflow.expression_label(e) FROM unnest(ARRAY['{% a %}', ' {%a  ->  ''b''%} ', '{% a %} and {% b %}', 'a', '{% %}']) e;
SELECT quote_literal(workflow.picture_lines(l))
FROM unnest(ARRAY['', ' ', 'a b', E'a b\nc d', repeat('word ', 20), repeat('x', 50), repeat('x', 50) || ' y ' || repeat('z', 39)]) l;

-- The activity behind a Resource
SELECT r, workflow.task_activity(jsonb_build_object('Resource', r, 'Parameters', '{"FunctionName": "function:Fn:1"}'::jsonb))
FROM unnest(ARRAY[
    'Pay', 'arn:aws:lambda:eu-west-1:1:function:Pay', 'arn:aws:lambda:eu-west-1:1:function:Pay:$LATEST',
    'arn:aws:states:::lambda:invoke', 'arn:aws:states:::sqs:sendMessage', 'arn:aws:states:eu-west-1:1:activity:Pay',
    'arn:aws:sns:eu-west-1:1:topic:Paid']) r;

-- Errors say what there is instead, and not where they are raised.
SELECT workflow.register('Saga', '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'::text, make_current => false);
SELECT workflow.register('Later', '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'::text, make_current => false);
\set ON_ERROR_ROLLBACK on
SELECT workflow.describe('Nothing');
\echo :LAST_ERROR_SQLSTATE
SELECT workflow.describe('Saga', 9);
\echo :LAST_ERROR_SQLSTATE
SELECT workflow.describe('Saga', 0);
\echo :LAST_ERROR_SQLSTATE
SELECT workflow.describe('Later');
\echo :LAST_ERROR_SQLSTATE
SELECT workflow.describe('Saga', format => 'png');
\echo :LAST_ERROR_SQLSTATE
SELECT workflow.describe(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT workflow.start('Saga', version => 9);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM workflow.explain('nothing');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM workflow.explain('00000000-0000-0000-0000-000000000000'::uuid);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
