/*
 * scanner.c
 *		The worker that looks into a database for work that shared memory does not know.
 *
 * The launcher starts one for each database after the server's start, and for a database when asked
 * for (resume_engine, COMMIT PREPARED, an overflow).  In a session of the bootstrap superuser it
 * charges the crash suspects of the database, then posts to the pools of all owners that have
 * something to do, and exits.
 */
#include "postgres.h"

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/timestamp.h"

#include "worker/pool.h"
#include "worker/scanner.h"
#include "worker/session.h"
#include "worker/shared.h"
#include "worker/slot.h"

/* A suspect that cannot be charged must not keep the database waiting for ever */
#define MAX_ATTEMPTS 3

static bool start_up(int slot);
static bool look(void);
static bool is_installed(void);
static void charge_suspects(void);
static bool take_suspect(OwCrashSuspect *suspect);
static void drop_suspect(const OwCrashSuspect *suspect);
static void post_owners(void);

/*
 * Entry point of the process.
 */
void
ow_scanner_main(Datum slot)
{
	if (start_up(DatumGetInt32(slot)) && !look())
	{
		/* Look again after having forgotten: an extension may have come in between */
		ow_pool_forget_database(MyDatabaseId);
		(void) look();
	}
	ow_slot_note_leaving();
	proc_exit(0);
}

static bool
start_up(int slot)
{
	uint32		generation;

	memcpy(&generation, MyBgworkerEntry->bgw_extra, sizeof(generation));
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	if (!ow_slot_attach(slot, generation))
		proc_exit(0);
	if (ow_slot_asked() != 0)
		return false;

	ow_session_start(ow_shared_slots[slot].database, InvalidOid, "order_workflow scanner");
	ow_slot_note_connected();
	return true;
}

/*
 * Looks for work; false when the extension is not installed.
 */
static bool
look(void)
{
	if (!is_installed())
		return false;
	charge_suspects();
	post_owners();
	return true;
}

static bool
is_installed(void)
{
	bool		installed;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	installed = ow_engine_installed();
	CommitTransactionCommand();
	return installed;
}

static void
charge_suspects(void)
{
	OwCrashSuspect suspect;

	while (take_suspect(&suspect))
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		ow_engine_charge_crash(&suspect);
		CommitTransactionCommand();
		drop_suspect(&suspect);
	}
}

/*
 * Copies a suspect of this database.  It stays on the list until it has been charged.
 */
static bool
take_suspect(OwCrashSuspect *suspect)
{
	bool		found = false;

	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < ow_shared->n_suspects && !found; i++)
	{
		OwSuspectNote *note = &ow_shared_suspects[i];

		if (note->suspect.database != MyDatabaseId)
			continue;
		if (note->attempts++ >= MAX_ATTEMPTS)
		{
			note->suspect.database = InvalidOid;
			continue;
		}
		*suspect = note->suspect;
		found = true;
	}
	LWLockRelease(ow_shared->lock);
	return found;
}

static void
drop_suspect(const OwCrashSuspect *suspect)
{
	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < ow_shared->n_suspects; i++)
	{
		OwSuspectNote *note = &ow_shared_suspects[i];

		if (note->suspect.database == suspect->database &&
			memcmp(&note->suspect.run, &suspect->run, sizeof(OwRunRef)) == 0)
			note->suspect.database = InvalidOid;
	}
	LWLockRelease(ow_shared->lock);
}

/*
 * Tells whether a database has suspects that were not charged yet.
 */
bool
ow_scanner_has_suspects(Oid database)
{
	bool		found = false;

	LWLockAcquire(ow_shared->lock, LW_SHARED);
	for (int i = 0; i < ow_shared->n_suspects && !found; i++)
		found = ow_shared_suspects[i].suspect.database == database;
	LWLockRelease(ow_shared->lock);
	return found;
}

void
ow_scanner_forget_suspects(Oid database)
{
	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < ow_shared->n_suspects; i++)
	{
		if (ow_shared_suspects[i].suspect.database == database)
			ow_shared_suspects[i].suspect.database = InvalidOid;
	}
	LWLockRelease(ow_shared->lock);
}

/*
 * Posts the work there is.  A quarantined copy has none.
 */
static void
post_owners(void)
{
	ListCell   *cell;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (!ow_engine_quarantined())
	{
		ow_pool_unpark(MyDatabaseId);
		foreach(cell, ow_engine_find_owners())
		{
			OwOwnerWork *work = lfirst(cell);

			if (work->ready)
				ow_pool_post_rescan(MyDatabaseId, work->owner);
			ow_pool_post_due(MyDatabaseId, work->owner, work->next_due);
		}
	}
	CommitTransactionCommand();
}
