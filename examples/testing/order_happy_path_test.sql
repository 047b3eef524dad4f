-- All goes well: every activity is mocked, and called once, in order.
BEGIN;
SET LOCAL client_min_messages = error;
\o /dev/null
SELECT workflow_test.begin();
\ir order_saga.sql
SELECT workflow_test.mock_activity('ReserveInventory', '{"reservation": 41}');
SELECT workflow_test.mock_activity('ProcessPayment', '{"paid": true}');
SELECT workflow_test.mock_activity('ArrangeShipping', '{"lorry": 7}');

SELECT workflow_test.expect_order('{ReserveInventory,ProcessPayment,ArrangeShipping}');
SELECT workflow_test.expect_activity('ReserveInventory', 1, input => '{"order_id": 1}');
SELECT workflow_test.expect_activity('ProcessPayment', 1);
SELECT workflow_test.expect_activity('ArrangeShipping', 1);
SELECT workflow_test.expect_activity('ReleaseInventoryReservation', 0);
SELECT workflow_test.expect_activity('RefundPayment', 0);

SELECT workflow.start('OrderSaga', '{"order_id": 1}', 'order-1');
SELECT workflow_test.run();
\o

SELECT plan(8);
SELECT workflow_test.completed('order-1');
SELECT workflow_test.verify(unused_mocks => true);
SELECT * FROM finish();
ROLLBACK;
