-- OrderSaga of the order processing example, with its real activities, on a virtual clock.
BEGIN;
\o /dev/null
\ir ../../examples/order_processing/load.sql

-- A saga one step longer, whose last step fails; it reaches its Fail state with everything still to
-- be undone.
CREATE FUNCTION orders.notify_customer(input jsonb) RETURNS void LANGUAGE sql
	AS $$ SELECT workflow.throw('MailError', 'no such mailbox', non_retryable => true) $$;
SELECT workflow.register_activity('NotifyCustomer', 'orders.notify_customer(jsonb)');
SELECT workflow.register('OrderSagaWithMail', $asl${
	"StartAt": "ReserveInventory",
	"Defaults": {"ResultPath": "$.{State}"},
	"States": {
		"ReserveInventory": {"Type": "Task", "Resource": "ReserveInventory",
			"Compensate": "ReleaseInventoryReservation", "Next": "ProcessPayment"},
		"ProcessPayment": {"Type": "Task", "Resource": "ProcessPayment",
			"Compensate": "RefundPayment", "Next": "UpdateInventory"},
		"UpdateInventory": {"Type": "Task", "Resource": "UpdateInventory",
			"Compensate": "RestoreInventory", "Next": "ArrangeShipping"},
		"ArrangeShipping": {"Type": "Task", "Resource": "ArrangeShipping",
			"Parameters": {"order_id.$": "$.order_id", "carrier.$": "$.carrier"},
			"Compensate": "CancelShipping", "Next": "NotifyCustomer"},
		"NotifyCustomer": {"Type": "Task", "Resource": "NotifyCustomer", "End": true},
		"CancelOrder": {"Type": "Task", "Resource": "CancelOrder",
			"Parameters": {"order_id.$": "$.order_id", "public_error": "OrderProcessingFailed",
				"failure.$": "$$.Execution.Error"},
			"Next": "Failed"},
		"Failed": {"Type": "Fail", "Error": "MailError", "Cause": "see the order"}
	},
	"OnError": "CancelOrder"
}$asl$);

SELECT workflow_test.begin();
SELECT workflow_test.allow_activity(activity)
FROM unnest('{ReserveInventory,ReleaseInventoryReservation,ProcessPayment,RefundPayment,
	UpdateInventory,RestoreInventory,ArrangeShipping,CancelShipping,CancelOrder,
	NotifyCustomer}'::text[]) AS activity;

CREATE TEMPORARY TABLE placed AS
SELECT kind,
	orders.place_order(workflow, customer, products::bigint[], carrier, amount_factor) AS id
FROM (VALUES
	('good', 'OrderSaga', 1, '{1,2}', 'swift', 1),
	('card declines', 'OrderSaga', 2, '{1,2}', 'swift', 1),
	('sold out', 'OrderSaga', 1, '{1,22}', 'swift', 1),
	('gateway fails once', 'OrderSaga', 3, '{1,2}', 'swift', 1),
	('carrier fails twice', 'OrderSaga', 1, '{1,2}', 'moody', 1),
	('carrier never comes', 'OrderSaga', 1, '{1,2}', 'phantom', 1),
	('bank slow, carrier never comes', 'OrderSaga', 3, '{1,2}', 'phantom', 1),
	('amount zero', 'OrderSaga', 1, '{1,2}', 'swift', 0),
	('amount negative', 'OrderSaga', 1, '{1,2}', 'swift', -1),
	('amount NaN', 'OrderSaga', 1, '{1,2}', 'swift', 'NaN'),
	('no amount', 'OrderSaga', 1, '{1,2}', 'swift', NULL),
	('wrong amount', 'OrderSaga', 1, '{1,2}', 'swift', 1.5),
	('unknown product', 'OrderSaga', 1, '{1,404}', 'swift', 1),
	('empty', 'OrderSaga', 1, '{}', 'swift', 1),
	('reserving breaks', 'OrderSaga', 1, '{1,2}', 'swift', 1),
	('paying breaks', 'OrderSaga', 1, '{1,2}', 'swift', 1),
	('updating breaks', 'OrderSaga', 1, '{1,2}', 'swift', 1),
	('shipping breaks', 'OrderSaga', 1, '{1,2}', 'swift', 1),
	('mail fails', 'OrderSagaWithMail', 1, '{1,2}', 'swift', 1),
	('customer cancels', 'OrderSaga', 1, '{1,2}', 'phantom', 1)
) AS wanted (kind, workflow, customer, products, carrier, amount_factor);

CREATE FUNCTION pg_temp.id(kind text) RETURNS text LANGUAGE sql
	AS $$ SELECT orders.workflow_id(placed.id) FROM placed WHERE placed.kind = $1 $$;

SELECT workflow_test.mock_activity(activity, error => 'Broken', message => 'broken',
	non_retryable => true, input => jsonb_build_object('order_id', id))
FROM (VALUES
	('reserving breaks', 'ReserveInventory'),
	('paying breaks', 'ProcessPayment'),
	('updating breaks', 'UpdateInventory'),
	('shipping breaks', 'ArrangeShipping')) AS broken (kind, activity)
JOIN placed USING (kind);

SELECT workflow_test.at('5 s',
	format('SELECT workflow.cancel(%L)', pg_temp.id('customer cancels')));
SELECT workflow_test.run();
\o

SELECT plan(70);

-- The happy path.
SELECT workflow_test.completed(pg_temp.id('good'), jsonb_build_object(
	'order_id', id, 'carrier', 'swift',
	'ReserveInventory', '{"reserved": true}'::jsonb,
	'ProcessPayment', '{"amount": 12.90}'::jsonb,
	'UpdateInventory', '{"updated": true}'::jsonb,
	'ArrangeShipping', 'SWIFT-' || id))
FROM placed WHERE kind = 'good';
SELECT workflow_test.activities_called(pg_temp.id('good'),
	'{ReserveInventory,ProcessPayment,UpdateInventory,ArrangeShipping}');
SELECT workflow_test.state_path(pg_temp.id('good'),
	'{ReserveInventory,ProcessPayment,UpdateInventory,ArrangeShipping}');
SELECT workflow_test.compensated(pg_temp.id('good'), '{}');

-- How each ends, what was undone, in order, and how many seconds that took. What was never done is
-- not undone: a shipping that never completed is not cancelled.
CREATE TEMPORARY TABLE expected (kind text, error text, undone text[], seconds int);
INSERT INTO expected VALUES
	('card declines', 'PaymentDeclinedError', '{ReleaseInventoryReservation}', 0),
	('sold out', 'OutOfStockError', '{}', 0),
	('carrier never comes', 'ShippingError',
		'{RestoreInventory,RefundPayment,ReleaseInventoryReservation}', 15),
	('amount zero', 'InvalidOrderError', '{}', 0),
	('amount negative', 'InvalidOrderError', '{}', 0),
	('amount NaN', 'InvalidOrderError', '{}', 0),
	('no amount', 'InvalidOrderError', '{}', 0),
	('wrong amount', 'InvalidOrderError', '{}', 0),
	('unknown product', 'InvalidOrderError', '{}', 0),
	('empty', 'InvalidOrderError', '{}', 0),
	('reserving breaks', 'Broken', '{}', 0),
	('paying breaks', 'Broken', '{ReleaseInventoryReservation}', 0),
	('updating breaks', 'Broken', '{RefundPayment,ReleaseInventoryReservation}', 0),
	('shipping breaks', 'Broken',
		'{RestoreInventory,RefundPayment,ReleaseInventoryReservation}', 0),
	('mail fails', 'MailError',
		'{CancelShipping,RestoreInventory,RefundPayment,ReleaseInventoryReservation}', 0);
SELECT workflow_test.failed(pg_temp.id(kind), error) FROM expected;
SELECT workflow_test.compensated(pg_temp.id(kind), undone) FROM expected;
SELECT is(closed_at - started_at, make_interval(secs => seconds),
	format('%s: it takes %s s', kind, seconds))
FROM expected JOIN workflow.executions ON workflow_id = pg_temp.id(kind);
SELECT workflow_test.state_path(pg_temp.id('card declines'),
	'{ReserveInventory,ProcessPayment,Undo,CancelOrder,Failed}');

-- Trouble that passes is retried, in compensations too: a refund calls the same gateway.
SELECT is(e.closed_at - e.started_at, lasts, kind || ' lasts ' || lasts)
FROM (VALUES
	('gateway fails once', '1 s'::interval),
	('carrier fails twice', '3 s'),
	('bank slow, carrier never comes', '17 s')) AS wanted (kind, lasts)
JOIN workflow.executions e ON workflow_id = pg_temp.id(kind);
SELECT results_eq(
	$$ SELECT kind, status, paid FROM placed JOIN orders.order_books ON order_id = id
		WHERE kind IN
			('gateway fails once', 'carrier fails twice', 'bank slow, carrier never comes')
		ORDER BY id $$,
	$$ VALUES ('gateway fails once', 'shipped', 12.90), ('carrier fails twice', 'shipped', 12.90),
		('bank slow, carrier never comes', 'cancelled', 0) $$,
	'what passes ends well, what does not is refunded');

-- The customer learns that it failed; we learn why.
SELECT is(error, 'PaymentDeclinedError', 'the internal error is kept')
FROM workflow.executions WHERE workflow_id = pg_temp.id('card declines');
SELECT is(cause, 'the card of customer 2 was declined', 'so is its cause')
FROM workflow.executions WHERE workflow_id = pg_temp.id('card declines');
SELECT matches(public_error::text, 'OrderProcessingFailed', 'the public error is another')
FROM workflow.executions WHERE workflow_id = pg_temp.id('card declines');
SELECT doesnt_match(public_error::text, '(?i)declined', 'which does not tell the cause')
FROM workflow.executions WHERE workflow_id = pg_temp.id('card declines');
SELECT throws_matching(format('SELECT workflow.result(%L)', pg_temp.id('card declines')),
	'OrderProcessingFailed|could not process your order', 'the result is the public error');
SELECT is(public_error, 'OrderProcessingFailed', 'the order has the public error')
FROM orders.orders JOIN placed ON order_id = id WHERE kind = 'card declines';
SELECT is(internal_error, 'PaymentDeclinedError: the card of customer 2 was declined',
	'and the internal one')
FROM orders.orders JOIN placed ON order_id = id WHERE kind = 'card declines';

-- An order can be cancelled while it is processed: no further attempt, all undone.
SELECT is(status, 'Canceled', 'a cancelled run is Canceled')
FROM workflow.executions WHERE workflow_id = pg_temp.id('customer cancels');
SELECT workflow_test.compensated(pg_temp.id('customer cancels'),
	'{RestoreInventory,RefundPayment,ReleaseInventoryReservation}');
SELECT is(status, 'cancelled', 'and so is its order')
FROM orders.orders JOIN placed ON order_id = id WHERE kind = 'customer cancels';

-- A hundred orders with all of these faults.
SELECT is(orders.place_orders('OrderSaga', 100), 100::bigint, 'a hundred orders are placed');
SELECT cmp_ok(workflow_test.run()::bigint, '>', 0::bigint, 'and processed');
SELECT results_eq(
	$$ SELECT COALESCE(split_part(internal_error, ':', 1), status) AS outcome, count(*)
		FROM orders.orders WHERE order_id > (SELECT max(id) FROM placed)
		GROUP BY outcome ORDER BY outcome $$,
	$$ VALUES ('InvalidOrderError', 6::bigint), ('OutOfStockError', 2), ('PaymentDeclinedError', 4),
		('ShippingError', 2), ('shipped', 86) $$,
	'each has the outcome its faults demand');
SELECT is_empty('SELECT * FROM orders.check_invariants()', 'the invariants hold');

-- A compensation that fails does not keep the others from running, and does not go unnoticed.
\o /dev/null
INSERT INTO placed SELECT 'refund breaks', orders.place_order('OrderSaga', carrier => 'phantom');
SELECT workflow_test.mock_activity('RefundPayment', error => 'Broken', message => 'broken',
	non_retryable => true, input => jsonb_build_object('order_id', id))
FROM placed WHERE kind = 'refund breaks';
SELECT workflow_test.run();
\o
SELECT workflow_test.failed(pg_temp.id('refund breaks'), 'ShippingError');
SELECT results_eq('SELECT invariant, subject FROM orders.check_invariants()',
	$$ SELECT 'money', 'order ' || id FROM placed WHERE kind = 'refund breaks' $$,
	'only the money is not back');

SELECT * FROM finish();
ROLLBACK;
