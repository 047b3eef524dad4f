-- The payment fails: what was reserved is released, and nothing else is undone, since nothing else was done.
BEGIN;
SET LOCAL client_min_messages = error;
\o /dev/null
SELECT workflow_test.begin();
\ir order_saga.sql
SELECT workflow_test.mock_activity('ReserveInventory', '{"reservation": 41}');
SELECT workflow_test.mock_activity('ProcessPayment', error => 'CardDeclined', message => 'no money', non_retryable => true);
SELECT workflow_test.mock_activity('ReleaseInventoryReservation');

SELECT workflow_test.expect_order('{ReserveInventory,ProcessPayment,ReleaseInventoryReservation}');
SELECT workflow_test.expect_activity('ReleaseInventoryReservation', 1);
SELECT workflow_test.expect_activity('RefundPayment', 0);
SELECT workflow_test.expect_activity('ArrangeShipping', 0);

SELECT workflow.start('OrderSaga', '{"order_id": 1}', 'order-1');
SELECT workflow_test.run();
\o

SELECT plan(7);
SELECT workflow_test.failed('order-1', 'CardDeclined');
SELECT workflow_test.compensated('order-1', '{ReleaseInventoryReservation}');
SELECT workflow_test.verify(unused_mocks => true);
SELECT * FROM finish();
ROLLBACK;
