/*
 * run_update.c
 *		What has become of updates, written with the run that took them in.
 *
 * Their rows are those of the chain of runs, by the ids of the updates, and have been inserted when they were sent
 * (update.c).  They go when the last run of the chain closes: history has what was accepted.
 */
#include "postgres.h"

#include "store/run_internal.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* The row is there, but for a chain that a reset brings back. */
static OwStatement settle_update = {
	.sql =
	"INSERT INTO workflow.update_request AS u"
	"       (shard_key, chain_id, update_id, run_id, owner, update, status, event_id, payload, result, failure, sent_at,"
	"        sent_by, settled_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, coalesce(pg_catalog.to_regrole($13), $5), $14)"
	" ON CONFLICT (shard_key, chain_id, update_id) DO UPDATE"
	"   SET status = excluded.status, run_id = excluded.run_id, event_id = excluded.event_id,"
	"       result = excluded.result, failure = excluded.failure, settled_at = excluded.settled_at",
	.argument_types = "int,uuid,text,uuid,regrole,text,text,int,jsonb,jsonb,jsonb,timestamptz,text,timestamptz"
};

static OwStatement delete_updates = {
	.sql = "DELETE FROM workflow.update_request WHERE shard_key = $1 AND chain_id = $2",
	.argument_types = "int,uuid"
};

static void
settle(const OwLoadedRun *loaded, const OwUpdateOutcome *outcome)
{
	const OwBufferedSignal *update = outcome->update;
	Datum		values[14] = {
		Int32GetDatum(loaded->run.shard_key), UUIDPGetDatum(&loaded->chain_id), CStringGetTextDatum(outcome->update_id),
		UUIDPGetDatum(&loaded->run.run_id), ObjectIdGetDatum(loaded->owner), CStringGetTextDatum(update->name),
		CStringGetTextDatum(ow_update_status_name(outcome->status)), Int32GetDatum(outcome->event_id),
		JsonbPGetDatum(update->payload), JsonbPGetDatum(outcome->result), JsonbPGetDatum(outcome->failure),
		TimestampTzGetDatum(update->sent_at), CStringGetTextDatum(update->sent_by ? update->sent_by : ""),
		TimestampTzGetDatum(outcome->time)
	};
	char		nulls[14];

	memset(nulls, ' ', sizeof(nulls));
	if (outcome->event_id == 0)
		nulls[7] = 'n';
	if (outcome->result == NULL)
		nulls[9] = 'n';
	if (outcome->failure == NULL)
		nulls[10] = 'n';
	if (update->sent_by == NULL)
		nulls[12] = 'n';
	if (outcome->status == OW_UPDATE_ACCEPTED)
		nulls[13] = 'n';
	ow_store_execute(&settle_update, values, nulls);
}

/* Others of the chain may have had some. */
static bool
may_have_updates(const OwLoadedRun *loaded)
{
	ListCell   *cell;

	if (loaded->updates || memcmp(&loaded->chain_id, &loaded->run.run_id, UUID_LEN) != 0)
		return true;
	foreach(cell, loaded->messages)
	{
		if (((const OwMessage *) lfirst(cell))->kind == OW_INPUT_UPDATE)
			return true;
	}
	return false;
}

static void
forget(const OwLoadedRun *loaded)
{
	Datum		values[2] = {Int32GetDatum(loaded->run.shard_key), UUIDPGetDatum(&loaded->chain_id)};

	if (may_have_updates(loaded))
		ow_store_execute(&delete_updates, values, NULL);
}

void
ow_updates_flush(List *runs)
{
	ListCell   *cell;

	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);
		ListCell   *inner;

		if (loaded->run.token.phase == OW_PHASE_CLOSED && !ow_run_has_successor(loaded))
		{
			forget(loaded);
			continue;
		}
		foreach(inner, loaded->run.update_outcomes)
			settle(loaded, lfirst(inner));
	}
}
