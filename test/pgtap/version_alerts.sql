-- The rule VersionFailing: a ramped version that fails more than the current one, and when that is not said.
SET client_min_messages = error;
BEGIN;
\o /dev/null
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
CREATE FUNCTION pg_temp.definition(comment text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('Comment', comment, 'Signals', '{"never": {}}'::jsonb) || $asl${"StartAt": "Which", "States": {
		"Which": {"Type": "Choice", "Choices": [{"Variable": "$.end", "StringEquals": "fail", "Next": "Fail"}, {"Variable": "$.end", "StringEquals": "stick", "Next": "Stick"},
			{"Variable": "$.end", "StringEquals": "wait", "Next": "Wait"}], "Default": "Done"},
		"Fail": {"Type": "Fail", "Error": "No"}, "Stick": {"Type": "Task", "Resource": "alerts.NotThere", "End": true},
		"Wait": {"Type": "Await", "Any": [{"Signal": "never", "Next": "Done"}]}, "Done": {"Type": "Succeed"}}}$asl$::jsonb
$$;
-- So many runs of a version end so.
CREATE FUNCTION pg_temp.runs(version int, ending text, count int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.start('alerting', jsonb_build_object('end', ending), version => runs.version) FROM generate_series(1, count);
	PERFORM workflow_test.run();
END $$;
SELECT workflow.register('alerting', pg_temp.definition('1'));
SELECT workflow.register('alerting', pg_temp.definition('2'), make_current => false);
SELECT pg_temp.runs(1, 'done', 95), pg_temp.runs(1, 'fail', 5);
\o
SELECT plan(9);
SELECT pg_temp.runs(2, 'fail', 30) \g /dev/null
SELECT is_empty('SELECT * FROM workflow.alert_conditions WHERE rule = ''VersionFailing''', 'nothing is ramped');
SELECT workflow.set_ramp('alerting', 2, 10) \g /dev/null
SELECT results_eq($$ SELECT rule, workflow, subject, message, facts, hint FROM workflow.alert_conditions WHERE rule = 'VersionFailing' $$, $$ VALUES ('VersionFailing', 'alerting', 'alerting:2',
	'version 2 of workflow "alerting" fails more than version 1: 30 of 30 runs have failed, against 5 of 100',
	'{"version": 2, "failed": 30, "ended": 30, "current_ended": 100, "current_failed": 5, "ramp_percent": 10, "current_version": 1}'::jsonb,
	'SELECT workflow.set_ramp(''alerting'', NULL, 0) leads new runs back to the current version.') $$, 'a version that only fails');
SELECT workflow.set_ramp('alerting', NULL, 0) \g /dev/null
SELECT is_empty('SELECT * FROM workflow.alert_conditions WHERE rule = ''VersionFailing''', 'is led nothing to any more');

\o /dev/null
SELECT workflow.register('alerting', pg_temp.definition('3'), make_current => false);
SELECT workflow.set_ramp('alerting', 3, 10);
SELECT pg_temp.runs(3, 'fail', 19);
\o
SELECT is_empty('SELECT * FROM workflow.alert_conditions WHERE rule = ''VersionFailing''', 'of 19 runs nothing is said');
SELECT pg_temp.runs(3, 'fail', 1) \g /dev/null
SELECT is((SELECT facts->'version' FROM workflow.alert_conditions WHERE rule = 'VersionFailing'), '3', 'of 20 it is');
SELECT pg_temp.runs(3, 'done', 180) \g /dev/null
SELECT is_empty('SELECT * FROM workflow.alert_conditions WHERE rule = ''VersionFailing''', 'with 20 of 200 failed it is as the other, about');
\o /dev/null
SELECT pg_temp.runs(3, 'wait', 50);
\o
SELECT is_empty('SELECT * FROM workflow.alert_conditions WHERE rule = ''VersionFailing''', 'runs that go on are not counted');
SELECT pg_temp.runs(3, 'stick', 40) \g /dev/null
SELECT is((SELECT facts->'failed' FROM workflow.alert_conditions WHERE rule = 'VersionFailing'), '60', 'stuck ones are, as failed');
UPDATE workflow.workflow_type SET ramped_at = '2030-01-01 00:00:01+00' WHERE name = 'alerting';
SELECT is_empty('SELECT * FROM workflow.alert_conditions WHERE rule = ''VersionFailing''', 'what was before the ramp is not');
SELECT * FROM finish();
ROLLBACK;
