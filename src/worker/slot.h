/*
 * slot.h
 *		Slots of worker processes, and holds that keep workers out of a database.  Private to src/worker.
 */
#ifndef OW_SLOT_H
#define OW_SLOT_H

#include "worker/shared.h"

#define OW_UNKNOWN_FAILURE "an executor could not start; see the server's log"

/* This process's slot; OW_NONE: it is no worker of ours */
extern int	ow_slot_mine;

/*
 * The launcher: reserve, start a process, and free the slot once the postmaster knows of none.
 */
extern int	ow_slot_reserve(OwSlotKind kind, Oid database, Oid role, int pool, uint32 *generation);

/* reason: what to say of a pool whose process never came */
extern void ow_slot_free(int slot, uint32 generation, const char *reason);

/*
 * The worker process.
 */
/* False when it is not wanted any more.  The slot is given up when the process exits. */
extern bool ow_slot_attach(int slot, uint32 generation);
extern void ow_slot_note_connected(void);

/* It has left its pool, or done its work: its exit is no failure */
extern void ow_slot_note_leaving(void);
extern uint32 ow_slot_asked(void);

/* Anybody */
extern bool ow_slot_is_used(const OwSlot *slot);
extern void ow_slot_ask(int slot, uint32 what);

/*
 * Holds: no worker is started in the database till this transaction ends.
 */
extern void ow_slot_hold_database(Oid database);

/* Sends away those that are there, and waits until they are gone */
extern void ow_slot_stop_database(Oid database);
extern void ow_slot_release_holds(void);
extern bool ow_slot_is_held(Oid database);	/* caller has the lock */

#endif							/* OW_SLOT_H */
