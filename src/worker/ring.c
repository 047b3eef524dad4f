/*
 * ring.c
 *		A pool's work as executors see it: the ring of ready runs, the walk through the tables that
 *		refills it, due timers, and who sleeps.
 *
 * Called by executors of the pool (by slot number), and by pool.c for those who post.
 *
 * The ring is a hint.  A run may be in it twice, or be no longer ready: the engine looks.  A run that
 * did not fit sets "rescan"; then executors walk through the tables, in steps that each refill the
 * ring, when the ring runs low.  A "rescan" set during a walk starts another one after it.
 *
 * No wake-up is lost: an executor goes to sleep under the mutex only when it sees no work, and whoever
 * brings work takes the mutex after having put it there.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "settings.h"
#include "worker/ring.h"

#define MAX_BACKOFF_S 60

static void push_scanned(OwPool *pool, const OwRunRef *refs, int count);
static int	wake_one(OwPool *pool);
static void set_detained(OwPool *pool, int slot, bool detained);
static void stop_resting(OwPool *pool, int slot);
static void unlink_idle(OwPool *pool, int slot);

static TimestampTz
next_due(OwPool *pool)
{
	return (TimestampTz) pg_atomic_read_u64(&pool->next_due);
}

/*
 * Takes ready runs out of the ring.
 */
int
ow_ring_pop(OwPool *pool, OwRunRef *refs, int limit)
{
	int			count;

	SpinLockAcquire(&pool->mutex);
	count = Min(limit, pool->ring_count);
	for (int i = 0; i < count; i++)
		refs[i] = pool->ring[(pool->ring_first + i) % OW_RING_SIZE];
	pool->ring_first = (pool->ring_first + count) % OW_RING_SIZE;
	pool->ring_count -= count;
	if (pool->ring_count <= ow_batch_size)
		pool->told_behind = false;
	SpinLockRelease(&pool->mutex);
	return count;
}

/*
 * Begins a step of the walk through the tables, if one is wanted and the ring runs low.
 */
bool
ow_ring_scan_begin(OwPool *pool, int slot, pg_uuid_t *position, int *room)
{
	bool		wanted;

	SpinLockAcquire(&pool->mutex);
	wanted = (pool->rescan || pool->scan_open) && pool->scanner == OW_NONE &&
		pool->ring_count < ow_batch_size;
	if (wanted)
	{
		if (!pool->scan_open)
		{
			pool->rescan = false;
			pool->scan_open = true;
			memset(&pool->scan_position, 0, sizeof(pool->scan_position));
		}
		pool->scanner = slot;
		*position = pool->scan_position;
		*room = OW_RING_SIZE - pool->ring_count;
	}
	SpinLockRelease(&pool->mutex);
	return wanted;
}

/*
 * Ends a step, with the runs it found.
 */
void
ow_ring_scan_end(OwPool *pool, const OwRunRef *refs, int count, bool at_end)
{
	OwRingWake	wake;
	int			pushed;

	SpinLockAcquire(&pool->mutex);
	pushed = Min(count, OW_RING_SIZE - pool->ring_count);
	push_scanned(pool, refs, pushed);
	pool->scanner = OW_NONE;
	pool->scan_open = !at_end || pushed < count;
	wake = ow_ring_announce(pool);
	SpinLockRelease(&pool->mutex);
	ow_ring_wake(wake);
}

/*
 * Adds what a step found, and moves the walk's position to where it can go on.
 */
static void
push_scanned(OwPool *pool, const OwRunRef *refs, int count)
{
	for (int i = 0; i < count; i++)
		ow_ring_push(pool, &refs[i]);
	if (count > 0)
		pool->scan_position = refs[count - 1].run_id;
}

/*
 * Has the tables walked through from the start, and all timers looked at that are due.
 */
void
ow_ring_rescan(OwPool *pool, int slot)
{
	(void) ow_shared_earlier(&pool->next_due, DT_NOBEGIN);
	SpinLockAcquire(&pool->mutex);
	pool->rescan = true;
	if (pool->scanner == slot)
	{
		pool->scanner = OW_NONE;
		pool->scan_open = false;
	}
	SpinLockRelease(&pool->mutex);
}

/*
 * Takes over the timers that are due: returns the time from which to look for them, and leaves the
 * pool with none.
 *
 * The caller takes its snapshot after this.  So a timer it cannot see commits later, and its committer
 * moves the pool's time after that; a timer it sees but leaves undone it posts again.
 */
TimestampTz
ow_ring_take_due(OwPool *pool, TimestampTz now)
{
	uint64		due = pg_atomic_read_u64(&pool->next_due);

	while ((TimestampTz) due <= now)
	{
		if (pg_atomic_compare_exchange_u64(&pool->next_due, &due, (uint64) DT_NOEND))
			return (TimestampTz) due;
	}
	return DT_NOEND;
}

/*
 * Goes to sleep, unless there is work.
 */
bool
ow_ring_sleep(OwPool *pool, int slot)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		idle = false;

	SpinLockAcquire(&pool->mutex);
	if (!ow_ring_has_work(pool, now))
	{
		Assert(ow_shared_slots[slot].rest == OW_REST_BUSY);
		ow_shared_slots[slot].rest = OW_REST_IDLE;
		ow_shared_slots[slot].next_idle = pool->idle_head;
		pool->idle_head = slot;
		pool->idle++;
		idle = true;
	}
	SpinLockRelease(&pool->mutex);
	return idle;
}

/*
 * Wakes up, whatever the reason.
 */
void
ow_ring_awake(OwPool *pool, int slot)
{
	SpinLockAcquire(&pool->mutex);
	stop_resting(pool, slot);
	SpinLockRelease(&pool->mutex);
}

/*
 * Lets others no longer count on this executor, or again: it may be busy for long.
 */
void
ow_ring_detain(OwPool *pool, int slot, bool detained)
{
	OwRingWake	wake = {OW_NONE, false};

	SpinLockAcquire(&pool->mutex);
	set_detained(pool, slot, detained);
	if (detained && pool->ring_count > 0)
		wake = ow_ring_announce(pool);
	SpinLockRelease(&pool->mutex);
	ow_ring_wake(wake);
}

/*
 * Leaves the pool, and tells those who stay, or the launcher, what work is left.
 */
void
ow_ring_leave(OwPool *pool, int slot)
{
	TimestampTz now = GetCurrentTimestamp();
	OwRingWake	wake = {OW_NONE, false};

	SpinLockAcquire(&pool->mutex);
	stop_resting(pool, slot);
	set_detained(pool, slot, false);
	pool->executors--;
	if (ow_ring_has_work(pool, now))
		wake = ow_ring_announce(pool);
	SpinLockRelease(&pool->mutex);
	ow_ring_wake(wake);
}

/*
 * Takes a dying process out of the pool.  What it had in hand is still in the tables.
 */
void
ow_ring_abandon(OwPool *pool, int slot)
{
	OwRingWake	wake;

	(void) ow_shared_earlier(&pool->next_due, DT_NOBEGIN);
	SpinLockAcquire(&pool->mutex);
	stop_resting(pool, slot);
	set_detained(pool, slot, false);
	pool->executors--;
	pool->rescan = true;
	pool->told_behind = false;
	if (pool->scanner == slot)
	{
		pool->scanner = OW_NONE;
		pool->scan_open = false;
	}
	wake = ow_ring_announce(pool);
	SpinLockRelease(&pool->mutex);
	ow_ring_wake(wake);
}

/*
 * Puts off the next start after one that failed.  Views do not show the reason while other executors
 * see to the pool.
 */
void
ow_ring_note_failure(OwPool *pool, const char *reason, bool counted)
{
	TimestampTz now = GetCurrentTimestamp();
	int			seconds;

	SpinLockAcquire(&pool->mutex);
	seconds = Min(1 << Min(pool->failures, 6), MAX_BACKOFF_S);
	if (counted)
		pool->failures++;
	pool->parked_at = 0;
	pool->retry_at = TimestampTzPlusMilliseconds(now, seconds * INT64CONST(1000));
	if (pool->executors <= 1)
		strlcpy(pool->reason, reason, OW_REASON_LEN);
	SpinLockRelease(&pool->mutex);
}

/*
 * Tells whether an executor that came now would find something to do.
 */
bool
ow_ring_has_work(OwPool *pool, TimestampTz now)
{
	return pool->ring_count > 0 ||
		((pool->rescan || pool->scan_open) && pool->scanner == OW_NONE) ||
		next_due(pool) <= now;
}

/*
 * Tells whether another executor would help: there is more than those there can soon do, or something
 * that none of them will soon look at.
 */
bool
ow_ring_is_behind(OwPool *pool, TimestampTz now)
{
	return pool->ring_count > 2 * ow_batch_size * pool->executors ||
		(ow_ring_all_long(pool) && ow_ring_has_work(pool, now));
}

bool
ow_ring_all_long(OwPool *pool)
{
	return pg_atomic_read_u32(&pool->n_long) >= (uint32) pool->executors;
}

/*
 * Notes that a slot's executor is not about to look for work.
 */
void
ow_ring_note_long(OwPool *pool, int slot)
{
	if (pg_atomic_exchange_u32(&ow_shared_slots[slot].is_long, 1) == 0)
		pg_atomic_fetch_add_u32(&pool->n_long, 1);
	ow_shared_wake(ow_shared->launcher);
}

void
ow_ring_note_short(OwPool *pool, int slot)
{
	if (pg_atomic_read_u32(&ow_shared_slots[slot].is_long) != 0 &&
		pg_atomic_exchange_u32(&ow_shared_slots[slot].is_long, 0) != 0)
		pg_atomic_fetch_sub_u32(&pool->n_long, 1);
}

/*
 * Adds a run, or the knowledge that one is missing.
 */
void
ow_ring_push(OwPool *pool, const OwRunRef *run)
{
	if (pool->ring_count == OW_RING_SIZE)
	{
		pool->rescan = true;
		return;
	}
	pool->ring[(pool->ring_first + pool->ring_count) % OW_RING_SIZE] = *run;
	pool->ring_count++;
}

/*
 * Chooses whom to wake: a sleeping executor, or the launcher, once, when there is none or when they
 * do not keep up.
 */
OwRingWake
ow_ring_announce(OwPool *pool)
{
	OwRingWake	wake = {OW_NONE, false};

	if (pool->executors == 0)
	{
		wake.launcher = !pool->told;
		pool->told = true;
		return wake;
	}

	/* Told again only after the ring has been low, so there must be something in it */
	wake.executor = wake_one(pool);
	if (wake.executor == OW_NONE && pool->woken == 0 && pool->ring_count > 0 &&
		!pool->told_behind && ow_ring_is_behind(pool, DT_NOBEGIN))
	{
		wake.launcher = true;
		pool->told_behind = true;
	}
	return wake;
}

void
ow_ring_wake(OwRingWake wake)
{
	ow_shared_wake(wake.executor);
	if (wake.launcher)
		ow_shared_wake(ow_shared->launcher);
}

/*
 * Takes an executor off the list of sleeping ones, unless those awake or already woken will do: they
 * look at the ring again before they sleep, soon unless detained, and then find a batch worth its
 * commit.
 */
static int
wake_one(OwPool *pool)
{
	int			at_hand = pool->executors - pool->idle - pool->detained;
	OwSlot	   *slot;

	if (pool->idle_head == OW_NONE)
		return OW_NONE;
	if (at_hand > 0 && pool->ring_count <= at_hand * ow_batch_size)
		return OW_NONE;

	slot = &ow_shared_slots[pool->idle_head];
	Assert(slot->rest == OW_REST_IDLE);
	pool->idle_head = slot->next_idle;
	pool->idle--;
	slot->rest = OW_REST_WOKEN;
	pool->woken++;
	return slot->pgprocno;
}

static void
set_detained(OwPool *pool, int slot, bool detained)
{
	if (ow_shared_slots[slot].detained == detained)
		return;
	ow_shared_slots[slot].detained = detained;
	pool->detained += detained ? 1 : -1;
}

/*
 * Makes a slot busy.
 */
static void
stop_resting(OwPool *pool, int slot)
{
	switch (ow_shared_slots[slot].rest)
	{
		case OW_REST_BUSY:
			break;
		case OW_REST_IDLE:
			unlink_idle(pool, slot);
			break;
		case OW_REST_WOKEN:
			pool->woken--;
			break;
	}
	ow_shared_slots[slot].rest = OW_REST_BUSY;
}

static void
unlink_idle(OwPool *pool, int slot)
{
	int		   *link = &pool->idle_head;

	while (*link != slot)
	{
		Assert(*link != OW_NONE);
		link = &ow_shared_slots[*link].next_idle;
	}
	*link = ow_shared_slots[slot].next_idle;
	pool->idle--;
}
