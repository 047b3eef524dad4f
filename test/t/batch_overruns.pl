# Activities that take longer than they may, whatever they do about it.

use strict;
use warnings;

use BatchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_batch_cluster('overruns', 'order_workflow.crash_limit = 1');

# A workflow each for what the special run's activity does with the cancel that ends it.
my %swallow = (
	obedient => '',
	others => 'EXCEPTION WHEN OTHERS THEN RETURN \'"swallowed"\';',
	canceled => 'EXCEPTION WHEN query_canceled THEN RETURN \'"swallowed"\';',
	retrying => 'EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(0.05); RETURN \'"swallowed"\';',
	failing => 'EXCEPTION WHEN query_canceled THEN RAISE unique_violation;');

sub register
{
	my ($name, $timeout, $handler) = @_;

	as_app(
		$node, qq{
		CREATE FUNCTION app.$name(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS \$\$
		BEGIN
			PERFORM app.note(c);
			IF input ? 'special' THEN
				PERFORM pg_sleep(600);
			END IF;
			RETURN '"done"';
		$handler
		END \$\$;
		SELECT workflow.register_activity('$name', 'app.$name(jsonb, workflow.activity_context)');
		SELECT workflow.register('$name', '{"StartAt": "First", "States": {
			"First": {"Type": "Task", "Resource": "Work", "Next": "Sleep"},
			"Sleep": {"Type": "Task", "Resource": "$name", "StartToCloseSeconds": $timeout,
				"Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}], "End": true}}}')});
	return;
}

foreach my $name (sort keys %swallow)
{
	register($name, 1, $swallow{$name});
	run_together($node, $name);
	is( $node->safe_psql(
			'postgres', qq{
			SELECT status, error,
				(SELECT string_agg(attributes->>'attempt' || ' ' || event_type, ', ' ORDER BY event_id) FROM workflow.history h
				 WHERE h.run_id = e.run_id AND state = 'Sleep' AND event_type <> 'ActivityTaskScheduled'),
				(SELECT string_agg(state, ', ') FROM app.effects f WHERE f.workflow_id = e.workflow_id)
			FROM workflow.executions e WHERE workflow_id = '$name-25'}),
		'Failed|States.Timeout|1 ActivityTaskTimedOut, 2 ActivityTaskTimedOut|First',
		"$name: an attempt that overruns has timed out, and leaves nothing");
	others_complete($node, $name, 'First,Sleep');
}
no_faults($node, 'overruns');

# Longer than a shared transaction allows, but no longer than it may: it is done alone.
as_app(
	$node, q{
	CREATE FUNCTION app.slow(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c);
		PERFORM pg_sleep(0.4) WHERE input ? 'special';
		RETURN '"done"';
	EXCEPTION WHEN query_canceled OR OTHERS THEN
		RETURN '"swallowed"';
	END $$;
	SELECT workflow.register_activity('Slow', 'app.slow(jsonb, workflow.activity_context)');
	SELECT workflow.register('slow', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Work", "Next": "Slow"},
		"Slow": {"Type": "Task", "Resource": "Slow", "StartToCloseSeconds": 60, "End": true}}}')});
run_together($node, 'slow');
others_complete($node, 'slow', 'First,Slow', 'none');
is($node->safe_psql('postgres', "SELECT output, count(*) FROM workflow.executions WHERE workflow = 'slow' GROUP BY output"),
	'"done"|50', 'the engine\'s own cancel becomes no result');
is( $node->safe_psql(
		'postgres', q{
		SELECT count(DISTINCT f.workflow_id) FROM app.effects f
		JOIN app.effects special USING (transaction) WHERE special.workflow_id = 'slow-25'}),
	'1',
	'the slow one has a transaction of its own');
no_faults($node, 'slow activities');

# One that never stops takes its executor down, but not again and again, and not the other runs.
as_app(
	$node, q{
	CREATE FUNCTION app.endless(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c);
		WHILE input ? 'special' LOOP
			BEGIN
				PERFORM pg_sleep(60);
			EXCEPTION WHEN query_canceled THEN
				NULL;
			END;
		END LOOP;
		RETURN '"done"';
	END $$;
	SELECT workflow.register_activity('Endless', 'app.endless(jsonb, workflow.activity_context)');
	SELECT workflow.register('endless', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Work", "Next": "Endless"},
		"Endless": {"Type": "Task", "Resource": "Endless", "StartToCloseSeconds": 1, "End": true}}}')});
run_together($node, 'endless');
others_complete($node, 'endless', 'First,Endless');
is( $node->safe_psql(
		'postgres', "SELECT status, stuck->>'Error', crashes FROM workflow.execution WHERE workflow_id = 'endless-25'"),
	'Stuck|OW.ActivityQuarantined|1',
	'an activity that never stops leaves its run stuck');
no_faults($node, 'endless activities');

$node->stop;
done_testing();
