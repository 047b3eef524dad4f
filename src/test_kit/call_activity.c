/*
 * call_activity.c
 *		A SQL activity called by a test, without a workflow: in whatever attempt, and after whatever failure.
 *
 * It is called as in a run, with the same arguments and checks; what it raises is raised, and what it writes stays, until the test
 * rolls back.  There is no run: what it sends to its workflow is sent to nobody.
 */
#include "postgres.h"

#include "engine/activity.h"
#include "engine/clock.h"
#include "errors.h"
#include "fmgr.h"
#include "machine/json.h"
#include "store/catalog.h"
#include "store/start.h"
#include "test_kit/kit_internal.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_test_call_activity);

static const OwActivity *
find_activity(const char *name)
{
	const OwActivity *activity = ow_catalog_activity(name);

	if (activity == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_ACTIVITY_NOT_REGISTERED),
				 errmsg("activity \"%s\" is not registered", name)));
	if (activity->kind != OW_ACTIVITY_SQL || activity->missing)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 activity->missing ? errmsg("the function of activity \"%s\" is gone", name) :
				 errmsg("activity \"%s\" has no function that could be called", name),
				 activity->missing ? 0 : errdetail("Programs outside do its tasks.")));
	return activity;
}

static Jsonb *
call_it(const OwActivityCall *call, const OwRun *run)
{
	Jsonb	   *volatile result = NULL;

	PG_TRY();
	{
		result = ow_activity_call(call, run);
	}
	PG_CATCH();
	{
		ow_activity_reset();
		PG_RE_THROW();
	}
	PG_END_TRY();
	return result;
}

/* call_activity(activity text, input jsonb, attempt int, last_failure jsonb, compensates jsonb, workflow_id text) */
Datum
ow_test_call_activity(PG_FUNCTION_ARGS)
{
	const OwTestKit *kit = ow_test_kit_required();
	OwActivityCall call = {
		.state = "Test",
		.attempt = PG_GETARG_INT32(2),
		.scheduled_at = ow_clock_now(),
		.close_by = DT_NOEND,
		.idempotency_key = "test"
	};
	OwRun		run = {.workflow = "Test", .version = 1};

	if (kit->driving)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s cannot be called while runs are driven", "workflow_test.call_activity()")));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(5))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("activity, input, attempt and workflow_id must not be null")));
	if (call.attempt < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("attempt must be positive")));
	call.activity = find_activity(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	call.input = PG_GETARG_JSONB_P(1);
	call.last_failure = PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3);
	call.compensates = PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4);
	call.start_to_close_ms = call.activity->options.start_to_close_ms;
	run.workflow_id = text_to_cstring(PG_GETARG_TEXT_PP(5));
	run.shard_key = ow_shard_key(run.workflow_id);
	ow_run_id_make(run.shard_key, 0, &run.run_id);
	PG_RETURN_JSONB_P(call_it(&call, &run));
}
