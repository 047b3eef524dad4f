-- Which version new runs follow: set_current, set_ramp, deprecate, retire
CREATE DATABASE regress_versions;
\c regress_versions
SET client_min_messages = warning;
CREATE EXTENSION order_workflow;
CREATE ROLE regress_versions_owner LOGIN;
CREATE ROLE regress_versions_other LOGIN;
GRANT CREATE ON SCHEMA public TO regress_versions_owner;
SELECT workflow.grant_usage(r) FROM unnest('{regress_versions_owner,regress_versions_other}'::regrole[]) r;

CREATE FUNCTION raised(command text) RETURNS TABLE (code text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    code := 'none'; message := 'nothing raised'; RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
CREATE FUNCTION waits(comment text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('Comment', comment, 'StartAt', 'W', 'States',
        '{"W": {"Type": "Wait", "Seconds": 360000, "End": true}}'::jsonb)
$$;
-- The versions that runs of 1,000 ids would follow now: all of it is rolled back.
CREATE FUNCTION chosen() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    chosen jsonb;
BEGIN
    PERFORM workflow.start_many('w', array_agg('{}'::jsonb), array_agg('order-' || n)) FROM generate_series(1, 1000) n;
    SELECT jsonb_object_agg(version, ids) INTO chosen
    FROM (SELECT version, jsonb_agg(workflow_id ORDER BY workflow_id) AS ids FROM workflow.executions GROUP BY 1) v;
    RAISE EXCEPTION 'back' USING ERRCODE = 'ZZ000';
EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
    RETURN chosen;
END $$;

SET ROLE regress_versions_owner;
SELECT workflow.register('w', waits('1')), workflow.register('w', waits('2'), make_current => false),
       workflow.register('w', waits('3'), make_current => false);

-- A ramp takes about as many ids as it says; which, depends on the id, and more percent take more of them.
CREATE TABLE share (percent float8, version int, ids jsonb);
CREATE PROCEDURE measure(wanted float8) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM workflow.set_ramp('w', 2, wanted);
    INSERT INTO share SELECT wanted, key::int, value FROM jsonb_each(chosen());
END $$;
CALL measure(10);
CALL measure(10);
CALL measure(40);
CALL measure(100);
SELECT percent, version, min(jsonb_array_length(ids)) / 50 * 50 AS at_least FROM share GROUP BY 1, 2 ORDER BY 1, 2;
SELECT percent, count(DISTINCT ids) = 1 AS the_same_ids FROM share WHERE version = 2 GROUP BY 1 ORDER BY 1;
SELECT a.percent, b.percent, bool_and(a.ids <@ b.ids) AS adds_only
FROM share a, share b WHERE a.version = 2 AND b.version = 2 AND a.percent < b.percent GROUP BY 1, 2 ORDER BY 1, 2;
-- Another ramp of this workflow takes the same ids.
SELECT workflow.set_ramp('w', 3, 10);
SELECT key AS version, value = (SELECT ids FROM share s WHERE percent = 10 AND s.version = least(key::int, 2) LIMIT 1) AS the_same
FROM jsonb_each(chosen()) ORDER BY 1;

-- start goes the same way, with an id of its own as well; who names a version gets it.
BEGIN;
SELECT bool_and(workflow.start('w', workflow_id => id) IS NOT NULL) FROM (SELECT DISTINCT jsonb_array_elements_text(ids) AS id FROM share) i;
SELECT version, jsonb_agg(workflow_id ORDER BY workflow_id) = (SELECT ids FROM share s WHERE percent = 10 AND s.version = least(e.version, 2) LIMIT 1) AS alike
FROM workflow.executions e GROUP BY 1 ORDER BY 1;
ROLLBACK;
BEGIN;
SELECT workflow.set_ramp('w', 3, 50);
SELECT count(workflow.start('w')) FROM generate_series(1, 200);
SELECT version, count(*) BETWEEN 60 AND 140 AS about_half FROM workflow.executions GROUP BY 1 ORDER BY 1;
ROLLBACK;
BEGIN;
SELECT workflow.set_ramp('w', 3, 100);
SELECT count(workflow.start('w', version => 1)) FROM generate_series(1, 50);
SELECT version, count(*) FROM workflow.executions GROUP BY 1 ORDER BY 1;
ROLLBACK;

-- It ends: by 0, or as its version becomes the current one.  Another one's becoming so leaves it.
SELECT workflow.set_current('w', 2);
SELECT version, is_current, ramp_percent FROM workflow.definitions ORDER BY 1;
SELECT workflow.set_current('w', 3);
SELECT version, is_current, ramp_percent FROM workflow.definitions ORDER BY 1;
SELECT workflow.set_ramp('w', 1, 0.5);
SELECT version, is_current, ramp_percent FROM workflow.definitions ORDER BY 1;
SELECT workflow.set_ramp('w', NULL, 0);
SELECT version, is_current, ramp_percent FROM workflow.definitions ORDER BY 1;
SELECT workflow.set_ramp('w', NULL, NULL), workflow.set_ramp('w', 1, 0);

-- What is wrong
SELECT workflow.register('none', waits('1'), make_current => false);
SELECT r.* FROM unnest(ARRAY['NULL, 1, 1', '''w'', NULL, 1', '''w'', 0, 1', '''w'', 4, 1', '''w'', 3, 1', '''w'', 1, -1', '''w'', 1, 100.1',
        '''w'', 1, ''NaN''', '''none'', 1, 1', '''gone'', 1, 1', '''gone'', NULL, 0', '''activity:x'', 1, 1']) WITH ORDINALITY AS a (arguments, n),
    raised(format($$ SELECT workflow.set_ramp(%s) $$, arguments)) r ORDER BY n;
SET ROLE regress_versions_other;
SELECT r.* FROM unnest(ARRAY['set_ramp(''w'', 1, 1)', 'deprecate(''w'', 1)', 'retire(''w'', 1)', 'set_current(''w'', 1)']) WITH ORDINALITY AS a (call, n),
    raised('SELECT workflow.' || call) r ORDER BY n;
SET ROLE regress_versions_owner;

-- Deprecated: a warning for who names it
SELECT workflow.set_ramp('w', 2, 10);
SELECT r.* FROM unnest(ARRAY['deprecate(''w'', 2)', 'deprecate(''w'', 3)', 'deprecate(''w'', 9)', 'deprecate(''w'', NULL)', 'retire(''w'', 2)', 'retire(''w'', 3)'])
    WITH ORDINALITY AS a (call, n), raised('SELECT workflow.' || call) r ORDER BY n;
SELECT workflow.deprecate('w', 1), workflow.deprecate('w', 1);
SELECT version, deprecated_at IS NOT NULL AS deprecated, retired_at IS NOT NULL AS retired FROM workflow.definitions WHERE workflow = 'w' ORDER BY 1;
SELECT workflow.start('w', version => 1, workflow_id => 'one', start_delay => '100 hours') IS NOT NULL AS started;
BEGIN;
SELECT workflow.set_current('w', 1);
SELECT deprecated_at IS NULL AS in_use FROM workflow.definitions WHERE workflow = 'w' AND version = 1;
ROLLBACK;
BEGIN;
SELECT workflow.register('w', waits('1'), make_current => false);
SELECT deprecated_at IS NULL AS in_use FROM workflow.definitions WHERE workflow = 'w' AND version = 1;
ROLLBACK;

-- Retired: once there is no open run, also none that is only stuck elsewhere and told to move to it
SELECT * FROM raised($$ SELECT workflow.retire('w', 1) $$);
RESET ROLE;
INSERT INTO workflow.message
SELECT shard_key, run_id, gen_random_uuid(), owner, 'Retry', jsonb_build_object('definition_id', definition_id), owner, now() FROM workflow.execution;
SET ROLE regress_versions_owner;
SELECT detail FROM raised($$ SELECT workflow.retire('w', 1) $$);
RESET ROLE;
DELETE FROM workflow.message;
DELETE FROM workflow.execution;
DELETE FROM workflow.timer;
SET ROLE regress_versions_owner;
SELECT workflow.retire('w', 1);
SELECT version, deprecated_at IS NOT NULL AS deprecated, retired_at IS NOT NULL AS retired FROM workflow.definitions WHERE workflow = 'w' ORDER BY 1;
SELECT r.* FROM unnest(ARRAY['start(''w'', version => 1)', 'set_current(''w'', 1)', 'set_ramp(''w'', 1, 1)', 'deprecate(''w'', 1)', 'retire(''w'', 1)'])
    WITH ORDINALITY AS a (call, n), raised('SELECT workflow.' || call) r ORDER BY n;
SELECT workflow.register('w', waits('1'), make_current => false), workflow.start('w', version => 1, start_delay => '100 hours') IS NOT NULL AS started;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT workflow.retire('w', 1);
ROLLBACK;

RESET ROLE;
\c postgres
DROP DATABASE regress_versions;
DROP ROLE regress_versions_owner, regress_versions_other;
