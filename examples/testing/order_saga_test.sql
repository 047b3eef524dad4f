-- Tests of the order saga, with all its activities mocked: doc/testing.md tells how they came about.
BEGIN;
SET LOCAL client_min_messages = error;
\o /dev/null
SELECT workflow_test.begin();
\ir order_saga.sql
SELECT workflow_test.mock_activity(activity, '{}')
FROM unnest('{ReserveInventory,ReleaseInventoryReservation,RefundPayment}'::text[]) AS activity;
SELECT workflow_test.mock_activity('ProcessPayment', error => 'CardDeclined', non_retryable => true,
                                   input => '{"order_id": 2}');
SELECT workflow_test.mock_activity('ProcessPayment', error => 'GatewayBusy', times => 1, input => '{"order_id": 3}');
SELECT workflow_test.mock_activity('ProcessPayment', '{"paid": true}');
SELECT workflow_test.mock_activity('ArrangeShipping', error => 'NoLorry', input => '{"order_id": 4}');
SELECT workflow_test.mock_activity('ArrangeShipping', '{"lorry": 7}');

SELECT workflow.start('OrderSaga', jsonb_build_object('order_id', n), 'order-' || n) FROM generate_series(1, 4) AS n;
SELECT workflow_test.run();
\o

SELECT plan(10);
-- all goes well
SELECT workflow_test.completed('order-1');
SELECT workflow_test.state_path('order-1', '{ReserveInventory,ProcessPayment,ArrangeShipping}');
-- the payment fails, and the reservation is released
SELECT workflow_test.failed('order-2', 'CardDeclined');
SELECT workflow_test.compensated('order-2', '{ReleaseInventoryReservation}');
-- the gateway is busy, and asked again after a second
SELECT workflow_test.completed('order-3');
SELECT is(closed_at, '2030-01-01 00:00:01+00', 'a second later') FROM workflow.executions WHERE workflow_id = 'order-3';
-- nobody can ship it: the last step undone is the first
SELECT workflow_test.failed('order-4', 'NoLorry');
SELECT workflow_test.compensated('order-4', '{RefundPayment,ReleaseInventoryReservation}');
SELECT workflow_test.activity_called('RefundPayment', 1);
-- nothing of the definition was left out
SELECT workflow_test.covered('OrderSaga');
SELECT * FROM finish();
ROLLBACK;
