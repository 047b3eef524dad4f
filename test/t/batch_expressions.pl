# SQL expressions in executors: many runs of a batch evaluate them, as the workflow's owner and with nobody
# else's rights; one that fails, writes or does not end is its own run's trouble, and leaves nothing behind.

use strict;
use warnings;

use BatchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_batch_cluster('expressions', 'order_workflow.expression_timeout = 200ms', 'order_workflow.crash_limit = 1');

$node->safe_psql(
	'postgres', q{
	CREATE ROLE other LOGIN;
	SELECT workflow.grant_usage('other');
	CREATE SCHEMA secret;
	CREATE TABLE secret.price (price int);
	INSERT INTO secret.price VALUES (42);
	GRANT USAGE ON SCHEMA secret TO app, other;
	GRANT SELECT ON secret.price TO app});
as_app(
	$node, q{
	CREATE FUNCTION app.leave() RETURNS int LANGUAGE plpgsql STABLE AS $$
	BEGIN
		PERFORM set_config('work_mem', '64kB', false), set_config('app.mine', 'left', false);
		PERFORM pg_advisory_lock(42);
		RETURN 1;
	END $$;
	CREATE FUNCTION app.write() RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO app.effects (workflow_id) VALUES ('written');
		RETURN 1;
	END $$;
	CREATE FUNCTION app.pretend() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN app.write(); END';
	CREATE FUNCTION app.linger() RETURNS int LANGUAGE plpgsql STABLE AS $$
	BEGIN
		PERFORM pg_sleep(60);
		RETURN 1;
	EXCEPTION WHEN query_canceled THEN
		RETURN 2;
	END $$;
	CREATE FUNCTION app.cancel() RETURNS int LANGUAGE plpgsql STABLE AS $$
	BEGIN
		RAISE query_canceled USING MESSAGE = 'canceled by itself';
	END $$;
	CREATE FUNCTION app.look(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c, concat_ws(' ', current_setting('work_mem'), current_setting('app.mine', true),
			(SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
			current_setting('transaction_read_only')));
		RETURN input;
	END $$;
	SELECT workflow.register_activity('Look', 'app.look(jsonb, workflow.activity_context)');
	SELECT workflow.register('expressions', $asl${"QueryLanguage": "SQL", "TablesInExpressions": true, "StartAt": "Choose", "States": {
		"Choose": {"Type": "Choice", "Choices": [
				{"Condition": "{% input->>'special' = 'fails' %}", "Next": "Fails"},
				{"Condition": "{% input->>'special' = 'writes' %}", "Next": "Writes"},
				{"Condition": "{% input->>'special' = 'lingers' %}", "Next": "Lingers"},
				{"Condition": "{% input->>'special' = 'cancels' %}", "Next": "Cancels"}],
			"Default": "Leave"},
		"Fails": {"Type": "Pass", "Output": "{% 1 / (input->>'zero')::int %}", "End": true},
		"Writes": {"Type": "Pass", "Output": "{% app.pretend() %}", "End": true},
		"Lingers": {"Type": "Pass", "Output": "{% app.linger() %}", "End": true},
		"Cancels": {"Type": "Pass", "Output": "{% app.cancel() %}", "End": true},
		"Leave": {"Type": "Pass", "Output": {"n": "{% app.leave() %}", "price": "{% (SELECT price FROM secret.price) %}"}, "Next": "Look"},
		"Look": {"Type": "Task", "Resource": "Look", "Arguments": {"price": "{% input->'price' %}", "user": "{% current_user %}"},
			"End": true}}}$asl$)});

stop_engine($node);
as_app(
	$node, q{
	SELECT workflow.start('expressions', jsonb_build_object('zero', 0, 'special',
		CASE n WHEN 10 THEN 'fails' WHEN 20 THEN 'writes' WHEN 30 THEN 'lingers' WHEN 35 THEN 'cancels' ELSE '' END), 'run-' || n)
	FROM generate_series(1, 40) AS n});
start_engine($node);
wait_until_done($node, 'expressions');

is( $node->safe_psql(
		'postgres', q{
		SELECT workflow_id, status, error, cause FROM workflow.executions WHERE status <> 'Completed' ORDER BY 1}),
	join("\n",
		'run-10|Failed|States.QueryEvaluationError|Output of state "Fails": division by zero',
		'run-20|Failed|States.QueryEvaluationError|Output of state "Writes": cannot execute INSERT in a read-only transaction',
		'run-30|Failed|States.QueryEvaluationError|Output of state "Lingers": it took longer than order_workflow.expression_timeout (200 ms)',
		'run-35|Failed|States.QueryEvaluationError|Output of state "Cancels": canceled by itself'
	),
	'expressions that fail, write, do not end or cancel themselves fail their own run');
is( $node->safe_psql(
		'postgres', q{
		SELECT count(*), output FROM workflow.executions WHERE status = 'Completed' GROUP BY 2}),
	'36|{"user": "app", "price": 42}', 'the others see what the owner may see, as the owner');
is( $node->safe_psql('postgres', q{SELECT DISTINCT note FROM app.effects}), '4MB  0 off',
	'what expressions change of the session is undone, and nothing is written');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), '0', 'locks are gone as well');

# The same definition, in the hands of somebody who may not read the table
$node->safe_psql(
	'postgres', q{
	SELECT workflow.register('others', $asl${"QueryLanguage": "SQL", "TablesInExpressions": true, "StartAt": "S", "States": {
		"S": {"Type": "Pass", "Output": "{% (SELECT price FROM secret.price) %}", "End": true}}}$asl$);
	SELECT workflow.start('others', '{}', 'other-1')}, extra_params => [ '-U', 'other' ]);
wait_until_done($node, 'others');
is( $node->safe_psql('postgres', q{SELECT error, cause FROM workflow.executions WHERE workflow_id = 'other-1'}),
	'States.QueryEvaluationError|Output of state "S": permission denied for table price', 'its owner\'s rights are all an expression has');

is( $node->safe_psql(
		'postgres', q{
		SELECT message FROM workflow.validate('{"QueryLanguage": "SQL", "StartAt": "S", "States": {
			"S": {"Type": "Pass", "Output": "{% app.leave() %}", "End": true}}}'::text)}, extra_params => [ '-U', 'other' ]),
	'Output of state "S" is not a usable SQL expression: "app.leave()": permission denied for schema app at character 1',
	'which shows when the definition is checked');

# Nor does it evaluate anything in a session of another role.
my ($status, $out, $error) = $node->psql(
	'postgres', q{
	CREATE EXTENSION order_workflow_test CASCADE;
	BEGIN;
	SELECT workflow_test.begin();
	SELECT workflow.start('others', '{}', 'other-2');
	SELECT workflow_test.run()});
like($error, qr/evaluated only in a session of the workflow's owner/, 'not even in a superuser\'s session');

# One that does not stop when it is told to ends the session, and is charged for it.
as_app(
	$node, q{
	CREATE FUNCTION app.stubborn() RETURNS int LANGUAGE plpgsql STABLE AS $$
	BEGIN
		LOOP
			BEGIN
				PERFORM pg_sleep(60);
			EXCEPTION WHEN query_canceled THEN
				NULL;
			END;
		END LOOP;
	END $$;
	SELECT workflow.register('stubborn', $asl${"QueryLanguage": "SQL", "StartAt": "S", "States": {
		"S": {"Type": "Pass", "Output": "{% app.stubborn() %}", "End": true}}}$asl$);
	SELECT workflow.start('stubborn', '{}', 'stubborn-1')});
wait_until_done($node, 'stubborn');
is( $node->safe_psql('postgres', q{SELECT status, stuck->>'Error' FROM workflow.executions WHERE workflow = 'stubborn'}),
	'Stuck|OW.ActivityQuarantined', 'what does not stop is not tried for ever');

no_faults($node, 'SQL expressions');
$node->stop;
done_testing();
