# Retention by a real pg_cron: in the same database, and in another one of the cluster.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use WorkerTest;

my $node = new_cluster(
	'retention_cron',
	"shared_preload_libraries = 'order_workflow, pg_cron'",
	"cron.database_name = 'postgres'",
	'cron.use_background_workers = on');

# Its five leaves take turns once in a minute: whichever is due when pg_cron comes, runs of its time are there.
$node->safe_psql('postgres', 'CREATE ROLE clerk LOGIN; CREATE DATABASE other');
foreach my $database ('postgres', 'other')
{
	$node->safe_psql($database, q{
		CREATE EXTENSION order_workflow;
		SELECT workflow.grant_usage('clerk'), workflow.set_retention_class('short', '36 seconds');
		SET ROLE clerk;
		SELECT workflow.register('brief', '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'::jsonb),
			workflow.register('kept', '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'::jsonb);
		SELECT workflow.set_retention('brief', '36 seconds'), workflow.start('kept')});
}

sub complaint
{
	my (undef, undef, $stderr) = $node->psql($_[0], "SELECT workflow.schedule_retention($_[1])");

	return $stderr;
}

# ---- jobs ----

like(complaint('postgres', "'* * * * *'"), qr/pg_cron is not installed in this database.*HINT:  Whatever else/s, 'without pg_cron');
$node->safe_psql('postgres', q{CREATE EXTENSION pg_cron; SELECT workflow.schedule_retention('* * * * *')});
like(complaint('other', "'* * * * *'"), qr/HINT:  A superuser runs in database "postgres": SELECT/, 'where it is elsewhere, is said');
my ($make) = complaint('other', "'* * * * *'") =~ /postgres": (SELECT .*?;)/;
my ($remove) = complaint('other', 'NULL') =~ /postgres": (SELECT .*?;)/;

$node->safe_psql('postgres', $make);
is( $node->safe_psql('postgres', 'SELECT jobname, database, command FROM cron.job ORDER BY database'),
	"order_workflow retention of other|other|CALL workflow.apply_retention()\n"
	  . 'order_workflow retention|postgres|CALL workflow.apply_retention()', 'both have a job');

# ---- alerts ----

my (undef, undef, $elsewhere) = $node->psql('other', 'SELECT workflow.schedule_alerts()');
like($elsewhere, qr/ERROR:  pg_cron is not installed.*HINT:  A superuser runs in database "postgres": SELECT cron.schedule_in_database\('order_workflow alerts of other for/s,
	'alerts are checked by it, too');
my (undef, undef, $refusal) = $node->psql('postgres', 'SELECT workflow.schedule_alerts()', extra_params => [ '-U', 'clerk' ]);
like($refusal, qr/permission denied to make jobs of pg_cron.*GRANT USAGE ON SCHEMA cron TO clerk/s, 'by those who may');
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA cron TO clerk');
$node->safe_psql('postgres', 'SELECT workflow.schedule_alerts()');
$node->safe_psql('postgres', 'SELECT workflow.schedule_alerts(notify => true)', extra_params => [ '-U', 'clerk' ]);
is( $node->safe_psql('postgres', q{SELECT username = current_user, username, command FROM cron.job WHERE jobname LIKE '%alerts%' ORDER BY 1}),
	"f|clerk|SELECT workflow.check_alerts(notify => 't')\nt|" . $node->safe_psql('postgres', 'SELECT current_user') . "|SELECT workflow.check_alerts(notify => 'f')",
	'each role has its job');
$node->safe_psql('postgres', 'SELECT workflow.schedule_alerts(NULL)', extra_params => [ '-U', 'clerk' ]);
$node->safe_psql('postgres', 'SELECT workflow.schedule_alerts(NULL)');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cron.job WHERE jobname LIKE '%alerts%'}), 0, 'and takes it away');

# ---- pg_cron comes, once a minute ----

# Runs of every moment, until some have gone
my (%started, %gone);
for (my $end = time + 240; time < $end && keys %gone < 2; sleep 3)
{
	foreach my $database ('postgres', 'other')
	{
		my $left = $node->safe_psql($database, q{SELECT count(*) FROM workflow.executions WHERE workflow = 'brief'});

		$gone{$database} = 1 if $left < ($started{$database} // 0);
		next if $gone{$database};
		$node->safe_psql($database, q{SELECT workflow.start('brief')}, extra_params => [ '-U', 'clerk' ]);
		$started{$database}++;
	}
}
ok($gone{$_}, "runs have gone, from $_") foreach 'postgres', 'other';
is($node->safe_psql($_, q{SELECT count(*) FROM workflow.executions WHERE workflow = 'kept'}), 1, "others have not, from $_") foreach 'postgres', 'other';
is( $node->safe_psql('postgres', q{
		SELECT database, status, username = current_user FROM cron.job_run_details
		WHERE status NOT IN ('starting', 'running') GROUP BY 1, 2, 3 ORDER BY 1}),
	"other|succeeded|t\npostgres|succeeded|t", 'pg_cron is content');
my $log = slurp_file($node->logfile);
unlike($log, qr/FATAL|PANIC|WARNING:.*(snapshot|leak|portal)/, 'and the server');

# ---- no more ----

$node->safe_psql('postgres', "SELECT workflow.schedule_retention(NULL); $remove");
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), 0, 'both jobs can be removed');

$node->stop;
done_testing();
