-- Parallel and Map on a virtual clock: what branches get and give, how they fail, and what is undone.
SET client_min_messages = error;	-- no warnings of missing timeouts
BEGIN;
\o /dev/null
\ir ../t/consistency.sql

CREATE FUNCTION public.echo(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
SELECT workflow.register_activity(name, 'public.echo(jsonb)') FROM unnest('{Work,Other,Undo,UndoAll}'::text[]) name;

-- Registers a definition whose one state is this, and starts it.
CREATE FUNCTION pg_temp.start(id text, state jsonb, input jsonb DEFAULT '{}', more jsonb DEFAULT '{}')
	RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.register(id, '{"StartAt": "All", "States": {}}' || more ||
		jsonb_build_object('States', jsonb_build_object('All', '{"End": true}' || state) || coalesce(more->'States', '{}')));
	PERFORM workflow.start(id, input, workflow_id => id);
END $$;

-- A machine of one state
CREATE FUNCTION pg_temp.machine(name text, state jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('StartAt', name, 'States', jsonb_build_object(name, '{"End": true}' || state))
$$;

CREATE FUNCTION pg_temp.map(processor jsonb, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('Type', 'Map', 'ItemProcessor', processor) || more
$$;

CREATE FUNCTION pg_temp.parallel(more jsonb, VARIADIC branches jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('Type', 'Parallel', 'Branches', to_jsonb(branches)) || more
$$;

CREATE FUNCTION pg_temp.ended(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, output, error, cause) FROM workflow.executions WHERE workflow_id = id
$$;

CREATE FUNCTION pg_temp.events(id text, VARIADIC types text[] DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', event_type, state, branch_id), ', ' ORDER BY event_id) FROM workflow.history
	WHERE workflow_id = id AND (event_type = ANY (types) OR types = '{}')
$$;

-- How long it took on the test's clock
CREATE FUNCTION pg_temp.seconds(id text) RETURNS int LANGUAGE sql AS $$
	SELECT EXTRACT(epoch FROM closed_at - started_at)::int FROM workflow.executions WHERE workflow_id = id
$$;

SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow_test.allow_activity(name) FROM unnest('{Work,Other,Undo,UndoAll}'::text[]) name;
\o
SELECT * FROM no_plan();

\echo # What goes in and comes out
\o /dev/null
SELECT pg_temp.start('parallel', pg_temp.parallel('{"ResultPath": "$.done"}',
	pg_temp.machine('A', '{"Type": "Pass", "Result": "a"}'),
	pg_temp.machine('B', '{"Type": "Task", "Resource": "Work", "Parameters": {"got.$": "$.x"}}'),
	pg_temp.machine('C', '{"Type": "Wait", "Seconds": 10}')), '{"x": 1}');
SELECT pg_temp.start('selected', pg_temp.parallel('{"InputPath": "$.in", "Parameters": {"p.$": "$.x"},
	"ResultSelector": {"first.$": "$[0].p", "second.$": "$[1]"}}',
	pg_temp.machine('A', '{"Type": "Pass"}'), pg_temp.machine('B', '{"Type": "Pass", "Result": 2}')), '{"in": {"x": 7}}');
SELECT pg_temp.start('map', pg_temp.map(pg_temp.machine('One', '{"Type": "Task", "Resource": "Work"}')), '[3, 1, 2]');
SELECT pg_temp.start('empty', pg_temp.map(pg_temp.machine('One', '{"Type": "Task", "Resource": "Work"}'),
	'{"ItemsPath": "$.items", "ResultPath": "$.out"}'), '{"items": []}');
SELECT pg_temp.start('item selector', pg_temp.map(pg_temp.machine('One', '{"Type": "Pass", "Parameters":
		{"in.$": "$", "index.$": "$$.Map.Item.Index", "value.$": "$$.Map.Item.Value"}}'),
	'{"ItemsPath": "$.items", "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value.n", "all.$": "$.who"}}'),
	'{"who": "me", "items": [{"n": 1}, {"n": 2}]}');
SELECT pg_temp.start('of old', '{"Type": "Map", "ItemsPath": "$.items", "Parameters": {"v.$": "$$.Map.Item.Value", "w.$": "$.w"},
	"Iterator": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}}}', '{"w": 0, "items": [1, 2]}');
SELECT pg_temp.start('nested', pg_temp.map(pg_temp.machine('Inner', pg_temp.parallel('{}',
		pg_temp.machine('Each', pg_temp.map(pg_temp.machine('One', '{"Type": "Task", "Resource": "Work"}'))),
		pg_temp.machine('Index', '{"Type": "Pass", "Parameters": {"i.$": "$$.Map.Item.Index"}}')))), '[[1, 2], [], [3]]');
SELECT pg_temp.start('batches', pg_temp.map(pg_temp.machine('One', '{"Type": "Pass"}'),
	'{"ItemsPath": "$.items", "ItemSelector": {"v.$": "$$.Map.Item.Value"},
	"ItemBatcher": {"MaxItemsPerBatchPath": "$.size", "BatchInput": {"x.$": "$.size"}}}'), '{"size": 2, "items": [1, 2, 3]}');
SELECT pg_temp.start('bytes', pg_temp.map(pg_temp.machine('One', '{"Type": "Pass"}'),
	'{"ItemBatcher": {"MaxInputBytesPerBatch": 6}}'), '["abc", "d", "efghij", "k", "l", "m"]');
SELECT workflow_test.run();
\o
SELECT results_eq($$ SELECT id, pg_temp.ended(id) FROM unnest('{parallel,selected,map,empty,item selector,of old,nested,batches,bytes}'::text[])
	WITH ORDINALITY AS i (id, n) ORDER BY n $$, $$ VALUES
	('parallel', 'Completed {"x": 1, "done": ["a", {"got": 1}, {"x": 1}]}'),
	('selected', 'Completed {"first": 7, "second": 2}'),
	('map', 'Completed [3, 1, 2]'),
	('empty', 'Completed {"out": [], "items": []}'),
	('item selector', 'Completed [{"in": {"i": 0, "v": 1, "all": "me"}, "index": 0, "value": {"n": 1}}, '
		'{"in": {"i": 1, "v": 2, "all": "me"}, "index": 1, "value": {"n": 2}}]'),
	('of old', 'Completed [{"v": 1, "w": 0}, {"v": 2, "w": 0}]'),
	('nested', 'Completed [[[1, 2], {"i": 0}], [[], {"i": 1}], [[3], {"i": 2}]]'),
	('batches', 'Completed [{"Items": [{"v": 1}, {"v": 2}], "BatchInput": {"x": 2}}, {"Items": [{"v": 3}], "BatchInput": {"x": 2}}]'),
	('bytes', 'Completed [{"Items": ["abc"]}, {"Items": ["d"]}, {"Items": ["efghij"]}, {"Items": ["k", "l"]}, {"Items": ["m"]}]')
$$, 'outputs in the order of branches and items');
SELECT is(pg_temp.events('map'), 'WorkflowExecutionStarted, StateEntered All, BranchesScheduled All, '
	'BranchStarted All 1, ActivityTaskScheduled One 1, ActivityTaskCompleted One 1, '
	'BranchStarted All 2, ActivityTaskScheduled One 2, ActivityTaskCompleted One 2, '
	'BranchStarted All 3, ActivityTaskScheduled One 3, ActivityTaskCompleted One 3, StateCompleted All, WorkflowExecutionCompleted',
	'history tells the branch of each event');

\echo # Variables: those outside are seen inside, those inside end with the branch
\o /dev/null
SELECT workflow.register('variables', '{"StartAt": "Before", "States": {
	"Before": {"Type": "Pass", "Assign": {"outer": "o"}, "Next": "All"},
	"All": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "Next": "After", "Assign": {"seen.$": "$[0]"},
		"ItemProcessor": {"StartAt": "Set", "States": {
			"Set": {"Type": "Pass", "Assign": {"inner.$": "$"}, "Next": "Pause"},
			"Pause": {"Type": "Wait", "Seconds": 1, "Next": "Get"},
			"Get": {"Type": "Pass", "End": true, "Parameters": {"outer.$": "$outer", "inner.$": "$inner"}}}}},
	"After": {"Type": "Pass", "Parameters": {"results.$": "$", "outer.$": "$outer", "seen.$": "$seen"}, "Next": "Gone"},
	"Gone": {"Type": "Pass", "Parameters": {"inner.$": "$inner"}, "End": true}}}');
SELECT workflow.start('variables', '{"items": [1, 2, 3]}', workflow_id => 'variables');
SELECT workflow_test.run();
\o
SELECT is((SELECT status FROM workflow.executions WHERE workflow_id = 'variables'), 'Failed', 'a variable of a branch ends with it');

\echo # Concurrency
\o /dev/null
SELECT pg_temp.start('two at a time', pg_temp.map(pg_temp.machine('Pause', '{"Type": "Wait", "SecondsPath": "$"}'),
	'{"MaxConcurrency": 2}'), '[10, 5, 10, 5]');
SELECT pg_temp.start('by path', pg_temp.map(pg_temp.machine('Pause', '{"Type": "Wait", "Seconds": 10}'),
	'{"ItemsPath": "$.items", "MaxConcurrencyPath": "$.n"}'), '{"n": 1, "items": [1, 2, 3]}');
SELECT pg_temp.start('as many as allowed', pg_temp.map(pg_temp.machine('Pause', '{"Type": "Wait", "Seconds": 10}')),
	(SELECT jsonb_agg(i) FROM generate_series(1, 100) i));
SELECT workflow_test.advance('6 s');
\o
SELECT is((SELECT count(*) FROM workflow.branches WHERE workflow_id = 'two at a time' AND status = 'Running'), 2::bigint, 'no more than MaxConcurrency');
SELECT is((SELECT count(*) FROM workflow.branches WHERE workflow_id = 'by path' AND status = 'Running'), 1::bigint, 'no more than at its path');
SELECT is((SELECT count(*) FROM workflow.branches WHERE workflow_id = 'as many as allowed' AND status = 'Running'), 40::bigint,
	'no more than order_workflow.map_concurrency');
SELECT results_eq($$ SELECT branch_id, path, state, item_index, status FROM workflow.branches WHERE workflow_id = 'two at a time' ORDER BY 1 $$,
	$$ VALUES (1, 'All:1:0', 'Pause', 0, 'Running'), (2, NULL, NULL, 1, 'Completed'), (3, 'All:1:2', 'Pause', 2, 'Running') $$, 'branches can be looked at');
SELECT is((SELECT waiting_for FROM workflow.explain('two at a time')), '2 branches: 2 in "Pause" (Wait); 1 more ended', 'and explained');
SELECT is((SELECT waiting_for FROM workflow.explain('by path')) ~ '^1 branch: 1 in "', true, 'in the singular, too');
SELECT is((SELECT count(*) FROM workflow.timers WHERE workflow_id = 'two at a time' AND branch_id IS NOT NULL), 2::bigint, 'each has its timer');
\o /dev/null
SELECT workflow_test.run();
\o
SELECT results_eq($$ SELECT id, pg_temp.seconds(id) FROM unnest('{as many as allowed,by path,two at a time}'::text[]) id $$,
	$$ VALUES ('as many as allowed', 30), ('by path', 30), ('two at a time', 15) $$, 'branches wait at the same time');

\echo # Failing
\o /dev/null
CREATE FUNCTION pg_temp.sagas(id text, more jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.start(id, pg_temp.parallel(more,
		'{"StartAt": "Reserve", "States": {
			"Reserve": {"Type": "Task", "Resource": "Work", "Compensate": "Undo", "Next": "Rest"},
			"Rest": {"Type": "Wait", "Seconds": 60, "End": true}}}',
		'{"StartAt": "Hold", "States": {"Hold": {"Type": "Task", "Resource": "Work", "Compensate": "Undo", "Next": "Charge"},
			"Charge": {"Type": "Task", "Resource": "Other", "End": true}}}'), jsonb_build_object('id', id),
		'{"StartAt": "First", "States": {"First": {"Type": "Task", "Resource": "Work", "Compensate": "UndoAll", "Next": "All"},
			"Caught": {"Type": "Pass", "End": true}}}')
$$;
SELECT pg_temp.sagas('fails', '{"Catch": [{"ErrorEquals": ["Other"], "Next": "Caught"}]}');
SELECT pg_temp.sagas('caught', '{"Catch": [{"ErrorEquals": ["Declined"], "ResultPath": "$.why", "Next": "Caught"}]}');
SELECT pg_temp.sagas('as branch', '{"Catch": [{"ErrorEquals": ["States.BranchFailed"], "ResultPath": "$.why", "Next": "Caught"}]}');
SELECT pg_temp.sagas('again', '{"Retry": [{"ErrorEquals": ["Declined"], "IntervalSeconds": 5, "MaxAttempts": 2}],
	"Catch": [{"ErrorEquals": ["Other"], "Next": "Caught"}]}');
SELECT workflow_test.mock_activity('Other', error => 'Declined', message => 'no', input => jsonb_build_object('id', id))
FROM unnest('{fails,caught,as branch}'::text[]) id;
SELECT workflow_test.mock_activity('Other', error => 'Declined', message => 'no', input => '{"id": "again"}', times => 1);
SELECT workflow_test.run();
\o
SELECT results_eq($$ SELECT id, pg_temp.ended(id) FROM unnest('{fails,caught,as branch,again}'::text[]) WITH ORDINALITY AS i (id, n) ORDER BY n $$, $$ VALUES
	('fails', 'Failed Declined no'),
	('caught', 'Completed {"id": "caught", "why": {"Cause": "no", "Error": "Declined"}}'),
	('as branch', 'Completed {"id": "as branch", "why": {"Cause": "no", "Error": "Declined"}}'),
	('again', 'Completed [{"id": "again"}, {"id": "again"}]') $$, 'a branch''s error is its Parallel''s');
SELECT is(pg_temp.events('caught', 'BranchFailed', 'BranchCanceled', 'TimerCanceled', 'StateFailed'),
	'BranchFailed Charge 2, TimerCanceled Rest 1, BranchCanceled Rest 1, StateFailed All', 'a failing branch stops the others');
SELECT results_eq($$ SELECT state, status FROM workflow.compensations WHERE workflow_id = 'caught' ORDER BY sequence $$,
	$$ VALUES ('Reserve', 'Completed'), ('Hold', 'Completed') $$, 'what the branches did is undone before Catch, and nothing else');
SELECT results_eq($$ SELECT state, status FROM workflow.compensations WHERE workflow_id = 'fails' ORDER BY sequence $$,
	$$ VALUES ('First', 'Completed'), ('Reserve', 'Completed'), ('Hold', 'Completed') $$, 'without, all is undone as the run fails');
SELECT is((SELECT string_agg(state, ' ' ORDER BY n) FROM workflow_test.calls() WITH ORDINALITY AS c (workflow_id, activity, state, attempt, compensation, input, called_at, n)
	WHERE workflow_id = 'fails'), 'First Reserve Hold Charge Hold Reserve First', 'last first');
SELECT is(pg_temp.seconds('again'), 65,
	'all of it again after the back-off');

\echo # Tolerated failures
\o /dev/null
CREATE FUNCTION pg_temp.tolerant(id text, more jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.start(id, pg_temp.map('{"StartAt": "Take", "States": {
			"Take": {"Type": "Task", "Resource": "Work", "Compensate": "Undo", "Next": "Check"},
			"Check": {"Type": "Choice", "Choices": [{"Variable": "$.bad", "BooleanEquals": true, "Next": "Refuse"}], "Default": "Fine"},
			"Fine": {"Type": "Succeed"}, "Refuse": {"Type": "Fail", "Error": "Bad", "CausePath": "$.n"}}}',
		'{"ItemsPath": "$.items"}' || more),
		'{"items": [{"bad": false}, {"bad": true, "n": "one"}, {"bad": true, "n": "two"}, {"bad": false}], "p": 50}')
$$;
SELECT pg_temp.tolerant('none', '{}');
SELECT pg_temp.tolerant('one', '{"ToleratedFailureCount": 1}');
SELECT pg_temp.tolerant('two', '{"ToleratedFailureCount": 2}');
SELECT pg_temp.tolerant('half', '{"ToleratedFailurePercentagePath": "$.p"}');
SELECT pg_temp.tolerant('less than half', '{"ToleratedFailurePercentage": 49.9}');
SELECT pg_temp.tolerant('the stricter', '{"ToleratedFailurePercentage": 100, "ToleratedFailureCount": 0}');
SELECT workflow_test.run();
\o
SELECT results_eq($$ SELECT id, pg_temp.ended(id) FROM unnest('{none,one,two,half,less than half,the stricter}'::text[])
	WITH ORDINALITY AS i (id, n) ORDER BY n $$, $$ VALUES
	('none', 'Failed Bad one'),
	('one', 'Failed States.ExceedToleratedFailureThreshold The specified tolerated failure threshold was exceeded'),
	('two', 'Completed [{"bad": false}, {"Cause": "one", "Error": "Bad"}, {"Cause": "two", "Error": "Bad"}, {"bad": false}]'),
	('half', 'Completed [{"bad": false}, {"Cause": "one", "Error": "Bad"}, {"Cause": "two", "Error": "Bad"}, {"bad": false}]'),
	('less than half', 'Failed States.ExceedToleratedFailureThreshold The specified tolerated failure threshold was exceeded'),
	('the stricter', 'Failed States.ExceedToleratedFailureThreshold The specified tolerated failure threshold was exceeded')
$$, 'count and percentage, the stricter of both');
SELECT is((SELECT count(*) FROM workflow.compensations WHERE workflow_id = 'two' AND status = 'Completed'), 2::bigint,
	'what a failing iteration did is undone, what the others did is not');

\echo # Bad data
\o /dev/null
SELECT pg_temp.start('no array', pg_temp.map(pg_temp.machine('One', '{"Type": "Pass"}'), '{"ItemsPath": "$.items"}'), '{"items": 1}');
SELECT pg_temp.start('no items', pg_temp.map(pg_temp.machine('One', '{"Type": "Pass"}'), '{"ItemsPath": "$.items"}'), '{}');
SELECT pg_temp.start('bad number', pg_temp.map(pg_temp.machine('One', '{"Type": "Pass"}'), '{"MaxConcurrencyPath": "$[0]"}'), '["x"]');
SELECT pg_temp.start('bad percentage', pg_temp.map(pg_temp.machine('One', '{"Type": "Pass"}'), '{"ToleratedFailurePercentagePath": "$[0]"}'), '[101]');
SELECT pg_temp.start('bad item', pg_temp.map(pg_temp.machine('One', '{"Type": "Pass"}'),
	'{"ItemSelector": {"x.$": "$$.Map.Item.Value.x"}, "Catch": [{"ErrorEquals": ["States.Runtime"], "Next": "Caught"}]}'), '[{"x": 1}, {}]',
	'{"States": {"Caught": {"Type": "Pass", "Result": "caught", "End": true}}}');
SELECT workflow_test.run();
\o
SELECT results_eq($$ SELECT id, pg_temp.ended(id) FROM unnest('{no array,no items,bad number,bad percentage,bad item}'::text[])
	WITH ORDINALITY AS i (id, n) ORDER BY n $$, $$ VALUES
	('no array', 'Failed States.Runtime Reference path "$.items" must point to array.'),
	('no items', 'Failed States.Runtime the path "$.items" finds nothing: there is no "items"'),
	('bad number', 'Failed States.Runtime MaxConcurrencyPath of state "All" refers to a value that is not a whole number'),
	('bad percentage', 'Failed States.Runtime ToleratedFailurePercentage of state "All" must be between 0 and 100'),
	('bad item', 'Completed "caught"') $$, 'errors name the field');

\echo # Cancel, timeout, terminate
\o /dev/null
SELECT pg_temp.start(id, pg_temp.map('{"StartAt": "Take", "States": {
		"Take": {"Type": "Task", "Resource": "Work", "Compensate": "Undo", "Next": "Pause"},
		"Pause": {"Type": "Wait", "Seconds": 3600, "End": true}}}'), '[1, 2]', more)
FROM (VALUES ('canceled', '{}'::jsonb), ('terminated', '{}'), ('timed out', '{"TimeoutSeconds": 60}'),
	('handled', '{"OnCancel": "Stopped", "States": {"Stopped": {"Type": "Pass", "Parameters": {"e.$": "$$.Execution.Error.State"}, "End": true}}}')) AS w (id, more);
SELECT workflow_test.advance('3 minutes');
SELECT workflow.cancel(id) FROM unnest('{canceled,handled}'::text[]) id;
SELECT workflow.terminate('terminated');
SELECT workflow_test.run();
\o
SELECT results_eq($$ SELECT workflow_id::name, status, (SELECT count(*) FROM workflow.compensations c WHERE c.run_id = e.run_id AND c.status = 'Completed')
	FROM workflow.executions e WHERE workflow_id IN ('canceled', 'terminated', 'timed out', 'handled') ORDER BY 1 $$, $$ VALUES
	('canceled'::name, 'Canceled', 2::bigint), ('handled', 'Canceled', 2), ('terminated', 'Terminated', 0), ('timed out', 'TimedOut', 2) $$,
	'branches stop, and are undone unless terminated');
SELECT is(pg_temp.events('canceled', 'BranchCanceled', 'TimerCanceled'), 'TimerCanceled Pause 1, BranchCanceled Pause 1, TimerCanceled Pause 2, BranchCanceled Pause 2',
	'history tells what was stopped');

\echo # A cancel waits for what undoes, and nothing else goes on meanwhile
\o /dev/null
SELECT pg_temp.start('waits', pg_temp.map('{"StartAt": "Take", "States": {
		"Take": {"Type": "Task", "Resource": "Work", "Compensate": "UndoAll", "Next": "Pause"},
		"Pause": {"Type": "Wait", "Seconds": 10, "Next": "Check"},
		"Check": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 1, "Next": "Refuse"}], "Default": "Fine"},
		"Fine": {"Type": "Succeed"}, "Refuse": {"Type": "Fail", "Error": "Bad"}}}',
	'{"ToleratedFailureCount": 1, "MaxConcurrency": 2}'), '[1, 2, 3, 4, 5, 6]');
SELECT workflow_test.mock_activity('UndoAll', error => 'Busy', input => '1', times => 3);
SELECT workflow_test.advance('10 s');
SELECT workflow.cancel('waits');
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('waits'), 'Canceled OW.Canceled the workflow was canceled', 'it is canceled in the end');
SELECT is((SELECT count(*) FROM workflow.history WHERE workflow_id = 'waits' AND event_type = 'BranchStarted'), 3::bigint, 'no further item was begun');
SELECT is((SELECT count(*) FROM workflow.compensations WHERE workflow_id = 'waits' AND status = 'Completed'), 3::bigint, 'what was done is undone');

\echo # Stuck inside a branch, errors from inside
\o /dev/null
SELECT workflow.register('stuck', '{"StartAt": "All", "States": {"All": {"Type": "Map", "End": true, "ItemProcessor":
	{"StartAt": "One", "States": {"One": {"Type": "Task", "Resource": "Work", "ResultSelector": {"x.$": "$.missing"}, "End": true}}}}}}');
SELECT workflow.start('stuck', '[{"n": 1}, {"n": 2}]', workflow_id => 'stuck');
SELECT pg_temp.start('on error', pg_temp.map(pg_temp.machine('One', '{"Type": "Task", "Resource": "Other"}')), '[{"on": "error"}]',
	'{"OnError": "Handle", "States": {"Handle": {"Type": "Pass", "Parameters": {"e.$": "$$.Execution.Error"}, "End": true}}}');
SELECT workflow_test.mock_activity('Other', error => 'Broken', message => 'inside', input => '{"on": "error"}');
SELECT pg_temp.start('public', pg_temp.parallel('{}',
	pg_temp.machine('No', '{"Type": "Fail", "Error": "E", "Public": {"Code": "sorry"}}') #- '{States,No,End}'));
SELECT workflow_test.run();
\o
SELECT is((SELECT stuck->>'State' FROM workflow.executions WHERE workflow_id = 'stuck'), 'One', 'the run is stuck, and says in which state');
\o /dev/null
SELECT workflow.register('stuck', '{"StartAt": "All", "States": {"All": {"Type": "Map", "End": true, "ItemProcessor":
	{"StartAt": "One", "States": {"One": {"Type": "Task", "Resource": "Work", "ResultSelector": {"x.$": "$.n"}, "End": true}}}}}}');
SELECT workflow.retry('stuck', 2);
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('stuck'), 'Completed [{"x": 1}, {"x": 2}]', 'and goes on in the repaired version');
SELECT is((SELECT count(*) FROM workflow_test.calls() WHERE workflow_id = 'stuck'), 2::bigint, 'without doing anything again');
SELECT is((SELECT output FROM workflow.executions WHERE workflow_id = 'on error'),
	'{"e": {"Cause": "inside", "Error": "Broken", "State": "One", "Activity": "Other", "Attempt": 1}}'::jsonb, 'OnError is told where inside');

SELECT is((SELECT public_error->>'Code' FROM workflow.executions WHERE workflow_id = 'public'), 'sorry', 'customers are told what the Fail state says');

\echo # Failures that come one by one inside another Map; a deadline while a branch is undone
\o /dev/null
-- Its item's number is what each waits for.
CREATE FUNCTION pg_temp.late_failures() RETURNS jsonb LANGUAGE sql AS $$
	SELECT pg_temp.map(pg_temp.machine('Inner', pg_temp.map('{"StartAt": "Pause", "States": {
		"Pause": {"Type": "Wait", "SecondsPath": "$", "Next": "Break"}, "Break": {"Type": "Fail", "Error": "E"}}}', '{"ToleratedFailureCount": 1}')))
$$;
SELECT pg_temp.start('one by one', pg_temp.late_failures(), '[[1, 2, 3]]');
SELECT pg_temp.start('two in two', pg_temp.late_failures(), '[[1], [2]]');
SELECT workflow_test.mock_activity('Undo', error => 'NotYet', input => '"slow"', times => 5);
SELECT pg_temp.start('overdue', pg_temp.map('{"StartAt": "Which", "States": {
		"Which": {"Type": "Choice", "Choices": [{"Variable": "$", "StringEquals": "slow", "Next": "Do"}], "Default": "Pause"},
		"Do": {"Type": "Task", "Resource": "Work", "Compensate": "Undo", "Next": "Break"},
		"Break": {"Type": "Fail", "Error": "E"},
		"Pause": {"Type": "Wait", "Seconds": 10, "Next": "Work"},
		"Work": {"Type": "Task", "Resource": "Work", "Next": "Long"},
		"Long": {"Type": "Wait", "Seconds": 3600, "End": true}}}', '{"ToleratedFailureCount": 1}'), '["slow", "quick"]', '{"TimeoutSeconds": 5}');
SELECT workflow_test.run();
\o
SELECT matches(pg_temp.ended('one by one'), '^Failed States.ExceedToleratedFailureThreshold', 'each tolerated failure counts');
SELECT matches(pg_temp.ended('two in two'), '^Completed', 'for its own Map');
SELECT is(pg_temp.ended('overdue'), 'TimedOut States.Timeout the workflow did not close in time', 'a run times out once its branch is undone');
SELECT is(pg_temp.seconds('overdue'), 31, 'and not before');
SELECT is(pg_temp.events('overdue', 'ActivityTaskTimedOut', 'TimerFired'), 'TimerFired Pause 2, TimerFired',
	'meanwhile its other branches go on');

\echo # Names that look like paths
\o /dev/null
CREATE FUNCTION public.key(context workflow.activity_context) RETURNS text LANGUAGE sql AS $$ SELECT context.idempotency_key $$;
SELECT workflow.register_activity('Key', 'public.key(workflow.activity_context)');
SELECT workflow_test.allow_activity('Key');
SELECT workflow.register('keys', '{"StartAt": "All", "States": {
	"All": {"Type": "Map", "ItemsPath": "$.items", "ResultPath": "$.inner", "Next": "All:1:0/Key",
		"ItemProcessor": {"StartAt": "Key", "States": {"Key": {"Type": "Task", "Resource": "Key", "End": true}}}},
	"All:1:0/Key": {"Type": "Task", "Resource": "Key", "ResultPath": "$.outer", "End": true}}}');
SELECT workflow.start('keys', '{"items": [1]}', workflow_id => 'keys');
SELECT workflow_test.run();
\o
SELECT is((SELECT output->'inner' ? (output->>'outer') FROM workflow.executions WHERE workflow_id = 'keys'), false,
	'share no idempotency key with what is there');

\echo # Many items
\o /dev/null
SELECT pg_temp.start('many', pg_temp.map('{"StartAt": "Pause", "States": {"Pause": {"Type": "Wait", "Seconds": 1, "Next": "One"},
	"One": {"Type": "Task", "Resource": "Work", "End": true}}}', '{"MaxConcurrency": 25, "ResultSelector": {"n.$": "States.ArrayLength($)", "last.$": "$[999]"}}'),
	(SELECT jsonb_agg(i) FROM generate_series(1, 1000) i));
SELECT workflow_test.run();
\o
SELECT is(pg_temp.ended('many'), 'Completed {"n": 1000, "last": 1000}', 'outputs are gathered from their rows');
SELECT is(pg_temp.seconds('many'), 40, '25 at a time');

\echo # What its tasks must not be tried again for
\o /dev/null
SELECT workflow.register_activity('Stubborn', 'public.echo(jsonb)');
SELECT workflow_test.mock_activity('Stubborn', error => 'Broken', non_retryable => true);
SELECT pg_temp.start('stubborn ' || id, pg_temp.parallel('{"Retry": [{"ErrorEquals": ["Broken"], "IntervalSeconds": 10, "BackoffRate": 1, "MaxAttempts": 2}]}'::jsonb || more,
	pg_temp.machine('S' || id, '{"Type": "Task", "Resource": "Stubborn", "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 5}]}')))
FROM (VALUES ('fails', '{}'::jsonb)) v (id, more);
SELECT pg_temp.start('stubborn map', pg_temp.map(pg_temp.machine('Sm', '{"Type": "Task", "Resource": "Stubborn"}'), '{"Retry": [{"ErrorEquals": ["Broken"], "IntervalSeconds": 10, "BackoffRate": 1, "MaxAttempts": 1}]}'), '[1]');
SELECT workflow.start('stubborn fails', '{}', 'stubborn run', retry => '{"IntervalSeconds": 1, "MaxAttempts": 3}');
SELECT workflow_test.run();
\o
SELECT is((SELECT count(*) FROM workflow.get_history('stubborn fails') WHERE event_type = 'ActivityTaskFailed'), 3::bigint, 'the Retry of a Parallel goes by the error, that of the task does not try');
SELECT is(pg_temp.seconds('stubborn fails'), 20, 'with its own intervals');
SELECT is((SELECT count(*) FROM workflow.get_history('stubborn map') WHERE event_type = 'ActivityTaskFailed'), 2::bigint, 'so does that of a Map');
SELECT is((SELECT string_agg(status, ' ') FROM workflow.executions WHERE workflow_id LIKE 'stubborn%'), 'Failed Failed Failed', 'what fails in the end is not tried again as a whole');

\echo # The state of each run follows from its history, and nothing is left over
SELECT is_empty($$ SELECT * FROM pg_temp.faults() $$, 'no faults');
SELECT * FROM finish();
ROLLBACK;
