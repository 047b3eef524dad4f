/*
 * look.c
 *		workflow.describe and workflow.explain.
 *
 * What they show is put together in SQL (sql/functions); here is what can be wrong with a call, since an
 * error raised there would come with the lines of the function that raised it.
 */
#include "postgres.h"

#include "api/api.h"
#include "errors.h"
#include "store/look.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(ow_describe);
PG_FUNCTION_INFO_V1(ow_visible_definition);
PG_FUNCTION_INFO_V1(ow_explain_run);
PG_FUNCTION_INFO_V1(ow_explain_workflow);

typedef char *(*OwDraw) (const char *definition);

static OwDraw
find_format(const char *name)
{
	static const struct
	{
		const char *name;
		OwDraw		draw;
	}			formats[] = {
		{"mermaid", ow_look_mermaid}, {"dot", ow_look_dot}, {"states", ow_look_states}
	};

	for (int i = 0; i < (int) lengthof(formats); i++)
	{
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].draw;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized format \"%s\"", name),
			 errhint("Formats are mermaid, dot and states.")));
	return NULL;
}

/* Version 0 means the current one. */
static void
report_no_definition(const char *workflow, int version)
{
	int			last = ow_look_last_version(workflow);

	if (last == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OW_WORKFLOW_NOT_FOUND),
				 errmsg("workflow \"%s\" does not exist", workflow),
				 errhint("It was never registered, or you may not see it: workflow.definitions lists those you may.")));
	ow_api_report_no_version(workflow, version, last);
}

/* The text of the definition that arguments 0 and 1 name */
static char *
definition_argument(FunctionCallInfo fcinfo)
{
	char	   *name = ow_api_text(fcinfo, 0, "name");
	int			version = ow_api_version(fcinfo, 1);
	char	   *definition = ow_look_definition(name, version);

	if (definition == NULL)
		report_no_definition(name, version);
	return definition;
}

/* describe(name text, version int, format text) */
Datum
ow_describe(PG_FUNCTION_ARGS)
{
	OwDraw		draw = find_format(ow_api_text(fcinfo, 2, "format"));

	PG_RETURN_TEXT_P(cstring_to_text(draw(definition_argument(fcinfo))));
}

/* visible_definition(name text, version int) */
Datum
ow_visible_definition(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(definition_argument(fcinfo)));
}

/* explain(run_id uuid) */
Datum
ow_explain_run(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *run_id = ow_api_uuid(fcinfo, 0, "run_id");
	Datum		row;

	if (!ow_look_run(run_id, &row))
		ow_api_report_no_run(run_id);
	PG_RETURN_DATUM(row);
}

/* explain(workflow_id text) */
Datum
ow_explain_workflow(PG_FUNCTION_ARGS)
{
	char	   *workflow_id = ow_api_text(fcinfo, 0, "workflow_id");
	Datum		row;

	if (!ow_look_workflow(workflow_id, &row))
		ow_api_report_no_workflow_id(workflow_id);
	PG_RETURN_DATUM(row);
}
