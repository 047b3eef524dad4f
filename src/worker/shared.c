/*
 * shared.c
 *		Asks for the worker layer's shared memory, and sets it up.
 *
 * _PG_init calls ow_shared_init; the postmaster calls the hooks, at start and again after a crash.
 * Every module that keeps something in shared memory of its own has its size and start-up function
 * called from here, so that this is the one place where all of it is seen.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "worker/breaker.h"
#include "worker/contended.h"
#include "worker/crash_map.h"
#include "worker/metrics.h"
#include "worker/rates.h"
#include "worker/shared.h"
#include "worker/waiter.h"

#define TRANCHE "order_workflow"

OwShared   *ow_shared;
OwPool	   *ow_shared_pools;
OwSlot	   *ow_shared_slots;
OwSuspectNote *ow_shared_suspects;

static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

static void request_memory(void);
static void start_up(void);
static void init_shared(void);
static void init_pools(void);
static void init_slots(void);

/*
 * Installs the hooks, when the library is being preloaded.
 */
void
ow_shared_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;

	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_up;
}

/*
 * Each background worker of the server may be one of ours.
 */
static int
slot_count(void)
{
	return Max(max_worker_processes, 1);
}

static void
request_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();

	RequestAddinShmemSpace(MAXALIGN(sizeof(OwShared)));
	RequestAddinShmemSpace(mul_size(ow_max_pools, sizeof(OwPool)));
	RequestAddinShmemSpace(mul_size(slot_count(), sizeof(OwSlot)));
	RequestAddinShmemSpace(mul_size(slot_count(), sizeof(OwSuspectNote)));
	RequestAddinShmemSpace(ow_contended_size());
	RequestAddinShmemSpace(ow_waiter_size());
	RequestAddinShmemSpace(ow_rates_size());
	ow_breaker_request();
	ow_metrics_request();
	RequestNamedLWLockTranche(TRANCHE, 1);
}

static void
start_up(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	ow_shared = ShmemInitStruct("order_workflow", sizeof(OwShared), &found);
	ow_shared_pools = ShmemInitStruct("order_workflow pools",
									  mul_size(ow_max_pools, sizeof(OwPool)), &found);
	ow_shared_slots = ShmemInitStruct("order_workflow slots",
									  mul_size(slot_count(), sizeof(OwSlot)), &found);
	ow_shared_suspects = ShmemInitStruct("order_workflow suspects",
										 mul_size(slot_count(), sizeof(OwSuspectNote)), &found);
	ow_contended_startup();
	ow_waiter_startup();
	ow_rates_startup();
	ow_breaker_startup();
	ow_metrics_startup();
	if (!found)
	{
		init_shared();
		init_pools();
		init_slots();
		ow_crash_map_startup();
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
init_shared(void)
{
	memset(ow_shared, 0, sizeof(OwShared));
	ow_shared->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	ow_shared->n_pools = ow_max_pools;
	ow_shared->n_slots = slot_count();
	ow_shared->n_suspects = slot_count();
	ow_shared->launcher = OW_NONE;
	ConditionVariableInit(&ow_shared->slot_freed);
	pg_atomic_init_u64(&ow_shared->overflow_due, (uint64) DT_NOEND);

	/* Whether one survived the restart is not known here */
	pg_atomic_init_u32(&ow_shared->prepared_work, max_prepared_xacts > 0 ? 1 : 0);
}

static void
init_pools(void)
{
	memset(ow_shared_pools, 0, sizeof(OwPool) * ow_shared->n_pools);
	for (int i = 0; i < ow_shared->n_pools; i++)
	{
		SpinLockInit(&ow_shared_pools[i].mutex);
		pg_atomic_init_u64(&ow_shared_pools[i].next_due, (uint64) DT_NOEND);
		pg_atomic_init_u32(&ow_shared_pools[i].n_long, 0);
	}
}

static void
init_slots(void)
{
	memset(ow_shared_slots, 0, sizeof(OwSlot) * ow_shared->n_slots);
	memset(ow_shared_suspects, 0, sizeof(OwSuspectNote) * ow_shared->n_suspects);
	for (int i = 0; i < ow_shared->n_slots; i++)
	{
		pg_atomic_init_u32(&ow_shared_slots[i].asked, 0);
		pg_atomic_init_u32(&ow_shared_slots[i].is_long, 0);
		ow_shared_slots[i].pgprocno = OW_NONE;
		ow_shared_slots[i].pool = OW_NONE;
	}
}

/*
 * Sets the latch of a process, if it names one.
 */
void
ow_shared_wake(int pgprocno)
{
	if (pgprocno != OW_NONE)
		SetLatch(&ProcGlobal->allProcs[pgprocno].procLatch);
}

/*
 * Moves a time to the candidate if that is earlier.  Also a full memory barrier, either way.
 */
bool
ow_shared_earlier(pg_atomic_uint64 *time, TimestampTz candidate)
{
	uint64		current = pg_atomic_read_u64(time);

	pg_memory_barrier();
	while (candidate < (TimestampTz) current)
	{
		if (pg_atomic_compare_exchange_u64(time, &current, (uint64) candidate))
			return true;
	}
	return false;
}
