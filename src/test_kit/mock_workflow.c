/*
 * mock_workflow.c
 *		What a test answers in other workflows' place: children, and those that are sent signals and cancels.
 *
 * The parent is told that a mocked child has started at once, and has closed when its duration is over: other runs go on meanwhile.  If it is
 * asked to close before, by a cancel or because its parent has closed, it does.
 */
#include "postgres.h"

#include "engine/clock.h"
#include "fmgr.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "store/start.h"
#include "store/store.h"
#include "test_kit/explore.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* The first that was sent decides. */
static OwStatement take_ends = {
	.sql =
	"WITH sent AS (DELETE FROM workflow.message WHERE shard_key = $1 AND run_id = $2 AND kind IN ('Cancel', 'Terminate')"
	"              RETURNING kind, payload, sent_at)"
	" SELECT kind, payload->>'reason' FROM sent ORDER BY sent_at",
	.argument_types = "int,uuid"
};

static const char *
closing_status(const char *error)
{
	if (error == NULL)
		return "Completed";
	if (strcmp(error, OW_ERROR_TIMEOUT) == 0)
		return "TimedOut";
	if (strcmp(error, OW_ERROR_CHILD_CANCELED) == 0)
		return "Canceled";
	return strcmp(error, OW_ERROR_CHILD_TERMINATED) == 0 ? "Terminated" : "Failed";
}

static Jsonb *
closing(const OwMail *mail, OwMockVerdict verdict, const OwMockOutcome *outcome, TimestampTz closed_at)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "request_id", ow_uuid_to_cstring(&mail->ref.run_id));
	ow_object_add_text(&object, "run_id", ow_uuid_to_cstring(&mail->ref.run_id));
	ow_object_add(&object, "workflow", ow_json_get(mail->payload, "workflow"));
	ow_object_add(&object, "workflow_id", ow_json_get(mail->payload, "workflow_id"));
	ow_object_add_text(&object, "started_at", ow_instant_format(ow_clock_now()));
	ow_object_add_text(&object, "closed_at", ow_instant_format(closed_at));
	if (outcome->timed_out)
	{
		ow_object_add_text(&object, "status", "TimedOut");
		ow_object_add_text(&object, "cause", "the workflow did not close in time");
	}
	else if (verdict == OW_MOCK_RESULT)
	{
		ow_object_add_text(&object, "status", closing_status(NULL));
		ow_object_add(&object, "result", outcome->result);
	}
	else
	{
		ow_object_add_text(&object, "status", closing_status(outcome->failure.error));
		ow_object_add_text(&object, "error", outcome->failure.error);
		ow_object_add_text(&object, "cause", outcome->failure.cause);
	}
	return ow_object_end(&object);
}

static OwRunRef
sender_of(const OwMail *mail)
{
	char	   *run_id = ow_json_get_string(ow_json_get(mail->payload, "sender"), "run_id");
	OwRunRef	ref;

	ref.run_id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(run_id)));
	ref.shard_key = ow_run_id_shard_key(&ref.run_id);
	return ref;
}

/* Notes that the child will have closed; one that never does, when its parent's time for it is over, or it is asked to. */
static void
close_later(OwTestKit *kit, const OwMockAnswer *answer, const OwMockedCall *call, const OwMail *mail)
{
	char	   *deadline = ow_json_get_string(mail->payload, "deadline");
	TimestampTz done_at = answer->never ? DT_NOEND : ow_instant_add_ms(ow_clock_now(), answer->duration_ms);
	TimestampTz limit = DT_NOEND;
	OwMockOutcome outcome = {NULL};
	OwMockVerdict verdict = OW_MOCK_ERROR;
	OwTestReply reply = {.run = sender_of(mail), .owner = mail->sender, .kind = "ChildClosed", .child = mail->ref};

	if (deadline != NULL)
		(void) ow_instant_parse(deadline, &limit);
	reply.at = Min(done_at, limit);
	outcome.timed_out = limit < done_at || answer->never;
	if (!outcome.timed_out)
		verdict = ow_mock_outcome(answer, call, &outcome);
	reply.payload = closing(mail, verdict, &outcome, reply.at);
	ow_test_reply(kit, &reply);
}

/* What was sent to the child: the parent cancels it, or has closed */
static bool
take_end(const OwRunRef *ref, char **kind, char **reason)
{
	Datum		values[2] = {Int32GetDatum(ref->shard_key), UUIDPGetDatum(&ref->run_id)};
	bool		found;

	ow_store_open();
	found = ow_store_execute(&take_ends, values, NULL) > 0;
	if (found)
	{
		*kind = ow_store_text(0, 1);
		*reason = ow_store_text(0, 2);
	}
	ow_store_close();
	return found;
}

bool
ow_test_close_child(OwTestKit *kit, const OwRunRef *ref)
{
	OwTestReply *reply = ow_test_find_reply(kit, ref);
	MemoryContext previous;
	OwObject	end;
	char	   *kind;
	char	   *reason;
	bool		canceled;

	if (reply == NULL || !take_end(ref, &kind, &reason))
		return false;
	previous = MemoryContextSwitchTo(kit->context);
	canceled = strcmp(kind, "Cancel") == 0;
	ow_object_begin(&end);
	ow_object_add_text(&end, "closed_at", ow_instant_format(ow_clock_now()));
	ow_object_add_text(&end, "status", canceled ? "Canceled" : "Terminated");
	ow_object_add_text(&end, "error", canceled ? OW_ERROR_CHILD_CANCELED : OW_ERROR_CHILD_TERMINATED);
	ow_object_add_text(&end, "cause", reason);
	reply->payload = ow_json_merged(ow_json_without_member(reply->payload, "result"), ow_object_end(&end));
	reply->at = ow_clock_now();
	MemoryContextSwitchTo(previous);
	return true;
}

static void
log_request(OwTestKit *kit, const OwMockedCall *call, const OwMail *mail, const OwMock *mock)
{
	char	   *sender = ow_json_get_string(ow_json_get(mail->payload, "sender"), "workflow_id");

	ow_test_log(kit, call, sender)->mocked = mock != NULL;
}

bool
ow_test_kit_mocks_child(const OwMail *mail)
{
	OwTestKit  *kit = ow_test_kit();
	OwMockedCall call = {.kind = OW_MOCK_WORKFLOW};
	OwMock	   *mock;

	if (kit == NULL)
		return false;
	call.name = ow_json_get_string(mail->payload, "workflow");
	call.workflow_id = ow_json_get_string(mail->payload, "workflow_id");
	call.input = ow_json_get(mail->payload, "input");
	mock = ow_mock_find(kit, &call);
	if (kit->explore != NULL)
		mock = ow_explore_mock(kit, &call, mock);
	log_request(kit, &call, mail, mock);
	if (mock == NULL)
		return false;
	close_later(kit, ow_mock_take_answer(mock), &call, mail);
	return true;
}

bool
ow_test_kit_mocks_message(const OwMail *mail, OwFailure *failure)
{
	OwTestKit  *kit = ow_test_kit();
	OwMockedCall call = {.kind = strcmp(mail->kind, "SignalExternal") == 0 ? OW_MOCK_SIGNAL : OW_MOCK_CANCEL};
	const OwMockAnswer *answer;
	OwMock	   *mock;

	if (kit == NULL)
		return false;
	call.name = call.workflow_id = ow_json_get_string(mail->payload, "workflow_id");
	call.signal = ow_json_get_string(mail->payload, "signal");
	call.input = ow_json_get(mail->payload, call.kind == OW_MOCK_SIGNAL ? "payload" : "reason");
	if (call.input == NULL)
		call.input = ow_json_null();
	mock = ow_mock_find(kit, &call);
	log_request(kit, &call, mail, mock);
	if (mock == NULL)
		return false;
	answer = ow_mock_take_answer(mock);
	failure->error = NULL;
	if (answer->error != NULL)
		(void) ow_fail(failure, answer->error, "%s", answer->message ? answer->message : "");
	return true;
}
