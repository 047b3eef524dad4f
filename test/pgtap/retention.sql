-- How closed runs leave, and what stays, on a virtual clock.
SET client_min_messages = error;
SET TimeZone = 'UTC';
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
-- apply_retention, within this transaction
CREATE FUNCTION pg_temp.apply(archive_table regclass DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	told text := '';
	leaf smallint;
BEGIN
	FOR leaf IN SELECT bucket FROM workflow.due_leaves() LOOP
		SELECT told || class || ': ' || (SELECT coalesce(sum(workflow.move_runs(s.run_ids, leaf)), 0) FROM workflow.surviving_runs(leaf) s) || ' moved, '
		INTO told FROM workflow.retention_leaves() l WHERE l.bucket = leaf;
		SELECT told || outcome || ' ' || runs INTO told FROM workflow.empty_leaf(leaf, archive_table);
	END LOOP;
	RETURN told;
END $$;
CREATE FUNCTION pg_temp.bucket(id text) RETURNS TABLE (present int, first int) LANGUAGE sql AS $$
	SELECT e.bucket, get_byte(uuid_send(e.run_id), 8) & 15 FROM workflow.execution e WHERE workflow_id = id
	UNION ALL
	SELECT e.bucket, get_byte(uuid_send(e.run_id), 8) & 15 FROM workflow.closed_execution e WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.ids() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(workflow_id || ' ' || status, ', ' ORDER BY workflow_id COLLATE "C") FROM workflow.executions WHERE workflow IN ('awaiting', 'undoing')
$$;
CREATE SCHEMA retention_shop;
CREATE TABLE retention_shop.fate (fails boolean);
INSERT INTO retention_shop.fate VALUES (true);
CREATE FUNCTION retention_shop.work(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
CREATE FUNCTION retention_shop.undo(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT fails FROM retention_shop.fate) THEN
		PERFORM workflow.throw('No', 'not now', non_retryable => true);
	END IF;
	RETURN input;
END $$;
SELECT workflow_test.begin('2030-01-01 00:30:00+00');
SELECT workflow.register_activity('RetentionWork', 'retention_shop.work(jsonb)');
SELECT workflow.register_activity('RetentionUndo', 'retention_shop.undo(jsonb)');
SELECT workflow_test.allow_activity('RetentionWork'), workflow_test.allow_activity('RetentionUndo');
SELECT workflow.register('awaiting', $asl${"StartAt": "Wait", "Signals": {"go": {}, "other": {}}, "States": {
	"Wait": {"Type": "Await", "Any": [{"Signal": "go", "Next": "Done"}]}, "Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow.register('undoing', $asl${"StartAt": "Do", "Signals": {"go": {}}, "States": {
	"Do": {"Type": "Task", "Resource": "RetentionWork", "Compensate": "RetentionUndo", "Next": "Wait"},
	"Wait": {"Type": "Await", "Any": [{"Signal": "go", "Next": "Fail"}]}, "Fail": {"Type": "Fail", "Error": "No"}}}$asl$);
\o
SELECT no_plan();

\echo # Classes
SELECT results_eq($$ SELECT class::text, count(*), count(*) FILTER (WHERE is_filled) FROM workflow.retention_leaves() GROUP BY class ORDER BY min(bucket) $$,
	$$ VALUES ('short', 5::bigint, 1::bigint), ('normal', 5, 1), ('long', 5, 1), ('forever', 1, 1) $$, 'each class has leaves, of which one is filled');
SELECT is(workflow.set_retention('awaiting', '20 hours'), 'short', 'a class that keeps runs long enough is chosen');
SELECT is(workflow.set_retention('awaiting', '25 hours'), 'normal', 'if need be, a longer one');
SELECT is(workflow.set_retention('awaiting', '300 days'), 'long', '…');
SELECT is(workflow.set_retention('awaiting', NULL), 'forever', 'or one that keeps them for ever');
SELECT throws_ok($$ SELECT workflow.set_retention('awaiting', '10 years') $$, '22023', 'no retention class keeps runs for that long', 'if there is one');
SELECT throws_ok($$ SELECT workflow.set_retention('awaiting', '0') $$, '22023', 'keep must be positive', 'for some time');
SELECT throws_ok($$ SELECT workflow.set_retention('nobody', '1 day') $$, 'OW002', NULL, 'of a workflow that there is');
SELECT throws_ok($$ SELECT workflow.set_retention_class('brief', '1 day') $$, '22023', 'there is no retention class "brief" whose time can be set', 'classes are known');
SELECT throws_ok($$ SELECT workflow.set_retention_class('forever', '1 day') $$, '22023', NULL, 'for ever is for ever');
SELECT throws_ok($$ SELECT workflow.set_retention_class('short', NULL) $$, '22004', 'keep must not be null', 'and others are not');
\o /dev/null
SELECT workflow.set_retention('awaiting', '1 day'), workflow.set_retention('undoing', '1 day');
SELECT workflow.register('ever', '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'::jsonb), workflow.set_retention('ever', NULL);
SELECT workflow.register('usual', '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'::jsonb);
SELECT workflow.start('awaiting', '{"n": 1}', id) FROM unnest('{open,closed,late,again}'::text[]) id;
SELECT workflow.start('undoing', '{}', id) FROM unnest('{undo,undone}'::text[]) id;
SELECT workflow.register('found', '{"StartAt": "Wait", "SearchAttributes": {"A": {"Type": "Int"}, "B": {"Type": "Int"}}, "States": {"Wait": {"Type": "Wait", "Seconds": 999999, "End": true}}}'::jsonb),
	workflow.set_retention('found', '1 day');
SELECT workflow.start('found', workflow_id => 'found', search_attributes => '{"A": 1, "B": 2}');
SELECT workflow.start('ever', workflow_id => 'ever'), workflow.start('usual', workflow_id => 'usual');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('open', 'other', '"kept"'), workflow.signal('closed', 'go'), workflow.signal('again', 'go'), workflow.signal('undone', 'go');
SELECT workflow.signal('closed', 'other', '"too late"');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT DISTINCT b.* FROM unnest('{open,closed,late,again,undo,undone}'::text[]) id, pg_temp.bucket(id) b $$,
	$$ SELECT bucket::int, bucket::int FROM workflow.retention_leaves() WHERE class = 'short' AND is_filled $$, 'runs that start share the leaf that is filled');
SELECT is((SELECT present FROM pg_temp.bucket('ever')), 15, 'others have another');
SELECT is((SELECT string_agg(present / 5 || '', '') FROM pg_temp.bucket('usual')), '1', 'as have those of which nothing is said');
SELECT results_eq($$ SELECT filled_from, filled_until, due_at FROM workflow.retention_leaves() WHERE class = 'short' AND is_filled $$,
	$$ VALUES ('2030-01-01 00:00+00'::timestamptz, '2030-01-01 08:00+00'::timestamptz, '2030-01-02 08:00+00'::timestamptz) $$,
	'it is filled for a third of the time that its runs are kept, and due when the last are kept long enough');
SELECT is_empty($$ SELECT * FROM workflow.due_leaves() $$, 'nothing is due yet');
SELECT results_eq($$ SELECT outcome, runs FROM workflow.retention_leaves() l, workflow.empty_leaf(l.bucket) WHERE l.class = 'short' AND is_filled $$,
	$$ VALUES ('NotDue', NULL::bigint) $$, 'what is not due is not emptied');

\echo # Due
\o /dev/null
SELECT workflow_test.run('2030-01-01 12:30:00+00');
SELECT workflow.signal('late', 'go');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow_test.run('2030-01-02 09:00:00+00');
CREATE TABLE retention_shop.archive AS SELECT * FROM workflow.export_closed() WITH NO DATA;
\o
SELECT results_eq($$ SELECT class, is_due, runs, oldest_closed_at, open_survivors, closed_survivors FROM workflow.retention_plan WHERE runs > 0 $$,
	$$ VALUES ('short', true, 3::bigint, '2030-01-01 00:30+00'::timestamptz, 3::bigint, 1::bigint) $$, 'the plan tells what would go');
SELECT throws_ok($$ SELECT workflow.start('awaiting', workflow_id => 'again', id_reuse_policy => 'RejectDuplicate') $$, 'OW004', NULL, 'an id is known as long as its run is kept');
SELECT results_eq($$ SELECT outcome FROM workflow.due_leaves() l, workflow.empty_leaf(l.bucket) $$, $$ VALUES ('Survivors') $$, 'runs that must stay are not lost');
SELECT is(pg_temp.ids(), 'again Completed, closed Completed, late Completed, open Running, undo Running, undone Failed', 'nothing has happened so far');
SELECT is(pg_temp.apply('retention_shop.archive'), 'short: 4 moved, Emptied 3', 'open runs and those that have closed lately move on, the others go');
\o /dev/null
SELECT workflow.upsert_search_attributes('found', '{"A": null, "B": 3}');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is((SELECT search_attributes FROM workflow.executions WHERE workflow_id = 'found'), '{"B": 3}', 'what has moved on is changed where it is');
SELECT is(pg_temp.ids(), 'late Completed, open Running, undo Running', 'they are gone');
SELECT results_eq($$ SELECT count(*), count(*) FILTER (WHERE status = 'Completed') FROM workflow.executions WHERE workflow_id IN ('ever', 'usual') $$,
	$$ VALUES (2::bigint, 2::bigint) $$, 'those of other classes are not');
SELECT results_eq($$ SELECT DISTINCT present = l.bucket, first = l.bucket FROM unnest('{open,late,undo}'::text[]) id, pg_temp.bucket(id) b, workflow.retention_leaves() l WHERE l.class = 'short' AND l.is_filled $$,
	$$ VALUES (true, false) $$, 'what stays is where new runs are');
SELECT is_empty($$ SELECT * FROM workflow.due_leaves() $$, 'nothing is due any more');
SELECT is_empty($$ SELECT * FROM workflow.signals WHERE status = 'Undeliverable' $$, 'what hung on them has gone along');
SELECT lives_ok($$ SELECT workflow.start('awaiting', workflow_id => 'again', id_reuse_policy => 'RejectDuplicate') $$, 'the id is free');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # The archive
SELECT results_eq($$ SELECT workflow_id, workflow, status, run->>'version', run->'input', history->0->>'event_type', (history->-1->>'event_id')::int = jsonb_array_length(history),
		jsonb_array_length(compensations) FROM retention_shop.archive ORDER BY 1 $$,
	$$ VALUES ('again', 'awaiting', 'Completed', '1', '{"n": 1}'::jsonb, 'WorkflowExecutionStarted', true, NULL::int),
		('closed', 'awaiting', 'Completed', '1', '{"n": 1}', 'WorkflowExecutionStarted', true, NULL),
		('undone', 'undoing', 'Failed', '1', '{}', 'WorkflowExecutionStarted', true, 1) $$, 'it has what has gone, whole');

\echo # Those that have moved on
SELECT is((SELECT workflow_id::text FROM workflow.executions e WHERE run_id = (SELECT run_id FROM workflow.executions WHERE workflow_id = 'late')), 'late', 'are shown');
SELECT is((SELECT count(*) FROM workflow.executions l, workflow.get_history(l.run_id) WHERE l.workflow_id = 'late'), 6::bigint, 'with their history');
SELECT is((SELECT workflow.result(run_id) FROM workflow.executions WHERE workflow_id = 'late'), '{"n": 1}', 'and found by run id');
\o /dev/null
SELECT workflow.signal('open', 'go'), workflow.signal('undo', 'go'), workflow.terminate('again');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ids(), 'again Terminated, late Completed, open Completed, undo Failed', 'go on');
SELECT results_eq($$ SELECT state, status FROM workflow.compensations WHERE workflow_id = 'undo' $$, $$ VALUES ('Do', 'Failed') $$, 'their compensations have come along');
\o /dev/null
UPDATE retention_shop.fate SET fails = false;
SELECT workflow.retry_compensation(run_id) FROM workflow.executions WHERE workflow_id = 'undo';
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT state, status FROM workflow.compensations WHERE workflow_id = 'undo' $$, $$ VALUES ('Do', 'Completed') $$, 'and can be run again');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow_test.run('2030-01-03 17:00:00+00');
\o
SELECT is(pg_temp.apply(), 'short: 1 moved, Emptied 4', 'they go when their time has come');

\echo # Another time
\o /dev/null
SELECT workflow.start('awaiting', workflow_id => 'short');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('short', 'go');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.set_retention_class('short', '3 hours');
SELECT workflow_test.run('2030-01-03 19:30:00+00');
\o
SELECT is_empty($$ SELECT * FROM workflow.due_leaves() $$, 'what is there is kept for the new time from now on');
SELECT is(workflow.set_retention('awaiting', '4 hours'), 'normal', 'the new time counts');
\o /dev/null
SELECT workflow_test.run('2030-01-03 20:00:00+00');
DO $$ BEGIN
	FOR i IN 1..5 LOOP
		PERFORM pg_temp.apply(), workflow_test.advance('1 hour');
	END LOOP;
END $$;
\o
SELECT is(pg_temp.ids(), NULL, 'after that it goes within a turn of the ring');

\echo # pg_cron
SELECT throws_ok($$ SELECT workflow.schedule_retention() $$, '0A000', 'pg_cron is not installed in this database', 'without it, it cannot be scheduled');
\o /dev/null
CREATE SCHEMA cron;
CREATE TABLE cron.job (jobname name PRIMARY KEY, schedule text, command text);
CREATE FUNCTION cron.schedule(job_name text, schedule text, command text) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO cron.job VALUES (job_name, schedule, command) ON CONFLICT (jobname) DO UPDATE SET schedule = excluded.schedule RETURNING 1::bigint $$;
CREATE FUNCTION cron.unschedule(job_name text) RETURNS boolean LANGUAGE sql AS $$ DELETE FROM cron.job WHERE jobname = job_name RETURNING true $$;
SELECT workflow.schedule_retention(), workflow.schedule_retention('1 * * * *');
\o
SELECT results_eq('SELECT schedule, command FROM cron.job', $$ VALUES ('1 * * * *', 'CALL workflow.apply_retention()') $$, 'with it, it is a job');
\o /dev/null
SELECT workflow.schedule_retention(NULL);
\o
SELECT is_empty('SELECT * FROM cron.job', 'until it is not');

SELECT * FROM finish();
ROLLBACK;
