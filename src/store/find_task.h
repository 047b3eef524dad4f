/*
 * find_task.h
 *		Finding the attempts of a run that wait for an answer, by activity or state.
 */
#ifndef OW_FIND_TASK_H
#define OW_FIND_TASK_H

#include "store/find.h"

typedef struct OwNamedTask
{
	pg_uuid_t	task_token;		/* as it would be handed out now */
	bool		started;		/* somebody has taken it, or was given its token */
	bool		may_answer;		/* the role has the rights of the run's owner, or his grant of the
								 * queue */
} OwNamedTask;

/*
 * At most two of the open run's attempts whose activity or state has this name, those that role may answer first.
 * Returns their number.
 */
extern int	ow_find_named_tasks(const OwFoundRun *run, const char *name, Oid role, OwNamedTask *tasks);

#endif							/* OW_FIND_TASK_H */
