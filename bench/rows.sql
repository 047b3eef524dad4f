-- Yardstick (b): the history and state rows of order-4 written set-based, 1,000 workflows per transaction. The rows are
-- copies of what the engine itself wrote: of each run its open row (inserted and deleted again), its closed row and its
-- history; the application's rows are left out. In two forms, of which the faster counts:
--   plain   a history row per event (b1)
--   packed  byte for byte the engine's rows, in tables with the same columns, indexes and storage (b2)

CREATE SCHEMA captured;
CREATE SCHEMA plain;
CREATE SCHEMA packed;

CREATE SEQUENCE captured.next_batch;

-- Where rows of a table really are: its first leaf, if it is partitioned.
CREATE FUNCTION captured.leaf(relation regclass) RETURNS regclass
LANGUAGE sql
RETURN coalesce((SELECT relid FROM pg_partition_tree(relation) WHERE isleaf ORDER BY relid LIMIT 1), relation);

CREATE FUNCTION captured.columns(relation regclass) RETURNS text
LANGUAGE sql
RETURN (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
        FROM pg_attribute
        WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped AND attgenerated = '');

-- Makes <form>.<name> like the engine's table, with its storage parameters, which LIKE leaves out.
CREATE PROCEDURE captured.make_target(form text, name text)
LANGUAGE plpgsql AS $$
DECLARE
    leaf regclass := captured.leaf(format('workflow.%I', name)::regclass);
    options text := (SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = leaf);
BEGIN
    EXECUTE format('CREATE TABLE %I.%I (LIKE %s INCLUDING ALL)', form, name, leaf);
    IF options IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I.%I SET (%s)', form, name, options);
    END IF;
END
$$;

CREATE PROCEDURE captured.make_tables()
LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['execution', 'closed_execution', 'history_batch'] LOOP
        EXECUTE format('CREATE TABLE captured.%1$I AS SELECT 0 AS batch, * FROM workflow.%1$I WITH NO DATA', name);
        EXECUTE format('CREATE INDEX ON captured.%I (batch)', name);
        CALL captured.make_target('packed', name);
    END LOOP;
    CALL captured.make_target('plain', 'execution');
    CALL captured.make_target('plain', 'closed_execution');

    CREATE TABLE captured.history AS
        SELECT 0 AS batch, run_id, event_id, event_time, event_type, state, attributes FROM workflow.history
        WITH NO DATA;
    CREATE INDEX ON captured.history (batch);
    CREATE TABLE plain.history (
        run_id     uuid,
        event_id   int,
        event_time timestamptz NOT NULL,
        event_type text NOT NULL,
        state      text,
        attributes jsonb,
        PRIMARY KEY (run_id, event_id)
    );
END
$$;

-- Starts runs and keeps their open rows.
CREATE PROCEDURE captured.start(batches int)
LANGUAGE plpgsql AS $$
BEGIN
    FOR batch IN 1..batches LOOP
        PERFORM workflow.start_many('order_4', ARRAY(SELECT shop.new_order() FROM generate_series(1, 1000)));
        INSERT INTO captured.execution
        SELECT batch, e.* FROM workflow.execution AS e WHERE e.xmin = pg_current_xact_id()::xid;
        ASSERT FOUND, 'started runs have no open rows';
        COMMIT;
    END LOOP;
END
$$;

-- Keeps what is left of the runs after they have closed.
CREATE PROCEDURE captured.finish()
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO captured.closed_execution
    SELECT e.batch, c.*
    FROM captured.execution AS e
        JOIN workflow.closed_execution AS c USING (shard_key, bucket, run_id)
    ORDER BY e.batch;

    INSERT INTO captured.history_batch
    SELECT e.batch, h.*
    FROM captured.execution AS e
        JOIN workflow.history_batch AS h USING (shard_key, bucket, run_id)
    ORDER BY e.batch;

    INSERT INTO captured.history
    SELECT e.batch, h.run_id, h.event_id, h.event_time, h.event_type, h.state, h.attributes
    FROM captured.execution AS e
        JOIN workflow.history AS h USING (shard_key, run_id)
    ORDER BY e.batch, h.run_id, h.event_id;

    IF (SELECT count(*) FROM captured.closed_execution) <> (SELECT count(*) FROM captured.execution)
        OR (SELECT count(DISTINCT run_id) FROM captured.history_batch) <> (SELECT count(*) FROM captured.execution)
    THEN
        RAISE EXCEPTION 'not every run captured at its start has closed with a history';
    END IF;
END
$$;

-- Before the rows are written anew.
CREATE PROCEDURE captured.empty(form text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('TRUNCATE %1$I.execution, %1$I.closed_execution, %1$I.%2$I', form,
                   CASE form WHEN 'plain' THEN 'history' ELSE 'history_batch' END);
    PERFORM setval('captured.next_batch', 1, false);
END
$$;

-- Makes <form>.write(batch): the rows of 1,000 workflows, to be called in a transaction of its own.
CREATE PROCEDURE captured.make_writer(form text, history text)
LANGUAGE plpgsql AS $$
DECLARE
    name text;
    body text := '';
BEGIN
    FOREACH name IN ARRAY ARRAY['execution', history, 'closed_execution'] LOOP
        body := body || format('INSERT INTO %1$I.%2$I (%3$s) SELECT %3$s FROM captured.%2$I WHERE batch = $1; ',
                               form, name, captured.columns(format('%I.%I', form, name)::regclass));
    END LOOP;
    body := body || format('DELETE FROM %I.execution AS e USING captured.execution AS c '
                           'WHERE c.batch = $1 AND e.shard_key = c.shard_key AND e.run_id = c.run_id; ', form);
    EXECUTE format('CREATE FUNCTION %I.write(int) RETURNS void LANGUAGE plpgsql AS %L',
                   form, 'BEGIN ' || body || 'END');
END
$$;

CALL captured.make_tables();
CALL captured.make_writer('plain', 'history');
CALL captured.make_writer('packed', 'history_batch');
