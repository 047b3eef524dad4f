-- The order saga: reserve, pay, ship; undone if a later step fails.
SELECT workflow.register('OrderSaga', workflow.sequence(ARRAY[
    workflow.step('ReserveInventory', undo => 'ReleaseInventoryReservation'),
    workflow.step('ProcessPayment', undo => 'RefundPayment', options => '{
        "Retry": [{"ErrorEquals": ["GatewayBusy"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 2}]}'),
    workflow.step('ArrangeShipping')],
    '{"Defaults": {"StartToCloseSeconds": 60}}'));
