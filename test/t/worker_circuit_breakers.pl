# Circuit breakers with real executors: sessions share them, a service that is down is called a few times and not by
# every run, one run probes it at a time, and all runs complete once it is back.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use WorkerTest;
use Test::More;
use Time::HiRes qw(usleep time);

my $runs = 200;
my $node = new_cluster('breakers', 'order_workflow.max_workers = 4', 'order_workflow.batch_size = 10');

$node->safe_psql('postgres', $_) foreach ('CREATE ROLE shop LOGIN', 'CREATE ROLE other LOGIN', 'CREATE DATABASE shop OWNER shop');
$node->safe_psql(
	'shop', q{
	CREATE EXTENSION order_workflow;
	SELECT workflow.grant_usage('shop'), workflow.grant_usage('other');
	SET ROLE shop;
	CREATE TABLE public.service (state text);
	INSERT INTO public.service VALUES ('down');
	CREATE FUNCTION public.pay(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	DECLARE
		how CONSTANT text := (SELECT state FROM public.service);
	BEGIN
		RAISE LOG 'paying % %', how, input;
		IF how = 'slow' THEN
			PERFORM pg_sleep(1);
		ELSIF how = 'down' THEN
			PERFORM workflow.throw('Down', 'the service is down');
		END IF;
		RETURN input;
	END $$;
	SELECT workflow.register_activity('Pay', 'public.pay(jsonb)', options => '{"StartToCloseSeconds": 60,
		"CircuitBreaker": {"FailureThreshold": 5, "OpenSeconds": 2},
		"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaximumAttempts": 30}]}');
	SELECT workflow.register('order', '{"StartAt": "Pay", "States": {"Pay": {"Type": "Task", "Resource": "Pay", "End": true}}}')});

sub as_shop
{
	return $node->safe_psql('shop', "SET ROLE shop; $_[0]");
}

# The orders that called the service in this state before the circuit was closed, as the log has it
sub payers
{
	my ($state) = @_;
	my ($log) = split /is closed/, slurp_file($node->logfile);
	my %seen;

	$seen{$_}++ foreach $log =~ /LOG:  paying $state (\{[^}]*\})/g;
	return scalar keys %seen;
}

sub logged
{
	my ($pattern) = @_;

	return scalar(() = slurp_file($node->logfile) =~ /circuit breaker of activity "Pay" is $pattern/g);
}

# Down: a few attempts, then nobody calls it but one now and then.
as_shop("SELECT count(workflow.start('order', jsonb_build_object('n', n), workflow_id => 'order ' || n)) FROM generate_series(1, $runs) n");
ok( $node->poll_query_until('shop', q{SELECT state <> 'Closed' FROM workflow.circuit_breakers}),
	'failures of executors open a circuit breaker, which all sessions see');
ok( $node->poll_query_until('shop', qq{SELECT count(DISTINCT run_id) = $runs FROM workflow.history WHERE event_type ~ 'Rejected|Failed'}),
	'each run has failed, or not been tried');
cmp_ok(payers('down'), '<=', 4 * 5 + 3, 'each executor has tried no more often than it takes, and few have probed');
cmp_ok(as_shop('SELECT rejected FROM workflow.circuit_breakers'), '>=', $runs - 23, 'the others were rejected');
is($node->safe_psql('shop', q{SET ROLE other; SELECT count(*) FROM workflow.circuit_breakers}), 0, 'other roles do not see it');

# Slow: one probes it, although all look.  Its shared transaction leaves it to one of its own, where it may go on.
as_shop(q{UPDATE public.service SET state = 'slow'});
ok($node->poll_query_until('shop', q{SELECT state = 'Closed' FROM workflow.circuit_breakers}), 'one success closes it');
as_shop(q{UPDATE public.service SET state = 'up'});
is(payers('slow'), 1, 'of the one attempt that was let through');
ok($node->poll_query_until('shop', qq{SELECT count(*) = $runs FROM workflow.executions WHERE status = 'Completed'}), 'all runs complete');
is(logged('closed'), 1, 'the log says so');
is(logged('open'), logged('half-open'), 'and each time that it opened, and became half-open');
is(as_shop('SELECT count(*) FROM workflow.history WHERE event_type = \'ActivityTaskCompleted\''), $runs, 'each once');
cmp_ok(as_shop('SELECT count(*) FROM workflow.history WHERE event_type = \'ActivityTaskFailed\''), '<', $runs / 4, 'few attempts have failed');
is($node->safe_psql('shop', q{SELECT sum(failures) FROM workflow.circuit_breakers}), 0, 'and nothing counts any more');

# What is rolled back and redone counts once: the nap is too long for a shared transaction, in which the failure came first.
as_shop(q{
	CREATE FUNCTION public.fail(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT workflow.throw('Down', 'always'); SELECT input $$;
	CREATE FUNCTION public.nap(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input FROM pg_sleep(0.3) $$;
	SELECT workflow.register_activity('Fail', 'public.fail(jsonb)', options => '{"StartToCloseSeconds": 5, "CircuitBreaker": {}}');
	SELECT workflow.register_activity('Nap', 'public.nap(jsonb)', options => '{"StartToCloseSeconds": 5}');
	SELECT workflow.register('nap', '{"StartAt": "Fail", "States": {
		"Fail": {"Type": "Task", "Resource": "Fail", "Catch": [{"ErrorEquals": ["Down"], "Next": "Nap"}], "End": true},
		"Nap": {"Type": "Task", "Resource": "Nap", "End": true}}}');
	SELECT workflow.start('nap', workflow_id => 'nap')});
wait_for_status($node, 'shop', 'nap', 'Completed', 'a run is driven again alone');
is(as_shop(q{SELECT failures FROM workflow.circuit_breakers WHERE activity = 'Fail'}), 1, 'and its failure counts once');
as_shop(q{SELECT workflow.register_activity('Fail', 'public.fail(jsonb)')});

# By hand: it takes effect when the transaction commits.
as_shop(q{BEGIN; SELECT workflow.open_circuit_breaker('Pay', '1 hour'); ROLLBACK});
is(as_shop('SELECT state FROM workflow.circuit_breakers'), 'Closed', 'opening it is undone by a rollback');
is(as_shop(q{BEGIN; SELECT FROM workflow.open_circuit_breaker('Pay', '1 hour'); SELECT state FROM workflow.circuit_breakers; COMMIT}),
	'Open', 'seen in the transaction');
is(as_shop('SELECT state FROM workflow.circuit_breakers'), 'Open', 'and by others once it has committed');
as_shop(q{SELECT workflow.start('order', workflow_id => 'patient')});
ok($node->poll_query_until('shop', q{SELECT status = 'CircuitOpen' FROM workflow.pending_activities WHERE workflow_id = 'patient'}), 'a run waits');
my ($status, $out, $error) = $node->psql('shop', q{SET ROLE other; SELECT workflow.reset_circuit_breaker('Pay')});
like($error, qr/must be owner of activity "Pay"/, 'others may not reset it');
is(as_shop(q{SELECT workflow.reset_circuit_breaker('Pay')}), 't', 'its owner may');
wait_for_status($node, 'shop', 'patient', 'Completed', 'the run goes on');

# Tasks in a queue: workers wait until one may be taken, one of them gets it, and the others what is let go with it.
as_shop(q{
	SELECT workflow.register_activity('Pack', task_queue => 'parcels',
		options => '{"StartToCloseSeconds": 60, "CircuitBreaker": {"FailureThreshold": 1}}');
	SELECT workflow.register('parcel', '{"StartAt": "Pack", "States": {"Pack": {"Type": "Task", "Resource": "Pack", "End": true}}}');
	SELECT workflow.start('parcel') FROM generate_series(1, 3)});
ok($node->poll_query_until('shop', q{SELECT count(*) = 3 FROM workflow.activity_task}), 'tasks are in a queue');
as_shop(q{SELECT workflow.open_circuit_breaker('Pack', '2 s')});

sub begin_poll
{
	my ($wait) = @_;
	my %poll = (out => '');

	$poll{run} = IPC::Run::start(
		[   'psql', '-XAtq', '-d', $node->connstr('shop'), '-c', 'SET ROLE shop', '-c',
			"SELECT 'taken ' || task_token || ' in ' || (headers->>'traceparent') FROM workflow.poll_activity('parcels', 'w', wait => '$wait')" ],
		'>', \$poll{out});
	return \%poll;
}

sub taken
{
	$_->{run}->finish foreach @_;
	return map { $_->{out} =~ /taken (\S+)/g } @_;
}

my $since;
my @polls  = map { begin_poll('5s') } 1 .. 3;
my @tokens = taken(@polls);
my ($traceparent) = map { $_->{out} =~ /in (\S+)/ } @polls;
is(scalar @tokens, 1, 'of those who wait, one gets one when it is half-open');
like($traceparent, qr/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/, 'with its headers');
is(as_shop('SELECT probing FROM workflow.circuit_breakers WHERE activity = \'Pack\''), 't', 'and probes');
my @waiting = map { begin_poll('60s') } 1 .. 2;
usleep 1_500_000;
$since = time;
as_shop("SELECT workflow.complete_activity('$tokens[0]')");
is(scalar(taken(@waiting)), 2, 'the others get theirs when it has succeeded');
cmp_ok(time - $since, '<', 20, 'at once');

as_shop(q{SELECT workflow.open_circuit_breaker('Pack', '1 hour'); SELECT workflow.start('parcel', workflow_id => 'refused')});
wait_for_status($node, 'shop', 'refused', 'Failed', 'a task without Retry is not put into the queue while it is open');
as_shop(q{SELECT workflow.reset_circuit_breaker('Pack')});
as_shop(q{SELECT workflow.start('parcel')});
ok($node->poll_query_until('shop', q{SELECT count(*) = 1 FROM workflow.activity_task WHERE worker IS NULL}), 'one is in it');
as_shop(q{SELECT workflow.open_circuit_breaker('Pack', '1 hour')});
@waiting = (begin_poll('60s'));
usleep 1_000_000;
$since = time;
as_shop(q{SELECT workflow.reset_circuit_breaker('Pack')});
is(scalar(taken(@waiting)), 1, 'a reset wakes who waits');
cmp_ok(time - $since, '<', 20, 'at once');

# While a task of a run is out as the probe, whoever waits does not ask for the run's others again and again.
as_shop(q{
	SELECT workflow.register('two parcels', '{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "ItemProcessor":
		{"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "Pack", "Retry": [{"ErrorEquals": ["States.ALL"]}], "End": true}}}}}}');
	SELECT workflow.start('two parcels', '[1, 2]')});
ok($node->poll_query_until('shop', q{SELECT count(*) = 2 FROM workflow.activity_task WHERE worker IS NULL}), 'a run has two tasks in the queue');
as_shop(q{SELECT workflow.open_circuit_breaker('Pack', '1 s')});
@tokens = taken(begin_poll('10s'));
is(scalar @tokens, 1, 'one is let through');
my $transactions = q{SELECT pg_snapshot_xmax(pg_current_snapshot())};
my $before       = $node->safe_psql('shop', $transactions);
is(scalar(taken(begin_poll('1s'))), 0, 'the other is not');
cmp_ok($node->safe_psql('shop', $transactions) - $before, '<', 20, 'and is not taken only to be given back');
as_shop("SELECT workflow.complete_activity('$tokens[0]')");
is(scalar(taken(begin_poll('10s'))), 1, 'until that has succeeded');

# They are lost with the server's memory.
as_shop(q{SELECT workflow.open_circuit_breaker('Pay', '1 hour')});
$node->restart;
is(as_shop('SELECT DISTINCT state FROM workflow.circuit_breakers'), 'Closed', 'a restart closes it');

# There is room for so many that are not closed.
$node->append_conf('postgresql.conf', 'order_workflow.max_circuit_breakers = 1');
$node->restart;
as_shop(q{SELECT workflow.open_circuit_breaker('Pay', '1 hour')});
as_shop(q{SELECT workflow.open_circuit_breaker('Pack', '1 hour')});
is(as_shop(q{SELECT string_agg(concat_ws(' ', activity, state), ', ' ORDER BY activity) FROM workflow.circuit_breakers}), 'Pack Closed, Pay Open',
	'no more are kept than there is room for');
like(slurp_file($node->logfile), qr/LOG:  there is no room for another circuit breaker/, 'which the log says');
as_shop(q{SELECT workflow.reset_circuit_breaker('Pay')});
as_shop(q{SELECT workflow.open_circuit_breaker('Pack', '1 hour')});
is(as_shop(q{SELECT string_agg(concat_ws(' ', activity, state), ', ' ORDER BY activity) FROM workflow.circuit_breakers}), 'Pack Open, Pay Closed',
	'a closed one gives its place away');

# Without the library in the server, each session has its own.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is(as_shop(q{SELECT FROM workflow.open_circuit_breaker('Pay', '1 hour'); SELECT state FROM workflow.circuit_breakers WHERE activity = 'Pay'}),
	'Open', 'not preloaded, a session has circuit breakers of its own');
is(as_shop(q{SELECT state FROM workflow.circuit_breakers WHERE activity = 'Pay'}), 'Closed', 'and another has others');

done_testing();
