/*
 * schedule.h
 *		Rows of schedules and of what became of their times.
 *
 * A schedule is named by an OwRunRef as runs are, so that it is posted, swept and retried like them; its id has a
 * bucket that no run has.  Lock order: a schedule's row before its actions, and before any run.
 */
#ifndef OW_STORE_SCHEDULE_H
#define OW_STORE_SCHEDULE_H

#include "engine/engine.h"
#include "machine/overlap.h"
#include "store/store.h"

typedef enum OwActionState
{
	OW_ACTION_BUFFERED,			/* waits for the run before it to close */
	OW_ACTION_RUNNING,
	OW_ACTION_CLOSED,
	OW_ACTION_SKIPPED,
	OW_ACTION_FAILED			/* could not be started */
} OwActionState;

/* What became of one time of a schedule */
typedef struct OwScheduleAction
{
	TimestampTz scheduled_for;
	OwActionState state;
	OwOverlap	overlap;
	bool		manual;
	char	   *workflow_id;	/* NULL until it is started */
	pg_uuid_t	run_id;
	const char *asked;			/* of its run, for a later one: "Cancel", "Terminate"; NULL */
	char	   *reason;			/* why it was skipped, or failed; NULL */
	bool		open;			/* of one that is running: it still is */
	bool		changed;		/* on flush */
} OwScheduleAction;

typedef struct OwSchedule
{
	OwRunRef	ref;
	char	   *name;
	Oid			owner;
	char	   *workflow;
	int			version;		/* 0: current */
	Jsonb	   *input;
	char	   *cron;
	OwOverlap	overlap;
	Datum		catchup_window;
	Datum		jitter;
	char	   *workflow_id;	/* prefix */
	TimestampTz start_time;
	TimestampTz end_time;
	int			remaining_actions;	/* -1: any number */
	Jsonb	   *memo;			/* may be NULL */
	Datum		execution_timeout;	/* zero: none */
	Datum		run_timeout;	/* zero: none */
	Jsonb	   *retry;			/* may be NULL */
	int			priority;		/* 0: none */
	Jsonb	   *search_attributes;	/* may be NULL */
	bool		paused;
	TimestampTz checked_at;
	TimestampTz next_time;		/* DT_NOEND: none */
	int64		started;
	int64		skipped;
	int64		missed;
	int64		failed;
	List	   *actions;		/* of OwScheduleAction *, those that wait or run, by time */
} OwSchedule;

/* Arguments of creating and changing a schedule, in the order of the columns; when it is changed, nulls leave what is */
enum
{
	SCHEDULE_WORKFLOW,
	SCHEDULE_VERSION,
	SCHEDULE_INPUT,
	SCHEDULE_CRON,
	SCHEDULE_OVERLAP,
	SCHEDULE_CATCHUP_WINDOW,
	SCHEDULE_JITTER,
	SCHEDULE_WORKFLOW_ID,
	SCHEDULE_START_TIME,
	SCHEDULE_END_TIME,
	SCHEDULE_REMAINING_ACTIONS,
	SCHEDULE_MEMO,
	SCHEDULE_EXECUTION_TIMEOUT,
	SCHEDULE_RUN_TIMEOUT,
	SCHEDULE_RETRY,				/* JSON null: none */
	SCHEDULE_PRIORITY,			/* 0: none */
	SCHEDULE_SEARCH_ATTRIBUTES,
	SCHEDULE_ARGUMENTS
};

/* Is it a schedule that is named here, not a run? */
extern bool ow_schedule_is_ref(const OwRunRef *ref);

/* Each of these opens the store itself, unless it says otherwise. */

/* False when there is none of the name. */
extern bool ow_schedule_find(const char *name, OwRunRef *ref, Oid *owner);

/* False when there is one of the name. */
extern bool ow_schedule_insert(const char *name, Oid owner, const Datum *values, const bool *nulls, OwRunRef *ref);
extern void ow_schedule_update(const OwRunRef *ref, const Datum *values, const bool *nulls);
extern void ow_schedule_delete(const OwRunRef *ref);

/* reason may be NULL */
extern void ow_schedule_pause(const OwRunRef *ref, const char *reason);

/* Times of before are over. */
extern void ow_schedule_resume(const OwRunRef *ref);

/*
 * Locks and reads a schedule, with its actions that wait or run; what has been sent to it counts as read.  NULL when
 * there is none or, unless it may wait, when somebody else has locked it: *locked tells.
 */
extern OwSchedule *ow_schedule_lock(const OwRunRef *ref, bool wait, bool *locked);

/* Has there been a run for this time?  skipped or failed ones do not count. */
extern bool ow_schedule_was_taken(const OwSchedule *schedule, TimestampTz scheduled_for);

/* Writes the schedule, the actions that have changed, and its timer; DT_NOEND: it has none. */
extern void ow_schedule_flush(const OwSchedule *schedule, TimestampTz due_at);

/* With the store open: a run that the schedule has started has closed. */
extern void ow_schedule_run_closed(const Jsonb *schedule);

/*
 * Calls workflow.start, or cancel or terminate, in the rights of the current user.  The store is closed; raises what
 * these do.
 */
extern pg_uuid_t ow_schedule_start(const OwSchedule *schedule, const OwScheduleAction *action, TimestampTz start_at);
extern void ow_schedule_ask(const OwScheduleAction *action, const char *what);

/* While ow_schedule_start starts a run: what the run is to know of its schedule; else NULL */
extern Jsonb *ow_schedule_starting(void);

#endif							/* OW_STORE_SCHEDULE_H */
