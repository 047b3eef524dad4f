-- workflow_test.coverage: what of a definition tests have been through.
SET client_min_messages = error;
BEGIN;
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow.register_activity(a, task_queue => 'q', options => '{"StartToCloseSeconds": 60}') FROM unnest('{Reserve,Pay,Ship,Release}'::text[]) a;
SELECT workflow.register('order', '{"StartAt": "Reserve", "OnError": "Sorry", "OnCancel": "Sorry", "States": {
	"Reserve": {"Type": "Task", "Resource": "Reserve", "ResultPath": null, "Compensate": "Release", "Next": "Rich"},
	"Rich": {"Type": "Choice", "Choices": [{"Variable": "$.amount", "NumericGreaterThan": 100, "Next": "Each"}], "Default": "Pay"},
	"Each": {"Type": "Map", "ItemsPath": "$.items", "ResultPath": null, "ItemProcessor": {"StartAt": "Ship", "States": {
		"Ship": {"Type": "Task", "Resource": "Ship", "End": true}}}, "Next": "Pay"},
	"Pay": {"Type": "Task", "Resource": "Pay", "Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 1}],
		"Catch": [{"ErrorEquals": ["Declined"], "ResultPath": null, "Next": "Sorry"}], "End": true},
	"Sorry": {"Type": "Compensate", "Next": "Failed"},
	"Failed": {"Type": "Fail", "Error": "No"}}}');
SELECT workflow_test.mock_activity(a, '1') FROM unnest('{Reserve,Ship,Release}'::text[]) a;
SELECT workflow_test.mock_activity('Pay', error => 'Busy', times => 1);
SELECT workflow_test.mock_activity('Pay', error => 'Declined', input => '{"poor": true}');
SELECT workflow_test.mock_activity('Pay', error => 'Odd', input => '{"odd": true}');
SELECT workflow_test.mock_activity('Pay', '1');
CREATE FUNCTION pg_temp.missing() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', kind, state, target), ', ' ORDER BY n), '') FROM workflow_test.coverage('order') WHERE taken = 0 $$;
\o
SELECT plan(16);
SELECT is((SELECT count(*) FILTER (WHERE taken > 0) FROM workflow_test.coverage('order')), 0::bigint, 'nothing is taken at first');
\o /dev/null
SELECT workflow.start('order', '{"amount": 1}', 'small');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.missing(), 'OnError Sorry, OnCancel Sorry, Compensate Reserve Release, Choice Rich Each, State Each, Next Each Pay, Start Each Ship, '
	|| 'State Ship, End Ship, Catch Pay Sorry, State Sorry, Next Sorry Failed, State Failed, End Failed', 'the straight way, with a retry');
\o /dev/null
SELECT workflow.start('order', '{"amount": 1000, "items": [1, 2]}', 'large');
SELECT workflow.start('order', '{"amount": 1, "poor": true}', 'poor');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.missing(), 'OnError Sorry, OnCancel Sorry', 'through a Map, a Catch and compensations');
SELECT is((SELECT taken FROM workflow_test.coverage('order') WHERE kind = 'State' AND state = 'Ship'), 2::bigint, 'each item counts');
SELECT is((SELECT taken FROM workflow_test.coverage('order') WHERE kind = 'Compensate'), 1::bigint, 'and each compensation');
\o /dev/null
SELECT workflow.start('order', '{"amount": 1, "odd": true}', 'odd');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.missing(), 'OnCancel Sorry', 'an error that no Catch names');
SELECT workflow_test.covered('order', '{OnCancel}');
SELECT c.* FROM workflow_test.covered('order') a, check_test(a, false, 'what is missing', 'tests go through all of order', 'not taken: OnCancel -> Sorry') c;
SELECT c.* FROM workflow_test.covered('ordre') a, check_test(a, false, 'a misspelt workflow', 'tests go through all of ordre', 'there is no workflow "ordre"') c;
SELECT matches(workflow_test.coverage_html('order'), '"not taken", "OnCancel -> Sorry"', 'a page tells it, too');
-- Tasks that ask other workflows
\o /dev/null
SELECT workflow.register('parent', '{"StartAt": "Child", "States": {
	"Child": {"Type": "Task", "Resource": "workflow:c", "Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 1}],
		"Catch": [{"ErrorEquals": ["Bad"], "ResultPath": null, "Next": "Sorry"}], "Next": "Tell"},
	"Tell": {"Type": "Task", "Resource": "workflow:signal", "Parameters": {"WorkflowId": "x", "Signal": "s"}, "Next": "Done"},
	"Done": {"Type": "Succeed"}, "Sorry": {"Type": "Pass", "End": true}}}');
SELECT workflow_test.mock_workflow('c', '1', input => '{"good": true}');
SELECT workflow_test.mock_workflow('c', error => 'Busy', times => 1);
SELECT workflow_test.mock_workflow('c', error => 'Bad');
SELECT workflow_test.mock_signal('x');
SELECT workflow.start('parent', '{"good": true}', 'good');
SELECT workflow_test.run();
\o
SELECT is((SELECT string_agg(concat_ws(' ', kind, state, target), ', ' ORDER BY n) FROM workflow_test.coverage('parent') WHERE taken = 0),
	'Retry Child Child, Catch Child Sorry, State Sorry, End Sorry', 'a child that completes, and a signal');
SELECT workflow.start('parent', '{}', 'bad'), workflow_test.run() \g /dev/null
SELECT workflow_test.covered('parent');
SELECT * FROM finish();
ROLLBACK;
