/*
 * machine_control.c
 *		What an operator asks of a pending activity: to pause, to resume, to be reset, to have other options.
 *
 * All of it is kept with the token, as its control, until the task is over:
 *
 *		{"paused_at": …, "paused_by": …, "reason": …,	while it is paused
 *		 "pauses": [[from, until], …],	those that are over, since the first attempt was scheduled
 *		 "options": {"TaskQueue": …},	in place of what the definition says; null: there is no such option
 *		 "reset": true,					the attempt after the one under way counts as the first
 *		 "reset_heartbeat": true}		and is not told of that one's heartbeats
 *
 * Time stands still for a paused token.  Its limits that are points in time are moved by the pause when that is
 * over; those that count from when somebody took the task, or was heard of, of which the token does not know, find
 * the pauses since then (ow_token_stood_still).
 *
 * A token that is paused has no timer and is not runnable; the rest of the machine goes on around it.  Whether
 * somebody is at a task that is reset, and what other options come to as limits, is the shell's to know: both are in
 * the events, from which replay reads them.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

/* A token's control, taken apart */
typedef struct Control
{
	char	   *paused_at;		/* NULL: not paused */
	char	   *paused_by;
	char	   *reason;
	Jsonb	   *pauses;
	Jsonb	   *options;
	bool		reset;
	bool		reset_heartbeat;
} Control;

static bool
is_true(const Jsonb *json, const char *name)
{
	JsonbValue	value;

	return json != NULL && ow_json_member(json, name, &value) && value.type == jbvBool && value.val.boolean;
}

static void
read_control(const OwToken *token, Control *control)
{
	memset(control, 0, sizeof(*control));
	if (token->control == NULL)
		return;
	control->paused_at = ow_json_get_string(token->control, "paused_at");
	control->paused_by = ow_json_get_string(token->control, "paused_by");
	control->reason = ow_json_get_string(token->control, "reason");
	control->pauses = ow_json_get(token->control, "pauses");
	control->options = ow_json_get(token->control, "options");
	control->reset = is_true(token->control, "reset");
	control->reset_heartbeat = is_true(token->control, "reset_heartbeat");
}

static void
write_control(OwToken *token, const Control *control)
{
	OwObject	object;

	token->control = NULL;
	if (control->paused_at == NULL && control->pauses == NULL && control->options == NULL && !control->reset &&
		!control->reset_heartbeat)
		return;
	ow_object_begin(&object);
	ow_object_add_text(&object, "paused_at", control->paused_at);
	ow_object_add_text(&object, "paused_by", control->paused_by);
	ow_object_add_text(&object, "reason", control->reason);
	ow_object_add(&object, "pauses", control->pauses);
	ow_object_add(&object, "options", control->options);
	if (control->reset)
		ow_object_add_bool(&object, "reset", true);
	if (control->reset_heartbeat)
		ow_object_add_bool(&object, "reset_heartbeat", true);
	token->control = ow_object_end(&object);
}

/* ---- time that stands still ---- */

static TimestampTz
read_instant(const char *text)
{
	TimestampTz at;

	if (text == NULL || !ow_instant_parse(text, &at))
		elog(ERROR, "malformed control of a token");
	return at;
}

bool
ow_token_paused_at(const OwToken *token, TimestampTz *at)
{
	char	   *text = token->control ? ow_json_get_string(token->control, "paused_at") : NULL;

	if (text == NULL)
		return false;
	*at = read_instant(text);
	return true;
}

bool
ow_token_is_paused(const OwToken *token)
{
	JsonbValue	value;

	return token->control != NULL && ow_json_member(token->control, "paused_at", &value);
}

static TimestampTz
pause_bound(const JsonbValue *pause, int index)
{
	JsonbValue	value;

	if (!ow_json_value_element(pause, index, &value) || value.type != jbvString)
		elog(ERROR, "malformed control of a token");
	return read_instant(ow_json_value_cstring(&value));
}

/* How long the token's time has stood still since then, in microseconds; a pause that is not over does not count. */
int64
ow_token_stood_still(const OwToken *token, TimestampTz since)
{
	JsonbValue	pauses;
	JsonbValue	pause;
	int64		still = 0;

	if (token->control == NULL || !ow_json_member(token->control, "pauses", &pauses))
		return 0;
	for (int i = 0; ow_json_value_element(&pauses, i, &pause); i++)
		still += Max(pause_bound(&pause, 1) - Max(pause_bound(&pause, 0), since), 0);
	return still;
}

/* The time so long after start, as far as the token's time did not stand still */
TimestampTz
ow_token_after(const OwToken *token, TimestampTz start, int64 ms)
{
	TimestampTz at = ow_instant_add_ms(start, ms);

	return at == DT_NOEND ? at : at + ow_token_stood_still(token, start);
}

/* When the task must be over, all attempts together; DT_NOEND when it has no such limit */
TimestampTz
ow_token_close_by(const OwToken *token, const OwTaskOptions *options)
{
	if (options->schedule_to_close_ms == OW_UNSET)
		return DT_NOEND;
	return ow_token_after(token, token->scheduled_at, options->schedule_to_close_ms);
}

static Jsonb *
add_pause(const Jsonb *pauses, char *from, char *until)
{
	JsonbParseState *array = NULL;
	char	   *bounds[] = {from, until};
	JsonbValue	old;
	JsonbValue	value;

	pushJsonbValue(&array, WJB_BEGIN_ARRAY, NULL);
	if (pauses != NULL)
	{
		ow_json_as_value(pauses, &old);
		for (int i = 0; ow_json_value_element(&old, i, &value); i++)
			pushJsonbValue(&array, WJB_ELEM, &value);
	}
	pushJsonbValue(&array, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < (int) lengthof(bounds); i++)
	{
		value.type = jbvString;
		value.val.string.val = bounds[i];
		value.val.string.len = strlen(bounds[i]);
		pushJsonbValue(&array, WJB_ELEM, &value);
	}
	pushJsonbValue(&array, WJB_END_ARRAY, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&array, WJB_END_ARRAY, NULL));
}

/* ---- options ---- */

/* What state or compensation says > Defaults > the activity's, and what an operator has set over all of them */
void
ow_machine_options(const OwMachine *machine, const OwTaskOptions *own, const OwActivity *activity,
				   OwTaskOptions *options)
{
	Jsonb	   *given = machine->token->control ? ow_json_get(machine->token->control, "options") : NULL;

	ow_task_options_merge(options, own, &machine->definition->defaults, activity ? &activity->options : NULL);
	if (given != NULL)
		ow_task_options_override(options, given);
}

/* ---- which tokens ---- */

/* Is the token at an activity?  A Parallel or Map that waits for its back-off is not, nor a child workflow. */
static bool
is_pending(const OwMachine *machine, const OwToken *token)
{
	switch (token->phase)
	{
		case OW_PHASE_ACTIVITY:
		case OW_PHASE_CIRCUIT_OPEN:
		case OW_PHASE_CALLBACK:
		case OW_PHASE_QUEUED:
			return true;
		case OW_PHASE_BACKOFF:
			return machine->definition->states[token->state].activity != NULL;
		default:
			return ow_token_is_compensating(token);
	}
}

/* Is this the name of the activity that the token is at, or of its state? */
static bool
is_at(OwMachine *machine, const OwToken *token, const char *name)
{
	const OwState *state;

	if (!is_pending(machine, token))
		return false;
	if (ow_token_is_compensating(token))
	{
		const OwRecordedCompensation *compensation = ow_machine_compensation(machine, token);

		return strcmp(compensation->activity, name) == 0 || strcmp(compensation->state, name) == 0;
	}
	state = &machine->definition->states[token->state];
	return strcmp(state->activity, name) == 0 || strcmp(state->name, name) == 0;
}

List *
ow_machine_find_pending(OwMachine *machine, const char *name)
{
	List	   *found = NIL;
	ListCell   *cell;

	if (is_at(machine, &machine->run->token, name))
		found = lappend_int(found, 0);
	foreach(cell, machine->run->branches)
	{
		OwBranch   *branch = lfirst(cell);

		if (is_at(machine, &branch->token, name))
			found = lappend_int(found, branch->id);
	}
	return found;
}

/* ---- events ---- */

static const char *
state_name(OwMachine *machine)
{
	const OwToken *token = machine->token;

	return ow_token_is_compensating(token) ? ow_machine_compensation(machine, token)->state :
		ow_machine_state(machine)->name;
}

static void
begin_event(const OwMachine *machine, const OwInput *input, OwObject *object)
{
	const OwToken *token = machine->token;

	ow_object_begin(object);
	ow_object_add_int(object, "attempt", token->attempt);
	if (token->compensation > 0)
		ow_object_add_int(object, "compensation", token->compensation);
	ow_object_add_text(object, "requested_by", input->requested_by);
	ow_object_add_text(object, "reason", input->reason);
}

/* ---- pause and resume ---- */

static void
pause_token(OwMachine *machine, const OwInput *input)
{
	OwToken    *token = machine->token;
	Control		control;
	OwObject	object;

	if (ow_token_is_paused(token))
		return;
	begin_event(machine, input, &object);
	ow_machine_record(machine, "ActivityTaskPaused", state_name(machine), ow_object_end(&object));
	read_control(token, &control);
	control.paused_at = ow_instant_format(machine->now);
	control.paused_by = unconstify(char *, input->requested_by);
	control.reason = unconstify(char *, input->reason);
	write_control(token, &control);
	token->due_at = DT_NOEND;
	token->task_changed = true;
}

/* The token is paused no longer; its time goes on. */
static void
end_pause(OwMachine *machine)
{
	Control		control;

	read_control(machine->token, &control);
	control.pauses = add_pause(control.pauses, control.paused_at, ow_instant_format(machine->now));
	control.paused_at = control.paused_by = control.reason = NULL;
	write_control(machine->token, &control);
	machine->token->task_changed = true;
}

static bool
is_in_backoff(const OwToken *token)
{
	return token->phase == OW_PHASE_BACKOFF || token->phase == OW_PHASE_COMPENSATE_BACKOFF;
}

static bool
waits_for_circuit(const OwToken *token)
{
	return token->phase == OW_PHASE_CIRCUIT_OPEN || token->phase == OW_PHASE_COMPENSATE_CIRCUIT_OPEN;
}

static void
resume_token(OwMachine *machine, const OwInput *input)
{
	OwToken    *token = machine->token;
	TimestampTz paused_at;
	OwObject	object;

	if (!ow_token_paused_at(token, &paused_at))
		return;
	begin_event(machine, input, &object);
	ow_machine_record(machine, "ActivityTaskUnpaused", state_name(machine), ow_object_end(&object));
	ow_machine_not_idle(machine);
	end_pause(machine);
	if (is_in_backoff(token))
		ow_machine_next_attempt(machine);
	else if (waits_for_circuit(token))
		ow_machine_offer_again(token);
	else if (ow_token_is_queued(token))
		ow_machine_move_limits(token, machine->now - paused_at);
	else if (token->phase == OW_PHASE_CALLBACK)
		ow_machine_move_answer(token, machine->now - paused_at);
}

/* ---- reset ---- */

bool
ow_token_is_reset(const OwToken *token)
{
	return is_true(token->control, "reset");
}

bool
ow_token_forgets_heartbeat(const OwToken *token)
{
	return is_true(token->control, "reset_heartbeat");
}

/* What is counted, attempts and time, is counted anew from now on. */
static void
count_anew(OwMachine *machine)
{
	OwToken    *token = machine->token;
	Control		control;

	read_control(token, &control);
	control.pauses = NULL;
	control.reset = control.reset_heartbeat = false;
	write_control(token, &control);
	memset(token->retry_counts, 0, sizeof(token->retry_counts));
	token->attempt = 1;
	token->scheduled_at = machine->now;
}

/* The next attempt begins. */
void
ow_machine_count_attempt(OwMachine *machine)
{
	if (ow_token_is_reset(machine->token))
		count_anew(machine);
	else
		machine->token->attempt++;
}

static void
forget_heartbeat(OwToken *token)
{
	if (token->last_failure != NULL)
		token->last_failure = ow_json_without_member(token->last_failure, "HeartbeatDetails");
}

/* Is somebody at the attempt? */
static bool
is_under_way(const OwToken *token, const OwInput *input)
{
	JsonbValue	recorded;

	if (ow_json_member(input->request, "started", &recorded))
		return recorded.val.boolean;
	return token->phase == OW_PHASE_CALLBACK || (ow_token_is_queued(token) && token->lease != NULL && !token->lease->released);
}

/* The next attempt counts as the first, and what operators have asked of the task is forgotten. */
void
ow_token_count_anew(OwToken *token)
{
	Control		control = {.reset = true};

	write_control(token, &control);
}

/* The attempt after this one, or after the pause, counts as the first. */
static void
reset_later(OwToken *token, bool heartbeat)
{
	Control		control;

	read_control(token, &control);
	control.reset = true;
	control.reset_heartbeat |= heartbeat;
	write_control(token, &control);
}

/* Limits of a paused token are kept as of when it was paused: they move when it is resumed. */
static void
reset_now(OwMachine *machine)
{
	OwToken    *token = machine->token;
	TimestampTz clock;

	if (!ow_token_paused_at(token, &clock))
		clock = machine->now;
	if (ow_token_is_queued(token))
		ow_machine_restart_limits(token, clock, machine->now);
	count_anew(machine);
	token->task_changed = true;
}

static void
reset_token(OwMachine *machine, const OwInput *input)
{
	OwToken    *token = machine->token;
	bool		heartbeat = is_true(input->request, "reset_heartbeat");
	bool		keep_paused = is_true(input->request, "keep_paused");
	bool		started = is_under_way(token, input);
	OwInput		resume = *input;
	OwObject	object;

	begin_event(machine, input, &object);
	ow_object_add_bool(&object, "started", started);
	ow_object_add_bool(&object, "keep_paused", keep_paused);
	ow_object_add_bool(&object, "reset_heartbeat", heartbeat);
	ow_machine_record(machine, "ActivityTaskReset", state_name(machine), ow_object_end(&object));
	ow_machine_not_idle(machine);
	resume.reason = NULL;
	if (heartbeat)
		forget_heartbeat(token);
	if (started || is_in_backoff(token))
		reset_later(token, heartbeat);
	else
		reset_now(machine);
	if (ow_token_is_paused(token) && !keep_paused)
		resume_token(machine, &resume);
	else if (is_in_backoff(token) && !ow_token_is_paused(token))
		ow_machine_next_attempt(machine);
	else if (waits_for_circuit(token) && !ow_token_is_paused(token))
		ow_machine_offer_again(token);
}

/* ---- other options ---- */

/* The limits of a task that is in its queue, or waits for its answer, under the options as they are now */
static Jsonb *
limits_now(OwMachine *machine)
{
	const OwToken *token = machine->token;
	OwFailure	failure;
	OwTaskOptions options;

	if (token->phase == OW_PHASE_CALLBACK)
		return ow_machine_answer_limits(machine, &failure);
	if (ow_token_is_compensating(token))
		ow_machine_compensation_options(machine, ow_machine_compensation(machine, token), &options);
	else if (!ow_machine_attempt_options(machine, &options, &failure) ||
			 !ow_machine_task_fairness_key(machine, &options, &failure))
		return NULL;
	return ow_machine_queue_limits(machine, &options);
}

/* Options that would leave the task without limits that it needs are refused: another request came in between. */
static void
change_options(OwMachine *machine, const OwInput *input)
{
	OwToken    *token = machine->token;
	Jsonb	   *given = ow_json_get(input->request, "options");
	Jsonb	   *before = token->control;
	bool		limited = token->phase == OW_PHASE_CALLBACK || ow_token_is_queued(token);
	const Jsonb *limits = input->recorded_limits;
	Control		control;
	OwObject	object;

	read_control(token, &control);
	control.options = control.options ? ow_json_merged(control.options, given) : given;
	write_control(token, &control);
	if (limited && limits == NULL)
	{
		limits = limits_now(machine);
		if (limits == NULL)
		{
			token->control = before;
			return;
		}
	}
	begin_event(machine, input, &object);
	ow_object_add(&object, "options", given);
	ow_object_add(&object, "limits", limits);
	ow_machine_record(machine, "ActivityTaskOptionsUpdated", state_name(machine), ow_object_end(&object));
	if (token->phase == OW_PHASE_CALLBACK)
		ow_machine_change_answer(token, limits);
	else if (limited)
		ow_machine_change_limits(token, limits);
}

void
ow_machine_control(OwMachine *machine, const OwInput *input)
{
	if (!is_pending(machine, machine->token))
		return;
	switch (input->kind)
	{
		case OW_INPUT_PAUSE_ACTIVITY:
			pause_token(machine, input);
			break;
		case OW_INPUT_RESUME_ACTIVITY:
			resume_token(machine, input);
			break;
		case OW_INPUT_RESET_ACTIVITY:
			reset_token(machine, input);
			break;
		default:
			Assert(input->kind == OW_INPUT_ACTIVITY_OPTIONS);
			change_options(machine, input);
	}
}
