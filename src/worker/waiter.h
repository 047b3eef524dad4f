/*
 * waiter.h
 *		Shared memory of backends that wait for a key: see wakeup.h for the protocol.
 */
#ifndef OW_WAITER_H
#define OW_WAITER_H

extern Size ow_waiter_size(void);
extern void ow_waiter_startup(void);

/* Wakes so many of those who wait for the key.  No errors, no allocation: for the end of a transaction. */
extern void ow_waiter_notify(uint32 key, int count);
extern void ow_waiter_notify_all(void);

/* Tasks of the queue that are not its newest are there, as others can see by now. */
extern void ow_waiter_note_return(uint32 key);

#endif							/* OW_WAITER_H */
