-- How far batch operations are.

CREATE VIEW workflow.batch_operations WITH (security_invoker) AS
SELECT batch_id, operation, condition, arguments, reason, dry_run,
       CASE WHEN canceled_at IS NOT NULL THEN 'Canceled'
            WHEN unfinished = 0 THEN 'Completed'
            WHEN started_at IS NULL THEN 'Waiting' ELSE 'Running' END AS status,
       total, done, failed, total - done - failed AS remaining, chunk_size, rate_per_second, owner,
       created_at, started_at,
       CASE WHEN canceled_at IS NOT NULL THEN canceled_at WHEN unfinished = 0 THEN coalesce(finished_at, created_at) END
           AS finished_at,
       canceled_by, shard_key
FROM workflow.readable_batch_operation;
COMMENT ON VIEW workflow.batch_operations IS 'What is done to many runs, and how far it is';
COMMENT ON COLUMN workflow.batch_operations.batch_id IS 'As returned by workflow.start_batch; later ones are greater';
COMMENT ON COLUMN workflow.batch_operations.operation IS 'signal, cancel, terminate, retry, pause, resume, upgrade or reset';
COMMENT ON COLUMN workflow.batch_operations.condition IS 'By which the runs were chosen, when it was made';
COMMENT ON COLUMN workflow.batch_operations.arguments IS 'Of the operation';
COMMENT ON COLUMN workflow.batch_operations.reason IS 'As given to workflow.start_batch';
COMMENT ON COLUMN workflow.batch_operations.dry_run IS 'Whether it only finds out which runs would refuse';
COMMENT ON COLUMN workflow.batch_operations.status IS
    'Waiting for the first CALL workflow.run_batch_operation(), Running (or left by it), Completed, Canceled';
COMMENT ON COLUMN workflow.batch_operations.total IS 'How many runs were chosen';
COMMENT ON COLUMN workflow.batch_operations.done IS 'To how many it has been done';
COMMENT ON COLUMN workflow.batch_operations.failed IS 'How many have refused: see workflow.batch_errors';
COMMENT ON COLUMN workflow.batch_operations.remaining IS 'How many are left';
COMMENT ON COLUMN workflow.batch_operations.chunk_size IS 'How many are done in one transaction';
COMMENT ON COLUMN workflow.batch_operations.rate_per_second IS 'How many are done per second, at most';
COMMENT ON COLUMN workflow.batch_operations.owner IS 'The role that has made it, and does it';
COMMENT ON COLUMN workflow.batch_operations.created_at IS 'When workflow.start_batch was called';
COMMENT ON COLUMN workflow.batch_operations.started_at IS 'When its first chunk was begun';
COMMENT ON COLUMN workflow.batch_operations.finished_at IS 'When the last chunk was done, or it was canceled';
COMMENT ON COLUMN workflow.batch_operations.canceled_by IS 'Who has called workflow.cancel_batch';
COMMENT ON COLUMN workflow.batch_operations.shard_key IS 'workflow.shard_key(batch_id), by which the tables are indexed';

CREATE VIEW workflow.batch_errors WITH (security_invoker) AS
SELECT batch_id, operation, run_id, sqlstate, message, detail, failed_at, owner, shard_key
FROM workflow.readable_batch_error;
COMMENT ON VIEW workflow.batch_errors IS 'Runs that have refused a batch operation, and why';
COMMENT ON COLUMN workflow.batch_errors.batch_id IS 'Of the operation';
COMMENT ON COLUMN workflow.batch_errors.operation IS 'What it does';
COMMENT ON COLUMN workflow.batch_errors.run_id IS 'The run, as it was chosen';
COMMENT ON COLUMN workflow.batch_errors.sqlstate IS 'Of the error';
COMMENT ON COLUMN workflow.batch_errors.message IS 'Of the error';
COMMENT ON COLUMN workflow.batch_errors.detail IS 'Of the error';
COMMENT ON COLUMN workflow.batch_errors.failed_at IS 'When it was tried';
COMMENT ON COLUMN workflow.batch_errors.owner IS 'The role that has made the operation';
COMMENT ON COLUMN workflow.batch_errors.shard_key IS 'workflow.shard_key(batch_id), by which the tables are indexed';
