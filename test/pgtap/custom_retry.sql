-- Two things that were code elsewhere, as definitions, on a virtual clock: how often a payment is tried, and what is done
-- about an order depending on where it failed. Both are in doc/definitions.md.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

-- The activity itself says when to try again: after one second, two, three …
CREATE FUNCTION public.charge_in_three_attempts(input jsonb, context workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $f$
BEGIN
	CASE (input->'bank'->>(context.attempt - 1)::int)
		WHEN 'silent' THEN PERFORM workflow.throw('BankSilent', 'the bank does not answer', next_retry_delay => context.attempt * interval '1 s');
		WHEN 'busy' THEN PERFORM workflow.throw('BankBusy', 'the bank is busy');
		WHEN 'declined' THEN PERFORM workflow.throw('CardDeclined', 'the card was declined');
		ELSE RETURN '"paid"';
	END CASE;
END $f$;
SELECT workflow.register_activity('Charge', 'public.charge_in_three_attempts(jsonb, workflow.activity_context)');
SELECT workflow.register_activity('ChargeOutside', task_queue => 'bank', options => '{"StartToCloseSeconds": 10}');
SELECT workflow.register(name, jsonb_build_object('StartAt', 'Charge', 'States', jsonb_build_object('Charge',
	jsonb_build_object('Type', 'Task', 'Resource', activity, 'End', true, 'Retry', retry::jsonb))))
FROM (VALUES
	('three_tries', 'Charge', '[{"ErrorEquals": ["CardDeclined"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2.0, "MaximumAttempts": 3}]'),
	('four_tries', 'Charge', '[{"ErrorEquals": ["CardDeclined"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"], "MaximumAttempts": 4}]'),
	('three_tries_outside', 'ChargeOutside', '[{"ErrorEquals": ["CardDeclined"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"], "MaximumAttempts": 4}]')) AS d (name, activity, retry);

-- When each attempt of a run was scheduled to begin, in seconds
CREATE FUNCTION pg_temp.attempts(id text) RETURNS numeric[] LANGUAGE sql AS $$
	SELECT array_agg(EXTRACT(epoch FROM called_at - timestamptz '2030-01-01 00:00:00+00')::int ORDER BY attempt)
	FROM workflow_test.calls() WHERE workflow_id = id
$$;

-- What is done about an order depends on where it failed.
SELECT workflow.register('order', $asl${
	"StartAt": "Validate",
	"Defaults": {"StartToCloseSeconds": 60, "ResultPath": "$.{State}"},
	"States": {
		"Validate": {"Type": "Task", "Resource": "ValidateOrder", "Next": "Pay"},
		"Pay": {"Type": "Task", "Resource": "ProcessPayment", "Next": "Ship", "Retry": [
			{"ErrorEquals": ["CardDeclined"], "MaxAttempts": 0},
			{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2.0, "MaximumAttempts": 3}]},
		"Ship": {"Type": "Task", "Resource": "ShipOrder", "End": true},

		"HandleOrderError": {"Type": "Choice", "Default": "Failed", "Choices": [
			{"Variable": "$$.Execution.Error.State", "StringEquals": "Pay", "Next": "CancelOrder"},
			{"Variable": "$$.Execution.Error.State", "StringEquals": "Ship", "Next": "RefundPayment"}]},
		"RefundPayment": {"Type": "Task", "Resource": "RefundPayment", "Next": "CancelOrder"},
		"CancelOrder": {"Type": "Task", "Resource": "CancelOrder", "Next": "Failed"},
		"Failed": {"Type": "Fail", "ErrorPath": "$$.Execution.Error.Error", "CausePath": "$$.Execution.Error.Cause"}
	},
	"OnError": "HandleOrderError"
}$asl$);

SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity('Charge');
SELECT workflow.start('three_tries', jsonb_build_object('bank', bank), workflow_id => id)
FROM (VALUES ('3: works', '{}'::text[]), ('3: third', '{silent,silent}'), ('3: never', '{silent,silent,silent}'), ('3: declined', '{declined}'), ('3: busy', '{busy,busy,busy}'),
	('3: declined later', '{silent,declined}')) AS r (id, bank);
SELECT workflow.start('four_tries', jsonb_build_object('bank', bank), workflow_id => id)
FROM (VALUES ('4: fourth', '{silent,silent,silent}'::text[]), ('4: never', '{silent,silent,silent,silent}'), ('4: declined', '{declined}')) AS r (id, bank);

SELECT workflow_test.mock_activity(activity, error => error, message => 'no ' || activity, input => jsonb_build_object('fails', activity), times => 1)
FROM (VALUES ('ValidateOrder', 'InvalidOrder'), ('ProcessPayment', 'CardDeclined'), ('ShipOrder', 'NoCarrier')) AS m (activity, error);
SELECT workflow_test.mock_activity(unnest('{ValidateOrder,ProcessPayment,ShipOrder,RefundPayment,CancelOrder}'::text[]));
SELECT workflow.start('order', jsonb_build_object('fails', fails), workflow_id => 'order: ' || fails)
FROM unnest('{nothing,ValidateOrder,ProcessPayment,ShipOrder}'::text[]) fails;
SELECT workflow_test.run();
\o
SELECT plan(30);

\echo # Tries one, two and three seconds apart
SELECT is(pg_temp.attempts(id), at::numeric[], format('attempts: %s', id))
FROM (VALUES ('3: works', '{0}'), ('3: third', '{0,1,3}'), ('3: never', '{0,1,3}'), ('3: busy', '{0,1,3}'), ('3: declined', '{0}'), ('3: declined later', '{0,1}'),
	('4: fourth', '{0,1,3,6}'), ('4: never', '{0,1,3,6}'), ('4: declined', '{0}')) AS w (id, at);
SELECT workflow_test.completed(id, '"paid"') FROM unnest('{3: works,3: third,4: fourth}'::text[]) id;
SELECT workflow_test.failed('3: busy', 'BankBusy');
SELECT workflow_test.failed(id, 'BankSilent') FROM unnest('{3: never,4: never}'::text[]) id;
SELECT workflow_test.failed(id, 'CardDeclined') FROM unnest('{3: declined,3: declined later,4: declined}'::text[]) id;

\echo # The same by a program outside, which says so in its answer
\o /dev/null
SELECT workflow.start('three_tries_outside', workflow_id => 'outside');
SELECT workflow_test.run(workflow_test.now());
CREATE TEMP TABLE tries (attempt int, polled_at timestamptz);
CREATE FUNCTION pg_temp.work() RETURNS void LANGUAGE sql AS $$
	WITH task AS (SELECT * FROM workflow.poll_activity('bank', 'w')),
		noted AS (INSERT INTO tries SELECT attempt, workflow_test.now() FROM task RETURNING attempt)
	SELECT workflow.fail_activity(task_token, 'BankSilent', next_retry_delay => attempt * interval '1 s') FROM task
$$;
SELECT workflow_test.advance('1 s'), pg_temp.work() FROM generate_series(1, 20);
\o
SELECT is(array_agg(EXTRACT(epoch FROM polled_at - (SELECT min(polled_at) FROM tries))::int ORDER BY attempt), '{0,1,3,6}', 'attempts outside') FROM tries;
SELECT workflow_test.failed('outside', 'BankSilent');

\echo # Where an order failed says what to do
SELECT workflow_test.completed('order: nothing');
SELECT workflow_test.activities_called('order: ' || fails, called::text[])
FROM (VALUES ('nothing', '{ValidateOrder,ProcessPayment,ShipOrder}'), ('ValidateOrder', '{ValidateOrder}'),
	('ProcessPayment', '{ValidateOrder,ProcessPayment,CancelOrder}'),
	('ShipOrder', '{ValidateOrder,ProcessPayment,ShipOrder,RefundPayment,CancelOrder}')) AS w (fails, called);
SELECT workflow_test.failed('order: ' || fails, error)
FROM (VALUES ('ValidateOrder', 'InvalidOrder'), ('ProcessPayment', 'CardDeclined'), ('ShipOrder', 'NoCarrier')) AS w (fails, error);
SELECT is(cause, 'no ShipOrder', 'and why it did is kept') FROM workflow.executions WHERE workflow_id = 'order: ShipOrder';
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'each history leads to the state of its run');
SELECT * FROM finish();
ROLLBACK;
