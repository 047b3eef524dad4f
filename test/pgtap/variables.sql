-- Variables: what Assign sets in each type of state, and where "$name" is read.
BEGIN;
\o /dev/null
SELECT workflow_test.begin();

CREATE FUNCTION do_nothing(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
SELECT workflow.register_activity('Do', 'do_nothing(jsonb)', options => '{"TimeoutSeconds": 60}');

CREATE FUNCTION pg_temp.started(name text, definition jsonb, input jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.register('Variables', definition);
	PERFORM workflow.start('Variables', input, name);
	PERFORM workflow_test.run('2030-01-01 00:00:01+00');
	RETURN name;
END $$;

-- The variables after a state; those before it are x = 1 and y = {"z": [2, 3]}.
CREATE FUNCTION pg_temp.after(state jsonb, input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	id text := gen_random_uuid();
	found record;
BEGIN
	PERFORM pg_temp.started(id, jsonb_build_object('StartAt', 'Before', 'States', jsonb_build_object(
		'Before', '{"Type": "Pass", "Assign": {"x": 1, "y": {"z": [2, 3]}}, "Next": "S"}'::jsonb,
		'S', CASE WHEN state ? 'Choices' THEN state ELSE '{"Next": "After"}' || state END,
		'After', '{"Type": "Wait", "Seconds": 999999, "End": true}'::jsonb)), input);
	SELECT * INTO found FROM workflow.execution e WHERE e.workflow_id = id;
	IF found.variables IS NULL THEN
		RETURN (SELECT jsonb_build_object('Error', coalesce(e.error, e.stuck->>'Error')) FROM workflow.executions e WHERE e.workflow_id = id);
	END IF;
	RETURN found.variables - '{x,y}'::text[] || jsonb_build_object('unchanged', found.variables->'x' = '1');
END $$;
SELECT workflow_test.mock_activity('Do', result => '{"r": 5, "s": 6}', input => '{"ok": true}');
SELECT workflow_test.mock_activity('Do', error => 'Oops', message => 'why', input => '{"ok": false}');
\o

SELECT no_plan();

-- What "$" is in Assign, by type of state
SELECT is(pg_temp.after(state::jsonb, input::jsonb), expected::jsonb, name)
FROM (VALUES
	('Pass: its input', '{"Type": "Pass", "Assign": {"v.$": "$"}}', '{"a": 1}', '{"v": {"a": 1}, "unchanged": true}'),
	('Pass: its result', '{"Type": "Pass", "Result": {"b": 2}, "Assign": {"v.$": "$.b"}}', '{"a": 1}', '{"v": 2, "unchanged": true}'),
	('Pass: its parameters', '{"Type": "Pass", "Parameters": {"c.$": "$.a"}, "ResultPath": null, "Assign": {"v.$": "$.c"}}', '{"a": 1}', '{"v": 1, "unchanged": true}'),
	('Wait: its input', '{"Type": "Wait", "Seconds": 0, "InputPath": "$.a", "Assign": {"v.$": "$"}}', '{"a": 1}', '{"v": 1, "unchanged": true}'),
	('Task: the result, before ResultSelector', '{"Type": "Task", "Resource": "Do", "ResultSelector": {"n": 0}, "Assign": {"v.$": "$.r"}}', '{"ok": true}', '{"v": 5, "unchanged": true}'),
	('Task: nothing when it fails', '{"Type": "Task", "Resource": "Do", "Assign": {"v": 1}, "Catch": [{"ErrorEquals": ["Oops"], "Next": "After"}]}', '{"ok": false}', '{"unchanged": true}'),
	('Catch: the error', '{"Type": "Task", "Resource": "Do", "Catch": [{"ErrorEquals": ["Oops"], "Assign": {"v.$": "$.Error", "w.$": "$x"}, "Next": "After"}]}', '{"ok": false}', '{"v": "Oops", "w": 1, "unchanged": true}'),
	('constants', '{"Type": "Pass", "Assign": {"v": ["$", {"w": "$x"}], "w": null}}', '{}', '{"v": ["$", {"w": "$x"}], "w": null, "unchanged": true}'),
	('nested', '{"Type": "Pass", "Assign": {"v": {"w": [{"x.$": "$y.z[-1]"}]}}}', '{}', '{"v": {"w": [{"x": 3}]}, "unchanged": true}'),
	('nothing', '{"Type": "Pass", "Assign": {}}', '{}', '{"unchanged": true}'),
	('other variables', '{"Type": "Pass", "Assign": {"v.$": "$x", "w.$": "States.Format(''{} {}'', $y.z[0], $$.State.Name)"}}', '{}', '{"v": 1, "w": "2 S", "unchanged": true}'),
	('the values before the state', '{"Type": "Pass", "Assign": {"x": 9, "v.$": "$x"}}', '{}', '{"v": 1, "unchanged": false}'),
	('a query', '{"Type": "Pass", "Assign": {"v.$": "$y.z[?(@ > $x)]"}}', '{}', '{"v": [2, 3], "unchanged": true}'),
	('Unicode', '{"Type": "Pass", "Assign": {"größe": 1, "_1": 2}}', '{}', '{"größe": 1, "_1": 2, "unchanged": true}'),
	('never assigned', '{"Type": "Pass", "Assign": {"v.$": "$none"}}', '{}', '{"Error": "States.Runtime"}'),
	('not there', '{"Type": "Pass", "Assign": {"v.$": "$y.none"}}', '{}', '{"Error": "States.Runtime"}')
) AS assigned (name, state, input, expected);

-- Choice: the rule that matches assigns, or else the state for its Default
SELECT is(pg_temp.after(jsonb_build_object('Type', 'Choice', 'Default', 'After', 'Assign', '{"v.$": "$.d"}'::jsonb, 'Choices', '[
		{"Variable": "$x", "NumericEqualsPath": "$.n", "Assign": {"v": "rule", "w.$": "$.n"}, "Next": "After"},
		{"Variable": "$none", "IsPresent": true, "Next": "After"},
		{"Variable": "$y.z[0]", "NumericEqualsPath": "$.n", "Next": "After"}]'::jsonb), input::jsonb),
	expected::jsonb, 'Choice: ' || input)
FROM (VALUES
	('{"n": 1}', '{"v": "rule", "w": 1, "unchanged": true}'),
	('{"n": 2}', '{"unchanged": true}'),
	('{"n": 3, "d": "default"}', '{"v": "default", "unchanged": true}'),
	('{"n": 3}', '{"Error": "States.Runtime"}')
) AS choices (input, expected);

-- Everywhere a path may stand
\o /dev/null
SELECT pg_temp.started('everywhere', $asl$ {"StartAt": "A", "States": {
	"A": {"Type": "Pass", "Assign": {"in": {"ok": true}, "wait": 7, "at": "2030-01-01T00:00:20Z", "out": {"o": 1}, "limit": 3}, "Next": "T"},
	"T": {"Type": "Task", "Resource": "Do", "InputPath": "$in", "TimeoutSecondsPath": "$limit", "ResultSelector": {"sel.$": "$limit"}, "ResultPath": "$.t", "Next": "W1"},
	"W1": {"Type": "Wait", "SecondsPath": "$wait", "Next": "W2"},
	"W2": {"Type": "Wait", "TimestampPath": "$at", "Assign": {"wait": 1}, "Next": "E"},
	"E": {"Type": "Pass", "Parameters": {"wait.$": "$wait", "t.$": "$.t", "out.$": "$out"}, "Next": "Z"},
	"Z": {"Type": "Pass", "Assign": {"limit": 4}, "OutputPath": "$limit", "ResultPath": "$.all", "End": true}}} $asl$, '{}');
CREATE TEMPORARY TABLE live AS SELECT * FROM workflow.execution WHERE workflow_id = 'everywhere';
CREATE TEMPORARY TABLE rebuilt AS SELECT r.* FROM live, workflow.rebuild_state(live.run_id) r;
\o
SELECT is((SELECT to_jsonb(r) FROM rebuilt r), (SELECT to_jsonb(l) FROM live l), 'variables are rebuilt from history');
SELECT is(state, 'W1', 'InputPath, TimeoutSecondsPath, ResultSelector; waits as long as a variable says') FROM live;
\o /dev/null
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('everywhere', '3');
SELECT is((SELECT closed_at FROM workflow.executions WHERE workflow_id = 'everywhere'), '2030-01-01 00:00:20+00', 'until a variable''s time');
SELECT is((SELECT count(*)::int FROM workflow.execution WHERE workflow_id = 'everywhere'), 0, 'it has closed');

-- A Fail state's texts
\o /dev/null
SELECT pg_temp.started('fails', $asl$ {"StartAt": "A", "States": {
	"A": {"Type": "Pass", "Assign": {"e": "Bad", "c": "luck"}, "Next": "F"},
	"F": {"Type": "Fail", "ErrorPath": "$e", "CausePath": "$c"}}} $asl$, '{}');
\o
SELECT results_eq($$SELECT error, cause FROM workflow.executions WHERE workflow_id = 'fails'$$, $$VALUES ('Bad', 'luck')$$,
	'ErrorPath and CausePath of a variable');

-- An error in Assign after a task can be caught, or leaves the run stuck with its result.
\o /dev/null
SELECT pg_temp.started('caught', $asl$ {"StartAt": "T", "States": {
	"T": {"Type": "Task", "Resource": "Do", "Assign": {"v.$": "States.ArrayGetItem($.r, 0)"}, "End": true,
		"Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"why.$": "$.Error"}, "Next": "C"}]},
	"C": {"Type": "Pass", "OutputPath": "$why", "End": true}}} $asl$, '{"ok": true}');
SELECT pg_temp.started('stuck', $asl$ {"StartAt": "T", "States": {
	"T": {"Type": "Task", "Resource": "Do", "Assign": {"v.$": "$.none"}, "End": true}}} $asl$, '{"ok": true}');
\o
SELECT workflow_test.completed('caught', '"States.IntrinsicFailure"');
SELECT results_eq($$SELECT status, stuck->>'Error', variables, kept FROM workflow.execution WHERE workflow_id = 'stuck'$$,
	$$VALUES ('Stuck', 'States.Runtime', NULL::jsonb, '{"r": 5, "s": 6}'::jsonb)$$, 'an error in Assign loses nothing');

-- All variables of a run take 10 MiB at most.
\o /dev/null
SELECT pg_temp.started('large', $asl$ {"StartAt": "A", "States": {
	"A": {"Type": "Pass", "Assign": {"a.$": "$"}, "Next": "B"},
	"B": {"Type": "Pass", "Assign": {"b.$": "$"}, "End": true}}} $asl$, to_jsonb(repeat('x', 6000000)));
\o
SELECT workflow_test.failed('large', 'States.DataLimitExceeded');

SELECT * FROM finish();
ROLLBACK;
