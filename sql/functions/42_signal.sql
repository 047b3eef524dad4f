-- Signals: what a run is told from outside, for its Await states.

-- signal: tells a run something.  It is kept in the order of arrival until an Await state consumes it
--   workflow_id  its open run; the other form takes a run id
--   signal       a name that "Signals" of the run's definition declares
--   payload      of the type declared there
--   request_id   the same one counts once for a workflow id, until its runs are over
-- Raises OW005 when there is no such run, OW009 when it has closed, OW014 for a signal that is not declared, OW013 for
-- a payload of another type, insufficient_privilege without "signal" on the workflow.
CREATE FUNCTION workflow.signal(workflow_id text, signal text, payload jsonb DEFAULT NULL, request_id text DEFAULT NULL)
    RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_signal';
COMMENT ON FUNCTION workflow.signal(text, text, jsonb, text) IS 'Sends a signal to a run';

CREATE FUNCTION workflow.signal(run_id uuid, signal text, payload jsonb DEFAULT NULL, request_id text DEFAULT NULL)
    RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_signal';
COMMENT ON FUNCTION workflow.signal(uuid, text, jsonb, text) IS 'Sends a signal to a run';

-- signal_open: as signal, to a run that cannot close before the transaction ends; false when it has closed
CREATE FUNCTION workflow.signal_open(run_id uuid, signal text, payload jsonb, request_id text) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_signal_open';
COMMENT ON FUNCTION workflow.signal_open(uuid, text, jsonb, text) IS 'Sends a signal to a run, if it is open';

-- signal_with_start: sends a signal to the open run of a workflow id; if there is none, starts one first
--   workflow, workflow_id, input, version, …  as of start; without effect when a run is open
--   signal, payload, request_id               as of signal.  The request counts once, started or not, open or closed
-- Returns the run id.
-- Raises what start and signal raise; both privileges are needed.
CREATE FUNCTION workflow.signal_with_start(
    workflow text, workflow_id text, signal text, payload jsonb DEFAULT NULL, input jsonb DEFAULT '{}',
    request_id text DEFAULT NULL, version int DEFAULT NULL, id_reuse_policy text DEFAULT 'AllowDuplicate',
    start_delay interval DEFAULT NULL, execution_timeout interval DEFAULT NULL, memo jsonb DEFAULT NULL,
    run_timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL, priority int DEFAULT NULL,
    search_attributes jsonb DEFAULT NULL)
    RETURNS uuid
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run_id   uuid;
    is_known boolean;
BEGIN
    IF workflow_id IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'workflow_id must not be null';
    END IF;
    LOOP
        run_id := workflow.start(workflow, input, workflow_id, version, id_reuse_policy, 'UseExisting', start_delay,
                                 execution_timeout, memo, request_id, run_timeout => run_timeout, retry => retry,
                                 priority => priority, search_attributes => search_attributes);
        EXIT WHEN workflow.signal_open(run_id, signal, payload, request_id);
        -- It has just closed; or it is the one that this very request started once.
        is_known := request_id IS NOT NULL
            AND EXISTS (SELECT FROM workflow.get_execution(run_id) e WHERE e.request_id = signal_with_start.request_id);
        EXIT WHEN is_known;
    END LOOP;
    RETURN run_id;
END
$$;
COMMENT ON FUNCTION workflow.signal_with_start(
    text, text, text, jsonb, jsonb, text, int, text, interval, interval, jsonb, interval, jsonb, int, jsonb) IS
    'Sends a signal to a run, which is started if need be; gives its run id';
