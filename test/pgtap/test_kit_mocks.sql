-- Mocks: which calls they are for, what they answer, how long they take.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow.register_activity('Queued', task_queue => 'queue');
-- A workflow of one task, named as its run
CREATE FUNCTION pg_temp.start(id text, options jsonb DEFAULT '{}', input jsonb DEFAULT '{}', activity text DEFAULT 'Pay') RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.register(id, jsonb_build_object('StartAt', 'Do', 'States', jsonb_build_object('Do',
		'{"Type": "Task", "End": true, "TimeoutSeconds": 60}' || jsonb_build_object('Resource', activity) || options)));
	PERFORM workflow.start(id, input, id);
END $f$;
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.get_execution(id)
$$;
CREATE FUNCTION pg_temp.seconds(id text) RETURNS numeric LANGUAGE sql AS $$
	SELECT extract(epoch FROM closed_at - started_at)::numeric(10,1) FROM workflow.get_execution(id)
$$;
\set retry '{"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 5}]}'
\o
SELECT plan(63);

\echo # Which calls
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.mock_activity('Pay', '"much"', matching => '$.amount > 100');
SELECT workflow_test.mock_activity('Pay', '"gift"', matching => '$.lines[*] ? (@.gift == true)');
SELECT workflow_test.mock_activity('Pay', '"by id"', workflow_id => 'whose');
SELECT workflow_test.mock_activity('Pay', '"both"', input => '{"a": 1}', matching => '$.b == 2');
SELECT workflow_test.mock_activity('Pay', error => 'Early', attempt => 1);
SELECT workflow_test.mock_activity('Pay', '"rest"');
SELECT pg_temp.start('much', input => '{"amount": 101}'), pg_temp.start('little', :'retry', '{"amount": 100}'), pg_temp.start('whose'),
	pg_temp.start('gift', input => '{"lines": [{}, {"gift": true}]}'), pg_temp.start('no number', :'retry', '{"amount": "101"}'),
	pg_temp.start('both', input => '{"a": 1, "b": 2}'), pg_temp.start('one', :'retry', input => '{"a": 1, "b": 3}');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('much'), 'Completed "much"', 'those for which a predicate is true');
SELECT is(pg_temp.ended('little'), 'Completed "rest"', 'not others');
SELECT is(pg_temp.ended('no number'), 'Completed "rest"', 'nor those where it is unknown');
SELECT is(pg_temp.ended('gift'), 'Completed "gift"', 'those in which a filter finds something');
SELECT is(pg_temp.ended('whose'), 'Completed "by id"', 'of one run');
SELECT is(pg_temp.ended('both'), 'Completed "both"', 'with two conditions');
SELECT is(pg_temp.ended('one'), 'Completed "rest"', 'which must both hold');
SELECT workflow_test.called_times('Pay', 2, workflow_id => 'little');

\echo # Answers, one after the other
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.mock_activity('Pay', answers => '[{"error": "Busy", "message": "a"}, {"error": "Busy", "next_retry_delay": "20 s"},
	{"duration": "61 s"}, {"never": true}, {"result": {"paid": 1}, "duration": "2 s"}]');
SELECT workflow_test.mock_activity('Pay', '"after them"');
SELECT pg_temp.start('many', :'retry');
SELECT workflow_test.run();
SELECT pg_temp.start('next');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('many', '{"paid": 1}');
SELECT is(pg_temp.seconds('many'), 1 + 20 + 60 + 1 + 60 + 1 + 2.0, 'each takes its time');
SELECT results_eq($$ SELECT attributes->>'error', attributes->>'cause' FROM workflow.get_history('many')
	WHERE event_type IN ('ActivityTaskFailed', 'ActivityTaskTimedOut') ORDER BY event_id $$,
	$$ VALUES ('Busy', 'a'), ('Busy', ''), ('States.Timeout', 'the attempt took longer than allowed'),
	          ('States.Timeout', 'the attempt took longer than allowed') $$, 'and fails in its way');
SELECT is(pg_temp.ended('next'), 'Completed "after them"', 'then comes the next mock');
SELECT is((SELECT array_agg(format('%s %s of %s', name, used, answers)) FROM workflow_test._mocks()), '{Pay 5 of 5,Pay 1 of 1}', 'each was used once');

\echo # Computed
\o /dev/null
CREATE FUNCTION public.fake(input jsonb, factor int) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb((input->>'amount')::int * factor) $$;
CREATE TABLE public.seen (activity text, attempt int);
CREATE FUNCTION public.note() RETURNS int LANGUAGE sql AS $$
	INSERT INTO public.seen SELECT a.activity, a.attempt FROM workflow.current_activity() a RETURNING attempt $$;
SELECT workflow_test.begin();
SELECT workflow_test.mock_activity('Pay', compute => 'public.fake(input, 3)', workflow_id => 'expression');
SELECT workflow_test.mock_activity('Pay', compute => 'SELECT jsonb_build_object(''id'', workflow_id, ''n'', count(*)) FROM generate_series(1, attempt)', workflow_id => 'select');
SELECT workflow_test.mock_activity('Pay', compute => 'input->''missing''', workflow_id => 'null');
SELECT workflow_test.mock_activity('Pay', compute => 'public.note()', workflow_id => 'context');
SELECT workflow_test.mock_activity('Pay', compute => $$ SELECT workflow.throw('Declined', 'no', '{"code": 7}') $$, workflow_id => 'throws');
SELECT workflow_test.mock_activity('Pay', compute => '1 / (attempt - 1) -- a comment', workflow_id => 'divides');
SELECT workflow_test.mock_activity('Queued', compute => 'upper(input->>''name'')', duration => '5 s');
SELECT pg_temp.start('expression', input => '{"amount": 14}'), pg_temp.start('select'), pg_temp.start('null'), pg_temp.start('context'),
	pg_temp.start('throws'), pg_temp.start('divides', :'retry'), pg_temp.start('queued', input => '{"name": "ann"}', activity => 'Queued');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('expression'), 'Completed 42', 'by a function of the input');
SELECT is(pg_temp.ended('select'), 'Completed {"n": 1, "id": "select"}', 'by a SELECT');
SELECT is(pg_temp.ended('null'), 'Completed null', 'to nothing');
SELECT results_eq('SELECT * FROM public.seen', $$ VALUES ('Pay', 1) $$, 'knowing what it stands for');
SELECT is(pg_temp.ended('throws'), 'Failed Declined no', 'or it throws');
SELECT is((SELECT attributes->'details' FROM workflow.get_history('throws') WHERE event_type = 'ActivityTaskFailed'), '{"code": 7}', 'with details');
SELECT is(pg_temp.ended('divides'), 'Completed 1', 'its errors are failures, as of a SQL activity');
SELECT is((SELECT attributes->>'error' FROM workflow.get_history('divides') WHERE event_type = 'ActivityTaskFailed'), 'division_by_zero', 'of that name');
SELECT is(pg_temp.ended('queued'), 'Completed "ANN"', 'for a task queue as well');

\echo # Tasks of programs outside
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.mock_activity('Queued', never => true, heartbeat => '{"done": 7}', attempt => 1, workflow_id => 'silent');
SELECT workflow_test.mock_activity('Queued', error => 'Down', heartbeat => '{"done": 8}', attempt => 2, workflow_id => 'silent');
SELECT workflow_test.mock_activity('Queued', '"slow"', duration => '50 s', workflow_id => 'beats');
SELECT workflow_test.mock_activity('Queued', '"too slow"', duration => '2 min', workflow_id => 'late');
SELECT workflow_test.mock_activity('Queued', '"side by side"', duration => '30 s', workflow_id => 'other');
SELECT workflow_test.mock_activity('Queued', error => 'Busy', next_retry_delay => '15 s', times => 1, workflow_id => 'delayed');
SELECT workflow_test.mock_activity('Queued', '"delayed"', workflow_id => 'delayed');
SELECT pg_temp.start('silent', '{"HeartbeatSeconds": 10}'::jsonb || :'retry', activity => 'Queued'),
	pg_temp.start('beats', '{"HeartbeatSeconds": 10}', activity => 'Queued'), pg_temp.start('late', activity => 'Queued'),
	pg_temp.start('other', activity => 'Queued'), pg_temp.start('delayed', :'retry', activity => 'Queued');
SELECT workflow_test.run('2030-01-01 00:00:05+00');
\o
SELECT is((SELECT string_agg(workflow_id, ' ' ORDER BY workflow_id) FROM workflow.pending_activities WHERE worker IS NOT NULL),
	'beats late other silent', 'they are taken, and under way');
\o /dev/null
SELECT workflow_test.run();
\o
SELECT is((SELECT task.heartbeat_details FROM workflow.poll_activity('queue', 'w') AS task), '{"done": 8}', 'the third attempt, which is the test''s, is told what the second has sent');
SELECT is((SELECT task.attempt FROM workflow.pending_activities AS task WHERE workflow_id = 'silent'), 3, 'so it is the third');
SELECT results_eq($$ SELECT event_type, attributes->>'error', attributes->'heartbeat_details' FROM workflow.get_history('silent')
	WHERE event_type IN ('ActivityTaskFailed', 'ActivityTaskTimedOut') ORDER BY event_id $$,
	$$ VALUES ('ActivityTaskTimedOut', 'States.HeartbeatTimeout', '{"done": 7}'::jsonb), ('ActivityTaskFailed', 'Down', '{"done": 8}') $$,
	'after one that was not heard of any more, and one that failed');
SELECT is(pg_temp.ended('beats'), 'Completed "slow"', 'one that answers sends heartbeats meanwhile');
SELECT is(pg_temp.ended('late'), 'Failed States.Timeout the attempt took longer than its start-to-close timeout', 'one may come too late');
SELECT is(pg_temp.seconds('late'), 60.0, 'at the limit');
SELECT is(pg_temp.seconds('other'), 30.0, 'others are done meanwhile');
SELECT is(pg_temp.seconds('delayed'), 15.0, 'one may say when to try again');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\o /dev/null
SELECT workflow_test.begin();
SELECT workflow.register('items', $asl${"StartAt": "M", "States": {"M": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Q", "States": {
	"Q": {"Type": "Task", "Resource": "Queued", "TimeoutSeconds": 60, "HeartbeatSeconds": 5, "End": true}}}}}}$asl$);
SELECT workflow_test.mock_activity('Queued', compute => 'input', duration => interval '1 s' * n, matching => format('$ == %s', n)::jsonpath) FROM generate_series(1, 20) n;
SELECT workflow.start('items', '[20, 1, 3, 15, 7]', 'items'), workflow.start('items', '[20, 1, 2]', 'terminated');
SELECT workflow_test.at('10 s', $$SELECT workflow.terminate('terminated')$$);
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('items'), 'Completed [20, 1, 3, 15, 7]', 'iterations, each with its own');
SELECT is(pg_temp.seconds('items'), 20.0, 'side by side');
SELECT is(pg_temp.ended('terminated'), 'Terminated OW.Terminated', 'who is terminated hears of it no more');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # What happens meanwhile
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow.register('two', $asl${"StartAt": "Pay", "Signals": {"Hurry": {}}, "States": {
	"Pay": {"Type": "Task", "Resource": "Pay", "TimeoutSeconds": 60, "Next": "Asked"},
	"Asked": {"Type": "Await", "Any": [{"Signal": "Hurry", "Next": "Pack"}, {"AfterSeconds": 3600, "Next": "Pack"}]},
	"Pack": {"Type": "Task", "Resource": "Queued", "TimeoutSeconds": 60, "End": true}}}$asl$);
SELECT workflow_test.mock_activity('Pay', duration => '20 s'), workflow_test.mock_activity('Queued', duration => '20 s');
SELECT workflow_test.on_activity('Pay', 'SELECT workflow.signal($1, ''Hurry'')', after => '10 s', workflow_id => 'hurried');
SELECT workflow_test.on_activity('Pay', 'SELECT workflow.cancel($1, $2->>''why'')', after => '5 s', matching => 'exists($.why)');
SELECT workflow_test.on_activity('Queued', 'SELECT workflow.cancel($1, ''too late'')', after => '5 s', workflow_id => 'packed');
SELECT workflow_test.on_activity('Pay', 'INSERT INTO public.seen VALUES ($1, 2)', call => 2);
SELECT workflow.start('two', workflow_id => 'hurried'), workflow.start('two', workflow_id => 'packed'), workflow.start('two', '{"why": "a whim"}', 'whim');
SELECT workflow_test.run();
\o
SELECT is((SELECT event_time - started_at FROM workflow.get_history('hurried') h, workflow.get_execution('hurried') WHERE h.event_type = 'WorkflowExecutionSignaled'),
	interval '20 s', 'a signal comes while an activity is under way, and is taken in after it');
SELECT workflow_test.state_path('hurried', '{Pay,Asked,Pack}');
SELECT is(pg_temp.ended('whim'), 'Canceled OW.Canceled a whim', 'a cancel, too, told of the input');
SELECT is((SELECT array_agg(h.event_type ORDER BY event_id) FROM workflow.get_history('whim') h WHERE event_type LIKE 'Activity%'),
	'{ActivityTaskScheduled,ActivityTaskCompleted}', 'which lets the activity end');
SELECT is(pg_temp.ended('packed'), 'Canceled OW.Canceled too late', 'a task''s answer then comes too late');
SELECT results_eq('SELECT * FROM public.seen WHERE attempt = 2', $$ VALUES ('packed', 2) $$, 'one call may be meant');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is_empty('SELECT FROM workflow.message WHERE run_id IN (SELECT run_id FROM workflow.executions WHERE workflow = ''two'')', 'no message is left over');

\echo # Task tokens, circuits, replacing
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow.register('asks', $asl${"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "Resource": "Ask.waitForTaskToken",
	"Parameters": {"token.$": "$$.Task.Token"}, "TimeoutSeconds": 86400, "End": true}}}$asl$);
SELECT workflow_test.mock_activity('Ask', '"asked"');
SELECT workflow_test.on_activity('Ask', $$ SELECT workflow.complete_activity(($2->>'token')::uuid, '"yes"') $$, after => '1 h');
SELECT workflow.start('asks', workflow_id => 'asks');
CREATE FUNCTION public.quote(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '1'::jsonb $$;
SELECT workflow.register_activity('Quote', 'public.quote(jsonb)', options => '{"CircuitBreaker": {"FailureThreshold": 3, "OpenSeconds": 30}}');
SELECT workflow_test.mock_activity('Quote', '"quoted"');
SELECT workflow.open_circuit_breaker('Quote', '1 min');
SELECT workflow.register('falls back', $asl${"StartAt": "Q", "States": {"Q": {"Type": "Task", "Resource": "Quote", "TimeoutSeconds": 60,
	"Catch": [{"ErrorEquals": ["OW.CircuitOpen"], "Next": "Fallback"}], "End": true}, "Fallback": {"Type": "Pass", "Result": "list price", "End": true}}}$asl$);
SELECT workflow.start('falls back', workflow_id => 'falls back');
SELECT workflow_test.run();
SELECT workflow_test.mock_activity('Pay', '"old"'), workflow_test.mock_activity('Quote', '"old"'), workflow_test.mock_workflow('Pay');
CREATE TEMP TABLE forgotten AS SELECT workflow_test.reset_mocks('Pay') AS pay;
SELECT workflow_test.mock_activity('Pay', '"new"');
SELECT pg_temp.start('replaced');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('asks'), 'Completed "yes"', 'a task token is answered by what is executed then');
SELECT is(pg_temp.seconds('asks'), 3600.0, 'later');
SELECT is(pg_temp.ended('falls back'), 'Completed "list price"', 'a circuit is opened as an operator opens it');
SELECT workflow_test.not_called('Quote');
SELECT is(pg_temp.ended('replaced'), 'Completed "new"', 'mocks are replaced');
SELECT is((SELECT pay FROM forgotten), 2, 'by name');
SELECT is(workflow_test.reset_mocks(), 4, 'or all');
SELECT workflow_test.called_times('Pay', 1);

\echo # What is wrong
\o /dev/null
SELECT workflow_test.begin();
CREATE FUNCTION pg_temp.raised(command text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	message text; detail text; hint text;
BEGIN
	EXECUTE command;
	RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' / ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END $f$;
\o
SELECT is(pg_temp.raised(call), message, message) FROM (VALUES
	($$SELECT workflow_test.mock_activity('A', '1', error => 'E')$$,
		'22023 / a mock answers with one of result, error, compute and never / Several answers, one after the other, are given as answers.'),
	($$SELECT workflow_test.mock_activity(NULL)$$, '22004 / the activity to mock must not be null'),
	($$SELECT workflow_test.mock_activity('A', times => 0)$$, '22023 / times must be positive'),
	($$SELECT workflow_test.mock_activity('A', duration => '-1 s')$$, '22023 / duration must not be negative'),
	($$SELECT workflow_test.mock_activity('A', answers => '[{"errors": "Busy"}]')$$, '22023 / answer 1 has the unknown key "errors" / Perhaps you meant "error".'),
	($$SELECT workflow_test.mock_activity('A', answers => '[{}, 7]')$$,
		'22023 / answer 2 is a number, not an object / Answers look like [{"error": "Busy"}, {"result": {"paid": true}}].'),
	($$SELECT workflow_test.mock_activity('A', answers => '[]')$$, '22023 / answers must be an array with one object or more'),
	($$SELECT workflow_test.mock_activity('A', answers => '[{}]', times => 2)$$,
		'22023 / times does not go with answers, of which each is for one call / For calls after the last answer, add another mock.'),
	($$SELECT workflow_test.mock_activity('A', '1', answers => '[{}]')$$, '22023 / result does not go with answers / Give it in each of the answers that it is for.'),
	($$SELECT workflow_test.mock_activity('A', compute => 'inptu')$$, '42703 / column "inptu" does not exist / Perhaps you meant to reference the column "call.input".'),
	($$SELECT workflow_test.mock_activity('A', answers => '[{"error": 7}]')$$, '22023 / "error" must be a string, not a number')) AS wrong (call, message);
SELECT * FROM finish();
ROLLBACK;
