# What the tests of executors, launcher and scanners share: a cluster with the library preloaded, and
# a few workflows to run on it.

package WorkerTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_cluster install start_workflow wait_for_status wait_for_idle executors
  is_running executor_pid);

# The workflows each role owns, as <name>_<role>:
#   quick   one activity that notes its run in the table calls
#   timed   waits a second or two, then the same
#   slow    an activity that takes a minute
#   endless an activity that notes its run, again and again
my %definition = (
	quick => '{"StartAt": "Call", "States": {"Call": {"Type": "Task", "Resource": "%s", "End": true}}}',
	timed => '{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 2, "Next": "Call"},
		"Call": {"Type": "Task", "Resource": "%s", "End": true}}}',
	slow => '{"StartAt": "Sleep", "States": {"Sleep": {"Type": "Task", "Resource": "%s", "End": true}}}',
	endless => '{"StartAt": "Tick", "States": {"Tick": {"Type": "Task", "Resource": "%s", "Next": "Again"},
		"Again": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": true, "Next": "Done"}],
			"Default": "Tick"},
		"Done": {"Type": "Succeed"}}}'
);
my %function = (quick => 'note', timed => 'note', slow => 'sleep', endless => 'note');

# A started cluster.
sub new_cluster
{
	my ($name, @settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 1);
	$node->append_conf('postgresql.conf', $_)
	  foreach (
		"shared_preload_libraries = 'order_workflow'",
		'max_worker_processes = 16',
		'max_prepared_transactions = 5',
		'restart_after_crash = on',
		'client_min_messages = error',
		@settings);
	$node->start;
	return $node;
}

# Creates the extension in a database, and the workflows of these roles; creates the roles, too, where
# they do not exist.
sub install
{
	my ($node, $database, @roles) = @_;

	$node->safe_psql(
		$database, q{
		CREATE EXTENSION order_workflow;
		CREATE SCHEMA app;
		CREATE TABLE app.calls (role name DEFAULT session_user, called_at timestamptz DEFAULT clock_timestamp(),
			note jsonb);
		CREATE FUNCTION app.note(input jsonb) RETURNS jsonb LANGUAGE sql
			AS 'INSERT INTO app.calls (note) VALUES (input) RETURNING input';
		CREATE FUNCTION app.sleep(input jsonb) RETURNS jsonb LANGUAGE sql
			AS 'SELECT input FROM pg_catalog.pg_sleep(60)';
		GRANT USAGE ON SCHEMA app TO PUBLIC;
		GRANT ALL ON app.calls TO PUBLIC;
	});
	install_role($node, $database, $_) foreach @roles;
	return;
}

sub install_role
{
	my ($node, $database, $role) = @_;
	my $sql = '';

	$sql .= "CREATE ROLE $role LOGIN;"
	  if $node->safe_psql($database, "SELECT count(*) FROM pg_roles WHERE rolname = '$role'") == 0;
	$sql .= "SELECT workflow.grant_usage('$role'); SET ROLE $role;";
	foreach my $kind (sort keys %definition)
	{
		my $activity = "${kind}_activity_$role";
		my $asl = sprintf $definition{$kind}, $activity;

		$sql .= qq{
			SELECT workflow.register_activity('$activity', 'app.$function{$kind}(jsonb)'::regprocedure,
				options => '{"StartToCloseSeconds": 120}');
			SELECT workflow.register('${kind}_$role', \$asl\$$asl\$asl\$::jsonb);
		};
	}
	$node->safe_psql($database, $sql);
	return;
}

# Starts a workflow of a role, as that role.
sub start_workflow
{
	my ($node, $database, $kind, $role, $id) = @_;

	$node->safe_psql($database,
		"SET ROLE $role; SELECT workflow.start('${kind}_$role', '{}', workflow_id => '$id')");
	return;
}

# Waits until a run has a status; a test of its own.
sub wait_for_status
{
	my ($node, $database, $id, $status, $what) = @_;

	ok( $node->poll_query_until(
			$database,
			"SELECT status FROM workflow.executions WHERE workflow_id = '$id'", $status),
		$what);
	return;
}

# How many executors there are, of the whole cluster or a database.
sub executors
{
	my ($node, $database) = @_;
	my $condition = defined $database ? "AND datname = '$database'" : '';

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'order_workflow executor' $condition");
}

sub executor_pid
{
	my ($node, $role) = @_;

	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'order_workflow executor' AND usename = '$role'");
}

# Waits until an executor of a role is in the middle of its slow activity.
sub is_running
{
	my ($node, $role) = @_;

	return $node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'order_workflow executor'
		 AND usename = '$role' AND wait_event = 'PgSleep'");
}

# Long enough for anything to have happened that should not.
sub wait_for_idle
{
	sleep 2;
	return;
}

1;
