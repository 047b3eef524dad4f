# Ten thousand signals and cancels meet runs that consume them, time out and close, in sessions that know nothing of each other: each
# signal that was committed is in its run's history once, consumed at most once, or shown as undeliverable.

use strict;
use warnings;

use File::Basename;
use OrderTest;
use PostgreSQL::Test::Utils;
use WorkerTest;
use Test::More;

my $runs = 500;
my $seed = $ENV{STORM_SEED} // int(rand 2**31);
my $node = new_cluster('signals', 'max_connections = 30', 'log_min_messages = warning');
note("STORM_SEED=$seed");

$node->safe_psql('postgres', $_) foreach ('CREATE ROLE shop LOGIN', 'CREATE ROLE carrier LOGIN', 'CREATE DATABASE shop OWNER shop');
$node->safe_psql(
	'shop', q{
	CREATE EXTENSION order_workflow;
	SELECT workflow.grant_usage('shop');
	SELECT workflow.grant_usage('carrier');
	CREATE TABLE public.sent (run text, id int, kind text);
	CREATE SEQUENCE public.ids;
	GRANT ALL ON public.sent, public.ids TO shop, carrier;
	SET ROLE shop;
	SELECT workflow.register('track', $asl${"StartAt": "Begin", "Signals": {"seen": {}, "delivered": {}}, "States": {
		"Begin": {"Type": "Pass", "Assign": {"seen": 0}, "Next": "Track"},
		"Track": {"Type": "Await", "Any": [
			{"Signal": "seen", "Assign": {"seen.$": "States.MathAdd($seen, 1)"}, "Next": "Track"},
			{"Signal": "delivered", "Condition": {"Variable": "$.id", "NumericGreaterThan": 1000}, "Next": "Done"},
			{"AfterSecondsPath": "$.patience", "Next": "Done"}]},
		"Done": {"Type": "Pass", "Parameters": {"seen.$": "$seen"}, "End": true}}}$asl$);
	SELECT workflow.grant_workflow('carrier', 'track', '{signal,cancel}')});

# One of many sessions, of two roles: signals, some of them twice, and cancels, at times together in a transaction
$node->safe_psql(
	'shop', q{
	CREATE FUNCTION public.poke(run text, what int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		id CONSTANT int := nextval('public.ids');
		kind CONSTANT text := CASE WHEN what < 80 THEN 'seen' WHEN what < 90 THEN 'delivered' ELSE 'cancel' END;
	BEGIN
		IF kind = 'cancel' THEN
			PERFORM workflow.cancel(run);
		ELSE
			PERFORM workflow.signal(run, kind, jsonb_build_object('id', id), CASE WHEN what % 2 = 0 THEN 'request ' || id END);
		END IF;
		IF what % 10 = 0 THEN
			PERFORM workflow.signal(run, kind, jsonb_build_object('id', id), 'request ' || id);
			PERFORM pg_sleep(0.01);
		END IF;
		INSERT INTO public.sent VALUES (run, id, kind);
	EXCEPTION WHEN SQLSTATE 'OW005' OR SQLSTATE 'OW009' OR SQLSTATE 'OW014' THEN
		NULL; -- closed, or not started yet
	END $$});
$node->safe_psql('shop', qq{SET ROLE shop;
	SELECT count(workflow.start('track', jsonb_build_object('patience', n % 12), 'run ' || n)) FROM generate_series(1, $runs) n});

my $script = PostgreSQL::Test::Utils::tempdir() . '/poke';
append_to_file($script, "\\set run random(1, $runs)\n\\set what random(0, 99)\nSELECT public.poke('run ' || :run, :what);\n");
my %error;
my @sessions = map {
	my $user = $_;
	IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-t', '1250', '-f', $script, "--random-seed=$seed",
			'-h', $node->host, '-p', $node->port, '-U', $user, 'shop' ], '>', '/dev/null', '2>', \$error{$user})
} qw(shop carrier);
is(scalar(grep { $_->finish } @sessions), 2, 'ten thousand times a run was told something')
  or diag(map { "$_: $error{$_}" } keys %error);
wait_until_closed($node, 'shop', 'all runs end');
ok($node->poll_query_until('shop', 'SELECT count(*) = 0 FROM workflow.message'), 'nothing is on its way any more');

is($node->safe_psql('shop', q{SELECT string_agg(DISTINCT status, ' ' ORDER BY status) FROM workflow.executions}), 'Canceled Completed',
	'by their timers, a signal, or a cancel');
cmp_ok($node->safe_psql('shop', q{SELECT count(*) FROM public.sent WHERE kind <> 'cancel'}), '>', 1000, 'many signals were sent');
is( $node->safe_psql(
		'shop', q{
		SELECT s.id, count(*) FROM public.sent s
		LEFT JOIN (SELECT workflow_id, (attributes#>>'{payload,id}')::int AS id FROM workflow.history WHERE event_type = 'WorkflowExecutionSignaled'
			UNION ALL SELECT workflow_id, (payload->>'id')::int FROM workflow.signals) found ON found.id = s.id AND found.workflow_id = s.run
		WHERE s.kind <> 'cancel'
		GROUP BY s.id
		HAVING count(found.id) <> 1 LIMIT 10}),
	'', 'each is in its history once, or was not delivered');
is( $node->safe_psql(
		'shop', q{
		SELECT run_id, attributes->'signal_event_id' FROM workflow.history WHERE event_type = 'SignalConsumed'
		GROUP BY 1, 2 HAVING count(*) <> 1 LIMIT 10}),
	'', 'none was consumed twice');
is( $node->safe_psql(
		'shop', q{
		SELECT e.workflow_id FROM workflow.executions e, LATERAL (SELECT count(*) FROM workflow.history h
			WHERE h.run_id = e.run_id AND h.event_type = 'SignalConsumed' AND h.attributes->>'signal' = 'seen') n (consumed)
		WHERE e.status = 'Completed' AND e.output->'seen' <> to_jsonb(consumed)}),
	'', 'each counted');
cmp_ok($node->safe_psql('shop', q{SELECT count(*) FROM workflow.history WHERE event_type = 'SignalConsumed'}), '>', 500, 'many were');
is( $node->safe_psql('shop', q{SELECT (SELECT count(*) FROM workflow.signal), (SELECT count(*) FROM workflow.signal_request),
		(SELECT count(*) FROM workflow.timer), (SELECT count(*) FROM workflow.signals WHERE status <> 'Undeliverable')}),
	'0|0|0|0', 'nothing is left over');
is($node->safe_psql('shop', slurp_file(dirname(__FILE__) . '/consistency.sql') . 'SELECT * FROM pg_temp.faults()'), '', 'no faults');
$node->stop;
done_testing();
