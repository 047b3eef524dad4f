/*
 * task.h
 *		Tasks of programs outside: taking them from their queue, and who may.
 *
 * None of this touches a run: what becomes of a task is its answer's (find.h), and its limits', to say.
 */
#ifndef OW_TASK_H
#define OW_TASK_H

#include "engine/engine.h"
#include "machine/machine.h"

/* Is no activity's name: among those wanted, it says that all others are */
#define OW_ALL_BUT_THESE ""

/* Who wants which tasks */
typedef struct OwTaskRequest
{
	const char *task_queue;
	const char *worker;
	Oid			role;			/* whose rights count */
	Datum		activities;		/* text[] of those wanted, see OW_ALL_BUT_THESE; 0: any */
	Datum		runs;			/* uuid[] of the runs whose tasks can be taken, or of tasks; 0: any
								 * (but see test_kit.h) */
	int			max_tasks;
	bool		woken;			/* there is, or was, something new in the queue */
	bool		look_first;		/* there may well be nothing: do not lock for that */
	bool		waits;			/* if there is nothing, the transaction goes on, and must not keep
								 * locks */
	TimestampTz again_at;		/* out: nothing was found, but something may be then; DT_NOEND */
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
	POLL_FAIRNESS_KEY,
	POLL_HEADERS,
	POLL_COLUMNS
};

typedef void (*OwTaskReceiver) (void *arg, Datum *values, bool *nulls);

/* Take tasks, the most urgent ones first, then the oldest; how many. */
extern int	ow_task_take(OwTaskRequest *request, OwTaskReceiver receive, void *arg);

/* Of a taken task: headers in place of its run's traceparent, which its row has there */
extern void ow_task_headers(Datum *values, bool *nulls);

/* Could any be taken? */
extern bool ow_task_is_available(OwTaskRequest *request);

/* What all have in common who want the same tasks of a queue: see wakeup.h */
extern uint32 ow_task_filter(const OwTaskRequest *request);

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
	int			branch;			/* id; 0: none */
	Jsonb	   *input;
	bool		has_heartbeat;
	int			claim;
} OwTaskInQueue;

extern List *ow_task_list(Datum runs);	/* of OwTaskInQueue *, in the order they would be taken */
extern void ow_task_take_one(const OwTaskInQueue *task, const char *worker);

/* Is it in a task queue, or taken from one? */
extern bool ow_task_is_queued(const pg_uuid_t *task_token);

/* The branch whose it is; 0: none */
extern int	ow_task_branch(const pg_uuid_t *task_token);

/* The task of a run's branch that can be taken from its queue; false: there is none */
extern bool ow_task_of_branch(const pg_uuid_t *run_id, int branch, pg_uuid_t *task_token);

/* Let a role take the tasks that this owner's runs put into the queue; or no longer. */
extern void ow_task_grant(Oid grantee, const char *task_queue, Oid owner, bool grant);

/* What those wait for who want a task of this queue: see wakeup.h */
extern uint32 ow_task_queue_key(const char *task_queue);

#endif							/* OW_TASK_H */
