/*
 * machine_workflow.c
 *		Tasks of other workflows: children that are started and waited for, signals and cancels.
 *
 *		enter -> REQUEST -> started (a child that is not waited for), accepted (a signal, a cancel) -> leave
 *					|   \-> started -> closed -> leave, or as failed
 *					\-> failed, closed otherwise -> BACKOFF (a retrier allows) -> another child, or the same again
 *
 * What is asked leaves as a message with the transaction of the run, and the answers come as messages: the two runs
 * never touch each other.  Each attempt is a request of its own, whose id answers name; a child's is the id of its
 * first run.  The token keeps
 *
 *		{"workflow": …, "workflow_id": …,	of whom what is asked
 *		 "started": true,					of a child
 *		 "cancel_requested": true}
 *
 * Answers, and the events that they leave, have these members, where there are such things:
 *
 *		{"request_id", "workflow", "workflow_id", "run_id", "started_at", "closed_at",
 *		 "status", "result", "error", "cause"}
 *
 * A run that is canceled cancels its children first, and waits for them.  A child whose Task ends in another way (its
 * run times out, a sibling branch fails) is canceled, too, but not waited for.  What its run leaves open when it closes is
 * for the shell to close, as its ParentClosePolicy has it.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"
#include "machine/traceparent.h"
#include "utils/builtins.h"

#define REQUEST "Request"

/* Members of an answer that its event has, too */
static const char *const answer_members[] = {
	"request_id", "workflow", "workflow_id", "run_id", "started_at", "closed_at", "status"
};

/* Temporal's names of the events that tell how a child has closed */
static const struct
{
	const char *status;
	const char *event;
	const char *error;			/* NULL: the child's own */
}			closings[] = {
	{"Completed", "ChildWorkflowExecutionCompleted", NULL},
	{"Failed", "ChildWorkflowExecutionFailed", NULL},
	{"Canceled", "ChildWorkflowExecutionCanceled", OW_ERROR_CHILD_CANCELED},
	{"Terminated", "ChildWorkflowExecutionTerminated", OW_ERROR_CHILD_TERMINATED},
	{"TimedOut", "ChildWorkflowExecutionTimedOut", OW_ERROR_TIMEOUT}
};

/* The events of each kind of request: when it is made, accepted and refused */
static const struct
{
	const char *made;
	const char *accepted;
	const char *refused;
}			request_events[] = {

	[OW_REQUEST_CHILD] = {"StartChildWorkflowExecutionInitiated", "ChildWorkflowExecutionStarted",
	"StartChildWorkflowExecutionFailed"},
	[OW_REQUEST_SIGNAL] = {"SignalExternalWorkflowExecutionInitiated", "ExternalWorkflowExecutionSignaled",
	"SignalExternalWorkflowExecutionFailed"},
	[OW_REQUEST_CANCEL] = {"RequestCancelExternalWorkflowExecutionInitiated", "ExternalWorkflowExecutionCancelRequested",
	"RequestCancelExternalWorkflowExecutionFailed"},
	[OW_REQUEST_CANCEL_CHILD] = {"RequestCancelExternalWorkflowExecutionInitiated", NULL, NULL}
};

/* ---- finding ---- */

static bool
waits_for(const OwToken *token, const pg_uuid_t *request_id)
{
	return token->phase == OW_PHASE_REQUEST && memcmp(&token->task_token, request_id, UUID_LEN) == 0;
}

const OwToken *
ow_run_find_request(const OwRun *run, const pg_uuid_t *request_id, int *branch)
{
	ListCell   *cell;

	*branch = 0;
	if (waits_for(&run->token, request_id))
		return &run->token;
	foreach(cell, run->branches)
	{
		const OwBranch *candidate = lfirst(cell);

		if (!waits_for(&candidate->token, request_id))
			continue;
		*branch = candidate->id;
		return &candidate->token;
	}
	return NULL;
}

/* ---- asking ---- */

/* A member of the Task's input that must be a text; NULL and *ok false, with the failure, when it is none */
static char *
text_argument(OwMachine *machine, const char *name, bool required, bool *ok, OwFailure *failure)
{
	const char *state = ow_machine_state(machine)->name;
	JsonbValue	value;

	if (!ow_json_member(machine->task_input, name, &value) || value.type == jbvNull)
	{
		if (required && *ok)
			*ok = ow_fail(failure, OW_ERROR_INVALID_INPUT, "the input of state \"%s\" has no \"%s\"", state, name);
		return NULL;
	}
	if (value.type == jbvString)
		return ow_json_value_cstring(&value);
	if (*ok)
		*ok = ow_fail(failure, OW_ERROR_INVALID_INPUT, "\"%s\" in the input of state \"%s\" must be a string, not %s", name,
					  state, ow_json_type_phrase(&value));
	return NULL;
}

static bool
refuse_workflow_id(const OwState *state, const JsonbValue *value, OwFailure *failure)
{
	return ow_fail(failure, OW_ERROR_INVALID_INPUT, "WorkflowId of state \"%s\" must be a string, not %s", state->name,
				   ow_json_type_phrase(value));
}

/* In SQL, evaluated the first time, then as kept */
static bool
sql_workflow_id(OwMachine *machine, const OwState *state, char **workflow_id, OwFailure *failure)
{
	OwToken    *token = machine->token;
	JsonbValue	value;
	Jsonb	   *json;

	if (token->kept == NULL || !ow_json_member(token->kept, "WorkflowId", &value))
	{
		if (!ow_machine_evaluate(machine, state->workflow->workflow_id_sql, &json, failure))
			return false;
		ow_json_as_value(json, &value);
		token->kept = ow_json_with_member(token->kept, "WorkflowId", json);
	}
	if (value.type != jbvString)
		return refuse_workflow_id(state, &value, failure);
	*workflow_id = ow_json_value_cstring(&value);
	return true;
}

static bool
child_workflow_id(OwMachine *machine, const OwState *state, char **workflow_id, OwFailure *failure)
{
	const OwWorkflowTask *task = state->workflow;
	OwScope		scope;
	JsonbValue	value;

	if (task->workflow_id_sql != NULL)
		return sql_workflow_id(machine, state, workflow_id, failure);
	if (task->workflow_id_path != NULL)
	{
		ow_machine_scope(machine, machine->token->data, OW_EVALUATE_INPUT, &scope);
		if (!ow_expression_evaluate(task->workflow_id_path, &scope, &value, failure))
			return false;
		if (value.type != jbvString)
			return refuse_workflow_id(state, &value, failure);
		*workflow_id = ow_json_value_cstring(&value);
		return true;
	}
	*workflow_id = task->workflow_id ? task->workflow_id : ow_machine_idempotency_key(machine, state);
	return true;
}

/* The child as its Task has it, or (startExecution) the Task's input */
static bool
describe_child(OwMachine *machine, const OwState *state, OwRequest *request, Jsonb **input, OwFailure *failure)
{
	const OwWorkflowTask *task = state->workflow;
	bool		ok = true;
	char	   *arn;

	request->workflow = task->workflow;
	request->version = task->version;
	request->policy = task->policy;
	*input = machine->task_input;
	if (task->form == OW_CHILD_PLAIN)
		return child_workflow_id(machine, state, &request->workflow_id, failure);
	arn = text_argument(machine, "StateMachineArn", true, &ok, failure);
	request->workflow_id = text_argument(machine, "Name", false, &ok, failure);
	if (!ok)
		return false;
	if (request->workflow == NULL)
		request->workflow = ow_state_machine_name(arn);
	if (request->workflow_id == NULL)
		request->workflow_id = ow_machine_idempotency_key(machine, state);
	*input = ow_json_get(machine->task_input, "Input");
	if (*input == NULL)
		*input = ow_json_empty_object();
	return true;
}

static bool
check_workflow_id(const OwState *state, const char *workflow_id, OwFailure *failure)
{
	return (*workflow_id != '\0' && strlen(workflow_id) <= OW_MAX_WORKFLOW_ID) ||
		ow_fail(failure, OW_ERROR_INVALID_INPUT, "the workflow id of state \"%s\" must have from 1 to %d bytes", state->name,
				OW_MAX_WORKFLOW_ID);
}

/* When the child times out; DT_NOEND */
static bool
child_deadline(OwMachine *machine, TimestampTz *deadline, OwFailure *failure)
{
	OwTaskOptions options;

	if (!ow_machine_attempt_options(machine, &options, failure))
		return false;
	*deadline = ow_token_close_by(machine->token, &options);
	if (options.start_to_close_ms != OW_UNSET)
		*deadline = Min(*deadline, ow_instant_add_ms(machine->now, options.start_to_close_ms));
	return true;
}

static void
add_sender(OwObject *object, const OwRun *run)
{
	OwObject	sender;

	ow_object_begin(&sender);
	ow_object_add_text(&sender, "workflow_id", run->workflow_id);
	ow_object_add_text(&sender, "run_id", ow_uuid_to_cstring(&run->run_id));
	ow_object_add(object, "sender", ow_object_end(&sender));
}

static bool
fill_child(OwMachine *machine, const OwState *state, OwRequest *request, OwFailure *failure)
{
	TimestampTz deadline;
	Jsonb	   *input;
	OwObject	object;

	if (!describe_child(machine, state, request, &input, failure) || !child_deadline(machine, &deadline, failure))
		return false;
	ow_object_begin(&object);
	ow_object_add_text(&object, "workflow", request->workflow);
	if (request->version > 0)
		ow_object_add_int(&object, "version", request->version);
	ow_object_add_text(&object, "workflow_id", request->workflow_id);
	ow_object_add(&object, "input", input);
	if (deadline != DT_NOEND)
		ow_object_add_text(&object, "deadline", ow_instant_format(deadline));
	ow_object_add_text(&object, "traceparent",
					   ow_traceparent_of_attempt(machine->run->traceparent, &machine->run->run_id,
												 ow_machine_idempotency_key(machine, state), Max(machine->token->attempt, 1)));
	add_sender(&object, machine->run);
	request->payload = ow_object_end(&object);
	return true;
}

/* A signal or a cancel: all of it is in the Task's input. */
static bool
fill_external(OwMachine *machine, OwRequest *request, OwFailure *failure)
{
	bool		signals = request->kind == OW_REQUEST_SIGNAL;
	bool		ok = true;
	OwObject	object;
	char	   *text;

	request->workflow_id = text_argument(machine, "WorkflowId", true, &ok, failure);
	text = text_argument(machine, signals ? "Signal" : "Reason", signals, &ok, failure);
	if (!ok)
		return false;
	ow_object_begin(&object);
	ow_object_add_text(&object, "workflow_id", request->workflow_id);
	ow_object_add_text(&object, signals ? "signal" : "reason", text);
	if (signals)
	{
		Jsonb	   *payload = ow_json_get(machine->task_input, "Payload");

		ow_object_add(&object, "payload", payload ? payload : ow_json_null());
	}
	add_sender(&object, machine->run);
	request->payload = ow_object_end(&object);
	return true;
}

/* What the current Task asks; NULL, with the failure, when that cannot be evaluated. */
OwRequest *
ow_machine_make_request(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	OwRequest  *request = palloc0(sizeof(OwRequest));
	bool		ok;

	request->kind = state->workflow->kind;
	request->state = state->name;
	request->at = machine->now;
	if (request->kind == OW_REQUEST_CHILD)
		ok = fill_child(machine, state, request, failure);
	else
		ok = fill_external(machine, request, failure);
	return ok && check_workflow_id(state, request->workflow_id, failure) ? request : NULL;
}

static void
record_made(OwMachine *machine, const OwState *state, const OwRequest *request)
{
	bool		child = request->kind == OW_REQUEST_CHILD;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "attempt", machine->token->attempt);
	ow_object_add_text(&object, "workflow", request->workflow);
	ow_object_add_text(&object, "workflow_id", request->workflow_id);
	ow_object_add_text(&object, child ? "run_id" : "request_id", ow_uuid_to_cstring(&request->id));
	if (child)
		ow_object_add_text(&object, "parent_close_policy", ow_close_policy_name(request->policy));
	if (machine->token->attempt == 1)
		ow_object_add(&object, "input", ow_json_get(request->payload, "input"));
	ow_object_add(&object, "version", ow_json_get(request->payload, "version"));
	ow_object_add(&object, "deadline", ow_json_get(request->payload, "deadline"));
	ow_object_add(&object, "signal", ow_json_get(request->payload, "signal"));
	ow_object_add(&object, "payload", ow_json_get(request->payload, "payload"));
	ow_object_add(&object, "reason", ow_json_get(request->payload, "reason"));
	ow_machine_record(machine, request_events[request->kind].made, state->name, ow_object_end(&object));
}

void
ow_machine_send_request(OwMachine *machine, const OwState *state, OwRequest *request)
{
	OwToken    *token = machine->token;
	OwObject	kept;

	machine->host->new_request(machine->host->arg, machine->run, request);
	record_made(machine, state, request);
	machine->run->requests = lappend(machine->run->requests, request);
	ow_object_begin(&kept);
	ow_object_add_text(&kept, "workflow", request->workflow);
	ow_object_add_text(&kept, "workflow_id", request->workflow_id);
	token->kept = ow_json_with_member(state->sql ? token->kept : NULL, REQUEST, ow_object_end(&kept));
	token->phase = OW_PHASE_REQUEST;
	token->task_token = request->id;
	token->has_task_token = true;
	ow_machine_not_idle(machine);
}

/* The back-off is over; what is asked has not changed. */
void
ow_machine_request_again(OwMachine *machine, const OwState *state)
{
	OwRequest  *request;
	OwFailure	failure;

	ow_machine_record(machine, "TimerFired", state->name, NULL);
	if ((machine->task_input != NULL || ow_machine_task_input(machine, state, &failure)) &&
		(request = ow_machine_make_request(machine, state, &failure)) != NULL)
			ow_machine_send_request(machine, state, request);
	else
		ow_machine_refuse_attempt(machine, state, &failure);
}

static bool
is_noted(const OwToken *token, const char *name)
{
	JsonbValue	value;

	return ow_json_member(ow_json_get(token->kept, REQUEST), name, &value);
}

static void
note(OwToken *token, const char *name)
{
	token->kept = ow_json_with_member(token->kept, REQUEST,
									  ow_json_with_member(ow_json_get(token->kept, REQUEST), name, ow_json_bool(true)));
}

/* ---- canceling children ---- */

/* Does the token wait for a child that it takes along when it is canceled? */
static bool
awaits_child(const OwMachine *machine, const OwToken *token)
{
	const OwWorkflowTask *task;

	if (token->phase != OW_PHASE_REQUEST)
		return false;
	task = machine->definition->states[token->state].workflow;
	return task->kind == OW_REQUEST_CHILD && task->waits && task->policy != OW_CLOSE_ABANDON;
}

/* The current token's child is no longer wanted. */
void
ow_machine_leave_child(OwMachine *machine)
{
	OwToken    *token = machine->token;
	OwRequest  *request;
	OwObject	object;

	if (!awaits_child(machine, token) || is_noted(token, "cancel_requested"))
		return;
	request = palloc0(sizeof(OwRequest));
	request->kind = OW_REQUEST_CANCEL_CHILD;
	request->id = token->task_token;
	request->workflow_id = ow_json_get_string(ow_json_get(token->kept, REQUEST), "workflow_id");
	request->state = ow_machine_state(machine)->name;
	request->at = machine->now;
	ow_object_begin(&object);
	ow_object_add_text(&object, "reason", machine->cancel_reason ? machine->cancel_reason : "its parent no longer waits for it");
	request->payload = ow_object_end(&object);
	machine->run->requests = lappend(machine->run->requests, request);
	note(token, "cancel_requested");
	ow_object_begin(&object);
	ow_object_add_text(&object, "workflow_id", request->workflow_id);
	ow_object_add_text(&object, "run_id", ow_uuid_to_cstring(&request->id));
	ow_machine_record(machine, request_events[request->kind].made, request->state, ow_object_end(&object));
}

/* Cancels the children that the run waits for; true as long as there are any. */
bool
ow_machine_cancel_children(OwMachine *machine)
{
	OwRun	   *run = machine->run;
	bool		any = false;
	ListCell   *cell;

	if (awaits_child(machine, &run->token))
	{
		ow_machine_select(machine, NULL);
		ow_machine_leave_child(machine);
		any = true;
	}
	foreach(cell, run->branches)
	{
		OwBranch   *branch = lfirst(cell);

		if (!awaits_child(machine, &branch->token))
			continue;
		ow_machine_select(machine, branch);
		ow_machine_leave_child(machine);
		any = true;
	}
	return any;
}

/* ---- answers ---- */

void
ow_machine_add_answer(OwObject *object, const Jsonb *answer)
{
	for (int i = 0; i < (int) lengthof(answer_members); i++)
		ow_object_add(object, answer_members[i], ow_json_get(answer, answer_members[i]));
}

static int
find_closing(const Jsonb *answer)
{
	const char *status = ow_json_get_string(answer, "status");

	for (int i = 0; status != NULL && i < (int) lengthof(closings); i++)
	{
		if (strcmp(status, closings[i].status) == 0)
			return i;
	}
	elog(ERROR, "malformed answer of a child workflow");
}

const char *
ow_machine_failed_request_event(const OwState *state, const OwInput *input)
{
	return input->kind == OW_INPUT_CHILD_CLOSED ? closings[find_closing(input->request)].event :
		request_events[state->workflow->kind].refused;
}

static void
record_answer(OwMachine *machine, const char *event, const char *state, const OwInput *input)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_machine_add_answer(&object, input->request);
	if (state != NULL)
	{
		ow_object_add_int(&object, "attempt", machine->token->attempt);
		ow_object_add(&object, "result", ow_json_get(input->request, "result"));
	}
	ow_machine_record(machine, event, state, ow_object_end(&object));
}

/* What has become of the run that was asked for, as the Task's result */
static Jsonb *
started_result(const Jsonb *answer)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add(&object, "ExecutionArn", ow_json_get(answer, "run_id"));
	ow_object_add(&object, "RunId", ow_json_get(answer, "run_id"));
	ow_object_add(&object, "WorkflowId", ow_json_get(answer, "workflow_id"));
	ow_object_add(&object, "StartDate", ow_json_get(answer, "started_at"));
	return ow_object_end(&object);
}

/* The child's output, in the envelope that Step Functions puts it in where an execution was asked for */
static Jsonb *
closed_result(const OwWorkflowTask *task, const Jsonb *answer)
{
	Jsonb	   *output = ow_json_get(answer, "result");
	OwObject	object;

	if (output == NULL)
		output = ow_json_null();
	if (task->form == OW_CHILD_PLAIN)
		return output;
	ow_object_begin(&object);
	ow_object_add(&object, "ExecutionArn", ow_json_get(answer, "run_id"));
	ow_object_add(&object, "Name", ow_json_get(answer, "workflow_id"));
	ow_object_add(&object, "StateMachineArn", ow_json_get(answer, "workflow"));
	ow_object_add_text(&object, "Status", "SUCCEEDED");
	ow_object_add(&object, "StartDate", ow_json_get(answer, "started_at"));
	ow_object_add(&object, "StopDate", ow_json_get(answer, "closed_at"));
	ow_object_add(&object, "Output",
				  task->form == OW_CHILD_EXECUTION_TEXT ? ow_json_text(ow_json_to_cstring(output)) : output);
	return ow_object_end(&object);
}

static void
settle(OwMachine *machine, const OwState *state)
{
	OwToken    *token = machine->token;

	token->has_task_token = false;
	token->control = NULL;
	if (state->sql == NULL)
		token->kept = NULL;
	ow_machine_not_idle(machine);
}

/*
 * The workflow id of the child is taken by one that is about to go, as the run that had started it was reset: that is waited for,
 * unless a Retry says otherwise.
 */
static void
wait_for_closing(const OwInput *input, OwTaskOptions *options)
{
	static char *errors[] = {OW_ERROR_ALREADY_STARTED};
	OwRetrier  *retriers;
	JsonbValue	closing;

	if (input->kind != OW_INPUT_REQUEST_FAILED || options->nretriers == OW_MAX_RETRIERS ||
		!ow_json_member(input->request, "closing", &closing))
		return;
	retriers = palloc((options->nretriers + 1) * sizeof(OwRetrier));
	if (options->nretriers > 0)
		memcpy(retriers, options->retriers, options->nretriers * sizeof(OwRetrier));
	options->retriers = retriers;
	retriers[options->nretriers++] = (OwRetrier) {
		.nerrors = lengthof(errors), .errors = errors, .interval_ms = 1000, .backoff_rate = 1.5, .max_delay_ms = 60 * 1000,
		.max_attempts = PG_INT32_MAX, .maximum_attempts = OW_UNSET
	};
}

/* The request, or the child, failed: retry, catch, or fail the run.  A run that is being canceled goes on with that. */
static void
request_failed(OwMachine *machine, const OwInput *input, const OwFailure *failure)
{
	const OwState *state = ow_machine_state(machine);
	OwInput		failed = *input;
	OwTaskOptions options;

	failed.failure = failure;
	settle(machine, state);
	ow_machine_options(machine, &state->options, NULL, &options);
	wait_for_closing(input, &options);
	if (ow_machine_try_again(machine, &failed, &options, state->name, OW_PHASE_BACKOFF))
		return;
	if (input->kind == OW_INPUT_REQUEST_FAILED && state->compensation != NULL && state->compensation->when_scheduled)
		ow_machine_drop_scheduled_compensation(machine, state);
	if (ow_machine_cancel_is_pending(machine->run))
		machine->token->phase = OW_PHASE_ENTER;
	else if (!ow_machine_catch(machine, state, failure))
		ow_machine_fail(machine, failure);
}

static void
child_failed(OwMachine *machine, const OwInput *input, int closing)
{
	const Jsonb *answer = input->request;
	OwFailure	failure = {.next_retry_delay_ms = OW_UNSET};
	OwObject	details;

	failure.error = unconstify(char *, closings[closing].error);
	if (failure.error == NULL)
		failure.error = ow_json_get_string(answer, "error");
	if (failure.error == NULL)
		failure.error = "";
	failure.cause = ow_json_get_string(answer, "cause");
	ow_object_begin(&details);
	ow_object_add(&details, "WorkflowId", ow_json_get(answer, "workflow_id"));
	ow_object_add(&details, "RunId", ow_json_get(answer, "run_id"));
	ow_object_add(&details, "Status", ow_json_get(answer, "status"));
	failure.details = ow_object_end(&details);
	request_failed(machine, input, &failure);
}

static void
child_closed(OwMachine *machine, const OwState *state, const OwInput *input)
{
	int			closing = find_closing(input->request);
	Jsonb	   *result;

	if (closing > 0)
	{
		child_failed(machine, input, closing);
		return;
	}
	record_answer(machine, closings[closing].event, state->name, input);
	result = closed_result(state->workflow, input->request);
	settle(machine, state);
	(void) ow_machine_leave_task(machine, result);
}

static void
request_accepted(OwMachine *machine, const OwState *state, const OwInput *input)
{
	record_answer(machine, request_events[state->workflow->kind].accepted, state->name, input);
	if (state->workflow->waits)
	{
		note(machine->token, "started");
		return;
	}
	settle(machine, state);
	(void) ow_machine_leave_task(machine, started_result(input->request));
}

static void
read_request_id(const Jsonb *answer, pg_uuid_t *id)
{
	char	   *text = ow_json_get_string(answer, "request_id");

	if (text == NULL)
		elog(ERROR, "malformed answer of another workflow");
	*id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
}

/* A child is no longer open: it need not be closed when the run is. */
static void
forget_child(OwRun *run, const pg_uuid_t *id)
{
	pg_uuid_t  *copy = palloc(sizeof(pg_uuid_t));

	*copy = *id;
	run->closed_children = lappend(run->closed_children, copy);
}

/* What came from another workflow.  When nobody waits for it, only the end of a child is worth an event. */
void
ow_machine_answered(OwMachine *machine, const OwInput *input)
{
	const OwState *state;
	OwFailure	failure = {.next_retry_delay_ms = OW_UNSET};
	pg_uuid_t	id;
	bool		awaited;

	read_request_id(input->request, &id);
	awaited = waits_for(machine->token, &id);
	if (input->kind == OW_INPUT_CHILD_CLOSED || input->kind == OW_INPUT_REQUEST_FAILED)
		forget_child(machine->run, &id);
	if (!awaited)
	{
		if (input->kind == OW_INPUT_CHILD_CLOSED)
			record_answer(machine, closings[find_closing(input->request)].event, NULL, input);
		return;
	}
	state = ow_machine_state(machine);
	switch (input->kind)
	{
		case OW_INPUT_CHILD_CLOSED:
			child_closed(machine, state, input);
			break;
		case OW_INPUT_REQUEST_FAILED:
			failure.error = ow_json_get_string(input->request, "error");
			failure.cause = ow_json_get_string(input->request, "cause");
			request_failed(machine, input, &failure);
			break;
		default:
			request_accepted(machine, state, input);
	}
}
