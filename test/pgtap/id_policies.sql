-- What a start with a workflow id that has been used does: each id_reuse_policy and id_conflict_policy, by what there is.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow.register('ends', $asl${"StartAt": "How", "TimeoutSeconds": 60, "Signals": {"go": {}}, "States": {
	"How": {"Type": "Choice", "Default": "Wait", "Choices": [
		{"Variable": "$.to", "StringEquals": "Completed", "Next": "Complete"},
		{"Variable": "$.to", "StringEquals": "Failed", "Next": "Fail"}]},
	"Complete": {"Type": "Succeed"}, "Fail": {"Type": "Fail", "Error": "Broken"},
	"Wait": {"Type": "Wait", "Seconds": 600, "End": true}}}$asl$);
SELECT workflow.register('other', $asl${"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": true}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');

-- What should come of it: by what there is, id_reuse_policy and id_conflict_policy (*: any)
CREATE TEMP TABLE expected (there_is text, reuse text, conflict text, outcome text);
INSERT INTO expected VALUES
	('*', 'RejectDuplicate', 'TerminateExisting', '22023'),		-- a contradiction, whatever there is
	('nothing', '*', '*', 'started'),
	('Running', '*', 'Fail', 'OW004'),
	('Running', '*', 'UseExisting', 'existing'),
	('Running', '*', 'TerminateExisting', 'replaced'),
	('Paused', '*', 'Fail', 'OW004'),
	('Paused', '*', 'UseExisting', 'existing'),
	('Paused', '*', 'TerminateExisting', 'replaced'),
	('Delayed', '*', 'Fail', 'OW004'),
	('Delayed', '*', 'UseExisting', 'existing'),
	('Delayed', '*', 'TerminateExisting', 'replaced'),
	('New', '*', 'Fail', 'OW004'),								-- started in this transaction, and not looked at yet
	('New', '*', 'UseExisting', 'existing'),
	('New', '*', 'TerminateExisting', 'replaced'),
	('Completed', 'AllowDuplicate', '*', 'started'),
	('Completed', 'AllowDuplicateFailedOnly', '*', 'OW004'),
	('Failed', 'AllowDuplicate', '*', 'started'),
	('Failed', 'AllowDuplicateFailedOnly', '*', 'started'),
	('Canceled', 'AllowDuplicate', '*', 'started'),
	('Canceled', 'AllowDuplicateFailedOnly', '*', 'started'),
	('Terminated', 'AllowDuplicate', '*', 'started'),
	('Terminated', 'AllowDuplicateFailedOnly', '*', 'started'),
	('TimedOut', 'AllowDuplicate', '*', 'started'),
	('TimedOut', 'AllowDuplicateFailedOnly', '*', 'started'),
	('Completed', 'RejectDuplicate', '*', 'OW004'), ('Failed', 'RejectDuplicate', '*', 'OW004'),
	('Canceled', 'RejectDuplicate', '*', 'OW004'), ('Terminated', 'RejectDuplicate', '*', 'OW004'),
	('TimedOut', 'RejectDuplicate', '*', 'OW004'),
	-- a run that completed, and another that is open: what is open decides first
	('Completed, Running', '*', 'Fail', 'OW004'),
	('Completed, Running', '*', 'UseExisting', 'existing'),
	('Completed, Running', 'AllowDuplicate', 'TerminateExisting', 'replaced'),
	('Completed, Running', 'AllowDuplicateFailedOnly', 'TerminateExisting', 'replaced'),	-- the latest was terminated
	-- one that failed after one that completed: the latest counts
	('Completed, Failed', 'AllowDuplicate', '*', 'started'),
	('Completed, Failed', 'AllowDuplicateFailedOnly', '*', 'started'),
	('Completed, Failed', 'RejectDuplicate', '*', 'OW004');
CREATE TEMP TABLE cases AS
SELECT concat_ws(' / ', there_is, reuse, conflict) AS id, there_is, reuse, conflict
FROM (SELECT DISTINCT there_is FROM expected WHERE there_is <> '*') t,
	unnest('{AllowDuplicate,AllowDuplicateFailedOnly,RejectDuplicate}'::text[]) reuse, unnest('{Fail,UseExisting,TerminateExisting}'::text[]) conflict;
-- What there is, made in the order of time
SELECT workflow.start('ends', '{"to": "Completed"}', id) FROM cases WHERE there_is LIKE 'Completed%';
SELECT workflow_test.run('2030-01-01 00:00:01+00');
SELECT workflow.start('ends', jsonb_build_object('to', there_is), id) FROM cases WHERE there_is IN ('Failed', 'Canceled', 'Terminated', 'TimedOut');
SELECT workflow.start('ends', '{"to": "Failed"}', id) FROM cases WHERE there_is = 'Completed, Failed';
SELECT workflow_test.run('2030-01-01 00:00:02+00');
SELECT workflow.cancel(id) FROM cases WHERE there_is = 'Canceled';
SELECT workflow.terminate(id) FROM cases WHERE there_is = 'Terminated';
SELECT workflow_test.run('2030-01-01 00:02:00+00');
SELECT workflow.start('ends', '{"to": "stay"}', id) FROM cases WHERE there_is ~ 'Running|Paused';
SELECT workflow.start('ends', '{"to": "stay"}', id, start_delay => '1 hour') FROM cases WHERE there_is = 'Delayed';
SELECT workflow_test.run('2030-01-01 00:02:01+00');
SELECT workflow.pause(id) FROM cases WHERE there_is = 'Paused';
SELECT workflow_test.run('2030-01-01 00:02:02+00');
SELECT workflow.start('ends', '{"to": "stay"}', id) FROM cases WHERE there_is = 'New';
CREATE TEMP TABLE before AS SELECT c.id, e.run_id, e.status FROM cases c LEFT JOIN LATERAL workflow.get_execution(c.id) e ON true;

-- Starts, and tells what came of it.
CREATE FUNCTION pg_temp.outcome(c cases) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	was before;
	is_now uuid;
BEGIN
	SELECT * INTO was FROM before b WHERE b.id = c.id;
	is_now := workflow.start('ends', '{"to": "new"}', c.id, id_reuse_policy => c.reuse, id_conflict_policy => c.conflict);
	IF is_now = was.run_id THEN
		RETURN 'existing';
	END IF;
	RETURN CASE WHEN (SELECT e.status FROM workflow.executions e WHERE e.run_id = was.run_id) = was.status OR was.run_id IS NULL
		THEN 'started' ELSE 'replaced' END;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE TEMP TABLE outcomes AS SELECT c.*, pg_temp.outcome(c) AS outcome FROM cases c;
\o
SELECT no_plan();
SELECT is((SELECT string_agg(DISTINCT concat(c.there_is, ': ', b.status), ', ' ORDER BY concat(c.there_is, ': ', b.status)) FROM cases c JOIN before b USING (id)),
	'Canceled: Canceled, Completed, Failed: Failed, Completed, Running: Running, Completed: Completed, Delayed: Running, Failed: Failed, New: Running, '
	'Paused: Paused, Running: Running, Terminated: Terminated, TimedOut: TimedOut, nothing: ', 'there is what there should be');
SELECT is(o.outcome, (SELECT e.outcome FROM expected e WHERE e.there_is IN (o.there_is, '*') AND e.reuse IN (o.reuse, '*') AND e.conflict IN (o.conflict, '*')
	ORDER BY (e.there_is = '*') DESC, (e.reuse = '*'), (e.conflict = '*') LIMIT 1), o.id)
FROM outcomes o ORDER BY id;
SELECT is((SELECT count(*) FROM outcomes), 108::bigint, 'that is the whole matrix');
SELECT is_empty($$ SELECT workflow_id FROM workflow.executions WHERE closed_at IS NULL GROUP BY workflow_id HAVING count(*) > 1 $$, 'no workflow id has two open runs');
SELECT results_eq($$ SELECT DISTINCT status, error, cause, state FROM workflow.executions WHERE run_id IN (SELECT b.run_id FROM before b JOIN outcomes o USING (id) WHERE o.outcome = 'replaced' AND o.there_is = 'Running') $$,
	$$ VALUES ('Terminated', 'OW.Terminated', 'another run was started in its place', 'Wait') $$, 'what was replaced is terminated');
SELECT is((SELECT attributes->>'requested_by' FROM workflow.history WHERE workflow_id = 'Running / AllowDuplicate / TerminateExisting' AND event_type = 'WorkflowExecutionTerminated'),
	quote_ident(current_user), 'history tells by whom');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT lives_ok($$ SELECT workflow_test.run('2030-01-01 00:03:00+00') $$, 'the rest goes on');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # What the run leaves behind
\o /dev/null
CREATE FUNCTION public.work(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
SELECT workflow.register_activity('Work', 'public.work(jsonb)');
SELECT workflow.register_activity('Outside', task_queue => 'q', options => '{"StartToCloseSeconds": 600}');
SELECT workflow_test.mock_activity('Work', '1');
-- with an expression, which only its owner's session may evaluate
SELECT workflow.register('much', $asl${"StartAt": "Work", "QueryLanguage": "SQL", "Signals": {"go": {}}, "States": {
	"Work": {"Type": "Task", "Resource": "Work", "Compensate": "Work", "Next": "Both"},
	"Both": {"Type": "Parallel", "End": true, "Branches": [
		{"StartAt": "Out", "States": {"Out": {"Type": "Task", "Resource": "Outside", "Arguments": "{% to_jsonb(1 / 1) %}", "End": true}}},
		{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": true}}}]}}}$asl$);
SELECT workflow.start('much', workflow_id => 'much');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('much', 'go', request_id => 'r'), workflow.cancel('much');
SELECT workflow.start('other', workflow_id => 'much', id_conflict_policy => 'TerminateExisting') AS next \gset
\o
SELECT results_eq($$ SELECT workflow, status FROM workflow.executions WHERE workflow_id = 'much' ORDER BY run_id $$,
	$$ VALUES ('much', 'Terminated'), ('other', 'Running') $$, 'the next may be of another workflow');
SELECT is((SELECT count(*) FROM workflow.activity_task) + (SELECT count(*) FROM workflow.branch) + (SELECT count(*) FROM workflow.message)
	+ (SELECT count(*) FROM workflow.signal_request) + (SELECT count(*) FROM workflow.timer t WHERE t.run_id <> :'next' AND t.run_id NOT IN (SELECT run_id FROM workflow.execution)), 0::bigint, 'nothing of it is left');
SELECT is((SELECT status FROM workflow.signals WHERE workflow_id = 'much'), 'Undeliverable', 'what nobody can take in any more is shown');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # A request, whatever the policies
SELECT is(count(DISTINCT id), 1::bigint, 'gives its run') FROM (SELECT workflow.start('other', workflow_id => 'asked', request_id => 'r1', id_conflict_policy => conflict) AS id
	FROM unnest('{Fail,UseExisting,TerminateExisting}'::text[]) conflict) s;
SELECT isnt(workflow.start('other', workflow_id => 'asked', request_id => 'r2', id_conflict_policy => 'TerminateExisting')::text,
	(SELECT run_id::text FROM workflow.executions WHERE workflow_id = 'asked' AND request_id = 'r1'), 'another replaces it');
SELECT is(workflow.start('other', workflow_id => 'asked', request_id => 'r1', id_conflict_policy => 'TerminateExisting'),
	(SELECT run_id FROM workflow.executions WHERE workflow_id = 'asked' AND request_id = 'r1'), 'the first one still gives its own, which is closed');
SELECT is((SELECT string_agg(status, ' ' ORDER BY run_id) FROM workflow.executions WHERE workflow_id = 'asked'), 'Terminated Running', 'and terminates nothing');

\echo # Who may
\o /dev/null
CREATE ROLE pgtap_starter LOGIN;
SELECT workflow.grant_usage('pgtap_starter');
SELECT workflow.grant_workflow('pgtap_starter', 'other', '{start}');
SELECT workflow.start('other', workflow_id => 'guarded');
\o
SET LOCAL ROLE pgtap_starter;
SELECT throws_ok($$ SELECT workflow.start('other', workflow_id => 'guarded', id_conflict_policy => 'TerminateExisting') $$, '42501',
	'permission denied to terminate the open run of workflow id "guarded"', 'who may start may not terminate');
RESET ROLE;
SELECT workflow.grant_workflow('pgtap_starter', 'other', '{cancel}') \g /dev/null
SET LOCAL ROLE pgtap_starter;
SELECT lives_ok($$ SELECT workflow.start('other', workflow_id => 'guarded', id_conflict_policy => 'TerminateExisting') $$, 'but with "cancel"');
RESET ROLE;
SELECT is((SELECT attributes->>'requested_by' FROM workflow.history WHERE workflow_id = 'guarded' AND event_type = 'WorkflowExecutionTerminated'), 'pgtap_starter', 'and is known to have');
SELECT * FROM finish();
ROLLBACK;
