/*
 * find_task.c
 *		Finding the attempts of a run that wait for an answer, by activity or state.
 *
 * Tasks are known by their tokens, which begin with the run's shard key: so those of one run stand together, but
 * for runs that share the key.  Nothing is locked: whoever answers does that, and looks again.
 */
#include "postgres.h"

#include "engine/activity.h"
#include "store/find_task.h"
#include "store/store.h"
#include "utils/builtins.h"

static OwStatement find_tasks = {
	.sql =
	"SELECT t.task_token, t.task_queue IS NULL OR t.worker IS NOT NULL, may.answer, t.claim"
	"  FROM workflow.activity_task t"
	" CROSS JOIN LATERAL (SELECT pg_has_role($4, t.owner::oid, 'USAGE')"
	"      OR EXISTS (SELECT FROM workflow.worker_grant g WHERE g.task_queue = t.task_queue AND g.owner = t.owner"
	"                  AND pg_has_role($4, g.grantee::oid, 'USAGE'))) AS may (answer)"
	" WHERE t.shard_key = $1 AND t.run_id = $2 AND (t.activity = $3 OR t.state = $3)"
	" ORDER BY may.answer DESC LIMIT 2",
	.argument_types = "int,uuid,text,oid"
};

/* An activity that answers for itself by name, before it has ended and there is a row of its task */
static bool
find_own_task(const OwFoundRun *run, const char *name, OwNamedTask *task)
{
	const OwRun *current;
	const OwActivityCall *call = ow_activity_current(&current);

	if (call == NULL || call->task_token == NULL || memcmp(&current->run_id, &run->ref.run_id, UUID_LEN) != 0 ||
		(strcmp(call->activity->name, name) != 0 && strcmp(call->state, name) != 0))
		return false;
	*task = (OwNamedTask) {
		.task_token = *call->task_token,
			.started = true,
			.may_answer = true
	};
	ow_epoch_hand_out(0, &task->task_token);
	return true;
}

int
ow_find_named_tasks(const OwFoundRun *run, const char *name, Oid role, OwNamedTask *tasks)
{
	Datum		values[4] = {
		Int32GetDatum(run->ref.shard_key), UUIDPGetDatum(&run->ref.run_id), CStringGetTextDatum(name),
		ObjectIdGetDatum(role)
	};
	uint64		count;

	if (find_own_task(run, name, tasks))
		return 1;
	ow_store_open();
	count = ow_store_execute(&find_tasks, values, NULL);
	for (uint64 row = 0; row < count; row++)
	{
		tasks[row].task_token = ow_store_uuid(row, 1);
		tasks[row].started = ow_store_bool(row, 2);
		tasks[row].may_answer = ow_store_bool(row, 3);
		ow_epoch_hand_out(ow_store_int(row, 4), &tasks[row].task_token);
	}
	ow_store_close();
	return (int) count;
}
