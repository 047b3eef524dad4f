-- Runs and their history.
--
-- The views are for looking around: "WHERE workflow_id = …" reads all open runs and probes all closed ones.
-- The functions below go straight to one run.

CREATE VIEW workflow.executions WITH (security_invoker) AS
SELECT workflow_id, run_id, workflow, version, status, state,
       input,
       NULL::jsonb AS output,
       error->>'Error' AS error,
       error->>'Cause' AS cause,
       NULL::jsonb AS public_error,
       started_at,
       NULL::timestamptz AS closed_at,
       run_attempt AS attempt, owner, started_by, memo, deadline, due_at, stuck, cancel_requested, request_id, root_run_id,
       shard_key, traceparent, run_paused_at AS paused_at, run_paused_by AS paused_by, run_pause_reason AS pause_reason,
       NULL::uuid AS next_run_id, schedule,
       parent_workflow_id, parent_run_id, search_attributes
FROM workflow.readable_execution
UNION ALL
SELECT workflow_id, run_id, workflow, version, status, state,
       input, output, error, cause, public_error, started_at, closed_at,
       run_attempt, owner, started_by, memo, NULL, NULL, NULL, NULL, request_id, root_run_id, shard_key,
       traceparent, NULL, NULL, NULL, next_run_id, schedule, parent_workflow_id, parent_run_id, search_attributes
FROM workflow.readable_closed_execution;
COMMENT ON VIEW workflow.executions IS 'Runs, open and closed';
COMMENT ON COLUMN workflow.executions.workflow_id IS
    'As given to workflow.start, or made by it; one run of an id is open at a time';
COMMENT ON COLUMN workflow.executions.run_id IS 'Of this run alone; later runs have greater ones';
COMMENT ON COLUMN workflow.executions.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.executions.version IS 'Of the definition that the run follows';
COMMENT ON COLUMN workflow.executions.status IS
    'Running, Paused or Stuck; of closed runs Completed, Failed, Canceled, Terminated or TimedOut';
COMMENT ON COLUMN workflow.executions.state IS 'The state an open run is in, or a closed one ended in';
COMMENT ON COLUMN workflow.executions.input IS 'As given to workflow.start';
COMMENT ON COLUMN workflow.executions.output IS 'Of a run that completed';
COMMENT ON COLUMN workflow.executions.error IS 'Why it failed; of an open run, the failure it handles (OnError)';
COMMENT ON COLUMN workflow.executions.cause IS 'Internal, as error: who only started the run may see public_error';
COMMENT ON COLUMN workflow.executions.public_error IS 'What customers may be told: {Code, Message}';
COMMENT ON COLUMN workflow.executions.started_at IS 'When workflow.start was called';
COMMENT ON COLUMN workflow.executions.closed_at IS 'When it ended; NULL while it is open';
COMMENT ON COLUMN workflow.executions.attempt IS 'Counts from 1 the runs that follow one that failed: see Retry of a definition';
COMMENT ON COLUMN workflow.executions.owner IS 'The role that it runs as: the owner of the workflow';
COMMENT ON COLUMN workflow.executions.started_by IS 'The role that started it';
COMMENT ON COLUMN workflow.executions.memo IS 'As given to workflow.start';
COMMENT ON COLUMN workflow.executions.deadline IS 'When an open run times out';
COMMENT ON COLUMN workflow.executions.due_at IS 'When a waiting run goes on: Wait state, back-off, delayed start';
COMMENT ON COLUMN workflow.executions.stuck IS 'Why a Stuck run waits for somebody to mend it and call workflow.retry';
COMMENT ON COLUMN workflow.executions.cancel_requested IS
    'Whether an open run is to be canceled when it gets to its next state';
COMMENT ON COLUMN workflow.executions.request_id IS 'As given to workflow.start';
COMMENT ON COLUMN workflow.executions.root_run_id IS 'First run of a line of retries and resets: itself, mostly';
COMMENT ON COLUMN workflow.executions.next_run_id IS 'The run that goes on in its place: it was continued as new, or is tried again';
COMMENT ON COLUMN workflow.executions.traceparent IS
    'W3C Trace Context: as given to workflow.start; else the run''s own trace, whose id is the run id';
COMMENT ON COLUMN workflow.executions.paused_at IS 'When the run was paused; NULL: it is not';
COMMENT ON COLUMN workflow.executions.paused_by IS 'The role that paused it';
COMMENT ON COLUMN workflow.executions.pause_reason IS 'As given to workflow.pause';
COMMENT ON COLUMN workflow.executions.schedule IS 'Of the schedule that started it: {Name, ScheduledTime}';
COMMENT ON COLUMN workflow.executions.parent_workflow_id IS 'Of a child: whose Task started it';
COMMENT ON COLUMN workflow.executions.parent_run_id IS 'The run that did; another may have continued it since';
COMMENT ON COLUMN workflow.executions.search_attributes IS 'Those it has: {name: value}; to find runs by them, see workflow.search_attributes';
COMMENT ON COLUMN workflow.executions.shard_key IS 'workflow.shard_key(workflow_id), by which the tables are indexed';

-- A run that no transition has touched has no batch yet, but it has been started.  Tokens of tasks in queues are not
-- answered with as they are stored: pending_activities shows what is.
CREATE VIEW workflow.history WITH (security_invoker) AS
SELECT h.workflow_id, h.run_id,
       h.first_event_id + e.n::int - 1 AS event_id,
       e.event_time, e.event_type, e.state, nullif(e.branch, 0) AS branch_id,
       CASE e.event_type WHEN 'ActivityTaskQueued' THEN e.attributes - 'task_token' ELSE e.attributes END AS attributes,
       h.shard_key
FROM workflow.readable_history_batch h
CROSS JOIN LATERAL unnest(h.event_times, h.event_types, h.states, h.branches, h.attributes) WITH ORDINALITY
    AS e (event_time, event_type, state, branch, attributes, n)
UNION ALL
SELECT workflow_id, run_id, 1, started_at, 'WorkflowExecutionStarted', NULL, NULL,
       CASE WHEN NOT redacted THEN jsonb_build_object(
           'workflow', workflow, 'version', version, 'input', input) END,
       shard_key
FROM workflow.readable_execution
WHERE next_event_id = 1;
COMMENT ON VIEW workflow.history IS 'What happened in each run: event_id counts from 1 within the run';
COMMENT ON COLUMN workflow.history.workflow_id IS 'Of the run';
COMMENT ON COLUMN workflow.history.run_id IS 'The run';
COMMENT ON COLUMN workflow.history.event_id IS 'Counts from 1 within the run';
COMMENT ON COLUMN workflow.history.event_time IS 'When it happened';
COMMENT ON COLUMN workflow.history.event_type IS 'Temporal''s name of it: WorkflowExecutionStarted, TimerFired, …';
COMMENT ON COLUMN workflow.history.state IS 'The state it happened in; NULL for what concerns the run as a whole';
COMMENT ON COLUMN workflow.history.branch_id IS 'The branch of a Parallel, or iteration of a Map, that it is of; see workflow.branches';
COMMENT ON COLUMN workflow.history.attributes IS
    'What else is to be known of it, by type: inputs, results, errors, …';
COMMENT ON COLUMN workflow.history.shard_key IS 'workflow.shard_key(workflow_id), by which the tables are indexed';

CREATE VIEW workflow.children WITH (security_invoker) AS
SELECT e.parent_workflow_id, e.parent_run_id, e.workflow_id, e.run_id, e.workflow, e.version, e.status, e.state, e.started_at,
       e.closed_at, e.owner
FROM workflow.executions e
WHERE e.parent_workflow_id IS NOT NULL;
COMMENT ON VIEW workflow.children IS 'Runs that other runs have started, open and closed';
COMMENT ON COLUMN workflow.children.parent_workflow_id IS 'Whose Task started it';
COMMENT ON COLUMN workflow.children.parent_run_id IS 'The run that did; another may have continued it since';
COMMENT ON COLUMN workflow.children.workflow_id IS 'Of the child';
COMMENT ON COLUMN workflow.children.run_id IS 'Of the child';
COMMENT ON COLUMN workflow.children.workflow IS 'The name of the child''s workflow';
COMMENT ON COLUMN workflow.children.version IS 'Of the definition that the child follows';
COMMENT ON COLUMN workflow.children.status IS 'Of the child, as in workflow.executions';
COMMENT ON COLUMN workflow.children.state IS 'The state the child is in, or ended in';
COMMENT ON COLUMN workflow.children.started_at IS 'When the child was started';
COMMENT ON COLUMN workflow.children.closed_at IS 'When it ended; NULL while it is open';
COMMENT ON COLUMN workflow.children.owner IS 'The role that the child runs as';

CREATE VIEW workflow.search_attributes WITH (security_invoker) AS
SELECT workflow_id, run_id, workflow, name, type, keyword_value, text_value, int_value, double_value, bool_value, datetime_value,
       position, owner, shard_key
FROM workflow.readable_search_attribute;
COMMENT ON VIEW workflow.search_attributes IS 'Search attributes of runs, open and closed: what to find runs by';
COMMENT ON COLUMN workflow.search_attributes.workflow_id IS 'Of the run';
COMMENT ON COLUMN workflow.search_attributes.run_id IS 'The run';
COMMENT ON COLUMN workflow.search_attributes.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.search_attributes.name IS 'As the definition declares it';
COMMENT ON COLUMN workflow.search_attributes.type IS 'Keyword, KeywordList, Text, Int, Double, Bool or Datetime';
COMMENT ON COLUMN workflow.search_attributes.keyword_value IS 'Of a Keyword, or an element of a KeywordList; indexed with the name';
COMMENT ON COLUMN workflow.search_attributes.text_value IS 'Of a Text; not indexed';
COMMENT ON COLUMN workflow.search_attributes.int_value IS 'Of an Int; indexed with the name';
COMMENT ON COLUMN workflow.search_attributes.double_value IS 'Of a Double; indexed with the name';
COMMENT ON COLUMN workflow.search_attributes.bool_value IS 'Of a Bool; indexed with the name';
COMMENT ON COLUMN workflow.search_attributes.datetime_value IS 'Of a Datetime; indexed with the name';
COMMENT ON COLUMN workflow.search_attributes.position IS 'Of the element in a KeywordList, from 0';
COMMENT ON COLUMN workflow.search_attributes.owner IS 'The role that the run runs as';
COMMENT ON COLUMN workflow.search_attributes.shard_key IS 'workflow.shard_key(workflow_id), by which the tables are indexed';

-- shard_key: the hash of a workflow id, or what is embedded in a run id
CREATE FUNCTION workflow.shard_key(workflow_id text) RETURNS int
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'ow_shard_key_sql';
COMMENT ON FUNCTION workflow.shard_key(text) IS 'The key by which the rows of a workflow id are indexed';

CREATE FUNCTION workflow.shard_key(run_id uuid) RETURNS int
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'ow_run_id_shard_key_sql';
COMMENT ON FUNCTION workflow.shard_key(uuid) IS 'The key by which the rows of a run are indexed';

-- get_execution: the row of workflow.executions, by index
--   workflow_id  means its open run, else its latest
-- No row when there is no such run, or the current user may not read it.
CREATE FUNCTION workflow.get_execution(workflow_id text) RETURNS SETOF workflow.executions
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT * FROM workflow.executions e
    WHERE e.shard_key = workflow.shard_key(get_execution.workflow_id) AND e.workflow_id = get_execution.workflow_id
    ORDER BY e.closed_at IS NULL DESC, e.started_at DESC, e.run_id DESC
    LIMIT 1;
END;
COMMENT ON FUNCTION workflow.get_execution(text) IS 'The open run of a workflow id, else its latest';

CREATE FUNCTION workflow.get_execution(run_id uuid) RETURNS SETOF workflow.executions
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT * FROM workflow.executions e
    WHERE e.shard_key = workflow.shard_key(get_execution.run_id) AND e.run_id = get_execution.run_id;
END;
COMMENT ON FUNCTION workflow.get_execution(uuid) IS 'A run by its id';

-- get_history: the rows of workflow.history of the same run, in order
CREATE FUNCTION workflow.get_history(run_id uuid) RETURNS SETOF workflow.history
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 50
BEGIN ATOMIC
    SELECT * FROM workflow.history h
    WHERE h.shard_key = workflow.shard_key(get_history.run_id) AND h.run_id = get_history.run_id
    ORDER BY h.event_id;
END;
COMMENT ON FUNCTION workflow.get_history(uuid) IS 'The history of a run';

CREATE FUNCTION workflow.get_history(workflow_id text) RETURNS SETOF workflow.history
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 50
BEGIN ATOMIC
    SELECT h.*
    FROM workflow.get_execution(get_history.workflow_id) e
    CROSS JOIN LATERAL workflow.get_history(e.run_id) h
    ORDER BY h.event_id;
END;
COMMENT ON FUNCTION workflow.get_history(text) IS 'The history of a workflow id''s open run, else of its latest';
