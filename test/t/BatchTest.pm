# What the tests of batches share: a cluster whose single executor takes all runs into one batch, as a
# role app that owns their workflows, and the table app.effects of what their activities have done.

package BatchTest;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_batch_cluster as_app stop_engine start_engine start_runs wait_until_done run_together
  others_complete shared_transactions no_faults);

# A started cluster.  The batch is not cut short by time, however slow the machine is.
sub new_batch_cluster
{
	my ($name, @settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', $_)
	  foreach (
		"shared_preload_libraries = 'order_workflow'",
		'max_worker_processes = 16',
		'client_min_messages = error',
		'order_workflow.max_workers = 1',
		'order_workflow.batch_time = 60s',
		@settings);
	$node->start;
	$node->safe_psql(
		'postgres', q{
		CREATE EXTENSION order_workflow;
		CREATE ROLE app LOGIN;
		GRANT CREATE ON DATABASE postgres TO app;
		SELECT workflow.grant_usage('app')});
	as_app(
		$node, q{
		CREATE SCHEMA app;
		CREATE TABLE app.effects (workflow_id text, state text, attempt int, note text,
			pid int DEFAULT pg_backend_pid(), transaction xid8 DEFAULT pg_current_xact_id());
		CREATE FUNCTION app.note(c workflow.activity_context, note text DEFAULT NULL) RETURNS void LANGUAGE sql
			AS $$ INSERT INTO app.effects (workflow_id, state, attempt, note)
				VALUES (c.workflow_id, c.state, c.attempt, note) $$;
		CREATE FUNCTION app.work(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql
			AS $$ BEGIN PERFORM app.note(c); RETURN input; END $$;
		SELECT workflow.register_activity('Work', 'app.work(jsonb, workflow.activity_context)')});
	return $node;
}

# Executes SQL as the role app; returns what it prints.
sub as_app
{
	my ($node, $sql) = @_;

	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', 'app' ]);
}

sub executors
{
	return "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'order_workflow executor'";
}

sub stop_engine
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'ALTER SYSTEM SET order_workflow.enabled = off');
	$node->reload;
	$node->poll_query_until('postgres', executors(), '0') or die 'executors do not leave';
	return;
}

sub start_engine
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'ALTER SYSTEM RESET order_workflow.enabled');
	$node->reload;
	return;
}

# Starts runs NAME-1 to NAME-COUNT of a workflow at once; the 25th is special: its input has "special".
sub start_runs
{
	my ($node, $workflow, $count) = @_;

	as_app(
		$node, qq{
		SELECT count(*) FROM workflow.start_many('$workflow',
			ARRAY(SELECT jsonb_build_object('n', n) || CASE n WHEN 25 THEN '{"special": true}' ELSE '{}' END::jsonb
				FROM generate_series(1, $count) n),
			ARRAY(SELECT '$workflow-' || n FROM generate_series(1, $count) n))});
	return;
}

# Waits until nothing is left to do for the runs of a workflow.
sub wait_until_done
{
	my ($node, $workflow) = @_;

	ok( $node->poll_query_until(
			'postgres', qq{SELECT NOT EXISTS (
				SELECT FROM workflow.executions
				WHERE workflow = '$workflow' AND closed_at IS NULL AND status <> 'Stuck')}
		),
		"$workflow: all runs come to an end")
	  or diag(
		$node->safe_psql(
			'postgres',
			"SELECT workflow_id, status, state, phase, attempt, ready, due_at, crashes FROM workflow.execution LIMIT 10"
		));
	return;
}

# Runs of a workflow from start to end, in the same batch.
sub run_together
{
	my ($node, $workflow, $count) = @_;

	stop_engine($node);
	start_runs($node, $workflow, $count // 50);
	start_engine($node);
	wait_until_done($node, $workflow);
	return;
}

# All but the special run have completed, each state having had its effect once and at the first attempt.
sub others_complete
{
	my ($node, $workflow, $states, $special) = @_;
	my $exception = $special // "$workflow-25";

	is( $node->safe_psql(
			'postgres', qq{
			SELECT workflow_id, e.status, (SELECT count(*) FROM app.effects f WHERE f.workflow_id = e.workflow_id)
			FROM workflow.executions e
			WHERE workflow = '$workflow' AND workflow_id <> '$exception'
				AND (status <> 'Completed' OR
					ARRAY(SELECT state || ' ' || attempt FROM app.effects f WHERE f.workflow_id = e.workflow_id
						ORDER BY state)
					<> ARRAY(SELECT s || ' 1' FROM unnest('{$states}'::text[]) s ORDER BY s))}
		),
		'',
		"$workflow: the other runs complete, each effect happens once");
	return;
}

# How many runs the largest transaction of a workflow has carried on.
sub shared_transactions
{
	my ($node, $workflow) = @_;

	return $node->safe_psql(
		'postgres', qq{
		SELECT count(DISTINCT workflow_id) FROM app.effects
		WHERE workflow_id LIKE '$workflow-%' GROUP BY transaction ORDER BY 1 DESC LIMIT 1});
}

# Nothing is wrong with any run of the database.
sub no_faults
{
	my ($node, $what) = @_;

	is( $node->safe_psql(
			'postgres', slurp_file(dirname(__FILE__) . '/consistency.sql') . 'SELECT * FROM pg_temp.faults() LIMIT 10'),
		'',
		"$what: each history leads to the state of its run");
	return;
}

1;
