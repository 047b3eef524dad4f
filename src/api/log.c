/*
 * log.c
 *		What applications say of the server's log: workflow.log and set_log_level.
 *
 * What an activity says is written with the transaction that it runs in, also if it fails: what led to a failure must not
 * be lost with it.  But what the engine rolls back to do it again is not said twice.  Others are told at once.
 * Events of runs are logged by engine/event_log.c.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/activity.h"
#include "engine/clock.h"
#include "engine/event_log.h"
#include "machine/json.h"
#include "machine/redact.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "store/log_level.h"
#include "worker/log_lines.h"

PG_FUNCTION_INFO_V1(ow_log);
PG_FUNCTION_INFO_V1(ow_set_log_level);

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

/* Hides in both what the definition of the run hides: in the fields wherever its paths lead to something. */
static void
redact(const OwRun *run, const OwActivityCall *call, char **message, Jsonb **fields)
{
	const OwCompiled *compiled = ow_catalog_find_definition(run->workflow, run->version);
	const Jsonb *documents[] = {run->input, call->input, *fields};
	List	   *hidden = NIL;

	if (compiled == NULL || compiled->definition->nredacted == 0)
		return;
	for (size_t i = 0; i < lengthof(documents); i++)
		hidden = ow_redact_collect(compiled->definition, documents[i], hidden);
	*message = ow_redact_text(*message, hidden);
	if (*fields != NULL)
		*fields = ow_redact(compiled->definition, *fields, true);
}

/* As lines of events: one line, whatever is in the message */
static char *
log_line(const OwRun *run, const OwActivityCall *call, const char *message, const Jsonb *fields)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "event", "Log");
	ow_object_add_text(&object, "message", message);
	ow_object_add(&object, "fields", fields);
	if (call != NULL)
	{
		ow_event_log_add_run(&object, ow_clock_now(), run);
		ow_object_add_text(&object, "state", call->state);
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
	Jsonb	   *fields = ow_api_optional_jsonb(fcinfo, 2);
	const OwRun *run = NULL;
	const OwActivityCall *call = ow_activity_current(&run);
	char	   *line;

	if (!message_level_is_interesting(level))
		PG_RETURN_VOID();
	if (call != NULL)
		redact(run, call, &message, &fields);
	line = log_line(run, call, message, fields);
	if (IsBackgroundWorker && call != NULL)
		ow_log_line_say(level, message, line);
	else
		ow_log_line_write(level, message, line);
	PG_RETURN_VOID();
}

/* set_log_level(workflow text, level text) */
Datum
ow_set_log_level(PG_FUNCTION_ARGS)
{
	char	   *workflow = ow_api_text(fcinfo, 0, "workflow");
	char	   *level = ow_api_optional_text(fcinfo, 1);
	Oid			owner;

	PreventCommandIfReadOnly("workflow.set_log_level()");
	if (!ow_catalog_find_type(workflow, &owner, NULL))
		(void) ow_api_definition(workflow, 0);	/* raises */
	ow_api_check_owns(workflow, owner);
	if (level != NULL && ow_log_level_parse(level) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid log level: \"%s\"", level),
				 errhint(OW_LOG_LEVEL_HINT)));
	ow_log_level_set(workflow, level);
	PG_RETURN_VOID();
}
