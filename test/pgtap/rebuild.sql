-- workflow.rebuild_state: what history leads to, wherever a transition may have ended.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.nothing(jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity(name, 'public.nothing(jsonb)') FROM unnest('{A,B}'::text[]) name;
SELECT workflow.register('path', $asl${
	"StartAt": "Pass",
	"States": {
		"Pass": {"Type": "Pass", "Result": 1, "ResultPath": "$.n", "Next": "A"},
		"A": {"Type": "Task", "Resource": "A", "ResultPath": "$.a", "Next": "Then"},
		"Then": {"Type": "Pass", "ResultPath": "$.then", "Parameters": {"entered.$": "$$.State.EnteredTime"}, "Next": "Wait"},
		"Wait": {"Type": "Wait", "Seconds": 10, "Next": "Again"},
		"Again": {"Type": "Choice", "Choices": [{"Variable": "$.again", "IsPresent": true, "Next": "Done"}], "Default": "Note"},
		"Note": {"Type": "Pass", "Result": true, "ResultPath": "$.again", "Next": "A"},
		"Done": {"Type": "Succeed"}
	}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('A', '"a"', duration => '1 s'), workflow_test.mock_activity('B');
SELECT workflow.start('path', workflow_id => 'path');
SELECT workflow.start('path', workflow_id => 'delayed', start_delay => '1 minute', execution_timeout => '1 hour',
	memo => '{"kept": true}', request_id => 'request');
SELECT workflow.start('path', workflow_id => 'canceled');
SELECT workflow.start('path', workflow_id => 'canceled first');
SELECT workflow.cancel('canceled first');
\o

SELECT plan(13);

SELECT is_empty('SELECT * FROM pg_temp.faults()', 'runs that have not begun');
SELECT is((workflow.rebuild_state(run_id)).due_at, timestamptz '2030-01-01 00:01:00+00', 'a delayed one knows its delay')
FROM workflow.executions WHERE workflow_id = 'delayed';
SELECT workflow_test.run('2030-01-01 00:00:05+00') \g /dev/null
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'runs that wait');
-- They are on their way to another state when this comes.
SELECT workflow.cancel('canceled') \g /dev/null
SELECT workflow_test.run('2030-01-01 00:00:20+00') \g /dev/null
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'runs that wait again');
SELECT workflow_test.run() \g /dev/null
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'runs that have closed');
SELECT results_eq($$ SELECT status, count(*) FROM workflow.executions GROUP BY status ORDER BY status $$,
	$$ VALUES ('Canceled', 2::bigint), ('Completed', 2) $$, 'as they should');
SELECT workflow_test.state_path('path', '{Pass,A,Then,Wait,Again,Note,A,Then,Wait,Again,Done}');

-- A run that goes through so many states that others get a turn, and that is canceled just then: no state is
-- entered in between.
\o /dev/null
SELECT workflow.register('long', jsonb_build_object('StartAt', '1', 'States',
	jsonb_object_agg(n, jsonb_build_object('Type', 'Pass', 'Next', (n + 1)::text)) || '{"1501": {"Type": "Succeed"}}'))
FROM generate_series(1, 1500) n;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
CREATE FUNCTION pg_temp.cancel_soon() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.workflow_id = 'cut short' AND NEW.phase = 'Enter' THEN
		INSERT INTO workflow.message VALUES (NEW.shard_key, NEW.run_id, gen_random_uuid(), NEW.owner, 'Cancel', '{}',
			NEW.owner, now());
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER cancel_soon BEFORE UPDATE ON workflow.execution FOR EACH ROW EXECUTE FUNCTION pg_temp.cancel_soon();
SELECT workflow.start('long', workflow_id => id) FROM unnest('{cut short,long}'::text[]) id;
SELECT workflow_test.run();
\o
SELECT is(status, 'Canceled', 'a run is canceled between two states') FROM workflow.executions WHERE workflow_id = 'cut short';
SELECT workflow_test.completed('long');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'its history leads there');

-- What history cannot lead to is told.
\o /dev/null
DROP TRIGGER cancel_soon ON workflow.execution;
SELECT workflow_test.mock_activity('A');
SELECT workflow.start('path', workflow_id => 'forged');
SELECT workflow_test.run();
DELETE FROM workflow.history_batch h USING workflow.executions e WHERE h.run_id = e.run_id AND workflow_id = 'forged';
INSERT INTO workflow.history_batch
SELECT (jsonb_populate_record(h, jsonb_build_object('shard_key', f.shard_key, 'bucket', f.bucket, 'run_id', f.run_id))).*
FROM workflow.closed_execution f, workflow.closed_execution long
JOIN workflow.history_batch h ON h.run_id = long.run_id
WHERE f.workflow_id = 'forged' AND long.workflow_id = 'long';
\o
SELECT throws_ok($$ SELECT workflow.rebuild_state(run_id) FROM workflow.executions WHERE workflow_id = 'forged' $$,
	'XX001', NULL, 'a forged history is found out');
SELECT throws_ok($$ SELECT workflow.rebuild_state('00000000-0000-7000-8000-000000000000') $$, 'OW005', NULL,
	'a run that never was has no state');
SELECT lives_ok($$ SELECT workflow.rebuild_state(run_id) FROM workflow.executions WHERE workflow_id = 'path' $$,
	'the others are as they were');

SELECT * FROM finish();
ROLLBACK;
