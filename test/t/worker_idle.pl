# Executors that have nothing to do sleep, then leave, and come back for timers and new work.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('idle', 'order_workflow.idle_timeout = 1');
install($node, 'postgres', 'alice');

is(executors($node), 0, 'no executor before there is work');
start_workflow($node, 'postgres', 'quick', 'alice', 'first');
wait_for_status($node, 'postgres', 'first', 'Completed', 'one comes for work');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM workflow.workers'),
	'it leaves after the idle timeout');

$node->safe_psql('postgres',
	"SET ROLE alice; SELECT workflow.start('quick_alice', '{}', workflow_id => 'delayed', start_delay => '4s')");
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM workflow.workers');
is( $node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE workflow_id = 'delayed'"),
	'Running', 'nobody waits at a timer that is far off');
wait_for_status($node, 'postgres', 'delayed', 'Completed', 'the launcher sends one when it falls due');

$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'order_workflow launcher'");
start_workflow($node, 'postgres', 'quick', 'alice', 'no launcher');
wait_for_status($node, 'postgres', 'no launcher', 'Completed', 'a terminated launcher comes back');

$node->safe_psql(
	'postgres', q{
	SET ROLE alice;
	SELECT workflow.start('quick_alice', '{}') FROM generate_series(1, 6000)});
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 6000 FROM workflow.executions WHERE status = 'Completed' AND workflow_id = run_id::text"
	),
	'more than fits into the ring');

$node->stop;
done_testing();
