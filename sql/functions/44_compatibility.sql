-- Recorded histories played against other versions.

-- check_compatibility: would a version have led this run to where it is?
--   version     NULL: the current one
--   compatible  true if it would have made the same history, event by event
--   event_id    the first event that it would not have made so
--   reason      how it differs
CREATE FUNCTION workflow.check_compatibility(run_id uuid, version int, OUT compatible boolean, OUT event_id int, OUT reason text)
    RETURNS record
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'ow_check_compatibility';
COMMENT ON FUNCTION workflow.check_compatibility(uuid, int) IS
    'Whether a version would have led a run to where it is';

-- check_compatibility: the same of all open runs of other versions
--   sample        at most so many of them, whichever; NULL: all
--   from_version  only those of this version; NULL: of any other
CREATE FUNCTION workflow.check_compatibility(workflow text, version int, sample int DEFAULT NULL, from_version int DEFAULT NULL,
                                             OUT workflow_id text, OUT run_id uuid, OUT run_version int, OUT state text,
                                             OUT compatible boolean, OUT event_id int, OUT reason text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.workflow_id, e.run_id, e.version, e.state, c.compatible, c.event_id, c.reason
    FROM (SELECT * FROM workflow.executions o
          WHERE o.workflow = check_compatibility.workflow AND o.closed_at IS NULL AND o.version <> check_compatibility.version
            AND (from_version IS NULL OR o.version = from_version)
          ORDER BY CASE WHEN sample IS NOT NULL THEN hashtext(o.run_id::text) END, o.run_id
          LIMIT sample) e
    CROSS JOIN LATERAL workflow.check_compatibility(e.run_id, check_compatibility.version) c
    ORDER BY e.workflow_id
$$;
COMMENT ON FUNCTION workflow.check_compatibility(text, int, int, int) IS
    'Whether a version would have led the open runs of others to where they are';

-- export_history: a run's history as a document, for workflow_test.replay
-- Raises OW012 when the run has not begun.
CREATE FUNCTION workflow.export_history(run_id uuid) RETURNS jsonb
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'ow_export_history';
COMMENT ON FUNCTION workflow.export_history(uuid) IS
    'A run''s history as a document, to be kept and replayed';
