-- Exploring definitions: many runs, each with other failures, delays and messages, and what must hold (40_invariants.sql) whatever happens.
--
-- Each run is made in a subtransaction that is rolled back.  What happens to it is a script, an array of decisions (see
-- src/test_kit/explore.h): drawn at first, and when it makes the run break something, shortened for as long as it does.
-- Functions that run what a test brings along keep its search path; all others pin theirs.

-- _explore_begin, _explored, _explore_end: a test within the test, whose runs do what a script and chance decide
CREATE FUNCTION workflow_test._explore_begin(seed bigint, run int, menu jsonb, script jsonb, max_time interval, max_steps int)
RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_explore_begin';
COMMENT ON FUNCTION workflow_test._explore_begin(bigint, int, jsonb, jsonb, interval, int) IS
'Internal: begins a test within the test, whose runs do what a script decides, or chance';

CREATE FUNCTION workflow_test._explored()
RETURNS jsonb LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_explored';
COMMENT ON FUNCTION workflow_test._explored() IS 'Internal: what was decided, and how all calls were answered';

CREATE FUNCTION workflow_test._explore_end()
RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_explore_end';
COMMENT ON FUNCTION workflow_test._explore_end() IS 'Internal: goes back to the test that _explore_begin left';

CREATE FUNCTION workflow_test._explore_begins_at()
RETURNS timestamptz LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_explore_begins_at';
COMMENT ON FUNCTION workflow_test._explore_begins_at() IS 'Internal: where the clock of an exploration begins: as that of the test, if one has begun';

-- ---- what may happen ----

-- _sample: a value of a payload type that is a JSON Schema, as small as can be; of a composite type, {}
CREATE FUNCTION workflow_test._sample(type jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE
        WHEN type IS NULL OR jsonb_typeof(type) <> 'object' THEN '{}'
        WHEN type ? 'const' THEN type -> 'const'
        WHEN type ? 'enum' THEN type #> '{enum,0}'
        WHEN type ? 'default' THEN type -> 'default'
        WHEN type ->> 'type' = 'string' THEN to_jsonb(repeat('x', coalesce((type ->> 'minLength')::int, 1)))
        WHEN type ->> 'type' IN ('number', 'integer') THEN to_jsonb(coalesce((type ->> 'minimum')::numeric, 1))
        WHEN type ->> 'type' = 'boolean' THEN 'true'
        WHEN type ->> 'type' = 'null' THEN 'null'
        WHEN type ->> 'type' = 'array' THEN
            (SELECT coalesce(jsonb_agg(workflow_test._sample(type -> 'items')), '[]')
             FROM generate_series(1, coalesce((type ->> 'minItems')::int, 0)))
        ELSE (SELECT coalesce(jsonb_object_agg(r.name, workflow_test._sample(type #> ARRAY['properties', r.name])), '{}')
              FROM jsonb_array_elements_text(coalesce(type -> 'required', '[]')) r (name))
    END;
END
$$;
COMMENT ON FUNCTION workflow_test._sample(jsonb) IS 'Internal: a value of a type';

-- _explore_outcomes: how a call may end, besides well: {name: [outcome, …]} for each activity; "" is for those that are not named
CREATE FUNCTION workflow_test._explore_outcomes(source text, results jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH state AS MATERIALIZED (
        SELECT s.state::jsonb AS state, source::jsonb -> 'Defaults' AS defaults FROM workflow.definition_states(source) s
    ), called AS (
        SELECT workflow.task_activity(s.state) AS activity, s.defaults, s.state FROM state s
        WHERE s.state ->> 'Type' = 'Task' AND workflow.workflow_label(s.state) IS NULL
        UNION ALL
        SELECT workflow.task_activity(CASE jsonb_typeof(s.state -> 'Compensate') WHEN 'string' THEN jsonb_build_object('Resource', s.state -> 'Compensate')
                                                                                 ELSE s.state -> 'Compensate' END),
               s.defaults, CASE jsonb_typeof(s.state -> 'Compensate') WHEN 'object' THEN s.state -> 'Compensate' ELSE '{}' END
        FROM state s WHERE s.state ? 'Compensate'
    ), task AS (
        SELECT c.activity, c.state,
               coalesce(a.options, '{}') || coalesce(c.defaults, '{}') || c.state AS options
        FROM called c
        LEFT JOIN workflow.activities a ON a.name = c.activity
    ), limits AS (
        SELECT t.activity, t.options, least((t.options ->> 'StartToCloseSeconds')::numeric, (t.options ->> 'TimeoutSeconds')::numeric,
                                            (t.options ->> 'ScheduleToCloseSeconds')::numeric) AS seconds
        FROM task t
    ), outcome (activity, outcome) AS (
        SELECT l.activity, jsonb_build_object('error', e.error)
        FROM limits l
        CROSS JOIN LATERAL (SELECT jsonb_array_elements_text(jsonb_path_query_array(l.options, 'lax $.*[*].ErrorEquals[*]'))
                            UNION SELECT 'States.TaskFailed' UNION SELECT 'Unexpected') e (error)
        WHERE e.error NOT LIKE 'States.%' OR e.error = 'States.TaskFailed'
        UNION
        SELECT x.activity, jsonb_build_object('error', e.error)
        FROM (SELECT l.activity FROM limits l UNION SELECT '') x
        CROSS JOIN (SELECT jsonb_array_elements_text(jsonb_path_query_array(s.state, 'lax $.*[*].ErrorEquals[*]')) AS error
                    FROM state s WHERE s.state ->> 'Type' IN ('Parallel', 'Map')
                    UNION SELECT 'Unexpected') e
        WHERE e.error NOT LIKE 'States.%'
        UNION
        SELECT x.activity, '{"error": "Unexpected", "non_retryable": true}' FROM (SELECT l.activity FROM limits l UNION SELECT '') x
        UNION
        SELECT l.activity, jsonb_build_object('duration', concat(l.seconds + 1, ' s')) FROM limits l WHERE l.seconds IS NOT NULL
        UNION
        SELECT l.activity, jsonb_build_object('duration', concat(least(greatest(ceil(l.seconds / 2), 1), 10), ' s')) FROM limits l
        UNION
        SELECT l.activity, '{"error": "States.HeartbeatTimeout"}' FROM limits l WHERE l.options ? 'HeartbeatSeconds'
        UNION
        SELECT r.activity, jsonb_build_object('result', v.result)
        FROM jsonb_each(results) AS r (activity, alternatives)
        CROSS JOIN jsonb_array_elements(r.alternatives) AS v (result)
    )
    SELECT coalesce(jsonb_object_agg(g.activity, g.outcomes), '{}')
    FROM (SELECT o.activity, jsonb_agg(o.outcome ORDER BY o.outcome) AS outcomes
          FROM outcome o    -- what the definition names, more often
          CROSS JOIN generate_series(1, CASE WHEN o.outcome ->> 'error' NOT IN ('States.TaskFailed', 'Unexpected') OR o.outcome ? 'result' THEN 3 ELSE 1 END)
          WHERE o.activity IS NOT NULL GROUP BY o.activity) g;
END;
COMMENT ON FUNCTION workflow_test._explore_outcomes(text, jsonb) IS 'Internal: how the calls of a definition''s activities may end';

-- _explore_commands: what may come from outside: each signal, update and answer to a task token that the definition knows of, and
-- what operators do.  What stands here several times is drawn more often.
CREATE FUNCTION workflow_test._explore_commands(source text, of_id text) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH command (n, command, after, next, weight) AS (
        SELECT 1, format('SELECT workflow.signal(%L, %L, %L)', of_id, s.name, workflow_test._sample(s.declared -> 'Payload')), NULL, NULL, 4
        FROM jsonb_each(source::jsonb -> 'Signals') AS s (name, declared)
        UNION ALL
        SELECT 2, format('SELECT workflow.update(%L, %L, %L, %L)', of_id, u.name, workflow_test._sample(u.declared -> 'Payload'), '0'), NULL, NULL, 3
        FROM jsonb_each(source::jsonb -> 'Updates') AS u (name, declared)
        UNION ALL
        SELECT 3, a.command, NULL, NULL, a.weight
        FROM workflow.definition_states(source) s
        CROSS JOIN LATERAL (VALUES
            (format('SELECT workflow.complete_activity_by_id(%L, %L, %L)', of_id, s.name, '{}'), 3),
            (format('SELECT workflow.fail_activity_by_id(%L, %L, %L)', of_id, s.name, 'Unexpected'), 1)) AS a (command, weight)
        WHERE s.state ->> 'Resource' LIKE '%.waitForTaskToken'
        UNION ALL
        SELECT 4, format(o.command, of_id), o.after, format(o.next, of_id), o.weight
        FROM (VALUES ('SELECT workflow.cancel(%L)', NULL, NULL, 2),
                     ('SELECT workflow.terminate(%L)', NULL, NULL, 1),
                     ('SELECT workflow.pause(%L)', '60 s', 'SELECT workflow.resume(%L)', 2),
                     ('SELECT workflow.retry_compensation(%L)', NULL, NULL, 1)) AS o (command, after, next, weight)
    )
    SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('command', c.command, 'after', c.after, 'then', c.next))
                              ORDER BY c.n, c.command), '[]')
    FROM command c CROSS JOIN LATERAL generate_series(1, c.weight);
END;
COMMENT ON FUNCTION workflow_test._explore_commands(text, text) IS 'Internal: what may come from outside to a run';

-- _unregistered_children: the children that a definition names and that are not registered here: mocked, they succeed
CREATE FUNCTION workflow_test._unregistered_children(source text) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT coalesce(array_agg(DISTINCT c.workflow), '{}')
    FROM (SELECT substring(workflow.workflow_label(s.state::jsonb) FROM '^child workflow (.*)') AS workflow
          FROM workflow.definition_states(source) s) c
    WHERE c.workflow <> '' AND NOT EXISTS (SELECT FROM workflow.definitions d WHERE d.workflow = c.workflow);
END;
COMMENT ON FUNCTION workflow_test._unregistered_children(text) IS 'Internal: children that are not registered';

-- ---- runs ----

-- What is explored
CREATE TYPE workflow_test._exploration AS (
    workflow text, version int, source text, input jsonb, workflow_id text, seed bigint, invariants text[], ready_made text[],
    undoable text[], children text[], began_at timestamptz, max_time interval, max_steps int);
COMMENT ON TYPE workflow_test._exploration IS 'Internal: what is explored';

-- What has become of a run
CREATE TYPE workflow_test._trial AS (status text, invariant text, detail text, script jsonb, answers jsonb, seen text[], reached text[], stopped_at timestamptz);
COMMENT ON TYPE workflow_test._trial IS 'Internal: what has become of an explored run';

-- _explore_run: one run, rolled back.  Only errors of starting it, of invariants and of commands are errors; one that the
-- engine raises is a finding, named "no error".
CREATE FUNCTION workflow_test._explore_run(exploration workflow_test._exploration, run int, menu jsonb, script jsonb,
                                           known text[], reached text[]) RETURNS workflow_test._trial
    LANGUAGE plpgsql
AS $$
DECLARE
    trial    workflow_test._trial;
    broken   record;
    explored jsonb;
    phase    text := 'start';
    state    text;
    message  text;
BEGIN
    PERFORM workflow_test._explore_begin(exploration.seed, run, menu, script, exploration.max_time, exploration.max_steps);
    BEGIN
        PERFORM workflow_test._mock('workflow', c.name, '{"result": {}}') FROM unnest(exploration.children) AS c (name);
        PERFORM workflow.start(exploration.workflow, exploration.input, exploration.workflow_id, exploration.version);
        phase := 'run';
        PERFORM workflow_test.run();
        phase := 'check';
        explored := workflow_test._explored();
        SELECT * INTO broken FROM workflow_test._broken(exploration.workflow_id, exploration.invariants, exploration.ready_made, exploration.undoable,
                                                        (explored -> 'stopped')::boolean);
        trial := ROW(broken.status, broken.invariant, broken.detail, explored -> 'script', explored -> 'answers',
                     '{}'::text[], reached, CASE WHEN explored -> 'stopped' = 'true' THEN workflow_test.now() END);
        trial.seen := CASE WHEN reached IS NOT NULL AND broken.invariant IS NULL THEN workflow_test._seen(known) END;
        IF cardinality(trial.seen) > 0 THEN
            trial.reached := workflow_test._reached(exploration.workflow, exploration.version, reached);
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'OWT00', MESSAGE = 'rolled back';
    EXCEPTION
        WHEN SQLSTATE 'OWT00' THEN NULL;
        WHEN OTHERS THEN
            IF phase <> 'run' THEN
                PERFORM workflow_test._explore_end();
                RAISE;
            END IF;
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
            explored := workflow_test._explored();
            trial := ROW('Error', 'no error', concat(state, ': ', message), explored -> 'script', explored -> 'answers', '{}'::text[], reached, NULL);
    END;
    PERFORM workflow_test._explore_end();
    RETURN trial;
END
$$;
COMMENT ON FUNCTION workflow_test._explore_run(workflow_test._exploration, int, jsonb, jsonb, text[], text[]) IS
'Internal: makes one run, and rolls it back';

-- _seen: what has happened in this test's runs that is not known: steps from one event to the next, with their states and errors
CREATE FUNCTION workflow_test._seen(known text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT step.step
        FROM (SELECT concat_ws('|', lag(h.state) OVER w, lag(h.event_type) OVER w, h.state, h.event_type, h.attributes ->> 'error') AS step
              FROM unnest(workflow_test._runs()) AS r (run_id)
              CROSS JOIN LATERAL workflow.get_history(r.run_id) h
              WINDOW w AS (PARTITION BY r.run_id, h.branch_id ORDER BY h.event_id)) step
        WHERE step.step <> ALL (known));
END
$$;
COMMENT ON FUNCTION workflow_test._seen(text[]) IS 'Internal: what has happened in this test''s runs that is not known';

-- _items: workflow_test.coverage, with a text for each item
CREATE FUNCTION workflow_test._items(of_workflow text, of_version int) RETURNS TABLE (n bigint, item text, taken bigint)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT c.n, concat_ws(' ', c.kind, c.state, '-> ' || c.target, '(' || c.label || ')'), c.taken
    FROM workflow_test.coverage(of_workflow, of_version) c;
END;
COMMENT ON FUNCTION workflow_test._items(text, int) IS 'Internal: what there is of a definition to be gone through';

-- _reached: what of a definition this test's runs have been through, besides what is known
CREATE FUNCTION workflow_test._reached(of_workflow text, of_version int, known text[]) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT known || ARRAY(SELECT i.item FROM workflow_test._items(of_workflow, of_version) i WHERE i.taken > 0 AND i.item <> ALL (known));
END;
COMMENT ON FUNCTION workflow_test._reached(text, int, text[]) IS 'Internal: what of a definition this test''s runs have been through';

-- ---- scripts ----

-- _explore_shorter: scripts that are simpler than this one, the shortest first: without some decisions, then with one made simpler
CREATE FUNCTION workflow_test._explore_shorter(script jsonb) RETURNS SETOF jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    size     CONSTANT int := jsonb_array_length(script);
    chunk    int := size;
    decision jsonb;
BEGIN
    WHILE chunk > 0 LOOP
        RETURN QUERY
        SELECT coalesce(jsonb_agg(d.decision ORDER BY d.n) FILTER (WHERE d.n NOT BETWEEN first AND first + chunk - 1), '[]')
        FROM generate_series(1, size, chunk) AS first
        CROSS JOIN jsonb_array_elements(script) WITH ORDINALITY AS d (decision, n)
        GROUP BY first ORDER BY first DESC;
        chunk := chunk / 2;
    END LOOP;
    FOR i IN 0..size - 1 LOOP
        decision := script -> i;
        RETURN QUERY
        SELECT jsonb_set(script, ARRAY[i::text], s.simpler)
        FROM (VALUES (1, CASE WHEN decision ? 'command' THEN decision - 'at' END),
                     (2, CASE WHEN decision ->> 'at' <> '0 s' THEN decision || '{"at": "0 s"}' END),
                     (3, CASE WHEN decision ? 'then' THEN decision - '{then,after}'::text[] END),
                     (4, CASE WHEN (decision -> 'call')::int > 1 THEN decision || '{"call": 1}' END),
                     (5, CASE WHEN (decision -> 'call')::int > 2 THEN decision || jsonb_build_object('call', (decision -> 'call')::int - 1) END),
                     (6, CASE WHEN decision ? 'non_retryable' THEN decision - 'non_retryable' END),
                     (7, CASE WHEN decision ->> 'error' <> 'Unexpected' THEN decision || '{"error": "Unexpected"}' END),
                     (8, CASE WHEN decision ? 'duration' THEN decision - 'duration' || '{"error": "Unexpected"}' END),
                     (9, CASE WHEN (decision ->> 'at')::interval > '1 s'
                              THEN decision || jsonb_build_object('at', floor(extract(epoch FROM (decision ->> 'at')::interval) / 2) || ' s') END)
             ) AS s (n, simpler)
        WHERE s.simpler IS NOT NULL AND s.simpler <> decision
        ORDER BY s.n;
    END LOOP;
END
$$;
COMMENT ON FUNCTION workflow_test._explore_shorter(jsonb) IS 'Internal: scripts that are simpler than this one';

-- _explore_shorten: the simplest script that breaks the same invariant, as far as can be found by one change after the other
CREATE FUNCTION workflow_test._explore_shorten(exploration workflow_test._exploration, run int, trial workflow_test._trial)
RETURNS workflow_test._trial
    LANGUAGE plpgsql
AS $$
DECLARE
    tried   jsonb[] := ARRAY[trial.script];
    shorter jsonb;
    another workflow_test._trial;
    better  boolean := true;
BEGIN
    WHILE better LOOP
        better := false;
        FOR shorter IN SELECT * FROM workflow_test._explore_shorter(trial.script) LOOP
            CONTINUE WHEN shorter = ANY (tried);
            EXIT WHEN cardinality(tried) >= 2000;
            tried := tried || shorter;
            another := workflow_test._explore_run(exploration, run, NULL, shorter, '{}', NULL);
            IF another.invariant = trial.invariant
                AND (another.detail = trial.detail OR another.invariant <> 'no error') THEN
                trial := another;
                tried := tried || trial.script;
                better := true;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
    RETURN trial;
END
$$;
COMMENT ON FUNCTION workflow_test._explore_shorten(workflow_test._exploration, int, workflow_test._trial) IS
'Internal: the simplest script that breaks the same invariant';

-- _dollar_quoted: a text as a literal that is easily read
CREATE FUNCTION workflow_test._dollar_quoted(content text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN strpos(content, '$$') = 0 AND right(content, 1) <> '$' THEN concat('$$', content, '$$') ELSE quote_literal(content) END;
END;
COMMENT ON FUNCTION workflow_test._dollar_quoted(text) IS 'Internal: a text as a literal';

-- _explore_test: a script as a test of its own, with all that was answered to calls
CREATE FUNCTION workflow_test._explore_test(exploration workflow_test._exploration, trial workflow_test._trial) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH answer AS (
        SELECT a.n, coalesce(a.answer ->> 'activity', a.answer ->> 'workflow') AS name, a.answer ? 'activity' AS is_activity,
               a.answer - '{activity,workflow}'::text[] AS answer
        FROM jsonb_array_elements(trial.answers) WITH ORDINALITY AS a (answer, n)
    ), numbered AS (
        -- equal answers that follow one another are one mock
        SELECT a.*, row_number() OVER (PARTITION BY a.is_activity, a.name ORDER BY a.n)
                    - row_number() OVER (PARTITION BY a.is_activity, a.name, a.answer ORDER BY a.n) AS run,
               max(a.n) OVER (PARTITION BY a.is_activity, a.name) AS last
        FROM answer a
    ), mock AS (
        SELECT min(n.n) AS n, n.name, n.is_activity, n.answer, CASE WHEN max(n.n) <> max(n.last) THEN count(*) END AS times
        FROM numbered n GROUP BY n.name, n.is_activity, n.answer, n.run
    ), decision AS (
        SELECT d.n, d.decision FROM jsonb_array_elements(trial.script) WITH ORDINALITY AS d (decision, n) WHERE d.decision ? 'command'
    ), line (part, n, line) AS (
        SELECT 1, 0, format('SELECT workflow_test.begin(%s);', quote_literal(nullif(exploration.began_at, '2030-01-01 00:00:00+00')))
        UNION ALL
        SELECT 2, m.n, format('SELECT workflow_test.mock_%s(%s);', CASE WHEN m.is_activity THEN 'activity' ELSE 'workflow' END, concat_ws(', ',
                   quote_literal(m.name), quote_literal(m.answer -> 'result'), 'error => ' || quote_literal(m.answer ->> 'error'),
                   'message => ' || quote_literal(m.answer ->> 'message'), 'times => ' || m.times,
                   'duration => ' || quote_literal(m.answer ->> 'duration'),
                   CASE WHEN m.answer ? 'non_retryable' THEN 'non_retryable => true' END, CASE WHEN m.answer ? 'never' THEN 'never => true' END,
                   'compute => ' || workflow_test._dollar_quoted(m.answer ->> 'compute'), 'heartbeat => ' || quote_literal(m.answer -> 'heartbeat'),
                   'next_retry_delay => ' || quote_literal(m.answer ->> 'next_retry_delay'),
                   'details => ' || quote_literal(m.answer -> 'details')))
        FROM mock m
        UNION ALL
        SELECT 3, d.n, format('SELECT workflow_test.at(%L, %s);', d.decision ->> 'at', workflow_test._dollar_quoted(d.decision ->> 'command'))
        FROM decision d WHERE d.decision ? 'at'
        UNION ALL
        SELECT 3, d.n, format('SELECT workflow_test.at(%L, %s);',
                              concat(extract(epoch FROM coalesce((d.decision ->> 'at')::interval, '0') + (d.decision ->> 'after')::interval)::float8, ' s'),
                              workflow_test._dollar_quoted(d.decision ->> 'then'))
        FROM decision d WHERE d.decision ? 'then'
        UNION ALL
        SELECT 4, 0, format('SELECT workflow.start(%s);', concat_ws(', ', quote_literal(exploration.workflow), quote_literal(exploration.input),
                                                                   quote_literal(exploration.workflow_id), 'version => ' || exploration.version))
        UNION ALL
        SELECT 5, d.n, concat(d.decision ->> 'command', ';') FROM decision d WHERE NOT d.decision ? 'at'
        UNION ALL
        SELECT 6, 0, format('SELECT workflow_test.run(%s);', 'until => ' || quote_literal(trial.stopped_at))
        UNION ALL
        SELECT 7, 0, format('SELECT workflow_test.holds(%L, %s);', exploration.workflow_id, workflow_test._dollar_quoted(trial.invariant))
        WHERE trial.invariant <> 'no error'
    )
    SELECT string_agg(l.line, E'\n' ORDER BY l.part, l.n) FROM line l;
END;
COMMENT ON FUNCTION workflow_test._explore_test(workflow_test._exploration, workflow_test._trial) IS 'Internal: a script as a test of its own';

-- ---- explore ----

-- _exploration_of: what is explored, checked
CREATE FUNCTION workflow_test._exploration_of(workflow text, version int, input jsonb, workflow_id text, seed bigint, invariants text[],
                                              without text[], max_time interval, max_steps int) RETURNS workflow_test._exploration
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    definition record;
BEGIN
    SELECT d.version, d.source INTO definition
    FROM workflow.definitions d
    WHERE d.workflow = _exploration_of.workflow AND CASE WHEN _exploration_of.version IS NULL THEN d.is_current ELSE d.version = _exploration_of.version END;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE WHEN version IS NULL OR NOT EXISTS (SELECT FROM workflow.definitions d WHERE d.workflow = _exploration_of.workflow)
                           THEN 'OW002' ELSE 'OW006' END,
            MESSAGE = CASE WHEN version IS NULL THEN format('workflow "%s" is not registered', workflow)
                           ELSE format('workflow "%s" has no version %s', workflow, version) END;
    ELSIF invariants IS NOT NULL AND array_position(invariants, NULL) IS NOT NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'an invariant must not be null';
    ELSIF max_time IS NULL OR max_time <= '0' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'max_time must be positive';
    ELSIF max_steps IS NULL OR max_steps <= 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'max_steps must be positive';
    ELSIF input IS NULL OR workflow_id IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'input and workflow_id must not be null';
    END IF;
    RETURN ROW(workflow, version, definition.source, input, workflow_id, seed, invariants, workflow_test._ready_made(without),
               workflow_test._undoable(definition.source), workflow_test._unregistered_children(definition.source),
               workflow_test._explore_begins_at(), max_time, max_steps)::workflow_test._exploration;
END
$$;
COMMENT ON FUNCTION workflow_test._exploration_of(text, int, jsonb, text, bigint, text[], text[], interval, int) IS 'Internal: what is explored';

-- explore: makes many runs of a workflow, in each of which other calls fail, time out or take long, and other messages come;
-- stops at the first that breaks an invariant, and finds the shortest script that does
--   seed        the same one has the same happen; NULL: any
--   runs        how many; in the first nothing happens
--   invariants  boolean expressions over workflow_test.explored_run; null holds
--   results     results that activities may have, besides those of their mocks: {"Decide": [{"ok": true}, {"ok": false}]}
--   commands    what may be done from outside, at any time, in place of signals, updates, cancel, terminate and pause
--   without     ready-made invariants that need not hold: ends, compensated, messages, replays
--   max_time, max_steps  a run that takes longer does not end
-- One row: statuses, how many runs ended in each; not_reached, what of the definition none has been through; if an invariant
-- was broken, which, by which run, how, and by what script; test, the same as a test of its own.
CREATE FUNCTION workflow_test.explore(
    workflow text, input jsonb DEFAULT '{}', seed bigint DEFAULT NULL, runs int DEFAULT 100, invariants text[] DEFAULT NULL,
    results jsonb DEFAULT '{}', commands text[] DEFAULT NULL, without text[] DEFAULT '{}', workflow_id text DEFAULT 'explored',
    version int DEFAULT NULL, max_time interval DEFAULT '1 year', max_steps int DEFAULT 1000)
    RETURNS TABLE (used_seed bigint, runs_made int, statuses jsonb, not_reached text[], failed_run int, invariant text, detail text,
                   script jsonb, test text)
    LANGUAGE plpgsql
AS $$
DECLARE
    exploration workflow_test._exploration;
    menu        jsonb;
    trial       workflow_test._trial;
    items       text[];
    known       text[] := '{}';
    reached     text[] := '{}';
BEGIN
    used_seed := coalesce(seed, floor(random() * 1000000000)::bigint);
    exploration := workflow_test._exploration_of(workflow, version, input, workflow_id, used_seed, invariants, without, max_time, max_steps);
    IF runs IS NULL OR runs < 1 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'runs must be positive';
    ELSIF jsonb_typeof(results) <> 'object' OR results @? 'strict $.* ? (@.type() != "array")' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'results must be an object of arrays, by activity';
    END IF;
    menu := jsonb_build_object(
        'activities', workflow_test._explore_outcomes(exploration.source, results),
        'workflows', '{"": [{"error": "Unexpected"}, {"error": "States.Timeout"}]}'::jsonb,
        'commands', CASE WHEN commands IS NULL THEN workflow_test._explore_commands(exploration.source, workflow_id)
                         ELSE (SELECT coalesce(jsonb_agg(jsonb_build_object('command', c)), '[]') FROM unnest(commands) c) END);
    items := ARRAY(SELECT i.item FROM workflow_test._items(workflow, version) i ORDER BY i.n);
    statuses := '{}';
    FOR run IN 1..runs LOOP
        trial := workflow_test._explore_run(exploration, run, CASE WHEN run > 1 THEN menu END, NULL, known,
                                               CASE WHEN cardinality(reached) < cardinality(items) THEN reached END);
        reached := coalesce(trial.reached, reached);
        known := known || coalesce(trial.seen, '{}');
        statuses := statuses || jsonb_build_object(trial.status, coalesce((statuses -> trial.status)::int, 0) + 1);
        runs_made := run;
        IF trial.invariant IS NOT NULL THEN
            trial := workflow_test._explore_shorten(exploration, run, trial);
            failed_run := run;
            invariant := trial.invariant;
            detail := trial.detail;
            script := trial.script;
            test := workflow_test._explore_test(exploration, trial);
            EXIT;
        END IF;
    END LOOP;
    not_reached := ARRAY(SELECT i.item FROM unnest(items) WITH ORDINALITY AS i (item, n) WHERE i.item <> ALL (reached) ORDER BY i.n);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION workflow_test.explore(text, jsonb, bigint, int, text[], jsonb, text[], text[], text, int, interval, int) IS
'Makes many runs of a workflow, under random failures, delays and messages, and finds the shortest script that breaks an invariant';

-- explore_script: one run that follows a script; rolled back, too.  What it came to, and the first invariant that it broke
CREATE FUNCTION workflow_test.explore_script(
    workflow text, input jsonb, script jsonb, invariants text[] DEFAULT NULL, without text[] DEFAULT '{}', workflow_id text DEFAULT 'explored',
    version int DEFAULT NULL, max_time interval DEFAULT '1 year', max_steps int DEFAULT 1000,
    OUT status text, OUT invariant text, OUT detail text, OUT used jsonb, OUT test text)
    LANGUAGE plpgsql
AS $$
DECLARE
    exploration CONSTANT workflow_test._exploration :=
        workflow_test._exploration_of(workflow, version, input, workflow_id, 0, invariants, without, max_time, max_steps);
    trial workflow_test._trial;
BEGIN
    trial := workflow_test._explore_run(exploration, 1, NULL, coalesce(script, '[]'), '{}', NULL);
    status := trial.status;
    invariant := trial.invariant;
    detail := trial.detail;
    used := trial.script;
    test := workflow_test._explore_test(exploration, trial);
END
$$;
COMMENT ON FUNCTION workflow_test.explore_script(text, jsonb, jsonb, text[], text[], text, int, interval, int) IS
'Makes one run that follows a script of workflow_test.explore';

-- explores: passes when explore finds nothing; else tells the seed and the shortest test that fails
CREATE FUNCTION workflow_test.explores(
    workflow text, input jsonb DEFAULT '{}', invariants text[] DEFAULT NULL, seed bigint DEFAULT NULL, runs int DEFAULT 100,
    results jsonb DEFAULT '{}', commands text[] DEFAULT NULL, without text[] DEFAULT '{}', workflow_id text DEFAULT 'explored',
    version int DEFAULT NULL, max_time interval DEFAULT '1 year', max_steps int DEFAULT 1000)
    RETURNS text
    LANGUAGE plpgsql
AS $$
DECLARE
    found record;
BEGIN
    SELECT * INTO found
    FROM workflow_test.explore(workflow, input, seed, runs, invariants, results, commands, without, workflow_id, version, max_time, max_steps);
    RETURN workflow_test._ok(found.invariant IS NULL, format('%s keeps its invariants in %s runs', workflow, runs),
        format(E'    broken: %s\n    %s\n    by run %s of seed %s, and by this test:\n%s', found.invariant, found.detail, found.failed_run,
               found.used_seed, found.test));
END
$$;
COMMENT ON FUNCTION workflow_test.explores(text, jsonb, text[], bigint, int, jsonb, text[], text[], text, int, interval, int) IS
'Passes when workflow_test.explore finds nothing';
