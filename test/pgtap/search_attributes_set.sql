-- Search attributes that states set when they are left.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
CREATE SCHEMA search_shop;
CREATE TABLE search_shop.price (total jsonb);
INSERT INTO search_shop.price VALUES ('12.5');
CREATE FUNCTION search_shop.pay(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('total', total) FROM search_shop.price $$;
CREATE FUNCTION search_shop.undo(input jsonb) RETURNS void LANGUAGE sql AS '';
SELECT workflow.register_activity('search.Pay', 'search_shop.pay(jsonb)'), workflow.register_activity('search.Undo', 'search_shop.undo(jsonb)');
CREATE FUNCTION pg_temp.found(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT search_attributes FROM workflow.get_execution(id) $$;
CREATE FUNCTION pg_temp.sets(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', state, (attributes->'search_attributes')::text, attributes->>'requested_by'), '; ' ORDER BY event_id)
	FROM workflow.get_history(id) WHERE event_type = 'UpsertWorkflowSearchAttributes' $$;
CREATE FUNCTION pg_temp.rows(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', name, keyword_value, int_value, double_value), ', ' ORDER BY name COLLATE "C", position)
	FROM workflow.search_attributes WHERE workflow_id = id $$;
-- Problems of a definition with one Pass state, that sets this
CREATE FUNCTION pg_temp.problems(sets jsonb, language text DEFAULT 'JSONPath') RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', code, path, message, hint) FROM workflow.validate(jsonb_build_object('StartAt', 'Do', 'QueryLanguage', language,
		'SearchAttributes', '{"Status": {"Type": "Keyword"}, "Count": {"Type": "Int"}}'::jsonb,
		'States', jsonb_build_object('Do', jsonb_build_object('Type', 'Pass', 'End', true, 'SearchAttributes', sets)))) $$;
SELECT workflow_test.begin();
SELECT workflow_test.allow_activity(a) FROM unnest('{search.Pay,search.Undo}'::text[]) a;
SELECT workflow.register('searching', $asl${"StartAt": "Pay", "Signals": {"go": {}},
	"SearchAttributes": {"Status": {"Type": "Keyword"}, "Total": {"Type": "Double"}, "Tags": {"Type": "KeywordList"}, "Count": {"Type": "Int"}},
	"States": {
		"Pay": {"Type": "Task", "Resource": "search.Pay", "Compensate": "search.Undo", "ResultPath": "$.payment", "SearchAttributes": {"Status": "paid", "Total.$": "$.payment.total"}, "Next": "Tag"},
		"Tag": {"Type": "Pass", "Assign": {"n": 2}, "SearchAttributes": {"Tags": ["a", "b"], "Count": 1}, "Next": "Wait"},
		"Wait": {"Type": "Await", "Any": [{"Signal": "go", "ResultPath": "$.got", "Next": "Last"}], "SearchAttributes": {"Status.$": "$.got", "Count.$": "$n"}},
		"Last": {"Type": "Pass", "SearchAttributes": {"Tags": null, "Status.$": "States.Format('done in {}', $$.State.Name)"}, "End": true}}}$asl$);
SELECT workflow.register('searching_sql', $asl${"StartAt": "Pay", "QueryLanguage": "SQL", "Signals": {"go": {}, "too": {}},
	"SearchAttributes": {"Status": {"Type": "Keyword"}, "Total": {"Type": "Double"}, "Count": {"Type": "Int"}},
	"States": {
		"Pay": {"Type": "Task", "Resource": "search.Pay", "SearchAttributes": {"Status": "paid", "Total": "{% result->'total' %}"}, "Next": "Both"},
		"Both": {"Type": "Await", "All": [{"Signal": "go"}, {"Signal": "too"}], "SearchAttributes": {"Count": "{% result->'too' %}"}, "Next": "One"},
		"One": {"Type": "Await", "Any": [{"Signal": "go", "Next": "Last"}], "SearchAttributes": {"Status": "{% result %}"}},
		"Last": {"Type": "Pass", "SearchAttributes": {"Count": "{% (input->>'too')::int + 1 %}"}, "End": true}}}$asl$);
SELECT workflow.register('searching_map', $asl${"StartAt": "Each", "SearchAttributes": {"Count": {"Type": "Int"}}, "States": {
	"Each": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "ItemProcessor": {"StartAt": "One", "States": {
		"One": {"Type": "Pass", "SearchAttributes": {"Count.$": "$"}, "End": true}}}, "Next": "Again"},
	"Again": {"Type": "Choice", "Choices": [{"Variable": "$$.Execution.Input.again", "IsPresent": true, "Next": "Done"}], "Default": "Continue"},
	"Continue": {"Type": "ContinueAsNew", "Parameters": {"items": [], "again": true}}, "Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow.start('searching', '{"n": 1}', 'one', search_attributes => '{"Status": "new"}'), workflow.start('searching_sql', '{"n": 1}', 'sql');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT no_plan();

\echo # As states are left
SELECT is(pg_temp.found('one'), '{"Status": "paid", "Total": 12.5, "Tags": ["a", "b"], "Count": 1}', 'a Task and a Pass set them, over what they put out');
SELECT is(pg_temp.rows('one'), 'Count 1, Status paid, Tags a, Tags b, Total 12.5', 'by which the run is found');
SELECT is(pg_temp.sets('one'), 'Pay {"Total": 12.5, "Status": "paid"}; Tag {"Tags": ["a", "b"], "Count": 1}', 'history has them, with their state');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'which is made again by replay');
\o /dev/null
SELECT workflow.upsert_search_attributes('one', '{"Status": "by hand"}');
SELECT workflow_test.run(workflow_test.now());
SELECT workflow.signal('one', 'go', '"sent"'), workflow.signal('sql', 'go', '1'), workflow.signal('sql', 'too', '7'), workflow.signal('sql', 'go', '"sent"');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.found('one'), '{"Status": "done in Last", "Total": 12.5, "Count": 2}', 'the last counts, null takes one away');
SELECT is(pg_temp.sets('one'), 'Pay {"Total": 12.5, "Status": "paid"}; Tag {"Tags": ["a", "b"], "Count": 1}; {"Status": "by hand"} ' || current_user
	|| '; Wait {"Count": 2, "Status": "sent"}; Last {"Tags": null, "Status": "done in Last"}', 'an Await as well, with what has come');
SELECT is(pg_temp.found('sql'), '{"Status": "sent", "Total": 12.5, "Count": 8}', 'SQL expressions, too');
SELECT is(pg_temp.sets('sql'), 'Pay {"Total": 12.5, "Status": "paid"}; Both {"Count": 7}; One {"Status": "sent"}; Last {"Count": 8}', '… with what the states got');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # A reset, branches, a run that continues as new
\o /dev/null
SELECT workflow.reset('one', (SELECT event_id - 1 FROM workflow.get_history('one') WHERE event_type = 'StateEntered' AND state = 'Tag'));
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.found('one'), '{"Status": "done in Last", "Total": 12.5, "Count": 2}', 'what states set is set again after a reset, and not sent again');
SELECT results_eq($$ SELECT count(*) FROM workflow.get_history('one') WHERE event_type = 'UpsertWorkflowSearchAttributes' AND state IS NULL $$, $$ VALUES (1::bigint) $$, 'but what somebody had sent is');
\o /dev/null
SELECT workflow.start('searching_map', '{"items": [3, 4, 5]}', 'map');
SELECT workflow_test.run(workflow_test.now() + interval '1 s');
\o
SELECT is((SELECT string_agg(attributes->'search_attributes'->>'Count', ' ' ORDER BY event_id) FROM workflow.executions e, workflow.get_history(e.run_id)
	WHERE e.workflow_id = 'map' AND event_type = 'UpsertWorkflowSearchAttributes'), '3 4 5', 'iterations set those of their run');
SELECT results_eq($$ SELECT status, search_attributes FROM workflow.executions WHERE workflow_id = 'map' ORDER BY started_at, run_id $$,
	$$ VALUES ('ContinuedAsNew', '{"Count": 5}'::jsonb), ('Completed', '{"Count": 5}') $$, 'which go along to the run that continues it');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # What is not of its type
\o /dev/null
UPDATE search_shop.price SET total = '"much"';
SELECT workflow.start('searching', workflow_id => 'wrong'), workflow.start('searching_sql', workflow_id => 'wrong sql');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT status, state, waiting_for FROM workflow.explain('wrong') $$, $$ VALUES ('Stuck', 'Pay', 'somebody to mend it: States.Runtime: ' ||
	'the search attribute "Total" that state "Pay" sets is not of its type Double: it is a string') $$, 'a Task keeps its result, and is stuck');
SELECT is(pg_temp.found('wrong'), NULL, 'nothing is set');
SELECT is((SELECT status FROM workflow.get_execution('wrong sql')), 'Stuck', 'so it is in SQL');
\o /dev/null
SELECT workflow.register('searching', replace(source, '"Total.$": "$.payment.total"', '"Total": 0')) FROM workflow.definitions WHERE workflow = 'searching' AND version = 1;
SELECT workflow.retry('wrong', version => 2);
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.found('wrong'), '{"Status": "paid", "Total": 0, "Tags": ["a", "b"], "Count": 1}', 'until it goes on by another version');
SELECT is((SELECT count(*) FROM workflow.compensations WHERE workflow_id = 'wrong'), 1::bigint, 'what undoes it was recorded once');
\o /dev/null
SELECT workflow.signal('wrong', 'go', '17');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT status, error, cause FROM workflow.get_execution('wrong') $$, $$ VALUES ('Failed', 'States.Runtime',
	'the search attribute "Status" that state "Wait" sets is not of its type Keyword: it is a number') $$, 'an Await fails');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');

\echo # Definitions
SELECT is_empty($$ SELECT pg_temp.problems('{"Status": "a", "Count.$": "$.n"}') $$, 'what is declared can be set');
SELECT results_eq($$ SELECT pg_temp.problems('{"Sttus.$": "$.n"}') $$, $$ VALUES ('UnknownSearchAttribute States.Do.SearchAttributes.Sttus.$ ' ||
	'SearchAttributes of state "Do" sets the search attribute "Sttus", which the definition does not declare Did you mean "Status"?') $$, 'nothing else');
SELECT results_eq($$ SELECT pg_temp.problems('{"Count": "many"}') $$, $$ VALUES ('WrongType States.Do.SearchAttributes.Count ' ||
	'SearchAttributes of state "Do" sets the search attribute "Count" to a string, which is not of its type Int') $$, 'constants are checked');
SELECT is((SELECT count(*) FROM pg_temp.problems('{"Count.$": "n"}')), 1::bigint, 'and so are paths');
SELECT is_empty($$ SELECT pg_temp.problems('{"Count": "{% 1 + 1 %}"}', 'SQL') $$, 'in SQL an expression may give anything');
SELECT is((SELECT count(*) FROM pg_temp.problems('{"Count": "1 + 1", "Sttus": "{% 1 %}"}', 'SQL')), 2::bigint, 'what is none is checked there as well');
SELECT throws_like($$ SELECT workflow.register('bad', '{"StartAt": "W", "SearchAttributes": {"A": {"Type": "Int"}}, "States": {"W": {"Type": "Wait", "Seconds": 1, "SearchAttributes": {"A": 1}, "End": true}}}'::jsonb) $$,
	'%', 'a Wait sets none');
SELECT * FROM finish();
ROLLBACK;
