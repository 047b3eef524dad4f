-- What run.sh needs in the database beside the workloads. Run as a superuser.

CREATE EXTENSION order_workflow;
CREATE EXTENSION pg_walinspect;
SELECT workflow.grant_usage('bench') \g /dev/null

CREATE SCHEMA harness;

-- Returns when no run is open, with the number of its own commits. Watches the run started last by its key, since looking
-- at the whole table would cost the executors time, and commits, since a snapshot kept would cost them more.
CREATE PROCEDURE harness.drain(OUT commits int, patience interval DEFAULT '10 minutes')
LANGUAGE plpgsql AS $$
DECLARE
    give_up_at timestamptz := clock_timestamp() + patience;
    last record;
BEGIN
    commits := 0;
    LOOP
        SELECT shard_key, run_id INTO last FROM workflow.execution ORDER BY run_id DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        WHILE EXISTS (SELECT FROM workflow.execution WHERE shard_key = last.shard_key AND run_id = last.run_id) LOOP
            IF clock_timestamp() > give_up_at THEN
                RAISE EXCEPTION 'runs are still open after %', patience
                    USING DETAIL = (SELECT string_agg(format('%s %s in %s', count, status, state), ', ')
                                    FROM (SELECT count(*), status, state FROM workflow.execution
                                          GROUP BY status, state) AS open);
            END IF;
            COMMIT;
            commits := commits + 1;
            PERFORM pg_sleep(0.005);
        END LOOP;
        COMMIT;
        commits := commits + 1;
    END LOOP;
END
$$;

-- Returns when so many runs wait on timers.
CREATE PROCEDURE harness.wait_until_parked(runs int, patience interval DEFAULT '10 minutes')
LANGUAGE plpgsql AS $$
DECLARE
    give_up_at timestamptz := clock_timestamp() + patience;
BEGIN
    WHILE (SELECT count(*) FROM workflow.timer) < runs LOOP
        IF clock_timestamp() > give_up_at THEN
            RAISE EXCEPTION '% runs do not all wait on timers after %', runs, patience;
        END IF;
        COMMIT;
        PERFORM pg_sleep(0.2);
    END LOOP;
END
$$;

CREATE PROCEDURE harness.empty_shop()
LANGUAGE sql AS $$
TRUNCATE shop.validated, shop.payment, shop.inventory_movement, shop.shipment
$$;

-- Nothing is measured that was not done: every run completed, and each left its four rows.
-- With orders given, that many were validated.
CREATE PROCEDURE harness.check(workflow text, since timestamptz, orders bigint DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    completed bigint;
    failed bigint;
BEGIN
    SELECT count(*) FILTER (WHERE status = 'Completed'), count(*) FILTER (WHERE status <> 'Completed')
    INTO completed, failed
    FROM workflow.closed_execution
    WHERE started_at >= since;

    IF failed > 0 THEN
        RAISE EXCEPTION '% of % runs did not complete', failed, completed + failed;
    END IF;
    IF workflow = 'order_4' AND (completed, completed, completed, completed) IS DISTINCT FROM (
        (SELECT count(*) FROM shop.validated),
        (SELECT count(*) FROM shop.payment),
        (SELECT count(*) FROM shop.inventory_movement),
        (SELECT count(*) FROM shop.shipment))
    THEN
        RAISE EXCEPTION 'the application''s rows are not those of % completed runs', completed;
    END IF;
    IF orders <> (SELECT count(*) FROM shop.validated) THEN
        RAISE EXCEPTION '% orders should have been validated, not %', orders, (SELECT count(*) FROM shop.validated);
    END IF;
END
$$;

-- The settings that matter, and every one of ours.
CREATE FUNCTION harness.settings() RETURNS text
LANGUAGE sql
RETURN (SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name LIKE 'order\_workflow.%', name)
        FROM pg_settings
        WHERE name LIKE 'order\_workflow.%'
            OR name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'wal_compression', 'shared_buffers',
                        'max_wal_size', 'checkpoint_timeout', 'autovacuum', 'autovacuum_naptime'));
