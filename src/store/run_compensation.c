/*
 * run_compensation.c
 *		What undoes a run: recorded compensations, read as far as they are needed and written back.
 *
 * A run may have recorded many of them (a Map one per item), and is loaded again and again: so none is
 * read with it.  The machine asks for them, the last ones first.
 */
#include "postgres.h"

#include "machine/json.h"
#include "store/run_internal.h"
#include "store/run_row.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* How many are read at a time: many more would hardly be undone within one transaction. */
#define PAGE 500

#define OF_RUN " WHERE shard_key = $1 AND bucket = $2 AND run_id = $3"

static OwStatement read_last = {
	.sql =
	"SELECT * FROM workflow.compensation" OF_RUN " AND sequence <= $4 AND status = 'Recorded'"
	" ORDER BY sequence DESC LIMIT $5",
	.argument_types = "int,int2,uuid,int,int"
};

static OwStatement read_all = {
	.sql = "SELECT * FROM workflow.compensation" OF_RUN " ORDER BY sequence",
	.argument_types = "int,int2,uuid"
};

static OwStatement find_failed = {
	.sql = "SELECT FROM workflow.compensation" OF_RUN " AND status = 'Failed' LIMIT 1",
	.argument_types = "int,int2,uuid"
};

static OwStatement write_compensations = {
	.sql =
	"INSERT INTO workflow.compensation SELECT * FROM unnest($1)"
	" ON CONFLICT (shard_key, bucket, run_id, sequence) DO UPDATE"
	" SET status = excluded.status, attempts = excluded.attempts, closed_at = excluded.closed_at,"
	"     compensates = excluded.compensates, failure = excluded.failure",
	.argument_types = "workflow.compensation[]"
};

static OwStatement delete_dropped = {
	.sql = "DELETE FROM workflow.compensation" OF_RUN " AND sequence = $4",
	.argument_types = "int,int2,uuid,int"
};

static OwStatement delete_recorded = {
	.sql = "DELETE FROM workflow.compensation" OF_RUN " AND status = 'Recorded'",
	.argument_types = "int,int2,uuid"
};

static void
key_values(const OwLoadedRun *loaded, Datum *values)
{
	values[0] = Int32GetDatum(loaded->run.shard_key);
	values[1] = Int16GetDatum(loaded->bucket);
	values[2] = UUIDPGetDatum(&loaded->run.run_id);
}

/* ---- loading ---- */

static OwRecordedCompensation *
read_compensation(uint64 row)
{
	OwRecordedCompensation *compensation = palloc0(sizeof(OwRecordedCompensation));

	compensation->sequence = ow_store_int(row, 1 + COMPENSATION_SEQUENCE);
	compensation->branch = ow_store_text(row, 1 + COMPENSATION_BRANCH);
	compensation->state = ow_store_text(row, 1 + COMPENSATION_STATE);
	compensation->activity = ow_store_text(row, 1 + COMPENSATION_ACTIVITY);
	compensation->status = ow_compensation_status_from_name(ow_store_text(row, 1 + COMPENSATION_STATUS));
	compensation->attempts = ow_store_int(row, 1 + COMPENSATION_ATTEMPTS);
	compensation->recorded_at = ow_store_time(row, 1 + COMPENSATION_RECORDED_AT);
	compensation->closed_at = ow_store_time(row, 1 + COMPENSATION_CLOSED_AT);
	compensation->input = ow_store_jsonb(row, 1 + COMPENSATION_INPUT);
	compensation->compensates = ow_store_jsonb(row, 1 + COMPENSATION_COMPENSATES);
	compensation->failure = ow_store_jsonb(row, 1 + COMPENSATION_FAILURE);
	compensation->stored = true;
	return compensation;
}

/* In a section of its own: a run that is being driven asks for them. */
void
ow_run_load_compensations(OwLoadedRun *loaded)
{
	OwRun	   *run = &loaded->run;
	MemoryContext context = CurrentMemoryContext;
	List	   *page = NIL;
	Datum		values[5];
	uint64		count;

	key_values(loaded, values);
	values[3] = Int32GetDatum(run->unloaded_compensations);
	values[4] = Int32GetDatum(PAGE);
	ow_store_open();
	count = ow_store_execute(&read_last, values, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 row = count; row > 0; row--)
		page = lappend(page, read_compensation(row - 1));
	ow_store_close();
	MemoryContextSwitchTo(context);
	run->unloaded_compensations = count < PAGE ? 0 : ((OwRecordedCompensation *) linitial(page))->sequence - 1;
	run->compensations = list_concat(page, run->compensations);
}

static bool
recalls_failed(const OwLoadedRun *loaded)
{
	ListCell   *cell;

	foreach(cell, loaded->messages)
	{
		if (((const OwMessage *) lfirst(cell))->kind == OW_INPUT_RETRY_COMPENSATIONS)
			return true;
	}
	return false;
}

/* All of them: the failed ones are to run again, in their order among the others. */
static void
load_all(OwLoadedRun *loaded, MemoryContext context)
{
	OwRun	   *run = &loaded->run;
	Datum		values[3];
	uint64		count;
	MemoryContext previous;

	key_values(loaded, values);
	count = ow_store_execute(&read_all, values, NULL);
	previous = MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < count; row++)
	{
		OwRecordedCompensation *compensation = read_compensation(row);

		if (compensation->status == OW_COMPENSATION_RECORDED)
			run->compensations = lappend(run->compensations, compensation);
		else
			run->ended_compensations = lappend(run->ended_compensations, compensation);
	}
	MemoryContextSwitchTo(previous);
	run->unloaded_compensations = 0;
}

void
ow_compensations_load(List *runs, MemoryContext context)
{
	ListCell   *cell;

	foreach(cell, runs)
	{
		if (recalls_failed(lfirst(cell)))
			load_all(lfirst(cell), context);
	}
}

/* ---- writing back ---- */

/* Has a compensation of the run, which closes, failed? */
bool
ow_compensations_failed(const OwLoadedRun *loaded)
{
	Datum		values[3];
	ListCell   *cell;

	foreach(cell, loaded->run.ended_compensations)
	{
		if (((const OwRecordedCompensation *) lfirst(cell))->status == OW_COMPENSATION_FAILED)
			return true;
	}
	if (loaded->stored_compensation == 0)
		return false;
	key_values(loaded, values);
	return ow_store_execute(&find_failed, values, NULL) > 0;
}

static Datum
compensation_row(const OwLoadedRun *loaded, const OwRecordedCompensation *compensation)
{
	OwRow		row;

	memset(&row, 0, sizeof(row));
	ow_row_set(&row, COMPENSATION_SHARD_KEY, Int32GetDatum(loaded->run.shard_key));
	ow_row_set(&row, COMPENSATION_BUCKET, Int16GetDatum(loaded->bucket));
	ow_row_set(&row, COMPENSATION_RUN_ID, UUIDPGetDatum(&loaded->run.run_id));
	ow_row_set(&row, COMPENSATION_SEQUENCE, Int32GetDatum(compensation->sequence));
	ow_row_set(&row, COMPENSATION_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set(&row, COMPENSATION_STARTED_BY, ObjectIdGetDatum(loaded->started_by));
	ow_row_set_text(&row, COMPENSATION_BRANCH, compensation->branch);
	ow_row_set_text(&row, COMPENSATION_STATE, compensation->state);
	ow_row_set_text(&row, COMPENSATION_ACTIVITY, compensation->activity);
	ow_row_set_text(&row, COMPENSATION_STATUS, ow_compensation_status_name(compensation->status));
	ow_row_set(&row, COMPENSATION_ATTEMPTS, Int32GetDatum(compensation->attempts));
	ow_row_set_time(&row, COMPENSATION_RECORDED_AT, compensation->recorded_at);
	ow_row_set_time(&row, COMPENSATION_CLOSED_AT, compensation->closed_at);
	ow_row_set_json(&row, COMPENSATION_INPUT, compensation->input);
	ow_row_set_json(&row, COMPENSATION_COMPENSATES, compensation->compensates);
	ow_row_set_json(&row, COMPENSATION_FAILURE, compensation->failure);
	return ow_store_row("compensation", row.values, row.nulls);
}

static void
collect(const OwLoadedRun *loaded, List *compensations, OwRows *rows)
{
	ListCell   *cell;

	foreach(cell, compensations)
	{
		const OwRecordedCompensation *compensation = lfirst(cell);

		if (compensation->dirty && compensation->status != OW_COMPENSATION_DROPPED)
			ow_rows_add(rows, compensation_row(loaded, compensation));
	}
}

static void
delete_rows_of_dropped(const OwLoadedRun *loaded)
{
	ListCell   *cell;

	foreach(cell, loaded->run.ended_compensations)
	{
		const OwRecordedCompensation *compensation = lfirst(cell);
		Datum		values[4];

		if (compensation->status != OW_COMPENSATION_DROPPED || !compensation->stored)
			continue;
		key_values(loaded, values);
		values[3] = Int32GetDatum(compensation->sequence);
		ow_store_execute(&delete_dropped, values, NULL);
	}
}

/* What is still to run when a run closes never will: it leaves no row. */
static void
delete_rows_of_recorded(const OwLoadedRun *loaded)
{
	const OwRun *run = &loaded->run;
	Datum		values[3];

	if (loaded->stored_compensation == 0 || (run->compensations == NIL && run->unloaded_compensations == 0))
		return;
	key_values(loaded, values);
	ow_store_execute(&delete_recorded, values, NULL);
}

void
ow_compensations_flush(List *runs)
{
	OwRows		rows = {0};
	ListCell   *cell;

	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);
		bool		closed = loaded->run.token.phase == OW_PHASE_CLOSED;

		if (!closed)
			collect(loaded, loaded->run.compensations, &rows);
		collect(loaded, loaded->run.ended_compensations, &rows);
		delete_rows_of_dropped(loaded);
	}
	ow_rows_write(&write_compensations, "compensation", &rows);
	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);

		if (loaded->run.token.phase == OW_PHASE_CLOSED)
			delete_rows_of_recorded(loaded);
	}
}
