/*
 * machine_task.c
 *		Task states: attempts, retries, catches, and storing the result before it is evaluated.
 *
 *		enter -> ACTIVITY -> completed -> leave
 *					^  \---> failed -> BACKOFF (a retrier allows) -> next attempt
 *					|					\-> catch, OnError or failure
 *					\-----------------------/
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

Jsonb *
ow_failure_json(const OwFailure *failure)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Error", failure->error);
	ow_object_add_text(&object, "Cause", failure->cause);
	ow_object_add(&object, "Details", failure->details);
	return ow_object_end(&object);
}

/*
 * Records that an attempt may run now.  The input is kept with the first attempt only: it is the same
 * for all of them.
 */
static void
record_scheduled(OwMachine *machine, const OwState *state)
{
	const OwToken *token = &machine->run->token;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "activity", state->activity);
	ow_object_add_int(&object, "attempt", token->attempt);
	if (token->attempt == 1)
		ow_object_add(&object, "input", machine->task_input);
	ow_machine_record(machine, "ActivityTaskScheduled", state->name, ow_object_end(&object));
}

void
ow_machine_enter_task(OwMachine *machine, const OwState *state)
{
	OwToken    *token = &machine->run->token;
	OwFailure	failure;

	ow_machine_visit_counts(machine)[state->index]++;
	if (!ow_machine_input(machine, state, &machine->task_input, &failure))
	{
		ow_machine_record(machine, "StateEntered", state->name, NULL);
		if (!ow_machine_catch(machine, state, &failure))
			ow_machine_fail(machine, &failure);
		return;
	}
	token->phase = OW_PHASE_ACTIVITY;
	token->attempt = 1;
	token->scheduled_at = machine->now;
	if (state->compensation != NULL && state->compensation->when_scheduled &&
		!ow_machine_record_compensation(machine, state, NULL, NULL, &failure))
	{
		ow_machine_record(machine, "StateEntered", state->name, NULL);
		if (!ow_machine_catch(machine, state, &failure))
			ow_machine_fail(machine, &failure);
		return;
	}
	record_scheduled(machine, state);
}

/* The activity cannot run for a reason that an operator can mend. */
void
ow_machine_stick_unrunnable(OwMachine *machine, const char *activity_name, const OwActivity *activity)
{
	OwFailure	failure;

	if (activity == NULL)
		(void) ow_fail(&failure, "OW.ActivityNotRegistered", "activity \"%s\" is not registered", activity_name);
	else if (activity->missing)
		(void) ow_fail(&failure, "OW.ActivityNotRegistered", "the function of activity \"%s\" does not exist",
					   activity_name);
	else
		(void) ow_fail(&failure, "OW.ActivityQuarantined", "activity \"%s\" crashed the server too often and is quarantined",
					   activity_name);
	ow_machine_stick(machine, &failure);
}

/* A duration given by TimeoutSecondsPath wins over a fixed one. */
static bool
start_to_close(OwMachine *machine, const OwTaskOptions *options, int64 *ms, OwFailure *failure)
{
	OwScope		scope;
	JsonbValue	value;
	const char *missing;
	int64		seconds;

	*ms = options->start_to_close_ms;
	if (options->start_to_close_path == NULL)
		return true;
	ow_machine_scope(machine, machine->run->token.data, OW_EVALUATE_INPUT, &scope);
	if (!ow_path_get(options->start_to_close_path, &scope, &value, &missing))
		return ow_fail(failure, OW_ERROR_RUNTIME, "%s", missing);
	if (!ow_json_value_int64(&value, &seconds) || seconds <= 0 || seconds > PG_INT32_MAX)
		return ow_fail(failure, OW_ERROR_RUNTIME, "TimeoutSecondsPath of state \"%s\" is not a positive whole number",
					   ow_machine_state(machine)->name);
	*ms = seconds * 1000;
	return true;
}

/* Fills what every call has, forward work or compensation. */
void
ow_machine_call(OwMachine *machine, const OwActivity *activity, const OwTaskOptions *options)
{
	const OwToken *token = &machine->run->token;
	OwActivityCall *call = &machine->call;

	memset(call, 0, sizeof(*call));
	call->activity = activity;
	call->attempt = token->attempt;
	call->scheduled_at = token->scheduled_at;
	call->close_by = options->schedule_to_close_ms == OW_UNSET ? DT_NOEND :
		ow_instant_add_ms(token->scheduled_at, options->schedule_to_close_ms);
	call->start_to_close_ms = options->start_to_close_ms;
	call->last_failure = token->last_failure;
	call->own_transaction = options->own_transaction == 1;
}

/* Offers the attempt of the current task to the shell; false when it cannot run. */
bool
ow_machine_offer_task(OwMachine *machine)
{
	const OwState *state = ow_machine_state(machine);
	const OwActivity *activity = machine->host->find_activity(machine->host->arg, state->activity);
	OwTaskOptions options;
	OwFailure	failure;

	if (activity == NULL || activity->quarantined || activity->missing)
	{
		ow_machine_stick_unrunnable(machine, state->activity, activity);
		return false;
	}
	ow_task_options_merge(&options, &state->options, &machine->definition->defaults, &activity->options);
	if ((machine->task_input == NULL && !ow_machine_input(machine, state, &machine->task_input, &failure)) ||
		!start_to_close(machine, &options, &options.start_to_close_ms, &failure))
	{
		ow_machine_fail(machine, &failure);
		return false;
	}
	ow_machine_call(machine, activity, &options);
	machine->call.state = state->name;
	machine->call.input = machine->task_input;
	machine->call.idempotency_key = ow_machine_idempotency_key(machine, state);
	if (machine->run->deadline < machine->call.close_by)
		machine->call.close_by = machine->run->deadline;
	return true;
}

/* The back-off is over: the next attempt of a task or a compensation. */
void
ow_machine_next_attempt(OwMachine *machine)
{
	OwToken    *token = &machine->run->token;

	token->due_at = DT_NOEND;
	token->attempt++;
	if (token->phase == OW_PHASE_BACKOFF)
	{
		token->phase = OW_PHASE_ACTIVITY;
		record_scheduled(machine, ow_machine_state(machine));
	}
	else
	{
		Assert(token->phase == OW_PHASE_COMPENSATE_BACKOFF);
		token->phase = OW_PHASE_COMPENSATE;
		ow_machine_record_compensation_scheduled(machine);
	}
}

/*
 * Leaves a task with its result; a result that cannot be evaluated is kept, and the run is stuck until
 * it is retried on a repaired definition, unless the state catches the error.
 */
bool
ow_machine_leave_task(OwMachine *machine, Jsonb *result)
{
	const OwState *state = ow_machine_state(machine);
	OwToken    *token = &machine->run->token;
	OwFailure	failure;
	Jsonb	   *output;

	if (ow_machine_result(machine, state, result, &output, &failure))
	{
		if (state->compensation == NULL ||
			ow_machine_record_compensation(machine, state, output, result, &failure))
		{
			ow_machine_leave(machine, output);
			return true;
		}
	}
	else if (ow_machine_catch(machine, state, &failure))
		return true;
	token->phase = OW_PHASE_EXIT;
	token->result = result;
	ow_machine_stick(machine, &failure);
	return false;
}

void
ow_machine_task_completed(OwMachine *machine, Jsonb *result)
{
	OwToken    *token = &machine->run->token;
	OwObject	object;

	Assert(token->phase == OW_PHASE_ACTIVITY);
	ow_object_begin(&object);
	ow_object_add_int(&object, "attempt", token->attempt);
	ow_object_add(&object, "result", result);
	ow_machine_record(machine, "ActivityTaskCompleted", ow_machine_state(machine)->name, ow_object_end(&object));
	(void) ow_machine_leave_task(machine, result);
}

/* Puts the error where the catcher wants it and goes to its state. */
bool
ow_machine_catch(OwMachine *machine, const OwState *state, const OwFailure *failure)
{
	for (int i = 0; i < state->ncatchers; i++)
	{
		const OwCatcher *catcher = &state->catchers[i];
		OwFailure	misplaced;
		OwObject	object;
		Jsonb	   *data;

		if (!ow_error_matches(failure->error, catcher->errors, catcher->nerrors, true))
			continue;
		ow_object_begin(&object);
		ow_object_add_text(&object, "Error", failure->error);
		ow_object_add_text(&object, "Cause", failure->cause ? failure->cause : "");
		data = ow_object_end(&object);
		if (!ow_machine_assign(machine, catcher->assign, data, OW_EVALUATE_CATCH, &misplaced))
		{
			ow_machine_fail(machine, &misplaced);
			return true;
		}
		if (catcher->result_path_null)
			data = machine->run->token.data;
		else if (catcher->result_path != NULL && !ow_path_is_root(catcher->result_path))
		{
			data = ow_path_set(catcher->result_path, machine->run->token.data, data, &misplaced);
			if (data == NULL)
			{
				ow_machine_fail(machine, &misplaced);
				return true;
			}
		}
		ow_machine_keep_assigned(machine);
		ow_machine_go(machine, catcher->next, data);
		return true;
	}
	return false;
}

/* Records a failed or timed-out attempt, with the retry decision, so that replay need not repeat it. */
static void
record_failed(OwMachine *machine, const OwInput *input, const OwRetryAnswer *answer, const char *state)
{
	const OwToken *token = &machine->run->token;
	const OwFailure *failure = input->failure;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "attempt", token->attempt);
	ow_object_add_text(&object, "error", failure->error);
	ow_object_add_text(&object, "cause", failure->cause);
	ow_object_add(&object, "details", failure->details);
	if (token->compensation > 0)
		ow_object_add_int(&object, "compensation", token->compensation);
	if (answer->retry)
	{
		ow_object_add_text(&object, "retry_at", ow_instant_format(answer->at));
		ow_object_add_int(&object, "retrier", answer->retrier);
	}
	ow_machine_record(machine, input->kind == OW_INPUT_ACTIVITY_TIMED_OUT ? "ActivityTaskTimedOut" : "ActivityTaskFailed",
					  state, ow_object_end(&object));
}

/*
 * Decides about another attempt and records the failure.  True: the token is in its back-off.
 */
bool
ow_machine_try_again(OwMachine *machine, const OwInput *input, const OwTaskOptions *options,
					 const char *state, OwPhase backoff)
{
	OwToken    *token = &machine->run->token;
	OwRetryAnswer answer = {.retry = false};

	if (input->recorded_retry != NULL)
		answer = *input->recorded_retry;
	else if (backoff == OW_PHASE_COMPENSATE_BACKOFF || !machine->run->cancel_requested)
		answer = ow_retry_decide(&(OwRetryQuestion) {
									 .retriers = options->retriers,
									 .nretriers = options->nretriers,
									 .counts = token->retry_counts,
									 .attempt = token->attempt,
									 .failure = input->failure,
									 .now = machine->now,
									 .close_by = options->schedule_to_close_ms == OW_UNSET ? DT_NOEND :
									 ow_instant_add_ms(token->scheduled_at, options->schedule_to_close_ms),
									 .random = ow_machine_random(machine)
								 });
	record_failed(machine, input, &answer, state);
	if (!answer.retry)
		return false;
	token->retry_counts[answer.retrier]++;
	token->last_failure = ow_failure_json(input->failure);
	token->due_at = answer.at;
	token->phase = backoff;
	return true;
}

/* An attempt failed or timed out: retry, catch, or fail the run. */
void
ow_machine_task_failed(OwMachine *machine, const OwInput *input)
{
	const OwState *state = ow_machine_state(machine);
	const OwActivity *activity = machine->host->find_activity(machine->host->arg, state->activity);
	OwTaskOptions options;

	Assert(machine->run->token.phase == OW_PHASE_ACTIVITY);
	ow_task_options_merge(&options, &state->options, &machine->definition->defaults,
						  activity ? &activity->options : NULL);
	if (ow_machine_try_again(machine, input, &options, state->name, OW_PHASE_BACKOFF))
		return;
	if (state->compensation != NULL && state->compensation->when_scheduled)
		ow_machine_drop_scheduled_compensation(machine, state);
	if (!ow_machine_catch(machine, state, input->failure))
		ow_machine_fail(machine, input->failure);
}
