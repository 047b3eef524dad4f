/*
 * task_flow_settings.c
 *		Settings and pauses of task queues and fairness keys, as their owners make them.
 *
 * All who wait for the queue look again when one has changed.
 */
#include "postgres.h"

#include "store/store.h"
#include "store/task.h"
#include "store/task_flow.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

static OwStatement add_queue = {
	.sql = "INSERT INTO workflow.task_queue (task_queue, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	.argument_types = "text,regrole"
};

static OwStatement note_keys = {
	.sql = "UPDATE workflow.task_queue SET has_keys = true WHERE task_queue = $1 AND owner = $2 AND NOT has_keys",
	.argument_types = "text,regrole"
};

static OwStatement set_queue = {
	.sql =
	"UPDATE workflow.task_queue"
	"   SET rate_limit = nullif($3, 0), max_in_flight = nullif($4, 0), key_rate_limit = nullif($5, 0),"
	"       key_max_in_flight = nullif($6, 0)"
	" WHERE task_queue = $1 AND owner = $2",
	.argument_types = "text,regrole,float8,int,float8,int"
};

static OwStatement set_key = {
	.sql =
	"INSERT INTO workflow.task_queue_key (task_queue, owner, fairness_key, weight, rate_limit, max_in_flight)"
	" VALUES ($1, $2, $3, $4::real, nullif($5, 0), nullif($6, 0))"
	" ON CONFLICT (task_queue, owner, fairness_key) DO UPDATE"
	" SET weight = excluded.weight, rate_limit = excluded.rate_limit, max_in_flight = excluded.max_in_flight",
	.argument_types = "text,regrole,text,float8,float8,int"
};

static OwStatement pause_queue = {
	.sql =
	"UPDATE workflow.task_queue SET paused_until = $3, pause_reason = $4 WHERE task_queue = $1 AND owner = $2",
	.argument_types = "text,regrole,timestamptz,text"
};

static OwStatement pause_key = {
	.sql =
	"INSERT INTO workflow.task_queue_key (task_queue, owner, fairness_key, paused_until, pause_reason)"
	" VALUES ($1, $2, $5, $3, $4)"
	" ON CONFLICT (task_queue, owner, fairness_key) DO UPDATE"
	" SET paused_until = excluded.paused_until, pause_reason = excluded.pause_reason",
	.argument_types = "text,regrole,timestamptz,text,text"
};

/*
 * What was taken before anything was controlled counts, too.  Who is answering for a task holds it locked, and it
 * ends.  What others are taking at this moment, in transactions that read no settings, is not seen.
 */
static OwStatement count_claimed = {
	.sql =
	"UPDATE workflow.activity_task SET controlled = true"
	" WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM workflow.activity_task t"
	"                          WHERE t.task_queue = $1 AND t.owner = $2 AND t.worker IS NOT NULL"
	"                            AND t.controlled IS NULL FOR NO KEY UPDATE SKIP LOCKED))",
	.argument_types = "text,regrole"
};

static OwStatement list_grants = {
	.sql = "SELECT g.owner::oid, g.grantee::oid FROM workflow.worker_grant g WHERE g.task_queue = $1 ORDER BY 1",
	.argument_types = "text"
};

static OwStatement find_queue = {
	.sql = "SELECT FROM workflow.task_queue WHERE task_queue = $1 AND owner = $2",
	.argument_types = "text,regrole"
};

static void
write_queue(const OwFlowSettings *settings)
{
	Datum		values[6] = {
		CStringGetTextDatum(settings->task_queue), ObjectIdGetDatum(settings->owner), Float8GetDatum(settings->rate),
		Int32GetDatum(settings->max_in_flight), Float8GetDatum(settings->key_rate),
		Int32GetDatum(settings->key_max_in_flight)
	};

	ow_store_execute(&set_queue, values, NULL);
}

static void
write_key(const OwFlowSettings *settings)
{
	Datum		values[6] = {
		CStringGetTextDatum(settings->task_queue), ObjectIdGetDatum(settings->owner),
		CStringGetTextDatum(settings->fairness_key), Float8GetDatum(settings->weight), Float8GetDatum(settings->rate),
		Int32GetDatum(settings->max_in_flight)
	};

	ow_store_execute(&set_key, values, NULL);
}

void
ow_flow_set(const OwFlowSettings *settings)
{
	Datum		values[2] = {CStringGetTextDatum(settings->task_queue), ObjectIdGetDatum(settings->owner)};

	ow_store_open();
	ow_store_execute(&add_queue, values, NULL);
	if (settings->fairness_key != NULL)
	{
		ow_store_execute(&note_keys, values, NULL);
		write_key(settings);
	}
	else
		write_queue(settings);
	if (settings->max_in_flight > 0 || settings->key_max_in_flight > 0)
		ow_store_execute(&count_claimed, values, NULL);
	ow_store_close();
	ow_wakeup_waiters(ow_task_queue_key(settings->task_queue));
}

void
ow_flow_pause(const char *task_queue, Oid owner, const char *fairness_key, TimestampTz until, const char *reason)
{
	Datum		values[5] = {
		CStringGetTextDatum(task_queue), ObjectIdGetDatum(owner), TimestampTzGetDatum(until),
		reason ? CStringGetTextDatum(reason) : 0, fairness_key ? CStringGetTextDatum(fairness_key) : 0
	};
	char		nulls[] = {' ', ' ', until == DT_NOBEGIN ? 'n' : ' ', reason ? ' ' : 'n', ' '};

	ow_store_open();
	ow_store_execute(&add_queue, values, NULL);
	if (fairness_key != NULL)
		ow_store_execute(&note_keys, values, NULL);
	ow_store_execute(fairness_key ? &pause_key : &pause_queue, values, nulls);
	ow_store_close();
	ow_wakeup_waiters(ow_task_queue_key(task_queue));
}

List *
ow_flow_granting_owners(const char *task_queue, Oid role)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[1] = {CStringGetTextDatum(task_queue)};
	List	   *owners = NIL;
	uint64		count;

	ow_store_open();
	count = ow_store_execute(&list_grants, values, NULL);
	for (uint64 row = 0; row < count; row++)
	{
		MemoryContext previous = MemoryContextSwitchTo(caller);

		if (has_privs_of_role(role, (Oid) ow_store_int(row, 2)))
			owners = list_append_unique_oid(owners, (Oid) ow_store_int(row, 1));
		MemoryContextSwitchTo(previous);
	}
	ow_store_close();
	return owners;
}

bool
ow_flow_exists(const char *task_queue, Oid owner)
{
	Datum		values[2] = {CStringGetTextDatum(task_queue), ObjectIdGetDatum(owner)};
	bool		found;

	ow_store_open();
	found = ow_store_execute(&find_queue, values, NULL) > 0;
	ow_store_close();
	return found;
}
