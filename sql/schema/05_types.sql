-- Types of arguments and results.  Columns may be added at the end only; C code knows their positions.

-- What an activity may ask about the attempt it runs for.
CREATE TYPE workflow.activity_context AS (
    workflow_id     pg_catalog.text,
    run_id          pg_catalog.uuid,
    workflow        pg_catalog.text,
    version         pg_catalog.int4,
    activity        pg_catalog.text,
    state           pg_catalog.text,
    attempt         pg_catalog.int4,
    scheduled_at    pg_catalog.timestamptz,
    deadline        pg_catalog.timestamptz,
    idempotency_key pg_catalog.text,
    last_failure    pg_catalog.jsonb,
    compensates     pg_catalog.jsonb,
    traceparent     pg_catalog.text
);
COMMENT ON TYPE workflow.activity_context IS 'The attempt that an activity runs for';
COMMENT ON COLUMN workflow.activity_context.attempt IS 'Counts from 1';
COMMENT ON COLUMN workflow.activity_context.scheduled_at IS 'When the first attempt was scheduled';
COMMENT ON COLUMN workflow.activity_context.deadline IS 'When this attempt times out';
COMMENT ON COLUMN workflow.activity_context.idempotency_key IS 'The same for all attempts, also after a reset or a retry of the workflow';
COMMENT ON COLUMN workflow.activity_context.last_failure IS '{Error, Cause, Details} of the attempt before';
COMMENT ON COLUMN workflow.activity_context.traceparent IS 'W3C Trace Context: the trace is the run''s, the span this attempt''s';
COMMENT ON COLUMN workflow.activity_context.compensates IS 'Of a compensation: {state, input, result, idempotency_key} of the call it undoes';

-- How a run ended, as workflow.wait gives it.
CREATE TYPE workflow.execution_result AS (
    workflow_id  pg_catalog.text,
    run_id       pg_catalog.uuid,
    workflow     pg_catalog.text,
    version      pg_catalog.int4,
    status       pg_catalog.text,
    output       pg_catalog.jsonb,
    error        pg_catalog.text,
    cause        pg_catalog.text,
    public_error pg_catalog.jsonb,
    started_at   pg_catalog.timestamptz,
    closed_at    pg_catalog.timestamptz
);
COMMENT ON TYPE workflow.execution_result IS 'A closed run';
COMMENT ON COLUMN workflow.execution_result.error IS 'Internal: null for roles without the rights of the workflow''s owner';
COMMENT ON COLUMN workflow.execution_result.cause IS 'Internal: null for roles without the rights of the workflow''s owner';
