/*
 * run_recall.c
 *		Ids of signals and updates that a chain of runs had been sent, known again when a reset brings the chain back.
 *
 * Their rows went when the chain was over; the histories of its runs have what they were.
 */
#include "postgres.h"

#include "machine/failure.h"
#include "store/run_internal.h"
#include "store/store.h"
#include "utils/builtins.h"

#define EVENTS_OF_CHAIN \
	"  FROM workflow.closed_execution c" \
	"  JOIN workflow.history_batch h ON h.shard_key = c.shard_key AND h.bucket = c.bucket AND h.run_id = c.run_id" \
	" CROSS JOIN LATERAL (SELECT h.event_types[n], h.attributes[n], h.event_times[n], h.first_event_id + n - 1" \
	"                       FROM pg_catalog.generate_subscripts(h.event_types, 1) AS n) AS e (type, attributes, at, event_id)" \
	" WHERE c.shard_key = $1 AND c.workflow_id = $2 AND c.chain_id = $3"

static OwStatement recall_signals = {
	.sql =
	"INSERT INTO workflow.signal_request (shard_key, chain_id, request_id, owner)"
	" SELECT c.shard_key, c.chain_id, e.attributes->>'request_id', c.owner"
	EVENTS_OF_CHAIN
	"   AND e.type = 'WorkflowExecutionSignaled' AND e.attributes ? 'request_id'"
	" ON CONFLICT DO NOTHING",
	.argument_types = "int,text,uuid"
};

/* The last that was heard of each.  One that was not taken failed when its run closed. */
static OwStatement recall_updates = {
	.sql =
	"WITH event AS (SELECT c.run_id, c.owner, c.started_at, e.*" EVENTS_OF_CHAIN
	"   AND e.type IN ('WorkflowExecutionUpdateAccepted', 'WorkflowExecutionUpdateCompleted'))"
	"INSERT INTO workflow.update_request"
	"       (shard_key, chain_id, update_id, run_id, owner, update, status, event_id, payload, result, failure, sent_at,"
	"        sent_by, settled_at)"
	" SELECT DISTINCT ON (a.attributes->>'update_id') $1, $3, a.attributes->>'update_id', a.run_id, a.owner,"
	"        a.attributes->>'update', CASE WHEN s.attributes ? 'result' THEN 'Completed' ELSE 'Failed' END, a.event_id,"
	"        coalesce(a.attributes->'payload', 'null'), s.attributes->'result',"
	"        CASE WHEN NOT s.attributes ? 'result'"
	"             THEN pg_catalog.jsonb_build_object('Error', s.attributes->'error', 'Cause', s.attributes->'cause')"
	"             WHEN s.attributes IS NULL"
	"             THEN pg_catalog.jsonb_build_object('Error', '" OW_ERROR_UPDATE_DROPPED "',"
	"                                                'Cause', '" OW_CAUSE_UPDATE_DROPPED "') END,"
	"        (a.attributes->>'sent_at')::timestamptz,"
	"        coalesce(pg_catalog.to_regrole(a.attributes->>'requested_by'), a.owner), coalesce(s.at, a.at)"
	"   FROM event a LEFT JOIN event s"
	"     ON s.run_id = a.run_id AND s.type = 'WorkflowExecutionUpdateCompleted'"
	"    AND s.attributes->>'update_id' = a.attributes->>'update_id'"
	"  WHERE a.type = 'WorkflowExecutionUpdateAccepted'"
	"  ORDER BY a.attributes->>'update_id', a.started_at DESC"
	" ON CONFLICT DO NOTHING",
	.argument_types = "int,text,uuid"
};

void
ow_run_recall(const OwLoadedRun *loaded)
{
	Datum		values[3] = {
		Int32GetDatum(loaded->run.shard_key), CStringGetTextDatum(loaded->run.workflow_id), UUIDPGetDatum(&loaded->chain_id)
	};

	ow_store_execute(&recall_signals, values, NULL);
	ow_store_execute(&recall_updates, values, NULL);
}
