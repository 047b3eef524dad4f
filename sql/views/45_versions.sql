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
