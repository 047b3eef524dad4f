# Taking tasks does not become slower when an old snapshot keeps what was taken in the index, and still finds what came
# late. Of those who wait for a task queue as many are woken as there are tasks, and none starves: neither those who
# want something else than the others, nor when those who are woken are killed or roll back.

use strict;
use warnings;

use POSIX ();
use WorkerTest;
use Test::More;
use Time::HiRes qw(usleep time);

my $node = new_cluster('waiting', 'max_connections = 40', 'log_min_messages = warning');

$node->safe_psql('postgres', $_) foreach ('CREATE ROLE shop LOGIN', 'CREATE DATABASE shop OWNER shop');
$node->safe_psql(
	'shop', q{
	CREATE EXTENSION order_workflow;
	SELECT workflow.grant_usage('shop');
	SET ROLE shop;
	SELECT workflow.register_activity(name, task_queue => 'work', options => '{"StartToCloseSeconds": 600}')
		FROM unnest('{A,B,C}'::text[]) AS name;
	SELECT workflow.register('one ' || name, format('{"StartAt": "Do", "States": {
		"Do": {"Type": "Task", "Resource": "%s", "End": true}}}', name)::jsonb) FROM unnest('{A,B,C}'::text[]) AS name;
	SELECT workflow.register('many', '{"StartAt": "Do", "States": {
		"Do": {"Type": "Task", "Resource": "A", "TaskQueue": "many", "End": true}}}')});

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

# ---- an old snapshot ----

my $snapshot = $node->background_psql('shop');
$snapshot->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM workflow.execution;');
$node->safe_psql('shop', q{SET ROLE shop; SELECT count(workflow.start('many', to_jsonb(n))) FROM generate_series(1, 3000) n});
ok($node->poll_query_until('shop', 'SELECT count(*) = 3000 FROM workflow.activity_task'), 'many tasks are in the queue');
my @inputs = split /\n/, $node->safe_psql('shop', 'SELECT input FROM workflow.activity_task ORDER BY queued_at');

my $read = q{SELECT pg_stat_force_next_flush();
	SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'activity_task_available';};
my $poll   = q{SELECT string_agg(input::text, ',') FROM workflow.poll_activity('many', 'w', 10);};
my @output = split /\n/, $node->safe_psql('shop', join "\n", 'SET ROLE shop;', $poll, 'SELECT pg_stat_force_next_flush();', $read, ($poll) x 200, $read);
@output = grep { $_ ne '' } @output;
my ($before, $after) = ($output[1], $output[-1]);
is(join(',', sort { $a <=> $b } split /,/, join ',', $output[0], @output[ 2 .. 201 ]), join(',', sort { $a <=> $b } @inputs[ 0 .. 2009 ]),
	'those that came first are taken');
cmp_ok($after - $before, '<', 40_000, 'without walking over what was taken before each time');
note('index entries read: ' . ($after - $before));

# What is older, or more urgent, than what was there when the session looked: the rest hides it from the position.
my $session = $node->background_psql('shop');
$session->query_safe(q{SELECT FROM workflow.poll_activity('many', 'w', 10);});
$node->safe_psql('shop', qq{
	UPDATE workflow.activity_task SET queued_at = queued_at - interval '1 hour' WHERE input = '$inputs[2900]';
	UPDATE workflow.activity_task SET priority = 1 WHERE input = '$inputs[2901]'});
my $found = '';
foreach (1 .. 300)
{
	$found .= $session->query_safe(qq{SELECT CASE input WHEN '$inputs[2900]' THEN 'old' WHEN '$inputs[2901]' THEN 'urgent' END
		FROM workflow.poll_activity('many', 'w');}) . ' ';
	last if $found =~ /old/ && $found =~ /urgent/;
	usleep(10_000);
}
like($found, qr/urgent.*old|old.*urgent/s, 'what came late or with a new priority is found before the rest');
cmp_ok($node->safe_psql('shop', 'SELECT count(*) FROM workflow.activity_task WHERE worker IS NULL'), '>', 500, 'of which there is enough');
$session->quit;
$snapshot->quit;
$node->safe_psql('shop', q{SELECT count(workflow.terminate(run_id)) FROM workflow.executions WHERE closed_at IS NULL});
ok($node->poll_query_until('shop', 'SELECT count(*) = 0 FROM workflow.execution'), 'none is left');

# ---- waiting ----

# Waits in a session of its own; says in which order it was served.
sub start_waiter
{
	my ($activity, $name) = @_;

	return in_background(
		sub {
			$node->psql('shop', qq{SET application_name = '$name';
				SELECT workflow.complete_activity(task_token) FROM workflow.poll_activity('work', '$name', wait => '100s',
					activities => '{$activity}')});
		});
}

sub wait_for_waiters
{
	my ($count) = @_;

	ok( $node->poll_query_until('shop', qq{SELECT count(*) = $count FROM pg_stat_activity
			WHERE application_name LIKE 'waiter%' AND state = 'active' AND wait_event = 'Extension'}),
		"$count wait");
	return;
}

# Ten want A, one wants B and one C. Only one of them is for the next task.
my @pids = ((map { start_waiter('A', "waiter A$_") } 1 .. 10), start_waiter('B', 'waiter B'), start_waiter('C', 'waiter C'));
wait_for_waiters(12);
my $began = time;
foreach my $activity ('C', 'B')
{
	$node->safe_psql('shop', "SET ROLE shop; SELECT workflow.start('one $activity', workflow_id => '$activity')");
	ok($node->poll_query_until('shop', "SELECT status = 'Completed' FROM workflow.executions WHERE workflow_id = '$activity'"),
		"the one who wants $activity gets it");
}
cmp_ok(time - $began, '<', 50, 'having been woken');
wait_for_waiters(10);

# One who takes a task and rolls back wakes somebody else.
my $other = $node->background_psql('shop');
$other->query_safe(q{BEGIN; SET LOCAL ROLE shop; SELECT workflow.start('one A', workflow_id => 'A');});
$other->query_safe('COMMIT;');
ok($node->poll_query_until('shop', q{SELECT status = 'Completed' FROM workflow.executions WHERE workflow_id = 'A'}), 'one of ten gets a task');
wait_for_waiters(9);
kill 'KILL', -$_ foreach @pids;
$node->safe_psql('shop', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'waiter%'});
waitpid($_, 0) foreach @pids;
wait_for_waiters(0);
$other->query_safe(q{SET ROLE shop; SELECT workflow.start('one A', workflow_id => 'back');});
ok($node->poll_query_until('shop', q{SELECT count(*) = 1 FROM workflow.activity_task WHERE task_queue = 'work'}), 'a task is in the queue');
$other->query_safe(q{BEGIN; SELECT count(*) FROM workflow.poll_activity('work', 'other');});
$began = time;
@pids = start_waiter('A', 'waiter A');
wait_for_waiters(1);
$other->query_safe('ROLLBACK;');
ok($node->poll_query_until('shop', q{SELECT status = 'Completed' FROM workflow.executions WHERE workflow_id = 'back'}), 'what was taken and rolled back is given to one who waits');
$other->query_safe(q{SELECT workflow.start('one A', workflow_id => 'part');});
ok($node->poll_query_until('shop', q{SELECT count(*) = 1 FROM workflow.activity_task WHERE task_queue = 'work'}), 'another');
$other->query_safe(q{BEGIN; SAVEPOINT s; SELECT count(*) FROM workflow.poll_activity('work', 'other');});
push @pids, start_waiter('A', 'waiter A');
wait_for_waiters(1);
$other->query_safe('ROLLBACK TO s;');
ok($node->poll_query_until('shop', q{SELECT status = 'Completed' FROM workflow.executions WHERE workflow_id = 'part'}), 'also by a part of a transaction');
$other->query_safe(q{ROLLBACK; SELECT workflow.start('one A', workflow_id => 'prepared');});
ok($node->poll_query_until('shop', q{SELECT count(*) = 1 FROM workflow.activity_task WHERE task_queue = 'work'}), 'and another');
$other->query_safe(q{BEGIN; SELECT count(*) FROM workflow.poll_activity('work', 'other'); PREPARE TRANSACTION 'taken';});
push @pids, start_waiter('A', 'waiter A');
wait_for_waiters(1);
$other->query_safe(q{ROLLBACK PREPARED 'taken';});
ok($node->poll_query_until('shop', q{SELECT status = 'Completed' FROM workflow.executions WHERE workflow_id = 'prepared'}), 'and by a prepared transaction');
cmp_ok(time - $began, '<', 50, 'at once');
$other->quit;
waitpid($_, 0) foreach @pids;

# Whoever is told of a task and goes without taking it has another one woken.
$other = $node->background_psql('shop');
$began = time;
{
	my $told = in_background(sub { $node->psql('shop', q{SET application_name = 'waiter told'; CALL workflow.wait_for_activity('work', '100s')}) });

	wait_for_waiters(1);
	@pids = start_waiter('A', 'waiter A');
	wait_for_waiters(2);
	$node->safe_psql('shop', q{SET ROLE shop; SELECT workflow.start('one A', workflow_id => 'told')});
	ok($node->poll_query_until('shop', q{SELECT status = 'Completed' FROM workflow.executions WHERE workflow_id = 'told'}), 'a task that one was only told of is taken by another');
	cmp_ok(time - $began, '<', 50, 'at once');
	$node->safe_psql('shop', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'waiter%'});
	waitpid($_, 0) foreach ($told, @pids);
}
$other->quit;

# ---- limits ----

# Runs a poll that waits, in the background, while something is done that lets it go on; it must not wait till its end.
sub is_served
{
	my ($what, $sql) = @_;
	my $pid = start_waiter('A', 'waiter A');

	$began = time;
	wait_for_waiters(1);
	is($node->safe_psql('shop', q{SELECT count(*) FROM workflow.activity_task WHERE task_queue = 'work' AND worker IS NULL}) > 0,
		1, 'there is something, but not for it');
	$node->safe_psql('shop', "SET ROLE shop; $sql");
	waitpid($pid, 0);
	cmp_ok(time - $began, '<', 50, $what);
	return;
}

sub start_a
{
	my ($count) = @_;

	$node->safe_psql('shop', qq{SET ROLE shop; SELECT count(workflow.start('one A')) FROM generate_series(1, $count)});
	ok($node->poll_query_until('shop', qq{SELECT count(*) >= $count FROM workflow.activity_task WHERE task_queue = 'work'}), "$count tasks are in the queue");
	return;
}

start_a(4);
$node->safe_psql('shop', q{SET ROLE shop; SELECT workflow.pause_task_queue('work')});
is_served('a poll that waits goes on when its queue is resumed', q{SELECT workflow.resume_task_queue('work')});
$node->safe_psql('shop', q{SET ROLE shop; SELECT workflow.pause_task_queue('work')});
is_served('or when the pause is over', q{SELECT workflow.pause_task_queue('work', now() + interval '1 second')});
my $token = $node->safe_psql('shop', q{SET ROLE shop; SELECT workflow.set_task_queue('work', max_in_flight => 1);
	SELECT task_token FROM workflow.poll_activity('work', 'w')});
$token =~ s/\s//g;
is_served('or when another task has ended', "SELECT workflow.complete_activity('$token')");
ok($node->poll_query_until('shop', q{SELECT count(*) = 0 FROM workflow.activity_task WHERE task_queue = 'work'}), 'all are done');

start_a(3);
$node->safe_psql('shop', q{SET ROLE shop; SELECT workflow.set_task_queue('work', rate_limit => 0.5)});
$began = time;
foreach (1 .. 3)
{
	$node->safe_psql('shop', q{SELECT workflow.complete_activity(task_token) FROM workflow.poll_activity('work', 'w', wait => '100s')});
}
cmp_ok(time - $began, '>', 3.5, 'a poll waits for the rate');
cmp_ok(time - $began, '<', 50, 'and no longer');
$node->safe_psql('shop', q{SET ROLE shop; CALL workflow.wait_for_activity('work', '10ms')});

# One owner's limits are not another's.
$node->safe_psql('shop', q{SET ROLE shop; SELECT workflow.set_task_queue('work', max_in_flight => 1)});
start_a(2);
$node->safe_psql('shop', q{
	SELECT workflow.register_activity('Mine', task_queue => 'work', options => '{"StartToCloseSeconds": 600}');
	SELECT workflow.register('mine', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Mine", "End": true}}}');
	SELECT count(workflow.start('mine')) FROM generate_series(1, 3)});
ok($node->poll_query_until('shop', q{SELECT count(*) = 5 FROM workflow.activity_task WHERE task_queue = 'work'}), 'tasks of two owners');
is( $node->safe_psql('shop', q{SELECT activity, count(*) FROM workflow.poll_activity('work', 'w', 10) GROUP BY 1 ORDER BY 1}),
	"A|1\nMine|3", 'one owner\'s limits do not keep the other\'s tasks from being taken');
$node->safe_psql('shop', q{SELECT count(workflow.terminate(run_id)) FROM workflow.executions WHERE closed_at IS NULL;
	SET ROLE shop; SELECT workflow.set_task_queue('work')});
ok($node->poll_query_until('shop', 'SELECT count(*) = 0 FROM workflow.execution'), 'none is left');

# Workers that wait long, of three kinds, some of whom are killed: nobody waits until somebody's time is over.
sub work
{
	my ($name, $activity) = @_;

	return in_background(
		sub {
			while (1)
			{
				$node->psql('shop', qq{SET application_name = 'waiter $name'; } . qq{SELECT workflow.complete_activity(task_token)
					FROM workflow.poll_activity('work', '$name', wait => '100s', activities => '{$activity}');} x 20);
				usleep(1000);
			}
		});
}

$began = time;
@pids  = map { my $activity = $_; map { work("$activity$_", $activity) } 1 .. 3 } 'A' .. 'C';
wait_for_waiters(9);
foreach my $round (1 .. 20)
{
	$node->safe_psql('shop', q{SET ROLE shop; SELECT count(workflow.start('one ' || chr(65 + (random() * 2)::int)))
		FROM generate_series(1, 5)});
	$node->safe_psql('shop', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'waiter%'
		ORDER BY random() LIMIT 2});
}
ok( $node->poll_query_until('shop', q{SELECT NOT EXISTS (SELECT FROM workflow.activity_task WHERE worker IS NULL)
		AND NOT EXISTS (SELECT FROM workflow.execution WHERE phase <> 'Queued')}),
	'all tasks are taken');
cmp_ok(time - $began, '<', 80, 'before anybody who waited gave up');
kill 'KILL', -$_ foreach @pids;
waitpid($_, 0) foreach @pids;
$node->stop;
done_testing();
