/*
 * mock_task.c
 *		What a test answers for tasks in task queues.
 *
 * The mock takes the task as a worker does, once no run can move, and answers when its duration is over; whoever else
 * has something to do does it meanwhile.  If it does not answer in time, the lease ends.
 */
#include "postgres.h"

#include "engine/circuit_queue.h"
#include "engine/clock.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "store/catalog.h"
#include "store/heartbeat.h"
#include "test_kit/explore.h"
#include "utils/timestamp.h"

static Jsonb *
answer_payload(const OwTaskInQueue *task, OwMockVerdict verdict, const OwMockOutcome *outcome)
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
		if (failure->next_retry_delay_ms != OW_UNSET)
			ow_object_add_int(&payload, "next_retry_delay_ms", failure->next_retry_delay_ms);
	}
	return ow_object_end(&payload);
}

static void
reply(OwTestKit *kit, const OwTaskInQueue *task, OwMockVerdict verdict, const OwMockOutcome *outcome, int64 duration_ms)
{
	OwTestReply reply = {
		.at = ow_instant_add_ms(ow_clock_now(), duration_ms),
		.run = task->run,
		.owner = task->owner,
		.kind = verdict == OW_MOCK_RESULT ? "ActivityCompleted" : "ActivityFailed",
		.payload = answer_payload(task, verdict, outcome),
		.held = {.task_token = task->task_token, .claim = task->claim},
		.of_task = true,
		.beats = task->has_heartbeat
	};

	ow_test_reply(kit, &reply);
}

static void
send_heartbeat(const OwTaskInQueue *task, const Jsonb *details)
{
	OwHeartbeat beat = {
		.held = {.task_token = task->task_token, .claim = task->claim},
		.details = details
	};

	ow_heartbeats_note(&beat, 1);
}

static void
log_task(OwTestKit *kit, const OwTaskInQueue *task, const OwMockedCall *mocked)
{
	OwTestCall *logged = ow_test_log(kit, mocked, task->workflow_id);

	logged->state = MemoryContextStrdup(kit->context, task->state);
	logged->compensation = task->compensation > 0;
}

static void
answer(OwTestKit *kit, OwMock *mock, const OwTaskInQueue *task, const OwMockedCall *mocked)
{
	const OwActivity *registered = ow_catalog_activity(task->activity);
	OwMockOutcome outcome = {NULL};
	const OwMockAnswer *answer;

	if (registered != NULL && !ow_mock_check_input(registered, task->input, &outcome.failure))
	{
		reply(kit, task, OW_MOCK_ERROR, &outcome, 0);
		return;
	}
	answer = ow_mock_take_answer(mock);
	if (answer->heartbeat != NULL)
		send_heartbeat(task, answer->heartbeat);
	if (!answer->never)
		reply(kit, task, ow_mock_outcome(answer, mocked, &outcome), &outcome, answer->duration_ms);
}

static bool
answer_task(OwTestKit *kit, const OwTaskInQueue *task)
{
	OwMockedCall mocked = {
		.kind = OW_MOCK_ACTIVITY,
		.name = task->activity,
		.input = task->input,
		.attempt = task->attempt,
		.workflow_id = task->workflow_id
	};
	OwMock	   *mock = ow_mock_find(kit, &mocked);

	if ((mock == NULL && kit->explore == NULL) || !ow_circuit_lets_take(task, &kit->held_until))
		return false;
	if (kit->explore != NULL)
		mock = ow_explore_mock(kit, &mocked, mock);
	log_task(kit, task, &mocked);
	ow_task_take_one(task, OW_MOCK_WORKER);
	ow_test_react(kit, &mocked);
	while (ow_test_execute_due(kit))
		;
	answer(kit, mock, task, &mocked);
	return true;
}

bool
ow_test_kit_answer_queued(OwTestKit *kit)
{
	ListCell   *cell;

	kit->held_until = DT_NOEND;
	if (kit->mocks == NIL && kit->explore == NULL)
		return false;
	foreach(cell, ow_task_list(ow_test_kit_runs()))
	{
		if (answer_task(kit, lfirst(cell)))
			return true;
	}
	return false;
}
