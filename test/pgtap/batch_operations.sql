-- Batch operations: what a condition chooses, and what is done to it, on a virtual clock.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION pg_temp.do_all(batch uuid) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	chunks int := 0;
BEGIN
	WHILE (SELECT more FROM workflow.run_batch_chunk(batch)) LOOP
		chunks := chunks + 1;
	END LOOP;
	RETURN chunks;
END $$;
CREATE FUNCTION pg_temp.statuses(like_this text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(status || ' ' || n, ', ' ORDER BY status)
	FROM (SELECT status, count(*) AS n FROM workflow.executions WHERE workflow_id LIKE like_this GROUP BY status) s
$$;
CREATE TABLE pg_temp.late (order_id text);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register('waiting', $asl${"StartAt": "Wait", "Signals": {"go": {}, "other": {}}, "States": {
	"Wait": {"Type": "Await", "Any": [
		{"Signal": "go", "ResultPath": "$.go", "Next": "Done"}, {"AfterSeconds": 864000, "Next": "Done"}]},
	"Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start_many('waiting', array_agg(jsonb_build_object('n', n)), array_agg('order ' || n)) FROM generate_series(1, 25) n;
SELECT workflow_test.run('2030-01-01 00:00:00+00');
\o
SELECT no_plan();

\echo # What is chosen
SELECT workflow.start_batch('signal', $$workflow = 'waiting' AND (input->>'n')::int <= 12$$, '{"signal": "go", "payload": 1}', chunk_size => 5) AS batch \gset
SELECT results_eq($$ SELECT operation, status, total, done, failed, remaining, started_at IS NULL FROM workflow.batch_operations $$,
	$$ VALUES ('signal', 'Waiting', 12::bigint, 0::bigint, 0::bigint, 12::bigint, true) $$, 'runs are chosen, and nothing is done');
SELECT is_empty($$ SELECT * FROM workflow.signals $$, '…to any');
SELECT is(pg_temp.do_all(:'batch'), 3, 'it is done in chunks');
SELECT results_eq($$ SELECT status, done, failed, remaining, finished_at FROM workflow.batch_operations $$,
	$$ VALUES ('Completed', 12::bigint, 0::bigint, 0::bigint, '2030-01-01 00:00:00+00'::timestamptz) $$, 'all of it');
\o /dev/null
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT count(*), min(output->>'go') FROM workflow.executions WHERE status = 'Completed' $$,
	$$ VALUES (12::bigint, '1') $$, 'the runs have the signal, once');
SELECT is(pg_temp.do_all(:'batch'), 0, 'nothing is left of it');
SELECT ok(NOT workflow.cancel_batch(:'batch'), 'nor to be canceled');
SELECT is(workflow.start_batch('cancel', 'false') IS NULL, false, 'it may be for no run at all');
SELECT results_eq($$ SELECT status, total FROM workflow.batch_operations WHERE operation = 'cancel' $$, $$ VALUES ('Completed', 0::bigint) $$,
	'which is done at once');

\echo # A condition is a condition
SET LOCAL search_path = pg_temp, public;
\o /dev/null
INSERT INTO pg_temp.late VALUES ('order 20'), ('order 21'), ('order 1');
SELECT workflow.start_batch('cancel', 'workflow_id IN (SELECT order_id FROM late) -- those', reason => 'late') AS late \gset
RESET search_path;
\o
SELECT results_eq($$ SELECT total FROM workflow.batch_operations WHERE reason = 'late' $$, $$ VALUES (2::bigint) $$,
	'it reads what its author reads; runs that have closed are not chosen');
SELECT throws_ok($$ SELECT workflow.start_batch('cancel', 'true); SELECT e.run_id FROM workflow.executions e WHERE (true') $$, '42P11', NULL, 'it is one statement');
SELECT throws_ok($$ SELECT workflow.start_batch('cancel', 'n > 3') $$, '42703', 'column "n" does not exist', 'it is parsed');
SELECT throws_ok($$ SELECT workflow.start_batch('cancel', '') $$, '42601', NULL, 'it must be there');
SELECT throws_ok($$ SELECT workflow.start_batch('cancel', NULL) $$, '22004', 'condition must not be null', 'and not null');
SELECT throws_ok($$ SELECT workflow.start_batch('cancel', 'pg_temp.remove()') $$, '42883', NULL, 'what it calls must be there');
CREATE FUNCTION pg_temp.remove() RETURNS boolean LANGUAGE sql STABLE AS 'DELETE FROM pg_temp.late RETURNING true';
SELECT throws_ok($$ SELECT workflow.start_batch('cancel', 'pg_temp.remove()') $$, '0A000', NULL, 'and only read');

\echo # Arguments
SELECT throws_ok($$ SELECT workflow.start_batch('signl', 'true') $$, '22023', 'unknown operation "signl"', 'operations are known');
SELECT throws_ok($$ SELECT workflow.start_batch('signal', 'true') $$, '22023', 'operation "signal" needs the argument "signal"', 'some need arguments');
SELECT throws_ok($$ SELECT workflow.start_batch('signal', 'true', '{"signal": 1}') $$, '22023',
	'argument "signal" of operation "signal" must be a string, not a number', 'of a type');
SELECT throws_ok($$ SELECT workflow.start_batch('cancel', 'true', '{"signal": "x"}') $$, '22023', 'operation "cancel" has no argument "signal"', 'and no others');
SELECT throws_ok($$ SELECT workflow.start_batch('cancel', 'true', '[]') $$, '22023', 'arguments must be an object, not an array', 'by name');
SELECT throws_ok($$ SELECT workflow.start_batch('cancel', 'true', chunk_size => 0) $$, '22023', NULL, 'chunks have runs');
SELECT throws_ok($$ SELECT workflow.start_batch('cancel', 'true', rate_per_second => 0) $$, '22023', NULL, 'a rate is positive');
SELECT throws_ok($$ SELECT workflow.run_batch_chunk('00000000-0000-7000-8000-000000000000') $$, 'OW030', NULL, 'an operation must be there');

\echo # Those that refuse
SELECT is(pg_temp.do_all(:'late'), 1, 'it is done');
\o /dev/null
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT workflow_id::text COLLATE "default", cause FROM workflow.executions WHERE status = 'Canceled' ORDER BY 1 $$,
	$$ VALUES ('order 20', 'late'), ('order 21', 'late') $$, 'the reason is in the history');
\o /dev/null
SELECT workflow.start_batch('terminate', $$workflow = 'waiting'$$, chunk_size => 4) AS batch \gset
SELECT workflow.signal('order ' || n, 'go') FROM unnest('{13,14,16,19,25}'::int[]) n;
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.do_all(:'batch'), 3, 'runs close before they are terminated');
SELECT results_eq($$ SELECT total, done, failed, remaining FROM workflow.batch_operations WHERE operation = 'terminate' $$,
	$$ VALUES (11::bigint, 6::bigint, 5::bigint, 0::bigint) $$, 'they are counted');
SELECT set_eq($$ SELECT e.workflow_id::text COLLATE "default", b.sqlstate, b.message FROM workflow.batch_errors b JOIN workflow.executions e USING (run_id) $$,
	$$ SELECT 'order ' || n AS id, 'OW009' AS code, format('workflow id "order %s" has no open run', n) FROM unnest('{13,14,16,19,25}'::int[]) n $$,
	'and listed, with the reason');
\o /dev/null
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.statuses('order %'), 'Canceled 2, Completed 17, Terminated 6', 'the others are done');
SELECT is_empty($$ SELECT * FROM workflow.message $$, 'no message is left');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # A dry run
\o /dev/null
SELECT workflow.start('waiting', workflow_id => 'dry ' || n) FROM generate_series(1, 3) n;
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.start_batch('retry', $$workflow_id LIKE 'dry%'$$, dry_run => true) AS batch \gset
SELECT workflow.start_batch('cancel', $$workflow_id LIKE 'dry%'$$, dry_run => true) AS other \gset
\o
SELECT is(pg_temp.do_all(:'batch') + pg_temp.do_all(:'other'), 2, 'it is tried');
SELECT results_eq($$ SELECT operation, done, failed FROM workflow.batch_operations WHERE dry_run ORDER BY 1 $$,
	$$ VALUES ('cancel', 3::bigint, 0::bigint), ('retry', 0, 3) $$, 'who would refuse is told');
SELECT is_empty($$ SELECT * FROM workflow.message $$, 'and nothing is done');

\echo # Ended by hand
\o /dev/null
SELECT workflow.start_batch('cancel', $$workflow_id LIKE 'dry%'$$, chunk_size => 1) AS batch \gset
SELECT workflow.run_batch_chunk(:'batch');
\o
SELECT ok(workflow.cancel_batch(:'batch'), 'it is canceled');
SELECT is(pg_temp.do_all(:'batch'), 0, 'nothing more is done');
SELECT results_eq(format($$ SELECT status, done, remaining, canceled_by::text FROM workflow.batch_operations WHERE batch_id = %L $$, :'batch'),
	format($$ VALUES ('Canceled', 1::bigint, 2::bigint, %L) $$, current_user::regrole), 'what was done stays done');

\echo # Paused and resumed
\o /dev/null
SELECT workflow.start('waiting', workflow_id => 'held ' || n) FROM generate_series(1, 3) n;
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.start_batch('pause', $$workflow_id LIKE 'held%'$$, reason => 'audit') AS batch \gset
SELECT pg_temp.do_all(:'batch');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.statuses('held %'), 'Paused 3', 'runs are paused');
\o /dev/null
SELECT workflow.start_batch('resume', $$status = 'Paused'$$) AS batch \gset
SELECT pg_temp.do_all(:'batch');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.statuses('held %'), 'Running 3', 'and go on');
\o /dev/null
SELECT workflow.register('waiting', jsonb_set(definition, '{Comment}', '"another"'), make_current => false) FROM workflow.definitions WHERE workflow = 'waiting' AND version = 1;
SELECT workflow.start_batch('upgrade', $$workflow_id IN ('held 1', 'held 2')$$, '{"version": 2}') AS batch \gset
SELECT pg_temp.do_all(:'batch');
\o
SELECT results_eq($$ SELECT version, count(*) FROM workflow.executions WHERE workflow_id LIKE 'held %' GROUP BY 1 ORDER BY 1 $$, $$ VALUES (1, 1::bigint), (2, 2) $$,
	'they are moved to another version');

\echo # Stuck runs
\o /dev/null
CREATE SCHEMA batch_shop;
CREATE FUNCTION batch_shop.answer(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '1'::jsonb $$;
SELECT workflow.register_activity('BatchAnswer', 'batch_shop.answer(jsonb)');
SELECT workflow_test.allow_activity('BatchAnswer');
SELECT workflow.register('sticky', $asl${"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "BatchAnswer",
	"ResultSelector": {"x.$": "$.missing"}, "End": true}}}$asl$);
SELECT workflow.start('sticky', workflow_id => 'stuck ' || n) FROM generate_series(1, 3) n;
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.register('sticky', $asl${"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "BatchAnswer", "End": true}}}$asl$);
SELECT workflow.start_batch('retry', $$workflow = 'sticky' AND status = 'Stuck'$$, '{"version": 2}') AS batch \gset
\o
SELECT is(pg_temp.statuses('stuck %'), 'Stuck 3', 'runs are stuck');
SELECT is(pg_temp.do_all(:'batch'), 1, 'they are retried');
\o /dev/null
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.statuses('stuck %'), 'Completed 3', 'on the repaired version');

\echo # Reset, by a rule
\o /dev/null
CREATE FUNCTION pg_temp.visits(run uuid) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(state, ' ' ORDER BY event_id) FROM workflow.history WHERE run_id = run AND event_type = 'ActivityTaskScheduled'
$$;
CREATE FUNCTION pg_temp.open_run(id text) RETURNS uuid LANGUAGE sql AS $$
	SELECT run_id FROM workflow.executions WHERE workflow_id = id AND closed_at IS NULL
$$;
SELECT workflow.register('looping', $asl${"StartAt": "Pick", "States": {
	"Pick": {"Type": "Task", "Resource": "BatchAnswer", "ResultPath": null, "Next": "Again"},
	"Again": {"Type": "Choice", "Choices": [{"Variable": "$.short", "BooleanEquals": true, "Next": "Rest"}], "Default": "Pay"},
	"Pay": {"Type": "Task", "Resource": "BatchAnswer", "ResultPath": null, "Next": "Twice"},
	"Twice": {"Type": "Choice", "Choices": [{"Variable": "$.twice", "IsPresent": true, "Next": "Rest"}], "Default": "Note"},
	"Note": {"Type": "Pass", "Result": true, "ResultPath": "$.twice", "Next": "Pay"},
	"Rest": {"Type": "Wait", "Seconds": 864000, "Next": "End"},
	"End": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('looping', jsonb_build_object('short', n = 3), 'loop ' || n) FROM generate_series(1, 4) n;
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.terminate('loop 2');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.start('looping', '{"short": true}', 'loop 5');	-- which nobody has driven
SELECT workflow.start_batch('reset', $$workflow = 'looping'$$, '{"state": "Pay"}', 'paid wrongly', dry_run => true) AS dry \gset
SELECT pg_temp.do_all(:'dry');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq(format($$ SELECT total, done, failed FROM workflow.batch_operations WHERE batch_id = %L $$, :'dry'),
	$$ VALUES (5::bigint, 3::bigint, 2::bigint) $$, 'a dry run tells who could be reset, open or closed');
SELECT is(pg_temp.statuses('loop %'), 'Running 4, Terminated 1', 'and resets none');
\o /dev/null
SELECT workflow.start_batch('reset', $$workflow = 'looping' AND workflow_id <> 'loop 4'$$, '{"state": "Pay"}', 'paid wrongly', chunk_size => 2) AS batch \gset
SELECT pg_temp.do_all(:'batch');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq(format($$ SELECT done, failed FROM workflow.batch_operations WHERE batch_id = %L $$, :'batch'),
	$$ VALUES (2::bigint, 2::bigint) $$, 'those that have come to the state are reset');
SELECT results_eq(format($$ SELECT e.workflow_id::text COLLATE "default", b.sqlstate, b.detail FROM workflow.batch_errors b JOIN workflow.executions e USING (run_id)
		WHERE batch_id = %L ORDER BY 1 $$, :'batch'),
	$$ VALUES ('loop 3', '22023', 'It has not come to state "Pay".'), ('loop 5', '22023', 'It has not come to state "Pay".') $$,
	'others are errors, of theirs alone');
SELECT is(pg_temp.visits(pg_temp.open_run('loop 1')), 'Pick Pay Pay', 'to before it was entered last');
SELECT is((SELECT string_agg(attributes->>'reason', ' ') FROM workflow.history WHERE run_id = pg_temp.open_run('loop 1') AND event_type = 'WorkflowExecutionReset'),
	'paid wrongly', 'with the reason');
SELECT is(pg_temp.statuses('loop 1') || '; ' || pg_temp.statuses('loop 2'), 'Running 1, Terminated 1; Running 1, Terminated 1', 'one is open in its place');
\o /dev/null
SELECT workflow.start_batch('reset', $$workflow_id IN ('loop 1', 'loop 2')$$, '{"to": "First"}') AS batch \gset
SELECT event_id AS rest FROM workflow.reset_points('loop 4') ORDER BY event_id DESC LIMIT 1 \gset
SELECT pg_temp.do_all(:'batch');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.start_batch('reset', $$workflow_id = 'loop 4'$$, '{"to": "Last"}') AS last \gset
SELECT pg_temp.do_all(:'last');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq(format($$ SELECT done, failed FROM workflow.batch_operations WHERE batch_id = %L $$, :'batch'),
	$$ VALUES (2::bigint, 0::bigint) $$, 'all begin anew, each workflow id once');
\o /dev/null
SELECT workflow.start_batch('reset', $$workflow_id = 'loop 2' AND closed_at IS NOT NULL$$, '{"to": "First"}') AS closed \gset
SELECT pg_temp.do_all(:'closed');
\o
SELECT results_eq(format($$ SELECT sqlstate FROM workflow.batch_errors WHERE batch_id = %L $$, :'closed'), $$ VALUES ('OW004') $$,
	'but not a run that has closed, while another is open in its place');
SELECT is((SELECT min(event_id) FROM workflow.history WHERE run_id = pg_temp.open_run('loop 1') AND event_type = 'WorkflowExecutionReset'), 2, 'from the first event on');
SELECT is((SELECT min(event_id) FROM workflow.history WHERE run_id = pg_temp.open_run('loop 4') AND event_type = 'WorkflowExecutionReset'), :rest + 1, 'or from the last');
SELECT throws_ok(format($$ SELECT workflow.start_batch('reset', 'true', %L) $$, a), '22023', m, 'a rule is one of three: ' || a)
	FROM (VALUES ('{}', 'where to reset a run to must be said by one rule'), ('{"to": "First", "state": "Pay"}', 'where to reset a run to must be said by one rule'),
		('{"to": "first"}', 'a run cannot be reset to "first"'), ('{"to": 1}', 'argument "to" of operation "reset" must be a string, not a number'),
		('{"event": 1}', 'operation "reset" has no argument "event"')) AS bad (a, m);
SELECT throws_ok(format($$ SELECT workflow.reset_to('loop 1', %L) $$, a), c, NULL, 'of one run, too')
	FROM (VALUES (NULL, '22004'), ('[]', '22023'), ('"First"', '22023'), ('{"state": 1}', '22023'), ('{"state": "Rent"}', '22023'), ('{"to": "First", "x": 1}', '22023')) AS bad (a, c);
SELECT isnt(workflow.reset_to('loop 1', '{"state": "Pick"}', 'once more'), NULL, 'as one run can be');
\o /dev/null
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.statuses('loop 1'), 'Running 1, Terminated 3', 'again and again');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Runs that continue as new
\o /dev/null
SELECT workflow.register('endless', $asl${"StartAt": "Await", "Signals": {"next": {}, "end": {}}, "States": {
	"Await": {"Type": "Await", "Any": [{"Signal": "next", "Next": "Again"}, {"Signal": "end", "Next": "End"}]},
	"Again": {"Type": "ContinueAsNew"}, "End": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('endless', workflow_id => 'endless');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.start_batch('signal', $$workflow_id = 'endless'$$, '{"signal": "end"}') AS batch \gset
SELECT workflow.signal('endless', 'next');
SELECT workflow_test.run(workflow_test.now());
SELECT pg_temp.do_all(:'batch');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.statuses('endless'), 'Completed 1, ContinuedAsNew 1', 'the one that goes on is meant');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Whose it is
\o /dev/null
CREATE ROLE batch_clerk;
CREATE ROLE batch_stranger;
CREATE ROLE batch_reader;
SELECT workflow.grant_usage('batch_clerk'), workflow.grant_usage('batch_stranger'), workflow.grant_reader('batch_reader');
SELECT workflow.grant_workflow('batch_clerk', 'waiting', '{read}');
SELECT workflow.start('waiting', workflow_id => 'mine ' || n) FROM generate_series(1, 2) n;
SELECT workflow_test.run(workflow_test.now());
SET LOCAL ROLE batch_stranger;
SELECT workflow.start_batch('terminate', 'true') AS strange \gset
SET LOCAL ROLE batch_clerk;
SELECT workflow.start_batch('terminate', $$workflow_id LIKE 'mine%'$$) AS batch \gset
SELECT workflow.start_batch('signal', $$workflow_id LIKE 'mine%'$$, '{"signal": "go"}') AS other \gset
\o
SELECT results_eq($$ SELECT operation, total FROM workflow.batch_operations ORDER BY 1 $$, $$ VALUES ('signal', 2::bigint), ('terminate', 2) $$,
	'runs that the role may see are chosen, and its own operations are shown');
SELECT is(pg_temp.do_all(:'batch'), 1, 'it is done with its rights');
SELECT results_eq($$ SELECT DISTINCT sqlstate, message FROM workflow.batch_errors $$,
	$$ VALUES ('42501', 'permission denied to control workflow "waiting"') $$, 'and refused without them');
SELECT throws_ok(format($$ SELECT workflow.cancel_batch(%L) $$, :'strange'), 'OW030', NULL, 'others'' cannot be canceled');
RESET ROLE;
SELECT throws_ok(format($$ SELECT workflow.run_batch_chunk(%L) $$, :'other'), '42501', NULL, 'nobody does it with more rights than its author has');
SELECT results_eq($$ SELECT total FROM workflow.batch_operations WHERE owner = 'batch_stranger'::regrole $$, $$ VALUES (0::bigint) $$,
	'who sees no run chooses none');
SELECT ok(workflow.cancel_batch(:'other'), 'but who has its rights may end it');
SET LOCAL ROLE batch_reader;
SELECT results_eq($$ SELECT DISTINCT condition, arguments FROM workflow.batch_operations $$, $$ VALUES (NULL::text, NULL::jsonb) $$,
	'readers see how far it is, and not for what');
RESET ROLE;

\echo # Removed
SELECT throws_ok(format($$ SELECT workflow.delete_batch(workflow.start_batch('cancel', 'true')) $$), '55000', NULL, 'what is not done is not removed');
SELECT throws_ok($$ SELECT workflow.delete_batch('00000000-0000-7000-8000-000000000000') $$, 'OW030', NULL, 'nor what is not there');
SET LOCAL ROLE batch_stranger;
SELECT throws_ok(format($$ SELECT workflow.delete_batch(%L) $$, :'batch'), 'OW030', NULL, 'nor what is others''');
RESET ROLE;
SELECT lives_ok($$ SELECT workflow.delete_batch(batch_id) FROM workflow.batch_operations WHERE finished_at IS NOT NULL $$, 'what is done or canceled is');
SELECT is_empty($$ SELECT batch_id FROM workflow.batch_operations WHERE finished_at IS NOT NULL
	UNION ALL SELECT batch_id FROM workflow.batch_errors UNION ALL SELECT batch_id FROM workflow.batch_chunk WHERE finished_at IS NOT NULL $$,
	'with all that is known of it');

SELECT * FROM finish();
ROLLBACK;
