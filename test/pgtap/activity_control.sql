-- Pause, resume, reset and other options of pending activities, on a virtual clock, with replay compared throughout.
SET client_min_messages = error;	-- no warnings of missing timeouts, no notices of stale answers
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION public.ask(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"asked"'::jsonb $$;
SELECT workflow.register_activity('Ask', 'public.ask(jsonb)');
SELECT workflow.register_activity('Pay', task_queue => 'pay', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register_activity('Refund', task_queue => 'refund', options => '{"StartToCloseSeconds": 60}');

CREATE FUNCTION pg_temp.now() RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow_test.run(workflow_test.now());
END $f$;
CREATE FUNCTION pg_temp.start(id text, options jsonb DEFAULT '{}', activity text DEFAULT 'Pay', input jsonb DEFAULT '{}')
RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.register(id, jsonb_build_object('StartAt', 'Do', 'States', jsonb_build_object('Do',
		jsonb_build_object('Type', 'Task', 'End', true, 'Resource', activity)
		|| CASE activity WHEN 'Pay' THEN jsonb_build_object('TaskQueue', id) ELSE '{}' END || options)));
	PERFORM workflow.start(id, input, workflow_id => id);
	PERFORM pg_temp.now();
END $f$;
CREATE FUNCTION pg_temp.take(queue text) RETURNS uuid LANGUAGE sql AS $$
	SELECT task_token FROM workflow.poll_activity(queue, 'worker of ' || queue)
$$;
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.executions WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.events(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(regexp_replace(event_type, '^ActivityTask', ''), ' ' ORDER BY event_id) FROM workflow.history WHERE workflow_id = id
$$;
-- Each request is taken in at once; what is wrong with the runs then.
CREATE FUNCTION pg_temp.hold(id text) RETURNS text LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.pause_activity(id, 'Pay', 'why not');
	PERFORM pg_temp.now();
	RETURN (SELECT string_agg(pg_temp.difference(run_id), ' ') FROM workflow.executions WHERE workflow_id = id);
END $f$;
CREATE FUNCTION pg_temp.go_on(id text, activity text DEFAULT 'Pay') RETURNS text LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.resume_activity(id, activity);
	PERFORM pg_temp.now();
	RETURN (SELECT string_agg(pg_temp.difference(run_id), ' ') FROM workflow.executions WHERE workflow_id = id);
END $f$;
CREATE FUNCTION pg_temp.reset(id text, activity text DEFAULT 'Pay', keep_paused boolean DEFAULT false, reset_heartbeat boolean DEFAULT false)
RETURNS text LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.reset_activity(id, activity, keep_paused, reset_heartbeat);
	PERFORM pg_temp.now();
	RETURN (SELECT string_agg(pg_temp.difference(run_id), ' ') FROM workflow.executions WHERE workflow_id = id);
END $f$;
CREATE FUNCTION pg_temp.change(id text, options jsonb, activity text DEFAULT 'Pay') RETURNS text LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.update_activity_options(id, activity, options);
	PERFORM pg_temp.now();
	RETURN (SELECT string_agg(pg_temp.difference(run_id), ' ') FROM workflow.executions WHERE workflow_id = id);
END $f$;
-- What the run's pending activity looks like
CREATE FUNCTION pg_temp.pending(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', status, attempt, worker), ', ' ORDER BY branch_id) FROM workflow.pending_activities WHERE workflow_id = id
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
\o
SELECT no_plan();

\echo # A task in its queue
SELECT pg_temp.start('queued') \g /dev/null
SELECT is(pg_temp.hold('queued'), NULL, 'it is paused');
SELECT results_eq($$ SELECT status, paused_at, paused_by = current_user, pause_reason FROM workflow.pending_activities WHERE workflow_id = 'queued' $$,
	$$ VALUES ('Paused', timestamptz '2030-01-01 00:00:00+00', true, 'why not') $$, 'which is shown');
SELECT results_eq($$ SELECT waiting_for, until, moved_by FROM workflow.explain('queued') $$,
	$$ SELECT format('activity "Pay", paused by %s: why not', current_user::text COLLATE "default"), NULL::timestamptz,
		'workflow.resume_activity(), or workflow.complete_activity(), or workflow.cancel()' $$, 'and explained');
SELECT is(pg_temp.take('queued'), NULL, 'nobody takes it');
SELECT is_empty($$ SELECT FROM workflow.task_queues WHERE task_queue = 'queued' AND backlog <> 0 $$, 'nor is it backlog');
SELECT is(pg_temp.hold('queued'), NULL, 'pausing it again');
SELECT is(pg_temp.events('queued'), 'WorkflowExecutionStarted Scheduled Queued Paused', 'changes nothing');
SELECT results_eq($$ SELECT attributes FROM workflow.history WHERE workflow_id = 'queued' AND event_type = 'ActivityTaskPaused' $$,
	$$ SELECT jsonb_build_object('attempt', 1, 'requested_by', current_user, 'reason', 'why not') $$, 'who and why is history');
SELECT is(pg_temp.go_on('queued'), NULL, 'it is resumed');
SELECT is(pg_temp.pending('queued'), 'Scheduled 1', 'as it was');
SELECT is(pg_temp.go_on('queued'), NULL, 'resuming it again');
SELECT is(pg_temp.events('queued'), 'WorkflowExecutionStarted Scheduled Queued Paused Unpaused', 'changes nothing');
SELECT ok(workflow.complete_activity(pg_temp.take('queued'), '1'), 'it is taken and completed');
SELECT is(pg_temp.ended('queued'), 'Completed 1', 'as any other');

\echo # The four timeouts stand still: 15 s pass, an hour of pause, and then what was left
\o /dev/null
CREATE TEMP TABLE limits (id text, options jsonb, taken_at interval, beat_at interval, left_after interval, outcome text);
INSERT INTO limits VALUES
	('start', '{"ScheduleToStartSeconds": 40}', NULL, NULL, '25s', 'nobody took the task from task queue "start" in time'),
	('close', '{"ScheduleToCloseSeconds": 40}', NULL, NULL, '25s', 'the task did not close within its schedule-to-close timeout'),
	('close_taken', '{"ScheduleToCloseSeconds": 40}', '10s', NULL, '25s', 'the task did not close within its schedule-to-close timeout'),
	('attempt', '{}', '10s', NULL, '55s', 'the attempt took longer than its start-to-close timeout'),
	('beat', '{"HeartbeatSeconds": 30}', '5s', NULL, '20s', 'no heartbeat came from whoever works on the task in time'),
	('beaten', '{"HeartbeatSeconds": 30}', '5s', '12s', '27s', 'no heartbeat came from whoever works on the task in time'),
	('beats_on', '{"HeartbeatSeconds": 30}', '5s', '30 min', '30s', 'no heartbeat came from whoever works on the task in time');
CREATE FUNCTION pg_temp.live(l limits) RETURNS SETOF text LANGUAGE plpgsql AS $f$
DECLARE
	start CONSTANT timestamptz := workflow_test.now();
	task uuid;
	answer record;
BEGIN
	PERFORM pg_temp.start(l.id, l.options);
	IF l.taken_at IS NOT NULL THEN
		PERFORM workflow_test.run(start + l.taken_at);
		task := pg_temp.take(l.id);
	END IF;
	IF l.beat_at < '15s' THEN
		PERFORM workflow_test.run(start + l.beat_at);
		RETURN NEXT (SELECT CASE WHEN NOT ok OR paused THEN 'not well' END FROM workflow.heartbeat(task));
	END IF;
	PERFORM workflow_test.run(start + '15s');
	RETURN NEXT pg_temp.hold(l.id);
	IF l.beat_at > '15s' THEN
		PERFORM workflow_test.run(start + l.beat_at);
		RETURN NEXT (SELECT CASE WHEN NOT (ok AND paused) THEN 'nobody is told' END FROM workflow.heartbeat(task));
	END IF;
	PERFORM workflow_test.run(start + interval '1 hour 15 s');
	RETURN NEXT CASE WHEN pg_temp.ended(l.id) <> 'Running' THEN 'it ended while paused: ' || pg_temp.ended(l.id) END;
	RETURN NEXT (SELECT 'it has a timer: ' || kind FROM workflow.timers WHERE workflow_id = l.id LIMIT 1);
	RETURN NEXT pg_temp.go_on(l.id);
	PERFORM workflow_test.run(start + interval '1 hour 15 s' + l.left_after - interval '1 ms');
	RETURN NEXT CASE WHEN pg_temp.ended(l.id) <> 'Running' THEN 'it ended too early: ' || pg_temp.ended(l.id) END;
	RETURN NEXT (SELECT string_agg(pg_temp.difference(run_id), ' ') FROM workflow.executions WHERE workflow_id = l.id);
	PERFORM workflow_test.run(start + interval '1 hour 15 s' + l.left_after);
	RETURN NEXT CASE WHEN pg_temp.ended(l.id) NOT LIKE '%' || l.outcome THEN pg_temp.ended(l.id) END;
	RETURN NEXT (SELECT string_agg(pg_temp.difference(run_id), ' ') FROM workflow.executions WHERE workflow_id = l.id);
END $f$;
\o
SELECT is_empty(format('SELECT f FROM limits l, pg_temp.live(l) f WHERE f IS NOT NULL AND id = %L', id), id) FROM limits;

\echo # Two pauses; schedule-to-close over several attempts
\o /dev/null
SELECT pg_temp.start('twice', '{"ScheduleToCloseSeconds": 100, "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10, "MaxAttempts": 5}]}');
SELECT workflow_test.advance('10s');
SELECT pg_temp.hold('twice');
SELECT workflow_test.advance('1h');
SELECT pg_temp.go_on('twice');
CREATE TEMP TABLE twice AS SELECT * FROM workflow.poll_activity('twice', 'w');
SELECT workflow_test.advance('20s');
SELECT pg_temp.hold('twice');
SELECT workflow_test.advance('1h');
\o
SELECT is(pg_temp.go_on('twice'), NULL, 'resumed twice');
SELECT ok(workflow.fail_activity((SELECT task_token FROM twice), 'Busy'), 'it fails');
SELECT workflow_test.advance('10s') \g /dev/null
SELECT results_eq($$ SELECT attempt, deadline - workflow_test.now() FROM workflow.poll_activity('twice', 'w') $$, $$ VALUES (2, interval '60s') $$,
	'the next attempt: 60 of 100 seconds are left');
SELECT workflow_test.advance('59s') \g /dev/null
SELECT is(pg_temp.ended('twice'), 'Running', 'to the second');
SELECT workflow_test.advance('1s') \g /dev/null
SELECT is(pg_temp.ended('twice'), 'Failed States.Timeout the task did not close within its schedule-to-close timeout', 'then it is over');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');

\echo # The back-off of a SQL activity
\o /dev/null
SELECT workflow_test.mock_activity('Ask', error => 'Busy', times => 2);
SELECT workflow_test.mock_activity('Ask', '"asked"');
SELECT pg_temp.start('backoff', '{"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 30, "BackoffRate": 1, "MaxAttempts": 5}]}', 'Ask');
SELECT workflow.pause_activity('backoff', 'Do');
SELECT pg_temp.now();
SELECT workflow_test.advance('1h');
\o
SELECT is(pg_temp.pending('backoff'), 'Paused 1', 'paused by its state''s name, it makes no attempt');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is(pg_temp.go_on('backoff', 'Ask'), NULL, 'resumed');
SELECT is(pg_temp.pending('backoff'), 'Backoff 2', 'it makes the next one at once');
SELECT workflow_test.advance('30s') \g /dev/null
SELECT is(pg_temp.ended('backoff'), 'Completed "asked"', 'and then goes on as usual');

\echo # Paused while somebody is at it
\o /dev/null
SELECT pg_temp.start('completes');
SELECT pg_temp.start('fails', '{"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10, "MaxAttempts": 1}]}');
SELECT pg_temp.start('fails_well');
CREATE TEMP TABLE held AS SELECT * FROM workflow.poll_activity('completes', 'w');
INSERT INTO held SELECT * FROM workflow.poll_activity('fails', 'w');
INSERT INTO held SELECT * FROM workflow.poll_activity('fails_well', 'w');
SELECT pg_temp.hold(id) FROM unnest('{completes,fails,fails_well}'::text[]) id;
\o
SELECT is(pg_temp.pending('completes'), 'Paused 1 w', 'it is paused, and somebody is at it');
SELECT is((SELECT array_agg(ok AND paused) FROM held, workflow.heartbeat(task_token)), '{t,t,t}', 'who is told with a heartbeat');
SELECT ok(workflow.complete_activity(task_token, '7'), 'a result counts') FROM held WHERE workflow_id = 'completes';
SELECT is(pg_temp.ended('completes'), 'Completed 7', 'paused or not');
SELECT ok(bool_and(workflow.fail_activity(task_token, CASE workflow_id WHEN 'fails' THEN 'Busy' ELSE 'Broken' END)), 'so does a failure')
FROM held WHERE workflow_id <> 'completes';
SELECT is(pg_temp.ended('fails_well'), 'Failed Broken', 'that is not retried');
SELECT workflow_test.advance('1h') \g /dev/null
SELECT is(pg_temp.pending('fails'), 'Paused 1', 'a retry does not start');
SELECT is(pg_temp.go_on('fails'), NULL, 'until resumed');
SELECT is(pg_temp.pending('fails'), 'Scheduled 2', 'then it does');
SELECT ok(workflow.complete_activity(pg_temp.take('fails')), 'and is done');

\echo # Task tokens that were given away
\o /dev/null
SELECT workflow_test.mock_activity('Ask', '"given"');
SELECT pg_temp.start('given', '{"Resource": "Ask.waitForTaskToken", "Parameters": {"token.$": "$$.Task.Token"}, "HeartbeatSeconds": 30, "TimeoutSeconds": 100}', 'Ask');
SELECT workflow_test.advance('10s');
SELECT workflow.pause_activity('given', 'Ask');
SELECT pg_temp.now();
SELECT workflow_test.advance('1h');
CREATE TEMP TABLE given AS SELECT task_token FROM workflow.pending_activities WHERE workflow_id = 'given';
\o
SELECT is(pg_temp.pending('given'), 'Paused 1', 'paused');
SELECT is(pg_temp.go_on('given', 'Ask'), NULL, 'resumed');
SELECT is((SELECT due_at - workflow_test.now() FROM workflow.timers WHERE workflow_id = 'given'), interval '20s', 'a heartbeat is due in what was left');
SELECT workflow_test.advance('15s') \g /dev/null
SELECT workflow.pause_activity('given', 'Ask') \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT workflow_test.advance('1h') \g /dev/null
SELECT results_eq('SELECT h.ok, h.paused FROM given, workflow.heartbeat(task_token) h', 'VALUES (true, true)', 'a heartbeat during a pause');
SELECT workflow_test.advance('1h') \g /dev/null
SELECT is(pg_temp.go_on('given', 'Ask'), NULL, 'resumed again');
SELECT is((SELECT due_at - workflow_test.now() FROM workflow.timers WHERE workflow_id = 'given'), interval '30s', 'counts from then on');
SELECT is(pg_temp.change('given', '{"HeartbeatSeconds": null, "TimeoutSeconds": 45}', 'Ask'), NULL, 'other options');
SELECT is((SELECT due_at - workflow_test.now() FROM workflow.timers WHERE workflow_id = 'given'), interval '20s', 'count from when it began, without the pauses');
SELECT workflow_test.advance('20s') \g /dev/null
SELECT is(pg_temp.ended('given'), 'Failed States.Timeout the task''s token was not answered in time', 'to the second');

\echo # Reset in the queue, in the back-off, while somebody is at it
\o /dev/null
CREATE TEMP TABLE retried AS SELECT '{"HeartbeatSeconds": 30, "ScheduleToCloseSeconds": 500, "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "BackoffRate": 2, "MaxAttempts": 2}]}'::jsonb AS options;
SELECT pg_temp.start(id, options) FROM retried, unnest('{reset_queued,reset_backoff,reset_running,reset_kept}'::text[]) id;
-- All of them fail once, having told how far they got.
CREATE FUNCTION pg_temp.fail(id text, details jsonb DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
	task CONSTANT uuid := pg_temp.take(id);
BEGIN
	PERFORM workflow.heartbeat(task, details);
	IF NOT workflow.fail_activity(task, 'Busy') THEN
		RAISE 'not failed';
	END IF;
END $f$;
SELECT pg_temp.fail(id, '"far"') FROM unnest('{reset_queued,reset_backoff,reset_running,reset_kept}'::text[]) id;
SELECT workflow_test.advance('10s');
SELECT pg_temp.fail('reset_backoff');
SELECT workflow_test.advance('5s');
\o
SELECT is(pg_temp.reset('reset_queued'), NULL, 'one in its queue');
SELECT is(pg_temp.pending('reset_queued'), 'Scheduled 1', 'is at its first attempt');
SELECT results_eq($$ SELECT attempt, heartbeat_details, scheduled_at = workflow_test.now() FROM workflow.poll_activity('reset_queued', 'w') $$,
	$$ VALUES (1, '"far"'::jsonb, true) $$, 'and still knows how far it got');
SELECT is(pg_temp.pending('reset_backoff'), 'Backoff 2', 'one in its back-off');
SELECT is(pg_temp.reset('reset_backoff', reset_heartbeat => true), NULL, 'is reset');
SELECT is(pg_temp.pending('reset_backoff'), 'Scheduled 1', 'and makes its first attempt at once');
SELECT results_eq($$ SELECT attempt, heartbeat_details FROM workflow.poll_activity('reset_backoff', 'w') $$,
	$$ VALUES (1, NULL::jsonb) $$, 'and does not know how far it got, when that was asked for');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');
\o /dev/null
CREATE TEMP TABLE running AS SELECT * FROM workflow.poll_activity('reset_running', 'w');
SELECT workflow.heartbeat(task_token, '"farther"') FROM running;
\o
SELECT is(pg_temp.reset('reset_running', reset_heartbeat => true), NULL, 'one that somebody is at');
SELECT is(pg_temp.pending('reset_running'), 'Started 2 w', 'goes on');
SELECT ok(workflow.fail_activity(task_token, 'Busy'), 'when it fails') FROM running;
SELECT is((SELECT next_attempt_at - workflow_test.now() FROM workflow.pending_activities WHERE workflow_id = 'reset_running'), interval '10s', 'the first back-off follows');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow_test.advance('10s') \g /dev/null
SELECT results_eq($$ SELECT attempt, heartbeat_details, scheduled_at = workflow_test.now() FROM workflow.poll_activity('reset_running', 'w') $$,
	$$ VALUES (1, NULL::jsonb, true) $$, 'and then the first attempt');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there as well');
SELECT is(pg_temp.hold('reset_kept'), NULL, 'one that is paused');
SELECT workflow_test.advance('10s') \g /dev/null
SELECT is(pg_temp.reset('reset_kept', keep_paused => true), NULL, 'is reset');
SELECT is(pg_temp.pending('reset_kept'), 'Paused 1', 'and stays paused if so wanted');
SELECT workflow_test.advance('10s') \g /dev/null
SELECT is(pg_temp.go_on('reset_kept'), NULL, 'until it is resumed');
SELECT is((SELECT due_at - workflow_test.now() FROM workflow.timers WHERE workflow_id = 'reset_kept'), interval '500s', 'with all its time');
SELECT is(pg_temp.hold('reset_kept'), NULL, 'paused again');
SELECT workflow_test.advance('10s') \g /dev/null
SELECT is(pg_temp.reset('reset_kept'), NULL, 'a reset');
SELECT is(pg_temp.pending('reset_kept'), 'Scheduled 1', 'resumes it if not');
SELECT is((SELECT due_at - workflow_test.now() FROM workflow.timers WHERE workflow_id = 'reset_kept'), interval '500s', 'with all its time');
\o /dev/null
SELECT workflow_test.advance('15s');
SELECT pg_temp.fail('reset_kept');
SELECT pg_temp.hold('reset_kept');
SELECT workflow_test.advance('15s');
SELECT pg_temp.reset('reset_kept', keep_paused => true);
\o
SELECT is(pg_temp.pending('reset_kept'), 'Paused 1', 'also in its back-off');
SELECT is(pg_temp.go_on('reset_kept'), NULL, 'until resumed');
SELECT is((SELECT concat_ws(' ', status, attempt, scheduled_at = workflow_test.now()) FROM workflow.pending_activities WHERE workflow_id = 'reset_kept'), 'Scheduled 1 t',
	'it is the first attempt, from now on');

\echo # Other options: in the queue, taken, in the back-off, paused
\o /dev/null
SELECT pg_temp.start('options', '{"ScheduleToStartSeconds": 50}');
SELECT workflow_test.advance('10s');
\o
SELECT is(pg_temp.change('options', '{"TaskQueue": "elsewhere", "Priority": 1, "ScheduleToStartSeconds": 30, "ScheduleToCloseSeconds": 200}'), NULL, 'in its queue');
SELECT is(pg_temp.take('options'), NULL, 'it has moved');
SELECT is((SELECT min(due_at) - workflow_test.now() FROM workflow.timers WHERE workflow_id = 'options'), interval '20s', 'limits count from when it was queued');
SELECT is(pg_temp.hold('options'), NULL, 'paused');
SELECT workflow_test.advance('1h') \g /dev/null
SELECT is(pg_temp.change('options', '{"ScheduleToStartSeconds": null, "Priority": null}'), NULL, 'while it is paused');
SELECT is(pg_temp.go_on('options'), NULL, 'resumed');
SELECT results_eq($$ SELECT priority, (SELECT min(due_at) - workflow_test.now() FROM workflow.timers t WHERE t.workflow_id = 'options') FROM workflow.pending_activities WHERE workflow_id = 'options' $$,
	$$ VALUES (3, interval '190s') $$, 'null removes');
SELECT workflow_test.advance('5s') \g /dev/null
CREATE TEMP TABLE changed AS SELECT * FROM workflow.poll_activity('elsewhere', 'w');
SELECT workflow_test.advance('10s') \g /dev/null
SELECT is(pg_temp.change('options', '{"StartToCloseSeconds": 25, "Retry": [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 10, "MaxAttempts": 1}]}'), NULL, 'while somebody is at it');
SELECT is((SELECT min(due_at) - workflow_test.now() FROM workflow.timers WHERE workflow_id = 'options' AND kind <> 'Lease'), interval '15s', 'its time counts from when it was started');
SELECT workflow_test.advance('15s') \g /dev/null
SELECT is(pg_temp.pending('options'), 'Backoff 1', 'a Retry that it had not before');
SELECT is(pg_temp.change('options', '{"TaskQueue": "third", "TimeoutSeconds": 7}'), NULL, 'in its back-off');
SELECT is((SELECT next_attempt_at - workflow_test.now() FROM workflow.pending_activities WHERE workflow_id = 'options'), interval '10s', 'which goes on as long as it was to');
SELECT workflow_test.advance('10s') \g /dev/null
SELECT results_eq($$ SELECT attempt, deadline - workflow_test.now() FROM workflow.poll_activity('third', 'w') $$, $$ VALUES (2, interval '7s') $$, 'the next attempt is made with them');
SELECT workflow_test.advance('7s') \g /dev/null
SELECT is(pg_temp.ended('options'), 'Failed States.Timeout the attempt took longer than its start-to-close timeout', 'Retry counts for all attempts');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');

\echo # A run that is stuck without a lease
\o /dev/null
SELECT workflow.register_activity('Bare', task_queue => 'bare', options => '{"HeartbeatSeconds": 5}');
SELECT workflow.register('bare', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Bare", "End": true}}}');
SELECT workflow.register_activity('Bare', task_queue => 'bare');
SELECT workflow.start('bare', workflow_id => 'bare');
SELECT pg_temp.now();
SELECT workflow.update_activity_options(run_id, 'Bare', '{"StartToCloseSeconds": 9}'), workflow.update_activity_options(run_id, 'Do', '{"Priority": 4}'),
	workflow.pause_activity(run_id, 'Do', NULL), workflow.retry(run_id) FROM workflow.executions WHERE workflow_id = 'bare';
SELECT pg_temp.now();
\o
SELECT is(pg_temp.pending('bare'), 'Paused 1', 'is given one, paused, and retried');
SELECT is_empty($$ SELECT FROM workflow.activity_task WHERE workflow_id = 'bare' $$, 'a paused task is not even queued');
SELECT workflow.reset_activity(run_id, 'Do', true, true), workflow.resume_activity(run_id, 'Do') FROM workflow.executions WHERE workflow_id = 'bare' \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is((SELECT concat_ws(' ', status, priority) FROM workflow.pending_activities WHERE workflow_id = 'bare'), 'Scheduled 4', 'until it is resumed');
SELECT ok(workflow.complete_activity(pg_temp.take('bare')), 'and done');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');

\echo # Options hold until the state is left
\o /dev/null
SELECT workflow.register('loop', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pay", "TaskQueue": "loop", "Next": "Again"},
	"Again": {"Type": "Task", "Resource": "Pay", "TaskQueue": "loop", "End": true}}}');
SELECT workflow.start('loop', workflow_id => 'loop');
SELECT pg_temp.now();
SELECT pg_temp.change('loop', '{"TaskQueue": "other"}', 'Do');
\o
SELECT throws_ok($$ SELECT workflow.pause_activity('loop', 'Again') $$, 'OW012', 'workflow id "loop" is not at activity "Again"', 'the other state is not at it');
SELECT ok(workflow.complete_activity(pg_temp.take('other')), 'moved');
SELECT ok(workflow.complete_activity(pg_temp.take('loop')), 'the next state is as ever');

\echo # SQL states: expressions count no more
\o /dev/null
SELECT workflow.register('sql', '{"QueryLanguage": "SQL", "StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pay", "TaskQueue": "sql",
	"Arguments": {"n": "{% (input->>''n'')::int + 1 %}"}, "HeartbeatSeconds": "{% 10 + 10 %}", "Output": "{% result %}", "End": true}}}');
SELECT workflow.start('sql', '{"n": 1}', workflow_id => 'sql');
SELECT pg_temp.now();
\o
SELECT is(pg_temp.change('sql', '{"HeartbeatSeconds": 40}'), NULL, 'a number instead');
SELECT results_eq($$ SELECT input, heartbeat_timeout FROM workflow.poll_activity('sql', 'w') $$, $$ VALUES ('{"n": 2}'::jsonb, interval '40s') $$, 'holds');
SELECT workflow.terminate('sql') \g /dev/null

\echo # Branches of a Map
\o /dev/null
SELECT workflow.register('each', '{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Do", "States": {
	"Do": {"Type": "Task", "Resource": "Pay", "TaskQueue": "each", "End": true, "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10}]}}}}}}');
SELECT workflow.start('each', '["a", "b", "c"]', workflow_id => 'each');
SELECT pg_temp.now();
CREATE TEMP TABLE item AS SELECT * FROM workflow.poll_activity('each', 'w', 1);
SELECT pg_temp.hold('each');
\o
SELECT is(pg_temp.pending('each'), 'Paused 1 w, Paused 1, Paused 1', 'all are paused');
SELECT is((SELECT moved_by FROM workflow.explain('each')), 'workflow.resume_activity(), or workflow.complete_activity(), or workflow.cancel()', 'which is explained');
SELECT alike((SELECT waiting_for FROM workflow.explain('each')), '3 branches: 3 in "Do" (Queued)%; paused: 3', 'with their number');
SELECT is(pg_temp.take('each'), NULL, 'nobody takes any');
SELECT ok(workflow.fail_activity(task_token, 'Busy'), 'one fails') FROM item;
SELECT is(pg_temp.change('each', '{"Priority": 1, "StartToCloseSeconds": 20}', 'Do'), NULL, 'all get other options');
SELECT is(pg_temp.reset('each', 'Do'), NULL, 'all are reset');
SELECT is(pg_temp.pending('each'), 'Scheduled 1, Scheduled 1, Scheduled 1', 'and go on');
SELECT is((SELECT array_agg(DISTINCT priority) FROM workflow.pending_activities WHERE workflow_id = 'each'), '{1}', 'so');
SELECT is((SELECT count(*) FROM workflow.poll_activity('each', 'w', 10) p WHERE p.deadline - workflow_test.now() = interval '20s'), 3::bigint, 'each of them');
SELECT workflow_test.advance('20s') \g /dev/null
SELECT is(pg_temp.ended('each'), 'Failed States.Timeout the attempt took longer than its start-to-close timeout', 'in time');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');

\echo # Compensations, in the queue, in the back-off, of a run that is canceled
\o /dev/null
SELECT workflow.register('saga', '{"StartAt": "Pay", "States": {
	"Pay": {"Type": "Task", "Resource": "Pay", "TaskQueue": "saga", "Compensate": {"Resource": "Refund", "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 3}]}, "Next": "Ship"},
	"Ship": {"Type": "Task", "Resource": "Ask", "End": true}}}');
SELECT workflow_test.begin(workflow_test.now());
SELECT workflow_test.mock_activity('Ask', error => 'NoShip');
SELECT workflow.start('saga', workflow_id => 'saga');
SELECT pg_temp.now();
SELECT workflow.complete_activity(pg_temp.take('saga'));
SELECT pg_temp.now();
\o
SELECT is((SELECT concat_ws(' ', activity, state, status) FROM workflow.pending_activities WHERE workflow_id = 'saga'), 'Refund Pay Scheduled', 'what was done is undone');
SELECT throws_ok($$ SELECT workflow.pause_activity('saga', 'Ship') $$, 'OW012', NULL, 'the state that failed is left');
SELECT workflow.pause_activity('saga', 'Refund') \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.pending('saga'), 'Paused 1', 'unless it is paused');
SELECT is(pg_temp.take('refund'), NULL, 'nobody takes it');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow_test.advance('1h') \g /dev/null
SELECT is(pg_temp.go_on('saga', 'Pay'), NULL, 'resumed by the name of the state that it undoes');
SELECT ok(workflow.fail_activity(pg_temp.take('refund'), 'Closed'), 'it fails');
SELECT is(pg_temp.reset('saga', 'Refund'), NULL, 'and is reset');
SELECT is(pg_temp.pending('saga'), 'Scheduled 1', 'it makes its first attempt at once');
SELECT ok(workflow.fail_activity(pg_temp.take('refund'), 'Closed'), 'it fails again');
SELECT is(pg_temp.change('saga', '{"TaskQueue": "refund2", "HeartbeatSeconds": 5}', 'Refund'), NULL, 'gets other options');
SELECT workflow.pause_activity('saga', 'Refund'), workflow.cancel('saga') \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT workflow_test.advance('1h') \g /dev/null
SELECT is(pg_temp.pending('saga'), 'Paused 1', 'paused in its back-off, it holds up a cancel');
SELECT is(pg_temp.go_on('saga', 'Refund'), NULL, 'resumed');
SELECT results_eq($$ SELECT attempt, heartbeat_timeout FROM workflow.poll_activity('refund2', 'w') $$, $$ VALUES (2, interval '5s') $$, 'it is done with its other options');
SELECT workflow_test.advance('5s') \g /dev/null
SELECT is((SELECT array_agg(concat_ws(' ', activity, status, attempts)) FROM workflow.compensations WHERE workflow_id = 'saga'), '{Refund Failed 2}', 'of which it has two attempts still');
SELECT is(pg_temp.ended('saga'), 'Failed NoShip ', 'then the run closes');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');

\echo # Cancel, terminate, and the timeout of the run itself, while paused
\o /dev/null
SELECT pg_temp.start('canceled'), pg_temp.start('terminated');
SELECT workflow.register('late', '{"StartAt": "Do", "TimeoutSeconds": 100, "States": {"Do": {"Type": "Task", "Resource": "Pay", "TaskQueue": "late", "End": true}}}');
SELECT workflow.start('late', workflow_id => 'late');
SELECT pg_temp.now();
SELECT pg_temp.hold(id) FROM unnest('{canceled,terminated,late}'::text[]) id;
\o
SELECT is((SELECT until - workflow_test.now() FROM workflow.explain('late')), interval '100s', 'the run''s timeout goes on');
SELECT workflow.cancel('canceled'), workflow.terminate('terminated') \g /dev/null
SELECT workflow_test.advance('100s') \g /dev/null
SELECT is(pg_temp.ended('canceled'), 'Canceled OW.Canceled the workflow was canceled', 'canceled');
SELECT is(pg_temp.ended('terminated'), 'Terminated OW.Terminated', 'terminated');
SELECT is(pg_temp.ended('late'), 'TimedOut States.Timeout the workflow did not close in time', 'timed out');

\echo # A SQL activity that has not been run yet
\o /dev/null
SELECT workflow_test.begin(workflow_test.now());
SELECT workflow_test.mock_activity('Ask', '"asked"');
SELECT workflow.register('mixed', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pay", "TaskQueue": "mixed", "Next": "Ask"},
	"Ask": {"Type": "Task", "Resource": "Ask", "ScheduleToCloseSeconds": 50, "End": true}}}');
SELECT workflow.start('mixed', workflow_id => 'mixed');
\o
SELECT throws_ok($$ SELECT workflow.pause_activity('mixed', 'Pay') $$, 'OW012', NULL, 'a run that has not begun is at nothing');
\o /dev/null
SELECT pg_temp.now();
SELECT workflow.complete_activity(pg_temp.take('mixed'));
SELECT workflow.pause_activity('mixed', 'Ask');
SELECT pg_temp.now();
SELECT workflow_test.advance('1h');
\o
SELECT is(pg_temp.pending('mixed'), 'Paused 1', 'is not run while it is paused');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is(pg_temp.reset('mixed', 'Ask', keep_paused => true), NULL, 'a reset changes nothing of that');
SELECT is(pg_temp.pending('mixed'), 'Paused 1', 'unless it is to');
SELECT is(pg_temp.go_on('mixed', 'Ask'), NULL, 'resumed');
SELECT is(pg_temp.ended('mixed'), 'Completed "asked"', 'it is run');

\echo # Several requests at once
SELECT pg_temp.start('many') \g /dev/null
SELECT workflow.pause_activity('many', 'Pay'), workflow.resume_activity('many', 'Pay'), workflow.update_activity_options('many', 'Pay', '{"TaskQueue": "m2"}'),
	workflow.pause_activity('many', 'Pay'), workflow.reset_activity('many', 'Pay', true), workflow.update_activity_options('many', 'Pay', '{"TaskQueue": "m3"}') \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.events('many'), 'WorkflowExecutionStarted Scheduled Queued Paused Unpaused OptionsUpdated Paused Reset OptionsUpdated', 'one after the other');
SELECT is((SELECT concat_ws(' ', status, task_queue) FROM workflow.pending_activities WHERE workflow_id = 'many'), 'Paused m3', 'the last counts');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');

\echo # What is refused
SELECT throws_ok($$ SELECT workflow.pause_activity('many', 'Paid') $$, '42704',
	'version 1 of workflow "many" has no activity "Paid", nor a state of that name that calls one', 'an unknown activity');
SELECT throws_ok($$ SELECT workflow.pause_activity('none', 'Pay') $$, 'OW005', NULL, 'an unknown run');
SELECT throws_ok($$ SELECT workflow.resume_activity('canceled', 'Pay') $$, 'OW009', NULL, 'a closed run');
SELECT throws_ok($$ SELECT workflow.pause_activity('many', NULL) $$, '22004', NULL, 'no activity');
SELECT throws_ok($$ SELECT workflow.update_activity_options('many', 'Pay', '{"Priority": -1}') $$, '22023', 'invalid options of an activity', 'options that are none');
SELECT throws_ok($$ SELECT workflow.update_activity_options('many', 'Pay', '{"Prio": 1}') $$, '22023', 'invalid options of an activity', 'an unknown option');
SELECT throws_ok($$ SELECT workflow.update_activity_options('many', 'Pay', '[]') $$, '22023', 'invalid options of an activity', 'no object');
SELECT throws_ok($$ SELECT workflow.update_activity_options('many', 'Pay', '{"TaskQueue": null}') $$, '22023', 'invalid options of an activity', 'no queue');
SELECT throws_ok($$ SELECT workflow.update_activity_options('many', 'Pay', '{"StartToCloseSeconds": null}') $$, '22023',
	'activity "Pay" would have neither StartToCloseSeconds nor HeartbeatSeconds', 'no lease');
-- Of two, each of which leaves one: the second finds none left.
SELECT workflow.update_activity_options('many', 'Pay', '{"StartToCloseSeconds": null, "HeartbeatSeconds": 9}') \g /dev/null
SELECT workflow.update_activity_options('many', 'Pay', '{"HeartbeatSeconds": null}') \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is((SELECT count(*) FROM workflow.history WHERE workflow_id = 'many' AND event_type = 'ActivityTaskOptionsUpdated'), 3::bigint, 'nor by two requests');
SELECT is(pg_temp.go_on('many'), NULL, 'it goes on');
SELECT ok(workflow.complete_activity(pg_temp.take('m3')), 'to its end');

SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');
SELECT * FROM finish();
ROLLBACK;
