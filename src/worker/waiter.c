/*
 * waiter.c
 *		Backends that wait for a workflow to close (or anything else with a key) on their latch.
 *
 * One entry for each backend, at its backend id, so that none is ever searched for or runs out.  The
 * number of entries in use lets those who close workflows pass by when nobody waits.
 *
 * No wake-up is lost: the waiter enters its key (a full barrier), then looks at the tables; a closer
 * commits, then reads the count (a full barrier).  Whichever comes second sees the other.  Since a
 * latch may be reset by any wait inside the look, the entry has a flag of its own.
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
	pg_atomic_uint32 woken;
	int			pgprocno;
} OwWaiter;

typedef struct OwWaiters
{
	pg_atomic_uint32 count;
	OwWaiter	waiters[FLEXIBLE_ARRAY_MEMBER];
} OwWaiters;

/* Without shared memory there is only looking again and again */
#define POLL_MS 100

static OwWaiters *shared_waiters;
static OwWaiter *my_waiter;

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
	for (int i = 0; i < MaxBackends; i++)
	{
		pg_atomic_init_u32(&shared_waiters->waiters[i].key, 0);
		pg_atomic_init_u32(&shared_waiters->waiters[i].woken, 0);
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
 */
void
ow_waiter_begin(uint32 key)
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

	my_waiter = &shared_waiters->waiters[MyBackendId - 1];
	my_waiter->pgprocno = MyProc->pgprocno;
	pg_atomic_write_u32(&my_waiter->woken, 0);
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

	if (my_waiter == NULL || pg_atomic_read_u32(&my_waiter->woken) == 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(Max(timeout_ms, 0), INT_MAX), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	if (my_waiter != NULL)
		(void) pg_atomic_exchange_u32(&my_waiter->woken, 0);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Ends the wait.  Does nothing when there is none.
 */
void
ow_waiter_end(void)
{
	if (my_waiter == NULL)
		return;
	pg_atomic_write_u32(&my_waiter->key, 0);
	pg_atomic_fetch_sub_u32(&shared_waiters->count, 1);
	my_waiter = NULL;
}

static void
leave_at_exit(int code, Datum arg)
{
	ow_waiter_end();
}

/*
 * Wakes all who wait for the key.
 */
void
ow_waiter_notify(uint32 key)
{
	if (shared_waiters == NULL)
		return;
	pg_memory_barrier();
	if (pg_atomic_read_u32(&shared_waiters->count) == 0)
		return;

	for (int i = 0; i < MaxBackends; i++)
	{
		OwWaiter   *waiter = &shared_waiters->waiters[i];

		if (pg_atomic_read_u32(&waiter->key) != key)
			continue;
		pg_atomic_write_u32(&waiter->woken, 1);
		ow_shared_wake(waiter->pgprocno);
	}
}
