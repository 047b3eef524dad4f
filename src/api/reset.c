/*
 * reset.c
 *		SQL-callable: resetting a run to an event of its history, or to one found by a rule, and the events it can be reset
 *		to.
 */
#include "postgres.h"

#include "api/api.h"
#include "api/reset.h"
#include "engine/history.h"
#include "engine/reset.h"
#include "errors.h"
#include "funcapi.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_reset);
PG_FUNCTION_INFO_V1(ow_reset_to);
PG_FUNCTION_INFO_V1(ow_list_reset_points);

static int
event_argument(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("event_id must not be null")));
	return PG_GETARG_INT32(argument);
}

/* Resets the run of argument 0. */
static Datum
reset_run(FunctionCallInfo fcinfo, OwResetRequest *request)
{
	pg_uuid_t  *new_run_id = palloc(sizeof(pg_uuid_t));

	request->run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_CANCEL);
	ow_api_check_may_control(request->run);
	request->reason = ow_api_optional_text(fcinfo, 2);
	request->requested_by = GetUserId();
	*new_run_id = ow_reset_run(request);
	PG_RETURN_UUID_P(new_run_id);
}

/* reset(workflow_id text | run_id uuid, event_id int, reason text) RETURNS uuid */
Datum
ow_reset(PG_FUNCTION_ARGS)
{
	OwResetRequest request = {.rule = OW_RESET_TO_EVENT};

	PreventCommandIfReadOnly("workflow.reset()");
	request.event_id = event_argument(fcinfo, 1);
	return reset_run(fcinfo, &request);
}

/* ---- rules ---- */

static OwResetRule
named_rule(const char *name)
{
	if (strcmp(name, "First") == 0)
		return OW_RESET_TO_FIRST;
	if (strcmp(name, "Last") == 0)
		return OW_RESET_TO_LAST;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a run cannot be reset to \"%s\"", name),
			 errhint("\"to\" is First or Last.")));
	return OW_RESET_TO_EVENT;
}

void
ow_api_reset_rule(const Jsonb *rule, OwResetRequest *request)
{
	char	   *to = ow_json_get_string(rule, "to");
	JsonbValue	object;

	ow_json_as_value(rule, &object);
	request->state = ow_json_get_string(rule, "state");
	if (!ow_json_value_is_object(&object) || ow_json_value_count(&object) != 1 || (to == NULL && request->state == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("where to reset a run to must be said by one rule"),
				 errhint("{\"to\": \"First\"}, {\"to\": \"Last\"} or {\"state\": \"name of a state\"}.")));
	request->rule = to != NULL ? named_rule(to) : OW_RESET_TO_STATE;
}

/* reset_to(workflow_id text | run_id uuid, rule jsonb, reason text) RETURNS uuid */
Datum
ow_reset_to(PG_FUNCTION_ARGS)
{
	OwResetRequest request = {0};

	PreventCommandIfReadOnly("workflow.reset_to()");
	ow_api_reset_rule(ow_api_jsonb(fcinfo, 1, "rule"), &request);
	return reset_run(fcinfo, &request);
}

/* ---- events ---- */

/* What the new run does first */
static const char *
goes_on_with(const OwRest *rest)
{
	if (rest->stuck && rest->phase != OW_PHASE_EXIT)
		return "Retry";
	switch (rest->phase)
	{
		case OW_PHASE_NEW:
		case OW_PHASE_ENTER:
			return "State";
		case OW_PHASE_ACTIVITY:
		case OW_PHASE_CIRCUIT_OPEN:
		case OW_PHASE_CALLBACK:
		case OW_PHASE_QUEUED:
		case OW_PHASE_REQUEST:
			return "Activity";
		case OW_PHASE_BACKOFF:
			return "Retry";
		case OW_PHASE_WAIT:
		case OW_PHASE_AWAIT:
			return "Wait";
		case OW_PHASE_EXIT:
			return "Result";
		case OW_PHASE_BRANCHES:
			return "Branches";
		default:
			return "Compensation";
	}
}

static void
put_point(ReturnSetInfo *result, const OwRest *rest, const OwHistoryEvent *event)
{
	Datum		values[5];
	bool		nulls[5] = {false};

	values[0] = Int32GetDatum(rest->event_id);
	values[1] = TimestampTzGetDatum(event->time);
	values[2] = CStringGetTextDatum(event->type);
	nulls[3] = rest->state == NULL;
	if (rest->state != NULL)
		values[3] = CStringGetTextDatum(rest->state);
	values[4] = CStringGetTextDatum(goes_on_with(rest));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* reset_points(workflow_id text | run_id uuid) RETURNS SETOF (event_id, event_time, event_type, state, goes_on_with) */
Datum
ow_list_reset_points(PG_FUNCTION_ARGS)
{
	OwFoundRun *run = ow_api_run(fcinfo);
	List	   *events;
	List	   *points;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	ow_api_check_may_read(run);
	points = ow_reset_points(run, &events);
	foreach(cell, points)
	{
		const OwRest *rest = lfirst(cell);

		put_point((ReturnSetInfo *) fcinfo->resultinfo, rest, list_nth(events, rest->event_id - 1));
	}
	return (Datum) 0;
}
