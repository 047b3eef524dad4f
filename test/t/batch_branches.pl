# Branches that wait for the same moment, and whose activities then take longer than a batch may: executors take
# them up one after the other, and forget none.

use strict;
use warnings;

use BatchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_batch_cluster('branches', 'order_workflow.batch_time = 50ms');

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
is( $node->safe_psql('postgres', q{SELECT DISTINCT output FROM workflow.executions}),
	'[1, 2, 3, 4, 5]', 'timers that are due at the same time all fire');

no_faults($node, 'branches');
$node->stop;
done_testing();
