-- Data that grow in a loop are stopped long before they take all memory.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.register(id, jsonb_build_object('StartAt', 'Double', 'States', jsonb_build_object(
	'Double', '{"Type": "Pass", "Parameters": {"d.$": "States.Array($.d, $.d)"}, "Next": "Again"}'::jsonb,
	'Again', '{"Type": "Choice", "Choices": [{"Variable": "$.d", "IsNull": true, "Next": "Done"}], "Default": "Double"}'::jsonb,
	'Done', '{"Type": "Succeed"}'::jsonb)))
FROM unnest('{doubling}'::text[]) id;
SELECT workflow.register('map', '{"StartAt": "All", "States": {
	"All": {"Type": "Map", "ItemSelector": {"d.$": "$"}, "Next": "Done", "Catch": [{"ErrorEquals": ["States.DataLimitExceeded"], "Next": "Caught"}],
		"ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}}},
	"Done": {"Type": "Succeed"}, "Caught": {"Type": "Pass", "Result": "caught", "End": true}}}');
SELECT workflow.start('doubling', jsonb_build_object('d', repeat('x', 100000)), workflow_id => 'doubling');
SELECT workflow.start('map', (SELECT jsonb_agg(repeat('x', 20000)) FROM generate_series(1, 40)), workflow_id => 'map');
SELECT workflow_test.run();
\o
SELECT plan(5);
SELECT is((SELECT concat_ws(' ', status, error) FROM workflow.executions WHERE workflow_id = 'doubling'), 'Failed States.DataLimitExceeded',
	'a loop that doubles its data fails');
SELECT ok((SELECT (attributes->>'bytes')::int > pg_size_bytes(current_setting('order_workflow.max_payload')) FROM workflow.history
	WHERE workflow_id = 'doubling' AND event_type = 'DataLimitReached'), 'history tells how large they were');
SELECT is((SELECT output FROM workflow.executions WHERE workflow_id = 'map'), '"caught"', 'so does a Map whose output is too large, and it can be caught');
SELECT throws_ok(format('SELECT workflow.start(%L, %L::jsonb)', 'doubling', to_jsonb(repeat('x', 17 * 1024 * 1024))), '54000',
	'input of workflow "doubling" is too large', 'an input may not be as large either');
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'no faults');
SELECT * FROM finish();
ROLLBACK;
