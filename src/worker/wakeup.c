/*
 * wakeup.c
 *		What a transaction owes others once it has ended: remembered while it runs, paid at its end.
 *
 * Called by the engine and the API as they write; the transaction callbacks pay.  See waiter.c for
 * those who wait, pool.c for where work is posted.
 *
 * Debts are notes (notes.c).  Row locks are in an array of their own, which is paid at the end of the top
 * transaction whatever happens to its parts.
 *
 * COMMIT PREPARED calls no callback with these in hand: see utility_hook.c.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/contended.h"
#include "worker/executor.h"
#include "worker/notes.h"
#include "worker/pool.h"
#include "worker/rates.h"
#include "worker/shared.h"
#include "worker/slot.h"
#include "worker/waiter.h"
#include "worker/wakeup.h"

/* More than this in one transaction is not remembered one by one: the tables know them */
#define MAX_RUNS OW_RING_SIZE
#define MAX_LOCKS OW_RING_SIZE
#define FIRST_ROOM 32

/* Half of what those who take tasks allow for (task_claim.c), who may read their clocks a little later */
#define LATE_MS 500

typedef enum DebtKind
{
	DEBT_RUN,
	DEBT_DUE,
	DEBT_RESCAN,
	DEBT_WAITERS,
	DEBT_TASKS,
	DEBT_RETURN,
	DEBT_TAKEN					/* the only one that is paid at abort */
} DebtKind;

typedef struct Debt
{
	OwNote		note;
	DebtKind	kind;
	Oid			owner;
	union
	{
		OwRunRef	run;
		TimestampTz due;
		struct
		{
			uint32		key;
			int			count;
		}			waiters;
		struct
		{
			uint32		key;
			int			added;
			int			taken;
		}			tasks;
	}			what;
} Debt;

typedef struct RowLock
{
	Oid			owner;
	OwRunRef	run;
} RowLock;

static void drop_debt(void *entry);
static void end_transaction(XactEvent event);

static OwNotes debts = {.entry_size = sizeof(Debt), .drop = drop_debt, .end = end_transaction};
static int	n_runs;				/* of them are runs */

/* In TopTransactionContext; empty between transactions */
static RowLock *locks;
static int	n_locks;
static int	locks_room;
static Oid	scan_database;
static bool unpark;

static Debt *add_debt(DebtKind kind, Oid owner);
static Debt *last_debt(DebtKind kind, Oid owner);
static void pay_debts(void);
static void give_back(const Debt *debt);
static void announce_locks(void);
static void settle(void);
static void forget_all(void);

/*
 * Has debts paid, when there is anybody to wake.
 */
void
ow_wakeup_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		ow_notes_register(&debts);
}

/*
 * Owes a run that is ready.
 */
void
ow_wakeup_run(Oid owner, const OwRunRef *run)
{
	if (ow_shared == NULL)
		return;
	if (n_runs >= MAX_RUNS)
	{
		if (last_debt(DEBT_RESCAN, owner) == NULL)
			(void) add_debt(DEBT_RESCAN, owner);
		return;
	}
	add_debt(DEBT_RUN, owner)->what.run = *run;
	n_runs++;
}

/*
 * Owes a timer.
 */
void
ow_wakeup_at(Oid owner, TimestampTz due_at)
{
	Debt	   *debt;

	if (ow_shared == NULL)
		return;
	debt = last_debt(DEBT_DUE, owner);
	if (debt == NULL)
		add_debt(DEBT_DUE, owner)->what.due = due_at;
	else
		debt->what.due = Min(debt->what.due, due_at);
}

static void
add_waiters(DebtKind kind, uint32 key, int count)
{
	Debt	   *last;

	if (ow_shared == NULL)
		return;
	last = last_debt(kind, InvalidOid);
	if (last == NULL || last->what.waiters.key != key)
	{
		last = add_debt(kind, InvalidOid);
		last->what.waiters.key = key;
		last->what.waiters.count = 0;
	}
	last->what.waiters.count = count > INT_MAX - last->what.waiters.count ? INT_MAX :
		last->what.waiters.count + count;
}

/*
 * Owes a wake-up of those who wait for the key: all of them, or some.
 */
void
ow_wakeup_waiters(uint32 key)
{
	add_waiters(DEBT_WAITERS, key, INT_MAX);
}

void
ow_wakeup_some_waiters(uint32 key, int count)
{
	add_waiters(DEBT_WAITERS, key, count);
}

/*
 * Owes a wake-up of some of those who wait for the key, unless this transaction commits.
 */
void
ow_wakeup_if_aborted(uint32 key, int count)
{
	add_waiters(DEBT_TAKEN, key, count);
}

/*
 * Owes the count of tasks that have come or gone.
 */
void
ow_wakeup_tasks(Oid owner, uint32 queue_key, int added, int taken)
{
	Debt	   *debt;

	if (ow_shared == NULL)
		return;
	debt = last_debt(DEBT_TASKS, owner);
	if (debt == NULL || debt->what.tasks.key != queue_key)
	{
		debt = add_debt(DEBT_TASKS, owner);
		debt->what.tasks.key = queue_key;
		debt->what.tasks.added = debt->what.tasks.taken = 0;
	}
	debt->what.tasks.added += added;
	debt->what.tasks.taken += taken;
}

/*
 * Owes that whoever takes tasks of the queue looks for older ones, too.
 */
void
ow_wakeup_return(uint32 key)
{
	add_waiters(DEBT_RETURN, key, 1);
}

/*
 * Owes the announcement that a run's row lock is gone.
 */
void
ow_wakeup_locked(Oid owner, const OwRunRef *run)
{
	if (ow_shared == NULL || n_locks > MAX_LOCKS)
		return;
	if (n_locks == locks_room)
	{
		int			room = Max(locks_room * 2, FIRST_ROOM);

		locks = locks == NULL ?
			MemoryContextAlloc(TopTransactionContext, room * sizeof(RowLock)) :
			repalloc(locks, room * sizeof(RowLock));
		locks_room = room;
	}
	locks[n_locks].owner = owner;
	locks[n_locks].run = *run;
	n_locks++;
}

/*
 * Owes a scan of the database.
 */
void
ow_wakeup_scan(Oid database)
{
	scan_database = database;
}

/*
 * Owes the parked pools another look: what kept them from running may have been mended.
 */
void
ow_wakeup_unpark(void)
{
	unpark = true;
}

/*
 * Remembers that a run could not be locked: see contended.c.
 */
void
ow_ready_contended(Oid owner, const OwRunRef *run)
{
	OwContendedResult result;

	if (ow_shared == NULL)
		return;
	result = ow_contended_add(MyDatabaseId, owner, run);
	if (ow_executor_is_mine(owner))
		ow_executor_note_contended(run, result);
	else
		ow_wakeup_locked(owner, run);	/* some executor tries again when this transaction ends */
}

static Debt *
add_debt(DebtKind kind, Oid owner)
{
	Debt	   *debt = ow_notes_add(&debts);

	debt->kind = kind;
	debt->owner = owner;
	return debt;
}

/*
 * Finds the latest debt of a kind that this subtransaction has made for an owner.
 *
 * It looks back only a little, which is enough for the usual pattern of a run, a timer, a run …
 */
static Debt *
last_debt(DebtKind kind, Oid owner)
{
	int			level = GetCurrentTransactionNestLevel();

	for (int i = debts.count - 1; i >= 0 && i >= debts.count - 6; i--)
	{
		Debt	   *debt = ow_note_at(&debts, Debt, i);

		if (debt->note.nest_level < level)
			break;
		if (debt->kind == kind && debt->owner == owner)
			return debt;
	}
	return NULL;
}

static void
end_transaction(XactEvent event)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			pay_debts();
			settle();
			break;

		case XACT_EVENT_ABORT:
			for (int i = 0; i < debts.count; i++)
				give_back(ow_note_at(&debts, Debt, i));
			settle();
			ow_waiter_end();
			break;

		case XACT_EVENT_PREPARE:
			if (debts.count > 0 || n_locks > 0)
				pg_atomic_write_u32(&ow_shared->prepared_work, 1);
			n_locks = 0;		/* they are still held */
			settle();
			break;

		default:
			break;
	}
}

static void
drop_debt(void *entry)
{
	const Debt *debt = entry;

	if (debt->kind == DEBT_RUN)
		n_runs--;
	give_back(debt);
}

/*
 * Tells others that what was taken is there again: a transaction, or part of it, has been aborted.
 */
static void
give_back(const Debt *debt)
{
	if (debt->kind != DEBT_TAKEN)
		return;
	ow_waiter_note_return(debt->what.waiters.key);
	ow_waiter_notify(debt->what.waiters.key, debt->what.waiters.count);
}

/*
 * Has the transaction taken so long that others may have come past the time at which it queued tasks?
 */
static bool
is_late(void)
{
	return TimestampDifferenceExceeds(GetCurrentTransactionStartTimestamp(), GetCurrentTransactionStopTimestamp(), LATE_MS);
}

/*
 * Pays: the transaction has committed and others see it.
 */
static void
pay_debts(void)
{
	for (int i = 0; i < debts.count; i++)
	{
		const Debt *debt = ow_note_at(&debts, Debt, i);

		switch (debt->kind)
		{
			case DEBT_RUN:
				ow_pool_post_run(MyDatabaseId, debt->owner, &debt->what.run);
				break;
			case DEBT_DUE:
				ow_pool_post_due(MyDatabaseId, debt->owner, debt->what.due);
				break;
			case DEBT_RESCAN:
				ow_pool_post_rescan(MyDatabaseId, debt->owner);
				break;
			case DEBT_WAITERS:
				if (is_late())
					ow_waiter_note_return(debt->what.waiters.key);
				ow_waiter_notify(debt->what.waiters.key, debt->what.waiters.count);
				break;
			case DEBT_RETURN:
				ow_waiter_note_return(debt->what.waiters.key);
				break;
			case DEBT_TAKEN:
				break;
			case DEBT_TASKS:
				ow_rates_count(debt->owner, debt->what.tasks.key, debt->what.tasks.added, debt->what.tasks.taken);
				break;
		}
	}
}

/*
 * Gives runs that others skipped, as this transaction held their lock, to an executor again.
 */
static void
announce_locks(void)
{
	if (n_locks > 0 && ow_contended_any())
	{
		for (int i = 0; i < n_locks; i++)
		{
			if (ow_contended_remove(MyDatabaseId, locks[i].owner, &locks[i].run))
				ow_pool_post_run(MyDatabaseId, locks[i].owner, &locks[i].run);
		}
		if (n_locks > MAX_LOCKS)
			ow_contended_post_all(MyDatabaseId, InvalidOid);
	}
}

/*
 * Does what is due at the end of a transaction whatever its end.
 */
static void
settle(void)
{
	announce_locks();
	if (OidIsValid(scan_database))
		ow_pool_request_scan(scan_database);
	if (unpark)
	{
		ow_pool_unpark(InvalidOid);
		ow_shared_wake(ow_shared->launcher);
	}
	ow_slot_release_holds();
	forget_all();
}

static void
forget_all(void)
{
	/* The memory goes with the transaction */
	locks = NULL;
	n_runs = n_locks = locks_room = 0;
	scan_database = InvalidOid;
	unpark = false;
}
