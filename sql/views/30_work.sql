-- What runs wait for, and who works on it.

-- Branches of Parallel and Map states.  Those that have ended stand here until all of their state have.
CREATE VIEW workflow.branches WITH (security_invoker) AS
SELECT workflow_id, run_id, workflow, branch_id, nullif(parent, 0) AS parent_branch_id, item_index, path, status, state,
       attempt, due_at, last_failure, input, output, owner, shard_key
FROM workflow.readable_branch;
COMMENT ON VIEW workflow.branches IS 'Branches of Parallel, and iterations of Map, that open runs are at';
COMMENT ON COLUMN workflow.branches.workflow_id IS 'Of the run';
COMMENT ON COLUMN workflow.branches.run_id IS 'The run';
COMMENT ON COLUMN workflow.branches.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.branches.branch_id IS 'Counts the branches of a run, from 1; as in workflow.history';
COMMENT ON COLUMN workflow.branches.parent_branch_id IS 'The branch whose Parallel or Map it belongs to; null: the run itself';
COMMENT ON COLUMN workflow.branches.item_index IS 'Of the branch in its Parallel, or of the item in its Map, from 0';
COMMENT ON COLUMN workflow.branches.path IS 'State:visit:index of the Parallel and Map states around it, from the outside in';
COMMENT ON COLUMN workflow.branches.status IS 'Running, Completed, or Failed: an iteration whose failure its Map tolerates';
COMMENT ON COLUMN workflow.branches.state IS 'The state that a running branch is in';
COMMENT ON COLUMN workflow.branches.attempt IS 'Of the activity that it is at';
COMMENT ON COLUMN workflow.branches.due_at IS 'When a waiting branch goes on: Wait state, back-off';
COMMENT ON COLUMN workflow.branches.last_failure IS 'Of the attempt before: {Error, Cause, Details}';
COMMENT ON COLUMN workflow.branches.input IS 'Of that state';
COMMENT ON COLUMN workflow.branches.output IS 'Of one that has ended';
COMMENT ON COLUMN workflow.branches.owner IS 'The role that the run runs as';
COMMENT ON COLUMN workflow.branches.shard_key IS 'workflow.shard_key(workflow_id), by which the tables are indexed';

-- queue_problem: why a task may have to wait for long in its queue, going by queue_workers; null: nothing is known to be
-- wrong
CREATE FUNCTION workflow.queue_problem(activity text, workers bigint, activities text[], last_seen_at timestamptz) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE
               WHEN workers IS NULL THEN 'no worker has polled this queue'
               WHEN workers = 0 THEN format('no worker since %s', date_trunc('second', last_seen_at))
               WHEN activities IS NULL THEN 'all workers are draining'
               WHEN array_position(activities, activity) IS NULL AND array_position(activities, NULL) IS NULL
                   THEN format('no worker takes activity "%s"', activity)
           END;
COMMENT ON FUNCTION workflow.queue_problem(text, bigint, text[], timestamptz) IS 'Why nobody may take a task';

-- current_epoch: what is noted of tasks that are taken now
CREATE FUNCTION workflow.current_epoch() RETURNS bigint
    LANGUAGE c STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'ow_current_epoch';
COMMENT ON FUNCTION workflow.current_epoch() IS 'What is noted of tasks that are taken now, to tell them from those taken before a promotion or restore';

-- answerable_token: a task token as it would be handed out now
CREATE FUNCTION workflow.answerable_token(task_token uuid, claim int) RETURNS uuid
    LANGUAGE c STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'ow_answerable_token';
COMMENT ON FUNCTION workflow.answerable_token(uuid, int) IS 'Makes a stored task token one that is answered with';

CREATE VIEW workflow.pending_activities WITH (security_invoker) AS
SELECT e.workflow_id, e.run_id, e.workflow, e.version,
       coalesce(c.activity, workflow.task_activity(workflow.definition_state(e.definition, t.state))) AS activity,
       coalesce(c.state, t.state) AS state,
       t.branch_id,
       CASE WHEN t.paused_at IS NOT NULL THEN 'Paused'
            WHEN t.phase IN ('Activity', 'Compensate') OR (q.task_queue IS NOT NULL AND q.worker IS NULL) THEN 'Scheduled'
            WHEN t.phase = 'Callback' OR q.worker IS NOT NULL THEN 'Started'
            WHEN t.phase IN ('CircuitOpen', 'CompensateCircuitOpen') THEN 'CircuitOpen' ELSE 'Backoff' END AS status,
       t.attempt, t.scheduled_at,
       CASE WHEN t.phase IN ('Backoff', 'CompensateBackoff', 'CircuitOpen', 'CompensateCircuitOpen') THEN t.due_at END
           AS next_attempt_at,
       t.last_failure,
       c.sequence AS compensation,
       workflow.answerable_token(t.task_token, q.claim) AS task_token,
       q.task_queue, q.priority, q.worker, q.started_at, q.beat_at AS last_heartbeat_at,
       t.paused_at, t.paused_by, t.pause_reason,
       CASE WHEN q.worker IS NULL AND q.task_queue IS NOT NULL AND t.paused_at IS NULL
                THEN workflow.queue_problem(q.activity, w.workers, w.activities, w.last_seen_at)
            WHEN q.epoch <> workflow.current_epoch()
                THEN 'taken before a promotion or restore: workflow.release_tasks() gives it to others' END AS problem,
       e.owner, e.shard_key
FROM workflow.readable_execution e
CROSS JOIN LATERAL (
    SELECT NULL::int AS branch_id, e.state, e.phase, e.attempt, e.scheduled_at, e.due_at, e.last_failure, e.compensation,
           e.task_token, e.paused_at, e.paused_by, e.pause_reason
    UNION ALL
    SELECT b.branch_id, b.state, b.phase, b.attempt, b.scheduled_at, b.due_at, b.last_failure, b.compensation,
           b.task_token, b.paused_at, b.paused_by, b.pause_reason
    FROM workflow.readable_branch b
    WHERE b.shard_key = e.shard_key AND b.run_id = e.run_id AND b.status = 'Running') t
LEFT JOIN workflow.readable_compensation c
       ON c.shard_key = e.shard_key AND c.bucket = e.bucket AND c.run_id = e.run_id
      AND c.sequence = t.compensation AND t.phase IN ('Compensate', 'CompensateBackoff', 'CompensateQueued', 'CompensateCircuitOpen')
LEFT JOIN workflow.readable_task q
       ON t.phase IN ('Queued', 'CompensateQueued') AND q.shard_key = e.shard_key AND q.run_id = e.run_id
      AND coalesce(q.branch_id, 0) = coalesce(t.branch_id, 0) -- not IS NOT DISTINCT FROM, which no hash is made of
LEFT JOIN workflow.queue_workers() w ON w.owner = e.owner AND w.task_queue = q.task_queue
WHERE t.phase IN ('Activity', 'Backoff', 'Callback', 'Queued', 'CircuitOpen',
                  'Compensate', 'CompensateBackoff', 'CompensateQueued', 'CompensateCircuitOpen')
  AND e.status <> 'Stuck'
  -- a Parallel or Map that waits for its back-off is at no activity
  AND (c.activity IS NOT NULL OR workflow.task_activity(workflow.definition_state(e.definition, t.state)) IS NOT NULL);
COMMENT ON VIEW workflow.pending_activities IS 'Activities, compensating ones too, that open runs are at';
COMMENT ON COLUMN workflow.pending_activities.workflow_id IS 'Of the run';
COMMENT ON COLUMN workflow.pending_activities.run_id IS 'The run';
COMMENT ON COLUMN workflow.pending_activities.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.pending_activities.version IS 'Of the definition that the run follows';
COMMENT ON COLUMN workflow.pending_activities.activity IS 'The name it was registered under';
COMMENT ON COLUMN workflow.pending_activities.state IS
    'The state that calls it; of a compensation, the one whose work it undoes';
COMMENT ON COLUMN workflow.pending_activities.branch_id IS 'The branch of a Parallel or Map that is at it; see workflow.branches';
COMMENT ON COLUMN workflow.pending_activities.status IS
    'Scheduled (may run now, or is in its task queue), Backoff, CircuitOpen (see workflow.circuit_breakers), Started: it waits '
    'for an answer to its task token; or Paused';
COMMENT ON COLUMN workflow.pending_activities.paused_at IS 'When it was paused; null: it is not';
COMMENT ON COLUMN workflow.pending_activities.paused_by IS 'The role that paused it';
COMMENT ON COLUMN workflow.pending_activities.pause_reason IS 'As given to workflow.pause_activity()';
COMMENT ON COLUMN workflow.pending_activities.task_token IS
    'What it is answered with: see workflow.complete_activity(); for those who may see all of the run';
COMMENT ON COLUMN workflow.pending_activities.task_queue IS 'Where programs outside take it from; null: it is a SQL activity';
COMMENT ON COLUMN workflow.pending_activities.priority IS 'There: the lower, the sooner';
COMMENT ON COLUMN workflow.pending_activities.worker IS 'Who has taken it; null: nobody so far';
COMMENT ON COLUMN workflow.pending_activities.started_at IS 'When that was';
COMMENT ON COLUMN workflow.pending_activities.last_heartbeat_at IS 'When the worker was heard of last; null: not since';
COMMENT ON COLUMN workflow.pending_activities.problem IS
    'Why nobody may take it, or its worker''s answer will be refused; null: nothing is known to be wrong';
COMMENT ON COLUMN workflow.pending_activities.attempt IS 'The one that is scheduled; in Backoff, that failed';
COMMENT ON COLUMN workflow.pending_activities.scheduled_at IS 'When the first attempt was scheduled';
COMMENT ON COLUMN workflow.pending_activities.next_attempt_at IS
    'When the next attempt is due; NULL while one is scheduled';
COMMENT ON COLUMN workflow.pending_activities.last_failure IS 'Of the attempt before: {Error, Cause, Details}';
COMMENT ON COLUMN workflow.pending_activities.compensation IS 'Sequence in workflow.compensations, if it is one';
COMMENT ON COLUMN workflow.pending_activities.owner IS 'The role that runs it';
COMMENT ON COLUMN workflow.pending_activities.shard_key IS
    'workflow.shard_key(workflow_id), by which the tables are indexed';

-- One row in the table stands for the first of a run's timers, whichever of its tokens that is.
CREATE VIEW workflow.timers WITH (security_invoker) AS
SELECT workflow_id, run_id, workflow,
       CASE WHEN kind = 'Deadline' THEN 'Deadline' WHEN phase IN ('New', 'Enter') THEN 'StartDelay' ELSE phase END AS kind,
       CASE WHEN kind <> 'Deadline' THEN state END AS state,
       NULL::int AS branch_id,
       CASE WHEN kind = 'Deadline' THEN started_at ELSE coalesce(entered_at, started_at) END AS since,
       due_at, owner, shard_key
FROM workflow.readable_timer
WHERE kind <> 'Token' OR phase <> 'Branches'
UNION ALL
SELECT workflow_id, run_id, workflow, phase, state, branch_id, entered_at, due_at, owner, shard_key
FROM workflow.readable_branch
WHERE due_at IS NOT NULL AND run_status <> 'Paused'
UNION ALL
SELECT workflow_id, run_id, workflow, 'Lease', state, branch_id, started_at, lease_until, owner, shard_key
FROM workflow.readable_task
WHERE lease_until IS NOT NULL AND paused_at IS NULL AND run_status <> 'Paused';
COMMENT ON VIEW workflow.timers IS 'When open runs go on by themselves; a paused one does not';
COMMENT ON COLUMN workflow.timers.workflow_id IS 'Of the run';
COMMENT ON COLUMN workflow.timers.run_id IS 'The run';
COMMENT ON COLUMN workflow.timers.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.timers.branch_id IS 'The branch of a Parallel or Map whose timer it is; see workflow.branches';
COMMENT ON COLUMN workflow.timers.kind IS
    'Wait, Backoff, CompensateBackoff, CircuitOpen, CompensateCircuitOpen, Callback (a task token), Queued and CompensateQueued (a task in a queue), Lease (a '
    'task that a worker has), StartDelay, or Deadline: the run''s timeout';
COMMENT ON COLUMN workflow.timers.state IS 'The state that waits; NULL for a deadline, which is the run''s';
COMMENT ON COLUMN workflow.timers.since IS 'When the waiting began';
COMMENT ON COLUMN workflow.timers.due_at IS 'When it ends';
COMMENT ON COLUMN workflow.timers.owner IS 'The role that the run runs as';
COMMENT ON COLUMN workflow.timers.shard_key IS 'workflow.shard_key(workflow_id), by which the tables are indexed';

CREATE VIEW workflow.updates WITH (security_invoker) AS
SELECT workflow_id, run_id, workflow, update, update_id, status, event_id, sent_at, sent_by, settled_at, payload, result,
       failure->>'Error' AS error, failure->>'Cause' AS cause, failure->'Public' AS public_error, owner, shard_key
FROM workflow.readable_update;
COMMENT ON VIEW workflow.updates IS 'Updates of runs that are open, or continue as new; those of others are in workflow.history';
COMMENT ON COLUMN workflow.updates.workflow_id IS 'Of the run';
COMMENT ON COLUMN workflow.updates.run_id IS 'The run it was sent to, or that accepted it';
COMMENT ON COLUMN workflow.updates.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.updates.update IS 'Its name, as the definition declares it';
COMMENT ON COLUMN workflow.updates.update_id IS 'The id that it counts once by, as its sender gave it or was given';
COMMENT ON COLUMN workflow.updates.status IS
    'Sent: the run has not taken it in yet; Accepted: an Await state will take it; Completed; Rejected; Failed: no state will take it, or that failed';
COMMENT ON COLUMN workflow.updates.event_id IS 'Of its WorkflowExecutionUpdateAccepted in workflow.history';
COMMENT ON COLUMN workflow.updates.sent_at IS 'When it was sent';
COMMENT ON COLUMN workflow.updates.sent_by IS 'The role that sent it';
COMMENT ON COLUMN workflow.updates.settled_at IS 'When it was completed, rejected, or failed';
COMMENT ON COLUMN workflow.updates.payload IS 'What was sent with it';
COMMENT ON COLUMN workflow.updates.result IS 'What its sender gets, when it has completed';
COMMENT ON COLUMN workflow.updates.error IS 'Why it was rejected, or failed';
COMMENT ON COLUMN workflow.updates.cause IS 'The same, for people';
COMMENT ON COLUMN workflow.updates.public_error IS 'What its sender is told of that, as the definition has it';
COMMENT ON COLUMN workflow.updates.owner IS 'The role that the run runs as';
COMMENT ON COLUMN workflow.updates.shard_key IS 'workflow.shard_key(workflow_id), by which the tables are indexed';

CREATE VIEW workflow.signals WITH (security_invoker) AS
SELECT workflow_id, run_id, workflow, signal, status, event_id, sent_at, payload, owner, shard_key
FROM workflow.readable_signal;
COMMENT ON VIEW workflow.signals IS 'Signals that no Await state has consumed; those that were are in workflow.history';
COMMENT ON COLUMN workflow.signals.workflow_id IS 'Of the run';
COMMENT ON COLUMN workflow.signals.run_id IS 'The run';
COMMENT ON COLUMN workflow.signals.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.signals.signal IS 'Its name, as the definition declares it';
COMMENT ON COLUMN workflow.signals.status IS
    'Sent (on its way), Buffered (the run has it), or Undeliverable: the run had closed when it was committed';
COMMENT ON COLUMN workflow.signals.event_id IS 'Of its WorkflowExecutionSignaled in workflow.history';
COMMENT ON COLUMN workflow.signals.sent_at IS 'When it was sent';
COMMENT ON COLUMN workflow.signals.payload IS 'What was sent with it';
COMMENT ON COLUMN workflow.signals.owner IS 'The role that the run runs as';
COMMENT ON COLUMN workflow.signals.shard_key IS 'workflow.shard_key(workflow_id), by which the tables are indexed';

CREATE VIEW workflow.compensations WITH (security_invoker) AS
SELECT workflow_id, run_id, workflow, sequence, state, activity, status, attempts, recorded_at, closed_at,
       input, compensates, failure, owner, shard_key
FROM workflow.readable_compensation;
COMMENT ON VIEW workflow.compensations IS 'What undoes completed work of a run; run last first';
COMMENT ON COLUMN workflow.compensations.workflow_id IS 'Of the run';
COMMENT ON COLUMN workflow.compensations.run_id IS 'The run';
COMMENT ON COLUMN workflow.compensations.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.compensations.sequence IS 'Counts from 1 within the run';
COMMENT ON COLUMN workflow.compensations.state IS 'The state whose work it undoes';
COMMENT ON COLUMN workflow.compensations.activity IS 'What undoes it: the name of an activity';
COMMENT ON COLUMN workflow.compensations.status IS
    'Recorded (may still run), Completed, or Failed: see workflow.retry_compensation';
COMMENT ON COLUMN workflow.compensations.attempts IS 'How often it has been tried';
COMMENT ON COLUMN workflow.compensations.recorded_at IS 'When the work was done';
COMMENT ON COLUMN workflow.compensations.closed_at IS 'When it completed, or failed for good';
COMMENT ON COLUMN workflow.compensations.input IS 'What the activity is called with';
COMMENT ON COLUMN workflow.compensations.compensates IS 'The call it undoes: {state, input, result, idempotency_key}';
COMMENT ON COLUMN workflow.compensations.failure IS 'Of the last attempt: {Error, Cause, Details}';
COMMENT ON COLUMN workflow.compensations.owner IS 'The role that runs it';
COMMENT ON COLUMN workflow.compensations.shard_key IS
    'workflow.shard_key(workflow_id), by which the tables are indexed';

-- worker_stats: a row per executor of this database; none when the library was not preloaded
CREATE FUNCTION workflow.worker_stats(
    OUT pid int, OUT role regrole, OUT state text, OUT started_at timestamptz, OUT last_batch_at timestamptz,
    OUT batches bigint, OUT runs bigint) RETURNS SETOF record
    LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'ow_worker_stats';
COMMENT ON FUNCTION workflow.worker_stats() IS
    'Executors of the roles whose rights the current user has; see workflow.workers';

-- pool_stats: a row per role that has, or had, work for executors in this database
CREATE FUNCTION workflow.pool_stats(
    OUT role regrole, OUT executors int, OUT ready int, OUT next_due_at timestamptz,
    OUT parked_reason text) RETURNS SETOF record
    LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'ow_pool_stats';
COMMENT ON FUNCTION workflow.pool_stats() IS
    'Executor pools of the roles whose rights the current user has; see workflow.task_queues';

-- engine_status: Running, or why nothing runs in this database: Disabled (order_workflow.enabled is off),
-- NotPreloaded (order_workflow is not in shared_preload_libraries), Quarantined (a restored or cloned copy,
-- until workflow.resume_engine()), Standby
CREATE FUNCTION workflow.engine_status() RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'ow_engine_status';
COMMENT ON FUNCTION workflow.engine_status() IS 'Running, Disabled, NotPreloaded, Quarantined or Standby';

-- A worker outside is gone when nothing has been heard of it, by polls and heartbeats, for two minutes, unless it has
-- taken a task: it may be at that for long.
CREATE VIEW workflow.workers WITH (security_invoker) AS
SELECT 'executor' AS kind, NULL::text AS name, NULL::text AS task_queue, role, NULL::text AS version, state, pid,
       started_at, last_batch_at AS last_seen_at, NULL::bigint AS in_flight, NULL::text[] AS activities,
       NULL::timestamptz AS draining_since, batches, runs
FROM workflow.worker_stats()
UNION ALL
SELECT 'outside', w.worker, w.task_queue, w.role, w.version,
       CASE WHEN h.in_flight IS NULL AND seen.at < clock_timestamp() - interval '2 min' THEN 'gone'
            WHEN w.draining_since IS NOT NULL THEN 'draining'
            WHEN h.in_flight > 0 THEN 'busy' ELSE 'idle' END,
       NULL, w.first_seen_at, seen.at, coalesce(h.in_flight, 0), w.activities, w.draining_since, NULL, NULL
FROM workflow.readable_worker w
LEFT JOIN (SELECT t.task_queue, t.worker, count(*) AS in_flight,
                  greatest(max(t.started_at), max(t.beat_at)) AS heard_at
           FROM workflow.readable_task t
           WHERE t.worker IS NOT NULL
           GROUP BY t.task_queue, t.worker) h ON h.task_queue = w.task_queue AND h.worker = w.worker
CROSS JOIN LATERAL (SELECT greatest(w.last_seen_at, h.heard_at) AS at) seen;
COMMENT ON VIEW workflow.workers IS
    'Executors, which run SQL activities as the owner of workflows, and workers outside that have polled lately';
COMMENT ON COLUMN workflow.workers.kind IS 'executor, or outside: a program that polls a task queue';
COMMENT ON COLUMN workflow.workers.name IS 'As given to poll_activity';
COMMENT ON COLUMN workflow.workers.task_queue IS 'That it polls; a worker outside has a row for each';
COMMENT ON COLUMN workflow.workers.role IS 'The role that it runs workflows of, or polls as';
COMMENT ON COLUMN workflow.workers.version IS 'As given to poll_activity';
COMMENT ON COLUMN workflow.workers.state IS
    'Of an executor: starting, running, idle or leaving. Outside: idle, busy, draining, or gone: nothing was heard of it for '
    'two minutes';
COMMENT ON COLUMN workflow.workers.pid IS 'Of an executor''s background worker, as in pg_stat_activity';
COMMENT ON COLUMN workflow.workers.started_at IS 'When it started, or was first seen';
COMMENT ON COLUMN workflow.workers.last_seen_at IS
    'When an executor''s last batch began, or a worker outside was last heard of; polls are noted every ten seconds at most';
COMMENT ON COLUMN workflow.workers.in_flight IS 'Tasks that a worker outside has taken and not answered';
COMMENT ON COLUMN workflow.workers.activities IS 'Of which a worker outside takes tasks; null: of any';
COMMENT ON COLUMN workflow.workers.draining_since IS 'When it was told to end: see workflow.drain_worker()';
COMMENT ON COLUMN workflow.workers.batches IS 'Transactions that an executor has carried runs on in';
COMMENT ON COLUMN workflow.workers.runs IS 'Runs that an executor has carried on, as often as it did';

-- task_rates: how many tasks per second have come into a queue in the last minute, and been taken from it; null: not known
CREATE FUNCTION workflow.task_rates(owner regrole, task_queue text, OUT add_rate float8, OUT dispatch_rate float8)
    RETURNS record
    LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'ow_task_rates';
COMMENT ON FUNCTION workflow.task_rates(regrole, text) IS
    'Tasks per second, of roles whose rights the current user has; see workflow.task_queues';

-- SQL activities have one queue per owner: the runs its executors have something to do for.  Of the queues of programs
-- outside, those of activities are here even when they are empty.
CREATE VIEW workflow.task_queues WITH (security_invoker) AS
SELECT owner,
       NULL::text AS task_queue,
       coalesce(r.backlog, 0) AS backlog,
       r.oldest_at,
       clock_timestamp() - r.oldest_at AS oldest_age,
       NULL::bigint AS in_flight,
       r.next_due_at,
       coalesce(p.executors, 0) AS executors,
       p.parked_reason,
       NULL::float8 AS rate_limit, NULL::int AS max_in_flight, NULL::float8 AS key_rate_limit,
       NULL::int AS key_max_in_flight, NULL::timestamptz AS paused_until, NULL::text AS pause_reason,
       NULL::bigint AS workers, NULL::float8 AS add_rate, NULL::float8 AS dispatch_rate,
       nullif(concat_ws('; ', p.parked_reason, r.stuck), '') AS problem
FROM (SELECT e.owner,
             count(*) FILTER (WHERE e.ready OR e.has_messages) AS backlog,
             min(coalesce(e.entered_at, e.started_at)) FILTER (WHERE e.ready OR e.has_messages) AS oldest_at,
             min(e.due_at) FILTER (WHERE NOT e.ready) AS next_due_at,
             'runs are stuck: ' || string_agg(DISTINCT e.stuck->>'Error', ', ')
                 FILTER (WHERE e.status = 'Stuck' AND e.stuck->>'Error' IN ('OW.ActivityNotRegistered', 'OW.NoLease')) AS stuck
      FROM workflow.readable_execution e
      GROUP BY e.owner) r
FULL JOIN (SELECT s.role AS owner, s.executors, s.parked_reason FROM workflow.pool_stats() s) p USING (owner)
UNION ALL
SELECT q.owner, q.task_queue, q.backlog, q.oldest_at, clock_timestamp() - q.oldest_at, q.in_flight, NULL, NULL, NULL,
       f.rate_limit, f.max_in_flight, f.key_rate_limit, f.key_max_in_flight, f.paused_until, f.pause_reason,
       q.workers, rates.add_rate, rates.dispatch_rate, q.problem
FROM (SELECT a.owner, a.task_queue, sum(a.backlog)::bigint AS backlog, min(a.oldest_at) AS oldest_at,
             sum(a.in_flight)::bigint AS in_flight, coalesce(max(w.workers), 0) AS workers,
             string_agg(DISTINCT CASE WHEN a.backlog > 0 THEN
                 workflow.queue_problem(a.activity, w.workers, w.activities, w.last_seen_at) END, '; ') AS problem
      FROM (SELECT t.owner, t.task_queue, t.activity,
                   count(*) FILTER (WHERE t.worker IS NULL AND t.paused_at IS NULL) AS backlog,
                   min(t.queued_at) FILTER (WHERE t.worker IS NULL AND t.paused_at IS NULL) AS oldest_at,
                   count(*) FILTER (WHERE t.worker IS NOT NULL) AS in_flight
            FROM workflow.readable_task t
            GROUP BY t.owner, t.task_queue, t.activity
            UNION ALL
            SELECT r.owner, r.task_queue, r.name, 0, NULL, 0
            FROM workflow.readable_activity r
            WHERE r.task_queue IS NOT NULL
            UNION ALL
            SELECT c.owner, c.task_queue, NULL, 0, NULL, 0
            FROM workflow.readable_task_queue c) a
      LEFT JOIN workflow.queue_workers() w USING (owner, task_queue)
      GROUP BY a.owner, a.task_queue) q
LEFT JOIN workflow.readable_task_queue f USING (owner, task_queue)
CROSS JOIN LATERAL workflow.task_rates(q.owner, q.task_queue) rates;
COMMENT ON VIEW workflow.task_queues IS 'What waits for an executor, or in a task queue for programs outside, and how long';
COMMENT ON COLUMN workflow.task_queues.owner IS 'The role that the runs run as';
COMMENT ON COLUMN workflow.task_queues.task_queue IS 'Of programs outside; null: the owner''s executors';
COMMENT ON COLUMN workflow.task_queues.in_flight IS 'Tasks that a worker has taken; null: of executors';
COMMENT ON COLUMN workflow.task_queues.backlog IS 'Runs that an executor has something to do for, or tasks that nobody has taken and that are not paused';
COMMENT ON COLUMN workflow.task_queues.oldest_at IS 'When the first of them came to the state it is in, or into the queue';
COMMENT ON COLUMN workflow.task_queues.oldest_age IS 'How long ago that was';
COMMENT ON COLUMN workflow.task_queues.next_due_at IS 'When the next of the others goes on by itself';
COMMENT ON COLUMN workflow.task_queues.executors IS 'Workers that serve it now';
COMMENT ON COLUMN workflow.task_queues.parked_reason IS 'Why no executor can start for this owner';
COMMENT ON COLUMN workflow.task_queues.rate_limit IS 'Tasks that may be taken per second: see workflow.set_task_queue()';
COMMENT ON COLUMN workflow.task_queues.max_in_flight IS 'Tasks that may be in flight at a time';
COMMENT ON COLUMN workflow.task_queues.key_rate_limit IS 'rate_limit of each fairness key that has none of its own';
COMMENT ON COLUMN workflow.task_queues.key_max_in_flight IS 'max_in_flight of each fairness key that has none of its own';
COMMENT ON COLUMN workflow.task_queues.paused_until IS 'No task is taken before: see workflow.pause_task_queue()';
COMMENT ON COLUMN workflow.task_queues.pause_reason IS 'As given when it was paused';
COMMENT ON COLUMN workflow.task_queues.workers IS 'Workers outside that may take these tasks, and were heard of in the last two minutes, or have some';
COMMENT ON COLUMN workflow.task_queues.add_rate IS 'Tasks per second that came into the queue in the last minute; null: not known';
COMMENT ON COLUMN workflow.task_queues.dispatch_rate IS 'Tasks per second that were taken from it in the last minute; null: not known';
COMMENT ON COLUMN workflow.task_queues.problem IS
    'Why what waits here may have to wait for long: no worker, or none for an activity; an owner who cannot log in; runs '
    'that are stuck because an activity is not registered, or has no timeout. Null: nothing is known to be wrong';

CREATE VIEW workflow.fairness_keys WITH (security_invoker) AS
SELECT task_queue, owner, fairness_key,
       coalesce(k.weight, 1) AS weight,
       coalesce(k.rate_limit, f.key_rate_limit) AS rate_limit,
       coalesce(k.max_in_flight, f.key_max_in_flight) AS max_in_flight,
       coalesce(q.backlog, 0) AS backlog,
       coalesce(q.in_flight, 0) AS in_flight,
       k.paused_until, k.pause_reason
FROM (SELECT t.owner, t.task_queue, t.fairness_key, count(*) FILTER (WHERE t.worker IS NULL) AS backlog,
             count(*) FILTER (WHERE t.worker IS NOT NULL) AS in_flight
      FROM workflow.readable_task t
      WHERE t.fairness_key IS NOT NULL
      GROUP BY t.owner, t.task_queue, t.fairness_key) q
FULL JOIN workflow.readable_task_queue_key k USING (task_queue, owner, fairness_key)
LEFT JOIN workflow.readable_task_queue f USING (task_queue, owner);
COMMENT ON VIEW workflow.fairness_keys IS 'Fairness keys that have tasks, or settings';
COMMENT ON COLUMN workflow.fairness_keys.task_queue IS 'Of programs outside';
COMMENT ON COLUMN workflow.fairness_keys.owner IS 'The role that the runs run as';
COMMENT ON COLUMN workflow.fairness_keys.fairness_key IS 'As FairnessKey of the tasks has it';
COMMENT ON COLUMN workflow.fairness_keys.weight IS 'Its share of workers, relative to the others';
COMMENT ON COLUMN workflow.fairness_keys.rate_limit IS 'Tasks that may be taken per second; null: any number';
COMMENT ON COLUMN workflow.fairness_keys.max_in_flight IS 'Tasks that may be in flight at a time; null: any number';
COMMENT ON COLUMN workflow.fairness_keys.backlog IS 'Tasks that nobody has taken';
COMMENT ON COLUMN workflow.fairness_keys.in_flight IS 'Tasks that a worker has taken';
COMMENT ON COLUMN workflow.fairness_keys.paused_until IS 'No task is taken before: see workflow.pause_task_queue()';
COMMENT ON COLUMN workflow.fairness_keys.pause_reason IS 'As given when it was paused';
