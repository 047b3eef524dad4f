/*
 * failure.c
 *		A failure inside a workflow, as a value, and as the document that states are told of it in.
 */
#include "postgres.h"

#include "machine/machine_internal.h"

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

Jsonb *
ow_failure_json(const OwFailure *failure)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Error", failure->error);
	ow_object_add_text(&object, "Cause", failure->cause);
	ow_object_add(&object, "Details", failure->details);
	ow_object_add(&object, "HeartbeatDetails", failure->heartbeat);
	return ow_object_end(&object);
}

void
ow_failure_from_json(const Jsonb *json, OwFailure *failure)
{
	JsonbValue	value;
	int64		attempt;

	memset(failure, 0, sizeof(*failure));
	failure->error = ow_json_get_string(json, "Error");
	failure->cause = ow_json_get_string(json, "Cause");
	failure->details = ow_json_get(json, "Details");
	failure->non_retryable = ow_json_member(json, "NonRetryable", &value);
	failure->state = ow_json_get_string(json, "State");
	failure->activity = ow_json_get_string(json, "Activity");
	if (ow_json_member(json, "Attempt", &value) && ow_json_value_int64(&value, &attempt))
		failure->attempt = attempt;
	failure->next_retry_delay_ms = OW_UNSET;
}
