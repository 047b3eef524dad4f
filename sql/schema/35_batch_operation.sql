-- Batch operations: what is done to many runs, a chunk at a time.
--
-- The runs are chosen once, when the operation is made, and kept in chunks: one row each, however many runs.  Doing a
-- chunk and marking its row done is one transaction, so each run is acted on once.  shard_key is embedded in batch_id.

CREATE TABLE workflow.batch_operation (
    shard_key       int NOT NULL,
    batch_id        uuid NOT NULL,
    owner           regrole NOT NULL,
    operation       text NOT NULL,
    condition       text NOT NULL,
    arguments       jsonb NOT NULL,
    reason          text,
    dry_run         boolean NOT NULL,
    chunk_size      int NOT NULL,
    rate_per_second float8,
    total           bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    canceled_at     timestamptz,
    canceled_by     regrole,
    PRIMARY KEY (shard_key, batch_id)
);
COMMENT ON TABLE workflow.batch_operation IS 'What is to be done to many runs';
COMMENT ON COLUMN workflow.batch_operation.owner IS 'The role that made it, with whose rights it is done';

CREATE TABLE workflow.batch_chunk (
    shard_key   int NOT NULL,
    batch_id    uuid NOT NULL,
    chunk       int NOT NULL,
    owner       regrole NOT NULL,
    run_ids     uuid[] NOT NULL,
    done        int NOT NULL DEFAULT 0,
    failed      int NOT NULL DEFAULT 0,
    started_at  timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (shard_key, batch_id, chunk)
) WITH (fillfactor = 90);
CREATE INDEX batch_chunk_unfinished ON workflow.batch_chunk (shard_key, batch_id, chunk) WHERE finished_at IS NULL;
COMMENT ON TABLE workflow.batch_chunk IS 'The runs of batch operations';

CREATE TABLE workflow.batch_error (
    shard_key   int NOT NULL,
    batch_id    uuid NOT NULL,
    run_id      uuid NOT NULL,
    owner       regrole NOT NULL,
    sqlstate    text NOT NULL,
    message     text NOT NULL,
    detail      text,
    failed_at   timestamptz NOT NULL,
    PRIMARY KEY (shard_key, batch_id, run_id)
);
COMMENT ON TABLE workflow.batch_error IS 'Runs that refused what a batch operation was to do';
