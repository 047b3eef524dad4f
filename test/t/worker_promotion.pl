# A standby is promoted while workers outside have tasks in hand: what they took from the primary that is gone is refused,
# and done by others.

use strict;
use warnings;

use File::Basename;
use IPC::Run;
use WorkerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = dirname(__FILE__);

# A definition with a task in a queue, and one whose token is in the input of an activity
sub install_outside
{
	my ($node) = @_;

	$node->safe_psql(
		'postgres', q{
		CREATE EXTENSION order_workflow;
		CREATE ROLE alice LOGIN;
		CREATE TABLE told (token uuid);
		GRANT ALL ON told TO alice;
		CREATE FUNCTION tell(input jsonb) RETURNS jsonb LANGUAGE sql
			AS $$ INSERT INTO public.told VALUES ((input->>'token')::uuid) RETURNING 'null'::jsonb $$;
		SELECT workflow.grant_usage('alice');
		SET ROLE alice;
		SELECT workflow.register_activity('Outside', task_queue => 'q', options => '{"StartToCloseSeconds": 3600}');
		SELECT workflow.register_activity('Tell', 'public.tell(jsonb)');
		SELECT workflow.register('outside', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Outside", "End": true}}}');
		SELECT workflow.register('bank', '{"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "End": true,
			"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
			"Parameters": {"FunctionName": "Tell", "token.$": "$$.Task.Token", "Payload": {"token.$": "$$.Task.Token"}}}}}');
	});
	return;
}

sub take
{
	my ($node, $worker, $count) = @_;

	return split /\n/, $node->safe_psql('postgres',
		"SET ROLE alice; SELECT task_token FROM workflow.poll_activity('q', '$worker', $count)");
}

# What becomes of each way to answer
sub answers
{
	my ($node, $token) = @_;

	return $node->safe_psql('postgres', "SET ROLE alice;
		SELECT (SELECT ok FROM workflow.heartbeat('$token')), workflow.fail_activity('$token', 'Late'),
			workflow.complete_activity('$token', '1'), workflow.complete_activities('{$token}'), workflow.cancel_activity('$token')");
}

my $refused = 'f|f|f|{f}|f';

sub is_fenced
{
	my ($node, $tokens, $what) = @_;

	is_deeply([ map { answers($node, $_) } @$tokens ], [ map { $refused } @$tokens ], $what);
	return;
}

sub finish
{
	my ($node, $worker, $tokens, $what) = @_;

	$node->safe_psql('postgres', "SET ROLE alice; SELECT workflow.complete_activity('$_', to_jsonb('$worker'::text))") foreach @$tokens;
	is( $node->safe_psql('postgres', "SELECT status, output, count(*) FROM workflow.executions WHERE workflow_id LIKE 'order %' GROUP BY 1, 2"),
		qq{Completed|"$worker"|3}, $what);
	is( $node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT workflow_id) FROM workflow.history
			WHERE workflow_id LIKE 'order %' AND event_type = 'ActivityTaskCompleted'}),
		'3|3', '… each exactly once');
	is($node->safe_psql('postgres', slurp_file("$here/consistency.sql") . 'SELECT * FROM pg_temp.faults()'), '', '… with a history that leads there');
	return;
}

my $primary = new_cluster('primary');
install_outside($primary);
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;

$primary->safe_psql('postgres', q{SET ROLE alice;
	SELECT workflow.start('outside', workflow_id => 'order ' || n) FROM generate_series(1, 3) n;
	SELECT workflow.start('bank', workflow_id => 'bank')});
ok($primary->poll_query_until('postgres', q{SELECT (SELECT count(*) FROM workflow.task_queues WHERE backlog = 3) = 1 AND EXISTS (SELECT FROM told)}),
	'tasks are there');
my @before = take($primary, 'w1', 2);
is(scalar(@before), 2, 'two are taken');
is($primary->safe_psql('postgres', "SELECT ok FROM workflow.heartbeat('$before[0]', '7')"), 't', 'one has been heard of');
is( $primary->safe_psql('postgres', 'SELECT workflow.release_tasks()'), 0, 'the epoch they were taken in goes on');
$primary->wait_for_catchup($standby);
is( $standby->safe_psql('postgres', q{SELECT string_agg(task_token::text, ' ' ORDER BY task_token) FROM workflow.pending_activities WHERE worker = 'w1'}),
	join(' ', sort @before), 'a standby shows the tokens that the primary takes');
$primary->stop('immediate');

$standby->promote;
is_fenced($standby, \@before, 'after the promotion, the tokens of before are refused');
is( $standby->safe_psql('postgres', q{SELECT count(*) FROM workflow.pending_activities WHERE worker = 'w1'}), 2, 'the tasks wait for their leases');
my @third = take($standby, 'w2', 5);
is(scalar(@third), 1, 'one that nobody had is there to be taken');
is($standby->safe_psql('postgres', 'SELECT workflow.release_tasks()'), 2, 'the others are put back');
my @after = take($standby, 'w2', 5);
is(scalar(@after), 2, 'and taken');
is_fenced($standby, \@before, 'the tokens of before are refused still');
finish($standby, 'w2', [ @third, @after ], 'all is done by those who have taken it since');

my $told = $standby->safe_psql('postgres', 'SELECT token FROM told');
is($standby->safe_psql('postgres', "SET ROLE alice; SELECT workflow.complete_activity('$told', '2')"), 't', 'who was given a token in an input may answer still');
$standby->poll_query_until('postgres', q{SELECT status = 'Completed' FROM workflow.get_execution('bank')});

# A snapshot of the files that is put back goes on on the same timeline: that nobody can see.
$standby->safe_psql('postgres', q{SET ROLE alice; SELECT workflow.start('outside', workflow_id => 'snapshot')});
$standby->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM workflow.activity_task)});
my @snapshot = take($standby, 'w3', 1);
$standby->safe_psql('postgres', 'SELECT workflow.advance_epoch()');
is_fenced($standby, \@snapshot, 'advance_epoch refuses what was handed out');
my $waited = '';
my $waiting = IPC::Run::start([ 'psql', '-XqAt', '-d', $standby->connstr('postgres'), '-c',
		q{SET ROLE alice; SELECT workflow_id FROM workflow.poll_activity('q', 'w4', wait => '3 min')} ],
	'>', \$waited);
$standby->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'Extension' AND query ~ 'w4')});
is($standby->safe_psql('postgres', 'SELECT workflow.release_tasks()'), 1, 'which is put back');
$waiting->finish;
is($waited, "snapshot\n", 'for a worker that waits for one');
is($standby->psql('postgres', 'SET ROLE alice; SELECT workflow.advance_epoch()'), 3, 'not everybody may do that');

$standby->stop;
done_testing();
