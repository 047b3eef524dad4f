/*
 * definition_update.c
 *		Compiles the updates that are declared.
 *
 * One with "Assign" or "Result" is handled where it comes; the others are for Await states to take.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"

static const OwField update_fields[] = {
	{"QueryLanguage", OW_STRING, OW_OPTIONAL},
	{"Payload", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{"Error", OW_STRING, OW_OPTIONAL},
	{"Cause", OW_STRING, OW_OPTIONAL},
	{"Public", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField condition_fields[] = {
	{"Condition", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField sql_condition_fields[] = {
	{"Condition", OW_STRING | OW_BOOLEAN, OW_OPTIONAL},
	{NULL}
};

static const OwField *const update_tables[] = {update_fields, condition_fields, ow_result_fields, NULL};
static const OwField *const sql_update_tables[] = {update_fields, sql_condition_fields, ow_sql_result_fields, NULL};

static void
compile_condition(OwCompiler *compiler, OwUpdateType *update, const JsonbValue *source, const char *where)
{
	JsonbValue	condition;

	if (compiler->sql)
		update->sql_condition = ow_compile_sql_condition(compiler, source, OW_SQL_RESULT, where);
	else if (ow_field_get(source, "Condition", OW_OBJECT, &condition))
		update->condition = ow_choice_compile(&condition, ow_where_member(where, "Condition"), compiler->problems);
}

static void
compile_update(OwCompiler *compiler, char *name, const JsonbValue *source, const char *where)
{
	OwUpdateType *update = &compiler->definition->updates[compiler->definition->nupdates++];

	update->name = name;
	compiler->sql = compiler->default_sql;
	if ((ow_json_value_is_object(source) && !ow_read_query_language(compiler, source, &compiler->sql, where)) ||
		!ow_fields_check(source, where, compiler->sql ? sql_update_tables : update_tables, compiler->problems))
		return;
	update->payload = ow_payload_type_compile(source, "Payload", where, compiler->problems);
	compile_condition(compiler, update, source, where);
	update->error = ow_field_string(source, "Error");
	update->cause = ow_field_string(source, "Cause");
	update->public_error = ow_compile_public(compiler, source, where);
	update->sql = compiler->sql;
	if (compiler->sql)
		update->sql_assign = ow_compile_sql_assign(compiler, source, OW_SQL_RESULT, where);
	else
		update->assign = ow_compile_assign(compiler, source, where);
	update->result = ow_compile_projection(compiler, source, OW_SQL_RESULT, where);
	update->handled = update->assign != NULL || update->sql_assign != NULL || update->result != NULL;
}

/* "Updates": {name: …}: what runs of the definition can be asked to do */
void
ow_compile_updates(OwCompiler *compiler, const JsonbValue *source)
{
	OwJsonMembers members;
	JsonbValue	updates;
	JsonbValue	update;
	char	   *name;

	if (!ow_field_get(source, "Updates", OW_OBJECT, &updates))
		return;
	compiler->definition->updates = palloc0(sizeof(OwUpdateType) * ow_json_value_count(&updates));
	ow_json_members_begin(&members, &updates);
	while (ow_json_members_next(&members, &name, &update))
	{
		if (!ow_is_remark(name))
			compile_update(compiler, name, &update, ow_where_member("Updates", name));
	}
	ow_variables_collect_reads(compiler);
}

const OwUpdateType *
ow_definition_find_update(const OwDefinition *definition, const char *name)
{
	for (int i = 0; i < definition->nupdates; i++)
	{
		if (strcmp(definition->updates[i].name, name) == 0)
			return &definition->updates[i];
	}
	return NULL;
}

const char *
ow_definition_nearest_update(const OwDefinition *definition, const char *name)
{
	const char **names = palloc(sizeof(char *) * Max(definition->nupdates, 1));

	for (int i = 0; i < definition->nupdates; i++)
		names[i] = definition->updates[i].name;
	return ow_nearest_name(name, names, definition->nupdates);
}

/* An Await state names the update. */
void
ow_check_awaited_update(OwCompiler *compiler, const char *name, const char *where)
{
	const OwUpdateType *update = ow_definition_find_update(compiler->definition, name);
	const char *nearest;

	if (update == NULL)
	{
		nearest = ow_definition_nearest_update(compiler->definition, name);
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "UnknownUpdate", ow_where_member(where, "Update"),
					   nearest ? psprintf("Did you mean \"%s\"?", nearest) :
					   psprintf("Declare it at the top: \"Updates\": {\"%s\": {}}.", name),
					   "field \"Update\" in %s names an update that \"Updates\" does not declare: \"%s\"",
					   ow_where_subject(where), name);
	}
	else if (update->handled)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "HandledUpdate", ow_where_member(where, "Update"),
					   "Move \"Assign\" and \"Result\" from its declaration to the states that take it.",
					   "field \"Update\" in %s names an update that is handled where it comes: \"%s\"",
					   ow_where_subject(where), name);
}

static bool
is_awaited(const OwDefinition *definition, const char *name)
{
	for (int i = 0; i < definition->nstates; i++)
	{
		const OwState *state = &definition->states[i];

		for (int j = 0; j < state->nawaited; j++)
		{
			if (state->awaited[j].is_update && state->awaited[j].signal != NULL &&
				strcmp(state->awaited[j].signal, name) == 0)
				return true;
		}
	}
	return false;
}

/* Warns of updates that nothing would ever complete. */
void
ow_check_updates(OwCompiler *compiler)
{
	const OwDefinition *definition = compiler->definition;

	for (int i = 0; i < definition->nupdates; i++)
	{
		const OwUpdateType *update = &definition->updates[i];

		if (!update->handled && !is_awaited(definition, update->name))
			ow_problem_add(compiler->problems, OW_SEVERITY_WARNING, "UnusedUpdate",
						   ow_where_member("Updates", update->name),
						   "Give it \"Assign\" or \"Result\", or let an Await state take it.",
						   "update \"%s\" is declared, and nothing takes it", update->name);
	}
}
