-- Batch operations: the same to many runs, a chunk at a time.

-- start_batch: chooses runs, and makes an operation for them; run_batch_operation does it
--   operation        signal, cancel, terminate, retry, pause, resume, upgrade, reset: what the function of that name does
--   condition        SQL over the columns of workflow.executions; it is evaluated once, by and as the caller
--   arguments        of signal: {"signal": …, "payload": …}; of retry and upgrade: {"version": …};
--                    of reset: {"to": "First"}, {"to": "Last"} or {"state": …}, as of workflow.reset_to
--   reason           of all but signal and retry, for the history
--   chunk_size       how many runs in one transaction
--   rate_per_second  how many runs, at most; NULL: as fast as it goes
--   dry_run          tells in workflow.batch_errors which runs would refuse, and does nothing
-- Returns its batch_id.  Only open runs that the caller may see are chosen; to be reset also closed ones, of each workflow
-- id the last that meets the condition.
-- Raises invalid_parameter_value for other operations and arguments, and what the condition raises.
CREATE FUNCTION workflow.start_batch(
    operation text, condition text, arguments jsonb DEFAULT '{}', reason text DEFAULT NULL, chunk_size int DEFAULT 100,
    rate_per_second float8 DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS uuid
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_start_batch';
COMMENT ON FUNCTION workflow.start_batch(text, text, jsonb, text, int, float8, boolean) IS
    'Chooses runs by a condition, and makes an operation for them, which CALL workflow.run_batch_operation() does';

-- cancel_batch: has no more chunks of an operation done; whether there were any
-- Raises OW030 when there is no such operation, or it is of a role whose rights the caller does not have.
CREATE FUNCTION workflow.cancel_batch(batch_id uuid) RETURNS boolean
    LANGUAGE c VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'ow_cancel_batch';
COMMENT ON FUNCTION workflow.cancel_batch(uuid) IS 'Ends a batch operation; what it has done stays done';

-- delete_batch: removes an operation that is over, with its errors
-- Raises OW030 as cancel_batch does, object_not_in_prerequisite_state when it is neither done nor canceled.
CREATE FUNCTION workflow.delete_batch(batch_id uuid) RETURNS void
    LANGUAGE c VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'ow_delete_batch';
COMMENT ON FUNCTION workflow.delete_batch(uuid) IS 'Removes a batch operation that is done or canceled';

-- take_batch_chunk: locks the next chunk; all of the row is null when there is none, or others do what is left
CREATE FUNCTION workflow.take_batch_chunk(
    batch_id uuid, OUT chunk int, OUT run_ids uuid[], OUT operation text, OUT arguments jsonb, OUT reason text,
    OUT dry_run boolean, OUT rate_per_second float8)
    LANGUAGE c VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'ow_take_batch_chunk';
COMMENT ON FUNCTION workflow.take_batch_chunk(uuid) IS 'Locks the next chunk of a batch operation';

-- finish_batch_chunk: marks a chunk done
--   errors  [{run_id, sqlstate, message, detail}]
CREATE FUNCTION workflow.finish_batch_chunk(batch_id uuid, chunk int, errors jsonb) RETURNS boolean
    LANGUAGE c VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'ow_finish_batch_chunk';
COMMENT ON FUNCTION workflow.finish_batch_chunk(uuid, int, jsonb) IS 'Marks a chunk of a batch operation done';

-- apply_operation: does it to one run
CREATE FUNCTION workflow.apply_operation(operation text, run_id uuid, arguments jsonb, reason text, request_id text)
    RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    CASE operation
        WHEN 'signal' THEN
            PERFORM workflow.signal(run_id, arguments->>'signal', arguments->'payload', request_id);
        WHEN 'cancel' THEN
            PERFORM workflow.cancel(run_id, reason);
        WHEN 'terminate' THEN
            PERFORM workflow.terminate(run_id, reason);
        WHEN 'retry' THEN
            PERFORM workflow.retry(run_id, (arguments->>'version')::int);
        WHEN 'pause' THEN
            PERFORM workflow.pause(run_id, reason);
        WHEN 'resume' THEN
            PERFORM workflow.resume(run_id, reason);
        WHEN 'upgrade' THEN
            PERFORM workflow.upgrade(run_id, (arguments->>'version')::int, arguments->'state_map');
        WHEN 'reset' THEN
            PERFORM workflow.reset_to(run_id, arguments, reason);
    END CASE;
END
$$;
COMMENT ON FUNCTION workflow.apply_operation(text, uuid, jsonb, text, text) IS
    'Does to one run what a batch operation does';

-- continuing_run: the open run that goes on in the place of one that has continued as new; NULL: there is none
CREATE FUNCTION workflow.continuing_run(run_id uuid) RETURNS uuid
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT e.run_id
            FROM workflow.readable_closed_execution c
            JOIN workflow.readable_execution e
              ON e.shard_key = c.shard_key AND e.workflow_id = c.workflow_id AND e.chain_id = c.chain_id
            WHERE c.shard_key = workflow.shard_key(continuing_run.run_id) AND c.run_id = continuing_run.run_id
              AND c.status = 'ContinuedAsNew');
END
$$;
COMMENT ON FUNCTION workflow.continuing_run(uuid) IS 'The open run that has continued this one';

-- run_batch_chunk: does the next chunk of an operation; whether there was one
--   pause  OUT: for how many seconds to do nothing now, to keep to its rate
-- Runs share a subtransaction up to one that refuses; then those before it are done again, without it.  So a chunk
-- takes as many subtransactions as runs refuse, and one more.
CREATE FUNCTION workflow.run_batch_chunk(batch_id uuid, OUT more boolean, OUT pause float8)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    began   CONSTANT timestamptz := clock_timestamp();
    request CONSTANT text := concat('batch:', batch_id);
    task    record;
    targets uuid[];
    count   int;
    first   int := 1;  -- of those still to be done
    last    int;       -- before the one that has refused
    at      int;
    is_done boolean;
    problem jsonb;     -- of the one that has refused
    errors  jsonb := '[]';
    next    uuid;
    reason  text;
BEGIN
    SELECT * INTO task FROM workflow.take_batch_chunk(batch_id);
    more := task.chunk IS NOT NULL;
    pause := 0;
    IF NOT more THEN
        RETURN;
    END IF;
    targets := task.run_ids;
    count := cardinality(targets);
    last := count;
    WHILE first <= count LOOP
        is_done := false;
        BEGIN
            FOR i IN first..last LOOP
                at := i;
                PERFORM workflow.apply_operation(task.operation, targets[i], task.arguments, task.reason, request);
            END LOOP;
            IF task.dry_run THEN
                RAISE SQLSTATE 'UNDO0';
            END IF;
            is_done := true;
        EXCEPTION
            WHEN SQLSTATE 'UNDO0' THEN
                is_done := true;
            WHEN OTHERS THEN
                next := CASE SQLSTATE WHEN 'OW009' THEN workflow.continuing_run(targets[at]) END;
                IF next IS NOT NULL THEN
                    targets[at] := next;
                ELSE
                    GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
                    problem := jsonb_build_object('run_id', task.run_ids[at], 'sqlstate', SQLSTATE, 'message', SQLERRM,
                                                  'detail', nullif(reason, ''));
                    last := at - 1;
                END IF;
        END;
        IF is_done THEN
            first := last + 1;
            IF problem IS NOT NULL THEN
                errors := errors || problem;
                first := first + 1;
                problem := NULL;
            END IF;
            last := count;
        END IF;
    END LOOP;
    PERFORM workflow.finish_batch_chunk(batch_id, task.chunk, errors);
    IF task.rate_per_second > 0 THEN
        pause := greatest(count / task.rate_per_second - extract(epoch FROM clock_timestamp() - began)::float8, 0);
    END IF;
END
$$;
COMMENT ON FUNCTION workflow.run_batch_chunk(uuid) IS 'Does the next chunk of a batch operation';

-- run_batch_operation: does what is left of an operation, and commits after each chunk
-- Whatever ends it, call it again and it goes on.  Several sessions may do one operation together, each at its rate.
-- Raises OW030 when there is no such operation, insufficient_privilege for other roles than the one that has made it,
-- invalid_transaction_termination in a transaction block or a function.
CREATE PROCEDURE workflow.run_batch_operation(batch_id uuid)
    LANGUAGE plpgsql
AS $$
DECLARE
    chunk record;
BEGIN
    LOOP
        SELECT c.more, c.pause INTO STRICT chunk FROM workflow.run_batch_chunk(batch_id) AS c;
        COMMIT;
        EXIT WHEN NOT chunk.more;
        PERFORM pg_catalog.pg_sleep(chunk.pause);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE workflow.run_batch_operation(uuid) IS
    'Does a batch operation chunk by chunk, from where it was left';

-- run_batch_operations: the same for all operations of the current role that are not done, the oldest first
-- For jobs that look after them from time to time.
CREATE PROCEDURE workflow.run_batch_operations()
    LANGUAGE plpgsql
AS $$
DECLARE
    batch record;
BEGIN
    FOR batch IN SELECT * FROM workflow.unfinished_batches() LOOP
        CALL workflow.run_batch_operation(batch.batch_id);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE workflow.run_batch_operations() IS
    'Does the batch operations of the current role, from where they were left';

-- unfinished_batches: what run_batch_operations is to do
CREATE FUNCTION workflow.unfinished_batches() RETURNS TABLE (batch_id uuid)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT b.batch_id FROM workflow.batch_operations b
    WHERE b.owner = current_user::regrole AND b.status IN ('Waiting', 'Running')
    ORDER BY b.created_at, b.batch_id;
END
$$;
COMMENT ON FUNCTION workflow.unfinished_batches() IS 'Batch operations of the current role that are not done';
