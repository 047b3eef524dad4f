-- Paths, payload templates, ResultPath and Choice rules: tables of expressions, each with what it
-- gives for a document.  Every row runs as a workflow of one state, on a virtual clock.
BEGIN;
\o /dev/null
SELECT workflow_test.begin();

CREATE TABLE pg_temp.documents (name text, document jsonb);
INSERT INTO pg_temp.documents VALUES
('store', $json${
	"a": {"b": [10, 20, {"c": "x"}, [1, 2]]},
	"items": [{"p": 5, "n": "a"}, {"p": 15, "n": "b", "o": null}, {"n": "c"}, [{"p": 99}]],
	"k k": 1, "a-b": {"é": 2}, "s": "text", "nul": null
}$json$),
('values', $json${
	"s": "log-2023*.txt", "n": 5, "b": true, "nul": null, "empty": "",
	"t": "2030-01-01T00:00:00Z", "same": "2030-01-01T01:00:00+01:00", "later": "2030-01-01T00:00:01Z"
}$json$);

-- What a workflow makes of a document: its output, or its error as {"Error": …}.
CREATE FUNCTION pg_temp.outcome(definition jsonb, document_name text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	id text := gen_random_uuid();
	made jsonb;
BEGIN
	PERFORM workflow.register('DataFlow', definition);
	PERFORM workflow.start('DataFlow', document, id) FROM pg_temp.documents WHERE name = document_name;
	PERFORM workflow_test.run();
	SELECT CASE status WHEN 'Completed' THEN output ELSE jsonb_build_object('Error', error) END
	INTO STRICT made FROM workflow.executions WHERE workflow_id = id;
	RETURN made;
END $$;
\o

SELECT no_plan();

-- InputPath reads
SELECT is(pg_temp.outcome(jsonb_build_object('StartAt', 'P', 'States', jsonb_build_object('P',
		jsonb_build_object('Type', 'Pass', 'InputPath', path, 'End', true))), 'store'),
	expected::jsonb, 'reads ' || path)
FROM (VALUES
	('$.a.b', '[10, 20, {"c": "x"}, [1, 2]]'),
	('$.a.b[0]', '10'),
	('$.a.b[-1]', '[1, 2]'),
	('$.a.b[2].c', '"x"'),
	('$["a"][''b''][1]', '20'),
	('$[''k k'']', '1'),
	('$.k\ k', '1'),
	('$.a-b.é', '2'),
	('$.nul', 'null'),
	('$.a.b[9]', '{"Error": "States.Runtime"}'),
	('$.a.x', '{"Error": "States.Runtime"}'),
	('$.s.x', '{"Error": "States.Runtime"}'),
	('$.nul.x', '{"Error": "States.Runtime"}'),
	('$.items.p', '{"Error": "States.Runtime"}'),
	-- queries give arrays, and never fail
	('$.items[*].p', '[5, 15]'),
	('$.none[*].p', '[]'),
	('$.s[*]', '[]'),
	('$.a.*', '[[10, 20, {"c": "x"}, [1, 2]]]'),
	('$.items[0:2].n', '["a", "b"]'),
	('$.items[-2:]', '[{"n": "c"}, [{"p": 99}]]'),
	('$.items[:1].n', '["a"]'),
	('$.items[::2].n', '["a", "c"]'),
	('$.items[2:99].n', '["c"]'),
	('$.items[0,2].n', '["a", "c"]'),
	('$.items[0][''p'',''n'',''z'']', '[5, "a"]'),
	('$..p', '[5, 15, 99]'),
	('$..c', '["x"]'),
	('$..[0]', '[10, 1, {"n": "a", "p": 5}, {"p": 99}]'),
	('$.items[?(@.p)].n', '["a", "b"]'),
	('$.items[?(!@.p)].n', '["c"]'),
	('$.items[?(@.p > 10)].n', '["b"]'),
	('$.items[?(@.p>=5&&@.p<15)].n', '["a"]'),
	('$.items[?(@.o == null)].n', '["b"]'),
	('$.items[?(@.n == ''a'' || @.n == "c")].n', '["a", "c"]'),
	('$.items[?(@.p == $.a.b[0] || (@.p != 5 && @.n == ''b''))].n', '["b"]'),
	('$.items[?(@.p < ''z'')].n', '[]'),
	('$.a.b[?(@ > 10)]', '[20]'),
	('$..[?(@.n)].n', '["a", "b", "c"]')
) AS paths (path, expected);

-- ResultPath writes
SELECT is(pg_temp.outcome(jsonb_build_object('StartAt', 'I', 'States', jsonb_build_object(
		'I', jsonb_build_object('Type', 'Pass', 'Result', document::jsonb, 'Next', 'P'),
		'P', jsonb_build_object('Type', 'Pass', 'Result', 'new', 'ResultPath', path::jsonb, 'End', true))),
		'store'),
	expected::jsonb, 'writes ' || path || ' into ' || document)
FROM (VALUES
	('{"a": 1}', '"$"', '"new"'),
	('{"a": 1}', 'null', '{"a": 1}'),
	('{"a": 1}', '"$.a"', '{"a": "new"}'),
	('{"a": 1}', '"$.b.c"', '{"a": 1, "b": {"c": "new"}}'),
	('{"a": {"x": 1}}', '"$.a.b"', '{"a": {"b": "new", "x": 1}}'),
	('{"a": [1, {"x": 2}]}', '"$.a[1].y"', '{"a": [1, {"x": 2, "y": "new"}]}'),
	('[1, 2]', '"$[0]"', '["new", 2]'),
	('{"a": 1}', '"$[''b c'']"', '{"a": 1, "b c": "new"}'),
	('{"a": 1}', '"$.a.b"', '{"Error": "States.ResultPathMatchFailure"}'),
	('{"a": [1]}', '"$.a[1]"', '{"Error": "States.ResultPathMatchFailure"}'),
	('{}', '"$.a[0]"', '{"Error": "States.ResultPathMatchFailure"}'),
	('[1]', '"$.a"', '{"Error": "States.ResultPathMatchFailure"}'),
	('5', '"$.a"', '{"Error": "States.ResultPathMatchFailure"}')
) AS writes (document, path, expected);

-- Parameters
SELECT is(pg_temp.outcome(jsonb_build_object('StartAt', 'P', 'States', jsonb_build_object('P',
		jsonb_build_object('Type', 'Pass', 'Parameters', template::jsonb, 'End', true))), 'store'),
	expected::jsonb, 'fills ' || template)
FROM (VALUES
	('{}', '{}'),
	('"constant"', '"constant"'),
	('{"a": [1, {"b": null}]}', '{"a": [1, {"b": null}]}'),
	('{"a.$": "$.s", "b": {"c.$": "$.a.b[1]", "d": 1}}', '{"a": "text", "b": {"c": 20, "d": 1}}'),
	('{"a": [{"b.$": "$.nul"}, 2]}', '{"a": [{"b": null}, 2]}'),
	('[{"all.$": "$.items[*].n"}]', '[{"all": ["a", "b", "c"]}]'),
	('{"of.$": "$$.State.Name"}', '{"of": "P"}'),
	('{"a.$": "$.missing"}', '{"Error": "States.Runtime"}')
) AS templates (template, expected);

-- Choice rules
SELECT is(pg_temp.outcome(jsonb_build_object('StartAt', 'C', 'States', jsonb_build_object(
		'C', jsonb_build_object('Type', 'Choice', 'Default', 'N', 'Choices',
			jsonb_build_array(rule::jsonb || '{"Next": "Y"}')),
		'Y', '{"Type": "Pass", "Result": true, "End": true}'::jsonb,
		'N', '{"Type": "Pass", "Result": false, "End": true}'::jsonb)), 'values'),
	expected::jsonb, 'decides ' || rule)
FROM (VALUES
	('{"Variable": "$.s", "StringEquals": "log-2023*.txt"}', 'true'),
	('{"Variable": "$.n", "StringEquals": "5"}', 'false'),
	('{"Variable": "$.s", "StringLessThan": "m"}', 'true'),
	('{"Variable": "$.empty", "StringLessThan": ""}', 'false'),
	('{"Variable": "$.empty", "StringLessThanEquals": ""}', 'true'),
	('{"Variable": "$.s", "StringGreaterThan": "log"}', 'true'),
	('{"Variable": "$.s", "StringGreaterThanEqualsPath": "$.t"}', 'true'),
	('{"Variable": "$.s", "StringEqualsPath": "$.n"}', 'false'),
	('{"Variable": "$.s", "StringMatches": "log-*.txt"}', 'true'),
	('{"Variable": "$.s", "StringMatches": "log-*\\*.txt"}', 'true'),
	('{"Variable": "$.s", "StringMatches": "log-202\\*.txt"}', 'false'),
	('{"Variable": "$.s", "StringMatches": "log"}', 'false'),
	('{"Variable": "$.empty", "StringMatches": "*"}', 'true'),
	('{"Variable": "$.n", "StringMatches": "*"}', 'false'),
	('{"Variable": "$.n", "NumericEquals": 5.0}', 'true'),
	('{"Variable": "$.n", "NumericLessThan": 5.5}', 'true'),
	('{"Variable": "$.n", "NumericGreaterThan": 5}', 'false'),
	('{"Variable": "$.n", "NumericGreaterThanEqualsPath": "$.n"}', 'true'),
	('{"Variable": "$.s", "NumericEquals": 5}', 'false'),
	('{"Variable": "$.b", "BooleanEquals": true}', 'true'),
	('{"Variable": "$.nul", "BooleanEquals": false}', 'false'),
	('{"Variable": "$.t", "TimestampEqualsPath": "$.same"}', 'true'),
	('{"Variable": "$.t", "TimestampLessThanPath": "$.later"}', 'true'),
	('{"Variable": "$.t", "TimestampGreaterThan": "2029-12-31T23:59:59.999Z"}', 'true'),
	('{"Variable": "$.s", "TimestampLessThan": "2031-01-01T00:00:00Z"}', 'false'),
	('{"Variable": "$.nul", "IsNull": true}', 'true'),
	('{"Variable": "$.n", "IsNull": false}', 'true'),
	('{"Variable": "$.nul", "IsPresent": true}', 'true'),
	('{"Variable": "$.missing", "IsPresent": true}', 'false'),
	('{"Variable": "$.missing", "IsPresent": false}', 'true'),
	('{"Variable": "$.n", "IsNumeric": true}', 'true'),
	('{"Variable": "$.s", "IsString": true}', 'true'),
	('{"Variable": "$.b", "IsBoolean": false}', 'false'),
	('{"Variable": "$.same", "IsTimestamp": true}', 'true'),
	('{"Variable": "$.s", "IsTimestamp": true}', 'false'),
	('{"Not": {"Variable": "$.b", "BooleanEquals": true}}', 'false'),
	('{"And": [{"Variable": "$.n", "IsNumeric": true}, {"Variable": "$.n", "NumericLessThan": 9}]}', 'true'),
	('{"And": [{"Variable": "$.missing", "IsPresent": true}, {"Variable": "$.missing", "IsNull": true}]}', 'false'),
	('{"Or": [{"Variable": "$.b", "BooleanEquals": true}, {"Variable": "$.missing", "IsNull": true}]}', 'true'),
	('{"Or": [{"Variable": "$.b", "BooleanEquals": false}, {"Not": {"Variable": "$.n", "IsNull": true}}]}', 'true'),
	('{"Variable": "$.missing", "IsNull": true}', '{"Error": "States.Runtime"}'),
	('{"Variable": "$.missing", "StringEquals": "x"}', '{"Error": "States.Runtime"}'),
	('{"Variable": "$.n", "NumericEqualsPath": "$.missing"}', '{"Error": "States.Runtime"}')
) AS rules (rule, expected);

SELECT * FROM finish();
ROLLBACK;
