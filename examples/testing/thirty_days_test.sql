-- A customer is reminded every day for thirty days: on the virtual clock that takes some milliseconds.
BEGIN;
SET LOCAL client_min_messages = error;
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow.register('Reminders', $asl${"StartAt": "NextDay", "States": {
    "NextDay": {"Type": "Wait", "Seconds": 86400, "Next": "Remind"},
    "Remind": {"Type": "Task", "Resource": "Remind", "TimeoutSeconds": 60, "ResultPath": "$.reminders", "Next": "Enough"},
    "Enough": {"Type": "Choice", "Choices": [{"Variable": "$.reminders", "NumericLessThan": 30, "Next": "NextDay"}], "Default": "Done"},
    "Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow_test.mock_activity('Remind', compute => 'SELECT (input->>''reminders'')::int + 1');
SELECT workflow_test.expect_activity('Remind', 30);
SELECT workflow.start('Reminders', '{"reminders": 0}', 'reminders');
SELECT workflow_test.run();
\o

SELECT plan(3);
SELECT workflow_test.completed('reminders', '{"reminders": 30}');
SELECT is(workflow_test.now(), '2030-01-31 00:00:00+00', 'a month later');
SELECT workflow_test.verify();
SELECT * FROM finish();
ROLLBACK;
