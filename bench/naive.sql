-- Yardstick (a): the engine one writes first. A row per workflow, a queue row per task claimed with SKIP LOCKED, a history
-- row per event; one durable transaction to start, and two per step: claim, complete.
--
-- It has every advantage that costs it nothing: bigint keys, HOT updates, narrow rows, fewer events than the engine
-- records. It comes in two forms, of which the faster counts: with a round trip per transaction (the functions below,
-- whose plans are kept), and with a round trip per statement (naive_statements_*.pgbench).

CREATE SCHEMA naive;

CREATE TABLE naive.workflow (
    workflow_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    workflow    text NOT NULL,
    status      text NOT NULL DEFAULT 'Running',
    step        int NOT NULL DEFAULT 1,
    input       jsonb NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    closed_at   timestamptz
) WITH (fillfactor = 50);

CREATE TABLE naive.task (
    task_id     bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    workflow_id bigint NOT NULL,
    step        int NOT NULL,
    lease_until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE naive.history (
    workflow_id bigint,
    event_id    int,
    event_type  text NOT NULL,
    attributes  jsonb,
    event_time  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workflow_id, event_id)
);

CREATE FUNCTION naive.run_activity(workflow text, step int, input jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    CASE
        WHEN workflow = 'order_4_noop' THEN RETURN shop.do_nothing(input);
        WHEN step = 1 THEN RETURN shop.validate_order(input);
        WHEN step = 2 THEN RETURN shop.charge_payment(input);
        WHEN step = 3 THEN RETURN shop.reserve_inventory(input);
        WHEN step = 4 THEN RETURN shop.create_shipment(input);
    END CASE;
END
$$;

CREATE FUNCTION naive.start(workflow text, input jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    new_id bigint;
BEGIN
    INSERT INTO naive.workflow (workflow, input)
    VALUES (start.workflow, start.input)
    RETURNING workflow_id INTO new_id;

    INSERT INTO naive.history (workflow_id, event_id, event_type, attributes)
    VALUES (new_id, 1, 'WorkflowExecutionStarted', start.input);

    INSERT INTO naive.task (workflow_id, step)
    VALUES (new_id, 1);

    RETURN new_id;
END
$$;

CREATE FUNCTION naive.complete(claimed_task bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    task naive.task;
    run  naive.workflow;
BEGIN
    DELETE FROM naive.task AS t
    WHERE t.task_id = claimed_task
    RETURNING * INTO STRICT task;

    UPDATE naive.workflow AS w
    SET step = task.step + 1,
        status = CASE task.step WHEN 4 THEN 'Completed' ELSE 'Running' END,
        closed_at = CASE task.step WHEN 4 THEN now() END
    WHERE w.workflow_id = task.workflow_id
    RETURNING * INTO STRICT run;

    INSERT INTO naive.history (workflow_id, event_id, event_type, attributes)
    VALUES (run.workflow_id, run.step, 'ActivityTaskCompleted',
            naive.run_activity(run.workflow, task.step, run.input));

    IF run.status = 'Running' THEN
        INSERT INTO naive.task (workflow_id, step)
        VALUES (run.workflow_id, run.step);
    END IF;
END
$$;
