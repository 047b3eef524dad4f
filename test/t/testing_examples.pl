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
	q{mock_cancel('A')}, q{allow_activity('A')}, q{at('1 s', 'SELECT 1')}, q{on_activity('A', 'SELECT 1')}, q{expect_activity('A')}, 'reset_mocks()', q{call_activity('A')},
	'skip_time()', 'assert_expectations()', 'verify()')
{
	my (undef, undef, $stderr) = $node->psql('tests', "SELECT * FROM workflow_test.$call");

	like($stderr, qr/no test has begun in this transaction\nHINT:  Call workflow_test.begin\(\) first/, "workflow_test.$call says what is missing");
}

# What is misspelt is guessed; what is registered or used somewhere is not.
my (undef, undef, $warned) = $node->psql('tests', q{
	BEGIN;
	SET client_min_messages = error;
	SELECT workflow_test.begin();
	SELECT workflow_test.mock_activity(a) FROM unnest('{Reserve,Payy,Undo,Quote,Each,ProcessIt,BookIt}'::text[]) a;
	SELECT workflow_test.mock_workflow('shipp'), workflow_test.mock_workflow('bill'), workflow_test.mock_signal('anybody'), workflow_test.mock_cancel('anybody');
	SELECT workflow_test.allow_activity('Alone'), workflow_test.on_activity('Pya', 'SELECT 1'), workflow_test.expect_activity('Zzz'),
		workflow_test.expect_order('{Pay,Pax}');
	CREATE FUNCTION public.alone() RETURNS int LANGUAGE sql AS 'SELECT 1';
	SELECT workflow.register_activity('Alone', 'public.alone()');
	SELECT workflow.register('shop', $asl${"StartAt": "Reserve", "States": {
		"Reserve": {"Type": "Task", "Resource": "Reserve", "Compensate": "Undo", "Next": "Pay"},
		"Pay": {"Type": "Task", "Resource": "Pay.waitForTaskToken", "Parameters": {"token.$": "$$.Task.Token"}, "Next": "Quote"},
		"Quote": {"Type": "Task", "Resource": "arn:aws:lambda:eu-west-1:123456789012:function:Quote", "Compensate": {"Resource": "BookIt"}, "Next": "Map"},
		"Map": {"Type": "Map", "ItemProcessor": {"StartAt": "E", "States": {"E": {"Type": "Task", "Resource": "Each", "End": true}}}, "Next": "Lambda"},
		"Lambda": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "ProcessIt"}, "Next": "Ship"},
		"Ship": {"Type": "Task", "Resource": "workflow:ship", "Next": "Bill"},
		"Bill": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "Parameters": {"StateMachineArn": "bill"}, "End": true}}}$asl$);
	SET client_min_messages = warning;
	SELECT workflow_test.run();
	SELECT workflow_test.run();
	ROLLBACK;});
is(join("\n", grep { /WARNING|HINT/ } map { s/^psql:<stdin>:\d+: //r } split /\n/, $warned), join("\n", map {
	my ($what, $name, $nearest) = @$_;
	qq{WARNING:  $what "$name" is neither registered nor used by any definition\nHINT:  }
	  . ($nearest ? qq{Perhaps you meant "$nearest".} : 'Register the workflow that uses it before workflow_test.run().')
} [ activity => 'Pax', 'Pay' ], [ activity => 'Payy', 'Pay' ], [ activity => 'Pya', 'Pay' ], [ activity => 'Zzz' ], [ workflow => 'shipp', 'ship' ]),
	'names that are misspelt get a warning, once');
$node->stop;
done_testing();
