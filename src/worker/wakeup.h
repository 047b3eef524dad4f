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

/* At commit or abort: the run's row lock held by this transaction is gone. */
extern void ow_wakeup_locked(Oid owner, const OwRunRef *run);

/* At commit or abort: a scanner looks into all tables of the database. */
extern void ow_wakeup_scan(Oid database);
extern void ow_wakeup_unpark(void);

/*
 * Waiting for a close: register, look at the tables, sleep, look again.  Registered before the first
 * look, so no close is missed.  The slot goes with the transaction or process if an error passes it
 * by.
 */
extern void ow_waiter_begin(uint32 key);
extern void ow_waiter_sleep(long timeout_ms);	/* returns on any wake-up; checks for interrupts */
extern void ow_waiter_end(void);

#endif							/* OW_WAKEUP_H */
