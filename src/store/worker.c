/*
 * worker.c
 *		The workers outside: who polls, and who is to be given no more.
 *
 * A poll writes that its worker is there, but at most every ten seconds: what this backend has written is remembered
 * here, and what others have is seen in the row.  It waits for nobody: a row that somebody else has locked is left,
 * and so is a new one that somebody else may be about to insert.  Names that are not heard of any more are deleted
 * when there are new ones.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "engine/clock.h"
#include "miscadmin.h"
#include "store/advisory_lock.h"
#include "store/store.h"
#include "store/worker.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

#define NOTE_EVERY_MS 10000
#define MAX_NOTES 1000
#define MAX_NAME_BYTES 1000		/* a longer one does not fit into the index, and is not noted */

static OwStatement find_worker = {
	.sql =
	"SELECT ($4 IS NULL OR w.version IS NOT DISTINCT FROM $4) AND w.activities IS NOT DISTINCT FROM $5"
	"       AND w.last_seen_at > $6 - interval '10 s'"
	"  FROM workflow.worker w WHERE w.task_queue = $1 AND w.worker = $2 AND w.role = $3",
	.argument_types = "text,text,regrole,text,text[],timestamptz"
};

static OwStatement touch_worker = {
	.sql =
	"UPDATE workflow.worker w SET version = coalesce($4, w.version), activities = $5, last_seen_at = $6"
	"  FROM (SELECT k.task_queue, k.worker, k.role FROM workflow.worker k"
	"         WHERE k.task_queue = $1 AND k.worker = $2 AND k.role = $3 FOR UPDATE SKIP LOCKED) AS free"
	" WHERE w.task_queue = free.task_queue AND w.worker = free.worker AND w.role = free.role",
	.argument_types = "text,text,regrole,text,text[],timestamptz"
};

static OwStatement add_worker = {
	.sql =
	"INSERT INTO workflow.worker (task_queue, worker, role, version, activities, first_seen_at, last_seen_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING",
	.argument_types = "text,text,regrole,text,text[],timestamptz"
};

static OwStatement forget_workers = {
	.sql =
	"WITH old AS (SELECT w.task_queue, w.worker, w.role FROM workflow.worker w"
	"              WHERE w.last_seen_at < $1 - interval '1 day' FOR UPDATE SKIP LOCKED),"
	" undrained AS (DELETE FROM workflow.drained_worker d USING old"
	"                WHERE d.task_queue = old.task_queue AND d.worker = old.worker AND d.role = old.role)"
	" DELETE FROM workflow.worker w USING old"
	"  WHERE w.task_queue = old.task_queue AND w.worker = old.worker AND w.role = old.role",
	.argument_types = "timestamptz"
};

static OwStatement is_draining = {
	.sql = "SELECT FROM workflow.drained_worker d WHERE d.task_queue = $1 AND d.worker = $2 AND d.role = $3",
	.argument_types = "text,text,regrole"
};

/* Of a role that $3 is a member of, or who may take tasks of an owner that $3 is a member of */
static OwStatement find_to_drain = {
	.sql =
	"SELECT w.task_queue, w.role FROM workflow.worker w"
	" WHERE w.worker = $1 AND ($2 IS NULL OR w.task_queue = $2)"
	"   AND (pg_has_role($3, w.role::oid, 'USAGE')"
	"        OR EXISTS (SELECT FROM workflow.worker_grant g"
	"                    WHERE g.task_queue = w.task_queue AND pg_has_role(w.role::oid, g.grantee::oid, 'USAGE')"
	"                      AND pg_has_role($3, g.owner::oid, 'USAGE'))"
	"        OR EXISTS (SELECT FROM workflow.workflow_type t"
	"                    WHERE pg_has_role(w.role::oid, t.owner::oid, 'USAGE') AND pg_has_role($3, t.owner::oid, 'USAGE')))",
	.argument_types = "text,text,oid"
};

static OwStatement drain_worker = {
	.sql =
	"INSERT INTO workflow.drained_worker (task_queue, worker, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
	.argument_types = "text,text,regrole"
};

static OwStatement undrain_worker = {
	.sql = "DELETE FROM workflow.drained_worker WHERE task_queue = $1 AND worker = $2 AND role = $3",
	.argument_types = "text,text,regrole"
};

/* When this backend has noted what */
typedef struct Note
{
	uint64		key;
	TimestampTz at;
} Note;

static HTAB *notes;

/* ---- noting ---- */

static uint64
hash_text(const char *text, uint64 seed)
{
	return text == NULL ? seed : hash_bytes_extended((const unsigned char *) text, strlen(text) + 1, seed + 1);
}

static uint64
note_key(const OwTaskRequest *request, const char *version)
{
	uint64		key = hash_text(version, hash_text(request->worker, hash_text(request->task_queue, request->role)));

	if (request->activities != 0)
	{
		ArrayType  *activities = DatumGetArrayTypeP(request->activities);

		key = hash_bytes_extended((const unsigned char *) activities, VARSIZE_ANY(activities), key);
	}
	return key;
}

/* Has this backend noted it lately?  From now on it has. */
static bool
remember(uint64 key, TimestampTz now)
{
	HASHCTL		control = {.keysize = sizeof(uint64), .entrysize = sizeof(Note)};
	Note	   *note;
	bool		found;

	if (notes != NULL && hash_get_num_entries(notes) > MAX_NOTES)
	{
		hash_destroy(notes);
		notes = NULL;
	}
	if (notes == NULL)
		notes = hash_create("order_workflow workers", 16, &control, HASH_ELEM | HASH_BLOBS);
	note = hash_search(notes, &key, HASH_ENTER, &found);
	if (found && !TimestampDifferenceExceeds(note->at, now, NOTE_EVERY_MS))
		return true;
	note->at = now;
	return false;
}

/* The key of a worker, as the first arguments of the statements */
static void
worker_values(const OwTaskRequest *request, Datum *values)
{
	values[0] = CStringGetTextDatum(request->task_queue);
	values[1] = CStringGetTextDatum(request->worker);
	values[2] = ObjectIdGetDatum(request->role);
}

static bool
lock_name(const OwTaskRequest *request)
{
	uint64		key = hash_text(request->worker, hash_text(request->task_queue, request->role));

	return ow_advisory_try_lock(OW_LOCK_WORKER, (uint32) (key >> 32), (uint32) key);
}

static void
write_note(const OwTaskRequest *request, const char *version, TimestampTz now)
{
	Datum		values[6];
	char		nulls[] = "      ";
	Datum		at = TimestampTzGetDatum(now);

	worker_values(request, values);
	values[3] = version ? CStringGetTextDatum(version) : (Datum) 0;
	nulls[3] = version ? ' ' : 'n';
	values[4] = request->activities;
	nulls[4] = request->activities ? ' ' : 'n';
	values[5] = at;
	ow_store_open();
	if (ow_store_execute(&find_worker, values, nulls) > 0)
	{
		if (!ow_store_bool(0, 1))
			ow_store_execute(&touch_worker, values, nulls);
	}
	else if (lock_name(request) && ow_store_execute(&add_worker, values, nulls) > 0)
		ow_store_execute(&forget_workers, &at, NULL);
	ow_store_close();
}

/*
 * A test's workers are no workers.  And under a transaction-long snapshot, another's note would be an error for this
 * one.
 */
void
ow_worker_note(const OwTaskRequest *request, const char *version)
{
	TimestampTz now = GetCurrentTimestamp();

	if (strlen(request->worker) > MAX_NAME_BYTES || strlen(request->task_queue) > MAX_NAME_BYTES)
		return;
	if (ow_clock_is_virtual() || XactReadOnly || IsolationUsesXactSnapshot() ||
		remember(note_key(request, version), now))
		return;
	write_note(request, version, now);
}

/* ---- draining ---- */

bool
ow_worker_is_draining(const OwTaskRequest *request)
{
	bool		opened = !ow_store_is_open();
	Datum		values[3];
	bool		draining;

	worker_values(request, values);
	if (opened)
		ow_store_open();
	draining = ow_store_execute(&is_draining, values, NULL) > 0;
	if (opened)
		ow_store_close();
	return draining;
}

int
ow_worker_drain(const char *worker, const char *task_queue, bool drain, Oid role)
{
	Datum		values[3] = {
		CStringGetTextDatum(worker), task_queue ? CStringGetTextDatum(task_queue) : (Datum) 0, ObjectIdGetDatum(role)
	};
	SPITupleTable *found;
	uint64		count;

	ow_store_open();
	count = ow_store_execute(&find_to_drain, values, task_queue ? NULL : " n ");
	found = SPI_tuptable;
	for (uint64 row = 0; row < count; row++)
	{
		char	   *queue = SPI_getvalue(found->vals[row], found->tupdesc, 1);
		bool		isnull;

		values[0] = CStringGetTextDatum(queue);
		values[1] = CStringGetTextDatum(worker);
		values[2] = SPI_getbinval(found->vals[row], found->tupdesc, 2, &isnull);
		ow_store_execute(drain ? &drain_worker : &undrain_worker, values, NULL);
		ow_wakeup_waiters(ow_task_queue_key(queue));
	}
	ow_store_close();
	return (int) count;
}
