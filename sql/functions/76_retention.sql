-- Retention: how long closed runs are kept, and how they go.
--
-- src/store/retention.h says how leaves are filled and when one is due.  What goes, goes by TRUNCATE of a leaf; runs in it
-- that must stay move on to the leaf of the present period first, a few per transaction.
--
-- What empties leaves works on the tables with the rights of its caller, so it is for the extension's owner and superusers.

-- set_retention: how long runs of a workflow are kept after they have closed; gives their retention class
--   keep  at least: the class that keeps runs long enough is chosen; NULL: for ever
-- For runs that start from now on.
-- Raises OW002 when there is no such workflow, insufficient_privilege for others than its owner's members,
-- invalid_parameter_value when no class keeps runs for that long.
CREATE FUNCTION workflow.set_retention(workflow text, keep interval) RETURNS text
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_set_retention';
COMMENT ON FUNCTION workflow.set_retention(text, interval) IS
    'Chooses how long runs of a workflow are kept after they have closed';

-- set_retention_class: how long a class keeps runs
--   class  short (1 day), normal (30 days; of workflows of which nothing else is said) or long (365 days)
-- For runs that start from now on; what is there already is kept as long as that from now.
-- Raises invalid_parameter_value for other classes; insufficient_privilege for others than the extension's owner.
CREATE FUNCTION workflow.set_retention_class(class text, keep interval) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_set_retention_class';
COMMENT ON FUNCTION workflow.set_retention_class(text, interval) IS
    'Sets how long a retention class keeps runs that have closed';

-- retention_leaves: the leaves of the ring, and when each may be emptied
--   at  NULL: now
CREATE FUNCTION workflow.retention_leaves(at timestamptz DEFAULT NULL)
    RETURNS TABLE (bucket smallint, class text, keep interval, filled_from timestamptz, filled_until timestamptz,
                   due_at timestamptz, is_filled boolean, is_due boolean)
    LANGUAGE c STABLE ROWS 16
    AS 'MODULE_PATHNAME', 'ow_retention_leaves';
COMMENT ON FUNCTION workflow.retention_leaves(timestamptz) IS 'The leaves that runs are kept in, and when each may be emptied';

-- ring_tables: the tables that are partitioned into leaves.  Whoever drives a run writes history first
CREATE FUNCTION workflow.ring_tables() RETURNS SETOF text
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT c.relname::text
    FROM pg_class c
    WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'p'
    ORDER BY c.relname <> 'history_batch', c.relname <> 'closed_execution', c.relname;
END;
COMMENT ON FUNCTION workflow.ring_tables() IS 'The tables that are partitioned by bucket';

-- leaf_tables: the same of one leaf
CREATE FUNCTION workflow.leaf_tables(bucket smallint) RETURNS SETOF regclass
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT format('workflow.%I', t.name || '_' || bucket)::regclass
    FROM workflow.ring_tables() WITH ORDINALITY AS t (name, n) ORDER BY t.n;
END;
COMMENT ON FUNCTION workflow.leaf_tables(smallint) IS 'The tables of a leaf';

-- export_closed: closed runs as documents, with their history and compensations
--   bucket  those of one leaf; NULL: all
CREATE FUNCTION workflow.export_closed(bucket smallint DEFAULT NULL)
    RETURNS TABLE (run_id uuid, workflow_id text, workflow text, status text, closed_at timestamptz, run jsonb,
                   history jsonb, compensations jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT c.run_id, c.workflow_id::text, d.workflow, c.status, c.closed_at,
           to_jsonb(c) - '{shard_key,bucket,machine}'::text[]
               || jsonb_build_object('workflow', d.workflow, 'version', d.version),
           (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('event_id', b.first_event_id + e.n - 1,
                       'event_time', e.event_time, 'event_type', e.event_type, 'state', e.state,
                       'branch_id', nullif(e.branch, 0))) || jsonb_build_object('attributes', e.attributes)
                       ORDER BY b.first_event_id, e.n)
            FROM workflow.history_batch b
            CROSS JOIN LATERAL unnest(b.event_times, b.event_types, b.states, b.branches, b.attributes) WITH ORDINALITY
                AS e (event_time, event_type, state, branch, attributes, n)
            WHERE b.shard_key = c.shard_key AND b.bucket = c.bucket AND b.run_id = c.run_id),
           (SELECT jsonb_agg(to_jsonb(k) - '{shard_key,bucket,run_id}'::text[] ORDER BY k.sequence)
            FROM workflow.compensation k
            WHERE k.shard_key = c.shard_key AND k.bucket = c.bucket AND k.run_id = c.run_id)
    FROM workflow.closed_execution c
    JOIN workflow.definition d ON d.definition_id = c.definition_id
    WHERE c.bucket = export_closed.bucket OR export_closed.bucket IS NULL;
END
$$;
COMMENT ON FUNCTION workflow.export_closed(smallint) IS 'Closed runs as documents, with their history and compensations';

-- kept_from: since when runs of a leaf must have closed to be kept
CREATE FUNCTION workflow.kept_from(bucket smallint) RETURNS timestamptz
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT workflow.now() - l.keep FROM workflow.retention_leaves() l WHERE l.bucket = kept_from.bucket;
END;
COMMENT ON FUNCTION workflow.kept_from(smallint) IS 'Since when runs of a leaf must have closed to be kept';

-- surviving_runs: the runs of a leaf that must not go with it, some per row
--   first_block, blocks  only closed runs in this part of their table, and with the first part those that are open; blocks NULL: to its end
CREATE FUNCTION workflow.surviving_runs(bucket smallint, first_block bigint DEFAULT 0, blocks bigint DEFAULT NULL)
    RETURNS TABLE (run_ids uuid[])
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
    last_block CONSTANT bigint := 4294967294;
    found      uuid[];
    more       uuid[];
BEGIN
    IF first_block = 0 THEN
        found := ARRAY(SELECT e.run_id FROM workflow.execution e WHERE e.bucket = surviving_runs.bucket);
    END IF;
    EXECUTE format('SELECT array_agg(run_id) FROM workflow.%I WHERE ctid >= $1 AND ctid < $2 AND closed_at > $3',
                   concat('closed_execution_', bucket))
    INTO more
    USING format('(%s,0)', first_block)::tid, format('(%s,0)', least(first_block + blocks, last_block))::tid,
        workflow.kept_from(bucket);
    RETURN QUERY
    SELECT array_agg(u.id ORDER BY u.n) FROM unnest(found || more) WITH ORDINALITY AS u (id, n) GROUP BY (u.n - 1) / 20;
END
$$;
COMMENT ON FUNCTION workflow.surviving_runs(smallint, bigint, bigint) IS 'The runs of a leaf that must not go with it';

-- count_leaf: how many closed runs a leaf has, and whether any run of it must stay: all in one look
CREATE FUNCTION workflow.count_leaf(bucket smallint, OUT runs bigint, OUT survives boolean)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET max_parallel_workers_per_gather = 0
AS $$
BEGIN
    EXECUTE format('SELECT count(*), coalesce(bool_or(closed_at > $1), false) FROM workflow.%I', concat('closed_execution_', bucket))
    INTO runs, survives
    USING workflow.kept_from(bucket);
    survives := survives OR EXISTS (SELECT FROM workflow.execution e WHERE e.bucket = count_leaf.bucket);
END
$$;
COMMENT ON FUNCTION workflow.count_leaf(smallint) IS 'How many closed runs a leaf has, and whether any run of it must stay';

-- move_runs: moves runs on from a leaf to the one that new runs of its class are in; how many
-- Each is locked as for driving it, so that it does nothing meanwhile; those that others have locked stay.
CREATE FUNCTION workflow.move_runs(run_ids uuid[], bucket smallint) RETURNS int
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target CONSTANT smallint := (SELECT n.bucket FROM workflow.retention_leaves() l
                                 JOIN workflow.retention_leaves() n ON n.class = l.class AND n.is_filled
                                 WHERE l.bucket = move_runs.bucket);
    moved  int := 0;
    id     uuid;
    key    int;
    name   text;
BEGIN
    IF target = bucket THEN
        RETURN 0;
    END IF;
    FOREACH id IN ARRAY run_ids LOOP
        key := workflow.shard_key(id);
        PERFORM FROM workflow.execution e
        WHERE e.shard_key = key AND e.run_id = id AND e.bucket = move_runs.bucket FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            PERFORM FROM workflow.closed_execution c
            WHERE c.shard_key = key AND c.run_id = id AND c.bucket = move_runs.bucket FOR UPDATE SKIP LOCKED;
            CONTINUE WHEN NOT FOUND;
        END IF;
        FOR name IN SELECT t FROM workflow.ring_tables() t LOOP
            EXECUTE format('UPDATE workflow.%I SET bucket = $4 WHERE shard_key = $1 AND bucket = $2 AND run_id = $3', name)
            USING key, bucket, id, target;
        END LOOP;
        UPDATE workflow.execution e SET bucket = target WHERE e.shard_key = key AND e.run_id = id;
        moved := moved + 1;
    END LOOP;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION workflow.move_runs(uuid[], smallint) IS 'Moves runs on from a leaf to the present one of its class';

-- lock_leaf: locks tables of a leaf for the rest of the transaction, if nobody makes it wait for long
-- Whoever waits for such a lock holds up all who come after; so it does not, and tries again.  As it gives up
-- before others look for deadlocks, it is in none.
CREATE FUNCTION workflow.lock_leaf(tables regclass[], mode text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    timeout CONSTANT text := current_setting('lock_timeout');
    names   CONSTANT text := (SELECT string_agg(t::text, ', ' ORDER BY n) FROM unnest(tables) WITH ORDINALITY AS u (t, n));
BEGIN
    IF names IS NULL THEN
        RETURN true;
    END IF;
    FOR attempt IN 1..5 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '100ms', true);
            EXECUTE format('LOCK TABLE %s IN %s MODE', names, mode);
            PERFORM set_config('lock_timeout', timeout, true);
            RETURN true;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.1 * attempt);
        END;
    END LOOP;
    RETURN false;
END
$$;
COMMENT ON FUNCTION workflow.lock_leaf(regclass[], text) IS 'Locks tables of a leaf, unless others have them locked for long';

-- empty_leaf: empties a leaf that is due; its rows go, after they have been written to archive_table, if one is named
--   outcome  OUT: Emptied; Busy: others use it; Survivors: it has runs that must move on first; NotDue
--   runs     OUT: how many closed runs have gone
-- Until it is emptied others are kept from nothing but driving runs of this leaf, of which there are none: then from all
-- that reads the ring, for the moment that TRUNCATE and the commit take.  All tables go at once, so that nobody ever sees a run
-- without its history; those that have never had a row since they were emptied last are left alone, which spares others the lock.
CREATE FUNCTION workflow.empty_leaf(bucket smallint, archive_table regclass DEFAULT NULL, OUT outcome text, OUT runs bigint)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    tables CONSTANT regclass[] := ARRAY(SELECT t FROM workflow.leaf_tables(bucket) t);
    filled regclass[];
    look   record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('cannot empty a leaf in a transaction whose isolation level is %s',
                             upper(current_setting('transaction_isolation'))),
            HINT = 'Use READ COMMITTED.';
    END IF;
    IF NOT EXISTS (SELECT FROM workflow.retention_leaves() l WHERE l.bucket = empty_leaf.bucket AND l.is_due) THEN
        outcome := 'NotDue';
        RETURN;
    END IF;
    -- Nobody can write history of a run here or close one from now on: those that are open are seen.
    IF NOT workflow.lock_leaf(tables[1:2], 'SHARE ROW EXCLUSIVE') THEN
        outcome := 'Busy';
        RETURN;
    END IF;
    SELECT * INTO STRICT look FROM workflow.count_leaf(bucket);
    IF look.survives THEN
        outcome := 'Survivors';
        RETURN;
    END IF;
    IF archive_table IS NOT NULL THEN
        EXECUTE format('INSERT INTO %s (run_id, workflow_id, workflow, status, closed_at, run, history, compensations)'
                       ' SELECT * FROM workflow.export_closed($1)', archive_table)
        USING bucket;
    END IF;
    DELETE FROM workflow.undeliverable_signal u
    USING workflow.closed_execution c
    WHERE c.shard_key = u.shard_key AND c.bucket = empty_leaf.bucket AND c.run_id = u.run_id;
    filled := ARRAY(SELECT t FROM unnest(tables) WITH ORDINALITY AS u (t, n) WHERE pg_relation_size(t) > 0 ORDER BY n);
    IF NOT workflow.lock_leaf(filled, 'ACCESS EXCLUSIVE') THEN
        RAISE lock_not_available USING
            MESSAGE = format('leaf %s of the ring cannot be locked', bucket),
            HINT = 'Something reads it for long. Try again later.';
    END IF;
    IF filled <> '{}' THEN
        EXECUTE format('TRUNCATE %s', array_to_string(filled, ', '));
    END IF;
    outcome := 'Emptied';
    runs := look.runs;
END
$$;
COMMENT ON FUNCTION workflow.empty_leaf(smallint, regclass) IS 'Empties a leaf that is due';

-- due_leaves: leaves that are to be emptied, and are not empty
CREATE FUNCTION workflow.due_leaves() RETURNS TABLE (bucket smallint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    leaf     smallint;
    name     regclass;
    has_rows boolean;
BEGIN
    FOR leaf IN SELECT l.bucket FROM workflow.retention_leaves() l WHERE l.is_due ORDER BY l.bucket LOOP
        FOR name IN SELECT t FROM workflow.leaf_tables(leaf) t LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %s)', name) INTO has_rows;
            IF has_rows THEN
                bucket := leaf;
                RETURN NEXT;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION workflow.due_leaves() IS 'Leaves that are to be emptied';

-- try_empty_leaf: empty_leaf, which is Busy when the leaf cannot be locked; is_settled when nothing is left to be done
CREATE FUNCTION workflow.try_empty_leaf(
    bucket smallint, archive_table regclass, OUT outcome text, OUT is_settled boolean)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    runs bigint;
BEGIN
    BEGIN
        SELECT e.outcome, e.runs INTO outcome, runs FROM workflow.empty_leaf(bucket, archive_table) e;
    EXCEPTION WHEN lock_not_available THEN
        outcome := 'Busy';
    END;
    is_settled := outcome IN ('Emptied', 'NotDue');
    IF outcome = 'Emptied' THEN
        RAISE NOTICE 'leaf % is empty: % runs have gone', bucket, runs;
    END IF;
END
$$;
COMMENT ON FUNCTION workflow.try_empty_leaf(smallint, regclass) IS 'Empties a leaf that is due, if others let it';

-- retention_pauses: for how many seconds to pause, a little at a time, after work that began then
--   share  part of the time that may be worked
-- Raises invalid_parameter_value for other shares than those above 0 and up to 1.
CREATE FUNCTION workflow.retention_pauses(worked_since timestamptz, share double precision) RETURNS SETOF double precision
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pause double precision;
    parts int;
BEGIN
    IF share IS NULL OR share <= 0 OR share > 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'share must be greater than 0 and at most 1',
            HINT = 'It is the part of its time that retention works: 1 for no pauses.';
    END IF;
    pause := extract(epoch FROM clock_timestamp() - worked_since) * (1 / share - 1);
    parts := ceil(greatest(pause, 0) * 10);
    RETURN QUERY SELECT pause / parts FROM generate_series(1, parts);
END
$$;
COMMENT ON FUNCTION workflow.retention_pauses(timestamptz, double precision) IS
    'For how long retention pauses after it has worked, a little at a time';

-- pause_retention: commits, and pauses in proportion to the work that was done
-- Whoever sleeps in a statement holds a snapshot, which keeps vacuum from its work: hence a little at a time.
CREATE PROCEDURE workflow.pause_retention(worked_since timestamptz, share double precision)
    LANGUAGE plpgsql
AS $$
DECLARE
    pause record;
BEGIN
    COMMIT;
    FOR pause IN SELECT p.seconds FROM workflow.retention_pauses(worked_since, share) AS p (seconds) LOOP
        PERFORM pg_catalog.pg_sleep(pause.seconds);
        COMMIT;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE workflow.pause_retention(timestamptz, double precision) IS 'Pauses in proportion to the work that was done';

-- leaf_parts: the parts, by their first blocks, that the closed runs of a leaf are looked through in, and how many blocks each has
CREATE FUNCTION workflow.leaf_parts(bucket smallint) RETURNS TABLE (first_block bigint, blocks bigint)
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT n, 1024::bigint
    FROM generate_series(0, pg_relation_size(format('workflow.%I', concat('closed_execution_', bucket))::regclass)
                            / current_setting('block_size')::bigint, 1024) n
$$;
COMMENT ON FUNCTION workflow.leaf_parts(smallint) IS 'The parts that the closed runs of a leaf are looked through in';

-- move_survivors: moves on what must not go with a leaf, as it is found, in one pass over its closed runs
CREATE PROCEDURE workflow.move_survivors(bucket smallint, share double precision)
    LANGUAGE plpgsql
AS $$
DECLARE
    since timestamptz := pg_catalog.clock_timestamp();
    part  record;
    chunk record;
BEGIN
    FOR part IN SELECT p.first_block, p.blocks FROM workflow.leaf_parts(bucket) AS p LOOP
        FOR chunk IN SELECT s.run_ids FROM workflow.surviving_runs(bucket, part.first_block, part.blocks) AS s LOOP
            PERFORM workflow.move_runs(chunk.run_ids, bucket);
            CALL workflow.pause_retention(since, share);
            since := pg_catalog.clock_timestamp();
        END LOOP;
        CALL workflow.pause_retention(since, share);
        since := pg_catalog.clock_timestamp();
    END LOOP;
END
$$;
COMMENT ON PROCEDURE workflow.move_survivors(smallint, double precision) IS 'Moves on what must not go with a leaf';

-- apply_retention: empties all leaves that are due
--   dry_run        only tells what would go: workflow.retention_plan
--   archive_table  has what workflow.export_closed gives as columns; what goes is inserted there, in the same transaction
--   share          of the time that it works; for the rest it pauses, in between and at the end, so that others hardly feel it
-- Commits again and again.  A leaf that others use for long is left, with a warning, for the next time.
-- Raises invalid_transaction_termination in a transaction block or a function, invalid_parameter_value for other shares than
-- those above 0 and up to 1.
CREATE PROCEDURE workflow.apply_retention(
    dry_run boolean DEFAULT false, archive_table regclass DEFAULT NULL, share double precision DEFAULT 0.1)
    LANGUAGE plpgsql
AS $$
DECLARE
    leaf   record;
    result record;
    since  timestamptz;
BEGIN
    PERFORM workflow.retention_pauses(pg_catalog.clock_timestamp(), share);
    IF dry_run THEN
        PERFORM workflow.tell_retention();
        RETURN;
    END IF;
    FOR leaf IN SELECT l.bucket FROM workflow.due_leaves() AS l LOOP
        FOR attempt IN 1..10 LOOP
            CALL workflow.move_survivors(leaf.bucket, share);
            since := pg_catalog.clock_timestamp();
            SELECT e.outcome, e.is_settled INTO STRICT result FROM workflow.try_empty_leaf(leaf.bucket, archive_table) AS e;
            CALL workflow.pause_retention(since, share);
            EXIT WHEN result.is_settled;
            PERFORM pg_catalog.pg_sleep(0.2);
        END LOOP;
        IF NOT result.is_settled THEN
            PERFORM workflow.warn_of_leaf(leaf.bucket, result.outcome);
        END IF;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE workflow.apply_retention(boolean, regclass, double precision) IS 'Removes closed runs that need not be kept any longer';

CREATE FUNCTION workflow.warn_of_leaf(bucket smallint, outcome text) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE WARNING USING
        MESSAGE = format('leaf %s of the ring is not emptied', bucket),
        DETAIL = CASE outcome WHEN 'Busy' THEN 'Something reads it for long.'
                              ELSE 'Runs that must move on from it are locked.' END,
        HINT = 'CALL workflow.apply_retention() again later.';
END
$$;
COMMENT ON FUNCTION workflow.warn_of_leaf(smallint, text) IS 'Warns that a leaf was not emptied';

CREATE FUNCTION workflow.tell_retention() RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    p record;
BEGIN
    FOR p IN SELECT * FROM workflow.retention_plan WHERE is_due ORDER BY bucket LOOP
        RAISE NOTICE 'leaf % (%): % runs would go, % would move on', p.bucket, p.class, p.runs,
            p.open_survivors + p.closed_survivors;
    END LOOP;
END
$$;
COMMENT ON FUNCTION workflow.tell_retention() IS 'Tells what apply_retention would do';

-- retention_job_elsewhere: how to make the job in the database that has pg_cron, or to remove it; NULL: that is not another
CREATE FUNCTION workflow.retention_job_elsewhere(schedule text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    place CONSTANT text := workflow.pg_cron_database();
    job   CONSTANT text := concat('order_workflow retention of ', current_database());
BEGIN
    IF place = current_database() THEN
        RETURN NULL;
    END IF;
    RETURN format('A superuser runs in database "%s": ', place)
        || CASE WHEN schedule IS NULL THEN format('SELECT cron.unschedule(%L);', job)
                ELSE format('SELECT cron.schedule_in_database(%L, %L, %L, %L);', job, schedule,
                            'CALL workflow.apply_retention()', current_database()) END;
END
$$;
COMMENT ON FUNCTION workflow.retention_job_elsewhere(text) IS
    'How to have pg_cron remove closed runs when it is in another database';

-- schedule_retention: has pg_cron call apply_retention
--   schedule  when, as for cron; NULL: not any more
-- Each class must be looked at once per period, a third of the time that it keeps runs: hourly is often enough for most.
-- Raises feature_not_supported without pg_cron in this database; when it is in another, the hint has the statement for there.
CREATE FUNCTION workflow.schedule_retention(schedule text DEFAULT '17 * * * *') RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job CONSTANT text := 'order_workflow retention';
BEGIN
    IF to_regprocedure('cron.schedule(text,text,text)') IS NULL THEN
        RAISE feature_not_supported USING
            MESSAGE = 'pg_cron is not installed in this database',
            HINT = coalesce(workflow.retention_job_elsewhere(schedule) || ' ', '')
                || 'Whatever else can CALL workflow.apply_retention() will do as well.';
    END IF;
    IF schedule IS NULL THEN
        EXECUTE 'SELECT cron.unschedule(j.jobname::text) FROM cron.job j WHERE j.jobname = $1' USING job;
    ELSE
        EXECUTE 'SELECT cron.schedule($1, $2, $3)' USING job, schedule, 'CALL workflow.apply_retention()'::text;
    END IF;
END
$$;
COMMENT ON FUNCTION workflow.schedule_retention(text) IS 'Has pg_cron remove closed runs that need not be kept any longer';
