/*
 * task_internal.h
 *		What task_claim.c, task_flow.c and task_flow_rows.c share.
 */
#ifndef OW_TASK_INTERNAL_H
#define OW_TASK_INTERNAL_H

#include "store/store.h"
#include "store/task.h"

#define MS(column) "make_interval(secs => t." column " / 1000.0)"

/* Of whoever takes the task then */
#define LEASE_UNTIL(taken_at) taken_at " + least(" MS("start_to_close_ms") ", " MS("heartbeat_ms") ")"

/* The tasks of one queue that a role may take: $1 queue, $2 activities, $3 owners, $4 role, $5 runs or
 * task tokens */
#define OW_AVAILABLE \
	"  FROM workflow.activity_task t" \
	" WHERE t.task_queue = $1 AND t.worker IS NULL AND t.paused_at IS NULL" \
	"   AND ($2 IS NULL OR (t.activity = ANY ($2)) <> ('" OW_ALL_BUT_THESE "' = ANY ($2)))" \
	"   AND (t.owner::oid = ANY ($3) OR pg_has_role($4, t.owner::oid, 'USAGE'))" \
	"   AND ($5 IS NULL OR t.run_id = ANY ($5) OR t.task_token = ANY ($5))"
#define OW_AVAILABLE_TYPES "text,text[],oid[],oid,uuid[]"

/* What a worker is told, and what it takes to take the task */
#define OW_FOUND_AT(now) \
	"t.task_token, t.workflow_id, t.run_id, t.activity, t.attempt, t.input, " MS("heartbeat_ms") " AS silence," \
	" t.last_failure->'HeartbeatDetails' AS details, nullif(t.last_failure - 'HeartbeatDetails', '{}') AS failure, t.scheduled_at," \
	" least(t.close_by, " now " + " MS("start_to_close_ms") ") AS deadline, t.idempotency_key, t.compensates, t.fairness_key," \
	" t.traceparent," \
	" t.shard_key, t.owner::oid, " LEASE_UNTIL(now) " AS lease_until," \
	" t.priority, t.queued_at, t.ctid AS row_id, t.claim::int"
#define OW_FOUND OW_FOUND_AT("$6")
#define OW_FOUND_TYPES OW_AVAILABLE_TYPES ",timestamptz,int"

enum
{
	FOUND_SHARD_KEY = POLL_COLUMNS,
	FOUND_OWNER,
	FOUND_LEASE_UNTIL,
	FOUND_PRIORITY,
	FOUND_QUEUED_AT,
	FOUND_ROW,
	FOUND_CLAIM,
	FOUND_COLUMNS
};

/* The first five arguments, of OW_AVAILABLE */
typedef struct OwAvailable
{
	Datum		values[5];
	char		nulls[5];
	List	   *granted;		/* owners who have let the role take theirs */
	List	   *controlled;		/* owners whose tasks are taken under control: see task_flow.c */
	List	   *others;			/* who have, or have had, tasks in the queue */
} OwAvailable;

/* Reads what the role may take: tasks of the owners who have let it, and of those whose rights it has. */
extern void ow_task_read_available(const OwTaskRequest *request, OwAvailable *available, MemoryContext context);

/* A place in a queue */
typedef struct OwTaskPlace
{
	int32		priority;
	TimestampTz queued_at;
} OwTaskPlace;

/*
 * Nothing that a poll would find now, of owners who control nothing, comes before this place.  As far as this backend
 * remembers, false when it would have to look; and as it is, false when there is nothing.
 */
extern bool ow_task_remembered_place(const OwTaskRequest *request, OwTaskPlace *place);
extern bool ow_task_first_place(const OwTaskRequest *request, const OwAvailable *available, OwTaskPlace *place);

/* Tells the receiver of a task, which has the columns of OW_FOUND. */
extern void ow_task_tell(HeapTuple task, TupleDesc descriptor, OwTaskReceiver receive, void *arg);

/* Hands over what was found, and takes it. */
extern void ow_task_hand_over(const OwTaskRequest *request, SPITupleTable *found, int count, bool controlled,
							  TimestampTz now, OwTaskReceiver receive, void *arg);

/* Take tasks that are controlled; without a receiver, only look.  How many; at 0, request->again_at is when to
 * look again. */
extern int	ow_task_take_controlled(OwTaskRequest *request, const OwAvailable *available, int max_tasks,
									OwTaskReceiver receive, void *arg);

/* Takes tasks, having opened the store itself; how many */
typedef int (*OwTaskTaker) (OwTaskRequest *request, const OwAvailable *available, int max_tasks, OwTaskReceiver receive,
							void *arg);

/* Takes tasks in a subtransaction that is rolled back, with its locks, if there are none. */
extern int	ow_task_take_or_let_go(OwTaskTaker take, OwTaskRequest *request, const OwAvailable *available,
								   int max_tasks, OwTaskReceiver receive, void *arg);

extern Datum ow_task_oid_array(const List *oids);

/* ---- rows of what controls tasks: task_flow_rows.c ---- */

/* One fairness key; 0 and DT_NOBEGIN where there is no limit */
typedef struct OwFlowKey
{
	char	   *name;			/* empty: of tasks without */
	double		weight;
	double		rate;
	int			max_in_flight;
	TimestampTz paused_until;
	double		pass;
	TimestampTz full_at;
	int			in_flight;
	bool		served;
} OwFlowKey;

/* One owner's tasks in the queue */
typedef struct OwFlow
{
	Oid			owner;
	double		rate;
	int			max_in_flight;
	double		key_rate;
	int			key_max_in_flight;
	TimestampTz paused_until;
	double		pass;
	double		first_pass;		/* as it was before this poll */
	TimestampTz full_at;
	TimestampTz swept_at;
	int			in_flight;
	List	   *keys;			/* those that have tasks */
	int32		first_priority; /* of the first class that was found; its classes have different
								 * keys */
} OwFlow;

/* Tasks that are alike: they are taken in the order they came. */
typedef struct OwFlowClass
{
	OwFlow	   *flow;
	OwFlowKey  *key;
	int32		priority;
	TimestampTz oldest_at;
	int			wanted;
	bool		exhausted;
} OwFlowClass;

/*
 * All flows of the queue that the request may take from, locked or not; then their classes, by priority: everything
 * there is, or what can be found without long looking.  In the latter case request->again_at is when there may be
 * more.
 */
extern List *ow_flows_read(const OwTaskRequest *request, const OwAvailable *available, bool lock);
extern List *ow_flow_classes_read(OwTaskRequest *request, const OwAvailable *available, List *flows, bool everything);

/* Finds and locks what is wanted of the classes, with or without a key: the columns of OW_FOUND, and the class */
extern uint64 ow_flow_find(const OwTaskRequest *request, const OwAvailable *available, List *classes, bool keyed,
						   TimestampTz now);

/* ---- classes that this backend knows of: task_flow_known.c ---- */

typedef struct OwKnown OwKnown;

typedef struct OwKnownClass
{
	int32		priority;
	char	   *key;			/* empty: none */
	TimestampTz after;			/* there is nothing before it */
} OwKnownClass;

extern OwKnown *ow_known_find(const OwTaskRequest *request, Oid owner);
extern TimestampTz ow_known_scan_at(const OwKnown *known);
extern List *ow_known_classes(const OwKnown *known);
extern void ow_known_scanned(OwKnown *known, TimestampTz begun);
extern void ow_known_add(OwKnown *known, int32 priority, const char *key, TimestampTz after);
extern void ow_known_looked(OwKnown *known, TimestampTz begun, const List *found, int first);

/* Writes back how much has been had of the flow, and now and then deletes rows that say nothing. */
extern void ow_flow_write(const OwTaskRequest *request, OwFlow *flow, TimestampTz now);

#endif							/* OW_TASK_INTERNAL_H */
