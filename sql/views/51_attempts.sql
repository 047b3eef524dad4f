-- Attempts of activities, and which function each of them called.
--
-- History tells of the function where it was not the one that was registered when the run began (src/engine/activity_function.c): of all
-- others it follows from workflow.activity_registration.

-- run_attempts: the attempts that a run has made, in the order in which they began
--   outcome          as the status of run_spans
--   function_hash    of the function that it called; null: none (yet), or what it called is done outside
--   registered_hash  of the one that was registered when the run began; of attempts before a reset, when the run began that was reset
CREATE FUNCTION workflow.run_attempts(run_id uuid)
    RETURNS TABLE (event_id int, kind text, state text, branch_id int, activity text, attempt int, started_at timestamptz,
                   ended_at timestamptz, outcome text, error text, function_hash text, registered_hash text)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 50
    SET jit = off
BEGIN ATOMIC
    WITH attempt AS MATERIALIZED (
        SELECT s.*, lead(s.event_id) OVER (PARTITION BY s.branch_id ORDER BY s.event_id) AS next_begun
        FROM workflow.run_spans(run_attempts.run_id) s
        WHERE s.kind IN ('Activity', 'Compensation')
    ), told AS MATERIALIZED (
        SELECT h.event_id, h.event_time, h.event_type, coalesce(h.branch_id, 0) AS branch_id, h.attributes->>'function_hash' AS hash
        FROM workflow.get_history(run_attempts.run_id) h
        WHERE h.event_type IN ('WorkflowExecutionStarted', 'WorkflowExecutionReset', 'ActivityTaskQueued', 'ActivityTaskStarted')
           OR h.attributes ? 'function_hash'
    )
    SELECT a.event_id, a.kind, a.state, a.branch_id, a.activity, a.attempt, a.started_at, a.ended_at, a.status, a.error,
           CASE WHEN t.hash IS NOT NULL THEN t.hash
                WHEN NOT t.queued AND (t.started OR a.status IN ('Completed', 'Failed', 'TimedOut')) THEN r.implied_hash END,
           r.registered_hash
    FROM attempt a
    CROSS JOIN LATERAL (
        SELECT max(t.hash) AS hash, coalesce(bool_or(t.event_type = 'ActivityTaskQueued'), false) AS queued,
               coalesce(bool_or(t.event_type = 'ActivityTaskStarted'), false) AS started
        FROM told t
        WHERE t.branch_id = a.branch_id AND t.event_id > a.event_id AND t.event_id < coalesce(a.next_begun, t.event_id + 1)) t
    CROSS JOIN LATERAL (
        SELECT max(t.event_time) AS began_at FROM told t
        WHERE t.event_type IN ('WorkflowExecutionStarted', 'WorkflowExecutionReset') AND t.event_id < a.event_id) b
    CROSS JOIN LATERAL (
        SELECT (SELECT g.function_hash FROM workflow.readable_registration g
                WHERE g.activity = a.activity AND g.in_force_from <= b.began_at
                ORDER BY g.registered_at DESC LIMIT 1) AS implied_hash,
               (SELECT g.function_hash FROM workflow.readable_registration g
                WHERE g.activity = a.activity
                ORDER BY g.registered_at <= b.began_at DESC,
                         CASE WHEN g.registered_at <= b.began_at THEN g.registered_at END DESC, g.registered_at
                LIMIT 1) AS registered_hash) r
    ORDER BY a.event_id;
END;
COMMENT ON FUNCTION workflow.run_attempts(uuid) IS 'The attempts that a run has made, and which function each of them called';

-- activity_attempts: it reads the history of each run that it is asked for: WHERE run_id = … or shard_key and workflow_id
CREATE VIEW workflow.activity_attempts WITH (security_invoker) AS
SELECT e.workflow_id, e.run_id, e.workflow, e.version, a.event_id, a.kind, a.state, a.branch_id, a.activity, a.attempt,
       a.started_at, a.ended_at, a.outcome, a.error, a.function_hash,
       CASE WHEN a.function_hash IS NOT NULL THEN a.function_hash IS DISTINCT FROM a.registered_hash END AS replaced, e.shard_key
FROM workflow.executions e
CROSS JOIN LATERAL workflow.run_attempts(e.run_id) a;
COMMENT ON VIEW workflow.activity_attempts IS 'Attempts of activities and compensations, and which function each of them called';
COMMENT ON COLUMN workflow.activity_attempts.workflow_id IS 'Of the run';
COMMENT ON COLUMN workflow.activity_attempts.run_id IS 'The run';
COMMENT ON COLUMN workflow.activity_attempts.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.activity_attempts.version IS 'Of the definition that the run follows';
COMMENT ON COLUMN workflow.activity_attempts.event_id IS 'Of its ActivityTaskScheduled';
COMMENT ON COLUMN workflow.activity_attempts.kind IS 'Activity or Compensation';
COMMENT ON COLUMN workflow.activity_attempts.state IS 'The state whose activity it is, or whose work is undone';
COMMENT ON COLUMN workflow.activity_attempts.branch_id IS 'The branch that it is of; 0: the run itself';
COMMENT ON COLUMN workflow.activity_attempts.activity IS 'The activity';
COMMENT ON COLUMN workflow.activity_attempts.attempt IS 'Which one, from 1';
COMMENT ON COLUMN workflow.activity_attempts.started_at IS 'When it was scheduled';
COMMENT ON COLUMN workflow.activity_attempts.ended_at IS 'Null while it goes on';
COMMENT ON COLUMN workflow.activity_attempts.outcome IS 'Running, Completed, Failed, TimedOut, Canceled or Rejected';
COMMENT ON COLUMN workflow.activity_attempts.error IS 'Why it failed';
COMMENT ON COLUMN workflow.activity_attempts.function_hash IS
    'Of the function that it called; NULL: it has called none (yet), or is done outside the database';
COMMENT ON COLUMN workflow.activity_attempts.replaced IS
    'Whether that was another than the one registered when the run began; NULL: it has called none';
COMMENT ON COLUMN workflow.activity_attempts.shard_key IS 'workflow.shard_key(workflow_id), by which the tables are indexed';
