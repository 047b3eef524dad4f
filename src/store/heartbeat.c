/*
 * heartbeat.c
 *		Heartbeats of tasks that programs outside work on: two statements, however many there are.
 *
 * The first writes over what is there, which is a HOT update; the second inserts the first heartbeats of tasks.
 * The run is not touched: who looks at it next finds out (run_task.c).
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "store/heartbeat.h"
#include "store/start.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/timestamp.h"

/* An index scan, whatever the planner believes of the table: see run_task.c */
static OwStatement beat_again = {
	.sql =
	"UPDATE workflow.activity_heartbeat"
	"   SET beat_at = $5, details = coalesce(($4)[array_position($2, task_token)], details)"
	" WHERE shard_key = ANY ($1) AND (task_token IN (SELECT unnest($2))) IS TRUE"
	"   AND ($3)[array_position($2, task_token)] IN (claim, -1)"
	" RETURNING task_token, claim",
	.argument_types = "int[],uuid[],int[],jsonb[],timestamptz"
};

/* The lock keeps whoever ends the task from overlooking its first heartbeat. */
static OwStatement beat_first = {
	.sql =
	"INSERT INTO workflow.activity_heartbeat AS h (shard_key, task_token, beat_at, details, claim)"
	" SELECT n.shard_key, n.task_token, $5, n.details, taken.claim"
	"   FROM unnest($1, $2, $3, $4) AS n (shard_key, task_token, claim, details),"
	"        LATERAL (SELECT t.claim FROM workflow.activity_task t WHERE t.shard_key = n.shard_key"
	"                    AND t.task_token = n.task_token AND t.worker IS NOT NULL AND n.claim IN (t.claim, -1)"
	"                    FOR KEY SHARE) AS taken"
	" ON CONFLICT (shard_key, task_token) DO UPDATE"
	" SET beat_at = excluded.beat_at, details = coalesce(excluded.details, h.details), claim = excluded.claim"
	" RETURNING h.task_token, h.claim",
	.argument_types = "int[],uuid[],int[],jsonb[],timestamptz"
};

static OwStatement find_paused = {
	.sql =
	"SELECT n.task_token, n.claim FROM unnest($1, $2, $3) AS n (shard_key, task_token, claim),"
	"       LATERAL (SELECT r.paused_at FROM workflow.activity_task r"
	"                 WHERE r.shard_key = n.shard_key AND r.task_token = n.task_token OFFSET 0) AS t"
	" WHERE t.paused_at IS NOT NULL",
	.argument_types = "int[],uuid[],int[]"
};

static int
compare_tokens(const void *a, const void *b)
{
	const OwTaskClaim *first = &(*(OwHeartbeat *const *) a)->held;
	const OwTaskClaim *second = &(*(OwHeartbeat *const *) b)->held;
	int			order = memcmp(&first->task_token, &second->task_token, UUID_LEN);

	return order != 0 ? order : first->claim - second->claim;
}

/* Of those for the same task and claim, the one given last comes first. */
static int
compare_beats(const void *a, const void *b)
{
	const OwHeartbeat *first = *(OwHeartbeat *const *) a;
	const OwHeartbeat *second = *(OwHeartbeat *const *) b;
	int			order = compare_tokens(a, b);

	return order != 0 ? order : (second > first) - (second < first);
}

/* One for each task and claim, in the order of the tokens */
static OwHeartbeat **
distinct_beats(OwHeartbeat *beats, int *count)
{
	OwHeartbeat **distinct = palloc(sizeof(OwHeartbeat *) * *count);
	int			kept = 0;

	for (int i = 0; i < *count; i++)
		distinct[i] = &beats[i];
	qsort(distinct, *count, sizeof(OwHeartbeat *), compare_beats);
	for (int i = 0; i < *count; i++)
	{
		if (kept == 0 || compare_tokens(&distinct[kept - 1], &distinct[i]) != 0)
			distinct[kept++] = distinct[i];
	}
	*count = kept;
	return distinct;
}

static OwHeartbeat *
find_beat(OwHeartbeat **distinct, int count, const OwTaskClaim *held)
{
	OwHeartbeat wanted = {.held = *held};
	OwHeartbeat *key = &wanted;

	return *(OwHeartbeat **) bsearch(&key, distinct, count, sizeof(OwHeartbeat *), compare_tokens);
}

/* What the statements take, of those that have not been noted; how many */
static int
set_values(OwHeartbeat **distinct, int count, Datum *values)
{
	int32	   *shard_keys = palloc(sizeof(int32) * count);
	pg_uuid_t  *task_tokens = palloc(sizeof(pg_uuid_t) * count);
	int32	   *claims = palloc(sizeof(int32) * count);
	Datum	   *details = palloc(sizeof(Datum) * count);
	bool	   *nulls = palloc(sizeof(bool) * count);
	int			dimension = 0;
	int			lower_bound = 1;

	for (int i = 0; i < count; i++)
	{
		if (distinct[i]->noted)
			continue;
		shard_keys[dimension] = ow_task_token_shard_key(&distinct[i]->held.task_token);
		task_tokens[dimension] = distinct[i]->held.task_token;
		claims[dimension] = distinct[i]->held.claim;
		details[dimension] = JsonbPGetDatum(distinct[i]->details);
		nulls[dimension++] = distinct[i]->details == NULL;
	}
	if (dimension == 0)
		return 0;
	values[0] = ow_store_int_array(shard_keys, dimension);
	values[1] = ow_store_uuid_array(task_tokens, dimension);
	values[2] = ow_store_int_array(claims, dimension);
	values[3] = PointerGetDatum(construct_md_array(details, nulls, 1, &dimension, &lower_bound, JSONBOID, -1, false,
												   TYPALIGN_INT));
	values[4] = TimestampTzGetDatum(ow_clock_now());
	return dimension;
}

/* A token that was given away is of any claim, whatever that of its row. */
static OwTaskClaim
noted_task(uint64 row)
{
	OwTaskClaim held = {.task_token = ow_store_uuid(row, 1), .claim = ow_store_int(row, 2)};

	if (!ow_task_token_is_queued(&held.task_token))
		held.claim = OW_ANY_CLAIM;
	return held;
}

/* Notes the heartbeats by the statement, those that have not been noted. */
static void
note(OwStatement *statement, OwHeartbeat **distinct, int count)
{
	Datum		values[5];
	uint64		rows;

	if (set_values(distinct, count, values) == 0)
		return;
	rows = ow_store_execute(statement, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		OwTaskClaim held = noted_task(row);

		find_beat(distinct, count, &held)->noted = true;
	}
}

/* Before any has been noted */
static void
look_for_paused(OwHeartbeat **distinct, int count)
{
	Datum		values[5];
	uint64		rows;

	(void) set_values(distinct, count, values);
	rows = ow_store_execute(&find_paused, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		OwTaskClaim held = {.task_token = ow_store_uuid(row, 1), .claim = ow_store_int(row, 2)};

		find_beat(distinct, count, &held)->paused = true;
	}
}

void
ow_heartbeats_note(OwHeartbeat *beats, int count)
{
	OwHeartbeat **distinct;
	int			tasks = count;

	if (count == 0)
		return;
	distinct = distinct_beats(beats, &tasks);
	ow_store_open();
	look_for_paused(distinct, tasks);
	note(&beat_again, distinct, tasks);
	note(&beat_first, distinct, tasks);
	ow_store_close();
	for (int i = 0; i < count; i++)
	{
		const OwHeartbeat *of_task = find_beat(distinct, tasks, &beats[i].held);

		beats[i].noted = of_task->noted;
		beats[i].paused = of_task->paused;
	}
}
