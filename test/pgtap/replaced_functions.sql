-- Functions of activities that are replaced: between attempts, while a run waits, by registering another.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION public.replaceable(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN '"one"'; END $$;
CREATE FUNCTION public.replaceable_undo(input jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity('replaced.Do', 'public.replaceable(jsonb)'), workflow.register_activity('replaced.Undo', 'public.replaceable_undo(jsonb)');
SELECT workflow.register('replaced', $asl${"StartAt": "First", "States": {
	"First": {"Type": "Task", "Resource": "replaced.Do", "Compensate": "replaced.Undo", "ResultPath": "$.first", "Next": "Wait"},
	"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Second"},
	"Second": {"Type": "Task", "Resource": "replaced.Do", "ResultPath": "$.second", "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 60, "MaxAttempts": 3}], "Next": "Fail"},
	"Fail": {"Type": "Fail", "Error": "Enough"}}}$asl$);
CREATE FUNCTION pg_temp.hashes(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', h.state, replace(h.event_type, 'ActivityTask', ''), CASE WHEN attributes->>'function_hash' = a.current_hash THEN 'as it is' WHEN attributes ? 'function_hash' THEN 'another' END), ', ' ORDER BY event_id)
	FROM workflow.get_history(id) h, workflow.activities a WHERE h.event_type IN ('ActivityTaskCompleted', 'ActivityTaskFailed') AND a.name = 'replaced.Do'
$$;
-- Each attempt: what it called, by the order in which such functions were first seen
CREATE TEMP TABLE seen (hash text PRIMARY KEY, name text);
CREATE FUNCTION pg_temp.see(name text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO seen SELECT current_hash, see.name FROM workflow.activities a WHERE a.name = 'replaced.Do' ON CONFLICT DO NOTHING $$;
CREATE FUNCTION pg_temp.attempts(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', a.state, a.attempt, a.outcome, coalesce(s.name, a.function_hash), CASE WHEN a.replaced THEN 'replaced' END), ', ' ORDER BY a.event_id)
	FROM workflow.activity_attempts a LEFT JOIN seen s ON s.hash = a.function_hash
	WHERE a.workflow_id = id AND a.kind = 'Activity' $$;
SELECT pg_temp.see('one');
SELECT workflow_test.begin(clock_timestamp() + interval '1 hour');
SELECT workflow_test.allow_activity(a) FROM unnest('{replaced.Do,replaced.Undo}'::text[]) a;
SELECT workflow.start('replaced', workflow_id => 'same'), workflow.start('replaced', workflow_id => 'replaced');
CREATE TEMP TABLE registered AS SELECT function_hash FROM workflow.activities WHERE name = 'replaced.Do';
SELECT workflow_test.run(workflow_test.now() + interval '10 s');
\o
SELECT plan(28);
SELECT matches((SELECT function_hash FROM workflow.activities WHERE name = 'replaced.Do'), '^[0-9a-f]{16}$', 'an activity has a hash of its function');
SELECT is((SELECT current_hash FROM workflow.activities WHERE name = 'replaced.Do'), (SELECT function_hash FROM registered), 'which is as it was');
SELECT is(pg_temp.hashes('replaced'), 'First Completed', 'history does not repeat that');
SELECT is(pg_temp.attempts('replaced'), 'First 1 Completed one', 'yet each attempt is shown with it');

\echo # Replaced while runs wait
\o /dev/null
CREATE OR REPLACE FUNCTION public.replaceable(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM workflow.throw('Again', 'not yet'); END $$;
SELECT pg_temp.see('failing');
SELECT workflow_test.advance('1 minute');
\o
SELECT isnt((SELECT current_hash FROM workflow.activities WHERE name = 'replaced.Do'), (SELECT function_hash FROM registered), 'the view shows that it was');
SELECT is((SELECT function_hash FROM workflow.activities WHERE name = 'replaced.Do'), (SELECT function_hash FROM registered), 'and what it was');
SELECT is(pg_temp.hashes('replaced'), 'First Completed, Second Failed as it is', 'the attempt tells what it ran');
SELECT is(pg_temp.attempts('replaced'), 'First 1 Completed one, Second 1 Failed failing replaced', 'which is shown, with what those ran that say nothing');
SELECT matches((SELECT waiting_for FROM workflow.explain('replaced')), 'after attempt 1 failed: Again: not yet; its function public.replaceable\(pg_catalog.jsonb\) was replaced after the activity was registered', 'and explain says so');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # And again between attempts
\o /dev/null
CREATE OR REPLACE FUNCTION public.replaceable(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN '"two"'; END $$;
SELECT pg_temp.see('two');
CREATE OR REPLACE FUNCTION public.replaceable_undo(input jsonb) RETURNS void LANGUAGE sql SET work_mem = '1MB' AS '';
SELECT workflow_test.run();
\o
SELECT is(pg_temp.hashes('replaced'), 'First Completed, Second Failed another, Second Completed as it is, First Completed another', 'each attempt has its own; of what undoes, too');
SELECT is(pg_temp.attempts('replaced'), 'First 1 Completed one, Second 1 Failed failing replaced, Second 2 Completed two replaced', 'and is shown with it');
SELECT results_eq($$ SELECT activity, replaced FROM workflow.activity_attempts WHERE workflow_id = 'replaced' AND kind = 'Compensation' $$, $$ VALUES ('replaced.Undo', true) $$, 'compensations, too');
SELECT is((SELECT count(*) FROM workflow.get_history('replaced') WHERE event_type = 'ActivityTaskCompleted' AND attributes->>'function_hash'
	= (SELECT current_hash FROM workflow.activities WHERE name = 'replaced.Undo')), 1::bigint, 'settings of a function count');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Put back, and registered again
\o /dev/null
CREATE OR REPLACE FUNCTION public.replaceable(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN '"one"'; END $$;
\o
SELECT is((SELECT current_hash FROM workflow.activities WHERE name = 'replaced.Do'), (SELECT function_hash FROM registered), 'the same body has the same hash');
SELECT is((SELECT current_hash FROM workflow.activities WHERE name = 'replaced.Do'), (SELECT hash FROM workflow.function_state('public', 'replaceable', 'pg_catalog.jsonb')), 'whatever the search path is') FROM set_config('search_path', 'pg_temp, public, workflow, pg_catalog', true);
\o /dev/null
CREATE OR REPLACE FUNCTION public.replaceable(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN '"three"'; END $$;
SELECT workflow.register_activity('replaced.Do', 'public.replaceable(jsonb)');
\o
SELECT is((SELECT current_hash FROM workflow.activities WHERE name = 'replaced.Do'), (SELECT function_hash FROM workflow.activities WHERE name = 'replaced.Do'), 'registered again, it is the one');
SELECT is(pg_temp.attempts('replaced'), 'First 1 Completed one, Second 1 Failed failing replaced, Second 2 Completed two replaced', 'attempts before are shown as they were');
\o /dev/null
SELECT pg_temp.see('three');
SELECT workflow.start('replaced', workflow_id => 'later');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.hashes('later'), 'First Completed', 'new runs do not repeat it');
SELECT is(pg_temp.attempts('later'), 'First 1 Completed three', 'but are shown with it');
SELECT is((SELECT count(*) FROM workflow.activity_registration WHERE activity = 'replaced.Do'), 2::bigint, 'what was registered is kept');
\o /dev/null
SELECT workflow.register_activity('replaced.Do', 'public.replaceable(jsonb)');
\o
SELECT is((SELECT count(*) FROM workflow.activity_registration WHERE activity = 'replaced.Do'), 2::bigint, 'the same again is no other');
\o /dev/null
CREATE FUNCTION public.replaceable_too(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
SELECT workflow.register_activity('replaced.Do', 'public.replaceable_too(jsonb)'), workflow.start('replaced', workflow_id => 'other'), pg_temp.see('other');
SELECT workflow.register_activity('replaced.Do', task_queue => 'q'), workflow.start('replaced', workflow_id => 'outside');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.attempts('other'), 'First 1 Running', 'done outside it calls no function');
\o /dev/null
SELECT workflow.register_activity('replaced.Do', 'public.replaceable(jsonb)');
\o
SELECT is(pg_temp.attempts('later'), 'First 1 Completed three', 'and so it is whatever was registered since');
\o /dev/null
SELECT workflow_test.begin(clock_timestamp() - interval '1 hour');
SELECT workflow_test.allow_activity('replaced.Do');
SELECT workflow.start('replaced', workflow_id => 'earlier');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.attempts('earlier'), 'First 1 Completed three replaced', 'and is shown with it: another was registered first');
SELECT is(pg_temp.hashes('earlier'), 'First Completed as it is', 'a run that began before says which it ran');
DROP FUNCTION public.replaceable(jsonb);
SELECT is((SELECT current_hash FROM workflow.activities WHERE name = 'replaced.Do'), NULL, 'a function that is gone has none');
SELECT * FROM finish();
ROLLBACK;
