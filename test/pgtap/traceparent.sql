-- W3C Trace Context: the trace that a run was started in is handed on, each attempt as a span of its own.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION public.look(input jsonb, context workflow.activity_context) RETURNS jsonb LANGUAGE sql AS $$
	SELECT to_jsonb(context.traceparent) $$;
SELECT workflow.register_activity('Look', 'public.look(jsonb, workflow.activity_context)');
SELECT workflow.register_activity('Mail', task_queue => 'mail', options => '{"StartToCloseSeconds": 10,
	"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 3, "IntervalSeconds": 1}]}');
SELECT workflow.register_activity('Undo', task_queue => 'undo', options => '{"StartToCloseSeconds": 10}');
SELECT workflow.register('both', '{"StartAt": "A", "States": {
	"A": {"Type": "Task", "Resource": "Look", "ResultPath": "$.a", "Next": "B"},
	"B": {"Type": "Task", "Resource": "Look", "ResultPath": "$.b", "End": true}}}');
SELECT workflow.register('undone', '{"StartAt": "A", "States": {
	"A": {"Type": "Task", "Resource": "Mail", "Compensate": "Undo", "Next": "No"}, "No": {"Type": "Fail", "Error": "No"}}}');
\set given 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00
CREATE FUNCTION pg_temp.hex(run uuid) RETURNS text LANGUAGE sql AS $$ SELECT replace(run::text, '-', '') $$;
CREATE FUNCTION pg_temp.trace(traceparent text) RETURNS text LANGUAGE sql AS $$ SELECT split_part(traceparent, '-', 2) $$;
CREATE FUNCTION pg_temp.span(traceparent text) RETURNS text LANGUAGE sql AS $$ SELECT split_part(traceparent, '-', 3) $$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity('Look');
SELECT workflow.start('both', workflow_id => 'own');
SELECT workflow.start('both', workflow_id => 'given', traceparent => :'given');
SELECT workflow.start_activity('Mail', workflow_id => 'mail', traceparent => :'given');
SELECT workflow.start_activity('Mail', workflow_id => 'mail of its own', options => '{"TaskQueue": "own"}');
SELECT workflow.start('undone', workflow_id => 'undone', traceparent => '01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-more');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
CREATE TEMP TABLE taken AS SELECT 1 AS attempt, * FROM (SELECT workflow_id, run_id, headers, task_token FROM workflow.poll_activity('mail', 'w', 5)) p;
INSERT INTO taken SELECT 1, workflow_id, run_id, headers, task_token FROM workflow.poll_activity('own', 'w', 5);
\o
SELECT plan(25);

SELECT is((SELECT status FROM workflow.executions WHERE workflow_id = 'own'), 'Completed', 'runs as before');

\echo # Of functions
SELECT matches(output->>'a', '^00-[0-9a-f]{32}-[0-9a-f]{16}-01$', 'a traceparent') FROM workflow.executions WHERE workflow_id = 'own';
SELECT is(pg_temp.trace(output->>'a'), pg_temp.hex(run_id), 'without one given, the run is a trace') FROM workflow.executions WHERE workflow_id = 'own';
SELECT is(pg_temp.trace(output->>'b'), pg_temp.hex(run_id), 'one for all its activities') FROM workflow.executions WHERE workflow_id = 'own';
SELECT isnt(output->>'a', output->>'b', 'of which each is another span') FROM workflow.executions WHERE workflow_id = 'own';
SELECT is(traceparent, format('00-%s-%s-01', pg_temp.hex(run_id), right(pg_temp.hex(run_id), 16)), 'the view shows the trace')
FROM workflow.executions WHERE workflow_id = 'own';
SELECT matches(output->>'a', '^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-00$', 'the trace that was given is handed on, and its flags')
FROM workflow.executions WHERE workflow_id = 'given';
SELECT isnt(pg_temp.span(output->>'a'), '00f067aa0ba902b7', 'but not the span') FROM workflow.executions WHERE workflow_id = 'given';
SELECT is(traceparent, :'given', 'the view shows what was given, also of a closed run') FROM workflow.executions WHERE workflow_id = 'given';
SELECT is((SELECT count(DISTINCT pg_temp.span(v)) FROM workflow.executions e, jsonb_each_text(output) AS o (k, v) WHERE workflow_id IN ('own', 'given')),
	4::bigint, 'no two attempts are one span');

\echo # Of programs outside
SELECT matches(headers->>'traceparent', '^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-00$', 'the headers of a task') FROM taken WHERE workflow_id = 'mail';
SELECT is(pg_temp.trace(headers->>'traceparent'), pg_temp.hex(run_id), 'of one without a trace given') FROM taken WHERE workflow_id = 'mail of its own';
SELECT is(traceparent, :'given', 'the view shows it of an open run') FROM workflow.executions WHERE workflow_id = 'mail';
SELECT ok(position(right(task_token::text, 12) in headers::text) = 0, 'the token is not given away') FROM taken WHERE workflow_id = 'mail';
\o /dev/null
SELECT workflow.fail_activity(task_token, 'Again') FROM taken WHERE workflow_id = 'mail';
SELECT workflow_test.run('2030-01-01 00:00:03+00');
INSERT INTO taken SELECT 2, workflow_id, run_id, headers, task_token FROM workflow.complete_and_poll('{}', '{}', 'mail', 'w', 5) WHERE workflow_id = 'mail';
\o
SELECT is((SELECT count(*) FROM taken WHERE workflow_id = 'mail'), 2::bigint, 'complete_and_poll has them, too');
SELECT is((SELECT count(DISTINCT headers) FROM taken WHERE workflow_id = 'mail'), 2::bigint, 'each attempt is a span');
\o /dev/null
SELECT workflow.complete_activity(task_token) FROM taken WHERE workflow_id = 'undone';
SELECT workflow_test.run('2030-01-01 00:00:04+00');
\o
SELECT is((SELECT pg_temp.trace(headers->>'traceparent') FROM workflow.poll_activity('undo', 'w')), '4bf92f3577b34da6a3ce929d0e0e4736', 'compensations belong to the trace');
SELECT is(traceparent, '01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03', 'a later version is taken as far as it is known')
FROM workflow.executions WHERE workflow_id = 'undone';
\o /dev/null
SELECT workflow.fail_activity_by_id('undone', 'Undo', 'Broken', non_retryable => true);
SELECT workflow_test.run('2030-01-01 00:00:05+00');
SELECT workflow.retry_compensation('undone');
SELECT workflow_test.run('2030-01-01 00:00:06+00');
\o
SELECT is((SELECT pg_temp.trace(headers->>'traceparent') FROM workflow.poll_activity('undo', 'w')), '4bf92f3577b34da6a3ce929d0e0e4736',
	'also when they are tried again after the run had closed');

\echo # What is none
SELECT throws_ok(format('SELECT workflow.start(''both'', traceparent => %L)', t), '22023', format('invalid traceparent: "%s"', t), t)
FROM unnest(ARRAY['', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0',
	'00-00000000000000000000000000000000-00f067aa0ba902b7-01', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more',
	'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01']) t;
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');
SELECT * FROM finish();
ROLLBACK;
