-- Runs that are stuck in Parallel, Map and Task states, and what another version must have for them to go on in it.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.echo(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
SELECT workflow.register_activity(name, 'public.echo(jsonb)') FROM unnest('{Work,bank:work}'::text[]) name;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity('Work');

-- A machine of one state
CREATE FUNCTION pg_temp.machine(name text, state jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('StartAt', name, 'States', jsonb_build_object(name, '{"End": true}' || state))
$$;
CREATE FUNCTION pg_temp.map(processor jsonb, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('Type', 'Map', 'ItemProcessor', processor) || more
$$;
CREATE FUNCTION pg_temp.parallel(VARIADIC branches jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('Type', 'Parallel', 'Branches', to_jsonb(branches))
$$;
-- What is left stuck by version 1, and not by version 2
CREATE FUNCTION pg_temp.one(broken boolean) RETURNS jsonb LANGUAGE sql AS $$
	SELECT pg_temp.machine('One', '{"Type": "Task", "Resource": "Work"}' ||
		CASE WHEN broken THEN '{"ResultSelector": {"x.$": "$.missing"}}'::jsonb ELSE '{}' END)
$$;
CREATE FUNCTION pg_temp.two() RETURNS jsonb LANGUAGE sql AS $$ SELECT pg_temp.machine('Two', '{"Type": "Pass"}') $$;
-- Starts a run in the first and has it go on in the second.
CREATE FUNCTION pg_temp.move(id text, first jsonb, second jsonb, input jsonb DEFAULT '[1, 2, 3]') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.register(id, pg_temp.machine('All', first));
	PERFORM workflow.register(id, pg_temp.machine('All', second));
	PERFORM workflow.start(id, input, workflow_id => id, version => 1);
	PERFORM workflow_test.run();
	PERFORM workflow.retry(id, 2);
	PERFORM workflow_test.run();
END $$;
CREATE FUNCTION pg_temp.moved(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, version, output) FROM workflow.executions WHERE workflow_id = id
$$;

SELECT pg_temp.move('same', pg_temp.parallel(pg_temp.one(true), pg_temp.two()), pg_temp.parallel(pg_temp.one(false), pg_temp.two()), '1');
SELECT pg_temp.move('fewer branches', pg_temp.parallel(pg_temp.one(true), pg_temp.two()), pg_temp.parallel(pg_temp.one(false)));
SELECT pg_temp.move('other order', pg_temp.parallel(pg_temp.one(true), pg_temp.two()), pg_temp.parallel(pg_temp.two(), pg_temp.one(false)));
SELECT pg_temp.move('Map to Parallel', pg_temp.map(pg_temp.one(true)), pg_temp.parallel(pg_temp.one(false)));
SELECT pg_temp.move('Parallel to Map', pg_temp.parallel(pg_temp.one(true)), pg_temp.map(pg_temp.one(false)));
SELECT pg_temp.move('new ItemSelector', pg_temp.map(pg_temp.one(true)), pg_temp.map(pg_temp.one(false), '{"ItemSelector": {"all.$": "$"}}'));
SELECT pg_temp.move('other ItemSelector', pg_temp.map(pg_temp.one(true), '{"MaxConcurrency": 1, "ItemSelector": {"a": 1}}'),
	pg_temp.map(pg_temp.one(false), '{"MaxConcurrency": 1, "ItemSelector": {"b.$": "$[0]"}}'));
SELECT pg_temp.move('new ItemBatcher', pg_temp.map(pg_temp.one(true)), pg_temp.map(pg_temp.one(false), '{"ItemBatcher": {"MaxItemsPerBatch": 2}}'));
SELECT pg_temp.move('Task to Pass', '{"Type": "Task", "Resource": "Nobody"}', '{"Type": "Pass"}');
SELECT pg_temp.move('Task to Parallel', '{"Type": "Task", "Resource": "Nobody"}', pg_temp.parallel(pg_temp.two()));
SELECT pg_temp.move('other activity', '{"Type": "Task", "Resource": "Nobody"}', '{"Type": "Task", "Resource": "Work"}');
SELECT pg_temp.move('token wanted', '{"Type": "Task", "Resource": "Nobody"}',
	'{"Type": "Task", "Resource": "arn:aws:states:::bank:work.waitForTaskToken"}');
\o
SELECT plan(2);

SELECT results_eq($$ SELECT id, pg_temp.moved(id) FROM unnest('{same,fewer branches,other order,Map to Parallel,Parallel to Map,new ItemSelector,
	other ItemSelector,new ItemBatcher,Task to Pass,Task to Parallel,other activity,token wanted}'::text[]) WITH ORDINALITY AS i (id, n) ORDER BY n $$, $$ VALUES
	('same', 'Completed 2 [1, 1]'),
	('fewer branches', 'Stuck 1'),
	('other order', 'Stuck 1'),
	('Map to Parallel', 'Stuck 1'),
	('Parallel to Map', 'Stuck 1'),
	('new ItemSelector', 'Stuck 1'),
	('other ItemSelector', 'Completed 2 [{"a": 1}, {"b": 1}, {"b": 1}]'),
	('new ItemBatcher', 'Stuck 1'),
	('Task to Pass', 'Stuck 1'),
	('Task to Parallel', 'Stuck 1'),
	('other activity', 'Completed 2 [1, 2, 3]'),
	('token wanted', 'Stuck 1') $$, 'a run stays in its version unless another can bring to its end what it is at');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'the state of each run follows from its history');
SELECT * FROM finish();
ROLLBACK;
