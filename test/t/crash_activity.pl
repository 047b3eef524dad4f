# Activities that crash the server are found out and stopped; what else there is to do gets done, and
# nobody else is charged.

use strict;
use warnings;

use OrderTest;
use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $limit = 2;
my $node = new_cluster('crash', "order_workflow.crash_limit = $limit");
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION order_workflow;
	CREATE ROLE alice LOGIN;
	CREATE ROLE bob LOGIN;
	SELECT workflow.grant_usage('alice');
	SELECT workflow.grant_usage('bob');
	CREATE SCHEMA app;
	GRANT ALL ON SCHEMA app TO alice, bob;

	-- Ends its own backend, as a bug in some library would.
	CREATE FUNCTION app.crash(input jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		IF input->>'signal' = 'SEGV' THEN
			COPY (SELECT 1) TO PROGRAM 'ulimit -c 0; kill -SEGV $PPID';
		ELSE
			COPY (SELECT 1) TO PROGRAM 'kill -KILL $PPID';
		END IF;
		PERFORM pg_sleep(60); -- the signal takes its time
		RETURN input;
	END $$;
	CREATE FUNCTION app.doze(input jsonb) RETURNS jsonb LANGUAGE sql
		AS 'SELECT input FROM pg_sleep(0.05)'});

# Registers workflows of a role: one activity that is what it says, or that after a harmless one
sub register
{
	my ($role, $name, $function) = @_;

	$node->safe_psql(
		'postgres', qq{
		SET ROLE $role;
		SELECT workflow.register_activity('Harmless_$role', 'app.doze(jsonb)'::regprocedure)
		WHERE NOT EXISTS (SELECT FROM workflow.activities WHERE name = 'Harmless_$role');
		SELECT workflow.register_activity('$name', 'app.$function(jsonb)'::regprocedure);
		SELECT workflow.register('$name', '{"StartAt": "A", "States": {
			"A": {"Type": "Task", "Resource": "Harmless_$role", "Next": "B"},
			"B": {"Type": "Task", "Resource": "$name", "End": true}}}'::jsonb)});
	return;
}

sub start_runs
{
	my ($role, $name, $count, $input) = @_;

	$node->safe_psql('postgres',
		"SET ROLE $role; SELECT workflow.start('$name', '$input', workflow_id => '$name ' || i)"
		  . " FROM generate_series(1, $count) AS i");
	return;
}

# How often the server has crashed because of an executor
sub count_crashes
{
	my @crashes = slurp_file($node->logfile) =~ /"order_workflow executor".* was terminated by signal/g;

	return scalar @crashes;
}

sub query
{
	return $node->safe_psql('postgres', shift);
}

sub runs_by_status
{
	my ($name) = @_;

	return query("SELECT string_agg(s, ', ' ORDER BY s) FROM (SELECT status || ' ' || count(*) AS s
		FROM workflow.executions WHERE workflow = '$name' GROUP BY status) AS t");
}

# Waits until all runs are closed or stuck.
sub settle
{
	my ($what) = @_;

	wait_until_up($node);
	wait_until_closed($node, 'postgres', $what);
	return;
}

# A single one among others is stopped, and its activity is not.
register('alice', 'Doze', 'doze');
register('alice', 'Crash', 'crash');
register('bob', 'Sleep', 'doze');
set_enabled($node, 'off');
start_runs('alice', 'Doze', 40, '{}');
start_runs('alice', 'Crash', 1, '{"signal": "SEGV"}');
start_runs('bob', 'Sleep', 40, '{}');
set_enabled($node, 'on');
settle('a run that crashes the server is stopped');
is(runs_by_status('Crash'), 'Stuck 1', 'it is stuck');
is(runs_by_status('Doze') . '; ' . runs_by_status('Sleep'), 'Completed 40; Completed 40', 'all others complete');
is(count_crashes(), $limit, 'after as many crashes as there may be');
is( query("SELECT stuck->>'Error' FROM workflow.executions WHERE workflow = 'Crash'"),
	'OW.ActivityQuarantined',
	'the view has the reason');
like(
	query("SELECT stuck->>'Cause' FROM workflow.executions WHERE workflow = 'Crash'"),
	qr/activity of this run.*crashed.*$limit times/,
	'with its cause');
like(
	query("SELECT concat_ws(' / ', status, waiting_for, moved_by) FROM workflow.explain('Crash 1')"),
	qr/^Stuck.*OW\.ActivityQuarantined.*workflow\.retry/,
	'and explain() says it');
is(query("SELECT quarantined_at FROM workflow.activities WHERE name = 'Crash'"),
	'', 'one run does not put the activity into quarantine');

# A second one does: no further run crashes anything.
query("SET ROLE alice; SELECT workflow.start('Crash', workflow_id => 'Crash again')");
settle('a second one is stopped');
is(runs_by_status('Crash'), 'Stuck 2', 'both are stuck');
is(count_crashes(), 2 * $limit, 'and have done the same damage');
isnt(query("SELECT quarantined_at FROM workflow.activities WHERE name = 'Crash'"),
	'', 'the activity is in quarantine');
query("SET ROLE alice; SELECT workflow.start('Crash', workflow_id => 'Crash in vain')");
settle('a third one is stopped');
is(runs_by_status('Crash'), 'Stuck 3', 'all three are stuck');
is(count_crashes(), 2 * $limit, 'without a crash');
query("SET ROLE alice; SELECT workflow.retry('Crash 1')");
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM workflow.message');
settle('a retry alone does not help');
is(runs_by_status('Crash'), 'Stuck 3', 'they are still stuck');
is(count_crashes(), 2 * $limit, 'without a crash');

# Repaired and released, they go on from where they were.
query(q{
	CREATE OR REPLACE FUNCTION app.crash(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
	SET ROLE alice;
	SELECT workflow.release_activity('Crash');
	SELECT workflow.retry(workflow_id) FROM workflow.executions WHERE workflow = 'Crash'});
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM workflow.execution'),
	'all go on after the repair');
is(runs_by_status('Crash'), 'Completed 3', 'and complete');
is(count_crashes(), 2 * $limit, 'without a crash');
is(query('SELECT sum(crashes) FROM workflow.activity'), '0', 'and all is forgotten');

# Many of them do hardly more damage than two.
register('alice', 'Bomb', 'crash');
query(q{
	CREATE OR REPLACE FUNCTION app.crash(input jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		COPY (SELECT 1) TO PROGRAM 'kill -KILL $PPID';
		PERFORM pg_sleep(60);
		RETURN input;
	END $$});
set_enabled($node, 'off');
start_runs('alice', 'Bomb', 50, '{}');
set_enabled($node, 'on');
settle('many runs that crash the server are stopped');
is(runs_by_status('Bomb'), 'Stuck 50', 'all are stuck');
my $damage = count_crashes() - 2 * $limit;
note("$damage crashes");
cmp_ok($damage, '<=', 2 * $limit * 4, 'after a few crashes');

# Another process takes the server down again and again: those at work are not to blame.
set_enabled($node, 'off');
query("UPDATE workflow.activity SET crashes = 0; DELETE FROM workflow.execution");
query("SET ROLE $_->[0]; SELECT workflow.start('$_->[1]', workflow_id => 'victim $_->[0] ' || i)
	FROM generate_series(1, 60) AS i")
  foreach ['alice', 'Doze'], ['bob', 'Sleep'];
set_enabled($node, 'on');
foreach my $round (1 .. 6)
{
	$node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'
			AND backend_type = 'order_workflow executor'");

	my $log = -s $node->logfile;
	$node->psql('postgres', q{COPY (SELECT 1) TO PROGRAM 'kill -KILL $PPID'});
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
	wait_until_up($node);
	# Whoever is charged, it has been done when the executors are back.
	$node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'order_workflow executor'");
	is(query('SELECT coalesce(sum(crashes), 0) FROM workflow.execution'), '0', 'no victim is charged');
}
settle('they all go on');
is(query("SELECT count(*) FROM workflow.executions WHERE workflow_id LIKE 'victim%' AND status = 'Completed'"),
	'120', 'and complete');
is(query('SELECT sum(crashes) FROM workflow.activity'), '0', 'nor is an activity');

# What was answered before a run is found out is not lost.
query(q{
	SET ROLE alice;
	SELECT workflow.register_activity('Outside', task_queue => 'outside', options => '{"StartToCloseSeconds": 600}');
	SELECT workflow.register('Ask', '{"StartAt": "O", "States": {"O": {"Type": "Task", "Resource": "Outside", "End": true}}}'::jsonb);
	SELECT workflow.start('Ask', workflow_id => 'asked')});
my $token = query(q{SET ROLE alice; SELECT task_token FROM workflow.poll_activity('outside', 'w', wait => '60 s')});
set_enabled($node, 'off');
query("UPDATE workflow.execution SET crashes = $limit");
is(query(qq{SELECT workflow.complete_activity('$token', '"done"')}), 't', 'a run that has crashed the server too often is answered');
set_enabled($node, 'on');
ok($node->poll_query_until('postgres', q{SELECT status = 'Stuck' FROM workflow.executions WHERE workflow_id = 'asked'}), 'it is stuck');
query(q{SELECT workflow.retry('asked')});
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM workflow.execution'), 'a retry lets it go on');
is(query(q{SELECT output FROM workflow.executions WHERE workflow_id = 'asked'}), '"done"', 'with the answer');

$node->stop;
done_testing();
