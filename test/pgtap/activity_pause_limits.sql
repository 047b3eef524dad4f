-- Whatever limits a task of a program outside, a pause of 1000 s has it end 1000 s later, in the same way: each combination is driven
-- twice, without a pause and with one.  How tasks end without is shown against a model in outside_timeouts.sql.
SET client_min_messages = error;	-- no warnings of missing timeouts, no notices of stale answers
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow.register_activity('Pay', task_queue => 'pay', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register('limited', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pay", "End": true}}}');

CREATE TEMP TABLE combination AS
SELECT format('c%s', n) AS id, *
FROM (SELECT *, row_number() OVER () AS n
	FROM unnest('{NULL,6,20}'::int[]) start_by, unnest('{NULL,30}'::int[]) start_to_close, unnest('{NULL,9,40}'::int[]) close_by,
		unnest('{NULL,4,15}'::int[]) heartbeat, unnest('{never,silent,beat}'::text[]) worker, unnest('{3,8,14,25}'::int[]) pause_at
	WHERE start_to_close IS NOT NULL OR heartbeat IS NOT NULL) c
-- of them every seventh, which has all values of each
WHERE n % 7 = 0;
-- Takes a request in at once; how what history leads to differs from the run then.
CREATE FUNCTION pg_temp.ask(request text) RETURNS text LANGUAGE plpgsql AS $f$
BEGIN
	EXECUTE 'SELECT workflow.' || request;
	PERFORM workflow_test.run(workflow_test.now());
	RETURN (SELECT string_agg(pg_temp.difference(run_id), ' ') FROM workflow.executions WHERE closed_at IS NULL);
END $f$;
-- A worker takes the task after 7 s, and may send heartbeats from then on, every 3 s; when the run ends, in seconds, and how.
-- The clock of the test goes on to each second in turn, but for the pause.
CREATE FUNCTION pg_temp.lived(c combination, paused boolean, OUT ends interval, OUT outcome text, OUT difference text) LANGUAGE plpgsql AS $f$
#variable_conflict use_variable
DECLARE
	start CONSTANT timestamptz := workflow_test.now();
	id CONSTANT text := c.id || CASE WHEN paused THEN 'p' ELSE '' END;
	pause interval := '0';
	task uuid;
BEGIN
	PERFORM workflow_test.begin(start);	-- the test drives this run only
	PERFORM workflow.start('limited', to_jsonb(c), workflow_id => id);
	PERFORM workflow_test.run(start);
	PERFORM workflow.update_activity_options(id, 'Pay', jsonb_build_object('TaskQueue', id, 'StartToCloseSeconds', c.start_to_close,
		'ScheduleToStartSeconds', c.start_by, 'ScheduleToCloseSeconds', c.close_by, 'HeartbeatSeconds', c.heartbeat));
	FOR s IN 0 .. 44 LOOP
		PERFORM workflow_test.run(start + pause + make_interval(secs => s));
		EXIT WHEN (SELECT status FROM workflow.executions WHERE workflow_id = id) <> 'Running';
		IF paused AND s = c.pause_at THEN
			difference := pg_temp.ask(format('pause_activity(%L, %L)', id, 'Do'));
			pause := '1000s';
			PERFORM workflow_test.run(start + pause + make_interval(secs => s));
			difference := concat(difference, pg_temp.ask(format('resume_activity(%L, %L)', id, 'Pay')));
		END IF;
		IF s = 7 AND c.worker <> 'never' THEN
			SELECT p.task_token INTO task FROM workflow.poll_activity(id, 'w') p;
		ELSIF c.worker = 'beat' AND s > 7 AND s % 3 = 1 THEN
			PERFORM workflow.heartbeat(task);
		END IF;
	END LOOP;
	SELECT e.closed_at - start, e.cause INTO ends, outcome FROM workflow.executions e WHERE e.workflow_id = id;
	PERFORM workflow.terminate(id) WHERE ends IS NULL;
	PERFORM workflow_test.run(start + '2000s');
END $f$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
CREATE TEMP TABLE lived AS
SELECT c.*, plain.ends AS plain_ends, replace(plain.outcome, c.id, 'q') AS plain_outcome, held.ends, replace(held.outcome, c.id || 'p', 'q') AS outcome, held.difference
FROM combination c, pg_temp.lived(c, false) plain, pg_temp.lived(c, true) held;
\o
SELECT plan(3);
SELECT is_empty($$ SELECT * FROM lived WHERE outcome IS DISTINCT FROM plain_outcome OR difference <> ''
	OR ends IS DISTINCT FROM CASE WHEN plain_ends <= make_interval(secs => pause_at) THEN plain_ends ELSE plain_ends + '1000s' END $$,
	'each as without it');
SELECT cmp_ok((SELECT count(*) FROM lived WHERE ends > '1000s'), '>', 20::bigint, 'many of them end after a pause');
SELECT is((SELECT count(DISTINCT outcome) FROM lived), 4::bigint, 'in each of the four ways');
SELECT * FROM finish();
ROLLBACK;
