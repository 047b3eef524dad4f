-- What becomes of children when their parent is canceled or closes, and signals and cancels to other workflows.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION pg_temp.events(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(regexp_replace(event_type, 'WorkflowExecution', '~'), ' ' ORDER BY event_id) FROM workflow.get_history(id)
$$;
CREATE FUNCTION pg_temp.statuses(ids text[]) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', id, e.status, e.error), ', ' ORDER BY n) FROM unnest(ids) WITH ORDINALITY AS i (id, n), workflow.get_execution(id) e
$$;
CREATE FUNCTION pg_temp.child(fields jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('Type', 'Task', 'Resource', 'workflow:child', 'End', true) || fields
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('Do', '"done"'), workflow_test.mock_activity('Undo', error => 'Busy', times => 1), workflow_test.mock_activity('Undo', '"undone"');
SELECT workflow.register('child', $asl${"StartAt": "Do", "Signals": {"hurry": {"Payload": {"type": "object"}}}, "States": {
	"Do": {"Type": "Task", "Resource": "Do", "ResultPath": null, "Next": "Wait",
		"Compensate": {"Resource": "Undo", "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 5}]}},
	"Wait": {"Type": "Await", "Any": [{"Signal": "hurry", "Next": "Done", "ResultPath": "$.hurry"}, {"AfterSeconds": 600, "Next": "Done"}]},
	"Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow.register('waits', jsonb_build_object('StartAt', 'Mine', 'States', jsonb_build_object(
	'Mine', '{"Type": "Task", "Resource": "Do", "Compensate": "Undo", "ResultPath": null, "Next": "C"}'::jsonb,
	'C', pg_temp.child('{"WorkflowId": "States.Format(''{}-child'', $$.Execution.Name)", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]}'),
	'Caught', '{"Type": "Succeed"}'::jsonb)));
SELECT workflow.start('waits', workflow_id => id) FROM unnest('{canceled,terminated,timed out,failing}'::text[]) id WHERE id <> 'timed out';
SELECT workflow.start('waits', workflow_id => 'timed out', execution_timeout => '20 s');
SELECT workflow_test.advance('10 s');
SELECT workflow.cancel('canceled', 'changed my mind'), workflow.terminate('terminated'), workflow.terminate('failing-child');
SELECT workflow_test.run('2030-01-01 00:00:11+00');
\o
SELECT no_plan();
\echo # A cancel goes to the child first
SELECT is(pg_temp.statuses('{canceled,canceled-child}'), 'canceled Running, canceled-child Running', 'the child undoes what it did, and the parent waits');
SELECT is((SELECT waiting_for FROM workflow.explain('canceled')), 'child workflow "canceled-child" (child), to be canceled', 'and says so');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow_test.run('2030-01-01 00:01:00+00') \g /dev/null
SELECT is(pg_temp.statuses('{canceled,canceled-child}'), 'canceled Canceled OW.Canceled, canceled-child Canceled OW.Canceled', 'then it is canceled itself, whatever it catches');
SELECT is((SELECT array_agg(workflow_id ORDER BY called_at) FROM workflow_test.calls() WHERE activity = 'Undo' AND workflow_id LIKE 'canceled%'),
	'{canceled-child,canceled-child,canceled}', 'one has undone after the other');
SELECT is(pg_temp.events('canceled'), '~Started ActivityTaskScheduled ActivityTaskCompleted StartChild~Initiated Child~Started ~CancelRequested RequestCancelExternal~Initiated Child~Canceled ActivityTaskScheduled ActivityTaskCompleted ~Canceled', 'as the events have it');
SELECT is((SELECT attributes->>'reason' FROM workflow.get_history('canceled-child') WHERE event_type = 'WorkflowExecutionCancelRequested'), 'changed my mind', 'the reason is handed on');
\echo # Other ends of a parent that waits
SELECT is(pg_temp.statuses('{terminated,terminated-child}'), 'terminated Terminated OW.Terminated, terminated-child Terminated OW.Terminated', 'terminated with it');
SELECT is(pg_temp.statuses('{failing,failing-child}'), 'failing Completed, failing-child Terminated OW.Terminated', 'of a child that is terminated the parent hears');
SELECT is(pg_temp.statuses('{timed out,timed out-child}'), 'timed out TimedOut States.Timeout, timed out-child Terminated OW.Terminated', 'and so is that of one that times out');

\echo # Policies
\o /dev/null
SELECT workflow.register('leaves', jsonb_build_object('StartAt', 'P', 'States', jsonb_build_object('P', jsonb_build_object('Type', 'Parallel', 'Next', 'W',
		'Branches', (SELECT jsonb_agg(jsonb_build_object('StartAt', p, 'States', jsonb_build_object(p,
			pg_temp.child(jsonb_build_object('WaitFor', 'Started', 'ParentClosePolicy', p, 'WorkflowId', format('States.Format(''{}-%s'', $$.Execution.Name)', p))))))
			FROM unnest('{Terminate,Abandon,RequestCancel}'::text[]) p)),
	'W', '{"Type": "Wait", "Seconds": 5, "Next": "F"}'::jsonb,
	'F', '{"Type": "Choice", "Choices": [{"Variable": "$$.Execution.Name", "StringEquals": "fails", "Next": "Fail"}], "Default": "Done"}'::jsonb,
	'Fail', '{"Type": "Fail", "Error": "E"}'::jsonb, 'Done', '{"Type": "Succeed"}'::jsonb)));
SELECT workflow.start('leaves', workflow_id => id) FROM unnest('{completes,fails,is canceled,is terminated}'::text[]) id;
SELECT workflow_test.advance('2 s');
SELECT workflow.cancel('is canceled'), workflow.terminate('is terminated');
SELECT workflow_test.advance('20 s');
\o
SELECT is((SELECT string_agg(DISTINCT status, ' ') FROM workflow.executions WHERE workflow_id LIKE '%-Terminate'), 'Terminated', 'Terminate');
SELECT is((SELECT string_agg(DISTINCT status, ' ') FROM workflow.executions WHERE workflow_id LIKE '%-RequestCancel'), 'Canceled', 'RequestCancel');
SELECT is((SELECT string_agg(DISTINCT status, ' ') FROM workflow.executions WHERE workflow_id LIKE '%-Abandon'), 'Running', 'Abandon');
SELECT is((SELECT count(*) FROM workflow.children WHERE parent_workflow_id IN ('completes', 'fails', 'is canceled', 'is terminated')), 12::bigint, 'however the parent closes');
SELECT is((SELECT array_agg(DISTINCT k ORDER BY k) FROM workflow.get_execution('completes'), jsonb_object_keys(output->0) k),
	'{ExecutionArn,RunId,StartDate,WorkflowId}', 'what a Task that waits for the start only gives');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is_empty('SELECT FROM workflow.child UNION ALL SELECT FROM workflow.message', 'nothing is left over');

\echo # An abandoned child is not canceled with its parent
\o /dev/null
SELECT workflow.register('abandons', jsonb_build_object('StartAt', 'C', 'States', jsonb_build_object('C', pg_temp.child('{"WorkflowId": "free", "ParentClosePolicy": "Abandon"}'))));
SELECT workflow.start('abandons', workflow_id => 'abandons');
SELECT workflow_test.advance('1 s');
SELECT workflow.cancel('abandons');
SELECT workflow_test.advance('1 s');
\o
SELECT is(pg_temp.statuses('{abandons,free}'), 'abandons Canceled OW.Canceled, free Running', 'it goes on');

\echo # A child that has not been started yet when its parent closes
\o /dev/null
SELECT workflow.register('hurried', jsonb_build_object('StartAt', 'P', 'States', jsonb_build_object('P', jsonb_build_object('Type', 'Parallel', 'End', true, 'Branches', jsonb_build_array(
	jsonb_build_object('StartAt', 'C', 'States', jsonb_build_object('C', pg_temp.child('{"WorkflowId": "unborn"}'))),
	'{"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}}'::jsonb)))));
SELECT workflow.start('hurried', workflow_id => 'hurried');
SELECT workflow_test.advance('1 s');
\o
SELECT is(pg_temp.statuses('{hurried,unborn}'), 'hurried Failed E, unborn Canceled OW.Canceled', 'is started, and canceled');
SELECT is_empty('SELECT FROM workflow.child UNION ALL SELECT FROM workflow.message', 'nothing is left over');

\echo # Signals and cancels to others
\o /dev/null
SELECT workflow.register('tells', $asl${"StartAt": "M", "States": {"M": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Which", "States": {
	"Which": {"Type": "Choice", "Choices": [{"Variable": "$.Signal", "IsPresent": true, "Next": "Signal"}], "Default": "Cancel"},
	"Signal": {"Type": "Task", "Resource": "workflow:signal", "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "E"}], "End": true},
	"Cancel": {"Type": "Task", "Resource": "workflow:cancel", "Parameters": {"WorkflowId.$": "$.WorkflowId", "Reason": "told so"},
		"Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "E"}], "End": true},
	"E": {"Type": "Pass", "OutputPath": "$.Error", "End": true}}}}}}$asl$);
SELECT workflow.start('child', workflow_id => id) FROM unnest('{signaled,to be canceled}'::text[]) id;
SELECT workflow_test.advance('1 s');
SELECT workflow.start('tells', $$[{"WorkflowId": "signaled", "Signal": "hurry", "Payload": {"now": true}}, {"WorkflowId": "to be canceled"},
	{"WorkflowId": "nobody", "Signal": "hurry"}, {"WorkflowId": "free", "Signal": "stop"}, {"WorkflowId": "free", "Signal": "hurry", "Payload": 1},
	{"WorkflowId": "canceled"}, {"Signal": "hurry"}, {"WorkflowId": 7}, {"WorkflowId": "tells", "Signal": 1}]$$, 'tells');
SELECT workflow_test.advance('10 s');
\o
SELECT is(pg_temp.statuses('{signaled,to be canceled,tells}'), 'signaled Completed, to be canceled Canceled OW.Canceled, tells Completed', 'they are told');
SELECT is((SELECT output->'hurry' FROM workflow.get_execution('signaled')), '{"now": true}', 'with the payload');
SELECT is((SELECT jsonb_path_query_array(output, '$[2 to last]') FROM workflow.get_execution('tells')),
	'["OW.WorkflowExecutionNotFound", "OW.SignalNotDeclared", "OW.InvalidInput", "OW.WorkflowExecutionNotFound", "OW.InvalidInput", "OW.InvalidInput", "OW.InvalidInput"]',
	'who is not there, or not to be told that, is a failure to be caught');
SELECT is((SELECT output #>> '{0,WorkflowId}' FROM workflow.get_execution('tells')), 'signaled', 'the result names the run');
SELECT is((SELECT string_agg(DISTINCT event_type, ' ' ORDER BY event_type) FROM workflow.get_history('tells') WHERE event_type LIKE '%External%'),
	'ExternalWorkflowExecutionCancelRequested ExternalWorkflowExecutionSignaled RequestCancelExternalWorkflowExecutionFailed RequestCancelExternalWorkflowExecutionInitiated SignalExternalWorkflowExecutionFailed SignalExternalWorkflowExecutionInitiated',
	'Temporal''s events');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is_empty('SELECT FROM workflow.message', 'nothing is left over');

\echo # Owners
\o /dev/null
CREATE ROLE children_a LOGIN; CREATE ROLE children_b LOGIN;
SELECT workflow.grant_usage('children_a'), workflow.grant_usage('children_b');
GRANT USAGE ON SCHEMA workflow_test TO children_a, children_b; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA workflow_test TO children_a, children_b;
SET LOCAL ROLE children_b;
SELECT workflow.register('of b', $asl${"StartAt": "W", "Signals": {"go": {}}, "States": {"W": {"Type": "Await", "Any": [{"Signal": "go", "Next": "D"}]}, "D": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('of b', workflow_id => 'b one');
SET LOCAL ROLE children_a;
\o
SELECT throws_like($$ SELECT workflow.register('of a', '{"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": "workflow:of b", "End": true}}}'::jsonb) $$,
	'invalid definition of workflow "of a"', 'a child of another owner needs his consent');
SELECT is(code || ': ' || message, 'WorkflowNotPermitted: role "children_a" may not start workflow "of b"', 'when the parent is registered')
FROM workflow.validate('{"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": "workflow:of b", "End": true}}}'::jsonb) WHERE severity = 'error';
\o /dev/null
SELECT workflow.register('of a', $asl${"StartAt": "S", "States": {
	"S": {"Type": "Task", "Resource": "workflow:signal", "Parameters": {"WorkflowId": "b one", "Signal": "go"}, "ResultPath": "$.s", "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.s", "Next": "C"}], "Next": "C"},
	"C": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "Parameters": {"StateMachineArn.$": "$.name", "Name": "child of a"}, "TimeoutSeconds": 5,
		"ResultPath": "$.c", "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.c", "Next": "D"}], "End": true}, "D": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('of a', '{"name": "of b"}', 'a without');
RESET ROLE;
SELECT workflow_test.advance('10 s');
SET LOCAL ROLE children_b;
SELECT workflow.grant_workflow('children_a', 'of b', '{read}');
SET LOCAL ROLE children_a;
SELECT workflow.start('of a', '{"name": "of b"}', 'a reads');
RESET ROLE;
SELECT workflow_test.advance('10 s');
SET LOCAL ROLE children_b;
SELECT workflow.grant_workflow('children_a', 'of b', '{start,signal}');
SET LOCAL ROLE children_a;
SELECT workflow.start('of a', '{"name": "of b"}', 'a may');
RESET ROLE;
SELECT workflow_test.advance('2 s');
\o
SELECT is((SELECT (output #>> '{s,Error}') || ' ' || (output #>> '{c,Error}') FROM workflow.get_execution('a without')), 'OW.WorkflowExecutionNotFound States.Permissions', 'nor is it started, or seen, without');
SELECT is((SELECT output #>> '{s,Cause}' FROM workflow.get_execution('a reads')), 'role "children_a" may not signal workflow "of b"', 'to see is not to signal');
SELECT is((SELECT concat_ws(' ', owner, started_by, status) FROM workflow.get_execution('child of a')), 'children_b children_a Running', 'with it, the child runs as its own owner');
SELECT is((SELECT status FROM workflow.get_execution('b one')), 'Completed', 'and a signal comes through');
SET LOCAL ROLE children_a;
SELECT is((SELECT count(*) FROM workflow.children), 1::bigint, 'the parent''s owner sees the child');
RESET ROLE;

\echo # A reset starts children anew
\o /dev/null
SELECT workflow.register('again', $asl${"StartAt": "A", "States": {
	"A": {"Type": "Task", "Resource": "workflow:child", "ResultPath": null, "Next": "B"}, "B": {"Type": "Task", "Resource": "workflow:child", "ResultPath": null,
		"Retry": [{"ErrorEquals": ["OW.WorkflowExecutionAlreadyStarted"], "IntervalSeconds": 1}], "End": true}}}$asl$);
SELECT workflow.start('again', workflow_id => 'again');
SELECT workflow_test.advance('11 min');
CREATE TEMP TABLE waiting AS SELECT event_id FROM workflow.get_history('again') WHERE event_type = 'ChildWorkflowExecutionStarted' AND state = 'B';
SELECT workflow.reset('again', (SELECT event_id FROM waiting), 'once more');
SELECT workflow_test.advance('1 min');
\o
SELECT is((SELECT string_agg(status, ' ' ORDER BY started_at, run_id) FROM workflow.children WHERE parent_workflow_id = 'again'), 'Completed Terminated Running', 'instead of the one that its run was waiting for');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow_test.advance('11 min') \g /dev/null
SELECT workflow_test.completed('again', '{}');

\echo # … of the same workflow id, while the one before still undoes what it did
\o /dev/null
CREATE FUNCTION public.slow_undo(input jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF (workflow.current_activity()).attempt < 4 THEN
		PERFORM workflow.throw('NotYet', 'not yet');
	END IF;
END $$;
CREATE FUNCTION public.do_it(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
SELECT workflow.register_activity('SlowUndo', 'public.slow_undo(jsonb)'), workflow.register_activity('DoIt', 'public.do_it(jsonb)');
SELECT workflow_test.allow_activity('SlowUndo'), workflow_test.allow_activity('DoIt');
SELECT workflow.register('slow child', $asl${"StartAt": "Do", "States": {
	"Do": {"Type": "Task", "Resource": "DoIt", "Compensate": {"Resource": "SlowUndo", "Retry": [{"ErrorEquals": ["NotYet"], "IntervalSeconds": 10, "BackoffRate": 1, "MaxAttempts": 9}]}, "Next": "Wait"},
	"Wait": {"Type": "Wait", "Seconds": 60, "End": true}}}$asl$);
SELECT workflow.register('patient', $asl${"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "workflow:slow child", "WorkflowId": "slow one", "ParentClosePolicy": "RequestCancel", "ResultPath": null, "End": true}}}$asl$);
SELECT workflow.start('patient', workflow_id => 'patient');
SELECT workflow_test.advance('10 s');
SELECT workflow.reset('patient', 1, 'once more');
SELECT workflow_test.advance('20 s');
\o
SELECT is((SELECT string_agg(status, ' ' ORDER BY started_at, run_id) FROM workflow.executions WHERE workflow_id = 'slow one'), 'Running', 'it still undoes');
SELECT is((SELECT status FROM workflow.get_execution('patient')), 'Running', 'which the run in place of the other waits for');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow_test.advance('10 min');
\o
SELECT is((SELECT string_agg(status, ' ' ORDER BY started_at, run_id) FROM workflow.executions WHERE workflow_id = 'slow one'), 'Canceled Completed', 'then it starts its own');
SELECT workflow_test.completed('patient', '{}');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.start('slow child', workflow_id => 'slow one');
SELECT workflow.start('patient', workflow_id => 'impatient');
SELECT workflow_test.advance('5 s');
\o
SELECT workflow_test.failed('impatient', 'OW.WorkflowExecutionAlreadyStarted');

\echo # Definitions
CREATE FUNCTION pg_temp.problems(task jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', severity, code, message), '; ' ORDER BY severity, message) FROM workflow.validate(jsonb_build_object('StartAt', 'T', 'States',
		jsonb_build_object('T', '{"Type": "Task", "End": true}'::jsonb || task)))
$$;
SELECT is(pg_temp.problems(task), problems, task->>'Resource') FROM (VALUES
	('{"Resource": "workflow:child", "WorkflowId": "x", "ParentClosePolicy": "Abandon", "WaitFor": "Started", "Version": 1}'::jsonb, NULL),
	('{"Resource": "workflow:", "WaitFor": "Now", "ParentClosePolicy": "Kill", "Version": 0, "WorkflowId": ""}',
		'error InvalidValue field "ParentClosePolicy" in state "T" must be "Terminate" or "Abandon" or "RequestCancel", not "Kill"; '
		'error InvalidResource field "Resource" in state "T" names no workflow; '
		'error OutOfRange field "Version" in state "T" must be a whole number from 1 to 2147483647; '
		'error InvalidValue field "WaitFor" in state "T" must be "Closed" or "Started", not "Now"; '
		'error InvalidValue field "WorkflowId" in state "T" must have from 1 to 1000 bytes'),
	('{"Resource": "workflow:child", "TaskQueue": "q", "HeartbeatSeconds": 1}', 'warning Ignored field "HeartbeatSeconds" in state "T" has no effect; warning Ignored field "TaskQueue" in state "T" has no effect'),
	('{"Resource": "workflow:nowhere"}', 'warning WorkflowNotRegistered child workflow "nowhere" is not registered'),
	('{"Resource": "workflow:signal", "WorkflowId": "x", "Parameters": {"Signal.$": "$.s", "Pay": 1}}',
		'error InvalidParameters field "Parameters" in state "T" has an unknown member "Pay"; error InvalidParameters field "Parameters" in state "T" has no member "WorkflowId"; '
		'error InvalidValue field "WorkflowId" in state "T" is one of child workflows: another run is named in "Parameters"'),
	('{"Resource": "workflow:cancel", "Parameters": {"WorkflowId.$": "$.id", "Reason": "x"}}', NULL),
	('{"Resource": "arn:aws:states:::states:startExecution.waitForTaskToken", "Parameters": {"StateMachineArn": "child"}}',
		'error NotSupported field "Resource" in state "T" has the pattern ".waitForTaskToken", which is not supported of executions'),
	('{"Resource": "Do", "WaitFor": "Started", "TimeoutSeconds": 1}', 'error InvalidValue field "WaitFor" in state "T" is one of child workflows, and the Task is not of one'),
	('{"Resource": "workflow:child", "Compensate": "workflow:child"}', 'error NotSupported field "Resource" in Compensate of state "T": "workflow:child" is a workflow, and a compensation is an activity')
	) v (task, problems);
SELECT alike(workflow.describe('waits'), '%child workflow child%', 'a picture shows the child');
SELECT * FROM finish();
ROLLBACK;
