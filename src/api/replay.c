/*
 * replay.c
 *		SQL-callable: histories played against other versions, of runs that are here and of exported ones.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/api.h"
#include "engine/history.h"
#include "engine/history_file.h"
#include "errors.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "store/store.h"
#include "utils/acl.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_check_compatibility);
PG_FUNCTION_INFO_V1(ow_export_history);
PG_FUNCTION_INFO_V1(ow_test_replay);

/* The run as it was when it started, with its history, which may be empty */
static OwLoadedRun *
read_run(const OwFoundRun *found, List **events)
{
	MemoryContext context = CurrentMemoryContext;
	OwLoadedRun *started;

	ow_store_open();
	started = ow_run_read_started(&found->ref, context);
	*events = started == NULL ? NIL : ow_run_read_history(&found->ref, context);
	ow_store_close();
	if (started == NULL)
	{
		ow_api_report_no_run(&found->ref.run_id);
		return NULL;
	}
	started->run.workflow = found->workflow;
	started->run.version = found->version;
	started->run.owner = GetUserNameFromId(started->owner, true);
	return started;
}

/* (compatible boolean, event_id int, reason text) */
static Datum
verdict(FunctionCallInfo fcinfo, OwLoadedRun *loaded, List *events, const OwCompiled *against)
{
	TupleDesc	descriptor;
	OwReplay	replay = {0};
	bool		same = events == NIL || ow_history_try(loaded, events, against, &replay);
	Datum		values[3] = {BoolGetDatum(same)};
	bool		nulls[3] = {false, same, same};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!same)
	{
		values[1] = Int32GetDatum(replay.event_id);
		values[2] = CStringGetTextDatum(replay.difference);
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/*
 * check_compatibility(run_id uuid, version int) RETURNS record: would the version have led the run to where it is?
 */
Datum
ow_check_compatibility(PG_FUNCTION_ARGS)
{
	OwFoundRun *found = ow_api_run(fcinfo);
	List	   *events;
	OwLoadedRun *loaded;

	ow_api_check_may_read(found);
	loaded = read_run(found, &events);
	PG_RETURN_DATUM(verdict(fcinfo, loaded, events, ow_api_definition(found->workflow, ow_api_version(fcinfo, 1))));
}

/* export_history(run_id uuid) RETURNS jsonb */
Datum
ow_export_history(PG_FUNCTION_ARGS)
{
	OwFoundRun *found = ow_api_run(fcinfo);
	List	   *events;
	OwLoadedRun *loaded;

	ow_api_check_may_read(found);
	loaded = read_run(found, &events);
	if (events == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_INVALID_STATUS),
				 errmsg("run %s has no history yet", ow_api_uuid_text(&found->ref.run_id))));
	PG_RETURN_JSONB_P(ow_history_export(loaded, events));
}

/* workflow_test.replay(history jsonb, version int) RETURNS record: the same of a history that was exported */
Datum
ow_test_replay(PG_FUNCTION_ARGS)
{
	List	   *events;
	OwLoadedRun *loaded = ow_history_import(ow_api_jsonb(fcinfo, 0, "history"), &events);

	PG_RETURN_DATUM(verdict(fcinfo, loaded, events, ow_api_definition(loaded->run.workflow, ow_api_version(fcinfo, 1))));
}
