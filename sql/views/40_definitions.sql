-- Workflows, their versions, and activities.

CREATE VIEW workflow.definitions WITH (security_invoker) AS
SELECT workflow, version, version = current_version AS is_current, owner, definition, source, created_by, created_at
FROM workflow.readable_definition;
COMMENT ON VIEW workflow.definitions IS 'Registered versions of workflows';
COMMENT ON COLUMN workflow.definitions.is_current IS 'The version that new runs start with';
COMMENT ON COLUMN workflow.definitions.source IS 'The definition as it was written';

CREATE VIEW workflow.activities WITH (security_invoker) AS
SELECT name, owner, kind,
       CASE WHEN kind = 'sql'
            THEN format('%I.%I(%s)', function_schema, function_name, function_arguments) END AS function,
       task_queue, options, registered_at, crashes, quarantined_at
FROM workflow.readable_activity;
COMMENT ON VIEW workflow.activities IS 'Registered activities';
COMMENT ON COLUMN workflow.activities.crashes IS 'Runs it has left stuck, as it crashed the server again and again';
COMMENT ON COLUMN workflow.activities.quarantined_at IS
    'Since when it is not run, for having crashed the server too often';

CREATE VIEW workflow.version_usage WITH (security_invoker) AS
SELECT d.workflow, d.version, d.version = d.current_version AS is_current,
       coalesce(o.open, 0) AS open,
       coalesce(o.stuck, 0) AS stuck,
       coalesce(c.completed, 0) AS completed,
       coalesce(c.failed, 0) AS failed,
       coalesce(c.canceled, 0) AS canceled,
       coalesce(c.terminated, 0) AS terminated,
       coalesce(c.timed_out, 0) AS timed_out
FROM workflow.readable_definition d
LEFT JOIN (SELECT definition_id, count(*) AS open, count(*) FILTER (WHERE status = 'Stuck') AS stuck
           FROM workflow.readable_execution
           GROUP BY definition_id) o ON o.definition_id = d.definition_id
LEFT JOIN (SELECT definition_id,
                  count(*) FILTER (WHERE status = 'Completed') AS completed,
                  count(*) FILTER (WHERE status = 'Failed') AS failed,
                  count(*) FILTER (WHERE status = 'Canceled') AS canceled,
                  count(*) FILTER (WHERE status = 'Terminated') AS terminated,
                  count(*) FILTER (WHERE status = 'TimedOut') AS timed_out
           FROM workflow.readable_closed_execution
           GROUP BY definition_id) c ON c.definition_id = d.definition_id;
COMMENT ON VIEW workflow.version_usage IS 'How many of the runs one may read are on each version, by status';
