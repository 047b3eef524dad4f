-- Resetting a run: another takes its place, which has its history up to an event and goes on from there.

-- reset: ends a run, if it is open, and begins another with the same workflow id that stands where it stood
--   event_id  the last event that is kept: one of workflow.reset_points
--   reason    for the history
-- Returns the id of the new run.  What was recorded after the event is forgotten, compensations included; signals
-- that came after it are sent again.  Raises OW005 when there is no run that the caller may see,
-- insufficient_privilege without "cancel" on the workflow, invalid_parameter_value when the run cannot be reset
-- to the event, OW004 when the run has closed and another of its workflow id is open.
CREATE FUNCTION workflow.reset(workflow_id text, event_id int, reason text DEFAULT NULL) RETURNS uuid
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_reset';
COMMENT ON FUNCTION workflow.reset(text, int, text) IS
    'Puts another run in the place of one, which goes on from an event of its history';

CREATE FUNCTION workflow.reset(run_id uuid, event_id int, reason text DEFAULT NULL) RETURNS uuid
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_reset';
COMMENT ON FUNCTION workflow.reset(uuid, int, text) IS
    'Puts another run in the place of one, which goes on from an event of its history';

-- reset_to: the same, to an event that is found by a rule
--   rule    {"to": "First"}: the first of workflow.reset_points; {"to": "Last"}: the last; {"state": …}: the last before
--           that state is entered
-- Raises what reset raises, invalid_parameter_value also for another rule and for a run without such an event.
CREATE FUNCTION workflow.reset_to(workflow_id text, rule jsonb, reason text DEFAULT NULL) RETURNS uuid
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_reset_to';
COMMENT ON FUNCTION workflow.reset_to(text, jsonb, text) IS
    'Puts another run in the place of one, which goes on from an event that a rule finds';

CREATE FUNCTION workflow.reset_to(run_id uuid, rule jsonb, reason text DEFAULT NULL) RETURNS uuid
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_reset_to';
COMMENT ON FUNCTION workflow.reset_to(uuid, jsonb, text) IS
    'Puts another run in the place of one, which goes on from an event that a rule finds';

-- reset_points: the events that a run can be reset to
--   event_id, event_time, event_type   the last event that is kept
--   state          where the new run stands
--   goes_on_with   what it does first: State (enters the state), Activity (runs it anew), Retry, Wait, Branches,
--                  Result (evaluates one that was stored), Compensation
CREATE FUNCTION workflow.reset_points(workflow_id text, OUT event_id int, OUT event_time timestamptz, OUT event_type text,
                                      OUT state text, OUT goes_on_with text) RETURNS SETOF record
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'ow_list_reset_points';
COMMENT ON FUNCTION workflow.reset_points(text) IS
    'The events that a run can be reset to';

CREATE FUNCTION workflow.reset_points(run_id uuid, OUT event_id int, OUT event_time timestamptz, OUT event_type text,
                                      OUT state text, OUT goes_on_with text) RETURNS SETOF record
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'ow_list_reset_points';
COMMENT ON FUNCTION workflow.reset_points(uuid) IS
    'The events that a run can be reset to';
