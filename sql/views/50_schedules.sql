-- Schedules, and what became of their last times.  Row security and what a reader sees: see 10_readable.sql.

CREATE VIEW workflow.readable_schedule WITH (security_barrier) AS
SELECT s.shard_key, s.schedule_id, s.name, s.owner, s.workflow, s.version, s.cron, s.overlap, s.catchup_window, s.jitter,
       s.workflow_id, s.start_time, s.end_time, s.remaining_actions, s.execution_timeout, s.run_timeout, s.retry, s.priority, s.created_at, s.paused_at,
       s.paused_by, s.next_time, s.started, s.skipped, s.missed, s.failed,
       CASE WHEN may.see_all THEN s.input END AS input,
       CASE WHEN may.see_all THEN s.memo END AS memo,
       CASE WHEN may.see_all THEN s.search_attributes END AS search_attributes,
       CASE WHEN may.see_all THEN s.pause_reason END AS pause_reason,
       may.see_all
FROM workflow.viewer v
CROSS JOIN workflow.schedule s
CROSS JOIN LATERAL (SELECT v.everything OR s.owner = ANY (v.roles) AS see_all) may
WHERE may.see_all OR v.reader;
COMMENT ON VIEW workflow.readable_schedule IS 'Schedules the current user may read';

CREATE VIEW workflow.readable_schedule_action WITH (security_barrier) AS
SELECT a.shard_key, a.schedule_id, a.scheduled_for, a.state, a.overlap, a.manual, a.taken_at, a.workflow_id, a.run_id,
       a.asked, CASE WHEN s.see_all THEN a.reason END AS reason
FROM workflow.readable_schedule s
JOIN workflow.schedule_action a ON a.shard_key = s.shard_key AND a.schedule_id = s.schedule_id;
COMMENT ON VIEW workflow.readable_schedule_action IS 'What became of times of schedules the current user may read';

CREATE VIEW workflow.schedules WITH (security_invoker) AS
SELECT s.name, s.cron, s.workflow, s.version, s.overlap, s.paused_at IS NOT NULL AS paused, s.next_time, a.last_time,
       coalesce(a.running, 0) AS running, coalesce(a.buffered, 0) AS buffered,
       s.started, s.skipped, s.missed, s.failed,
       workflow.has_schedule_job(s.name, s.owner) AS has_job,
       s.paused_at, s.paused_by, s.pause_reason, s.catchup_window, s.jitter,
       nullif(s.start_time, '-infinity') AS start_time, nullif(s.end_time, 'infinity') AS end_time,
       nullif(s.remaining_actions, -1) AS remaining_actions, s.workflow_id, s.input, s.memo,
       nullif(s.execution_timeout, '0') AS execution_timeout, s.owner, s.created_at, s.shard_key,
       nullif(s.run_timeout, '0') AS run_timeout, s.retry, s.priority, s.search_attributes
FROM workflow.readable_schedule s
LEFT JOIN LATERAL (SELECT max(a.scheduled_for) FILTER (WHERE a.state IN ('Running', 'Closed')) AS last_time,
                          count(*) FILTER (WHERE a.state = 'Running') AS running,
                          count(*) FILTER (WHERE a.state = 'Buffered') AS buffered
                   FROM workflow.readable_schedule_action a
                   WHERE a.shard_key = s.shard_key AND a.schedule_id = s.schedule_id) a ON true;
COMMENT ON VIEW workflow.schedules IS 'Schedules';
COMMENT ON COLUMN workflow.schedules.name IS 'As given to create_schedule';
COMMENT ON COLUMN workflow.schedules.cron IS 'When; in the time zone of pg_cron';
COMMENT ON COLUMN workflow.schedules.workflow IS 'What is started';
COMMENT ON COLUMN workflow.schedules.version IS 'Of the definition; NULL: the current one when a run is started';
COMMENT ON COLUMN workflow.schedules.overlap IS 'What becomes of a time while a run is open';
COMMENT ON COLUMN workflow.schedules.paused IS 'Whether no times are acted on';
COMMENT ON COLUMN workflow.schedules.next_time IS 'The next time; NULL: paused, or none any more';
COMMENT ON COLUMN workflow.schedules.last_time IS 'The last time that had a run';
COMMENT ON COLUMN workflow.schedules.running IS 'Runs that were open when the schedule was last looked at';
COMMENT ON COLUMN workflow.schedules.buffered IS 'Starts that wait for a run to close';
COMMENT ON COLUMN workflow.schedules.started IS 'Runs started so far';
COMMENT ON COLUMN workflow.schedules.skipped IS 'Times without a run, since one was open';
COMMENT ON COLUMN workflow.schedules.missed IS 'Times that nobody came for within catchup_window';
COMMENT ON COLUMN workflow.schedules.failed IS 'Times whose run could not be started: see schedule_actions';
COMMENT ON COLUMN workflow.schedules.has_job IS
    'Whether pg_cron has its job; NULL: pg_cron is in another database, or the role may not see it';
COMMENT ON COLUMN workflow.schedules.paused_at IS 'When it was paused';
COMMENT ON COLUMN workflow.schedules.paused_by IS 'By whom';
COMMENT ON COLUMN workflow.schedules.pause_reason IS 'As given to pause_schedule';
COMMENT ON COLUMN workflow.schedules.catchup_window IS 'How long ago a time may be, and still be made up for';
COMMENT ON COLUMN workflow.schedules.jitter IS 'By how much its runs begin later, at most';
COMMENT ON COLUMN workflow.schedules.start_time IS 'No times before';
COMMENT ON COLUMN workflow.schedules.end_time IS 'No times after';
COMMENT ON COLUMN workflow.schedules.remaining_actions IS 'How many more runs; NULL: any number';
COMMENT ON COLUMN workflow.schedules.workflow_id IS 'What the workflow ids of its runs begin with';
COMMENT ON COLUMN workflow.schedules.input IS 'Of its runs; hidden from readers, as are memo, search_attributes and pause_reason';
COMMENT ON COLUMN workflow.schedules.memo IS 'Of its runs';
COMMENT ON COLUMN workflow.schedules.execution_timeout IS 'Of its runs; NULL: none';
COMMENT ON COLUMN workflow.schedules.owner IS 'The role that starts its runs';
COMMENT ON COLUMN workflow.schedules.created_at IS 'When it was made';
COMMENT ON COLUMN workflow.schedules.shard_key IS 'workflow.shard_key(name)';
COMMENT ON COLUMN workflow.schedules.run_timeout IS 'Of each of its runs; NULL: none';
COMMENT ON COLUMN workflow.schedules.retry IS 'Of its runs; NULL: their definition''s';
COMMENT ON COLUMN workflow.schedules.priority IS 'Of its runs; NULL: none';
COMMENT ON COLUMN workflow.schedules.search_attributes IS 'Of its runs, over those of their definition; hidden from readers';

CREATE VIEW workflow.schedule_actions WITH (security_invoker) AS
SELECT s.name AS schedule, a.scheduled_for, a.state, a.manual, a.overlap, a.taken_at, a.workflow_id, a.run_id, a.asked,
       a.reason
FROM workflow.readable_schedule s
JOIN workflow.readable_schedule_action a ON a.shard_key = s.shard_key AND a.schedule_id = s.schedule_id;
COMMENT ON VIEW workflow.schedule_actions IS 'What became of times of schedules: the last hundred each, and all that wait or run';
COMMENT ON COLUMN workflow.schedule_actions.schedule IS 'Its name';
COMMENT ON COLUMN workflow.schedule_actions.scheduled_for IS 'The time: of the cron expression, or when it was triggered';
COMMENT ON COLUMN workflow.schedule_actions.state IS 'Buffered, Running, Closed, Skipped or Failed';
COMMENT ON COLUMN workflow.schedule_actions.manual IS 'Whether trigger_schedule or backfill_schedule asked for it';
COMMENT ON COLUMN workflow.schedule_actions.overlap IS 'The policy that decided';
COMMENT ON COLUMN workflow.schedule_actions.taken_at IS 'When it got into this state';
COMMENT ON COLUMN workflow.schedule_actions.workflow_id IS 'Of its run';
COMMENT ON COLUMN workflow.schedule_actions.run_id IS 'The first, of runs that continue as new';
COMMENT ON COLUMN workflow.schedule_actions.asked IS 'What has been asked of the run for a later one: Cancel or Terminate';
COMMENT ON COLUMN workflow.schedule_actions.reason IS 'Why there is no run, or why the run could not be asked';
