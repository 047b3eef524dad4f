-- workflow.reset: a run takes the place of another, and goes on from an event of its history.
SET client_min_messages = error;	-- no warnings of missing timeouts, no notices of stale answers
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
\ir ../../examples/order_processing/load.sql

CREATE FUNCTION pg_temp.run(id text) RETURNS uuid LANGUAGE sql AS $$
	SELECT run_id FROM workflow.executions WHERE workflow_id = id ORDER BY started_at DESC, run_id DESC LIMIT 1
$$;
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, state, output, error) FROM workflow.executions WHERE run_id = pg_temp.run(id)
$$;
CREATE FUNCTION pg_temp.events(run uuid) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM workflow.history WHERE run_id = run
$$;
-- The event after which a state is entered for the first time
CREATE FUNCTION pg_temp.before(id text, state text) RETURNS int LANGUAGE sql AS $$
	SELECT min(event_id) FROM workflow.reset_points(id) p WHERE p.state = $2 AND goes_on_with = 'State'
$$;
CREATE FUNCTION pg_temp.take(queue text) RETURNS uuid LANGUAGE sql AS $$
	SELECT task_token FROM workflow.poll_activity(queue, 'worker of ' || queue)
$$;
\o
SELECT no_plan();

\echo # Each order, from each event on
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity('ProcessPayment', error => 'PaymentDeclinedError', non_retryable => true, input => '{"kind": "declined"}');
SELECT workflow_test.mock_activity('ArrangeShipping', error => 'ShippingError', non_retryable => true, input => '{"order_id": 3}');
SELECT workflow_test.mock_activity('RefundPayment', error => 'Broken', non_retryable => true, input => '{"kind": "refund breaks"}');
SELECT workflow_test.mock_activity('ArrangeShipping', error => 'ShippingError', non_retryable => true, input => '{"order_id": 4}');
SELECT workflow_test.mock_activity(name, jsonb_build_object('by', name))
FROM unnest('{ReserveInventory,ReleaseInventoryReservation,ProcessPayment,RefundPayment,UpdateInventory,RestoreInventory,
	ArrangeShipping,CancelShipping,CancelOrder}'::text[]) name;
CREATE TEMP TABLE orders AS
SELECT kind, workflow.start('OrderSaga', jsonb_build_object('order_id', id, 'kind', kind, 'carrier', 'swift', 'amount', 1),
	workflow_id => kind) AS run_id
FROM (VALUES (1, 'good'), (2, 'declined'), (3, 'not shipped'), (4, 'refund breaks')) AS wanted (id, kind);
SELECT workflow_test.run();
CREATE TEMP TABLE outcome AS
SELECT o.kind, e.status, e.output, e.error, e.cause, e.public_error,
	ARRAY(SELECT format('%s %s', state, status) FROM workflow.compensations c WHERE c.run_id = o.run_id ORDER BY sequence) AS undone
FROM orders o JOIN workflow.executions e USING (run_id);
CREATE TEMP TABLE resets (kind text, base uuid, event_id int, run_id uuid);
DO $$
DECLARE
	point record;
	new_run uuid;
BEGIN
	FOR point IN SELECT o.kind, o.run_id, p.event_id FROM orders o CROSS JOIN LATERAL workflow.reset_points(o.run_id) p LOOP
		new_run := workflow.reset(point.run_id, point.event_id, 'try again');
		INSERT INTO resets VALUES (point.kind, point.run_id, point.event_id, new_run);
		IF pg_temp.difference(new_run) IS NOT NULL THEN
			RAISE EXCEPTION '% reset to %: %', point.kind, point.event_id, pg_temp.difference(new_run);
		END IF;
		PERFORM workflow_test.run();
	END LOOP;
END $$;
\o
SELECT results_eq($$ SELECT kind, status FROM outcome ORDER BY kind $$,
	$$ VALUES ('declined', 'Failed'), ('good', 'Completed'), ('not shipped', 'Failed'), ('refund breaks', 'Failed') $$, 'how they end');
SELECT cmp_ok(count(*), '>=', 40::bigint, 'many resets were tried') FROM resets;
SELECT is_empty($$
	SELECT r.kind, r.event_id, e.status, e.output, e.error FROM resets r JOIN workflow.executions e USING (run_id) JOIN outcome o USING (kind)
	WHERE (e.status, e.output, e.error, e.cause, e.public_error) IS DISTINCT FROM (o.status, o.output, o.error, o.cause, o.public_error)
$$, 'from wherever they are reset to, they end the same');
SELECT is_empty($$
	SELECT r.kind, r.event_id FROM resets r JOIN outcome o USING (kind)
	WHERE o.undone <> ARRAY(SELECT format('%s %s', state, status) FROM workflow.compensations c WHERE c.run_id = r.run_id ORDER BY sequence)
$$, 'and the same is undone');
SELECT is_empty($$
	SELECT * FROM resets r JOIN workflow.history b ON b.run_id = r.base AND b.event_id <= r.event_id
	LEFT JOIN workflow.history h ON h.run_id = r.run_id AND h.event_id = b.event_id
	WHERE (b.event_time, b.event_type, b.state, b.attributes) IS DISTINCT FROM (h.event_time, h.event_type, h.state, h.attributes)
$$, 'the history up to there is kept as it is');
SELECT is_empty($$
	SELECT * FROM resets r JOIN workflow.history h ON h.run_id = r.run_id AND h.event_id = r.event_id + 1
	WHERE h.event_type <> 'WorkflowExecutionReset' OR h.attributes->>'base_run_id' <> r.base::text
		OR h.attributes->>'reason' <> 'try again' OR (h.attributes->'event_id')::int <> r.event_id
$$, 'and the reset follows');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'each history leads to where its run is');
SELECT throws_ok(format('SELECT workflow.reset(%L::uuid, %s)', run_id, event_id), '22023', NULL, 'no other event will do: ' || event_id)
FROM (SELECT o.run_id, h.event_id FROM orders o JOIN workflow.history h USING (run_id) WHERE o.kind = 'not shipped'
	AND h.event_id NOT IN (SELECT p.event_id FROM workflow.reset_points(o.run_id) p)) e;
SELECT throws_like($$ SELECT workflow.reset('good', 99) $$, 'run % cannot be reset to event 99', 'nor one that it has not');
SELECT throws_ok($$ SELECT workflow.reset('good', NULL) $$, '22004', NULL, 'nor none');
SELECT throws_ok($$ SELECT workflow.reset('nobody', 1) $$, 'OW005', NULL, 'nor a run that is not there');
-- a reset of a reset, to before the first, and to after it
\o /dev/null
SELECT workflow.reset(run_id, 1) FROM resets WHERE kind = 'good' AND event_id > 4 ORDER BY event_id LIMIT 1;
SELECT workflow_test.run();
SELECT workflow.reset('good', max(event_id)) FROM workflow.reset_points('good');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('good'), (SELECT concat_ws(' ', status, 'ArrangeShipping', output) FROM outcome WHERE kind = 'good'), 'a reset run can be reset');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'and so on');
SELECT is(count(DISTINCT idempotency_key), 1::bigint, 'whoever is asked again is told the same idempotency key')
FROM (SELECT compensates->>'idempotency_key' AS idempotency_key FROM workflow.compensation c JOIN workflow.executions e USING (run_id)
	WHERE e.workflow_id = 'not shipped' AND c.state = 'ProcessPayment') c;

\echo # Open runs: signals, timers
\o /dev/null
SELECT workflow.register('waiting', $asl${
	"StartAt": "First", "Signals": {"go": {}, "more": {}},
	"States": {
		"First": {"Type": "Await", "Any": [{"Signal": "go", "ResultPath": "$.go", "Next": "Second"}]},
		"Second": {"Type": "Await", "Any": [{"Signal": "more", "ResultPath": "$.more", "Next": "Pause"}, {"AfterSeconds": 3600, "Next": "Late"}]},
		"Pause": {"Type": "Wait", "Seconds": 600, "Next": "Third"},
		"Third": {"Type": "Await", "Any": [{"Signal": "more", "ResultPath": "$.again", "Next": "Done"}]},
		"Late": {"Type": "Fail", "Error": "Late"},
		"Done": {"Type": "Succeed"}
	}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.start('waiting', workflow_id => 'w', execution_timeout => '1 day');
SELECT workflow_test.run('2030-01-01 00:01:00+00');
SELECT workflow.signal('w', 'go', '1', request_id => 'a');
SELECT workflow_test.run('2030-01-01 00:02:00+00');
SELECT workflow.signal('w', 'more', '2');
SELECT workflow_test.run('2030-01-01 00:03:00+00');
SELECT workflow.signal('w', 'more', '3', request_id => 'b');
SELECT workflow_test.run('2030-01-01 00:04:00+00');
SELECT workflow.signal('w', 'more', '4');
CREATE TEMP TABLE w AS SELECT pg_temp.run('w') AS base;
SELECT workflow.reset('w', pg_temp.before('w', 'Second'), 'earlier');
\o
SELECT results_eq($$ SELECT status, error, cause FROM workflow.executions, w WHERE run_id = base $$,
	$$ VALUES ('Terminated', 'OW.Terminated', 'earlier') $$, 'an open run is terminated');
SELECT is(attributes->>'new_run_id', pg_temp.run('w')::text, 'its history tells the other')
FROM w JOIN workflow.history ON run_id = base WHERE event_type = 'WorkflowExecutionTerminated';
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'the other is as its history says');
SELECT results_eq($$ SELECT kind, payload->'payload' FROM workflow.message ORDER BY sent_at $$,
	$$ VALUES ('Signal', '2'::jsonb), ('Signal', '3'), ('Signal', '4') $$, 'signals that came since, read or not, are on their way to it');
SELECT is_empty($$ SELECT * FROM workflow.signals s, w WHERE s.run_id = base $$, 'and no more to the one before');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:05:00+00');
\o
SELECT results_eq($$ SELECT state, due_at FROM workflow.execution WHERE workflow_id = 'w' $$,
	$$ VALUES ('Pause', timestamptz '2030-01-01 00:14:00+00') $$, 'they take it on, in their order');
SELECT is(execution_deadline, timestamptz '2030-01-02 00:04:00+00', 'its time begins anew') FROM workflow.execution WHERE workflow_id = 'w';
\o /dev/null
SELECT workflow.signal('w', 'more', '5', request_id => 'b');
\o
SELECT is_empty($$ SELECT * FROM workflow.message $$, 'a request id that the run before has seen is known');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:06:00+00');
SELECT workflow.reset('w', (SELECT max(event_id) FROM workflow.reset_points('w') WHERE state = 'Pause' AND goes_on_with = 'Wait'));
\o
SELECT results_eq($$ SELECT state, due_at FROM workflow.execution WHERE workflow_id = 'w' $$,
	$$ VALUES ('Pause', timestamptz '2030-01-01 00:14:00+00') $$, 'a timer that runs stays due when it was');
\o /dev/null
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('w'), 'Completed Done {"go": 1, "more": 2, "again": 3}', 'each signal is consumed once');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'all are as their histories say');
SELECT is_empty('SELECT FROM workflow.signal_request', 'and no request id is left over');

\echo # Tasks of programs outside
\o /dev/null
CREATE FUNCTION public.nothing(jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity(name, 'public.nothing(jsonb)') FROM unnest('{A,B,UndoA,UndoB}'::text[]) name;
SELECT workflow.register_activity('Outside', task_queue => 'outside', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register_activity('UndoOutside', task_queue => 'undo', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register('tasks', $asl${
	"StartAt": "Do",
	"States": {
		"Do": {"Type": "Task", "Resource": "Outside", "Compensate": "UndoOutside", "ResultPath": "$.done", "Next": "Then",
			"Retry": [{"ErrorEquals": ["Soon"], "IntervalSeconds": 10, "MaxAttempts": 1}]},
		"Then": {"Type": "Task", "Resource": "Outside", "ResultPath": "$.then", "Next": "Ask"},
		"Ask": {"Type": "Task", "Resource": "A", "ResultPath": null, "Next": "Token"},
		"Token": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "ResultPath": "$.token", "End": true,
			"Parameters": {"FunctionName": "B", "Payload": {"token.$": "$$.Task.Token", "run.$": "$$.Execution.Id"}}}
	}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity(name) FROM unnest('{A,B}'::text[]) name;
SELECT workflow.start('tasks', workflow_id => 't');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
CREATE TEMP TABLE first AS SELECT * FROM workflow.poll_activity('outside', 'w');
SELECT workflow.reset('t', (SELECT max(event_id) FROM workflow.reset_points('t')));
\o
SELECT is_empty('SELECT FROM workflow.activity_task', 'the task of the run before is gone');
SELECT ok(NOT workflow.complete_activity(task_token, '1'), 'whoever has taken it is too late') FROM first;
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'all are as their histories say');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:00:02+00');
CREATE TEMP TABLE second AS SELECT * FROM workflow.poll_activity('outside', 'w');
\o
SELECT results_eq('SELECT s.attempt, s.idempotency_key, s.input, s.run_id FROM second s', $$ SELECT 1, f.idempotency_key, f.input, pg_temp.run('t') FROM first f $$,
	'it is queued anew, with the same idempotency key');
SELECT isnt(s.task_token, f.task_token, 'and another token') FROM first f, second s;
\o /dev/null
SELECT workflow.fail_activity(task_token, 'Soon') FROM second;
SELECT workflow.reset('t', (SELECT max(event_id) FROM workflow.reset_points('t') WHERE goes_on_with = 'Retry'));
SELECT workflow_test.run('2030-01-01 00:00:05+00');
\o
SELECT is_empty($$ SELECT FROM workflow.poll_activity('outside', 'w') $$, 'a back-off goes on');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:00:20+00');
SELECT workflow.complete_activity(pg_temp.take('outside'), '"done"');
SELECT workflow.complete_activity(pg_temp.take('outside'), '"then"');
SELECT workflow_test.run('2030-01-01 00:00:21+00');
CREATE TEMP TABLE given AS SELECT * FROM workflow_test.calls() WHERE activity = 'B';
SELECT workflow.reset('t', (SELECT max(event_id) FROM workflow.reset_points('t')));
SELECT workflow_test.run('2030-01-01 00:00:22+00');
CREATE TEMP TABLE given_again AS SELECT * FROM workflow_test.calls() OFFSET (SELECT count(*) - 1 FROM workflow_test.calls());
\o
SELECT results_eq($$ SELECT activity, input->'Payload'->>'run' FROM given_again $$, $$ SELECT 'B', pg_temp.run('t')::text $$, 'a token is given away anew');
SELECT ok(NOT workflow.complete_activity((input->'Payload'->>'token')::uuid), 'the one before is good no more') FROM given;
SELECT ok(workflow.complete_activity((input->'Payload'->>'token')::uuid, '"token"'), 'but this one is') FROM given_again;
SELECT is(pg_temp.ended('t'), 'Completed Token {"done": "done", "then": "then", "token": "token"}', 'it goes on to its end');
-- what was done after the event is forgotten, what was before is undone
\o /dev/null
SELECT workflow.reset('t', pg_temp.before('t', 'Then'));
SELECT workflow_test.run('2030-01-01 00:00:23+00');
SELECT workflow.cancel('t');
SELECT workflow_test.run('2030-01-01 00:00:24+00');
\o
SELECT results_eq($$ SELECT state, status FROM workflow.compensations WHERE run_id = pg_temp.run('t') $$, $$ VALUES ('Do', 'Recorded') $$, 'what was done before is known');
\o /dev/null
SELECT workflow.reset('t', (SELECT max(event_id) FROM workflow.reset_points('t')));
SELECT workflow_test.run('2030-01-01 00:00:25+00');
SELECT workflow.complete_activity(pg_temp.take('undo'));
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('t'), 'Canceled Then OW.Canceled', 'a run that compensates can be reset, and goes on with that');
SELECT results_eq($$ SELECT state, status FROM workflow.compensations WHERE run_id = pg_temp.run('t') $$, $$ VALUES ('Do', 'Completed') $$, 'what was done is undone once');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'all are as their histories say');

\echo # Branches, with work outside, compensations and a stuck run
\o /dev/null
SELECT workflow.register('branches', $asl${
	"StartAt": "Both",
	"States": {
		"Both": {"Type": "Parallel", "ResultPath": "$.both", "Next": "Items", "Branches": [
			{"StartAt": "Left", "States": {
				"Left": {"Type": "Task", "Resource": "A", "Compensate": "UndoA", "Next": "Left outside"},
				"Left outside": {"Type": "Task", "Resource": "Outside", "End": true}}},
			{"StartAt": "Right", "States": {
				"Right": {"Type": "Wait", "Seconds": 100, "Next": "Right end"},
				"Right end": {"Type": "Task", "Resource": "B", "Compensate": "UndoB", "End": true}}}]},
		"Items": {"Type": "Map", "ItemsPath": "$.items", "ResultPath": "$.mapped", "MaxConcurrency": 1, "Next": "Break",
			"ItemProcessor": {"StartAt": "Item", "States": {"Item": {"Type": "Task", "Resource": "A", "Compensate": "UndoA", "End": true}}}},
		"Break": {"Type": "Task", "Resource": "B", "ResultSelector": {"x.$": "$.missing"}, "End": true}
	}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity(name, to_jsonb(name)) FROM unnest('{A,B,UndoA,UndoB}'::text[]) name;
SELECT workflow.start('branches', '{"items": [1, 2]}', workflow_id => 'b');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
SELECT workflow.reset('b', (SELECT max(event_id) FROM workflow.reset_points('b')));
\o
SELECT results_eq($$ SELECT state, phase FROM workflow.branch ORDER BY branch_id $$, $$ VALUES ('Left outside', 'Backoff'), ('Right', 'Wait') $$, 'its branches stand where they stood');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'as history says');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:00:10+00');
SELECT workflow.complete_activity(pg_temp.take('outside'), '"outside"');
SELECT workflow_test.run('2030-01-01 00:00:11+00');
SELECT workflow.reset('b', (SELECT max(event_id) FROM workflow.reset_points('b')));
\o
SELECT results_eq($$ SELECT output FROM workflow.branch_output $$, $$ VALUES ('"outside"'::jsonb) $$, 'the output of a branch that has ended is kept');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'as history says');
\o /dev/null
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('b'), 'Stuck Break', 'it goes on, and gets stuck');
\o /dev/null
CREATE TEMP TABLE b_points AS SELECT * FROM workflow.reset_points('b');
CREATE TEMP TABLE b_resets (event_id int, ended text);
DO $$
DECLARE
	base uuid := pg_temp.run('b');
	point int;
	new_run uuid;
	token uuid;
BEGIN
	FOR point IN SELECT event_id FROM b_points ORDER BY event_id LOOP
		PERFORM workflow.terminate(e.run_id) FROM workflow.executions e WHERE workflow_id = 'b' AND closed_at IS NULL AND e.run_id <> base;
		PERFORM workflow_test.run();
		new_run := workflow.reset(base, point);
		IF pg_temp.difference(new_run) IS NOT NULL THEN
			RAISE EXCEPTION 'reset to %: %', point, pg_temp.difference(new_run);
		END IF;
		PERFORM workflow_test.run(workflow_test.now() + interval '1 second');
		token := pg_temp.take('outside');
		IF token IS NOT NULL THEN
			PERFORM workflow.complete_activity(token, '"outside"');
		END IF;
		PERFORM workflow_test.run();
		INSERT INTO b_resets VALUES (point, pg_temp.ended('b') || (SELECT count(*) FROM workflow.compensations WHERE run_id = pg_temp.run('b')));
	END LOOP;
END $$;
\o
SELECT results_eq('SELECT DISTINCT ended FROM b_resets', $$ VALUES ('Stuck Break4') $$, 'from wherever in its branches it is reset to, it gets there again');
SELECT cmp_ok(count(*), '>=', 15::bigint, 'many were tried') FROM b_resets;
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'all are as their histories say');

\echo # SQL expressions, random numbers, catches, and runs that continue as new
\o /dev/null
SELECT workflow.register('sql', $asl${"QueryLanguage": "SQL", "StartAt": "Choose", "Signals": {"go": {}}, "States": {
	"Choose": {"Type": "Choice", "Choices": [{"Condition": "{% (input->>'n')::int > 1 %}", "Next": "Call"}], "Default": "Never"},
	"Never": {"Type": "Fail", "Error": "Never"},
	"Call": {"Type": "Task", "Resource": "A", "Arguments": {"n": "{% input->'n' %}"}, "Output": {"n": "{% input->'n' %}", "a": "{% result %}"},
		"Compensate": "UndoA", "Assign": {"seen": "{% result %}"}, "Next": "Outside"},
	"Outside": {"Type": "Task", "Resource": "Outside", "Arguments": {"for": "{% vars->'seen' %}"}, "Output": "{% input || jsonb_build_object('o', result) %}",
		"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Each"}], "Next": "Each"},
	"Each": {"Type": "Map", "Items": "{% to_jsonb(ARRAY[1, 2]) %}", "Next": "Await",
		"ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Task", "Resource": "B", "Arguments": "{% input %}", "End": true}}}},
	"Await": {"Type": "Await", "Any": [{"Signal": "go", "Next": "Done"}, {"AfterSeconds": 30, "Next": "Done"}]},
	"Done": {"Type": "Succeed", "Output": "{% vars->'seen' %}"}}}$asl$);
SELECT workflow.register('again', $asl${"StartAt": "Do", "States": {
	"Do": {"Type": "Task", "Resource": "A", "Compensate": "UndoA", "ResultPath": null, "Next": "Any"},
	"Any": {"Type": "Pass", "Parameters": {"round.$": "$.round", "id.$": "States.UUID()", "run.$": "$$.Execution.Id", "at.$": "$$.Execution.StartTime"}, "ResultPath": "$.any", "Next": "Round"},
	"Round": {"Type": "Choice", "Choices": [{"Variable": "$.round", "NumericLessThan": 2, "Next": "Next"}], "Default": "Fail"},
	"Next": {"Type": "ContinueAsNew", "Parameters": {"round.$": "States.MathAdd($.round, 1)"}},
	"Fail": {"Type": "Fail", "Error": "Enough"}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity(name, to_jsonb(name)) FROM unnest('{A,B,UndoA}'::text[]) name;
SELECT workflow.start('sql', '{"n": 2}', workflow_id => 's');
SELECT workflow.start('again', '{"round": 1}', workflow_id => 'c');
SELECT workflow_test.run('2030-01-01 00:00:05+00');
SELECT workflow.complete_activity(pg_temp.take('outside'), '"done"');
SELECT workflow_test.run();
CREATE TEMP TABLE various AS SELECT workflow_id, run_id, status, output, error FROM workflow.executions WHERE workflow_id IN ('s', 'c');
CREATE TEMP TABLE various_resets (workflow_id text, base uuid, event_id int, run_id uuid, wanted text, ended text, undone bigint);
DO $$
DECLARE
	point record;
	new_run uuid;
	token uuid;
BEGIN
	FOR point IN SELECT v.*, p.event_id, p.state FROM various v CROSS JOIN LATERAL workflow.reset_points(v.run_id) p LOOP
		new_run := workflow.reset(point.run_id, point.event_id);
		IF pg_temp.difference(new_run) IS NOT NULL THEN
			RAISE EXCEPTION '% reset to %: %', point.workflow_id, point.event_id, pg_temp.difference(new_run);
		END IF;
		PERFORM workflow_test.run(workflow_test.now() + interval '1 s');
		token := pg_temp.take('outside');
		IF token IS NOT NULL THEN
			PERFORM workflow.complete_activity(token, '"done"');
		END IF;
		PERFORM workflow_test.run();
		INSERT INTO various_resets SELECT point.workflow_id, point.run_id, point.event_id, new_run, point.status, e.status,
			(SELECT count(*) FROM workflow.compensations c WHERE c.run_id = e.run_id AND c.status = 'Completed')
		FROM workflow.get_execution(point.workflow_id) e;
	END LOOP;
END $$;
\o
SELECT is(string_agg(workflow_id || ' ' || status, ', ' ORDER BY workflow_id, status), 'c ContinuedAsNew, c Failed, s Completed', 'how they end') FROM various;
SELECT is_empty($$ SELECT * FROM various_resets WHERE ended <> CASE workflow_id WHEN 's' THEN 'Completed' ELSE 'Failed' END $$, 'from wherever they are reset to, they end the same');
SELECT is_empty($$ SELECT * FROM various_resets WHERE workflow_id = 'c' AND undone <> 2 $$, 'what is carried over is undone as well');
SELECT cmp_ok(count(*), '>=', 20::bigint, 'many were tried') FROM various_resets;
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'all are as their histories say');

\echo # A child that its parent waits for
\o /dev/null
SELECT workflow.register('child', $asl${"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "Next": "End"}, "End": {"Type": "Pass", "Result": "child", "End": true}}}$asl$);
SELECT workflow.register('parent', $asl${"StartAt": "Child", "States": {"Child": {"Type": "Task", "Resource": "workflow:child", "ResultPath": "$.child", "End": true}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.start('parent', workflow_id => 'with child');
SELECT workflow_test.run('2030-01-01 00:00:30+00');
CREATE TEMP TABLE child_points AS SELECT * FROM workflow.reset_points('with child');
SELECT workflow.reset('with child', max(event_id)) FROM child_points;
\o
SELECT is((SELECT goes_on_with FROM child_points ORDER BY event_id DESC LIMIT 1), 'Activity', 'it is begun anew');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'all are as their histories say');
SELECT workflow_test.run() \g /dev/null
SELECT is((SELECT status FROM workflow.get_execution('with child')), 'Completed', 'its answer is waited for');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'all are as their histories say');

\echo # What operators have asked of an activity is forgotten; an activity resets nothing; what is open is in the way
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.start('tasks', workflow_id => 'p');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
SELECT workflow.pause_activity('p', 'Do');
SELECT workflow_test.run('2030-01-01 00:00:02+00');
SELECT workflow.reset('p', (SELECT max(event_id) FROM workflow.reset_points('p')));
SELECT workflow_test.run('2030-01-01 00:00:03+00');
CREATE FUNCTION public.reset_it(jsonb) RETURNS uuid LANGUAGE sql AS $$ SELECT workflow.reset('i', 1) $$;
SELECT workflow.register_activity('ResetIt', 'public.reset_it(jsonb)');
SELECT workflow.register('inside', '{"StartAt": "X", "States": {"X": {"Type": "Task", "Resource": "ResetIt", "End": true}}}');
SELECT workflow_test.allow_activity('ResetIt');
SELECT workflow.start('inside', workflow_id => 'i');
SELECT workflow_test.run('2030-01-01 00:00:04+00');
CREATE TEMP TABLE p AS SELECT run_id FROM workflow.executions WHERE workflow_id = 'p' AND closed_at IS NOT NULL;
\o
SELECT isnt(pg_temp.take('outside'), NULL, 'a paused activity is not paused any more');
SELECT is(pg_temp.ended('i'), 'Failed X object_not_in_prerequisite_state', 'an activity cannot reset');
SELECT throws_ok(format('SELECT workflow.reset(%L::uuid, 1)', run_id), 'OW004', NULL, 'a closed run cannot be reset while another is open') FROM p;
-- nor can anything be reset to a version that is retired; a paused run can, and is not paused any more
\o /dev/null
SELECT workflow.pause('p');
SELECT workflow_test.run('2030-01-01 00:00:10+00');
SELECT workflow.reset('p', (SELECT max(event_id) FROM workflow.reset_points('p')));
SELECT workflow_test.run('2030-01-01 00:00:11+00');
SELECT workflow.register('inside', '{"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}');
SELECT workflow.retire('inside', 1);
\o
SELECT throws_ok($$ SELECT workflow.reset('i', 1) $$, 'OW020', NULL, 'a run cannot be reset to a retired version');
SELECT is(status, 'Running', 'a paused run goes on after a reset') FROM workflow.get_execution('p');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'all are as their histories say');

SELECT * FROM finish();
ROLLBACK;
