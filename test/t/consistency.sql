-- What is wrong with the runs of a database, for tests to find that nothing is:
--
--     SELECT * FROM pg_temp.faults();
--
-- Each run's history has its events once, without a gap, and leads to the run's state; a closed run's ends
-- with its close, and nothing is left of it to be done.  For the owner of the extension.

-- What a row says of a run's state, as far as history tells.
CREATE FUNCTION pg_temp.stored_state(wanted uuid) RETURNS jsonb LANGUAGE sql AS $$
	SELECT to_jsonb(e) - '{ready,crashes,deadline_timer,updates}'::text[] ||
		-- Opened again, but no transition has taken that in yet.
		CASE WHEN e.phase = 'Closed' THEN jsonb_build_object('status', e.outcome->'Status') ELSE '{}' END
	FROM workflow.execution e WHERE e.run_id = wanted
	UNION ALL
	SELECT to_jsonb(c) - '{closed_at,events,output,error,cause,public_error,machine,next_run_id}'::text[] ||
		jsonb_build_object(
			'phase', 'Closed', 'next_event_id', c.events + 1,
			'outcome', jsonb_strip_nulls(jsonb_build_object('Status', c.status, 'Error', c.error,
				'Cause', c.cause, 'PublicError', c.public_error)) ||
				CASE WHEN c.output IS NULL THEN '{}' ELSE jsonb_build_object('Output', c.output) END)
	FROM workflow.closed_execution c WHERE c.run_id = wanted
$$;

-- How what history leads to differs from that; NULL if it does not.
CREATE FUNCTION pg_temp.difference(wanted uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	stored jsonb := pg_temp.stored_state(wanted);
	rebuilt jsonb;
	why text;
BEGIN
	rebuilt := to_jsonb(workflow.rebuild_state(wanted));
	IF NOT EXISTS (SELECT FROM workflow.execution e WHERE e.run_id = wanted) THEN
		rebuilt := rebuilt #- '{outcome,NonRetryable}';	-- decided whether it was retried
	END IF;
	RETURN string_agg(format('%s is %s, by history %s', key, value, rebuilt->key), '; ' ORDER BY key)
	FROM jsonb_each(stored) WHERE value IS DISTINCT FROM rebuilt->key;
EXCEPTION WHEN data_corrupted THEN
	GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
	RETURN why;
END $$;

-- Joins of everything: compiling them takes longer than all else.
CREATE FUNCTION pg_temp.faults() RETURNS TABLE (workflow_id text, fault text) LANGUAGE sql SET jit = off AS $$
	SELECT r.workflow_id, difference
	FROM workflow.executions r CROSS JOIN LATERAL (SELECT pg_temp.difference(r.run_id) OFFSET 0) d (difference)
	WHERE difference IS NOT NULL
	UNION ALL
	SELECT r.workflow_id, format('%s events, numbered from %s to %s', count(*), min(event_id), max(event_id))
	FROM workflow.executions r JOIN workflow.history h USING (run_id)
	GROUP BY r.workflow_id, r.run_id
	HAVING (count(*), count(DISTINCT event_id), min(event_id)) <> (max(event_id), max(event_id), 1)
	UNION ALL
	SELECT r.workflow_id, format('%s, but its last event is %s', r.status, last.event_type)
	FROM workflow.executions r
	JOIN LATERAL (SELECT h.event_type FROM workflow.history h WHERE h.run_id = r.run_id
		ORDER BY h.event_id DESC LIMIT 1) last ON true
	WHERE r.closed_at IS NOT NULL AND last.event_type <> 'WorkflowExecution' || r.status
	UNION ALL
	SELECT t.run_id::text, 'a timer is left over' FROM workflow.timer t
	WHERE NOT EXISTS (SELECT FROM workflow.execution e WHERE e.run_id = t.run_id)
		AND NOT EXISTS (SELECT FROM workflow.schedule s WHERE s.schedule_id = t.run_id)
	UNION ALL
	SELECT run_id::text, 'a branch, its output or a task is left over'
	FROM (SELECT run_id FROM workflow.branch UNION SELECT run_id FROM workflow.branch_output
		UNION SELECT run_id FROM workflow.activity_task) child
	WHERE NOT EXISTS (SELECT FROM workflow.execution e WHERE e.run_id = child.run_id)
	UNION ALL
	SELECT u.run_id::text, 'an update is left over' FROM workflow.update_request u
	WHERE NOT EXISTS (SELECT FROM workflow.execution e WHERE e.chain_id = u.chain_id)
	UNION ALL
	SELECT c.child_workflow_id, 'a child is left over' FROM workflow.child c
	WHERE NOT EXISTS (SELECT FROM workflow.execution e WHERE e.shard_key = c.shard_key AND e.chain_id = c.chain_id)
	UNION ALL
	SELECT c.run_id::text, 'a compensation is left over' FROM workflow.compensation c
	WHERE c.status = 'Recorded' AND NOT EXISTS (SELECT FROM workflow.execution e WHERE e.run_id = c.run_id)
$$;
