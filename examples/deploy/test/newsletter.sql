BEGIN;
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.allow_activity(unnest('{Subscribe,Welcome}'::text[]));
SELECT workflow.start('newsletter', '{"address": "ann@example.org", "name": "Ann"}', 'ann');
SELECT workflow.start('newsletter', '{"address": "bob"}', 'bob');
SELECT workflow_test.run();
\o

SELECT plan(4);
SELECT throws_ok($$ SELECT workflow.start('newsletter', '{"mail": "eve@example.org"}') $$, 'OW013', NULL,
	'an unknown key is found at once');
SELECT workflow_test.completed('ann');
SELECT is(workflow_test.now(), '2030-01-02 00:00:00+00', 'she is welcomed after a day');
SELECT workflow_test.failed('bob', 'NoAddress');
SELECT * FROM finish();
ROLLBACK;
