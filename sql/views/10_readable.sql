-- What the current user may read of each table: the barrier under all other views.
--
-- These views, and no others, read tables with their owner's rights.  Each decides on its rows, and on what of
-- them is shown: whoever has the rights of the workflow's owner, or was granted 'read', sees all; who started
-- a run sees its input and output, but no internals; a reader sees neither, and of failures the names only.
-- What is hidden is NULL.  What hangs on a run is readable where the run is.
--
-- They are granted together with the views made from them, but are no part of the public interface.

-- Those of a run as one document; nobody reads this but the views below.
CREATE VIEW workflow.search_document AS
SELECT a.shard_key, a.bucket, a.run_id, jsonb_object_agg(a.name, a.value) AS document
FROM (SELECT s.shard_key, s.bucket, s.run_id, s.name,
             CASE min(s.type)
                 WHEN 'KeywordList' THEN jsonb_agg(s.keyword_value ORDER BY s.position)
                 ELSE min(coalesce(to_jsonb(s.keyword_value), to_jsonb(s.text_value), to_jsonb(s.int_value), to_jsonb(s.double_value),
                                   to_jsonb(s.bool_value),
                                   to_jsonb(to_char(s.datetime_value AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))::text)::jsonb
             END AS value
      FROM workflow.search_attribute s
      GROUP BY s.shard_key, s.bucket, s.run_id, s.name) a
GROUP BY a.shard_key, a.bucket, a.run_id;
COMMENT ON VIEW workflow.search_document IS 'Search attributes of each run; granted to nobody';
COMMENT ON COLUMN workflow.search_document.shard_key IS 'Of the run';
COMMENT ON COLUMN workflow.search_document.bucket IS 'Of the run';
COMMENT ON COLUMN workflow.search_document.run_id IS 'The run';
COMMENT ON COLUMN workflow.search_document.document IS '{name: value}';

CREATE VIEW workflow.readable_execution WITH (security_barrier) AS
SELECT e.shard_key, e.bucket, e.run_id, e.workflow_id, e.definition_id, d.workflow, d.version, d.definition,
       e.owner, e.started_by, e.started_at, e.deadline, e.ready, e.status, e.state, e.phase, e.attempt,
       e.next_event_id, e.cancel_requested, e.compensation, e.entered_at, e.scheduled_at, e.due_at,
       e.request_id, e.chain_id, e.root_run_id, e.run_attempt, e.parent_workflow_id, e.parent_run_id,
       CASE WHEN e.phase = 'Request' THEN e.kept->'Request' END AS request,
       (e.control->>'paused_at')::timestamptz AS paused_at, e.control->>'paused_by' AS paused_by,
       CASE WHEN may.see_all THEN e.control->>'reason' END AS pause_reason,
       (e.paused->>'paused_at')::timestamptz AS run_paused_at, e.paused->>'paused_by' AS run_paused_by,
       CASE WHEN may.see_all THEN e.paused->>'reason' END AS run_pause_reason,
       coalesce(e.traceparent, concat('00-', replace(e.run_id::text, '-', ''), '-',
                                      right(replace(e.run_id::text, '-', ''), 16), '-01')) AS traceparent,
       CASE WHEN may.see_all OR may.see_own THEN e.input END AS input,
       CASE WHEN may.see_all OR may.see_own THEN e.memo END AS memo, e.schedule,
       CASE WHEN (may.see_all OR may.see_own) AND e.options ? 'Searchable' THEN (SELECT a.document FROM workflow.search_document a
             WHERE a.shard_key = e.shard_key AND a.bucket = e.bucket AND a.run_id = e.run_id) END AS search_attributes,
       CASE WHEN may.see_all AND e.phase IN ('Callback', 'Queued', 'CompensateQueued') THEN e.task_token END AS task_token,
       CASE WHEN may.see_all THEN e.last_failure
            WHEN v.reader THEN e.last_failure - '{Cause,Details}'::text[] END AS last_failure,
       CASE WHEN may.see_all THEN e.error WHEN v.reader THEN e.error - '{Cause,Details}'::text[] END AS error,
       CASE WHEN may.see_all THEN e.stuck WHEN v.reader THEN e.stuck - '{Cause,Details}'::text[] END AS stuck,
       EXISTS (SELECT FROM workflow.message m
               WHERE m.shard_key = e.shard_key AND m.run_id = e.run_id) AS has_messages,
       NOT may.see_all AS redacted
FROM workflow.viewer v
CROSS JOIN workflow.execution e
JOIN workflow.definition d ON d.definition_id = e.definition_id
CROSS JOIN LATERAL (SELECT v.everything OR e.owner = ANY (v.roles) OR e.definition_id = ANY (v.definitions) AS see_all,
                           e.started_by = ANY (v.roles) AS see_own) may
WHERE may.see_all OR may.see_own OR v.reader;
COMMENT ON VIEW workflow.readable_execution IS 'Open runs the current user may read';

CREATE VIEW workflow.readable_closed_execution WITH (security_barrier) AS
SELECT c.shard_key, c.bucket, c.run_id, c.workflow_id, c.definition_id, d.workflow, d.version,
       c.owner, c.started_by, c.started_at, c.closed_at, c.status, c.state, c.events, c.public_error,
       c.request_id, c.chain_id, c.root_run_id, c.run_attempt, c.next_run_id, c.parent_workflow_id, c.parent_run_id,
       coalesce(c.traceparent, concat('00-', replace(c.run_id::text, '-', ''), '-',
                                      right(replace(c.run_id::text, '-', ''), 16), '-01')) AS traceparent, c.machine IS NOT NULL AS compensations_failed,
       CASE WHEN may.see_all OR may.see_own THEN c.input END AS input,
       CASE WHEN may.see_all OR may.see_own THEN c.output END AS output,
       CASE WHEN may.see_all OR may.see_own THEN c.memo END AS memo, c.schedule,
       CASE WHEN may.see_all OR may.see_own THEN (SELECT a.document FROM workflow.search_document a
             WHERE a.shard_key = c.shard_key AND a.bucket = c.bucket AND a.run_id = c.run_id) END AS search_attributes,
       CASE WHEN may.see_all OR v.reader THEN c.error END AS error,
       CASE WHEN may.see_all THEN c.cause END AS cause,
       NOT may.see_all AS redacted
FROM workflow.viewer v
CROSS JOIN workflow.closed_execution c
JOIN workflow.definition d ON d.definition_id = c.definition_id
CROSS JOIN LATERAL (SELECT v.everything OR c.owner = ANY (v.roles) OR c.definition_id = ANY (v.definitions) AS see_all,
                           c.started_by = ANY (v.roles) AS see_own) may
WHERE may.see_all OR may.see_own OR v.reader;
COMMENT ON VIEW workflow.readable_closed_execution IS 'Closed runs the current user may read';

-- Its conditions on name and value reach the index: their operators are leakproof.
CREATE VIEW workflow.readable_search_attribute WITH (security_barrier) AS
SELECT s.shard_key, s.bucket, s.run_id, s.workflow_id, d.workflow, s.name, s.position, s.type, s.keyword_value, s.text_value,
       s.int_value, s.double_value, s.bool_value, s.datetime_value, s.owner
FROM workflow.viewer v
CROSS JOIN workflow.search_attribute s
JOIN workflow.definition d ON d.definition_id = s.definition_id
WHERE v.everything OR s.owner = ANY (v.roles) OR s.started_by = ANY (v.roles) OR s.definition_id = ANY (v.definitions);
COMMENT ON VIEW workflow.readable_search_attribute IS 'Search attributes of the runs the current user may read';

CREATE VIEW workflow.readable_run WITH (security_barrier) AS
SELECT shard_key, bucket, run_id, workflow_id, workflow, redacted FROM workflow.readable_execution
UNION ALL
SELECT shard_key, bucket, run_id, workflow_id, workflow, redacted FROM workflow.readable_closed_execution;
COMMENT ON VIEW workflow.readable_run IS 'Open and closed runs the current user may read';

CREATE VIEW workflow.readable_history_batch WITH (security_barrier) AS
SELECT r.shard_key, r.bucket, r.run_id, r.workflow_id, h.first_event_id, h.event_times, h.event_types, h.states,
       h.branches,
       CASE WHEN NOT r.redacted THEN h.attributes END AS attributes
FROM workflow.readable_run r
JOIN workflow.history_batch h ON h.shard_key = r.shard_key AND h.bucket = r.bucket AND h.run_id = r.run_id;
COMMENT ON VIEW workflow.readable_history_batch IS 'History of the runs the current user may read';

CREATE VIEW workflow.readable_compensation WITH (security_barrier) AS
SELECT r.workflow_id, r.workflow, c.shard_key, c.bucket, c.run_id, c.sequence, c.state, c.activity, c.status,
       c.attempts, c.recorded_at, c.closed_at, c.owner,
       CASE WHEN NOT r.redacted THEN c.input END AS input,
       CASE WHEN NOT r.redacted THEN c.compensates END AS compensates,
       CASE WHEN NOT r.redacted THEN c.failure END AS failure
FROM workflow.readable_run r
JOIN workflow.compensation c ON c.shard_key = r.shard_key AND c.bucket = r.bucket AND c.run_id = r.run_id;
COMMENT ON VIEW workflow.readable_compensation IS 'Compensations of the runs the current user may read';

-- Whose token may be seen is not said here.
CREATE VIEW workflow.readable_task WITH (security_barrier) AS
SELECT r.workflow_id, r.workflow, t.shard_key, t.run_id, t.branch_id, t.owner, t.activity, t.attempt, t.task_queue,
       t.priority, t.state, t.compensation, t.queued_at, t.paused_at, t.worker, t.started_at, t.fairness_key, t.epoch,
       t.claim::int, CASE WHEN h.claim = t.claim THEN h.beat_at END AS beat_at, t.lease_until,
       r.status AS run_status
FROM workflow.readable_execution r
JOIN workflow.activity_task t ON t.shard_key = r.shard_key AND t.run_id = r.run_id AND t.task_queue IS NOT NULL
LEFT JOIN workflow.activity_heartbeat h ON h.shard_key = t.shard_key AND h.task_token = t.task_token;
COMMENT ON VIEW workflow.readable_task IS 'Tasks in task queues, of the runs the current user may read';

-- Workers are seen by their role, by those whose tasks they may take, and by readers.
CREATE VIEW workflow.readable_worker WITH (security_barrier) AS
SELECT w.task_queue, w.worker, w.role, w.version, w.activities, w.first_seen_at, w.last_seen_at, d.draining_since
FROM workflow.viewer v
CROSS JOIN workflow.worker w
LEFT JOIN workflow.drained_worker d
       ON d.task_queue = w.task_queue AND d.worker = w.worker AND d.role = w.role
WHERE v.everything OR v.reader OR w.role = ANY (v.roles)
   OR EXISTS (SELECT FROM workflow.worker_grant g
              WHERE g.task_queue = w.task_queue AND g.owner = ANY (v.roles)
                AND pg_has_role(w.role::oid, g.grantee::oid, 'USAGE'))
   OR EXISTS (SELECT FROM workflow.workflow_type t
              WHERE t.owner = ANY (v.roles) AND pg_has_role(w.role::oid, t.owner::oid, 'USAGE'));
COMMENT ON VIEW workflow.readable_worker IS 'Workers outside that the current user may see';

-- Whose tasks each of them may take
CREATE VIEW workflow.readable_queue_worker WITH (security_barrier) AS
SELECT o.owner, w.task_queue, w.worker, w.role, w.activities, w.last_seen_at, d.role IS NOT NULL AS draining,
       w.last_seen_at > clock_timestamp() - interval '2 min' OR h.worker IS NOT NULL AS is_there
FROM workflow.viewer v
CROSS JOIN (SELECT t.owner FROM workflow.workflow_type t GROUP BY t.owner) o
CROSS JOIN workflow.worker w
LEFT JOIN workflow.drained_worker d
       ON d.task_queue = w.task_queue AND d.worker = w.worker AND d.role = w.role
LEFT JOIN (SELECT t.task_queue, t.worker FROM workflow.activity_task t
           WHERE t.worker IS NOT NULL GROUP BY t.task_queue, t.worker) h
       ON h.task_queue = w.task_queue AND h.worker = w.worker
WHERE (v.everything OR v.reader OR o.owner = ANY (v.roles))
  AND (pg_has_role(w.role::oid, o.owner::oid, 'USAGE')
       OR EXISTS (SELECT FROM workflow.worker_grant g
                  WHERE g.task_queue = w.task_queue AND g.owner = o.owner
                    AND pg_has_role(w.role::oid, g.grantee::oid, 'USAGE')));
COMMENT ON VIEW workflow.readable_queue_worker IS 'Workers outside by whose tasks they may take, of owners the current user may see';

CREATE VIEW workflow.readable_queue WITH (security_barrier) AS
SELECT w.owner, w.task_queue, max(w.last_seen_at) AS last_seen_at,
       count(DISTINCT (w.worker, w.role)) FILTER (WHERE w.is_there) AS workers,
       array_agg(DISTINCT a.activity) FILTER (WHERE w.is_there AND NOT w.draining) AS activities
FROM workflow.readable_queue_worker w
CROSS JOIN LATERAL unnest(coalesce(w.activities, '{NULL}')) a (activity)
GROUP BY w.owner, w.task_queue;
COMMENT ON VIEW workflow.readable_queue IS
    'Workers of each queue, and of which activities (NULL: any) those take tasks that are not draining';

-- queue_workers: readable_queue, for views that join it
-- The planner believes that there are many workers, owners and roles.  With that inside, every look at what is pending would
-- be worth compiling.
CREATE FUNCTION workflow.queue_workers()
    RETURNS TABLE (owner regrole, task_queue text, last_seen_at timestamptz, workers bigint, activities text[])
    LANGUAGE sql STABLE ROWS 10 COST 100
    SET jit = off
BEGIN ATOMIC
    SELECT q.owner, q.task_queue, q.last_seen_at, q.workers, q.activities FROM workflow.readable_queue q;
END;
COMMENT ON FUNCTION workflow.queue_workers() IS 'Workers of each queue, as workflow.readable_queue has them';

CREATE VIEW workflow.readable_task_queue WITH (security_barrier) AS
SELECT q.task_queue, q.owner, q.rate_limit, q.max_in_flight, q.key_rate_limit, q.key_max_in_flight, q.paused_until,
       q.pause_reason
FROM workflow.viewer v
CROSS JOIN workflow.task_queue q
WHERE (v.everything OR v.reader OR q.owner = ANY (v.roles))
  AND num_nonnulls(q.rate_limit, q.max_in_flight, q.key_rate_limit, q.key_max_in_flight, q.paused_until) > 0;
COMMENT ON VIEW workflow.readable_task_queue IS 'Limits and pauses of task queues the current user may read';

CREATE VIEW workflow.readable_task_queue_key WITH (security_barrier) AS
SELECT k.task_queue, k.owner, k.fairness_key, k.weight, k.rate_limit, k.max_in_flight, k.paused_until, k.pause_reason
FROM workflow.viewer v
CROSS JOIN workflow.task_queue_key k
WHERE k.fairness_key <> '' AND (v.everything OR v.reader OR k.owner = ANY (v.roles));
COMMENT ON VIEW workflow.readable_task_queue_key IS 'Settings of fairness keys the current user may read';

CREATE VIEW workflow.readable_flag WITH (security_barrier) AS
SELECT f.name, f.owner, f.value, f.percent, f.set_by, f.set_at
FROM workflow.viewer v
CROSS JOIN workflow.flag f
WHERE v.everything OR v.reader OR f.owner = ANY (v.roles);
COMMENT ON VIEW workflow.readable_flag IS 'Feature flags the current user may read';

CREATE VIEW workflow.readable_timer WITH (security_barrier) AS
SELECT e.workflow_id, e.workflow, t.shard_key, t.run_id, t.kind, t.due_at, t.owner, e.state, e.phase, e.entered_at,
       e.started_at
FROM workflow.readable_execution e
JOIN workflow.timer t ON t.shard_key = e.shard_key AND t.run_id = e.run_id;
COMMENT ON VIEW workflow.readable_timer IS 'Timers of the runs the current user may read';

CREATE VIEW workflow.readable_signal WITH (security_barrier) AS
SELECT r.workflow_id, r.workflow, s.shard_key, s.run_id, s.event_id, s.owner, s.signal, 'Buffered' AS status, s.sent_at,
       CASE WHEN NOT r.redacted THEN s.payload END AS payload
FROM workflow.readable_execution r
JOIN workflow.signal s ON s.shard_key = r.shard_key AND s.run_id = r.run_id AND s.update_id IS NULL
UNION ALL
SELECT r.workflow_id, r.workflow, m.shard_key, m.run_id, NULL, m.owner, m.payload->>'signal', 'Sent', m.sent_at,
       CASE WHEN NOT r.redacted THEN m.payload->'payload' END
FROM workflow.readable_execution r
JOIN workflow.message m ON m.shard_key = r.shard_key AND m.run_id = r.run_id AND m.kind = 'Signal'
UNION ALL
SELECT r.workflow_id, r.workflow, u.shard_key, u.run_id, NULL, u.owner, u.payload->>'signal', 'Undeliverable', u.sent_at,
       CASE WHEN NOT r.redacted THEN u.payload->'payload' END
FROM workflow.readable_closed_execution r
JOIN workflow.undeliverable_signal u ON u.shard_key = r.shard_key AND u.run_id = r.run_id;
COMMENT ON VIEW workflow.readable_signal IS 'Signals to the runs the current user may read';

CREATE VIEW workflow.readable_update WITH (security_barrier) AS
SELECT r.workflow_id, r.workflow, u.shard_key, u.run_id, u.update_id, u.owner, u.update, u.status, u.event_id, u.sent_at,
       u.sent_by, u.settled_at, CASE WHEN NOT r.redacted THEN u.payload END AS payload,
       CASE WHEN NOT r.redacted THEN u.result END AS result, CASE WHEN NOT r.redacted THEN u.failure END AS failure
FROM (SELECT e.workflow_id, e.workflow, e.shard_key, e.run_id, e.redacted FROM workflow.readable_execution e
      UNION ALL
      SELECT c.workflow_id, c.workflow, c.shard_key, c.run_id, c.redacted FROM workflow.readable_closed_execution c) r
JOIN workflow.update_request u ON u.shard_key = r.shard_key AND u.run_id = r.run_id;
COMMENT ON VIEW workflow.readable_update IS 'Updates of the runs the current user may read';

-- Definitions and activities are no secrets of a run: whoever may do anything with them reads them whole.
CREATE VIEW workflow.readable_definition WITH (security_barrier) AS
SELECT d.definition_id, d.workflow, d.version, t.current_version, t.owner, d.source, d.definition, d.created_by,
       d.created_at, d.deprecated_at, d.retired_at, t.log_events,
       CASE WHEN d.version = t.ramp_version THEN t.ramp_percent END AS ramp_percent,
       CASE WHEN d.version = t.ramp_version THEN t.ramped_at END AS ramped_at
FROM workflow.viewer v
CROSS JOIN workflow.workflow_type t
JOIN workflow.definition d ON d.workflow = t.name
WHERE v.everything OR v.reader OR t.owner = ANY (v.roles)
   OR EXISTS (SELECT FROM workflow.workflow_grant g
              WHERE g.workflow = t.name AND g.grantee = ANY (v.roles));
COMMENT ON VIEW workflow.readable_definition IS 'Definitions the current user may read';

CREATE VIEW workflow.readable_activity WITH (security_barrier) AS
SELECT a.name, a.owner, a.kind, a.function_schema, a.function_name, a.function_arguments, a.task_queue, a.options,
       a.registered_at, a.crashes, a.quarantined_at, a.function_hash
FROM workflow.viewer v
CROSS JOIN workflow.activity a
WHERE v.everything OR v.reader OR a.owner = ANY (v.roles)
   OR EXISTS (SELECT FROM workflow.activity_grant g
              WHERE g.activity = a.name AND g.grantee = ANY (v.roles));
COMMENT ON VIEW workflow.readable_activity IS 'Activities the current user may read';

CREATE VIEW workflow.readable_registration WITH (security_barrier) AS
SELECT r.activity, r.registered_at, r.in_force_from, r.function_hash
FROM workflow.readable_activity a
JOIN workflow.activity_registration r ON r.activity = a.name;
COMMENT ON VIEW workflow.readable_registration IS 'Registrations of the activities that the current user may read';

CREATE VIEW workflow.readable_branch WITH (security_barrier) AS
SELECT r.workflow_id, r.workflow, r.bucket, b.shard_key, b.run_id, b.branch_id, b.parent, b.item_index, b.path,
       'Running' AS status, b.state, b.phase, b.attempt, b.opened, b.failed, b.compensation, b.entered_at, b.scheduled_at,
       b.due_at, b.owner,
       (b.control->>'paused_at')::timestamptz AS paused_at, b.control->>'paused_by' AS paused_by,
       CASE WHEN NOT r.redacted THEN b.control->>'reason' END AS pause_reason,
       CASE WHEN NOT r.redacted THEN b.last_failure END AS last_failure,
       CASE WHEN NOT r.redacted AND b.phase IN ('Callback', 'Queued', 'CompensateQueued') THEN b.task_token END AS task_token,
       CASE WHEN NOT r.redacted THEN b.data END AS input,
       NULL::jsonb AS output,
       r.status AS run_status, r.definition
FROM workflow.readable_execution r
JOIN workflow.branch b ON b.shard_key = r.shard_key AND b.run_id = r.run_id
UNION ALL
SELECT r.workflow_id, r.workflow, r.bucket, b.shard_key, b.run_id, b.branch_id, b.parent, b.item_index, NULL,
       b.status, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, b.owner, NULL, NULL, NULL, NULL, NULL, NULL,
       CASE WHEN NOT r.redacted THEN b.output END,
       r.status, r.definition
FROM workflow.readable_execution r
JOIN workflow.branch_output b ON b.shard_key = r.shard_key AND b.run_id = r.run_id;
COMMENT ON VIEW workflow.readable_branch IS 'Branches of the open runs the current user may read';

-- Batch operations are seen by members of the role that made them; readers see how far they are.
CREATE VIEW workflow.readable_batch_operation WITH (security_barrier) AS
SELECT b.shard_key, b.batch_id, b.owner, b.operation, b.dry_run, b.chunk_size, b.rate_per_second, b.total, b.created_at,
       b.canceled_at, b.canceled_by,
       CASE WHEN may.see_all THEN b.condition END AS condition,
       CASE WHEN may.see_all THEN b.arguments END AS arguments,
       CASE WHEN may.see_all THEN b.reason END AS reason,
       NOT may.see_all AS redacted,
       c.done, c.failed, c.unfinished, c.started_at, c.finished_at
FROM workflow.viewer v
CROSS JOIN workflow.batch_operation b
CROSS JOIN LATERAL (SELECT v.everything OR b.owner = ANY (v.roles) AS see_all) may
CROSS JOIN LATERAL (SELECT coalesce(sum(k.done), 0) AS done, coalesce(sum(k.failed), 0) AS failed,
                           count(*) FILTER (WHERE k.finished_at IS NULL) AS unfinished,
                           min(k.started_at) AS started_at, max(k.finished_at) AS finished_at
                    FROM workflow.batch_chunk k WHERE k.shard_key = b.shard_key AND k.batch_id = b.batch_id) c
WHERE may.see_all OR v.reader;
COMMENT ON VIEW workflow.readable_batch_operation IS 'Batch operations the current user may read';

CREATE VIEW workflow.readable_batch_error WITH (security_barrier) AS
SELECT b.shard_key, b.batch_id, b.owner, b.operation, e.run_id, e.sqlstate, e.failed_at,
       CASE WHEN NOT b.redacted THEN e.message END AS message,
       CASE WHEN NOT b.redacted THEN e.detail END AS detail
FROM workflow.readable_batch_operation b
JOIN workflow.batch_error e ON e.shard_key = b.shard_key AND e.batch_id = b.batch_id;
COMMENT ON VIEW workflow.readable_batch_error IS 'Runs that refused batch operations the current user may read';
