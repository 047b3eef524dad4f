/*
 * guard.c
 *		The activity timeout.
 */
#include "postgres.h"

#include "engine/guard.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#define GRACE_MS 1000			/* between one firing and the next */
#define FIRINGS_BEFORE_END 10

static TimeoutId guard_timeout;
static bool registered = false;
static volatile sig_atomic_t firings;
static volatile sig_atomic_t gave_up;

/* Runs in a signal handler. */
static void
guard_fired(void)
{
	firings++;
	InterruptPending = true;
	QueryCancelPending = true;
	if (firings > FIRINGS_BEFORE_END && IsBackgroundWorker)
	{
		gave_up = true;
		ProcDiePending = true;
	}
	SetLatch(MyLatch);
}

void
ow_guard_arm(int64 limit_ms)
{
	if (!registered)
	{
		guard_timeout = RegisterTimeout(USER_TIMEOUT, guard_fired);
		registered = true;
	}
	firings = 0;
	enable_timeout_every(guard_timeout, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), limit_ms), GRACE_MS);
}

bool
ow_guard_gave_up(void)
{
	return gave_up;
}

bool
ow_guard_disarm(void)
{
	disable_timeout(guard_timeout, false);
	if (firings == 0)
		return false;
	QueryCancelPending = false; /* ours, if it was not taken yet */
	return true;
}
