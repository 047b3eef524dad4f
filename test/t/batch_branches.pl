# Branches that wait for the same moment, and whose activities then take longer than a batch may: executors take
# them up one after the other, and forget none.

use strict;
use warnings;

use BatchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_batch_cluster('branches', 'order_workflow.batch_time = 50ms',
	'order_workflow.transition_limit = 12');

as_app(
	$node, q{
	CREATE FUNCTION app.slow(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input FROM pg_sleep(0.1) $$;
	SELECT workflow.register_activity('Slow', 'app.slow(jsonb)');
	SELECT workflow.register('together', $asl${"StartAt": "All", "States": {"All": {"Type": "Map", "End": true,
		"ItemProcessor": {"StartAt": "Pause", "States": {
			"Pause": {"Type": "Wait", "Seconds": 1, "Next": "Slow"},
			"Slow": {"Type": "Task", "Resource": "Slow", "End": true}}}}}}$asl$);
	SELECT workflow.start('together', '[1, 2, 3, 4, 5]', 'together-' || n) FROM generate_series(1, 3) n});
wait_until_done($node, 'together');
is( $node->safe_psql('postgres', q{SELECT DISTINCT output FROM workflow.executions WHERE workflow = 'together'}),
	'[1, 2, 3, 4, 5]', 'timers that are due at the same time all fire');

# Each round enters three states, with an activity in a branch.
as_app(
	$node, q{
	SELECT workflow.register('rounds', $asl${"StartAt": "Begin", "States": {
		"Begin": {"Type": "Pass", "Assign": {"n": 0}, "Next": "All"},
		"All": {"Type": "Map", "ItemsPath": "$.items", "ResultPath": null, "Next": "Count",
			"ItemProcessor": {"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": true,
				"Branches": [{"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": "Work", "End": true}}}]}}}},
		"Count": {"Type": "Pass", "Assign": {"n.$": "States.MathAdd($n, 1)"}, "Next": "Again"},
		"Again": {"Type": "Choice", "Choices": [{"Variable": "$n", "NumericLessThan": 10, "Next": "All"}], "Default": "Done"},
		"Done": {"Type": "Succeed"}}}$asl$);
	SELECT workflow.start('rounds', '{"items": [1, 2]}', 'rounds-1')});
wait_until_done($node, 'rounds');
is( $node->safe_psql('postgres', q{SELECT status FROM workflow.executions WHERE workflow_id = 'rounds-1'}),
	'Completed', 'a loop around branches that do something is no idle loop');

no_faults($node, 'branches');
$node->stop;
done_testing();
