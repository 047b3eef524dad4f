-- Registering workflows and activities: versions, validation, ownership, which functions will do.

\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_register_owner LOGIN;
CREATE ROLE regress_register_member IN ROLE regress_register_owner;
CREATE ROLE regress_register_other LOGIN;
CREATE ROLE regress_register_nologin;
SELECT count(workflow.grant_usage(oid)) FROM pg_roles WHERE rolname ~ '^regress_register_';
CREATE SCHEMA register;
GRANT USAGE, CREATE ON SCHEMA register TO PUBLIC;
SET search_path = register;

-- What a statement raises
CREATE FUNCTION raised(statement text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
END
$$;

-- Versions: new content gets a new one, the same content keeps its own, whatever the spaces
SELECT workflow.register('versions', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}');
SELECT workflow.register('versions', '{"StartAt":"A", "States": {"A": {"End": true, "Type": "Pass"}}}');
SELECT workflow.register('versions', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'::jsonb);
SELECT workflow.register('versions', '{"StartAt": "B", "States": {"B": {"Type": "Pass", "End": true}}}', false);
SELECT name, owner = current_user::regrole AS mine, current_version FROM workflow.workflow_type WHERE name = 'versions';
SELECT workflow.register('versions', '{"StartAt": "B", "States": {"B": {"Type": "Pass", "End": true}}}', make_current => true);
SELECT current_version FROM workflow.workflow_type WHERE name = 'versions';
SELECT version, source FROM workflow.definition WHERE workflow = 'versions' ORDER BY version;
-- …rolled back, nothing was registered
BEGIN;
SELECT workflow.register('versions', '{"StartAt": "C", "States": {"C": {"Type": "Pass", "End": true}}}');
SELECT run_id IS NOT NULL AS started FROM workflow.start('versions') run_id;
ROLLBACK;
SELECT current_version FROM workflow.workflow_type WHERE name = 'versions';
-- …the first version is not current unless it is asked to be
SELECT workflow.register('later', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}', false);
SELECT * FROM raised($$ SELECT workflow.start('later') $$) \gx

-- …and set_current goes to any version and back, for the owner
SELECT workflow.set_current('versions', 1);
SELECT workflow.set_current('versions', 1) AS again;
SELECT workflow.set_current('versions', 2);
SELECT workflow.set_current('later', 1) IS NULL AS had_none;
SELECT run_id IS NOT NULL AS started FROM workflow.start('later') run_id;
SELECT code, message FROM unnest(ARRAY[$$'versions', 3$$, $$'versions', 0$$, $$'versions', NULL$$, $$'nothing', 1$$, $$NULL, 1$$]) AS arguments,
    raised(format($$ SELECT workflow.set_current(%s) $$, arguments));
SET ROLE regress_register_other;
SELECT code, message, detail FROM raised($$ SELECT workflow.set_current('versions', 1) $$);
RESET ROLE;
SELECT name, current_version FROM workflow.workflow_type WHERE name IN ('versions', 'later') ORDER BY name;

-- Every problem at once
SELECT * FROM raised($$ SELECT workflow.register('wrong', '{
    "StartAt": "Here", "States": {
        "A": {"Type": "Pass", "Next": "B"}, "A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Task", "Resource_": "Pay", "Next": "C"}}}') $$) \gx
SELECT * FROM workflow.validate('{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Unknown", "End": true}}}'::jsonb);
SELECT severity, code, path FROM workflow.validate('{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}, "A": {"Type": "Pass", "End": true}}}');
SELECT severity, code, path, message FROM workflow.validate('{"StartAt": ');
SELECT count(*) FROM workflow.validate('{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}');
SELECT workflow.register('unregistered', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Unknown", "TimeoutSeconds": 5, "End": true}}}');
SELECT count(*) FROM workflow.definition WHERE workflow IN ('wrong');

-- Names
SELECT code, message FROM unnest(ARRAY['NULL', $$''$$, $$repeat('x', 201)$$]) AS name,
    raised(format($$ SELECT workflow.register(%s, '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}') $$, name));
SELECT code, message FROM raised($$ SELECT workflow.register('x', NULL::text) $$);
SELECT code, message FROM raised($$ SELECT workflow.register(NULL, '{}'::jsonb) $$);

-- Ownership
SET ROLE regress_register_owner;
SELECT workflow.register('owned', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}');
SET ROLE regress_register_member;
SELECT workflow.register('owned', '{"StartAt": "M", "States": {"M": {"Type": "Pass", "End": true}}}');
SET ROLE regress_register_other;
SELECT * FROM raised($$ SELECT workflow.register('owned', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}') $$) \gx
SET ROLE regress_register_nologin;
SELECT * FROM raised($$ SELECT workflow.register('asleep', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}') $$) \gx
RESET ROLE;
SELECT t.owner, d.version, d.created_by FROM workflow.workflow_type t JOIN workflow.definition d ON d.workflow = t.name
WHERE t.name = 'owned' ORDER BY d.version;

-- Functions that can be activities
CREATE TYPE request AS (id int, "odd, ""name""" text);
CREATE FUNCTION whole(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION whole_context(jsonb, workflow.activity_context) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION composite(request) RETURNS request LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION named(a int, b text[] DEFAULT '{}', VARIADIC c numeric[] DEFAULT '{}') RETURNS text LANGUAGE sql AS 'SELECT b[a]';
CREATE TYPE "odd, ""type" AS ENUM ('x');
CREATE FUNCTION "odd name"(e "odd, ""type", f int) RETURNS int LANGUAGE sql AS 'SELECT f';
SELECT workflow.register_activity(f::text, f)
FROM unnest('{whole(jsonb),"whole_context(jsonb, workflow.activity_context)",composite(request),"named(int, text[], numeric[])"}'::regprocedure[]) f;
SELECT workflow.register_activity('odd', (SELECT oid::regprocedure FROM pg_proc WHERE proname = 'odd name'));
SELECT name, function_schema, function_name, function_arguments FROM workflow.activity
WHERE function_schema = 'register' ORDER BY name COLLATE "C";

-- …and those that cannot
CREATE PROCEDURE a_procedure(a int) LANGUAGE sql AS '';
CREATE FUNCTION a_set() RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION polymorphic(a anyelement) RETURNS anyelement LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION a_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION nameless(a int, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION contexts(a workflow.activity_context, b workflow.activity_context) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE an_aggregate(int) (SFUNC = int4pl, STYPE = int);
SELECT r.* FROM pg_proc p, raised(format('SELECT workflow.register_activity(%L, %s)', 'no', p.oid)) r
WHERE p.proname IN ('a_procedure', 'a_set', 'polymorphic', 'a_trigger', 'nameless', 'contexts', 'an_aggregate')
ORDER BY r.message COLLATE "C";
SELECT code, message FROM raised($$ SELECT workflow.register_activity('no', 0) $$);
CREATE FUNCTION pg_temp.gone_soon(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
SELECT code, regexp_replace(message, 'pg_temp_\d+', 'pg_temp') AS message, detail
FROM raised($$ SELECT workflow.register_activity('no', 'pg_temp.gone_soon(int)') $$);

-- Kinds and options
SELECT r.* FROM unnest(ARRAY['', $$, 'whole(jsonb)', task_queue => 'q'$$, $$, task_queue => ''$$, $$, url => 'http://x'$$,
    $$, 'whole(jsonb)', options => '[]'$$, $$, 'whole(jsonb)', options => '{"Retri": [], "StartToCloseSeconds": 0}'$$]) AS arguments,
    raised(format($$ SELECT workflow.register_activity('no' %s) $$, arguments)) r;
-- A function as text needs its types, and is found on the search path or by its schema.
CREATE FUNCTION twice(input jsonb) RETURNS jsonb LANGUAGE sql RETURN input;
CREATE FUNCTION twice(a int, "B c" text) RETURNS jsonb LANGUAGE sql RETURN to_jsonb(a);
SELECT r.* FROM unnest('{whole,register.whole,twice,nothing,nothing(jsonb),whole(int),twice(text),whole(no_type),whole(jsonb,"", a.b.c.d(int)}'::text[])
    WITH ORDINALITY AS f (function, n), raised(format('SELECT workflow.register_activity(''no'', %L)', function)) r ORDER BY n;
SELECT * FROM raised($$ SELECT workflow.register_activity('no', NULL::text) $$);
SELECT workflow.register_activity('twice', 'register.twice(integer, text)'), workflow.register_activity('twice', function => 'twice(jsonb)'::text);
SELECT function FROM workflow.activities WHERE name = 'twice';
SELECT workflow.register_activity('patient', 'whole(jsonb)', options => '{"StartToCloseSeconds": 60}');
SELECT code FROM workflow.validate('{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "patient", "End": true}}}');
SELECT code, path FROM workflow.validate('{"StartAt": "A", "States": {"A": {"Type": "Parallel", "End": true, "Branches": [
    {"StartAt": "B?", "States": {"B?": {"Type": "Task", "Resource": "patient", "Next": "C"}, "C": {"Type": "Task", "Resource": "patient", "End": true}}},
    {"StartAt": "D", "States": {"D": {"Type": "Task", "Resource": "twice", "End": true}}}]}}}');

-- Who may: EXECUTE on the function, the name, the use in others' definitions
REVOKE EXECUTE ON FUNCTION whole(jsonb) FROM PUBLIC;
SET ROLE regress_register_owner;
SELECT code, message FROM raised($$ SELECT workflow.register_activity('mine', 'whole(jsonb)') $$);
SELECT workflow.register_activity('mine', 'composite(request)');
SELECT workflow.register_activity('mine', 'named(int, text[], numeric[])');
SET ROLE regress_register_other;
SELECT * FROM raised($$ SELECT workflow.register_activity('mine', 'composite(request)') $$) \gx
SELECT detail FROM raised($$ SELECT workflow.register('theirs', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "mine", "TimeoutSeconds": 5, "End": true}}}') $$);
SELECT code, message FROM raised($$ SELECT workflow.release_activity('mine') $$);
SET ROLE regress_register_owner;
SELECT workflow.grant_activity('regress_register_other', 'mine');
SET ROLE regress_register_other;
SELECT workflow.register('theirs', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "mine", "TimeoutSeconds": 5, "End": true}}}');
RESET ROLE;

-- Quarantine: stays when the function is replaced, goes when it is lifted
UPDATE workflow.activity SET crashes = 3, quarantined_at = '2030-01-01' WHERE name = 'mine';
SELECT workflow.register_activity('mine', 'composite(request)');
SELECT function_name, owner, quarantined_at IS NOT NULL AS quarantined FROM workflow.activity WHERE name = 'mine';
SELECT workflow.release_activity('mine'), workflow.release_activity('mine');
SELECT crashes, quarantined_at FROM workflow.activity WHERE name = 'mine';
SELECT code, message FROM raised($$ SELECT workflow.release_activity('unknown') $$);

SET default_transaction_read_only = on;
SELECT workflow.register('versions', '{}'::jsonb);
SELECT workflow.register_activity('no', 'whole(jsonb)');
RESET default_transaction_read_only;
