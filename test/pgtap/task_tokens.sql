-- .waitForTaskToken on a virtual clock: tokens, answers, timeouts, heartbeats.
SET client_min_messages = error;	-- no warnings of missing timeouts, no notices of stale answers
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION public.ask(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"asked"'::jsonb $$;
CREATE FUNCTION public.answer_itself(input jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT workflow.complete_activity((input->>'token')::uuid, '"at once"')
$$;
SELECT workflow.register_activity('bank:ask', 'public.ask(jsonb)');
SELECT workflow.register_activity('bank:self', 'public.answer_itself(jsonb)');

CREATE FUNCTION pg_temp.start(id text, options jsonb DEFAULT '{}', activity text DEFAULT 'ask') RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	PERFORM workflow.register(id, jsonb_build_object('StartAt', 'Ask', 'States', jsonb_build_object('Ask', options ||
		jsonb_build_object('Type', 'Task', 'End', true, 'Resource', 'arn:aws:states:::bank:' || activity || '.waitForTaskToken',
			'Parameters', '{"token.$": "$$.Task.Token"}'::jsonb))));
	PERFORM workflow.start(id, '{}', workflow_id => id);
END $f$;
CREATE FUNCTION pg_temp.token(id text) RETURNS uuid LANGUAGE sql AS $$
	SELECT task_token FROM workflow.pending_activities WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.executions WHERE workflow_id = id
$$;
-- Tokens that an activity was given, one for each attempt.
CREATE FUNCTION pg_temp.given(id text) RETURNS uuid[] LANGUAGE sql AS $$
	SELECT array_agg((input->>'token')::uuid ORDER BY attempt) FROM workflow_test.calls() WHERE workflow_id = id
$$;

SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity('bank:ask');
SELECT workflow_test.allow_activity('bank:self');
SELECT pg_temp.start(id) FROM unnest('{completed,empty,failed,nameless,canceled,terminated}'::text[]) id;
SELECT pg_temp.start('late', '{"TimeoutSeconds": 60}');
SELECT pg_temp.start('retried', '{"Retry": [{"ErrorEquals": ["Busy", "States.Timeout"], "IntervalSeconds": 10, "MaxAttempts": 2}], "TimeoutSeconds": 60}');
SELECT pg_temp.start('delayed', '{"Retry": [{"ErrorEquals": ["Busy"]}]}');
SELECT pg_temp.start('refused', '{"Retry": [{"ErrorEquals": ["Busy"]}]}');
SELECT pg_temp.start('beating', '{"HeartbeatSeconds": 30, "TimeoutSeconds": 100}');
SELECT pg_temp.start('silent', '{"HeartbeatSeconds": 30, "TimeoutSeconds": 100}');
SELECT pg_temp.start('itself', activity => 'self');
SELECT workflow.register_activity('Undo', 'public.ask(jsonb)');
SELECT workflow_test.allow_activity('Undo');
SELECT pg_temp.start('unknown', '{"TimeoutSeconds": 60, "Compensate": {"Resource": "Undo", "When": "Scheduled"}}');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
\o
SELECT plan(39);

\echo # Answers
SELECT is((SELECT status FROM workflow.pending_activities WHERE workflow_id = 'completed'), 'Started', 'the run waits for an answer');
SELECT is((SELECT waiting_for FROM workflow.explain('completed')), 'an answer to the task token of activity "bank:ask"', 'and says so');
SELECT is(pg_temp.token('completed'), (pg_temp.given('completed'))[1], 'the activity was given the token');
SELECT ok(workflow.complete_activity(pg_temp.token('completed'), '{"answer": 42}'), 'an answer is taken');
SELECT ok(NOT workflow.complete_activity((pg_temp.given('completed'))[1], '{"answer": 43}'), 'but one');
SELECT ok(NOT workflow.fail_activity((pg_temp.given('completed'))[1], 'No'), 'of whatever kind');
SELECT ok(workflow.complete_activity(pg_temp.token('empty')), 'no result is a null');
SELECT ok(workflow.fail_activity(pg_temp.token('failed'), 'Declined', 'no money', '{"balance": 0}'), 'a failure is an answer');
SELECT ok(workflow.fail_activity(pg_temp.token('nameless'), NULL), 'one without a name as well');
SELECT ok(NOT workflow.complete_activity('00000000-0000-8000-8000-000000000000'), 'nobody waits for a token made up');
SELECT throws_ok($$ SELECT workflow.complete_activity(NULL) $$, '22004', 'task_token must not be null', 'there must be a token');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:00:02+00');
\o
SELECT is(pg_temp.ended('completed'), 'Completed {"answer": 42}', 'the result is the task''s');
SELECT is(pg_temp.ended('empty'), 'Completed null', 'null too');
SELECT is(pg_temp.ended('failed'), 'Failed Declined no money', 'the failure is the task''s');
SELECT is(pg_temp.ended('nameless'), 'Failed', 'and may have no name');
SELECT is((SELECT attributes->'details' FROM workflow.history WHERE workflow_id = 'failed' AND event_type = 'ActivityTaskFailed'),
	'{"balance": 0}', 'details are kept');
SELECT is(pg_temp.ended('itself'), 'Completed "at once"', 'an activity may answer before it ends');
SELECT ok(NOT workflow.complete_activity((pg_temp.given('completed'))[1]), 'a closed run takes none');

\echo # Retries: each attempt has its token
\o /dev/null
SELECT workflow.fail_activity(pg_temp.token('retried'), 'Busy');
SELECT workflow.fail_activity(pg_temp.token('delayed'), 'Busy', next_retry_delay => '5 minutes');
SELECT workflow.fail_activity(pg_temp.token('refused'), 'Busy', non_retryable => true);
SELECT workflow_test.run('2030-01-01 00:00:20+00');
\o
SELECT is(cardinality(pg_temp.given('retried')), 2, 'a second attempt');
SELECT isnt((pg_temp.given('retried'))[1], (pg_temp.given('retried'))[2], 'with a token of its own');
SELECT ok(NOT workflow.complete_activity((pg_temp.given('retried'))[1]), 'the first one''s answer comes too late');
SELECT is((SELECT due_at FROM workflow.executions WHERE workflow_id = 'delayed'), '2030-01-01 00:05:02+00', 'the answer may say when');
SELECT is(pg_temp.ended('refused'), 'Failed Busy', 'or that there is no use');

\echo # Heartbeats and timeouts
SELECT results_eq($$ SELECT * FROM workflow.heartbeat(pg_temp.token('beating'), '{"done": 1}') $$, $$ VALUES (true, false, false) $$, 'a heartbeat');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:00:45+00');
\o
SELECT is(pg_temp.ended('silent'), 'Failed States.HeartbeatTimeout no heartbeat came with the task''s token in time', 'without, it times out');
SELECT is(pg_temp.ended('beating'), 'Running', 'with one it does not');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:01:30+00');
\o
SELECT is(pg_temp.ended('beating'), 'Failed States.HeartbeatTimeout no heartbeat came with the task''s token in time', 'until the next is due');
SELECT is(pg_temp.ended('late'), 'Failed States.Timeout the task''s token was not answered in time', 'TimeoutSeconds limits the wait');
SELECT results_eq($$ SELECT status, compensates ? 'result' FROM workflow.compensations WHERE workflow_id = 'unknown' $$, $$ VALUES ('Completed', false) $$,
	'what may have been done is undone, if that was recorded when it was scheduled');
SELECT results_eq($$ SELECT ok FROM workflow.heartbeat((pg_temp.given('late'))[1]) $$, $$ VALUES (false) $$, 'a heartbeat that comes too late says so');

\echo # Cancel and terminate
\o /dev/null
SELECT workflow.cancel('canceled');
SELECT workflow.terminate('terminated');
SELECT workflow_test.run('2030-01-01 00:01:40+00');
\o
SELECT is(pg_temp.ended('canceled'), 'Canceled OW.Canceled the workflow was canceled', 'a cancel ends the wait');
SELECT ok(NOT workflow.complete_activity((pg_temp.given('canceled'))[1]), 'and the token');
SELECT is((SELECT status FROM workflow.executions WHERE workflow_id = 'terminated'), 'Terminated', 'so does terminate');

\echo # Inside a Map
\o /dev/null
SELECT workflow.register('each', '{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Ask", "States": {
	"Ask": {"Type": "Task", "Resource": "arn:aws:states:::bank:ask.waitForTaskToken", "End": true,
		"Parameters": {"token.$": "$$.Task.Token", "item.$": "$"}}}}}}}');
SELECT workflow.start('each', '["a", "b"]', workflow_id => 'each');
SELECT workflow_test.run('2030-01-01 00:01:50+00');
SELECT workflow.complete_activity((input->>'token')::uuid, to_jsonb(upper(input->>'item'))) FROM workflow_test.calls() WHERE workflow_id = 'each';
SELECT workflow_test.run('2030-01-01 00:02:00+00');
\o
SELECT is(pg_temp.ended('each'), 'Completed ["A", "B"]', 'each item has its token');

\echo # An activity of the owner, by its plain name
\o /dev/null
SELECT workflow.register_activity('Ask', 'public.ask(jsonb)');
SELECT workflow_test.allow_activity('Ask');
SELECT workflow.register('plain', '{"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "Resource": "Ask.waitForTaskToken", "End": true}}}');
SELECT workflow.start('plain', '{}', workflow_id => 'plain');
SELECT workflow_test.run('2030-01-01 00:02:10+00');
\o
SELECT is((SELECT waiting_for FROM workflow.explain('plain')), 'an answer to the task token of activity "Ask"', 'which is known by its name');
SELECT ok(workflow.complete_activity(pg_temp.token('plain'), '"yes"'), 'waits, too');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:02:20+00');
\o
SELECT is(pg_temp.ended('plain'), 'Completed "yes"', 'for its answer');

\echo # No attempt, no token
\o /dev/null
SELECT workflow.register_activity('UndoFirst', 'public.ask(jsonb)');
SELECT workflow_test.mock_activity('UndoFirst', error => 'NotYet');
SELECT workflow.register('no input', '{"StartAt": "First", "States": {
	"First": {"Type": "Task", "Resource": "bank:ask", "Compensate": "UndoFirst", "Next": "Ask"},
	"Ask": {"Type": "Task", "Resource": "arn:aws:states:::bank:ask.waitForTaskToken", "End": true,
		"Parameters": {"token.$": "$$.Task.Token", "item.$": "$.missing"}}}}');
SELECT workflow.start('no input', '{}', workflow_id => 'no input');
SELECT workflow_test.run('2030-01-01 00:02:10+00');
\o
SELECT is(pg_temp.ended('no input'), 'Running', 'a run that could not evaluate the input is being undone');

\echo # History tells all of it, and nothing is left over
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'no faults');
SELECT * FROM finish();
ROLLBACK;
