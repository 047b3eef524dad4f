-- Alerts: the rules, what they find now, and what has been found by workflow.check_alerts().
--
-- What the rules that come with the extension find is found with the rights of whoever looks, in what he may read.  Each is a
-- function, whose rows are subjects: at most one row per owner and subject.  Nothing of it is internal to a run: names, ids, counts.

-- alert_stuck: Stuck runs, by workflow
--   settings  {"runs": so many}
CREATE FUNCTION workflow.alert_stuck(settings jsonb)
    RETURNS TABLE (owner regrole, subject text, workflow text, since timestamptz, message text, facts jsonb, hint text)
    LANGUAGE sql STABLE COST 1000 ROWS 5
    SET jit = off
BEGIN ATOMIC
    SELECT r.owner, r.workflow, r.workflow, min(r.since),
           format('runs of workflow "%s" are stuck: %s (%s)', r.workflow, sum(r.runs), string_agg(r.error, ', ' ORDER BY r.error)),
           jsonb_build_object('runs', sum(r.runs), 'errors', jsonb_object_agg(r.error, r.runs), 'workflow_id', min(r.workflow_id)),
           'workflow.executions.stuck tells why of each; when that is mended, workflow.retry() lets them go on.'
    FROM (SELECT e.owner, e.workflow, coalesce(e.stuck->>'Error', 'unknown') AS error, count(*) AS runs,
                 min(coalesce(e.entered_at, e.started_at)) AS since, min(e.workflow_id) AS workflow_id
          FROM workflow.readable_execution e
          WHERE e.status = 'Stuck'
          GROUP BY e.owner, e.workflow, coalesce(e.stuck->>'Error', 'unknown')) r
    GROUP BY r.owner, r.workflow
    HAVING sum(r.runs) >= (settings->>'runs')::float8;
END;
COMMENT ON FUNCTION workflow.alert_stuck(jsonb) IS 'What the rule Stuck finds now';

-- alert_backlog_age: queues whose oldest work waits for long; one that an operator has paused may
--   settings  {"seconds": for so long}
CREATE FUNCTION workflow.alert_backlog_age(settings jsonb)
    RETURNS TABLE (owner regrole, subject text, workflow text, since timestamptz, message text, facts jsonb, hint text)
    LANGUAGE sql STABLE COST 1000 ROWS 5
    SET jit = off
BEGIN ATOMIC
    SELECT q.owner, coalesce(q.task_queue, '(executors)'), NULL::text, q.oldest_at,
           format('%s: %s', coalesce(format('tasks wait in queue "%s"', q.task_queue), format('runs of role %s wait for an executor', q.owner)),
                  q.backlog),
           jsonb_build_object('task_queue', q.task_queue, 'backlog', q.backlog, 'oldest_at', q.oldest_at, 'in_flight', q.in_flight,
                              'workers', q.workers, 'executors', q.executors, 'problem', q.problem),
           coalesce(q.problem, 'More workers, or faster ones, would catch up.')
    FROM workflow.task_queues q
    WHERE q.backlog > 0 AND workflow.now() - q.oldest_at >= (settings->>'seconds')::float8 * interval '1 s'
      AND (q.paused_until IS NULL OR q.paused_until <= workflow.now());
END;
COMMENT ON FUNCTION workflow.alert_backlog_age(jsonb) IS 'What the rule BacklogAge finds now';

-- alert_no_worker: queues in which work waits that nobody is there to do
--   settings  {"seconds": for so long}
CREATE FUNCTION workflow.alert_no_worker(settings jsonb)
    RETURNS TABLE (owner regrole, subject text, workflow text, since timestamptz, message text, facts jsonb, hint text)
    LANGUAGE sql STABLE COST 1000 ROWS 5
    SET jit = off
BEGIN ATOMIC
    SELECT q.owner, coalesce(q.task_queue, '(executors)'), NULL::text, q.oldest_at,
           format('%s: %s', coalesce(format('nobody takes tasks from queue "%s"', q.task_queue), format('no executor can run as role %s', q.owner)),
                  w.reason),
           jsonb_build_object('task_queue', q.task_queue, 'backlog', q.backlog, 'oldest_at', q.oldest_at, 'reason', w.reason),
           CASE WHEN q.task_queue IS NULL THEN 'See workflow.task_queues.parked_reason.'
                ELSE format('Start a worker that polls "%s", or grant_worker() to the role that it has.', q.task_queue) END
    FROM workflow.task_queues q
    CROSS JOIN LATERAL (SELECT CASE WHEN q.task_queue IS NULL THEN q.parked_reason ELSE q.problem END AS reason) w
    WHERE q.backlog > 0 AND w.reason IS NOT NULL
      AND workflow.now() - q.oldest_at >= (settings->>'seconds')::float8 * interval '1 s'
      AND (q.paused_until IS NULL OR q.paused_until <= workflow.now());
END;
COMMENT ON FUNCTION workflow.alert_no_worker(jsonb) IS 'What the rule NoWorker finds now';

-- alert_retry_storm: activities that are tried again and again in many runs
--   settings  {"attempts": from this attempt on, "runs": so many attempts at a time}
CREATE FUNCTION workflow.alert_retry_storm(settings jsonb)
    RETURNS TABLE (owner regrole, subject text, workflow text, since timestamptz, message text, facts jsonb, hint text)
    LANGUAGE sql STABLE COST 1000 ROWS 5
    SET jit = off
BEGIN ATOMIC
    SELECT p.owner, p.activity, NULL::text, min(p.scheduled_at),
           format('activity "%s" is tried again and again: %s times at once', p.activity, count(*)),
           jsonb_build_object('activity', p.activity, 'pending', count(*), 'attempts', max(p.attempt), 'workflow_id', min(p.workflow_id),
                              'errors', array_agg(DISTINCT p.last_failure->>'Error')),
           'A circuit breaker lets them wait until the activity works again.'
    FROM workflow.pending_activities p
    WHERE p.attempt >= (settings->>'attempts')::float8 AND p.status <> 'Paused'
    GROUP BY p.owner, p.activity
    HAVING count(*) >= (settings->>'runs')::float8;
END;
COMMENT ON FUNCTION workflow.alert_retry_storm(jsonb) IS 'What the rule RetryStorm finds now';

-- alert_heartbeat_misses: activities whose workers were not heard of in time, in runs that try them again
--   settings  {"runs": so many attempts at a time}
CREATE FUNCTION workflow.alert_heartbeat_misses(settings jsonb)
    RETURNS TABLE (owner regrole, subject text, workflow text, since timestamptz, message text, facts jsonb, hint text)
    LANGUAGE sql STABLE COST 1000 ROWS 5
    SET jit = off
BEGIN ATOMIC
    SELECT p.owner, p.activity, NULL::text, min(p.scheduled_at),
           format('workers of activity "%s" are not heard of in time: %s attempts', p.activity, count(*)),
           jsonb_build_object('activity', p.activity, 'pending', count(*), 'task_queues', array_agg(DISTINCT p.task_queue),
                              'workflow_id', min(p.workflow_id)),
           'They have died, or send heartbeats too seldom for HeartbeatSeconds.'
    FROM workflow.pending_activities p
    WHERE p.attempt >= 1 AND p.last_failure->>'Error' = 'States.HeartbeatTimeout'
    GROUP BY p.owner, p.activity
    HAVING count(*) >= (settings->>'runs')::float8;
END;
COMMENT ON FUNCTION workflow.alert_heartbeat_misses(jsonb) IS 'What the rule HeartbeatMisses finds now';

-- alert_compensation_failed: closed runs whose work was not undone, by workflow
--   settings  {"runs": so many}
CREATE FUNCTION workflow.alert_compensation_failed(settings jsonb)
    RETURNS TABLE (owner regrole, subject text, workflow text, since timestamptz, message text, facts jsonb, hint text)
    LANGUAGE sql STABLE COST 1000 ROWS 5
    SET jit = off
BEGIN ATOMIC
    SELECT c.owner, c.workflow, c.workflow, min(c.closed_at),
           format('what runs of workflow "%s" did was not undone: %s', c.workflow, count(*)),
           jsonb_build_object('runs', count(*), 'last_closed_at', max(c.closed_at), 'workflow_id', min(c.workflow_id)),
           'workflow.compensations has them as Failed; workflow.retry_compensation() runs them again.'
    FROM workflow.readable_closed_execution c
    WHERE c.compensations_failed
    GROUP BY c.owner, c.workflow
    HAVING count(*) >= (settings->>'runs')::float8;
END;
COMMENT ON FUNCTION workflow.alert_compensation_failed(jsonb) IS 'What the rule CompensationFailed finds now';

-- alert_version_failing: ramped versions that fail more than the current one
--   settings  {"runs": so many of each must have ended, "failed": and so many of the ramped version failed}
-- Compared are runs that were started since the ramp began (of the current version, since a day before), and have ended, but for those that
-- were canceled or terminated; a stuck run counts as failed.  The difference of the rates, one success and one failure added to each, must be three
-- times its standard error.  While nothing is ramped, nothing is read.
CREATE FUNCTION workflow.alert_version_failing(settings jsonb)
    RETURNS TABLE (owner regrole, subject text, workflow text, since timestamptz, message text, facts jsonb, hint text)
    LANGUAGE sql STABLE COST 1000 ROWS 5
    SET jit = off
BEGIN ATOMIC
    SELECT d.owner, format('%s:%s', d.workflow, d.version), d.workflow, d.ramped_at,
           format('version %s of workflow "%s" fails more than version %s: %s of %s runs have failed, against %s of %s',
                  d.version, d.workflow, d.current_version, c.failed, c.ended, c.current_failed, c.current_ended),
           jsonb_build_object('version', d.version, 'current_version', d.current_version, 'ramp_percent', d.ramp_percent,
                              'ended', c.ended, 'failed', c.failed,
                              'current_ended', c.current_ended, 'current_failed', c.current_failed),
           format('SELECT workflow.set_ramp(%L, NULL, 0) leads new runs back to the current version.', d.workflow)
    FROM workflow.readable_definition d
    CROSS JOIN LATERAL workflow.ramp_results(d.workflow, d.version, d.current_version, d.ramped_at) c
    CROSS JOIN LATERAL (SELECT (c.failed + 1) / (c.ended + 2.0) AS rate, (c.current_failed + 1) / (c.current_ended + 2.0) AS current_rate) s
    CROSS JOIN LATERAL (SELECT (settings->>'runs')::float8 AS runs, (settings->>'failed')::float8 AS failed) least
    WHERE d.ramp_percent IS NOT NULL AND c.ended >= least.runs AND c.failed >= least.failed AND c.current_ended >= least.runs
      AND s.rate - s.current_rate > 3 * sqrt(s.rate * (1 - s.rate) / (c.ended + 2)
                                             + s.current_rate * (1 - s.current_rate) / (c.current_ended + 2));
END;
COMMENT ON FUNCTION workflow.alert_version_failing(jsonb) IS 'What the rule VersionFailing finds now';

-- alert_schedule_missed: schedules that nobody comes for, and those whose last run could not be started
--   settings  {"seconds": so long after its time}
CREATE FUNCTION workflow.alert_schedule_missed(settings jsonb)
    RETURNS TABLE (owner regrole, subject text, workflow text, since timestamptz, message text, facts jsonb, hint text)
    LANGUAGE sql STABLE COST 1000 ROWS 5
    SET jit = off
BEGIN ATOMIC
    SELECT s.owner, s.name, s.workflow, CASE WHEN l.is_late THEN s.next_time ELSE a.scheduled_for END,
           CASE WHEN l.is_late THEN format('nobody has come for schedule "%s"', s.name)
                ELSE format('schedule "%s" could not start its run', s.name) END,
           jsonb_build_object('next_time', s.next_time, 'is_late', l.is_late, 'missed', s.missed, 'failed', s.failed,
                              'last_state', a.state, 'last_time', a.scheduled_for),
           CASE WHEN l.is_late THEN 'workflow.schedules.has_job tells whether pg_cron has its job, workflow.install_schedule() makes it.'
                ELSE 'workflow.schedule_actions.reason tells why.' END
    FROM workflow.readable_schedule s
    CROSS JOIN LATERAL (SELECT coalesce(s.next_time < workflow.now() - (settings->>'seconds')::float8 * interval '1 s', false) AS is_late) l
    LEFT JOIN LATERAL (SELECT x.state, x.scheduled_for
                       FROM workflow.readable_schedule_action x
                       WHERE x.shard_key = s.shard_key AND x.schedule_id = s.schedule_id
                       ORDER BY x.scheduled_for DESC LIMIT 1) a ON true
    WHERE s.paused_at IS NULL AND (l.is_late OR a.state = 'Failed');
END;
COMMENT ON FUNCTION workflow.alert_schedule_missed(jsonb) IS 'What the rule ScheduleMissed finds now';

-- alert_vacuum_held_back: a transaction that keeps vacuum from removing what is dead; those of the extension's owner see it
--   settings  {"seconds": for so long}
CREATE FUNCTION workflow.alert_vacuum_held_back(settings jsonb)
    RETURNS TABLE (owner regrole, subject text, workflow text, since timestamptz, message text, facts jsonb, hint text)
    LANGUAGE sql STABLE COST 1000 ROWS 5
    SET jit = off
BEGIN ATOMIC
    SELECT c.relowner::regrole, current_database()::text, NULL::text, t.since,
           format('a transaction of %s has held back vacuum since %s', coalesce(t.usename, 'nobody known'), date_trunc('second', t.since)),
           jsonb_build_object('pid', t.pid, 'role', t.usename, 'state', t.state, 'application_name', t.application_name, 'prepared', t.gid),
           CASE WHEN t.gid IS NULL THEN format('SELECT pg_terminate_backend(%s) ends it.', t.pid)
                ELSE format('COMMIT PREPARED %L, or ROLLBACK PREPARED, ends it.', t.gid) END
    FROM pg_class c
    CROSS JOIN LATERAL (
        SELECT a.xact_start AS since, a.pid, a.usename, a.state, a.application_name, NULL::text AS gid
        FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.backend_type <> 'autovacuum worker'
          AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
        UNION ALL
        SELECT p.prepared, NULL, p.owner, NULL, NULL, p.gid FROM pg_prepared_xacts p WHERE p.database = current_database()
        ORDER BY 1
        LIMIT 1) t
    WHERE c.oid = 'workflow.alert'::regclass AND pg_has_role(c.relowner, 'USAGE')
      AND clock_timestamp() - t.since >= (settings->>'seconds')::float8 * interval '1 s';
END;
COMMENT ON FUNCTION workflow.alert_vacuum_held_back(jsonb) IS 'What the rule VacuumHeldBack finds now';

-- Rules are seen by members of the role that made them; what their queries are is hidden from readers.
CREATE VIEW workflow.readable_alert_rule WITH (security_barrier) AS
SELECT b.name, NULL::regrole AS owner, coalesce(s.severity, b.severity) AS severity, b.settings || coalesce(s.settings, '{}') AS settings,
       coalesce(s.enabled, true) AS enabled, b.description, NULL::text AS hint, NULL::text AS query, true AS is_built_in
FROM (VALUES
    ('Stuck', 'Critical', '{"runs": 1}'::jsonb, 'Runs wait for somebody to mend them'),
    ('NoWorker', 'Critical', '{"seconds": 60}', 'Work waits in a queue that nobody takes it from'),
    ('CompensationFailed', 'Critical', '{"runs": 1}', 'Closed runs whose work was not undone'),
    ('BacklogAge', 'Warning', '{"seconds": 300}', 'The oldest work of a queue waits for long'),
    ('RetryStorm', 'Warning', '{"attempts": 3, "runs": 10}', 'An activity is tried again and again in many runs'),
    ('HeartbeatMisses', 'Warning', '{"runs": 3}', 'Workers of an activity are not heard of in time'),
    ('VersionFailing', 'Warning', '{"runs": 20, "failed": 3}', 'A ramped version fails more than the current one'),
    ('ScheduleMissed', 'Warning', '{"seconds": 300}', 'Nobody has come for a schedule, or it could not start its run'),
    ('VacuumHeldBack', 'Warning', '{"seconds": 1800}', 'A transaction keeps vacuum from removing what is dead'),
    ('RuleFailed', 'Warning', '{}', 'An own rule raises an error')) AS b (name, severity, settings, description)
LEFT JOIN workflow.alert_rule s ON s.name = b.name AND s.query IS NULL
UNION ALL
SELECT r.name, r.owner, r.severity, r.settings, r.enabled, r.description, r.hint,
       CASE WHEN v.everything OR r.owner = ANY (v.roles) THEN r.query END, false
FROM workflow.viewer v
CROSS JOIN workflow.alert_rule r
WHERE r.query IS NOT NULL AND (v.everything OR v.reader OR r.owner = ANY (v.roles));
COMMENT ON VIEW workflow.readable_alert_rule IS 'Rules of alerts the current user may read';

CREATE VIEW workflow.alert_rules WITH (security_invoker) AS
SELECT name, severity, enabled, settings, description, hint, query, owner FROM workflow.readable_alert_rule;
COMMENT ON VIEW workflow.alert_rules IS 'By which rules workflow.check_alerts() finds what somebody should look at';
COMMENT ON COLUMN workflow.alert_rules.name IS 'The rule';
COMMENT ON COLUMN workflow.alert_rules.severity IS 'Critical: somebody must do something, Warning: sooner or later, or Info';
COMMENT ON COLUMN workflow.alert_rules.enabled IS 'Whether it finds anything';
COMMENT ON COLUMN workflow.alert_rules.settings IS 'From when on: see workflow.set_alert_rule()';
COMMENT ON COLUMN workflow.alert_rules.description IS 'What it finds';
COMMENT ON COLUMN workflow.alert_rules.hint IS 'Of an own rule: what can be done about it';
COMMENT ON COLUMN workflow.alert_rules.query IS 'Of an own rule; hidden from readers';
COMMENT ON COLUMN workflow.alert_rules.owner IS 'Who made it, and has it checked; NULL: it comes with the extension';

CREATE VIEW workflow.alert_conditions WITH (security_invoker) AS
SELECT r.name AS rule, r.severity, c.owner, c.subject, c.workflow, c.since, c.message, c.facts, c.hint
FROM workflow.readable_alert_rule r
CROSS JOIN LATERAL (
    SELECT * FROM workflow.alert_stuck(r.settings) WHERE r.name = 'Stuck'
    UNION ALL SELECT * FROM workflow.alert_no_worker(r.settings) WHERE r.name = 'NoWorker'
    UNION ALL SELECT * FROM workflow.alert_compensation_failed(r.settings) WHERE r.name = 'CompensationFailed'
    UNION ALL SELECT * FROM workflow.alert_backlog_age(r.settings) WHERE r.name = 'BacklogAge'
    UNION ALL SELECT * FROM workflow.alert_retry_storm(r.settings) WHERE r.name = 'RetryStorm'
    UNION ALL SELECT * FROM workflow.alert_heartbeat_misses(r.settings) WHERE r.name = 'HeartbeatMisses'
    UNION ALL SELECT * FROM workflow.alert_version_failing(r.settings) WHERE r.name = 'VersionFailing'
    UNION ALL SELECT * FROM workflow.alert_schedule_missed(r.settings) WHERE r.name = 'ScheduleMissed'
    UNION ALL SELECT * FROM workflow.alert_vacuum_held_back(r.settings) WHERE r.name = 'VacuumHeldBack') c
WHERE r.is_built_in AND r.enabled;
COMMENT ON VIEW workflow.alert_conditions IS 'What the rules that come with the extension find now, in what one may read';
COMMENT ON COLUMN workflow.alert_conditions.rule IS 'As in workflow.alert_rules';
COMMENT ON COLUMN workflow.alert_conditions.severity IS 'Of the rule';
COMMENT ON COLUMN workflow.alert_conditions.owner IS 'Of the runs, or of what it is about';
COMMENT ON COLUMN workflow.alert_conditions.subject IS 'What it is about: a workflow, queue, activity, schedule …';
COMMENT ON COLUMN workflow.alert_conditions.workflow IS 'If it is about one';
COMMENT ON COLUMN workflow.alert_conditions.since IS 'Since when it may have been so';
COMMENT ON COLUMN workflow.alert_conditions.message IS 'What is wrong, for people';
COMMENT ON COLUMN workflow.alert_conditions.facts IS 'The same for programs';
COMMENT ON COLUMN workflow.alert_conditions.hint IS 'What can be done about it';

-- Who may read a workflow's runs sees what is about it; what own rules say is hidden from readers: also when they fail, or are gone.
CREATE VIEW workflow.readable_alert WITH (security_barrier) AS
SELECT a.alert_id, a.rule, a.severity, a.owner, a.subject, a.workflow, a.since, a.opened_at, a.last_seen_at, a.times_seen, a.resolved_at,
       a.acknowledged_at, a.acknowledged_by,
       CASE WHEN may.see_all OR b.name IS NOT NULL THEN a.message END AS message,
       CASE WHEN may.see_all OR b.name IS NOT NULL THEN a.facts END AS facts,
       CASE WHEN may.see_all OR b.name IS NOT NULL THEN a.hint END AS hint,
       CASE WHEN may.see_all THEN a.note END AS note
FROM workflow.viewer v
CROSS JOIN workflow.alert a
LEFT JOIN workflow.readable_alert_rule b ON b.name = a.rule AND b.is_built_in AND b.name <> 'RuleFailed'
CROSS JOIN LATERAL (SELECT v.everything OR a.owner = ANY (v.roles)
                        OR EXISTS (SELECT FROM workflow.workflow_grant g
                                   WHERE g.workflow = a.workflow AND g.privilege = 'read' AND g.grantee = ANY (v.roles)) AS see_all) may
WHERE may.see_all OR v.reader;
COMMENT ON VIEW workflow.readable_alert IS 'Alerts the current user may read';

CREATE VIEW workflow.alerts WITH (security_invoker) AS
SELECT alert_id, rule, severity, owner, subject, workflow, since, opened_at, last_seen_at, times_seen, resolved_at, message, facts, hint,
       acknowledged_at, acknowledged_by, note
FROM workflow.readable_alert;
COMMENT ON VIEW workflow.alerts IS 'What workflow.check_alerts() has found, and whether it is over, of what one may read';
COMMENT ON COLUMN workflow.alerts.alert_id IS 'For workflow.acknowledge_alert()';
COMMENT ON COLUMN workflow.alerts.rule IS 'As in workflow.alert_rules';
COMMENT ON COLUMN workflow.alerts.severity IS 'Critical: somebody must do something, Warning: sooner or later, or Info';
COMMENT ON COLUMN workflow.alerts.owner IS 'Of the runs, or of what it is about';
COMMENT ON COLUMN workflow.alerts.subject IS 'What it is about: a workflow, queue, activity, schedule …; open at most once for each rule and owner';
COMMENT ON COLUMN workflow.alerts.workflow IS 'If it is about one';
COMMENT ON COLUMN workflow.alerts.since IS 'Since when it may have been so, when it was found';
COMMENT ON COLUMN workflow.alerts.opened_at IS 'When it was found';
COMMENT ON COLUMN workflow.alerts.last_seen_at IS 'When it was last found to be so still';
COMMENT ON COLUMN workflow.alerts.times_seen IS 'How often it was found';
COMMENT ON COLUMN workflow.alerts.resolved_at IS 'When it was found to be so no more; NULL: it is open';
COMMENT ON COLUMN workflow.alerts.message IS 'What is wrong, for people';
COMMENT ON COLUMN workflow.alerts.facts IS 'The same for programs, as last found';
COMMENT ON COLUMN workflow.alerts.hint IS 'What can be done about it';
COMMENT ON COLUMN workflow.alerts.acknowledged_at IS 'When somebody said that he looks after it';
COMMENT ON COLUMN workflow.alerts.acknowledged_by IS 'Who that is';
COMMENT ON COLUMN workflow.alerts.note IS 'What he said; hidden from readers';
