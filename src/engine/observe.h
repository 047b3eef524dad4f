/*
 * observe.h
 *		What has happened to runs, for those who count: metrics.
 */
#ifndef OW_OBSERVE_H
#define OW_OBSERVE_H

#include "nodes/pg_list.h"

/* Runs that have just been flushed: of OwLoadedRun *.  It counts when the transaction commits. */
extern void ow_observe_runs(List *runs);

/* A transaction of this executor that is about to commit: it has driven so many. */
extern void ow_observe_batch(int runs);

#endif							/* OW_OBSERVE_H */
