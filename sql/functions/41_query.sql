-- Queries: what a definition declares to be asked of its runs.

-- query: what a query of the run's definition gives, of an open run as it is, of a closed one as it was at the end
--   workflow_id  its open run, else its latest; the other form takes a run id
--   name         one that "Queries" of the run's definition declares
-- Locks nothing and changes nothing.
-- Raises OW005 when there is no such run, OW015 for a query that is not declared, OW016 when it cannot be evaluated,
-- insufficient_privilege when it has SQL expressions and the session is not that of the workflow's owner.
CREATE FUNCTION workflow.query(workflow_id text, name text) RETURNS jsonb
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_query';
COMMENT ON FUNCTION workflow.query(text, text) IS 'What a query that the definition declares gives of a run';

CREATE FUNCTION workflow.query(run_id uuid, name text) RETURNS jsonb
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_query';
COMMENT ON FUNCTION workflow.query(uuid, text) IS 'What a query that the definition declares gives of a run';
