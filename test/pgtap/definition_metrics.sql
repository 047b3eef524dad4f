-- Metrics of a definition: recorded when a run closes, however that comes, and never a reason for it to fail.
SET client_min_messages = error;
BEGIN;
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow.register_activity('Ship', task_queue => 'q', options => '{"StartToCloseSeconds": 60, "Retry": []}');
SELECT workflow_test.mock_activity('Ship', input => '{"fail": true}', error => 'Lost', duration => '3 s');
SELECT workflow_test.mock_activity('Ship', result => '{"parcels": 2}', duration => '2 s');

SELECT workflow.register('order', $asl${"StartAt": "Which", "TimeoutSeconds": 100, "Metrics": {
	"Comment": "remarks are none",
	"order_processing_time": {"Type": "Histogram", "Help": "From the order to its end",
		"Labels": {"region.$": "$$.Execution.Input.region", "status.$": "$$.Execution.Status", "error.$": "$$.Execution.Error.Error", "shop": "north"},
		"Buckets": [1, 2.5, 10]},
	"orders_done_total": {"Type": "Counter", "On": ["Completed"]},
	"parcels_total": {"Type": "Counter", "Value.$": "$.shipped.parcels", "On": ["Completed", "Failed"]},
	"last_total": {"Type": "Gauge", "Value.$": "$total", "On": ["Completed"]},
	"took": {"Type": "Gauge", "Value.$": "$$.Execution.Duration", "Labels": {"at.$": "$$.Execution.StopTime"}, "On": ["TimedOut"]}
}, "States": {
	"Which": {"Type": "Choice", "Choices": [
			{"Variable": "$.wait", "IsPresent": true, "Next": "Wait"},
			{"Variable": "$.again", "IsPresent": true, "Next": "Again"}],
		"Default": "Ship"},
	"Wait": {"Type": "Wait", "Seconds": 1000, "Next": "Done"},
	"Again": {"Type": "ContinueAsNew", "Parameters": {"region": "east"}},
	"Ship": {"Type": "Task", "Resource": "Ship", "ResultPath": "$.shipped", "Assign": {"total": 7.5}, "Next": "Done"},
	"Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('order', '{"region": "west"}', 'done');
SELECT workflow.start('order', '{"region": "west", "fail": true}', 'failed');
SELECT workflow.start('order', '{"region": "west", "wait": true}', 'canceled');
SELECT workflow.start('order', '{"region": "west", "wait": true}', 'terminated');
SELECT workflow.start('order', '{"region": "west", "wait": true}', 'timed-out');
SELECT workflow.start('order', '{"region": "west", "wait": true}', 'replaced');
SELECT workflow.start('order', '{"region": "west", "wait": true}', 'reset');
SELECT workflow.start('order', '{"again": true}', 'continued');
SELECT workflow_test.at('5 s', $$SELECT workflow.cancel('canceled')$$);
SELECT workflow_test.at('6 s', $$SELECT workflow.terminate('terminated')$$);
SELECT workflow_test.at('7 s', $$SELECT workflow.start('order', '{}', 'replaced', id_conflict_policy => 'TerminateExisting')$$);
SELECT workflow_test.at('8 s', $$SELECT workflow.reset('reset', (SELECT max(event_id) FROM workflow.history WHERE workflow_id = 'reset' AND event_type = 'WorkflowExecutionStarted'), 'again')$$);
SELECT workflow_test.run('2030-01-01 00:00:20');
SELECT workflow.terminate('reset');
SELECT workflow_test.run();

CREATE FUNCTION pg_temp.times(metric text, wanted jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
	SELECT coalesce(sum(m.count), 0)::bigint FROM workflow.metrics m WHERE m.name = metric AND m.labels @> wanted $$;
CREATE FUNCTION pg_temp.value(metric text, wanted jsonb DEFAULT '{}') RETURNS float8 LANGUAGE sql AS $$
	SELECT sum(m.value) FROM workflow.metrics m WHERE m.name = metric AND m.labels @> wanted $$;
-- severity, code, path and message of what is wrong with one metric
CREATE FUNCTION pg_temp.problems(metrics jsonb, language text DEFAULT 'JSONPath') RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' | ', v.severity, v.code, v.path, v.message) FROM workflow.validate(jsonb_build_object('StartAt', 'A', 'QueryLanguage', language,
		'Metrics', metrics, 'States', '{"A": {"Type": "Succeed"}}'::jsonb)) v $$;
\o
SELECT plan(41);

\echo # However a run closes
SELECT is(pg_temp.times('order_processing_time', '{"status": "Completed", "region": "west", "shop": "north", "workflow": "order", "version": "1"}'), 1::bigint, 'completed');
SELECT is(pg_temp.value('order_processing_time', '{"status": "Completed", "region": "west"}'), 2::float8, 'in seconds from its start');
SELECT is(pg_temp.times('order_processing_time', '{"status": "Failed", "error": "Lost"}'), 1::bigint, 'failed, and of what');
SELECT is(pg_temp.times('order_processing_time', '{"status": "Canceled", "error": "OW.Canceled"}'), 1::bigint, 'canceled');
SELECT is(pg_temp.value('order_processing_time', '{"status": "TimedOut"}'), 100::float8, 'timed out');
SELECT is(pg_temp.times('order_processing_time', '{"status": "ContinuedAsNew", "region": ""}'), 1::bigint, 'continued as new; a label that is missing is empty');
SELECT is(pg_temp.times('order_processing_time', '{"status": "Completed", "region": "east"}'), 1::bigint, 'and the run after it');
SELECT is(pg_temp.times('order_processing_time', '{"status": "Terminated"}'), 4::bigint, 'terminated: when asked, for another start, and for a reset');
SELECT results_eq($$SELECT labels->>'status', sum(value::numeric) FROM workflow.metrics WHERE name = 'order_processing_time' GROUP BY 1 ORDER BY 1$$,
	$$SELECT status, sum(extract(epoch FROM closed_at - started_at)) FROM workflow.executions WHERE closed_at IS NOT NULL GROUP BY 1 ORDER BY 1$$, 'each as long as it was open');
SELECT is(pg_temp.times('order_processing_time'), (SELECT count(*) FROM workflow.executions WHERE closed_at IS NOT NULL), 'once for each run');
SELECT is(pg_temp.value('executions_closed_total', '{"status": "Terminated"}'), 4::float8, 'the extension''s own count them, too');

\echo # What is recorded
SELECT is(pg_temp.value('orders_done_total'), 3::float8, 'a counter goes up by one, where it is to');
SELECT is(pg_temp.value('parcels_total'), 6::float8, 'or by a value');
SELECT is(pg_temp.value('last_total'), 7.5::float8, 'a gauge is set, here to a variable');
SELECT is(pg_temp.value('took', '{"at": "2030-01-01T00:01:40Z"}'), 100::float8, '$$.Execution has when and how long');
SELECT results_eq($$SELECT bounds, buckets FROM workflow.metrics WHERE name = 'order_processing_time' AND labels @> '{"status": "Completed", "region": "west"}'$$,
	$$VALUES ('{1,2.5,10,Infinity}'::float8[], '{0,1,1,1}'::bigint[])$$, 'buckets are its own');
SELECT is((SELECT DISTINCT help FROM workflow.metrics WHERE name = 'order_processing_time'), 'From the order to its end', 'as is its help');
SELECT matches(workflow.prometheus_metrics(), E'# HELP order_processing_time From the order to its end\n# TYPE order_processing_time histogram\norder_processing_time_bucket\\{',
	'Prometheus gets it under its name');
SELECT ok(workflow.prometheus_metrics() ~ E'order_processing_time_bucket\\{error="",owner="[^"]*",region="west",shop="north",status="Completed",version="1",workflow="order",le="2.5"\\} 1\n', 'with its buckets');
SELECT is(pg_temp.value('metric_values_unusable_total', '{"metric": "parcels_total", "reason": "missing", "workflow": "order"}'), 1::float8,
	'a value that is missing is counted, and nothing else becomes of it');
SELECT is((SELECT status FROM workflow.executions WHERE workflow_id = 'done'), 'Completed', 'the run is what it is');

\echo # Nothing is counted by looking, or by replay
SELECT is((SELECT count(*) FROM workflow.executions e WHERE workflow.rebuild_state(e.run_id) IS NULL), 0::bigint, 'all runs can be replayed');
SELECT is(pg_temp.times('order_processing_time'), (SELECT count(*) FROM workflow.executions WHERE closed_at IS NOT NULL), 'that counts nothing');
\o /dev/null
SAVEPOINT before;
SELECT workflow.start('order', '{}', 'rolled-back');
SELECT workflow_test.run();
ROLLBACK TO before;
\o
SELECT is(pg_temp.times('orders_done_total'), 3::bigint, 'nor does what is rolled back');

\echo # What no value can be made of
\o /dev/null
SELECT workflow.register('odd', $asl${"StartAt": "A", "Metrics": {
	"odd": {"Type": "Gauge", "Value.$": "$.value", "Labels": {"label.$": "$.label"}},
	"odd_total": {"Type": "Counter", "Value.$": "$.value"},
	"odd_call": {"Type": "Gauge", "Value.$": "States.ArrayLength($.label)"}
}, "States": {"A": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('odd', v.input, v.id) FROM (VALUES ('null', '{"value": null}'::jsonb), ('text', '{"value": "12"}'), ('negative', '{"value": -1}'),
	('huge', '{"value": 1e400}'), ('object', '{"value": 1, "label": {}}'),
	('long', jsonb_build_object('value', 1, 'label', repeat(E'\u0001', 1000)))) AS v (id, input);
SELECT workflow_test.run();
\o
SELECT is((SELECT array_agg(DISTINCT status) FROM workflow.executions WHERE workflow = 'odd'), '{Completed}', 'no run fails of it');
SELECT results_eq($$SELECT labels->>'metric', labels->>'reason', value FROM workflow.metrics WHERE name = 'metric_values_unusable_total' AND labels->>'workflow' = 'odd' ORDER BY 1, 2$$,
	$$VALUES ('odd', 'label', 1::float8), ('odd', 'missing', 1), ('odd', 'no_number', 2),
		('odd_call', 'missing', 6), ('odd_total', 'missing', 1), ('odd_total', 'negative', 1), ('odd_total', 'no_number', 2)$$,
	'each is counted, with why');
SELECT is((SELECT max(octet_length(labels->>'label')) FROM workflow.metrics WHERE name = 'odd'), 40, 'labels are cut');

\echo # In SQL
\o /dev/null
SELECT workflow.register('sql', $asl${"QueryLanguage": "SQL", "StartAt": "A", "Metrics": {
	"euros_total": {"Type": "Counter", "Value": "{% (input->>'price')::numeric * (vars->>'n')::int %}",
		"Labels": {"how": "{% context->'Execution'->>'Status' %}", "size": "{% CASE WHEN (vars->>'n')::int > 1 THEN 'many' ELSE 'one' END %}", "kind": "plain"}},
	"by_path": {"QueryLanguage": "JSONPath", "Type": "Gauge", "Value.$": "$.price"},
	"duration": {"Type": "Gauge", "Value": "{% context->'Execution'->'Duration' %}"},
	"ratio": {"Type": "Gauge", "Value": "{% 1 / (vars->>'zero')::int %}"},
	"fixed_total": {"Type": "Counter", "Value": 3}
}, "States": {"A": {"Type": "Pass", "Assign": {"n": 3, "zero": 0}, "Next": "B"}, "B": {"Type": "Wait", "Seconds": 4, "End": true}}}$asl$);
SELECT workflow.start('sql', '{"price": 2.5}', 'sql');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.value('euros_total', '{"how": "Completed", "size": "many", "kind": "plain"}'), 7.5::float8, 'a value and labels are expressions');
SELECT is(pg_temp.value('by_path'), 2.5::float8, 'a metric has the language that it says');
SELECT is(pg_temp.value('duration'), 4::float8, 'the context object');
SELECT is(pg_temp.value('fixed_total'), 3::float8, 'a number');
SELECT is(pg_temp.value('metric_values_unusable_total', '{"metric": "ratio", "reason": "failed"}'), 1::float8, 'an expression that fails is counted');

\echo # What is refused
SELECT set_eq($$SELECT pg_temp.problems('{"1st": {"Type": "Gauge", "Value": 1}, "order_workflow_x": {"Type": "Gauge", "Value": 1}, "x_count": {"Type": "Gauge", "Value": 1}}')$$,
	$$VALUES ('error | InvalidName | Metrics.1st | "1st" cannot be the name of a metric'), ('error | InvalidName | Metrics.order_workflow_x | "order_workflow_x" cannot be the name of a metric'),
		('error | InvalidName | Metrics.x_count | "x_count" cannot be the name of a metric')$$, 'names');
SELECT set_eq($$SELECT pg_temp.problems('{"x": {"Type": "Gauge", "Value": 1, "Labels": {"a-b": "x", "le": "x", "owner": "x", "__a": "x", "o": {}, "p.$": 1, "q.$": "q", "r": 1, "r.$": "$.r"}}}')
	UNION ALL SELECT pg_temp.problems('{"x": {"Type": "Gauge", "Value": 1, "Labels": {"a-b": "x", "le": "x", "owner": "x", "__a": "x", "o": {}, "p.$": 1, "q.$": "q"}}}')$$,
	$$VALUES ('error | TooMany | Metrics.x.Labels | "Labels" of Metrics.x has more than 8 entries'),
		('error | InvalidName | Metrics.x.Labels.a-b | "a-b" cannot be the name of a label'), ('error | InvalidName | Metrics.x.Labels.le | "le" cannot be the name of a label'),
		('error | InvalidName | Metrics.x.Labels.owner | "owner" cannot be the name of a label'), ('error | InvalidName | Metrics.x.Labels.__a | "__a" cannot be the name of a label'),
		('error | WrongType | Metrics.x.Labels.o | label "o" in Metrics.x.Labels must be a string, a number or a boolean'),
		('error | WrongType | Metrics.x.Labels.p.$ | label "p" in Metrics.x.Labels must be a string: a path'),
		('error | InvalidPath | Metrics.x.Labels.q.$ | field "q.$" in Metrics.x.Labels is not a usable path: "q": a path begins with "$", a call of a function with "States."')$$, 'labels');
SELECT set_eq($$SELECT pg_temp.problems('{"x": {"Type": "Gauge", "Value": 1, "Labels": {"r": 1, "r.$": "$.r"}}, "y": {"Type": "Gauge", "Value": 1, "Value.$": "$.y"}}')$$,
	$$VALUES ('error | ExclusiveFields | Metrics.x.Labels.r.$ | label "r" in Metrics.x.Labels is given twice'),
		('error | ExclusiveFields | Metrics.y.Value.$ | Metrics.y has both "Value" and "Value.$"')$$, 'two of a kind');
SELECT set_eq($$SELECT pg_temp.problems('{"w": {}, "x": {"Type": "Gauge"}, "y": {"Type": "Timer"}, "z": {"Type": "Histogram", "Value.$": "$.a[*]", "Bukets": []}}')$$,
	$$VALUES ('error | MissingField | Metrics.w | Metrics.w has no "Type"'),
		('error | MissingField | Metrics.x | field "Value" is missing in Metrics.x, which is a gauge'),
		('error | InvalidValue | Metrics.y.Type | field "Type" in Metrics.y must be "Counter" or "Gauge" or "Histogram", not "Timer"'),
		('error | UnknownField | Metrics.z.Bukets | unknown field "Bukets" in Metrics.z'),
		('error | InvalidPath | Metrics.z.Value.$ | field "Value.$" in Metrics.z is not a usable path: "$.a[*]": it selects any number of values, and one is needed here')$$, 'fields');
SELECT set_eq($$SELECT pg_temp.problems('{"a": {"Type": "Histogram", "Buckets": [1, 1]}, "b": {"Type": "Histogram", "Buckets": []}, "c": {"Type": "Histogram", "Buckets": ["1"]}, "d": {"Type": "Gauge", "Value": 1, "Buckets": [1]},
		"e": {"Type": "Gauge", "Value": 1, "On": []}, "f": {"Type": "Gauge", "Value": 1, "On": ["Running"]}}')$$,
	$$VALUES ('error | InvalidValue | Metrics.a.Buckets | field "Buckets" in Metrics.a must be 1 to 20 numbers, each greater than the one before'),
		('error | InvalidValue | Metrics.b.Buckets | field "Buckets" in Metrics.b must be 1 to 20 numbers, each greater than the one before'),
		('error | InvalidValue | Metrics.c.Buckets | field "Buckets" in Metrics.c must be 1 to 20 numbers, each greater than the one before'),
		('error | InvalidValue | Metrics.d.Buckets | field "Buckets" in Metrics.d is one of histograms'),
		('error | InvalidValue | Metrics.e.On | field "On" in Metrics.e must be an array of the ways in which a run closes'),
		('error | InvalidValue | Metrics.f.On | field "On" in Metrics.f must be an array of the ways in which a run closes')$$, 'buckets, and closes');
SELECT set_eq($$SELECT pg_temp.problems('{"a": {"Type": "Gauge", "Value.$": "$nobody"}}')$$,
	$$VALUES ('warning | UnknownVariable | Metrics.a.Value.$ | field "Value.$" in Metrics.a reads variable "nobody", which no state sets')$$, 'variables that nobody assigns');
SELECT set_eq($$SELECT pg_temp.problems('{"a": {"Type": "Gauge", "Value": "$.x"}, "b": {"Type": "Gauge", "Value": "{% now() %}"}, "c": {"Type": "Gauge", "Value.$": "$.x"}}', 'SQL')$$,
	$$VALUES ('error | WrongType | Metrics.a.Value | field "Value" in Metrics.a must be a number or an expression, not "$.x"'),
		('error | WrongLanguage | Metrics.c.Value.$ | field "Value.$" in Metrics.c is one of JSONPath, but its language is SQL')$$, 'in SQL');
SELECT set_eq($$SELECT pg_temp.problems('{"orders": {"Type": "Counter"}, "x_total": {"Type": "Histogram"}}')$$,
	$$VALUES ('warning | MetricName | Metrics.orders | the names of counters end in "_total", and no others do: "orders"'),
		('warning | MetricName | Metrics.x_total | the names of counters end in "_total", and no others do: "x_total"')$$, 'names that Prometheus would not have');
SELECT throws_ok($$SELECT workflow.metric('order_workflow_executors')$$, '22023', '"order_workflow_executors" is not a name of a metric', 'an application cannot take the extension''s names');
SELECT * FROM finish();
ROLLBACK;
