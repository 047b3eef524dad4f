/*
 * machine_task.c
 *		Task states: attempts, retries, catches, and storing the result before it is evaluated.
 *
 *		enter -> ACTIVITY -> completed -> leave
 *					^  |  \-> QUEUED (done outside) -> answered -> leave
 *					^  |  \-> CALLBACK (.waitForTaskToken) -> answered -> leave
 *					|  |		 |
 *					|  |---------+-> failed, timed out -> BACKOFF (a retrier allows) -> next attempt
 *					|  |								\-> catch, OnError or failure
 *					|  \-> rejected: see machine_circuit.c
 *					\---------------------------------------/
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

/*
 * Records that an attempt may run now.  The input is kept with the first attempt only: it is the same
 * for all of them, unless it may hold the attempt's token.  One that counts as the first again is marked.
 */
static void
record_scheduled(OwMachine *machine, const OwState *state, bool again)
{
	const OwToken *token = machine->token;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "activity", state->activity);
	ow_object_add_int(&object, "attempt", token->attempt);
	if ((token->attempt == 1 && !again) || state->callback)
		ow_object_add(&object, "input", machine->task_input);
	if (token->has_task_token)
		ow_object_add_text(&object, "task_token", ow_uuid_to_cstring(&token->task_token));
	if (again && token->attempt == 1)
		ow_object_add_bool(&object, "reset", true);
	ow_machine_record(machine, "ActivityTaskScheduled", state->name, ow_object_end(&object));
}

/* The input cannot be evaluated, and so there is no attempt, nor a token of it: history knows of none. */
void
ow_machine_refuse_attempt(OwMachine *machine, const OwState *state, const OwFailure *failure)
{
	machine->token->has_task_token = false;
	if (!ow_machine_catch(machine, state, failure))
		ow_machine_fail(machine, failure);
}

/* An attempt that somebody else will answer for gets a token, which its input may hold. */
static void
take_task_token(OwMachine *machine, const OwState *state)
{
	OwToken    *token = machine->token;

	token->has_task_token = state->callback || state->synchronous;
	if (token->has_task_token)
		machine->host->new_task_token(machine->host->arg, machine->run, false, &token->task_token);
}

/* The input of a task's attempt */
bool
ow_machine_task_input(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	return state->sql ? ow_machine_sql_call(machine, state, &machine->task_input, failure) :
		ow_machine_input(machine, state, &machine->task_input, failure);
}

void
ow_machine_enter_task(OwMachine *machine, const OwState *state)
{
	OwToken    *token = machine->token;
	OwRequest  *request = NULL;
	OwFailure	failure;

	ow_machine_visit_counts(machine)[state->index]++;
	take_task_token(machine, state);
	token->scheduled_at = machine->now;
	if (!ow_machine_task_input(machine, state, &failure) ||
		(state->workflow != NULL && (request = ow_machine_make_request(machine, state, &failure)) == NULL))
	{
		ow_machine_record(machine, "StateEntered", state->name, NULL);
		ow_machine_refuse_attempt(machine, state, &failure);
		return;
	}
	token->phase = OW_PHASE_ACTIVITY;
	token->attempt = 1;
	if (state->compensation != NULL && state->compensation->when_scheduled &&
		!ow_machine_record_compensation(machine, state, NULL, NULL, &failure))
	{
		ow_machine_record(machine, "StateEntered", state->name, NULL);
		ow_machine_refuse_attempt(machine, state, &failure);
		return;
	}
	if (request != NULL)
		ow_machine_send_request(machine, state, request);
	else
		record_scheduled(machine, state, false);
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

/* A duration given by a path wins over a fixed one. */
static bool
read_duration(OwMachine *machine, const OwPath *path, const char *field, int64 *ms, OwFailure *failure)
{
	OwScope		scope;
	JsonbValue	value;
	const char *missing;
	int64		seconds;

	if (path == NULL)
		return true;
	ow_machine_scope(machine, machine->token->data, OW_EVALUATE_INPUT, &scope);
	if (!ow_path_get(path, &scope, &value, &missing))
		return ow_fail(failure, OW_ERROR_RUNTIME, "%s", missing);
	if (!ow_json_value_int64(&value, &seconds) || seconds <= 0 || seconds > PG_INT32_MAX)
		return ow_fail(failure, OW_ERROR_RUNTIME, "%s of state \"%s\" is not a positive whole number", field,
					   ow_machine_state(machine)->name);
	*ms = seconds * 1000;
	return true;
}

static bool
start_to_close(OwMachine *machine, const OwTaskOptions *options, int64 *ms, OwFailure *failure)
{
	const OwState *state = ow_machine_state(machine);

	*ms = options->start_to_close_ms;
	if (options->start_to_close_fixed)
		return true;
	if (state->sql != NULL)
		return ow_machine_sql_timeout(machine, state, ms, failure);
	return read_duration(machine, options->start_to_close_path, "TimeoutSecondsPath", ms, failure);
}

static bool
heartbeat(OwMachine *machine, const OwTaskOptions *options, int64 *ms, OwFailure *failure)
{
	const OwState *state = ow_machine_state(machine);

	*ms = options->heartbeat_ms;
	if (options->heartbeat_fixed)
		return true;
	if (state->sql != NULL)
		return ow_machine_sql_heartbeat(machine, state, ms, failure);
	return read_duration(machine, options->heartbeat_path, "HeartbeatSecondsPath", ms, failure);
}

/* What a value is as a fairness key: NULL, none, for null and an empty string */
bool
ow_machine_fairness_text(const char *subject, const JsonbValue *value, char **key, OwFailure *failure)
{
	*key = NULL;
	if (value->type == jbvNull)
		return true;
	if (value->type == jbvString)
		*key = ow_json_value_cstring(value);
	else if (value->type == jbvNumeric)
		*key = ow_json_to_cstring(JsonbValueToJsonb(unconstify(JsonbValue *, value)));
	else
		return ow_fail(failure, OW_ERROR_RUNTIME, "FairnessKey of %s must be a string or a number, not %s", subject,
					   ow_json_type_phrase(value));
	if (strlen(*key) > OW_MAX_FAIRNESS_KEY)
		return ow_fail(failure, OW_ERROR_RUNTIME, "FairnessKey of %s is longer than %d bytes", subject,
					   OW_MAX_FAIRNESS_KEY);
	if (**key == '\0')
		*key = NULL;
	return true;
}

/* Evaluates the key where it is a path, over the data that the state, or compensation, gets. */
bool
ow_machine_fairness_key(OwMachine *machine, OwTaskOptions *options, Jsonb *data, const char *subject,
						OwFailure *failure)
{
	OwScope		scope;
	JsonbValue	value;
	const char *missing;

	if (options->fairness_path == NULL)
		return true;
	ow_machine_scope(machine, data, OW_EVALUATE_INPUT, &scope);
	if (!ow_path_get(options->fairness_path, &scope, &value, &missing))
		return ow_fail(failure, OW_ERROR_RUNTIME, "%s", missing);
	return ow_machine_fairness_text(subject, &value, &options->fairness_key, failure);
}

/* The same for the current task */
bool
ow_machine_task_fairness_key(OwMachine *machine, OwTaskOptions *options, OwFailure *failure)
{
	const OwState *state = ow_machine_state(machine);

	if (state->sql != NULL && state->sql->fairness_key != NULL && !options->fairness_fixed)
		return ow_machine_sql_fairness_key(machine, state, &options->fairness_key, failure);
	return ow_machine_fairness_key(machine, options, machine->token->data, psprintf("state \"%s\"", state->name), failure);
}

/* What the current task's attempts are called with, durations that have to be looked up included */
bool
ow_machine_attempt_options(OwMachine *machine, OwTaskOptions *options, OwFailure *failure)
{
	const OwState *state = ow_machine_state(machine);

	ow_machine_options(machine, &state->options,
					   state->activity ? machine->host->find_activity(machine->host->arg, machine->run, state->activity) : NULL,
					   options);
	return start_to_close(machine, options, &options->start_to_close_ms, failure) &&
		heartbeat(machine, options, &options->heartbeat_ms, failure);
}

/* Fills what every call has, forward work or compensation. */
void
ow_machine_call(OwMachine *machine, const OwActivity *activity, const OwTaskOptions *options)
{
	const OwToken *token = machine->token;
	OwActivityCall *call = &machine->call;

	memset(call, 0, sizeof(*call));
	call->activity = activity;
	call->attempt = token->attempt;
	call->scheduled_at = token->scheduled_at;
	call->close_by = ow_token_close_by(token, options);
	call->start_to_close_ms = options->start_to_close_ms;
	call->last_failure = token->last_failure;
	call->own_transaction = options->own_transaction == 1;
}

/*
 * Offers the attempt of the current task to the shell; false when it cannot run, or has been handed to a
 * task queue.
 */
bool
ow_machine_offer_task(OwMachine *machine)
{
	const OwState *state = ow_machine_state(machine);
	const OwActivity *activity = machine->host->find_activity(machine->host->arg, machine->run, state->activity);
	OwTaskOptions options;
	OwRejection rejection;
	OwFailure	failure;

	if (activity == NULL || activity->quarantined || activity->missing)
	{
		ow_machine_stick_unrunnable(machine, state->activity, activity);
		return false;
	}
	ow_machine_options(machine, &state->options, activity, &options);
	if ((machine->task_input == NULL && !ow_machine_task_input(machine, state, &failure)) ||
		!start_to_close(machine, &options, &options.start_to_close_ms, &failure))
	{
		ow_machine_fail(machine, &failure);
		return false;
	}
	if (activity->kind == OW_ACTIVITY_QUEUE &&
		(!heartbeat(machine, &options, &options.heartbeat_ms, &failure) ||
		 !ow_machine_task_fairness_key(machine, &options, &failure)))
	{
		ow_machine_stick(machine, &failure);
		return false;
	}
	if (!ow_machine_may_attempt(machine, activity, &rejection))
	{
		ow_machine_task_rejected(machine, &options, &rejection);
		return false;
	}
	ow_machine_call(machine, activity, &options);
	machine->call.state = state->name;
	machine->call.input = machine->task_input;
	machine->call.idempotency_key = ow_machine_idempotency_key(machine, state);
	if (machine->token->has_task_token)
		machine->call.task_token = &machine->token->task_token;
	/* while another branch undoes what it did, the run goes on beyond its deadline */
	if (machine->run->deadline < machine->call.close_by && ow_machine_heeds_deadline(machine->run))
		machine->call.close_by = machine->run->deadline;
	if (activity->kind != OW_ACTIVITY_QUEUE)
		return true;
	ow_machine_queue(machine, state->activity, &options);
	return false;
}

/* A task that waits for its token has an input of its own for each attempt. */
static void
schedule_again(OwMachine *machine, const OwState *state)
{
	OwFailure	failure;

	if (state->callback)
	{
		if (state->sql != NULL)
			ow_machine_record(machine, "TimerFired", state->name, NULL);
		machine->task_input = NULL;
		machine->token->kept = NULL;
		take_task_token(machine, state);
		if (!ow_machine_task_input(machine, state, &failure))
		{
			if (state->sql == NULL)
				ow_machine_record(machine, "TimerFired", state->name, NULL);
			ow_machine_refuse_attempt(machine, state, &failure);
			return;
		}
	}
	else if (!machine->token->has_task_token)
		take_task_token(machine, state);	/* after a reset of the run */
	record_scheduled(machine, state, true);
}

/* The back-off is over: the next attempt of a task, a Parallel or Map, or a compensation. */
void
ow_machine_next_attempt(OwMachine *machine)
{
	OwToken    *token = machine->token;

	token->due_at = DT_NOEND;
	ow_machine_count_attempt(machine);
	if (token->phase == OW_PHASE_BACKOFF && ow_state_has_branches(ow_machine_state(machine)))
	{
		ow_machine_record(machine, "TimerFired", ow_machine_state(machine)->name, NULL);
		ow_machine_spread_again(machine);
	}
	else if (token->phase == OW_PHASE_BACKOFF)
	{
		token->phase = OW_PHASE_ACTIVITY;
		if (ow_machine_state(machine)->workflow != NULL)
			ow_machine_request_again(machine, ow_machine_state(machine));
		else
			schedule_again(machine, ow_machine_state(machine));
	}
	else
	{
		Assert(token->phase == OW_PHASE_COMPENSATE_BACKOFF);
		token->phase = OW_PHASE_COMPENSATE;
		ow_machine_record_compensation_scheduled(machine, true);
	}
}

/*
 * Leaves a task (or a Parallel or Map) with its result; a result that cannot be evaluated is kept, and the run is stuck until
 * it is retried on a repaired definition, unless the state catches the error.
 */
bool
ow_machine_leave_task(OwMachine *machine, Jsonb *result)
{
	const OwState *state = ow_machine_state(machine);
	OwToken    *token = machine->token;
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
	machine->searched = NULL;
	token->phase = OW_PHASE_EXIT;
	ow_machine_keep_result(token, state, result);
	ow_machine_stick(machine, &failure);
	return false;
}

/* ---- waiting for the answer to a task token ---- */

/*
 * What limits the wait, each where there is such a limit, as recorded, and as the token keeps it together with the
 * times when it began and when the last heartbeat came:
 *
 *		{"close_at": …,			start-to-close, or schedule-to-close if that is earlier
 *		 "heartbeat_ms": …}
 */
#define CLOSE_AT "close_at"
#define HEARTBEAT_MS "heartbeat_ms"

/* Times that the token keeps with those limits */
#define STARTED_AT "started_at"
#define BEAT_AT "beat_at"

static TimestampTz
kept_time(const OwToken *token, const char *name)
{
	char	   *text = ow_json_get_string(token->kept, name);
	TimestampTz at = DT_NOEND;

	if (text != NULL && !ow_instant_parse(text, &at))
		elog(ERROR, "malformed limits of a task token");
	return at;
}

static void
keep_time(OwToken *token, const char *name, TimestampTz at)
{
	token->kept = ow_json_with_member(token->kept, name, ow_json_text(ow_instant_format(at)));
}

/* What limits the wait that began at started_at; NULL and failure filled when a path leads to none. */
static Jsonb *
callback_limits(OwMachine *machine, TimestampTz started_at, OwFailure *failure)
{
	const OwToken *token = machine->token;
	OwTaskOptions options;
	TimestampTz close_at;
	OwObject	object;

	if (!ow_machine_attempt_options(machine, &options, failure))
		return NULL;
	close_at = ow_token_close_by(token, &options);
	if (options.start_to_close_ms != OW_UNSET)
		close_at = Min(close_at, ow_token_after(token, started_at, options.start_to_close_ms));
	ow_object_begin(&object);
	if (close_at != DT_NOEND)
		ow_object_add_text(&object, CLOSE_AT, ow_instant_format(close_at));
	if (options.heartbeat_ms != OW_UNSET)
		ow_object_add_int(&object, HEARTBEAT_MS, options.heartbeat_ms);
	return ow_object_end(&object);
}

/* …of the wait that is going on */
Jsonb *
ow_machine_answer_limits(OwMachine *machine, OwFailure *failure)
{
	return callback_limits(machine, kept_time(machine->token, STARTED_AT), failure);
}

/* When the answer, or a heartbeat, is due; no time passes for a paused token. */
static TimestampTz
answer_due(const OwToken *token)
{
	TimestampTz beat_at = kept_time(token, BEAT_AT);
	JsonbValue	value;
	int64		ms;

	if (ow_token_is_paused(token))
		return DT_NOEND;
	if (beat_at == DT_NOEND)
		beat_at = kept_time(token, STARTED_AT);
	if (!ow_json_member(token->kept, HEARTBEAT_MS, &value) || !ow_json_value_int64(&value, &ms))
		return kept_time(token, CLOSE_AT);
	return Min(kept_time(token, CLOSE_AT), ow_token_after(token, beat_at, ms));
}

/* The wait has other limits now. */
void
ow_machine_change_answer(OwToken *token, const Jsonb *limits)
{
	Jsonb	   *base = token->kept ? ow_json_without_member(token->kept, CLOSE_AT) : ow_json_empty_object();

	token->kept = ow_json_merged(ow_json_without_member(base, HEARTBEAT_MS), limits);
	token->due_at = answer_due(token);
}

/* The pause that is over has not counted. */
void
ow_machine_move_answer(OwToken *token, int64 by)
{
	TimestampTz close_at = kept_time(token, CLOSE_AT);

	if (close_at != DT_NOEND)
		keep_time(token, CLOSE_AT, close_at + by);
	token->due_at = answer_due(token);
}

/* The activity has handed its token on: now somebody must answer it. */
static void
wait_for_answer(OwMachine *machine, const OwState *state, const OwInput *input)
{
	OwToken    *token = machine->token;
	OwFailure	failure;
	OwObject	object;
	Jsonb	   *limits = input->recorded_limits ? ow_json_copy(input->recorded_limits) :
		callback_limits(machine, machine->now, &failure);

	ow_object_begin(&object);
	ow_object_add_int(&object, "attempt", token->attempt);
	ow_object_add(&object, "result", input->result);
	ow_object_add(&object, "limits", limits);
	ow_object_add_text(&object, "function_hash", input->function_hash);
	ow_object_add(&object, "span_attributes", input->span_attributes);
	ow_machine_record(machine, "ActivityTaskStarted", state->name, ow_object_end(&object));
	ow_machine_attempt_ended(machine, machine->call.activity, NULL);
	if (limits == NULL)
	{
		ow_machine_refuse_attempt(machine, state, &failure);
		return;
	}
	token->phase = OW_PHASE_CALLBACK;
	if (state->sql == NULL)
		token->kept = NULL;
	keep_time(token, STARTED_AT, machine->now);
	ow_machine_change_answer(token, limits);
	ow_machine_not_idle(machine);
}

/* Whoever has the token is still at it. */
void
ow_machine_heartbeat(OwMachine *machine, const OwInput *input)
{
	OwToken    *token = machine->token;
	OwObject	object;

	Assert(token->phase == OW_PHASE_CALLBACK);
	ow_object_begin(&object);
	ow_object_add_int(&object, "attempt", token->attempt);
	ow_object_add(&object, "details", input->details);
	ow_machine_record(machine, "ActivityTaskHeartbeat", ow_machine_state(machine)->name, ow_object_end(&object));
	keep_time(token, BEAT_AT, machine->now);
	token->due_at = answer_due(token);
}

void
ow_machine_callback_timed_out(OwMachine *machine)
{
	OwInput		input = {.kind = OW_INPUT_ACTIVITY_TIMED_OUT, .now = machine->now};
	OwFailure	failure;

	if (kept_time(machine->token, CLOSE_AT) <= machine->now)
		(void) ow_fail(&failure, OW_ERROR_TIMEOUT, "the task's token was not answered in time");
	else
		(void) ow_fail(&failure, OW_ERROR_HEARTBEAT_TIMEOUT, "no heartbeat came with the task's token in time");
	input.failure = &failure;
	ow_machine_task_failed(machine, &input);
}

/* ---- outcomes ---- */

/* Of an attempt that has ended: what was offered, unless that was done outside, and perhaps long ago */
static const OwActivity *
attempted_activity(const OwMachine *machine, const OwState *state)
{
	if (machine->host->attempt_ended == NULL || machine->token->phase == OW_PHASE_ACTIVITY)
		return machine->call.activity;
	return machine->host->find_activity(machine->host->arg, machine->run, state->activity);
}

void
ow_machine_task_completed(OwMachine *machine, const OwInput *input)
{
	const OwState *state = ow_machine_state(machine);
	OwToken    *token = machine->token;
	OwObject	object;

	if (state->callback && token->phase == OW_PHASE_ACTIVITY)
	{
		wait_for_answer(machine, state, input);
		return;
	}
	ow_object_begin(&object);
	ow_object_add_int(&object, "attempt", token->attempt);
	ow_object_add(&object, "result", input->result);
	ow_object_add_text(&object, "function_hash", input->function_hash);
	ow_object_add(&object, "span_attributes", input->span_attributes);
	ow_machine_dequeue(machine);
	ow_machine_record_ended(machine, "ActivityTaskCompleted", state->name, &object);
	ow_machine_attempt_ended(machine, attempted_activity(machine, state), NULL);
	ow_machine_not_idle(machine);
	token->due_at = DT_NOEND;
	token->control = NULL;
	if (state->sql == NULL)
		token->kept = NULL;
	(void) ow_machine_leave_task(machine, input->result);
}

/* What Catch gives to its state.  A failure without a name has nulls, as Step Functions has it. */
static Jsonb *
error_output(const OwFailure *failure)
{
	bool		nameless = *failure->error == '\0';
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add(&object, "Error", nameless ? ow_json_null() : ow_json_text(failure->error));
	ow_object_add(&object, "Cause", nameless && failure->cause == NULL ? ow_json_null() :
				  ow_json_text(failure->cause ? failure->cause : ""));
	return ow_object_end(&object);
}

/* Puts the error where the catcher wants it and goes to its state. */
bool
ow_machine_catch(OwMachine *machine, const OwState *state, const OwFailure *failure)
{
	for (int i = 0; i < state->ncatchers; i++)
	{
		const OwCatcher *catcher = &state->catchers[i];
		OwFailure	misplaced;
		Jsonb	   *data;

		if (!ow_failure_matches(failure, catcher->errors, catcher->nerrors, true))
			continue;
		data = error_output(failure);
		if (state->sql != NULL)
		{
			if (!ow_machine_sql_catch(machine, catcher, data, &data, &misplaced))
			{
				ow_machine_fail(machine, &misplaced);
				return true;
			}
			ow_machine_keep_assigned(machine);
			ow_machine_go(machine, catcher->next, data);
			return true;
		}
		if (!ow_machine_assign(machine, catcher->assign, data, OW_EVALUATE_CATCH, &misplaced))
		{
			ow_machine_fail(machine, &misplaced);
			return true;
		}
		if (catcher->result_path_null)
			data = machine->token->data;
		else if (catcher->result_path != NULL && !ow_path_is_root(catcher->result_path))
		{
			data = ow_path_set(catcher->result_path, machine->token->data, data, &misplaced);
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

static const char *
failed_event(const OwMachine *machine, const OwInput *input)
{
	if (machine->token->compensation == 0 && ow_state_has_branches(ow_machine_state(machine)))
		return "StateFailed";
	if (input->kind == OW_INPUT_CHILD_CLOSED || input->kind == OW_INPUT_REQUEST_FAILED)
		return ow_machine_failed_request_event(ow_machine_state(machine), input);
	return input->kind == OW_INPUT_ACTIVITY_TIMED_OUT ? "ActivityTaskTimedOut" : "ActivityTaskFailed";
}

/* Records a failed or timed-out attempt, with the retry decision, so that replay need not repeat it. */
static void
record_failed(OwMachine *machine, const OwInput *input, const OwRetryAnswer *answer, const char *state)
{
	const OwToken *token = machine->token;
	const OwFailure *failure = input->failure;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "attempt", token->attempt);
	ow_object_add_text(&object, "error", failure->error);
	ow_object_add_text(&object, "cause", failure->cause);
	ow_object_add(&object, "details", failure->details);
	ow_object_add(&object, "heartbeat_details", failure->heartbeat);
	if (failure->non_retryable && input->kind == OW_INPUT_ACTIVITY_FAILED)
		ow_object_add_bool(&object, "non_retryable", true);
	ow_object_add_text(&object, "function_hash", input->function_hash);
	ow_object_add(&object, "span_attributes", input->span_attributes);
	if (token->compensation > 0)
		ow_object_add_int(&object, "compensation", token->compensation);
	if (input->kind == OW_INPUT_CHILD_CLOSED || input->kind == OW_INPUT_REQUEST_FAILED)
		ow_machine_add_answer(&object, input->request);
	if (answer->retry)
	{
		ow_object_add_text(&object, "retry_at", ow_instant_format(answer->at));
		ow_object_add_int(&object, "retrier", answer->retrier);
	}
	ow_machine_record_ended(machine, failed_event(machine, input), state, &object);
}

/* What the next attempt is told; how far one got is not forgotten by another that sent no heartbeat. */
static Jsonb *
last_failure(const OwToken *token, const OwFailure *failure)
{
	OwFailure	told = *failure;

	if (ow_token_forgets_heartbeat(token))
		told.heartbeat = NULL;
	else if (told.heartbeat == NULL && token->last_failure != NULL)
		told.heartbeat = ow_json_get(token->last_failure, "HeartbeatDetails");
	return ow_failure_json(&told);
}

/* When the task must be over, as it looks now: a pause may be going on. */
static TimestampTz
retry_until(const OwMachine *machine, const OwTaskOptions *options)
{
	const OwToken *token = machine->token;
	TimestampTz close_by = ow_token_close_by(token, options);
	TimestampTz paused_at;

	if (close_by == DT_NOEND || !ow_token_paused_at(token, &paused_at))
		return close_by;
	return close_by + (machine->now - Max(paused_at, token->scheduled_at));
}

/*
 * Decides about another attempt and records the failure.  True: the token is in its back-off.  After a reset the
 * next attempt is the first, and so it is decided as if there had been none.
 */
bool
ow_machine_try_again(OwMachine *machine, const OwInput *input, const OwTaskOptions *options,
					 const char *state, OwPhase backoff)
{
	static const int none[OW_MAX_RETRIERS];
	OwToken    *token = machine->token;
	bool		reset = ow_token_is_reset(token);
	OwRetryAnswer answer = {.retry = false};

	if (input->recorded_retry != NULL)
		answer = *input->recorded_retry;
	else if (backoff == OW_PHASE_COMPENSATE_BACKOFF || !machine->run->cancel_requested)
		answer = ow_retry_decide(&(OwRetryQuestion) {
									 .retriers = options->retriers,
									 .nretriers = options->nretriers,
									 .counts = reset ? none : token->retry_counts,
									 .attempt = reset ? 0 : token->attempt,
									 .failure = input->failure,
									 .now = machine->now,
									 .close_by = reset ? DT_NOEND : retry_until(machine, options),
									 .random = ow_machine_random(machine)
								 });
	record_failed(machine, input, &answer, state);
	if (!answer.retry)
		return false;
	if (reset)
		memset(token->retry_counts, 0, sizeof(token->retry_counts));
	else
		token->retry_counts[answer.retrier]++;
	token->last_failure = last_failure(token, input->failure);
	token->due_at = ow_token_is_paused(token) ? DT_NOEND : answer.at;
	token->phase = backoff;
	return true;
}

/* A limit of the task forbids no more than another attempt of it. */
static void
fail_task(OwMachine *machine, const OwInput *input)
{
	OwFailure	failure = *input->failure;

	failure.non_retryable &= input->kind == OW_INPUT_ACTIVITY_FAILED;
	ow_machine_fail(machine, &failure);
}

/* An attempt failed or timed out: retry, catch, or fail the run. */
void
ow_machine_task_failed(OwMachine *machine, const OwInput *input)
{
	const OwState *state = ow_machine_state(machine);
	OwTaskOptions options;

	Assert(machine->token->phase == OW_PHASE_ACTIVITY || machine->token->phase == OW_PHASE_CALLBACK ||
		   machine->token->phase == OW_PHASE_QUEUED);
	ow_machine_attempt_ended(machine, attempted_activity(machine, state), input->failure);
	machine->token->due_at = DT_NOEND;
	ow_machine_dequeue(machine);
	if (state->sql == NULL)
		machine->token->kept = NULL;
	ow_machine_options(machine, &state->options,
					   machine->host->find_activity(machine->host->arg, machine->run, state->activity), &options);
	if (ow_machine_try_again(machine, input, &options, state->name, OW_PHASE_BACKOFF))
		return;
	/* whoever was given a task token, or the task, may have done something */
	if (state->compensation != NULL && state->compensation->when_scheduled && !state->callback &&
		!ow_token_is_queued(machine->token))
		ow_machine_drop_scheduled_compensation(machine, state);
	if (!ow_machine_catch(machine, state, input->failure))
		fail_task(machine, input);
}
