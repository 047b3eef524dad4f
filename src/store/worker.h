/*
 * worker.h
 *		The workers outside: who polls, and who is to be given no more.
 */
#ifndef OW_WORKER_H
#define OW_WORKER_H

#include "store/task.h"

/* Note that a worker polls, with what it says of itself (NULL: nothing). */
extern void ow_worker_note(const OwTaskRequest *request, const char *version);

/* Is it to be given no more tasks? */
extern bool ow_worker_is_draining(const OwTaskRequest *request);

/*
 * Give it no more tasks of a queue (NULL: of any), or some again; as far as the role may say so.  From how many
 * queues: 0 when there is none of that name, or none that the role may speak for.
 */
extern int	ow_worker_drain(const char *worker, const char *task_queue, bool drain, Oid role);

#endif							/* OW_WORKER_H */
