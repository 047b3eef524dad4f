/*
 * epoch.c
 *		Fencing off what was handed out before a promotion or a restore.
 *
 * An epoch is the hash of where this database is: cluster, timeline and where that began, database, instance; and of a
 * random value in workflow.engine_identity, for what those cannot tell: a file system snapshot goes on
 * on the same timeline.  It is random and no counter, since that would go back with the snapshot.
 *
 * A token is laid out as follows; * is mixed, that is, XORed with bits of the epoch's hash:
 *
 *		0-3 shard key | 4-5 * | 6 version, * | 7 * | 8 variant (2 bits), kind, * | 9-14 * | 15 claim *
 *
 * The stored value is kept until the relation cache says that the table has changed.
 */
#include "postgres.h"

#include "access/timeline.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "settings.h"
#include "store/epoch.h"
#include "store/start.h"
#include "store/store.h"
#include "utils/inval.h"

#define FIRST_MIXED 4
#define CLAIM (UUID_LEN - 1)

/* Bits that stay as they are: a UUID's version and variant, and the kind */
#define VERSION_BITS 0xF0
#define VARIANT_AND_KIND_BITS 0xE0

static OwStatement read_epoch = {
	.sql = "SELECT i.epoch FROM workflow.engine_identity i",
	.argument_types = ""
};

static OwStatement write_epoch = {
	.sql = "UPDATE workflow.engine_identity SET epoch = gen_random_uuid()",
	.argument_types = ""
};

/* What an epoch is made of; without padding, as it is hashed */
typedef struct Origin
{
	uint64		system_identifier;
	uint64		timeline_begin;
	uint64		instance;
	uint32		timeline;
	uint32		database;
	pg_uuid_t	stored;
} Origin;

static pg_uuid_t stored_epoch;
static bool stored_is_known;	/* stored_epoch is what the table says */
static uint64 invalidations;
static Oid	identity_relation;

static void
relation_changed(Datum arg, Oid relation)
{
	if (OidIsValid(relation) && relation != identity_relation)
		return;
	stored_is_known = false;
	invalidations++;
}

static void
read_stored(void)
{
	bool		opened = !ow_store_is_open();

	if (opened)
		ow_store_open();
	if (ow_store_execute(&read_epoch, NULL, NULL) > 0)
		stored_epoch = ow_store_uuid(0, 1);
	else
		memset(&stored_epoch, 0, sizeof(stored_epoch)); /* nobody has claimed the database, there
														 * are no tasks */
	if (opened)
		ow_store_close();
}

/* A transaction-long snapshot may be older than what an invalidation has told. */
static const pg_uuid_t *
find_stored(void)
{
	static bool registered = false;
	uint64		seen;

	if (stored_is_known)
		return &stored_epoch;
	if (!registered)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	registered = true;
	identity_relation = ow_store_relation("engine_identity");
	do
	{
		seen = invalidations;
		read_stored();
	} while (seen != invalidations);
	stored_is_known = !IsolationUsesXactSnapshot();
	return &stored_epoch;
}

/*
 * Two standbys of one primary may get timelines of the same number, if neither knows of the other: these have
 * begun at different places.
 */
static void
find_timeline(Origin *origin)
{
	static TimeLineID known = 0;
	static XLogRecPtr begin;
	TimeLineID	timeline;

	if (RecoveryInProgress())
		(void) GetXLogReplayRecPtr(&timeline);
	else
		timeline = GetWALInsertionTimeLine();
	if (timeline != known)
	{
		List	   *history = readTimeLineHistory(timeline);

		begin = ((const TimeLineHistoryEntry *) linitial(history))->begin;
		list_free_deep(history);
		known = timeline;
	}
	origin->timeline = timeline;
	origin->timeline_begin = begin;
}

static uint64
hash_epoch(uint64 seed)
{
	const char *instance = ow_instance ? ow_instance : "";
	Origin		origin;

	memset(&origin, 0, sizeof(origin));
	origin.system_identifier = GetSystemIdentifier();
	origin.instance = hash_bytes_extended((const unsigned char *) instance, strlen(instance), 0);
	origin.database = MyDatabaseId;
	origin.stored = *find_stored();
	find_timeline(&origin);
	return hash_bytes_extended((const unsigned char *) &origin, sizeof(origin), seed);
}

/* Its own inverse */
static void
mix(pg_uuid_t *task_token)
{
	uint64		halves[2] = {hash_epoch(1), hash_epoch(2)};
	unsigned char bits[UUID_LEN];

	StaticAssertStmt(sizeof(halves) == UUID_LEN, "a token is two hashes long");
	memcpy(bits, halves, sizeof(bits));
	bits[6] &= ~VERSION_BITS;
	bits[8] &= ~VARIANT_AND_KIND_BITS;
	for (int i = FIRST_MIXED; i < UUID_LEN; i++)
		task_token->data[i] ^= bits[i];
}

void
ow_epoch_hand_out(int claim, pg_uuid_t *task_token)
{
	if (!ow_task_token_is_queued(task_token))
		return;
	Assert(task_token->data[CLAIM] == 0);
	task_token->data[CLAIM] = (unsigned char) claim;
	mix(task_token);
}

void
ow_epoch_take_back(const pg_uuid_t *handed_out, OwTaskClaim *held)
{
	held->task_token = *handed_out;
	held->claim = OW_ANY_CLAIM;
	if (!ow_task_token_is_queued(handed_out))
		return;
	mix(&held->task_token);
	held->claim = held->task_token.data[CLAIM];
	held->task_token.data[CLAIM] = 0;
}

int64
ow_epoch_current(void)
{
	return (int64) hash_epoch(3);
}

void
ow_epoch_changed(void)
{
	Oid			relation = ow_store_relation("engine_identity");

	if (OidIsValid(relation))
		CacheInvalidateRelcacheByRelid(relation);
	/* makes the message count here too if the transaction is rolled back */
	CommandCounterIncrement();
}

void
ow_epoch_advance(void)
{
	ow_store_open();
	ow_store_execute(&write_epoch, NULL, NULL);
	ow_store_close();
	ow_epoch_changed();
}
