-- workflow.sequence and workflow.step: plain ASL for a saga.

SELECT jsonb_pretty(workflow.sequence(ARRAY[
    workflow.step('Reserve', undo => 'Release'),
    workflow.step('Pay', 'Refund', '{"StartToCloseSeconds": 60}'),
    workflow.step('Notify')]));

-- What options say wins, and is merged with what sequence makes.
SELECT jsonb_pretty(workflow.sequence(
    ARRAY[workflow.step('Pay', 'Refund', '{"Compensate": {"Resource": "Refund"}, "ResultPath": null}')],
    '{"Comment": "hi", "Defaults": {"StartToCloseSeconds": 5}, "OnError": "Undo",
      "States": {"Undo": {"Type": "Compensate", "Next": "Failed"}, "Failed": {"Type": "Fail", "Error": "X"}}}'));

-- An activity may be called more than once.
SELECT s->>'StartAt' AS start_at, s #>> '{States,Mail,Next}' AS first, s #>> '{States,Wrap,Next}' AS second,
       s #>> '{States,Mail2,Resource}' AS resource
FROM workflow.sequence(ARRAY[workflow.step('Mail'), workflow.step('Wrap'), workflow.step('Mail')]) s;

-- What comes out is valid.
SELECT count(*) FILTER (WHERE severity = 'error') AS errors
FROM workflow.validate(workflow.sequence(ARRAY[
    workflow.step('Reserve', undo => 'Release'), workflow.step('Pay, "please"', undo => 'Refund')]));

\set VERBOSITY terse
SELECT workflow.sequence('{}');
SELECT workflow.sequence(NULL);
SELECT workflow.sequence(ARRAY[workflow.step('')]);
SELECT workflow.sequence(ARRAY[workflow.step('A', options => '[]')]);
SELECT workflow.sequence(ARRAY[workflow.step('A')], '1');
SELECT workflow.sequence(ARRAY[workflow.step('A'), workflow.step('A'), workflow.step('A2')]);
