/*
 * definition_task.c
 *		Compiles Task states: the activity, its options wherever they stand, its compensation.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"

#define HIGHEST_PRIORITY 1		/* as that of runs */
#define LOWEST_PRIORITY 5

const OwField ow_task_option_fields[] = {
	{"TimeoutSeconds", OW_NUMBER, OW_OPTIONAL},
	{"StartToCloseSeconds", OW_NUMBER, OW_OPTIONAL},
	{"ScheduleToStartSeconds", OW_NUMBER, OW_OPTIONAL},
	{"ScheduleToCloseSeconds", OW_NUMBER, OW_OPTIONAL},
	{"HeartbeatSeconds", OW_NUMBER, OW_OPTIONAL},
	{"TaskQueue", OW_STRING, OW_OPTIONAL},
	{"Priority", OW_NUMBER, OW_OPTIONAL},
	{"FairnessKey", OW_STRING, OW_OPTIONAL},
	{"Transaction", OW_STRING, OW_OPTIONAL},
	{"Retry", OW_ARRAY, OW_OPTIONAL},
	{NULL}
};

const OwField ow_task_option_path_fields[] = {
	{"TimeoutSecondsPath", OW_STRING, OW_OPTIONAL},
	{"HeartbeatSecondsPath", OW_STRING, OW_OPTIONAL},
	{NULL}
};

/* Of an activity's registration */
static const OwField activity_fields[] = {
	{"Input", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	{"CircuitBreaker", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};
static const OwField *const activity_tables[] = {activity_fields, ow_task_option_fields, NULL};

/* The same in a SQL state */
const OwField ow_task_option_sql_fields[] = {
	{"TimeoutSeconds", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"StartToCloseSeconds", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"ScheduleToStartSeconds", OW_NUMBER, OW_OPTIONAL},
	{"ScheduleToCloseSeconds", OW_NUMBER, OW_OPTIONAL},
	{"HeartbeatSeconds", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"TaskQueue", OW_STRING, OW_OPTIONAL},
	{"Priority", OW_NUMBER, OW_OPTIONAL},
	{"FairnessKey", OW_STRING, OW_OPTIONAL},
	{"Transaction", OW_STRING, OW_OPTIONAL},
	{"Retry", OW_ARRAY, OW_OPTIONAL},
	{NULL}
};

static const OwField compensation_fields[] = {
	{"Resource", OW_STRING, OW_REQUIRED},
	{"Parameters", OW_ANY, OW_OPTIONAL},
	{"When", OW_STRING, OW_OPTIONAL},
	{NULL}
};
static const OwField *const compensation_tables[] = {
	compensation_fields, ow_task_option_fields, ow_sql_only_fields, NULL
};

static const OwField sql_compensation_fields[] = {
	{"Resource", OW_STRING, OW_REQUIRED},
	{"Arguments", OW_ANY, OW_OPTIONAL},
	{"When", OW_STRING, OW_OPTIONAL},
	{NULL}
};
static const OwField *const sql_compensation_tables[] = {
	sql_compensation_fields, ow_task_option_fields, ow_jsonpath_only_fields, NULL
};

/* ---- options ---- */

void
ow_task_options_init(OwTaskOptions *options)
{
	*options = (OwTaskOptions) {
		.schedule_to_start_ms = OW_UNSET,
		.start_to_close_ms = OW_UNSET,
		.schedule_to_close_ms = OW_UNSET,
		.heartbeat_ms = OW_UNSET,
		.priority = OW_UNSET,
		.own_transaction = OW_UNSET
	};
}

/* Reports a heartbeat that could never be missed before the attempt times out. */
static void
check_heartbeat(const OwTaskOptions *options, const char *where, OwProblems *problems)
{
	if (options->heartbeat_ms == OW_UNSET || options->start_to_close_ms == OW_UNSET ||
		options->heartbeat_ms < options->start_to_close_ms)
		return;
	ow_problem_add(problems, OW_SEVERITY_ERROR, "OutOfRange",
				   ow_where_member(where, "HeartbeatSeconds"), NULL,
				   "field \"HeartbeatSeconds\" in %s must be smaller than the timeout of an attempt ("
				   INT64_FORMAT " s)", ow_where_subject(where), options->start_to_close_ms / 1000);
}

static void
read_times(OwTaskOptions *options, const JsonbValue *source, const char *where, OwProblems *problems)
{
	static const char *const timeouts[] = {
		"TimeoutSeconds", "TimeoutSecondsPath", "StartToCloseSeconds", NULL
	};
	static const char *const heartbeats[] = {"HeartbeatSeconds", "HeartbeatSecondsPath", NULL};

	ow_fields_exclusive(source, timeouts, false, where, problems);
	ow_fields_exclusive(source, heartbeats, false, where, problems);
	options->start_to_close_ms = ow_field_seconds_ms(source, "StartToCloseSeconds", 1, where, problems);
	if (options->start_to_close_ms == OW_UNSET)
		options->start_to_close_ms = ow_field_seconds_ms(source, "TimeoutSeconds", 1, where, problems);
	options->schedule_to_start_ms = ow_field_seconds_ms(source, "ScheduleToStartSeconds", 1, where,
														problems);
	options->schedule_to_close_ms = ow_field_seconds_ms(source, "ScheduleToCloseSeconds", 1, where,
														problems);
	options->heartbeat_ms = ow_field_seconds_ms(source, "HeartbeatSeconds", 1, where, problems);
	check_heartbeat(options, where, problems);
}

static char *
read_task_queue(const JsonbValue *source, const char *where, OwProblems *problems)
{
	char	   *queue = ow_field_string(source, "TaskQueue");

	if (queue != NULL && *queue == '\0')
		ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidValue", ow_where_member(where, "TaskQueue"),
					   NULL, "field \"TaskQueue\" in %s is empty", ow_where_subject(where));
	return queue;
}

/* Reads a string, or a path when it starts with "$". */
static void
read_fairness_key(OwTaskOptions *options, const JsonbValue *source, const char *where, OwProblems *problems)
{
	options->fairness_key = ow_field_string(source, "FairnessKey");
	if (options->fairness_key == NULL)
		return;
	if (*options->fairness_key == '$')
		options->fairness_path = ow_field_path(source, "FairnessKey", true, NULL, where, problems);
	else if (*options->fairness_key == '\0' || strlen(options->fairness_key) > OW_MAX_FAIRNESS_KEY)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidValue", ow_where_member(where, "FairnessKey"), NULL,
					   "field \"FairnessKey\" in %s must have from 1 to %d bytes", ow_where_subject(where),
					   OW_MAX_FAIRNESS_KEY);
}

void
ow_read_task_options(OwTaskOptions *options, const JsonbValue *source, const char *where,
					 OwProblems *problems)
{
	static const char *const transactions[] = {"Shared", "Own", NULL};

	ow_task_options_init(options);
	read_times(options, source, where, problems);
	options->task_queue = read_task_queue(source, where, problems);
	options->priority = ow_field_integer(source, "Priority", HIGHEST_PRIORITY, LOWEST_PRIORITY, OW_UNSET, where, problems);
	read_fairness_key(options, source, where, problems);
	options->own_transaction = ow_field_choice(source, "Transaction", transactions, where, problems);
	ow_read_retriers(options, source, where, problems);
}

void
ow_read_task_option_paths(OwTaskOptions *options, const JsonbValue *source, const char *where,
						  OwProblems *problems)
{
	options->start_to_close_path = ow_field_path(source, "TimeoutSecondsPath", true, NULL, where,
												 problems);
	options->heartbeat_path = ow_field_path(source, "HeartbeatSecondsPath", true, NULL, where,
											problems);
}

OwTaskOptions *
ow_task_options_compile(const Jsonb *source, const char *where, OwProblems *problems)
{
	OwTaskOptions *options = palloc(sizeof(OwTaskOptions));
	JsonbValue	object;
	int			errors = problems->errors;

	ow_task_options_init(options);
	ow_json_as_value(source, &object);
	if (ow_fields_check(&object, where, activity_tables, problems))
	{
		ow_read_task_options(options, &object, where, problems);
		options->input_type = ow_payload_type_compile(&object, "Input", where, problems);
		options->circuit_breaker = ow_read_circuit_breaker(&object, where, problems);
	}
	return problems->errors == errors ? options : NULL;
}

/* Fills what the levels above left open from the next level below. */
static void
fill_in(OwTaskOptions *result, const OwTaskOptions *below)
{
	if (result->schedule_to_start_ms == OW_UNSET)
		result->schedule_to_start_ms = below->schedule_to_start_ms;
	if (result->start_to_close_ms == OW_UNSET && result->start_to_close_path == NULL)
	{
		result->start_to_close_ms = below->start_to_close_ms;
		result->start_to_close_path = below->start_to_close_path;
	}
	if (result->schedule_to_close_ms == OW_UNSET)
		result->schedule_to_close_ms = below->schedule_to_close_ms;
	if (result->heartbeat_ms == OW_UNSET && result->heartbeat_path == NULL)
	{
		result->heartbeat_ms = below->heartbeat_ms;
		result->heartbeat_path = below->heartbeat_path;
	}
	if (result->task_queue == NULL)
		result->task_queue = below->task_queue;
	if (result->priority == OW_UNSET)
		result->priority = below->priority;
	if (result->fairness_key == NULL)
	{
		result->fairness_key = below->fairness_key;
		result->fairness_path = below->fairness_path;
	}
	if (result->own_transaction == OW_UNSET)
		result->own_transaction = below->own_transaction;
	if (!result->has_retry && below->has_retry)
	{
		result->has_retry = true;
		result->nretriers = below->nretriers;
		result->retriers = below->retriers;
	}
}

void
ow_task_options_merge(OwTaskOptions *result, const OwTaskOptions *state,
					  const OwTaskOptions *defaults, const OwTaskOptions *activity)
{
	*result = *state;
	if (defaults != NULL)
		fill_in(result, defaults);
	if (activity != NULL)
		fill_in(result, activity);
}

/* ---- options that an operator gives a task ---- */

static Jsonb *
without_nulls(const Jsonb *given)
{
	Jsonb	   *result = unconstify(Jsonb *, given);

	for (const OwField *field = ow_task_option_fields; field->name != NULL; field++)
	{
		JsonbValue	value;

		if (ow_json_member(given, field->name, &value) && value.type == jbvNull)
			result = ow_json_without_member(result, field->name);
	}
	return result;
}

static bool
is_null(const Jsonb *given, const char *name)
{
	JsonbValue	value;

	return ow_json_member(given, name, &value) && value.type == jbvNull;
}

void
ow_task_options_check_override(const Jsonb *given, const char *where, OwProblems *problems)
{
	static const OwField *const tables[] = {ow_task_option_fields, NULL};
	OwTaskOptions options;
	JsonbValue	object;

	if (JB_ROOT_IS_OBJECT(given) && is_null(given, "TaskQueue"))
		ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidValue", ow_where_member(where, "TaskQueue"), NULL,
					   "field \"TaskQueue\" in %s is null", ow_where_subject(where));
	ow_json_as_value(JB_ROOT_IS_OBJECT(given) ? without_nulls(given) : given, &object);
	if (ow_fields_check(&object, where, tables, problems))
		ow_read_task_options(&options, &object, where, problems);
}

/* What is given counts before all else; what is null is as if nobody had said anything. */
void
ow_task_options_override(OwTaskOptions *options, const Jsonb *given)
{
	OwProblems	ignored = {0};	/* it was checked when it was given */
	OwTaskOptions over;
	JsonbValue	object;

	ow_json_as_value(without_nulls(given), &object);
	ow_read_task_options(&over, &object, "options", &ignored);
	fill_in(&over, options);
	over.start_to_close_fixed = ow_json_member(given, "StartToCloseSeconds", &object) ||
		ow_json_member(given, "TimeoutSeconds", &object);
	over.heartbeat_fixed = ow_json_member(given, "HeartbeatSeconds", &object);
	if (is_null(given, "StartToCloseSeconds") || is_null(given, "TimeoutSeconds"))
	{
		over.start_to_close_ms = OW_UNSET;
		over.start_to_close_path = NULL;
	}
	if (is_null(given, "HeartbeatSeconds"))
	{
		over.heartbeat_ms = OW_UNSET;
		over.heartbeat_path = NULL;
	}
	if (is_null(given, "ScheduleToStartSeconds"))
		over.schedule_to_start_ms = OW_UNSET;
	if (is_null(given, "ScheduleToCloseSeconds"))
		over.schedule_to_close_ms = OW_UNSET;
	if (is_null(given, "Priority"))
		over.priority = OW_UNSET;
	over.fairness_fixed = ow_json_member(given, "FairnessKey", &object);
	if (is_null(given, "FairnessKey"))
	{
		over.fairness_key = NULL;
		over.fairness_path = NULL;
	}
	if (is_null(given, "Transaction"))
		over.own_transaction = OW_UNSET;
	if (is_null(given, "Retry"))
	{
		over.has_retry = false;
		over.nretriers = 0;
	}
	over.input_type = options->input_type;
	*options = over;
}

/* ---- compensation ---- */

static void
add_activity(OwDefinition *definition, char *name)
{
	for (int i = 0; i < definition->nactivities; i++)
	{
		if (strcmp(definition->activities[i], name) == 0)
			return;
	}
	definition->activities = definition->activities == NULL ? palloc(sizeof(char *)) :
		repalloc(definition->activities, (definition->nactivities + 1) * sizeof(char *));
	definition->activities[definition->nactivities++] = name;
}

/* Compiles {Resource, Parameters, When, options}. */
static void
compile_compensation_object(OwCompiler *compiler, OwCompensation *compensation,
							const JsonbValue *source, const char *where)
{
	static const char *const moments[] = {"Completed", "Scheduled", NULL};
	JsonbValue	parameters;

	if (!ow_fields_check(source, where, compiler->sql ? sql_compensation_tables : compensation_tables,
						 compiler->problems))
		return;
	compensation->resource = ow_compile_resource(source, NULL, where, compiler->problems);
	if (compiler->sql)
		compensation->arguments = ow_compile_sql(compiler, source, "Arguments", OW_SQL_RESULT, where);
	else if (ow_field_get(source, "Parameters", OW_ANY, &parameters))
		compensation->parameters = ow_template_compile(&parameters,
													   ow_where_member(where, "Parameters"),
													   compiler->problems);
	ow_read_task_options(&compensation->options, source, where, compiler->problems);
	compensation->when_scheduled =
		ow_field_choice(source, "When", moments, where, compiler->problems) == 1;
}

/* "Compensate": "Undo" is short for "Compensate": {"Resource": "Undo"} */
static JsonbValue
as_compensation_object(const JsonbValue *source)
{
	OwObject	object;
	JsonbValue	value = *source;

	if (source->type != jbvString)
		return value;
	ow_object_begin(&object);
	ow_object_add_value(&object, "Resource", &value);
	ow_json_as_value(ow_object_end(&object), &value);
	return value;
}

OwCompensation *
ow_compile_compensation(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	OwCompensation *compensation;
	JsonbValue	value;

	if (!ow_field_get(source, "Compensate", OW_STRING | OW_OBJECT, &value))
		return NULL;
	compensation = palloc0(sizeof(OwCompensation));
	ow_task_options_init(&compensation->options);
	value = as_compensation_object(&value);
	compile_compensation_object(compiler, compensation, &value, ow_where_member(where, "Compensate"));
	if (compensation->resource != NULL)
		add_activity(compiler->definition, compensation->resource);
	return compensation;
}

/* ---- Task ---- */

/* Warns of a Task that may run for ever, as far as the definition tells. */
static void
check_timeout(const OwTaskOptions *options, const OwState *state, const JsonbValue *source, const char *where,
			  OwProblems *problems)
{
	/* a workflow has its own */
	if (state->workflow != NULL)
		return;
	/* a bad one is reported already */
	if (ow_field_is_present(source, "TimeoutSeconds") || ow_field_is_present(source, "StartToCloseSeconds") ||
		ow_field_is_present(source, "TimeoutSecondsPath"))
		return;
	if (state->sql != NULL && (state->sql->timeout_seconds != NULL || state->sql->heartbeat_seconds != NULL))
		return;
	if (options->start_to_close_ms != OW_UNSET || options->start_to_close_path != NULL ||
		options->schedule_to_close_ms != OW_UNSET ||
		options->heartbeat_ms != OW_UNSET || options->heartbeat_path != NULL)
		return;
	ow_problem_add(problems, OW_SEVERITY_WARNING, "NoTimeout", where,
				   "Set \"StartToCloseSeconds\" here, in \"Defaults\" or in the activity's registration.",
				   "state \"%s\" sets no timeout for its attempts", state->name);
}

/* Credentials name a role of another cloud account: checked, and of no use here. */
static void
check_credentials(const JsonbValue *source, const char *where, OwProblems *problems)
{
	JsonbValue	credentials;

	if (!ow_field_get(source, "Credentials", OW_OBJECT, &credentials))
		return;
	(void) ow_template_compile(&credentials, ow_where_member(where, "Credentials"), problems);
	ow_problem_add(problems, OW_SEVERITY_WARNING, "Ignored", ow_where_member(where, "Credentials"),
				   "Activities run as the owner of the workflow.",
				   "field \"Credentials\" in %s has no effect", ow_where_subject(where));
}

/* An expression; NULL when it is a string or a path */
static OwSqlTemplate *
compile_sql_fairness_key(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	char	   *text = ow_field_string(source, "FairnessKey");

	if (text == NULL || strstr(text, "{%") == NULL)
		return NULL;
	return ow_compile_sql_expression(compiler, source, "FairnessKey", "a string", 0, where);
}

void
ow_compile_task(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	OwProblems *problems = compiler->problems;
	OwTaskOptions effective;
	int			errors = problems->errors;

	state->resource = ow_field_string(source, "Resource");
	if (state->resource != NULL && ow_is_workflow_resource(state->resource))
		ow_compile_workflow_task(compiler, state, source, where);
	else
	{
		ow_refuse_workflow_fields(compiler, source, where);
		state->activity = ow_compile_resource(source, state, where, problems);
		if (state->activity != NULL)
			add_activity(compiler->definition, state->activity);
	}

	ow_read_task_options(&state->options, source, where, problems);
	if (compiler->sql)
	{
		state->sql->timeout_seconds = ow_compile_sql_expression(compiler, source, "StartToCloseSeconds", "a number",
																0, where);
		if (state->sql->timeout_seconds == NULL)
			state->sql->timeout_seconds = ow_compile_sql_expression(compiler, source, "TimeoutSeconds", "a number",
																	0, where);
		state->sql->heartbeat_seconds = ow_compile_sql_expression(compiler, source, "HeartbeatSeconds", "a number",
																  0, where);
		state->sql->fairness_key = compile_sql_fairness_key(compiler, source, where);
	}
	else
		ow_read_task_option_paths(&state->options, source, where, problems);
	ow_task_options_merge(&effective, &state->options, &compiler->definition->defaults, NULL);
	/* with nothing of its own, the state has only what is checked in Defaults */
	if (problems->errors == errors &&
		(state->options.heartbeat_ms != OW_UNSET || state->options.start_to_close_ms != OW_UNSET))
		check_heartbeat(&effective, where, problems);
	check_timeout(&effective, state, source, where, problems);
	check_credentials(source, where, problems);

	state->compensation = ow_compile_compensation(compiler, source, where);
}
