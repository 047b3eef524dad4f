/*
 * request.c
 *		Requests of a run to other workflows, and what answers them.
 */
#include "postgres.h"

#include "machine/json.h"
#include "request.h"

const OwToken *
fuzz_request_waiting(const OwRun *run, int *branch)
{
	ListCell   *cell;

	*branch = 0;
	if (run->token.phase == OW_PHASE_REQUEST)
		return &run->token;
	foreach(cell, run->branches)
	{
		const OwBranch *candidate = lfirst(cell);

		*branch = candidate->id;
		if (candidate->token.phase == OW_PHASE_REQUEST)
			return &candidate->token;
	}
	return NULL;
}

static bool
is_started(const OwToken *token)
{
	JsonbValue	value;

	return ow_json_member(ow_json_get(token->kept, "Request"), "started", &value);
}

static OwInputKind
kind_of(const OwDefinition *definition, const OwToken *token, const char *word)
{
	if (strcmp(word, "Refused") == 0)
		return OW_INPUT_REQUEST_FAILED;
	if (strcmp(word, "Accepted") == 0)
		return OW_INPUT_REQUEST_ACCEPTED;
	if (strcmp(word, "Started") == 0)
		return OW_INPUT_CHILD_STARTED;
	if (*word != '\0')
		return OW_INPUT_CHILD_CLOSED;
	if (token == NULL || definition->states[token->state].workflow->kind != OW_REQUEST_CHILD)
		return OW_INPUT_REQUEST_ACCEPTED;
	return is_started(token) ? OW_INPUT_CHILD_CLOSED : OW_INPUT_CHILD_STARTED;
}

/* Could the answer come to this token?  A child that has started is not refused, and is not a signal. */
static bool
could_come(const OwDefinition *definition, const OwToken *token, OwInputKind kind)
{
	const OwWorkflowTask *task;

	if (token == NULL)
		return kind == OW_INPUT_CHILD_CLOSED;
	task = definition->states[token->state].workflow;
	switch (kind)
	{
		case OW_INPUT_REQUEST_ACCEPTED:
			return task->kind != OW_REQUEST_CHILD;
		case OW_INPUT_CHILD_STARTED:
			return task->kind == OW_REQUEST_CHILD && !is_started(token);
		case OW_INPUT_CHILD_CLOSED:
			return task->kind == OW_REQUEST_CHILD && is_started(token);
		default:
			return !is_started(token);
	}
}

bool
fuzz_request_answer(const OwDefinition *definition, const OwToken *token, const char *words, OwInput *input)
{
	static const char *const statuses[] = {"Completed", "Failed", "Canceled", "Terminated", "TimedOut"};
	static const pg_uuid_t nobody = {{0xFF}};
	char	   *word = pnstrdup(words, strcspn(words, " "));
	const char *rest = words + strlen(word) + strspn(words + strlen(word), " ");
	const char *status = statuses[0];
	OwObject	answer;

	for (int i = 0; i < (int) lengthof(statuses); i++)
	{
		if (strcmp(word, statuses[i]) == 0)
			status = statuses[i];
	}
	input->kind = kind_of(definition, token, word);
	if (!could_come(definition, token, input->kind))
		return false;
	ow_object_begin(&answer);
	ow_object_add_text(&answer, "request_id", ow_uuid_to_cstring(token ? &token->task_token : &nobody));
	ow_object_add_text(&answer, "workflow_id", "another");
	ow_object_add_text(&answer, "run_id", ow_uuid_to_cstring(&nobody));
	if (input->kind == OW_INPUT_CHILD_CLOSED)
		ow_object_add_text(&answer, "status", status);
	if (input->kind == OW_INPUT_CHILD_CLOSED && status == statuses[0])
		ow_object_add(&answer, "result", ow_json_parse(rest));
	else if (input->kind == OW_INPUT_CHILD_CLOSED || input->kind == OW_INPUT_REQUEST_FAILED)
	{
		ow_object_add_text(&answer, "error", rest);
		ow_object_add_text(&answer, "cause", words);
	}
	input->request = ow_object_end(&answer);
	return true;
}
