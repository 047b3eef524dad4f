-- Who may use the engine, and whose workflows.  Nothing is granted to PUBLIC.
--
-- Usage and reading are ordinary GRANTs, shown by \dp and gone with DROP OWNED BY, so they are for those who
-- may grant on the extension's objects: its owner and superusers.  After an update of the extension, grant
-- again what is new.  Workflows and activities are granted by the owner of the name.

-- grantable: what can be granted on objects of the extension
--   for_usage   to roles that call the API: all but what administers the engine
--   for_reader  to roles that look at all runs: the views, and functions that only read
CREATE FUNCTION workflow.grantable()
    RETURNS TABLE (privilege text, object text, for_usage boolean, for_reader boolean)
    LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH members AS (
        SELECT d.classid, d.objid
        FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
        WHERE e.extname = 'order_workflow' AND d.deptype = 'e'
    )
    SELECT 'USAGE', 'SCHEMA workflow', true, true
    UNION ALL
    SELECT 'USAGE', format('TYPE %s', t.oid::regtype), true, true
    FROM members m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
    UNION ALL
    SELECT 'SELECT', format('TABLE %s', c.oid::regclass), true, true
    FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
    WHERE c.relkind = 'v' AND c.relname <> 'search_document' -- which hides nothing
    UNION ALL
    SELECT 'EXECUTE', format('ROUTINE %s', p.oid::regprocedure),
           p.proname NOT IN ('see_all_runs', 'resume_engine', 'advance_epoch', 'grant_usage', 'revoke_usage', 'grant_reader',
                             'revoke_reader', 'grantable', 'was_granted', 'require_role', 'settle_registration',
                             'set_retention_class', 'ring_tables', 'leaf_tables', 'export_closed', 'kept_from', 'surviving_runs', 'count_leaf', 'move_runs',
                             'lock_leaf', 'empty_leaf', 'due_leaves', 'try_empty_leaf', 'retention_pauses', 'pause_retention', 'leaf_parts', 'move_survivors', 'apply_retention', 'warn_of_leaf',
                             'tell_retention', 'retention_job_elsewhere', 'schedule_retention'),
           p.proname IN ('see_all_runs', 'get_execution', 'get_history', 'shard_key', 'explain', 'explain_run',
                         'describe', 'describe_mermaid', 'describe_dot', 'describe_states', 'with_template',
                         'nested_machines', 'definition_source', 'last_version', 'definition_state',
                         'definition_states', 'definition_edges', 'definition_nodes', 'task_activity', 'workflow_label',
                         'choice_label', 'awaited_label', 'awaited_text', 'expression_label', 'map_label', 'retry_label', 'picture_lines',
                         'mermaid_text', 'dot_text', 'answerable_token', 'current_epoch', 'queue_problem', 'queue_workers', 'task_rates',
                         'ramp_results', 'alert_stuck', 'alert_no_worker', 'alert_compensation_failed', 'alert_backlog_age',
                         'alert_retry_storm', 'alert_heartbeat_misses', 'alert_version_failing', 'alert_schedule_missed',
                         'alert_vacuum_held_back',
                         'span_id', 'key_name', 'run_branches', 'run_spans', 'run_attempts', 'timeline', 'unix_nanos', 'otlp_attributes',
                         'otlp_spans', 'otlp_value', 'otlp_request', 'otlp_page', 'report_graph', 'report_style', 'report_script', 'report_page', 'report_html',
                         'report_definition_html', 'html_text', 'duration_text', 'redacted', 'metric_values', 'metric_bounds', 'metrics_lost',
                         'snapshot_ages', 'vacuum_holders', 'state_metrics',
                         'prometheus_label', 'prometheus_metrics',
                         'has_schedule_job', 'sees_pg_cron', 'schedule_job_name', 'cron_times',
                         'engine_status', 'retention_leaves', 'worker_stats', 'pool_stats', 'circuit_breaker_stats', 'function_state', 'now')
    FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;
END;
COMMENT ON FUNCTION workflow.grantable() IS 'What grant_usage and grant_reader grant';

-- was_granted: whether the role itself was granted to execute the function
CREATE FUNCTION workflow.was_granted(role regrole, function regprocedure) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN EXISTS (SELECT FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
                   WHERE p.oid = function AND a.grantee = role);
COMMENT ON FUNCTION workflow.was_granted(regrole, regprocedure) IS 'Whether the role itself may execute the function';

CREATE FUNCTION workflow.require_role(role regrole) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role) THEN
        RAISE undefined_object USING MESSAGE = concat('role ', coalesce(role::text, 'NULL'), ' does not exist');
    END IF;
END
$$;
COMMENT ON FUNCTION workflow.require_role(regrole) IS 'Raises undefined_object when there is no such role';

-- grant_usage: lets a role call the API, and register workflows and activities of its own
-- revoke_usage: takes that back; what it registered, and its runs, stay
CREATE FUNCTION workflow.grant_usage(role regrole) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    g record;
BEGIN
    PERFORM workflow.require_role(role);
    FOR g IN SELECT * FROM workflow.grantable() WHERE for_usage LOOP
        EXECUTE format('GRANT %s ON %s TO %s', g.privilege, g.object, role);
    END LOOP;
END
$$;
COMMENT ON FUNCTION workflow.grant_usage(regrole) IS 'Lets a role call the API, and register workflows and activities';

CREATE FUNCTION workflow.revoke_usage(role regrole) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_reader CONSTANT boolean := workflow.was_granted(role, 'workflow.see_all_runs()');
    g         record;
BEGIN
    PERFORM workflow.require_role(role);
    FOR g IN SELECT * FROM workflow.grantable() WHERE for_usage AND NOT (for_reader AND is_reader) LOOP
        EXECUTE format('REVOKE %s ON %s FROM %s', g.privilege, g.object, role);
    END LOOP;
END
$$;
COMMENT ON FUNCTION workflow.revoke_usage(regrole) IS 'Takes back what grant_usage granted';

-- grant_reader: lets a role see all runs, without inputs, outputs and internal causes
-- revoke_reader: takes that back
CREATE FUNCTION workflow.grant_reader(role regrole) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    g record;
BEGIN
    PERFORM workflow.require_role(role);
    FOR g IN SELECT * FROM workflow.grantable() WHERE for_reader LOOP
        EXECUTE format('GRANT %s ON %s TO %s', g.privilege, g.object, role);
    END LOOP;
END
$$;
COMMENT ON FUNCTION workflow.grant_reader(regrole) IS
    'Lets a role see all runs in the views, without inputs, outputs and internal causes';

CREATE FUNCTION workflow.revoke_reader(role regrole) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_user CONSTANT boolean := workflow.was_granted(role, 'workflow.sequence(workflow.step[], jsonb)');
    g       record;
BEGIN
    PERFORM workflow.require_role(role);
    FOR g IN SELECT * FROM workflow.grantable() WHERE for_reader AND NOT (for_usage AND is_user) LOOP
        EXECUTE format('REVOKE %s ON %s FROM %s', g.privilege, g.object, role);
    END LOOP;
END
$$;
COMMENT ON FUNCTION workflow.revoke_reader(regrole) IS 'Takes back what grant_reader granted';

-- grant_workflow: lets a role do something with somebody's workflow
--   role        who is granted it
--   workflow    the name; the caller must own it
--   privileges  any of start, signal, cancel (also terminate, pause, retry …), read
-- Raises OW002 for an unknown workflow, insufficient_privilege for others than its owner,
-- invalid_parameter_value for another privilege.  The role needs grant_usage, too.
CREATE FUNCTION workflow.grant_workflow(role regrole, workflow text, privileges text[]) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_grant_workflow';
COMMENT ON FUNCTION workflow.grant_workflow(regrole, text, text[]) IS
    'Lets a role start, signal, cancel or read somebody''s workflow';

CREATE FUNCTION workflow.revoke_workflow(role regrole, workflow text, privileges text[]) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_revoke_workflow';
COMMENT ON FUNCTION workflow.revoke_workflow(regrole, text, text[]) IS 'Takes back what grant_workflow granted';

-- grant_activity: lets a role use somebody's activity in its definitions, and start it as a job
--   role      who is granted it
--   activity  the name; the caller must own it
-- Raises OW003 for an unknown activity, insufficient_privilege for others than its owner.  The role also
-- needs EXECUTE on the activity's function, as whoever owns a workflow calls it.
CREATE FUNCTION workflow.grant_activity(role regrole, activity text) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_grant_activity';
COMMENT ON FUNCTION workflow.grant_activity(regrole, text) IS
    'Lets a role use somebody''s activity in its definitions, and start it';

CREATE FUNCTION workflow.revoke_activity(role regrole, activity text) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_revoke_activity';
COMMENT ON FUNCTION workflow.revoke_activity(regrole, text) IS 'Takes back what grant_activity granted';

-- grant_worker: lets a role take tasks from a task queue: those of runs of the caller
--   role        who is granted it, with the right to call what a worker needs, if it has not
--   task_queue  of any name, whether there is anything in it or not
-- Raises undefined_object when there is no such role.
CREATE FUNCTION workflow.grant_worker(role regrole, task_queue text) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_grant_worker';
COMMENT ON FUNCTION workflow.grant_worker(regrole, text) IS
    'Lets a role take tasks of the caller''s runs from a task queue';

-- revoke_worker: takes that back; what the role has taken it can still answer
CREATE FUNCTION workflow.revoke_worker(role regrole, task_queue text) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_revoke_worker';
COMMENT ON FUNCTION workflow.revoke_worker(regrole, text) IS 'Takes back what grant_worker granted';
