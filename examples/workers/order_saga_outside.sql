-- An order saga whose activities are all done by programs outside, whatever these are written in.
--
-- Who has taken a task answers, or is heard of, within five seconds; else another worker gets it.

SELECT workflow.register_activity(name, task_queue => 'orders', options => options::jsonb)
FROM (VALUES
	('ReserveGoods', '{"StartToCloseSeconds": 5}'),
	('ReturnGoods', '{"StartToCloseSeconds": 5}'),
	('ChargeCard', '{"StartToCloseSeconds": 5}'),
	('RefundCard', '{"StartToCloseSeconds": 5}'),
	('SendParcel', '{"HeartbeatSeconds": 5, "StartToCloseSeconds": 600}')
) AS activity (name, options);

SELECT workflow.register('OrderSagaOutside', workflow.sequence(ARRAY[
	workflow.step('ReserveGoods', undo => 'ReturnGoods'),
	workflow.step('ChargeCard', undo => 'RefundCard'),
	workflow.step('SendParcel')],
	'{"Defaults": {"Retry": [
		{"ErrorEquals": ["CardDeclined", "NoCarrier"], "MaxAttempts": 0},
		{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxDelaySeconds": 60, "MaximumAttempts": 0}]}}'));
