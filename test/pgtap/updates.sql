-- Updates: what a run is asked to do, with an answer, on a virtual clock.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.executions WHERE workflow_id = id ORDER BY started_at DESC LIMIT 1
$$;
CREATE FUNCTION pg_temp.events(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM workflow.history WHERE workflow_id = id AND event_type LIKE '%Update%'
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register_activity('Ship', task_queue => 'shipping', options => '{"StartToCloseSeconds": 3600, "Retry": [{"ErrorEquals": ["States.ALL"], "MaximumAttempts": 3}]}');
SELECT workflow.register('order', $asl${"StartAt": "Begin",
	"Signals": {"paid": {}},
	"Updates": {
		"Comment": "what customers may change",
		"address": {
			"Payload": {"type": "object", "required": ["to"]},
			"Condition": {"And": [{"Variable": "$.to", "IsString": true}, {"Variable": "$locked", "BooleanEquals": false}]},
			"Error": "Locked", "Cause": "it is on its way",
			"Assign": {"address.$": "$.to"},
			"Result": {"was.$": "$.to", "now.$": "$address", "status.$": "$$.Execution.Status", "in.$": "$$.State.Name"}},
		"count": {"Assign": {"n.$": "States.MathAdd($n, 1)"}, "Result.$": "$n"},
		"refuse": {"Condition": {"Variable": "$.never", "IsPresent": true}, "Public": {"Code": "No", "Message": "We cannot do that."}, "Result": 1},
		"broken": {"Assign": {"x.$": "$.missing"}},
		"approve": {"Condition": {"Variable": "$.by", "IsString": true}}},
	"Queries": {"n": {"Result.$": "$n"}},
	"States": {
		"Begin": {"Type": "Pass", "Assign": {"address": "home", "locked": false, "n": 0, "by": null}, "Next": "Pay"},
		"Pay": {"Type": "Await", "Any": [{"Signal": "paid", "Next": "Ship"}]},
		"Ship": {"Type": "Task", "Resource": "Ship", "Parameters": {"to.$": "$address"}, "Assign": {"locked": true}, "ResultPath": null, "Next": "Approve"},
		"Approve": {"Type": "Await", "Any": [
			{"Update": "approve", "Condition": {"Variable": "$.sure", "BooleanEquals": true}, "ResultPath": "$.approval", "Assign": {"by.$": "$.by"},
				"Result": {"by.$": "$by", "payload.$": "$"}, "Next": "Done"},
			{"AfterSeconds": 3600, "Next": "Late"}]},
		"Done": {"Type": "Pass", "Parameters": {"address.$": "$address", "n.$": "$n", "approval.$": "$.approval"}, "End": true},
		"Late": {"Type": "Pass", "Result": "late", "End": true}}}$asl$::text);
SELECT workflow.start('order', '{"order": 1}', workflow_id => id) FROM unnest('{o,new,closed}'::text[]) id;
\o
SELECT no_plan();
\echo # Handled where it comes
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:00:00+00');
\o
SELECT is(workflow.update('o', 'address', '{"to": "work"}'), '{"was": "work", "now": "work", "status": "Running", "in": "Pay"}',
	'the result, which sees what was assigned');
SELECT is(workflow.update('o', 'count'), '1', 'one after the other');
SELECT is(workflow.update('o', 'count'), '2', 'sees what those before have done');
SELECT is(workflow.query('o', 'n'), '2', 'and so does a query');
SELECT is(pg_temp.events('o'), repeat('WorkflowExecutionUpdateAccepted WorkflowExecutionUpdateCompleted ', 2) || 'WorkflowExecutionUpdateAccepted WorkflowExecutionUpdateCompleted', 'its history');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is((SELECT attributes - '{sent_at,update_id,requested_by}'::text[] FROM workflow.history WHERE workflow_id = 'o' AND event_type = 'WorkflowExecutionUpdateAccepted' ORDER BY event_id LIMIT 1),
	'{"update": "address", "payload": {"to": "work"}}', 'what was accepted');

\echo # A run that has not begun
\o /dev/null
SELECT workflow.start('order', workflow_id => 'begins');
SELECT workflow.register('short', $asl${"StartAt": "A", "Updates": {"u": {"Result": 1}}, "States": {"A": {"Type": "Succeed"}}}$asl$::text);
SELECT workflow.start('short', workflow_id => 'ends');
\o
SELECT is(workflow.update('begins', 'count'), '1', 'begins, and goes as far as it gets before that');
SELECT throws_ok($$ SELECT workflow.update('ends', 'u') $$, 'OW009', 'workflow id "ends" has no open run', 'also to its end');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.terminate('begins');
\o

\echo # Rejected
SELECT throws_ok($$ SELECT workflow.update('o', 'address', '{"to": 5}') $$, 'OW042', 'update "address" of workflow id "o" was rejected: Locked', 'by its condition');
SELECT throws_ok($$ SELECT workflow.update('o', 'refuse', '{}') $$, 'OW042', 'No: We cannot do that.', 'with a public error');
SELECT throws_ok($$ SELECT workflow.update('o', 'refuse', '5') $$, 'OW042', 'No: We cannot do that.', 'a condition that cannot be applied does not hold');
SELECT throws_ok($$ SELECT workflow.update('o', 'broken', '{}') $$, 'OW042', 'update "broken" of workflow id "o" was rejected: States.Runtime', 'what cannot be evaluated is rejected');
SELECT throws_ok($$ SELECT workflow.update('o', 'address', '{}') $$, 'OW013', 'arguments of update "address" are not of its declared type', 'what is of another type');
SELECT throws_ok($$ SELECT workflow.update('o', 'street') $$, 'OW041', 'workflow "order" has no update "street"', 'what is not declared');
SELECT throws_ok($$ SELECT workflow.update('nobody', 'count') $$, 'OW005', 'workflow id "nobody" has no run', 'the run must be there');
SELECT throws_ok($$ SELECT workflow.update('o', NULL) $$, '22004', 'name must not be null', 'and it has a name');
SELECT is((SELECT count(*) FROM workflow.history WHERE workflow_id = 'o' AND event_type LIKE '%Update%'), 6::bigint, 'nothing of that is in history');
SELECT is((SELECT count(*) FROM workflow.updates WHERE workflow_id = 'o'), 3::bigint, 'nor in the view');

\echo # Once
SELECT is(workflow.update('o', 'count', update_id => 'u1'), '3', 'an id of its own');
SELECT is(workflow.update('o', 'count', update_id => 'u1'), '3', 'counts once');
SELECT is(workflow.update_result('o', 'u1'), '3', 'its result can be had again');
SELECT throws_ok($$ SELECT workflow.update_result('o', 'u2') $$, 'OW044', 'workflow id "o" has no update "u2"', 'of another there is none');
SELECT results_eq($$ SELECT update, status, payload, result, error FROM workflow.updates WHERE update_id = 'u1' $$,
	$$ VALUES ('count', 'Completed', 'null'::jsonb, '3'::jsonb, NULL) $$, 'the view');

\echo # While a task is at work, its variables stay
\o /dev/null
SELECT workflow.signal('o', 'paid');
SELECT workflow_test.run('2030-01-01 00:01:00+00');
SELECT task_token AS first FROM workflow.poll_activity('shipping', 'w') \gset
\o
SELECT is((SELECT input FROM workflow.activity_task WHERE workflow_id = 'o'), '{"to": "work"}', 'what the task was given');
SELECT is(workflow.update('o', 'address', '{"to": "mars"}')->>'now', 'mars', 'an update while it is at work');
SELECT is(workflow.update('o', 'count'), '4', 'another, of another variable');
SELECT is((SELECT variables->>'address' FROM workflow.execution WHERE workflow_id = 'o'), 'work', 'the state sees the old one');
SELECT is(workflow.query('o', 'n'), '4', 'whoever asks, the new one');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.fail_activity(:'first', 'Lost');
SELECT workflow_test.run('2030-01-01 00:02:00+00');
\o
CREATE TEMPORARY TABLE taken AS SELECT * FROM workflow.poll_activity('shipping', 'w');
SELECT is((SELECT input FROM taken), '{"to": "work"}', 'another attempt has the same input');
\o /dev/null
SELECT workflow.complete_activity(task_token) FROM taken;
SELECT workflow_test.run('2030-01-01 00:03:00+00');
\o
SELECT is((SELECT variables FROM workflow.execution WHERE workflow_id = 'o'), '{"address": "mars", "locked": true, "n": 4, "by": null}', 'it is left with both');
SELECT throws_ok($$ SELECT workflow.update('o', 'address', '{"to": "moon"}') $$, 'OW042', 'update "address" of workflow id "o" was rejected: Locked', 'a condition over variables');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Taken by a state
SELECT throws_ok($$ SELECT workflow.update('o', 'approve', '{}') $$, 'OW042', 'update "approve" of workflow id "o" was rejected: OW.UpdateRejected', 'rejected before it is buffered');
SELECT throws_ok($$ SELECT workflow.update('o', 'approve', '{"by": "ann"}') $$, '55000', NULL, 'one that no state takes now cannot be waited for here');
SELECT is((SELECT count(*) FROM workflow.updates WHERE update = 'approve'), 0::bigint, 'and is not sent then');
SELECT is(workflow.update('o', 'approve', '{"by": "ann"}', wait => '0', update_id => 'maybe'), NULL, 'it can be sent without waiting');
SELECT throws_ok($$ SELECT workflow.update_result('o', 'maybe') $$, 'OW010', 'update "maybe" of workflow id "o" has not completed', 'it has no result yet');
SELECT is(workflow.update('o', 'approve', '{"by": "ann"}', wait => '0', update_id => 'maybe'), NULL, 'sent again, it is the same');
SELECT results_eq($$ SELECT update_id, status FROM workflow.updates WHERE update = 'approve' $$, $$ VALUES ('maybe', 'Accepted') $$, 'accepted');
SELECT is_empty($$ SELECT * FROM workflow.signals $$, 'it is no signal');
SELECT matches((SELECT waiting_for FROM workflow.explain('o')), 'update approve', 'explain tells of it');
SELECT matches((SELECT moved_by FROM workflow.explain('o')), 'workflow.update\(\)', 'and what would move the run');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is(workflow.update('o', 'approve', '{"by": "bob", "sure": true}', update_id => 'sure'), '{"by": "bob", "payload": {"by": "bob", "sure": true}}',
	'what the state takes at once has its result at once');
SELECT is(pg_temp.ended('o'), 'Completed {"n": 4, "address": "mars", "approval": {"by": "bob", "sure": true}}', 'the run has gone on with it');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT is(workflow.update_result('o', 'sure'), '{"by": "bob", "payload": {"by": "bob", "sure": true}}', 'a closed run knows');
SELECT is(workflow.update('o', 'approve', update_id => 'sure'), '{"by": "bob", "payload": {"by": "bob", "sure": true}}', 'as does whoever sends it again');
SELECT throws_ok($$ SELECT workflow.update_result('o', 'maybe') $$, 'OW043', 'update "approve" of workflow id "o" failed: OW.UpdateDropped', 'what was not taken has failed');
SELECT throws_ok($$ SELECT workflow.update('o', 'count') $$, 'OW009', 'workflow id "o" has no open run', 'nothing more is accepted');

\echo # Before the run comes to its state; and at a time
\o /dev/null
SELECT workflow.update('new', 'approve', '{"by": "eve", "sure": true}', wait => '0', update_id => 'early');
SELECT workflow.signal('new', 'paid');
SELECT workflow_test.at('10 minutes', $$ SELECT workflow.update('new', 'count', update_id => 'timed') $$);
SELECT workflow_test.run('2030-01-01 00:20:00+00');
\o
SELECT is(workflow.update_result('new', 'timed'), '1', 'workflow_test.at() sends one');
\o /dev/null
SELECT workflow.complete_activity(task_token) FROM workflow.poll_activity('shipping', 'w');
SELECT workflow_test.run('2030-01-01 00:21:00+00');
\o
SELECT is(workflow.update_result('new', 'early'), '{"by": "eve", "payload": {"by": "eve", "sure": true}}', 'buffered until a state takes it');
SELECT is(pg_temp.ended('new'), 'Completed {"n": 1, "address": "home", "approval": {"by": "eve", "sure": true}}', 'which goes on with it');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # With a start
\o /dev/null
SELECT workflow.register('plain', $asl${"StartAt": "A", "Updates": {"add": {"Assign": {"all.$": "$"}, "Result.$": "$all"}, "stop": {}}, "States": {
	"A": {"Type": "Await", "Any": [{"Update": "stop", "Next": "B"}]}, "B": {"Type": "Succeed"}}}$asl$::text);
SELECT run_id AS ws FROM workflow.update_with_start('plain', 'ws', 'add', '[1]', update_id => 'w1') \gset
\o
SELECT is(workflow.update_result('ws', 'w1'), '[1]', 'a run is started with its first update');
SELECT is(run_id, :'ws', 'another goes to the same run') FROM workflow.update_with_start('plain', 'ws', 'add', '[2]');
SELECT is((SELECT count(*) FROM workflow.executions WHERE workflow_id = 'ws'), 1::bigint, 'only one was started');
SELECT throws_ok($$ SELECT workflow.update_with_start('plain', 'ws2', 'no') $$, 'OW041', NULL, 'if the update fails');
SELECT is_empty($$ SELECT FROM workflow.executions WHERE workflow_id = 'ws2' $$, 'nothing is started');
SELECT is(workflow.update('ws', 'stop'), 'null', 'an update without a result gives null');
SELECT is(result, '[1]', 'the same update again, when the run has closed') FROM workflow.update_with_start('plain', 'ws', 'add', '[1]', update_id => 'w1');
SELECT is((SELECT count(*) FROM workflow.executions WHERE workflow_id = 'ws'), 1::bigint, 'starts nothing');
SELECT throws_ok($$ SELECT workflow.update_with_start('plain', NULL, 'add') $$, '22004', 'workflow_id must not be null', 'a workflow id is needed');

\echo # Continue as new
\o /dev/null
SELECT workflow.register('again', $asl${"StartAt": "A", "Signals": {"go": {}},
	"Updates": {"add": {"Assign": {"n.$": "$"}, "Result.$": "$n"}, "take": {}},
	"States": {
	"A": {"Type": "Await", "Any": [{"Signal": "go", "Next": "B"}, {"Update": "take", "Condition": {"Variable": "$", "IsPresent": false}, "Next": "A"}]},
	"B": {"Type": "ContinueAsNew"}}}$asl$::text);
SELECT workflow.start('again', workflow_id => 'a');
SELECT workflow_test.run('2030-01-01 00:22:00+00');
SELECT workflow.update('a', 'add', '7', update_id => 'seven'), workflow.update('a', 'take', '8', '0', 'eight');
SELECT workflow.signal('a', 'go');
SELECT workflow_test.run('2030-01-01 00:23:00+00');
\o
SELECT is(workflow.update('a', 'add', '9', update_id => 'seven'), '7', 'an id counts once in all runs that continue one another');
SELECT throws_ok($$ SELECT workflow.update('a', 'take', '8', '0', 'eight') $$, 'OW043', 'update "take" of workflow id "a" failed: OW.UpdateDropped', 'what was buffered has failed');
SELECT results_eq($$ SELECT update_id, status, error FROM workflow.updates WHERE workflow_id = 'a' ORDER BY 1 $$,
	$$ VALUES ('eight', 'Failed', 'OW.UpdateDropped'), ('seven', 'Completed', NULL) $$, 'the view tells');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.terminate('a');
SELECT workflow_test.run('2030-01-01 00:24:00+00');
\o
SELECT is_empty($$ SELECT FROM workflow.update_request u WHERE chain_id NOT IN (SELECT chain_id FROM workflow.execution) $$, 'nothing is left of a chain that is over');
SELECT is(workflow.update_result('a', 'seven'), '7', 'but what its history has');

\echo # All, a result that fails, and branches
\o /dev/null
SELECT workflow.register('all', $asl${"StartAt": "A", "Updates": {"x": {}, "y": {}, "set": {"Assign": {"v.$": "$"}, "Result.$": "$v"}}, "States": {
	"A": {"Type": "Await", "All": [{"Update": "x", "ResultPath": "$.x", "Result.$": "$.a"}, {"Update": "y", "ResultPath": "$.y"}], "Next": "P"},
	"P": {"Type": "Parallel", "Branches": [
		{"StartAt": "B", "States": {"B": {"Type": "Wait", "Seconds": 60, "Next": "C"}, "C": {"Type": "Pass", "Parameters": {"v.$": "$v"}, "End": true}}},
		{"StartAt": "D", "States": {"D": {"Type": "Await", "Any": [{"Update": "x", "Next": "E"}]}, "E": {"Type": "Succeed"}}}], "ResultPath": "$.p", "Next": "F"},
	"F": {"Type": "Pass", "Parameters": {"p.$": "$.p[0].v", "v.$": "$v"}, "End": true}}}$asl$::text);
SELECT workflow.start('all', workflow_id => id) FROM unnest('{all,fails}'::text[]) id;
SELECT workflow_test.run('2030-01-01 00:25:00+00');
\o
SELECT is(workflow.update('all', 'set', '1'), '1', 'a variable');
SELECT is(workflow.update('all', 'x', '{"a": 5}'), '5', 'one of all');
SELECT is(workflow.update('all', 'y', '2', update_id => 'y'), 'null', 'the other');
SELECT is(workflow.update('all', 'set', '2'), '2', 'while branches run');
SELECT is(workflow.update('all', 'x', '{}'), 'null', 'a branch takes one');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:27:00+00');
\o
SELECT is(pg_temp.ended('all'), 'Completed {"p": 1, "v": 2}', 'branches see what was there when they began');
SELECT throws_ok($$ SELECT workflow.update('fails', 'x', '{}') $$, 'OW043', 'update "x" of workflow id "fails" failed: States.Runtime', 'a result that cannot be evaluated');
SELECT is(pg_temp.ended('fails'), 'Running', 'is undone with the statement');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # In SQL
\o /dev/null
SELECT workflow.register('sql', $asl${"QueryLanguage": "SQL", "StartAt": "A", "Updates": {
	"add": {"Condition": "{% (result->>'by')::int > 0 %}", "Error": "TooFew", "Assign": {"n": "{% (vars->>'n')::int + (result->>'by')::int %}"}, "Result": {"n": "{% vars->'n' %}", "in": "{% context->'State'->>'Name' %}"}},
	"path": {"QueryLanguage": "JSONPath", "Result.$": "$.x"},
	"end": {}},
	"States": {"A": {"Type": "Pass", "Assign": {"n": 1}, "Next": "B"},
		"B": {"Type": "Await", "Any": [{"Update": "end", "Condition": "{% result->>'ok' = 'yes' %}", "Output": "{% vars->'n' %}", "Assign": {"last": "{% result->'ok' %}"},
			"Result": "{% vars->>'last' %}", "Next": "C"}]}, "C": {"Type": "Succeed"}}}$asl$::text);
SELECT workflow.start('sql', workflow_id => 'sql');
SELECT workflow_test.run('2030-01-01 00:30:00+00');
\o
SELECT is(workflow.update('sql', 'add', '{"by": 2}'), '{"n": 3, "in": "B"}', 'expressions, in the owner''s session');
SELECT throws_ok($$ SELECT workflow.update('sql', 'add', '{"by": 0}') $$, 'OW042', 'update "add" of workflow id "sql" was rejected: TooFew', 'a condition');
SELECT throws_ok($$ SELECT workflow.update('sql', 'add', '{"by": "x"}') $$, 'OW042', 'update "add" of workflow id "sql" was rejected: States.QueryEvaluationError', 'that cannot be evaluated');
SELECT is(workflow.update('sql', 'path', '{"x": 1}'), '1', 'an update can have a language of its own');
SELECT is(workflow.update('sql', 'end', '{"ok": "yes"}'), '"yes"', 'a state of the language takes one');
SELECT is(pg_temp.ended('sql'), 'Completed 3', 'and goes on');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Stuck, canceled, and compensating
\o /dev/null
SELECT workflow.register('stuck', $asl${"StartAt": "A", "Updates": {"set": {"Assign": {"v.$": "$"}, "Result.$": "$$.Execution.Status"}}, "States": {
	"A": {"Type": "Task", "Resource": "Ship", "ResultSelector": {"x.$": "$.missing"}, "Compensate": "Ship", "End": true}}}$asl$::text);
SELECT workflow.start('stuck', workflow_id => 's');
SELECT workflow_test.run('2030-01-01 00:31:00+00');
SELECT workflow.complete_activity(task_token, '{}') FROM workflow.poll_activity('shipping', 'w');
SELECT workflow_test.run('2030-01-01 00:32:00+00');
\o
SELECT is(workflow.update('s', 'set', '1'), '"Stuck"', 'a run that is stuck is updated all the same');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Reset
\o /dev/null
SELECT workflow.start('again', workflow_id => 'r');
SELECT workflow_test.run('2030-01-01 00:33:00+00');
SELECT workflow.update('r', 'add', '1', update_id => 'one'), workflow.update('r', 'take', '8', '0', 'waits');
SELECT max(event_id) AS point FROM workflow.history WHERE workflow_id = 'r' \gset
SELECT workflow.update('r', 'add', '2', update_id => 'two'), workflow.update('r', 'take', '9', '0', 'waits too');
SELECT workflow.reset('r', :point, 'again');
\o
SELECT results_eq($$ SELECT update_id, status FROM workflow.updates WHERE workflow_id = 'r' ORDER BY sent_at, update_id $$,
	$$ VALUES ('one', 'Completed'), ('two', 'Sent'), ('waits', 'Accepted'), ('waits too', 'Sent') $$, 'updates after the event are sent again');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:34:00+00');
\o
SELECT results_eq($$ SELECT update_id, status FROM workflow.updates WHERE workflow_id = 'r' ORDER BY sent_at, update_id $$,
	$$ VALUES ('one', 'Completed'), ('two', 'Completed'), ('waits', 'Accepted'), ('waits too', 'Accepted') $$, 'and handled again');
SELECT is((SELECT variables FROM workflow.execution WHERE workflow_id = 'r'), '{"n": 2}', 'so their work is not lost');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # What can be wrong
SELECT results_eq($$ SELECT severity, code, path, message FROM workflow.validate($asl${"StartAt": "A", "Updates": {
		"none": {}, "odd": {"Reslt": 1}, "list": [], "both": {"Result": 1, "Result.$": "$"}, "assign": {"Assign": {"a b": 1}}, "handled": {"Result": 1},
		"rule": {"Condition": {}}, "sql": {"QueryLanguage": "SQL", "Condition": "{% nothing %}", "Result": 1}},
	"States": {"A": {"Type": "Await", "Any": [{"Update": "unknown", "Next": "B"}, {"Update": "handled", "Next": "B"}, {"Update": "odd", "Signal": "s", "Next": "B"},
		{"Update": "odd", "Output": 1, "Next": "B"}]}, "B": {"Type": "Succeed"}}}$asl$::text) ORDER BY path COLLATE "C", code $$,
	$$ VALUES ('error', 'UnknownUpdate', 'States.A.Any[0].Update', 'field "Update" in Any[0] of state "A" names an update that "Updates" does not declare: "unknown"'),
		('error', 'HandledUpdate', 'States.A.Any[1].Update', 'field "Update" in Any[1] of state "A" names an update that is handled where it comes: "handled"'),
		('error', 'UnknownSignal', 'States.A.Any[2].Signal', 'field "Signal" in Any[2] of state "A" names a signal that "Signals" does not declare: "s"'),
		('error', 'UnknownField', 'States.A.Any[2].Update', 'unknown field "Update" in Any[2] of state "A"'),
		('error', 'UnknownField', 'States.A.Any[3].Output', 'unknown field "Output" in Any[3] of state "A"'),
		('error', 'InvalidName', 'Updates.assign.Assign.a b', 'Updates.assign.Assign assigns "a b", which cannot be the name of a variable'),
		('error', 'ExclusiveFields', 'Updates.both.Result.$', 'Updates.both has both "Result" and "Result.$"'),
		('warning', 'UnusedUpdate', 'Updates.list', 'update "list" is declared, and nothing takes it'),
		('error', 'WrongType', 'Updates.list', 'Updates.list must be an object, not an array'),
		('warning', 'UnusedUpdate', 'Updates.none', 'update "none" is declared, and nothing takes it'),
		('error', 'UnknownField', 'Updates.odd.Reslt', 'unknown field "Reslt" in Updates.odd'),
		('warning', 'UnusedUpdate', 'Updates.rule', 'update "rule" is declared, and nothing takes it'),
		('error', 'MissingField', 'Updates.rule.Condition', 'Updates.rule.Condition has no comparison'),
		('error', 'InvalidExpression', 'Updates.sql.Condition', 'Updates.sql.Condition is not a usable SQL expression: "nothing": column "nothing" does not exist at character 1') $$, 'problems');

\echo # A start with options
\o /dev/null
SELECT workflow.register('described', $asl${"StartAt": "A", "SearchAttributes": {"Kind": {"Type": "Keyword"}}, "Updates": {"add": {"Assign": {"all.$": "$"}, "Result.$": "$all"}, "stop": {}},
	"States": {"A": {"Type": "Await", "Any": [{"Update": "stop", "Next": "B"}]}, "B": {"Type": "Fail", "Error": "No"}}}$asl$::text);
SELECT workflow.update_with_start('described', 'options', 'add', '[1]', run_timeout => '1 hour', retry => '{"MaxAttempts": 1}', priority => 2, search_attributes => '{"Kind": "book"}');
\o
SELECT results_eq($$ SELECT deadline - started_at, options->'Priority', (SELECT search_attributes FROM workflow.get_execution('options')) FROM workflow.execution WHERE workflow_id = 'options' $$,
	$$ VALUES ('1 hour'::interval, '2'::jsonb, '{"Kind": "book"}'::jsonb) $$, 'a run that it starts has the options of one that is started');
SELECT throws_ok($$ SELECT workflow.update_with_start('described', 'options 2', 'add', '[1]', priority => 6) $$, '22023', 'priority must be from 1 to 5', 'as far as they are such');
\o /dev/null
SELECT workflow.update('options', 'stop', wait => '0');
SELECT workflow_test.run(workflow_test.now() + interval '10 s');
\o
SELECT is((SELECT string_agg(status, ' ' ORDER BY attempt) FROM workflow.executions WHERE workflow_id = 'options'), 'Failed Running', 'and is tried again');

\echo # Paused runs
\o /dev/null
SELECT workflow.start('plain', workflow_id => 'paused');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.pause('paused', 'audit');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(workflow.update('paused', 'add', '[1]', update_id => 'p1'), '[1]', 'an update that is handled where it comes is completed while the run is paused');
SELECT is(workflow.update('paused', 'stop', wait => '0', update_id => 'p2'), NULL, 'one that a state takes waits');
\o /dev/null
SELECT workflow_test.advance('1 hour');
\o
SELECT results_eq($$ SELECT e.status, u.update_id, u.status FROM workflow.executions e JOIN workflow.updates u USING (run_id) WHERE e.workflow_id = 'paused' ORDER BY u.update_id $$,
	$$ VALUES ('Paused', 'p1', 'Completed'), ('Paused', 'p2', 'Accepted') $$, 'for as long as it is');
SELECT throws_ok($$ SELECT workflow.update('paused', 'no') $$, 'OW041', NULL, 'one that is not declared is refused then, too');
SELECT is(workflow.update('paused', 'add', '[2]', update_id => 'p1'), '[1]', 'and the same one counts once');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.resume('paused');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT status, workflow.update_result('paused', 'p2') FROM workflow.get_execution('paused') $$, $$ VALUES ('Completed', 'null'::jsonb) $$, 'resumed, it takes what waited');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

SELECT * FROM finish();
ROLLBACK;
