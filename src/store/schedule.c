/*
 * schedule.c
 *		Rows of schedules and of what became of their times.
 */
#include "postgres.h"

#include "engine/clock.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/schedule.h"
#include "store/start.h"
#include "test_kit/test_kit.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

/* The version of a schedule's id, as a uuid; that of a run id is 7 */
#define SCHEDULE_VERSION 8

/* Actions that are over: so many of the last ones are kept */
#define ACTIONS_KEPT "100"

#define TIMER_KIND "Schedule"

static OwStatement find = {
	.sql = "SELECT schedule_id, owner FROM workflow.schedule WHERE shard_key = $1 AND name = $2",
	.argument_types = "int,text"
};

static OwStatement insert = {
	.sql =
	"INSERT INTO workflow.schedule (shard_key, schedule_id, name, owner, created_at, checked_at, workflow, version, input,"
	"       cron, overlap, catchup_window, jitter, workflow_id, start_time, end_time, remaining_actions, memo,"
	"       execution_timeout, run_timeout, retry, priority, search_attributes)"
	" VALUES ($1, $2, $3, $4, $5, $5, $6, nullif($7, 0), $8, $9, $10, $11, $12, coalesce($13, $3),"
	"         coalesce($14, '-infinity'), coalesce($15, 'infinity'), coalesce($16, -1), $17, coalesce($18, '0'),"
	"         coalesce($19, '0'), nullif($20, 'null'), nullif($21, 0), $22)"
	" ON CONFLICT (shard_key, name) DO NOTHING",
	.argument_types = "int,uuid,text,regrole,timestamptz,text,int,jsonb,text,text,interval,interval,text,timestamptz,"
	"timestamptz,int,jsonb,interval,interval,jsonb,int,jsonb"
};

static OwStatement update = {
	.sql =
	"UPDATE workflow.schedule"
	"   SET workflow = coalesce($3, workflow), version = nullif(coalesce($4, version), 0), input = coalesce($5, input),"
	"       cron = coalesce($6, cron), overlap = coalesce($7, overlap), catchup_window = coalesce($8, catchup_window),"
	"       jitter = coalesce($9, jitter), workflow_id = coalesce($10, workflow_id),"
	"       start_time = coalesce($11, start_time), end_time = coalesce($12, end_time),"
	"       remaining_actions = coalesce($13, remaining_actions), memo = coalesce($14, memo),"
	"       execution_timeout = coalesce($15, execution_timeout), run_timeout = coalesce($16, run_timeout),"
	"       retry = nullif(coalesce($17, retry), 'null'), priority = nullif(coalesce($18, priority), 0),"
	"       search_attributes = coalesce($19, search_attributes)"
	" WHERE shard_key = $1 AND schedule_id = $2",
	.argument_types = "int,uuid,text,int,jsonb,text,text,interval,interval,text,timestamptz,timestamptz,int,jsonb,interval,"
	"interval,jsonb,int,jsonb"
};

static OwStatement pause_schedule = {
	.sql =
	"UPDATE workflow.schedule SET paused_at = $3, paused_by = $4, pause_reason = $5"
	" WHERE shard_key = $1 AND schedule_id = $2",
	.argument_types = "int,uuid,timestamptz,text,text"
};

static OwStatement resume_schedule = {
	.sql =
	"UPDATE workflow.schedule SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, checked_at = $3"
	" WHERE shard_key = $1 AND schedule_id = $2",
	.argument_types = "int,uuid,timestamptz"
};

static OwStatement delete_actions = {
	.sql = "DELETE FROM workflow.schedule_action WHERE shard_key = $1 AND schedule_id = $2",
	.argument_types = "int,uuid"
};

static OwStatement delete_schedule = {
	.sql = "DELETE FROM workflow.schedule WHERE shard_key = $1 AND schedule_id = $2",
	.argument_types = "int,uuid"
};

#define LOCK_SCHEDULE \
	"SELECT name, owner, workflow, version, input, cron, overlap, catchup_window, jitter, workflow_id, start_time, end_time," \
	"       remaining_actions, memo, execution_timeout, paused_at IS NOT NULL, checked_at, next_time, started, skipped," \
	"       missed, failed, run_timeout, retry, priority, search_attributes" \
	"  FROM workflow.schedule WHERE shard_key = $1 AND schedule_id = $2 FOR UPDATE"

static OwStatement lock = {
	.sql = LOCK_SCHEDULE,
	.argument_types = "int,uuid"
};

static OwStatement lock_free = {
	.sql = LOCK_SCHEDULE " SKIP LOCKED",
	.argument_types = "int,uuid"
};

static OwStatement exists = {
	.sql = "SELECT FROM workflow.schedule WHERE shard_key = $1 AND schedule_id = $2",
	.argument_types = "int,uuid"
};

/* A run is open as long as one that continues it is. */
static OwStatement read_actions = {
	.sql =
	"SELECT a.scheduled_for, a.state = 'Running', a.overlap, a.manual, a.workflow_id, coalesce(a.run_id, a.schedule_id), a.asked,"
	"       a.run_id IS NOT NULL AND EXISTS"
	"       (SELECT FROM workflow.execution e"
	"         WHERE e.shard_key = $3[a.n] AND e.workflow_id = a.workflow_id AND e.chain_id = a.run_id)"
	"  FROM (SELECT s.*, row_number() OVER (ORDER BY s.scheduled_for) AS n FROM workflow.schedule_action s"
	"         WHERE s.shard_key = $1 AND s.schedule_id = $2 AND s.state IN ('Buffered', 'Running')) AS a"
	" ORDER BY a.scheduled_for",
	.argument_types = "int,uuid,int[]"
};

/* …whose shard keys are those of the workflow ids */
static OwStatement read_ids = {
	.sql =
	"SELECT workflow_id FROM workflow.schedule_action"
	" WHERE shard_key = $1 AND schedule_id = $2 AND state IN ('Buffered', 'Running') ORDER BY scheduled_for",
	.argument_types = "int,uuid"
};

static OwStatement was_taken = {
	.sql =
	"SELECT FROM workflow.schedule_action"
	" WHERE shard_key = $1 AND schedule_id = $2 AND scheduled_for = $3 AND state IN ('Buffered', 'Running', 'Closed')",
	.argument_types = "int,uuid,timestamptz"
};

static OwStatement write_schedule = {
	.sql =
	"UPDATE workflow.schedule"
	"   SET checked_at = $3, next_time = $4, remaining_actions = $5, started = $6, skipped = $7, missed = $8, failed = $9"
	" WHERE shard_key = $1 AND schedule_id = $2",
	.argument_types = "int,uuid,timestamptz,timestamptz,int,int8,int8,int8,int8"
};

static OwStatement write_action = {
	.sql =
	"INSERT INTO workflow.schedule_action"
	"       (shard_key, schedule_id, scheduled_for, owner, state, overlap, manual, taken_at, workflow_id, run_id, asked, reason)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
	" ON CONFLICT (shard_key, schedule_id, scheduled_for) DO UPDATE"
	"    SET state = excluded.state, overlap = excluded.overlap, manual = excluded.manual, taken_at = excluded.taken_at,"
	"        workflow_id = excluded.workflow_id, run_id = excluded.run_id, asked = excluded.asked, reason = excluded.reason",
	.argument_types = "int,uuid,timestamptz,regrole,text,text,boolean,timestamptz,text,uuid,text,text"
};

static OwStatement trim_actions = {
	.sql =
	"DELETE FROM workflow.schedule_action"
	" WHERE shard_key = $1 AND schedule_id = $2 AND state NOT IN ('Buffered', 'Running') AND scheduled_for <="
	"       (SELECT scheduled_for FROM workflow.schedule_action"
	"         WHERE shard_key = $1 AND schedule_id = $2 AND state NOT IN ('Buffered', 'Running')"
	"         ORDER BY scheduled_for DESC OFFSET " ACTIONS_KEPT " LIMIT 1)",
	.argument_types = "int,uuid"
};

static OwStatement write_timer = {
	.sql =
	"INSERT INTO workflow.timer (shard_key, run_id, kind, owner, due_at) VALUES ($1, $2, '" TIMER_KIND "', $3, $4)"
	" ON CONFLICT (shard_key, run_id, kind) DO UPDATE SET due_at = excluded.due_at",
	.argument_types = "int,uuid,regrole,timestamptz"
};

static OwStatement delete_timer = {
	.sql = "DELETE FROM workflow.timer WHERE shard_key = $1 AND run_id = $2 AND kind = '" TIMER_KIND "'",
	.argument_types = "int,uuid"
};

static OwStatement delete_messages = {
	.sql = "DELETE FROM workflow.message WHERE shard_key = $1 AND run_id = $2",
	.argument_types = "int,uuid"
};

static OwStatement send_closed = {
	.sql =
	"INSERT INTO workflow.message (shard_key, run_id, message_id, owner, kind, payload, sent_by, sent_at)"
	" SELECT shard_key, schedule_id, $3, owner, 'ScheduledRunClosed', '{}', owner, $4"
	"   FROM workflow.schedule WHERE shard_key = $1 AND name = $2"
	" RETURNING run_id, owner::oid",
	.argument_types = "int,text,uuid,timestamptz"
};

static const char *const state_names[] = {"Buffered", "Running", "Closed", "Skipped", "Failed"};

bool
ow_schedule_is_ref(const OwRunRef *ref)
{
	return ref->run_id.data[6] >> 4 == SCHEDULE_VERSION;
}

static void
make_ref(const char *name, OwRunRef *ref)
{
	ref->shard_key = ow_shard_key(name);
	ow_run_id_make(ref->shard_key, 0, &ref->run_id);
	ref->run_id.data[6] = (ref->run_id.data[6] & 0x0F) | SCHEDULE_VERSION << 4;
}

static void
set_key(const OwRunRef *ref, Datum *values)
{
	values[0] = Int32GetDatum(ref->shard_key);
	values[1] = UUIDPGetDatum(&ref->run_id);
}

/* ---- making and changing ---- */

bool
ow_schedule_find(const char *name, OwRunRef *ref, Oid *owner)
{
	Datum		values[2] = {Int32GetDatum(ow_shard_key(name)), CStringGetTextDatum(name)};
	bool		found;

	ow_store_open();
	found = ow_store_execute(&find, values, NULL) > 0;
	if (found)
	{
		ref->shard_key = DatumGetInt32(values[0]);
		ref->run_id = ow_store_uuid(0, 1);
		*owner = (Oid) ow_store_int(0, 2);
	}
	ow_store_close();
	return found;
}

/* Values and nulls of a statement, with the arguments from first on */
static void
set_arguments(Datum *values, char *nulls, int first, const Datum *arguments, const bool *arguments_null)
{
	memset(nulls, ' ', first + SCHEDULE_ARGUMENTS);
	for (int i = 0; i < SCHEDULE_ARGUMENTS; i++)
	{
		values[first + i] = arguments[i];
		if (arguments_null[i])
			nulls[first + i] = 'n';
	}
}

bool
ow_schedule_insert(const char *name, Oid owner, const Datum *values, const bool *nulls, OwRunRef *ref)
{
	Datum		all[5 + SCHEDULE_ARGUMENTS];
	char		all_nulls[5 + SCHEDULE_ARGUMENTS + 1] = {0};
	bool		inserted;

	make_ref(name, ref);
	set_key(ref, all);
	all[2] = CStringGetTextDatum(name);
	all[3] = ObjectIdGetDatum(owner);
	all[4] = TimestampTzGetDatum(ow_clock_now());
	set_arguments(all, all_nulls, 5, values, nulls);
	ow_store_open();
	inserted = ow_store_execute(&insert, all, all_nulls) > 0;
	ow_store_close();
	if (inserted && ow_clock_is_virtual())
		ow_test_kit_started(ref);
	return inserted;
}

void
ow_schedule_update(const OwRunRef *ref, const Datum *values, const bool *nulls)
{
	Datum		all[2 + SCHEDULE_ARGUMENTS];
	char		all_nulls[2 + SCHEDULE_ARGUMENTS + 1] = {0};

	set_key(ref, all);
	set_arguments(all, all_nulls, 2, values, nulls);
	ow_store_open();
	ow_store_execute(&update, all, all_nulls);
	ow_store_close();
}

void
ow_schedule_pause(const OwRunRef *ref, const char *reason)
{
	Datum		values[5];

	set_key(ref, values);
	values[2] = TimestampTzGetDatum(ow_clock_now());
	values[3] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	values[4] = reason ? CStringGetTextDatum(reason) : (Datum) 0;
	ow_store_open();
	ow_store_execute(&pause_schedule, values, reason ? NULL : "    n");
	ow_store_close();
}

void
ow_schedule_resume(const OwRunRef *ref)
{
	Datum		values[3];

	set_key(ref, values);
	values[2] = TimestampTzGetDatum(ow_clock_now());
	ow_store_open();
	ow_store_execute(&resume_schedule, values, NULL);
	ow_store_close();
}

void
ow_schedule_delete(const OwRunRef *ref)
{
	Datum		values[2];

	set_key(ref, values);
	ow_store_open();
	ow_store_execute(&delete_schedule, values, NULL);
	ow_store_execute(&delete_actions, values, NULL);
	ow_store_execute(&delete_timer, values, NULL);
	ow_store_execute(&delete_messages, values, NULL);
	ow_store_close();
}

/* ---- reading ---- */

static int64
read_int64(uint64 row, int column)
{
	bool		isnull;

	return DatumGetInt64(ow_store_datum(row, column, &isnull));
}

static OwSchedule *
read_schedule(const OwRunRef *ref)
{
	OwSchedule *schedule = palloc0(sizeof(OwSchedule));
	bool		isnull;

	schedule->ref = *ref;
	schedule->name = ow_store_text(0, 1);
	schedule->owner = (Oid) ow_store_int(0, 2);
	schedule->workflow = ow_store_text(0, 3);
	schedule->version = ow_store_int(0, 4);
	schedule->input = ow_store_jsonb(0, 5);
	schedule->cron = ow_store_text(0, 6);
	(void) ow_overlap_find(ow_store_text(0, 7), &schedule->overlap);
	schedule->catchup_window = ow_store_datum(0, 8, &isnull);
	schedule->jitter = ow_store_datum(0, 9, &isnull);
	schedule->workflow_id = ow_store_text(0, 10);
	schedule->start_time = ow_store_time(0, 11);
	schedule->end_time = ow_store_time(0, 12);
	schedule->remaining_actions = ow_store_int(0, 13);
	schedule->memo = ow_store_jsonb(0, 14);
	schedule->execution_timeout = ow_store_datum(0, 15, &isnull);
	schedule->paused = ow_store_bool(0, 16);
	schedule->checked_at = ow_store_time(0, 17);
	schedule->next_time = ow_store_time(0, 18);
	schedule->started = read_int64(0, 19);
	schedule->skipped = read_int64(0, 20);
	schedule->missed = read_int64(0, 21);
	schedule->failed = read_int64(0, 22);
	schedule->run_timeout = ow_store_datum(0, 23, &isnull);
	schedule->retry = ow_store_jsonb(0, 24);
	schedule->priority = ow_store_int(0, 25);
	schedule->search_attributes = ow_store_jsonb(0, 26);
	return schedule;
}

static void
read_open_actions(OwSchedule *schedule, Datum *values, MemoryContext context)
{
	uint64		count = ow_store_execute(&read_ids, values, NULL);
	int32	   *shard_keys = palloc(sizeof(int32) * Max(count, 1));

	for (uint64 row = 0; row < count; row++)
	{
		char	   *workflow_id = ow_store_text(row, 1);

		shard_keys[row] = workflow_id ? ow_shard_key(workflow_id) : 0;
	}
	values[2] = ow_store_int_array(shard_keys, count);
	count = ow_store_execute(&read_actions, values, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < count; row++)
	{
		OwScheduleAction *action = palloc0(sizeof(OwScheduleAction));

		action->scheduled_for = ow_store_time(row, 1);
		action->state = ow_store_bool(row, 2) ? OW_ACTION_RUNNING : OW_ACTION_BUFFERED;
		(void) ow_overlap_find(ow_store_text(row, 3), &action->overlap);
		action->manual = ow_store_bool(row, 4);
		action->workflow_id = ow_store_text(row, 5);
		action->run_id = ow_store_uuid(row, 6);
		action->asked = ow_store_text(row, 7);
		action->open = ow_store_bool(row, 8);
		schedule->actions = lappend(schedule->actions, action);
	}
}

OwSchedule *
ow_schedule_lock(const OwRunRef *ref, bool wait, bool *locked)
{
	Datum		values[3];
	OwSchedule *schedule = NULL;
	MemoryContext caller = CurrentMemoryContext;

	*locked = false;
	set_key(ref, values);
	ow_store_open();
	if (ow_store_execute(wait ? &lock : &lock_free, values, NULL) > 0)
	{
		/* Executing leaves the context that ends with the store. */
		MemoryContextSwitchTo(caller);
		schedule = read_schedule(ref);
		ow_wakeup_locked(schedule->owner, ref);
		ow_store_execute(&delete_messages, values, NULL);
		read_open_actions(schedule, values, caller);
	}
	else
	{
		*locked = ow_store_execute(&exists, values, NULL) > 0;
		if (!*locked)
			ow_store_execute(&delete_messages, values, NULL);
	}
	ow_store_close();
	return schedule;
}

bool
ow_schedule_was_taken(const OwSchedule *schedule, TimestampTz scheduled_for)
{
	Datum		values[3];
	bool		taken;

	set_key(&schedule->ref, values);
	values[2] = TimestampTzGetDatum(scheduled_for);
	ow_store_open();
	taken = ow_store_execute(&was_taken, values, NULL) > 0;
	ow_store_close();
	return taken;
}

/* ---- writing ---- */

static void
flush_action(const OwSchedule *schedule, const OwScheduleAction *action)
{
	Datum		values[12];
	char		nulls[13] = "            ";

	set_key(&schedule->ref, values);
	values[2] = TimestampTzGetDatum(action->scheduled_for);
	values[3] = ObjectIdGetDatum(schedule->owner);
	values[4] = CStringGetTextDatum(state_names[action->state]);
	values[5] = CStringGetTextDatum(ow_overlap_name(action->overlap));
	values[6] = BoolGetDatum(action->manual);
	values[7] = TimestampTzGetDatum(ow_clock_now());
	values[8] = action->workflow_id ? CStringGetTextDatum(action->workflow_id) : (Datum) 0;
	values[9] = UUIDPGetDatum(&action->run_id);
	values[10] = action->asked ? CStringGetTextDatum(action->asked) : (Datum) 0;
	values[11] = action->reason ? CStringGetTextDatum(action->reason) : (Datum) 0;
	if (action->workflow_id == NULL)
		nulls[8] = nulls[9] = 'n';
	if (action->asked == NULL)
		nulls[10] = 'n';
	if (action->reason == NULL)
		nulls[11] = 'n';
	ow_store_execute(&write_action, values, nulls);
}

static void
flush_timer(const OwSchedule *schedule, TimestampTz due_at)
{
	Datum		values[4];

	set_key(&schedule->ref, values);
	values[2] = ObjectIdGetDatum(schedule->owner);
	values[3] = TimestampTzGetDatum(due_at);
	if (due_at == DT_NOEND)
		ow_store_execute(&delete_timer, values, NULL);
	else
	{
		ow_store_execute(&write_timer, values, NULL);
		ow_wakeup_at(schedule->owner, due_at);
	}
}

void
ow_schedule_flush(const OwSchedule *schedule, TimestampTz due_at)
{
	Datum		values[9];
	ListCell   *cell;

	set_key(&schedule->ref, values);
	values[2] = TimestampTzGetDatum(schedule->checked_at);
	values[3] = TimestampTzGetDatum(schedule->next_time);
	values[4] = Int32GetDatum(schedule->remaining_actions);
	values[5] = Int64GetDatum(schedule->started);
	values[6] = Int64GetDatum(schedule->skipped);
	values[7] = Int64GetDatum(schedule->missed);
	values[8] = Int64GetDatum(schedule->failed);
	ow_store_open();
	ow_store_execute(&write_schedule, values, schedule->next_time == DT_NOEND ? "   n     " : NULL);
	foreach(cell, schedule->actions)
	{
		const OwScheduleAction *action = lfirst(cell);

		if (action->changed)
			flush_action(schedule, action);
	}
	ow_store_execute(&trim_actions, values, NULL);
	flush_timer(schedule, due_at);
	ow_store_close();
}

void
ow_schedule_run_closed(const Jsonb *schedule)
{
	char	   *name = ow_json_get_string(schedule, "Name");
	pg_uuid_t	message_id;
	Datum		values[4];
	OwRunRef	ref;

	ref.shard_key = ow_shard_key(name);
	ow_run_id_make(ref.shard_key, 0, &message_id);
	values[0] = Int32GetDatum(ref.shard_key);
	values[1] = CStringGetTextDatum(name);
	values[2] = UUIDPGetDatum(&message_id);
	values[3] = TimestampTzGetDatum(ow_clock_now());
	if (ow_store_execute(&send_closed, values, NULL) == 0)
		return;
	ref.run_id = ow_store_uuid(0, 1);
	ow_wakeup_run((Oid) ow_store_int(0, 2), &ref);
}
