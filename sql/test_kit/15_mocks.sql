-- What a test answers in the place of activities and of other workflows.

CREATE FUNCTION workflow_test._mock(kind text, name text, options jsonb)
RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_mock';
COMMENT ON FUNCTION workflow_test._mock(text, text, jsonb) IS 'Internal: a mock, with its options as an object';

CREATE FUNCTION workflow_test._mocks(OUT kind text, OUT name text, OUT used int, OUT answers int)
RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_mocks';
COMMENT ON FUNCTION workflow_test._mocks() IS 'Internal: the mocks of this test, what it allows and reacts to, by name';

CREATE FUNCTION workflow_test._nearest(name text, candidates text[])
RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_nearest';
COMMENT ON FUNCTION workflow_test._nearest(text, text[]) IS 'Internal: the candidate that is probably meant; null: none is like it';

-- mock_activity: answer calls of an activity.  Mocks are tried in the order given; the first that is for the call and has
-- uses left answers.
--   result, error, compute, never  what it answers, one of these; by default, null
--     compute        a SQL expression, or SELECT, over input, attempt and workflow_id, executed with the rights of the test; what
--                    it raises (workflow.throw) is the failure
--     never          no answer: the attempt times out, or lacks heartbeats
--   message, details, non_retryable, next_retry_delay  of the error
--   duration       how long it takes, on the test's clock; it may time out
--   heartbeat      details that are sent when the task is taken, of an activity of a task queue; a later attempt gets them
--   answers        a list of answers, of which each is for one call: [{"error": "Busy"}, {"result": 1, "duration": "1 h"}]
--   times          how often it answers
--   input          of calls whose input contains this
--   matching       …for which this predicate is true, or this filter finds something: $.amount > 100
--   attempt        …which are this attempt
--   workflow_id    …by the run of this id
CREATE FUNCTION workflow_test.mock_activity(activity text, result jsonb DEFAULT NULL, error text DEFAULT NULL,
    message text DEFAULT NULL, input jsonb DEFAULT NULL, times int DEFAULT NULL, duration interval DEFAULT NULL,
    non_retryable boolean DEFAULT NULL, details jsonb DEFAULT NULL, matching jsonpath DEFAULT NULL, attempt int DEFAULT NULL,
    workflow_id text DEFAULT NULL, answers jsonb DEFAULT NULL, compute text DEFAULT NULL, never boolean DEFAULT NULL,
    heartbeat jsonb DEFAULT NULL, next_retry_delay interval DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
    SELECT workflow_test._mock('activity', activity,
        (SELECT coalesce(pg_catalog.jsonb_object_agg(o.key, o.value), '{}') FROM (VALUES
            ('result', result), ('error', pg_catalog.to_jsonb(error)), ('message', pg_catalog.to_jsonb(message)), ('input', input),
            ('times', pg_catalog.to_jsonb(times)), ('duration', pg_catalog.to_jsonb(duration)),
            ('non_retryable', pg_catalog.to_jsonb(non_retryable)), ('details', details),
            ('matching', pg_catalog.to_jsonb(matching::text)), ('attempt', pg_catalog.to_jsonb(attempt)),
            ('workflow_id', pg_catalog.to_jsonb(workflow_id)), ('answers', answers), ('compute', pg_catalog.to_jsonb(compute)),
            ('never', pg_catalog.to_jsonb(never)), ('heartbeat', heartbeat),
            ('next_retry_delay', pg_catalog.to_jsonb(next_retry_delay))) AS o (key, value)
         WHERE o.value IS NOT NULL))
$$;
COMMENT ON FUNCTION workflow_test.mock_activity(text, jsonb, text, text, jsonb, int, interval, boolean, jsonb, jsonpath, int, text, jsonb,
    text, boolean, jsonb, interval) IS
'Answers calls of an activity with a result or an error';

-- mock_workflow: answer in the place of a child workflow, which is not started then and need not be registered.  Options are
-- those of mock_activity; workflow_id is the child's.  The child closes when duration has passed; the errors OW.ChildWorkflowCanceled,
-- OW.ChildWorkflowTerminated and States.Timeout stand for a child that closes so.
CREATE FUNCTION workflow_test.mock_workflow(workflow text, result jsonb DEFAULT NULL, error text DEFAULT NULL,
    message text DEFAULT NULL, input jsonb DEFAULT NULL, times int DEFAULT NULL, duration interval DEFAULT NULL,
    matching jsonpath DEFAULT NULL, workflow_id text DEFAULT NULL, answers jsonb DEFAULT NULL, compute text DEFAULT NULL,
    never boolean DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
    SELECT workflow_test._mock('workflow', workflow,
        (SELECT coalesce(pg_catalog.jsonb_object_agg(o.key, o.value), '{}') FROM (VALUES
            ('result', result), ('error', pg_catalog.to_jsonb(error)), ('message', pg_catalog.to_jsonb(message)), ('input', input),
            ('times', pg_catalog.to_jsonb(times)), ('duration', pg_catalog.to_jsonb(duration)),
            ('matching', pg_catalog.to_jsonb(matching::text)), ('workflow_id', pg_catalog.to_jsonb(workflow_id)),
            ('answers', answers), ('compute', pg_catalog.to_jsonb(compute)), ('never', pg_catalog.to_jsonb(never))) AS o (key, value)
         WHERE o.value IS NOT NULL))
$$;
COMMENT ON FUNCTION workflow_test.mock_workflow(text, jsonb, text, text, jsonb, int, interval, jsonpath, text, jsonb, text, boolean) IS
'Answers in the place of a child workflow, with a result or an error';

-- mock_signal: take signals that runs send to the workflow of this id, which need not be there; or refuse them with an error
--   signal    its name; NULL: any
--   input, matching  as of mock_activity, over the payload
CREATE FUNCTION workflow_test.mock_signal(workflow_id text, signal text DEFAULT NULL, error text DEFAULT NULL,
    message text DEFAULT NULL, input jsonb DEFAULT NULL, times int DEFAULT NULL, matching jsonpath DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
    SELECT workflow_test._mock('signal', workflow_id,
        (SELECT coalesce(pg_catalog.jsonb_object_agg(o.key, o.value), '{}') FROM (VALUES
            ('signal', pg_catalog.to_jsonb(signal)), ('error', pg_catalog.to_jsonb(error)), ('message', pg_catalog.to_jsonb(message)),
            ('input', input), ('times', pg_catalog.to_jsonb(times)), ('matching', pg_catalog.to_jsonb(matching::text))) AS o (key, value)
         WHERE o.value IS NOT NULL))
$$;
COMMENT ON FUNCTION workflow_test.mock_signal(text, text, text, text, jsonb, int, jsonpath) IS
'Takes or refuses signals that runs send to another workflow';

CREATE FUNCTION workflow_test.mock_cancel(workflow_id text, error text DEFAULT NULL, message text DEFAULT NULL, times int DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
    SELECT workflow_test._mock('cancel', workflow_id,
        (SELECT coalesce(pg_catalog.jsonb_object_agg(o.key, o.value), '{}') FROM (VALUES
            ('error', pg_catalog.to_jsonb(error)), ('message', pg_catalog.to_jsonb(message)),
            ('times', pg_catalog.to_jsonb(times))) AS o (key, value)
         WHERE o.value IS NOT NULL))
$$;
COMMENT ON FUNCTION workflow_test.mock_cancel(text, text, text, int) IS
'Takes or refuses cancels that runs ask for of another workflow';

-- To replace mocks: forget them, and make others.  What was called stays.
CREATE FUNCTION workflow_test.reset_mocks(name text DEFAULT NULL)
RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_reset_mocks';
COMMENT ON FUNCTION workflow_test.reset_mocks(text) IS
'Forgets the mocks of an activity, a workflow or a workflow id, or all of them; returns how many';

CREATE FUNCTION workflow_test.allow_activity(activity text)
RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_allow_activity';
COMMENT ON FUNCTION workflow_test.allow_activity(text) IS
'Lets calls of a SQL activity that no mock matches run really';

-- Of activities and workflows that definitions here call, whatever field of theirs does
CREATE FUNCTION workflow_test._used_names(OUT of_workflow boolean, OUT name text)
RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH used AS (
        SELECT u.task
        FROM workflow.definitions d,
             LATERAL (SELECT jsonb_path_query(d.definition, 'strict $.** ? (exists (@.Resource))', silent => true) UNION ALL
                      SELECT jsonb_build_object('Resource', c.name)
                      FROM jsonb_path_query(d.definition, 'strict $.**.Compensate ? (@.type() == "string")', silent => true) AS c (name)) AS u (task)
    )
    SELECT DISTINCT label IS NOT NULL, coalesce(substring(label FROM '^child workflow (.*)$'), workflow.task_activity(task))
    FROM used, LATERAL workflow.workflow_label(task || '{"Type": "Task"}') AS label
$$;
COMMENT ON FUNCTION workflow_test._used_names() IS 'Internal: the activities and workflows that definitions call';

-- Names that are neither registered nor used by a definition here are probably misspelt: for run(), when there are new mocks.  No
-- error, since a test may mock all it has first, and register workflows one by one.
CREATE FUNCTION workflow_test._check_names()
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named   record;
    nearest text;
BEGIN
    FOR named IN
        WITH known AS MATERIALIZED (
            SELECT false AS of_workflow, a.name FROM workflow.activities a
            UNION SELECT true, d.workflow FROM workflow.definitions d
            UNION SELECT u.of_workflow, u.name FROM workflow_test._used_names() u
        ), named AS (
            SELECT m.kind = 'workflow' AS of_workflow, m.name FROM workflow_test._mocks() m WHERE m.kind NOT IN ('signal', 'cancel')
            UNION SELECT e ->> 'kind' = 'workflow', e ->> 'name' FROM workflow_test._expectations() e WHERE e ->> 'kind' IN ('activity', 'workflow')
            UNION SELECT false, jsonb_array_elements_text(e -> 'activities') FROM workflow_test._expectations() e WHERE e ->> 'kind' = 'order'
        )
        SELECT n.of_workflow, n.name, ARRAY(SELECT k.name FROM known k WHERE k.of_workflow = n.of_workflow ORDER BY 1) AS candidates
        FROM named n
        WHERE NOT EXISTS (SELECT FROM known k WHERE k.of_workflow = n.of_workflow AND k.name = n.name)
        ORDER BY 1, 2
    LOOP
        nearest := workflow_test._nearest(named.name, named.candidates);
        RAISE WARNING '% "%" is neither registered nor used by any definition', CASE WHEN named.of_workflow THEN 'workflow' ELSE 'activity' END, named.name
            USING DETAIL = 'A mock or an expectation of this test names it.',
                  HINT = coalesce('Perhaps you meant "' || nearest || '".', 'Register the workflow that uses it before workflow_test.run().');
    END LOOP;
END
$$;
COMMENT ON FUNCTION workflow_test._check_names() IS 'Internal: warns when a mock or an expectation names what is not there';
