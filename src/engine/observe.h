/*
 * observe.h
 *		What has happened to runs, for those who count: metrics.
 */
#ifndef OW_OBSERVE_H
#define OW_OBSERVE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* Runs that have just been flushed: of OwLoadedRun *.  It counts when the transaction commits. */
extern void ow_observe_runs(List *runs);

/* When the attempt that this event ends was begun, by whoever did it; 0: that is not known */
extern TimestampTz ow_observe_attempt_began(const List *events, int end);

/* A transaction of this executor that is about to commit: it has driven so many. */
extern void ow_observe_batch(int runs);

#endif							/* OW_OBSERVE_H */
