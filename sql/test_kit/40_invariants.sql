-- Invariants: what must hold of the runs of a test, whatever happens to them.
--
-- For workflow_test.explore (45_explore.sql), and for tests of any kind.  Functions that run what a test brings along keep its
-- search path; all others pin theirs.

-- _runs: the runs of this test
CREATE FUNCTION workflow_test._runs()
RETURNS uuid[] LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_runs';
COMMENT ON FUNCTION workflow_test._runs() IS 'Internal: the runs of this test, in the order they were started';

-- What an invariant is an expression over: the latest run of a workflow id, and what all its runs have done
CREATE TYPE workflow_test.explored_run AS (
    workflow_id text, run_id uuid, status text, state text, input jsonb, output jsonb, error text, cause text, started_at timestamptz,
    closed_at timestamptz, calls text[], done text[], undone text[], signals text[]);
COMMENT ON TYPE workflow_test.explored_run IS 'What invariants are about';
COMMENT ON COLUMN workflow_test.explored_run.calls IS 'Activities that were called, in order, retries and compensations included';
COMMENT ON COLUMN workflow_test.explored_run.done IS 'Activities that completed, but for compensations, in order';
COMMENT ON COLUMN workflow_test.explored_run.undone IS 'Compensating activities that completed, in order';
COMMENT ON COLUMN workflow_test.explored_run.signals IS 'Signals that the run has taken in, in order';

-- _facts: that row; NULL when this test has no run of the workflow id
CREATE FUNCTION workflow_test._facts(of_id text) RETURNS workflow_test.explored_run
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    facts workflow_test.explored_run;
BEGIN
    WITH run AS MATERIALIZED (
        SELECT e.*, r.n
        FROM unnest(workflow_test._runs()) WITH ORDINALITY AS r (run_id, n)
        CROSS JOIN LATERAL workflow.get_execution(r.run_id) e
        WHERE e.workflow_id = of_id
    ), event AS MATERIALIZED (
        SELECT r.n, h.event_id, h.event_type, h.state, h.branch_id, h.attributes, h.attributes ? 'compensation' AS undoes,
               count(*) FILTER (WHERE h.event_type = 'ActivityTaskScheduled') OVER w AS attempt, h.attributes ->> 'activity' AS activity
        FROM run r
        CROSS JOIN LATERAL workflow.get_history(r.run_id) h
        WHERE h.event_type IN ('ActivityTaskScheduled', 'ActivityTaskCompleted', 'WorkflowExecutionSignaled')
        WINDOW w AS (PARTITION BY r.n, h.branch_id, h.state, h.attributes -> 'compensation' ORDER BY h.event_id)
    ), completed AS (
        SELECT c.n, c.event_id, c.undoes, s.activity
        FROM event c
        JOIN event s ON s.n = c.n AND s.event_type = 'ActivityTaskScheduled' AND s.attempt = c.attempt AND s.state = c.state
            AND s.branch_id IS NOT DISTINCT FROM c.branch_id
            AND s.attributes -> 'compensation' IS NOT DISTINCT FROM c.attributes -> 'compensation'
        WHERE c.event_type = 'ActivityTaskCompleted'
    )
    SELECT r.workflow_id, r.run_id, r.status, r.state, r.input, r.output, r.error, r.cause, r.started_at, r.closed_at,
           ARRAY(SELECT c.activity FROM workflow_test.calls() WITH ORDINALITY
                     AS c (workflow_id, activity, state, attempt, compensation, input, called_at, n)
                 WHERE c.workflow_id = of_id ORDER BY c.n),
           ARRAY(SELECT c.activity FROM completed c WHERE NOT c.undoes ORDER BY c.n, c.event_id),
           ARRAY(SELECT c.activity FROM completed c WHERE c.undoes ORDER BY c.n, c.event_id),
           ARRAY(SELECT coalesce(s.attributes ->> 'signal', s.attributes ->> 'name') FROM event s
                 WHERE s.event_type = 'WorkflowExecutionSignaled' ORDER BY s.n, s.event_id)
    INTO facts
    FROM run r ORDER BY r.n DESC LIMIT 1;
    RETURN facts;
END
$$;
COMMENT ON FUNCTION workflow_test._facts(text) IS 'Internal: what invariants are about, of a workflow id of this test';

-- _ends: why a run of this test has not ended, though nothing is left to be done; NULL when all have, or wait for somebody
CREATE FUNCTION workflow_test._ends() RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN (
        SELECT concat_ws(' ', format('workflow %s is %s in state %s', e.workflow_id, e.status, e.state),
                         coalesce('with ' || nullif(concat_ws(': ', x.stuck ->> 'Error', x.stuck ->> 'Cause'), ''),
                                  'and nothing will move it'))
        FROM unnest(workflow_test._runs()) r (run_id)
        JOIN workflow.readable_execution e ON e.shard_key = workflow.shard_key(r.run_id) AND e.run_id = r.run_id
        CROSS JOIN LATERAL workflow.get_execution(r.run_id) x
        WHERE e.status = 'Stuck'
           OR (e.status = 'Running' AND e.phase NOT IN ('Await', 'Callback', 'Request', 'Queued', 'CompensateQueued')
               AND e.due_at IS NULL
               AND NOT EXISTS (SELECT FROM workflow.readable_branch b
                               WHERE b.shard_key = e.shard_key AND b.run_id = e.run_id
                                 AND (b.due_at IS NOT NULL OR b.phase IN ('Await', 'Callback', 'Request', 'Queued', 'CompensateQueued'))))
        LIMIT 1);
END
$$;
COMMENT ON FUNCTION workflow_test._ends() IS 'Internal: why a run of this test has not ended';

-- _replays: what history leads to where that is not the state of a run of this test; NULL when all agree
-- As the extension's owner, who sees the rows as they are; of this test's runs only.
CREATE FUNCTION workflow_test._replays() RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    run     uuid;
    is_open boolean;
    stored  jsonb;
    rebuilt jsonb;
    detail  text;
BEGIN
    FOREACH run IN ARRAY workflow_test._runs() LOOP
        SELECT to_jsonb(e) - '{ready,crashes,deadline_timer,updates}'::text[]
               || CASE WHEN e.phase = 'Closed' THEN jsonb_build_object('status', e.outcome -> 'Status') ELSE '{}' END
        INTO stored
        FROM workflow.execution e WHERE e.shard_key = workflow.shard_key(run) AND e.run_id = run;
        is_open := FOUND;
        IF NOT is_open THEN
            SELECT to_jsonb(c) - '{closed_at,events,output,error,cause,public_error,machine,next_run_id}'::text[]
                   || jsonb_build_object(
                          'phase', 'Closed', 'next_event_id', c.events + 1,
                          'outcome', jsonb_strip_nulls(jsonb_build_object('Status', c.status, 'Error', c.error, 'Cause', c.cause,
                                                                          'PublicError', c.public_error))
                                     || CASE WHEN c.output IS NULL THEN '{}' ELSE jsonb_build_object('Output', c.output) END)
            INTO stored
            FROM workflow.closed_execution c WHERE c.shard_key = workflow.shard_key(run) AND c.run_id = run;
            CONTINUE WHEN NOT FOUND;    -- a schedule
        END IF;
        rebuilt := to_jsonb(workflow.rebuild_state(run));
        IF NOT is_open THEN
            rebuilt := rebuilt #- '{outcome,NonRetryable}';    -- decided whether it was retried
        END IF;
        detail := (SELECT string_agg(format('%s is %s, by history %s', s.key, s.value, rebuilt -> s.key), '; ' ORDER BY s.key)
                   FROM jsonb_each(stored) s WHERE s.value IS DISTINCT FROM rebuilt -> s.key);
        EXIT WHEN detail IS NOT NULL;
    END LOOP;
    RETURN detail;
EXCEPTION WHEN data_corrupted THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN detail;
END
$$;
COMMENT ON FUNCTION workflow_test._replays() IS 'Internal: how a run of this test differs from what its history leads to';

-- _undoable: the states whose work is undone once it is complete
CREATE FUNCTION workflow_test._undoable(source text) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT coalesce(array_agg(s.name ORDER BY s.n), '{}')
    FROM workflow.definition_states(source) s
    WHERE s.state ->> 'Type' = 'Task' AND s.state::jsonb ? 'Compensate' AND s.state #>> '{Compensate,When}' IS DISTINCT FROM 'Scheduled'
      AND s.state ->> 'Resource' NOT LIKE '%.waitForTaskToken';
END;
COMMENT ON FUNCTION workflow_test._undoable(text) IS 'Internal: the states whose work is undone once it is complete';

-- _compensated: what is wrong with the compensations of this test's runs; NULL when nothing is
--   undoable  of the workflow id, as _undoable says: their k-th completion recorded the k-th to be undone
CREATE FUNCTION workflow_test._compensated(of_id text, undoable text[]) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN (
        WITH run AS MATERIALIZED (
            SELECT e.run_id, e.workflow_id, e.status, count(*) OVER (PARTITION BY e.workflow_id) = 1 AS alone    -- nothing was carried over
            FROM unnest(workflow_test._runs()) AS r (run_id)
            CROSS JOIN LATERAL workflow.get_execution(r.run_id) e
        ), undo AS MATERIALIZED (
            SELECT r.run_id, r.workflow_id, r.status AS run_status, r.alone, c.sequence, c.state, c.activity, c.status,
                   row_number() OVER (PARTITION BY r.run_id, c.state ORDER BY c.sequence) AS nth
            FROM run r
            JOIN workflow.compensations c ON c.shard_key = workflow.shard_key(r.run_id) AND c.run_id = r.run_id
        ), event AS MATERIALIZED (
            SELECT r.run_id, h.event_id, h.event_type, h.state, coalesce(h.branch_id, 0) AS branch_id,
                   (h.attributes ->> 'compensation')::int AS sequence
            FROM run r
            CROSS JOIN LATERAL workflow.get_history(r.run_id) h
            WHERE h.event_type IN ('ActivityTaskScheduled', 'ActivityTaskCompleted')
        ), forward AS (
            SELECT v.run_id, v.event_id, v.state, v.branch_id, row_number() OVER (PARTITION BY v.run_id, v.state ORDER BY v.event_id) AS nth
            FROM event v
            JOIN run r ON r.run_id = v.run_id AND r.alone AND r.workflow_id = of_id
            WHERE v.event_type = 'ActivityTaskCompleted' AND v.sequence IS NULL AND v.state = ANY (undoable)
        ), placed AS (
            SELECT u.*, f.event_id AS recorded_by, f.branch_id,
                   (SELECT min(v.event_id) FROM event v
                    WHERE v.run_id = u.run_id AND v.sequence = u.sequence AND v.event_type = 'ActivityTaskScheduled') AS begun_by
            FROM undo u
            LEFT JOIN forward f ON f.run_id = u.run_id AND f.state = u.state AND f.nth = u.nth
        ), fault (workflow_id, what) AS (
            SELECT u.workflow_id, format('%s of state %s has not been run, though the run is %s', u.activity, u.state, u.run_status)
            FROM undo u
            WHERE u.status = 'Recorded' AND u.run_status IN ('Failed', 'Canceled', 'TimedOut')
            UNION ALL
            SELECT u.workflow_id, format('%s of state %s has completed %s times', u.activity, u.state, v.times)
            FROM undo u
            CROSS JOIN LATERAL (SELECT count(*) FROM event v WHERE v.run_id = u.run_id AND v.sequence = u.sequence
                                                               AND v.event_type = 'ActivityTaskCompleted') v (times)
            WHERE v.times <> (u.status = 'Completed')::int
            UNION ALL
            SELECT r.workflow_id, format('state %s has completed, and nothing will undo it', f.state)
            FROM forward f
            JOIN run r ON r.run_id = f.run_id
            WHERE r.status IN ('Failed', 'Canceled', 'TimedOut') AND NOT EXISTS (SELECT FROM undo u WHERE u.run_id = f.run_id AND u.state = f.state AND u.nth = f.nth)
            UNION ALL
            SELECT a.workflow_id, format('%s of state %s ran before %s of state %s, which was done later',
                                         a.activity, a.state, b.activity, b.state)
            FROM placed a
            JOIN placed b ON b.run_id = a.run_id AND b.branch_id = a.branch_id AND b.sequence > a.sequence
            WHERE b.recorded_by < a.begun_by AND coalesce(a.begun_by < b.begun_by, false)
        )
        SELECT format('workflow %s: %s', f.workflow_id, f.what) FROM fault f LIMIT 1);
END
$$;
COMMENT ON FUNCTION workflow_test._compensated(text, text[]) IS 'Internal: what is wrong with the compensations of this test''s runs';

-- _messages: what has become of messages that no run has taken in; NULL when there is none.  As the extension's owner, as above.
CREATE FUNCTION workflow_test._messages() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN (
        SELECT format('a message (%s) to workflow %s has not been read, though the run is %s', m.kind, e.workflow_id, e.status)
        FROM unnest(workflow_test._runs()) r (run_id)
        JOIN workflow.execution e ON e.shard_key = workflow.shard_key(r.run_id) AND e.run_id = r.run_id
        JOIN workflow.message m ON m.shard_key = e.shard_key AND m.run_id = e.run_id
        LIMIT 1);
END
$$;
COMMENT ON FUNCTION workflow_test._messages() IS 'Internal: messages to this test''s runs that none has read';

-- _broken: the first invariant that does not hold, and how.  Null holds, as in a check constraint.
--   ready_made  those of them that are asked for
--   undoable    as _undoable says
CREATE FUNCTION workflow_test._broken(of_id text, invariants text[], ready_made text[], undoable text[], stopped boolean,
                                      OUT status text, OUT invariant text, OUT detail text)
    LANGUAGE plpgsql
AS $$
DECLARE
    facts workflow_test.explored_run;
    state text;
    holds boolean;
BEGIN
    SELECT e.status, e.state INTO status, state FROM workflow.get_execution(of_id) e;
    FOREACH invariant IN ARRAY coalesce(ready_made, '{}') LOOP
        detail := CASE invariant
                      WHEN 'ends' THEN CASE WHEN stopped THEN format('workflow %s goes on and on: it is in state %s', of_id, state)
                                            ELSE workflow_test._ends() END
                      WHEN 'compensated' THEN workflow_test._compensated(of_id, undoable)
                      WHEN 'messages' THEN CASE WHEN NOT stopped THEN workflow_test._messages() END
                      WHEN 'replays' THEN workflow_test._replays()
                  END;
        IF detail IS NOT NULL THEN
            RETURN;
        END IF;
    END LOOP;
    IF cardinality(invariants) > 0 THEN
        facts := workflow_test._facts(of_id);
    END IF;
    FOREACH invariant IN ARRAY coalesce(invariants, '{}') LOOP
        EXECUTE format('SELECT (%s) FROM (SELECT ($1).*) AS run', invariant) INTO holds USING facts;
        IF NOT holds THEN
            detail := concat_ws(', ', 'status ' || facts.status, 'error ' || facts.error, 'output ' || facts.output::text,
                                'done ' || facts.done::text, 'undone ' || facts.undone::text, 'signals ' || nullif(facts.signals::text, '{}'));
            RETURN;
        END IF;
    END LOOP;
    invariant := NULL;
END
$$;
COMMENT ON FUNCTION workflow_test._broken(text, text[], text[], text[], boolean) IS 'Internal: the first invariant that a run does not keep';

-- _ready_made: the names of the ready-made invariants, but for some
CREATE FUNCTION workflow_test._ready_made(without text[]) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known   CONSTANT text[] := '{ends,compensated,messages,replays}';
    unknown text := (SELECT w FROM unnest(without) w WHERE w <> ALL (known) LIMIT 1);
BEGIN
    IF unknown IS NOT NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('there is no ready-made invariant "%s"', unknown),
            HINT = format('They are %s.', array_to_string(known, ', '));
    END IF;
    RETURN ARRAY(SELECT k FROM unnest(known) WITH ORDINALITY AS k (k, n) WHERE k.k <> ALL (coalesce(without, '{}')) ORDER BY k.n);
END
$$;
COMMENT ON FUNCTION workflow_test._ready_made(text[]) IS 'Internal: the ready-made invariants that are left';

-- holds: passes when the run of a workflow id keeps an invariant: a boolean expression over workflow_test.explored_run, or the
-- name of a ready-made one
CREATE FUNCTION workflow_test.holds(workflow_id text, invariant text) RETURNS text
    LANGUAGE plpgsql
AS $$
DECLARE
    ready_made CONSTANT boolean := invariant = ANY (workflow_test._ready_made('{}'));
    broken record;
BEGIN
    SELECT * INTO broken
    FROM workflow_test._broken(workflow_id, CASE WHEN NOT ready_made THEN ARRAY[invariant] END,
                               CASE WHEN ready_made THEN ARRAY[invariant] END,
                               (SELECT workflow_test._undoable(d.source)
                                FROM workflow.get_execution(holds.workflow_id) e
                                JOIN workflow.definitions d ON d.workflow = e.workflow AND d.version = e.version), false);
    RETURN workflow_test._ok(broken.invariant IS NULL, format('workflow %s: %s', workflow_id, invariant), '    ' || broken.detail);
END
$$;
COMMENT ON FUNCTION workflow_test.holds(text, text) IS 'Passes when a run keeps an invariant';
