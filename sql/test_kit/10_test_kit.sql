-- Testing workflows on a virtual clock.  Everything acts on one transaction, which the test rolls back.

-- Start the virtual clock of this transaction.  Runs started from here on are driven by this session.
CREATE FUNCTION workflow_test.begin(at timestamptz DEFAULT '2030-01-01 00:00:00+00')
RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_begin';
COMMENT ON FUNCTION workflow_test.begin(timestamptz) IS
'Starts a virtual clock for this transaction, without mocks; runs started after it are driven by workflow_test.run';

-- Answer calls of an activity.  Mocks are tried in the order given; the first that matches input by
-- containment and has uses left answers.  duration passes on the test's clock and may time out.
CREATE FUNCTION workflow_test.mock_activity(activity text, result jsonb DEFAULT NULL, error text DEFAULT NULL,
    message text DEFAULT NULL, input jsonb DEFAULT NULL, times int DEFAULT NULL, duration interval DEFAULT '0',
    non_retryable boolean DEFAULT false, details jsonb DEFAULT NULL)
RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_mock_activity';
COMMENT ON FUNCTION workflow_test.mock_activity(text, jsonb, text, text, jsonb, int, interval, boolean, jsonb) IS
'Answers calls of an activity with a result or an error';

-- Answer in the place of a child workflow, which is not started then and need not be registered.  Mocks are tried as those
-- of activities.  The child closes when duration has passed; the errors OW.ChildWorkflowCanceled, OW.ChildWorkflowTerminated and
-- States.Timeout stand for a child that closes so.
CREATE FUNCTION workflow_test.mock_workflow(workflow text, result jsonb DEFAULT NULL, error text DEFAULT NULL,
    message text DEFAULT NULL, input jsonb DEFAULT NULL, times int DEFAULT NULL, duration interval DEFAULT '0')
RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_mock_workflow';
COMMENT ON FUNCTION workflow_test.mock_workflow(text, jsonb, text, text, jsonb, int, interval) IS
'Answers in the place of a child workflow, with a result or an error';

CREATE FUNCTION workflow_test.allow_activity(activity text)
RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_allow_activity';
COMMENT ON FUNCTION workflow_test.allow_activity(text) IS
'Lets calls of a SQL activity that no mock matches run really';

-- Execute a statement when the clock has moved on by `after`: a signal, a cancel.
CREATE FUNCTION workflow_test.at(after interval, command text)
RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_at';
COMMENT ON FUNCTION workflow_test.at(interval, text) IS 'Executes a statement when the test''s clock gets there';

CREATE FUNCTION workflow_test.run(until timestamptz DEFAULT NULL)
RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_run';
COMMENT ON FUNCTION workflow_test.run(timestamptz) IS
'Drives the test''s runs until idle or until a time, skipping time when nothing is in flight; returns the number of transitions';

CREATE FUNCTION workflow_test.advance(by interval)
RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'ow_test_advance';
COMMENT ON FUNCTION workflow_test.advance(interval) IS
'Moves the test''s clock and drives what falls due on the way; returns the number of transitions';

CREATE FUNCTION workflow_test.now()
RETURNS timestamptz LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_now';
COMMENT ON FUNCTION workflow_test.now() IS 'The test''s clock';

CREATE FUNCTION workflow_test.calls(OUT workflow_id text, OUT activity text, OUT state text, OUT attempt int,
    OUT compensation boolean, OUT input jsonb, OUT called_at timestamptz)
RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_calls';
COMMENT ON FUNCTION workflow_test.calls() IS 'Every activity call of this test, mocked or real, in order';

-- Play a history that workflow.export_history has written against a version of the workflow of that name here; NULL: the
-- current one.  event_id and reason are of the first event that the version would not have made.
CREATE FUNCTION workflow_test.replay(history jsonb, version int DEFAULT NULL, OUT compatible boolean, OUT event_id int, OUT reason text)
RETURNS record LANGUAGE c AS 'MODULE_PATHNAME', 'ow_test_replay';
COMMENT ON FUNCTION workflow_test.replay(jsonb, int) IS
'Plays an exported history against a version of its workflow';
