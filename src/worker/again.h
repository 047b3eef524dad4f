/*
 * again.h
 *		Runs that an executor has to try again.  Private to src/worker; process-local.
 */
#ifndef OW_AGAIN_H
#define OW_AGAIN_H

#include "worker/contended.h"

/* A run of the batch in hand could not be locked */
extern void ow_again_contended(const OwRunRef *run, OwContendedResult result);

/* A batch of this one run raised an error; false: too many have */
extern bool ow_again_failed(const OwRunRef *run);

/* The batch in hand is done */
extern void ow_again_settle(Oid database, Oid role, const OwRunRef *batch, int count);

/* The batch in hand was broken off: nothing is known of it */
extern void ow_again_break_off(void);

/* Those whose time has come; at most limit */
extern int	ow_again_take(Oid database, Oid role, OwRunRef *refs, int limit);

/* True once in a while: the tables know runs that could not be remembered */
extern bool ow_again_wants_rescan(void);

/* When to look next; DT_NOEND: there is nothing to try again */
extern TimestampTz ow_again_next(Oid database, Oid role);

#endif							/* OW_AGAIN_H */
