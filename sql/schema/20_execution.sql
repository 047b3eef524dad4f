-- Open runs and what hangs on them.  shard_key, the hash of the workflow id, leads every key.

-- One row per open run, updated in place; closing moves it to closed_execution.  The only index on
-- a column that changes is the partial one on ready marks, which discovery reads after a restart or
-- an overflow of the ring in shared memory.
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
    state            text,
    phase            text NOT NULL,
    attempt          int NOT NULL,
    next_event_id    int NOT NULL,
    handler_taken    boolean NOT NULL,
    cancel_requested boolean NOT NULL,
    sticky_status    text NOT NULL,
    compensation     int NOT NULL,
    compensations    int NOT NULL,
    entered_at       timestamptz,
    scheduled_at     timestamptz,
    due_at           timestamptz,
    retry_counts     int[],
    data             jsonb,
    result           jsonb,
    last_failure     jsonb,
    visits           jsonb,
    variables        jsonb,
    error            jsonb,
    outcome          jsonb,
    stuck            jsonb,
    input            jsonb NOT NULL,
    memo             jsonb,
    request_id       text,
    chain_id         uuid NOT NULL,
    root_run_id      uuid NOT NULL,
    PRIMARY KEY (shard_key, run_id),
    UNIQUE (shard_key, workflow_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX execution_ready ON workflow.execution (owner, run_id) WHERE ready;
CREATE INDEX execution_request ON workflow.execution (shard_key, request_id) WHERE request_id IS NOT NULL;
COMMENT ON TABLE workflow.execution IS 'Open runs: the materialised state of each';
COMMENT ON COLUMN workflow.execution.ready IS 'An executor has something to do for this run';
COMMENT ON COLUMN workflow.execution.crashes IS 'Server crashes while this run''s activity was running: it runs alone, and is stuck after order_workflow.crash_limit';
COMMENT ON COLUMN workflow.execution.deadline_timer IS 'The deadline has a row in workflow.timer (it gets one when the run first waits)';
COMMENT ON COLUMN workflow.execution.variables IS 'What Assign has set: {name: value}; null when there are none';
COMMENT ON COLUMN workflow.execution.compensations IS 'Number of recorded compensations that have a row';

-- A run has at most one row per kind: Token (its Wait or back-off) and Deadline (its run timeout).
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

-- Requests to a run, inserted without locking it; a message is its own ready mark.
CREATE TABLE workflow.message (
    shard_key  int NOT NULL,
    run_id     uuid NOT NULL,
    message_id uuid NOT NULL,
    owner      regrole NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('Cancel', 'Terminate', 'Retry', 'RetryCompensations')),
    payload    jsonb NOT NULL,
    sent_by    regrole NOT NULL,
    sent_at    timestamptz NOT NULL,
    PRIMARY KEY (shard_key, run_id, message_id)
);
CREATE INDEX message_unread ON workflow.message (owner, run_id);
COMMENT ON TABLE workflow.message IS 'Requests on their way to an open run';
