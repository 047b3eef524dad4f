-- Runs that cannot go on until somebody mends what hinders them, and that then do.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.nothing(jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity(name, 'public.nothing(jsonb)') FROM unnest('{A,B,UndoA,UndoB}'::text[]) name;

-- A's result is asked for what it has not; the second version asks for what it has.
CREATE FUNCTION pg_temp.definition(selector text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT replace($asl${
		"StartAt": "A",
		"States": {
			"A": {"Type": "Task", "Resource": "A", "ResultSelector": {"number.$": "$.SELECTOR"}, "ResultPath": "$.a",
				"Compensate": {"Resource": "UndoA", "Parameters": {"number.$": "$.a.number"}}, "Next": "B"},
			"B": {"Type": "Task", "Resource": "B", "ResultPath": null, "Compensate": "UndoB", "Next": "Choose"},
			"Choose": {"Type": "Choice", "Choices": [{"Variable": "$.fail", "IsPresent": true, "Next": "Fail"}], "Default": "Done"},
			"Fail": {"Type": "Fail", "Error": "Enough"},
			"Done": {"Type": "Succeed", "OutputPath": "$.a"}
		}}$asl$, 'SELECTOR', selector)::jsonb $$;
SELECT workflow.register('mend', pg_temp.definition('missing'));
SELECT workflow.register('mend', pg_temp.definition('number'));
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('A', '{"number": 7}');
SELECT workflow_test.mock_activity(name) FROM unnest('{B,UndoA,UndoB}'::text[]) name;
SELECT workflow.start('mend', '{}', workflow_id => id, version => 1)
FROM unnest('{same version,repaired,repaired by run id,canceled,canceled and repaired,terminated}'::text[]) id;
SELECT workflow.start('mend', '{"fail": true}', workflow_id => 'fails later', version => 1);
SELECT workflow_test.run('2030-01-01 00:01:00+00');
\o

SELECT plan(35);

SELECT results_eq(
	$$ SELECT DISTINCT status, state, stuck->>'Error' FROM workflow.executions $$,
	$$ VALUES ('Stuck', 'A', 'States.Runtime') $$, 'a result that cannot be evaluated leaves its run stuck');
SELECT matches(stuck->>'Cause', 'missing', 'which tells why') FROM workflow.executions WHERE workflow_id = 'repaired';
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'and is as its history says');
SELECT throws_ok($$ SELECT workflow.result('repaired') $$, 'OW008', NULL, 'it has no result');
SELECT throws_ok($$ SELECT workflow.retry('repaired', 3) $$, 'OW006', NULL, 'it cannot go on with a version that is not there');

\o /dev/null
SELECT workflow.retry('same version');
SELECT workflow.retry('repaired', 2);
SELECT workflow.retry(run_id, 2) FROM workflow.executions WHERE workflow_id = 'repaired by run id';
SELECT workflow.retry('fails later', 2);
SELECT workflow.cancel('canceled');
SELECT workflow.retry('canceled');
SELECT workflow.cancel('canceled and repaired');
SELECT workflow.terminate('terminated');
SELECT workflow_test.run('2030-01-01 00:02:00+00');
\o
SELECT is(status, 'Stuck', 'a retry that mends nothing leaves it stuck') FROM workflow.executions WHERE workflow_id = 'same version';
SELECT workflow_test.completed('repaired', '{"number": 7}');
SELECT workflow_test.completed('repaired by run id', '{"number": 7}');
SELECT workflow_test.activities_called('repaired', '{A,B}');
SELECT is(version, 2, 'it is on the repaired version now') FROM workflow.executions WHERE workflow_id = 'repaired';
SELECT workflow_test.failed('fails later', 'Enough');
SELECT workflow_test.compensated('fails later', '{UndoB,UndoA}');
SELECT is(input, '{"number": 7}', 'the repaired version''s compensation is recorded')
FROM workflow_test.calls() WHERE workflow_id = 'fails later' AND activity = 'UndoA';
SELECT is(status, 'Terminated', 'a stuck run can be terminated') FROM workflow.executions WHERE workflow_id = 'terminated';
SELECT throws_ok($$ SELECT workflow.retry('repaired') $$, 'OW009', NULL, 'a closed run cannot be retried');

-- A cancel waits for the result: what was done by A must be undone.
SELECT is(status, 'Stuck', 'a cancel leaves it stuck as well') FROM workflow.executions WHERE workflow_id = 'canceled and repaired';
SELECT is(status, 'Stuck', 'even when it is retried') FROM workflow.executions WHERE workflow_id = 'canceled';
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');
SELECT workflow.retry('canceled', 2), workflow.retry('canceled and repaired', 2), workflow.retry('same version', 2) \g /dev/null
SELECT workflow_test.run() \g /dev/null
SELECT is(status, 'Canceled', 'repaired, it is canceled') FROM workflow.executions WHERE workflow_id = 'canceled';
SELECT workflow_test.activities_called('canceled', '{A,UndoA}');
SELECT workflow_test.activities_called('canceled and repaired', '{A,UndoA}');
SELECT workflow_test.completed('same version', '{"number": 7}');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

-- A version without the state that the run is in is of no use to it.
\o /dev/null
SELECT workflow.register('mend', $asl${"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "B", "End": true}}}$asl$);
SELECT workflow.start('mend', '{}', workflow_id => 'homeless', version => 1);
SELECT workflow_test.run('2030-01-01 00:03:00+00');
SELECT workflow.retry('homeless', 3);
SELECT workflow_test.run('2030-01-01 00:04:00+00');
\o
SELECT results_eq($$ SELECT status, version FROM workflow.executions WHERE workflow_id = 'homeless' $$,
	$$ VALUES ('Stuck', 1) $$, 'a run stays on its version when the other lacks its state');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'and is as its history says');

-- What else keeps a result from being evaluated; a Catch is asked first.
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('A', '{"number": 7}'), workflow_test.mock_activity('B');
SELECT workflow.register(id, jsonb_build_object('StartAt', 'A', 'States', jsonb_build_object(
	'A', '{"Type": "Task", "Resource": "A", "Next": "Done"}' || fields, 'Done', '{"Type": "Succeed"}'::jsonb)))
FROM (VALUES
	('result path', '{"ResultPath": "$.text.more"}'::jsonb),
	('output path', '{"OutputPath": "$.missing"}'),
	('compensation', '{"Compensate": {"Resource": "UndoA", "Parameters": {"missing.$": "$.missing"}}}'),
	('caught', '{"ResultSelector": {"missing.$": "$.missing"},
		"Catch": [{"ErrorEquals": ["States.Runtime"], "ResultPath": "$.failure", "Next": "Done"}]}'),
	('parameters', '{"Parameters": {"missing.$": "$.missing"}}')) AS w (id, fields);
SELECT workflow.start(id, '{"text": "text"}', workflow_id => id)
FROM unnest('{result path,output path,compensation,caught,parameters}'::text[]) id;
SELECT workflow_test.run();
\o
SELECT is(status || ' ' || (stuck->>'Error'), 'Stuck ' || wanted, 'stuck: ' || workflow_id)
FROM (VALUES ('result path', 'States.ResultPathMatchFailure'), ('output path', 'States.Runtime'),
	('compensation', 'States.Runtime')) AS w (id, wanted)
JOIN workflow.executions ON workflow_id = id;
SELECT is(status, 'Completed', 'what a Catch takes does not get stuck') FROM workflow.executions WHERE workflow_id = 'caught';
SELECT workflow_test.failed('parameters');
SELECT workflow_test.activities_called('parameters', '{}');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

-- A deadline does not pass unnoticed while a run is stuck.
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('A', '{"number": 7}'), workflow_test.mock_activity('UndoA');
SELECT workflow.start('mend', '{}', workflow_id => 'too late', version => 1, execution_timeout => '1 minute');
SELECT workflow_test.at('1 hour', $$ SELECT workflow.retry('too late', 2) $$);
SELECT workflow_test.run();
\o
SELECT is(status, 'TimedOut', 'repaired too late, it has timed out') FROM workflow.executions WHERE workflow_id = 'too late';
SELECT workflow_test.activities_called('too late', '{A,UndoA}');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');

SELECT * FROM finish();
ROLLBACK;
