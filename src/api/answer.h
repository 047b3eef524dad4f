/*
 * answer.h
 *		Answering for an attempt, however it was named: by its task token, or by run and activity.
 *
 * The arguments of the SQL function that come after that name begin at `first`.  Whether the caller may answer
 * has been checked.
 */
#ifndef OW_ANSWER_H
#define OW_ANSWER_H

#include "postgres.h"
#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* Each gives whether the answer was taken, as a boolean */
extern Datum ow_answer_complete(FunctionCallInfo fcinfo, const pg_uuid_t *task_token, int first);
extern Datum ow_answer_fail(FunctionCallInfo fcinfo, const pg_uuid_t *task_token, int first);
extern Datum ow_answer_cancel(FunctionCallInfo fcinfo, const pg_uuid_t *task_token, int first);

/* complete_activities() of the first two arguments; whether each answer was taken, as a boolean[] */
extern Datum ow_answer_complete_many(FunctionCallInfo fcinfo);

/* A row of (ok, cancel_requested, paused); NULL: there is no such attempt */
extern Datum ow_answer_heartbeat(FunctionCallInfo fcinfo, const pg_uuid_t *task_token, Jsonb *details);

#endif							/* OW_ANSWER_H */
