# Executors, other processes, the postmaster and the whole server are killed at many points of a run of
# several hundred orders.  Each order ends as it does in peace.  Meanwhile clients place more orders and
# cancel some, in transactions that are cut off at any point as well.

use strict;
use warnings;

use IPC::Run;
use OrderTest;
use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $hundreds = 6;
my $node = new_cluster('storm',
	# Who is hit again and again without being to blame must not end up stuck.
	'order_workflow.crash_limit = 1000',
	# Small batches have more points at which to be interrupted.
	'order_workflow.batch_size = 8', 'log_min_messages = warning');

# The same dice each time, as far as the machine lets us: the seed is in the log.
my $seed = $ENV{STORM_SEED} // int(rand 2**31);
srand $seed;
note("STORM_SEED=$seed");

install_shop($node, 'calm');
place_orders($node, 'calm', $hundreds);
install_shop($node, 'storm');
slow_down($node, 'storm', 0.01);
wait_until_closed($node, 'calm', 'the orders are processed in peace');
my $expected = outcomes($node, 'calm');
check_books($node, 'calm');

set_enabled($node, 'off');
place_orders($node, 'storm', $hundreds);
set_enabled($node, 'on');

my $meddle = PostgreSQL::Test::Utils::tempdir() . '/meddle.sql';
append_to_file($meddle, "SELECT orders.meddle();\n");
$node->safe_psql(
	'storm', qq{
	SET ROLE shop;
	CREATE FUNCTION orders.meddle() RETURNS void LANGUAGE plpgsql AS \$\$
	DECLARE
		id bigint := orders.place_order(CASE WHEN random() < 0.5 THEN 'OrderSaga' ELSE 'OrderWorkflow' END,
			customer => 1 + (random() * 2)::int,
			carrier => CASE WHEN random() < 0.2 THEN 'moody' ELSE 'swift' END);
	BEGIN
		-- Not one of the first orders, which are to be compared
		PERFORM workflow.cancel(orders.workflow_id(id - (random() * 10)::int))
		WHERE random() < 0.3 AND id - 10 > 100 * $hundreds;
	EXCEPTION WHEN SQLSTATE 'OW009' OR SQLSTATE 'OW005' THEN
		-- It has closed, or was never placed: its transaction was cut off.
	END \$\$});
my ($clients, $clients_output);

# Starts clients, unless they are there still.
sub meddle
{
	if ($clients)
	{
		$clients->pump_nb;
		return if $clients->pumpable;
		$clients->finish;
	}
	$clients_output = '';
	$clients = IPC::Run::start(
		[
			'pgbench', '-n', '-c', '2', '-R', '40', '-T', '120', '-h', $node->host, '-p', $node->port, '-U',
			'shop',    '-f', $meddle, 'storm'
		],
		'<',
		\undef,
		'>&',
		\$clients_output);
	return;
}

my %killed = (executor => 0, server => 0, postmaster => 0, other => 0);
foreach my $round (1 .. 24)
{
	meddle();
	usleep(rand 100_000);
	if ($round % 4 == 0)
	{
		my $victim = $round % 8 == 0 ? 'postmaster' : 'server';

		$killed{$victim} += $victim eq 'server' ? kill_server($node) : kill_postmaster($node);
	}
	elsif ($round % 5 == 0)
	{
		my @others = pids($node, "backend_type NOT IN ('order_workflow executor', 'client backend')");

		$killed{other} += kill_backend($node, $others[ rand @others ]);
	}
	else
	{
		$killed{executor} += kill_executor($node);
	}
}
note('killed: ' . join(', ', map { "$_ $killed{$_}" } sort keys %killed));
$clients->signal('TERM');
$clients->finish;
cmp_ok($killed{executor}, '>', 0, 'some executors were killed');
wait_until_closed($node, 'storm', 'the orders are processed in a storm');
note(
	$node->safe_psql(
		'storm', q{
		SELECT 'orders of clients: ' || count(*) || ', canceled: ' || count(*) FILTER (WHERE status = 'Canceled')
		FROM workflow.executions WHERE (input->>'order_id')::int > }
		  . 100 * $hundreds));
check_books($node, 'storm');

my @expected = split /\n/, $expected;
my @actual = split /\n/, outcomes($node, 'storm');
cmp_ok(scalar @actual, '>', 100 * $hundreds, 'all orders are there, and some more');
is( join("\n", map { "$expected[$_]\n$actual[$_]" } grep { $expected[$_] ne $actual[$_] } 0 .. $#expected),
	'',
	'each ends as it did in peace');

$node->stop;
done_testing();
