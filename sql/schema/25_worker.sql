-- Workers outside, as they show themselves when they poll.  Nothing depends on it, and it is not dumped.

-- Written by polls, seldom (store/worker.c); the key has the role, so that nobody takes somebody else's name.
CREATE TABLE workflow.worker (
    task_queue    text NOT NULL,
    worker        text NOT NULL,
    role          regrole NOT NULL,
    version       text,
    activities    text[],
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    PRIMARY KEY (task_queue, worker, role)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE workflow.worker IS 'Workers outside that have polled lately';
COMMENT ON COLUMN workflow.worker.activities IS 'What it asks for; null: tasks of any activity';

-- Apart from it: a poll that waits holds its row in workflow.worker locked, and is to be told at once.
CREATE TABLE workflow.drained_worker (
    task_queue     text NOT NULL,
    worker         text NOT NULL,
    role           regrole NOT NULL,
    draining_since timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (task_queue, worker, role)
);
COMMENT ON TABLE workflow.drained_worker IS 'Workers outside that are given no more tasks';
