-- Schedules: workflows that are started at the times of a cron expression, and what became of the last of these times.

-- Its id is a uuid like a run's, but for a bucket that no run has: schedules have messages and a timer as runs do, and
-- executors find what is due by the same ways.
CREATE TABLE workflow.schedule (
    shard_key         int NOT NULL,
    schedule_id       uuid NOT NULL,
    name              text COLLATE "C" NOT NULL,
    owner             regrole NOT NULL,
    workflow          text NOT NULL,
    version           int,
    input             jsonb NOT NULL,
    cron              text NOT NULL,
    overlap           text NOT NULL,
    catchup_window    interval NOT NULL,
    jitter            interval NOT NULL,
    workflow_id       text NOT NULL,
    start_time        timestamptz NOT NULL,
    end_time          timestamptz NOT NULL,
    remaining_actions int NOT NULL,
    memo              jsonb,
    execution_timeout interval NOT NULL,
    run_timeout       interval NOT NULL DEFAULT '0',
    retry             jsonb,
    priority          int,
    search_attributes jsonb,
    created_at        timestamptz NOT NULL,
    paused_at         timestamptz,
    paused_by         text,
    pause_reason      text,
    checked_at        timestamptz NOT NULL,
    next_time         timestamptz,
    started           bigint NOT NULL DEFAULT 0,
    skipped           bigint NOT NULL DEFAULT 0,
    missed            bigint NOT NULL DEFAULT 0,
    failed            bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (shard_key, schedule_id),
    UNIQUE (shard_key, name)
);
COMMENT ON TABLE workflow.schedule IS 'Schedules; shard_key is the hash of the name';
COMMENT ON COLUMN workflow.schedule.version IS 'Null: the current one when a run is started';
COMMENT ON COLUMN workflow.schedule.workflow_id IS 'What the workflow ids of its runs begin with';
COMMENT ON COLUMN workflow.schedule.remaining_actions IS 'How many times may still be acted on; -1: any number';
COMMENT ON COLUMN workflow.schedule.execution_timeout IS 'Zero: none';
COMMENT ON COLUMN workflow.schedule.run_timeout IS 'Zero: none';
COMMENT ON COLUMN workflow.schedule.checked_at IS 'All times up to here have been dealt with';

CREATE TABLE workflow.schedule_action (
    shard_key     int NOT NULL,
    schedule_id   uuid NOT NULL,
    scheduled_for timestamptz NOT NULL,
    owner         regrole NOT NULL,
    state         text NOT NULL CHECK (state IN ('Buffered', 'Running', 'Closed', 'Skipped', 'Failed')),
    overlap       text NOT NULL,
    manual        boolean NOT NULL,
    taken_at      timestamptz NOT NULL,
    workflow_id   text,
    run_id        uuid,
    asked         text,
    reason        text,
    PRIMARY KEY (shard_key, schedule_id, scheduled_for)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workflow.schedule_action IS 'What became of times of schedules: all that wait or run, and the last ones that do not';
COMMENT ON COLUMN workflow.schedule_action.manual IS 'Asked for by trigger_schedule or backfill_schedule';
COMMENT ON COLUMN workflow.schedule_action.run_id IS 'The first, of runs that continue as new';
COMMENT ON COLUMN workflow.schedule_action.asked IS 'What has been asked of the run for a later one: Cancel or Terminate';
