/*
 * start.c
 *		Inserting new runs, and the keys they are known by.
 *
 * A run id is a uuid of version 7, which carries what finds its row without looking anything up:
 *
 *		bytes 0-5	milliseconds since 1970, real clock
 *		byte 6, 7	version (4 bits), then the fraction of the millisecond (12 bits)
 *		byte 8		variant (2 bits), random (2 bits), bucket (4 bits)
 *		byte 9-11	random
 *		byte 12-15	shard key
 *
 * Ids are thus ordered by time.  The bucket is the leaf of the history ring that the run started in (store/retention.h);
 * one that outlives that leaf moves on, and has another bucket in its row.
 */
#include "postgres.h"

#include <sys/time.h>

#include "engine/clock.h"
#include "machine/machine.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "store/catalog.h"
#include "store/retention.h"
#include "store/run.h"
#include "store/run_columns.h"
#include "store/search_attribute.h"
#include "store/start.h"
#include "store/store.h"
#include "test_kit/test_kit.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

/* Rows in one statement: keeps the arrays small enough for large calls of start_many */
#define ROWS_PER_STATEMENT 1000
#define UUID_TEXT_LENGTH 36

#define NEW_STATUS "Running"
#define NEW_PHASE "New"

/* What is set in a new row; the rest is null or has a default */
#define NEW_COLUMNS \
	"shard_key, run_id, workflow_id, bucket, definition_id, owner, started_by, started_at, deadline," \
	" deadline_timer, ready, status, phase, attempt, next_event_id, handler_taken, cancel_requested," \
	" sticky_status, compensation, compensations, due_at, input, memo, request_id, chain_id," \
	" root_run_id, traceparent, execution_deadline, run_attempt, options, schedule, parent_workflow_id, parent_run_id, parent_owner"

/* One run, written straight from parameters: the hot path of start() */
#define INSERT_ONE \
	"INSERT INTO workflow.execution (" NEW_COLUMNS ")" \
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '" NEW_STATUS "', '" NEW_PHASE "', 0, 1," \
	"       false, false, '" NEW_STATUS "', 0, 0, $12, $13, $14, $15, $2, $2, $16, $17, 1, $18, $19, $20, $21, $22)"
#define INSERT_ONE_TYPES \
	"int,uuid,text,smallint,int,regrole,regrole,timestamptz,timestamptz,boolean,boolean,timestamptz," \
	"jsonb,jsonb,text,text,timestamptz,jsonb,jsonb,text,uuid,regrole"

static OwStatement insert_one = {
	.sql = INSERT_ONE " ON CONFLICT (shard_key, workflow_id) DO NOTHING",
	.argument_types = INSERT_ONE_TYPES
};

/* A workflow id that is the new run id conflicts with none, which need not be looked for. */
static OwStatement insert_own = {
	.sql = INSERT_ONE,
	.argument_types = INSERT_ONE_TYPES
};

static OwStatement insert_many = {
	.sql =
	"INSERT INTO workflow.execution (" NEW_COLUMNS ") SELECT " NEW_COLUMNS " FROM unnest($1)"
	" ON CONFLICT (shard_key, workflow_id) DO NOTHING RETURNING run_id",
	.argument_types = "workflow.execution[]"
};

static OwStatement insert_timers = {
	.sql = "INSERT INTO workflow.timer SELECT * FROM unnest($1)",
	.argument_types = "workflow.timer[]"
};

/* ---- keys ---- */

/*
 * Hashes alike on every architecture, since the keys are stored and dumped (FNV-1a, then a
 * finalizer).
 */
static int32
hash_text(const char *text)
{
	uint32		hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char) *text) * 16777619u;
	hash = (hash ^ (hash >> 16)) * 0x85ebca6bu;
	hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
	return (int32) (hash ^ (hash >> 16));
}

static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

/* Reads a uuid of version 7 as the server writes it; false when the text is anything else. */
static bool
parse_run_id(const char *text, pg_uuid_t *run_id)
{
	const char *at = text;

	if (strlen(text) != UUID_TEXT_LENGTH)
		return false;
	for (int byte = 0; byte < UUID_LEN; byte++)
	{
		int			high;
		int			low;

		if ((byte == 4 || byte == 6 || byte == 8 || byte == 10) && *at++ != '-')
			return false;
		high = hex_value(*at++);
		low = hex_value(*at++);
		if (high < 0 || low < 0)
			return false;
		run_id->data[byte] = (high << 4) | low;
	}
	return (run_id->data[6] >> 4) == 7 && (run_id->data[8] >> 6) == 2;
}

/* Of a token: only whoever takes the task from its queue is told it */
#define QUEUED_BIT 0x20

void
ow_task_token_make(int32 shard_key, bool queued, pg_uuid_t *task_token)
{
	uint32		key = pg_hton32((uint32) shard_key);

	if (!ow_test_kit_fill_random(task_token->data, UUID_LEN) && !pg_strong_random(task_token->data, UUID_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a task token")));
	memcpy(task_token->data, &key, sizeof(key));
	task_token->data[6] = (task_token->data[6] & 0x0F) | 0x80;
	task_token->data[8] = (task_token->data[8] & 0x1F) | 0x80 | (queued ? QUEUED_BIT : 0);
	if (queued)
		task_token->data[UUID_LEN - 1] = 0; /* for the claim: epoch.c */
}

bool
ow_task_token_is_queued(const pg_uuid_t *task_token)
{
	return (task_token->data[8] & QUEUED_BIT) != 0;
}

int32
ow_task_token_shard_key(const pg_uuid_t *task_token)
{
	uint32		key;

	memcpy(&key, task_token->data, sizeof(key));
	return (int32) pg_ntoh32(key);
}

int32
ow_shard_key(const char *workflow_id)
{
	pg_uuid_t	run_id;

	if (parse_run_id(workflow_id, &run_id))
		return ow_run_id_shard_key(&run_id);
	return hash_text(workflow_id);
}

static void
fill_random(void *bytes, size_t length)
{
	if (!ow_test_kit_fill_random(bytes, length) && !pg_strong_random(bytes, length))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values for a run id")));
}

void
ow_run_id_make(int32 shard_key, int bucket, pg_uuid_t *run_id)
{
	struct timeval now;
	uint64		ms;
	uint32		fraction;
	uint32		key = (uint32) shard_key;
	unsigned char *data = run_id->data;

	Assert(bucket >= 0 && bucket < OW_BUCKETS);
	gettimeofday(&now, NULL);
	if (ow_test_kit_fill_random(data + 8, 4))
		memset(&now, 0, sizeof(now));
	else
		fill_random(data + 8, 4);
	ms = (uint64) now.tv_sec * 1000 + now.tv_usec / 1000;
	fraction = (now.tv_usec % 1000) * 4096 / 1000;
	for (int i = 0; i < 6; i++)
		data[i] = (unsigned char) (ms >> (40 - 8 * i));
	data[6] = 0x70 | (fraction >> 8);
	data[7] = fraction & 0xff;
	data[8] = 0x80 | (data[8] & 0x30) | bucket;
	for (int i = 0; i < 4; i++)
		data[12 + i] = (unsigned char) (key >> (24 - 8 * i));
}

void
ow_run_id_make_own(int bucket, pg_uuid_t *run_id, int32 *shard_key)
{
	fill_random(shard_key, sizeof(*shard_key));
	ow_run_id_make(*shard_key, bucket, run_id);
}

int32
ow_run_id_shard_key(const pg_uuid_t *run_id)
{
	uint32		key = 0;

	for (int i = 0; i < 4; i++)
		key = (key << 8) | run_id->data[12 + i];
	return (int32) key;
}

int
ow_run_id_bucket(const pg_uuid_t *run_id)
{
	return run_id->data[8] & 0x0f;
}

int
ow_bucket_for(const char *workflow, TimestampTz started_at)
{
	OwRetention class = ow_catalog_retention(workflow);

	return ow_retention_bucket(class, class == OW_RETENTION_FOREVER ? 0 : ow_catalog_keep_us(class), started_at);
}

/* ---- rows ---- */

static bool
is_delayed(const OwNewRun *run)
{
	return run->start_at > run->started_at;
}

static bool
has_own_id(const OwNewRun *run)
{
	pg_uuid_t	id;

	return parse_run_id(run->workflow_id, &id) && memcmp(&id, &run->ref.run_id, UUID_LEN) == 0;
}

/*
 * A run that waits before it starts needs the timers of a waiting run; others get them when they
 * wait.
 */
static bool
has_deadline_timer(const OwNewRun *run)
{
	return is_delayed(run) && run->deadline != DT_NOEND;
}

static void
insert_directly(OwNewRun *run)
{
	const OwCompiled *compiled = run->compiled;
	Datum		values[22];
	char		nulls[23] = "                   nnn";
	OwStatement *statement;

	values[0] = Int32GetDatum(run->ref.shard_key);
	values[1] = UUIDPGetDatum(&run->ref.run_id);
	values[2] = CStringGetTextDatum(run->workflow_id);
	values[3] = Int16GetDatum(ow_run_id_bucket(&run->ref.run_id));
	values[4] = Int32GetDatum(compiled->definition_id);
	values[5] = ObjectIdGetDatum(compiled->owner);
	values[6] = ObjectIdGetDatum(run->started_by);
	values[7] = TimestampTzGetDatum(run->started_at);
	values[8] = TimestampTzGetDatum(run->deadline);
	values[9] = BoolGetDatum(has_deadline_timer(run));
	values[10] = BoolGetDatum(!is_delayed(run));
	values[11] = TimestampTzGetDatum(run->start_at);
	values[12] = JsonbPGetDatum(run->input);
	values[13] = JsonbPGetDatum(run->memo);
	values[14] = run->request_id ? CStringGetTextDatum(run->request_id) : (Datum) 0;
	values[15] = run->traceparent ? CStringGetTextDatum(run->traceparent) : (Datum) 0;
	values[16] = TimestampTzGetDatum(run->execution_deadline);
	values[17] = JsonbPGetDatum(run->options);
	values[18] = JsonbPGetDatum(run->schedule);
	if (run->execution_deadline == DT_NOEND)
		nulls[16] = 'n';
	if (run->options == NULL)
		nulls[17] = 'n';
	if (run->schedule == NULL)
		nulls[18] = 'n';
	if (run->deadline == DT_NOEND)
		nulls[8] = 'n';
	if (!is_delayed(run))
		nulls[11] = 'n';
	if (run->memo == NULL)
		nulls[13] = 'n';
	if (run->request_id == NULL)
		nulls[14] = 'n';
	if (run->traceparent == NULL)
		nulls[15] = 'n';
	if (run->parent != NULL)
	{
		values[19] = CStringGetTextDatum(run->parent->workflow_id);
		values[20] = UUIDPGetDatum(&run->parent->run_id);
		values[21] = ObjectIdGetDatum(run->parent->owner);
		memset(nulls + 19, ' ', 3);
	}
	statement = has_own_id(run) ? &insert_own : &insert_one;
	run->inserted = ow_store_execute(statement, values, nulls) == 1;
}

static Datum
execution_row(const OwNewRun *run)
{
	const OwCompiled *compiled = run->compiled;
	Datum		values[EXECUTION_COLUMNS] = {0};
	bool		nulls[EXECUTION_COLUMNS];

#define SET(column, datum) (values[column] = (datum), nulls[column] = false)
	memset(nulls, true, sizeof(nulls));
	SET(EXECUTION_SHARD_KEY, Int32GetDatum(run->ref.shard_key));
	SET(EXECUTION_RUN_ID, UUIDPGetDatum(&run->ref.run_id));
	SET(EXECUTION_WORKFLOW_ID, CStringGetTextDatum(run->workflow_id));
	SET(EXECUTION_BUCKET, Int16GetDatum(ow_run_id_bucket(&run->ref.run_id)));
	SET(EXECUTION_DEFINITION_ID, Int32GetDatum(compiled->definition_id));
	SET(EXECUTION_OWNER, ObjectIdGetDatum(compiled->owner));
	SET(EXECUTION_STARTED_BY, ObjectIdGetDatum(run->started_by));
	SET(EXECUTION_STARTED_AT, TimestampTzGetDatum(run->started_at));
	if (run->deadline != DT_NOEND)
		SET(EXECUTION_DEADLINE, TimestampTzGetDatum(run->deadline));
	SET(EXECUTION_DEADLINE_TIMER, BoolGetDatum(has_deadline_timer(run)));
	SET(EXECUTION_READY, BoolGetDatum(!is_delayed(run)));
	SET(EXECUTION_CRASHES, Int32GetDatum(0));
	SET(EXECUTION_STATUS, CStringGetTextDatum(NEW_STATUS));
	SET(EXECUTION_TOKEN + TOKEN_PHASE, CStringGetTextDatum(NEW_PHASE));
	SET(EXECUTION_TOKEN + TOKEN_ATTEMPT, Int32GetDatum(0));
	SET(EXECUTION_NEXT_EVENT_ID, Int32GetDatum(1));
	SET(EXECUTION_HANDLER_TAKEN, BoolGetDatum(false));
	SET(EXECUTION_CANCEL_REQUESTED, BoolGetDatum(false));
	SET(EXECUTION_STICKY_STATUS, CStringGetTextDatum(NEW_STATUS));
	SET(EXECUTION_TOKEN + TOKEN_COMPENSATION, Int32GetDatum(0));
	SET(EXECUTION_COMPENSATIONS, Int32GetDatum(0));
	if (is_delayed(run))
		SET(EXECUTION_TOKEN + TOKEN_DUE_AT, TimestampTzGetDatum(run->start_at));
	SET(EXECUTION_INPUT, JsonbPGetDatum(run->input));
	if (run->memo != NULL)
		SET(EXECUTION_MEMO, JsonbPGetDatum(run->memo));
	if (run->request_id != NULL)
		SET(EXECUTION_REQUEST_ID, CStringGetTextDatum(run->request_id));
	SET(EXECUTION_CHAIN_ID, UUIDPGetDatum(&run->ref.run_id));
	SET(EXECUTION_ROOT_RUN_ID, UUIDPGetDatum(&run->ref.run_id));
	if (run->execution_deadline != DT_NOEND)
		SET(EXECUTION_EXECUTION_DEADLINE, TimestampTzGetDatum(run->execution_deadline));
	SET(EXECUTION_RUN_ATTEMPT, Int32GetDatum(1));
	if (run->options != NULL)
		SET(EXECUTION_OPTIONS, JsonbPGetDatum(run->options));
#undef SET
	return ow_store_row("execution", values, nulls);
}

static Datum
timer_row(const OwNewRun *run, const char *kind, TimestampTz due_at)
{
	Datum		values[TIMER_COLUMNS];
	bool		nulls[TIMER_COLUMNS] = {0};

	values[TIMER_SHARD_KEY] = Int32GetDatum(run->ref.shard_key);
	values[TIMER_RUN_ID] = UUIDPGetDatum(&run->ref.run_id);
	values[TIMER_KIND] = CStringGetTextDatum(kind);
	values[TIMER_OWNER] = ObjectIdGetDatum(run->compiled->owner);
	values[TIMER_DUE_AT] = TimestampTzGetDatum(due_at);
	return ow_store_row("timer", values, nulls);
}

/* Marks those of the runs that the current result names. */
static void
mark_inserted(OwNewRun *runs, int count, uint64 rows)
{
	HASHCTL		control = {.keysize = UUID_LEN, .entrysize = UUID_LEN};
	HTAB	   *inserted;

	if (rows == (uint64) count)
	{
		for (int i = 0; i < count; i++)
			runs[i].inserted = true;
		return;
	}
	control.hcxt = CurrentMemoryContext;
	inserted = hash_create("inserted runs", Max(rows, 1), &control,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isnull;
		Datum		run_id = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1,
										   &isnull);

		hash_search(inserted, DatumGetUUIDP(run_id), HASH_ENTER, NULL);
	}
	for (int i = 0; i < count; i++)
		runs[i].inserted = hash_search(inserted, &runs[i].ref.run_id, HASH_FIND, NULL) != NULL;
	hash_destroy(inserted);
}

static void
insert_together(OwNewRun *runs, int count)
{
	Datum	   *rows = palloc(sizeof(Datum) * count);
	Datum		values[1];

	for (int i = 0; i < count; i++)
		rows[i] = execution_row(&runs[i]);
	values[0] = ow_store_row_array("execution", rows, count);
	mark_inserted(runs, count, ow_store_execute(&insert_many, values, NULL));
}

static void
add_timers(const OwNewRun *runs, int count)
{
	Datum	   *rows = palloc(sizeof(Datum) * count * 2);
	int			nrows = 0;
	Datum		values[1];

	for (int i = 0; i < count; i++)
	{
		if (!runs[i].inserted || !is_delayed(&runs[i]))
			continue;
		rows[nrows++] = timer_row(&runs[i], "Token", runs[i].start_at);
		if (has_deadline_timer(&runs[i]))
			rows[nrows++] = timer_row(&runs[i], "Deadline", runs[i].deadline);
	}
	if (nrows == 0)
		return;
	values[0] = ow_store_row_array("timer", rows, nrows);
	ow_store_execute(&insert_timers, values, NULL);
}

/* A run of a test on the virtual clock is driven by its session as well. */
static void
announce(const OwNewRun *run)
{
	if (is_delayed(run))
		ow_wakeup_at(run->compiled->owner, Min(run->start_at, run->deadline));
	else
		ow_wakeup_run(run->compiled->owner, &run->ref);
	if (ow_clock_is_virtual())
		ow_test_kit_started(&run->ref);
}

void
ow_start_runs(OwNewRun *runs, int count)
{
	for (int i = 0; i < count; i += ROWS_PER_STATEMENT)
	{
		int			part = Min(count - i, ROWS_PER_STATEMENT);
		bool		delayed = false;
		bool		searchable = false;

		ow_store_open();
		if (count == 1)
			insert_directly(&runs[i]);
		else
			insert_together(&runs[i], part);
		for (int j = i; j < i + part; j++)
		{
			delayed |= is_delayed(&runs[j]);
			searchable |= runs[j].search_attributes != NULL;
		}
		if (delayed)
			add_timers(&runs[i], part);
		if (searchable)
			ow_search_attributes_start(&runs[i], part);
		ow_store_close();
	}
	for (int i = 0; i < count; i++)
	{
		if (runs[i].inserted)
			announce(&runs[i]);
	}
}
