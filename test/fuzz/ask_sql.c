/*
 * ask_sql.c
 *		Do workflow.validate() and workflow.register() agree, with each other and with the compiler?
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "errors.h"
#include "executor/spi.h"
#include "fuzz.h"
#include "utils/builtins.h"

/* SPI comes back in a context of its own, which lives as long as the fuzzer. */
static void
execute(const char *sql, const char *definition)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(definition);

	if (SPI_execute_with_args(sql, 1, &type, &value, NULL, false, 0) < 0)
		elog(ERROR, "SPI refuses \"%s\"", sql);
	MemoryContextSwitchTo(context);
}

/* The number of errors that validate() finds */
static int64
validate(const char *definition, bool as_text)
{
	bool		isnull;

	execute(as_text ? "SELECT count(*) FROM workflow.validate($1) WHERE severity = 'error'" :
			"SELECT count(*) FROM workflow.validate($1::jsonb) WHERE severity = 'error'", definition);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* Does register() take it?  An error other than "invalid definition" is for the caller to report. */
static bool
takes(const char *definition, bool as_text)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool taken = true;

	PG_TRY();
	{
		execute(as_text ? "SELECT workflow.register('fuzz', $1)" : "SELECT workflow.register('fuzz', $1::jsonb)",
				definition);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_OW_INVALID_DEFINITION)
			PG_RE_THROW();
		FlushErrorState();
		MemoryContextSwitchTo(context);
		taken = false;
	}
	PG_END_TRY();
	return taken;
}

/*
 * The compiler does not know what only the database does (more): types and expressions, which may be wrong
 * although the definition compiles.
 */
void
fuzz_ask_sql(const FuzzCase *fuzz_case, bool compiles, bool more, bool as_text)
{
	const char *form = as_text ? "text" : "jsonb";
	int64		errors = validate(fuzz_case->definition, as_text);
	bool		taken;

	if ((errors == 0) != compiles && !(compiles && more))
		fuzz_finding("validate(%s) finds " INT64_FORMAT " errors in a definition that %s", form, errors,
					 compiles ? "compiles" : "does not compile");
	taken = takes(fuzz_case->definition, as_text);
	if (taken != (errors == 0))
		fuzz_finding("validate(%s) finds " INT64_FORMAT " errors in a definition that register() %s", form, errors,
					 taken ? "takes" : "refuses");
	if (taken)
		execute("SELECT workflow.describe('fuzz', format => f) FROM unnest('{mermaid,dot}'::text[]) f WHERE $1 <> ''",
				fuzz_case->definition);
}
