/*
 * mock.c
 *		What a test answers in an activity's place, and the log of calls.
 */
#include "postgres.h"

#include "engine/circuit_queue.h"
#include "engine/clock.h"
#include "engine/payload.h"
#include "errors.h"
#include "fmgr.h"
#include "funcapi.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/catalog.h"
#include "store/find.h"
#include "store/task.h"
#include "test_kit/kit_internal.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_test_mock_activity);
PG_FUNCTION_INFO_V1(ow_test_allow_activity);
PG_FUNCTION_INFO_V1(ow_test_calls);

static Jsonb *
jsonb_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : ow_json_copy(PG_GETARG_JSONB_P(argument));
}

static char *
text_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

static int64
milliseconds(const Interval *interval)
{
	return interval->time / 1000 + ((int64) interval->day + (int64) interval->month * DAYS_PER_MONTH) * SECS_PER_DAY * 1000;
}

List *
ow_test_kit_add_mock(OwTestKit *kit, List *mocks, FunctionCallInfo fcinfo)
{
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	OwMock	   *mock = palloc0(sizeof(OwMock));

	mock->activity = text_argument(fcinfo, 0);
	mock->result = jsonb_argument(fcinfo, 1);
	mock->error = text_argument(fcinfo, 2);
	mock->message = text_argument(fcinfo, 3);
	mock->input = jsonb_argument(fcinfo, 4);
	mock->left = PG_ARGISNULL(5) ? -1 : PG_GETARG_INT32(5);
	mock->duration_ms = PG_ARGISNULL(6) ? 0 : milliseconds(PG_GETARG_INTERVAL_P(6));
	if (PG_NARGS() > 7)
	{
		mock->non_retryable = !PG_ARGISNULL(7) && PG_GETARG_BOOL(7);
		mock->details = jsonb_argument(fcinfo, 8);
	}
	mocks = lappend(mocks, mock);
	MemoryContextSwitchTo(previous);
	return mocks;
}

/*
 * mock_activity(activity, result, error, message, input, times, duration, non_retryable, details)
 */
Datum
ow_test_mock_activity(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the activity to mock must not be null")));
	kit->mocks = ow_test_kit_add_mock(kit, kit->mocks, fcinfo);
	PG_RETURN_VOID();
}

/* allow_activity(activity): calls that no mock matches run really. */
Datum
ow_test_allow_activity(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	MemoryContext previous = MemoryContextSwitchTo(kit->context);

	kit->allowed = lappend(kit->allowed, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	MemoryContextSwitchTo(previous);
	PG_RETURN_VOID();
}

static bool
contains(const Jsonb *input, const Jsonb *wanted)
{
	return DatumGetBool(DirectFunctionCall2(jsonb_contains, JsonbPGetDatum(input), JsonbPGetDatum(wanted)));
}

/* The first mock, in the order given, that matches and has uses left */
OwMock *
ow_test_kit_find_mock(List *mocks, const char *name, const Jsonb *input)
{
	ListCell   *cell;

	foreach(cell, mocks)
	{
		OwMock	   *mock = lfirst(cell);

		if (strcmp(mock->activity, name) == 0 && mock->left != 0 && (mock->input == NULL || contains(input, mock->input)))
			return mock;
	}
	return NULL;
}

const OwActivity *
ow_test_kit_activity(const char *name)
{
	OwTestKit  *kit = ow_test_kit();
	ListCell   *cell;

	if (kit == NULL)
		return NULL;
	foreach(cell, kit->mocks)
	{
		OwActivity *activity;

		if (strcmp(((OwMock *) lfirst(cell))->activity, name) != 0)
			continue;
		activity = palloc0(sizeof(OwActivity));
		activity->name = pstrdup(name);
		ow_task_options_init(&activity->options);
		return activity;
	}
	return NULL;
}

static bool
is_allowed(OwTestKit *kit, const char *activity)
{
	ListCell   *cell;

	foreach(cell, kit->allowed)
	{
		if (strcmp(lfirst(cell), activity) == 0)
			return true;
	}
	return false;
}

static void
log_call(OwTestKit *kit, const OwActivityCall *call, const OwRun *run)
{
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	OwTestCall *logged = palloc0(sizeof(OwTestCall));

	logged->workflow_id = pstrdup(run->workflow_id);
	logged->activity = pstrdup(call->activity->name);
	logged->state = pstrdup(call->state);
	logged->attempt = call->attempt;
	logged->compensation = call->compensation > 0;
	logged->input = ow_json_copy(call->input);
	logged->called_at = ow_clock_now();
	kit->calls = lappend(kit->calls, logged);
	MemoryContextSwitchTo(previous);
}

/* The mock's duration passes on the test's clock, at most up to the attempt's time limit. */
static bool
pass_time(const OwMock *mock, const OwActivityCall *call)
{
	TimestampTz now = ow_clock_now();
	TimestampTz done_at = ow_instant_add_ms(now, mock->duration_ms);
	TimestampTz limit = call->close_by;

	if (call->start_to_close_ms != OW_UNSET)
		limit = Min(limit, ow_instant_add_ms(now, call->start_to_close_ms));
	ow_clock_set_virtual(Min(done_at, limit));
	return done_at > limit;
}

static void
raise_unexpected(const OwActivityCall *call, const OwRun *run)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_UNMOCKED_ACTIVITY),
			 errmsg("activity \"%s\" is neither mocked nor allowed in this test", call->activity->name),
			 errdetail("State \"%s\" of workflow \"%s\" calls it with input %s.", call->state, run->workflow_id,
					   ow_json_to_cstring(call->input)),
			 errhint("Call workflow_test.mock_activity or workflow_test.allow_activity for it.")));
}

/* Does the input fit the type that the mocked activity was registered with? */
static bool
check_input(const OwActivityCall *call, OwFailure *failure)
{
	OwMismatches mismatches = {0};

	if (ow_payload_check(call->activity->options.input_type, call->input, &mismatches))
		return true;
	(void) ow_fail(failure, OW_ERROR_INVALID_INPUT, "input of activity \"%s\" is not of its declared type: %s",
				   call->activity->name, (char *) linitial(mismatches.lines));
	failure->non_retryable = true;
	return false;
}

/* What the mock answers, after its duration */
static OwMockVerdict
answer(OwMock *mock, const OwActivityCall *call, OwMockOutcome *outcome)
{
	if (!check_input(call, &outcome->failure))
		return OW_MOCK_ERROR;
	if (mock->left > 0)
		mock->left--;
	outcome->timed_out = pass_time(mock, call);
	if (outcome->timed_out)
		(void) ow_fail(&outcome->failure, OW_ERROR_TIMEOUT, "the attempt took longer than allowed");
	else if (mock->error != NULL)
	{
		(void) ow_fail(&outcome->failure, mock->error, "%s", mock->message ? mock->message : "");
		outcome->failure.details = mock->details;
		outcome->failure.non_retryable = mock->non_retryable;
	}
	else
	{
		outcome->result = mock->result ? mock->result : ow_json_null();
		return OW_MOCK_RESULT;
	}
	return OW_MOCK_ERROR;
}

OwMockVerdict
ow_test_kit_mock(const OwActivityCall *call, const OwRun *run, OwMockOutcome *outcome)
{
	OwTestKit  *kit = ow_test_kit();
	OwMock	   *mock;

	if (kit == NULL)
		return OW_MOCK_NONE;
	log_call(kit, call, run);
	mock = ow_test_kit_find_mock(kit->mocks, call->activity->name, call->input);
	if (mock != NULL)
		return answer(mock, call, outcome);
	if (!is_allowed(kit, call->activity->name))
		raise_unexpected(call, run);
	return OW_MOCK_ALLOWED;
}

/* ---- tasks of programs outside ---- */

static void
send_answer(const OwTaskInQueue *task, OwMockVerdict verdict, const OwMockOutcome *outcome)
{
	const OwFailure *failure = &outcome->failure;
	OwObject	payload;

	ow_object_begin(&payload);
	ow_object_add_text(&payload, "task_token", ow_uuid_to_cstring(&task->task_token));
	if (verdict == OW_MOCK_RESULT)
		ow_object_add(&payload, "result", outcome->result);
	else
	{
		ow_object_add_text(&payload, "error", failure->error);
		ow_object_add_text(&payload, "cause", failure->cause);
		ow_object_add(&payload, "details", failure->details);
		ow_object_add_bool(&payload, "non_retryable", failure->non_retryable);
	}
	(void) ow_message_store(&task->run, task->owner, verdict == OW_MOCK_RESULT ? "ActivityCompleted" : "ActivityFailed",
							&task->task_token, ow_object_end(&payload), GetUserId());
}

/* The mock takes the task as a worker does; if it is not done in time, the lease ends. */
static bool
answer_task(OwTestKit *kit, const OwTaskInQueue *task)
{
	OwActivity	activity = {.name = task->activity};
	const OwActivity *registered = ow_catalog_activity(task->activity);
	OwActivityCall call = {
		.activity = registered ? registered : &activity,
		.state = task->state,
		.input = task->input,
		.attempt = task->attempt,
		.compensation = task->compensation,
		.scheduled_at = task->scheduled_at,
		.start_to_close_ms = task->start_to_close_ms,
		.close_by = task->close_by
	};
	OwRun		run = {.workflow_id = task->workflow_id};
	OwMockOutcome outcome = {NULL};
	OwMockVerdict verdict;
	OwMock	   *mock = ow_test_kit_find_mock(kit->mocks, call.activity->name, call.input);

	if (mock == NULL || !ow_circuit_lets_take(task, &kit->held_until))
		return false;
	log_call(kit, &call, &run);
	ow_task_take_one(task, "mock");
	verdict = answer(mock, &call, &outcome);
	if (!outcome.timed_out)
		send_answer(task, verdict, &outcome);
	return true;
}

bool
ow_test_kit_answer_queued(OwTestKit *kit)
{
	ListCell   *cell;

	kit->held_until = DT_NOEND;
	if (kit->mocks == NIL)
		return false;
	foreach(cell, ow_task_list(ow_test_kit_runs()))
	{
		if (answer_task(kit, lfirst(cell)))
			return true;
	}
	return false;
}

/* calls(): every call of an activity in this test, in order. */
Datum
ow_test_calls(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, kit->calls)
	{
		const OwTestCall *call = lfirst(cell);
		Datum		values[7] = {
			CStringGetTextDatum(call->workflow_id),
			CStringGetTextDatum(call->activity),
			CStringGetTextDatum(call->state),
			Int32GetDatum(call->attempt),
			BoolGetDatum(call->compensation),
			JsonbPGetDatum(call->input),
			TimestampTzGetDatum(call->called_at)
		};
		bool		nulls[7] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
