/*
 * run_read.c
 *		Reading a run without locking it: as it was when it started, and its history.
 *
 * All leaves of the ring are looked into: the run may have moved on to another than it started in, and do so meanwhile.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "machine/json.h"
#include "store/run.h"
#include "store/run_options.h"
#include "store/run_row.h"
#include "store/start.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

static OwStatement read_started = {
	.sql =
	"SELECT workflow_id, definition_id, owner, started_by, started_at, deadline, input, memo, request_id, chain_id,"
	"       root_run_id, CASE WHEN next_event_id = 1 THEN due_at END, traceparent, execution_deadline, run_attempt, options, schedule,"
	"       parent_workflow_id, parent_run_id, parent_owner, children, bucket"
	"  FROM workflow.execution WHERE shard_key = $1 AND run_id = $2"
	" UNION ALL "
	"SELECT workflow_id, definition_id, owner, started_by, started_at, deadline, input, memo, request_id, chain_id,"
	"       root_run_id, NULL, traceparent, execution_deadline, run_attempt, options, schedule, parent_workflow_id, parent_run_id,"
	"       NULL, false, bucket"
	"  FROM workflow.closed_execution WHERE shard_key = $1 AND run_id = $2",
	.argument_types = "int,uuid"
};

static OwStatement read_history = {
	.sql =
	"SELECT first_event_id, event_times, event_types, states, attributes, branches FROM workflow.history_batch"
	" WHERE shard_key = $1 AND run_id = $2 ORDER BY first_event_id",
	.argument_types = "int,uuid"
};

static void
key_values(const OwRunRef *ref, Datum *values)
{
	values[0] = Int32GetDatum(ref->shard_key);
	values[1] = UUIDPGetDatum(&ref->run_id);
}

OwLoadedRun *
ow_run_read_started(const OwRunRef *ref, MemoryContext context)
{
	Datum		values[2];
	MemoryContext previous;
	OwLoadedRun *loaded;
	OwRun	   *run;

	key_values(ref, values);
	if (ow_store_execute(&read_started, values, NULL) == 0)
		return NULL;
	previous = MemoryContextSwitchTo(context);
	loaded = palloc0(sizeof(OwLoadedRun));
	run = &loaded->run;
	loaded->ref = *ref;
	loaded->bucket = ow_store_int(0, 22);
	loaded->definition_id = ow_store_int(0, 2);
	loaded->owner = (Oid) ow_store_int(0, 3);
	loaded->started_by = (Oid) ow_store_int(0, 4);
	loaded->memo = ow_store_jsonb(0, 8);
	loaded->request_id = ow_store_text(0, 9);
	loaded->chain_id = ow_store_uuid(0, 10);
	run->shard_key = ref->shard_key;
	run->run_id = ref->run_id;
	run->root_run_id = ow_store_uuid(0, 11);
	run->workflow_id = ow_store_text(0, 1);
	run->started_at = ow_store_time(0, 5);
	run->deadline = ow_store_time(0, 6);
	run->input = ow_store_jsonb(0, 7);
	run->status = OW_STATUS_RUNNING;
	run->sticky_status = OW_STATUS_RUNNING;
	run->next_event_id = 1;
	run->next_branch_id = 1;
	run->token.state = OW_NO_STATE;
	run->token.phase = OW_PHASE_NEW;
	run->token.due_at = ow_store_time(0, 12);	/* a start delay */
	run->traceparent = ow_store_text(0, 13);
	loaded->execution_deadline = ow_store_time(0, 14);
	run->attempt = ow_store_int(0, 15);
	loaded->options = ow_store_jsonb(0, 16);
	run->priority = ow_run_options_priority(loaded->options);
	run->schedule = ow_store_jsonb(0, 17);
	loaded->parent = ow_row_read_parent(0, 18);
	loaded->children = ow_store_bool(0, 21);
	run->token.entered_at = run->token.scheduled_at = DT_NOEND;
	MemoryContextSwitchTo(previous);
	return loaded;
}

/* The elements of one array of a history row; the pointers stay good in the caller's context. */
static Datum *
read_array(uint64 row, int column, Oid type, bool **nulls, int *count)
{
	bool		isnull;
	ArrayType  *array = DatumGetArrayTypeP(ow_store_datum(row, column, &isnull));
	Datum	   *values;
	int16		length;
	bool		by_value;
	char		alignment;

	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	deconstruct_array(array, type, length, by_value, alignment, &values, nulls, count);
	return values;
}

/* The branches of the events; NULL when none is of one */
static Datum *
read_branches(uint64 row, int column)
{
	bool		isnull;
	bool	   *nulls;
	int			count;

	(void) ow_store_datum(row, column, &isnull);
	return isnull ? NULL : read_array(row, column, INT4OID, &nulls, &count);
}

static List *
read_events(uint64 row, List *events)
{
	int			event_id = ow_store_int(row, 1);
	int			count;
	bool	   *nulls;
	bool	   *stateless;
	bool	   *bare;
	Datum	   *branches;
	Datum	   *times = read_array(row, 2, TIMESTAMPTZOID, &nulls, &count);
	Datum	   *types = read_array(row, 3, TEXTOID, &nulls, &count);
	Datum	   *states = read_array(row, 4, TEXTOID, &stateless, &count);
	Datum	   *attributes = read_array(row, 5, JSONBOID, &bare, &count);

	branches = read_branches(row, 6);
	for (int i = 0; i < count; i++)
	{
		OwHistoryEvent *event = palloc0(sizeof(OwHistoryEvent));

		event->event_id = event_id + i;
		event->time = DatumGetTimestampTz(times[i]);
		event->type = TextDatumGetCString(types[i]);
		event->branch = branches ? DatumGetInt32(branches[i]) : 0;
		if (!stateless[i])
			event->state = TextDatumGetCString(states[i]);
		if (!bare[i])
			event->attributes = ow_json_copy(DatumGetJsonbP(attributes[i]));
		events = lappend(events, event);
	}
	return events;
}

List *
ow_run_read_history(const OwRunRef *ref, MemoryContext context)
{
	List	   *events = NIL;
	Datum		values[2];
	uint64		count;

	key_values(ref, values);
	count = ow_store_execute(&read_history, values, NULL);
	for (uint64 row = 0; row < count; row++)
	{
		MemoryContext previous = MemoryContextSwitchTo(context);

		events = read_events(row, events);
		MemoryContextSwitchTo(previous);
	}
	return events;
}
