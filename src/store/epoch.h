/*
 * epoch.h
 *		Fencing off what was handed out before a promotion or a restore.
 *
 * Task tokens of task queues are not handed out as they are stored, but mixed with the epoch, and with how often
 * the task has been put back: so whoever took it before a standby took over, or before the database went back to a
 * backup, answers with a token that matches nothing.  An epoch ends with the promotion (another timeline), when the
 * database moves (another cluster, database or order_workflow.instance), and with workflow.resume_engine() and
 * workflow.advance_epoch().
 *
 * Tokens that stand in an activity's input (.waitForTaskToken) are never mixed: they are with somebody who was told
 * once, and nobody else is told the same.  A bit of the token says which kind it is.
 */
#ifndef OW_EPOCH_H
#define OW_EPOCH_H

#include "postgres.h"
#include "utils/uuid.h"

/* A token that came from outside, as it is stored */
typedef struct OwTaskClaim
{
	pg_uuid_t	task_token;
	int			claim;			/* activity_task.claim when it was handed out; OW_ANY_CLAIM */
} OwTaskClaim;

#define OW_ANY_CLAIM (-1)

/* Make a stored token one to be handed out, and the other way round. */
extern void ow_epoch_hand_out(int claim, pg_uuid_t *task_token);
extern void ow_epoch_take_back(const pg_uuid_t *handed_out, OwTaskClaim *held);

/* What is noted of a task that is taken now */
extern int64 ow_epoch_current(void);

/* The stored part of the epoch has changed; for those who write workflow.engine_identity */
extern void ow_epoch_changed(void);

/* End the epoch; with the store closed. */
extern void ow_epoch_advance(void);

#endif							/* OW_EPOCH_H */
