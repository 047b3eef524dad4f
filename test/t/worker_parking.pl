# The work of a role that cannot log in waits, visibly, and disturbs nobody.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('parking', 'order_workflow.idle_timeout = 1');
install($node, 'postgres', 'alice', 'bob');

sub parked_reason
{
	my ($role, $pattern) = @_;
	return $node->poll_query_until('postgres',
		"SELECT parked_reason ~ '$pattern' FROM workflow.pool_stats() WHERE role = '$role'::regrole");
}

$node->safe_psql('postgres', 'ALTER ROLE alice NOLOGIN');
start_workflow($node, 'postgres', 'quick', 'alice', 'no login');
ok(parked_reason('alice', 'not permitted to log in'), 'the reason is visible');
start_workflow($node, 'postgres', 'quick', 'bob', 'other');
wait_for_status($node, 'postgres', 'other', 'Completed', 'another role is not affected');

$node->safe_psql('postgres', 'ALTER ROLE alice LOGIN');
wait_for_status($node, 'postgres', 'no login', 'Completed', 'ALTER ROLE has the role looked at again');
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 0 FROM workflow.pool_stats() WHERE parked_reason IS NOT NULL"),
	'no reason is left');

$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM workflow.workers');
$node->safe_psql('postgres',
	'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO bob');
start_workflow($node, 'postgres', 'quick', 'alice', 'no connect');
ok(parked_reason('alice', 'no CONNECT privilege'), 'no CONNECT privilege');
$node->safe_psql('postgres', 'GRANT CONNECT ON DATABASE postgres TO alice');
wait_for_status($node, 'postgres', 'no connect', 'Completed', 'so has GRANT CONNECT');

$node->stop;
done_testing();
