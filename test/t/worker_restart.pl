# Work that shared memory has lost is found again: after a restart, for a run that is ready, one whose
# timer is due by then, one whose timer is still to come, and one in a prepared transaction.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('restart', 'order_workflow.enabled = off');
install($node, 'postgres', 'alice', 'bob');

start_workflow($node, 'postgres', 'quick', 'alice', 'ready');
start_workflow($node, 'postgres', 'timed', 'alice', 'later');
$node->safe_psql(
	'postgres', q{
	BEGIN;
	SET LOCAL ROLE bob;
	SELECT workflow.start('quick_bob', '{}', workflow_id => 'prepared');
	PREPARE TRANSACTION 'two_phase'});
is(executors($node), 0, 'no executor while disabled');

$node->append_conf('postgresql.conf', 'order_workflow.enabled = on');
$node->reload;
wait_for_status($node, 'postgres', 'ready', 'Completed', 'enabling runs what is ready');
wait_for_status($node, 'postgres', 'later', 'Completed', 'and what waits for a timer');

start_workflow($node, 'postgres', 'timed', 'alice', 'overdue');
$node->poll_query_until('postgres',
	"SELECT state FROM workflow.executions WHERE workflow_id = 'overdue'", 'Wait');
$node->stop;
sleep 3;
$node->start;
wait_for_status($node, 'postgres', 'overdue', 'Completed', 'a timer that fell due while the server was down');

start_workflow($node, 'postgres', 'timed', 'alice', 'to come');
$node->restart;
wait_for_status($node, 'postgres', 'to come', 'Completed', 'a timer that falls due after the restart');

start_workflow($node, 'postgres', 'slow', 'alice', 'at work');
ok(is_running($node, 'alice'), 'an activity is running');
$node->restart;
ok(is_running($node, 'alice'), 'and runs again after a restart in its midst');

is( $node->safe_psql('postgres', "SELECT count(*) FROM workflow.executions WHERE workflow_id = 'prepared'"),
	0, 'a prepared start is not visible yet');
$node->safe_psql('postgres', "COMMIT PREPARED 'two_phase'");
wait_for_status($node, 'postgres', 'prepared', 'Completed', 'COMMIT PREPARED of another session runs it');

$node->stop;
done_testing();
