-- Tasks that update_activity_options moves between queues and fairness keys; those that are taken stay where they count.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow.register_activity('Pay', task_queue => 'pay', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register('moved', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pay", "FairnessKey": "$.key", "End": true,
	"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 5}]}}}');
SELECT workflow.set_task_queue('pay', max_in_flight => 1);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
CREATE FUNCTION pg_temp.now() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow_test.run(workflow_test.now());
END $$;
CREATE FUNCTION pg_temp.change(id text, options jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.update_activity_options(id, 'Pay', options);
	PERFORM pg_temp.now();
	RETURN (SELECT concat_ws(' ', t.task_queue, t.fairness_key) FROM workflow.activity_task t WHERE t.workflow_id = id);
END $$;
SELECT workflow.start('moved', '{"key": "a", "number": 5, "object": {}}', workflow_id => id) FROM unnest('{one,two}'::text[]) id;
SELECT pg_temp.now();
\o
SELECT plan(12);
SELECT is(pg_temp.change('two', '{"FairnessKey": "b"}'), 'pay b', 'another key');
SELECT is(pg_temp.change('two', '{"FairnessKey": "$.number"}'), 'pay 5', 'a path');
SELECT is(pg_temp.change('two', '{"FairnessKey": "$.object"}'), 'pay 5', 'one that leads to no key changes nothing');
SELECT is(pg_temp.change('two', '{"FairnessKey": null}'), 'pay', 'no key');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');
SELECT is((SELECT workflow_id FROM workflow.poll_activity('pay', 'w', 2)), 'one', 'one task may be in flight');
SELECT is(pg_temp.change('one', '{"FairnessKey": "c", "TaskQueue": "other"}'), 'pay a', 'a taken one stays');
SELECT is_empty($$ SELECT * FROM workflow.poll_activity('pay', 'w') $$, 'and counts');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');
\o /dev/null
SELECT workflow.fail_activity_by_id('one', 'Pay', 'Busy');
SELECT pg_temp.now();
SELECT workflow_test.advance('5 s');
\o
SELECT is((SELECT fairness_key FROM workflow.poll_activity('other', 'w')), 'c', 'the next attempt is elsewhere');
SELECT is((SELECT workflow_id FROM workflow.poll_activity('pay', 'w')), 'two', 'and leaves room');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');
SELECT * FROM finish();
ROLLBACK;
