/*
 * advisory_lock.h
 *		Locks on what is no row, until the transaction ends.
 */
#ifndef OW_ADVISORY_LOCK_H
#define OW_ADVISORY_LOCK_H

#include "storage/lockdefs.h"

/* field4 of a lock's tag: 1 and 2 are users' advisory locks */
typedef enum OwAdvisoryLock
{
	OW_LOCK_REQUEST = 3,		/* shard key, hash of the request's id */
	OW_LOCK_WORKER,				/* hash of queue, name and role */
	OW_LOCK_VERSION,			/* 0, definition */
	OW_LOCK_ALERTS				/* 0, 0 */
} OwAdvisoryLock;

extern void ow_advisory_lock(OwAdvisoryLock kind, uint32 key1, uint32 key2, LOCKMODE mode);

/* False, without waiting, if somebody has it */
extern bool ow_advisory_try_lock(OwAdvisoryLock kind, uint32 key1, uint32 key2);

#endif
