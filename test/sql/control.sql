-- Cancel, terminate, retry, wait and result.

\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_control_owner LOGIN;
CREATE ROLE regress_control_starter;
CREATE ROLE regress_control_canceler;
CREATE ROLE regress_control_reader;
CREATE ROLE regress_control_stranger;
SELECT count(workflow.grant_usage(oid)) FROM pg_roles WHERE rolname ~ '^regress_control_';
CREATE SCHEMA control;
GRANT USAGE, CREATE ON SCHEMA control TO PUBLIC;
SET search_path = control;

CREATE FUNCTION raised(statement text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
END
$$;

SET ROLE regress_control_owner;
SELECT workflow.register('control.wait', '{"StartAt": "W", "States": {"W": {"Type": "Wait", "SecondsPath": "$.seconds", "End": true}}}');
SELECT workflow.register('control.fail', '{"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Internal", "Cause": "secret", "Public": {"Code": "Sorry", "Message": "try again later"}}}}');
SELECT workflow.register('control.fail plainly', '{"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Internal", "Cause": "secret"}}}');
SELECT workflow.grant_workflow('regress_control_starter', name, '{start}'),
       workflow.grant_workflow('regress_control_reader', name, '{read}'),
       workflow.grant_workflow('regress_control_canceler', name, '{cancel}')
FROM unnest('{control.wait,control.fail,control.fail plainly}'::text[]) name \g /dev/null
SET ROLE regress_control_starter;
SELECT count(workflow.start('control.wait', '{"seconds": 3600}', id)) FROM unnest('{open,to cancel,to terminate}'::text[]) id;
SELECT count(workflow.start('control.wait', '{"seconds": 1}', 'soon')), count(workflow.start('control.fail', '{}', 'failed')),
       count(workflow.start('control.fail plainly', '{}', 'failed plainly'));
RESET ROLE;

-- Waiting: for a workflow id, a run id, by the procedure
SELECT workflow_id, workflow, version, status, output, error, cause, public_error, closed_at - started_at >= '1 s' AS waited
FROM workflow.wait('soon');
SELECT w.status FROM workflow.executions e, workflow.wait(e.run_id) w WHERE e.workflow_id = 'soon';
DO $$
DECLARE
    execution workflow.execution_result;
BEGIN
    CALL workflow.wait_for_close('soon', '10 s', execution);
    RAISE WARNING '% %', execution.workflow_id, execution.status;
END
$$;
SELECT r.* FROM unnest(ARRAY[$$workflow.wait('open', '10 ms')$$, $$workflow.wait('no such id')$$, $$workflow.wait(NULL::text)$$,
    $$workflow.wait('00000000-0000-7000-8000-000000000000'::uuid)$$, $$workflow.result('open')$$, $$workflow.result('no such id')$$,
    $$workflow.result('failed')$$, $$workflow.result('failed plainly')$$]) WITH ORDINALITY AS c (call, n),
    raised('SELECT ' || call) r ORDER BY n;
SELECT workflow.result('soon');
-- …for a run of this very transaction it would be for ever, and under an old snapshot, too
BEGIN;
SELECT count(workflow.start('control.wait', '{"seconds": 0}', 'mine'));
SELECT workflow.wait('mine');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT status FROM workflow.wait('soon');
SELECT workflow.wait('open');
ROLLBACK;
BEGIN;
CALL workflow.wait_for_close('soon');
ROLLBACK;

-- Who sees what
SET ROLE regress_control_starter;
SELECT status, error, cause, public_error FROM workflow.wait('failed');
SELECT code, message, detail FROM raised($$SELECT workflow.result('failed plainly')$$);
SET ROLE regress_control_reader;
SELECT status, output FROM workflow.wait('soon');
SELECT code, message FROM raised($$SELECT workflow.cancel('open')$$);
SET ROLE regress_control_owner;
SELECT status, error, cause FROM workflow.wait('failed');
SELECT code, message, detail FROM raised($$SELECT workflow.result('failed plainly')$$);
SET ROLE regress_control_stranger;
SELECT code, message FROM unnest('{wait,result,cancel,terminate,retry,retry_compensation}'::text[]) f, raised(format($$SELECT workflow.%I('open')$$, f));
RESET ROLE;

-- Cancel and terminate
SET ROLE regress_control_starter;
SELECT * FROM raised($$SELECT workflow.cancel('to cancel')$$) \gx
SET ROLE regress_control_canceler;
SELECT workflow.cancel('to cancel', 'changed my mind');
RESET ROLE;
SELECT status, error FROM workflow.wait('to cancel');
SELECT event_type, attributes FROM workflow.history WHERE workflow_id = 'to cancel' AND event_type LIKE '%Cancel%' ORDER BY event_id;
SELECT workflow.terminate(run_id, 'enough') FROM workflow.executions WHERE workflow_id = 'to terminate';
SELECT status, error, cause FROM workflow.wait('to terminate');
SELECT r.* FROM unnest('{cancel,terminate,retry}'::text[]) f, raised(format($$SELECT workflow.%I('to cancel')$$, f)) r;
SELECT code, message FROM unnest('{to cancel,to terminate}'::text[]) id, raised(format('SELECT workflow.result(%L)', id));
-- rolled back, nothing was asked for
BEGIN;
SELECT workflow.cancel('open');
ROLLBACK;
SELECT code, message, detail FROM raised($$SELECT workflow.retry('open')$$);
SELECT code, message FROM raised($$SELECT workflow.retry_compensation('open')$$);

-- A stuck run, and the version that repairs it
CREATE FUNCTION control.give() RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"value": 7}'::jsonb $$;
SET ROLE regress_control_owner;
SELECT workflow.register_activity('control.give', 'control.give()', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register('control.stuck', '{"StartAt": "G", "States": {"G": {"Type": "Task", "Resource": "control.give", "OutputPath": "$.wrong", "End": true}}}');
SELECT count(workflow.start('control.stuck', workflow_id => 'stuck'));
RESET ROLE;
DO $$
BEGIN
    FOR i IN 1..100 LOOP
        EXIT WHEN (SELECT status FROM workflow.execution WHERE workflow_id = 'stuck') = 'Stuck';
        COMMIT;
        PERFORM pg_sleep(0.1);
    END LOOP;
END
$$;
SELECT status, stuck->>'Error' AS error, stuck->>'State' AS state FROM workflow.executions WHERE workflow_id = 'stuck';
SET ROLE regress_control_owner;
SELECT workflow.register('control.stuck', '{"StartAt": "G", "States": {"G": {"Type": "Task", "Resource": "control.give", "OutputPath": "$.value", "End": true}}}');
SELECT code, message FROM unnest('{0,9}'::int[]) v, raised(format($$SELECT workflow.retry('stuck', %s)$$, v));
SELECT workflow.retry('stuck', 2);
RESET ROLE;
SELECT version, status, output FROM workflow.wait('stuck');

-- Failed compensations of a closed run
CREATE TABLE control.undoing (works boolean);
INSERT INTO control.undoing VALUES (false);
GRANT SELECT ON control.undoing TO PUBLIC;
CREATE FUNCTION control.undo(input jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (SELECT works FROM control.undoing) THEN
        PERFORM workflow.throw('NotNow', 'later', non_retryable => true);
    END IF;
END
$$;
SET ROLE regress_control_owner;
SELECT workflow.register_activity('control.undo', 'control.undo(jsonb)', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register('control.saga', '{"StartAt": "G", "States": {
    "G": {"Type": "Task", "Resource": "control.give", "Compensate": "control.undo", "Next": "F"}, "F": {"Type": "Fail", "Error": "E"}}}');
SELECT count(workflow.start('control.saga', workflow_id => 'saga'));
SELECT status, error FROM workflow.wait('saga');
SELECT activity, status FROM workflow.compensations WHERE workflow_id = 'saga';
RESET ROLE;
UPDATE control.undoing SET works = true;
SET ROLE regress_control_owner;
SELECT workflow.retry_compensation('saga');
SELECT status, error FROM workflow.wait('saga');
SELECT activity, status FROM workflow.compensations WHERE workflow_id = 'saga';
SELECT code, message FROM raised($$SELECT workflow.retry_compensation('saga')$$);
RESET ROLE;
SELECT workflow.terminate('open');
SELECT status FROM workflow.wait('open');
