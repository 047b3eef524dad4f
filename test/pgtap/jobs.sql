-- Activities started without a workflow, on a virtual clock: they are runs as any other.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION public.charge(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
SELECT workflow.register_activity('Charge', 'public.charge(jsonb)', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register_activity('Patient', 'public.charge(jsonb)', options => '{"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "IntervalSeconds": 3}]}');
SELECT workflow.register_activity('Mail', task_queue => 'mail', options => '{"StartToCloseSeconds": 60}');
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.executions WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.attempts(id text) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM workflow_test.calls() WHERE workflow_id = id
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('Charge', error => 'Busy', message => 'wait', times => 9, input => '{"busy": true}');
SELECT workflow_test.mock_activity('Patient', error => 'Busy', times => 9);
SELECT workflow_test.mock_activity('Not there yet', '"mocked"');
SELECT workflow_test.allow_activity('Charge');
SELECT workflow.start_activity('Charge', '{"amount": 7}', 'plain');
SELECT workflow.start_activity('Charge', NULL, 'null input');
SELECT workflow.start_activity('Charge', '5', 'null options', NULL);
SELECT workflow.start_activity('Charge', '{"busy": true}', 'no retry');
SELECT workflow.start_activity('Charge', '{"busy": true}', 'retried', '{"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10, "MaxAttempts": 2}]}');
SELECT workflow.start_activity('Patient', '{}', 'registered');
SELECT workflow.start_activity('Patient', '{}', 'replaced', '{"Retry": []}');
SELECT workflow.start_activity('Charge', '{}', 'delayed', start_delay => '1 hour', memo => '"later"');
SELECT workflow.start_activity('Not there yet', '{}', 'mocked');
SELECT workflow.start_activity('Mail', '{"to": "ann"}', 'ann', '{"Priority": 5}');
SELECT workflow.start_activity('Mail', '{"to": "bob"}', 'bob', '{"Priority": 1}');
SELECT * FROM workflow.start_activities('Mail', '{1,2,3}', '{one,two,three}', '{"TaskQueue": "other", "HeartbeatSeconds": 10}');
SELECT workflow.start_activity('Mail', '{"limit": 7}', 'from input', '{"TaskQueue": "from input", "TimeoutSecondsPath": "$.limit"}');
SELECT workflow.start_activity('Mail', '{}', 'canceled', '{"TaskQueue": "canceled"}');
SELECT workflow.start_activity('Mail', '{}', 'timed out', '{"TaskQueue": "timed out"}', execution_timeout => '30 seconds');
SELECT workflow.start_activity('Mail', '{}', repeat('é', 40), '{"TaskQueue": "long"}');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
\o
SELECT plan(42);

\echo # Of functions
SELECT is(pg_temp.ended('plain'), 'Completed {"amount": 7}', 'the result is the activity''s');
SELECT is(workflow.result('plain'), '{"amount": 7}', 'workflow.result has it');
SELECT is(pg_temp.ended('null input'), 'Completed {}', 'without an input it is empty');
SELECT is(pg_temp.ended('null options'), 'Completed 5', 'and so are options');
SELECT is(pg_temp.ended('no retry'), 'Failed Busy wait', 'a failure is final');
SELECT is(pg_temp.attempts('no retry'), 1::bigint, 'without Retry');
SELECT is(pg_temp.attempts('retried'), 1::bigint, 'with it there is another attempt');
SELECT is((SELECT due_at FROM workflow.executions WHERE workflow_id = 'retried'), '2030-01-01 00:00:10+00', 'later');
SELECT is(pg_temp.ended('mocked'), 'Completed "mocked"', 'a test may mock what is not registered');
SELECT is((SELECT workflow FROM workflow.executions WHERE workflow_id = 'plain'), 'activity:Charge', 'views show the activity as the workflow');
SELECT is((SELECT state FROM workflow.executions WHERE workflow_id = 'delayed'), NULL, 'a delayed job has not begun');
SELECT results_eq($$ SELECT waiting_for FROM workflow.explain('ann') $$, $$ VALUES ('a worker of task queue "mail", to do activity "Mail": no worker has polled this queue') $$, 'explain explains');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:00:29+00');
\o
SELECT is(pg_temp.attempts('retried'), 2::bigint, 'the second attempt');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:00:30+00');
\o
SELECT is(pg_temp.ended('retried'), 'Failed Busy wait', 'and the last');
SELECT is(pg_temp.attempts('registered'), 3::bigint, 'Retry of the registration counts, too');
SELECT is(pg_temp.attempts('replaced'), 1::bigint, 'and is replaced by options');
SELECT is((SELECT count(DISTINCT version) FROM workflow.executions WHERE workflow = 'activity:Charge'), 2::bigint, 'distinct options are distinct versions');
SELECT ok(NOT bool_or(is_current), 'of which none is current') FROM workflow.definitions WHERE workflow LIKE 'activity:%';

\echo # Done by programs outside
SELECT is((SELECT status FROM workflow.executions WHERE workflow_id = 'timed out'), 'TimedOut', 'execution_timeout ends it');
SELECT results_eq($$ SELECT workflow_id, activity, input FROM workflow.poll_activity('mail', 'w', 5) $$,
	$$ VALUES ('bob', 'Mail', '{"to": "bob"}'::jsonb), ('ann', 'Mail', '{"to": "ann"}') $$, 'by priority');
SELECT ok(workflow.complete_activity_by_id('ann', 'Mail', '"sent"'), 'answered by id');
SELECT is(pg_temp.ended('ann'), 'Completed "sent"', 'it completes');
SELECT is((SELECT count(*) FROM workflow.poll_activity('other', 'w', 5)), 3::bigint, 'many at once, in another queue');
SELECT is((SELECT deadline FROM workflow.poll_activity('from input', 'w')), workflow_test.now() + '7 seconds', 'a timeout out of the input');
SELECT is((SELECT state FROM workflow.poll_activity('long', 'w') JOIN workflow.pending_activities USING (task_token)), 'Mail', 'ids may be long');
SELECT lives_ok($$ SELECT workflow.cancel('canceled') $$, 'cancel');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:02:00+00');
\o
SELECT is((SELECT status FROM workflow.executions WHERE workflow_id = 'canceled'), 'Canceled', 'cancels');
SELECT is(pg_temp.ended('two'), 'Failed States.HeartbeatTimeout no heartbeat came from whoever works on the task in time', 'a silent worker is noticed');
SELECT is(pg_temp.ended('bob'), 'Failed States.Timeout the attempt took longer than its start-to-close timeout', 'a slow one as well');

\echo # Names
\o /dev/null
SELECT workflow.register_activity(repeat('é', 200), 'public.charge(jsonb)');
SELECT workflow_test.allow_activity(repeat('é', 200));
SELECT workflow.start_activity(repeat('é', 200), '1', 'long name');
SELECT workflow_test.run('2030-01-01 02:00:00+00');
\o
SELECT is(pg_temp.ended('long name'), 'Completed 1', 'the longest name');
SELECT is(pg_temp.ended('delayed'), 'Completed {}', 'the delay is over');

\echo # Found, limited and tried again as any run
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('Charge', error => 'Busy', times => 1, input => '{"order": "o-2"}');
SELECT workflow_test.allow_activity('Charge');
SELECT workflow.start_activity('Charge', '{"order": "o-1"}', 'found', '{"SearchAttributes": {"Order": {"Type": "Keyword", "Path": "$.order"}, "N": {"Type": "Int"}}}', search_attributes => '{"N": 1}');
SELECT workflow.start_activities('Charge', '{"{\"order\": \"o-2\"}","{\"order\": \"o-3\"}"}', '{many 2,many 3}', '{"SearchAttributes": {"Order": {"Type": "Keyword", "Path": "$.order"}, "N": {"Type": "Int"}}}',
	search_attributes => '{"N": 2}', retry => '{"IntervalSeconds": 5, "MaxAttempts": 1}');
SELECT workflow.start_activities('Mail', '{1}', '{hasty}', '{"TaskQueue": "hasty"}', run_timeout => '10 s', priority => 2);
SELECT workflow.start_activity('Mail', '1', 'hasty too', '{"TaskQueue": "hasty"}', run_timeout => '20 s', priority => 1);
SELECT workflow_test.run('2030-01-01 00:00:01+00');
CREATE TEMP TABLE hasty AS SELECT workflow_id, priority FROM workflow.pending_activities WHERE workflow_id LIKE 'hasty%';
SELECT workflow_test.run('2030-01-01 01:00:00+00');
\o
SELECT is((SELECT search_attributes FROM workflow.executions WHERE workflow_id = 'found'), '{"Order": "o-1", "N": 1}', 'options declare search attributes');
SELECT is((SELECT string_agg(e.workflow_id || ' ' || attempt || ' ' || e.status, ', ' ORDER BY e.workflow_id, e.run_id) FROM workflow.search_attributes s JOIN workflow.executions e USING (shard_key, run_id)
	WHERE s.name = 'N' AND s.int_value = 2), 'many 2 1 Failed, many 2 2 Completed, many 3 1 Completed', 'many at a time have them, too, and a Retry of their runs');
SELECT is((SELECT definition->'States'->'Charge' FROM workflow.definitions d JOIN workflow.executions e USING (workflow, version) WHERE e.workflow_id = 'found'),
	'{"Type": "Task", "Resource": "Charge", "End": true}', 'the Task knows nothing of them');
SELECT results_eq('SELECT workflow_id COLLATE "default", priority::int FROM hasty ORDER BY 1', $$ VALUES ('hasty', 2), ('hasty too', 1) $$, 'runs have a priority');
SELECT is((SELECT string_agg(status || ' ' || EXTRACT(epoch FROM closed_at - started_at)::int, ', ' ORDER BY workflow_id) FROM workflow.executions WHERE workflow_id LIKE 'hasty%'), 'TimedOut 10, TimedOut 20', 'and a time limit');
SELECT throws_ok($$ SELECT workflow.start_activity('Charge', search_attributes => '{"Order": "o-1"}') $$, '22023', NULL, 'what is not declared cannot be given');
SELECT throws_ok($$ SELECT workflow.start_activity('Charge', options => '{"SearchAttributes": {"Order": {"Type": "String"}}}') $$, '22023', 'activity "Charge" cannot be started with these options', 'a declaration is checked');
SELECT throws_ok($$ SELECT workflow.start_activity('Charge', options => '{"SearchAttributes": 1}') $$, '22023', 'activity "Charge" cannot be started with these options', 'as its form is');
SELECT throws_ok($$ SELECT workflow.start_activity('Charge', '{"order": 1}', options => '{"SearchAttributes": {"Order": {"Type": "Keyword", "Path": "$.order"}}}') $$, 'OW013', NULL, 'and a value');
SELECT throws_ok($$ SELECT workflow.start_activities('Charge', '{1}', priority => 9) $$, '22023', 'priority must be from 1 to 5', 'and a priority');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');
SELECT * FROM finish();
ROLLBACK;
