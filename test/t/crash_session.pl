# An activity that ends the session it runs in leaves its run stuck, and does not hold up the others.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('session_end', 'order_workflow.max_workers = 2');
install($node, 'postgres', 'alice');

$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION app.end_session(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_terminate_backend(pg_backend_pid());
		PERFORM pg_sleep(60);
		RETURN input;
	END $$;
	SET SESSION AUTHORIZATION alice;
	SELECT workflow.register_activity('EndSession', 'app.end_session(jsonb)');
	SELECT workflow.register('ends_session', '{"StartAt": "A", "States": {"A": {"Type": "Task",
		"Resource": "EndSession", "TimeoutSeconds": 600, "End": true}}}'::jsonb);
	SELECT workflow.start('ends_session', '{}', 'culprit');
	SELECT workflow.start('quick_alice', '{}', 'innocent ' || i) FROM generate_series(1, 50) i;
});

wait_for_status($node, 'postgres', 'culprit', 'Stuck', 'the run is stuck');
like(
	$node->safe_psql('postgres', "SELECT stuck ->> 'Error' FROM workflow.executions WHERE workflow_id = 'culprit'"),
	qr/OW.ActivityQuarantined/,
	'and says why');
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 50 FROM workflow.executions WHERE workflow_id ~ 'innocent' AND status = 'Completed'"),
	'the others complete');

$node->stop;
done_testing();
