/*
 * task_queue.h
 *		Whose tasks are in which task queue: a row of workflow.task_queue for each owner and queue, noted once.
 */
#ifndef OW_TASK_QUEUE_H
#define OW_TASK_QUEUE_H

#include "store/run_row.h"

/* Queues that tasks are about to be put into */
typedef struct OwQueueUses
{
	OwRows		queues;
	OwRows		owners;
	OwRows		keyed;
} OwQueueUses;

/* Adds an owner's task, unless it is known that there is a row for such. */
extern void ow_queue_use(OwQueueUses *uses, const char *task_queue, Oid owner, bool keyed);

/* Writes the rows that are not there, in the order of their key; to be called once for the uses. */
extern void ow_queues_note(const OwQueueUses *uses);

#endif							/* OW_TASK_QUEUE_H */
