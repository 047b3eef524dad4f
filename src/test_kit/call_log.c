/*
 * call_log.c
 *		What the runs of a test have called, mocked or real: activities, and other workflows.
 */
#include "postgres.h"

#include "engine/clock.h"
#include "fmgr.h"
#include "funcapi.h"
#include "machine/json.h"
#include "test_kit/kit_internal.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_test_calls);
PG_FUNCTION_INFO_V1(ow_test_requests);

static char *
copy(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

OwTestCall *
ow_test_log(OwTestKit *kit, const OwMockedCall *call, const char *workflow_id)
{
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	OwTestCall *logged = palloc0(sizeof(OwTestCall));

	logged->kind = call->kind;
	logged->workflow_id = copy(workflow_id);
	logged->name = copy(call->name);
	logged->other_id = copy(call->workflow_id);
	logged->signal = copy(call->signal);
	logged->attempt = call->attempt;
	logged->input = ow_json_copy(call->input);
	logged->called_at = ow_clock_now();
	kit->calls = lappend(kit->calls, logged);
	MemoryContextSwitchTo(previous);
	return logged;
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

/* calls(): every call of an activity in this test, in order. */
Datum
ow_test_calls(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, kit->calls)
	{
		const OwTestCall *call = lfirst(cell);
		Datum		values[7];
		bool		nulls[7] = {false};

		if (call->kind != OW_MOCK_ACTIVITY)
			continue;
		values[0] = CStringGetTextDatum(call->workflow_id);
		values[1] = CStringGetTextDatum(call->name);
		values[2] = CStringGetTextDatum(call->state);
		values[3] = Int32GetDatum(call->attempt);
		values[4] = BoolGetDatum(call->compensation);
		values[5] = JsonbPGetDatum(call->input);
		values[6] = TimestampTzGetDatum(call->called_at);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* requests(): what runs asked of other workflows, in order. */
Datum
ow_test_requests(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, kit->calls)
	{
		const OwTestCall *call = lfirst(cell);
		Datum		values[8];
		bool		nulls[8] = {false};

		if (call->kind == OW_MOCK_ACTIVITY)
			continue;
		values[0] = CStringGetTextDatum(ow_mock_kind_name(call->kind));
		values[1] = CStringGetTextDatum(call->workflow_id);
		values[2] = text_or_null(call->kind == OW_MOCK_WORKFLOW ? call->name : NULL, &nulls[2]);
		values[3] = CStringGetTextDatum(call->other_id);
		values[4] = text_or_null(call->signal, &nulls[4]);
		values[5] = JsonbPGetDatum(call->input);
		values[6] = BoolGetDatum(call->mocked);
		values[7] = TimestampTzGetDatum(call->called_at);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
