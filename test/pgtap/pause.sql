-- Pausing whole runs, on a virtual clock: what stands still and what goes on, in each phase of a run.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION public.work(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
SELECT workflow.register_activity(name, 'public.work(jsonb)') FROM unnest('{A,B,UndoA}'::text[]) name;
SELECT workflow.register_activity('Outside', task_queue => 'q', options => '{"StartToCloseSeconds": 600, "ScheduleToCloseSeconds": 7200}');
SELECT workflow.register('phases', $asl${"StartAt": "A", "Signals": {"go": {}}, "States": {
	"A": {"Type": "Task", "Resource": "A", "ResultPath": null, "Compensate": "UndoA", "Next": "Choose"},
	"Choose": {"Type": "Choice", "Default": "Fail", "Choices": [
		{"Variable": "$.to", "StringEquals": "wait", "Next": "Wait"},
		{"Variable": "$.to", "StringEquals": "retry", "Next": "Retry"},
		{"Variable": "$.to", "StringEquals": "await", "Next": "Await"},
		{"Variable": "$.to", "StringEquals": "outside", "Next": "Outside"},
		{"Variable": "$.to", "StringEquals": "last", "Next": "Last"},
		{"Variable": "$.to", "StringEquals": "branches", "Next": "Branches"}]},
	"Wait": {"Type": "Wait", "Seconds": 60, "Next": "B"},
	"Retry": {"Type": "Task", "Resource": "B", "Parameters": "broken", "Retry": [{"ErrorEquals": ["Broken"], "IntervalSeconds": 60, "MaxAttempts": 1}], "End": true},
	"Await": {"Type": "Await", "Any": [{"Signal": "go", "Next": "B"}, {"AfterSeconds": 60, "Next": "Fail"}]},
	"Outside": {"Type": "Task", "Resource": "Outside", "Next": "B"},
	"Last": {"Type": "Task", "Resource": "Outside", "TaskQueue": "last", "End": true},
	"Branches": {"Type": "Parallel", "Next": "B", "Branches": [
		{"StartAt": "Out 1", "States": {"Out 1": {"Type": "Task", "Resource": "Outside", "End": true}}},
		{"StartAt": "Wait 2", "States": {"Wait 2": {"Type": "Wait", "Seconds": 60, "End": true}}}]},
	"B": {"Type": "Task", "Resource": "B", "End": true},
	"Fail": {"Type": "Fail", "Error": "Enough"}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('B', error => 'Broken', input => '"broken"');
SELECT workflow_test.mock_activity(name, '"done"') FROM unnest('{A,B,UndoA}'::text[]) name;
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, state, error, EXTRACT(epoch FROM closed_at - timestamptz '2030-01-01 00:00:00+00')::int)
	FROM workflow.executions WHERE workflow_id = id ORDER BY started_at DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.events(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM workflow.history WHERE workflow_id = id
	AND event_type ~ '^(WorkflowExecution|TimerFired)' $$;
SELECT workflow.start('phases', jsonb_build_object('to', id), workflow_id => id) FROM unnest('{wait,retry,await,outside,branches,last}'::text[]) id;
SELECT workflow.start('phases', '{"to": "wait"}', workflow_id => 'begin');
SELECT workflow.start('phases', '{"to": "wait"}', workflow_id => 'delay', start_delay => '60 s');
SELECT workflow.start('phases', '{"to": "wait"}', workflow_id => 'short delay', start_delay => '1 s');
SELECT workflow.start('phases', '{"to": "wait"}', workflow_id => id) FROM unnest('{cancel,terminate}'::text[]) id;
SELECT workflow.start('phases', '{"to": "wait"}', workflow_id => 'timeout', execution_timeout => '30 s');
SELECT workflow.pause('begin'), workflow.pause('delay');
SELECT workflow_test.run(workflow_test.now());
-- one task is at a worker, the other nobody has
SELECT task_token AS taken FROM workflow.poll_activity('q', 'w', 1) \gset
SELECT task_token AS last FROM workflow.poll_activity('last', 'w') \gset
SELECT workflow.pause(workflow_id, 'audit'), workflow.pause(workflow_id, 'again') FROM workflow.executions WHERE workflow_id <> ALL ('{begin,delay,short delay}');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT no_plan();
\echo # Paused
SELECT results_eq($$ SELECT DISTINCT status, pause_reason, paused_by = current_user::text, paused_at FROM workflow.executions WHERE workflow_id NOT IN ('begin', 'delay', 'short delay') $$,
	$$ VALUES ('Paused', 'audit', true, timestamptz '2030-01-01 00:00:00+00') $$, 'in whatever phase, by whom, why and since when; a second pause is none');
SELECT is((SELECT string_agg(DISTINCT status, ' ') FROM workflow.executions WHERE workflow_id IN ('begin', 'delay')), 'Paused', 'and before they begin');
SELECT is((SELECT count(*) FROM workflow.history WHERE workflow_id = 'wait' AND event_type = 'WorkflowExecutionPaused'), 1::bigint, 'history has it once');
SELECT is((SELECT count(*) FROM workflow.timers t JOIN workflow.executions e USING (run_id) WHERE e.status = 'Paused' AND kind <> 'Lease'), 0::bigint, 'nothing wakes them');
SELECT is((SELECT (status, waiting_for, since, until, moved_by)::text FROM workflow.explain('wait')),
	format('(Paused,"somebody to resume it: paused by %s: audit","2030-01-01 00:00:00+00",,"workflow.resume(), or workflow.terminate()")', current_user)
	, 'explain tells') WHERE current_setting('TimeZone') IN ('UTC', 'Etc/UTC', 'GMT') AND current_user !~ '[^a-z]';
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('q', 'w', 10) $$, 'no task of theirs is handed out');
SELECT is((SELECT (ok, cancel_requested, paused)::text FROM workflow.heartbeat(:'taken')), '(t,f,f)', 'but whoever has one goes on');
SELECT is(workflow.complete_activity(:'taken', '"answer"'), true, 'and his answer is taken');
SELECT results_eq(format('SELECT workflow.complete_activity(%L, %L) FROM generate_series(1, 2)', :'last', '"end"'), '{t,f}'::boolean[], 'once, though the run cannot end yet');
\o /dev/null
SELECT workflow.signal('await', 'go'), workflow.cancel('cancel'), workflow.terminate('terminate', 'enough');
SELECT workflow_test.run('2030-01-01 01:00:00+00');
\o
\echo # Time goes on
SELECT is((SELECT string_agg(DISTINCT status, ' ') FROM workflow.executions WHERE workflow_id NOT IN ('terminate', 'short delay')), 'Paused', 'nothing happens');
SELECT is(pg_temp.ended('terminate'), 'Terminated Wait OW.Terminated 0', 'but for a terminate');
SELECT is(pg_temp.ended('short delay'), 'Completed B 61', 'and in runs that are not paused');
SELECT is((SELECT count(*) FROM workflow.history WHERE workflow_id IN (SELECT workflow_id FROM workflow.executions WHERE status = 'Paused') AND event_time >= '2030-01-01 00:00:01+00'), 0::bigint, 'no event');
SELECT is((SELECT cancel_requested FROM workflow.executions WHERE workflow_id = 'cancel'), true, 'a cancel is noted');
SELECT is((SELECT count(*) FROM workflow.signals WHERE workflow_id = 'await'), 1::bigint, 'a signal is kept');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\echo # Resumed
\o /dev/null
SELECT workflow.resume(workflow_id, 'audited'), workflow.resume(workflow_id) FROM workflow.executions WHERE status = 'Paused';
SELECT workflow_test.run('2030-01-01 01:00:00+00');
\o
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is(pg_temp.ended('wait'), 'Completed B 3600', 'a wait that was over is over');
SELECT is(pg_temp.ended('retry'), 'Failed Retry Broken 3600', 'so is a back-off');
SELECT is(pg_temp.ended('await'), 'Completed B 3600', 'the signal had come before the time was up');
SELECT is(pg_temp.ended('cancel'), 'Canceled Wait OW.Canceled 3600', 'a cancel takes effect');
SELECT workflow_test.compensated('cancel', '{UndoA}');
SELECT is(pg_temp.ended('timeout'), 'TimedOut Wait States.Timeout 3600', 'a timeout is noticed');
SELECT is(pg_temp.ended('begin'), 'Running Wait', 'what had not begun begins');
SELECT is(pg_temp.ended('delay'), 'Running Wait', 'the delay of a start is over');
SELECT is((SELECT attributes->>'begin_at' FROM workflow.history WHERE workflow_id = 'delay' AND event_id = 1), '2030-01-01T00:01:00Z', 'history knows of it');
SELECT is((SELECT string_agg(status, ' ' ORDER BY status) FROM workflow.executions WHERE workflow_id IN ('outside', 'branches', 'last')), 'Completed Completed Running', 'tasks had been answered');
SELECT is((SELECT count(*) FROM workflow.poll_activity('q', 'w', 10)), 1::bigint, 'the other can be taken again');
SELECT is(pg_temp.events('wait'), 'WorkflowExecutionStarted WorkflowExecutionPaused WorkflowExecutionUnpaused TimerFired WorkflowExecutionCompleted', 'what happened');
SELECT is((SELECT attributes->>'reason' FROM workflow.history WHERE workflow_id = 'wait' AND event_type = 'WorkflowExecutionUnpaused'), 'audited', 'and why');
SELECT throws_ok($$ SELECT workflow.pause('wait') $$, 'OW009', NULL, 'what has closed is not paused');
SELECT throws_ok($$ SELECT workflow.resume('nobody') $$, 'OW005', NULL, 'nor what never was');

\echo # A delay that is not over
\o /dev/null
SELECT workflow.start('phases', '{"to": "wait"}', workflow_id => 'long delay', start_delay => '1 hour');
SELECT workflow.signal('long delay', 'go');
SELECT workflow_test.advance('1 minute');
\o
SELECT is((SELECT kind || ' ' || due_at - timestamptz '2030-01-01 01:00:00+00' FROM workflow.timers WHERE workflow_id = 'long delay'), 'StartDelay 01:00:00', 'a signal does not end it');
SELECT is((SELECT waiting_for FROM workflow.explain('long delay')), 'its delayed start', 'it waits for it still');
\o /dev/null
SELECT workflow.pause('long delay');
SELECT workflow_test.advance('1 minute');
SELECT workflow.resume('long delay');
SELECT workflow_test.advance('1 minute');
\o
SELECT is((SELECT kind || ' ' || due_at - timestamptz '2030-01-01 01:00:00+00' FROM workflow.timers WHERE workflow_id = 'long delay'), 'StartDelay 01:00:00', 'nor does a pause');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow_test.run('2030-01-01 02:00:00+00');
\o
SELECT is(pg_temp.ended('long delay'), 'Running Wait', 'time does');

\echo # Stuck and paused
\o /dev/null
SELECT workflow.register('stuck', $asl${"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "A", "OutputPath": "$.missing", "End": true}}}$asl$);
SELECT workflow.start('stuck', workflow_id => 'stuck');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.pause('stuck');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('stuck'), 'Stuck A', 'a stuck run stays stuck');
SELECT is((SELECT paused_at IS NOT NULL FROM workflow.executions WHERE workflow_id = 'stuck'), true, 'and is paused');
\o /dev/null
SELECT workflow.register('stuck', $asl${"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "A", "End": true}}}$asl$);
SELECT workflow.retry('stuck', 2);
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('stuck'), 'Paused A', 'mended, it is paused');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.resume('stuck');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('stuck'), 'Completed A 7200', 'and goes on');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT * FROM finish();
ROLLBACK;
