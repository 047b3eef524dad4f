/*
 * batch_operation.c
 *		Rows of batch operations.
 *
 * A chunk's row is locked by whoever does it, until that is committed: two sessions that work on one operation take
 * different chunks, and what one of them leaves undone is taken again.
 */
#include "postgres.h"

#include "engine/clock.h"
#include "store/batch_operation.h"
#include "store/start.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static OwStatement insert_operation = {
	.sql =
	"INSERT INTO workflow.batch_operation (shard_key, batch_id, owner, operation, condition, arguments, reason, dry_run,"
	"       chunk_size, rate_per_second, total, created_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, nullif($10, 0), $11, $12)",
	.argument_types = "int,uuid,regrole,text,text,jsonb,text,boolean,int,float8,bigint,timestamptz"
};

static OwStatement insert_chunk = {
	.sql = "INSERT INTO workflow.batch_chunk (shard_key, batch_id, chunk, owner, run_ids) VALUES ($1, $2, $3, $4, $5)",
	.argument_types = "int,uuid,int,regrole,uuid[]"
};

static OwStatement read_operation = {
	.sql =
	"SELECT owner::oid, operation, arguments, reason, dry_run, chunk_size, coalesce(rate_per_second, 0),"
	"       canceled_at IS NOT NULL"
	"  FROM workflow.batch_operation WHERE shard_key = $1 AND batch_id = $2",
	.argument_types = "int,uuid"
};

static OwStatement take_chunk = {
	.sql =
	"SELECT chunk, run_ids FROM workflow.batch_chunk"
	" WHERE shard_key = $1 AND batch_id = $2 AND finished_at IS NULL ORDER BY chunk LIMIT 1 FOR UPDATE SKIP LOCKED",
	.argument_types = "int,uuid"
};

static OwStatement insert_errors = {
	.sql =
	"INSERT INTO workflow.batch_error (shard_key, batch_id, run_id, owner, sqlstate, message, detail, failed_at)"
	" SELECT c.shard_key, c.batch_id, (e->>'run_id')::uuid, c.owner, e->>'sqlstate', e->>'message', e->>'detail', $5"
	"   FROM workflow.batch_chunk c, jsonb_array_elements($4) AS e"
	"  WHERE c.shard_key = $1 AND c.batch_id = $2 AND c.chunk = $3 AND c.finished_at IS NULL"
	"    AND (e->>'run_id')::uuid = ANY (c.run_ids)"
	" ON CONFLICT DO NOTHING",
	.argument_types = "int,uuid,int,jsonb,timestamptz"
};

static OwStatement finish_chunk = {
	.sql =
	"UPDATE workflow.batch_chunk SET failed = $4, done = cardinality(run_ids) - $4, started_at = now(), finished_at = $5"
	" WHERE shard_key = $1 AND batch_id = $2 AND chunk = $3 AND finished_at IS NULL",
	.argument_types = "int,uuid,int,int,timestamptz"
};

static OwStatement cancel_operation = {
	.sql =
	"UPDATE workflow.batch_operation SET canceled_at = $3, canceled_by = $4"
	" WHERE shard_key = $1 AND batch_id = $2 AND canceled_at IS NULL"
	"   AND EXISTS (SELECT FROM workflow.batch_chunk c"
	"                WHERE c.shard_key = $1 AND c.batch_id = $2 AND c.finished_at IS NULL)",
	.argument_types = "int,uuid,timestamptz,regrole"
};

static OwStatement delete_operation = {
	.sql =
	"DELETE FROM workflow.batch_operation"
	" WHERE shard_key = $1 AND batch_id = $2"
	"   AND (canceled_at IS NOT NULL"
	"        OR NOT EXISTS (SELECT FROM workflow.batch_chunk c"
	"                        WHERE c.shard_key = $1 AND c.batch_id = $2 AND c.finished_at IS NULL))",
	.argument_types = "int,uuid"
};

static OwStatement delete_chunks = {
	.sql = "DELETE FROM workflow.batch_chunk WHERE shard_key = $1 AND batch_id = $2",
	.argument_types = "int,uuid"
};

static OwStatement delete_errors = {
	.sql = "DELETE FROM workflow.batch_error WHERE shard_key = $1 AND batch_id = $2",
	.argument_types = "int,uuid"
};

static void
insert_row(const OwBatchOperation *batch, int64 total)
{
	char		nulls[13] = "            ";
	Datum		values[12] = {
		Int32GetDatum(ow_run_id_shard_key(&batch->batch_id)), UUIDPGetDatum(&batch->batch_id),
		ObjectIdGetDatum(batch->owner), CStringGetTextDatum(batch->operation), CStringGetTextDatum(batch->condition),
		JsonbPGetDatum(batch->arguments), (Datum) 0, BoolGetDatum(batch->dry_run), Int32GetDatum(batch->chunk_size),
		Float8GetDatum(batch->rate_per_second), Int64GetDatum(total), TimestampTzGetDatum(ow_clock_now())
	};

	if (batch->reason != NULL)
		values[6] = CStringGetTextDatum(batch->reason);
	else
		nulls[6] = 'n';
	ow_store_execute(&insert_operation, values, nulls);
}

void
ow_batch_operation_insert(OwBatchOperation *batch, const pg_uuid_t *run_ids, int64 count)
{
	int32		shard_key;
	int			chunk = 0;

	ow_run_id_make_own(0, &batch->batch_id, &shard_key);
	ow_store_open();
	insert_row(batch, count);
	for (int64 i = 0; i < count; i += batch->chunk_size)
	{
		Datum		values[5] = {
			Int32GetDatum(shard_key), UUIDPGetDatum(&batch->batch_id), Int32GetDatum(++chunk),
			ObjectIdGetDatum(batch->owner), ow_store_uuid_array(run_ids + i, Min(batch->chunk_size, count - i))
		};

		ow_store_execute(&insert_chunk, values, NULL);
		pfree(DatumGetPointer(values[4]));
	}
	ow_store_close();
}

bool
ow_batch_operation_find(const pg_uuid_t *batch_id, OwBatchOperation *batch)
{
	Datum		values[2] = {Int32GetDatum(ow_run_id_shard_key(batch_id)), UUIDPGetDatum(batch_id)};
	bool		found;
	bool		isnull;

	memset(batch, 0, sizeof(OwBatchOperation));
	ow_store_open();
	found = ow_store_execute(&read_operation, values, NULL) > 0;
	if (found)
	{
		batch->batch_id = *batch_id;
		batch->owner = (Oid) ow_store_int(0, 1);
		batch->operation = ow_store_text(0, 2);
		batch->arguments = ow_store_jsonb(0, 3);
		batch->reason = ow_store_text(0, 4);
		batch->dry_run = ow_store_bool(0, 5);
		batch->chunk_size = ow_store_int(0, 6);
		batch->rate_per_second = DatumGetFloat8(ow_store_datum(0, 7, &isnull));
		batch->canceled = ow_store_bool(0, 8);
	}
	ow_store_close();
	return found;
}

bool
ow_batch_chunk_take(const pg_uuid_t *batch_id, OwBatchChunk *chunk)
{
	Datum		values[2] = {Int32GetDatum(ow_run_id_shard_key(batch_id)), UUIDPGetDatum(batch_id)};
	bool		found;
	bool		isnull;

	ow_store_open();
	found = ow_store_execute(&take_chunk, values, NULL) > 0;
	if (found)
	{
		chunk->chunk = ow_store_int(0, 1);
		chunk->run_ids = ow_store_datum(0, 2, &isnull);
	}
	ow_store_close();
	return found;
}

bool
ow_batch_chunk_finish(const pg_uuid_t *batch_id, int chunk, Jsonb *errors)
{
	Datum		values[5] = {
		Int32GetDatum(ow_run_id_shard_key(batch_id)), UUIDPGetDatum(batch_id), Int32GetDatum(chunk),
		JsonbPGetDatum(errors), TimestampTzGetDatum(ow_clock_now())
	};
	uint64		failed;
	bool		finished;

	ow_store_open();
	failed = ow_store_execute(&insert_errors, values, NULL);
	values[3] = Int32GetDatum((int32) failed);
	finished = ow_store_execute(&finish_chunk, values, NULL) > 0;
	ow_store_close();
	return finished;
}

bool
ow_batch_operation_cancel(const pg_uuid_t *batch_id, Oid role)
{
	Datum		values[4] = {
		Int32GetDatum(ow_run_id_shard_key(batch_id)), UUIDPGetDatum(batch_id), TimestampTzGetDatum(ow_clock_now()),
		ObjectIdGetDatum(role)
	};
	bool		canceled;

	ow_store_open();
	canceled = ow_store_execute(&cancel_operation, values, NULL) > 0;
	ow_store_close();
	return canceled;
}

/* Errors last: those of a chunk that somebody was at are there once that could be locked. */
bool
ow_batch_operation_delete(const pg_uuid_t *batch_id)
{
	Datum		values[2] = {Int32GetDatum(ow_run_id_shard_key(batch_id)), UUIDPGetDatum(batch_id)};
	bool		deleted;

	ow_store_open();
	deleted = ow_store_execute(&delete_operation, values, NULL) > 0;
	if (deleted)
	{
		ow_store_execute(&delete_chunks, values, NULL);
		ow_store_execute(&delete_errors, values, NULL);
	}
	ow_store_close();
	return deleted;
}
