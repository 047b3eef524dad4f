/*
 * contended.c
 *		Runs that an executor skipped because somebody else held their row lock.
 *
 * Called by executors (through ow_ready_contended), which add, and by the end of transactions that
 * held such locks, which move what they find to the ring of the run's owner.
 *
 * No run is forgotten: the skipper adds first and then tries that run once more, while the holder
 * first lets go (its transaction is over) and then looks.  Whichever comes second sees the other.  A
 * holder that does not look (a DBA's SELECT FOR UPDATE) is covered by the owner's executor, which
 * posts what is left every second, and stays for as long as there is any.
 *
 * A table of small buckets by hash of the run, so that nobody holds the spinlock for long; one that
 * is full makes the executor go back to the tables.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "worker/contended.h"
#include "worker/pool.h"
#include "worker/shared.h"

#define N_BUCKETS 128
#define BUCKET_SIZE 8

typedef struct Entry
{
	Oid			database;		/* InvalidOid: free */
	Oid			owner;
	OwRunRef	run;
} Entry;

typedef struct OwContended
{
	pg_atomic_uint32 count;
	slock_t		mutex;
	Entry		buckets[N_BUCKETS][BUCKET_SIZE];
} OwContended;

static OwContended *contended;

static Entry *bucket_of(const OwRunRef *run);
static Entry *find_entry(Oid database, Oid owner, const OwRunRef *run);
static Entry *find_free(const OwRunRef *run);
static bool take_from_bucket(int bucket, Oid database, Oid owner, Entry *taken);

Size
ow_contended_size(void)
{
	return sizeof(OwContended);
}

void
ow_contended_startup(void)
{
	bool		found;

	contended = ShmemInitStruct("order_workflow contended runs", sizeof(OwContended), &found);
	if (found)
		return;

	memset(contended, 0, sizeof(OwContended));
	SpinLockInit(&contended->mutex);
	pg_atomic_init_u32(&contended->count, 0);
}

/*
 * Adds a run.
 */
OwContendedResult
ow_contended_add(Oid database, Oid owner, const OwRunRef *run)
{
	OwContendedResult result = OW_CONTENDED_KNOWN;
	Entry	   *entry;

	SpinLockAcquire(&contended->mutex);
	if (find_entry(database, owner, run) == NULL)
	{
		entry = find_free(run);
		if (entry != NULL)
		{
			entry->database = database;
			entry->owner = owner;
			entry->run = *run;
			pg_atomic_fetch_add_u32(&contended->count, 1);
			result = OW_CONTENDED_ADDED;
		}
		else
			result = OW_CONTENDED_FULL;
	}
	SpinLockRelease(&contended->mutex);
	return result;
}

/*
 * Removes a run; tells whether it was there.
 */
bool
ow_contended_remove(Oid database, Oid owner, const OwRunRef *run)
{
	Entry	   *entry;

	SpinLockAcquire(&contended->mutex);
	entry = find_entry(database, owner, run);
	if (entry != NULL)
	{
		entry->database = InvalidOid;
		pg_atomic_fetch_sub_u32(&contended->count, 1);
	}
	SpinLockRelease(&contended->mutex);
	return entry != NULL;
}

/*
 * Tells whether there is any entry at all.
 */
bool
ow_contended_any(void)
{
	pg_memory_barrier();
	return pg_atomic_read_u32(&contended->count) > 0;
}

/*
 * Tells whether an owner has any, without the lock: the answer may be old at once anyway.
 */
bool
ow_contended_any_of(Oid database, Oid owner)
{
	if (!ow_contended_any())
		return false;
	for (int i = 0; i < N_BUCKETS * BUCKET_SIZE; i++)
	{
		const volatile Entry *entry = &contended->buckets[0][0] + i;

		if (entry->database == database && entry->owner == owner)
			return true;
	}
	return false;
}

/*
 * Moves what there is of a database, or one owner of it, to the owners' rings.
 */
void
ow_contended_post_all(Oid database, Oid owner)
{
	Entry		taken;

	if (!ow_contended_any())
		return;
	for (int bucket = 0; bucket < N_BUCKETS; bucket++)
	{
		while (take_from_bucket(bucket, database, owner, &taken))
			ow_pool_post_run(taken.database, taken.owner, &taken.run);
	}
}

/*
 * Drops what there is of a database that has nothing to run any more.
 */
void
ow_contended_forget(Oid database)
{
	Entry		taken;

	if (!ow_contended_any())
		return;
	for (int bucket = 0; bucket < N_BUCKETS; bucket++)
	{
		while (take_from_bucket(bucket, database, InvalidOid, &taken))
			;
	}
}

/*
 * Takes one matching entry out of a bucket.
 */
static bool
take_from_bucket(int bucket, Oid database, Oid owner, Entry *taken)
{
	bool		found = false;

	SpinLockAcquire(&contended->mutex);
	for (int i = 0; i < BUCKET_SIZE && !found; i++)
	{
		Entry	   *entry = &contended->buckets[bucket][i];

		if (entry->database != database || (OidIsValid(owner) && entry->owner != owner))
			continue;
		*taken = *entry;
		entry->database = InvalidOid;
		pg_atomic_fetch_sub_u32(&contended->count, 1);
		found = true;
	}
	SpinLockRelease(&contended->mutex);
	return found;
}

static Entry *
bucket_of(const OwRunRef *run)
{
	uint32		hash = hash_bytes(run->run_id.data, UUID_LEN);

	return contended->buckets[hash % N_BUCKETS];
}

static Entry *
find_entry(Oid database, Oid owner, const OwRunRef *run)
{
	Entry	   *bucket = bucket_of(run);

	for (int i = 0; i < BUCKET_SIZE; i++)
	{
		if (bucket[i].database == database && bucket[i].owner == owner &&
			memcmp(&bucket[i].run.run_id, &run->run_id, sizeof(pg_uuid_t)) == 0)
			return &bucket[i];
	}
	return NULL;
}

static Entry *
find_free(const OwRunRef *run)
{
	Entry	   *bucket = bucket_of(run);

	for (int i = 0; i < BUCKET_SIZE; i++)
	{
		if (!OidIsValid(bucket[i].database))
			return &bucket[i];
	}
	return NULL;
}
