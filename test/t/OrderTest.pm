# What the tests of crashes and copies share: the shop of examples/order_processing with a few hundred
# orders in it, and what must be true of them in the end.

package OrderTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(install_shop place_orders set_enabled slow_down wait_until_closed outcomes check_books check_quiet
  kill_executor kill_backend kill_server kill_postmaster wait_until_up pids);

# Creates a database with the example in it, owned by the role shop, which is created if need be.
sub install_shop
{
	my ($node, $database) = @_;
	my $directory = abs_path(dirname(__FILE__) . '/../examples/order_processing')
	  // abs_path(dirname(__FILE__) . '/../../examples/order_processing');

	$node->safe_psql('postgres', 'CREATE ROLE shop LOGIN')
	  if $node->safe_psql('postgres', "SELECT count(*) FROM pg_roles WHERE rolname = 'shop'") == 0;
	$node->safe_psql('postgres', "CREATE DATABASE $database OWNER shop");
	$node->safe_psql($database, "CREATE EXTENSION order_workflow; SELECT workflow.grant_usage('shop')");
	$node->command_ok(
		[
			'psql', '-XqAt', '--single-transaction', '-v', 'ON_ERROR_STOP=1', '-U', 'shop', '-d', $database,
			'-f',   "$directory/load.sql"
		],
		"the shop opens in $database");

	# Enough for everybody: who gets the last few would depend on who comes first.
	$node->safe_psql($database,
		'UPDATE orders.products SET initial_stock = 10000, stock = 10000 WHERE product_id = 21');
	return;
}

# Places the same orders each time, a hundred in each transaction, by turns for either workflow.
sub place_orders
{
	my ($node, $database, $hundreds) = @_;

	foreach my $i (1 .. $hundreds)
	{
		my $workflow = $i % 2 ? 'OrderWorkflow' : 'OrderSaga';

		$node->safe_psql($database, "SET ROLE shop; SELECT orders.place_orders('$workflow', 100)");
	}
	return;
}

# Lets orders be processed, or not.
sub set_enabled
{
	my ($node, $enabled) = @_;

	$node->append_conf('postgresql.conf', "order_workflow.enabled = $enabled");
	$node->reload;
	return;
}

# Has each step of an order take a while, so that there is a midst to interrupt.
sub slow_down
{
	my ($node, $database, $seconds) = @_;

	$node->safe_psql(
		$database, qq{
		SET ROLE shop;
		CREATE FUNCTION orders.dawdle() RETURNS trigger LANGUAGE plpgsql
			AS 'BEGIN PERFORM pg_sleep($seconds); RETURN NEW; END';
		CREATE TRIGGER dawdle BEFORE UPDATE ON orders.orders
			FOR EACH ROW EXECUTE FUNCTION orders.dawdle()});
	return;
}

# Waits until no run is open, or all that are so are stuck.
sub wait_until_closed
{
	my ($node, $database, $what) = @_;

	ok( $node->poll_query_until(
			$database, "SELECT NOT EXISTS (SELECT FROM workflow.execution WHERE status <> 'Stuck')"),
		$what)
	  or diag(
		$node->safe_psql(
			$database, 'SELECT workflow_id, status, state, ready, due_at, crashes FROM workflow.execution LIMIT 10'
		));
	return;
}

# What became of each order: a line of text for each.  It tells of every attempt as well; a crash leaves
# no trace in it, since what was interrupted has not happened.
sub outcomes
{
	my ($node, $database) = @_;

	return $node->safe_psql(
		$database, q{
		SELECT o.order_id, o.status, o.public_error, o.internal_error, e.workflow, e.status, e.error,
			h.events
		FROM orders.orders o
		LEFT JOIN workflow.executions e ON e.workflow_id = orders.workflow_id(o.order_id)
		LEFT JOIN (SELECT run_id, string_agg(concat_ws(' ', event_type, state, attributes->>'attempt'), ', '
				ORDER BY event_id) AS events
			FROM workflow.history GROUP BY run_id) h ON h.run_id = e.run_id
		ORDER BY o.order_id});
}

# The shop's books and the engine's are in order.
sub check_books
{
	my ($node, $database) = @_;

	is($node->safe_psql($database, 'SET ROLE shop; SELECT * FROM orders.check_invariants()'),
		'', "$database: the invariants hold");

	is( $node->safe_psql(
			$database, q{
			SELECT e.workflow_id, count(*), min(event_id), max(event_id), count(DISTINCT event_id),
				array_agg(event_id) FILTER (WHERE closing)
			FROM workflow.executions e
			LEFT JOIN (SELECT *, event_type ~ '^WorkflowExecution(Completed|Failed|Canceled|Terminated|TimedOut)$'
					AS closing FROM workflow.history) h USING (run_id)
			GROUP BY e.workflow_id, e.run_id, e.status
			HAVING count(*) <> max(event_id) OR min(event_id) <> 1 OR count(DISTINCT event_id) <> count(*)
				OR array_agg(event_id) FILTER (WHERE closing)
					IS DISTINCT FROM CASE WHEN e.status NOT IN ('Running', 'Stuck') THEN ARRAY[max(event_id)] END}
		),
		'',
		"$database: each history has its events once, without a gap, and one end");

	is( $node->safe_psql(
			$database, q{
			SELECT c.workflow_id
			FROM workflow.closed_execution c, workflow.rebuild_state(c.run_id) s
			WHERE (s.status, s.next_event_id - 1) IS DISTINCT FROM (c.status, c.events)
			LIMIT 10}),
		'',
		"$database: each history leads to the state of its run");

	is( $node->safe_psql(
			$database, q{
			SELECT 'timer', run_id FROM workflow.timer
				WHERE run_id NOT IN (SELECT run_id FROM workflow.execution UNION ALL SELECT schedule_id FROM workflow.schedule)
			UNION ALL SELECT 'message', run_id FROM workflow.message
			UNION ALL SELECT 'history', run_id FROM workflow.history_batch
				WHERE run_id NOT IN (SELECT run_id FROM workflow.executions)}),
		'',
		"$database: nothing is left over");
	return;
}

# Nothing runs in a database that has something to do.
sub check_quiet
{
	my ($node, $database, $what) = @_;
	my $look = q{
		SELECT (SELECT count(*) FROM workflow.workers), workflow.engine_status(), array_agg(e ORDER BY e.run_id),
			(SELECT count(*) FROM workflow.history_batch), (SELECT count(*) FROM workflow.closed_execution)
		FROM workflow.execution e};
	my $before = $node->safe_psql($database, $look);
	my $now = $before;

	foreach my $attempt (1 .. 15)
	{
		usleep(100_000);
		$now = $node->safe_psql($database, $look);
		last if $now ne $before;
	}
	like($now, qr/^0\|Quarantined\|\{/, "$database: the engine is quarantined, $what");
	is($now, $before, "$database: nothing happens, $what");
	return;
}

# The process ids of backends of a kind.
sub pids
{
	my ($node, $condition) = @_;

	return split /\n/, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $condition");
}

# Kills a process of the server as a crash of its own would, and waits until the server is back.
sub kill_backend
{
	my ($node, $pid) = @_;
	my $log = -s $node->logfile;

	return 0 unless kill 'KILL', $pid;

	# Until then it is the server of before that accepts connections.
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
	wait_until_up($node);
	return 1;
}

# Kills one of the executors; false when there is none for a while.
sub kill_executor
{
	my ($node) = @_;

	foreach my $attempt (1 .. 20)
	{
		my @executors = pids($node, "backend_type = 'order_workflow executor'");

		# It may be starting up still.
		usleep(rand 50_000);
		return kill_backend($node, $executors[ rand @executors ]) if @executors;
	}
	return 0;
}

# Kills the postmaster and all its children, and starts the server again.
sub kill_server
{
	my ($node) = @_;
	my $postmaster = postmaster_pid($node);

	# Stopped, it starts no child that would be missed.
	kill 'STOP', $postmaster;
	my @children = children($postmaster);
	kill 'KILL', @children;
	return start_again($node, $postmaster, @children);
}

# Kills the postmaster alone, and starts the server again when its children have noticed.
sub kill_postmaster
{
	my ($node) = @_;
	my $postmaster = postmaster_pid($node);

	return start_again($node, $postmaster, children($postmaster));
}

sub postmaster_pid
{
	my ($node) = @_;

	return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
}

sub children
{
	my ($parent) = @_;

	return grep { (process_stat($_))[1] == $parent } map { basename($_) } glob '/proc/[0-9]*';
}

# The new server refuses to start as long as one of the old one's processes lives.  As for the old
# postmaster, it lives to those who find its lock files until somebody has taken note of its death.
sub start_again
{
	my ($node, $postmaster, @children) = @_;

	$node->kill9;
	foreach my $attempt (1 .. 3000)
	{
		if (!kill(0, $postmaster) && !grep { (process_stat($_))[0] !~ /[ZX]/ } @children)
		{
			$node->start;
			return 1;
		}
		usleep(10_000);
	}
	die 'some processes outlive their postmaster';
}

# A process's state (X: there is none) and parent.
sub process_stat
{
	my ($pid) = @_;

	open my $file, '<', "/proc/$pid/stat" or return ('X', 0);
	my $line = <$file>;
	close $file;
	return defined $line && $line =~ /^\d+ \(.*\) (\S) (\d+) /s ? ($1, $2) : ('X', 0);
}

sub wait_until_up
{
	my ($node) = @_;

	$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
	return;
}

1;
