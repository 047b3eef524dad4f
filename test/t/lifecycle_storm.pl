# Runs that have something of everything, of two roles, are started, signaled, updated, paused, canceled, terminated, reset, moved to
# another version and so on at random by sessions that know nothing of each other, while executors, and the server, are killed: each
# run ends, each activity was done once, and nothing is lost, left over or surprising.

use strict;
use warnings;

use File::Basename;
use IPC::Run;
use OrderTest;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);
use WorkerTest;
use Test::More;

my $workflows = $ENV{STORM_WORKFLOWS} // 60;
my $rounds = $ENV{STORM_ROUNDS} // 10;
my $seed = $ENV{STORM_SEED} // int(rand 2**31);
my $node = new_cluster('lifecycle', 'max_connections = 40', 'log_min_messages = warning', 'order_workflow.crash_limit = 1000',
	'order_workflow.batch_size = 8');
my $directory = dirname(__FILE__);

srand $seed;
note("STORM_SEED=$seed");
$node->safe_psql('postgres', $_)
  foreach ('CREATE ROLE shop LOGIN', 'CREATE ROLE carrier LOGIN', 'CREATE DATABASE shop OWNER shop');
$node->safe_psql('shop',
	q{CREATE EXTENSION order_workflow; SELECT workflow.grant_usage('shop'), workflow.grant_usage('carrier');} . slurp_file("$directory/lifecycle.sql"));

# What the sessions do: each one thing at a time, some of them in transactions with a snapshot
my $scripts = PostgreSQL::Test::Utils::tempdir();
my $meddle = "\\set what random(0, 1000000)\n\\set n random(1, $workflows)\n%sSELECT public.meddle(:what, 'run ' || :n);\n%s";
append_to_file("$scripts/meddle", sprintf $meddle, '', '');
append_to_file("$scripts/snapshot", sprintf $meddle, "BEGIN ISOLATION LEVEL REPEATABLE READ;\n", "COMMIT;\n");
append_to_file("$scripts/undecided", sprintf $meddle, "BEGIN;\n", "\\sleep 3 ms\nROLLBACK;\n");
append_to_file("$scripts/work", "SELECT public.take() AS token \\gset\nSELECT public.answer(':token');\n");
my %output;
my %session;

# What operators would do, and workers outside
sub mend
{
	my ($node) = @_;

	$node->safe_psql('shop', q{SELECT public.mend()});
	$node->safe_psql('shop', q{SET ROLE shop; CREATE TEMPORARY TABLE taken AS SELECT task_token FROM workflow.poll_activity('outside', 'worker', 100)} .
		q{; SELECT format('SELECT public.answer(%L)', task_token) FROM taken \gexec});
	return;
}

# Starts what is not running, or no longer, since its connections were cut off.
sub keep_on
{
	foreach my $role (qw(shop carrier))
	{
		if ($session{$role})
		{
			$session{$role}->pump_nb;
			next if $session{$role}->pumpable;
			$session{$role}->finish;
		}
		$output{$role} = '';
		$session{$role} = IPC::Run::start(
			[
				'pgbench', '-n', '-c', '5', '-R', '150', '-T', '300', '-f', "$scripts/meddle\@12", '-f', "$scripts/snapshot\@2",
				'-f', "$scripts/undecided\@1", '-f', "$scripts/work\@" . ($role eq 'shop' ? 3 : 0), '-h', $node->host, '-p', $node->port, '-U', $role, 'shop'
			],
			'<', \undef, '>&', \$output{$role});
	}
	return;
}

foreach my $round (1 .. $rounds)
{
	my $until = time + 1 + rand 2;

	while (time < $until)
	{
		keep_on();
		usleep(100_000);
	}
	if ($round % 4 == 0)
	{
		kill_server($node);
	}
	elsif ($round % 2 == 0)
	{
		kill_executor($node);
	}
	else
	{
		$node->psql('shop', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'order_workflow executor'});
	}
}
foreach my $role (sort keys %session)
{
	$session{$role}->signal('TERM');
	$session{$role}->finish;
}

my $open = 1;
for (my $deadline = time + 180; $open && time < $deadline; usleep(200_000))
{
	mend($node);
	$open = $node->safe_psql('shop', 'SELECT (SELECT count(*) FROM workflow.execution) + (SELECT count(*) FROM workflow.message)');
}
is($open, 0, 'all runs end, and nothing is on its way any more')
  or diag($node->safe_psql('shop', q{
	SELECT e.workflow_id, e.run_id, e.workflow, e.status, e.state, x.waiting_for, x.moved_by FROM workflow.executions e, workflow.explain(e.run_id) x
	WHERE closed_at IS NULL LIMIT 20}), $node->safe_psql('shop', 'SELECT run_id, kind, payload FROM workflow.message LIMIT 20'));

note($node->safe_psql('shop', 'SELECT workflow, status, count(*) FROM workflow.executions GROUP BY 1, 2 ORDER BY 1, 2'));
note($node->safe_psql('shop', 'SELECT operation, code, count(*) FROM public.surprise GROUP BY 1, 2 ORDER BY 1, 2'));
is( $node->safe_psql('shop', q{
	SELECT DISTINCT ON (operation, code) operation, code, message, context FROM public.surprise
	WHERE code !~ '^(OW0(04|05|09|12|16|42|43|44)|40001)' AND NOT (operation IN ('start', 'upgrade', 'reset', 'child') AND code IN ('55000', '22023'))
		AND NOT (operation = 'schedule' AND code IN ('42501', '42704'))}), '', 'no surprises');
# What history has of a run before it was reset is of the other run.
is( $node->safe_psql('shop', q{
	WITH kept AS (
		SELECT h.run_id, h.state, h.attributes FROM workflow.history h
		LEFT JOIN LATERAL (SELECT max(r.event_id) AS event_id FROM workflow.history r WHERE r.run_id = h.run_id AND r.event_type = 'WorkflowExecutionReset') reset ON true
		WHERE h.event_type = 'ActivityTaskCompleted' AND h.event_id > coalesce(reset.event_id, 0))
	SELECT * FROM (SELECT run_id, state, count(*) FROM kept WHERE state <> 'Out' OR attributes ? 'compensation' GROUP BY 1, 2) h
	FULL JOIN (SELECT run, state, count(*) FROM public.done GROUP BY 1, 2) d ON d.run = h.run_id AND d.state = h.state
	WHERE d.count IS DISTINCT FROM h.count LIMIT 10}), '', 'each activity that has completed was done once');
is( $node->safe_psql('shop', q{
	SELECT s.id, s.run FROM public.sent s
	WHERE s.kind = 'signal' AND NOT EXISTS (SELECT FROM workflow.history h WHERE h.workflow_id = s.run AND h.event_type = 'WorkflowExecutionSignaled'
			AND h.attributes#>'{payload,id}' = to_jsonb(s.id))
		AND NOT EXISTS (SELECT FROM workflow.signals u WHERE u.workflow_id = s.run AND u.payload->'id' = to_jsonb(s.id)) LIMIT 10}), '', 'no signal was lost');
is( $node->safe_psql('shop', q{
	SELECT run_id, attributes#>'{payload,id}' FROM workflow.history WHERE event_type = 'WorkflowExecutionSignaled' AND attributes#>'{payload,id}' <> '0'
	GROUP BY 1, 2 HAVING count(*) > 1 LIMIT 10}), '', 'no run has one twice');
is( $node->safe_psql('shop', q{
	SELECT run_id, attributes->'signal_event_id' FROM workflow.history WHERE event_type = 'SignalConsumed' GROUP BY 1, 2 HAVING count(*) > 1 LIMIT 10}),
	'', 'or consumed it twice');
is( $node->safe_psql('shop', q{
	SELECT run_id, attributes->'update_id' FROM workflow.history WHERE event_type IN ('WorkflowExecutionUpdateAccepted', 'WorkflowExecutionUpdateCompleted')
	GROUP BY 1, 2, event_type HAVING count(*) > 1 LIMIT 10}), '', 'no update was accepted, or completed, twice by a run');
is( $node->safe_psql('shop', q{
	SELECT count(*) FROM workflow.search_attribute s WHERE NOT EXISTS (SELECT FROM workflow.executions e WHERE e.run_id = s.run_id)}), '0', 'search attributes are of runs');
is($node->safe_psql('shop', slurp_file("$directory/consistency.sql") . 'SELECT * FROM pg_temp.faults() LIMIT 10'), '', 'no faults');
my $log = join "\n", grep { !/terminating connection|server process|terminated by signal|all server processes|not properly shut down|could not receive|FATAL:  (connection to client lost|the database|terminating)/ }
	grep { /PANIC|WARNING|TRAP|FATAL|deadlock|XX000/ } split /\n/, slurp_file($node->logfile);
is($log, '', 'nothing alarming in the log');
$node->stop;
done_testing();
