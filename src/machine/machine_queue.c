/*
 * machine_queue.c
 *		Tasks done by programs outside: handing an attempt to its task queue, and its time limits.
 *
 * A task of a queue activity, forward work or compensation, is offered as any other is; but then it gets a
 * token, and waits until somebody answers with it.  Who takes it from the queue, and his heartbeats, are in
 * the task's own row, so that they cost no transition: the shell shows them to the machine as the token's
 * lease.
 *
 * What limits the task was settled when it was queued, and is kept with it:
 *
 *		{"task_queue": …, "priority": …,
 *		 "start_by": …			schedule-to-start: somebody has taken it by then
 *		 "close_by": …			schedule-to-close, over all attempts
 *		 "start_to_close_ms": …, "heartbeat_ms": …}	from when it was taken; at least one of them
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

/* Of tasks that set none; the lower, the sooner, as in Temporal */
#define DEFAULT_PRIORITY 3

#define TASK "Task"				/* member of what the token keeps */

bool
ow_token_is_queued(const OwToken *token)
{
	return token->phase == OW_PHASE_QUEUED || token->phase == OW_PHASE_COMPENSATE_QUEUED;
}

/* What the task was queued with */
static const Jsonb *
limits_of(const OwToken *token)
{
	Assert(ow_token_is_queued(token));
	return ow_json_get(token->kept, TASK);
}

static TimestampTz
limit_time(const Jsonb *limits, const char *name)
{
	char	   *text = ow_json_get_string(limits, name);
	TimestampTz at = DT_NOEND;

	if (text != NULL && !ow_instant_parse(text, &at))
		elog(ERROR, "malformed limits of a queued task");
	return at;
}

/* The time after start that the limit allows */
static TimestampTz
limit_after(const Jsonb *limits, const char *name, TimestampTz start)
{
	JsonbValue	value;
	int64		ms;

	return ow_json_member(limits, name, &value) && ow_json_value_int64(&value, &ms) ?
		ow_instant_add_ms(start, ms) : DT_NOEND;
}

/* The time limits of a queued task, in the order in which the first one passed is blamed */
typedef enum QueueLimit
{
	SCHEDULE_TO_CLOSE,
	SCHEDULE_TO_START,
	START_TO_CLOSE,
	HEARTBEAT,
	QUEUE_LIMITS
} QueueLimit;

static const char *const limit_names[] = {
	[SCHEDULE_TO_CLOSE] = "ScheduleToClose",
	[SCHEDULE_TO_START] = "ScheduleToStart",
	[START_TO_CLOSE] = "StartToClose",
	[HEARTBEAT] = "Heartbeat"
};

static TimestampTz
limit_due(const OwToken *token, QueueLimit limit)
{
	const Jsonb *limits = limits_of(token);
	const OwLease *lease = token->lease;
	const OwLease *held = lease != NULL && !lease->released ? lease : NULL;

	switch (limit)
	{
		case SCHEDULE_TO_CLOSE:
			return limit_time(limits, "close_by");
		case SCHEDULE_TO_START:
			return lease == NULL ? limit_time(limits, "start_by") : DT_NOEND;
		case START_TO_CLOSE:
			return held == NULL ? DT_NOEND : limit_after(limits, "start_to_close_ms", held->started_at);
		case HEARTBEAT:
			return held == NULL ? DT_NOEND :
				limit_after(limits, "heartbeat_ms", Max(held->started_at, held->beat_at));
		default:
			pg_unreachable();
	}
}

static TimestampTz
first_limit_due(const OwToken *token)
{
	TimestampTz first = DT_NOEND;

	for (int limit = 0; limit < QUEUE_LIMITS; limit++)
		first = Min(first, limit_due(token, limit));
	return first;
}

TimestampTz
ow_token_due_at(const OwToken *token)
{
	return token->lease != NULL && ow_token_is_queued(token) ? first_limit_due(token) : token->due_at;
}

static Jsonb *
make_limits(const OwMachine *machine, const OwTaskOptions *options)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "task_queue", options->task_queue);
	ow_object_add_int(&object, "priority", options->priority == OW_UNSET ? DEFAULT_PRIORITY : options->priority);
	if (options->schedule_to_start_ms != OW_UNSET)
		ow_object_add_text(&object, "start_by",
						   ow_instant_format(ow_instant_add_ms(machine->now, options->schedule_to_start_ms)));
	if (options->schedule_to_close_ms != OW_UNSET)
		ow_object_add_text(&object, "close_by",
						   ow_instant_format(ow_instant_add_ms(machine->token->scheduled_at,
															   options->schedule_to_close_ms)));
	if (options->start_to_close_ms != OW_UNSET)
		ow_object_add_int(&object, "start_to_close_ms", options->start_to_close_ms);
	if (options->heartbeat_ms != OW_UNSET)
		ow_object_add_int(&object, "heartbeat_ms", options->heartbeat_ms);
	return ow_object_end(&object);
}

/* Without a lease, a task whose worker has gone would wait for ever: somebody has to mend that. */
static bool
check_lease(OwMachine *machine, const char *activity, const OwTaskOptions *options)
{
	OwFailure	failure;

	if (options->start_to_close_ms != OW_UNSET || options->heartbeat_ms != OW_UNSET)
		return true;
	(void) ow_fail(&failure, OW_ERROR_NO_LEASE,
				   "the task of activity \"%s\", which is done outside, has neither StartToCloseSeconds nor HeartbeatSeconds",
				   activity);
	ow_machine_stick(machine, &failure);
	return false;
}

static void
record_queued(OwMachine *machine, const char *activity, const Jsonb *limits)
{
	const OwToken *token = machine->token;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "activity", activity);
	ow_object_add_int(&object, "attempt", token->attempt);
	if (token->compensation > 0)
		ow_object_add_int(&object, "compensation", token->compensation);
	ow_object_add_text(&object, "task_token", ow_uuid_to_cstring(&token->task_token));
	ow_object_add(&object, "limits", limits);
	ow_machine_record(machine, "ActivityTaskQueued", machine->call.state, ow_object_end(&object));
}

/* Does the input of the state hold its token?  Then it has one already. */
static bool
has_token_of_its_own(const OwMachine *machine)
{
	return machine->token->compensation == 0 && ow_machine_state(machine)->callback;
}

/* Hands the attempt that machine->call describes to its task queue; each has a token of its own. */
void
ow_machine_queue(OwMachine *machine, const char *activity, const OwTaskOptions *options)
{
	const OwHost *host = machine->host;
	OwToken    *token = machine->token;
	OwQueuedTask *task = palloc0(sizeof(OwQueuedTask));
	const Jsonb *base = token->phase == OW_PHASE_ACTIVITY ? token->kept : NULL;

	if (host->recorded_limits != NULL)
		task->limits = host->recorded_limits(host->arg, machine->run);
	else if (check_lease(machine, activity, options))
		task->limits = make_limits(machine, options);
	else
		return;
	if (!has_token_of_its_own(machine))
		host->new_task_token(host->arg, machine->run, true, &token->task_token);
	token->has_task_token = true;
	record_queued(machine, activity, task->limits);
	token->phase = token->phase == OW_PHASE_ACTIVITY ? OW_PHASE_QUEUED : OW_PHASE_COMPENSATE_QUEUED;
	token->kept = ow_json_with_member(base, TASK, task->limits);
	token->lease = NULL;
	ow_machine_not_idle(machine);
	token->due_at = first_limit_due(token);
	task->task_token = token->task_token;
	task->branch = machine->branch ? machine->branch->id : 0;
	task->queued_at = machine->now;
	task->call = machine->call;
	machine->run->queued = lappend(machine->run->queued, task);
}

/* The attempt has ended, however it was done. */
void
ow_machine_dequeue(OwMachine *machine)
{
	OwToken    *token = machine->token;

	if (!ow_token_is_queued(token))
		return;
	token->due_at = DT_NOEND;
	token->lease = NULL;
	if (token->phase == OW_PHASE_COMPENSATE_QUEUED || !(ow_machine_state(machine)->callback ||
														ow_machine_state(machine)->synchronous))
		token->has_task_token = false;
}

static bool
find_passed_limit(const OwMachine *machine, QueueLimit *passed)
{
	for (int limit = 0; limit < QUEUE_LIMITS; limit++)
	{
		*passed = limit;
		if (limit_due(machine->token, limit) <= machine->now)
			return true;
	}
	return false;
}

static void
describe_timeout(const OwToken *token, QueueLimit limit, OwFailure *failure)
{
	OwObject	object;

	switch (limit)
	{
		case SCHEDULE_TO_CLOSE:
			(void) ow_fail(failure, OW_ERROR_TIMEOUT, "the task did not close within its schedule-to-close timeout");
			break;
		case SCHEDULE_TO_START:
			(void) ow_fail(failure, OW_ERROR_TIMEOUT, "nobody took the task from task queue \"%s\" in time",
						   ow_json_get_string(limits_of(token), "task_queue"));
			break;
		case START_TO_CLOSE:
			(void) ow_fail(failure, OW_ERROR_TIMEOUT, "the attempt took longer than its start-to-close timeout");
			break;
		default:
			(void) ow_fail(failure, OW_ERROR_HEARTBEAT_TIMEOUT, "no heartbeat came from whoever works on the task in time");
	}
	/* another attempt would have no better chance, or no time */
	failure->non_retryable = limit == SCHEDULE_TO_CLOSE || limit == SCHEDULE_TO_START;
	ow_object_begin(&object);
	ow_object_add_text(&object, "Timeout", limit_names[limit]);
	failure->details = ow_object_end(&object);
	failure->heartbeat = token->lease ? token->lease->details : NULL;
}

/* A limit has been reached, unless a heartbeat has moved it on, or the task was taken in time. */
void
ow_machine_queue_timed_out(OwMachine *machine)
{
	OwInput		input = {.kind = OW_INPUT_ACTIVITY_TIMED_OUT, .now = machine->now};
	QueueLimit	limit;
	OwFailure	failure;

	if (!find_passed_limit(machine, &limit))
		return;
	describe_timeout(machine->token, limit, &failure);
	input.failure = &failure;
	if (ow_token_is_compensating(machine->token))
		ow_machine_compensation_failed(machine, &input);
	else
		ow_machine_task_failed(machine, &input);
}
