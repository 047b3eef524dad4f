-- What a test expects to be called: verdicts, and the tables that go with those that are not met.
SET client_min_messages = error;
BEGIN;
\o /dev/null
SELECT workflow.register('order', $asl${"StartAt": "Reserve", "States": {
	"Reserve": {"Type": "Task", "Resource": "Reserve", "ResultPath": null, "Next": "Pay"},
	"Pay": {"Type": "Task", "Resource": "Pay", "ResultPath": null, "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1}], "Next": "Tell"},
	"Tell": {"Type": "Task", "Resource": "workflow:signal", "Parameters": {"WorkflowId": "stock", "Signal": "Sold", "Payload": {"n.$": "$.n"}}, "ResultPath": null, "Next": "Stop"},
	"Stop": {"Type": "Task", "Resource": "workflow:cancel", "Parameters": {"WorkflowId": "search", "Reason": "sold"}, "ResultPath": null, "Next": "Ship"},
	"Ship": {"Type": "Task", "Resource": "workflow:ship", "WorkflowId": "States.Format('ship-{}', $.n)", "End": true}}}$asl$);
SELECT workflow_test.begin();
SELECT workflow_test.mock_activity('Reserve'), workflow_test.mock_activity('Pay', error => 'Busy', times => 1), workflow_test.mock_activity('Pay', workflow_id => 'one', answers => '[{}, {}]'),
	workflow_test.mock_activity('Pay', workflow_id => 'two'),
	workflow_test.mock_activity('Pay', '"never asked"'), workflow_test.mock_workflow('ship'), workflow_test.mock_signal('stock', 'Sold'),
	workflow_test.mock_cancel('search'), workflow_test.on_activity('Refund', 'SELECT 1');

-- met
SELECT workflow_test.expect_activity('Reserve');
SELECT workflow_test.expect_activity('Pay', 3);
SELECT workflow_test.expect_activity('Pay', 2, workflow_id => 'one', matching => '$.n < 2');
SELECT workflow_test.expect_activity('Pay', 1, attempt => 2, input => '{"n": 1}');
SELECT workflow_test.expect_activity('Pay', at_least => 2, at_most => 3);
SELECT workflow_test.expect_activity('Pay', 0, input => '{"n": 7}');
SELECT workflow_test.expect_order('{Reserve,Pay,Pay}', 'one');
SELECT workflow_test.expect_workflow('ship', 1, input => '{"n": 2}', workflow_id => 'ship-2');
SELECT workflow_test.expect_signal('stock', 'Sold', 2, matching => '$.n > 0');
SELECT workflow_test.expect_cancel('search', at_most => 2);
-- not met
SELECT workflow_test.expect_activity('Pay', 1, input => '{"n": 1}');
SELECT workflow_test.expect_activity('Refund');
SELECT workflow_test.expect_order('{Pay,Reserve}', 'one');
SELECT workflow_test.expect_workflow('ship', 0);
SELECT workflow_test.expect_signal('stock', 'Bought');
SELECT workflow_test.expect_cancel('search', at_least => 1, at_most => 1);

SELECT workflow.start('order', '{"n": 1}', 'one'), workflow.start('order', '{"n": 2}', 'two');
SELECT workflow_test.run();
CREATE TEMP TABLE verdict AS SELECT * FROM workflow_test._judge_all(true);
\o
SELECT plan(31);
SELECT workflow_test.completed(id) FROM unnest('{one,two}'::text[]) id;

\echo # Met
SELECT ok(passed, description) FROM verdict WHERE n <= 10 ORDER BY n;
SELECT results_eq('SELECT description FROM verdict WHERE n <= 10 ORDER BY n', $$ VALUES
	('activity Reserve is called at least once'),
	('activity Pay is called 3 times'),
	('activity Pay is called 2 times, matching ($."n" < 2), by workflow one'),
	('activity Pay is called once, with input containing {"n": 1}, in attempt 2'),
	('activity Pay is called at least 2 times and at most 3 times'),
	('activity Pay is called never, with input containing {"n": 7}'),
	('activities are called in the order Reserve, Pay, Pay, by workflow one'),
	('child workflow ship is started once, with input containing {"n": 2}, as ship-2'),
	('signal Sold is sent to workflow stock 2 times, matching ($."n" > 0)'),
	('workflow search is asked to cancel at most 2 times') $$, 'each in words');

\echo # Not met
SELECT ok(NOT bool_or(passed) AND count(*) = 7, 'the others are not met') FROM verdict WHERE n > 10;
SELECT is(diagnostics, $$    expected: activity Pay is called once, with input containing {"n": 1}
    actual:   2 times
      call | workflow | attempt | at                        | input    | counts
      2    | one      | 1       | 2030-01-01T00:00:00+00:00 | {"n": 1} | yes
      4    | two      | 1       | 2030-01-01T00:00:00+00:00 | {"n": 2} | no
      5    | one      | 2       | 2030-01-01T00:00:01+00:00 | {"n": 1} | yes$$, 'the calls are shown, and which of them count') FROM verdict WHERE n = 11;
SELECT is(diagnostics, $$    expected: activity Refund is called at least once
    actual:   never
      called were: Pay, Reserve$$, 'or what else was called') FROM verdict WHERE n = 12;
SELECT is(diagnostics, $$    expected: activities are called in the order Pay, Reserve, by workflow one
    actual:   no call of Reserve after that of Pay
      call | activity | workflow | attempt | at                        | input    | in order
      1    | Reserve  | one      | 1       | 2030-01-01T00:00:00+00:00 | {"n": 1} |
      2    | Pay      | one      | 1       | 2030-01-01T00:00:00+00:00 | {"n": 1} | 1
      5    | Pay      | one      | 2       | 2030-01-01T00:00:01+00:00 | {"n": 1} |$$, 'or how far the order went') FROM verdict WHERE n = 13;
SELECT is(regexp_replace(diagnostics, '2030\S+', 'AT', 'g'), $$    expected: child workflow ship is started never
    actual:   2 times
      call | workflow id | at                        | input    | counts
      3    | ship-2      | AT | {"n": 2} | yes
      6    | ship-1      | AT | {"n": 1} | yes$$, 'children') FROM verdict WHERE n = 14;
SELECT is(regexp_replace(diagnostics, '2030\S+', 'AT', 'g'), $$    expected: signal Bought is sent to workflow stock at least once
    actual:   never
      call | signal | at                        | input    | counts
      1    | Sold   | AT | {"n": 2} | no
      4    | Sold   | AT | {"n": 1} | no$$, 'signals') FROM verdict WHERE n = 15;
SELECT matches(diagnostics, 'expected: workflow search is asked to cancel at least once and at most once\n    actual:   2 times\n', 'cancels') FROM verdict WHERE n = 16;
SELECT is(diagnostics, $$    not used:
      mock   | of       | used
      Pay    | activity | once, of 2 answers
      Pay    | activity | never
      Refund | reaction | never$$, 'and mocks that nothing has used') FROM verdict WHERE n = 17;
SELECT throws_ok('SELECT workflow_test.assert_expectations()', 'P0004', '6 of 16 expectations not met', 'without pgTAP an error says so');
SELECT throws_ok('SELECT workflow_test.assert_expectations(unused_mocks => true)', 'P0004', '7 of 17 expectations not met', 'of mocks, too');

\echo # Afterwards
SELECT workflow_test.called_with('Pay', '{"n": 2}');
SELECT workflow_test.called_times('Pay', 1, '{"n": 2}');
SELECT workflow_test.not_called('Pay', 'three');
SELECT workflow_test.called_before('Reserve', 'Pay', 'two');
SELECT workflow_test.activity_called('Pay', 3);
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.expect_activity('Pay', 0);
\o
SELECT workflow_test.verify();
SELECT lives_ok('SELECT workflow_test.assert_expectations(unused_mocks => true)', 'with a new beginning nothing is expected any more');
SELECT throws_ok('SELECT workflow_test.expect_activity(''Pay'', 1, at_least => 1)', '22023', 'times does not go with at_least and at_most', 'one or the other');
SELECT * FROM finish();
ROLLBACK;
