/*
 * task_flow_rows.c
 *		Rows of what governs tasks in a queue: for those who take them (task_flow.c), and its settings.
 *
 * Which classes have tasks is found by a loose scan: from one that there is straight to the next there may be, so
 * that it costs as much as there are keys, not tasks.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "store/run_row.h"
#include "store/task_flow.h"
#include "store/task_internal.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

#define FLOWS \
	"SELECT q.owner::oid, q.rate_limit, q.max_in_flight, q.key_rate_limit, q.key_max_in_flight, q.paused_until," \
	"       q.pass, q.full_at, q.swept_at" \
	"  FROM workflow.task_queue q WHERE q.task_queue = $1 AND q.owner::oid = ANY ($2) ORDER BY q.owner::oid"

static OwStatement read_flows = {
	.sql = FLOWS,
	.argument_types = "text,oid[]"
};

static OwStatement lock_flows = {
	.sql = FLOWS " FOR UPDATE",
	.argument_types = "text,oid[]"
};

#define CLASS "SELECT t.priority, t.fairness_key, t.queued_at" OW_AVAILABLE

/* Classes of one owner, $6, by priority */
#define KEYED CLASS " AND t.owner::oid = $6 AND t.fairness_key IS NOT NULL"
#define UNKEYED CLASS " AND t.fairness_key IS NULL AND t.owner::oid = $6"

#define LOOSE_SCAN(name, tasks, after, ordering) \
	name " AS ((" tasks ordering " LIMIT 1)" \
	"  UNION ALL SELECT n.* FROM " name " AS c," \
	"                   LATERAL (" tasks " AND " after ordering " LIMIT 1) AS n)"

#define BY_PRIORITY " ORDER BY t.priority, t.queued_at"

static OwStatement list_classes = {
	.sql =
	"WITH RECURSIVE "
	LOOSE_SCAN("keyed", KEYED, "(t.priority, t.fairness_key) > (c.priority, c.fairness_key)",
			   " ORDER BY t.priority, t.fairness_key, t.queued_at") ","
	LOOSE_SCAN("unkeyed", UNKEYED, "t.priority > c.priority", BY_PRIORITY)
	" SELECT * FROM keyed UNION ALL SELECT * FROM unkeyed",
	.argument_types = OW_AVAILABLE_TYPES ",oid"
};

/* …of those that are known, which of them have tasks, from where they were */
#define KNOWN "unnest($7, $8, $9) AS k (priority, fairness_key, after)"
#define KNOWN_HEAD "t.priority = k.priority AND t.queued_at >= k.after ORDER BY t.queued_at LIMIT 1) AS h"

static OwStatement list_known_classes = {
	.sql =
	"SELECT k.priority, h.* FROM " KNOWN ","
	"       LATERAL (SELECT t.fairness_key, t.queued_at" OW_AVAILABLE " AND t.owner::oid = $6"
	"                   AND t.fairness_key = k.fairness_key AND " KNOWN_HEAD " WHERE k.fairness_key <> ''"
	" UNION ALL "
	"SELECT k.priority, h.* FROM " KNOWN ","
	"       LATERAL (SELECT t.fairness_key, t.queued_at" OW_AVAILABLE " AND t.owner::oid = $6"
	"                   AND t.fairness_key IS NULL AND " KNOWN_HEAD " WHERE k.fairness_key = ''",
	.argument_types = OW_AVAILABLE_TYPES ",oid,int[],text[],timestamptz[]"
};

static OwStatement read_keys = {
	.sql =
	"SELECT w.number, k.* FROM unnest($3) WITH ORDINALITY AS w (fairness_key, number),"
	"       LATERAL (SELECT r.weight::float8, r.rate_limit, r.max_in_flight, r.paused_until, r.pass, r.full_at"
	"                  FROM workflow.task_queue_key r"
	"                 WHERE r.task_queue = $1 AND r.owner = $2 AND r.fairness_key = w.fairness_key OFFSET 0) AS k",
	.argument_types = "text,regrole,text[]"
};

/* No more are counted than it takes to reach a limit. */
static OwStatement count_in_flight = {
	.sql =
	"SELECT count(*)::int FROM (SELECT FROM workflow.activity_task t"
	"                            WHERE t.controlled AND t.task_queue = $1 AND t.owner = $2 LIMIT $3) AS f",
	.argument_types = "text,regrole,int"
};

static OwStatement count_keys_in_flight = {
	.sql =
	"SELECT f.count FROM unnest($3, $4) WITH ORDINALITY AS w (fairness_key, most, number),"
	"       LATERAL (SELECT count(*)::int FROM (SELECT FROM workflow.activity_task t"
	"                                            WHERE t.controlled AND t.task_queue = $1 AND t.owner = $2"
	"                                              AND t.fairness_key = w.fairness_key LIMIT w.most) AS c) AS f (count)"
	" ORDER BY w.number",
	.argument_types = "text,regrole,text[],int[]"
};

/* What is wanted of each class, in their order */
#define WANTED "unnest($8, $9, $10, $11, $12, $13) AS p (class, owner, priority, fairness_key, wanted, after)"
#define WANTED_TYPES OW_FOUND_TYPES ",int[],oid[],int[],text[],int[],timestamptz[]"

static OwStatement find_keyed = {
	.sql =
	"SELECT f.*, p.class FROM " WANTED ","
	"       LATERAL (SELECT " OW_FOUND OW_AVAILABLE
	"                   AND t.owner::oid = p.owner AND t.priority = p.priority AND t.fairness_key = p.fairness_key"
	"                   AND t.queued_at >= p.after"
	"                 ORDER BY t.queued_at LIMIT p.wanted FOR UPDATE SKIP LOCKED) AS f"
	" LIMIT $7",
	.argument_types = WANTED_TYPES
};

static OwStatement find_unkeyed = {
	.sql =
	"SELECT f.*, p.class FROM " WANTED ","
	"       LATERAL (SELECT " OW_FOUND OW_AVAILABLE
	"                   AND t.owner::oid = p.owner AND t.priority = p.priority AND t.fairness_key IS NULL"
	"                   AND t.queued_at >= p.after"
	"                 ORDER BY t.queued_at LIMIT p.wanted FOR UPDATE SKIP LOCKED) AS f"
	" LIMIT $7",
	.argument_types = WANTED_TYPES
};

static OwStatement write_flow = {
	.sql =
	"UPDATE workflow.task_queue SET pass = $3, full_at = $4, swept_at = $5 WHERE task_queue = $1 AND owner = $2",
	.argument_types = "text,regrole,float8,timestamptz,timestamptz"
};

static OwStatement write_keys = {
	.sql =
	"INSERT INTO workflow.task_queue_key AS k (task_queue, owner, fairness_key, pass, full_at)"
	" SELECT $1, $2, w.* FROM unnest($3, $4, $5) AS w"
	" ON CONFLICT (task_queue, owner, fairness_key) DO UPDATE SET pass = excluded.pass, full_at = excluded.full_at",
	.argument_types = "text,regrole,text[],float8[],timestamptz[]"
};

/* Whoever has no tasks is ahead of the others by no more than one: that may be forgotten. */
static OwStatement sweep_keys = {
	.sql =
	"DELETE FROM workflow.task_queue_key"
	" WHERE task_queue = $1 AND owner = $2 AND weight = 1 AND rate_limit IS NULL AND max_in_flight IS NULL"
	"   AND (paused_until IS NULL OR paused_until <= $3) AND full_at <= $3"
	"   AND (pass <= $4 OR fairness_key <> ALL ($5))",
	.argument_types = "text,regrole,timestamptz,float8,text[]"
};

#define SWEEP_EVERY_MS 1000

static double
float_column(uint64 row, int column)
{
	bool		isnull;
	Datum		value = ow_store_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetFloat8(value);
}

static TimestampTz
time_column(uint64 row, int column)
{
	bool		isnull;
	Datum		value = ow_store_datum(row, column, &isnull);

	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

Datum
ow_task_oid_array(const List *oids)
{
	Datum	   *datums = palloc(sizeof(Datum) * Max(list_length(oids), 1));
	ListCell   *cell;

	foreach(cell, oids)
		datums[foreach_current_index(cell)] = ObjectIdGetDatum(lfirst_oid(cell));
	return PointerGetDatum(construct_array(datums, list_length(oids), OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

static Datum
text_array(Datum *datums, int count)
{
	return PointerGetDatum(construct_array(datums, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
int_array(Datum *datums, int count)
{
	return PointerGetDatum(construct_array(datums, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

static Datum
time_array(Datum *datums, int count)
{
	return PointerGetDatum(construct_array(datums, count, TIMESTAMPTZOID, sizeof(TimestampTz), true, TYPALIGN_DOUBLE));
}

/* ---- flows ---- */

static OwFlow *
read_flow(uint64 row)
{
	OwFlow	   *flow = palloc0(sizeof(OwFlow));

	flow->owner = (Oid) ow_store_int(row, 1);
	flow->rate = float_column(row, 2);
	flow->max_in_flight = ow_store_int(row, 3);
	flow->key_rate = float_column(row, 4);
	flow->key_max_in_flight = ow_store_int(row, 5);
	flow->paused_until = time_column(row, 6);
	flow->pass = flow->first_pass = float_column(row, 7);
	flow->full_at = time_column(row, 8);
	flow->swept_at = time_column(row, 9);
	return flow;
}

/* An old snapshot does not show what others have taken since: no limit of tasks in flight is kept by it. */
static void
check_can_count(const OwTaskRequest *request)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tasks in flight cannot be counted in a transaction whose isolation level is REPEATABLE READ or SERIALIZABLE"),
				 errdetail("Task queue \"%s\" has a limit of tasks in flight.", request->task_queue),
				 errhint("Use READ COMMITTED.")));
}

static void
count_flow(const OwTaskRequest *request, OwFlow *flow)
{
	Datum		values[3] = {
		CStringGetTextDatum(request->task_queue), ObjectIdGetDatum(flow->owner), Int32GetDatum(flow->max_in_flight)
	};

	if (flow->max_in_flight == 0)
		return;
	check_can_count(request);
	ow_store_execute(&count_in_flight, values, NULL);
	flow->in_flight = ow_store_int(0, 1);
}

List *
ow_flows_read(const OwTaskRequest *request, const OwAvailable *available, bool lock)
{
	Datum		values[2] = {CStringGetTextDatum(request->task_queue), ow_task_oid_array(available->controlled)};
	uint64		count = ow_store_execute(lock ? &lock_flows : &read_flows, values, NULL);
	List	   *flows = NIL;
	ListCell   *cell;

	for (uint64 row = 0; row < count; row++)
		flows = lappend(flows, read_flow(row));
	foreach(cell, flows)
		count_flow(request, lfirst(cell));
	return flows;
}

/* ---- classes ---- */

static OwFlowKey *
find_key(OwFlow *flow, int32 priority, char *name)
{
	OwFlowKey  *key;
	ListCell   *cell;

	if (flow->keys == NIL)
		flow->first_priority = priority;
	else if (priority != flow->first_priority || *name == '\0')
	{
		foreach(cell, flow->keys)
		{
			key = lfirst(cell);
			if (strcmp(key->name, name) == 0)
				return key;
		}
	}
	key = palloc0(sizeof(OwFlowKey));
	key->name = name;
	key->weight = 1;
	key->paused_until = key->full_at = DT_NOBEGIN;
	if (*name != '\0')
	{
		key->rate = flow->key_rate;
		key->max_in_flight = flow->key_max_in_flight;
	}
	flow->keys = lappend(flow->keys, key);
	return key;
}

static OwFlowClass *
read_class(OwFlow *flow, uint64 row)
{
	OwFlowClass *class = palloc0(sizeof(OwFlowClass));
	char	   *name = ow_store_text(row, 2);

	class->flow = flow;
	class->priority = ow_store_int(row, 1);
	class->key = find_key(flow, class->priority, name != NULL ? name : "");
	class->oldest_at = ow_store_time(row, 3);
	return class;
}

/* Looks for all classes there are, and notes them. */
static List *
scan_classes(OwKnown *known, OwFlow *flow, Datum *values, char *nulls, List *classes)
{
	TimestampTz begun = GetCurrentTimestamp();
	uint64		count = ow_store_execute(&list_classes, values, nulls);

	ow_known_scanned(known, begun);
	for (uint64 row = 0; row < count; row++)
	{
		OwFlowClass *class = read_class(flow, row);

		ow_known_add(known, class->priority, class->key->name, class->oldest_at);
		classes = lappend(classes, class);
	}
	return classes;
}

static void
set_known(const OwKnown *known, Datum *values)
{
	int			room = Max(list_length(ow_known_classes(known)), 1);
	Datum	   *priorities = palloc(sizeof(Datum) * room);
	Datum	   *keys = palloc(sizeof(Datum) * room);
	Datum	   *times = palloc(sizeof(Datum) * room);
	int			count = 0;
	ListCell   *cell;

	foreach(cell, ow_known_classes(known))
	{
		const OwKnownClass *class = lfirst(cell);

		priorities[count] = Int32GetDatum(class->priority);
		keys[count] = CStringGetTextDatum(class->key);
		times[count++] = TimestampTzGetDatum(class->after);
	}
	values[0] = int_array(priorities, count);
	values[1] = text_array(keys, count);
	values[2] = time_array(times, count);
}

/* Looks for the classes that are known. */
static List *
look_for_known(OwKnown *known, OwFlow *flow, Datum *values, char *nulls, List *classes)
{
	TimestampTz begun = GetCurrentTimestamp();
	int			first = list_length(classes);
	uint64		count;

	set_known(known, &values[6]);
	count = ow_store_execute(&list_known_classes, values, nulls);
	for (uint64 row = 0; row < count; row++)
		classes = lappend(classes, read_class(flow, row));
	ow_known_looked(known, begun, classes, first);
	return classes;
}

static List *
read_classes(OwTaskRequest *request, const OwAvailable *available, OwFlow *flow, bool everything, List *classes)
{
	OwKnown    *known = ow_known_find(request, flow->owner);
	Datum		values[9];
	char		nulls[] = "         ";

	memcpy(values, available->values, sizeof(available->values));
	memcpy(nulls, available->nulls, sizeof(available->nulls));
	values[5] = ObjectIdGetDatum(flow->owner);
	if (known == NULL || everything || ow_known_scan_at(known) <= GetCurrentTimestamp())
		return scan_classes(known, flow, values, nulls, classes);
	request->again_at = Min(request->again_at, ow_known_scan_at(known));
	return look_for_known(known, flow, values, nulls, classes);
}

static Datum
key_names(const OwFlow *flow)
{
	Datum	   *names = palloc(sizeof(Datum) * Max(list_length(flow->keys), 1));
	ListCell   *cell;

	foreach(cell, flow->keys)
		names[foreach_current_index(cell)] = CStringGetTextDatum(((OwFlowKey *) lfirst(cell))->name);
	return text_array(names, list_length(flow->keys));
}

static void
read_key_settings(const OwTaskRequest *request, OwFlow *flow)
{
	Datum		values[3] = {
		CStringGetTextDatum(request->task_queue), ObjectIdGetDatum(flow->owner), key_names(flow)
	};
	uint64		count = ow_store_execute(&read_keys, values, NULL);
	bool		isnull;

	for (uint64 row = 0; row < count; row++)
	{
		OwFlowKey  *key = list_nth(flow->keys, DatumGetInt64(ow_store_datum(row, 1, &isnull)) - 1);
		double		rate = float_column(row, 3);
		int			max_in_flight = ow_store_int(row, 4);

		key->weight = float_column(row, 2);
		key->rate = rate > 0 ? rate : key->rate;
		key->max_in_flight = max_in_flight > 0 ? max_in_flight : key->max_in_flight;
		key->paused_until = time_column(row, 5);
		key->pass = float_column(row, 6);
		key->full_at = time_column(row, 7);
	}
}

static void
count_keys(const OwTaskRequest *request, OwFlow *flow)
{
	Datum	   *names = palloc(sizeof(Datum) * list_length(flow->keys));
	Datum	   *limits = palloc(sizeof(Datum) * list_length(flow->keys));
	List	   *limited = NIL;
	Datum		values[4] = {CStringGetTextDatum(request->task_queue), ObjectIdGetDatum(flow->owner)};
	ListCell   *cell;

	foreach(cell, flow->keys)
	{
		OwFlowKey  *key = lfirst(cell);

		if (key->max_in_flight == 0)
			continue;
		names[list_length(limited)] = CStringGetTextDatum(key->name);
		limits[list_length(limited)] = Int32GetDatum(key->max_in_flight);
		limited = lappend(limited, key);
	}
	if (limited == NIL)
		return;
	check_can_count(request);
	values[2] = text_array(names, list_length(limited));
	values[3] = int_array(limits, list_length(limited));
	ow_store_execute(&count_keys_in_flight, values, NULL);
	foreach(cell, limited)
		((OwFlowKey *) lfirst(cell))->in_flight = ow_store_int(foreach_current_index(cell), 1);
}

static int
compare_classes(const ListCell *a, const ListCell *b)
{
	int32		priority_a = ((const OwFlowClass *) lfirst(a))->priority;
	int32		priority_b = ((const OwFlowClass *) lfirst(b))->priority;

	return priority_a < priority_b ? -1 : priority_a > priority_b;
}

List *
ow_flow_classes_read(OwTaskRequest *request, const OwAvailable *available, List *flows, bool everything)
{
	List	   *classes = NIL;
	ListCell   *cell;

	foreach(cell, flows)
	{
		OwFlow	   *flow = lfirst(cell);

		classes = read_classes(request, available, flow, everything, classes);
		if (flow->keys == NIL)
			continue;
		read_key_settings(request, flow);
		count_keys(request, flow);
	}
	list_sort(classes, compare_classes);
	return classes;
}

/* ---- tasks ---- */

uint64
ow_flow_find(const OwTaskRequest *request, const OwAvailable *available, List *classes, bool keyed, TimestampTz now)
{
	int			room = Max(list_length(classes), 1);
	Datum	   *columns[6];
	Datum		values[13];
	char		nulls[14];
	int			count = 0;
	ListCell   *cell;

	for (int i = 0; i < 6; i++)
		columns[i] = palloc(sizeof(Datum) * room);
	foreach(cell, classes)
	{
		const OwFlowClass *class = lfirst(cell);

		if (class->wanted == 0 || (*class->key->name != '\0') != keyed)
			continue;
		columns[0][count] = Int32GetDatum(foreach_current_index(cell));
		columns[1][count] = ObjectIdGetDatum(class->flow->owner);
		columns[2][count] = Int32GetDatum(class->priority);
		columns[3][count] = CStringGetTextDatum(class->key->name);
		columns[4][count] = Int32GetDatum(class->wanted);
		columns[5][count++] = TimestampTzGetDatum(class->oldest_at);
	}
	if (count == 0)
		return 0;
	memset(nulls, ' ', sizeof(nulls));
	memcpy(values, available->values, sizeof(available->values));
	memcpy(nulls, available->nulls, sizeof(available->nulls));
	values[5] = TimestampTzGetDatum(now);
	values[6] = Int32GetDatum(request->max_tasks);
	values[7] = int_array(columns[0], count);
	values[8] = PointerGetDatum(construct_array(columns[1], count, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
	values[9] = int_array(columns[2], count);
	values[10] = text_array(columns[3], count);
	values[11] = int_array(columns[4], count);
	values[12] = time_array(columns[5], count);
	return ow_store_execute(keyed ? &find_keyed : &find_unkeyed, values, nulls);
}

/* ---- writing back ---- */

static void
write_served(const OwTaskRequest *request, const OwFlow *flow)
{
	int			room = Max(list_length(flow->keys), 1);
	Datum	   *names = palloc(sizeof(Datum) * room);
	Datum	   *passes = palloc(sizeof(Datum) * room);
	Datum	   *times = palloc(sizeof(Datum) * room);
	Datum		values[5] = {CStringGetTextDatum(request->task_queue), ObjectIdGetDatum(flow->owner)};
	int			count = 0;
	ListCell   *cell;

	foreach(cell, flow->keys)
	{
		const OwFlowKey *key = lfirst(cell);

		if (!key->served)
			continue;
		names[count] = CStringGetTextDatum(key->name);
		passes[count] = Float8GetDatum(key->pass);
		times[count++] = TimestampTzGetDatum(key->full_at);
	}
	if (count == 0)
		return;
	values[2] = text_array(names, count);
	values[3] = PointerGetDatum(construct_array(passes, count, FLOAT8OID, sizeof(float8), true, TYPALIGN_DOUBLE));
	values[4] = time_array(times, count);
	ow_store_execute(&write_keys, values, NULL);
}

static void
sweep(const OwTaskRequest *request, OwFlow *flow, TimestampTz now)
{
	Datum		values[5] = {
		CStringGetTextDatum(request->task_queue), ObjectIdGetDatum(flow->owner), TimestampTzGetDatum(now),
		Float8GetDatum(flow->pass), key_names(flow)
	};

	ow_store_execute(&sweep_keys, values, NULL);
	flow->swept_at = now;
}

/* With tasks without keys only, and without a rate, there is nothing to keep. */
static bool
keeps_anything(const OwFlow *flow)
{
	ListCell   *cell;

	if (flow->rate > 0)
		return true;
	foreach(cell, flow->keys)
	{
		if (*((OwFlowKey *) lfirst(cell))->name != '\0')
			return true;
	}
	return false;
}

void
ow_flow_write(const OwTaskRequest *request, OwFlow *flow, TimestampTz now)
{
	Datum		values[5] = {CStringGetTextDatum(request->task_queue), ObjectIdGetDatum(flow->owner)};

	if (!keeps_anything(flow))
		return;
	write_served(request, flow);
	if (flow->swept_at <= TimestampTzPlusMilliseconds(now, -SWEEP_EVERY_MS) || flow->swept_at > now)
		sweep(request, flow, now);
	values[2] = Float8GetDatum(flow->pass);
	values[3] = TimestampTzGetDatum(flow->full_at);
	values[4] = TimestampTzGetDatum(flow->swept_at);
	ow_store_execute(&write_flow, values, NULL);
}
