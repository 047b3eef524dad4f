# A run that cannot be locked is not forgotten, whoever held the lock; others go on meanwhile.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('contention');
install($node, 'postgres', 'alice');

start_workflow($node, 'postgres', 'timed', 'alice', 'held');
$node->poll_query_until('postgres',
	"SELECT state FROM workflow.executions WHERE workflow_id = 'held'", 'Wait');
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe("SELECT 1 FROM workflow.execution WHERE workflow_id = 'held' FOR UPDATE");
sleep 3;
start_workflow($node, 'postgres', 'quick', 'alice', 'other');
wait_for_status($node, 'postgres', 'other', 'Completed', 'others go on while a run is locked');
is( $node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE workflow_id = 'held'"),
	'Running', 'the locked one waits, past its timer');
$holder->query_safe('ROLLBACK');
$holder->quit;
wait_for_status($node, 'postgres', 'held', 'Completed', 'and goes on when the lock is gone');

$node->stop;
done_testing();
