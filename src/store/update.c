/*
 * update.c
 *		Updates by their ids: rows while their chain of runs is open, history after that.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/clock.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/store.h"
#include "store/update.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static OwStatement insert_update = {
	.sql =
	"INSERT INTO workflow.update_request"
	"       (shard_key, chain_id, update_id, run_id, owner, update, status, payload, sent_at, sent_by)"
	" VALUES ($1, $2, $3, $4, $5, $6, 'Sent', $7, $8, $9) ON CONFLICT DO NOTHING",
	.argument_types = "int,uuid,text,uuid,regrole,text,jsonb,timestamptz,regrole"
};

static OwStatement find_update = {
	.sql =
	"SELECT update, status, result, failure, xmin FROM workflow.update_request"
	" WHERE shard_key = $1 AND chain_id = $2 AND update_id = $3",
	.argument_types = "int,uuid,text"
};

/* The last event about it; a chain that is over has the whole history of its runs. */
static OwStatement find_event = {
	.sql =
	"SELECT h.attributes[i.n]"
	"  FROM workflow.closed_execution c"
	"  JOIN workflow.history_batch h ON h.shard_key = c.shard_key AND h.bucket = c.bucket AND h.run_id = c.run_id"
	" CROSS JOIN LATERAL pg_catalog.generate_subscripts(h.event_types, 1) AS i (n)"
	" WHERE c.shard_key = $1 AND c.workflow_id = $2 AND c.chain_id = $3"
	"   AND h.event_types[i.n] IN ('WorkflowExecutionUpdateAccepted', 'WorkflowExecutionUpdateCompleted')"
	"   AND h.attributes[i.n]->>'update_id' = $4"
	" ORDER BY c.started_at DESC, h.first_event_id + i.n DESC LIMIT 1",
	.argument_types = "int,text,uuid,text"
};

bool
ow_update_note(const OwFoundRun *run, const char *update_id, const char *name, Jsonb *payload)
{
	Datum		values[9] = {
		Int32GetDatum(run->ref.shard_key), UUIDPGetDatum(&run->chain_id), CStringGetTextDatum(update_id),
		UUIDPGetDatum(&run->ref.run_id), ObjectIdGetDatum(run->owner), CStringGetTextDatum(name),
		JsonbPGetDatum(payload), TimestampTzGetDatum(ow_clock_now()), ObjectIdGetDatum(GetUserId())
	};
	bool		noted;

	ow_store_open();
	noted = ow_store_execute(&insert_update, values, NULL) > 0;
	ow_store_close();
	return noted;
}

static OwSentUpdateStatus
status_of(const char *name)
{
	if (strcmp(name, "Completed") == 0)
		return OW_SENT_COMPLETED;
	if (strcmp(name, "Rejected") == 0)
		return OW_SENT_REJECTED;
	return strcmp(name, "Failed") == 0 ? OW_SENT_FAILED : OW_SENT_PENDING;
}

static OwSentUpdate
read_row(void)
{
	OwSentUpdate update = {
		.name = ow_store_text(0, 1),
		.status = status_of(ow_store_text(0, 2)),
		.result = ow_store_jsonb(0, 3),
		.failure = ow_store_jsonb(0, 4)
	};
	bool		isnull;

	update.uncommitted = update.status == OW_SENT_PENDING &&
		TransactionIdIsCurrentTransactionId(DatumGetTransactionId(ow_store_datum(0, 5, &isnull)));
	return update;
}

static Jsonb *
failure_of(const Jsonb *event)
{
	char	   *error = ow_json_get_string(event, "error");
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Error", error ? error : OW_ERROR_UPDATE_DROPPED);
	ow_object_add_text(&object, "Cause", error ? ow_json_get_string(event, "cause") :
					   OW_CAUSE_UPDATE_DROPPED);
	return ow_object_end(&object);
}

/* Accepted only, by a run that has closed: nothing took it. */
static OwSentUpdate
read_event(const Jsonb *event)
{
	OwSentUpdate update = {
		.name = ow_json_get_string(event, "update"),
		.result = ow_json_get(event, "result")
	};

	update.status = update.result ? OW_SENT_COMPLETED : OW_SENT_FAILED;
	if (update.result == NULL)
		update.failure = failure_of(event);
	return update;
}

static OwSentUpdate
find_row(const OwFoundRun *run, const char *update_id)
{
	OwSentUpdate update = {OW_SENT_UNKNOWN};
	Datum		values[3] = {
		Int32GetDatum(run->ref.shard_key), UUIDPGetDatum(&run->chain_id), CStringGetTextDatum(update_id)
	};

	ow_store_open();
	if (ow_store_execute(&find_update, values, NULL) > 0)
		update = read_row();
	ow_store_close();
	return update;
}

static OwSentUpdate
find_in_history(const OwFoundRun *run, const char *update_id)
{
	Jsonb	   *event = NULL;
	Datum		values[4] = {
		Int32GetDatum(run->ref.shard_key), CStringGetTextDatum(run->workflow_id), UUIDPGetDatum(&run->chain_id),
		CStringGetTextDatum(update_id)
	};

	ow_store_open();
	if (ow_store_execute(&find_event, values, NULL) > 0)
		event = ow_store_jsonb(0, 1);
	ow_store_close();
	return event ? read_event(event) : (OwSentUpdate) {OW_SENT_UNKNOWN};
}

/* A row that is pending may be of a chain that is over by now, if it was committed too late. */
OwSentUpdate
ow_update_find(const OwFoundRun *run, const char *update_id)
{
	OwSentUpdate update = find_row(run, update_id);
	OwFoundRun *last;

	if (update.status != OW_SENT_UNKNOWN && update.status != OW_SENT_PENDING)
		return update;
	last = ow_find_continuation(run);
	return last != NULL && last->open ? update : find_in_history(run, update_id);
}
