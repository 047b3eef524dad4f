/*
 * history_file.c
 *		Histories as documents: what replay needs of a run, and its events.
 *
 *		{"format": 1, "workflow": …, "version": …, "workflow_id": …, "run_id": …, "root_run_id": …, "owner": …,
 *		 "traceparent": …, "input": …,
 *		 "events": [{"event_id": 1, "event_time": …, "event_type": …, "state": …, "branch_id": …, "attributes": …}, …]}
 *
 * A document may come from another database, or have been written by hand: whatever is wrong with it is an error of
 * whoever gives it.
 */
#include "postgres.h"

#include "engine/history_file.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define FORMAT 1

/* ---- writing ---- */

static Jsonb *
event_json(const OwHistoryEvent *event)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "event_id", event->event_id);
	ow_object_add_text(&object, "event_time", ow_instant_format(event->time));
	ow_object_add_text(&object, "event_type", event->type);
	ow_object_add_text(&object, "state", event->state);
	if (event->branch != 0)
		ow_object_add_int(&object, "branch_id", event->branch);
	ow_object_add(&object, "attributes", event->attributes);
	return ow_object_end(&object);
}

static Jsonb *
events_json(List *events)
{
	List	   *all = NIL;
	ListCell   *cell;

	foreach(cell, events)
		all = lappend(all, event_json(lfirst(cell)));
	return ow_json_array(all);
}

Jsonb *
ow_history_export(const OwLoadedRun *started, List *events)
{
	const OwRun *run = &started->run;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "format", FORMAT);
	ow_object_add_text(&object, "workflow", run->workflow);
	ow_object_add_int(&object, "version", run->version);
	ow_object_add_text(&object, "workflow_id", run->workflow_id);
	ow_object_add_text(&object, "run_id", ow_uuid_to_cstring(&run->run_id));
	ow_object_add_text(&object, "root_run_id", ow_uuid_to_cstring(&run->root_run_id));
	ow_object_add_text(&object, "owner", run->owner);
	ow_object_add_text(&object, "traceparent", run->traceparent);
	ow_object_add(&object, "input", run->input);
	ow_object_add(&object, "events", events_json(events));
	return ow_object_end(&object);
}

/* ---- reading ---- */

static void
report_malformed(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("this is no history that workflow.export_history() has written"),
			 errdetail("%s", detail)));
}

static int
int_member(const Jsonb *json, const char *name, int otherwise)
{
	JsonbValue	value;
	int64		number;

	if (!ow_json_member(json, name, &value))
		return otherwise;
	if (!ow_json_value_int64(&value, &number) || number < 0 || number > PG_INT32_MAX)
		report_malformed(psprintf("Its \"%s\" is not a number that it can be.", name));
	return (int) number;
}

static char *
text_member(const Jsonb *json, const char *name)
{
	char	   *text = ow_json_get_string(json, name);

	if (text == NULL)
		report_malformed(psprintf("Its \"%s\" is missing, or not a string.", name));
	return text;
}

static pg_uuid_t
uuid_member(const Jsonb *json, const char *name)
{
	return *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text_member(json, name))));
}

static OwHistoryEvent *
read_event(const JsonbValue *element, int event_id)
{
	OwHistoryEvent *event = palloc0(sizeof(OwHistoryEvent));
	Jsonb	   *json = ow_json_from_value(unconstify(JsonbValue *, element));

	event->event_id = event_id;
	if (int_member(json, "event_id", 0) != event_id)
		report_malformed(psprintf("Event %d is not at its place.", event_id));
	if (!ow_instant_parse(text_member(json, "event_time"), &event->time))
		report_malformed(psprintf("The time of event %d cannot be read.", event_id));
	event->type = text_member(json, "event_type");
	event->state = ow_json_get_string(json, "state");
	event->branch = int_member(json, "branch_id", 0);
	event->attributes = ow_json_get(json, "attributes");
	return event;
}

static List *
read_events(const Jsonb *document)
{
	List	   *events = NIL;
	JsonbValue	array;
	JsonbValue *elements;
	int			count;

	if (!ow_json_member(document, "events", &array) || !ow_json_value_is_array(&array))
		report_malformed("It has no \"events\".");
	elements = ow_json_elements(&array, &count);
	for (int i = 0; i < count; i++)
		events = lappend(events, read_event(&elements[i], i + 1));
	if (events == NIL || strcmp(((OwHistoryEvent *) linitial(events))->type, "WorkflowExecutionStarted") != 0)
		report_malformed("It does not begin with WorkflowExecutionStarted.");
	return events;
}

OwLoadedRun *
ow_history_import(const Jsonb *document, List **events)
{
	OwLoadedRun *loaded = palloc0(sizeof(OwLoadedRun));
	OwRun	   *run = &loaded->run;

	if (int_member(document, "format", 0) != FORMAT)
		report_malformed(psprintf("Its \"format\" is not %d.", FORMAT));
	*events = read_events(document);
	run->workflow = text_member(document, "workflow");
	run->version = int_member(document, "version", 1);
	run->workflow_id = text_member(document, "workflow_id");
	run->run_id = loaded->ref.run_id = uuid_member(document, "run_id");
	run->root_run_id = uuid_member(document, "root_run_id");
	run->owner = ow_json_get_string(document, "owner");
	run->traceparent = ow_json_get_string(document, "traceparent");
	run->input = ow_json_get(document, "input");
	if (run->input == NULL)
		report_malformed("It has no \"input\".");
	run->deadline = DT_NOEND;
	run->status = run->sticky_status = OW_STATUS_RUNNING;
	run->next_event_id = run->next_branch_id = 1;
	run->token.state = OW_NO_STATE;
	run->token.phase = OW_PHASE_NEW;
	run->token.due_at = run->token.entered_at = run->token.scheduled_at = DT_NOEND;
	return loaded;
}
