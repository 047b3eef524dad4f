/*
 * retry.c
 *		Decides whether a failed attempt is followed by another, and when.
 */
#include "postgres.h"

#include <math.h>

#include "machine/instant.h"
#include "machine/retry.h"

/* About a century: keeps the arithmetic far from overflow. */
#define MAX_DELAY_MS (INT64CONST(36500) * 24 * 3600 * 1000)

/* Compares with a name in a list, wildcards included. */
static bool
name_matches(const char *error, const char *listed, bool catching)
{
	bool		runtime = strcmp(error, OW_ERROR_RUNTIME) == 0;
	bool		terminal = runtime || strcmp(error, OW_ERROR_DATA_LIMIT) == 0;
	bool		heartbeat = strcmp(error, OW_ERROR_HEARTBEAT_TIMEOUT) == 0;
	bool		timeout = heartbeat || strcmp(error, OW_ERROR_TIMEOUT) == 0;

	if (strcmp(error, listed) == 0)
		return true;
	if (strcmp(listed, OW_ERROR_ALL) == 0)
		return catching ? !runtime : !terminal;
	if (strcmp(listed, OW_ERROR_TASK_FAILED) == 0)
		return !terminal && !timeout;
	/* a missed heartbeat is a time-out to those who do not tell the two apart */
	return heartbeat && strcmp(listed, OW_ERROR_TIMEOUT) == 0;
}

bool
ow_failure_matches(const OwFailure *failure, char *const *list, int count, bool catching)
{
	for (int i = 0; i < count; i++)
	{
		if (name_matches(failure->error, list[i], catching) ||
			(failure->of_branch && strcmp(list[i], OW_ERROR_BRANCH_FAILED) == 0))
			return true;
	}
	return false;
}

/* Finds the first retrier that names the error; -1 if none does. */
static int
find_retrier(const OwRetryQuestion *question)
{
	for (int i = 0; i < question->nretriers; i++)
	{
		const OwRetrier *retrier = &question->retriers[i];

		if (ow_failure_matches(question->failure, retrier->errors, retrier->nerrors, false))
			return i;
	}
	return -1;
}

/* Tells whether the retrier has no attempt left. */
static bool
is_exhausted(const OwRetrier *retrier, int used, int attempt)
{
	if (retrier->max_attempts != OW_UNSET && used >= retrier->max_attempts)
		return true;
	return retrier->maximum_attempts > 0 && attempt >= retrier->maximum_attempts;
}

/* A uniform number in [0, 1), from the upper 53 bits. */
static double
as_fraction(uint64 random)
{
	return ldexp((double) (random >> 11), -53);
}

/* Computes the pause before retry number used + 1 of this retrier. */
static int64
backoff_ms(const OwRetrier *retrier, int used, uint64 random)
{
	double		delay = (double) retrier->interval_ms * pow(retrier->backoff_rate, used);

	if (retrier->max_delay_ms != OW_UNSET)
		delay = Min(delay, (double) retrier->max_delay_ms);
	delay = Min(delay, (double) MAX_DELAY_MS);
	if (retrier->full_jitter)
		delay *= as_fraction(random);
	return (int64) rint(delay);
}

OwRetryAnswer
ow_retry_decide(const OwRetryQuestion *question)
{
	OwRetryAnswer answer = {.retry = false, .retrier = -1, .at = DT_NOEND};
	int			chosen = question->failure->non_retryable ? -1 : find_retrier(question);
	const OwRetrier *retrier;
	int64		delay;

	if (chosen < 0)
		return answer;
	retrier = &question->retriers[chosen];
	if (is_exhausted(retrier, question->counts[chosen], question->attempt))
		return answer;

	delay = question->failure->next_retry_delay_ms >= 0 ?
		question->failure->next_retry_delay_ms :
		backoff_ms(retrier, question->counts[chosen], question->random);
	answer.at = ow_instant_add_ms(question->now, delay);
	answer.retrier = chosen;
	answer.retry = answer.at <= question->close_by;
	return answer;
}
