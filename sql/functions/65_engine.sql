-- The engine itself: what history leads to, and starting a restored copy.

-- Recompute a run's state from its history alone.  Compare with the live row in all columns but
-- ready, crashes, deadline_timer, compensations.  Raises data_corrupted when history and state machine disagree.
CREATE FUNCTION workflow.rebuild_state(run_id uuid)
RETURNS workflow.execution LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'ow_rebuild_state';
COMMENT ON FUNCTION workflow.rebuild_state(uuid) IS
'The state of a run recomputed from its history alone, as a row of workflow.execution';

-- Let workflows run in this copy of the database, after a restore, a clone or CREATE DATABASE … TEMPLATE.
-- Task tokens that were handed out before are refused from then on, as by advance_epoch.
CREATE FUNCTION workflow.resume_engine()
RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'ow_resume_engine';
COMMENT ON FUNCTION workflow.resume_engine() IS
'Declares this copy of the database the one whose workflows run; until then a restored or cloned copy stays quiet';

-- advance_epoch: from now on, task tokens that poll_activity handed out before are refused
-- Promotions and point-in-time recovery, which begin another timeline, do that by themselves, and so does
-- resume_engine.  This is for what cannot be noticed: a snapshot of the file system that was put back.  Tokens that
-- stand in the input of a .waitForTaskToken activity stay valid.
-- Raises OW301 on a copy of another database; insufficient_privilege for others than the extension's owner.
CREATE FUNCTION workflow.advance_epoch() RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_advance_epoch';
COMMENT ON FUNCTION workflow.advance_epoch() IS
    'Refuses from now on all task tokens that poll_activity has handed out so far';

-- release_tasks: puts tasks back into their queue, whose workers will not answer; how many
--   task_queue  NULL: any
--   worker      those of this one; NULL: those taken before the last promotion or restore, whose tokens are refused
-- Nobody waits for a lease, and no attempt is lost: whoever takes the task next gets the same one, with another
-- token, and with the details of the last heartbeat.  The token of the worker before is refused, but for tasks whose
-- input holds their token (.waitForTaskToken).  Of runs whose owner the caller is, or is a member of.  Tasks that are
-- being answered just now are left.
CREATE FUNCTION workflow.release_tasks(task_queue text DEFAULT NULL, worker text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_release_tasks_sql';
COMMENT ON FUNCTION workflow.release_tasks(text, text) IS
    'Puts tasks that their workers will not answer back into their queue';
