-- Metrics: what has happened since the server started, and how things stand.

-- metric: notes a value under a name of the application's.  It counts when the transaction commits, and not if the
-- activity that notes it fails
--   name    letters, digits and underscores; not as a histogram's parts are called (_bucket, _sum, _count)
--   value   of a counter, what it goes up by
--   labels  an object of texts, numbers and booleans, cut after 40 bytes; not "owner", which every metric has; each combination is a series of its own, of which there can be order_workflow.max_metrics
--   kind    counter, gauge or histogram (of seconds, say: it has buckets from a millisecond to a day)
-- Raises invalid_parameter_value.
CREATE FUNCTION workflow.metric(name text, value float8 DEFAULT 1, labels jsonb DEFAULT '{}', kind text DEFAULT 'counter')
    RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_metric';
COMMENT ON FUNCTION workflow.metric(text, float8, jsonb, text) IS 'Notes a value of an application''s metric';

-- metric_values: what has been noted and committed; in a test, what its transaction has noted
--   value    of a histogram, the sum
--   buckets  of a histogram, how many were at most as large as bounds say; the last: all
--   custom   it is an application's, or one of a definition
--   bounds   of a histogram, of its buckets
CREATE FUNCTION workflow.metric_values()
    RETURNS TABLE (name text, kind text, help text, owner regrole, labels jsonb, value float8, count bigint, buckets bigint[],
                   custom boolean, bounds float8[])
    LANGUAGE c VOLATILE ROWS 100
    AS 'MODULE_PATHNAME', 'ow_metric_values';
COMMENT ON FUNCTION workflow.metric_values() IS 'Counters and histograms since the server started';

CREATE FUNCTION workflow.metric_bounds() RETURNS float8[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '{0.001,0.005,0.01,0.05,0.1,0.5,1,5,10,60,300,3600,86400,Infinity}'::float8[];
COMMENT ON FUNCTION workflow.metric_bounds() IS 'Upper bounds of the buckets of histograms that have none of their own';

-- metrics_lost: how many values had no room for their series, of all databases
CREATE FUNCTION workflow.metrics_lost() RETURNS bigint
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_metrics_lost_count';
COMMENT ON FUNCTION workflow.metrics_lost() IS 'How many values were lost since the server started, for want of order_workflow.max_metrics';

-- snapshot_ages: of the sessions, and standbys, that hold back vacuum in this database
--   since  when the transaction began; null: it is a standby
--   age    how many transactions ago that was
CREATE FUNCTION workflow.snapshot_ages() RETURNS TABLE (since timestamptz, age bigint)
    LANGUAGE c VOLATILE ROWS 20
    AS 'MODULE_PATHNAME', 'ow_snapshot_ages';
COMMENT ON FUNCTION workflow.snapshot_ages() IS 'How old the snapshots of other sessions are';

-- vacuum_holders: what keeps vacuum from removing dead rows, by kind
CREATE FUNCTION workflow.vacuum_holders() RETURNS TABLE (holder text, seconds float8, transactions float8)
    LANGUAGE sql VOLATILE ROWS 3
BEGIN ATOMIC
    SELECT 'session', coalesce(max(extract(epoch FROM clock_timestamp() - s.since)), 0), coalesce(max(s.age), 0)
    FROM workflow.snapshot_ages() s
    UNION ALL
    SELECT 'prepared', coalesce(max(extract(epoch FROM clock_timestamp() - p.prepared)), 0), coalesce(max(age(p.transaction)), 0)
    FROM pg_prepared_xacts p WHERE p.database = current_database()
    UNION ALL
    SELECT 'replication_slot', 0, coalesce(max(age(r.xmin)), 0)
    FROM pg_replication_slots r;
END;
COMMENT ON FUNCTION workflow.vacuum_holders() IS 'What holds back vacuum, and how far';

-- state_metrics: how things stand now, from the tables
CREATE FUNCTION workflow.state_metrics() RETURNS TABLE (name text, kind text, help text, owner regrole, labels jsonb, value float8)
    LANGUAGE sql VOLATILE ROWS 50
    SET jit = off
BEGIN ATOMIC
    SELECT 'executions_open', 'gauge', 'Open runs', e.owner,
           jsonb_build_object('workflow', left(e.workflow, 40), 'version', e.version::text, 'status', e.status), count(*)::float8
    FROM workflow.executions e WHERE e.closed_at IS NULL
    GROUP BY e.owner, e.workflow, e.version, e.status
    UNION ALL
    SELECT 'task_queue_backlog', 'gauge', 'Runs that wait for an executor, and tasks that nobody has taken', q.owner,
           jsonb_build_object('task_queue', left(coalesce(q.task_queue, ''), 40)), q.backlog
    FROM workflow.task_queues q
    UNION ALL
    SELECT 'task_queue_oldest_seconds', 'gauge', 'How long the oldest of them has waited', q.owner,
           jsonb_build_object('task_queue', left(coalesce(q.task_queue, ''), 40)), coalesce(extract(epoch FROM q.oldest_age), 0)
    FROM workflow.task_queues q
    UNION ALL
    SELECT 'task_queue_in_flight', 'gauge', 'Tasks that workers are at', q.owner,
           jsonb_build_object('task_queue', left(q.task_queue, 40)), q.in_flight
    FROM workflow.task_queues q WHERE q.task_queue IS NOT NULL
    UNION ALL
    SELECT 'timers_late', 'gauge', 'Timers that were due five seconds ago', t.owner, '{}', count(*)
    FROM workflow.timers t WHERE t.due_at < workflow.now() - interval '5 s'
    GROUP BY t.owner
    UNION ALL
    SELECT 'compensations_failed', 'gauge', 'Compensations that failed, and were not run again', c.owner,
           jsonb_build_object('workflow', left(c.workflow, 40)), count(*)
    FROM workflow.compensations c WHERE c.status = 'Failed'
    GROUP BY c.owner, c.workflow
    UNION ALL
    SELECT 'circuit_breakers_open', 'gauge', 'Activities that are not called, as they failed too often', NULL,
           jsonb_build_object('activity', left(b.activity, 40)), 1
    FROM workflow.circuit_breakers b WHERE b.state <> 'Closed'
    UNION ALL
    SELECT 'executors', 'gauge', 'Executors that are there', w.role, '{}', count(*)
    FROM workflow.worker_stats() w
    GROUP BY w.role
    UNION ALL
    SELECT 'executors_max', 'gauge', 'Executors that there may be in the whole server', NULL, '{}',
           current_setting('order_workflow.max_workers')::float8
    UNION ALL
    SELECT 'engine_running', 'gauge', '1 where workflows run, 0 where workflow.engine_status() tells why not', NULL, '{}',
           (workflow.engine_status() = 'Running')::int
    UNION ALL
    SELECT 'schedule_times_total', 'counter', 'Times of schedules, by what became of them', s.owner,
           jsonb_build_object('schedule', left(s.name, 40), 'outcome', o.outcome), sum(o.times)
    FROM workflow.schedules s
    CROSS JOIN LATERAL (VALUES ('started', s.started), ('skipped', s.skipped), ('missed', s.missed), ('failed', s.failed)) AS o (outcome, times)
    GROUP BY s.owner, left(s.name, 40), o.outcome
    UNION ALL
    SELECT 'schedules_late', 'gauge', 'Schedules whose time was two minutes ago, and nobody came', s.owner, '{}', count(*)
    FROM workflow.schedules s WHERE s.next_time < workflow.now() - interval '2 min' AND NOT s.paused
    GROUP BY s.owner
    UNION ALL
    SELECT 'oldest_snapshot_seconds', 'gauge', 'Age of the oldest transaction, which holds back vacuum', NULL, '{}', max(h.seconds)
    FROM workflow.vacuum_holders() h
    UNION ALL
    SELECT 'vacuum_held_back_transactions', 'gauge', 'How many transactions ago the oldest was that vacuum must spare, by what needs it', NULL,
           jsonb_build_object('holder', h.holder), h.transactions
    FROM workflow.vacuum_holders() h
    UNION ALL
    SELECT 'metrics_lost_total', 'counter', 'Values that found no room for their series: see order_workflow.max_metrics', NULL, '{}',
           workflow.metrics_lost();
END;
COMMENT ON FUNCTION workflow.state_metrics() IS 'How things stand now, as numbers';

CREATE VIEW workflow.metrics WITH (security_invoker) AS
SELECT m.name, m.kind, m.owner, m.labels, m.value, m.count, m.buckets, m.custom, m.help, m.bounds FROM workflow.metric_values() m
UNION ALL
SELECT s.name, s.kind, s.owner, s.labels, s.value, NULL, NULL, false, s.help, NULL FROM workflow.state_metrics() s;
COMMENT ON VIEW workflow.metrics IS 'What has happened since the server started, and how things stand';
COMMENT ON COLUMN workflow.metrics.name IS 'Without the prefix that Prometheus gets';
COMMENT ON COLUMN workflow.metrics.kind IS 'counter, gauge or histogram';
COMMENT ON COLUMN workflow.metrics.owner IS 'Whose runs it is of; null: of all';
COMMENT ON COLUMN workflow.metrics.labels IS 'What tells it from others of the name; values are cut after 40 bytes';
COMMENT ON COLUMN workflow.metrics.value IS 'Of a histogram, the sum of all values';
COMMENT ON COLUMN workflow.metrics.count IS 'How often it was noted; null: it is as things stand';
COMMENT ON COLUMN workflow.metrics.buckets IS 'Of a histogram, how many values were at most as large as bounds say';
COMMENT ON COLUMN workflow.metrics.custom IS 'It is an application''s, of workflow.metric(), or one of a definition''s Metrics';
COMMENT ON COLUMN workflow.metrics.help IS 'What it is';
COMMENT ON COLUMN workflow.metrics.bounds IS 'Of a histogram, the upper bounds of its buckets';

-- prometheus_label: a label's value as the exposition format has it
CREATE FUNCTION workflow.prometheus_label(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN '"' || replace(replace(replace(value, '\', '\\'), '"', '\"'), E'\n', '\n') || '"';
COMMENT ON FUNCTION workflow.prometheus_label(text) IS 'A label''s value in the exposition format';

-- prometheus_metrics: all metrics that the current user may see, as Prometheus reads them
-- Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
CREATE FUNCTION workflow.prometheus_metrics() RETURNS text
    LANGUAGE sql VOLATILE
    SET jit = off
BEGIN ATOMIC
    WITH metric AS MATERIALIZED (
        SELECT CASE WHEN m.custom THEN '' ELSE 'order_workflow_' END || m.name AS name, m.kind, m.help, m.value, m.count, m.buckets, m.bounds,
               (SELECT string_agg(l.key || '=' || workflow.prometheus_label(l.value), ',' ORDER BY l.key)
                FROM (SELECT t.key, t.value FROM jsonb_each_text(m.labels) t
                      UNION ALL SELECT 'owner', m.owner::text WHERE m.owner IS NOT NULL AND NOT m.labels ? 'owner') l) AS labels
        FROM workflow.metrics m
    ), described AS (
        -- a name has one kind: that of most series, should applications disagree
        SELECT m.name, mode() WITHIN GROUP (ORDER BY m.kind) AS kind, min(m.help) AS help FROM metric m GROUP BY m.name
    ), lines AS (
        SELECT d.name, 0 AS part, NULL::text AS labels, 0 AS n,
               concat('# HELP ', d.name, ' ', replace(replace(d.help, '\', '\\'), E'\n', '\n'), E'\n# TYPE ', d.name, ' ', d.kind) AS line
        FROM described d
        UNION ALL
        SELECT m.name, 1, m.labels, 0, concat(m.name, '{' || m.labels || '}', ' ', m.value)
        FROM metric m JOIN described d ON d.name = m.name AND d.kind = m.kind WHERE m.kind <> 'histogram'
        UNION ALL
        SELECT m.name, 1, m.labels, b.n::int,
               concat(m.name, '_bucket{', m.labels || ',', 'le="', CASE b.bound WHEN 'Infinity' THEN '+Inf' ELSE b.bound::text END, '"} ', b.count)
        FROM metric m JOIN described d ON d.name = m.name AND d.kind = m.kind AND m.kind = 'histogram'
        CROSS JOIN LATERAL unnest(m.buckets, m.bounds) WITH ORDINALITY AS b (count, bound, n)
        UNION ALL
        SELECT m.name, 1, m.labels, 100 + x.n::int, concat(m.name, x.suffix, '{' || m.labels || '}', ' ', x.value)
        FROM metric m JOIN described d ON d.name = m.name AND d.kind = m.kind AND m.kind = 'histogram'
        CROSS JOIN LATERAL (VALUES (1, '_sum', m.value), (2, '_count', m.count::float8)) AS x (n, suffix, value)
    )
    SELECT coalesce(string_agg(l.line, E'\n' ORDER BY l.name, l.part, l.labels, l.n) || E'\n', '') FROM lines l;
END;
COMMENT ON FUNCTION workflow.prometheus_metrics() IS 'All metrics in the exposition format of Prometheus';
