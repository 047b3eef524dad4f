-- Retries on a virtual clock: when attempts are made, and when no further one is.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.never(jsonb) RETURNS void LANGUAGE sql AS $$ SELECT 1 / 0 $$;
SELECT workflow.register_activity('Try', 'public.never(jsonb)');
SELECT workflow.register_activity('Optioned', 'public.never(jsonb)',
	options => '{"StartToCloseSeconds": 10, "Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}]}');

-- Registers a workflow of one task with these options, and starts it.
CREATE FUNCTION pg_temp.start(id text, options jsonb, activity text DEFAULT 'Try', defaults jsonb DEFAULT NULL)
	RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.register(id, jsonb_build_object('StartAt', 'Try', 'States', jsonb_build_object('Try',
			'{"Type": "Task", "End": true}' || jsonb_build_object('Resource', activity) || options)) ||
		CASE WHEN defaults IS NULL THEN '{}' ELSE jsonb_build_object('Defaults', defaults) END);
	PERFORM workflow.start(id, jsonb_build_object('id', id), workflow_id => id);
END $$;

-- The activity fails so often with this, then so often with that …; afterwards it succeeds.
CREATE FUNCTION pg_temp.fails(id text, VARIADIC errors text[]) RETURNS void LANGUAGE sql AS $$
	SELECT workflow_test.mock_activity(activity, error => error, times => 1, input => jsonb_build_object('id', id))
	FROM unnest(errors) WITH ORDINALITY AS e (error, n), unnest('{Try,Optioned}'::text[]) activity ORDER BY n
$$;

-- Seconds after the start at which attempts were made.
CREATE FUNCTION pg_temp.attempts(id text) RETURNS numeric[] LANGUAGE sql AS $$
	SELECT array_agg(EXTRACT(epoch FROM called_at - timestamptz '2030-01-01 00:00:00+00')::numeric(9, 1)
		ORDER BY attempt)
	FROM workflow_test.calls() WHERE workflow_id = id
$$;

SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT pg_temp.start(id, options)
FROM (VALUES
	('no retry', '{}'::jsonb),
	('empty', '{"Retry": []}'),
	('default', '{"Retry": [{"ErrorEquals": ["States.ALL"]}]}'),
	('max', '{"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 4}]}'),
	('maximum', '{"Retry": [{"ErrorEquals": ["Broken"], "MaximumAttempts": 5}]}'),
	('none', '{"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 0}]}'),
	('first only', '{"Retry": [{"ErrorEquals": ["Broken"], "MaximumAttempts": 1}]}'),
	('rate', '{"Retry": [{"ErrorEquals": ["Broken"], "IntervalSeconds": 2, "BackoffRate": 1.5, "MaxAttempts": 3}]}'),
	('capped', '{"Retry": [{"ErrorEquals": ["Broken"], "MaxDelaySeconds": 3, "MaxAttempts": 4}]}'),
	('other error', '{"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 4}]}'),
	('prefix', '{"Retry": [{"ErrorEquals": ["Brok"], "MaxAttempts": 4}]}'),
	('task failed', '{"Retry": [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1}]}'),
	('each its own', '{"Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 2}, {"ErrorEquals": ["B"], "MaxAttempts": 1}]}'),
	('total', '{"Retry": [{"ErrorEquals": ["A"], "MaximumAttempts": 3}, {"ErrorEquals": ["B"], "MaxAttempts": 9}]}'),
	('passes', '{"Retry": [{"ErrorEquals": ["A", "B"], "MaxAttempts": 2}]}'),
	('too late', '{"ScheduleToCloseSeconds": 5, "Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 9}]}'),
	('just in time', '{"ScheduleToCloseSeconds": 7, "Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 9}]}'),
	('canceled', '{"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 9}]}'),
	('terminated', '{"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 9}]}')) AS w (id, options);
SELECT pg_temp.fails(id, VARIADIC array_fill('Broken'::text, ARRAY[20]))
FROM unnest('{no retry,empty,default,max,maximum,none,first only,rate,capped,prefix,task failed,too late,just in time,
	canceled,terminated,by activity,by state,by defaults,nothing}'::text[]) id;
SELECT pg_temp.fails('other error', 'Broken', 'Broken', 'Lost', 'Broken');
SELECT pg_temp.fails('each its own', 'A', 'B', 'A', 'A');
SELECT pg_temp.fails('total', 'B', 'B', 'A', 'A');
SELECT pg_temp.fails('passes', 'A', 'B');

SELECT workflow_test.mock_activity('Try', input => '{"id": "passes"}');

-- Who says how often: the state, Defaults, or the activity's registration.
SELECT pg_temp.start('by activity', '{}', 'Optioned');
SELECT pg_temp.start('by defaults', '{}', 'Optioned', '{"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 2}]}');
SELECT pg_temp.start('by state', '{"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 3}]}', 'Optioned',
	'{"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 2}]}');
SELECT pg_temp.start('nothing', '{"Retry": []}', 'Optioned', '{"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 2}]}');

SELECT workflow_test.at('2 s', $$ SELECT workflow.cancel('canceled', 'enough') $$);
SELECT workflow_test.at('2 s', $$ SELECT workflow.terminate('terminated', 'enough') $$);
SELECT workflow_test.run('2030-01-01 00:00:02.5+00');
\o

SELECT plan(56);

SELECT is_empty('SELECT * FROM pg_temp.faults()', 'half-way, each history leads to the state of its run');
SELECT results_eq(
	$$ SELECT due_at, attempt FROM workflow.readable_execution WHERE workflow_id = 'max' $$,
	$$ VALUES (timestamptz '2030-01-01 00:00:03+00', 2) $$, 'a run in its back-off tells when it goes on');
SELECT workflow_test.run() \g /dev/null

SELECT is(pg_temp.attempts(id), at::numeric[], format('attempts: %s', id))
FROM (VALUES
	('no retry', '{0}'),
	('empty', '{0}'),
	('default', '{0,1,3,7}'),
	('max', '{0,1,3,7,15}'),
	('maximum', '{0,1,3,7,15}'),
	('none', '{0}'),
	('first only', '{0}'),
	('rate', '{0,2,5,9.5}'),
	('capped', '{0,1,3,6,9}'),
	('other error', '{0,1,3}'),
	('prefix', '{0}'),
	('task failed', '{0,1}'),
	('each its own', '{0,1,2,4}'),
	('total', '{0,1,3}'),
	('passes', '{0,1,3}'),
	('too late', '{0,1,3}'),
	('just in time', '{0,1,3,7}'),
	('canceled', '{0,1}'),
	('terminated', '{0,1}'),
	('by activity', '{0,1}'),
	('by defaults', '{0,1,3}'),
	('by state', '{0,1,3,7}'),
	('nothing', '{0}')) AS w (id, at);
SELECT workflow_test.failed(id, error)
FROM (VALUES ('no retry', 'Broken'), ('max', 'Broken'), ('maximum', 'Broken'), ('other error', 'Lost'),
	('each its own', 'A'), ('total', 'A'), ('too late', 'Broken'), ('nothing', 'Broken')) AS w (id, error);
SELECT workflow_test.completed('passes');
SELECT is(closed_at, timestamptz '2030-01-01 00:00:03+00',
	'the run fails at once when there is no time left for another attempt')
FROM workflow.executions WHERE workflow_id = 'too late';
SELECT results_eq(
	$$ SELECT status, closed_at FROM workflow.executions
		WHERE workflow_id IN ('canceled', 'terminated') ORDER BY workflow_id $$,
	$$ VALUES ('Canceled', timestamptz '2030-01-01 00:00:02+00'),
		('Terminated', timestamptz '2030-01-01 00:00:02+00') $$,
	'a cancel and a terminate end the back-off at once');
SELECT results_eq(
	$$ SELECT (attributes->'retrier')::int FROM workflow.history
		WHERE workflow_id = 'each its own' AND event_type = 'ActivityTaskFailed' ORDER BY event_id $$,
	$$ VALUES (0), (1), (0), (NULL) $$, 'history tells which retrier allowed the next attempt');

-- Timeouts: an attempt of 2 s, of which 1 is allowed.
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT pg_temp.start(id, options)
FROM (VALUES
	('timeout', '{"TimeoutSeconds": 1, "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 2}]}'::jsonb),
	('timeout by another name', '{"StartToCloseSeconds": 1, "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]}'),
	('timeout is no failure', '{"TimeoutSeconds": 1, "Retry": [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 2}]}'),
	('timeout in all', '{"ScheduleToCloseSeconds": 1, "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]}')
	) AS w (id, options);
SELECT workflow_test.mock_activity('Try', duration => '2 s', input => jsonb_build_object('id', id))
FROM unnest('{timeout,timeout by another name,timeout is no failure,timeout in all}'::text[]) id;
SELECT workflow_test.run();
\o
SELECT is(array_length(pg_temp.attempts(id), 1), times, format('attempts: %s', id))
FROM (VALUES ('timeout', 3), ('timeout by another name', 2), ('timeout is no failure', 1), ('timeout in all', 1))
	AS w (id, times);
SELECT workflow_test.failed(id, 'States.Timeout')
FROM unnest('{timeout,timeout by another name,timeout is no failure,timeout in all}'::text[]) id;

-- What a failure says about its retry, and what the next attempt is told.
\o /dev/null
CREATE TABLE told (attempt int, last_failure jsonb, idempotency_key text, called_at timestamptz);
CREATE FUNCTION public.moody(input jsonb, c workflow.activity_context) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	CASE c.attempt
		WHEN 1 THEN PERFORM workflow.throw('Broken', 'once', '{"n": 1}', next_retry_delay => '30 s');
		WHEN 2 THEN PERFORM workflow.throw('Broken', 'twice');
		WHEN 3 THEN PERFORM workflow.throw('Broken', 'at once', next_retry_delay => '0');
		WHEN 4 THEN PERFORM 1 / 0;
		ELSE
			INSERT INTO told VALUES (c.attempt, c.last_failure, c.idempotency_key, workflow.now());
	END CASE;
	RETURN c.attempt;
END $$;
CREATE FUNCTION public.stubborn(input jsonb) RETURNS void LANGUAGE sql
	AS $$ SELECT workflow.throw('Broken', 'for good', non_retryable => true) $$;
SELECT workflow.register_activity('Moody', 'public.moody(jsonb, workflow.activity_context)');
SELECT workflow.register_activity('Stubborn', 'public.stubborn(jsonb)');
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity('Moody'), workflow_test.allow_activity('Stubborn');
SELECT pg_temp.start('moody', '{"Retry": [{"ErrorEquals": ["Broken", "division_by_zero"], "MaxAttempts": 9}]}', 'Moody');
SELECT pg_temp.start('stubborn', '{"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 9}]}', 'Stubborn');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.attempts('moody'), '{0,30,32,32,40}', 'a failure may say when to try again');
SELECT is(pg_temp.attempts('stubborn'), '{0}', 'or that there is no use');
SELECT workflow_test.failed('stubborn', 'Broken');
SELECT workflow_test.completed('moody', '5');
SELECT is(last_failure - 'Details', '{"Error": "division_by_zero", "Cause": "division by zero"}',
	'an attempt is told how the one before it failed')
FROM told;
SELECT is(idempotency_key, run_id || ':Try:1', 'the idempotency key tells run, state and visit, not the attempt')
FROM told, workflow.executions WHERE workflow_id = 'moody';
SELECT is(attributes->'details', '{"n": 1}', 'details are kept in history')
FROM workflow.history WHERE workflow_id = 'moody' AND event_type = 'ActivityTaskFailed' ORDER BY event_id LIMIT 1;

-- A state visited again has fresh counts, and another idempotency key; templates are options as well.
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register('again', $asl${
	"StartAt": "First",
	"Templates": {"Careful": {"Type": "Task", "Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}],
		"Catch": [{"ErrorEquals": ["Broken"], "ResultPath": "$.failure", "Next": "Once more"}]}},
	"Defaults": {"ResultPath": "$.{State}"},
	"States": {
		"First": {"Use": "Careful", "Resource": "Try", "Next": "Done"},
		"Once more": {"Type": "Choice", "Choices": [{"Variable": "$.again", "IsPresent": true, "Next": "Done"}],
			"Default": "Note"},
		"Note": {"Type": "Pass", "Result": true, "ResultPath": "$.again", "Next": "First"},
		"Done": {"Type": "Succeed"}
	}}$asl$);
SELECT workflow.start('again', '{"id": "again"}', workflow_id => 'again');
SELECT pg_temp.fails('again', VARIADIC array_fill('Broken'::text, ARRAY[9]));
SELECT workflow_test.run();
\o
SELECT workflow_test.activity_called('Try', 4);
SELECT workflow_test.completed('again',
	'{"id": "again", "again": true, "failure": {"Error": "Broken", "Cause": ""}}');
SELECT workflow_test.state_path('again', '{First,"Once more",Note,First,"Once more",Done}');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

SELECT * FROM finish();
ROLLBACK;
