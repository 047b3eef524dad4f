/*
 * failure.c
 *		A failure inside a workflow, as a value.
 */
#include "postgres.h"

#include "machine/failure.h"

bool
ow_fail(OwFailure *failure, const char *error, const char *cause_format, ...)
{
	StringInfoData cause;

	initStringInfo(&cause);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, cause_format);
		needed = appendStringInfoVA(&cause, cause_format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&cause, needed);
	}

	*failure = (OwFailure) {
		.error = pstrdup(error),
		.cause = cause.data,
		.next_retry_delay_ms = -1
	};
	return false;
}
