/*
 * reset.c
 *		Resetting a run: another one takes its place, which has its history up to an event.
 *
 * All is done in the caller's transaction, with the run's row locked if it is open:
 *
 *		read the history, and find out where the run can be reset to
 *		replay it up to the event: the state of the new run
 *		terminate the run, if it is open; its row goes
 *		know the ids of signals and updates again, if it is closed
 *		insert the new run, with its part of the history and what hangs on it
 *		send it the signals and updates that the other had after the event
 *
 * Nothing of anybody's code runs, but for expressions of metrics in the owner's own session: the new run is ready, and an
 * executor of its owner drives it.
 */
#include "postgres.h"

#include "engine/activity.h"
#include "engine/clock.h"
#include "engine/event_log.h"
#include "engine/history.h"
#include "engine/observe.h"
#include "engine/reset.h"
#include "errors.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/run_options.h"
#include "store/start.h"
#include "store/store.h"
#include "test_kit/test_kit.h"
#include "utils/acl.h"
#include "utils/timestamp.h"

/* A run that is reset */
typedef struct Base
{
	OwLoadedRun *open;			/* locked; NULL: it has closed */
	OwLoadedRun started;		/* as it was when it started */
	List	   *events;
} Base;

/* ---- reading ---- */

static void
read_base(const OwRunRef *ref, bool lock, Base *base)
{
	MemoryContext context = CurrentMemoryContext;
	OwLoadedRun *started;
	List	   *open;

	memset(base, 0, sizeof(*base));
	ow_store_open();
	open = lock ? ow_run_load_waiting(ref, 1, context) : NIL;
	started = ow_run_read_started(ref, context);
	if (started != NULL)
		base->events = ow_run_read_history(ref, context);
	ow_store_close();
	if (started == NULL || base->events == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_INVALID_STATUS),
				 errmsg("run %s has no history yet", ow_uuid_to_cstring(&ref->run_id))));
	base->started = *started;
	base->open = open == NIL ? NULL : linitial(open);
}

static void
bind_started(OwLoadedRun *started)
{
	started->compiled = ow_catalog_definition(started->definition_id);
	started->run.workflow = started->compiled->workflow;
	started->run.version = started->compiled->version;
	started->run.owner = GetUserNameFromId(started->owner, true);
}

/* ---- where to ---- */

static OwLoadedRun
replayed(const Base *base, int count, OwReplay *replay)
{
	OwLoadedRun loaded = base->started;

	if (!ow_history_play(&loaded, list_copy_head(base->events, count), NULL, replay))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("history of run %s does not lead to its state", ow_uuid_to_cstring(&base->started.ref.run_id)),
				 errdetail("%s.", replay->difference)));
	return loaded;
}

/* Each event once, as the machine came to rest after it */
static List *
find_points(const Base *base)
{
	List	   *points = NIL;
	OwReplay	replay;
	ListCell   *cell;

	(void) replayed(base, list_length(base->events), &replay);
	foreach(cell, replay.rests)
	{
		const OwRest *rest = lfirst(cell);

		if (points != NIL && ((OwRest *) llast(points))->event_id == rest->event_id)
			points = list_delete_last(points);
		points = lappend(points, lfirst(cell));
	}
	return points;
}

static void
report_no_point(const Base *base, int event_id, int before, int after)
{
	int			last = list_length(base->events);
	char	   *nearest = before > 0 && after > 0 ? psprintf("%d and %d", before, after) :
		before > 0 || after > 0 ? psprintf("%d", Max(before, after)) : NULL;

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("run %s cannot be reset to event %d", ow_uuid_to_cstring(&base->started.ref.run_id), event_id),
			 event_id < 1 || event_id > last ? errdetail("Its events are 1 to %d.", last) :
			 after == 0 ? errdetail("It has closed by then.") :
			 errdetail("A transition goes on beyond that event."),
			 nearest != NULL ? errhint("The nearest events that it can be reset to: %s. workflow.reset_points() lists all.", nearest) : 0));
}

static void
check_point(const Base *base, const List *points, int event_id)
{
	int			before = 0;
	int			after = 0;
	ListCell   *cell;

	foreach(cell, points)
	{
		int			point = ((const OwRest *) lfirst(cell))->event_id;

		if (point == event_id)
			return;
		if (point < event_id)
			before = point;
		else if (after == 0)
			after = point;
	}
	report_no_point(base, event_id, before, after);
}

/* The last point at which the machine was about to enter the state; NULL: it never was */
static const OwRest *
last_entry(const List *points, const char *state)
{
	const OwRest *entry = NULL;
	ListCell   *cell;

	foreach(cell, points)
	{
		const OwRest *rest = lfirst(cell);

		if ((rest->phase == OW_PHASE_NEW || rest->phase == OW_PHASE_ENTER) && !rest->stuck && rest->state != NULL &&
			strcmp(rest->state, state) == 0)
			entry = rest;
	}
	return entry;
}

/* The last event that is kept.  A rule is applied to the run as it is locked. */
static int
find_event(const Base *base, const OwResetRequest *request)
{
	List	   *points = find_points(base);
	const OwRest *rest = NULL;

	switch (request->rule)
	{
		case OW_RESET_TO_EVENT:
			check_point(base, points, request->event_id);
			return request->event_id;
		case OW_RESET_TO_FIRST:
			rest = points == NIL ? NULL : linitial(points);
			break;
		case OW_RESET_TO_LAST:
			rest = points == NIL ? NULL : llast(points);
			break;
		case OW_RESET_TO_STATE:
			rest = last_entry(points, request->state);
			break;
	}
	if (rest == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("run %s has no such event to be reset to", ow_uuid_to_cstring(&base->started.ref.run_id)),
				 request->state != NULL ? errdetail("It has not come to state \"%s\".", request->state) :
				 errdetail("It has closed before it began.")));
	return rest->event_id;
}

List *
ow_reset_points(const OwFoundRun *run, List **events)
{
	Base		base;

	read_base(&run->ref, false, &base);
	bind_started(&base.started);
	*events = base.events;
	return find_points(&base);
}

/* ---- the new run ---- */

static OwStep
feed(OwLoadedRun *loaded, const OwInput *input)
{
	OwHost		host = {NULL};
	OwMachine	machine = ow_run_machine(loaded, &host);
	OwStep		step = ow_machine_step(&machine, input);

	loaded->events = list_concat(loaded->events, machine.events);
	return step;
}

/* A deadline moves by the time that has passed. */
static TimestampTz
new_deadline(TimestampTz deadline, TimestampTz started_at, TimestampTz now)
{
	return deadline == DT_NOEND ? DT_NOEND : deadline + (now - started_at);
}

/* Those it started with, with the changes up to the event */
static void
take_search_attributes(OwLoadedRun *loaded)
{
	OwRun	   *run = &loaded->run;

	if (run->search_attributes != NULL)
		run->search_changes = run->search_changes ? ow_json_merged(run->search_attributes, run->search_changes) : run->search_attributes;
	if (run->search_changes != NULL)
		loaded->options = ow_run_options_searchable(loaded->options, NULL);
}

/* Makes the state after the event one of a run of its own, whose first deed is the reset. */
static void
begin_run(const OwResetRequest *request, const Base *base, int event_id, TimestampTz now, OwLoadedRun *loaded)
{
	int32		shard_key = base->started.ref.shard_key;
	OwReplay	replay;
	OwInput		input = {
		.kind = OW_INPUT_RESET,
		.now = now,
		.reason = request->reason,
		.requested_by = GetUserNameFromId(request->requested_by, true),
		.new_run_id = &loaded->ref.run_id
	};

	*loaded = replayed(base, event_id, &replay);
	loaded->execution_deadline = new_deadline(base->started.execution_deadline, base->started.run.started_at, now);
	input.deadline = new_deadline(base->started.run.deadline, base->started.run.started_at, now);
	loaded->ref.shard_key = shard_key;
	ow_run_id_make(shard_key, ow_bucket_for(loaded->run.workflow, now), &loaded->ref.run_id);
	loaded->bucket = ow_run_id_bucket(&loaded->ref.run_id);
	loaded->stored_due_at = loaded->stored_deadline = DT_NOEND;
	loaded->stored_branch_id = 1;
	loaded->ready = true;
	loaded->events = list_copy_head(base->events, event_id);
	take_search_attributes(loaded);
	(void) feed(loaded, &input);
}

/* A version without open runs may have been retired. */
static void
hold_version(const OwLoadedRun *loaded)
{
	bool		deprecated;

	if (!ow_catalog_hold(loaded->definition_id, &deprecated))
		ereport(ERROR,
				(errcode(ERRCODE_OW_VERSION_RETIRED),
				 errmsg("version %d of workflow \"%s\" is retired", loaded->run.version, loaded->run.workflow),
				 errdetail("The run was on it at that event."),
				 errhint("Register its definition again, which brings it back.")));
}

/* ---- the whole ---- */

static void
terminate(OwLoadedRun *open, const OwResetRequest *request, TimestampTz now, const pg_uuid_t *new_run_id)
{
	OwStep		step PG_USED_FOR_ASSERTS_ONLY;

	step = feed(open, &(OwInput) {
				.kind = OW_INPUT_TERMINATE,
				.now = now,
				.reason = request->reason ? request->reason : "the run was reset",
				.requested_by = GetUserNameFromId(request->requested_by, true),
				.new_run_id = new_run_id
				});
	Assert(step == OW_STEP_CLOSED);
	open->replaced = true;
}

/* What is new: the history that it has of the other run was told when it happened. */
static void
log_runs(const Base *base, const OwLoadedRun *loaded)
{
	OwLoadedRun begun = *loaded;

	begun.events = list_make1(llast(loaded->events));
	if (base->open != NULL)
		ow_event_log_runs(list_make1(base->open));
	ow_event_log_runs(list_make1(&begun));
}

static void
write_runs(Base *base, OwLoadedRun *loaded)
{
	int			kept = list_length(loaded->events) - 1;
	bool		inserted;

	ow_store_open();
	if (base->open != NULL)
		ow_run_flush(list_make1(base->open));
	else
		ow_run_recall(loaded);
	inserted = ow_run_insert(loaded);
	if (inserted)
		ow_run_tell_again(base->open, list_copy_tail(base->events, kept), loaded);
	ow_store_close();
	if (base->open != NULL)
		ow_observe_runs(list_make1(base->open));
	if (!inserted)
		ereport(ERROR,
				(errcode(ERRCODE_OW_ALREADY_STARTED),
				 errmsg("workflow id \"%s\" has another open run", loaded->run.workflow_id),
				 errhint("Terminate that one first, or reset it.")));
}

/* The state of a run that an activity changes behind the back of its own chain would be lost. */
static void
check_session(void)
{
	if (ow_activity_current(NULL) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an activity cannot reset a run")));
}

pg_uuid_t
ow_reset_run(const OwResetRequest *request)
{
	TimestampTz now = ow_clock_now();
	OwLoadedRun *loaded = palloc0(sizeof(OwLoadedRun));
	Base		base;

	check_session();
	read_base(&request->run->ref, true, &base);
	bind_started(&base.started);
	begin_run(request, &base, find_event(&base, request), now, loaded);
	hold_version(loaded);
	if (base.open != NULL)
	{
		ow_run_bind(base.open);
		terminate(base.open, request, now, &loaded->ref.run_id);
	}
	write_runs(&base, loaded);
	log_runs(&base, loaded);
	if (ow_clock_is_virtual())
		ow_test_kit_started(&loaded->ref);
	return loaded->ref.run_id;
}
