-- Answers by workflow id and activity instead of the task token: which attempt is meant, and who may.
SET client_min_messages = error;	-- notices of what is not there
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE FUNCTION public.ask(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"asked"'::jsonb $$;
CREATE FUNCTION public.at_once(input jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT workflow.complete_activity_by_id('at once', 'bank:at_once', '"at once"') $$;
SELECT workflow.register_activity('bank:ask', 'public.ask(jsonb)');
SELECT workflow.register_activity('bank:at_once', 'public.at_once(jsonb)');
SELECT workflow.register_activity('Undo', task_queue => 'undo', options => '{"StartToCloseSeconds": 600}');
SELECT workflow.register_activity('Pay', task_queue => 'pay', options => '{"HeartbeatSeconds": 100}');
SELECT workflow.register('ask', '{"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "Resource": "bank:ask.waitForTaskToken", "HeartbeatSeconds": 100, "End": true}}}');
SELECT workflow.register('at once', '{"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "Resource": "bank:at_once.waitForTaskToken", "End": true}}}');
SELECT workflow.register('pay', '{"StartAt": "Charge", "States": {"Charge": {"Type": "Task", "Resource": "Pay", "End": true,
	"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10, "MaxAttempts": 1}]}}}');
SELECT workflow.register('undo', '{"StartAt": "Charge", "States": {"Charge": {"Type": "Task", "Resource": "Pay", "Compensate": "Undo", "Next": "No"}, "No": {"Type": "Fail", "Error": "No"}}}');
SELECT workflow.register('each', '{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Charge", "States": {
	"Charge": {"Type": "Task", "Resource": "Pay", "End": true}}}}}}');
SELECT workflow.register('both', '{"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": true, "Branches": [
	{"StartAt": "Left", "States": {"Left": {"Type": "Task", "Resource": "bank:ask.waitForTaskToken", "End": true}}},
	{"StartAt": "Right", "States": {"Right": {"Type": "Task", "Resource": "bank:ask.waitForTaskToken", "End": true}}}]}}}');
CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.executions WHERE workflow_id = id
$$;
CREATE FUNCTION pg_temp.take(queue text) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM workflow.poll_activity(queue, 'w', 100)
$$;
-- The sessions' role is that of the runs; these call as another.
CREATE ROLE answering_stranger;
CREATE ROLE answering_starter;
CREATE ROLE answering_worker;
CREATE ROLE answering_other_worker;
SELECT workflow.grant_usage('answering_stranger'), workflow.grant_usage('answering_starter');
SELECT workflow.grant_workflow('answering_starter', 'pay', '{start}');
SELECT workflow.grant_worker('answering_worker', 'pay'), workflow.grant_worker('answering_other_worker', 'undo');
CREATE FUNCTION pg_temp.answer_as(role text, id text, activity text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	taken boolean;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	taken := workflow.complete_activity_by_id(id, activity, to_jsonb(role));
	RESET ROLE;
	RETURN taken;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $f$;

SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity('bank:ask'), workflow_test.allow_activity('bank:at_once');
SELECT workflow.start('ask', workflow_id => id) FROM unnest('{by activity,by state,failed,canceled,beating}'::text[]) id;
SELECT workflow.start('at once', workflow_id => 'at once');
SELECT workflow.start('pay', workflow_id => id) FROM unnest('{paid,retried,mine,granted}'::text[]) id;
SELECT workflow.start('undo', workflow_id => 'undo');
SELECT workflow.start('each', '[1, 2]', workflow_id => 'each');
SELECT workflow.start('both', workflow_id => 'both');
SET LOCAL ROLE answering_starter;
SELECT workflow.start('pay', workflow_id => 'seen');
RESET ROLE;
SELECT workflow_test.run('2030-01-01 00:00:01+00');
\o
SELECT plan(38);

\echo # A callback
SELECT ok(workflow.complete_activity_by_id('by activity', 'bank:ask', '{"answer": 42}'), 'named by its activity');
SELECT ok(workflow.complete_activity_by_id('by state', 'Ask'), 'or by its state');
SELECT ok(workflow.fail_activity_by_id('failed', 'Ask', 'Declined', 'no money', '{"balance": 0}', true, '1 minute'), 'fails');
SELECT ok(workflow.cancel_activity_by_id('canceled', 'Ask', '{"by": "bank"}'), 'is given up');
SELECT results_eq($$ SELECT * FROM workflow.heartbeat_by_id('beating', 'Ask', '1') $$, $$ VALUES (true, false, false) $$, 'beats');
SELECT is(pg_temp.ended('at once'), 'Completed "at once"', 'an activity may answer for itself before it ends');
\o /dev/null
SELECT workflow_test.run('2030-01-01 00:00:02+00');
\o
SELECT is(pg_temp.ended('by activity'), 'Completed {"answer": 42}', 'the answer is the task''s result');
SELECT is(pg_temp.ended('by state'), 'Completed null', 'which may be null');
SELECT is(pg_temp.ended('failed'), 'Failed Declined no money', 'or its failure');
SELECT is((SELECT attributes->'details' FROM workflow.history WHERE workflow_id = 'failed' AND event_type = 'ActivityTaskFailed'), '{"balance": 0}',
	'with its details');
SELECT is(pg_temp.ended('canceled'), 'Failed OW.Canceled the activity was canceled by its worker', 'or that it was given up');
SELECT is((SELECT count(*)::int FROM workflow.get_history('beating') WHERE event_type = 'ActivityTaskHeartbeat'), 1, 'a heartbeat of a callback is history');

\echo # What is not there
SELECT ok(NOT workflow.complete_activity_by_id('by activity', 'bank:ask'), 'an answer counts once');
SELECT ok(NOT workflow.complete_activity_by_id('beating', 'Pay'), 'a run that is not at the activity takes none');
SELECT ok(NOT workflow.complete_activity_by_id('nobody', 'Pay'), 'nor does one that was never started');
SELECT results_eq($$ SELECT ok FROM workflow.heartbeat_by_id('nobody', 'Pay') $$, $$ VALUES (false) $$, 'which has no heartbeat');
SELECT throws_ok($$ SELECT workflow.complete_activity_by_id(NULL, 'Pay') $$, '22004', 'workflow_id must not be null', 'there must be an id');
SELECT throws_ok($$ SELECT workflow.complete_activity_by_id('paid', NULL) $$, '22004', 'activity must not be null', 'and an activity');

\echo # A task in a queue
SELECT ok(NOT workflow.complete_activity_by_id('paid', 'Pay'), 'what nobody has taken has not been done');
SELECT results_eq($$ SELECT ok FROM workflow.heartbeat_by_id('paid', 'Pay') $$, $$ VALUES (false) $$, 'nor goes on');
SELECT is(pg_temp.ended('paid'), 'Running', 'nothing has changed');
SELECT is(pg_temp.take('pay'), 8::bigint, 'taken');
SELECT results_eq($$ SELECT ok FROM workflow.heartbeat_by_id('paid', 'Charge', '{"done": 1}') $$, $$ VALUES (true) $$, 'it beats');
SELECT is((SELECT last_heartbeat_at FROM workflow.pending_activities WHERE workflow_id = 'paid'), workflow_test.now(), 'as others do');
SELECT ok(workflow.complete_activity_by_id('paid', 'Charge', '{"paid": 5}'), 'and is completed');
SELECT is(pg_temp.ended('paid'), 'Completed {"paid": 5}', 'the run goes on in the session that answers');
SELECT ok(workflow.fail_activity_by_id('retried', 'Pay', 'Busy', next_retry_delay => '1 second'), 'a failure');
SELECT ok(NOT workflow.complete_activity_by_id('retried', 'Pay'), 'between two attempts there is none');

\echo # Branches
SELECT throws_ok($$ SELECT workflow.complete_activity_by_id('each', 'Charge') $$, '21000',
	'several attempts at "Charge" of workflow id "each" wait for an answer', 'several iterations of a Map cannot be told apart');
SELECT throws_ok($$ SELECT workflow.complete_activity_by_id('both', 'bank:ask') $$, '21000', NULL, 'nor branches by their activity');
SELECT ok(workflow.complete_activity_by_id('both', 'Left', '1') AND workflow.complete_activity_by_id('both', 'bank:ask', '2'),
	'but by their states; and the last one by any name');

\echo # A compensation
\o /dev/null
SELECT workflow.complete_activity_by_id('undo', 'Charge', '7');
SELECT workflow_test.run('2030-01-01 00:00:04+00');
SELECT pg_temp.take('undo');
\o
SELECT ok(workflow.complete_activity_by_id('undo', 'Charge'), 'a compensation goes by the state that it undoes');
SELECT is((SELECT concat_ws(' ', status, error) FROM workflow.executions WHERE workflow_id = 'undo'), 'Failed No', 'then the run ends');

\echo # Who may
SELECT is(pg_temp.answer_as('answering_stranger', 'mine', 'Pay'), 'false', 'who may not even see the run finds nothing');
SELECT is(pg_temp.answer_as('answering_other_worker', 'mine', 'Pay'), 'false', 'the grant of another queue is none');
SELECT is(pg_temp.answer_as('answering_starter', 'seen', 'Pay'), '42501 permission denied to answer "Pay" of workflow id "seen"',
	'who started a run may not answer for it');
SELECT is(pg_temp.answer_as('answering_worker', 'granted', 'Pay'), 'true', 'a worker of the queue may');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'no faults');
SELECT * FROM finish();
ROLLBACK;
