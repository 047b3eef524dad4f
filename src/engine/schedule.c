/*
 * schedule.c
 *		Driving schedules: their times that have come, and the starts that wait.
 *
 * A schedule is driven by pg_cron's tick, when a run of it has closed, and by its timer, which is due a minute after
 * its next time: only for a tick that has not come, as after the server was down.  Each does the same: all times up to
 * now that nobody has dealt with are dealt with, in order.  So it does not matter who comes, how often, or how late.
 *
 * Times of the same schedule are dealt with under the lock of its row.  A start that fails is recorded, and the others
 * go on.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/clock.h"
#include "engine/schedule.h"
#include "machine/instant.h"
#include "miscadmin.h"
#include "store/identity.h"
#include "store/schedule.h"
#include "store/start.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/pool.h"

/* How late a tick may be, and its time not count as missed */
#define GRACE (USECS_PER_MINUTE)

/* Of one transaction; what is left is done by an executor */
#define MOST_TAKEN 100
#define MOST_MISSED 100000

typedef struct Drive
{
	OwSchedule *schedule;
	TimestampTz now;
	int			started;
	pg_uuid_t	last_run;
} Drive;

const pg_tz *
ow_schedule_zone(void)
{
	const char *name = GetConfigOption("cron.timezone", true, false);
	const pg_tz *zone = pg_tzset(name && *name ? name : "GMT");

	return zone ? zone : pg_tzset("GMT");
}

static TimestampTz
add_interval(TimestampTz start, Datum interval)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(start), interval));
}

/* ---- in the rights of the schedule's owner ---- */

/* What is not the fault of this call, but of the transaction or the server */
static bool
concerns_all(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR);
}

/*
 * Starts the action's run or, if asked, asks that of the one it has; NULL, or why that is not possible.  The end of the
 * subtransaction puts the user back.
 */
static char *
try_as_owner(const Drive *drive, OwScheduleAction *action, TimestampTz start_at, const char *asked)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Oid			user;
	int			context;
	char	   *volatile failure = NULL;

	GetUserIdAndSecContext(&user, &context);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		if (user != drive->schedule->owner)
			SetUserIdAndSecContext(drive->schedule->owner, context | SECURITY_LOCAL_USERID_CHANGE);
		if (asked != NULL)
			ow_schedule_ask(action, asked);
		else
			action->run_id = ow_schedule_start(drive->schedule, action, start_at);
		SetUserIdAndSecContext(user, context);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		if (concerns_all(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		failure = error->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return failure;
}

/* ---- actions ---- */

static void
set_state(OwScheduleAction *action, OwActionState state, char *reason)
{
	action->state = state;
	action->reason = reason;
	action->changed = true;
}

static int
count_in(const OwSchedule *schedule, OwActionState state)
{
	int			count = 0;
	ListCell   *cell;

	foreach(cell, schedule->actions)
		count += ((OwScheduleAction *) lfirst(cell))->state == state;
	return count;
}

static void
skip(Drive *drive, OwScheduleAction *action, const char *reason)
{
	drive->schedule->skipped++;
	set_state(action, OW_ACTION_SKIPPED, pstrdup(reason));
}

/* Scheduled times are spread by the same share of the jitter each time this is asked. */
static TimestampTz
jittered(const OwSchedule *schedule, const OwScheduleAction *action)
{
	TimestampTz at = action->scheduled_for;
	int64		jitter = add_interval(at, schedule->jitter) - at;
	uint32		share;

	if (action->manual)
		return at;
	share = (uint32) ow_shard_key(psprintf("%s %s", schedule->name, ow_instant_format(at)));
	return at + (int64) ((double) jitter * share / 4294967296.0);
}

static void
start(Drive *drive, OwScheduleAction *action)
{
	OwSchedule *schedule = drive->schedule;
	char	   *failure;

	if (!action->manual && schedule->remaining_actions == 0)
	{
		skip(drive, action, "no actions remain");
		return;
	}
	action->workflow_id = psprintf("%s-%s", schedule->workflow_id, ow_instant_format(action->scheduled_for));
	failure = try_as_owner(drive, action, jittered(schedule, action), NULL);
	if (failure != NULL)
	{
		action->workflow_id = NULL;
		schedule->failed++;
		set_state(action, OW_ACTION_FAILED, failure);
		return;
	}
	if (!action->manual && schedule->remaining_actions > 0)
		schedule->remaining_actions--;
	set_state(action, OW_ACTION_RUNNING, NULL);
	schedule->started++;
	drive->started++;
	drive->last_run = action->run_id;
}

static void
note_closed(OwSchedule *schedule)
{
	ListCell   *cell;

	foreach(cell, schedule->actions)
	{
		OwScheduleAction *action = lfirst(cell);

		if (action->state == OW_ACTION_RUNNING && !action->open)
			set_state(action, OW_ACTION_CLOSED, NULL);
	}
}

/* The first that waits, once nothing is open */
static void
start_waiting(Drive *drive)
{
	OwSchedule *schedule = drive->schedule;
	ListCell   *cell;

	foreach(cell, schedule->actions)
	{
		OwScheduleAction *action = lfirst(cell);

		if (count_in(schedule, OW_ACTION_RUNNING) > 0)
			break;
		if (action->state == OW_ACTION_BUFFERED && (action->manual || !schedule->paused))
			start(drive, action);
	}
}

/* Makes the open runs close; those that wait are given up for a later one. */
static void
replace_others(Drive *drive, OwScheduleAction *later)
{
	const char *what = later->overlap == OW_OVERLAP_CANCEL_OTHER ? "Cancel" : "Terminate";
	ListCell   *cell;

	foreach(cell, drive->schedule->actions)
	{
		OwScheduleAction *action = lfirst(cell);
		char	   *failure;

		if (action == later)
			continue;
		if (action->state == OW_ACTION_BUFFERED)
			skip(drive, action, "a later one has taken its place");
		if (action->state != OW_ACTION_RUNNING || (action->asked != NULL && strcmp(action->asked, what) == 0))
			continue;
		failure = try_as_owner(drive, action, 0, what);
		action->reason = failure;
		action->asked = failure ? NULL : what;
		action->changed = true;
	}
}

static void
take(Drive *drive, TimestampTz scheduled_for, OwOverlap overlap, bool manual)
{
	OwSchedule *schedule = drive->schedule;
	OwScheduleAction *action = palloc0(sizeof(OwScheduleAction));

	action->scheduled_for = scheduled_for;
	action->overlap = overlap;
	action->manual = manual;
	switch (ow_overlap_decide(overlap, count_in(schedule, OW_ACTION_RUNNING) > 0, count_in(schedule, OW_ACTION_BUFFERED)))
	{
		case OW_OVERLAP_START:
			start(drive, action);
			break;
		case OW_OVERLAP_WAIT:
			set_state(action, OW_ACTION_BUFFERED, NULL);
			break;
		case OW_OVERLAP_REPLACE:
			replace_others(drive, action);
			set_state(action, OW_ACTION_BUFFERED, NULL);
			break;
		case OW_OVERLAP_DROP:
			skip(drive, action, overlap == OW_OVERLAP_SKIP ? "a run is open" : "others wait already");
			break;
	}
	schedule->actions = lappend(schedule->actions, action);
}

/* ---- times ---- */

static bool
is_missed(const Drive *drive, TimestampTz time)
{
	return drive->now >= time + GRACE && drive->now > add_interval(time, drive->schedule->catchup_window);
}

/* The first time that has not been dealt with; DT_NOEND when there is none any more */
static TimestampTz
next_time(const OwSchedule *schedule, const OwCron *cron)
{
	TimestampTz after = schedule->checked_at;
	TimestampTz time;

	if (schedule->remaining_actions == 0)
		return DT_NOEND;
	if (schedule->start_time > after)
		after = schedule->start_time - 1;
	time = ow_cron_next(cron, after, ow_schedule_zone());
	return time > schedule->end_time ? DT_NOEND : time;
}

/* Deals with times up to now, as many as one transaction may. */
static void
take_times(Drive *drive, const OwCron *cron)
{
	OwSchedule *schedule = drive->schedule;
	TimestampTz time = next_time(schedule, cron);

	for (int taken = 0, missed = 0; time <= drive->now; time = next_time(schedule, cron))
	{
		if (taken == MOST_TAKEN || missed == MOST_MISSED)
			break;
		if (is_missed(drive, time))
		{
			schedule->missed++;
			missed++;
		}
		else if (!ow_schedule_was_taken(schedule, time))
		{
			take(drive, time, schedule->overlap, false);
			taken++;
		}
		schedule->checked_at = time;
	}
	schedule->next_time = time;
	if (time > drive->now)
		schedule->checked_at = Max(schedule->checked_at, drive->now);
}

static void
take_requested(Drive *drive, OwScheduleRequest *request)
{
	OwSchedule *schedule = drive->schedule;
	int			before = drive->started;

	for (int i = 0; i < request->count; i++)
	{
		TimestampTz time = request->times[i];

		while (request->moves && ow_schedule_was_taken(schedule, time))
			time++;
		if (!ow_schedule_was_taken(schedule, time))
			take(drive, time, request->has_overlap ? request->overlap : schedule->overlap, true);
	}
	request->started = drive->started - before;
	request->run_id = drive->last_run;
}

/* When the schedule is to be looked at though nothing has happened.  On the virtual clock there is no pg_cron. */
static TimestampTz
due_at(const Drive *drive)
{
	TimestampTz time = drive->schedule->next_time;

	if (time == DT_NOEND || time <= drive->now || ow_clock_is_virtual())
		return time;
	return time + GRACE;
}

int
ow_schedule_drive(const OwRunRef *ref, bool wait, OwScheduleRequest *request)
{
	bool		locked;
	Drive		drive = {.schedule = ow_schedule_lock(ref, wait, &locked), .now = ow_clock_now()};
	OwCron		cron;

	if (drive.schedule == NULL)
		return locked ? -1 : 0;
	if (ow_cron_parse(drive.schedule->cron, &cron) != NULL)
		elog(ERROR, "schedule \"%s\" has an invalid cron expression", drive.schedule->name);
	note_closed(drive.schedule);
	start_waiting(&drive);
	drive.schedule->next_time = DT_NOEND;
	if (!drive.schedule->paused && !ow_identity_is_foreign())
		take_times(&drive, &cron);
	if (request != NULL)
		take_requested(&drive, request);
	ow_schedule_flush(drive.schedule, due_at(&drive));
	return drive.started;
}

/* ---- executors ---- */

static void
run_schedule(const OwRunRef *ref)
{
	MemoryContext caller = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(AllocSetContextCreate(TopTransactionContext, "order_workflow schedule",
												ALLOCSET_DEFAULT_SIZES));
	PushActiveSnapshot(GetTransactionSnapshot());
	if (ow_schedule_drive(ref, false, NULL) < 0)
		ow_ready_contended(GetSessionUserId(), ref);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
}

int
ow_schedules_run(OwRunRef *refs, int count)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		if (ow_schedule_is_ref(&refs[i]))
			run_schedule(&refs[i]);
		else
			refs[kept++] = refs[i];
	}
	return kept;
}
