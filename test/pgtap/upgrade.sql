-- workflow.upgrade: an open run goes on in another version, where it stands.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.nothing(jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity(name, 'public.nothing(jsonb)') FROM unnest('{A,B,UndoA,UndoB}'::text[]) name;
SELECT workflow.register_activity('Outside', task_queue => 'outside', options => '{"StartToCloseSeconds": 600}');
SELECT workflow.register_activity('UndoOutside', task_queue => 'undo', options => '{"StartToCloseSeconds": 600}');
CREATE FUNCTION pg_temp.version(version int, replaced text DEFAULT '', with_text text DEFAULT '') RETURNS jsonb LANGUAGE sql AS $$
	SELECT replace(format($asl${
		"StartAt": "Where", "Signals": {"go": {}},
		"States": {
			"Where": {"Type": "Choice", "Default": "End", "Choices": [
				{"Variable": "$.at", "StringEquals": "Wait", "Next": "Wait"},
				{"Variable": "$.at", "StringEquals": "Await", "Next": "Listen"},
				{"Variable": "$.at", "StringEquals": "Retry", "Next": "Retry"},
				{"Variable": "$.at", "StringEquals": "Queue", "Next": "Queue"},
				{"Variable": "$.at", "StringEquals": "Stuck", "Next": "Stuck"},
				{"Variable": "$.at", "StringEquals": "Both", "Next": "Both"}]},
			"Wait": {"Type": "Wait", "Seconds": 3600, "Next": "Do"},
			"Listen": {"Type": "Await", "Any": [{"Signal": "go", "ResultPath": "$.went", "Next": "Do"}]},
			"Retry": {"Type": "Task", "Resource": "A", "Next": "Do", "ResultPath": null,
				"Retry": [{"ErrorEquals": ["Soon"], "IntervalSeconds": 60, "MaxAttempts": 3}]},
			"Queue": {"Type": "Task", "Resource": "Outside", "Compensate": "UndoOutside", "ResultPath": "$.queue", "Next": "Do"},
			"Stuck": {"Type": "Task", "Resource": "B", "ResultSelector": {"x.$": "$.missing"}, "Next": "Do"},
			"Both": {"Type": "Parallel", "ResultPath": null, "Next": "Do", "Branches": [
				{"StartAt": "Left", "States": {"Left": {"Type": "Wait", "Seconds": 60, "Next": "Left do"},
					"Left do": {"Type": "Task", "Resource": "B", "Compensate": "UndoB", "End": true}}},
				{"StartAt": "Right", "States": {"Right": {"Type": "Task", "Resource": "Outside", "End": true}}}]},
			"Do": {"Type": "Task", "Resource": "B", "ResultPath": "$.do", "Next": "End"},
			"End": {"Type": "Pass", "Result": %s, "ResultPath": "$.version", "End": true}
		}}$asl$, version), replaced, with_text)::jsonb $$;
SELECT workflow.register('w', pg_temp.version(1, 'never', 'never'));
SELECT workflow.register('w', pg_temp.version(2, 'never', 'never'), make_current => false);
SELECT workflow.register('w', pg_temp.version(3, '"Listen"', '"Expect"'), make_current => false);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('A', error => 'Soon', times => 1);
SELECT workflow_test.mock_activity(name, to_jsonb(name)) FROM unnest('{A,B,UndoA,UndoB}'::text[]) name;
SELECT workflow.start('w', '{"at": ""}', workflow_id => 'New', start_delay => '1 hour');
SELECT workflow.start('w', jsonb_build_object('at', at), workflow_id => at) FROM unnest('{Wait,Await,Retry,Queue,Stuck,Both}'::text[]) at;
SELECT workflow_test.run('2030-01-01 00:00:01+00');
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, version, output->'version', output->'do') FROM workflow.get_execution(id)
$$;
CREATE FUNCTION pg_temp.take(queue text) RETURNS uuid LANGUAGE sql AS $$
	SELECT task_token FROM workflow.poll_activity(queue, 'worker of ' || queue)
$$;
\o
SELECT no_plan();

\echo # Where it stands
SELECT lives_ok(format('SELECT workflow.upgrade(%L, 2)', at), 'upgraded at ' || at) FROM unnest('{New,Wait,Await,Retry,Queue,Both}'::text[]) at;
SELECT is(version, 2, 'it is on the version at once: ' || workflow_id) FROM workflow.executions WHERE workflow_id <> 'Stuck' ORDER BY workflow_id;
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each is as its history says, before anybody drives it');
SELECT results_eq($$ SELECT DISTINCT attributes - 'requested_by' FROM workflow.history WHERE event_type = 'WorkflowExecutionUpgraded' $$,
	$$ VALUES ('{"version": 2, "previous_version": 1}'::jsonb) $$, 'which tells of it');
SELECT throws_ok($$ SELECT workflow.upgrade('Stuck', 2) $$, '55000', 'workflow id "Stuck" cannot be upgraded to version 2', 'a stuck run is retried instead');
SELECT throws_ok($$ SELECT workflow.upgrade('Wait', 9) $$, 'OW006', NULL, 'there must be such a version');
SELECT throws_ok($$ SELECT workflow.upgrade('nobody', 2) $$, 'OW005', NULL, 'and such a run');
\o /dev/null
SELECT workflow.upgrade('Wait', 2);	-- nothing to do
SELECT workflow_test.run('2030-01-01 00:00:02+00');
\o
SELECT is(count(*), 1::bigint, 'who is there already stays') FROM workflow.get_history('Wait') WHERE event_type = 'WorkflowExecutionUpgraded';

\echo # Other names
SELECT throws_ok($$ SELECT workflow.upgrade('Await', 3) $$, '55000', NULL, 'a version without the state is refused');
SELECT throws_ok($$ SELECT workflow.upgrade('Await', 3, '{"Nowhere": "Expect"}') $$, '22023', NULL, 'a map names states of the one');
SELECT throws_ok($$ SELECT workflow.upgrade('Await', 3, '{"Listen": "Nowhere"}') $$, '22023', NULL, 'and of the other');
SELECT throws_ok($$ SELECT workflow.upgrade('Await', 3, '[]') $$, '22023', NULL, 'and is an object');
SELECT throws_ok($$ SELECT workflow.upgrade('Await', 3, '{"Listen": "Wait"}') $$, '55000', NULL, 'what it is at must fit');
SELECT throws_ok($$ SELECT workflow.upgrade('Await', 3, '{"Listen": "Left"}') $$, '55000', NULL, 'in the same place');
SELECT lives_ok($$ SELECT workflow.upgrade('Await', 3, '{"Listen": "Expect"}') $$, 'a renamed state is found');
SELECT is(state, 'Expect', 'it stands there') FROM workflow.get_execution('Await');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each is as its history says');

\echo # Not now
\o /dev/null
CREATE TEMP TABLE taken AS SELECT * FROM workflow.poll_activity('outside', 'w', 2);
\o
SELECT is((SELECT count(*) FROM taken), 2::bigint, 'two tasks are under way');
SELECT throws_ok(format('SELECT workflow.upgrade(%L, 3)', id), '55000', NULL, 'a worker is at it: ' || id) FROM unnest('{Queue,Both}'::text[]) id;
\o /dev/null
SELECT workflow.complete_activity(task_token, '"queue"') FROM taken;
SELECT workflow.upgrade('Both', 3);
SELECT workflow_test.run('2030-01-01 00:00:03+00');
SELECT workflow.signal('Await', 'go');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended(id), 'Completed ' || version || ' ' || version || ' "B"', 'it has ended in its version: ' || id)
FROM (VALUES ('Wait', 2), ('Await', 3), ('Retry', 2), ('Queue', 2), ('Both', 3)) AS wanted (id, version);
SELECT is(pg_temp.ended('New'), 'Completed 2 2', 'what had not begun has begun in it');
SELECT throws_ok($$ SELECT workflow.upgrade('Wait', 3) $$, 'OW009', NULL, 'a closed run is not moved');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each is as its history says');
-- resets and replays go by the version in force at the time
\o /dev/null
SELECT workflow.reset('Both', max(event_id)) FROM workflow.reset_points('Both');
SELECT workflow.reset('Await', event_id - 1) FROM workflow.get_history('Await') WHERE event_type = 'WorkflowExecutionUpgraded' AND attributes->'version' = '2';
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('Both'), 'Completed 3 3 "B"', 'a reset to after the upgrade goes on in the version');
SELECT is((SELECT version FROM workflow.get_execution('Await')), 1, 'one to before it in the one before');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each is as its history says');
SELECT is(compatible, false, 'no version has made that history alone') FROM workflow.get_execution('Both') e, workflow.check_compatibility(e.run_id, 1) c;

\echo # While it compensates
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('B', error => 'Fails', non_retryable => true);
SELECT workflow.start('w', '{"at": "Queue"}', workflow_id => 'undo', version => 1);
SELECT workflow_test.run('2030-01-01 00:00:01+00');
SELECT workflow.complete_activity(pg_temp.take('outside'), '"queue"');
SELECT workflow_test.run('2030-01-01 00:00:02+00');
\o
SELECT throws_ok($$ SELECT workflow.upgrade('undo', 2) $$, '55000', NULL, 'a run that compensates is not moved');
\o /dev/null
SELECT workflow.complete_activity(pg_temp.take('undo'));
SELECT workflow_test.run();
\o
SELECT results_eq($$ SELECT status, version FROM workflow.get_execution('undo') $$, $$ VALUES ('Failed', 1) $$, 'it ends where it was');

\echo # Retries count on, under the new name
\o /dev/null
SELECT workflow.register('loop', $asl${"StartAt": "Do", "States": {
	"Do": {"Type": "Task", "Resource": "A", "ResultPath": null, "Next": "Rest", "Catch": [{"ErrorEquals": ["Never"], "Next": "End"}]}, "End": {"Type": "Succeed"}, "Rest": {"Type": "Wait", "Seconds": 60, "Next": "Do"}}}$asl$);
SELECT workflow.register('loop', $asl${"StartAt": "Work", "States": {
	"Work": {"Type": "Task", "Resource": "Outside", "ResultPath": null, "Next": "Rest", "Catch": [{"ErrorEquals": ["Never"], "Next": "End"}]}, "End": {"Type": "Succeed"}, "Rest": {"Type": "Wait", "Seconds": 60, "Next": "Work"}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('A');
SELECT workflow.start('loop', '{}', workflow_id => 'l', version => 1);
SELECT workflow_test.run('2030-01-01 00:01:30+00');
SELECT workflow.upgrade('l', 2, '{"Do": "Work"}');
SELECT workflow_test.run('2030-01-01 00:02:30+00');
\o
SELECT results_eq($$ SELECT idempotency_key = run_id || ':Work:3' FROM workflow.poll_activity('outside', 'w') $$, 'VALUES (true)', 'the third visit is the third');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each is as its history says');

\echo # Version states that it has passed
\o /dev/null
CREATE FUNCTION pg_temp.gated(gate text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT replace($asl${"StartAt": "First", "States": {
		"First": {"Type": "Wait", "Seconds": 60, "Next": "GATE"},
		"Gate": {"Type": "Version", "ChangeId": "faster", "Versions": {"-1": "Old", "1": "New"}},
		"Old": {"Type": "Wait", "Seconds": 60, "Next": "Note old"},
		"Note old": {"Type": "Pass", "Result": "old", "ResultPath": "$.way", "Next": "Again"},
		"New": {"Type": "Pass", "Result": "new", "ResultPath": "$.way", "Next": "Again"},
		"Again": {"Type": "Wait", "Seconds": 60, "Next": "Loop"},
		"Loop": {"Type": "Choice", "Choices": [{"Variable": "$.once", "IsPresent": true, "Next": "End"}], "Default": "Once"},
		"Once": {"Type": "Pass", "Result": true, "ResultPath": "$.once", "Next": "LOOP"},
		"End": {"Type": "Succeed", "OutputPath": "$.way"}}}$asl$, 'GATE', gate)::jsonb $$;
SELECT workflow.register('gate', replace((pg_temp.gated('Old') #- '{States,Gate}' #- '{States,New}')::text, 'LOOP', 'Old')::jsonb);
SELECT workflow.register('gate', replace(pg_temp.gated('Gate')::text, 'LOOP', 'Gate')::jsonb);
SELECT workflow.register('gate straight', replace((pg_temp.gated('Old') #- '{States,Gate}' #- '{States,New}')::text, 'LOOP', 'End')::jsonb);
SELECT workflow.register('gate straight', replace(pg_temp.gated('Gate')::text, 'LOOP', 'End')::jsonb);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.start('gate', '{}', workflow_id => 'passed', version => 1);
SELECT workflow.start('gate straight', '{}', workflow_id => 'before', version => 1);
SELECT workflow.start('gate', '{}', workflow_id => 'began there');
SELECT workflow_test.run('2030-01-01 00:00:30+00');
SELECT workflow.upgrade('before');
SELECT workflow_test.run('2030-01-01 00:01:30+00');
SELECT workflow.upgrade('passed');
SELECT workflow_test.run('2030-01-01 00:02:30+00');
\o
SELECT is(attributes->'changes', '{"faster": -1}', 'the old way is noted') FROM workflow.get_history('passed') WHERE event_type = 'WorkflowExecutionUpgraded';
SELECT is(attributes->'changes', NULL, 'not by who is not there yet') FROM workflow.get_history('before') WHERE event_type = 'WorkflowExecutionUpgraded';
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each is as its history says');
SELECT workflow_test.run() \g /dev/null
SELECT is(output, way, 'it goes the way it has gone: ' || workflow_id)
FROM (VALUES ('passed', '"old"'::jsonb), ('before', '"new"'), ('began there', '"new"')) AS wanted (workflow_id, way)
JOIN workflow.executions USING (workflow_id) ORDER BY workflow_id;
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each is as its history says');

SELECT * FROM finish();
ROLLBACK;
