-- awaited_text: what an Await state waits for: "any of: signal paid, after 60 s"
CREATE FUNCTION workflow.awaited_text(state jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT CASE WHEN state ? 'All' THEN 'all of: ' WHEN count(*) > 1 THEN 'any of: ' ELSE '' END
                   || string_agg(workflow.awaited_label(a.awaited), ', ' ORDER BY a.n)
            FROM jsonb_array_elements(coalesce(state->'Any', state->'All')) WITH ORDINALITY AS a (awaited, n));
COMMENT ON FUNCTION workflow.awaited_text(jsonb) IS 'What an Await state of a definition waits for';

-- explain_run: what a run is waiting for, for explain; no row when there is no such run, or the current user may
-- not see it
CREATE FUNCTION workflow.explain_run(run_id uuid)
    RETURNS TABLE (status text, state text, waiting_for text, since timestamptz, until timestamptz, moved_by text)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run      record;
    pool     record;
    branches record;
    activity text;
    failure  text;
    worker   text;
    problem  text; -- why that may take long
    taken_at timestamptz; -- when the worker took its task
    awaited  jsonb; -- what an Await state waits for
    held     text; -- the pause of a task queue, or of a fairness key, that keeps workers from the task
    put_off  text;
    circuit  text; -- of the activity's circuit breaker, unless that is closed
    halted   text; -- what is to be done first, when nothing runs for this owner
    replaced text; -- what is to be known of the activity's function
    engine   CONSTANT text := CASE workflow.engine_status()
                 WHEN 'Quarantined' THEN 'workflow.resume_engine(): this is a copy of another database'
                 WHEN 'Disabled' THEN 'order_workflow.enabled = on'
                 WHEN 'NotPreloaded' THEN 'order_workflow in shared_preload_libraries, and a restart'
                 WHEN 'Standby' THEN 'the promotion of this standby'
             END;
BEGIN
    SELECT * INTO run
    FROM workflow.readable_execution e
    WHERE e.shard_key = workflow.shard_key(explain_run.run_id) AND e.run_id = explain_run.run_id;
    IF NOT FOUND THEN
        SELECT c.status, c.state, 'nothing: the run is closed', c.closed_at,
               CASE WHEN c.compensations_failed THEN 'workflow.retry_compensation(): a compensation failed' END
        INTO status, state, waiting_for, since, moved_by
        FROM workflow.readable_closed_execution c
        WHERE c.shard_key = workflow.shard_key(explain_run.run_id) AND c.run_id = explain_run.run_id;
        IF FOUND THEN
            RETURN NEXT;
        END IF;
        RETURN;
    END IF;

    status := run.status;
    state := run.state;
    since := coalesce(run.entered_at, run.started_at);
    -- of a lease the run does not know until it is looked at next
    until := least(run.due_at, run.deadline,
                   (SELECT min(t.lease_until) FROM workflow.readable_task t
                    WHERE t.shard_key = run.shard_key AND t.run_id = run.run_id AND t.paused_at IS NULL
                      AND t.run_status <> 'Paused'));
    SELECT p.activity, CASE WHEN p.worker IS NULL THEN format('a worker of task queue "%s", to do', p.task_queue)
                            ELSE format('worker "%s", to answer for', p.worker) END, ': ' || p.problem, p.started_at
    INTO activity, worker, problem, taken_at
    FROM workflow.pending_activities p
    WHERE p.shard_key = run.shard_key AND p.run_id = run.run_id AND p.branch_id IS NULL;
    SELECT concat(h.what, ' is paused', ' until ' || nullif(h.paused_until, 'infinity'), ': ' || h.pause_reason) INTO held
    FROM workflow.readable_task t
    CROSS JOIN LATERAL (
        SELECT format('task queue "%s"', f.task_queue), f.paused_until, f.pause_reason
        FROM workflow.readable_task_queue f
        WHERE f.task_queue = t.task_queue AND f.owner = t.owner
        UNION ALL
        SELECT format('fairness key "%s"', k.fairness_key), k.paused_until, k.pause_reason
        FROM workflow.readable_task_queue_key k
        WHERE k.task_queue = t.task_queue AND k.owner = t.owner AND k.fairness_key = t.fairness_key) h (what, paused_until, pause_reason)
    WHERE t.shard_key = run.shard_key AND t.run_id = run.run_id AND t.branch_id IS NULL AND t.worker IS NULL
      AND h.paused_until > workflow.now()
    ORDER BY h.paused_until DESC
    LIMIT 1;
    SELECT format('the circuit breaker of activity "%s", which is %s, to let an attempt through', activity,
                  CASE s.state WHEN 'Open' THEN 'open' ELSE 'half-open' END)
    INTO circuit
    FROM workflow.circuit_breakers s (name)
    WHERE s.name = activity AND s.state <> 'Closed';
    SELECT sum(b.n) FILTER (WHERE b.state IS NOT NULL) AS running, sum(b.n) FILTER (WHERE b.state IS NULL) AS ended,
           string_agg(format('%s in "%s" (%s)', b.n, b.state, b.phase), ', ' ORDER BY b.n DESC, b.state)
               FILTER (WHERE b.state IS NOT NULL) AS states,
           sum(b.paused) AS paused,
           min(b.due_at) AS due_at, bool_or(b.phase IN ('Callback', 'Queued', 'CompensateQueued')) AS asked
    INTO branches
    FROM (SELECT r.state, r.phase, count(*) AS n, count(r.paused_at) AS paused, min(r.due_at) AS due_at
          FROM workflow.readable_branch r
          WHERE r.shard_key = run.shard_key AND r.run_id = run.run_id
          GROUP BY r.state, r.phase) b;
    until := least(until, branches.due_at);
    SELECT format('; its function %s was replaced after the activity was registered', a.function) INTO replaced
    FROM workflow.activities a
    WHERE a.name = activity AND a.current_hash <> a.function_hash;
    SELECT * INTO pool FROM workflow.pool_stats() p WHERE p.role = run.owner;
    halted := coalesce(engine, 'a mended role: ' || pool.parked_reason);

    IF run.status = 'Stuck' AND NOT run.has_messages THEN
        waiting_for := concat_ws(': ', 'somebody to mend it', run.stuck->>'Error', run.stuck->>'Cause');
        moved_by := CASE run.stuck->>'Error'
                        WHEN 'OW.ActivityNotRegistered' THEN 'workflow.register_activity(), then workflow.retry()'
                        WHEN 'OW.NoLease' THEN
                            'workflow.register_activity() with a timeout, then workflow.retry()'
                        WHEN 'OW.ActivityQuarantined' THEN
                            'a repaired function, workflow.release_activity(), then workflow.retry()'
                        ELSE 'workflow.retry(), with a repaired version of the workflow if need be'
                    END;
    ELSIF run.status = 'Paused' AND NOT run.has_messages THEN
        waiting_for := concat('somebody to resume it: paused by ' || run.run_paused_by, ': ' || run.run_pause_reason);
        since := run.run_paused_at;
        until := NULL;
        moved_by := 'workflow.resume(), or workflow.terminate()';
    ELSIF run.ready OR run.has_messages THEN
        waiting_for := concat('an executor of role ', run.owner, ', to run activity "' || activity || '"', replaced);
        IF run.phase IN ('Activity', 'Compensate') AND run.attempt = 1 THEN
            since := coalesce(run.scheduled_at, since);
        END IF;
        moved_by := CASE
                        WHEN halted IS NOT NULL THEN halted
                        WHEN pool.executors > 0 THEN
                            format('one of its executors (%s), which have runs to do (%s)', pool.executors, pool.ready)
                        ELSE 'an executor, which will start'
                    END;
    ELSE
        IF run.phase = 'Await' THEN
            SELECT coalesce(s.state->'Any', s.state->'All') INTO awaited
            FROM workflow.definition_state(run.definition, run.state) s (state);
        END IF;
        failure := concat_ws(': ', format('"%s", after attempt %s failed', activity, run.attempt),
                             run.last_failure->>'Error', run.last_failure->>'Cause');
        put_off := format('the next attempt of activity "%s", which its circuit breaker has put off', activity);
        waiting_for := CASE run.phase
                           WHEN 'New' THEN 'its delayed start'
                           WHEN 'Enter' THEN 'its delayed start'
                           WHEN 'Wait' THEN 'the end of its wait'
                           WHEN 'Await' THEN workflow.awaited_text(workflow.definition_state(run.definition, run.state))
                           WHEN 'Backoff' THEN 'the next attempt of activity ' || failure
                           WHEN 'CompensateBackoff' THEN 'the next attempt of compensating activity ' || failure
                           WHEN 'Callback' THEN format('an answer to the task token of activity "%s"', activity)
                           WHEN 'CircuitOpen' THEN coalesce(circuit, put_off)
                           WHEN 'CompensateCircuitOpen' THEN coalesce(circuit, put_off)
                           WHEN 'Queued' THEN
                               concat(format('%s activity "%s"', worker, activity), problem, '; and for ' || circuit, '; ' || held)
                           WHEN 'CompensateQueued' THEN
                               concat(format('%s compensating activity "%s"', worker, activity), problem, '; and for ' || circuit,
                                      '; ' || held)
                           WHEN 'Request' THEN
                               CASE WHEN run.request->>'workflow' IS NULL THEN format('an answer for workflow id "%s"', run.request->>'workflow_id')
                                    WHEN run.request ? 'started' THEN
                                        format('child workflow "%s" (%s), to %s', run.request->>'workflow_id', run.request->>'workflow',
                                               CASE WHEN run.request ? 'cancel_requested' THEN 'be canceled' ELSE 'close' END)
                                    ELSE format('child workflow "%s" (%s), to start', run.request->>'workflow_id', run.request->>'workflow') END
                           WHEN 'Branches' THEN concat(branches.running, CASE branches.running WHEN 1 THEN ' branch: ' ELSE ' branches: ' END,
                                                       branches.states, '; ' || branches.ended || ' more ended')
                           ELSE 'its next transition'
                       END;
        IF run.phase IN ('Backoff', 'CompensateBackoff', 'CircuitOpen', 'CompensateCircuitOpen') THEN
            waiting_for := waiting_for || coalesce(replaced, '');
        END IF;
        since := coalesce(taken_at, since);
        IF run.paused_at IS NOT NULL THEN
            waiting_for := concat(format('activity "%s", paused by %s', activity, run.paused_by), ': ' || run.pause_reason);
            since := run.paused_at;
        ELSIF branches.paused > 0 THEN
            waiting_for := concat(waiting_for, '; paused: ', branches.paused);
        END IF;
        moved_by := coalesce(halted, concat_ws(', or ',
            CASE WHEN run.paused_at IS NOT NULL OR branches.paused > 0 THEN 'workflow.resume_activity()' END,
            CASE WHEN held IS NOT NULL THEN 'workflow.resume_task_queue()' END,
            CASE WHEN run.phase IN ('Callback', 'Queued', 'CompensateQueued') OR branches.asked THEN 'workflow.complete_activity()' END,
            CASE WHEN awaited @? '$[*].Signal' THEN 'workflow.signal()' END,
            CASE WHEN awaited @? '$[*].Update' THEN 'workflow.update()' END,
            CASE WHEN run.request ? 'started' THEN 'its child: ask workflow.explain() of that' END,
            CASE WHEN until IS NOT NULL THEN 'time' END,
            CASE WHEN NOT run.cancel_requested THEN 'workflow.cancel()' END));
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION workflow.explain_run(uuid) IS 'What a run is waiting for: no row when there is none';

-- explain: what a run is waiting for
--   run_id       the run
--   workflow_id  in the other form: its open run, else its latest
-- One row: where the run stands; what it is waiting for, since when; until when at the latest (NULL: for ever;
-- its deadline counts); and what would move it.
-- Raises OW005 when there is no such run, or the current user may not see it.
CREATE FUNCTION workflow.explain(
    run_id uuid, OUT status text, OUT state text, OUT waiting_for text, OUT since timestamptz,
    OUT until timestamptz, OUT moved_by text)
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'ow_explain_run';
COMMENT ON FUNCTION workflow.explain(uuid) IS
    'What a run is waiting for, since when, until when, and what would move it';

CREATE FUNCTION workflow.explain(
    workflow_id text, OUT status text, OUT state text, OUT waiting_for text, OUT since timestamptz,
    OUT until timestamptz, OUT moved_by text)
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'ow_explain_workflow';
COMMENT ON FUNCTION workflow.explain(text) IS 'What a workflow id''s open run, else its latest, is waiting for';
