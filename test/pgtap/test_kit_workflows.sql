-- Mocks of other workflows: children, and those that signals and cancels are sent to.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.get_execution(id)
$$;
SELECT workflow.register('parent', $asl${"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": "workflow:child", "WorkflowId": "$.child",
	"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1}], "End": true}}}$asl$);
SELECT workflow.register('timely', $asl${"StartAt": "C", "TimeoutSeconds": 600, "States": {"C": {"Type": "Task", "Resource": "workflow:child", "WorkflowId": "$.child", "End": true}}}$asl$);
SELECT workflow.register('teller', $asl${"StartAt": "Signal", "States": {
	"Signal": {"Type": "Task", "Resource": "workflow:signal", "Parameters": {"WorkflowId.$": "$.to", "Signal.$": "$.signal", "Payload.$": "$.payload"},
		"ResultPath": "$.told", "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.told", "Next": "Cancel"}], "Next": "Cancel"},
	"Cancel": {"Type": "Task", "Resource": "workflow:cancel", "Parameters": {"WorkflowId.$": "$.to", "Reason": "told so"},
		"ResultPath": "$.canceled", "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.canceled", "Next": "Done"}], "Next": "Done"},
	"Done": {"Type": "Succeed"}}}$asl$);
CREATE FUNCTION pg_temp.parent(id text, workflow text DEFAULT 'parent') RETURNS void LANGUAGE sql AS $$
	SELECT workflow.start(workflow, jsonb_build_object('child', 'child-' || id, 'n', length(id)), id)
$$;
\o
SELECT plan(24);

\echo # Children
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.mock_workflow('child', '"by id"', workflow_id => 'child-by id');
SELECT workflow_test.mock_workflow('child', '"by path"', matching => '$.child == "child-by path"');
SELECT workflow_test.mock_workflow('child', compute => 'SELECT input->>''child'' || '' '' || workflow_id', workflow_id => 'child-computed');
SELECT workflow_test.mock_workflow('child', compute => $$SELECT workflow.throw('Thrown', 'as told')$$, workflow_id => 'child-throws');
SELECT workflow_test.mock_workflow('child', answers => '[{"error": "Busy"}, {"duration": "1 h", "result": "at last"}]', workflow_id => 'child-retried');
SELECT workflow_test.mock_workflow('child', never => true, workflow_id => 'child-never');
SELECT workflow_test.mock_workflow('child', duration => '2 h', workflow_id => 'child-timed out');
SELECT workflow_test.mock_workflow('child', duration => '2 h', workflow_id => 'child-canceled');
SELECT workflow_test.mock_workflow('child', error => 'OW.ChildWorkflowCanceled', workflow_id => 'child-its cancel');
SELECT pg_temp.parent(id) FROM unnest('{by id,by path,computed,throws,retried,never,canceled,its cancel}'::text[]) id;
SELECT pg_temp.parent('timed out', 'timely');
SELECT workflow_test.at('30 min', $$SELECT workflow.cancel('canceled', 'enough')$$);
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('by id'), 'Completed "by id"', 'one child');
SELECT is(pg_temp.ended('by path'), 'Completed "by path"', 'those of such an input');
SELECT is(pg_temp.ended('computed'), 'Completed "child-computed child-computed"', 'a result that is computed');
SELECT is(pg_temp.ended('throws'), 'Failed Thrown as told', 'or throws');
SELECT is(pg_temp.ended('retried'), 'Completed "at last"', 'one after the other');
SELECT is(pg_temp.ended('never'), 'Running', 'one that never ends');
SELECT is(pg_temp.ended('timed out'), 'TimedOut States.Timeout the workflow did not close in time', 'its parent may time out before it ends');
SELECT is(pg_temp.ended('its cancel'), 'Failed OW.ChildWorkflowCanceled ', 'it may be canceled');
SELECT is(pg_temp.ended('canceled'), 'Canceled OW.Canceled the workflow was canceled', 'or its parent');
SELECT is((SELECT closed_at - started_at FROM workflow.get_execution('canceled')), interval '30 min', 'which cancels it');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT results_eq($$ SELECT kind, workflow, other_id, mocked, count(*) FROM workflow_test.requests() WHERE workflow_id = 'retried' GROUP BY 1, 2, 3, 4 $$,
	$$ VALUES ('workflow', 'child', 'child-retried', true, 2::bigint) $$, 'requests are listed');
SELECT workflow_test.called_times('child', 0);

\echo # Signals and cancels
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.mock_signal('stock', 'Sold', matching => '$.n > 1'), workflow_test.mock_signal('stock', error => 'OW.SignalNotDeclared', message => 'no such'),
	workflow_test.mock_cancel('stock', times => 1), workflow_test.mock_cancel('stock', error => 'OW.ExecutionNotFound', message => 'closed');
SELECT workflow_test.expect_signal('stock', 'Sold', 1, input => '{"n": 2}'), workflow_test.expect_cancel('nobody', 1);
SELECT workflow.start('teller', '{"to": "stock", "signal": "Sold", "payload": {"n": 2}}', 'sold');
SELECT workflow_test.run();
SELECT workflow.start('teller', '{"to": "stock", "signal": "Other", "payload": null}', 'other');
SELECT workflow.start('teller', '{"to": "nobody", "signal": "Sold", "payload": null}', 'in vain');
SELECT workflow_test.run();
SELECT workflow.register('listener', $asl${"StartAt": "A", "Signals": {"Sold": {}}, "States": {"A": {"Type": "Await",
	"Any": [{"Signal": "Sold", "ResultPath": "$.sold", "Next": "B"}]}, "B": {"Type": "Wait", "Seconds": 60, "End": true}}}$asl$);
SELECT workflow.start('listener', workflow_id => 'real'), workflow.start('teller', '{"to": "real", "signal": "Sold", "payload": 3}', 'to real');
SELECT workflow_test.run();
CREATE TEMP TABLE teller AS SELECT e.workflow_id, e.status, e.output FROM workflow.executions e WHERE e.workflow = 'teller';
\o
SELECT is(output ? 'told' AND NOT output->'told' ? 'Error' AND NOT output->'canceled' ? 'Error', true, 'both are taken') FROM teller WHERE workflow_id = 'sold';
SELECT is(output->'told'->>'Error', 'OW.SignalNotDeclared', 'or a signal refused') FROM teller WHERE workflow_id = 'other';
SELECT is(output->'canceled'->>'Cause', 'closed', 'or a cancel') FROM teller WHERE workflow_id = 'other';
SELECT is(output->'told'->>'Error', 'OW.WorkflowExecutionNotFound', 'without a mock there must be such a run') FROM teller WHERE workflow_id = 'in vain';
SELECT results_eq($$ SELECT kind, workflow_id, other_id, signal, input, mocked FROM workflow_test.requests() WHERE workflow_id <> 'other' $$,
	$$ VALUES ('signal', 'sold', 'stock', 'Sold', '{"n": 2}'::jsonb, true), ('cancel', 'sold', 'stock', NULL, '"told so"', true),
		('signal', 'in vain', 'nobody', 'Sold', 'null', false), ('cancel', 'in vain', 'nobody', NULL, '"told so"', false),
		('signal', 'to real', 'real', 'Sold', '3', false), ('cancel', 'to real', 'real', NULL, '"told so"', false) $$, 'all are listed');
SELECT is(pg_temp.ended('real'), 'Canceled OW.Canceled told so', 'which gets them');
SELECT workflow_test.verify();
SELECT is(output->'told' ? 'Error', false, 'a real one') FROM teller WHERE workflow_id = 'to real';
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is_empty('SELECT FROM workflow.message UNION ALL SELECT FROM workflow.timer', 'nothing is left over');
SELECT * FROM finish();
ROLLBACK;
