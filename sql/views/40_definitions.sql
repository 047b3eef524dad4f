-- Workflows, their versions, and activities.

CREATE VIEW workflow.definitions WITH (security_invoker) AS
SELECT workflow, version, version = current_version AS is_current, owner, definition, source, created_by, created_at,
       ramp_percent, deprecated_at, retired_at, log_events
FROM workflow.readable_definition;
COMMENT ON VIEW workflow.definitions IS 'Registered versions of workflows';
COMMENT ON COLUMN workflow.definitions.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.definitions.version IS 'Counts from 1 within the workflow; of those that start_activity made, any number';
COMMENT ON COLUMN workflow.definitions.is_current IS 'The version that new runs start with';
COMMENT ON COLUMN workflow.definitions.owner IS 'The role that the name belongs to, and that runs execute as';
COMMENT ON COLUMN workflow.definitions.definition IS 'The definition, as jsonb';
COMMENT ON COLUMN workflow.definitions.source IS 'The definition as it was written';
COMMENT ON COLUMN workflow.definitions.created_by IS 'The role that registered this version';
COMMENT ON COLUMN workflow.definitions.created_at IS 'When it was registered';
COMMENT ON COLUMN workflow.definitions.ramp_percent IS 'How many percent of the new runs start with it instead, see set_ramp; NULL: it is not ramped';
COMMENT ON COLUMN workflow.definitions.deprecated_at IS 'Since when whoever starts it by its number is warned; NULL: nobody is';
COMMENT ON COLUMN workflow.definitions.retired_at IS 'Since when nothing can be started on it; NULL: it is in use';
COMMENT ON COLUMN workflow.definitions.log_events IS 'Which events of the workflow''s runs are logged, see set_log_level; NULL: as order_workflow.log_events says';

-- definition_source, last_version: for describe; NULL for a workflow that the current user may not see
--   version  0 means the current one
CREATE FUNCTION workflow.definition_source(workflow text, version int) RETURNS text
    LANGUAGE sql STABLE
    RETURN (SELECT d.source FROM workflow.definitions d
            WHERE d.workflow = definition_source.workflow
              AND CASE WHEN definition_source.version = 0 THEN d.is_current ELSE d.version = definition_source.version END);
COMMENT ON FUNCTION workflow.definition_source(text, int) IS 'The text of a definition that one may see';

CREATE FUNCTION workflow.last_version(workflow text) RETURNS int
    LANGUAGE sql STABLE
    RETURN (SELECT max(d.version) FROM workflow.definitions d WHERE d.workflow = last_version.workflow);
COMMENT ON FUNCTION workflow.last_version(text) IS 'The last version of a workflow that one may see';

-- function_state: a function as it is now; nulls when there is none
--   schema, name, arguments  as workflow.activity has them
--   hash        of its definition, as CREATE FUNCTION would make it: body, language, arguments, settings.  Not of what the functions
--               do that it calls, nor of what is in the library of one in C.  The same in every database of a server; another
--               version of PostgreSQL may write definitions differently
--   changed_at  when it was last made, replaced or altered; NULL unless track_commit_timestamp is on and was so then
CREATE FUNCTION workflow.function_state(schema text, name text, arguments text, OUT hash text, OUT changed_at timestamptz)
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'ow_function_state';
COMMENT ON FUNCTION workflow.function_state(text, text, text) IS 'A hash of a function''s definition, and when that changed';

CREATE VIEW workflow.activities WITH (security_invoker) AS
SELECT a.name, a.owner, a.kind,
       CASE WHEN a.kind = 'sql'
            THEN format('%I.%I(%s)', a.function_schema, a.function_name, a.function_arguments) END AS function,
       a.task_queue, a.options, a.registered_at, a.crashes, a.quarantined_at,
       a.function_hash, f.hash AS current_hash,
       CASE WHEN f.hash <> a.function_hash THEN f.changed_at END AS function_changed_at
FROM workflow.readable_activity a
CROSS JOIN LATERAL workflow.function_state(a.function_schema, a.function_name, a.function_arguments) f;
COMMENT ON VIEW workflow.activities IS 'Registered activities';
COMMENT ON COLUMN workflow.activities.name IS 'By which definitions name it';
COMMENT ON COLUMN workflow.activities.owner IS 'The role that the name belongs to';
COMMENT ON COLUMN workflow.activities.kind IS 'sql: a function';
COMMENT ON COLUMN workflow.activities.function IS 'The function, with its schema and the types of its arguments';
COMMENT ON COLUMN workflow.activities.task_queue IS 'NULL for SQL functions';
COMMENT ON COLUMN workflow.activities.options IS 'Fields of a Task that say how it is run, as defaults';
COMMENT ON COLUMN workflow.activities.registered_at IS 'When it was last registered';
COMMENT ON COLUMN workflow.activities.crashes IS 'Runs it has left stuck, as it crashed the server again and again';
COMMENT ON COLUMN workflow.activities.quarantined_at IS
    'Since when it is not run, for having crashed the server too often';
COMMENT ON COLUMN workflow.activities.function_hash IS 'Of the function''s definition when it was registered';
COMMENT ON COLUMN workflow.activities.current_hash IS 'The same as it is now: another one if the function was replaced; NULL: it is gone';
COMMENT ON COLUMN workflow.activities.function_changed_at IS
    'When it was last replaced, if it differs; NULL unless track_commit_timestamp is on';

CREATE VIEW workflow.circuit_breakers WITH (security_invoker) AS
SELECT a.name AS activity, a.owner, s.state, s.failures, s.failure_threshold, s.opened_at, s.half_open_at, s.probing,
       s.last_error, s.rejected
FROM workflow.readable_activity a
CROSS JOIN LATERAL workflow.circuit_breaker_stats(a.name) s
WHERE a.options ? 'CircuitBreaker';
COMMENT ON VIEW workflow.circuit_breakers IS 'Circuit breakers of activities, as they are now; a restart closes them';
COMMENT ON COLUMN workflow.circuit_breakers.activity IS 'The name it was registered under';
COMMENT ON COLUMN workflow.circuit_breakers.owner IS 'The role that the name belongs to';
COMMENT ON COLUMN workflow.circuit_breakers.state IS
    'Closed, Open (no attempts are made), or HalfOpen: one attempt is let through';
COMMENT ON COLUMN workflow.circuit_breakers.failures IS 'Within the window, up to now';
COMMENT ON COLUMN workflow.circuit_breakers.failure_threshold IS 'So many open it';
COMMENT ON COLUMN workflow.circuit_breakers.opened_at IS 'Since when it has not been closed; null: it is closed';
COMMENT ON COLUMN workflow.circuit_breakers.half_open_at IS 'When an attempt is, or was, let through; null: it is closed';
COMMENT ON COLUMN workflow.circuit_breakers.probing IS 'Whether the attempt that was let through has yet to end';
COMMENT ON COLUMN workflow.circuit_breakers.last_error IS 'The error''s name, of the last failure that counted; or who opened it';
COMMENT ON COLUMN workflow.circuit_breakers.rejected IS 'Attempts that were not made; counted anew after it has been closed for a while';
