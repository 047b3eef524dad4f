-- workflow_test.explore: definitions with planted faults, what is found, and that nothing is left behind.
SET client_min_messages = error;	-- no warnings of activities that are not registered
BEGIN;
SELECT plan(43);
\o /dev/null
SELECT workflow_test.begin('2030-05-01');
\ir ../../examples/testing/order_saga.sql

-- The payment is not refunded when nobody ships within the time limit.
SELECT workflow.register('late', $asl${
	"StartAt": "Reserve", "Defaults": {"StartToCloseSeconds": 60, "ResultPath": null},
	"States": {
		"Reserve": {"Type": "Task", "Resource": "Reserve", "Compensate": "Release", "Next": "Pay"},
		"Pay": {"Type": "Task", "Resource": "Pay", "Compensate": "Refund", "Next": "Ship",
			"Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 1}]},
		"Ship": {"Type": "Task", "Resource": "Ship", "End": true,
			"Catch": [{"ErrorEquals": ["States.Timeout"], "ResultPath": null, "Next": "Apologize"}]},
		"Apologize": {"Type": "Task", "Resource": "Apologize", "End": true}
	}}$asl$);

-- Who stops an order while the payment is tried again is not heard: the wait for it is over by then.
SELECT workflow.register('deaf', $asl${
	"StartAt": "Pay", "Signals": {"stop": {"Payload": {"type": "object", "required": ["why"], "properties": {"why": {"enum": ["late"]}}}}},
	"States": {
		"Pay": {"Type": "Task", "Resource": "Pay", "StartToCloseSeconds": 60, "Next": "Hesitate",
			"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10, "MaxAttempts": 2}]},
		"Hesitate": {"Type": "Choice", "Choices": [{"Variable": "$$.State.EnteredTime", "TimestampGreaterThan": "2030-05-01T00:00:05Z", "Next": "Ship"}],
			"Default": "Stopped"},
		"Stopped": {"Type": "Await", "Any": [{"Signal": "stop", "Next": "Sorry"}, {"AfterSeconds": 10, "Next": "Ship"}]},
		"Ship": {"Type": "Task", "Resource": "Ship", "StartToCloseSeconds": 60, "End": true},
		"Sorry": {"Type": "Fail", "Error": "Stopped"}
	}}$asl$);

-- Branches, items, a child, an answer to a task token, an update: nothing is wrong with it.
SELECT workflow.register('all kinds', $asl${
	"StartAt": "Both", "Signals": {"go": {}}, "Updates": {"amend": {"Assign": {"amended": true}, "Result": "ok"}},
	"Defaults": {"StartToCloseSeconds": 60, "ResultPath": null}, "OnCancel": "Undo",
	"States": {
		"Both": {"Type": "Parallel", "ResultPath": null, "Next": "Each", "Compensate": "Apart",
			"Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 1}], "Branches": [
			{"StartAt": "Left", "States": {"Left": {"Type": "Task", "Resource": "Left", "Compensate": "Unleft", "Next": "Rest"},
				"Rest": {"Type": "Wait", "Seconds": 10, "End": true}}},
			{"StartAt": "Right", "States": {"Right": {"Type": "Task", "Resource": "Right", "Compensate": {"Resource": "Unright", "When": "Scheduled"}, "End": true}}}]},
		"Each": {"Type": "Map", "ItemsPath": "$.items", "ResultPath": null, "ToleratedFailureCount": 1, "Next": "Child",
			"ItemProcessor": {"StartAt": "Pick", "States": {"Pick": {"Type": "Task", "Resource": "Pick", "Compensate": "Unpick", "Next": "Pack"},
				"Pack": {"Type": "Task", "Resource": "Pack", "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}], "End": true}}}},
		"Child": {"Type": "Task", "Resource": "workflow:nobody knows it", "Next": "Ask",
			"Catch": [{"ErrorEquals": ["Unexpected"], "ResultPath": null, "Next": "Ask"}]},
		"Ask": {"Type": "Task", "Resource": "Ask.waitForTaskToken", "TimeoutSeconds": 600, "Next": "Go"},
		"Go": {"Type": "Await", "Any": [{"Signal": "go", "Next": "Done"}, {"AfterSeconds": 3600, "Next": "Undo"}]},
		"Undo": {"Type": "Compensate", "Next": "No"},
		"No": {"Type": "Fail", "Error": "No"},
		"Done": {"Type": "Succeed"}
	}}$asl$);
CREATE TEMPORARY TABLE before AS
SELECT (SELECT count(*) FROM workflow.executions) AS runs, (SELECT count(*) FROM workflow.history_batch) AS history,
	(SELECT count(*) FROM workflow.message) AS messages, workflow_test.now() AS now;
\o

-- ---- what is right ----
SELECT workflow_test.explores('OrderSaga', '{"order_id": 1}', seed => 1, runs => 60, invariants => ARRAY[
	$$status <> 'Completed' OR cardinality(undone) = 0$$,
	$$NOT ('RefundPayment' = ANY (undone) AND 'ProcessPayment' <> ALL (done))$$]);
SELECT workflow_test.explores('all kinds', '{"items": [1, 2, 3]}', seed => 2, runs => 40);
SELECT ok(statuses ?& '{Completed,Failed,Canceled,Terminated}' AND not_reached = '{}' AND runs_made = 100,
	'runs end in all ways, and nothing is left out')
FROM workflow_test.explore('OrderSaga', '{"order_id": 1}', 2, 100);
SELECT is(statuses, '{"Completed": 1}', 'in the first run nothing happens') FROM workflow_test.explore('OrderSaga', seed => 3, runs => 1);

-- ---- what is not ----
CREATE TEMPORARY TABLE late AS
SELECT * FROM workflow_test.explore('late', seed => 1, invariants => ARRAY[$$NOT ('Pay' = ANY (done)) OR 'Ship' = ANY (done) OR 'Refund' = ANY (undone)
	OR status = 'Terminated'$$]) \g /dev/null
SELECT is(script, '[{"call": 1, "activity": "Ship", "duration": "61 s"}]', 'a payment that is not refunded: one decision is enough') FROM late;
SELECT matches(invariant, 'Refund', 'the invariant is told') FROM late;
SELECT is(detail, 'status Completed, output {}, done {Reserve,Pay,Apologize}, undone {}', 'and what has become of the run') FROM late;
SELECT is(test, $test$SELECT workflow_test.begin('2030-05-01 00:00:00+00');
SELECT workflow_test.mock_activity('Reserve', '{}');
SELECT workflow_test.mock_activity('Pay', '{}');
SELECT workflow_test.mock_activity('Ship', '{}', duration => '61 s');
SELECT workflow_test.mock_activity('Apologize', '{}');
SELECT workflow.start('late', '{}', 'explored');
SELECT workflow_test.run();
SELECT workflow_test.holds('explored', $$$test$ || invariant || '$$);', 'and a test of its own') FROM late;
SELECT is((SELECT to_jsonb(l) FROM late l), to_jsonb(again), 'the same seed finds the same')
FROM workflow_test.explore('late', seed => 1, invariants => ARRAY[(SELECT invariant FROM late)]) again;

CREATE TEMPORARY TABLE deaf AS
SELECT * FROM workflow_test.explore('deaf', seed => 1, runs => 500, invariants => ARRAY[$$NOT (status = 'Completed' AND 'stop' = ANY (signals) AND cardinality(array_positions(calls, 'Pay')) > 1)$$]) \g /dev/null
SELECT matches(invariant, 'stop', 'a signal during a retry that nobody heeds') FROM deaf;
SELECT is(script, $$[{"command": "SELECT workflow.signal('explored', 'stop', '{\"why\": \"late\"}')"}, {"call": 1, "error": "Busy", "activity": "Pay"}]$$,
	'needs the retry and the signal') FROM deaf;
SELECT matches(test, $$workflow.signal\('explored', 'stop', '{"why": "late"}'\)$$, 'which has a payload of its type') FROM deaf;

-- ---- the test that is printed ----
CREATE FUNCTION pg_temp.run_printed(test text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line   text;
	result text;
BEGIN
	-- All but the assertion, which would count as one of ours.
	FOREACH line IN ARRAY regexp_split_to_array(test, ';\n') LOOP
		EXIT WHEN line LIKE 'SELECT workflow_test.holds%';
		EXECUTE line INTO result;
	END LOOP;
	RETURN (workflow_test._facts('explored')).status;
END $$;
SAVEPOINT printed;
SELECT is(pg_temp.run_printed(test), 'Completed', 'it does the same without explore') FROM late;
SELECT is((workflow_test._broken('explored', ARRAY[invariant], '{}', '{}', false)).invariant, invariant, 'and breaks the same') FROM late;
ROLLBACK TO printed;
SELECT workflow_test.begin('2030-05-01') \g /dev/null
SAVEPOINT printed;
SELECT is(pg_temp.run_printed(test), 'Completed', 'so does that with a signal') FROM deaf;
SELECT is((workflow_test._broken('explored', ARRAY[invariant], '{}', '{}', false)).invariant, invariant, 'which breaks the same, too') FROM deaf;
SELECT workflow_test.holds('explored', $$status = 'Completed'$$);
SELECT workflow_test.holds('explored', 'compensated');
ROLLBACK TO printed;
SELECT workflow_test.begin('2030-05-01') \g /dev/null

-- ---- scripts ----
SELECT is((status, invariant)::text, '(Completed,)', 'an empty script is a run in which nothing happens')
FROM workflow_test.explore_script('late', '{}', '[]');
SELECT is((status, invariant)::text, '(Completed,)', 'calls are answered as by mocks: computed, say')
FROM workflow_test.explore_script('late', '{}', '[{"activity": "Pay", "call": 1, "compute": "jsonb_build_object(''paid'', 1)"}]');
SELECT throws_ok($$SELECT * FROM workflow_test.explore_script('late', '{}', '[{"activity": "Pay", "call": 1, "error": "Busy", "never": true}]')$$, '22023',
	'a mock answers with one of result, error, compute and never', 'and checked as those are');
SELECT is((status, invariant)::text, '(Canceled,)', 'a script is followed')
FROM workflow_test.explore_script('late', '{}', '[{"activity": "Pay", "call": 1, "error": "Busy"}, {"at": "1 s", "command": "SELECT workflow.cancel(''explored'')"}]');
SELECT is(used, '[{"call": 1, "error": "Busy", "activity": "Pay"}]', 'what made no difference is left out')
FROM workflow_test.explore_script('late', '{}', '[{"activity": "Pay", "call": 1, "error": "Busy"}, {"activity": "Pay", "call": 3, "error": "Busy"},
	{"at": "1 h", "command": "SELECT workflow.cancel(''explored'')"}]');
SELECT is((status, invariant, detail)::text, '(Stuck,ends,"workflow explored is Stuck in state A with States.Runtime: the path ""$.missing"" finds nothing: there is no ""missing""")',
	'a run that gets stuck does not end')
FROM (SELECT workflow.register('stuck', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "A", "OutputPath": "$.missing", "End": true}}}')) r,
	LATERAL workflow_test.explore_script('stuck', '{}', '[]');
SELECT matches(detail, 'goes on and on', 'nor does one that goes round and round')
FROM (SELECT workflow.register('round', '{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 60, "Next": "B"},
	"B": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": true, "Next": "C"}], "Default": "A"}, "C": {"Type": "Succeed"}}}')) r,
	LATERAL workflow_test.explore_script('round', '{}', '[]', max_steps => 50);
SELECT is(invariant, NULL, 'which need not be') FROM workflow_test.explore_script('round', '{}', '[]', max_steps => 50, without => '{ends}');

-- ---- what the test says holds ----
SELECT workflow_test.mock_activity('Ship', '{"lorry": 7}') \g /dev/null
SELECT matches(detail, '"lorry": 7', 'mocks of the test answer')
FROM workflow_test.explore_script('deaf', '{}', '[]', invariants => ARRAY['NOT output ? $$lorry$$']);
SELECT ok(found.test ~ 'signal' AND found.test !~ 'cancel|terminate|pause', 'of commands, those that are asked for')
FROM workflow_test.explore('deaf', seed => 1, runs => 500, commands => ARRAY[$$SELECT workflow.signal('explored', 'stop', '{"why": "late"}')$$],
	invariants => ARRAY[$$status <> 'Failed' OR error <> 'Stopped'$$]) found;
SELECT is(script, '[{"call": 1, "result": {"no": true}, "activity": "Ship"}]', 'and results, too')
FROM workflow_test.explore('deaf', seed => 1, runs => 500, results => '{"Ship": [{"no": true}]}',
	invariants => ARRAY[$$status <> 'Completed' OR NOT output ? 'no'$$]);

-- ---- nothing is left behind ----
SELECT is((SELECT count(*) FROM workflow.executions), runs, 'no run is left') FROM before;
SELECT is((SELECT count(*) FROM workflow.history_batch), history, 'no history') FROM before;
SELECT is((SELECT count(*) FROM workflow.message), messages, 'no message') FROM before;
SELECT is(workflow_test.now(), now, 'the test''s clock stands where it did') FROM before;
SELECT is_empty('SELECT * FROM workflow_test.calls()', 'and no call is in its log');

-- ---- what cannot be explored ----
SELECT throws_ok($$SELECT * FROM workflow_test.explore('unknown')$$, 'OW002', 'workflow "unknown" is not registered', 'a workflow that is not there');
SELECT throws_ok($$SELECT * FROM workflow_test.explore('late', version => 9)$$, 'OW006', 'workflow "late" has no version 9', 'a version that is not there');
SELECT throws_ok($$SELECT * FROM workflow_test.explore('late', runs => 0)$$, '22023', 'runs must be positive', 'no runs');
SELECT throws_ok($$SELECT * FROM workflow_test.explore('late', without => '{end}')$$, '22023', 'there is no ready-made invariant "end"', 'an invariant that is not there');
SELECT throws_ok($$SELECT * FROM workflow_test.explore('late', invariants => '{nonsense}')$$, '42703', 'column "nonsense" does not exist', 'an invariant that is none');
SELECT throws_ok($$SELECT * FROM workflow_test.explore('late', results => '{"Pay": 1}')$$, '22023', 'results must be an object of arrays, by activity', 'results that are none');
SELECT throws_ok($$SELECT * FROM workflow_test.explore_script('late', '{}', '{}')$$, '22023', 'a script must be an array of decisions', 'a script that is none');
SELECT throws_ok($$SELECT * FROM workflow_test.explore_script('late', '{}', '[{"activity": "Pay", "call": 0}]')$$, '22023',
	'invalid decision in a script: "call" must be a number from 1', 'a decision that is none');
SELECT is(workflow_test.now(), now, 'errors leave the test as it was') FROM before;

SELECT * FROM finish();
ROLLBACK;
