# Plans made while the tables were small must not go through all of them when they have grown.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant RUNS => 5000;

my $node = new_cluster('plans', 'autovacuum = off', 'order_workflow.max_workers = 1');
install($node, 'postgres', 'alice');

sub tuples_read
{
	return $node->safe_psql('postgres',
		q{SELECT pg_stat_force_next_flush();
		  SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE relid = 'workflow.execution'::regclass}) =~ s/^\s+//r;
}

$node->safe_psql(
	'postgres', q{
	SET SESSION AUTHORIZATION alice;
	SELECT workflow.register('waiting', '{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 36000, "End": true}}}'::jsonb);
	SELECT workflow.start('waiting');
});
ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM workflow.timer'), 'plans are made for one run');
# Statistics as of a table whose many rows have all come and gone
$node->safe_psql('postgres',
	q{VACUUM ANALYZE; UPDATE pg_class SET relpages = 5000, reltuples = 1 WHERE oid = 'workflow.execution'::regclass});

my $before = tuples_read();
$node->safe_psql(
	'postgres', q{
	SET SESSION AUTHORIZATION alice;
	SELECT count(*) FROM workflow.start_many('waiting', ARRAY(SELECT '{}'::jsonb FROM generate_series(1, } . RUNS . q{)));
});
ok($node->poll_query_until('postgres', 'SELECT count(*) > ' . RUNS . ' FROM workflow.timer'), 'many runs are parked');
my $reads = tuples_read() - $before;
cmp_ok($reads, '<', 20 * RUNS, 'with a few reads for each');
note("$reads rows read");

$node->stop;
done_testing();
