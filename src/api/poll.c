/*
 * poll.c
 *		SQL-callable: taking tasks from task queues, and waiting for one.
 *
 * Waiting goes as in wait.c: enter shared memory as a waiter for the queue, look, sleep on the latch until
 * whoever puts a task into the queue has committed, look again.  The function holds the snapshot of the
 * statement that called it all the while; the procedure commits before every sleep, and holds nothing.
 */
#include "postgres.h"

#include "access/xact.h"
#include "api/answer.h"
#include "api/api.h"
#include "catalog/pg_type_d.h"
#include "engine/activity.h"
#include "engine/circuit_queue.h"
#include "engine/clock.h"
#include "errors.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "store/identity.h"
#include "store/task_offer.h"
#include "store/worker.h"
#include "test_kit/test_kit.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

PG_FUNCTION_INFO_V1(ow_poll_activity);
PG_FUNCTION_INFO_V1(ow_complete_and_poll);
PG_FUNCTION_INFO_V1(ow_wait_for_activity);

#define MAX_TASKS 10000

/* Longer waits of a worker that is to be seen meanwhile are slept in parts. */
#define LONGEST_SILENCE_MS (60 * 1000)

/* Nothing with an effect outside is done for a copy of another database. */
static void
check_quarantine(void)
{
	if (ow_identity_is_foreign())
		ereport(ERROR,
				(errcode(ERRCODE_OW_ENGINE_QUARANTINED),
				 errmsg("tasks cannot be taken because this is a copy of another database"),
				 errhint("Call workflow.resume_engine() if workflows are to run here from now on.")));
}

static void
check_can_wait(void)
{
	if (ow_activity_current(NULL) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait for a task inside an activity")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait in a transaction whose isolation level is REPEATABLE READ or SERIALIZABLE"),
				 errdetail("It would never see the task."),
				 errhint("Use READ COMMITTED.")));
}

static void
check_range(int max_tasks)
{
	if (max_tasks < 1 || max_tasks > MAX_TASKS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_tasks must be between 1 and %d", MAX_TASKS)));
}

/* False, unless that is an error, when the worker is to be given no more; others get what it was told of. */
static bool
check_draining(const OwTaskRequest *request, int level)
{
	if (!ow_worker_is_draining(request))
		return true;
	ow_waiter_settle();
	ereport(level,
			(errcode(ERRCODE_OW_WORKER_DRAINING),
			 errmsg("worker \"%s\" of task queue \"%s\" is draining", request->worker, request->task_queue),
			 errhint("It may finish what it has taken, and end. workflow.drain_worker(…, drain => false) takes that back.")));
	return false;
}

/* The names of those wanted; 0: any */
static Datum
activities_argument(FunctionCallInfo fcinfo, int argument)
{
	ArrayType  *activities;
	Datum	   *names;
	bool	   *nulls;
	int			count;

	if (PG_ARGISNULL(argument))
		return (Datum) 0;
	activities = PG_GETARG_ARRAYTYPE_P_COPY(argument);
	deconstruct_array(activities, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i] && VARSIZE_ANY_EXHDR(DatumGetPointer(names[i])) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("activities must not contain an empty name")));
	}
	return PointerGetDatum(activities);
}

static OwTaskRequest
request_for(char *task_queue)
{
	check_quarantine();
	return (OwTaskRequest)
	{
		.task_queue = task_queue,
			.role = GetUserId(),
			.runs = ow_test_kit_runs(),
			.max_tasks = 1
	};
}

/*
 * Sleeps until woken, or until something may be taken that cannot be yet.  False when the time is over, and
 * there is no use in looking again.
 */
static bool
sleep_until(TimestampTz until, TimestampTz again_at, long longest_ms)
{
	TimestampTz now = GetCurrentTimestamp();
	long		remaining = TimestampDifferenceMilliseconds(now, until);

	if (until <= now)
		return false;
	remaining = Min(remaining, Max(TimestampDifferenceMilliseconds(now, again_at), 1));
	InvalidateCatalogSnapshot();
	ow_waiter_sleep(Min(remaining, longest_ms));
	return true;
}

static void
receive_task(void *arg, Datum *values, bool *nulls)
{
	ReturnSetInfo *result = arg;

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Looks once, and tells what came of it, so that others are woken for what is not for this one. */
static bool
take(OwTaskRequest *request, ReturnSetInfo *result)
{
	int			taken;

	request->woken = ow_waiter_look();
	taken = ow_circuit_take_tasks(request, receive_task, result);
	ow_waiter_looked(taken == request->max_tasks ? OW_LOOK_NOT_ALL : OW_LOOK_ALL);
	return taken > 0;
}

/* Takes tasks; if there are none, waits for some.  The key is entered before the look that counts. */
static bool
take_or_wait(OwTaskRequest *request, TimestampTz until, ReturnSetInfo *result)
{
	MemoryContext look_context;
	MemoryContext previous;
	volatile bool taken;

	request->waits = until != DT_NOBEGIN;
	if (take(request, result))
		return true;
	if (until == DT_NOBEGIN)
		return false;
	look_context = AllocSetContextCreate(CurrentMemoryContext, "order_workflow wait", ALLOCSET_SMALL_SIZES);
	previous = MemoryContextSwitchTo(look_context);
	PG_TRY();
	{
		ow_waiter_begin(ow_task_queue_key(request->task_queue), ow_task_filter(request));
		request->look_first = true;
		while (check_draining(request, ERROR) && !(taken = take(request, result)) &&
			   sleep_until(until, request->again_at, OW_LONGEST_SLEEP_MS))
			MemoryContextReset(look_context);
	}
	PG_FINALLY();
	{
		ow_waiter_end();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(look_context);
	return taken;
}

/* On a test's clock no time passes while one waits. */
static TimestampTz
wait_argument(FunctionCallInfo fcinfo, int argument)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = PG_ARGISNULL(argument) ? now : ow_api_add_interval(now, PG_GETARG_DATUM(argument));

	if (until <= now || ow_clock_is_virtual())
		return DT_NOBEGIN;
	check_can_wait();
	return until;
}

/* Of the arguments task_queue, worker and max_tasks, which begin at first, and activities */
static OwTaskRequest
request_of(FunctionCallInfo fcinfo, int first, int activities)
{
	OwTaskRequest request = request_for(ow_api_text(fcinfo, first, "task_queue"));

	request.worker = ow_api_text(fcinfo, first + 1, "worker");
	request.max_tasks = PG_ARGISNULL(first + 2) ? 1 : PG_GETARG_INT32(first + 2);
	request.activities = activities_argument(fcinfo, activities);
	check_range(request.max_tasks);
	return request;
}

/*
 * poll_activity(task_queue text, worker text, max_tasks int, wait interval, activities text[], version text):
 * takes tasks, as a set of rows.
 */
Datum
ow_poll_activity(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	OwTaskRequest request;

	PreventCommandIfReadOnly("workflow.poll_activity()");
	request = request_of(fcinfo, 0, 4);
	InitMaterializedSRF(fcinfo, 0);
	ow_worker_note(&request, ow_api_optional_text(fcinfo, 5));
	if (check_draining(&request, ERROR) && take_or_wait(&request, wait_argument(fcinfo, 3), result))
		ow_waiter_forgive(ow_task_queue_key(request.task_queue));
	ow_waiter_settle();
	return (Datum) 0;
}

/* Completes, and gives what that queues and the worker may have at once; how many tasks. */
static int
complete_and_take(FunctionCallInfo fcinfo, const OwTaskRequest *request, ReturnSetInfo *result)
{
	OwTaskRequest offered = ow_circuit_request(request);

	PG_TRY();
	{
		ow_task_offer_begin(&offered);
		(void) ow_answer_complete_many(fcinfo);
	}
	PG_FINALLY();
	{
		ow_task_offer_end();
	}
	PG_END_TRY();
	ow_task_offer_deliver(receive_task, result);
	return ow_task_offer_count();
}

/*
 * complete_and_poll(task_tokens uuid[], results jsonb[], task_queue text, worker text, max_tasks int,
 * activities text[], version text): completes attempts, then takes tasks.  The results must not be lost: who is draining
 * gets a notice, and no rows.
 */
Datum
ow_complete_and_poll(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	OwTaskRequest request;

	PreventCommandIfReadOnly("workflow.complete_and_poll()");
	request = request_of(fcinfo, 2, 5);
	InitMaterializedSRF(fcinfo, 0);
	request.max_tasks -= complete_and_take(fcinfo, &request, result);
	ow_worker_note(&request, ow_api_optional_text(fcinfo, 6));
	if (request.max_tasks > 0 && check_draining(&request, NOTICE) && take(&request, result))
		ow_waiter_forgive(ow_task_queue_key(request.task_queue));
	ow_waiter_settle();
	return (Datum) 0;
}

/* ---- the procedure ---- */

/* One that gives its name is seen, and told when it is to end. */
static void
show_up(const OwTaskRequest *request)
{
	ow_worker_note(request, NULL);
	(void) check_draining(request, ERROR);
}

static bool
wait_until_available(OwTaskRequest *request, TimestampTz until)
{
	long		longest_ms = request->worker != NULL ? LONGEST_SILENCE_MS : OW_LONGEST_SLEEP_MS;
	bool		available;

	for (;;)
	{
		(void) ow_waiter_look();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (request->worker != NULL)
			show_up(request);
		available = ow_circuit_has_tasks(request);
		PopActiveSnapshot();
		if (available)
			ow_waiter_told();
		else
			ow_waiter_looked(OW_LOOK_ALL);
		SPI_commit();
		if (available || !sleep_until(until, request->again_at, longest_ms))
			return available;
	}
}

/* wait_for_activity(task_queue text, timeout interval, activities text[], worker text, IN OUT available boolean) */
Datum
ow_wait_for_activity(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	OwTaskRequest request;
	TimestampTz until;
	volatile bool available = false;

	ow_api_check_may_commit(fcinfo, "workflow.wait_for_activity()", "let workflow.poll_activity() wait");
	check_can_wait();
	request = request_for(ow_api_text(fcinfo, 0, "task_queue"));
	request.activities = activities_argument(fcinfo, 2);
	request.worker = ow_api_optional_text(fcinfo, 3);
	until = ow_api_until(fcinfo, 1);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	SPI_commit();
	ow_waiter_settle();
	PG_TRY();
	{
		ow_waiter_begin(ow_task_queue_key(request.task_queue), ow_task_filter(&request));
		available = wait_until_available(&request, until);
	}
	PG_FINALLY();
	{
		ow_waiter_end();
	}
	PG_END_TRY();
	SPI_finish();
	MemoryContextSwitchTo(caller);
	return ow_api_procedure_row(fcinfo, BoolGetDatum(available));
}
