/*
 * wait.c
 *		workflow.wait, wait_for_close and result.
 *
 * Waiting goes: enter shared memory as a waiter, look with a fresh snapshot, sleep on the latch
 * until whoever closes the run wakes us, look again.  The function holds the snapshot of the
 * statement that called it all the while; the procedure commits before every sleep, and holds
 * nothing.
 */
#include "postgres.h"

#include "access/xact.h"
#include "api/api.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "engine/activity.h"
#include "errors.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/identity.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "worker/pool.h"
#include "worker/wakeup.h"

PG_FUNCTION_INFO_V1(ow_wait);
PG_FUNCTION_INFO_V1(ow_wait_for_close);
PG_FUNCTION_INFO_V1(ow_result);

/* Columns of workflow.execution_result */
enum
{
	RESULT_WORKFLOW_ID,
	RESULT_RUN_ID,
	RESULT_WORKFLOW,
	RESULT_VERSION,
	RESULT_STATUS,
	RESULT_OUTPUT,
	RESULT_ERROR,
	RESULT_CAUSE,
	RESULT_PUBLIC_ERROR,
	RESULT_STARTED_AT,
	RESULT_CLOSED_AT,
	RESULT_COLUMNS
};

typedef struct Wait
{
	char	   *workflow_id;	/* of the run that was found first */
	pg_uuid_t	run_id;
	TimestampTz until;
	bool		commits;		/* the procedure */
} Wait;

/* ---- the row ---- */

static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

static void
set_json(Datum *values, bool *nulls, int column, Jsonb *json)
{
	nulls[column] = json == NULL;
	values[column] = JsonbPGetDatum(json);
}

/*
 * A closed run as workflow.execution_result.  Error and cause are internal: for who may read it all
 * only.
 */
static Datum
result_row(const OwFoundRun *run)
{
	Datum		values[RESULT_COLUMNS] = {0};
	bool		nulls[RESULT_COLUMNS] = {0};
	bool		internal = ow_catalog_may(GetUserId(), run->workflow, run->owner, OW_PRIVILEGE_READ);
	Oid			schema = get_namespace_oid("workflow", false);
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum("execution_result"), ObjectIdGetDatum(schema));
	TupleDesc	descriptor = lookup_rowtype_tupdesc(type, -1);
	HeapTuple	tuple;

	if (descriptor->natts != RESULT_COLUMNS)
		elog(ERROR, "type workflow.execution_result has %d columns instead of %d",
			 descriptor->natts, RESULT_COLUMNS);
	set_text(values, nulls, RESULT_WORKFLOW_ID, run->workflow_id);
	values[RESULT_RUN_ID] = UUIDPGetDatum(&run->ref.run_id);
	set_text(values, nulls, RESULT_WORKFLOW, run->workflow);
	values[RESULT_VERSION] = Int32GetDatum(run->version);
	set_text(values, nulls, RESULT_STATUS, ow_status_name(run->status));
	set_json(values, nulls, RESULT_OUTPUT, run->output);
	set_text(values, nulls, RESULT_ERROR, internal ? run->error : NULL);
	set_text(values, nulls, RESULT_CAUSE, internal ? run->cause : NULL);
	set_json(values, nulls, RESULT_PUBLIC_ERROR, run->public_error);
	values[RESULT_STARTED_AT] = TimestampTzGetDatum(run->started_at);
	values[RESULT_CLOSED_AT] = TimestampTzGetDatum(run->closed_at);
	tuple = heap_form_tuple(descriptor, values, nulls);
	ReleaseTupleDesc(descriptor);
	return HeapTupleGetDatum(tuple);
}

/* ---- looking ---- */

/* The run waited for, or what followed it by continue-as-new or a retry */
static OwFoundRun *
look(const Wait *wait)
{
	OwFoundRun *run = ow_find_run(&wait->run_id);

	if (run != NULL && run->continued)
		run = ow_find_continuation(run);
	if (run == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_EXECUTION_NOT_FOUND),
				 errmsg("the run of workflow id \"%s\" is gone", wait->workflow_id)));
	return run;
}

/* Refuses to wait for what cannot be seen from here, however long it takes. */
static void
check_can_wait(const OwFoundRun *run)
{
	const OwRun *ignored;

	if (run->uncommitted)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait for workflow id \"%s\", which was started in this transaction",
						run->workflow_id),
				 errhint("Its run begins when the transaction commits. Commit, then wait.")));
	if (ow_activity_current(&ignored) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait for workflow id \"%s\" inside an activity", run->workflow_id),
				 errdetail("It would hold up the executor that may have to drive that run."),
				 errhint("Let the definition wait: with a Wait state and a Choice.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait in a transaction whose isolation level is REPEATABLE READ or SERIALIZABLE"),
				 errdetail("It would never see the run closed."),
				 errhint("Use READ COMMITTED.")));
	if (!ow_pool_available())
		ereport(ERROR,
				(errcode(ERRCODE_OW_ENGINE_NOT_AVAILABLE),
				 errmsg("cannot wait for workflow id \"%s\" because nothing runs workflows here",
						run->workflow_id),
				 errhint("Add order_workflow to shared_preload_libraries and restart the server.")));
	if (ow_identity_is_foreign())
		ereport(ERROR,
				(errcode(ERRCODE_OW_ENGINE_QUARANTINED),
				 errmsg("cannot wait for workflow id \"%s\" because this is a copy of another database",
						run->workflow_id),
				 errhint("Call workflow.resume_engine() if workflows are to run here from now on.")));
}

static void
report_timeout(const OwFoundRun *run)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_WAIT_TIMEOUT),
			 errmsg("timeout while waiting for workflow id \"%s\" to close", run->workflow_id),
			 errdetail("Its status is %s.", ow_status_name(run->status)),
			 errhint("workflow.explain() tells what it is waiting for.")));
}

/* ---- waiting ---- */

bool
ow_api_sleep(TimestampTz until, bool commits)
{
	long		remaining_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);

	if (remaining_ms <= 0)
		return false;
	if (commits)
		SPI_commit();
	InvalidateCatalogSnapshot();
	ow_waiter_sleep(Min(remaining_ms, OW_LONGEST_SLEEP_MS));
	return true;
}

static OwFoundRun *
wait_until_closed(const Wait *wait)
{
	MemoryContext look_context = AllocSetContextCreate(CurrentMemoryContext, "order_workflow wait",
													   ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(look_context);
	OwFoundRun *run;

	for (;;)
	{
		run = look(wait);
		if (!run->open)
			break;
		check_can_wait(run);
		if (!ow_api_sleep(wait->until, wait->commits))
			report_timeout(run);
		MemoryContextSwitchTo(look_context);
		MemoryContextReset(look_context);
	}
	MemoryContextSwitchTo(previous);
	return run;
}

/* Waits for the run that the arguments name.  The key is entered before the look that counts. */
static OwFoundRun *
wait_for_run(FunctionCallInfo fcinfo, bool commits)
{
	Wait		wait = {.commits = commits};
	OwFoundRun *run;

	wait.until = ow_api_until(fcinfo, 1);
	run = ow_api_run(fcinfo);
	wait.workflow_id = run->workflow_id;
	wait.run_id = run->ref.run_id;
	PG_TRY();
	{
		ow_waiter_begin(ow_wakeup_key(wait.workflow_id), OW_WAKE_ALL);
		run = wait_until_closed(&wait);
	}
	PG_FINALLY();
	{
		ow_waiter_end();
	}
	PG_END_TRY();
	return run;
}

/* wait(workflow_id text | run_id uuid, timeout interval) */
Datum
ow_wait(PG_FUNCTION_ARGS)
{
	return result_row(wait_for_run(fcinfo, false));
}

/* wait_for_close(workflow_id text | run_id uuid, timeout interval, execution) */
Datum
ow_wait_for_close(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext previous;
	Datum		row;

	ow_api_check_may_commit(fcinfo, "workflow.wait_for_close()", "use workflow.wait()");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	SPI_commit();
	row = result_row(wait_for_run(fcinfo, true));
	previous = MemoryContextSwitchTo(caller);
	row = ow_api_procedure_row(fcinfo, row);
	MemoryContextSwitchTo(previous);
	SPI_finish();
	return row;
}

/* ---- result ---- */

static int
failure_errcode(OwStatus status)
{
	switch (status)
	{
		case OW_STATUS_CANCELED:
			return ERRCODE_OW_WORKFLOW_CANCELED;
		case OW_STATUS_TERMINATED:
			return ERRCODE_OW_WORKFLOW_TERMINATED;
		case OW_STATUS_TIMED_OUT:
			return ERRCODE_OW_WORKFLOW_TIMED_OUT;
		default:
			return ERRCODE_OW_WORKFLOW_FAILED;
	}
}

/*
 * Raises what a run that did not complete failed with: its public error.  Without one, the internal
 * error's name is told to those who own the workflow only.
 */
static void
report_failure(const OwFoundRun *run)
{
	const Jsonb *public = run->public_error;
	char	   *code = public ? ow_json_get_string(public, "Code") : NULL;
	char	   *message = public ? ow_json_get_string(public, "Message") : NULL;
	bool		internal = run->error != NULL &&
		ow_catalog_may(GetUserId(), run->workflow, run->owner, OW_PRIVILEGE_READ);

	if (code != NULL)
		ereport(ERROR,
				(errcode(failure_errcode(run->status)),
				 message ? errmsg("%s: %s", code, message) : errmsg("%s", code)));
	ereport(ERROR,
			(errcode(failure_errcode(run->status)),
			 internal ? errmsg("workflow id \"%s\" has closed with status %s: %s", run->workflow_id,
							   ow_status_name(run->status), run->error) :
			 errmsg("workflow id \"%s\" has closed with status %s", run->workflow_id,
					ow_status_name(run->status)),
			 internal && run->cause ? errdetail("%s", run->cause) : 0));
}

/* result(workflow_id text | run_id uuid) */
Datum
ow_result(PG_FUNCTION_ARGS)
{
	OwFoundRun *run = ow_api_run(fcinfo);

	if (run->continued)
		run = ow_find_continuation(run);
	if (run->open)
		ereport(ERROR,
				(errcode(ERRCODE_OW_NOT_CLOSED),
				 errmsg("workflow id \"%s\" has not closed yet", run->workflow_id),
				 errdetail("Its status is %s.", ow_status_name(run->status)),
				 errhint("Wait for it with workflow.wait().")));
	if (run->status != OW_STATUS_COMPLETED)
		report_failure(run);
	if (run->output == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(run->output);
}
