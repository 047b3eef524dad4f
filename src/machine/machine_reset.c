/*
 * machine_reset.c
 *		The beginning of a run that comes of a reset: it stands where another one stood, and goes on by itself.
 *
 * Timers stay due when they were.  Attempts that nobody has answered for are the other run's: each is made anew, as
 * if its back-off were over, with a task token of its own and its limits from now on.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

static void
record_reset(OwMachine *machine, const OwInput *input)
{
	const OwRun *run = machine->run;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "base_run_id", ow_uuid_to_cstring(&run->run_id));
	ow_object_add_text(&object, "new_run_id", ow_uuid_to_cstring(input->new_run_id));
	ow_object_add_int(&object, "event_id", run->next_event_id - 1);
	ow_object_add_text(&object, "reason", input->reason);
	ow_object_add_text(&object, "requested_by", input->requested_by);
	if (input->deadline != DT_NOEND)
		ow_object_add_text(&object, "deadline", ow_instant_format(input->deadline));
	ow_machine_record(machine, "WorkflowExecutionReset", NULL, ow_object_end(&object));
}

/* The token of an attempt that is scheduled goes back to before that; false: it is at none. */
static bool
take_attempt_back(OwMachine *machine, OwToken *token)
{
	switch (token->phase)
	{
		case OW_PHASE_ACTIVITY:
		case OW_PHASE_CIRCUIT_OPEN:
		case OW_PHASE_CALLBACK:
		case OW_PHASE_QUEUED:
		case OW_PHASE_REQUEST:
			if (machine->definition->states[token->state].sql == NULL)
				token->kept = NULL;
			token->phase = OW_PHASE_BACKOFF;
			return true;
		case OW_PHASE_COMPENSATE:
		case OW_PHASE_COMPENSATE_CIRCUIT_OPEN:
		case OW_PHASE_COMPENSATE_QUEUED:
			token->kept = NULL;
			token->phase = OW_PHASE_COMPENSATE_BACKOFF;
			return true;
		default:
			return false;
	}
}

static void
begin_anew(OwMachine *machine, OwToken *token)
{
	if (take_attempt_back(machine, token))
	{
		ow_token_count_anew(token);
		token->due_at = machine->now;
	}
	else if (ow_token_is_paused(token))
	{
		token->control = NULL;
		token->due_at = machine->now;
	}
	token->has_task_token = false;
	token->lease = NULL;
}

void
ow_machine_reset(OwMachine *machine, const OwInput *input)
{
	OwRun	   *run = machine->run;
	ListCell   *cell;

	if (input->new_run_id == NULL)
		elog(ERROR, "a reset has no run");
	ow_machine_select(machine, NULL);
	record_reset(machine, input);
	run->run_id = *input->new_run_id;
	run->started_at = machine->now;
	run->deadline = input->deadline;
	run->status = OW_STATUS_RUNNING;
	run->stuck = NULL;
	run->paused = NULL;
	run->queued = NIL;
	run->requests = NIL;
	run->closed_children = NIL;
	begin_anew(machine, &run->token);
	foreach(cell, run->branches)
	{
		OwBranch   *branch = lfirst(cell);

		branch->dirty = true;
		begin_anew(machine, &branch->token);
	}
	machine->task_input = NULL;
}
