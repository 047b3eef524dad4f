-- Plain ASL for the commonest case: one step after the other, each with what undoes it.

-- step: one step of a sequence
--   activity  the activity to call; it names the state, too
--   undo      the activity that undoes it, if any
--   options   fields of the Task state, which win over what the other arguments make
CREATE FUNCTION workflow.step(activity text, undo text DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS workflow.step
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ROW(activity, undo, options)::workflow.step;
COMMENT ON FUNCTION workflow.step(text, text, jsonb) IS 'A step of workflow.sequence';

-- sequence: the definition of a workflow that calls activities one after the other
--   steps    see workflow.step.  A state is named after its activity, from the second call on with a number
--   options  top-level fields of the definition; Defaults and States are merged with what is made here
-- Each result is kept beside the input, under the state's name ("ResultPath": "$.{State}").  When a step
-- fails, the completed ones are undone, last first, before the run closes.
-- Raises invalid_parameter_value for no steps, a step without activity, options that are no object.
CREATE FUNCTION workflow.sequence(steps workflow.step[], options jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    defaults CONSTANT jsonb := '{"ResultPath": "$.{State}"}';
    states   jsonb;
    start_at text;
BEGIN
    IF coalesce(cardinality(steps), 0) = 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'a sequence needs at least one step';
    END IF;
    IF EXISTS (SELECT FROM unnest(steps) s WHERE coalesce(s.activity, '') = '') THEN
        RAISE invalid_parameter_value USING MESSAGE = 'a step needs an activity';
    END IF;
    IF jsonb_typeof(coalesce(options, '{}')) <> 'object'
        OR EXISTS (SELECT FROM unnest(steps) s WHERE jsonb_typeof(coalesce(s.options, '{}')) <> 'object')
    THEN
        RAISE invalid_parameter_value USING MESSAGE = 'options must be a JSON object';
    END IF;

    WITH numbered AS (
        SELECT s.*, row_number() OVER (PARTITION BY s.activity ORDER BY s.n) AS call
        FROM unnest(steps) WITH ORDINALITY AS s (activity, undo, options, n)
    ), named AS (
        SELECT c.*, concat(c.activity, nullif(c.call, 1)) AS state FROM numbered c
    ), linked AS (
        SELECT t.*, lead(t.state) OVER (ORDER BY t.n) AS next FROM named t
    )
    SELECT jsonb_object_agg(l.state, jsonb_strip_nulls(jsonb_build_object(
               'Type', 'Task', 'Resource', l.activity, 'Compensate', l.undo,
               'Next', l.next, 'End', CASE WHEN l.next IS NULL THEN true END)) || coalesce(l.options, '{}')),
           min(l.state) FILTER (WHERE l.n = 1)
    INTO states, start_at
    FROM linked l;
    IF (SELECT count(*) FROM jsonb_object_keys(states)) < cardinality(steps) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'two steps would have the same name',
            DETAIL = 'A second call of activity "A" is named "A2", which is the name of another step.';
    END IF;
    RETURN coalesce(options, '{}') || jsonb_build_object(
        'StartAt', start_at,
        'States', states || coalesce(options->'States', '{}'),
        'Defaults', defaults || coalesce(options->'Defaults', '{}'));
END
$$;
COMMENT ON FUNCTION workflow.sequence(workflow.step[], jsonb) IS
    'The definition of a workflow that calls activities one after the other, undoing them when one fails';
