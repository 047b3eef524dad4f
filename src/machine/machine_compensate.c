/*
 * machine_compensate.c
 *		Recording what undoes a task, and running it: last first, each with its own retry.
 *
 * There may be many, of which most runs never need one: those that have rows are loaded from the last
 * down, as far as one is looked for.
 *
 * A compensation that fails for good is marked Failed and the others still run; an operator can let
 * it try again later.  Compensating cannot be canceled.
 */
#include "postgres.h"

#include "machine/machine_internal.h"

/* "No Retry" of a compensation: Defaults.Retry, else ten attempts from 1 s, doubling, at most 60 s */
static char *all_errors[] = {OW_ERROR_ALL};
static OwRetrier default_retrier = {
	.nerrors = 1,
	.errors = all_errors,
	.interval_ms = 1000,
	.backoff_rate = 2.0,
	.max_delay_ms = 60000,
	.max_attempts = OW_UNSET,
	.maximum_attempts = 10
};

typedef bool (*CompensationTest) (const OwMachine *machine, const OwRecordedCompensation *compensation,
								  const void *arg);

/* The last one still to run that passes the test; those that have rows are looked at only if asked for. */
static OwRecordedCompensation *
find_last(const OwMachine *machine, CompensationTest passes, const void *arg, bool stored)
{
	OwRun	   *run = machine->run;
	int			rest = list_length(run->compensations);

	for (;;)
	{
		int			loaded = list_length(run->compensations);

		while (rest > 0)
		{
			OwRecordedCompensation *compensation = list_nth(run->compensations, --rest);

			if (passes(machine, compensation, arg))
				return compensation;
		}
		if (!stored || run->unloaded_compensations == 0)
			return NULL;
		machine->host->load_compensations(machine->host->arg);
		rest = list_length(run->compensations) - loaded;
	}
}

/* What a branch has done since its transaction began has no rows yet. */
static bool
may_have_stored(const OwMachine *machine)
{
	const OwBranch *branch = machine->branch;

	return branch == NULL || branch->stored || (branch->failure != NULL && !branch->tolerated);
}

static bool
has_sequence(const OwMachine *machine, const OwRecordedCompensation *compensation, const void *sequence)
{
	return compensation->sequence == *(const int *) sequence;
}

/* The one that the token is at */
OwRecordedCompensation *
ow_machine_compensation(const OwMachine *machine, const OwToken *token)
{
	OwRecordedCompensation *compensation = find_last(machine, has_sequence, &token->compensation, true);

	if (compensation == NULL)
		elog(ERROR, "compensation %d of run %s is missing", token->compensation,
			 ow_uuid_to_cstring(&machine->run->run_id));
	return compensation;
}

static OwRecordedCompensation *
running_compensation(const OwMachine *machine)
{
	return ow_machine_compensation(machine, machine->token);
}

static bool
has_key(const OwMachine *machine, const OwRecordedCompensation *compensation, const void *key)
{
	char	   *its_key = ow_json_get_string(compensation->compensates, "idempotency_key");

	return its_key != NULL && strcmp(its_key, key) == 0;
}

/* The recorded-when-scheduled compensation of the task that is running now */
static OwRecordedCompensation *
scheduled_compensation(OwMachine *machine, const OwState *state)
{
	return find_last(machine, has_key, ow_machine_idempotency_key(machine, state), may_have_stored(machine));
}

/* It is over, whatever became of it. */
static void
end_compensation(OwMachine *machine, OwRecordedCompensation *compensation, OwCompensationStatus status)
{
	OwRun	   *run = machine->run;
	int			place = list_length(run->compensations) - 1;

	while (list_nth(run->compensations, place) != compensation)
		place--;
	run->compensations = list_delete_nth_cell(run->compensations, place);
	run->ended_compensations = lappend(run->ended_compensations, compensation);
	compensation->status = status;
	compensation->dirty = true;
}

static int
compare_sequences(const ListCell *a, const ListCell *b)
{
	return ((const OwRecordedCompensation *) lfirst(a))->sequence -
		((const OwRecordedCompensation *) lfirst(b))->sequence;
}

/* Those that failed are to run again; the shell has loaded all of them. */
void
ow_machine_recall_failed(OwMachine *machine)
{
	OwRun	   *run = machine->run;
	ListCell   *cell;

	Assert(run->unloaded_compensations == 0);
	foreach(cell, run->ended_compensations)
	{
		OwRecordedCompensation *compensation = lfirst(cell);

		if (compensation->status != OW_COMPENSATION_FAILED)
			continue;
		compensation->status = OW_COMPENSATION_RECORDED;
		compensation->closed_at = DT_NOEND;
		compensation->dirty = true;
		run->ended_compensations = foreach_delete_current(run->ended_compensations, cell);
		run->compensations = lappend(run->compensations, compensation);
	}
	list_sort(run->compensations, compare_sequences);
}

/* What the compensating activity is told of the forward call */
static Jsonb *
forward_call(OwMachine *machine, const OwState *state, Jsonb *result)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "state", state->name);
	ow_object_add(&object, "input", machine->task_input);
	ow_object_add(&object, "result", result);
	ow_object_add_text(&object, "idempotency_key", ow_machine_idempotency_key(machine, state));
	return ow_object_end(&object);
}

/* The compensation's input, evaluated now: over the output (Completed) or the raw input (Scheduled) */
static bool
compensation_input(OwMachine *machine, const OwState *state, Jsonb *output, Jsonb *result, Jsonb **input,
				   OwFailure *failure)
{
	OwScope		scope;

	if (state->sql != NULL)
		return ow_machine_sql_compensation(machine, state, result, input, failure);
	*input = machine->task_input;
	if (state->compensation->parameters == NULL)
		return true;
	machine->task_result = result;
	ow_machine_scope(machine, output ? output : machine->token->data, OW_EVALUATE_COMPENSATION, &scope);
	*input = ow_template_evaluate(state->compensation->parameters, &scope, failure);
	machine->task_result = NULL;
	return *input != NULL;
}

/*
 * Records the compensation of the current task: when it completed (output and result given), or
 * before its first attempt (both NULL), whose result is filled in on completion.
 */
bool
ow_machine_record_compensation(OwMachine *machine, const OwState *state, Jsonb *output, Jsonb *result,
							   OwFailure *failure)
{
	OwRun	   *run = machine->run;
	OwRecordedCompensation *compensation;
	Jsonb	   *input;

	if (machine->task_input == NULL && !ow_machine_input(machine, state, &machine->task_input, failure))
		return false;
	if (state->compensation->when_scheduled && result != NULL)
	{
		compensation = scheduled_compensation(machine, state);
		if (compensation != NULL)
		{
			compensation->compensates = forward_call(machine, state, result);
			compensation->dirty = true;
		}
		return true;
	}
	if (!compensation_input(machine, state, output, result, &input, failure))
		return false;
	compensation = palloc0(sizeof(OwRecordedCompensation));
	compensation->sequence = ++run->last_compensation;
	compensation->branch = machine->branch ? machine->branch->path : NULL;
	compensation->state = state->name;
	compensation->activity = state->compensation->resource;
	compensation->input = input;
	compensation->compensates = forward_call(machine, state, result);
	compensation->status = OW_COMPENSATION_RECORDED;
	compensation->recorded_at = machine->now;
	compensation->closed_at = DT_NOEND;
	compensation->dirty = true;
	run->compensations = lappend(run->compensations, compensation);
	return true;
}

/* The task failed for good and so nothing happened that would have to be undone. */
void
ow_machine_drop_scheduled_compensation(OwMachine *machine, const OwState *state)
{
	OwRecordedCompensation *compensation = scheduled_compensation(machine, state);

	if (compensation != NULL)
		end_compensation(machine, compensation, OW_COMPENSATION_DROPPED);
}

/* Also for each further attempt; the input is kept with the first only.  One that counts as the first again is marked. */
void
ow_machine_record_compensation_scheduled(OwMachine *machine, bool again)
{
	const OwRecordedCompensation *compensation = running_compensation(machine);
	const OwToken *token = machine->token;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "activity", compensation->activity);
	ow_object_add_int(&object, "attempt", token->attempt);
	ow_object_add_int(&object, "compensation", compensation->sequence);
	if (token->attempt == 1 && !again)
		ow_object_add(&object, "input", compensation->input);
	if (again && token->attempt == 1)
		ow_object_add_bool(&object, "reset", true);
	ow_machine_record(machine, "ActivityTaskScheduled", compensation->state, ow_object_end(&object));
}

static bool
is_to_run_now(const OwMachine *machine, const OwRecordedCompensation *compensation, const void *ignored)
{
	return ow_machine_undoes(machine, compensation);
}

/* Schedules the last compensation still recorded, of those to run now; false when there is none. */
bool
ow_machine_compensate_next(OwMachine *machine)
{
	OwToken    *token = machine->token;
	const OwRecordedCompensation *next = find_last(machine, is_to_run_now, NULL, may_have_stored(machine));

	if (next == NULL)
	{
		token->compensation = 0;
		return false;
	}
	memset(token->retry_counts, 0, sizeof(token->retry_counts));
	token->control = NULL;
	token->compensation = next->sequence;
	token->phase = OW_PHASE_COMPENSATE;
	token->attempt = 1;
	token->scheduled_at = machine->now;
	token->last_failure = NULL;
	token->due_at = DT_NOEND;
	ow_machine_record_compensation_scheduled(machine, false);
	return true;
}

/* Compensate's options > Defaults > the activity's > ten attempts */
static void
find_options(const OwMachine *machine, const OwRecordedCompensation *compensation,
			 const OwActivity *activity, OwTaskOptions *options)
{
	int			index = ow_definition_find_state(machine->definition, compensation->state);
	const OwState *state = index == OW_NO_STATE ? NULL : &machine->definition->states[index];
	OwTaskOptions none;

	ow_task_options_init(&none);
	ow_machine_options(machine, state && state->compensation ? &state->compensation->options : &none, activity, options);
	if (!options->has_retry)
	{
		options->has_retry = true;
		options->nretriers = 1;
		options->retriers = &default_retrier;
	}
}

/* What undoes something must not fail for the lack of a key. */
static void
find_fairness_key(OwMachine *machine, const OwRecordedCompensation *compensation, OwTaskOptions *options)
{
	OwFailure	failure;

	if (!ow_machine_fairness_key(machine, options, compensation->input, "", &failure))
		options->fairness_key = NULL;
}

void
ow_machine_compensation_options(OwMachine *machine, const OwRecordedCompensation *compensation, OwTaskOptions *options)
{
	find_options(machine, compensation,
				 machine->host->find_activity(machine->host->arg, machine->run, compensation->activity), options);
	find_fairness_key(machine, compensation, options);
}

/*
 * On to the next compensation, or out of the Compensate state or the failed branch; a decided run closes
 * in advance().
 */
static void
compensation_done(OwMachine *machine, OwCompensationStatus status, Jsonb *failure)
{
	OwRecordedCompensation *compensation = running_compensation(machine);
	OwToken    *token = machine->token;

	token->control = NULL;
	compensation->attempts = token->attempt;
	compensation->failure = failure;
	compensation->closed_at = machine->now;
	end_compensation(machine, compensation, status);
	if (ow_machine_compensate_next(machine))
		return;
	token->attempt = 0;
	token->last_failure = NULL;
	token->phase = OW_PHASE_ENTER;
	if (machine->branch != NULL && machine->branch->failure != NULL)
		ow_machine_branch_undone(machine);
	else if (!machine->run->outcome.decided)
		ow_machine_leave(machine, token->data);
}

/* An attempt of it is not made, as its activity's circuit is open: it waits, unless it has no time. */
static void
compensation_rejected(OwMachine *machine, const OwTaskOptions *options, const OwRejection *rejection)
{
	if (ow_machine_wait_for_circuit(machine, options, rejection))
		return;
	machine->token->attempt--;
	compensation_done(machine, OW_COMPENSATION_FAILED, ow_failure_json(&rejection->failure));
}

bool
ow_machine_offer_compensation(OwMachine *machine)
{
	OwRecordedCompensation *compensation = running_compensation(machine);
	const OwActivity *activity = machine->host->find_activity(machine->host->arg, machine->run, compensation->activity);
	OwTaskOptions options;
	OwRejection rejection;
	char	   *forward_key;

	if (activity == NULL || activity->quarantined || activity->missing)
	{
		ow_machine_stick_unrunnable(machine, compensation->activity, activity);
		return false;
	}
	find_options(machine, compensation, activity, &options);
	if (!ow_machine_may_attempt(machine, activity, &rejection))
	{
		compensation_rejected(machine, &options, &rejection);
		return false;
	}
	ow_machine_call(machine, activity, &options);
	forward_key = ow_json_get_string(compensation->compensates, "idempotency_key");
	machine->call.state = compensation->state;
	machine->call.input = compensation->input;
	machine->call.compensates = compensation->compensates;
	machine->call.compensation = compensation->sequence;
	machine->call.idempotency_key = psprintf("%s:compensate", forward_key ? forward_key : "");
	if (activity->kind != OW_ACTIVITY_QUEUE)
		return true;
	find_fairness_key(machine, compensation, &options);
	ow_machine_queue(machine, compensation->activity, &options);
	return false;
}

const OwRecordedCompensation *
ow_machine_running_compensation(const OwMachine *machine)
{
	return ow_token_is_compensating(machine->token) ? running_compensation(machine) : NULL;
}

/* Of an attempt that has ended: what was offered, unless that was done outside, and perhaps long ago */
static const OwActivity *
attempted_activity(const OwMachine *machine, const OwRecordedCompensation *compensation)
{
	if (machine->host->attempt_ended == NULL || machine->token->phase == OW_PHASE_COMPENSATE)
		return machine->call.activity;
	return machine->host->find_activity(machine->host->arg, machine->run, compensation->activity);
}

void
ow_machine_compensation_completed(OwMachine *machine, const OwInput *input)
{
	const OwRecordedCompensation *compensation = running_compensation(machine);
	const OwToken *token = machine->token;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "attempt", token->attempt);
	ow_object_add_int(&object, "compensation", token->compensation);
	ow_object_add(&object, "result", input->result);
	ow_object_add_text(&object, "function_hash", input->function_hash);
	ow_object_add(&object, "span_attributes", input->span_attributes);
	ow_machine_dequeue(machine);
	ow_machine_record_ended(machine, "ActivityTaskCompleted", compensation->state, &object);
	ow_machine_attempt_ended(machine, attempted_activity(machine, compensation), NULL);
	compensation_done(machine, OW_COMPENSATION_COMPLETED, NULL);
}

void
ow_machine_compensation_failed(OwMachine *machine, const OwInput *input)
{
	OwRecordedCompensation *compensation = running_compensation(machine);
	OwTaskOptions options;

	ow_machine_attempt_ended(machine, attempted_activity(machine, compensation), input->failure);
	ow_machine_dequeue(machine);
	ow_machine_compensation_options(machine, compensation, &options);
	compensation->attempts = machine->token->attempt;
	compensation->failure = ow_failure_json(input->failure);
	compensation->dirty = true;
	if (!ow_machine_try_again(machine, input, &options, compensation->state, OW_PHASE_COMPENSATE_BACKOFF))
		compensation_done(machine, OW_COMPENSATION_FAILED, compensation->failure);
}
