/*
 * machine_circuit.c
 *		Attempts that are not made, because their activity's circuit breaker is open.
 *
 * The host is asked before each attempt is offered, and says no while the circuit is open.  What then becomes of
 * the task is decided in this order:
 *
 *		a retrier that names OW.CircuitOpen		waits as it says
 *		a catcher that names OW.CircuitOpen		takes it at once: the fallback
 *		a retrier that takes it as one of many,
 *		and any compensation					waits until the host should be asked again
 *		else									a catcher that takes it as one of many, or failure
 *
 * No attempt was made, so none is counted: the one that is scheduled waits (CIRCUIT_OPEN), for as long as
 * schedule-to-close allows, and is then asked for again.  The event has the decision, from which replay reads it.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

static OwAttempt
current_attempt(const OwMachine *machine, const OwActivity *activity)
{
	return (OwAttempt)
	{
		.activity = activity,
			.branch = machine->branch ? machine->branch->id : 0,
			.now = machine->now
	};
}

bool
ow_machine_may_attempt(OwMachine *machine, const OwActivity *activity, OwRejection *rejection)
{
	const OwHost *host = machine->host;
	OwAttempt	attempt;

	if (host->may_attempt == NULL)
		return true;
	attempt = current_attempt(machine, activity);
	return host->may_attempt(host->arg, machine->run, &attempt, rejection);
}

/* Also when the activity is not there any more */
void
ow_machine_attempt_ended(OwMachine *machine, const OwActivity *activity, const OwFailure *failure)
{
	const OwHost *host = machine->host;
	OwAttempt	attempt;

	if (host->attempt_ended == NULL || activity == NULL)
		return;
	attempt = current_attempt(machine, activity);
	host->attempt_ended(host->arg, machine->run, &attempt, failure);
}

static bool
names_it(char *const *errors, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (strcmp(errors[i], OW_ERROR_CIRCUIT_OPEN) == 0)
			return true;
	}
	return false;
}

/* The retrier that names it; OW_UNSET */
static int
find_named_retrier(const OwTaskOptions *options)
{
	for (int i = 0; i < options->nretriers; i++)
	{
		if (names_it(options->retriers[i].errors, options->retriers[i].nerrors))
			return i;
	}
	return OW_UNSET;
}

static bool
has_fallback(const OwMachine *machine)
{
	const OwState *state = ow_machine_state(machine);

	for (int i = 0; i < state->ncatchers; i++)
	{
		if (names_it(state->catchers[i].errors, state->catchers[i].nerrors))
			return true;
	}
	return false;
}

static bool
has_retrier(const OwTaskOptions *options, const OwFailure *failure)
{
	for (int i = 0; i < options->nretriers; i++)
	{
		if (ow_failure_matches(failure, options->retriers[i].errors, options->retriers[i].nerrors, false))
			return true;
	}
	return false;
}

/* Of total attempts, those made so far count, not the one that is rejected. */
static OwRetryAnswer
ask_retrier(const OwMachine *machine, const OwTaskOptions *options, int retrier, const OwFailure *failure)
{
	const OwToken *token = machine->token;
	OwRetryAnswer answer = ow_retry_decide(&(OwRetryQuestion) {
											   .retriers = &options->retriers[retrier],
											   .nretriers = 1,
											   .counts = &token->retry_counts[retrier],
											   .attempt = token->attempt - 1,
											   .failure = failure,
											   .now = machine->now,
											   .close_by = ow_token_close_by(machine->token, options),
											   .random = ow_machine_random(machine)
										   });

	answer.retrier = retrier;
	return answer;
}

static OwRetryAnswer
wait_for_half_open(const OwMachine *machine, const OwTaskOptions *options, const OwRejection *rejection)
{
	OwRetryAnswer answer = {.retrier = OW_UNSET};
	int64		spread = rejection->spread_ms > 0 ? ow_machine_random(machine) % (uint64) rejection->spread_ms : 0;

	answer.at = ow_instant_add_ms(rejection->retry_at, spread);
	answer.retry = answer.at <= ow_token_close_by(machine->token, options);
	return answer;
}

/* As for a failed attempt, a cancel ends the tries of forward work. */
static OwRetryAnswer
decide(const OwMachine *machine, const OwTaskOptions *options, const OwRejection *rejection)
{
	bool		compensating = ow_token_is_compensating(machine->token);
	OwRetryAnswer no = {.retry = false};
	int			named;

	if (rejection->recorded != NULL)
		return *rejection->recorded;
	if (!compensating && machine->run->cancel_requested)
		return no;
	named = find_named_retrier(options);
	if (named != OW_UNSET)
		return ask_retrier(machine, options, named, &rejection->failure);
	if (!compensating && (has_fallback(machine) || !has_retrier(options, &rejection->failure)))
		return no;
	return wait_for_half_open(machine, options, rejection);
}

static void
record_rejected(OwMachine *machine, const OwRejection *rejection, const OwRetryAnswer *answer)
{
	const OwRecordedCompensation *compensation = ow_machine_running_compensation(machine);
	const OwState *state = compensation ? NULL : ow_machine_state(machine);
	const OwToken *token = machine->token;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "activity", compensation ? compensation->activity : state->activity);
	ow_object_add_int(&object, "attempt", token->attempt);
	if (compensation != NULL)
		ow_object_add_int(&object, "compensation", compensation->sequence);
	ow_object_add_text(&object, "error", rejection->failure.error);
	ow_object_add_text(&object, "cause", rejection->failure.cause);
	ow_object_add(&object, "details", rejection->failure.details);
	if (rejection->outside)
		ow_object_add_bool(&object, "outside", true);
	if (answer->retry)
		ow_object_add_text(&object, "retry_at", ow_instant_format(answer->at));
	if (answer->retry && answer->retrier != OW_UNSET)
		ow_object_add_int(&object, "retrier", answer->retrier);
	ow_machine_record(machine, "ActivityTaskRejected", compensation ? compensation->state : state->name,
					  ow_object_end(&object));
}

/* Records the rejection.  True: the attempt waits; false: it will not be made. */
bool
ow_machine_wait_for_circuit(OwMachine *machine, const OwTaskOptions *options, const OwRejection *rejection)
{
	OwToken    *token = machine->token;
	OwRetryAnswer answer = decide(machine, options, rejection);

	record_rejected(machine, rejection, &answer);
	if (!answer.retry)
		return false;
	if (answer.retrier != OW_UNSET)
		token->retry_counts[answer.retrier]++;
	token->due_at = answer.at;
	token->phase = ow_token_is_compensating(token) ? OW_PHASE_COMPENSATE_CIRCUIT_OPEN : OW_PHASE_CIRCUIT_OPEN;
	return true;
}

/* The attempt of a task is not made: it waits, or its failure is caught, or fails the run. */
void
ow_machine_task_rejected(OwMachine *machine, const OwTaskOptions *options, const OwRejection *rejection)
{
	const OwState *state = ow_machine_state(machine);
	OwToken    *token = machine->token;

	if (ow_machine_wait_for_circuit(machine, options, rejection))
		return;
	/* attempts before this one, also before a reset, may have done something outside */
	if (state->compensation != NULL && state->compensation->when_scheduled &&
		(token->last_failure == NULL || (!state->callback && !rejection->outside)))
		ow_machine_drop_scheduled_compensation(machine, state);
	if (!ow_machine_catch(machine, state, &rejection->failure))
		ow_machine_fail(machine, &rejection->failure);
}

/* The attempt that waits is offered, and the circuit asked, again. */
void
ow_machine_offer_again(OwToken *token)
{
	token->due_at = DT_NOEND;
	token->phase = ow_token_is_compensating(token) ? OW_PHASE_COMPENSATE : OW_PHASE_ACTIVITY;
}

/* The wait is over. */
void
ow_machine_ask_circuit_again(OwMachine *machine)
{
	const OwRecordedCompensation *compensation = ow_machine_running_compensation(machine);

	ow_machine_offer_again(machine->token);
	ow_machine_record(machine, "TimerFired", compensation ? compensation->state : ow_machine_state(machine)->name, NULL);
}
