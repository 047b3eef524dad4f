-- What of a definition tests have been through.

-- coverage: every state of a definition, every way from one to the next, every retry and compensation, and how often
-- it was taken
--   workflow, version  the current version by default
--   kind    State, Retry, Compensate, or as a way is called: Start, Next, Choice, Default, Catch, End, Fail, OnError, …
--   taken   by the runs of that version that are there: in a test, those of its transaction.  Of two rules of a Choice
--           that lead to the same state, both count
CREATE FUNCTION workflow_test.coverage(workflow text, version int DEFAULT NULL)
    RETURNS TABLE (n bigint, kind text, state text, target text, label text, taken bigint)
    LANGUAGE sql STABLE ROWS 50
    SET jit = off
BEGIN ATOMIC
    WITH run AS MATERIALIZED (
        SELECT e.run_id, e.status, e.closed_at
        FROM workflow.executions e
        JOIN workflow.definitions d ON d.workflow = e.workflow AND d.version = e.version
        WHERE e.workflow = coverage.workflow AND (e.version = coverage.version OR (coverage.version IS NULL AND d.is_current))
    ), request AS MATERIALIZED (
        -- signals and cancels that Tasks send to other workflows, which are no spans: the last that is heard of one before it is sent again
        SELECT r.run_id, r.closed_at, h.event_id, h.event_type, h.state, coalesce(h.branch_id, 0) AS branch_id, h.attributes, k.is_asked,
               count(*) FILTER (WHERE k.is_asked) OVER (PARTITION BY r.run_id, h.branch_id, h.state ORDER BY h.event_id) AS nth
        FROM run r
        CROSS JOIN LATERAL workflow.get_history(r.run_id) h
        CROSS JOIN LATERAL (SELECT h.event_type LIKE '%Initiated' AND h.attributes ? 'attempt' AND NOT h.attributes ? 'compensation' AS is_asked) k
        WHERE h.state IS NOT NULL AND h.event_type ~ '^(SignalExternal|RequestCancelExternal|ExternalWorkflow)'
    ), span AS MATERIALIZED (
        SELECT r.run_id, r.closed_at, s.event_id, s.kind, s.state, s.branch_id, s.attempt, s.status, s.error,
               s.kind = 'State' OR (s.kind IN ('Activity', 'ChildWorkflow') AND s.attempt = 1) AS enters
        FROM run r
        CROSS JOIN LATERAL workflow.run_spans(r.run_id) s
        WHERE s.kind <> 'Execution'
        UNION ALL
        SELECT q.run_id, q.closed_at, q.event_id, 'Request', q.state, q.branch_id, a.attempt,
               CASE WHEN f.error IS NULL THEN 'Completed' ELSE 'Failed' END, f.error, a.attempt = 1 AND NOT q.attributes ? 'reset'
        FROM request q
        CROSS JOIN LATERAL (SELECT (q.attributes ->> 'attempt')::int AS attempt) a
        LEFT JOIN LATERAL (
            SELECT x.attributes ->> 'error' AS error FROM request x
            WHERE x.run_id = q.run_id AND x.branch_id = q.branch_id AND x.state = q.state AND x.nth = q.nth AND NOT x.is_asked
            ORDER BY x.event_id DESC LIMIT 1) f ON true
        WHERE q.is_asked
    ), numbered AS (
        SELECT p.*, count(*) FILTER (WHERE p.enters) OVER (PARTITION BY p.run_id, p.branch_id ORDER BY p.event_id) AS visit
        FROM span p WHERE p.kind <> 'Compensation'
    ), visited AS (
        SELECT v.run_id, v.branch_id, v.visit, min(v.state) AS state, max(v.attempt) AS attempts, bool_or(v.closed_at IS NOT NULL) AS closed,
               (array_agg(v.status ORDER BY v.event_id DESC))[1] IN ('Failed', 'TimedOut', 'Rejected') AS failed,
               (array_agg(v.error ORDER BY v.event_id DESC))[1] AS error
        FROM numbered v GROUP BY v.run_id, v.branch_id, v.visit
    ), way AS MATERIALIZED (
        SELECT v.*, lag(v.state) OVER w AS previous, lag(v.failed) OVER w AS previous_failed, lag(v.error) OVER w AS previous_error,
               lead(v.state) OVER w AS next
        FROM visited v
        WINDOW w AS (PARTITION BY v.run_id, v.branch_id ORDER BY v.visit)
    ), source AS (
        SELECT d.source AS definition
        FROM workflow.definitions d
        WHERE d.workflow = coverage.workflow AND (d.version = coverage.version OR (coverage.version IS NULL AND d.is_current))
    ), edge AS MATERIALIZED (
        -- errors: of a Catch those that it names; null: any
        SELECT e.*, CASE WHEN e.kind = 'Catch' AND e.label !~ 'States\.(ALL|TaskFailed)' THEN string_to_array(e.label, ', ') END AS errors
        FROM source s CROSS JOIN LATERAL workflow.definition_edges(s.definition) e
    ), item (n, kind, state, target, label, errors, fails) AS (
        SELECT t.n * 1000, 'State', t.name, NULL, NULL, NULL, t.state->>'Type' = 'Fail'
        FROM source s CROSS JOIN LATERAL workflow.definition_states(s.definition) t
        UNION ALL
        SELECT coalesce((SELECT t.n * 1000 FROM workflow.definition_states(s.definition) t WHERE t.name = e.source), 0) + e.n,
               e.kind, e.source, e.target, e.label, e.errors,
               EXISTS (SELECT FROM workflow.definition_states(s.definition) t WHERE t.name = e.source AND t.state->>'Type' = 'Fail')
        FROM source s CROSS JOIN edge e
        WHERE e.kind <> 'Retry' OR e.source IS NOT NULL
    )
    SELECT row_number() OVER (ORDER BY i.n), i.kind, i.state, i.target, i.label,
           CASE i.kind
               WHEN 'State' THEN (SELECT count(*) FROM way w WHERE w.state = i.state)
               WHEN 'Retry' THEN (SELECT count(*) FROM way w WHERE w.state = i.state AND w.attempts > 1)
               WHEN 'Compensate' THEN (SELECT count(*) FROM span p WHERE p.kind = 'Compensation' AND p.state = i.state AND p.status = 'Completed')
               WHEN 'Start' THEN (SELECT count(*) FROM way w WHERE w.previous IS NULL AND w.state = i.target AND (w.branch_id > 0) = (i.state IS NOT NULL))
               WHEN 'Catch' THEN (SELECT count(*) FROM way w WHERE w.state = i.state AND w.next = i.target AND w.failed
                                                              AND (i.errors IS NULL OR w.error = ANY (i.errors)))
               WHEN 'End' THEN (SELECT count(*) FROM way w WHERE w.state = i.state AND w.next IS NULL AND w.closed AND (i.fails OR NOT coalesce(w.failed, false)))
               WHEN 'Fail' THEN (SELECT count(*) FROM way w WHERE w.state = i.state)
               WHEN 'OnError' THEN (SELECT count(*) FROM way w WHERE w.state = i.target AND w.previous IS NOT NULL AND NOT EXISTS (
                                        SELECT FROM edge o WHERE o.source = w.previous AND o.target = w.state
                                                             AND (o.kind = 'Catch') = coalesce(w.previous_failed, false)
                                                             AND (o.errors IS NULL OR w.previous_error = ANY (o.errors))))
               WHEN 'OnCancel' THEN (SELECT count(*) FROM way w JOIN run r ON r.run_id = w.run_id AND r.status = 'Canceled' WHERE w.state = i.target)
               WHEN 'OnTimeout' THEN (SELECT count(*) FROM way w JOIN run r ON r.run_id = w.run_id AND r.status = 'TimedOut' WHERE w.state = i.target)
               ELSE (SELECT count(*) FROM way w WHERE w.state = i.state AND w.next = i.target AND NOT coalesce(w.failed, false))
           END
    FROM item i;
END;
COMMENT ON FUNCTION workflow_test.coverage(text, int) IS 'What of a definition tests have been through';

-- covered: passes when tests have been through all of a definition, and tells what is missing; of a workflow that is not there, it fails
--   except  kinds that need not be, {OnCancel,OnTimeout} say
CREATE FUNCTION workflow_test.covered(workflow text, except_kinds text[] DEFAULT '{}') RETURNS SETOF text
    LANGUAGE sql
BEGIN ATOMIC
    SELECT workflow_test._ok(count(*) > 0 AND count(*) FILTER (WHERE c.missing) = 0, format('tests go through all of %s', workflow),
                             CASE WHEN count(*) = 0 THEN format('there is no workflow "%s"', workflow)
                                  ELSE string_agg(concat_ws(' ', 'not taken:', c.kind, c.state, '-> ' || c.target, '(' || c.label || ')'), E'\n' ORDER BY c.n)
                                           FILTER (WHERE c.missing) END)
    FROM (SELECT i.*, i.taken = 0 AND i.kind <> ALL (except_kinds) AS missing FROM workflow_test.coverage(workflow) i) c;
END;
COMMENT ON FUNCTION workflow_test.covered(text, text[]) IS 'Passes when tests have been through all of a definition';

-- coverage_html: the same as a page, with what was gone through in green
CREATE FUNCTION workflow_test.coverage_html(workflow text, version int DEFAULT NULL) RETURNS text
    LANGUAGE sql STABLE
    SET jit = off
BEGIN ATOMIC
    WITH item AS MATERIALIZED (SELECT * FROM workflow_test.coverage(coverage_html.workflow, coverage_html.version)),
    source AS (
        SELECT d.source AS definition, d.version
        FROM workflow.definitions d
        WHERE d.workflow = coverage_html.workflow
          AND (d.version = coverage_html.version OR (coverage_html.version IS NULL AND d.is_current))
    )
    SELECT workflow.report_page(concat('Coverage of ', coverage_html.workflow, ', version ', s.version),
        '<table id="facts"></table><h2>States</h2><div class="scroll" id="graph"></div>',
        jsonb_build_object(
            'facts', (SELECT jsonb_build_array(jsonb_build_array('taken', format('%s of %s', count(*) FILTER (WHERE i.taken > 0), count(*))))
                             || coalesce(jsonb_agg(jsonb_build_array('not taken', concat_ws(' ', i.kind, i.state, '-> ' || i.target, '(' || i.label || ')')) ORDER BY i.n)
                                             FILTER (WHERE i.taken = 0), '[]') FROM item i),
            'graph', workflow.report_graph(s.definition),
            'reached', (SELECT coalesce(jsonb_object_agg(i.state, 'Completed'), '{}') FROM item i WHERE i.kind = 'State' AND i.taken > 0),
            'notes', (SELECT coalesce(jsonb_object_agg(x.state, x.note), '{}')
                      FROM (SELECT i.state, concat_ws(', ', nullif(max(i.taken) FILTER (WHERE i.kind = 'State'), 0) || ' times',
                                                      CASE WHEN bool_or(i.taken = 0) THEN count(*) FILTER (WHERE i.taken = 0) || ' not taken' END) AS note
                            FROM item i WHERE i.state IS NOT NULL GROUP BY i.state) x)))
    FROM source s;
END;
COMMENT ON FUNCTION workflow_test.coverage_html(text, int) IS 'What of a definition tests have been through, as a page';
