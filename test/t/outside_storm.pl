# Ten thousand tasks, worked off over 32 connections by programs that forget, repeat themselves and come late, while they, their
# sessions and the server are killed: each task is completed exactly once in history, by an answer that was accepted once.

use strict;
use warnings;

use File::Basename;
use OrderTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use WorkerTest;
use Test::More;
use Time::HiRes qw(usleep);

my $runs        = 2_500;    # of four tasks each
my $connections = 32;
my $program     = dirname(__FILE__) . '/outside_storm.py';
my $told        = PostgreSQL::Test::Utils::tempdir();
my $node        = new_cluster('outside_storm', 'order_workflow.crash_limit = 1000', 'log_min_messages = fatal');
my $seed        = $ENV{STORM_SEED} // int(rand 2**31);
srand $seed;
note("STORM_SEED=$seed");

$node->safe_psql('postgres', $_) foreach ('CREATE ROLE shop LOGIN', 'CREATE ROLE worker LOGIN', 'CREATE DATABASE shop OWNER shop');
$node->safe_psql(
	'shop', q{
	CREATE EXTENSION order_workflow;
	SELECT workflow.grant_usage('shop');
	SET ROLE shop;
	SELECT workflow.register_activity('Work', task_queue => 'work', options => '{"StartToCloseSeconds": 3,
		"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaximumAttempts": 0}]}');
	SELECT workflow.register('order', '{"StartAt": "Reserve", "States": {
		"Reserve": {"Type": "Task", "Resource": "Work", "Next": "Pay"},
		"Pay": {"Type": "Task", "Resource": "Work", "Next": "Both"},
		"Both": {"Type": "Parallel", "End": true, "Branches": [
			{"StartAt": "Pack", "States": {"Pack": {"Type": "Task", "Resource": "Work", "End": true}}},
			{"StartAt": "Tell", "States": {"Tell": {"Type": "Task", "Resource": "Work", "End": true}}}]}}}');
	SELECT workflow.grant_worker('worker', 'work')});

my $started = 0;

sub start_worker
{
	my $name = 'w' . ++$started;
	my $pid  = fork // die;

	return $pid if $pid;
	@ENV{qw(PGHOST PGPORT PGUSER PGDATABASE)} = ($node->host, $node->port, 'worker', 'shop');
	open STDOUT, '>', "$told/$name" or POSIX::_exit(1);
	open STDERR, '>', '/dev/null' or POSIX::_exit(1);
	exec '/usr/bin/python3', $program, $name, $seed + $started;
	POSIX::_exit(127);
}

sub count_rows
{
	my ($of) = @_;
	my ($status, $count) = $node->psql('shop', "SELECT count(*) FROM $of");

	return $status ? undef : $count;
}

my @pids   = map { start_worker() } 1 .. $connections;
my %killed = (worker => 0, session => 0, server => 0);
$node->safe_psql('shop', qq{SET ROLE shop; SELECT count(*) FROM workflow.start_many('order', array_fill('{}'::jsonb, ARRAY[$runs]))});
foreach my $round (1 .. 1000)
{
	my $left = count_rows('workflow.execution');

	last if defined $left && $left < $runs / 20;
	usleep(50_000 + rand 200_000);
	if ($round % 20 == 10)
	{
		$killed{server} += kill_server($node);
	}
	elsif ($round % 3 == 0)
	{
		$killed{session}++
		  if ($node->psql('shop', q{SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
				WHERE backend_type = 'client backend' AND usename = 'worker' ORDER BY random() LIMIT 2) s}))[1];
	}
	else
	{
		my $victim = int rand @pids;

		kill 'KILL', $pids[$victim];
		waitpid($pids[$victim], 0);
		$pids[$victim] = start_worker();
		$killed{worker}++;
	}
}
note('killed: ' . join(', ', map { "$_ $killed{$_}" } sort keys %killed));
cmp_ok($killed{$_}, '>', 0, "some ${_}s were killed") foreach sort keys %killed;
wait_until_closed($node, 'shop', 'all runs end');
kill 'KILL', $_ foreach @pids;
waitpid($_, 0) foreach @pids;

is($node->safe_psql('shop', 'SELECT status, count(*) FROM workflow.executions GROUP BY 1'), "Completed|$runs", 'and complete');
is( $node->safe_psql('shop', q{SELECT count(*), count(DISTINCT (run_id, state)) FROM workflow.history WHERE event_type = 'ActivityTaskCompleted'}),
	4 * $runs . '|' . 4 * $runs, 'each task was completed exactly once in history');
foreach my $other (qw(ActivityTaskTimedOut ActivityTaskFailed))
{
	cmp_ok(count_rows("workflow.history WHERE event_type = '$other'"), '>', 0, "some had $other on the way");
}

# What workers were told is taken is in history; of what was being answered when they or the server died nobody was told.
my @accepted = sort map { split /\n/, slurp_file($_) } glob "$told/*";
my $repeated = grep { $accepted[$_] eq $accepted[ $_ - 1 ] } 1 .. $#accepted;
is($repeated, 0, 'no answer was accepted twice');
cmp_ok(scalar @accepted, '<=', 4 * $runs, 'nor more than there are tasks');
cmp_ok(scalar @accepted, '>', $runs, 'and many workers were told');

is( $node->safe_psql('shop', q{SELECT (SELECT count(*) FROM workflow.activity_task), (SELECT count(*) FROM workflow.activity_heartbeat),
		(SELECT count(*) FROM workflow.timer), (SELECT count(*) FROM workflow.message), (SELECT count(*) FROM workflow.branch)}),
	'0|0|0|0|0', 'nothing is left over');
is($node->safe_psql('shop', slurp_file(dirname(__FILE__) . '/consistency.sql') . 'SELECT * FROM pg_temp.faults()'), '', 'no faults');
$node->stop;
done_testing();
