-- order-4 by programs outside: four activities of one task queue, between which only JSONPath is evaluated. Run as the role
-- that owns the workflows; pgbench's clients are the workers, as the same role.

SELECT workflow.register_activity(activity, task_queue => 'outside', options => '{"StartToCloseSeconds": 600}')
FROM unnest('{ValidateOutside,ChargeOutside,ReserveOutside,ShipOutside}'::text[]) AS activity;

SELECT workflow.register('order_4_outside', $asl$
{
  "Defaults": {"ResultPath": "$.{State}"},
  "StartAt": "Validate",
  "States": {
    "Validate": {"Type": "Task", "Resource": "ValidateOutside", "Next": "Charge"},
    "Charge": {"Type": "Task", "Resource": "ChargeOutside", "Next": "Reserve"},
    "Reserve": {"Type": "Task", "Resource": "ReserveOutside", "Next": "Ship"},
    "Ship": {"Type": "Task", "Resource": "ShipOutside", "End": true}
  }
}
$asl$::text);
