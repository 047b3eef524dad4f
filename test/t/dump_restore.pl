# A dump taken in the middle of things, restored elsewhere and beside the original: the copy has all
# there was, does nothing until told to, and then ends each order as the original does.

use strict;
use warnings;

use OrderTest;
use WorkerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $original = new_cluster('original');
my $copy = new_cluster('copy');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';

install_shop($original, 'shop');
slow_down($original, 'shop', 0.005);
$original->safe_psql(
	'shop', q{
	CREATE ROLE clerk LOGIN;
	CREATE ROLE auditor LOGIN;
	CREATE ROLE partner LOGIN;
	SELECT workflow.grant_usage('clerk');
	SELECT workflow.grant_usage('partner');
	SELECT workflow.grant_reader('auditor');
	GRANT USAGE ON SCHEMA orders TO clerk;
	GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA orders TO clerk;
	SET ROLE shop;
	SELECT workflow.grant_workflow('clerk', 'OrderSaga', '{start,read}');
	SELECT workflow.grant_activity('partner', 'ProcessPayment');
	CREATE FUNCTION orders.echo(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
	SELECT workflow.register_activity('Echo', 'orders.echo(jsonb)');
	SELECT workflow.grant_activity('partner', 'Echo');
	GRANT USAGE ON SCHEMA orders TO partner});
$original->safe_psql('shop', qq{SET ROLE $_; SELECT workflow.start_activity('Echo', '1', options => '{"Priority": 1}')})
  foreach qw(shop partner);

$original->safe_psql('shop', q{SET ROLE shop;
	SELECT workflow.put_schedule(true, 'nightly', 'OrderSaga', NULL, '{"order_id": 1}', '30 2 1 1 *', 'Skip', '1 day', '5 min', NULL,
		NULL, NULL, 7, '{"a": 1}', '1 hour', '10 min', '{"MaxAttempts": 1}', 2, NULL, NULL)});

# Periods so short that the orders are spread over many partitions
$original->safe_psql(
	'shop', q{
	SELECT workflow.set_retention_class('normal', '1500 milliseconds');
	SET ROLE shop;
	SELECT workflow.set_retention('OrderSaga', '1 second')});
foreach my $i (1 .. 3)
{
	place_orders($original, 'shop', 1);
	usleep(600_000);
}
ok( $original->poll_query_until(
		'shop', q{
		SELECT (SELECT count(*) > 30 FROM workflow.closed_execution)
			AND (SELECT count(*) > 0 FROM workflow.timer)}),
	'some orders are done, some wait');
place_orders($original, 'shop', 1);
$original->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $original->connstr('shop') ],
	'a dump in the middle of things');
$original->command_ok([ 'pg_dump', '-f', "$dump.sql", '-d', $original->connstr('shop') ],
	'and another, as a script');

# Roles are no part of a database.
$copy->safe_psql('postgres', "CREATE ROLE $_ LOGIN") foreach qw(shop clerk auditor partner);

# All that a database has but for its runs
sub catalog
{
	my ($node, $database) = @_;

	return $node->safe_psql(
		$database, q{
		SELECT 'definition', workflow, version, is_current, owner, md5(source), md5(definition::text), created_by, created_at
		FROM workflow.definitions ORDER BY workflow, version;
		SELECT 'activity', name, owner, kind, function, function::regprocedure, options
		FROM workflow.activities ORDER BY name;
		SELECT 'grant', * FROM workflow.workflow_grant ORDER BY workflow, grantee, privilege;
		SELECT 'grant', * FROM workflow.activity_grant ORDER BY activity, grantee;
		SELECT 'retention', * FROM workflow.retention_class;
		SELECT 'retention', name, retention FROM workflow.workflow_type ORDER BY name;
		SELECT 'schedule', * FROM workflow.schedule ORDER BY name;
		SELECT 'schema', nspname, nspowner::regrole, nspacl FROM pg_namespace
		WHERE nspname IN ('orders', 'workflow') ORDER BY nspname;
		SELECT 'function', oid::regprocedure, proowner::regrole,
			(SELECT array_agg(a::text ORDER BY a::text) FROM unnest(proacl) AS a)
		FROM pg_proc WHERE pronamespace IN ('orders'::regnamespace, 'workflow'::regnamespace)
		ORDER BY oid::regprocedure::text COLLATE "C";
		SELECT 'relation', oid::regclass, relowner::regrole, relrowsecurity,
			(SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) AS a)
		FROM pg_class WHERE relnamespace IN ('orders'::regnamespace, 'workflow'::regnamespace)
		ORDER BY oid::regclass::text COLLATE "C";
		SELECT 'policy', polrelid::regclass, polname, pg_get_expr(polqual, polrelid)
		FROM pg_policy ORDER BY polrelid::regclass::text COLLATE "C", polname});
}

# The copy is complete, and quiet until told otherwise.
sub check_start
{
	my ($node, $database) = @_;

	is(catalog($node, $database), catalog($original, 'shop'),
		"$database: definitions, activities, grants and owners are the same");
	cmp_ok($node->safe_psql($database, 'SELECT count(DISTINCT bucket) FROM workflow.history_batch'),
		'>', 1, "$database: history is in several partitions");
	cmp_ok($node->safe_psql($database, 'SELECT count(*) FROM workflow.execution'),
		'>', 0, "$database: some orders are not done");

	check_quiet($node, $database, 'after the restore');
	$node->safe_psql($database,
		q{SET ROLE shop; SELECT orders.place_order('OrderSaga')});
	check_quiet($node, $database, 'with a new order');
	$node->reload;
	check_quiet($node, $database, 'after a reload');

	$node->safe_psql($database, 'SELECT workflow.resume_engine()');
	is($node->safe_psql($database, 'SELECT workflow.engine_status()'),
		'Running', "$database: it may run now");
	return;
}

# It comes to the same ends.
sub check_end
{
	my ($node, $database) = @_;

	wait_until_closed($node, $database, "$database: all orders come to an end");
	check_books($node, $database);
	like(
		$node->safe_psql(
			$database, q{
			SELECT o.status, e.status FROM orders.orders o
			JOIN workflow.executions e ON e.workflow_id = orders.workflow_id(o.order_id)
			WHERE o.order_id = (SELECT max(order_id) FROM orders.orders)}),
		qr/^shipped\|Completed$/,
		"$database: the new one, too");

	my @expected = split /\n/, outcomes($original, 'shop');
	my @actual = split /\n/, outcomes($node, $database);
	is( join("\n", map { "$expected[$_]\n$actual[$_]" } grep { $expected[$_] ne $actual[$_] } 0 .. 399),
		'',
		"$database: each ends as in the original");
	return;
}

# It is good for more: no id is taken twice, and each may do what he might.
sub check_use
{
	my ($node, $database) = @_;

	is( $node->safe_psql(
			$database, q{
			SET ROLE shop;
			SELECT workflow.register('OrderSaga', definition) FROM workflow.definitions
			WHERE workflow = 'OrderSaga' AND version = 1;
			SELECT workflow.register('OrderSaga', definition || '{"Comment": "another"}') FROM workflow.definitions
			WHERE workflow = 'OrderSaga' AND version = 1}),
		"1\n2",
		"$database: the definition is known, and another one gets the next version");
	is( $node->safe_psql(
			$database, q{
			SET ROLE clerk;
			SELECT orders.place_order('OrderSaga') \gset
			SELECT status FROM workflow.wait(orders.workflow_id(:place_order))}),
		'Completed',
		"$database: who was granted a workflow can start it");
	isnt(
		$node->psql(
			$database,
			q{SET ROLE clerk; SELECT workflow.start('OrderWorkflow')},
			on_error_stop => 1),
		0,
		"$database: and no other");
	is( $node->safe_psql(
			$database, q{
			SET ROLE partner;
			SELECT workflow.start_activity('Echo', '2', 'echo', '{"Priority": 1}') \gset
			SELECT workflow, output FROM workflow.wait('echo');
			RESET ROLE;
			SELECT count(*) FROM workflow.definitions WHERE workflow LIKE 'activity%'}),
		"activity\@partner:Echo|2\n2",
		"$database: jobs go on as what they were");
	is($node->safe_psql($database, q{SET ROLE auditor; SELECT count(*) > 300 FROM workflow.executions}),
		't', "$database: who may see all runs sees them");
	return;
}

# Beside the original, under another name.
$original->safe_psql('postgres', 'CREATE DATABASE copy OWNER shop');
$original->command_ok(
	[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$dump.sql", '-d', $original->connstr('copy') ],
	'a restore beside the original');

# In another cluster.  A parallel restore takes the tables in any order: who the runs belong to may be
# the last thing to come.
$copy->safe_psql('postgres', 'CREATE DATABASE shop OWNER shop');
my ($list) = run_command([ 'pg_restore', '--list', $dump ]);
foreach my $part ('runs', 'identity')
{
	my @lines = split /\n/, $list;

	@lines = $part eq 'identity' ? grep { /TABLE DATA workflow engine_identity / } @lines
	  : grep { !/TABLE DATA workflow engine_identity / } @lines;
	append_to_file("$dump.$part", join("\n", @lines) . "\n");
	$copy->command_ok(
		[ 'pg_restore', '--exit-on-error', '-L', "$dump.$part", '-d', $copy->connstr('shop'), $dump ],
		"a restore in another cluster: $part");
	$copy->reload;
	check_quiet($copy, 'shop', "with the $part");
}

wait_until_closed($original, 'shop', 'the original goes on');
check_books($original, 'shop');
my @copies = ([ $copy, 'shop' ], [ $original, 'copy' ]);
check_start(@$_) foreach @copies;
check_end(@$_) foreach @copies;
check_use(@$_) foreach @copies;

$original->stop;
$copy->stop;
done_testing();
