-- How runs begin and end: delays, timeouts, cancels and terminates in each phase, and the paths that lead on
-- from an error, a cancel or a timeout.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.nothing(jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity(name, 'public.nothing(jsonb)') FROM unnest('{A,B,UndoA,Slow,Clean}'::text[]) name;

-- Each phase that a run may be in when somebody asks it to end, or its time is over.
SELECT workflow.register('phases', $asl${
	"StartAt": "A",
	"States": {
		"A": {"Type": "Task", "Resource": "A", "ResultPath": null, "Compensate": "UndoA", "Next": "Choose"},
		"Choose": {"Type": "Choice", "Choices": [
			{"Variable": "$.to", "StringEquals": "wait", "Next": "Wait"},
			{"Variable": "$.to", "StringEquals": "retry", "Next": "Retry"},
			{"Variable": "$.to", "StringEquals": "compensate", "Next": "Undo"}], "Default": "Fail"},
		"Wait": {"Type": "Wait", "Seconds": 3600, "End": true},
		"Retry": {"Type": "Task", "Resource": "B", "Retry": [{"ErrorEquals": ["Broken"], "IntervalSeconds": 3600}], "End": true},
		"Undo": {"Type": "Compensate", "Next": "Wait"},
		"Fail": {"Type": "Fail", "Error": "Enough"}
	}}$asl$);
-- The same with paths of their own.
SELECT workflow.register('handled', definition || '{"OnError": "Cleaning", "OnCancel": "Cleaning", "OnTimeout": "Cleaning"}' ||
	jsonb_build_object('States', (definition->'States') || $asl${
		"Cleaning": {"Type": "Task", "Resource": "Clean", "Parameters": {"error.$": "$$.Execution.Error.Error", "to.$": "$.to"},
			"ResultPath": null, "Next": "Cleaned"},
		"Cleaned": {"Type": "Choice", "Choices": [{"Variable": "$.then", "IsPresent": false, "Next": "Done"},
			{"Variable": "$.then", "StringEquals": "fail", "Next": "Fail"}], "Default": "Wait"},
		"Done": {"Type": "Succeed", "OutputPath": "$.to"}}$asl$::jsonb))
FROM workflow.definitions WHERE workflow = 'phases';

SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('B', error => 'Broken');
SELECT workflow_test.mock_activity('UndoA', error => 'Broken', input => '{"to": "compensate"}', times => 18);
SELECT workflow_test.mock_activity('Clean', error => 'Broken', input => '{"to": "broken"}');
SELECT workflow_test.mock_activity(name) FROM unnest('{A,UndoA,Clean}'::text[]) name;

CREATE FUNCTION pg_temp.start(workflow text, how text, phase text, more jsonb DEFAULT '{}') RETURNS uuid LANGUAGE sql AS $$
	SELECT workflow.start(workflow, jsonb_build_object('to', phase) || more, workflow_id => concat_ws(' ', workflow, how, phase),
		start_delay => CASE WHEN phase = 'delay' THEN interval '1 hour' END,
		execution_timeout => CASE how WHEN 'timeout' THEN interval '5 s' END)
$$;
SELECT pg_temp.start(workflow, how, phase)
FROM unnest('{phases,handled}'::text[]) workflow, unnest('{cancel,terminate,timeout}'::text[]) how,
	unnest('{delay,wait,retry,compensate}'::text[]) phase;
-- Asked before they have begun, in the same transaction, or twice.
SELECT pg_temp.start(workflow, how, 'begin') FROM unnest('{phases,handled}'::text[]) workflow, unnest('{cancel,terminate}'::text[]) how;
SELECT workflow.cancel(workflow_id), workflow.cancel(workflow_id) FROM workflow.executions WHERE workflow_id LIKE '% cancel begin';
SELECT workflow.terminate(workflow_id) FROM workflow.executions WHERE workflow_id LIKE '% terminate begin';
SELECT workflow_test.at('5 s', $$ SELECT workflow.cancel(workflow_id, 'enough') FROM workflow.executions
	WHERE workflow_id LIKE '% cancel %' AND status = 'Running' $$);
SELECT workflow_test.at('5 s', $$ SELECT workflow.terminate(workflow_id, 'enough') FROM workflow.executions
	WHERE workflow_id LIKE '% terminate %' AND status = 'Running' $$);
SELECT workflow_test.run('2030-01-01 00:00:04+00');
\o

SELECT plan(49);

SELECT is_empty('SELECT * FROM pg_temp.faults()', 'in each phase, each history leads to the state of its run');
SELECT results_eq($$ SELECT phase, count(*) FROM workflow.execution GROUP BY phase ORDER BY phase $$,
	$$ VALUES ('Backoff', 6::bigint), ('CompensateBackoff', 6), ('New', 6), ('Wait', 6) $$, 'they are in these phases');
SELECT results_eq($$ SELECT kind, count(*) FROM workflow.timers GROUP BY kind ORDER BY kind $$,
	$$ VALUES ('Backoff', 6::bigint), ('CompensateBackoff', 6), ('Deadline', 6), ('StartDelay', 6), ('Wait', 6) $$,
	'and wait for these timers');
SELECT workflow_test.run('2030-01-01 00:59:00+00') \g /dev/null
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

-- Without paths: compensations, then the end.
CREATE FUNCTION pg_temp.endings(pattern text) RETURNS TABLE (id text, status text, error text, after int) LANGUAGE sql AS $$
	SELECT workflow_id COLLATE "default", status, error, EXTRACT(epoch FROM closed_at - timestamptz '2030-01-01 00:00:00+00')::int
	FROM workflow.executions WHERE workflow_id LIKE pattern ORDER BY workflow_id $$;
SELECT results_eq($$ SELECT * FROM pg_temp.endings('phases cancel %') $$,
	$$ VALUES ('phases cancel begin', 'Canceled', 'OW.Canceled', 0), ('phases cancel compensate', 'Canceled', 'OW.Canceled', 7),
		('phases cancel delay', 'Canceled', 'OW.Canceled', 5), ('phases cancel retry', 'Canceled', 'OW.Canceled', 5),
		('phases cancel wait', 'Canceled', 'OW.Canceled', 5) $$,
	'canceled: at once, but not before compensations have run');
SELECT results_eq($$ SELECT * FROM pg_temp.endings('phases terminate %') $$,
	$$ VALUES ('phases terminate begin', 'Terminated', 'OW.Terminated', 0), ('phases terminate compensate', 'Terminated', 'OW.Terminated', 5),
		('phases terminate delay', 'Terminated', 'OW.Terminated', 5), ('phases terminate retry', 'Terminated', 'OW.Terminated', 5),
		('phases terminate wait', 'Terminated', 'OW.Terminated', 5) $$,
	'terminated: at once, whatever it does');
SELECT results_eq($$ SELECT * FROM pg_temp.endings('phases timeout %') WHERE id !~ 'delay' $$,
	$$ VALUES ('phases timeout compensate', 'TimedOut', 'States.Timeout', 7), ('phases timeout retry', 'TimedOut', 'States.Timeout', 5),
		('phases timeout wait', 'TimedOut', 'States.Timeout', 5) $$,
	'timed out: as canceled');
SELECT workflow_test.compensated('phases cancel wait', '{UndoA}');
SELECT workflow_test.compensated('phases terminate wait', '{}');
SELECT workflow_test.compensated('phases timeout retry', '{UndoA}');
SELECT workflow_test.activities_called('phases cancel begin', '{}');
SELECT workflow_test.activities_called('phases cancel delay', '{}');
SELECT is(count(*), 2::bigint, 'a second cancel is told in history, too')
FROM workflow.history WHERE workflow_id = 'handled cancel begin' AND event_type = 'WorkflowExecutionCancelRequested';
SELECT is(attributes->>'reason', 'enough', 'the reason is kept')
FROM workflow.history WHERE workflow_id = 'phases cancel wait' AND event_type = 'WorkflowExecutionCancelRequested';
SELECT is(cause, 'enough', 'that of a terminate is its cause') FROM workflow.executions WHERE workflow_id = 'phases terminate wait';
SELECT throws_ok($$ SELECT workflow.cancel('phases cancel wait') $$, 'OW009', NULL, 'what has closed cannot be canceled');
SELECT throws_ok($$ SELECT workflow.terminate('phases cancel wait') $$, 'OW009', NULL, 'nor terminated');
SELECT throws_ok($$ SELECT workflow.cancel('nobody') $$, 'OW005', NULL, 'nor what never was');
SELECT throws_ok($$ SELECT workflow.result('phases cancel wait') $$, 'OW102', NULL, 'its result tells that it was canceled');
SELECT throws_ok($$ SELECT workflow.result('phases terminate wait') $$, 'OW103', NULL, 'or terminated');
SELECT throws_ok($$ SELECT workflow.result('phases timeout wait') $$, 'OW104', NULL, 'or timed out');

-- With paths: those are taken, with the error, and the status stays what it was.
SELECT results_eq($$ SELECT id, status, after FROM pg_temp.endings('handled cancel %') $$,
	$$ VALUES ('handled cancel begin', 'Canceled', 0), ('handled cancel compensate', 'Canceled', 7),
		('handled cancel delay', 'Canceled', 5), ('handled cancel retry', 'Canceled', 5), ('handled cancel wait', 'Canceled', 5) $$,
	'a run that completes after OnCancel is canceled');
SELECT workflow_test.activities_called('handled cancel wait', '{A,Clean,UndoA}');
SELECT is(input->>'error', 'OW.Canceled', 'its path knows that it was canceled')
FROM workflow_test.calls() WHERE workflow_id = 'handled cancel wait' AND activity = 'Clean';
SELECT results_eq($$ SELECT id, status, after FROM pg_temp.endings('handled timeout %') WHERE id !~ 'delay' $$,
	$$ VALUES ('handled timeout compensate', 'TimedOut', 7), ('handled timeout retry', 'TimedOut', 5), ('handled timeout wait', 'TimedOut', 5) $$,
	'one that completes after OnTimeout has timed out');
SELECT is(input->>'error', 'States.Timeout', 'its path knows that')
FROM workflow_test.calls() WHERE workflow_id = 'handled timeout wait' AND activity = 'Clean';
SELECT is(count(*), 0::bigint, 'a terminate takes no path')
FROM workflow_test.calls() WHERE workflow_id LIKE '% terminate %' AND activity = 'Clean';

-- The time to close in counts from the delayed beginning.
SELECT workflow_test.run() \g /dev/null
SELECT results_eq($$ SELECT id, status, after FROM pg_temp.endings('% timeout delay') $$,
	$$ VALUES ('handled timeout delay', 'Failed', 3600), ('phases timeout delay', 'Failed', 3600) $$,
	'a delayed run begins an hour later');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

-- Paths that go wrong, or long: no path is taken twice, and the status is sticky.
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('B', error => 'Broken', non_retryable => true);
SELECT workflow_test.mock_activity('Clean', error => 'Dirty', non_retryable => true, input => '{"to": "wait"}', times => 1);
SELECT workflow_test.mock_activity(name) FROM unnest('{A,UndoA,Clean}'::text[]) name;
SELECT pg_temp.start('handled', 'cancel', 'wait', '{"then": "broken"}');
SELECT workflow_test.at('1 s', $$ SELECT workflow.cancel('handled cancel wait') $$);
SELECT workflow_test.run('2030-01-01 00:00:02+00');
SELECT workflow.start('handled', '{"to": "wait", "then": "fail"}', workflow_id => 'canceled, fails');
SELECT workflow.start('handled', '{"to": "wait", "then": "wait"}', workflow_id => 'canceled, waits');
SELECT workflow.start('handled', '{"to": "wait", "then": "wait"}', workflow_id => 'timed out, canceled', execution_timeout => '10 s');
SELECT workflow.start('handled', '{"to": "wait", "then": "wait"}', workflow_id => 'canceled, terminated');
SELECT workflow.start('handled', '{"to": "retry"}', workflow_id => 'fails');
SELECT workflow.start('handled', '{"to": "retry", "then": "fail"}', workflow_id => 'fails twice');
SELECT workflow.start('handled', '{"to": "retry", "then": "wait"}', workflow_id => 'fails, canceled');
SELECT workflow.start('handled', '{"to": "broken"}', workflow_id => 'Fail state');
SELECT workflow_test.at('1 s', $$ SELECT workflow.cancel(id) FROM unnest('{"canceled, fails","canceled, waits","canceled, terminated"}'::text[]) id $$);
SELECT workflow_test.at('20 s', $$ SELECT workflow.cancel(id)
	FROM unnest('{"canceled, waits","timed out, canceled","fails, canceled"}'::text[]) id $$);
SELECT workflow_test.at('20 s', $$ SELECT workflow.terminate('canceled, terminated') $$);
SELECT workflow_test.run('2030-01-01 00:00:30+00');
\o
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'half-way, each history leads to the state of its run');
SELECT is(status, 'Running', 'a cancel does not end the path that a cancel has led to')
FROM workflow.executions WHERE workflow_id = 'canceled, waits';
SELECT workflow_test.run() \g /dev/null
SELECT is(status || ' ' || COALESCE(error, '-'), ending, workflow_id || ': ' || ending)
FROM (VALUES
	('handled cancel wait', 'Canceled Dirty', '2030-01-01 00:00:01+00'),
	('canceled, fails', 'Canceled Enough', NULL),
	('canceled, waits', 'Canceled -', NULL),
	('timed out, canceled', 'TimedOut -', NULL),
	('canceled, terminated', 'Terminated OW.Terminated', NULL),
	('fails', 'Completed -', NULL),
	('fails twice', 'Failed Enough', NULL),
	('fails, canceled', 'Canceled OW.Canceled', NULL),
	('Fail state', 'Failed Enough', NULL)) AS w (id, ending, at)
JOIN workflow.executions ON workflow_id = id AND (at IS NULL OR closed_at = at::timestamptz);
SELECT workflow_test.completed('fails', '"retry"');
SELECT workflow_test.activities_called('fails', '{A,B,Clean}');
SELECT workflow_test.activities_called('Fail state', '{A,UndoA}');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

-- TimeoutSeconds of the workflow; the sooner of it and the run's own counts.
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register('limited', '{"StartAt": "Wait", "TimeoutSeconds": 10,
	"States": {"Wait": {"Type": "Wait", "SecondsPath": "$.s", "End": true}}}');
SELECT workflow.start('limited', '{"s": 9}', workflow_id => 'in time');
SELECT workflow.start('limited', '{"s": 10}', workflow_id => 'at the same time');
SELECT workflow.start('limited', '{"s": 11}', workflow_id => 'too late');
SELECT workflow.start('limited', '{"s": 8}', workflow_id => 'sooner', execution_timeout => '5 s');
SELECT workflow.start('limited', '{"s": 11}', workflow_id => 'not later', execution_timeout => '1 hour');
SELECT workflow.start('limited', '{"s": 9}', workflow_id => 'delayed', start_delay => '1 minute');
SELECT workflow_test.run();
\o
SELECT results_eq(
	$$ SELECT workflow_id COLLATE "default", status, EXTRACT(epoch FROM closed_at - started_at)::int
		FROM workflow.executions WHERE workflow = 'limited' ORDER BY workflow_id $$,
	$$ VALUES ('at the same time', 'TimedOut', 10), ('delayed', 'Completed', 69), ('in time', 'Completed', 9),
		('not later', 'TimedOut', 10), ('sooner', 'TimedOut', 5), ('too late', 'TimedOut', 10) $$,
	'the sooner limit counts, from when the run begins');

-- Public errors: of the Fail state, else of the workflow.
\o /dev/null
SELECT workflow.register('public', $asl${
	"StartAt": "Choose",
	"Public": {"Code": "Sorry", "Message": "We are sorry."},
	"States": {
		"Choose": {"Type": "Choice", "Choices": [
			{"Variable": "$.fail", "StringEquals": "own", "Next": "Own"},
			{"Variable": "$.fail", "StringEquals": "paths", "Next": "Paths"}], "Default": "None"},
		"Own": {"Type": "Fail", "Error": "Secret", "Cause": "for us only", "Public": {"Code": "SoldOut"}},
		"Paths": {"Type": "Fail", "ErrorPath": "$.fail", "CausePath": "$.cause"},
		"None": {"Type": "Fail"}
	}}$asl$);
SELECT workflow.start('public', jsonb_build_object('fail', id, 'cause', 'because'), workflow_id => 'public ' || id)
FROM unnest('{own,paths,none}'::text[]) id;
SELECT workflow_test.run();
\o
SELECT results_eq($$ SELECT error, cause, public_error FROM workflow.executions WHERE workflow = 'public' ORDER BY workflow_id $$,
	$$ VALUES (NULL, NULL, '{"Code": "Sorry", "Message": "We are sorry."}'::jsonb),
		('Secret', 'for us only', '{"Code": "SoldOut"}'),
		('paths', 'because', '{"Code": "Sorry", "Message": "We are sorry."}') $$,
	'a run fails with an error for us and one for the public');
SELECT throws_ok($$ SELECT workflow.result('public own') $$, 'OW101', 'SoldOut', 'its result is the public one');
SELECT throws_ok($$ SELECT workflow.result('public none') $$, 'OW101', 'Sorry: We are sorry.', 'message and all');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

SELECT * FROM finish();
ROLLBACK;
