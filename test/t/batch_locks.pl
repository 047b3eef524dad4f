# Runs that share a transaction with one that has to wait for somebody's lock: it waits alone, and what it
# makes of waiting is no result.

use strict;
use warnings;

use BatchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_batch_cluster('locks');

as_app(
	$node, q{
	CREATE TABLE app.stock (product int PRIMARY KEY, sold int NOT NULL DEFAULT 0);
	INSERT INTO app.stock SELECT generate_series(1, 100);

	-- Every run sells something of its own; the special one sells product 100 first.
	CREATE FUNCTION app.sell(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c);
		UPDATE app.stock SET sold = sold + 1 WHERE product = (input->>'n')::int;
		IF input ? 'special' THEN
			UPDATE app.stock SET sold = sold + 1 WHERE product = 100;
		END IF;
		RETURN '"sold"';
	END $$;
	-- The same, but takes whatever goes wrong for an answer.
	CREATE FUNCTION app.try_to_sell(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		RETURN app.sell(input, c);
	EXCEPTION WHEN OTHERS THEN
		RETURN to_jsonb(SQLERRM);
	END $$;
	SELECT workflow.register_activity('Sell', 'app.sell(jsonb, workflow.activity_context)');
	SELECT workflow.register_activity('TryToSell', 'app.try_to_sell(jsonb, workflow.activity_context)');
	SELECT workflow.register('sell', '{"StartAt": "Sell", "States": {
		"Sell": {"Type": "Task", "Resource": "Sell", "End": true}}}');
	SELECT workflow.register('sell_second', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Work", "Next": "Sell"},
		"Sell": {"Type": "Task", "Resource": "Sell", "End": true}}}');
	SELECT workflow.register('try_to_sell', '{"StartAt": "Sell", "States": {
		"Sell": {"Type": "Task", "Resource": "TryToSell", "End": true}}}');
	SELECT workflow.register('try_again', '{"StartAt": "Sell", "States": {
		"Sell": {"Type": "Task", "Resource": "TryToSell", "End": true}}}')});

# Runs of a workflow whose special one waits for a lock, until it waits in a transaction of its own.
sub run_against_lock
{
	my ($workflow, $sql) = @_;
	my $holder = $node->background_psql('postgres');

	stop_engine($node);
	start_runs($node, $workflow, 50);
	$holder->query_safe('BEGIN');
	$holder->query_safe('UPDATE app.stock SET sold = sold WHERE product = 100');
	start_engine($node);
	ok( $node->poll_query_until(
			'postgres',
			"SELECT count(*) = 49 FROM workflow.executions WHERE workflow = '$workflow' AND status = 'Completed'"),
		"$workflow: the others complete while the lock is held");
	$node->poll_query_until(
		'postgres', q{
		SELECT count(*) > 0 FROM pg_stat_activity
		WHERE backend_type = 'order_workflow executor' AND wait_event_type = 'Lock'});
	$holder->query_safe('COMMIT');
	$holder->quit;
	wait_until_done($node, $workflow);
	return;
}

# The special run has completed at the first attempt, and its history knows of nothing else.
sub special_sold
{
	my ($workflow, $states) = @_;

	is( $node->safe_psql(
			'postgres', qq{
			SELECT status, output, (SELECT count(*) FROM workflow.history h
					WHERE h.run_id = e.run_id AND event_type IN ('ActivityTaskFailed', 'ActivityTaskTimedOut')),
				(SELECT string_agg(state || ' ' || attempt, ',') FROM app.effects f WHERE f.workflow_id = e.workflow_id)
			FROM workflow.executions e WHERE workflow_id = '$workflow-25'}),
		"Completed|\"sold\"|0|$states",
		"$workflow: the one that waited completes, without a failed attempt");
	return;
}

run_against_lock('sell');
special_sold('sell', 'Sell 1');
others_complete($node, 'sell', 'Sell');
run_against_lock('sell_second');
special_sold('sell_second', 'First 1,Sell 1');
others_complete($node, 'sell_second', 'First,Sell');
run_against_lock('try_to_sell');
special_sold('try_to_sell', 'Sell 1');
others_complete($node, 'try_to_sell', 'Sell');
is($node->safe_psql('postgres', 'SELECT sum(sold) FROM app.stock'), '153', 'everything is sold once');
no_faults($node, 'waiting for a lock');

# A deadlock with a session that waits for what the batch holds.  The batch gives way before the server
# chooses a victim, even if that does so soon.
$node->safe_psql('postgres', "ALTER SYSTEM SET deadlock_timeout = '20ms'");
$node->reload;
stop_engine($node);
start_runs($node, 'try_again', 50);
my $outsider = $node->background_psql('postgres');
$outsider->query_safe("SET deadlock_timeout = '1h'");
$outsider->query_safe('BEGIN');
$outsider->query_safe('UPDATE app.stock SET sold = sold WHERE product = 100');
$outsider->query_until(qr/waiting/, "\\echo waiting\nUPDATE app.stock SET sold = sold WHERE product = 25;\n");
start_engine($node);
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 49 FROM workflow.executions WHERE workflow = 'try_again' AND status = 'Completed'"),
	'the others complete in spite of a deadlock with an outsider');
$outsider->query_safe('COMMIT');
$outsider->quit;
wait_until_done($node, 'try_again');
special_sold('try_again', 'Sell 1');
others_complete($node, 'try_again', 'Sell');
no_faults($node, 'a deadlock with an outsider');

# Two executors, whose runs take the same locks crosswise, each with one activity after the other: had
# they not been chained into one transaction, there would be no deadlock.
$node->safe_psql('postgres', 'ALTER SYSTEM SET order_workflow.max_workers = 2');
$node->safe_psql('postgres', 'ALTER SYSTEM SET order_workflow.batch_size = 25');
$node->reload;
as_app(
	$node, q{
	CREATE FUNCTION app.sell_crosswise(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c);
		UPDATE app.stock SET sold = sold + 1
		WHERE product = CASE WHEN ((input->>'n')::int % 2 = 0) = (c.state = 'First') THEN 98 ELSE 99 END;
		-- Long enough for another to get between the two, too long for a shared transaction.
		PERFORM pg_sleep(CASE WHEN input ? 'special' OR input->>'n' = '24' THEN 0.3 ELSE 0.001 END);
		RETURN input;
	END $$;
	SELECT workflow.register_activity('SellCrosswise', 'app.sell_crosswise(jsonb, workflow.activity_context)');
	SELECT workflow.register('crosswise', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "SellCrosswise", "Next": "Second"},
		"Second": {"Type": "Task", "Resource": "SellCrosswise", "End": true}}}')});
run_together($node, 'crosswise');
others_complete($node, 'crosswise', 'First,Second', 'none');
is($node->safe_psql('postgres', 'SELECT product, sold FROM app.stock WHERE product IN (98, 99) ORDER BY product'),
	"98|50\n99|50", 'everything is sold once');
is( $node->safe_psql(
		'postgres', q{
		SELECT count(*) FROM workflow.history WHERE workflow_id LIKE 'crosswise-%' AND event_type = 'ActivityTaskFailed'}),
	'0',
	'no attempt fails because of the engine\'s own locking');
no_faults($node, 'deadlocks between executors');

# The same, sure to happen: two runs, of two owners and so on two executors, each alone in its transaction,
# where each holds what the other wants.
$node->safe_psql('postgres', "CREATE ROLE app2 LOGIN; SELECT workflow.grant_usage('app2')");
as_app(
	$node, q{
	GRANT USAGE ON SCHEMA app TO app2;
	GRANT ALL ON app.stock, app.effects TO app2;
	CREATE FUNCTION app.cross(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c);
		UPDATE app.stock SET sold = sold + 1
		WHERE product = CASE WHEN ((input->>'n')::int = 1) = (c.state = 'First') THEN 96 ELSE 97 END;
		-- Each has its first lock before either goes on; what is left behind stays if this is undone.
		IF c.state = 'First' THEN
			PERFORM pg_advisory_xact_lock_shared((input->>'n')::int);
			FOR i IN 1 .. 200 LOOP
				EXIT WHEN (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid IN (1, 2)) = 2;
				PERFORM pg_sleep(0.01);
			END LOOP;
		END IF;
		RETURN input;
	END $$;
});
$node->safe_psql('postgres', "ALTER SYSTEM SET deadlock_timeout = '200ms'");
stop_engine($node);
foreach my $n (1, 2)
{
	my $role = $n == 1 ? 'app' : 'app2';

	$node->safe_psql(
		'postgres', qq{
		SELECT workflow.register_activity('Cross$n', 'app.cross(jsonb, workflow.activity_context)');
		SELECT workflow.register('cross$n', '{"StartAt": "First", "States": {
			"First": {"Type": "Task", "Resource": "Cross$n", "Next": "Second"},
			"Second": {"Type": "Task", "Resource": "Cross$n", "End": true}}}');
		SELECT workflow.start('cross$n', '{"n": $n}', workflow_id => 'cross$n')},
		extra_params => [ '-U', $role ]);
}
my $deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'";
my $deadlocks_before = $node->safe_psql('postgres', $deadlocks);
start_engine($node);
foreach my $workflow ('cross1', 'cross2')
{
	wait_until_done($node, $workflow);
	others_complete($node, $workflow, 'First,Second', 'none');
}
is($node->safe_psql('postgres', 'SELECT product, sold FROM app.stock WHERE product IN (96, 97) ORDER BY product'),
	"96|2\n97|2", 'two runs that lock crosswise both complete');
ok($node->poll_query_until('postgres', "SELECT ($deadlocks) > $deadlocks_before"), 'one of them having been in a deadlock');
no_faults($node, 'a deadlock between two runs');

$node->stop;
done_testing();
