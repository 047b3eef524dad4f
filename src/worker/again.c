/*
 * again.c
 *		Runs that an executor has to try again: those it could not lock, and those that failed it.
 *
 * A run that could not be locked is tried once more in the next batch, as contended.c wants it, and
 * from then on is left to the end of its holder's transaction, or to the look that is taken every
 * second.
 *
 * A run whose processing raises an error, which no run should, is tried again after 1 s, 2 s … 60 s:
 * it stays in trouble alone, and visible in the log, without holding up the others.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "settings.h"
#include "worker/again.h"

#define LOOK_MS 1000
#define MAX_FAILED 64
#define MAX_DELAY_S 60

typedef struct FailedRun
{
	OwRunRef	run;
	int			failures;
	TimestampTz retry_at;
} FailedRun;

/* To be tried once more, being tried once more, and found locked in the batch in hand */
static OwRunRef once_more[OW_MAX_BATCH_SIZE];
static int	n_once_more;
static OwRunRef in_retry[OW_MAX_BATCH_SIZE];
static int	n_in_retry;
static OwRunRef found_locked[OW_MAX_BATCH_SIZE];
static int	n_found_locked;

static FailedRun failed[MAX_FAILED];
static int	n_failed;

static TimestampTz look_at;		/* when to post again what is contended */
static TimestampTz rescan_at = DT_NOEND;

static bool is_same(const OwRunRef *a, const OwRunRef *b);
static bool is_listed(const OwRunRef *run, const OwRunRef *list, int count);
static int	find_failed(const OwRunRef *run);

/*
 * Remembers that a run of the batch in hand could not be locked.
 */
void
ow_again_contended(const OwRunRef *run, OwContendedResult result)
{
	if (n_found_locked < OW_MAX_BATCH_SIZE)
		found_locked[n_found_locked++] = *run;
	if (result == OW_CONTENDED_ADDED && n_once_more < OW_MAX_BATCH_SIZE)
		once_more[n_once_more++] = *run;
	else if (result != OW_CONTENDED_KNOWN)
		rescan_at = Min(rescan_at, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_MS));
}

/*
 * Remembers that a run, alone in its batch, raised an error.
 */
bool
ow_again_failed(const OwRunRef *run)
{
	int			i = find_failed(run);
	int			seconds;

	if (i < 0)
	{
		if (n_failed == MAX_FAILED)
			return false;
		i = n_failed++;
		failed[i].run = *run;
		failed[i].failures = 0;
	}
	seconds = failed[i].failures > 5 ? MAX_DELAY_S : 1 << failed[i].failures;
	failed[i].failures++;
	failed[i].retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 seconds * INT64CONST(1000));
	return true;
}

/*
 * Forgets what the batch has settled.
 */
void
ow_again_settle(Oid database, Oid role, const OwRunRef *batch, int count)
{
	for (int i = 0; i < n_in_retry; i++)
	{
		if (!is_listed(&in_retry[i], found_locked, n_found_locked))
			(void) ow_contended_remove(database, role, &in_retry[i]);
	}
	n_in_retry = 0;
	n_found_locked = 0;

	for (int i = 0; i < count && n_failed > 0; i++)
	{
		int			known = find_failed(&batch[i]);

		if (known >= 0)
			failed[known] = failed[--n_failed];
	}
}

void
ow_again_break_off(void)
{
	n_in_retry = 0;
	n_found_locked = 0;
}

/*
 * Gives the runs to try again now; posts to the ring, where others find them too, what has been
 * contended for a while.
 */
int
ow_again_take(Oid database, Oid role, OwRunRef *refs, int limit)
{
	TimestampTz now;
	int			count = 0;

	while (n_once_more > 0 && count < limit)
	{
		refs[count] = once_more[--n_once_more];
		in_retry[n_in_retry++] = refs[count++];
	}
	if (n_failed == 0 && !ow_contended_any())
		return count;

	now = GetCurrentTimestamp();
	for (int i = 0; i < n_failed && count < limit; i++)
	{
		if (failed[i].retry_at > now)
			continue;
		failed[i].retry_at = TimestampTzPlusMilliseconds(now, MAX_DELAY_S * INT64CONST(1000));
		refs[count++] = failed[i].run;
	}
	if (look_at <= now)
	{
		ow_contended_post_all(database, role);
		look_at = TimestampTzPlusMilliseconds(now, LOOK_MS);
	}
	return count;
}

/*
 * Tells whether to walk through the tables because of runs that found no room.
 */
bool
ow_again_wants_rescan(void)
{
	if (rescan_at == DT_NOEND || rescan_at > GetCurrentTimestamp())
		return false;
	rescan_at = DT_NOEND;
	return true;
}

/*
 * Tells when there may be something to do.
 */
TimestampTz
ow_again_next(Oid database, Oid role)
{
	TimestampTz next = rescan_at;

	if (n_once_more > 0)
		return DT_NOBEGIN;
	for (int i = 0; i < n_failed; i++)
		next = Min(next, failed[i].retry_at);
	if (ow_contended_any_of(database, role))
		next = Min(next, look_at);
	return next;
}

static bool
is_same(const OwRunRef *a, const OwRunRef *b)
{
	return memcmp(&a->run_id, &b->run_id, sizeof(pg_uuid_t)) == 0;
}

static bool
is_listed(const OwRunRef *run, const OwRunRef *list, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (is_same(run, &list[i]))
			return true;
	}
	return false;
}

static int
find_failed(const OwRunRef *run)
{
	for (int i = 0; i < n_failed; i++)
	{
		if (is_same(run, &failed[i].run))
			return i;
	}
	return -1;
}
