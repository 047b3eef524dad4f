/*
 * overlap.h
 *		What becomes of a scheduled start while a run of the same schedule is still open.
 */
#ifndef OW_OVERLAP_H
#define OW_OVERLAP_H

#include "postgres.h"

typedef enum OwOverlap
{
	OW_OVERLAP_SKIP,
	OW_OVERLAP_BUFFER_ONE,
	OW_OVERLAP_BUFFER_ALL,
	OW_OVERLAP_CANCEL_OTHER,
	OW_OVERLAP_TERMINATE_OTHER,
	OW_OVERLAP_ALLOW_ALL
} OwOverlap;

typedef enum OwOverlapVerdict
{
	OW_OVERLAP_START,			/* now */
	OW_OVERLAP_WAIT,			/* for those before it to close */
	OW_OVERLAP_REPLACE,			/* the same, instead of those that wait: the open runs are made to
								 * close */
	OW_OVERLAP_DROP
} OwOverlapVerdict;

/* Starts that can wait; more are dropped */
#define OW_OVERLAP_MOST_WAITING 1000

/* Policies by their names; false when there is none */
extern bool ow_overlap_find(const char *name, OwOverlap *overlap);
extern const char *ow_overlap_name(OwOverlap overlap);

/* busy: a run is open; waiting: so many starts wait for it already */
extern OwOverlapVerdict ow_overlap_decide(OwOverlap overlap, bool busy, int waiting);

#endif							/* OW_OVERLAP_H */
