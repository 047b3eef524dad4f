/*
 * task_queue.c
 *		Noting whose tasks are in which task queue, and who of them has tasks with fairness keys.
 *
 * Whoever takes tasks finds in these rows what governs them.  The rows stay, so that a backend which has once seen one
 * looks for it no more, until the relation cache says that the table has changed.  One that it has written itself it
 * has not seen before that is committed.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "storage/proc.h"
#include "store/task_queue.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"

/* More than these are not remembered at a time. */
#define MAX_SEEN 1000

/*
 * Whoever takes tasks under control has locked the row, which is waited for only to note the first key.
 */
static OwStatement note_queues = {
	.sql =
	"INSERT INTO workflow.task_queue AS q (task_queue, owner, has_keys)"
	" SELECT u.task_queue, u.owner, bool_or(u.keyed) FROM unnest($1, $2, $3) AS u (task_queue, owner, keyed)"
	"  WHERE NOT EXISTS (SELECT FROM workflow.task_queue k"
	"                     WHERE k.task_queue = u.task_queue AND k.owner = u.owner AND k.has_keys >= u.keyed)"
	"  GROUP BY 1, 2 ORDER BY 1, 2"
	" ON CONFLICT (task_queue, owner) DO UPDATE SET has_keys = true WHERE excluded.has_keys AND NOT q.has_keys",
	.argument_types = "text[],regrole[],bool[]"
};

static HTAB *seen;
static Oid	table = InvalidOid;
static LocalTransactionId writing = InvalidLocalTransactionId;

static void
forget_seen(Datum arg, Oid relation)
{
	if (OidIsValid(relation) && relation != table)
		return;
	table = InvalidOid;
}

/* What has been seen in the table, as it is now */
static HTAB *
find_seen(void)
{
	static bool watching = false;
	Oid			current = ow_store_relation("task_queue");
	HASHCTL		control = {.keysize = sizeof(uint64), .entrysize = sizeof(uint64)};

	if (!watching)
		CacheRegisterRelcacheCallback(forget_seen, (Datum) 0);
	watching = true;
	if (seen != NULL && table == current && hash_get_num_entries(seen) < MAX_SEEN)
		return seen;
	if (seen != NULL)
		hash_destroy(seen);
	seen = hash_create("order_workflow task queues", 16, &control, HASH_ELEM | HASH_BLOBS);
	table = current;
	return seen;
}

static uint64
use_hash(const char *task_queue, Oid owner, bool keyed)
{
	return hash_bytes_extended((const unsigned char *) task_queue, strlen(task_queue), ((uint64) owner << 1) | keyed);
}

void
ow_queue_use(OwQueueUses *uses, const char *task_queue, Oid owner, bool keyed)
{
	uint64		hash = use_hash(task_queue, owner, keyed);

	if (hash_search(find_seen(), &hash, HASH_FIND, NULL) != NULL)
		return;
	ow_rows_add(&uses->queues, CStringGetTextDatum(task_queue));
	ow_rows_add(&uses->owners, ObjectIdGetDatum(owner));
	ow_rows_add(&uses->keyed, BoolGetDatum(keyed));
}

void
ow_queues_note(const OwQueueUses *uses)
{
	Datum		values[3];

	if (uses->queues.count == 0)
		return;
	values[0] = ow_rows_array(&uses->queues, TEXTOID);
	values[1] = ow_rows_array(&uses->owners, REGROLEOID);
	values[2] = ow_rows_array(&uses->keyed, BOOLOID);
	if (ow_store_execute(&note_queues, values, NULL) > 0)
		writing = MyProc->lxid;
	if (writing == MyProc->lxid)
		return;
	for (int i = 0; i < uses->queues.count; i++)
	{
		uint64		hash = use_hash(TextDatumGetCString(uses->queues.datums[i]),
									DatumGetObjectId(uses->owners.datums[i]), DatumGetBool(uses->keyed.datums[i]));

		hash_search(find_seen(), &hash, HASH_ENTER, NULL);
	}
}
