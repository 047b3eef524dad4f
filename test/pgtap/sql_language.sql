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

-- The id of a run of these states, driven for a second; it starts at S.
CREATE FUNCTION pg_temp.ran(states jsonb, input jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id text := gen_random_uuid();
BEGIN
	PERFORM workflow.register('SQL', pg_temp.sql_machine(states));
	PERFORM workflow.start('SQL', input, id);
	PERFORM workflow_test.run('2030-01-01 00:00:01+00');
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
	FROM workflow.validate(pg_temp.sql_machine(jsonb_build_object('S', state))) WHERE severity = 'error' $$;

CREATE FUNCTION do_nothing(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
SELECT workflow.register_activity('Do', 'do_nothing(jsonb)', options => '{"TimeoutSeconds": 60}');
SELECT workflow.register_activity('Undo', 'do_nothing(jsonb)', options => '{"TimeoutSeconds": 60}');
SELECT workflow_test.mock_activity('Do', error => 'Oops', message => 'why', input => '{"ok": false}');
SELECT workflow_test.allow_activity(activity) FROM unnest('{Do,Undo}'::text[]) AS activity;
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
	('tables, when they are allowed', '{"S": {"Type": "Pass", "End": true}}', '{}', '{}')
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
	('{"Type": "Pass", "Output": "{% (SELECT 1 FROM generate_series(1, 2) FOR UPDATE) %}", "End": true}',
		'Output of state "S" is not a usable SQL expression: "(SELECT 1 FROM generate_series(1, 2) FOR UPDATE)": it locks rows'),
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

SELECT * FROM finish();
ROLLBACK;
