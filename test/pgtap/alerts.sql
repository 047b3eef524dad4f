-- Alerts: each rule opens one, sees it again, resolves it and opens another; own rules; who sees and may do what.
SET client_min_messages = error;
BEGIN;
\o /dev/null
CREATE ROLE regress_alerted LOGIN;
CREATE ROLE regress_other LOGIN;
CREATE ROLE regress_watcher;
CREATE ROLE "regress Alerted.2" LOGIN;
SELECT workflow.grant_usage(r::regrole) FROM unnest('{regress_alerted,regress_other,"\"regress Alerted.2\""}'::text[]) r;
SELECT workflow.grant_reader('regress_watcher');
CREATE FUNCTION public.fine(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
SET ROLE regress_alerted;
SELECT workflow.register_activity(a, 'public.fine(jsonb)') FROM unnest('{Break,Fine,Undo}'::text[]) a;
SELECT workflow.register_activity('Mail', task_queue => 'mail', options => '{"HeartbeatSeconds": 10, "StartToCloseSeconds": 3600,
	"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 9, "IntervalSeconds": 60, "BackoffRate": 1}]}');
SELECT workflow.register('stuck', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "alerts.NotThere", "End": true}}}');
SELECT workflow.register('mail', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Mail", "End": true}}}');
SELECT workflow.register('again', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Break",
	"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 99, "IntervalSeconds": 60, "BackoffRate": 1}], "End": true}}}');
SELECT workflow.register('undone', '{"StartAt": "A", "States": {
	"A": {"Type": "Pass", "Next": "B"},
	"B": {"Type": "Task", "Resource": "Fine", "Compensate": {"Resource": "Undo", "Retry": []}, "Next": "No"}, "No": {"Type": "Fail", "Error": "No"}}}');
RESET ROLE;
-- What checking said, as the role: opened, still open, resolved
CREATE FUNCTION pg_temp.check_as(role text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	SELECT * INTO c FROM workflow.check_alerts();
	RESET ROLE;
	RETURN concat_ws(' ', c.opened, c.still_open, c.resolved);
END $$;
CREATE FUNCTION pg_temp.open() RETURNS TABLE (rule text, owner text, subject text) LANGUAGE sql AS $$
	SELECT a.rule, a.owner::text, a.subject FROM workflow.alerts a WHERE a.resolved_at IS NULL AND a.rule <> 'VacuumHeldBack' $$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
\o
SELECT plan(98);

SELECT is_empty('SELECT * FROM workflow.alert_conditions', 'nothing is wrong');
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 0', 'nothing is found');
SELECT results_eq('SELECT name, severity, enabled, owner FROM workflow.alert_rules ORDER BY name COLLATE "C"', $$VALUES
	('BacklogAge', 'Warning', true, NULL::regrole), ('CompensationFailed', 'Critical', true, NULL), ('HeartbeatMisses', 'Warning', true, NULL),
	('NoWorker', 'Critical', true, NULL), ('RetryStorm', 'Warning', true, NULL), ('RuleFailed', 'Warning', true, NULL), ('ScheduleMissed', 'Warning', true, NULL),
	('Stuck', 'Critical', true, NULL), ('VacuumHeldBack', 'Warning', true, NULL), ('VersionFailing', 'Warning', true, NULL)$$, 'the rules there are');

\echo # Stuck, from beginning to end
\o /dev/null
SELECT workflow.start('stuck', workflow_id => 's' || n) FROM generate_series(1, 3) n;
SELECT workflow_test.run('2030-01-01 00:00:01+00');
\o
SELECT results_eq('SELECT rule, severity, owner, subject, workflow, since, message, facts FROM workflow.alert_conditions', $$VALUES
	('Stuck', 'Critical', 'regress_alerted'::regrole, 'stuck', 'stuck', '2030-01-01 00:00:00+00'::timestamptz,
	 'runs of workflow "stuck" are stuck: 3 (OW.ActivityNotRegistered)',
	 '{"runs": 3, "errors": {"OW.ActivityNotRegistered": 3}, "workflow_id": "s1"}'::jsonb)$$, 'the rules find it');
SELECT is_empty('SELECT * FROM workflow.alerts', 'which is an alert when somebody checks');
SELECT is(pg_temp.check_as('regress_other'), '0 0 0', 'somebody whose business it is');
SELECT is(pg_temp.check_as('regress_alerted'), '1 0 0', 'it is opened');
SELECT is(pg_temp.check_as('regress_alerted'), '0 1 0', 'once');
SELECT is(pg_temp.check_as('regress_other'), '0 0 0', 'others do not resolve what they do not see');
SELECT workflow_test.advance('1 h') \g /dev/null
SELECT workflow.start('stuck', workflow_id => 's4') \g /dev/null
SELECT workflow_test.run('2030-01-01 01:00:02+00') \g /dev/null
SELECT is(pg_temp.check_as('postgres'), '0 1 0', 'a superuser checks for all');
SELECT results_eq($$SELECT rule, owner::text, subject, opened_at, last_seen_at > opened_at, times_seen, resolved_at, facts->'runs', hint FROM workflow.alerts$$, $$VALUES
	('Stuck', 'regress_alerted', 'stuck', '2030-01-01 00:00:01+00'::timestamptz, true, 3, NULL::timestamptz, '4'::jsonb,
	 'workflow.executions.stuck tells why of each; when that is mended, workflow.retry() lets them go on.')$$, 'as last found');
SELECT workflow.terminate('s' || n) FROM generate_series(1, 4) n \g /dev/null
SELECT workflow_test.run() \g /dev/null
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 1', 'it is resolved');
SELECT isnt((SELECT resolved_at FROM workflow.alerts), NULL, 'and stays, as that');
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 0', 'once');
\o /dev/null
SELECT workflow.start('stuck', workflow_id => 's5');
SELECT workflow_test.run('2030-01-01 01:00:03+00');
\o
SELECT is(pg_temp.check_as('regress_alerted'), '1 0 0', 'it opens again');
SELECT is(count(*), 2::bigint, 'as another alert') FROM workflow.alerts WHERE rule = 'Stuck';

\echo # Settings
SELECT workflow.set_alert_rule('Stuck', '{"runs": 2}') \g /dev/null
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 1', 'one run is too few now');
SELECT is(settings, '{"runs": 2}', 'a setting') FROM workflow.alert_rules WHERE name = 'Stuck';
SELECT workflow.set_alert_rule('Stuck', '{"runs": 1}', severity => 'Info') \g /dev/null
SELECT is(pg_temp.check_as('regress_alerted'), '1 0 0', 'and now enough');
SELECT is(severity, 'Info', 'less severe') FROM workflow.alerts WHERE rule = 'Stuck' AND resolved_at IS NULL;
SELECT workflow.set_alert_rule('Stuck', enabled => false) \g /dev/null
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 1', 'a rule that is not enabled finds nothing');
SELECT is_empty('SELECT * FROM workflow.alert_conditions', 'now either');
SELECT results_eq($$SELECT severity, settings, enabled FROM workflow.alert_rules WHERE name = 'Stuck'$$, $$VALUES ('Info', '{"runs": 1}'::jsonb, false)$$, 'what is not named stays');
SELECT workflow.set_alert_rule('Stuck', enabled => true, severity => 'Critical') \g /dev/null
SELECT throws_ok($$SELECT workflow.set_alert_rule('Stuck', '{"run": 1}')$$, '22023', 'alert rule "Stuck" has no setting "run"');
SELECT throws_ok($$SELECT workflow.set_alert_rule('Stuck', '{"runs": "1"}')$$, '22023', 'setting "runs" of alert rule "Stuck" must be a number that is not negative');
SELECT throws_ok($$SELECT workflow.set_alert_rule('Stuck', '{"runs": -1}')$$, '22023', 'setting "runs" of alert rule "Stuck" must be a number that is not negative');
SELECT throws_ok($$SELECT workflow.set_alert_rule('Stuck', '[]')$$, '22023', 'settings must be an object, not an array');
SELECT throws_ok($$SELECT workflow.set_alert_rule('Stuck', severity => 'Bad')$$, '22023', 'unknown severity "Bad"');
SELECT throws_ok($$SELECT workflow.set_alert_rule('Sticky')$$, '42704', 'there is no alert rule "Sticky"');
SELECT throws_ok($$SELECT workflow.drop_alert_rule('Stuck')$$, '22023', 'alert rule "Stuck" comes with the extension');
SET ROLE regress_alerted;
SELECT throws_ok($$SELECT workflow.set_alert_rule('Stuck', enabled => false)$$, '42501', 'must be a member of the extension''s owner to set alert rule "Stuck"');
RESET ROLE;
\o /dev/null
SELECT workflow.terminate('s5');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 0', 'nothing is left');

\echo # NoWorker, BacklogAge
\o /dev/null
SELECT workflow.start('mail', workflow_id => 'm1');
SELECT workflow_test.run(workflow.now());
\o
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 0', 'a task may wait');
SELECT workflow_test.advance('61 s') \g /dev/null
SELECT is(pg_temp.check_as('regress_alerted'), '1 0 0', 'but not for long, when nobody takes it');
SELECT results_eq('SELECT * FROM pg_temp.open()', $$VALUES ('NoWorker', 'regress_alerted', 'mail')$$, 'from its queue');
SELECT workflow_test.advance('5 min') \g /dev/null
SELECT is(pg_temp.check_as('regress_alerted'), '1 1 0', 'nor for longer, in any case');
SELECT results_eq('SELECT * FROM pg_temp.open() ORDER BY 1', $$VALUES ('BacklogAge', 'regress_alerted', 'mail'), ('NoWorker', 'regress_alerted', 'mail')$$, 'it is late');
SET ROLE regress_alerted;
SELECT workflow.pause_task_queue('mail', reason => 'holidays') \g /dev/null
RESET ROLE;
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 2', 'in a queue that is paused tasks wait');
SET ROLE regress_alerted;
SELECT workflow.resume_task_queue('mail') \g /dev/null
RESET ROLE;
SELECT is(pg_temp.check_as('regress_alerted'), '2 0 0', 'now again');

\echo # HeartbeatMisses
\o /dev/null
SET ROLE regress_alerted;
SELECT workflow.poll_activity('mail', 'w');
RESET ROLE;
SELECT workflow.set_alert_rule('HeartbeatMisses', '{"runs": 1}');
\o
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 2', 'somebody has taken the task');
SELECT workflow_test.advance('30 s') \g /dev/null
SELECT is(pg_temp.check_as('regress_alerted'), '1 0 0', 'and is not heard of');
SELECT results_eq('SELECT * FROM pg_temp.open()', $$VALUES ('HeartbeatMisses', 'regress_alerted', 'Mail')$$, 'the activity');
SELECT is(facts, '{"pending": 1, "activity": "Mail", "task_queues": [null], "workflow_id": "m1"}', 'its facts') FROM workflow.alerts WHERE rule = 'HeartbeatMisses';
SELECT is(pg_temp.check_as('regress_alerted'), '0 1 0', 'once');
\o /dev/null
SELECT workflow.terminate('m1');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 1', 'nobody waits any more');

\echo # RetryStorm
\o /dev/null
SELECT workflow.set_alert_rule('RetryStorm', '{"runs": 2}');
SELECT workflow_test.mock_activity('Break', error => 'Broken');
SELECT workflow_test.mock_activity('Fine', result => '1');
SELECT workflow_test.mock_activity('Undo', error => 'Broken', times => 1);
SELECT workflow_test.mock_activity('Undo', result => '1');
SELECT workflow.start('again', workflow_id => 'a' || n) FROM generate_series(1, 2) n;
SELECT workflow_test.run(workflow.now() + interval '61 s');
\o
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 0', 'two attempts are no storm');
SELECT workflow_test.advance('60 s') \g /dev/null
SELECT is(pg_temp.check_as('regress_alerted'), '1 0 0', 'three of two runs are');
SELECT is(facts, '{"errors": ["Broken"], "pending": 2, "activity": "Break", "attempts": 3, "workflow_id": "a1"}', 'its facts') FROM workflow.alerts WHERE rule = 'RetryStorm';
\o /dev/null
SELECT workflow.terminate('a1');
SELECT workflow_test.run(workflow.now());
\o
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 1', 'one run is none');
SELECT workflow.terminate('a2') \g /dev/null

\echo # CompensationFailed
\o /dev/null
SELECT workflow.start('undone', workflow_id => 'u');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.check_as('regress_alerted'), '1 0 0', 'what was not undone');
SELECT results_eq('SELECT * FROM pg_temp.open()', $$VALUES ('CompensationFailed', 'regress_alerted', 'undone')$$, 'by its workflow');
\o /dev/null
SELECT workflow.retry_compensation('u');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 1', 'is undone');

\echo # ScheduleMissed
\o /dev/null
SET ROLE regress_alerted;
SELECT workflow.put_schedule(true, 'nightly', 'mail', NULL, '{}', '@daily', 'Skip', '1 d', '0', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
RESET ROLE;
UPDATE workflow.schedule SET next_time = workflow.now() - interval '299 s';
\o
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 0', 'somebody may yet come for a schedule');
UPDATE workflow.schedule SET next_time = workflow.now() - interval '301 s';
SELECT is(pg_temp.check_as('regress_alerted'), '1 0 0', 'but nobody does');
SELECT is(message, 'nobody has come for schedule "nightly"', 'so it says') FROM workflow.alerts WHERE rule = 'ScheduleMissed';
UPDATE workflow.schedule SET next_time = workflow.now() + interval '1 d';
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 1', 'now somebody has');
INSERT INTO workflow.schedule_action (shard_key, schedule_id, scheduled_for, owner, state, overlap, manual, taken_at)
SELECT shard_key, schedule_id, workflow.now(), owner, 'Failed', 'Skip', false, workflow.now() FROM workflow.schedule;
SELECT is(pg_temp.check_as('regress_alerted'), '1 0 0', 'but its run was not started');
SELECT is(message, 'schedule "nightly" could not start its run', 'so it says') FROM workflow.alerts WHERE rule = 'ScheduleMissed' AND resolved_at IS NULL;
SELECT workflow.remove_schedule('nightly') \g /dev/null
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 1', 'it is gone');

\echo # VacuumHeldBack: by this very transaction
SELECT workflow.set_alert_rule('VacuumHeldBack', '{"seconds": 0}') \g /dev/null
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 0', 'is not everybody''s business');
SELECT is(pg_temp.check_as('postgres'), '1 0 0', 'but of the extension''s owner');
SELECT results_eq($$SELECT owner::text, subject, facts->>'role' FROM workflow.alerts WHERE rule = 'VacuumHeldBack'$$, $$VALUES ('postgres', current_database()::text COLLATE "default", 'postgres')$$, 'who it is');
SELECT workflow.set_alert_rule('VacuumHeldBack', '{"seconds": 1000000}') \g /dev/null
SELECT is(pg_temp.check_as('postgres'), '0 0 1', 'it is over');

\echo # Own rules
CREATE TABLE public.stock (item text, left_over int);
SELECT lives_ok($$SELECT workflow.create_alert_rule('LowStock', 'SELECT item AS subject, left_over, ''buy '' || item AS message FROM public.stock WHERE left_over < 5',
	'Info', 'There is little left', 'Buy some.')$$, 'a query is a rule');
SELECT throws_ok($$SELECT workflow.create_alert_rule('LowStock', 'SELECT 1 AS subject')$$, '42710', 'there is an alert rule "LowStock" already');
SELECT throws_ok($$SELECT workflow.create_alert_rule('Stuck', 'SELECT 1 AS subject')$$, '42710', 'there is an alert rule "Stuck" already');
SELECT throws_ok($$SELECT workflow.create_alert_rule('x', 'SELECT 1 AS object')$$, '42703', NULL, 'it needs a subject');
CREATE FUNCTION pg_temp.says(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    PERFORM workflow.create_alert_rule('x', query);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN format('%s (%s)', SQLERRM, hint);
END $$;
SELECT is(pg_temp.says('SELECT 1 AS object'),
    'column q.subject does not exist (The query is one SELECT without a semicolon, which gives a column "subject"; "since" is a time, if it gives that.)', 'and says so');
SELECT is(pg_temp.says('SELECT 1 AS subject FROM nowhere'), 'relation "nowhere" does not exist ()', 'which is not said of errors in the query itself');
SELECT throws_ok($$SELECT workflow.create_alert_rule('x', 'SELECT 1 AS subject) q) x; DELETE FROM public.stock; SELECT 1 FROM (SELECT 1 FROM (SELECT 1 AS subject')$$, '22023', 'the query of an alert rule must be one SELECT');
INSERT INTO public.stock VALUES ('pear', 1), ('plum', 9), (NULL, 0);
SELECT is((SELECT format('%s %s %s', c.opened, c.still_open, c.resolved) FROM workflow.check_alerts() c), '1 0 0', 'it opens');
SELECT results_eq($$SELECT severity, owner::text, subject, message, facts, hint FROM workflow.alerts WHERE rule = 'LowStock'$$,
	$$VALUES ('Info', 'postgres', 'pear', 'buy pear', '{"left_over": 1}'::jsonb, 'Buy some.')$$, 'with what the query says');
UPDATE public.stock SET left_over = 10 - left_over;
SELECT is((SELECT format('%s %s %s', c.opened, c.still_open, c.resolved) FROM workflow.check_alerts() c), '1 0 1', 'one is resolved, another opens');
ALTER TABLE public.stock RENAME COLUMN item TO thing;
SELECT is((SELECT format('%s %s %s', c.opened, c.still_open, c.resolved) FROM workflow.check_alerts() c), '1 0 0', 'a rule that fails is an alert');
SELECT results_eq('SELECT rule, subject FROM pg_temp.open() ORDER BY 1', $$VALUES ('LowStock', 'plum'), ('RuleFailed', 'LowStock')$$, 'what it found stays as it is');
ALTER TABLE public.stock RENAME COLUMN thing TO item;
SELECT is((SELECT format('%s %s %s', c.opened, c.still_open, c.resolved) FROM workflow.check_alerts() c), '0 1 1', 'it works again');
\o /dev/null
CREATE FUNCTION public.steal() RETURNS text LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.stock; RETURN 'x'; END $$;
SELECT workflow.create_alert_rule('Thief', 'SELECT public.steal() AS subject');
SELECT workflow.create_alert_rule('Flood', 'SELECT generate_series(1, 1001) AS subject');
SELECT workflow.check_alerts();
\o
SELECT results_eq($$SELECT subject, message FROM workflow.alerts WHERE rule = 'RuleFailed' AND resolved_at IS NULL ORDER BY 1$$, $$VALUES
	('Flood', 'alert rule "Flood" raises an error: the rule finds more than 1000 subjects'),
	('Thief', 'alert rule "Thief" raises an error: cannot execute DELETE in a read-only transaction')$$, 'a rule only reads, and not without end');
SET ROLE regress_alerted;
SELECT throws_ok($$SELECT workflow.drop_alert_rule('Thief')$$, '42704', 'there is no alert rule "Thief"');
RESET ROLE;
SELECT workflow.drop_alert_rule(r) FROM unnest('{Thief,Flood,LowStock}'::text[]) r \g /dev/null
SELECT is_empty('SELECT * FROM pg_temp.open()', 'with the rule its alerts are over');
SELECT workflow.set_alert_rule('HeartbeatMisses', '{"runs": 3}') \g /dev/null

\echo # Own rules are evaluated in a session of their owner only
SET ROLE regress_alerted;
SELECT workflow.create_alert_rule('Mine', 'SELECT current_user AS subject') \g /dev/null
RESET ROLE;
SELECT is(pg_temp.check_as('postgres'), '0 0 0', 'not by a superuser, with more rights');
SELECT is(pg_temp.check_as('regress_alerted'), '0 0 0', 'nor in a session that can go back to more rights');
SET SESSION AUTHORIZATION regress_alerted;
SELECT is((SELECT format('%s %s %s', c.opened, c.still_open, c.resolved) FROM workflow.check_alerts() c), '1 0 0', 'but in its own');
SELECT results_eq('SELECT * FROM pg_temp.open()', $$VALUES ('Mine', 'regress_alerted', 'regress_alerted')$$, 'with its rights');
RESET SESSION AUTHORIZATION;
SELECT is(pg_temp.check_as('postgres'), '0 0 0', 'others do not resolve it');

\echo # Who sees them, and looks after them
CREATE FUNCTION pg_temp.seen(role text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	RETURN QUERY SELECT concat_ws(' ', a.rule, a.message, a.facts) FROM workflow.alerts a WHERE a.resolved_at IS NULL;
	RESET ROLE;
END $$;
CREATE FUNCTION pg_temp.seen_of(role text, wanted text) RETURNS SETOF workflow.alerts LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	RETURN QUERY SELECT * FROM workflow.alerts a WHERE a.rule = wanted;
	RESET ROLE;
END $$;
SELECT results_eq($$SELECT pg_temp.seen('regress_alerted')$$, $$VALUES ('Mine Mine: regress_alerted {}')$$, 'its owner');
SELECT is_empty($$SELECT pg_temp.seen('regress_other')$$, 'not others');
SELECT results_eq($$SELECT pg_temp.seen('regress_watcher')$$, $$VALUES ('Mine')$$, 'readers see that it is there');
SELECT alert_id AS alert FROM workflow.alerts WHERE rule = 'Mine' \gset
SET ROLE regress_other;
SELECT throws_ok(format('SELECT workflow.acknowledge_alert(%L)', :'alert'), '42704', format('there is no alert %s', :'alert'), 'nobody else looks after it');
RESET ROLE;
SET ROLE regress_alerted;
SELECT ok(workflow.acknowledge_alert(alert_id, 'on it'), 'somebody looks after it') FROM workflow.alerts WHERE rule = 'Mine';
SELECT results_eq($$SELECT acknowledged_by, note FROM workflow.alerts WHERE rule = 'Mine'$$, $$VALUES ('regress_alerted', 'on it')$$, 'and says so');
SELECT workflow.set_alert_rule('Mine', enabled => false), workflow.drop_alert_rule('Mine') \g /dev/null
SELECT ok(NOT workflow.acknowledge_alert(alert_id), 'not of what is over') FROM workflow.alerts WHERE rule = 'Mine';
RESET ROLE;
SELECT results_eq($$SELECT rule, subject, message, facts FROM pg_temp.seen_of('regress_watcher', 'Mine')$$,
	$$VALUES ('Mine', 'regress_alerted', NULL, NULL::jsonb)$$, 'what an own rule said is hidden from readers when the rule is gone, too');
SET SESSION AUTHORIZATION "regress Alerted.2";
SELECT workflow.create_alert_rule('Tells', $$SELECT 'secret'::text::int AS subject$$), workflow.create_alert_rule('Fine', $$SELECT 1 AS subject$$) \g /dev/null
SELECT results_eq('SELECT opened, resolved FROM workflow.check_alerts()', 'VALUES (2, 0)', 'a role has a name that must be quoted');
SELECT results_eq('SELECT rule, owner FROM workflow.alerts ORDER BY rule COLLATE "C"', $$VALUES ('Fine', '"regress Alerted.2"'::regrole), ('RuleFailed', '"regress Alerted.2"')$$,
	'and its own alerts');
SELECT workflow.drop_alert_rule('Tells'), workflow.drop_alert_rule('Fine') \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT is_empty($$SELECT * FROM pg_temp.seen_of('regress_watcher', 'RuleFailed') WHERE message IS NOT NULL OR facts IS NOT NULL$$,
	'why a rule failed is hidden from readers: errors have data in them');
SELECT isnt_empty('SELECT * FROM workflow.alerts', 'resolved ones are kept');
SELECT workflow_test.advance('31 days') \g /dev/null
SELECT workflow.check_alerts() \g /dev/null
SELECT is_empty('SELECT * FROM workflow.alerts', 'for thirty days');
SELECT throws_ok('SELECT workflow.schedule_alerts()', '0A000', 'pg_cron is not installed in this database');
SELECT * FROM finish();
ROLLBACK;
