/*
 * breaker.c
 *		The circuit breakers of activities: a table of circuits, and what transactions have yet to tell it.
 *
 * A circuit has a place in the table only while it is not closed, or has failures that still count.  So the table
 * is small, and empty while all goes well: then nobody takes its lock.  If it is full all the same, what could be
 * forgotten soonest goes; if nothing can, the failure does not count.
 *
 * A transaction's outcomes are notes (notes.c).  How a circuit looks to this transaction is the circuit as the table has it, with
 * those outcomes applied in turn; at its commit they are applied to the table in the same way.  What comes of a
 * test's transaction is never applied to the table, nor is the table asked there.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "engine/clock.h"
#include "engine/engine.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "settings.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/breaker.h"
#include "worker/notes.h"
#include "worker/waiter.h"

#define TRANCHE "order_workflow circuit breakers"
#define FULL_REPORT_INTERVAL_MS 60000

typedef struct Place
{
	Oid			database;		/* InvalidOid: free */
	uint32		hash;
	TimestampTz stale_at;		/* from then on it can be given to another */
	int64		rejected;
	bool		outside;		/* of tasks in queues */
	OwCircuit	circuit;
	char		activity[OW_MAX_ACTIVITY_BYTES];
} Place;

typedef struct Table
{
	LWLock	   *lock;			/* NULL: of this backend alone */
	pg_atomic_uint32 used;		/* places that were ever given: the first ones */
	int			size;
	TimestampTz reported_full_at;
	Place		places[FLEXIBLE_ARRAY_MEMBER];
} Table;

typedef struct Pending
{
	OwNote		note;
	bool		of_test;
	bool		rejected;		/* no event but a refusal that the table has not counted */
	char	   *activity;
	uint32		queue_key;
	OwCircuitBreaker options;
	OwCircuitEvent event;
} Pending;

static Table *table;

static void end_transaction(XactEvent event);

static OwNotes pending = {.entry_size = sizeof(Pending), .end = end_transaction};

void
ow_breaker_init(void)
{
	ow_notes_register(&pending);
}

static Pending *
pending_at(int i)
{
	return ow_note_at(&pending, Pending, i);
}

/* ---- the table ---- */

static Size
table_size(void)
{
	return add_size(offsetof(Table, places), mul_size(ow_max_circuit_breakers, sizeof(Place)));
}

static void
init_table(LWLock *lock)
{
	memset(table, 0, table_size());
	table->lock = lock;
	pg_atomic_init_u32(&table->used, 0);
	table->size = ow_max_circuit_breakers;
}

void
ow_breaker_request(void)
{
	RequestAddinShmemSpace(table_size());
	RequestNamedLWLockTranche(TRANCHE, 1);
}

void
ow_breaker_startup(void)
{
	bool		found;

	table = ShmemInitStruct(TRANCHE, table_size(), &found);
	if (!found)
		init_table(&GetNamedLWLockTranche(TRANCHE)->lock);
}

/* Nobody has asked for shared memory: this backend has a table of its own. */
static void
need_table(void)
{
	if (table != NULL)
		return;
	table = MemoryContextAllocHuge(TopMemoryContext, table_size());
	init_table(NULL);
}

static void
lock_table(LWLockMode mode)
{
	if (table->lock != NULL)
		LWLockAcquire(table->lock, mode);
}

static void
unlock_table(void)
{
	if (table->lock != NULL)
		LWLockRelease(table->lock);
}

static bool
is_empty(void)
{
	return table == NULL || pg_atomic_read_u32(&table->used) == 0;
}

static uint32
hash_name(const char *activity)
{
	return hash_bytes((const unsigned char *) activity, strlen(activity));
}

/* Under the lock; NULL: the circuit is closed, and nothing counts */
static Place *
find_place(const char *activity)
{
	uint32		hash = hash_name(activity);

	for (uint32 i = 0; i < pg_atomic_read_u32(&table->used); i++)
	{
		Place	   *place = &table->places[i];

		if (place->hash == hash && place->database == MyDatabaseId && strcmp(place->activity, activity) == 0)
			return place;
	}
	return NULL;
}

/* Under the lock, exclusively; NULL: the table is full */
static Place *
take_place(const char *activity, TimestampTz now)
{
	uint32		used = pg_atomic_read_u32(&table->used);
	Place	   *place = NULL;

	for (uint32 i = 0; i < used; i++)
	{
		if (place == NULL || table->places[i].stale_at < place->stale_at)
			place = &table->places[i];
	}
	if (place == NULL || place->stale_at > now)
	{
		if (used == (uint32) table->size)
			return NULL;
		place = &table->places[used];
		pg_atomic_write_u32(&table->used, used + 1);
	}
	memset(place, 0, sizeof(Place));
	place->database = MyDatabaseId;
	place->hash = hash_name(activity);
	strlcpy(place->activity, activity, sizeof(place->activity));
	return place;
}

/* ---- telling of changes ---- */

static void
report_full(TimestampTz now)
{
	if (!TimestampDifferenceExceeds(table->reported_full_at, now, FULL_REPORT_INTERVAL_MS))
		return;
	table->reported_full_at = now;
	ereport(LOG_SERVER_ONLY,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("there is no room for another circuit breaker"),
			 errdetail("Failures of its activity do not count."),
			 errhint("Increase \"order_workflow.max_circuit_breakers\", and restart the server.")));
}

static void
report_change(const char *activity, const OwCircuitEvent *event, OwCircuitState before, OwCircuitState after)
{
	if (event->kind == OW_CIRCUIT_PROBED)
		ereport(LOG_SERVER_ONLY,
				(errmsg("circuit breaker of activity \"%s\" is half-open: one attempt is let through", activity)));
	else if (before == after)
		return;
	else if (after == OW_CIRCUIT_CLOSED)
		ereport(LOG_SERVER_ONLY,
				(errmsg("circuit breaker of activity \"%s\" is closed", activity)));
	else
		ereport(LOG_SERVER_ONLY,
				(errmsg("circuit breaker of activity \"%s\" is open", activity),
				 errdetail("%s", event->error)));
}

/* ---- what transactions tell ---- */

/* A circuit of which nothing is known is only changed by what opens it, or may. */
static bool
begins(const OwCircuitEvent *event)
{
	return event->kind == OW_CIRCUIT_FAILED || event->kind == OW_CIRCUIT_OPENED;
}

/* Under the lock, exclusively */
static void
apply_to_place(Place *place, const OwCircuitBreaker *options, const OwCircuitEvent *event)
{
	ow_circuit_apply(&place->circuit, options, event);
	place->stale_at = ow_circuit_stale_at(&place->circuit, options);
}

static void
count_rejected(const char *activity)
{
	Place	   *place;

	lock_table(LW_EXCLUSIVE);
	place = find_place(activity);
	if (place != NULL)
		place->rejected++;
	unlock_table();
}

/* The transaction has committed: no errors from here. */
static void
apply_to_table(const Pending *one)
{
	const OwCircuitEvent *event = &one->event;
	OwCircuitState before = OW_CIRCUIT_CLOSED;
	OwCircuitState after = OW_CIRCUIT_CLOSED;
	Place	   *place;

	lock_table(LW_EXCLUSIVE);
	place = find_place(one->activity);
	if (place == NULL && begins(event))
		place = take_place(one->activity, event->at);
	if (place != NULL)
	{
		before = ow_circuit_state(&place->circuit, event->at);
		apply_to_place(place, &one->options, event);
		place->outside = one->queue_key != 0;
		after = ow_circuit_state(&place->circuit, event->at);
	}
	unlock_table();
	if (place == NULL && begins(event))
		report_full(event->at);
	report_change(one->activity, event, before, after);
	if (after == OW_CIRCUIT_CLOSED && before != after && one->queue_key != 0)
		ow_waiter_notify(one->queue_key, PG_INT32_MAX);
}

static Pending *
add_pending(const OwBreaker *breaker, const OwCircuitEvent *event)
{
	Pending    *one = ow_notes_add(&pending);
	MemoryContext previous = MemoryContextSwitchTo(TopTransactionContext);

	one->of_test = ow_clock_is_virtual();
	one->activity = pstrdup(breaker->activity);
	one->queue_key = breaker->queue_key;
	one->options = *breaker->options;
	one->options.errors = NULL;
	if (event == NULL)
		one->rejected = true;
	else
	{
		one->event = *event;
		one->event.error = event->error ? pstrdup(event->error) : NULL;
	}
	MemoryContextSwitchTo(previous);
	return one;
}

static void
end_transaction(XactEvent event)
{
	for (int i = 0; event == XACT_EVENT_COMMIT && i < pending.count; i++)
	{
		const Pending *one = pending_at(i);

		if (one->of_test)
			continue;
		if (one->rejected)
			count_rejected(one->activity);
		else
			apply_to_table(one);
	}
}

int
ow_breaker_mark(void)
{
	return pending.count;
}

void
ow_breaker_forget(int mark)
{
	ow_notes_cut(&pending, mark);
}

void
ow_breaker_begin_test(void)
{
	int			kept = 0;

	for (int i = 0; i < pending.count; i++)
	{
		if (!pending_at(i)->of_test)
			*pending_at(kept++) = *pending_at(i);
	}
	ow_notes_cut(&pending, kept);
}

/* ---- as this transaction sees it ---- */

static bool
concerns(const Pending *one, const char *activity)
{
	return one->of_test == ow_clock_is_virtual() && strcmp(one->activity, activity) == 0;
}

/* Under the lock */
static void
view(const char *activity, const Place *place, OwCircuit *circuit)
{
	if (place == NULL)
		memset(circuit, 0, sizeof(OwCircuit));
	else
		*circuit = place->circuit;
	for (int i = 0; i < pending.count; i++)
	{
		if (concerns(pending_at(i), activity) && !pending_at(i)->rejected)
			ow_circuit_apply(circuit, &pending_at(i)->options, &pending_at(i)->event);
	}
}

void
ow_breaker_look(const OwBreaker *breaker, OwCircuit *circuit, int64 *rejected)
{
	const Place *place = NULL;

	*rejected = 0;
	if (is_empty() || ow_clock_is_virtual())
		view(breaker->activity, NULL, circuit);
	else
	{
		lock_table(LW_SHARED);
		place = find_place(breaker->activity);
		view(breaker->activity, place, circuit);
		if (place != NULL)
			*rejected = place->rejected;
		unlock_table();
	}
	for (int i = 0; i < pending.count; i++)
		*rejected += concerns(pending_at(i), breaker->activity) && pending_at(i)->rejected;
}

void
ow_breaker_note(const OwBreaker *breaker, const OwCircuitEvent *event)
{
	OwCircuit	circuit;
	int64		rejected;

	if (is_empty() && pending.count == 0 && !begins(event))
		return;
	need_table();
	ow_breaker_look(breaker, &circuit, &rejected);
	if (ow_circuit_heeds(&circuit, event))
		(void) add_pending(breaker, event);
}

/* On a test's clock the answer is the transaction's own, too. */
static void
note_answer_of_test(const OwBreaker *breaker, OwCircuitAnswer answer, const OwCircuitEvent *probed)
{
	(void) add_pending(breaker, answer == OW_CIRCUIT_PROBE ? probed : NULL);
}

/* Asks once more, where nobody else can: only one attempt is let through.  Others know of it at once. */
static OwCircuitAnswer
settle_answer(const OwBreaker *breaker, const OwCircuitEvent *probed, TimestampTz *retry_at)
{
	OwCircuit	circuit;
	OwCircuitAnswer answer;
	Place	   *place;

	lock_table(LW_EXCLUSIVE);
	place = find_place(breaker->activity);
	view(breaker->activity, place, &circuit);
	answer = ow_circuit_ask(&circuit, breaker->options, &probed->holder, probed->at, retry_at);
	if (place != NULL && answer == OW_CIRCUIT_PROBE)
		apply_to_place(place, breaker->options, probed);
	if (place != NULL && answer == OW_CIRCUIT_REFUSE)
		place->rejected++;
	unlock_table();
	if (place == NULL && answer == OW_CIRCUIT_REFUSE)
		(void) add_pending(breaker, NULL);	/* only this transaction knows that it is open */
	if (answer == OW_CIRCUIT_PROBE)
		report_change(breaker->activity, probed, OW_CIRCUIT_HALF_OPEN, OW_CIRCUIT_HALF_OPEN);
	return answer;
}

bool
ow_breaker_may_attempt(const OwBreaker *breaker, const OwCircuitHolder *holder, TimestampTz now,
					   TimestampTz *retry_at, char **error)
{
	OwCircuitEvent probed = {.kind = OW_CIRCUIT_PROBED, .at = now, .holder = *holder};
	OwCircuitAnswer answer;
	OwCircuit	circuit;
	int64		rejected;

	if (is_empty() && pending.count == 0)
		return true;
	ow_breaker_look(breaker, &circuit, &rejected);
	answer = ow_circuit_ask(&circuit, breaker->options, holder, now, retry_at);
	if (answer == OW_CIRCUIT_PASS)
		return true;
	if (ow_clock_is_virtual())
		note_answer_of_test(breaker, answer, &probed);
	else
		answer = settle_answer(breaker, &probed, retry_at);
	*error = pstrdup(circuit.last_error);
	return answer != OW_CIRCUIT_REFUSE;
}

/* ---- all that are not closed ---- */

static bool
is_listed(List *circuits, const char *activity)
{
	ListCell   *cell;

	foreach(cell, circuits)
	{
		if (strcmp(((OwOpenCircuit *) lfirst(cell))->activity, activity) == 0)
			return true;
	}
	return false;
}

/* Under the lock */
static List *
list_if_open(List *circuits, const char *activity, bool outside, const Place *place, TimestampTz now)
{
	OwCircuit	circuit;
	OwOpenCircuit *one;

	view(activity, place, &circuit);
	if (!circuit.open || is_listed(circuits, activity))
		return circuits;
	one = palloc(sizeof(OwOpenCircuit));
	one->activity = pstrdup(activity);
	one->state = ow_circuit_state(&circuit, now);
	one->outside = outside;
	one->half_open_at = circuit.half_open_at;
	one->probing = circuit.probing && now < circuit.probe_until;
	one->probe = circuit.probe;
	return lappend(circuits, one);
}

List *
ow_breaker_list_open(TimestampTz now)
{
	List	   *circuits = NIL;

	if (!is_empty() && !ow_clock_is_virtual())
	{
		lock_table(LW_SHARED);
		for (uint32 i = 0; i < pg_atomic_read_u32(&table->used); i++)
		{
			const Place *place = &table->places[i];

			if (place->database == MyDatabaseId)
				circuits = list_if_open(circuits, place->activity, place->outside, place, now);
		}
		unlock_table();
	}
	for (int i = 0; i < pending.count; i++)
	{
		const Pending *one = pending_at(i);

		/* what has a place was listed, if it is open */
		if (one->of_test == ow_clock_is_virtual() && begins(&one->event) && !one->rejected)
			circuits = list_if_open(circuits, one->activity, one->queue_key != 0, NULL, now);
	}
	return circuits;
}
