-- The workloads: order-4, order-4-noop, and a run that waits for an hour. Run as the role that owns them.

SELECT workflow.register_activity('ValidateOrder', 'shop.validate_order(jsonb)');
SELECT workflow.register_activity('ChargePayment', 'shop.charge_payment(jsonb)');
SELECT workflow.register_activity('ReserveInventory', 'shop.reserve_inventory(jsonb)');
SELECT workflow.register_activity('CreateShipment', 'shop.create_shipment(jsonb)');
SELECT workflow.register_activity('DoNothing', 'shop.do_nothing(jsonb)');

SELECT workflow.register('order_4', $asl$
{
  "Defaults": {"ResultPath": "$.{State}", "StartToCloseSeconds": 10},
  "StartAt": "Validate",
  "States": {
    "Validate": {"Type": "Task", "Resource": "ValidateOrder", "Next": "Charge"},
    "Charge": {"Type": "Task", "Resource": "ChargePayment", "Next": "Reserve"},
    "Reserve": {"Type": "Task", "Resource": "ReserveInventory", "Next": "Ship"},
    "Ship": {"Type": "Task", "Resource": "CreateShipment", "End": true}
  }
}
$asl$::text);

SELECT workflow.register('order_4_noop', $asl$
{
  "Defaults": {"ResultPath": "$.{State}", "StartToCloseSeconds": 10},
  "StartAt": "Validate",
  "States": {
    "Validate": {"Type": "Task", "Resource": "DoNothing", "Next": "Charge"},
    "Charge": {"Type": "Task", "Resource": "DoNothing", "Next": "Reserve"},
    "Reserve": {"Type": "Task", "Resource": "DoNothing", "Next": "Ship"},
    "Ship": {"Type": "Task", "Resource": "DoNothing", "End": true}
  }
}
$asl$::text);

SELECT workflow.register('wait_an_hour', $asl$
{
  "StartAt": "Wait",
  "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": true}}
}
$asl$::text);
