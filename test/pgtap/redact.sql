-- Redact: which paths there are, what they hide, and where.
BEGIN;
SELECT plan(39);
SELECT workflow_test.begin('2030-01-01T00:00:00Z');

CREATE FUNCTION pg_temp.problems(redact text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', v.code, v.path, v.message), E'\n' ORDER BY v.path)
	FROM workflow.validate(format('{"StartAt": "A", "Redact": %s, "States": {"A": {"Type": "Succeed"}}}', redact)::jsonb) v
$$;
SELECT is(pg_temp.problems('["$.card.number", "$..pan", "$.items[*].note", "$.items[0][''a'',''b'']", "$[''odd name''].*", "$", "$..*", "$.a[0,1]"]'), NULL,
	'names, indexes, wildcards and ".." are paths to hide');
SELECT is(pg_temp.problems('[]'), NULL, 'there may be none');
SELECT is(pg_temp.problems('"$.card"'), 'WrongType Redact field "Redact" in the definition must be an array, not a string', 'it is a list');
SELECT is(pg_temp.problems('["$.a", 5]'), 'WrongType Redact[1] field "Redact" in the definition must be a list of paths, not of a number', 'of texts');
SELECT matches(pg_temp.problems('["card.number"]'), '^InvalidPath Redact\[0\] field "Redact" in the definition has no usable path: "card.number": ', 'that are paths');
SELECT matches(pg_temp.problems('["$$.Execution.Input.card"]'), 'must begin with "\$\."', 'not into the context object');
SELECT matches(pg_temp.problems('["$card.number"]'), 'must begin with "\$\."', 'nor into a variable');
SELECT matches(pg_temp.problems('["$.items[?(@.secret == true)].note"]'), 'cannot depend on the data', 'without filters');
SELECT matches(pg_temp.problems('["$.items[1:3]"]'), 'cannot depend on the data', 'slices');
SELECT matches(pg_temp.problems('["$.items[-1]"]'), 'cannot depend on the data', 'or what counts from the end');
SELECT is((SELECT count(*)::int FROM regexp_split_to_table(pg_temp.problems('["a", "$.a[-1]", true]'), E'\n')), 3, 'all problems are told at once');
SELECT matches(pg_temp.problems((SELECT jsonb_agg('$.a' || i)::text FROM generate_series(1, 101) i)), '^TooMany Redact ', 'a hundred are enough');
SELECT matches(pg_temp.problems(to_jsonb(ARRAY['$' || repeat('.a', 64)])::text), 'it is too long', 'and so are 63 steps');
SELECT is(pg_temp.problems(to_jsonb(ARRAY['$' || repeat('.a', 63)])::text), NULL, 'which may be made');

CREATE FUNCTION pg_temp.hides(redact text, document jsonb, of_event boolean DEFAULT false) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	name CONSTANT text := 'redact ' || md5(redact);
BEGIN
	PERFORM workflow.register(name, format('{"StartAt": "A", "Redact": %s, "States": {"A": {"Type": "Succeed"}}}', redact)::jsonb);
	RETURN workflow.redacted(name, 1, document, of_event);
END $$;
SELECT is(pg_temp.hides('["$.card.number"]', '{"card": {"number": "4111", "brand": "visa"}, "number": 1}'),
	'{"card": {"number": "[redacted]", "brand": "visa"}, "number": 1}', 'what a path leads to is hidden, nothing else');
SELECT is(pg_temp.hides('["$.card.number"]', '{"order": {"card": {"number": "4111"}}}'), '{"order": {"card": {"number": "4111"}}}',
	'a path begins at the root');
SELECT is(pg_temp.hides('["$..pan"]', '[{"pan": {"a": 1}}, {"b": {"c": [{"pan": null}, 2]}}]'),
	'[{"pan": "[redacted]"}, {"b": {"c": [{"pan": "[redacted]"}, 2]}}]', '".." is at any depth, and whatever is there is hidden');
SELECT is(pg_temp.hides('["$.items[*].note", "$.items[1]"]', '{"items": [{"note": "x", "n": 1}, {"n": 2}, {"n": 3, "note": "y"}]}'),
	'{"items": [{"note": "[redacted]", "n": 1}, "[redacted]", {"n": 3, "note": "[redacted]"}]}', 'of arrays, all elements or one');
SELECT is(pg_temp.hides('["$.a.*"]', '{"a": {"x": 1, "y": [1]}, "b": [1]}'), '{"a": {"x": "[redacted]", "y": "[redacted]"}, "b": [1]}', 'all members');
SELECT is(pg_temp.hides('["$..a..b"]', '{"a": {"c": {"b": 1}}, "b": 2}'), '{"a": {"c": {"b": "[redacted]"}}, "b": 2}', '".." twice');
SELECT is(pg_temp.hides('["$[''a'',''c'']"]', '{"a": 1, "b": 2, "c": 3}'), '{"a": "[redacted]", "b": 2, "c": "[redacted]"}', 'some names');
SELECT is(pg_temp.hides('["$"]', '{"a": 1}'), '"[redacted]"', 'a whole document');
SELECT is(pg_temp.hides('["$"]', '"4111"'), '"[redacted]"', 'also one that is a scalar');
SELECT is(pg_temp.hides('["$.a"]', '"4111"'), '"4111"', 'in which there is nothing to hide otherwise');
SELECT is(pg_temp.hides('[]', '{"a": 1}'), '{"a": 1}', 'without paths nothing is hidden');
SELECT is(pg_temp.hides('["$.card.number"]', '{"attempt": 1, "input": {"x": [{"card": {"number": 1}}]}, "result": {"card": {"number": 2}}}', true),
	'{"attempt": 1, "input": {"x": [{"card": {"number": "[redacted]"}}]}, "result": {"card": {"number": "[redacted]"}}}',
	'in events the paths begin anywhere: there are several documents in them');
SELECT throws_ok($$ SELECT workflow.redacted('nobody', 1, '{}') $$, 'OW002', NULL, 'of a workflow that there is');
SELECT is(workflow.redacted('nobody', 1, NULL), NULL, 'nothing is nothing');

-- Search attributes that are read from there
SELECT workflow.register('redact attributes', $asl${"StartAt": "A", "Redact": ["$.card.*", "$.tags[*]", "$.Given", "$..pan"],
	"SearchAttributes": {"Card": {"Type": "Keyword", "Path": "$.card.number"}, "Order": {"Type": "Keyword", "Path": "$.id"},
		"Tags": {"Type": "KeywordList", "Path": "$.tags"}, "Given": {"Type": "Keyword"}, "Any": {"Type": "Keyword", "Path": "$['card'].brand"}},
	"States": {"A": {"Type": "Succeed"}}}$asl$);
SELECT is(workflow.redacted('redact attributes', 1, '{"search_attributes": {"Card": "4111", "Order": "o-1", "Tags": ["x"], "Given": "g", "Any": "visa"}}', true),
	'{"search_attributes": {"Card": "[redacted]", "Order": "o-1", "Tags": "[redacted]", "Given": "[redacted]", "Any": "[redacted]"}}',
	'search attributes are hidden whose path is, and by their name');

-- Reports
SELECT workflow.register('redact report', $asl${"StartAt": "Pay", "Redact": ["$.card.number", "$..pan"],
	"SearchAttributes": {"Pan": {"Type": "Keyword", "Path": "$.card.number"}},
	"States": {"Pay": {"Type": "Task", "Resource": "RedactPay", "Parameters": {"order": {"card.$": "$.card"}},
		"ResultPath": "$.paid", "Retry": [{"ErrorEquals": ["Declined"], "MaxAttempts": 1, "IntervalSeconds": 1}],
		"Compensate": "RedactRefund", "Next": "Fail"},
	"Fail": {"Type": "Fail", "Error": "Refused", "Cause": "no reason"}}}$asl$);
SELECT workflow_test.mock_activity('RedactPay', error => 'Declined', details => '{"pan": "CANARY"}', times => 1);
SELECT workflow_test.mock_activity('RedactPay', '{"receipt": {"pan": "CANARY"}, "ok": "SHOWN"}');
SELECT workflow_test.mock_activity('RedactRefund', '{"card": {"number": "CANARY"}}');
SELECT workflow.start('redact report', '{"card": {"number": "CANARY"}, "id": "SHOWN"}', 'redact-1', memo => '{"pan": "CANARY"}');
SELECT workflow_test.run();
SELECT is((SELECT status FROM workflow.executions WHERE workflow_id = 'redact-1'), 'Failed', 'a run with something to hide');
SELECT ok((SELECT bool_or(attributes::text ~ 'CANARY') FROM workflow.history WHERE workflow_id = 'redact-1'), 'who may read it finds it in the views');
SELECT unalike(workflow.report_html('redact-1'), '%CANARY%', 'but not in reports');
SELECT alike(workflow.report_html('redact-1'), '%SHOWN%', 'which have the rest');
SELECT unalike(workflow.otlp_spans('2029-01-01')::text, '%CANARY%', 'nor in traces');
SELECT is((SELECT count(*)::int FROM workflow.timeline('redact-1') t WHERE t::text ~ 'CANARY'), 0, 'nor in timelines');

-- Jobs
CREATE FUNCTION public.redact_job(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
SELECT workflow.register_activity('RedactJob', 'public.redact_job(jsonb)');
SELECT workflow_test.mock_activity('RedactJob', '{"pan": "CANARY", "at": "SHOWN"}');
SELECT workflow.start_activity('RedactJob', '{"pan": "CANARY"}', 'redact-job', '{"Redact": ["$.pan"], "StartToCloseSeconds": 5}');
SELECT workflow_test.run();
SELECT is(workflow.result('redact-job'), '{"pan": "CANARY", "at": "SHOWN"}', 'a job has its result');
SELECT unalike(workflow.report_html('redact-job'), '%CANARY%', 'of which not all is in its report');
SELECT alike(workflow.report_html('redact-job'), '%SHOWN%', '…');
SELECT throws_ok($$ SELECT workflow.start_activity('RedactJob', options => '{"Redact": ["pan"]}') $$, '22023', 'activity "RedactJob" cannot be started with these options',
	'paths are checked');

SELECT * FROM finish();
ROLLBACK;
