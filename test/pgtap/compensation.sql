-- Compensations: in which order, with what, and what becomes of those that fail.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.nothing(jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity(name, 'public.nothing(jsonb)')
FROM unnest('{A,B,C,UndoA,UndoB,UndoC,Notify}'::text[]) name;
CREATE FUNCTION pg_temp.compensations(id text) RETURNS TABLE (activity text, status text, attempts int)
	LANGUAGE sql AS $$
	SELECT activity, status, attempts FROM workflow.compensations WHERE workflow_id = id ORDER BY sequence $$;

-- Three steps, each with its compensation; whatever fails, fails the run with that.
SELECT workflow.register('saga', $asl${
	"StartAt": "A",
	"States": {
		"A": {"Type": "Task", "Resource": "A", "ResultPath": null, "Compensate": "UndoA", "Next": "B"},
		"B": {"Type": "Task", "Resource": "B", "ResultPath": null, "Compensate": "UndoB", "Next": "C"},
		"C": {"Type": "Task", "Resource": "C", "Compensate": "UndoC", "End": true}
	}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.start('saga', jsonb_build_object('id', id), workflow_id => id)
FROM unnest('{completes,fails,undo fails thrice,undo never works,undo is hopeless,reopened,terminated}'::text[]) id;
SELECT workflow_test.mock_activity('C', error => 'Broken', message => 'the original error', non_retryable => true,
	input => jsonb_build_object('id', id))
FROM unnest('{fails,undo fails thrice,undo never works,undo is hopeless,reopened,terminated}'::text[]) id;
SELECT workflow_test.mock_activity('UndoB', error => 'Unavailable', times => 3, input => '{"id": "undo fails thrice"}');
SELECT workflow_test.mock_activity('UndoB', error => 'Unavailable', message => 'never', input => '{"id": "undo never works"}',
	times => 10);
SELECT workflow_test.mock_activity('UndoB', error => 'Hopeless', non_retryable => true, times => 1,
	input => jsonb_build_object('id', id))
FROM unnest('{undo is hopeless,reopened}'::text[]) id;
SELECT workflow_test.mock_activity('UndoB', error => 'Unavailable', input => '{"id": "terminated"}');
SELECT workflow_test.mock_activity(name) FROM unnest('{A,B,C,UndoA,UndoB,UndoC}'::text[]) name;
SELECT workflow_test.at('5 s', $$ SELECT workflow.cancel('undo never works') $$);
SELECT workflow_test.at('5 s', $$ SELECT workflow.terminate('terminated') $$);
SELECT workflow_test.run('2030-01-01 00:00:02+00');
\o

SELECT plan(62);

SELECT is_empty('SELECT * FROM pg_temp.faults()', 'half-way, each history leads to the state of its run');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('undo fails thrice') $$,
	$$ VALUES ('UndoA', 'Recorded', 0), ('UndoB', 'Recorded', 2) $$, 'half-way, one is tried for the third time soon');
SELECT workflow_test.run() \g /dev/null

SELECT workflow_test.completed('completes');
SELECT workflow_test.compensated('completes', '{}');
SELECT is_empty($$ SELECT pg_temp.compensations('completes') $$, 'a run that completes keeps no compensation');
SELECT workflow_test.failed('fails', 'Broken');
SELECT workflow_test.compensated('fails', '{UndoB,UndoA}');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('fails') $$,
	$$ VALUES ('UndoA', 'Completed', 1), ('UndoB', 'Completed', 1) $$, 'compensations that ran are kept');

-- Without a Retry: ten attempts, a second after the first, doubling, at most a minute.
SELECT workflow_test.failed('undo fails thrice', 'Broken');
SELECT workflow_test.activities_called('undo fails thrice', '{A,B,C,UndoB,UndoB,UndoB,UndoB,UndoA}');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('undo fails thrice') $$,
	$$ VALUES ('UndoA', 'Completed', 1), ('UndoB', 'Completed', 4) $$, 'one that fails three times succeeds at last');
SELECT is(closed_at - started_at, interval '7 s', 'after 1, 2 and 4 s')
FROM workflow.executions WHERE workflow_id = 'undo fails thrice';

SELECT workflow_test.failed('undo never works', 'Broken');
SELECT is(cause, 'the original error', 'the original error stays')
FROM workflow.executions WHERE workflow_id = 'undo never works';
SELECT workflow_test.compensated('undo never works', '{UndoA}');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('undo never works') $$,
	$$ VALUES ('UndoA', 'Completed', 1), ('UndoB', 'Failed', 10) $$, 'one that never succeeds is given up, the others run');
SELECT is(failure, '{"Error": "Unavailable", "Cause": "never"}', 'it tells why')
FROM workflow.compensations WHERE workflow_id = 'undo never works' AND activity = 'UndoB';
SELECT is(closed_at - started_at, make_interval(secs => 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60), 'after nine back-offs')
FROM workflow.executions WHERE workflow_id = 'undo never works';
SELECT is(status, 'Failed', 'a cancel while compensations run changes nothing')
FROM workflow.executions WHERE workflow_id = 'undo never works';
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('undo is hopeless') $$,
	$$ VALUES ('UndoA', 'Completed', 1), ('UndoB', 'Failed', 1) $$, 'one that is not retryable fails at once');
SELECT is(status, 'Terminated', 'a terminate ends compensating')
FROM workflow.executions WHERE workflow_id = 'terminated';
SELECT workflow_test.compensated('terminated', '{}');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

-- Tried again after the run closed: only what failed, and the run closes as it had.
\o /dev/null
SELECT workflow.retry_compensation('undo never works');
SELECT workflow.retry_compensation(run_id) FROM workflow.executions WHERE workflow_id = 'reopened';
\o
SELECT is(status, 'Running', 'a run is open again for its failed compensation')
FROM workflow.executions WHERE workflow_id = 'reopened';
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'with the state that its history leads to');
SELECT workflow_test.run() \g /dev/null
SELECT workflow_test.activities_called('undo never works',
	'{A,B,C}'::text[] || array_fill('UndoB'::text, ARRAY[10]) || '{UndoA,UndoB}'::text[]);
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('undo never works') $$,
	$$ VALUES ('UndoA', 'Completed', 1), ('UndoB', 'Completed', 1) $$, 'it succeeds, once whatever hindered it is mended');
SELECT workflow_test.failed('undo never works', 'Broken');
SELECT is(cause, 'the original error', 'and the original error stays still')
FROM workflow.executions WHERE workflow_id = 'undo never works';
SELECT workflow_test.activities_called('reopened', '{A,B,C,UndoB,UndoA,UndoB}');
SELECT throws_ok($$ SELECT workflow.retry_compensation('undo never works') $$, 'OW012', NULL,
	'then there is nothing left to try again');
SELECT throws_ok($$ SELECT workflow.retry_compensation('completes') $$, 'OW012', NULL, 'nor was there in one that completed');
SELECT throws_ok($$ SELECT workflow.retry_compensation('nobody') $$, 'OW005', NULL, 'nor in one that never was');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

-- Twice: it may fail again.  Meanwhile a new run of the same id forbids it.
SELECT workflow_test.mock_activity('UndoA') \g /dev/null
SELECT workflow.retry_compensation('undo is hopeless') \g /dev/null
SELECT workflow.retry_compensation('undo is hopeless') \g /dev/null
SELECT workflow_test.run() \g /dev/null
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('undo is hopeless') $$,
	$$ VALUES ('UndoA', 'Completed', 1), ('UndoB', 'Completed', 1) $$, 'two requests are as good as one');

-- With what: the task's own input, or Parameters over the output; and the forward call.
\o /dev/null
CREATE TABLE undone (activity text, input jsonb, compensates jsonb, key text);
CREATE FUNCTION public.undo(input jsonb, c workflow.activity_context) RETURNS void LANGUAGE sql
	AS $$ INSERT INTO undone VALUES (c.activity, input, c.compensates, c.idempotency_key) $$;
SELECT workflow.register_activity(name, 'public.undo(jsonb, workflow.activity_context)')
FROM unnest('{UndoA,UndoB,UndoC}'::text[]) name;
SELECT workflow.register('with what', $asl${
	"StartAt": "A",
	"States": {
		"A": {"Type": "Task", "Resource": "A", "Parameters": {"amount.$": "$.amount"}, "ResultPath": "$.a",
			"Compensate": "UndoA", "Next": "Change"},
		"Change": {"Type": "Pass", "Result": 0, "ResultPath": "$.amount", "Next": "B"},
		"B": {"Type": "Task", "Resource": "B", "ResultPath": "$.b",
			"Compensate": {"Resource": "UndoB", "Parameters": {"a.$": "$.a", "b.$": "$.b", "result.$": "$$.Task.Result",
				"state.$": "$$.State.Name"}},
			"Next": "C"},
		"C": {"Type": "Task", "Resource": "C", "Compensate": {"Resource": "UndoC", "When": "Scheduled",
				"Parameters": {"amount.$": "$.amount"}}, "Next": "Fail"},
		"Fail": {"Type": "Fail", "Error": "Enough"}
	}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity(name) FROM unnest('{UndoA,UndoB,UndoC}'::text[]) name;
SELECT workflow_test.mock_activity(name, to_jsonb(lower(name) || ' done')) FROM unnest('{A,B,C}'::text[]) name;
SELECT workflow.start('with what', '{"amount": 5}', workflow_id => 'with what');
SELECT workflow_test.run();
\o
SELECT results_eq(
	$$ SELECT activity, input, compensates - 'idempotency_key' FROM undone $$,
	$$ VALUES
		('UndoC', '{"amount": 0}'::jsonb,
			'{"state": "C", "input": {"amount": 0, "a": "a done", "b": "b done"}, "result": "c done"}'::jsonb),
		('UndoB', '{"a": "a done", "b": "b done", "result": "b done", "state": "B"}',
			'{"state": "B", "input": {"amount": 0, "a": "a done"}, "result": "b done"}'),
		('UndoA', '{"amount": 5}', '{"state": "A", "input": {"amount": 5}, "result": "a done"}') $$,
	'a compensation gets its input as it was then, and the call it undoes');
SELECT results_eq(
	$$ SELECT compensates->>'idempotency_key', key FROM undone WHERE activity = 'UndoA' $$,
	$$ SELECT run_id || ':A:1', run_id || ':A:1:compensate' FROM workflow.executions WHERE workflow_id = 'with what' $$,
	'and the key of that');

-- When scheduled: recorded before the attempt, dropped when it fails for good, since nothing has happened.
\o /dev/null
SELECT workflow.register('scheduled', $asl${
	"StartAt": "A",
	"States": {
		"A": {"Type": "Task", "Resource": "A", "Compensate": {"Resource": "UndoA", "When": "Scheduled"},
			"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}],
			"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "B"}], "Next": "B"},
		"B": {"Type": "Task", "Resource": "B", "ResultPath": null, "Compensate": {"Resource": "UndoB", "When": "Scheduled"}, "Next": "Fail"},
		"Fail": {"Type": "Fail", "Error": "Enough"}
	}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('A', error => 'Broken', times => 1, input => '{"id": "retried"}');
SELECT workflow_test.mock_activity('A', error => 'Broken', input => '{"id": "given up"}');
SELECT workflow_test.mock_activity('A', error => 'Broken', input => '{"id": "in time"}');
SELECT workflow_test.mock_activity('A', '{"id": "a"}');
SELECT workflow_test.mock_activity('B', '"b"'), workflow_test.mock_activity('UndoA'), workflow_test.mock_activity('UndoB');
SELECT workflow.start('scheduled', jsonb_build_object('id', id), workflow_id => id)
FROM unnest('{retried,given up,in time}'::text[]) id;
SELECT workflow_test.at('0.5 s', $$ SELECT workflow.cancel('in time') $$);
SELECT workflow_test.run('2030-01-01 00:00:00.2+00');
\o
SELECT results_eq($$ SELECT compensates->'state', compensates->'result' FROM workflow.compensations WHERE workflow_id = 'retried' $$,
	$$ VALUES ('"A"'::jsonb, NULL::jsonb) $$, 'it is recorded before the attempt succeeds');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'meanwhile, each history leads to the state of its run');
SELECT workflow_test.run() \g /dev/null
SELECT workflow_test.compensated('retried', '{UndoB,UndoA}');
SELECT is(compensates->'result', '{"id": "a"}', 'its result is filled in')
FROM workflow.compensations WHERE workflow_id = 'retried' AND activity = 'UndoA';
SELECT workflow_test.compensated('given up', '{UndoB}');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('given up') $$, $$ VALUES ('UndoB', 'Completed', 1) $$,
	'that of a task that failed for good is dropped');
SELECT is(status, 'Canceled', 'a run is canceled in its back-off') FROM workflow.executions WHERE workflow_id = 'in time';
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

-- A Compensate state: in the middle, and again at the end for what came after it.
\o /dev/null
SELECT workflow.register('undo', $asl${
	"StartAt": "A",
	"Defaults": {"ResultPath": "$.{State}"},
	"OnError": "Undo",
	"States": {
		"A": {"Type": "Task", "Resource": "A", "Compensate": "UndoA", "Next": "B"},
		"B": {"Type": "Task", "Resource": "B", "Compensate": {"Resource": "UndoB", "Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}]}, "Next": "C"},
		"C": {"Type": "Task", "Resource": "C", "End": true},
		"Undo": {"Type": "Compensate", "Next": "Notify"},
		"Notify": {"Type": "Task", "Resource": "Notify", "Parameters": {"error.$": "$$.Execution.Error"}, "Compensate": "UndoC", "Next": "Choose"},
		"Choose": {"Type": "Choice", "Choices": [{"Variable": "$.complete", "BooleanEquals": true, "Next": "Succeed"}], "Default": "Fail"},
		"Succeed": {"Type": "Succeed", "OutputPath": "$.id"},
		"Fail": {"Type": "Fail", "Error": "Undone", "Cause": "everything"}
	}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('C', error => 'Broken', message => 'C broke', details => '{"why": 1}');
SELECT workflow_test.mock_activity('UndoB', error => 'Broken', times => 1, input => '{"id": "undo"}');
SELECT workflow_test.mock_activity('UndoB', error => 'Broken', input => '{"id": "undo in part"}');
SELECT workflow_test.mock_activity('Notify', error => 'MailError', input => '{"error": {"State": "C"}}', times => 1);
SELECT workflow_test.mock_activity(name) FROM unnest('{A,B,UndoA,UndoB,UndoC,Notify}'::text[]) name;
SELECT workflow.start('undo', '{"id": "no mail"}', workflow_id => 'no mail');
SELECT workflow_test.run();
SELECT workflow.start('undo', jsonb_build_object('id', id, 'complete', complete), workflow_id => id)
FROM (VALUES ('undo', true), ('undo in part', false)) AS w (id, complete);
SELECT workflow_test.at('0.5 s', $$ SELECT workflow.cancel('undo in part') $$);
SELECT workflow_test.run();
\o
SELECT workflow_test.failed('no mail', 'MailError');
SELECT workflow_test.activities_called('no mail', '{A,B,C,UndoB,UndoA,Notify}');
SELECT workflow_test.state_path('no mail', '{A,B,C,Undo,Notify}');
SELECT workflow_test.completed('undo', '"undo"');
SELECT workflow_test.state_path('undo', '{A,B,C,Undo,Notify,Choose,Succeed}');
SELECT workflow_test.compensated('undo', '{UndoB,UndoA}');
SELECT is(input, '{"error": {"Error": "Broken", "Cause": "C broke", "Details": {"why": 1}, "State": "C", "Activity": "C", "Attempt": 1}}',
	'the states behind OnError know the error')
FROM workflow_test.calls() WHERE workflow_id = 'undo' AND activity = 'Notify';
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('undo in part') $$,
	$$ VALUES ('UndoA', 'Completed', 1), ('UndoB', 'Failed', 2) $$, 'the run goes on though one compensation failed');
SELECT is(status, 'Canceled', 'a cancel while it compensates takes effect after that')
FROM workflow.executions WHERE workflow_id = 'undo in part';
SELECT workflow_test.state_path('undo in part', '{A,B,C,Undo}');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

-- While it is open, too: a run that waits after a compensation failed.
\o /dev/null
SELECT workflow.register('undo and wait', $asl${
	"StartAt": "A",
	"OnError": "Undo",
	"States": {
		"A": {"Type": "Task", "Resource": "A", "Compensate": {"Resource": "UndoA", "Retry": []}, "Next": "C"},
		"C": {"Type": "Task", "Resource": "C", "End": true},
		"Undo": {"Type": "Compensate", "Next": "Wait"},
		"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Undo again"},
		"Undo again": {"Type": "Compensate", "Next": "Fail"},
		"Fail": {"Type": "Fail", "Error": "Undone"}
	}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('UndoA', error => 'Broken', times => 1);
SELECT workflow_test.mock_activity('C', error => 'Broken');
SELECT workflow_test.mock_activity(name) FROM unnest('{A,UndoA}'::text[]) name;
SELECT workflow.start('undo and wait', workflow_id => 'undo and wait');
SELECT workflow_test.at('10 s', $$ SELECT workflow.retry_compensation('undo and wait') $$);
SELECT workflow_test.run('2030-01-01 00:00:05+00');
\o
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('undo and wait') $$,
	$$ VALUES ('UndoA', 'Failed', 1) $$, 'a compensation has failed in an open run');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'which is as its history says');
SELECT workflow_test.run('2030-01-01 00:00:20+00') \g /dev/null
SELECT results_eq($$ SELECT status, state FROM workflow.executions WHERE workflow_id = 'undo and wait' $$,
	$$ VALUES ('Running', 'Wait') $$, 'a retry does not disturb the state the run is in');
SELECT results_eq($$ SELECT * FROM pg_temp.compensations('undo and wait') $$,
	$$ VALUES ('UndoA', 'Recorded', 1) $$, 'the compensation runs with the next Compensate state');
SELECT workflow_test.run() \g /dev/null
SELECT workflow_test.activities_called('undo and wait', '{A,C,UndoA,UndoA}');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

SELECT * FROM finish();
ROLLBACK;
