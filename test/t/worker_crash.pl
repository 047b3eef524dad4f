# An executor that crashes takes the server down; after the restart its work goes on, and only the
# activity that was running in it is charged, until it is quarantined.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('crash', 'order_workflow.crash_limit = 2');
install($node, 'postgres', 'alice', 'bob', 'carol');

# Kills a process, and waits until the server has come back.
sub crash
{
	my ($pid) = @_;
	my $log = -s $node->logfile;

	die "no process to kill" unless $pid =~ /^\d+$/ && $pid > 1;
	kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
	return $node->poll_query_until('postgres', 'SELECT 1', '1');
}

start_workflow($node, 'postgres', 'slow', 'alice', 'culprit');
start_workflow($node, 'postgres', 'slow', 'bob', 'victim');
start_workflow($node, 'postgres', 'timed', 'carol', 'bystander');
ok(is_running($node, 'alice') && is_running($node, 'bob'), 'two activities are running');

ok(crash(executor_pid($node, 'alice')), 'the server recovers from a crash of an executor');
wait_for_status($node, 'postgres', 'bystander', 'Completed', 'other work goes on');
ok(is_running($node, 'alice') && is_running($node, 'bob'), 'both activities run again');
my $crashes = q{SELECT string_agg(workflow_id || ' ' || crashes, ', ' ORDER BY workflow_id)
	FROM workflow.execution WHERE workflow_id IN ('culprit', 'victim')};
is($node->safe_psql('postgres', $crashes), 'culprit 1, victim 0', 'only the culprit is charged');

crash(executor_pid($node, 'alice'));
wait_for_status($node, 'postgres', 'culprit', 'Stuck', 'one that keeps crashing the server is stopped');
ok(is_running($node, 'bob'), 'the other one goes on');
is($node->safe_psql('postgres', $crashes), 'culprit 2, victim 0', 'and is not charged');

# A client's crash, and an immediate shutdown, are nobody's fault here
my $client = $node->background_psql('postgres');
my $client_pid = $client->query('SELECT pg_backend_pid()');
crash($client_pid);
ok(is_running($node, 'bob'), 'after the crash of a client the activity runs again');
$node->stop('immediate');
$node->start;
ok(is_running($node, 'bob'), 'and after an immediate shutdown');
is($node->safe_psql('postgres', $crashes), 'culprit 2, victim 0', 'nobody is charged for these');

$node->stop('immediate');
done_testing();
