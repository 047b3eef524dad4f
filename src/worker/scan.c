/*
 * scan.c
 *		Which databases to send a scanner to, one at a time: part of the launcher.
 *
 * All of them when the launcher starts, at a reload, and when work found no pool; one when asked for.
 * A scanner that fails is sent again, later and later.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "worker/launcher.h"
#include "worker/pool.h"
#include "worker/scanner.h"
#include "worker/slot.h"

#define HELD_RETRY_MS 1000
#define MAX_BACKOFF_S 60

typedef struct PendingScan
{
	Oid			database;
	TimestampTz retry_at;
	int			failures;
} PendingScan;

static List *pending = NIL;		/* of PendingScan *, in TopMemoryContext */

/* What is being scanned */
static int	scanner = OW_NONE;
static PendingScan *scanning;

static bool all_wanted = false;

static void take_requests(TimestampTz now, TimestampTz *wake_at);
static void add_all_databases(void);
static void add_database(Oid database);
static void finish_scan(TimestampTz now);
static PendingScan *next_scan(TimestampTz now, TimestampTz *wake_at);
static void start_scan(PendingScan *scan, TimestampTz now, TimestampTz *wake_at);
static bool database_is_open(Oid database);

/*
 * Has all databases scanned.
 */
void
ow_scan_all(void)
{
	all_wanted = true;
}

/*
 * Goes on with scanning.
 */
void
ow_scan_turn(TimestampTz now, TimestampTz *wake_at)
{
	PendingScan *scan;

	take_requests(now, wake_at);
	if (all_wanted)
		add_all_databases();
	all_wanted = false;

	if (scanner != OW_NONE)
	{
		if (!ow_start_is_over(scanner))
			return;				/* its exit wakes us */
		finish_scan(now);
	}

	scan = next_scan(now, wake_at);
	if (scan != NULL)
		start_scan(scan, now, wake_at);
}

/*
 * Takes over what others have asked for.
 */
static void
take_requests(TimestampTz now, TimestampTz *wake_at)
{
	Oid			requests[OW_MAX_SCAN_REQUESTS];
	int			count;
	uint64		overflow_due;

	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	all_wanted |= ow_shared->scan_all;
	ow_shared->scan_all = false;
	count = ow_shared->n_scan_requests;
	memcpy(requests, ow_shared->scan_requests, count * sizeof(Oid));
	ow_shared->n_scan_requests = 0;
	LWLockRelease(ow_shared->lock);

	for (int i = 0; i < count; i++)
		add_database(requests[i]);

	overflow_due = pg_atomic_read_u64(&ow_shared->overflow_due);
	while ((TimestampTz) overflow_due <= now)
	{
		if (pg_atomic_compare_exchange_u64(&ow_shared->overflow_due, &overflow_due, (uint64) DT_NOEND))
		{
			all_wanted = true;
			return;
		}
	}
	*wake_at = Min(*wake_at, (TimestampTz) overflow_due);
}

/*
 * Adds all databases that may have the extension.
 */
static void
add_all_databases(void)
{
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (database->datallowconn && !database->datistemplate)
			add_database(database->oid);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
}

static void
add_database(Oid database)
{
	MemoryContext old_context;
	PendingScan *scan;
	ListCell   *cell;

	foreach(cell, pending)
	{
		scan = lfirst(cell);
		if (scan->database == database)
		{
			scan->retry_at = 0;
			return;
		}
	}
	old_context = MemoryContextSwitchTo(TopMemoryContext);
	scan = palloc0(sizeof(PendingScan));
	scan->database = database;
	pending = lappend(pending, scan);
	MemoryContextSwitchTo(old_context);
}

/*
 * Notes the end of the running scan, and has it done again if it failed.
 */
static void
finish_scan(TimestampTz now)
{
	if (!ow_shared_slots[scanner].done)
	{
		int			seconds = Min(1 << Min(scanning->failures, 6), MAX_BACKOFF_S);

		add_database(scanning->database);
		((PendingScan *) llast(pending))->failures = scanning->failures + 1;
		((PendingScan *) llast(pending))->retry_at =
			TimestampTzPlusMilliseconds(now, seconds * INT64CONST(1000));
	}
	pfree(scanning);
	scanning = NULL;
	scanner = OW_NONE;
}

static PendingScan *
next_scan(TimestampTz now, TimestampTz *wake_at)
{
	ListCell   *cell;

	foreach(cell, pending)
	{
		PendingScan *scan = lfirst(cell);

		if (scan->retry_at <= now)
			return scan;
		*wake_at = Min(*wake_at, scan->retry_at);
	}
	return NULL;
}

static void
start_scan(PendingScan *scan, TimestampTz now, TimestampTz *wake_at)
{
	if (!database_is_open(scan->database))
	{
		ow_scanner_forget_suspects(scan->database);
		pending = list_delete_ptr(pending, scan);
		pfree(scan);
		*wake_at = now;			/* for the next one */
		return;
	}

	scanner = ow_start_scanner(scan->database);
	if (scanner == OW_NONE)
	{
		/* Held, or no process to be had */
		scan->retry_at = TimestampTzPlusMilliseconds(now, HELD_RETRY_MS);
		*wake_at = Min(*wake_at, scan->retry_at);
		return;
	}
	scanning = scan;
	pending = list_delete_ptr(pending, scan);
}

/*
 * Tells whether one can connect to a database.  Drops all work of one that is gone.
 */
static bool
database_is_open(Oid oid)
{
	HeapTuple	tuple;
	bool		open = false;

	StartTransactionCommand();
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(oid));
	if (HeapTupleIsValid(tuple))
	{
		open = ((Form_pg_database) GETSTRUCT(tuple))->datallowconn;
		ReleaseSysCache(tuple);
	}
	else
		ow_pool_forget_database(oid);
	CommitTransactionCommand();
	return open;
}
