-- Compensations of a run that has recorded more of them than are read at a time, and was loaded again since.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.nothing(jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity(name, 'public.nothing(jsonb)') FROM unnest('{Take,Check,Undo,UndoCheck}'::text[]) name;
SELECT workflow.register(name, jsonb_build_object(
	'StartAt', 'Each',
	'States', '{
		"Each": {"Type": "Map", "ItemProcessor": {"StartAt": "Take", "States": {
			"Take": {"Type": "Task", "Resource": "Take", "ResultPath": null, "Compensate": "Undo", "End": true}}}, "Next": "Pause"},
		"Pause": {"Type": "Wait", "Seconds": 10, "Next": "End"}}'::jsonb || jsonb_build_object('End', ending)))
FROM (VALUES ('fails', '{"Type": "Fail", "Error": "No"}'::jsonb), ('completes', '{"Type": "Succeed"}'),
	('undoes', '{"Type": "Compensate", "End": true}')) AS endings (name, ending);
-- Each waits, then every third fails, and is undone alone.
SELECT workflow.register('tolerates', $asl${
	"StartAt": "Each",
	"States": {
		"Each": {"Type": "Map", "MaxConcurrency": 400, "ToleratedFailurePercentage": 50, "Next": "Pause", "ItemProcessor": {
			"StartAt": "Take", "States": {
				"Take": {"Type": "Task", "Resource": "Take", "ResultPath": null, "Compensate": "Undo", "Next": "Wait"},
				"Wait": {"Type": "Wait", "Seconds": 1, "Next": "Third"},
				"Third": {"Type": "Choice", "Default": "Well", "Choices": [{"Variable": "$.third", "BooleanEquals": true, "Next": "Ill"}]},
				"Well": {"Type": "Succeed"},
				"Ill": {"Type": "Fail", "Error": "Third"}}}},
		"Pause": {"Type": "Wait", "Seconds": 10, "Next": "End"},
		"End": {"Type": "Fail", "Error": "No"}
	}}$asl$);
-- What is recorded when scheduled is dropped, or told the result, after the run was loaded again.
SELECT workflow.register('scheduled', $asl${
	"StartAt": "Check",
	"States": {
		"Check": {"Type": "Task", "Resource": "Check", "Compensate": {"Resource": "UndoCheck", "When": "Scheduled"}, "ResultPath": null,
			"Retry": [{"ErrorEquals": ["Unavailable"], "IntervalSeconds": 5, "MaxAttempts": 1}],
			"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "Take"}], "Next": "Take"},
		"Take": {"Type": "Task", "Resource": "Take", "ResultPath": null, "Compensate": "Undo", "Next": "Pause"},
		"Pause": {"Type": "Wait", "Seconds": 10, "Next": "End"},
		"End": {"Type": "Fail", "Error": "No"}
	}}$asl$);

SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('Undo', error => 'Hopeless', non_retryable => true, times => 1,
	input => jsonb_build_object('item', item, 'run', 'reopened'))
FROM unnest('{7,1190}'::int[]) item;
SELECT workflow_test.mock_activity('Check', error => 'Unavailable', input => '"dropped"');
SELECT workflow_test.mock_activity('Check', error => 'Unavailable', times => 1, input => '"told"');
SELECT workflow_test.mock_activity('Check', '"checked"');
SELECT workflow_test.mock_activity(name) FROM unnest('{Take,Undo,UndoCheck}'::text[]) name;

SELECT workflow.start(workflow, (SELECT jsonb_agg(jsonb_build_object('item', item, 'run', id)) FROM generate_series(1, 1200) item), id)
FROM (VALUES ('fails', 'fails'), ('fails', 'reopened'), ('fails', 'terminated'), ('completes', 'completes'), ('undoes', 'undoes'))
	AS runs (workflow, id);
SELECT workflow.start('tolerates', (SELECT jsonb_agg(jsonb_build_object('item', item, 'third', item % 3 = 0))
	FROM generate_series(1, 1200) item), 'tolerates');
SELECT workflow.start('scheduled', to_jsonb(id), id) FROM unnest('{dropped,told}'::text[]) id;

CREATE FUNCTION pg_temp.compensations(id text) RETURNS TABLE (status text, count bigint) LANGUAGE sql
	AS $$ SELECT status, count(*) FROM workflow.compensations WHERE workflow_id = id GROUP BY status ORDER BY status $$;
-- The compensations in the order in which they were scheduled
CREATE FUNCTION pg_temp.undone(id text, after int DEFAULT 0) RETURNS int[] LANGUAGE sql
	AS $$ SELECT array_agg((attributes->>'compensation')::int ORDER BY event_id) FROM workflow.history
		WHERE workflow_id = id AND event_type = 'ActivityTaskScheduled' AND attributes ? 'compensation' AND event_id > after $$;
SELECT workflow_test.run('2030-01-01 00:00:05+00');
SELECT workflow.terminate('terminated');
\o

SELECT plan(22);

SELECT is_empty('SELECT * FROM pg_temp.faults()', 'half-way, each history leads to the state of its run');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('completes') $$, $$ VALUES ('Recorded', 1200::bigint) $$, 'half-way, all are recorded');
SELECT workflow_test.run() \g /dev/null
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'in the end, too');

SELECT workflow_test.completed('completes');
SELECT is_empty($$ SELECT pg_temp.compensations('completes') $$, 'a run that completes keeps none');
SELECT is_empty($$ SELECT pg_temp.compensations('terminated') $$, 'nor does one that is terminated');

SELECT workflow_test.failed('fails', 'No');
SELECT is(pg_temp.undone('fails'), ARRAY(SELECT generate_series(1200, 1, -1)), 'all are undone, last first');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('fails') $$, $$ VALUES ('Completed', 1200::bigint) $$, 'and kept');
SELECT workflow_test.completed('undoes');
SELECT is(pg_temp.undone('undoes'), ARRAY(SELECT generate_series(1200, 1, -1)), 'so are they by a Compensate state');

-- failed ones again, in their order
SELECT workflow_test.failed('reopened', 'No');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('reopened') $$, $$ VALUES ('Completed', 1198::bigint), ('Failed', 2) $$,
	'those that fail do not stop the others');
SELECT max(event_id) AS last_event FROM workflow.history WHERE workflow_id = 'reopened' \gset
SELECT workflow.retry_compensation('reopened') \g /dev/null
SELECT workflow_test.run() \g /dev/null
SELECT workflow_test.failed('reopened', 'No');
SELECT is(pg_temp.undone('reopened', :last_event), '{1190,7}', 'they run again, last first');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('reopened') $$, $$ VALUES ('Completed', 1200::bigint) $$, 'and then all have completed');

-- one branch of many
SELECT workflow_test.failed('tolerates', 'No');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('tolerates') $$, $$ VALUES ('Completed', 1200::bigint) $$,
	'what failing branches undo alone is not undone again');
SELECT is((SELECT array_agg(h.branch_id = c.branch_id ORDER BY h.event_id)
	FROM (SELECT event_id, branch_id, (attributes->>'compensation')::int AS sequence FROM workflow.history
		WHERE workflow_id = 'tolerates' AND event_type = 'ActivityTaskScheduled' AND attributes ? 'compensation' AND branch_id > 0) AS h
	JOIN (SELECT branch_id, row_number() OVER (ORDER BY event_id) AS sequence FROM workflow.history
		WHERE workflow_id = 'tolerates' AND event_type = 'ActivityTaskCompleted' AND NOT attributes ? 'compensation') AS c USING (sequence)),
	array_fill(true, ARRAY[400]), 'a failing branch undoes what it did itself');

-- recorded when scheduled
SELECT results_eq($$ SELECT activity, sequence FROM workflow.compensations WHERE workflow_id = 'dropped' $$, $$ VALUES ('Undo', 2) $$,
	'one that is dropped leaves its number');
SELECT results_eq($$ SELECT activity, compensates->>'result' FROM workflow.compensations WHERE workflow_id = 'told' ORDER BY sequence $$,
	$$ VALUES ('UndoCheck', 'checked'), ('Undo', NULL) $$, 'one that is kept is told the result');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the end of its run');

SELECT * FROM finish();
ROLLBACK;
