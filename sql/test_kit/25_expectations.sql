-- What a test expects to be called: asserted afterwards, or said before and verified in the end; with a table of what was called.

CREATE FUNCTION workflow_test._expect(expectation jsonb)
RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_expect';
COMMENT ON FUNCTION workflow_test._expect(jsonb) IS 'Internal: keeps an expectation of this test';

CREATE FUNCTION workflow_test._expectations()
RETURNS SETOF jsonb LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_expectations';
COMMENT ON FUNCTION workflow_test._expectations() IS 'Internal: the expectations of this test';

-- Everything that was called, of a kind: name is what mocks and expectations call it by, workflow_id whom they know it by
CREATE FUNCTION workflow_test._called(kind text, OUT n bigint, OUT name text, OUT workflow_id text, OUT signal text, OUT attempt int,
    OUT input jsonb, OUT called_at timestamptz)
RETURNS SETOF record LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.position, c.activity, c.workflow_id, NULL, c.attempt, c.input, c.called_at
    FROM workflow_test.calls() WITH ORDINALITY AS c (workflow_id, activity, state, attempt, compensation, input, called_at, position)
    WHERE kind = 'activity'
    UNION ALL
    SELECT r.position, coalesce(r.workflow, r.other_id), r.other_id, r.signal, NULL, r.input, r.called_at
    FROM workflow_test.requests() WITH ORDINALITY AS r (kind, workflow_id, workflow, other_id, signal, input, mocked, called_at, position)
    WHERE r.kind = _called.kind
    ORDER BY 1
$$;
COMMENT ON FUNCTION workflow_test._called(text) IS 'Internal: what was called, of a kind';

CREATE FUNCTION workflow_test._concerns(expectation jsonb, workflow_id text, signal text, attempt int, input jsonb)
RETURNS boolean LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'ow_test_concerns';
COMMENT ON FUNCTION workflow_test._concerns(jsonb, text, text, int, jsonb) IS 'Internal: is a call one that an expectation is about';

-- ---- words ----

CREATE FUNCTION workflow_test._times(times bigint)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE times WHEN 0 THEN 'never' WHEN 1 THEN 'once' ELSE times || ' times' END
$$;
COMMENT ON FUNCTION workflow_test._times(bigint) IS 'Internal: never, once, 2 times';

-- "activity Pay is called once, with input containing {"order": 1}"
CREATE FUNCTION workflow_test._describe(expectation jsonb)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat_ws(', ',
        concat_ws(' ',
            CASE expectation ->> 'kind'
                WHEN 'activity' THEN 'activity ' || (expectation ->> 'name') || ' is called'
                WHEN 'workflow' THEN 'child workflow ' || (expectation ->> 'name') || ' is started'
                WHEN 'signal' THEN concat_ws(' ', 'signal', expectation ->> 'signal', 'is sent to workflow', expectation ->> 'name')
                WHEN 'cancel' THEN 'workflow ' || (expectation ->> 'name') || ' is asked to cancel'
            END,
            CASE WHEN expectation ? 'times' THEN workflow_test._times((expectation ->> 'times')::bigint)
                 ELSE concat_ws(' and ', 'at least ' || workflow_test._times((expectation ->> 'at_least')::bigint),
                                         'at most ' || workflow_test._times((expectation ->> 'at_most')::bigint)) END),
        'with input containing ' || (expectation ->> 'input'),
        'matching ' || (expectation ->> 'matching'),
        'in attempt ' || (expectation ->> 'attempt'),
        CASE expectation ->> 'kind' WHEN 'activity' THEN 'by workflow ' || (expectation ->> 'workflow_id')
                                    WHEN 'workflow' THEN 'as ' || (expectation ->> 'workflow_id') END)
$$;
COMMENT ON FUNCTION workflow_test._describe(jsonb) IS 'Internal: an expectation in words';

-- Rows of cells as a table with a heading, each column as wide as it must be
CREATE FUNCTION workflow_test._table(heading text[], cells jsonb)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH cell AS (
        SELECT 0 AS n, h.position, h.cell FROM unnest(heading) WITH ORDINALITY AS h (cell, position)
        UNION ALL
        SELECT r.n, c.position, CASE WHEN length(c.cell) > 100 THEN left(c.cell, 99) || '…' ELSE coalesce(c.cell, '') END
        FROM jsonb_array_elements(cells) WITH ORDINALITY AS r (cells, n), jsonb_array_elements_text(r.cells) WITH ORDINALITY AS c (cell, position)
    ), padded AS (
        SELECT c.n, c.position, rpad(c.cell, max(length(c.cell)) OVER (PARTITION BY c.position)) AS cell FROM cell c
    )
    SELECT string_agg('      ' || line.text, E'\n' ORDER BY line.n)
    FROM (SELECT p.n, rtrim(string_agg(p.cell, ' | ' ORDER BY p.position)) AS text FROM padded p GROUP BY p.n) AS line
$$;
COMMENT ON FUNCTION workflow_test._table(text[], jsonb) IS 'Internal: rows of cells as a table';

-- The calls of that name, and which of them count; or, when there were none, the names that there were
CREATE FUNCTION workflow_test._calls_table(expectation jsonb)
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH called AS MATERIALIZED (SELECT * FROM workflow_test._called(expectation ->> 'kind')),
    wanted AS (
        SELECT c.*, workflow_test._concerns(expectation, c.workflow_id, c.signal, c.attempt, c.input) AS counts
        FROM called c
        WHERE c.name = expectation ->> 'name'
    )
    SELECT CASE
        WHEN EXISTS (SELECT FROM wanted) THEN (
            SELECT workflow_test._table(
                CASE expectation ->> 'kind' WHEN 'activity' THEN '{call,workflow,attempt,at,input,counts}'::text[]
                                            WHEN 'workflow' THEN '{call,workflow id,at,input,counts}'
                                            ELSE '{call,signal,at,input,counts}' END,
                jsonb_agg(CASE expectation ->> 'kind'
                    WHEN 'activity' THEN jsonb_build_array(w.n, w.workflow_id, w.attempt, w.called_at, w.input::text, m.mark)
                    WHEN 'workflow' THEN jsonb_build_array(w.n, w.workflow_id, w.called_at, w.input::text, m.mark)
                    ELSE jsonb_build_array(w.n, coalesce(w.signal, '-'), w.called_at, w.input::text, m.mark) END ORDER BY w.n))
            FROM wanted w, LATERAL (SELECT CASE WHEN w.counts THEN 'yes' ELSE 'no' END AS mark) m)
        ELSE '      called were: ' || coalesce((SELECT string_agg(DISTINCT c.name, ', ') FROM called c), 'none') END
$$;
COMMENT ON FUNCTION workflow_test._calls_table(jsonb) IS 'Internal: what was called of what an expectation names';

-- ---- verdicts ----

CREATE FUNCTION workflow_test._judge_count(expectation jsonb, OUT passed boolean, OUT description text, OUT diagnostics text)
RETURNS record LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    times bigint := (SELECT count(*) FROM workflow_test._called(expectation ->> 'kind') c
                     WHERE c.name = expectation ->> 'name'
                       AND workflow_test._concerns(expectation, c.workflow_id, c.signal, c.attempt, c.input));
BEGIN
    passed := times = coalesce((expectation ->> 'times')::bigint, times)
              AND times BETWEEN coalesce((expectation ->> 'at_least')::bigint, times) AND coalesce((expectation ->> 'at_most')::bigint, times);
    description := workflow_test._describe(expectation);
    IF NOT passed THEN
        diagnostics := format(E'    expected: %s\n    actual:   %s\n%s', description, workflow_test._times(times),
                              workflow_test._calls_table(expectation));
    END IF;
END
$$;
COMMENT ON FUNCTION workflow_test._judge_count(jsonb) IS 'Internal: was something called as often as expected';

-- One after the other, whatever is called in between
CREATE FUNCTION workflow_test._judge_order(expectation jsonb, OUT passed boolean, OUT description text, OUT diagnostics text)
RETURNS record LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted   text[] := ARRAY(SELECT jsonb_array_elements_text(expectation -> 'activities'));
    position int := 1;
    called   record;
    cells    jsonb := '[]';
BEGIN
    description := concat_ws(', ', 'activities are called in the order ' || array_to_string(wanted, ', '), 'by workflow ' || (expectation ->> 'workflow_id'));
    FOR called IN SELECT c.* FROM workflow_test._called('activity') c
                  WHERE NOT expectation ? 'workflow_id' OR c.workflow_id = expectation ->> 'workflow_id' ORDER BY c.n LOOP
        IF called.name = ANY (wanted) THEN
            cells := cells || jsonb_build_array(jsonb_build_array(called.n, called.name, called.workflow_id, called.attempt, called.called_at,
                         called.input::text, CASE WHEN called.name = wanted[position] THEN position::text ELSE '' END));
        END IF;
        IF called.name = wanted[position] THEN
            position := position + 1;
        END IF;
    END LOOP;
    passed := position > cardinality(wanted);
    IF NOT passed THEN
        diagnostics := format(E'    expected: %s\n    actual:   no call of %s%s\n%s', description, wanted[position],
            CASE WHEN position > 1 THEN ' after that of ' || wanted[position - 1] ELSE '' END,
            CASE WHEN cells = '[]' THEN '      none of them was called'
                 ELSE workflow_test._table('{call,activity,workflow,attempt,at,input,in order}', cells) END);
    END IF;
END
$$;
COMMENT ON FUNCTION workflow_test._judge_order(jsonb) IS 'Internal: were activities called in the order expected';

CREATE FUNCTION workflow_test._judge_unused(OUT passed boolean, OUT description text, OUT diagnostics text)
RETURNS record LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) = 0, 'all mocks are used',
           E'    not used:\n' || workflow_test._table('{mock,of,used}', jsonb_agg(jsonb_build_array(m.name, m.kind,
               workflow_test._times(m.used) || CASE WHEN m.answers > 1 THEN format(', of %s answers', m.answers) ELSE '' END)))
    FROM workflow_test._mocks() m
    WHERE (m.used = 0 AND m.kind <> 'allowed') OR (m.answers > 1 AND m.used < m.answers)
$$;
COMMENT ON FUNCTION workflow_test._judge_unused() IS 'Internal: was every mock used, with all its answers';

CREATE FUNCTION workflow_test._judge_all(unused_mocks boolean, OUT n bigint, OUT passed boolean, OUT description text, OUT diagnostics text)
RETURNS SETOF record LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    expectation jsonb;
BEGIN
    n := 0;
    FOR expectation IN SELECT * FROM workflow_test._expectations() LOOP
        n := n + 1;
        IF expectation ->> 'kind' = 'order' THEN
            SELECT j.* INTO passed, description, diagnostics FROM workflow_test._judge_order(expectation) j;
        ELSE
            SELECT j.* INTO passed, description, diagnostics FROM workflow_test._judge_count(expectation) j;
        END IF;
        RETURN NEXT;
    END LOOP;
    IF unused_mocks THEN
        n := n + 1;
        SELECT j.* INTO passed, description, diagnostics FROM workflow_test._judge_unused() j;
        RETURN NEXT;
    END IF;
END
$$;
COMMENT ON FUNCTION workflow_test._judge_all(boolean) IS 'Internal: a verdict on each expectation of this test';

-- ---- expectations ----

CREATE FUNCTION workflow_test._expect_calls(kind text, name text, times int, at_least int, at_most int, options jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF name IS NULL THEN
        RAISE EXCEPTION 'what is expected must not be null' USING ERRCODE = 'null_value_not_allowed';
    ELSIF times IS NOT NULL AND (at_least IS NOT NULL OR at_most IS NOT NULL) THEN
        RAISE EXCEPTION 'times does not go with at_least and at_most' USING ERRCODE = 'invalid_parameter_value';
    ELSIF least(times, at_least, at_most) < 0 THEN
        RAISE EXCEPTION 'times, at_least and at_most must not be negative' USING ERRCODE = 'invalid_parameter_value';
    ELSIF times IS NULL AND at_least IS NULL AND at_most IS NULL THEN
        at_least := 1;
    END IF;
    PERFORM workflow_test._expect(
        (SELECT jsonb_object_agg(o.key, o.value) FROM (VALUES
            ('kind', to_jsonb(kind)), ('name', to_jsonb(name)), ('times', to_jsonb(times)), ('at_least', to_jsonb(at_least)),
            ('at_most', to_jsonb(at_most))) AS o (key, value)
         WHERE o.value IS NOT NULL) || options);
END
$$;
COMMENT ON FUNCTION workflow_test._expect_calls(text, text, int, int, int, jsonb) IS 'Internal: keeps an expectation of so many calls';

-- The options that were given
CREATE FUNCTION workflow_test._given(keys text[], VARIADIC vals jsonb[])
RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}') FROM unnest(keys, vals) AS o (key, value) WHERE o.value IS NOT NULL
$$;
COMMENT ON FUNCTION workflow_test._given(text[], jsonb[]) IS 'Internal: an object of those members that are not null';

-- expect_activity: say how often an activity is to be called until verify(): at least once, times (0: never), at_least or at_most
--   input, matching, attempt, workflow_id  which calls count, as of mock_activity
CREATE FUNCTION workflow_test.expect_activity(activity text, times int DEFAULT NULL, at_least int DEFAULT NULL, at_most int DEFAULT NULL,
    input jsonb DEFAULT NULL, matching jsonpath DEFAULT NULL, attempt int DEFAULT NULL, workflow_id text DEFAULT NULL)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._expect_calls('activity', activity, times, at_least, at_most,
        workflow_test._given('{input,matching,attempt,workflow_id}', input, to_jsonb(matching::text), to_jsonb(attempt), to_jsonb(workflow_id)))
$$;
COMMENT ON FUNCTION workflow_test.expect_activity(text, int, int, int, jsonb, jsonpath, int, text) IS
'Expects an activity to be called so often, for workflow_test.verify()';

CREATE FUNCTION workflow_test.expect_workflow(workflow text, times int DEFAULT NULL, at_least int DEFAULT NULL, at_most int DEFAULT NULL,
    input jsonb DEFAULT NULL, matching jsonpath DEFAULT NULL, workflow_id text DEFAULT NULL)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._expect_calls('workflow', workflow, times, at_least, at_most,
        workflow_test._given('{input,matching,workflow_id}', input, to_jsonb(matching::text), to_jsonb(workflow_id)))
$$;
COMMENT ON FUNCTION workflow_test.expect_workflow(text, int, int, int, jsonb, jsonpath, text) IS
'Expects a child workflow to be started so often, mocked or real, for workflow_test.verify()';

-- input and matching are over the payload
CREATE FUNCTION workflow_test.expect_signal(workflow_id text, signal text DEFAULT NULL, times int DEFAULT NULL, at_least int DEFAULT NULL,
    at_most int DEFAULT NULL, input jsonb DEFAULT NULL, matching jsonpath DEFAULT NULL)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._expect_calls('signal', workflow_id, times, at_least, at_most,
        workflow_test._given('{signal,input,matching}', to_jsonb(signal), input, to_jsonb(matching::text)))
$$;
COMMENT ON FUNCTION workflow_test.expect_signal(text, text, int, int, int, jsonb, jsonpath) IS
'Expects runs to send a signal to another workflow so often, for workflow_test.verify()';

CREATE FUNCTION workflow_test.expect_cancel(workflow_id text, times int DEFAULT NULL, at_least int DEFAULT NULL, at_most int DEFAULT NULL)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._expect_calls('cancel', workflow_id, times, at_least, at_most, '{}')
$$;
COMMENT ON FUNCTION workflow_test.expect_cancel(text, int, int, int) IS
'Expects runs to ask for the cancel of another workflow so often, for workflow_test.verify()';

-- Whatever else is called in between
CREATE FUNCTION workflow_test.expect_order(activities text[], workflow_id text DEFAULT NULL)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._expect(jsonb_build_object('kind', 'order', 'activities', to_jsonb(activities))
                                 || workflow_test._given('{workflow_id}', to_jsonb(workflow_id)))
$$;
COMMENT ON FUNCTION workflow_test.expect_order(text[], text) IS
'Expects activities to be called one after the other, for workflow_test.verify()';

-- verify: one line of TAP for each expectation, in the order given
--   unused_mocks  one more, that passes when every mock and on_activity was used
CREATE FUNCTION workflow_test.verify(unused_mocks boolean DEFAULT false)
RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._ok(j.passed, j.description, j.diagnostics) FROM workflow_test._judge_all(unused_mocks) j ORDER BY j.n
$$;
COMMENT ON FUNCTION workflow_test.verify(boolean) IS 'Asserts what was expected of the calls of this test, one line for each expectation';

-- The same without pgTAP
CREATE FUNCTION workflow_test.assert_expectations(unused_mocks boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    failed record;
BEGIN
    SELECT count(*) FILTER (WHERE NOT j.passed) AS broken, count(*) AS expected,
           string_agg(j.diagnostics, E'\n' ORDER BY j.n) FILTER (WHERE NOT j.passed) AS diagnostics
    INTO failed
    FROM workflow_test._judge_all(unused_mocks) j;
    IF failed.broken > 0 THEN
        RAISE EXCEPTION '% of % expectations not met', failed.broken, failed.expected
            USING ERRCODE = 'assert_failure', DETAIL = ltrim(failed.diagnostics);
    END IF;
END
$$;
COMMENT ON FUNCTION workflow_test.assert_expectations(boolean) IS 'Raises when an expectation of this test is not met';

-- ---- assertions afterwards ----

CREATE FUNCTION workflow_test._assert(expectation jsonb)
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._ok(j.passed, j.description, j.diagnostics) FROM workflow_test._judge_count(expectation) j
$$;
COMMENT ON FUNCTION workflow_test._assert(jsonb) IS 'Internal: asserts an expectation now';

CREATE FUNCTION workflow_test.activity_called(activity text, times int)
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._assert(jsonb_build_object('kind', 'activity', 'name', activity, 'times', times))
$$;
COMMENT ON FUNCTION workflow_test.activity_called(text, int) IS 'Asserts how often an activity was called, retries included';

CREATE FUNCTION workflow_test.called_times(activity text, times int, input jsonb DEFAULT NULL, workflow_id text DEFAULT NULL)
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._assert(jsonb_build_object('kind', 'activity', 'name', activity, 'times', times)
                                 || workflow_test._given('{input,workflow_id}', input, to_jsonb(workflow_id)))
$$;
COMMENT ON FUNCTION workflow_test.called_times(text, int, jsonb, text) IS
'Asserts how often an activity was called, retries included, with input that contains this';

CREATE FUNCTION workflow_test.called_with(activity text, input jsonb, workflow_id text DEFAULT NULL)
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._assert(jsonb_build_object('kind', 'activity', 'name', activity, 'at_least', 1, 'input', input)
                                 || workflow_test._given('{workflow_id}', to_jsonb(workflow_id)))
$$;
COMMENT ON FUNCTION workflow_test.called_with(text, jsonb, text) IS 'Asserts that an activity was called with input that contains this';

CREATE FUNCTION workflow_test.not_called(activity text, workflow_id text DEFAULT NULL)
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._assert(jsonb_build_object('kind', 'activity', 'name', activity, 'times', 0)
                                 || workflow_test._given('{workflow_id}', to_jsonb(workflow_id)))
$$;
COMMENT ON FUNCTION workflow_test.not_called(text, text) IS 'Asserts that an activity was not called';

CREATE FUNCTION workflow_test.called_before(first text, second text, workflow_id text DEFAULT NULL)
RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._ok(j.passed, j.description, j.diagnostics)
    FROM workflow_test._judge_order(jsonb_build_object('kind', 'order', 'activities', jsonb_build_array(first, second))
                                    || workflow_test._given('{workflow_id}', to_jsonb(workflow_id))) j
$$;
COMMENT ON FUNCTION workflow_test.called_before(text, text, text) IS 'Asserts that an activity was called, and another after it';
