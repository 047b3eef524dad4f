-- The activities: ordinary functions with ordinary logic.
--
-- Each runs in the transaction of the state transition that follows it, so it happens once or
-- not at all. The idempotency key, the same for all attempts of a task, still guards what must
-- not happen twice when a run is reset or retried by hand. A compensation finds the key of the
-- call it undoes in context.compensates; it is safe to repeat, and right whether or not the
-- other compensations succeed.

-- Moves an order on, unless it was cancelled in the meantime.
CREATE FUNCTION orders.advance(id bigint, next_status text) RETURNS orders.orders
	LANGUAGE plpgsql AS $$
DECLARE
	this_order orders.orders;
BEGIN
	UPDATE orders.orders SET status = next_status
	WHERE order_id = id AND status <> 'cancelled'
	RETURNING * INTO this_order;
	IF NOT FOUND THEN
		PERFORM workflow.throw('InvalidOrderError',
			format('order %s does not exist, or is cancelled', id), non_retryable => true);
	END IF;
	RETURN this_order;
END $$;

-- Says what is wrong with an order; NULL if nothing is. The amount is the customer's arithmetic.
-- In plpgsql, which keeps the plan from call to call.
CREATE FUNCTION orders.defect(id bigint) RETURNS text
	LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (
		SELECT CASE
			WHEN o.order_id IS NULL THEN 'the order does not exist'
			WHEN o.amount IS NULL THEN 'the amount is missing'
			WHEN o.amount = 'NaN' THEN 'the amount is not a number'
			WHEN o.amount <= 0 THEN format('the amount %s is not positive', o.amount)
			WHEN l.lines = 0 THEN 'the order is empty'
			WHEN l.unknown IS NOT NULL THEN format('product %s is unknown', l.unknown)
			WHEN o.amount <> l.total
				THEN format('the amount is %s, its lines add up to %s', o.amount, l.total)
		END
		FROM (VALUES (id)) AS wanted (order_id)
		LEFT JOIN orders.orders o USING (order_id)
		CROSS JOIN LATERAL (
			SELECT count(*) AS lines, sum(l.quantity * l.unit_price) AS total,
				min(l.product_id) FILTER (WHERE p.product_id IS NULL) AS unknown
			FROM orders.order_lines l
			LEFT JOIN orders.products p USING (product_id)
			WHERE l.order_id = wanted.order_id) l);
END $$;

-- Refuses an invalid order, for good: another attempt would find it no better.
CREATE FUNCTION orders.require_valid(id bigint) RETURNS void
	LANGUAGE plpgsql AS $$
DECLARE
	defect text := orders.defect(id);
BEGIN
	IF defect IS NOT NULL THEN
		PERFORM workflow.throw('InvalidOrderError', defect,
			jsonb_build_object('order_id', id), non_retryable => true);
	END IF;
END $$;

-- ValidateOrder. The plainest kind of activity: jsonb in, jsonb out.
CREATE FUNCTION orders.validate_order(input jsonb) RETURNS jsonb
	LANGUAGE plpgsql AS $$
BEGIN
	PERFORM orders.require_valid((input->>'order_id')::bigint);
	RETURN jsonb_build_object('valid', true);
END $$;

-- ReserveInventory: stock → reserved. It validates too, being the first step of OrderSaga. With a
-- second argument, an activity learns about the task it runs for.
CREATE FUNCTION orders.reserve_inventory(input jsonb, context workflow.activity_context)
	RETURNS jsonb
	LANGUAGE plpgsql AS $$
DECLARE
	id bigint := (input->>'order_id')::bigint;
BEGIN
	PERFORM orders.require_valid(id);
	PERFORM orders.advance(id, 'reserved');
	-- In the order of the products, here and below, so that no two orders deadlock.
	INSERT INTO orders.inventory_movements (idempotency_key, product_id, order_id, stock, reserved)
	SELECT context.idempotency_key, product_id, id, -ordered, ordered
	FROM orders.order_items
	WHERE order_id = id
	ORDER BY product_id
	ON CONFLICT DO NOTHING;
	RETURN jsonb_build_object('reserved', true);
END $$;

-- ReleaseInventoryReservation: what this order still has reserved → stock. That is nothing once
-- UpdateInventory took the goods; they come back with RestoreInventory.
CREATE FUNCTION orders.release_inventory_reservation(input jsonb, context workflow.activity_context)
	RETURNS jsonb
	LANGUAGE plpgsql AS $$
DECLARE
	id bigint := (input->>'order_id')::bigint;
BEGIN
	INSERT INTO orders.inventory_movements (idempotency_key, product_id, order_id, stock, reserved)
	SELECT context.idempotency_key, product_id, id, reserved, -reserved
	FROM orders.order_items
	WHERE order_id = id AND reserved > 0
	ORDER BY product_id
	ON CONFLICT DO NOTHING;
	RETURN jsonb_build_object('released', FOUND);
END $$;

-- Stands for the call to a payment gateway, which has its bad moments.
CREATE FUNCTION orders.call_gateway(customer orders.customers, attempt int) RETURNS void
	LANGUAGE plpgsql AS $$
BEGIN
	IF COALESCE(attempt <= customer.gateway_failures, true) THEN
		PERFORM workflow.throw('PaymentGatewayError', 'the payment gateway does not answer');
	END IF;
END $$;

-- ProcessPayment.
CREATE FUNCTION orders.process_payment(input jsonb, context workflow.activity_context)
	RETURNS jsonb
	LANGUAGE plpgsql AS $$
DECLARE
	this_order orders.orders := orders.advance((input->>'order_id')::bigint, 'paid');
	customer orders.customers;
BEGIN
	SELECT * INTO STRICT customer FROM orders.customers WHERE customer_id = this_order.customer_id;
	PERFORM orders.call_gateway(customer, context.attempt);
	IF customer.card_declines THEN
		PERFORM workflow.throw('PaymentDeclinedError',
			format('the card of customer %s was declined', customer.customer_id),
			jsonb_build_object('customer_id', customer.customer_id, 'amount', this_order.amount));
	END IF;
	INSERT INTO orders.payments (idempotency_key, order_id, amount, paid_at)
	VALUES (context.idempotency_key, this_order.order_id, this_order.amount, workflow.now())
	ON CONFLICT (idempotency_key) DO NOTHING;
	RETURN jsonb_build_object('amount', this_order.amount);
END $$;

-- RefundPayment: gives back exactly what the ProcessPayment it undoes took.
CREATE FUNCTION orders.refund_payment(input jsonb, context workflow.activity_context)
	RETURNS jsonb
	LANGUAGE plpgsql AS $$
DECLARE
	payment_key text := context.compensates->>'idempotency_key';
	customer orders.customers;
BEGIN
	SELECT c.* INTO STRICT customer
	FROM orders.payments p
	JOIN orders.orders USING (order_id)
	JOIN orders.customers c USING (customer_id)
	WHERE p.idempotency_key = payment_key;
	PERFORM orders.call_gateway(customer, context.attempt);
	UPDATE orders.payments
	SET refunded = amount, refund_key = context.idempotency_key, refunded_at = workflow.now()
	WHERE idempotency_key = payment_key AND refund_key IS NULL;
	RETURN jsonb_build_object('refunded', FOUND);
END $$;

-- UpdateInventory: what is reserved for the order, else stock → shipped. It serves both
-- definitions.
CREATE FUNCTION orders.update_inventory(input jsonb, context workflow.activity_context)
	RETURNS jsonb
	LANGUAGE plpgsql AS $$
DECLARE
	id bigint := (input->>'order_id')::bigint;
BEGIN
	PERFORM orders.advance(id, 'packed');
	INSERT INTO orders.inventory_movements (idempotency_key, product_id, order_id, stock, reserved)
	SELECT context.idempotency_key, product_id, id, reserved - ordered, -reserved
	FROM orders.order_items
	WHERE order_id = id
	ORDER BY product_id
	ON CONFLICT DO NOTHING;
	RETURN jsonb_build_object('updated', true);
END $$;

-- RestoreInventory: what this order took → stock, no longer reserved for anybody.
CREATE FUNCTION orders.restore_inventory(input jsonb, context workflow.activity_context)
	RETURNS jsonb
	LANGUAGE plpgsql AS $$
DECLARE
	id bigint := (input->>'order_id')::bigint;
BEGIN
	INSERT INTO orders.inventory_movements (idempotency_key, product_id, order_id, stock, reserved)
	SELECT context.idempotency_key, product_id, id, shipped, 0
	FROM orders.order_items
	WHERE order_id = id AND shipped > 0
	ORDER BY product_id
	ON CONFLICT DO NOTHING;
	RETURN jsonb_build_object('restored', FOUND);
END $$;

-- ArrangeShipping gives the tracking number. One composite argument takes the whole input,
-- checked and typed; such a function asks for its context.
CREATE TYPE orders.shipping_request AS (order_id bigint, carrier text);

CREATE FUNCTION orders.arrange_shipping(request orders.shipping_request) RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE
	context workflow.activity_context := workflow.current_activity();
	tracking_number text := upper(request.carrier) || '-' || request.order_id;
	failures int;
BEGIN
	PERFORM orders.advance(request.order_id, 'shipped');
	SELECT c.failures INTO STRICT failures FROM orders.carriers c WHERE c.carrier = request.carrier;
	IF COALESCE(context.attempt <= failures, true) THEN
		PERFORM workflow.throw('ShippingError', format('carrier %s has no lorry', request.carrier));
	END IF;
	INSERT INTO orders.shipments (idempotency_key, order_id, carrier, tracking, value, shipped_at)
	SELECT context.idempotency_key, request.order_id, request.carrier, tracking_number,
		sum(quantity * unit_price), workflow.now()
	FROM orders.order_lines
	WHERE order_id = request.order_id
	ON CONFLICT (idempotency_key) DO NOTHING;
	RETURN tracking_number;
END $$;

-- CancelShipping: the goods are with us again, packed.
CREATE FUNCTION orders.cancel_shipping(input jsonb, context workflow.activity_context)
	RETURNS jsonb
	LANGUAGE plpgsql AS $$
BEGIN
	UPDATE orders.orders SET status = 'packed'
	WHERE order_id = (input->>'order_id')::bigint AND status = 'shipped';
	UPDATE orders.shipments SET cancelled_at = workflow.now()
	WHERE idempotency_key = context.compensates->>'idempotency_key' AND cancelled_at IS NULL;
	RETURN jsonb_build_object('cancelled', FOUND);
END $$;

-- CancelOrder tells the customer. What failed could not write it down itself: that would have
-- been rolled back with the failure. Named arguments are filled from the input by key.
CREATE FUNCTION orders.cancel_order(order_id bigint, public_error text, failure jsonb) RETURNS void
	LANGUAGE sql
BEGIN ATOMIC
	UPDATE orders.orders o
	SET status = 'cancelled', public_error = cancel_order.public_error,
		internal_error = concat_ws(': ', failure->>'Error', failure->>'Cause')
	WHERE o.order_id = cancel_order.order_id;
END;

SELECT workflow.register_activity(name, function::regprocedure)
FROM (VALUES
	('ValidateOrder', 'orders.validate_order(jsonb)'),
	('ReserveInventory', 'orders.reserve_inventory(jsonb, workflow.activity_context)'),
	('ReleaseInventoryReservation',
		'orders.release_inventory_reservation(jsonb, workflow.activity_context)'),
	('ProcessPayment', 'orders.process_payment(jsonb, workflow.activity_context)'),
	('RefundPayment', 'orders.refund_payment(jsonb, workflow.activity_context)'),
	('UpdateInventory', 'orders.update_inventory(jsonb, workflow.activity_context)'),
	('RestoreInventory', 'orders.restore_inventory(jsonb, workflow.activity_context)'),
	('ArrangeShipping', 'orders.arrange_shipping(orders.shipping_request)'),
	('CancelShipping', 'orders.cancel_shipping(jsonb, workflow.activity_context)'),
	('CancelOrder', 'orders.cancel_order(bigint, text, jsonb)')
) AS activity (name, function);
