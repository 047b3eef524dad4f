-- Answers of those who know the order, but not the task token: the bank reports days later, by way of any session.
--
-- The attempt is named by its workflow id, whose open run is meant, and by the activity or the state that it is of:
-- one that a worker has taken, or whose token was given away (.waitForTaskToken), compensations included.  Otherwise
-- as the functions of the same name that take a token (45_answer.sql), which is safer: an answer that comes late goes
-- to the next attempt here, and where branches of a Map are at the activity one after the other, to whichever is.
--
-- The token is a right to answer, a name is not: the caller must have the rights of the run's owner or, of a task in a
-- task queue, his grant of that queue (grant_worker).
--
-- Return false, with a notice, when no such attempt waits for an answer, and while nobody has taken it from its queue.
-- Raise cardinality_violation when several do, in branches; insufficient_privilege to those who may see the run only.

-- complete_activity_by_id: the attempt's result
--   activity  its name, or that of the state; of a compensation, the state whose work it undoes
CREATE FUNCTION workflow.complete_activity_by_id(workflow_id text, activity text, result jsonb DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_complete_activity_by_id';
COMMENT ON FUNCTION workflow.complete_activity_by_id(text, text, jsonb) IS
    'Completes the attempt at this activity of a workflow id''s open run';

CREATE FUNCTION workflow.fail_activity_by_id(
    workflow_id text, activity text, error text, message text DEFAULT NULL, details jsonb DEFAULT NULL,
    non_retryable boolean DEFAULT false, next_retry_delay interval DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_fail_activity_by_id';
COMMENT ON FUNCTION workflow.fail_activity_by_id(text, text, text, text, jsonb, boolean, interval) IS
    'Fails the attempt at this activity of a workflow id''s open run';

CREATE FUNCTION workflow.cancel_activity_by_id(workflow_id text, activity text, details jsonb DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_cancel_activity_by_id';
COMMENT ON FUNCTION workflow.cancel_activity_by_id(text, text, jsonb) IS
    'Gives up the attempt at this activity of a workflow id''s open run';

CREATE FUNCTION workflow.heartbeat_by_id(
    workflow_id text, activity text, details jsonb DEFAULT NULL,
    OUT ok boolean, OUT cancel_requested boolean, OUT paused boolean) RETURNS record
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_heartbeat_by_id';
COMMENT ON FUNCTION workflow.heartbeat_by_id(text, text, jsonb) IS
    'Tells that the attempt at this activity of a workflow id''s open run goes on';
