/*
 * release.h
 *		Putting back into their queue the tasks of workers that will not answer.
 */
#ifndef OW_RELEASE_H
#define OW_RELEASE_H

#include "postgres.h"

/*
 * Put back what was taken in an earlier epoch, or by a worker of that name; of a queue, or (NULL) of all; of runs
 * whose owner's rights the role has.  How many.
 */
extern int64 ow_release_tasks(const char *task_queue, const char *worker, Oid role);

#endif							/* OW_RELEASE_H */
