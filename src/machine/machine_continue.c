/*
 * machine_continue.c
 *		ContinueAsNew: closing a run and having another go on in its place, with what is still to be done; and trying a
 *		run that has failed again.
 *
 * The next run has the workflow id, another input, and a history of its own.  Signals that nobody has consumed, and
 * what may have to be undone, go along.  They come to it as messages do, so that its history has them.
 *
 * A run that is to be retried has failed, and undone what it did; the next has its input, and begins after the back-off.
 * What decided that is in the event of its close.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

static bool
next_input(OwMachine *machine, const OwState *state, Jsonb **input, OwFailure *failure)
{
	return ow_machine_input(machine, state, input, failure) && ow_machine_check_size(machine, state, *input, failure);
}

/* All that is recorded, in memory */
static void
load_compensations(OwMachine *machine)
{
	while (machine->run->unloaded_compensations > 0)
		machine->host->load_compensations(machine->host->arg);
}

/* The run closes; what its next run needs is in its outcome, its signals and its compensations. */
bool
ow_machine_continue_as_new(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	const OwHost *host = machine->host;
	OwRun	   *run = machine->run;
	OwOutcome  *outcome = &run->outcome;
	Jsonb	   *input;
	OwObject	object;

	if (run->sticky_status != OW_STATUS_RUNNING)
		return ow_fail(failure, OW_ERROR_RUNTIME, "a run that was canceled or has timed out cannot be continued as new");
	if (!next_input(machine, state, &input, failure))
		return false;
	load_compensations(machine);
	ow_machine_decide(machine, OW_STATUS_CONTINUED_AS_NEW, NULL, NULL, NULL);
	outcome->public_error = NULL;
	outcome->next_input = input;
	host->next_run(host->arg, run, state->inherits_version, &outcome->next_run_id, &outcome->next_version);
	ow_object_begin(&object);
	ow_object_add_text(&object, "new_run_id", ow_uuid_to_cstring(&outcome->next_run_id));
	ow_object_add_int(&object, "version", outcome->next_version);
	ow_object_add(&object, "input", input);
	ow_machine_record(machine, "WorkflowExecutionContinuedAsNew", NULL, ow_object_end(&object));
	return true;
}

/* A run that closes may be followed by another attempt. */
void
ow_machine_retry_run(OwMachine *machine, OwObject *attributes)
{
	const OwHost *host = machine->host;
	OwRun	   *run = machine->run;
	OwOutcome  *outcome = &run->outcome;
	OwFailure	failure = {.error = outcome->error ? outcome->error : "", .cause = outcome->cause, .non_retryable = outcome->non_retryable, .next_retry_delay_ms = OW_UNSET};
	OwRetryQuestion question = {.failure = &failure, .attempt = run->attempt, .now = machine->now};

	if ((outcome->status != OW_STATUS_FAILED && outcome->status != OW_STATUS_TIMED_OUT) || host->retry_run == NULL)
		return;
	question.random = ow_machine_random(machine);
	if (!host->retry_run(host->arg, run, &question, &outcome->retry))
		return;
	outcome->next_input = run->input;
	host->next_run(host->arg, run, true, &outcome->next_run_id, &outcome->next_version);
	ow_object_add_text(attributes, "new_run_id", ow_uuid_to_cstring(&outcome->next_run_id));
	ow_object_add_int(attributes, "version", outcome->next_version);
	ow_object_add_text(attributes, "retry_at", ow_instant_format(outcome->retry.at));
	ow_object_add_int(attributes, "retrier", outcome->retry.retrier);
}

/* ---- in the next run ---- */

static OwRecordedCompensation *
read_compensation(const OwMachine *machine, const JsonbValue *element)
{
	OwRecordedCompensation *compensation = palloc0(sizeof(OwRecordedCompensation));
	Jsonb	   *json = ow_json_from_value(unconstify(JsonbValue *, element));

	compensation->state = ow_json_get_string(json, "state");
	compensation->activity = ow_json_get_string(json, "activity");
	compensation->input = ow_json_get(json, "input");
	compensation->compensates = ow_json_get(json, "compensates");
	compensation->recorded_at = machine->now;
	compensation->closed_at = DT_NOEND;
	compensation->status = OW_COMPENSATION_RECORDED;
	compensation->dirty = true;
	return compensation;
}

/* What the run before has recorded, and not undone */
void
ow_machine_take_over(OwMachine *machine, const OwInput *input)
{
	OwRun	   *run = machine->run;
	JsonbValue	array;
	JsonbValue	element;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add(&object, "compensations", input->details);
	ow_machine_record(machine, "CompensationsCarriedOver", NULL, ow_object_end(&object));
	ow_json_as_value(input->details, &array);
	for (int i = 0; ow_json_value_element(&array, i, &element); i++)
	{
		OwRecordedCompensation *compensation = read_compensation(machine, &element);

		compensation->sequence = ++run->last_compensation;
		run->compensations = lappend(run->compensations, compensation);
	}
}

/* …as it is told of them */
Jsonb *
ow_machine_carried_compensations(const OwRun *run)
{
	List	   *carried = NIL;
	ListCell   *cell;

	foreach(cell, run->compensations)
	{
		const OwRecordedCompensation *compensation = lfirst(cell);
		OwObject	object;

		ow_object_begin(&object);
		ow_object_add_text(&object, "state", compensation->state);
		ow_object_add_text(&object, "activity", compensation->activity);
		ow_object_add(&object, "input", compensation->input);
		ow_object_add(&object, "compensates", compensation->compensates);
		carried = lappend(carried, ow_object_end(&object));
	}
	return ow_json_array(carried);
}
