/*
 * machine_pause.c
 *		Holding a whole run, and letting it go on.
 *
 * While a run is paused no token of it moves: no state is entered, no attempt begins, no compensation runs, and what
 * has been decided is not carried out.  What comes is taken in all the same, so that nothing is lost: an attempt that
 * was under way ends with its outcome, signals are buffered, a cancel is noted.  Time goes on, and what fell due is
 * done when the run is resumed.  Only a terminate does not wait for that.
 *
 * A run may be stuck and paused: its status is Stuck then, and Paused once it has been retried.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

OwStatus
ow_machine_open_status(const OwRun *run)
{
	return run->paused != NULL ? OW_STATUS_PAUSED : OW_STATUS_RUNNING;
}

/* Tasks that nobody has taken are kept from workers, or handed out again. */
static void
change_task(OwToken *token)
{
	token->task_changed |= ow_token_is_queued(token);
}

static void
change_tasks(OwRun *run)
{
	ListCell   *cell;

	change_task(&run->token);
	foreach(cell, run->branches)
		change_task(&((OwBranch *) lfirst(cell))->token);
	if (run->status != OW_STATUS_STUCK)
		run->status = ow_machine_open_status(run);
}

/* Holds the run; one that is paused already stays as it was. */
void
ow_machine_pause(OwMachine *machine, const OwInput *input)
{
	OwRun	   *run = machine->run;
	OwObject	object;

	if (run->paused != NULL)
		return;
	ow_object_begin(&object);
	ow_object_add_text(&object, "reason", input->reason);
	ow_object_add_text(&object, "requested_by", input->requested_by);
	ow_machine_record(machine, "WorkflowExecutionPaused", NULL, ow_object_end(&object));
	ow_object_begin(&object);
	ow_object_add_text(&object, "paused_at", ow_instant_format(machine->now));
	ow_object_add_text(&object, "paused_by", input->requested_by);
	ow_object_add_text(&object, "reason", input->reason);
	run->paused = ow_object_end(&object);
	change_tasks(run);
}

/* Lets the run go on; one that is not paused goes on anyway. */
void
ow_machine_resume(OwMachine *machine, const OwInput *input)
{
	OwRun	   *run = machine->run;
	OwObject	object;

	if (run->paused == NULL)
		return;
	ow_object_begin(&object);
	ow_object_add_text(&object, "reason", input->reason);
	ow_object_add_text(&object, "requested_by", input->requested_by);
	ow_machine_record(machine, "WorkflowExecutionUnpaused", NULL, ow_object_end(&object));
	run->paused = NULL;
	change_tasks(run);
}
