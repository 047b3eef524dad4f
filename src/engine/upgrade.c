/*
 * upgrade.c
 *		Moving an open run to another version of its workflow, in the caller's transaction.
 *
 * With the run's row locked nobody drives it: it stands between two steps, which are the safe points.  What cannot be moved as
 * it stands is refused, with the reason; nothing waits for a better moment.  The run is ready then, for an executor
 * to look at.
 */
#include "postgres.h"

#include "engine/activity.h"
#include "engine/clock.h"
#include "engine/upgrade.h"
#include "errors.h"
#include "miscadmin.h"
#include "store/run.h"
#include "store/store.h"
#include "test_kit/test_kit.h"

static OwLoadedRun *
lock_run(const OwFoundRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *open;

	if (ow_activity_current(NULL) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an activity cannot upgrade a run")));
	ow_store_open();
	open = ow_run_load_waiting(&run->ref, 1, context);
	ow_store_close();
	if (open == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_ALREADY_CLOSED),
				 errmsg("workflow id \"%s\" has no open run", run->workflow_id),
				 errdetail("It has closed meanwhile.")));
	ow_run_bind(linitial(open));
	return linitial(open);
}

static void
check_can_move(const OwMachine *machine, const OwUpgradeRequest *request)
{
	char	   *busy = ow_machine_is_busy(machine);
	char	   *reason = busy ? busy : ow_machine_no_place(machine, request->to->definition, request->state_map);

	if (reason == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("workflow id \"%s\" cannot be upgraded to version %d", request->run->workflow_id, request->to->version),
			 errdetail("Of its run: %s.", reason),
			 machine->run->status == OW_STATUS_STUCK ? errhint("Move it with workflow.retry().") :
			 busy != NULL ? errhint("Try again later.") :
			 errhint("A state that has another name there can be named in state_map.")));
}

/* Of a run that has not begun there is no history, which tells of nothing but the version that it begins on. */
static bool
has_begun(const OwLoadedRun *loaded)
{
	return loaded->run.next_event_id > 1;
}

static void
move(OwLoadedRun *loaded, const OwUpgradeRequest *request)
{
	OwHost		host = {NULL};
	OwMachine	machine = ow_run_machine(loaded, &host);

	check_can_move(&machine, request);
	if (has_begun(loaded))
		(void) ow_machine_step(&machine, &(OwInput) {
							   .kind = OW_INPUT_UPGRADE,
							   .now = ow_clock_now(),
							   .definition = request->to->definition,
							   .version = request->to->version,
							   .request = request->state_map,
							   .requested_by = GetUserNameFromId(request->requested_by, true)
							   });
	else
		loaded->run.version = request->to->version;
	loaded->events = machine.events;
	loaded->compiled = request->to;
	loaded->definition_id = request->to->definition_id;
}

void
ow_upgrade_run(const OwUpgradeRequest *request)
{
	OwLoadedRun *loaded = lock_run(request->run);

	if (loaded->definition_id == request->to->definition_id && request->state_map == NULL)
		return;
	move(loaded, request);
	loaded->ready |= has_begun(loaded);
	ow_store_open();
	ow_run_flush(list_make1(loaded));
	ow_store_close();
	if (ow_clock_is_virtual())
		ow_test_kit_ready(&loaded->ref);
}
