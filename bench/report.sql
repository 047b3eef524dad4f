-- Turns the samples on standard input into the tables of the report. Ratios are taken within a round; of the rounds, the
-- median counts.

CREATE TEMP TABLE sample (section text, round int, leg text, metric text, value numeric);
\copy sample FROM pstdin

CREATE FUNCTION pg_temp.show(value numeric) RETURNS text
LANGUAGE sql
RETURN CASE
    WHEN value = 0 THEN '0'
    WHEN abs(value) < 1 THEN to_char(value, 'FM0.000')
    WHEN abs(value) < 10 THEN to_char(value, 'FM0.00')
    WHEN abs(value) < 100 THEN to_char(value, 'FM90.0')
    ELSE to_char(value, 'FM999,999,990')
END;

CREATE FUNCTION pg_temp.quantile(quantile float8, "values" numeric[]) RETURNS numeric
LANGUAGE sql
RETURN (SELECT percentile_cont(quantile) WITHIN GROUP (ORDER BY value) FROM unnest("values") AS value)::numeric;

-- The median, with the range when there is one.
CREATE FUNCTION pg_temp.summary("values" numeric[]) RETURNS text
LANGUAGE sql
RETURN (SELECT pg_temp.show(pg_temp.quantile(0.5, "values"))
               || CASE WHEN min(value) < max(value)
                       THEN format(' (%s–%s)', pg_temp.show(min(value)), pg_temp.show(max(value))) ELSE '' END
        FROM unnest("values") AS value);

-- Rates of a round: the yardsticks and the four ways to run the workloads.
CREATE TEMP VIEW leg AS
SELECT round, leg, value AS rate,
       nullif(max(value) FILTER (WHERE leg = 'naive') OVER r, 0) AS naive,
       nullif(max(value) FILTER (WHERE leg = 'naive-noop') OVER r, 0) AS naive_noop,
       nullif(max(value) FILTER (WHERE leg ~ '^(plain|packed) ') OVER r, 0) AS rows,
       nullif(max(value) FILTER (WHERE leg ~ '^(plain|packed) 1') OVER r, 0) AS rows_one_session
FROM sample
WHERE section = 'throughput' AND metric = 'rate'
WINDOW r AS (PARTITION BY round);

-- Resident memory of the executors (one, if all is well) that were there from the first sample to the last.
CREATE TEMP VIEW executor AS
SELECT leg AS pid, array_agg(value ORDER BY round) AS kilobytes
FROM sample
WHERE section = 'memory' AND metric = 'kilobytes'
GROUP BY leg
HAVING count(*) = (SELECT max(round) FROM sample WHERE section = 'memory');

-- Chains and branches: what one transition, item or branch costs. A leg is a workflow and its number of items.
CREATE TEMP VIEW unit AS
SELECT round, split_part(leg, ' ', 1) AS workflow, nullif(split_part(leg, ' ', 2), '')::int AS items, metric, value,
       nullif(first_value(value) OVER w, 0) AS of_few
FROM sample
WHERE section = 'branches'
WINDOW w AS (PARTITION BY round, split_part(leg, ' ', 1), metric ORDER BY nullif(split_part(leg, ' ', 2), '')::int);

-- order-4 by this build and by the one before, in one row per round.
CREATE TEMP VIEW build AS
SELECT round, how, workflow, metric, max(value) FILTER (WHERE build = 'this') AS this,
       nullif(max(value) FILTER (WHERE build = 'before'), 0) AS before
FROM (SELECT round, split_part(leg, ' ', 1) AS build, split_part(leg, ' ', 2) AS how, split_part(leg, ' ', 3) AS workflow,
             metric, value
      FROM sample WHERE section = 'baseline') AS leg
GROUP BY round, how, workflow, metric;

-- Programs outside: rates of a round beside the yardstick of the same round.
CREATE TEMP VIEW outside AS
SELECT round, leg, metric, value,
       nullif(max(value) FILTER (WHERE leg = 'naive-noop') OVER r, 0) AS naive,
       nullif(max(value) FILTER (WHERE leg = 'outside 10' AND metric = 'rate') OVER r, 0) AS uncontrolled
FROM sample
WHERE section = 'outside'
WINDOW r AS (PARTITION BY round);

-- Runs closed per second, and the longest start, around the emptying of a leaf: one row per round.
CREATE TEMP VIEW retention AS
SELECT round, (SELECT value FROM sample WHERE section = 'retention' AND metric = 'runs') AS runs,
       nullif(max(value) FILTER (WHERE leg = 'before' AND metric = 'rate'), 0) AS before,
       max(value) FILTER (WHERE leg = 'during' AND metric = 'rate') AS during,
       max(value) FILTER (WHERE leg = 'after' AND metric = 'rate') AS after,
       max(value) FILTER (WHERE metric = 'seconds') AS seconds,
       max(value) FILTER (WHERE leg = 'before' AND metric = 'stall') AS stall_before,
       max(value) FILTER (WHERE leg = 'during' AND metric = 'stall') AS stall_during
FROM sample
WHERE section = 'retention' AND round > 0
GROUP BY round;

CREATE TEMP VIEW figure (position, name, sense, target, unit, value) AS
SELECT 1, 'order-4, started one per transaction by 16 clients, against (a)', 'at least', 3, '×', rate / naive
FROM leg WHERE leg = 'one'
UNION ALL
SELECT 2, 'order-4 by `start_many`, against (a)', 'at least', 6, '×', rate / naive
FROM leg WHERE leg = 'many'
UNION ALL
SELECT 3, 'order-4 by `start_many`, against (b) by one session', 'at least', 0.25, '×', rate / rows_one_session
FROM leg WHERE leg = 'many'
UNION ALL
SELECT 4, 'WAL per workflow, `start_many`', 'at most', 4, 'kB', value / 1024
FROM sample WHERE leg = 'many' AND metric = 'wal'
UNION ALL
SELECT 5, 'commits per workflow after the start, however started', 'at most', 0.1, '', max(value)
FROM sample WHERE leg IN ('one', 'many') AND metric IN ('commits', 'durable') GROUP BY round
UNION ALL
SELECT 6, 'start → completed on an idle system, p50', 'at most', 3, 'ms', pg_temp.quantile(0.5, array_agg(value))
FROM sample WHERE section = 'latency' AND leg = 'client' HAVING count(*) > 0
UNION ALL
SELECT 7, 'CPU while idle, 10,000 runs waiting on timers', 'at most', 0, 'clock ticks', value
FROM sample WHERE leg = 'engine' AND metric = 'ticks'
UNION ALL
SELECT 8, 'transactions while idle, 10,000 runs waiting on timers', 'at most', 0, '', value
FROM sample WHERE leg = 'database' AND metric = 'transactions'
UNION ALL
SELECT 9, 'growth of an executor after the first 10,000 workflows, per workflow', 'at most', 1, 'bytes',
       sum((SELECT max(k) FROM unnest(kilobytes) AS k) - kilobytes[1]) * 1024
       / (SELECT value * ((SELECT max(round) FROM sample WHERE section = 'memory') - 1)
          FROM sample WHERE metric = 'step')
FROM executor HAVING count(*) > 0
UNION ALL
SELECT 10, format('an item of a Map over %s, against one of the smallest', to_char(items, 'FM999,999,990')), 'at most', 1.25, '×',
       value / of_few
FROM unit WHERE workflow = 'map_orders' AND metric = 'microseconds' AND items = (SELECT max(items) FROM unit)
UNION ALL
SELECT 11, 'order-4 by `start_many`, against the build before', 'at least', 0.97, '×', this / before
FROM build WHERE how = 'start_many' AND workflow = 'order_4' AND metric = 'rate'
UNION ALL
SELECT 12, 'order-4, started one per transaction, against the build before', 'at least', 0.97, '×', this / before
FROM build WHERE how = 'start_one' AND workflow = 'order_4' AND metric = 'rate'
UNION ALL
SELECT 13, 'order-4 by workers outside, 10 tasks at a time, orders started one at a time, against (a)', 'at least', 1.5, '×', value / naive
FROM outside WHERE leg = 'outside 10' AND metric = 'rate'
UNION ALL
SELECT 14, 'order-4 by workers outside, 10 tasks at a time, orders started 10 at a time, against (a)', 'at least', 1.5, '×', value / naive
FROM outside WHERE leg = 'outside 10, started alike' AND metric = 'rate'
UNION ALL
SELECT 15, 'order-4 by workers outside, 100 tasks at a time, orders started one at a time, against (a)', 'at least', 3, '×', value / naive
FROM outside WHERE leg = 'outside 100' AND metric = 'rate'
UNION ALL
SELECT 16, 'order-4 by workers outside, 100 tasks at a time, orders started 100 at a time, against (a)', 'at least', 3, '×', value / naive
FROM outside WHERE leg = 'outside 100, started alike' AND metric = 'rate'
UNION ALL
SELECT 17, 'commits per activity by workers outside, one task at a time', 'at most', 2, '', max(value)
FROM outside WHERE leg = 'outside 1' AND metric IN ('commits', 'durable') GROUP BY round
UNION ALL
SELECT 18, 'from the commit of a start to the return of a waiting poll, p50', 'at most', 2, 'ms', pg_temp.quantile(0.5, array_agg(value))
FROM outside WHERE leg = 'pickup' HAVING count(*) > 0
UNION ALL
SELECT 19, 'CPU in 10 s of 64 workers who wait for tasks, by poll and by CALL', 'at most', 0, 'clock ticks', sum(value)
FROM outside WHERE metric = 'ticks' HAVING count(*) > 0
UNION ALL
SELECT 20, 'table of heartbeats after the last tenth of them, against after the first', 'at most', 1.1, '×',
       (array_agg(value ORDER BY position DESC))[1] / nullif((array_agg(value ORDER BY position))[1], 0)
FROM (SELECT value, row_number() OVER () AS position FROM sample WHERE leg = 'heartbeats 100' AND metric = 'bytes') AS size
HAVING count(*) > 0
UNION ALL
SELECT 21, 'limits of a task queue that are never reached, against none', 'at least', 0.9, '×', value / uncontrolled
FROM outside WHERE leg = 'controlled' AND metric = 'rate'
UNION ALL
SELECT 22, 'tasks taken and done under an old snapshot, the last sixth of the time against the first', 'at least', 0.9, '×',
       max(value) FILTER (WHERE leg = 'snapshot 6') / nullif(max(value) FILTER (WHERE leg = 'snapshot 1'), 0)
FROM outside WHERE leg ~ '^snapshot' HAVING count(*) > 0
UNION ALL
SELECT 23, format('order-4 while a leaf with %s closed runs is emptied, against nothing else', pg_temp.show(runs)), 'at least', 0.9, '×',
       during / before
FROM retention;

\qecho
\qecho '## Targets'
\qecho
\qecho '| | target | measured: median (range) | met |'
\qecho '|---|---|---|---|'
SELECT format('| %s | %s | %s | %s |', name, concat_ws(' ', sense, target, nullif(unit, '')),
              concat_ws(' ', pg_temp.summary("values"), nullif(unit, '')),
              CASE WHEN CASE sense WHEN 'at least' THEN median >= target ELSE median <= target END
                   THEN 'yes' ELSE 'no' END)
FROM (SELECT position, name, sense, target, unit, array_agg(value) AS "values",
             pg_temp.quantile(0.5, array_agg(value)) AS median
      FROM figure
      GROUP BY position, name, sense, target, unit) AS measured
ORDER BY position;

SELECT EXISTS (SELECT FROM sample WHERE section = 'throughput') AS has_throughput,
       EXISTS (SELECT FROM sample WHERE section = 'branches') AS has_branches,
       EXISTS (SELECT FROM sample WHERE section = 'baseline') AS has_baseline,
       EXISTS (SELECT FROM sample WHERE section = 'latency') AS has_latency,
       EXISTS (SELECT FROM sample WHERE section = 'memory') AS has_memory,
       EXISTS (SELECT FROM sample WHERE section = 'idle') AS has_idle,
       EXISTS (SELECT FROM sample WHERE section = 'outside') AS has_outside,
       EXISTS (SELECT FROM sample WHERE section = 'retention') AS has_retention \gset

\if :has_memory
\qecho
\qecho '## Memory'
\qecho
SELECT format('`RssAnon` of the executor in kB, after every %s workflows:', pg_temp.show(value))
FROM sample WHERE metric = 'step';
\qecho
SELECT array_to_string(kilobytes, ', ')
FROM executor;
\endif

\if :has_throughput
\qecho
\qecho '## Throughput'
\qecho
SELECT format('Rounds: %s. Yardstick (a): %s, %s clients. A durable commit by one client: %s µs.',
              (SELECT max(round) FROM leg), metric, value,
              (SELECT pg_temp.summary(array_agg(value)) FROM sample WHERE leg = 'commit'))
FROM sample
WHERE section = 'throughput' AND leg = 'best';
\qecho
\qecho '| | workflows/s | against (a) | against (b) |'
\qecho '|---|---|---|---|'
SELECT format('| %s | %s | %s | %s |', title, pg_temp.summary(array_agg(rate)),
              pg_temp.summary(array_agg(rate / CASE WHEN name LIKE '%noop' THEN naive_noop ELSE naive END)),
              CASE WHEN name LIKE '%noop' THEN '' ELSE pg_temp.summary(array_agg(rate / rows)) END)
FROM leg
    JOIN (VALUES
        (1, 'one', 'order-4, one per transaction, 16 clients'),
        (2, 'many', 'order-4, `start_many`'),
        (3, 'naive', '(a) naive'),
        (4, 'plain 1', '(b1) rows, an event each, 1 session'),
        (5, 'plain 2', '(b1) rows, an event each, 2 sessions'),
        (6, 'packed 1', '(b2) rows as the engine''s, 1 session'),
        (7, 'packed 2', '(b2) rows as the engine''s, 2 sessions'),
        (8, 'one-noop', 'order-4-noop, one per transaction, 16 clients'),
        (9, 'many-noop', 'order-4-noop, `start_many`'),
        (10, 'naive-noop', '(a) naive, noop')) AS title (position, name, title) ON name = leg
GROUP BY position, name, title
ORDER BY position;
\qecho
\qecho '| per workflow | WAL, bytes | of it full-page images | commits after the start | commit records in the WAL |'
\qecho '|---|---|---|---|---|'
SELECT format('| %s | %s | %s | %s | %s |', title,
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'wal')),
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'images')),
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'commits')),
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'durable')))
FROM sample
    JOIN (VALUES
        (1, 'one', 'order-4, one per transaction'),
        (2, 'many', 'order-4, `start_many`'),
        (3, 'one-noop', 'order-4-noop, one per transaction'),
        (4, 'many-noop', 'order-4-noop, `start_many`')) AS title (position, name, title) ON name = leg
GROUP BY position, title
ORDER BY position;
\qecho
\qecho '| (a), workflows/s by number of clients, best of two | 4 | 8 | 16 | 32 |'
\qecho '|---|---|---|---|---|'
SELECT format('| %s | %s |', leg, string_agg(pg_temp.show(rate), ' | ' ORDER BY clients))
FROM (SELECT leg, metric::int AS clients, max(value) AS rate
      FROM sample
      WHERE section = 'throughput' AND leg IN ('functions', 'statements')
      GROUP BY leg, metric) AS calibration
GROUP BY leg
ORDER BY leg;
\endif

\if :has_latency
\qecho
\qecho '## Latency'
\qecho
\qecho '| ms | runs | p50 | p95 | p99 | max |'
\qecho '|---|---|---|---|---|---|'
SELECT format('| %s | %s | %s | %s | %s | %s |',
              CASE leg WHEN 'client' THEN 'as the client sees it' ELSE 'from `started_at` to `closed_at`' END, count(*),
              pg_temp.show(pg_temp.quantile(0.5, array_agg(value))), pg_temp.show(pg_temp.quantile(0.95, array_agg(value))),
              pg_temp.show(pg_temp.quantile(0.99, array_agg(value))), pg_temp.show(max(value)))
FROM sample
WHERE section = 'latency'
GROUP BY leg
ORDER BY leg;
\endif

\if :has_idle
\qecho
\qecho '## Idle'
\qecho
SELECT format('In %s s with %s runs waiting, the database saw %s transactions and read %s rows.',
              max(value) FILTER (WHERE metric = 'seconds'), pg_temp.show(max(value) FILTER (WHERE metric = 'waiting')),
              max(value) FILTER (WHERE metric = 'transactions'), max(value) FILTER (WHERE metric = 'rows'))
FROM sample
WHERE section = 'idle';
\qecho
\qecho '| processes | number | clock ticks (10 ms) | wake-ups |'
\qecho '|---|---|---|---|'
SELECT format('| %s | %s | %s | %s |', CASE leg WHEN 'engine' THEN 'order_workflow''s' ELSE 'PostgreSQL''s own' END,
              max(value) FILTER (WHERE metric = 'processes'), max(value) FILTER (WHERE metric = 'ticks'),
              max(value) FILTER (WHERE metric = 'wakeups'))
FROM sample
WHERE section = 'idle' AND leg IN ('engine', 'server')
GROUP BY leg
ORDER BY leg;
\endif

\if :has_branches
\qecho
\qecho '## Chains, Map and Parallel'
\qecho
SELECT format('By one executor, from the start to the last close: %s transitions per second in the chain.',
              pg_temp.summary(array_agg(1e6 / nullif(value, 0))))
FROM unit
WHERE workflow = 'chain' AND metric = 'microseconds';
\qecho
\qecho '| | µs | executor''s CPU, µs | WAL, bytes | most private memory of the executor, kB |'
\qecho '|---|---|---|---|---|'
SELECT format('| %s | %s | %s | %s | %s |', title || coalesce(' ' || to_char(items, 'FM999,999,990'), ''),
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'microseconds')),
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'cpu')),
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'wal')),
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'kilobytes')))
FROM unit
    JOIN (VALUES
        (1, 'chain', 'a transition in 1,000 Pass and Choice states'),
        (2, 'map_orders', 'an item, one activity each, in a Map over'),
        (3, 'map_undoable', 'the same with a compensation each, over'),
        (4, 'map_undone', 'the same, all undone in the end, over'),
        (5, 'parallel', 'a branch, one activity each, of a Parallel of 50')) AS title (position, name, title) ON name = workflow
GROUP BY position, title, items
ORDER BY position, items;
\qecho
\qecho '| an item of so many, against one of the smallest Map | µs | CPU | WAL |'
\qecho '|---|---|---|---|'
SELECT format('| %s, %s | %s | %s | %s |', workflow, to_char(items, 'FM999,999,990'),
              pg_temp.summary(array_agg(value / of_few) FILTER (WHERE metric = 'microseconds')),
              pg_temp.summary(array_agg(value / of_few) FILTER (WHERE metric = 'cpu')),
              pg_temp.summary(array_agg(value / nullif(of_few, 0)) FILTER (WHERE metric = 'wal')))
FROM unit
WHERE items > (SELECT min(items) FROM unit)
GROUP BY workflow, items
ORDER BY workflow, items;
\endif

\if :has_outside
\qecho
\qecho '## Programs outside'
\qecho
\qecho '| order-4 | workflows/s | against (a) | commits per activity | commit records in the WAL | WAL per workflow, bytes |'
\qecho '|---|---|---|---|---|---|'
SELECT format('| %s | %s | %s | %s | %s | %s |', title,
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'rate')),
              pg_temp.summary(array_agg(value / naive) FILTER (WHERE metric = 'rate')),
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'commits')),
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'durable')),
              pg_temp.summary(array_agg(value) FILTER (WHERE metric = 'wal')))
FROM outside
    JOIN (VALUES
        (1, 'outside 1', '16 workers, 1 task at a time'),
        (2, 'outside 10', '8 workers, 10 at a time'),
        (3, 'outside 10, started alike', '8 workers, 10 at a time, orders started 10 at a time'),
        (4, 'outside 100', '4 workers, 100 at a time'),
        (5, 'outside 100, started alike', '4 workers, 100 at a time, orders started 100 at a time'),
        (6, 'controlled', '8 workers, 10 at a time, with limits that are never reached'),
        (7, 'queue 1', 'pgmq''s shape, 16 workers, 1 message at a time'),
        (8, 'queue 10', 'pgmq''s shape, 8 workers, 10 at a time'),
        (9, 'queue 100', 'pgmq''s shape, 4 workers, 100 at a time'),
        (10, 'naive-noop', '(a) naive, noop')) AS title (position, name, title) ON name = leg
GROUP BY position, title
ORDER BY position;
\qecho
\qecho '| ms | starts | p50 | p95 | p99 | max |'
\qecho '|---|---|---|---|---|---|'
SELECT format('| from the commit of a start to the return of a waiting poll | %s | %s | %s | %s | %s |', count(*),
              pg_temp.show(pg_temp.quantile(0.5, array_agg(value))), pg_temp.show(pg_temp.quantile(0.95, array_agg(value))),
              pg_temp.show(pg_temp.quantile(0.99, array_agg(value))), pg_temp.show(max(value)))
FROM outside
WHERE leg = 'pickup';
\qecho
SELECT format('Clock ticks of 64 workers who wait, in 10 s: %s by `CALL workflow.wait_for_activity`, %s by a poll that waits.',
              max(value) FILTER (WHERE leg = 'idle call'), max(value) FILTER (WHERE leg = 'idle poll'))
FROM outside
WHERE metric = 'ticks';
\qecho
SELECT format('Heartbeats per second on 1,000 tasks: %s one at a time by 16 workers, %s by `workflow.heartbeats` for 100 tasks by 4. '
              'The table''s size in kB, after every %s of the latter: %s.',
              pg_temp.summary(array_agg(value) FILTER (WHERE leg = 'heartbeats 1')),
              pg_temp.summary(array_agg(value) FILTER (WHERE leg = 'heartbeats 100' AND metric = 'rate')),
              pg_temp.show(max(value) FILTER (WHERE leg = 'heartbeats' AND metric = 'step')),
              string_agg((value / 1024)::int::text, ', ') FILTER (WHERE metric = 'bytes'))
FROM outside;
\qecho
SELECT format('Under a snapshot as old as the measurement, 8 workers with 10 tasks at a time did %s activities per second in the sixths of %s s.',
              string_agg(pg_temp.show(value), ', ' ORDER BY leg), (SELECT value FROM sample WHERE leg = 'snapshot' AND metric = 'seconds'))
FROM outside
WHERE leg ~ '^snapshot .';
\endif

\if :has_retention
\qecho
\qecho '## Retention'
\qecho
SELECT format('`CALL workflow.apply_retention()` empties a leaf with %s closed runs in %s s, while 16 clients start order-4 as fast as they can.',
              pg_temp.show(max(runs)), pg_temp.summary(array_agg(seconds)))
FROM retention;
\qecho
\qecho '| | runs closed/s | against before | longest start, ms |'
\qecho '|---|---|---|---|'
SELECT format('| %s | %s | %s | %s |', title, pg_temp.summary(array_agg(rate)), pg_temp.summary(array_agg(rate / before)),
              pg_temp.summary(array_agg(stall)))
FROM (SELECT 1 AS position, 'before' AS title, before AS rate, before, stall_before AS stall FROM retention
      UNION ALL SELECT 2, 'while it is emptied', during, before, stall_during FROM retention
      UNION ALL SELECT 3, 'in the 5 s after', after, before, NULL FROM retention) AS leg
GROUP BY position, title
ORDER BY position;
\endif

\if :has_baseline
\qecho
\qecho '## Against the build before'
\qecho
\qecho '| | workflows/s | before | ratio | executors'' CPU, µs | before | ratio | WAL, bytes | before |'
\qecho '|---|---|---|---|---|---|---|---|---|'
SELECT format('| %s, `%s` | %s | %s | %s | %s | %s | %s | %s | %s |', replace(workflow, '_', '-'), how,
              pg_temp.summary(array_agg(this) FILTER (WHERE metric = 'rate')),
              pg_temp.summary(array_agg(before) FILTER (WHERE metric = 'rate')),
              pg_temp.summary(array_agg(this / before) FILTER (WHERE metric = 'rate')),
              pg_temp.summary(array_agg(this) FILTER (WHERE metric = 'cpu')),
              pg_temp.summary(array_agg(before) FILTER (WHERE metric = 'cpu')),
              pg_temp.summary(array_agg(this / before) FILTER (WHERE metric = 'cpu')),
              pg_temp.summary(array_agg(this) FILTER (WHERE metric = 'wal')),
              pg_temp.summary(array_agg(before) FILTER (WHERE metric = 'wal')))
FROM build
GROUP BY workflow, how
ORDER BY workflow, how;
\endif
