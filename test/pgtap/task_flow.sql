-- Whose tasks are taken, how fast and how many at a time: fairness keys, limits and pauses, on a virtual clock.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow.register_activity('Do', task_queue => 'none', options => '{"StartToCloseSeconds": 600}');
SELECT workflow.register('keyed', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Do", "TaskQueue": "keyed",
	"FairnessKey": "$.customer", "Compensate": {"Resource": "Do", "TaskQueue": "undo", "FairnessKey": "$.customer"}, "Next": "Fail"},
	"Fail": {"Type": "Fail"}}}');
SELECT workflow.register('plain', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Do", "TaskQueue": "plain", "End": true}}}');
CREATE FUNCTION pg_temp.keyed(customer text, many int DEFAULT 1) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.start('keyed', jsonb_build_object('customer', customer)) FROM generate_series(1, many);
	PERFORM workflow_test.advance('1 ms');
END $f$;
CREATE FUNCTION pg_temp.plain(many int) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.start('plain') FROM generate_series(1, many);
	PERFORM workflow_test.advance('1 ms');
END $f$;
-- How many of each key
CREATE FUNCTION pg_temp.take(many int, queue text DEFAULT 'keyed') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat(fairness_key, ' ', count), ', ' ORDER BY fairness_key NULLS FIRST)
	FROM (SELECT fairness_key, count(*) FROM workflow.poll_activity(queue, 'w', many) GROUP BY 1) t
$$;
CREATE FUNCTION pg_temp.clear(queue text) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.terminate(run_id) FROM (SELECT DISTINCT run_id FROM workflow.activity_task WHERE task_queue = queue) t;
	PERFORM workflow_test.run(workflow_test.now());
END $f$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
\o
SELECT no_plan();

\echo # Keys share, without any setting
\o /dev/null
SELECT pg_temp.keyed('big', 30), pg_temp.keyed('small', 3), pg_temp.keyed('tiny', 1);
\o
SELECT is(pg_temp.take(6), 'big 3, small 2, tiny 1', 'one that has many tasks does not keep the others waiting');
SELECT is(pg_temp.take(4), 'big 3, small 1', 'those that have no more leave their share');
SELECT results_eq($$ SELECT fairness_key COLLATE "default", weight, backlog, in_flight FROM workflow.fairness_keys ORDER BY 1 $$,
	$$ VALUES ('big', 1::real, 24::bigint, 6::bigint), ('small', 1, 0, 3), ('tiny', 1, 0, 1) $$, 'as the view shows');
\o /dev/null
SELECT pg_temp.keyed('late', 10);
\o
SELECT is(pg_temp.take(6), 'big 3, late 3', 'who comes later gets its share from then on, and no more');
SELECT is(array_to_string(ARRAY[pg_temp.take(1), pg_temp.take(1), pg_temp.take(1), pg_temp.take(1)], ', ')
	IN ('big 1, late 1, big 1, late 1', 'late 1, big 1, late 1, big 1'), true, 'also when they are taken one by one');
SELECT is(pg_temp.take(100), 'big 19, late 5', 'all are taken in the end');
SELECT is(pg_temp.take(1), NULL, 'each once');

\echo # Weights
\o /dev/null
SELECT pg_temp.clear('keyed');
SELECT workflow.set_fairness_key('keyed', 'gold', 3);
SELECT pg_temp.keyed('gold', 20), pg_temp.keyed('silver', 20);
\o
SELECT is(pg_temp.take(8), 'gold 6, silver 2', 'with a weight of 3 a key gets three for one');
SELECT is(pg_temp.take(8), 'gold 6, silver 2', 'again and again');
\o /dev/null
SELECT workflow.set_fairness_key('keyed', 'gold', 0.5);
\o
SELECT is(pg_temp.take(6), 'gold 2, silver 4', 'a weight may change, and be less than others');

\echo # Limits of keys
\o /dev/null
SELECT pg_temp.clear('keyed');
SELECT workflow.set_fairness_key('keyed', 'gold', max_in_flight => 3), workflow.set_task_queue('keyed', key_max_in_flight => 2);
SELECT pg_temp.keyed('gold', 5), pg_temp.keyed('silver', 5);
CREATE TEMP TABLE flying AS SELECT * FROM workflow.poll_activity('keyed', 'w', 10);
\o
SELECT results_eq($$ SELECT fairness_key, count(*) FROM flying GROUP BY 1 ORDER BY 1 $$, $$ VALUES ('gold', 3::bigint), ('silver', 2) $$,
	'so many of each may be in flight; its own limit goes before that of all');
SELECT results_eq($$ SELECT fairness_key COLLATE "default", max_in_flight FROM workflow.fairness_keys WHERE fairness_key IN ('gold', 'silver') ORDER BY 1 $$,
	$$ VALUES ('gold', 3), ('silver', 2) $$, 'as the view shows');
SELECT is(pg_temp.take(10), NULL, 'and no more');
\o /dev/null
SELECT workflow.complete_activity(task_token) FROM flying WHERE fairness_key = 'silver';
\o
SELECT is(pg_temp.take(10), 'silver 2', 'until some have ended');
\o /dev/null
SELECT workflow_test.advance('601s');
\o
SELECT is(pg_temp.take(10), 'gold 2, silver 1', 'or have timed out');
\o /dev/null
SELECT pg_temp.clear('keyed'), pg_temp.clear('undo');
SELECT workflow.set_fairness_key('keyed', 'gold'), workflow.set_task_queue('keyed', key_rate_limit => 2);
SELECT workflow_test.advance('10s');
SELECT pg_temp.keyed('gold', 9), pg_temp.keyed('silver', 3);
\o
SELECT is(pg_temp.take(10), 'gold 2, silver 2', 'what a second allows may be taken at once');
SELECT is(pg_temp.take(10), NULL, 'and then no more');
\o /dev/null
SELECT workflow_test.advance('500 ms');
\o
SELECT is(pg_temp.take(10), 'gold 1, silver 1', 'until time has passed');
\o /dev/null
SELECT workflow_test.advance('10s');
\o
SELECT is(pg_temp.take(10), 'gold 2', 'what was not used does not add up');

\echo # Limits of a queue, also without keys
\o /dev/null
SELECT pg_temp.plain(3);
\o
SELECT is(pg_temp.take(2, 'plain'), ' 2', 'without settings, tasks are taken as they come');
\o /dev/null
SELECT workflow.set_task_queue('plain', max_in_flight => 3), pg_temp.plain(5);
\o
SELECT is(pg_temp.take(10, 'plain'), ' 1', 'what was in flight before there was a limit counts');
SELECT results_eq($$ SELECT backlog, in_flight, max_in_flight FROM workflow.task_queues WHERE task_queue = 'plain' $$,
	$$ VALUES (5::bigint, 3::bigint, 3) $$, 'the view shows it');
\o /dev/null
SELECT workflow.set_task_queue('plain', rate_limit => 0.5);
\o
SELECT is(pg_temp.take(10, 'plain'), ' 1', 'set_task_queue replaces all limits');
SELECT is(pg_temp.take(10, 'plain'), NULL, 'less than one in a second');
\o /dev/null
SELECT workflow_test.advance('1s');
\o
SELECT is(pg_temp.take(10, 'plain'), NULL, 'takes longer');
\o /dev/null
SELECT workflow_test.advance('1s');
\o
SELECT is(pg_temp.take(10, 'plain'), ' 1', 'than a second');
SAVEPOINT taken;
\o /dev/null
SELECT workflow_test.advance('2s');
SELECT pg_temp.take(10, 'plain');
ROLLBACK TO taken;
SELECT workflow_test.advance('2s');
\o
SELECT is(pg_temp.take(10, 'plain'), ' 1', 'what was taken and rolled back was not used');

\echo # Pauses
\o /dev/null
SELECT workflow.set_task_queue('plain'), workflow.pause_task_queue('plain', reason => 'deploy');
\o
SELECT is(pg_temp.take(10, 'plain'), NULL, 'nothing is taken from a paused queue');
SELECT results_eq($$ SELECT paused_until, pause_reason FROM workflow.task_queues WHERE task_queue = 'plain' $$, $$ VALUES ('infinity'::timestamptz, 'deploy') $$, 'which shows');
SELECT results_eq(format($$ SELECT waiting_for, moved_by FROM workflow.explain(%L) $$, (SELECT min(workflow_id) FROM workflow.pending_activities WHERE task_queue = 'plain' AND worker IS NULL)),
	format($$ VALUES (%L, 'workflow.resume_task_queue(), or workflow.complete_activity(), or workflow.cancel()') $$,
		(SELECT format('a worker of task queue "plain", to do activity "%s": no worker has polled this queue; task queue "plain" is paused: deploy', min(activity)) FROM workflow.pending_activities WHERE task_queue = 'plain')),
	'and is told of the runs that wait');
\o /dev/null
SELECT workflow.resume_task_queue('plain');
\o
SELECT is(pg_temp.take(10, 'plain'), ' 2', 'until it is resumed');
\o /dev/null
SELECT pg_temp.clear('keyed'), workflow.set_task_queue('keyed');
SELECT pg_temp.keyed('gold', 3), pg_temp.keyed('silver', 3);
SELECT workflow.pause_task_queue('keyed', workflow_test.now() + interval '1 minute', 'gold', '429');
\o
SELECT is(pg_temp.take(4), 'silver 3', 'a key may be paused');
SELECT is((SELECT count(*) FROM workflow.pending_activities p, workflow.explain(p.run_id) e WHERE p.task_queue = 'keyed' AND p.worker IS NULL
	AND e.waiting_for LIKE '%; fairness key "gold" is paused until 20%: 429'), 3::bigint, 'which is told of its runs');
\o /dev/null
SELECT workflow_test.advance('59s');
\o
SELECT is(pg_temp.take(4), NULL, 'for a time');
\o /dev/null
SELECT workflow_test.advance('2s');
\o
SELECT is(pg_temp.take(2), 'gold 2', 'and goes on by itself');
\o /dev/null
SELECT workflow.pause_task_queue('keyed', fairness_key => 'gold'), workflow.resume_task_queue('keyed');
\o
SELECT is(pg_temp.take(4), NULL, 'the pause of a key is its own');
\o /dev/null
SELECT workflow.resume_task_queue('keyed', 'gold');
\o
SELECT is(pg_temp.take(4), 'gold 1', 'to be resumed');

\echo # Priority goes before keys
\o /dev/null
SELECT pg_temp.clear('keyed');
SELECT workflow.register('urgent', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Do", "TaskQueue": "keyed", "Priority": 1, "FairnessKey": "$.customer", "End": true}}}');
SELECT workflow.register('no key', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Do", "TaskQueue": "keyed", "End": true}}}');
SELECT pg_temp.keyed('a', 4), workflow.start('urgent', '{"customer": 7}'), workflow.start('urgent', '{"customer": 7}'), workflow.start('no key'),
	workflow.start('no key'), workflow.start('urgent', '{"customer": null}');
SELECT workflow_test.advance('1 ms');
\o
SELECT is(pg_temp.take(3), ' 1, 7 2', 'the lower number comes first; a number is a key, and null is none');
SELECT is(pg_temp.take(4), ' 2, a 2', 'tasks without a key share with those that have one');

\echo # Compensations, SQL, what is stored
\o /dev/null
SELECT pg_temp.clear('keyed');
SELECT pg_temp.keyed('c');
SELECT workflow.complete_activity(task_token, '{}') FROM workflow.poll_activity('keyed', 'w', 1);
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.register('sql', '{"QueryLanguage": "SQL", "StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Do", "TaskQueue": "sql",
	"FairnessKey": "{% upper(input->>''customer'') %}", "End": true, "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1}]}}}');
SELECT workflow.start('sql', '{"customer": "x"}', workflow_id => 'sql');
SELECT workflow_test.run(workflow_test.now());
CREATE TEMP TABLE by_sql AS SELECT * FROM workflow.poll_activity('sql', 'w');
SELECT workflow.fail_activity(task_token, 'Broken') FROM by_sql;
SELECT workflow_test.run(workflow_test.now() + interval '2s');
INSERT INTO by_sql SELECT * FROM workflow.poll_activity('sql', 'w');
\o
SELECT is(pg_temp.take(1, 'undo'), 'c 1', 'what undoes a task has a key of its own');
SELECT results_eq('SELECT attempt, fairness_key FROM by_sql ORDER BY 1', $$ VALUES (1, 'X'), (2, 'X') $$, 'an expression gives it, for all attempts');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'history leads there');
\o /dev/null
SELECT workflow.start('keyed', workflow_id => 'missing', input => '{}');
SELECT workflow.start('keyed', workflow_id => 'object', input => '{"customer": {}}');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT workflow_id COLLATE "default", stuck->>'Error', stuck->>'Cause' FROM workflow.execution WHERE workflow_id IN ('missing', 'object') ORDER BY 1 $$,
	$$ VALUES ('missing', 'States.Runtime', 'the path "$.customer" finds nothing: there is no "customer"'),
	('object', 'States.Runtime', 'FairnessKey of state "Do" must be a string or a number, not an object') $$,
	'a key that cannot be had leaves the run stuck');
SELECT results_eq($$ SELECT code, path FROM workflow.validate('{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Do", "FairnessKey": "", "End": true}}}'::jsonb)
	WHERE severity = 'error' $$, $$ VALUES ('InvalidValue', 'States.Do.FairnessKey') $$, 'an empty one is refused');

\echo # What says nothing any more is forgotten
\o /dev/null
SELECT pg_temp.clear('keyed');
SELECT workflow.set_fairness_key('keyed', 'kept', 2);
SELECT pg_temp.keyed('customer ' || n) FROM generate_series(1, 20) n;
SELECT pg_temp.take(100);
SELECT workflow_test.advance('5s'), pg_temp.keyed('next'), pg_temp.take(1);
\o
SELECT set_eq($$ SELECT fairness_key COLLATE "default" FROM workflow.task_queue_key WHERE task_queue = 'keyed' $$, '{kept,next}'::text[], 'but for settings');

\echo # Workers may pause what they may take
\o /dev/null
SELECT pg_temp.clear('keyed'), pg_temp.keyed('gold', 2);
CREATE ROLE flow_owner;
CREATE ROLE flow_worker;
SELECT workflow.grant_usage('flow_owner');
SELECT workflow.grant_worker('flow_worker', 'keyed');
SET ROLE flow_worker;
SELECT workflow.pause_task_queue('keyed', '2035-01-01', 'gold', 'too many requests');
\o
RESET ROLE;
SELECT is(pg_temp.take(1), NULL, 'a worker pauses the tasks of who has granted it the queue');
SELECT results_eq($$ SELECT owner, pause_reason FROM workflow.fairness_keys WHERE paused_until IS NOT NULL $$,
	$$ VALUES (current_user::regrole, 'too many requests') $$, 'without naming the owner');
SET ROLE flow_worker;
SELECT throws_ok($$ SELECT workflow.set_task_queue('keyed', 1) $$, '42501', NULL, 'limits are not its to set');
SELECT throws_ok($$ SELECT workflow.pause_task_queue('other', owner => 'flow_owner') $$, '42501', NULL, 'nor may it pause what it may not take');
\o /dev/null
SET ROLE flow_owner;
SELECT workflow.grant_worker('flow_worker', 'keyed');
SET ROLE flow_worker;
\o
SELECT throws_ok($$ SELECT workflow.resume_task_queue('keyed', 'gold') $$, '42P08', 'it is not clear whose tasks of task queue "keyed" are meant', 'of several owners it names one');
\o /dev/null
SELECT workflow.resume_task_queue('keyed', 'gold', owner => 'flow_owner');
\o
RESET ROLE;
SELECT is(pg_temp.take(1), NULL, 'of which it is');
\o /dev/null
SET ROLE flow_worker;
SELECT workflow.resume_task_queue('keyed', 'gold', owner => session_user::regrole);
\o
RESET ROLE;
SELECT is(pg_temp.take(2), 'gold 2', 'and may resume, too');

\echo # Settings that make no sense
SELECT throws_ok($$ SELECT workflow.set_task_queue('q', rate_limit => 0) $$, '22023', 'rate_limit must be between 1e-06 and 1e+06, not 0', 'no rate of 0');
SELECT throws_ok($$ SELECT workflow.set_task_queue('q', rate_limit => 'NaN') $$, '22023', 'rate_limit must be between 1e-06 and 1e+06, not NaN', 'nor of no number');
SELECT throws_ok($$ SELECT workflow.set_task_queue('q', key_rate_limit => -1) $$, '22023', 'key_rate_limit must be between 1e-06 and 1e+06, not -1', 'nor below');
SELECT throws_ok($$ SELECT workflow.set_task_queue('q', max_in_flight => 0) $$, '22023', 'max_in_flight must be at least 1, not 0', 'a limit of nothing is a pause');
SELECT throws_ok($$ SELECT workflow.set_task_queue('') $$, '42602', NULL, 'a queue has a name');
SELECT throws_ok($$ SELECT workflow.set_task_queue(NULL) $$, '22004', NULL, 'always');
SELECT throws_ok($$ SELECT workflow.set_fairness_key('q', '') $$, '22023', 'fairness_key must have from 1 to 1000 bytes', 'so has a key');
SELECT throws_ok($$ SELECT workflow.set_fairness_key('q', 'k', 0) $$, '22023', 'weight must be between 0.001 and 1000, not 0', 'no weight of 0');
SELECT throws_ok($$ SELECT workflow.pause_task_queue('q', NULL) $$, '22004', 'until must not be null', 'a pause ends at some time, or never');
SELECT * FROM finish();
ROLLBACK;
