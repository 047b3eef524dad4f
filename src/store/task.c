/*
 * task.c
 *		Tasks of programs outside: taking them from their queue, their heartbeats, and who may.
 *
 * Finding and taking are two statements: the first locks what it finds, and skips what others have locked.  The
 * run is not touched.  A taken task gets a timer, by which the run is looked at when the lease is over, unless
 * it has been answered.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "store/run_internal.h"
#include "store/run_row.h"
#include "store/start.h"
#include "store/task.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

#define MS(column) "make_interval(secs => t." column " / 1000.0)"

/* The tasks of one queue that a role may take: $1 queue, $2 activities, $3 owners, $4 role, $5 runs */
#define AVAILABLE \
	"  FROM workflow.activity_task t" \
	" WHERE t.task_queue = $1 AND t.worker IS NULL" \
	"   AND ($2 IS NULL OR t.activity = ANY ($2))" \
	"   AND (t.owner::oid = ANY ($3) OR pg_has_role($4, t.owner::oid, 'USAGE'))" \
	"   AND ($5 IS NULL OR t.run_id = ANY ($5))"
#define AVAILABLE_TYPES "text,text[],oid[],oid,uuid[]"

static OwStatement find_tasks = {
	.sql =
	"SELECT t.task_token, t.workflow_id, t.run_id, t.activity, t.attempt, t.input, " MS("heartbeat_ms") ","
	"       t.last_failure->'HeartbeatDetails', nullif(t.last_failure - 'HeartbeatDetails', '{}'), t.scheduled_at,"
	"       least(t.close_by, $6 + " MS("start_to_close_ms") "), t.idempotency_key, t.compensates,"
	"       t.shard_key, t.owner::oid, t.claim::int"
	AVAILABLE " ORDER BY t.priority, t.queued_at LIMIT $7 FOR UPDATE SKIP LOCKED",
	.argument_types = AVAILABLE_TYPES ",timestamptz,int"
};

enum
{
	FOUND_SHARD_KEY = POLL_COLUMNS + 1,
	FOUND_OWNER,
	FOUND_CLAIM
};

static OwStatement is_available = {
	.sql = "SELECT" AVAILABLE " LIMIT 1",
	.argument_types = AVAILABLE_TYPES
};

static OwStatement list_tasks = {
	.sql =
	"SELECT t.shard_key, t.run_id, t.owner::oid, t.task_token, t.workflow_id, t.state, t.activity, t.attempt,"
	"       t.compensation, t.input, t.start_to_close_ms, t.close_by, t.scheduled_at"
	"  FROM workflow.activity_task t"
	" WHERE t.run_id = ANY ($1) AND t.worker IS NULL AND t.task_queue IS NOT NULL"
	" ORDER BY t.priority, t.queued_at",
	.argument_types = "uuid[]"
};

static OwStatement take_task = {
	.sql =
	"UPDATE workflow.activity_task t SET worker = $3, started_at = $4, epoch = $5 WHERE shard_key = $1 AND task_token = $2"
	" RETURNING $4 + least(" MS("start_to_close_ms") ", " MS("heartbeat_ms") ")",
	.argument_types = "int,uuid,text,timestamptz,int8"
};

/* Of a task that was put back there may be one still. */
static OwStatement write_timers = {
	.sql =
	"INSERT INTO workflow.timer SELECT * FROM unnest($1)"
	" ON CONFLICT (shard_key, run_id, kind) DO UPDATE SET due_at = excluded.due_at",
	.argument_types = "workflow.timer[]"
};

static OwStatement beat_again = {
	.sql =
	"UPDATE workflow.activity_heartbeat SET beat_at = $3, details = coalesce($4, details)"
	" WHERE shard_key = $1 AND task_token = $2 AND ($5 < 0 OR claim = $5)",
	.argument_types = "int,uuid,timestamptz,jsonb,int"
};

/* The lock keeps whoever ends the task from overlooking its first heartbeat. */
static OwStatement beat_first = {
	.sql =
	"INSERT INTO workflow.activity_heartbeat AS h (shard_key, task_token, beat_at, details, claim)"
	" SELECT t.shard_key, t.task_token, $3, $4, t.claim FROM workflow.activity_task t"
	"  WHERE t.shard_key = $1 AND t.task_token = $2 AND t.worker IS NOT NULL AND ($5 < 0 OR t.claim = $5)"
	"    FOR KEY SHARE"
	" ON CONFLICT (shard_key, task_token) DO UPDATE"
	" SET beat_at = excluded.beat_at, details = coalesce(excluded.details, h.details), claim = excluded.claim",
	.argument_types = "int,uuid,timestamptz,jsonb,int"
};

static OwStatement is_queued = {
	.sql =
	"SELECT FROM workflow.activity_task"
	" WHERE shard_key = $1 AND task_token = $2 AND task_queue IS NOT NULL",
	.argument_types = "int,uuid"
};

static OwStatement read_grants = {
	.sql = "SELECT g.owner::oid, g.grantee::oid FROM workflow.worker_grant g WHERE g.task_queue = $1",
	.argument_types = "text"
};

static OwStatement add_grant = {
	.sql =
	"INSERT INTO workflow.worker_grant (task_queue, owner, grantee) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
	.argument_types = "text,regrole,regrole"
};

static OwStatement remove_grant = {
	.sql = "DELETE FROM workflow.worker_grant WHERE task_queue = $1 AND owner = $2 AND grantee = $3",
	.argument_types = "text,regrole,regrole"
};

uint32
ow_task_queue_key(const char *task_queue)
{
	/* not that of a workflow id of the same name */
	return ow_wakeup_key(psprintf("task queue %s", task_queue));
}

char *
ow_task_timer_kind(const pg_uuid_t *task_token)
{
	return psprintf("Task:%s", ow_uuid_to_cstring(task_token));
}

/* ---- taking ---- */

/* The owners who have let the role take tasks of the queue */
static Datum
find_granting_owners(const OwTaskRequest *request)
{
	Datum		values[1] = {CStringGetTextDatum(request->task_queue)};
	uint64		count = ow_store_execute(&read_grants, values, NULL);
	Datum	   *owners = palloc(sizeof(Datum) * Max(count, 1));
	int			found = 0;

	for (uint64 row = 0; row < count; row++)
	{
		if (has_privs_of_role(request->role, (Oid) ow_store_int(row, 2)))
			owners[found++] = ObjectIdGetDatum((Oid) ow_store_int(row, 1));
	}
	return PointerGetDatum(construct_array(owners, found, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

/* The arguments of AVAILABLE */
static void
set_available(const OwTaskRequest *request, Datum *values, char *nulls)
{
	values[0] = CStringGetTextDatum(request->task_queue);
	values[1] = request->activities;
	nulls[1] = request->activities == 0 ? 'n' : ' ';
	values[2] = find_granting_owners(request);
	values[3] = ObjectIdGetDatum(request->role);
	values[4] = request->runs;
	nulls[4] = request->runs == 0 ? 'n' : ' ';
}

static Datum
lease_timer(int32 shard_key, const pg_uuid_t *run_id, const pg_uuid_t *task_token, Oid owner, TimestampTz due_at)
{
	OwRow		row;

	memset(&row, 0, sizeof(row));
	ow_row_set(&row, TIMER_SHARD_KEY, Int32GetDatum(shard_key));
	ow_row_set(&row, TIMER_RUN_ID, UUIDPGetDatum(run_id));
	ow_row_set_text(&row, TIMER_KIND, ow_task_timer_kind(task_token));
	ow_row_set(&row, TIMER_OWNER, ObjectIdGetDatum(owner));
	ow_row_set_time(&row, TIMER_DUE_AT, due_at);
	ow_wakeup_at(owner, due_at);
	return ow_store_row("timer", row.values, row.nulls);
}

/* Marks the task as taken; its lease is from now on. */
static void
take(int32 shard_key, const pg_uuid_t *run_id, const pg_uuid_t *task_token, Oid owner, const char *worker,
	 TimestampTz now, OwRows *timers)
{
	Datum		values[5] = {
		Int32GetDatum(shard_key), UUIDPGetDatum(task_token), CStringGetTextDatum(worker), TimestampTzGetDatum(now),
		Int64GetDatum(ow_epoch_current())
	};

	if (ow_store_execute(&take_task, values, NULL) > 0)
		ow_rows_add(timers, lease_timer(shard_key, run_id, task_token, owner, ow_store_time(0, 1)));
}

/* Hands over a row of the result, and marks its task as taken. */
static void
take_found(const OwTaskRequest *request, SPITupleTable *found, uint64 row, TimestampTz now, OwRows *timers,
		   OwTaskReceiver receive, void *arg)
{
	Datum		values[FOUND_CLAIM];
	bool		nulls[FOUND_CLAIM];
	pg_uuid_t	handed_out;

	for (int i = 0; i < FOUND_CLAIM; i++)
		values[i] = SPI_getbinval(found->vals[row], found->tupdesc, i + 1, &nulls[i]);
	take(DatumGetInt32(values[FOUND_SHARD_KEY - 1]), DatumGetUUIDP(values[POLL_RUN_ID]),
		 DatumGetUUIDP(values[POLL_TASK_TOKEN]), DatumGetObjectId(values[FOUND_OWNER - 1]), request->worker, now,
		 timers);
	handed_out = *DatumGetUUIDP(values[POLL_TASK_TOKEN]);
	ow_wakeup_tasks(DatumGetObjectId(values[FOUND_OWNER - 1]), ow_task_queue_key(request->task_queue), 0, 1);
	ow_epoch_hand_out(DatumGetInt32(values[FOUND_CLAIM - 1]), &handed_out);
	values[POLL_TASK_TOKEN] = UUIDPGetDatum(&handed_out);
	receive(arg, values, nulls);
}

int
ow_task_take(const OwTaskRequest *request, OwTaskReceiver receive, void *arg)
{
	TimestampTz now = ow_clock_now();
	OwRows		timers = {0};
	char		nulls[] = "       ";
	Datum		values[7];
	SPITupleTable *found;
	uint64		count;

	ow_store_open();
	set_available(request, values, nulls);
	values[5] = TimestampTzGetDatum(now);
	values[6] = Int32GetDatum(request->max_tasks);
	count = ow_store_execute(&find_tasks, values, nulls);
	found = SPI_tuptable;
	for (uint64 row = 0; row < count; row++)
		take_found(request, found, row, now, &timers, receive, arg);
	ow_rows_write(&write_timers, "timer", &timers);
	ow_store_close();
	return (int) count;
}

bool
ow_task_is_available(const OwTaskRequest *request)
{
	char		nulls[] = "     ";
	Datum		values[5];
	bool		available;

	ow_store_open();
	set_available(request, values, nulls);
	available = ow_store_execute(&is_available, values, nulls) > 0;
	ow_store_close();
	return available;
}

/* ---- for tests ---- */

static OwTaskInQueue *
read_task(uint64 row)
{
	OwTaskInQueue *task = palloc0(sizeof(OwTaskInQueue));
	bool		isnull;
	Datum		start_to_close;

	task->run.shard_key = ow_store_int(row, 1);
	task->run.run_id = ow_store_uuid(row, 2);
	task->owner = (Oid) ow_store_int(row, 3);
	task->task_token = ow_store_uuid(row, 4);
	task->workflow_id = ow_store_text(row, 5);
	task->state = ow_store_text(row, 6);
	task->activity = ow_store_text(row, 7);
	task->attempt = ow_store_int(row, 8);
	task->compensation = ow_store_int(row, 9);
	task->input = ow_store_jsonb(row, 10);
	start_to_close = ow_store_datum(row, 11, &isnull);
	task->start_to_close_ms = isnull ? OW_UNSET : DatumGetInt64(start_to_close);
	task->close_by = ow_store_time(row, 12);
	task->scheduled_at = ow_store_time(row, 13);
	return task;
}

List *
ow_task_list(Datum runs)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext previous;
	List	   *tasks = NIL;
	uint64		count;

	ow_store_open();
	count = ow_store_execute(&list_tasks, &runs, NULL);
	previous = MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < count; row++)
		tasks = lappend(tasks, read_task(row));
	MemoryContextSwitchTo(previous);
	ow_store_close();
	return tasks;
}

void
ow_task_take_one(const OwTaskInQueue *task, const char *worker)
{
	OwRows		timers = {0};

	ow_store_open();
	take(task->run.shard_key, &task->run.run_id, &task->task_token, task->owner, worker, ow_clock_now(), &timers);
	ow_rows_write(&write_timers, "timer", &timers);
	ow_store_close();
}

/* ---- heartbeats ---- */

static void
token_values(const pg_uuid_t *task_token, Datum *values)
{
	values[0] = Int32GetDatum(ow_task_token_shard_key(task_token));
	values[1] = UUIDPGetDatum(task_token);
}

bool
ow_task_beat(const OwTaskClaim *held, const Jsonb *details)
{
	Datum		values[5];
	const char *nulls = details == NULL ? "   n " : NULL;
	bool		noted;

	token_values(&held->task_token, values);
	values[2] = TimestampTzGetDatum(ow_clock_now());
	values[3] = JsonbPGetDatum(details);
	values[4] = Int32GetDatum(held->claim);
	ow_store_open();
	noted = ow_store_execute(&beat_again, values, nulls) > 0 || ow_store_execute(&beat_first, values, nulls) > 0;
	ow_store_close();
	return noted;
}

bool
ow_task_is_queued(const pg_uuid_t *task_token)
{
	Datum		values[2];
	bool		queued;

	token_values(task_token, values);
	ow_store_open();
	queued = ow_store_execute(&is_queued, values, NULL) > 0;
	ow_store_close();
	return queued;
}

/* ---- grants ---- */

void
ow_task_grant(Oid grantee, const char *task_queue, Oid owner, bool grant)
{
	Datum		values[3] = {
		CStringGetTextDatum(task_queue), ObjectIdGetDatum(owner), ObjectIdGetDatum(grantee)
	};

	ow_store_open();
	ow_store_execute(grant ? &add_grant : &remove_grant, values, NULL);
	ow_store_close();
}
