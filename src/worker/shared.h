/*
 * shared.h
 *		What the worker layer keeps in shared memory.  Private to src/worker.
 *
 * The tables are the truth: all of this can be lost at any moment and is rebuilt by scanners.
 *
 * Locks.  OwShared->lock (an LWLock, held for a few instructions at a time) guards which pools,
 * slots, holds and suspects there are; holding it in shared mode keeps a pool from being given to
 * somebody else.  OwPool->mutex (a spinlock) guards what is in the pool.  The lock is taken first,
 * then a mutex, never two mutexes.  An executor counts in its pool's "executors", which pins the
 * pool, so it needs no lock to reach it.
 *
 * Latches are named by pgprocno.  Setting that of a process that has gone is harmless: whoever waits
 * on one looks again at what it waits for.
 */
#ifndef OW_SHARED_H
#define OW_SHARED_H

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#include "engine/engine.h"

#define OW_RING_SIZE 4096
#define OW_REASON_LEN 192
#define OW_NONE (-1)			/* no slot, no pool, no process */

/*
 * A pool: the work of one role in one database.
 */
typedef struct OwPool
{
	/* Changed under the lock, exclusively */
	bool		in_use;
	Oid			database;
	Oid			role;

	/* When the role's next timer falls due: DT_NOBEGIN look now, DT_NOEND never.  A TimestampTz. */
	pg_atomic_uint64 next_due;

	/* Executors that have been at one batch for long: work that comes cannot count on them */
	pg_atomic_uint32 n_long;

	slock_t		mutex;			/* guards what follows */
	int			executors;		/* slots given to this pool: starting or running */
	int			idle_head;		/* slots whose executor sleeps, linked by next_idle */
	int			idle;			/* how many */
	int			woken;			/* taken off that list, not yet awake */
	int			detained;		/* busy with something that may take long */
	bool		rescan;			/* the ring does not know all that is ready */
	bool		scan_open;		/* a walk through the tables has begun, to go on at scan_position */
	int			scanner;		/* the slot that takes a step of it right now */
	pg_uuid_t	scan_position;
	bool		told;			/* the launcher knows that there is work and no executor */
	bool		told_behind;	/* … that the executors do not keep up with the ring */

	/* The launcher's notes */
	TimestampTz waiting_since;	/* there has been work but no executor; 0: no */
	TimestampTz retry_at;		/* no start before then; 0: any time */
	int			failures;		/* executors that died at once, in a row */
	TimestampTz parked_at;		/* it cannot start as things are, found then; 0: it can */
	char		reason[OW_REASON_LEN];	/* why no start; empty: none */

	int			ring_first;
	int			ring_count;
	OwRunRef	ring[OW_RING_SIZE];
} OwPool;

typedef enum OwSlotState
{
	OW_SLOT_FREE,
	OW_SLOT_STARTING,			/* reserved by the launcher, no process yet */
	OW_SLOT_RUNNING,			/* a process has attached */
	OW_SLOT_LEAVING,			/* that process takes no more work and is about to be gone */
	OW_SLOT_ENDED				/* it is gone; the launcher has yet to learn how it went */
} OwSlotState;

typedef enum OwSlotKind
{
	OW_SLOT_EXECUTOR,
	OW_SLOT_SCANNER
} OwSlotKind;

typedef enum OwSlotRest
{
	OW_REST_BUSY,
	OW_REST_IDLE,				/* sleeps, on the pool's list */
	OW_REST_WOKEN				/* taken off it by whoever set its latch */
} OwSlotRest;

/* What a worker is asked for: bits of OwSlot->asked */
#define OW_ASK_LEAVE	0x01	/* go as soon as nothing is in hand */
#define OW_ASK_YIELD	0x02	/* the same, for another role's sake */

/*
 * A slot: one worker process.  Changed under the lock, exclusively, save as noted.
 */
typedef struct OwSlot
{
	OwSlotState state;
	OwSlotKind	kind;
	uint32		generation;		/* one more for each reservation */
	Oid			database;
	Oid			role;			/* executors */
	int			pool;			/* executors; OW_NONE once it has left the pool */
	int			pid;
	int			pgprocno;
	pg_atomic_uint32 asked;		/* set by anybody */
	pg_atomic_uint32 is_long;	/* counts in n_long of its pool; set by the process's timer */

	/* Under the pool's mutex */
	OwSlotRest	rest;
	int			next_idle;
	bool		detained;		/* its executor may be busy for long */

	/* Written by the worker alone, read by views */
	bool		connected;
	bool		done;			/* it came to a good end; the launcher reads that of scanners */
	TimestampTz started_at;
	TimestampTz last_batch_at;
	int64		batches;
	int64		runs;
	bool		terminated;		/* by an administrator, or a shutdown */
	char		error[OW_REASON_LEN];	/* what it died of */
} OwSlot;

/* A backend that wants no worker in a database, till its transaction ends */
typedef struct OwHold
{
	Oid			database;		/* InvalidOid: free */
	int			pid;
} OwHold;

#define OW_MAX_HOLDS 64
#define OW_MAX_SCAN_REQUESTS 32

/* A note found in the crash map, to be charged by the scanner of its database */
typedef struct OwSuspectNote
{
	OwCrashSuspect suspect;		/* database InvalidOid: free */
	int			attempts;
} OwSuspectNote;

typedef struct OwShared
{
	LWLock	   *lock;
	int			n_pools;
	int			n_slots;
	int			n_suspects;		/* room in the array: one for each slot */

	volatile int launcher;		/* its pgprocno */
	volatile bool room_wanted;	/* it would like to be told of executors that go to sleep */
	ConditionVariable slot_freed;

	/* Databases a scanner is wanted for; under the lock */
	bool		scan_all;
	int			n_scan_requests;
	Oid			scan_requests[OW_MAX_SCAN_REQUESTS];

	/* When to scan all databases for work that found no free pool.  A TimestampTz. */
	pg_atomic_uint64 overflow_due;

	/* Prepared transactions may hold work that was not announced */
	pg_atomic_uint32 prepared_work;

	OwHold		holds[OW_MAX_HOLDS];
} OwShared;

/* NULL when the library was not preloaded */
extern OwShared *ow_shared;
extern OwPool *ow_shared_pools;
extern OwSlot *ow_shared_slots;
extern OwSuspectNote *ow_shared_suspects;

extern void ow_shared_init(void);

/* Sets the latch of a process; OW_NONE: nobody */
extern void ow_shared_wake(int pgprocno);

/* Moves a time to an earlier one; true when it was later */
extern bool ow_shared_earlier(pg_atomic_uint64 *time, TimestampTz candidate);

#endif							/* OW_SHARED_H */
