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
-- A Parallel with these branches, and a Map, each with these fields beside.
CREATE FUNCTION pg_temp.parallel(branches jsonb, fields jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
	AS $$ SELECT pg_temp.machine(jsonb_build_object('A',
		'{"Type": "Parallel", "End": true}' || fields || jsonb_build_object('Branches', branches))) $$;
CREATE FUNCTION pg_temp.map(fields jsonb) RETURNS jsonb LANGUAGE sql
	AS $$ SELECT pg_temp.machine(jsonb_build_object('A',
		'{"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}}' || fields)) $$;
-- A branch whose Map has a state I; beside it a branch with N.  The whole sets some variables, I others.
CREATE FUNCTION pg_temp.around(outer_assign jsonb, inner_assign jsonb) RETURNS jsonb LANGUAGE sql
	AS $$ SELECT jsonb_set(jsonb_set(pg_temp.machine('{
		"A": {"Type": "Parallel", "Next": "Z", "Branches": [
			{"StartAt": "M", "States": {"M": {"Type": "Map", "End": true,
				"ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}}}},
			{"StartAt": "N", "States": {"N": {"Type": "Pass", "End": true}}}]},
		"Z": {"Type": "Succeed"}}'),
		'{States,A,Assign}', outer_assign),
		'{States,A,Branches,0,States,M,ItemProcessor,States,I,Assign}', inner_assign) $$;
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
('no states', '{"StartAt": "A", "States": {}}', '{"NoStates States"}'),
('the smallest', pg_temp.machine('{"A": {"Type": "Succeed"}}'), '{}'),
('free keys', pg_temp.machine('{"A": {"Type": "Succeed", "Comment": "c", "x-owner": {}}}', '{"x-a": 1, "Comment": "c"}'), '{}'),
('comments that are none', pg_temp.machine('{"A": {"Type": "Succeed", "Comment": 1}}', '{"Comment": null}'), '{"WrongType Comment","WrongType States.A.Comment"}'),
('wrong types', '{"StartAt": 1, "States": [], "Version": 1, "TimeoutSeconds": "1", "QueryLanguage": null}', '{"WrongType QueryLanguage","WrongType StartAt","WrongType States","WrongType TimeoutSeconds","WrongType Version"}'),
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
('end of the wrong type', pg_temp.machine('{"A": {"Type": "Pass", "End": "yes"}}'), '{"WrongType States.A.End"}'),
('goes on, ends not', pg_temp.machine('{"A": {"Type": "Pass", "End": false, "Next": "B"}, "B": {"Type": "Succeed"}}'), '{}'),
('neither, with an end', pg_temp.machine('{"A": {"Type": "Pass", "End": false}}'), '{"MissingField States.A"}'),
('fields of other types', pg_temp.machine('{"A": {"Type": "Wait", "Seconds": 0, "Next": "B", "Parameters": {}, "ResultPath": "$"}, "B": {"Type": "Pass", "ResultSelector": {}, "Retry": [], "Catch": [], "TimeoutSeconds": 1, "Next": "C"}, "C": {"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": true, "Next": "D"}], "Default": "E", "ResultPath": "$", "End": true}, "D": {"Type": "Succeed", "Assign": {}, "Next": "E"}, "E": {"Type": "Fail", "InputPath": "$", "OutputPath": "$", "Assign": {}, "End": true}}'),
	'{"UnknownField States.A.Parameters","UnknownField States.A.ResultPath","UnknownField States.B.Catch","UnknownField States.B.ResultSelector","UnknownField States.B.Retry","UnknownField States.B.TimeoutSeconds","UnknownField States.C.End","UnknownField States.C.ResultPath","UnknownField States.D.Assign","UnknownField States.D.Next","UnknownField States.E.Assign","UnknownField States.E.End","UnknownField States.E.InputPath","UnknownField States.E.OutputPath"}'),
('succeed goes on', pg_temp.machine('{"A": {"Type": "Succeed", "End": true}}'), '{"UnknownField States.A.End"}'),
('choice without choices', pg_temp.machine('{"A": {"Type": "Choice"}}'), '{"MissingField States.A","(NoDefault) States.A"}'),
('what is in an unknown field', pg_temp.machine('{"A": {"Type": "Succeed", "Parameters": {"a.$": "b"}, "ResultPath": "b", "Assign": {"": 1}}}'), '{"UnknownField States.A.Assign","UnknownField States.A.Parameters","UnknownField States.A.ResultPath"}'),
('choice without default', pg_temp.choice('{"Variable": "$.x", "IsNull": true, "Next": "Z"}') #- '{States,A,Default}', '{"(NoDefault) States.A"}'),
('empty choices', pg_temp.machine('{"A": {"Type": "Choice", "Choices": [], "Default": "Z"}, "Z": {"Type": "Succeed"}}'), '{"EmptyChoices States.A.Choices"}'),
('choice with parameters', jsonb_set(pg_temp.choice('{"Variable": "$.x", "IsNull": true, "Next": "Z"}'), '{States,A,Parameters}', '{}'), '{"UnknownField States.A.Parameters"}'),
('wait for nothing', pg_temp.machine('{"A": {"Type": "Wait", "End": true}}'), '{"MissingField States.A"}'),
('wait for two', pg_temp.machine('{"A": {"Type": "Wait", "Seconds": 1, "TimestampPath": "$.t", "End": true}}'), '{"ExclusiveFields States.A.TimestampPath"}'),
('wait half a second', pg_temp.machine('{"A": {"Type": "Wait", "Seconds": 0.5, "End": true}}'), '{"OutOfRange States.A.Seconds"}'),
('wait until no time', pg_temp.machine('{"A": {"Type": "Wait", "Timestamp": "2030-01-01 00:00:00", "End": true}}'), '{"InvalidValue States.A.Timestamp"}'),
('wait for a set', pg_temp.machine('{"A": {"Type": "Wait", "SecondsPath": "$.a[*]", "End": true}}'), '{"InvalidPath States.A.SecondsPath"}'),
('fail twice', pg_temp.machine('{"A": {"Type": "Fail", "Error": "E", "ErrorPath": "$.e", "Cause": "C", "CausePath": "$.c"}}'), '{"ExclusiveFields States.A.CausePath","ExclusiveFields States.A.ErrorPath"}'),
('fail by calls', pg_temp.machine('{"A": {"Type": "Fail", "ErrorPath": "States.Format(''E{}'', $.n)", "CausePath": "$$.Execution.Name"}}'), '{}'),
('fail by many', pg_temp.machine('{"A": {"Type": "Fail", "ErrorPath": "$.e[*]", "CausePath": "$..c"}}'), '{"InvalidPath States.A.CausePath","InvalidPath States.A.ErrorPath"}'),
('wait for a while', pg_temp.machine('{"A": {"Type": "Wait", "Seconds": 0, "Next": "B"}, "B": {"Type": "Wait", "TimestampPath": "$.t", "End": true}}'), '{}'),
('wait until a time', pg_temp.machine('{"A": {"Type": "Wait", "Timestamp": "2030-01-01T00:00:00.5+01:00", "End": true}}'), '{}'),
('wait until a small time', pg_temp.machine('{"A": {"Type": "Wait", "Timestamp": "2030-01-01t00:00:00z", "End": true}}'), '{"InvalidValue States.A.Timestamp"}'),
('wait until no day', pg_temp.machine('{"A": {"Type": "Wait", "Timestamp": "2030-02-29T00:00:00Z", "End": true}}'), '{"InvalidValue States.A.Timestamp"}'),
('wait too long', pg_temp.machine('{"A": {"Type": "Wait", "Seconds": 100000000, "End": true}}'), '{"OutOfRange States.A.Seconds"}'),
('wait less than nothing', pg_temp.machine('{"A": {"Type": "Wait", "Seconds": -1, "End": true}}'), '{"OutOfRange States.A.Seconds"}'),
('fail publicly', pg_temp.machine('{"A": {"Type": "Fail", "Public": {"Code": "Sorry", "Message": "Try again"}}}'), '{}'),
('undo nothing', pg_temp.machine('{"A": {"Type": "Compensate", "End": true}}'), '{"(NothingToCompensate) States.A"}'),
-- tasks
('task', pg_temp.task('{}'), '{}'),
('misspelt in other forms', pg_temp.task('{"Retries": [], "Resourze": "Do", "parameters": {}}'), '{"UnknownField States.A.Resourze","UnknownField States.A.Retries","UnknownField States.A.parameters"}'),
('misspelt', pg_temp.task('{"Parameter": {}, "Retrys": []}'), '{"UnknownField States.A.Parameter","UnknownField States.A.Retrys"}'),
('no timeout', pg_temp.task('{}') #- '{States,A,TimeoutSeconds}', '{"(NoTimeout) States.A"}'),
('timeout by default', pg_temp.task('{}', '{"Defaults": {"StartToCloseSeconds": 5}}') #- '{States,A,TimeoutSeconds}', '{}'),
('a bad timeout', pg_temp.task('{"TimeoutSeconds": 0}'), '{"OutOfRange States.A.TimeoutSeconds"}'),
('half a timeout', pg_temp.task('{"TimeoutSeconds": 1.5}'), '{"OutOfRange States.A.TimeoutSeconds"}'),
('timeouts by path', pg_temp.task('{"TimeoutSecondsPath": "$.t", "HeartbeatSecondsPath": "$.h"}') #- '{States,A,TimeoutSeconds}', '{}'),
('timeouts by many', pg_temp.task('{"TimeoutSecondsPath": "$.t[*]", "HeartbeatSecondsPath": "$.h[0:1]"}') #- '{States,A,TimeoutSeconds}', '{"InvalidPath States.A.HeartbeatSecondsPath","InvalidPath States.A.TimeoutSecondsPath"}'),
('heart and path', pg_temp.task('{"HeartbeatSeconds": 1, "HeartbeatSecondsPath": "$.h"}'), '{"ExclusiveFields States.A.HeartbeatSecondsPath"}'),
('two timeouts', pg_temp.task('{"StartToCloseSeconds": 5}'), '{"ExclusiveFields States.A.StartToCloseSeconds"}'),
('timeout and path', pg_temp.task('{"TimeoutSecondsPath": "$.t"}'), '{"ExclusiveFields States.A.TimeoutSecondsPath"}'),
('slow heart', pg_temp.task('{"HeartbeatSeconds": 60}'), '{"OutOfRange States.A.HeartbeatSeconds"}'),
('slow heart by default', pg_temp.task('{}', '{"Defaults": {"HeartbeatSeconds": 90}}'), '{"OutOfRange States.A.HeartbeatSeconds"}'),
('transaction', pg_temp.task('{"Transaction": "Mine"}'), '{"InvalidValue States.A.Transaction"}'),
('context as result path', pg_temp.task('{"ResultPath": "$$.x"}'), '{"InvalidPath States.A.ResultPath"}'),
('reference paths', pg_temp.task(jsonb_build_object('ResultPath', '$.store\.book[''a b''][0][22].&Ж中')), '{}'),
('no reference path', pg_temp.task('{"ResultPath": "$.a[-1]"}'), '{"InvalidPath States.A.ResultPath"}'),
('paths of any kind', pg_temp.task('{"InputPath": "$.a[*].b", "OutputPath": "$..c[?(@.d > 1)]", "ResultPath": null}'), '{}'),
('null paths', pg_temp.task('{"InputPath": null, "OutputPath": null, "ResultPath": null}'), '{}'),
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
('wait for a token', pg_temp.task('{"Resource": "Do.waitForTaskToken"}'), '{}'),
('undo with a token', pg_temp.task('{"Compensate": "Undo.waitForTaskToken"}'), '{"NotSupported States.A.Compensate.Resource"}'),
('no resource', pg_temp.task('{}') #- '{States,A,Resource}', '{"MissingField States.A"}'),
('half an ARN', pg_temp.task('{"Resource": "arn:aws:lambda:us-east-1"}'), '{"InvalidResource States.A.Resource"}'),
('an ARN of nothing', pg_temp.task('{"Resource": "arn:::::x"}'), '{"InvalidResource States.A.Resource"}'),
('empty resource', pg_temp.task('{"Resource": ""}'), '{"InvalidResource States.A.Resource"}'),
-- retriers and catchers
('retry', pg_temp.task('{"Retry": [{"ErrorEquals": ["A", "B"], "IntervalSeconds": 2, "BackoffRate": 1.5, "MaxDelaySeconds": 9, "JitterStrategy": "FULL"}, {"ErrorEquals": ["States.ALL"], "MaximumAttempts": 5}]}'), '{}'),
('retry what', pg_temp.task('{"Retry": [{"ErrorEquals": []}, {}]}'), '{"EmptyErrorEquals States.A.Retry[0].ErrorEquals","MissingField States.A.Retry[1]"}'),
('retry both ways', pg_temp.task('{"Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 1, "MaximumAttempts": 2}]}'), '{"ExclusiveFields States.A.Retry[0].MaximumAttempts"}'),
('retry numbers', pg_temp.task('{"Retry": [{"ErrorEquals": ["A"], "IntervalSeconds": 0, "BackoffRate": 0.9, "MaxDelaySeconds": 1, "MaxAttempts": -1, "JitterStrategy": "SOME"}]}'),
	'{"OutOfRange States.A.Retry[0].BackoffRate","OutOfRange States.A.Retry[0].IntervalSeconds","InvalidValue States.A.Retry[0].JitterStrategy","OutOfRange States.A.Retry[0].MaxAttempts","OutOfRange States.A.Retry[0].MaxDelaySeconds"}'),
('retry all first', pg_temp.task('{"Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["A"]}]}'), '{"MisplacedAll States.A.Retry[1]"}'),
('retry all among others', pg_temp.task('{"Retry": [{"ErrorEquals": ["A", "States.ALL"]}]}'), '{"MisplacedAll States.A.Retry[0].ErrorEquals"}'),
('retry twice', pg_temp.task('{"Retry": [{"ErrorEquals": ["A"]}, {"ErrorEquals": ["A"]}]}'), '{"(DuplicateError) States.A.Retry[1].ErrorEquals"}'),
('retry all last', pg_temp.task('{"Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"], "BackoffRate": 1, "JitterStrategy": "NONE", "Comment": "c"}]}'), '{}'),
('catch all first', pg_temp.task('{"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "A"}, {"ErrorEquals": ["A"], "Next": "A"}]}'), '{"MisplacedAll States.A.Catch[1]"}'),
('catch all among others', pg_temp.task('{"Catch": [{"ErrorEquals": ["A", "States.ALL"], "Next": "A"}]}'), '{"MisplacedAll States.A.Catch[0].ErrorEquals"}'),
('retry without a list', pg_temp.task('{"Retry": {}, "Catch": "A"}'), '{"WrongType States.A.Catch","WrongType States.A.Retry"}'),
('retry by no objects', pg_temp.task('{"Retry": ["A"], "Catch": [null]}'), '{"WrongType States.A.Catch[0]","WrongType States.A.Retry[0]"}'),
('retry an error', pg_temp.task('{"Retry": [{"ErrorEquals": "A"}, {"ErrorEquals": [""]}]}'), '{"WrongType States.A.Retry[0].ErrorEquals","WrongType States.A.Retry[1].ErrorEquals[0]"}'),
('retry half', pg_temp.task('{"Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 1.5, "IntervalSeconds": 1.5, "MaxDelaySeconds": 31622401}]}'), '{"OutOfRange States.A.Retry[0].IntervalSeconds","OutOfRange States.A.Retry[0].MaxAttempts","OutOfRange States.A.Retry[0].MaxDelaySeconds"}'),
('a catcher into a machine beside it', pg_temp.task('{"Catch": [{"ErrorEquals": ["A"], "Next": "B"}]}'), '{"UnknownState States.A.Catch[0].Next"}'),
('a catcher by many', pg_temp.task('{"Catch": [{"ErrorEquals": ["A"], "Next": "A", "ResultPath": "$[*]"}]}'), '{"InvalidPath States.A.Catch[0].ResultPath"}'),
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
('rule with a comment', pg_temp.choice('{"Comment": "c", "Not": {"Comment": "c", "Variable": "$.x", "IsNull": true}, "Next": "Z"}'), '{}'),
('rule with a number for a comment', pg_temp.choice('{"Comment": 1, "Not": {"Comment": 1, "Variable": "$.x", "IsNull": true}, "Next": "Z"}'), '{"WrongType States.A.Choices[0].Comment","WrongType States.A.Choices[0].Not.Comment"}'),
('rule without an object', pg_temp.choice('5'), '{"WrongType States.A.Choices[0]"}'),
('not many', pg_temp.choice('{"Not": [{"Variable": "$.x", "IsNull": true}], "Next": "Z"}'), '{"WrongType States.A.Choices[0].Not"}'),
('and one', pg_temp.choice('{"And": {"Variable": "$.x", "IsNull": true}, "Next": "Z"}'), '{"WrongType States.A.Choices[0].And"}'),
('and of what is none', pg_temp.choice('{"And": [{"Variable": "$.x", "IsNull": true}, 5, {"Variable": "x", "IsNull": 1}], "Next": "Z"}'), '{"WrongType States.A.Choices[0].And[1]","WrongType States.A.Choices[0].And[2].IsNull","InvalidPath States.A.Choices[0].And[2].Variable"}'),
('operands', pg_temp.choice('{"Or": [{"Variable": "$.x", "StringEqualsPath": "$.y[*]"}, {"Variable": "$$.Execution.Name", "StringLessThan": ""}, {"Variable": "$.x", "NumericEquals": 1e9}, {"Variable": "$.x", "BooleanEquals": false}, {"Variable": "$.x", "TimestampEquals": "2030-01-01T00:00:00Z"}], "Next": "Z"}'), '{}'),
('wrong operands', pg_temp.choice('{"Or": [{"Variable": "$.x", "StringEqualsPath": "y"}, {"Variable": "$.x", "StringLessThan": 1}, {"Variable": "$.x", "BooleanEquals": "true"}, {"Variable": "$.x", "StringMatches": null}, {"Variable": "States.UUID()", "IsNull": true}], "Next": "Z"}'),
	'{"InvalidPath States.A.Choices[0].Or[0].StringEqualsPath","WrongType States.A.Choices[0].Or[1].StringLessThan","WrongType States.A.Choices[0].Or[2].BooleanEquals","WrongType States.A.Choices[0].Or[3].StringMatches","InvalidCall States.A.Choices[0].Or[4].Variable"}'),
('rule to no name', pg_temp.choice('{"Variable": "$.x", "IsNull": true, "Next": 5}'), '{"WrongType States.A.Choices[0].Next"}'),
('inner assign', pg_temp.choice('{"Not": {"Variable": "$.x", "IsPresent": true, "Assign": {"v": 1}}, "Next": "Z"}'), '{"MisplacedAssign States.A.Choices[0].Not.Assign"}'),
-- variables and calls
('assign', pg_temp.task('{"Assign": {"v.$": "$.r", "größe": [{"x.$": "$v[0]"}]}, "Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"e.$": "$"}, "Next": "A"}]}'), '{}'),
('assign in a rule', pg_temp.choice('{"Variable": "$v.x", "StringEqualsPath": "$.w", "Assign": {"v": 1}, "Next": "Z"}'), '{}'),
('assign twice', pg_temp.task('{"Assign": {"v": 1, "v.$": "$"}}'), '{"ExclusiveFields States.A.Assign.v.$"}'),
('variables that nobody sets', pg_temp.task('{"InputPath": "$a", "Parameters": {"b.$": "States.Format(''{}{}'', $b, $.x[?(@.y == $c.d)])"}, "TimeoutSecondsPath": "$d", "Assign": {"e.$": "$f"}}') #- '{States,A,TimeoutSeconds}',
	'{"(UnknownVariable) States.A.Assign.e.$","(UnknownVariable) States.A.InputPath","(UnknownVariable) States.A.Parameters.b.$","(UnknownVariable) States.A.Parameters.b.$","(UnknownVariable) States.A.TimeoutSecondsPath"}'),
('tested for presence', pg_temp.choice('{"Variable": "$v", "IsPresent": true, "Next": "Z"}'), '{}'),
('compared in a rule', pg_temp.choice('{"And": [{"Variable": "$v", "IsPresent": true}, {"Variable": "$v", "NumericEqualsPath": "$w"}], "Next": "Z"}'),
	'{"(UnknownVariable) States.A.Choices[0].And[1].NumericEqualsPath","(UnknownVariable) States.A.Choices[0].And[1].Variable"}'),
('what a state unknown sets', pg_temp.machine('{"A": {"Type": "Poss", "Assign": {"v": 1}, "Next": "B"}, "B": {"Type": "Succeed", "OutputPath": "$v"}}'), '{"UnknownType States.A.Type"}'),
('set around', pg_temp.around('{"x": 1}', '{"y.$": "$x"}'), '{}'),
('set around and within', pg_temp.around('{"x": 1}', '{"x": 2}'), '{"ShadowedVariable States.A.Branches[0].States.M.ItemProcessor.States.I.Assign.x"}'),
('set around by path', pg_temp.around('{"x.$": "$"}', '{"x.$": "$"}'), '{"ShadowedVariable States.A.Branches[0].States.M.ItemProcessor.States.I.Assign.x.$"}'),
('set around, afterwards', jsonb_set(pg_temp.around('{}', '{"x": 2}'), '{States,Z}', '{"Type": "Pass", "Assign": {"x": 1}, "End": true}'), '{"ShadowedVariable States.A.Branches[0].States.M.ItemProcessor.States.I.Assign.x"}'),
('set beside', jsonb_set(pg_temp.around('{}', '{"x": 2}'), '{States,A,Branches,1,States,N,Assign}', '{"x": 1}'), '{}'),
('set beside, read', jsonb_set(pg_temp.around('{}', '{"x": 2}'), '{States,A,Branches,1,States,N,OutputPath}', '"$x"'), '{"(UnknownVariable) States.A.Branches[1].States.N.OutputPath"}'),
('set within, read', jsonb_set(pg_temp.around('{}', '{"x": 2}'), '{States,Z,OutputPath}', '"$x"'), '{"(UnknownVariable) States.Z.OutputPath"}'),
('set by a Map, read within', jsonb_set(pg_temp.around('{}', '{"y.$": "$x"}'), '{States,A,Branches,0,States,M,Assign}', '{"x": 2}'), '{}'),
('names of variables', pg_temp.task(jsonb_build_object('Assign', jsonb_build_object('', 1, '1a', 1, 'a-b', 1, 'states', 1, 'a b.$', '$', repeat('ä', 80), 1, repeat('a', 81), 1))),
	ARRAY['InvalidName States.A.Assign.1a', 'InvalidName States.A.Assign.a b.$', 'InvalidName States.A.Assign.a-b',
		'InvalidName States.A.Assign.' || repeat('a', 81), 'InvalidName States.A.Assign.states', 'InvalidName States.A.Assign[""]']),
('assign what', pg_temp.task('{"Assign": "$", "Catch": [{"ErrorEquals": ["X"], "Assign": [], "Next": "A"}]}'), '{"WrongType States.A.Assign","WrongType States.A.Catch[0].Assign"}'),
('assign what in a rule', pg_temp.choice('{"Variable": "$.x", "IsPresent": true, "Assign": 1, "Next": "Z"}'), '{"WrongType States.A.Choices[0].Assign"}'),
('no assign', pg_temp.machine('{"A": {"Type": "Succeed", "Assign": {"v": 1}}}'), '{"UnknownField States.A.Assign"}'),
('paths of variables', pg_temp.task('{"Assign": {"v": 1}, "InputPath": "$v", "ResultPath": "$v.x", "Parameters": {"a.$": "$states.input", "b.$": "$a-b", "c.$": "$v..x"}}'),
	'{"InvalidPath States.A.Parameters.a.$","InvalidPath States.A.Parameters.b.$","InvalidPath States.A.ResultPath"}'),
('calls', pg_temp.task('{"Parameters": {"a.$": "States.UUID()", "b.$": "States.Nothing()"}, "InputPath": "States.Array()", "ResultSelector": {"x": "States.Nothing()"}}'),
	'{"InvalidCall States.A.InputPath","InvalidCall States.A.Parameters.b.$"}'),
('calls that cannot be', pg_temp.task('{"Parameters": {"a.$": "States.MathAdd(1)", "b.$": "States.Format(''{}'')", "c.$": "States.Hash(''a'', 1)", "d.$": "States.Array($.a", "e.$": "Other()", "f.$": "", "g.$": null, "h": [{"i.$": {}}]}}'),
	'{"InvalidCall States.A.Parameters.a.$","InvalidCall States.A.Parameters.b.$","InvalidCall States.A.Parameters.c.$","InvalidCall States.A.Parameters.d.$","InvalidPath States.A.Parameters.e.$","InvalidPath States.A.Parameters.f.$","InvalidPath States.A.Parameters.g.$","InvalidPath States.A.Parameters.h[0].i.$"}'),
('no credentials', pg_temp.task('{"Credentials": null}'), '{"WrongType States.A.Credentials"}'),
('credentials', pg_temp.task('{"Credentials": {"RoleArn.$": "$.role"}}'), '{"(Ignored) States.A.Credentials"}'),
-- nested machines
('parallel', pg_temp.parallel('[{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, {"StartAt": "C", "Comment": "c", "States": {"C": {"Type": "Pass", "Next": "D"}, "D": {"Type": "Fail"}}}]'), '{}'),
('no branches', pg_temp.parallel('[]'), '{"NoBranches States.A.Branches"}'),
('branches missing', pg_temp.parallel('[]') #- '{States,A,Branches}', '{"MissingField States.A"}'),
('branches in no list', pg_temp.parallel('{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}'), '{"WrongType States.A.Branches"}'),
('branches that are none', pg_temp.parallel('[5, {}, {"StartAt": "B", "States": {}}]'), '{"WrongType States.A.Branches[0]","MissingField States.A.Branches[1]","MissingField States.A.Branches[1]","NoStates States.A.Branches[2].States"}'),
('a branch with fields of the top', pg_temp.parallel('[{"StartAt": "B", "TimeoutSeconds": 5, "QueryLanguage": "JSONPath", "Version": "1.0", "States": {"B": {"Type": "Succeed"}}}]'),
	'{"UnknownField States.A.Branches[0].QueryLanguage","UnknownField States.A.Branches[0].TimeoutSeconds","UnknownField States.A.Branches[0].Version"}'),
('a branch that starts nowhere', pg_temp.parallel('[{"StartAt": "Q", "States": {"B": {"Type": "Succeed"}}}]'), '{"UnknownState States.A.Branches[0].StartAt"}'),
('a branch with an island', pg_temp.parallel('[{"StartAt": "B", "States": {"B": {"Type": "Succeed"}, "C": {"Type": "Succeed"}}}]'), '{"UnreachableState States.A.Branches[0].States.C"}'),
('a branch without end', pg_temp.parallel('[{"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "B"}}}]'), '{"NoEnd States.A"}'),
('out of a branch', pg_temp.parallel('[{"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "A"}}}]'), '{"UnknownState States.A.Branches[0].States.B.Next"}'),
('into a branch', pg_temp.parallel('[{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}]', '{"End": false, "Next": "B"}'), '{"UnknownState States.A.Next"}'),
('caught into a branch', pg_temp.parallel('[{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}]', '{"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]}'), '{"UnknownState States.A.Catch[0].Next"}'),
('from branch to branch', pg_temp.parallel('[{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, {"StartAt": "B", "States": {"C": {"Type": "Succeed"}}}]'), '{"UnknownState States.A.Branches[1].StartAt"}'),
('the same name twice', pg_temp.parallel('[{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}]'), '{"DuplicateState States.A.Branches[1].States.B"}'),
('a name too long in a branch', pg_temp.parallel(jsonb_build_array(jsonb_build_object('StartAt', repeat('b', 81), 'States', jsonb_build_object(repeat('b', 81), '{"Type": "Succeed"}'::jsonb)))), ARRAY['InvalidName States.A.Branches[0].States.' || repeat('b', 81)]),
('map', pg_temp.map('{"ItemsPath": "$.items", "ItemSelector": {"v.$": "$$.Map.Item.Value"}, "MaxConcurrency": 0, "ItemBatcher": {"MaxItemsPerBatch": 5, "MaxInputBytesPerBatchPath": "$.n", "BatchInput": {"a.$": "$.a"}}, "ToleratedFailureCountPath": "$.n", "ToleratedFailurePercentage": 12.5, "ResultSelector": {"r.$": "$"}}'), '{}'),
('map of old', pg_temp.map('{"Iterator": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "Parameters": {}}') #- '{States,A,ItemProcessor}', '{}'),
('map over nothing', pg_temp.map('{}') #- '{States,A,ItemProcessor}', '{"MissingField States.A"}'),
('map both ways', pg_temp.map('{"Iterator": {"StartAt": "C", "States": {"C": {"Type": "Succeed"}}}, "ItemSelector": {}, "Parameters": {}}'), '{"ExclusiveFields States.A.Iterator","ExclusiveFields States.A.Parameters"}'),
('map by no path', pg_temp.map('{"ItemsPath": null}'), '{"WrongType States.A.ItemsPath"}'),
('map numbers', pg_temp.map('{"MaxConcurrency": -1, "ToleratedFailureCount": 1.5, "ToleratedFailurePercentage": 101, "ItemBatcher": {"MaxItemsPerBatch": 0, "MaxInputBytesPerBatch": -1}}'),
	'{"OutOfRange States.A.ItemBatcher.MaxInputBytesPerBatch","OutOfRange States.A.ItemBatcher.MaxItemsPerBatch","OutOfRange States.A.MaxConcurrency","OutOfRange States.A.ToleratedFailureCount","OutOfRange States.A.ToleratedFailurePercentage"}'),
('map numbers twice', pg_temp.map('{"MaxConcurrency": 1, "MaxConcurrencyPath": "$.m", "ToleratedFailureCount": 1, "ToleratedFailureCountPath": "$.c", "ToleratedFailurePercentage": 1, "ToleratedFailurePercentagePath": "$.p", "ItemBatcher": {"MaxItemsPerBatch": 1, "MaxItemsPerBatchPath": "$.i"}}'),
	'{"ExclusiveFields States.A.ItemBatcher.MaxItemsPerBatchPath","ExclusiveFields States.A.MaxConcurrencyPath","ExclusiveFields States.A.ToleratedFailureCountPath","ExclusiveFields States.A.ToleratedFailurePercentagePath"}'),
('map by many', pg_temp.map('{"MaxConcurrencyPath": "$.m[*]"}'), '{"InvalidPath States.A.MaxConcurrencyPath"}'),
('batches of what', pg_temp.map('{"ItemBatcher": {"BatchInput": {}}}'), '{"MissingField States.A.ItemBatcher"}'),
('in line', jsonb_set(pg_temp.map('{}'), '{States,A,ItemProcessor,ProcessorConfig}', '{"Mode": "INLINE"}'), '{}'),
('in another mode', jsonb_set(pg_temp.map('{}'), '{States,A,ItemProcessor,ProcessorConfig}', '{"Mode": "OUTLINE", "ExecutionType": "SLOW", "Size": 1}'),
	'{"InvalidValue States.A.ItemProcessor.ProcessorConfig.ExecutionType","InvalidValue States.A.ItemProcessor.ProcessorConfig.Mode","UnknownField States.A.ItemProcessor.ProcessorConfig.Size"}'),
('distributed', jsonb_set(pg_temp.map('{"ItemReader": {}, "ResultWriter": {}, "Label": "l"}'), '{States,A,ItemProcessor,ProcessorConfig}', '{"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}'),
	'{"NotSupported States.A.ItemProcessor.ProcessorConfig.Mode","NotSupported States.A.ItemReader","NotSupported States.A.Label","NotSupported States.A.ResultWriter"}'),
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
SELECT results_eq(
	format('SELECT message, hint FROM workflow.validate(%L::jsonb)', definition), expected, name)
FROM (VALUES
	('a state of a nested machine', pg_temp.parallel('[{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}]', '{"End": false, "Next": "B"}'),
		$$VALUES ('field "Next" in state "A" names a state of another machine: "B"', '"B" is nested in state "A"; a transition stays within its machine.')$$),
	('a state of the machine around', pg_temp.parallel('[{"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "A"}}}]'),
		$$VALUES ('field "Next" in state "B" names a state of another machine: "A"', '"A" is a state of the definition itself; a transition stays within its machine.')$$),
	('a variable set around', pg_temp.around('{"x": 1}', '{"x": 2}'),
		$$VALUES ('Assign of state "I" sets variable "x", which Assign of state "A" sets around it', 'Take another name: a branch or item cannot assign variables of the machine around it.')$$),
	('a variable set within', jsonb_set(pg_temp.around('{}', '{"x": 2}'), '{States,Z,OutputPath}', '"$x"'),
		$$VALUES ('field "OutputPath" in state "Z" reads variable "x", which no state sets', 'Assign of state "I" sets it, but in another machine: a variable is seen in its own and in those nested in it.')$$),
	('a misspelt variable', pg_temp.around('{"total": 1}', '{"y.$": "$totl"}'),
		$$VALUES ('field "y.$" in Assign of state "I" reads variable "totl", which no state sets', 'Did you mean "$total"?')$$),
	('what is neither path nor call', pg_temp.machine('{"A": {"Type": "Pass", "Parameters": {"a.$": "Other()"}, "End": true}}'),
		$$VALUES ('field "a.$" in Parameters of state "A" is not a usable path: "Other()": a path begins with "$", a call of a function with "States."', NULL)$$)
) AS words (name, definition, expected);

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
	('a field twice', '{"StartAt": "A", "States": {"A": {"Type": "Succeed", "Comment": "1", "Comment": "2"}}}', '{"DuplicateKey States.A.Comment"}'),
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
