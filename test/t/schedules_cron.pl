# Schedules with a real pg_cron: in the same database, and in another one of the cluster; what it takes a cron expression
# for; what is made up for after a restart; jobs that are missing.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Only ticks start anything while executors are off.
my $node = new_cluster(
	'schedules',
	"shared_preload_libraries = 'order_workflow, pg_cron'",
	"cron.database_name = 'postgres'",
	'cron.use_background_workers = on',
	'order_workflow.enabled = off');

foreach my $database ('postgres', 'other')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->safe_psql($database, q{
		CREATE EXTENSION order_workflow;
		DO $$ BEGIN CREATE ROLE clerk LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		SELECT workflow.grant_usage('clerk');
		SET ROLE clerk;
		SELECT workflow.register('work', '{"StartAt": "Work", "States": {"Work": {"Type": "Pass", "End": true}}}'::jsonb);
		SELECT workflow.register('slow', '{"StartAt": "Work", "States": {"Work": {"Type": "Wait", "Seconds": 1, "End": true}}}'::jsonb)});
}

# Gives what the clerk's call writes to stderr.
sub complaint
{
	my ($database, $call) = @_;
	my (undef, undef, $stderr) =
	  $node->psql($database, "SET client_min_messages = notice; SELECT workflow.$call", extra_params => [ '-U', 'clerk' ]);

	return $stderr;
}

sub clerk
{
	my ($database, $sql) = @_;

	return $node->safe_psql($database, $sql, extra_params => [ '-U', 'clerk' ]);
}

# ---- in the same database ----

like(complaint('postgres', "create_schedule('early', '* * * * *', 'work')"),
	qr/schedules need pg_cron, which is not in this database.*CREATE EXTENSION pg_cron/s, 'without the extension');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
like(complaint('postgres', "create_schedule('early', '* * * * *', 'work')"),
	qr/permission denied to make jobs of pg_cron.*GRANT USAGE ON SCHEMA cron TO clerk/s, 'without the right to make jobs');
is(clerk('postgres', 'SELECT count(*) FROM workflow.schedules'), 0, 'no schedule without a job');
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA cron TO clerk');
clerk('postgres', "SELECT workflow.create_schedule('same', '* * * * *', 'work')");
clerk('postgres', "SELECT workflow.create_schedule('nightly', '\@yearly', 'work')");
is(clerk('postgres', 'SELECT name, has_job FROM workflow.schedules ORDER BY name'), "nightly|t\nsame|t", 'schedules have their jobs');
is( $node->safe_psql('postgres', 'SELECT schedule, command, database, username, active FROM cron.job ORDER BY schedule DESC'),
	"0 0 1 1 *|SELECT workflow.schedule_tick('nightly')|postgres|clerk|t\n" .
	"* * * * *|SELECT workflow.schedule_tick('same')|postgres|clerk|t", 'which run as their owner');

# ---- in another ----

my $notice = complaint('other', "create_schedule('else''where', '* * * * *', 'work')");

like($notice, qr/NOTICE:  schedule "else'where" has no job yet: pg_cron is in database "postgres"/, 'what is left to do is said');
is(clerk('other', 'SELECT name, has_job FROM workflow.schedules'), "else'where|", 'whether it is done cannot be seen');
my $job = clerk('other', "SELECT workflow.schedule_job('else''where')");

like($notice, qr/\Q$job\E/, 'with the statement to run');
$node->safe_psql('postgres', $job);

# ---- pg_cron ticks, once a minute ----

ok($node->poll_query_until($_, 'SELECT started >= 1 FROM workflow.schedules WHERE cron = \'* * * * *\''), "a tick comes, in $_")
  foreach 'postgres', 'other';
is( $node->safe_psql('postgres', "SELECT DISTINCT status FROM cron.job_run_details WHERE status NOT IN ('starting', 'running')"),
	'succeeded', 'pg_cron is content');
is( $node->safe_psql($_, q{SELECT DISTINCT started_by, owner, schedule ? 'ScheduledTime' FROM workflow.executions}),
	'clerk|clerk|t', "a run is the schedule owner's, in $_")
  foreach 'postgres', 'other';
$node->append_conf('postgresql.conf', 'order_workflow.enabled = on');
$node->reload;
ok($node->poll_query_until($_, q{SELECT bool_or(status = 'Completed') FROM workflow.executions}), "and runs, in $_")
  foreach 'postgres', 'other';

# ---- jobs ----

clerk('postgres', "SELECT workflow.update_schedule('nightly', '5 1 * * 2')");
is($node->safe_psql('postgres', q{SELECT schedule FROM cron.job WHERE command LIKE '%nightly%'}), '5 1 * * 2', 'a change changes the job');
clerk('postgres', "SELECT workflow.delete_schedule('same')");
is($node->safe_psql('postgres', q{SELECT count(*) FROM cron.job WHERE command LIKE '%same%'}), 0, 'a schedule goes with its job');
$node->safe_psql('postgres', q{DELETE FROM cron.job});
is(clerk('postgres', 'SELECT name, has_job FROM workflow.schedules'), 'nightly|f', 'a job that is missing is seen');
is($node->safe_psql('postgres', 'SELECT workflow.install_schedules()'), 'nightly', 'jobs can be made again');
is($node->safe_psql('postgres', 'SELECT username, database FROM cron.job'), 'clerk|postgres', 'for their owner');

# ---- expressions ----

# What is accepted here, pg_cron accepts.
my @accepted = ('* * * * *', '*/5 1-5/2 1,15 jan-Mar sun', '0 0 * * 7', '59 23 31 12 sat', '5,10-20/5,30 * * * *', '  0 0 1 1 * ', '0-0 * * * *');
my @refused = ('* * * *', '60 * * * *', '* 24 * * *', '* * 32 * *', '* * * 0 *', '* * * * 8', 'x * * * *', '1/2 * * * *', '*/0 * * * *', '');

foreach my $cron (@accepted)
{
	is($node->safe_psql('postgres', "SELECT count(*) FROM workflow.cron_times('$cron', '2030-01-01', 1)"), 1, "accepted: \"$cron\"");
	is($node->psql('postgres', "SELECT cron.schedule('$cron', 'SELECT')"), 0, 'by pg_cron, too');
}
foreach my $cron (@refused)
{
	isnt($node->psql('postgres', "SELECT workflow.cron_times('$cron')"), 0, "refused: \"$cron\"");
	isnt($node->psql('postgres', "SELECT cron.schedule('$cron', 'SELECT')"), 0, 'by pg_cron, too');
}
$node->safe_psql('postgres', 'DELETE FROM cron.job');

# ---- ticks that did not come ----

clerk('postgres', "SELECT workflow.update_schedule('nightly', '*/10 * * * *', overlap => 'BufferAll', workflow => 'slow')");
$node->safe_psql('postgres', q{
	DELETE FROM cron.job;
	UPDATE workflow.schedule SET checked_at = now() - interval '20 minutes' WHERE name = 'nightly';
	UPDATE workflow.timer SET due_at = now() - interval '19 minutes' WHERE kind = 'Schedule'});
$node->restart;
ok($node->poll_query_until('postgres',
	q{SELECT count(*) = 2 AND bool_and(state = 'Closed') FROM workflow.schedule_actions WHERE schedule = 'nightly'}),
	'after a restart, what was missed is made up for at once, one run after the other');

# ---- copies ----

$node->safe_psql('other', q{UPDATE workflow.schedule SET checked_at = now() - interval '20 minutes';
	UPDATE workflow.engine_identity SET instance = 'copied'});
like(complaint('other', "schedule_tick('else''where')"), qr/no schedule runs in a copy of another database/, 'a copy does not tick');
is($node->safe_psql('other', q{SELECT checked_at < now() - interval '10 minutes' FROM workflow.schedule}), 't', 'nor deals with times otherwise');

$node->stop;
done_testing();
