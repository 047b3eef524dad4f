/*
 * mock_compute.c
 *		Results that a mock computes: a SQL expression over the call, with the rights of the test.
 *
 * It is parsed as a scalar subquery, so that "SELECT …" stands there as well as an expression, over a row of the call's input,
 * attempt and workflow_id.  What it raises is the call's failure, as of a SQL activity; but what cannot be parsed is
 * found when the mock is made.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "engine/activity.h"
#include "executor/spi.h"
#include "machine/json.h"
#include "test_kit/kit_internal.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

static char *
statement_for(const char *expression)
{
	return psprintf("SELECT pg_catalog.to_jsonb(answer)"
					"  FROM (SELECT (%s\n) AS answer"
					"          FROM (SELECT $1 AS input, $2 AS attempt, $3 AS workflow_id) AS call) AS computed",
					expression);
}

static Oid	argument_types[] = {JSONBOID, INT4OID, TEXTOID};

void
ow_mock_check_expression(const char *expression)
{
	SPI_connect();
	if (SPI_prepare(statement_for(expression), lengthof(argument_types), argument_types) == NULL)
		elog(ERROR, "preparing a mock's expression failed: %s", SPI_result_code_string(SPI_result));
	SPI_finish();
}

static Jsonb *
evaluate(const char *expression, const OwMockedCall *call)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[3] = {
		JsonbPGetDatum(call->input), Int32GetDatum(call->attempt), CStringGetTextDatum(call->workflow_id)
	};
	Jsonb	   *value = NULL;
	Datum		datum;
	bool		isnull = true;
	int			result;

	SPI_connect();
	result = SPI_execute_with_args(statement_for(expression), lengthof(argument_types), argument_types, values, NULL, false, 2);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "evaluating a mock's expression failed: %s", SPI_result_code_string(result));
	datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
	{
		MemoryContext previous = MemoryContextSwitchTo(caller);

		value = ow_json_copy(DatumGetJsonbP(datum));
		MemoryContextSwitchTo(previous);
	}
	SPI_finish();
	return value ? value : ow_json_null();
}

void
ow_mock_compute(const OwMockAnswer *answer, const OwMockedCall *call, OwMockOutcome *outcome)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		outcome->result = evaluate(answer->compute, call);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		ow_activity_failure(error, &outcome->failure);
		outcome->result = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}
