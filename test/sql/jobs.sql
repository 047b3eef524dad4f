-- Jobs: activities started without a workflow of one's own.  Names, options, privileges, and a real executor.

\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_jobs_owner LOGIN;
CREATE ROLE regress_jobs_granted LOGIN;
CREATE ROLE regress_jobs_stranger LOGIN;
CREATE ROLE regress_jobs_group;		-- cannot log in
SELECT count(workflow.grant_usage(oid)) FROM pg_roles WHERE rolname ~ '^regress_jobs_';
CREATE SCHEMA jobs;
GRANT USAGE ON SCHEMA jobs TO PUBLIC;
CREATE FUNCTION jobs.charge(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF input ? 'fail' THEN
        PERFORM workflow.throw('Declined', 'no money');
    END IF;
    RETURN jsonb_build_object('charged', input, 'as', current_user, 'attempt', (workflow.current_activity()).attempt);
END $$;
CREATE FUNCTION jobs.show(pattern text DEFAULT '') RETURNS TABLE (workflow text, options jsonb, is_current boolean, owner regrole) LANGUAGE sql AS $$
    SELECT workflow, (definition #> ARRAY['States', definition->>'StartAt']) - '{Type,Resource,End}'::text[], is_current, owner
    FROM workflow.definitions WHERE workflow SIMILAR TO 'activity[:@]%jobs%' || pattern ORDER BY version
$$;
-- the error of a statement, without what differs from run to run
CREATE FUNCTION jobs.raised(statement text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
    detail := regexp_replace(detail, '[0-9a-f]{8}-[0-9a-f-]{27}', '(run id)');
END
$$;

SET ROLE regress_jobs_owner;
SELECT workflow.register_activity('jobs.Charge', 'jobs.charge(jsonb)', options => '{"StartToCloseSeconds": 10}');
SELECT workflow.register_activity('jobs.Bare', task_queue => 'jobs');
SELECT workflow.register_activity('jobs.Mail', task_queue => 'jobs', options => '{"HeartbeatSeconds": 100}');
SELECT workflow.grant_activity('regress_jobs_granted', 'jobs.Charge'), workflow.grant_activity('regress_jobs_group', 'jobs.Charge');

-- Runs as any other, of the one who starts it
SELECT workflow.start_activity('jobs.Charge', '{"a": 1}', 'jobs 1', '{"Priority": 1}') IS NOT NULL AS started;
SELECT workflow, status, output FROM workflow.wait('jobs 1');
SELECT workflow.result('jobs 1');
SELECT workflow, state, owner, started_by, input FROM workflow.get_execution('jobs 1');
SELECT string_agg(event_type, ' ') FROM workflow.get_history('jobs 1');
SELECT workflow.start_activity('jobs.Charge', '{"fail": 1}', 'jobs failing') IS NOT NULL AS started;
SELECT status, error, cause FROM workflow.wait('jobs failing');
SELECT workflow.result('jobs failing');
SELECT count(*) FROM workflow.start_activities('jobs.Charge', '{1,2}', '{jobs a,jobs b}', '{"Priority": 1}');
SELECT workflow_id, workflow.result(workflow_id)
FROM workflow.wait('jobs a') UNION ALL SELECT workflow_id, workflow.result(workflow_id) FROM workflow.wait('jobs b');
SET ROLE regress_jobs_granted;
SELECT workflow.start_activity('jobs.Charge', workflow_id => 'jobs 2') IS NOT NULL AS started;
SELECT workflow, status, output FROM workflow.wait('jobs 2');
-- The same options are one version, whatever the order of their fields
SELECT count(workflow.start_activity('jobs.Charge', options => o::jsonb))
FROM (VALUES ('{"Priority": 1, "TaskQueue": "x"}'), ('{"TaskQueue": "x", "Priority": 1}')) o (o);
SELECT * FROM jobs.show();
RESET ROLE;
SELECT * FROM jobs.show();

-- Ids and policies are those of start
BEGIN;
SET LOCAL ROLE regress_jobs_owner;
SELECT workflow.start_activity('jobs.Mail', '{}', 'jobs mail', request_id => 'r') = workflow.start_activity('jobs.Mail', '{}', 'jobs mail', request_id => 'r') AS same;
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Mail', '{}', 'jobs mail') $$)).*;
SELECT (jobs.raised($$ SELECT workflow.start_activities('jobs.Mail', '{1,2}', '{jobs new,jobs mail}') $$)).*;
SELECT (jobs.raised($$ SELECT workflow.start_activities('jobs.Mail', '{1,2}', '{jobs new}') $$)).*;
SELECT workflow.start_activity('jobs.Mail', '{}', 'jobs mail', id_conflict_policy => 'UseExisting') IS NOT NULL AS existing;
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Mail', '{}', 'jobs 1', id_reuse_policy => 'RejectDuplicate') $$)).*;
-- another activity is none
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Charge', '{}', 'jobs mail', id_conflict_policy => 'UseExisting') $$)).message;
ROLLBACK;

-- Options are checked
SET ROLE regress_jobs_owner;
\pset expanded on
SELECT r.*
FROM (VALUES ('[]'), ('{"Nonsense": 1, "Next": "B"}'), ('{"Priority": "high"}'), ('{"Priority": -1}'), ('{"Input": {"type": "object"}}'),
    ('{"Retry": [{}]}'), ('{"TimeoutSeconds": 5, "HeartbeatSeconds": 9}'), ('{"Resource": "other"}'), ('{"Compensate": "other"}'),
    ('{"TimeoutSecondsPath": "no path"}')) o (options),
     jobs.raised(format('SELECT workflow.start_activity(''jobs.Charge'', options => %L)', options)) r;
\pset expanded off
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Bare') $$)).*;
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Charge.waitForTaskToken') $$)).*;
SELECT (jobs.raised($$ SELECT workflow.start_activity(NULL) $$)).*;
SELECT (jobs.raised($$ SELECT workflow.start_activity('') $$)).*;
SELECT (jobs.raised($$ SELECT workflow.start_activities('jobs.Charge', NULL) $$)).*;
-- a lease from the input
BEGIN;
SELECT workflow.start_activity('jobs.Bare', '{"limit": 7}', options => '{"TimeoutSecondsPath": "$.limit"}') IS NOT NULL AS started;
ROLLBACK;
-- again when the activity has changed
BEGIN;
SELECT workflow.start_activity('jobs.Mail', start_delay => '1 day') IS NOT NULL AS started;
SELECT workflow.register_activity('jobs.Mail', task_queue => 'jobs');
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Mail', start_delay => '1 day') $$)).message;
ROLLBACK;
-- names that Resources cannot have
SELECT workflow.register_activity('jobs.Odd.waitForTaskToken', 'jobs.charge(jsonb)'), workflow.register_activity('workflow:Odd', 'jobs.charge(jsonb)');
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Odd.waitForTaskToken') $$)).*;
SELECT (jobs.raised($$ SELECT workflow.start_activity('workflow:Odd') $$)).*;

-- Who may
SET ROLE regress_jobs_stranger;
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Charge') $$)).*;
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Nope') $$)).*;
SELECT (jobs.raised($$ SELECT workflow.register('activity:jobs.Charge', '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'::jsonb) $$)).*;
SELECT (jobs.raised($$ SELECT workflow.register('activity@regress_jobs_stranger:jobs.New', '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'::text) $$)).*;
SELECT (jobs.raised($$ SELECT workflow.start('activity:jobs.Charge') $$)).*;
RESET ROLE;
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Charge') $$)).message AS superuser;
SET ROLE regress_jobs_group;
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Charge') $$)).*;
SET ROLE regress_jobs_owner;
SELECT (jobs.raised($$ SELECT workflow.start('activity:jobs.Charge') $$)).*;
SELECT (jobs.raised($$ SELECT workflow.set_current('activity:jobs.Charge', 0) $$)).message;
SELECT workflow.revoke_activity('regress_jobs_granted', 'jobs.Charge');
SET ROLE regress_jobs_granted;
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.Charge') $$)).message;
RESET ROLE;

-- A role that has got another's name has jobs of its own
SET ROLE regress_jobs_owner;
SELECT workflow.grant_activity('regress_jobs_granted', 'jobs.Charge'), workflow.grant_activity('regress_jobs_stranger', 'jobs.Charge');
RESET ROLE;
ALTER ROLE regress_jobs_granted RENAME TO regress_jobs_renamed;
ALTER ROLE regress_jobs_stranger RENAME TO regress_jobs_granted;
SET ROLE regress_jobs_granted;
SELECT workflow.start_activity('jobs.Charge', workflow_id => 'jobs 3') IS NOT NULL AS started;
SELECT workflow, output FROM workflow.wait('jobs 3');
RESET ROLE;
ALTER ROLE regress_jobs_granted RENAME TO regress_jobs_stranger;
ALTER ROLE regress_jobs_renamed RENAME TO regress_jobs_granted;

-- What is rolled back is not remembered
SET ROLE regress_jobs_owner;
BEGIN;
SELECT workflow.start_activity('jobs.Charge', options => '{"ScheduleToCloseSeconds": 7}') IS NOT NULL AS started;
SAVEPOINT s;
SELECT workflow.start_activity('jobs.Charge', options => '{"ScheduleToCloseSeconds": 8}') IS NOT NULL AS started
FROM generate_series(1, 2);
ROLLBACK TO s;
SELECT workflow.start_activity('jobs.Charge', options => '{"ScheduleToCloseSeconds": 8}') IS NOT NULL AS started
FROM generate_series(1, 2);
SELECT count(*) FROM jobs.show() WHERE options ? 'ScheduleToCloseSeconds' AND (options->>'ScheduleToCloseSeconds')::int > 6;
ROLLBACK;
SELECT count(*) FROM jobs.show() WHERE options ? 'ScheduleToCloseSeconds' AND (options->>'ScheduleToCloseSeconds')::int > 6;
SELECT workflow.register_activity('jobs.First', 'jobs.charge(jsonb)');
BEGIN;
SELECT workflow.start_activity('jobs.First') IS NOT NULL AS started;
ROLLBACK;
SELECT workflow.start_activity('jobs.First', workflow_id => 'jobs 4', options => '{"ScheduleToCloseSeconds": 8}') IS NOT NULL AS started;
SELECT status FROM workflow.wait('jobs 4');

-- There is a limit to different options, and the others go on
BEGIN;
SELECT count(workflow.start_activity('jobs.First', options => jsonb_build_object('ScheduleToCloseSeconds', n))) FROM generate_series(1, 1000) n;
SELECT (jobs.raised($$ SELECT workflow.start_activity('jobs.First', options => '{"ScheduleToCloseSeconds": 1001}') $$)).*;
SELECT workflow.start_activity('jobs.First', options => '{"ScheduleToCloseSeconds": 1000}') IS NOT NULL AS started;
ROLLBACK;

RESET ROLE;
DROP SCHEMA jobs CASCADE;
DROP OWNED BY regress_jobs_owner, regress_jobs_granted, regress_jobs_stranger, regress_jobs_group;
