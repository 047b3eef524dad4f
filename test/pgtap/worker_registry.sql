-- Workers outside: who is seen, by whom, in which state; and draining them.
BEGIN;
\o /dev/null
CREATE ROLE pgtap_shop LOGIN;
CREATE ROLE pgtap_worker LOGIN;
CREATE ROLE pgtap_member LOGIN IN ROLE pgtap_shop;
CREATE ROLE pgtap_stranger LOGIN;
SELECT workflow.grant_usage(role) FROM unnest('{pgtap_shop,pgtap_stranger,pgtap_member}'::regrole[]) role;
GRANT USAGE ON SCHEMA workflow_test TO pgtap_shop, pgtap_worker;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO pgtap_shop, pgtap_worker;
SET ROLE pgtap_shop;
SELECT workflow.register_activity('Pack', task_queue => 'registry', options => '{"HeartbeatSeconds": 600}');
SELECT workflow.register('pack', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pack", "End": true}}}');
SELECT workflow.grant_worker('pgtap_worker', 'registry');
RESET ROLE;
CREATE FUNCTION pg_temp.seen(caller regrole) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	was CONSTANT name := current_user;
	seen text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %s', caller);
	SELECT string_agg(concat_ws(' ', name, role, version, activities, state, in_flight), ', ' ORDER BY name) INTO seen
	FROM workflow.workers WHERE kind = 'outside' AND task_queue = 'registry';
	EXECUTE format('SET LOCAL ROLE %I', was);
	RETURN seen;
END $f$;
\o
SELECT no_plan();

\echo # Whoever polls is seen
\o /dev/null
SET ROLE pgtap_worker;
SELECT * FROM workflow.poll_activity('registry', 'w1', version => '1.0');
SELECT * FROM workflow.poll_activity('registry', 'w2', activities => '{Pack}');
SELECT * FROM workflow.poll_activity('registry', repeat('long name', 1000));
RESET ROLE;
\o
SELECT is(pg_temp.seen('pgtap_shop'), 'w1 pgtap_worker 1.0 idle 0, w2 pgtap_worker {Pack} idle 0', 'by the owner whose tasks it may take');
SELECT is(pg_temp.seen('pgtap_member'), pg_temp.seen('pgtap_shop'), 'and its members');
SELECT is(pg_temp.seen('pgtap_stranger'), NULL, 'not by strangers');
SELECT is(pg_temp.seen(current_user::regrole), pg_temp.seen('pgtap_shop'), 'a superuser sees all');
CREATE TEMP TABLE at AS SELECT xmin AS written FROM workflow.worker WHERE worker = 'w1';
SET ROLE pgtap_worker;
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('registry', 'w1', version => '1.0') $$, 'it polls again');
RESET ROLE;
SELECT is((SELECT xmin FROM workflow.worker WHERE worker = 'w1'), (SELECT written FROM at), 'which is not written again for a while');
SET ROLE pgtap_worker;
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('registry', 'w1', version => '1.1') $$, 'unless it is another version');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('registry', 'w1') $$, 'one that does not say');
RESET ROLE;
SELECT is(pg_temp.seen('pgtap_shop'), 'w1 pgtap_worker 1.1 idle 0, w2 pgtap_worker {Pack} idle 0', 'is as it said');
UPDATE workflow.worker SET last_seen_at = last_seen_at - interval '3 min';
SELECT is(pg_temp.seen('pgtap_shop'), 'w1 pgtap_worker 1.1 gone 0, w2 pgtap_worker {Pack} gone 0', 'who is not heard of is gone');
UPDATE workflow.worker SET last_seen_at = last_seen_at - interval '1 day' WHERE worker = 'w2';
SET ROLE pgtap_worker;
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('registry', 'w3') $$, 'a new one comes');
RESET ROLE;
SELECT is(pg_temp.seen('pgtap_shop'), 'w1 pgtap_worker 1.1 gone 0, w3 pgtap_worker idle 0', 'and those gone for long are forgotten');

\echo # Draining
SET ROLE pgtap_stranger;
SELECT throws_ok($$ SELECT workflow.drain_worker('w1') $$, '42704', 'worker "w1" has not polled any task queue', 'strangers may not');
SELECT throws_ok($$ SELECT workflow.drain_worker(NULL) $$, '22004', 'worker must not be null', 'somebody must be meant');
SET ROLE pgtap_shop;
SELECT throws_ok($$ SELECT workflow.drain_worker('w1', 'other') $$, '42704', 'worker "w1" has not polled task queue "other"', 'there is none in that queue');
SELECT is(workflow.drain_worker('w1'), 1, 'the owner of its tasks may');
SET ROLE pgtap_worker;
SELECT throws_ok($$ SELECT * FROM workflow.poll_activity('registry', 'w1') $$, 'OW304', 'worker "w1" of task queue "registry" is draining', 'it is told');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('registry', 'w3') $$, 'others are not');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('elsewhere', 'w1') $$, 'nor is it elsewhere');
SELECT is(workflow.drain_worker('w3', 'registry'), 1, 'a worker may say so itself');
RESET ROLE;
SELECT is(workflow.drain_worker('w1', drain => false), 2, 'it may go on, everywhere');
SET ROLE pgtap_worker;
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('registry', 'w1') $$, 'and does');
RESET ROLE;

\echo # What it has taken it may finish
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow.start('pack', '{}', workflow_id => 'order ' || n) FROM generate_series(1, 3) n;
SELECT workflow_test.run(workflow_test.now());
SET ROLE pgtap_worker;
CREATE TEMP TABLE taken AS SELECT * FROM workflow.poll_activity('registry', 'w1', 2);
RESET ROLE;
GRANT SELECT ON taken TO PUBLIC;
SELECT workflow.drain_worker('w1', 'registry');
UPDATE workflow.worker SET last_seen_at = clock_timestamp();
\o
SELECT is(pg_temp.seen('pgtap_shop'), 'w1 pgtap_worker 1.1 draining 2, w3 pgtap_worker draining 0', 'it is drained, with tasks in hand');
SET ROLE pgtap_worker;
SELECT ok((workflow.heartbeat(task_token)).ok, 'a heartbeat') FROM taken;
SET client_min_messages = error;
SELECT is_empty($$ SELECT * FROM workflow.complete_and_poll((SELECT array_agg(task_token) FROM taken), NULL, 'registry', 'w1') $$, 'it completes, and gets none');
SET client_min_messages = notice;
RESET ROLE;
SELECT is((SELECT count(*) FROM workflow.executions WHERE workflow = 'pack' AND status = 'Completed'), 2::bigint, 'what it did counts');
SELECT is(pg_temp.seen('pgtap_shop'), 'w1 pgtap_worker 1.1 draining 0, w3 pgtap_worker draining 0', 'it may end');

\echo # What is wrong with a queue
\o /dev/null
CREATE FUNCTION pg_temp.problem(caller text DEFAULT 'pgtap_shop') RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	was CONSTANT name := current_user;
	seen text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %s', caller);
	SELECT concat_ws(' ', backlog, in_flight, workers, problem) INTO seen FROM workflow.task_queues WHERE task_queue = 'registry';
	IF seen <> (SELECT concat_ws(' ', count(*) FILTER (WHERE p.worker IS NULL), count(p.worker), max(q.workers), max(p.problem))
			FROM workflow.task_queues q LEFT JOIN workflow.pending_activities p USING (task_queue) WHERE task_queue = 'registry') THEN
		RAISE EXCEPTION 'pending_activities tells something else than %', seen;
	END IF;
	EXECUTE format('SET LOCAL ROLE %I', was);
	RETURN seen;
END $f$;
\o
SELECT is(pg_temp.problem(), '1 0 2 all workers are draining', 'all of its workers are to end');
SELECT is(pg_temp.problem('pgtap_stranger'), NULL, 'which is nothing to strangers');
DELETE FROM workflow.drained_worker;
SELECT is(pg_temp.problem(), '1 0 2', 'nothing is wrong');
UPDATE workflow.worker SET activities = '{Other,Another}';
SELECT is(pg_temp.problem(), '1 0 2 no worker takes activity "Pack"', 'nobody does this');
UPDATE workflow.worker SET activities = '{Pack}' WHERE worker = 'w3';
SELECT is(pg_temp.problem(), '1 0 2', 'one does');
UPDATE workflow.worker SET last_seen_at = '2020-01-01 00:00:00+00' WHERE worker = 'w3';
SELECT is(pg_temp.problem(), '1 0 1 no worker takes activity "Pack"', 'and goes');
UPDATE workflow.worker SET last_seen_at = '2019-01-01 00:00:00+00' WHERE worker = 'w1';
SELECT is(pg_temp.problem(), '1 0 0 no worker since ' || date_trunc('second', '2020-01-01 00:00:00+00'::timestamptz), 'nobody is there');
SELECT is((SELECT waiting_for FROM workflow.explain('order 3')), 'a worker of task queue "registry", to do activity "Pack": no worker since '
	|| date_trunc('second', '2020-01-01 00:00:00+00'::timestamptz), 'explain tells it');
DELETE FROM workflow.worker;
SELECT is(pg_temp.problem(), '1 0 0 no worker has polled this queue', 'nobody was ever');
\o /dev/null
SET ROLE pgtap_worker;
CREATE TEMP TABLE last AS SELECT * FROM workflow.poll_activity('registry', 'w1');
RESET ROLE;
\o
SELECT is(pg_temp.problem(), '0 1 0', 'a task that is taken waits for nobody');
SELECT workflow.advance_epoch();
SELECT is((SELECT problem FROM workflow.pending_activities WHERE task_queue = 'registry'), 'taken before a promotion or restore: workflow.release_tasks() gives it to others',
	'unless it was taken in an earlier epoch');
SELECT is((SELECT waiting_for FROM workflow.explain('order 3')), 'worker "w1", to answer for activity "Pack": taken before a promotion or restore: workflow.release_tasks() gives it to others',
	'as explain tells');

\echo # Runs that are stuck
\o /dev/null
SET ROLE pgtap_shop;
SELECT workflow.register_activity('Bare', task_queue => 'bare', options => '{"HeartbeatSeconds": 5}');
SELECT workflow.register('bare', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Bare", "End": true}}}');
SET client_min_messages = error;
SELECT workflow.register_activity('Bare', task_queue => 'bare');
RESET ROLE;
SELECT workflow.start('bare', '{}', 'bare');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is((SELECT problem FROM workflow.task_queues WHERE task_queue IS NULL AND owner = 'pgtap_shop'::regrole), 'runs are stuck: OW.NoLease', 'are a problem of their owner');
SELECT is((SELECT moved_by FROM workflow.explain('bare')), 'workflow.register_activity() with a timeout, then workflow.retry()', 'explain tells what to do');
SELECT * FROM finish();
ROLLBACK;
