/*
 * task.c
 *		Tasks of programs outside: who may take them, and a test's look at them.
 *
 * See task_claim.c for taking them from their queue.
 */
#include "postgres.h"

#include "engine/clock.h"
#include "store/start.h"
#include "store/store.h"
#include "store/task.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

static OwStatement list_tasks = {
	.sql =
	"SELECT t.shard_key, t.run_id, t.owner::oid, t.task_token, t.workflow_id, t.state, t.activity, t.attempt,"
	"       t.compensation, t.input, t.branch_id, t.heartbeat_ms IS NOT NULL, t.claim"
	"  FROM workflow.activity_task t"
	" WHERE t.run_id = ANY ($1) AND t.worker IS NULL AND t.task_queue IS NOT NULL AND t.paused_at IS NULL"
	" ORDER BY t.priority, t.queued_at",
	.argument_types = "uuid[]"
};

static OwStatement is_queued = {
	.sql =
	"SELECT FROM workflow.activity_task"
	" WHERE shard_key = $1 AND task_token = $2 AND task_queue IS NOT NULL",
	.argument_types = "int,uuid"
};

static OwStatement read_branch = {
	.sql = "SELECT branch_id FROM workflow.activity_task WHERE shard_key = $1 AND task_token = $2",
	.argument_types = "int,uuid"
};

static OwStatement find_of_branch = {
	.sql =
	"SELECT task_token FROM workflow.activity_task"
	" WHERE shard_key = $1 AND run_id = $2 AND coalesce(branch_id, 0) = $3 AND task_queue IS NOT NULL"
	"   AND worker IS NULL",
	.argument_types = "int,uuid,int"
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

/* ---- for tests ---- */

static OwTaskInQueue *
read_task(uint64 row)
{
	OwTaskInQueue *task = palloc0(sizeof(OwTaskInQueue));

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
	task->branch = ow_store_int(row, 11);
	task->has_heartbeat = ow_store_bool(row, 12);
	task->claim = ow_store_int(row, 13);
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

bool
ow_task_is_queued(const pg_uuid_t *task_token)
{
	Datum		values[2];
	bool		queued;

	values[0] = Int32GetDatum(ow_task_token_shard_key(task_token));
	values[1] = UUIDPGetDatum(task_token);
	ow_store_open();
	queued = ow_store_execute(&is_queued, values, NULL) > 0;
	ow_store_close();
	return queued;
}

int
ow_task_branch(const pg_uuid_t *task_token)
{
	Datum		values[2] = {Int32GetDatum(ow_task_token_shard_key(task_token)), UUIDPGetDatum(task_token)};
	int			branch = 0;

	ow_store_open();
	if (ow_store_execute(&read_branch, values, NULL) > 0)
		branch = ow_store_int(0, 1);
	ow_store_close();
	return branch;
}

bool
ow_task_of_branch(const pg_uuid_t *run_id, int branch, pg_uuid_t *task_token)
{
	Datum		values[3] = {Int32GetDatum(ow_run_id_shard_key(run_id)), UUIDPGetDatum(run_id), Int32GetDatum(branch)};
	bool		found;

	ow_store_open();
	found = ow_store_execute(&find_of_branch, values, NULL) > 0;
	if (found)
		*task_token = ow_store_uuid(0, 1);
	ow_store_close();
	return found;
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
