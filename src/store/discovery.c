/*
 * discovery.c
 *		What is there to do: runs that are ready, timers that are due, owners with work.
 *
 * Discovery only reads and is separate from what changes state: it finds candidates, which the
 * engine then locks and looks at again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "engine/engine.h"
#include "machine/machine.h"
#include "settings.h"
#include "store/catalog.h"
#include "store/identity.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static OwStatement find_ready = {
	.sql =
	"SELECT ready.shard_key, ready.run_id"
	"  FROM ((SELECT e.shard_key, e.run_id FROM workflow.execution e"
	"          WHERE e.owner = $1 AND e.ready AND e.run_id > $2 ORDER BY e.run_id LIMIT $3)"
	"        UNION"
	"        (SELECT m.shard_key, m.run_id FROM workflow.message m"
	"          WHERE m.owner = $1 AND m.run_id > $2 ORDER BY m.run_id LIMIT $3)) AS ready"
	" ORDER BY ready.run_id LIMIT $3",
	.argument_types = "regrole,uuid,int"
};

static OwStatement find_due = {
	.sql =
	"SELECT due.*"
	"  FROM ((SELECT t.shard_key, t.run_id, t.due_at FROM workflow.timer t"
	"          WHERE t.owner = $1 AND t.due_at >= $2 AND t.due_at <= $3 ORDER BY t.due_at LIMIT $4)"
	"        UNION ALL"
	"        (SELECT l.shard_key, l.run_id, l.lease_until FROM workflow.activity_task l"
	"          WHERE l.owner = $1 AND l.lease_until >= $2 AND l.lease_until <= $3 ORDER BY l.lease_until LIMIT $4)) AS due"
	" ORDER BY due.due_at LIMIT $4",
	.argument_types = "regrole,timestamptz,timestamptz,int"
};

static OwStatement find_next_due = {
	.sql =
	"SELECT least((SELECT t.due_at FROM workflow.timer t"
	"               WHERE t.owner = $1 AND t.due_at > $2 ORDER BY t.due_at LIMIT 1),"
	"             (SELECT l.lease_until FROM workflow.activity_task l"
	"               WHERE l.owner = $1 AND l.lease_until > $2 ORDER BY l.lease_until LIMIT 1))",
	.argument_types = "regrole,timestamptz"
};

static OwStatement find_owners = {
	.sql =
	"SELECT w.owner::oid,"
	"       EXISTS (SELECT FROM workflow.execution e WHERE e.owner = w.owner AND e.ready)"
	"       OR EXISTS (SELECT FROM workflow.message m WHERE m.owner = w.owner),"
	"       least((SELECT min(t.due_at) FROM workflow.timer t WHERE t.owner = w.owner),"
	"             (SELECT min(l.lease_until) FROM workflow.activity_task l WHERE l.owner = w.owner))"
	"  FROM (SELECT owner FROM workflow.workflow_type UNION SELECT owner FROM workflow.schedule) AS w",
	.argument_types = ""
};

static OwStatement charge_run = {
	.sql =
	"UPDATE workflow.execution SET crashes = crashes + 1"
	" WHERE shard_key = $1 AND run_id = $2 RETURNING crashes",
	.argument_types = "int,uuid"
};

static OwStatement charge_activity = {
	.sql =
	"UPDATE workflow.activity"
	"   SET crashes = crashes + 1, quarantined_at = CASE WHEN crashes + 1 >= $2 THEN clock_timestamp() END"
	" WHERE name = $1",
	.argument_types = "text,int"
};

/* Runs a crashing activity must have stopped before it is quarantined as a whole */
#define CRASHED_RUNS_LIMIT 2

static void
begin_reading(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	ow_store_open();
}

static void
end_reading(void)
{
	ow_store_close();
	CommitTransactionCommand();
}

static void
read_ref(uint64 row, OwRunRef *ref)
{
	ref->shard_key = ow_store_int(row, 1);
	ref->run_id = ow_store_uuid(row, 2);
}

int
ow_engine_find_ready(Oid owner, pg_uuid_t *position, OwRunRef *refs, int limit)
{
	Datum		values[3] = {ObjectIdGetDatum(owner), UUIDPGetDatum(position), Int32GetDatum(limit)};
	int			count;

	begin_reading();
	count = ow_store_execute(&find_ready, values, NULL);
	for (int i = 0; i < count; i++)
		read_ref(i, &refs[i]);
	if (count > 0)
		*position = refs[count - 1].run_id;
	end_reading();
	return count;
}

/*
 * A full batch may have left timers with the last one's due time unread, so that is where the next
 * sweep starts.
 */
int
ow_engine_find_due(Oid owner, TimestampTz from, TimestampTz now, OwRunRef *refs, int limit, TimestampTz *next_due)
{
	Datum		values[4] = {ObjectIdGetDatum(owner), TimestampTzGetDatum(from), TimestampTzGetDatum(now),
	Int32GetDatum(limit)};
	int			count;

	begin_reading();
	count = ow_store_execute(&find_due, values, NULL);
	for (int i = 0; i < count; i++)
		read_ref(i, &refs[i]);
	if (count == limit)
		*next_due = ow_store_time(count - 1, 3);
	else
	{
		values[1] = TimestampTzGetDatum(now);
		*next_due = ow_store_execute(&find_next_due, values, NULL) > 0 ? ow_store_time(0, 1) : DT_NOEND;
	}
	end_reading();
	return count;
}

bool
ow_engine_installed(void)
{
	return OidIsValid(get_extension_oid("order_workflow", true));
}

bool
ow_engine_quarantined(void)
{
	return ow_identity_is_foreign();
}

List *
ow_engine_find_owners(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *owners = NIL;
	uint64		count;

	ow_store_open();
	count = ow_store_execute(&find_owners, NULL, NULL);
	for (uint64 row = 0; row < count; row++)
	{
		MemoryContext previous = MemoryContextSwitchTo(caller);
		OwOwnerWork *work = palloc0(sizeof(OwOwnerWork));

		work->owner = (Oid) ow_store_int(row, 1);
		work->ready = ow_store_bool(row, 2);
		work->next_due = ow_store_time(row, 3);
		owners = lappend(owners, work);
		MemoryContextSwitchTo(previous);
	}
	ow_store_close();
	return owners;
}

/*
 * The run runs alone from now on, and is stuck once it has crashed the server crash_limit times; an
 * activity that stops two runs that way is quarantined.
 */
void
ow_engine_charge_crash(const OwCrashSuspect *suspect)
{
	Datum		values[2] = {Int32GetDatum(suspect->run.shard_key), UUIDPGetDatum(&suspect->run.run_id)};
	int			crashes = 0;

	ow_store_open();
	if (ow_store_execute(&charge_run, values, NULL) > 0)
		crashes = ow_store_int(0, 1);
	if (crashes == ow_crash_limit)
	{
		values[0] = CStringGetTextDatum(suspect->activity);
		values[1] = Int32GetDatum(CRASHED_RUNS_LIMIT);
		ow_store_execute(&charge_activity, values, NULL);
		ow_catalog_changed();
	}
	ow_store_close();
}
