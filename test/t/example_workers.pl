# The example workers, one of each language and a second one in bash, work off order sagas while they are killed
# with -9 and the server is restarted: each order ends as it has to, each activity is completed exactly once in
# history, and what was done in the world is what the orders tell. On SIGTERM, or when
# they are drained, they end by themselves.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use OrderTest;
use PostgreSQL::Test::Utils;
use POSIX;
use WorkerTest;
use Test::More;
use Time::HiRes qw(usleep);

my $orders = 160;
my $here   = abs_path(dirname(__FILE__));
my ($examples) = grep { -d } ("$here/../examples/workers", "$here/../../examples/workers");
my %needs = (sh => 'psql --version', py => '/usr/bin/python3 -c "import psycopg2"', js => q{node -e 'require("pg")'});
my $world = PostgreSQL::Test::Utils::tempdir();
my $logs  = PostgreSQL::Test::Utils::tempdir();
my $node  = new_cluster('examples', 'order_workflow.crash_limit = 1000', 'log_min_messages = warning');
my $seed  = $ENV{STORM_SEED} // int(rand 2**31);
srand $seed;
note("STORM_SEED=$seed");

$node->safe_psql('postgres', $_)
  foreach ('CREATE ROLE shop LOGIN', 'CREATE ROLE worker LOGIN', 'CREATE DATABASE shop OWNER shop');
$node->safe_psql('shop', q{CREATE EXTENSION order_workflow; SELECT workflow.grant_usage('shop')});
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-U', 'shop', '-d', 'shop', '-f', "$examples/order_saga_outside.sql" ],
	'the definition is registered');

# Of each ten orders, one is declined, one has no carrier, and two take their time.
$node->safe_psql(
	'shop', qq{
	SET ROLE shop;
	SELECT workflow.grant_worker('worker', 'orders');
	SELECT count(workflow.start('OrderSagaOutside', jsonb_build_object('amount', CASE n % 10 WHEN 0 THEN 140 ELSE 40 END,
		'carrier', CASE n % 10 WHEN 1 THEN 'phantom' WHEN 2 THEN 'tardy' WHEN 3 THEN 'tardy' ELSE 'swift' END), 'order ' || n))
	FROM generate_series(1, $orders) n});

# A worker in a process group of its own, so that it dies with its children
sub start_worker
{
	my ($language) = @_;
	my $pid = fork // die;

	return $pid if $pid;
	setpgrp;
	@ENV{qw(PGHOST PGPORT PGUSER PGDATABASE OUTSIDE)} = ($node->host, $node->port, 'worker', 'shop', $world);
	open STDOUT, '>>', "$logs/$language" or die;
	open STDERR, '>>', "$logs/$language" or die;
	exec "$examples/worker.$language";
	POSIX::_exit(127);
}

my @languages = grep { system("$needs{$_} >/dev/null 2>&1") == 0 } sort keys %needs;
my @workers = map { { language => $_, pid => start_worker($_) } } @languages, 'sh';
my %killed = (workers => 0, server => 0);
foreach my $round (1 .. 12)
{
	usleep(300_000 + rand 400_000);
	last if ($node->psql('shop', 'SELECT count(*) FROM workflow.execution'))[1] eq '0';
	if ($round % 4 == 2)
	{
		$node->stop('immediate');
		usleep(rand 1_500_000);
		$node->start;
		$killed{server}++;
		next;
	}
	my $victim = $workers[ rand @workers ];
	is(waitpid($victim->{pid}, WNOHANG), 0, "worker.$victim->{language} has not given up")
	  or diag(slurp_file("$logs/$victim->{language}"));
	kill 'KILL', -$victim->{pid};
	waitpid($victim->{pid}, 0);
	$victim->{pid} = start_worker($victim->{language});
	$killed{workers}++;
}
note('killed: ' . join(', ', map { "$killed{$_} $_" } sort keys %killed));
cmp_ok($killed{workers}, '>', 1, 'workers were killed');
cmp_ok($killed{server}, '>', 1, 'and the server');
wait_until_closed($node, 'shop', 'all orders end');

# Those that are left came through the last restart, and have nothing in hand.
foreach my $worker (@workers)
{
	my %name = (sh => 'bash', py => 'python', js => 'node');

	if ($worker == $workers[-1])
	{
		kill 'TERM', $worker->{pid};
	}
	else
	{
		$node->safe_psql('shop', "SET ROLE shop; SELECT workflow.drain_worker('$name{$worker->{language}} $worker->{pid}')");
	}
	my $ended = 0;
	foreach my $attempt (1 .. 200)
	{
		last if $ended = waitpid($worker->{pid}, WNOHANG);
		usleep(100_000);
	}
	is("$ended $?", "$worker->{pid} 0", "worker.$worker->{language} ends in peace") or diag(slurp_file("$logs/$worker->{language}"));
	kill 'KILL', -$worker->{pid} unless $ended;
}

is( $node->safe_psql('shop', q{SELECT status, error, count(*) FROM workflow.executions GROUP BY 1, 2 ORDER BY 1, 2}),
	join("\n", 'Completed||' . 8 * $orders / 10, 'Failed|CardDeclined|' . $orders / 10, 'Failed|NoCarrier|' . $orders / 10),
	'each order ends as it has to');
is( $node->safe_psql('shop', q{SELECT s.activity, count(*), count(DISTINCT s.workflow_id) FROM workflow.history c
		JOIN (SELECT DISTINCT run_id, workflow_id, state, attributes->>'activity' AS activity, attributes->'compensation' AS compensation
			FROM workflow.history WHERE event_type = 'ActivityTaskScheduled') s
		ON (s.run_id, s.state) = (c.run_id, c.state) AND s.compensation IS NOT DISTINCT FROM c.attributes->'compensation'
		WHERE c.event_type = 'ActivityTaskCompleted' GROUP BY 1 ORDER BY 1}),
	join("\n", map { "$_->[0]|$_->[1]|$_->[1]" } [ ChargeCard => 9 * $orders / 10 ],
		[ RefundCard => $orders / 10 ], [ ReserveGoods => $orders ], [ ReturnGoods => 2 * $orders / 10 ], [ SendParcel => 8 * $orders / 10 ]),
	'each activity was completed exactly once');
is( join("\n", sort map { slurp_file($_) =~ s/\s//gr . ' ' . basename($_) } glob "$world/*"),
	$node->safe_psql('shop', q{SELECT string_agg(activity || ' ' || run_id || ':' || activity || ':1', E'\n' ORDER BY activity COLLATE "C", run_id)
		FROM workflow.executions, unnest('{ReserveGoods,ChargeCard,SendParcel}'::text[]) AS activity
		WHERE status = 'Completed'}),
	'what was done in the world is what the completed orders tell, each once');
foreach my $language (sort keys %needs)
{
	my %name = (sh => 'bash', py => 'python', js => 'node');

  SKIP:
	{
		skip "worker.$language: \"$needs{$language}\" does not work here", 1 unless grep { $_ eq $language } @languages;
		cmp_ok($node->safe_psql('shop', "SELECT count(*) FROM workflow.history WHERE attributes->'result'->>'by' = '$name{$language}'"),
			'>', 0, "worker.$language did its share");
	}
}
is( $node->safe_psql('shop', q{SELECT (SELECT count(*) FROM workflow.activity_task), (SELECT count(*) FROM workflow.activity_heartbeat),
		(SELECT count(*) FROM workflow.timer), (SELECT count(*) FROM workflow.message)}),
	'0|0|0|0', 'nothing is left over');
is($node->safe_psql('shop', slurp_file("$here/consistency.sql") . 'SELECT * FROM pg_temp.faults() LIMIT 10'),
	'', 'the history of each leads to its state');
$node->stop;
done_testing();
