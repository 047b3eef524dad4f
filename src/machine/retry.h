/*
 * retry.h
 *		Whether a failed attempt is followed by another, and when.  Also error-name matching.
 */
#ifndef OW_RETRY_H
#define OW_RETRY_H

#include "datatype/timestamp.h"
#include "machine/definition.h"

typedef struct OwRetryQuestion
{
	const OwRetrier *retriers;
	int			nretriers;
	const int  *counts;			/* retries used so far, per retrier */
	int			attempt;		/* the attempt that failed, from 1 */
	const OwFailure *failure;
	TimestampTz now;
	TimestampTz close_by;		/* schedule-to-close deadline; DT_NOEND: none */
	uint64		random;			/* for JitterStrategy FULL */
} OwRetryQuestion;

typedef struct OwRetryAnswer
{
	bool		retry;
	int			retrier;		/* index whose count goes up */
	TimestampTz at;
} OwRetryAnswer;

extern OwRetryAnswer ow_retry_decide(const OwRetryQuestion *question);

/*
 * Does a failure match a Retry's or (catching) a Catch's list?  States.ALL matches all but
 * States.Runtime, and is no reason to retry States.DataLimitExceeded; States.TaskFailed all task errors
 * but timeouts; States.BranchFailed what failed a branch.  States.HeartbeatTimeout also matches where
 * States.Timeout is listed.
 */
extern bool ow_failure_matches(const OwFailure *failure, char *const *list, int count, bool catching);

#endif							/* OW_RETRY_H */
