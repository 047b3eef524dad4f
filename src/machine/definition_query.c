/*
 * definition_query.c
 *		Compiles what callers get to see of a run: the queries that are declared, and every "Result" that is made for
 *		them.
 *
 * A Result is a payload template, or "Result.$" a path; in SQL, a template with expressions.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"

const OwField ow_result_fields[] = {
	{"Result", OW_ANY, OW_OPTIONAL},
	{"Result.$", OW_STRING, OW_OPTIONAL},
	{NULL}
};
static const OwField *const result_tables[] = {ow_result_fields, NULL};

const OwField ow_sql_result_fields[] = {
	{"Result", OW_ANY, OW_OPTIONAL},
	{"Result.$", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{NULL}
};

static const OwField query_fields[] = {
	{"QueryLanguage", OW_STRING, OW_OPTIONAL},
	{NULL}
};
static const OwField *const query_tables[] = {query_fields, ow_result_fields, NULL};
static const OwField *const sql_query_tables[] = {query_fields, ow_sql_result_fields, NULL};

bool
ow_is_remark(const char *name)
{
	return strcmp(name, "Comment") == 0 || strncmp(name, "x-", 2) == 0;
}

OwProjection *
ow_compile_projection(OwCompiler *compiler, const JsonbValue *source, int names, const char *where)
{
	OwProjection *projection;
	JsonbValue	members;

	if (!ow_field_is_present(source, "Result") && !ow_field_is_present(source, "Result.$"))
		return NULL;
	projection = palloc0(sizeof(OwProjection));
	if (compiler->sql)
		projection->sql = ow_compile_sql(compiler, source, "Result", names, where);
	else
	{
		members = ow_fields_known(source, result_tables);
		projection->template = ow_template_compile(&members, where, compiler->problems);
	}
	return projection;
}

static void
compile_query(OwCompiler *compiler, char *name, const JsonbValue *source, const char *where)
{
	OwDefinition *definition = compiler->definition;
	OwProjection *result;

	compiler->sql = compiler->default_sql;
	if ((ow_json_value_is_object(source) && !ow_read_query_language(compiler, source, &compiler->sql, where)) ||
		!ow_fields_check(source, where, compiler->sql ? sql_query_tables : query_tables, compiler->problems))
		return;
	result = ow_compile_projection(compiler, source, 0, where);
	if (result == NULL)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "MissingField", where,
					   "It says what the query gives, as in {\"status.$\": \"$$.Execution.Status\"}.",
					   "field \"Result\" is missing in %s", ow_where_subject(where));
	definition->queries[definition->nqueries++] = (OwQueryType) {
		.name = name,
			.result = result
	};
}

/* "Queries": {name: {"Result": …}}: what can be asked of runs of the definition */
void
ow_compile_queries(OwCompiler *compiler, const JsonbValue *source)
{
	OwJsonMembers members;
	JsonbValue	queries;
	JsonbValue	query;
	char	   *name;

	if (!ow_field_get(source, "Queries", OW_OBJECT, &queries))
		return;
	compiler->definition->queries = palloc0(sizeof(OwQueryType) * ow_json_value_count(&queries));
	ow_json_members_begin(&members, &queries);
	while (ow_json_members_next(&members, &name, &query))
	{
		if (!ow_is_remark(name))
			compile_query(compiler, name, &query, ow_where_member("Queries", name));
	}
	ow_variables_collect_reads(compiler);
}

const OwQueryType *
ow_definition_find_query(const OwDefinition *definition, const char *name)
{
	for (int i = 0; i < definition->nqueries; i++)
	{
		if (strcmp(definition->queries[i].name, name) == 0)
			return &definition->queries[i];
	}
	return NULL;
}
