-- Tasks of programs outside: how many of them are taken, how fast, and whose come first.
--
-- All of it is per task queue and owner: whoever owns the runs governs their tasks, and nobody else's in a queue of the
-- same name.  Tasks with a FairnessKey share workers by weight, also without any setting.

-- set_task_queue: replaces the limits of a task queue; NULL: none
--   rate_limit         tasks taken per second; what a second allows may be taken at once
--   max_in_flight      tasks taken and not yet answered or timed out
--   key_rate_limit, key_max_in_flight  the same of each fairness key that has no setting of its own
--   owner              of the runs; NULL: the current user
-- Raises insufficient_privilege for others than members of the owner, invalid_parameter_value for a limit that is not
-- positive.
CREATE FUNCTION workflow.set_task_queue(
    task_queue text, rate_limit float8 DEFAULT NULL, max_in_flight int DEFAULT NULL,
    key_rate_limit float8 DEFAULT NULL, key_max_in_flight int DEFAULT NULL, owner regrole DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_set_task_queue';
COMMENT ON FUNCTION workflow.set_task_queue(text, float8, int, float8, int, regrole) IS
    'Limits how many tasks are taken from a task queue, and how fast';

-- set_fairness_key: replaces the settings of one fairness key; with weight 1 and no limits it is as any other
--   weight  its share: with 2 it gets two tasks where others get one
-- Raises what set_task_queue does.
CREATE FUNCTION workflow.set_fairness_key(
    task_queue text, fairness_key text, weight float8 DEFAULT 1, rate_limit float8 DEFAULT NULL,
    max_in_flight int DEFAULT NULL, owner regrole DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_set_fairness_key';
COMMENT ON FUNCTION workflow.set_fairness_key(text, text, float8, float8, int, regrole) IS
    'Weights and limits one fairness key of a task queue';

-- pause_task_queue: has no more tasks taken until then; what has been taken goes on, and so do timeouts
--   fairness_key  only tasks of this key; NULL: all
--   reason        for views
--   owner         of the runs; NULL: who has granted the caller tasks of the queue, or else the caller
-- Members of the owner may, and workers that may take its tasks (grant_worker).  Raises ambiguous_parameter when a
-- worker may take tasks of several owners and names none, insufficient_privilege for others.
CREATE FUNCTION workflow.pause_task_queue(
    task_queue text, until timestamptz DEFAULT 'infinity', fairness_key text DEFAULT NULL, reason text DEFAULT NULL,
    owner regrole DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_pause_task_queue';
COMMENT ON FUNCTION workflow.pause_task_queue(text, timestamptz, text, text, regrole) IS
    'Has no more tasks taken from a task queue, or of one of its fairness keys, for a time';

-- resume_task_queue: ends a pause; of a queue it leaves those of single keys as they are
-- Raises what pause_task_queue does.
CREATE FUNCTION workflow.resume_task_queue(
    task_queue text, fairness_key text DEFAULT NULL, owner regrole DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_resume_task_queue';
COMMENT ON FUNCTION workflow.resume_task_queue(text, text, regrole) IS
    'Ends a pause of a task queue, or of one of its fairness keys';
