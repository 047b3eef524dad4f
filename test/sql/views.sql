-- What the views show, and to whom: owner, starter, a role granted 'read', a reader, a stranger.
-- In a database of its own, where there is nothing but what this test makes.

CREATE DATABASE regress_views;
\c regress_views
SET client_min_messages = warning;
CREATE EXTENSION order_workflow;
SELECT workflow.resume_engine(); -- as the first registration would claim the database
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE ROLE regress_owner;
CREATE ROLE regress_member IN ROLE regress_owner;
CREATE ROLE regress_starter;
CREATE ROLE regress_granted;
CREATE ROLE regress_reader;
CREATE ROLE regress_stranger;
SELECT count(workflow.grant_usage(oid))
FROM pg_roles WHERE rolname ~ '^regress_(owner|member|starter|granted|stranger)$';
SELECT workflow.grant_reader('regress_reader');

-- Runs as the engine would leave them, in a transaction of which no executor learns.
BEGIN;
CREATE FUNCTION pg_temp.run_id(workflow_id text, run text DEFAULT '') RETURNS uuid LANGUAGE sql AS $$
    SELECT (left(md5($1 || $2), 24) || lpad(to_hex(workflow.shard_key($1)), 8, '0'))::uuid
$$;
INSERT INTO workflow.workflow_type VALUES ('Saga', 'regress_owner', 1);
INSERT INTO workflow.definition (workflow, version, source, definition, digest, created_by)
SELECT 'Saga', 1, s::text, s, '', 'regress_owner'
FROM workflow.sequence(ARRAY[workflow.step('Reserve', undo => 'Release'), workflow.step('Pay')]) s;
INSERT INTO workflow.activity (name, owner, kind, function_schema, function_name, function_arguments)
VALUES ('Pay', 'regress_owner', 'sql', 'shop', 'Pay', 'input jsonb'), ('Release', 'regress_owner', 'queue', NULL, NULL, NULL);
INSERT INTO workflow.workflow_grant VALUES ('Saga', 'regress_granted', 'read');
INSERT INTO workflow.activity_grant VALUES ('Pay', 'regress_starter');

INSERT INTO workflow.execution (
    shard_key, run_id, workflow_id, bucket, definition_id, owner, started_by, started_at, deadline, ready, status, state, phase,
    attempt, next_event_id, handler_taken, cancel_requested, sticky_status, compensation, compensations, entered_at,
    scheduled_at, due_at, last_failure, stuck, input, memo, chain_id, root_run_id)
SELECT workflow.shard_key(r.id), pg_temp.run_id(r.id), r.id, 3, d.definition_id, 'regress_owner', 'regress_starter',
       '2030-01-01', r.deadline, r.ready, r.status, r.state, r.phase, r.attempt, r.next_event_id, false, false, 'Running',
       r.compensation, 1, r.entered_at, r.entered_at, r.due_at, r.last_failure::jsonb, r.stuck::jsonb,
       '{"card": "1234"}', '{"note": "x"}', pg_temp.run_id(r.id), pg_temp.run_id(r.id)
FROM workflow.definition d,
     (VALUES ('new', true, 'Running', NULL, 'New', 0, 1, 0, NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL, NULL),
             ('late', false, 'Running', NULL, 'New', 0, 1, 0, NULL, '2030-01-02', '2030-02-01', NULL, NULL),
             ('pay', true, 'Running', 'Pay', 'Activity', 2, 4, 0, '2030-01-01 00:01', NULL, NULL,
              '{"Error": "Declined", "Cause": "card 1234"}', NULL),
             ('again', false, 'Running', 'Pay', 'Backoff', 1, 4, 0, '2030-01-01 00:01', '2030-01-01 00:03', NULL,
              '{"Error": "Declined", "Cause": "card 1234"}', NULL),
             ('undo', true, 'Running', 'Pay', 'Compensate', 1, 4, 1, '2030-01-01 00:01', NULL, NULL, NULL, NULL),
             ('stuck', false, 'Stuck', 'Pay', 'Activity', 1, 4, 0, '2030-01-01 00:01', NULL, NULL, NULL,
              '{"Error": "OW.ActivityNotRegistered", "Cause": "activity \"Pay\" is not registered", "State": "Pay"}'))
         AS r (id, ready, status, state, phase, attempt, next_event_id, compensation, entered_at, due_at, deadline,
               last_failure, stuck);
INSERT INTO workflow.timer
SELECT shard_key, run_id, 'Token', owner, due_at FROM workflow.execution WHERE due_at IS NOT NULL
UNION ALL
SELECT shard_key, run_id, 'Deadline', owner, deadline FROM workflow.execution WHERE deadline IS NOT NULL;
INSERT INTO workflow.closed_execution (
    shard_key, bucket, run_id, workflow_id, definition_id, owner, started_by, started_at, closed_at, status, state, events, input,
    output, error, cause, public_error, chain_id, root_run_id, machine)
SELECT workflow.shard_key(r.id), 5, pg_temp.run_id(r.id, r.status), r.id, d.definition_id, 'regress_owner', 'regress_starter',
       r.started_at, r.started_at + interval '1 hour', r.status, 'Pay', 4, '{"card": "1234"}', r.output, r.error, r.cause,
       r.public_error, pg_temp.run_id(r.id), pg_temp.run_id(r.id), r.machine
FROM workflow.definition d,
     (VALUES ('done', '2029-01-01'::timestamptz, 'Failed', NULL::jsonb, 'Declined', 'card 1234', '{"Code": "Sorry"}'::jsonb, '{}'::jsonb),
             ('done', '2029-01-02', 'Completed', '{"paid": "1234"}', NULL, NULL, NULL, NULL),
             ('new', '2029-01-03', 'TimedOut', NULL, 'States.Timeout', NULL, NULL, NULL))
         AS r (id, started_at, status, output, error, cause, public_error, machine);
INSERT INTO workflow.history_batch
SELECT shard_key, bucket, run_id, n, owner, started_by,
       ARRAY(SELECT started_at + n * interval '1 second' + o FROM unnest(offsets) o), types, states, NULL, attributes
FROM (SELECT shard_key, bucket, run_id, owner, started_by, started_at FROM workflow.execution WHERE next_event_id > 1
      UNION ALL
      SELECT shard_key, bucket, run_id, owner, started_by, started_at FROM workflow.closed_execution) r,
     (VALUES (1, '{0,250 ms}'::interval[], '{WorkflowExecutionStarted,ActivityTaskScheduled}'::text[], '{NULL,Pay}'::text[],
              ARRAY['{"input": {"card": "1234"}}', '{"input": {"card": "1234"}}']::jsonb[]),
             (3, '{0}', '{ActivityTaskCompleted}', '{Pay}', ARRAY[NULL]::jsonb[])) AS h (n, offsets, types, states, attributes);
INSERT INTO workflow.compensation
SELECT shard_key, bucket, run_id, 1, owner, started_by, NULL, 'Reserve', 'Release', 'Failed', 3, started_at, started_at,
       '{"card": "1234"}', '{"state": "Reserve", "input": {"card": "1234"}}', '{"Error": "Declined", "Cause": "card 1234"}'
FROM workflow.execution WHERE workflow_id = 'undo';
INSERT INTO workflow.message
SELECT shard_key, run_id, run_id, owner, 'Cancel', '{}', 'regress_starter', started_at
FROM workflow.execution WHERE workflow_id = 'undo';

-- The owner's view
SET ROLE regress_owner;
SELECT workflow_id, workflow, version, status, state, attempt, started_at, closed_at, deadline, due_at, owner, started_by
FROM workflow.executions ORDER BY workflow_id, started_at;
SELECT workflow_id, status, input, output, error, cause, public_error, memo, stuck->'Error' AS stuck, cancel_requested
FROM workflow.executions ORDER BY workflow_id, started_at;
SELECT event_id, event_time, event_type, state, attributes
FROM workflow.history WHERE workflow_id = 'pay' ORDER BY event_id;
SELECT event_id, event_time, event_type, state, attributes FROM workflow.history WHERE workflow_id = 'late';
SELECT workflow_id, version, activity, state, status, attempt, scheduled_at, next_attempt_at, last_failure, compensation, owner
FROM workflow.pending_activities ORDER BY workflow_id;
SELECT workflow_id, workflow, kind, state, since, due_at FROM workflow.timers ORDER BY workflow_id, due_at;
SELECT workflow_id, sequence, state, activity, status, attempts, recorded_at, closed_at, input, compensates, failure
FROM workflow.compensations;
SELECT owner, backlog, oldest_at, next_due_at FROM workflow.task_queues;
SELECT workflow, version, is_current, owner, definition->>'StartAt' AS start_at, created_by FROM workflow.definitions;
SELECT name, owner, kind, function, options, crashes, quarantined_at FROM workflow.activities ORDER BY name;
SELECT * FROM workflow.version_usage;
SELECT count(*) FROM workflow.workers WHERE role = 'regress_owner'::regrole;

-- One run, by index
SELECT workflow_id, status, started_at FROM workflow.get_execution('new');
SELECT workflow_id, status, started_at FROM workflow.get_execution('done');
SELECT workflow_id, status, started_at FROM workflow.get_execution(pg_temp.run_id('done', 'Failed'));
SELECT event_id, event_type, state FROM workflow.get_history('done');
SELECT event_id, event_type, state FROM workflow.get_history(pg_temp.run_id('new', 'TimedOut'));
SELECT count(*) FROM workflow.get_execution('nothing');
SET enable_seqscan = off;
DO $$
DECLARE
    line text;
BEGIN
    FOR line IN EXPLAIN SELECT * FROM workflow.get_history('pay') LOOP
        IF line ~ 'Seq Scan on (execution|closed_execution|history_batch)' THEN
            RAISE EXCEPTION '%', line;
        END IF;
    END LOOP;
END
$$;
RESET enable_seqscan;

-- What they wait for
SELECT id, e.status, e.state, waiting_for, since, until
FROM unnest('{new,late,pay,again,undo,stuck,done}'::text[]) AS id, workflow.explain(id) e;
SELECT id, e.moved_by FROM unnest('{late,stuck,done}'::text[]) AS id, workflow.explain(id) e;
SELECT status, moved_by FROM workflow.explain(pg_temp.run_id('done', 'Failed'));

-- Who sees how much of it: rows, and rows with payload
CREATE FUNCTION pg_temp.counts(OUT role text, OUT runs text, OUT events text, OUT activities text, OUT timers int,
                               OUT compensations text, OUT backlog int, OUT definitions int, OUT registered int, OUT used int)
    LANGUAGE sql AS $$
    SELECT current_user,
           (SELECT concat(count(*), '/', count(input), '/', count(cause)) FROM workflow.executions),
           (SELECT concat(count(*), '/', count(attributes)) FROM workflow.history),
           (SELECT concat(count(*), '/', count(last_failure->'Error'), '/', count(last_failure->'Cause'))
            FROM workflow.pending_activities),
           (SELECT count(*) FROM workflow.timers),
           (SELECT concat(count(*), '/', count(input), '/', count(compensates), '/', count(failure->'Cause'))
            FROM workflow.compensations),
           (SELECT sum(q.backlog) FROM workflow.task_queues q WHERE q.owner = 'regress_owner'::regrole),
           (SELECT count(*) FROM workflow.definitions),
           (SELECT count(*) FROM workflow.activities),
           (SELECT sum(u.open) FROM workflow.version_usage u)
$$;
SELECT * FROM pg_temp.counts();
SET ROLE regress_member;
SELECT * FROM pg_temp.counts();
SET ROLE regress_starter;
SELECT * FROM pg_temp.counts();
SET ROLE regress_granted;
SELECT * FROM pg_temp.counts();
SET ROLE regress_reader;
SELECT * FROM pg_temp.counts();
SELECT waiting_for FROM workflow.explain('again');
SELECT stuck, memo FROM workflow.executions WHERE workflow_id = 'stuck';
SET ROLE regress_stranger;
SELECT * FROM pg_temp.counts();

-- A condition with side effects sees no row that its author may not.
CREATE FUNCTION pg_temp.leak(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
    RAISE EXCEPTION 'leaked %', $1;
END
$$;
SELECT count(*) FROM workflow.executions WHERE pg_temp.leak(input) OR pg_temp.leak(workflow_id);
SELECT count(*) FROM workflow.history WHERE pg_temp.leak(attributes) OR pg_temp.leak(workflow_id);
SELECT count(*) FROM workflow.definitions WHERE pg_temp.leak(source);
SELECT count(*) FROM workflow.compensations WHERE pg_temp.leak(input);
SET ROLE regress_reader;
SELECT count(*) FROM workflow.executions WHERE input IS NOT NULL AND pg_temp.leak(input);

\set VERBOSITY terse
SET ROLE regress_stranger;
SELECT * FROM workflow.explain('pay');
ROLLBACK;

DROP OWNED BY regress_owner, regress_member, regress_starter, regress_granted, regress_reader, regress_stranger;
DROP ROLE regress_owner, regress_member, regress_starter, regress_granted, regress_reader, regress_stranger;
\c postgres
DROP DATABASE regress_views;
