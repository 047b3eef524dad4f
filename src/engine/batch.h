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

/* What is done with the runs once they have been loaded */
typedef void (*OwLoadedHook) (List *runs, void *arg);

/*
 * The same from any session, as far as no code of their owners runs.  Runs that others have locked are waited for,
 * in the order given.  evaluates: SQL expressions too, if the session is the owner's.
 */
extern void ow_engine_drive_outside(const OwRunRef *refs, int count, bool evaluates, MemoryContext context,
									OwLoadedHook hook, void *arg, OwDriveRest *rest);

#endif							/* OW_BATCH_H */
