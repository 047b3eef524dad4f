# An executor that crashes takes the server down; after the restart its work goes on, and only the
# activity that was running in it is charged, until it is quarantined.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('crash', 'order_workflow.crash_limit = 2');
install($node, 'postgres', 'alice', 'bob', 'carol');

sub kill_executor
{
	my ($role) = @_;
	my $pid = executor_pid($node, $role);

	# The process that accepts connections is the postmaster of before, so wait for the crash first.
	my $log = -s $node->logfile;
	kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
	return $node->poll_query_until('postgres', 'SELECT 1', '1');
}

start_workflow($node, 'postgres', 'slow', 'alice', 'culprit');
start_workflow($node, 'postgres', 'slow', 'bob', 'victim');
start_workflow($node, 'postgres', 'timed', 'carol', 'bystander');
ok(is_running($node, 'alice') && is_running($node, 'bob'), 'two activities are running');

ok(kill_executor('alice'), 'the server recovers from a crash of an executor');
wait_for_status($node, 'postgres', 'bystander', 'Completed', 'other work goes on');
ok(is_running($node, 'alice') && is_running($node, 'bob'), 'both activities run again');
my $crashes = q{SELECT string_agg(workflow_id || ' ' || crashes, ', ' ORDER BY workflow_id)
	FROM workflow.execution WHERE workflow_id IN ('culprit', 'victim')};
is($node->safe_psql('postgres', $crashes), 'culprit 1, victim 0', 'only the culprit is charged');

kill_executor('alice');
wait_for_status($node, 'postgres', 'culprit', 'Stuck', 'one that keeps crashing the server is stopped');
ok(is_running($node, 'bob'), 'the other one goes on');
is($node->safe_psql('postgres', $crashes), 'culprit 2, victim 0', 'and is not charged');

# A client's crash, and an immediate shutdown, are nobody's fault here
my $log = -s $node->logfile;
my $client = $node->background_psql('postgres');
kill 'KILL', $client->query('SELECT pg_backend_pid()');
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
$node->poll_query_until('postgres', 'SELECT 1', '1');
ok(is_running($node, 'bob'), 'after the crash of a client the activity runs again');
$node->stop('immediate');
$node->start;
ok(is_running($node, 'bob'), 'and after an immediate shutdown');
is($node->safe_psql('postgres', $crashes), 'culprit 2, victim 0', 'nobody is charged for these');

$node->stop('immediate');
done_testing();
