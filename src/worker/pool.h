/*
 * pool.h
 *		Shared memory: one pool per (database, role) that owns runs, with its ring of ready runs.
 *
 * The tables are the truth; everything here can be rebuilt from them.  When a ring overflows, an
 * executor dies with claimed work, or the server restarts, the pool's rescan flag sends executors to
 * the tables.
 *
 * Whoever makes work, posts it here after its commit; that also wakes an executor of the pool, or the
 * launcher when it has none.  Executors take it through ring.h.
 */
#ifndef OW_POOL_H
#define OW_POOL_H

#include "engine/engine.h"

/* False: the library was not preloaded, so there are no workers, and nothing below does anything */
extern bool ow_pool_available(void);

/* A run could not be locked: post it again when its holder's transaction ends. */
extern void ow_ready_contended(Oid owner, const OwRunRef *run);

/* For views: one row per executor slot and per pool */
typedef struct OwWorkerInfo
{
	int			pid;
	Oid			database;
	Oid			role;
	TimestampTz started_at;
	TimestampTz last_batch_at;	/* 0: none yet */
	int64		batches;
	int64		runs;
	const char *state;			/* "starting", "running", "idle", "leaving" */
} OwWorkerInfo;

typedef struct OwPoolInfo
{
	Oid			database;
	Oid			role;
	int			executors;
	int			ready;			/* entries in the ring */
	bool		rescan;
	TimestampTz next_due;
	const char *parked_reason;	/* NULL, or why no executor can start: "role cannot log in" … */
} OwPoolInfo;

extern List *ow_pool_list_workers(void);	/* of OwWorkerInfo *, this database */
extern List *ow_pool_list_pools(void);	/* of OwPoolInfo *, this database */

/*
 * Wakes every pool of this database to look into its tables, also for owners that have none yet:
 * resume_engine, grants changed …  Inside a transaction it takes effect at its end.
 */
extern void ow_pool_rescan_database(Oid database);

/*
 * For the end of transactions, and scanners.  No errors, no allocation.
 */
extern void ow_pool_post_run(Oid database, Oid owner, const OwRunRef *run);
extern void ow_pool_post_due(Oid database, Oid owner, TimestampTz due);
extern void ow_pool_post_rescan(Oid database, Oid owner);

/* Asks the launcher for a scanner of this database */
extern void ow_pool_request_scan(Oid database);

/* Finds that a database has nothing to run: no extension there, or no such database */
extern void ow_pool_forget_database(Oid database);

/*
 * For the launcher.
 */
typedef struct OwPoolView
{
	int			index;
	Oid			database;
	Oid			role;
	int			executors;
	int			idle;			/* of them */
	int			ready;
	bool		work;			/* something can be done now */
	bool		behind;			/* another executor would help */
	bool		all_long;		/* no executor is about to look for work */
	TimestampTz next_due;
	TimestampTz waiting_since;
	TimestampTz retry_at;
	TimestampTz parked_at;
	bool		told;
} OwPoolView;

/* Copies all pools to an array with room for each; returns how many */
extern int	ow_pool_view_all(OwPoolView *views);

/*
 * For the launcher, and a pool's executors.  These do nothing when there is no such pool any more.
 */
extern void ow_pool_note_waiting(Oid database, Oid role, TimestampTz since);

/* The launcher looks at a pool now: it is to be told of what comes after */
extern void ow_pool_clear_told(Oid database, Oid role);

/* Leaves a pool alone until then, for a reason that views show */
extern void ow_pool_park(Oid database, Oid role, TimestampTz retry_at, const char *reason);

/* An executor runs: forgets reasons and failures; or runs but in trouble, for views */
extern void ow_pool_note_running(Oid database, Oid role, const char *trouble);

/* Sends the launcher to the parked pools of a database again; InvalidOid: of all */
extern void ow_pool_unpark(Oid database);

#endif							/* OW_POOL_H */
