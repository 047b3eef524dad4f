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

-- The activity behind a Resource
SELECT r, workflow.task_activity(jsonb_build_object('Resource', r, 'Parameters', '{"FunctionName": "function:Fn:1"}'::jsonb))
FROM unnest(ARRAY[
    'Pay', 'arn:aws:lambda:eu-west-1:1:function:Pay', 'arn:aws:lambda:eu-west-1:1:function:Pay:$LATEST',
    'arn:aws:states:::lambda:invoke', 'arn:aws:states:::sqs:sendMessage', 'arn:aws:states:eu-west-1:1:activity:Pay',
    'arn:aws:sns:eu-west-1:1:topic:Paid']) r;

\set VERBOSITY terse
SAVEPOINT s;
SELECT workflow.describe('Nothing');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT workflow.describe('Saga', 2);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT workflow.describe('Saga', format => 'png');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
