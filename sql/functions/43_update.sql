-- Updates: what a run is asked to do, and answers.

-- update: asks a run to do something; gives the result
--   workflow_id  its open run; the other form takes a run id
--   name         an update that "Updates" of the run's definition declares
--   args         of the type declared there
--   wait         how long to wait for a result; 0: not at all, then NULL if there is none yet
--   update_id    the same one counts once for a workflow id, and gives the same result again, also when the run has closed
-- It takes part in the caller's transaction, in which what the run does at once completes it.  What it would do only after that
-- has been committed cannot be waited for: object_not_in_prerequisite_state, unless wait is 0.
-- Raises OW005 when there is no such run, OW009 when it has closed, OW041 for an update that is not declared, OW013 for
-- arguments of another type, OW042 when it is rejected, OW043 when it fails, OW010 at the timeout, insufficient_privilege
-- without "signal" on the workflow.
CREATE FUNCTION workflow.update(workflow_id text, name text, args jsonb DEFAULT NULL, wait interval DEFAULT '10s',
                                update_id text DEFAULT NULL) RETURNS jsonb
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_update';
COMMENT ON FUNCTION workflow.update(text, text, jsonb, interval, text) IS
    'Asks a run to do something, and gives the result';

CREATE FUNCTION workflow.update(run_id uuid, name text, args jsonb DEFAULT NULL, wait interval DEFAULT '10s',
                                update_id text DEFAULT NULL) RETURNS jsonb
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_update';
COMMENT ON FUNCTION workflow.update(uuid, text, jsonb, interval, text) IS
    'Asks a run to do something, and gives the result';

-- update_and_wait: the same as a procedure, which commits, and then waits for whatever the result takes
--   result  OUT
-- Raises what update raises, and invalid_transaction_termination in a transaction block or a function.
CREATE PROCEDURE workflow.update_and_wait(workflow_id text, name text, args jsonb DEFAULT NULL, timeout interval DEFAULT '30s',
                                          update_id text DEFAULT NULL, IN OUT result jsonb DEFAULT NULL)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'ow_update_and_wait';
COMMENT ON PROCEDURE workflow.update_and_wait(text, text, jsonb, interval, text, jsonb) IS
    'Asks a run to do something, commits, and waits for the result';

CREATE PROCEDURE workflow.update_and_wait(run_id uuid, name text, args jsonb DEFAULT NULL, timeout interval DEFAULT '30s',
                                          update_id text DEFAULT NULL, IN OUT result jsonb DEFAULT NULL)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'ow_update_and_wait';
COMMENT ON PROCEDURE workflow.update_and_wait(uuid, text, jsonb, interval, text, jsonb) IS
    'Asks a run to do something, commits, and waits for the result';

-- update_result: the result of an update that was sent before
--   update_id  as it was sent
--   wait       how long to wait for it
-- Raises OW010 while there is none, OW042 when it was rejected, OW043 when it failed, OW044 when there is no such update:
-- a run that has closed knows those that it has accepted.
CREATE FUNCTION workflow.update_result(workflow_id text, update_id text, wait interval DEFAULT '0') RETURNS jsonb
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_update_result';
COMMENT ON FUNCTION workflow.update_result(text, text, interval) IS 'The result of an update';

CREATE FUNCTION workflow.update_result(run_id uuid, update_id text, wait interval DEFAULT '0') RETURNS jsonb
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_update_result';
COMMENT ON FUNCTION workflow.update_result(uuid, text, interval) IS 'The result of an update';

-- hold_open: keeps a run from closing before the transaction ends; false when it has closed
CREATE FUNCTION workflow.hold_open(run_id uuid) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_hold_open';
COMMENT ON FUNCTION workflow.hold_open(uuid) IS 'Keeps a run open until the transaction ends';

-- update_with_start: updates the open run of a workflow id; if there is none, starts one first
--   workflow, workflow_id, input, version, …  as of start; without effect when a run is open
--   name, args, wait, update_id               as of update.  The update counts once, started or not, open or closed
-- Gives the run id and the result.  When the update fails, nothing is started.
-- Raises what start and update raise; both privileges are needed.
CREATE FUNCTION workflow.update_with_start(
    workflow text, workflow_id text, name text, args jsonb DEFAULT NULL, input jsonb DEFAULT '{}',
    wait interval DEFAULT '10s', update_id text DEFAULT NULL, version int DEFAULT NULL,
    id_reuse_policy text DEFAULT 'AllowDuplicate', execution_timeout interval DEFAULT NULL, memo jsonb DEFAULT NULL,
    run_timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL, priority int DEFAULT NULL,
    search_attributes jsonb DEFAULT NULL,
    OUT run_id uuid, OUT result jsonb)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF workflow_id IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'workflow_id must not be null';
    END IF;
    LOOP
        run_id := workflow.start(workflow, input, workflow_id, version, id_reuse_policy, 'UseExisting', NULL,
                                 execution_timeout, memo, update_id, NULL, run_timeout, retry, priority, search_attributes);
        EXIT WHEN workflow.hold_open(run_id);
        -- It has just closed; or it is the one that this very update started once.
        EXIT WHEN update_id IS NOT NULL
            AND EXISTS (SELECT FROM workflow.get_execution(run_id) e WHERE e.request_id = update_with_start.update_id);
    END LOOP;
    result := workflow.update(run_id, name, args, wait, update_id);
END
$$;
COMMENT ON FUNCTION workflow.update_with_start(
    text, text, text, jsonb, jsonb, interval, text, int, text, interval, jsonb, interval, jsonb, int, jsonb) IS
    'Updates a run, which is started if need be; gives its run id and the result';
