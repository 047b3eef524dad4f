/*
 * machine.c
 *		One step of a run: take an input, move its tokens until something outside is needed.
 *
 * A step first applies its input to the phase of the token it is for, then advances: states that need nothing from
 * outside are entered and left here; an activity, a timer or the end stops the step.  When an outcome
 * is decided, recorded compensations are run before the run closes (except for Terminate).
 *
 * Every input leaves exactly one history event from which replay can make it again; see replay.c.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

const OwState *
ow_machine_state(const OwMachine *machine)
{
	Assert(machine->token->state >= 0 && machine->token->state < machine->definition->nstates);
	return &machine->definition->states[machine->token->state];
}

/* Appends a history event; attributes may be NULL. */
void
ow_machine_record(OwMachine *machine, const char *type, const char *state, Jsonb *attributes)
{
	OwHistoryEvent *event = palloc0(sizeof(OwHistoryEvent));

	event->event_id = machine->run->next_event_id++;
	event->time = machine->now;
	event->type = type;
	event->state = state;
	event->branch = machine->branch ? machine->branch->id : 0;
	event->attributes = attributes;
	machine->events = lappend(machine->events, event);
}

/* Sends the token to a state, with that state's raw input. */
void
ow_machine_go(OwMachine *machine, int state, Jsonb *data)
{
	OwToken    *token = machine->token;

	Assert(state != OW_NO_STATE);
	ow_machine_take_updated(machine);
	memset(token->retry_counts, 0, sizeof(token->retry_counts));
	token->state = state;
	token->phase = OW_PHASE_ENTER;
	token->data = data;
	token->attempt = 0;
	token->due_at = DT_NOEND;
	token->last_failure = NULL;
	token->kept = NULL;
	token->has_task_token = false;
	token->control = NULL;
	token->compensation = 0;
	machine->task_input = NULL;
}

static Jsonb *
public_error_json(const OwPublicError *public_error)
{
	OwObject	object;

	if (public_error == NULL)
		return NULL;
	ow_object_begin(&object);
	ow_object_add_text(&object, "Code", public_error->code);
	ow_object_add_text(&object, "Message", public_error->message);
	return ow_object_end(&object);
}

/*
 * Decides how the run will close.  After OnCancel or OnTimeout the status stays Canceled or TimedOut
 * whatever else happens.  The output of a completing run is set by the caller.
 */
void
ow_machine_decide(OwMachine *machine, OwStatus status, const char *error, const char *cause,
				  const OwPublicError *public_error)
{
	OwRun	   *run = machine->run;

	Assert(!run->outcome.decided);
	run->outcome.decided = true;
	run->outcome.status = run->sticky_status != OW_STATUS_RUNNING ? run->sticky_status : status;
	run->outcome.error = error && *error ? pstrdup(error) : NULL;
	run->outcome.cause = cause ? pstrdup(cause) : NULL;
	if (run->outcome.status != OW_STATUS_COMPLETED)
		run->outcome.public_error = public_error_json(public_error ? public_error : machine->definition->public_error);
	run->token.phase = OW_PHASE_ENTER;	/* a paused run may stay there for long: nothing is waited
										 * for */
	run->token.has_task_token = false;
	run->token.due_at = DT_NOEND;
	run->token.control = NULL;
	run->token.transitions = 0;
}

/* $$.Execution.Error, for the states behind OnError, OnCancel and OnTimeout */
static Jsonb *
execution_error(OwMachine *machine, const OwFailure *failure)
{
	const OwToken *token = machine->token;
	const OwState *state = token->state == OW_NO_STATE ? NULL : ow_machine_state(machine);
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Error", failure->error);
	ow_object_add_text(&object, "Cause", failure->cause ? failure->cause : "");
	ow_object_add(&object, "Details", failure->details);
	if (failure->state != NULL)
	{
		ow_object_add_text(&object, "State", failure->state);
		ow_object_add_text(&object, "Activity", failure->activity);
		if (failure->attempt > 0)
			ow_object_add_int(&object, "Attempt", failure->attempt);
	}
	else if (state != NULL)
	{
		ow_object_add_text(&object, "State", state->name);
		ow_object_add_text(&object, "Activity", state->activity);
		if (state->type == OW_STATE_TASK && token->attempt > 0)
			ow_object_add_int(&object, "Attempt", token->attempt);
	}
	return ow_object_end(&object);
}

/* The Public of the Fail state that failed a branch, and the run with it */
static const OwPublicError *
public_of(const OwMachine *machine, const OwFailure *failure)
{
	int			state = failure->state ? ow_definition_find_state(machine->definition, failure->state) : OW_NO_STATE;

	return state == OW_NO_STATE ? NULL : machine->definition->states[state].public_error;
}

/*
 * The run fails, is canceled or times out: go to the handler state if the definition has one and none
 * was taken before, else decide the outcome.
 */
static void
leave_normal_path(OwMachine *machine, int handler, OwStatus status, const OwFailure *failure)
{
	OwRun	   *run = machine->run;

	if (handler != OW_NO_STATE && !run->handler_taken)
	{
		run->error = execution_error(machine, failure);
		run->handler_taken = true;
		if (status != OW_STATUS_FAILED)
			run->sticky_status = status;
		ow_machine_go(machine, handler, run->token.state == OW_NO_STATE ? run->input : run->token.data);
		return;
	}
	ow_machine_decide(machine, status, failure->error, failure->cause, public_of(machine, failure));
	run->outcome.non_retryable = failure->non_retryable;
}

/* An error that no Catch took: the branch fails, or else OnError is entered or the run fails. */
void
ow_machine_fail(OwMachine *machine, const OwFailure *failure)
{
	if (machine->branch != NULL)
		ow_machine_branch_failed(machine, failure);
	else
		leave_normal_path(machine, machine->definition->on_error, OW_STATUS_FAILED, failure);
}

/* Leaves the run stuck, everything kept, until an operator retries it. */
void
ow_machine_stick(OwMachine *machine, const OwFailure *failure)
{
	OwRun	   *run = machine->run;
	const char *state = machine->token->state == OW_NO_STATE ? NULL : ow_machine_state(machine)->name;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Error", failure->error);
	ow_object_add_text(&object, "Cause", failure->cause);
	ow_object_add(&object, "Details", failure->details);
	ow_object_add_text(&object, "State", state);
	run->stuck = ow_object_end(&object);
	run->status = OW_STATUS_STUCK;
	ow_machine_record(machine, "WorkflowTaskFailed", state, run->stuck);
}

/* The run leaves what it is doing: branches are canceled, and a timer that users see in history. */
static void
interrupt(OwMachine *machine)
{
	ow_machine_cancel_branches(machine, true);
	if (machine->token->phase == OW_PHASE_WAIT || machine->token->phase == OW_PHASE_AWAIT)
		ow_machine_cancel_timers(machine);
	else if (machine->token->phase == OW_PHASE_REQUEST)
		ow_machine_leave_child(machine);
	else if (machine->token->phase == OW_PHASE_QUEUED)
		ow_machine_record_ended(machine, "ActivityTaskCanceled", ow_machine_state(machine)->name, NULL);
	machine->token->due_at = DT_NOEND;
}

static void
cancel_run(OwMachine *machine)
{
	OwFailure	failure = {.error = OW_ERROR_CANCELED, .next_retry_delay_ms = OW_UNSET};

	failure.cause = unconstify(char *, machine->cancel_reason ? machine->cancel_reason : "the workflow was canceled");
	ow_machine_select(machine, NULL);
	interrupt(machine);
	leave_normal_path(machine, machine->definition->on_cancel, OW_STATUS_CANCELED, &failure);
}

bool
ow_token_is_compensating(const OwToken *token)
{
	return token->phase == OW_PHASE_COMPENSATE || token->phase == OW_PHASE_COMPENSATE_BACKOFF ||
		token->phase == OW_PHASE_COMPENSATE_QUEUED || token->phase == OW_PHASE_COMPENSATE_CIRCUIT_OPEN;
}

/* Does any of the run's tokens compensate, or has a stored result to be evaluated first? */
static bool
is_uninterruptible(const OwRun *run, bool evaluating)
{
	ListCell   *cell;

	if (ow_token_is_compensating(&run->token) || (evaluating && run->token.phase == OW_PHASE_EXIT))
		return true;
	foreach(cell, run->branches)
	{
		const OwToken *token = &((OwBranch *) lfirst(cell))->token;

		if (ow_token_is_compensating(token) || (evaluating && token->phase == OW_PHASE_EXIT))
			return true;
	}
	return false;
}

bool
ow_machine_cancel_is_pending(const OwRun *run)
{
	return run->cancel_requested && run->sticky_status == OW_STATUS_RUNNING && !run->outcome.decided;
}

/*
 * A requested cancel takes effect between states, never while compensations run.  A stored result is
 * evaluated first: the task's compensation is recorded by that.  And children are canceled before the run is.
 */
static bool
cancel_is_due(const OwRun *run)
{
	return ow_machine_cancel_is_pending(run) && !is_uninterruptible(run, true);
}

static void
close_run(OwMachine *machine)
{
	OwRun	   *run = machine->run;
	OwOutcome  *outcome = &run->outcome;
	const char *type = NULL;
	OwObject	object;

	ow_machine_drop_updates(machine);
	switch (outcome->status)
	{
		case OW_STATUS_COMPLETED:
			type = "WorkflowExecutionCompleted";
			break;
		case OW_STATUS_FAILED:
			type = "WorkflowExecutionFailed";
			break;
		case OW_STATUS_CANCELED:
			type = "WorkflowExecutionCanceled";
			break;
		case OW_STATUS_TIMED_OUT:
			type = "WorkflowExecutionTimedOut";
			break;
		default:
			/* recorded by its input, or its state */
			Assert(outcome->status == OW_STATUS_TERMINATED || outcome->status == OW_STATUS_CONTINUED_AS_NEW);
	}
	if (type != NULL)
	{
		ow_object_begin(&object);
		ow_object_add(&object, "output", outcome->output);
		ow_object_add_text(&object, "error", outcome->error);
		ow_object_add_text(&object, "cause", outcome->cause);
		ow_object_add(&object, "public_error", outcome->public_error);
		ow_machine_retry_run(machine, &object);
		ow_machine_record(machine, type, NULL, ow_object_end(&object));
	}
	run->status = outcome->status;
	run->token.phase = OW_PHASE_CLOSED;
	run->token.due_at = DT_NOEND;
}

/* What comes before a delayed start finds a run that stands before its first state, until it is time to enter it. */
static void
start_run(OwMachine *machine)
{
	OwRun	   *run = machine->run;
	TimestampTz begin_at = run->token.due_at == DT_NOEND ? DT_NOBEGIN : run->token.due_at;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "workflow", run->workflow);
	ow_object_add_int(&object, "version", run->version);
	ow_object_add(&object, "input", run->input);
	if (run->attempt > 1)
		ow_object_add_int(&object, "attempt", run->attempt);
	if (begin_at > machine->now)
		ow_object_add_text(&object, "begin_at", ow_instant_format(begin_at));
	ow_object_add(&object, "search_attributes", run->search_attributes);
	ow_machine_record(machine, "WorkflowExecutionStarted", NULL, ow_object_end(&object));
	((OwHistoryEvent *) llast(machine->events))->time = run->started_at;
	ow_machine_go(machine, ow_definition_start(machine->definition), run->input);
	if (begin_at > machine->now)
		run->token.due_at = begin_at;
}

/*
 * Can the token move by itself?  An activity that could not run is offered again: that is how a run
 * goes on that gave others a turn.
 */
static bool
is_runnable(const OwMachine *machine, OwToken *token)
{
	const OwRun *run = machine->run;

	switch (token->phase)
	{
		case OW_PHASE_COMPENSATE:
			return !ow_token_is_paused(token);
		case OW_PHASE_EXIT:
			return true;
		default:
			if (ow_machine_cancel_is_pending(run))
				return false;	/* until the compensations that it waits for have run */
	}
	switch (token->phase)
	{
		case OW_PHASE_ENTER:
			return token->due_at == DT_NOEND || token->due_at <= machine->now;	/* a delayed start */
		case OW_PHASE_ACTIVITY:
			return !ow_token_is_paused(token);
		case OW_PHASE_BRANCHES:
			return ow_machine_can_spread(token);
		case OW_PHASE_AWAIT:
			return ow_machine_has_unseen_signal(run, token);
		default:
			return false;
	}
}

/*
 * Selects the token to move: of those that can, the one opened last.  So a branch goes as far as it
 * can before the next is opened, and which one moves depends on nothing but the run's state: replay
 * finds the same.
 */
static bool
select_runnable(OwMachine *machine)
{
	OwRun	   *run = machine->run;

	for (int i = list_length(run->branches) - 1; i >= 0; i--)
	{
		OwBranch   *branch = list_nth(run->branches, i);

		if (is_runnable(machine, &branch->token))
		{
			ow_machine_select(machine, branch);
			return true;
		}
	}
	ow_machine_select(machine, NULL);
	return is_runnable(machine, &run->token);
}

static void
reach_transition_limit(OwMachine *machine)
{
	int			entered = machine->token->transitions;
	OwFailure	failure;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "transitions", entered);
	ow_machine_record(machine, "TransitionLimitReached", ow_machine_state(machine)->name, ow_object_end(&object));
	machine->token->transitions = 0;
	(void) ow_fail(&failure, OW_ERROR_TRANSITION_LIMIT, "%d states were entered without waiting or running an activity", entered);
	ow_machine_fail(machine, &failure);
}

/* Enters the token's state, unless it loops without ever waiting for anything. */
static void
enter_within_limit(OwMachine *machine)
{
	int			limit = machine->host->transition_limit;

	if (limit > 0 && machine->token->transitions >= limit)
		reach_transition_limit(machine);
	else
	{
		machine->token->transitions++;
		ow_machine_enter(machine);
	}
}

/* However little memory there is, each step enters one state. */
static bool
has_room(const OwMachine *machine)
{
	const OwHost *host = machine->host;

	return machine->transitions <= 1 || host->has_room == NULL || host->has_room(host->arg);
}

/* A decided run closes once its compensations have run, unless it was completed or terminated. */
static void
bring_to_close(OwMachine *machine)
{
	OwStatus	status = machine->run->outcome.status;

	ow_machine_select(machine, NULL);
	if (status == OW_STATUS_COMPLETED || status == OW_STATUS_TERMINATED || status == OW_STATUS_CONTINUED_AS_NEW ||
		!ow_machine_compensate_next(machine))
		close_run(machine);
}

/*
 * Moves tokens until something outside is needed.  Each phase is either left within the loop or ends
 * the step.
 */
static OwStep
advance(OwMachine *machine)
{
	OwRun	   *run = machine->run;

	for (;;)
	{
		if (run->status == OW_STATUS_STUCK)
			return OW_STEP_STUCK;
		if (run->token.phase == OW_PHASE_CLOSED)
			return OW_STEP_CLOSED;
		if (run->status == OW_STATUS_PAUSED)
			return OW_STEP_PARKED;
		if (cancel_is_due(run) && !ow_machine_cancel_children(machine))
			cancel_run(machine);
		if (run->outcome.decided && !ow_token_is_compensating(&run->token))
		{
			bring_to_close(machine);
			continue;
		}
		if (!select_runnable(machine))
			return OW_STEP_PARKED;

		switch (machine->token->phase)
		{
			case OW_PHASE_ENTER:
				if (machine->transitions++ >= machine->host->max_transitions || !has_room(machine) ||
					(machine->stop_at_event_id > 0 && run->next_event_id > machine->stop_at_event_id))
					return OW_STEP_YIELD;
				enter_within_limit(machine);
				break;
			case OW_PHASE_ACTIVITY:
				if (ow_machine_offer_task(machine))
					return OW_STEP_ACTIVITY;
				break;
			case OW_PHASE_COMPENSATE:
				if (ow_machine_offer_compensation(machine))
					return OW_STEP_ACTIVITY;
				break;
			case OW_PHASE_EXIT:
				ow_machine_leave_task(machine, ow_machine_kept_result(machine->token, ow_machine_state(machine)));
				break;
			case OW_PHASE_BRANCHES:
				ow_machine_spread(machine);
				break;
			case OW_PHASE_AWAIT:
				ow_machine_await(machine);
				break;
			default:
				pg_unreachable();
		}
	}
}

static void
terminate_run(OwMachine *machine, const OwInput *input)
{
	OwRun	   *run = machine->run;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "reason", input->reason);
	ow_object_add_text(&object, "requested_by", input->requested_by);
	if (input->new_run_id != NULL)
		ow_object_add_text(&object, "new_run_id", ow_uuid_to_cstring(input->new_run_id));
	ow_machine_record(machine, "WorkflowExecutionTerminated", NULL, ow_object_end(&object));
	ow_machine_select(machine, NULL);
	ow_machine_cancel_branches(machine, false);
	memset(&run->outcome, 0, sizeof(run->outcome));
	run->sticky_status = OW_STATUS_RUNNING;
	run->status = OW_STATUS_RUNNING;
	run->paused = NULL;
	run->token.compensation = 0;
	ow_machine_decide(machine, OW_STATUS_TERMINATED, "OW.Terminated", input->reason, NULL);
}

/* A stuck run goes on to be canceled, once a stored result, if any, can be evaluated. */
static void
request_cancel(OwMachine *machine, const OwInput *input)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "reason", input->reason);
	ow_object_add_text(&object, "requested_by", input->requested_by);
	ow_machine_record(machine, "WorkflowExecutionCancelRequested", NULL, ow_object_end(&object));
	machine->run->cancel_requested = true;
	machine->cancel_reason = input->reason;
	if (machine->run->status == OW_STATUS_STUCK)
	{
		machine->run->status = ow_machine_open_status(machine->run);
		machine->run->stuck = NULL;
	}
}

static void
timer_fired(OwMachine *machine)
{
	OwToken    *token = machine->token;

	ow_machine_not_idle(machine);
	switch (token->phase)
	{
		case OW_PHASE_WAIT:
			ow_machine_record(machine, "TimerFired", ow_machine_state(machine)->name, NULL);
			token->due_at = DT_NOEND;
			ow_machine_leave(machine, NULL);
			break;
		case OW_PHASE_AWAIT:
			ow_machine_await(machine);
			break;
		case OW_PHASE_BACKOFF:
		case OW_PHASE_COMPENSATE_BACKOFF:
			ow_machine_next_attempt(machine);
			break;
		case OW_PHASE_CIRCUIT_OPEN:
		case OW_PHASE_COMPENSATE_CIRCUIT_OPEN:
			ow_machine_ask_circuit_again(machine);
			break;
		case OW_PHASE_CALLBACK:
			ow_machine_callback_timed_out(machine);
			break;
		case OW_PHASE_QUEUED:
		case OW_PHASE_COMPENSATE_QUEUED:
			ow_machine_queue_timed_out(machine);
			break;
		default:
			token->due_at = DT_NOEND;	/* a start delay, or a timer that lost a race */
			break;
	}
}

/* A stuck run times out when it is retried, one that compensates when it has done so. */
bool
ow_machine_heeds_deadline(const OwRun *run)
{
	return run->status == OW_STATUS_RUNNING && !run->outcome.decided && !is_uninterruptible(run, false);
}

static void
deadline_reached(OwMachine *machine)
{
	OwRun	   *run = machine->run;
	OwFailure	failure = {.error = OW_ERROR_TIMEOUT, .next_retry_delay_ms = OW_UNSET};
	OwObject	object;

	if (!ow_machine_heeds_deadline(run))
		return;
	ow_object_begin(&object);
	ow_object_add_text(&object, "timer", "WorkflowTimeout");
	ow_machine_record(machine, "TimerFired", NULL, ow_object_end(&object));
	run->deadline = DT_NOEND;
	failure.cause = "the workflow did not close in time";
	interrupt(machine);
	leave_normal_path(machine, machine->definition->on_timeout, OW_STATUS_TIMED_OUT, &failure);
}

/* The shell could not go on: unregistered activity, lost privilege, failing commit, … */
static void
stuck_by_shell(OwMachine *machine, const OwFailure *failure)
{
	if (machine->run->status == OW_STATUS_RUNNING || machine->run->status == OW_STATUS_PAUSED)
		ow_machine_stick(machine, failure);
}

static void
retry_stuck(OwMachine *machine, const OwInput *input)
{
	OwRun	   *run = machine->run;
	OwObject	object;

	if (run->status != OW_STATUS_STUCK)
		return;
	ow_object_begin(&object);
	ow_object_add_int(&object, "version", run->version);
	ow_object_add_text(&object, "requested_by", input->requested_by);
	ow_machine_record(machine, "WorkflowTaskScheduled", NULL, ow_object_end(&object));
	run->status = ow_machine_open_status(run);
	run->stuck = NULL;
}

/* Failed compensations of a decided run become recorded ones again. */
static void
retry_compensations(OwMachine *machine, const OwInput *input)
{
	OwRun	   *run = machine->run;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "requested_by", input->requested_by);
	ow_machine_record(machine, "CompensationRetryRequested", NULL, ow_object_end(&object));
	ow_machine_recall_failed(machine);
	if (run->token.phase == OW_PHASE_CLOSED)
	{
		run->status = OW_STATUS_RUNNING;
		run->token.phase = OW_PHASE_ENTER;	/* the decided outcome leads back to the compensations */
	}
}

static void
apply_input(OwMachine *machine, const OwInput *input)
{
	bool		compensating = ow_token_is_compensating(machine->token);

	switch (input->kind)
	{
		case OW_INPUT_CONTINUE:
			break;
		case OW_INPUT_ACTIVITY_COMPLETED:
			if (compensating)
				ow_machine_compensation_completed(machine, input);
			else
				ow_machine_task_completed(machine, input);
			break;
		case OW_INPUT_ACTIVITY_FAILED:
		case OW_INPUT_ACTIVITY_TIMED_OUT:
			if (compensating)
				ow_machine_compensation_failed(machine, input);
			else
				ow_machine_task_failed(machine, input);
			break;
		case OW_INPUT_HEARTBEAT:
			ow_machine_heartbeat(machine, input);
			break;
		case OW_INPUT_TIMER_FIRED:
			timer_fired(machine);
			break;
		case OW_INPUT_DEADLINE_REACHED:
			deadline_reached(machine);
			break;
		case OW_INPUT_CANCEL:
			request_cancel(machine, input);
			break;
		case OW_INPUT_TERMINATE:
			terminate_run(machine, input);
			break;
		case OW_INPUT_STUCK:
			stuck_by_shell(machine, input->failure);
			break;
		case OW_INPUT_RETRY:
			retry_stuck(machine, input);
			break;
		case OW_INPUT_RETRY_COMPENSATIONS:
			retry_compensations(machine, input);
			break;
		case OW_INPUT_PAUSE:
			ow_machine_pause(machine, input);
			break;
		case OW_INPUT_RESUME:
			ow_machine_resume(machine, input);
			break;
		case OW_INPUT_SIGNAL:
			ow_machine_signal(machine, input);
			break;
		case OW_INPUT_UPDATE:
			ow_machine_update(machine, input);
			break;
		case OW_INPUT_SEARCH_ATTRIBUTES:
			ow_machine_upsert_search_attributes(machine, input);
			break;
		case OW_INPUT_COMPENSATIONS:
			ow_machine_take_over(machine, input);
			break;
		case OW_INPUT_PAUSE_ACTIVITY:
		case OW_INPUT_RESUME_ACTIVITY:
		case OW_INPUT_RESET_ACTIVITY:
		case OW_INPUT_ACTIVITY_OPTIONS:
			ow_machine_control(machine, input);
			break;
		case OW_INPUT_CHILD_STARTED:
		case OW_INPUT_CHILD_CLOSED:
		case OW_INPUT_REQUEST_ACCEPTED:
		case OW_INPUT_REQUEST_FAILED:
			ow_machine_answered(machine, input);
			break;
		case OW_INPUT_TRANSITION_LIMIT:
			reach_transition_limit(machine);
			break;
		case OW_INPUT_RESET:
			ow_machine_reset(machine, input);
			break;
		case OW_INPUT_UPGRADE:
			ow_machine_upgrade(machine, input);
			break;
	}
}

/* What comes for a branch that is over, or a run that has closed, changes nothing. */
static bool
has_its_token(const OwMachine *machine, const OwInput *input)
{
	if (input->branch != 0 && machine->branch == NULL)
		return false;
	return machine->run->token.phase != OW_PHASE_CLOSED || input->kind == OW_INPUT_RETRY_COMPENSATIONS;
}

/* Whoever resets or upgrades a run does not drive it. */
static bool
leaves_it_there(const OwInput *input)
{
	return input->kind == OW_INPUT_RESET || input->kind == OW_INPUT_UPGRADE;
}

/*
 * Takes one input and moves the run as far as it goes without the outside.  Everything it makes is
 * allocated in machine->context; history events are appended to machine->events.
 */
OwStep
ow_machine_step(OwMachine *machine, const OwInput *input)
{
	MemoryContext previous = MemoryContextSwitchTo(machine->context);
	OwRun	   *run = machine->run;
	OwStep		step;

	machine->now = input->now;
	machine->transitions = 0;
	machine->cancel_reason = NULL;
	machine->recorded_taken_at = input->recorded_taken_at;

	if (machine->token == NULL)
		ow_machine_count_running(machine);
	ow_machine_select(machine, ow_run_find_branch(run, input->branch));
	if (run->token.phase == OW_PHASE_NEW)
		start_run(machine);
	if (has_its_token(machine, input))
		apply_input(machine, input);
	step = leaves_it_there(input) ? OW_STEP_YIELD : advance(machine);

	MemoryContextSwitchTo(previous);
	return step;
}
