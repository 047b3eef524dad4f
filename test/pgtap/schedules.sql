-- Schedules on the virtual clock, where their timers stand for pg_cron's ticks.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE ROLE regress_scheduler LOGIN;
SELECT workflow.grant_usage('regress_scheduler');
SELECT workflow.register('work', $asl${
	"StartAt": "Work",
	"States": {
		"Work": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Done"},
		"Done": {"Type": "Pass", "Parameters": {"at.$": "$$.Execution.Schedule.ScheduledTime", "of.$": "$$.Execution.Schedule.Name"}, "End": true}
	}}$asl$);
SELECT workflow.register('typed', '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}},
	"Input": {"type": "object", "properties": {"seconds": {"type": "integer"}}}}'::jsonb);
SELECT workflow.register('long', $asl${
	"StartAt": "Work",
	"States": {
		"Work": {"Type": "Wait", "Seconds": 3000, "Next": "Enough"},
		"Enough": {"Type": "Choice", "Choices": [{"Variable": "$.round", "NumericEquals": 2, "Next": "Done"}], "Default": "Again"},
		"Again": {"Type": "ContinueAsNew", "Parameters": {"round": 2}},
		"Done": {"Type": "Succeed"}
	}}$asl$);

-- "01:00 Closed, 02:00 Skipped": what became of a schedule's times
CREATE FUNCTION pg_temp.actions(name text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(to_char(scheduled_for AT TIME ZONE 'UTC', 'HH24:MI') || ' ' || state, ', ' ORDER BY scheduled_for)
	FROM workflow.schedule_actions WHERE schedule = name
$$;
-- "01:00 02:23": when its runs began
CREATE FUNCTION pg_temp.begins(name text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(to_char(e.started_at AT TIME ZONE 'UTC', 'HH24:MI'), ' ' ORDER BY e.started_at)
	FROM workflow.executions e WHERE e.schedule->>'Name' = name
$$;
CREATE FUNCTION pg_temp.statuses(name text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(e.status, ' ' ORDER BY e.started_at) FROM workflow.executions e WHERE e.schedule->>'Name' = name
$$;

\o
SELECT plan(117);
SELECT throws_ok($$ SELECT workflow.create_schedule('x', '@daily', 'work') $$, '55000', 'schedules need pg_cron, which this server does not run');
\o /dev/null

SELECT workflow_test.begin('2030-01-01 00:30:00+00');
SELECT workflow.create_schedule(overlap, '0 * * * *', 'work', '{"seconds": 5000}', overlap => overlap)
FROM unnest('{Skip,BufferOne,BufferAll,CancelOther,TerminateOther,AllowAll}'::text[]) overlap;
SELECT workflow.create_schedule('continues', '0 * * * *', 'long', '{"round": 1}');
SELECT workflow_test.advance('5 hours');
\o

-- Overlap

SELECT is(pg_temp.actions('Skip'), '01:00 Closed, 02:00 Skipped, 03:00 Closed, 04:00 Skipped, 05:00 Running', 'Skip');
SELECT is(pg_temp.begins('Skip'), '01:00 03:00 05:00', 'Skip: its runs');
SELECT is(pg_temp.actions('BufferOne'), '01:00 Closed, 02:00 Closed, 03:00 Closed, 04:00 Running, 05:00 Skipped', 'BufferOne');
SELECT is(pg_temp.begins('BufferOne'), '01:00 02:23 03:46 05:10', 'BufferOne: a run begins when the one before has closed');
SELECT is(pg_temp.actions('BufferAll'), '01:00 Closed, 02:00 Closed, 03:00 Closed, 04:00 Running, 05:00 Buffered', 'BufferAll');
SELECT is(pg_temp.actions('CancelOther'), '01:00 Closed, 02:00 Closed, 03:00 Closed, 04:00 Closed, 05:00 Running', 'CancelOther');
SELECT is(pg_temp.statuses('CancelOther'), 'Canceled Canceled Canceled Canceled Running', 'CancelOther cancels');
SELECT is(pg_temp.begins('CancelOther'), '01:00 02:00 03:00 04:00 05:00', 'CancelOther: a run begins at its time');
SELECT is(pg_temp.statuses('TerminateOther'), 'Terminated Terminated Terminated Terminated Running', 'TerminateOther terminates');
SELECT is(pg_temp.statuses('AllowAll'), 'Completed Completed Completed Completed Running', 'AllowAll');
SELECT is(pg_temp.begins('AllowAll'), '01:00 02:00 03:00 04:00 05:00', 'AllowAll: its runs overlap');
SELECT is(pg_temp.actions('continues'), '01:00 Closed, 02:00 Skipped, 03:00 Closed, 04:00 Skipped, 05:00 Running',
	'a run that has continued as new is open still');
SELECT is((SELECT array_agg(DISTINCT reason) FROM workflow.schedule_actions WHERE state = 'Skipped'),
	'{"a run is open","others wait already"}', 'what is skipped says why');

-- What its runs are

SELECT is((SELECT output FROM workflow.get_execution('Skip-2030-01-01T01:00:00Z')), '{"at": "2030-01-01T01:00:00Z", "of": "Skip"}',
	'a run knows its schedule and time');
SELECT is((SELECT schedule FROM workflow.get_execution('Skip-2030-01-01T03:00:00Z')),
	'{"Name": "Skip", "ScheduledTime": "2030-01-01T03:00:00Z"}', 'so does who looks at it');
SELECT is((SELECT started_by FROM workflow.get_execution('Skip-2030-01-01T01:00:00Z')), current_user::regrole, 'its owner starts it');
SELECT results_eq($$ SELECT next_time, last_time, running, buffered, started, skipped, missed, failed
	FROM workflow.schedules WHERE name = 'BufferAll' $$,
	$$ VALUES ('2030-01-01 06:00+00'::timestamptz, '2030-01-01 04:00+00'::timestamptz, 1::bigint, 1::bigint, 4::bigint, 0::bigint,
	0::bigint, 0::bigint) $$, 'the view counts');
SELECT is(count(*), 0::bigint, 'the history of each run leads to its state')
FROM workflow.executions e, workflow.rebuild_state(e.run_id) r
WHERE e.schedule IS NOT NULL AND (r.status <> e.status OR r.schedule IS DISTINCT FROM e.schedule);

-- Ticks

SELECT is(workflow.schedule_tick('AllowAll'), 0, 'a tick without a new time starts nothing');
UPDATE workflow.schedule SET checked_at = '2030-01-01 02:30+00' WHERE name = 'AllowAll';
SELECT is(workflow.schedule_tick('AllowAll'), 0, 'nor does one that comes twice');
SELECT is((SELECT started FROM workflow.schedules WHERE name = 'AllowAll'), 5::bigint, 'what has been started is not counted again');
DELETE FROM workflow.schedule_action WHERE schedule_id = (SELECT schedule_id FROM workflow.schedule WHERE name = 'AllowAll');
UPDATE workflow.schedule SET checked_at = '2030-01-01 02:30+00' WHERE name = 'AllowAll';
SELECT lives_ok($$ SELECT workflow.schedule_tick('AllowAll') $$, 'times whose actions are forgotten');
SELECT is(pg_temp.begins('AllowAll'), '01:00 02:00 03:00 04:00 05:00', 'have had their run even so');

-- Pause, resume

SELECT lives_ok($$ SELECT workflow.pause_schedule(name, 'because') FROM workflow.schedules WHERE name IN ('Skip', 'BufferAll') $$, 'pause');
SELECT results_eq($$ SELECT paused, pause_reason, paused_by = current_user, next_time FROM workflow.schedules WHERE name = 'Skip' $$,
	$$ VALUES (true, 'because', true, NULL::timestamptz) $$, 'a paused schedule');
\o /dev/null
SELECT workflow_test.advance('3 hours');
\o
SELECT is(pg_temp.actions('Skip'), '01:00 Closed, 02:00 Skipped, 03:00 Closed, 04:00 Skipped, 05:00 Closed',
	'it acts on no times');
SELECT is(pg_temp.actions('BufferAll'), '01:00 Closed, 02:00 Closed, 03:00 Closed, 04:00 Closed, 05:00 Buffered',
	'nor does what waits start');
SELECT isnt(workflow.trigger_schedule('Skip'), NULL, 'it can be triggered');
SELECT lives_ok($$ SELECT workflow.resume_schedule(name), workflow.resume_schedule(name) FROM workflow.schedules WHERE paused $$, 'resume, twice');
\o /dev/null
SELECT workflow_test.advance('35 minutes');
\o
SELECT is(pg_temp.actions('Skip'),
	'01:00 Closed, 02:00 Skipped, 03:00 Closed, 04:00 Skipped, 05:00 Closed, 08:30 Running, 09:00 Skipped',
	'it goes on with its next time');
SELECT is(pg_temp.actions('BufferAll'), '01:00 Closed, 02:00 Closed, 03:00 Closed, 04:00 Closed, 05:00 Running, 09:00 Buffered',
	'and with what waits');
SELECT is((SELECT missed FROM workflow.schedules WHERE name = 'Skip'), 0::bigint, 'times of the pause are not missed');

-- Trigger

SELECT is(workflow.trigger_schedule('Skip'), NULL, 'a trigger follows the policy');
SELECT isnt(workflow.trigger_schedule('Skip', 'AllowAll'), workflow.trigger_schedule('Skip', 'AllowAll'),
	'or its own; each of two at a time has a run');
SELECT is((SELECT array_agg(DISTINCT manual) FROM workflow.schedule_actions WHERE schedule = 'Skip' AND scheduled_for = workflow_test.now()),
	'{t}', 'they are marked');

-- Backfill

\o /dev/null
SELECT workflow.create_schedule('fill', '0 * * * *', 'work', '{"seconds": 600}', paused => true);
\o
SELECT is(workflow.backfill_schedule('fill', '2030-01-01 03:00+00', '2030-01-01 05:00+00', 'AllowAll'), 3, 'both ends belong to it');
SELECT is(workflow.backfill_schedule('fill', '2030-01-01 02:30+00', '2030-01-01 05:00+00', 'AllowAll'), 0, 'no time has two runs');
SELECT is(workflow.backfill_schedule('fill', '2030-01-01 00:00+00', '2030-01-01 02:59+00', 'BufferAll'), 0, 'some may wait');
\o /dev/null
SELECT workflow.resume_schedule('fill');
SELECT workflow_test.advance('50 minutes');
\o
SELECT is(pg_temp.actions('fill'), '00:00 Closed, 01:00 Closed, 02:00 Closed, 03:00 Closed, 04:00 Closed, 05:00 Closed',
	'and run one after the other');
SELECT throws_ok($$ SELECT workflow.backfill_schedule('fill', '2029-01-01', '2030-12-01') $$, '22023',
	'to_time must not be in the future');
SELECT throws_ok($$ SELECT workflow.backfill_schedule('fill', '2020-01-01', '2030-01-01') $$, '54000', 'too many times to backfill');
SELECT throws_ok($$ SELECT workflow.backfill_schedule('fill', '-infinity', '2030-01-01') $$, '22023',
	'from_time and to_time must be given, and finite');

-- Catching up: nobody has come for ten hours

\o /dev/null
SELECT workflow.create_schedule('late', '0 * * * *', 'work', '{"seconds": 1}', overlap => 'AllowAll', catchup_window => '3 hours 30 minutes');
SELECT workflow.create_schedule('late skip', '0 * * * *', 'work', '{"seconds": 1}', catchup_window => '0');
SELECT workflow.create_schedule('many', '* * * * *', 'work', '{"seconds": 1}');
UPDATE workflow.schedule SET checked_at = workflow_test.now() - interval '10 hours' WHERE name LIKE 'late%' OR name = 'many';
SELECT workflow_test.advance('1 second');
SELECT workflow.schedule_tick('late'), workflow.schedule_tick('late skip'), workflow.schedule_tick('many');
SELECT workflow_test.advance('1 second');
\o
SELECT is(pg_temp.actions('late'), '07:00 Closed, 08:00 Closed, 09:00 Closed', 'times within the window are made up for');
SELECT is((SELECT missed FROM workflow.schedules WHERE name = 'late'), 7::bigint, 'others are missed');
SELECT is((SELECT missed FROM workflow.schedules WHERE name = 'late skip'), 10::bigint, 'without a window, all are');
SELECT is((SELECT started + skipped FROM workflow.schedules WHERE name = 'many'), 600::bigint, 'more than one transaction deals with');
SELECT is((SELECT count(*) FROM workflow.schedule_actions WHERE schedule = 'many'), 100::bigint, 'the last hundred are kept');

-- Jitter

\o /dev/null
SELECT workflow.create_schedule('jitter', '0 * * * *', 'work', '{"seconds": 1}', overlap => 'AllowAll', jitter => '30 minutes');
SELECT workflow_test.advance('3 hours 40 minutes');
\o
SELECT results_eq($$ SELECT date_trunc('second', h.event_time) FROM workflow.executions e JOIN workflow.history h USING (run_id)
	WHERE e.schedule->>'Name' = 'jitter' AND h.event_type = 'StateEntered' AND h.state = 'Work' ORDER BY 1 $$,
	$$ SELECT date_trunc('second', scheduled_for + interval '30 minutes' *
		((workflow.shard_key(concat('jitter ', to_char(scheduled_for AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))::bigint & 4294967295) / 4294967296.0))
	FROM workflow.schedule_actions WHERE schedule = 'jitter' ORDER BY 1 $$, 'each time has its own share of the jitter');
SELECT is((SELECT count(*) FROM workflow.schedule_actions WHERE schedule = 'jitter' AND state = 'Closed'), 4::bigint, 'four of them');

-- Limits

\o /dev/null
SELECT workflow.create_schedule('twice', '0 * * * *', 'work', '{"seconds": 1}', remaining_actions => 2);
SELECT workflow.create_schedule('between', '0 * * * *', 'work', '{"seconds": 1}', start_time => '2030-01-01 16:00+00', end_time => '2030-01-01 17:00+00');
SELECT workflow_test.advance('6 hours');
\o
SELECT is(pg_temp.begins('twice'), '14:00 15:00', 'remaining_actions');
SELECT results_eq($$ SELECT remaining_actions, next_time FROM workflow.schedules WHERE name = 'twice' $$, $$ VALUES (0, NULL::timestamptz) $$,
	'none remain');
SELECT is(pg_temp.begins('between'), '16:00 17:00', 'start_time and end_time belong to it');
SELECT lives_ok($$ SELECT workflow.update_schedule('twice', cron => '@daily', remaining_actions => -1, input => '{"seconds": 2}', version => 1) $$, 'update');
SELECT results_eq($$ SELECT cron, remaining_actions, next_time, input, version, overlap FROM workflow.schedules WHERE name = 'twice' $$,
	$$ VALUES ('@daily', NULL::int, '2030-01-02 00:00+00'::timestamptz, '{"seconds": 2}'::jsonb, 1, 'Skip') $$, 'what is given is changed');
SELECT lives_ok($$ SELECT workflow.delete_schedule('between') $$, 'delete');
SELECT is_empty($$ SELECT FROM workflow.schedule_actions WHERE schedule = 'between'
	UNION ALL SELECT FROM workflow.timer t LEFT JOIN workflow.schedule s ON s.schedule_id = t.run_id WHERE t.kind = 'Schedule' AND s.name IS NULL $$,
	'nothing of it is left');

-- Whatever operators lie in wait on the caller's search path

\o /dev/null
CREATE SCHEMA regress_evil;
CREATE FUNCTION regress_evil.same(int, int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''evil''; END';
CREATE OPERATOR regress_evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = regress_evil.same);
SELECT workflow.create_schedule('trapped', '@daily', 'work', '{"seconds": 1}', version => 1);
SET LOCAL search_path = regress_evil, pg_catalog, public;
SELECT workflow.trigger_schedule('trapped') IS NOT NULL AS started \gset
RESET search_path;
\o
SELECT ok(:'started', 'a start uses none of them');

-- Who may what

\o /dev/null
SELECT workflow.grant_workflow('regress_scheduler', 'work', '{start}');
SET ROLE regress_scheduler;
SELECT workflow.create_schedule('theirs', '0 * * * *', 'work', '{"seconds": 1}');
RESET ROLE;
SELECT workflow_test.advance('1 hour');
\o
SELECT is((SELECT started_by FROM workflow.executions WHERE schedule->>'Name' = 'theirs'), 'regress_scheduler'::regrole,
	'a schedule starts runs as its owner');
SET ROLE regress_scheduler;
SELECT is((SELECT string_agg(name, ' ') FROM workflow.schedules), 'theirs', 'who sees his own');
SELECT throws_ok(format('SELECT workflow.%s', call), '42501', 'must be owner of schedule "Skip"', call)
FROM unnest('{pause_schedule(''Skip''),resume_schedule(''Skip''),trigger_schedule(''Skip''),schedule_tick(''Skip''),delete_schedule(''Skip''),
	"update_schedule(''Skip'', jitter => ''1 s'')","backfill_schedule(''Skip'', ''2020-01-01'', ''2020-01-02'')"}'::text[]) call;
SELECT throws_ok($$ SELECT workflow.create_schedule('mine', '@daily', 'long') $$, '42501', 'permission denied to start workflow "long"');
RESET ROLE;
\o /dev/null
SELECT workflow.revoke_workflow('regress_scheduler', 'work', '{start}');
SELECT workflow_test.advance('1 hour');
\o
SELECT results_eq($$ SELECT state, reason FROM workflow.schedule_actions WHERE schedule = 'theirs' ORDER BY scheduled_for $$,
	$$ VALUES ('Closed', NULL), ('Failed', 'permission denied to start workflow "work"') $$, 'what cannot be started says why');
SELECT is((SELECT failed FROM workflow.schedules WHERE name = 'theirs'), 1::bigint, 'and is counted');

SELECT is_empty('SELECT * FROM pg_temp.faults()', 'nothing is wrong with any run');

-- Errors

SELECT throws_ok(format('SELECT workflow.create_schedule(%s)', arguments), state, message, message)
FROM (VALUES ($$'x', '* * * *', 'work'$$, '22023', 'invalid cron expression: "* * * *"'),
	($$'x', '0 0 30 2 *', 'work'$$, '22023', 'cron expression "0 0 30 2 *" is never due'),
	($$'x', '@daily', 'nothing'$$, 'OW002', 'workflow "nothing" does not exist'),
	($$'x', '@daily', 'typed', '{"seconds": "one"}'$$, 'OW013', 'input of workflow "typed" is not of its declared type'),
	($$'x', '@daily', 'work', version => 7$$, 'OW006', NULL),
	($$'x', '@daily', 'work', overlap => 'Never'$$, '22023', 'invalid value for overlap: "Never"'),
	($$'x', '@daily', 'work', jitter => '-1 s'$$, '22023', 'jitter must not be negative'),
	($$'x', '@daily', 'work', remaining_actions => -2$$, '22023', 'remaining_actions must not be less than -1'),
	($$'', '@daily', 'work'$$, '42602', 'the name of a schedule must not be empty'),
	($$NULL, '@daily', 'work'$$, '22004', 'name must not be null'),
	($$'Skip', '@daily', 'work'$$, '42710', 'schedule "Skip" already exists')) AS e (arguments, state, message);
SELECT throws_ok($$ SELECT workflow.pause_schedule('nothing') $$, '42704', 'schedule "nothing" does not exist');

-- Cron expressions

SELECT is_empty($$ SELECT * FROM (SELECT m FROM generate_series('2030-01-01 00:01+00', '2030-03-15', interval '1 minute') m
		WHERE (extract(minute FROM m AT TIME ZONE 'UTC')::int % 7 = 0 OR extract(minute FROM m AT TIME ZONE 'UTC') = 5)
		AND extract(hour FROM m AT TIME ZONE 'UTC') IN (3, 9, 11, 13, 15, 17) AND extract(month FROM m AT TIME ZONE 'UTC') IN (1, 3)
		AND (extract(day FROM m AT TIME ZONE 'UTC') IN (13, 31) OR extract(dow FROM m AT TIME ZONE 'UTC') IN (0, 5, 6))) expected (at)
	FULL JOIN workflow.cron_times('*/7,5 3,9-17/2 13,31 jan,MAR fri-sat,7', '2030-01-01 00:00+00', 100000) found (at) USING (at)
	WHERE (expected.at IS NULL OR found.at IS NULL) AND at < '2030-03-15' $$, 'times as a search of all minutes finds them');
SELECT results_eq($$ SELECT t FROM workflow.cron_times('0 0 13 * */5', '2030-01-01', 100) t WHERE t < '2035-01-01' $$,
	$$ SELECT d FROM generate_series('2030-01-01 00:00+00'::timestamptz, '2034-12-31', interval '1 day') d
	WHERE extract(day FROM d AT TIME ZONE 'UTC') = 13 AND extract(dow FROM d AT TIME ZONE 'UTC') IN (0, 5) $$,
	'a day field that begins with "*" makes both count');
SELECT is((SELECT array_agg(t) FROM workflow.cron_times('0 12 29 2 *', '2030-01-01', 2) t),
	'{"2032-02-29 12:00+00","2036-02-29 12:00+00"}', 'leap days');
SELECT throws_ok(format('SELECT workflow.cron_times(%L)', cron), '22023', format('invalid cron expression: "%s"', cron), cron)
FROM unnest(ARRAY['', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * * 13 *', '* * * * 8', '5-1 * * * *', '*/0 * * * *', '1/2 * * * *',
	'a * * * *', '* * * foo *', '* * * * * *', '1,,2 * * * *', '@reboot', '1- * * * *', '-1 * * * *', '1;2 * * * *']) cron;

-- What its runs are started with

\o /dev/null
SELECT workflow.register('found', $asl${"StartAt": "Work", "SearchAttributes": {"Day": {"Type": "Keyword"}, "N": {"Type": "Int", "Path": "$.n"}}, "States": {"Work": {"Type": "Wait", "Seconds": 3000, "End": true}}}$asl$);
CREATE FUNCTION pg_temp.started_with() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', nullif(x.options - 'Searchable', '{}'), x.deadline - x.started_at, e.search_attributes) FROM workflow.execution x JOIN workflow.executions e USING (run_id) WHERE x.workflow_id LIKE 'found-%' $$;
SELECT workflow.delete_schedule(name) FROM workflow.schedules;
SELECT workflow_test.begin('2031-01-01 00:00:00+00');
SELECT workflow.create_schedule('found', '@daily', 'found', '{"n": 1}', run_timeout => '10 min', retry => '{"ErrorEquals": ["Other"], "MaxAttempts": 1}', priority => 2, search_attributes => '{"Day": "one"}');
SELECT workflow_test.run('2031-01-02 00:05:00+00');
\o
SELECT is(pg_temp.started_with(), '{"Retry": [{"ErrorEquals": ["Other"], "MaxAttempts": 1}], "Priority": 2, "RunTimeoutMs": 600000} 00:10:00 {"N": 1, "Day": "one"}', 'its runs have the options of a start');
SELECT is((SELECT (run_timeout, retry, priority, search_attributes)::text FROM workflow.schedules WHERE name = 'found'),
	(SELECT ('10 min'::interval, '{"ErrorEquals": ["Other"], "MaxAttempts": 1}'::jsonb, 2, '{"Day": "one"}'::jsonb)::text), 'which the view has');
SELECT throws_ok(format('SELECT workflow.update_schedule(%L, %s)', 'found', wrong), state, NULL, wrong) FROM (VALUES ('priority => 9', '22023'), ($$retry => '{"MaxAtempts": 1}'$$, '22023'), ($$run_timeout => '-1 s'$$, '22023'),
	($$search_attributes => '{"Tag": 1}'$$, '22023'), ($$search_attributes => '{"Day": 1}'$$, 'OW013'), ($$search_attributes => '[]'$$, '22023'), ($$input => '{"n": "one"}'$$, 'OW013')) v (wrong, state);
\o /dev/null
SELECT workflow.update_schedule('found', search_attributes => '{"Day": "two"}', priority => 3);
SELECT workflow_test.run('2031-01-03 00:05:00+00');
\o
SELECT is(pg_temp.started_with(), '{"Retry": [{"ErrorEquals": ["Other"], "MaxAttempts": 1}], "Priority": 3, "RunTimeoutMs": 600000} 00:10:00 {"N": 1, "Day": "two"}', 'what is given changes');
\o /dev/null
SELECT workflow.update_schedule('found', search_attributes => '{}', priority => 0, retry => 'null', run_timeout => '0');
SELECT workflow_test.run('2031-01-04 00:05:00+00');
\o
SELECT is(pg_temp.started_with(), '{"N": 1}', 'and none of them is left');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow.delete_schedule('found') \g /dev/null

-- The time zone is pg_cron's

SELECT set_config('cron.timezone', 'Europe/Berlin', true) \gset
SELECT is((SELECT array_agg(t) FROM workflow.cron_times('30 2 * * *', '2030-03-29 12:00+00', 3) t),
	'{"2030-03-30 01:30+00","2030-04-01 00:30+00","2030-04-02 00:30+00"}', 'an hour that a clock leaves out has no times');
SELECT is((SELECT array_agg(t) FROM workflow.cron_times('30 2 * * *', '2030-10-26 12:00+00', 3) t),
	'{"2030-10-27 00:30+00","2030-10-27 01:30+00","2030-10-28 01:30+00"}', 'one that comes twice has two');

SELECT * FROM finish();
ROLLBACK;
