/*
 * definition_sql.c
 *		Compiles the fields of the SQL language: templates in the place of paths.
 *
 * What their expressions say is not looked at here; that is for the engine, to which the templates are
 * handed with the problems.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"

/* What a SQL state is told instead of "unknown field" */
const OwField ow_jsonpath_only_fields[] = {
	{"InputPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"Parameters", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"Result", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"ResultSelector", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"ResultPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"OutputPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"Variable", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"And", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"Or", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"Not", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"SecondsPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"TimestampPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"ErrorPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"CausePath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"TimeoutSecondsPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"HeartbeatSecondsPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"ItemsPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"Iterator", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"MaxConcurrencyPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"MaxItemsPerBatchPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"MaxInputBytesPerBatchPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"ToleratedFailureCountPath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{"ToleratedFailurePercentagePath", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{NULL}
};

/* And a JSONPath state */
const OwField ow_sql_only_fields[] = {
	{"Arguments", OW_SQL_ONLY, OW_OPTIONAL},
	{"Output", OW_SQL_ONLY, OW_OPTIONAL},
	{"Condition", OW_SQL_ONLY, OW_OPTIONAL},
	{"Items", OW_SQL_ONLY, OW_OPTIONAL},
	{NULL}
};

static const OwField rule_fields[] = {
	{"Condition", OW_STRING | OW_BOOLEAN, OW_REQUIRED},
	{"Output", OW_ANY, OW_OPTIONAL},
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{"Next", OW_STRING, OW_OPTIONAL},	/* if it is missing, that is reported in any language */
	{NULL}
};
static const OwField *const rule_tables[] = {rule_fields, ow_jsonpath_only_fields, NULL};

OwSqlTemplate *
ow_compile_sql(OwCompiler *compiler, const JsonbValue *source, const char *name, int names, const char *where)
{
	OwSqlTemplate *template;
	JsonbValue	value;

	if (!ow_field_get(source, name, OW_ANY, &value))
		return NULL;
	template = ow_sql_template_compile(&value, ow_where_member(where, name),
									   OW_SQL_COMMON | names | compiler->sql_allowed, compiler->problems);
	if (template->nexpressions > 0)
		compiler->problems->unchecked = lappend(compiler->problems->unchecked, template);
	return template;
}

OwSqlTemplate *
ow_compile_sql_expression(OwCompiler *compiler, const JsonbValue *source, const char *name, const char *other,
						  int names, const char *where)
{
	char	   *text = ow_field_string(source, name);
	int			errors = compiler->problems->errors;
	OwSqlTemplate *template;

	if (text == NULL)
		return NULL;
	template = ow_compile_sql(compiler, source, name, names, where);
	if (ow_sql_template_is_expression(template))
		return template;
	if (compiler->problems->errors == errors)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType", ow_where_member(where, name),
					   "An expression stands alone between \"{%\" and \"%}\".",
					   "field \"%s\" in %s must be %s or an expression, not \"%s\"", name, ow_where_subject(where),
					   other, text);
	return NULL;
}

OwSqlTemplate *
ow_compile_sql_assign(OwCompiler *compiler, const JsonbValue *source, int names, const char *where)
{
	JsonbValue	assign;

	if (!ow_field_get(source, "Assign", OW_OBJECT, &assign))
		return NULL;
	ow_check_variables(compiler, &assign, ow_where_member(where, "Assign"));
	return ow_compile_sql(compiler, source, "Assign", names, where);
}

OwSqlTemplate *
ow_compile_sql_condition(OwCompiler *compiler, const JsonbValue *source, int names, const char *where)
{
	return ow_field_string(source, "Condition") ?
		ow_compile_sql_expression(compiler, source, "Condition", "true, false", names, where) :
		ow_compile_sql(compiler, source, "Condition", names, where);
}

/* A rule of a Choice, but for its Next */
void
ow_compile_sql_branch(OwCompiler *compiler, OwChoiceBranch *branch, const JsonbValue *source, const char *where)
{
	if (!ow_fields_check(source, where, rule_tables, compiler->problems))
		return;
	branch->condition = ow_compile_sql_condition(compiler, source, 0, where);
	branch->sql_output = ow_compile_sql(compiler, source, "Output", 0, where);
	branch->sql_assign = ow_compile_sql_assign(compiler, source, 0, where);
}

void
ow_compile_sql_flow(OwCompiler *compiler, OwState *state, const JsonbValue *source, bool has_result,
					const char *where)
{
	int			names = has_result ? OW_SQL_RESULT : 0;

	state->sql = palloc0(sizeof(OwSqlState));
	state->sql->arguments = ow_compile_sql(compiler, source, "Arguments", 0, where);
	state->sql->output = ow_compile_sql(compiler, source, "Output", names, where);
	state->sql->assign = ow_compile_sql_assign(compiler, source, names, where);
	state->sql->search = ow_compile_sql_search(compiler, source, names, where);
}
