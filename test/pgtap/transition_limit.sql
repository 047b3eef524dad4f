-- A loop that never waits and does nothing is stopped; one that runs an activity each time is not.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register('idle', '{"StartAt": "Round", "States": {
	"Round": {"Type": "Pass", "Next": "Again"},
	"Again": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": true, "Next": "Done"}], "Default": "Round"},
	"Done": {"Type": "Succeed"}}}');
SELECT workflow.register('branch', '{"StartAt": "All", "States": {"All": {"Type": "Map", "End": true, "ToleratedFailureCount": 1,
	"ItemProcessor": {"StartAt": "Again", "States": {
		"Again": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": true, "Next": "Done"}], "Default": "Again"},
		"Done": {"Type": "Succeed"}}}}}}');
SELECT workflow.start('idle', '{}', workflow_id => 'idle');
SELECT workflow.start('branch', '[{"stop": 1}, {}]', workflow_id => 'branch');
SELECT workflow_test.run();
\o
SELECT plan(5);
SELECT is((SELECT concat_ws(' ', status, error, cause) FROM workflow.executions WHERE workflow_id = 'idle'),
	'Failed OW.TransitionLimitExceeded ' || current_setting('order_workflow.transition_limit') ||
	' states were entered without waiting or running an activity', 'the run fails, and says why');
SELECT is((SELECT attributes->>'transitions' FROM workflow.history WHERE workflow_id = 'idle' AND event_type = 'TransitionLimitReached'),
	current_setting('order_workflow.transition_limit'), 'history tells when');
SELECT is((SELECT output->1->>'Error' FROM workflow.executions WHERE workflow_id = 'branch'), 'OW.TransitionLimitExceeded',
	'a branch counts for itself');
SELECT is((SELECT output->0 FROM workflow.executions WHERE workflow_id = 'branch'), '{"stop": 1}', 'and is the only one to fail');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'no faults');
SELECT * FROM finish();
ROLLBACK;
