-- How the versions of workflows do, and what is wrong with them.

-- One pass over the open runs, and one over the closed ones, whatever the number of versions: these have no index by
-- version, which each run would have to pay for.
CREATE VIEW workflow.version_usage WITH (security_invoker) AS
SELECT d.workflow, d.version, d.version = d.current_version AS is_current,
       coalesce(o.open, 0) AS open,
       coalesce(o.stuck, 0) AS stuck,
       coalesce(c.completed, 0) AS completed,
       coalesce(c.failed, 0) AS failed,
       coalesce(c.canceled, 0) AS canceled,
       coalesce(c.terminated, 0) AS terminated,
       coalesce(c.timed_out, 0) AS timed_out,
       d.ramp_percent, d.deprecated_at, d.retired_at,
       coalesce(o.open, 0) + coalesce(c.closed, 0) AS started,
       coalesce(c.continued, 0) AS continued_as_new,
       (c.failed + c.timed_out)::float8 / nullif(c.completed + c.continued + c.failed + c.timed_out, 0) AS failure_rate,
       c.average_duration, c.median_duration, c.p95_duration,
       greatest(o.last_started_at, c.last_started_at) AS last_started_at
FROM workflow.readable_definition d
LEFT JOIN (SELECT definition_id, count(*) AS open, count(*) FILTER (WHERE status = 'Stuck') AS stuck,
                  max(started_at) AS last_started_at
           FROM workflow.readable_execution
           GROUP BY definition_id) o ON o.definition_id = d.definition_id
LEFT JOIN (SELECT definition_id, count(*) AS closed,
                  count(*) FILTER (WHERE status = 'Completed') AS completed,
                  count(*) FILTER (WHERE status = 'Failed') AS failed,
                  count(*) FILTER (WHERE status = 'Canceled') AS canceled,
                  count(*) FILTER (WHERE status = 'Terminated') AS terminated,
                  count(*) FILTER (WHERE status = 'TimedOut') AS timed_out,
                  count(*) FILTER (WHERE status = 'ContinuedAsNew') AS continued,
                  avg(closed_at - started_at) FILTER (WHERE status = 'Completed') AS average_duration,
                  percentile_cont(0.5) WITHIN GROUP (ORDER BY closed_at - started_at)
                      FILTER (WHERE status = 'Completed') AS median_duration,
                  percentile_cont(0.95) WITHIN GROUP (ORDER BY closed_at - started_at)
                      FILTER (WHERE status = 'Completed') AS p95_duration,
                  max(started_at) AS last_started_at
           FROM workflow.readable_closed_execution
           GROUP BY definition_id) c ON c.definition_id = d.definition_id;
COMMENT ON VIEW workflow.version_usage IS 'How many of the runs one may read are on each version, by status, and how they do';
COMMENT ON COLUMN workflow.version_usage.workflow IS 'The name it was registered under';
COMMENT ON COLUMN workflow.version_usage.version IS 'Of the definition';
COMMENT ON COLUMN workflow.version_usage.is_current IS 'Whether new runs start with it';
COMMENT ON COLUMN workflow.version_usage.open IS 'Runs that have not ended';
COMMENT ON COLUMN workflow.version_usage.stuck IS 'Those of them that wait for somebody to mend them';
COMMENT ON COLUMN workflow.version_usage.completed IS 'Runs that reached their end';
COMMENT ON COLUMN workflow.version_usage.failed IS 'Runs that failed';
COMMENT ON COLUMN workflow.version_usage.canceled IS 'Runs that were canceled';
COMMENT ON COLUMN workflow.version_usage.terminated IS 'Runs that were terminated';
COMMENT ON COLUMN workflow.version_usage.timed_out IS 'Runs that took longer than they may';
COMMENT ON COLUMN workflow.version_usage.ramp_percent IS 'How many percent of the new runs start with it instead of the current one; NULL: it is not ramped';
COMMENT ON COLUMN workflow.version_usage.deprecated_at IS 'Since when whoever starts it by its number is warned; NULL: nobody is';
COMMENT ON COLUMN workflow.version_usage.retired_at IS 'Since when nothing can be started on it; NULL: it is in use';
COMMENT ON COLUMN workflow.version_usage.started IS 'Runs, open and closed; one that was moved counts for the version it is on now';
COMMENT ON COLUMN workflow.version_usage.continued_as_new IS 'Runs in whose place another goes on';
COMMENT ON COLUMN workflow.version_usage.failure_rate IS
    'Part of the closed runs that failed or timed out, those left aside that were canceled or terminated; NULL: there are none';
COMMENT ON COLUMN workflow.version_usage.average_duration IS 'From the start to the end of runs that completed';
COMMENT ON COLUMN workflow.version_usage.median_duration IS 'Half of them took less';
COMMENT ON COLUMN workflow.version_usage.p95_duration IS '95 of 100 took less';
COMMENT ON COLUMN workflow.version_usage.last_started_at IS 'When the last of its runs was started';

CREATE VIEW workflow.flags WITH (security_invoker) AS
SELECT name, owner, value, percent, set_by, set_at FROM workflow.readable_flag;
COMMENT ON VIEW workflow.flags IS 'Feature flags, which Version states read';
COMMENT ON COLUMN workflow.flags.name IS 'By which Version states name it';
COMMENT ON COLUMN workflow.flags.owner IS 'The role whose runs it is for';
COMMENT ON COLUMN workflow.flags.value IS 'What they get';
COMMENT ON COLUMN workflow.flags.percent IS 'For how many percent of the workflow ids it is set, by their hash';
COMMENT ON COLUMN workflow.flags.set_by IS 'The role that has set it';
COMMENT ON COLUMN workflow.flags.set_at IS 'When it was last set';

-- ramp_results: how the runs of a ramped version have ended that were started since the ramp began, and those of the current one
-- (since a day before)
-- The planner believes that there are many workflows, ramps and runs.  With this inside, every look at alerts would be worth
-- compiling.
CREATE FUNCTION workflow.ramp_results(workflow text, version integer, current_version integer, ramped_at timestamptz,
                                      OUT ended bigint, OUT failed bigint, OUT current_ended bigint, OUT current_failed bigint)
    LANGUAGE sql STABLE COST 1000
    SET jit = off
BEGIN ATOMIC
    SELECT count(*) FILTER (WHERE r.version = ramp_results.version),
           count(*) FILTER (WHERE r.version = ramp_results.version AND r.failed),
           count(*) FILTER (WHERE r.version = ramp_results.current_version),
           count(*) FILTER (WHERE r.version = ramp_results.current_version AND r.failed)
    FROM (SELECT e.version, e.status IN ('Failed', 'TimedOut') AS failed, e.started_at
          FROM workflow.readable_closed_execution e
          WHERE e.workflow = ramp_results.workflow AND e.status IN ('Completed', 'ContinuedAsNew', 'Failed', 'TimedOut')
          UNION ALL
          SELECT e.version, true, e.started_at
          FROM workflow.readable_execution e
          WHERE e.workflow = ramp_results.workflow AND e.status = 'Stuck') r
    WHERE r.started_at >= ramp_results.ramped_at
                          - CASE r.version WHEN ramp_results.current_version THEN interval '1 day' ELSE '0' END;
END;
COMMENT ON FUNCTION workflow.ramp_results(text, integer, integer, timestamptz) IS
    'How the runs of a ramped version, and of the current one, have ended since the ramp began';

-- Something that somebody should look at, a row each; a rule is a SELECT of this view.
--
-- VersionFailing: a ramped version fails more than the current one.  Compared are runs that were started since the ramp began (of the
-- current version, since a day before), and have ended, but for those that were canceled or terminated; a stuck run counts as failed.  Each must have
-- 20 at least, of which 3 of the ramped ones failed, and the difference of the rates, one success and one failure added to each, must be three times its
-- standard error.  While nothing is ramped, nothing is read.
CREATE VIEW workflow.alerts WITH (security_invoker) AS
SELECT 'VersionFailing' AS rule, 'Warning' AS severity, d.owner, d.workflow, d.version, d.ramped_at AS since,
       format('version %s of workflow "%s" fails more than version %s: %s of %s runs have failed, against %s of %s',
              d.version, d.workflow, d.current_version, c.failed, c.ended, c.current_failed, c.current_ended) AS message,
       jsonb_build_object('current_version', d.current_version, 'ramp_percent', d.ramp_percent,
                          'ended', c.ended, 'failed', c.failed,
                          'current_ended', c.current_ended, 'current_failed', c.current_failed) AS details,
       format('SELECT workflow.set_ramp(%L, NULL, 0) leads new runs back to the current version.', d.workflow) AS hint
FROM workflow.readable_definition d
CROSS JOIN LATERAL workflow.ramp_results(d.workflow, d.version, d.current_version, d.ramped_at) c
CROSS JOIN LATERAL (SELECT (c.failed + 1) / (c.ended + 2.0) AS rate, (c.current_failed + 1) / (c.current_ended + 2.0) AS current_rate) s
WHERE d.ramp_percent IS NOT NULL AND c.ended >= 20 AND c.failed >= 3 AND c.current_ended >= 20
  AND s.rate - s.current_rate > 3 * sqrt(s.rate * (1 - s.rate) / (c.ended + 2)
                                         + s.current_rate * (1 - s.current_rate) / (c.current_ended + 2));
COMMENT ON VIEW workflow.alerts IS 'What somebody should look at, of what one may read';
COMMENT ON COLUMN workflow.alerts.rule IS 'VersionFailing: a ramped version fails more than the current one';
COMMENT ON COLUMN workflow.alerts.severity IS 'Warning: sooner or later';
COMMENT ON COLUMN workflow.alerts.owner IS 'Of the workflow';
COMMENT ON COLUMN workflow.alerts.workflow IS 'What it is about';
COMMENT ON COLUMN workflow.alerts.version IS 'Of the workflow';
COMMENT ON COLUMN workflow.alerts.since IS 'Since when it may have been so: when the ramp began';
COMMENT ON COLUMN workflow.alerts.message IS 'What is wrong, for people';
COMMENT ON COLUMN workflow.alerts.details IS 'The same in numbers, for programs';
COMMENT ON COLUMN workflow.alerts.hint IS 'What can be done about it';
