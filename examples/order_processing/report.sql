-- What became of the orders; demo.sh ends with it.
\pset footer off

\echo
\echo 'Orders by outcome'
SELECT e.workflow, o.status AS "order", e.status AS run, o.public_error AS "told to the customer",
	split_part(o.internal_error, ':', 1) AS "what happened", count(*)
FROM orders.orders o
JOIN workflow.executions e ON e.workflow_id = orders.workflow_id(o.order_id)
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2 DESC, 6 DESC;

\echo 'Throughput, from the first start on; the last ones wait 1, 2, 4 and 8 s between attempts'
SELECT which AS "orders", place AS finished, round(seconds, 2) AS seconds,
	round(place / seconds) AS "per second"
FROM (VALUES ('the first 95 %', 0.95), ('all', 1)) AS part (which, fraction)
JOIN (
	SELECT row_number() OVER (ORDER BY closed_at) AS place, count(*) OVER () AS orders,
		extract(epoch FROM closed_at - min(started_at) OVER ()) AS seconds
	FROM workflow.executions
) AS run ON place = ceil(fraction * orders)
ORDER BY fraction;

-- The one that took the most doing.
SELECT COALESCE((
	SELECT workflow_id
	FROM workflow.history
	JOIN workflow.executions USING (workflow_id)
	WHERE workflow = 'OrderSaga' AND status = 'Failed'
	GROUP BY workflow_id
	ORDER BY count(*) DESC, workflow_id
	LIMIT 1), 'none') AS failed
\gset

\echo Timeline of :failed, which was undone
SELECT to_char(extract(epoch FROM event_time - min(event_time) OVER ()), 'FM990.000') AS "after s",
	event_type, state, concat_ws(', ',
		CASE WHEN attributes ? 'compensation' THEN 'compensation' END,
		attributes->>'activity',
		'attempt ' || NULLIF(attributes->>'attempt', '1'),
		NULLIF(concat_ws(': ', attributes->>'error', attributes->>'cause'), ''),
		'told to the customer: ' || (attributes#>>'{public_error,Code}')) AS what
FROM workflow.history
WHERE workflow_id = :'failed'
ORDER BY event_id;

\echo 'Invariants'
SELECT i.invariant, i.meaning,
	CASE count(c.*) WHEN 0 THEN 'holds' ELSE 'BROKEN ' || count(c.*) || ' times' END AS verdict
FROM orders.invariants i
LEFT JOIN orders.check_invariants() c USING (invariant)
GROUP BY i.invariant, i.meaning
ORDER BY i.invariant;
