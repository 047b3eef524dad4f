-- Runs that fail and are tried again, on a virtual clock: when, by which run, with what; timeouts of runs and of all of them; priorities.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION public.work(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
SELECT workflow.register_activity(name, 'public.work(jsonb)') FROM unnest('{A,UndoA,B}'::text[]) name;
SELECT workflow.register_activity('Outside', task_queue => 'q', options => '{"StartToCloseSeconds": 600}');
SELECT workflow.register_activity('Urgent', task_queue => 'q', options => '{"StartToCloseSeconds": 600, "Priority": 2}');
CREATE FUNCTION pg_temp.s(timestamptz) RETURNS int LANGUAGE sql AS $$ SELECT EXTRACT(epoch FROM $1 - timestamptz '2030-01-01 00:00:00+00')::int $$;
-- Each attempt: its number, how it ended, from when to when; and what began it after all
CREATE FUNCTION pg_temp.attempts(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', attempt, status, error, concat(pg_temp.s(started_at), '-', pg_temp.s(closed_at))), ', ' ORDER BY run_id) FROM workflow.executions WHERE workflow_id = id $$;
SELECT workflow.register('saga', $asl${"StartAt": "A", "Signals": {"go": {}}, "States": {
	"A": {"Type": "Task", "Resource": "A", "ResultPath": null, "Compensate": "UndoA", "Next": "B"},
	"B": {"Type": "Task", "Resource": "B", "End": true}}}$asl$);
SELECT workflow.register('waits', $asl${"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 100, "End": true}}}$asl$);
SELECT workflow.register('retries', (SELECT definition || '{"Retry": [{"ErrorEquals": ["Never"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 5, "MaximumAttempts": 3}]}'
	FROM workflow.definitions WHERE workflow = 'saga'));
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('A', '1'), workflow_test.mock_activity('UndoA', '1');
SELECT workflow_test.mock_activity('B', error => 'Broken', input => '{"id": "saga"}', times => 4);
SELECT workflow_test.mock_activity('B', error => 'Never', input => '{"id": "never"}');
SELECT workflow_test.mock_activity('B', error => 'Broken', input => '{"broken": true}');
SELECT workflow_test.mock_activity('B', '"done"');
SELECT workflow.start('saga', '{"id": "saga"}', 'saga', retry => '{"IntervalSeconds": 1, "BackoffRate": 2, "MaximumAttempts": 0}', memo => '"mine"');
SELECT workflow.start('retries', '{"id": "def", "broken": true}', 'def');
SELECT workflow.start('retries', '{"id": "never"}', 'never');
SELECT workflow.start('retries', '{"broken": true}', 'none', retry => '[]');
SELECT workflow.start('retries', '{"broken": true}', 'other', retry => '[{"ErrorEquals": ["Other"]}]');
SELECT workflow.start('retries', '{"broken": true}', 'counts', retry => '[{"ErrorEquals": ["Broken"], "MaxAttempts": 1, "IntervalSeconds": 7}]');
SELECT workflow.start('waits', workflow_id => 'run timeout', run_timeout => '10 s', retry => '{"IntervalSeconds": 5, "MaxAttempts": 2}');
SELECT workflow.start('waits', workflow_id => 'execution timeout', run_timeout => '10 s', execution_timeout => '22 s', retry => '{"IntervalSeconds": 5, "MaxAttempts": 9}');
SELECT workflow.start('waits', workflow_id => 'canceled', retry => '{}'), workflow.start('waits', workflow_id => 'terminated', retry => '{}');
SELECT workflow_test.at('3 s', $$ SELECT workflow.cancel('canceled'), workflow.terminate('terminated') $$);
\o
SELECT no_plan();
\echo # Between attempts
SELECT workflow_test.run('2030-01-01 00:00:05+00') \g /dev/null
SELECT is(pg_temp.attempts('saga'), '1 Failed Broken 0-0, 2 Failed Broken 0-1, 3 Failed Broken 1-3, 4 Running 3-', 'a run takes the place of one that failed');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is((SELECT (status, state, waiting_for)::text FROM workflow.explain('saga')), '(Running,,"its delayed start")', 'it waits for its back-off');
SELECT is((SELECT kind || ' ' || pg_temp.s(due_at) FROM workflow.timers WHERE workflow_id = 'saga'), 'StartDelay 7', 'which grows');
\o /dev/null
SELECT workflow.signal('saga', 'go');
SELECT workflow_test.run('2030-01-01 00:00:06+00');
\o
SELECT is((SELECT kind || ' ' || pg_temp.s(due_at) FROM workflow.timers WHERE workflow_id = 'saga'), 'StartDelay 7', 'and is not cut short by a signal');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\echo # In the end
SELECT workflow_test.run('2030-01-01 01:00:00+00') \g /dev/null
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is(pg_temp.attempts('saga'), '1 Failed Broken 0-0, 2 Failed Broken 0-1, 3 Failed Broken 1-3, 4 Failed Broken 3-7, 5 Completed 7-15', 'until one completes');
SELECT is((SELECT count(DISTINCT (root_run_id, memo, input))::int FROM workflow.executions WHERE workflow_id = 'saga'), 1, 'they have the same root, memo and input');
SELECT is((SELECT count(*) FROM workflow.executions e JOIN workflow.executions n ON n.run_id = e.next_run_id AND n.attempt = e.attempt + 1 WHERE e.workflow_id = 'saga'), 4::bigint, 'each knows the next');
SELECT is((SELECT count(*) FROM workflow.compensations WHERE workflow_id = 'saga' AND status = 'Completed'), 4::bigint, 'what those that failed did has been undone');
SELECT is((SELECT count(DISTINCT idempotency_key) FROM (SELECT compensates->>'idempotency_key' AS idempotency_key FROM workflow.compensations WHERE workflow_id = 'saga') k), 1::bigint,
	'and had the same idempotency key each time');
SELECT is((SELECT (status, output)::text FROM workflow.wait((SELECT run_id FROM workflow.executions WHERE workflow_id = 'saga' AND attempt = 1))), '(Completed,"""done""")', 'who waits for the first waits for the last');
SELECT is(workflow.result('saga'), '"done"', 'the result is that of the last');
SELECT is((SELECT attributes - '{new_run_id,public_error}'::text[] FROM workflow.history h JOIN workflow.executions e USING (run_id) WHERE e.workflow_id = 'saga' AND e.attempt = 2 AND event_type = 'WorkflowExecutionFailed'),
	'{"cause": "", "error": "Broken", "retrier": 0, "version": 1, "retry_at": "2030-01-01T00:00:03Z"}', 'history tells when and why');
SELECT is((SELECT attributes->'attempt' FROM workflow.history h JOIN workflow.executions e USING (run_id) WHERE e.workflow_id = 'saga' AND e.attempt = 3 AND event_id = 1), '3', 'and of the attempt');
SELECT is(pg_temp.attempts('def'), '1 Failed Broken 0-0, 2 Failed Broken 0-5, 3 Failed Broken 5-15', 'a definition may say so for all its runs');
SELECT is(pg_temp.attempts('never'), '1 Failed Never 0-0', 'and for which errors');
SELECT is(pg_temp.attempts('none'), '1 Failed Broken 0-0', 'a start may say otherwise');
SELECT is(pg_temp.attempts('other'), '1 Failed Broken 0-0', 'only errors that are named count');
SELECT is(pg_temp.attempts('counts'), '1 Failed Broken 0-0, 2 Failed Broken 0-7', 'MaxAttempts counts retries');
SELECT is(pg_temp.attempts('run timeout'), '1 TimedOut States.Timeout 0-10, 2 TimedOut States.Timeout 10-25, 3 TimedOut States.Timeout 25-45', 'run_timeout is for each run, from when it begins');
SELECT is(pg_temp.attempts('execution timeout'), '1 TimedOut States.Timeout 0-10, 2 TimedOut States.Timeout 10-22', 'execution_timeout for all of them');
SELECT is(pg_temp.attempts('canceled'), '1 Canceled OW.Canceled 0-3', 'what was canceled is not tried again');
SELECT is(pg_temp.attempts('terminated'), '1 Terminated OW.Terminated 0-3', 'nor what was terminated');

\echo # Not before it is undone
\o /dev/null
SELECT workflow.register('undo', $asl${"StartAt": "A", "Retry": [{"ErrorEquals": ["States.ALL"]}], "States": {
	"A": {"Type": "Task", "Resource": "A", "Compensate": {"Resource": "B", "Parameters": {"broken": true}, "Retry": []}, "Next": "Fail"}, "Fail": {"Type": "Fail", "Error": "Broken"}}}$asl$);
SELECT workflow.start('undo', workflow_id => 'undo');
SELECT workflow_test.run(workflow_test.now() + interval '1 hour');
\o
SELECT is(pg_temp.attempts('undo'), '1 Failed Broken 3600-3600', 'what could not be undone is not done again');
SELECT lives_ok($$ SELECT workflow.retry_compensation('undo') $$, 'but can be looked after');

\echo # Paused, canceled and signaled between attempts; continued as new
\o /dev/null
SELECT workflow.register('count', $asl${"StartAt": "How", "Signals": {"go": {}}, "States": {
	"How": {"Type": "Choice", "Default": "Again", "Choices": [{"Variable": "$.n", "NumericEquals": 2, "Next": "Fail"}, {"Variable": "$.n", "NumericEquals": 4, "Next": "Await"}]},
	"Again": {"Type": "ContinueAsNew", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}},
	"Await": {"Type": "Await", "Any": [{"Signal": "go", "Next": "Fail"}]},
	"Fail": {"Type": "Fail", "Error": "Broken"}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.start('count', '{"n": 1}', 'continued', retry => '{"IntervalSeconds": 10, "MaximumAttempts": 3, "BackoffRate": 1}', run_timeout => '1 hour', execution_timeout => '1 day');
SELECT workflow.start('count', '{"n": 4}', 'signaled', retry => '{"IntervalSeconds": 10, "MaxAttempts": 1}');
SELECT workflow.start('count', '{"n": 2}', id, retry => '{"IntervalSeconds": 10, "MaxAttempts": 1}') FROM unnest('{held,gone}'::text[]) id;
SELECT workflow.signal('signaled', 'go'), workflow.signal('signaled', 'go');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
SELECT workflow.pause('held'), workflow.cancel('gone');
SELECT workflow_test.run('2030-01-01 00:01:00+00');
\o
SELECT is(pg_temp.attempts('continued'), '1 ContinuedAsNew 0-0, 1 Failed Broken 0-0, 2 Failed Broken 0-10, 3 Failed Broken 10-20', 'a run that was continued has attempts of its own, and the same Retry');
SELECT is((SELECT count(DISTINCT root_run_id) FROM workflow.executions WHERE workflow_id = 'continued'), 2::bigint, 'and work of its own');
SELECT is(pg_temp.attempts('signaled'), '1 Failed Broken 0-0, 2 Failed Broken 0-10', 'signals that nobody has consumed are there for the next attempt');
SELECT is(pg_temp.attempts('held'), '1 Failed Broken 0-0, 2 Paused 0-', 'a back-off can be paused');
SELECT is(pg_temp.attempts('gone'), '1 Failed Broken 0-0, 2 Canceled OW.Canceled 0-1', 'and canceled');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Many
\o /dev/null
SELECT workflow.start_many('waits', ARRAY['{}', '{}']::jsonb[], '{many 1,many 2}', version => 1, run_timeout => '10 s', execution_timeout => '1 minute', retry => '{"IntervalSeconds": 5, "MaxAttempts": 1}');
SELECT workflow_test.run('2030-01-01 00:10:00+00');
\o
SELECT is(pg_temp.attempts('many 2'), '1 TimedOut States.Timeout 60-70, 2 TimedOut States.Timeout 70-85', 'start_many has the same options');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.signal_with_start('count', 'swt', 'go', input => '{"n": 4}', retry => '{"MaxAttempts": 0}', run_timeout => '10 s');
SELECT workflow_test.run('2030-01-01 00:11:00+00');
\o
SELECT is(pg_temp.attempts('swt'), '1 Failed Broken 600-600', 'signal_with_start as well');

\echo # Priority
\o /dev/null
SELECT workflow.register('queued', $asl${"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": true, "Branches": [
	{"StartAt": "Plain", "States": {"Plain": {"Type": "Task", "Resource": "Outside", "End": true}}},
	{"StartAt": "Activity's", "States": {"Activity's": {"Type": "Task", "Resource": "Urgent", "End": true}}},
	{"StartAt": "State's", "States": {"State's": {"Type": "Task", "Resource": "Urgent", "Priority": 4, "End": true}}}]}}}$asl$);
SELECT workflow.start('queued', workflow_id => 'low', priority => 5), workflow.start('queued', workflow_id => 'plain'), workflow.start('queued', workflow_id => 'high', priority => 1);
SELECT workflow.start_many('queued', '{1}', '{many}', priority => 1);
SELECT workflow_test.run('2030-01-01 00:11:00+00');
\o
SELECT results_eq($$ SELECT concat_ws(' ', workflow_id, state, priority) COLLATE "default" FROM workflow.pending_activities ORDER BY workflow_id COLLATE "C", state COLLATE "C" $$, $$ SELECT concat_ws(' ', a, b, c) FROM (VALUES
	('high', 'Activity''s', 2), ('high', 'Plain', 1), ('high', 'State''s', 4), ('low', 'Activity''s', 2), ('low', 'Plain', 5), ('low', 'State''s', 4),
	('many', 'Activity''s', 2), ('many', 'Plain', 1), ('many', 'State''s', 4), ('plain', 'Activity''s', 2), ('plain', 'Plain', 3), ('plain', 'State''s', 4)) v (a, b, c) $$,
	'tasks have it that neither their state nor their activity gives another');
SELECT is((SELECT string_agg(x.workflow_id, ' ') FROM (SELECT p.workflow_id FROM workflow.poll_activity('q', 'w', 20, activities => '{Outside}') p) x), 'high many plain low', 'and are taken in this order');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Failures that an activity has called non-retryable
\o /dev/null
SELECT workflow.register('final', $asl${"StartAt": "Where", "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}], "States": {
	"Where": {"Type": "Choice", "Default": "A", "Choices": [{"Variable": "$.in", "StringEquals": "branch", "Next": "Both"}, {"Variable": "$.in", "StringEquals": "queue", "Next": "Q"}]},
	"A": {"Type": "Task", "Resource": "A", "Compensate": "UndoA", "Next": "Final"},
	"Final": {"Type": "Task", "Resource": "Final", "End": true},
	"Q": {"Type": "Task", "Resource": "Outside", "ScheduleToStartSeconds": 10, "End": true},
	"Both": {"Type": "Parallel", "End": true, "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}], "Branches": [{"StartAt": "A1", "States": {
		"A1": {"Type": "Task", "Resource": "A", "Compensate": "UndoA", "Next": "F1"}, "F1": {"Type": "Task", "Resource": "Final", "End": true}}}]}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('A', '1'), workflow_test.mock_activity('UndoA', error => 'Stubborn', non_retryable => true, times => 1), workflow_test.mock_activity('UndoA', '1');
SELECT workflow_test.mock_activity('Final', error => 'Declined', non_retryable => true);
SELECT workflow.start('final', '{"in": "run"}', 'final reopened');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
SELECT workflow.retry_compensation('final reopened');
SELECT workflow.start('final', '{"in": "run"}', 'final'), workflow.start('final', '{"in": "branch"}', 'final branch'), workflow.start('final', '{"in": "queue"}', 'final queue');
SELECT workflow_test.run('2030-01-01 01:00:00+00');
\o
SELECT is(pg_temp.attempts('final'), '1 Failed Declined 1-1', 'the run is not tried again either');
SELECT is(pg_temp.attempts('final branch'), '1 Failed Declined 1-8', 'nor if it was in a branch');
SELECT is((SELECT count(*) FROM workflow.history WHERE workflow_id = 'final branch' AND event_type = 'BranchStarted'), 4::bigint, 'whose Parallel is, as its Retry says');
SELECT is(pg_temp.attempts('final reopened'), '1 Failed Declined 0-1', 'nor when it is opened again for a compensation');
SELECT is(pg_temp.attempts('final queue'), '1 Failed States.Timeout 1-11, 2 Failed States.Timeout 11-22', 'a limit of a task says nothing about the run');
SELECT is((SELECT attributes->'non_retryable' FROM workflow.history WHERE workflow_id = 'final' AND event_type = 'ActivityTaskFailed'), 'true', 'history tells');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # What is wrong
SELECT throws_ok($$ SELECT workflow.start('waits', retry => '{"MaxAtempts": 1}') $$, '22023', 'invalid retry', 'a field that there is not');
SELECT throws_ok($$ SELECT workflow.start('waits', retry => '"often"') $$, '22023', 'invalid retry', 'no retrier');
SELECT throws_ok($$ SELECT workflow.start('waits', retry => '[{"MaxAttempts": 1}]') $$, '22023', 'invalid retry', 'of several, each names its errors');
SELECT throws_ok($$ SELECT workflow.start('waits', run_timeout => '0') $$, '22023', 'run_timeout must be greater than zero', 'no time');
SELECT throws_ok($$ SELECT workflow.start('waits', priority => 6) $$, '22023', 'priority must be from 1 to 5', 'a priority that there is not');
SELECT throws_ok($$ SELECT workflow.start_many('waits', '{1}', priority => 0) $$, '22023', 'priority must be from 1 to 5', 'a priority that there is not');
SELECT throws_ok($$ SELECT workflow.register('x', '{"StartAt": "W", "Retry": [{"ErrorEquals": []}], "States": {"W": {"Type": "Succeed"}}}') $$, 'OW001', NULL, 'a definition''s Retry is checked');
SELECT * FROM finish();
ROLLBACK;
