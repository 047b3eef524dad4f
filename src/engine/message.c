/*
 * message.c
 *		What a message is to the machine of its run: which input, for which of its tokens.
 */
#include "postgres.h"

#include "engine/message.h"
#include "machine/json.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

/* What came with a task token; false when nobody waits for it any more. */
static bool
take_answer(const OwRun *run, const OwMessage *message, OwInput *input, OwFailure *failure)
{
	JsonbValue	value;

	const OwToken *token = ow_run_find_task(run, &message->task_token, &input->branch);

	if (token == NULL || (message->kind == OW_INPUT_HEARTBEAT && ow_token_is_queued(token)))
		return false;
	input->result = ow_json_get(message->payload, "result");
	input->details = ow_json_get(message->payload, "details");
	if (message->kind != OW_INPUT_ACTIVITY_FAILED)
		return true;
	memset(failure, 0, sizeof(*failure));
	failure->error = ow_json_get_string(message->payload, "error");
	if (failure->error == NULL)
		failure->error = "";
	failure->cause = ow_json_get_string(message->payload, "cause");
	failure->details = ow_json_get(message->payload, "details");
	failure->heartbeat = token->lease ? token->lease->details : NULL;
	failure->non_retryable = ow_json_member(message->payload, "non_retryable", &value) && value.val.boolean;
	failure->next_retry_delay_ms = OW_UNSET;
	if (ow_json_member(message->payload, "next_retry_delay_ms", &value))
		(void) ow_json_value_int64(&value, &failure->next_retry_delay_ms);
	input->failure = failure;
	return true;
}

static void
take_signal(const OwMessage *message, OwInput *input)
{
	input->signal = ow_json_get_string(message->payload, message->kind == OW_INPUT_UPDATE ? "update" : "signal");
	input->update_id = ow_json_get_string(message->payload, "update_id");
	input->details = ow_json_get(message->payload, "payload");
	input->request_id = ow_json_get_string(message->payload, "request_id");
	input->sent_at = message->sent_at;
}

/* An answer to a request; the end of a child counts even when nobody waits for it. */
static void
take_request_answer(const OwRun *run, const OwMessage *message, OwInput *input)
{
	char	   *text = ow_json_get_string(message->payload, "request_id");
	pg_uuid_t  *id = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));

	if (ow_run_find_request(run, id, &input->branch) == NULL)
		input->branch = 0;
}

bool
ow_message_is_control(const OwMessage *message)
{
	return message->kind == OW_INPUT_PAUSE_ACTIVITY || message->kind == OW_INPUT_RESUME_ACTIVITY ||
		message->kind == OW_INPUT_RESET_ACTIVITY || message->kind == OW_INPUT_ACTIVITY_OPTIONS;
}

bool
ow_message_input(const OwRun *run, const OwMessage *message, OwInput *input, OwFailure *failure)
{
	*input = (OwInput) {
		.kind = message->kind,
		.reason = message->reason,
		.requested_by = message->sent_by,
		.request = message->payload
	};
	switch (message->kind)
	{
		case OW_INPUT_ACTIVITY_COMPLETED:
		case OW_INPUT_ACTIVITY_FAILED:
		case OW_INPUT_HEARTBEAT:
			return take_answer(run, message, input, failure);
		case OW_INPUT_SIGNAL:
		case OW_INPUT_UPDATE:
			take_signal(message, input);
			return true;
		case OW_INPUT_COMPENSATIONS:
			input->details = ow_json_get(message->payload, "compensations");
			return true;
		case OW_INPUT_SEARCH_ATTRIBUTES:
			input->details = ow_json_get(message->payload, "search_attributes");
			return true;
		case OW_INPUT_CHILD_STARTED:
		case OW_INPUT_CHILD_CLOSED:
		case OW_INPUT_REQUEST_ACCEPTED:
		case OW_INPUT_REQUEST_FAILED:
			take_request_answer(run, message, input);
			return true;
		default:
			return true;
	}
}
