-- The test kit itself: what a test may do before there is anything to run.
BEGIN;
SELECT plan(44);

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


\echo # Time is not skipped while the test has a task in hand
\o /dev/null
SELECT workflow.register_activity('test_kit.Outside', task_queue => 'test_kit');
CREATE FUNCTION public.test_kit_real(input jsonb) RETURNS timestamptz LANGUAGE sql AS $$ SELECT workflow.now() $$;
SELECT workflow.register_activity('test_kit.Real', 'public.test_kit_real(jsonb)');
SELECT workflow.register('test_kit.outside', $asl${"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": "test_kit.Outside",
	"TimeoutSeconds": 60, "HeartbeatSeconds": 20, "ScheduleToStartSeconds": 600, "End": true}}}$asl$);
SELECT workflow.register('test_kit.parent', $asl${"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": true, "Branches": [
	{"StartAt": "Child", "States": {"Child": {"Type": "Task", "Resource": "workflow:test_kit.child", "End": true}}},
	{"StartAt": "Real", "States": {"Real": {"Type": "Task", "Resource": "test_kit.Real", "TimeoutSeconds": 60, "Next": "Rest"}, "Rest": {"Type": "Wait", "Seconds": 100, "End": true}}}]}}}$asl$);
SELECT workflow.register('test_kit.child', $asl${"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 50, "Next": "Real"},
	"Real": {"Type": "Task", "Resource": "test_kit.Real", "TimeoutSeconds": 60, "End": true}}}$asl$);
CREATE FUNCTION pg_temp.elapsed() RETURNS interval LANGUAGE sql AS $$ SELECT workflow_test.now() - '2030-01-01 00:00:00+00' $$;
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error) FROM workflow.get_execution(id)
$$;
CREATE TEMP TABLE task (task_token uuid);
SELECT workflow_test.begin();
SELECT workflow.start('test_kit.outside', workflow_id => 'in hand'), workflow.start('test_kit.unwritten', workflow_id => 'beside', start_delay => '1 h');
SELECT workflow_test.run('2030-01-01 00:00:00+00');
INSERT INTO task SELECT task_token FROM workflow.poll_activity('test_kit', 'w');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.elapsed(), interval '0', 'a task is in hand: nothing times out by itself, nor does another run go on');
\o /dev/null
SELECT workflow_test.advance('15 s');
SELECT workflow.heartbeat(task_token, '1') FROM task;
SELECT workflow_test.advance('15 s');
\o
SELECT is(pg_temp.ended('in hand'), 'Running', 'it is moved on by hand');
\o /dev/null
SELECT workflow_test.at('4 s', format('SELECT workflow.complete_activity(%L, ''"by plan"'')', task_token)) FROM task;
SELECT workflow_test.mock_activity('test_kit.Unwritten');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('in hand'), 'Completed "by plan"', 'or to what was planned');
SELECT is(closed_at - started_at, interval '34 s', 'then') FROM workflow.get_execution('in hand');
SELECT is(pg_temp.ended('beside'), 'Completed null', 'with the task done, time is skipped again');
SELECT is(pg_temp.elapsed(), interval '25 h', 'to the last of the others');
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow.start('test_kit.outside', workflow_id => 'too slow');
SELECT workflow_test.run('2030-01-01 00:00:00+00');
SELECT count(*) FROM workflow.poll_activity('test_kit', 'w');
SELECT workflow_test.advance('20 s');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('too slow'), 'Failed States.HeartbeatTimeout', 'a task in hand times out when the test says so');
\o /dev/null
SELECT workflow.start('test_kit.outside', workflow_id => 'not taken');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('not taken'), 'Failed States.Timeout', 'one that nobody has taken is not in hand');

\echo # Real activities and children
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.allow_activity('test_kit.Real');
SELECT workflow.start('test_kit.parent', workflow_id => 'parent');
SELECT workflow_test.run();
\o
SELECT workflow_test.completed('parent', '["2030-01-01T00:00:50+00:00", "2030-01-01T00:00:00+00:00"]');
SELECT is(pg_temp.elapsed(), interval '100 s', 'each happens at its time');

\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.allow_activity('test_kit.Real');
SELECT workflow_test.on_activity('test_kit.Real', 'SELECT workflow.cancel($1, ''as it is called'')', workflow_id => 'stopped');
SELECT workflow_test.on_activity('test_kit.Real', 'SELECT workflow.terminate($1, ''later'')', after => '10 s', call => 1, workflow_id => 'later');
SELECT workflow.register('test_kit.real', $asl${"StartAt": "Real", "States": {"Real": {"Type": "Task", "Resource": "test_kit.Real", "TimeoutSeconds": 60, "Next": "Again"},
	"Again": {"Type": "Task", "Resource": "test_kit.Real", "TimeoutSeconds": 60, "Next": "Rest"}, "Rest": {"Type": "Wait", "Seconds": 100, "End": true}}}$asl$);
SELECT workflow.start('test_kit.real', workflow_id => 'stopped'), workflow.start('test_kit.real', workflow_id => 'later');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('stopped'), 'Canceled OW.Canceled', 'something may be done when a real activity is called');
SELECT workflow_test.called_times('test_kit.Real', 1, workflow_id => 'stopped');
SELECT is((SELECT status || ' ' || (closed_at - started_at) FROM workflow.get_execution('later')), 'Terminated 00:00:10', 'or later');

\echo # By hand only
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow_test.skip_time(false);
SELECT workflow_test.allow_activity('test_kit.Real');
SELECT workflow.start('test_kit.parent', workflow_id => 'by hand');
SELECT workflow_test.at('5 s', 'CREATE TEMP TABLE planned ()');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.elapsed(), interval '0', 'time does not move');
SELECT workflow_test.activity_called('test_kit.Real', 1);
SELECT is(to_regclass('planned'), NULL, 'nor does what was planned happen');
SELECT workflow_test.advance('60 s') \g /dev/null
SELECT workflow_test.activity_called('test_kit.Real', 2);
SELECT isnt(to_regclass('planned'), NULL, 'but as the test says');
SELECT workflow_test.skip_time(), workflow_test.run() \g /dev/null
SELECT is(pg_temp.elapsed(), interval '100 s', 'until it is skipped again');

\echo # Misuse
\o /dev/null
SELECT workflow_test.begin();
CREATE FUNCTION public.test_kit_nests(input jsonb) RETURNS int LANGUAGE sql AS $$ SELECT workflow_test.run() $$;
SELECT workflow.register_activity('test_kit.Nests', 'public.test_kit_nests(jsonb)');
SELECT workflow.register('test_kit.nests', '{"StartAt": "N", "States": {"N": {"Type": "Task", "Resource": "test_kit.Nests", "TimeoutSeconds": 60, "End": true}}}'::jsonb);
SELECT workflow_test.allow_activity('test_kit.Nests');
SELECT workflow.start('test_kit.nests', workflow_id => 'nests'), workflow_test.run();
SELECT workflow_test.at('1 s', 'SELECT workflow_test.begin()');
\o
SELECT is((SELECT cause FROM workflow.get_execution('nests')), 'workflow_test.run() cannot be called while runs are driven', 'runs are driven once at a time');
SELECT throws_ok('SELECT workflow_test.run()', '55000', 'workflow_test.begin() cannot be called while runs are driven', 'a test does not begin on the way');
SELECT workflow_test.at('1 s', 'SELECT 1/0') \g /dev/null
SELECT throws_ok('SELECT workflow_test.run()', '22012', 'division by zero', 'what was planned may fail');
SELECT lives_ok('SELECT workflow_test.run()', 'once');
\o /dev/null
SELECT workflow_test.begin();
SELECT workflow.start('test_kit.unwritten', workflow_id => 'used up');
SELECT workflow_test.mock_activity('test_kit.Unwritten', attempt => 2);
SELECT workflow.start('test_kit.nests', workflow_id => 'misspelt');
\o
SELECT throws_ok('SELECT workflow_test.run()', 'OW303', 'no mock of activity "test_kit.Unwritten" is for this call, or none is left', 'mocks that are not for a call');
SELECT workflow_test.mock_activity('test_kit.Unwritten'), workflow_test.mock_activity('test_kit.Nets') \g /dev/null
SELECT throws_ok('SELECT workflow_test.run()', 'OW303', 'activity "test_kit.Nests" is neither mocked nor allowed in this test', 'or are misspelt');
CREATE FUNCTION pg_temp.hint(command text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN hint;
END $f$;
SELECT is(pg_temp.hint('SELECT workflow_test.run()'), 'Perhaps what was mocked or allowed as "test_kit.Nets" is meant to be this one.', 'which is guessed');

\echo # Activities by themselves
\o /dev/null
SELECT workflow_test.begin('2031-02-03 00:00:00+00');
CREATE FUNCTION public.test_kit_context(input jsonb, context workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $f$
BEGIN
	IF context.attempt = 3 THEN
		PERFORM workflow.throw('GivesUp', 'after three', '{"n": 3}');
	END IF;
	RETURN input || jsonb_build_object('attempt', context.attempt, 'last', context.last_failure, 'of', context.workflow_id, 'state', context.state,
		'undoes', context.compensates, 'now', workflow.now(), 'left', context.deadline - workflow.now(), 'same', context = workflow.current_activity());
END $f$;
CREATE FUNCTION public.test_kit_add(a int, b int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT a + b';
SELECT workflow.register_activity('test_kit.Context', 'public.test_kit_context(jsonb, workflow.activity_context)', options => '{"StartToCloseSeconds": 60}');
SELECT workflow.register_activity('test_kit.Add', 'public.test_kit_add(int, int)');
\o
SELECT is(workflow_test.call_activity('test_kit.Context', '{"a": 1}', attempt => 2, last_failure => '{"Error": "Busy"}', compensates => '{"state": "Pay"}'),
	'{"a": 1, "attempt": 2, "last": {"Error": "Busy"}, "of": "test", "state": "Test", "undoes": {"state": "Pay"}, "now": "2031-02-03T00:00:00+00:00",
	  "left": "00:01:00", "same": true}', 'an activity is called as some attempt');
SELECT throws_ok($$SELECT workflow_test.call_activity('test_kit.Context', attempt => 3)$$, 'OW201', 'GivesUp: after three', 'and may throw');
SELECT throws_ok('SELECT workflow.current_activity()', 'OW202', NULL, 'it is over then');
SELECT is(workflow_test.call_activity('test_kit.Add', '{"a": 2}'), '3', 'arguments are made of the input, as ever');
SELECT throws_ok($$SELECT workflow_test.call_activity('test_kit.Add', '{"b": 2}')$$, 'OW204', 'input of activity "test_kit.Add" lacks the key "a"', 'and checked');
SELECT throws_ok($$SELECT workflow_test.call_activity('test_kit.Outside')$$, '55000', 'activity "test_kit.Outside" has no function that could be called', 'those of task queues have nothing to be called');
SELECT throws_ok($$SELECT workflow_test.call_activity('test_kit.None')$$, 'OW003', 'activity "test_kit.None" is not registered', 'nor have unknown ones');
SELECT throws_ok($$SELECT workflow_test.call_activity('test_kit.Add', attempt => 0)$$, '22023', 'attempt must be positive', 'attempts count from 1');
SELECT throws_ok($$SELECT workflow_test.call_activity(NULL)$$, '22004', 'activity, input, attempt and workflow_id must not be null', 'something must be called');
SELECT is_empty('SELECT * FROM workflow_test.calls()', 'no run has called it');

SELECT * FROM check_test(workflow_test.state_path('nobody', '{}'), false, 'a misspelt workflow id went through nothing');
SELECT * FROM check_test(workflow_test.compensated('nobody', '{}'), false, 'and has undone nothing');
SELECT * FROM finish();
ROLLBACK;
