/*
 * waiter.c
 *		Backends that wait for a workflow to close, or for a task of a queue, on their latch.
 *
 * One entry for each backend, at its backend id, so that none is ever searched for or runs out.  The
 * number of entries in use lets those who have something to tell pass by when nobody waits.
 *
 * No wake-up is lost: the waiter enters its key (a full barrier), then looks at the tables; whoever wakes
 * commits, then reads the count (a full barrier).  Whichever comes second sees the other.  Since a
 * latch may be reset by any wait inside the look, the entry has a word of its own.
 *
 * A close wakes all who wait for it.  Of those who wait for a task queue, as many are woken as there are new
 * tasks.  What wakes one is then its debt: the number of the wake-up, which it has until it has taken
 * something, or has passed it on.  It passes it on when it found nothing, which may be for its own wishes only
 * (filter: whose rights, which activities), or leaves, to somebody who has not looked since that wake-up.  That
 * somebody of its own filter has looked in vain counts as his having looked.  So the debt ends when there is
 * nobody left for whom the task might be.
 *
 * Pollers that look only for what is newer than what they have seen are told by a counter when something older may
 * have come back: see task_claim.c.
 */
#include "postgres.h"

#include <limits.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/backendid.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "worker/shared.h"
#include "worker/waiter.h"
#include "worker/wakeup.h"

typedef struct OwWaiter
{
	pg_atomic_uint32 key;		/* 0: nobody waits here */
	uint32		filter;			/* OW_WAKE_ALL: wants to be woken with all others */
	pg_atomic_uint64 woken;		/* number of the wake-up; 0: not woken */
	pg_atomic_uint64 looked;	/* number of the last wake-up before its last look */
	int			pgprocno;
} OwWaiter;

/* Queues share counters of what has come back: one that looks in vain loses nothing. */
#define RETURN_COUNTERS 128

typedef struct OwWaiters
{
	pg_atomic_uint32 count;
	pg_atomic_uint64 wakeups;	/* how many there have been */
	pg_atomic_uint64 returns[RETURN_COUNTERS];
	OwWaiter	waiters[FLEXIBLE_ARRAY_MEMBER];
} OwWaiters;

/* Without shared memory there is only looking again and again */
#define POLL_MS 100

static OwWaiters *shared_waiters;
static OwWaiter *my_waiter;

/* What this waiter was woken by, if it has not passed it on */
static uint64 my_debt;
static bool looked_before;

/* …and what is still to be paid by its next poll, having been told only that there is a task */
static uint32 owed_key;
static uint64 owed;

static void leave_at_exit(int code, Datum arg);

Size
ow_waiter_size(void)
{
	return add_size(offsetof(OwWaiters, waiters), mul_size(MaxBackends, sizeof(OwWaiter)));
}

void
ow_waiter_startup(void)
{
	bool		found;

	shared_waiters = ShmemInitStruct("order_workflow waiters", ow_waiter_size(), &found);
	if (found)
		return;

	pg_atomic_init_u32(&shared_waiters->count, 0);
	pg_atomic_init_u64(&shared_waiters->wakeups, 0);
	for (int i = 0; i < RETURN_COUNTERS; i++)
		pg_atomic_init_u64(&shared_waiters->returns[i], 0);
	for (int i = 0; i < MaxBackends; i++)
	{
		pg_atomic_init_u32(&shared_waiters->waiters[i].key, 0);
		pg_atomic_init_u64(&shared_waiters->waiters[i].woken, 0);
		pg_atomic_init_u64(&shared_waiters->waiters[i].looked, 0);
	}
}

/*
 * Gives the key of a workflow id of this database.
 *
 * Two ids with the same key wake each other's waiters, who look and sleep on.
 */
uint32
ow_wakeup_key(const char *workflow_id)
{
	uint32		key = hash_combine(hash_bytes((const unsigned char *) workflow_id, strlen(workflow_id)),
								   hash_uint32(MyDatabaseId));

	return key == 0 ? 1 : key;
}

/*
 * Enters this backend as one that waits for the key, instead of any before.
 *
 * What may still be in its word is not wiped out: at worst it is passed on for nothing.
 */
void
ow_waiter_begin(uint32 key, uint32 filter)
{
	static bool cleanup_registered = false;

	Assert(key != 0);
	if (shared_waiters == NULL)
		return;

	if (!cleanup_registered)
	{
		before_shmem_exit(leave_at_exit, 0);
		cleanup_registered = true;
	}
	ow_waiter_end();

	looked_before = false;
	my_waiter = &shared_waiters->waiters[MyBackendId - 1];
	my_waiter->pgprocno = MyProc->pgprocno;
	my_waiter->filter = filter;
	pg_atomic_write_u64(&my_waiter->looked, 0);
	pg_atomic_write_u32(&my_waiter->key, key);
	pg_atomic_fetch_add_u32(&shared_waiters->count, 1); /* a full barrier */
}

/*
 * Sleeps until woken, or for so long.
 */
void
ow_waiter_sleep(long timeout_ms)
{
	if (my_waiter == NULL)
		timeout_ms = Min(timeout_ms, POLL_MS);

	if (my_waiter == NULL || pg_atomic_read_u64(&my_waiter->woken) == 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(Max(timeout_ms, 0), INT_MAX), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	if (my_waiter != NULL && my_waiter->filter == OW_WAKE_ALL)
		(void) pg_atomic_exchange_u64(&my_waiter->woken, 0);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Gives the wake-up to a waiter, unless it has one; false as well when it waits for something else by now.
 *
 * Whoever ends its wait takes its key away first, then looks into its word: so if the key is still there
 * after the word was written, it is seen.
 */
static bool
wake(OwWaiter *waiter, uint32 key, uint64 number)
{
	uint64		not_woken = 0;

	if (!pg_atomic_compare_exchange_u64(&waiter->woken, &not_woken, number))
		return false;
	ow_shared_wake(waiter->pgprocno);
	return pg_atomic_read_u32(&waiter->key) == key;
}

/*
 * Passes a wake-up on to somebody who has not looked since, if there is anybody.
 */
static void
pass_on(uint32 key, uint64 number)
{
	int			start = (int) (number % MaxBackends);

	if (number == 0)
		return;
	pg_memory_barrier();
	for (int i = 0; i < MaxBackends; i++)
	{
		OwWaiter   *waiter = &shared_waiters->waiters[(start + i) % MaxBackends];

		if (pg_atomic_read_u32(&waiter->key) == key && waiter->filter != OW_WAKE_ALL &&
			pg_atomic_read_u64(&waiter->looked) < number && wake(waiter, key, number))
			return;
	}
}

/*
 * Notes that this backend looks now; true when it was woken to do so.
 */
bool
ow_waiter_look(void)
{
	uint64		woken;

	if (my_waiter == NULL)
		return false;
	pg_atomic_write_u64(&my_waiter->looked, pg_atomic_read_u64(&shared_waiters->wakeups));
	woken = pg_atomic_exchange_u64(&my_waiter->woken, 0);	/* a full barrier */
	my_debt = Max(my_debt, woken);
	return my_debt != 0;
}

/* Whoever wants the same need not look for what one of them has not found. */
static void
note_looked(void)
{
	uint64		looked = pg_atomic_read_u64(&my_waiter->looked);

	for (int i = 0; i < MaxBackends; i++)
	{
		OwWaiter   *waiter = &shared_waiters->waiters[i];
		uint64		before = pg_atomic_read_u64(&waiter->looked);

		if (pg_atomic_read_u32(&waiter->key) != pg_atomic_read_u32(&my_waiter->key) ||
			waiter->filter != my_waiter->filter)
			continue;
		while (before < looked && !pg_atomic_compare_exchange_u64(&waiter->looked, &before, looked))
			;
	}
}

/*
 * Notes what came of the look.
 *
 * Whoever has all that it can take on its first look may have found what was there before, and not what it
 * was woken for.
 */
void
ow_waiter_looked(OwLook result)
{
	if (my_waiter == NULL)
		return;
	if (my_debt != 0)
	{
		if (result == OW_LOOK_NOT_ALL)
		{
			if (!looked_before)
				pass_on(pg_atomic_read_u32(&my_waiter->key), my_debt);
		}
		else
		{
			note_looked();
			pass_on(pg_atomic_read_u32(&my_waiter->key), my_debt);
		}
	}
	my_debt = 0;
	looked_before = true;
}

/*
 * Notes that this backend has been told that there is a task, for it to poll.  It may never do that.
 */
void
ow_waiter_told(void)
{
	if (my_waiter == NULL)
		return;
	ow_waiter_settle();
	owed_key = pg_atomic_read_u32(&my_waiter->key);
	owed = Max(my_debt, pg_atomic_exchange_u64(&my_waiter->woken, 0));
	my_debt = 0;
}

/*
 * Pays what ow_waiter_told left: polls that were made in the meantime may have been of another queue, or have
 * found nothing.
 */
void
ow_waiter_settle(void)
{
	uint64		number = owed;

	owed = 0;
	if (number != 0)
		pass_on(owed_key, number);
}

void
ow_waiter_forgive(uint32 key)
{
	if (owed_key == key)
		owed = 0;
}

/*
 * Ends the wait.  Does nothing when there is none.
 */
void
ow_waiter_end(void)
{
	OwWaiter   *waiter = my_waiter;
	uint32		key;
	uint64		number;

	if (waiter == NULL)
		return;
	key = pg_atomic_exchange_u32(&waiter->key, 0);	/* a full barrier */
	pg_atomic_fetch_sub_u32(&shared_waiters->count, 1);
	number = Max(my_debt, pg_atomic_exchange_u64(&waiter->woken, 0));
	my_waiter = NULL;
	my_debt = 0;
	if (waiter->filter != OW_WAKE_ALL)
		pass_on(key, number);
}

static void
leave_at_exit(int code, Datum arg)
{
	ow_waiter_end();
	ow_waiter_settle();
}

/*
 * Wakes that many of those who wait for the key, and have not been woken.
 *
 * Who has been will look at the tables after this, too.
 */
void
ow_waiter_notify(uint32 key, int count)
{
	uint64		number;
	int			start;

	if (shared_waiters == NULL)
		return;
	pg_memory_barrier();
	if (pg_atomic_read_u32(&shared_waiters->count) == 0)
		return;

	number = pg_atomic_add_fetch_u64(&shared_waiters->wakeups, 1);
	start = (int) (number % MaxBackends);
	for (int i = 0; i < MaxBackends && count > 0; i++)
	{
		OwWaiter   *waiter = &shared_waiters->waiters[(start + i) % MaxBackends];

		if (pg_atomic_read_u32(&waiter->key) == key && wake(waiter, key, number))
			count--;
	}
}

/*
 * Wakes all who wait for anything: nobody knows any more for what they might have waited.
 */
void
ow_waiter_notify_all(void)
{
	uint64		number;

	if (shared_waiters == NULL)
		return;
	for (int i = 0; i < RETURN_COUNTERS; i++)
		pg_atomic_fetch_add_u64(&shared_waiters->returns[i], 1);
	number = pg_atomic_add_fetch_u64(&shared_waiters->wakeups, 1);	/* a full barrier */
	for (int i = 0; i < MaxBackends; i++)
	{
		uint32		key = pg_atomic_read_u32(&shared_waiters->waiters[i].key);

		if (key != 0)
			(void) wake(&shared_waiters->waiters[i], key, number);
	}
}

/*
 * How often tasks of a queue may have come back, or have come late.  Read before the tables are, it tells later
 * whether they have since.
 */
uint64
ow_waiter_returns(uint32 key)
{
	return shared_waiters == NULL ? 0 : pg_atomic_read_u64(&shared_waiters->returns[key % RETURN_COUNTERS]);
}

void
ow_waiter_note_return(uint32 key)
{
	if (shared_waiters != NULL)
		pg_atomic_fetch_add_u64(&shared_waiters->returns[key % RETURN_COUNTERS], 1);
}
