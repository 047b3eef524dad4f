/*
 * control.c
 *		workflow.cancel, terminate, pause, resume, retry and retry_compensation.
 *
 * None of them touches the run: each leaves a message, which the run's next transition takes in.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/clock.h"
#include "errors.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/run.h"
#include "store/store.h"
#include "test_kit/test_kit.h"
#include "utils/builtins.h"
#include "worker/wakeup.h"

PG_FUNCTION_INFO_V1(ow_cancel);
PG_FUNCTION_INFO_V1(ow_terminate);
PG_FUNCTION_INFO_V1(ow_pause);
PG_FUNCTION_INFO_V1(ow_resume);
PG_FUNCTION_INFO_V1(ow_retry);
PG_FUNCTION_INFO_V1(ow_retry_compensation);

/* Raises unless the current user may control the run, and it is open. */
void
ow_api_check_controllable(const OwFoundRun *run)
{
	ow_api_check_may_control(run);
	ow_api_check_open(run);
}

/* Cancel, Terminate, Pause and Resume: a reason, for the history */
static Datum
request(FunctionCallInfo fcinfo, const char *kind, const char *function)
{
	OwFoundRun *run;
	OwObject	payload;

	PreventCommandIfReadOnly(function);
	run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_CANCEL);
	ow_api_check_controllable(run);
	ow_object_begin(&payload);
	ow_object_add_text(&payload, "reason", ow_api_optional_text(fcinfo, 1));
	(void) ow_message_send(run, kind, NULL, ow_object_end(&payload), GetUserId());
	PG_RETURN_VOID();
}

/* cancel(workflow_id text | run_id uuid, reason text) */
Datum
ow_cancel(PG_FUNCTION_ARGS)
{
	return request(fcinfo, "Cancel", "workflow.cancel()");
}

/* terminate(workflow_id text | run_id uuid, reason text) */
Datum
ow_terminate(PG_FUNCTION_ARGS)
{
	return request(fcinfo, "Terminate", "workflow.terminate()");
}

/* pause(workflow_id text | run_id uuid, reason text) */
Datum
ow_pause(PG_FUNCTION_ARGS)
{
	return request(fcinfo, "Pause", "workflow.pause()");
}

/* resume(workflow_id text | run_id uuid, reason text) */
Datum
ow_resume(PG_FUNCTION_ARGS)
{
	return request(fcinfo, "Resume", "workflow.resume()");
}

static void
check_stuck(const OwFoundRun *run)
{
	if (run->status == OW_STATUS_STUCK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_STATUS),
			 errmsg("workflow id \"%s\" is not stuck", run->workflow_id),
			 errdetail("Its status is %s.", ow_status_name(run->status))));
}

/* The definition to go on with; 0: the one the run is on */
static int
target_definition(FunctionCallInfo fcinfo, const OwFoundRun *run)
{
	int			version = ow_api_version(fcinfo, 1);
	const OwCompiled *compiled;

	if (version == 0)
		return 0;
	compiled = ow_api_definition(run->workflow, version);
	ow_api_hold_version(compiled);
	ow_api_check_activities(compiled);
	return compiled->definition_id;
}

/* retry(workflow_id text | run_id uuid, version int) */
Datum
ow_retry(PG_FUNCTION_ARGS)
{
	OwFoundRun *run;
	OwObject	payload;

	PreventCommandIfReadOnly("workflow.retry()");
	run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_CANCEL);
	ow_api_check_controllable(run);
	check_stuck(run);
	ow_object_begin(&payload);
	ow_object_add_int(&payload, "definition_id", target_definition(fcinfo, run));
	(void) ow_message_send(run, "Retry", NULL, ow_object_end(&payload), GetUserId());
	PG_RETURN_VOID();
}

static void
reopen(const OwFoundRun *run)
{
	ow_store_open();
	ow_run_reopen(&run->ref, run->bucket);
	ow_store_close();
	if (ow_clock_is_virtual())
		ow_test_kit_ready(&run->ref);
}

/* retry_compensation(workflow_id text | run_id uuid) */
Datum
ow_retry_compensation(PG_FUNCTION_ARGS)
{
	OwFoundRun *run;
	OwObject	payload;

	PreventCommandIfReadOnly("workflow.retry_compensation()");
	run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_CANCEL);
	ow_api_check_may_control(run);
	if (!ow_find_has_failed_compensations(run))
		ereport(ERROR,
				(errcode(ERRCODE_OW_INVALID_STATUS),
				 errmsg("workflow id \"%s\" has no failed compensation", run->workflow_id)));
	if (!run->open)
		reopen(run);
	ow_object_begin(&payload);
	(void) ow_message_send(run, "RetryCompensations", NULL, ow_object_end(&payload), GetUserId());
	PG_RETURN_VOID();
}
