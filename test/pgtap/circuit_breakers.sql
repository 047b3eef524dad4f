-- Circuit breakers of activities, on a virtual clock: when they open and close, and what becomes of tasks meanwhile.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.never(jsonb) RETURNS void LANGUAGE sql AS $$ SELECT 1 / 0 $$;
SELECT workflow.register_activity(name, 'public.never(jsonb)',
	options => '{"CircuitBreaker": {"FailureThreshold": 3, "WindowSeconds": 60, "OpenSeconds": 30}}')
FROM unnest('{Pay,Ship,Undo}'::text[]) name;
SELECT workflow.register_activity('Choosy', 'public.never(jsonb)',
	options => '{"CircuitBreaker": {"FailureThreshold": 1, "OpenSeconds": 40, "ErrorEquals": ["Down", "States.Timeout"]}}');
SELECT workflow.register_activity('Plain', 'public.never(jsonb)');
SELECT workflow.register_activity('Queued', task_queue => 'outside',
	options => '{"StartToCloseSeconds": 60, "CircuitBreaker": {"FailureThreshold": 2}}');

-- A run of one task with these options.  It ends with what the activity, the fallback or the failure says.
CREATE FUNCTION pg_temp.start(id text, activity text DEFAULT 'Pay', options jsonb DEFAULT '{}', more jsonb DEFAULT '{}') RETURNS void
	LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.register(id, jsonb_build_object('StartAt', 'Do', 'States', jsonb_build_object(
		'Do', '{"Type": "Task", "End": true}' || jsonb_build_object('Resource', activity) || options) ||
		CASE WHEN options ? 'Catch' THEN '{"Fallback": {"Type": "Pass", "Result": "fell back", "End": true}}' ELSE '{}' END::jsonb) || more);
	PERFORM workflow.start(id, jsonb_build_object('id', id), workflow_id => id);
	PERFORM workflow_test.run(workflow_test.now());
END $$;
-- So many runs whose only attempt fails.
CREATE FUNCTION pg_temp.fail(activity text, times int, error text DEFAULT 'Down') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id text;
BEGIN
	FOR i IN 1 .. times LOOP
		id := 'f' || nextval('pg_temp.fails');
		PERFORM workflow_test.mock_activity(activity, error => error, input => jsonb_build_object('id', id));
		PERFORM pg_temp.start(id, activity);
	END LOOP;
END $$;
CREATE TEMP SEQUENCE fails;
CREATE FUNCTION pg_temp.circuit(activity text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', state, failures || '/' || failure_threshold, CASE WHEN probing THEN 'probing' END)
	FROM workflow.circuit_breakers WHERE activity = circuit.activity
$$;
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error) FROM workflow.executions WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.events(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat(replace(event_type, 'ActivityTask', ''), attributes->>'attempt'), ' ' ORDER BY event_id)
	FROM workflow.history WHERE workflow_id = id AND event_type ~ 'Activity|Timer'
$$;
-- Seconds after the event before it, to which a rejected attempt waits.
CREATE FUNCTION pg_temp.waits(id text) RETURNS numeric LANGUAGE sql AS $$
	SELECT extract(epoch FROM (attributes->>'retry_at')::timestamptz - event_time)
	FROM workflow.history WHERE workflow_id = id AND event_type = 'ActivityTaskRejected' ORDER BY event_id DESC LIMIT 1
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('Plain');
\o
SELECT no_plan();

\echo # Opening
SELECT results_eq($$ SELECT activity, state, failures, opened_at, half_open_at, probing, last_error, rejected FROM workflow.circuit_breakers
	WHERE activity = 'Pay' $$,
	$$ VALUES ('Pay', 'Closed', 0, NULL::timestamptz, NULL::timestamptz, false, NULL::text, 0::bigint) $$, 'it begins closed');
SELECT bag_eq($$ SELECT activity FROM workflow.circuit_breakers $$, '{Pay,Ship,Undo,Choosy,Queued}'::text[],
	'activities without one are not listed');
\o /dev/null
SELECT pg_temp.fail('Pay', 2);
SELECT pg_temp.fail('Plain', 5);
\o
SELECT is(pg_temp.circuit('Pay'), 'Closed 2/3', 'two failures of three');
\o /dev/null
SELECT workflow_test.advance('61 s');
\o
SELECT is(pg_temp.circuit('Pay'), 'Closed 0/3', 'which the window leaves behind');
\o /dev/null
SELECT pg_temp.fail('Pay', 2);
SELECT workflow_test.advance('59 s');
\o
SELECT is(pg_temp.circuit('Pay'), 'Closed 2/3', 'or does not');
\o /dev/null
SELECT pg_temp.fail('Pay', 1);
\o
SELECT is(pg_temp.circuit('Pay'), 'Open 3/3', 'the third opens it');
SELECT results_eq($$ SELECT opened_at, half_open_at, last_error FROM workflow.circuit_breakers WHERE activity = 'Pay' $$,
	$$ SELECT workflow_test.now(), workflow_test.now() + interval '30 s', 'Down' $$, 'for OpenSeconds');
SELECT is(pg_temp.circuit('Ship'), 'Closed 0/3', 'another activity has its own');
SAVEPOINT s;
\o /dev/null
SELECT pg_temp.fail('Ship', 3);
\o
SELECT is(pg_temp.circuit('Ship'), 'Open 3/3', 'in a subtransaction');
ROLLBACK TO s;
SELECT is(pg_temp.circuit('Ship'), 'Closed 0/3', 'which, rolled back, has not happened');

\echo # While it is open
\o /dev/null
SELECT pg_temp.start('no retry');
SELECT pg_temp.start('fallback', options => '{"Catch": [{"ErrorEquals": ["OW.CircuitOpen"], "Next": "Fallback"}],
	"Retry": [{"ErrorEquals": ["States.ALL"]}]}');
SELECT pg_temp.start('catch all', options => '{"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fallback"}]}');
SELECT pg_temp.start('too late', options => '{"ScheduleToCloseSeconds": 20, "Retry": [{"ErrorEquals": ["States.ALL"]}]}');
SELECT pg_temp.start('other retry', options => '{"Retry": [{"ErrorEquals": ["Down"]}]}');
SELECT pg_temp.start('waits', options => '{"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaximumAttempts": 3}],
	"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fallback"}]}');
SELECT pg_temp.start('task failed', options => '{"Retry": [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 0}]}');
SELECT pg_temp.start('named', options => '{"Retry": [{"ErrorEquals": ["OW.CircuitOpen"], "IntervalSeconds": 5, "MaxAttempts": 2, "BackoffRate": 1}],
	"Catch": [{"ErrorEquals": ["OW.CircuitOpen"], "Next": "Fallback"}]}');
SELECT pg_temp.start('named, total', options => '{"Retry": [{"ErrorEquals": ["OW.CircuitOpen"], "IntervalSeconds": 7, "MaximumAttempts": 1, "BackoffRate": 1}]}');
SELECT pg_temp.start('canceled', options => '{"Retry": [{"ErrorEquals": ["States.ALL"]}]}');
SELECT pg_temp.start('timed out', options => '{"Retry": [{"ErrorEquals": ["States.ALL"]}]}', more => '{"TimeoutSeconds": 10}');
SELECT workflow.cancel('canceled', 'enough');
\o
SELECT results_eq($$ SELECT id, pg_temp.ended(id) FROM unnest('{no retry,fallback,catch all,too late,other retry}'::text[]) id $$,
	$$ VALUES ('no retry', 'Failed OW.CircuitOpen'), ('fallback', 'Completed "fell back"'), ('catch all', 'Completed "fell back"'),
		('too late', 'Failed OW.CircuitOpen'), ('other retry', 'Failed OW.CircuitOpen') $$, 'what does not wait ends at once');
SELECT is(pg_temp.events('no retry'), 'Scheduled1 Rejected1', 'without an attempt');
SELECT results_eq($$ SELECT attributes FROM workflow.history WHERE workflow_id = 'no retry' AND event_type = 'ActivityTaskRejected' $$,
	$$ VALUES ('{"activity": "Pay", "attempt": 1, "error": "OW.CircuitOpen",
		"cause": "the circuit breaker of activity \"Pay\" is open (Down)"}'::jsonb) $$, 'which history tells');
SELECT is_empty($$ SELECT * FROM workflow_test.calls() WHERE workflow_id !~ '^f[0-9]' $$, 'nothing is called');
SELECT is((SELECT rejected FROM workflow.circuit_breakers WHERE activity = 'Pay'), 11::bigint, 'but counted');
SELECT ok(pg_temp.waits('waits') BETWEEN 30 AND 37.5, 'a retrier waits until it is half-open, or a little longer');
SELECT isnt(pg_temp.waits('waits'), pg_temp.waits('task failed'), 'not all for the same time');
SELECT is(pg_temp.waits('named'), 5.0, 'one that names the error waits as it says');
SELECT results_eq($$ SELECT status, attempt, activity, next_attempt_at - workflow_test.now() >= '30 s' FROM workflow.pending_activities WHERE workflow_id = 'waits' $$,
	$$ VALUES ('CircuitOpen', 1, 'Pay', true) $$, 'the attempt is pending');
SELECT results_eq($$ SELECT kind, state FROM workflow.timers WHERE workflow_id = 'waits' $$, $$ VALUES ('CircuitOpen', 'Do') $$, 'so is its timer');
SELECT results_eq($$ SELECT waiting_for, moved_by FROM workflow.explain('waits') $$,
	$$ VALUES ('the circuit breaker of activity "Pay", which is open, to let an attempt through', 'time, or workflow.cancel()') $$, 'which explains it');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:02:25+00');
\o
SELECT is(pg_temp.ended('canceled'), 'Canceled OW.Canceled', 'a cancel ends the wait');
SELECT is(pg_temp.ended('timed out'), 'TimedOut States.Timeout', 'so does the run''s timeout');
SELECT is(pg_temp.ended('named'), 'Completed "fell back"', 'a named retrier has an end, then comes the fallback');
SELECT is(pg_temp.events('named'), 'Scheduled1 Rejected1 TimerFired Rejected1 TimerFired Rejected1', 'no attempt is counted');
SELECT is(pg_temp.ended('named, total'), 'Running', 'of total attempts none was made');
SELECT is(pg_temp.circuit('Pay'), 'Open 1/3', 'it is open still');

\echo # Half-open
\o /dev/null
SELECT workflow_test.mock_activity('Pay', result => '"paid"');
SELECT workflow_test.mock_activity('Ship', error => 'Down', times => 1, duration => '2 s');
SELECT workflow_test.mock_activity('Ship', result => '"shipped"', times => 1);
SELECT workflow.open_circuit_breaker('Ship', '10 s');
SELECT workflow_test.advance('10 s');
\o
SELECT is(pg_temp.circuit('Ship'), 'HalfOpen 0/3', 'after a while');
\o /dev/null
SELECT pg_temp.start('probe', 'Ship', '{"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 3, "MaximumAttempts": 2}]}');
\o
SELECT is(pg_temp.circuit('Ship'), 'Open 1/3', 'one attempt is let through; as it fails, it is open again');
SELECT is(pg_temp.events('probe'), 'Scheduled1 Failed1', 'by an ordinary failure');
\o /dev/null
SELECT workflow_test.advance('4 s');
\o
SELECT is(pg_temp.events('probe'), 'Scheduled1 Failed1 Scheduled2 Rejected2', 'its next attempt is not made');
\o /dev/null
SELECT workflow_test.run();
\o
SELECT is(pg_temp.circuit('Ship'), 'Closed 0/3', 'one that succeeds closes it');
SELECT is(pg_temp.events('probe'), 'Scheduled1 Failed1 Scheduled2 Rejected2 TimerFired Completed2', 'with the last attempt there was');
SELECT results_eq($$ SELECT id, pg_temp.ended(id) FROM unnest('{waits,task failed,"named, total"}'::text[]) id $$,
	$$ VALUES ('waits', 'Completed "paid"'), ('task failed', 'Completed "paid"'), ('named, total', 'Completed "paid"') $$,
	'all that waited go on');
SELECT is((SELECT array_agg(DISTINCT attempt) FROM workflow_test.calls() WHERE workflow_id IN ('waits', 'task failed', 'named, total')), '{1}',
	'with their first attempt');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

\echo # Which failures count
\o /dev/null
SELECT workflow_test.mock_activity('Ship', error => 'Declined', non_retryable => true, times => 5);
SELECT pg_temp.start('declined ' || n, 'Ship') FROM generate_series(1, 5) n;
SELECT pg_temp.fail('Choosy', 3, 'Odd');
\o
SELECT is(pg_temp.circuit('Ship'), 'Closed 0/3', 'not those for good');
SELECT is(pg_temp.circuit('Choosy'), 'Closed 0/1', 'nor those that ErrorEquals does not name');
\o /dev/null
SELECT pg_temp.fail('Choosy', 1);
\o
SELECT is(pg_temp.circuit('Choosy'), 'Open 1/1', 'one that it names does');
\o /dev/null
SELECT workflow_test.advance('40 s');
SELECT pg_temp.fail('Choosy', 1, 'Odd');
\o
SELECT is(pg_temp.circuit('Choosy'), 'HalfOpen 1/1', 'what does not count neither opens nor closes it');
\o /dev/null
SELECT workflow_test.mock_activity('Choosy', duration => '100 s', input => '{"id": "slow"}');
SELECT pg_temp.start('slow', 'Choosy', '{"StartToCloseSeconds": 50}');
\o
SELECT is(pg_temp.ended('slow'), 'Failed States.Timeout', 'an attempt times out');
SELECT is(pg_temp.circuit('Choosy'), 'Open 1/1', 'which counts');

\echo # By hand
SELECT ok(workflow.reset_circuit_breaker('Choosy'), 'it is reset');
SELECT is(pg_temp.circuit('Choosy'), 'Closed 0/1', 'and closed');
SELECT ok(NOT workflow.reset_circuit_breaker('Choosy'), 'once');
SELECT lives_ok($$ SELECT workflow.open_circuit_breaker('Choosy', '2 hours') $$, 'it is opened');
SELECT results_eq($$ SELECT state, half_open_at, last_error COLLATE "C" FROM workflow.circuit_breakers WHERE activity = 'Choosy' $$,
	$$ SELECT 'Open', workflow_test.now() + interval '2 hours', format('opened by role "%s"', current_user) COLLATE "C" $$, 'for so long');
\o /dev/null
SELECT workflow_test.mock_activity('Choosy', input => '{"id": "patient"}');
SELECT pg_temp.start('patient', 'Choosy', '{"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]}');
\o
SELECT ok(pg_temp.waits('patient') BETWEEN 40 AND 50, 'those that wait look more often: it may be reset');
SELECT throws_ok($$ SELECT workflow.open_circuit_breaker('Choosy', '-1 s') $$, '22023', 'duration must be positive');
SELECT throws_ok($$ SELECT workflow.open_circuit_breaker('Plain', '1 s') $$, '55000', 'activity "Plain" has no circuit breaker');
SELECT throws_ok($$ SELECT workflow.reset_circuit_breaker('Nothing') $$, 'OW003', 'activity "Nothing" is not registered');

\echo # Compensations
\o /dev/null
SELECT workflow_test.mock_activity('Undo', error => 'Down', times => 3);
SELECT workflow_test.mock_activity('Undo', result => '"undone"');
SELECT workflow.register('saga', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Plain", "Next": "Fail",
	"Compensate": {"Resource": "Undo", "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaximumAttempts": 4}]}},
	"Fail": {"Type": "Fail", "Error": "Enough"}}}');
SELECT workflow.start('saga', workflow_id => 'saga');
SELECT workflow_test.advance('10 s');
\o
SELECT is(pg_temp.circuit('Undo'), 'Open 3/3', 'attempts of a compensation count');
SELECT is(pg_temp.events('saga'), 'Scheduled1 Completed1 Scheduled1 Failed1 Scheduled2 Failed2 Scheduled3 Failed3 Scheduled4 Rejected4',
	'its last attempt is not made');
SELECT is((SELECT waiting_for FROM workflow.explain('saga')), 'the circuit breaker of activity "Undo", which is open, to let an attempt through', 'it waits');
SELECT results_eq($$ SELECT status, activity, attempt, compensation FROM workflow.pending_activities WHERE workflow_id = 'saga' $$,
	$$ VALUES ('CircuitOpen', 'Undo', 4, 1) $$, 'and is pending');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');
\o /dev/null
SELECT workflow.cancel('saga');
SELECT workflow_test.advance('60 s');
\o
SELECT results_eq($$ SELECT status, attempts FROM workflow.compensations WHERE workflow_id = 'saga' $$, $$ VALUES ('Completed', 4) $$,
	'until it succeeds');

\echo # Branches: one attempt is let through, the others wait for what becomes of it
\o /dev/null
SELECT workflow.open_circuit_breaker('Ship', '30 s');
SELECT workflow.register('map', '{"StartAt": "M", "States": {"M": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "S", "States": {
	"S": {"Type": "Task", "Resource": "Ship", "Retry": [{"ErrorEquals": ["States.ALL"]}], "End": true}}}}}}');
SELECT workflow_test.mock_activity('Ship', error => 'Down', times => 1);
SELECT workflow_test.mock_activity('Ship', result => '"shipped"');
SELECT workflow.start('map', '[1, 2, 3, 4]', workflow_id => 'map');
SELECT workflow_test.advance('0 s');
\o
SELECT results_eq($$ SELECT status, attempt, count(*) FROM workflow.pending_activities WHERE workflow_id = 'map' GROUP BY 1, 2 $$,
	$$ VALUES ('CircuitOpen', 1, 4::bigint) $$, 'all branches wait');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'which history leads to');
\o /dev/null
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('map'), 'Completed ["shipped", "shipped", "shipped", "shipped"]', 'and go on');
SELECT results_eq($$ SELECT count(*) FILTER (WHERE event_type = 'ActivityTaskFailed'), count(*) FILTER (WHERE event_type = 'ActivityTaskCompleted')
	FROM workflow.history WHERE workflow_id = 'map' $$, $$ VALUES (1::bigint, 4::bigint) $$, 'at the price of one attempt');
SELECT is(pg_temp.circuit('Ship'), 'Closed 0/3', 'it is closed');

\echo # Tasks of programs outside
\o /dev/null
CREATE FUNCTION pg_temp.take() RETURNS uuid LANGUAGE sql AS $$
	SELECT task_token FROM workflow.poll_activity('outside', 'worker')
$$;
SELECT pg_temp.start('q' || n, 'Queued', '{"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1000}]}') FROM generate_series(1, 2) n;
SELECT workflow.fail_activity(pg_temp.take(), 'Down'), workflow.fail_activity(pg_temp.take(), 'Down');
\o
SELECT is(pg_temp.circuit('Queued'), 'Open 2/2', 'their failures count');
\o /dev/null
SELECT pg_temp.start('late', 'Queued', '{"Retry": [{"ErrorEquals": ["States.ALL"]}]}');
SELECT pg_temp.start('falls', 'Queued', '{"Catch": [{"ErrorEquals": ["OW.CircuitOpen"], "Next": "Fallback"}]}');
\o
SELECT is(pg_temp.events('late'), 'Scheduled1 Rejected1', 'none is put into the queue');
SELECT is(pg_temp.ended('falls'), 'Completed "fell back"', 'others do without');
\o /dev/null
SELECT workflow_test.advance('39 s');
\o
SELECT is(pg_temp.events('late'), 'Scheduled1 Rejected1 TimerFired Queued1', 'until it is half-open');
SELECT is(pg_temp.circuit('Queued'), 'HalfOpen 2/2 probing', 'and waits for the answer');
SELECT ok(workflow.complete_activity(pg_temp.take()), 'which comes');
SELECT is(pg_temp.circuit('Queued'), 'Closed 0/2', 'and closes it');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

\echo # Tasks that are in their queue when it opens
\o /dev/null
SELECT workflow.register_activity('Other', task_queue => 'outside', options => '{"StartToCloseSeconds": 60}');
SELECT pg_temp.start('q' || n, 'Queued', '{"TaskQueue": "mine"}') FROM generate_series(3, 5) n;
SELECT pg_temp.start('o', 'Other', '{"TaskQueue": "mine"}');
CREATE FUNCTION pg_temp.poll(activities text[] DEFAULT NULL) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(workflow_id ORDER BY workflow_id) FROM workflow.poll_activity('mine', 'worker', max_tasks => 10, activities => activities)
$$;
SELECT workflow.open_circuit_breaker('Queued', '30 s');
\o
SELECT is((SELECT waiting_for FROM workflow.explain('q3')), 'a worker of task queue "mine", to do activity "Queued": no worker has polled this queue; '
	'and for the circuit breaker of activity "Queued", which is open, to let an attempt through', 'which explains them');
SELECT is(pg_temp.poll('{Queued}'), NULL, 'they are not taken, when asked for');
SELECT is(pg_temp.poll('{Queued,Other}'), '{o}', 'with others');
SELECT is(pg_temp.poll(), NULL, 'nor when anything is');
SELECT throws_ok($$ SELECT pg_temp.poll('{""}') $$, '22023', 'activities must not contain an empty name');
\o /dev/null
SELECT workflow_test.advance('30 s');
\o
SELECT is(pg_temp.poll('{Other}'), NULL, 'half-open, they are not taken when others are asked for');
SAVEPOINT s;
SELECT is(pg_temp.poll(), '{q3}', 'one is taken');
ROLLBACK TO s;
SELECT is(pg_temp.poll('{Queued}'), '{q3}', 'again, if that was rolled back');
SELECT is(pg_temp.poll(), NULL, 'no other');
SELECT is(pg_temp.circuit('Queued'), 'HalfOpen 0/2 probing', 'while it is not answered');
\o /dev/null
SELECT workflow_test.advance('29 s');
\o
SELECT is(pg_temp.poll(), NULL, 'for OpenSeconds');
\o /dev/null
SELECT workflow_test.advance('1 s');
\o
SELECT is(pg_temp.poll(), '{q4}', 'then another is');
SELECT ok(workflow.fail_activity(task_token, 'Down'), 'whose failure') FROM workflow.pending_activities WHERE workflow_id = 'q4';
SELECT is(pg_temp.circuit('Queued'), 'Open 1/2', 'opens it again');
SELECT ok(workflow.complete_activity(task_token), 'what comes later of the first') FROM workflow.pending_activities WHERE workflow_id = 'q3';
SELECT is(pg_temp.circuit('Queued'), 'Open 1/2', 'is of no account');
\o /dev/null
SELECT workflow_test.mock_activity('Queued', result => '"done"');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('q5'), 'Completed "done"', 'a mock takes the last when it may');
SELECT ok((SELECT called_at - started_at >= '90 s' FROM workflow_test.calls() JOIN workflow.executions USING (workflow_id) WHERE workflow_id = 'q5'),
	'which is when it is half-open');
SELECT is(pg_temp.circuit('Queued'), 'Closed 0/2', 'and closes it');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

\echo # A compensation that is recorded with the schedule, and a state in SQL
\o /dev/null
SELECT workflow.open_circuit_breaker('Pay', '30 s');
SELECT pg_temp.start('scheduled', options => '{"Compensate": {"Resource": "Undo", "When": "Scheduled"}}');
SELECT pg_temp.start('in sql', options => '{"QueryLanguage": "SQL", "Arguments": {"twice": "{% (input->>''id'') || (input->>''id'') %}"},
	"Retry": [{"ErrorEquals": ["States.ALL"]}]}');
\o
SELECT is(pg_temp.ended('scheduled'), 'Failed OW.CircuitOpen', 'no attempt was made');
SELECT is_empty($$ SELECT * FROM workflow.compensations WHERE workflow_id = 'scheduled' $$, 'and nothing is undone');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');
\o /dev/null
SELECT workflow_test.advance('40 s');
\o
SELECT is(pg_temp.ended('in sql'), 'Completed "paid"', 'what was evaluated for the attempt is used when it is made');
SELECT is((SELECT input->>'twice' FROM workflow_test.calls() WHERE workflow_id = 'in sql'), 'in sqlin sql', 'once');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

\echo # A test begins with all closed
\o /dev/null
SELECT workflow.open_circuit_breaker('Pay', '1 hour');
SELECT workflow_test.begin('2031-01-01 00:00:00+00');
\o
SELECT is_empty($$ SELECT * FROM workflow.circuit_breakers WHERE state <> 'Closed' $$, 'as they are');

\echo # the example of doc/activities.md
\o /dev/null
CREATE FUNCTION public.quote(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{}'::jsonb $$;
SELECT workflow.register_activity('Quote', 'quote(jsonb)', options => '{"StartToCloseSeconds": 5,
    "CircuitBreaker": {"FailureThreshold": 5, "WindowSeconds": 60, "OpenSeconds": 30}}');
SELECT workflow.register('send', '{
    "StartAt": "Quote",
    "States": {
        "Quote": {"Type": "Task", "Resource": "Quote", "End": true,
            "Retry": [{"ErrorEquals": ["States.ALL"]}],
            "Catch": [{"ErrorEquals": ["OW.CircuitOpen"], "Next": "ListPrice"}]},
        "ListPrice": {"Type": "Pass", "Result": {"price": 9.9}, "End": true}
    }}');
SELECT workflow_test.mock_activity('Quote', error => 'CarrierDown', times => 5);
SELECT workflow_test.mock_activity('Quote', result => '{"price": 7.5}');
SELECT workflow.start('send', workflow_id => 'send ' || n) FROM generate_series(1, 9) n;
SELECT workflow_test.run();
\o
SELECT is((SELECT count(*) FROM workflow.executions WHERE workflow = 'send' AND output = '{"price": 9.9}'), 9::bigint,
	'while the service is down, orders go at the list price');
SELECT is((SELECT count(*) FROM workflow_test.calls() WHERE activity = 'Quote'), 5::bigint, 'and ask five times');
\o /dev/null
SELECT workflow_test.advance('30 s');
SELECT workflow.start('send', workflow_id => 'send ' || n) FROM generate_series(10, 12) n;
SELECT workflow_test.run();
\o
SELECT is((SELECT count(*) FROM workflow.executions WHERE workflow = 'send' AND output = '{"price": 7.5}'), 3::bigint, 'once it is back, at its price');

\echo # One that waits is paused, and resumed
\o /dev/null
CREATE FUNCTION public.hold(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{}'::jsonb $$;
SELECT workflow.register_activity('Hold', 'hold(jsonb)', options => '{"StartToCloseSeconds": 5, "CircuitBreaker": {"OpenSeconds": 30},
	"Retry": [{"ErrorEquals": ["States.ALL"]}]}');
SELECT workflow.register('hold', '{"StartAt": "Hold", "States": {"Hold": {"Type": "Task", "Resource": "Hold", "End": true}}}');
SELECT workflow_test.mock_activity('Hold', result => '{}');
SELECT workflow.open_circuit_breaker('Hold', '30 s');
SELECT workflow.start('hold', workflow_id => 'held ' || n) FROM generate_series(1, 2) n;
SELECT workflow_test.advance('1 s');
SELECT workflow.pause_activity('held ' || n, 'Hold') FROM generate_series(1, 2) n;
SELECT workflow_test.advance('1 s');
SELECT workflow.resume_activity('held 1', 'Hold');
SELECT workflow_test.advance('1 s');
\o
SELECT results_eq($$ SELECT status FROM workflow.pending_activities WHERE workflow_id = 'held 1' $$, ARRAY['CircuitOpen'],
	'resumed while it is still open, it waits on');
\o /dev/null
SELECT workflow_test.advance('60 s');
SELECT workflow_test.advance('1 s');
SELECT workflow.resume_activity('held 2', 'Hold');
SELECT workflow_test.advance('1 s');
\o
SELECT results_eq($$ SELECT status FROM workflow.executions WHERE workflow = 'hold' $$, ARRAY['Completed', 'Completed'],
	'and goes on once it is not, as does one resumed only then');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

\echo # What registration refuses
SELECT throws_like(format($$ SELECT workflow.register_activity('Bad', 'public.never(jsonb)', options => %L) $$, options),
	'invalid options of activity "Bad"', options)
FROM unnest('{"{\"CircuitBreaker\": 5}", "{\"CircuitBreaker\": {\"FailureThreshold\": 0}}", "{\"CircuitBreaker\": {\"FailureThreshold\": 101}}",
	"{\"CircuitBreaker\": {\"OpenSeconds\": 0.5}}", "{\"CircuitBreaker\": {\"ErrorEquals\": []}}", "{\"CircuitBreaker\": {\"Openseconds\": 5}}"}'::text[]) options;
SELECT matches((SELECT string_agg(message, E'\n') FROM workflow.validate('{"StartAt": "A", "States": {"A": {"Type": "Task",
	"Resource": "Pay", "CircuitBreaker": {}, "End": true}}}')), 'unknown field "CircuitBreaker" in state "A"', 'it is no field of states');

SELECT * FROM finish();
ROLLBACK;
