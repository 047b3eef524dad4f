-- Requests to runs.  Each is a message that the run takes in with its next transition; none waits for that.
--
-- A workflow id means its open run, else its latest; the overloads take a run id.  All raise OW005 when there
-- is no run that the caller may see, OW009 when it has closed, insufficient_privilege without "cancel" on
-- the workflow.

-- cancel: asks a run to end, after its compensations or by way of OnCancel
--   reason  for the history
CREATE FUNCTION workflow.cancel(workflow_id text, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_cancel';
COMMENT ON FUNCTION workflow.cancel(text, text) IS
    'Asks a run to end, with its compensations';

CREATE FUNCTION workflow.cancel(run_id uuid, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_cancel';
COMMENT ON FUNCTION workflow.cancel(uuid, text) IS
    'Asks a run to end, with its compensations';

-- terminate: ends a run at once, without compensations or handlers
--   reason  for the history
CREATE FUNCTION workflow.terminate(workflow_id text, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_terminate';
COMMENT ON FUNCTION workflow.terminate(text, text) IS
    'Ends a run at once, without compensations';

CREATE FUNCTION workflow.terminate(run_id uuid, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_terminate';
COMMENT ON FUNCTION workflow.terminate(uuid, text) IS
    'Ends a run at once, without compensations';

-- pause: holds a run.  It enters no state and begins no attempt, nor does a compensation run, until it is resumed.
-- Attempts that are under way end, and their answers are stored, as are signals.  Its timers and its timeout go on: what
-- fell due meanwhile is done when it is resumed.  A cancel takes effect then; a terminate at once.  Pausing a run that
-- is paused changes nothing
--   reason  for the history, and for who looks at the run
CREATE FUNCTION workflow.pause(workflow_id text, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_pause';
COMMENT ON FUNCTION workflow.pause(text, text) IS 'Holds a run until it is resumed';

CREATE FUNCTION workflow.pause(run_id uuid, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_pause';
COMMENT ON FUNCTION workflow.pause(uuid, text) IS 'Holds a run until it is resumed';

-- resume: lets a paused run go on.  Of a run that is not paused, nothing changes
--   reason  for the history
CREATE FUNCTION workflow.resume(workflow_id text, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_resume';
COMMENT ON FUNCTION workflow.resume(text, text) IS 'Lets a paused run go on';

CREATE FUNCTION workflow.resume(run_id uuid, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_resume';
COMMENT ON FUNCTION workflow.resume(uuid, text) IS 'Lets a paused run go on';

-- retry: lets a stuck run try again what it could not do
--   version  the version of its workflow to go on with; NULL: the one it has.  It must know the run's state
-- Raises OW012 when the run is not stuck, OW006 and OW003 about the version.
CREATE FUNCTION workflow.retry(workflow_id text, version int DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_retry';
COMMENT ON FUNCTION workflow.retry(text, int) IS
    'Lets a stuck run go on, on a repaired version perhaps';

CREATE FUNCTION workflow.retry(run_id uuid, version int DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_retry';
COMMENT ON FUNCTION workflow.retry(uuid, int) IS
    'Lets a stuck run go on, on a repaired version perhaps';

-- retry_compensation: runs the failed compensations of a run again; a closed run is opened for that
-- Raises OW012 when there is no failed compensation.
CREATE FUNCTION workflow.retry_compensation(workflow_id text) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_retry_compensation';
COMMENT ON FUNCTION workflow.retry_compensation(text) IS
    'Runs the failed compensations of a run again';

CREATE FUNCTION workflow.retry_compensation(run_id uuid) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_retry_compensation';
COMMENT ON FUNCTION workflow.retry_compensation(uuid) IS
    'Runs the failed compensations of a run again';
