# Hundreds of parents with thousands of children of another owner, whose activities fail now and then, while executors are ended and the
# server crashes: each child does its work once, each parent hears of each once, and nothing is left over.

use strict;
use warnings;

use File::Basename;
use OrderTest;
use PostgreSQL::Test::Utils;
use WorkerTest;
use Test::More;

my $parents = 300;
my $node = new_cluster('children', 'max_connections = 30');

$node->safe_psql('postgres', $_) foreach ('CREATE ROLE shop LOGIN', 'CREATE ROLE carrier LOGIN', 'CREATE DATABASE shop OWNER shop');
$node->safe_psql(
	'shop', q{
	SET client_min_messages = error;
	CREATE EXTENSION order_workflow;
	SELECT workflow.grant_usage('shop');
	SELECT workflow.grant_usage('carrier');
	GRANT CREATE ON SCHEMA public TO carrier;
	SET ROLE carrier;
	CREATE TABLE public.shipped (run uuid, item text);
	CREATE FUNCTION public.ship(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		IF random() < 0.2 THEN
			PERFORM workflow.throw('Busy', 'no van');
		END IF;
		INSERT INTO public.shipped VALUES ((workflow.current_activity()).run_id, input->>'item');
		RETURN input;
	END $$;
	SELECT workflow.register_activity('Ship', 'public.ship(jsonb)');
	SELECT workflow.register('ship', $asl${"StartAt": "Wait", "States": {
		"Wait": {"Type": "Wait", "SecondsPath": "$.wait", "Next": "Ship"},
		"Ship": {"Type": "Task", "Resource": "Ship", "End": true}}}$asl$);
	SELECT workflow.grant_workflow('shop', 'ship', '{start,signal}');
	SET ROLE shop;
	SELECT workflow.register('order', $asl${"StartAt": "Aside", "States": {
		"Aside": {"Type": "Task", "Resource": "workflow:ship", "WaitFor": "Started", "ParentClosePolicy": "RequestCancel", "Parameters": {"item": "aside", "wait": 3600}, "ResultPath": null, "Next": "Items"},
		"Items": {"Type": "Map", "ItemsPath": "$.items", "End": true, "ItemProcessor": {"StartAt": "Ship", "States": {
			"Ship": {"Type": "Task", "Resource": "workflow:ship", "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 50, "BackoffRate": 1.0}], "End": true}}}}}}$asl$)});
$node->safe_psql('shop', qq{SET ROLE shop;
	SELECT count(workflow.start('order', jsonb_build_object('items',
		(SELECT jsonb_agg(jsonb_build_object('item', format('%s.%s', n, i), 'wait', i % 3)) FROM generate_series(1, 5) i)), 'order ' || n))
	FROM generate_series(1, $parents) n});

# Executors end in the middle of whatever they are at, and with some of them, or all at once, the whole server does.
foreach my $round (1 .. 12)
{
	select(undef, undef, undef, 0.3);
	$node->psql('shop', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'order_workflow executor'});
	kill_executor($node) if $round == 4 || $round == 8;
	kill_server($node) if $round == 10;
}
ok( $node->poll_query_until('shop', q{SELECT count(*) = 0 FROM workflow.execution}), 'all runs end')
  or diag($node->safe_psql('shop', q{SELECT workflow, status, state, phase, count(*) FROM workflow.execution GROUP BY 1, 2, 3, 4}));
ok($node->poll_query_until('shop', 'SELECT count(*) = 0 FROM workflow.message'), 'nothing is on its way any more');

is($node->safe_psql('shop', q{SELECT workflow, status, count(*) FROM workflow.executions WHERE status <> 'Failed' GROUP BY 1, 2 ORDER BY 1, 2}),
	join("\n", "order|Completed|$parents", "ship|Canceled|$parents", 'ship|Completed|' . 5 * $parents), 'each order has its children, and closes the one aside');
is($node->safe_psql('shop', q{SELECT count(*), count(DISTINCT item), count(DISTINCT run) FROM public.shipped}), join('|', (5 * $parents) x 3), 'each ships once');
is( $node->safe_psql(
		'shop', q{
		SELECT count(*) FROM workflow.history h WHERE h.event_type = 'ChildWorkflowExecutionStarted'
		AND NOT EXISTS (SELECT FROM workflow.executions c WHERE c.run_id = (h.attributes->>'run_id')::uuid AND c.parent_run_id = h.run_id)}),
	'0', 'what a parent was told to have started did');
is( $node->safe_psql(
		'shop', q{
		SELECT (SELECT count(*) FROM workflow.history WHERE event_type ~ '^ChildWorkflowExecution(Completed|Failed)$'
				AND state IS NOT NULL) - (SELECT count(*) FROM workflow.executions WHERE workflow = 'ship' AND status IN ('Completed', 'Failed'))}),
	'0', 'each end of a child is known to its parent once');
is($node->safe_psql('shop', 'SELECT count(*) FROM workflow.child'), '0', 'nothing is left over');
is($node->safe_psql('shop', slurp_file(dirname(__FILE__) . '/consistency.sql') . 'SELECT * FROM pg_temp.faults()'), '', 'no faults');
$node->stop;
done_testing();
