-- What is written to the server's log, and what is hidden there and in reports.

-- log: writes a message to the server's log, with a line of JSON that says what run and attempt it is about
--   level    debug, info, notice or warning; info goes to the log only, the others as log_min_messages and
--            client_min_messages say
--   fields   anything; what the definition of the run hides is hidden, see Redact
-- In an activity: written when the transaction that it runs in commits, also if the activity fails; once at most, however
-- often the engine rolls it back and runs it again.  Elsewhere, and in tests, at once.
-- Raises invalid_parameter_value for another level.
CREATE FUNCTION workflow.log(level text, message text, fields jsonb DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_log';
COMMENT ON FUNCTION workflow.log(text, text, jsonb) IS 'Writes a structured line to the server''s log';

-- set_log_level: which events of a workflow's runs are logged
--   level  none, all, or a list of failures, closes, starts, retries, compensations and requests; NULL: as
--          order_workflow.log_events says
-- Takes effect with the commit, for what happens from then on.
-- Raises OW002 when there is no such workflow, insufficient_privilege for others than its owner's members,
-- invalid_parameter_value for another level.
CREATE FUNCTION workflow.set_log_level(workflow text, level text) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_set_log_level';
COMMENT ON FUNCTION workflow.set_log_level(text, text) IS 'Chooses which events of a workflow''s runs are logged';

-- redacted: a document of a run without what its definition hides: "[redacted]" stands in its place
--   document  an input, output or result, which is what the paths of Redact are about
--   of_event  it is the attributes of an event, with documents in it: the paths count from each value
-- Raises OW002 for an unknown workflow, OW006 for an unknown version.
CREATE FUNCTION workflow.redacted(workflow text, version int, document jsonb, of_event boolean DEFAULT false) RETURNS jsonb
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'ow_redacted';
COMMENT ON FUNCTION workflow.redacted(text, int, jsonb, boolean) IS 'A document of a run without what its definition hides';
