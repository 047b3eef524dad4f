# Ways to go down and come back: an executor that never rests when its postmaster dies, a server that
# does not restart by itself after a crash, and crashes at other points than in an activity's function.

use strict;
use warnings;

use OrderTest;
use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_cluster('server', 'order_workflow.crash_limit = 2');

install($node, 'postgres', 'alice');
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION app.die() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		COPY (SELECT 1) TO PROGRAM 'kill -KILL $PPID';
		PERFORM pg_sleep(60); -- the signal takes its time
	END $$;
	CREATE FUNCTION app.die_later() RETURNS trigger LANGUAGE plpgsql
		AS 'BEGIN PERFORM app.die(); RETURN NULL; END';
	CREATE TABLE app.bombs (run text);
	GRANT ALL ON app.bombs TO alice;
	CREATE CONSTRAINT TRIGGER die_later AFTER INSERT ON app.bombs DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION app.die_later();

	CREATE FUNCTION app.at_once(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_sleep(3); -- whoever starts the server has to see it up, and its pid file
		PERFORM app.die();
		RETURN input;
	END $$;
	CREATE FUNCTION app.deferred(input jsonb) RETURNS jsonb LANGUAGE sql
		AS 'INSERT INTO app.bombs VALUES (''tick'') RETURNING input'});
foreach my $kind (qw(at_once deferred))
{
	$node->safe_psql(
		'postgres', qq{
		SET ROLE alice;
		SELECT workflow.register_activity('$kind', 'app.$kind(jsonb)'::regprocedure);
		SELECT workflow.register('$kind', '{"StartAt": "A", "States": {
			"A": {"Type": "Task", "Resource": "$kind", "Next": "B"},
			"B": {"Type": "Task", "Resource": "quick_activity_alice", "End": true}}}'::jsonb)});
}

# An executor that always has something to do leaves its dead postmaster's server all the same.
start_workflow($node, 'postgres', 'endless', 'alice', 'endless');
$node->poll_query_until('postgres', 'SELECT count(*) > 100 FROM app.calls');
ok(kill_postmaster($node), 'all processes follow the postmaster');
my $calls = $node->safe_psql('postgres', 'SELECT count(*) FROM app.calls');
ok($node->poll_query_until('postgres', "SELECT count(*) > $calls FROM app.calls"),
	'and the next server goes on');
$node->safe_psql('postgres', q{SET ROLE alice; SELECT workflow.terminate('endless')});
wait_for_status($node, 'postgres', 'endless', 'Terminated', 'it ends');

# Whoever it is that starts the server again, the crash is charged.
$node->append_conf('postgresql.conf', 'restart_after_crash = off');
$node->reload;
$node->safe_psql('postgres', q{SET ROLE alice; SELECT workflow.start('at_once', workflow_id => 'at once')});
foreach my $crash (1 .. 2)
{
	# Gone with its pid file, once the last of its processes is
	usleep(50_000) while -e $node->data_dir . '/postmaster.pid';
	$node->kill9;
	$node->start(fail_ok => 1);	# it may go down before it is seen to be up
}
wait_until_up($node);
wait_for_status($node, 'postgres', 'at once', 'Stuck', 'a run that ends the server for good is stopped');
is($node->safe_psql('postgres', q{SELECT crashes FROM workflow.execution WHERE workflow_id = 'at once'}),
	'2', 'after as many crashes as there may be');

$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;

# What is put off to the end of the transaction is the activity's doing, too, and not of those after it.
foreach my $id ('deferred 1', 'deferred 2')
{
	$node->safe_psql('postgres', qq{SET ROLE alice; SELECT workflow.start('deferred', workflow_id => '$id')});
	wait_until_up($node);
	wait_for_status($node, 'postgres', $id, 'Stuck', "one that crashes it at the end is stopped: $id");
}
is( $node->safe_psql(
		'postgres', q{SELECT string_agg(name, ', ') FROM workflow.activity WHERE quarantined_at IS NOT NULL}),
	'deferred',
	'and the right activity is in quarantine');

$node->stop;
done_testing();
