/*
 * circuit_queue.h
 *		Taking tasks of programs outside, as far as circuit breakers let them be taken.
 */
#ifndef OW_CIRCUIT_QUEUE_H
#define OW_CIRCUIT_QUEUE_H

#include "store/task.h"

/* As ow_task_take and ow_task_is_available, which they are nearly always */
extern int	ow_circuit_take_tasks(OwTaskRequest *request, OwTaskReceiver receive, void *arg);
extern bool ow_circuit_has_tasks(OwTaskRequest *request);

/* The request, without tasks that circuits hold back */
extern OwTaskRequest ow_circuit_request(const OwTaskRequest *request);

/* A test's look: may the task be taken?  If not, *until moves to when it may, as far as is known. */
extern bool ow_circuit_lets_take(const OwTaskInQueue *task, TimestampTz *until);

#endif							/* OW_CIRCUIT_QUEUE_H */
