-- What must hold, at any moment and after any mix of faults.

CREATE VIEW orders.invariants (invariant, meaning) AS VALUES
	('goods', 'of each product, stock + reserved + shipped is what there was at first'),
	('money', 'of each order, paid - refunded is the value of what was shipped, or zero'),
	('shelves', 'a shipped order took and shipped all that was ordered, a cancelled one nothing'),
	('done', 'an order is shipped or cancelled, or a workflow is at work on it');

-- The books of each order: taken is what left the shelves for it.
CREATE VIEW orders.order_books AS
	SELECT o.order_id, o.status, o.status IN ('shipped', 'cancelled') AS settled,
		COALESCE(l.value, 0) AS value, COALESCE(p.paid, 0) AS paid,
		COALESCE(s.shipped_value, 0) AS shipped_value, COALESCE(i.ordered, 0) AS ordered,
		COALESCE(i.taken, 0) AS taken, COALESCE(i.reserved, 0) AS reserved
	FROM orders.orders o
	LEFT JOIN (SELECT order_id, sum(quantity * unit_price) AS value
		FROM orders.order_lines GROUP BY order_id) l USING (order_id)
	LEFT JOIN (SELECT order_id, sum(amount - refunded) AS paid
		FROM orders.payments GROUP BY order_id) p USING (order_id)
	LEFT JOIN (SELECT order_id, sum(value) AS shipped_value
		FROM orders.shipments WHERE cancelled_at IS NULL GROUP BY order_id) s USING (order_id)
	LEFT JOIN (SELECT order_id, sum(ordered) AS ordered, sum(shipped) AS taken,
			sum(reserved) AS reserved
		FROM orders.order_items GROUP BY order_id) i USING (order_id);

-- Returns what breaks an invariant: no row, nothing does.
CREATE FUNCTION orders.check_invariants() RETURNS TABLE (invariant text, subject text, detail text)
	LANGUAGE sql STABLE AS $$
	SELECT 'goods', 'product ' || p.product_id,
		format('%s in stock + %s reserved + %s shipped, not %s',
			p.stock, p.reserved, m.shipped, p.initial_stock)
	FROM orders.products p
	CROSS JOIN LATERAL (SELECT COALESCE(sum(shipped), 0) AS shipped
		FROM orders.inventory_movements WHERE product_id = p.product_id) m
	WHERE p.stock + p.reserved + m.shipped <> p.initial_stock
UNION ALL
	SELECT 'money', 'order ' || order_id,
		format('%s, %s paid, %s shipped', status, paid, shipped_value)
	FROM orders.order_books
	WHERE paid NOT IN (0, value) OR settled AND paid <> shipped_value
UNION ALL
	SELECT 'shelves', 'order ' || order_id,
		format('%s, %s ordered, %s taken, %s reserved, goods for %s shipped',
			status, ordered, taken, reserved, shipped_value)
	FROM orders.order_books
	WHERE status = 'shipped' AND (taken, reserved, shipped_value) <> (ordered, 0, value)
		OR status = 'cancelled' AND (taken, reserved, shipped_value) <> (0, 0, 0)
UNION ALL
	SELECT 'done', 'order ' || order_id, status || ', and nobody is at work on it'
	FROM orders.order_books
	WHERE NOT settled AND orders.workflow_id(order_id) NOT IN (
		SELECT workflow_id FROM workflow.executions WHERE status IN ('Running', 'Paused', 'Stuck'))
$$;
