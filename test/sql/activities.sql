-- SQL activities: how functions are called, what their results and errors become.

\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_activity_owner LOGIN;
SELECT workflow.grant_usage('regress_activity_owner');
CREATE SCHEMA activities;
GRANT USAGE ON SCHEMA activities TO PUBLIC;
SET search_path = activities;

-- Registers a function as an activity, runs it with an input, and says what came of it.
CREATE FUNCTION called(function text, input jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    activity text := format('activities.%s', function);
    id       text;
BEGIN
    PERFORM workflow.register_activity(activity, p.oid, options => '{"StartToCloseSeconds": 60}')
    FROM pg_proc p WHERE p.pronamespace = 'activities'::regnamespace AND p.proname = function;
    PERFORM workflow.register(activity, jsonb_build_object('StartAt', 'Call', 'States', jsonb_build_object('Call',
        jsonb_build_object('Type', 'Task', 'Resource', activity, 'End', true))));
    id := activity || ' ' || gen_random_uuid();
    PERFORM workflow.start(activity, input, id);
    RETURN id;
END
$$;
CREATE FUNCTION outcome(id text, OUT output jsonb, OUT error text, OUT cause text) LANGUAGE sql AS $$
    SELECT output, error, cause FROM workflow.wait(id)
$$;
CREATE FUNCTION details(id text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT attributes->'details' FROM workflow.history
    WHERE workflow_id = id AND event_type = 'ActivityTaskFailed' ORDER BY event_id LIMIT 1
$$;

-- Arguments
CREATE TYPE order_line AS (product text, quantity int);
CREATE TYPE purchase AS (id bigint, placed_on date, lines order_line[], note text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION whole(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT jsonb_build_object(''got'', input)';
CREATE FUNCTION whole_json(input json) RETURNS json LANGUAGE sql AS 'SELECT input';
CREATE FUNCTION composite(p purchase) RETURNS purchase LANGUAGE sql AS 'SELECT p';
CREATE FUNCTION named(a int, b text DEFAULT upper('b'), c positive DEFAULT 3) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws('|', a, b, c) $$;
CREATE FUNCTION strict_sum(a int, b int) RETURNS int STRICT LANGUAGE sql AS 'SELECT a + b';
CREATE FUNCTION variadic_sum(VARIADIC numbers int[]) RETURNS bigint LANGUAGE sql AS 'SELECT sum(n) FROM unnest(numbers) n';
CREATE FUNCTION no_arguments() RETURNS int LANGUAGE sql AS 'SELECT 42';
CREATE FUNCTION collated(a text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN a < ''b''; END';

CREATE TABLE calls AS
SELECT n, function, input, called(function, input) AS id
FROM (VALUES
    (1, 'whole', '{"a": 1}'::jsonb), (2, 'whole', '"text"'), (3, 'whole', 'null'), (4, 'whole_json', '{"a": [1]}'),
    (10, 'composite', '{"id": 1, "placed_on": "2030-01-01", "lines": [{"product": "x", "quantity": 2}]}'),
    (11, 'composite', '{"id": 1, "noet": "x"}'), (12, 'composite', '{"id": "one"}'), (13, 'composite', '[1]'),
    (20, 'named', '{"a": 1}'), (21, 'named', '{"a": 1, "b": null, "c": 5}'), (22, 'named', '{"b": "x"}'),
    (23, 'named', '{"a": 1, "B": "x"}'), (24, 'named', '{"a": "x"}'), (25, 'named', '{"a": 1, "c": 0}'), (26, 'named', '1'),
    (30, 'strict_sum', '{"a": 1, "b": 2}'), (31, 'strict_sum', '{"a": 1, "b": null}'), (32, 'variadic_sum', '{"numbers": [1, 2, 3]}'),
    (33, 'no_arguments', '{"anything": 1}'), (34, 'collated', '{"a": "a"}')) AS v (n, function, input);
SELECT n, function, input, o.* FROM calls, outcome(id) o ORDER BY n;

-- Results
CREATE FUNCTION gives_void(input jsonb) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION gives_null(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';
CREATE FUNCTION gives_text(input jsonb) RETURNS text LANGUAGE sql AS 'SELECT ''{"no": "json"}''';
CREATE FUNCTION gives_array(input jsonb) RETURNS int[] LANGUAGE sql AS 'SELECT ''{1,2}''::int[]';
CREATE FUNCTION gives_time(input jsonb) RETURNS timestamptz LANGUAGE sql AS 'SELECT ''2030-01-01 00:00+00''::timestamptz' SET timezone = 'UTC';
CREATE FUNCTION gives_out(input jsonb, OUT a int, OUT b text) LANGUAGE plpgsql AS 'BEGIN a := 1; b := ''x''; END';
CREATE FUNCTION gives_record(input jsonb) RETURNS record LANGUAGE plpgsql AS 'BEGIN RETURN ROW(1, ''x''::text); END';
CREATE FUNCTION gives_domain(input jsonb) RETURNS positive LANGUAGE sql AS 'SELECT 1::activities.positive';
CREATE TABLE results AS
SELECT function, called(function, '{}') AS id
FROM unnest('{gives_void,gives_null,gives_text,gives_array,gives_out,gives_record,gives_domain}'::text[]) function;
SELECT function, output, error FROM results, outcome(id) ORDER BY 1;

-- The context, as argument and asked for
CREATE FUNCTION context_argument(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    asked workflow.activity_context := workflow.current_activity();
BEGIN
    RETURN jsonb_build_object('same', asked = c, 'id', c.workflow_id LIKE 'activities.%', 'workflow', c.workflow, 'version', c.version,
        'activity', c.activity, 'state', c.state, 'attempt', c.attempt, 'last_failure', c.last_failure,
        'key', c.idempotency_key = c.run_id || ':Call:1', 'deadline', c.deadline > c.scheduled_at,
        'now', abs(extract(epoch FROM workflow.now() - clock_timestamp())) < 60);
END
$$;
SELECT called('context_argument', '{}') AS id \gset
SELECT jsonb_pretty(output) FROM outcome(:'id');
SELECT workflow.current_activity();

-- Errors: the condition's name, or the SQLSTATE; what is known about it in the details
CREATE TABLE unique_things (id int PRIMARY KEY);
INSERT INTO unique_things VALUES (1);
CREATE FUNCTION fails(how text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CASE how
        WHEN 'unique' THEN INSERT INTO activities.unique_things VALUES (1);
        WHEN 'division' THEN PERFORM 1 / 0;
        WHEN 'raise' THEN RAISE EXCEPTION 'no' USING DETAIL = 'why', HINT = 'do this';
        WHEN 'own code' THEN RAISE EXCEPTION 'own' USING ERRCODE = 'ZZ123';
        WHEN 'ours' THEN PERFORM workflow.start('no such workflow');
        WHEN 'throw' THEN PERFORM workflow.throw('CardDeclined', 'no money', '{"balance": 0}', true);
        WHEN 'throw alone' THEN PERFORM workflow.throw('CardDeclined', NULL);
    END CASE;
END
$$;
CREATE TABLE failures AS
SELECT how, called('fails', jsonb_build_object('how', how)) AS id
FROM unnest('{unique,division,raise,own code,ours,throw,throw alone,else}'::text[]) how;
SELECT how, error, cause, details(id) - 'context' AS details FROM failures, outcome(id);

-- Throws that were caught are not mixed up with the error that was raised in the end
CREATE FUNCTION catches(ending text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM workflow.throw('First', 'one', '{"n": 1}');
EXCEPTION WHEN OTHERS THEN
    BEGIN
        PERFORM workflow.throw('Second', 'two', '{"n": 2}');
    EXCEPTION WHEN OTHERS THEN
    END;
    CASE ending
        WHEN 'again' THEN RAISE;
        WHEN 'another' THEN RAISE division_by_zero;
        WHEN 'same code' THEN RAISE EXCEPTION 'forged' USING ERRCODE = 'OW201';
        WHEN 'third' THEN PERFORM workflow.throw('Third', 'three', '{"n": 3}');
        ELSE NULL;
    END CASE;
    RETURN SQLERRM;
END
$$;
CREATE TABLE catching AS
SELECT ending, called('catches', jsonb_build_object('ending', ending)) AS id
FROM unnest('{again,another,same code,third,return}'::text[]) ending;
SELECT ending, output, error, cause, details(id) - 'context' AS details FROM catching, outcome(id);

-- Outside of workflows a throw is an error like others
SELECT workflow.throw('CardDeclined', 'no money', '{"balance": 0}');
SELECT workflow.throw(NULL, 'x');
SELECT workflow.throw('', 'x');
SELECT workflow.throw('E', 'x', next_retry_delay => '-1 s');

-- The function runs as the workflow's owner, who must be allowed to
CREATE FUNCTION who(input jsonb) RETURNS text LANGUAGE sql AS 'SELECT current_user || '' '' || session_user';
SELECT workflow.register_activity('activities.who', 'who(jsonb)');
SELECT workflow.grant_activity('regress_activity_owner', 'activities.who');
SET ROLE regress_activity_owner;
SELECT workflow.register('activities.owned', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "activities.who", "TimeoutSeconds": 60, "End": true}}}');
RESET ROLE;
SELECT count(workflow.start('activities.owned', workflow_id => 'allowed'));
SELECT output, error FROM workflow.wait('allowed');
REVOKE EXECUTE ON FUNCTION who(jsonb) FROM PUBLIC;
SELECT count(workflow.start('activities.owned', workflow_id => 'forbidden'));
SELECT output, error, cause FROM workflow.wait('forbidden');

-- A function that is replaced is used at once, one that is gone leaves the run stuck until it is back
CREATE OR REPLACE FUNCTION whole(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT ''"replaced"''::jsonb';
SELECT called('whole', '{}') AS id \gset
SELECT output FROM outcome(:'id');
DROP FUNCTION whole(jsonb);
SELECT count(workflow.start('activities.whole', workflow_id => 'gone'));
DO $$
BEGIN
	FOR tenth IN 1..600 LOOP
		EXIT WHEN (SELECT status FROM workflow.get_execution('gone')) = 'Stuck';
		PERFORM pg_sleep(0.1);
		COMMIT;
	END LOOP;
END $$;
SELECT status, stuck FROM workflow.get_execution('gone');
CREATE FUNCTION whole(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT ''"back"''::jsonb';
SELECT workflow.retry('gone');
SELECT output, error FROM workflow.wait('gone');

-- A line for the server's log; the client sees what it asks for
SET client_min_messages = notice;
SELECT workflow.log('info', 'for the log only');
SELECT workflow.log('notice', E'two\nlines', '{"a": 1}');
SELECT workflow.log('Warning', 'careful');
SELECT workflow.log('loud', 'x');
