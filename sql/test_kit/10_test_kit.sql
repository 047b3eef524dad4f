-- Testing workflows on a virtual clock.  Everything acts on one transaction, which the test rolls back.

-- Start the virtual clock of this transaction.  Runs started from here on are driven by this session.  Called again, it starts
-- anew: without mocks, expectations and calls, and without the runs started before.
CREATE FUNCTION workflow_test.begin(at timestamptz DEFAULT '2030-01-01 00:00:00+00')
RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_begin';
COMMENT ON FUNCTION workflow_test.begin(timestamptz) IS
'Starts a virtual clock for this transaction, without mocks; runs started after it are driven by workflow_test.run';

CREATE FUNCTION workflow_test.run(until timestamptz DEFAULT NULL)
RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_run';
COMMENT ON FUNCTION workflow_test.run(timestamptz) IS
'Drives the test''s runs until idle or until a time, skipping time when nothing is in flight; returns the number of transitions';

CREATE FUNCTION workflow_test.advance(by interval)
RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_advance';
COMMENT ON FUNCTION workflow_test.advance(interval) IS
'Moves the test''s clock and drives what falls due on the way; returns the number of transitions';

-- Without skipping, run() does what can be done now, and the clock moves only as advance() and run(until) say.
CREATE FUNCTION workflow_test.skip_time(skip boolean DEFAULT true)
RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_skip_time';
COMMENT ON FUNCTION workflow_test.skip_time(boolean) IS
'Whether workflow_test.run() moves the clock to what is due next, as it does at first';

CREATE FUNCTION workflow_test.now()
RETURNS timestamptz LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_now';
COMMENT ON FUNCTION workflow_test.now() IS 'The test''s clock';

-- Execute a statement when the clock has moved on by `after`: a signal, a cancel.
CREATE FUNCTION workflow_test.at(after interval, command text)
RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_at';
COMMENT ON FUNCTION workflow_test.at(interval, text) IS 'Executes a statement when the test''s clock gets there';

CREATE FUNCTION workflow_test._on_activity(activity text, command text, options jsonb)
RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_on_activity';
COMMENT ON FUNCTION workflow_test._on_activity(text, text, jsonb) IS 'Internal: on_activity, with its options as an object';

-- on_activity: execute a statement when an activity is called, or so much later, while its mock's duration lasts: a signal,
-- a cancel, the answer to a task token
--   command      $1 is the workflow id of the run that calls, $2 the input
--   after        how long after the call
--   call         the n-th of the calls that match; NULL: each
--   input, matching, attempt, workflow_id  which calls, as of mock_activity
CREATE FUNCTION workflow_test.on_activity(activity text, command text, after interval DEFAULT '0', call int DEFAULT NULL,
    input jsonb DEFAULT NULL, matching jsonpath DEFAULT NULL, attempt int DEFAULT NULL, workflow_id text DEFAULT NULL)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT workflow_test._on_activity(activity, command,
        (SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}') FROM (VALUES
            ('after', to_jsonb(after)), ('call', to_jsonb(call)), ('input', input), ('matching', to_jsonb(matching::text)),
            ('attempt', to_jsonb(attempt)), ('workflow_id', to_jsonb(workflow_id))) AS o (key, value)
         WHERE o.value IS NOT NULL))
$$;
COMMENT ON FUNCTION workflow_test.on_activity(text, text, interval, int, jsonb, jsonpath, int, text) IS
'Executes a statement when an activity is called: $1 is the workflow id of the run that calls, $2 the input';

-- call_activity: call a SQL activity by itself, as an attempt of a run would, and give its result; what it raises is raised
--   attempt, last_failure, compensates, workflow_id  as its workflow.activity_context has them
CREATE FUNCTION workflow_test.call_activity(activity text, input jsonb DEFAULT '{}', attempt int DEFAULT 1, last_failure jsonb DEFAULT NULL,
    compensates jsonb DEFAULT NULL, workflow_id text DEFAULT 'test')
RETURNS jsonb LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_call_activity';
COMMENT ON FUNCTION workflow_test.call_activity(text, jsonb, int, jsonb, jsonb, text) IS
'Calls a SQL activity by itself, in whatever attempt, and gives its result';

CREATE FUNCTION workflow_test.calls(OUT workflow_id text, OUT activity text, OUT state text, OUT attempt int,
    OUT compensation boolean, OUT input jsonb, OUT called_at timestamptz)
RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_calls';
COMMENT ON FUNCTION workflow_test.calls() IS 'Every activity call of this test, mocked or real, in order';

-- requests: what the test's runs asked of other workflows, in order
--   kind         workflow (a child to be started), signal or cancel
--   workflow_id  of the run that asks
--   workflow     of the child
--   other_id     the workflow id that is to be the child's, or that of the other workflow
--   signal       its name
--   input        of the child; the signal's payload; the cancel's reason
CREATE FUNCTION workflow_test.requests(OUT kind text, OUT workflow_id text, OUT workflow text, OUT other_id text, OUT signal text,
    OUT input jsonb, OUT mocked boolean, OUT called_at timestamptz)
RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_requests';
COMMENT ON FUNCTION workflow_test.requests() IS 'What the runs of this test asked of other workflows, mocked or real, in order';

-- Play a history that workflow.export_history has written against a version of the workflow of that name here; NULL: the
-- current one.  event_id and reason are of the first event that the version would not have made.
CREATE FUNCTION workflow_test.replay(history jsonb, version int DEFAULT NULL, OUT compatible boolean, OUT event_id int, OUT reason text)
RETURNS record LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_replay';
COMMENT ON FUNCTION workflow_test.replay(jsonb, int) IS
'Plays an exported history against a version of its workflow';
