/*
 * run_signal.c
 *		Signals that a run has taken in and no Await state has consumed: a row for each.
 */
#include "postgres.h"

#include "machine/json.h"
#include "store/run_internal.h"
#include "store/run_row.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static OwStatement read_signals = {
	.sql = "SELECT * FROM workflow.signal WHERE shard_key = $1 AND run_id = $2 ORDER BY event_id",
	.argument_types = "int,uuid"
};

static OwStatement write_signals = {
	.sql = "INSERT INTO workflow.signal SELECT * FROM unnest($1)",
	.argument_types = "workflow.signal[]"
};

static OwStatement delete_signal = {
	.sql = "DELETE FROM workflow.signal WHERE shard_key = $1 AND run_id = $2 AND event_id = $3",
	.argument_types = "int,uuid,int"
};

static OwStatement delete_signals = {
	.sql = "DELETE FROM workflow.signal WHERE shard_key = $1 AND run_id = $2",
	.argument_types = "int,uuid"
};

static OwStatement delete_requests = {
	.sql = "DELETE FROM workflow.signal_request WHERE shard_key = $1 AND chain_id = $2",
	.argument_types = "int,uuid"
};

static void
key_values(const OwLoadedRun *loaded, Datum *values)
{
	values[0] = Int32GetDatum(loaded->run.shard_key);
	values[1] = UUIDPGetDatum(&loaded->run.run_id);
}

/* The store counts columns from 1. */
static OwBufferedSignal *
read_signal(uint64 row)
{
	OwBufferedSignal *signal = palloc0(sizeof(OwBufferedSignal));

	signal->event_id = ow_store_int(row, SIGNAL_EVENT_ID + 1);
	signal->name = ow_store_text(row, SIGNAL_SIGNAL + 1);
	signal->payload = ow_store_jsonb(row, SIGNAL_PAYLOAD + 1);
	signal->sent_at = ow_store_time(row, SIGNAL_SENT_AT + 1);
	signal->sent_by = ow_store_text(row, SIGNAL_SENT_BY + 1);
	signal->update_id = ow_store_text(row, SIGNAL_UPDATE_ID + 1);
	signal->stored = true;
	return signal;
}

void
ow_signals_load(List *runs, MemoryContext context)
{
	ListCell   *cell;

	foreach(cell, runs)
	{
		OwLoadedRun *loaded = lfirst(cell);
		Datum		values[2];
		MemoryContext previous;
		uint64		count;

		if (loaded->stored_signals == 0)
			continue;
		key_values(loaded, values);
		count = ow_store_execute(&read_signals, values, NULL);
		previous = MemoryContextSwitchTo(context);
		for (uint64 row = 0; row < count; row++)
			loaded->run.signals = lappend(loaded->run.signals, read_signal(row));
		MemoryContextSwitchTo(previous);
	}
}

static Datum
signal_row(const OwLoadedRun *loaded, const OwBufferedSignal *signal)
{
	OwRow		row;

	memset(&row, 0, sizeof(row));
	ow_row_set(&row, SIGNAL_SHARD_KEY, Int32GetDatum(loaded->run.shard_key));
	ow_row_set(&row, SIGNAL_RUN_ID, UUIDPGetDatum(&loaded->run.run_id));
	ow_row_set(&row, SIGNAL_EVENT_ID, Int32GetDatum(signal->event_id));
	ow_row_set(&row, SIGNAL_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set_text(&row, SIGNAL_SIGNAL, signal->name);
	ow_row_set_json(&row, SIGNAL_PAYLOAD, signal->payload);
	ow_row_set_time(&row, SIGNAL_SENT_AT, signal->sent_at);
	ow_row_set_text(&row, SIGNAL_SENT_BY, signal->sent_by);
	ow_row_set_text(&row, SIGNAL_UPDATE_ID, signal->update_id);
	return ow_store_row("signal", row.values, row.nulls);
}

/* Others of the chain may have had some. */
static bool
may_have_requests(const OwLoadedRun *loaded)
{
	ListCell   *cell;

	if (loaded->run.signal_requests || memcmp(&loaded->chain_id, &loaded->run.run_id, UUID_LEN) != 0)
		return true;
	foreach(cell, loaded->messages)
	{
		if (((const OwMessage *) lfirst(cell))->kind == OW_INPUT_SIGNAL)
			return true;
	}
	return false;
}

/* The run has closed: what it did not consume goes with it, or along with its next run. */
static void
forget_signals(const OwLoadedRun *loaded, Datum *values)
{
	if (loaded->stored_signals > 0)
		ow_store_execute(&delete_signals, values, NULL);
	if (ow_run_has_successor(loaded) || !may_have_requests(loaded))
		return;
	values[1] = UUIDPGetDatum(&loaded->chain_id);
	ow_store_execute(&delete_requests, values, NULL);
}

static void
flush_signals(const OwLoadedRun *loaded, OwRows *rows)
{
	Datum		values[3];
	ListCell   *cell;

	key_values(loaded, values);
	if (loaded->run.token.phase == OW_PHASE_CLOSED)
	{
		forget_signals(loaded, values);
		return;
	}
	foreach(cell, loaded->run.consumed_signals)
	{
		values[2] = Int32GetDatum(lfirst_int(cell));
		ow_store_execute(&delete_signal, values, NULL);
	}
	foreach(cell, loaded->run.signals)
	{
		const OwBufferedSignal *signal = lfirst(cell);

		if (!signal->stored)
			ow_rows_add(rows, signal_row(loaded, signal));
	}
}

void
ow_signals_flush(List *runs)
{
	OwRows		rows = {0};
	ListCell   *cell;

	foreach(cell, runs)
		flush_signals(lfirst(cell), &rows);
	ow_rows_write(&write_signals, "signal", &rows);
}
