/*
 * inside.c
 *		What activities call: workflow.throw, current_activity and now.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/activity.h"
#include "engine/clock.h"
#include "errors.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(ow_throw);
PG_FUNCTION_INFO_V1(ow_current_activity);
PG_FUNCTION_INFO_V1(ow_now);

/*
 * throw(error text, message text, details jsonb, non_retryable boolean, next_retry_delay interval)
 */
Datum
ow_throw(PG_FUNCTION_ARGS)
{
	OwFailure	failure = {0};

	failure.error = ow_api_text(fcinfo, 0, "error");
	if (*failure.error == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("error must not be empty")));
	failure.cause = ow_api_optional_text(fcinfo, 1);
	failure.details = ow_api_optional_jsonb(fcinfo, 2);
	failure.non_retryable = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	failure.next_retry_delay_ms = ow_api_retry_delay(&fcinfo->args[4]);
	ow_activity_throw(&failure);
	PG_RETURN_VOID();
}

/* current_activity() */
Datum
ow_current_activity(PG_FUNCTION_ARGS)
{
	return ow_activity_context();
}

/* now() */
Datum
ow_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(ow_clock_now());
}
