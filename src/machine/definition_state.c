/*
 * definition_state.c
 *		Compiles states: which fields each type has, and a small parser for each type.
 *
 * To add a type: an entry in OwStateType, its fields and a row in state_kinds[] here, its parser.
 */
#include "postgres.h"

#include "fmgr.h"
#include "machine/definition_internal.h"
#include "machine/json.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

/* ---- fields ---- */

static const OwField common_fields[] = {
	{"Type", OW_STRING, OW_REQUIRED},
	{"QueryLanguage", OW_STRING, OW_OPTIONAL},
	{NULL}
};

static const OwField flow_fields[] = {
	{"InputPath", OW_STRING | OW_NULL, OW_OPTIONAL},
	{"OutputPath", OW_STRING | OW_NULL, OW_OPTIONAL},
	{NULL}
};

static const OwField next_fields[] = {
	{"Next", OW_STRING, OW_OPTIONAL},
	{"End", OW_BOOLEAN, OW_OPTIONAL},
	{NULL}
};

static const OwField assign_fields[] = {
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField search_fields[] = {
	{"SearchAttributes", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField pass_fields[] = {
	{"Parameters", OW_ANY, OW_OPTIONAL},
	{"Result", OW_ANY, OW_OPTIONAL},
	{"ResultPath", OW_STRING | OW_NULL, OW_OPTIONAL},
	{NULL}
};

static const OwField task_fields[] = {
	{"Resource", OW_STRING, OW_REQUIRED},
	{"Parameters", OW_ANY, OW_OPTIONAL},
	{"ResultSelector", OW_ANY, OW_OPTIONAL},
	{"ResultPath", OW_STRING | OW_NULL, OW_OPTIONAL},
	{"Catch", OW_ARRAY, OW_OPTIONAL},
	{"Compensate", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	{"Credentials", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField choice_fields[] = {
	{"Choices", OW_ARRAY, OW_REQUIRED},
	{"Default", OW_STRING, OW_OPTIONAL},
	{NULL}
};

static const OwField wait_fields[] = {
	{"Seconds", OW_NUMBER, OW_OPTIONAL},
	{"SecondsPath", OW_STRING, OW_OPTIONAL},
	{"Timestamp", OW_STRING, OW_OPTIONAL},
	{"TimestampPath", OW_STRING, OW_OPTIONAL},
	{NULL}
};

static const OwField await_fields[] = {
	{"Any", OW_ARRAY, OW_OPTIONAL},
	{"All", OW_ARRAY, OW_OPTIONAL},
	{NULL}
};

static const OwField continue_fields[] = {
	{"InputPath", OW_STRING | OW_NULL, OW_OPTIONAL},
	{"Parameters", OW_ANY, OW_OPTIONAL},
	{"Version", OW_STRING, OW_OPTIONAL},
	{NULL}
};

static const OwField fail_fields[] = {
	{"Error", OW_STRING, OW_OPTIONAL},
	{"ErrorPath", OW_STRING, OW_OPTIONAL},
	{"Cause", OW_STRING, OW_OPTIONAL},
	{"CausePath", OW_STRING, OW_OPTIONAL},
	{"Public", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

/* ---- fields in SQL ---- */

static const OwField sql_flow_fields[] = {
	{"Output", OW_ANY, OW_OPTIONAL},
	{NULL}
};

static const OwField sql_task_fields[] = {
	{"Resource", OW_STRING, OW_REQUIRED},
	{"Arguments", OW_ANY, OW_OPTIONAL},
	{"Catch", OW_ARRAY, OW_OPTIONAL},
	{"Compensate", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	{"Credentials", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField sql_wait_fields[] = {
	{"Seconds", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"Timestamp", OW_STRING, OW_OPTIONAL},
	{NULL}
};

static const OwField sql_continue_fields[] = {
	{"Arguments", OW_ANY, OW_OPTIONAL},
	{"Version", OW_STRING, OW_OPTIONAL},
	{NULL}
};

static const OwField sql_fail_fields[] = {
	{"Error", OW_STRING, OW_OPTIONAL},
	{"Cause", OW_STRING, OW_OPTIONAL},
	{"Public", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

/* ---- paths and transitions ---- */

OwPath *
ow_compile_result_path(OwCompiler *compiler, const JsonbValue *source, bool *is_null,
					   const char *where)
{
	int			nreads = list_length(compiler->problems->reads);
	OwPath	   *path = ow_field_path(source, "ResultPath", true, is_null, where, compiler->problems);

	if (path != NULL && !ow_path_is_data(path))
	{
		compiler->problems->reads = list_truncate(compiler->problems->reads, nreads);
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidPath",
					   ow_where_member(where, "ResultPath"),
					   "Begin it with \"$.\"; variables are set with \"Assign\".",
					   "field \"ResultPath\" in %s is not in the state's data: \"%s\"",
					   ow_where_subject(where), ow_path_text(path));
	}
	return path;
}

/* Notes the variable that a member of Assign sets, or reports that it cannot be one. */
static void
check_variable(OwCompiler *compiler, const char *member, const char *where)
{
	size_t		length = strlen(member);
	bool		dynamic = !compiler->sql && length > 2 && strcmp(member + length - 2, ".$") == 0;
	char	   *name = dynamic ? pnstrdup(member, length - 2) : pstrdup(member);

	if (!ow_variable_name_is_valid(name))
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidName", ow_where_member(where, member),
					   psprintf("Take letters, digits and \"_\", at most %d; \"states\" is reserved.",
								OW_MAX_VARIABLE_NAME),
					   "%s assigns \"%s\", which cannot be the name of a variable", ow_where_subject(where), name);
	else
		ow_variables_note_assigned(compiler, name, where, member);
}

void
ow_check_variables(OwCompiler *compiler, const JsonbValue *assign, const char *where)
{
	OwJsonMembers members;
	JsonbValue	value;
	char	   *name;

	ow_json_members_begin(&members, assign);
	while (ow_json_members_next(&members, &name, &value))
		check_variable(compiler, name, where);
}

OwTemplate *
ow_compile_assign(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	char	   *place = ow_where_member(where, "Assign");
	JsonbValue	assign;

	if (!ow_field_get(source, "Assign", OW_OBJECT, &assign))
		return NULL;
	ow_check_variables(compiler, &assign, place);
	return ow_template_compile(&assign, place, compiler->problems);
}

static void
compile_flow(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	JsonbValue	value;

	state->input_path = ow_field_path(source, "InputPath", false, &state->input_path_null, where,
									  compiler->problems);
	state->output_path = ow_field_path(source, "OutputPath", false, &state->output_path_null, where,
									   compiler->problems);
	state->result_path = ow_compile_result_path(compiler, source, &state->result_path_null, where);
	if (ow_field_get(source, "Parameters", OW_ANY, &value))
		state->parameters = ow_template_compile(&value, ow_where_member(where, "Parameters"),
												compiler->problems);
	if (ow_field_get(source, "ResultSelector", OW_ANY, &value))
		state->result_selector = ow_template_compile(&value, ow_where_member(where, "ResultSelector"),
													 compiler->problems);
	state->assign = ow_compile_assign(compiler, source, where);
	state->search = ow_compile_search(compiler, source, where);
}

void
ow_compile_transition(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	JsonbValue	end;
	bool		ends = ow_field_get(source, "End", OW_BOOLEAN, &end) && end.val.boolean;
	bool		bad_end = ow_field_get(source, "End", OW_ANY & ~OW_BOOLEAN, &end);
	bool		has_next = ow_field_is_present(source, "Next");

	state->next = ow_compile_target(compiler, source, "Next", where);
	if (ends || !has_next)
		compiler->ends[state->index] = true;
	if (ends && has_next)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "ExclusiveFields", where,
					   "Keep one of them.", "state \"%s\" has both \"Next\" and \"End\"", state->name);
	else if (!ends && !has_next && !bad_end)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "MissingField", where,
					   "Name the state that follows in \"Next\", or end the workflow with \"End\": true.",
					   "state \"%s\" has neither \"Next\" nor \"End\"", state->name);
}

/* ---- types ---- */

static void
compile_pass(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	JsonbValue	result;

	if (ow_field_get(source, "Result", OW_ANY, &result))
		state->result = ow_json_from_value(&result);
}

/* Gives a Task, Parallel or Map without a ResultPath the one of Defaults. */
static void
apply_default_result_path(OwCompiler *compiler, OwState *state, const JsonbValue *source)
{
	const char *error = NULL;

	if (!compiler->has_result_path || compiler->sql || ow_field_is_present(source, "ResultPath"))
		return;
	if (compiler->result_path == NULL)
		state->result_path_null = true;
	else
		state->result_path = ow_path_compile(ow_expand_result_path(compiler->result_path, state->name),
											 true, &error);
}

static void
compile_task(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	ow_compile_task(compiler, state, source, where);
	ow_compile_catchers(compiler, state, source, where);
	apply_default_result_path(compiler, state, source);
}

static void
compile_parallel(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	ow_compile_parallel(compiler, state, source, where);
	ow_compile_catchers(compiler, state, source, where);
	apply_default_result_path(compiler, state, source);
}

static void
compile_map(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	ow_compile_map(compiler, state, source, where);
	ow_compile_catchers(compiler, state, source, where);
	apply_default_result_path(compiler, state, source);
}

static void
compile_branch(OwCompiler *compiler, OwChoiceBranch *branch, const JsonbValue *source,
			   const char *where)
{
	JsonbValue	assign;

	branch->next = OW_NO_STATE;
	if (compiler->sql)
		ow_compile_sql_branch(compiler, branch, source, where);
	else
		branch->rule = ow_choice_compile(source, where, compiler->problems);
	if (!ow_json_value_is_object(source))
		return;
	branch->next = ow_compile_target(compiler, source, "Next", where);
	if (!ow_field_is_present(source, "Next"))
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "MissingField", where, NULL,
					   "%s has no \"Next\"", ow_where_subject(where));
	else if (ow_field_string(source, "Next") == NULL)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType",
					   ow_where_member(where, "Next"), NULL,
					   "field \"Next\" in %s must be a string", ow_where_subject(where));
	if (ow_field_is_present(source, "Assign") && !ow_field_get(source, "Assign", OW_OBJECT, &assign))
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType", ow_where_member(where, "Assign"), NULL,
					   "field \"Assign\" in %s must be an object", ow_where_subject(where));
	if (!compiler->sql)
		branch->assign = ow_compile_assign(compiler, source, where);
}

static void
compile_choice(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	char	   *place = ow_where_member(where, "Choices");
	JsonbValue	array;
	JsonbValue	element;

	state->default_next = ow_compile_target(compiler, source, "Default", where);
	if (!ow_field_is_present(source, "Default"))
		ow_problem_add(compiler->problems, OW_SEVERITY_WARNING, "NoDefault", where,
					   "Without a match the workflow fails with States.NoChoiceMatched.",
					   "state \"%s\" has no \"Default\"", state->name);
	if (!ow_field_get(source, "Choices", OW_ARRAY, &array))
	{
		compiler->ends[state->index] = true;	/* who knows where it would lead */
		return;
	}
	if (ow_json_value_count(&array) == 0)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "EmptyChoices", place, NULL,
					   "field \"Choices\" in state \"%s\" is empty", state->name);

	state->branches = palloc0(ow_json_value_count(&array) * sizeof(OwChoiceBranch));
	while (ow_json_value_element(&array, state->nbranches, &element))
	{
		compile_branch(compiler, &state->branches[state->nbranches], &element,
					   ow_where_element(place, state->nbranches));
		state->nbranches++;
	}
}

static void
compile_succeed(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	compiler->ends[state->index] = true;
}

static void
compile_fail(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	static const char *const errors[] = {"Error", "ErrorPath", NULL};
	static const char *const causes[] = {"Cause", "CausePath", NULL};

	compiler->ends[state->index] = true;
	ow_fields_exclusive(source, errors, false, where, compiler->problems);
	ow_fields_exclusive(source, causes, false, where, compiler->problems);
	if (compiler->sql)
	{
		state->sql->error = ow_compile_sql(compiler, source, "Error", 0, where);
		state->sql->cause = ow_compile_sql(compiler, source, "Cause", 0, where);
	}
	else
	{
		state->error = ow_field_string(source, "Error");
		state->cause = ow_field_string(source, "Cause");
	}
	state->error_path = ow_field_expression(source, "ErrorPath", where, compiler->problems);
	state->cause_path = ow_field_expression(source, "CausePath", where, compiler->problems);
	state->public_error = ow_compile_public(compiler, source, where);
}

static void
compile_continue_as_new(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	static const char *const versions[] = {"Current", "Inherit", NULL};

	compiler->ends[state->index] = true;
	state->inherits_version = ow_field_choice(source, "Version", versions, where, compiler->problems) == 1;
	if (compiler->submachine != 0)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "MisplacedState", where,
					   "A branch cannot speak for the whole run: let it end, and continue from there.",
					   "state \"%s\" continues the run as new, but is in a branch", state->name);
}

typedef void (*OwStateCompiler) (OwCompiler *compiler, OwState *state, const JsonbValue *source,
								 const char *where);

typedef struct OwStateKind
{
	const char *name;
	OwStateType type;
	bool		has_transition; /* Next or End */
	OwStateCompiler compile;	/* may be NULL */
	bool		has_result;
	const OwField *const tables[11];
	const OwField *const sql_tables[10];
} OwStateKind;

static const OwStateKind state_kinds[] = {
	{"Pass", OW_STATE_PASS, true, compile_pass, false,
		{common_fields, flow_fields, next_fields, assign_fields, search_fields, pass_fields, ow_sql_only_fields, NULL},
	{common_fields, sql_flow_fields, next_fields, assign_fields, search_fields, ow_jsonpath_only_fields, NULL}},
	{"Task", OW_STATE_TASK, true, compile_task, true,
		{common_fields, flow_fields, next_fields, assign_fields, search_fields, task_fields, ow_workflow_task_fields, ow_task_option_fields,
		ow_task_option_path_fields, ow_sql_only_fields, NULL},
		{common_fields, sql_flow_fields, next_fields, assign_fields, search_fields, sql_task_fields, ow_workflow_task_fields, ow_task_option_sql_fields,
	ow_jsonpath_only_fields, NULL}},
	{"Choice", OW_STATE_CHOICE, false, compile_choice, false,
		{common_fields, flow_fields, assign_fields, choice_fields, ow_sql_only_fields, NULL},
	{common_fields, sql_flow_fields, assign_fields, choice_fields, ow_jsonpath_only_fields, NULL}},
	{"Wait", OW_STATE_WAIT, true, ow_compile_wait, false,
		{common_fields, flow_fields, next_fields, assign_fields, wait_fields, ow_sql_only_fields, NULL},
	{common_fields, sql_flow_fields, next_fields, assign_fields, sql_wait_fields, ow_jsonpath_only_fields, NULL}},
	{"Await", OW_STATE_AWAIT, false, ow_compile_await, true,
		{common_fields, flow_fields, next_fields, search_fields, await_fields, ow_sql_only_fields, NULL},
	{common_fields, sql_flow_fields, next_fields, assign_fields, search_fields, await_fields, ow_jsonpath_only_fields, NULL}},
	{"Succeed", OW_STATE_SUCCEED, false, compile_succeed, false,
		{common_fields, flow_fields, ow_sql_only_fields, NULL},
	{common_fields, sql_flow_fields, ow_jsonpath_only_fields, NULL}},
	{"Fail", OW_STATE_FAIL, false, compile_fail, false,
		{common_fields, fail_fields, NULL},
	{common_fields, sql_fail_fields, ow_jsonpath_only_fields, NULL}},
	{"ContinueAsNew", OW_STATE_CONTINUE_AS_NEW, false, compile_continue_as_new, false,
		{common_fields, continue_fields, ow_sql_only_fields, NULL},
	{common_fields, sql_continue_fields, ow_jsonpath_only_fields, NULL}},
	{"Version", OW_STATE_VERSION, false, ow_compile_version, false,
		{common_fields, ow_version_fields, NULL},
	{common_fields, ow_version_fields, NULL}},
	{"Compensate", OW_STATE_COMPENSATE, true, NULL, false,
		{common_fields, next_fields, NULL},
	{common_fields, next_fields, NULL}},
	{"Parallel", OW_STATE_PARALLEL, true, compile_parallel, true,
		{common_fields, flow_fields, next_fields, assign_fields, ow_parallel_fields, ow_sql_only_fields, NULL},
	{common_fields, sql_flow_fields, next_fields, assign_fields, ow_parallel_sql_fields, ow_jsonpath_only_fields, NULL}},
	{"Map", OW_STATE_MAP, true, compile_map, true,
		{common_fields, flow_fields, next_fields, assign_fields, ow_map_fields, ow_sql_only_fields, NULL},
	{common_fields, sql_flow_fields, next_fields, assign_fields, ow_map_sql_fields, ow_jsonpath_only_fields, NULL}}
};

const char *
ow_state_type_name(OwStateType type)
{
	for (int i = 0; i < (int) lengthof(state_kinds); i++)
	{
		if (state_kinds[i].type == type)
			return state_kinds[i].name;
	}
	elog(ERROR, "unknown state type %d", (int) type);
}

static const OwStateKind *
find_kind(const char *name)
{
	for (int i = 0; i < (int) lengthof(state_kinds); i++)
	{
		if (strcmp(state_kinds[i].name, name) == 0)
			return &state_kinds[i];
	}
	return NULL;
}

static void
report_unknown_type(OwCompiler *compiler, const char *type, const char *where)
{
	const char *names[lengthof(state_kinds)];
	const char *nearest;

	for (int i = 0; i < (int) lengthof(state_kinds); i++)
		names[i] = state_kinds[i].name;
	nearest = ow_nearest_name(type, names, lengthof(names));
	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "UnknownType",
				   ow_where_member(where, "Type"),
				   nearest ? psprintf("Did you mean \"%s\"?", nearest) : NULL,
				   "field \"Type\" in %s names no type of states: \"%s\"",
				   ow_where_subject(where), type);
}

/* Reports a state whose type is missing or no string. */
static void
report_no_type(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	static const OwField *const tables[] = {common_fields, NULL};

	if (!ow_json_value_is_object(source))
		(void) ow_fields_check(source, where, tables, compiler->problems);
	else
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR,
					   ow_field_is_present(source, "Type") ? "WrongType" : "MissingField",
					   ow_where_member(where, "Type"), NULL,
					   "%s needs a \"Type\", such as \"Task\"", ow_where_subject(where));
}

/* ---- templates ---- */

/* Lays the state's own fields over those of the template that it uses. */
static JsonbValue
apply_template(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	JsonbValue	template;
	JsonbValue	own = *source;
	Jsonb	   *merged;
	char	   *name;

	if (!ow_field_is_present(source, "Use"))
		return own;
	name = ow_compile_template_name(compiler, source, where, &template);
	merged = ow_json_from_value(&own);
	merged = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(merged),
												PointerGetDatum(cstring_to_text("Use"))));
	if (name != NULL && ow_json_value_is_object(&template))
		merged = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
													JsonbPGetDatum(ow_json_from_value(&template)),
													JsonbPGetDatum(merged)));
	ow_json_as_value(merged, &own);
	return own;
}

/* ---- states ---- */

static void
init_state(OwState *state)
{
	state->next = OW_NO_STATE;
	state->default_next = OW_NO_STATE;
	state->wait.ms = OW_UNSET;
	ow_task_options_init(&state->options);
}

void
ow_compile_state(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	OwState    *state = &compiler->definition->states[compiler->current];
	JsonbValue	body = *source;
	const OwStateKind *kind;
	const OwField *const *tables;
	char	   *type;

	init_state(state);
	if (ow_json_value_is_object(source))
		body = apply_template(compiler, source, where);
	type = ow_field_string(&body, "Type");
	kind = type ? find_kind(type) : NULL;
	if (kind == NULL)
	{
		if (type == NULL)
			report_no_type(compiler, &body, where);
		else
			report_unknown_type(compiler, type, where);
		ow_graph_guess_targets(compiler, &body);
		return;
	}

	state->type = kind->type;
	compiler->sql = compiler->default_sql;
	if (!ow_read_query_language(compiler, &body, &compiler->sql, where))
	{
		/* the fields of a language we do not have are not looked at */
		if (ow_field_string(&body, "QueryLanguage") == NULL)
			(void) ow_fields_check(&body, where, kind->tables, compiler->problems);
		ow_graph_guess_targets(compiler, &body);
		return;
	}
	tables = compiler->sql ? kind->sql_tables : kind->tables;
	(void) ow_fields_check(&body, where, tables, compiler->problems);
	body = ow_fields_known(&body, tables);
	if (compiler->sql)
		ow_compile_sql_flow(compiler, state, &body, kind->has_result, where);
	else
		compile_flow(compiler, state, &body, where);
	if (kind->compile != NULL)
		kind->compile(compiler, state, &body, where);
	if (kind->has_transition)
		ow_compile_transition(compiler, state, &body, where);
}
