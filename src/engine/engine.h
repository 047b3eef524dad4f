/*
 * engine.h
 *		The shell around the pure machine: load a batch of runs, drive them, write everything back.
 *
 * One transition path: executors, the test kit and (later) clients all come through
 * ow_engine_drive.  Called by src/worker and src/api; calls src/machine and src/store.
 */
#ifndef OW_ENGINE_H
#define OW_ENGINE_H

#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "utils/uuid.h"

/* Names a run wherever one is passed around */
typedef struct OwRunRef
{
	int32		shard_key;
	pg_uuid_t	run_id;
} OwRunRef;

/*
 * Executor side.  Each of these runs its own transactions: call outside a transaction, in a
 * session logged in as owner.
 */

/*
 * Drive a batch of runs until each closes, parks or yields.  Runs whose row is locked by somebody
 * else are reported to ow_ready_contended.  If the shared transaction cannot commit, the runs are
 * redone one by one.  Does not raise errors for what a run did.
 */
extern void ow_engine_run_batch(const OwRunRef *refs, int count);

/*
 * Discovery.  Runs marked ready or with unread messages, by run id after *position, at most limit;
 * *position moves on.  Returns the count.
 */
extern int	ow_engine_find_ready(Oid owner, pg_uuid_t *position, OwRunRef *refs, int limit);

/*
 * Runs of owner with a timer due at or before now, earliest first from `from` on, at most limit.
 * *next_due becomes the earliest due time not returned (DT_NOEND: none).
 */
extern int	ow_engine_find_due(Oid owner, TimestampTz from, TimestampTz now,
							   OwRunRef *refs, int limit, TimestampTz *next_due);

/*
 * Scanner side, in a session of the bootstrap superuser, inside the caller's transaction.
 */
typedef struct OwOwnerWork
{
	Oid			owner;
	bool		ready;			/* has ready runs or unread messages */
	TimestampTz next_due;		/* earliest timer; DT_NOEND */
} OwOwnerWork;

/* False when the database has no order_workflow extension */
extern bool ow_engine_installed(void);

/* True when this copy of the database must stay quiet until workflow.resume_engine() */
extern bool ow_engine_quarantined(void);
extern List *ow_engine_find_owners(void);	/* of OwOwnerWork * */

/* 200 characters (workflow.activity) in any server encoding */
#define OW_MAX_ACTIVITY_BYTES (200 * MAX_MULTIBYTE_CHAR_LEN + 1)

/* Charge a crash to the activity that was running; quarantines it when it crashed too often. */
typedef struct OwCrashSuspect
{
	Oid			database;
	Oid			owner;
	OwRunRef	run;
	char		activity[OW_MAX_ACTIVITY_BYTES];
} OwCrashSuspect;

extern void ow_engine_charge_crash(const OwCrashSuspect *suspect);

#endif							/* OW_ENGINE_H */
