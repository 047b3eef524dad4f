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
