-- Search attributes, on a virtual clock: where they come from, what they are, how runs are found by them, and who finds them.
SET client_min_messages = error;
SET TimeZone = 'UTC';
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow.register('order', $asl${"StartAt": "Wait", "Signals": {"go": {}, "fail": {}}, "SearchAttributes": {
		"OrderID": {"Type": "Keyword", "Path": "$.order.id"}, "Total": {"Type": "Double", "Path": "$.order.total"},
		"Lines": {"Type": "Int"}, "Paid": {"Type": "Bool"}, "ShipBy": {"Type": "Datetime", "Comment": "at the latest"}, "Note": {"Type": "Text"},
		"Tags": {"Type": "KeywordList", "Path": "$.tags"}},
	"States": {"Wait": {"Type": "Await", "Any": [{"Signal": "go", "Next": "Again"}, {"Signal": "fail", "Next": "Fail"}]},
		"Again": {"Type": "ContinueAsNew"}, "Fail": {"Type": "Fail", "Error": "Broken"}}}$asl$);
SELECT workflow.register('plain', $asl${"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}$asl$);
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
SELECT workflow.start('order', '{"order": {"id": "o-1", "total": 9.5}, "tags": ["new", "gift"]}', 'all',
	search_attributes => '{"Lines": 3, "Paid": false, "ShipBy": "2030-02-01T12:00:00+01:00", "Note": "by the back door"}');
SELECT workflow.start('order', '{"order": {"id": "o-2"}}', 'some', search_attributes => '{"OrderID": "o-22"}', retry => '{"IntervalSeconds": 60}');
SELECT workflow.start('order', '{"order": {"id": "o-3"}}', 'without', search_attributes => '{"OrderID": null}');
SELECT workflow.start('plain', workflow_id => 'plain');
SELECT workflow_test.run(workflow_test.now());
CREATE FUNCTION pg_temp.of(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT search_attributes FROM workflow.get_execution(id) $$;
CREATE FUNCTION pg_temp.found(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	ids text;
BEGIN
	EXECUTE 'SELECT string_agg(e.workflow_id || '' '' || e.status, '', '' ORDER BY e.run_id) FROM workflow.search_attributes s JOIN workflow.executions e USING (shard_key, run_id) WHERE s.' || condition INTO ids;
	RETURN ids;
END $$;
\o
SELECT no_plan();
\echo # What there is
SELECT is(pg_temp.of('all'), '{"OrderID": "o-1", "Total": 9.5, "Tags": ["new", "gift"], "Lines": 3, "Paid": false, "ShipBy": "2030-02-01T11:00:00.000000Z", "Note": "by the back door"}',
	'from the input, and as given');
SELECT is(pg_temp.of('some'), '{"OrderID": "o-22"}', 'what is given counts more; what is not there, is not');
SELECT is(pg_temp.of('without'), NULL, 'null takes it away');
SELECT is(pg_temp.of('plain'), NULL, 'a workflow need not have any');
SELECT results_eq($$ SELECT name COLLATE "default", type, coalesce(keyword_value COLLATE "default", text_value, int_value::text, double_value::text, bool_value::text, datetime_value::text), position::int
	FROM workflow.search_attributes WHERE workflow_id = 'all' AND workflow = 'order' ORDER BY name, position $$, $$ VALUES ('Lines', 'Int', '3', 0), ('Note', 'Text', 'by the back door', 0),
	('OrderID', 'Keyword', 'o-1', 0), ('Paid', 'Bool', 'false', 0), ('ShipBy', 'Datetime', '2030-02-01 11:00:00+00', 0), ('Tags', 'KeywordList', 'new', 0),
	('Tags', 'KeywordList', 'gift', 1), ('Total', 'Double', '9.5', 0) $$, 'a row for each value');
SELECT is(pg_temp.found($$name = 'OrderID' AND s.keyword_value = 'o-1'$$), 'all Running', 'a run is found by it');
SELECT is(pg_temp.found($$name = 'Tags' AND s.keyword_value = 'gift'$$), 'all Running', 'or by one of a list');
SELECT is(pg_temp.found($$name = 'ShipBy' AND s.datetime_value < '2030-03-01'$$), 'all Running', 'or by a range');
\echo # Changed
\o /dev/null
SELECT workflow.upsert_search_attributes('all', '{"Paid": true, "Note": null, "Tags": ["gift"]}'), workflow.upsert_search_attributes('all', '{"Lines": 4}');
SELECT workflow.upsert_search_attributes('without', '{"Total": 1e3}');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.of('all'), '{"OrderID": "o-1", "Total": 9.5, "Tags": ["gift"], "Lines": 4, "Paid": true, "ShipBy": "2030-02-01T11:00:00.000000Z"}', 'what is named changes');
SELECT is(pg_temp.of('without'), '{"Total": 1000}', 'one that had none has some');
SELECT is((SELECT attributes - 'requested_by' FROM workflow.history WHERE workflow_id = 'without' AND event_type = 'UpsertWorkflowSearchAttributes'), '{"search_attributes": {"Total": 1000}}', 'history tells');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\echo # Kept, and handed on
\o /dev/null
SELECT workflow.signal('all', 'go'), workflow.signal('some', 'fail');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT is(pg_temp.found($$name = 'OrderID' AND s.keyword_value = 'o-1'$$), 'all ContinuedAsNew, all Running', 'a closed run keeps them, and the one that continues it has them');
SELECT is(pg_temp.found($$name = 'OrderID' AND s.keyword_value = 'o-22'$$), 'some Failed, some Running', 'so does one that is tried again');
SELECT is(pg_temp.of('all'), '{"OrderID": "o-1", "Total": 9.5, "Tags": ["gift"], "Lines": 4, "Paid": true, "ShipBy": "2030-02-01T11:00:00.000000Z"}', 'all of them');
\o /dev/null
SELECT workflow.upsert_search_attributes('all', '{"Lines": 5}');
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq($$ SELECT int_value FROM workflow.search_attributes WHERE workflow_id = 'all' AND name = 'Lines' ORDER BY run_id $$, '{4,5}'::bigint[], 'its own from then on');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
\echo # Many
SELECT is((SELECT count(*) FROM workflow.start_many('order', (SELECT array_agg(jsonb_build_object('order', jsonb_build_object('id', 'm-' || n, 'total', n))) FROM generate_series(1, 2000) n),
	search_attributes => '{"Lines": 1}')), 2000::bigint, 'thousands at a time');
SELECT is((SELECT count(*) FROM workflow.search_attributes WHERE name = 'Lines' AND int_value = 1), 2000::bigint, 'each has those given');
SELECT is((SELECT count(*) FROM workflow.search_attributes WHERE name = 'Total' AND double_value > 1990 AND keyword_value IS NULL), 10::bigint, 'and those of its input');
\o /dev/null
SELECT workflow.signal_with_start('order', 'swt', 'go', search_attributes => '{"OrderID": "swt"}');
\o
SELECT is(pg_temp.of('swt'), '{"OrderID": "swt"}', 'one that a signal starts as well');
\echo # By index, for whoever may see them
\o /dev/null
CREATE ROLE pgtap_finder; CREATE ROLE pgtap_stranger;
SELECT workflow.grant_usage('pgtap_finder'), workflow.grant_usage('pgtap_stranger'), workflow.grant_workflow('pgtap_finder', 'order', '{read}');
ANALYZE workflow.search_attribute;
CREATE FUNCTION pg_temp.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	lines text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		lines := concat_ws(E'\n', lines, line);
	END LOOP;
	RETURN lines;
END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_temp TO pgtap_finder, pgtap_stranger;
\o
SET LOCAL ROLE pgtap_finder;
SELECT is((SELECT count(*) FROM workflow.search_attributes WHERE name = 'OrderID' AND keyword_value = 'm-77'), 1::bigint, 'who may read the workflow finds its runs');
SELECT matches(pg_temp.plan($$ SELECT workflow_id FROM workflow.search_attributes WHERE name = 'OrderID' AND keyword_value = 'm-77' $$),
	'Index Cond: \(\(name = ''OrderID''::text\) AND \(keyword_value = ''m-77''::text\)\)', 'by the index of keywords');
SELECT matches(pg_temp.plan($$ SELECT workflow_id FROM workflow.search_attributes WHERE name = 'Total' AND double_value BETWEEN 10 AND 12 $$),
	'Index Cond: \(\(name = ''Total''::text\) AND \(double_value >= ''10''::double precision\) AND \(double_value <= ''12''::double precision\)\)', 'or that of numbers');
RESET ROLE;
SET LOCAL ROLE pgtap_stranger;
SELECT is((SELECT count(*) FROM workflow.search_attributes), 0::bigint, 'nobody else does');
RESET ROLE;
\echo # What is wrong
SELECT throws_ok($$ SELECT workflow.start('order', search_attributes => '{"OrderId": "x"}') $$, '22023', 'workflow "order" has no search attribute "OrderId"', 'one that is not declared');
SELECT throws_ok($$ SELECT workflow.start('plain', search_attributes => '{"OrderID": "x"}') $$, '22023', 'workflow "plain" has no search attribute "OrderID"', 'or none is');
SELECT throws_ok($$ SELECT workflow.start('order', '{"order": {"id": 7}}') $$, 'OW013', 'search attribute "OrderID" of workflow "order" is not of its type Keyword', 'one of the input that is of another type');
SELECT throws_ok(format($$ SELECT workflow.start('order', search_attributes => %L) $$, attributes), 'OW013', NULL, attributes)
FROM (VALUES ('{"OrderID": ["1"]}'), ('{"Lines": 1.5}'), ('{"Lines": 1e30}'), ('{"Paid": "yes"}'), ('{"ShipBy": "soon"}'), ('{"Total": "1"}'), ('{"Note": 1}'), ('{"Tags": "one"}'), ('{"Tags": [1]}'),
	(jsonb_build_object('OrderID', repeat('x', 1001))::text)) v (attributes);
SELECT throws_ok($$ SELECT workflow.start('order', search_attributes => '[]') $$, '22023', 'search_attributes must be a JSON object', 'no object');
SELECT throws_ok($$ SELECT workflow.upsert_search_attributes('all', '{"Lines": "many"}') $$, 'OW013', NULL, 'or later');
SELECT throws_ok($$ SELECT workflow.upsert_search_attributes('plain', '{}') $$, 'OW009', NULL, 'a run that has closed');
SELECT throws_ok($x$ SELECT workflow.register('x', '{"StartAt": "W", "SearchAttributes": {"A": {"Type": "Number"}, "B": {"Path": "$.b"}, "C": {"Type": "Int", "Path": "$$.x"}}, "States": {"W": {"Type": "Succeed"}}}') $x$,
	'OW001', NULL, 'a declaration');
SELECT * FROM finish();
ROLLBACK;
