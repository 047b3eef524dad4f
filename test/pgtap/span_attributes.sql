-- What attempts say of their spans; spans of children; links between runs; what comes from outside, as events of spans.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
-- Says what its input tells it to, then fails if that says so.
CREATE FUNCTION public.say(input jsonb, context workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	words jsonb;
BEGIN
	FOR words IN SELECT jsonb_array_elements(coalesce(input->'Payload', input)->'say') LOOP
		PERFORM workflow.span_attributes(words || jsonb_build_object('attempt', context.attempt));
	END LOOP;
	BEGIN
		IF input ? 'caught' THEN
			PERFORM workflow.span_attributes(input->'caught');
			RAISE 'caught';
		END IF;
	EXCEPTION WHEN raise_exception THEN NULL;
	END;
	IF context.attempt < (input->>'succeeds')::int THEN
		PERFORM workflow.throw('Not yet', 'wait');
	END IF;
	RETURN '{"said": true}';
END $$;
CREATE FUNCTION public.hush(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
SELECT workflow.register_activity('Say', 'public.say(jsonb, workflow.activity_context)', options => '{"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 3}]}');
SELECT workflow.register_activity('Hush', 'public.hush(jsonb)');
SELECT workflow.register('say', '{"StartAt": "A", "States": {
	"A": {"Type": "Task", "Resource": "Say", "ResultPath": null, "Compensate": {"Resource": "Say", "Parameters": {"say": [{"undone": true}]}}, "Next": "B"},
	"B": {"Type": "Task", "Resource": "Hush", "Next": "No"}, "No": {"Type": "Fail", "Error": "No", "Cause": "it is"}}}');
SELECT workflow.register('token', '{"StartAt": "A", "States": {
	"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "Parameters": {"FunctionName": "Say",
	      "Payload": {"say": [{"asked": "somebody"}]}}, "TimeoutSeconds": 60, "End": true}}}');
SELECT workflow.register('kid', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Hush", "Next": "F"}, "F": {"Type": "Fail", "Error": "X"}}}');
SELECT workflow.register('parent', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "workflow:kid",
	"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}], "End": true}}}');
SELECT workflow.register('again', '{"StartAt": "Enough", "States": {
	"Enough": {"Type": "Choice", "Choices": [{"Variable": "$.round", "NumericEquals": 2, "Next": "Done"}], "Default": "Again"},
	"Again": {"Type": "ContinueAsNew", "Parameters": {"round": 2}}, "Done": {"Type": "Succeed"}}}');
SELECT workflow.register('signaled', '{"Signals": {"paid": {}}, "StartAt": "A", "States": {
	"A": {"Type": "Await", "Any": [{"Signal": "paid", "Next": "Done"}]}, "Done": {"Type": "Succeed"}}}');
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity(a) FROM unnest('{Say,Hush}'::text[]) a;
SELECT workflow.start('say', '{"say": [{"a": 1, "b": 2}, {"b": null, "c": {"d": [1, "x", null]}}], "caught": {"caught": true}, "succeeds": 2}', 'say');
SELECT workflow.start('parent', workflow_id => 'parent');
SELECT workflow.start('again', '{"round": 1}', 'own trace');
SELECT workflow.start('again', '{"round": 1}', 'given trace', traceparent => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
SELECT workflow.start('signaled', workflow_id => 'signaled');
SELECT workflow_test.at('1 s', $$SELECT workflow.signal('signaled', 'paid', '{"card": "1234"}')$$);
SELECT workflow_test.run();
\o
SELECT plan(26);

\echo # What attempts say
SELECT results_eq($$SELECT kind, activity, attempt, status, attributes FROM workflow.spans WHERE workflow_id = 'say' AND kind <> 'Execution' ORDER BY kind, started_at, activity DESC$$, $$VALUES
	('Activity', 'Say', 1, 'Failed', '{"a": 1, "c": {"d": [1, "x", null]}, "caught": true, "attempt": 1}'::jsonb),
	('Activity', 'Say', 2, 'Completed', '{"a": 1, "c": {"d": [1, "x", null]}, "caught": true, "attempt": 2}'),
	('Activity', 'Hush', 1, 'Completed', NULL),
	('Compensation', 'Say', 1, 'Completed', '{"undone": true, "attempt": 1}')$$,
	'each attempt for itself: merged, also what is rolled back, and of one that fails');
SELECT results_eq($$SELECT event_type, attributes->'span_attributes'->'attempt' FROM workflow.history WHERE workflow_id = 'say' AND attributes ? 'span_attributes' ORDER BY event_id$$,
	$$VALUES ('ActivityTaskFailed', '1'::jsonb), ('ActivityTaskCompleted', '2'), ('ActivityTaskCompleted', '1')$$, 'it is in history, once');
\o /dev/null
SELECT workflow.start('token', workflow_id => 'token');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$SELECT status, attributes FROM workflow.spans WHERE workflow_id = 'token' AND kind = 'Activity'$$, $$VALUES ('Running', '{"asked": "somebody", "attempt": 1}'::jsonb)$$,
	'of an attempt that hands its token on');
\o /dev/null
SELECT workflow.complete_activity(task_token, '1') FROM workflow.pending_activities WHERE workflow_id = 'token';
SELECT workflow_test.run();
\o
SELECT results_eq($$SELECT status, attributes FROM workflow.spans WHERE workflow_id = 'token' AND kind = 'Activity'$$, $$VALUES ('Completed', '{"asked": "somebody", "attempt": 1}'::jsonb)$$,
	'also when it is answered');
SELECT throws_ok($$SELECT workflow.span_attributes('{}')$$, 'OW202', 'no activity is running in this session');
SELECT throws_ok($$SELECT workflow.span_attributes(NULL)$$, '22004', NULL, 'null');
\o /dev/null
SELECT workflow.start('say', jsonb_build_object('say', jsonb_build_array(what)), name)
FROM (SELECT 'array', '[1]'::jsonb UNION ALL SELECT 'long', jsonb_build_object('x', repeat('x', 9000))
	UNION ALL SELECT 'many', (SELECT jsonb_object_agg(n, n) FROM generate_series(1, 128) n)) AS w (name, what);
SELECT workflow_test.run();
\o
SELECT results_eq($$SELECT workflow_id, error, attributes FROM workflow.spans WHERE workflow_id IN ('array', 'long', 'many') AND attempt = 1 AND kind = 'Activity' ORDER BY 1$$, $$VALUES
	('array' COLLATE "C", 'invalid_parameter_value', NULL::jsonb), ('long', 'program_limit_exceeded', NULL), ('many', 'program_limit_exceeded', NULL)$$, 'too much, or no object, fails the attempt');

\echo # Children
SELECT results_eq($$SELECT kind, name, attempt, status, error, parent_span_id = (SELECT span_id FROM workflow.spans e WHERE e.workflow_id = 'parent' AND e.kind = 'Execution')
	FROM workflow.spans WHERE workflow_id = 'parent' AND kind <> 'Execution' ORDER BY started_at$$,
	$$VALUES ('ChildWorkflow', 'kid', 1, 'Failed', 'X', true), ('ChildWorkflow', 'kid', 2, 'Failed', 'X', true)$$, 'a span for each attempt to have a child');
SELECT results_eq($$SELECT k.kind, count(*), count(DISTINCT k.run_id), bool_and(k.trace_id = p.trace_id)
	FROM workflow.spans k JOIN workflow.spans p ON p.span_id = k.parent_span_id AND p.kind = 'ChildWorkflow' GROUP BY k.kind$$,
	$$VALUES ('Execution', 2::bigint, 2::bigint, true)$$, 'which is the parent of the child''s');
SELECT is(count(*), 0::bigint, 'a trace is a tree') FROM workflow.spans s
WHERE s.parent_span_id IS NOT NULL AND s.parent_span_id <> '00f067aa0ba902b7'
  AND NOT EXISTS (SELECT FROM workflow.spans p WHERE p.span_id = s.parent_span_id AND p.trace_id = s.trace_id);
SELECT results_eq($$SELECT step, status FROM workflow.timeline('parent')$$,
	$$VALUES ('parent', 'Failed: X'), ('  A: kid', 'Failed: X'), ('  A: kid #2', 'Failed: X')$$, 'timelines show them');

\echo # Links
SELECT results_eq($$SELECT a.workflow_id, a.links->0->>'reason', jsonb_array_length(a.links), a.links->0->>'span_id' = b.span_id, a.links->0->>'trace_id' = b.trace_id
	FROM workflow.spans a JOIN workflow.spans b ON b.workflow_id = a.workflow_id AND b.run_id > a.run_id
	WHERE a.workflow_id LIKE '% trace' AND a.kind = 'Execution' AND b.kind = 'Execution' ORDER BY 1$$,
	$$VALUES ('given trace' COLLATE "C", 'next_run', 1, true, true), ('own trace', 'next_run', 1, true, true)$$, 'to the run that goes on');
SELECT is(count(*), 0::bigint, 'the last has none') FROM workflow.spans s WHERE status = 'Completed' AND links IS NOT NULL;
SELECT workflow.reset('say', 2, 'try again') \g /dev/null
SELECT workflow_test.run() \g /dev/null
SELECT results_eq($$SELECT b.links->0->>'reason', b.links->0->>'span_id' = a.span_id, b.links->0->>'trace_id' = a.trace_id
	FROM workflow.spans a JOIN workflow.spans b ON b.workflow_id = a.workflow_id AND b.run_id > a.run_id
	WHERE a.workflow_id = 'say' AND a.kind = 'Execution' AND b.kind = 'Execution'$$, $$VALUES ('root_run', true, true)$$, 'of a reset, to the first run');

\echo # Events
SELECT results_eq($$SELECT events FROM workflow.spans WHERE workflow_id = 'signaled'$$,
	$$VALUES ('[{"at": "2030-01-01T00:00:01+00:00", "name": "WorkflowExecutionSignaled", "attributes": {"workflow.signal": "paid", "workflow.requested_by": "postgres"}}]'::jsonb)$$, 'signals, without what they carry');

\echo # OpenTelemetry
CREATE TEMP TABLE otlp AS
SELECT s.span FROM jsonb_path_query(workflow.otlp_spans('2030-01-01'), '$.resourceSpans[*].scopeSpans[*].spans[*]') AS s (span);
SELECT is(count(*), (SELECT count(*) FROM workflow.spans), 'all spans') FROM otlp;
SELECT is(jsonb_path_query_first(span, '$.attributes[*] ? (@.key == "c").value'),
	'{"kvlistValue": {"values": [{"key": "d", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "x"}, {}]}}}]}}', 'of any type')
FROM otlp WHERE span->>'name' = 'Say' AND span @> '{"status": {"code": 2}}' LIMIT 1;
SELECT is(count(*), 3::bigint, 'an error has its type and is an event') FROM otlp
WHERE span @> '{"status": {"code": 2, "message": "X"}, "attributes": [{"key": "error.type", "value": {"stringValue": "X"}}],
	"events": [{"name": "exception", "attributes": [{"key": "exception.type", "value": {"stringValue": "X"}}]}]}' AND span->>'name' = 'kid' AND span @> '{"kind": 1}'
	AND (span->'links') IS NULL AND span->>'parentSpanId' IS NOT NULL AND span->>'startTimeUnixNano' >= '1893456000000000000'
	AND NOT span @> '{"attributes": [{"key": "workflow.span_kind", "value": {"stringValue": "ChildWorkflow"}}, {"key": "workflow.attempt", "value": {"intValue": "2"}}]}';
SELECT is(workflow.otlp_value('1e400'), jsonb_build_object('stringValue', (1e400::numeric)::text), 'a number that is none elsewhere');
SELECT is(workflow.otlp_value('12345678901234567890'), '{"doubleValue": 12345678901234567000}', 'a large one');
\o /dev/null
CREATE FUNCTION pg_temp.pages(size int) RETURNS TABLE (page int, span text) LANGUAGE plpgsql AS $$
DECLARE
	p record;
	since timestamptz := '-infinity';
	run uuid;
BEGIN
	page := 0;
	LOOP
		SELECT * INTO p FROM workflow.otlp_page(since, run, runs => size);
		EXIT WHEN p.request IS NULL;
		page := page + 1;
		RETURN QUERY SELECT pages.page, s->>'spanId' FROM jsonb_path_query(p.request, '$.resourceSpans[*].scopeSpans[*].spans[*]') s;
		since := p.closed_at;
		run := p.run_id;
	END LOOP;
END $$;
\o
SELECT bag_eq('SELECT span FROM pg_temp.pages(1)', $$SELECT span->>'spanId' FROM otlp$$, 'pages of one run have all');
SELECT bag_eq('SELECT span FROM pg_temp.pages(5)', $$SELECT span->>'spanId' FROM otlp$$, 'so have larger ones');
SELECT is(max(page), (SELECT count(*)::int FROM workflow.executions), 'a page has so many runs') FROM pg_temp.pages(1);
\o /dev/null
SELECT workflow.register('hides some', '{"Redact": ["$.card"], "StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Say", "End": true}}}');
SELECT workflow.register('hides all', '{"Redact": ["$"], "StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Say", "End": true}}}');
SELECT workflow.start(w, '{"say": [{"card": "CANARY", "order": {"card": "CANARY", "item": "SHOWN"}}]}', w) FROM unnest('{hides some,hides all}'::text[]) w;
SELECT workflow_test.run();
CREATE FUNCTION pg_temp.exported(workflow_id text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_object_agg(a->>'key', a->'value')
	FROM workflow.get_execution(workflow_id) e, jsonb_path_query(workflow.otlp_request(ARRAY[e.run_id]), '$.**.spans[*] ? (@.name == "Say").attributes[*]') a
	WHERE a->>'key' NOT LIKE 'workflow.%' $$;
\o
SELECT is(pg_temp.exported('hides some'), '{"attempt": {"intValue": "1"}, "card": {"stringValue": "[redacted]"}, "order": {"kvlistValue": {"values": [
	{"key": "card", "value": {"stringValue": "[redacted]"}}, {"key": "item", "value": {"stringValue": "SHOWN"}}]}}}', 'what is hidden is not exported');
SELECT is(pg_temp.exported('hides all'), NULL, 'nor is anything where all is hidden');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'histories lead to their states');
SELECT * FROM finish();
ROLLBACK;
