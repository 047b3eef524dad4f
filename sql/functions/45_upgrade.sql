-- upgrade: moves an open run to another version of its workflow, in which it goes on where it stands
--   version    NULL: the current one
--   state_map  {old name: new name} of states that have other names there
-- Done when it returns, with the run locked until the transaction ends.  Raises object_not_in_prerequisite_state when the
-- run cannot be moved as it stands now: a worker is at a task of it, it compensates, it is stuck, or the version has no
-- place for it; OW005, OW009, OW006, OW020 and insufficient_privilege as workflow.retry does.
CREATE FUNCTION workflow.upgrade(workflow_id text, version int DEFAULT NULL, state_map jsonb DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_upgrade';
COMMENT ON FUNCTION workflow.upgrade(text, int, jsonb) IS
    'Moves an open run to another version of its workflow';

CREATE FUNCTION workflow.upgrade(run_id uuid, version int DEFAULT NULL, state_map jsonb DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_upgrade';
COMMENT ON FUNCTION workflow.upgrade(uuid, int, jsonb) IS
    'Moves an open run to another version of its workflow';
