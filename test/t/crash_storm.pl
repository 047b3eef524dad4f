# Executors, other backends the postmaster and the whole server are killed at many points of a run of several hundred
# orders.  Each order ends as it does in peace.

use strict;
use warnings;

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
my %killed = (executor => 0, server => 0, postmaster => 0, other => 0);
foreach my $round (1 .. 24)
{
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
cmp_ok($killed{executor}, '>', 0, 'some executors were killed');
wait_until_closed($node, 'storm', 'the orders are processed in a storm');
check_books($node, 'storm');

my @expected = split /\n/, $expected;
my @actual = split /\n/, outcomes($node, 'storm');
is(scalar @actual, 100 * $hundreds, 'all orders are there');
is( join("\n", map { "$expected[$_]\n$actual[$_]" } grep { $expected[$_] ne $actual[$_] } 0 .. $#expected),
	'',
	'each ends as it did in peace');

$node->stop;
done_testing();
