-- Schedules: workflows started at the times of a cron expression.
--
-- pg_cron is the clock.  Each schedule has a job there that calls schedule_tick at its times, as the schedule's owner.
-- A tick deals with all times that nobody has dealt with, so a job that fires twice, late or not at all does no harm:
-- a minute after a time the engine's own timer looks whether somebody has come.

-- create_schedule: makes a schedule, which belongs to the caller
--   name               one of this name may be in a database
--   cron               minute, hour, day of the month, month, day of the week, as pg_cron has them; or @hourly, @daily,
--                      @weekly, @monthly, @yearly.  In pg_cron's time zone (cron.timezone; before pg_cron 1.5: GMT)
--   workflow, input, version, memo, execution_timeout, run_timeout, retry, priority, search_attributes
--                      as of start; the caller needs "start" on the workflow.  version NULL: the current one then
--   overlap            when a run of the schedule is open at the next time: Skip; BufferOne: start when it has closed, at
--                      most one; BufferAll: all of them, one after the other; CancelOther, TerminateOther: make it
--                      close, then start; AllowAll: start beside it
--   catchup_window     times that nobody came for are made up for if they are not longer ago, else they count as missed
--   jitter             the run begins up to so much later; always the same for a time
--   paused             begins paused
--   workflow_id        what the workflow ids begin with, NULL: the name.  "-" and the time in UTC follow
--   start_time, end_time
--                      no times before and after
--   remaining_actions  so many runs, and no more
-- Raises OW002 for an unknown workflow, OW006 for an unknown version, OW003 when activities are not registered,
-- OW013 for an input that is not of its declared type, duplicate_object, insufficient_privilege, invalid_parameter_value; object_not_in_prerequisite_state without pg_cron.
CREATE FUNCTION workflow.create_schedule(
    name text, cron text, workflow text, input jsonb DEFAULT '{}', overlap text DEFAULT 'Skip',
    catchup_window interval DEFAULT '1 year', jitter interval DEFAULT '0', paused boolean DEFAULT false,
    workflow_id text DEFAULT NULL, version int DEFAULT NULL, start_time timestamptz DEFAULT NULL,
    end_time timestamptz DEFAULT NULL, remaining_actions int DEFAULT NULL, memo jsonb DEFAULT NULL,
    execution_timeout interval DEFAULT NULL, run_timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL,
    priority int DEFAULT NULL, search_attributes jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF workflow.put_schedule(true, name, workflow, version, coalesce(input, '{}'), cron, coalesce(overlap, 'Skip'),
                             coalesce(catchup_window, '1 year'), coalesce(jitter, '0'), workflow_id, start_time, end_time,
                             remaining_actions, memo, execution_timeout, run_timeout, retry, priority, search_attributes,
                             paused) THEN
        PERFORM workflow.install_schedule(name);
    END IF;
END
$$;
COMMENT ON FUNCTION workflow.create_schedule(text, text, text, jsonb, text, interval, interval, boolean, text, int,
                                             timestamptz, timestamptz, int, jsonb, interval, interval, jsonb, int, jsonb) IS
    'Starts a workflow at the times of a cron expression';

-- update_schedule: changes what is given, from now on.  What is open or waits stays as it is
-- For none any more: version 0, start_time '-infinity', end_time 'infinity', remaining_actions -1, execution_timeout and
-- run_timeout '0', retry 'null', priority 0, search_attributes '{}'.
-- Raises what create_schedule raises; undefined_object when there is no such schedule, insufficient_privilege for
-- others than its owner.
CREATE FUNCTION workflow.update_schedule(
    name text, cron text DEFAULT NULL, workflow text DEFAULT NULL, input jsonb DEFAULT NULL, overlap text DEFAULT NULL,
    catchup_window interval DEFAULT NULL, jitter interval DEFAULT NULL, workflow_id text DEFAULT NULL,
    version int DEFAULT NULL, start_time timestamptz DEFAULT NULL, end_time timestamptz DEFAULT NULL,
    remaining_actions int DEFAULT NULL, memo jsonb DEFAULT NULL, execution_timeout interval DEFAULT NULL,
    run_timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL, priority int DEFAULT NULL,
    search_attributes jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    needs_job boolean;
BEGIN
    needs_job := workflow.put_schedule(false, name, workflow, version, input, cron, overlap, catchup_window, jitter,
                                       workflow_id, start_time, end_time, remaining_actions, memo, execution_timeout,
                                       run_timeout, retry, priority, search_attributes, NULL);
    IF needs_job AND cron IS NOT NULL THEN
        PERFORM workflow.install_schedule(name);
    END IF;
END
$$;
COMMENT ON FUNCTION workflow.update_schedule(text, text, text, jsonb, text, interval, interval, text, int, timestamptz,
                                             timestamptz, int, jsonb, interval, interval, jsonb, int, jsonb) IS
    'Changes a schedule from now on';

-- delete_schedule: ends a schedule and removes its job.  Its runs go on; what waits is not started
CREATE FUNCTION workflow.delete_schedule(name text) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job     text := workflow.schedule_job_name(name);
    had_job boolean;
BEGIN
    had_job := workflow.remove_schedule(name);
    IF had_job AND workflow.sees_pg_cron() THEN
        EXECUTE 'SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname = $1' USING job;
    END IF;
END
$$;
COMMENT ON FUNCTION workflow.delete_schedule(text) IS 'Ends a schedule; its runs go on';

-- pause_schedule: no times are acted on until it is resumed, nor are those made up for
-- What was due before is still done; trigger_schedule and backfill_schedule work as ever.
CREATE FUNCTION workflow.pause_schedule(name text, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_pause_schedule';
COMMENT ON FUNCTION workflow.pause_schedule(text, text) IS 'Lets a schedule act on no times until it is resumed';

CREATE FUNCTION workflow.resume_schedule(name text) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_resume_schedule';
COMMENT ON FUNCTION workflow.resume_schedule(text) IS 'Lets a paused schedule go on with its next time';

-- trigger_schedule: acts now as at one of its times
--   overlap  NULL: the schedule's
-- Returns the run id; NULL when the run was not started (yet), since another is open.
CREATE FUNCTION workflow.trigger_schedule(name text, overlap text DEFAULT NULL) RETURNS uuid
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_trigger_schedule';
COMMENT ON FUNCTION workflow.trigger_schedule(text, text) IS 'Starts a run of a schedule now; gives its run id';

-- backfill_schedule: acts on the schedule's times between two, both included, at most 10000
--   overlap  NULL: the schedule's.  For all of them at once AllowAll, one after the other BufferAll
-- Times that have had their run get no other.  Returns how many runs were started; some may wait.
CREATE FUNCTION workflow.backfill_schedule(name text, from_time timestamptz, to_time timestamptz,
                                           overlap text DEFAULT NULL) RETURNS int
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_backfill_schedule';
COMMENT ON FUNCTION workflow.backfill_schedule(text, timestamptz, timestamptz, text) IS
    'Starts the runs that a schedule would have had between two times';

-- schedule_tick: deals with all times of the schedule that have come; what its pg_cron job calls
-- Returns how many runs were started.  In a copy of the database that does not run, it warns and does nothing.
CREATE FUNCTION workflow.schedule_tick(name text) RETURNS int
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_schedule_tick';
COMMENT ON FUNCTION workflow.schedule_tick(text) IS 'Deals with the times of a schedule that have come: its pg_cron job';

-- cron_times: the next times of a cron expression; fewer, when there is none within ten years of the one before
CREATE FUNCTION workflow.cron_times(cron text, after timestamptz DEFAULT NULL, count int DEFAULT 10)
    RETURNS SETOF timestamptz
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'ow_cron_times';
COMMENT ON FUNCTION workflow.cron_times(text, timestamptz, int) IS 'The times of a cron expression after one, or now';

-- ---- pg_cron ----

CREATE FUNCTION workflow.put_schedule(
    is_new boolean, name text, workflow text, version int, input jsonb, cron text, overlap text, catchup_window interval,
    jitter interval, workflow_id text, start_time timestamptz, end_time timestamptz, remaining_actions int, memo jsonb,
    execution_timeout interval, run_timeout interval, retry jsonb, priority int, search_attributes jsonb, paused boolean)
    RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_put_schedule';
COMMENT ON FUNCTION workflow.put_schedule(boolean, text, text, int, jsonb, text, text, interval, interval, text,
                                          timestamptz, timestamptz, int, jsonb, interval, interval, jsonb, int, jsonb, boolean) IS
    'Stores a schedule; whether pg_cron is to drive it: see create_schedule';

CREATE FUNCTION workflow.remove_schedule(name text) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_remove_schedule';
COMMENT ON FUNCTION workflow.remove_schedule(text) IS 'Removes a schedule; whether pg_cron drove it: see delete_schedule';

CREATE FUNCTION workflow.cron_fields(cron text) RETURNS text
    LANGUAGE c IMMUTABLE
    AS 'MODULE_PATHNAME', 'ow_cron_fields_sql';
COMMENT ON FUNCTION workflow.cron_fields(text) IS 'A cron expression as five fields';

-- pg_cron_database: the database that has the jobs of pg_cron; NULL when the server does not run it
CREATE FUNCTION workflow.pg_cron_database() RETURNS text
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'ow_pg_cron_database';
COMMENT ON FUNCTION workflow.pg_cron_database() IS 'The database that has the jobs of pg_cron';

-- sees_pg_cron: whether pg_cron is in this database, for the current user
CREATE FUNCTION workflow.sees_pg_cron() RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    RETURN CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron')
                THEN has_schema_privilege('cron', 'USAGE') ELSE false END;
COMMENT ON FUNCTION workflow.sees_pg_cron() IS 'Whether pg_cron is in this database, for the current user';

-- schedule_job_name: what a schedule's job is called; apart from those of other databases, and of copies of this one
CREATE FUNCTION workflow.schedule_job_name(name text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN concat('order_workflow/', (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()), '/',
                  md5(name));
END
$$;
COMMENT ON FUNCTION workflow.schedule_job_name(text) IS 'The name that a schedule''s job has in pg_cron';

-- schedule_job: the statement that makes the schedule's job, for a superuser in the database that has pg_cron
CREATE FUNCTION workflow.schedule_job(name text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schedule record;
BEGIN
    SELECT s.name, s.cron, s.owner INTO schedule FROM workflow.schedules s WHERE s.name = schedule_job.name;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('schedule "%s" does not exist', name);
    END IF;
    RETURN format('SELECT cron.schedule_in_database(%L, %L, %L, %L, %L);', workflow.schedule_job_name(name),
                  workflow.cron_fields(schedule.cron), format('SELECT workflow.schedule_tick(%L)', name),
                  current_database(), (SELECT rolname FROM pg_roles WHERE oid = schedule.owner));
END
$$;
COMMENT ON FUNCTION workflow.schedule_job(text) IS
    'The statement that makes a schedule''s job, for the database that has pg_cron';

-- install_schedule: makes the schedule's pg_cron job, or changes it; false when that is to be done in another database
-- A superuser makes the jobs of others, too.
CREATE FUNCTION workflow.install_schedule(name text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job      text := workflow.schedule_job(name);
    place    text := workflow.pg_cron_database();
    schedule record;
BEGIN
    IF place IS NULL THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = 'schedules need pg_cron, which this server does not run',
            HINT = 'Install it (Debian: postgresql-15-cron), add pg_cron to shared_preload_libraries, set '
                   'cron.database_name, restart the server, and CREATE EXTENSION pg_cron in that database.';
    END IF;
    IF place <> current_database() THEN
        RAISE NOTICE USING
            MESSAGE = format('schedule "%s" has no job yet: pg_cron is in database "%s"', name, place),
            HINT = format('There, a superuser runs: %s', job);
        RETURN false;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = 'schedules need pg_cron, which is not in this database',
            HINT = 'A superuser runs CREATE EXTENSION pg_cron.';
    END IF;
    IF NOT has_schema_privilege('cron', 'USAGE') THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'permission denied to make jobs of pg_cron',
            HINT = format('A superuser runs GRANT USAGE ON SCHEMA cron TO %I.', current_user);
    END IF;
    SELECT s.cron, s.owner INTO schedule FROM workflow.schedules s WHERE s.name = install_schedule.name;
    IF schedule.owner = current_user::regrole THEN
        EXECUTE 'SELECT cron.schedule($1, $2, $3)'
            USING workflow.schedule_job_name(name), workflow.cron_fields(schedule.cron),
                  format('SELECT workflow.schedule_tick(%L)', name);
    ELSE
        EXECUTE job;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION workflow.install_schedule(text) IS 'Makes a schedule''s pg_cron job';

-- install_schedules: makes the pg_cron jobs of the caller's schedules, of a superuser all; gives their names
-- After a restore, since a dump of this database has no jobs.
CREATE FUNCTION workflow.install_schedules() RETURNS SETOF text
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own text;
BEGIN
    FOR own IN SELECT s.name FROM workflow.schedules s WHERE pg_has_role(s.owner, 'USAGE') ORDER BY s.name LOOP
        IF workflow.install_schedule(own) THEN
            RETURN NEXT own;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION workflow.install_schedules() IS 'Makes the pg_cron jobs of schedules, as after a restore';

-- has_schedule_job: whether the schedule's job is there and active; NULL when the caller cannot see that
CREATE FUNCTION workflow.has_schedule_job(name text, owner regrole) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_job boolean;
BEGIN
    IF NOT workflow.sees_pg_cron()
        OR (owner <> current_user::regrole AND row_security_active(to_regclass('cron.job'))) THEN
        RETURN NULL;
    END IF;
    EXECUTE 'SELECT EXISTS (SELECT FROM cron.job WHERE jobname = $1 AND active)' INTO found_job
        USING workflow.schedule_job_name(name);
    RETURN found_job;
END
$$;
COMMENT ON FUNCTION workflow.has_schedule_job(text, regrole) IS 'Whether a schedule has its job in pg_cron';
