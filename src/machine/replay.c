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
 *		WorkflowExecutionSignaled, CompensationsCarriedOver
 *		TransitionLimitReached
 *
 * The machine is stopped where the step that made the events was: before the next event that came from
 * outside, and before one of another time, since all events of a step have the same.  (But for
 * WorkflowExecutionStarted, which has the time of the start, and so is a step of its own here.)
 */
#include "postgres.h"

#include "machine/replay.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "machine/machine_internal.h"
#include "utils/builtins.h"

#define REJECTED "ActivityTaskRejected"

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

static void
find_task_token(void *arg, const OwRun *run, bool queued, pg_uuid_t *task_token)
{
	int			next = run->next_event_id - 1;
	const OwHistoryEvent *event;
	char	   *text = NULL;

	/* in a SQL state, what the attempt is called with is evaluated in between */
	while (next < list_length(arg) &&
		   strcmp(((const OwHistoryEvent *) list_nth(arg, next))->type, "MarkerRecorded") == 0)
		next++;
	if (next < list_length(arg))
	{
		event = list_nth(arg, next);
		text = event->attributes ? ow_json_get_string(event->attributes, "task_token") : NULL;
	}
	memset(task_token, 0, sizeof(*task_token));
	if (text != NULL)
		*task_token = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
}

/* The run that continues this one, as the event that is made next tells */
static void
find_next_run(void *arg, const OwRun *run, bool inherits_version, pg_uuid_t *run_id, int *version)
{
	const Jsonb *attributes = next_attributes(arg, run);
	char	   *text = attributes ? ow_json_get_string(attributes, "new_run_id") : NULL;
	JsonbValue	value;
	int64		number = 0;

	memset(run_id, 0, sizeof(*run_id));
	if (text != NULL)
		*run_id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
	if (attributes != NULL && ow_json_member(attributes, "version", &value))
		(void) ow_json_value_int64(&value, &number);
	*version = (int) number;
}

static void
read_failure(const OwHistoryEvent *event, bool upper_case, OwFailure *failure)
{
	memset(failure, 0, sizeof(*failure));
	failure->error = ow_json_get_string(event->attributes, upper_case ? "Error" : "error");
	failure->cause = ow_json_get_string(event->attributes, upper_case ? "Cause" : "cause");
	failure->details = ow_json_get(event->attributes, upper_case ? "Details" : "details");
	failure->heartbeat = ow_json_get(event->attributes, "heartbeat_details");
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
	{"CompensationsCarriedOver", OW_INPUT_COMPENSATIONS},
	{"ActivityTaskPaused", OW_INPUT_PAUSE_ACTIVITY},
	{"ActivityTaskUnpaused", OW_INPUT_RESUME_ACTIVITY},
	{"ActivityTaskReset", OW_INPUT_RESET_ACTIVITY},
	{"ActivityTaskOptionsUpdated", OW_INPUT_ACTIVITY_OPTIONS},
	{"TransitionLimitReached", OW_INPUT_TRANSITION_LIMIT}
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

static void
read_signal(const OwHistoryEvent *event, OwInput *input)
{
	char	   *sent_at = ow_json_get_string(event->attributes, "sent_at");

	if (input->kind != OW_INPUT_SIGNAL)
		return;
	input->signal = ow_json_get_string(event->attributes, "signal");
	input->request_id = ow_json_get_string(event->attributes, "request_id");
	if (input->signal == NULL || sent_at == NULL || !ow_instant_parse(sent_at, &input->sent_at))
		elog(ERROR, "malformed signal in history event %d", event->event_id);
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
	input->recorded_limits = ow_json_get(event->attributes, "limits");
	input->details = ow_json_get(event->attributes, input->kind == OW_INPUT_SIGNAL ? "payload" :
								 input->kind == OW_INPUT_COMPENSATIONS ? "compensations" : "details");
	read_signal(event, input);
	if (input->kind == OW_INPUT_ACTIVITY_FAILED || input->kind == OW_INPUT_ACTIVITY_TIMED_OUT)
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

static const char *
state_name(const OwDefinition *definition, int state)
{
	return state == OW_NO_STATE ? NULL : definition->states[state].name;
}

/* Is the state, if it is nested, in the same branch of the same Parallel, or the same Map? */
static bool
is_nested_alike(const OwDefinition *from, const OwState *state, const OwDefinition *to, const OwState *found)
{
	int			owner = from->submachines[state->submachine].owner;
	int			new_owner = to->submachines[found->submachine].owner;

	if (owner == OW_NO_STATE || new_owner == OW_NO_STATE)
		return owner == new_owner;
	return strcmp(state_name(from, owner), state_name(to, new_owner)) == 0 &&
		state->submachine - from->states[owner].first_submachine == found->submachine - to->states[new_owner].first_submachine;
}

/* Can what the token is at in the state be brought to its end in the one found for it? */
static bool
can_go_on(const OwToken *token, const OwState *state, const OwState *found)
{
	if (token->phase == OW_PHASE_ENTER)
		return true;
	if (state->type != found->type)
		return false;
	switch (token->phase)
	{
		case OW_PHASE_ACTIVITY:
		case OW_PHASE_CIRCUIT_OPEN:
		case OW_PHASE_CALLBACK:
		case OW_PHASE_QUEUED:
			return state->callback == found->callback;
		case OW_PHASE_BRANCHES:
			return ow_machine_spreads_alike(state, found);
		case OW_PHASE_AWAIT:
			return ow_machine_awaits_alike(state, found);
		default:
			return true;
	}
}

/* Does the definition have a state in which the token can go on? */
static bool
has_place(const OwDefinition *from, const OwDefinition *to, const OwToken *token)
{
	const OwState *state;
	int			found;

	if (token->state == OW_NO_STATE)
		return true;
	state = &from->states[token->state];
	found = ow_definition_find_state(to, state->name);
	return found != OW_NO_STATE && is_nested_alike(from, state, to, &to->states[found]) &&
		can_go_on(token, state, &to->states[found]);
}

bool
ow_machine_can_use_definition(const OwMachine *machine, const OwDefinition *definition)
{
	ListCell   *cell;

	if (!has_place(machine->definition, definition, &machine->run->token))
		return false;
	foreach(cell, machine->run->branches)
	{
		if (!has_place(machine->definition, definition, &((OwBranch *) lfirst(cell))->token))
			return false;
	}
	return true;
}

/* States keep their names, not their indexes. */
static void
move_token(OwToken *token, const OwDefinition *from, const OwDefinition *to)
{
	token->visits = ow_machine_visits(token, from);
	token->visit_counts = NULL;
	if (token->state != OW_NO_STATE)
	{
		const OwState *state = &from->states[token->state];

		token->state = ow_definition_find_state(to, state->name);
		ow_machine_move_kept(token, state, &to->states[token->state]);
	}
}

/* A retry may move the run to another version. */
void
ow_machine_use_definition(OwMachine *machine, const OwDefinition *definition, int version)
{
	ListCell   *cell;

	move_token(&machine->run->token, machine->definition, definition);
	foreach(cell, machine->run->branches)
		move_token(&((OwBranch *) lfirst(cell))->token, machine->definition, definition);
	machine->definition = definition;
	machine->run->version = version;
	machine->task_input = NULL;
}

static void
follow_version(OwMachine *machine, const OwHistoryEvent *event, OwDefinitionForVersion definition_for, void *arg)
{
	JsonbValue	value;
	int64		version;

	if (event->attributes != NULL && ow_json_member(event->attributes, "version", &value) &&
		ow_json_value_int64(&value, &version) && version != machine->run->version)
		ow_machine_use_definition(machine, definition_for(arg, version), version);
}

/* Does this event belong to another step than the one before it? */
static bool
begins_step(const OwHistoryEvent *event, const OwHistoryEvent *previous)
{
	OwInputKind kind;

	return event->time != previous->time ||
		(find_input_kind(event, &kind) && kind != OW_INPUT_CONTINUE);
}

/* The last event of the step that made this one */
static int
end_of_step(List *events, int event_id)
{
	while (event_id < list_length(events) &&
		   !begins_step(list_nth(events, event_id), list_nth(events, event_id - 1)))
		event_id++;
	return event_id;
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

char *
ow_history_replay(OwMachine *machine, List *events, OwDefinitionForVersion definition_for, void *arg)
{
	OwHost	   *host = palloc0(sizeof(OwHost));
	ListCell   *cell;

	*host = (OwHost) {
		.find_activity = find_any_activity,
		.read_outputs = read_no_outputs,
		.evaluate = find_value,
		.recorded_limits = find_limits,
		.new_task_token = find_task_token,
		.next_run = find_next_run,
		.arg = events,
		.max_concurrency = find_concurrency,
		.check_output = find_rejection,
		.fits = find_fit,
		.may_attempt = find_rejected_attempt,
		.max_transitions = PG_INT32_MAX
	};
	machine->host = host;
	machine->events = NIL;
	read_delay(events, machine->run);
	foreach(cell, events)
	{
		const OwHistoryEvent *recorded = lfirst(cell);
		RecordedInput again;
		char	   *difference;

		if (recorded->event_id >= machine->run->next_event_id && input_of(recorded, &again))
		{
			if (again.input.kind == OW_INPUT_RETRY)
				follow_version(machine, recorded, definition_for, arg);
			machine->stop_at_event_id = end_of_step(events, recorded->event_id);
			(void) ow_machine_step(machine, &again.input);
		}
		difference = compare_events(recorded, recorded->event_id > list_length(machine->events) ? NULL :
									list_nth(machine->events, recorded->event_id - 1));
		if (difference != NULL)
			return difference;
	}
	if (list_length(machine->events) > list_length(events))
		return psprintf("replay makes %d events, history has %d", list_length(machine->events), list_length(events));
	return NULL;
}
