/*
 * pool.c
 *		Which pools there are, and how work is posted to them.
 *
 * Called at the end of transactions (wakeup.c), by scanners, by the launcher, and by views.  See
 * shared.h for the locks, ring.c for what is inside a pool.
 *
 * A pool is made when work is first posted for its (database, role).  When none is free, one without
 * anything to do is given up; its next timer then counts as overflow, as does work that finds no pool
 * at all: the launcher scans all databases when that is due.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "worker/contended.h"
#include "worker/executor.h"
#include "worker/pool.h"
#include "worker/ring.h"
#include "worker/slot.h"
#include "worker/wakeup.h"

/* Work that found no pool is looked for again after this */
#define OVERFLOW_RETRY_MS 5000

static OwPool *lock_pool(Oid database, Oid role);
static OwPool *find_pool(Oid database, Oid role);
static OwPool *create_pool(Oid database, Oid role);
static OwPool *give_one_up(void);
static void reset_pool(OwPool *pool, Oid database, Oid role);
static void note_overflow(TimestampTz due);
static void forget_pool(OwPool *pool);
static OwPool *lock_known_pool(Oid database, Oid role);
static void unlock_known_pool(OwPool *pool);
static void view_pool(int index, OwPoolView *view);
static OwPoolInfo *describe_pool(OwPool *pool);
static const char *slot_state_name(const OwSlot *slot);

/*
 * Tells whether there are workers at all.
 */
bool
ow_pool_available(void)
{
	return ow_shared != NULL;
}

/*
 * Posts a run that is ready.
 */
void
ow_pool_post_run(Oid database, Oid owner, const OwRunRef *run)
{
	OwPool	   *pool = lock_pool(database, owner);
	OwRingWake	wake;

	if (pool == NULL)
		return;
	SpinLockAcquire(&pool->mutex);
	ow_ring_push(pool, run);
	wake = ow_ring_announce(pool);
	SpinLockRelease(&pool->mutex);
	LWLockRelease(ow_shared->lock);
	ow_ring_wake(wake);
}

/*
 * Posts the time a timer falls due.
 */
void
ow_pool_post_due(Oid database, Oid owner, TimestampTz due)
{
	OwPool	   *pool;
	OwRingWake	wake = {OW_NONE, false};

	if (due == DT_NOEND)
		return;
	pool = lock_pool(database, owner);
	if (pool == NULL)
		return;
	if (ow_shared_earlier(&pool->next_due, due))
	{
		/* Asleep till the earliest time known so far: an executor, or else the launcher */
		SpinLockAcquire(&pool->mutex);
		if (pool->executors > 0)
			wake = ow_ring_announce(pool);
		wake.launcher |= ow_ring_all_long(pool);
		SpinLockRelease(&pool->mutex);
	}
	LWLockRelease(ow_shared->lock);
	ow_ring_wake(wake);
}

/*
 * Sends the owner's executors to the tables, for ready runs and timers.  Ends parking.
 */
void
ow_pool_post_rescan(Oid database, Oid owner)
{
	OwPool	   *pool = lock_pool(database, owner);
	OwRingWake	wake;

	if (pool == NULL)
		return;
	(void) ow_shared_earlier(&pool->next_due, DT_NOBEGIN);
	SpinLockAcquire(&pool->mutex);
	pool->rescan = true;
	if (pool->parked_at != 0)
		pool->retry_at = 0;
	pool->told = false;
	wake = ow_ring_announce(pool);
	wake.launcher |= ow_ring_all_long(pool);
	SpinLockRelease(&pool->mutex);
	LWLockRelease(ow_shared->lock);
	ow_ring_wake(wake);
}

/*
 * Asks for a scanner.
 */
void
ow_pool_request_scan(Oid database)
{
	bool		known = false;

	if (ow_shared == NULL)
		return;
	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < ow_shared->n_scan_requests && !known; i++)
		known = ow_shared->scan_requests[i] == database;
	if (!known && ow_shared->n_scan_requests < OW_MAX_SCAN_REQUESTS)
		ow_shared->scan_requests[ow_shared->n_scan_requests++] = database;
	else if (!known)
		ow_shared->scan_all = true;
	LWLockRelease(ow_shared->lock);
	ow_shared_wake(ow_shared->launcher);
}

/*
 * Has everything of a database looked for in its tables: at the end of the transaction, if in one.
 */
void
ow_pool_rescan_database(Oid database)
{
	if (ow_shared == NULL)
		return;
	if (IsTransactionState())
		ow_wakeup_scan(database);
	else
		ow_pool_request_scan(database);
}

/*
 * Drops all work of a database.
 *
 * A caller that found no extension there looks again after this: one may have been created, and work
 * posted, in the meantime.
 */
void
ow_pool_forget_database(Oid database)
{
	if (ow_shared == NULL)
		return;
	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < ow_shared->n_pools; i++)
	{
		if (ow_shared_pools[i].in_use && ow_shared_pools[i].database == database)
			forget_pool(&ow_shared_pools[i]);
	}
	LWLockRelease(ow_shared->lock);
	ow_contended_forget(database);
}

static void
forget_pool(OwPool *pool)
{
	SpinLockAcquire(&pool->mutex);
	pg_atomic_write_u64(&pool->next_due, (uint64) DT_NOEND);
	pool->ring_count = 0;
	pool->rescan = false;
	pool->scan_open = false;
	pool->told = false;
	pool->in_use = pool->executors > 0;
	SpinLockRelease(&pool->mutex);
}

/*
 * Finds or makes the pool; returns with the lock held, or without a pool and without the lock.
 */
static OwPool *
lock_pool(Oid database, Oid role)
{
	OwPool	   *pool;

	if (ow_shared == NULL)
		return NULL;

	LWLockAcquire(ow_shared->lock, LW_SHARED);
	pool = find_pool(database, role);
	if (pool != NULL)
		return pool;
	LWLockRelease(ow_shared->lock);

	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	pool = find_pool(database, role);
	if (pool == NULL)
		pool = create_pool(database, role);
	if (pool != NULL)
		return pool;
	LWLockRelease(ow_shared->lock);

	note_overflow(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), OVERFLOW_RETRY_MS));
	return NULL;
}

static OwPool *
find_pool(Oid database, Oid role)
{
	for (int i = 0; i < ow_shared->n_pools; i++)
	{
		OwPool	   *pool = &ow_shared_pools[i];

		if (pool->role == role && pool->database == database && pool->in_use)
			return pool;
	}
	return NULL;
}

/*
 * Makes a pool; NULL when all have something to do.
 */
static OwPool *
create_pool(Oid database, Oid role)
{
	OwPool	   *pool = NULL;

	for (int i = 0; i < ow_shared->n_pools && pool == NULL; i++)
	{
		if (!ow_shared_pools[i].in_use)
			pool = &ow_shared_pools[i];
	}
	if (pool == NULL)
		pool = give_one_up();
	if (pool != NULL)
		reset_pool(pool, database, role);
	return pool;
}

/*
 * Gives up the pool that is idle for longest to come, or else one that is parked.
 */
static OwPool *
give_one_up(void)
{
	TimestampTz now = GetCurrentTimestamp();
	OwPool	   *best = NULL;
	TimestampTz best_due = DT_NOBEGIN;

	for (int i = 0; i < ow_shared->n_pools; i++)
	{
		OwPool	   *pool = &ow_shared_pools[i];
		TimestampTz due = (TimestampTz) pg_atomic_read_u64(&pool->next_due);
		bool		work;

		/* Nobody can start an executor in it, or post to it, while this holds the lock */
		SpinLockAcquire(&pool->mutex);
		work = ow_ring_has_work(pool, now);
		if (pool->executors > 0 || (work && pool->parked_at == 0))
			due = DT_NOBEGIN;
		else if (work)
			due = now;
		SpinLockRelease(&pool->mutex);

		if (due > best_due)
		{
			best = pool;
			best_due = due;
		}
	}
	if (best != NULL && best_due != DT_NOEND)
		note_overflow(Max(best_due, TimestampTzPlusMilliseconds(now, OVERFLOW_RETRY_MS)));
	return best;
}

static void
reset_pool(OwPool *pool, Oid database, Oid role)
{
	Assert(pool->executors == 0 && pool->woken == 0);

	pool->in_use = true;
	pool->database = database;
	pool->role = role;
	pg_atomic_write_u64(&pool->next_due, (uint64) DT_NOEND);
	pool->idle_head = OW_NONE;
	pool->scanner = OW_NONE;
	pool->rescan = false;
	pool->scan_open = false;
	pool->told = false;
	pool->told_behind = false;
	pool->waiting_since = 0;
	pool->retry_at = 0;
	pool->parked_at = 0;
	pool->failures = 0;
	pool->reason[0] = '\0';
	pool->ring_first = 0;
	pool->ring_count = 0;
}

/*
 * Has all databases scanned then.
 */
static void
note_overflow(TimestampTz due)
{
	if (ow_shared_earlier(&ow_shared->overflow_due, due))
		ow_shared_wake(ow_shared->launcher);
}

/*
 * Copies what the launcher decides by.
 */
int
ow_pool_view_all(OwPoolView *views)
{
	int			count = 0;

	LWLockAcquire(ow_shared->lock, LW_SHARED);
	for (int i = 0; i < ow_shared->n_pools; i++)
	{
		if (ow_shared_pools[i].in_use)
			view_pool(i, &views[count++]);
	}
	LWLockRelease(ow_shared->lock);

	for (int i = 0; i < count; i++)
		views[i].work = views[i].work || ow_contended_any_of(views[i].database, views[i].role);
	return count;
}

static void
view_pool(int index, OwPoolView *view)
{
	OwPool	   *pool = &ow_shared_pools[index];
	TimestampTz now = GetCurrentTimestamp();

	view->index = index;
	view->database = pool->database;
	view->role = pool->role;
	view->next_due = (TimestampTz) pg_atomic_read_u64(&pool->next_due);

	SpinLockAcquire(&pool->mutex);
	view->executors = pool->executors;
	view->idle = pool->woken;
	for (int slot = pool->idle_head; slot != OW_NONE; slot = ow_shared_slots[slot].next_idle)
		view->idle++;
	view->ready = pool->ring_count;
	view->work = ow_ring_has_work(pool, now);
	view->behind = ow_ring_is_behind(pool, now);
	view->all_long = ow_ring_all_long(pool);
	view->waiting_since = pool->waiting_since;
	view->retry_at = pool->retry_at;
	view->parked_at = pool->parked_at;

	/* From here on the launcher is to be told of work that it does not see now */
	if (!view->work)
		pool->told = false;
	view->told = pool->told;
	SpinLockRelease(&pool->mutex);
}

/*
 * Finds a pool that there was a moment ago; returns with the lock and the pool's mutex held, or
 * without a pool and without either.
 */
static OwPool *
lock_known_pool(Oid database, Oid role)
{
	OwPool	   *pool;

	LWLockAcquire(ow_shared->lock, LW_SHARED);
	pool = find_pool(database, role);
	if (pool != NULL)
		SpinLockAcquire(&pool->mutex);
	else
		LWLockRelease(ow_shared->lock);
	return pool;
}

static void
unlock_known_pool(OwPool *pool)
{
	SpinLockRelease(&pool->mutex);
	LWLockRelease(ow_shared->lock);
}

/*
 * Notes since when a pool has had work and no executor.
 */
void
ow_pool_note_waiting(Oid database, Oid role, TimestampTz since)
{
	OwPool	   *pool = lock_known_pool(database, role);

	if (pool == NULL)
		return;
	pool->waiting_since = since;
	unlock_known_pool(pool);
}

void
ow_pool_clear_told(Oid database, Oid role)
{
	OwPool	   *pool = lock_known_pool(database, role);

	if (pool == NULL)
		return;
	pool->told = false;
	unlock_known_pool(pool);
}

/*
 * Parks a pool: as things are, no executor can run there.
 */
void
ow_pool_park(Oid database, Oid role, TimestampTz retry_at, const char *reason)
{
	TimestampTz now = GetCurrentTimestamp();
	OwPool	   *pool = lock_known_pool(database, role);

	if (pool == NULL)
		return;
	pool->parked_at = now;
	pool->retry_at = retry_at;
	strlcpy(pool->reason, reason, OW_REASON_LEN);
	unlock_known_pool(pool);
}

/*
 * Notes that an executor runs, and what troubles it (NULL: nothing).
 */
void
ow_pool_note_running(Oid database, Oid role, const char *trouble)
{
	OwPool	   *pool = lock_known_pool(database, role);

	if (pool == NULL)
		return;
	pool->failures = 0;
	pool->parked_at = 0;
	pool->retry_at = 0;
	strlcpy(pool->reason, trouble != NULL ? trouble : "", OW_REASON_LEN);
	unlock_known_pool(pool);
}

/*
 * Lets the launcher try parked pools again.
 */
void
ow_pool_unpark(Oid database)
{
	LWLockAcquire(ow_shared->lock, LW_SHARED);
	for (int i = 0; i < ow_shared->n_pools; i++)
	{
		OwPool	   *pool = &ow_shared_pools[i];

		if (OidIsValid(database) && pool->database != database)
			continue;
		SpinLockAcquire(&pool->mutex);
		if (pool->parked_at != 0)
			pool->retry_at = 0;
		SpinLockRelease(&pool->mutex);
	}
	LWLockRelease(ow_shared->lock);
}

/*
 * Lists the executors of this database.
 */
List *
ow_pool_list_workers(void)
{
	List	   *workers = NIL;

	if (ow_shared == NULL)
		return NIL;
	LWLockAcquire(ow_shared->lock, LW_SHARED);
	for (int i = 0; i < ow_shared->n_slots; i++)
	{
		OwSlot	   *slot = &ow_shared_slots[i];
		OwWorkerInfo *info;

		if (!ow_slot_is_used(slot) || slot->kind != OW_SLOT_EXECUTOR ||
			slot->database != MyDatabaseId)
			continue;
		info = palloc(sizeof(OwWorkerInfo));
		info->pid = slot->pid;
		info->database = slot->database;
		info->role = slot->role;
		info->started_at = slot->started_at;
		info->last_batch_at = slot->last_batch_at;
		info->batches = slot->batches;
		info->runs = slot->runs;
		info->state = slot_state_name(slot);
		workers = lappend(workers, info);
	}
	LWLockRelease(ow_shared->lock);
	return workers;
}

static const char *
slot_state_name(const OwSlot *slot)
{
	switch (slot->state)
	{
		case OW_SLOT_FREE:
		case OW_SLOT_ENDED:
			break;
		case OW_SLOT_STARTING:
			return "starting";
		case OW_SLOT_RUNNING:
			return slot->rest == OW_REST_IDLE ? "idle" : "running";
		case OW_SLOT_LEAVING:
			return "leaving";
	}
	return NULL;
}

/*
 * Lists the pools of this database.
 */
List *
ow_pool_list_pools(void)
{
	List	   *pools = NIL;

	if (ow_shared == NULL)
		return NIL;
	LWLockAcquire(ow_shared->lock, LW_SHARED);
	for (int i = 0; i < ow_shared->n_pools; i++)
	{
		OwPool	   *pool = &ow_shared_pools[i];

		if (pool->in_use && pool->database == MyDatabaseId)
			pools = lappend(pools, describe_pool(pool));
	}
	LWLockRelease(ow_shared->lock);
	return pools;
}

static OwPoolInfo *
describe_pool(OwPool *pool)
{
	OwPoolInfo *info = palloc(sizeof(OwPoolInfo));
	char		reason[OW_REASON_LEN];

	info->database = pool->database;
	info->role = pool->role;
	info->next_due = (TimestampTz) pg_atomic_read_u64(&pool->next_due);

	SpinLockAcquire(&pool->mutex);
	info->executors = pool->executors;
	info->ready = pool->ring_count;
	info->rescan = pool->rescan || pool->scan_open;
	memcpy(reason, pool->reason, OW_REASON_LEN);
	SpinLockRelease(&pool->mutex);

	info->parked_reason = reason[0] == '\0' ? NULL : pstrdup(reason);
	return info;
}
