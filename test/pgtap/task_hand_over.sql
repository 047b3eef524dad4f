-- Tasks that complete_and_poll hands over to the worker whose answers queue them: which, in which order, and what is left of it.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow.register_activity(activity, task_queue => 'hand', options => '{"StartToCloseSeconds": 60, "HeartbeatSeconds": 20}')
FROM unnest('{First,Second,Third}'::text[]) activity;

-- Two tasks, the first of which is taken by whoever asks for it alone
CREATE FUNCTION pg_temp.start(id text, second jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.register('two ' || id, jsonb_build_object('StartAt', 'One', 'States', jsonb_build_object(
		'One', '{"Type": "Task", "Resource": "First", "Next": "Two"}'::jsonb,
		'Two', '{"Type": "Task", "Resource": "Second", "End": true}'::jsonb || second)));
	PERFORM workflow.start('two ' || id, jsonb_build_object('id', id), workflow_id => id);
	PERFORM workflow_test.run(workflow_test.now());
END $f$;
CREATE FUNCTION pg_temp.take(activities text[], tasks int DEFAULT 1) RETURNS uuid[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(task_token), '{}') FROM workflow.poll_activity('hand', 'w', tasks, activities => activities)
$$;
CREATE TEMP TABLE given AS SELECT 0 AS call, * FROM workflow.poll_activity('hand', 'nobody');
CREATE SEQUENCE pg_temp.call;
-- What was given, in its order; how many of these tasks had to be taken from their queue
CREATE FUNCTION pg_temp.answer(tokens uuid[], tasks int DEFAULT 1, activities text[] DEFAULT NULL, queue text DEFAULT 'hand')
RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	before bigint := pg_stat_get_xact_tuples_updated('workflow.activity_task'::regclass);
	this int := nextval('pg_temp.call');
	ids text;
BEGIN
	INSERT INTO given SELECT this, t.* FROM workflow.complete_and_poll(tokens, array_fill('{"done": true}'::jsonb, ARRAY[cardinality(tokens)]),
		queue, 'w', tasks, activities) t;
	SELECT string_agg(workflow_id || ' ' || activity, ', ') INTO ids FROM given WHERE call = this;
	RETURN coalesce(ids, 'nothing') || '; taken from the queue: ' ||
		pg_stat_get_xact_tuples_updated('workflow.activity_task'::regclass) - before;
END $f$;
CREATE FUNCTION pg_temp.last_given() RETURNS uuid[] LANGUAGE sql AS $$
	SELECT array_agg(task_token) FROM given WHERE call = (SELECT max(call) FROM given)
$$;
CREATE FUNCTION pg_temp.end_all() RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.terminate(run_id) FROM workflow.executions WHERE closed_at IS NULL;
	PERFORM workflow_test.run(workflow_test.now());
END $f$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
\o
SELECT no_plan();

\echo # What is handed over is as if it had been polled for
\o /dev/null
SELECT pg_temp.start('polled');
SELECT pg_temp.start('handed');
CREATE TEMP TABLE ones AS SELECT * FROM workflow.poll_activity('hand', 'w', 2);
SELECT workflow.complete_activity(task_token, '{"done": true}') FROM ones WHERE workflow_id = 'polled';
CREATE TEMP TABLE polled AS SELECT * FROM workflow.poll_activity('hand', 'w');
\o
SELECT is(pg_temp.answer((SELECT array_agg(task_token) FROM ones WHERE workflow_id = 'handed')), 'handed Second; taken from the queue: 0', 'the next task is handed over');
SELECT results_eq($$ SELECT activity, attempt, input - 'id', heartbeat_timeout, heartbeat_details, last_failure, scheduled_at, deadline, compensates, fairness_key, idempotency_key = run_id || ':Two:1' FROM given $$,
	$$ SELECT activity, attempt, input - 'id', heartbeat_timeout, heartbeat_details, last_failure, scheduled_at, deadline, compensates, fairness_key, idempotency_key = run_id || ':Two:1' FROM polled $$, 'and tells the same');
SELECT isnt((SELECT headers FROM given), NULL, 'with headers');
SELECT results_eq($$ SELECT status, worker, started_at, attempt FROM workflow.pending_activities WHERE workflow_id = 'handed' $$,
	$$ SELECT status, worker, started_at, attempt FROM workflow.pending_activities WHERE workflow_id = 'polled' $$, 'it is shown as taken');
SELECT results_eq($$ SELECT to_jsonb(t) - '{task_token,workflow_id,run_id,shard_key,idempotency_key,input,queued_at,traceparent}'::text[] FROM workflow.activity_task t WHERE workflow_id = 'handed' $$,
	$$ SELECT to_jsonb(t) - '{task_token,workflow_id,run_id,shard_key,idempotency_key,input,queued_at,traceparent}'::text[] FROM workflow.activity_task t WHERE workflow_id = 'polled' $$, 'its row is the same');
SELECT results_eq($$ SELECT backlog, in_flight FROM workflow.task_queues WHERE task_queue = 'hand' $$, $$ VALUES (0::bigint, 2::bigint) $$, 'and so is the queue''s backlog');
SELECT results_eq($$ SELECT kind, due_at FROM workflow.timers WHERE workflow_id = 'handed' $$, $$ VALUES ('Lease', '2030-01-01 00:00:20+00'::timestamptz) $$, 'it has a lease');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'history leads there');
SELECT results_eq($$ SELECT ok FROM workflow.heartbeat((pg_temp.last_given())[1]) $$, $$ VALUES (true) $$, 'a heartbeat is taken');
SELECT is(pg_temp.answer(pg_temp.last_given()), 'nothing; taken from the queue: 0', 'it is completed as any');
SELECT is((SELECT status || ' ' || output FROM workflow.executions WHERE workflow_id = 'handed'), 'Completed {"done": true}', 'and its run goes on');
SELECT is((SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM workflow.history WHERE workflow_id = 'handed' AND state = 'Two'),
	'ActivityTaskScheduled ActivityTaskQueued ActivityTaskCompleted', 'its history tells nothing of it');
SELECT is(workflow_test.advance('20 s') > 0, true, 'the lease of the other ends');
SELECT is((SELECT string_agg(workflow_id || ' ' || error, ', ') FROM workflow.executions WHERE workflow_id IN ('polled', 'handed') AND status <> 'Completed'), 'polled States.HeartbeatTimeout', 'and that of nobody else');
SELECT pg_temp.start('lost');
SELECT is(pg_temp.answer(pg_temp.take('{First}')), 'lost Second; taken from the queue: 0', 'another is handed over');
SELECT is(workflow_test.advance('20 s') > 0, true, 'its lease ends');
SELECT is((SELECT error FROM workflow.executions WHERE workflow_id = 'lost'), 'States.HeartbeatTimeout', 'as any other');

\echo # What is not
\o /dev/null
SELECT pg_temp.end_all();
SELECT pg_temp.start('elsewhere', '{"TaskQueue": "elsewhere"}'), pg_temp.start('other', '{"Resource": "Third"}'), pg_temp.start('keyed', '{"FairnessKey": "ann"}');
\o
SELECT is(pg_temp.answer(pg_temp.take('{First}')), 'other First; taken from the queue: 1', 'a task of another queue');
SELECT is(pg_temp.answer(pg_temp.last_given(), activities => '{First,Second}'), 'keyed First; taken from the queue: 1', 'one of an activity that is not wanted');
SELECT is(pg_temp.answer(pg_temp.last_given(), activities => '{First,Second}'), 'keyed Second; taken from the queue: 1', 'one with a fairness key is taken fairly');
SELECT is((SELECT controlled FROM workflow.activity_task WHERE workflow_id = 'keyed'), true, 'and under control');
\o /dev/null
SELECT pg_temp.end_all();
UPDATE workflow.task_queue SET has_keys = false;
SELECT pg_temp.start('paused');
\o
SELECT pg_temp.take('{First}') AS tokens \gset
SELECT lives_ok($$ SELECT workflow.pause('paused') $$, 'a run is paused');
SELECT is(pg_temp.answer(:'tokens'), 'nothing; taken from the queue: 0', 'and gives no tasks');
\o /dev/null
SELECT pg_temp.end_all();
SELECT pg_temp.start('limited');
SELECT workflow.set_task_queue('hand', max_in_flight => 5);
\o
SELECT is(pg_temp.answer(pg_temp.take('{First}')), 'limited Second; taken from the queue: 1', 'where there are limits, tasks are taken under control');
SELECT is((SELECT controlled FROM workflow.activity_task WHERE workflow_id = 'limited'), true, 'as this one');
\o /dev/null
SELECT workflow.set_task_queue('hand');
SELECT pg_temp.end_all();
SELECT pg_temp.start('secret');
CREATE ROLE stranger;
GRANT USAGE ON SCHEMA workflow TO stranger;
GRANT EXECUTE ON FUNCTION workflow.complete_and_poll TO stranger;
\o
SELECT (pg_temp.take('{First}'))[1] AS token \gset
SET LOCAL ROLE stranger;
SELECT is_empty(format($$ SELECT * FROM workflow.complete_and_poll(ARRAY[%L::uuid], NULL, 'hand', 's', 5) $$, :'token'), 'who has a token but no grant is given nothing');
RESET ROLE;
SELECT is(pg_temp.take('{Second}') <> '{}', true, 'it is in its queue');
\o /dev/null
SELECT pg_temp.end_all();
SELECT pg_temp.start('granted');
SELECT workflow.grant_worker('stranger', 'hand');
\o
SELECT (pg_temp.take('{First}'))[1] AS token \gset
SET LOCAL ROLE stranger;
SELECT results_eq(format($$ SELECT workflow_id, activity FROM workflow.complete_and_poll(ARRAY[%L::uuid], NULL, 'hand', 's', 5) $$, :'token'), $$ VALUES ('granted', 'Second') $$, 'with a grant it is');
RESET ROLE;

\echo # Nothing that comes before it is overtaken
\o /dev/null
SELECT pg_temp.end_all();
SELECT pg_temp.start('old');
SELECT pg_temp.take('{First}') AS old \gset
SELECT workflow.complete_activities(:'old');
SELECT workflow_test.advance('1 s');
SELECT pg_temp.start('middle');
SELECT pg_temp.take('{First}') AS middle \gset
SELECT workflow_test.advance('1 s');
SELECT pg_temp.start('young');
\o
SELECT is(pg_temp.answer(:'middle'), 'old Second; taken from the queue: 1', 'what has waited since before its run began comes first');
SELECT is(pg_temp.answer(pg_temp.last_given()), 'young First; taken from the queue: 1', 'it waits in its queue then, as others do');
SELECT is(pg_temp.answer(pg_temp.last_given()), 'young Second; taken from the queue: 0', 'a run that has begun goes on before what came into the queue later');
SELECT is(pg_temp.answer(pg_temp.last_given()), 'middle Second; taken from the queue: 1', 'which has its turn when that has ended');
\o /dev/null
SELECT pg_temp.end_all();
SELECT pg_temp.start('calm');
SELECT pg_temp.take('{First}') AS calm \gset
SELECT pg_temp.start('urgent', '{"Priority": 1}');
SELECT pg_temp.take('{First}') AS urgent \gset
SELECT workflow_test.advance('1 s');
SELECT workflow.complete_activities(:'urgent');
\o
SELECT is(pg_temp.answer(:'calm'), 'urgent Second; taken from the queue: 1', 'what is more urgent comes first');
\o /dev/null
SELECT workflow_test.advance('1 s');
SELECT pg_temp.start('sudden', '{"Priority": 2}');
SELECT pg_temp.take('{First}') AS sudden \gset
\o
SELECT is(pg_temp.answer(:'sudden'), 'sudden Second; taken from the queue: 0', 'what is more urgent than all that waits is handed over');
SELECT is(pg_temp.answer(pg_temp.last_given()), 'calm Second; taken from the queue: 1', 'the others follow');

\echo # As many as are wanted, the most urgent ones and those of the oldest runs first
\o /dev/null
SELECT pg_temp.end_all();
SELECT pg_temp.start('a');
SELECT workflow_test.advance('1 s');
SELECT pg_temp.start('b');
SELECT workflow_test.advance('1 s');
SELECT pg_temp.start('c', '{"Priority": 1}');
\o
SELECT is(pg_temp.answer(pg_temp.take('{First}', 3), 2), 'c Second, a Second; taken from the queue: 0', 'two of three');
SELECT is(pg_temp.answer(pg_temp.last_given(), 5), 'b Second; taken from the queue: 1', 'the third is in the queue');
\o /dev/null
SELECT pg_temp.end_all();
SELECT pg_temp.start('in hand');
SELECT pg_temp.take('{First}') AS in_hand \gset
SELECT workflow_test.advance('1 s');
SELECT pg_temp.start('in queue');
\o
SELECT is(pg_temp.answer(:'in_hand', 2), 'in hand Second, in queue First; taken from the queue: 1', 'what is missing is taken from the queue');

\echo # A run that goes on for ever does not keep a worker for itself
\o /dev/null
SELECT pg_temp.end_all();
SELECT workflow.register('endless', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "First", "Next": "More"},
	"More": {"Type": "Choice", "Choices": [{"Variable": "$.enough", "IsPresent": true, "Next": "Enough"}], "Default": "Do"},
	"Enough": {"Type": "Succeed"}}}'::jsonb);
SELECT workflow.start('endless', workflow_id => 'endless');
SELECT workflow_test.run(workflow_test.now());
SELECT pg_temp.take('{First}') AS endless \gset
SELECT workflow_test.advance('1 s');
SELECT pg_temp.start('patient');
\o
CREATE FUNCTION pg_temp.until_other(token uuid[]) RETURNS int LANGUAGE plpgsql AS $f$
DECLARE
	task record;
BEGIN
	FOR i IN 1 .. 1000 LOOP
		SELECT * INTO task FROM workflow.complete_and_poll(token, '{"{}"}', 'hand', 'w');
		IF task.workflow_id <> 'endless' THEN
			RETURN i;
		END IF;
		token := ARRAY[task.task_token];
	END LOOP;
END $f$;
SELECT cmp_ok(pg_temp.until_other(:'endless'), '<=', 50, 'another has its turn');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'history leads there');

\echo # What is rolled back has not been handed over
\o /dev/null
SELECT pg_temp.end_all();
SELECT pg_temp.start('again');
SELECT pg_temp.take('{First}') AS again \gset
\o
SAVEPOINT before;
SELECT is(pg_temp.answer(:'again'), 'again Second; taken from the queue: 0', 'handed over');
ROLLBACK TO before;
SELECT is((SELECT string_agg(activity || ' ' || worker, ', ') FROM workflow.pending_activities WHERE workflow_id = 'again'), 'First w', 'and not');
SELECT is(pg_temp.answer(:'again'), 'again Second; taken from the queue: 0', 'and again');
SELECT is((SELECT released FROM workflow.release_tasks('hand', 'w') AS released), 1::bigint, 'it can be put back');
SELECT is(pg_temp.answer(pg_temp.last_given()), 'again Second; taken from the queue: 1', 'and is refused then');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'history leads there');

SELECT * FROM finish();
ROLLBACK;
