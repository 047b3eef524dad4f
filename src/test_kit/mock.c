/*
 * mock.c
 *		What a test answers in a SQL activity's place; and in that of one that is not registered.
 *
 * The call is over before anything else moves, as that of a real one: the clock goes on by its duration, and what the test has
 * planned for that time is executed in its place.
 */
#include "postgres.h"

#include "engine/activity.h"
#include "engine/clock.h"
#include "engine/payload.h"
#include "errors.h"
#include "fmgr.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "machine/problems.h"
#include "test_kit/explore.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_test_allow_activity);

/* allow_activity(activity): calls that no mock matches run really. */
Datum
ow_test_allow_activity(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	MemoryContext previous = MemoryContextSwitchTo(kit->context);

	kit->allowed = lappend(kit->allowed, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	kit->names_unchecked = true;
	MemoryContextSwitchTo(previous);
	PG_RETURN_VOID();
}

static const OwActivity *
make_activity(const char *name)
{
	OwActivity *activity = palloc0(sizeof(OwActivity));

	activity->name = pstrdup(name);
	ow_task_options_init(&activity->options);
	return activity;
}

const OwActivity *
ow_test_kit_activity(const char *name)
{
	OwTestKit  *kit = ow_test_kit();
	ListCell   *cell;

	if (kit == NULL)
		return NULL;
	if (kit->explore != NULL)
		return make_activity(name);
	foreach(cell, kit->mocks)
	{
		const OwMock *mock = lfirst(cell);

		if (mock->kind == OW_MOCK_ACTIVITY && strcmp(mock->match.name, name) == 0)
			return make_activity(name);
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
raise_endless(const OwActivityCall *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("activity \"%s\" never answers in this test, and has no time limit", call->activity->name),
			 errdetail("State \"%s\" would wait for ever.", call->state),
			 errhint("Set TimeoutSeconds of the state, or a timeout of the workflow.")));
}

/*
 * The mock's duration passes on the test's clock, at most up to the attempt's time limit.  Statements that are due on
 * the way are executed, but those due when it ends: they find it ended.
 */
static bool
pass_time(OwTestKit *kit, const OwMockAnswer *answer, const OwActivityCall *call)
{
	TimestampTz now = ow_clock_now();
	TimestampTz done_at = answer->never ? DT_NOEND : ow_instant_add_ms(now, answer->duration_ms);
	TimestampTz limit = call->close_by;
	TimestampTz end;

	if (call->start_to_close_ms != OW_UNSET)
		limit = Min(limit, ow_instant_add_ms(now, call->start_to_close_ms));
	end = Min(done_at, limit);
	if (end == DT_NOEND)
		raise_endless(call);
	for (;;)
	{
		while (ow_test_execute_due(kit))
			;
		if (ow_test_next_command(kit) >= end)
			break;
		ow_clock_set_virtual(ow_test_next_command(kit));
	}
	ow_clock_set_virtual(end);
	return answer->never || done_at > limit;
}

/* The mocked or allowed name that is probably meant to be this one; NULL */
static const char *
nearest_name(const OwTestKit *kit, const char *activity)
{
	int			count = list_length(kit->allowed);
	const char **names = palloc(sizeof(char *) * (count + list_length(kit->mocks) + 1));
	ListCell   *cell;

	foreach(cell, kit->allowed)
		names[foreach_current_index(cell)] = lfirst(cell);
	foreach(cell, kit->mocks)
	{
		const OwMock *mock = lfirst(cell);

		if (mock->kind == OW_MOCK_ACTIVITY && strcmp(mock->match.name, activity) != 0)
			names[count++] = mock->match.name;
	}
	return ow_nearest_name(activity, names, count);
}

static void
raise_unexpected(const OwTestKit *kit, const OwActivityCall *call, const OwRun *run)
{
	const char *nearest = nearest_name(kit, call->activity->name);

	if (ow_test_kit_activity(call->activity->name) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_UNMOCKED_ACTIVITY),
				 errmsg("no mock of activity \"%s\" is for this call, or none is left", call->activity->name),
				 errdetail("State \"%s\" of workflow \"%s\" calls it in attempt %d with input %s.", call->state,
						   run->workflow_id, call->attempt, ow_json_to_cstring(call->input)),
				 errhint("Add a mock without input, matching, attempt, workflow_id and times for all other calls.")));
	ereport(ERROR,
			(errcode(ERRCODE_OW_UNMOCKED_ACTIVITY),
			 errmsg("activity \"%s\" is neither mocked nor allowed in this test", call->activity->name),
			 errdetail("State \"%s\" of workflow \"%s\" calls it with input %s.", call->state, run->workflow_id,
					   ow_json_to_cstring(call->input)),
			 nearest ? errhint("Perhaps what was mocked or allowed as \"%s\" is meant to be this one.", nearest) :
			 errhint("Call workflow_test.mock_activity or workflow_test.allow_activity for it.")));
}

bool
ow_mock_check_input(const OwActivity *activity, const Jsonb *input, OwFailure *failure)
{
	OwMismatches mismatches = {0};

	if (ow_payload_check(activity->options.input_type, input, &mismatches))
		return true;
	(void) ow_fail(failure, OW_ERROR_INVALID_INPUT, "input of activity \"%s\" is not of its declared type: %s",
				   activity->name, (char *) linitial(mismatches.lines));
	failure->non_retryable = true;
	return false;
}

OwMockVerdict
ow_mock_outcome(const OwMockAnswer *answer, const OwMockedCall *call, OwMockOutcome *outcome)
{
	if (answer->error != NULL)
	{
		(void) ow_fail(&outcome->failure, answer->error, "%s", answer->message ? answer->message : "");
		outcome->failure.details = answer->details;
		outcome->failure.non_retryable = answer->non_retryable;
		outcome->failure.next_retry_delay_ms = answer->next_retry_delay_ms;
		return OW_MOCK_ERROR;
	}
	if (answer->compute != NULL)
		ow_mock_compute(answer, call, outcome);
	else
		outcome->result = answer->result ? answer->result : ow_json_null();
	return outcome->result != NULL ? OW_MOCK_RESULT : OW_MOCK_ERROR;
}

/* What the mock answers, after its duration */
static OwMockVerdict
answer_call(OwTestKit *kit, OwMock *mock, const OwActivityCall *call, const OwMockedCall *mocked, OwMockOutcome *outcome)
{
	const OwMockAnswer *answer;
	OwMockVerdict verdict = OW_MOCK_ERROR;

	if (!ow_mock_check_input(call->activity, call->input, &outcome->failure))
		return OW_MOCK_ERROR;
	answer = ow_mock_take_answer(mock);
	if (answer->heartbeat != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("activity \"%s\" cannot send heartbeats", call->activity->name),
				 errdetail("Only activities of task queues do."),
				 errhint("Register it with a task queue, as it is in production: workflow.register_activity(…, task_queue => …).")));
	if (!answer->never && answer->compute != NULL)
		verdict = ow_mock_outcome(answer, mocked, outcome);
	outcome->timed_out = pass_time(kit, answer, call);
	if (outcome->timed_out)
	{
		(void) ow_fail(&outcome->failure, OW_ERROR_TIMEOUT, "the attempt took longer than allowed");
		return OW_MOCK_ERROR;
	}
	return answer->compute != NULL ? verdict : ow_mock_outcome(answer, mocked, outcome);
}

static OwMockVerdict
ask(OwTestKit *kit, const OwActivityCall *call, const OwRun *run, OwMockOutcome *outcome)
{
	OwMockedCall mocked = {
		.kind = OW_MOCK_ACTIVITY,
		.name = call->activity->name,
		.input = call->input,
		.attempt = call->attempt,
		.workflow_id = run->workflow_id
	};
	OwMock	   *mock = ow_mock_find(kit, &mocked);
	OwTestCall *logged = ow_test_log(kit, &mocked, run->workflow_id);

	logged->state = MemoryContextStrdup(kit->context, call->state);
	logged->compensation = call->compensation > 0;
	ow_test_react(kit, &mocked);
	if (kit->explore != NULL && (mock != NULL || !is_allowed(kit, mocked.name)))
		mock = ow_explore_mock(kit, &mocked, mock);
	if (mock != NULL)
		return answer_call(kit, mock, call, &mocked, outcome);
	if (!is_allowed(kit, call->activity->name))
		raise_unexpected(kit, call, run);
	while (ow_test_execute_due(kit))
		;
	return OW_MOCK_ALLOWED;
}

OwMockVerdict
ow_test_kit_mock(const OwActivityCall *call, const OwRun *run, OwMockOutcome *outcome)
{
	OwTestKit  *kit = ow_test_kit();
	OwMockVerdict verdict = OW_MOCK_NONE;

	if (kit == NULL)
		return OW_MOCK_NONE;
	ow_activity_enter(call, run);
	PG_TRY();
	{
		verdict = ask(kit, call, run, outcome);
	}
	PG_FINALLY();
	{
		ow_activity_reset();
	}
	PG_END_TRY();
	if (verdict == OW_MOCK_ALLOWED)
		ow_activity_suspend();
	return verdict;
}
