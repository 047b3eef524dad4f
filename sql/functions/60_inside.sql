-- For the functions that are activities.

-- throw: fails the activity with an error that Retry and Catch can tell by its name
--   error             the name
--   message           the cause, for people
--   details           anything
--   non_retryable     ends retries at once
--   next_retry_delay  the next attempt waits so long, whatever Retry says
-- Raises OW201.  Caught by an EXCEPTION block, nothing has happened.
CREATE FUNCTION workflow.throw(error text, message text, details jsonb DEFAULT NULL, non_retryable boolean DEFAULT false,
                               next_retry_delay interval DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_throw';
COMMENT ON FUNCTION workflow.throw(text, text, jsonb, boolean, interval) IS
    'Fails the activity with an error that Retry and Catch can tell';

-- current_activity: the attempt that runs in this session
-- Raises OW202 when there is none.
CREATE FUNCTION workflow.current_activity() RETURNS workflow.activity_context
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_current_activity';
COMMENT ON FUNCTION workflow.current_activity() IS 'The attempt that runs in this session';

-- now: the engine's clock.  Unlike pg_catalog.now it moves within a transaction; in a test it is the virtual one.
CREATE FUNCTION workflow.now() RETURNS timestamptz
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_now';
COMMENT ON FUNCTION workflow.now() IS 'The engine''s clock: the virtual one in tests';

-- span_attributes: says something of the span of the attempt that runs in this session, for traces
--   attributes  an object; null takes one back, the same name again replaces
-- Recorded in the event that ends the attempt, also if that fails, and shown by workflow.spans: once, as the attempt is.
-- Raises OW202 when no activity runs here, as for a program outside: it has a traceparent, and exports spans of its own.
-- invalid_parameter_value for what is no object, program_limit_exceeded for more than 128 attributes, or 8 kB.
CREATE FUNCTION workflow.span_attributes(attributes jsonb) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_span_attributes';
COMMENT ON FUNCTION workflow.span_attributes(jsonb) IS 'Says something of the span of the attempt that runs in this session';
