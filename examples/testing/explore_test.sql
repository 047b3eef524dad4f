-- The order saga, and one with a fault, under random failures, delays and messages: doc/testing.md, "Explore".
BEGIN;
SET LOCAL client_min_messages = error;
\o /dev/null
SELECT workflow_test.begin();
\ir order_saga.sql
SELECT workflow.register('Impatient', workflow.sequence(ARRAY[
    workflow.step('ReserveInventory', undo => 'ReleaseInventoryReservation'),
    workflow.step('ProcessPayment', undo => 'RefundPayment'),
    workflow.step('ArrangeShipping', options => '{
        "Catch": [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.late", "Next": "Apologize"}]}'),
    workflow.step('Apologize')],
    '{"Defaults": {"StartToCloseSeconds": 60}}'));
\o

SELECT plan(3);
SELECT workflow_test.explores('OrderSaga', '{"order_id": 1}', seed => 1, runs => 100, invariants => ARRAY[
    $$status <> 'Completed' OR cardinality(undone) = 0$$]);
-- what explore finds, and the same as a script
SELECT is(script, '[{"call": 1, "activity": "ArrangeShipping", "duration": "61 s"}]', 'nobody refunds the payment when the lorry is late')
FROM workflow_test.explore('Impatient', '{"order_id": 1}', seed => 1, invariants => ARRAY[
    $$status = 'Terminated' OR 'ProcessPayment' <> ALL (done) OR 'ArrangeShipping' = ANY (done) OR 'RefundPayment' = ANY (undone)$$]);
SELECT is(status, 'Completed', 'the run completes all the same')
FROM workflow_test.explore_script('Impatient', '{"order_id": 1}', '[{"activity": "ArrangeShipping", "duration": "61 s"}]');
SELECT * FROM finish();
ROLLBACK;
