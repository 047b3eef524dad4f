# A batch operation over thousands of runs, whose session is killed again and again and which two sessions do together at
# the end: each run is acted on once.  And its rate.

use strict;
use warnings;

use BatchTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use IPC::Run;
use Time::HiRes qw(time);

my $runs = 4000;
my $node = new_batch_cluster('batch');

as_app(
	$node, qq{
	SELECT workflow.register('counting', '{"StartAt": "Wait", "Signals": {"one": {}, "end": {}}, "States": {
		"Wait": {"Type": "Await", "Any": [{"Signal": "end", "Next": "End"}]}, "End": {"Type": "Succeed"}}}'::jsonb);
	SELECT count(*) FROM workflow.start_many('counting', (SELECT array_agg(to_jsonb(n)) FROM generate_series(1, $runs) n))});

my $batch = as_app($node, q{SELECT workflow.start_batch('signal', $$workflow = 'counting'$$, '{"signal": "one"}', chunk_size => 50)});

sub progress
{
	return as_app($node, "SELECT status, done + failed, remaining FROM workflow.batch_operations WHERE batch_id = '$batch'");
}

is(progress(), "Waiting|0|$runs", 'all runs are chosen');

# A session that does it
sub call
{
	return IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres') . " user=app application_name=batch", '-c', "CALL workflow.run_batch_operation('$batch')" ],
		'>', \my $out, '2>', \my $err);
}

# Somebody holds the last chunk meanwhile, lest it be done before it is killed.
my ($typed, $shown) = ("BEGIN; SELECT chunk FROM workflow.batch_chunk ORDER BY chunk DESC LIMIT 1 FOR UPDATE;\n", '');
my $holder = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$typed, '>', \$shown);
$holder->pump until $shown =~ /^\d+$/m;

# Killed before it is done, three times
foreach my $time (1 .. 3)
{
	my $session = call();

	$node->poll_query_until('postgres',
		"SELECT done >= @{[ $time * 500 ]} FROM workflow.batch_operations WHERE batch_id = '$batch'")
	  or die 'it does not get on';
	$node->safe_psql('postgres',
		"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'batch'");
	$session->finish;
}
like(progress(), qr/^Running\|\d+\|[1-9]/, 'killed, it is not done');
$typed .= "ROLLBACK;\n\\q\n";
$holder->finish;

my @sessions = map { call() } 1 .. 2;
ok($_->finish, 'a session does what is left') foreach @sessions;
is(progress(), "Completed|$runs|0", 'all of it');
is(as_app($node, "SELECT failed FROM workflow.batch_operations"), '0', 'nobody refuses');
$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM workflow.message)') or die 'messages are left';
is( $node->safe_psql(
		'postgres', q{
		SELECT n, count(*) FROM (
			SELECT count(*) AS n FROM workflow.history WHERE event_type = 'WorkflowExecutionSignaled' GROUP BY run_id) s
		GROUP BY n}),
	"1|$runs",
	'each run has been signaled once');

# Through the jobs' procedure, with a rate
as_app($node, q{SELECT workflow.start_batch('signal', $$workflow = 'counting'$$, '{"signal": "end"}');
	SELECT workflow.start_batch('terminate', $$(input #>> '{}')::int <= 60$$, chunk_size => 20, rate_per_second => 100, dry_run => true)});
my $began = time;
as_app($node, 'CALL workflow.run_batch_operations()');
cmp_ok(time - $began, '>=', 0.5, 'it keeps to its rate');
is(as_app($node, 'SELECT DISTINCT status FROM workflow.batch_operations'), 'Completed', 'all operations are done');
wait_until_done($node, 'counting');
is(as_app($node, 'SELECT status, count(*) FROM workflow.executions GROUP BY status'), "Completed|$runs", 'all runs come to their end');

# The procedure commits: not in a transaction.
my (undef, undef, $error) = $node->psql('postgres',
	"BEGIN; CALL workflow.run_batch_operation(workflow.start_batch('cancel', 'true'))", extra_params => [ '-U', 'app' ]);
like($error, qr/invalid transaction termination/, 'it wants no transaction around it');

$node->stop;
done_testing();
