/*
 * answer.h
 *		Answers to task tokens, from any session.
 */
#ifndef OW_ENGINE_ANSWER_H
#define OW_ENGINE_ANSWER_H

#include "store/run.h"

/* What is answered, and what becomes of it */
typedef struct OwAnswer
{
	OwMessage	message;		/* kind (ACTIVITY_COMPLETED or _FAILED), task_token, payload */
	int			claim;			/* with which the token was handed out: see epoch.h */
	bool		taken;			/* out: somebody waited for it, and there was no other before it */

	/* answer.c's own */
	OwRunRef	run;
	Oid			owner;
	bool		waited_for;		/* there was a task, when looked at without a lock */
	bool		settled;		/* taken is known */
} OwAnswer;

/*
 * Answer, with the runs locked.  They are driven as far as no code of their owners runs; the rest, and all of them
 * if anything goes wrong, is left to executors, who are woken.  Whatever happens, an answer that is taken is not lost.
 */
extern void ow_engine_answer(OwAnswer *answers, int count);

/* May this session, at this moment, drive runs of others? */
extern bool ow_engine_may_drive(void);

#endif							/* OW_ENGINE_ANSWER_H */
