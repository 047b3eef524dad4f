-- Intrinsic functions: a table of calls, each with what it returns for a document, or its error.
-- Every row runs as a workflow of one state, on a virtual clock.
BEGIN;
\o /dev/null
SELECT workflow_test.begin();

CREATE FUNCTION pg_temp.outcome(state jsonb, input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	id text := gen_random_uuid();
	made jsonb;
BEGIN
	PERFORM workflow.register('Intrinsics', jsonb_build_object('StartAt', 'P', 'States', jsonb_build_object('P', state)));
	PERFORM workflow.start('Intrinsics', input, id);
	PERFORM workflow_test.run();
	SELECT CASE status WHEN 'Completed' THEN output ELSE jsonb_build_object('Error', error) END
	INTO STRICT made FROM workflow.executions WHERE workflow_id = id;
	RETURN made;
END $$;

-- What a call in a template returns
CREATE FUNCTION pg_temp.called(call text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT pg_temp.outcome(jsonb_build_object('Type', 'Pass', 'End', true, 'OutputPath', '$.r',
		'Parameters', jsonb_build_object('r.$', call)), $json${
			"s": "text", "n": 5, "f": 1.5, "b": true, "nul": null, "o": {"id": 1, "of": ["a", null]},
			"a": [3, 1, 3, "x", {"k": 1}, {"k": 1.0}, null, null], "t": "{} and {}", "z": "a,b;;c", "é": "ä€😀",
			"long": "", "json": "{\"a\":[1, true]}", "bad": "{\"a\":"
		}$json$ || jsonb_build_object('long', repeat('x', 10001), 'deep', repeat('[', 1001) || repeat(']', 1001))) $$;
\o

SELECT no_plan();

SELECT is(pg_temp.called(call), expected::jsonb, call)
FROM (VALUES
	-- Format
	('States.Format(''no hole'')', '"no hole"'),
	('States.Format(''{}-{}'', $.s, $.n)', '"text-5"'),
	('States.Format(''{} {} {} {} {}'', 1.50, true, null, ''x'', $.f)', '"1.50 true null x 1.5"'),
	('States.Format(''\{{}\} it\''s \\ {'', $.s)', '"{text} it''s \\ {"'),
	('States.Format(''{}'', $.o)', '"{id=1, of=[a, null]}"'),
	('States.Format($.t, 1, 2)', '"1 and 2"'),
	('States.Format($.t, 1)', '{"Error": "States.IntrinsicFailure"}'),
	('States.Format($.n, 1)', '{"Error": "States.IntrinsicFailure"}'),
	('States.Format(''{}'', $$.State.Name)', '"P"'),
	('States.Format(''{}'', $.missing)', '{"Error": "States.Runtime"}'),
	('States.Format(''{}'', $.é)', '"ä€😀"'),
	('States.Format( ''{} {}'' ,
		States.Format(''<{}>'', States.Format(''({})'', $[''s''])),$.a[0] )', '"<(text)> 3"'),
	('States.Format(''{}'', $.a[?(@.k == 1)][''k''])', '"[1, 1.0]"'),
	-- JSON
	('States.StringToJson($.json)', '{"a": [1, true]}'),
	('States.StringToJson(''{"x":"\\"}'')', '{"Error": "States.IntrinsicFailure"}'),
	('States.StringToJson('' '')', 'null'),
	('States.StringToJson($.bad)', '{"Error": "States.IntrinsicFailure"}'),
	('States.StringToJson(''1e1001'')', '{"Error": "States.IntrinsicFailure"}'),
	('States.StringToJson($.deep)', '{"Error": "States.IntrinsicFailure"}'),
	('States.StringToJson($.n)', '{"Error": "States.IntrinsicFailure"}'),
	('States.JsonToString($.o)', '"{\"id\":1,\"of\":[\"a\",null]}"'),
	('States.JsonToString(States.Array(States.Array(), States.Array(1, ''a"b'')))', '"[[],[1,\"a\\\"b\"]]"'),
	('States.JsonToString($.nul)', '"null"'),
	('States.JsonToString(''x'')', '"\"x\""'),
	('States.JsonMerge($.o, States.StringToJson($.json), false)', '{"id": 1, "of": ["a", null], "a": [1, true]}'),
	('States.JsonMerge($.o, States.StringToJson(''{"of":{"x":2}}''), false)', '{"id": 1, "of": {"x": 2}}'),
	('States.JsonMerge($.o, $.o, true)', '{"Error": "States.IntrinsicFailure"}'),
	('States.JsonMerge($.o, $.a, false)', '{"Error": "States.IntrinsicFailure"}'),
	-- arrays
	('States.Array()', '[]'),
	('States.Array(1, ''two'', $.o, null, -0.5e1)', '[1, "two", {"id": 1, "of": ["a", null]}, null, -5]'),
	('States.ArrayPartition(States.ArrayRange(1, 7, 1), 3)', '[[1, 2, 3], [4, 5, 6], [7]]'),
	('States.ArrayPartition(States.ArrayRange(1, 3, 1), 1.5)', '[[1, 2], [3]]'),
	('States.ArrayPartition(States.Array(), 3)', '[]'),
	('States.ArrayPartition($.a, 0)', '{"Error": "States.IntrinsicFailure"}'),
	('States.ArrayContains($.a, 3.0)', 'true'),
	('States.ArrayContains($.a, $.a[4])', 'true'),
	('States.ArrayContains($.a, ''3'')', 'false'),
	('States.ArrayContains($.o, 1)', '{"Error": "States.IntrinsicFailure"}'),
	('States.ArrayRange(1, 9, 4)', '[1, 5, 9]'),
	('States.ArrayRange(3, 0, -2)', '[3, 1]'),
	('States.ArrayRange(1, 2, -1)', '[]'),
	('States.ArrayRange(0.5, 3.4, 1)', '[1, 2, 3]'),
	('States.ArrayRange(1, 5, 0)', '{"Error": "States.IntrinsicFailure"}'),
	('States.ArrayRange(9223372036854775806, 9223372036854775807, 1)', '[9223372036854775806, 9223372036854775807]'),
	('States.ArrayLength(States.ArrayRange(1, 1000, 1))', '1000'),
	('States.ArrayRange(1, 1001, 1)', '{"Error": "States.IntrinsicFailure"}'),
	('States.ArrayGetItem($.a, 3)', '"x"'),
	('States.ArrayGetItem($.a, 8)', '{"Error": "States.IntrinsicFailure"}'),
	('States.ArrayGetItem($.a, -1)', '{"Error": "States.IntrinsicFailure"}'),
	('States.ArrayLength($.a)', '8'),
	('States.ArrayLength($.s)', '{"Error": "States.IntrinsicFailure"}'),
	('States.ArrayUnique($.a)', '[3, 1, "x", {"k": 1}, null]'),
	-- texts
	('States.StringSplit($.z, '',;'')', '["a", "b", "c"]'),
	('States.StringSplit($.é, ''€'')', '["ä", "😀"]'),
	('States.StringSplit($.s, '''')', '["text"]'),
	('States.StringSplit('',,'', '','')', '[]'),
	('States.Base64Encode($.é)', '"w6Tigqzwn5iA"'),
	('States.Base64Decode(''w6Tigqzwn5iA'')', '"ä€😀"'),
	('States.Base64Decode(''YQ'')', '"a"'),
	('States.Base64Decode(''YQ='')', '"a"'),
	('States.Base64Decode(''?'')', '{"Error": "States.IntrinsicFailure"}'),
	('States.Base64Decode(''/w=='')', '{"Error": "States.IntrinsicFailure"}'),
	('States.Base64Decode(''AA=='')', '{"Error": "States.IntrinsicFailure"}'),
	('States.Base64Encode($.long)', '{"Error": "States.IntrinsicFailure"}'),
	('States.Hash(''input data'', ''MD5'')', '"812f45842bc6d66ee14572ce20db8e86"'),
	('States.Hash(''input data'', ''SHA-1'')', '"aaff4a450a104cd177d28d18d74485e8cae074b7"'),
	('States.Hash(States.Array(1, 2, 3), ''SHA-1'')', '"9ef50cc82ae474279fb8e82896142702bccbb33a"'),
	('States.Hash('''', ''SHA-256'')', '"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"'),
	('States.Hash('''', ''SHA-384'')', '"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"'),
	('States.ArrayLength(States.StringSplit(States.Hash($.s, ''SHA-512''), '' ''))', '1'),
	('States.Hash($.s, ''SHA1'')', '{"Error": "States.IntrinsicFailure"}'),
	('States.Hash($.long, ''MD5'')', '{"Error": "States.IntrinsicFailure"}'),
	-- numbers
	('States.MathAdd(-1.5, -1.51)', '-3'),
	('States.MathAdd(-2.5, 0.5)', '-1'),
	('States.MathAdd($.n, 2147483647)', '2147483652'),
	('States.MathAdd(9223372036854775807, 1)', '{"Error": "States.IntrinsicFailure"}'),
	('States.MathAdd($.s, 1)', '{"Error": "States.IntrinsicFailure"}'),
	('States.MathRandom(7, 8)', '7'),
	('States.MathRandom(8, 8)', '{"Error": "States.IntrinsicFailure"}')
) AS calls (call, expected);

-- Fail states take calls, too
\o /dev/null
SELECT pg_temp.outcome('{"Type": "Fail", "ErrorPath": "States.Format(''E{}'', $.n)", "CausePath": "States.JsonToString($)"}', '{"n": 1}');
\o
SELECT results_eq($$SELECT error, cause FROM workflow.executions WHERE error LIKE 'E%'$$,
	$$VALUES ('E1', '{"n":1}')$$, 'ErrorPath and CausePath may call functions');

-- What is no call at all is found when the definition is registered.
SELECT results_eq(
	format($$SELECT message FROM workflow.validate(jsonb_build_object('StartAt', 'P', 'States', jsonb_build_object('P',
		jsonb_build_object('Type', 'Pass', 'End', true, 'Parameters', jsonb_build_object('r.$', %L))))) $$, call),
	ARRAY[format('field "r.$" in Parameters of state "P" is not a usable call of a function: "%s": %s', call, reason)],
	'refuses ' || call)
FROM (VALUES
	('States.Forma(''x'')', 'there is no function "States.Forma"; did you mean "States.Format"?'),
	('States.UUID', '"(" is expected after the name of a function'),
	('States.UUID(1)', 'States.UUID takes 0 arguments, not 1'),
	('States.Hash(''x'')', 'States.Hash takes 2 arguments, not 1'),
	('States.MathRandom(1)', 'States.MathRandom takes 2 or 3 arguments, not 1'),
	('States.Format()', 'States.Format takes at least 1 arguments, not 0'),
	('States.Format(''{}'')', 'States.Format needs one argument for each {} of its template'),
	('States.Format(''\n'')', 'in a string "\" may only stand before '', {, } or itself'),
	('States.Format(''x)', 'a string is not closed with "''"'),
	('States.Array(1', '"," or ")" is expected after an argument'),
	('States.Array(1,)', 'an argument must be a path, a call, a number, true, false, null or a string in single quotes'),
	('States.Array("x")', 'an argument must be a path, a call, a number, true, false, null or a string in single quotes'),
	('States.Array(01)', 'an argument must be a path, a call, a number, true, false, null or a string in single quotes'),
	('States.Array($.a..)', 'a name is missing after "."'),
	('States.Array() x', 'there is more after the end of the call'),
	('States.MathAdd(1, ''2'')', 'argument 2 of States.MathAdd cannot be a string'),
	('States.ArrayLength(5)', 'argument 1 of States.ArrayLength cannot be a number'),
	(repeat('States.Array(', 11) || repeat(')', 11), 'calls are nested more than 10 levels deep')
) AS refused (call, reason);

-- Random values: new for each call, visit and run; the same when the history is replayed.
\o /dev/null
CREATE FUNCTION draw(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
SELECT workflow.register_activity('Draw', 'draw(jsonb)');
SELECT workflow.register('Random', $asl$ {"StartAt": "A", "States": {
	"A": {"Type": "Pass", "Parameters": {"ids.$": "States.Array(States.UUID(), States.UUID(), States.MathRandom(0, 1000000))"},
		"ResultPath": "$.a", "Next": "B"},
	"B": {"Type": "Task", "Resource": "Draw", "TimeoutSeconds": 9, "Parameters": {"key.$": "States.UUID()"}, "ResultPath": "$.b",
		"Retry": [{"ErrorEquals": ["States.ALL"]}], "Next": "W"},
	"W": {"Type": "Wait", "Seconds": 60, "Next": "C"},
	"C": {"Type": "Pass", "Parameters": {"seeded.$": "States.Array(States.MathRandom(0, 1000, 42), States.MathRandom(0, 1000, 42))"},
		"ResultPath": "$.c", "End": true}}} $asl$);
SELECT workflow_test.mock_activity('Draw', error => 'Later', times => 2);
SELECT workflow_test.mock_activity('Draw', result => '1');
SELECT workflow.start('Random', workflow_id => 'one');
SELECT workflow_test.run('2030-01-01 00:00:30+00');
CREATE TEMPORARY TABLE drawn AS SELECT e.data->'a'->'ids' AS ids, e.run_id FROM workflow.execution e WHERE workflow_id = 'one';
\o
SELECT ok(ids->>0 ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$', 'a version 4 UUID') FROM drawn;
SELECT ok(ids->0 <> ids->1, 'two calls give two UUIDs') FROM drawn;
SELECT is(count(DISTINCT input)::int, 1, 'all attempts of a task have the same input') FROM workflow_test.calls();
SELECT is(count(*)::int, 3, 'of three attempts') FROM workflow_test.calls();
SELECT ok((SELECT input->>'key' FROM workflow_test.calls() LIMIT 1) <> ids->>0, 'another state has another UUID') FROM drawn;
SELECT is(to_jsonb(r), to_jsonb(e), 'replay draws the same numbers')
FROM workflow.execution e, workflow.rebuild_state(e.run_id) r WHERE e.workflow_id = 'one';
SELECT is(workflow_test.run() > 0, true, 'goes on');
SELECT is(output->'c'->'seeded'->0, output->'c'->'seeded'->1, 'the same seed gives the same number')
FROM workflow.executions WHERE workflow_id = 'one';
\o /dev/null
SELECT workflow.start('Random', workflow_id => 'two');
SELECT workflow_test.run();
\o
SELECT ok(e.output->'a'->'ids' <> d.ids, 'another run has other numbers')
FROM workflow.executions e, drawn d WHERE e.workflow_id = 'two';

SELECT * FROM finish();
ROLLBACK;
