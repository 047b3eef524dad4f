/*
 * definition_retry.c
 *		Compiles Retry, Catch and CircuitBreaker: which errors are met how.
 */
#include "postgres.h"

#include <math.h>

#include "machine/definition_internal.h"
#include "machine/json.h"

#define MAX_ATTEMPTS_LIMIT 99999999
#define MAX_DELAY_LIMIT 31622400	/* a year of 366 days, as Step Functions */

/* The language's own defaults */
#define DEFAULT_INTERVAL_SECONDS 1
#define DEFAULT_BACKOFF_RATE 2.0
#define DEFAULT_MAX_ATTEMPTS 3

/* Ours */
#define DEFAULT_FAILURE_THRESHOLD 5
#define DEFAULT_WINDOW_SECONDS 60
#define DEFAULT_OPEN_SECONDS 30

static const OwField retrier_fields[] = {
	{"ErrorEquals", OW_ARRAY, OW_REQUIRED},
	{"IntervalSeconds", OW_NUMBER, OW_OPTIONAL},
	{"MaxAttempts", OW_NUMBER, OW_OPTIONAL},
	{"MaximumAttempts", OW_NUMBER, OW_OPTIONAL},
	{"BackoffRate", OW_NUMBER, OW_OPTIONAL},
	{"MaxDelaySeconds", OW_NUMBER, OW_OPTIONAL},
	{"JitterStrategy", OW_STRING, OW_OPTIONAL},
	{NULL}
};
static const OwField *const retrier_tables[] = {retrier_fields, NULL};

static const OwField catcher_fields[] = {
	{"ErrorEquals", OW_ARRAY, OW_REQUIRED},
	{"Next", OW_STRING, OW_REQUIRED},
	{"ResultPath", OW_STRING | OW_NULL, OW_OPTIONAL},
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};
static const OwField *const catcher_tables[] = {catcher_fields, ow_sql_only_fields, NULL};

static const OwField sql_catcher_fields[] = {
	{"ErrorEquals", OW_ARRAY, OW_REQUIRED},
	{"Next", OW_STRING, OW_REQUIRED},
	{"Assign", OW_OBJECT, OW_OPTIONAL},
	{"Output", OW_ANY, OW_OPTIONAL},
	{NULL}
};
static const OwField *const sql_catcher_tables[] = {sql_catcher_fields, ow_jsonpath_only_fields, NULL};

static const OwField circuit_breaker_fields[] = {
	{"FailureThreshold", OW_NUMBER, OW_OPTIONAL},
	{"WindowSeconds", OW_NUMBER, OW_OPTIONAL},
	{"OpenSeconds", OW_NUMBER, OW_OPTIONAL},
	{"ErrorEquals", OW_ARRAY, OW_OPTIONAL},
	{NULL}
};
static const OwField *const circuit_breaker_tables[] = {circuit_breaker_fields, NULL};

/* Error names that begin with "States." are the language's own. */
static const char *const predefined_errors[] = {
	"States.ALL", "States.Timeout", "States.HeartbeatTimeout", "States.TaskFailed",
	"States.Permissions", "States.ResultPathMatchFailure", "States.ParameterPathFailure",
	"States.BranchFailed", "States.NoChoiceMatched", OW_ERROR_INTRINSIC,
	"States.ExceedToleratedFailureThreshold", "States.ItemReaderFailed", "States.ResultWriterFailed",
	"States.Runtime", "States.DataLimitExceeded", "States.QueryEvaluationError", "States.Http.Socket"
};

/* ---- ErrorEquals, which they share ---- */

/* What was seen in the entries of one Retry or Catch so far */
typedef struct OwErrorNames
{
	List	   *seen;			/* of char * */
	bool		all_seen;		/* States.ALL: nothing gets past it */
} OwErrorNames;

static bool
is_listed(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

/* Warns of a name that looks like one of the language's own and is none. */
static void
check_predefined(const char *error, const char *where, OwProblems *problems)
{
	const char *nearest;

	if (strncmp(error, "States.", 7) != 0)
		return;
	for (int i = 0; i < (int) lengthof(predefined_errors); i++)
	{
		if (strcmp(predefined_errors[i], error) == 0)
			return;
	}
	nearest = ow_nearest_name(error, predefined_errors, lengthof(predefined_errors));
	ow_problem_add(problems, OW_SEVERITY_WARNING, "UnknownError", ow_where_member(where, "ErrorEquals"),
				   nearest ? psprintf("Did you mean \"%s\"?", nearest) : NULL,
				   "\"ErrorEquals\" in %s names \"%s\", which is no error of the language",
				   ow_where_subject(where), error);
}

/* Checks one name against those before it, and notes it. */
static void
check_error_name(OwErrorNames *names, char *error, int count, const char *where, OwProblems *problems)
{
	char	   *place = ow_where_member(where, "ErrorEquals");

	if (is_listed(names->seen, error))
		ow_problem_add(problems, OW_SEVERITY_WARNING, "DuplicateError", place,
					   "Only the first entry that names an error is used.",
					   "\"ErrorEquals\" in %s names \"%s\" again", ow_where_subject(where), error);
	if (strcmp(error, OW_ERROR_ALL) == 0 && count > 1)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "MisplacedAll", place, NULL,
					   "\"States.ALL\" must stand alone in \"ErrorEquals\" of %s",
					   ow_where_subject(where));
	check_predefined(error, where, problems);
	names->seen = lappend(names->seen, error);
}

/* Reads ErrorEquals; *count stays 0 when it is not usable. */
static char **
read_errors(OwErrorNames *names, const JsonbValue *source, const char *where, int *count,
			OwProblems *problems)
{
	JsonbValue	array;
	JsonbValue	element;
	char	  **errors;
	int			total;

	*count = 0;
	if (!ow_field_get(source, "ErrorEquals", OW_ARRAY, &array))
		return NULL;
	total = ow_json_value_count(&array);
	if (total == 0)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "EmptyErrorEquals",
					   ow_where_member(where, "ErrorEquals"), "Name an error, or \"States.ALL\".",
					   "\"ErrorEquals\" in %s is empty", ow_where_subject(where));
	if (names->all_seen)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "MisplacedAll", where,
					   "Move the entry with \"States.ALL\" to the end.",
					   "%s comes after \"States.ALL\" and is never used", ow_where_subject(where));

	errors = palloc0(total * sizeof(char *));
	for (int i = 0; ow_json_value_element(&array, i, &element); i++)
	{
		if (element.type != jbvString || element.val.string.len == 0)
		{
			ow_problem_add(problems, OW_SEVERITY_ERROR, "WrongType",
						   ow_where_element(ow_where_member(where, "ErrorEquals"), i), NULL,
						   "\"ErrorEquals\" in %s must hold error names only", ow_where_subject(where));
			continue;
		}
		errors[*count] = ow_json_value_cstring(&element);
		check_error_name(names, errors[*count], total, where, problems);
		if (strcmp(errors[(*count)++], OW_ERROR_ALL) == 0)
			names->all_seen = true;
	}
	return errors;
}

/* ---- Retry ---- */

static void
read_attempts(OwRetrier *retrier, const JsonbValue *source, const char *where, OwProblems *problems)
{
	static const char *const exclusive[] = {"MaxAttempts", "MaximumAttempts", NULL};
	bool		total = ow_field_is_present(source, "MaximumAttempts");

	ow_fields_exclusive(source, exclusive, false, where, problems);
	retrier->maximum_attempts = ow_field_integer(source, "MaximumAttempts", 0, MAX_ATTEMPTS_LIMIT,
												 OW_UNSET, where, problems);
	retrier->max_attempts = total ? OW_UNSET :
		ow_field_integer(source, "MaxAttempts", 0, MAX_ATTEMPTS_LIMIT, DEFAULT_MAX_ATTEMPTS,
						 where, problems);
}

static void
read_backoff_rate(OwRetrier *retrier, const JsonbValue *source, const char *where,
				  OwProblems *problems)
{
	JsonbValue	rate;

	retrier->backoff_rate = DEFAULT_BACKOFF_RATE;
	if (!ow_field_get(source, "BackoffRate", OW_NUMBER, &rate))
		return;
	retrier->backoff_rate = ow_json_value_double(&rate);
	if (isnan(retrier->backoff_rate) || retrier->backoff_rate < 1.0)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "OutOfRange", ow_where_member(where, "BackoffRate"),
					   NULL, "field \"BackoffRate\" in %s must be at least 1.0", ow_where_subject(where));
}

static void
read_delays(OwRetrier *retrier, const JsonbValue *source, const char *where, OwProblems *problems)
{
	static const char *const strategies[] = {"NONE", "FULL", NULL};
	int64		interval = ow_field_integer(source, "IntervalSeconds", 1, OW_MAX_SECONDS,
											DEFAULT_INTERVAL_SECONDS, where, problems);
	int64		max_delay = ow_field_integer(source, "MaxDelaySeconds", 1, MAX_DELAY_LIMIT,
											 OW_UNSET, where, problems);

	retrier->interval_ms = interval * 1000;
	retrier->max_delay_ms = max_delay == OW_UNSET ? OW_UNSET : max_delay * 1000;
	if (max_delay != OW_UNSET && max_delay <= interval)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "OutOfRange",
					   ow_where_member(where, "MaxDelaySeconds"), NULL,
					   "field \"MaxDelaySeconds\" in %s must be greater than \"IntervalSeconds\" ("
					   INT64_FORMAT ")", ow_where_subject(where), interval);
	read_backoff_rate(retrier, source, where, problems);
	retrier->full_jitter = ow_field_choice(source, "JitterStrategy", strategies, where, problems) == 1;
}

static void
read_retrier(OwRetrier *retrier, OwErrorNames *names, const JsonbValue *source, const char *where,
			 OwProblems *problems)
{
	if (!ow_fields_check(source, where, retrier_tables, problems))
		return;
	retrier->errors = read_errors(names, source, where, &retrier->nerrors, problems);
	read_attempts(retrier, source, where, problems);
	read_delays(retrier, source, where, problems);
}

void
ow_read_retriers(OwTaskOptions *options, const JsonbValue *source, const char *where,
				 OwProblems *problems)
{
	OwErrorNames names = {0};
	char	   *place = ow_where_member(where, "Retry");
	JsonbValue	array;
	JsonbValue	element;
	int			count;

	if (!ow_field_get(source, "Retry", OW_ARRAY, &array))
		return;
	options->has_retry = true;
	count = ow_json_value_count(&array);
	if (count > OW_MAX_RETRIERS)
	{
		ow_problem_add(problems, OW_SEVERITY_ERROR, "TooMany", place, NULL,
					   "\"Retry\" in %s has %d entries, more than %d",
					   ow_where_subject(where), count, OW_MAX_RETRIERS);
		count = OW_MAX_RETRIERS;
	}
	options->retriers = palloc0(count * sizeof(OwRetrier));
	while (options->nretriers < count &&
		   ow_json_value_element(&array, options->nretriers, &element))
	{
		read_retrier(&options->retriers[options->nretriers], &names, &element,
					 ow_where_element(place, options->nretriers), problems);
		options->nretriers++;
	}
}

Jsonb *
ow_retry_normalize(const Jsonb *retry, OwProblems *problems)
{
	static const OwField fields[] = {{"Retry", OW_ARRAY, OW_REQUIRED}, {NULL}};
	static const OwField *const tables[] = {fields, NULL};
	OwTaskOptions options;
	JsonbParseState *state = NULL;
	JsonbValue	value;
	OwObject	object;

	if (JB_ROOT_IS_OBJECT(retry))
	{
		Jsonb	   *one = unconstify(Jsonb *, retry);

		if (!ow_json_member(retry, "ErrorEquals", &value))
			one = ow_json_with_member(retry, "ErrorEquals", ow_json_from_cstring("[\"" OW_ERROR_ALL "\"]"));
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		ow_json_as_value(one, &value);
		pushJsonbValue(&state, WJB_ELEM, &value);
		retry = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	}
	ow_object_begin(&object);
	ow_object_add(&object, "Retry", retry);
	ow_json_as_value(ow_object_end(&object), &value);
	ow_task_options_init(&options);
	if (ow_fields_check(&value, "", tables, problems))
		ow_read_retriers(&options, &value, "", problems);
	return problems->errors == 0 ? unconstify(Jsonb *, retry) : NULL;
}

void
ow_task_options_read_retry(OwTaskOptions *options, const JsonbValue *source, OwProblems *problems)
{
	ow_read_retriers(options, source, "", problems);
}

/* ---- Catch ---- */

static void
compile_catcher(OwCompiler *compiler, OwCatcher *catcher, OwErrorNames *names,
				const JsonbValue *source, const char *where)
{
	catcher->next = OW_NO_STATE;
	if (!ow_fields_check(source, where, compiler->sql ? sql_catcher_tables : catcher_tables, compiler->problems))
		return;
	catcher->errors = read_errors(names, source, where, &catcher->nerrors, compiler->problems);
	catcher->next = ow_compile_target(compiler, source, "Next", where);
	if (compiler->sql)
	{
		catcher->sql_assign = ow_compile_sql_assign(compiler, source, OW_SQL_ERROR_OUTPUT, where);
		catcher->sql_output = ow_compile_sql(compiler, source, "Output", OW_SQL_ERROR_OUTPUT, where);
		return;
	}
	catcher->result_path = ow_compile_result_path(compiler, source, &catcher->result_path_null, where);
	catcher->assign = ow_compile_assign(compiler, source, where);
}

void
ow_compile_catchers(OwCompiler *compiler, OwState *state, const JsonbValue *source,
					const char *where)
{
	OwErrorNames names = {0};
	char	   *place = ow_where_member(where, "Catch");
	JsonbValue	array;
	JsonbValue	element;

	if (!ow_field_get(source, "Catch", OW_ARRAY, &array))
		return;
	state->catchers = palloc0(ow_json_value_count(&array) * sizeof(OwCatcher));
	while (ow_json_value_element(&array, state->ncatchers, &element))
	{
		compile_catcher(compiler, &state->catchers[state->ncatchers], &names, &element,
						ow_where_element(place, state->ncatchers));
		state->ncatchers++;
	}
}

/* ---- CircuitBreaker ---- */

OwCircuitBreaker *
ow_read_circuit_breaker(const JsonbValue *source, const char *where, OwProblems *problems)
{
	OwErrorNames names = {0};
	OwCircuitBreaker *breaker;
	JsonbValue	object;

	if (!ow_field_get(source, "CircuitBreaker", OW_OBJECT, &object))
		return NULL;
	where = ow_where_member(where, "CircuitBreaker");
	(void) ow_fields_check(&object, where, circuit_breaker_tables, problems);
	breaker = palloc0(sizeof(OwCircuitBreaker));
	breaker->failure_threshold = ow_field_integer(&object, "FailureThreshold", 1, OW_MAX_FAILURE_THRESHOLD,
												  DEFAULT_FAILURE_THRESHOLD, where, problems);
	breaker->window_ms = 1000 * ow_field_integer(&object, "WindowSeconds", 1, OW_MAX_SECONDS,
												 DEFAULT_WINDOW_SECONDS, where, problems);
	breaker->open_ms = 1000 * ow_field_integer(&object, "OpenSeconds", 1, OW_MAX_SECONDS,
											   DEFAULT_OPEN_SECONDS, where, problems);
	breaker->errors = read_errors(&names, &object, where, &breaker->nerrors, problems);
	return breaker;
}
