/*
 * definition_wait.c
 *		Compiles states that wait: Wait, for a moment; Await, for signals, updates and moments.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/instant.h"
#include "machine/json.h"

/* ---- moments ---- */

/* The names of the four ways to say when: a duration, a path to one, a point in time, a path to one; then NULL */
enum
{
	SECONDS,
	SECONDS_PATH,
	TIMESTAMP,
	TIMESTAMP_PATH
};

static const char *const wait_moment[] = {"Seconds", "SecondsPath", "Timestamp", "TimestampPath", NULL};
static const char *const await_moment[] = {"AfterSeconds", "AfterSecondsPath", "At", "AtPath", NULL};

static void
compile_sql_moment(OwCompiler *compiler, OwMoment *moment, const JsonbValue *source, const char *const *names,
				   const char *where)
{
	char	   *timestamp = ow_field_string(source, names[TIMESTAMP]);

	moment->sql_seconds = ow_compile_sql_expression(compiler, source, names[SECONDS], "a number", 0, where);
	if (timestamp != NULL && strstr(timestamp, "{%") != NULL)
		moment->sql_timestamp = ow_compile_sql(compiler, source, names[TIMESTAMP], 0, where);
}

/* Reads the moment: exactly one of the names must be there. */
static void
compile_moment(OwCompiler *compiler, OwMoment *moment, const JsonbValue *source, const char *const *names,
			   const char *where)
{
	char	   *timestamp = ow_field_string(source, names[TIMESTAMP]);

	ow_fields_exclusive(source, names, true, where, compiler->problems);
	if (compiler->sql)
		compile_sql_moment(compiler, moment, source, names, where);
	moment->ms = ow_field_seconds_ms(source, names[SECONDS], 0, where, compiler->problems);
	moment->seconds_path = ow_field_path(source, names[SECONDS_PATH], true, NULL, where, compiler->problems);
	moment->timestamp_path = ow_field_path(source, names[TIMESTAMP_PATH], true, NULL, where, compiler->problems);
	moment->field = moment->seconds_path ? names[SECONDS_PATH] : names[TIMESTAMP_PATH];
	if (timestamp == NULL || moment->sql_timestamp != NULL)
		return;
	moment->has_timestamp = ow_instant_parse(timestamp, &moment->timestamp);
	if (!moment->has_timestamp)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidValue",
					   ow_where_member(where, names[TIMESTAMP]),
					   "Write it as in \"2030-01-31T12:00:00Z\" or \"2030-01-31T12:00:00+01:00\".",
					   "field \"%s\" in %s is no RFC 3339 timestamp: \"%s\"", names[TIMESTAMP],
					   ow_where_subject(where), timestamp);
}

void
ow_compile_wait(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	compile_moment(compiler, &state->wait, source, wait_moment, where);
}

/* ---- signals ---- */

static const OwField signal_fields[] = {
	{"Payload", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	{NULL}
};
static const OwField *const signal_tables[] = {signal_fields, NULL};

/* "Signals": {name: {"Payload": type}}: what can be sent to runs of the definition */
void
ow_compile_signals(OwCompiler *compiler, const JsonbValue *source)
{
	OwDefinition *definition = compiler->definition;
	OwJsonMembers members;
	JsonbValue	signals;
	JsonbValue	signal;
	char	   *name;

	if (!ow_field_get(source, "Signals", OW_OBJECT, &signals))
		return;
	definition->signals = palloc0(sizeof(OwSignalType) * ow_json_value_count(&signals));
	ow_json_members_begin(&members, &signals);
	while (ow_json_members_next(&members, &name, &signal))
	{
		char	   *place = ow_where_member("Signals", name);

		if (ow_is_remark(name) || !ow_fields_check(&signal, place, signal_tables, compiler->problems))
			continue;
		definition->signals[definition->nsignals++] = (OwSignalType) {
			.name = name,
				.payload = ow_payload_type_compile(&signal, "Payload", place, compiler->problems)
		};
	}
}

const OwSignalType *
ow_definition_find_signal(const OwDefinition *definition, const char *name)
{
	for (int i = 0; i < definition->nsignals; i++)
	{
		if (strcmp(definition->signals[i].name, name) == 0)
			return &definition->signals[i];
	}
	return NULL;
}

const char *
ow_definition_nearest_signal(const OwDefinition *definition, const char *name)
{
	const char **names = palloc(sizeof(char *) * Max(definition->nsignals, 1));

	for (int i = 0; i < definition->nsignals; i++)
		names[i] = definition->signals[i].name;
	return ow_nearest_name(name, names, definition->nsignals);
}

static void
check_declared(OwCompiler *compiler, const char *signal, const char *where)
{
	const char *nearest;

	if (ow_definition_find_signal(compiler->definition, signal) != NULL)
		return;
	nearest = ow_definition_nearest_signal(compiler->definition, signal);
	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "UnknownSignal", ow_where_member(where, "Signal"),
				   nearest ? psprintf("Did you mean \"%s\"?", nearest) :
				   psprintf("Declare it at the top: \"Signals\": {\"%s\": {}}.", signal),
				   "field \"Signal\" in %s names a signal that \"Signals\" does not declare: \"%s\"",
				   ow_where_subject(where), signal);
}

/* ---- Await ---- */

static const OwField awaited_signal_fields[] = {
	{"Signal", OW_STRING, OW_REQUIRED},
	{"Condition", OW_OBJECT, OW_OPTIONAL},
	{"ResultPath", OW_STRING, OW_OPTIONAL},
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField awaited_update_fields[] = {
	{"Update", OW_STRING, OW_REQUIRED},
	{"Condition", OW_OBJECT, OW_OPTIONAL},
	{"ResultPath", OW_STRING, OW_OPTIONAL},
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField awaited_moment_fields[] = {
	{"AfterSeconds", OW_NUMBER, OW_OPTIONAL},
	{"AfterSecondsPath", OW_STRING, OW_OPTIONAL},
	{"At", OW_STRING, OW_OPTIONAL},
	{"AtPath", OW_STRING, OW_OPTIONAL},
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField sql_awaited_signal_fields[] = {
	{"Signal", OW_STRING, OW_REQUIRED},
	{"Condition", OW_STRING | OW_BOOLEAN, OW_OPTIONAL},
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField sql_awaited_update_fields[] = {
	{"Update", OW_STRING, OW_REQUIRED},
	{"Condition", OW_STRING | OW_BOOLEAN, OW_OPTIONAL},
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

static const OwField sql_awaited_moment_fields[] = {
	{"AfterSeconds", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"At", OW_STRING, OW_OPTIONAL},
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

/* Where each of Any leads; what All waits for leads on together */
static const OwField any_fields[] = {
	{"Next", OW_STRING, OW_REQUIRED},
	{NULL}
};

static const OwField sql_any_fields[] = {
	{"Next", OW_STRING, OW_REQUIRED},
	{"Output", OW_ANY, OW_OPTIONAL},
	{NULL}
};

static const OwField *const any_moment_tables[] = {awaited_moment_fields, any_fields, NULL};
static const OwField *const any_signal_tables[] = {awaited_signal_fields, any_fields, NULL};
static const OwField *const any_update_tables[] = {awaited_update_fields, ow_result_fields, any_fields, NULL};
static const OwField *const all_moment_tables[] = {awaited_moment_fields, NULL};
static const OwField *const all_signal_tables[] = {awaited_signal_fields, NULL};
static const OwField *const all_update_tables[] = {awaited_update_fields, ow_result_fields, NULL};
static const OwField *const sql_any_moment_tables[] = {sql_awaited_moment_fields, sql_any_fields, NULL};
static const OwField *const sql_any_signal_tables[] = {sql_awaited_signal_fields, sql_any_fields, NULL};
static const OwField *const sql_any_update_tables[] = {sql_awaited_update_fields, ow_sql_result_fields, sql_any_fields, NULL};
static const OwField *const sql_all_moment_tables[] = {sql_awaited_moment_fields, NULL};
static const OwField *const sql_all_signal_tables[] = {sql_awaited_signal_fields, NULL};

static const OwField *const sql_all_update_tables[] = {sql_awaited_update_fields, ow_sql_result_fields, NULL};

static bool
check_awaited(OwCompiler *compiler, const JsonbValue *source, bool any, const char *where)
{
	/* by language, form, and what is awaited */
	static const OwField *const *const tables[2][2][3] = {
		{{all_moment_tables, all_signal_tables, all_update_tables}, {any_moment_tables, any_signal_tables, any_update_tables}},
		{{sql_all_moment_tables, sql_all_signal_tables, sql_all_update_tables},
		{sql_any_moment_tables, sql_any_signal_tables, sql_any_update_tables}}
	};
	bool		object = ow_json_value_is_object(source);
	int			kind = object && ow_field_is_present(source, "Signal") ? 1 : object && ow_field_is_present(source, "Update") ? 2 : 0;

	return ow_fields_check(source, where, tables[compiler->sql][any][kind], compiler->problems);
}

static void
compile_awaited_signal(OwCompiler *compiler, OwAwaited *awaited, const JsonbValue *source, const char *where)
{
	JsonbValue	condition;

	awaited->is_update = !ow_field_is_present(source, "Signal");
	awaited->signal = ow_field_string(source, awaited->is_update ? "Update" : "Signal");
	if (awaited->signal != NULL && awaited->is_update)
		ow_check_awaited_update(compiler, awaited->signal, where);
	else if (awaited->signal != NULL)
		check_declared(compiler, awaited->signal, where);
	if (awaited->is_update)
		awaited->answer = ow_compile_projection(compiler, source, OW_SQL_RESULT, where);
	if (compiler->sql)
		awaited->sql_condition = ow_compile_sql_condition(compiler, source, OW_SQL_RESULT, where);
	else if (ow_field_get(source, "Condition", OW_OBJECT, &condition))
		awaited->condition = ow_choice_compile(&condition, ow_where_member(where, "Condition"), compiler->problems);
	if (!compiler->sql)
		awaited->result_path = ow_compile_result_path(compiler, source, NULL, where);
}

static void
compile_awaited(OwCompiler *compiler, OwAwaited *awaited, const JsonbValue *source, bool any, const char *where)
{
	int			names;

	awaited->next = OW_NO_STATE;
	awaited->moment.ms = OW_UNSET;
	if (!check_awaited(compiler, source, any, where))
		return;
	if (ow_field_is_present(source, "Signal") || ow_field_is_present(source, "Update"))
		compile_awaited_signal(compiler, awaited, source, where);
	else
		compile_moment(compiler, &awaited->moment, source, await_moment, where);
	if (any)
		awaited->next = ow_compile_target(compiler, source, "Next", where);
	names = awaited->signal ? OW_SQL_RESULT : 0;
	if (compiler->sql)
	{
		awaited->sql_output = ow_compile_sql(compiler, source, "Output", names, where);
		awaited->sql_assign = ow_compile_sql_assign(compiler, source, names, where);
	}
	else
		awaited->assign = ow_compile_assign(compiler, source, where);
}

/* Fields that only one of the two forms has */
static void
refuse_fields(OwCompiler *compiler, const OwState *state, const JsonbValue *source, const char *const *names,
			  const char *form, const char *where)
{
	for (; *names != NULL; names++)
	{
		if (ow_field_is_present(source, *names))
			ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "UnknownField", ow_where_member(where, *names),
						   strcmp(form, "Any") == 0 ? "Each element of \"Any\" has its own." : NULL,
						   "field \"%s\" in state \"%s\" does not go with \"%s\"", *names, state->name, form);
	}
}

static void
compile_awaited_list(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	const char *name = state->await_all ? "All" : "Any";
	char	   *place = ow_where_member(where, name);
	JsonbValue	array;
	JsonbValue	element;
	int			count;

	if (!ow_field_get(source, name, OW_ARRAY, &array))
		return;
	count = ow_json_value_count(&array);
	if (count < 1 || count > OW_MAX_AWAITED)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "OutOfRange", place, NULL,
					   "field \"%s\" in state \"%s\" must have from 1 to %d elements", name, state->name,
					   OW_MAX_AWAITED);
	state->awaited = palloc0(sizeof(OwAwaited) * Max(count, 1));
	while (ow_json_value_element(&array, state->nawaited, &element))
	{
		compile_awaited(compiler, &state->awaited[state->nawaited], &element, !state->await_all,
						ow_where_element(place, state->nawaited));
		state->nawaited++;
	}
}

void
ow_compile_await(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	static const char *const forms[] = {"Any", "All", NULL};
	static const char *const of_all[] = {"Next", "End", "Output", "Assign", NULL};

	ow_fields_exclusive(source, forms, true, where, compiler->problems);
	state->await_all = ow_field_is_present(source, "All");
	compile_awaited_list(compiler, state, source, where);
	if (state->await_all)
		ow_compile_transition(compiler, state, source, where);
	else
		refuse_fields(compiler, state, source, of_all, "Any", where);
}
