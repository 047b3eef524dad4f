-- Ids of signals and updates when runs are reset, on a virtual clock: each counts once, also in a run whose chain had been over.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION pg_temp.counts(run uuid) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(what || ' ' || n, ', ' ORDER BY what) FROM (
		SELECT concat_ws(' ', substr(event_type, 18), attributes->>'signal', attributes->>'update_id') AS what, count(*) AS n FROM workflow.history
		WHERE run_id = run AND event_type ~ 'Signaled|Update' GROUP BY 1) c
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register('asked', $asl${"StartAt": "Begin", "Signals": {"go": {}}, "Updates": {
		"add": {"Assign": {"n.$": "States.MathAdd($n, 1)"}, "Result.$": "$n"}, "approve": {}, "never": {}},
	"States": {
		"Begin": {"Type": "Pass", "Assign": {"n": 0}, "Next": "Wait"},
		"Wait": {"Type": "Wait", "Seconds": 10, "Next": "Approval"},
		"Approval": {"Type": "Await", "Any": [{"Update": "approve", "ResultPath": "$.approval", "Result": "thanks", "Next": "Go"}]},
		"Go": {"Type": "Await", "Any": [{"Signal": "go", "ResultPath": "$.go", "Next": "Stay"}]},
		"Stay": {"Type": "Wait", "Seconds": 1000, "Next": "Done"},
		"Done": {"Type": "Pass", "Parameters": {"n.$": "$n"}, "End": true}}}$asl$);
-- Before the event that it is reset to: "first" is completed, "buffered" accepted; after it that is taken, and the others come
CREATE FUNCTION pg_temp.ask(id text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	point int;
BEGIN
	PERFORM workflow.start('asked', workflow_id => id), workflow_test.run(workflow_test.now());
	PERFORM workflow.update(id, 'add', update_id => 'first'), workflow.update(id, 'approve', wait => '0', update_id => 'buffered');
	PERFORM workflow.signal(id, 'go', '1', 'early');
	PERFORM workflow_test.run(workflow_test.now());
	SELECT max(event_id) INTO point FROM workflow.history WHERE workflow_id = id;
	PERFORM workflow_test.run(workflow_test.now() + interval '10 s');
	PERFORM workflow.update(id, 'add', update_id => 'later'), workflow.update(id, 'never', wait => '0', update_id => 'dropped');
	PERFORM workflow.signal(id, 'go', '2', 'late');
	PERFORM workflow_test.run(workflow_test.now());
	RETURN point;
END $$;
CREATE FUNCTION pg_temp.ask_again(id text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.signal(id, 'go', '1', 'early'), workflow.signal(id, 'go', '2', 'late');
	RETURN jsonb_build_array(workflow.update(id, 'add', wait => '0', update_id => 'first'), workflow.update(id, 'add', wait => '0', update_id => 'later'));
END $$;
SELECT pg_temp.ask('open') AS open_point, pg_temp.ask('closed') AS closed_point, pg_temp.ask('at once') AS once_point \gset
SELECT workflow.terminate('closed'), workflow.terminate('at once');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT no_plan();

SELECT is((SELECT count(*) FROM workflow.update_request WHERE chain_id IN (SELECT run_id FROM workflow.executions WHERE workflow_id <> 'open')), 0::bigint,
	'ids of a chain that is over are in its history only');
\o /dev/null
SELECT workflow.reset('open', :open_point) AS open, workflow.reset('closed', :closed_point) AS closed, workflow.reset('at once', :once_point) AS once \gset
SELECT pg_temp.ask_again('at once');
SELECT workflow_test.run(workflow_test.now() + interval '10 s');
\o
SELECT is(pg_temp.counts(run), 'Signaled go 2, UpdateAccepted buffered 1, UpdateAccepted dropped 1, UpdateAccepted first 1, UpdateAccepted later 1, '
	'UpdateCompleted buffered 1, UpdateCompleted first 1, UpdateCompleted later 1', 'what was sent after the event comes again, once: ' || what)
FROM (VALUES ('an open run', :'open'::uuid), ('a closed one', :'closed'), ('sent again meanwhile', :'once')) r (what, run);
SELECT is(pg_temp.ask_again(id), '[1, 2]', 'what is sent again has the same results: ' || id) FROM unnest('{open,closed,at once}'::text[]) id;
SELECT workflow_test.run(workflow_test.now()) \g /dev/null
SELECT is(pg_temp.counts(run), pg_temp.counts(:'open'), 'and counts no more: ' || what) FROM (VALUES ('a closed run', :'closed'::uuid), ('sent again meanwhile', :'once')) r (what, run);
SELECT is(workflow.update_result(id, 'buffered'), '"thanks"', 'what was accepted before is answered: ' || id) FROM unnest('{open,closed,at once}'::text[]) id;
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow_test.run(workflow_test.now() + interval '2000 s');
\o
SELECT is((SELECT string_agg(output->>'n', ' ') FROM workflow.executions WHERE status = 'Completed'), '2 2 2', 'each was done once');
SELECT is((SELECT (SELECT count(*) FROM workflow.update_request) + (SELECT count(*) FROM workflow.signal_request)), 0::bigint, 'nothing is left over');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT * FROM finish();
ROLLBACK;
