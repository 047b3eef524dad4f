/*
 * contended.h
 *		Shared memory of runs that could not be locked.
 */
#ifndef OW_CONTENDED_H
#define OW_CONTENDED_H

#include "engine/engine.h"

extern Size ow_contended_size(void);
extern void ow_contended_startup(void);

typedef enum OwContendedResult
{
	OW_CONTENDED_ADDED,
	OW_CONTENDED_KNOWN,			/* it was there already */
	OW_CONTENDED_FULL			/* no room: look into the tables again in a while */
} OwContendedResult;

extern OwContendedResult ow_contended_add(Oid database, Oid owner, const OwRunRef *run);

/* True when it was there */
extern bool ow_contended_remove(Oid database, Oid owner, const OwRunRef *run);

/* Is there any at all?  A full memory barrier comes first. */
extern bool ow_contended_any(void);
extern bool ow_contended_any_of(Oid database, Oid owner);

/* Posts all runs of a database (and an owner, unless invalid) to their pools again */
extern void ow_contended_post_all(Oid database, Oid owner);

/* Drops all runs of a database */
extern void ow_contended_forget(Oid database);

#endif							/* OW_CONTENDED_H */
