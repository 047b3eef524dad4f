-- Waiting for runs to close, and what came of them.
--
-- A workflow id means its open run, else its latest; the overloads take a run id.  Both kinds follow
-- continue-as-new.  All raise OW005 when there is no run that the caller may see.

-- wait: waits until a run has closed; gives how it ended
--   timeout  NULL: for ever
-- Holds the snapshot of the calling statement, which keeps vacuum from its work: wait for seconds, not hours,
-- or use wait_for_close.
-- Raises OW010 at the timeout, OW302 where no workers are, object_not_in_prerequisite_state for a run started
-- in this transaction and in REPEATABLE READ or SERIALIZABLE transactions, unless the run has closed already.
CREATE FUNCTION workflow.wait(workflow_id text, timeout interval DEFAULT '30s') RETURNS workflow.execution_result
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_wait';
COMMENT ON FUNCTION workflow.wait(text, interval) IS
    'Waits until a run has closed';

CREATE FUNCTION workflow.wait(run_id uuid, timeout interval DEFAULT '30s') RETURNS workflow.execution_result
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_wait';
COMMENT ON FUNCTION workflow.wait(uuid, interval) IS
    'Waits until a run has closed';

-- wait_for_close: the same as a procedure, which commits first and holds nothing while it waits
--   execution  OUT: how the run ended
-- Raises what wait raises, and invalid_transaction_termination in a transaction block or a function.
CREATE PROCEDURE workflow.wait_for_close(workflow_id text, timeout interval DEFAULT '30s',
    IN OUT execution workflow.execution_result DEFAULT NULL)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'ow_wait_for_close';
COMMENT ON PROCEDURE workflow.wait_for_close(text, interval, workflow.execution_result) IS
    'Commits, and waits until a run has closed';

CREATE PROCEDURE workflow.wait_for_close(run_id uuid, timeout interval DEFAULT '30s',
    IN OUT execution workflow.execution_result DEFAULT NULL)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'ow_wait_for_close';
COMMENT ON PROCEDURE workflow.wait_for_close(uuid, interval, workflow.execution_result) IS
    'Commits, and waits until a run has closed';

-- result: the output of a completed run
-- Raises OW008 while the run is open.  Of a run that did not complete, raises its public error, "Code: Message",
-- under OW101 (Failed), OW102 (Canceled), OW103 (Terminated) or OW104 (TimedOut); without a public error,
-- only those with the rights of the workflow's owner are told the internal one.
CREATE FUNCTION workflow.result(workflow_id text) RETURNS jsonb
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_result';
COMMENT ON FUNCTION workflow.result(text) IS
    'The output of a completed run, or the error of a failed one';

CREATE FUNCTION workflow.result(run_id uuid) RETURNS jsonb
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_result';
COMMENT ON FUNCTION workflow.result(uuid) IS
    'The output of a completed run, or the error of a failed one';
