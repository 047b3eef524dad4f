# A standby runs nothing; on promotion it takes over.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_cluster('primary');
install($primary, 'postgres', 'alice');
$primary->backup('copy');
ok(!-s $primary->backup_dir . '/copy/pg_stat_tmp/order_workflow.crash', 'a base backup skips the crash map');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;

start_workflow($primary, 'postgres', 'timed', 'alice', 'taken over');
$primary->wait_for_catchup($standby);
$primary->stop('immediate');

wait_for_idle();
wait_for_idle();
is( $standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'order_workflow%'"),
	0, 'no worker on a standby');
is( $standby->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE workflow_id = 'taken over'"),
	'Running', 'and a timer that is due is not fired');

$standby->promote;
wait_for_status($standby, 'postgres', 'taken over', 'Completed', 'promotion starts the workers');

$standby->stop;
done_testing();
