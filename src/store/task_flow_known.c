/*
 * task_flow_known.c
 *		Classes of controlled tasks that this backend knows of, and from when on there may be tasks in each.
 *
 * A loose scan walks over whatever has been taken from the index and not been vacuumed.  If that takes long, it is
 * made only for a tenth of the time; in between, those that were there are looked for from where they were.  So a
 * key that is new may have to wait, but for no longer than ten times as long as it takes to find.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/clock.h"
#include "store/task_internal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

#define MAX_KNOWN 16
#define SCAN_SHARE 10

/* Transactions that take longer than this from queueing a task to their end are found by a loose scan only */
#define LATE_MS 1000

struct OwKnown
{
	uint32		filter;			/* of the request; 0: free */
	Oid			owner;
	TimestampTz used_at;
	TimestampTz scan_at;		/* no loose scan before */
	uint64		returns;		/* at the last one: see ow_waiter_returns */
	uint64		returns_now;
	MemoryContext context;		/* of the list */
	List	   *classes;		/* of OwKnownClass */
};

static OwKnown all_known[MAX_KNOWN];

/* NULL on a test's clock, where nobody else is, and for an old snapshot, from which nothing can be told. */
OwKnown *
ow_known_find(const OwTaskRequest *request, Oid owner)
{
	uint32		filter = ow_task_filter(request);
	uint64		returns = ow_waiter_returns(ow_task_queue_key(request->task_queue));
	OwKnown    *oldest = &all_known[0];

	if (request->runs != 0 || ow_clock_is_virtual() || IsolationUsesXactSnapshot())
		return NULL;
	for (int i = 0; i < MAX_KNOWN; i++)
	{
		if (all_known[i].filter == filter && all_known[i].owner == owner)
		{
			all_known[i].returns_now = returns;
			return &all_known[i];
		}
		if (all_known[i].used_at < oldest->used_at)
			oldest = &all_known[i];
	}
	if (oldest->context == NULL)
		oldest->context = AllocSetContextCreate(TopMemoryContext, "order_workflow known classes",
												ALLOCSET_SMALL_SIZES);
	MemoryContextReset(oldest->context);
	oldest->classes = NIL;
	oldest->filter = filter;
	oldest->owner = owner;
	oldest->scan_at = DT_NOBEGIN;
	oldest->returns_now = returns;
	return oldest;
}

/* When a loose scan may be made again: at once if tasks have come back */
TimestampTz
ow_known_scan_at(const OwKnown *known)
{
	return known == NULL || known->returns != known->returns_now ? DT_NOBEGIN : known->scan_at;
}

List *
ow_known_classes(const OwKnown *known)
{
	return known->classes;
}

/* A loose scan has been made: what it has found is noted anew. */
void
ow_known_scanned(OwKnown *known, TimestampTz begun)
{
	TimestampTz ended = GetCurrentTimestamp();

	if (known == NULL)
		return;
	known->used_at = ended;
	known->returns = known->returns_now;
	known->scan_at = ended + (ended - begun) * SCAN_SHARE;
	MemoryContextReset(known->context);
	known->classes = NIL;
}

void
ow_known_add(OwKnown *known, int32 priority, const char *key, TimestampTz after)
{
	MemoryContext previous;
	OwKnownClass *class;

	if (known == NULL)
		return;
	previous = MemoryContextSwitchTo(known->context);
	class = palloc(sizeof(OwKnownClass));
	class->priority = priority;
	class->key = pstrdup(key);
	class->after = after;
	known->classes = lappend(known->classes, class);
	MemoryContextSwitchTo(previous);
}

/*
 * They have been looked for from where they were, and found, in the order that they are known in, from this one
 * on.  Where nothing was found there is nothing before now.
 */
void
ow_known_looked(OwKnown *known, TimestampTz begun, const List *found, int first)
{
	ListCell   *cell;

	known->used_at = begun;
	foreach(cell, known->classes)
	{
		OwKnownClass *class = lfirst(cell);
		const OwFlowClass *head = first < list_length(found) ? list_nth(found, first) : NULL;

		if (head != NULL && head->priority == class->priority && strcmp(head->key->name, class->key) == 0)
		{
			class->after = head->oldest_at;
			first++;
		}
		else
			class->after = Max(class->after, TimestampTzPlusMilliseconds(begun, -LATE_MS));
	}
}
