/*
 * inside.c
 *		What activities call: workflow.throw, current_activity, now and log.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/activity.h"
#include "engine/clock.h"
#include "errors.h"
#include "machine/json.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(ow_throw);
PG_FUNCTION_INFO_V1(ow_current_activity);
PG_FUNCTION_INFO_V1(ow_now);
PG_FUNCTION_INFO_V1(ow_log);

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

static int
log_level(const char *name)
{
	static const struct
	{
		const char *name;
		int			level;
	}			levels[] = {
		{"debug", DEBUG1}, {"info", LOG_SERVER_ONLY}, {"notice", NOTICE}, {"warning", WARNING}
	};

	for (size_t i = 0; i < lengthof(levels); i++)
	{
		if (pg_strcasecmp(name, levels[i].name) == 0)
			return levels[i].level;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized log level: \"%s\"", name),
			 errhint("Levels are debug, info, notice and warning.")));
	return LOG;
}

/*
 * {"message", "fields", and what run and attempt it is about}: one line, whatever is in the message
 */
static char *
log_line(const char *message, const Jsonb *fields)
{
	const OwRun *run;
	const OwActivityCall *call = ow_activity_current(&run);
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "message", message);
	ow_object_add(&object, "fields", fields);
	if (call != NULL)
	{
		ow_object_add_text(&object, "workflow", run->workflow);
		ow_object_add_text(&object, "workflow_id", run->workflow_id);
		ow_object_add_text(&object, "run_id", ow_api_uuid_text(&run->run_id));
		ow_object_add_text(&object, "activity", call->activity->name);
		ow_object_add_int(&object, "attempt", call->attempt);
	}
	return ow_json_to_cstring(ow_object_end(&object));
}

/* log(level text, message text, fields jsonb) */
Datum
ow_log(PG_FUNCTION_ARGS)
{
	int			level = log_level(ow_api_text(fcinfo, 0, "level"));
	char	   *message = ow_api_text(fcinfo, 1, "message");

	ereport(level,
			(errmsg_internal("workflow log: %s",
							 log_line(message, ow_api_optional_jsonb(fcinfo, 2))),
			 errhidestmt(true),
			 errhidecontext(true)));
	PG_RETURN_VOID();
}
