-- Alerts: finding what somebody should look at, by rules, and keeping it until it is over.

-- check_alerts: looks what all rules find: opens what is new, notes what is still so, and resolves what is not any more
--   notify    NOTIFYs order_workflow_alerts with {"event": "Opened" or "Resolved", "alert_id", "rule", "severity"} for each that is
--             opened or resolved.  Every role can listen, so whoever wants to know more looks into workflow.alerts
--   keep      how long resolved ones are kept
--   opened, still_open, resolved  OUT: how many
-- Works on what is of roles whose rights the caller has; own rules on those that the caller has made, in a session of that role
-- only, so that nobody's query runs with the rights of another, read-only and in a subtransaction that is rolled back.  An own rule that
-- raises an error is an alert (RuleFailed), and its alerts stay as they are.
-- Sessions that check at the same time open one alert.
CREATE FUNCTION workflow.check_alerts(notify boolean DEFAULT false, keep interval DEFAULT '30 days',
                                      OUT opened int, OUT still_open int, OUT resolved int)
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_check_alerts';
COMMENT ON FUNCTION workflow.check_alerts(boolean, interval) IS 'Opens alerts for what the rules find, and resolves those that are over';

-- create_alert_rule: makes a rule of one's own
--   name         not one of another rule
--   query        SELECT with a column "subject", of which each value is an alert (at most 1,000), and perhaps "since" and "message"; other
--                columns are its facts.  Only read; with the rights of the current user, and the search path of who checks, who is the same
--   severity     Critical, Warning or Info
--   description  for people
--   hint         what can be done about it
-- Raises duplicate_object for a name that is taken, invalid_parameter_value for a query without such a column and for other severities, what the
-- query raises when it is parsed.
CREATE FUNCTION workflow.create_alert_rule(name text, query text, severity text DEFAULT 'Warning', description text DEFAULT NULL,
                                           hint text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_create_alert_rule';
COMMENT ON FUNCTION workflow.create_alert_rule(text, text, text, text, text) IS 'Makes a rule of alerts from a query';

-- drop_alert_rule: removes a rule of one's own; its open alerts are resolved
-- Raises undefined_object when there is none of whose owner the caller has the rights.
CREATE FUNCTION workflow.drop_alert_rule(name text) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_drop_alert_rule';
COMMENT ON FUNCTION workflow.drop_alert_rule(text) IS 'Removes a rule of alerts that somebody has made';

-- set_alert_rule: sets a rule otherwise; what is NULL stays
--   settings  numbers, by the names that the rule has in workflow.alert_rules; those not named stay
--   enabled   false: it finds nothing, and what is open is resolved by the next check
--   severity  Critical, Warning or Info; of what is opened, or found again, from now on
-- Rules that come with the extension are set by its owner, own ones by theirs.
-- Raises undefined_object, insufficient_privilege, invalid_parameter_value.
CREATE FUNCTION workflow.set_alert_rule(name text, settings jsonb DEFAULT NULL, enabled boolean DEFAULT NULL, severity text DEFAULT NULL)
    RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_set_alert_rule';
COMMENT ON FUNCTION workflow.set_alert_rule(text, jsonb, boolean, text) IS 'Sets from when on a rule finds something, and how bad that is';

-- acknowledge_alert: says that one looks after an open alert; whether it was open
-- Raises undefined_object when there is none of whose owner the caller has the rights.
CREATE FUNCTION workflow.acknowledge_alert(alert_id uuid, note text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_acknowledge_alert';
COMMENT ON FUNCTION workflow.acknowledge_alert(uuid, text) IS 'Notes on an alert that somebody looks after it';

-- alert_job_name: what the job of the current user's checks is called in pg_cron
CREATE FUNCTION workflow.alert_job_name() RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    RETURN concat('order_workflow alerts of ', current_database(), ' for ', current_user);
COMMENT ON FUNCTION workflow.alert_job_name() IS 'The name of the job that checks alerts for the current user';

-- schedule_alerts: has pg_cron call check_alerts, as the current user
--   schedule  when, as for cron; NULL: not any more
--   notify    as of check_alerts
-- Raises feature_not_supported without pg_cron in this database; when it is in another, the hint has the statement for there.
-- insufficient_privilege for roles that may not make jobs.
CREATE FUNCTION workflow.schedule_alerts(schedule text DEFAULT '* * * * *', notify boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job     CONSTANT text := workflow.alert_job_name();
    command CONSTANT text := format('SELECT workflow.check_alerts(notify => %L)', coalesce(notify, false));
    place   CONSTANT text := workflow.pg_cron_database();
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        RAISE feature_not_supported USING
            MESSAGE = 'pg_cron is not installed in this database',
            HINT = CASE WHEN place <> current_database() THEN
                       format('A superuser runs in database "%s": ', place)
                       || CASE WHEN schedule IS NULL THEN format('SELECT cron.unschedule(%L); ', job)
                               ELSE format('SELECT cron.schedule_in_database(%L, %L, %L, %L, %L); ', job, schedule, command,
                                           current_database(), current_user) END
                       ELSE '' END
                || 'Whatever else can SELECT workflow.check_alerts() will do as well.';
    END IF;
    IF NOT workflow.sees_pg_cron() THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'permission denied to make jobs of pg_cron',
            HINT = format('A superuser runs: GRANT USAGE ON SCHEMA cron TO %I;', current_user);
    END IF;
    IF schedule IS NULL THEN
        EXECUTE 'SELECT cron.unschedule(j.jobid) FROM cron.job j WHERE j.jobname = $1' USING job;
    ELSE
        EXECUTE 'SELECT cron.schedule($1, $2, $3)' USING job, schedule, command;
    END IF;
END
$$;
COMMENT ON FUNCTION workflow.schedule_alerts(text, boolean) IS 'Has pg_cron check alerts';
