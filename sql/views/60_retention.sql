-- What retention would do now.

CREATE VIEW workflow.retention_plan WITH (security_invoker) AS
SELECT l.bucket, l.class, l.keep, l.filled_from, l.filled_until, l.due_at, l.is_filled, l.is_due,
       c.runs, c.events, c.oldest_closed_at, o.open_survivors, c.closed_survivors, s.bytes
FROM workflow.retention_leaves() l
CROSS JOIN LATERAL (SELECT CASE WHEN l.is_due THEN count(r.run_id) FILTER (WHERE r.closed_at <= k.kept_from) END AS runs,
                           CASE WHEN l.is_due THEN coalesce(sum(r.events) FILTER (WHERE r.closed_at <= k.kept_from), 0) END
                               AS events,
                           min(r.closed_at) AS oldest_closed_at,
                           CASE WHEN l.is_due THEN count(r.run_id) FILTER (WHERE r.closed_at > k.kept_from) END
                               AS closed_survivors
                    FROM (SELECT workflow.now() - l.keep AS kept_from) k
                    LEFT JOIN workflow.readable_closed_execution r ON l.is_due AND r.bucket = l.bucket) c
CROSS JOIN LATERAL (SELECT CASE WHEN l.is_due THEN count(r.run_id) END AS open_survivors
                    FROM workflow.readable_execution r WHERE l.is_due AND r.bucket = l.bucket) o
CROSS JOIN LATERAL (SELECT sum(pg_total_relation_size(t.oid))::bigint AS bytes
                    FROM pg_class t JOIN pg_inherits i ON i.inhrelid = t.oid JOIN pg_class p ON p.oid = i.inhparent
                    WHERE t.relkind = 'r' AND p.relnamespace = 'workflow'::regnamespace
                      AND t.relname = concat(p.relname, '_', l.bucket)) s;
COMMENT ON VIEW workflow.retention_plan IS
    'The leaves that runs are kept in: what CALL workflow.apply_retention() would remove now of what the current user may read';
COMMENT ON COLUMN workflow.retention_plan.bucket IS 'The leaf';
COMMENT ON COLUMN workflow.retention_plan.class IS 'The retention class whose runs it has: short, normal, long or forever';
COMMENT ON COLUMN workflow.retention_plan.keep IS 'How long the class keeps runs that have closed; NULL: for ever';
COMMENT ON COLUMN workflow.retention_plan.filled_from IS 'Runs that started from then on …';
COMMENT ON COLUMN workflow.retention_plan.filled_until IS '… until then are in it, and those that moved on to it in that time';
COMMENT ON COLUMN workflow.retention_plan.due_at IS 'When it can be emptied';
COMMENT ON COLUMN workflow.retention_plan.is_filled IS 'Whether new runs get into it';
COMMENT ON COLUMN workflow.retention_plan.is_due IS
    'Whether it is to be emptied now; the columns that follow, but for bytes, are of those only';
COMMENT ON COLUMN workflow.retention_plan.runs IS 'Closed runs that would go';
COMMENT ON COLUMN workflow.retention_plan.events IS 'How many events their history has';
COMMENT ON COLUMN workflow.retention_plan.oldest_closed_at IS 'When the first of its runs closed';
COMMENT ON COLUMN workflow.retention_plan.open_survivors IS 'Open runs that would move on to the leaf that is filled';
COMMENT ON COLUMN workflow.retention_plan.closed_survivors IS 'The same of runs that have closed not long enough ago';
COMMENT ON COLUMN workflow.retention_plan.bytes IS 'What its tables take on disk, whosever runs are in it';
