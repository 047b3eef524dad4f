-- Version states: the version of a change that a run follows is chosen once.  Feature flags.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION pg_temp.paths(wanted text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(state, ',' ORDER BY event_id) FROM workflow.history h
	WHERE run_id = (SELECT run_id FROM workflow.get_execution(wanted)) AND event_type = 'StateEntered'
$$;
CREATE FUNCTION pg_temp.markers(wanted text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_agg(attributes ORDER BY event_id) FROM workflow.history h
	WHERE run_id = (SELECT run_id FROM workflow.get_execution(wanted)) AND event_type = 'MarkerRecorded'
$$;
CREATE FUNCTION pg_temp.codes(states text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(code || ' ' || path, ', ' ORDER BY code, path)
	FROM workflow.validate(concat('{"StartAt": "A", "States": {"A": ', states, ', "B": {"Type": "Succeed"}, "C": {"Type": "Succeed"}}}')) WHERE severity = 'error'
$$;
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT no_plan();
\o

\echo # The greatest version for those who come to it first, and so for good
\o /dev/null
SELECT workflow.register('loop', $asl${"StartAt": "Gate", "Signals": {"again": {}, "end": {}}, "States": {
	"Gate": {"Type": "Version", "ChangeId": "way", "Min": -1, "Max": 1, "Versions": {"-1": "Old", "1": "New"}},
	"Old": {"Type": "Pass", "Next": "Wait"}, "New": {"Type": "Pass", "Next": "Wait"},
	"Wait": {"Type": "Await", "Any": [{"Signal": "again", "Next": "Gate"}, {"Signal": "end", "Next": "More"}]},
	"More": {"Type": "ContinueAsNew"}}}$asl$);
SELECT workflow.start('loop', '{"a": 1}', workflow_id => 'loop');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('loop', 'again');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.paths('loop'), 'Gate,New,Wait,Gate,New,Wait', 'the new way, again and again');
SELECT is(pg_temp.markers('loop'), '[{"change_id": "way", "version": 1}]', 'recorded once');
SELECT is((SELECT changes FROM workflow.execution WHERE workflow_id = 'loop'), '{"way": 1}', 'and kept with the run');
SELECT is((SELECT data FROM workflow.execution WHERE workflow_id = 'loop'), '{"a": 1}', 'the data go through');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Another version of the definition, which knows more versions: the run keeps its choice, the next run has another
\o /dev/null
SELECT workflow.register('loop', $asl${"StartAt": "Gate", "Signals": {"again": {}, "end": {}}, "States": {
	"Gate": {"Type": "Version", "ChangeId": "way", "Versions": {"-1": "Old", "1": "New", "2": "Newest"}},
	"Old": {"Type": "Pass", "Next": "Wait"}, "New": {"Type": "Pass", "Next": "Wait"}, "Newest": {"Type": "Pass", "Next": "Wait"},
	"Wait": {"Type": "Await", "Any": [{"Signal": "again", "Next": "Gate"}, {"Signal": "end", "Next": "More"}]},
	"More": {"Type": "ContinueAsNew"}}}$asl$);
SELECT workflow.signal('loop', 'end');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.paths('loop'), 'Gate,Newest,Wait', 'who continues as new chooses anew');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # A run that is moved to a definition which does not have its version any more, and to one that has
\o /dev/null
SELECT workflow.register('move', $asl${"StartAt": "Gate", "Signals": {"again": {}}, "States": {
	"Gate": {"Type": "Version", "ChangeId": "way", "Flag": "way", "Versions": {"-1": "Old", "1": "New"}},
	"Old": {"Type": "Pass", "Next": "Wait"}, "New": {"Type": "Pass", "Next": "Wait"},
	"Wait": {"Type": "Await", "Any": [{"Signal": "again", "Next": "Gate 2"}]},
	"Gate 2": {"Type": "Version", "ChangeId": "way", "Versions": {"2": "Newer", "3": "Newest"}},
	"Newer": {"Type": "Succeed"}, "Newest": {"Type": "Succeed"}}}$asl$);
SELECT workflow.register('move', $asl${"StartAt": "Gate", "Signals": {"again": {}}, "States": {
	"Gate": {"Type": "Version", "ChangeId": "way", "Versions": {"-1": "Old", "1": "New"}},
	"Old": {"Type": "Pass", "Next": "Wait"}, "New": {"Type": "Pass", "Next": "Wait"},
	"Wait": {"Type": "Await", "Any": [{"Signal": "again", "Next": "Gate 2"}]},
	"Gate 2": {"Type": "Version", "ChangeId": "way", "Versions": {"-1": "Older", "3": "Newest"}},
	"Older": {"Type": "Succeed"}, "Newest": {"Type": "Succeed"}}}$asl$, make_current => false);
SELECT workflow.start('move', workflow_id => 'move');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('move', 'again');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is((SELECT stuck FROM workflow.executions WHERE workflow_id = 'move'),
	'{"Error": "OW.VersionNotSupported", "Cause": "the run has followed version -1 of change \"way\", which leads nowhere", "State": "Gate 2"}', 'a choice that leads nowhere leaves the run stuck');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\o /dev/null
SELECT workflow.retry('move', 2);
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.paths('move'), 'Gate,Old,Wait,Gate 2,Gate 2,Older', 'until it is moved to a definition where it leads somewhere');
SELECT is((SELECT status FROM workflow.executions WHERE workflow_id = 'move'), 'Completed', 'and then it ends');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # In branches, the whole run chooses once
\o /dev/null
SELECT workflow.register('each', $asl${"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemsPath": "$", "End": true, "ItemProcessor": {"StartAt": "Gate", "States": {
	"Gate": {"Type": "Version", "ChangeId": "way", "Flag": "each", "Versions": {"-1": "Old", "1": "New"}},
	"Old": {"Type": "Pass", "Result": "old", "Next": "Wait"}, "New": {"Type": "Pass", "Result": "new", "Next": "Wait"}, "Wait": {"Type": "Wait", "Seconds": 5, "End": true}}},
	"MaxConcurrency": 1}}}$asl$);
SELECT workflow.set_flag('each', 'true');
SELECT workflow.start('each', '[1, 2, 3]', workflow_id => 'each');
SELECT workflow_test.run('2030-01-01 00:00:02+00');
SELECT workflow.set_flag('each', 'false');
SELECT workflow_test.run();
\o
SELECT is((SELECT output FROM workflow.executions WHERE workflow_id = 'each'), '["new", "new", "new"]', 'one choice for all');
SELECT is(pg_temp.markers('each'), '[{"flag": "each", "version": 1, "change_id": "way", "flag_value": true}]', 'with what the flag was');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Flags: what they say, and for whom
\o /dev/null
SELECT workflow.register('flagged', $asl${"StartAt": "Gate", "States": {
	"Gate": {"Type": "Version", "ChangeId": "way", "Flag": "route", "Versions": {"-1": "Old", "1": "New", "2": "Newest"}},
	"Old": {"Type": "Succeed"}, "New": {"Type": "Succeed"}, "Newest": {"Type": "Succeed"}}}$asl$);
CREATE FUNCTION pg_temp.way(id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.start('flagged', workflow_id => id);
	PERFORM workflow_test.run();
	RETURN (SELECT coalesce(state, status) || coalesce(' ' || (stuck->>'Cause'), '') FROM workflow.get_execution(id));
END $$;
\o
SELECT is(pg_temp.way('none'), 'Old', 'no flag: the least');
SELECT is(pg_temp.markers('none'), '[{"flag": "route", "version": -1, "change_id": "way"}]', 'and that is recorded');
SELECT is((SELECT string_agg(concat(v, ': ', pg_temp.way(concat('flag ', v))), ', ' ORDER BY n) FROM unnest('{true,false,"null",1,2,-1,1.0}'::jsonb[]) WITH ORDINALITY AS f (v, n),
	LATERAL (SELECT workflow.set_flag('route', v) OFFSET 0) s), 'true: Newest, false: Old, null: Old, 1: New, 2: Newest, -1: Old, 1.0: New', 'each value has its way');
SELECT is((SELECT string_agg(pg_temp.way(concat('flag ', v)), ', ' ORDER BY n) FROM unnest('{"\"on\"",3,1.5,"{}"}'::jsonb[]) WITH ORDINALITY AS f (v, n),
	LATERAL (SELECT workflow.set_flag('route', v) OFFSET 0) s), (SELECT string_agg(format('Gate flag "route" is %s: it must be true, false or a version of change "way"', v), ', ' ORDER BY n)
	FROM unnest('{"\"on\"",3,1.5,"{}"}'::jsonb[]) WITH ORDINALITY AS f (v, n)), 'what is none of these leaves the run stuck');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT workflow.set_flag('route', '1') \g /dev/null
SELECT workflow.retry('flag 3') \g /dev/null
SELECT workflow_test.run() \g /dev/null
SELECT is((SELECT state || ' ' || status FROM workflow.get_execution('flag 3')), 'New Completed', 'until the flag is mended');
SELECT is(pg_temp.markers('flag 3'), '[{"flag": "route", "change_id": "way", "flag_value": 3}, {"flag": "route", "version": 1, "change_id": "way", "flag_value": 1}]', 'both are recorded');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

CREATE TABLE pg_temp.ways (percent int, ids text[]);
DO $$
DECLARE
	wanted int;
BEGIN
	FOREACH wanted IN ARRAY '{0,20,60,100}'::int[] LOOP
		PERFORM workflow.set_flag('route', '1', wanted);
		PERFORM workflow.start('flagged', workflow_id => 'order ' || n) FROM generate_series(1, 300) n;
		PERFORM workflow_test.run();
		INSERT INTO pg_temp.ways SELECT wanted, array_agg(workflow_id) FROM (SELECT DISTINCT ON (workflow_id) workflow_id, state FROM workflow.executions
			WHERE workflow_id LIKE 'order %' ORDER BY workflow_id, started_at DESC, run_id DESC) e WHERE state = 'New';
	END LOOP;
END $$;
SELECT results_eq($$ SELECT percent, coalesce(cardinality(ids), 0) BETWEEN 3 * percent - 30 AND 3 * percent + 30 FROM pg_temp.ways ORDER BY 1 $$,
	$$ VALUES (0, true), (20, true), (60, true), (100, true) $$, 'about as many percent of the ids');
SELECT ok((SELECT bool_and(a.ids <@ b.ids) FROM pg_temp.ways a, pg_temp.ways b WHERE a.percent < b.percent AND a.percent > 0), 'and growing, it adds ids only');
SELECT workflow.set_flag('route', NULL) \g /dev/null
SELECT is_empty('SELECT * FROM workflow.flags WHERE name = ''route''', 'a flag can be removed');
SELECT is(pg_temp.way('removed'), 'Old', 'and is none then');

\echo # Flags of other roles
\o /dev/null
CREATE ROLE pgtap_flag_owner LOGIN;
CREATE ROLE pgtap_flag_other LOGIN;
SELECT workflow.grant_usage(r) FROM unnest('{pgtap_flag_owner,pgtap_flag_other}'::regrole[]) r;
SET LOCAL ROLE pgtap_flag_other;
SELECT workflow.set_flag('route', '2');
\o
SELECT throws_ok($$ SELECT workflow.set_flag('route', '2', owner => 'pgtap_flag_owner') $$, '42501', 'permission denied to set flags for runs of role "pgtap_flag_owner"', 'nobody sets another role''s flags');
SELECT throws_ok($$ SELECT workflow.set_flag('', '2') $$, '42602', NULL, 'a flag has a name');
SELECT throws_ok($$ SELECT workflow.set_flag('a', '2', 101) $$, '22023', 'percent must be from 0 to 100', 'and a percentage');
SELECT is((SELECT count(*) FROM workflow.flags), 1::bigint, 'one sees one''s own');
RESET ROLE;
SELECT is(pg_temp.way('of another'), 'Old', 'what others set is not for my runs');
SELECT results_eq($$ SELECT name, owner::text, value, percent FROM workflow.flags WHERE name = 'route' $$, $$ VALUES ('route', 'pgtap_flag_other', '2'::jsonb, 100::float8) $$, 'the view has it');

\echo # What is wrong with definitions
SELECT is(pg_temp.codes('{"Type": "Version"}'), 'MissingField States.A, MissingField States.A, UnreachableState States.B, UnreachableState States.C', 'what is missing');
SELECT is(pg_temp.codes('{"Type": "Version", "ChangeId": "c", "Versions": {}}'), 'EmptyVersions States.A.Versions, NoEnd States, UnreachableState States.B, UnreachableState States.C', 'no versions');
SELECT is(pg_temp.codes('{"Type": "Version", "ChangeId": "c", "Versions": {"1": "B", "2": "X"}}'), 'UnknownState States.A.Versions.2, UnreachableState States.C', 'a target that is not there, and a state that cannot be reached');
SELECT is(pg_temp.codes('{"Type": "Version", "ChangeId": "c", "Min": 1, "Max": 2, "Versions": {"-1": "B", "1": "C"}}'), 'InvalidVersion States.A.Max, InvalidVersion States.A.Min', 'limits that do not go with the versions');
SELECT is(pg_temp.codes('{"Type": "Version", "ChangeId": "c", "Min": 2, "Max": 1, "Versions": {"1": "B", "2": "C"}}'), 'InvalidVersion States.A.Max, InvalidVersion States.A.Min', 'limits the wrong way round');
SELECT is(pg_temp.codes('{"Type": "Version", "ChangeId": "c", "Versions": {"01": "B", "-2": "C", "x": "B", "1": "B", "2": "C", "99999999": "B"}}'),
	'InvalidVersion States.A.Versions.-2, InvalidVersion States.A.Versions.01, InvalidVersion States.A.Versions.99999999, InvalidVersion States.A.Versions.x', 'what is no version');
SELECT is(pg_temp.codes('{"Type": "Version", "ChangeId": "c", "Versions": {"1": 5, "2": "C"}, "Next": "B"}'), 'UnknownField States.A.Next, UnreachableState States.B, WrongType States.A.Versions.1', 'types and fields');
SELECT is(pg_temp.codes('{"Type": "Version", "ChangeId": "c", "QueryLanguage": "SQL", "Versions": {"1": "B", "2": "C"}}'), NULL, 'in SQL it is the same');

\echo # A picture
SELECT is(workflow.describe('flagged', format => 'states'), E'Start -> Gate\nGate (Version) -> Old if way = -1\nGate (Version) -> New if way = 1\nGate (Version) -> Newest if way = 2\nOld (Succeed) ends\nNew (Succeed) ends\nNewest (Succeed) ends', 'it shows what leads where');
SELECT matches(workflow.describe('flagged'), 's1\{.*Gate', 'as a choice');
SELECT * FROM finish();
ROLLBACK;
