/*
 * ring.h
 *		An executor's side of its pool: take work, sleep, leave.  Private to src/worker.
 *
 * All of this is called by a process that counts in the pool's executors, so that the pool stays
 * what it is, and no lock but its mutex is needed.
 */
#ifndef OW_RING_H
#define OW_RING_H

#include "worker/shared.h"

/* Ready runs, oldest first; at most limit */
extern int	ow_ring_pop(OwPool *pool, OwRunRef *refs, int limit);

/*
 * The walk through the tables that refills the ring.  One executor at a time takes a step, the next
 * may be another's.  True: find the ready runs after *position, at most *room, and finish the step.
 */
extern bool ow_ring_scan_begin(OwPool *pool, int slot, pg_uuid_t *position, int *room);
extern void ow_ring_scan_end(OwPool *pool, const OwRunRef *refs, int count, bool at_end);

/* After an error, or loss of runs in hand: walk from the start again */
extern void ow_ring_rescan(OwPool *pool, int slot);

/* Takes over what is due; DT_NOEND when nothing is due yet, with the pool left as it is */
extern TimestampTz ow_ring_take_due(OwPool *pool, TimestampTz now);

/* The batch in hand takes long (called by a signal handler, too), or is over */
extern void ow_ring_note_long(OwPool *pool, int slot);
extern void ow_ring_note_short(OwPool *pool, int slot);

/* False when there is work, so do not sleep */
extern bool ow_ring_sleep(OwPool *pool, int slot);
extern void ow_ring_awake(OwPool *pool, int slot);
extern void ow_ring_detain(OwPool *pool, int slot, bool detained);

/* Leaves the pool for good; work there is left to others */
extern void ow_ring_leave(OwPool *pool, int slot);

/* The same for a process that dies, whose work in hand must be found again */
extern void ow_ring_abandon(OwPool *pool, int slot);

/*
 * An executor of the pool has died soon after its start: the next start has to wait, longer after each
 * such death in a row if they are counted.
 */
extern void ow_ring_note_failure(OwPool *pool, const char *reason, bool counted);

/*
 * Shared with pool.c; the caller holds the mutex.
 */
typedef struct OwRingWake
{
	int			executor;		/* pgprocno or OW_NONE */
	bool		launcher;
} OwRingWake;

extern bool ow_ring_has_work(OwPool *pool, TimestampTz now);
extern bool ow_ring_is_behind(OwPool *pool, TimestampTz now);

/* Nobody is about to look for work; no lock needed */
extern bool ow_ring_all_long(OwPool *pool);
extern void ow_ring_push(OwPool *pool, const OwRunRef *run);

/* Whom to wake because of work that has come */
extern OwRingWake ow_ring_announce(OwPool *pool);

/* To be called without it */
extern void ow_ring_wake(OwRingWake wake);

#endif							/* OW_RING_H */
