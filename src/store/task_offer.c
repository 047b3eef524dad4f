/*
 * task_offer.c
 *		Handing tasks over to the worker whose answers queue them, as if he had polled for them at once.
 *
 *		complete_and_poll	begin, answer, end, deliver; a poll for what is left of max_tasks
 *		run_task.c			asks for each task that is queued meanwhile whether it is to be handed over
 *
 * Such a task is inserted as one that has been taken: nobody looks for it, its row is not updated, and it has no entry in the
 * index of those that can be taken.  All else is as if it had been in its queue for no time.
 *
 * Whether it is handed over is a question of order, since it overtakes what is in the queue:
 *
 *	- It counts as queued when its run began: so what has been begun is brought to its end before something younger is
 *	  begun, and whatever is more urgent, or has waited for longer than the run has been there, comes first.
 *	- Whenever the history of its run has grown by another EVENTS_IN_A_ROW, it waits in the queue as others do: so a run
 *	  that goes on for ever does not keep a worker for itself.
 *
 * The first that waits is looked up once, and only if what this backend remembers of its last search does not say
 * enough: see task_claim.c.  Tasks under control (task_flow.c), paused ones, and those of workers that are draining, are not
 * handed over.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "store/epoch.h"
#include "store/task_internal.h"
#include "store/task_offer.h"
#include "store/worker.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

/* About thirty activities */
#define EVENTS_IN_A_ROW 100

static OwStatement write_taken = {
	.sql = "INSERT INTO workflow.activity_task AS t SELECT * FROM unnest($1) RETURNING " OW_FOUND_AT("$2"),
	.argument_types = "workflow.activity_task[],timestamptz"
};

/* What is known of the first task that waits */
typedef enum OwFirstKnown
{
	FIRST_AT_LEAST,				/* there is none before that place */
	FIRST_IS,					/* it is at that place */
	FIRST_IS_NONE				/* none waits */
} OwFirstKnown;

/* Its lists, and what they hold, live in context. */
static struct
{
	const OwTaskRequest *request;	/* NULL: there is no offer */
	MemoryContext context;
	bool		looked;			/* what follows is known */
	bool		declined;
	OwAvailable available;
	OwFirstKnown known;
	OwTaskPlace first;
	TimestampTz now;
	int64		epoch;
	int			promised;		/* to be written yet */
	TupleDesc	descriptor;
	List	   *tasks;			/* of HeapTuple, with the columns of OW_FOUND */
}			offer;

/* ---- by whoever polls ---- */

void
ow_task_offer_begin(const OwTaskRequest *request)
{
	memset(&offer, 0, sizeof(offer));
	offer.request = request;
	offer.context = CurrentMemoryContext;
}

void
ow_task_offer_end(void)
{
	offer.request = NULL;
}

int
ow_task_offer_count(void)
{
	return list_length(offer.tasks);
}

void
ow_task_offer_take_back(int count)
{
	offer.tasks = list_truncate(offer.tasks, count);
	offer.promised = 0;
}

void
ow_task_offer_deliver(OwTaskReceiver receive, void *arg)
{
	ListCell   *cell;

	foreach(cell, offer.tasks)
		ow_task_tell(lfirst(cell), offer.descriptor, receive, arg);
}

/* ---- whose tasks, and which ---- */

/* By turns those under control and others are taken, where a role may take both: it is left at that. */
static void
look(void)
{
	offer.looked = true;
	offer.now = ow_clock_now();
	offer.epoch = ow_epoch_current();
	offer.declined = ow_worker_is_draining(offer.request);
	if (offer.declined)
		return;
	ow_task_read_available(offer.request, &offer.available, offer.context);
	offer.declined = offer.available.controlled != NIL;
	offer.known = FIRST_AT_LEAST;
	if (!ow_task_remembered_place(offer.request, &offer.first))
		offer.first = (OwTaskPlace) {
		.priority = PG_INT32_MIN,.queued_at = DT_NOBEGIN
	};
}

bool
ow_task_offer_stands(void)
{
	if (offer.request == NULL)
		return false;
	if (!offer.looked)
		look();
	return !offer.declined;
}

static bool
has_room(void)
{
	return list_length(offer.tasks) + offer.promised < offer.request->max_tasks;
}

/* As in OW_AVAILABLE */
static bool
is_wanted(const char *activity)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;
	bool		named = false;
	bool		all_but = false;

	if (offer.request->activities == 0)
		return true;
	deconstruct_array(DatumGetArrayTypeP(offer.request->activities), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = nulls[i] ? NULL : TextDatumGetCString(names[i]);

		named |= name != NULL && strcmp(name, activity) == 0;
		all_but |= name != NULL && strcmp(name, OW_ALL_BUT_THESE) == 0;
	}
	return named != all_but;
}

/* A test takes tasks of its own runs only. */
static bool
is_of_runs(const pg_uuid_t *run_id)
{
	Datum	   *run_ids;
	int			count;

	if (offer.request->runs == 0)
		return true;
	deconstruct_array(DatumGetArrayTypeP(offer.request->runs), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &run_ids, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		if (memcmp(DatumGetUUIDP(run_ids[i]), run_id, UUID_LEN) == 0)
			return true;
	}
	return false;
}

static bool
may_be_taken(const OwNewTask *task, const OwRow *row)
{
	Oid			owner = task->loaded->owner;

	return row->nulls[TASK_PAUSED_AT] && row->nulls[TASK_FAIRNESS_KEY] &&
		strcmp(task->task_queue, offer.request->task_queue) == 0 &&
		(list_member_oid(offer.available.granted, owner) || has_privs_of_role(offer.request->role, owner)) &&
		is_wanted(task->task->call.activity->name) && is_of_runs(&task->loaded->run.run_id);
}

/* ---- its turn ---- */

int
ow_task_offer_compare(const ListCell *a, const ListCell *b)
{
	const OwNewTask *first = lfirst(a);
	const OwNewTask *second = lfirst(b);

	if (first->priority != second->priority)
		return first->priority < second->priority ? -1 : 1;
	if (first->loaded->run.started_at != second->loaded->run.started_at)
		return first->loaded->run.started_at < second->loaded->run.started_at ? -1 : 1;
	return first->position - second->position;
}

static bool
is_before_first(const OwNewTask *task)
{
	return offer.known == FIRST_IS_NONE || task->priority < offer.first.priority ||
		(task->priority == offer.first.priority && task->loaded->run.started_at <= offer.first.queued_at);
}

static bool
overtakes(const OwNewTask *task)
{
	if (task->loaded->stored_event_id / EVENTS_IN_A_ROW != task->loaded->run.next_event_id / EVENTS_IN_A_ROW)
		return false;
	if (!is_before_first(task) && offer.known == FIRST_AT_LEAST)
		offer.known = ow_task_first_place(offer.request, &offer.available, &offer.first) ? FIRST_IS : FIRST_IS_NONE;
	return is_before_first(task);
}

/* ---- handing over ---- */

/* As LEASE_UNTIL; DT_NOEND: there is no lease */
static TimestampTz
lease_until(const OwRow *row)
{
	int64		ms = PG_INT64_MAX;

	if (!row->nulls[TASK_START_TO_CLOSE_MS])
		ms = DatumGetInt64(row->values[TASK_START_TO_CLOSE_MS]);
	if (!row->nulls[TASK_HEARTBEAT_MS])
		ms = Min(ms, DatumGetInt64(row->values[TASK_HEARTBEAT_MS]));
	return ms == PG_INT64_MAX ? DT_NOEND : TimestampTzPlusMilliseconds(offer.now, ms);
}

bool
ow_task_offer_takes(const OwNewTask *task, OwRow *row)
{
	TimestampTz until;

	if (!has_room() || !may_be_taken(task, row) || !overtakes(task))
		return false;
	until = lease_until(row);
	ow_row_set_text(row, TASK_WORKER, offer.request->worker);
	ow_row_set_time(row, TASK_STARTED_AT, offer.now);
	ow_row_set(row, TASK_EPOCH, Int64GetDatum(offer.epoch));
	ow_row_set_time(row, TASK_LEASE_UNTIL, until);
	if (until != DT_NOEND)
		ow_wakeup_at(task->loaded->owner, until);
	offer.promised++;
	return true;
}

/* What a worker is told is what he would be by a poll. */
void
ow_task_offer_write(const OwRows *rows)
{
	Datum		values[2];
	uint64		count;
	MemoryContext previous;

	if (rows->count == 0)
		return;
	values[0] = ow_store_row_array("activity_task", rows->datums, rows->count);
	values[1] = TimestampTzGetDatum(offer.now);
	count = ow_store_execute(&write_taken, values, NULL);
	previous = MemoryContextSwitchTo(offer.context);
	if (offer.descriptor == NULL)
		offer.descriptor = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	for (uint64 row = 0; row < count; row++)
		offer.tasks = lappend(offer.tasks, heap_copytuple(SPI_tuptable->vals[row]));
	offer.promised = 0;
	MemoryContextSwitchTo(previous);
}
