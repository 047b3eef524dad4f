/*
 * answer.c
 *		SQL-callable: answers to task tokens, from whoever was given one.
 *
 * The token is all that it takes: nobody can guess it.  An answer is stored as a message while the run is
 * locked, and the run's next transition takes it in; of two, the first counts.
 */
#include "postgres.h"

#include "api/api.h"
#include "fmgr.h"
#include "funcapi.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(ow_complete_activity);
PG_FUNCTION_INFO_V1(ow_fail_activity);
PG_FUNCTION_INFO_V1(ow_heartbeat);

static const pg_uuid_t *
token_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("task_token must not be null")));
	return PG_GETARG_UUID_P(0);
}

/* The open run that waits for the answer; NULL when it does no longer */
static OwFoundRun *
waiting_run(const pg_uuid_t *task_token)
{
	OwFoundRun *run;
	OwRunRef	ref;

	if (!ow_find_task(task_token, &ref))
		return NULL;
	run = ow_find_run(&ref.run_id);
	return run != NULL && run->open ? run : NULL;
}

static Datum
answer(const pg_uuid_t *task_token, const char *kind, OwObject *payload)
{
	OwFoundRun *run = waiting_run(task_token);

	ow_object_add_text(payload, "task_token", ow_uuid_to_cstring(task_token));
	if (run != NULL && ow_message_send(run, kind, task_token, ow_object_end(payload), GetUserId()))
		PG_RETURN_BOOL(true);
	ereport(NOTICE,
			(errmsg("nothing waits for an answer to task token %s", ow_uuid_to_cstring(task_token)),
			 errdetail("It was answered, its attempt timed out or was canceled, or there has never been such a token.")));
	PG_RETURN_BOOL(false);
}

/*
 * complete_activity(task_token uuid, result jsonb) RETURNS boolean: the attempt's result.  False, with a
 * notice, when nothing waits for it any more.
 */
Datum
ow_complete_activity(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *task_token = token_argument(fcinfo);
	OwObject	payload;

	PreventCommandIfReadOnly("workflow.complete_activity()");
	ow_object_begin(&payload);
	ow_object_add(&payload, "result", PG_ARGISNULL(1) ? ow_json_null() : ow_api_optional_jsonb(fcinfo, 1));
	return answer(task_token, "ActivityCompleted", &payload);
}

/*
 * fail_activity(task_token uuid, error text, message text, details jsonb, non_retryable boolean,
 * next_retry_delay interval) RETURNS boolean: the attempt has failed.
 */
Datum
ow_fail_activity(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *task_token = token_argument(fcinfo);
	OwObject	payload;

	PreventCommandIfReadOnly("workflow.fail_activity()");
	ow_object_begin(&payload);
	ow_object_add_text(&payload, "error", ow_api_optional_text(fcinfo, 1));
	ow_object_add_text(&payload, "cause", ow_api_optional_text(fcinfo, 2));
	ow_object_add(&payload, "details", ow_api_optional_jsonb(fcinfo, 3));
	ow_object_add_bool(&payload, "non_retryable", !PG_ARGISNULL(4) && PG_GETARG_BOOL(4));
	if (!PG_ARGISNULL(5))
		ow_object_add_int(&payload, "next_retry_delay_ms", ow_api_retry_delay(fcinfo, 5));
	return answer(task_token, "ActivityFailed", &payload);
}

/*
 * heartbeat(task_token uuid, details jsonb, OUT ok boolean, OUT cancel_requested boolean,
 * OUT paused boolean): the attempt goes on.  ok is false when nothing waits for it any more.
 */
Datum
ow_heartbeat(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *task_token = token_argument(fcinfo);
	OwFoundRun *run;
	TupleDesc	descriptor;
	Datum		values[3] = {0};
	bool		nulls[3] = {0};
	OwObject	payload;

	PreventCommandIfReadOnly("workflow.heartbeat()");
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	run = waiting_run(task_token);
	if (run != NULL)
	{
		ow_object_begin(&payload);
		ow_object_add_text(&payload, "task_token", ow_uuid_to_cstring(task_token));
		ow_object_add(&payload, "details", ow_api_optional_jsonb(fcinfo, 1));
		(void) ow_message_send(run, "Heartbeat", NULL, ow_object_end(&payload), GetUserId());
	}
	values[0] = BoolGetDatum(run != NULL);
	values[1] = BoolGetDatum(run != NULL && run->cancel_requested);
	values[2] = BoolGetDatum(run != NULL && run->status == OW_STATUS_PAUSED);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
