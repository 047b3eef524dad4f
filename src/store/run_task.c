/*
 * run_task.c
 *		Attempts that somebody else answers for: a row for each while it waits, and the lease on it.
 *
 * Whoever takes a task, and beats, writes rows that are not the run's (task.c): so the lease is read each
 * time that the run is loaded, and its end is among the run's timers from then on.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "store/run_internal.h"
#include "store/run_row.h"
#include "store/start.h"
#include "store/task.h"
#include "store/task_offer.h"
#include "store/task_queue.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

static OwStatement read_leases = {
	.sql =
	"SELECT t.run_id, t.task_token, t.started_at, h.beat_at, h.details,"
	"       t.lease_until <= $3,"
	"       (SELECT w.due_at FROM workflow.timer w WHERE w.shard_key = t.shard_key AND w.run_id = t.run_id"
	"         AND w.kind = 'Token'),"
	"       t.worker IS NULL, t.claim::int"
	"  FROM unnest($1, $2) AS wanted (shard_key, task_token),"
	"       LATERAL (SELECT r.shard_key, r.run_id, r.task_token, r.started_at, r.worker, r.claim, r.lease_until"
	"                  FROM workflow.activity_task r"
	"                 WHERE r.shard_key = wanted.shard_key AND r.task_token = wanted.task_token"
	"                   AND (r.worker IS NOT NULL OR r.claim > 0) OFFSET 0) AS t"
	"       LEFT JOIN LATERAL (SELECT b.beat_at, b.details FROM workflow.activity_heartbeat b"
	"                           WHERE b.shard_key = t.shard_key AND b.task_token = t.task_token OFFSET 0) AS h ON true",
	.argument_types = "int[],uuid[],timestamptz"
};

static OwStatement write_tasks = {
	.sql = "INSERT INTO workflow.activity_task SELECT * FROM unnest($1)",
	.argument_types = "workflow.activity_task[]"
};

/*
 * The run is locked, so that only somebody who takes the task changes its row meanwhile.  Once it is taken it stays where it
 * was: there it counts as in flight, and there its worker was granted it.  Of a task that was put back, only the row knows
 * the last heartbeat.  The pause of a whole run ($4: it is not only that) leaves alone what somebody is at.
 */
static OwStatement update_task = {
	.sql =
	"UPDATE workflow.activity_task t"
	"   SET attempt = n.attempt, priority = n.priority, scheduled_at = n.scheduled_at, close_by = n.close_by,"
	"       start_to_close_ms = n.start_to_close_ms, heartbeat_ms = n.heartbeat_ms,"
	"       last_failure = CASE WHEN t.claim > 0 AND t.last_failure ? 'HeartbeatDetails'"
	"                      THEN coalesce(n.last_failure, '{}')"
	"                           || jsonb_build_object('HeartbeatDetails', t.last_failure->'HeartbeatDetails')"
	"                      ELSE n.last_failure END,"
	"       task_queue = CASE WHEN t.worker IS NULL THEN n.task_queue ELSE t.task_queue END,"
	"       fairness_key = CASE WHEN t.worker IS NULL THEN n.fairness_key ELSE t.fairness_key END,"
	"       paused_at = CASE WHEN $4 OR t.worker IS NULL THEN n.paused_at END"
	"  FROM (SELECT ($3).*) AS n"
	" WHERE t.shard_key = $1 AND t.task_token = $2"
	" RETURNING t.worker IS NULL AND t.task_queue IS NOT NULL AND t.paused_at IS NULL",
	.argument_types = "int,uuid,workflow.activity_task,bool"
};

/*
 * Whatever the planner believes of the tables, all it can make of these is an index scan for the shard keys, which
 * looks each row up among those that are to go: IS TRUE keeps it from trying all pairs of the arrays, or a join.
 */
static OwStatement delete_tasks = {
	.sql =
	"DELETE FROM workflow.activity_task"
	" WHERE shard_key = ANY ($1) AND (task_token IN (SELECT unnest($2))) IS TRUE"
	" RETURNING task_token, worker IS NOT NULL OR claim > 0, CASE WHEN controlled THEN task_queue END",
	.argument_types = "int[],uuid[]"
};

static OwStatement delete_heartbeats = {
	.sql =
	"DELETE FROM workflow.activity_heartbeat"
	" WHERE shard_key = ANY ($1) AND (task_token IN (SELECT unnest($2))) IS TRUE",
	.argument_types = "int[],uuid[]"
};

/* The run has been looked at: what is to come of the lease is in its own timer from then on. */
static OwStatement end_leases = {
	.sql =
	"UPDATE workflow.activity_task SET lease_until = NULL"
	" WHERE shard_key = ANY ($1) AND (task_token IN (SELECT unnest($2))) IS TRUE",
	.argument_types = "int[],uuid[]"
};

/* ---- loading ---- */

static bool
waits_for_answer(const OwToken *token)
{
	return token->phase == OW_PHASE_CALLBACK || ow_token_is_queued(token);
}

static int
compare_tasks(const ListCell *a, const ListCell *b)
{
	return memcmp(lfirst(a), lfirst(b), UUID_LEN);
}

/* Attempts that wait for an answer have rows; *queued: some may be taken by somebody. */
static void
note_task(OwLoadedRun *loaded, const OwToken *token, bool *queued)
{
	pg_uuid_t  *task_token;

	if (!waits_for_answer(token))
		return;
	task_token = palloc(sizeof(pg_uuid_t));
	*task_token = token->task_token;
	loaded->stored_tasks = lappend(loaded->stored_tasks, task_token);
	*queued |= ow_token_is_queued(token);
}

static bool
note_tasks(OwLoadedRun *loaded)
{
	bool		queued = false;
	ListCell   *cell;
	int			branch;

	note_task(loaded, &loaded->run.token, &queued);
	foreach(cell, loaded->run.branches)
		note_task(loaded, &((OwBranch *) lfirst(cell))->token, &queued);
	list_sort(loaded->stored_tasks, compare_tasks);
	loaded->stored_due_at = loaded->run.status == OW_STATUS_PAUSED ? DT_NOEND : ow_run_next_timer(&loaded->run, &branch);
	return queued;
}

static OwToken *
find_token(OwRun *run, const pg_uuid_t *task_token)
{
	int			branch;

	return unconstify(OwToken *, ow_run_find_task(run, task_token, &branch));
}

/* Where there is a lease, the run's timer in the table may be due to it. */
static void
take_lease(List *runs, uint64 row)
{
	pg_uuid_t	run_id = ow_store_uuid(row, 1);
	pg_uuid_t  *task_token = palloc(sizeof(pg_uuid_t));
	OwLoadedRun *loaded = ow_run_find_loaded(runs, &run_id);
	OwLease    *lease = palloc0(sizeof(OwLease));

	*task_token = ow_store_uuid(row, 2);
	lease->started_at = ow_store_time(row, 3);
	lease->beat_at = ow_store_time(row, 4);
	if (lease->beat_at == DT_NOEND)
		lease->beat_at = DT_NOBEGIN;
	lease->details = ow_store_jsonb(row, 5);
	if (ow_store_bool(row, 6))
		loaded->due_leases = lappend(loaded->due_leases, task_token);
	loaded->stored_due_at = ow_store_time(row, 7);
	lease->released = ow_store_bool(row, 8);
	lease->claim = ow_store_int(row, 9);
	find_token(&loaded->run, task_token)->lease = lease;
}

static void
load_leases(List *runs, MemoryContext context)
{
	List	   *wanted = NIL;
	int32	   *keys;
	pg_uuid_t  *task_tokens;
	int			count = 0;
	Datum		values[3];
	uint64		rows;
	MemoryContext previous;
	ListCell   *cell;

	foreach(cell, runs)
		wanted = list_concat(wanted, ((OwLoadedRun *) lfirst(cell))->stored_tasks);
	keys = palloc(sizeof(int32) * list_length(wanted));
	task_tokens = palloc(sizeof(pg_uuid_t) * list_length(wanted));
	foreach(cell, wanted)
	{
		task_tokens[count] = *(pg_uuid_t *) lfirst(cell);
		keys[count++] = ow_task_token_shard_key(lfirst(cell));
	}
	values[0] = ow_store_int_array(keys, count);
	values[1] = ow_store_uuid_array(task_tokens, count);
	values[2] = TimestampTzGetDatum(ow_clock_now());
	rows = ow_store_execute(&read_leases, values, NULL);
	previous = MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < rows; row++)
		take_lease(runs, row);
	MemoryContextSwitchTo(previous);
}

void
ow_tasks_load(List *runs, MemoryContext context)
{
	MemoryContext previous = MemoryContextSwitchTo(context);
	List	   *with_queued = NIL;
	ListCell   *cell;

	foreach(cell, runs)
	{
		if (note_tasks(lfirst(cell)))
			with_queued = lappend(with_queued, lfirst(cell));
	}
	MemoryContextSwitchTo(previous);
	if (with_queued != NIL)
		load_leases(with_queued, context);
}

/* ---- writing back ---- */

static void
set_ms(OwRow *row, int column, const Jsonb *limits, const char *name)
{
	JsonbValue	value;
	int64		ms;

	row->nulls[column] = !ow_json_member(limits, name, &value) || !ow_json_value_int64(&value, &ms);
	if (!row->nulls[column])
		row->values[column] = Int64GetDatum(ms);
}

/*
 * Tells tasks apart that are queued at the same moment, by microseconds in the order they come, so that a time
 * is a place in the queue.
 */
static TimestampTz
own_moment(TimestampTz queued_at)
{
	static TimestampTz last = DT_NOBEGIN;

	if (queued_at > last || last - queued_at > USECS_PER_SEC)
		last = queued_at;
	else
		last++;
	return last;
}

/* When the task must be over: schedule-to-close, or the run's timeout, to which compensations are not subject */
static TimestampTz
close_by(const OwLoadedRun *loaded, const OwToken *token)
{
	TimestampTz limit = ow_token_limit_time(token, "close_by");
	bool		by_run = !ow_token_is_compensating(token) && ow_machine_heeds_deadline(&loaded->run);

	return by_run ? Min(limit, loaded->run.deadline) : limit;
}

static int32
priority_of(const Jsonb *limits)
{
	JsonbValue	value;
	int64		priority = 0;

	if (ow_json_member(limits, "priority", &value))
		(void) ow_json_value_int64(&value, &priority);
	return (int32) priority;
}

/* What an operator may change of a queued task; see update_task */
static void
set_limits(OwRow *row, const OwLoadedRun *loaded, const OwToken *token)
{
	const Jsonb *limits = ow_token_limits(token);

	ow_row_set_text(row, TASK_TASK_QUEUE, ow_json_get_string(limits, "task_queue"));
	ow_row_set_text(row, TASK_FAIRNESS_KEY, ow_json_get_string(limits, "fairness_key"));
	ow_row_set(row, TASK_PRIORITY, Int32GetDatum(priority_of(limits)));
	ow_row_set_time(row, TASK_SCHEDULED_AT, token->scheduled_at);
	ow_row_set_time(row, TASK_CLOSE_BY, close_by(loaded, token));
	set_ms(row, TASK_START_TO_CLOSE_MS, limits, "start_to_close_ms");
	set_ms(row, TASK_HEARTBEAT_MS, limits, "heartbeat_ms");
	ow_row_set_json(row, TASK_LAST_FAILURE, token->last_failure);
}

/* What is known only of a task that is being queued */
static void
set_queued(OwRow *row, const OwLoadedRun *loaded, const OwQueuedTask *task)
{
	const OwActivityCall *call = &task->call;

	ow_row_set_text(row, TASK_ACTIVITY, call->activity->name);
	ow_row_set_text(row, TASK_WORKFLOW_ID, loaded->run.workflow_id);
	ow_row_set(row, TASK_BRANCH_ID, Int32GetDatum(task->branch));
	row->nulls[TASK_BRANCH_ID] = task->branch == 0;
	ow_row_set_text(row, TASK_STATE, call->state);
	ow_row_set(row, TASK_COMPENSATION, Int32GetDatum(call->compensation));
	row->nulls[TASK_COMPENSATION] = call->compensation == 0;
	ow_row_set_time(row, TASK_QUEUED_AT, own_moment(task->queued_at));
	ow_row_set_text(row, TASK_IDEMPOTENCY_KEY, call->idempotency_key);
	ow_row_set_json(row, TASK_INPUT, call->input);
	ow_row_set_json(row, TASK_COMPENSATES, call->compensates);
	ow_row_set_text(row, TASK_TRACEPARENT, loaded->run.traceparent);
}

/* When it was paused, or the whole run */
static TimestampTz
paused_since(const OwRun *run, const OwToken *token)
{
	char	   *text = run->paused ? ow_json_get_string(run->paused, "paused_at") : NULL;
	TimestampTz paused_at = DT_NOEND;

	if (!ow_token_paused_at(token, &paused_at) && ow_token_is_queued(token) && text != NULL &&
		!ow_instant_parse(text, &paused_at))
		elog(ERROR, "malformed pause of run %s", ow_uuid_to_cstring(&run->run_id));
	return paused_at;
}

/* task is NULL when it is queued already, or never is: its token was given away. */
static void
set_task(OwRow *row, const OwLoadedRun *loaded, const OwToken *token, const OwQueuedTask *task)
{
	memset(row, 0, sizeof(*row));
	memset(row->nulls, true, sizeof(row->nulls));
	ow_row_set(row, TASK_SHARD_KEY, Int32GetDatum(loaded->run.shard_key));
	ow_row_set(row, TASK_TASK_TOKEN, UUIDPGetDatum(&token->task_token));
	ow_row_set(row, TASK_RUN_ID, UUIDPGetDatum(&loaded->run.run_id));
	ow_row_set(row, TASK_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set(row, TASK_ATTEMPT, Int32GetDatum(token->attempt));
	ow_row_set(row, TASK_CLAIM, Int16GetDatum(0));
	ow_row_set_time(row, TASK_PAUSED_AT, paused_since(&loaded->run, token));
	if (ow_token_is_queued(token))
		set_limits(row, loaded, token);
	if (task != NULL)
		set_queued(row, loaded, task);
	else if (!ow_token_is_queued(token))
	{
		const OwState *state = &loaded->compiled->definition->states[token->state];

		ow_row_set_text(row, TASK_ACTIVITY, state->activity);
		ow_row_set_text(row, TASK_STATE, state->name);
	}
}

static Datum
task_row(const OwLoadedRun *loaded, const OwToken *token)
{
	OwRow		row;

	set_task(&row, loaded, token, NULL);
	return ow_store_row("activity_task", row.values, row.nulls);
}

/*
 * Finds what begins with the token in a list that is in the order of tokens (so do pg_uuid_t and OwQueuedTask);
 * NULL: nothing does.
 */
static const void *
find_in_order(const List *tasks, const pg_uuid_t *task_token)
{
	int			low = 0;
	int			high = list_length(tasks);

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		const void *found = list_nth(tasks, middle);
		int			order = memcmp(found, task_token, UUID_LEN);

		if (order == 0)
			return found;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool
has_task(const List *tasks, const pg_uuid_t *task_token)
{
	return find_in_order(tasks, task_token) != NULL;
}

/* What has been queued: new tasks and their rows, and the queues of those and of changed ones */
typedef struct Queued
{
	List	   *new_tasks;		/* of OwNewTask *, whose rows are still to be made */
	OwRows		tasks;
	OwRows		handed_over;	/* rows of those that the worker who answers has taken */
	OwQueueUses uses;
	const char *last_queue;		/* the same queue and owner are not looked up for each task */
	Oid			last_owner;
	bool		last_keyed;
} Queued;

static void
note_queue(Queued *queued, const char *task_queue, Oid owner, bool keyed)
{
	if (queued->last_queue != NULL && strcmp(queued->last_queue, task_queue) == 0 && queued->last_owner == owner &&
		queued->last_keyed == keyed)
		return;
	ow_queue_use(&queued->uses, task_queue, owner, keyed);
	queued->last_queue = task_queue;
	queued->last_owner = owner;
	queued->last_keyed = keyed;
}

/* Wakes somebody who waits for a task of the queue. */
static void
note_queued(Queued *queued, const char *task_queue, Oid owner, bool keyed)
{
	ow_wakeup_some_waiters(ow_task_queue_key(task_queue), 1);
	note_queue(queued, task_queue, owner, keyed);
}

/* The row that the task has is changed as its token was. */
static void
change_task(const OwLoadedRun *loaded, const OwToken *token, Queued *queued)
{
	Datum		values[4] = {Int32GetDatum(loaded->run.shard_key), UUIDPGetDatum(&token->task_token)};
	const Jsonb *limits;
	char	   *task_queue;

	if (!token->task_changed)
		return;
	values[2] = task_row(loaded, token);
	values[3] = BoolGetDatum(ow_token_is_paused(token));
	if (ow_store_execute(&update_task, values, NULL) == 0 || !ow_store_bool(0, 1))
		return;
	limits = ow_token_limits(token);
	task_queue = ow_json_get_string(limits, "task_queue");
	ow_wakeup_return(ow_task_queue_key(task_queue));
	note_queued(queued, task_queue, loaded->owner, ow_json_get_string(limits, "fairness_key") != NULL);
}

static void
add_new_task(Queued *queued, const OwLoadedRun *loaded, const OwToken *token)
{
	OwNewTask  *new = palloc0(sizeof(OwNewTask));

	new->task = find_in_order(loaded->run.queued, &token->task_token);
	if (new->task == NULL)
		elog(ERROR, "task %s was not queued", ow_uuid_to_cstring(&token->task_token));
	new->loaded = loaded;
	new->token = token;
	new->task_queue = ow_json_get_string(new->task->limits, "task_queue");
	new->priority = priority_of(new->task->limits);
	new->position = list_length(queued->new_tasks);
	queued->new_tasks = lappend(queued->new_tasks, new);
}

static void
collect_task(const OwLoadedRun *loaded, const OwToken *token, Queued *queued, List **waiting)
{
	if (!waits_for_answer(token))
		return;
	*waiting = lappend(*waiting, unconstify(pg_uuid_t *, &token->task_token));
	if (has_task(loaded->stored_tasks, &token->task_token))
		change_task(loaded, token, queued);
	else if (ow_token_is_queued(token))
		add_new_task(queued, loaded, token);
	else
		ow_rows_add(&queued->tasks, task_row(loaded, token));
}

static void
queue_task(const OwNewTask *new, Queued *queued, bool offered)
{
	Oid			owner = new->loaded->owner;
	OwRow		row;
	bool		taken;

	set_task(&row, new->loaded, new->token, new->task);
	taken = offered && ow_task_offer_takes(new, &row);
	ow_rows_add(taken ? &queued->handed_over : &queued->tasks, ow_store_row("activity_task", row.values, row.nulls));
	ow_wakeup_tasks(owner, ow_task_queue_key(new->task_queue), 1, taken ? 1 : 0);
	if (taken)
		note_queue(queued, new->task_queue, owner, false);
	else
		note_queued(queued, new->task_queue, owner, !row.nulls[TASK_FAIRNESS_KEY]);
}

/* A worker who has just answered may have some of them at once: then they are not queued at all. */
static void
queue_tasks(Queued *queued)
{
	bool		offered = queued->new_tasks != NIL && ow_task_offer_stands();
	ListCell   *cell;

	if (offered)
		list_sort(queued->new_tasks, ow_task_offer_compare);
	foreach(cell, queued->new_tasks)
		queue_task(lfirst(cell), queued, offered);
}

/* Keys of rows that go, for a statement each */
typedef struct GoneRows
{
	OwRows		tasks[2];		/* shard_key, task_token */
	OwRows		heartbeats[2];	/* shard_key, task_token */
	OwRows		leases[2];		/* that are over, though their tasks are not: shard_key, task_token */
} GoneRows;

static void
forget_task(const pg_uuid_t *task_token, OwRows *rows)
{
	ow_rows_add(&rows[0], Int32GetDatum(ow_task_token_shard_key(task_token)));
	ow_rows_add(&rows[1], UUIDPGetDatum(task_token));
}

static void
flush_tasks(const OwLoadedRun *loaded, Queued *queued, GoneRows *gone)
{
	List	   *waiting = NIL;
	ListCell   *cell;

	list_sort(loaded->run.queued, compare_tasks);
	collect_task(loaded, &loaded->run.token, queued, &waiting);
	foreach(cell, loaded->run.branches)
		collect_task(loaded, &((OwBranch *) lfirst(cell))->token, queued, &waiting);
	list_sort(waiting, compare_tasks);
	foreach(cell, loaded->stored_tasks)
	{
		if (!has_task(waiting, lfirst(cell)))
			forget_task(lfirst(cell), gone->tasks);
	}
	foreach(cell, loaded->due_leases)
	{
		if (has_task(waiting, lfirst(cell)))
			forget_task(lfirst(cell), gone->leases);
	}
}

/* Of those that somebody had taken, and perhaps put back, which the rows tell as they were when they were deleted */
static void
forget_leases(uint64 count, GoneRows *gone)
{
	for (uint64 row = 0; row < count; row++)
	{
		pg_uuid_t  *task_token = palloc(sizeof(pg_uuid_t));
		char	   *controlled_queue = ow_store_text(row, 3);

		if (!ow_store_bool(row, 2))
			continue;
		/* another one may be in flight now */
		if (controlled_queue != NULL)
			ow_wakeup_some_waiters(ow_task_queue_key(controlled_queue), 1);
		*task_token = ow_store_uuid(row, 1);
		forget_task(task_token, gone->heartbeats);
	}
}

/* The tasks go first: after that nobody takes them, or beats, any more. */
static void
delete_gone(GoneRows *gone)
{
	static const Oid types[] = {INT4OID, UUIDOID};

	/* of deleted tasks, their rows are there to be read */
	forget_leases(ow_rows_execute_keys(&delete_tasks, gone->tasks, types, 2), gone);
	(void) ow_rows_execute_keys(&delete_heartbeats, gone->heartbeats, types, 2);
	(void) ow_rows_execute_keys(&end_leases, gone->leases, types, 2);
}

void
ow_tasks_flush(List *runs)
{
	Queued		queued = {0};
	GoneRows	gone;
	ListCell   *cell;

	memset(&gone, 0, sizeof(gone));
	foreach(cell, runs)
		flush_tasks(lfirst(cell), &queued, &gone);
	delete_gone(&gone);
	queue_tasks(&queued);
	ow_queues_note(&queued.uses);
	ow_rows_write(&write_tasks, "activity_task", &queued.tasks);
	ow_task_offer_write(&queued.handed_over);
}
