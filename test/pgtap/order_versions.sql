-- A deployment in the midst of orders, on a virtual clock: payment and reservation change places.  Old orders end in the old order,
-- new ones in the new, and what fails is undone in the reverse of its own.
SET client_min_messages = error;
BEGIN;
\o /dev/null
\ir ../t/consistency.sql
SELECT workflow_test.begin('2030-01-01 00:00:00+00');
\ir ../t/order_versions.sql
SELECT workflow_test.allow_activity('versions.' || step) FROM unnest('{pay,refund,reserve,release,ship}'::text[]) step;
SELECT workflow.register('versions.order', public.order_definition('{pay,reserve}'));
SELECT workflow.start_many('versions.order', array_agg(jsonb_build_object('number', n) ORDER BY n), array_agg('old ' || n ORDER BY n)) FROM generate_series(1, 100) n;
SELECT workflow_test.run(workflow_test.now());
\o
SELECT plan(9);
SELECT results_eq('SELECT version, status, steps, orders FROM order_outcome', $$ VALUES (1, 'Running', 'pay', 100::bigint) $$, 'a hundred orders are paid');

-- The deployment, and orders of both kinds side by side
\o /dev/null
SELECT workflow.register('versions.order', public.order_definition('{reserve,pay}'));
SELECT workflow.start_many('versions.order', array_agg(jsonb_build_object('number', n) ORDER BY n), array_agg('new ' || n ORDER BY n)) FROM generate_series(1, 100) n;
SELECT workflow_test.run(workflow_test.now());
\o
SELECT results_eq('SELECT version, status, steps, orders FROM order_outcome ORDER BY 1', $$ VALUES (1, 'Running', 'pay', 100::bigint), (2, 'Running', 'reserve', 100) $$, 'a hundred more have reserved first');
SELECT results_eq($$ SELECT version, is_current, open FROM workflow.version_usage WHERE workflow = 'versions.order' ORDER BY 1 $$,
	$$ VALUES (1, false, 100::bigint), (2, true, 100) $$, 'which is to be seen');
SELECT throws_ok($$ SELECT workflow.retire('versions.order', 1) $$, 'OW021', 'version 1 of workflow "versions.order" cannot be retired', 'the old version is in use');
\o /dev/null
SELECT workflow.signal(id || ' ' || n, 'go') FROM generate_series(1, 100) n, unnest('{new,old}'::text[]) id;
SELECT workflow_test.run();
\o
SELECT results_eq('SELECT version, status, error, steps, orders FROM order_outcome ORDER BY 1, 2', $$ VALUES
	(1, 'Completed', '', 'pay reserve ship', 86::bigint), (1, 'Failed', 'NoCarrier', 'pay reserve release refund', 14),
	(2, 'Completed', '', 'reserve pay ship', 86), (2, 'Failed', 'NoCarrier', 'reserve pay refund release', 14) $$, 'each ends in its own order, and is undone in the reverse of that');
SELECT is_empty('SELECT * FROM order_wrong', 'nothing is lost, nothing is left over');
SELECT is_empty('SELECT * FROM pg_temp.faults()', 'history leads there');
SELECT results_eq($$ SELECT version, completed, failed, started, failure_rate FROM workflow.version_usage WHERE workflow = 'versions.order' ORDER BY 1 $$,
	$$ VALUES (1, 86::bigint, 14::bigint, 100::bigint, 0.14::float8), (2, 86, 14, 100, 0.14) $$, 'how each version does');
SELECT lives_ok($$ SELECT workflow.retire('versions.order', 1) $$, 'the old version can go');
SELECT * FROM finish();
ROLLBACK;
