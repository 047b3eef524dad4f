/*
 * task_offer.h
 *		Handing tasks over to the worker whose answers queue them: see task_offer.c.
 */
#ifndef OW_TASK_OFFER_H
#define OW_TASK_OFFER_H

#include "store/run.h"
#include "store/run_row.h"
#include "store/task.h"

/*
 * What is queued in this session from now on may be handed over to whoever makes the request, until the offer ends,
 * which it must whatever happens.  The request is not to change meanwhile.
 */
extern void ow_task_offer_begin(const OwTaskRequest *request);
extern void ow_task_offer_end(void);

/* How many tasks have been handed over so far; all after the first so many have been rolled back. */
extern int	ow_task_offer_count(void);
extern void ow_task_offer_take_back(int count);

/* Tells the receiver of all of them. */
extern void ow_task_offer_deliver(OwTaskReceiver receive, void *arg);

/* ---- for whoever queues tasks, with the store open ---- */

/* A task that is being queued */
typedef struct OwNewTask
{
	const OwLoadedRun *loaded;
	const OwToken *token;
	const OwQueuedTask *task;
	const char *task_queue;
	int32		priority;
	int			position;		/* among those queued with it */
} OwNewTask;

/* Is there somebody to whom tasks may be handed over? */
extern bool ow_task_offer_stands(void);

/* The order in which they are handed over, for list_sort */
extern int	ow_task_offer_compare(const ListCell *a, const ListCell *b);

/* Shall the task be handed over?  If so it must be; then these of its columns are set. */
extern bool ow_task_offer_takes(const OwNewTask *task, OwRow *row);

/* Writes the rows of tasks that are handed over. */
extern void ow_task_offer_write(const OwRows *rows);

#endif							/* OW_TASK_OFFER_H */
