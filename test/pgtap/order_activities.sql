-- The activities of the order processing example, called by hand: each is safe to repeat, each
-- compensation is right whatever became of the others, and the check of the invariants can fail.
BEGIN;
\o /dev/null
\ir ../../examples/order_processing/load.sql

INSERT INTO orders.products (product_id, name, price, initial_stock, stock)
VALUES (100, 'test', 10, 5, 5);
INSERT INTO orders.carriers (carrier) VALUES ('test');

-- Calls an activity of an order, as a task of that idempotency key.
CREATE FUNCTION pg_temp.call(activity regproc, id bigint, key text, undoes text DEFAULT NULL)
	RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	result jsonb;
BEGIN
	EXECUTE format('SELECT %s($1, $2)', activity) INTO result
	USING jsonb_build_object('order_id', id), jsonb_populate_record(NULL::workflow.activity_context,
		jsonb_build_object('attempt', 1, 'idempotency_key', key,
			'compensates', jsonb_build_object('idempotency_key', undoes)));
	RETURN result;
END $$;

-- stock, reserved, and what an order of product 100 paid.
CREATE FUNCTION pg_temp.books(id bigint) RETURNS numeric[] LANGUAGE sql AS $$
	SELECT ARRAY[p.stock, p.reserved, paid] FROM orders.products p, orders.order_books
	WHERE product_id = 100 AND order_id = id $$;

SELECT orders.write_order(1, '{100,100}') AS id, orders.write_order(1, '{100,100,100,100}') AS big,
	orders.write_order(1, '{100}', 2) AS wrong \gset
\o

SELECT plan(21);

-- Forth, each step twice.
SELECT pg_temp.call('orders.reserve_inventory', :id, 'reserve')
FROM generate_series(1, 2) \g /dev/null
SELECT is(pg_temp.books(:id), '{3,2,0}', 'inventory is reserved once');
SELECT pg_temp.call('orders.process_payment', :id, 'pay')
FROM generate_series(1, 2) \g /dev/null
SELECT is(pg_temp.books(:id), '{3,2,20}', 'payment is taken once');
SELECT pg_temp.call('orders.update_inventory', :id, 'update')
FROM generate_series(1, 2) \g /dev/null
SELECT is(pg_temp.books(:id), '{3,0,20}', 'inventory is updated once');
SELECT is(status, 'packed', 'the order is packed') FROM orders.orders WHERE order_id = :id;

-- And back, each step twice.
SELECT pg_temp.call('orders.restore_inventory', :id, 'restore', 'update')
FROM generate_series(1, 2) \g /dev/null
SELECT is(pg_temp.books(:id), '{5,0,20}', 'inventory is restored once');
SELECT pg_temp.call('orders.refund_payment', :id, 'refund ' || n, 'pay')
FROM generate_series(1, 2) AS n \g /dev/null
SELECT is(pg_temp.books(:id), '{5,0,0}', 'payment is refunded once');
SELECT is(refund_key, 'refund 1', 'by the first refund') FROM orders.payments WHERE order_id = :id;
SELECT is(pg_temp.call('orders.release_inventory_reservation', :id, 'release', 'reserve'),
	'{"released": false}', 'nothing is left to be released');
SELECT is(pg_temp.books(:id), '{5,0,0}', 'and nothing is');

-- A reservation is released when nothing took it, even if it is asked for twice.
SELECT pg_temp.call('orders.reserve_inventory', :big, 'reserve big') \g /dev/null
SELECT is(pg_temp.books(:big), '{1,4,0}', 'another order reserves');
SELECT pg_temp.call('orders.release_inventory_reservation', :big, 'release big', 'reserve big')
FROM generate_series(1, 2) \g /dev/null
SELECT is(pg_temp.books(:big), '{5,0,0}', 'and releases');

-- Without a reservation, the goods come from stock, as long as there are any.
SELECT pg_temp.call('orders.update_inventory', :big, 'update big') \g /dev/null
SELECT is(pg_temp.books(:big), '{1,0,0}', 'inventory is updated without a reservation');
SELECT throws_like(
	format('SELECT pg_temp.call(%L, %s, %L)', 'orders.update_inventory', :id, 'again'),
	'%product 100: fewer than 2 in stock%', 'what is not there is not sold');
SELECT pg_temp.call('orders.restore_inventory', :big, 'restore big', 'update big') \g /dev/null

-- Orders that are refused.
SELECT throws_like(
	format('SELECT orders.validate_order(%L)', jsonb_build_object('order_id', :wrong)),
	'%the amount is 20.00, its lines add up to 10.00%', 'an amount must be that of the lines');
SELECT throws_like('SELECT orders.validate_order(''{"order_id": -1}'')',
	'%the order does not exist%', 'an order must exist');
SELECT orders.cancel_order(order_id, 'Sorry', '{"Error": "Why", "Cause": "because"}')
FROM orders.orders \g /dev/null
SELECT throws_like(
	format('SELECT pg_temp.call(%L, %s, %L)', 'orders.process_payment', :id, 'late'),
	'%does not exist, or is cancelled%', 'a cancelled order is not paid for');

-- The check sees what is wrong, whichever it is.
SELECT is_empty('SELECT * FROM orders.check_invariants()', 'the invariants hold');
UPDATE orders.products SET stock = 4 WHERE product_id = 100;
SELECT results_eq('SELECT invariant, detail FROM orders.check_invariants()',
	$$ VALUES ('goods', '4 in stock + 0 reserved + 0 shipped, not 5') $$, 'goods that vanished');
UPDATE orders.products SET stock = 5 WHERE product_id = 100;
UPDATE orders.payments SET refunded = 0;
SELECT results_eq('SELECT invariant, detail FROM orders.check_invariants()',
	$$ VALUES ('money', 'cancelled, 20.00 paid, 0 shipped') $$,
	'a cancelled order that is paid for');
UPDATE orders.payments SET refunded = amount;
UPDATE orders.orders SET status = 'shipped' WHERE order_id = :id;
SELECT results_eq('SELECT invariant, detail FROM orders.check_invariants()',
	$$ VALUES ('shelves', 'shipped, 2 ordered, 0 taken, 0 reserved, goods for 0 shipped') $$,
	'an order that is shipped on paper only');
UPDATE orders.orders SET status = 'paid' WHERE order_id = :id;
SELECT results_eq('SELECT invariant, subject, detail FROM orders.check_invariants()',
	format($$ VALUES ('done', 'order %s', 'paid, and nobody is at work on it') $$, :id),
	'an order that nobody cares for');

SELECT * FROM finish();
ROLLBACK;
