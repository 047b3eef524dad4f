# Workers outside work off tasks while they, their sessions and the server are killed: each task is completed exactly
# once in history, whatever was done twice, and nothing is left over. The workers' role has been granted their queue
# and nothing else.

use strict;
use warnings;

use File::Basename;
use POSIX ();
use OrderTest;
use PostgreSQL::Test::Utils;
use WorkerTest;
use Test::More;
use Time::HiRes qw(usleep time);

my $runs    = 150;
my $workers = 6;
my $node    = new_cluster('outside', 'order_workflow.crash_limit = 1000', 'log_min_messages = warning');
my $seed    = $ENV{STORM_SEED} // int(rand 2**31);
srand $seed;
note("STORM_SEED=$seed");

$node->safe_psql('postgres', $_)
  foreach ('CREATE ROLE shop LOGIN', 'CREATE ROLE worker LOGIN', 'CREATE ROLE idler LOGIN', 'CREATE DATABASE shop OWNER shop');
$node->safe_psql(
	'shop', q{
	CREATE EXTENSION order_workflow;
	SELECT workflow.grant_usage('shop');
	CREATE TABLE public.done (task_token uuid, key text);
	GRANT ALL ON public.done TO worker, shop;
	SET ROLE shop;
	CREATE FUNCTION public.note(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
	SELECT workflow.register_activity('Note', 'public.note(jsonb)', options => '{"StartToCloseSeconds": 60}');
	SELECT workflow.register_activity('Pay', task_queue => 'work',
		options => '{"StartToCloseSeconds": 2, "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaximumAttempts": 0}]}');
	SELECT workflow.register_activity('Ship', task_queue => 'work', options => '{"HeartbeatSeconds": 2,
		"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaximumAttempts": 0}]}');
	SELECT workflow.register('order', '{"StartAt": "Pay", "States": {
		"Pay": {"Type": "Task", "Resource": "Pay", "ResultPath": "$.paid", "Next": "Note"},
		"Note": {"Type": "Task", "Resource": "Note", "Next": "Ship"},
		"Ship": {"Type": "Task", "Resource": "Ship", "ResultPath": "$.shipped", "End": true}}}');
	SELECT workflow.grant_worker('worker', 'work');
	SELECT workflow.grant_worker('idler', 'other')});

# Runs code in another process, which must not stop the server when it ends, or dies.
sub in_background
{
	my ($code) = @_;
	my $pid = fork // die;

	return $pid if $pid;
	setpgrp;
	open STDERR, '>', '/dev/null';
	eval { $code->() };
	POSIX::_exit(0);
}

# What a role may that has no grant on the queue, or none at all
$node->safe_psql('shop', q{SET ROLE shop; SELECT workflow.start('order', workflow_id => 'first')});
ok( $node->poll_query_until('shop', q{SELECT count(*) = 1 FROM workflow.activity_task}), 'a task is in the queue');
is($node->safe_psql('shop', q{SET ROLE idler; SELECT count(*) FROM workflow.poll_activity('work', 'idler')}),
	'0', 'a role sees nothing of queues it was not granted');
my ($status, $out, $error) = $node->psql('shop', q{SET ROLE worker; SELECT * FROM workflow.activity_task});
like($error, qr/permission denied/, 'a worker reads no table');
($status, $out, $error) = $node->psql('shop', q{SET ROLE worker; SELECT workflow.start('order')});
like($error, qr/permission denied/, 'and starts nothing');

# A waiting poll wakes up when a task comes, without holding anything up.
{
	my $began = time;
	my $pid   = in_background(
		sub {
			usleep(500_000);
			$node->psql('shop', q{SET ROLE shop; SELECT workflow.start('order', workflow_id => 'second')});
		});

	is($node->safe_psql('shop', q{SET ROLE worker; SELECT count(*) FROM workflow.poll_activity('work', 'w')}), 1, 'the first is taken');
	is($node->safe_psql('shop', q{SET ROLE worker; SELECT count(*) FROM workflow.poll_activity('work', 'w', wait => '20s')}),
		1, 'a poll waits for a task');
	cmp_ok(time - $began, '<', 15, 'and not longer');
	waitpid($pid, 0);
	$pid = in_background(sub { $node->psql('shop', q{CALL workflow.wait_for_activity('empty', '10s')}) });
	ok( $node->poll_query_until('shop', q{SELECT count(*) = 1 FROM pg_stat_activity
			WHERE query LIKE 'CALL workflow.wait_for_activity%' AND wait_event = 'Extension' AND backend_xmin IS NULL}),
		'wait_for_activity holds no snapshot');
	$node->safe_psql('shop', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL workflow.wait_for_activity%'});
	waitpid($pid, 0);
}

# A worker: takes a few, notes that it does them, beats, answers.
sub work
{
	my ($name) = @_;
	my ($rc, $stdout) = $node->psql('shop',
		qq{SET ROLE worker; SELECT task_token, idempotency_key FROM workflow.poll_activity('work', '$name', 5, '200ms')});
	my @tasks = map { [ split /\|/ ] } split /\n/, $stdout // '';

	usleep(20_000) if $rc;
	return if !@tasks;
	$node->psql(
		'shop',
		join ';',
		'SET ROLE worker',
		map { "INSERT INTO public.done VALUES ('$_->[0]', '$_->[1]'); SELECT workflow.heartbeat('$_->[0]', '1')" } @tasks);
	usleep(rand 50_000);
	my $tokens = join ',', map { $_->[0] } @tasks;
	$node->psql('shop', "SET ROLE worker; SELECT workflow.complete_activities('{$tokens}')");
	return;
}

# Whatever fails, it goes on.
sub start_worker
{
	my ($name) = @_;

	return in_background(
		sub {
			while (1)
			{
				eval { work($name) };
			}
		});
}

$node->safe_psql('shop', qq{SET ROLE shop; SELECT count(workflow.start('order', workflow_id => 'order ' || n)) FROM generate_series(1, $runs) n});
my @pids   = map { start_worker("w$_") } 1 .. $workers;
my %killed = (worker => 0, session => 0, server => 0);
foreach my $round (1 .. 25)
{
	usleep(100_000 + rand 200_000);
	last if ($node->psql('shop', 'SELECT count(*) FROM workflow.execution'))[1] eq '0';
	if ($round % 9 == 0)
	{
		$killed{server} += kill_server($node);
	}
	elsif ($round % 3 == 0)
	{
		$killed{session}++
		  if ($node->psql('shop', q{SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
				WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2) s}))[1];
	}
	else
	{
		my $victim = int rand @pids;

		kill 'KILL', -$pids[$victim];
		waitpid($pids[$victim], 0);
		$pids[$victim] = start_worker("w$victim again");
		$killed{worker}++;
	}
}
note('killed: ' . join(', ', map { "$_ $killed{$_}" } sort keys %killed));
cmp_ok($killed{worker}, '>', 0, 'some workers were killed');
cmp_ok($killed{server}, '>', 0, 'and the server');
wait_until_closed($node, 'shop', 'all runs end');
kill 'KILL', -$_ foreach @pids;
waitpid($_, 0) foreach @pids;

is($node->safe_psql('shop', 'SELECT status, count(*) FROM workflow.executions GROUP BY 1'),
	'Completed|' . ($runs + 2), 'and complete');
is( $node->safe_psql('shop', q{SELECT count(*) FROM (SELECT run_id, state FROM workflow.history
		WHERE event_type = 'ActivityTaskCompleted' GROUP BY 1, 2 HAVING count(*) <> 1) wrong}),
	'0', 'each task was completed exactly once in history');
is($node->safe_psql('shop', q{SELECT count(*) FROM workflow.history WHERE event_type = 'ActivityTaskCompleted'}),
	3 * ($runs + 2), 'none was left out');
cmp_ok($node->safe_psql('shop', q{SELECT count(*) FROM workflow.history WHERE event_type = 'ActivityTaskTimedOut'}),
	'>', 0, 'some timed out on the way');
is( $node->safe_psql('shop', q{SELECT (SELECT count(*) FROM workflow.activity_task), (SELECT count(*) FROM workflow.activity_heartbeat),
		(SELECT count(*) FROM workflow.timer), (SELECT count(*) FROM workflow.message)}),
	'0|0|0|0', 'nothing is left over');
is($node->safe_psql('shop', slurp_file(dirname(__FILE__) . '/consistency.sql') . 'SELECT * FROM pg_temp.faults()'),
	'', 'no faults');
$node->stop;
done_testing();
