-- Requests to activities that wait for their circuit breaker, on a virtual clock, with replay compared throughout.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION public.call(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"done"'::jsonb $$;
SELECT workflow.register_activity(name, 'public.call(jsonb)',
	options => '{"CircuitBreaker": {"FailureThreshold": 3, "WindowSeconds": 60, "OpenSeconds": 30}}')
FROM unnest('{Pay,Undo}'::text[]) name;
SELECT workflow.register_activity('Outside', task_queue => 'outside',
	options => '{"StartToCloseSeconds": 60, "CircuitBreaker": {"FailureThreshold": 3, "OpenSeconds": 30}}');

CREATE FUNCTION pg_temp.now() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow_test.run(workflow_test.now());
END $$;
CREATE FUNCTION pg_temp.start(id text, options jsonb DEFAULT '{}', activity text DEFAULT 'Pay') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.register(id, jsonb_build_object('StartAt', 'Do', 'States', jsonb_build_object('Do',
		jsonb_build_object('Type', 'Task', 'End', true, 'Resource', activity,
			'Retry', '[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 3}]'::jsonb) || options)));
	PERFORM workflow.start(id, workflow_id => id);
	PERFORM pg_temp.now();
END $$;
CREATE FUNCTION pg_temp.pending(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', status, attempt), ', ' ORDER BY branch_id)
	FROM workflow.pending_activities WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error) FROM workflow.executions WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.events(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat(replace(event_type, 'ActivityTask', ''), attributes->>'attempt'), ' ' ORDER BY event_id)
	FROM workflow.history WHERE workflow_id = id AND event_type ~ 'Activity|Timer'
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('Undo', result => '"undone"');
SELECT workflow.open_circuit_breaker('Pay', '1 h');
SELECT pg_temp.start(id) FROM unnest('{paused,reset,kept,options,canceled,terminated}'::text[]) id;
SELECT pg_temp.start('limited', '{"ScheduleToCloseSeconds": 5400}');
\o
SELECT no_plan();
SELECT is(pg_temp.pending('paused'), 'CircuitOpen 1', 'an attempt waits for the circuit breaker');

\echo # Pause and resume
SELECT lives_ok($$ SELECT workflow.pause_activity(id, 'Pay', 'why not') FROM unnest('{paused,kept,limited,canceled,terminated}'::text[]) id $$, 'which is pending');
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.pending('paused'), 'Paused 1', 'and so can be paused');
SELECT is_empty($$ SELECT * FROM workflow.timers WHERE workflow_id = 'paused' $$, 'and has no timer then');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow_test.mock_activity('Pay', result => '"paid"') \g /dev/null
SELECT workflow.resume_activity('paused', 'Pay') \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.pending('paused'), 'CircuitOpen 1', 'resumed, it asks again, and waits again');
SELECT is((SELECT count(*) FROM workflow.timers WHERE workflow_id = 'paused'), 1::bigint, 'with a timer');
SELECT is(pg_temp.events('paused'), 'Scheduled1 Rejected1 Paused1 Unpaused1 Rejected1', 'as history tells');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'and leads there');

\echo # Reset
SELECT workflow.reset_activity('reset', 'Pay'), workflow.reset_activity('kept', 'Do', keep_paused => true) \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.events('reset'), 'Scheduled1 Rejected1 Reset1 Rejected1', 'reset, it asks at once');
SELECT is(pg_temp.pending('kept'), 'Paused 1', 'unless it is to stay paused');
SELECT workflow.update_activity_options('options', 'Pay', '{"ScheduleToCloseSeconds": 10, "Retry": []}') \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.pending('options'), 'CircuitOpen 1', 'other options count when it asks next');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');
SELECT workflow.reset_activity('options', 'Pay') \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.ended('options'), 'Failed OW.CircuitOpen', 'which a reset has it do at once');

\echo # Cancel and terminate while paused
SELECT workflow.cancel('canceled'), workflow.terminate('terminated') \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.ended('canceled'), 'Canceled OW.Canceled', 'canceled');
SELECT is(pg_temp.ended('terminated'), 'Terminated OW.Terminated', 'terminated');

\echo # The circuit closes
\o /dev/null
SELECT workflow_test.advance('2 h');
SELECT workflow.reset_circuit_breaker('Pay');
SELECT pg_temp.now();
\o
SELECT is(pg_temp.ended('paused'), 'Completed "paid"', 'what was resumed is done');
SELECT is(pg_temp.ended('reset'), 'Completed "paid"', 'so is what was reset');
SELECT is(pg_temp.pending('limited'), 'Paused 1', 'not what is paused');
SELECT workflow.resume_activity(id, 'Pay') FROM unnest('{kept,limited}'::text[]) id \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.ended('kept'), 'Completed "paid"', 'until it is resumed, at once');
SELECT is(pg_temp.ended('limited'), 'Completed "paid"', 'within limits that stood still');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');

\echo # Branches
\o /dev/null
SELECT workflow_test.begin(workflow_test.now());
SELECT workflow.open_circuit_breaker('Pay', '1 h');
SELECT workflow.register('each', '{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Do", "States": {
	"Do": {"Type": "Task", "Resource": "Pay", "End": true, "Retry": [{"ErrorEquals": ["States.ALL"]}]}}}}}}');
SELECT workflow.start('each', '["a", "b", "c"]', workflow_id => 'each');
SELECT pg_temp.now();
SELECT workflow.pause_activity('each', 'Do');
SELECT pg_temp.now();
\o
SELECT is(pg_temp.pending('each'), 'Paused 1, Paused 1, Paused 1', 'branches are paused');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.reset_circuit_breaker('Pay');
SELECT workflow_test.mock_activity('Pay', result => '"paid"');
SELECT workflow.reset_activity('each', 'Do');
SELECT pg_temp.now();
\o
SELECT is(pg_temp.ended('each'), 'Completed ["paid", "paid", "paid"]', 'and go on when they are reset');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');

\echo # Compensations
\o /dev/null
SELECT workflow_test.begin(workflow_test.now());
SELECT workflow_test.mock_activity('Pay', result => '"paid"', times => 1);
SELECT workflow_test.mock_activity('Pay', error => 'Broke');
SELECT workflow_test.mock_activity('Undo', result => '"undone"');
SELECT workflow.open_circuit_breaker('Undo', '1 h');
SELECT workflow.register('saga', '{"StartAt": "One", "States": {
	"One": {"Type": "Task", "Resource": "Pay", "Compensate": "Undo", "Next": "Two"}, "Two": {"Type": "Task", "Resource": "Pay", "End": true}}}');
SELECT workflow.start('saga', workflow_id => 'saga');
SELECT pg_temp.now();
\o
SELECT is(pg_temp.pending('saga'), 'CircuitOpen 1', 'one waits');
SELECT lives_ok($$ SELECT workflow.pause_activity('saga', 'Undo') $$, 'is pending');
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.pending('saga'), 'Paused 1', 'and paused');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow.reset_circuit_breaker('Undo') \g /dev/null
SELECT workflow.resume_activity('saga', 'One') \g /dev/null
SELECT pg_temp.now() \g /dev/null
SELECT is(pg_temp.ended('saga'), 'Failed Broke', 'resumed, it is done');
SELECT is((SELECT string_agg(status, ' ') FROM workflow.compensations WHERE workflow_id = 'saga'), 'Completed', 'indeed');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');

\echo # What was done before a reset is undone all the same
\o /dev/null
SELECT pg_temp.start('known', '{"TaskQueue": "known", "Compensate": {"Resource": "Undo", "When": "Scheduled"},
	"Retry": [{"ErrorEquals": ["Down"]}]}', 'Outside');
SELECT workflow.fail_activity(task_token, 'Down') FROM workflow.poll_activity('known', 'w');
SELECT pg_temp.now();
SELECT workflow.open_circuit_breaker('Outside', '1 h');
SELECT workflow.reset_activity('known', 'Do');
SELECT pg_temp.now();
\o
SELECT is(pg_temp.events('known'), 'Scheduled1 Queued1 Failed1 Reset1 Scheduled1 Rejected1 Scheduled1 Completed1', 'the first attempt again is not made');
SELECT is((SELECT string_agg(concat_ws(' ', activity, status), ', ') FROM workflow.compensations WHERE workflow_id = 'known'), 'Undo Completed',
	'but the one before is undone');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');
SELECT * FROM finish();
ROLLBACK;
