/*
 * terminate.h
 *		Terminating a run in the caller's transaction, for another to be started in its place.
 */
#ifndef OW_TERMINATE_H
#define OW_TERMINATE_H

#include "engine/engine.h"

/*
 * May this transaction wait for a run's lock, and see what it finds then?  Not inside an activity, which holds its own
 * run's lock meanwhile, nor with a snapshot that is older than the lock.
 */
extern bool ow_engine_may_terminate(void);

/* Waits for the run's lock, and closes the run as terminated; one that has closed meanwhile stays as it is. */
extern void ow_engine_terminate(const OwRunRef *ref, const char *reason, const char *requested_by);

#endif							/* OW_TERMINATE_H */
