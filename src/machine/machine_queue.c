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
 *		 "fairness_key": …		whose turn it is of those who share workers
 *		 "start_by": …			schedule-to-start: somebody has taken it by then
 *		 "close_by": …			schedule-to-close, over all attempts
 *		 "start_to_close_ms": …, "heartbeat_ms": …}	from when it was taken; at least one of them
 *
 * unless an operator changes it (machine_control.c).  Time for which the task was paused does not count.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

/* Of tasks that set none, whose run has none; the lower, the sooner, as in Temporal */
#define DEFAULT_PRIORITY 3

/* Members of what the token keeps */
#define TASK "Task"
#define QUEUED_AT "QueuedAt"

bool
ow_token_is_queued(const OwToken *token)
{
	return token->phase == OW_PHASE_QUEUED || token->phase == OW_PHASE_COMPENSATE_QUEUED;
}

const Jsonb *
ow_token_limits(const OwToken *token)
{
	Assert(ow_token_is_queued(token));
	return ow_json_get(token->kept, TASK);
}

static TimestampTz
time_member(const Jsonb *json, const char *name)
{
	char	   *text = ow_json_get_string(json, name);
	TimestampTz at = DT_NOEND;

	if (text != NULL && !ow_instant_parse(text, &at))
		elog(ERROR, "malformed limits of a queued task");
	return at;
}

TimestampTz
ow_token_limit_time(const OwToken *token, const char *name)
{
	return time_member(ow_token_limits(token), name);
}

/* The time after start that the limit allows */
static TimestampTz
limit_after(const OwToken *token, const char *name, TimestampTz start)
{
	JsonbValue	value;
	int64		ms;

	return ow_json_member(ow_token_limits(token), name, &value) && ow_json_value_int64(&value, &ms) ?
		ow_token_after(token, start, ms) : DT_NOEND;
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
	const OwLease *lease = token->lease;
	const OwLease *held = lease != NULL && !lease->released ? lease : NULL;

	switch (limit)
	{
		case SCHEDULE_TO_CLOSE:
			return ow_token_limit_time(token, "close_by");
		case SCHEDULE_TO_START:
			return lease == NULL ? ow_token_limit_time(token, "start_by") : DT_NOEND;
		case START_TO_CLOSE:
			return held == NULL ? DT_NOEND : limit_after(token, "start_to_close_ms", held->started_at);
		case HEARTBEAT:
			return held == NULL ? DT_NOEND :
				limit_after(token, "heartbeat_ms", Max(held->started_at, held->beat_at));
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
	if (token->lease == NULL || !ow_token_is_queued(token))
		return token->due_at;
	return ow_token_is_paused(token) ? DT_NOEND : first_limit_due(token);
}

static Jsonb *
make_limits(const OwMachine *machine, const OwTaskOptions *options, TimestampTz queued_at)
{
	const OwToken *token = machine->token;
	TimestampTz close_by = ow_token_close_by(token, options);
	int			of_run = machine->run->priority > 0 ? machine->run->priority : DEFAULT_PRIORITY;
	int			priority = options->priority == OW_UNSET ? of_run : options->priority;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "task_queue", options->task_queue);
	ow_object_add_int(&object, "priority", priority);
	ow_object_add_text(&object, "fairness_key", options->fairness_key);
	if (options->schedule_to_start_ms != OW_UNSET)
		ow_object_add_text(&object, "start_by",
						   ow_instant_format(ow_token_after(token, queued_at, options->schedule_to_start_ms)));
	if (close_by != DT_NOEND)
		ow_object_add_text(&object, "close_by", ow_instant_format(close_by));
	if (options->start_to_close_ms != OW_UNSET)
		ow_object_add_int(&object, "start_to_close_ms", options->start_to_close_ms);
	if (options->heartbeat_ms != OW_UNSET)
		ow_object_add_int(&object, "heartbeat_ms", options->heartbeat_ms);
	return ow_object_end(&object);
}

/* Without a lease, a task whose worker has gone would wait for ever: somebody has to mend that. */
static bool
has_lease(const OwTaskOptions *options)
{
	return options->start_to_close_ms != OW_UNSET || options->heartbeat_ms != OW_UNSET;
}

static bool
check_lease(OwMachine *machine, const char *activity, const OwTaskOptions *options)
{
	OwFailure	failure;

	if (has_lease(options))
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

/* The token's timer is as if nobody had taken the task: whoever has is in the lease, of which replay does not know. */
static void
set_limits(OwToken *token, const Jsonb *limits)
{
	OwLease    *lease = token->lease;

	token->kept = ow_json_with_member(token->kept, TASK, limits);
	token->lease = NULL;
	token->due_at = ow_token_is_paused(token) ? DT_NOEND : first_limit_due(token);
	token->lease = lease;
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
		task->limits = make_limits(machine, options, machine->now);
	else
		return;
	if (!has_token_of_its_own(machine))
		host->new_task_token(host->arg, machine->run, true, &token->task_token);
	token->has_task_token = true;
	record_queued(machine, activity, task->limits);
	token->phase = token->phase == OW_PHASE_ACTIVITY ? OW_PHASE_QUEUED : OW_PHASE_COMPENSATE_QUEUED;
	token->kept = ow_json_with_member(base, QUEUED_AT, ow_json_text(ow_instant_format(machine->now)));
	token->lease = NULL;
	ow_machine_not_idle(machine);
	set_limits(token, task->limits);
	task->task_token = token->task_token;
	task->branch = machine->branch ? machine->branch->id : 0;
	task->queued_at = machine->now;
	task->call = machine->call;
	machine->run->queued = lappend(machine->run->queued, task);
}

void
ow_machine_record_ended(OwMachine *machine, const char *type, const char *state, OwObject *attributes)
{
	const OwRecordedCompensation *compensation = ow_machine_running_compensation(machine);
	OwHistoryEvent *event;

	if (attributes != NULL && machine->dequeued.taken_at != 0)
		ow_object_add_text(attributes, "started_at", ow_instant_format(machine->dequeued.taken_at));
	ow_machine_record(machine, type, state, attributes ? ow_object_end(attributes) : NULL);
	event = llast(machine->events);
	event->activity = compensation ? compensation->activity : ow_machine_state(machine)->activity;
	event->queued_at = machine->dequeued.queued_at;
	event->taken_at = machine->dequeued.taken_at;
	memset(&machine->dequeued, 0, sizeof(machine->dequeued));
}

/* When whoever has the task took it; 0: nobody has */
static TimestampTz
taken_at(const OwMachine *machine)
{
	const OwLease *lease = machine->token->lease;

	if (lease == NULL)
		return machine->recorded_taken_at;
	return lease->released || lease->started_at == DT_NOEND ? 0 : lease->started_at;
}

/* The attempt has ended, however it was done. */
void
ow_machine_dequeue(OwMachine *machine)
{
	OwToken    *token = machine->token;

	if (!ow_token_is_queued(token))
		return;
	machine->dequeued.queued_at = time_member(token->kept, QUEUED_AT);
	machine->dequeued.taken_at = taken_at(machine);
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
						   ow_json_get_string(ow_token_limits(token), "task_queue"));
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

/* ---- what an operator changes ---- */

/* The limits of the task under other options; NULL when it would have no lease */
Jsonb *
ow_machine_queue_limits(OwMachine *machine, const OwTaskOptions *options)
{
	return has_lease(options) ? make_limits(machine, options, time_member(machine->token->kept, QUEUED_AT)) : NULL;
}

void
ow_machine_change_limits(OwToken *token, const Jsonb *limits)
{
	set_limits(token, limits);
	token->task_changed = true;
}

static const Jsonb *
move_limit(const Jsonb *limits, const char *name, int64 by)
{
	TimestampTz at = time_member(limits, name);

	return at == DT_NOEND ? limits : ow_json_with_member(limits, name, ow_json_text(ow_instant_format(at + by)));
}

/* The pause that is over has not counted. */
void
ow_machine_move_limits(OwToken *token, int64 by)
{
	ow_machine_change_limits(token, move_limit(move_limit(ow_token_limits(token), "start_by", by), "close_by", by));
}

/* All limits begin anew at clock, which is now, or when the task was paused. */
void
ow_machine_restart_limits(OwToken *token, TimestampTz clock, TimestampTz now)
{
	TimestampTz queued_at = time_member(token->kept, QUEUED_AT);
	const Jsonb *limits = move_limit(ow_token_limits(token), "start_by",
									 clock - queued_at - ow_token_stood_still(token, queued_at));

	limits = move_limit(limits, "close_by",
						clock - token->scheduled_at - ow_token_stood_still(token, token->scheduled_at));
	token->kept = ow_json_with_member(token->kept, QUEUED_AT, ow_json_text(ow_instant_format(now)));
	ow_machine_change_limits(token, limits);
}
