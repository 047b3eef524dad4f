-- For pg_regress, without pgTAP: what is printed is compared, and an expectation that is not met is an error.
\set SHOW_CONTEXT never
BEGIN;
SET LOCAL client_min_messages = error;
SELECT workflow_test.begin();
SELECT workflow.register('OrderSaga', workflow.sequence(ARRAY[
    workflow.step('ReserveInventory', undo => 'ReleaseInventoryReservation'),
    workflow.step('ProcessPayment', undo => 'RefundPayment'),
    workflow.step('ArrangeShipping')],
    '{"Defaults": {"StartToCloseSeconds": 60}}'));
SELECT count(workflow_test.mock_activity(activity)) AS mocks FROM unnest('{ReserveInventory,ReleaseInventoryReservation,ArrangeShipping}'::text[]) AS activity;
SELECT workflow_test.mock_activity('ProcessPayment', error => 'CardDeclined', input => '{"order_id": 2}');
SELECT workflow_test.mock_activity('ProcessPayment', '{"paid": true}');
SELECT workflow_test.expect_activity('ReleaseInventoryReservation', 1, workflow_id => 'order-2');
SELECT count(workflow.start('OrderSaga', jsonb_build_object('order_id', n), 'order-' || n)) AS orders FROM generate_series(1, 2) AS n;
SELECT workflow_test.run();
SELECT workflow_test.assert_expectations(unused_mocks => true);
SELECT workflow_id, status, error FROM workflow.executions ORDER BY 1;
SELECT workflow_id, activity, attempt, compensation, called_at FROM workflow_test.calls();
-- one that is not met
SELECT workflow_test.expect_activity('ArrangeShipping', 2);
SELECT workflow_test.assert_expectations();
ROLLBACK;
