# What the server's log says of runs: the lines of jsonlog, compared with history.  What is rolled back is not logged, nothing is
# logged twice, also when the server crashes, and what definitions hide is not in it.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use OrderTest qw(kill_executor wait_until_up);
use Test::More;

my $canary = 'CANARY-4111-1111';
my $node   = PostgreSQL::Test::Cluster->new('event_log');
$node->init;
$node->append_conf('postgresql.conf', $_)
  foreach (
	"shared_preload_libraries = 'order_workflow'",
	'max_worker_processes = 16',
	'restart_after_crash = on',
	'max_prepared_transactions = 5',
	'client_min_messages = error',
	"log_destination = 'stderr,jsonlog'",
	'log_statement = none',
	'order_workflow.max_workers = 2');
$node->start;

# Without a collector what would go into files as JSON goes to stderr as it is; with one, stderr has a file of its own.
$node->append_conf('postgresql.conf', $_)
  foreach ('logging_collector = on', "log_directory = 'log'", "log_filename = 'server.log'", 'log_rotation_size = 0', 'log_rotation_age = 0');
$node->restart;

my $directory = $node->data_dir . '/log';
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION order_workflow;
	CREATE ROLE app LOGIN;
	CREATE ROLE stranger LOGIN;
	GRANT CREATE ON DATABASE postgres TO app;
	SELECT workflow.grant_usage('app'), workflow.grant_usage('stranger')});

sub as_app
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', 'app' ]);
}

as_app(
	q{
	CREATE SCHEMA app;
	CREATE TABLE app.paid (workflow_id text, attempt int);
	CREATE FUNCTION app.reserve(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"reserved": true}'::jsonb $$;
	CREATE FUNCTION app.release(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		IF input ? 'stubborn' THEN PERFORM workflow.throw('CannotRelease', 'it is gone', non_retryable => true); END IF;
		RETURN '{"released": true}';
	END $$;
	CREATE FUNCTION app.pay(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO app.paid VALUES (c.workflow_id, c.attempt);
		IF input ? 'says' THEN
			PERFORM workflow.log('info', format(E'pays\n"now" by %s', input->'card'->>'number'), jsonb_build_object('order', jsonb_build_object('card', input->'card'), 'of', input->'says'));
		END IF;
		IF c.attempt <= (input->>'failures')::int THEN
			PERFORM workflow.throw('Declined', format(E'not this time\nnor "soon" %s', input->'card'->>'number'), details => jsonb_build_object('card', input->'card'));
		END IF;
		RETURN jsonb_build_object('receipt', jsonb_build_object('pan', input->'card'->'number'));
	END $$;
	SELECT workflow.register_activity('Reserve', 'app.reserve(jsonb)'),
		workflow.register_activity('Release', 'app.release(jsonb, workflow.activity_context)'),
		workflow.register_activity('Pay', 'app.pay(jsonb, workflow.activity_context)');
	SELECT workflow.register(w, format($asl${
		"StartAt": "Reserve",
		"Redact": ["$.card.number", "$..pan"],
		"SearchAttributes": {"OrderID": {"Type": "Keyword", "Path": "$.order"}, "CustomerID": {"Type": "Keyword", "Path": "$.customer"},
			"TotalAmount": {"Type": "Double", "Path": "$.total"}, "Card": {"Type": "Keyword", "Path": "$.card.number"}},
		"States": {
			"Reserve": {"Type": "Task", "Resource": "Reserve", "ResultPath": "$.reservation", "Compensate": "Release", "Next": "Pay"},
			"Pay": {"Type": "Task", "Resource": "Pay", "ResultPath": "$.payment", "Next": "Done",
				"Retry": [{"ErrorEquals": ["Declined"], "IntervalSeconds": 1, "MaximumAttempts": 2, "BackoffRate": 1}]},
			"Done": {"Type": "Wait", "SecondsPath": "$.wait", "End": true}}}$asl$)::jsonb)
	FROM unnest('{orders,quiet,loud}'::text[]) w});

sub start
{
	my ($workflow, $id, $more) = @_;

	return as_app(
		qq{SELECT workflow.start('$workflow', '{"order": "$id", "customer": "c-1", "total": 12.5, "wait": 0, "failures": 0,
			"card": {"number": "$canary", "brand": "visa"}}'::jsonb || '$more', '$id')});
}

sub wait_until_closed
{
	my ($what) = @_;

	ok($node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM workflow.execution WHERE status <> 'Stuck')"), $what);
	return;
}

# The lines about workflows, each of which is strict JSON with strict JSON in it; after a while, as the collector takes its time.
my $strict = JSON::PP->new->utf8;

sub lines
{
	my $last = $node->safe_psql('postgres', q{SELECT md5(random()::text)});

	$node->safe_psql('postgres', qq{DO \$\$ BEGIN RAISE LOG 'mark $last'; END \$\$});
	foreach my $attempt (1 .. 100)
	{
		my $text = slurp_file("$directory/server.json");

		if ($text =~ /mark $last/)
		{
			my @records = map { $strict->decode($_) } split /\n/, $text;

			return map { $_->{parsed} = $strict->decode($_->{detail}); $_ }
			  grep { ($_->{detail} // '') =~ /^\{.*"event":/ } @records;
		}
		select undef, undef, undef, 0.1;
	}
	die 'the log is not written';
}

# "run event_id event", sorted: of the log, and of history as the levels have it
sub logged
{
	return join "\n", sort map { "$_->{run_id} $_->{event_id} $_->{event}" } grep { defined $_->{event_id} } map { $_->{parsed} } lines();
}

my $everything = q{
	event_type ~ '^WorkflowExecution(Started|Reset|Completed|Failed|TimedOut|Canceled|Terminated|ContinuedAsNew|CancelRequested)$'
	OR event_type IN ('WorkflowTaskFailed', 'ActivityTaskFailed', 'ActivityTaskTimedOut')
	OR event_type = 'ActivityTaskScheduled' AND (attributes->>'attempt')::int > 1
	OR event_type = 'ActivityTaskCompleted' AND attributes ? 'compensation'};
my $failures = q{event_type ~ '^WorkflowExecution(Failed|TimedOut)$'
	OR event_type IN ('WorkflowTaskFailed', 'ActivityTaskFailed', 'ActivityTaskTimedOut')};

sub recorded
{
	my ($condition) = @_;

	return join "\n", sort split /\n/, $node->safe_psql('postgres',
		qq{SELECT concat_ws(' ', run_id, event_id, event_type)
			FROM (SELECT h.*, e.workflow FROM workflow.history h JOIN workflow.executions e USING (run_id)) history
			WHERE $condition});
}

# What nobody has set: failures only.
start('orders', 'ok-1', '{}');
start('orders', 'retried-1', '{"failures": 1}');
start('orders', 'failed-1', '{"failures": 9}');
start('orders', 'stubborn-1', '{"failures": 9, "stubborn": true}');
wait_until_closed('orders are done');
my $after_failures = recorded($failures);
is(logged(), $after_failures, 'failures are logged, as history has them');
is(scalar(split /\n/, $after_failures), 8, 'which are some');

my @lines = grep { $_->{parsed}{workflow_id} eq 'failed-1' } lines();
is_deeply([ map { $_->{parsed}{event} } @lines ],
	[ 'ActivityTaskFailed', 'ActivityTaskFailed', 'WorkflowExecutionFailed' ], 'a failed order, in the order in which it happened');
my ($attempt, $close) = @lines[ 0, 2 ];
is($attempt->{message}, 'activity "Pay" failed (attempt 1, workflow "orders", id "failed-1"): Declined', 'in a sentence');
is($attempt->{error_severity}, 'LOG',                      'of level LOG');
is($attempt->{backend_type},   'order_workflow executor', 'by whoever has driven it');
is($attempt->{statement}, undef, 'without a statement');
my %known = %{ $attempt->{parsed} };
my $run_id = $node->safe_psql('postgres', q{SELECT run_id FROM workflow.executions WHERE workflow_id = 'failed-1'});
like(delete $known{duration_ms}, qr/^\d+(\.\d+)?$/, 'it took a while');
like(delete $known{event_id}, qr/^\d+$/, '…');
like(delete $known{time}, qr/^2\d\d\d-.*Z$/, '…');
like(delete $known{retry_at}, qr/^2\d\d\d-/, 'is tried again');
is_deeply(
	\%known,
	{
		event             => 'ActivityTaskFailed',
		database          => 'postgres',
		owner             => 'app',
		workflow          => 'orders',
		version           => 1,
		workflow_id       => 'failed-1',
		run_id            => $run_id,
		state             => 'Pay',
		activity          => 'Pay',
		attempt           => 1,
		error             => 'Declined',
		cause             => qq{not this time\nnor "soon" [redacted]},
		search_attributes => { OrderID => 'failed-1', CustomerID => 'c-1', TotalAmount => 12.5, Card => '[redacted]' }
	},
	'and all of it for programs');
is($close->{message}, 'workflow "orders" failed (id "failed-1"): Declined', 'so is the close');
ok($close->{parsed}{duration_ms} >= 1000, 'with how long it took');
is($close->{parsed}{state}, 'Pay', 'and where');
is( (grep { $_->{parsed}{workflow_id} eq 'stubborn-1' && ($_->{parsed}{compensation} // 0) == 1 } lines())[0]{message},
	'compensation "Release" failed (attempt 1, workflow "orders", id "stubborn-1"): CannotRelease',
	'a compensation that fails is told as such');

# Levels: the setting, and those of workflows, which the engine follows at once
as_app(q{SELECT workflow.set_log_level('loud', 'all'), workflow.set_log_level('quiet', 'none')});
foreach my $workflow (qw(loud quiet))
{
	start($workflow, "$workflow-ok",       '{}');
	start($workflow, "$workflow-retried",  '{"failures": 1}');
	start($workflow, "$workflow-failed",   '{"failures": 9}');
	start($workflow, "$workflow-stubborn", '{"failures": 9, "stubborn": true}');
	start($workflow, "$workflow-canceled", '{"wait": 600}');
	$node->poll_query_until('postgres', "SELECT state = 'Done' FROM workflow.executions WHERE workflow_id = '$workflow-canceled'");
	as_app("SELECT workflow.cancel('$workflow-canceled', 'no more')");
}
wait_until_closed('more orders are done');
is( logged(),
	recorded("(workflow = 'orders' AND ($failures)) OR (workflow = 'loud' AND ($everything))"),
	'a workflow may be louder, or quieter, than others');
my %count;
$count{ $_->{parsed}{event} }++ foreach grep { ($_->{parsed}{workflow} // '') eq 'loud' } lines();
is_deeply(
	\%count,
	{
		WorkflowExecutionStarted         => 5,
		WorkflowExecutionCompleted       => 2,
		WorkflowExecutionFailed          => 2,
		WorkflowExecutionCanceled        => 1,
		WorkflowExecutionCancelRequested => 1,
		ActivityTaskFailed               => 1 + 2 + 2 + 1,
		ActivityTaskScheduled            => 3,
		ActivityTaskCompleted            => 2
	},
	'starts, closes, failures, retries, compensations and requests');
is((grep { $_->{parsed}{event} eq 'WorkflowExecutionCancelRequested' } lines())[0]{parsed}{requested_by}, 'app', 'and who asked');

as_app(q{SELECT workflow.set_log_level('loud', 'starts, Closes'), workflow.set_log_level('quiet', NULL)});
is($node->safe_psql('postgres', q{SELECT string_agg(concat_ws(' ', workflow, log_events), ', ' ORDER BY workflow) FROM workflow.definitions}),
	'loud starts, Closes, orders, quiet', 'levels are seen');
my ($code, $out, $error) = $node->psql('postgres', q{SELECT workflow.set_log_level('loud', 'noisy')}, extra_params => [ '-U', 'app' ]);
like($error, qr/invalid log level: "noisy"/, 'a level that there is not');
($code, $out, $error) = $node->psql('postgres', q{SELECT workflow.set_log_level('loud', 'none')}, extra_params => [ '-U', 'stranger' ]);
like($error, qr/must be owner of workflow "loud"/, 'is for the owner');
($code, $out, $error) = $node->psql('postgres', q{SET order_workflow.log_events = 'none'}, extra_params => [ '-U', 'app' ]);
like($error, qr/permission denied/, 'and the setting for superusers');
($code, $out, $error) = $node->psql('postgres', q{SET order_workflow.log_events = 'closes, no'});
like($error, qr/invalid value for parameter/, 'which must be one');

# What is rolled back never was; a part of a transaction, too.
$node->append_conf('postgresql.conf', 'order_workflow.log_events = all');
as_app(q{SELECT workflow.set_log_level('loud', NULL)});
$node->reload;
as_app(q{BEGIN; SELECT workflow.start('orders', '{"failures": 0, "wait": 0}', 'rolled back'); ROLLBACK});
as_app(
	q{
	SELECT workflow.register('asks', '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "Outside", "End": true}}}'::jsonb)
	FROM workflow.register_activity('Outside', task_queue => 'outside', options => '{"TimeoutSeconds": 600}');
	SELECT workflow.start('asks', '{}', 'asks-1')});
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM workflow.pending_activities WHERE workflow_id = 'asks-1'});
as_app(
	q{
	DO $$
	DECLARE token uuid := (SELECT task_token FROM workflow.poll_activity('outside', 'me'));
	BEGIN
		FOR i IN 1..3 LOOP
			BEGIN
				PERFORM workflow.complete_activity(token, '"never"');
				RAISE 'no';
			EXCEPTION WHEN raise_exception THEN NULL;
			END;
		END LOOP;
		PERFORM workflow.complete_activity(token, '"well"');
	END $$});
wait_until_closed('what was rolled back is done once');
is(scalar(grep { ($_->{parsed}{workflow_id} // '') eq 'rolled back' } lines()), 0, 'a start that is rolled back is not logged');
is_deeply([ sort map { $_->{parsed}{event} } grep { ($_->{parsed}{workflow_id} // '') eq 'asks-1' } lines() ],
	[ 'WorkflowExecutionCompleted', 'WorkflowExecutionStarted' ], 'nor is what a subtransaction has undone');

# A transaction that is prepared leaves nothing behind to be written when it is committed, as the manual says.
as_app(q{SELECT workflow.start('asks', '{}', 'asks-2')});
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM workflow.pending_activities WHERE workflow_id = 'asks-2'});
as_app(
	q{
	BEGIN;
	SELECT workflow.complete_activity(task_token, '"well"') FROM workflow.poll_activity('outside', 'me');
	PREPARE TRANSACTION 'asks';
	COMMIT PREPARED 'asks'});
wait_until_closed('what was prepared is done');
is_deeply([ map { $_->{parsed}{event} } grep { ($_->{parsed}{workflow_id} // '') eq 'asks-2' } lines() ],
	['WorkflowExecutionStarted'], 'of which the log does not know');

# A run that another is put in the place of
my $point = as_app(q{SELECT max(event_id) FROM workflow.reset_points('failed-1')});
as_app("SELECT workflow.reset('failed-1', $point, 'again')");
start('orders', 'replaced-1', '{"wait": 600}');
$node->poll_query_until('postgres', q{SELECT state = 'Done' FROM workflow.executions WHERE workflow_id = 'replaced-1'});
$point = as_app(q{SELECT max(event_id) FROM workflow.reset_points('replaced-1')});
as_app(qq{SELECT workflow.reset('replaced-1', $point, 'again'); SELECT workflow.terminate('replaced-1', 'enough')});
wait_until_closed('runs in the place of others are done');
my $resets = q{run_id IN (SELECT run_id FROM workflow.history WHERE event_type = 'WorkflowExecutionReset')};
my $reset_runs = join '|', split /\n/, $node->safe_psql('postgres', "SELECT DISTINCT run_id FROM workflow.history WHERE $resets");
is( join("\n", grep { /^($reset_runs)/ } split /\n/, logged()),
	recorded("($everything) AND event_id >= (SELECT min(r.event_id) FROM workflow.history r WHERE r.run_id = history.run_id"
		  . " AND r.event_type = 'WorkflowExecutionReset')"),
	'of a reset run, what is its own');
is((scalar grep { $_->{parsed}{event} eq 'WorkflowExecutionTerminated' } lines()), 2, 'and that the other was terminated');

# What activities say
start('orders', 'says-1', qq{{"says": {"pan": "$canary", "text": "two\\nlines"}, "failures": 1}});
wait_until_closed('it says something');
my @said = grep { $_->{parsed}{event} eq 'Log' } lines();
is(join(' ', map { $_->{parsed}{attempt} } @said), '1 2', 'once in each attempt, also in one that fails and is rolled back');
is($said[0]{message}, qq{pays\n"now" by [redacted]}, 'a message');
like(delete $said[0]{parsed}{time}, qr/^2\d\d\d-.*Z$/, '…');
is_deeply(
	$said[0]{parsed},
	{
		event       => 'Log',
		message     => qq{pays\n"now" by [redacted]},
		fields      => { order => { card => { number => '[redacted]', brand => 'visa' } }, of => { pan => '[redacted]', text => "two\nlines" } },
		database    => 'postgres',
		owner       => 'app',
		workflow    => 'orders',
		version     => 1,
		workflow_id => 'says-1',
		run_id      => $node->safe_psql('postgres', q{SELECT run_id FROM workflow.executions WHERE workflow_id = 'says-1'}),
		state       => 'Pay',
		activity    => 'Pay',
		attempt     => 1
	},
	'with its fields, and where it comes from');

# Many runs in one transaction: each line has what is of its own run.
as_app(
	q{
	SELECT count(workflow.start('orders', jsonb_build_object('order', 'together-' || n, 'customer', repeat('c', n), 'total', n, 'failures', n % 2,
		'wait', 0), 'together-' || n))
	FROM generate_series(1, 500) n});
wait_until_closed('runs that were started together are done');
my @together = map { $_->{parsed} } grep { ($_->{parsed}{workflow_id} // '') =~ /^together/ } lines();
is(scalar(@together), 2 * 500 + 2 * 250, 'each has its lines');
is_deeply(
	[ map { $_->{search_attributes} } @together ],
	[ map { { OrderID => $_->{workflow_id}, CustomerID => 'c' x $1, TotalAmount => $1 } if $_->{workflow_id} =~ /-(\d+)$/ } @together ],
	'with the search attributes of the run');

# Much in one transaction: bounded, and what is left out is counted.
as_app(
	q{
	SELECT workflow.register('many', '{"StartAt": "M", "States": {"M": {"Type": "Map", "ItemsPath": "$", "ToleratedFailurePercentage": 100, "End": true,
		"ItemProcessor": {"StartAt": "F", "States": {"F": {"Type": "Task", "Resource": "Pay", "End": true}}}}}}'::jsonb);
	SELECT workflow.start('many', (SELECT jsonb_agg('{"failures": 1}'::jsonb) FROM generate_series(1, 300)), repeat('many ', 190))});
wait_until_closed('a Map of failures is done');
is(scalar(grep { ($_->{parsed}{workflow} // '') eq 'many' && $_->{parsed}{event} eq 'ActivityTaskFailed' } lines()), 300, 'each has its line');
is(scalar(grep { $_->{parsed}{event} eq 'LinesNotWritten' } lines()), 0, 'none is left out');
as_app(
	q{
	CREATE FUNCTION app.chatter(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1..5000 LOOP
			PERFORM workflow.log('info', 'chatter ' || i || repeat('.', 1000));
		END LOOP;
		RETURN input;
	END $$;
	SELECT workflow.register_activity('Chatter', 'app.chatter(jsonb)');
	SELECT workflow.start_activity('Chatter', '{}')});
wait_until_closed('somebody chatters');
my $written = grep { $_->{message} =~ /^chatter/ } lines();
my @not_written = grep { $_->{parsed}{event} eq 'LinesNotWritten' } lines();
cmp_ok($written, '>', 1000, 'much is written');
is_deeply([ map { $_->{parsed}{lines} } @not_written ], [ 5000 - $written ], 'and how much is not');

# Crashes: not one line twice, and hardly any missing.
as_app(q{SELECT count(*) FROM generate_series(1, 40) i, workflow.start('orders', '{"failures": 1, "wait": 0}', 'crashed-' || i)});
foreach my $crash (1 .. 3)
{
	kill_executor_of($node);
	as_app(qq{SELECT count(*) FROM generate_series(1, 40) i, workflow.start('orders', '{"failures": 1, "wait": 0}', 'crashed-$crash-' || i)});
}
wait_until_closed('orders are done in spite of crashes');
my @logged = split /\n/, logged();
my %seen;
is_deeply([ grep { $seen{$_}++ } @logged ], [], 'no line is there twice');
my %happened = map { $_ => 1 } split /\n/, recorded('true');
is_deeply([ grep { !$happened{$_} } @logged ], [], 'and none of what did not happen');
my @missing = grep { !$seen{$_} } split /\n/, recorded("workflow_id LIKE 'crashed%' AND ($everything)");
cmp_ok(scalar @missing, '<', 3 * 64 * 6, 'at most what was being committed is missing');

# Nothing that is hidden is in any of the files, nor in reports; but where it is allowed to be.
$node->stop;
foreach my $file (glob "$directory/*")
{
	unlike(slurp_file($file), qr/\Q$canary\E/, 'nothing hidden is in ' . ($file =~ s/.*\///r));
}
$node->start;
foreach my $id (qw(ok-1 failed-1 stubborn-1 says-1))
{
	my $report = as_app("SELECT workflow.report_html('$id')");

	unlike($report =~ s/nor \\*"soon\\*" \Q$canary\E//gr, qr/\Q$canary\E/, "nor in the report of $id, but in causes");
	like($report, qr/visa/, 'which has the rest');
}
unlike(as_app(q{SELECT workflow.otlp_spans('-infinity')}) =~ s/nor \\*"soon\\*" \Q$canary\E//gr, qr/\Q$canary\E/, 'nor in traces');
like(as_app(q{SELECT input FROM workflow.get_execution('ok-1')}), qr/\Q$canary\E/, 'who may read the run reads it');
$node->stop;

# Kills an executor, if there is one, and waits until the server is back.  It writes into files: OrderTest looks elsewhere.
sub kill_executor_of
{
	my ($it) = @_;
	my ($pid, $started);

	foreach my $try (1 .. 50)
	{
		($pid, $started) = split /\|/, $it->safe_psql('postgres',
			q{SELECT pid, pg_postmaster_start_time() FROM pg_stat_activity WHERE backend_type = 'order_workflow executor' LIMIT 1});
		last if $pid;
	}
	return unless $pid;
	kill 'KILL', $pid;
	select undef, undef, undef, 0.5;
	wait_until_up($it);
	return;
}

done_testing();
