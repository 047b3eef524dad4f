-- Tasks of programs outside: taking them from task queues.
--
-- A worker is any program with a connection.  It takes tasks with poll_activity, tells of long ones with
-- heartbeat, and answers with complete_activity or fail_activity (45_answer.sql), each in a transaction of its own.
-- A task that is not answered within its timeouts is handed out again as Retry says, with another token; the
-- answer of the one before is then refused.  So an activity may be done more than once: idempotency_key is the same
-- for all attempts.

-- poll_activity: takes up to max_tasks tasks, by priority (the lower, the sooner), then by age
--   worker      a name for views
--   wait        how long to wait for a task if there is none; holds the snapshot of the calling statement all the
--               while, which keeps vacuum from its work: wait for seconds, or use wait_for_activity
--   activities  only tasks of these; NULL: of any
--   version     of the worker's program, for the view workers
-- Gives those of runs whose owner the caller is, or is a member of, and what grant_worker grants; nothing when
-- there are none.
--   heartbeat_timeout  how long the worker may be silent; NULL: as long as it likes
--   heartbeat_details  of the last heartbeat of an earlier attempt
--   deadline           when the attempt is over at the latest; NULL: heartbeats keep it alive
--   compensates        {state, input, result, idempotency_key} of the work that this one undoes
--   fairness_key       of the task: what to pause when somebody has had too much (47_flow.sql)
--   headers            {"traceparent": …}: W3C Trace Context, for the requests that the worker makes; the trace is the
--                      run's, the span this attempt's
-- Raises OW301 on a copy of another database, until workflow.resume_engine(); object_not_in_prerequisite_state for a
-- wait inside an activity or a REPEATABLE READ or SERIALIZABLE transaction; OW304 when the worker is to end:
-- see drain_worker.
CREATE FUNCTION workflow.poll_activity(
    task_queue text, worker text, max_tasks int DEFAULT 1, wait interval DEFAULT '0', activities text[] DEFAULT NULL,
    version text DEFAULT NULL)
    RETURNS TABLE (
        task_token uuid, workflow_id text, run_id uuid, activity text, attempt int, input jsonb,
        heartbeat_timeout interval, heartbeat_details jsonb, last_failure jsonb, scheduled_at timestamptz,
        deadline timestamptz, idempotency_key text, compensates jsonb, fairness_key text, headers jsonb)
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_poll_activity';
COMMENT ON FUNCTION workflow.poll_activity(text, text, int, interval, text[], text) IS 'Takes tasks from a task queue';

-- wait_for_activity: waits until poll_activity would find a task; commits first, and holds nothing while it waits
--   activities  as of poll_activity
--   worker      its name: it is seen to be there meanwhile, and gets OW304 at once when it is to be drained
--   available   OUT: false after the timeout; another worker may be faster even if it is true
-- Raises invalid_transaction_termination in a transaction block or a function.
CREATE PROCEDURE workflow.wait_for_activity(task_queue text, timeout interval DEFAULT '30s',
    activities text[] DEFAULT NULL, worker text DEFAULT NULL, IN OUT available boolean DEFAULT NULL)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'ow_wait_for_activity';
COMMENT ON PROCEDURE workflow.wait_for_activity(text, interval, text[], text, boolean) IS
    'Commits, and waits until a task queue has a task';

-- complete_and_poll: complete_activities, then poll_activity, in one transaction and round trip
-- It does not wait: the results would not be seen until it has ended.  A worker that is draining gets a notice and
-- no tasks, so that its results are kept.
-- Tasks that these results lead to come first, if they are such as the poll would give: they are handed over without
-- going through the queue, unless something more urgent waits there, or something that has done so since before their
-- run began.  Now and then one of a long run goes through the queue all the same.
CREATE FUNCTION workflow.complete_and_poll(
    task_tokens uuid[], results jsonb[], task_queue text, worker text, max_tasks int DEFAULT 1,
    activities text[] DEFAULT NULL, version text DEFAULT NULL)
    RETURNS TABLE (
        task_token uuid, workflow_id text, run_id uuid, activity text, attempt int, input jsonb,
        heartbeat_timeout interval, heartbeat_details jsonb, last_failure jsonb, scheduled_at timestamptz,
        deadline timestamptz, idempotency_key text, compensates jsonb, fairness_key text, headers jsonb)
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_complete_and_poll';
COMMENT ON FUNCTION workflow.complete_and_poll(uuid[], jsonb[], text, text, int, text[], text) IS
    'Completes attempts, and takes tasks from a task queue';

-- drain_worker: lets a worker end: it gets no more tasks, and is told so (OW304) when it asks for some, at once if it waits
--   worker      the name under which it polls
--   task_queue  NULL: all that it polls
--   drain       false: it gets tasks again
-- It finishes what it has taken: heartbeats and answers are taken as ever.  Another worker that comes by the same name
-- gets nothing either, until drain => false.  For members of the worker's role, of an owner whose tasks in that
-- queue it may take, and superusers.  Returns of how many queues.
-- Raises undefined_object when there is no such worker.
CREATE FUNCTION workflow.drain_worker(worker text, task_queue text DEFAULT NULL, drain boolean DEFAULT true) RETURNS int
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_drain_worker';
COMMENT ON FUNCTION workflow.drain_worker(text, text, boolean) IS
    'Gives a worker outside no more tasks, so that it finishes what it has, and ends; or tasks again';
