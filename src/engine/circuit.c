/*
 * circuit.c
 *		Between the machine, which asks before each attempt, and the circuit breakers in worker/breaker.c.
 *
 * Activities without CircuitBreaker pass at once.
 */
#include "postgres.h"

#include "engine/circuit.h"
#include "machine/circuit.h"
#include "machine/retry.h"
#include "store/task.h"

/* Of the time that a circuit is open for, this part: over so long those that wait come back. */
#define SPREAD_PART 4

OwBreaker
ow_circuit_breaker_of(const OwActivity *activity)
{
	const char *queue = activity->kind == OW_ACTIVITY_QUEUE ? activity->options.task_queue : NULL;

	return (OwBreaker)
	{
		.activity = activity->name,
			.options = activity->options.circuit_breaker,
			.queue_key = queue ? ow_task_queue_key(queue) : 0
	};
}

static OwCircuitHolder
holder_of(const OwRun *run, const OwAttempt *attempt)
{
	return (OwCircuitHolder)
	{
		.run_id = run->run_id,
			.branch = attempt->branch
	};
}

bool
ow_circuit_may_attempt(void *arg, const OwRun *run, const OwAttempt *attempt, OwRejection *rejection)
{
	const OwActivity *activity = attempt->activity;
	OwCircuitHolder holder;
	OwBreaker	breaker;
	char	   *error;

	if (activity->options.circuit_breaker == NULL)
		return true;
	breaker = ow_circuit_breaker_of(activity);
	holder = holder_of(run, attempt);
	memset(rejection, 0, sizeof(*rejection));
	if (ow_breaker_may_attempt(&breaker, &holder, attempt->now, &rejection->retry_at, &error))
		return true;
	rejection->spread_ms = breaker.options->open_ms / SPREAD_PART;
	rejection->outside = activity->kind == OW_ACTIVITY_QUEUE;
	return ow_fail(&rejection->failure, OW_ERROR_CIRCUIT_OPEN,
				   "the circuit breaker of activity \"%s\" is open (%s)", activity->name, error);
}

/* A failure for good (a declined card) says nothing of the service. */
static bool
counts(const OwCircuitBreaker *options, const OwFailure *failure)
{
	return !failure->non_retryable &&
		(options->nerrors == 0 || ow_failure_matches(failure, options->errors, options->nerrors, true));
}

void
ow_circuit_attempt_ended(void *arg, const OwRun *run, const OwAttempt *attempt, const OwFailure *failure)
{
	const OwCircuitBreaker *options = attempt->activity->options.circuit_breaker;
	OwCircuitEvent event = {.kind = OW_CIRCUIT_SUCCEEDED, .at = attempt->now};
	OwBreaker	breaker;

	if (options == NULL)
		return;
	event.holder = holder_of(run, attempt);
	if (failure != NULL)
	{
		event.kind = counts(options, failure) ? OW_CIRCUIT_FAILED : OW_CIRCUIT_UNCOUNTED;
		event.error = failure->error;	/* a cause is for those who may see the run */
	}
	breaker = ow_circuit_breaker_of(attempt->activity);
	ow_breaker_note(&breaker, &event);
}
