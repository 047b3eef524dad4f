# A dump of a database in which all that workflows have is in use: the copy has every row of every table, and its runs end as they should.
# Then the extension is dropped from under runs that are at work.

use strict;
use warnings;

use File::Basename;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);
use WorkerTest;
use Test::More;

my $node = new_cluster('lifecycle', 'log_min_messages = warning');
my $directory = dirname(__FILE__);
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';

$node->safe_psql('postgres', $_)
  foreach ('CREATE ROLE shop LOGIN', 'CREATE ROLE carrier LOGIN', 'CREATE DATABASE shop OWNER shop', 'CREATE DATABASE copy OWNER shop');
$node->safe_psql('shop',
	q{CREATE EXTENSION order_workflow; SELECT workflow.grant_usage('shop'), workflow.grant_usage('carrier');} . slurp_file("$directory/lifecycle.sql"));

# Whatever can be done is done; and what was asked last is on its way still.
foreach my $i (1 .. 12)
{
	$node->safe_psql('shop', qq{SET ROLE shop; SELECT public.meddle(what, 'run ' || $i * what % 20) FROM generate_series(0, 35) what});
	usleep(100_000);
}
$node->append_conf('postgresql.conf', 'order_workflow.enabled = off');
$node->reload;
$node->poll_query_until('shop', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'order_workflow executor'});
$node->safe_psql('shop', q{SET ROLE shop; SELECT public.meddle(what, 'run ' || what % 20) FROM generate_series(0, 35) what;
	SELECT workflow.start_batch('pause', 'closed_at IS NULL', chunk_size => 2);
	SELECT workflow.start('life', '{"round": 1, "items": []}', 'last', request_id => 'last', search_attributes => '{"Tags": ["a"]}');
	SELECT workflow.update('last', 'add', '{"n": 2}', wait => '0', update_id => 'last'), workflow.signal('last', 'go', '{"id": 0}', 'last')});

# How many rows each table has, and what is in them; who the engine belongs to differs.
sub contents
{
	my ($database) = @_;

	return $node->safe_psql(
		$database, q{
		SELECT format('SELECT %L, count(*), md5(string_agg(t::text, %L ORDER BY t::text)) FROM %s t', c.oid::regclass, ' ', c.oid::regclass) FROM pg_class c
		WHERE relnamespace = 'workflow'::regnamespace AND relkind IN ('r', 'p') AND relname NOT IN ('engine_identity', 'worker', 'drained_worker')
		ORDER BY c.oid::regclass::text COLLATE "C" \gexec});
}
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('shop') ], 'a dump');
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('copy'), $dump ], 'is restored');
my $contents = contents('shop');
is(contents('copy'), $contents, 'with all rows');
foreach my $table (qw(activity_task batch_chunk batch_operation branch child closed_execution compensation execution history_batch message
	schedule schedule_action search_attribute signal_request timer update_request))
{
	like($contents, qr/^workflow\.$table\|[1-9]/m, "some of $table");
}

$node->safe_psql('copy', 'SELECT workflow.resume_engine()');
$node->append_conf('postgresql.conf', 'order_workflow.enabled = on');
$node->reload;
my $open = 1;
for (my $deadline = time + 150; $open && time < $deadline; usleep(200_000))
{
	$node->safe_psql('copy', 'CALL workflow.run_batch_operations()');
	$node->safe_psql('copy', 'SELECT public.mend()');
	$node->safe_psql('copy', q{SET ROLE shop; CREATE TEMPORARY TABLE taken AS SELECT task_token FROM workflow.poll_activity('outside', 'worker', 100);
		SELECT format('SELECT public.answer(%L)', task_token) FROM taken \gexec});
	$open = $node->safe_psql('copy', 'SELECT (SELECT count(*) FROM workflow.execution) + (SELECT count(*) FROM workflow.message)');
}
is($open, 0, 'the runs of the copy end')
  or diag($node->safe_psql('copy', q{SELECT e.workflow_id, e.status, e.state, x.waiting_for FROM workflow.executions e, workflow.explain(e.run_id) x WHERE closed_at IS NULL}));
is($node->safe_psql('copy', slurp_file("$directory/consistency.sql") . 'SELECT * FROM pg_temp.faults() LIMIT 10'), '', 'no faults');

is($node->safe_psql('shop', 'SELECT count(*) > 0 FROM workflow.execution'), 't', 'the original has open runs');
$node->safe_psql('shop', 'SET client_min_messages = warning; DROP EXTENSION order_workflow CASCADE');
is($node->safe_psql('shop', q{SELECT count(*) FROM pg_class WHERE relnamespace = 'workflow'::regnamespace}), '0', 'the extension can be dropped from under them');
ok($node->poll_query_until('shop', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'order_workflow executor' AND datname = 'shop'}), 'its executors leave');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|XX000|deadlock/, 'nothing alarming in the log');
$node->stop;
done_testing();
