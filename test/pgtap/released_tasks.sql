-- Epochs and release_tasks, on a virtual clock: tokens of before are refused, tasks put back are done as the same attempt.
SET client_min_messages = error;	-- no notices of stale answers
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow.register_activity('Pay', task_queue => 'pay', options => '{"StartToCloseSeconds": 60}');

CREATE FUNCTION pg_temp.start(id text, options jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.register(id, jsonb_build_object('StartAt', 'Do', 'States', jsonb_build_object('Do',
		jsonb_build_object('Type', 'Task', 'End', true, 'Resource', 'Pay', 'TaskQueue', id) || options)));
	PERFORM workflow.start(id, '{}', workflow_id => id);
	PERFORM workflow_test.run(workflow_test.now());
END $f$;
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.executions WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.refused(token uuid) RETURNS boolean LANGUAGE sql AS $$
	SELECT NOT (workflow.heartbeat(token)).ok AND NOT workflow.complete_activity(token, '"late"')
		AND NOT workflow.fail_activity(token, 'Late') AND NOT workflow.cancel_activity(token)
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
\o
SELECT no_plan();

\echo # An epoch ends
\o /dev/null
SELECT pg_temp.start('fenced');
CREATE TEMP TABLE before AS SELECT * FROM workflow.poll_activity('fenced', 'w1');
\o
SELECT is((SELECT task_token FROM workflow.pending_activities WHERE workflow_id = 'fenced'), (SELECT task_token FROM before), 'views show what was handed out');
SELECT isnt((SELECT task_token FROM workflow.activity_task WHERE task_queue = 'fenced'), (SELECT task_token FROM before), 'which is not what is stored');
SELECT is(left((SELECT task_token FROM before)::text, 8), lpad(to_hex(workflow.shard_key('fenced')), 8, '0'), 'though it begins with the shard key');
SELECT ok(NOT workflow.complete_activity((SELECT task_token FROM workflow.activity_task WHERE task_queue = 'fenced')), 'and what is stored is refused');
SELECT is_empty($$ SELECT FROM workflow.get_history('fenced') WHERE event_type = 'ActivityTaskQueued' AND attributes ? 'task_token' $$, 'so history does not show it');
SELECT is(workflow.release_tasks(), 0::bigint, 'nothing was taken in an earlier epoch');
SELECT ok((SELECT ok FROM before, workflow.heartbeat(task_token, '{"at": 1}')), 'a heartbeat is taken');
SELECT lives_ok('SELECT workflow.advance_epoch()', 'the epoch ends');
SELECT ok(pg_temp.refused((SELECT task_token FROM before)), 'a token of before is refused');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('fenced', 'w2') $$, 'its task is still its worker''s');
SELECT is(workflow.release_tasks('another queue'), 0::bigint, 'another queue has none');
SELECT is(workflow.release_tasks('fenced'), 1::bigint, 'it is put back');
SELECT is(workflow.release_tasks('fenced'), 0::bigint, 'once');
SELECT results_eq($$ SELECT status, worker, started_at, last_heartbeat_at FROM workflow.pending_activities WHERE workflow_id = 'fenced' $$,
	$$ VALUES ('Scheduled', NULL::text, NULL::timestamptz, NULL::timestamptz) $$, 'and shown so');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'history leads there');
CREATE TEMP TABLE after AS SELECT * FROM workflow.poll_activity('fenced', 'w2');
SELECT results_eq($$ SELECT a.workflow_id, a.attempt, a.heartbeat_details, a.last_failure, a.idempotency_key = b.idempotency_key, a.task_token = b.task_token FROM before b, after a $$,
	$$ VALUES ('fenced', 1, '{"at": 1}'::jsonb, NULL::jsonb, true, false) $$, 'the next worker gets the same attempt, another token, and the heartbeat');
SELECT ok(pg_temp.refused((SELECT task_token FROM before)), 'the old token is refused still');
SELECT ok((SELECT ok FROM after, workflow.heartbeat(task_token)), 'the new one is heard');
SELECT ok(workflow.complete_activity((SELECT task_token FROM after), '"done"'), 'and answers');
SELECT is(pg_temp.ended('fenced'), 'Completed "done"', 'the run has its result');

\echo # What is undone is undone
\o /dev/null
SELECT pg_temp.start('undone');
CREATE TEMP TABLE undone AS SELECT * FROM workflow.poll_activity('undone', 'w1');
SAVEPOINT before;
SELECT workflow.advance_epoch();
SELECT workflow.heartbeat((SELECT task_token FROM undone));
ROLLBACK TO before;
\o
SELECT ok(workflow.complete_activity((SELECT task_token FROM undone)), 'an epoch that was rolled back has not ended');
\o /dev/null
SELECT pg_temp.start('resumed');
CREATE TEMP TABLE resumed AS SELECT * FROM workflow.poll_activity('resumed', 'w1');
SELECT workflow.resume_engine();
\o
SELECT ok(pg_temp.refused((SELECT task_token FROM resumed)), 'resume_engine ends it as well');

\echo # A worker that has died
\o /dev/null
SELECT pg_temp.start('dead');
CREATE TEMP TABLE dead AS SELECT * FROM workflow.poll_activity('dead', 'w1');
SELECT workflow.heartbeat(task_token) FROM dead;
\o
SELECT is(workflow.release_tasks(worker => 'w9'), 0::bigint, 'another has taken nothing');
SELECT is(workflow.release_tasks('dead', 'w1'), 1::bigint, 'its task is put back');
SELECT ok(pg_temp.refused((SELECT task_token FROM dead)), 'its token is refused while nobody has the task');
CREATE TEMP TABLE living AS SELECT * FROM workflow.poll_activity('dead', 'w2');
SELECT ok(pg_temp.refused((SELECT task_token FROM dead)), 'and when somebody else has');
SELECT ok((SELECT ok FROM living, workflow.heartbeat(task_token)), 'the other is heard');
SELECT ok(pg_temp.refused((SELECT task_token FROM dead)), 'that does not let the first one in');
SELECT is((SELECT task_token FROM workflow.pending_activities WHERE workflow_id = 'dead'), (SELECT task_token FROM living), 'views show the token of the other');
SELECT is((SELECT due_at FROM workflow.timers WHERE workflow_id = 'dead' AND kind = 'Lease'), '2030-01-01 00:01:00+00'::timestamptz, 'who has a lease of its own');
\o /dev/null
SELECT workflow_test.advance('61s');
\o
SELECT is(pg_temp.ended('dead'), 'Failed States.Timeout the attempt took longer than its start-to-close timeout', 'that ends as any');
\o /dev/null
SELECT pg_temp.start('many times');
SELECT workflow.release_tasks('many times', 'w' || n) FROM generate_series(1, 300) n, workflow.poll_activity('many times', 'w' || n);
\o
SELECT is((SELECT claim FROM workflow.activity_task WHERE task_queue = 'many times'), (300 - 255)::smallint, 'more often than a byte counts');
SELECT ok(workflow.complete_activity(task_token), 'is no harm') FROM workflow.poll_activity('many times', 'last');

\echo # Timeouts of tasks that were put back
\o /dev/null
SELECT pg_temp.start('in time', '{"ScheduleToStartSeconds": 10}');
SELECT * FROM workflow.poll_activity('in time', 'w1');
SELECT workflow_test.advance('30s');
SELECT workflow.release_tasks('in time', 'w1');
SELECT workflow_test.advance('1 hour');
\o
SELECT is(pg_temp.ended('in time'), 'Running', 'schedule-to-start was met when the task was first taken');
SELECT is((SELECT count(*) FROM workflow.timer t JOIN workflow.executions e USING (run_id) WHERE workflow_id = 'in time'), 0::bigint, 'and no timer runs on');
\o /dev/null
SELECT pg_temp.start('closing', '{"ScheduleToCloseSeconds": 100}');
SELECT workflow.heartbeat(task_token) FROM workflow.poll_activity('closing', 'w1');
SELECT workflow.release_tasks('closing', 'w1');
SELECT workflow_test.advance('101s');
SELECT pg_temp.start('withdrawn');
SELECT workflow.heartbeat(task_token) FROM workflow.poll_activity('withdrawn', 'w1');
SELECT workflow.release_tasks('withdrawn', 'w1');
SELECT workflow.cancel('withdrawn');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.complete_activity(task_token) FROM workflow.poll_activity('in time', 'w2');
\o
SELECT is(pg_temp.ended('closing'), 'Failed States.Timeout the task did not close within its schedule-to-close timeout', 'schedule-to-close goes on');
SELECT is(pg_temp.ended('withdrawn'), 'Canceled OW.Canceled the workflow was canceled', 'a cancel withdraws it');
SELECT is(pg_temp.ended('in time'), 'Completed null', 'one that is in no hurry is done');

\echo # Tokens that were given away in an input
\o /dev/null
SELECT pg_temp.start('given', '{"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "Parameters": {"FunctionName": "Pay", "Payload": {"token.$": "$$.Task.Token"}}}');
CREATE TEMP TABLE given AS SELECT * FROM workflow.poll_activity('given', 'w1');
SELECT workflow.advance_epoch();
\o
SELECT is((SELECT task_token FROM workflow.pending_activities WHERE workflow_id = 'given'), (SELECT task_token FROM given), 'are shown as they are');
SELECT ok((SELECT ok FROM given, workflow.heartbeat(task_token)), 'and outlive an epoch');
SELECT is(workflow.release_tasks('given'), 1::bigint, 'so the task is put back');
SELECT ok((SELECT g.task_token = p.task_token FROM given g, workflow.poll_activity('given', 'w2') p), 'with the same token');
SELECT ok(workflow.complete_activity((SELECT task_token FROM given), '1'), 'whoever has it may answer');
SELECT is(pg_temp.ended('given'), 'Completed 1', 'once');

\echo # Many at a time
\o /dev/null
SELECT pg_temp.start('many');
CREATE TEMP TABLE many AS SELECT 'old' AS is, task_token FROM workflow.poll_activity('many', 'w1');
SELECT workflow.release_tasks('many', 'w1');
INSERT INTO many SELECT 'new', task_token FROM workflow.poll_activity('many', 'w2');
CREATE FUNCTION pg_temp.old_new_old() RETURNS uuid[] LANGUAGE sql AS $$
	SELECT ARRAY[o.task_token, n.task_token, o.task_token] FROM many o, many n WHERE o.is = 'old' AND n.is = 'new'
$$;
\o
SELECT is((SELECT array_agg(ok) FROM workflow.heartbeats(pg_temp.old_new_old(), '{1,2,3}')), '{f,t,f}', 'first heartbeats: of the task''s tokens one is heard');
SELECT is((SELECT array_agg(ok) FROM workflow.heartbeats(pg_temp.old_new_old(), '{4,5,6}')), '{f,t,f}', 'later ones, too');
SELECT is((SELECT details FROM workflow.activity_heartbeat h JOIN many m ON m.task_token = workflow.answerable_token(h.task_token, h.claim)), '5'::jsonb, 'with what it said');
SELECT is(workflow.complete_activities(pg_temp.old_new_old(), '{1,2,3}'), '{f,t,f}', 'and answers');
SELECT is(pg_temp.ended('many'), 'Completed 2', 'with its result');

\echo # By id
\o /dev/null
SELECT pg_temp.start('named');
SELECT * FROM workflow.poll_activity('named', 'w1');
\o
SELECT ok((SELECT ok FROM workflow.heartbeat_by_id('named', 'Do', '1')), 'who has the task is heard');
SELECT is(workflow.release_tasks('named', 'w1'), 1::bigint, 'it is put back');
SELECT ok(NOT (SELECT ok FROM workflow.heartbeat_by_id('named', 'Do', '2')), 'nobody has it');
SELECT ok(NOT workflow.complete_activity_by_id('named', 'Do', '1'), 'so nobody can have done it');
SELECT is((SELECT heartbeat_details FROM workflow.poll_activity('named', 'w2')), '1'::jsonb, 'the next worker takes it');
SELECT ok((SELECT ok FROM workflow.heartbeat_by_id('named', 'Do', '3')), 'and is heard');
SELECT ok(workflow.complete_activity_by_id('named', 'Do', '2'), 'and answers');
SELECT is(pg_temp.ended('named'), 'Completed 2', 'with its result');
\o /dev/null
SELECT pg_temp.start('of before');
SELECT * FROM workflow.poll_activity('of before', 'w1');
SELECT workflow.advance_epoch();
\o
SELECT ok(workflow.complete_activity_by_id('of before', 'Do', '3'), 'a name is of no epoch');
SELECT is(pg_temp.ended('of before'), 'Completed 3', 'whoever gives it knows what he does');

\echo # Limits, fairness keys and pauses
\o /dev/null
SELECT workflow.set_task_queue('limited', max_in_flight => 1);
SELECT pg_temp.start('limited', '{"FairnessKey": "k"}');
SELECT pg_temp.start('limited 2', '{"TaskQueue": "limited"}');
CREATE TEMP TABLE limited AS SELECT * FROM workflow.poll_activity('limited', 'w1', 2);
\o
SELECT is((SELECT count(*) FROM limited), 1::bigint, 'one task may be in flight');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('limited', 'w2', 2) $$, 'so no other is');
SELECT is(workflow.release_tasks('limited', 'w1'), 1::bigint, 'it is put back');
SELECT is((SELECT count(*) FROM workflow.activity_task WHERE controlled), 0::bigint, 'and not in flight');
SELECT ok(workflow.complete_activity(task_token), 'another is') FROM workflow.poll_activity('limited', 'w2');
SELECT ok(workflow.complete_activity(task_token), 'and one after that') FROM workflow.poll_activity('limited', 'w2');
SELECT is((SELECT count(*) FROM workflow.executions WHERE workflow_id ~ 'limited' AND status = 'Completed'), 2::bigint, 'until all are done');
\o /dev/null
SELECT pg_temp.start('held');
SELECT workflow.heartbeat(task_token, '{"at": 2}') FROM workflow.poll_activity('held', 'w1');
SELECT workflow.pause_activity('held', 'Do');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.release_tasks('held', 'w1');
\o
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('held', 'w2') $$, 'a paused task that was put back is not taken');
\o /dev/null
SELECT workflow.resume_activity('held', 'Do');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT attempt, heartbeat_details, last_failure, workflow.complete_activity(task_token) FROM workflow.poll_activity('held', 'w2') $$,
	$$ VALUES (1, '{"at": 2}'::jsonb, NULL::jsonb, true) $$, 'but when the pause is over, as it was put back');

\echo # Nothing is left over
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'no faults');
SELECT is((SELECT count(*) FROM workflow.activity_heartbeat h WHERE NOT EXISTS (SELECT FROM workflow.activity_task t WHERE t.task_token = h.task_token)), 0::bigint, 'no heartbeats');
SELECT * FROM finish();
ROLLBACK;
