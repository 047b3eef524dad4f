/*
 * start.c
 *		Starting processes for the launcher.
 *
 * A slot is reserved first, then the postmaster is asked for a process, which attaches to it.  The
 * launcher keeps the postmaster's handle to find out when none came.  If the launcher itself dies, the
 * next one has no handles of what was being started: such slots are freed after a while.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/launcher.h"
#include "worker/slot.h"

#define ORPHAN_MS 10000

typedef struct Started
{
	BackgroundWorkerHandle *handle; /* NULL: nothing known */
	uint32		generation;
} Started;

static Started *started;		/* by slot */
static TimestampTz launcher_started_at;

static int	start_worker(OwSlotKind kind, Oid database, Oid role, int pool);
static bool ask_postmaster(int slot, OwSlotKind kind);
static void reap_slot(int slot);

void
ow_start_init(void)
{
	started = MemoryContextAllocZero(TopMemoryContext, sizeof(Started) * ow_shared->n_slots);
	launcher_started_at = GetCurrentTimestamp();
}

bool
ow_start_executor(Oid database, Oid role, int pool)
{
	return start_worker(OW_SLOT_EXECUTOR, database, role, pool) != OW_NONE;
}

int
ow_start_scanner(Oid database)
{
	return start_worker(OW_SLOT_SCANNER, database, InvalidOid, OW_NONE);
}

static int
start_worker(OwSlotKind kind, Oid database, Oid role, int pool)
{
	uint32		generation;
	int			slot = ow_slot_reserve(kind, database, role, pool, &generation);

	if (slot == OW_NONE)
		return OW_NONE;
	started[slot].generation = generation;
	if (!ask_postmaster(slot, kind))
	{
		ow_slot_free(slot, generation,
					 "no background worker slot is free; consider increasing max_worker_processes");
		return OW_NONE;
	}
	return slot;
}

static bool
ask_postmaster(int slot, OwSlotKind kind)
{
	const char *name = kind == OW_SLOT_EXECUTOR ? "executor" : "scanner";
	BackgroundWorker worker;
	MemoryContext old_context;
	bool		accepted;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "order_workflow %s %d", name, slot);
	snprintf(worker.bgw_type, BGW_MAXLEN, "order_workflow %s", name);
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "order_workflow");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "ow_%s_main", name);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = Int32GetDatum(slot);
	memcpy(worker.bgw_extra, &started[slot].generation, sizeof(uint32));
	worker.bgw_notify_pid = MyProcPid;

	old_context = MemoryContextSwitchTo(TopMemoryContext);
	accepted = RegisterDynamicBackgroundWorker(&worker, &started[slot].handle);
	MemoryContextSwitchTo(old_context);
	if (!accepted)
		started[slot].handle = NULL;
	return accepted;
}

/*
 * Tells whether the process started in a slot has ended.  Its slot is free, but unchanged until the
 * next start.
 */
bool
ow_start_is_over(int slot)
{
	return started[slot].handle == NULL;
}

void
ow_start_reap(void)
{
	for (int slot = 0; slot < ow_shared->n_slots; slot++)
		reap_slot(slot);
}

/*
 * Frees a slot whose process is known to have ended, or not to come.
 */
static void
reap_slot(int slot)
{
	Started    *start = &started[slot];
	uint32		generation = start->generation;
	pid_t		pid;

	if (start->handle != NULL)
	{
		if (GetBackgroundWorkerPid(start->handle, &pid) != BGWH_STOPPED)
			return;
		pfree(start->handle);
		start->handle = NULL;
	}
	else if (ow_shared_slots[slot].state == OW_SLOT_STARTING)
	{
		if (!TimestampDifferenceExceeds(launcher_started_at, GetCurrentTimestamp(), ORPHAN_MS))
			return;
		generation = ow_shared_slots[slot].generation;
	}
	else if (ow_shared_slots[slot].state != OW_SLOT_ENDED)
		return;
	ow_slot_free(slot, generation, OW_UNKNOWN_FAILURE);
}
