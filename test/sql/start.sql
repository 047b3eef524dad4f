-- Starting runs: ids, policies, request ids, delays, many at once.  No executor learns of these runs:
-- they are rolled back, or paused by a start delay.

\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_start_owner LOGIN;
CREATE ROLE regress_start_friend;
CREATE ROLE regress_start_stranger;
SELECT count(workflow.grant_usage(oid)) FROM pg_roles WHERE rolname ~ '^regress_start_';
CREATE SCHEMA start;
GRANT USAGE ON SCHEMA start TO PUBLIC;
SET search_path = start;

CREATE FUNCTION raised(statement text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
    detail := regexp_replace(detail, '[0-9a-f]{8}-[0-9a-f-]{27}', '(run id)');
END
$$;

SELECT workflow.register('start', '{"StartAt": "A", "TimeoutSeconds": 3600, "States": {"A": {"Type": "Wait", "Seconds": 3600, "End": true}}}');
SELECT workflow.register('start', '{"StartAt": "B", "States": {"B": {"Type": "Wait", "Seconds": 3600, "End": true}}}');
SELECT workflow.register('incomplete', '{"StartAt": "A", "States": {
    "A": {"Type": "Task", "Resource": "missing", "TimeoutSeconds": 5, "Compensate": "also missing", "End": true}}}');

-- A new run, by default
BEGIN;
SELECT workflow.start('start') AS run \gset
SELECT workflow_id = run_id::text AS own_id, substr(run_id::text, 15, 1) AS uuid_version, input, status, phase, ready, attempt,
       next_event_id, d.version, e.owner = current_user::regrole AS owned, started_by = e.owner AS own, deadline, memo, request_id
FROM workflow.execution e JOIN workflow.definition d USING (definition_id) WHERE run_id = :'run';
SELECT shard_key = workflow.shard_key(workflow_id) AND shard_key = workflow.shard_key(run_id) AS sharded,
       bucket BETWEEN 5 AND 9 AS bucketed, chain_id = run_id AND root_run_id = run_id AS first
FROM workflow.execution WHERE run_id = :'run';
-- …and with everything said
SELECT workflow.start('start', '{"order": 1}', workflow_id => 'full', version => 1, execution_timeout => '1 minute',
                      memo => '{"note": "x"}', request_id => 'r') AS run \gset
SELECT input, d.version, deadline - started_at AS timeout, memo, request_id, run_id = :'run' AS found
FROM workflow.execution JOIN workflow.definition d USING (definition_id) WHERE workflow_id = 'full';
-- the definition's own timeout, when it is sooner
SELECT count(workflow.start('start', workflow_id => 'timeout', version => 1, execution_timeout => '1 day'));
SELECT deadline - started_at AS timeout FROM workflow.execution WHERE workflow_id = 'timeout';
-- input: null is no order
SELECT count(workflow.start('start', NULL, 'null')), count(workflow.start('start', 'null', 'json null'));
SELECT workflow_id, input FROM workflow.execution WHERE workflow_id LIKE '%null' ORDER BY 1;
ROLLBACK;
SELECT count(*) FROM workflow.execution WHERE workflow_id IN ('full', 'timeout');

-- Run ids are ordered by time
SELECT bool_and(run > before) AS ordered
FROM (SELECT run, lag(run) OVER (ORDER BY n) AS before
      FROM (SELECT n, workflow.start('start', start_delay => '1 day') AS run, pg_sleep(0.001) FROM generate_series(1, 20) n) s) s;

-- A delay: a timer wakes the run, and its time to close counts from then
SELECT count(workflow.start('start', workflow_id => 'late', version => 1, start_delay => '2 hours'));
SELECT ready, due_at - started_at AS delay, deadline - started_at AS timeout FROM workflow.execution WHERE workflow_id = 'late';
SELECT kind, t.due_at - started_at AS after FROM workflow.timer t JOIN workflow.execution USING (shard_key, run_id)
WHERE workflow_id = 'late' ORDER BY kind;

-- What cannot be started
SELECT r.* FROM unnest(ARRAY[$$NULL$$, $$'unknown'$$, $$'start', version => 7$$, $$'start', version => 0$$, $$'incomplete'$$,
    $$'start', workflow_id => ''$$, $$'start', workflow_id => repeat('x', 1001)$$, $$'start', request_id => ''$$,
    $$'start', start_delay => '0'$$, $$'start', execution_timeout => '-1 s'$$, $$'start', id_reuse_policy => 'Maybe'$$,
    $$'start', id_conflict_policy => 'TerminateExisting', id_reuse_policy => 'RejectDuplicate'$$]) WITH ORDINALITY AS a (arguments, n),
    raised(format('SELECT workflow.start(%s)', arguments)) r
ORDER BY n;

-- An open run of the same id
SELECT * FROM raised($$ SELECT workflow.start('start', workflow_id => 'late') $$) \gx
SELECT workflow.start('start', workflow_id => 'late', id_conflict_policy => 'UseExisting') = run_id AS existing
FROM workflow.execution WHERE workflow_id = 'late';
SELECT workflow.register('another', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}');
SELECT code, message, detail FROM raised($$ SELECT workflow.start('another', workflow_id => 'late', id_conflict_policy => 'UseExisting') $$);

-- Closed runs of the same id
BEGIN;
INSERT INTO workflow.closed_execution (shard_key, bucket, run_id, workflow_id, definition_id, owner, started_by, started_at,
    closed_at, status, events, input, chain_id, root_run_id, request_id)
SELECT workflow.shard_key(id), 0, run_id, id, d.definition_id, current_user::regrole, current_user::regrole, now(), now(), status, 1, '{}',
       run_id, run_id, 'r-' || id
FROM workflow.definition d, (VALUES ('was done', 'Completed'), ('was failed', 'Failed'), ('was canceled', 'Canceled')) v (id, status),
     gen_random_uuid() run_id
WHERE d.workflow = 'start' AND d.version = 2;
SELECT id, policy, r.code, r.message
FROM unnest('{was done,was failed,was canceled,was never}'::text[]) id,
     unnest('{AllowDuplicate,AllowDuplicateFailedOnly,RejectDuplicate}'::text[]) policy,
     raised(format('DO $do$ BEGIN PERFORM workflow.start(''start'', workflow_id => %L, id_reuse_policy => %L);'
                   ' RAISE EXCEPTION ''started''; END $do$', id, policy)) r
ORDER BY 1, 2;
-- a request id finds them
SELECT workflow.start('start', workflow_id => 'was done', request_id => 'r-was done') = run_id AS closed_run
FROM workflow.closed_execution WHERE workflow_id = 'was done';
ROLLBACK;

-- Request ids
SELECT workflow.start('start', workflow_id => 'asked', request_id => 'r1', start_delay => '1 day')
     = workflow.start('start', workflow_id => 'asked', request_id => 'r1', start_delay => '1 day') AS same;
SELECT workflow.start('start', request_id => 'r1', start_delay => '1 day')
     = workflow.start('start', request_id => 'r1', start_delay => '1 day') AS same_without_id;
SELECT workflow.start('start', request_id => 'r1', start_delay => '1 day')
     = workflow.start('start', request_id => 'r2', start_delay => '1 day') AS same;
SELECT workflow.start('start', request_id => 'r1', start_delay => '1 day')
     = workflow.start('another', request_id => 'r1', start_delay => '1 day') AS same_of_another_workflow;
SELECT code, message FROM raised($$ SELECT workflow.start('start', workflow_id => 'asked', request_id => 'r2') $$);

-- Many
BEGIN;
SELECT count(*), count(DISTINCT run) FROM workflow.start_many('start', ARRAY(SELECT to_jsonb(n) FROM generate_series(1, 2500) n)) run;
SELECT count(*), count(DISTINCT input), count(DISTINCT workflow_id) FROM workflow.execution WHERE jsonb_typeof(input) = 'number';
CREATE TEMPORARY TABLE many AS
SELECT * FROM workflow.start_many('start', '{1,2,NULL}', '{many 1,many 2,NULL}') WITH ORDINALITY AS m (run_id, n);
SELECT n, CASE WHEN e.workflow_id = run_id::text THEN '(run id)' ELSE e.workflow_id END AS workflow_id, e.input
FROM many JOIN workflow.execution e USING (run_id) ORDER BY n;
SELECT count(*) FROM workflow.start_many('start', '{}');
ROLLBACK;
SELECT r.* FROM unnest(ARRAY[$$'start', '{1,2}', '{same,same}'$$, $$'start', '{1,2}', '{new,late}'$$, $$'start', '{1,2}', '{x}'$$, $$'start', NULL$$,
    $$'start', '{{1},{2}}'$$, $$'start', '{1,2}', '{x,""}'$$, $$'unknown', '{}'$$, $$'incomplete', '{}'$$]) WITH ORDINALITY AS a (arguments, n),
    raised(format('SELECT workflow.start_many(%s)', arguments)) r
ORDER BY n;
SELECT workflow.start_many('start', '{1,2}', '{x,""}');
SELECT count(*) FROM workflow.execution WHERE workflow_id IN ('same', 'new', 'x');

-- Privileges
SET ROLE regress_start_owner;
SELECT workflow.register('private', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}');
SELECT workflow.grant_workflow('regress_start_friend', 'private', '{start}');
SET ROLE regress_start_friend;
SELECT count(workflow.start('private', workflow_id => 'from friend', start_delay => '1 day'));
SET ROLE regress_start_stranger;
SELECT * FROM raised($$ SELECT workflow.start('private') $$) \gx
SELECT code, message FROM raised($$ SELECT workflow.start_many('private', '{1}') $$);
RESET ROLE;
SELECT owner, started_by FROM workflow.execution WHERE workflow_id = 'from friend';
-- who may not see the open run is not told which it is
SET ROLE regress_start_owner;
SELECT detail FROM raised($$ SELECT workflow.start('private', workflow_id => 'late') $$);
RESET ROLE;

BEGIN READ ONLY;
SELECT workflow.start('start');
ROLLBACK;
DELETE FROM workflow.timer;
DELETE FROM workflow.execution;
