-- What prometheus.pl has happen, as the role shop: something for every metric.

CREATE FUNCTION shop.pay(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.metric('euros_paid_total', (input->>'amount')::float8, '{"card": "a\"b\\c"}');
	IF input ? 'decline' THEN
		PERFORM workflow.throw('Declined', 'no money', non_retryable => true);
	END IF;
	RETURN '{"paid": true}';
END
$$;
CREATE FUNCTION shop.refund(jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.throw('NoRefund', 'the bank is closed', non_retryable => true);
END
$$;
SELECT workflow.register_activity('Pay', 'shop.pay(jsonb)');
SELECT workflow.register_activity('Refund', 'shop.refund(jsonb)');
SELECT workflow.register_activity('Check', 'shop.pay(jsonb)', options => '{"CircuitBreaker": {"FailureThreshold": 3}}');
SELECT workflow.register_activity('Ship', task_queue => 'ship', options => '{"StartToCloseSeconds": 600, "HeartbeatSeconds": 1, "Retry": [{"ErrorEquals": ["States.HeartbeatTimeout"], "IntervalSeconds": 1, "MaxAttempts": 1}]}');

SELECT workflow.register('order', $asl${"StartAt": "Pay", "Signals": {"note": {}}, "Metrics": {
	"order_processing_time": {"Type": "Histogram", "Help": "From an order to its end", "Buckets": [0.5, 5, 60],
		"Labels": {"status.$": "$$.Execution.Status", "region.$": "$$.Execution.Input.region"}},
	"order_euros_total": {"Type": "Counter", "Value.$": "$.amount", "On": ["Completed"]},
	"order_gifts": {"Type": "Gauge", "Value.$": "$.gifts"}
}, "States": {
	"Pay": {"Type": "Task", "Resource": "Pay", "ResultPath": "$.payment", "Compensate": "Refund", "Next": "Which"},
	"Which": {"Type": "Choice", "Default": "Done", "Choices": [
		{"Variable": "$.fail", "IsPresent": true, "Next": "Lost"},
		{"Variable": "$.ship", "IsPresent": true, "Next": "Ship"},
		{"Variable": "$.wait", "IsPresent": true, "Next": "Wait"}]},
	"Ship": {"Type": "Task", "Resource": "Ship", "ResultPath": null, "Next": "Done"},
	"Wait": {"Type": "Wait", "SecondsPath": "$.wait", "Next": "Done"},
	"Lost": {"Type": "Fail", "Error": "Lost"},
	"Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow.register('odd', $asl${"StartAt": "Check", "States": {
	"Check": {"Type": "Task", "Resource": "Check", "ResultSelector": {"missing.$": "$.nothing"}, "End": true}}}$asl$);
SELECT workflow.register('nightly', '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}');

SELECT workflow.start('order', jsonb_build_object('amount', n, 'region', CASE WHEN n % 2 = 0 THEN 'north' ELSE 'south "2"' END)) FROM generate_series(1, 40) n;
SELECT workflow.start('order', '{"amount": 5, "region": "north", "decline": true}', 'declined-' || n) FROM generate_series(1, 3) n;
SELECT workflow.start('order', '{"amount": 5, "region": "north", "fail": true}', 'failed');
SELECT workflow.start('order', '{"amount": 5, "region": "north", "ship": true}', 'beats-not');
SELECT workflow.start('order', '{"amount": 5, "region": "north", "ship": true}', 'answered');
SELECT workflow.start('order', '{"amount": 5, "region": "north", "wait": 3600}', 'canceled');
SELECT workflow.start('odd', '{"amount": 1}', 'stuck');
SELECT workflow.signal('canceled', 'note');
SELECT workflow.create_schedule('every night', '30 3 * * *', 'nightly');
