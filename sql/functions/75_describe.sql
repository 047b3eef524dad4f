-- Definitions as pictures.

-- definition_state: a state of a definition, with the template that it uses applied
CREATE FUNCTION workflow.definition_state(definition jsonb, state text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT coalesce(definition #> ARRAY['Templates', machine.states #>> ARRAY[state, 'Use']], '{}')
                   || ((machine.states -> state) - 'Use')
            FROM jsonb_path_query(definition, 'strict $.**.States') WITH ORDINALITY AS machine (states, n)
            WHERE jsonb_typeof(machine.states) = 'object' AND machine.states ? state
            ORDER BY machine.n LIMIT 1);
COMMENT ON FUNCTION workflow.definition_state(jsonb, text) IS 'A state of a definition, its template applied';

-- task_activity: the activity that a Task calls.  Resource is its name, or an ARN: of a Lambda function (its
-- name without version), lambda:invoke (Parameters.FunctionName), an activity, or a service ("service:action").
CREATE FUNCTION workflow.task_activity(task jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN task->>'Resource' ~ '^arn:[^:]*:states:::lambda:invoke$'
            THEN regexp_replace(task #>> '{Parameters,FunctionName}', '^(.*:)?function:|:[^:]*$', '', 'g')
        WHEN task->>'Resource' ~ '^arn:[^:]*:lambda:[^:]*:[^:]*:function:'
            THEN split_part(task->>'Resource', ':', 7)
        WHEN task->>'Resource' ~ '^arn:[^:]*:states:[^:]*:[^:]*:activity:'
            THEN substring(task->>'Resource' FROM ':activity:(.*)')
        WHEN task->>'Resource' ~ '^arn:[^:]*:states:::'
            THEN substring(task->>'Resource' FROM ':::(.*)')
        WHEN task->>'Resource' ~ '^arn:'
            THEN split_part(task->>'Resource', ':', 3) || ':' || substring(task->>'Resource' FROM '[^:]*$')
        ELSE task->>'Resource'
    END;
COMMENT ON FUNCTION workflow.task_activity(jsonb) IS 'The activity that a Task state of a definition calls';

-- choice_label: a rule of a Choice state as people write it: "$.amount > 100 and not $.gift is present"
CREATE FUNCTION workflow.choice_label(rule jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    operator text;
    operand  jsonb;
BEGIN
    IF rule ?| '{And,Or}' THEN
        RETURN (SELECT '(' || string_agg(workflow.choice_label(part),
                                         CASE WHEN rule ? 'And' THEN ' and ' ELSE ' or ' END ORDER BY n) || ')'
                FROM jsonb_array_elements(coalesce(rule->'And', rule->'Or')) WITH ORDINALITY AS p (part, n));
    ELSIF rule ? 'Not' THEN
        RETURN 'not ' || workflow.choice_label(rule->'Not');
    END IF;
    SELECT key, value INTO operator, operand
    FROM jsonb_each(rule)
    WHERE key NOT IN ('Variable', 'Next', 'Assign', 'Output', 'Comment') AND key NOT LIKE 'x-%';
    IF operator LIKE 'Is%' THEN
        RETURN concat(rule->>'Variable', CASE WHEN operand = 'true' THEN ' is ' ELSE ' is not ' END,
                      lower(substr(operator, 3)));
    END IF;
    operator := regexp_replace(operator, '^(String|Numeric|Boolean|Timestamp)|Path$', '', 'g');
    RETURN concat_ws(' ', rule->>'Variable',
                     CASE operator
                         WHEN 'Equals' THEN '='
                         WHEN 'LessThan' THEN '<'
                         WHEN 'LessThanEquals' THEN '<='
                         WHEN 'GreaterThan' THEN '>'
                         WHEN 'GreaterThanEquals' THEN '>='
                         ELSE lower(operator)
                     END, operand #>> '{}');
END
$$;
COMMENT ON FUNCTION workflow.choice_label(jsonb) IS 'A rule of a Choice state, as people write it';

-- definition_edges: what leads where, in the order of the definition's text
--   kind             Start, Next, Choice, Default, Catch, End, Compensate, OnError, OnCancel, OnTimeout
--   source           a state; NULL for Start and handlers
--   target           a state; for Compensate, an activity; NULL for End
--   from_id, to_id   their identifiers in a picture: s1 … are the states, a1 … compensating activities
CREATE FUNCTION workflow.definition_edges(definition text)
    RETURNS TABLE (n bigint, kind text, source text, target text, label text, from_id text, to_id text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH states AS (
        SELECT k.n, k.name, workflow.definition_state(definition::jsonb, k.name) AS state
        FROM json_object_keys(definition::json->'States') WITH ORDINALITY AS k (name, n)
    ), edges AS (
        SELECT 0 AS n, 0 AS part, 'Start' AS kind, NULL AS source, definition::jsonb->>'StartAt' AS target,
               NULL AS label
        UNION ALL
        SELECT s.n, c.n, 'Choice', s.name, c.rule->>'Next', left(workflow.choice_label(c.rule), 200)
        FROM states s
        CROSS JOIN LATERAL jsonb_array_elements(s.state->'Choices') WITH ORDINALITY AS c (rule, n)
        UNION ALL
        SELECT s.n, 1001, 'Default', s.name, s.state->>'Default', 'otherwise'
        FROM states s WHERE s.state ? 'Default'
        UNION ALL
        SELECT s.n, 1002, 'Next', s.name, s.state->>'Next', NULL
        FROM states s WHERE s.state ? 'Next'
        UNION ALL
        SELECT s.n, 1003, 'End', s.name, NULL, NULL
        FROM states s WHERE s.state->'End' = 'true' OR s.state->>'Type' IN ('Succeed', 'Fail')
        UNION ALL
        SELECT s.n, 1003 + c.n, 'Catch', s.name, c.catcher->>'Next',
               (SELECT string_agg(e.name, ', ') FROM jsonb_array_elements_text(c.catcher->'ErrorEquals') AS e (name))
        FROM states s
        CROSS JOIN LATERAL jsonb_array_elements(s.state->'Catch') WITH ORDINALITY AS c (catcher, n)
        UNION ALL
        SELECT s.n, 9999, 'Compensate', s.name,
               CASE jsonb_typeof(s.state->'Compensate')
                   WHEN 'object' THEN workflow.task_activity(s.state->'Compensate')
                   ELSE s.state->>'Compensate'
               END, NULL
        FROM states s WHERE s.state ? 'Compensate'
        UNION ALL
        SELECT 99999, h.n, h.kind, NULL, definition::jsonb->>h.kind, NULL
        FROM unnest('{OnError,OnCancel,OnTimeout}'::text[]) WITH ORDINALITY AS h (kind, n)
        WHERE definition::jsonb ? h.kind
    )
    SELECT row_number() OVER (ORDER BY e.n, e.part), e.kind, e.source, e.target, e.label,
           coalesce('s' || s.n, lower(e.kind)),
           CASE e.kind WHEN 'Compensate' THEN 'a' || dense_rank() OVER (PARTITION BY e.kind ORDER BY e.target)
                       ELSE coalesce('s' || t.n, 'finish') END
    FROM edges e
    LEFT JOIN states s ON s.name = e.source
    LEFT JOIN states t ON t.name = e.target
    ORDER BY 1;
END;
COMMENT ON FUNCTION workflow.definition_edges(text) IS 'What leads where in a definition';

-- mermaid_text, dot_text: any text as a quoted string.  Mermaid looks for directives, comments, Markdown, HTML
-- and formulas in strings, too: what is not known to be plain is given by its number.
CREATE FUNCTION workflow.mermaid_text(content text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN '"' || (SELECT string_agg(CASE WHEN c ~ '[[:alnum:] _.,:()=+/-]' THEN c
                                          WHEN c ~ '[[:cntrl:]]' OR c = '' THEN ' '
                                          ELSE '#' || ascii(c) || ';' END, '' ORDER BY n)
                   FROM regexp_split_to_table(content, '') WITH ORDINALITY AS s (c, n)) || '"';
COMMENT ON FUNCTION workflow.mermaid_text(text) IS 'A text as a string of Mermaid';

CREATE FUNCTION workflow.dot_text(content text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN '"' || replace(replace(replace(regexp_replace(content, '[[:cntrl:]]', ' ', 'g'),
                                          '\', '\\'), '"', '\"'), '&', '&amp;') || '"';
COMMENT ON FUNCTION workflow.dot_text(text) IS 'A text as a string of Graphviz';

-- describe_mermaid, describe_dot, describe_states: see describe
CREATE FUNCTION workflow.describe_mermaid(definition text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH edges AS (
        SELECT * FROM workflow.definition_edges(definition)
    ), lines AS (
        SELECT 1 AS part, 0 AS n, 'start((" "))' AS line
        UNION ALL
        SELECT 2, k.n, 's' || k.n || CASE workflow.definition_state(definition::jsonb, k.name)->>'Type'
                   WHEN 'Choice' THEN '{' || workflow.mermaid_text(k.name) || '}'
                   WHEN 'Wait' THEN '(' || workflow.mermaid_text(k.name) || ')'
                   WHEN 'Succeed' THEN '([' || workflow.mermaid_text(k.name) || '])'
                   WHEN 'Fail' THEN '([' || workflow.mermaid_text(k.name) || '])'
                   WHEN 'Compensate' THEN '[[' || workflow.mermaid_text(k.name) || ']]'
                   ELSE '[' || workflow.mermaid_text(k.name) || ']'
               END
        FROM json_object_keys(definition::json->'States') WITH ORDINALITY AS k (name, n)
        UNION ALL
        SELECT 3, min(e.n), e.to_id || '[/' || workflow.mermaid_text(e.target) || '/]'
        FROM edges e WHERE e.kind = 'Compensate' GROUP BY e.to_id, e.target
        UNION ALL
        SELECT 4, e.n, e.from_id || '>' || workflow.mermaid_text(e.kind) || ']'
        FROM edges e WHERE e.kind LIKE 'On%'
        UNION ALL
        SELECT 5, 0, 'finish((" "))' FROM edges e WHERE e.kind = 'End' HAVING count(*) > 0
        UNION ALL
        SELECT 6, e.n, e.from_id
               || CASE e.kind WHEN 'Catch' THEN ' -.-> ' WHEN 'Compensate' THEN ' -.-o ' ELSE ' --> ' END
               || coalesce('|' || workflow.mermaid_text(e.label) || '| ', '') || e.to_id
        FROM edges e
    )
    SELECT 'flowchart TD' || string_agg(E'\n    ' || l.line, '' ORDER BY l.part, l.n) FROM lines l;
END;
COMMENT ON FUNCTION workflow.describe_mermaid(text) IS 'A definition as a flowchart of Mermaid';

CREATE FUNCTION workflow.describe_dot(definition text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH edges AS (
        SELECT * FROM workflow.definition_edges(definition)
    ), lines AS (
        SELECT 1 AS part, 0 AS n, 'node [shape=box]; start [shape=point];' AS line
        UNION ALL
        SELECT 2, k.n, 's' || k.n || ' [label=' || workflow.dot_text(k.name)
               || CASE workflow.definition_state(definition::jsonb, k.name)->>'Type'
                      WHEN 'Choice' THEN ', shape=diamond'
                      WHEN 'Wait' THEN ', shape=ellipse'
                      WHEN 'Succeed' THEN ', peripheries=2'
                      WHEN 'Fail' THEN ', peripheries=2, style=bold'
                      WHEN 'Compensate' THEN ', shape=box3d'
                      ELSE ''
                  END || '];'
        FROM json_object_keys(definition::json->'States') WITH ORDINALITY AS k (name, n)
        UNION ALL
        SELECT 3, min(e.n), e.to_id || ' [label=' || workflow.dot_text(e.target) || ', shape=parallelogram];'
        FROM edges e WHERE e.kind = 'Compensate' GROUP BY e.to_id, e.target
        UNION ALL
        SELECT 4, e.n, e.from_id || ' [label=' || workflow.dot_text(e.kind) || ', shape=cds];'
        FROM edges e WHERE e.kind LIKE 'On%'
        UNION ALL
        SELECT 5, 0, 'finish [shape=doublecircle, label="", width=0.2];'
        FROM edges e WHERE e.kind = 'End' HAVING count(*) > 0
        UNION ALL
        SELECT 6, e.n, e.from_id || ' -> ' || e.to_id
               || CASE e.kind WHEN 'Catch' THEN ' [style=dashed, label=' || workflow.dot_text(e.label) || ']'
                              WHEN 'Compensate' THEN ' [style=dotted, arrowhead=odot]'
                              ELSE coalesce(' [label=' || workflow.dot_text(e.label) || ']', '') END || ';'
        FROM edges e
    )
    SELECT 'digraph {' || string_agg(E'\n    ' || l.line, '' ORDER BY l.part, l.n) || E'\n}' FROM lines l;
END;
COMMENT ON FUNCTION workflow.describe_dot(text) IS 'A definition as a graph of Graphviz';

CREATE FUNCTION workflow.describe_states(definition text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT string_agg(
        regexp_replace(
            coalesce(e.source || ' (' || concat_ws(' ', s.state->>'Type', workflow.task_activity(s.state)) || ')',
                     e.kind)
            || CASE e.kind
                   WHEN 'Compensate' THEN ' undone by ' || e.target
                   WHEN 'Catch' THEN format(' on %s -> %s', e.label, e.target)
                   WHEN 'End' THEN ' ends'
                   ELSE ' -> ' || e.target || coalesce(' if ' || nullif(e.label, 'otherwise'), '')
               END,
            '[[:cntrl:]]', ' ', 'g'), E'\n' ORDER BY e.n)
    FROM workflow.definition_edges(definition) e
    CROSS JOIN LATERAL (SELECT workflow.definition_state(definition::jsonb, e.source) AS state) s;
END;
COMMENT ON FUNCTION workflow.describe_states(text) IS 'A definition as lines of text';

-- describe: a workflow as a picture
--   name     the workflow
--   version  its version; the current one by default
--   format   mermaid, dot (Graphviz), or states (lines of text)
-- Catches are dashed lines, compensations dotted ones (Mermaid has one kind for both; they end in a circle).
-- Raises OW002 for an unknown workflow, also one that the current user may not see; OW006 for an unknown
-- version; invalid_parameter_value for another format.
CREATE FUNCTION workflow.describe(name text, version int DEFAULT NULL, format text DEFAULT 'mermaid') RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    definition text;
BEGIN
    SELECT d.source INTO definition
    FROM workflow.definitions d
    WHERE d.workflow = describe.name
      AND CASE WHEN describe.version IS NULL THEN d.is_current ELSE d.version = describe.version END;
    IF definition IS NOT NULL THEN
        CASE describe.format
            WHEN 'mermaid' THEN RETURN workflow.describe_mermaid(definition);
            WHEN 'dot' THEN RETURN workflow.describe_dot(definition);
            WHEN 'states' THEN RETURN workflow.describe_states(definition);
            ELSE RAISE invalid_parameter_value USING
                MESSAGE = pg_catalog.format('unrecognized format "%s"', describe.format),
                HINT = 'Formats are mermaid, dot and states.';
        END CASE;
    ELSIF EXISTS (SELECT FROM workflow.definitions d WHERE d.workflow = describe.name) THEN
        RAISE SQLSTATE 'OW006' USING
            MESSAGE = pg_catalog.format('workflow "%s" has no version %s', describe.name, describe.version);
    END IF;
    RAISE SQLSTATE 'OW002' USING MESSAGE = pg_catalog.format('workflow "%s" does not exist', describe.name);
END
$$;
COMMENT ON FUNCTION workflow.describe(text, int, text) IS 'A workflow as a picture: mermaid, dot or states';
