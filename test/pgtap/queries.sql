-- Queries: what a definition declares to be asked of its runs, on a virtual clock.
SET client_min_messages = error;
BEGIN;
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register_activity('Ship', task_queue => 'shipping', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register('order', $asl${"StartAt": "Begin",
	"Signals": {"paid": {}},
	"Queries": {
		"Comment": "for the shop",
		"status": {"Comment": "where it is", "Result": {"status.$": "$$.Execution.Status", "state.$": "$$.State.Name", "total.$": "$total"}},
		"order": {"Result.$": "$.order"},
		"whole": {"Result.$": "$"},
		"id": {"Result.$": "$$.Execution.Name"},
		"begun": {"Result.$": "$$.Execution.StartTime"},
		"context": {"Result.$": "$$"},
		"constant": {"Result": {"a": [1, null]}}},
	"States": {
		"Begin": {"Type": "Pass", "Assign": {"total": 7}, "Next": "Pay"},
		"Pay": {"Type": "Await", "Any": [{"Signal": "paid", "ResultPath": "$.paid", "Next": "Ship"}]},
		"Ship": {"Type": "Task", "Resource": "Ship", "Assign": {"total": 8}, "OutputPath": "$.done", "ResultPath": "$.done", "Next": "Done"},
		"Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('order', '{"order": 1}', workflow_id => 'o');
SELECT workflow.start('order', '{"order": 2}', workflow_id => 'late', start_delay => '1 hour');
\o
SELECT no_plan();
SELECT is(workflow.query('o', 'order'), '1', 'a run that has not begun is at its input');
SELECT throws_ok($$ SELECT workflow.query('o', 'status') $$, 'OW016', 'query "status" of workflow "order" has no result', 'in no state, and without variables');
SELECT is(workflow.query('o', 'constant'), '{"a": [1, null]}', 'a constant');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:00:00+00');
\o
SELECT is(workflow.query('o', 'status'), '{"status": "Running", "state": "Pay", "total": 7}', 'an open one is where it is');
SELECT is(workflow.query(run_id, 'status'), '{"status": "Running", "state": "Pay", "total": 7}', 'by run id') FROM workflow.executions WHERE workflow_id = 'o';
SELECT is(workflow.query('o', 'id'), '"o"', 'its id');
SELECT is(workflow.query('o', 'begun'), '"2030-01-01T00:00:00Z"', 'when it began');
\o /dev/null
SELECT workflow.signal('o', 'paid', 'true');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
\o
SELECT is(workflow.query('o', 'whole'), '{"order": 1, "paid": true}', 'the input of the state that it is in');
SELECT is(workflow.query('o', 'context')->'State'->>'Name', 'Ship', 'the whole context');
SELECT is(workflow.query('o', 'context')->'Task', NULL, 'nobody is told a task token');
SELECT is((SELECT count(*) FROM workflow.history WHERE workflow_id = 'o' AND event_type LIKE '%Query%'), 0::bigint, 'nothing of it is in history');
\o /dev/null
SELECT workflow.complete_activity(task_token, '"sent"') FROM workflow.poll_activity('shipping', 'w');
SELECT workflow_test.run('2030-01-01 00:00:02+00');
\o
SELECT is(workflow.query('o', 'status'), '{"status": "Completed", "state": "Done", "total": 8}', 'a closed one is as it was at the end');
SELECT is(workflow.query('o', 'whole'), '"sent"', 'at its output');
\o /dev/null
SELECT workflow.terminate('late');
SELECT workflow_test.run('2030-01-01 00:00:03+00');
\o
SELECT is(workflow.query('late', 'whole'), '{"order": 2}', 'without output, at its last data');

\echo # Stuck, and continued as new
\o /dev/null
SELECT workflow.register('stuck', $asl${"StartAt": "A", "Queries": {"q": {"Result": {"s.$": "$$.Execution.Status", "d.$": "$"}}}, "States": {
	"A": {"Type": "Task", "Resource": "Ship", "ResultSelector": {"x.$": "$.missing"}, "End": true}}}$asl$);
SELECT workflow.register('again', $asl${"StartAt": "A", "Signals": {"go": {}}, "Queries": {"round": {"Result": {"n.$": "$.n", "s.$": "$$.Execution.Status"}}}, "States": {
	"A": {"Type": "Await", "Any": [{"Signal": "go", "Next": "B"}]},
	"B": {"Type": "ContinueAsNew", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}}}}$asl$);
SELECT workflow.start('stuck', '1', workflow_id => 's'), workflow.start('again', '{"n": 1}', workflow_id => 'a');
SELECT workflow_test.run('2030-01-01 00:00:04+00');
SELECT workflow.complete_activity(task_token, '{}') FROM workflow.poll_activity('shipping', 'w');
SELECT workflow.signal('a', 'go');
SELECT workflow_test.run('2030-01-01 00:00:05+00');
\o
SELECT is(workflow.query('s', 'q'), '{"s": "Stuck", "d": 1}', 'one that is stuck');
SELECT is(workflow.query('a', 'round'), '{"n": 2, "s": "Running"}', 'the workflow id means the open run');
SELECT is(workflow.query(run_id, 'round'), '{"n": 1, "s": "ContinuedAsNew"}', 'another is asked by its run id')
FROM workflow.executions WHERE workflow_id = 'a' AND status = 'ContinuedAsNew';

\echo # What can be wrong
SELECT throws_ok($$ SELECT workflow.query('o', 'state') $$, 'OW015', 'workflow "order" has no query "state"', 'a query must be declared');
SELECT throws_ok($$ SELECT workflow.query('nobody', 'status') $$, 'OW005', 'workflow id "nobody" has no run', 'the run must be there');
SELECT throws_ok($$ SELECT workflow.query('o', NULL) $$, '22004', 'name must not be null', 'and the query have a name');
SELECT results_eq($$ SELECT severity, code, path, message FROM workflow.validate($asl${"StartAt": "A", "Queries": {
		"none": {}, "two": {"Result": 1, "Result.$": "$"}, "odd": {"Result.$": "nothing"}, "list": [], "other": {"Reslt": 1},
		"sql": {"QueryLanguage": "SQL", "Result": "{% nothing %}"}, "path": {"QueryLanguage": "SQL", "Result.$": "$"}, "variable": {"Result.$": "$none"}},
	"States": {"A": {"Type": "Succeed"}}}$asl$::text) ORDER BY path COLLATE "C", code $$,
	$$ VALUES ('error', 'WrongType', 'Queries.list', 'Queries.list must be an object, not an array'),
		('error', 'MissingField', 'Queries.none', 'field "Result" is missing in Queries.none'),
		('error', 'InvalidPath', 'Queries.odd.Result.$', 'field "Result.$" in Queries.odd is not a usable path: "nothing": a path begins with "$", a call of a function with "States."'),
		('error', 'MissingField', 'Queries.other', 'field "Result" is missing in Queries.other'),
		('error', 'UnknownField', 'Queries.other.Reslt', 'unknown field "Reslt" in Queries.other'),
		('error', 'WrongLanguage', 'Queries.path.Result.$', 'field "Result.$" in Queries.path is one of JSONPath, but its language is SQL'),
		('error', 'InvalidExpression', 'Queries.sql.Result', 'Queries.sql.Result is not a usable SQL expression: "nothing": column "nothing" does not exist at character 1'),
		('error', 'ExclusiveFields', 'Queries.two.Result.$', 'Queries.two has both "Result" and "Result.$"'),
		('warning', 'UnknownVariable', 'Queries.variable.Result.$', 'field "Result.$" in Queries.variable reads variable "none", which no state sets') $$, 'problems');

\echo # In SQL
\o /dev/null
SELECT workflow.register('sql', $asl${"QueryLanguage": "SQL", "StartAt": "A", "Queries": {
	"sum": {"Result": {"sum": "{% (input->>'a')::int + (vars->>'b')::int %}", "status": "{% context->'Execution'->>'Status' %}"}},
	"path": {"QueryLanguage": "JSONPath", "Result.$": "$.a"},
	"fails": {"Result": "{% 1 / (input->>'zero')::int %}"}},
	"States": {"A": {"Type": "Pass", "Assign": {"b": 2}, "Output": "{% input %}", "Next": "B"}, "B": {"Type": "Wait", "Seconds": 9, "End": true}}}$asl$);
SELECT workflow.start('sql', '{"a": 1, "zero": 0}', workflow_id => 'sql');
SELECT workflow_test.run('2030-01-01 00:00:06+00');
\o
SELECT is(workflow.query('sql', 'sum'), '{"sum": 3, "status": "Running"}', 'expressions');
SELECT is(workflow.query('sql', 'path'), '1', 'a query can have a language of its own');
SELECT throws_ok($$ SELECT workflow.query('sql', 'fails') $$, 'OW016', 'query "fails" of workflow "sql" has no result', 'one that fails');
\o /dev/null
CREATE ROLE regress_queries_reader;
SELECT workflow.grant_usage('regress_queries_reader');
SELECT workflow.grant_workflow('regress_queries_reader', 'sql', '{read}');
GRANT USAGE ON SCHEMA public TO regress_queries_reader;
SET ROLE regress_queries_reader;
\o
SELECT is(workflow.query('sql', 'path'), '1', 'whoever may read a workflow can ask its runs');
SELECT throws_ok($$ SELECT workflow.query('sql', 'sum') $$, '42501',
	'the expressions of Queries.sum.Result are evaluated only in a session of the workflow''s owner', 'but not have code of its owner run');
SELECT throws_ok($$ SELECT workflow.query('o', 'status') $$, 'OW005', 'workflow id "o" has no run', 'nobody else can');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
