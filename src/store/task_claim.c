/*
 * task_claim.c
 *		Taking tasks of programs outside from their queue.
 *
 * Finding and taking are two statements, however many tasks there are: the first locks what it finds, and skips
 * what others have locked.  The run is not touched.  A taken task says until when the lease is, and the run is looked at
 * then, unless it has been answered.
 *
 * What has been taken leaves its entry in the index until vacuum removes it, which an old snapshot may put off
 * for hours.  So that nobody walks over those again and again, a backend remembers how far it has come: for each
 * priority that it knows of, from which time on there may be tasks.  What it may miss that way came into the queue
 * behind its back: in a transaction that committed late, with a priority that is new, or again when it was not
 * taken after all.  So once in a second it looks at the whole index, also when it has found nothing; but
 * if that takes long, then only for a fiftieth of its time, unless it has been woken for something that is not
 * found otherwise, or has found nothing where a claim has been rolled back since, a task has been changed, or a
 * transaction has committed late: those are counted (ow_waiter_returns).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "engine/clock.h"
#include "miscadmin.h"
#include "store/epoch.h"
#include "store/run_row.h"
#include "store/start.h"
#include "store/task_internal.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

/* Tasks with fairness keys, which are in another index, are always taken under control. */
#define UNKEYED OW_AVAILABLE " AND t.fairness_key IS NULL"

/* Of all that is in the index */
static OwStatement find_anywhere = {
	.sql = "SELECT " OW_FOUND UNKEYED " ORDER BY t.priority, t.queued_at LIMIT $7 FOR UPDATE SKIP LOCKED",
	.argument_types = OW_FOUND_TYPES
};

/* From a position on, for each of the priorities in the order that they have in $8 */
static OwStatement find_further_on = {
	.sql =
	"SELECT f.* FROM unnest($8, $9) AS p (priority, after),"
	"       LATERAL (SELECT " OW_FOUND UNKEYED
	"                   AND t.priority = p.priority AND t.queued_at >= p.after"
	"                 ORDER BY t.queued_at LIMIT $7 FOR UPDATE SKIP LOCKED) AS f"
	" LIMIT $7",
	.argument_types = OW_FOUND_TYPES ",int[],timestamptz[]"
};

/* The first of them, which is not locked */
#define PLACE "t.priority, t.queued_at"

static OwStatement first_anywhere = {
	.sql = "SELECT " PLACE UNKEYED " ORDER BY t.priority, t.queued_at LIMIT $7",
	.argument_types = OW_FOUND_TYPES
};

static OwStatement first_further_on = {
	.sql =
	"SELECT f.* FROM unnest($8, $9) AS p (priority, after),"
	"       LATERAL (SELECT " PLACE UNKEYED " AND t.priority = p.priority AND t.queued_at >= p.after"
	"                 ORDER BY t.queued_at LIMIT $7) AS f"
	" LIMIT $7",
	.argument_types = OW_FOUND_TYPES ",int[],timestamptz[]"
};

static OwStatement is_available = {
	.sql = "SELECT" UNKEYED " LIMIT 1",
	.argument_types = OW_AVAILABLE_TYPES
};

static OwStatement is_available_further_on = {
	.sql =
	"SELECT FROM unnest($6, $7) AS p (priority, after),"
	"       LATERAL (SELECT" UNKEYED " AND t.priority = p.priority AND t.queued_at >= p.after LIMIT 1) AS f"
	" LIMIT 1",
	.argument_types = OW_AVAILABLE_TYPES ",int[],timestamptz[]"
};

/* The rows are locked, so they are where they were found. */
static OwStatement take_tasks = {
	.sql =
	"UPDATE workflow.activity_task t"
	"   SET worker = $2, started_at = $3, controlled = nullif($4, false), epoch = $5, lease_until = " LEASE_UNTIL("$3")
	" WHERE t.ctid = ANY ($1)",
	.argument_types = "tid[],text,timestamptz,bool,int8"
};

static OwStatement take_task = {
	.sql =
	"UPDATE workflow.activity_task t"
	"   SET worker = $3, started_at = $4, epoch = $5, lease_until = " LEASE_UNTIL("$4")
	" WHERE shard_key = $1 AND task_token = $2 RETURNING lease_until",
	.argument_types = "int,uuid,text,timestamptz,int8"
};

/* Who has granted whom what; and whose tasks there are, controlled or not, which saves a statement */
static OwStatement read_grants = {
	.sql =
	"SELECT g.owner::oid, g.grantee::oid, NULL FROM workflow.worker_grant g WHERE g.task_queue = $1"
	" UNION ALL "
	"SELECT q.owner::oid, NULL,"
	"       q.has_keys OR q.rate_limit IS NOT NULL OR q.max_in_flight IS NOT NULL OR q.paused_until IS NOT NULL"
	"  FROM workflow.task_queue q WHERE q.task_queue = $1",
	.argument_types = "text"
};

/* ---- how far this backend has come ---- */

#define MAX_QUEUES 32
#define MAX_PRIORITIES 16

/* Transactions that take longer than this from queueing a task to their end are looked for once in a second */
#define LATE_MS 1000

#define ANYWHERE_EVERY_MS 1000
#define ANYWHERE_SHARE 50

typedef struct Position
{
	int32		priority;
	TimestampTz after;			/* there is nothing before it */
} Position;

/* Of one queue and those tasks in it that one role wants */
typedef struct Positions
{
	uint64		wanted;			/* hash of both; 0: free */
	TimestampTz used_at;
	TimestampTz anywhere_due;	/* when to look at all of the index again */
	TimestampTz anywhere_allowed;
	uint64		returns;		/* when all of the index was looked at: see ow_waiter_returns */
	bool		moved;			/* in this transaction */
	int			count;			/* 0: it knows of none */
	Position	of[MAX_PRIORITIES]; /* in their order */
} Positions;

static Positions all_positions[MAX_QUEUES];
static bool any_moved;

static uint64
hash_wanted(const OwTaskRequest *request)
{
	uint64		hash = hash_combine64(hash_bytes_extended((const unsigned char *) request->task_queue,
														  strlen(request->task_queue), MyDatabaseId),
									  hash_bytes_uint32_extended(request->role, 0));

	if (request->activities != 0)
	{
		ArrayType  *activities = DatumGetArrayTypeP(request->activities);

		hash = hash_combine64(hash, hash_bytes_extended((unsigned char *) activities, VARSIZE(activities), 0));
	}
	return hash == 0 ? 1 : hash;
}

uint32
ow_task_filter(const OwTaskRequest *request)
{
	uint32		hash = (uint32) hash_wanted(request);

	return hash == OW_WAKE_ALL ? 1 : hash;
}

/* The transaction, or part of it, has ended: if by an abort, what was taken from a position on is there again. */
static void
settle_positions(bool aborted)
{
	for (int i = 0; any_moved && i < MAX_QUEUES; i++)
	{
		if (all_positions[i].moved && aborted)
			all_positions[i].wanted = 0;
		all_positions[i].moved = false;
	}
	any_moved = false;
}

static void
settle_at_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		settle_positions(false);
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		settle_positions(true);
}

static void
forget_at_subabort(SubXactEvent event, SubTransactionId my_id, SubTransactionId parent_id, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		settle_positions(true);
}

/*
 * The positions for the request, made or given anew if need be.  NULL on a test's clock, where nobody else is,
 * and for an old snapshot, from which nothing can be told.
 */
static Positions *
find_positions(const OwTaskRequest *request)
{
	static bool registered = false;
	uint64		wanted;
	Positions  *oldest = &all_positions[0];

	if (request->runs != 0 || ow_clock_is_virtual() || IsolationUsesXactSnapshot())
		return NULL;
	if (!registered)
	{
		RegisterXactCallback(settle_at_end, NULL);
		RegisterSubXactCallback(forget_at_subabort, NULL);
		registered = true;
	}
	wanted = hash_wanted(request);
	for (int i = 0; i < MAX_QUEUES; i++)
	{
		if (all_positions[i].wanted == wanted)
			return &all_positions[i];
		if (all_positions[i].used_at < oldest->used_at)
			oldest = &all_positions[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->wanted = wanted;
	oldest->anywhere_due = oldest->anywhere_allowed = DT_NOBEGIN;
	return oldest;
}

static void
set_position(Positions *positions, int32 priority, TimestampTz after)
{
	int			i = 0;

	while (i < positions->count && positions->of[i].priority < priority)
		i++;
	if (i == positions->count || positions->of[i].priority != priority)
	{
		/* the most urgent ones are kept; the others are looked for anywhere */
		if (i == MAX_PRIORITIES)
			return;
		if (positions->count == MAX_PRIORITIES)
			positions->count--;
		memmove(&positions->of[i + 1], &positions->of[i], sizeof(Position) * (positions->count - i));
		positions->count++;
		positions->of[i].priority = priority;
	}
	positions->of[i].after = after;
}

/* Something to look for, in all of the index or from the positions on */
typedef struct Search
{
	OwStatement *anywhere;
	OwStatement *further_on;
	int			place;			/* the column of the priority, which that of the time follows */
	bool		takes;
} Search;

static const Search search_to_take = {&find_anywhere, &find_further_on, FOUND_PRIORITY + 1, true};
static const Search search_first = {&first_anywhere, &first_further_on, 1, false};

static OwTaskPlace
found_place(const Search *search, uint64 row)
{
	SPITupleTable *found = SPI_tuptable;
	bool		isnull;

	return (OwTaskPlace)
	{
		.priority = DatumGetInt32(SPI_getbinval(found->vals[row], found->tupdesc, search->place, &isnull)),
			.queued_at = DatumGetTimestampTz(SPI_getbinval(found->vals[row], found->tupdesc, search->place + 1, &isnull))
	};
}

/*
 * Learns from what was found.  Of the priorities that were looked through to the end there is nothing before
 * now, but for what commits late; of the last one, if there may be more, nothing before what was found last.
 */
static void
move_positions(Positions *positions, const Search *search, uint64 count, bool all, TimestampTz now)
{
	int32		last_priority = PG_INT32_MIN;

	for (uint64 row = 0; row < count; row++)
	{
		OwTaskPlace place = found_place(search, row);

		last_priority = place.priority;
		set_position(positions, place.priority, place.queued_at);
	}
	for (int i = 0; i < positions->count; i++)
	{
		if (all || positions->of[i].priority < last_priority)
			positions->of[i].after = Max(positions->of[i].after, TimestampTzPlusMilliseconds(now, -LATE_MS));
	}
}

static Datum
position_array(const Positions *positions, bool priorities)
{
	Datum		datums[MAX_PRIORITIES];

	for (int i = 0; i < positions->count; i++)
		datums[i] = priorities ? Int32GetDatum(positions->of[i].priority) :
			TimestampTzGetDatum(positions->of[i].after);
	return PointerGetDatum(priorities ?
						   construct_array(datums, positions->count, INT4OID, sizeof(int32), true, TYPALIGN_INT) :
						   construct_array(datums, positions->count, TIMESTAMPTZOID, sizeof(TimestampTz), true,
										   TYPALIGN_DOUBLE));
}

/* ---- finding ---- */

/* Notes as well which of the owners control theirs. */
void
ow_task_read_available(const OwTaskRequest *request, OwAvailable *available, MemoryContext context)
{
	Datum		task_queue = CStringGetTextDatum(request->task_queue);
	uint64		count = ow_store_execute(&read_grants, &task_queue, NULL);
	MemoryContext previous = MemoryContextSwitchTo(context);
	Datum	   *owners = palloc(sizeof(Datum) * Max(count, 1));
	int			found = 0;
	bool		isnull;

	available->granted = available->controlled = available->others = NIL;
	for (uint64 row = 0; row < count; row++)
	{
		Oid			owner = (Oid) ow_store_int(row, 1);
		Oid			grantee = DatumGetObjectId(ow_store_datum(row, 2, &isnull));

		if (isnull)
		{
			List	  **owners_there = ow_store_bool(row, 3) ? &available->controlled : &available->others;

			if (list_member_oid(available->granted, owner) || has_privs_of_role(request->role, owner))
				*owners_there = lappend_oid(*owners_there, owner);
		}
		else if (has_privs_of_role(request->role, grantee))
		{
			owners[found++] = ObjectIdGetDatum(owner);
			available->granted = lappend_oid(available->granted, owner);
		}
	}
	memset(available->nulls, ' ', sizeof(available->nulls));
	available->values[0] = CStringGetTextDatum(request->task_queue);
	available->values[1] = request->activities;
	available->nulls[1] = request->activities == 0 ? 'n' : ' ';
	available->values[2] = PointerGetDatum(construct_array(owners, found, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
	available->values[3] = ObjectIdGetDatum(request->role);
	available->values[4] = request->runs;
	available->nulls[4] = request->runs == 0 ? 'n' : ' ';
	MemoryContextSwitchTo(previous);
}

/* The arguments of the statements of a search */
#define FIND_ARGUMENTS 9

static uint64
find_from(const Search *search, Positions *positions, uint32 queue_key, bool anywhere, int max_tasks, Datum *values,
		  char *nulls)
{
	TimestampTz begun = GetCurrentTimestamp();
	TimestampTz ended;
	uint64		returns = ow_waiter_returns(queue_key);
	uint64		count;

	if (anywhere)
	{
		count = ow_store_execute(search->anywhere, values, nulls);
		ended = GetCurrentTimestamp();
		if (positions != NULL)
		{
			positions->anywhere_due = TimestampTzPlusMilliseconds(begun, ANYWHERE_EVERY_MS);
			positions->anywhere_allowed = ended + (ended - begun) * ANYWHERE_SHARE;
			positions->returns = returns;
		}
	}
	else
	{
		values[7] = position_array(positions, true);
		values[8] = position_array(positions, false);
		count = ow_store_execute(search->further_on, values, nulls);
	}
	if (positions != NULL)
	{
		move_positions(positions, search, count, count < (uint64) max_tasks, begun);
		positions->used_at = begun;
		if (count > 0 && search->takes)
			positions->moved = any_moved = true;
	}
	return count;
}

/* Finds tasks, and locks those that are to be taken; they are in SPI_tuptable. */
static uint64
find_tasks(const Search *search, OwTaskRequest *request, const OwAvailable *available, int max_tasks, TimestampTz now)
{
	Positions  *positions = find_positions(request);
	uint32		queue_key = ow_task_queue_key(request->task_queue);
	TimestampTz real_now = GetCurrentTimestamp();
	bool		returned = positions != NULL && positions->returns != ow_waiter_returns(queue_key);
	char		nulls[FIND_ARGUMENTS + 1];
	Datum		values[FIND_ARGUMENTS];
	uint64		count;

	memset(nulls, ' ', sizeof(nulls));
	memcpy(values, available->values, sizeof(available->values));
	memcpy(nulls, available->nulls, sizeof(available->nulls));
	values[5] = TimestampTzGetDatum(now);
	values[6] = Int32GetDatum(max_tasks);
	if (positions == NULL ||
		((returned || positions->anywhere_due <= real_now) && positions->anywhere_allowed <= real_now))
		return find_from(search, positions, queue_key, true, max_tasks, values, nulls);
	count = find_from(search, positions, queue_key, false, max_tasks, values, nulls);
	if (count > 0)
		return count;
	if (!request->woken && !returned && positions->anywhere_allowed > real_now)
	{
		request->again_at = Min(request->again_at, positions->anywhere_allowed);
		return 0;
	}
	return find_from(search, positions, queue_key, true, max_tasks, values, nulls);
}

bool
ow_task_remembered_place(const OwTaskRequest *request, OwTaskPlace *place)
{
	const Positions *positions = find_positions(request);

	if (positions == NULL || positions->count == 0 || positions->anywhere_due <= GetCurrentTimestamp() ||
		positions->returns != ow_waiter_returns(ow_task_queue_key(request->task_queue)))
		return false;
	*place = (OwTaskPlace) {
		.priority = positions->of[0].priority,.queued_at = positions->of[0].after
	};
	return true;
}

bool
ow_task_first_place(const OwTaskRequest *request, const OwAvailable *available, OwTaskPlace *place)
{
	OwTaskRequest look = *request;

	if (find_tasks(&search_first, &look, available, 1, ow_clock_now()) == 0)
		return false;
	*place = found_place(&search_first, 0);
	return true;
}

static bool
is_any_available(const OwTaskRequest *request, const OwAvailable *available)
{
	Positions  *positions = find_positions(request);
	char		nulls[] = "       ";
	Datum		values[7];

	memcpy(values, available->values, sizeof(available->values));
	memcpy(nulls, available->nulls, sizeof(available->nulls));
	if (positions != NULL && positions->count > 0)
	{
		values[5] = position_array(positions, true);
		values[6] = position_array(positions, false);
		if (ow_store_execute(&is_available_further_on, values, nulls) > 0)
			return true;
	}
	return ow_store_execute(&is_available, values, nulls) > 0;
}

/* Restricts what is available to owners who control nothing. */
static void
leave_to_others(OwAvailable *available)
{
	if (available->controlled == NIL)
		return;
	available->values[2] = ow_task_oid_array(available->others);
	available->nulls[3] = 'n';
}

bool
ow_task_is_available(OwTaskRequest *request)
{
	MemoryContext caller = CurrentMemoryContext;
	OwAvailable available;
	OwAvailable others;
	bool		found = false;

	request->again_at = DT_NOEND;
	ow_store_open();
	ow_task_read_available(request, &available, caller);
	others = available;
	leave_to_others(&others);
	if (available.controlled == NIL || available.others != NIL)
		found = is_any_available(request, &others);
	ow_store_close();
	return found ||
		(available.controlled != NIL && ow_task_take_controlled(request, &available, request->max_tasks, NULL, NULL) > 0);
}

/* ---- taking ---- */

/* Marks what was found as taken; the leases are from now on. */
static void
take_found(const OwTaskRequest *request, Datum *rows, int count, bool controlled, TimestampTz now)
{
	Datum		values[5] = {
		PointerGetDatum(construct_array(rows, count, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT)),
		CStringGetTextDatum(request->worker), TimestampTzGetDatum(now), BoolGetDatum(controlled),
		Int64GetDatum(ow_epoch_current())
	};

	if (ow_store_execute(&take_tasks, values, NULL) != (uint64) count)
		elog(ERROR, "tasks of task queue \"%s\" have gone though they were locked", request->task_queue);
	ow_wakeup_if_aborted(ow_task_queue_key(request->task_queue), count);
}

void
ow_task_tell(HeapTuple task, TupleDesc descriptor, OwTaskReceiver receive, void *arg)
{
	Datum		values[FOUND_COLUMNS];
	bool		nulls[FOUND_COLUMNS];
	pg_uuid_t	handed_out;

	for (int i = 0; i < FOUND_COLUMNS; i++)
		values[i] = heap_getattr(task, i + 1, descriptor, &nulls[i]);
	ow_task_headers(values, nulls);
	handed_out = *DatumGetUUIDP(values[POLL_TASK_TOKEN]);
	ow_epoch_hand_out(DatumGetInt32(values[FOUND_CLAIM]), &handed_out);
	values[POLL_TASK_TOKEN] = UUIDPGetDatum(&handed_out);
	receive(arg, values, nulls);
}

void
ow_task_hand_over(const OwTaskRequest *request, SPITupleTable *found, int count, bool controlled, TimestampTz now,
				  OwTaskReceiver receive, void *arg)
{
	Datum	   *rows = palloc(sizeof(Datum) * count);
	uint32		queue_key = ow_task_queue_key(request->task_queue);

	for (int row = 0; row < count; row++)
	{
		HeapTuple	task = found->vals[row];
		bool		isnull;
		Oid			owner = DatumGetObjectId(SPI_getbinval(task, found->tupdesc, FOUND_OWNER + 1, &isnull));

		rows[row] = SPI_getbinval(task, found->tupdesc, FOUND_ROW + 1, &isnull);
		ow_wakeup_at(owner, DatumGetTimestampTz(SPI_getbinval(task, found->tupdesc, FOUND_LEASE_UNTIL + 1, &isnull)));
		ow_wakeup_tasks(owner, queue_key, 0, 1);
		ow_task_tell(task, found->tupdesc, receive, arg);
	}
	take_found(request, rows, count, controlled, now);
}

/* Takes tasks of owners who control nothing; the store is open. */
static int
take_uncontrolled(OwTaskRequest *request, OwAvailable available, int max_tasks, OwTaskReceiver receive, void *arg)
{
	TimestampTz now = ow_clock_now();
	uint64		count;

	if (max_tasks == 0)
		return 0;
	leave_to_others(&available);
	count = find_tasks(&search_to_take, request, &available, max_tasks, now);
	if (count > 0)
		ow_task_hand_over(request, SPI_tuptable, (int) count, false, now, receive, arg);
	return (int) count;
}

static int
open_and_take(OwTaskRequest *request, const OwAvailable *available, int max_tasks, OwTaskReceiver receive, void *arg)
{
	int			taken;

	ow_store_open();
	taken = take_uncontrolled(request, *available, max_tasks, receive, arg);
	ow_store_close();
	return taken;
}

int
ow_task_take_or_let_go(OwTaskTaker take, OwTaskRequest *request, const OwAvailable *available, int max_tasks,
					   OwTaskReceiver receive, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int taken = 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		taken = take(request, available, max_tasks, receive, arg);
		if (taken > 0)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		ReThrowError(error);
	}
	PG_END_TRY();
	return taken;
}

/*
 * A search locks rows that it does not give, which somebody else took when it had begun: whoever took them would wait with
 * his answers for as long as this one waits for tasks.
 */
static int
take_others(OwTaskRequest *request, const OwAvailable *available, int max_tasks, OwTaskReceiver receive, void *arg)
{
	return request->waits ?
		ow_task_take_or_let_go(open_and_take, request, available, max_tasks, receive, arg) :
		open_and_take(request, available, max_tasks, receive, arg);
}

/* Takes tasks of owners some of whom control theirs, and some do not: by turns the ones or the others first. */
static int
take_both(OwTaskRequest *request, const OwAvailable *available, OwTaskReceiver receive, void *arg)
{
	static bool controlled_first = false;
	int			taken = 0;

	controlled_first = !controlled_first;
	if (controlled_first)
		taken = ow_task_take_controlled(request, available, request->max_tasks, receive, arg);
	taken += take_others(request, available, request->max_tasks - taken, receive, arg);
	if (!controlled_first && taken < request->max_tasks)
		taken += ow_task_take_controlled(request, available, request->max_tasks - taken, receive, arg);
	return taken;
}

int
ow_task_take(OwTaskRequest *request, OwTaskReceiver receive, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	OwAvailable available;
	bool		at_once;
	int			taken = 0;

	request->again_at = DT_NOEND;
	ow_store_open();
	ow_task_read_available(request, &available, caller);
	at_once = available.controlled == NIL && !request->waits;
	if (at_once)
		taken = take_uncontrolled(request, available, request->max_tasks, receive, arg);
	ow_store_close();
	if (at_once)
		return taken;
	if (available.controlled == NIL)
		return take_others(request, &available, request->max_tasks, receive, arg);
	if (available.others == NIL)
		return ow_task_take_controlled(request, &available, request->max_tasks, receive, arg);
	return take_both(request, &available, receive, arg);
}

void
ow_task_take_one(const OwTaskInQueue *task, const char *worker)
{
	TimestampTz now = ow_clock_now();
	Datum		values[5] = {
		Int32GetDatum(task->run.shard_key), UUIDPGetDatum(&task->task_token), CStringGetTextDatum(worker),
		TimestampTzGetDatum(now), Int64GetDatum(ow_epoch_current())
	};

	ow_store_open();
	if (ow_store_execute(&take_task, values, NULL) > 0)
		ow_wakeup_at(task->owner, ow_store_time(0, 1));
	ow_store_close();
}
