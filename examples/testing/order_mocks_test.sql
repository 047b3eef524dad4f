-- Mocks that choose, change their minds, compute and keep silent; expectations. doc/testing.md tells of them.
BEGIN;
SET LOCAL client_min_messages = error;
\o /dev/null
SELECT workflow_test.begin();
\ir order_saga.sql
SELECT workflow_test.mock_activity(activity, '{}')
FROM unnest('{ReserveInventory,ReleaseInventoryReservation,RefundPayment}'::text[]) AS activity;

SELECT workflow_test.mock_activity('ProcessPayment', error => 'CardDeclined', non_retryable => true, matching => '$.amount > 1000');
SELECT workflow_test.mock_activity('ProcessPayment', workflow_id => 'order-2', answers => '[
    {"error": "GatewayBusy"},
    {"error": "GatewayBusy", "next_retry_delay": "1 h"},
    {"result": {"paid": true}, "duration": "2 s"}]');
SELECT workflow_test.mock_activity('ProcessPayment', compute => 'SELECT jsonb_build_object(''paid'', input->''amount'')');

SELECT workflow.register_activity('ArrangeShipping', task_queue => 'shipping');
SELECT workflow_test.mock_activity('ArrangeShipping', never => true, heartbeat => '{"loaded": 3}', workflow_id => 'order-3');
SELECT workflow_test.mock_activity('ArrangeShipping', '{"lorry": 7}', duration => '30 s');
SELECT workflow_test.on_activity('ArrangeShipping', $$SELECT workflow.cancel($1, 'too slow')$$, after => '10 s', workflow_id => 'order-4');

SELECT workflow_test.expect_activity('ProcessPayment', 3, input => '{"order_id": 2}');
SELECT workflow_test.expect_activity('ArrangeShipping', 0, matching => '$.amount > 1000');
SELECT workflow_test.expect_order('{ReserveInventory,ProcessPayment,ReleaseInventoryReservation}', 'order-1');

SELECT workflow.start('OrderSaga', jsonb_build_object('order_id', n, 'amount', 2000 / n), 'order-' || n) FROM generate_series(1, 4) AS n;
SELECT workflow_test.run();
\o

SELECT plan(11);
-- too much for the card
SELECT workflow_test.failed('order-1', 'CardDeclined');
SELECT workflow_test.not_called('ArrangeShipping', 'order-1');
-- paid in the end
SELECT workflow_test.completed('order-2');
-- nobody hears of the lorry any more
SELECT workflow_test.failed('order-3', 'States.Timeout');
SELECT is(attributes->'heartbeat_details', '{"loaded": 3}', 'after so much was loaded')
FROM workflow.get_history('order-3') WHERE event_type = 'ActivityTaskTimedOut';
-- canceled while it is loaded
SELECT is(status, 'Canceled', 'the customer had enough') FROM workflow.get_execution('order-4');
SELECT workflow_test.compensated('order-4', '{RefundPayment,ReleaseInventoryReservation}');
SELECT workflow_test.verify(unused_mocks => true);
SELECT * FROM finish();
ROLLBACK;
