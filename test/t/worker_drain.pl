# Workers outside that wait are seen meanwhile, and told at once when they are to end; answers of a drained one count.

use strict;
use warnings;

use IPC::Run;
use WorkerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_cluster('drain');
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION order_workflow;
	CREATE ROLE shop LOGIN;
	CREATE ROLE worker LOGIN;
	SELECT workflow.grant_usage('shop');
	SET ROLE shop;
	SELECT workflow.register_activity('Pack', task_queue => 'q', options => '{"StartToCloseSeconds": 3600}');
	SELECT workflow.register('pack', '{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pack", "End": true}}}');
	SELECT workflow.grant_worker('worker', 'q')});

# A session of the worker's role, in the background, that sleeps
sub waits
{
	my ($sql) = @_;
	my $session = { errors => '' };

	$session->{run} = IPC::Run::start([ 'psql', '-XqAt', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), '-c', 'SET ROLE worker', '-c', $sql ],
		'>', '/dev/null', '2>', \$session->{errors});
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'Extension' AND backend_type = 'client backend'")
	  or die;
	return $session;
}

# It was told so, long before it would have ended.
sub is_told
{
	my ($session, $name, $what) = @_;
	my $began = time;

	is($node->safe_psql('postgres', "SET ROLE shop; SELECT workflow.drain_worker('$name')"), 1, "$name is drained");
	$session->{run}->finish;
	like($session->{errors}, qr/OW304: worker "$name" of task queue "q" is draining/, $what);
	cmp_ok(time - $began, '<', 60, 'at once');
	return;
}

sub seen
{
	my ($name) = @_;

	return $node->safe_psql('postgres', "SET ROLE shop; SELECT state, in_flight FROM workflow.workers WHERE name = '$name'");
}

my $procedure = waits(q{CALL workflow.wait_for_activity('q', '5 min', worker => 'waits')});
is(seen('waits'), 'idle|0', 'a worker is seen while it waits');
is_told($procedure, 'waits', 'wait_for_activity is told');

$node->safe_psql('postgres', q{SET ROLE worker; SELECT * FROM workflow.poll_activity('q', 'polls')});
is_told(waits(q{SELECT * FROM workflow.poll_activity('q', 'polls', wait => '5 min')}), 'polls', 'so is poll_activity');
like(($node->psql('postgres', q{SET ROLE worker; SELECT * FROM workflow.poll_activity('q', 'polls')}))[2],
	qr/HINT:  It may finish what it has taken, and end/, 'and at any later time');

# Of two waiting workers, the other one waits on, and gets what comes.
my $other = waits(q{SELECT * FROM workflow.poll_activity('q', 'other', wait => '5 min')});
is($node->safe_psql('postgres', q{SET ROLE shop; SELECT workflow.drain_worker('polls')}), 1, 'one is drained again');
$node->safe_psql('postgres', q{SET ROLE shop; SELECT workflow.start('pack', workflow_id => 'one'), workflow.start('pack', workflow_id => 'two')});
$other->{run}->finish;
is($other->{errors}, '', 'another one waits on');
is(seen('other'), 'busy|1', 'and gets what comes');

# What a drained worker has in hand it may finish, though complete_and_poll gives it nothing more.
is($node->safe_psql('postgres', q{SET ROLE shop; SELECT workflow.drain_worker('other')}), 1, 'it is drained');
my $notices = '';
my $token   = $node->safe_psql('postgres', q{SELECT task_token FROM workflow.pending_activities WHERE worker = 'other'});
$node->psql('postgres', qq{SET ROLE worker; SET client_min_messages = notice;
	SELECT * FROM workflow.complete_and_poll('{$token}', NULL, 'q', 'other')},
	stderr => \$notices);
like($notices, qr/NOTICE:  worker "other" of task queue "q" is draining/, 'a notice tells it');
is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.executions WHERE status = 'Completed'}), 1, 'but its result is kept');
is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.activity_task WHERE worker IS NULL}), 1, 'the other task is there for others');
is($node->safe_psql('postgres', q{SET ROLE shop; SELECT workflow.drain_worker('other', drain => false)}), 1, 'that is taken back');
is($node->safe_psql('postgres', q{SET ROLE worker; SELECT count(*) FROM workflow.poll_activity('q', 'other')}), 1, 'and it gets the next');

# What came and went in the last minute is counted, when it is committed.
my $rates = q{SET ROLE shop; SELECT round((add_rate * 60)::numeric), round((dispatch_rate * 60)::numeric) FROM workflow.task_queues WHERE task_queue = 'q'};
like($node->safe_psql('postgres', $rates), qr/^2\|2$/, 'tasks that came, and were taken');
$node->safe_psql('postgres', q{SET ROLE shop; SELECT workflow.start('pack') FROM generate_series(1, 600)});
ok($node->poll_query_until('postgres', q{SELECT backlog = 600 FROM workflow.task_queues WHERE task_queue = 'q'}), 'many come');
$node->safe_psql('postgres', q{SET ROLE worker; BEGIN; SELECT count(*) FROM workflow.poll_activity('q', 'other', 100); ROLLBACK;
	SELECT count(*) FROM workflow.poll_activity('q', 'other', 300);});
my ($in, $out) = split /\|/, $node->safe_psql('postgres', $rates);
cmp_ok($in, '>=', 602, 'they are counted');
cmp_ok($in, '<', 602 * 60 / 54, 'once');
cmp_ok($out, '>=', 302, 'so are those taken');
cmp_ok($out, '<', 302 * 60 / 54, 'but not those given back by a rollback');

$node->stop;
done_testing();
