-- The application: four activities, each writing one small row. The engine and yardstick (a) run these same functions.

CREATE SCHEMA shop;

CREATE SEQUENCE shop.order_id CACHE 100;

CREATE TABLE shop.validated (
    order_id bigint PRIMARY KEY,
    amount   numeric NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shop.payment (
    order_id bigint PRIMARY KEY,
    amount   numeric NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shop.inventory_movement (
    order_id bigint PRIMARY KEY,
    sku      text NOT NULL,
    quantity int NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shop.shipment (
    order_id bigint PRIMARY KEY,
    address  text NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION shop.new_order() RETURNS jsonb
LANGUAGE sql
RETURN jsonb_build_object('order_id', nextval('shop.order_id'), 'amount', 49.90, 'sku', 'A-1001', 'quantity', 2,
                          'address', '12 Harbour Street');

CREATE FUNCTION shop.new_orders(count int) RETURNS jsonb
LANGUAGE sql
RETURN jsonb_build_object('orders', (SELECT jsonb_agg(shop.new_order()) FROM generate_series(1, count)));

CREATE FUNCTION shop.validate_order(input jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shop.validated (order_id, amount)
    VALUES ((input->>'order_id')::bigint, (input->>'amount')::numeric);
    RETURN '{"valid": true}';
END
$$;

CREATE FUNCTION shop.charge_payment(input jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shop.payment (order_id, amount)
    VALUES ((input->>'order_id')::bigint, (input->>'amount')::numeric);
    RETURN '{"charged": true}';
END
$$;

CREATE FUNCTION shop.reserve_inventory(input jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shop.inventory_movement (order_id, sku, quantity)
    VALUES ((input->>'order_id')::bigint, input->>'sku', -(input->>'quantity')::int);
    RETURN '{"reserved": true}';
END
$$;

CREATE FUNCTION shop.create_shipment(input jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shop.shipment (order_id, address)
    VALUES ((input->>'order_id')::bigint, input->>'address');
    RETURN '{"shipped": true}';
END
$$;

CREATE FUNCTION shop.do_nothing(input jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    RETURN '{"done": true}';
END
$$;
