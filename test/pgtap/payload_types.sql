-- Typed payloads: JSON Schemas and composite types of inputs and outputs, of runs and of activities.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE ROLE payload_starter LOGIN;
SELECT workflow.grant_usage('payload_starter');
CREATE SCHEMA shop;
CREATE TYPE shop.color AS ENUM ('red', 'green');
CREATE FUNCTION shop.is_positive(int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF session_user <> current_user THEN
		RAISE 'who is asking?';
	END IF;
	RETURN $1 > 0;
END $$;
CREATE DOMAIN shop.quantity AS int NOT NULL CHECK (shop.is_positive(VALUE));
CREATE TYPE shop.line AS (sku text, quantity shop.quantity, price numeric(6, 2));
CREATE TYPE shop.order AS (id bigint, placed_at timestamptz, lines shop.line[], color shop.color, note jsonb,
	matrix int[]);
CREATE TYPE shop."Odd Name" AS ("a key" int);

-- A workflow that only has an input of that type
CREATE FUNCTION pg_temp.declare(name text, type jsonb) RETURNS int LANGUAGE sql AS $$
	SELECT workflow.register(name, jsonb_build_object('StartAt', 'A', 'Input', type, 'States', '{"A": {"Type": "Pass", "End": true}}'::jsonb)) $$;

-- What is wrong with an input: NULL when it can be started
CREATE FUNCTION pg_temp.wrong(name text, input jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	PERFORM workflow.start(name, input);
	RETURN NULL;
EXCEPTION WHEN SQLSTATE 'OW013' THEN
	GET STACKED DIAGNOSTICS found = PG_EXCEPTION_DETAIL;
	RETURN found;
END $$;

CREATE FUNCTION pg_temp.wrong(type jsonb, input jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.declare('any', type);
	RETURN pg_temp.wrong('any', input);
END $$;

-- What is wrong with a type
CREATE FUNCTION pg_temp.problems(type jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', code, path, message, hint)
	FROM workflow.validate(jsonb_build_object('StartAt', 'A', 'Output', type, 'States', '{"A": {"Type": "Pass", "End": true}}'::jsonb)) $$;

SELECT workflow_test.begin();
\o
SELECT plan(116);

-- ---- JSON Schema: each keyword, with what fits and what does not ----

SELECT is(pg_temp.wrong(type, fits), NULL, format('%s takes %s', type, fits))
FROM (VALUES
	('{}'::jsonb, '[1, "a", null]'::jsonb),
	('{"type": "object"}', '{"any": {"key": 1}}'),
	('{"type": "string"}', '"x"'), ('{"type": ["string", "null"]}', 'null'), ('{"type": "boolean"}', 'false'),
	('{"type": "integer"}', '5.0'), ('{"type": "integer"}', '1e300'), ('{"type": "number"}', '5.5'),
	('{"enum": [1, "a", {"b": [2]}]}', '{"b": [2.0]}'), ('{"const": null}', 'null'),
	('{"minimum": 0.1, "maximum": 0.3}', '0.30'), ('{"exclusiveMinimum": 0.1}', '0.1000000000000000000000000000001'),
	('{"minimum": 5}', '"not a number"'),
	('{"minLength": 2, "maxLength": 2}', '"äö"'), ('{"pattern": "^[a-z]+\\d$"}', '"abc1"'), ('{"pattern": "b"}', '"abc"'),
	('{"format": "date-time"}', '"2030-01-31T12:00:00+01:00"'), ('{"format": "date"}', '"2028-02-29"'),
	('{"format": "uuid"}', '"0190163D-8694-739B-AEA5-966C26F8AD91"'),
	('{"items": {"type": "integer"}, "minItems": 2, "maxItems": 2, "uniqueItems": true}', '[1, 2]'),
	('{"uniqueItems": true}', '[1, "1", [1], {"a": 1}, {"a": 2}]'),
	('{"properties": {"a": {}}, "additionalProperties": true}', '{"b": 1}'),
	('{"properties": {"a": {}}, "additionalProperties": {"type": "integer"}, "required": ["b"]}', '{"a": "x", "b": 1}'),
	('{"required": ["b"]}', '{"b": 1, "c": 2}'),
	('{"title": "t", "description": "d", "default": 1, "examples": [1], "$comment": "c", "type": "object"}', '{}')
) AS v (type, fits);

SELECT is(pg_temp.wrong(type, input), expected, format('%s does not take %s', type, left(input::text, 50)))
FROM (VALUES
	('{"type": "object"}'::jsonb, '[1]'::jsonb, '$: expected an object, got an array'),
	('{"type": ["integer", "null"]}', '"x"', '$: expected a whole number or null, got "x"'),
	('{"type": "integer"}', '5.5', '$: expected a whole number, got 5.5'),
	('{"type": "integer"}', '123456789012345678901234567890.1', '$: expected a whole number, got 123456789012345678901234567890.1'),
	('{"enum": ["EUR", "USD"]}', '"GBP"', '$: expected one of "EUR", "USD", got "GBP"'),
	('{"const": {"a": 1}}', '{"a": 2}', '$: expected {"a": 1}, got {"a": 2}'),
	('{"minimum": 0.3}', '0.29999999999999999999999', '$: expected a number of at least 0.3, got 0.29999999999999999999999'),
	('{"maximum": 9007199254740992}', '9007199254740993', '$: expected a number of at most 9007199254740992, got 9007199254740993'),
	('{"exclusiveMinimum": 1}', '1.0', '$: expected a number greater than 1, got 1.0'),
	('{"exclusiveMaximum": 1}', '1', '$: expected a number less than 1, got 1'),
	('{"minLength": 3}', '"äö"', '$: expected at least 3 characters, got "äö"'),
	('{"maxLength": 3}', '"äöüß"', '$: expected at most 3 characters, got 4'),
	('{"pattern": "^a+$"}', '"ab"', '$: expected text that matches "^a+$", got "ab"'),
	('{"format": "date-time"}', '"2030-01-31 12:00"', '$: expected an RFC 3339 timestamp such as "2030-01-31T12:00:00Z", got "2030-01-31 12:00"'),
	('{"format": "date"}', '"2030-02-29"', '$: expected a date such as "2030-01-31", got "2030-02-29"'),
	('{"format": "uuid"}', '"0190163d"', '$: expected a UUID, got "0190163d"'),
	('{"items": {"type": "integer"}}', '[1, "2", 3]', '$[1]: expected a whole number, got "2"'),
	('{"minItems": 2}', '[1]', '$: expected at least 2 items, got 1'),
	('{"maxItems": 1}', '[1, 2]', '$: expected at most 1 items, got 2'),
	('{"uniqueItems": true}', '[{"a": 1}, 2, {"a": 1}]', '$: expected each item once, got {"a": 1} twice'),
	('{"properties": {"customer": {}}}', '{"custmer": 1}', '$.custmer: unknown key; did you mean "customer"?'),
	('{"properties": {}}', '{"x y''z": 1}', '$[''x y\''z'']: unknown key'),
	('{"properties": {"a": {"properties": {"b": {"type": "string"}}, "required": ["b", "c"], "additionalProperties": true}}}',
	 '{"a": {"b": 1}}', E'$.a.b: expected a string, got 1\n$.a.c: required, but missing'),
	('{"additionalProperties": {"type": "integer"}}', '{"a": "x"}', '$.a: expected a whole number, got "x"'),
	('{"maxLength": 1}', to_jsonb(repeat('ä', 60)), '$: expected at most 1 characters, got 60'),
	('{"type": "null"}', to_jsonb(repeat('ä', 60)), '$: expected null, got "' || repeat('ä', 39) || '...'),
	('{"items": {"type": "null"}}', (SELECT jsonb_agg(i) FROM generate_series(1, 100) i),
	 (SELECT string_agg(format('$[%s]: expected null, got %s', i - 1, i), E'\n' ORDER BY i) || E'\n...' FROM generate_series(1, 10) i))
) AS v (type, input, expected);

SELECT results_eq(format('SELECT * FROM pg_temp.problems(%L)', type), ARRAY[expected], format('%s is no type', type))
FROM (VALUES
	('{"type": "strimg"}', 'InvalidValue Output.type Output.type is not the name of a JSON type Did you mean "string"?'),
	('{"propertiez": {}}', 'UnknownField Output.propertiez unknown field "propertiez" in Output Did you mean "properties"?'),
	('{"properties": {"a": {"oneOf": []}}}', 'NotSupported Output.properties.a.oneOf field "oneOf" in Output.properties.a is not supported yet'),
	('{"properties": {"a": true}}', 'WrongType Output.properties.a Output.properties.a must be an object, not a boolean'),
	('{"pattern": "("}', 'InvalidValue Output.pattern field "pattern" in Output is not a regular expression: parentheses () not balanced It is read as a regular expression of PostgreSQL, as by the operator ~.'),
	('{"format": "email"}', 'InvalidValue Output.format field "format" in Output must be "date-time" or "date" or "uuid", not "email"'),
	('{"minimum": 2, "maximum": 1.5}', 'OutOfRange Output.minimum field "minimum" in Output is greater than "maximum": nothing would fit'),
	('{"minLength": -1}', 'OutOfRange Output.minLength field "minLength" in Output must be a whole number from 0 to 2147483647'),
	('{"properties": {"first": {}}, "required": ["firzt"]}', 'InvalidValue Output.required[0] Output.required[0] is "firzt", which is not one of "properties": nothing would fit Did you mean "first"?'),
	('{"enum": []}', 'InvalidValue Output.enum field "enum" in Output is empty: nothing would fit'),
	('{"enum": [1], "const": 1}', 'ExclusiveFields Output.const Output has both "enum" and "const" Keep one of them.'),
	('"shop"', 'InvalidName Output field "Output" in the definition is not the qualified name of a type: "shop" Name a composite type with its schema, as in "shop.order", or give a JSON Schema.'),
	('"shop.ordr"', 'InvalidPayloadType Output field "Output" in the definition: there is no composite type shop.ordr Create it first, with CREATE TYPE.'),
	('"shop.color"', 'InvalidPayloadType Output field "Output" in the definition: there is no composite type shop.color Create it first, with CREATE TYPE.')
) AS v (type, expected);

-- ---- composite types ----

SELECT is(pg_temp.wrong('"shop.order"'::jsonb, input), expected, format('a shop.order and %s', input))
FROM (VALUES
	('{"id": 1, "placed_at": "2030-01-01 00:00+00", "lines": [{"sku": 7, "quantity": "2", "price": 9.99}], "color": "red", "note": [1], "matrix": [[1, 2], [3, 4]]}'::jsonb, NULL),
	('{}', NULL),
	('{"id": null, "lines": null}', NULL),
	('null', '$: expected an object, got null'),
	('{"id": "1x"}', '$.id: expected a value of type bigint: invalid input syntax for type bigint: "1x"'),
	('{"id": 1e30}', '$.id: expected a value of type bigint: value "1000000000000000000000000000000" is out of range for type bigint'),
	('{"idd": 1}', '$.idd: unknown key; did you mean "id"?'),
	('{"color": "blue", "placed_at": "soon"}', E'$.color: expected a value of type shop.color: invalid input value for enum shop.color: "blue"\n'
		'$.placed_at: expected a value of type timestamp with time zone: invalid input syntax for type timestamp with time zone: "soon"'),
	('{"lines": {"sku": "a"}}', '$.lines: expected an array or null, got an object'),
	('{"lines": [{"sku": "a", "price": 12345, "quantity": 1}]}', '$.lines[0].price: expected a value of type numeric(6,2): numeric field overflow'),
	('{"lines": [{"quantity": null}, {}]}', E'$.lines[0].quantity: expected anything but null, got null\n$.lines[1].quantity: required, but missing'),
	('{"matrix": [[1, 2], [3]]}', '$.matrix: expected arrays of the same length within the array')
) AS v (input, expected);
SELECT is(pg_temp.wrong('"shop.\"Odd Name\""'::jsonb, '{"a key": "x"}'),
	'$[''a key'']: expected a value of type integer: invalid input syntax for type integer: "x"', 'names are quoted as in SQL');
SELECT is(pg_temp.wrong('"shop.order"'::jsonb, '{"lines": [{"quantity": -1}]}'), NULL, 'no CHECK of a domain is evaluated at start');

-- A type is found by its name each time.
\o /dev/null
SELECT pg_temp.declare('changing', '"shop.order"');
ALTER TYPE shop.order ADD ATTRIBUTE express boolean;
\o
SELECT is(pg_temp.wrong('changing', '{"express": true}'), NULL, 'a new column is a new key');
ALTER TYPE shop.line RENAME ATTRIBUTE sku TO article;
SELECT is(pg_temp.wrong('changing', '{"lines": [{"sku": "a", "quantity": 1}]}'), '$.lines[0].sku: unknown key', 'so is that of a type within');
ALTER DOMAIN shop.quantity DROP NOT NULL;
SELECT is(pg_temp.wrong('changing', '{"lines": [{}]}'), NULL, 'a domain that takes NULL now');
ALTER TYPE shop.order RENAME TO purchase;
SELECT is(pg_temp.wrong('changing', '{}'), 'composite type shop."order" does not exist', 'a type that has gone');
ALTER TYPE shop.purchase RENAME TO "order";
ALTER TYPE shop.line RENAME ATTRIBUTE article TO sku;

-- The starter's session runs nobody's code.
\o /dev/null
SELECT workflow.grant_workflow('payload_starter', 'changing', '{start}');
SET LOCAL SESSION AUTHORIZATION payload_starter;
\o
SELECT lives_ok($$ SELECT workflow.start('changing', '{"lines": [{"quantity": 0}]}') $$, 'another role starts without the owner''s functions');
SELECT throws_ok($$ SELECT workflow.start('changing', '{"lines": [{"quantity": "many"}]}') $$, 'OW013', NULL, 'and has its mistakes found');
SELECT results_eq($$ SELECT code, message FROM workflow.validate('{"StartAt": "A", "Input": "shop.order", "States": {"A": {"Type": "Pass", "End": true}}}'::text) $$,
	$$ VALUES ('TypeNotPermitted', 'field "Input" in the definition: role "payload_starter" may not use type shop."order"') $$,
	'a type that one may not use is none to declare');
RESET SESSION AUTHORIZATION;

SELECT throws_ok($$ SELECT workflow.start_many('changing', '{"{}", "{\"id\": [1]}"}') $$, 'OW013', NULL, 'each input of many is checked');
SELECT is_empty($$ SELECT FROM workflow.executions WHERE workflow = 'changing' AND input = '{"id": [1]}' $$, 'nothing was started');

-- ---- outputs ----

\o /dev/null
CREATE FUNCTION public.nothing(jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity(name, 'public.nothing(jsonb)') FROM unnest('{Pay,Refund}'::text[]) name;
SELECT workflow_test.mock_activity(name, '{"paid": 1}') FROM unnest('{Pay,Refund}'::text[]) name;
SELECT workflow.register('priced', $asl${
	"StartAt": "Pay", "OnError": "Undo",
	"Output": {"type": "object", "properties": {"total": {"type": "number", "minimum": 0}, "paid": {}}, "required": ["total"]},
	"States": {
		"Pay": {"Type": "Task", "Resource": "Pay", "Compensate": "Refund", "ResultPath": "$.paid", "End": true,
			"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Undo"}]},
		"Undo": {"Type": "Compensate", "Next": "Tell"},
		"Tell": {"Type": "Choice", "Choices": [{"Variable": "$.mend", "IsPresent": true, "Next": "Mend"}], "Default": "Told"},
		"Mend": {"Type": "Pass", "Parameters": {"total": 0}, "End": true},
		"Told": {"Type": "Succeed", "OutputPath": "$$.Execution.Error"}}}$asl$);
SELECT workflow.register('closing', '{"StartAt": "A", "Output": "shop.order", "States": {"A": {"Type": "Wait", "Seconds": 5, "Next": "B"}, "B": {"Type": "Succeed"}}}');
SELECT workflow.register('canceled', '{"StartAt": "A", "OnCancel": "B", "Output": {"type": "null"}, "States": {"A": {"Type": "Wait", "Seconds": 5, "Next": "B"}, "B": {"Type": "Succeed"}}}');
SELECT workflow.register('branches', $asl${
	"StartAt": "Both", "Output": {"items": {"type": "integer"}},
	"States": {"Both": {"Type": "Parallel", "End": true, "Branches": [
		{"StartAt": "A", "States": {"A": {"Type": "Succeed", "OutputPath": "$.a"}}},
		{"StartAt": "B", "States": {"B": {"Type": "Wait", "Seconds": 1, "OutputPath": "$.b", "End": true}}}]}}}$asl$);
SELECT workflow.start('branches', '{"a": 1, "b": 2}', 'whole');
SELECT workflow.start('branches', '{"a": 1, "b": "2"}', 'not whole');
SELECT workflow.start('priced', '{"total": 5}', 'good');
SELECT workflow.start('priced', '{"total": -5}', 'bad');
SELECT workflow.start('priced', '{"total": -5, "mend": 1}', 'mended');
SELECT workflow.start('closing', '{"id": 1}', 'row');
SELECT workflow.start('closing', '{"id": "one"}', 'no row');
SELECT workflow.start('canceled', '{}', 'canceled');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
SELECT workflow.cancel('canceled');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('good', '{"total": 5, "paid": {"paid": 1}}');
SELECT workflow_test.failed('bad', 'OW.InvalidOutput');
SELECT workflow_test.state_path('bad', '{Pay,Undo,Tell,Told}');
SELECT workflow_test.compensated('bad', '{Refund}');
SELECT workflow_test.completed('mended', '{"total": 0}');
SELECT matches(cause, '^\$.Cause: unknown key.*\$.total: required, but missing$', 'the output on the way of OnError is checked as well, and its failure goes nowhere')
FROM workflow.executions WHERE workflow_id = 'bad';
SELECT is(attributes - 'output', '{"error": "OW.InvalidOutput", "cause": "$.total: expected a number of at least 0, got -5"}', 'history has the reason')
FROM workflow.history WHERE workflow_id = 'bad' AND event_type = 'WorkflowExecutionOutputRejected' AND state = 'Pay';
SELECT workflow_test.completed('whole', '[1, 2]');
SELECT is(cause, '$[1]: expected a whole number, got "2"', 'what branches give is not checked, but the whole is') FROM workflow.executions WHERE workflow_id = 'not whole';
SELECT workflow_test.completed('row', '{"id": 1}');
SELECT workflow_test.failed('no row', 'OW.InvalidOutput');
SELECT is(status, 'Canceled', 'what is canceled has no output to check') FROM workflow.executions WHERE workflow_id = 'canceled';
ALTER TYPE shop.order RENAME TO purchase;
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'every run is as its history says, whatever became of the type');
ALTER TYPE shop.purchase RENAME TO "order";

-- ---- activities ----

\o /dev/null
CREATE TABLE public.calls (input jsonb);
CREATE FUNCTION public.note(input jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO public.calls VALUES (input)';
SELECT workflow.register_activity('Schema', 'public.note(jsonb)', options => '{"Input": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}');
SELECT workflow.register_activity('Row', 'public.note(jsonb)', options => '{"Input": "shop.line"}');
SELECT workflow.register_activity('Mocked', 'public.note(jsonb)', options => '{"Input": "shop.line"}');
SELECT workflow_test.allow_activity(unnest('{Schema,Row}'::text[]));
SELECT workflow_test.mock_activity('Mocked');
SELECT workflow.register(name, format('{"StartAt": "A", "States": {
	"A": {"Type": "Task", "Resource": "%s", "Retry": [{"ErrorEquals": ["States.ALL"]}],
		"Catch": [{"ErrorEquals": ["OW.InvalidInput"], "Next": "B"}], "End": true},
	"B": {"Type": "Succeed", "OutputPath": "$.Cause"}}}', name)) FROM unnest('{Schema,Row,Mocked}'::text[]) name;
SELECT workflow.start('Schema', '{"n": 1}', 's1');
SELECT workflow.start('Schema', '{"n": "1"}', 's2');
SELECT workflow.start('Row', '{"sku": "a", "quantity": 1}', 'r1');
SELECT workflow.start('Row', '{"sku": "a", "quantity": "x"}', 'r2');
SELECT workflow.start('Row', '{"sku": "a", "quantity": -1}', 'r3');
SELECT workflow.start('Mocked', '{"sku": "a"}', 'm1');
SELECT workflow.start('Mocked', '{"ska": "a"}', 'm2');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('s1', 'null');
SELECT workflow_test.completed('s2', '"input of activity \"Schema\" is not of its declared type: $.n: expected a whole number, got \"1\""');
SELECT workflow_test.completed('r1', 'null');
SELECT workflow_test.completed('r2', '"input of activity \"Row\" is not of its declared type: $.quantity: expected a value of type integer: invalid input syntax for type integer: \"x\""');
SELECT workflow_test.completed('r3', '"value for domain shop.quantity violates check constraint \"quantity_check\""');
SELECT workflow_test.completed('m1', 'null');
SELECT workflow_test.completed('m2', '"input of activity \"Mocked\" is not of its declared type: $.ska: unknown key; did you mean \"sku\"?"');
SELECT is(count(*), 2::bigint, 'the function was called for inputs that fit') FROM public.calls;
SELECT is(max(attempt), 1, 'nothing was tried again') FROM workflow_test.calls() WHERE workflow_id IN ('s2', 'r2', 'r3', 'm2');
SELECT throws_ok($$ SELECT workflow.register_activity('Bad', 'public.note(jsonb)', options => '{"Input": "shop.nothing"}') $$, '22023',
	'invalid options of activity "Bad"', 'the type of an activity''s input must be there');
SELECT throws_ok($$ SELECT workflow.register('inner', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Row", "Input": "shop.line", "End": true}}}') $$,
	'OW001', NULL, 'it belongs to the activity''s registration, not to a Task');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'every run is as its history says');

-- ---- the key for editors ----

SELECT is(pg_temp.wrong('{"uniqueItems": true}'::jsonb, '[1, 1.0]') IS NOT NULL, true, 'numbers are compared by value');
SELECT is_empty($$ SELECT * FROM workflow.validate('{"$schema": "../doc/definition.schema.json", "StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'::text) $$,
	'$schema is accepted');

SELECT * FROM finish();
ROLLBACK;
