/*
 * task.h
 *		Tasks of programs outside: taking them from their queue, their heartbeats, and who may.
 *
 * None of this touches a run: what becomes of a task is its answer's (find.h), and its limits', to say.
 */
#ifndef OW_TASK_H
#define OW_TASK_H

#include "engine/engine.h"
#include "machine/machine.h"
#include "store/epoch.h"

/* Who wants which tasks */
typedef struct OwTaskRequest
{
	const char *task_queue;
	const char *worker;
	Oid			role;			/* whose rights count */
	Datum		activities;		/* text[] of those wanted; 0: any */
	Datum		runs;			/* uuid[] of the runs whose tasks can be taken; 0: any (but see
								 * test_kit.h) */
	int			max_tasks;
} OwTaskRequest;

/* A taken task, as the columns of workflow.poll_activity */
enum
{
	POLL_TASK_TOKEN,
	POLL_WORKFLOW_ID,
	POLL_RUN_ID,
	POLL_ACTIVITY,
	POLL_ATTEMPT,
	POLL_INPUT,
	POLL_HEARTBEAT_TIMEOUT,
	POLL_HEARTBEAT_DETAILS,
	POLL_LAST_FAILURE,
	POLL_SCHEDULED_AT,
	POLL_DEADLINE,
	POLL_IDEMPOTENCY_KEY,
	POLL_COMPENSATES,
	POLL_COLUMNS
};

typedef void (*OwTaskReceiver) (void *arg, Datum *values, bool *nulls);

/* Take tasks, the most urgent ones first, then the oldest; how many. */
extern int	ow_task_take(const OwTaskRequest *request, OwTaskReceiver receive, void *arg);

/* Could any be taken? */
extern bool ow_task_is_available(const OwTaskRequest *request);

/* A test's look at a task that nobody has taken */
typedef struct OwTaskInQueue
{
	OwRunRef	run;
	Oid			owner;
	pg_uuid_t	task_token;
	char	   *workflow_id;
	char	   *state;
	char	   *activity;
	int			attempt;
	int			compensation;
	Jsonb	   *input;
	int64		start_to_close_ms;	/* OW_UNSET */
	TimestampTz close_by;		/* DT_NOEND */
	TimestampTz scheduled_at;
} OwTaskInQueue;

extern List *ow_task_list(Datum runs);	/* of OwTaskInQueue *, in the order they would be taken */
extern void ow_task_take_one(const OwTaskInQueue *task, const char *worker);

/* Note a heartbeat; false when nobody has taken such a task, or it has ended. */
extern bool ow_task_beat(const OwTaskClaim *held, const Jsonb *details);

/* Is it in a task queue, or taken from one? */
extern bool ow_task_is_queued(const pg_uuid_t *task_token);

/* Let a role take the tasks that this owner's runs put into the queue; or no longer. */
extern void ow_task_grant(Oid grantee, const char *task_queue, Oid owner, bool grant);

/* What those wait for who want a task of this queue: see wakeup.h */
extern uint32 ow_task_queue_key(const char *task_queue);

/* Of the timer that the lease of a task has until its run is looked at */
extern char *ow_task_timer_kind(const pg_uuid_t *task_token);

#endif							/* OW_TASK_H */
