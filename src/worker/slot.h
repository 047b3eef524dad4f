/*
 * slot.h
 *		Slots of worker processes, and holds that keep workers out of a database.  Private to src/worker.
 */
#ifndef OW_SLOT_H
#define OW_SLOT_H

#include "worker/shared.h"

/* This process's slot; OW_NONE: it is no worker of ours */
extern int	ow_slot_mine;

/*
 * The launcher: reserve, start a process, and give the slot back if none came of it.
 */
extern int	ow_slot_reserve(OwSlotKind kind, Oid database, Oid role, int pool, uint32 *generation);
extern void ow_slot_give_back(int slot, uint32 generation, const char *reason);
extern bool ow_slot_is_waiting(int slot, uint32 generation);

/*
 * The worker process.
 */
/* False when it is not wanted any more.  The slot is freed when the process exits. */
extern bool ow_slot_attach(int slot, uint32 generation);
extern void ow_slot_note_connected(void);
/* It has left its pool, or done its work: its exit is no failure */
extern void ow_slot_note_leaving(void);
extern uint32 ow_slot_asked(void);

/* Anybody */
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
