# Metrics of definitions with real executors: SQL in sessions of others, expressions that hang, more series than there is
# room for, transactions that are rolled back.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('definition_metrics', 'order_workflow.max_metrics = 100', 'order_workflow.expression_timeout = 200ms');

$node->safe_psql('postgres', q{
	CREATE EXTENSION order_workflow;
	CREATE ROLE shop LOGIN;
	CREATE ROLE clerk LOGIN;
	CREATE SCHEMA shop AUTHORIZATION shop;
	SELECT workflow.grant_usage('shop'), workflow.grant_usage('clerk')});
$node->safe_psql('postgres', q{
	SET ROLE shop;
	CREATE FUNCTION shop.nap(seconds float8) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM pg_sleep(seconds); RETURN 1; END';
	CREATE FUNCTION shop.pass(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
	SELECT workflow.register_activity('Pass', 'shop.pass(jsonb)');
	SELECT workflow.register_activity('Ship', task_queue => 'ship', options => '{"StartToCloseSeconds": 600}');
	SELECT workflow.register('order', $${"StartAt": "Ship", "Metrics": {
		"euros_total": {"QueryLanguage": "SQL", "Type": "Counter", "Value": "{% (input->>'amount')::numeric %}", "Labels": {"how": "{% context->'Execution'->>'Status' %}"}},
		"naps": {"QueryLanguage": "SQL", "Type": "Gauge", "Value": "{% shop.nap((input->>'nap')::float8) %}", "On": ["Completed"]}
	}, "States": {"Ship": {"Type": "Task", "Resource": "Ship", "ResultPath": null, "End": true}}}$$);
	SELECT workflow.register('many', $${"StartAt": "Pass", "Metrics": {
		"many": {"Type": "Gauge", "Value.$": "$.n", "Labels": {"n.$": "$.n"}}
	}, "States": {"Pass": {"Type": "Task", "Resource": "Pass", "End": true}}}$$);
	SELECT workflow.grant_workflow('clerk', 'order', '{start,cancel}');
	SELECT workflow.grant_worker('clerk', 'ship');
	SELECT workflow.start('order', '{"amount": 12.5, "nap": 0}', 'shipped');
	SELECT workflow.start('order', '{"amount": 1, "nap": 60}', 'sleeps');
	SELECT workflow.start('order', '{"amount": 3}', 'replaced')});

sub value
{
	my ($name, $labels) = @_;
	return $node->safe_psql('postgres', "SELECT coalesce(sum(value), 0) FROM workflow.metrics WHERE name = '$name' AND labels \@> '$labels'");
}

sub comes
{
	my ($condition, $what) = @_;
	return ok($node->poll_query_until('postgres', "SELECT $condition"), $what);
}

# A worker of another role: what it answers closes runs whose metrics are SQL of their owner
comes("count(*) = 3 FROM workflow.pending_activities WHERE task_queue = 'ship'", 'three tasks wait');
$node->safe_psql('postgres', q{SELECT workflow.complete_activity(task_token, '1') FROM workflow.poll_activity('ship', 'w', 10)
	WHERE workflow_id <> 'replaced'}, extra_params => [ '-U', 'clerk' ]);
comes("count(*) = 2 FROM workflow.executions WHERE status = 'Completed'", 'two are done');
is(value('euros_total', '{"how": "Completed"}'), '13.5', 'SQL is evaluated where the owner is');
is(value('naps', '{}'), '1', 'one nap was short');
is(value('metric_values_unusable_total', '{"metric": "naps", "reason": "failed"}'), '1', 'the other one was ended, and its run none the worse');

# The clerk ends a run in his own session: there the owner's SQL is not evaluated.
$node->safe_psql('postgres', q{SELECT workflow.start('order', '{"amount": 4}', 'replaced', id_conflict_policy => 'TerminateExisting')},
	extra_params => [ '-U', 'clerk' ]);
is($node->safe_psql('postgres', q{SELECT status FROM workflow.executions WHERE workflow_id = 'replaced' AND closed_at IS NOT NULL}), 'Terminated', 'another run has taken the place of one');
is(value('metric_values_unusable_total', '{"metric": "euros_total", "reason": "failed"}'), '1', 'which has no value');
is(value('executions_closed_total', '{"status": "Terminated"}'), '1', 'but is counted otherwise');

# The owner can.
$node->safe_psql('postgres', q{SELECT workflow.start('order', '{"amount": 5}', 'replaced', id_conflict_policy => 'TerminateExisting')},
	extra_params => [ '-U', 'shop' ]);
is(value('euros_total', '{"how": "Terminated"}'), '4', 'the owner\'s session can');

# A transaction that is rolled back
$node->psql('postgres', q{BEGIN; SELECT workflow.start('order', '{"amount": 6}', 'replaced', id_conflict_policy => 'TerminateExisting'); ROLLBACK},
	extra_params => [ '-U', 'shop' ]);
is(value('euros_total', '{"how": "Terminated"}'), '4', 'what is rolled back does not count');

# More labels than there is room for
$node->safe_psql('postgres', q{SET ROLE shop; SELECT workflow.start_many('many', array_agg(jsonb_build_object('n', n))) FROM generate_series(1, 300) n});
comes("count(*) = 300 FROM workflow.executions WHERE workflow = 'many' AND status = 'Completed'", 'three hundred runs are done');
is($node->safe_psql('postgres', 'SELECT count(*) FROM workflow.metrics WHERE custom'), 75, 'there is room for so many series');
is($node->safe_psql('postgres', q{SELECT sum(count) + max(lost.value) FROM workflow.metrics m, (SELECT value FROM workflow.metrics WHERE name = 'metrics_lost_total') lost WHERE m.name = 'many'}),
	300, 'what had none is counted');
is($node->safe_psql('postgres', q{SELECT value FROM workflow.metrics WHERE name = 'executions_closed_total' AND labels @> '{"workflow": "many"}'}), 300, 'the extension\'s own have theirs');

$node->restart;
is(value('euros_total', '{}'), '0', 'after a restart all begin again');
$node->stop;
done_testing();
