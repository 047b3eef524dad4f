-- What nobody sends, and somebody will: nesting without end, megabytes, odd characters, huge numbers, patterns
-- that could take for ever.  Each gives an error that says what is wrong, or the right answer.
SET client_min_messages = error;	-- no warnings of missing timeouts
SET statement_timeout = '60 s';	-- whatever takes longer has failed
BEGIN;
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.mock_activity('Do', '{"done": true}');

-- What a workflow of these states, which starts in A, makes of an input: its output, or {"Error": …}.
CREATE FUNCTION pg_temp.outcome(states jsonb, input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	id text := gen_random_uuid();
	made jsonb;
BEGIN
	PERFORM workflow.register('Torture', jsonb_build_object('StartAt', 'A', 'States', states));
	PERFORM workflow.start('Torture', input, id);
	PERFORM workflow_test.run();
	SELECT CASE status WHEN 'Completed' THEN output ELSE jsonb_build_object('Error', coalesce(error, status)) END
	INTO STRICT made FROM workflow.executions WHERE workflow_id = id;
	RETURN made;
END $$;
-- What a Pass makes of it with this field, or with this expression as its only parameter.
CREATE FUNCTION pg_temp.passed(fields jsonb, input jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT pg_temp.outcome(jsonb_build_object('A', '{"Type": "Pass", "End": true}' || fields), input) $$;
CREATE FUNCTION pg_temp.computed(expression text, input jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT CASE WHEN made ? 'Error' THEN made ELSE made->'x' END
	FROM pg_temp.passed(jsonb_build_object('Parameters', jsonb_build_object('x.$', expression)), input) made $$;
-- Does a Choice with this rule take it?
CREATE FUNCTION pg_temp.chosen(rule jsonb, input jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT pg_temp.outcome(jsonb_build_object(
		'A', jsonb_build_object('Type', 'Choice', 'Choices', jsonb_build_array(rule || '{"Next": "Yes"}'), 'Default', 'No'),
		'Yes', '{"Type": "Pass", "Result": true, "End": true}'::jsonb,
		'No', '{"Type": "Pass", "Result": false, "End": true}'::jsonb), input) $$;
CREATE FUNCTION pg_temp.codes(definition text) RETURNS text[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(DISTINCT code ORDER BY code), '{}') FROM workflow.validate(definition) WHERE severity = 'error' $$;
-- A document with something nested so deep in it
CREATE FUNCTION pg_temp.nested(depth int, inner_text text DEFAULT '1', opening text DEFAULT '[', closing text DEFAULT ']')
	RETURNS text LANGUAGE sql AS $$ SELECT repeat(opening, depth) || inner_text || repeat(closing, depth) $$;
CREATE FUNCTION pg_temp.machine(pass text) RETURNS text LANGUAGE sql AS
	$$ SELECT '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true, ' || pass || '}}}' $$;
\o

SELECT no_plan();

-- Definitions that are no definitions
SELECT is(pg_temp.codes(definition), expected::text[], name)
FROM (VALUES
	('nothing at all', '', '{InvalidJson}'),
	('a lone bracket', '{', '{InvalidJson}'),
	('ten thousand arrays', pg_temp.nested(10000), '{TooDeep}'),
	('half a million arrays', pg_temp.nested(500000), '{TooDeep}'),
	('a million open arrays', repeat('[', 1000000), '{TooDeep}'),
	('a hundred thousand objects', pg_temp.nested(100000, '1', '{"a":', '}'), '{TooDeep}'),
	('a deep Result', pg_temp.machine('"Result": ' || pg_temp.nested(200)), '{TooDeep}'),
	('deep brackets in a string', pg_temp.machine('"Comment": "' || repeat('[', 10000) || '"'), '{}'),
	('more than a megabyte', pg_temp.machine('"Comment": "' || repeat('x', 1100000) || '"'), '{TooLarge}'),
	('almost a megabyte', pg_temp.machine('"Comment": "' || repeat('x', 1000000) || '"'), '{}'),
	('a NUL', pg_temp.machine('"Comment": "a\u0000b"'), '{InvalidJson}'),
	('a NUL in a key', pg_temp.machine('"x-\u0000": 1'), '{InvalidJson}'),
	('half a surrogate', pg_temp.machine('"Comment": "\ud83d"'), '{InvalidJson}'),
	('surrogates the wrong way round', pg_temp.machine('"Comment": "\ude00\ud83d"'), '{InvalidJson}'),
	('no number', pg_temp.machine('"Result": NaN'), '{InvalidJson}'),
	('infinity', pg_temp.machine('"Result": -Infinity'), '{InvalidJson}'),
	('a number beyond all', pg_temp.machine('"Result": 1e200000'), '{OutOfRange}'),
	('one beyond the exponents', pg_temp.machine('"Result": 1e99999999999999999999'), '{OutOfRange}'),
	('a small one beyond all', pg_temp.machine('"Result": 1e-99999999999999999999'), '{OutOfRange}'),
	('a number with a thousand digits', pg_temp.machine('"Result": ' || repeat('9', 1000)), '{}'),
	('one with two hundred thousand', pg_temp.machine('"Result": ' || repeat('9', 200000)), '{OutOfRange}'),
	('the same key a thousand times', pg_temp.machine('"Result": {' || repeat('"a": 1, ', 999) || '"a": 1}'), '{DuplicateKey}'),
	('keys that are the same once decoded', pg_temp.machine('"Result": {"a": 1, "\u0061": 2}'), '{DuplicateKey}'),
	('keys that only look the same', pg_temp.machine('"Result": {"\u00e9": 1, "e\u0301": 2}'), '{}'),
	('a key that is a prototype', pg_temp.machine('"Result": {"__proto__": 1, "constructor": 2}'), '{}')
) t (name, definition, expected);

-- Those of Parallel and Map nest as well
SELECT is(pg_temp.codes(format('{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "S0"}, %s}}', (
		SELECT string_agg(format('"S%s": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "S%s", "States": {', n, n + 1), '')
		|| '"S1000": {"Type": "Succeed"}' || repeat('}}}', 1000) FROM generate_series(0, 999) n))),
	'{TooDeep}', 'a thousand Maps in each other');

-- Very many of everything
SELECT is(pg_temp.codes('{"StartAt": "0", "States": {' ||
		string_agg(format('"%s": {"Type": "Pass", "Next": "%s"}', n, n + 1), ',' ORDER BY n) || ', "5000": {"Type": "Succeed"}}}'),
	'{}', 'five thousand states') FROM generate_series(0, 4999) n;
SELECT is((SELECT count(*) FROM workflow.validate(('{"StartAt": "A", "States": {' ||
		string_agg(format('"%s": {"Type": "Pass", "Next": "nowhere"}', n), ',') || '}}')) WHERE code = 'UnknownState'),
	1001::bigint, 'a thousand problems') FROM generate_series(1, 1000) n;
SELECT is(pg_temp.codes(pg_temp.machine(format('"InputPath": "$%s"', path))), expected::text[], name)
FROM (VALUES
	('a path of 256 steps', repeat('.a', 256), '{}'),
	('a path of one more', repeat('.a', 257), '{InvalidPath}'),
	('a path of a hundred thousand', repeat('.a', 100000), '{InvalidPath}'),
	('a path with a long name', '.' || repeat('a', 100000), '{}'),
	('filters in filters', repeat('[?(@.a', 1000), '{InvalidPath}'),
	('negations', '[?(' || repeat('!', 10000) || '@.a)]', '{InvalidPath}'),
	('parentheses', '[?(' || repeat('(', 10000) || '@.a' || repeat(')', 10000) || ')]', '{InvalidPath}'),
	('conditions', '[?(@.a' || repeat(' && @.a', 5000) || ')]', '{}'),
	('an index beyond all', '[99999999999999999999]', '{InvalidPath}'),
	('a slice beyond all', '[0:99999999999999999999]', '{InvalidPath}'),
	('brackets that open only', repeat('[', 10000), '{InvalidPath}'),
	('a quote that opens only', '["a', '{InvalidJson}'),
	('recursion on recursion', repeat('..*', 100), '{}')
) t (name, path, expected);
SELECT is(pg_temp.codes(pg_temp.machine(format('"Parameters": {"x.$": "%s"}', call))), expected::text[], name)
FROM (VALUES
	('calls in calls', pg_temp.nested(10000, '$', 'States.Array(', ')'), '{InvalidCall}'),
	('a call with a hundred thousand arguments', 'States.Array(1' || repeat(', 1', 100000) || ')', '{InvalidCall}'),
	('a call that does not end', 'States.Array(' || repeat('1, ', 1000), '{InvalidCall}'),
	('a text that does not end', 'States.Format(''' || repeat('\\''', 1000), '{InvalidCall}')
) t (name, call, expected);

-- SQL expressions
SELECT is(pg_temp.codes(jsonb_build_object('QueryLanguage', 'SQL', 'StartAt', 'A', 'States', jsonb_build_object('A',
		jsonb_build_object('Type', 'Pass', 'End', true, 'Output', value)))::text), expected::text[], name)
FROM (VALUES
	('parentheses', '{% ' || repeat('(', 5000) || '1' || repeat(')', 5000) || ' %}', '{}'),
	('more parentheses than the parser takes', '{% ' || repeat('(', 400000) || '1' || repeat(')', 400000) || ' %}',
		'{InvalidExpression}'),
	('a sum without end', '{% 1' || repeat('+1', 20000) || ' %}', '{InvalidExpression}'),
	('twenty thousand expressions', repeat('{% 1 %} ', 20000), '{}'),
	('two statements', '{% 1; SELECT 2 %}', '{InvalidExpression}'),
	('a comment without end', '{% 1 /* %}', '{InvalidExpression}'),
	('a quote without end', '{% ''a %}', '{InvalidExpression}'),
	('an expression without end', '{% 1', '{InvalidExpression}'),
	('a parameter of ours', '{% $1 %}', '{InvalidExpression}'),
	('the character that is none', '{% chr(0) %}', '{InvalidExpression}'),
	('JSON without end', '{% ''' || repeat('[', 100000) || '''::jsonb %}', '{InvalidExpression}')
) t (name, value, expected);

-- Inputs
SELECT throws_ok($$ SELECT workflow.start('Torture', pg_temp.nested(1000000)::jsonb) $$, '54001', NULL,
	'what jsonb refuses, it refuses before us');
SELECT is(pg_temp.passed('{}', document), document, name)
FROM (VALUES
	('a thousand arrays', pg_temp.nested(1000)::jsonb),
	('a thousand objects', pg_temp.nested(1000, '1', '{"a":', '}')::jsonb),
	('eight megabytes', to_jsonb(repeat('x', 8000000))),
	('a hundred thousand elements', (SELECT jsonb_agg(n) FROM generate_series(1, 100000) n)),
	('a hundred thousand members', (SELECT jsonb_object_agg(n, n) FROM generate_series(1, 100000) n)),
	('a huge number', '1e400'::jsonb),
	('the hugest', '1e131071'::jsonb),
	('the smallest', '1e-16383'::jsonb),
	('10^1000', to_jsonb(10::numeric ^ 1000)),
	('minus zero', '-0.0'::jsonb),
	('the empty key', '{"": {"": ""}}'::jsonb),
	('a key of a hundred thousand characters', jsonb_build_object(repeat('ключ', 25000), 1)),
	('beyond the first plane', '"😀 𝒳 \ud83d\ude00"'::jsonb),
	('what turns text round', to_jsonb(U&'\202E\200F\FEFF\2028\0085'::text)),
	('what is no character', to_jsonb(U&'\FFFE\FFFF\+10FFFF'::text)),
	('accents without letters', to_jsonb(repeat(U&'\0301', 10000)))
) t (name, document);

-- Paths through them
SELECT is(pg_temp.computed(expression, input), expected, name)
FROM (VALUES
	('as far down as a path goes', '$' || repeat('[0]', 256), pg_temp.nested(256)::jsonb, '1'::jsonb),
	('one too many', '$' || repeat('[0]', 256), pg_temp.nested(255)::jsonb, '{"Error": "States.Runtime"}'),
	('the last of many', '$[-1]', (SELECT jsonb_agg(n) FROM generate_series(1, 100000) n), '100000'),
	('a strange name', '$["a]b"][''it\''s'']', '{"a]b": {"it''s": 1}}', '1'),
	('a name of another script', '$.имя.😀', '{"имя": {"😀": 1}}', '1')
) t (name, expression, input, expected);
SELECT is(jsonb_array_length(pg_temp.computed(expression, input)), expected, name)
FROM (VALUES
	('everything in a big document', '$..*', (SELECT jsonb_agg(jsonb_build_object('n', n)) FROM generate_series(1, 50000) n), 100000),
	('everything in a deep one', '$..*', pg_temp.nested(1000)::jsonb, 1000),
	('a name at any depth', '$..a', pg_temp.nested(500, '1', '{"a":', '}')::jsonb, 500),
	('a slice far too long', '$[0:999999999]', '[1, 2, 3]', 3),
	('a slice backwards from nowhere', '$[-999999999:]', '[1, 2, 3]', 3),
	('a filter over many', '$[?(@.n > 99000)]', (SELECT jsonb_agg(jsonb_build_object('n', n)) FROM generate_series(1, 100000) n), 1000)
) t (name, expression, input, expected);

-- Patterns that a backtracking matcher never gets through
SELECT is(pg_temp.chosen(jsonb_build_object('Variable', '$.s', 'StringMatches', pattern), jsonb_build_object('s', subject)),
	expected, name)
FROM (VALUES
	('stars and no match', repeat('*a', 100) || '*b', repeat('a', 100000), 'false'::jsonb),
	('stars and a match at the end', repeat('*a', 100) || '*b', repeat('a', 100000) || 'b', 'true'),
	('nothing but stars', repeat('*', 10000), 'x', 'true'),
	('a long pattern for nothing', repeat('a', 100000), '', 'false'),
	('stars between escapes', repeat('\*', 1000) || '*', repeat('*', 1000), 'true'),
	('a backslash at the end', 'a\', 'a\', 'true')
) t (name, pattern, subject, expected);
SELECT is(pg_temp.chosen(rule, input), expected, name)
FROM (VALUES
	('huge numbers are compared as they are', '{"Variable": "$.n", "NumericGreaterThanPath": "$.m"}'::jsonb,
		jsonb_build_object('n', 10::numeric ^ 1000 + 1, 'm', 10::numeric ^ 1000), 'true'::jsonb),
	('equal numbers written otherwise', '{"Variable": "$.n", "NumericEquals": 1}', '{"n": 1.000}', 'true'),
	('a time that is none', '{"Variable": "$.t", "IsTimestamp": true}', '{"t": "2030-02-30T00:00:00Z"}', 'false'),
	('the end of time', '{"Variable": "$.t", "IsTimestamp": true}', '{"t": "9999-12-31T23:59:59.999999999Z"}', 'true')
) t (name, rule, input, expected);

-- Functions at their limits
SELECT is(pg_temp.computed(call, input), expected, name)
FROM (VALUES
	('a range of a thousand', 'States.ArrayLength(States.ArrayRange(1, 1000, 1))', '{}'::jsonb, '1000'::jsonb),
	('a range of more', 'States.ArrayRange(1, 1001, 1)', '{}', '{"Error": "States.IntrinsicFailure"}'),
	('a range without end', 'States.ArrayRange(1, 9223372036854775807, 1)', '{}', '{"Error": "States.IntrinsicFailure"}'),
	('a range from end to end', 'States.ArrayRange(-9223372036854775808, 9223372036854775807, 9223372036854775807)', '{}',
		'[-9223372036854775808, -1, 9223372036854775806]'),
	('a step of nothing', 'States.ArrayRange(1, 2, 0)', '{}', '{"Error": "States.IntrinsicFailure"}'),
	('a sum too large', 'States.MathAdd($.n, 1)', '{"n": 9223372036854775807}', '{"Error": "States.IntrinsicFailure"}'),
	('a number no integer holds', 'States.MathAdd($.n, 1)', '{"n": 1e400}', '{"Error": "States.IntrinsicFailure"}'),
	('random between extremes', 'States.ArrayLength(States.Array(States.MathRandom(-9223372036854775807, 9223372036854775807)))',
		'{}', '1'),
	('parts of nothing', 'States.ArrayPartition($.a, 0)', '{"a": [1]}', '{"Error": "States.IntrinsicFailure"}'),
	('parts that are too large', 'States.ArrayPartition($.a, 9223372036854775807)', '{"a": [1]}', '[[1]]'),
	('an element beyond all', 'States.ArrayGetItem($.a, 9223372036854775807)', '{"a": [1]}', '{"Error": "States.IntrinsicFailure"}'),
	('a text that is not encoded text', 'States.Base64Decode($.s)', '{"s": "//79"}', '{"Error": "States.IntrinsicFailure"}'),
	('a NUL that was encoded', 'States.Base64Decode($.s)', '{"s": "AGE="}', '{"Error": "States.IntrinsicFailure"}'),
	('JSON that jsonb refuses', 'States.StringToJson($.s)', '{"s": "\"\\u0000\""}', '{"Error": "States.IntrinsicFailure"}'),
	('a number that jsonb refuses', 'States.StringToJson($.s)', '{"s": "1e999999"}', '{"Error": "States.IntrinsicFailure"}'),
	('JSON without end', 'States.StringToJson($.s)', jsonb_build_object('s', repeat('[', 1000000)), '{"Error": "States.IntrinsicFailure"}'),
	('an empty separator', 'States.StringSplit($.s, $.e)', '{"s": "abc", "e": ""}', '["abc"]'),
	('JSON of a deep document', 'States.JsonToString($)', pg_temp.nested(1000)::jsonb, to_jsonb(pg_temp.nested(1000)))
) t (name, call, input, expected);
SELECT is(length(pg_temp.computed(call, input)#>>'{}'), expected, name)
FROM (VALUES
	('a hundred huge arguments', 'States.Format($.t' || repeat(', $.s', 100) || ')',
		jsonb_build_object('t', repeat('{}', 100), 's', repeat('x', 50000)), 5000000),
	('a million braces that hold nothing', 'States.Format($.t)', jsonb_build_object('t', repeat('x', 1000000)), 1000000)
) t (name, call, input, expected);
SELECT is(jsonb_array_length(pg_temp.computed(call, input)), expected, name)
FROM (VALUES
	('a text of separators', 'States.StringSplit($.s, '','')', jsonb_build_object('s', repeat(',', 100000)), 0),
	('a text of many parts', 'States.StringSplit($.s, '','')', jsonb_build_object('s', repeat('a,', 100000)), 100000),
	('JSON of five thousand objects', 'States.StringToJson($.s)', jsonb_build_object('s', '[{}' || repeat(', {}', 4999) || ']'), 5000),
	('unique among many', 'States.ArrayUnique($)', (SELECT jsonb_agg(n % 1000) FROM generate_series(1, 20000) n), 1000)
) t (name, call, input, expected);

-- Loops that wait for nothing
SELECT is(pg_temp.outcome('{"A": {"Type": "Pass", "Next": "B"},
		"B": {"Type": "Choice", "Choices": [{"Variable": "$.never", "IsPresent": true, "Next": "Z"}], "Default": "A"},
		"Z": {"Type": "Succeed"}}', '{}'),
	'{"Error": "OW.TransitionLimitExceeded"}', 'a loop that waits for nothing ends');
SELECT is(pg_temp.outcome('{"A": {"Type": "Pass", "Parameters": {"d.$": "States.Array($.d, $.d)"}, "Next": "A2"},
		"A2": {"Type": "Choice", "Choices": [{"Variable": "$.d[0][0][0][0][0][0][0][0][0][0][0][0][0][0]", "IsPresent": true,
			"Next": "Z"}], "Default": "A"},
		"Z": {"Type": "Pass", "Result": "big", "End": true}}', '{"d": "x"}'),
	'"big"', 'a document that doubles with each turn');

-- Asking again and again
\o /dev/null
CREATE FUNCTION pg_temp.catalog_bytes() RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name = 'order_workflow catalog' $$;
SELECT count(*) FROM workflow.validate('{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Nobody", "End": true}}}'::jsonb);
SELECT pg_temp.catalog_bytes() AS bytes \gset
SELECT count(v) FROM generate_series(1, 1000),
	workflow.validate('{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Nobody", "End": true}}}'::jsonb) v;
\o
SELECT is(pg_temp.catalog_bytes(), :bytes::bigint, 'of an activity that is not registered nothing is kept');

SELECT * FROM finish();
ROLLBACK;
