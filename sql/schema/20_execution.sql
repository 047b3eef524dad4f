-- Open runs and what hangs on them.  shard_key, the hash of the workflow id, leads every key.

-- One row per open run, updated in place; closing moves it to closed_execution.  The only index on
-- a column that changes is the partial one on ready marks, which discovery reads after a restart or
-- an overflow of the ring in shared memory.  Runs that were started together are written back together, so each page
-- has room for a second version of all that it holds: else most of them would move, and get new index entries.
CREATE TABLE workflow.execution (
    shard_key        int NOT NULL,
    run_id           uuid NOT NULL,
    workflow_id      text COLLATE "C" NOT NULL,
    bucket           smallint NOT NULL,
    definition_id    int NOT NULL,
    owner            regrole NOT NULL,
    started_by       regrole NOT NULL,
    started_at       timestamptz NOT NULL,
    deadline         timestamptz,
    deadline_timer   boolean NOT NULL DEFAULT false,
    ready            boolean NOT NULL,
    crashes          int NOT NULL DEFAULT 0,
    status           text NOT NULL,
    next_event_id    int NOT NULL,
    next_branch_id   int NOT NULL DEFAULT 1,
    handler_taken    boolean NOT NULL,
    cancel_requested boolean NOT NULL,
    sticky_status    text NOT NULL,
    compensations    int NOT NULL,
    signals          int NOT NULL DEFAULT 0,
    signal_requests  boolean NOT NULL DEFAULT false,
    updates          boolean NOT NULL DEFAULT false,
    -- its token, in the same columns as that of a branch
    state            text,
    phase            text NOT NULL,
    attempt          int NOT NULL,
    transitions      int NOT NULL DEFAULT 0,
    compensation     int NOT NULL,
    opened           int NOT NULL DEFAULT 0,
    failed           int NOT NULL DEFAULT 0,
    entered_at       timestamptz,
    scheduled_at     timestamptz,
    due_at           timestamptz,
    task_token       uuid,
    retry_counts     int[],
    data             jsonb,
    kept             jsonb,
    last_failure     jsonb,
    visits           jsonb,
    variables        jsonb,
    control          jsonb,
    updated          jsonb,
    error            jsonb,
    outcome          jsonb,
    stuck            jsonb,
    paused           jsonb,
    changes          jsonb,
    input            jsonb NOT NULL,
    memo             jsonb,
    request_id       text,
    chain_id         uuid NOT NULL,
    root_run_id      uuid NOT NULL,
    traceparent      text,
    execution_deadline timestamptz,
    run_attempt      int NOT NULL DEFAULT 1,
    options          jsonb,
    schedule         jsonb,
    parent_workflow_id text COLLATE "C",
    parent_run_id    uuid,
    parent_owner     regrole,
    children         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (shard_key, run_id),
    UNIQUE (shard_key, workflow_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX execution_ready ON workflow.execution (owner, run_id) WHERE ready;
CREATE INDEX execution_request ON workflow.execution (shard_key, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX execution_parent ON workflow.execution (parent_workflow_id) WHERE parent_workflow_id IS NOT NULL;
COMMENT ON TABLE workflow.execution IS 'Open runs: the materialised state of each';
COMMENT ON COLUMN workflow.execution.ready IS 'An executor has something to do for this run';
COMMENT ON COLUMN workflow.execution.crashes IS 'Server crashes while this run''s activity was running: it runs alone, and is stuck after order_workflow.crash_limit';
COMMENT ON COLUMN workflow.execution.deadline_timer IS 'The deadline has a row in workflow.timer (it gets one when the run first waits)';
COMMENT ON COLUMN workflow.execution.execution_deadline IS 'The execution_timeout of the start, for all runs that continue one another';
COMMENT ON COLUMN workflow.execution.run_attempt IS 'Of the workflow: counts runs that followed one that failed (Retry)';
COMMENT ON COLUMN workflow.execution.options IS 'As given to workflow.start: {Retry, RetryCounts, RunTimeoutMs, Priority, Searchable}; null: none of these';
COMMENT ON COLUMN workflow.execution.parent_run_id IS 'Of a child: the run that is told how it closes; that may have been continued since';
COMMENT ON COLUMN workflow.execution.parent_owner IS 'As whom the parent runs; null: nobody is told';
COMMENT ON COLUMN workflow.execution.children IS 'It, or a run that it continues, has started children: see workflow.child';
COMMENT ON COLUMN workflow.execution.traceparent IS 'The W3C trace it was started in; null: it has one of its own';
COMMENT ON COLUMN workflow.execution.schedule IS 'Of the schedule that started it: {Name, ScheduledTime}';
COMMENT ON COLUMN workflow.execution.variables IS 'What Assign has set: {name: value}; null when there are none';
COMMENT ON COLUMN workflow.execution.next_branch_id IS 'One more than there have been branches of Parallel and Map states';
COMMENT ON COLUMN workflow.execution.transitions IS 'States entered since the token last waited or ran an activity; see order_workflow.transition_limit';
COMMENT ON COLUMN workflow.execution.opened IS 'Branches that the Parallel or Map the token stands in has opened';
COMMENT ON COLUMN workflow.execution.failed IS 'How many of them have failed, which the Map tolerates';
COMMENT ON COLUMN workflow.execution.kept IS 'What the phase keeps: a stored result (Exit), what is spread (Branches), the limits of a task token (Callback); of a SQL state, also what its task is called with';
COMMENT ON COLUMN workflow.execution.changes IS 'What Version states have chosen: {change id: version}; null: nothing';
COMMENT ON COLUMN workflow.execution.paused IS 'Who has paused the run: {paused_at, paused_by, reason}; null: nobody';
COMMENT ON COLUMN workflow.execution.signals IS 'How many signals are buffered';
COMMENT ON COLUMN workflow.execution.signal_requests IS 'Signals with a request id have come: see workflow.signal_request';
COMMENT ON COLUMN workflow.execution.updates IS 'Updates have been sent: see workflow.update_request';
COMMENT ON COLUMN workflow.execution.updated IS 'Variables that updates have set while its state is at work: they are in variables when that is left';
COMMENT ON COLUMN workflow.execution.control IS 'What operators have asked of its task: {paused_at, paused_by, reason, pauses, options, reset, reset_heartbeat}; null: nothing';
COMMENT ON COLUMN workflow.execution.compensations IS 'How many compensations have been recorded, those dropped again included: the sequence of the last';

-- The token of each branch (of a Parallel) or iteration (of a Map) that runs.  Those that start and end within
-- one transaction never get here.
CREATE TABLE workflow.branch (
    shard_key    int NOT NULL,
    run_id       uuid NOT NULL,
    branch_id    int NOT NULL,
    owner        regrole NOT NULL,
    parent       int NOT NULL,
    item_index   int NOT NULL,
    path         text NOT NULL,
    failure      jsonb,
    tolerated    boolean NOT NULL,
    state        text,
    phase        text NOT NULL,
    attempt      int NOT NULL,
    transitions  int NOT NULL,
    compensation int NOT NULL,
    opened       int NOT NULL,
    failed       int NOT NULL,
    entered_at   timestamptz,
    scheduled_at timestamptz,
    due_at       timestamptz,
    task_token   uuid,
    retry_counts int[],
    data         jsonb,
    kept         jsonb,
    last_failure jsonb,
    visits       jsonb,
    variables    jsonb,
    control      jsonb,
    PRIMARY KEY (shard_key, run_id, branch_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workflow.branch IS 'Branches of Parallel and iterations of Map states that run';
COMMENT ON COLUMN workflow.branch.parent IS 'Branch whose Parallel or Map it belongs to; 0: the run itself';
COMMENT ON COLUMN workflow.branch.item_index IS 'Of the branch in its Parallel, or the item in its Map, from 0';
COMMENT ON COLUMN workflow.branch.path IS 'State:visit:index, from the outside in';
COMMENT ON COLUMN workflow.branch.failure IS 'Why it fails, while its compensations run';

-- What branches that have ended leave, until all of their Parallel or Map have: inserted once, one row each, so
-- that a Map over many items rewrites nothing that grows.
CREATE TABLE workflow.branch_output (
    shard_key  int NOT NULL,
    run_id     uuid NOT NULL,
    parent     int NOT NULL,
    item_index int NOT NULL,
    branch_id  int NOT NULL,
    owner      regrole NOT NULL,
    status     text NOT NULL CHECK (status IN ('Completed', 'Failed')),
    output     jsonb NOT NULL,
    PRIMARY KEY (shard_key, run_id, parent, item_index)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workflow.branch_output IS 'Outputs of branches that have ended, while others of the same state run';

-- Attempts that somebody else answers for, by their token: those that wait for an answer to a token that was given
-- away (without a task queue), and those of programs outside.  Whoever takes one of the latter updates this row only,
-- not the run's; worker, started_at and epoch are known from then on.
CREATE TABLE workflow.activity_task (
    shard_key         int NOT NULL,
    task_token        uuid NOT NULL,
    run_id            uuid NOT NULL,
    owner             regrole NOT NULL,
    activity          text NOT NULL,
    attempt           int NOT NULL,
    task_queue        text,
    priority          int,
    workflow_id       text,
    branch_id         int,
    state             text,
    compensation      int,
    scheduled_at      timestamptz,
    queued_at         timestamptz,
    close_by          timestamptz,
    start_to_close_ms bigint,
    heartbeat_ms      bigint,
    idempotency_key   text,
    input             jsonb,
    last_failure      jsonb,
    compensates       jsonb,
    paused_at         timestamptz,
    worker            text,
    started_at        timestamptz,
    fairness_key      text COLLATE "C",
    controlled        boolean,
    traceparent       text,
    epoch             bigint,
    claim             smallint NOT NULL DEFAULT 0,
    lease_until       timestamptz,
    PRIMARY KEY (shard_key, task_token)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX activity_task_available ON workflow.activity_task (task_queue, priority, queued_at)
    WHERE worker IS NULL AND task_queue IS NOT NULL AND fairness_key IS NULL AND paused_at IS NULL;
CREATE INDEX activity_task_keyed ON workflow.activity_task (task_queue, owner, priority, fairness_key, queued_at)
    WHERE worker IS NULL AND task_queue IS NOT NULL AND fairness_key IS NOT NULL AND paused_at IS NULL;
CREATE INDEX activity_task_controlled ON workflow.activity_task (task_queue, owner, fairness_key) WHERE controlled;
CREATE INDEX activity_task_lease ON workflow.activity_task (owner, lease_until) WHERE lease_until IS NOT NULL;
COMMENT ON TABLE workflow.activity_task IS 'Attempts that wait for an answer to their task token';
COMMENT ON COLUMN workflow.activity_task.task_queue IS 'Of those done by programs outside; null: the token was given away by a SQL activity';
COMMENT ON COLUMN workflow.activity_task.priority IS 'The lower, the sooner it is taken';
COMMENT ON COLUMN workflow.activity_task.scheduled_at IS 'When the first attempt was scheduled';
COMMENT ON COLUMN workflow.activity_task.queued_at IS 'When this attempt was';
COMMENT ON COLUMN workflow.activity_task.close_by IS 'Schedule-to-close, or the timeout of the run if that is earlier';
COMMENT ON COLUMN workflow.activity_task.compensation IS 'Sequence of the compensation that it is; null: forward work';
COMMENT ON COLUMN workflow.activity_task.paused_at IS 'When an operator has paused it: nobody can take it then; null: it is not paused';
COMMENT ON COLUMN workflow.activity_task.traceparent IS 'The run''s';
COMMENT ON COLUMN workflow.activity_task.worker IS 'Who has taken it; null: it can be taken';
COMMENT ON COLUMN workflow.activity_task.fairness_key IS 'Between whose values workers are shared; such tasks have an index of their own';
COMMENT ON COLUMN workflow.activity_task.controlled IS 'It has been taken, and counts for max_in_flight';
COMMENT ON COLUMN workflow.activity_task.epoch IS
    'When it was taken, by promotions and restores: the token given then is good in the same epoch only';
COMMENT ON COLUMN workflow.activity_task.claim IS
    'Changes when the task is put back (release_tasks), and is part of the token that is handed out';
COMMENT ON COLUMN workflow.activity_task.lease_until IS
    'When the run must be looked at because of whoever has taken the task; null: nobody has, or it has been looked at since';

-- Heartbeats of tasks that programs outside work on: narrow, without an index but the key, so that updates are HOT.
CREATE TABLE workflow.activity_heartbeat (
    shard_key  int NOT NULL,
    task_token uuid NOT NULL,
    beat_at    timestamptz NOT NULL,
    details    jsonb,
    claim      smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (shard_key, task_token)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workflow.activity_heartbeat IS 'Last heartbeats of tasks that programs outside work on';
COMMENT ON COLUMN workflow.activity_heartbeat.claim IS 'Of the task, for whoever took it then';

-- A run has at most one row per kind: Token (the first due of its tokens' timers) and Deadline (its timeout).  That the
-- lease of a task is over is found by the task's own row (lease_until).
CREATE TABLE workflow.timer (
    shard_key int NOT NULL,
    run_id    uuid NOT NULL,
    kind      text NOT NULL,
    owner     regrole NOT NULL,
    due_at    timestamptz NOT NULL,
    PRIMARY KEY (shard_key, run_id, kind)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX timer_due ON workflow.timer (owner, due_at);
COMMENT ON TABLE workflow.timer IS 'When open runs must be looked at again';

-- Requests to a run, inserted without locking it; a message is its own ready mark.  StartChild, SignalExternal and
-- CancelExternal are not to a run that is there: run_id is that of the child to be started, or of the request, and whoever
-- takes them in starts the child, or sends the message that is meant.
CREATE TABLE workflow.message (
    shard_key  int NOT NULL,
    run_id     uuid NOT NULL,
    message_id uuid NOT NULL,
    owner      regrole NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('Cancel', 'Terminate', 'Retry', 'RetryCompensations', 'Pause', 'Resume', 'SearchAttributes',
                                             'ActivityCompleted', 'ActivityFailed', 'Heartbeat',
                                             'PauseActivity', 'ResumeActivity', 'ResetActivity',
                                             'UpdateActivityOptions', 'Signal', 'Update', 'Compensations', 'ScheduledRunClosed',
                                             'StartChild', 'SignalExternal', 'CancelExternal',
                                             'ChildStarted', 'ChildClosed', 'RequestAccepted', 'RequestFailed')),
    payload    jsonb NOT NULL,
    sent_by    regrole NOT NULL,
    sent_at    timestamptz NOT NULL,
    PRIMARY KEY (shard_key, run_id, message_id)
);
CREATE INDEX message_unread ON workflow.message (owner, run_id);
COMMENT ON TABLE workflow.message IS 'Requests on their way to an open run, or to a schedule';

-- Children that are to be closed with their parent, and have not closed yet: of the parent's shard, since that is where
-- it is known who they are.  What becomes of them is told to them by a message.
CREATE TABLE workflow.child (
    shard_key         int NOT NULL,
    chain_id          uuid NOT NULL,
    child_run_id      uuid NOT NULL,
    owner             regrole NOT NULL,
    child_shard_key   int NOT NULL,
    child_owner       regrole NOT NULL,
    child_workflow    text NOT NULL,
    child_workflow_id text NOT NULL,
    policy            text NOT NULL CHECK (policy IN ('Terminate', 'RequestCancel')),
    PRIMARY KEY (shard_key, chain_id, child_run_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workflow.child IS 'Open children that do not survive their parent';
COMMENT ON COLUMN workflow.child.chain_id IS 'Of the parent: the runs that continue one another';
COMMENT ON COLUMN workflow.child.child_run_id IS 'The first run of the child';

-- Signals that a run has taken in, and no Await state has consumed.
CREATE TABLE workflow.signal (
    shard_key  int NOT NULL,
    run_id     uuid NOT NULL,
    event_id   int NOT NULL,
    owner      regrole NOT NULL,
    signal     text NOT NULL,
    payload    jsonb NOT NULL,
    sent_at    timestamptz NOT NULL,
    sent_by    text,
    update_id  text,
    PRIMARY KEY (shard_key, run_id, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workflow.signal IS 'Signals, and updates, that wait in their run for an Await state';
COMMENT ON COLUMN workflow.signal.event_id IS 'Of its WorkflowExecutionSignaled, or WorkflowExecutionUpdateAccepted: they are consumed in this order';
COMMENT ON COLUMN workflow.signal.update_id IS 'It is an update; null: a signal';

-- Signals whose run had closed when they were committed, and was not continued.
CREATE TABLE workflow.undeliverable_signal (
    shard_key  int NOT NULL,
    run_id     uuid NOT NULL,
    message_id uuid NOT NULL,
    owner      regrole NOT NULL,
    payload    jsonb NOT NULL,
    sent_by    regrole NOT NULL,
    sent_at    timestamptz NOT NULL,
    PRIMARY KEY (shard_key, run_id, message_id)
);
COMMENT ON TABLE workflow.undeliverable_signal IS 'Signals that came too late for their run';

-- The request ids of signals, while the chain of runs that they were sent to is open.
CREATE TABLE workflow.signal_request (
    shard_key  int NOT NULL,
    chain_id   uuid NOT NULL,
    request_id text NOT NULL,
    owner      regrole NOT NULL,
    PRIMARY KEY (shard_key, chain_id, request_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workflow.signal_request IS 'Request ids of signals that have been sent';

-- Updates that have been sent, by their ids, and what came of them, while the chain of runs that they were sent to is
-- open.  Of those that were accepted, history keeps the rest.
CREATE TABLE workflow.update_request (
    shard_key  int NOT NULL,
    chain_id   uuid NOT NULL,
    update_id  text NOT NULL,
    run_id     uuid NOT NULL,
    owner      regrole NOT NULL,
    update     text NOT NULL,
    status     text NOT NULL CHECK (status IN ('Sent', 'Accepted', 'Completed', 'Rejected', 'Failed')),
    event_id   int,
    payload    jsonb NOT NULL,
    result     jsonb,
    failure    jsonb,
    sent_at    timestamptz NOT NULL,
    sent_by    regrole NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (shard_key, chain_id, update_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workflow.update_request IS 'Updates that have been sent, and what came of them, while their chain of runs is open';
COMMENT ON COLUMN workflow.update_request.run_id IS 'The run it was sent to, or that accepted it';
COMMENT ON COLUMN workflow.update_request.event_id IS 'Of its WorkflowExecutionUpdateAccepted; null: it was not accepted, or not yet';
COMMENT ON COLUMN workflow.update_request.settled_at IS 'When it was completed, rejected, or failed';

-- Large documents, such as the items of a Map, are loaded with each transaction of their run.
DO $$
DECLARE
    relation text;
    packed   text;
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_settings
               WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        FOREACH relation IN ARRAY ARRAY['execution', 'branch'] LOOP
            FOREACH packed IN ARRAY ARRAY['data', 'kept', 'variables'] LOOP
                EXECUTE pg_catalog.format('ALTER TABLE workflow.%I ALTER COLUMN %I SET COMPRESSION lz4', relation, packed);
            END LOOP;
        END LOOP;
        ALTER TABLE workflow.execution ALTER COLUMN input SET COMPRESSION lz4;
    END IF;
END
$$;
