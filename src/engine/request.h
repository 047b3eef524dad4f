/*
 * request.h
 *		Requests between workflows: where one goes to, and what is done when it gets there.
 */
#ifndef OW_ENGINE_REQUEST_H
#define OW_ENGINE_REQUEST_H

#include "store/run.h"

/* Gives a request of the run its id, and whoever takes it in. */
extern void ow_request_address(const OwLoadedRun *loaded, OwRequest *request);

/*
 * Takes in what requests there are under these ids (OwRunRef *): starts children, sends signals and cancels on, answers.  In a
 * shared transaction nobody is waited for: what would have to comes back in *alone.  stuck: they cannot be done, for this
 * reason; NULL.
 */
extern void ow_requests_deliver(List *ids, bool shared, const OwFailure *stuck, MemoryContext context, List **alone);

#endif							/* OW_ENGINE_REQUEST_H */
