-- Nobody's function runs with another role's rights unless both have agreed to it.
BEGIN;
SELECT plan(9);

CREATE ROLE consent_victim LOGIN;
CREATE ROLE consent_stranger LOGIN;
\o /dev/null
SELECT workflow.grant_usage('consent_victim'), workflow.grant_usage('consent_stranger');
CREATE SCHEMA consent AUTHORIZATION consent_stranger;
GRANT USAGE ON SCHEMA consent TO consent_victim;

SET SESSION AUTHORIZATION consent_victim;
SET client_min_messages = error;
SELECT workflow.register('consent.open', '{"StartAt": "A", "States": {"A": {"Type": "Task",
	"Resource": "consent.NotYet", "TimeoutSeconds": 5, "End": true}}}'::jsonb);
RESET SESSION AUTHORIZATION;
SELECT workflow.register('consent.admin', '{"StartAt": "A", "States": {"A": {"Type": "Task",
	"Resource": "consent.NotYet", "TimeoutSeconds": 5, "End": true}}}'::jsonb);

SET SESSION AUTHORIZATION consent_stranger;
CREATE FUNCTION consent.who(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(current_user::text)';
SELECT workflow.register_activity('consent.NotYet', 'consent.who(jsonb)');
RESET SESSION AUTHORIZATION;
\o

SELECT throws_ok($$ SELECT workflow.start('consent.admin') $$, 'OW003', NULL,
	'a superuser''s definition does not run what a stranger put in the place it left open');
SET SESSION AUTHORIZATION consent_victim;
SELECT throws_ok($$ SELECT workflow.start('consent.open') $$, 'OW003', NULL, 'nor does anybody''s');
SET SESSION AUTHORIZATION consent_stranger;
SELECT lives_ok($$ SELECT workflow.grant_activity('consent_victim', 'consent.NotYet') $$, 'the stranger allows it');
RESET SESSION AUTHORIZATION;
SELECT lives_ok('GRANT consent_stranger TO consent_victim', 'even as a member');
SET SESSION AUTHORIZATION consent_victim;
SELECT throws_ok($$ SELECT workflow.start('consent.open') $$, 'OW003', NULL, 'which nobody has asked for');

-- A definition that is registered when the activity is there, and granted, agrees to it.
SET SESSION AUTHORIZATION consent_victim;
SELECT lives_ok($$ SELECT workflow.register('consent.agreed', '{"StartAt": "A", "States": {"A": {"Type": "Task",
	"Resource": "consent.NotYet", "TimeoutSeconds": 5, "End": true}}}'::jsonb) $$, 'who knows it may name it');
SELECT lives_ok($$ SELECT workflow.start('consent.agreed', workflow_id => 'agreed') $$, 'and start it');
RESET SESSION AUTHORIZATION;
SELECT throws_ok($$ SELECT workflow.register('consent.root', '{"StartAt": "A", "States": {"A": {"Type": "Task",
	"Resource": "consent.NotYet", "TimeoutSeconds": 5, "End": true}}}'::jsonb) $$, 'OW001', NULL,
	'a superuser needs the grant like anybody');

-- A run that got as far as that by other ways is stuck.
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow.start('consent.open', workflow_id => 'consent');
SELECT workflow_test.allow_activity('consent.NotYet');
SELECT workflow_test.run();
\o
SELECT is(status || ' ' || (stuck ->> 'Error'), 'Stuck OW.ActivityNotRegistered', 'an open run is stuck, not run')
FROM workflow.get_execution('consent');

SELECT * FROM finish();
ROLLBACK;
