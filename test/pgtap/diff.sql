-- workflow.diff: what differs between versions, and who notices.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
CREATE FUNCTION public.nothing(jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity(name, 'public.nothing(jsonb)') FROM unnest('{A,B}'::text[]) name;
SELECT workflow.register_activity('Outside', task_queue => 'outside', options => '{"StartToCloseSeconds": 600}');
CREATE FUNCTION pg_temp.version(changes jsonb DEFAULT '{}', whole jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT '{"StartAt": "First"}'::jsonb || whole || jsonb_build_object('States', jsonb_strip_nulls('{
		"First": {"Type": "Task", "Resource": "A", "ResultPath": null, "Next": "Rest", "Comment": "first"},
		"Rest": {"Type": "Wait", "Seconds": 60, "Next": "Both"},
		"Both": {"Type": "Parallel", "ResultPath": "$.both", "Next": "Last", "Branches": [
			{"StartAt": "Left", "States": {"Left": {"Type": "Task", "Resource": "Outside", "End": true}}},
			{"StartAt": "Right", "States": {"Right": {"Type": "Task", "Resource": "B", "End": true}}}]},
		"Last": {"Type": "Task", "Resource": "B", "End": true}}'::jsonb || changes)) $$;
SELECT workflow.register('w', pg_temp.version());
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.mock_activity(name) FROM unnest('{A,B}'::text[]) name;
SELECT workflow.start('w', workflow_id => 'closed');
SELECT workflow_test.run('2030-01-01 00:00:01+00');
SELECT workflow.terminate('closed');
SELECT workflow.start('w', workflow_id => id) FROM unnest('{b1,b2}'::text[]) id;
SELECT workflow_test.run('2030-01-01 00:02:00+00');
SELECT workflow.start('w', workflow_id => 'rests');
SELECT workflow_test.run('2030-01-01 00:02:01+00');
SELECT workflow.start('w', workflow_id => 'waits', start_delay => '1 hour');
CREATE FUNCTION pg_temp.diff(changes jsonb, whole jsonb DEFAULT '{}') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	new int := workflow.register('w', pg_temp.version(changes, whole), make_current => false);
BEGIN
	RETURN QUERY SELECT concat_ws(' ', coalesce(state, '-'), change, field, before, '->', after, not_reached || '/' || standing || '/' || passed, safe)
		FROM workflow.diff('w', 1, new);
END $$;
\o
SELECT plan(11);

SELECT is_empty($$ SELECT * FROM workflow.diff('w', 1, 1) $$, 'nothing differs');
SELECT is_empty($$ SELECT pg_temp.diff('{"Last": {"Type": "Task", "Resource": "B", "End": true, "Comment": "another"}}') $$, 'comments do not count');
SELECT results_eq($$ SELECT pg_temp.diff('{"Last": {"Type": "Task", "Resource": "A", "TimeoutSeconds": 5, "Next": "More"}, "More": {"Type": "Succeed"}}') $$, $$ VALUES
	('Last Transition End true -> 4/0/0 t'), ('Last Transition Next -> "More" 4/0/0 t'), ('Last Changed Resource "B" -> "A" 4/0/0 t'),
	('Last Changed TimeoutSeconds -> 5 4/0/0 t'), ('More Added -> 4/0/0 t') $$, 'what nobody has come to');
SELECT results_eq($$ SELECT pg_temp.diff('{"First": {"Type": "Task", "Resource": "B", "ResultPath": null, "TimeoutSeconds": 5, "Next": "Rest"}}') $$, $$ VALUES
	('First Changed Resource "A" -> "B" 1/0/3 f'), ('First Changed TimeoutSeconds -> 5 1/0/3 t') $$, 'what most have passed');
SELECT results_eq($$ SELECT pg_temp.diff('{"Rest": {"Type": "Wait", "Seconds": 90, "Next": "Both"}}') $$, $$ VALUES
	('Rest Changed Seconds 60 -> 90 1/1/2 f') $$, 'what one stands in');
SELECT results_eq($$ SELECT pg_temp.diff('{"Rest": null, "Pause": {"Type": "Wait", "Seconds": 60, "Next": "Both"},
	"First": {"Type": "Task", "Resource": "A", "ResultPath": null, "Next": "Pause"}}') $$, $$ VALUES
	('First Transition Next "Rest" -> "Pause" 1/0/3 t'), ('Rest Removed -> 1/1/2 f'), ('Pause Added -> 4/0/0 t') $$, 'a state of another name');
SELECT results_eq($$ SELECT pg_temp.diff('{"Both": {"Type": "Parallel", "ResultPath": "$.both", "Next": "Last", "Branches": [
			{"StartAt": "Left", "States": {"Left": {"Type": "Task", "Resource": "A", "End": true}}},
			{"StartAt": "Other", "States": {"Other": {"Type": "Task", "Resource": "B", "End": true}}}]}}') $$, $$ VALUES
	('Both Changed Branches [{"StartAt": "Left"}, {"StartAt": "Right"}] -> [{"StartAt": "Left"}, {"StartAt": "Other"}] 2/2/0 f'),
	('Left Changed Resource "Outside" -> "A" 2/2/0 f'), ('Other Added -> 4/0/0 t'), ('Right Removed -> 2/0/2 t') $$, 'in branches');
SELECT results_eq($$ SELECT pg_temp.diff('{}', '{"TimeoutSeconds": 7200}') $$, $$ VALUES ('- Changed TimeoutSeconds -> 7200 0/4/0 t') $$, 'the whole definition');
SELECT results_eq($$ SELECT reason FROM workflow.diff('w', 1, (SELECT max(version) FROM workflow.definitions WHERE workflow = 'w')) $$,
	$$ VALUES ('only runs that begin notice') $$, 'which only new runs notice');
SELECT throws_ok($$ SELECT * FROM workflow.diff('w', 1, 99) $$, 'OW006', NULL, 'there must be such a version');
SELECT throws_ok($$ SELECT * FROM workflow.diff('nobody', 1, 1) $$, 'OW002', NULL, 'and such a workflow');

SELECT * FROM finish();
ROLLBACK;
