-- Runs that continue as new, on a virtual clock: an order that is tracked for months, what goes along, versions.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION pg_temp.runs(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', status, version, output, error), ', ' ORDER BY started_at, run_id) FROM workflow.executions WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.rows() RETURNS bigint LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM workflow.execution) + (SELECT count(*) FROM workflow.message) + (SELECT count(*) FROM workflow.timer)
		+ (SELECT count(*) FROM workflow.signal) + (SELECT count(*) FROM workflow.signal_request) + (SELECT count(*) FROM workflow.compensation WHERE status = 'Recorded')
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register('track', $asl${"StartAt": "Track", "Signals": {"orderDelivered": {}}, "States": {
	"Track": {"Type": "Await", "Any": [
		{"Signal": "orderDelivered", "ResultPath": "$.delivery", "Next": "Done"},
		{"AfterSeconds": 86400, "Next": "Another day"}]},
	"Another day": {"Type": "ContinueAsNew", "Parameters": {"order.$": "$.order", "days.$": "States.MathAdd($.days, 1)"}},
	"Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('track', '{"order": 7, "days": 0}', workflow_id => 'tracked');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
CREATE TEMP TABLE before AS SELECT pg_temp.rows() AS rows;
SELECT workflow_test.run('2030-06-30 12:00:00+00');
\o
SELECT no_plan();
\echo # An order is tracked for months
SELECT is((SELECT count(*) FROM workflow.executions WHERE workflow_id = 'tracked'), 181::bigint, 'each day a run');
SELECT is(pg_temp.rows(), (SELECT rows FROM before), 'and no more rows than at the beginning');
SELECT is((SELECT count(DISTINCT (chain_id, started_by)) FROM workflow.executions JOIN workflow.readable_run USING (run_id) JOIN LATERAL
	(SELECT chain_id FROM workflow.readable_execution e WHERE e.run_id = executions.run_id UNION ALL SELECT chain_id FROM workflow.readable_closed_execution e WHERE e.run_id = executions.run_id) c ON true
	WHERE executions.workflow_id = 'tracked'), 1::bigint, 'of one chain');
\o /dev/null
SELECT workflow.signal('tracked', 'orderDelivered', '"at the door"');
SELECT workflow_test.run('2030-06-30 12:00:01+00');
\o
SELECT is((SELECT output FROM workflow.wait('tracked')), '{"days": 180, "order": 7, "delivery": "at the door"}', 'until it is delivered');
SELECT results_eq($$ SELECT event_type, attributes - 'new_run_id' FROM workflow.history h WHERE run_id = (SELECT run_id FROM workflow.executions WHERE workflow_id = 'tracked' ORDER BY started_at LIMIT 1)
	AND event_type LIKE 'WorkflowExecution%' ORDER BY event_id $$,
	$$ VALUES ('WorkflowExecutionStarted', '{"input": {"days": 0, "order": 7}, "version": 1, "workflow": "track"}'::jsonb),
		('WorkflowExecutionContinuedAsNew', '{"input": {"days": 1, "order": 7}, "version": 1}') $$, 'a run''s history tells what came next');
SELECT is((SELECT count(*) FROM workflow.executions e JOIN workflow.history h ON h.run_id = e.run_id AND h.event_type = 'WorkflowExecutionContinuedAsNew'
	JOIN workflow.executions n ON n.run_id = (h.attributes->>'new_run_id')::uuid AND n.input = h.attributes->'input'), 180::bigint, 'and which run');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Signals and compensations go along
\o /dev/null
CREATE FUNCTION public.work(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
SELECT workflow.register_activity('Work', 'public.work(jsonb)');
SELECT workflow.register_activity('Undo', 'public.work(jsonb)');
SELECT workflow_test.mock_activity('Work', '"done"');
SELECT workflow_test.mock_activity('Undo', '"undone"');
SELECT workflow.register('carry', $asl${"StartAt": "Do", "Signals": {"next": {}, "kept": {}, "fail": {}}, "States": {
	"Do": {"Type": "Task", "Resource": "Work", "Parameters": {"n.$": "$.n"}, "Compensate": "Undo", "ResultPath": null, "Next": "Wait"},
	"Wait": {"Type": "Await", "Any": [{"Signal": "next", "Next": "More"}, {"Signal": "fail", "Next": "Fail"}]},
	"More": {"Type": "ContinueAsNew", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}},
	"Fail": {"Type": "Await", "All": [{"Signal": "kept"}, {"Signal": "kept"}], "Next": "Failed"},
	"Failed": {"Type": "Fail", "Error": "Enough"}}}$asl$);
SELECT workflow.start('carry', '{"n": 1}', workflow_id => 'carried', execution_timeout => '10 days');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('carried', 'kept', '1', request_id => 'k1'), workflow.signal('carried', 'next'), workflow.signal('carried', 'kept', '2', request_id => 'k2');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('carried', 'kept', '1', request_id => 'k1'), workflow.signal('carried', 'next');
SELECT workflow_test.advance('1 day');
\o
SELECT results_eq($$ SELECT signal, payload, status FROM workflow.signals WHERE workflow_id = 'carried' ORDER BY event_id $$,
	$$ VALUES ('kept', '1'::jsonb, 'Buffered'), ('kept', '2', 'Buffered') $$, 'signals are buffered still, each once, in order');
SELECT is((SELECT count(*) FROM workflow.compensations WHERE workflow_id = 'carried' AND status = 'Recorded'), 3::bigint, 'and what is to be undone is known');
SELECT is((SELECT deadline - timestamptz '2030-07-10 12:00:01+00' FROM workflow.readable_execution WHERE workflow_id = 'carried'), '0', 'the time to close in is that of the whole');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.signal('carried', 'fail');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.runs('carried'), 'ContinuedAsNew 1, ContinuedAsNew 1, Failed 1 Enough', 'the last run fails');
SELECT results_eq($$ SELECT input->'n', status FROM workflow.compensations WHERE workflow_id = 'carried' AND status <> 'Recorded' ORDER BY sequence DESC $$,
	$$ VALUES ('3'::jsonb, 'Completed'), ('2', 'Completed'), ('1', 'Completed') $$, 'and undoes what all have done, last first');
SELECT is_empty($$ SELECT * FROM workflow.signal_request $$, 'requests are forgotten at the end');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Versions
\o /dev/null
SELECT workflow.register(w, format($asl${"StartAt": "Wait", "Signals": {"next": {}}, "States": {
	"Wait": {"Type": "Await", "Any": [{"Signal": "next", "Next": "More"}]}, "More": {"Type": "ContinueAsNew", "Version": "%s"}}}$asl$, v)::jsonb)
FROM (VALUES ('current', 'Current'), ('inherit', 'Inherit')) n (w, v);
SELECT workflow.start(w, workflow_id => w) FROM unnest('{current,inherit}'::text[]) w;
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.register(w, $asl${"StartAt": "Done", "Signals": {"next": {}}, "States": {"Done": {"Type": "Succeed"}}}$asl$::jsonb) FROM unnest('{current,inherit}'::text[]) w;
SELECT workflow.signal(w, 'next') FROM unnest('{current,inherit}'::text[]) w;
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.runs('current'), 'ContinuedAsNew 1, Completed 2 {}', 'the next run follows the current version');
SELECT is(pg_temp.runs('inherit'), 'ContinuedAsNew 1, Running 1', 'or its own');

\echo # Cancels, and what is wrong
\o /dev/null
SELECT workflow.signal('inherit', 'next'), workflow.cancel('inherit');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.register('late', $asl${"StartAt": "Wait", "OnCancel": "More", "States": {"Wait": {"Type": "Wait", "Seconds": 9, "Next": "More"}, "More": {"Type": "ContinueAsNew"}}}$asl$::jsonb);
SELECT workflow.start('late', workflow_id => 'late');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.cancel('late');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.runs('inherit'), 'ContinuedAsNew 1, ContinuedAsNew 1, Canceled 1 OW.Canceled', 'a cancel is for whichever run goes on');
SELECT is(pg_temp.runs('late'), 'Canceled 1 States.Runtime', 'what was canceled does not go on');
SELECT results_eq($$ SELECT code, path FROM workflow.validate('{"StartAt": "P", "States": {"P": {"Type": "Parallel", "End": true, "Branches": [
		{"StartAt": "N", "States": {"N": {"Type": "ContinueAsNew"}}}]}}}') WHERE severity = 'error' $$, $$ VALUES ('MisplacedState', 'States.P.Branches[0].States.N') $$, 'a branch cannot');
SELECT is((SELECT string_agg(code || ' ' || path, ', ') FROM workflow.validate('{"StartAt": "N", "States": {"N": {"Type": "ContinueAsNew", "Version": "Newest", "Next": "N"}}}')),
	'UnknownField States.N.Next, InvalidValue States.N.Version', 'its fields are checked');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT * FROM finish();
ROLLBACK;
