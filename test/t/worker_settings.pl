# Settings of roles and databases that would break the engine do not; others reach the activities.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('settings');
install($node, 'postgres', 'alice', 'bob');

$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION app.settings(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_sleep(0.2);
		INSERT INTO app.calls (note) SELECT jsonb_object_agg(name, setting) FROM pg_settings
			WHERE name IN ('statement_timeout', 'search_path', 'work_mem', 'default_transaction_read_only');
		INSERT INTO app.calls (note) VALUES (jsonb_build_object('role', current_user));
		RETURN input;
	END $$;
	SET ROLE alice;
	SELECT workflow.register_activity('Settings', 'app.settings(jsonb)'::regprocedure);
	SELECT workflow.register('settings',
		$asl${"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Settings", "End": true}}}$asl$::jsonb);
});
$node->safe_psql(
	'postgres', q{
	ALTER DATABASE postgres SET lock_timeout = '1ms';
	ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '1ms';
	ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
	GRANT bob TO alice;
	ALTER ROLE alice SET role = 'bob';
	ALTER ROLE alice SET statement_timeout = '10ms';
	ALTER ROLE alice SET default_transaction_read_only = on;
	ALTER ROLE alice SET search_path = app, nowhere;
	ALTER ROLE alice SET work_mem = '7MB';
	ALTER ROLE alice SET row_security = off;
	ALTER ROLE alice SET exit_on_error = on;
});
start_workflow($node, 'postgres', 'timed', 'alice', 'timed');
$node->safe_psql('postgres', "SET ROLE alice; SELECT workflow.start('settings', '{}', workflow_id => 'settings')");
wait_for_status($node, 'postgres', 'settings', 'Completed', 'a workflow of a role with hostile settings');
wait_for_status($node, 'postgres', 'timed', 'Completed', 'one with a timer');

my $notes = $node->safe_psql('postgres', "SELECT string_agg(note::text, ' ') FROM app.calls");
like($notes, qr/"work_mem": "7168"/, "the role's other settings reach its activities");
like($notes, qr/"search_path": "app, nowhere"/, 'its search_path, too');
like($notes, qr/"statement_timeout": "0"/, 'but not its statement_timeout');
like($notes, qr/"role": "alice"/, 'nor another role');

$node->stop;
done_testing();
