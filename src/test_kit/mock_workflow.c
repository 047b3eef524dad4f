/*
 * mock_workflow.c
 *		What a test answers in a child workflow's place.
 *
 * A mocked child is told to have started at once, and to have closed when its duration is over: other runs go on meanwhile.
 */
#include "postgres.h"

#include "engine/clock.h"
#include "fmgr.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "store/find.h"
#include "store/start.h"
#include "test_kit/kit_internal.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_test_mock_workflow);

/* mock_workflow(workflow, result, error, message, input, times, duration) */
Datum
ow_test_mock_workflow(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the workflow to mock must not be null")));
	kit->workflow_mocks = ow_test_kit_add_mock(kit, kit->workflow_mocks, fcinfo);
	PG_RETURN_VOID();
}

static const char *
closing_status(const OwMock *mock)
{
	if (mock->error == NULL)
		return "Completed";
	if (strcmp(mock->error, OW_ERROR_TIMEOUT) == 0)
		return "TimedOut";
	if (strcmp(mock->error, OW_ERROR_CHILD_CANCELED) == 0)
		return "Canceled";
	return strcmp(mock->error, OW_ERROR_CHILD_TERMINATED) == 0 ? "Terminated" : "Failed";
}

static Jsonb *
closing(const OwMock *mock, const OwMail *mail, TimestampTz started_at, TimestampTz closed_at, bool timed_out)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "request_id", ow_uuid_to_cstring(&mail->ref.run_id));
	ow_object_add_text(&object, "run_id", ow_uuid_to_cstring(&mail->ref.run_id));
	ow_object_add(&object, "workflow", ow_json_get(mail->payload, "workflow"));
	ow_object_add(&object, "workflow_id", ow_json_get(mail->payload, "workflow_id"));
	ow_object_add_text(&object, "started_at", ow_instant_format(started_at));
	ow_object_add_text(&object, "closed_at", ow_instant_format(closed_at));
	ow_object_add_text(&object, "status", timed_out ? "TimedOut" : closing_status(mock));
	if (timed_out)
		ow_object_add_text(&object, "cause", "the workflow did not close in time");
	else if (mock->error == NULL)
		ow_object_add(&object, "result", mock->result ? mock->result : ow_json_null());
	else
	{
		ow_object_add_text(&object, "error", mock->error);
		ow_object_add_text(&object, "cause", mock->message ? mock->message : "");
	}
	return ow_object_end(&object);
}

/* Notes that the child will have closed. */
static void
close_later(OwTestKit *kit, const OwMock *mock, const OwMail *mail)
{
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	char	   *run_id = ow_json_get_string(ow_json_get(mail->payload, "sender"), "run_id");
	char	   *deadline = ow_json_get_string(mail->payload, "deadline");
	OwTestReply *reply = palloc(sizeof(OwTestReply));
	TimestampTz now = ow_clock_now();
	TimestampTz limit = DT_NOEND;

	if (deadline != NULL)
		(void) ow_instant_parse(deadline, &limit);
	reply->at = Min(ow_instant_add_ms(now, mock->duration_ms), limit);
	reply->run.run_id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(run_id)));
	reply->run.shard_key = ow_run_id_shard_key(&reply->run.run_id);
	reply->owner = mail->sender;
	reply->payload = closing(mock, mail, now, reply->at, limit < ow_instant_add_ms(now, mock->duration_ms));
	kit->replies = lappend(kit->replies, reply);
	MemoryContextSwitchTo(previous);
}

bool
ow_test_kit_mocks_child(const OwMail *mail)
{
	OwTestKit  *kit = ow_test_kit();
	OwMock	   *mock;

	if (kit == NULL)
		return false;
	mock = ow_test_kit_find_mock(kit->workflow_mocks, ow_json_get_string(mail->payload, "workflow"),
								 ow_json_get(mail->payload, "input"));
	if (mock == NULL)
		return false;
	if (mock->left > 0)
		mock->left--;
	close_later(kit, mock, mail);
	return true;
}

/* Sends what is due, and tells when the next reply is; true when something was sent. */
bool
ow_test_kit_send_replies(OwTestKit *kit, TimestampTz *next)
{
	bool		sent = false;
	ListCell   *cell;

	*next = DT_NOEND;
	foreach(cell, kit->replies)
	{
		const OwTestReply *reply = lfirst(cell);

		if (reply->at > ow_clock_now())
		{
			*next = Min(*next, reply->at);
			continue;
		}
		(void) ow_message_store(&reply->run, reply->owner, "ChildClosed", NULL, reply->payload, reply->owner);
		kit->replies = foreach_delete_current(kit->replies, cell);
		sent = true;
	}
	return sent;
}
