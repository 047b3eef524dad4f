/*
 * heartbeat.h
 *		Heartbeats of tasks that programs outside work on.
 */
#ifndef OW_HEARTBEAT_H
#define OW_HEARTBEAT_H

#include "postgres.h"
#include "store/epoch.h"
#include "utils/jsonb.h"

typedef struct OwHeartbeat
{
	OwTaskClaim held;
	const Jsonb *details;		/* NULL: those of the one before */
	bool		noted;			/* out: false when nobody has taken such a task, or it has ended */
	bool		paused;			/* out: the activity is, whoever answers for it */
} OwHeartbeat;

/* Note heartbeats; of several for the same task, the last. */
extern void ow_heartbeats_note(OwHeartbeat *beats, int count);

#endif							/* OW_HEARTBEAT_H */
