# With fewer executors than roles that have endless work, each role gets its turns.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('fairness', 'order_workflow.max_workers = 1', 'order_workflow.quantum = 200');
install($node, 'postgres', 'alice', 'bob', 'carol');

start_workflow($node, 'postgres', 'endless', 'alice', "alice $_") foreach 1 .. 3;
$node->poll_query_until('postgres', 'SELECT count(*) > 10 FROM app.calls');

start_workflow($node, 'postgres', 'quick', 'bob', 'short');
wait_for_status($node, 'postgres', 'short', 'Completed', "one role's endless work does not starve another's");

start_workflow($node, 'postgres', 'endless', 'bob', 'bob 1');
start_workflow($node, 'postgres', 'endless', 'carol', 'carol 1');
$node->safe_psql('postgres', 'TRUNCATE app.calls');
ok( $node->poll_query_until(
		'postgres', q{SELECT count(*) = 3 FROM (SELECT FROM app.calls GROUP BY role HAVING count(*) > 10) served}),
	'each role gets turns');
cmp_ok(executors($node), '<=', 1, 'there are never more executors than may be');

$node->append_conf('postgresql.conf', 'order_workflow.max_workers = 3');
$node->reload;
ok( $node->poll_query_until(
		'postgres', 'SELECT count(DISTINCT role) = 3 FROM workflow.worker_stats()'),
	'a higher maximum gives each an executor');
$node->safe_psql('postgres', 'SELECT workflow.terminate(workflow_id) FROM workflow.execution');
start_workflow($node, 'postgres', 'slow', 'alice', 'slow');
ok(is_running($node, 'alice'), 'a long activity is running');
start_workflow($node, 'postgres', 'timed', 'alice', 'timed');
start_workflow($node, 'postgres', 'quick', 'alice', 'quick');
wait_for_status($node, 'postgres', 'quick', 'Completed', "it does not hold up the same role's other work");
wait_for_status($node, 'postgres', 'timed', 'Completed', 'nor its timers');
is($node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE workflow_id = 'slow'"),
	'Running', 'though it has not ended');

$node->append_conf('postgresql.conf', 'order_workflow.max_workers = 0');
$node->reload;
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM workflow.workers WHERE role <> 'alice'::regrole"),
	'a lower one sends them away');

$node->stop;
done_testing();
