/*
 * schedule.h
 *		Driving schedules: their times that have come, and the starts that wait.
 */
#ifndef OW_ENGINE_SCHEDULE_H
#define OW_ENGINE_SCHEDULE_H

#include "engine/cron.h"
#include "engine/engine.h"
#include "machine/overlap.h"

/* Times that somebody asks for, whatever the schedule's cron expression says or whether it is paused */
typedef struct OwScheduleRequest
{
	const TimestampTz *times;
	int			count;
	bool		has_overlap;	/* else the schedule's */
	OwOverlap	overlap;
	bool		moves;			/* a time that is taken becomes a later one: each has a run of its
								 * own */
	pg_uuid_t	run_id;			/* out: of the last that was started */
	int			started;		/* out */
} OwScheduleRequest;

/*
 * Does what a schedule has to do now, in the current transaction.  Returns how many runs were started, -1 when somebody
 * else has locked the schedule (unless it may wait).  request may be NULL.
 */
extern int	ow_schedule_drive(const OwRunRef *ref, bool wait, OwScheduleRequest *request);

/* The zone that pg_cron reads its expressions in */
extern const pg_tz *ow_schedule_zone(void);

/* Executor side: the schedules among the refs, each in a transaction of its own; the others move up.  Returns their count. */
extern int	ow_schedules_run(OwRunRef *refs, int count);

#endif							/* OW_ENGINE_SCHEDULE_H */
