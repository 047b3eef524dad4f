# A hundred thousand runs that have closed leave while others run; a long one stays whole, however often its leaf is emptied.

use strict;
use warnings;

use BatchTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = new_batch_cluster('retention', 'order_workflow.max_workers = 2');

as_app(
	$node, q{
	SELECT workflow.register('brief', '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'::jsonb),
		workflow.register('kept', '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'::jsonb),
		workflow.register('working', '{"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": "Work", "End": true}}}'::jsonb),
		workflow.register('long', '{"StartAt": "Wait", "Signals": {"next": {}, "end": {}}, "States": {
			"Wait": {"Type": "Await", "Any": [{"Signal": "next", "Next": "Work"}, {"Signal": "end", "Next": "End"}]},
			"Work": {"Type": "Task", "Resource": "Work", "Compensate": "Work", "Next": "Wait"}, "End": {"Type": "Succeed"}}}'::jsonb)});
$node->safe_psql('postgres', q{SELECT workflow.set_retention_class('short', '9 seconds')});
as_app($node, q{SELECT workflow.set_retention(w, '9 seconds') FROM unnest('{brief,working,long}'::text[]) w;
	SELECT workflow.start('long', '{"n": 1}', 'long ' || n) FROM generate_series(1, 50) n;
	SELECT count(*) FROM workflow.start_many('kept', ARRAY(SELECT to_jsonb(n) FROM generate_series(1, 100) n))});
as_app($node, "SELECT count(*) FROM workflow.start_many('brief', ARRAY(SELECT to_jsonb(n) FROM generate_series(1, 20000) n))") foreach 1 .. 5;
wait_until_done($node, $_) foreach qw(brief kept);
is($node->safe_psql('postgres', "SELECT count(*) FROM workflow.closed_execution"), '100100', 'runs have closed');

# Work, for as long as retention takes
my $work = PostgreSQL::Test::Utils::tempdir() . '/work.pgbench';
append_to_file($work, "SELECT workflow.start('working');\nSELECT workflow.signal('long ' || :client_id + 1, 'next');\n");
my ($worked, $problems) = ('', '');
my $worker = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-T', 600, '-R', 100, '-f', $work, '-d', $node->connstr('postgres') . ' user=app' ],
	'>', \$worked, '2>', \$problems);

# From time to time, by a job that commits as it goes
my $left;
for (my $end = time + 120; time < $end; usleep(500_000))
{
	$node->safe_psql('postgres', 'CALL workflow.apply_retention()');
	$left = $node->safe_psql('postgres', q{SELECT count(*) FROM workflow.executions WHERE workflow = 'brief'});
	last if $left == 0;
}
is($left, '0', 'all of them leave');
ok($worker->pumpable, 'work went on');
is($problems, '', 'without an error');
$worker->kill_kill;
wait_until_done($node, 'working');
$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM workflow.message)') or die 'messages are left';

is($node->safe_psql('postgres', q{SELECT workflow, status, count(*) FROM workflow.executions WHERE workflow IN ('kept', 'long') GROUP BY 1, 2 ORDER BY 1}),
	"kept|Completed|100\nlong|Running|50", 'what is to be kept is there');
is( $node->safe_psql(
		'postgres', q{
		SELECT count(*) FROM workflow.execution e
		WHERE workflow_id LIKE 'long%' AND bucket = get_byte(uuid_send(run_id), 8) & 15
			AND NOT EXISTS (SELECT FROM workflow.retention_leaves() l WHERE l.bucket = e.bucket AND NOT l.is_due)}),
	'0', 'long runs have moved on');
is($node->safe_psql('postgres', slurp_file("$ENV{TESTDIR}/t/consistency.sql") . 'SELECT * FROM pg_temp.faults() LIMIT 10'), '', 'with their history');
cmp_ok($node->safe_psql('postgres', q{
		SELECT count(*) FROM workflow.executions e JOIN workflow.history h USING (run_id)
		WHERE e.workflow_id = 'long 1' AND h.event_type = 'ActivityTaskCompleted'}), '>', 10, 'which goes back to the beginning');
as_app($node, q{SELECT workflow.signal('long ' || n, 'end') FROM generate_series(1, 50) n});
wait_until_done($node, 'long');
is($node->safe_psql('postgres', q{SELECT status, count(*) FROM workflow.executions WHERE workflow = 'long' GROUP BY 1}), 'Completed|50', 'and come to their end');

# How it is called
my (undef, undef, $said) = $node->psql('postgres', 'BEGIN; CALL workflow.apply_retention(dry_run => true)');
is($said, '', 'a dry run may be in a transaction');
(undef, undef, $said) = $node->psql('postgres', 'CALL workflow.apply_retention()', extra_params => [ '-U', 'app' ]);
like($said, qr/permission denied/, 'it is not for everybody');

$node->stop;
done_testing();
