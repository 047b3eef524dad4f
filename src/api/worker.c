/*
 * worker.c
 *		SQL-callable: draining a worker outside.
 */
#include "postgres.h"

#include "api/api.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "store/worker.h"

PG_FUNCTION_INFO_V1(ow_drain_worker);

/* drain_worker(worker text, task_queue text, drain boolean) RETURNS int: of how many queues */
Datum
ow_drain_worker(PG_FUNCTION_ARGS)
{
	char	   *worker = ow_api_text(fcinfo, 0, "worker");
	char	   *task_queue = ow_api_optional_text(fcinfo, 1);
	bool		drain = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	int			queues;

	PreventCommandIfReadOnly("workflow.drain_worker()");
	queues = ow_worker_drain(worker, task_queue, drain, GetUserId());
	if (queues == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 task_queue ?
				 errmsg("worker \"%s\" has not polled task queue \"%s\"", worker, task_queue) :
				 errmsg("worker \"%s\" has not polled any task queue", worker),
				 errhint("Or not lately, or it is not yours to drain: see workflow.workers.")));
	PG_RETURN_INT32(queues);
}
