# Executors and the server are killed while Maps over many items and Parallels run: each item is worked on exactly
# once, what outputs there are is in order, and nothing is left over.

use strict;
use warnings;

use File::Basename;
use OrderTest;
use PostgreSQL::Test::Utils;
use WorkerTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_cluster('branches',
	'order_workflow.crash_limit = 1000',
	# Short transactions have more points at which to be interrupted.
	'order_workflow.batch_time = 10ms', 'log_min_messages = warning');
my $seed = $ENV{STORM_SEED} // int(rand 2**31);
srand $seed;
note("STORM_SEED=$seed");

$node->safe_psql('postgres', q{CREATE ROLE shop LOGIN});
$node->safe_psql('postgres', q{CREATE DATABASE shop OWNER shop});
$node->safe_psql(
	'shop', q{
	CREATE EXTENSION order_workflow;
	SELECT workflow.grant_usage('shop');
	SET ROLE shop;
	CREATE TABLE public.done (run text, item int, worked_at timestamptz DEFAULT clock_timestamp());
	CREATE FUNCTION public.work(input jsonb) RETURNS jsonb LANGUAGE sql AS $$
		INSERT INTO public.done VALUES (input->>'run', (input->>'item')::int) RETURNING input->'item' $$;
	SELECT workflow.register_activity('Work', 'public.work(jsonb)', options => '{"StartToCloseSeconds": 60}');
	-- Every tenth item waits, so that branches get rows; each order is spread by a Parallel first.
	SELECT workflow.register('spread', $asl${"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": true,
		"ResultSelector": {"all.$": "$[0]", "last.$": "$[1][-1:]"},
		"Branches": [
			{"StartAt": "All", "States": {"All": {"Type": "Map", "ItemsPath": "$.items", "End": true, "MaxConcurrency": 20,
				"ItemSelector": {"run.$": "$.run", "item.$": "$$.Map.Item.Value"},
				"ItemProcessor": {"StartAt": "Tenth", "States": {
					"Tenth": {"Type": "Choice", "Choices": [{"Variable": "$.item", "NumericLessThan": 30, "Next": "Pause"}], "Default": "Work"},
					"Pause": {"Type": "Wait", "Seconds": 1, "Next": "Work"},
					"Work": {"Type": "Task", "Resource": "Work", "End": true}}}}}},
			{"StartAt": "Negative", "States": {"Negative": {"Type": "Map", "ItemsPath": "$.items", "End": true,
				"ItemSelector": {"run.$": "$.other", "item.$": "$$.Map.Item.Value"},
				"ItemProcessor": {"StartAt": "Work too", "States": {"Work too": {"Type": "Task", "Resource": "Work", "End": true}}}}}}
		]}}}$asl$);
	SELECT workflow.start('spread', jsonb_build_object('run', 'a' || n, 'other', 'b' || n,
		'items', (SELECT jsonb_agg(i) FROM generate_series(1, 300) i)), workflow_id => 'run ' || n)
	FROM generate_series(1, 10) n;
});

my %killed = (executor => 0, server => 0);
foreach my $round (1 .. 14)
{
	usleep(50_000 + rand 150_000);
	last
	  if $node->safe_psql('shop', 'SELECT count(*) FROM workflow.execution') == 0;
	if ($round % 5 == 0)
	{
		$killed{server} += kill_server($node);
	}
	else
	{
		$killed{executor} += kill_executor($node);
	}
}
note('killed: ' . join(', ', map { "$_ $killed{$_}" } sort keys %killed));
cmp_ok($killed{executor}, '>', 0, 'some executors were killed');
wait_until_closed($node, 'shop', 'all runs end');
is( $node->safe_psql('shop', q{SELECT status, count(*) FROM workflow.executions GROUP BY 1}),
	'Completed|10', 'and complete');
is( $node->safe_psql(
		'shop', q{SELECT count(*), count(DISTINCT (run, item)), count(DISTINCT run) FROM public.done}),
	'6000|6000|20',
	'each item was worked on exactly once');
is( $node->safe_psql(
		'shop', q{SELECT count(*) FROM workflow.executions
		WHERE output->'all' = (SELECT jsonb_agg(i) FROM generate_series(1, 300) i) AND output->'last' = '[300]'}),
	'10',
	'outputs are in the order of items');
is( $node->safe_psql(
		'shop', slurp_file(dirname(__FILE__) . '/consistency.sql') . 'SELECT * FROM pg_temp.faults() LIMIT 10'),
	'',
	'the history of each leads to its state, and nothing is left over');
$node->stop;
done_testing();
