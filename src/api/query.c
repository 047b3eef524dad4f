/*
 * query.c
 *		workflow.query: what a definition declares to be asked of its runs.
 *
 * An open run is looked at as it is, a closed one as its history leads to it: so nothing has to be kept for it.
 * Neither is locked, and nothing is written.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/sql_expression.h"
#include "errors.h"
#include "miscadmin.h"
#include "store/run.h"
#include "store/store.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_query);

static OwLoadedRun *
look_at_open(const OwFoundRun *found)
{
	MemoryContext context = CurrentMemoryContext;
	OwLoadedRun *loaded;

	ow_store_open();
	loaded = ow_run_read_open(&found->ref, context);
	ow_store_close();
	if (loaded != NULL)
		ow_run_bind(loaded);
	return loaded;
}

/* One that closes meanwhile has closed. */
static OwLoadedRun *
look_at(const OwFoundRun *found)
{
	OwLoadedRun *loaded = found->open ? look_at_open(found) : NULL;

	if (loaded == NULL)
		loaded = ow_api_rebuild(found);
	if (loaded == NULL)
		ow_api_report_no_run(&found->ref.run_id);
	return loaded;
}

static char *
declared_names(const OwDefinition *definition)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < definition->nqueries; i++)
		appendStringInfo(&names, "%s\"%s\"", i > 0 ? ", " : "", definition->queries[i].name);
	return names.data;
}

static const OwQueryType *
declared_query(const OwCompiled *compiled, const char *name)
{
	const OwDefinition *definition = compiled->definition;
	const OwQueryType *query = ow_definition_find_query(definition, name);

	if (query == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_QUERY_NOT_DECLARED),
				 errmsg("workflow \"%s\" has no query \"%s\"", compiled->workflow, name),
				 definition->nqueries > 0 ?
				 errdetail("\"Queries\" of version %d declares %s.", compiled->version, declared_names(definition)) :
				 errdetail("Version %d declares no \"Queries\".", compiled->version)));
	return query;
}

static bool
evaluate(void *arg, const OwRun *run, const OwSqlTemplate *template, const OwSqlScope *scope, Jsonb **value,
		 OwFailure *failure)
{
	return ow_sql_evaluate(template, scope, ((const OwLoadedRun *) arg)->owner, value, failure);
}

/* query(workflow_id text | run_id uuid, name text) RETURNS jsonb */
Datum
ow_query(PG_FUNCTION_ARGS)
{
	OwLoadedRun *loaded = look_at(ow_api_run(fcinfo));
	char	   *name = ow_api_text(fcinfo, 1, "name");
	const OwQueryType *query = declared_query(loaded->compiled, name);
	OwHost		host = {.evaluate = evaluate, .arg = loaded};
	OwMachine	machine = {
		.definition = loaded->compiled->definition,
		.host = &host,
		.run = &loaded->run,
		.context = CurrentMemoryContext
	};
	OwFailure	failure;
	Jsonb	   *value;

	if (!ow_machine_query(&machine, query, &value, &failure))
		ereport(ERROR,
				(errcode(ERRCODE_OW_QUERY_FAILED),
				 errmsg("query \"%s\" of workflow \"%s\" has no result", name, loaded->run.workflow),
				 errdetail("%s: %s", failure.error, failure.cause)));
	PG_RETURN_JSONB_P(value);
}
