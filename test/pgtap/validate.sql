-- What workflow.validate finds: a table of definitions, each with the problems it must report.
BEGIN;
\o /dev/null

-- A definition with these states, and with what is given of the top level.
CREATE FUNCTION pg_temp.machine(states jsonb, top jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
	AS $$ SELECT '{"StartAt": "A"}' || jsonb_build_object('States', states) || top $$;
-- One Task, with these fields.
CREATE FUNCTION pg_temp.task(fields jsonb, top jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
	AS $$ SELECT pg_temp.machine(jsonb_build_object('A',
		'{"Type": "Task", "Resource": "Do", "TimeoutSeconds": 60, "End": true}' || fields), top) $$;
-- A Choice with this rule.
CREATE FUNCTION pg_temp.choice(rule jsonb) RETURNS jsonb LANGUAGE sql
	AS $$ SELECT pg_temp.machine(jsonb_build_object(
		'A', jsonb_build_object('Type', 'Choice', 'Default', 'Z', 'Choices', jsonb_build_array(rule)),
		'Z', '{"Type": "Succeed"}'::jsonb)) $$;
CREATE FUNCTION pg_temp.problems(definition jsonb) RETURNS text[] LANGUAGE sql
	AS $$ SELECT coalesce(array_agg(
			CASE severity WHEN 'warning' THEN '(' || code || ')' ELSE code END || ' ' || path
			ORDER BY path COLLATE "C", code COLLATE "C"), '{}')
		FROM workflow.validate(definition) WHERE code <> 'ActivityNotRegistered' $$;

CREATE TEMPORARY TABLE cases (number serial, name text, definition jsonb, expected text[]);
INSERT INTO cases (name, definition, expected) VALUES
-- the top level
('no object', '5', '{"WrongType "}'),
('nothing', '{}', '{"MissingField ","MissingField "}'),
('no states', '{"StartAt": "A", "States": {}}', '{"UnknownState StartAt","NoStates States"}'),
('the smallest', pg_temp.machine('{"A": {"Type": "Succeed"}}'), '{}'),
('free keys', pg_temp.machine('{"A": {"Type": "Succeed", "Comment": 1, "x-owner": {}}}', '{"x-a": 1, "Comment": "c"}'), '{}'),
('unknown key', pg_temp.machine('{"A": {"Type": "Succeed"}}', '{"Startat": "A"}'), '{"UnknownField Startat"}'),
('version', pg_temp.machine('{"A": {"Type": "Succeed"}}', '{"Version": "2.0"}'), '{"InvalidValue Version"}'),
('language JSONPath', pg_temp.machine('{"A": {"Type": "Succeed"}}', '{"QueryLanguage": "JSONPath", "Version": "1.0"}'), '{}'),
('language JSONata', pg_temp.machine('{"A": {"Type": "Succeed"}}', '{"QueryLanguage": "JSONata"}'), '{"NotSupported QueryLanguage"}'),
('unknown start', pg_temp.machine('{"B": {"Type": "Succeed"}}'), '{"UnknownState StartAt"}'),
('timeout of zero', pg_temp.machine('{"A": {"Type": "Succeed"}}', '{"TimeoutSeconds": 0}'), '{"OutOfRange TimeoutSeconds"}'),
('handlers', pg_temp.machine('{"A": {"Type": "Succeed"}, "B": {"Type": "Fail"}}', '{"OnError": "B", "OnCancel": "B", "OnTimeout": "C"}'), '{"UnknownState OnTimeout"}'),
('public error', pg_temp.machine('{"A": {"Type": "Succeed"}}', '{"Public": {"Message": 1}}'), '{"MissingField Public","WrongType Public.Message"}'),
-- the graph
('unknown next', pg_temp.machine('{"A": {"Type": "Pass", "Next": "Bee"}}'), '{"UnknownState States.A.Next"}'),
('near next', pg_temp.machine('{"A": {"Type": "Pass", "Next": "Shop"}, "Ship": {"Type": "Succeed"}}'), '{"UnknownState States.A.Next"}'),
('unreachable', pg_temp.machine('{"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}'), '{"UnreachableState States.B"}'),
('unreachable ring', pg_temp.machine('{"A": {"Type": "Succeed"}, "B": {"Type": "Pass", "Next": "C"}, "C": {"Type": "Pass", "Next": "B"}}'), '{"UnreachableState States.B","UnreachableState States.C"}'),
('no end', pg_temp.machine('{"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}'), '{"NoEnd States"}'),
('endless corner', pg_temp.machine('{"A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": "B"}], "Default": "C"}, "B": {"Type": "Pass", "Next": "B"}, "C": {"Type": "Succeed"}}'), '{"(EndlessLoop) States.B"}'),
('caught', pg_temp.machine('{"A": {"Type": "Task", "Resource": "Do", "TimeoutSeconds": 1, "End": true, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]}, "B": {"Type": "Succeed"}}'), '{}'),
('a name too long', pg_temp.machine(jsonb_build_object('A', '{"Type": "Succeed"}'::jsonb, repeat('é', 81), '{"Type": "Succeed"}'::jsonb)), ARRAY['InvalidName States.' || repeat('é', 81), 'UnreachableState States.' || repeat('é', 81)]),
('an empty name', pg_temp.machine('{"": {"Type": "Succeed"}, "A": {"Type": "Pass", "Next": ""}}'), '{"InvalidName States"}'),
('a name with dots', pg_temp.machine('{"A": {"Type": "Pass", "Next": "v1.2"}, "v1.2": 5}'), '{"WrongType States[\"v1.2\"]"}'),
-- states
('no type', pg_temp.machine('{"A": {}}'), '{"MissingField States.A.Type"}'),
('unknown type', pg_temp.machine('{"A": {"Type": "Tusk"}}'), '{"UnknownType States.A.Type"}'),
('neither next nor end', pg_temp.machine('{"A": {"Type": "Pass"}}'), '{"MissingField States.A"}'),
('both next and end', pg_temp.machine('{"A": {"Type": "Pass", "End": true, "Next": "B"}, "B": {"Type": "Succeed"}}'), '{"ExclusiveFields States.A"}'),
('end of the wrong type', pg_temp.machine('{"A": {"Type": "Pass", "End": "yes"}}'), '{"MissingField States.A","WrongType States.A.End"}'),
('succeed goes on', pg_temp.machine('{"A": {"Type": "Succeed", "End": true}}'), '{"UnknownField States.A.End"}'),
('choice without default', pg_temp.choice('{"Variable": "$.x", "IsNull": true, "Next": "Z"}') #- '{States,A,Default}', '{"(NoDefault) States.A"}'),
('empty choices', pg_temp.machine('{"A": {"Type": "Choice", "Choices": [], "Default": "Z"}, "Z": {"Type": "Succeed"}}'), '{"EmptyChoices States.A.Choices"}'),
('choice with parameters', jsonb_set(pg_temp.choice('{"Variable": "$.x", "IsNull": true, "Next": "Z"}'), '{States,A,Parameters}', '{}'), '{"UnknownField States.A.Parameters"}'),
('wait for nothing', pg_temp.machine('{"A": {"Type": "Wait", "End": true}}'), '{"MissingField States.A"}'),
('wait for two', pg_temp.machine('{"A": {"Type": "Wait", "Seconds": 1, "TimestampPath": "$.t", "End": true}}'), '{"ExclusiveFields States.A.TimestampPath"}'),
('wait half a second', pg_temp.machine('{"A": {"Type": "Wait", "Seconds": 0.5, "End": true}}'), '{"OutOfRange States.A.Seconds"}'),
('wait until no time', pg_temp.machine('{"A": {"Type": "Wait", "Timestamp": "2030-01-01 00:00:00", "End": true}}'), '{"InvalidValue States.A.Timestamp"}'),
('wait for a set', pg_temp.machine('{"A": {"Type": "Wait", "SecondsPath": "$.a[*]", "End": true}}'), '{"InvalidPath States.A.SecondsPath"}'),
('fail twice', pg_temp.machine('{"A": {"Type": "Fail", "Error": "E", "ErrorPath": "$.e", "Cause": "C", "CausePath": "$.c"}}'), '{"ExclusiveFields States.A.CausePath","ExclusiveFields States.A.ErrorPath"}'),
('fail publicly', pg_temp.machine('{"A": {"Type": "Fail", "Public": {"Code": "Sorry", "Message": "Try again"}}}'), '{}'),
('undo nothing', pg_temp.machine('{"A": {"Type": "Compensate", "End": true}}'), '{"(NothingToCompensate) States.A"}'),
-- tasks
('task', pg_temp.task('{}'), '{}'),
('misspelt in other forms', pg_temp.task('{"Retries": [], "Resourze": "Do", "parameters": {}}'), '{"UnknownField States.A.Resourze","UnknownField States.A.Retries","UnknownField States.A.parameters"}'),
('misspelt', pg_temp.task('{"Parameter": {}, "Retrys": []}'), '{"UnknownField States.A.Parameter","UnknownField States.A.Retrys"}'),
('no timeout', pg_temp.task('{}') #- '{States,A,TimeoutSeconds}', '{"(NoTimeout) States.A"}'),
('timeout by default', pg_temp.task('{}', '{"Defaults": {"StartToCloseSeconds": 5}}') #- '{States,A,TimeoutSeconds}', '{}'),
('two timeouts', pg_temp.task('{"StartToCloseSeconds": 5}'), '{"ExclusiveFields States.A.StartToCloseSeconds"}'),
('timeout and path', pg_temp.task('{"TimeoutSecondsPath": "$.t"}'), '{"ExclusiveFields States.A.TimeoutSecondsPath"}'),
('slow heart', pg_temp.task('{"HeartbeatSeconds": 60}'), '{"OutOfRange States.A.HeartbeatSeconds"}'),
('slow heart by default', pg_temp.task('{}', '{"Defaults": {"HeartbeatSeconds": 90}}'), '{"OutOfRange States.A.HeartbeatSeconds"}'),
('transaction', pg_temp.task('{"Transaction": "Mine"}'), '{"InvalidValue States.A.Transaction"}'),
('context as result path', pg_temp.task('{"ResultPath": "$$.x"}'), '{"InvalidPath States.A.ResultPath"}'),
('default result path', pg_temp.task('{}', '{"Defaults": {"ResultPath": "{State}"}}'), '{"InvalidPath Defaults.ResultPath"}'),
('bad paths', pg_temp.task('{"InputPath": "x", "OutputPath": "$.", "ResultPath": "$.a[*]", "Parameters": {"a.$": "b", "c.$": 5, "d": 1, "d.$": "$"}}'),
	'{"InvalidPath States.A.InputPath","InvalidPath States.A.OutputPath","InvalidPath States.A.Parameters.a.$","InvalidPath States.A.Parameters.c.$","ExclusiveFields States.A.Parameters.d.$","InvalidPath States.A.ResultPath"}'),
('compensation', pg_temp.task('{"Compensate": {"Resource": "Undo", "When": "Scheduled", "Parameters": {"a.$": "$.a"}, "Retry": []}}'), '{}'),
('bad compensation', pg_temp.task('{"Compensate": {"Resources": "Undo", "When": "Later"}}'), '{"MissingField States.A.Compensate","UnknownField States.A.Compensate.Resources","InvalidValue States.A.Compensate.When"}'),
-- resources
('lambda', pg_temp.task('{"Resource": "arn:aws:lambda:us-east-1:1:function:Do:$LATEST"}'), '{}'),
('lambda without alias', pg_temp.task('{"Resource": "arn:aws:lambda:us-east-1:1:function:Do:"}'), '{"InvalidResource States.A.Resource"}'),
('invoke', pg_temp.task('{"Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "Do", "Payload.$": "$"}}'), '{}'),
('invoke nothing', pg_temp.task('{"Resource": "arn:aws:states:::lambda:invoke", "Parameters": {}}'), '{"MissingField States.A.Resource"}'),
('invoke by path', pg_temp.task('{"Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName.$": "$.f"}}'), '{}'),
('empty resource', pg_temp.task('{"Resource": ""}'), '{"InvalidResource States.A.Resource"}'),
-- retriers and catchers
('retry', pg_temp.task('{"Retry": [{"ErrorEquals": ["A", "B"], "IntervalSeconds": 2, "BackoffRate": 1.5, "MaxDelaySeconds": 9, "JitterStrategy": "FULL"}, {"ErrorEquals": ["States.ALL"], "MaximumAttempts": 5}]}'), '{}'),
('retry what', pg_temp.task('{"Retry": [{"ErrorEquals": []}, {}]}'), '{"EmptyErrorEquals States.A.Retry[0].ErrorEquals","MissingField States.A.Retry[1]"}'),
('retry both ways', pg_temp.task('{"Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 1, "MaximumAttempts": 2}]}'), '{"ExclusiveFields States.A.Retry[0].MaximumAttempts"}'),
('retry numbers', pg_temp.task('{"Retry": [{"ErrorEquals": ["A"], "IntervalSeconds": 0, "BackoffRate": 0.9, "MaxDelaySeconds": 1, "MaxAttempts": -1, "JitterStrategy": "SOME"}]}'),
	'{"OutOfRange States.A.Retry[0].BackoffRate","OutOfRange States.A.Retry[0].IntervalSeconds","InvalidValue States.A.Retry[0].JitterStrategy","OutOfRange States.A.Retry[0].MaxAttempts","OutOfRange States.A.Retry[0].MaxDelaySeconds"}'),
('retry all first', pg_temp.task('{"Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["A"]}]}'), '{"MisplacedAll States.A.Retry[1]"}'),
('retry all among others', pg_temp.task('{"Retry": [{"ErrorEquals": ["A", "States.ALL"]}]}'), '{"MisplacedAll States.A.Retry[0].ErrorEquals"}'),
('retry twice', pg_temp.task('{"Retry": [{"ErrorEquals": ["A"]}, {"ErrorEquals": ["A"]}]}'), '{"DuplicateError States.A.Retry[1].ErrorEquals"}'),
('misspelt error', pg_temp.task('{"Retry": [{"ErrorEquals": ["States.TimeOut"]}]}'), '{"(UnknownError) States.A.Retry[0].ErrorEquals"}'),
('catch', pg_temp.task('{"Catch": [{"ErrorEquals": [true], "Next": "A"}, {"ErrorEquals": ["States.ALL"]}]}'), '{"WrongType States.A.Catch[0].ErrorEquals[0]","MissingField States.A.Catch[1]"}'),
-- choice rules
('rule', pg_temp.choice('{"And": [{"Variable": "$.x", "IsPresent": true}, {"Not": {"Variable": "$.x", "StringMatches": "a*"}}], "Next": "Z"}'), '{}'),
('rule without next', pg_temp.choice('{"Variable": "$.x", "IsPresent": true}'), '{"MissingField States.A.Choices[0]"}'),
('inner next', pg_temp.choice('{"Not": {"Variable": "$.x", "IsPresent": true, "Next": "Z"}, "Next": "Z"}'), '{"MisplacedNext States.A.Choices[0].Not.Next"}'),
('no operator', pg_temp.choice('{"Variable": "$.x", "Next": "Z"}'), '{"MissingField States.A.Choices[0]"}'),
('no variable', pg_temp.choice('{"StringEquals": "x", "Next": "Z"}'), '{"MissingField States.A.Choices[0]"}'),
('misspelt operator', pg_temp.choice('{"Variable": "$.x", "StringEqual": "x", "Next": "Z"}'), '{"UnknownField States.A.Choices[0].StringEqual"}'),
('two operators', pg_temp.choice('{"Variable": "$.x", "StringEquals": "x", "IsNull": true, "Next": "Z"}'), '{"ExclusiveFields States.A.Choices[0]"}'),
('number as string', pg_temp.choice('{"Variable": "$.x", "NumericEquals": "1", "Next": "Z"}'), '{"WrongType States.A.Choices[0].NumericEquals"}'),
('no timestamp', pg_temp.choice('{"Variable": "$.x", "TimestampEquals": "today", "Next": "Z"}'), '{"WrongType States.A.Choices[0].TimestampEquals"}'),
('empty or', pg_temp.choice('{"Or": [], "Next": "Z"}'), '{"WrongType States.A.Choices[0].Or"}'),
('inner assign', pg_temp.choice('{"Not": {"Variable": "$.x", "IsPresent": true, "Assign": {"v": 1}}, "Next": "Z"}'), '{"MisplacedAssign States.A.Choices[0].Not.Assign"}'),
-- variables and calls
('assign', pg_temp.task('{"Assign": {"v.$": "$.r", "größe": [{"x.$": "$v[0]"}]}, "Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"e.$": "$"}, "Next": "A"}]}'), '{}'),
('assign in a rule', pg_temp.choice('{"Variable": "$v.x", "StringEqualsPath": "$w", "Assign": {"v": 1}, "Next": "Z"}'), '{}'),
('names of variables', pg_temp.task(jsonb_build_object('Assign', jsonb_build_object('', 1, '1a', 1, 'a-b', 1, 'states', 1, 'a b.$', '$', repeat('ä', 80), 1, repeat('a', 81), 1))),
	ARRAY['InvalidName States.A.Assign.1a', 'InvalidName States.A.Assign.a b.$', 'InvalidName States.A.Assign.a-b',
		'InvalidName States.A.Assign.' || repeat('a', 81), 'InvalidName States.A.Assign.states', 'InvalidName States.A.Assign[""]']),
('assign what', pg_temp.task('{"Assign": "$", "Catch": [{"ErrorEquals": ["X"], "Assign": [], "Next": "A"}]}'), '{"WrongType States.A.Assign","WrongType States.A.Catch[0].Assign"}'),
('assign what in a rule', pg_temp.choice('{"Variable": "$.x", "IsPresent": true, "Assign": 1, "Next": "Z"}'), '{"WrongType States.A.Choices[0].Assign"}'),
('no assign', pg_temp.machine('{"A": {"Type": "Succeed", "Assign": {"v": 1}}}'), '{"UnknownField States.A.Assign"}'),
('paths of variables', pg_temp.task('{"InputPath": "$v", "ResultPath": "$v.x", "Parameters": {"a.$": "$states.input", "b.$": "$a-b", "c.$": "$v..x"}}'),
	'{"InvalidPath States.A.Parameters.a.$","InvalidPath States.A.Parameters.b.$","InvalidPath States.A.ResultPath"}'),
('calls', pg_temp.task('{"Parameters": {"a.$": "States.UUID()", "b.$": "States.Nothing()"}, "InputPath": "States.Array()", "ResultSelector": {"x": "States.Nothing()"}}'),
	'{"InvalidCall States.A.InputPath","InvalidCall States.A.Parameters.b.$"}'),
('credentials', pg_temp.task('{"Credentials": {"RoleArn.$": "$role"}}'), '{"(Ignored) States.A.Credentials"}'),
-- templates
('template', pg_temp.machine('{"A": {"Use": "Base", "End": true}}', '{"Templates": {"Base": {"Type": "Task", "Resource": "Do", "TimeoutSeconds": 5}}}'), '{}'),
('template overridden', pg_temp.machine('{"A": {"Use": "Base", "Resource": "Other", "HeartbeatSeconds": 5, "End": true}}', '{"Templates": {"Base": {"Type": "Task", "TimeoutSeconds": 5}}}'), '{"OutOfRange States.A.HeartbeatSeconds"}'),
('unknown template', pg_temp.machine('{"A": {"Use": "Bose", "Type": "Succeed"}}', '{"Templates": {"Base": {}}}'), '{"UnknownTemplate States.A.Use","(UnusedTemplate) Templates.Base"}');
\o

SELECT no_plan();
SELECT is(pg_temp.problems(definition), expected, name) FROM cases ORDER BY number;

-- the words: a problem names the state and the field, and the hint what was meant
SELECT results_eq(
	$$SELECT message, hint FROM workflow.validate(pg_temp.task('{"Parameter": {}}')) $$,
	$$VALUES ('unknown field "Parameter" in state "A"', 'Did you mean "Parameters"?')$$,
	'a misspelt field');
SELECT results_eq(
	$$SELECT message, hint FROM workflow.validate(pg_temp.task('{"Retry": [{"ErrorEquals": ["A"], "MaxAttempt": 1}]}')) $$,
	$$VALUES ('unknown field "MaxAttempt" in Retry[0] of state "A"', 'Did you mean "MaxAttempts"?')$$,
	'a misspelt field of a retrier');
SELECT results_eq(
	$$SELECT message, hint FROM workflow.validate(pg_temp.machine('{"A": {"Type": "Pass", "Next": "Shop"}, "Ship": {"Type": "Succeed"}}')) $$,
	$$VALUES ('field "Next" in state "A" names a state that does not exist: "Shop"', 'Did you mean "Ship"?')$$,
	'a misspelt state');
SELECT results_eq(
	format('SELECT hint FROM workflow.validate(pg_temp.task(%L)) WHERE code = ''UnknownField''', jsonb_build_object(field, 1)),
	ARRAY['Did you mean "' || meant || '"?'], field || ' is meant to be ' || coalesce(meant, 'nothing'))
FROM (VALUES ('Retries', 'Retry'), ('Resour' || 'se', 'Resource'), ('parameters', 'Parameters'), ('RESOURCE', 'Resource'),
	('Heartbeat', 'HeartbeatSeconds'), ('StartToClose', 'StartToCloseSeconds'), ('Catches', 'Catch'),
	('Result', 'ResultPath'), ('Compensation', 'Compensate'), ('Restart', NULL), ('Run', NULL), ('Outcome', NULL))
	AS f (field, meant);

-- what only the text tells
\o /dev/null
CREATE FUNCTION pg_temp.text_problems(definition text) RETURNS text[] LANGUAGE sql
	AS $$ SELECT coalesce(array_agg(code || ' ' || path ORDER BY path COLLATE "C"), '{}')
		FROM workflow.validate(definition) WHERE severity = 'error' $$;
\o
SELECT is(pg_temp.text_problems(definition), expected::text[], name)
FROM (VALUES
	('good text', '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}', '{}'),
	('a state twice', '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "A": {"Type": "Succeed"}}}', '{"DuplicateKey States.A"}'),
	('a field twice', '{"StartAt": "A", "States": {"A": {"Type": "Succeed", "Comment": 1, "Comment": 2}}}', '{"DuplicateKey States.A.Comment"}'),
	('a field twice in an array', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": [1, {"b": 1, "b": 2}], "End": true}}}', '{"DuplicateKey States.A.Result[1].b"}'),
	('the same key elsewhere', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"Type": {"Type": 1}}, "End": true}}}', '{}'),
	('nothing', '', '{"InvalidJson "}'),
	('broken off', '{"StartAt": ', '{"InvalidJson "}'),
	('no JSON', 'not a definition', '{"InvalidJson "}'),
	('nested too deeply', repeat('[', 100000), '{"TooDeep "}'),
	('long, but not nested', (SELECT '{"StartAt": "S1", "States": {'
		|| string_agg(format('"S%s": {"Type": "Pass", "Next": "S%s"}, ', i, i + 1), '' ORDER BY i)
		|| '"S1001": {"Type": "Succeed"}}}' FROM generate_series(1, 1000) i), '{}'),
	('brackets in a string', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": "' || repeat('[', 1000) || '", "End": true}}}', '{}'),
	('too large', '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": "' || repeat('x', 1048576) || '", "End": true}}}', '{"TooLarge "}')
) AS texts (name, definition, expected);

SELECT * FROM finish();
ROLLBACK;
