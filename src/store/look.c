/*
 * look.c
 *		Reading the views as the current user.
 *
 * Other than the rest of the store: the user is not switched, since what he may see is for the views to
 * decide, nothing is written, and these statements are too seldom for kept plans.  They use no
 * operator and name all else with its schema, so the search path does not matter.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "store/look.h"
#include "utils/builtins.h"

/* Runs a statement of one row and column.  False when it gives no row, or NULL. */
static bool
look(const char *sql, int count, Oid *types, Datum *values, Datum *result)
{
	MemoryContext context = CurrentMemoryContext;
	bool		isnull = true;
	int			status;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	status = SPI_execute_with_args(sql, count, types, values, NULL, true, 1);
	if (status != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed: %s: %s", SPI_result_code_string(status), sql);
	if (SPI_processed > 0)
	{
		TupleDesc	descriptor = SPI_tuptable->tupdesc;
		Form_pg_attribute column = TupleDescAttr(descriptor, 0);

		*result = SPI_getbinval(SPI_tuptable->vals[0], descriptor, 1, &isnull);
		if (!isnull)
		{
			MemoryContext previous = MemoryContextSwitchTo(context);

			*result = SPI_datumTransfer(*result, column->attbyval, column->attlen);
			MemoryContextSwitchTo(previous);
		}
	}
	SPI_finish();
	return !isnull;
}

static char *
look_text(const char *sql, int count, Oid *types, Datum *values)
{
	Datum		result;

	return look(sql, count, types, values, &result) ? TextDatumGetCString(result) : NULL;
}

char *
ow_look_definition(const char *workflow, int version)
{
	Oid			types[2] = {TEXTOID, INT4OID};
	Datum		values[2] = {CStringGetTextDatum(workflow), Int32GetDatum(version)};

	return look_text("SELECT workflow.definition_source($1, $2)", 2, types, values);
}

int
ow_look_last_version(const char *workflow)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(workflow)};
	Datum		result;

	return look("SELECT workflow.last_version($1)", 1, types, values, &result) ? DatumGetInt32(result) : 0;
}

bool
ow_look_run(const pg_uuid_t *run_id, Datum *row)
{
	Oid			types[1] = {UUIDOID};
	Datum		values[1] = {UUIDPGetDatum(run_id)};

	return look("SELECT e FROM workflow.explain_run($1) e", 1, types, values, row);
}

bool
ow_look_workflow(const char *workflow_id, Datum *row)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(workflow_id)};

	return look("SELECT e FROM workflow.get_execution($1) r, LATERAL workflow.explain_run(r.run_id) e",
				1, types, values, row);
}

static char *
draw(const char *sql, const char *definition)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(definition)};

	return look_text(sql, 1, types, values);
}

char *
ow_look_mermaid(const char *definition)
{
	return draw("SELECT workflow.describe_mermaid($1)", definition);
}

char *
ow_look_dot(const char *definition)
{
	return draw("SELECT workflow.describe_dot($1)", definition);
}

char *
ow_look_states(const char *definition)
{
	return draw("SELECT workflow.describe_states($1)", definition);
}
