-- Who may do what: every function, view and table of the extension.  Whatever is new shows up here.
-- In a database of its own, where there is nothing but what this test makes.

CREATE DATABASE regress_privileges;
\c regress_privileges
SET client_min_messages = warning;
CREATE EXTENSION order_workflow;
\set roles '{regress_owner,regress_granted,regress_starter,regress_auditor,regress_stranger,regress_reader,regress_nobody}'
BEGIN;
SET client_min_messages = warning;
CREATE ROLE regress_owner LOGIN;  -- of the workflow
CREATE ROLE regress_granted LOGIN;-- everything on it
CREATE ROLE regress_starter;      -- "start" only; has started the run
CREATE ROLE regress_auditor;      -- "read" only
CREATE ROLE regress_stranger;     -- the API, and nothing else
CREATE ROLE regress_reader;
CREATE ROLE regress_nobody;
SELECT count(workflow.grant_usage(r::regrole))
FROM unnest('{regress_owner,regress_granted,regress_starter,regress_auditor,regress_stranger}'::text[]) r;
SELECT workflow.grant_reader('regress_reader');

-- Objects

SELECT p.oid::regprocedure AS function,
       has_function_privilege('regress_stranger', p.oid, 'EXECUTE') AS usage,
       has_function_privilege('regress_reader', p.oid, 'EXECUTE') AS reader,
       has_function_privilege('regress_nobody', p.oid, 'EXECUTE') AS nobody
FROM pg_proc p WHERE p.pronamespace = 'workflow'::regnamespace
ORDER BY p.oid::regprocedure::text COLLATE "C";

SELECT c.oid::regclass AS view, 'security_invoker=true' = ANY (c.reloptions) AS invoker,
       'security_barrier=true' = ANY (c.reloptions) AS barrier,
       has_table_privilege('regress_stranger', c.oid, 'SELECT') AS usage,
       has_table_privilege('regress_reader', c.oid, 'SELECT') AS reader,
       has_table_privilege('regress_nobody', c.oid, 'SELECT') AS nobody
FROM pg_class c WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'v'
ORDER BY c.relname COLLATE "C";

-- Nobody has any privilege on a table, or more than SELECT on a view.
SELECT c.oid::regclass AS relation, r.rolname AS role, p.privilege
FROM pg_class c, pg_roles r, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p (privilege)
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND r.rolname = ANY (:'roles')
  AND has_any_column_privilege(r.oid, c.oid, p.privilege) AND NOT (c.relkind = 'v' AND p.privilege = 'SELECT')
UNION ALL
SELECT c.oid::regclass, r.rolname, p.privilege
FROM pg_class c, pg_roles r, unnest('{DELETE,TRUNCATE,TRIGGER}'::text[]) AS p (privilege)
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND r.rolname = ANY (:'roles')
  AND has_table_privilege(r.oid, c.oid, p.privilege)
UNION ALL
SELECT c.oid::regclass, r.rolname, 'USAGE'
FROM pg_class c, pg_roles r
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'S' AND r.rolname = ANY (:'roles')
  AND has_sequence_privilege(r.oid, c.oid, 'USAGE,SELECT,UPDATE');

-- Row security is on for all tables with data of somebody's.
SELECT c.oid::regclass AS without_row_security
FROM pg_class c
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
ORDER BY 1;

SELECT t.oid::regtype AS type, has_type_privilege('regress_stranger', t.oid, 'USAGE') AS usage,
       has_type_privilege('regress_nobody', t.oid, 'USAGE') AS nobody
FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
WHERE t.typnamespace = 'workflow'::regnamespace AND c.relkind = 'c'
ORDER BY t.typname COLLATE "C";

SELECT r.rolname AS role, has_schema_privilege(r.oid, 'workflow', 'USAGE') AS usage,
       has_schema_privilege(r.oid, 'workflow', 'CREATE') AS create
FROM pg_roles r WHERE r.rolname = ANY (:'roles') ORDER BY r.rolname COLLATE "C";

-- Everything public has a comment.
SELECT p.oid::regprocedure AS without_comment
FROM pg_proc p WHERE p.pronamespace = 'workflow'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
UNION ALL
SELECT c.oid
FROM pg_class c
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
  AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT c.oid::regclass AS view, a.attname AS column_without_comment
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE 'readable%' AND c.relname <> 'viewer'
  AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL;

-- Calls, by each kind of role: SQLSTATE, or the number of rows

CREATE SCHEMA regress_shop AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA regress_shop TO PUBLIC;
SET ROLE regress_owner;
CREATE FUNCTION regress_shop.pay(input jsonb) RETURNS jsonb LANGUAGE sql RETURN input;
SELECT workflow.register_activity('Pay', 'regress_shop.pay(jsonb)', options => '{"CircuitBreaker": {}}');
SELECT workflow.register('Order', workflow.sequence(ARRAY[workflow.step('Pay')], '{"Defaults": {"StartToCloseSeconds": 1}}'));
SELECT workflow.grant_workflow('regress_granted', 'Order', '{start,signal,cancel,read}');
SELECT workflow.grant_workflow('regress_starter', 'Order', '{start}');
SELECT workflow.grant_workflow('regress_auditor', 'Order', '{read}');
SELECT workflow.grant_activity('regress_granted', 'Pay');
SET ROLE regress_starter;
SELECT workflow.start('Order', '{"card": "1234"}', 'order') AS run \gset
SET ROLE regress_owner;
SELECT workflow.start_batch('cancel', 'true') AS batch \gset
SELECT workflow.put_schedule(true, 'nightly', 'Order', NULL, '{"card": "1234"}', '@daily', 'Skip', '1 d', '0', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, true);
SELECT workflow.create_alert_rule('late', 'SELECT ''order'' AS subject');
RESET ROLE;
INSERT INTO workflow.alert (alert_id, rule, owner, subject, severity, since, opened_at, last_seen_at, checked_at, message, facts)
VALUES ('00000000-0000-4000-8000-000000000001', 'late', 'regress_owner', 'order', 'Warning', now(), now(), now(), now(), 'late', '{}');

CREATE TEMPORARY TABLE probe (function text, call text);
INSERT INTO probe VALUES
    ('register(text,jsonb,boolean)', $$workflow.register('Order', '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'::jsonb)$$),
    ('register(text,text,boolean)', $$workflow.register('Order', '{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}'::text)$$),
    ('register_activity(text,regprocedure,text,text,jsonb)', $$workflow.register_activity('Pay', 'regress_shop.pay(jsonb)'::regprocedure)$$),
    ('register_activity(text,text,text,text,jsonb)', $$workflow.register_activity('Pay', 'regress_shop.pay(jsonb)'::text)$$),
    ('release_activity(text)', $$workflow.release_activity('Pay')$$),
    ('complete_activity(uuid,jsonb)', $$workflow.complete_activity('00000000-0000-8000-8000-000000000000', '{}')$$),
    ('fail_activity(uuid,text,text,jsonb,boolean,interval)', $$workflow.fail_activity('00000000-0000-8000-8000-000000000000', 'No')$$),
    ('heartbeat(uuid,jsonb)', $$ok FROM workflow.heartbeat('00000000-0000-8000-8000-000000000000')$$),
    ('heartbeats(uuid[],jsonb[])', $$count(*) FROM workflow.heartbeats('{00000000-0000-8000-8000-000000000000}')$$),
    ('cancel_activity(uuid,jsonb)', $$workflow.cancel_activity('00000000-0000-8000-8000-000000000000')$$),
    ('complete_activity_by_id(text,text,jsonb)', $$workflow.complete_activity_by_id('order', 'Pay')$$),
    ('fail_activity_by_id(text,text,text,text,jsonb,boolean,interval)', $$workflow.fail_activity_by_id('order', 'Pay', 'No')$$),
    ('cancel_activity_by_id(text,text,jsonb)', $$workflow.cancel_activity_by_id('order', 'Pay')$$),
    ('heartbeat_by_id(text,text,jsonb)', $$ok FROM workflow.heartbeat_by_id('order', 'Pay')$$),
    ('complete_activities(uuid[],jsonb[])', $$workflow.complete_activities('{00000000-0000-8000-8000-000000000000}', '{1}')$$),
    ('fail_activities(uuid[],text[],text[],jsonb[],boolean[],interval[])', $$workflow.fail_activities('{00000000-0000-8000-8000-000000000000}', '{No}')$$),
    ('cancel_activities(uuid[],jsonb[])', $$workflow.cancel_activities('{00000000-0000-8000-8000-000000000000}', '{1}')$$),
    ('poll_activity(text,text,integer,interval,text[],text)', $$count(*) FROM workflow.poll_activity('q', 'w')$$),
    ('complete_and_poll(uuid[],jsonb[],text,text,integer,text[],text)', $$count(*) FROM workflow.complete_and_poll(NULL, NULL, 'q', 'w')$$),
    ('drain_worker(text,text,boolean)', $$workflow.drain_worker('w')$$),
    ('release_tasks(text,text)', $$workflow.release_tasks()$$),
    ('answerable_token(uuid,integer)', $$workflow.answerable_token('00000000-0000-8000-8000-000000000000', 1)$$),
    ('current_epoch()', $$workflow.current_epoch()$$),
    ('task_rates(regrole,text)', $$* FROM workflow.task_rates('regress_owner', 'q')$$),
    ('queue_workers()', $$count(*) FROM workflow.queue_workers()$$),
    ('ramp_results(text,integer,integer,timestamp with time zone)', $$* FROM workflow.ramp_results('Order', 1, 1, '2030-01-01')$$),
    ('queue_problem(text,bigint,text[],timestamp with time zone)', $$workflow.queue_problem('A', 1, '{B}', NULL)$$),
    ('grant_worker(regrole,text)', $$workflow.grant_worker('regress_stranger', 'q')$$),
    ('revoke_worker(regrole,text)', $$workflow.revoke_worker('regress_stranger', 'q')$$),
    ('set_task_queue(text,double precision,integer,double precision,integer,regrole)', $$workflow.set_task_queue('q', 1, owner => 'regress_owner')$$),
    ('set_fairness_key(text,text,double precision,double precision,integer,regrole)', $$workflow.set_fairness_key('q', 'k', 2, owner => 'regress_owner')$$),
    ('pause_task_queue(text,timestamp with time zone,text,text,regrole)', $$workflow.pause_task_queue('q', owner => 'regress_owner')$$),
    ('resume_task_queue(text,text,regrole)', $$workflow.resume_task_queue('q', owner => 'regress_owner')$$),
    ('set_current(text,integer)', $$workflow.set_current('Order', 1)$$),
    ('set_flag(text,jsonb,double precision,regrole)', $$workflow.set_flag('f', '1', owner => 'regress_owner')$$),
    ('function_state(text,text,text)', $$* FROM workflow.function_state('public', 'nothing', '')$$),
    ('set_ramp(text,integer,double precision)', $$workflow.set_ramp('Order', NULL, 0)$$),
    ('deprecate(text,integer)', $$workflow.deprecate('Order', 1)$$),
    ('retire(text,integer)', $$workflow.retire('Order', 1)$$),
    ('validate(jsonb)', $$count(*) FROM workflow.validate('1'::jsonb)$$),
    ('validate(text)', $$count(*) FROM workflow.validate('1'::text)$$),
    ('start(text,jsonb,text,integer,text,text,interval,interval,jsonb,text,text,interval,jsonb,integer,jsonb)', $$workflow.start('Order')$$),
    ('start_many(text,jsonb[],text[],integer,interval,interval,jsonb,integer,jsonb)', $$workflow.start_many('Order', '{1,2}')$$),
    ('start_activity(text,jsonb,text,jsonb,text,text,interval,interval,jsonb,text,text,interval,jsonb,integer,jsonb)', $$workflow.start_activity('Pay')$$),
    ('start_activities(text,jsonb[],text[],jsonb,interval,interval,jsonb,integer,jsonb)', $$workflow.start_activities('Pay', '{1,2}')$$),
    ('cancel(text,text)', $$workflow.cancel('order')$$),
    ('cancel(uuid,text)', $$workflow.cancel($run)$$),
    ('query(text,text)', $$workflow.query('order', 'all')$$),
    ('query(uuid,text)', $$workflow.query($run, 'all')$$),
    ('upsert_search_attributes(text,jsonb)', $$workflow.upsert_search_attributes('order', '{}')$$),
    ('upsert_search_attributes(uuid,jsonb)', $$workflow.upsert_search_attributes($run, '{}')$$),
    ('pause(text,text)', $$workflow.pause('order')$$),
    ('pause(uuid,text)', $$workflow.pause($run)$$),
    ('resume(text,text)', $$workflow.resume('order')$$),
    ('resume(uuid,text)', $$workflow.resume($run)$$),
    ('update(text,text,jsonb,interval,text)', $$workflow.update('order', 'change')$$),
    ('update(uuid,text,jsonb,interval,text)', $$workflow.update($run, 'change')$$),
    ('update_result(text,text,interval)', $$workflow.update_result('order', 'u')$$),
    ('update_result(uuid,text,interval)', $$workflow.update_result($run, 'u')$$),
    ('hold_open(uuid)', $$workflow.hold_open($run)$$),
    ('update_with_start(text,text,text,jsonb,jsonb,interval,text,integer,text,interval,jsonb,interval,jsonb,integer,jsonb)', $$run_id FROM workflow.update_with_start('Order', 'order', 'change')$$),
    ('signal(text,text,jsonb,text)', $$workflow.signal('order', 'paid')$$),
    ('signal_open(uuid,text,jsonb,text)', $$workflow.signal_open($run, 'paid', NULL, NULL)$$),
    ('signal_with_start(text,text,text,jsonb,jsonb,text,integer,text,interval,interval,jsonb,interval,jsonb,integer,jsonb)', $$workflow.signal_with_start('order', 'order', 'paid')$$),
    ('signal(uuid,text,jsonb,text)', $$workflow.signal($run, 'paid')$$),
    ('terminate(text,text)', $$workflow.terminate('order')$$),
    ('terminate(uuid,text)', $$workflow.terminate($run)$$),
    ('retry(text,integer)', $$workflow.retry('order')$$),
    ('retry(uuid,integer)', $$workflow.retry($run)$$),
    ('retry_compensation(text)', $$workflow.retry_compensation('order')$$),
    ('retry_compensation(uuid)', $$workflow.retry_compensation($run)$$),
    ('check_compatibility(uuid,integer)', $$* FROM workflow.check_compatibility($run, 1)$$),
    ('check_compatibility(text,integer,integer,integer)', $$* FROM workflow.check_compatibility('Order', 1)$$),
    ('export_history(uuid)', $$workflow.export_history($run)$$),
    ('diff(text,integer,integer)', $$count(*) FROM workflow.diff('Order', 1, 1)$$),
    ('visible_definition(text,integer)', $$workflow.visible_definition('Order', 1)$$),
    ('change_safety(text,text,bigint,bigint)', $$* FROM workflow.change_safety('Added', NULL, 0, 0)$$),
    ('definition_fields(text)', $$count(*) FROM workflow.definition_fields('{"States": {"A": {}}}')$$),
    ('upgrade(text,integer,jsonb)', $$workflow.upgrade('order', 1)$$),
    ('upgrade(uuid,integer,jsonb)', $$workflow.upgrade($run, 1)$$),
    ('reset(text,integer,text)', $$workflow.reset('order', 1)$$),
    ('reset(uuid,integer,text)', $$workflow.reset($run, 1)$$),
    ('reset_to(text,jsonb,text)', $$workflow.reset_to('order', '{"to": "First"}')$$),
    ('reset_to(uuid,jsonb,text)', $$workflow.reset_to($run, '{"to": "First"}')$$),
    ('reset_points(text)', $$* FROM workflow.reset_points('order')$$),
    ('reset_points(uuid)', $$* FROM workflow.reset_points($run)$$),
    ('pause_activity(text,text,text)', $$workflow.pause_activity('order', 'Pay')$$),
    ('pause_activity(uuid,text,text)', $$workflow.pause_activity($run, 'Pay')$$),
    ('resume_activity(text,text)', $$workflow.resume_activity('order', 'Pay')$$),
    ('resume_activity(uuid,text)', $$workflow.resume_activity($run, 'Pay')$$),
    ('reset_activity(text,text,boolean,boolean)', $$workflow.reset_activity('order', 'Pay')$$),
    ('reset_activity(uuid,text,boolean,boolean)', $$workflow.reset_activity($run, 'Pay')$$),
    ('update_activity_options(text,text,jsonb)', $$workflow.update_activity_options('order', 'Pay', '{}')$$),
    ('update_activity_options(uuid,text,jsonb)', $$workflow.update_activity_options($run, 'Pay', '{}')$$),
    ('wait(text,interval)', $$workflow.wait('order')$$),
    ('wait(uuid,interval)', $$workflow.wait($run)$$),
    ('result(text)', $$workflow.result('order')$$),
    ('result(uuid)', $$workflow.result($run)$$),
    ('explain(text)', $$* FROM workflow.explain('order')$$),
    ('explain(uuid)', $$* FROM workflow.explain($run)$$),
    ('get_execution(text)', $$* FROM workflow.get_execution('order')$$),
    ('get_execution(uuid)', $$* FROM workflow.get_execution($run)$$),
    ('get_history(text)', $$* FROM workflow.get_history('order')$$),
    ('get_history(uuid)', $$* FROM workflow.get_history($run)$$),
    ('rebuild_state(uuid)', $$workflow.rebuild_state($run)$$),
    ('describe(text,integer,text)', $$workflow.describe('Order')$$),
    ('grant_workflow(regrole,text,text[])', $$workflow.grant_workflow('regress_stranger', 'Order', '{read}')$$),
    ('revoke_workflow(regrole,text,text[])', $$workflow.revoke_workflow('regress_granted', 'Order', '{read}')$$),
    ('grant_activity(regrole,text)', $$workflow.grant_activity('regress_stranger', 'Pay')$$),
    ('revoke_activity(regrole,text)', $$workflow.revoke_activity('regress_granted', 'Pay')$$),
    ('throw(text,text,jsonb,boolean,interval)', $$workflow.throw('E', 'm')$$),
    ('current_activity()', $$workflow.current_activity()$$),
    ('now()', $$workflow.now()$$),
    ('log(text,text,jsonb)', $$workflow.log('debug', 'm')$$),
    ('set_log_level(text,text)', $$workflow.set_log_level('Order', 'all')$$),
    ('redacted(text,integer,jsonb,boolean)', $$workflow.redacted('Order', 1, '{}')$$),
    ('step(text,text,jsonb)', $$workflow.step('A')$$),
    ('sequence(workflow.step[],jsonb)', $$workflow.sequence(ARRAY[workflow.step('A')])$$),
    ('shard_key(text)', $$workflow.shard_key('order')$$),
    ('shard_key(uuid)', $$workflow.shard_key($run)$$),
    ('worker_stats()', $$* FROM workflow.worker_stats()$$),
    ('pool_stats()', $$* FROM workflow.pool_stats()$$),
    ('engine_status()', $$workflow.engine_status()$$),
    ('circuit_breaker_stats(text)', $$workflow.circuit_breaker_stats('Pay')$$),
    ('reset_circuit_breaker(text)', $$workflow.reset_circuit_breaker('Pay')$$),
    ('open_circuit_breaker(text,interval)', $$workflow.open_circuit_breaker('Pay', '1 s')$$),
    ('explain_run(uuid)', $$* FROM workflow.explain_run($run)$$),
    ('definition_source(text,integer)', $$workflow.definition_source('Order', 1)$$),
    ('last_version(text)', $$workflow.last_version('Order')$$),
    ('with_template(json,json)', $$workflow.with_template('{"T": {"a": 1}}', '{"Use": "T", "b": 2}')$$),
    ('expression_label(text)', $$workflow.expression_label('{% a  b %}')$$),
    ('map_label(json)', $$workflow.map_label('{"MaxConcurrency": 5}')$$),
    ('retry_label(jsonb)', $$workflow.retry_label('[{"ErrorEquals": ["A", "B"]}]')$$),
    ('nested_machines(json)', $$* FROM workflow.nested_machines('{"Type": "Map", "Iterator": {}}')$$),
    ('definition_states(text)', $$* FROM workflow.definition_states('{"States": {"A": {}}}')$$),
    ('definition_nodes(text)', $$* FROM workflow.definition_nodes('{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}')$$),
    ('picture_lines(text)', $$workflow.picture_lines('x y')$$),
    ('definition_state(jsonb,text)', $$workflow.definition_state('{"States": {"A": {}}}', 'A')$$),
    ('definition_edges(text)', $$workflow.definition_edges('{"StartAt": "A", "States": {}}')$$),
    ('task_activity(jsonb)', $$workflow.task_activity('{}')$$),
    ('workflow_label(jsonb)', $$workflow.workflow_label('{}')$$),
    ('choice_label(jsonb)', $$workflow.choice_label('{}')$$),
    ('awaited_label(jsonb)', $$workflow.awaited_label('{}')$$),
    ('awaited_text(jsonb)', $$workflow.awaited_text('{}')$$),
    ('mermaid_text(text)', $$workflow.mermaid_text('x')$$),
    ('dot_text(text)', $$workflow.dot_text('x')$$),
    ('describe_mermaid(text)', $$workflow.describe_mermaid('{"States": {}}')$$),
    ('describe_dot(text)', $$workflow.describe_dot('{"States": {}}')$$),
    ('describe_states(text)', $$workflow.describe_states('{"States": {}}')$$),
    ('span_id(uuid,text,integer)', $$workflow.span_id($run, 'k', 1)$$),
    ('key_name(text)', $$workflow.key_name('a:b')$$),
    ('run_branches(uuid)', $$* FROM workflow.run_branches($run)$$),
    ('run_spans(uuid)', $$* FROM workflow.run_spans($run)$$),
    ('run_attempts(uuid)', $$* FROM workflow.run_attempts($run)$$),
    ('timeline(uuid,integer)', $$* FROM workflow.timeline($run)$$),
    ('timeline(text,integer)', $$* FROM workflow.timeline('order')$$),
    ('unix_nanos(timestamp with time zone)', $$workflow.unix_nanos('2030-01-01')$$),
    ('otlp_attributes(jsonb)', $$workflow.otlp_attributes('{"a": 1, "b": "x"}')$$),
    ('otlp_spans(timestamp with time zone,timestamp with time zone)', $$workflow.otlp_spans('2030-01-01')$$),
    ('report_graph(text)', $$workflow.report_graph('{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}')$$),
    ('report_style()', $$workflow.report_style()$$),
    ('report_script()', $$workflow.report_script()$$),
    ('html_text(text)', $$workflow.html_text('<')$$),
    ('report_page(text,text,jsonb)', $$workflow.report_page('t', 'b', '{}')$$),
    ('duration_text(numeric)', $$workflow.duration_text(100)$$),
    ('report_html(uuid)', $$workflow.report_html($run)$$),
    ('report_html(text)', $$workflow.report_html('order')$$),
    ('report_definition_html(text,integer)', $$workflow.report_definition_html('Order')$$),
    ('start_batch(text,text,jsonb,text,integer,double precision,boolean)', $$workflow.start_batch('cancel', 'true')$$),
    ('cancel_batch(uuid)', $$workflow.cancel_batch($batch)$$),
    ('delete_batch(uuid)', $$workflow.delete_batch($batch)$$),
    ('take_batch_chunk(uuid)', $$* FROM workflow.take_batch_chunk($batch)$$),
    ('finish_batch_chunk(uuid,integer,jsonb)', $$workflow.finish_batch_chunk($batch, 1, '[]')$$),
    ('run_batch_chunk(uuid)', $$* FROM workflow.run_batch_chunk($batch)$$),
    ('apply_operation(text,uuid,jsonb,text,text)', $$workflow.apply_operation('cancel', $run, '{}', NULL, NULL)$$),
    ('continuing_run(uuid)', $$workflow.continuing_run($run)$$),
    ('set_retention(text,interval)', $$workflow.set_retention('Order', '1 day')$$),
    ('retention_leaves(timestamp with time zone)', $$count(*) FROM workflow.retention_leaves()$$),
    ('unfinished_batches()', $$* FROM workflow.unfinished_batches()$$),
    ('create_schedule(text,text,text,jsonb,text,interval,interval,boolean,text,integer,timestamp with time zone,timestamp with time zone,integer,jsonb,interval,interval,jsonb,integer,jsonb)',
     $$workflow.create_schedule('mine', '@daily', 'Order')$$),
    ('update_schedule(text,text,text,jsonb,text,interval,interval,text,integer,timestamp with time zone,timestamp with time zone,integer,jsonb,interval,interval,jsonb,integer,jsonb)',
     $$workflow.update_schedule('nightly', jitter => '1 s')$$),
    ('put_schedule(boolean,text,text,integer,jsonb,text,text,interval,interval,text,timestamp with time zone,timestamp with time zone,integer,jsonb,interval,interval,jsonb,integer,jsonb,boolean)',
     $$workflow.put_schedule(true, 'mine', 'Order', NULL, '{}', '@daily', 'Skip', '1 d', '0', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)$$),
    ('delete_schedule(text)', $$workflow.delete_schedule('nightly')$$),
    ('remove_schedule(text)', $$workflow.remove_schedule('nightly')$$),
    ('pause_schedule(text,text)', $$workflow.pause_schedule('nightly')$$),
    ('resume_schedule(text)', $$workflow.resume_schedule('nightly')$$),
    ('trigger_schedule(text,text)', $$workflow.trigger_schedule('nightly')$$),
    ('backfill_schedule(text,timestamp with time zone,timestamp with time zone,text)',
     $$workflow.backfill_schedule('nightly', '2020-01-01', '2020-01-02')$$),
    ('schedule_tick(text)', $$workflow.schedule_tick('nightly')$$),
    ('schedule_job(text)', $$workflow.schedule_job('nightly')$$),
    ('schedule_job_name(text)', $$workflow.schedule_job_name('nightly')$$),
    ('install_schedule(text)', $$workflow.install_schedule('nightly')$$),
    ('install_schedules()', $$* FROM workflow.install_schedules()$$),
    ('has_schedule_job(text,regrole)', $$workflow.has_schedule_job('nightly', 'regress_owner')$$),
    ('sees_pg_cron()', $$workflow.sees_pg_cron()$$),
    ('pg_cron_database()', $$workflow.pg_cron_database()$$),
    ('cron_times(text,timestamp with time zone,integer)', $$* FROM workflow.cron_times('@daily')$$),
    ('cron_fields(text)', $$workflow.cron_fields('@daily')$$),
    ('metric(text,double precision,jsonb,text)', $$workflow.metric('orders')$$),
    ('metric_values()', $$count(*) FROM workflow.metric_values()$$),
    ('metric_bounds()', $$workflow.metric_bounds()$$),
    ('metrics_lost()', $$workflow.metrics_lost() IS NULL$$),
    ('snapshot_ages()', $$count(*) IS NULL FROM workflow.snapshot_ages()$$),
    ('vacuum_holders()', $$count(*) FROM workflow.vacuum_holders()$$),
    ('state_metrics()', $$count(*) FROM workflow.state_metrics()$$),
    ('prometheus_label(text)', $$workflow.prometheus_label('x')$$),
    ('prometheus_metrics()', $$workflow.prometheus_metrics()$$),
    ('otlp_value(jsonb)', $$workflow.otlp_value('[1]')$$),
    ('otlp_request(uuid[])', $$workflow.otlp_request(ARRAY[$run])$$),
    ('otlp_page(timestamp with time zone,uuid,timestamp with time zone,integer)', $$* FROM workflow.otlp_page('2020-01-01')$$),
    ('span_attributes(jsonb)', $$workflow.span_attributes('{}')$$),
    ('check_alerts(boolean,interval)', $$* FROM workflow.check_alerts()$$),
    ('create_alert_rule(text,text,text,text,text)', $$workflow.create_alert_rule('mine', 'SELECT 1 AS subject')$$),
    ('drop_alert_rule(text)', $$workflow.drop_alert_rule('late')$$),
    ('set_alert_rule(text,jsonb,boolean,text)', $$workflow.set_alert_rule('Stuck', '{"runs": 2}')$$),
    ('acknowledge_alert(uuid,text)', $$workflow.acknowledge_alert('00000000-0000-4000-8000-000000000001')$$),
    ('alert_job_name()', $$workflow.alert_job_name()$$),
    ('schedule_alerts(text,boolean)', $$workflow.schedule_alerts()$$),
    ('alert_stuck(jsonb)', $$count(*) FROM workflow.alert_stuck('{"runs": 1}')$$),
    ('alert_no_worker(jsonb)', $$count(*) FROM workflow.alert_no_worker('{"seconds": 1}')$$),
    ('alert_compensation_failed(jsonb)', $$count(*) FROM workflow.alert_compensation_failed('{"runs": 1}')$$),
    ('alert_backlog_age(jsonb)', $$count(*) FROM workflow.alert_backlog_age('{"seconds": 1}')$$),
    ('alert_retry_storm(jsonb)', $$count(*) FROM workflow.alert_retry_storm('{"attempts": 1, "runs": 1}')$$),
    ('alert_heartbeat_misses(jsonb)', $$count(*) FROM workflow.alert_heartbeat_misses('{"runs": 1}')$$),
    ('alert_version_failing(jsonb)', $$count(*) FROM workflow.alert_version_failing('{"runs": 1, "failed": 1}')$$),
    ('alert_schedule_missed(jsonb)', $$count(*) FROM workflow.alert_schedule_missed('{"seconds": 1}')$$),
    ('alert_vacuum_held_back(jsonb)', $$count(*) FROM workflow.alert_vacuum_held_back('{"seconds": 1}')$$),
    -- These are not to be called in a transaction.
    ('run_batch_operation(uuid)', NULL),
    ('run_batch_operations()', NULL),
    ('wait_for_activity(text,interval,text[],text,boolean)', NULL),
    ('update_and_wait(text,text,jsonb,interval,text,jsonb)', NULL),
    ('update_and_wait(uuid,text,jsonb,interval,text,jsonb)', NULL),
    ('wait_for_close(text,interval,workflow.execution_result)', NULL),
    ('wait_for_close(uuid,interval,workflow.execution_result)', NULL);
UPDATE probe SET call = replace(call, '$batch', quote_literal(:'batch') || '::uuid');
UPDATE probe SET call = replace(call, '$run', quote_literal(:'run') || '::uuid');

-- Calls as a role, and undoes what that did.
CREATE FUNCTION pg_temp.try(role text, call text, path text DEFAULT 'public') RETURNS text
    LANGUAGE plpgsql STRICT AS $$
DECLARE
    settings  CONSTANT text := format('SET LOCAL ROLE %I; SET LOCAL search_path = %s', role, path);
    statement CONSTANT text := 'SELECT ' || call;
    rows      int;
BEGIN
    EXECUTE settings;
    EXECUTE statement;
    GET DIAGNOSTICS rows = ROW_COUNT;
    RAISE SQLSTATE 'UNDO0';
EXCEPTION
    WHEN SQLSTATE 'UNDO0' THEN RETURN rows;
    WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;

CREATE TEMPORARY TABLE tried AS
SELECT p.function, r.role, pg_temp.try(r.role, p.call) AS outcome
FROM probe p CROSS JOIN unnest('{owner,granted,starter,auditor,stranger,reader,nobody}'::text[]) AS n (name)
CROSS JOIN LATERAL (SELECT 'regress_' || n.name AS role) r;

SELECT function,
       max(outcome) FILTER (WHERE role = 'regress_owner') AS owner,
       max(outcome) FILTER (WHERE role = 'regress_granted') AS granted,
       max(outcome) FILTER (WHERE role = 'regress_starter') AS starter,
       max(outcome) FILTER (WHERE role = 'regress_auditor') AS auditor,
       max(outcome) FILTER (WHERE role = 'regress_stranger') AS stranger,
       max(outcome) FILTER (WHERE role = 'regress_reader') AS reader,
       max(outcome) FILTER (WHERE role = 'regress_nobody') AS nobody
FROM tried GROUP BY function ORDER BY function COLLATE "C";

-- Every function that a role may call is tried above.
SELECT p.oid::regprocedure AS not_tried
FROM pg_proc p
WHERE p.pronamespace = 'workflow'::regnamespace AND has_function_privilege('regress_stranger', p.oid, 'EXECUTE')
  AND NOT EXISTS (SELECT FROM probe WHERE to_regprocedure('workflow.' || probe.function) = p.oid);

-- Nothing that lies in wait on the search path is called instead: operators and functions that fit as well as
-- those of pg_catalog, or better, and relations of our names and its.
SAVEPOINT before_the_trap;
CREATE SCHEMA regress_evil;
GRANT USAGE ON SCHEMA regress_evil TO PUBLIC;
DO $$
DECLARE
    types CONSTANT oid[] := '{text,jsonb,json,uuid,oid,int4,int8,bool,regrole,interval,timestamptz,text[],oid[]}'::regtype[];
    trap  CONSTANT text := 'LANGUAGE plpgsql AS ''BEGIN RAISE SQLSTATE ''''EVIL0''''; END''';
    n     int := 0;
    o     record;
    f     record;
    name  text;
BEGIN
    FOR o IN
        SELECT p.oprname::text, p.oprleft::regtype::text AS l, p.oprright::regtype::text AS r,
               p.oprresult::regtype::text AS result
        FROM pg_operator p
        WHERE p.oprnamespace = 'pg_catalog'::regnamespace AND p.oprleft = ANY (types) AND p.oprright = ANY (types)
        UNION ALL VALUES
            ('=', 'regrole', 'oid', 'bool'), ('=', 'oid', 'regrole', 'bool'), ('=', 'regrole', 'regrole', 'bool'),
            ('||', 'text', 'int4', 'text'), ('||', 'text', 'int8', 'text')
    LOOP
        n := n + 1;
        EXECUTE format('CREATE FUNCTION regress_evil.trap_%s(%s, %s) RETURNS %s %s', n, o.l, o.r, o.result, trap);
        EXECUTE format('CREATE OPERATOR regress_evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = regress_evil.trap_%s)',
                       o.oprname, o.l, o.r, n);
    END LOOP;
    FOR f IN
        SELECT p.proname::text AS name, oidvectortypes(p.proargtypes) AS arguments, p.prorettype::regtype::text AS result
        FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provariadic = 0
          AND p.pronargs > 0 AND p.proargtypes::oid[] <@ types AND p.prorettype = ANY (types)
        UNION ALL VALUES
            ('format', 'text, text', 'text'), ('format', 'text, regrole', 'text'), ('format', 'text, text, text', 'text'),
            ('concat', 'text, text, text', 'text'), ('concat_ws', 'text, text, text', 'text'), ('now', '', 'timestamptz')
    LOOP
        EXECUTE format('CREATE FUNCTION regress_evil.%I(%s) RETURNS %s %s', f.name, f.arguments, f.result, trap);
    END LOOP;
    FOR name IN
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'p', 'v')
        UNION ALL VALUES ('pg_roles'), ('pg_class'), ('pg_proc'), ('pg_authid'), ('pg_depend'), ('pg_extension')
    LOOP
        EXECUTE format('CREATE TEMPORARY TABLE %I (); GRANT ALL ON %1$I TO PUBLIC', name);
    END LOOP;
END
$$;
SELECT pg_temp.try('regress_owner', $$'a'::text = 'a'::text$$, 'pg_temp, regress_evil, pg_catalog') AS the_trap_works;
SELECT function, role, outcome, trapped
FROM (SELECT t.*, pg_temp.try(t.role, p.call, 'pg_temp, regress_evil, pg_catalog') AS trapped
      FROM tried t JOIN probe p USING (function)) AS again
WHERE trapped <> outcome;
-- Nor as a superuser, for whom it would pay.
SELECT call, trapped
FROM (SELECT call, pg_temp.try(current_user, call, 'pg_temp, regress_evil, pg_catalog') AS trapped
      FROM unnest('{grant_usage,grant_reader,revoke_usage,revoke_reader}'::text[]) AS f (name)
      CROSS JOIN LATERAL pg_catalog.format('workflow.%I(''regress_nobody'')', f.name) AS call
      UNION ALL
      SELECT call, pg_temp.try(current_user, call, 'pg_temp, regress_evil, pg_catalog')
      FROM pg_catalog.pg_class c
      CROSS JOIN LATERAL pg_catalog.format('1 FROM workflow.%I LIMIT 1 OFFSET 20', c.relname) AS call
      WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'v') AS tried
WHERE trapped <> CASE WHEN call LIKE '1 %' THEN '0' ELSE '1' END;
ROLLBACK TO before_the_trap;

-- Row security, for a role that somebody grants the tables by hand: it reads what it owns or started, also of
-- leaves, and writes nothing.
GRANT ALL ON ALL TABLES IN SCHEMA workflow TO regress_owner, regress_starter, regress_stranger;
INSERT INTO workflow.closed_execution (
    shard_key, bucket, run_id, workflow_id, definition_id, owner, started_by, started_at, closed_at, status, events, input,
    chain_id, root_run_id)
SELECT shard_key, 0, run_id, workflow_id, definition_id, owner, started_by, started_at, started_at, 'Completed', 1, input,
       chain_id, root_run_id
FROM workflow.execution;
INSERT INTO workflow.history_batch SELECT shard_key, 0, run_id, 1, owner, started_by, '{}', '{}', '{}', NULL, '{}' FROM workflow.execution;
INSERT INTO workflow.compensation
SELECT shard_key, 0, run_id, 1, owner, started_by, NULL, 'A', 'B', 'Recorded', 0, started_at, NULL, '{}', '{}', NULL
FROM workflow.execution;
INSERT INTO workflow.timer SELECT shard_key, run_id, 'Token', owner, started_at FROM workflow.execution;
INSERT INTO workflow.branch (shard_key, run_id, branch_id, owner, parent, item_index, path, tolerated, phase, attempt, transitions, compensation, opened, failed)
SELECT shard_key, run_id, 1, owner, 0, 0, 'A:1:0', false, 'Enter', 0, 0, 0, 0, 0 FROM workflow.execution;
INSERT INTO workflow.branch_output SELECT shard_key, run_id, 0, 1, 2, owner, 'Completed', '{}' FROM workflow.execution;
INSERT INTO workflow.activity_task SELECT shard_key, run_id, run_id, owner, 'A', 1 FROM workflow.execution;
INSERT INTO workflow.task_queue SELECT 'q', owner FROM workflow.execution;
INSERT INTO workflow.task_queue_key SELECT 'q', owner, 'k' FROM workflow.execution;
INSERT INTO workflow.flag SELECT owner, 'f', '1', 100, owner FROM workflow.execution;
INSERT INTO workflow.message SELECT shard_key, run_id, run_id, owner, 'Cancel', '{}', started_by, started_at FROM workflow.execution;
CREATE FUNCTION pg_temp.rows_of(relation regclass, role text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    n int;
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    EXECUTE format('SELECT count(*) FROM %s', relation) INTO n;
    RESET ROLE;
    RETURN n;
END
$$;
SELECT c.oid::regclass AS relation, pg_temp.rows_of(c.oid, 'regress_owner') AS owner,
       pg_temp.rows_of(c.oid, 'regress_starter') AS starter, pg_temp.rows_of(c.oid, 'regress_stranger') AS stranger
FROM pg_class c
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relrowsecurity AND c.relname !~ '_[1-7]$'
ORDER BY c.relname COLLATE "C";

SET ROLE regress_owner;
\set QUIET off
UPDATE workflow.execution SET owner = 'regress_stranger';
DELETE FROM workflow.closed_execution_0;
\set QUIET on
\set VERBOSITY terse
INSERT INTO workflow.workflow_grant VALUES ('Order', 'regress_stranger', 'read');
ROLLBACK;

-- A role keeps what it was granted as a reader when usage is revoked, and the other way round.
SET client_min_messages = warning;
CREATE ROLE regress_both;
CREATE FUNCTION pg_temp.has(OUT usage bool, OUT views bool, OUT reader bool) LANGUAGE sql AS $$
    SELECT has_function_privilege('regress_both', 'workflow.start_many(text, jsonb[], text[], int, interval, interval, jsonb, int, jsonb)', 'EXECUTE'),
           has_table_privilege('regress_both', 'workflow.executions', 'SELECT'),
           has_function_privilege('regress_both', 'workflow.see_all_runs()', 'EXECUTE')
$$;
SELECT workflow.grant_usage('regress_both'), workflow.grant_reader('regress_both');
SELECT * FROM pg_temp.has();
SELECT workflow.revoke_usage('regress_both');
SELECT * FROM pg_temp.has();
SELECT workflow.grant_usage('regress_both'), workflow.revoke_reader('regress_both');
SELECT * FROM pg_temp.has();
SELECT workflow.revoke_usage('regress_both');
SELECT * FROM pg_temp.has();
DROP ROLE regress_both;
SELECT workflow.grant_usage(0::regrole);
SELECT workflow.grant_reader(NULL);

\c postgres
DROP DATABASE regress_privileges;
