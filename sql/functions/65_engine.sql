-- The engine itself: what history leads to, and starting a restored copy.

-- Recompute a run's state from its history alone.  Compare with the live row in all columns but
-- ready, crashes, deadline_timer, compensations.  Raises data_corrupted when history and state machine disagree.
CREATE FUNCTION workflow.rebuild_state(run_id uuid)
RETURNS workflow.execution LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'ow_rebuild_state';
COMMENT ON FUNCTION workflow.rebuild_state(uuid) IS
'The state of a run recomputed from its history alone, as a row of workflow.execution';

-- Let workflows run in this copy of the database, after a restore, a clone or CREATE DATABASE … TEMPLATE.
CREATE FUNCTION workflow.resume_engine()
RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'ow_resume_engine';
COMMENT ON FUNCTION workflow.resume_engine() IS
'Declares this copy of the database the one whose workflows run; until then a restored or cloned copy stays quiet';
