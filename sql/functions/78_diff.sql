-- What differs between two versions of a workflow, and which of the runs that are on the one notice.

-- change_safety: whether runs that are moved to the other version are safe from a change, and why (not)
--   change, field  as of workflow.diff
--   standing       how many of them stand in the state, or in a state of it
--   passed         how many have been in it, and left
CREATE FUNCTION workflow.change_safety(change text, field text, standing bigint, passed bigint, OUT safe boolean, OUT reason text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(verdict.safe, true), coalesce(verdict.reason, 'no run has come to it')
    FROM (VALUES (1)) AS one
    LEFT JOIN LATERAL (
        SELECT v.safe, v.reason
        FROM (VALUES
            (1, change = 'Added', true, 'no run is in it'),
            (2, change = 'Removed' AND standing > 0, false, 'runs stand in it: state_map must name another'),
            (3, field IN ('Type', 'Branches', 'Any', 'All', 'ItemProcessor', 'Iterator', 'Versions') AND standing > 0, false,
                'runs stand in it, with what it was when they came'),
            (4, field IN ('Resource', 'Parameters', 'Arguments', 'InputPath', 'Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath',
                          'Items', 'ItemsPath', 'ItemSelector', 'ItemBatcher') AND standing > 0, false,
                'runs stand in it, and were led there by the old one'),
            (5, field IN ('Resource', 'Parameters', 'Arguments', 'InputPath', 'ResultSelector', 'ResultPath', 'OutputPath', 'Output',
                          'Assign', 'Result', 'Items', 'ItemsPath', 'ItemSelector', 'ItemBatcher', 'ItemProcessor', 'Iterator', 'Type') AND passed > 0, false,
                'runs have passed it, and have what the old one gave'),
            (6, standing > 0, true, 'counts when they leave it'),
            (7, passed > 0, true, 'runs have passed it')) AS v (n, holds, safe, reason)
        WHERE v.holds ORDER BY v.n LIMIT 1) verdict ON true;
END;
COMMENT ON FUNCTION workflow.change_safety(text, text, bigint, bigint) IS 'Whether runs are safe from a change of their definition';

-- definition_fields: the fields of a definition (state NULL) and its states, nested ones too
CREATE FUNCTION workflow.definition_fields(definition text) RETURNS TABLE (place bigint[], state text, field text, value jsonb)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 200
    SET jit = off
BEGIN ATOMIC
    SELECT '{}'::bigint[], NULL::text, f.key, f.value
    FROM jsonb_each(definition::jsonb - '{States,Templates}'::text[]) f
    WHERE f.key <> 'Comment' AND f.key !~ '^x-'
    UNION ALL
    -- of nested machines only where they begin: their states are on their own
    SELECT s.place, s.name, f.key,
           CASE WHEN f.key IN ('ItemProcessor', 'Iterator') THEN f.value - 'States'
                WHEN f.key = 'Branches' AND jsonb_typeof(f.value) = 'array'
                    THEN (SELECT jsonb_agg(b.branch - 'States' ORDER BY b.n) FROM jsonb_array_elements(f.value) WITH ORDINALITY AS b (branch, n))
                ELSE f.value END
    FROM workflow.definition_states(definition) s
    CROSS JOIN LATERAL jsonb_each(s.state::jsonb) f
    WHERE f.key <> 'Comment' AND f.key !~ '^x-';
END;
COMMENT ON FUNCTION workflow.definition_fields(text) IS 'The fields of a definition and its states';

-- visible_definition: the text of a definition; NULL: of the current version
-- Raises OW002 for an unknown workflow, also one that the current user may not see; OW006 for an unknown version.
CREATE FUNCTION workflow.visible_definition(name text, version int) RETURNS text
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'ow_visible_definition';
COMMENT ON FUNCTION workflow.visible_definition(text, int) IS 'The text of a definition that one may see, or an error';

-- diff: what differs between two versions, state by state, and which of the open runs that are on the first notice
--   state        NULL: the definition as a whole
--   change       Added, Removed, Changed; Transition: it leads elsewhere
--   field        of the state; NULL: all of it
--   before, after
--   not_reached, standing, passed   how many open runs of the first version have not been in the state, stand in it, or have
--                been in it and left; of the whole definition they stand in it
--   safe         whether those runs, if they were upgraded, would go on as ones that began on the second version
--   reason       why (not)
-- Raises what visible_definition does.
CREATE FUNCTION workflow.diff(workflow text, version int, other_version int)
    RETURNS TABLE (state text, change text, field text, before jsonb, after jsonb, not_reached bigint, standing bigint, passed bigint,
                   safe boolean, reason text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
    WITH old AS MATERIALIZED (
        SELECT * FROM workflow.definition_fields(workflow.visible_definition(diff.workflow, diff.version))
    ), new AS MATERIALIZED (
        SELECT * FROM workflow.definition_fields(workflow.visible_definition(diff.workflow, other_version))
    ), changes AS (
        -- states that are in one of them only
        SELECT o.place, o.state, 'Removed' AS change, NULL::text AS field, NULL::jsonb AS before, NULL::jsonb AS after
        FROM old o WHERE o.state IS NOT NULL AND NOT EXISTS (SELECT FROM new n WHERE n.state = o.state)
        GROUP BY o.place, o.state
        UNION ALL
        SELECT n.place, n.state, 'Added', NULL, NULL, NULL
        FROM new n WHERE n.state IS NOT NULL AND NOT EXISTS (SELECT FROM old o WHERE o.state = n.state)
        GROUP BY n.place, n.state
        UNION ALL
        -- fields of the others
        SELECT coalesce(n.place, o.place), coalesce(n.state, o.state),
               CASE WHEN coalesce(n.field, o.field) IN ('Next', 'End', 'Default', 'StartAt', 'OnError', 'OnCancel', 'OnTimeout')
                    THEN 'Transition' ELSE 'Changed' END,
               coalesce(n.field, o.field), o.value, n.value
        FROM (SELECT * FROM old o WHERE o.state IS NULL OR EXISTS (SELECT FROM new n WHERE n.state = o.state)) o
        FULL JOIN (SELECT * FROM new n WHERE n.state IS NULL OR EXISTS (SELECT FROM old o WHERE o.state = n.state)) n
          ON coalesce(n.state, '') = coalesce(o.state, '') AND n.field = o.field
        WHERE o.value IS DISTINCT FROM n.value
    ), open AS MATERIALIZED (
        SELECT e.run_id, e.state FROM workflow.executions e
        WHERE e.workflow = diff.workflow AND e.version = diff.version AND e.closed_at IS NULL
    ), stands AS MATERIALIZED (
        SELECT o.run_id, o.state FROM open o WHERE o.state IS NOT NULL
        UNION
        SELECT b.run_id, b.state FROM workflow.branches b JOIN open o USING (run_id) WHERE b.status = 'Running'
    ), been AS MATERIALIZED (
        SELECT DISTINCT h.run_id, h.state FROM open o JOIN workflow.history h USING (run_id)
        WHERE h.event_type = 'StateEntered'
           OR (h.event_type IN ('ActivityTaskScheduled', 'BranchesScheduled') AND NOT coalesce(h.attributes ? 'compensation', false))
    ), counted AS (
        SELECT c.*, total.runs,
               CASE WHEN c.state IS NULL THEN total.runs ELSE (SELECT count(*) FROM stands s WHERE s.state = c.state) END AS standing,
               (SELECT count(*) FROM been b WHERE b.state = c.state
                AND NOT EXISTS (SELECT FROM stands s WHERE s.run_id = b.run_id AND s.state = b.state)) AS passed
        FROM changes c CROSS JOIN (SELECT count(*) AS runs FROM open) total
    )
    SELECT c.state, c.change, c.field, c.before, c.after, c.runs - c.standing - c.passed, c.standing, c.passed, v.safe,
           CASE WHEN c.state IS NOT NULL OR NOT v.safe THEN v.reason
                WHEN c.field IN ('StartAt', 'TimeoutSeconds', 'Input') THEN 'only runs that begin notice'
                ELSE 'counts from the upgrade on' END
    FROM counted c
    CROSS JOIN LATERAL workflow.change_safety(c.change, c.field, c.standing, c.passed) v
    ORDER BY c.place, c.state NULLS FIRST, c.field NULLS FIRST
$$;
COMMENT ON FUNCTION workflow.diff(text, int, int) IS
    'What differs between two versions of a workflow, and which open runs notice';
