-- Orders whose payment and reservation change places from version 1 of their workflow to version 2, for tests of a deployment
-- in their midst.  Each waits between its first step and its second; every seventh cannot be shipped, and all is undone.
CREATE TABLE public.order_journal (id bigserial PRIMARY KEY, order_id text NOT NULL, step text NOT NULL);
CREATE TABLE public.order_stock (on_hand int NOT NULL CHECK (on_hand >= 0));
CREATE TABLE public.order_payment (order_id text PRIMARY KEY, refunded boolean NOT NULL DEFAULT false);
INSERT INTO public.order_stock VALUES (1000);

CREATE FUNCTION public.order_pay(input jsonb, context workflow.activity_context) RETURNS void LANGUAGE sql AS $$
	INSERT INTO public.order_payment VALUES (context.workflow_id);
	INSERT INTO public.order_journal (order_id, step) VALUES (context.workflow_id, 'pay') $$;
CREATE FUNCTION public.order_refund(input jsonb, context workflow.activity_context) RETURNS void LANGUAGE sql AS $$
	UPDATE public.order_payment SET refunded = true WHERE order_id = context.workflow_id AND NOT refunded;
	INSERT INTO public.order_journal (order_id, step) VALUES (context.workflow_id, 'refund') $$;
CREATE FUNCTION public.order_reserve(input jsonb, context workflow.activity_context) RETURNS void LANGUAGE sql AS $$
	UPDATE public.order_stock SET on_hand = on_hand - 1;
	INSERT INTO public.order_journal (order_id, step) VALUES (context.workflow_id, 'reserve') $$;
CREATE FUNCTION public.order_release(input jsonb, context workflow.activity_context) RETURNS void LANGUAGE sql AS $$
	UPDATE public.order_stock SET on_hand = on_hand + 1;
	INSERT INTO public.order_journal (order_id, step) VALUES (context.workflow_id, 'release') $$;
CREATE FUNCTION public.order_ship(input jsonb, context workflow.activity_context) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.order_journal (order_id, step) VALUES (context.workflow_id, 'ship');
	IF (input->>'number')::int % 7 = 0 THEN
		PERFORM workflow.throw('NoCarrier', 'nobody goes there', non_retryable => true);
	END IF;
END $$;
SELECT workflow.register_activity('versions.' || step, format('public.order_%s(jsonb,workflow.activity_context)', step))
FROM unnest('{pay,refund,reserve,release,ship}'::text[]) step;

CREATE FUNCTION public.order_step(step text, leads jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('Type', 'Task', 'Resource', 'versions.' || step,
		'Compensate', 'versions.' || CASE step WHEN 'pay' THEN 'refund' ELSE 'release' END) || leads $$;
CREATE FUNCTION public.order_definition(steps text[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('StartAt', steps[1], 'Signals', '{"go": {}}'::jsonb, 'Defaults', '{"StartToCloseSeconds": 60, "ResultPath": null}'::jsonb,
		'States', jsonb_build_object(
			steps[1], public.order_step(steps[1], '{"Next": "wait"}'),
			'wait', jsonb_build_object('Type', 'Await', 'Any', jsonb_build_array(jsonb_build_object('Signal', 'go', 'Next', steps[2]))),
			steps[2], public.order_step(steps[2], '{"Next": "ship"}'),
			'ship', '{"Type": "Task", "Resource": "versions.ship", "End": true}'::jsonb)) $$;

-- What each version's orders came to: how many ended so, after these steps
CREATE VIEW public.order_outcome AS
SELECT e.version, e.status, coalesce(e.error, '') AS error, j.steps, count(*) AS orders
FROM workflow.executions e
LEFT JOIN LATERAL (SELECT string_agg(step, ' ' ORDER BY id) AS steps FROM public.order_journal j WHERE j.order_id = e.workflow_id) j ON true
WHERE e.workflow = 'versions.order'
GROUP BY 1, 2, 3, 4;

-- What is not as it should be: something reserved or paid for that was not shipped, or the other way round
CREATE VIEW public.order_wrong AS
SELECT format('%s on hand', on_hand) AS what FROM public.order_stock
WHERE on_hand <> 1000 - (SELECT count(*) FROM workflow.executions WHERE workflow = 'versions.order' AND status = 'Completed')
UNION ALL
SELECT format('order %s is %s, and %s', e.workflow_id, e.status, CASE WHEN p.refunded THEN 'refunded' ELSE coalesce('paid ' || p.order_id, 'not paid') END)
FROM workflow.executions e LEFT JOIN public.order_payment p ON p.order_id = e.workflow_id
WHERE e.workflow = 'versions.order' AND (p.order_id IS NULL OR p.refunded <> (e.status = 'Failed'));
