-- OrderWorkflow of the order processing example, with its real activities, on a virtual clock.
BEGIN;
\o /dev/null
\ir ../../examples/order_processing/load.sql

SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity(activity)
FROM unnest('{ValidateOrder,ProcessPayment,RefundPayment,UpdateInventory,RestoreInventory,
	ArrangeShipping,CancelOrder}'::text[]) AS activity;

CREATE TEMPORARY TABLE placed (kind text, id bigint);
INSERT INTO placed
SELECT 'carrier never comes', orders.place_order('OrderWorkflow', carrier => 'phantom');

CREATE FUNCTION pg_temp.id(kind text) RETURNS text LANGUAGE sql
	AS $$ SELECT orders.workflow_id(placed.id) FROM placed WHERE placed.kind = $1 $$;

-- Drives to so many seconds after the start, and checks how often the carrier was called by then.
CREATE FUNCTION pg_temp.called_by(seconds numeric, times int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow_test.run(
		until => '2030-01-01 00:00:00+00'::timestamptz + seconds * interval '1 s');
	RETURN workflow_test.activity_called('ArrangeShipping', times);
END $$;
\o

SELECT plan(47);

-- Five attempts, at 0, 1, 3, 7 and 15 seconds; no sixth.
SELECT pg_temp.called_by(seconds, times)
FROM (VALUES (0.0, 1), (0.9, 1), (1.1, 2), (2.9, 2), (3.1, 3), (6.9, 3), (7.1, 4),
	(14.9, 4), (15.1, 5), (3600, 5)) AS wanted (seconds, times);
SELECT workflow_test.failed(pg_temp.id('carrier never comes'), 'ShippingError');
SELECT is(closed_at - started_at, interval '15 s', 'the last attempt ends it, 15 s after the first')
FROM workflow.executions WHERE workflow_id = pg_temp.id('carrier never comes');
SELECT workflow_test.compensated(pg_temp.id('carrier never comes'),
	'{RestoreInventory,RefundPayment}');
SELECT workflow_test.state_path(pg_temp.id('carrier never comes'),
	'{ValidateOrder,ProcessPayment,UpdateInventory,ArrangeShipping,Undo,CancelOrder,Failed}');

\o /dev/null
INSERT INTO placed
SELECT kind,
	orders.place_order('OrderWorkflow', customer, products::bigint[], carrier, amount_factor)
FROM (VALUES
	('good', 1, '{1,2}', 'swift', 1),
	('card declines', 2, '{1,2}', 'swift', 1),
	('sold out', 1, '{1,22}', 'swift', 1),
	('carrier fails twice', 1, '{1,2}', 'moody', 1),
	('amount zero', 1, '{1,2}', 'swift', 0),
	('amount negative', 1, '{1,2}', 'swift', -1),
	('amount NaN', 1, '{1,2}', 'swift', 'NaN'),
	('no amount', 1, '{1,2}', 'swift', NULL),
	('wrong amount', 1, '{1,2}', 'swift', 1.5),
	('unknown product', 1, '{1,404}', 'swift', 1),
	('empty', 1, '{}', 'swift', 1),
	('paying breaks', 1, '{1,2}', 'swift', 1),
	('updating breaks', 1, '{1,2}', 'swift', 1),
	('shipping breaks', 1, '{1,2}', 'swift', 1)
) AS wanted (kind, customer, products, carrier, amount_factor);
SELECT workflow_test.mock_activity(activity, error => 'Broken', message => 'broken',
	non_retryable => true, input => jsonb_build_object('order_id', id))
FROM (VALUES
	('paying breaks', 'ProcessPayment'),
	('updating breaks', 'UpdateInventory'),
	('shipping breaks', 'ArrangeShipping')) AS broken (kind, activity)
JOIN placed USING (kind);
SELECT workflow_test.run();
\o

-- The happy path, and one whose trouble passes.
SELECT workflow_test.completed(pg_temp.id('good'), jsonb_build_object(
	'order_id', id, 'carrier', 'swift',
	'ValidateOrder', '{"valid": true}'::jsonb,
	'ProcessPayment', '{"amount": 12.90}'::jsonb,
	'UpdateInventory', '{"updated": true}'::jsonb,
	'ArrangeShipping', 'SWIFT-' || id))
FROM placed WHERE kind = 'good';
SELECT workflow_test.activities_called(pg_temp.id('good'),
	'{ValidateOrder,ProcessPayment,UpdateInventory,ArrangeShipping}');
SELECT results_eq(
	$$ SELECT o.status, e.status, e.closed_at - e.started_at
		FROM orders.orders o
		JOIN workflow.executions e ON e.workflow_id = orders.workflow_id(order_id)
		WHERE e.workflow_id = pg_temp.id('carrier fails twice') $$,
	$$ VALUES ('shipped', 'Completed', interval '3 s') $$,
	'a carrier that comes at the third call ships after 3 s');

-- What fails for good fails at once, and leaves nothing behind.
CREATE TEMPORARY TABLE expected (kind text, error text, undone text[]);
INSERT INTO expected VALUES
	('card declines', 'PaymentDeclinedError', '{}'),
	('sold out', 'OutOfStockError', '{RefundPayment}'),
	('amount zero', 'InvalidOrderError', '{}'),
	('amount negative', 'InvalidOrderError', '{}'),
	('amount NaN', 'InvalidOrderError', '{}'),
	('no amount', 'InvalidOrderError', '{}'),
	('wrong amount', 'InvalidOrderError', '{}'),
	('unknown product', 'InvalidOrderError', '{}'),
	('empty', 'InvalidOrderError', '{}'),
	('paying breaks', 'Broken', '{}'),
	('updating breaks', 'Broken', '{RefundPayment}'),
	('shipping breaks', 'Broken', '{RestoreInventory,RefundPayment}');
SELECT workflow_test.failed(pg_temp.id(kind), error) FROM expected;
SELECT workflow_test.compensated(pg_temp.id(kind), undone) FROM expected;
SELECT is_empty(
	$$ SELECT kind FROM expected JOIN workflow.executions ON workflow_id = pg_temp.id(kind)
		WHERE closed_at <> started_at $$,
	'none of these waits');
SELECT workflow_test.activities_called(pg_temp.id('empty'), '{ValidateOrder,CancelOrder}');

-- A hundred orders with all of these faults.
SELECT is(orders.place_orders('OrderWorkflow', 100), 100::bigint, 'a hundred orders are placed');
SELECT cmp_ok(workflow_test.run()::bigint, '>', 0::bigint, 'and processed');
SELECT results_eq(
	$$ SELECT COALESCE(public_error, status) AS outcome, count(*)
		FROM orders.orders WHERE order_id > (SELECT max(id) FROM placed)
		GROUP BY outcome ORDER BY outcome $$,
	$$ VALUES ('InvalidOrderError', 6::bigint), ('OutOfStockError', 2), ('PaymentDeclinedError', 4),
		('ShippingError', 2), ('shipped', 86) $$,
	'each has the outcome its faults demand');
SELECT is_empty('SELECT * FROM orders.check_invariants()', 'the invariants hold');

SELECT * FROM finish();
ROLLBACK;
