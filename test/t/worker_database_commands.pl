# Commands that need a database without other sessions, or the extension's tables without users, work
# while executors are in the middle of activities; what was going on there continues after them.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('commands');
$node->safe_psql('postgres', 'CREATE DATABASE shop');
install($node, 'shop', 'alice', 'bob');
start_workflow($node, 'shop', 'slow', 'alice', 'slow');
start_workflow($node, 'shop', 'endless', 'bob', 'endless');

sub both_run
{
	my ($database) = @_;
	return $node->poll_query_until('postgres',
		"SELECT count(DISTINCT usename) = 2 FROM pg_stat_activity
		 WHERE backend_type = 'order_workflow executor' AND datname = '$database'");
}

ok(is_running($node, 'alice') && both_run('shop'), 'executors are at work');

my $pids = "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity
	WHERE backend_type = 'order_workflow executor' AND datname = 'shop' AND usename = 'alice'";
my $before = $node->safe_psql('postgres', $pids);
foreach my $command ('DROP DATABASE shop', 'ALTER DATABASE shop RENAME TO mine', 'CREATE DATABASE copy TEMPLATE shop')
{
	my ($status) = $node->psql('postgres', "SET ROLE alice; $command");
	isnt($status, 0, "$command is refused to somebody else");
}
is($node->safe_psql('postgres', $pids), $before, 'and does not disturb the executors');

$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
ok(both_run('shop'), 'after CREATE DATABASE ... TEMPLATE they are back');
wait_for_idle();
is(executors($node, 'copy'), 0, 'nothing runs in the copy');
start_workflow($node, 'copy', 'quick', 'alice', 'in the copy');
ok( $node->poll_query_until(
		'copy', "SELECT parked_reason ~ 'quarantined' FROM workflow.pool_stats() WHERE role = 'alice'::regrole"),
	'not even new work, with the reason visible');
$node->safe_psql('copy', 'SELECT workflow.resume_engine()');
ok(both_run('copy'), 'until workflow.resume_engine()');
$node->safe_psql('copy', "SELECT workflow.terminate('slow')");
wait_for_status($node, 'copy', 'in the copy', 'Completed', 'which has also the new work done');

$node->safe_psql('postgres', 'ALTER DATABASE shop RENAME TO store');
ok(both_run('store'), 'after a RENAME they are back');

$node->safe_psql('store', 'ALTER EXTENSION order_workflow UPDATE');
ok(both_run('store'), 'after ALTER EXTENSION ... UPDATE they are back');

$node->psql('store', 'BEGIN; DROP EXTENSION order_workflow CASCADE; ROLLBACK');
ok(both_run('store'), 'after a DROP EXTENSION that is rolled back they are back');

my ($status, $stdout, $stderr) = $node->psql('postgres', "SET statement_timeout = '20s'; DROP DATABASE store");
is($status, 0, 'DROP DATABASE') or diag $stderr;
is(executors($node, 'store'), 0, 'their work is gone with it');

$node->safe_psql('copy', 'DROP EXTENSION order_workflow CASCADE');
wait_for_idle();
is(executors($node), 0, 'DROP EXTENSION leaves no executor');
is($node->psql('copy', 'DROP SCHEMA workflow'), 0, 'and nothing but the schema');
install_again();
start_workflow($node, 'copy', 'quick', 'alice', 'new');
wait_for_status($node, 'copy', 'new', 'Completed', 'a new extension in the same database works');

sub install_again
{
	$node->safe_psql('copy', 'DROP SCHEMA app CASCADE');
	install($node, 'copy', 'alice');
	return;
}

$node->stop;
done_testing();
