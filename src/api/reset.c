/*
 * reset.c
 *		SQL-callable: resetting a run to an event of its history, and the events it can be reset to.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/history.h"
#include "engine/reset.h"
#include "errors.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_reset);
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

/* reset(workflow_id text | run_id uuid, event_id int, reason text) RETURNS uuid */
Datum
ow_reset(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *new_run_id = palloc(sizeof(pg_uuid_t));
	OwResetRequest request;

	PreventCommandIfReadOnly("workflow.reset()");
	request.run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_CANCEL);
	ow_api_check_may_control(request.run);
	request.event_id = event_argument(fcinfo, 1);
	request.reason = ow_api_optional_text(fcinfo, 2);
	request.requested_by = GetUserId();
	*new_run_id = ow_reset_run(&request);
	PG_RETURN_UUID_P(new_run_id);
}

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
