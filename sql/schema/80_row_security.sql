-- Who sees what.
--
-- Ordinary roles have no privilege on any table: they read the views of sql/views, which show a role the
-- runs it owns or started, those of workflows it was granted 'read' on, and to a reader (grant_reader) all
-- runs without what they carry.  Column privileges cannot do the latter: a security_invoker view needs the
-- privilege for every column that it names.  workflow.viewer is what those views ask.
--
-- Row security is the second line, for roles that somebody grants a table, or one of its leaves, by hand.
-- It is not forced: the engine works as the tables' owner.

-- Carries a privilege, and does nothing else.
CREATE FUNCTION workflow.see_all_runs() RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN true;
COMMENT ON FUNCTION workflow.see_all_runs() IS
    'Roles that may execute this see all runs, without inputs, outputs and internal causes; see grant_reader';

-- One row about the current user.  A barrier is not pulled up, so it is made once per query.
CREATE VIEW workflow.viewer WITH (security_barrier) AS
SELECT r.roles,
       ARRAY(SELECT d.definition_id
             FROM workflow.workflow_grant g
             JOIN workflow.definition d ON d.workflow = g.workflow
             WHERE g.privilege = 'read' AND g.grantee = ANY (r.roles)) AS definitions,
       NOT row_security_active('workflow.execution'::regclass) AS everything,
       has_function_privilege('workflow.see_all_runs()'::regprocedure, 'EXECUTE') AS reader
FROM (SELECT ARRAY(SELECT oid FROM pg_roles WHERE pg_has_role(oid, 'USAGE')) AS roles OFFSET 0) r;
COMMENT ON VIEW workflow.viewer IS 'The current user: the roles it has the rights of, and what it may read';

DO $$
DECLARE
    -- An InitPlan: evaluated once per query, and good for an index.
    mine       CONSTANT text := '%1$I = ANY (ARRAY(SELECT r.oid FROM pg_catalog.pg_roles r'
                                ' WHERE pg_catalog.pg_has_role(r.oid, ''USAGE'')))';
    started    CONSTANT text := mine || ' OR ' || replace(mine, '%1', '%2');
    definition CONSTANT text := 'workflow IN (SELECT t.name FROM workflow.workflow_type t)';
    relation   regclass;
    condition  text;
BEGIN
    FOR relation, condition IN
        SELECT c.oid::regclass, p.condition
        FROM (VALUES ('workflow.workflow_type'::regclass, format(mine, 'owner')),
                     ('workflow.definition', definition),
                     ('workflow.activity', format(mine, 'owner')),
                     ('workflow.activity_registration', format(mine, 'owner')),
                     ('workflow.workflow_grant', format(mine, 'grantee')),
                     ('workflow.activity_grant', format(mine, 'grantee')),
                     ('workflow.execution', format(started, 'owner', 'started_by')),
                     ('workflow.branch', format(mine, 'owner')),
                     ('workflow.branch_output', format(mine, 'owner')),
                     ('workflow.activity_task', format(mine, 'owner')),
                     ('workflow.activity_heartbeat', 'EXISTS (SELECT FROM workflow.activity_task t WHERE t.shard_key = activity_heartbeat.shard_key AND t.task_token = activity_heartbeat.task_token)'),
                     ('workflow.flag', format(mine, 'owner')),
                     ('workflow.worker_grant', format(mine, 'grantee')),
                     ('workflow.worker', format(mine, 'role')),
                     ('workflow.drained_worker', format(mine, 'role')),
                     ('workflow.task_queue', format(mine, 'owner')),
                     ('workflow.task_queue_key', format(mine, 'owner')),
                     ('workflow.schedule', format(mine, 'owner')),
                     ('workflow.schedule_action', format(mine, 'owner')),
                     ('workflow.timer', format(mine, 'owner')),
                     ('workflow.message', format(mine, 'owner')),
                     ('workflow.signal', format(mine, 'owner')),
                     ('workflow.undeliverable_signal', format(mine, 'owner')),
                     ('workflow.signal_request', format(mine, 'owner')),
                     ('workflow.batch_operation', format(mine, 'owner')),
                     ('workflow.batch_chunk', format(mine, 'owner')),
                     ('workflow.batch_error', format(mine, 'owner')),
                     ('workflow.update_request', format(mine, 'owner')),
                     ('workflow.alert_rule', format(mine, 'owner')),
                     ('workflow.alert', format(mine, 'owner')),
                     ('workflow.child', format(mine, 'owner')),
                     ('workflow.closed_execution', format(started, 'owner', 'started_by')),
                     ('workflow.history_batch', format(started, 'owner', 'started_by')),
                     ('workflow.search_attribute', format(started, 'owner', 'started_by')),
                     ('workflow.compensation', format(started, 'owner', 'started_by'))) AS p (relation, condition)
        JOIN (pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid) -- a leaf, as its parent
          ON coalesce(i.inhparent, c.oid) = p.relation
        ORDER BY c.oid
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
        EXECUTE format('CREATE POLICY visible ON %s FOR SELECT USING (%s)', relation, condition);
    END LOOP;
END
$$;
