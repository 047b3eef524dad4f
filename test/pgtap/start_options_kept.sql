-- What a start says of its run goes with it: to the run that comes of a reset, open or closed, and to one that is opened again;
-- and what a definition says of its runs holds for children, too.  On a virtual clock.
SET client_min_messages = error;	-- no warnings of what is not registered
SET TimeZone = 'UTC';
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION pg_temp.of(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT search_attributes FROM workflow.get_execution(id) $$;
CREATE FUNCTION pg_temp.runs(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', attempt, status, error, EXTRACT(epoch FROM started_at - '2030-01-01 00:00:00+00')::int,
		EXTRACT(epoch FROM closed_at - '2030-01-01 00:00:00+00')::int), ', ' ORDER BY run_id) FROM workflow.executions WHERE workflow_id = id $$;
CREATE FUNCTION pg_temp.kept(id text) RETURNS TABLE (retry jsonb, run_timeout bigint, priority int, memo jsonb, schedule jsonb, started timestamptz, deadline timestamptz, until timestamptz) LANGUAGE sql AS $$
	SELECT options->'Retry', (options->>'RunTimeoutMs')::bigint, (options->>'Priority')::int, memo, schedule, started_at, deadline, execution_deadline FROM workflow.execution WHERE workflow_id = id $$;
SELECT workflow.register('order', $asl${"StartAt": "Paid", "Signals": {"go": {}}, "SearchAttributes": {
		"OrderID": {"Type": "Keyword", "Path": "$.id"}, "Total": {"Type": "Double"}, "Status": {"Type": "Keyword"}},
	"States": {"Paid": {"Type": "Await", "Any": [{"Signal": "go", "Next": "Sent"}]}, "Sent": {"Type": "Await", "Any": [{"Signal": "go", "Next": "Fail"}, {"AfterSeconds": 60, "Next": "Fail"}]},
		"Fail": {"Type": "Fail", "Error": "Broken"}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.start('order', format('{"id": "%s"}', id)::jsonb, id, search_attributes => '{"Total": 5}', retry => '{"ErrorEquals": ["Other"], "MaxAttempts": 3}', run_timeout => '1 hour',
	execution_timeout => '2 hours', priority => 2, memo => '"mine"') FROM unnest('{open,closed}'::text[]) id;
SELECT workflow_test.run('2030-01-01 00:00:10+00');
SELECT workflow.upsert_search_attributes(id, '{"Status": "paid"}') FROM unnest('{open,closed}'::text[]) id;
SELECT workflow_test.run('2030-01-01 00:00:20+00');
SELECT workflow.signal(id, 'go') FROM unnest('{open,closed}'::text[]) id;
SELECT workflow_test.run('2030-01-01 00:00:30+00');
SELECT workflow.upsert_search_attributes(id, '{"Status": "sent", "Total": null}') FROM unnest('{open,closed}'::text[]) id;
SELECT workflow_test.run('2030-01-01 00:00:40+00');
SELECT workflow.signal('closed', 'go');
SELECT workflow_test.run('2030-01-01 00:01:00+00');
\o
SELECT no_plan();
\echo # Resets
SELECT is((SELECT attributes->'search_attributes' FROM workflow.history WHERE workflow_id = 'open' AND event_type = 'WorkflowExecutionStarted'), '{"OrderID": "open", "Total": 5}',
	'history tells what a run started with');
SELECT is(pg_temp.runs('open') || ', ' || pg_temp.runs('closed'), '1 Running 0, 1 Failed Broken 0 40', 'one is open, the other has closed');
\o /dev/null
SELECT workflow.reset(id, (SELECT max(event_id) FROM workflow.reset_points(id) WHERE state = 'Paid'), 'try again') FROM unnest('{open,closed}'::text[]) id;
\o
SELECT is(pg_temp.of(id), jsonb_build_object('OrderID', id, 'Total', 5, 'Status', 'paid'), id || ': search attributes are as they were at the event')
FROM unnest('{open,closed}'::text[]) id;
SELECT results_eq(format('SELECT * FROM pg_temp.kept(%L)', id), $$ VALUES ('[{"ErrorEquals": ["Other"], "MaxAttempts": 3}]'::jsonb, 3600000::bigint, 2, '"mine"'::jsonb, NULL::jsonb, '2030-01-01 00:01:00+00'::timestamptz,
	'2030-01-01 01:01:00+00'::timestamptz, '2030-01-01 02:01:00+00'::timestamptz) $$, id || ': what the start said is kept, with times moved on') FROM unnest('{open,closed}'::text[]) id;
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow_test.run(workflow_test.now()) \g /dev/null
SELECT is(pg_temp.of(id), jsonb_build_object('OrderID', id, 'Status', 'sent'), id || ': what was changed after it is told again, as signals are') FROM unnest('{open,closed}'::text[]) id;
SELECT is((SELECT count(*) FROM workflow.search_attributes s JOIN workflow.executions e USING (run_id) WHERE s.name = 'Status' AND s.keyword_value = 'sent' AND s.workflow_id IN ('open', 'closed')), 4::bigint,
	'the runs that were reset have kept theirs');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.terminate('open');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.create_schedule('daily', '@daily', 'order', '{"id": "scheduled"}');
SELECT workflow.signal(workflow_id, 'go') FROM (SELECT workflow.trigger_schedule('daily')) t (run_id) JOIN workflow.executions e USING (run_id);
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.terminate(workflow_id) FROM workflow.execution WHERE schedule IS NOT NULL;
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.reset(run_id, 1) FROM workflow.closed_execution WHERE schedule IS NOT NULL;
\o
SELECT is((SELECT schedule->>'Name' FROM workflow.execution WHERE schedule IS NOT NULL), 'daily', 'a reset run knows its schedule');

\echo # Opened again
\o /dev/null
SELECT workflow.register('undo', $asl${"StartAt": "Set", "States": {
	"Set": {"Type": "Pass", "Assign": {"account": "acc-1"}, "Next": "Do"},
	"Do": {"Type": "Task", "Resource": "Do", "Compensate": {"Resource": "Undo", "Retry": []}, "Next": "Fail"},
	"Fail": {"Type": "Fail", "Error": "Broken"}}}$asl$);
SELECT workflow_test.mock_activity('Do', '1'), workflow_test.mock_activity('Undo', error => 'Down', times => 1), workflow_test.mock_activity('Undo', '1');
SELECT workflow.start('undo', workflow_id => 'undo', retry => '{"MaxAttempts": 1, "IntervalSeconds": 5}', run_timeout => '1 hour', execution_timeout => '1 day', priority => 4, memo => '"mine"');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.retry_compensation('undo');
\o
SELECT is((SELECT variables FROM workflow.execution WHERE workflow_id = 'undo'), '{"account": "acc-1"}', 'a run that is opened again has its variables');
SELECT is((SELECT (retry, run_timeout, priority, memo, until - started, deadline - started)::text FROM pg_temp.kept('undo')),
	(SELECT ('[{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 5}]'::jsonb, 3600000, 4, '"mine"'::jsonb, '1 day'::interval, '01:00:00'::interval)::text), 'and what its start said');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow_test.run('2030-01-01 01:00:00+00') \g /dev/null
SELECT is((SELECT string_agg(attempt || ' ' || status, ', ' ORDER BY run_id) FROM workflow.executions WHERE workflow_id = 'undo'), '1 Failed', 'somebody has looked at it: it is not tried again by itself');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Children
\o /dev/null
SELECT workflow.register('child', $asl${"StartAt": "W", "TimeoutSeconds": 100, "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "MaxAttempts": 2, "BackoffRate": 1}],
	"SearchAttributes": {"Item": {"Type": "Keyword", "Path": "$.item"}, "Count": {"Type": "Int", "Path": "$.count"}},
	"States": {"W": {"Type": "Wait", "Seconds": 5, "Next": "Flaky"}, "Flaky": {"Type": "Task", "Resource": "Flaky", "End": true}}}$asl$);
SELECT workflow.register('parent', $asl${"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": "workflow:child", "WorkflowId": "$.id",
	"Catch": [{"ErrorEquals": ["OW.InvalidInput"], "Next": "Bad"}], "End": true}, "Bad": {"Type": "Succeed"}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('Flaky', error => 'Busy', input => '{"item": "pen"}', times => 2), workflow_test.mock_activity('Flaky', '"done"', input => '{"item": "pen"}'),
	workflow_test.mock_activity('Flaky', error => 'Never');
SELECT workflow.start('parent', '{"id": "pen", "item": "pen", "count": 7}', 'p-pen'), workflow.start('parent', '{"id": "ink", "item": "ink"}', 'p-ink'), workflow.start('parent', '{"id": "bad", "item": 1}', 'p-bad');
SELECT workflow_test.run('2030-01-01 00:00:08+00');
\o
SELECT is(pg_temp.of('pen'), '{"Item": "pen", "Count": 7}', 'a child has search attributes of its input');
SELECT is((SELECT deadline FROM workflow.execution WHERE workflow_id = 'pen'), '2030-01-01 00:01:55+00', 'and its definition''s timeout, anew in each run');
SELECT is(pg_temp.runs('pen'), '1 Failed Busy 0 5, 2 Running 5', 'it has failed, and is tried again');
SELECT is((SELECT string_agg(regexp_replace(event_type, 'WorkflowExecution', '~'), ' ' ORDER BY event_id) FROM workflow.get_history('p-pen')), '~Started StartChild~Initiated Child~Started', 'which the parent is not told');
SELECT is((SELECT string_agg(workflow_id || ' ' || status, ', ' ORDER BY e.run_id) FROM workflow.executions e WHERE parent_workflow_id = 'p-pen'), 'pen Failed, pen Running', 'though each run is its child''s');
SELECT is((SELECT (output->>'Error', output->>'Cause')::text FROM workflow.get_execution('p-bad')),
	'(OW.InvalidInput,"search attribute ""Item"" of workflow ""child"" is not of its type Keyword: it is a number")', 'a value of another type fails the start');
SELECT workflow_test.run() \g /dev/null
SELECT is(pg_temp.runs('pen'), '1 Failed Busy 0 5, 2 Failed Busy 5 20, 3 Completed 20 35', 'until it completes');
SELECT workflow_test.completed('p-pen', '"done"');
SELECT is((SELECT count(*) FROM workflow.get_history('p-pen') WHERE event_type LIKE 'ChildWorkflowExecution%'), 2::bigint, 'the parent sees one start and one end');
SELECT is(pg_temp.runs('ink'), '1 Failed Never 0 5, 2 Failed Never 5 20, 3 Failed Never 20 35', 'or has no attempt left');
SELECT workflow_test.failed('p-ink', 'Never');
SELECT is((SELECT closed_at FROM workflow.get_execution('p-ink')), '2030-01-01 00:00:35+00', 'which the parent has waited for');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # What has closed
SELECT throws_ok(format('SELECT workflow.%s', call), 'OW009', 'workflow id "pen" has no open run', call || ' a run that has closed is an error')
FROM (VALUES ('pause(''pen'')'), ('resume(''pen'')'), ('upsert_search_attributes(''pen'', ''{"Count": 8}'')'), ('cancel(''pen'')'), ('terminate(''pen'')')) v (call);
SELECT throws_ok(format('SELECT workflow.%s', replace(call, '''pen''', quote_literal(run_id) || '::uuid')), 'OW009', NULL, call || ' by run id as well')
FROM (VALUES ('pause(''pen'')'), ('resume(''pen'')'), ('upsert_search_attributes(''pen'', ''{"Count": 8}'')')) v (call), workflow.executions WHERE workflow_id = 'pen' AND attempt = 1;
SELECT * FROM finish();
ROLLBACK;
