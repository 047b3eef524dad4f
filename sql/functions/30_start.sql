-- Starting runs.  They begin when the transaction commits; rolled back, nothing was started.

-- start: starts a run
--   workflow            the name
--   input               $ of the first state
--   workflow_id         what the run is known by, at most 1000 bytes: unique among open runs.  NULL: the run id
--   version             NULL: the current one
--   id_reuse_policy     when the workflow id has closed runs: AllowDuplicate; AllowDuplicateFailedOnly, unless
--                       the latest completed; RejectDuplicate
--   id_conflict_policy  when the workflow id has an open run: Fail; UseExisting returns its run id; TerminateExisting
--                       terminates it, in this transaction.  That takes "cancel" on its workflow, waits for what the
--                       run is doing, and cannot be done in an activity or in REPEATABLE READ
--   start_delay         the run begins so much later
--   execution_timeout   the run must close so soon after it began; the sooner of this and TimeoutSeconds counts
--   run_timeout         each run of the workflow id must close so soon after it began, also one in the place of another
--                       (Retry, ContinueAsNew); execution_timeout is for all of them together
--   retry               when a run that failed or timed out is tried again: retriers, as the Retry of a state, or one
--                       of them, which may leave out ErrorEquals; instead of the definition's own Retry
--   priority            1 to 5, the lower the sooner, 3 if not given: of its tasks in queues whose definition and
--                       activity give none, and of the run among those that an executor drives together
--   search_attributes   {name: value}, as SearchAttributes of the definition declares them; over those that it takes from
--                       the input.  null: not there
--   memo                kept with the run, for people
--   request_id          the same one gives the same run, open or closed.  Starts with it queue up; it is known
--                       for a workflow id or, without one, for the workflow
--   traceparent         W3C Trace Context: the trace that the run belongs to, which its activities hand on, each
--                       attempt as a span of its own.  NULL: the run is a trace, whose id is the run id
-- Returns the run id.
-- Raises OW002 for an unknown workflow, OW006 for an unknown version, OW003 when activities are not
-- registered, OW004 when a policy forbids it, insufficient_privilege without "start" on the workflow,
-- invalid_parameter_value for bad options.
CREATE FUNCTION workflow.start(workflow text, input jsonb DEFAULT '{}', workflow_id text DEFAULT NULL,
                               version int DEFAULT NULL, id_reuse_policy text DEFAULT 'AllowDuplicate',
                               id_conflict_policy text DEFAULT 'Fail', start_delay interval DEFAULT NULL,
                               execution_timeout interval DEFAULT NULL, memo jsonb DEFAULT NULL,
                               request_id text DEFAULT NULL, traceparent text DEFAULT NULL,
                               run_timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL, priority int DEFAULT NULL,
                               search_attributes jsonb DEFAULT NULL)
    RETURNS uuid
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_start';
COMMENT ON FUNCTION workflow.start(text, jsonb, text, int, text, text, interval, interval, jsonb, text, text, interval, jsonb, int, jsonb) IS
    'Starts a run of a workflow; gives its run id';

-- start_many: starts a run of the current version for each input
--   inputs        one for each run
--   workflow_ids  as many, or NULL; a null element stands for the run id
--   version, execution_timeout, run_timeout, retry, priority, search_attributes  as of start, for each of them
-- Returns the run ids in the order of the inputs.  Starts all or none.
-- Raises what start raises; errors about one of them name its index, counted from 1.
CREATE FUNCTION workflow.start_many(workflow text, inputs jsonb[], workflow_ids text[] DEFAULT NULL, version int DEFAULT NULL,
                                    execution_timeout interval DEFAULT NULL, run_timeout interval DEFAULT NULL,
                                    retry jsonb DEFAULT NULL, priority int DEFAULT NULL, search_attributes jsonb DEFAULT NULL)
    RETURNS SETOF uuid
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_start_many';
COMMENT ON FUNCTION workflow.start_many(text, jsonb[], text[], int, interval, interval, jsonb, int, jsonb) IS 'Starts many runs of a workflow; gives their run ids';

-- upsert_search_attributes: changes search attributes of an open run, when that takes it in
--   search_attributes  {name: value}; null removes one, and those that are not named stay
-- Raises OW005 when there is no such run, OW009 when it has closed, invalid_parameter_value for one that is not declared,
-- OW013 for a value of another type, insufficient_privilege without "signal" on the workflow.
CREATE FUNCTION workflow.upsert_search_attributes(workflow_id text, search_attributes jsonb) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_upsert_search_attributes';
COMMENT ON FUNCTION workflow.upsert_search_attributes(text, jsonb) IS 'Changes search attributes of a run';

CREATE FUNCTION workflow.upsert_search_attributes(run_id uuid, search_attributes jsonb) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_upsert_search_attributes';
COMMENT ON FUNCTION workflow.upsert_search_attributes(uuid, jsonb) IS 'Changes search attributes of a run';
