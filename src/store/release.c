/*
 * release.c
 *		Putting back into their queue the tasks of workers that will not answer.
 *
 * That is for the task's own row to say, as taking it was: the run, which does not know who has the task, is neither
 * told nor locked, and its attempt goes on.  The claim, which is part of the token that is handed out, moves on,
 * so that whoever had the task is refused.  Its last heartbeat becomes nobody's, and is told to the next one as that
 * of an attempt before.
 *
 * Tasks that somebody has locked, who is just answering, heard of, or taking the task away, are left alone: waiting
 * for them here, in any order, could be waiting for each other.
 */
#include "postgres.h"

#include "store/epoch.h"
#include "store/release.h"
#include "store/store.h"
#include "store/task.h"
#include "utils/builtins.h"
#include "worker/wakeup.h"

/* $1 queue, $2 worker, $3 this epoch, $4 role */
static OwStatement lock_held = {
	.sql =
	"SELECT t.shard_key, t.task_token FROM workflow.activity_task t"
	" WHERE t.worker IS NOT NULL AND ($1 IS NULL OR t.task_queue = $1)"
	"   AND CASE WHEN $2 IS NULL THEN t.epoch IS DISTINCT FROM $3 ELSE t.worker = $2 END"
	"   AND pg_has_role($4, t.owner::oid, 'USAGE')"
	"   FOR UPDATE SKIP LOCKED",
	.argument_types = "text,text,int8,oid"
};

static OwStatement disown_heartbeats = {
	.sql =
	"UPDATE workflow.activity_heartbeat h SET claim = -1"
	"  FROM unnest($1, $2) AS held (shard_key, task_token),"
	"       LATERAL (SELECT b.shard_key, b.task_token FROM workflow.activity_heartbeat b"
	"                 WHERE b.shard_key = held.shard_key AND b.task_token = held.task_token FOR UPDATE SKIP LOCKED) AS free"
	" WHERE h.shard_key = free.shard_key AND h.task_token = free.task_token",
	.argument_types = "int[],uuid[]"
};

/* The claim is a byte, and 0 that of a task that was never put back. */
static OwStatement put_back = {
	.sql =
	"WITH released AS ("
	" UPDATE workflow.activity_task t"
	"    SET worker = NULL, started_at = NULL, epoch = NULL, controlled = NULL, lease_until = NULL,"
	"        claim = t.claim % 255 + 1,"
	"        last_failure = coalesce((SELECT coalesce(t.last_failure, '{}') || jsonb_build_object('HeartbeatDetails', h.details)"
	"                                   FROM workflow.activity_heartbeat h"
	"                                  WHERE h.shard_key = t.shard_key AND h.task_token = t.task_token AND h.details IS NOT NULL),"
	"                                t.last_failure)"
	"   FROM unnest($1, $2) AS held (shard_key, task_token)"
	"  WHERE t.shard_key = held.shard_key AND t.task_token = held.task_token"
	"    AND NOT EXISTS (SELECT FROM workflow.activity_heartbeat h"
	"                     WHERE h.shard_key = t.shard_key AND h.task_token = t.task_token AND h.claim = t.claim)"
	" RETURNING t.task_queue)"
	" SELECT r.task_queue, count(*) FROM released r GROUP BY r.task_queue",
	.argument_types = "int[],uuid[]"
};

/* The tasks to be put back, locked, as the arguments of the other statements; how many */
static uint64
find_held(const char *task_queue, const char *worker, Oid role, Datum *held)
{
	Datum		values[4] = {0, 0, Int64GetDatum(ow_epoch_current()), ObjectIdGetDatum(role)};
	char		nulls[] = "nn  ";
	uint64		count;
	int32	   *keys;
	pg_uuid_t  *task_tokens;

	if (task_queue != NULL)
	{
		values[0] = CStringGetTextDatum(task_queue);
		nulls[0] = ' ';
	}
	if (worker != NULL)
	{
		values[1] = CStringGetTextDatum(worker);
		nulls[1] = ' ';
	}
	count = ow_store_execute(&lock_held, values, nulls);
	keys = palloc(sizeof(int32) * Max(count, 1));
	task_tokens = palloc(sizeof(pg_uuid_t) * Max(count, 1));
	for (uint64 row = 0; row < count; row++)
	{
		keys[row] = ow_store_int(row, 1);
		task_tokens[row] = ow_store_uuid(row, 2);
	}
	held[0] = ow_store_int_array(keys, (int) count);
	held[1] = ow_store_uuid_array(task_tokens, (int) count);
	return count;
}

int64
ow_release_tasks(const char *task_queue, const char *worker, Oid role)
{
	Datum		held[2];
	int64		released = 0;
	uint64		queues = 0;

	ow_store_open();
	if (find_held(task_queue, worker, role, held) > 0)
	{
		ow_store_execute(&disown_heartbeats, held, NULL);
		queues = ow_store_execute(&put_back, held, NULL);
	}
	for (uint64 row = 0; row < queues; row++)
	{
		bool		isnull;

		ow_wakeup_waiters(ow_task_queue_key(ow_store_text(row, 1)));
		released += DatumGetInt64(ow_store_datum(row, 2, &isnull));
	}
	ow_store_close();
	return released;
}
