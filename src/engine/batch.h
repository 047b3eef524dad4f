/*
 * batch.h
 *		Driving runs inside the caller's transaction: for the test kit, and for batch.c itself.
 */
#ifndef OW_BATCH_H
#define OW_BATCH_H

#include "engine/engine.h"

/* What a drive did not do; lists of OwRunRef * */
typedef struct OwDriveRest
{
	List	   *left;			/* no room or time left in this transaction */
	List	   *alone;			/* must have a transaction of its own */
	List	   *contended;		/* locked by another transaction */
	bool		dangerous;		/* those in alone have crashed the server */
} OwDriveRest;

/* Drive the refs alone in the current transaction; the number of runs that moved is returned. */
extern int	ow_engine_drive(const OwRunRef *refs, int count, MemoryContext context, OwDriveRest *rest);

/*
 * Drive runs, locked by this transaction, that answers have come for, as far as no code of their owner's runs:
 * the rest, and all of them if anything goes wrong, is left to executors, who are woken.  From any session.
 */
extern void ow_engine_continue(const OwRunRef *refs, const Oid *owners, int count);

#endif							/* OW_BATCH_H */
