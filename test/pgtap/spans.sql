-- What runs spent their time on: spans as the activities were told, timelines, OTLP, pages of HTML.
SET client_min_messages = error;
BEGIN;
\o /dev/null
-- Each call notes the span that it was told it is.
CREATE TABLE public.told (traceparent text, activity text, attempt int);
GRANT ALL ON public.told TO PUBLIC;
CREATE FUNCTION public.look(input jsonb, context workflow.activity_context) RETURNS jsonb LANGUAGE sql AS $$
	INSERT INTO public.told VALUES (context.traceparent, context.activity, context.attempt);
	SELECT input || '{"n": 1}' $$;
SELECT workflow.register_activity('Look', 'public.look(jsonb, workflow.activity_context)');
SELECT workflow.register_activity('Undo', 'public.look(jsonb, workflow.activity_context)');
SELECT workflow.register_activity('Mail', task_queue => 'mail', options => '{"StartToCloseSeconds": 10,
	"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "IntervalSeconds": 1}]}');
SELECT workflow.register('all', '{"StartAt": "A/1:\\", "States": {
	"A/1:\\": {"Type": "Task", "Resource": "Look", "Compensate": "Undo", "ResultPath": null, "Next": "Again"},
	"Again": {"Type": "Choice", "Choices": [{"Variable": "$.again", "BooleanEquals": true, "Next": "Once"}], "Default": "Each"},
	"Once": {"Type": "Pass", "Result": false, "ResultPath": "$.again", "Next": "A/1:\\"},
	"Each": {"Type": "Map", "ItemsPath": "$.items", "ResultPath": null, "ItemProcessor": {"StartAt": "In", "States": {
		"In": {"Type": "Parallel", "Branches": [{"StartAt": "Deep", "States": {"Deep": {"Type": "Task", "Resource": "Look", "End": true}}}], "End": true}}}, "Next": "Mail"},
	"Mail": {"Type": "Task", "Resource": "Mail", "ResultPath": null, "Next": "Wait"},
	"Wait": {"Type": "Wait", "Seconds": 60, "Next": "No"},
	"No": {"Type": "Fail", "Error": "No", "Cause": "</script><b>bold & \"loud\""}}}');
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity(a) FROM unnest('{Look,Undo}'::text[]) a;
SELECT workflow_test.mock_activity('Mail', error => 'Down', duration => '2 s', times => 1);
SELECT workflow_test.mock_activity('Mail', result => '1', duration => '3 s');
SELECT workflow.start('all', '{"items": [{}, {"a": "<i>"}], "again": true}', '</title><script>alert(1)</script>',
	traceparent => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
SELECT workflow.start('all', '{"items": [], "again": false}', 'half');
SELECT workflow_test.run('2030-01-01 00:00:30+00');
CREATE TEMP TABLE half AS SELECT * FROM workflow.timeline('half', 40);
SELECT workflow_test.run();
CREATE TEMP TABLE run AS SELECT * FROM workflow.executions WHERE workflow_id LIKE '</title>%';
CREATE TEMP TABLE page AS SELECT workflow.report_html((SELECT run_id FROM run)) AS html;
\o
SELECT plan(25);

\echo # Spans
SELECT is(count(*), 8::bigint, 'two orders, their Maps and compensations: so many calls') FROM told;
SELECT bag_eq(
	$$SELECT split_part(traceparent, '-', 2) AS trace_id, split_part(traceparent, '-', 3) AS span_id, activity, attempt FROM told$$,
	$$SELECT trace_id, span_id, activity, attempt FROM workflow.spans WHERE activity IN ('Look', 'Undo')$$,
	'each attempt is the span that it was told');
SELECT results_eq(
	$$SELECT kind, activity, attempt, status, error, extract(epoch FROM ended_at - started_at)::int FROM workflow.spans
	  WHERE run_id = (SELECT run_id FROM run) AND activity = 'Mail' ORDER BY started_at$$,
	$$VALUES ('Activity', 'Mail', 1, 'Failed', 'Down', 2), ('Activity', 'Mail', 2, 'Completed', NULL, 3)$$, 'attempts of a program outside');
SELECT results_eq(
	$$SELECT trace_id, parent_span_id, name, status, error FROM workflow.spans WHERE run_id = (SELECT run_id FROM run) AND kind = 'Execution'$$,
	$$VALUES ('4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7', 'all', 'Failed', 'No')$$, 'the run is within what it was started in');
SELECT is(count(*), 0::bigint, 'what it does is within the run')
FROM workflow.spans s JOIN workflow.spans e ON e.run_id = s.run_id AND e.kind = 'Execution'
WHERE s.kind <> 'Execution' AND s.parent_span_id IS DISTINCT FROM e.span_id;
SELECT is(parent_span_id, NULL, 'a run without a trace given is the root of its own') FROM workflow.spans WHERE workflow_id = 'half' AND kind = 'Execution';
SELECT is(count(*), count(DISTINCT span_id), 'no two spans are one') FROM workflow.spans;
SELECT is(count(*) FILTER (WHERE kind = 'Compensation' AND status = 'Completed'), 2::bigint, 'compensations')
FROM workflow.spans WHERE run_id = (SELECT run_id FROM run);
SELECT results_eq(
	$$SELECT branch_id, depth, path FROM workflow.run_branches((SELECT run_id FROM run)) ORDER BY branch_id$$,
	$$VALUES (0, 0, NULL), (1, 1, 'Each:1:0'), (2, 2, 'Each:1:0/In:1:0'), (3, 1, 'Each:1:1'), (4, 2, 'Each:1:1/In:1:0')$$, 'branches and their paths');

\echo # Timeline
SELECT results_eq($$SELECT step, status FROM half$$, $$VALUES
	('all', 'Running'), ('  A/1:\: Look', 'Completed'), ('  Again', 'Completed'), ('  Each', 'Completed'),
	('  Mail', 'Completed'), ('  Wait', 'Running')$$, 'of an open run');
SELECT results_eq($$SELECT DISTINCT length(chart) FROM half$$, ARRAY[40], 'as wide as asked for');
SELECT is(chart, '====                                    ', 'a bar from when to when') FROM half WHERE step = '  Mail';
SELECT is(right(chart, 1), '>', 'what goes on') FROM half WHERE step = '  Wait';
SELECT results_eq($$SELECT trim(step), took FROM workflow.timeline((SELECT run_id FROM run)) WHERE step ~ '#|Deep|undo' ORDER BY began, 1$$,
	$$VALUES ('Deep: Look[0]', interval '0'), ('Deep: Look[0]', '0'), ('Mail #2', '3 s'), ('undo A/1:\: Undo', '0'), ('undo A/1:\: Undo', '0')$$,
	'retries, branches and compensations have names');
SELECT is_empty($$SELECT * FROM workflow.timeline('nobody')$$, 'no such run, no lines');

\echo # OpenTelemetry
CREATE TEMP TABLE otlp AS
SELECT s.span FROM jsonb_path_query(workflow.otlp_spans('2030-01-01'), '$.resourceSpans[*].scopeSpans[*].spans[*]') AS s (span);
SELECT is(count(*), (SELECT count(*) FROM workflow.spans), 'all spans of closed runs') FROM otlp;
SELECT results_eq($$SELECT span->>'traceId', span->>'parentSpanId', span->'status', span->>'startTimeUnixNano'
	FROM otlp WHERE span->>'name' = 'all' AND span->>'traceId' LIKE '4bf9%'$$,
	$$VALUES ('4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7', '{"code": 2, "message": "No: </script><b>bold & \"loud\""}'::jsonb, '1893456000000000000')$$,
	'as OTLP/JSON has it');
SELECT is(count(*), 0::bigint, 'ids are hexadecimal digits') FROM otlp
WHERE NOT (span->>'traceId' ~ '^[0-9a-f]{32}$' AND span->>'spanId' ~ '^[0-9a-f]{16}$' AND coalesce(span->>'parentSpanId', repeat('0', 16)) ~ '^[0-9a-f]{16}$');
SELECT is(workflow.otlp_spans('2031-01-01'), NULL, 'of a time without any there is nothing');
SELECT is(workflow.otlp_attributes('{"a": "x", "b": 1, "c": 1.5, "d": true, "e": null}'),
	'[{"key": "a", "value": {"stringValue": "x"}}, {"key": "b", "value": {"intValue": "1"}}, {"key": "c", "value": {"doubleValue": 1.5}},
	  {"key": "d", "value": {"boolValue": true}}]', 'types of attributes');

\echo # Pages
SELECT is((SELECT count(*) FROM regexp_matches(html, '<script', 'g')), 2::bigint, 'no markup but the page''s own') FROM page;
SELECT ok(position('</script><b>' IN html) = 0 AND position('<i>' IN html) = 0 AND position('alert(1)</' IN html) = 0, 'data are no markup') FROM page;
SELECT is(substring(html FROM '<script type="application/json" id="data">(.*?)</script>')::jsonb->'reached',
	'{"A/1:\\": "Undone", "Again": "Completed", "Once": "Completed", "Each": "Completed", "In": "Completed", "Deep": "Completed",
	  "Mail": "Completed", "Wait": "Completed", "No": "Completed"}', 'where it went') FROM page;
SELECT throws_ok($$SELECT workflow.report_html('nobody')$$, 'OW005', NULL, 'no such run');
SELECT matches(workflow.report_definition_html('all'), '"graph": \{"edges"', 'a whole definition');
SELECT * FROM finish();
ROLLBACK;
