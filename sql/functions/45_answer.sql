-- Answers to task tokens.
--
-- A Task whose Resource ends in .waitForTaskToken calls its activity with $$.Task.Token in the input, and then waits
-- until somebody answers with that token: a bank, days later, by way of any session.  Tasks of programs outside have
-- a token as well (46_poll.sql).  Each attempt has a token of its own, which nobody can guess; whoever has it may
-- answer, once.  The run goes on in the session that answers, until it comes to something that its owner has to run.

-- complete_activity: the attempt's result
--   result  NULL is JSON's null
-- Returns false, with a notice, when nothing waits for it any more; nothing is changed then.
CREATE FUNCTION workflow.complete_activity(task_token uuid, result jsonb DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_complete_activity';
COMMENT ON FUNCTION workflow.complete_activity(uuid, jsonb) IS 'Completes the attempt that has this task token';

-- fail_activity: the attempt has failed
--   error             the name that Retry and Catch match
--   message           the cause, for people
--   non_retryable     whatever Retry says, there is no further attempt
--   next_retry_delay  in place of what Retry says
CREATE FUNCTION workflow.fail_activity(
    task_token uuid, error text, message text DEFAULT NULL, details jsonb DEFAULT NULL,
    non_retryable boolean DEFAULT false, next_retry_delay interval DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_fail_activity';
COMMENT ON FUNCTION workflow.fail_activity(uuid, text, text, jsonb, boolean, interval) IS
    'Fails the attempt that has this task token';

-- cancel_activity: whoever works on the task gives it up: it fails as OW.Canceled, and is not retried
CREATE FUNCTION workflow.cancel_activity(task_token uuid, details jsonb DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_cancel_activity';
COMMENT ON FUNCTION workflow.cancel_activity(uuid, jsonb) IS 'Gives up the attempt that has this task token';

-- complete_activities, fail_activities, cancel_activities: many at a time
--   results, errors, messages, details, non_retryable, next_retry_delays
--            as many as tokens, or NULL; an element is what the function for one takes
-- Returns for each token what the function for one would.
-- Raises array_subscript_error when the numbers differ.
CREATE FUNCTION workflow.complete_activities(task_tokens uuid[], results jsonb[] DEFAULT NULL) RETURNS boolean[]
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_complete_activities';
COMMENT ON FUNCTION workflow.complete_activities(uuid[], jsonb[]) IS
    'Completes the attempts that have these task tokens';

CREATE FUNCTION workflow.fail_activities(
    task_tokens uuid[], errors text[], messages text[] DEFAULT NULL, details jsonb[] DEFAULT NULL,
    non_retryable boolean[] DEFAULT NULL, next_retry_delays interval[] DEFAULT NULL) RETURNS boolean[]
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_fail_activities';
COMMENT ON FUNCTION workflow.fail_activities(uuid[], text[], text[], jsonb[], boolean[], interval[]) IS
    'Fails the attempts that have these task tokens';

CREATE FUNCTION workflow.cancel_activities(task_tokens uuid[], details jsonb[] DEFAULT NULL) RETURNS boolean[]
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_cancel_activities';
COMMENT ON FUNCTION workflow.cancel_activities(uuid[], jsonb[]) IS 'Gives up the attempts that have these task tokens';

-- heartbeat: the attempt goes on; the next is due after another HeartbeatSeconds
--   details  of a task of a program outside, given to the next attempt if this one fails (NULL: those of the
--            heartbeat before); else for the history
--   ok                false: the attempt is over (answered, timed out, or its run was canceled): stop working on it
--   cancel_requested  the workflow is to be canceled; of a token that was given away only, as other tasks end with
--                     the cancel
--   paused            an operator has paused the activity: nothing is lost by going on, nor by giving up and failing,
--                     as there is no further attempt until it is resumed
CREATE FUNCTION workflow.heartbeat(
    task_token uuid, details jsonb DEFAULT NULL,
    OUT ok boolean, OUT cancel_requested boolean, OUT paused boolean) RETURNS record
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_heartbeat';
COMMENT ON FUNCTION workflow.heartbeat(uuid, jsonb) IS 'Tells that the attempt that has this task token goes on';

-- heartbeats: many at a time, a row for each token, in their order
--   details  as many as tokens, or NULL; an element is what heartbeat takes
-- Raises array_subscript_error when the numbers differ.
CREATE FUNCTION workflow.heartbeats(task_tokens uuid[], details jsonb[] DEFAULT NULL)
    RETURNS TABLE (task_token uuid, ok boolean, cancel_requested boolean, paused boolean)
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_heartbeats';
COMMENT ON FUNCTION workflow.heartbeats(uuid[], jsonb[]) IS 'Tells that the attempts that have these task tokens go on';
