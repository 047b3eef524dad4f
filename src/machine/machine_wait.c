/*
 * machine_wait.c
 *		States that wait: Wait, for a moment; Await, for signals, updates and moments.
 *
 * Signals are kept in the order in which they came, by run->signals, until an Await state consumes them.  A token
 * that awaits keeps (updates that no handler completes are as signals here)
 *
 *		{"due": {"1": "2030-01-31T12:00:00Z"},	when what is awaited second comes, a moment
 *		 "seen": 17,				the event of the last signal that was looked at
 *		 "done": {"0": true},		All: what has come
 *		 "results": {…}}			All, in SQL: the payloads, by signal
 *
 * What came first counts, not what is noticed first: a signal that was sent after a timer was due leaves that timer
 * its turn.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

/* ---- moments ---- */

static bool
read_scalar(OwMachine *machine, const OwPath *path, Jsonb *input, JsonbValue *value, OwFailure *failure)
{
	OwScope		scope;
	const char *missing;

	ow_machine_scope(machine, input, OW_EVALUATE_INPUT, &scope);
	if (!ow_path_get(path, &scope, value, &missing))
		return ow_fail(failure, OW_ERROR_RUNTIME, "%s", missing);
	return true;
}

/* The moment, by whichever of its four forms it has */
static bool
find_moment(OwMachine *machine, const OwMoment *moment, Jsonb *input, TimestampTz *at, OwFailure *failure)
{
	const char *state = ow_machine_state(machine)->name;
	JsonbValue	value;
	int64		seconds;

	if (moment->sql_seconds != NULL || moment->sql_timestamp != NULL)
		return ow_machine_evaluate_time(machine, moment, at, failure);
	if (moment->has_timestamp)
		*at = moment->timestamp;
	else if (moment->ms != OW_UNSET)
		*at = ow_instant_add_ms(machine->now, moment->ms);
	else if (moment->seconds_path != NULL)
	{
		if (!read_scalar(machine, moment->seconds_path, input, &value, failure))
			return false;
		if (!ow_json_value_int64(&value, &seconds) || seconds < 0 || seconds > PG_INT32_MAX)
			return ow_fail(failure, OW_ERROR_RUNTIME, "%s of state \"%s\" is not a whole number of seconds from 0 to %d",
						   moment->field, state, PG_INT32_MAX);
		*at = ow_instant_add_ms(machine->now, seconds * 1000);
	}
	else
	{
		if (!read_scalar(machine, moment->timestamp_path, input, &value, failure))
			return false;
		if (value.type != jbvString || !ow_instant_parse(ow_json_value_cstring(&value), at))
			return ow_fail(failure, OW_ERROR_RUNTIME, "%s of state \"%s\" is not an RFC 3339 timestamp", moment->field,
						   state);
	}
	return true;
}

/* ---- Wait ---- */

bool
ow_machine_enter_wait(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	OwToken    *token = machine->token;
	Jsonb	   *input;
	TimestampTz until;
	OwObject	object;

	if (!ow_machine_input(machine, state, &input, failure) ||
		!find_moment(machine, &state->wait, input, &until, failure))
		return false;
	if (until <= machine->now)
	{
		ow_machine_leave(machine, NULL);
		return true;
	}
	ow_object_begin(&object);
	ow_object_add_text(&object, "fire_at", ow_instant_format(until));
	ow_machine_record(machine, "TimerStarted", state->name, ow_object_end(&object));
	token->phase = OW_PHASE_WAIT;
	token->due_at = until;
	return true;
}


/* ---- what an Await keeps ---- */

static void
keep(OwToken *token, const char *name, const Jsonb *value)
{
	token->kept = ow_json_with_member(token->kept, name, value);
}

/* NULL: it keeps no such thing. */
static const Jsonb *
kept(const OwToken *token, const char *name)
{
	return token->kept == NULL ? NULL : ow_json_get(token->kept, name);
}

/* Sets a member of an object that is kept, under the index of what is awaited. */
static void
keep_of(OwToken *token, const char *name, int index, const Jsonb *value)
{
	keep(token, name, ow_json_with_member(kept(token, name), psprintf("%d", index), value));
}

static const Jsonb *
kept_of(const OwToken *token, const char *name, int index)
{
	const Jsonb *object = kept(token, name);

	return object == NULL ? NULL : ow_json_get(object, psprintf("%d", index));
}

/* When the timer of what is awaited fires; DT_NOEND: it has none, or none any more */
static TimestampTz
timer_due(const OwToken *token, int index)
{
	const Jsonb *due = kept_of(token, "due", index);
	TimestampTz at = DT_NOEND;
	JsonbValue	value;

	if (due == NULL)
		return at;
	ow_json_as_value(due, &value);
	if (value.type == jbvString && !ow_instant_parse(ow_json_value_cstring(&value), &at))
		elog(ERROR, "malformed timers of an Await state");
	return at;
}

/* Of the timers that run, when the first one fires, and which it is: OW_UNSET when none runs */
static TimestampTz
first_due(const OwToken *token, const OwState *state, int *index)
{
	TimestampTz first = DT_NOEND;

	*index = OW_UNSET;
	for (int i = 0; i < state->nawaited; i++)
	{
		TimestampTz due = state->awaited[i].signal ? DT_NOEND : timer_due(token, i);

		if (due < first)
		{
			first = due;
			*index = i;
		}
	}
	return first;
}

/* The event of the last signal that was looked at; 0: none was */
static int
seen_signal(const OwToken *token)
{
	JsonbValue	value;
	int64		seen;

	return token->kept != NULL && ow_json_member(token->kept, "seen", &value) && ow_json_value_int64(&value, &seen) ?
		(int) seen : 0;
}

static bool
is_done(const OwToken *token, int index)
{
	return kept_of(token, "done", index) != NULL;
}

/* ---- timers ---- */

static void
record_timer(OwMachine *machine, const char *type, int index, TimestampTz fire_at)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "index", index);
	if (fire_at != DT_NOEND)
		ow_object_add_text(&object, "fire_at", ow_instant_format(fire_at));
	ow_machine_record(machine, type, ow_machine_state(machine)->name, ow_object_end(&object));
}

static bool
start_timers(OwMachine *machine, const OwState *state, Jsonb *input, OwFailure *failure)
{
	for (int i = 0; i < state->nawaited; i++)
	{
		TimestampTz at;

		if (state->awaited[i].signal != NULL)
			continue;
		if (!find_moment(machine, &state->awaited[i].moment, input, &at, failure))
			return false;
		keep_of(machine->token, "due", i, ow_json_text(ow_instant_format(at)));
		record_timer(machine, "TimerStarted", i, at);
	}
	return true;
}

/* The token waits no longer: its timers will not fire. */
void
ow_machine_cancel_timers(OwMachine *machine)
{
	const OwState *state = ow_machine_state(machine);
	OwToken    *token = machine->token;

	if (token->phase == OW_PHASE_WAIT)
		ow_machine_record(machine, "TimerCanceled", state->name, NULL);
	for (int i = 0; token->phase == OW_PHASE_AWAIT && i < state->nawaited; i++)
	{
		if (state->awaited[i].signal == NULL && timer_due(token, i) != DT_NOEND)
			record_timer(machine, "TimerCanceled", i, DT_NOEND);
	}
}

/* ---- what comes ---- */

/*
 * Does the signal fulfil the condition?  One that cannot be evaluated over this payload does not match: it is no
 * fault of the run that somebody sent it something odd.
 */
static bool
fulfils(OwMachine *machine, const OwAwaited *awaited, const OwBufferedSignal *signal, bool *matches, OwFailure *failure)
{
	OwScope		scope;
	OwFailure	ignored;

	*matches = true;
	if (awaited->sql_condition != NULL)
		return ow_machine_evaluate_condition(machine, awaited->sql_condition, signal->payload, matches, failure);
	if (awaited->condition == NULL)
		return true;
	ow_machine_scope(machine, signal->payload, OW_EVALUATE_RESULT, &scope);
	*matches = ow_choice_evaluate(awaited->condition, &scope, matches, &ignored) && *matches;
	return true;
}

/* Which of what is awaited the signal is; OW_UNSET: none */
static bool
find_awaited(OwMachine *machine, const OwState *state, const OwBufferedSignal *signal, int *found, OwFailure *failure)
{
	*found = OW_UNSET;
	for (int i = 0; i < state->nawaited; i++)
	{
		const OwAwaited *awaited = &state->awaited[i];
		bool		matches;

		if (awaited->signal == NULL || awaited->is_update != (signal->update_id != NULL) ||
			strcmp(awaited->signal, signal->name) != 0 || is_done(machine->token, i))
			continue;
		if (!fulfils(machine, awaited, signal, &matches, failure))
			return false;
		if (matches)
		{
			*found = i;
			return true;
		}
	}
	return true;
}

/* What the state puts out once this has come, with its payload (NULL: a moment); its Assign is evaluated. */
static bool
evaluate_output(OwMachine *machine, const OwState *state, const OwAwaited *awaited, Jsonb *payload, Jsonb **output,
				OwFailure *failure)
{
	Jsonb	   *input;

	if (state->sql != NULL)
		return ow_machine_sql_awaited(machine, awaited, payload, output, failure);
	if (!ow_machine_input(machine, state, &input, failure) ||
		!ow_machine_assign(machine, awaited->assign, payload ? payload : input, OW_EVALUATE_ASSIGN, failure))
		return false;
	if (payload == NULL || awaited->result_path == NULL)
		*output = input;
	else
		*output = ow_path_set(awaited->result_path, machine->token->data, payload, failure);
	return *output != NULL;
}

/* The same; whoever sent an update has its result now. */
static bool
awaited_output(OwMachine *machine, const OwState *state, const OwAwaited *awaited, OwBufferedSignal *signal,
			   Jsonb **output, OwFailure *failure)
{
	return evaluate_output(machine, state, awaited, signal ? signal->payload : NULL, output, failure) &&
		(!awaited->is_update || ow_machine_answer_update(machine, awaited, signal, failure));
}

/* Any: leaves the state by the branch of what has come. */
static bool
take_branch(OwMachine *machine, const OwState *state, const OwAwaited *awaited, OwBufferedSignal *signal,
			OwFailure *failure)
{
	Jsonb	   *output;

	if (!awaited_output(machine, state, awaited, signal, &output, failure) ||
		!ow_machine_apply_output_path(machine, state, output, &output, failure) ||
		!ow_machine_search(machine, state, output, signal ? signal->payload : NULL, failure))
		return false;
	ow_machine_cancel_timers(machine);
	return ow_machine_leave_to(machine, state, awaited->next, output, failure);
}

static bool
all_done(const OwToken *token, const OwState *state)
{
	for (int i = 0; i < state->nawaited; i++)
	{
		if (!is_done(token, i))
			return false;
	}
	return true;
}

/* All have come.  What each of them assigned has been kept. */
static bool
leave_all(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	OwToken    *token = machine->token;
	const Jsonb *kept_results = kept(token, "results");
	Jsonb	   *results = NULL;
	Jsonb	   *output;

	if (state->sql != NULL)
		results = kept_results ? ow_json_copy(kept_results) : ow_json_empty_object();
	if (!(state->sql ? ow_machine_sql_output(machine, state, results, &output, failure) :
		  ow_machine_pass_on(machine, state, &output, failure)) ||
		!ow_machine_search(machine, state, output, results, failure))
		return false;
	ow_machine_leave(machine, output);
	return true;
}

/* All: notes what has come, and leaves the state when nothing is left to be awaited. */
static bool
note_arrival(OwMachine *machine, const OwState *state, int index, OwBufferedSignal *signal, OwFailure *failure)
{
	const OwAwaited *awaited = &state->awaited[index];
	Jsonb	   *payload = signal ? signal->payload : NULL;
	OwToken    *token = machine->token;
	Jsonb	   *output;

	if (!awaited_output(machine, state, awaited, signal, &output, failure))
		return false;
	ow_machine_keep_assigned(machine);
	keep_of(token, "done", index, ow_json_bool(true));
	if (payload != NULL && state->sql != NULL)
		keep(token, "results", ow_json_with_member(kept(token, "results"), awaited->signal, payload));
	else if (payload != NULL && awaited->result_path != NULL)
		token->data = output;
	return !all_done(token, state) || leave_all(machine, state, failure);
}

/* Something awaited has come: a signal or update, or a moment (NULL). */
static void
arrive(OwMachine *machine, const OwState *state, int index, OwBufferedSignal *signal)
{
	OwFailure	failure;

	if (state->await_all ? note_arrival(machine, state, index, signal, &failure) :
		take_branch(machine, state, &state->awaited[index], signal, &failure))
		return;
	if (signal != NULL)
		ow_machine_fail_update(machine, signal, &failure);
	ow_machine_fail(machine, &failure);
}

static void
fire_timer(OwMachine *machine, const OwState *state, int index)
{
	record_timer(machine, "TimerFired", index, DT_NOEND);
	keep_of(machine->token, "due", index, ow_json_null());
	arrive(machine, state, index, NULL);
}

static void
record_consumed(OwMachine *machine, const OwState *state, int index, const OwBufferedSignal *signal)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "signal", signal->name);
	ow_object_add_int(&object, "signal_event_id", signal->event_id);
	ow_object_add_int(&object, "index", index);
	ow_machine_record(machine, "SignalConsumed", state->name, ow_object_end(&object));
}

/* Of an update its answer will tell. */
static void
consume_signal(OwMachine *machine, const OwState *state, int index, OwBufferedSignal *signal)
{
	OwRun	   *run = machine->run;

	signal->answered = false;
	if (signal->update_id == NULL)
		record_consumed(machine, state, index, signal);
	run->signals = list_delete_ptr(run->signals, signal);
	if (signal->stored)
		run->consumed_signals = lappend_int(run->consumed_signals, signal->event_id);
	ow_machine_not_idle(machine);
	arrive(machine, state, index, signal);
}

/* The first signal that the token has not looked at; NULL */
static OwBufferedSignal *
unseen_signal(const OwRun *run, const OwToken *token)
{
	int			seen = run->signals == NIL ? 0 : seen_signal(token);
	ListCell   *cell;

	foreach(cell, run->signals)
	{
		OwBufferedSignal *signal = lfirst(cell);

		if (signal->event_id > seen)
			return signal;
	}
	return NULL;
}

bool
ow_machine_has_unseen_signal(const OwRun *run, const OwToken *token)
{
	return unseen_signal(run, token) != NULL;
}

static void
look_at_signal(OwMachine *machine, const OwState *state, OwBufferedSignal *signal)
{
	OwFailure	failure;
	int			index;

	keep(machine->token, "seen", ow_json_int(signal->event_id));
	if (!find_awaited(machine, state, signal, &index, &failure))
		ow_machine_fail(machine, &failure);
	else if (index != OW_UNSET)
		consume_signal(machine, state, index, signal);
}

/* Does the token still await, after all, in the visit to the state that this began in? */
static bool
still_awaits(const OwMachine *machine, const OwToken *token)
{
	return machine->token == token && token->phase == OW_PHASE_AWAIT && machine->run->status == OW_STATUS_RUNNING &&
		!machine->run->outcome.decided;
}

/* Takes what has come, in the order in which it did. */
void
ow_machine_await(OwMachine *machine)
{
	const OwState *state = ow_machine_state(machine);
	OwToken    *token = machine->token;

	while (still_awaits(machine, token))
	{
		OwBufferedSignal *signal = unseen_signal(machine->run, token);
		int			timer;
		TimestampTz due = first_due(token, state, &timer);

		token->due_at = due;
		if (due <= machine->now && (signal == NULL || due <= signal->sent_at))
			fire_timer(machine, state, timer);
		else if (signal != NULL)
			look_at_signal(machine, state, signal);
		else
			break;
	}
}

bool
ow_machine_enter_await(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	Jsonb	   *input;

	if (!ow_machine_input(machine, state, &input, failure) || !start_timers(machine, state, input, failure))
		return false;
	machine->token->phase = OW_PHASE_AWAIT;
	ow_machine_await(machine);
	return true;
}

/* A signal has come for the run; whoever awaits it finds it. */
void
ow_machine_signal(OwMachine *machine, const OwInput *input)
{
	OwRun	   *run = machine->run;
	OwBufferedSignal *signal = palloc0(sizeof(OwBufferedSignal));
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "signal", input->signal);
	ow_object_add(&object, "payload", input->details);
	ow_object_add_text(&object, "sent_at", ow_instant_format(input->sent_at));
	ow_object_add_text(&object, "request_id", input->request_id);
	ow_object_add_text(&object, "requested_by", input->requested_by);
	*signal = (OwBufferedSignal) {
		.event_id = run->next_event_id,
			.name = pstrdup(input->signal),
			.payload = input->details ? input->details : ow_json_null(),
			.sent_at = input->sent_at,
			.sent_by = input->requested_by ? pstrdup(input->requested_by) : NULL
	};
	ow_machine_record(machine, "WorkflowExecutionSignaled", NULL, ow_object_end(&object));
	run->signals = lappend(run->signals, signal);
	run->signal_requests |= input->request_id != NULL;
}

/* Does the other state await the same, so that a token can go on there? */
bool
ow_machine_awaits_alike(const OwState *state, const OwState *other)
{
	if (state->await_all != other->await_all || state->nawaited != other->nawaited)
		return false;
	for (int i = 0; i < state->nawaited; i++)
	{
		const char *signal = state->awaited[i].signal;
		const char *wanted = other->awaited[i].signal;

		if ((signal == NULL) != (wanted == NULL) || (signal != NULL && strcmp(signal, wanted) != 0) ||
			state->awaited[i].is_update != other->awaited[i].is_update)
			return false;
	}
	return true;
}
