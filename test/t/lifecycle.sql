-- Workflows that have something of everything, and what is done to their runs at random: for lifecycle_storm.pl, and for
-- pgtap/lifecycle.sql.  Roles shop, whose they are, and carrier, who works for it, are there.

GRANT CREATE ON SCHEMA public TO shop, carrier;
CREATE SEQUENCE public.ids;
-- What activities did, and is told
CREATE TABLE public.done (run uuid, state text, key text, was_undone boolean);
CREATE TABLE public.sent (id int, kind text, run text);
CREATE TABLE public.surprise (operation text, code text, message text, context text);
GRANT ALL ON public.done, public.sent, public.surprise, public.ids TO PUBLIC;

CREATE FUNCTION public.note(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.done SELECT a.run_id, a.state, a.idempotency_key, false FROM workflow.current_activity() a;
	IF random() < 0.05 THEN
		PERFORM public.meddle((random() * 100000)::int, 'run ' || (random() * 5)::int);
	END IF;
	RETURN input;
END $$;
CREATE FUNCTION public.undo(input jsonb) RETURNS jsonb LANGUAGE sql AS $$
	INSERT INTO public.done SELECT a.run_id, a.state, a.idempotency_key, true FROM workflow.current_activity() a;
	SELECT input $$;
-- Fails now and then, to be tried again or for good, or gives what nobody expects
CREATE FUNCTION public.moody(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	mood CONSTANT float8 := random();
BEGIN
	IF mood < 0.25 THEN
		PERFORM workflow.throw(CASE WHEN mood < 0.1 THEN 'Broken' ELSE 'Busy' END, 'not in the mood');
	END IF;
	PERFORM public.note(input);
	RETURN CASE WHEN mood < 0.93 THEN input ELSE '{}' END;
END $$;

SET ROLE carrier;
SELECT workflow.register_activity('CarrierNote', 'public.note(jsonb)');
SELECT workflow.register_activity('CarrierMoody', 'public.moody(jsonb)');
-- A child, in SQL
SELECT workflow.register('part', $asl${"StartAt": "Begin", "QueryLanguage": "SQL", "Defaults": {"StartToCloseSeconds": 60}, "Signals": {"go": {}},
	"Updates": {"add": {"Assign": {"n": "{% (vars->>'n')::int + 1 %}"}, "Result": "{% vars->'n' %}"}},
	"States": {
		"Begin": {"Type": "Pass", "Assign": {"n": 0}, "Next": "Await"},
		"Await": {"Type": "Await", "Any": [{"Signal": "go", "Next": "Part"}, {"AfterSeconds": "{% (input->>'patience')::int %}", "Next": "Part"}]},
		"Part": {"Type": "Task", "Resource": "CarrierMoody", "Arguments": "{% input %}", "Output": "{% jsonb_build_object('n', vars->'n', 'item', input->'item') %}",
			"Compensate": "CarrierNote", "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 9, "BackoffRate": 1.0}], "End": true}}}$asl$);
SELECT workflow.grant_workflow('shop', 'part', '{start,signal,cancel,read}');
SET ROLE shop;
SELECT workflow.register_activity('Note', 'public.note(jsonb)');
SELECT workflow.register_activity('Undo', 'public.undo(jsonb)');
SELECT workflow.register_activity('Moody', 'public.moody(jsonb)');
SELECT workflow.register_activity('Outside', task_queue => 'outside',
	options => '{"StartToCloseSeconds": 2, "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 20, "BackoffRate": 1.0}]}');
SELECT workflow.register('life', definition),
	workflow.register('life', replace(replace(replace(definition, '"ResultSelector": {"round.$": "$.round"}, ', ''), '"Max": 1', '"Max": 2'), '"1": "Work"', '"1": "Work", "2": "Aside"'), make_current => false)
FROM (VALUES ($asl${"StartAt": "Begin", "Defaults": {"StartToCloseSeconds": 60}, "Signals": {"go": {}, "other": {}},
	"SearchAttributes": {"Round": {"Type": "Int", "Path": "$.round"}, "Tags": {"Type": "KeywordList"}},
	"Queries": {"sum": {"Result.$": "$sum"}},
	"Updates": {
		"add": {"Condition": {"Variable": "$.n", "NumericGreaterThan": 1}, "Assign": {"sum.$": "States.MathAdd($sum, 1)"}, "Result.$": "$sum"},
		"approve": {}},
	"OnCancel": "Tidy",
	"States": {
		"Begin": {"Type": "Pass", "Assign": {"sum": 0}, "Next": "Gate"},
		"Gate": {"Type": "Version", "ChangeId": "way", "Min": -1, "Max": 1, "Versions": {"-1": "Aside", "1": "Work"}},
		"Aside": {"Type": "Task", "Resource": "workflow:part", "Parameters": {"patience": 1, "item": "aside"}, "WaitFor": "Started",
			"ParentClosePolicy": "RequestCancel", "ResultPath": null, "Next": "Work"},
		"Work": {"Type": "Task", "Resource": "Note", "ResultPath": null, "Compensate": "Undo", "Next": "Both"},
		"Both": {"Type": "Parallel", "ResultPath": null, "Compensate": "Undo", "Branches": [
			{"StartAt": "Child", "States": {"Child": {"Type": "Task", "Resource": "workflow:part", "Parameters": {"patience": 1, "item.$": "$.round"},
				"ResultPath": null, "Compensate": "Undo",
				"Retry": [{"ErrorEquals": ["Broken", "OW.WorkflowExecutionAlreadyStarted"], "IntervalSeconds": 1, "MaxAttempts": 9, "BackoffRate": 1.0}], "Next": "Noted"},
				"Noted": {"Type": "Task", "Resource": "Note", "Compensate": "Undo", "End": true}}},
			{"StartAt": "Items", "States": {"Items": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "Item", "States": {
				"Item": {"Type": "Task", "Resource": "Moody", "Compensate": "Undo",
					"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 9, "BackoffRate": 1.0}], "End": true}}}, "End": true}}},
			{"StartAt": "Out", "States": {"Out": {"Type": "Task", "Resource": "Outside", "StartToCloseSeconds": 2, "Compensate": "Undo", "End": true}}}],
			"Retry": [{"ErrorEquals": ["Broken"], "IntervalSeconds": 1, "MaxAttempts": 2}], "Next": "Await"},
		"Await": {"Type": "Await", "Any": [
			{"Signal": "go", "ResultPath": "$.went", "Assign": {"seen.$": "$.id"}, "Next": "Await"},
			{"Update": "approve", "ResultPath": "$.approval", "Result": "thanks", "Next": "Last"},
			{"AfterSeconds": 2, "Next": "Last"}]},
		"Last": {"Type": "Task", "Resource": "Moody", "ResultSelector": {"round.$": "$.round"}, "ResultPath": "$.last", "Compensate": "Undo",
			"Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 1}], "Next": "Again"},
		"Again": {"Type": "Choice", "Choices": [{"Variable": "$.round", "NumericLessThan": 3, "Next": "Continue"}], "Default": "Done"},
		"Continue": {"Type": "ContinueAsNew", "Parameters": {"round.$": "States.MathAdd($.round, 1)", "items.$": "$.items"}},
		"Tidy": {"Type": "Compensate", "Next": "Done"},
		"Done": {"Type": "Pass", "Parameters": {"sum.$": "$sum"}, "End": true}}}$asl$)) d (definition);
SELECT workflow.grant_workflow('carrier', 'life', '{start,signal,cancel,read}');
SELECT workflow.put_schedule(true, 'hourly', 'life', NULL, '{"round": 2, "items": [1]}', '0 * * * *', 'BufferAll', '1 hour', '0', 'scheduled', NULL, NULL, NULL, NULL, NULL, NULL,
	NULL, NULL, '{"Tags": ["scheduled"]}', false);
RESET ROLE;

-- An event that a run can be reset to
CREATE FUNCTION public.reset_event(run uuid) RETURNS int LANGUAGE sql AS $$
	SELECT event_id FROM workflow.reset_points(run) ORDER BY random() LIMIT 1 $$;

-- Does something to some run, and says what.
CREATE FUNCTION public.meddle(what int, id text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n CONSTANT int := nextval('public.ids');
	operations CONSTANT text[] := '{start,start,start existing,start reject,signal,signal,signal,signal with start,update,update,approve,approve,update result,query,pause,resume,resume,cancel,terminate,reset,reset,reset,upgrade,schedule,retry,retry compensation,attributes,pause activity,resume activity,resume activity,reset activity,child,explain,batch}';
	operation text := operations[1 + what % cardinality(operations)];
	input CONSTANT jsonb := jsonb_build_object('round', 1 + n % 3, 'items', '[1, 2, 3]'::jsonb);
	run uuid;
	child text;
	code text;
	message text;
	context text;
BEGIN
	BEGIN
	SELECT run_id INTO run FROM workflow.executions e WHERE e.workflow_id = id ORDER BY random() LIMIT 1;
	IF run IS NULL OR (n % 3 > 0 AND NOT EXISTS (SELECT FROM workflow.executions e WHERE e.workflow_id = id AND e.closed_at IS NULL)) THEN
		operation := CASE WHEN run IS NULL OR n % 3 = 1 THEN 'start' ELSE 'reset' END;
	END IF;
	CASE operation
		WHEN 'start' THEN PERFORM workflow.start('life', input, id, request_id => CASE WHEN n % 2 = 0 THEN 'request ' || n / 10 END,
			retry => CASE WHEN n % 3 = 0 THEN '{"IntervalSeconds": 1, "MaximumAttempts": 3}'::jsonb END,
			search_attributes => '{"Tags": ["a", "b"]}', start_delay => CASE WHEN n % 7 = 0 THEN interval '1 s' END,
			execution_timeout => CASE WHEN n % 5 = 0 THEN interval '20 s' END, version => CASE WHEN n % 6 = 0 THEN 2 END,
			id_conflict_policy => CASE WHEN n % 11 = 0 THEN 'TerminateExisting' ELSE 'Fail' END);
		WHEN 'start existing' THEN PERFORM workflow.start('life', input, id, id_conflict_policy => 'UseExisting');
		WHEN 'start reject' THEN PERFORM workflow.start('life', input, id,
			id_reuse_policy => (ARRAY['RejectDuplicate', 'AllowDuplicateFailedOnly'])[1 + n % 2]);
		WHEN 'signal' THEN PERFORM workflow.signal(id, (ARRAY['go', 'other'])[1 + n % 2], jsonb_build_object('id', n), CASE WHEN n % 3 = 0 THEN 'r' || n END);
		WHEN 'signal with start' THEN PERFORM workflow.signal_with_start('life', id, 'go', jsonb_build_object('id', n), input);
		WHEN 'update' THEN PERFORM workflow.update(id, 'add', jsonb_build_object('n', n % 5), wait => '0', update_id => 'u' || n);
		WHEN 'approve' THEN PERFORM workflow.update(id, 'approve', wait => '0', update_id => 'u' || n);
		WHEN 'update result' THEN PERFORM workflow.update_result(id, 'u' || (n - 1 - n % 20));
		WHEN 'query' THEN PERFORM workflow.query(run, 'sum');
		WHEN 'pause' THEN PERFORM workflow.pause(id);
		WHEN 'resume' THEN PERFORM workflow.resume(id);
		WHEN 'cancel' THEN PERFORM workflow.cancel(id);
		WHEN 'terminate' THEN PERFORM workflow.terminate(id);
		WHEN 'reset' THEN PERFORM workflow.reset(run, public.reset_event(run));
		WHEN 'upgrade' THEN PERFORM workflow.upgrade(id, 1 + n % 2);
		WHEN 'retry' THEN PERFORM workflow.retry(id, CASE WHEN n % 2 = 0 THEN 2 END);
		WHEN 'retry compensation' THEN PERFORM workflow.retry_compensation(id);
		WHEN 'attributes' THEN PERFORM workflow.upsert_search_attributes(id, jsonb_build_object('Tags', jsonb_build_array('t' || n)));
		WHEN 'pause activity' THEN PERFORM workflow.pause_activity(id, (ARRAY['Outside', 'Moody', 'Note', 'Undo'])[1 + n % 4]);
		WHEN 'resume activity' THEN PERFORM workflow.resume_activity(id, (ARRAY['Outside', 'Moody', 'Note', 'Undo'])[1 + n % 4]);
		WHEN 'reset activity' THEN PERFORM workflow.reset_activity(id, (ARRAY['Outside', 'Moody', 'Note', 'Undo'])[1 + n % 4]);
		WHEN 'child' THEN
			SELECT c.workflow_id INTO child FROM workflow.children c WHERE c.parent_workflow_id = id ORDER BY random() LIMIT 1;
			CASE coalesce(nullif(child IS NULL, false)::int, 2 + n % 5)
				WHEN 1 THEN NULL;
				WHEN 2 THEN PERFORM workflow.cancel(child);
				WHEN 3 THEN PERFORM workflow.signal(child, 'go');
				WHEN 4 THEN PERFORM workflow.update(child, 'add', wait => '0', update_id => 'u' || n);
				WHEN 5 THEN PERFORM workflow.terminate(child);
				ELSE SELECT run_id INTO run FROM workflow.executions e WHERE e.workflow_id = child ORDER BY random() LIMIT 1;
					PERFORM workflow.reset(run, public.reset_event(run));
			END CASE;
		WHEN 'schedule' THEN PERFORM workflow.trigger_schedule('hourly', (ARRAY['Skip', 'BufferOne', 'BufferAll', 'CancelOther', 'TerminateOther', 'AllowAll'])[1 + n % 6]);
		WHEN 'explain' THEN PERFORM FROM workflow.explain(id);
		WHEN 'batch' THEN
			run := workflow.start_batch((ARRAY['signal', 'cancel', 'pause', 'resume', 'resume', 'upgrade'])[1 + n % 6],
				format('workflow = %L AND workflow_id LIKE %L', 'life', '%' || n % 10),
				CASE n % 6 WHEN 0 THEN jsonb_build_object('signal', 'go', 'payload', jsonb_build_object('id', 0)) WHEN 5 THEN '{"version": 2}' ELSE '{}' END, chunk_size => 3);
			WHILE (SELECT more FROM workflow.run_batch_chunk(run)) LOOP END LOOP;
	END CASE;
	IF operation IN ('signal', 'signal with start') THEN
		INSERT INTO public.sent VALUES (n, 'signal', id);
	ELSIF operation IN ('update', 'approve') THEN
		INSERT INTO public.sent VALUES (n, operation, id);
	END IF;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
		INSERT INTO public.surprise VALUES (operation, code, message, context);
		RETURN operation || ' ' || code;
	END;
	RETURN operation;
END $$;

-- A worker outside: takes a task, in a transaction of its own, and answers, or not
CREATE FUNCTION public.take() RETURNS uuid LANGUAGE sql AS $$
	SELECT coalesce((SELECT task_token FROM workflow.poll_activity('outside', 'worker')), gen_random_uuid()) $$;
CREATE FUNCTION public.answer(token uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN CASE WHEN random() < 0.2 THEN workflow.fail_activity(token, 'Busy')
		WHEN random() < 0.9 THEN workflow.complete_activity(token, '{"done": "outside"}') END;
END $$;

-- What operators would do in the end: repair what is stuck, let go on what is paused
CREATE FUNCTION public.mend() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	run record;
BEGIN
	PERFORM workflow.remove_schedule(s.name) FROM workflow.schedules s;
	FOR run IN SELECT e.run_id, e.status, NULL AS activity FROM workflow.executions e WHERE e.closed_at IS NULL AND e.status IN ('Stuck', 'Paused')
		UNION SELECT p.run_id, 'Paused activity', p.activity FROM workflow.pending_activities p WHERE p.status = 'Paused' LOOP
		BEGIN
			CASE run.status
				WHEN 'Stuck' THEN PERFORM workflow.retry(run.run_id, 2);
				WHEN 'Paused' THEN PERFORM workflow.resume(run.run_id);
				ELSE PERFORM workflow.resume_activity(run.run_id, run.activity);
			END CASE;
		EXCEPTION WHEN SQLSTATE 'OW009' OR SQLSTATE 'OW012' THEN
			NULL; -- it went on by itself
		END;
	END LOOP;
END $$;
