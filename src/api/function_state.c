/*
 * function_state.c
 *		workflow.function_state: what a function is now, for the view of activities.
 */
#include "postgres.h"

#include "access/commit_ts.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "api/api.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_function_state);

/* False when nobody has kept it */
static bool
find_change(Oid function, TimestampTz *changed_at)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	TransactionId changed_by = HeapTupleIsValid(tuple) ? HeapTupleHeaderGetRawXmin(tuple->t_data) : InvalidTransactionId;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return track_commit_timestamp && TransactionIdIsNormal(changed_by) &&
		TransactionIdGetCommitTsData(changed_by, changed_at, NULL);
}

/* function_state(schema text, name text, arguments text, OUT hash text, OUT changed_at timestamptz) */
Datum
ow_function_state(PG_FUNCTION_ARGS)
{
	OwSqlFunction stored = {
		.schema = ow_api_text(fcinfo, 0, "schema"),
		.name = ow_api_text(fcinfo, 1, "name"),
		.arguments = ow_api_text(fcinfo, 2, "arguments")
	};
	Oid			function = ow_catalog_resolve(&stored);
	TimestampTz changed_at;
	TupleDesc	descriptor;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (OidIsValid(function))
	{
		values[0] = CStringGetTextDatum(ow_catalog_function_hash(function));
		nulls[0] = false;
		nulls[1] = !find_change(function, &changed_at);
		if (!nulls[1])
			values[1] = TimestampTzGetDatum(changed_at);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
