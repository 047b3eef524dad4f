/*
 * replay.c
 *		Rebuilding a run's state from its history.
 *
 * Of the recorded events, those that came from outside are fed to the machine again; it must make all
 * the others by itself, in the same order.  An event that the machine has not made when its turn comes
 * is taken for an input:
 *
 *		WorkflowExecutionStarted			continue a new run
 *		StateEntered, ActivityTaskScheduled	continue a run that had given others a turn
 *		ActivityTaskCompleted, Failed, TimedOut	the attempt's outcome, with the recorded retry decision
 *		ActivityTaskScheduled				(attempt > 1) the back-off is over
 *		TimerFired							the Wait is over; with "timer": "WorkflowTimeout" the deadline
 *		WorkflowExecutionCancelRequested, WorkflowExecutionTerminated
 *		WorkflowTaskFailed					the shell could not go on
 *		WorkflowTaskScheduled				an operator retried the stuck run
 *		CompensationRetryRequested
 *
 * The machine is stopped where the step that made the events was: before the next event that came from
 * outside, and before one of another time, since all events of a step have the same.  (But for
 * WorkflowExecutionStarted, which has the time of the start, and so is a step of its own here.)
 */
#include "postgres.h"

#include "machine/replay.h"
#include "machine/instant.h"
#include "machine/json.h"

/* Stands for every activity: what mattered of the real ones was recorded */
static OwActivity any_activity;

static const OwActivity *
find_any_activity(void *arg, const char *name)
{
	return &any_activity;
}

static const OwHost replay_host = {
	.find_activity = find_any_activity,
	.max_transitions = PG_INT32_MAX
};

static void
read_failure(const OwHistoryEvent *event, bool upper_case, OwFailure *failure)
{
	memset(failure, 0, sizeof(*failure));
	failure->error = ow_json_get_string(event->attributes, upper_case ? "Error" : "error");
	failure->cause = ow_json_get_string(event->attributes, upper_case ? "Cause" : "cause");
	failure->details = ow_json_get(event->attributes, upper_case ? "Details" : "details");
	failure->next_retry_delay_ms = OW_UNSET;
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
	if (!ow_instant_parse(retry_at, &answer->at) || !ow_json_member(event->attributes, "retrier", &retrier) ||
		!ow_json_value_int64(&retrier, &index) || index < 0 || index >= OW_MAX_RETRIERS)
		elog(ERROR, "malformed retry decision in history event %d", event->event_id);
	answer->retry = true;
	answer->retrier = index;
}

static bool
is_first_attempt(const OwHistoryEvent *event)
{
	JsonbValue	value;
	int64		attempt;

	return ow_json_member(event->attributes, "attempt", &value) && ow_json_value_int64(&value, &attempt) &&
		attempt == 1;
}

/* The input that left this event; false when the event is not an input's. */
static bool
input_of(const OwHistoryEvent *event, OwInput *input, OwFailure *failure, OwRetryAnswer *retry)
{
	memset(input, 0, sizeof(*input));
	input->now = event->time;
	if (event->attributes != NULL)
	{
		input->reason = ow_json_get_string(event->attributes, "reason");
		input->requested_by = ow_json_get_string(event->attributes, "requested_by");
	}

	if (strcmp(event->type, "WorkflowExecutionStarted") == 0 || strcmp(event->type, "StateEntered") == 0)
		input->kind = OW_INPUT_CONTINUE;
	else if (strcmp(event->type, "ActivityTaskCompleted") == 0)
	{
		input->kind = OW_INPUT_ACTIVITY_COMPLETED;
		input->result = ow_json_get(event->attributes, "result");
	}
	else if (strcmp(event->type, "ActivityTaskFailed") == 0 || strcmp(event->type, "ActivityTaskTimedOut") == 0)
	{
		input->kind = event->type[12] == 'F' ? OW_INPUT_ACTIVITY_FAILED : OW_INPUT_ACTIVITY_TIMED_OUT;
		read_failure(event, false, failure);
		read_retry(event, retry);
		input->failure = failure;
		input->recorded_retry = retry;
	}
	else if (strcmp(event->type, "ActivityTaskScheduled") == 0)
		input->kind = is_first_attempt(event) ? OW_INPUT_CONTINUE : OW_INPUT_TIMER_FIRED;
	else if (strcmp(event->type, "TimerFired") == 0)
		input->kind = event->attributes ? OW_INPUT_DEADLINE_REACHED : OW_INPUT_TIMER_FIRED;
	else if (strcmp(event->type, "WorkflowExecutionCancelRequested") == 0)
		input->kind = OW_INPUT_CANCEL;
	else if (strcmp(event->type, "WorkflowExecutionTerminated") == 0)
		input->kind = OW_INPUT_TERMINATE;
	else if (strcmp(event->type, "WorkflowTaskFailed") == 0)
	{
		input->kind = OW_INPUT_STUCK;
		read_failure(event, true, failure);
		input->failure = failure;
	}
	else if (strcmp(event->type, "WorkflowTaskScheduled") == 0)
		input->kind = OW_INPUT_RETRY;
	else if (strcmp(event->type, "CompensationRetryRequested") == 0)
		input->kind = OW_INPUT_RETRY_COMPENSATIONS;
	else
		return false;
	return true;
}

/* A retry may have moved the run to another version: states keep their names, not their indexes. */
void
ow_machine_use_definition(OwMachine *machine, const OwDefinition *definition, int version)
{
	OwToken    *token = &machine->run->token;
	const char *state = token->state == OW_NO_STATE ? NULL : machine->definition->states[token->state].name;

	machine->run->visits = ow_machine_visits(machine->run, machine->definition);
	machine->run->visit_counts = NULL;
	machine->definition = definition;
	machine->run->version = version;
	machine->task_input = NULL;
	if (state != NULL)
		token->state = ow_definition_find_state(definition, state);
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
	OwInput		input;
	OwFailure	failure;
	OwRetryAnswer retry;

	return event->time != previous->time ||
		(input_of(event, &input, &failure, &retry) && input.kind != OW_INPUT_CONTINUE);
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
	if ((recorded->attributes == NULL) != (made->attributes == NULL) ||
		(recorded->attributes != NULL && !ow_json_equal(recorded->attributes, made->attributes)))
		return psprintf("event %d, %s, has other attributes when replayed", recorded->event_id, recorded->type);
	return NULL;
}

char *
ow_history_replay(OwMachine *machine, List *events, OwDefinitionForVersion definition_for, void *arg)
{
	ListCell   *cell;

	machine->host = &replay_host;
	machine->events = NIL;
	foreach(cell, events)
	{
		const OwHistoryEvent *recorded = lfirst(cell);
		OwInput		input;
		OwFailure	failure;
		OwRetryAnswer retry;
		char	   *difference;

		if (recorded->event_id >= machine->run->next_event_id && input_of(recorded, &input, &failure, &retry))
		{
			if (input.kind == OW_INPUT_RETRY)
				follow_version(machine, recorded, definition_for, arg);
			machine->stop_at_event_id = end_of_step(events, recorded->event_id);
			(void) ow_machine_step(machine, &input);
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
