-- Looking at the tasks of many branches takes no longer for each the more there are.
SET client_min_messages = error;
BEGIN;
\o /dev/null
SELECT workflow.register_activity('Pay', task_queue => 'pay', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register('each', '{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "MaxConcurrency": 300, "ItemProcessor": {
	"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pay", "End": true}}}}}}');
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.start('each', (SELECT jsonb_agg(n) FROM generate_series(1, 300) n), workflow_id => 'each');
SELECT workflow_test.run(workflow_test.now());

-- How many pairs of rows were compared that do not belong together, where joins are made by hashing or sorting
CREATE FUNCTION pg_temp.wrong_pairs(query text) RETURNS numeric LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
	line text;
	pairs numeric := 0;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) ' || query LOOP
		pairs := pairs + coalesce(substring(line FROM 'Rows Removed by Join Filter: (\d+)')::numeric, 0);
	END LOOP;
	RETURN pairs;
END $$;
\o
SELECT plan(3);
SELECT is((SELECT count(*) FROM workflow.pending_activities WHERE task_queue = 'pay'), 300::bigint, 'each branch is at its task');
SELECT cmp_ok(pg_temp.wrong_pairs('SELECT * FROM workflow.pending_activities'), '<', 3000::numeric, 'which is found by its branch');
SELECT is((SELECT count(*) FROM workflow.pending_activities WHERE branch_id IS NULL), 0::bigint, 'the run itself is at none');
SELECT * FROM finish();
ROLLBACK;
