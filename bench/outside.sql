-- order-4 by programs outside: four activities of one task queue, between which only JSONPath is evaluated. Run as the role
-- that owns the workflows; pgbench's clients are the workers, of the same role.

SELECT workflow.register_activity(activity, task_queue => 'outside',
                                  options => '{"StartToCloseSeconds": 3600}')
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

-- One activity, of a queue of its own
SELECT workflow.register(workflow, format($asl$
{
  "StartAt": "Ship",
  "States": {"Ship": {"Type": "Task", "Resource": "ShipOutside", "TaskQueue": "%s", "End": true}}
}
$asl$, workflow))
FROM unnest('{pickup,beating}'::text[]) AS workflow;

-- When runs were started, and when a waiting poll returned with their tasks
CREATE TABLE shop.pickup (workflow_id text PRIMARY KEY, committing_at timestamptz, returned_at timestamptz);

-- The tasks that heartbeats are sent for
CREATE TABLE shop.beating (slice int, task_tokens uuid[]);
