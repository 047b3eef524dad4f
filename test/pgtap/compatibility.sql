-- Histories played against other versions: of open runs, and exported ones.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.nothing(jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity(name, 'public.nothing(jsonb)') FROM unnest('{A,B,UndoA,UndoB}'::text[]) name;
SELECT workflow.register_activity('Outside', task_queue => 'outside', options => '{"StartToCloseSeconds": 60}');
CREATE FUNCTION pg_temp.version(changes jsonb DEFAULT '{}', start text DEFAULT 'First') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('StartAt', start, 'Signals', '{"go": {}}'::jsonb, 'States', '{
		"First": {"Type": "Task", "Resource": "A", "Compensate": "UndoA", "ResultPath": "$.first", "Next": "Choose"},
		"Choose": {"Type": "Choice", "Choices": [{"Variable": "$.branches", "IsPresent": true, "Next": "Both"}], "Default": "Await"},
		"Both": {"Type": "Parallel", "ResultPath": "$.both", "Next": "Await", "Branches": [
			{"StartAt": "Left", "States": {"Left": {"Type": "Task", "Resource": "B", "Compensate": "UndoB", "End": true}}},
			{"StartAt": "Right", "States": {"Right": {"Type": "Task", "Resource": "Outside", "End": true}}}]},
		"Await": {"Type": "Await", "Any": [{"Signal": "go", "ResultPath": "$.went", "Next": "Last"}]},
		"Last": {"Type": "Task", "Resource": "B", "ResultPath": "$.last", "End": true}}'::jsonb || changes) $$;
SELECT workflow.register('w', pg_temp.version());
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity(name, to_jsonb(name)) FROM unnest('{A,B,UndoA,UndoB}'::text[]) name;
SELECT workflow.start('w', '{}', workflow_id => 'waits');
SELECT workflow.start('w', '{"branches": true}', workflow_id => 'in branches');
SELECT workflow.start('w', '{}', workflow_id => 'ends');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
SELECT workflow.signal('ends', 'go', '1');
SELECT workflow_test.run('2030-01-01 00:00:02+00');
SELECT workflow.start('w', '{}', workflow_id => 'not begun', start_delay => '1 hour');
-- 2: what nobody has come to is changed; 3: what all have done; 4: what one is at; 5: another workflow altogether
SELECT workflow.register('w', pg_temp.version('{"Last": {"Type": "Pass", "Result": "changed", "End": true}}'));
SELECT workflow.register('w', pg_temp.version('{"First": {"Type": "Task", "Resource": "A", "Parameters": {"x": 1}, "ResultPath": "$.first", "Next": "Choose"}}'));
SELECT workflow.register('w', pg_temp.version('{"Both": {"Type": "Parallel", "ResultPath": "$.both", "Next": "Await", "Branches": [
			{"StartAt": "Left", "States": {"Left": {"Type": "Task", "Resource": "B", "Compensate": "UndoB", "Next": "More"}, "More": {"Type": "Pass", "End": true}}},
			{"StartAt": "Right", "States": {"Right": {"Type": "Task", "Resource": "Outside", "End": true}}}]}}'));
SELECT workflow.register('w', '{"StartAt": "X", "States": {"X": {"Type": "Wait", "Seconds": 1, "End": true}}}');
\o
SELECT no_plan();

CREATE FUNCTION pg_temp.verdicts(wanted int) RETURNS TABLE (workflow_id text, compatible boolean, event_id int, reason text) LANGUAGE sql AS $$
	SELECT workflow_id, compatible, event_id, reason FROM workflow.check_compatibility('w', wanted) $$;
SELECT results_eq('SELECT workflow_id, compatible FROM pg_temp.verdicts(2)',
	$$ VALUES ('in branches', true), ('not begun', true), ('waits', true) $$, 'what nobody has come to may change');
SELECT results_eq('SELECT * FROM pg_temp.verdicts(3)', $$ VALUES
	('in branches', false, 2, 'event 2, ActivityTaskScheduled, has other attributes when replayed'), ('not begun', true, NULL, NULL),
	('waits', false, 2, 'event 2, ActivityTaskScheduled, has other attributes when replayed') $$, 'what has been done otherwise is told, where it was');
SELECT results_eq('SELECT workflow_id, compatible, event_id FROM pg_temp.verdicts(4)', $$
	SELECT 'in branches', false, event_id + 1 FROM workflow.history WHERE workflow_id = 'in branches' AND state = 'Left' AND event_type = 'ActivityTaskCompleted'
	UNION ALL VALUES ('not begun', true, NULL::int), ('waits', true, NULL) $$, 'in branches as well');
SELECT results_eq('SELECT workflow_id, compatible, event_id FROM pg_temp.verdicts(5)', $$ VALUES ('in branches', false, 2), ('not begun', true, NULL), ('waits', false, 2) $$, 'another workflow altogether');
SELECT is_empty('SELECT * FROM pg_temp.verdicts(1)', 'runs of the version itself are not asked');
SELECT is(count(*), 1::bigint, 'a sample is as large as wanted') FROM workflow.check_compatibility('w', 2, sample => 1);
SELECT is_empty('SELECT * FROM workflow.check_compatibility(''w'', 2, from_version => 3)', 'those of one version');
SELECT results_eq($$ SELECT c.compatible, c.event_id > 5 FROM workflow.executions e, workflow.check_compatibility(e.run_id, 2) c WHERE workflow_id = 'ends' $$,
	$$ VALUES (false, true) $$, 'a closed run can be asked as well');
SELECT throws_ok($$ SELECT * FROM workflow.check_compatibility('w', 9) $$, 'OW006', NULL, 'there must be such a version');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'nothing has changed');

\echo # Exported
\o /dev/null
CREATE TEMP TABLE kept AS SELECT workflow_id, workflow.export_history(run_id) AS history FROM workflow.executions WHERE workflow_id <> 'not begun';
SELECT workflow.reset('waits', 1);
SELECT workflow.signal('waits', 'go', '"again"');
SELECT workflow_test.run('2030-01-01 00:00:05+00');
INSERT INTO kept SELECT 'reset', workflow.export_history(run_id) FROM workflow.get_execution('waits');
\o
SELECT workflow_test.replays(history, 1) FROM kept ORDER BY workflow_id;
SELECT workflow_test.replays(history, 2) FROM kept WHERE workflow_id IN ('waits', 'in branches') ORDER BY workflow_id;
SELECT results_eq($$ SELECT compatible, event_id, reason FROM kept, workflow_test.replay(history) WHERE workflow_id = 'waits' $$,
	$$ VALUES (false, 2, 'event 2 is ActivityTaskScheduled in history and StateEntered when replayed') $$, 'the current version is what counts');
SELECT is((SELECT compatible FROM workflow_test.replay(history::text::jsonb, 1)), true, 'a history can be kept as a text') FROM kept WHERE workflow_id = 'ends';
SELECT throws_ok($$ SELECT workflow.export_history(run_id) FROM workflow.get_execution('not begun') $$, 'OW012', NULL, 'what has not begun has no history');
SELECT throws_ok(format('SELECT * FROM workflow_test.replay(%L)', broken), '22023', 'this is no history that workflow.export_history() has written', 'what is none is refused')
FROM (SELECT '{}'::jsonb UNION ALL SELECT '[]' UNION ALL SELECT history - 'events' FROM kept WHERE workflow_id = 'ends'
	UNION ALL SELECT history - 'input' FROM kept WHERE workflow_id = 'ends'
	UNION ALL SELECT history || '{"format": 2}' FROM kept WHERE workflow_id = 'ends'
	UNION ALL SELECT history #- '{events,0}' FROM kept WHERE workflow_id = 'ends'
	UNION ALL SELECT jsonb_set(history, '{events,1,event_time}', '"soon"') FROM kept WHERE workflow_id = 'ends'
	UNION ALL SELECT history || '{"events": []}' FROM kept WHERE workflow_id = 'ends') b (broken);
SELECT throws_ok($$ SELECT * FROM workflow_test.replay(NULL) $$, '22004', NULL, 'nor is there none');
SELECT throws_ok($$ SELECT * FROM kept, workflow_test.replay(history || '{"workflow": "nobody"}') $$, 'OW002', NULL, 'nor a workflow that is not here');
-- forged events do no harm, wherever
SELECT is_empty($$
	SELECT k.workflow_id, n FROM kept k CROSS JOIN generate_series(1, jsonb_array_length(history->'events') - 2) n
	CROSS JOIN LATERAL workflow_test.replay(jsonb_set(history #- ARRAY['events', n::text],
		'{events}', (SELECT jsonb_agg(e || jsonb_build_object('event_id', i) ORDER BY i) FROM jsonb_array_elements(history->'events' #- ARRAY[n::text])
			WITH ORDINALITY AS x (e, i))), 1) r
	WHERE r.compatible AND history->'events'->n->>'event_type' NOT IN ('WorkflowExecutionSignaled')
$$, 'a history with an event less is found out');

SELECT * FROM finish();
ROLLBACK;
