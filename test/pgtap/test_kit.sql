-- The test kit itself: what a test may do before there is anything to run.
BEGIN;
SELECT plan(6);

SELECT workflow_test.begin('2030-05-01 12:00:00+00');
SELECT workflow.register('test_kit.unwritten', $asl${
	"StartAt": "Call",
	"States": {
		"Call": {"Type": "Task", "Resource": "test_kit.Unwritten", "TimeoutSeconds": 60, "Next": "Rest"},
		"Rest": {"Type": "Wait", "Seconds": 86400, "End": true}
	}
}$asl$);

SELECT workflow_test.mock_activity('test_kit.Unwritten', '{"mocked": true}', duration => '10 s');
SELECT workflow.start('test_kit.unwritten', workflow_id => 'mocked');
SELECT workflow_test.run();
SELECT workflow_test.completed('mocked', '{"mocked": true}');
SELECT is(workflow_test.now(), '2030-05-02 12:00:10+00',
	'the clock has moved by the mock''s duration and the wait');

SELECT workflow_test.at('1 hour', $$SELECT workflow.cancel('canceled', 'a change of mind')$$);
SELECT workflow.start('test_kit.unwritten', workflow_id => 'canceled');
SELECT workflow_test.run();
SELECT is(status || ': ' || cause, 'Canceled: a change of mind', 'a command is executed when the clock gets there')
FROM workflow.get_execution('canceled');
SELECT is(closed_at, '2030-05-02 13:00:10+00', 'and not before') FROM workflow.get_execution('canceled');

SELECT workflow_test.begin();
SELECT workflow.start('test_kit.unwritten', workflow_id => 'not mocked');
SELECT workflow_test.run();
SELECT is(status || ' ' || (stuck ->> 'Error'), 'Stuck OW.ActivityNotRegistered',
	'what is neither mocked nor registered leaves the run stuck')
FROM workflow.get_execution('not mocked');
SELECT throws_ok('SELECT workflow_test.advance(''-1 s'')', '22023', 'the test''s clock cannot go back',
	'the clock cannot go back');

SELECT * FROM finish();
ROLLBACK;
