-- Metrics: what tests see is what they have done; what failed was never counted.
SET client_min_messages = error;
BEGIN;
\o /dev/null
CREATE FUNCTION public.pay(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.metric('paid', (input->>'amount')::float8, '{"card": "a\"b\\c"}');
	PERFORM workflow.metric('basket', 0.2, kind => 'histogram');
	PERFORM workflow.metric('last_amount', (input->>'amount')::float8, kind => 'gauge');
	IF (input->>'amount')::int > 100 THEN
		PERFORM workflow.throw('Declined', 'too much', non_retryable => true);
	END IF;
	RETURN input;
END
$$;
SELECT workflow.register_activity('Pay', 'public.pay(jsonb)');
SELECT workflow.register_activity('Refund', task_queue => 'q', options => '{"StartToCloseSeconds": 60, "Retry": []}');
SELECT workflow.register_activity('Ship', task_queue => 'q', options => '{"StartToCloseSeconds": 60,
	"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "IntervalSeconds": 1}]}');
SELECT workflow.register('order', '{"StartAt": "Pay", "Signals": {"more": {}}, "States": {
	"Pay": {"Type": "Task", "Resource": "Pay", "Compensate": {"Resource": "Refund", "Retry": []}, "ResultPath": null, "Next": "Ship"},
	"Ship": {"Type": "Task", "Resource": "Ship", "End": true}}}');
SELECT workflow_test.begin();
SELECT workflow_test.allow_activity('Pay');
SELECT workflow_test.mock_activity('Ship', input => '{"amount": 10}', result => '1', duration => '2 s');
SELECT workflow_test.mock_activity('Ship', error => 'Lost', duration => '3 s');
SELECT workflow_test.mock_activity('Refund', error => 'No');
SELECT workflow.start('order', '{"amount": 10}', 'good');
SELECT workflow.start('order', '{"amount": 20}', 'lost');
SELECT workflow.start('order', '{"amount": 500}', 'declined');
SELECT workflow.signal('good', 'more');
SELECT workflow_test.run();
CREATE FUNCTION pg_temp.value(metric text, wanted jsonb DEFAULT '{}') RETURNS float8 LANGUAGE sql AS $$
	SELECT sum(m.value) FROM workflow.metrics m WHERE m.name = metric AND m.labels @> wanted $$;
\o
SELECT plan(29);

\echo # What runs did
SELECT is(pg_temp.value('executions_started_total', '{"workflow": "order", "version": "1"}'), 3::float8, 'started');
SELECT is(pg_temp.value('executions_closed_total', '{"status": "Completed"}'), 1::float8, 'completed');
SELECT is(pg_temp.value('executions_closed_total', '{"status": "Failed"}'), 2::float8, 'failed');
SELECT is((SELECT count FROM workflow.metrics WHERE name = 'execution_seconds'), 3::bigint, 'how long they took');
SELECT is(pg_temp.value('activity_attempts_total', '{"activity": "Pay", "outcome": "completed"}'), 2::float8, 'attempts that completed');
SELECT is(pg_temp.value('activity_attempts_total', '{"activity": "Pay", "outcome": "failed"}'), 1::float8, 'attempts that failed');
SELECT is(pg_temp.value('activity_attempts_total', '{"activity": "Ship", "outcome": "failed"}'), 3::float8, 'retries are attempts');
SELECT is(pg_temp.value('activity_retries_total', '{"activity": "Ship"}'), 2::float8, 'and counted by themselves');
SELECT is(pg_temp.value('compensations_failed_total', '{"workflow": "order"}'), 1::float8, 'compensations that failed');
SELECT is(pg_temp.value('signals_total', '{"signal": "more"}'), 1::float8, 'signals');
SELECT is(pg_temp.value('compensations_failed'), 1::float8, 'how things stand');

\echo # What applications note
SELECT is(pg_temp.value('paid'), 30::float8, 'what a failed activity notes does not count');
SELECT is(pg_temp.value('last_amount'), 20::float8, 'a gauge is what was set last');
SELECT results_eq($$SELECT value, count, buckets[5], buckets[6], custom FROM workflow.metrics WHERE name = 'basket'$$,
	$$VALUES (0.4::float8, 2::bigint, 0::bigint, 2::bigint, true)$$, 'a histogram has buckets');
SAVEPOINT before;
SELECT workflow.metric('paid', 1000);
ROLLBACK TO before;
SELECT is(pg_temp.value('paid'), 30::float8, 'what is rolled back does not count');
SELECT throws_ok($$SELECT workflow.metric('1st')$$, '22023', '"1st" is not a name of a metric', 'a wrong name');
SELECT throws_ok($$SELECT workflow.metric('x', 'NaN')$$, '22023', 'NaN is not a value of a counter'::text, 'a wrong value');
SELECT throws_ok($$SELECT workflow.metric('x', -1)$$, '22023', NULL, 'counters go up');
SELECT throws_ok($$SELECT workflow.metric('x', 1, '{"a": {}}')$$, '22023', 'label "a" is not usable', 'a wrong label');
SELECT throws_ok($$SELECT workflow.metric('x', 1, kind => 'timer')$$, '22023', '"timer" is not a kind of metric', 'a wrong kind');
SELECT throws_ok(format($$SELECT workflow.metric('x', 1, '{"%s": "a"}')$$, label), '22023', format('label "%s" is not usable', label),
	'a label that metrics have, or that means something to Prometheus: ' || label) FROM unnest('{owner,le,__name__}'::text[]) label;
SELECT throws_ok($$SELECT workflow.metric('basket_count')$$, '22023', '"basket_count" is not a name of a metric', 'a part of a histogram');
SELECT workflow.metric('labeled', 1, labels) FROM unnest('{"{\"of\": 1, \"a\": true}", "{\"of\": \"1\", \"a\": \"true\"}"}'::jsonb[]) labels \g /dev/null
SELECT results_eq($$SELECT labels, value FROM workflow.metrics WHERE name = 'labeled'$$, $$VALUES ('{"of": "1", "a": "true"}'::jsonb, 2::float8)$$,
	'labels are texts');
SELECT workflow.metric('long', 1, jsonb_build_object('a', repeat('é', 30))) \g /dev/null
SELECT is((SELECT labels->>'a' FROM workflow.metrics WHERE name = 'long'), repeat('é', 20), 'which are cut');

\echo # As Prometheus reads it
SELECT matches(workflow.prometheus_metrics(), E'# TYPE order_workflow_executions_started_total counter\norder_workflow_executions_started_total\\{owner="[^"]*",version="1",workflow="order"\\} 3\n',
	'a counter');
SELECT matches(workflow.prometheus_metrics(), E'\nbasket_bucket\\{owner="[^"]*",le="0.5"\\} 2\n.*\nbasket_bucket\\{owner="[^"]*",le="\\+Inf"\\} 2\nbasket_sum\\{owner="[^"]*"\\} 0.4\nbasket_count\\{owner="[^"]*"\\} 2\n',
	'a histogram');
SELECT ok(position('card="a\"b\\c"' IN workflow.prometheus_metrics()) > 0, 'labels are quoted');
SELECT * FROM finish();
ROLLBACK;
