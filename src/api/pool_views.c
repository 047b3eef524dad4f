/*
 * pool_views.c
 *		Executors, pools and the state of the engine, for workflow.workers, task_queues and explain.
 *
 * A role sees what works for roles whose rights it has; readers (grant_reader) see all.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "api/api.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "settings.h"
#include "store/identity.h"
#include "store/task.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/pool.h"
#include "worker/rates.h"

PG_FUNCTION_INFO_V1(ow_worker_stats);
PG_FUNCTION_INFO_V1(ow_pool_stats);
PG_FUNCTION_INFO_V1(ow_task_rates);
PG_FUNCTION_INFO_V1(ow_engine_status);

/* Tells whether the current user may execute workflow.see_all_runs(). */
bool
ow_api_sees_all_runs(void)
{
	List	   *name = list_make2(makeString("workflow"), makeString("see_all_runs"));
	Oid			function = LookupFuncName(name, 0, NULL, true);

	return OidIsValid(function) && pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
}

static bool
is_visible(Oid role, bool all)
{
	return all || has_privs_of_role(GetUserId(), role);
}

/* workflow.worker_stats() */
Datum
ow_worker_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		all = ow_api_sees_all_runs();
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, ow_pool_list_workers())
	{
		const OwWorkerInfo *worker = lfirst(cell);
		Datum		values[] = {
			Int32GetDatum(worker->pid),
			ObjectIdGetDatum(worker->role),
			CStringGetTextDatum(worker->state),
			TimestampTzGetDatum(worker->started_at),
			TimestampTzGetDatum(worker->last_batch_at),
			Int64GetDatum(worker->batches),
			Int64GetDatum(worker->runs)
		};
		bool		nulls[lengthof(values)] = {[4] = worker->last_batch_at == 0};

		if (is_visible(worker->role, all))
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* workflow.pool_stats() */
Datum
ow_pool_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		all = ow_api_sees_all_runs();
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, ow_pool_list_pools())
	{
		const OwPoolInfo *pool = lfirst(cell);
		Datum		values[] = {
			ObjectIdGetDatum(pool->role),
			Int32GetDatum(pool->executors),
			Int32GetDatum(pool->ready),
			TimestampTzGetDatum(pool->next_due),
			pool->parked_reason ? CStringGetTextDatum(pool->parked_reason) : (Datum) 0
		};
		bool		nulls[lengthof(values)] = {
			[3] = TIMESTAMP_NOT_FINITE(pool->next_due),
			[4] = pool->parked_reason == NULL
		};

		if (is_visible(pool->role, all))
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* workflow.task_rates(owner regrole, task_queue text, OUT add_rate float8, OUT dispatch_rate float8) */
Datum
ow_task_rates(PG_FUNCTION_ARGS)
{
	Oid			owner = PG_GETARG_OID(0);
	uint32		queue_key = ow_task_queue_key(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	double		added = 0;
	double		taken = 0;
	bool		known = is_visible(owner, ow_api_sees_all_runs()) && ow_rates_read(owner, queue_key, &added, &taken);
	TupleDesc	descriptor;
	Datum		values[2];
	bool		nulls[2] = {!known, !known};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Float8GetDatum(added);
	values[1] = Float8GetDatum(taken);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/* workflow.engine_status() */
Datum
ow_engine_status(PG_FUNCTION_ARGS)
{
	const char *status = "Running";

	if (RecoveryInProgress())
		status = "Standby";
	else if (!ow_pool_available())
		status = "NotPreloaded";
	else if (!ow_enabled)
		status = "Disabled";
	else if (ow_identity_is_foreign())
		status = "Quarantined";
	PG_RETURN_TEXT_P(cstring_to_text(status));
}
