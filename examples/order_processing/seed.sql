-- Something to sell, somebody to buy it, and orders in any number.

INSERT INTO orders.customers (customer_id, name, card_declines, gateway_failures) VALUES
	(1, 'Ada', false, 0),
	(2, 'Bob, whose card declines', true, 0),
	(3, 'Cleo, whose bank answers the second call', false, 1);

INSERT INTO orders.carriers (carrier, failures) VALUES
	('swift', 0),
	('moody', 2),      -- comes at the third call
	('phantom', NULL); -- never comes

INSERT INTO orders.products (product_id, name, price, initial_stock, stock)
SELECT id, 'article ' || id, 4.95 + id, 10000, 10000 FROM generate_series(1, 20) AS id
UNION ALL VALUES
	(21, 'the last few', 99.00, 15, 15),
	(22, 'sold out', 12.50, 0, 0);

-- The mix: of each hundred orders, as many as "share" are of this kind. Where the product is
-- NULL it varies. The amount sent is the right one (10 if there are no lines) times
-- amount_factor.
CREATE TABLE orders.mix (
	kind text PRIMARY KEY,
	share int NOT NULL,
	customer_id bigint NOT NULL DEFAULT 1,
	carrier text NOT NULL DEFAULT 'swift',
	product_id bigint,
	lines int NOT NULL DEFAULT 2,
	amount_factor numeric DEFAULT 1
);
INSERT INTO orders.mix (kind, share) VALUES ('plain', 82);
INSERT INTO orders.mix (kind, share, amount_factor) VALUES
	('no amount', 1, NULL), ('amount NaN', 1, 'NaN'),
	('amount zero', 1, 0), ('amount negative', 1, -1);
INSERT INTO orders.mix (kind, share, lines) VALUES ('empty', 1, 0);
INSERT INTO orders.mix (kind, share, product_id) VALUES
	('the last few', 2, 21), ('sold out', 2, 22), ('unknown product', 1, 404);
INSERT INTO orders.mix (kind, share, customer_id, carrier) VALUES
	('card declines', 4, 2, 'swift'), ('gateway fails once', 1, 3, 'swift'),
	('carrier fails twice', 1, 1, 'moody'), ('carrier never comes', 1, 1, 'phantom'),
	('bank slow, carrier never comes', 1, 3, 'phantom');

-- Writes an order for one of each product, and starts nothing.
CREATE FUNCTION orders.write_order(customer bigint, products bigint[],
	amount_factor numeric DEFAULT 1) RETURNS bigint
	LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
BEGIN
	INSERT INTO orders.orders (customer_id) VALUES (customer) RETURNING order_id INTO id;
	INSERT INTO orders.order_lines (order_id, line, product_id, quantity, unit_price)
	SELECT id, line, wanted.product_id, 1, COALESCE(p.price, 1)
	FROM unnest(products) WITH ORDINALITY AS wanted (product_id, line)
	LEFT JOIN orders.products p USING (product_id);
	UPDATE orders.orders
	SET amount = amount_factor * COALESCE(
		(SELECT sum(quantity * unit_price) FROM orders.order_lines WHERE order_id = id), 10)
	WHERE order_id = id;
	RETURN id;
END $$;

-- Places one order: the order and its workflow come into being together, or neither does.
CREATE FUNCTION orders.place_order(workflow text, customer bigint DEFAULT 1,
	products bigint[] DEFAULT '{1,2}', carrier text DEFAULT 'swift',
	amount_factor numeric DEFAULT 1) RETURNS bigint
	LANGUAGE plpgsql AS $$
DECLARE
	id bigint := orders.write_order(customer, products, amount_factor);
BEGIN
	PERFORM workflow.start(workflow, jsonb_build_object('order_id', id, 'carrier', carrier),
		workflow_id => orders.workflow_id(id));
	RETURN id;
END $$;

-- Places n orders in the proportions of the mix, the same ones each time; returns how many.
CREATE FUNCTION orders.place_orders(workflow text, n int) RETURNS bigint
	LANGUAGE sql AS $$
	WITH shuffled AS (
		SELECT row_number() OVER (ORDER BY md5(kind || i)) - 1 AS place,
			count(*) OVER () AS places, mix.*
		FROM orders.mix, generate_series(1, share) AS i
	), written AS (
		SELECT carrier, orders.write_order(customer_id,
			ARRAY(SELECT COALESCE(product_id, 1 + (i + 7 * line) % 20)
				FROM generate_series(1, lines) AS line),
			amount_factor) AS order_id
		FROM generate_series(0, n - 1) AS i
		JOIN shuffled ON place = i % places
		ORDER BY i
	)
	SELECT count(*)
	FROM (SELECT array_agg(jsonb_build_object('order_id', order_id, 'carrier', carrier)) AS inputs,
			array_agg(orders.workflow_id(order_id)) AS ids
		FROM written) AS these,
		workflow.start_many(workflow, inputs, ids)
$$;
