# Cancels, terminates and retries of runs that executors carry on: asked for before a run begins, while it
# waits, while an activity runs, and when it is stuck.

use strict;
use warnings;

use BatchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_batch_cluster('control');

sub query
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

as_app(
	$node, q{
	CREATE TABLE app.gate (id int PRIMARY KEY);
	INSERT INTO app.gate VALUES (1);
	-- Waits at the gate while somebody holds it.
	CREATE FUNCTION app.pass(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c);
		IF input ? 'special' THEN
			PERFORM FROM app.gate FOR UPDATE;
		END IF;
		RETURN input;
	END $$;
	SELECT workflow.register_activity('Pass', 'app.pass(jsonb, workflow.activity_context)');
	SELECT workflow.register('wait', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Work", "Compensate": "Work", "Next": "Wait"},
		"Wait": {"Type": "Wait", "Seconds": 3600, "Next": "Second"},
		"Second": {"Type": "Task", "Resource": "Work", "End": true}}}');
	SELECT workflow.register('gate', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Work", "Compensate": "Work", "Next": "Gate"},
		"Gate": {"Type": "Task", "Resource": "Pass", "Compensate": "Work", "Next": "Second"},
		"Second": {"Type": "Task", "Resource": "Work", "End": true}}}')});

# Before they begin, and while they wait.
stop_engine($node);
start_runs($node, 'wait', 50);
as_app($node, "SELECT workflow.cancel('wait-1'), workflow.terminate('wait-2'), workflow.cancel('wait-3'), workflow.terminate('wait-3')");
start_engine($node);
ok($node->poll_query_until('postgres', "SELECT count(*) = 47 FROM workflow.execution WHERE state = 'Wait'"), 'the others wait');
is( query(q{
	SELECT workflow_id, status, (SELECT count(*) FROM app.effects f WHERE f.workflow_id = e.workflow_id)
	FROM workflow.executions e WHERE closed_at IS NOT NULL ORDER BY workflow_id}),
	"wait-1|Canceled|0\nwait-2|Terminated|0\nwait-3|Canceled|0",
	'runs that are canceled or terminated at once do nothing');
no_faults($node, 'waiting');
as_app(
	$node, q{
	SELECT CASE WHEN n % 2 = 0 THEN workflow.cancel('wait-' || n) ELSE workflow.terminate('wait-' || n) END
	FROM generate_series(4, 50) n});
wait_until_done($node, 'wait');
is( query(q{
	SELECT status, count(*), sum(effects) FROM workflow.executions e
	CROSS JOIN LATERAL (SELECT count(*) AS effects FROM app.effects f WHERE f.workflow_id = e.workflow_id) f
	WHERE workflow = 'wait' AND split_part(workflow_id, '-', 2)::int > 3 GROUP BY status ORDER BY status}),
	"Canceled|24|48\nTerminated|23|23",
	'waiting runs are ended, and compensated if canceled');
is(query('SELECT count(*) FROM workflow.timer'), '0', 'their timers are gone');
no_faults($node, 'cancel and terminate');

# While an activity runs: it comes to its end first, and counts.  (Its transaction would go on with the next
# one if there were time.)
$node->safe_psql('postgres', "ALTER SYSTEM SET order_workflow.batch_time = '1ms'");
$node->safe_psql('postgres', 'ALTER SYSTEM SET order_workflow.max_workers = 2');
$node->reload;
foreach my $how ('cancel', 'terminate')
{
	my $holder = $node->background_psql('postgres');

	as_app($node, "SELECT workflow.register('gate_$how', definition::text) FROM workflow.definitions WHERE workflow = 'gate'");
	$holder->query_safe('BEGIN');
	$holder->query_safe('SELECT FROM app.gate FOR UPDATE');
	run_beginning("gate_$how");
	as_app($node, "SELECT workflow.$how('gate_$how-25', 'enough')");
	$holder->query_safe('COMMIT');
	$holder->quit;
	wait_until_done($node, "gate_$how");
	others_complete($node, "gate_$how", 'First,Gate,Second');
}
is( query(q{
	SELECT status, (SELECT string_agg(state, ',' ORDER BY state) FROM app.effects f WHERE f.workflow_id = e.workflow_id)
	FROM workflow.executions e WHERE workflow_id IN ('gate_cancel-25', 'gate_terminate-25') ORDER BY workflow_id}),
	"Canceled|First,First,Gate,Gate\nTerminated|First,Gate",
	'a run ends after the activity that ran');
no_faults($node, 'a cancel while an activity runs');

# Starts runs, and waits until the special one alone is in the midst of its activity.
sub run_beginning
{
	my ($workflow) = @_;

	stop_engine($node);
	start_runs($node, $workflow, 50);
	start_engine($node);
	ok( $node->poll_query_until(
			'postgres', qq{
			SELECT (SELECT count(*) FROM workflow.executions WHERE workflow = '$workflow' AND status = 'Completed') = 49
				AND EXISTS (SELECT FROM pg_stat_activity
					WHERE backend_type = 'order_workflow executor' AND wait_event_type = 'Lock')}),
		"$workflow: the special run is in the midst of its activity");
	return;
}

# An activity that is gone leaves its runs stuck, until it is there again.
as_app(
	$node, q{
	SELECT workflow.register_activity('Gone', 'app.work(jsonb, workflow.activity_context)');
	SELECT workflow.register_activity('GoneToo', 'app.work(jsonb, workflow.activity_context)');
	SELECT workflow.register('gone', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Work", "Compensate": "GoneToo", "Next": "Choose"},
		"Choose": {"Type": "Choice", "Choices": [{"Variable": "$.special", "IsPresent": true, "Next": "Second"}], "Default": "Done"},
		"Second": {"Type": "Task", "Resource": "Gone", "Next": "Fail"},
		"Fail": {"Type": "Fail", "Error": "Enough"},
		"Done": {"Type": "Succeed"}}}')});
stop_engine($node);
start_runs($node, 'gone', 50);
$node->safe_psql('postgres', "CREATE TABLE public.removed AS SELECT * FROM workflow.activity WHERE name LIKE 'Gone%'");
$node->safe_psql('postgres', "DELETE FROM workflow.activity WHERE name LIKE 'Gone%'");
start_engine($node);
wait_until_done($node, 'gone');
my $stuck = "SELECT status, stuck->>'Error', stuck->>'State' FROM workflow.executions WHERE workflow_id = 'gone-25'";
is(query($stuck), 'Stuck|OW.ActivityNotRegistered|Second', 'a run without its activity is stuck');
others_complete($node, 'gone', 'First');
no_faults($node, 'an activity that is gone');
foreach my $activity ('Gone', 'GoneToo')
{
	# Executors that know of it as missing leave before it is there.
	stop_engine($node);
	$node->safe_psql('postgres', "INSERT INTO workflow.activity SELECT * FROM public.removed WHERE name = '$activity'");
	as_app($node, "SELECT workflow.retry('gone-25')");
	start_engine($node);
	ok( $node->poll_query_until(
			'postgres', "SELECT NOT EXISTS (SELECT FROM workflow.message) AND NOT EXISTS (SELECT FROM workflow.execution WHERE ready)"),
		"$activity is there again");
	is(query($stuck), 'Stuck|OW.ActivityNotRegistered|Fail', 'a run without its compensating activity is stuck') if $activity eq 'Gone';
}
is(query("SELECT status, error FROM workflow.executions WHERE workflow_id = 'gone-25'"), 'Failed|Enough', 'then it ends as it must');
is(query("SELECT string_agg(state, ',' ORDER BY state) FROM app.effects WHERE workflow_id = 'gone-25'"),
	'First,First,Second', 'with each effect once');
no_faults($node, 'an activity that came back');

# Runs that give others a turn after each state are what their history says.
$node->safe_psql('postgres', 'ALTER SYSTEM SET order_workflow.max_transitions = 1');
$node->reload;
as_app(
	$node, q{
	SELECT workflow.register('turns', '{"StartAt": "One", "States": {
		"One": {"Type": "Pass", "Next": "Two"},
		"Two": {"Type": "Pass", "Parameters": {"entered.$": "$$.State.EnteredTime"}, "ResultPath": "$.two", "Next": "Work"},
		"Work": {"Type": "Task", "Resource": "Work", "Next": "Choose"},
		"Choose": {"Type": "Choice", "Choices": [{"Variable": "$.special", "IsPresent": true, "Next": "Wait"}], "Default": "Done"},
		"Wait": {"Type": "Wait", "Seconds": 3600, "Next": "Done"},
		"Done": {"Type": "Succeed"}}}')});
stop_engine($node);
start_runs($node, 'turns', 50);
start_engine($node);
ok( $node->poll_query_until(
		'postgres', "SELECT count(*) = 49 FROM workflow.executions WHERE workflow = 'turns' AND status = 'Completed'"),
	'runs that give others a turn complete');
ok($node->poll_query_until('postgres', "SELECT phase = 'Wait' FROM workflow.execution WHERE workflow_id = 'turns-25'"), 'one waits');
others_complete($node, 'turns', 'Work');
no_faults($node, 'runs that give others a turn');

$node->stop;
done_testing();
