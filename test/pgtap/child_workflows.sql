-- Child workflows on a virtual clock: what their Tasks give, failures, retries, compensations, branches, continue-as-new.
SET client_min_messages = error;	-- no warnings of what is not registered
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION pg_temp.events(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(regexp_replace(event_type, 'WorkflowExecution', '~'), ' ' ORDER BY event_id) FROM workflow.get_history(id)
$$;
CREATE FUNCTION pg_temp.outcome(id text, OUT status text, OUT output jsonb, OUT error text) LANGUAGE sql AS $$
	SELECT status, output, error FROM workflow.get_execution(id)
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('Pack', '{"packed": true}');
SELECT workflow_test.mock_activity('Unship', '"back"');
SELECT workflow_test.mock_activity('Refund', '"refunded"');
SELECT workflow_test.mock_activity('Boom', error => 'Exploded', message => 'all of it');

-- An order whose shipment is a workflow of its own
SELECT workflow.register('ship', $asl${"StartAt": "Pack", "States": {
	"Pack": {"Type": "Task", "Resource": "Pack", "ResultPath": "$.pack", "Compensate": "Unship", "Next": "Drive"},
	"Drive": {"Type": "Wait", "Seconds": 60, "Next": "Arrived"},
	"Arrived": {"Type": "Choice", "Choices": [{"Variable": "$.lost", "IsPresent": true, "Next": "Lost"}], "Default": "Done"},
	"Lost": {"Type": "Fail", "Error": "Lost", "Cause": "in the snow"},
	"Done": {"Type": "Pass", "Parameters": {"tracking.$": "States.Format('T-{}', $.order)"}, "End": true}}}$asl$);
SELECT workflow.register('order', $asl${"StartAt": "Ship", "States": {
	"Ship": {"Type": "Task", "Resource": "workflow:ship", "WorkflowId": "States.Format('ship-{}', $.order)",
		"ResultPath": "$.shipment", "Compensate": "Refund", "Catch": [{"ErrorEquals": ["Lost"], "Next": "Apologize", "ResultPath": "$.why"}],
		"Next": "Then"},
	"Then": {"Type": "Choice", "Choices": [{"Variable": "$.boom", "IsPresent": true, "Next": "Boom"}], "Default": "Done"},
	"Boom": {"Type": "Task", "Resource": "Boom", "End": true},
	"Done": {"Type": "Succeed"},
	"Apologize": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('order', '{"order": 7}', 'o-7', traceparent => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
SELECT workflow.start('order', '{"order": 8, "lost": true}', 'o-8');
SELECT workflow.start('order', '{"order": 9, "boom": true}', 'o-9');
SELECT workflow_test.run('2030-01-01 00:00:10+00');
\o
SELECT no_plan();
\echo # A child
SELECT is((SELECT string_agg(concat_ws(' ', parent_workflow_id, workflow_id, workflow, status, state), ', ' ORDER BY workflow_id) FROM workflow.children),
	'o-7 ship-7 ship Running Drive, o-8 ship-8 ship Running Drive, o-9 ship-9 ship Running Drive', 'children run beside their parents');
SELECT is((SELECT parent_run_id FROM workflow.get_execution('ship-7')), (SELECT run_id FROM workflow.get_execution('o-7')), 'and know them');
SELECT is((SELECT waiting_for FROM workflow.explain('o-7')), 'child workflow "ship-7" (ship), to close', 'a parent tells what it waits for');
SELECT matches(traceparent, '^00-4bf92f3577b34da6a3ce929d0e0e4736-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$', 'a child is in the trace of its parent')
FROM workflow.get_execution('ship-7');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there while they wait');
SELECT workflow_test.run() \g /dev/null
SELECT workflow_test.completed('o-7', '{"order": 7, "shipment": {"tracking": "T-7"}}');
SELECT is(pg_temp.events('o-7'), '~Started StartChild~Initiated Child~Started Child~Completed StateEntered StateEntered ~Completed', 'with Temporal''s events');
SELECT workflow_test.state_path('o-7', '{Ship,Then,Done}');
SELECT workflow_test.completed('o-8', '{"order": 8, "lost": true, "why": {"Error": "Lost", "Cause": "in the snow"}}');
SELECT is(pg_temp.events('ship-8'), '~Started ActivityTaskScheduled ActivityTaskCompleted StateEntered TimerStarted TimerFired StateEntered StateEntered ActivityTaskScheduled ActivityTaskCompleted ~Failed',
	'what failed was caught by its name, and the child has undone what it did');
\echo # A saga over a child
SELECT workflow_test.failed('o-9', 'Exploded');
SELECT workflow_test.compensated('o-9', '{Refund}');

\echo # Ids, versions, and what cannot be started
\o /dev/null
SELECT workflow.register('later', $asl${"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "Next": "P"}, "P": {"Type": "Pass", "Result": 1, "End": true}}}$asl$);
SELECT workflow.register('later', $asl${"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "Next": "P"}, "P": {"Type": "Pass", "Result": 2, "End": true}}}$asl$);
SELECT workflow.register('typed', $asl${"StartAt": "P", "Input": {"type": "object", "required": ["n"]}, "States": {"P": {"Type": "Pass", "End": true}}}$asl$);
SELECT workflow.register(name, jsonb_build_object('StartAt', 'C', 'States', jsonb_build_object(
	'C', '{"Type": "Task", "End": true, "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "E"}]}'::jsonb || task,
	'E', '{"Type": "Succeed"}'::jsonb)))
FROM (VALUES ('own id', '{"Resource": "workflow:later"}'::jsonb), ('of version 1', '{"Resource": "workflow:later", "Version": 1}'),
	('taken', '{"Resource": "workflow:later", "WorkflowId": "one"}'), ('unknown', '{"Resource": "workflow:nowhere"}'),
	('no version', '{"Resource": "workflow:later", "Version": 17}'), ('bad input', '{"Resource": "workflow:typed"}'),
	('bad id', '{"Resource": "workflow:later", "WorkflowId": "$.n"}'), ('no id', '{"Resource": "workflow:later", "WorkflowId": "$.none"}')) v (name, task);
SELECT workflow.start(name, '{"n": 1}', name) FROM unnest('{own id,of version 1,unknown,no version,bad id}'::text[]) name;
SELECT workflow.start('bad input', '{}', 'bad input'), workflow.start('no id', '{"n": 1}', 'no id');
SELECT workflow.start('later', workflow_id => 'one'), workflow.start('taken', workflow_id => 'taken');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('own id', '2');
SELECT is(workflow_id, (SELECT run_id FROM workflow.get_execution('own id')) || ':C:1', 'an id of its own is derived from where the child is')
FROM workflow.children WHERE parent_workflow_id = 'own id';
SELECT workflow_test.completed('of version 1', '1');
SELECT workflow_test.completed('taken', '{"Error": "OW.WorkflowExecutionAlreadyStarted", "Cause": "workflow id \"one\" has an open run"}');
SELECT workflow_test.completed('unknown', '{"Error": "OW.WorkflowNotFound", "Cause": "workflow \"nowhere\" does not exist"}');
SELECT workflow_test.completed('no version', '{"Error": "OW.WorkflowNotFound", "Cause": "workflow \"later\" has no version 17"}');
SELECT is((pg_temp.outcome('bad input')).output->>'Error', 'OW.InvalidInput', 'input of another type');
SELECT workflow_test.completed('bad id', '{"Error": "OW.InvalidInput", "Cause": "WorkflowId of state \"C\" must be a string, not a number"}');
SELECT workflow_test.failed('no id', 'States.Runtime');
SELECT is(pg_temp.events('taken'), '~Started StartChild~Initiated StartChild~Failed StateEntered ~Completed', 'a failed start');

\echo # Retries, timeouts, other ends
\o /dev/null
SELECT workflow.register('flaky', $asl${"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "Flaky", "End": true}}}$asl$);
SELECT workflow_test.mock_activity('Flaky', error => 'Busy', times => 2);
SELECT workflow_test.mock_activity('Flaky', '"at last"');
SELECT workflow.register('retrying', $asl${"StartAt": "C", "States": {
	"C": {"Type": "Task", "Resource": "workflow:flaky", "WorkflowId": "flaky", "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10}], "End": true}}}$asl$);
SELECT workflow.register('hasty', $asl${"StartAt": "C", "States": {
	"C": {"Type": "Task", "Resource": "workflow:later", "WorkflowId": "slow", "TimeoutSeconds": 30, "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "E"}], "End": true},
	"E": {"Type": "Succeed"}}}$asl$);
SELECT workflow.register('ended', $asl${"StartAt": "M", "States": {
	"M": {"Type": "Map", "ItemProcessor": {"StartAt": "C", "States": {
		"C": {"Type": "Task", "Resource": "workflow:later", "WorkflowId": "$", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "E"}], "End": true},
		"E": {"Type": "Succeed"}}}, "End": true}}}$asl$);
SELECT workflow.start('retrying', workflow_id => 'retrying'), workflow.start('hasty', workflow_id => 'hasty'), workflow.start('ended', '["a", "b", "c"]', 'ended');
SELECT workflow_test.advance('5 s');
SELECT workflow.cancel('a'), workflow.terminate('b');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('retrying', '"at last"');
SELECT is((SELECT count(DISTINCT run_id) FROM workflow.children WHERE workflow_id = 'flaky'), 3::bigint, 'each attempt a run, all of one id');
SELECT is((SELECT output->>'Error' FROM pg_temp.outcome('hasty')), 'States.Timeout', 'a timeout of the Task is the child''s');
SELECT is((SELECT status FROM pg_temp.outcome('slow')), 'TimedOut', 'it has timed out');
SELECT is((SELECT jsonb_path_query_array(output, '$[*].Error') || (output->2) FROM pg_temp.outcome('ended')),
	'["OW.ChildWorkflowCanceled", "OW.ChildWorkflowTerminated", 2]', 'of one that is canceled, or terminated; children of a Map');
SELECT alike(pg_temp.events('ended'), '%Child~Canceled%Child~Terminated%Child~Completed%', 'as its events say');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Parallel: a branch that fails takes the child of the other along
\o /dev/null
SELECT workflow.register('both', $asl${"StartAt": "P", "States": {
	"P": {"Type": "Parallel", "Branches": [
		{"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": "workflow:ship", "WorkflowId": "sibling", "Parameters": {"order": 1}, "End": true}}},
		{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 5, "Next": "F"}, "F": {"Type": "Fail", "Error": "Tired"}}}], "End": true}}}$asl$);
SELECT workflow.start('both', workflow_id => 'both');
SELECT workflow_test.run();
\o
SELECT workflow_test.failed('both', 'Tired');
SELECT is((SELECT status FROM pg_temp.outcome('sibling')), 'Terminated', 'its parent having closed, it is terminated');
SELECT alike(pg_temp.events('both'), '%RequestCancelExternal~Initiated BranchCanceled%', 'after it was asked to cancel itself');

\echo # Continue-as-new
\o /dev/null
SELECT workflow.register('chained', $asl${"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 5, "Next": "C"},
	"C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericLessThan": 3, "Next": "N"}], "Default": "D"}, "D": {"Type": "Succeed"},
	"N": {"Type": "ContinueAsNew", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}}}}$asl$);
SELECT workflow.register('follows', $asl${"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": "workflow:chained", "End": true}}}$asl$);
SELECT workflow.register('parent goes on', $asl${"StartAt": "First", "States": {
	"First": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 0, "Next": "C"}], "Default": "W"},
	"C": {"Type": "Task", "Resource": "workflow:later", "WorkflowId": "aside", "WaitFor": "Started", "ResultPath": "$.started", "Next": "D"},
	"D": {"Type": "Task", "Resource": "workflow:chained", "WorkflowId": "quick", "WaitFor": "Started", "ResultPath": "$.quick", "Next": "N"},
	"N": {"Type": "ContinueAsNew", "Parameters": {"n": 1}},
	"W": {"Type": "Wait", "Seconds": 50, "Next": "Done"}, "Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('follows', '{"n": 0}', 'follows'), workflow.start('parent goes on', '{"n": 0}', 'parent goes on');
SELECT workflow_test.advance('1 s');
\o
SELECT is((SELECT count(*) FROM workflow.executions WHERE workflow_id = 'parent goes on'), 2::bigint, 'a parent that waits only for the start goes on');
SELECT is((SELECT status FROM pg_temp.outcome('aside')), 'Running', 'its child stays when it continues as new');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow_test.run() \g /dev/null
SELECT workflow_test.completed('follows', '{"n": 3}');
SELECT is((SELECT count(*) FROM workflow.children WHERE parent_workflow_id = 'follows'), 4::bigint, 'a child that continues as new is followed');
SELECT is((SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM workflow.get_history('parent goes on') WHERE event_type LIKE 'Child%'),
	'ChildWorkflowExecutionCompleted', 'the next run of a parent is told how children of the one before close');
SELECT is((SELECT status FROM pg_temp.outcome('aside')), 'Terminated', 'and closes those that are open when it closes itself');
SELECT is_empty('SELECT FROM workflow.child UNION ALL SELECT FROM workflow.message', 'nothing is left over');

\echo # As Step Functions has it
\o /dev/null
SELECT workflow.register('pasted', $asl${"StartAt": "Sync2", "States": {
	"Sync2": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "ResultPath": "$.sync2",
		"Parameters": {"StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:later:7", "Name": "pasted 1", "Input": {"a.$": "$.a"}}, "Next": "Sync"},
	"Sync": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync", "ResultPath": "$.sync",
		"Parameters": {"StateMachineArn.$": "$.arn", "Input": {}}, "ResultSelector": {"Output.$": "$.Output", "Status.$": "$.Status"}, "Next": "Start"},
	"Start": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "ResultPath": "$.start",
		"Parameters": {"StateMachineArn": "later", "Name": "pasted 3"}, "Next": "Bad"},
	"Bad": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "Catch": [{"ErrorEquals": ["OW.InvalidInput"], "ResultPath": "$.bad", "Next": "Done"}], "End": true},
	"Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('pasted', '{"a": 1, "arn": "arn:aws:states:eu-west-1:123456789012:stateMachine:later"}', 'pasted');
SELECT workflow_test.run();
\o
SELECT is((output->'sync2') - '{ExecutionArn,StartDate,StopDate}'::text[], '{"Name": "pasted 1", "Output": 2, "Status": "SUCCEEDED", "StateMachineArn": "later"}', '.sync:2 gives what has become of the execution')
FROM pg_temp.outcome('pasted');
SELECT is(output->'sync', jsonb '{"Output": "2", "Status": "SUCCEEDED"}', '.sync the same, with the output as a text') FROM pg_temp.outcome('pasted');
SELECT is(output #>> '{start,WorkflowId}', 'pasted 3', 'without either it is started, and no more') FROM pg_temp.outcome('pasted');
SELECT is(output #>> '{start,ExecutionArn}', (SELECT run_id::text FROM workflow.get_execution('pasted 3')), 'it is known by its run id') FROM pg_temp.outcome('pasted');
SELECT is(output #>> '{bad,Cause}', 'the input of state "Bad" has no "StateMachineArn"', 'what is missing is told') FROM pg_temp.outcome('pasted');
SELECT is((SELECT status FROM pg_temp.outcome('pasted 3')), 'Completed', 'it outlives whoever started it');

\echo # SQL
\o /dev/null
SELECT workflow.register('sql', $asl${"QueryLanguage": "SQL", "StartAt": "C", "States": {
	"C": {"Type": "Task", "Resource": "workflow:flaky", "WorkflowId": "{% 'sql-' || (input->>'n') %}", "Arguments": {"n": "{% input->'n' %}"},
		"TimeoutSeconds": "{% 60 %}", "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1}], "Output": "{% jsonb_build_object('r', result) %}", "End": true}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('Flaky', error => 'Busy', times => 1), workflow_test.mock_activity('Flaky', '"done"');
SELECT workflow.start('sql', '{"n": 1}', 'sql');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('sql', '{"r": "done"}');
SELECT is((SELECT count(*) FROM workflow.executions WHERE parent_workflow_id = 'sql' AND workflow_id = 'sql-1' AND input = '{"n": 1}'), 2::bigint, 'two attempts of the same');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Mocks
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_workflow('Ship', '"van"', input => '{"to": "Bern"}', duration => '10 min');
SELECT workflow_test.mock_workflow('Ship', error => 'NoRoute', message => 'no road', input => '{"to": "the Moon"}');
SELECT workflow_test.mock_workflow('Ship', '"slow van"', duration => '2 h');
SELECT workflow.register('mocked', $asl${"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": {"StartAt": "C", "States": {
	"C": {"Type": "Task", "Resource": "workflow:Ship", "TimeoutSeconds": 3600, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "E"}], "End": true},
	"E": {"Type": "Succeed"}}}, "End": true}}}$asl$);
SELECT workflow.start('mocked', '[{"to": "Bern"}, {"to": "the Moon"}, {"to": "Lima"}]', 'mocked');
SELECT workflow_test.run('2030-01-01 00:10:00+00');
\o
SELECT is((SELECT count(*) FROM workflow.history h JOIN workflow.get_execution('mocked') USING (run_id) WHERE event_type LIKE 'Child%' AND event_type NOT LIKE '%Started'),
	2::bigint, 'mocked children take their time side by side');
SELECT workflow_test.run() \g /dev/null
SELECT is((SELECT (output->0) || jsonb_path_query_array(output, '$[1 to 2].Error') FROM pg_temp.outcome('mocked')), '["van", "NoRoute", "States.Timeout"]', 'and close as they are told to');
SELECT is(workflow_test.now(), timestamptz '2030-01-01 01:00:00+00', 'or time out');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT * FROM finish();
ROLLBACK;
