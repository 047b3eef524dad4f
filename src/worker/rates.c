/*
 * rates.c
 *		Shared memory: how many tasks have come into each task queue in the last minute, and been taken.
 *
 * A slot has a ring of buckets, of five seconds each, for one owner and queue.  It is found by its hash, among the few
 * that follow.  One that has counted nothing for a minute counts nothing that is asked for, and so is anybody's to
 * take; there is no lock but each slot's own, so two backends may take one each for the same queue: readers add up.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "worker/rates.h"

#define SLOTS 1024
#define PROBES 16
#define BUCKETS 12
#define BUCKET_US (5 * USECS_PER_SEC)

typedef struct OwRate
{
	slock_t		mutex;
	Oid			database;		/* InvalidOid: never used */
	Oid			owner;
	uint32		queue_key;
	int64		latest;			/* number of the latest bucket, in time since the epoch */
	uint32		added[BUCKETS];
	uint32		taken[BUCKETS];
} OwRate;

/* NULL when the library was not preloaded */
static OwRate *rates;

Size
ow_rates_size(void)
{
	return mul_size(SLOTS, sizeof(OwRate));
}

void
ow_rates_startup(void)
{
	bool		found;

	rates = ShmemInitStruct("order_workflow rates", ow_rates_size(), &found);
	if (found)
		return;
	memset(rates, 0, ow_rates_size());
	for (int i = 0; i < SLOTS; i++)
		SpinLockInit(&rates[i].mutex);
}

static int64
bucket_at(TimestampTz now)
{
	return now / BUCKET_US;
}

static OwRate *
probe(Oid owner, uint32 queue_key, int n)
{
	return &rates[(hash_combine(queue_key, hash_uint32(owner)) + n) % SLOTS];
}

static bool
is_of(const OwRate *rate, Oid owner, uint32 queue_key)
{
	return rate->database == MyDatabaseId && rate->owner == owner && rate->queue_key == queue_key;
}

static bool
is_stale(const OwRate *rate, int64 bucket)
{
	return rate->database == InvalidOid || rate->latest + BUCKETS <= bucket;
}

/* Empties the buckets since the latest. */
static void
move_on(OwRate *rate, int64 bucket)
{
	if (is_stale(rate, bucket))
		rate->latest = bucket - BUCKETS;
	while (rate->latest < bucket)
	{
		rate->latest++;
		rate->added[rate->latest % BUCKETS] = rate->taken[rate->latest % BUCKETS] = 0;
	}
}

/* Adds to the slot if it is, or may become, that of the queue. */
static bool
count_in(OwRate *rate, Oid owner, uint32 queue_key, int64 bucket, int added, int taken)
{
	bool		ours;

	SpinLockAcquire(&rate->mutex);
	ours = is_of(rate, owner, queue_key) || is_stale(rate, bucket);
	if (ours)
	{
		move_on(rate, bucket);
		rate->database = MyDatabaseId;
		rate->owner = owner;
		rate->queue_key = queue_key;
		rate->added[bucket % BUCKETS] += added;
		rate->taken[bucket % BUCKETS] += taken;
	}
	SpinLockRelease(&rate->mutex);
	return ours;
}

void
ow_rates_count(Oid owner, uint32 queue_key, int added, int taken)
{
	int64		bucket;

	if (rates == NULL)
		return;
	bucket = bucket_at(GetCurrentTimestamp());
	for (int n = 0; n < PROBES; n++)
	{
		if (count_in(probe(owner, queue_key, n), owner, queue_key, bucket, added, taken))
			return;
	}
}

/* Adds up what is younger than a minute; true when something is known by this slot, if only that it is free. */
static bool
read_slot(OwRate *rate, Oid owner, uint32 queue_key, int64 bucket, uint64 *added, uint64 *taken)
{
	bool		known;

	SpinLockAcquire(&rate->mutex);
	known = is_stale(rate, bucket);
	if (!known && is_of(rate, owner, queue_key))
	{
		known = true;
		for (int64 i = Max(bucket - BUCKETS + 1, rate->latest - BUCKETS + 1); i <= rate->latest; i++)
		{
			*added += rate->added[i % BUCKETS];
			*taken += rate->taken[i % BUCKETS];
		}
	}
	SpinLockRelease(&rate->mutex);
	return known;
}

bool
ow_rates_read(Oid owner, uint32 queue_key, double *added, double *taken)
{
	TimestampTz now = GetCurrentTimestamp();
	uint64		n_added = 0;
	uint64		n_taken = 0;
	bool		known = false;
	double		seconds = ((BUCKETS - 1) * BUCKET_US + now % BUCKET_US) / (double) USECS_PER_SEC;

	if (rates == NULL)
		return false;
	for (int n = 0; n < PROBES; n++)
		known |= read_slot(probe(owner, queue_key, n), owner, queue_key, bucket_at(now), &n_added, &n_taken);
	*added = n_added / seconds;
	*taken = n_taken / seconds;
	return known;
}
