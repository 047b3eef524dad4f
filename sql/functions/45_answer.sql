-- Answers to task tokens.
--
-- A Task whose Resource ends in .waitForTaskToken calls its activity with $$.Task.Token in the input, and then waits
-- until somebody answers with that token: a bank, days later, by way of any session.  Each attempt has a token of its
-- own, which nobody can guess; whoever has it may answer, once.

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

-- heartbeat: the attempt goes on; the next is due after another HeartbeatSeconds
--   details  for the history
--   ok                nothing waits for it any more when false: stop working on it
--   cancel_requested  the workflow is to be canceled
CREATE FUNCTION workflow.heartbeat(
    task_token uuid, details jsonb DEFAULT NULL,
    OUT ok boolean, OUT cancel_requested boolean, OUT paused boolean) RETURNS record
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_heartbeat';
COMMENT ON FUNCTION workflow.heartbeat(uuid, jsonb) IS 'Tells that the attempt that has this task token goes on';
