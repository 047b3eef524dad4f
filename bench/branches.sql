-- The workloads of chains and branches: 1,000 Pass and Choice states, Map and Parallel over many orders. Run as the role that
-- owns them.

SELECT workflow.register_activity('CancelOrder', 'shop.do_nothing(jsonb)');

-- A Pass that notes where the run is, and a Choice that looks there, 500 times.
SELECT workflow.register('chain_1000', jsonb_build_object(
    'StartAt', 'Pass 1',
    'States', (SELECT jsonb_object_agg('Pass ' || i, jsonb_build_object(
                          'Type', 'Pass', 'Parameters', jsonb_build_object('order_id.$', '$.order_id', 'step', i),
                          'ResultPath', '$.at', 'Next', 'Choice ' || i))
                      || jsonb_object_agg('Choice ' || i, jsonb_build_object(
                          'Type', 'Choice', 'Default', 'Astray', 'Choices', jsonb_build_array(jsonb_build_object(
                              'Variable', '$.at.step', 'NumericEquals', i,
                              'Next', CASE WHEN i < 500 THEN 'Pass ' || i + 1 ELSE 'Done' END))))
                      || '{"Done": {"Type": "Succeed"}, "Astray": {"Type": "Fail"}}'
               FROM generate_series(1, 500) AS i))::text);

SELECT workflow.register('map_orders', $asl$
{
  "Defaults": {"StartToCloseSeconds": 10},
  "StartAt": "Each",
  "States": {
    "Each": {
      "Type": "Map",
      "ItemsPath": "$.orders",
      "ItemProcessor": {
        "StartAt": "Validate",
        "States": {"Validate": {"Type": "Task", "Resource": "ValidateOrder", "End": true}}
      },
      "End": true
    }
  }
}
$asl$::text);

SELECT workflow.register('map_undoable', $asl$
{
  "Defaults": {"StartToCloseSeconds": 10},
  "StartAt": "Each",
  "States": {
    "Each": {
      "Type": "Map",
      "ItemsPath": "$.orders",
      "ItemProcessor": {
        "StartAt": "Validate",
        "States": {"Validate": {"Type": "Task", "Resource": "ValidateOrder", "Compensate": "CancelOrder", "End": true}}
      },
      "End": true
    }
  }
}
$asl$::text);

SELECT workflow.register('map_undone', $asl$
{
  "Defaults": {"StartToCloseSeconds": 10},
  "StartAt": "Each",
  "States": {
    "Each": {
      "Type": "Map",
      "ItemsPath": "$.orders",
      "ItemProcessor": {
        "StartAt": "Validate",
        "States": {"Validate": {"Type": "Task", "Resource": "ValidateOrder", "Compensate": "CancelOrder", "End": true}}
      },
      "Next": "Undo"
    },
    "Undo": {"Type": "Compensate", "End": true}
  }
}
$asl$::text);

SELECT workflow.register('parallel_50', jsonb_build_object(
    'Defaults', '{"StartToCloseSeconds": 10}'::jsonb,
    'StartAt', 'All',
    'States', jsonb_build_object('All', jsonb_build_object(
        'Type', 'Parallel', 'End', true,
        'Branches', (SELECT jsonb_agg(jsonb_build_object(
                         'StartAt', 'Validate ' || i,
                         'States', jsonb_build_object('Validate ' || i, jsonb_build_object(
                             'Type', 'Task', 'Resource', 'ValidateOrder', 'InputPath', format('$.orders[%s]', i),
                             'End', true))))
                     FROM generate_series(0, 49) AS i))))::text);
