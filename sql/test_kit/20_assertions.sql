-- pgTAP assertions: each returns a line of TAP.

-- pgTAP may be installed in any schema, and finds its own functions by search_path only.
CREATE FUNCTION workflow_test._ok(passed boolean, description text, diagnostics text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pgtap text := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                   WHERE e.extname = 'pgtap');
    line  text;
    noted text;
BEGIN
    PERFORM set_config('search_path', quote_ident(pgtap) || ', pg_temp', true);    -- until this function returns
    EXECUTE format('SELECT %I.ok($1, $2)', pgtap) INTO line USING coalesce(passed, false), description;
    IF passed IS NOT TRUE AND diagnostics IS NOT NULL THEN
        EXECUTE format('SELECT %I.diag($1)', pgtap) INTO noted USING diagnostics;
        line := line || E'\n' || noted;
    END IF;
    RETURN line;
END
$$;
COMMENT ON FUNCTION workflow_test._ok(boolean, text, text) IS 'Internal: ok() and diag() of pgTAP, wherever it is installed';

CREATE FUNCTION workflow_test._is(have anyelement, want anyelement, description text)
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._ok(have IS NOT DISTINCT FROM want, description,
                             format(E'    have: %s\n    want: %s', coalesce(have::text, 'NULL'), coalesce(want::text, 'NULL')))
$$;
COMMENT ON FUNCTION workflow_test._is(anyelement, anyelement, text) IS 'Internal: is() with our diagnostics';

-- The execution completed; with output, with exactly that output.
CREATE FUNCTION workflow_test.completed(workflow_id text, output jsonb DEFAULT NULL)
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
BEGIN
    SELECT e.status, e.output, coalesce(e.error, e.stuck ->> 'Error') AS error, coalesce(e.cause, e.stuck ->> 'Cause') AS cause INTO found
    FROM workflow.get_execution(completed.workflow_id) e;
    RETURN workflow_test._ok(
        found.status = 'Completed' AND (completed.output IS NULL OR found.output IS NOT DISTINCT FROM completed.output),
        format('workflow %s completed', completed.workflow_id),
        format(E'    status: %s, error: %s, cause: %s\n    have: %s\n    want: %s', coalesce(found.status, 'not found'),
               coalesce(found.error, '-'), coalesce(found.cause, '-'), coalesce(found.output::text, 'no output'),
               coalesce(completed.output::text, 'any output')));
END
$$;
COMMENT ON FUNCTION workflow_test.completed(text, jsonb) IS 'Asserts that an execution completed, with this output if given';

-- The execution failed; with error, with exactly that error name.
CREATE FUNCTION workflow_test.failed(workflow_id text, error text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
BEGIN
    SELECT e.status, coalesce(e.error, e.stuck ->> 'Error') AS error, coalesce(e.cause, e.stuck ->> 'Cause') AS cause INTO found
    FROM workflow.get_execution(failed.workflow_id) e;
    RETURN workflow_test._ok(
        found.status = 'Failed' AND (failed.error IS NULL OR found.error IS NOT DISTINCT FROM failed.error),
        format('workflow %s failed%s', failed.workflow_id, coalesce(' with ' || failed.error, '')),
        format(E'    status: %s\n    have: %s (%s)\n    want: %s', coalesce(found.status, 'not found'),
               coalesce(found.error, 'no error'), coalesce(found.cause, '-'), coalesce(failed.error, 'any error')));
END
$$;
COMMENT ON FUNCTION workflow_test.failed(text, text) IS 'Asserts that an execution failed, with this error if given';

CREATE FUNCTION workflow_test.activities_called(workflow_id text, activities text[])
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._is(
        ARRAY(SELECT c.activity FROM workflow_test.calls() WITH ORDINALITY
                  AS c (workflow_id, activity, state, attempt, compensation, input, called_at, position)
              WHERE c.workflow_id = activities_called.workflow_id ORDER BY c.position),
        activities, format('activities of workflow %s were called in order', workflow_id))
$$;
COMMENT ON FUNCTION workflow_test.activities_called(text, text[]) IS
'Asserts the activities a workflow called, in order, retries and compensations included';

CREATE FUNCTION workflow_test.state_path(workflow_id text, states text[])
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._is(
        CASE WHEN EXISTS (SELECT FROM workflow.get_execution(workflow_id)) THEN
        ARRAY(SELECT h.state FROM workflow.get_history(workflow_id) h
              WHERE h.event_type = 'StateEntered'
                 OR (h.event_type IN ('ActivityTaskScheduled', 'StartChildWorkflowExecutionInitiated',
                                      'SignalExternalWorkflowExecutionInitiated',
                                      'RequestCancelExternalWorkflowExecutionInitiated') AND h.attributes -> 'attempt' = '1'
                     AND NOT h.attributes ?| '{compensation,reset}')
              ORDER BY h.event_id) END,
        states, format('workflow %s went through its states', workflow_id))
$$;
COMMENT ON FUNCTION workflow_test.state_path(text, text[]) IS 'Asserts the states a workflow entered, in order';

CREATE FUNCTION workflow_test.compensated(workflow_id text, activities text[])
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH history AS (SELECT * FROM workflow.get_history(workflow_id))
    SELECT workflow_test._is(
        CASE WHEN EXISTS (SELECT FROM workflow.get_execution(workflow_id)) THEN
        ARRAY(SELECT (SELECT scheduled.attributes ->> 'activity' FROM history scheduled
                      WHERE scheduled.event_type = 'ActivityTaskScheduled' AND scheduled.event_id < completed.event_id
                        AND scheduled.attributes -> 'compensation' = completed.attributes -> 'compensation'
                      ORDER BY scheduled.event_id DESC LIMIT 1)
              FROM history completed
              WHERE completed.event_type = 'ActivityTaskCompleted' AND completed.attributes ? 'compensation'
              ORDER BY completed.event_id) END,
        activities, format('workflow %s was compensated', workflow_id))
$$;
COMMENT ON FUNCTION workflow_test.compensated(text, text[]) IS
'Asserts the compensating activities that completed, in the order they ran';

CREATE FUNCTION workflow_test.replays(history jsonb, version int DEFAULT NULL)
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._ok(r.compatible,
        format('the history of workflow %s replays', history ->> 'workflow_id'),
        format('    event %s: %s', r.event_id, r.reason))
    FROM workflow_test.replay(history, version) r
$$;
COMMENT ON FUNCTION workflow_test.replays(jsonb, int) IS
'Asserts that a version (the current one) would have made an exported history as it is';
