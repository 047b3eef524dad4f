-- Signals and Await states, on a virtual clock.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.executions WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.events(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM workflow.history WHERE workflow_id = id AND state IS DISTINCT FROM 'Done'
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register('track', $asl${"StartAt": "Track",
	"Signals": {"delivered": {}, "lost": {"Payload": {"type": "object", "required": ["where"]}}},
	"States": {
		"Track": {"Type": "Await", "Any": [
			{"Signal": "delivered", "Condition": {"Variable": "$.ok", "BooleanEquals": true}, "ResultPath": "$.delivery", "Next": "Done"},
			{"Signal": "lost", "Assign": {"place.$": "$.where"}, "Next": "Lost"},
			{"AfterSeconds": 86400, "Next": "Late"}]},
		"Done": {"Type": "Succeed"},
		"Lost": {"Type": "Fail", "Error": "Lost", "CausePath": "$place"},
		"Late": {"Type": "Pass", "Result": "late", "End": true}}}$asl$);
SELECT workflow.start('track', '{"order": 1}', workflow_id => id) FROM unnest('{happy,lost,late,odd,many,tie,canceled}'::text[]) id;
SELECT workflow_test.run('2030-01-01 00:00:00+00');
\o
SELECT no_plan();
SELECT results_eq($$ SELECT kind, due_at FROM workflow.timers WHERE workflow_id = 'happy' $$,
	$$ VALUES ('Await', '2030-01-02 00:00:00+00'::timestamptz) $$, 'it waits for a day');
\o /dev/null
SELECT workflow.signal('happy', 'delivered', '{"ok": true, "at": "door"}');
SELECT workflow.signal('lost', 'lost', '{"where": "sea"}');
SELECT workflow.signal('odd', 'delivered', '{"ok": false}');
SELECT workflow.signal('odd', 'delivered', '"what?"');
SELECT workflow.signal('odd', 'delivered');
SELECT workflow_test.run('2030-01-01 12:00:00+00');
\o
SELECT is(pg_temp.ended('happy'), 'Completed {"order": 1, "delivery": {"at": "door", "ok": true}}', 'a signal ends the wait, and is put where it belongs');
SELECT is(pg_temp.events('happy'), 'WorkflowExecutionStarted StateEntered TimerStarted WorkflowExecutionSignaled SignalConsumed TimerCanceled WorkflowExecutionCompleted', 'its history');
SELECT is(pg_temp.ended('lost'), 'Failed Lost sea', 'another leads elsewhere');
SELECT is(pg_temp.ended('odd'), 'Running', 'those that do not fulfil the condition, or to which it cannot be applied, do not');
SELECT results_eq($$ SELECT signal, payload, status FROM workflow.signals WHERE workflow_id = 'odd' ORDER BY event_id $$,
	$$ VALUES ('delivered', '{"ok": false}'::jsonb, 'Buffered'), ('delivered', '"what?"', 'Buffered'), ('delivered', 'null', 'Buffered') $$, 'they are buffered');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # What can be sent
SELECT throws_ok($$ SELECT workflow.signal('odd', 'deliverd') $$, 'OW014', 'workflow "track" has no signal "deliverd"', 'a signal must be declared');
SELECT throws_ok($$ SELECT workflow.signal('odd', 'lost', '{}') $$, 'OW013', 'payload of signal "lost" is not of its declared type', 'its payload of the type declared');
SELECT throws_ok($$ SELECT workflow.signal('nobody', 'lost') $$, 'OW005', 'workflow id "nobody" has no run', 'the run must be there');
SELECT throws_ok($$ SELECT workflow.signal('happy', 'delivered') $$, 'OW009', 'workflow id "happy" has no open run', 'and open');
SELECT throws_ok($$ SELECT workflow.signal('odd', NULL) $$, '22004', 'signal must not be null', 'and it has a name');

\echo # Time
\o /dev/null
SELECT workflow_test.run('2030-01-02 00:00:00+00');
\o
SELECT is(pg_temp.ended('late'), 'Completed "late"', 'a day later it is late');
SELECT is(pg_temp.ended('odd'), 'Completed "late"', 'whatever else has come');
SELECT is_empty($$ SELECT * FROM workflow.signals $$, 'nothing is left of that');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # In order, one for each
\o /dev/null
SELECT workflow.register('count', $asl${"StartAt": "Begin", "Signals": {"item": {}, "stop": {}}, "States": {
	"Begin": {"Type": "Pass", "Assign": {"items": []}, "Next": "One"},
	"One": {"Type": "Await", "Any": [
		{"Signal": "stop", "Next": "Stop"},
		{"Signal": "item", "Assign": {"items.$": "States.Array($items, $)"}, "Next": "One"}]},
	"Stop": {"Type": "Pass", "Parameters": {"items.$": "$items"}, "End": true}}}$asl$);
SELECT workflow.start('count', workflow_id => 'early', start_delay => '1 hour');
SELECT workflow.start('count', workflow_id => 'fifo');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('fifo', 'item', to_jsonb(n)) FROM generate_series(1, 3) n;
SELECT workflow.signal('fifo', 'stop');
SELECT workflow.signal('fifo', 'item', '4');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('fifo'), 'Completed {"items": [[[[], 1], 2], 3]}', 'signals are consumed one by one, first come first served');
SELECT is_empty($$ SELECT * FROM workflow.signals WHERE workflow_id = 'fifo' AND status <> 'Undeliverable' $$, 'the rest goes with the run');
SELECT results_eq($$ SELECT signal, payload FROM workflow.signals WHERE status = 'Undeliverable' $$, $$ VALUES ('item', '4'::jsonb) $$,
	'what could not be delivered is shown');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # A request counts once
\o /dev/null
SELECT workflow.start('count', workflow_id => 'once');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('once', 'item', '1', request_id => 'r1'), workflow.signal('once', 'item', '1', request_id => 'r1');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('once', 'item', '1', request_id => 'r1'), workflow.signal('once', 'item', '2', request_id => 'r2');
SELECT workflow.signal('once', 'stop');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('once'), 'Completed {"items": [[[], 1], 2]}', 'a signal sent again is the same');
SELECT is_empty('SELECT * FROM workflow.signal_request', 'nothing is kept of that when the run has closed');

\echo # All
\o /dev/null
SELECT workflow.register('all', $asl${"StartAt": "All", "Signals": {"paid": {}, "packed": {}}, "States": {
	"All": {"Type": "Await", "End": true, "All": [
		{"Signal": "paid", "ResultPath": "$.paid"},
		{"Signal": "packed", "Condition": {"Variable": "$.boxes", "NumericGreaterThan": 0}, "ResultPath": "$.packed"},
		{"AfterSeconds": 60, "Assign": {"waited": true}}]}}}$asl$);
SELECT workflow.start('all', '{"order": 1}', workflow_id => id) FROM unnest('{all,all canceled}'::text[]) id;
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('all', 'paid', '1'), workflow.signal('all', 'paid', '2'), workflow.signal('all', 'packed', '{"boxes": 0}');
SELECT workflow_test.advance('2 min');
\o
SELECT is(pg_temp.ended('all'), 'Running', 'all of it is awaited');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.signal('all', 'packed', '{"boxes": 2}');
SELECT workflow.cancel('all canceled');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('all'), 'Completed {"paid": 1, "order": 1, "packed": {"boxes": 2}}', 'each counts once, what was first');
SELECT is(pg_temp.ended('all canceled'), 'Canceled OW.Canceled the workflow was canceled', 'a cancel ends the wait');

\echo # In SQL
\o /dev/null
SELECT workflow.register('sql', $asl${"QueryLanguage": "SQL", "StartAt": "Any", "Signals": {"paid": {}, "packed": {}}, "States": {
	"Any": {"Type": "Await", "Any": [
		{"Signal": "paid", "Condition": "{% (result->'amount')::int >= (input->'amount')::int %}", "Output": "{% input || jsonb_build_object('paid', result) %}",
			"Assign": {"paid": "{% result->'amount' %}"}, "Next": "All"},
		{"AfterSeconds": "{% (input->'patience')::int %}", "Output": "too late", "Next": "Late"}]},
	"All": {"Type": "Await", "All": [{"Signal": "packed"}, {"At": "{% to_char(now(), 'YYYY-MM-DD') || 'T00:00:00Z' %}"}], "Output": "{% jsonb_build_array(input, result, vars) %}", "End": true},
	"Late": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('sql', '{"amount": 5, "patience": 30}', workflow_id => id) FROM unnest('{sql,sql late}'::text[]) id;
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('sql', 'paid', '{"amount": 4}'), workflow.signal('sql', 'paid', '{"amount": 5}'), workflow.signal('sql', 'packed', '"yes"');
SELECT workflow_test.advance('1 min');
\o
SELECT is(pg_temp.ended('sql'), 'Completed [{"paid": {"amount": 5}, "amount": 5, "patience": 30}, {"packed": "yes"}, {"paid": 5}]', 'conditions, output and variables are SQL');
SELECT is(pg_temp.ended('sql late'), 'Completed "too late"', 'and times');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # In branches, and with two that await the same
\o /dev/null
SELECT workflow.register('both', $asl${"StartAt": "Both", "Signals": {"go": {}}, "States": {"Both": {"Type": "Parallel", "End": true, "Branches": [
	{"StartAt": "A", "States": {"A": {"Type": "Await", "Any": [{"Signal": "go", "ResultPath": "$", "Next": "A done"}]}, "A done": {"Type": "Succeed"}}},
	{"StartAt": "B", "States": {"B": {"Type": "Await", "Any": [{"Signal": "go", "ResultPath": "$", "Next": "B done"}, {"AfterSeconds": 90, "Next": "B done"}]}, "B done": {"Type": "Succeed"}}}]}}}$asl$);
SELECT workflow.start('both', workflow_id => 'both');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('both', 'go', '1'), workflow.signal('both', 'go', '2');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT matches(pg_temp.ended('both'), 'Completed \[(1, 2|2, 1)\]', 'each branch gets one');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # What comes first
\o /dev/null
SELECT workflow.start('track', '{"order": 1}', workflow_id => id) FROM unnest('{on time,behind time}'::text[]) id;
SELECT workflow_test.run(workflow_test.now());
SELECT workflow_test.at('1 day', $$ SELECT workflow.signal('behind time', 'delivered', '{"ok": true}') $$);
SELECT workflow_test.at('23:59:59.999', $$ SELECT workflow.signal('on time', 'delivered', '{"ok": true}') $$);
SELECT workflow_test.advance('2 days');
\o
SELECT is(pg_temp.ended('on time'), 'Completed {"order": 1, "delivery": {"ok": true}}', 'a signal just before the timer');
SELECT is(pg_temp.ended('behind time'), 'Completed "late"', 'and one just behind it');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Started if need be
\o /dev/null
SELECT workflow.signal_with_start('track', 'both ways', 'delivered', '{"ok": false}', '{"n": 1}');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(workflow.signal_with_start('track', 'both ways', 'delivered', '{"ok": true}', '{"n": 2}'),
	(SELECT run_id FROM workflow.executions WHERE workflow_id = 'both ways'), 'an open run is signaled');
\o /dev/null
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.ended('both ways'), 'Completed {"n": 1, "delivery": {"ok": true}}', 'so it was once started, and then told');
SELECT isnt(workflow.signal_with_start('track', 'both ways', 'delivered', '{"ok": true}', '{"n": 3}', request_id => 'r3'),
	(SELECT run_id FROM workflow.executions WHERE workflow_id = 'both ways' AND closed_at IS NOT NULL), 'after it has closed another is started');
\o /dev/null
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is((SELECT output FROM workflow.executions WHERE run_id = workflow.signal_with_start('track', 'both ways', 'delivered', '{"ok": true}', '{"n": 4}', request_id => 'r3')),
	'{"n": 3, "delivery": {"ok": true}}', 'but the same request is the same');
SELECT is((SELECT count(*) FROM workflow.executions WHERE workflow_id = 'both ways'), 2::bigint, 'and starts nothing');
SELECT throws_ok($$ SELECT workflow.signal_with_start('track', 'wrong', 'nothing') $$, 'OW014', 'workflow "track" has no signal "nothing"', 'a signal that is not declared');
SELECT is_empty($$ SELECT * FROM workflow.executions WHERE workflow_id = 'wrong' $$, 'starts nothing either');

\echo # Definitions that are wrong
CREATE FUNCTION pg_temp.problems(awaited text, signals text DEFAULT '{"a": {}}') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(code || ' ' || path, ', ' ORDER BY code, path) FROM workflow.validate(format(
		'{"StartAt": "S", "Signals": %s, "States": {"S": {"Type": "Await", %s}, "E": {"Type": "Succeed"}}}', signals, awaited)) WHERE code <> 'UnreachableState'
$$;
SELECT is(pg_temp.problems('"Any": [{"Signal": "b", "Next": "E"}]'), 'UnknownSignal States.S.Any[0].Signal', 'signals are declared');
SELECT is(pg_temp.problems('"Any": []'), 'NoEnd States, OutOfRange States.S.Any', 'something is awaited');
SELECT is(pg_temp.problems('"Any": [{"Signal": "a", "Next": "E"}], "All": []'), 'ExclusiveFields States.S.All, MissingField States.S, OutOfRange States.S.All', 'any or all');
SELECT is(pg_temp.problems('"Any": [{"Signal": "a", "AfterSeconds": 1, "Next": "E"}]'), 'UnknownField States.S.Any[0].AfterSeconds', 'a signal or a time');
SELECT is(pg_temp.problems('"Any": [{"AfterSeconds": 1, "At": "2030-01-01T00:00:00Z", "Next": "E"}]'), 'ExclusiveFields States.S.Any[0].At', 'one time');
SELECT is(pg_temp.problems('"Any": [{"Next": "E"}]'), 'MissingField States.S.Any[0]', 'at all');
SELECT is(pg_temp.problems('"Any": [{"Signal": "a"}]'), 'MissingField States.S.Any[0], NoEnd States', 'each of Any leads somewhere');
SELECT is(pg_temp.problems('"Any": [{"Signal": "a", "Next": "E"}], "Next": "E"'), 'UnknownField States.S.Next', 'and the state itself does not');
SELECT is(pg_temp.problems('"All": [{"Signal": "a", "Next": "E"}], "Next": "E"'), 'UnknownField States.S.All[0].Next', 'with All it is the other way round');
SELECT is(pg_temp.problems('"All": [{"Signal": "a"}]'), 'MissingField States.S', 'it leads on');
SELECT is(pg_temp.problems('"Any": [{"Signal": "a", "Next": "E"}]', '{"a": 1}'), 'UnknownSignal States.S.Any[0].Signal, WrongType Signals.a', 'what a signal is like');
SELECT is(pg_temp.problems('"Any": [{"Signal": "a", "Condition": {"Variable": "x", "IsPresent": true}, "Next": "E"}]'), 'InvalidPath States.S.Any[0].Condition.Variable', 'conditions are checked');
SELECT * FROM finish();
ROLLBACK;
