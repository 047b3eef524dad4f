-- "QueryLanguage": "SQL": values, fields, what is refused, and what an expression cannot do.
BEGIN;
\o /dev/null
SELECT workflow_test.begin();

CREATE SCHEMA shop;
CREATE TABLE shop.product (sku text PRIMARY KEY, price numeric NOT NULL);
INSERT INTO shop.product VALUES ('lamp', 12.5), ('chair', 80);
CREATE FUNCTION shop.price(sku text) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT p.price FROM shop.product p WHERE p.sku = $1);
END $$;
CREATE FUNCTION shop.add_product(sku text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO shop.product VALUES ($1, 1);
	RETURN 1;
END $$;
CREATE FUNCTION shop.liar() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN shop.add_product(''lie''); END';
CREATE FUNCTION shop.setter() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM set_config('work_mem', '1234kB', false);
	RETURN current_setting('work_mem');
END $$;
CREATE FUNCTION shop.pedant() RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM pg_sleep(60);
	RETURN 1;
EXCEPTION WHEN query_canceled THEN
	RETURN 2;
END $$;
SET LOCAL check_function_bodies = off;
CREATE FUNCTION shop.unqualified(sku text) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT price FROM product LIMIT 1';
CREATE TYPE shop.size AS (width int, height int);

CREATE FUNCTION pg_temp.sql_machine(states jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('QueryLanguage', 'SQL', 'StartAt', 'S', 'States', states) $$;

-- The id of a run of these states, which starts at S
CREATE FUNCTION pg_temp.ran(states jsonb, input jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id text := gen_random_uuid();
BEGIN
	PERFORM workflow.register('SQL', pg_temp.sql_machine(states));
	PERFORM workflow.start('SQL', input, id);
	PERFORM workflow_test.run();
	RETURN id;
END $$;

-- What became of it
CREATE FUNCTION pg_temp.outcome(id text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT CASE WHEN e.status = 'Completed' THEN e.output
		ELSE jsonb_strip_nulls(jsonb_build_object('Status', e.status, 'Error', coalesce(e.error, e.stuck->>'Error'),
			'Cause', coalesce(e.cause, e.stuck->>'Cause'))) END
	FROM workflow.executions e WHERE e.workflow_id = id $$;

CREATE FUNCTION pg_temp.value(template jsonb, input jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT pg_temp.outcome(pg_temp.ran(jsonb_build_object('S',
		jsonb_build_object('Type', 'Pass', 'Output', template, 'End', true)), input)) $$;

CREATE FUNCTION pg_temp.problems(state jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT message || coalesce(' | ' || hint, '')
	FROM workflow.validate(pg_temp.sql_machine(jsonb_build_object('S', state))) WHERE severity = 'error' OR code = 'LeftoverPath' $$;

CREATE FUNCTION do_nothing(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
SELECT workflow.register_activity('Do', 'do_nothing(jsonb)', options => '{"TimeoutSeconds": 60}');
SELECT workflow.register_activity('Undo', 'do_nothing(jsonb)', options => '{"TimeoutSeconds": 60}');
SELECT workflow_test.mock_activity('Do', error => 'Oops', message => 'why', input => '{"ok": false}');
SELECT workflow.register_activity('do:ask', 'do_nothing(jsonb)');
SELECT workflow_test.allow_activity(activity) FROM unnest('{Do,Undo,do:ask}'::text[]) AS activity;
\o

SELECT no_plan();

-- Values: of any type when alone, text within text
SELECT is(pg_temp.value(template::jsonb, '{"n": 2, "t": "it''s", "null": null, "lines": [{"sku": "lamp", "amount": 2}, {"sku": "chair", "amount": 1}]}'),
	expected::jsonb, template)
FROM (VALUES
	('5', '5'),
	('"plain"', '"plain"'),
	('{"a": [], "b": {}, "c": null, "d": [true, "x"]}', '{"a": [], "b": {}, "c": null, "d": [true, "x"]}'),
	('"{% input->''n'' %}"', '2'),
	('"{%input->>''n''%}"', '"2"'),
	('"{% (input->>''n'')::int * 1.50 %}"', '3.00'),
	('"{% input ? ''n'' %}"', 'true'),
	('"{% NULL %}"', 'null'),
	('"{% input->''null'' %}"', 'null'),
	('"{% input->''none'' %}"', 'null'),
	('"{% ''text'' %}"', '"text"'),
	('"{% input->''lines''->0 %}"', '{"sku": "lamp", "amount": 2}'),
	('"{% input[''lines''][1][''sku''] %}"', '"chair"'),
	('"{% ARRAY[1, 2] %}"', '[1, 2]'),
	('"{% date ''2024-02-29'' %}"', '"2024-02-29"'),
	('"{% ROW(3, 4)::shop.size %}"', '{"width": 3, "height": 4}'),
	('"{% json ''[1]'' %}"', '[1]'),
	('"{% vars %}"', '{}'),
	('"{% shop.price(''lamp'') %}"', '12.5'),
	('"{% (SELECT jsonb_agg(line->''sku'') FROM jsonb_array_elements(input->''lines'') line) %}"', '["lamp", "chair"]'),
	('"{% (SELECT sum((line->>''amount'')::int * shop.price(line->>''sku'')) FROM jsonb_array_elements(input->''lines'') line) %}"', '105.0'),
	('{"a": [{"b": "{% input->''n'' %}"}, "{% input->>''t'' %}"], "c": 1}', '{"a": [{"b": 2}, "it''s"], "c": 1}'),
	('"n = {% input->''n'' %}, t = {% input->>''t'' %}, lines = {% input->''lines''->0 %}; {% true %}"',
		'"n = 2, t = it''s, lines = {\"sku\":\"lamp\",\"amount\":2}; true"'),
	('" {% 1 %}"', '" 1"'),
	('"{% ''{%'' %} and %}"', '"{% and %}"'),
	('"{% ''%}'' || ''it''''s'' %}"', '"%}it''s"'),
	('"{% 1 -- isn''t it %}"', '1'),
	('{"{% 1 %}": 1}', '{"{% 1 %}": 1}')
) AS templates (template, expected);

-- Data are data: nothing in them is ever SQL.
SELECT is(pg_temp.value('"<{% input->>''t'' %}> {% input->''t'' %}"', jsonb_build_object('t', text)), to_jsonb('<' || text || '> ' || text), text)
FROM unnest(ARRAY[$$'; DROP TABLE shop.product; --$$, '{% 1/0 %}', '$1', '\', '"', '%}', 'größe 🛋']) AS text;

-- What fails is States.QueryEvaluationError, and says where.
SELECT is(pg_temp.value(template::jsonb, '{"n": 0, "t": "x"}'),
	jsonb_build_object('Status', 'Failed', 'Error', 'States.QueryEvaluationError', 'Cause', cause), template)
FROM (VALUES
	('"{% 1 / (input->>''n'')::int %}"', 'Output of state "S": division by zero'),
	('{"a": [1, "{% (input->>''t'')::int %}"]}', 'Output.a[1] of state "S": invalid input syntax for type integer: "x"'),
	('"id-{% input->>''none'' %}"', 'Output of state "S": the expression "input->>''none''" within a text is null; use coalesce() to give it one'),
	('"id-{% input->''none'' %}"', 'Output of state "S": the expression "input->''none''" within a text is null; use coalesce() to give it one'),
	('"{% shop.liar() %}"', 'Output of state "S": cannot execute INSERT in a read-only transaction'),
	('"{% (SELECT shop.liar()) %}"', 'Output of state "S": cannot execute INSERT in a read-only transaction')
) AS failures (template, cause);
SELECT is(count(*), 2::bigint, 'nothing was written') FROM shop.product;
SELECT is(pg_temp.value('"{% shop.setter() %}"'), '"1234kB"', 'a setting can be changed within an expression');
SELECT isnt(current_setting('work_mem'), '1234kB', 'and is back after it');
SELECT is(current_setting('transaction_read_only'), 'off', 'so is the transaction''s mode');

-- The time limit counts, whatever the function makes of it.
\o /dev/null
CREATE TEMPORARY TABLE slow AS SELECT clock_timestamp() AS began, pg_temp.value('"{% shop.pedant() %}"') AS value, clock_timestamp() AS ended;
\o
SELECT is(value, '{"Status": "Failed", "Error": "States.QueryEvaluationError",
	"Cause": "Output of state \"S\": it took longer than order_workflow.expression_timeout (1000 ms)"}', 'a time limit ends it')
FROM slow;
SELECT cmp_ok(ended - began, '<', '10 s'::interval, 'in time') FROM slow;

-- A function that is replaced is noticed.
\o /dev/null
SELECT workflow.register('Price', pg_temp.sql_machine('{"S": {"Type": "Pass", "Output": "{% shop.price(''lamp'') %}", "End": true}}'));
SELECT workflow.start('Price', '{}', 'price 1');
SELECT workflow_test.run();
CREATE OR REPLACE FUNCTION shop.price(sku text) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 99.0';
SELECT workflow.start('Price', '{}', 'price 2');
SELECT workflow_test.run();
DROP FUNCTION shop.price;
SELECT workflow.start('Price', '{}', 'price 3');
SELECT workflow_test.run();
CREATE FUNCTION shop.price(sku text) RETURNS date LANGUAGE sql STABLE AS $$ SELECT '2020-02-02'::date $$;
SELECT workflow.start('Price', '{}', 'price 4');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('price 1', '12.5');
SELECT workflow_test.completed('price 2', '99.0');
SELECT workflow_test.failed('price 3', 'States.QueryEvaluationError');
SELECT workflow_test.completed('price 4', '"2020-02-02"');

-- Fields, by type of state
SELECT is(pg_temp.outcome(pg_temp.ran(states::jsonb, input::jsonb)), expected::jsonb, name)
FROM (VALUES
	('Pass: the input goes on', '{"S": {"Type": "Pass", "End": true}}', '{"a": 1}', '{"a": 1}'),
	('Succeed: Output', '{"S": {"Type": "Succeed", "Output": "{% input->''a'' %}"}}', '{"a": 1}', '1'),
	('Succeed: the input', '{"S": {"Type": "Succeed"}}', '{"a": 1}', '{"a": 1}'),
	('Task: the input is what the activity gets, its result goes on', '{"S": {"Type": "Task", "Resource": "Do", "End": true}}', '{"a": 1}', '{"a": 1}'),
	('Task: Arguments', '{"S": {"Type": "Task", "Resource": "Do", "Arguments": {"b": "{% input->''a'' %}"}, "End": true}}', '{"a": 1}', '{"b": 1}'),
	('Task: Output', '{"S": {"Type": "Task", "Resource": "Do", "Arguments": {"b": 2}, "Output": "{% input || result %}", "End": true}}', '{"a": 1}', '{"a": 1, "b": 2}'),
	('Task: Assign sees what was before, and the result',
		'{"S": {"Type": "Pass", "Assign": {"x": 1, "y": "{% input->''a'' %}"}, "Next": "T"},
		  "T": {"Type": "Task", "Resource": "Do", "Arguments": 7, "Assign": {"x": "{% result %}", "y": "{% vars->''x'' %}"}, "Output": "{% vars %}", "Next": "U"},
		  "U": {"Type": "Pass", "Output": ["{% input %}", "{% vars %}"], "End": true}}', '{"a": 5}', '[{"x": 1, "y": 5}, {"x": 7, "y": 1}]'),
	('Task: Catch',
		'{"S": {"Type": "Task", "Resource": "Do", "Arguments": {"ok": false}, "End": true,
			"Catch": [{"ErrorEquals": ["Oops"], "Assign": {"e": "{% error_output->>''Error'' %}"},
				"Output": "{% input || jsonb_build_object(''cause'', error_output->''Cause'') %}", "Next": "C"}]},
		  "C": {"Type": "Pass", "Output": ["{% input %}", "{% vars %}"], "End": true}}', '{"a": 1}', '[{"a": 1, "cause": "why"}, {"e": "Oops"}]'),
	('Task: Catch without Output: the error goes on',
		'{"S": {"Type": "Task", "Resource": "Do", "Arguments": {"ok": false}, "End": true, "Catch": [{"ErrorEquals": ["Oops"], "Next": "C"}]},
		  "C": {"Type": "Pass", "Output": "{% input->''Error'' %}", "End": true}}', '{}', '"Oops"'),
	('Task: Catch of an expression that fails in Arguments',
		'{"S": {"Type": "Task", "Resource": "Do", "Arguments": "{% 1/(input->>''n'')::int %}", "End": true, "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "C"}]},
		  "C": {"Type": "Pass", "Output": "{% input->''Cause'' %}", "End": true}}', '{"n": 0}', '"Arguments of state \"S\": division by zero"'),
	('Task: Catch of an expression that fails in Output',
		'{"S": {"Type": "Task", "Resource": "Do", "Output": "{% 1/(result->>''n'')::int %}", "End": true, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}]},
		  "C": {"Type": "Pass", "Output": "{% input->''Cause'' %}", "End": true}}', '{"n": 0}', '"Output of state \"S\": division by zero"'),
	('Task: an Output that fails loses nothing',
		'{"S": {"Type": "Task", "Resource": "Do", "Output": "{% 1/(result->>''n'')::int %}", "End": true}}', '{"n": 0}',
		'{"Status": "Stuck", "Error": "States.QueryEvaluationError", "Cause": "Output of state \"S\": division by zero"}'),
	('context', '{"S": {"Type": "Pass", "Output": "{% context->''State''->''Name'' %}", "End": true}}', '{}', '"S"'),
	('Choice: the first Condition that is true; NULL is not',
		'{"S": {"Type": "Choice", "Choices": [
			{"Condition": "{% (input->>''none'')::int > 0 %}", "Next": "A"},
			{"Condition": "{% (input->>''n'')::int > 3 %}", "Next": "A"},
			{"Condition": "{% input->''b'' %}", "Output": "{% input->''n'' %}", "Assign": {"v": "rule"}, "Next": "B"}]},
		  "A": {"Type": "Fail"}, "B": {"Type": "Pass", "Output": ["{% input %}", "{% vars %}"], "End": true}}', '{"n": 1, "b": true}', '[1, {"v": "rule"}]'),
	('Choice: Default',
		'{"S": {"Type": "Choice", "Default": "B", "Output": "{% input->''n'' %}", "Assign": {"v": "default"}, "Choices": [{"Condition": "{% false %}", "Next": "A"}]},
		  "A": {"Type": "Fail"}, "B": {"Type": "Pass", "Output": ["{% input %}", "{% vars %}"], "End": true}}', '{"n": 1}', '[1, {"v": "default"}]'),
	('Choice: a Condition that is no boolean',
		'{"S": {"Type": "Choice", "Choices": [{"Condition": "{% input->''n'' %}", "Next": "A"}]}, "A": {"Type": "Fail"}}', '{"n": 1}',
		'{"Status": "Failed", "Error": "States.QueryEvaluationError", "Cause": "Choices[0].Condition of state \"S\": it must be true or false, not a number"}'),
	('Wait: Seconds, Output, Assign',
		'{"S": {"Type": "Wait", "Seconds": "{% (input->>''n'')::int %}", "Output": "{% input->''n'' %}", "Assign": {"v": "{% input %}"}, "Next": "B"},
		  "B": {"Type": "Pass", "Output": ["{% input %}", "{% vars %}"], "End": true}}', '{"n": 1}', '[1, {"v": {"n": 1}}]'),
	('Wait: Seconds that are none',
		'{"S": {"Type": "Wait", "Seconds": "{% input->''n'' %}", "End": true}}', '{"n": "x"}',
		'{"Status": "Failed", "Error": "States.QueryEvaluationError", "Cause": "Seconds of state \"S\": it must be a number, not a string"}'),
	('Wait: Timestamp',
		'{"S": {"Type": "Wait", "Timestamp": "{% input->>''at'' %}", "End": true}}', '{"at": "2030-01-01T00:00:01Z"}', '{"at": "2030-01-01T00:00:01Z"}'),
	('Fail: Error and Cause', '{"S": {"Type": "Fail", "Error": "{% input->>''e'' %}", "Cause": "it was {% input->>''e'' %}"}}', '{"e": "Bad"}',
		'{"Status": "Failed", "Error": "Bad", "Cause": "it was Bad"}'),
	('a JSONPath state among others', '{"S": {"Type": "Pass", "QueryLanguage": "JSONPath", "Parameters": {"b.$": "$.a"}, "Next": "T"}, "T": {"Type": "Pass", "Output": "{% input->''b'' %}", "End": true}}',
		'{"a": 3}', '3'),
	('Parallel: Arguments, result',
		'{"S": {"Type": "Parallel", "Arguments": {"m": "{% input->''n'' %}"}, "Assign": {"v": "{% result->0 %}"}, "Output": "{% jsonb_build_array(input, result) %}", "Next": "B",
			"Branches": [{"StartAt": "P1", "States": {"P1": {"Type": "Pass", "Output": "{% (input->>''m'')::int + 1 %}", "End": true}}},
				{"StartAt": "P2", "States": {"P2": {"Type": "Task", "Resource": "Do", "End": true}}}]},
		  "B": {"Type": "Pass", "Output": ["{% input %}", "{% vars %}"], "End": true}}', '{"n": 1}', '[[{"n": 1}, [2, {"m": 1}]], {"v": 2}]'),
	('Parallel: Catch', '{"S": {"Type": "Parallel", "End": true, "Catch": [{"ErrorEquals": ["Bad"], "Output": "{% error_output || input %}", "Next": "B"}],
			"Branches": [{"StartAt": "P1", "States": {"P1": {"Type": "Fail", "Error": "Bad", "Cause": "{% ''n is '' || (input->>''n'') %}"}}}]},
		  "B": {"Type": "Pass", "End": true}}', '{"n": 1}', '{"n": 1, "Error": "Bad", "Cause": "n is 1"}'),
	('Map: Items, ItemSelector, numbers',
		'{"S": {"Type": "Map", "Items": "{% input->''lines'' %}", "MaxConcurrency": "{% 1 + 1 %}", "ToleratedFailureCount": "{% jsonb_array_length(input->''lines'') %}",
			"ItemSelector": {"sku": "{% context->''Map''->''Item''->''Value'' %}", "i": "{% context->''Map''->''Item''->''Index'' %}", "n": "{% input->''n'' %}"},
			"ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Task", "Resource": "Do", "Output": "{% result->>''sku'' || (result->>''i'') || (result->>''n'') %}", "End": true}}}, "End": true}}',
		'{"n": 9, "lines": ["a", "b", "c"]}', '["a09", "b19", "c29"]'),
	('Map: an object''s members, in batches',
		'{"S": {"Type": "Map", "Items": "{% input %}", "ItemBatcher": {"MaxItemsPerBatch": "{% 2 %}", "BatchInput": {"all": "{% input %}"}},
			"ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}, "End": true}}',
		'{"a": 1, "b": 2, "c": 3}', '[{"Items": [{"Key": "a", "Value": 1}, {"Key": "b", "Value": 2}], "BatchInput": {"all": {"a": 1, "b": 2, "c": 3}}},
			{"Items": [{"Key": "c", "Value": 3}], "BatchInput": {"all": {"a": 1, "b": 2, "c": 3}}}]'),
	('Map: literal Items; the input of the state when there are none',
		'{"S": {"Type": "Map", "Items": ["{% input->0 %}", 5], "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}, "Next": "T"},
		  "T": {"Type": "Map", "ItemProcessor": {"StartAt": "J", "States": {"J": {"Type": "Pass", "Output": {"j": "{% input %}"}, "End": true}}}, "End": true}}',
		'[3]', '[{"j": 3}, {"j": 5}]'),
	('Map: Items of another type',
		'{"S": {"Type": "Map", "Items": "{% input->''n'' %}", "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}, "End": true,
			"Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Output": "{% error_output->''Cause'' %}", "Next": "B"}]}, "B": {"Type": "Pass", "End": true}}',
		'{"n": 1}', '"Items of state \"S\": the items must be an array or an object, not a number"'),
	('Map: a number out of range',
		'{"S": {"Type": "Map", "Items": [1], "MaxConcurrency": "{% -1 %}", "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}, "End": true}}',
		'{}', '{"Status": "Failed", "Error": "States.QueryEvaluationError", "Cause": "MaxConcurrency of state \"S\": it must be a whole number from 0 to 2147483647, not -1"}'),
	('Map: an ItemSelector that fails fails its item',
		'{"S": {"Type": "Map", "ItemSelector": "{% 1 / (context->''Map''->''Item''->>''Value'')::int %}", "ToleratedFailureCount": 1,
			"ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}, "End": true}}',
		'[1, 0]', '[1, {"Error": "States.QueryEvaluationError", "Cause": "ItemSelector of state \"S\": division by zero"}]')
) AS fields (name, states, input, expected);

-- A SQL state in a definition of JSONPath
\o /dev/null
SELECT workflow.register('Mixed', '{"StartAt": "A", "States": {
	"A": {"Type": "Pass", "Assign": {"v.$": "$.n"}, "Next": "B"},
	"B": {"Type": "Pass", "QueryLanguage": "SQL", "Output": {"m": "{% (vars->>''v'')::int + 1 %}"}, "Next": "C"},
	"C": {"Type": "Pass", "OutputPath": "$.m", "End": true}}}');
SELECT workflow.start('Mixed', '{"n": 1}', 'mixed');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('mixed', '2');

-- Tables, where they are allowed
\o /dev/null
SELECT workflow.register('Tables', pg_temp.sql_machine('{"S": {"Type": "Pass", "Output": "{% (SELECT max(price) FROM shop.product) %}", "End": true}}')
	|| '{"TablesInExpressions": true}');
SELECT workflow.start('Tables', '{}', 'tables');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('tables', '80');

-- A time limit, and what a compensation gets
\o /dev/null
SELECT pg_temp.ran('{"S": {"Type": "Task", "Resource": "Do", "TimeoutSeconds": "{% (input->>''n'')::int %}", "Arguments": {"a": 1}, "Output": {"b": 2},
		"Compensate": {"Resource": "Undo", "Arguments": {"input": "{% input %}", "result": "{% result %}"}}, "Next": "U"},
	"U": {"Type": "Compensate", "End": true}}', '{"n": 5}');
\o
SELECT is(input, '{"input": {"n": 5}, "result": {"a": 1}}', 'Arguments of a compensation')
FROM workflow_test.calls() WHERE activity = 'Undo';

-- All attempts of a task have the same input and timeouts, whatever becomes of tables meanwhile.
\o /dev/null
SELECT workflow_test.mock_activity('Do', error => 'Busy', message => 'not yet', input => '{"busy": true}', times => 2);
CREATE TABLE shop.busy AS SELECT true AS busy, 1 AS reads;
CREATE FUNCTION shop.is_busy() RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT busy FROM shop.busy); END';
SELECT workflow.register('Attempts', pg_temp.sql_machine('{"S": {"Type": "Task", "Resource": "Do", "Arguments": {"busy": "{% shop.is_busy() %}"},
	"TimeoutSeconds": "{% (SELECT 30) %}", "Retry": [{"ErrorEquals": ["Busy"]}], "End": true}}'));
SELECT workflow.start('Attempts', '{}', 'attempts');
SELECT workflow_test.run('2030-01-02');
UPDATE shop.busy SET busy = false;
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('attempts', '{"busy": true}');
SELECT results_eq($$SELECT input, count(*) FROM workflow_test.calls() WHERE workflow_id = 'attempts' GROUP BY 1$$,
	$$VALUES ('{"busy": true}'::jsonb, 3::bigint)$$, 'each attempt has the same input');
SELECT results_eq($$SELECT attributes->>'field', attributes->'value' FROM workflow.history WHERE workflow_id = 'attempts' AND event_type = 'MarkerRecorded' ORDER BY event_id$$,
	$$VALUES ('States.S.Arguments', '{"busy": true}'::jsonb), ('States.S.TimeoutSeconds', '30')$$, 'which is evaluated once');

-- A result that Output cannot take is not lost: the run goes on from it on a repaired version.
\o /dev/null
SELECT workflow.register('Repair', pg_temp.sql_machine('{"S": {"Type": "Task", "Resource": "Do", "Arguments": {"a": "{% (input->>''n'')::int + 1 %}"},
	"Output": "{% (result->>''a'')::int / 0 %}", "Compensate": {"Resource": "Undo", "Arguments": ["{% input %}", "{% result %}"]}, "Next": "U"},
	"U": {"Type": "Compensate", "End": true}}'));
SELECT workflow.start('Repair', '{"n": 1}', 'repair');
SELECT workflow_test.run();
CREATE TEMPORARY TABLE stuck AS SELECT status, stuck->>'Cause' AS cause FROM workflow.executions WHERE workflow_id = 'repair';
SELECT workflow.register('Repair', pg_temp.sql_machine('{"S": {"Type": "Task", "Resource": "Do", "Arguments": {"a": 77},
	"Output": "{% (result->>''a'')::int * 10 %}", "Compensate": {"Resource": "Undo", "Arguments": ["{% input %}", "{% result %}"]}, "Next": "U"},
	"U": {"Type": "Compensate", "End": true}}'));
SELECT workflow.retry('repair', 2);
SELECT workflow_test.run();
\o
SELECT results_eq('SELECT * FROM stuck', $$VALUES ('Stuck', 'Output of state "S": division by zero')$$, 'it is stuck, and says why');
SELECT workflow_test.completed('repair', '20');
SELECT is(input, '[{"n": 1}, {"a": 2}]', 'the compensation gets the input and the result of then')
FROM workflow_test.calls() WHERE workflow_id = 'repair' AND activity = 'Undo';

-- A task that waits for its token: each attempt has a token of its own, in its input.
\o /dev/null
SELECT workflow.register('Token', pg_temp.sql_machine('{"S": {"Type": "Task", "Resource": "arn:aws:states:::do:ask.waitForTaskToken", "Arguments": {"token": "{% context->''Task''->''Token'' %}", "n": "{% input->''n'' %}"},
	"TimeoutSeconds": "{% 60 %}", "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}], "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% error_output->''Error'' %}", "Next": "C"}], "End": true},
	"C": {"Type": "Pass", "End": true}}'));
SELECT workflow.start('Token', '{"n": 1}', 'token');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('token', '"States.Timeout"');
SELECT results_eq($$SELECT count(*), count(DISTINCT input->>'token'), count(*) FILTER (WHERE input->>'n' = '1') FROM workflow_test.calls() WHERE workflow_id = 'token'$$,
	'VALUES (2::bigint, 2::bigint, 2::bigint)', 'each attempt has a token of its own');

-- However many times it is evaluated, an expression takes no more memory.
\o /dev/null
SELECT workflow.register('Many', pg_temp.sql_machine('{"S": {"Type": "Map", "Items": "{% (SELECT jsonb_agg(i) FROM generate_series(1, (input->>''n'')::int) i) %}",
	"ItemSelector": {"i": "{% context->''Map''->''Item''->''Value'' %}", "half": "{% (SELECT (context->''Map''->''Item''->>''Value'')::int / 2) %}"},
	"ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "Output": "{% (input->>''i'')::int - (input->>''half'')::int %}", "End": true}}},
	"Output": "{% (SELECT sum(n::int) FROM jsonb_array_elements_text(result) n) %}", "End": true}}'));
CREATE FUNCTION pg_temp.expression_memory() RETURNS numeric LANGUAGE sql AS $$
	SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name LIKE 'order_workflow expression%' OR name LIKE 'CachedPlan%' $$;
SELECT workflow.start('Many', '{"n": 10}', 'few');
SELECT workflow_test.run();
CREATE TEMPORARY TABLE memory AS SELECT pg_temp.expression_memory() AS before;
SELECT workflow.start('Many', '{"n": 10000}', 'many');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('many', '25005000');
SELECT cmp_ok(pg_temp.expression_memory(), '<=', before * 1.1, 'memory does not grow with evaluations') FROM memory;

-- History leads to the state of each of these runs.
\o /dev/null
\ir ../t/consistency.sql
\o
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'all is rebuilt from history');

-- What is found when a definition is registered
SELECT is(array(SELECT pg_temp.problems(state::jsonb)), ARRAY[problem], problem)
FROM (VALUES
	('{"Type": "Pass", "Output": "{% inputt->''a'' %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "inputt->''a''": column "inputt" does not exist at character 1 | An expression here can use input, vars and context.'),
	('{"Type": "Pass", "Output": {"a": ["{% 1 + %}"]}, "End": true}',
		'Output.a[0] of state "S" is not a usable SQL expression: "1 +": syntax error at end of input at character 4'),
	('{"Type": "Pass", "Output": "{% result %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "result": there is no "result" in this field at character 1 | An expression here can use input, vars and context.'),
	('{"Type": "Task", "Resource": "Do", "Output": "{% error_output %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "error_output": there is no "error_output" in this field at character 1 | An expression here can use input, vars, result and context.'),
	('{"Type": "Pass", "Output": "{% input.a %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "input.a": "input" is jsonb and has no columns at character 1 | Write input->''a'', or input->>''a'' to have text.'),
	('{"Type": "Pass", "Output": "{% input->''a'' > 3 %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "input->''a'' > 3": operator does not exist: jsonb > integer at character 12 | Variables are jsonb: take a text out with ->> and cast it, as in (input->>''amount'')::numeric.'),
	('{"Type": "Pass", "Output": "{% price(1) %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "price(1)": function price(integer) does not exist at character 1 | Put its schema before the name of whatever is not PostgreSQL''s own, in the bodies of SQL functions as well: the search path is pg_catalog.'),
	('{"Type": "Pass", "Output": "{% shop.unqualified(''a'') %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "shop.unqualified(''a'')": relation "product" does not exist | Put its schema before the name of whatever is not PostgreSQL''s own, in the bodies of SQL functions as well: the search path is pg_catalog.'),
	('{"Type": "Pass", "Output": "{% random() %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "random()": function random() is volatile | Call it in an activity.'),
	('{"Type": "Pass", "Output": "{% (SELECT max(shop.add_product(''x'')) FROM generate_series(1, 2)) %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "(SELECT max(shop.add_product(''x'')) FROM generate_series(1, 2))": function shop.add_product(text) is volatile | If it changes nothing and gives the same result throughout a query, declare it STABLE. Else call it in an activity.'),
	('{"Type": "Pass", "Output": "{% (SELECT max(price) FROM shop.product) %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "(SELECT max(price) FROM shop.product)": it reads table shop.product | Read it in a STABLE function, or allow it with "TablesInExpressions": true at the top of the definition.'),
	('{"Type": "Pass", "Output": "{% %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "": the expression is empty'),
	('{"Type": "Pass", "Output": "{% 1, 2 %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "1, 2": it must be one expression | Put a query in parentheses: (SELECT … FROM …).'),
	('{"Type": "Pass", "Output": "{% (ROW(1, 2)::shop.size).* %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "(ROW(1, 2)::shop.size).*": it must be one expression'),
	('{"Type": "Pass", "Output": "{% 1; DROP TABLE shop.product %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "1; DROP TABLE shop.product": syntax error at or near ";" at character 2'),
	('{"Type": "Pass", "Output": "{% $1 %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "$1": there is no parameter $1 at character 1'),
	('{"Type": "Pass", "Output": "{% $.a %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "$.a": syntax error at or near "$" at character 1 | Paths are of JSONPath. In SQL, $.order is input->''order'', $name is vars->''name'', and $$.State is context->''State''.'),
	('{"Type": "Pass", "Output": [{"a.$": "$.b", "c.$": "{% 1 %}", "d.$": 5, ".$": "$"}], "End": true}',
		'Output[0] of state "S" has a member "a.$", which is no path in the language SQL: "$.b" stays a text | Write "a": "{% … %}", with input->''a'' for $.a.'),
	('{"Type": "Task", "Resource": "Do", "Arguments": {"id.$": "States.UUID()"}, "End": true}',
		'Arguments of state "S" has a member "id.$", which is no path in the language SQL: "States.UUID()" stays a text | Write "id": "{% … %}", with input->''a'' for $.a.'),
	('{"Type": "Pass", "Output": "{% count(*) %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "count(*)": an aggregate function is not allowed outside a query | Put a query in parentheses: (SELECT … FROM …).'),
	('{"Type": "Pass", "Output": "{% generate_series(1, 2) %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "generate_series(1, 2)": a function that returns a set is not allowed outside a query | Put a query in parentheses: (SELECT … FROM …).'),
	('{"Type": "Pass", "Output": "{% row_number() OVER () %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "row_number() OVER ()": a window function is not allowed outside a query | Put a query in parentheses: (SELECT … FROM …).'),
	('{"Type": "Pass", "Output": "{% 1/0 %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "1/0": division by zero'),
	('{"Type": "Pass", "Output": "a {% 1", "End": true}',
		'Output of state "S" has an expression without an end: "{% 1" | End it with "%}". To have "{%" as it is, write {% ''{%'' %}.')
) AS wrong (state, problem);

SELECT is(array(SELECT message FROM workflow.validate(pg_temp.sql_machine('{"S": {"Type": "Pass", "Output": "{% (SELECT sku FROM shop.product LIMIT 1 FOR UPDATE) %}", "End": true}}')
		|| '{"TablesInExpressions": true}')),
	'{"Output of state \"S\" is not a usable SQL expression: \"(SELECT sku FROM shop.product LIMIT 1 FOR UPDATE)\": it locks rows"}', 'locking rows');

-- Fields of the other language, and values of the wrong type
SELECT is(array(SELECT pg_temp.problems(state::jsonb) ORDER BY 1), problems, state)
FROM (VALUES
	('{"Type": "Task", "Resource": "Do", "Parameters": {"a.$": "$.b"}, "ResultPath": null, "InputPath": "$", "End": true}',
		ARRAY['field "InputPath" in state "S" is one of JSONPath, but its language is SQL | Write "Arguments" instead.',
			'field "Parameters" in state "S" is one of JSONPath, but its language is SQL | Write "Arguments" instead.',
			'field "ResultPath" in state "S" is one of JSONPath, but its language is SQL | Write "Output" instead.']),
	('{"Type": "Pass", "QueryLanguage": "JSONPath", "Output": 1, "Arguments": 2, "End": true}',
		ARRAY['field "Arguments" in state "S" is one of SQL, but its language is JSONPath | Write "Parameters" instead.',
			'field "Output" in state "S" is one of SQL, but its language is JSONPath | Write "OutputPath" instead.']),
	('{"Type": "Wait", "SecondsPath": "$.s"}',
		ARRAY['field "SecondsPath" in state "S" is one of JSONPath, but its language is SQL | Write "Seconds" instead.',
			'state "S" has neither "Next" nor "End" | Name the state that follows in "Next", or end the workflow with "End": true.']),
	('{"Type": "Choice", "Default": "S", "Choices": [{"Variable": "$.a", "IsNull": true, "Next": "S"}]}',
		ARRAY['Choices[0] of state "S" has no "Condition"',
			'field "Variable" in Choices[0] of state "S" is one of JSONPath, but its language is SQL | Write "Condition" instead.',
			'no state that ends the workflow can be reached | Give a state "End": true, or add a Succeed or Fail state.',
			'unknown field "IsNull" in Choices[0] of state "S"']),
	('{"Type": "Wait", "Seconds": "5", "End": true}',
		ARRAY['field "Seconds" in state "S" must be a number or an expression, not "5" | An expression stands alone between "{%" and "%}".']),
	('{"Type": "Wait", "Timestamp": "soon", "End": true}',
		ARRAY['field "Timestamp" in state "S" is no RFC 3339 timestamp: "soon" | Write it as in "2030-01-31T12:00:00Z" or "2030-01-31T12:00:00+01:00".']),
	('{"Type": "Task", "Resource": "Do", "TimeoutSeconds": "x {% 1 %}", "End": true}',
		ARRAY['field "TimeoutSeconds" in state "S" must be a number or an expression, not "x {% 1 %}" | An expression stands alone between "{%" and "%}".']),
	('{"Type": "Pass", "QueryLanguage": 5, "End": true}', ARRAY['field "QueryLanguage" in state "S" must be a string, not a number']),
	('{"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 1 %}", "End": true}',
		ARRAY['field "QueryLanguage" in state "S": "JSONata" is not supported | Use "SQL": it has the same fields, with expressions of PostgreSQL in {% %}.']),
	('{"Type": "Task", "Resource": "Do", "Catch": [{"ErrorEquals": ["A"], "ResultPath": "$.e", "Next": "S"}], "Compensate": {"Resource": "Undo", "Parameters": {}}, "End": true}',
		ARRAY['field "Parameters" in Compensate of state "S" is one of JSONPath, but its language is SQL | Write "Arguments" instead.',
			'field "ResultPath" in Catch[0] of state "S" is one of JSONPath, but its language is SQL | Write "Output" instead.'])
) AS wrong (state, problems);

SELECT * FROM finish();
ROLLBACK;
