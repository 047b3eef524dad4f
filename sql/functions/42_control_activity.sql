-- Requests to activities that runs are at: each concerns all attempts of it that are pending in the run, those of
-- branches and compensations too, and is a message, as those of 40_control.sql.
--   activity  its name, or that of a state that calls it (or whose work it compensates)
--
-- All raise OW005, OW009 and insufficient_privilege as those do; undefined_object when the definition has no such
-- activity or state; OW012 when nothing of it is pending.

-- pause_activity: it is not taken from its queue, makes no further attempt, and its timeouts stand still; the run's
-- timeout goes on.  Who is at it may go on, and his result counts; workflow.heartbeat() tells him.  Nothing happens to
-- one that is paused already.
--   reason  for the history and workflow.pending_activities
CREATE FUNCTION workflow.pause_activity(workflow_id text, activity text, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_pause_activity';
COMMENT ON FUNCTION workflow.pause_activity(text, text, text) IS
    'Pauses an activity that a run is at, and its timeouts';

CREATE FUNCTION workflow.pause_activity(run_id uuid, activity text, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_pause_activity';
COMMENT ON FUNCTION workflow.pause_activity(uuid, text, text) IS
    'Pauses an activity that a run is at, and its timeouts';

-- resume_activity: its timeouts go on with what was left; one that waits for its next attempt makes it at once,
-- and one that waits for its circuit breaker asks it again
CREATE FUNCTION workflow.resume_activity(workflow_id text, activity text) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_resume_activity';
COMMENT ON FUNCTION workflow.resume_activity(text, text) IS 'Lets a paused activity go on';

CREATE FUNCTION workflow.resume_activity(run_id uuid, activity text) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_resume_activity';
COMMENT ON FUNCTION workflow.resume_activity(uuid, text) IS 'Lets a paused activity go on';

-- reset_activity: attempts count from 1 again, timeouts begin anew, and the next attempt is made at once if none is
-- under way, if the activity's circuit breaker allows; an attempt that somebody is at goes on, and the count starts
-- anew with the next
--   keep_paused      of a paused one; else it is resumed
--   reset_heartbeat  forgets what the last heartbeat told
CREATE FUNCTION workflow.reset_activity(
    workflow_id text, activity text, keep_paused boolean DEFAULT false, reset_heartbeat boolean DEFAULT false) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_reset_activity';
COMMENT ON FUNCTION workflow.reset_activity(text, text, boolean, boolean) IS
    'Counts the attempts of an activity from 1 again';

CREATE FUNCTION workflow.reset_activity(
    run_id uuid, activity text, keep_paused boolean DEFAULT false, reset_heartbeat boolean DEFAULT false) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_reset_activity';
COMMENT ON FUNCTION workflow.reset_activity(uuid, text, boolean, boolean) IS
    'Counts the attempts of an activity from 1 again';

-- update_activity_options: what it is called with from now on, until its state is left
--   options  fields of a Task: timeouts, Retry, TaskQueue, Priority, …; those given replace, null removes
-- A timeout of an attempt that is under way counts from when it was started.  When the next attempt is due is not
-- changed.
CREATE FUNCTION workflow.update_activity_options(workflow_id text, activity text, options jsonb) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_update_activity_options';
COMMENT ON FUNCTION workflow.update_activity_options(text, text, jsonb) IS
    'Changes timeouts, retries, queue or priority of an activity that a run is at';

CREATE FUNCTION workflow.update_activity_options(run_id uuid, activity text, options jsonb) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_update_activity_options';
COMMENT ON FUNCTION workflow.update_activity_options(uuid, text, jsonb) IS
    'Changes timeouts, retries, queue or priority of an activity that a run is at';
