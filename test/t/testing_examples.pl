# The examples of tests, by pg_prove and by pg_regress, as their users run them; and that tests leave nothing behind: in no table, in
# shared memory and the log neither, whatever they were about.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Utils;
use WorkerTest;
use Test::More;

my $here = abs_path(dirname(__FILE__));
my ($root) = grep { -d "$_/examples" } "$here/..", "$here/../..";
my ($pgtap) = grep { -d $_ } "$here/../pgtap", "$here/../test/pgtap";
my $folder = "$root/examples/testing";
my $node = new_cluster('testing_examples', 'log_min_messages = log', 'log_statement = none', 'log_connections = off',
	'log_disconnections = off', 'log_checkpoints = off', 'autovacuum = off');

$node->safe_psql('postgres', 'CREATE DATABASE tests');
$node->safe_psql('tests', 'CREATE EXTENSION order_workflow_test CASCADE');

# How many rows all tables have that are not the system's, and what shared memory knows
sub state_of_things
{
	my @queries = split /\n/, $node->safe_psql('tests', q{
		SELECT format('SELECT %L, count(*) FROM %s', oid::regclass, oid::regclass) FROM pg_class
		WHERE relkind IN ('r', 'p') AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
		ORDER BY oid::regclass::text});

	cmp_ok(@queries, '>', 20, 'tables are found');
	push @queries, map { "SELECT '$_', count(*) FROM $_" } qw(pg_class pg_proc pg_type pg_roles pg_namespace pg_locks);
	push @queries, q{SELECT name, kind, labels, count, CASE WHEN count IS NULL THEN 0 ELSE value END FROM workflow.metrics ORDER BY 1, 3};
	push @queries, q{SELECT * FROM workflow.circuit_breakers}, q{SELECT * FROM workflow.workers}, q{SELECT * FROM workflow.task_queues},
	  q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'order_workflow executor'};
	return join "\n", map { $node->safe_psql('tests', $_) } @queries;
}

# Runs a file by pg_prove.
sub prove
{
	my ($file) = @_;
	my ($stdout, $stderr);
	local @ENV{qw(PGHOST PGPORT PGOPTIONS)} = ($node->host, $node->port, '-c client_min_messages=error');

	ok(IPC::Run::run([ 'pg_prove', '-d', 'tests', '--verbose', $file ], '>', \$stdout, '2>', \$stderr), basename($file) . ' passes')
	  or diag("$stdout$stderr");
	return;
}

my $before = state_of_things();
my $log = -s $node->logfile;
my @tests = glob "$folder/*_test.sql";

cmp_ok(@tests, '>=', 4, 'examples are found');
prove($_) foreach @tests;
prove("$pgtap/$_.sql") foreach qw(test_kit test_kit_mocks test_kit_workflows circuit_breakers outside_activities schedules signals);

my $output = PostgreSQL::Test::Utils::tempdir();
{
	my $stdout;
	local @ENV{qw(PGHOST PGPORT)} = ($node->host, $node->port);

	ok(IPC::Run::run([ $ENV{PG_REGRESS}, '--use-existing', '--dbname=tests', "--inputdir=$folder/regress", "--outputdir=$output", '--bindir=',
		'order_saga' ], '>', \$stdout, '2>&1'), 'pg_regress passes') or diag($stdout, -f "$output/regression.diffs" ? slurp_file("$output/regression.diffs") : '');
}

is(state_of_things(), $before, 'nothing is left over');
is(slurp_file($node->logfile, $log), '', 'the log has nothing of it');

# Without a test nothing of the kit can be called.
foreach my $call ('run()', q{advance('1 day')}, 'now()', 'calls()', 'requests()', q{mock_activity('A')}, q{mock_workflow('A')}, q{mock_signal('A')},
	q{mock_cancel('A')}, q{allow_activity('A')}, q{at('1 s', 'SELECT 1')}, q{on_activity('A', 'SELECT 1')}, q{expect_activity('A')}, 'reset_mocks()',
	'skip_time()', 'assert_expectations()', 'verify()')
{
	my (undef, undef, $stderr) = $node->psql('tests', "SELECT * FROM workflow_test.$call");

	like($stderr, qr/no test has begun in this transaction\nHINT:  Call workflow_test.begin\(\) first/, "workflow_test.$call says what is missing");
}
$node->stop;
done_testing();
