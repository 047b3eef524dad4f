/*
 * wakeup.h
 *		What a transaction owes others once it has ended: remembered while it runs, paid at its end.
 *
 * A transaction callback, registered once in _PG_init, posts ready runs to their owner's ring, moves
 * the owner's next due time, and sets the latches of executors, of the launcher (when a pool has work
 * and no executor) and of backends waiting for a run to close.  At commit it does atomics, short
 * spinlocks and SetLatch only.  Everything is forgotten on abort (subtransactions included), except
 * row locks, whose end is announced either way.
 */
#ifndef OW_WAKEUP_H
#define OW_WAKEUP_H

#include "engine/engine.h"

extern void ow_wakeup_init(void);

/* At commit: the run is ready for an executor of owner in this database. */
extern void ow_wakeup_run(Oid owner, const OwRunRef *run);

/* At commit: a timer of owner falls due then. */
extern void ow_wakeup_at(Oid owner, TimestampTz due_at);

/* At commit: what those wait for who have this key; of a close, it is ow_wakeup_key(workflow_id). */
extern void ow_wakeup_waiters(uint32 key);
extern uint32 ow_wakeup_key(const char *workflow_id);

/* At commit: so many tasks of owner have come into the queue of this key, and been taken: see rates.h */
extern void ow_wakeup_tasks(Oid owner, uint32 queue_key, int added, int taken);

/* At commit: so many more of what they wait for; at abort: they are there again, not having been taken. */
extern void ow_wakeup_some_waiters(uint32 key, int count);
extern void ow_wakeup_if_aborted(uint32 key, int count);

/* At commit: some of them have been there before, as something else, and are not the newest. */
extern void ow_wakeup_return(uint32 key);

/* At commit or abort: the run's row lock held by this transaction is gone. */
extern void ow_wakeup_locked(Oid owner, const OwRunRef *run);

/* At commit or abort: a scanner looks into all tables of the database. */
extern void ow_wakeup_scan(Oid database);
extern void ow_wakeup_unpark(void);

/*
 * Waiting for a close: register, look at the tables, sleep, look again.  Registered before the first
 * look, so no close is missed.  The slot goes with the transaction or process if an error passes it
 * by.
 *
 * Waiting for a task: the same, but one of those who wait is woken for each task, and so has to tell when it
 * looks and what came of that, for others to be woken in its stead.  Those of the same filter find the same.
 */
#define OW_WAKE_ALL 0			/* filter of those who wait for a close */

typedef enum OwLook
{
	OW_LOOK_ALL,				/* there is no more for this filter */
	OW_LOOK_NOT_ALL				/* there may be more than was taken */
} OwLook;

extern void ow_waiter_begin(uint32 key, uint32 filter);
extern void ow_waiter_sleep(long timeout_ms);	/* returns on any wake-up; checks for interrupts */
extern bool ow_waiter_look(void);
extern void ow_waiter_looked(OwLook result);
extern void ow_waiter_end(void);

/* How often tasks of the queue have come back that are not its newest */
extern uint64 ow_waiter_returns(uint32 key);

/* Having been told of a task this backend will poll: its next poll, or its end, says whether it was taken. */
extern void ow_waiter_told(void);
extern void ow_waiter_forgive(uint32 key);
extern void ow_waiter_settle(void);

#endif							/* OW_WAKEUP_H */
