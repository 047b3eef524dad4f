-- Definitions as pictures.
--
-- definition_states, _edges and _nodes tell what there is to draw, and describe_mermaid, _dot and _states how.
-- All go by the definition's text, whose order is that of the picture.  The planner takes each for the work of hours,
-- which they would be if it had them compiled (jit).

-- with_template: a state with the template that it uses applied
CREATE FUNCTION workflow.with_template(templates json, state json) RETURNS json
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN state->'Use' IS NULL THEN state ELSE (
        SELECT coalesce(json_object_agg(member.key, member.value), '{}')
        FROM (SELECT t.key, t.value FROM json_each(templates->(state->>'Use')) t WHERE state->t.key IS NULL
              UNION ALL
              SELECT s.key, s.value FROM json_each(state) s WHERE s.key <> 'Use') member) END;
COMMENT ON FUNCTION workflow.with_template(json, json) IS 'A state of a definition, its template applied';

-- expression_label: an expression without the marks around it: "{% input->'a' %}" is input->'a'
CREATE FUNCTION workflow.expression_label(expression text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN regexp_replace(regexp_replace(expression, '^\s*\{%((?:(?!%\}).)*)%\}\s*$', '\1'), '^\s+|\s+$|(\s)\s+', '\1', 'g');
COMMENT ON FUNCTION workflow.expression_label(text) IS 'An expression of a definition, as people write it';

-- map_label: what a Map does: "for each of $.lines, at most 5 at a time"
CREATE FUNCTION workflow.map_label(state json) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN concat_ws(', ',
        'for each '
            || coalesce(coalesce(state #>> '{ItemBatcher,MaxItemsPerBatch}',
                                 state #>> '{ItemBatcher,MaxItemsPerBatchPath}') || ' ', '')
            || 'of ' || coalesce(state->>'ItemsPath', workflow.expression_label(state->>'Items'), '$'),
        'at most ' || coalesce(workflow.expression_label(nullif(state->>'MaxConcurrency', '0')),
                               state->>'MaxConcurrencyPath') || ' at a time',
        coalesce(workflow.expression_label(state->>'ToleratedFailureCount'),
                 state->>'ToleratedFailureCountPath') || ' may fail',
        coalesce(workflow.expression_label(state->>'ToleratedFailurePercentage'),
                 state->>'ToleratedFailurePercentagePath') || ' % may fail');
COMMENT ON FUNCTION workflow.map_label(json) IS 'What a Map state does, as people say it';

-- nested_machines: the branches of a Parallel state, what a Map state does with each item; none for others
CREATE FUNCTION workflow.nested_machines(state json) RETURNS TABLE (n bigint, machine json, label text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 2
BEGIN ATOMIC
    SELECT b.n, b.machine, 'branch ' || b.n
    FROM json_array_elements(CASE WHEN state->>'Type' = 'Parallel' THEN state->'Branches' END)
        WITH ORDINALITY AS b (machine, n)
    UNION ALL
    SELECT 1, m.machine, workflow.map_label(state)
    FROM (SELECT coalesce(state->'ItemProcessor', state->'Iterator') AS machine) m
    WHERE state->>'Type' = 'Map' AND m.machine IS NOT NULL;
END;
COMMENT ON FUNCTION workflow.nested_machines(json) IS 'The state machines within a state';

-- definition_states: the states of a definition, those of nested machines behind the state they are in
--   n       counts them
--   state   with its template applied
--   parent  the Parallel or Map that it is in; NULL at the top level
--   place   which state, of which machine of which state, …: sorts as n does
CREATE FUNCTION workflow.definition_states(definition text)
    RETURNS TABLE (n bigint, name text, state json, parent text, place bigint[])
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 50
    SET jit = off
BEGIN ATOMIC
    WITH RECURSIVE whole AS MATERIALIZED (
        SELECT definition::json->'States' AS states, definition::json->'Templates' AS templates
    ), found (name, state, parent, place) AS (
        SELECT s.name, workflow.with_template(w.templates, s.state), NULL::text, ARRAY[s.n]
        FROM whole w
        CROSS JOIN LATERAL json_each(w.states) WITH ORDINALITY AS s (name, state, n)
        UNION ALL
        SELECT s.name, workflow.with_template(w.templates, s.state), f.name, f.place || m.n || s.n
        FROM found f
        CROSS JOIN whole w
        CROSS JOIN LATERAL workflow.nested_machines(f.state) m
        CROSS JOIN LATERAL json_each(m.machine->'States') WITH ORDINALITY AS s (name, state, n)
    )
    SELECT row_number() OVER (ORDER BY f.place), f.name, f.state, f.parent, f.place
    FROM found f
    ORDER BY f.place;
END;
COMMENT ON FUNCTION workflow.definition_states(text) IS 'The states of a definition, nested ones too';

-- definition_state: a state of a definition, nested or not, with the template that it uses applied
CREATE FUNCTION workflow.definition_state(definition jsonb, state text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT coalesce(definition #> ARRAY['Templates', machine.states #>> ARRAY[state, 'Use']], '{}')
                   || ((machine.states -> state) - 'Use')
            FROM jsonb_path_query(definition, 'strict $.** ? (exists (@.StartAt)).States') WITH ORDINALITY AS machine (states, n)
            WHERE jsonb_typeof(machine.states) = 'object' AND machine.states ? state
            ORDER BY machine.n LIMIT 1);
COMMENT ON FUNCTION workflow.definition_state(jsonb, text) IS 'A state of a definition, its template applied';

-- task_activity: the activity that a Task calls.  Resource is its name, perhaps with .waitForTaskToken, or an ARN: of
-- a Lambda function (its name without version), lambda:invoke (FunctionName in Parameters or Arguments), an activity,
-- or a service ("service:action").
CREATE FUNCTION workflow.task_activity(task jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN task->>'Resource' ~ '^arn:[^:]*:states:::lambda:invoke(\.waitForTaskToken)?$'
            THEN coalesce(regexp_replace(coalesce(task #>> '{Parameters,FunctionName}', task #>> '{Arguments,FunctionName}'),
                                         '^(.*:)?function:|:[^:]*$', '', 'g'), 'lambda:invoke')
        WHEN task->>'Resource' ~ '^arn:[^:]*:lambda:[^:]*:[^:]*:function:'
            THEN split_part(task->>'Resource', ':', 7)
        WHEN task->>'Resource' ~ '^arn:[^:]*:states:[^:]*:[^:]*:activity:'
            THEN substring(task->>'Resource' FROM ':activity:(.*)')
        WHEN task->>'Resource' ~ '^arn:[^:]*:states:::'
            THEN regexp_replace(substring(task->>'Resource' FROM ':::(.*)'), '\.(sync(:2)?|waitForTaskToken)$', '')
        WHEN task->>'Resource' ~ '^arn:'
            THEN split_part(task->>'Resource', ':', 3) || ':' || substring(task->>'Resource' FROM '[^:]*$')
        ELSE regexp_replace(task->>'Resource', '(.)\.waitForTaskToken$', '\1')
    END;
COMMENT ON FUNCTION workflow.task_activity(jsonb) IS 'The activity that a Task state of a definition calls';

-- workflow_label: what a Task asks of another workflow: "child workflow ship", "signal hurry"; NULL when it is an activity's
CREATE FUNCTION workflow.workflow_label(task jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN task->>'Type' <> 'Task' THEN NULL
        WHEN task->>'Resource' = 'workflow:signal'
            THEN 'signal ' || coalesce(task #>> '{Parameters,Signal}', task #>> '{Arguments,Signal}', 'to another workflow')
        WHEN task->>'Resource' = 'workflow:cancel' THEN 'cancel another workflow'
        WHEN task->>'Resource' LIKE 'workflow:%' THEN 'child workflow ' || substr(task->>'Resource', 10)
        WHEN task->>'Resource' ~ '^arn:[^:]*:states:::states:startExecution(\.sync(:2)?)?$'
            THEN 'child workflow ' || coalesce(substring(coalesce(task #>> '{Parameters,StateMachineArn}', task #>> '{Arguments,StateMachineArn}')
                                                         FROM '([^:]+)(:\d+)?$'), '')
    END;
COMMENT ON FUNCTION workflow.workflow_label(jsonb) IS 'What a Task state of a definition asks of another workflow';

-- choice_label: a rule of a Choice state as people write it: "$.amount > 100 and not $.gift is present"; of an SQL
-- expression the text
CREATE FUNCTION workflow.choice_label(rule jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    operator text;
    operand  jsonb;
BEGIN
    IF rule ? 'Condition' THEN
        RETURN workflow.expression_label(rule->>'Condition');
    ELSIF rule ?| '{And,Or}' THEN
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

-- retry_label: a Retry as people say it: "up to 5 attempts; no retry on Declined"
CREATE FUNCTION workflow.retry_label(retry jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(string_agg(
        CASE
            WHEN r.retrier ? 'MaximumAttempts' THEN 'up to ' || (r.retrier->>'MaximumAttempts') || ' attempts'
            WHEN r.retrier->>'MaxAttempts' = '0' THEN 'no retry'
            ELSE 'up to ' || coalesce(r.retrier->>'MaxAttempts', '3') || ' retries'
        END || coalesce(' on ' || nullif(r.errors, 'States.ALL'), ''), '; ' ORDER BY r.n), 'no retry')
    FROM (SELECT t.n, t.retrier,
                 (SELECT string_agg(e.name, ', ' ORDER BY e.n)
                  FROM jsonb_array_elements_text(t.retrier->'ErrorEquals') WITH ORDINALITY AS e (name, n)) AS errors
          FROM jsonb_array_elements(retry) WITH ORDINALITY AS t (retrier, n)) r;
END;
COMMENT ON FUNCTION workflow.retry_label(jsonb) IS 'A Retry of a definition, as people say it';

-- awaited_label: one of the things that an Await state waits for: "signal paid where $.amount > 100", "after 60 s"
CREATE FUNCTION workflow.awaited_label(awaited jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN concat_ws(' ',
        coalesce('signal ' || (awaited->>'Signal'), 'update ' || (awaited->>'Update'),
                 'after ' || coalesce(workflow.expression_label(awaited->>'AfterSeconds'), awaited->>'AfterSecondsPath') || ' s',
                 'at ' || coalesce(workflow.expression_label(awaited->>'At'), awaited->>'AtPath')),
        'where ' || workflow.choice_label(CASE jsonb_typeof(awaited->'Condition')
                                           WHEN 'object' THEN awaited->'Condition'
                                           ELSE jsonb_build_object('Condition', awaited->'Condition')
                                       END));
COMMENT ON FUNCTION workflow.awaited_label(jsonb) IS 'What an Await state waits for, as people say it';

-- definition_edges: what leads where, in the order of the definition's text
--   kind             Start, Next, Choice, Default, Catch, End, Fail (of a nested machine), Compensate, OnError,
--                    OnCancel, OnTimeout; Retry, from a state to itself or, of Defaults, from nowhere to nowhere
--   source           a state, that of a nested machine's Start is its parent; NULL for Start and handlers
--   target           a state; for Fail its parent; for Compensate an activity; NULL for End
--   label            of a nested machine's Start: the machine
--   from_id, to_id   their identifiers in a picture: s1 … are the states, j1 … where nested machines join, a1 …
--                    compensating activities
CREATE FUNCTION workflow.definition_edges(definition text)
    RETURNS TABLE (n bigint, kind text, source text, target text, label text, from_id text, to_id text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 100
    SET jit = off
BEGIN ATOMIC
    WITH whole AS MATERIALIZED (
        SELECT definition::jsonb AS document
    ), states AS MATERIALIZED (
        SELECT s.n, s.name, s.state::jsonb AS state, s.state->>'Type' IN ('Parallel', 'Map') AS nests, s.parent, s.place
        FROM workflow.definition_states(definition) s
    ), edges (place, part, rank, kind, source, target, label) AS (
        SELECT '{}'::bigint[], 0, 0::bigint, 'Start', NULL, w.document->>'StartAt', NULL
        FROM whole w
        UNION ALL
        SELECT '{}', 1, 0, 'Retry', NULL, NULL, workflow.retry_label(w.document #> '{Defaults,Retry}')
        FROM whole w WHERE w.document #> '{Defaults,Retry}' IS NOT NULL
        UNION ALL
        SELECT s.place, 0, 0, 'Retry', s.name, s.name, workflow.retry_label(s.state->'Retry')
        FROM states s WHERE s.state ? 'Retry'
        UNION ALL
        SELECT s.place, 1, c.n, 'Choice', s.name, c.rule->>'Next', left(workflow.choice_label(c.rule), 200)
        FROM states s
        CROSS JOIN LATERAL jsonb_array_elements(s.state->'Choices') WITH ORDINALITY AS c (rule, n)
        UNION ALL
        SELECT s.place, 1, a.n, 'Choice', s.name, a.awaited->>'Next', left(workflow.awaited_label(a.awaited), 200)
        FROM states s
        CROSS JOIN LATERAL jsonb_array_elements(s.state->'Any') WITH ORDINALITY AS a (awaited, n)
        UNION ALL
        SELECT s.place, 1, v.version::bigint, 'Choice', s.name, v.target, left(concat(s.state->>'ChangeId', ' = ', v.version), 200)
        FROM states s
        CROSS JOIN LATERAL jsonb_each_text(CASE s.state->>'Type' WHEN 'Version' THEN s.state->'Versions' END)
            AS v (version, target)
        UNION ALL
        SELECT s.place, 2, 0, 'Default', s.name, s.state->>'Default', 'otherwise'
        FROM states s WHERE s.state ? 'Default'
        UNION ALL
        SELECT s.place, 3, 0, 'Next', s.name, s.state->>'Next', NULL
        FROM states s WHERE s.state ? 'Next'
        UNION ALL
        SELECT s.place, 4, 0, CASE WHEN s.state->>'Type' = 'Fail' AND s.parent IS NOT NULL THEN 'Fail' ELSE 'End' END,
               s.name, CASE WHEN s.state->>'Type' = 'Fail' THEN s.parent END, NULL
        FROM states s WHERE s.state->'End' = 'true' OR s.state->>'Type' IN ('Succeed', 'Fail', 'ContinueAsNew')
        UNION ALL
        SELECT s.place, 5, c.n, 'Catch', s.name, c.catcher->>'Next',
               (SELECT string_agg(e.name, ', ' ORDER BY e.n)
                FROM jsonb_array_elements_text(c.catcher->'ErrorEquals') WITH ORDINALITY AS e (name, n))
        FROM states s
        CROSS JOIN LATERAL jsonb_array_elements(s.state->'Catch') WITH ORDINALITY AS c (catcher, n)
        UNION ALL
        SELECT s.place, 6, 0, 'Compensate', s.name,
               CASE jsonb_typeof(s.state->'Compensate')
                   WHEN 'object' THEN workflow.task_activity(s.state->'Compensate')
                   ELSE s.state->>'Compensate'
               END, NULL
        FROM states s WHERE s.state ? 'Compensate'
        UNION ALL
        SELECT s.place || m.n, 0, 0, 'Start', s.name, m.machine->>'StartAt', left(m.label, 200)
        FROM states s
        CROSS JOIN LATERAL workflow.nested_machines(s.state::json) m
        UNION ALL
        SELECT NULL, 0, h.n, h.kind, NULL, w.document->>h.kind, NULL
        FROM whole w
        CROSS JOIN unnest('{OnError,OnCancel,OnTimeout}'::text[]) WITH ORDINALITY AS h (kind, n)
        WHERE w.document ? h.kind
    )
    SELECT row_number() OVER (ORDER BY e.place, e.part, e.rank), e.kind, e.source, e.target, e.label,
           CASE WHEN s.nests AND e.kind IN ('Next', 'End') THEN 'j' || s.n
                ELSE coalesce('s' || s.n, lower(e.kind)) END,
           CASE WHEN e.kind = 'Compensate' THEN 'a' || dense_rank() OVER (PARTITION BY e.kind ORDER BY e.target)
                WHEN e.kind = 'End' THEN coalesce('j' || p.n, 'finish')
                ELSE 's' || t.n END
    FROM edges e
    LEFT JOIN states s ON s.name = e.source
    LEFT JOIN states t ON t.name = e.target AND e.kind <> 'Compensate'
    LEFT JOIN states p ON p.name = s.parent
    ORDER BY 1;
END;
COMMENT ON FUNCTION workflow.definition_edges(text) IS 'What leads where in a definition';

-- definition_nodes: what a picture has besides edges, in the order in which it is drawn
--   kind   Start, State, Join (where nested machines end), Open and Close (around a state that nests machines, and
--          around each machine), Activity (a compensating one), Handler (OnError …), Finish, Note
--   id     its identifier in the picture
--   type   of a state
--   level  how deep it is nested
CREATE FUNCTION workflow.definition_nodes(definition text)
    RETURNS TABLE (n bigint, kind text, id text, type text, label text, level int)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 100
    SET jit = off
BEGIN ATOMIC
    WITH edges AS MATERIALIZED (
        SELECT * FROM workflow.definition_edges(definition)
    ), states AS MATERIALIZED (
        SELECT s.n, s.name, s.state, s.state->>'Type' AS type, s.place, cardinality(s.place) - 1 AS level,
               s.state->>'Type' IN ('Parallel', 'Map') AS nests
        FROM workflow.definition_states(definition) s
    ), machines AS (
        SELECT s.place || m.n AS place, 'm' || s.n || '_' || m.n AS id, m.label, s.level + 1 AS level
        FROM states s
        CROSS JOIN LATERAL workflow.nested_machines(s.state) m
    ), nodes (part, place, kind, id, type, label, level) AS (
        SELECT 1, '{}'::bigint[], 'Start', 'start', NULL, NULL, 0
        UNION ALL
        SELECT 2, CASE WHEN s.nests THEN s.place || '{0,0}' ELSE s.place END, 'State', 's' || s.n, s.type,
               concat_ws(E'\n', s.name, workflow.workflow_label(s.state::jsonb), e.label,
                         (SELECT left(string_agg(workflow.awaited_label(a.awaited), ' and ' ORDER BY a.n), 200)
                          FROM jsonb_array_elements(s.state::jsonb->'All') WITH ORDINALITY AS a (awaited, n))),
               CASE WHEN s.nests THEN s.level + 1 ELSE s.level END
        FROM states s
        LEFT JOIN edges e ON e.kind = 'Retry' AND e.source = s.name
        UNION ALL
        SELECT 2, s.place || c.place, c.kind, c.prefix || s.n, NULL, ' ', s.level + c.within
        FROM states s
        CROSS JOIN (VALUES ('{0}'::bigint[], 'Open', 'c', 0), ('{2000000000}', 'Join', 'j', 1),
                           ('{2000000001}', 'Close', 'c', 0)) AS c (place, kind, prefix, within)
        WHERE s.nests
        UNION ALL
        SELECT 2, m.place, 'Open', m.id, NULL, left(m.label, 200), m.level FROM machines m
        UNION ALL
        SELECT 2, m.place || 2000000000::bigint, 'Close', m.id, NULL, NULL, m.level FROM machines m
        UNION ALL
        SELECT 3, ARRAY[min(e.n)], 'Activity', e.to_id, NULL, e.target, 0
        FROM edges e WHERE e.kind = 'Compensate' GROUP BY e.to_id, e.target
        UNION ALL
        SELECT 4, ARRAY[e.n], 'Handler', e.from_id, NULL, e.kind, 0
        FROM edges e WHERE e.kind LIKE 'On%'
        UNION ALL
        SELECT 5, '{}', 'Finish', 'finish', NULL, NULL, 0
        FROM edges e WHERE e.to_id = 'finish' HAVING count(*) > 0
        UNION ALL
        SELECT 6, '{}', 'Note', 'defaults', NULL, concat(E'by default\n', e.label), 0
        FROM edges e WHERE e.kind = 'Retry' AND e.source IS NULL
    )
    SELECT row_number() OVER (ORDER BY d.part, d.place), d.kind, d.id, d.type, d.label, d.level
    FROM nodes d
    ORDER BY 1;
END;
COMMENT ON FUNCTION workflow.definition_nodes(text) IS 'What a picture of a definition has besides edges';

-- picture_lines: a text in lines of at most 40 characters, where it has blanks to break it at
CREATE FUNCTION workflow.picture_lines(content text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN regexp_replace(regexp_replace(content, '([^\n]{1,40})( +|\n|$)', E'\\1\n', 'g'), '\n$', '');
COMMENT ON FUNCTION workflow.picture_lines(text) IS 'A text, broken into lines for a picture';

-- mermaid_text, dot_text: any text as a quoted string, line breaks and all.  Mermaid looks for directives, comments,
-- Markdown, HTML and formulas in strings, too: what is not known to be plain is given by its number.  Graphviz writes
-- XML, which has no place for control characters and two that Unicode calls none.
CREATE FUNCTION workflow.mermaid_text(content text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN '"' || (SELECT string_agg(CASE WHEN c ~ '[[:alnum:] _.,:()=+/-]' THEN c
                                          WHEN c = E'\n' THEN '<br/>'
                                          WHEN c ~ '[[:cntrl:]]' OR c = '' THEN ' '
                                          ELSE '#' || ascii(c) || ';' END, '' ORDER BY n)
                   FROM regexp_split_to_table(workflow.picture_lines(content), '') WITH ORDINALITY AS s (c, n)) || '"';
COMMENT ON FUNCTION workflow.mermaid_text(text) IS 'A text as a string of Mermaid';

CREATE FUNCTION workflow.dot_text(content text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN '"' || replace(regexp_replace(
                      replace(replace(replace(workflow.picture_lines(content), '\', '\\'), '"', '\"'), '&', '&amp;'),
                      CASE getdatabaseencoding() WHEN 'UTF8' THEN '(?!\n)[[:cntrl:]\uFFFE\uFFFF]' ELSE '(?!\n)[[:cntrl:]]' END,
                      ' ', 'g'), E'\n', '\n') || '"';
COMMENT ON FUNCTION workflow.dot_text(text) IS 'A text as a string of Graphviz';

-- describe_mermaid, describe_dot, describe_states: see describe
CREATE FUNCTION workflow.describe_mermaid(definition text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET jit = off
BEGIN ATOMIC
    WITH lines (part, n, level, line) AS (
        SELECT 1, d.n, d.level,
               CASE d.kind
                   WHEN 'State' THEN d.id || CASE d.type
                       WHEN 'Choice' THEN '{' || t.label || '}'
                       WHEN 'Version' THEN '{' || t.label || '}'
                       WHEN 'Wait' THEN '(' || t.label || ')'
                       WHEN 'Succeed' THEN '([' || t.label || '])'
                       WHEN 'Fail' THEN '([' || t.label || '])'
                       WHEN 'Compensate' THEN '[[' || t.label || ']]'
                       WHEN 'Parallel' THEN '{{' || t.label || '}}'
                       WHEN 'Map' THEN '{{' || t.label || '}}'
                       ELSE '[' || t.label || ']'
                   END
                   WHEN 'Open' THEN 'subgraph ' || d.id || '[' || t.label || ']'
                   WHEN 'Close' THEN 'end'
                   WHEN 'Activity' THEN d.id || '[/' || t.label || '/]'
                   WHEN 'Handler' THEN d.id || '>' || t.label || ']'
                   WHEN 'Note' THEN d.id || '[' || t.label || ']'
                   ELSE d.id || '((" "))'
               END
        FROM workflow.definition_nodes(definition) d
        CROSS JOIN LATERAL (SELECT workflow.mermaid_text(d.label) AS label) t
        UNION ALL
        SELECT 2, e.n, 0, e.from_id
               || CASE e.kind WHEN 'Catch' THEN ' -.-> ' WHEN 'Compensate' THEN ' -.-o ' ELSE ' --> ' END
               || CASE WHEN e.kind <> 'Start' THEN coalesce('|' || workflow.mermaid_text(e.label) || '| ', '') ELSE '' END
               || e.to_id
        FROM workflow.definition_edges(definition) e
        WHERE e.kind NOT IN ('Retry', 'Fail')
    )
    SELECT 'flowchart TD' || string_agg(E'\n    ' || repeat('    ', l.level) || l.line, '' ORDER BY l.part, l.n)
    FROM lines l;
END;
COMMENT ON FUNCTION workflow.describe_mermaid(text) IS 'A definition as a flowchart of Mermaid';

CREATE FUNCTION workflow.describe_dot(definition text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET jit = off
BEGIN ATOMIC
    WITH lines (part, n, level, line) AS (
        SELECT 0, p.n, 0, p.line
        FROM unnest(ARRAY['graph [fontname="Helvetica", fontsize=11, labeljust=l];', 'node [shape=box, fontname="Helvetica"];',
                          'edge [fontname="Helvetica", fontsize=11, weight=4];']) WITH ORDINALITY AS p (line, n)
        UNION ALL
        SELECT 1, d.n, d.level,
               CASE d.kind
                   WHEN 'State' THEN d.id || ' [label=' || t.label || CASE d.type
                       WHEN 'Choice' THEN ', shape=diamond'
                       WHEN 'Version' THEN ', shape=diamond'
                       WHEN 'Wait' THEN ', shape=ellipse'
                       WHEN 'Succeed' THEN ', peripheries=2'
                       WHEN 'Fail' THEN ', peripheries=2, style=bold'
                       WHEN 'Compensate' THEN ', shape=box3d'
                       WHEN 'Parallel' THEN ', shape=hexagon'
                       WHEN 'Map' THEN ', shape=hexagon'
                       ELSE ''
                   END || '];'
                   WHEN 'Open' THEN 'subgraph cluster_' || d.id || ' { label=' || t.label || '; style=rounded;'
                   WHEN 'Close' THEN '}'
                   WHEN 'Start' THEN d.id || ' [shape=point];'
                   WHEN 'Join' THEN d.id || ' [shape=circle, label="", width=0.2];'
                   WHEN 'Finish' THEN d.id || ' [shape=doublecircle, label="", width=0.2];'
                   WHEN 'Activity' THEN d.id || ' [label=' || t.label || ', style=rounded];'
                   WHEN 'Handler' THEN d.id || ' [label=' || t.label || ', shape=cds];'
                   WHEN 'Note' THEN d.id || ' [label=' || t.label || ', shape=note];'
               END
        FROM workflow.definition_nodes(definition) d
        CROSS JOIN LATERAL (SELECT workflow.dot_text(d.label) AS label) t
        UNION ALL
        SELECT 2, e.n, 0, e.from_id || ' -> ' || e.to_id
               || CASE e.kind WHEN 'Start' THEN ''
                              WHEN 'Catch' THEN ' [style=dashed, weight=1, label=' || workflow.dot_text(e.label) || ']'
                              WHEN 'Compensate' THEN ' [style=dotted, arrowhead=odot, weight=1]'
                              ELSE coalesce(' [label=' || workflow.dot_text(e.label) || ']', '') END || ';'
        FROM workflow.definition_edges(definition) e
        WHERE e.kind NOT IN ('Retry', 'Fail')
    )
    SELECT 'digraph {' || string_agg(E'\n    ' || repeat('    ', l.level) || l.line, '' ORDER BY l.part, l.n) || E'\n}'
    FROM lines l;
END;
COMMENT ON FUNCTION workflow.describe_dot(text) IS 'A definition as a graph of Graphviz';

CREATE FUNCTION workflow.describe_states(definition text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET jit = off
BEGIN ATOMIC
    SELECT string_agg(
        repeat('  ', CASE WHEN s.name IS NULL THEN 0 WHEN e.kind = 'Start' THEN cardinality(s.place)
                          ELSE cardinality(s.place) - 1 END)
        || regexp_replace(
            CASE WHEN e.kind = 'Start' THEN coalesce(e.label, 'Start')
                 ELSE coalesce(e.source || ' (' || concat_ws(' ', s.state->>'Type',
                                                             workflow.task_activity(s.state::jsonb)) || ')',
                               CASE e.kind WHEN 'Retry' THEN 'Defaults' ELSE e.kind END)
            END
            || CASE e.kind
                   WHEN 'Retry' THEN ': ' || e.label
                   WHEN 'Compensate' THEN ' undone by ' || e.target
                   WHEN 'Catch' THEN format(' on %s -> %s', e.label, e.target)
                   WHEN 'Fail' THEN ' fails ' || e.target
                   WHEN 'End' THEN ' ends'
                   WHEN 'Choice' THEN format(' -> %s if %s', e.target, e.label)
                   ELSE ' -> ' || e.target
               END,
            '[[:cntrl:]]', ' ', 'g'), E'\n' ORDER BY e.n)
    FROM workflow.definition_edges(definition) e
    LEFT JOIN workflow.definition_states(definition) s ON s.name = e.source;
END;
COMMENT ON FUNCTION workflow.describe_states(text) IS 'A definition as lines of text';

-- describe: a workflow as a picture
--   name     the workflow
--   version  its version; the current one by default
--   format   mermaid, dot (Graphviz), or states (lines of text)
-- Catches are dashed lines, compensations dotted ones (Mermaid has one kind for both; they end in a circle).  What is
-- within a Parallel or Map is framed; its ways meet in a circle, from which it goes on.
-- Raises OW002 for an unknown workflow, also one that the current user may not see; OW006 for an unknown
-- version; invalid_parameter_value for another format.
CREATE FUNCTION workflow.describe(name text, version int DEFAULT NULL, format text DEFAULT 'mermaid') RETURNS text
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'ow_describe';
COMMENT ON FUNCTION workflow.describe(text, int, text) IS 'A workflow as a picture: mermaid, dot or states';
