/*
 * run_task.c
 *		Attempts that somebody else answers for: a row for each while it waits, and the lease on it.
 *
 * Whoever takes a task, and beats, writes rows that are not the run's (task.c): so the lease is read each
 * time that the run is loaded.  Its timer, a row of its own when the task was taken, becomes part of the run's
 * then.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/json.h"
#include "store/run_internal.h"
#include "store/run_row.h"
#include "store/start.h"
#include "store/task.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

static OwStatement read_leases = {
	.sql =
	"SELECT t.run_id, t.task_token, t.started_at, h.beat_at, h.details,"
	"       EXISTS (SELECT FROM workflow.timer w WHERE w.shard_key = t.shard_key AND w.run_id = t.run_id"
	"                AND w.kind = 'Task:' || t.task_token::text),"
	"       (SELECT w.due_at FROM workflow.timer w WHERE w.shard_key = t.shard_key AND w.run_id = t.run_id"
	"         AND w.kind = 'Token'),"
	"       t.worker IS NULL"
	"  FROM unnest($1, $2) AS wanted (shard_key, task_token),"
	"       LATERAL (SELECT r.shard_key, r.run_id, r.task_token, r.started_at, r.worker"
	"                  FROM workflow.activity_task r"
	"                 WHERE r.shard_key = wanted.shard_key AND r.task_token = wanted.task_token"
	"                   AND (r.worker IS NOT NULL OR r.claim > 0) OFFSET 0) AS t"
	"       LEFT JOIN LATERAL (SELECT b.beat_at, b.details FROM workflow.activity_heartbeat b"
	"                           WHERE b.shard_key = t.shard_key AND b.task_token = t.task_token OFFSET 0) AS h ON true",
	.argument_types = "int[],uuid[]"
};

static OwStatement write_tasks = {
	.sql = "INSERT INTO workflow.activity_task SELECT * FROM unnest($1)",
	.argument_types = "workflow.activity_task[]"
};

static OwStatement delete_task = {
	.sql =
	"DELETE FROM workflow.activity_task WHERE shard_key = $1 AND task_token = $2 RETURNING worker IS NOT NULL OR claim > 0",
	.argument_types = "int,uuid"
};

static OwStatement delete_heartbeat = {
	.sql = "DELETE FROM workflow.activity_heartbeat WHERE shard_key = $1 AND task_token = $2",
	.argument_types = "int,uuid"
};

static OwStatement delete_timer = {
	.sql = DELETE_TIMER,
	.argument_types = "int,uuid,text"
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
	loaded->stored_due_at = ow_run_next_timer(&loaded->run, &branch);
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
		loaded->lease_timers = lappend(loaded->lease_timers, task_token);
	loaded->stored_due_at = ow_store_time(row, 7);
	lease->released = ow_store_bool(row, 8);
	find_token(&loaded->run, task_token)->lease = lease;
}

static void
load_leases(List *runs, MemoryContext context)
{
	List	   *wanted = NIL;
	int32	   *keys;
	pg_uuid_t  *task_tokens;
	int			count = 0;
	Datum		values[2];
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

/* What is known of a queued task only */
static void
set_queued(OwRow *row, const OwLoadedRun *loaded, const OwQueuedTask *task)
{
	const OwActivityCall *call = &task->call;
	JsonbValue	value;
	int64		priority = 0;

	ow_row_set_text(row, TASK_ACTIVITY, call->activity->name);
	ow_row_set_text(row, TASK_TASK_QUEUE, ow_json_get_string(task->limits, "task_queue"));
	if (ow_json_member(task->limits, "priority", &value))
		(void) ow_json_value_int64(&value, &priority);
	ow_row_set(row, TASK_PRIORITY, Int32GetDatum((int32) priority));
	ow_row_set_text(row, TASK_WORKFLOW_ID, loaded->run.workflow_id);
	ow_row_set(row, TASK_BRANCH_ID, Int32GetDatum(task->branch));
	row->nulls[TASK_BRANCH_ID] = task->branch == 0;
	ow_row_set_text(row, TASK_STATE, call->state);
	ow_row_set(row, TASK_COMPENSATION, Int32GetDatum(call->compensation));
	row->nulls[TASK_COMPENSATION] = call->compensation == 0;
	ow_row_set_time(row, TASK_SCHEDULED_AT, call->scheduled_at);
	ow_row_set_time(row, TASK_QUEUED_AT, task->queued_at);
	ow_row_set_time(row, TASK_CLOSE_BY, call->close_by);
	set_ms(row, TASK_START_TO_CLOSE_MS, task->limits, "start_to_close_ms");
	set_ms(row, TASK_HEARTBEAT_MS, task->limits, "heartbeat_ms");
	ow_row_set_text(row, TASK_IDEMPOTENCY_KEY, call->idempotency_key);
	ow_row_set_json(row, TASK_INPUT, call->input);
	ow_row_set_json(row, TASK_LAST_FAILURE, call->last_failure);
	ow_row_set_json(row, TASK_COMPENSATES, call->compensates);
}

static Datum
task_row(const OwLoadedRun *loaded, const OwToken *token, const OwQueuedTask *task)
{
	OwRow		row;

	memset(&row, 0, sizeof(row));
	memset(row.nulls, true, sizeof(row.nulls));
	ow_row_set(&row, TASK_SHARD_KEY, Int32GetDatum(loaded->run.shard_key));
	ow_row_set(&row, TASK_TASK_TOKEN, UUIDPGetDatum(&token->task_token));
	ow_row_set(&row, TASK_RUN_ID, UUIDPGetDatum(&loaded->run.run_id));
	ow_row_set(&row, TASK_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set(&row, TASK_ATTEMPT, Int32GetDatum(token->attempt));
	ow_row_set(&row, TASK_CLAIM, Int16GetDatum(0));
	if (task != NULL)
		set_queued(&row, loaded, task);
	else
		ow_row_set_text(&row, TASK_ACTIVITY, loaded->compiled->definition->states[token->state].activity);
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

static void
collect_task(const OwLoadedRun *loaded, const OwToken *token, OwRows *tasks, List **waiting)
{
	const OwQueuedTask *task = NULL;
	uint32		queue_key;

	if (!waits_for_answer(token))
		return;
	*waiting = lappend(*waiting, unconstify(pg_uuid_t *, &token->task_token));
	if (has_task(loaded->stored_tasks, &token->task_token))
		return;
	if (ow_token_is_queued(token))
	{
		task = find_in_order(loaded->run.queued, &token->task_token);
		if (task == NULL)
			elog(ERROR, "task %s was not queued", ow_uuid_to_cstring(&token->task_token));
		queue_key = ow_task_queue_key(ow_json_get_string(task->limits, "task_queue"));
		ow_wakeup_waiters(queue_key);
		ow_wakeup_tasks(loaded->owner, queue_key, 1, 0);
	}
	ow_rows_add(tasks, task_row(loaded, token, task));
}

static void
forget_timer(const OwLoadedRun *loaded, const pg_uuid_t *task_token)
{
	Datum		values[3] = {
		Int32GetDatum(loaded->run.shard_key), UUIDPGetDatum(&loaded->run.run_id),
		CStringGetTextDatum(ow_task_timer_kind(task_token))
	};

	ow_store_execute(&delete_timer, values, NULL);
}

/* The task goes first: after that nobody takes it, or beats, any more. */
static void
forget_task(const OwLoadedRun *loaded, const pg_uuid_t *task_token)
{
	Datum		values[2] = {Int32GetDatum(loaded->run.shard_key), UUIDPGetDatum(task_token)};

	if (ow_store_execute(&delete_task, values, NULL) == 0 || !ow_store_bool(0, 1))
		return;
	ow_store_execute(&delete_heartbeat, values, NULL);
	forget_timer(loaded, task_token);
}

static void
flush_tasks(const OwLoadedRun *loaded, OwRows *tasks)
{
	List	   *waiting = NIL;
	ListCell   *cell;

	list_sort(loaded->run.queued, compare_tasks);
	collect_task(loaded, &loaded->run.token, tasks, &waiting);
	foreach(cell, loaded->run.branches)
		collect_task(loaded, &((OwBranch *) lfirst(cell))->token, tasks, &waiting);
	list_sort(waiting, compare_tasks);
	foreach(cell, loaded->stored_tasks)
	{
		if (!has_task(waiting, lfirst(cell)))
			forget_task(loaded, lfirst(cell));
	}
	/* the run's own timer stands for it from now on */
	foreach(cell, loaded->lease_timers)
	{
		if (has_task(waiting, lfirst(cell)))
			forget_timer(loaded, lfirst(cell));
	}
}

void
ow_tasks_flush(List *runs)
{
	OwRows		tasks = {0};
	ListCell   *cell;

	foreach(cell, runs)
		flush_tasks(lfirst(cell), &tasks);
	ow_rows_write(&write_tasks, "activity_task", &tasks);
}
