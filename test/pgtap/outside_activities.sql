-- Activities of programs outside, on a virtual clock: tasks, timeouts, retries, heartbeats, compensations, mocks.
SET client_min_messages = error;	-- no warnings of missing timeouts, no notices of stale answers
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION public.ask(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"asked"'::jsonb $$;
SELECT workflow.register_activity('Ask', 'public.ask(jsonb)');
SELECT workflow.register_activity('Pay', task_queue => 'pay', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register_activity('Slow', task_queue => 'slow', options => '{"HeartbeatSeconds": 30}');
SELECT workflow.register_activity('Refund', task_queue => 'refund', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register_activity('Bare', task_queue => 'bare');
SELECT workflow.register_activity('Other', task_queue => 'pay', options => '{"StartToCloseSeconds": 60}');

CREATE FUNCTION pg_temp.start(id text, options jsonb DEFAULT '{}', activity text DEFAULT 'Pay', input jsonb DEFAULT '{}')
RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.register(id, jsonb_build_object('StartAt', 'Do', 'States', jsonb_build_object('Do',
		jsonb_build_object('Type', 'Task', 'End', true, 'Resource', activity, 'TaskQueue', id) || options)));
	PERFORM workflow.start(id, input, workflow_id => id);
	PERFORM workflow_test.run(workflow_test.now());
END $f$;
CREATE FUNCTION pg_temp.take(queue text) RETURNS uuid LANGUAGE sql AS $$
	SELECT task_token FROM workflow.poll_activity(queue, 'worker of ' || queue)
$$;
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.executions WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.events(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM workflow.history WHERE workflow_id = id
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
\o
SELECT no_plan();

\echo # A task, its row, its answer
\o /dev/null
SELECT pg_temp.start('plain', '{"Priority": 4, "ScheduleToCloseSeconds": 600}', input => '{"amount": 5}');
\o
SELECT results_eq($$ SELECT status, task_queue, priority, worker, state, activity FROM workflow.pending_activities WHERE workflow_id = 'plain' $$,
	$$ VALUES ('Scheduled', 'plain', 4, NULL::text, 'Do', 'Pay') $$, 'it is in its queue');
SELECT is((SELECT waiting_for FROM workflow.explain('plain')), 'a worker of task queue "plain", to do activity "Pay": no worker has polled this queue', 'which explains it');
SELECT results_eq($$ SELECT backlog, in_flight FROM workflow.task_queues WHERE task_queue = 'plain' $$, $$ VALUES (1::bigint, 0::bigint) $$, 'the queue''s backlog');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('nothing', 'w') $$, 'another queue has nothing');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('plain', 'w', activities => '{Other}') $$, 'nor has anybody who does another activity');
CREATE TEMP TABLE taken AS SELECT * FROM workflow.poll_activity('plain', 'w1', activities => '{Other,Pay}');
SELECT results_eq($$ SELECT workflow_id, activity, attempt, input, heartbeat_timeout, heartbeat_details, last_failure, scheduled_at, deadline, compensates,
	idempotency_key = run_id || ':Do:1' FROM taken $$,
	$$ VALUES ('plain', 'Pay', 1, '{"amount": 5}'::jsonb, NULL::interval, NULL::jsonb, NULL::jsonb, '2030-01-01 00:00:00+00'::timestamptz,
	'2030-01-01 00:01:00+00'::timestamptz, NULL::jsonb, true) $$, 'the task tells all a worker needs');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('plain', 'w2') $$, 'it is taken once');
SELECT results_eq($$ SELECT status, worker, started_at FROM workflow.pending_activities WHERE workflow_id = 'plain' $$,
	$$ VALUES ('Started', 'w1', '2030-01-01 00:00:00+00'::timestamptz) $$, 'and shown as taken');
SELECT results_eq($$ SELECT waiting_for, since, until, moved_by FROM workflow.explain('plain') $$, $$ VALUES ('worker "w1", to answer for activity "Pay"',
	'2030-01-01 00:00:00+00'::timestamptz, '2030-01-01 00:01:00+00'::timestamptz, 'workflow.complete_activity(), or time, or workflow.cancel()') $$,
	'which explains it, and until when that may take');
SELECT results_eq($$ SELECT kind, due_at FROM workflow.timers WHERE workflow_id = 'plain' ORDER BY due_at $$,
	$$ VALUES ('Lease', '2030-01-01 00:01:00+00'::timestamptz), ('Queued', '2030-01-01 00:10:00+00') $$, 'its timers');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'history leads there');
SELECT ok(workflow.complete_activity((SELECT task_token FROM taken), '{"paid": 5}'), 'its result is taken');
SELECT is(pg_temp.ended('plain'), 'Completed {"paid": 5}', 'the run goes on in the session that answers');
SELECT ok(NOT workflow.complete_activity((SELECT task_token FROM taken)), 'once');
SELECT results_eq($$ SELECT ok FROM workflow.heartbeat((SELECT task_token FROM taken)) $$, $$ VALUES (false) $$, 'no heartbeat either');
SELECT is(pg_temp.events('plain'), 'WorkflowExecutionStarted ActivityTaskScheduled ActivityTaskQueued ActivityTaskCompleted WorkflowExecutionCompleted', 'its history');

\echo # Priority, then age; many at a time
\o /dev/null
SELECT workflow.register('urgent' || p, format('{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pay", "TaskQueue": "urgent", %s "End": true}}}', p)::jsonb)
FROM unnest('{"\"Priority\": 1,","\"Priority\": 5,",""}'::text[]) p;
SELECT workflow.start('urgent"Priority": 5,', workflow_id => '5a');
SELECT workflow.start('urgent', workflow_id => 'a');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
SELECT workflow.start('urgent', workflow_id => 'b');
SELECT workflow.start('urgent"Priority": 1,', workflow_id => '1a');
SELECT workflow_test.run('2030-01-01 00:00:02+00');
CREATE TEMP TABLE many AS SELECT row_number() OVER () AS n, * FROM workflow.poll_activity('urgent', 'w', 3);
\o
SELECT is((SELECT array_agg(workflow_id ORDER BY n) FROM many), '{1a,a,b}', 'the lower, the sooner; without, it is 3');
SELECT is(workflow.complete_activities((SELECT array_agg(task_token ORDER BY n) || '00000000-0000-8000-8000-000000000000'::uuid FROM many), '{1,2,3,4}'), '{t,t,t,f}', 'completed all at once');
SELECT is((SELECT array_agg(output ORDER BY workflow_id) FROM workflow.executions WHERE workflow_id IN ('1a', 'a', 'b')), '{1,2,3}', 'each with its result');
SELECT throws_ok($$ SELECT workflow.complete_activities('{00000000-0000-8000-8000-000000000000}', '{1,2}') $$, '2202E', 'results must have as many elements as task_tokens', 'one each');
SELECT is((SELECT array_agg(workflow_id) FROM workflow.complete_and_poll(NULL, NULL, 'urgent', 'w', 10)), '{5a}', 'complete_and_poll takes more');
SELECT throws_ok($$ SELECT * FROM workflow.poll_activity('urgent', 'w', 0) $$, '22023', 'max_tasks must be between 1 and 10000', 'but not nothing');
\o /dev/null
SELECT workflow.fail_activities(array_agg(task_token), '{Broken}', '{why}', '{7}') FROM workflow.pending_activities WHERE task_queue = 'urgent';
\o
SELECT is(pg_temp.ended('5a'), 'Failed Broken why', 'fail_activities fails');

\echo # Many at a time: failures, giving up, heartbeats
\o /dev/null
SELECT workflow.register('crowd', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Slow", "TaskQueue": "crowd", "End": true,
	"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10, "MaxAttempts": 5}]}}}');
SELECT workflow.start('crowd', workflow_id => 'crowd' || n) FROM generate_series(1, 6) n;
SELECT workflow_test.run(workflow_test.now());
CREATE TEMP TABLE crowd AS SELECT * FROM workflow.poll_activity('crowd', 'w', 5);
CREATE FUNCTION pg_temp.of(VARIADIC ids text[]) RETURNS uuid[] LANGUAGE sql AS $$
	SELECT array_agg(coalesce(task_token, '00000000-0000-8000-8000-000000000000') ORDER BY position)
	FROM unnest(ids) WITH ORDINALITY AS id (workflow_id, position) LEFT JOIN crowd USING (workflow_id)
$$;
\o
SELECT results_eq($$ SELECT b.task_token, b.ok FROM workflow.heartbeats(pg_temp.of('crowd2', 'nobody', 'crowd1'), '{"2",null,"1"}') b $$,
	$$ SELECT t, n <> 2 FROM unnest(pg_temp.of('crowd2', 'nobody', 'crowd1')) WITH ORDINALITY AS t (t, n) $$, 'heartbeats, in the order given');
SELECT results_eq($$ SELECT ok FROM workflow.heartbeats(pg_temp.of('crowd1', 'crowd3', 'crowd1'), '{"\"first\"",null,"\"last\""}') $$, $$ VALUES (true), (true), (true) $$,
	'again, and for the first time');
SELECT results_eq($$ SELECT h.details FROM workflow.activity_heartbeat h JOIN crowd c ON c.task_token = workflow.answerable_token(h.task_token, h.claim) ORDER BY c.workflow_id $$,
	$$ VALUES ('"last"'::jsonb), ('2'), (NULL) $$, 'of two for the same task, the last counts');
SELECT is_empty($$ SELECT FROM workflow.heartbeats(NULL) $$, 'none');
SELECT is((SELECT array_agg(ok) FROM workflow.heartbeats((SELECT array_agg(workflow.answerable_token(task_token, claim)) FROM workflow.activity_task WHERE workflow_id = 'crowd6'))), '{f}', 'not for a task that nobody has taken');
SELECT throws_ok($$ SELECT * FROM workflow.heartbeats(pg_temp.of('crowd1'), '{1,2}') $$, '2202E', 'details must have as many elements as task_tokens', 'one each');
SELECT throws_ok($$ SELECT * FROM workflow.heartbeats('{null}') $$, '22004', 'task_token must not be null', 'a token each');
SELECT is(workflow.fail_activities(pg_temp.of('crowd1', 'crowd2', 'crowd3'), '{Busy,Busy,Busy}', '{a,b,c}', non_retryable => '{f,t,null}', next_retry_delays => '{1 minute,null,null}'),
	'{t,t,t}', 'failures, each with what it says of retries');
SELECT is((SELECT array_agg(pg_temp.ended('crowd' || n)) FROM generate_series(1, 3) n), '{Running,Failed Busy b,Running}', 'one is not to be tried again');
SELECT results_eq($$ SELECT t.due_at - workflow_test.now() FROM workflow.timers t, generate_series(1, 3) n WHERE t.workflow_id = 'crowd' || n ORDER BY n $$,
	$$ VALUES (interval '1 minute'), (interval '10 s') $$, 'one later than its policy says');
SELECT throws_ok($$ SELECT workflow.fail_activities(pg_temp.of('crowd4'), '{Busy}', next_retry_delays => '{1s,2s}') $$, '2202E',
	'next_retry_delays must have as many elements as task_tokens', 'one each');
SELECT is(workflow.cancel_activities(pg_temp.of('crowd4', 'nobody', 'crowd5', 'crowd4'), '{4,0,5,44}'), '{t,f,t,f}', 'given up, once');
SELECT results_eq($$ SELECT h.attributes->'details' FROM workflow.history h, generate_series(4, 5) n WHERE h.workflow_id = 'crowd' || n
	AND h.event_type = 'ActivityTaskFailed' ORDER BY n $$, $$ VALUES ('4'::jsonb), ('5') $$, 'the first answer counts');
SELECT is(pg_temp.ended('crowd5'), 'Failed OW.Canceled the activity was canceled by its worker', 'and ends the run');
SELECT is(workflow.cancel_activities(NULL), '{}', 'none');
SELECT is_empty($$ SELECT FROM workflow.activity_heartbeat UNION ALL SELECT FROM workflow.timer WHERE kind LIKE 'Task:%' UNION ALL SELECT FROM workflow.message $$,
	'nothing is left of them');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'no faults');

\echo # What goes wrong while the run goes on does not lose the answers
\o /dev/null
SELECT workflow.terminate('crowd' || n) FROM unnest('{1,3,6}'::int[]) n;
SELECT workflow_test.run(workflow_test.now());
SELECT pg_temp.start('fault1'), pg_temp.start('fault2');
CREATE TEMP TABLE fault AS SELECT * FROM workflow.poll_activity('fault1', 'w') UNION ALL SELECT * FROM workflow.poll_activity('fault2', 'w');
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON workflow.closed_execution FOR EACH ROW WHEN (NEW.workflow_id = 'fault2') EXECUTE FUNCTION public.refuse();
\o
SELECT is(workflow.complete_activities((SELECT array_agg(task_token ORDER BY workflow_id) FROM fault), '{1,2}'), '{t,t}', 'both are taken');
SELECT is((SELECT array_agg(payload->'result' ORDER BY payload->'result') FROM workflow.message), '{1,2}', 'and kept as messages');
SELECT ok(NOT workflow.fail_activity((SELECT task_token FROM fault WHERE workflow_id = 'fault1'), 'Late'), 'there is no other answer after that');
\o /dev/null
DROP TRIGGER refuse ON workflow.closed_execution;
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('fault1') || ' ' || pg_temp.ended('fault2'), 'Completed 1 Completed 2', 'executors go on');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'no faults');

\echo # Every timeout, with and without a retry
\o /dev/null
CREATE TEMP TABLE expected (id text, options jsonb, taken_at interval[], beats interval[], over_at interval, outcome text, attempts int);
INSERT INTO expected VALUES
	('stc', '{}', '{10s}', '{}', '70s', 'Failed States.Timeout the attempt took longer than its start-to-close timeout', 1),
	('stc_retry', '{"Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1, "IntervalSeconds": 5}]}', '{10s,75s}', '{}', '135s',
		'Failed States.Timeout the attempt took longer than its start-to-close timeout', 2),
	('sts', '{"ScheduleToStartSeconds": 20}', '{}', '{}', '20s', 'Failed States.Timeout nobody took the task from task queue "sts" in time', 1),
	('sts_retry', '{"ScheduleToStartSeconds": 20, "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}]}', '{}', '{}', '20s',
		'Failed States.Timeout nobody took the task from task queue "sts_retry" in time', 1),
	('sts_taken', '{"ScheduleToStartSeconds": 20}', '{15s}', '{}', '75s', 'Failed States.Timeout the attempt took longer than its start-to-close timeout', 1),
	('stcl', '{"ScheduleToCloseSeconds": 40}', '{10s}', '{}', '40s', 'Failed States.Timeout the task did not close within its schedule-to-close timeout', 1),
	('stcl_waiting', '{"ScheduleToCloseSeconds": 40}', '{}', '{}', '40s', 'Failed States.Timeout the task did not close within its schedule-to-close timeout', 1),
	('stcl_retry', '{"ScheduleToCloseSeconds": 100, "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}]}', '{10s,71s}', '{}', '100s',
		'Failed States.Timeout the task did not close within its schedule-to-close timeout', 2),
	('stcl_no_time', '{"ScheduleToCloseSeconds": 100, "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 50}]}', '{10s}', '{}', '70s',
		'Failed States.Timeout the attempt took longer than its start-to-close timeout', 1),
	('hb', '{"HeartbeatSeconds": 30}', '{10s}', '{}', '40s', 'Failed States.HeartbeatTimeout no heartbeat came from whoever works on the task in time', 1),
	('hb_beating', '{"HeartbeatSeconds": 30}', '{10s}', '{20s,45s}', '70s', 'Failed States.Timeout the attempt took longer than its start-to-close timeout', 1),
	('hb_stops', '{"HeartbeatSeconds": 20}', '{10s}', '{20s,25s}', '45s', 'Failed States.HeartbeatTimeout no heartbeat came from whoever works on the task in time', 1),
	('hb_retry', '{"HeartbeatSeconds": 30, "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1, "IntervalSeconds": 5}]}', '{10s,55s}', '{20s}', '85s',
		'Failed States.HeartbeatTimeout no heartbeat came from whoever works on the task in time', 2);
CREATE FUNCTION pg_temp.live(e expected) RETURNS SETOF text LANGUAGE plpgsql AS $f$
DECLARE
	start CONSTANT timestamptz := workflow_test.now();
	task uuid;
	beat interval;
BEGIN
	PERFORM pg_temp.start(e.id, e.options);
	FOR i IN 1 .. cardinality(e.taken_at) LOOP
		PERFORM workflow_test.run(start + e.taken_at[i]);
		task := pg_temp.take(e.id);
		FOREACH beat IN ARRAY CASE i WHEN 1 THEN e.beats ELSE '{}' END LOOP
			PERFORM workflow_test.run(start + beat);
			RETURN NEXT CASE WHEN NOT (SELECT ok FROM workflow.heartbeat(task, to_jsonb(beat))) THEN 'a heartbeat comes too late' END;
		END LOOP;
	END LOOP;
	PERFORM workflow_test.run(start + e.over_at - interval '1 ms');
	RETURN NEXT CASE WHEN pg_temp.ended(e.id) <> 'Running' THEN 'it ends too early: ' || pg_temp.ended(e.id) END;
	PERFORM workflow_test.run(start + e.over_at);
	RETURN NEXT CASE WHEN pg_temp.ended(e.id) <> e.outcome THEN pg_temp.ended(e.id) END;
	RETURN NEXT (SELECT CASE WHEN count(*) <> e.attempts THEN count(*) || ' attempts' END FROM workflow.history
		WHERE workflow_id = e.id AND event_type = 'ActivityTaskQueued');
	RETURN NEXT CASE WHEN task IS NOT NULL AND (SELECT ok FROM workflow.heartbeat(task)) THEN 'a heartbeat is taken' END;
	RETURN NEXT CASE WHEN task IS NOT NULL AND workflow.complete_activity(task) THEN 'a late answer is taken' END;
END $f$;
\o
SELECT is_empty(format('SELECT f FROM expected e, pg_temp.live(e) f WHERE f IS NOT NULL AND id = %L', id), id) FROM expected;
SELECT results_eq($$ SELECT attributes->'details', attributes->'heartbeat_details' FROM workflow.history
	WHERE workflow_id = 'hb_stops' AND event_type = 'ActivityTaskTimedOut' $$, $$ VALUES ('{"Timeout": "Heartbeat"}'::jsonb, '"00:00:25"'::jsonb) $$,
	'which timeout it was, and the last heartbeat, are in the history');

\echo # Failures, retries and what the next attempt is told
\o /dev/null
SELECT pg_temp.start('again', '{"HeartbeatSeconds": 30, "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10, "MaxAttempts": 5}]}');
CREATE TEMP TABLE first AS SELECT * FROM workflow.poll_activity('again', 'w');
SELECT workflow.heartbeat((SELECT task_token FROM first), '{"at": 1}');
SELECT workflow.heartbeat((SELECT task_token FROM first));
SELECT workflow.fail_activity((SELECT task_token FROM first), 'Busy', 'wait', '{"d": 1}');
\o
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('again', 'w') $$, 'not before the back-off is over');
\o /dev/null
SELECT workflow_test.advance('10s');
CREATE TEMP TABLE second AS SELECT * FROM workflow.poll_activity('again', 'w');
\o
SELECT results_eq($$ SELECT s.attempt, s.heartbeat_details, s.last_failure, s.heartbeat_timeout, s.idempotency_key = f.idempotency_key, s.task_token = f.task_token
	FROM first f, second s $$,
	$$ VALUES (2, '{"at": 1}'::jsonb, '{"Error": "Busy", "Cause": "wait", "Details": {"d": 1}}'::jsonb, interval '30s', true, false) $$, 'the second attempt');
SELECT ok(NOT workflow.complete_activity((SELECT task_token FROM first)), 'the first one''s token is stale');
\o /dev/null
SELECT workflow.fail_activity((SELECT task_token FROM second), 'Busy', next_retry_delay => '1 minute');
SELECT workflow_test.advance('1 minute');
CREATE TEMP TABLE third AS SELECT * FROM workflow.poll_activity('again', 'w');
\o
SELECT results_eq($$ SELECT attempt, heartbeat_details FROM third $$, $$ VALUES (3, '{"at": 1}'::jsonb) $$, 'how far one got is not forgotten by another');
SELECT ok(workflow.cancel_activity((SELECT task_token FROM third), '"stopped"'), 'a worker may give up');
SELECT is(pg_temp.ended('again'), 'Failed OW.Canceled the activity was canceled by its worker', 'which is not retried');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'no faults');

\echo # Cancel and terminate withdraw the task
\o /dev/null
SELECT pg_temp.start('cancel_waiting');
SELECT pg_temp.start('cancel_taken');
SELECT pg_temp.start('terminated');
CREATE TEMP TABLE withdrawn AS SELECT * FROM workflow.poll_activity('cancel_taken', 'w');
INSERT INTO withdrawn SELECT * FROM workflow.poll_activity('terminated', 'w');
SELECT workflow.heartbeat(task_token) FROM withdrawn;
SELECT workflow.cancel('cancel_waiting'), workflow.cancel('cancel_taken'), workflow.terminate('terminated');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('cancel_waiting'), 'Canceled OW.Canceled the workflow was canceled', 'one in its queue');
SELECT is(pg_temp.ended('cancel_taken'), 'Canceled OW.Canceled the workflow was canceled', 'one that is taken');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('cancel_waiting', 'w') $$, 'it is in the queue no more');
SELECT is((SELECT count(*) FROM withdrawn w, workflow.heartbeat(w.task_token) h WHERE NOT h.ok AND NOT workflow.complete_activity(w.task_token)), 2::bigint,
	'a heartbeat tells the worker, whose answer is refused');
SELECT is_empty($$ SELECT FROM workflow.activity_heartbeat UNION ALL SELECT FROM workflow.timer WHERE kind LIKE 'Task:%' $$, 'nothing is left of their leases');

\echo # Compensations outside
\o /dev/null
SELECT workflow.register('saga', '{"StartAt": "Pay", "States": {
	"Pay": {"Type": "Task", "Resource": "Pay", "Compensate": {"Resource": "Refund", "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 3}]}, "Next": "Ship"},
	"Ship": {"Type": "Task", "Resource": "Other", "TaskQueue": "ship", "End": true}}}');
SELECT workflow.start('saga', '{"order": 1}', workflow_id => 'saga');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.complete_activity(pg_temp.take('pay'), '{"payment": 9}');
SELECT workflow.fail_activity(pg_temp.take('ship'), 'NoShip');
CREATE TEMP TABLE undo AS SELECT * FROM workflow.poll_activity('refund', 'w');
SELECT workflow.cancel('saga');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT activity, attempt, input, compensates - 'idempotency_key', idempotency_key FROM undo $$,
	$$ SELECT 'Refund', 1, '{"order": 1}'::jsonb, '{"state": "Pay", "input": {"order": 1}, "result": {"payment": 9}}'::jsonb, run_id || ':Pay:1:compensate' FROM undo $$,
	'a compensation is a task that knows what it undoes');
SELECT is((SELECT array_agg(concat_ws(' ', status, compensation, worker)) FROM workflow.pending_activities WHERE workflow_id = 'saga'), '{Started 1 w}', 'and shown as one');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'history leads there');
\o /dev/null
SELECT workflow_test.advance('61s');
SELECT workflow_test.advance('3s');
\o
SELECT ok(NOT workflow.complete_activity((SELECT task_token FROM undo)), 'it times out, though its run is canceled');
SELECT ok(workflow.complete_activity(pg_temp.take('refund')), 'and is tried again');
SELECT is(pg_temp.ended('saga'), 'Failed NoShip', 'then the run closes');
SELECT is((SELECT array_agg(concat_ws(' ', state, status, attempts)) FROM workflow.compensations WHERE workflow_id = 'saga'), '{Pay Completed 2}', 'undone');

\o /dev/null
SELECT pg_temp.start('maybe', '{"Compensate": {"Resource": "Refund", "When": "Scheduled"}}');
SELECT workflow.fail_activity(pg_temp.take('maybe'), 'Unsure');
\o
SELECT ok(workflow.complete_activity(pg_temp.take('refund')), 'what a worker failed at may have happened: it is undone if so recorded');
SELECT is(pg_temp.ended('maybe'), 'Failed Unsure', 'before the run closes');

\echo # Branches
\o /dev/null
SELECT workflow.register('each', '{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Do", "States": {
	"Do": {"Type": "Task", "Resource": "Pay", "TaskQueue": "each", "End": true}}}}}}');
SELECT workflow.start('each', '["a", "b", "c"]', workflow_id => 'each');
SELECT workflow_test.run(workflow_test.now());
CREATE TEMP TABLE items AS SELECT * FROM workflow.poll_activity('each', 'w', 10);
\o
SELECT is((SELECT count(*) FROM workflow.pending_activities WHERE workflow_id = 'each' AND status = 'Started' AND branch_id IS NOT NULL), 3::bigint, 'each item is a task');
\o /dev/null
SELECT workflow.complete_activities(array_agg(task_token), array_agg(to_jsonb(upper(input->>0)))) FROM items WHERE input <> '"b"';
SELECT workflow_test.advance('61s');
\o
SELECT is(pg_temp.ended('each'), 'Failed States.Timeout the attempt took longer than its start-to-close timeout', 'one that times out fails the Map');

\echo # With .waitForTaskToken, the input holds the token that the task has
\o /dev/null
SELECT pg_temp.start('token', '{"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "Parameters": {"FunctionName": "Pay", "Payload": {"token.$": "$$.Task.Token"}}}');
CREATE TEMP TABLE with_token AS SELECT * FROM workflow.poll_activity('token', 'w');
\o
SELECT ok((SELECT task_token::text IN (input->>'token', input->'Payload'->>'token') FROM with_token), 'the same');
SELECT ok(workflow.complete_activity((SELECT task_token FROM with_token), '1'), 'which completes it');
SELECT is(pg_temp.ended('token'), 'Completed 1', 'once is enough');

\echo # What comes after is run by executors
\o /dev/null
SELECT workflow_test.allow_activity('Ask');
SELECT workflow.register('mixed', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pay", "TaskQueue": "mixed", "ResultPath": "$.paid", "Next": "Mark"},
	"Mark": {"Type": "Pass", "Result": 1, "ResultPath": "$.marked", "Next": "Ask"}, "Ask": {"Type": "Task", "Resource": "Ask", "End": true}}}');
SELECT workflow.start('mixed', workflow_id => 'mixed');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.complete_activity(pg_temp.take('mixed'), '2');
\o
SELECT results_eq($$ SELECT state, phase, ready, data FROM workflow.execution WHERE workflow_id = 'mixed' $$,
	$$ VALUES ('Ask', 'Activity', true, '{"paid": 2, "marked": 1}'::jsonb) $$, 'the session that answers stops at a SQL activity');
\o /dev/null
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('mixed'), 'Completed "asked"', 'an executor goes on');

\echo # Without a lease, nothing is queued
\o /dev/null
SELECT workflow.register_activity('Bare', task_queue => 'bare', options => '{"HeartbeatSeconds": 5}');
SELECT workflow.register('bare', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Bare", "End": true}}}');
SELECT workflow.register_activity('Bare', task_queue => 'bare');
SELECT workflow.start('bare', workflow_id => 'bare');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT severity, code, path FROM workflow.validate('{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Bare",
	"Compensate": {"Resource": "Bare", "HeartbeatSeconds": 3}, "Next": "Undone"}, "Undone": {"Type": "Task", "Resource": "Pay", "Compensate": "Bare", "End": true}}}'::jsonb)
	WHERE code IN ('NoLease', 'NoTimeout') $$, $$ VALUES ('error', 'NoLease', 'States.Do'), ('error', 'NoLease', 'States.Undone.Compensate') $$, 'a definition says so');
SELECT is((SELECT stuck->>'Error' FROM workflow.execution WHERE workflow_id = 'bare'), 'OW.NoLease', 'the run is stuck');
\o /dev/null
SELECT workflow.register_activity('Bare', task_queue => 'bare', options => '{"HeartbeatSeconds": 5}');
SELECT workflow.retry('bare');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT ok(workflow.complete_activity(pg_temp.take('bare')), 'until the activity has one');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'no faults');

\echo # SQL expressions give the input and the timeouts
\o /dev/null
SELECT workflow.register('sql', '{"QueryLanguage": "SQL", "StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Slow", "TaskQueue": "sql",
	"Arguments": {"n": "{% (input->>''n'')::int + 1 %}"}, "HeartbeatSeconds": "{% 10 + 10 %}", "Output": "{% result %}", "End": true,
	"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]}}}');
SELECT workflow.start('sql', '{"n": 1}', workflow_id => 'sql');
SELECT workflow_test.run(workflow_test.now());
CREATE TEMP TABLE by_sql AS SELECT * FROM workflow.poll_activity('sql', 'w');
SELECT workflow_test.advance('21s');
INSERT INTO by_sql SELECT * FROM workflow.poll_activity('sql', 'w');
\o
SELECT results_eq('SELECT attempt, input, heartbeat_timeout FROM by_sql ORDER BY 1',
	$$ VALUES (1, '{"n": 2}'::jsonb, interval '20s'), (2, '{"n": 2}', '20s') $$, 'for all attempts');
\o /dev/null
SELECT workflow.complete_activity(task_token, '3') FROM by_sql WHERE attempt = 2;
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('sql'), 'Completed 3', 'and an executor evaluates the output');

\echo # Mocks
\o /dev/null
SELECT workflow_test.mock_activity('Pay', '"mocked"', duration => '10s', times => 1);
SELECT workflow_test.mock_activity('Pay', error => 'Down', message => 'no', times => 1);
SELECT workflow_test.mock_activity('Pay', '"late"', duration => '90s', times => 1);
SELECT pg_temp.start('mock1'), pg_temp.start('mock2'), pg_temp.start('mock3'), pg_temp.start('unmocked');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('mock1'), 'Completed "mocked"', 'a mock answers');
SELECT is(pg_temp.ended('mock2'), 'Failed Down no', 'or fails');
SELECT is(pg_temp.ended('mock3'), 'Failed States.Timeout the attempt took longer than its start-to-close timeout', 'or takes too long');
SELECT is((SELECT count(*) FROM workflow_test.calls() WHERE activity = 'Pay'), 3::bigint, 'calls are logged');
SELECT is(pg_temp.ended('unmocked'), 'Running', 'what no mock answers waits for the test');
SELECT ok(workflow.complete_activity(pg_temp.take('unmocked')), 'to take it');

\echo # Nothing is left over
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'no faults');
SELECT is_empty($$ SELECT FROM workflow.activity_task UNION ALL SELECT FROM workflow.activity_heartbeat UNION ALL SELECT FROM workflow.timer
	UNION ALL SELECT FROM workflow.message $$, 'no rows');
SELECT * FROM finish();
ROLLBACK;
