-- Every combination of the four timeouts, of retrying, and of what workers do, on a virtual clock: when each ends, how, and after
-- how many attempts, against a model of the rules that knows nothing of the engine.
SET client_min_messages = error;	-- no warnings of missing timeouts, no notices of stale answers
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow.register_activity('Do', task_queue => 'work');

-- What workers do with the attempts, in turn; the last one is for all that follow.  Tasks are taken 7 s after they were queued.
--   never    nobody takes it
--   silent   taken, and never heard of again
--   beat     heartbeats every 4 s, and no answer
--   fail     fails after 9 s
--   refuse   fails after 9 s, for good
--   complete is done after 9 s
CREATE TEMP TABLE combination AS
SELECT format('%s|%s|%s|%s|%s|%s', start_by, start_to_close, close_by, heartbeat, retries, array_to_string(workers, '+')) AS id, *
FROM unnest('{NULL,5,20}'::int[]) start_by, unnest('{NULL,30}'::int[]) start_to_close, unnest('{NULL,62}'::int[]) close_by,
	unnest('{NULL,5}'::int[]) heartbeat, unnest('{0,1,3}'::int[]) retries,
	(VALUES ('{never}'::text[]), ('{silent}'), ('{beat}'), ('{fail}'), ('{refuse}'), ('{complete}'), ('{silent,complete}'),
		('{fail,silent,complete}'), ('{beat,fail,complete}'), ('{fail,never}'), ('{fail,fail,refuse}')) w (workers)
-- without a lease a task is not handed out: see outside_activities.sql
WHERE start_to_close IS NOT NULL OR heartbeat IS NOT NULL;

-- The model: the n-th retry waits 3 s × 2^(n-1).  Of limits that are reached at once schedule-to-close is blamed before schedule-to-start,
-- and start-to-close before heartbeat; an answer at that second comes too late.
CREATE FUNCTION pg_temp.model(c combination, OUT ends int, OUT outcome text, OUT attempts int) LANGUAGE plpgsql AS $f$
DECLARE
	never CONSTANT int := 1000000;
	close_by CONSTANT int := coalesce(c.close_by, never);
	queued int := 0;
	started int;
	worker text;
	answer int;
	timeout int;
	heartbeat int;
BEGIN
	attempts := 0;
	LOOP
		attempts := attempts + 1;
		worker := c.workers[least(attempts, cardinality(c.workers))];
		started := CASE worker WHEN 'never' THEN never ELSE queued + 7 END;
		ends := least(queued + coalesce(c.start_by, never), close_by);
		IF ends <= started THEN
			outcome := CASE WHEN ends = never THEN 'Running' WHEN ends = close_by THEN 'ScheduleToClose' ELSE 'ScheduleToStart' END;
			RETURN;
		END IF;
		answer := CASE WHEN worker IN ('silent', 'beat') THEN never ELSE started + 9 END;
		timeout := started + coalesce(c.start_to_close, never);
		heartbeat := CASE worker WHEN 'beat' THEN never ELSE started + coalesce(c.heartbeat, never) END;
		ends := least(answer, timeout, heartbeat, close_by);
		outcome := CASE WHEN ends >= never THEN 'Running' WHEN ends = close_by THEN 'ScheduleToClose' WHEN ends = timeout THEN 'StartToClose'
			WHEN ends = heartbeat THEN 'Heartbeat' WHEN worker = 'complete' THEN 'Completed' WHEN worker = 'refuse' THEN 'Refused' ELSE 'Failed' END;
		EXIT WHEN outcome IN ('Running', 'ScheduleToClose', 'Completed', 'Refused') OR attempts > c.retries;
		queued := ends + 3 * (2 ^ (attempts - 1))::int;
		EXIT WHEN queued > close_by;
	END LOOP;
END $f$;

SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register(id, jsonb_build_object('StartAt', 'Do', 'States', jsonb_build_object('Do',
	'{"Type": "Task", "Resource": "Do", "End": true}' || jsonb_strip_nulls(jsonb_build_object(
		'TaskQueue', id, 'ScheduleToStartSeconds', start_by, 'StartToCloseSeconds', start_to_close, 'ScheduleToCloseSeconds', close_by,
		'HeartbeatSeconds', heartbeat, 'Retry', CASE WHEN retries > 0 THEN jsonb_build_array(jsonb_build_object(
			'ErrorEquals', '{States.ALL}'::text[], 'IntervalSeconds', 3, 'BackoffRate', 2, 'MaxAttempts', retries)) END)))))
FROM combination;
SELECT workflow.start(id, workflow_id => id) FROM combination;

-- The workers, each with a queue of its own, look every second; the clock comes first.
CREATE TEMP TABLE task (task_token uuid, worker text, started int);
CREATE FUNCTION pg_temp.work(second int) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow_test.run('2030-01-01 00:00:00+00'::timestamptz + make_interval(secs => second));
	INSERT INTO task SELECT taken.task_token, w.worker, second
	FROM workflow.activity_task t JOIN combination c ON c.id = t.workflow_id,
		LATERAL (SELECT c.workers[least(t.attempt, cardinality(c.workers))]) w (worker),
		LATERAL workflow.poll_activity(c.id, 'worker') taken
	WHERE t.worker IS NULL AND t.queued_at < workflow_test.now() - interval '6.9 s' AND w.worker <> 'never';
	PERFORM workflow.heartbeat(task_token, to_jsonb(second)) FROM task WHERE worker = 'beat' AND (second - started) % 4 = 0;
	PERFORM workflow.fail_activity(task_token, CASE worker WHEN 'fail' THEN 'Failed' ELSE 'Refused' END, non_retryable => worker = 'refuse')
	FROM task WHERE worker IN ('fail', 'refuse') AND started + 9 = second;
	PERFORM workflow.complete_activity(task_token) FROM task WHERE worker = 'complete' AND started + 9 = second;
END $f$;
DO $$ BEGIN FOR second IN 0 .. 170 LOOP PERFORM pg_temp.work(second); END LOOP; END $$;

CREATE TEMP TABLE seen AS
SELECT c.id, EXTRACT(epoch FROM e.closed_at - timestamptz '2030-01-01 00:00:00+00')::int AS ends,
	CASE e.status WHEN 'Failed' THEN coalesce(last.attributes#>>'{details,Timeout}', e.error) ELSE e.status END AS outcome,
	(SELECT count(*)::int FROM workflow.history h WHERE h.run_id = e.run_id AND h.event_type = 'ActivityTaskQueued') AS attempts,
	e.error, last.event_type
FROM combination c JOIN workflow.executions e ON e.workflow_id = c.id
LEFT JOIN LATERAL (SELECT h.event_type, h.attributes FROM workflow.history h WHERE h.run_id = e.run_id AND h.event_type LIKE 'ActivityTask%'
	ORDER BY h.event_id DESC LIMIT 1) last ON true;

\o
SELECT no_plan();
SELECT is(count(*), 594::bigint, 'so many combinations') FROM combination;
SELECT results_eq($$ SELECT DISTINCT outcome FROM combination c, pg_temp.model(c) ORDER BY 1 $$,
	$$ VALUES ('Completed'), ('Failed'), ('Heartbeat'), ('Refused'), ('Running'), ('ScheduleToClose'), ('ScheduleToStart'), ('StartToClose') $$,
	'in which all that can happen does');
SELECT is_empty(format($$ SELECT s.id, s.ends, s.outcome, s.attempts, m.ends, m.outcome, m.attempts
	FROM combination c JOIN seen s USING (id), pg_temp.model(c) m
	WHERE workers = %L AND ((s.outcome, s.attempts) IS DISTINCT FROM (m.outcome, m.attempts)
		OR (s.outcome <> 'Running' AND s.ends <> m.ends)) $$, workers), array_to_string(workers, ', then '))
FROM (SELECT DISTINCT workers FROM combination) w ORDER BY workers;
SELECT is_empty($$ SELECT id FROM seen WHERE outcome IN ('ScheduleToClose', 'ScheduleToStart', 'StartToClose', 'Heartbeat')
	AND (event_type <> 'ActivityTaskTimedOut' OR error <> CASE outcome WHEN 'Heartbeat' THEN 'States.HeartbeatTimeout' ELSE 'States.Timeout' END) $$,
	'and with the right error');
SELECT is((SELECT count(*) FROM task t, LATERAL workflow.heartbeat(t.task_token) h WHERE h.ok),
	(SELECT count(*) FROM workflow.pending_activities WHERE worker IS NOT NULL), 'no token of an attempt that is over counts any more');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT * FROM finish();
ROLLBACK;
