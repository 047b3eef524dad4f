# What an activity leaves behind in its session, the next one does not find: neither that of another run
# nor that of the same.

use strict;
use warnings;

use BatchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_batch_cluster('sessions');

$node->safe_psql(
	'postgres', q{
	CREATE ROLE other;
	GRANT other TO app;
	GRANT USAGE ON SCHEMA app TO other});
as_app(
	$node, q{
	GRANT ALL ON app.effects TO other;
	CREATE TABLE app.seen (workflow_id text, state text, session jsonb);
	GRANT ALL ON app.seen TO other;

	-- What there is of a session that activities could change.
	CREATE FUNCTION app.look(input jsonb, c workflow.activity_context) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO app.seen SELECT c.workflow_id, c.state, jsonb_build_object(
			'role', current_user, 'search_path', current_setting('search_path'),
			'work_mem', current_setting('work_mem'), 'mine', current_setting('app.mine', true),
			'read only', current_setting('transaction_read_only'),
			'locks', (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
			'cursors', (SELECT count(*) FROM pg_cursors WHERE name LIKE 'left%'),
			'tables', (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'left%'
				AND relnamespace = pg_my_temp_schema()),
			'listens', (SELECT count(*) FROM pg_listening_channels()),
			'statements', (SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'left%'));
	END $$;
	CREATE FUNCTION app.leave(input jsonb, c workflow.activity_context) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c);
		PERFORM app.look(input, c);
		PERFORM pg_advisory_lock(42);
		PERFORM pg_advisory_lock_shared(43);
		EXECUTE 'DECLARE left_cursor CURSOR WITH HOLD FOR SELECT generate_series(1, 1000)';
		CREATE TEMPORARY TABLE left_table (id int PRIMARY KEY,
			next int REFERENCES left_table DEFERRABLE INITIALLY DEFERRED);
		INSERT INTO left_table VALUES (1, 2), (2, 1);
		CREATE TEMPORARY TABLE left_until_commit (id int) ON COMMIT DROP;
		CREATE TEMPORARY VIEW left_view AS SELECT * FROM left_table;
		BEGIN
			LISTEN left_channel;
		EXCEPTION WHEN feature_not_supported THEN
			-- No process that nobody talks to can listen.
			NULL;
		END;
		EXECUTE 'PREPARE left_statement AS SELECT 1';
		PERFORM set_config('app.mine', c.workflow_id, false);
		SET work_mem = '64kB';
		SET search_path = pg_temp;
		SET ROLE other;
		IF input ? 'special' AND c.state = 'Second' THEN
			RAISE EXCEPTION USING ERRCODE = 'data_exception', MESSAGE = 'and then it fails';
		END IF;
		SET transaction_read_only = on;
	END $$;
	SELECT workflow.register_activity('Leave', 'app.leave(jsonb, workflow.activity_context)');
	SELECT workflow.register('leave', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Leave", "ResultPath": null, "Next": "Second"},
		"Second": {"Type": "Task", "Resource": "Leave", "ResultPath": null, "Next": "Third"},
		"Third": {"Type": "Task", "Resource": "Leave", "End": true}}}')});

run_together($node, 'leave');
others_complete($node, 'leave', 'First,Second,Third');
is( $node->safe_psql('postgres', "SELECT status, error FROM workflow.executions WHERE workflow_id = 'leave-25'"),
	'Failed|data_exception', 'one of them fails');
cmp_ok(shared_transactions($node, 'leave'), '>', 1, 'they have shared a transaction');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT pid) FROM app.effects'), '1', 'and an executor');
is( $node->safe_psql(
		'postgres', q{
		SELECT session - 'mine' FROM app.seen GROUP BY 1}),
	'{"role": "app", "locks": 0, "tables": 0, "cursors": 0, "listens": 0, "work_mem": "4MB", '
	  . '"read only": "off", "statements": 0, "search_path": "\"$user\", public"}',
	'each activity finds a clean session');
is($node->safe_psql('postgres', "SELECT count(*) FROM app.seen WHERE session->>'mine' <> ''"),
	'0', 'and no setting of another');
is( $node->safe_psql(
		'postgres', q{
		SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
		UNION ALL SELECT count(*) FROM pg_class WHERE relpersistence = 't'}),
	"0\n0",
	'nothing of it is left in the server');
no_faults($node, 'what activities leave behind');

$node->stop;
done_testing();
