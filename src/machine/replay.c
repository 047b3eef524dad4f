/*
 * replay.c
 *		Rebuilding a run's state from its history.
 *
 * Of the recorded events, those that came from outside are fed to the machine again; it must make all
 * the others by itself, in the same order.  An event that the machine has not made when its turn comes
 * is taken for an input:
 *
 *		WorkflowExecutionStarted			continue a new run
 *		StateEntered, MarkerRecorded, ActivityTaskScheduled, ActivityTaskQueued, ActivityTaskRejected
 *											continue a run that had given others a turn
 *		ActivityTaskCompleted, Failed, TimedOut	the attempt's outcome, with the recorded retry decision
 *		ActivityTaskStarted					the activity of a task that waits for its token has ended
 *		ActivityTaskHeartbeat
 *		ActivityTaskScheduled				(attempt > 1, or reset) the back-off is over
 *		ActivityTaskPaused, Unpaused, Reset, OptionsUpdated
 *		TimerFired							the Wait is over; with "timer": "WorkflowTimeout" the deadline
 *		WorkflowExecutionCancelRequested, WorkflowExecutionTerminated, WorkflowExecutionPaused, Unpaused
 *		WorkflowTaskFailed					the shell could not go on
 *		WorkflowTaskScheduled				an operator retried the stuck run
 *		CompensationRetryRequested
 *		WorkflowExecutionSignaled, WorkflowExecutionUpdateAccepted, CompensationsCarriedOver,
 *		UpsertWorkflowSearchAttributes
 *		StartChildWorkflowExecutionInitiated, SignalExternal…, RequestCancelExternal…
 *											continue a run that had given others a turn
 *		ChildWorkflowExecution…, ExternalWorkflowExecution…, StartChildWorkflowExecutionFailed, …
 *											the answer of another workflow
 *		TransitionLimitReached
 *		WorkflowExecutionUpgraded			the run goes on in another version
 *		WorkflowExecutionReset				what follows is another run's, which begins here
 *
 * The machine is stopped before each state that it is about to enter, and told to continue by the event of that,
 * with its time: a live run may have been stopped there as well.  So there are as many points as can be at which the
 * machine rests, and to which a run can be reset.
 */
#include "postgres.h"

#include "machine/replay.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "machine/machine_internal.h"
#include "utils/builtins.h"

#define REJECTED "ActivityTaskRejected"
#define RESET "WorkflowExecutionReset"
#define UPGRADED "WorkflowExecutionUpgraded"

/* Replay stores nothing: what has ended is in memory still. */
static void
read_no_outputs(void *arg, int parent, Jsonb **outputs, int count)
{
}

/* The event that the machine is about to make, as it was recorded; NULL: there is none */
static const OwHistoryEvent *
next_event(List *events, const OwRun *run)
{
	return run->next_event_id > list_length(events) ? NULL : list_nth(events, run->next_event_id - 1);
}

/* Its attributes; NULL */
static const Jsonb *
next_attributes(List *events, const OwRun *run)
{
	const OwHistoryEvent *next = next_event(events, run);

	return next == NULL ? NULL : next->attributes;
}

/* The event of handing the activity's task to its queue, if that comes next; NULL */
static const OwHistoryEvent *
next_queued(List *events, const OwRun *run)
{
	const OwHistoryEvent *next = next_event(events, run);

	return next != NULL && strcmp(next->type, "ActivityTaskQueued") == 0 ? next : NULL;
}

/* Stand for every activity: what mattered of the real ones was recorded */
static const OwActivity *
find_any_activity(void *arg, const OwRun *run, const char *name)
{
	static const OwActivity any_activity = {.kind = OW_ACTIVITY_SQL};
	static const OwActivity queue_activity = {.kind = OW_ACTIVITY_QUEUE};
	const OwHistoryEvent *queued = next_queued(arg, run);

	if (queued != NULL && strcmp(ow_json_get_string(queued->attributes, "activity"), name) == 0)
		return &queue_activity;
	return &any_activity;
}

static const Jsonb *
find_limits(void *arg, const OwRun *run)
{
	const OwHistoryEvent *queued = next_queued(arg, run);

	return queued ? ow_json_get(queued->attributes, "limits") : ow_json_empty_object();
}

static int
find_concurrency(void *arg, const OwRun *run)
{
	const Jsonb *attributes = next_attributes(arg, run);
	JsonbValue	value;
	int64		concurrency;

	return attributes != NULL && ow_json_member(attributes, "concurrency", &value) &&
		ow_json_value_int64(&value, &concurrency) ? (int) concurrency : 1;
}

/* False when there is none */
static bool
read_uuid(const Jsonb *attributes, const char *name, pg_uuid_t *uuid)
{
	char	   *text = attributes ? ow_json_get_string(attributes, name) : NULL;

	memset(uuid, 0, sizeof(*uuid));
	if (text != NULL)
		*uuid = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
	return text != NULL;
}

static void
find_task_token(void *arg, const OwRun *run, bool queued, pg_uuid_t *task_token)
{
	int			next = run->next_event_id - 1;
	const Jsonb *attributes = NULL;

	/* in a SQL state, what the attempt is called with is evaluated in between */
	while (next < list_length(arg) &&
		   strcmp(((const OwHistoryEvent *) list_nth(arg, next))->type, "MarkerRecorded") == 0)
		next++;
	if (next < list_length(arg))
		attributes = ((const OwHistoryEvent *) list_nth(arg, next))->attributes;
	(void) read_uuid(attributes, "task_token", task_token);
}

/* A request to another workflow, as the event that is made next tells */
static void
find_request(void *arg, const OwRun *run, OwRequest *request)
{
	(void) read_uuid(next_attributes(arg, run), request->kind == OW_REQUEST_CHILD ? "run_id" : "request_id", &request->id);
}

/* The run that continues this one, as the event that is made next tells */
static void
find_next_run(void *arg, const OwRun *run, bool inherits_version, pg_uuid_t *run_id, int *version)
{
	const Jsonb *attributes = next_attributes(arg, run);
	JsonbValue	value;
	int64		number = 0;

	(void) read_uuid(attributes, "new_run_id", run_id);
	if (attributes != NULL && ow_json_member(attributes, "version", &value))
		(void) ow_json_value_int64(&value, &number);
	*version = (int) number;
}

/* What a Version state read, as the event that is made next tells */
static Jsonb *
find_flag(void *arg, const OwRun *run, const char *name)
{
	const Jsonb *attributes = next_attributes(arg, run);

	return attributes ? ow_json_get(attributes, "flag_value") : NULL;
}

static void
read_retry(const OwHistoryEvent *event, OwRetryAnswer *answer)
{
	char	   *retry_at = ow_json_get_string(event->attributes, "retry_at");
	JsonbValue	retrier;
	int64		index;

	memset(answer, 0, sizeof(*answer));
	if (retry_at == NULL)
		return;
	if (!ow_json_member(event->attributes, "retrier", &retrier))
		index = OW_UNSET;		/* of a rejected attempt */
	else if (!ow_json_value_int64(&retrier, &index) || index < 0)
		index = OW_MAX_RETRIERS;
	if (!ow_instant_parse(retry_at, &answer->at) || index >= OW_MAX_RETRIERS ||
		(index == OW_UNSET && strcmp(event->type, REJECTED) != 0))
		elog(ERROR, "malformed retry decision in history event %d", event->event_id);
	answer->retry = true;
	answer->retrier = index;
}

/* The run was to be tried again if the event of its close, which is made next, says so. */
static bool
find_run_retry(void *arg, const OwRun *run, OwRetryQuestion *question, OwRetryAnswer *answer)
{
	const OwHistoryEvent *next = next_event(arg, run);

	if (next == NULL || next->attributes == NULL || ow_json_get_string(next->attributes, "retry_at") == NULL)
		return false;
	read_retry(next, answer);
	return true;
}

static void
read_failure(const OwHistoryEvent *event, bool upper_case, OwFailure *failure)
{
	JsonbValue	value;

	memset(failure, 0, sizeof(*failure));
	failure->error = ow_json_get_string(event->attributes, upper_case ? "Error" : "error");
	failure->cause = ow_json_get_string(event->attributes, upper_case ? "Cause" : "cause");
	failure->details = ow_json_get(event->attributes, upper_case ? "Details" : "details");
	failure->heartbeat = ow_json_get(event->attributes, "heartbeat_details");
	failure->non_retryable = ow_json_member(event->attributes, "non_retryable", &value);
	failure->next_retry_delay_ms = OW_UNSET;
}

/* What the expressions of a field came out as */
static bool
find_value(void *arg, const OwRun *run, const OwSqlTemplate *template, const OwSqlScope *scope, Jsonb **value,
		   OwFailure *failure)
{
	const Jsonb *attributes = next_attributes(arg, run);

	*value = attributes ? ow_json_get(attributes, "value") : NULL;
	if (*value != NULL)
		return true;
	if (attributes == NULL || ow_json_get_string(attributes, "error") == NULL)
		return ow_fail(failure, OW_ERROR_QUERY_EVALUATION, "%s was not evaluated", ow_where_subject(template->where));
	read_failure(list_nth(arg, run->next_event_id - 1), false, failure);
	return false;
}

/* An attempt was not made if the event that says so comes next, in the same step. */
static bool
find_rejected_attempt(void *arg, const OwRun *run, const OwAttempt *attempt, OwRejection *rejection)
{
	const OwHistoryEvent *next = next_event(arg, run);
	OwRetryAnswer *answer;
	JsonbValue	outside;

	if (next == NULL || strcmp(next->type, REJECTED) != 0 || next->branch != attempt->branch || next->time != attempt->now)
		return true;
	answer = palloc(sizeof(OwRetryAnswer));
	read_retry(next, answer);
	memset(rejection, 0, sizeof(*rejection));
	read_failure(next, false, &rejection->failure);
	rejection->outside = ow_json_member(next->attributes, "outside", &outside);
	rejection->recorded = answer;
	return false;
}

/* The output was rejected if the event that says so is the next one. */
static bool
find_rejection(void *arg, const OwRun *run, const OwPayloadType *type, const Jsonb *output, OwFailure *failure)
{
	const OwHistoryEvent *next = next_event(arg, run);

	if (next == NULL || strcmp(next->type, "WorkflowExecutionOutputRejected") != 0)
		return true;
	read_failure(next, false, failure);
	return false;
}

/* The output was too large if the event that says so is the next one. */
static bool
find_fit(void *arg, const OwRun *run, const Jsonb *output)
{
	const OwHistoryEvent *next = next_event(arg, run);

	return next == NULL || strcmp(next->type, "DataLimitReached") != 0;
}

static bool
is_first_attempt(const OwHistoryEvent *event)
{
	JsonbValue	value;
	int64		attempt;

	return ow_json_member(event->attributes, "attempt", &value) && ow_json_value_int64(&value, &attempt) &&
		attempt == 1 && !ow_json_member(event->attributes, "reset", &value);
}

/* An input made again from its event, with what it points to */
typedef struct RecordedInput
{
	OwInput		input;
	OwFailure	failure;
	OwRetryAnswer retry;
	pg_uuid_t	new_run_id;
} RecordedInput;

/* Events that stand for an input by their type alone */
static const struct
{
	const char *event;
	OwInputKind kind;
}			plain_inputs[] = {
	{"WorkflowExecutionStarted", OW_INPUT_CONTINUE},
	{"StateEntered", OW_INPUT_CONTINUE},
	{"MarkerRecorded", OW_INPUT_CONTINUE},
	{"ActivityTaskQueued", OW_INPUT_CONTINUE},
	{"ActivityTaskRejected", OW_INPUT_CONTINUE},
	{"ActivityTaskCompleted", OW_INPUT_ACTIVITY_COMPLETED},
	{"ActivityTaskStarted", OW_INPUT_ACTIVITY_COMPLETED},
	{"ActivityTaskHeartbeat", OW_INPUT_HEARTBEAT},
	{"ActivityTaskFailed", OW_INPUT_ACTIVITY_FAILED},
	{"ActivityTaskTimedOut", OW_INPUT_ACTIVITY_TIMED_OUT},
	{"ActivityTaskScheduled", OW_INPUT_TIMER_FIRED},
	{"TimerFired", OW_INPUT_TIMER_FIRED},
	{"WorkflowExecutionCancelRequested", OW_INPUT_CANCEL},
	{"WorkflowExecutionTerminated", OW_INPUT_TERMINATE},
	{"WorkflowExecutionPaused", OW_INPUT_PAUSE},
	{"WorkflowExecutionUnpaused", OW_INPUT_RESUME},
	{"WorkflowTaskFailed", OW_INPUT_STUCK},
	{"WorkflowTaskScheduled", OW_INPUT_RETRY},
	{"CompensationRetryRequested", OW_INPUT_RETRY_COMPENSATIONS},
	{"WorkflowExecutionSignaled", OW_INPUT_SIGNAL},
	{"WorkflowExecutionUpdateAccepted", OW_INPUT_UPDATE},
	{"UpsertWorkflowSearchAttributes", OW_INPUT_SEARCH_ATTRIBUTES},
	{"CompensationsCarriedOver", OW_INPUT_COMPENSATIONS},
	{"ActivityTaskPaused", OW_INPUT_PAUSE_ACTIVITY},
	{"ActivityTaskUnpaused", OW_INPUT_RESUME_ACTIVITY},
	{"ActivityTaskReset", OW_INPUT_RESET_ACTIVITY},
	{"ActivityTaskOptionsUpdated", OW_INPUT_ACTIVITY_OPTIONS},
	{"StartChildWorkflowExecutionInitiated", OW_INPUT_CONTINUE},
	{"SignalExternalWorkflowExecutionInitiated", OW_INPUT_CONTINUE},
	{"RequestCancelExternalWorkflowExecutionInitiated", OW_INPUT_CONTINUE},
	{"ChildWorkflowExecutionStarted", OW_INPUT_CHILD_STARTED},
	{"ChildWorkflowExecutionCompleted", OW_INPUT_CHILD_CLOSED},
	{"ChildWorkflowExecutionFailed", OW_INPUT_CHILD_CLOSED},
	{"ChildWorkflowExecutionCanceled", OW_INPUT_CHILD_CLOSED},
	{"ChildWorkflowExecutionTerminated", OW_INPUT_CHILD_CLOSED},
	{"ChildWorkflowExecutionTimedOut", OW_INPUT_CHILD_CLOSED},
	{"ExternalWorkflowExecutionSignaled", OW_INPUT_REQUEST_ACCEPTED},
	{"ExternalWorkflowExecutionCancelRequested", OW_INPUT_REQUEST_ACCEPTED},
	{"StartChildWorkflowExecutionFailed", OW_INPUT_REQUEST_FAILED},
	{"SignalExternalWorkflowExecutionFailed", OW_INPUT_REQUEST_FAILED},
	{"RequestCancelExternalWorkflowExecutionFailed", OW_INPUT_REQUEST_FAILED},
	{"TransitionLimitReached", OW_INPUT_TRANSITION_LIMIT},
	{RESET, OW_INPUT_RESET},
	{UPGRADED, OW_INPUT_UPGRADE}
};

static bool
find_input_kind(const OwHistoryEvent *event, OwInputKind *kind)
{
	for (int i = 0; i < (int) lengthof(plain_inputs); i++)
	{
		if (strcmp(event->type, plain_inputs[i].event) != 0)
			continue;
		*kind = plain_inputs[i].kind;
		if (strcmp(event->type, "ActivityTaskScheduled") == 0 && is_first_attempt(event))
			*kind = OW_INPUT_CONTINUE;
		if (strcmp(event->type, "TimerFired") == 0 && event->state == NULL)
			*kind = OW_INPUT_DEADLINE_REACHED;
		return true;
	}
	return false;
}

static bool
is_sent(const OwInput *input)
{
	return input->kind == OW_INPUT_SIGNAL || input->kind == OW_INPUT_UPDATE;
}

static void
read_signal(const OwHistoryEvent *event, OwInput *input)
{
	char	   *sent_at = ow_json_get_string(event->attributes, "sent_at");

	if (!is_sent(input))
		return;
	input->signal = ow_json_get_string(event->attributes, input->kind == OW_INPUT_UPDATE ? "update" : "signal");
	input->request_id = ow_json_get_string(event->attributes, "request_id");
	input->update_id = ow_json_get_string(event->attributes, "update_id");
	if (input->signal == NULL || (input->kind == OW_INPUT_UPDATE && input->update_id == NULL) || sent_at == NULL || !ow_instant_parse(sent_at, &input->sent_at))
		elog(ERROR, "malformed signal or update in history event %d", event->event_id);
}

/* Of a reset, in either of the two runs */
static void
read_new_run(const OwHistoryEvent *event, RecordedInput *recorded)
{
	char	   *deadline = ow_json_get_string(event->attributes, "deadline");

	if (read_uuid(event->attributes, "new_run_id", &recorded->new_run_id))
		recorded->input.new_run_id = &recorded->new_run_id;
	recorded->input.deadline = DT_NOEND;
	if (deadline != NULL && !ow_instant_parse(deadline, &recorded->input.deadline))
		elog(ERROR, "malformed reset in history event %d", event->event_id);
}

static void
read_taken_at(const OwHistoryEvent *event, OwInput *input)
{
	char	   *text = ow_json_get_string(event->attributes, "started_at");

	if (text != NULL && !ow_instant_parse(text, &input->recorded_taken_at))
		elog(ERROR, "malformed time in history event %d", event->event_id);
}

/* The input that left this event; false when the event is not an input's. */
static bool
input_of(const OwHistoryEvent *event, RecordedInput *recorded)
{
	OwInput    *input = &recorded->input;

	memset(recorded, 0, sizeof(*recorded));
	if (!find_input_kind(event, &input->kind))
		return false;
	input->now = event->time;
	input->branch = event->branch;
	if (event->attributes == NULL)
		return true;
	input->reason = ow_json_get_string(event->attributes, "reason");
	input->requested_by = ow_json_get_string(event->attributes, "requested_by");
	if (input->kind == OW_INPUT_ACTIVITY_COMPLETED)
		input->result = ow_json_get(event->attributes, "result");
	input->request = event->attributes;
	input->function_hash = ow_json_get_string(event->attributes, "function_hash");
	input->span_attributes = ow_json_get(event->attributes, "span_attributes");
	input->recorded_limits = ow_json_get(event->attributes, "limits");
	input->details = ow_json_get(event->attributes, is_sent(input) ? "payload" :
								 input->kind == OW_INPUT_COMPENSATIONS ? "compensations" :
								 input->kind == OW_INPUT_SEARCH_ATTRIBUTES ? "search_attributes" : "details");
	read_signal(event, input);
	read_taken_at(event, input);
	if (input->kind == OW_INPUT_RESET || input->kind == OW_INPUT_TERMINATE)
		read_new_run(event, recorded);
	if (input->kind == OW_INPUT_ACTIVITY_FAILED || input->kind == OW_INPUT_ACTIVITY_TIMED_OUT ||
		input->kind == OW_INPUT_CHILD_CLOSED || input->kind == OW_INPUT_REQUEST_FAILED)
	{
		read_retry(event, &recorded->retry);
		input->recorded_retry = &recorded->retry;
	}
	if (input->kind == OW_INPUT_STUCK || input->recorded_retry != NULL)
	{
		read_failure(event, input->kind == OW_INPUT_STUCK, &recorded->failure);
		input->failure = &recorded->failure;
	}
	return true;
}

/* The version that the event names; NULL: none, or the one that the run is on */
static const OwDefinition *
other_version(const OwMachine *machine, const OwHistoryEvent *event, const OwReplay *replay, int *version)
{
	const OwDefinition *definition;
	JsonbValue	value;
	int64		number;
	char	   *reason;

	if (event->attributes == NULL || !ow_json_member(event->attributes, "version", &value) ||
		!ow_json_value_int64(&value, &number) || number == machine->run->version)
		return NULL;
	*version = (int) number;
	definition = replay->definition_for(replay->arg, *version);
	reason = ow_machine_no_place(machine, definition, ow_json_get(event->attributes, "state_map"));
	if (reason != NULL)
		elog(ERROR, "history event %d leads to version %d: %s", event->event_id, *version, reason);
	return definition;
}

/* A retry may have moved the run to another version, and an upgrade has. */
static void
follow_version(OwMachine *machine, const OwHistoryEvent *event, const OwReplay *replay, RecordedInput *recorded)
{
	OwInput    *input = &recorded->input;
	const OwDefinition *definition;
	int			version;

	if (input->kind != OW_INPUT_RETRY && input->kind != OW_INPUT_UPGRADE)
		return;
	definition = other_version(machine, event, replay, &version);
	if (input->kind == OW_INPUT_RETRY && definition != NULL)
		(void) ow_machine_use_definition(machine, definition, version, NULL);
	if (input->kind == OW_INPUT_RETRY)
		return;
	input->definition = definition ? definition : machine->definition;
	input->version = definition ? version : machine->run->version;
	input->request = ow_json_get(event->attributes, "state_map");
}

static char *
compare_events(const OwHistoryEvent *recorded, const OwHistoryEvent *made)
{
	if (made == NULL)
		return psprintf("event %d, %s, is not made again", recorded->event_id, recorded->type);
	if (strcmp(recorded->type, made->type) != 0)
		return psprintf("event %d is %s in history and %s when replayed", recorded->event_id, recorded->type, made->type);
	if ((recorded->state == NULL) != (made->state == NULL) ||
		(recorded->state != NULL && strcmp(recorded->state, made->state) != 0))
		return psprintf("event %d, %s, is about another state when replayed", recorded->event_id, recorded->type);
	if (recorded->branch != made->branch)
		return psprintf("event %d, %s, is of another branch when replayed", recorded->event_id, recorded->type);
	if ((recorded->attributes == NULL) != (made->attributes == NULL) ||
		(recorded->attributes != NULL && !ow_json_equal(recorded->attributes, made->attributes)))
		return psprintf("event %d, %s, has other attributes when replayed", recorded->event_id, recorded->type);
	return NULL;
}

/* A start that was delayed still when the first message came */
static void
read_delay(const List *events, OwRun *run)
{
	const OwHistoryEvent *started = linitial(events);
	char	   *begin_at = started->attributes ? ow_json_get_string(started->attributes, "begin_at") : NULL;

	if (begin_at != NULL && !ow_instant_parse(begin_at, &run->token.due_at))
		elog(ERROR, "malformed start in history event %d", started->event_id);
}

/* A run that comes of a reset has the history of another up to there, and was that other until then. */
static void
begin_as_it_began(OwRun *run, List *events)
{
	const OwHistoryEvent *started = linitial(events);
	ListCell   *cell;

	run->started_at = started->time;
	run->search_attributes = started->attributes ? ow_json_get(started->attributes, "search_attributes") : NULL;
	read_delay(events, run);
	foreach(cell, events)
	{
		const OwHistoryEvent *event = lfirst(cell);

		if (strcmp(event->type, RESET) != 0)
			continue;
		if (!read_uuid(event->attributes, "base_run_id", &run->run_id))
			elog(ERROR, "malformed reset in history event %d", event->event_id);
		return;
	}
}

static OwHost *
make_host(List *events)
{
	OwHost	   *host = palloc0(sizeof(OwHost));

	*host = (OwHost) {
		.find_activity = find_any_activity,
		.read_outputs = read_no_outputs,
		.evaluate = find_value,
		.recorded_limits = find_limits,
		.new_task_token = find_task_token,
		.new_request = find_request,
		.next_run = find_next_run,
		.read_flag = find_flag,
		.retry_run = find_run_retry,
		.arg = events,
		.max_concurrency = find_concurrency,
		.check_output = find_rejection,
		.fits = find_fit,
		.may_attempt = find_rejected_attempt,
		.max_transitions = PG_INT32_MAX
	};
	return host;
}

/* Where the machine stands when a step is over */
static void
note_rest(OwReplay *replay, const OwMachine *machine)
{
	const OwToken *token = machine->token;
	OwRest	   *rest;

	if (machine->run->token.phase == OW_PHASE_CLOSED)
		return;
	rest = palloc(sizeof(OwRest));
	rest->event_id = machine->run->next_event_id - 1;
	rest->branch = machine->branch ? machine->branch->id : 0;
	rest->state = token->state == OW_NO_STATE ? NULL : machine->definition->states[token->state].name;
	rest->phase = token->phase;
	rest->stuck = machine->run->status == OW_STATUS_STUCK;
	replay->rests = lappend(replay->rests, rest);
}

/* A reset, or an upgrade, leaves the run where it is: whatever it does next it does by itself. */
static bool
was_left_there(const OwMachine *machine)
{
	const OwHistoryEvent *last = machine->events == NIL ? NULL : llast(machine->events);

	return last != NULL && (strcmp(last->type, RESET) == 0 || strcmp(last->type, UPGRADED) == 0);
}

/* Has the machine make the event, which is the next one. */
static void
make_event(OwMachine *machine, OwReplay *replay, const OwHistoryEvent *recorded)
{
	RecordedInput again;

	if (!input_of(recorded, &again))
	{
		if (!was_left_there(machine))
			return;
		again.input = (OwInput) {
			.kind = OW_INPUT_CONTINUE,
			.now = recorded->time
		};
	}
	follow_version(machine, recorded, replay, &again);
	machine->stop_at_event_id = recorded->event_id;
	(void) ow_machine_step(machine, &again.input);
	note_rest(replay, machine);
}

bool
ow_history_replay(OwMachine *machine, OwReplay *replay)
{
	List	   *events = replay->events;
	ListCell   *cell;

	begin_as_it_began(machine->run, events);
	machine->host = make_host(events);
	machine->events = NIL;
	replay->rests = NIL;
	foreach(cell, events)
	{
		const OwHistoryEvent *recorded = lfirst(cell);

		replay->event_id = recorded->event_id;
		if (recorded->event_id >= machine->run->next_event_id)
			make_event(machine, replay, recorded);
		replay->difference = compare_events(recorded, recorded->event_id > list_length(machine->events) ? NULL :
											list_nth(machine->events, recorded->event_id - 1));
		if (replay->difference != NULL)
			return false;
	}
	replay->event_id = 0;
	if (list_length(machine->events) <= list_length(events))
		return true;
	replay->event_id = list_length(events) + 1;
	replay->difference = psprintf("replay makes %d events, history has %d", list_length(machine->events),
								  list_length(events));
	return false;
}
