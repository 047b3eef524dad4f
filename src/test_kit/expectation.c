/*
 * expectation.c
 *		What a test expects of the calls that will be made: kept as SQL gives it, and given back to it.
 *
 * What expectations mean is in sql/test_kit.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "machine/json.h"
#include "test_kit/kit_internal.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_test_expect);
PG_FUNCTION_INFO_V1(ow_test_expectations);

/* _expect(expectation jsonb) */
Datum
ow_test_expect(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	MemoryContext previous = MemoryContextSwitchTo(kit->context);

	kit->expectations = lappend(kit->expectations, ow_json_copy(PG_GETARG_JSONB_P(0)));
	kit->names_unchecked = true;
	MemoryContextSwitchTo(previous);
	PG_RETURN_VOID();
}

/* _expectations(): in the order given */
Datum
ow_test_expectations(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(cell, kit->expectations)
	{
		Datum		value = JsonbPGetDatum(lfirst(cell));
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}
