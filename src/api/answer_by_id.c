/*
 * answer_by_id.c
 *		SQL-callable: answers of those who know the run and the activity, but not the task token.
 *
 * A token is a capability; a name is not, so who answers by it must have the rights of the run's owner or, of a
 * task in a queue, his grant of that queue.  Only what has been handed out is answered: who has not taken a task
 * cannot have done it.  From the name on, all goes as with the token that is found by it.
 */
#include "postgres.h"

#include "api/answer.h"
#include "api/api.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "store/find_task.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_complete_activity_by_id);
PG_FUNCTION_INFO_V1(ow_fail_activity_by_id);
PG_FUNCTION_INFO_V1(ow_cancel_activity_by_id);
PG_FUNCTION_INFO_V1(ow_heartbeat_by_id);

/* The arguments that name the attempt; what is answered comes after them */
enum
{
	ARG_WORKFLOW_ID,
	ARG_ACTIVITY,
	ARG_FIRST
};

static void
report_several(const char *workflow_id, const char *activity)
{
	ereport(ERROR,
			(errcode(ERRCODE_CARDINALITY_VIOLATION),
			 errmsg("several attempts at \"%s\" of workflow id \"%s\" wait for an answer", activity, workflow_id),
			 errdetail("Branches of a Parallel or Map are at it."),
			 errhint("Answer with the task token of the one that is meant.")));
}

static void
report_not_permitted(const char *workflow_id, const char *activity)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to answer \"%s\" of workflow id \"%s\"", activity, workflow_id),
			 errhint("The run's owner can grant the task queue with workflow.grant_worker(); whoever has the task token needs no grant.")));
}

static void
notice_not_started(const char *workflow_id, const char *activity)
{
	ereport(NOTICE,
			(errmsg("nobody has taken the task of \"%s\" of workflow id \"%s\" yet", activity, workflow_id),
			 errdetail("It is in its task queue."),
			 errhint("Take it with workflow.poll_activity() before answering.")));
}

static void
notice_none(const char *workflow_id, const char *activity)
{
	ereport(NOTICE,
			(errmsg("no attempt at \"%s\" of workflow id \"%s\" waits for an answer", activity, workflow_id),
			 errdetail("It was answered, timed out or was canceled, or there has never been such an attempt.")));
}

/* The task token of the one attempt that is meant; NULL, with a notice, when there is none to be answered. */
static const pg_uuid_t *
find_token(FunctionCallInfo fcinfo)
{
	char	   *workflow_id = ow_api_text(fcinfo, ARG_WORKFLOW_ID, "workflow_id");
	char	   *activity = ow_api_text(fcinfo, ARG_ACTIVITY, "activity");
	OwFoundRun *run = ow_find_open(workflow_id);
	OwNamedTask *tasks = palloc(sizeof(OwNamedTask) * 2);
	int			count = run ? ow_find_named_tasks(run, activity, GetUserId(), tasks) : 0;

	if (count == 2 && tasks[1].may_answer)
		report_several(workflow_id, activity);
	if (count > 0 && !tasks[0].may_answer && ow_api_may_see(run, OW_PRIVILEGE_READ))
		report_not_permitted(workflow_id, activity);
	if (count == 0 || !tasks[0].may_answer)
	{
		notice_none(workflow_id, activity);
		return NULL;
	}
	if (!tasks[0].started)
	{
		notice_not_started(workflow_id, activity);
		return NULL;
	}
	return &tasks[0].task_token;
}

/* complete_activity_by_id(workflow_id text, activity text, result jsonb) RETURNS boolean */
Datum
ow_complete_activity_by_id(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *task_token;

	PreventCommandIfReadOnly("workflow.complete_activity_by_id()");
	task_token = find_token(fcinfo);
	return task_token ? ow_answer_complete(fcinfo, task_token, ARG_FIRST) : BoolGetDatum(false);
}

/*
 * fail_activity_by_id(workflow_id text, activity text, error text, message text, details jsonb,
 * non_retryable boolean, next_retry_delay interval) RETURNS boolean
 */
Datum
ow_fail_activity_by_id(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *task_token;

	PreventCommandIfReadOnly("workflow.fail_activity_by_id()");
	task_token = find_token(fcinfo);
	return task_token ? ow_answer_fail(fcinfo, task_token, ARG_FIRST) : BoolGetDatum(false);
}

/* cancel_activity_by_id(workflow_id text, activity text, details jsonb) RETURNS boolean */
Datum
ow_cancel_activity_by_id(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *task_token;

	PreventCommandIfReadOnly("workflow.cancel_activity_by_id()");
	task_token = find_token(fcinfo);
	return task_token ? ow_answer_cancel(fcinfo, task_token, ARG_FIRST) : BoolGetDatum(false);
}

/*
 * heartbeat_by_id(workflow_id text, activity text, details jsonb, OUT ok boolean, OUT cancel_requested boolean,
 * OUT paused boolean)
 */
Datum
ow_heartbeat_by_id(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.heartbeat_by_id()");
	return ow_answer_heartbeat(fcinfo, find_token(fcinfo), ow_api_optional_jsonb(fcinfo, ARG_FIRST));
}
