/*
 * terminate.c
 *		Terminating a run in the caller's transaction, for another to be started in its place.
 *
 * workflow.terminate leaves a message, and somebody else ends the run.  A start that takes the place of an open run
 * cannot wait for that: its own transaction must have closed the run before it inserts the next.  So it waits for the
 * run's lock, as answers do, hands the request over as the first message, and drives the run, which closes at once.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/activity.h"
#include "engine/batch.h"
#include "engine/chain.h"
#include "engine/clock.h"
#include "engine/terminate.h"
#include "machine/json.h"
#include "utils/memutils.h"

bool
ow_engine_may_terminate(void)
{
	return ow_activity_current(NULL) == NULL && ow_chain_evaluating() == NULL && !IsolationUsesXactSnapshot();
}

/* Before all else that was sent to the run. */
static void
hand_over(List *runs, void *arg)
{
	ListCell   *cell;

	foreach(cell, runs)
	{
		OwLoadedRun *loaded = lfirst(cell);

		loaded->messages = lcons(arg, loaded->messages);
	}
}

void
ow_engine_terminate(const OwRunRef *ref, const char *reason, const char *requested_by)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "order_workflow batch", ALLOCSET_DEFAULT_SIZES);
	OwDriveRest rest;
	OwMessage  *message;

	MemoryContextSwitchTo(context);
	message = palloc0(sizeof(OwMessage));
	message->kind = OW_INPUT_TERMINATE;
	message->reason = pstrdup(reason);
	message->sent_by = pstrdup(requested_by);
	message->sent_at = ow_clock_now();
	message->payload = ow_json_empty_object();
	message->handed_over = true;
	ow_engine_drive_outside(ref, 1, false, context, hand_over, message, &rest);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
