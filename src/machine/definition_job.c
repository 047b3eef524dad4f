/*
 * definition_job.c
 *		The definition that a single activity is run by, without a workflow of anybody's own: one Task.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"
#include "mb/pg_wchar.h"

/* What is of the run, rather than of its Task */
static const OwField run_fields[] = {
	{"SearchAttributes", OW_OBJECT, OW_OPTIONAL},
	{"Redact", OW_ARRAY, OW_OPTIONAL},
	{NULL}
};
static const OwField *const job_tables[] = {ow_task_option_fields, ow_task_option_path_fields, run_fields, NULL};

static bool
check_options(const JsonbValue *options, OwProblems *problems)
{
	OwTaskOptions compiled;
	int			errors = problems->errors;

	if (ow_fields_check(options, "options", job_tables, problems))
	{
		ow_read_task_options(&compiled, options, "options", problems);
		ow_read_task_option_paths(&compiled, options, "options", problems);
	}
	return problems->errors == errors;
}

/* The state has the activity's name, as far as that may be a state's. */
static char *
state_name(const char *activity)
{
	return pnstrdup(activity, pg_mbcharcliplen(activity, strlen(activity), OW_MAX_STATE_NAME));
}

static Jsonb *
make_task(const char *activity, const Jsonb *options)
{
	const Jsonb *task = options;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Type", "Task");
	ow_object_add_text(&object, "Resource", activity);
	ow_object_add_bool(&object, "End", true);
	for (const OwField *field = run_fields; field->name != NULL; field++)
		task = ow_json_without_member(task, field->name);
	return ow_json_merged(task, ow_object_end(&object));
}

Jsonb *
ow_job_definition(const char *activity, const Jsonb *options, OwProblems *problems)
{
	const char *name = state_name(activity);
	JsonbValue	value;
	OwObject	object;

	ow_json_as_value(options, &value);
	if (!check_options(&value, problems))
		return NULL;
	ow_object_begin(&object);
	ow_object_add_text(&object, "Comment", "Made by workflow.start_activity()");
	ow_object_add_text(&object, "StartAt", name);
	for (const OwField *field = run_fields; field->name != NULL; field++)
		ow_object_add(&object, field->name, ow_json_get(options, field->name));
	ow_object_add(&object, "States", ow_json_with_member(ow_json_empty_object(), name, make_task(activity, options)));
	return ow_object_end(&object);
}

bool
ow_job_names_activity(const OwDefinition *definition, const char *activity)
{
	return definition->nactivities > 0 && strcmp(definition->activities[0], activity) == 0 && !definition->states[0].callback;
}
