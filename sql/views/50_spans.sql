-- What a run spent its time on: pieced together from its history, for traces, timelines and reports.

-- span_id: the span of an attempt, as its traceparent has it
--   idempotency_key  of the activity's call
CREATE FUNCTION workflow.span_id(run_id uuid, idempotency_key text, attempt int) RETURNS text
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'ow_span_id_sql';
COMMENT ON FUNCTION workflow.span_id(uuid, text, int) IS 'The W3C span id of an attempt';

-- key_name: a state's name as it stands in paths and idempotency keys
CREATE FUNCTION workflow.key_name(state text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN regexp_replace(state, '([:/\\])', '\\\1', 'g');
COMMENT ON FUNCTION workflow.key_name(text) IS 'A state''s name, as it stands in paths of branches';

-- run_branches: the branches of a run, by their history: what path they have, and how deep it is
-- In PL/pgSQL, which keeps its plan: run_spans calls it for each run.
CREATE FUNCTION workflow.run_branches(run_id uuid)
    RETURNS TABLE (branch_id int, parent int, item_index int, path text, depth int)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE history AS MATERIALIZED (
        SELECT h.event_id, h.event_type, h.state, coalesce(h.branch_id, 0) AS branch_id, h.attributes
        FROM workflow.get_history(run_branches.run_id) h
        WHERE h.event_type IN ('BranchStarted', 'StateEntered')
    ), started AS MATERIALIZED (
        SELECT b.branch_id, b.parent, b.item_index, b.state, count(v.event_id) AS visit
        FROM (SELECT h.event_id, h.branch_id, h.state, coalesce((h.attributes->>'parent')::int, 0) AS parent,
                     (h.attributes->>'index')::int AS item_index
              FROM history h WHERE h.event_type = 'BranchStarted') b
        LEFT JOIN history v ON v.event_type = 'StateEntered' AND v.branch_id = b.parent AND v.state = b.state
                           AND v.event_id < b.event_id
        GROUP BY b.branch_id, b.parent, b.item_index, b.state
    ), found AS (
        SELECT 0 AS branch_id, NULL::int AS parent, NULL::int AS item_index, NULL::text AS path, 0 AS depth
        UNION ALL
        SELECT s.branch_id, s.parent, s.item_index,
               concat(f.path || '/', workflow.key_name(s.state), ':', s.visit, ':', s.item_index), f.depth + 1
        FROM found f
        JOIN started s ON s.parent = f.branch_id
    )
    SELECT f.branch_id, f.parent, f.item_index, f.path, f.depth FROM found f;
END
$$;
COMMENT ON FUNCTION workflow.run_branches(uuid) IS 'The branches that a run has had; 0 is the run itself';

-- run_spans: what a run has spent its time on, in the order in which it began
--   kind       Execution; Activity, ChildWorkflow and Compensation, each attempt; State, each time that another state is entered
--   branch_id  0: the run itself
--   ended_at   null: it goes on
--   status     Running; of the Execution as in workflow.executions; Completed, Failed, TimedOut, Canceled, or Rejected:
--              the attempt was not made, as a circuit breaker was open
--   event_id   with which it began
--   attributes what the attempt has said of it (workflow.span_attributes)
--   events     of the Execution, what came from outside: [{at, name, attributes}]
CREATE FUNCTION workflow.run_spans(run_id uuid)
    RETURNS TABLE (event_id int, kind text, name text, span_id text, state text, branch_id int, depth int, activity text, attempt int,
                   compensation int, started_at timestamptz, ended_at timestamptz, status text, error text, cause text,
                   attributes jsonb, events jsonb)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 50
    SET jit = off
BEGIN ATOMIC
    WITH run AS MATERIALIZED (
        SELECT * FROM workflow.get_execution(run_spans.run_id)
    ), history AS MATERIALIZED (
        SELECT h.event_id, h.event_time, h.event_type, h.state, coalesce(h.branch_id, 0) AS branch_id, h.attributes,
               h.event_type IN ('ActivityTaskScheduled', 'StartChildWorkflowExecutionInitiated') AS is_task
        FROM workflow.get_history(run_spans.run_id) h
    ), begun AS (
        SELECT h.*, (h.attributes->>'compensation')::int AS compensation, coalesce((h.attributes->>'attempt')::int, 1) AS attempt,
               h.is_task AND (h.attributes ? 'reset' OR h.attributes ? 'compensation' OR h.attributes->>'attempt' <> '1') AS again,
               -- a state ends when its token enters another, an attempt when something is said of it
               lead(h.event_id) OVER w AS next_begun
        FROM history h
        WHERE h.event_type IN ('ActivityTaskScheduled', 'StartChildWorkflowExecutionInitiated', 'StateEntered')
        WINDOW w AS (PARTITION BY h.branch_id ORDER BY h.event_id)
    ), visited AS (
        SELECT b.*, sum((NOT b.again)::int) OVER (PARTITION BY b.branch_id, b.state ORDER BY b.event_id) AS visit
        FROM begun b
    ), ended AS (
        SELECT v.*, x.event_time AS ended_at, x.event_type AS ended_by, x.attributes AS ended_with
        FROM visited v
        LEFT JOIN LATERAL (
            SELECT h.event_time, h.event_type, h.attributes
            FROM history h
            WHERE h.branch_id = v.branch_id AND h.event_id > v.event_id AND h.event_id <= coalesce(v.next_begun, h.event_id)
              AND CASE WHEN v.is_task
                       THEN h.event_type IN ('ActivityTaskCompleted', 'ActivityTaskFailed', 'ActivityTaskTimedOut',
                                             'ActivityTaskCanceled')
                            OR (h.event_type = 'ActivityTaskRejected' AND NOT h.attributes ? 'retry_at')
                            OR (h.event_type LIKE '%ChildWorkflowExecution%'
                                AND h.event_type NOT IN ('ChildWorkflowExecutionStarted', 'StartChildWorkflowExecutionInitiated'))
                            OR h.event_id = v.next_begun
                       ELSE h.event_id = v.next_begun
                            OR h.event_type IN ('BranchFailed', 'BranchCanceled', 'StateCompleted', 'StateFailed') END
            ORDER BY h.event_id
            LIMIT 1) x ON true
    )
    SELECT 1, 'Execution', r.workflow, right(replace(r.run_id::text, '-', ''), 16), NULL, 0, 0, NULL, NULL, NULL,
           r.started_at, r.closed_at, r.status, r.error, r.cause, NULL::jsonb,
           (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('at', h.event_time, 'name', h.event_type, 'attributes', jsonb_build_object(
                       'workflow.signal', h.attributes->'signal', 'workflow.update', h.attributes->'update',
                       'workflow.update_id', h.attributes->'update_id', 'workflow.requested_by', h.attributes->'requested_by'))) ORDER BY h.event_id)
            FROM history h
            WHERE h.event_type IN ('WorkflowExecutionSignaled', 'WorkflowExecutionUpdateAccepted', 'WorkflowExecutionCancelRequested'))
    FROM run r
    UNION ALL
    SELECT e.event_id, k.kind, coalesce(e.attributes->>'activity', e.attributes->>'workflow', e.state),
           workflow.span_id(r.run_id, CASE k.kind
               WHEN 'State' THEN concat('event:', e.event_id)
               WHEN 'Compensation' THEN concat(c.undone, ':compensate')
               ELSE concat(r.root_run_id, ':', b.path || '/', workflow.key_name(e.state), ':', e.visit) END, e.attempt),
           e.state, e.branch_id, b.depth, e.attributes->>'activity', CASE WHEN e.is_task THEN e.attempt END, e.compensation,
           e.event_time, t.ended_at,
           CASE WHEN e.ended_by IN ('BranchFailed', 'StateFailed') THEN 'Failed'
                WHEN e.is_task AND e.ended_by LIKE 'ActivityTask%' AND e.ended_by <> 'ActivityTaskScheduled'
                    THEN substr(e.ended_by, length('ActivityTask') + 1)
                WHEN e.is_task AND e.ended_by = 'StartChildWorkflowExecutionFailed' THEN 'Failed'
                WHEN e.is_task AND e.ended_by LIKE 'ChildWorkflowExecution%' THEN substr(e.ended_by, length('ChildWorkflowExecution') + 1)
                WHEN t.ended_at IS NULL THEN 'Running'
                WHEN e.is_task OR e.ended_by = 'BranchCanceled' THEN 'Canceled'
                WHEN e.ended_by IS NULL AND e.branch_id = 0 AND e.state = r.state THEN r.status
                ELSE 'Completed' END,
           e.ended_with->>'error', e.ended_with->>'cause',
           nullif(coalesce(o.said, '{}') || coalesce(e.ended_with->'span_attributes', '{}'), '{}'),
           NULL
    FROM ended e
    CROSS JOIN run r
    JOIN workflow.run_branches(run_spans.run_id) b ON b.branch_id = e.branch_id
    CROSS JOIN LATERAL (SELECT CASE WHEN NOT e.is_task THEN 'State' WHEN e.compensation IS NOT NULL THEN 'Compensation'
                                    WHEN e.event_type = 'StartChildWorkflowExecutionInitiated' THEN 'ChildWorkflow'
                                    ELSE 'Activity' END AS kind) k
    LEFT JOIN LATERAL ( -- when its function handed the task token on, and somebody else answered
        SELECT h.attributes->'span_attributes' AS said
        FROM history h
        WHERE h.event_type = 'ActivityTaskStarted' AND h.branch_id = e.branch_id AND h.event_id > e.event_id
          AND h.event_id < coalesce(e.next_begun, h.event_id + 1)
        LIMIT 1) o ON e.is_task
    LEFT JOIN (SELECT n.sequence, n.compensates->>'idempotency_key' AS undone
               FROM workflow.readable_compensation n
               WHERE n.shard_key = workflow.shard_key(run_spans.run_id) AND n.run_id = run_spans.run_id) c ON c.sequence = e.compensation
    LEFT JOIN (SELECT n.branch_id
               FROM workflow.readable_branch n
               WHERE n.shard_key = workflow.shard_key(run_spans.run_id) AND n.run_id = run_spans.run_id AND n.state IS NOT NULL) g
           ON g.branch_id = e.branch_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN e.ended_at IS NOT NULL THEN e.ended_at
                    WHEN r.closed_at IS NOT NULL AND e.branch_id = 0 THEN r.closed_at
                    WHEN e.branch_id = 0 OR g.branch_id IS NOT NULL THEN NULL
                    ELSE (SELECT max(h.event_time) FROM history h WHERE h.branch_id = e.branch_id) END AS ended_at) t
    ORDER BY 1;
END;
COMMENT ON FUNCTION workflow.run_spans(uuid) IS 'What a run has spent its time on';

-- spans: what runs and their attempts have spent their time on, for tracing.  It reads the history of each run that it
-- is asked for: WHERE run_id = … or shard_key and workflow_id; those of a time, with otlp_spans.
CREATE VIEW workflow.spans WITH (security_invoker) AS
SELECT split_part(e.traceparent, '-', 2) AS trace_id, s.span_id,
       CASE WHEN s.kind <> 'Execution' THEN right(replace(e.run_id::text, '-', ''), 16)
            ELSE nullif(split_part(e.traceparent, '-', 3), s.span_id) END AS parent_span_id,
       s.name, s.kind, e.workflow_id, e.run_id, e.workflow, e.version, s.state, s.branch_id, s.activity, s.attempt,
       s.started_at, s.ended_at, s.status, s.error, s.cause, e.shard_key, s.attributes, s.events,
       CASE WHEN s.kind = 'Execution' THEN
           (SELECT jsonb_agg(jsonb_build_object(
                       'trace_id', CASE WHEN split_part(e.traceparent, '-', 2) = replace(e.run_id::text, '-', '')
                                        THEN replace(l.run_id::text, '-', '') ELSE split_part(e.traceparent, '-', 2) END,
                       'span_id', right(replace(l.run_id::text, '-', ''), 16), 'run_id', l.run_id, 'reason', l.reason) ORDER BY l.reason)
            FROM (VALUES (e.next_run_id, 'next_run'), (nullif(e.root_run_id, e.run_id), 'root_run')) AS l (run_id, reason)
            WHERE l.run_id IS NOT NULL) END AS links
FROM workflow.executions e
CROSS JOIN LATERAL workflow.run_spans(e.run_id) s
WHERE s.kind <> 'State';
COMMENT ON VIEW workflow.spans IS 'Spans of traces: executions, and attempts of activities, child workflows and compensations';
COMMENT ON COLUMN workflow.spans.trace_id IS 'Of the traceparent given to workflow.start; else the run id';
COMMENT ON COLUMN workflow.spans.span_id IS 'As in the traceparent that an attempt was given';
COMMENT ON COLUMN workflow.spans.parent_span_id IS 'The run''s for attempts; for the run, what it was started in, if anything: of a child, the attempt that started it';
COMMENT ON COLUMN workflow.spans.name IS 'Of the workflow, the child''s workflow, or the activity';
COMMENT ON COLUMN workflow.spans.kind IS 'Execution, Activity, ChildWorkflow or Compensation';
COMMENT ON COLUMN workflow.spans.workflow_id IS 'Of the run';
COMMENT ON COLUMN workflow.spans.run_id IS 'The run';
COMMENT ON COLUMN workflow.spans.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.spans.version IS 'Of the definition that the run follows';
COMMENT ON COLUMN workflow.spans.state IS 'The state whose activity it is, or whose work is undone';
COMMENT ON COLUMN workflow.spans.branch_id IS 'The branch that it is of; 0: the run itself';
COMMENT ON COLUMN workflow.spans.activity IS 'Of an attempt';
COMMENT ON COLUMN workflow.spans.attempt IS 'Which one, from 1';
COMMENT ON COLUMN workflow.spans.started_at IS 'When the run was started, or the attempt scheduled';
COMMENT ON COLUMN workflow.spans.ended_at IS 'Null while it goes on';
COMMENT ON COLUMN workflow.spans.status IS
    'Of executions as in workflow.executions; of attempts Running, Completed, Failed, TimedOut, Canceled or Rejected';
COMMENT ON COLUMN workflow.spans.error IS 'Why it failed';
COMMENT ON COLUMN workflow.spans.cause IS 'Internal, as error';
COMMENT ON COLUMN workflow.spans.shard_key IS 'workflow.shard_key(workflow_id), by which the tables are indexed';
COMMENT ON COLUMN workflow.spans.attributes IS 'What the attempt has said of it: see workflow.span_attributes()';
COMMENT ON COLUMN workflow.spans.events IS 'Of executions: signals, updates and requests to cancel, [{at, name, attributes}]';
COMMENT ON COLUMN workflow.spans.links IS
    'Of executions: the run that goes on in its place (next_run), and the first of a line of retries and resets (root_run), [{trace_id, span_id, run_id, reason}]';

-- timeline: a run as a chart of bars, one line for each attempt of an activity, and each state entered
--   workflow_id  means its open run, else its latest; the other form takes a run id
--   width        of the chart, in characters
-- In the bars, = is an activity or a child workflow, ~ a compensation, - a state; | took no time, ! failed, > goes on.
CREATE FUNCTION workflow.timeline(run_id uuid, width int DEFAULT 60)
    RETURNS TABLE (step text, chart text, began interval, took interval, status text)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 50
    SET jit = off
BEGIN ATOMIC
    WITH span AS MATERIALIZED (
        SELECT s.*, coalesce(s.ended_at, greatest(workflow.now(), s.started_at)) AS until
        FROM workflow.run_spans(timeline.run_id) s
    ), whole AS MATERIALIZED (
        SELECT x.started_at AS since, greatest(extract(epoch FROM x.until - x.started_at), 1e-6) AS seconds,
               least(greatest(timeline.width, 10), 500) AS width
        FROM span x WHERE x.kind = 'Execution'
    ), placed AS (
        SELECT p.*, w.since, w.width,
               least(w.width - 1, floor(w.width * extract(epoch FROM p.started_at - w.since) / w.seconds))::int AS starts,
               least(w.width, ceil(w.width * extract(epoch FROM p.until - w.since) / w.seconds))::int AS ends
        FROM span p CROSS JOIN whole w
    )
    SELECT repeat('  ', d.depth + (d.kind <> 'Execution')::int)
           || CASE d.kind WHEN 'Execution' THEN d.name
                          WHEN 'Compensation' THEN concat('undo ', d.state, ': ', d.activity)
                          WHEN 'State' THEN d.state
                          ELSE concat_ws(': ', d.state, nullif(d.name, d.state)) END
           || coalesce('[' || b.item_index || ']', '')
           || CASE WHEN d.attempt > 1 THEN ' #' || d.attempt ELSE '' END,
           rpad(repeat(' ', d.starts)
               || repeat(CASE WHEN d.kind IN ('Activity', 'ChildWorkflow') THEN '=' WHEN d.kind = 'Compensation' THEN '~' ELSE '-' END, d.ends - d.starts - 1)
               || CASE WHEN d.status IN ('Failed', 'TimedOut') THEN '!'
                       WHEN d.ended_at IS NULL THEN '>'
                       WHEN d.until = d.started_at THEN '|'
                       WHEN d.kind IN ('Activity', 'ChildWorkflow') THEN '='
                       WHEN d.kind = 'Compensation' THEN '~'
                       ELSE '-' END, d.width),
           d.started_at - d.since, d.ended_at - d.started_at,
           concat_ws(': ', d.status, d.error)
    FROM placed d
    LEFT JOIN workflow.run_branches(timeline.run_id) b ON b.branch_id = d.branch_id AND b.branch_id > 0
    ORDER BY d.event_id;
END;
COMMENT ON FUNCTION workflow.timeline(uuid, int) IS 'A run as a chart of bars';

CREATE FUNCTION workflow.timeline(workflow_id text, width int DEFAULT 60)
    RETURNS TABLE (step text, chart text, began interval, took interval, status text)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 50
BEGIN ATOMIC
    SELECT t.step, t.chart, t.began, t.took, t.status
    FROM workflow.get_execution(timeline.workflow_id) e
    CROSS JOIN LATERAL workflow.timeline(e.run_id, timeline.width) t;
END;
COMMENT ON FUNCTION workflow.timeline(text, int) IS 'A workflow id''s run as a chart of bars';

-- unix_nanos: a time as OpenTelemetry writes it
CREATE FUNCTION workflow.unix_nanos(at timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ((extract(epoch FROM at) * 1000000)::bigint * 1000)::text;
COMMENT ON FUNCTION workflow.unix_nanos(timestamptz) IS 'Nanoseconds since 1970';

-- otlp_value: a value as OpenTelemetry has it in JSON (AnyValue)
CREATE FUNCTION workflow.otlp_value(value jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE jsonb_typeof(value)
        WHEN 'boolean' THEN jsonb_build_object('boolValue', value)
        WHEN 'number' THEN
            CASE WHEN value::text ~ '^-?\d{1,18}$' THEN jsonb_build_object('intValue', value::text)
                 WHEN abs(value::numeric) < 1e308 THEN jsonb_build_object('doubleValue', value::numeric::float8)
                 ELSE jsonb_build_object('stringValue', value::text) END
        WHEN 'array' THEN
            jsonb_build_object('arrayValue', jsonb_build_object('values',
                (SELECT coalesce(jsonb_agg(workflow.otlp_value(e.value) ORDER BY e.n), '[]')
                 FROM jsonb_array_elements(value) WITH ORDINALITY AS e (value, n))))
        WHEN 'object' THEN
            jsonb_build_object('kvlistValue', jsonb_build_object('values', workflow.otlp_attributes(value)))
        WHEN 'null' THEN '{}'
        ELSE jsonb_build_object('stringValue', value #>> '{}')
    END;
END
$$;
COMMENT ON FUNCTION workflow.otlp_value(jsonb) IS 'A value as OpenTelemetry has it in JSON';

-- otlp_attributes: an object as attributes of OpenTelemetry; members that are null are left out
CREATE FUNCTION workflow.otlp_attributes(attributes jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('key', a.key, 'value',
                       CASE jsonb_typeof(a.value) WHEN 'string' THEN jsonb_build_object('stringValue', a.value)
                                                  ELSE workflow.otlp_value(a.value) END) ORDER BY a.key), '[]')
            FROM jsonb_each(attributes) a
            WHERE a.value <> 'null');
COMMENT ON FUNCTION workflow.otlp_attributes(jsonb) IS 'Attributes as OpenTelemetry has them in JSON';

-- otlp_request: the spans of these runs, as an OTLP/JSON request (ExportTraceServiceRequest); null when there are none
-- Names are those of OpenTelemetry's semantic conventions where there is one: error.type, exception.type, exception.message.
-- Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-request
CREATE FUNCTION workflow.otlp_request(run_ids uuid[]) RETURNS jsonb
    LANGUAGE sql STABLE
    SET jit = off
BEGIN ATOMIC
    SELECT jsonb_build_object('resourceSpans', jsonb_build_array(jsonb_build_object(
               'resource', jsonb_build_object('attributes', workflow.otlp_attributes(jsonb_build_object(
                   'service.name', 'order_workflow', 'db.system', 'postgresql', 'db.name', current_database()))),
               'scopeSpans', jsonb_build_array(jsonb_build_object(
                   'scope', jsonb_build_object('name', 'order_workflow'),
                   'spans', jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                       'traceId', s.trace_id, 'spanId', s.span_id, 'parentSpanId', s.parent_span_id,
                       'name', s.name, 'kind', 1,
                       'startTimeUnixNano', workflow.unix_nanos(s.started_at),
                       'endTimeUnixNano', workflow.unix_nanos(coalesce(s.ended_at, s.started_at)),
                       'attributes', workflow.otlp_attributes(h.said || jsonb_build_object(
                           'workflow.id', s.workflow_id, 'workflow.run_id', s.run_id, 'workflow.name', s.workflow,
                           'workflow.version', s.version, 'workflow.span_kind', s.kind, 'workflow.state', s.state,
                           'workflow.activity', s.activity, 'workflow.attempt', s.attempt, 'workflow.status', s.status,
                           'error.type', CASE WHEN f.failed THEN coalesce(s.error, s.status) END)),
                       'events', (SELECT jsonb_agg(jsonb_build_object('timeUnixNano', workflow.unix_nanos(v.at), 'name', v.name,
                                                                      'attributes', workflow.otlp_attributes(v.attributes)) ORDER BY v.at)
                                  FROM (SELECT x.at, x.name, coalesce(x.attributes, '{}') AS attributes
                                        FROM jsonb_to_recordset(s.events) AS x (at timestamptz, name text, attributes jsonb)
                                        UNION ALL
                                        SELECT coalesce(s.ended_at, s.started_at), 'exception',
                                               jsonb_build_object('exception.type', s.error, 'exception.message', s.cause)
                                        WHERE f.failed AND s.error IS NOT NULL) v),
                       'links', (SELECT jsonb_agg(jsonb_build_object('traceId', l.trace_id, 'spanId', l.span_id, 'attributes',
                                                      workflow.otlp_attributes(jsonb_build_object('workflow.run_id', l.run_id,
                                                                                                  'workflow.link', l.reason))))
                                 FROM jsonb_to_recordset(s.links) AS l (trace_id text, span_id text, run_id text, reason text)),
                       'status', CASE WHEN s.status = 'Completed' THEN jsonb_build_object('code', 1)
                                      WHEN f.failed THEN jsonb_build_object('code', 2, 'message',
                                                              concat_ws(': ', coalesce(s.error, s.status), nullif(s.cause, '')))
                                      ELSE '{"code": 0}' END))
                       ORDER BY s.started_at, s.run_id, s.kind <> 'Execution', s.span_id))))))
    FROM unnest(run_ids) AS r (run_id)
    CROSS JOIN LATERAL ( -- each by its key, whatever statistics say
        SELECT x.* FROM workflow.spans x
        WHERE x.shard_key = workflow.shard_key(r.run_id) AND x.run_id = r.run_id OFFSET 0) s
    CROSS JOIN LATERAL (SELECT s.status NOT IN ('Completed', 'ContinuedAsNew', 'Canceled', 'Rejected', 'Running') AS failed) f
    -- what has been said leaves the database: without what the definition hides, as it is in events
    CROSS JOIN LATERAL (SELECT CASE WHEN s.attributes IS NOT NULL THEN
                                        workflow.redacted(s.workflow, s.version, jsonb_build_object('said', s.attributes), true)->'said' END) x (said)
    CROSS JOIN LATERAL (SELECT CASE WHEN jsonb_typeof(x.said) = 'object' THEN x.said ELSE '{}' END) h (said)
    HAVING count(*) > 0;
END;
COMMENT ON FUNCTION workflow.otlp_request(uuid[]) IS 'Spans of these runs, as an OTLP/JSON request';

-- otlp_spans: the spans of runs that closed in that time, as an OTLP/JSON request
--   since, until  the times of closing: from, and before.  A run that closes in a transaction that is still under way
--                 then is found by its time, too: let until be a little in the past
-- Null when there are none.  Those of many runs come in pages, by otlp_page.
CREATE FUNCTION workflow.otlp_spans(since timestamptz, until timestamptz DEFAULT 'infinity') RETURNS jsonb
    LANGUAGE sql STABLE
    SET jit = off
BEGIN ATOMIC
    SELECT workflow.otlp_request(ARRAY(SELECT c.run_id FROM workflow.readable_closed_execution c
                                       WHERE c.closed_at >= otlp_spans.since AND c.closed_at < otlp_spans.until));
END;
COMMENT ON FUNCTION workflow.otlp_spans(timestamptz, timestamptz) IS 'Spans of the runs that closed in that time, as an OTLP/JSON request';

-- otlp_page: the same of the next runs after a position
--   since, after_run  the position: closed_at and run_id of the page before; at first a time, and NULL
--   until             as of otlp_spans
--   runs              how many at most
--   request           OUT: NULL when there are no more; closed_at and run_id are the next position
CREATE FUNCTION workflow.otlp_page(since timestamptz, after_run uuid DEFAULT NULL, until timestamptz DEFAULT 'infinity', runs int DEFAULT 500,
                                   OUT request jsonb, OUT closed_at timestamptz, OUT run_id uuid)
    LANGUAGE sql STABLE
    SET jit = off
BEGIN ATOMIC
    WITH page AS MATERIALIZED (
        SELECT c.closed_at, c.run_id
        FROM workflow.readable_closed_execution c
        WHERE c.closed_at >= otlp_page.since AND c.closed_at < otlp_page.until
          AND (c.closed_at > otlp_page.since OR otlp_page.after_run IS NULL OR c.run_id > otlp_page.after_run)
        ORDER BY c.closed_at, c.run_id
        LIMIT greatest(otlp_page.runs, 1)
    )
    SELECT workflow.otlp_request(ARRAY(SELECT p.run_id FROM page p)), l.closed_at, l.run_id
    FROM (SELECT 1) one
    LEFT JOIN LATERAL (SELECT p.closed_at, p.run_id FROM page p ORDER BY p.closed_at DESC, p.run_id DESC LIMIT 1) l ON true;
END;
COMMENT ON FUNCTION workflow.otlp_page(timestamptz, uuid, timestamptz, int) IS 'Spans of the next runs that closed, as an OTLP/JSON request';
