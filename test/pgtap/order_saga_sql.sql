-- OrderSagaSQL, the saga written with SQL expressions: whatever happens, it does as OrderSaga does.
BEGIN;
\o /dev/null
\ir ../../examples/order_processing/load.sql
ALTER TABLE orders.orders ALTER order_id RESTART WITH 700001;	-- numbers that occur nowhere else
SELECT workflow_test.begin();
SELECT workflow_test.allow_activity(activity)
FROM unnest('{ReserveInventory,ReleaseInventoryReservation,ProcessPayment,RefundPayment,
	UpdateInventory,RestoreInventory,ArrangeShipping,CancelShipping,CancelOrder}'::text[]) AS activity;

CREATE TEMPORARY TABLE placed AS
SELECT kind, workflow, orders.place_order(workflow, customer, products::bigint[], carrier, amount_factor) AS id
FROM (VALUES
	('good', 1, '{1,2}', 'swift', 1),
	('card declines', 2, '{1,2}', 'swift', 1),
	('sold out', 1, '{1,22}', 'swift', 1),
	('gateway fails once', 3, '{1,2}', 'swift', 1),
	('carrier fails twice', 1, '{1,2}', 'moody', 1),
	('carrier never comes', 1, '{1,2}', 'phantom', 1),
	('wrong amount', 1, '{1,2}', 'swift', 1.5),
	('shipping breaks', 1, '{1,2}', 'swift', 1),
	('customer cancels', 1, '{1,2}', 'phantom', 1)
) AS wanted (kind, customer, products, carrier, amount_factor),
unnest('{OrderSaga,OrderSagaSQL}'::text[]) AS workflow;

SELECT workflow_test.mock_activity('ArrangeShipping', error => 'Broken', message => 'broken',
	non_retryable => true, input => jsonb_build_object('order_id', id))
FROM placed WHERE kind = 'shipping breaks';
SELECT workflow_test.at('5 s', format('SELECT workflow.cancel(%L)', orders.workflow_id(id)))
FROM placed WHERE kind = 'customer cancels';
SELECT workflow_test.run();

-- How each ended, with its own number left out
CREATE TEMPORARY TABLE ended AS
SELECT kind, placed.workflow, e.status, e.error, replace(e.cause, id::text, '700000') AS cause,
	replace(e.output::text, id::text, '700000') AS output, e.public_error, e.closed_at - e.started_at AS lasted,
	o.status AS order_status, replace(o.internal_error, id::text, '700000') AS internal_error,
	array(SELECT c.activity || ':' || c.status FROM workflow.compensations c
		WHERE c.workflow_id = e.workflow_id ORDER BY c.sequence) AS compensations,
	array(SELECT concat_ws(' ', h.event_type, h.state, h.attributes->>'activity') FROM workflow.history h
		WHERE h.workflow_id = e.workflow_id AND h.event_type <> 'MarkerRecorded' ORDER BY h.event_id) AS history
FROM placed JOIN workflow.executions e ON e.workflow_id = orders.workflow_id(id)
JOIN orders.orders o ON o.order_id = id;
\o

SELECT plan(11);
SELECT is(to_jsonb(sql) - 'workflow', to_jsonb(path) - 'workflow', sql.kind)
FROM ended sql JOIN ended path USING (kind)
WHERE sql.workflow = 'OrderSagaSQL' AND path.workflow = 'OrderSaga';
SELECT results_eq('SELECT status, output::jsonb FROM ended WHERE kind = ''good'' AND workflow = ''OrderSagaSQL''',
	$$ VALUES ('Completed', '{"order_id": 700000, "carrier": "swift", "ReserveInventory": {"reserved": true},
		"ProcessPayment": {"amount": 12.90}, "UpdateInventory": {"updated": true}, "ArrangeShipping": "SWIFT-700000"}'::jsonb) $$,
	'the good one''s output');
SELECT is_empty('SELECT * FROM orders.check_invariants()', 'the invariants hold');
SELECT * FROM finish();
ROLLBACK;
