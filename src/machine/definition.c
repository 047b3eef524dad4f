/*
 * definition.c
 *		Compiles a definition: its top level, Defaults and Templates.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"

static const OwField top_fields[] = {
	{"StartAt", OW_STRING, OW_REQUIRED},
	{"States", OW_OBJECT, OW_REQUIRED},
	{"Version", OW_STRING, OW_OPTIONAL},
	{"QueryLanguage", OW_STRING, OW_OPTIONAL},
	{"TablesInExpressions", OW_BOOLEAN, OW_OPTIONAL},
	{"TimeoutSeconds", OW_NUMBER, OW_OPTIONAL},
	{"Defaults", OW_OBJECT, OW_OPTIONAL},
	{"Templates", OW_OBJECT, OW_OPTIONAL},
	{"Retry", OW_ARRAY, OW_OPTIONAL},
	{"OnError", OW_STRING, OW_OPTIONAL},
	{"OnCancel", OW_STRING, OW_OPTIONAL},
	{"OnTimeout", OW_STRING, OW_OPTIONAL},
	{"Public", OW_OBJECT, OW_OPTIONAL},
	{"Signals", OW_OBJECT, OW_OPTIONAL},
	{"Queries", OW_OBJECT, OW_OPTIONAL},
	{"Updates", OW_OBJECT, OW_OPTIONAL},
	{"SearchAttributes", OW_OBJECT, OW_OPTIONAL},
	{"Metrics", OW_OBJECT, OW_OPTIONAL},
	{"Redact", OW_ARRAY, OW_OPTIONAL},
	{"Input", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	{"Output", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	{"$schema", OW_STRING, OW_OPTIONAL},	/* for editors */
	{NULL}
};
static const OwField *const top_tables[] = {top_fields, NULL};

static const OwField defaults_fields[] = {
	{"ResultPath", OW_STRING | OW_NULL, OW_OPTIONAL},
	{NULL}
};
static const OwField *const defaults_tables[] = {
	defaults_fields, ow_task_option_fields, ow_task_option_path_fields, NULL
};

static const OwField public_fields[] = {
	{"Code", OW_STRING, OW_REQUIRED},
	{"Message", OW_STRING, OW_OPTIONAL},
	{NULL}
};
static const OwField *const public_tables[] = {public_fields, NULL};

/* ---- parts that states share ---- */

bool
ow_read_query_language(OwCompiler *compiler, const JsonbValue *source, bool *sql, const char *where)
{
	char	   *language = ow_field_string(source, "QueryLanguage");
	bool		jsonata;

	if (language == NULL)
		return !ow_field_is_present(source, "QueryLanguage");
	if (strcmp(language, "JSONPath") == 0 || strcmp(language, "SQL") == 0)
	{
		*sql = strcmp(language, "SQL") == 0;
		return true;
	}
	jsonata = strcmp(language, "JSONata") == 0;
	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "NotSupported",
				   ow_where_member(where, "QueryLanguage"),
				   jsonata ? "Use \"SQL\": it has the same fields, with expressions of PostgreSQL in {% %}." :
				   "Use \"JSONPath\" or \"SQL\".",
				   "field \"QueryLanguage\" in %s: \"%s\" is not %s", ow_where_subject(where), language,
				   jsonata ? "supported" : "known");
	return false;
}

OwPublicError *
ow_compile_public(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	OwPublicError *public;
	JsonbValue	object;

	if (!ow_field_get(source, "Public", OW_OBJECT, &object))
		return NULL;
	(void) ow_fields_check(&object, ow_where_member(where, "Public"), public_tables,
						   compiler->problems);
	public = palloc0(sizeof(OwPublicError));
	public->code = ow_field_string(&object, "Code");
	public->message = ow_field_string(&object, "Message");
	return public;
}

/* ---- Templates ---- */

static char **
template_names(const OwCompiler *compiler, int *count)
{
	OwJsonMembers members;
	JsonbValue	ignored;
	char	  **names;

	*count = 0;
	if (!compiler->has_templates)
		return NULL;
	names = palloc(ow_json_value_count(&compiler->templates) * sizeof(char *));
	ow_json_members_begin(&members, &compiler->templates);
	while (ow_json_members_next(&members, &names[*count], &ignored))
		(*count)++;
	return names;
}

char *
ow_compile_template_name(OwCompiler *compiler, const JsonbValue *source, const char *where,
						 JsonbValue *template)
{
	char	   *name = ow_field_string(source, "Use");
	char	  **names;
	const char *nearest;
	int			count;

	if (name == NULL)
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType",
					   ow_where_member(where, "Use"), NULL,
					   "field \"Use\" in %s must be the name of a template", ow_where_subject(where));
		return NULL;
	}
	if (compiler->has_templates && ow_field_get(&compiler->templates, name, OW_ANY, template))
	{
		compiler->used_templates = lappend(compiler->used_templates, name);
		return name;
	}
	names = template_names(compiler, &count);
	nearest = ow_nearest_name(name, (const char *const *) names, count);
	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "UnknownTemplate",
				   ow_where_member(where, "Use"),
				   nearest ? psprintf("Did you mean \"%s\"?", nearest) : NULL,
				   "field \"Use\" in %s names a template that does not exist: \"%s\"",
				   ow_where_subject(where), name);
	return NULL;
}

static bool
is_used(const OwCompiler *compiler, const char *template)
{
	ListCell   *cell;

	foreach(cell, compiler->used_templates)
	{
		if (strcmp(lfirst(cell), template) == 0)
			return true;
	}
	return false;
}

/* Reports templates that are no objects, and warns of those that nothing uses. */
static void
check_templates(OwCompiler *compiler)
{
	OwJsonMembers members;
	JsonbValue	body;
	char	   *name;

	if (!compiler->has_templates)
		return;
	ow_json_members_begin(&members, &compiler->templates);
	while (ow_json_members_next(&members, &name, &body))
	{
		char	   *place = ow_where_member("Templates", name);

		if (strcmp(name, "Comment") == 0 || strncmp(name, "x-", 2) == 0)
			continue;
		if (!ow_json_value_is_object(&body))
			ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType", place, NULL,
						   "template \"%s\" must be an object, not %s", name, ow_json_type_phrase(&body));
		else if (!is_used(compiler, name))
			ow_problem_add(compiler->problems, OW_SEVERITY_WARNING, "UnusedTemplate", place, NULL,
						   "no state uses template \"%s\"", name);
	}
}

/* ---- Defaults ---- */

/* Escapes what would end a quoted name in a path. */
static char *
escape_name(const char *name)
{
	StringInfoData escaped;

	initStringInfo(&escaped);
	for (; *name; name++)
	{
		if (*name == '\'' || *name == '\\')
			appendStringInfoChar(&escaped, '\\');
		appendStringInfoChar(&escaped, *name);
	}
	return escaped.data;
}

/* "$.results.{State}" becomes "$.results['Pay']", so that any name does. */
char *
ow_expand_result_path(const char *result_path, const char *state)
{
	StringInfoData path;
	char	   *name = escape_name(state);
	const char *hole;

	initStringInfo(&path);
	while ((hole = strstr(result_path, "{State}")) != NULL)
	{
		bool		dotted = hole > result_path && hole[-1] == '.';

		appendBinaryStringInfo(&path, result_path, hole - result_path - (dotted ? 1 : 0));
		appendStringInfo(&path, dotted ? "['%s']" : "%s", name);
		result_path = hole + strlen("{State}");
	}
	appendStringInfoString(&path, result_path);
	return path.data;
}

static void
compile_default_result_path(OwCompiler *compiler, const JsonbValue *source)
{
	JsonbValue	value;
	const char *error = NULL;
	OwPath	   *path;

	if (!ow_field_get(source, "ResultPath", OW_STRING | OW_NULL, &value))
		return;
	compiler->has_result_path = true;
	if (value.type == jbvNull)
		return;
	compiler->result_path = ow_json_value_cstring(&value);
	path = ow_path_compile(ow_expand_result_path(compiler->result_path, "State"), true, &error);
	if (path != NULL && !ow_path_is_data(path))
		error = "a result can be put into the state's data only";
	if (error != NULL)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidPath", "Defaults.ResultPath",
					   "Write it as in \"$.{State}\".",
					   "field \"ResultPath\" in Defaults is not a usable path: \"%s\": %s",
					   compiler->result_path, error);
}

static void
compile_defaults(OwCompiler *compiler, const JsonbValue *source)
{
	OwTaskOptions *defaults = &compiler->definition->defaults;
	JsonbValue	object;

	ow_task_options_init(defaults);
	if (!ow_field_get(source, "Defaults", OW_OBJECT, &object))
		return;
	(void) ow_fields_check(&object, "Defaults", defaults_tables, compiler->problems);
	ow_read_task_options(defaults, &object, "Defaults", compiler->problems);
	ow_read_task_option_paths(defaults, &object, "Defaults", compiler->problems);
	compile_default_result_path(compiler, &object);
}

/* ---- compensations ---- */

/* Warns of Compensate states where no task records anything to undo. */
static void
check_compensations(OwCompiler *compiler)
{
	OwDefinition *definition = compiler->definition;

	for (int i = 0; i < definition->nstates; i++)
	{
		if (definition->states[i].compensation != NULL)
			return;
	}
	for (int i = 0; i < definition->nstates; i++)
	{
		OwState    *state = &definition->states[i];

		if (state->type == OW_STATE_COMPENSATE)
			ow_problem_add(compiler->problems, OW_SEVERITY_WARNING, "NothingToCompensate",
						   compiler->places[i],
						   "Give a Task a \"Compensate\".",
						   "state \"%s\" has nothing to run: no task has a compensation", state->name);
	}
}

/* ---- top level ---- */

static void
compile_top(OwCompiler *compiler, const JsonbValue *source)
{
	OwDefinition *definition = compiler->definition;
	static const char *const versions[] = {"1.0", NULL};

	(void) ow_field_choice(source, "Version", versions, "", compiler->problems);
	definition->comment = ow_field_string(source, "Comment");
	definition->timeout_ms = ow_field_seconds_ms(source, "TimeoutSeconds", 1, "", compiler->problems);
	definition->public_error = ow_compile_public(compiler, source, "");
	ow_task_options_init(&definition->retry);
	ow_read_retriers(&definition->retry, source, "", compiler->problems);
	definition->input_type = ow_payload_type_compile(source, "Input", "", compiler->problems);
	definition->output_type = ow_payload_type_compile(source, "Output", "", compiler->problems);
	compiler->has_templates = ow_field_get(source, "Templates", OW_OBJECT, &compiler->templates);
	compile_defaults(compiler, source);
	ow_compile_signals(compiler, source);
	ow_compile_search_attributes(compiler, source);
	ow_compile_redact(compiler, source);
	ow_compile_queries(compiler, source);
	ow_compile_updates(compiler, source);
	ow_compile_metrics(compiler, source);
	ow_compile_machines(compiler, source);
	definition->on_error = ow_compile_target(compiler, source, "OnError", "");
	definition->on_cancel = ow_compile_target(compiler, source, "OnCancel", "");
	definition->on_timeout = ow_compile_target(compiler, source, "OnTimeout", "");
	ow_variables_check(compiler);
	check_templates(compiler);
	check_compensations(compiler);
	ow_check_updates(compiler);
	ow_graph_check(compiler);
}

/* Reports a value too big or nested too deeply to go into. */
static bool
check_shape(const Jsonb *source, OwProblems *problems)
{
	JsonbIterator *iterator = JsonbIteratorInit(&unconstify(Jsonb *, source)->root);
	JsonbIteratorToken token;
	JsonbValue	ignored;
	int			depth = 0;

	/* jsonb is no larger than the text by more than its headers */
	if (VARSIZE(source) > 4 * OW_MAX_DEFINITION_BYTES)
	{
		ow_report_too_large(problems);
		return false;
	}
	while ((token = JsonbIteratorNext(&iterator, &ignored, false)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_OBJECT || token == WJB_BEGIN_ARRAY)
			depth++;
		else if (token == WJB_END_OBJECT || token == WJB_END_ARRAY)
			depth--;
		if (depth > OW_MAX_NESTING)
		{
			ow_report_too_deep(problems);
			return false;
		}
	}
	return true;
}

OwDefinition *
ow_definition_compile(const Jsonb *source, OwProblems *problems)
{
	OwCompiler	compiler = {.problems = problems, .current = OW_NO_STATE};
	int			errors = problems->errors;
	JsonbValue	object;
	JsonbValue	tables;

	if (!check_shape(source, problems))
		return NULL;
	ow_json_as_value(source, &object);
	if (!ow_fields_check(&object, "", top_tables, problems))
		return NULL;
	/* in another language every expression would be a problem of its own */
	if (!ow_read_query_language(&compiler, &object, &compiler.default_sql, ""))
		return NULL;
	if (ow_field_get(&object, "TablesInExpressions", OW_BOOLEAN, &tables) && tables.val.boolean)
		compiler.sql_allowed = OW_SQL_TABLES;

	compiler.definition = palloc0(sizeof(OwDefinition));
	compile_top(&compiler, &object);
	return problems->errors == errors ? compiler.definition : NULL;
}
