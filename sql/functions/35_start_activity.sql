-- Jobs: one activity, without a workflow of one's own.

-- start_activity: starts a run that is nothing but this activity
--   activity     of the caller, or granted to him: the run executes as the role that starts it
--   input        what the activity is called with
--   workflow_id  as of start, and so are those after options
--   options      fields of a Task that say how it is run: Retry, timeouts, TaskQueue, Priority …  What they leave
--                open the activity's registration says; without Retry in either, a failure is final.
--                SearchAttributes, as at the top of a definition, declares what the runs are found by, and
--                Redact what is hidden from logs and reports.
--                Each different options are kept as a version of the workflow "activity:NAME" (of a role that does
--                not own the activity, "activity@ROLE:NAME"), at most 1000: what differs from job to job belongs
--                into the input.
-- Returns the run id.  The run is one as any other: views, cancel, wait; its result is the activity's.
-- Raises OW003 for an unknown activity, insufficient_privilege for somebody else's, invalid_parameter_value for bad
-- options (all in the detail), program_limit_exceeded for too many different ones, and what start raises.
CREATE FUNCTION workflow.start_activity(activity text, input jsonb DEFAULT '{}', workflow_id text DEFAULT NULL,
                                        options jsonb DEFAULT '{}', id_reuse_policy text DEFAULT 'AllowDuplicate',
                                        id_conflict_policy text DEFAULT 'Fail', start_delay interval DEFAULT NULL,
                                        execution_timeout interval DEFAULT NULL, memo jsonb DEFAULT NULL,
                                        request_id text DEFAULT NULL, traceparent text DEFAULT NULL,
                                        run_timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL,
                                        priority int DEFAULT NULL, search_attributes jsonb DEFAULT NULL) RETURNS uuid
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_start_activity';
COMMENT ON FUNCTION workflow.start_activity(text, jsonb, text, jsonb, text, text, interval, interval, jsonb, text, text,
                                             interval, jsonb, int, jsonb) IS
    'Starts a run of one activity; gives its run id';

-- start_activities: starts a run of the activity for each input, as start_many does of a workflow
CREATE FUNCTION workflow.start_activities(activity text, inputs jsonb[], workflow_ids text[] DEFAULT NULL,
                                          options jsonb DEFAULT '{}', execution_timeout interval DEFAULT NULL,
                                          run_timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL,
                                          priority int DEFAULT NULL, search_attributes jsonb DEFAULT NULL)
    RETURNS SETOF uuid
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_start_activities';
COMMENT ON FUNCTION workflow.start_activities(text, jsonb[], text[], jsonb, interval, interval, jsonb, int, jsonb) IS
    'Starts many runs of one activity; gives their run ids';
