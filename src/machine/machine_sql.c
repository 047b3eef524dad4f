/*
 * machine_sql.c
 *		States of the SQL language: evaluating their fields, and what is kept so that each is evaluated once.
 *
 * An expression is the one thing that the core cannot compute: the host does, and what it made of it is
 * recorded as a MarkerRecorded, from which replay reads it.  So nothing may be evaluated but where the
 * machine comes by in a replay as well, in the same order.  In particular what a task is called with is
 * not evaluated again when the run has been loaded anew: the token keeps it, until the state is left, as
 *
 *		{"Input": …, "TimeoutSeconds": 60, "HeartbeatSeconds": 10, "FairnessKey": …, "Result": …}
 *
 * with what was evaluated and the result of a stuck transition, beside the limits of a task token that
 * waits for its answer.
 */
#include "postgres.h"

#include "machine/fields.h"
#include "machine/instant.h"
#include "machine/machine_internal.h"

static void
record_marker(OwMachine *machine, const OwSqlTemplate *template, const Jsonb *value, const OwFailure *failure)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "field", template->where);
	if (value != NULL)
		ow_object_add(&object, "value", value);
	else
	{
		ow_object_add_text(&object, "error", failure->error);
		ow_object_add_text(&object, "cause", failure->cause);
		ow_object_add(&object, "details", failure->details);
	}
	ow_machine_record(machine, "MarkerRecorded", ow_machine_state(machine)->name, ow_object_end(&object));
}

/* Evaluates a field with its state's input and what else the scope has. */
bool
ow_machine_sql_evaluate(OwMachine *machine, const OwSqlTemplate *template, OwSqlScope scope, Jsonb **value,
						OwFailure *failure)
{
	bool		done;

	if (template->nexpressions == 0)
	{
		*value = ow_json_copy(template->source);
		return true;
	}
	if (scope.input == NULL)
		scope.input = machine->token->data;
	if (scope.vars == NULL)
		scope.vars = ow_machine_variables(machine);
	if (template->uses_context && scope.context == NULL)
		scope.context = ow_machine_context(machine, template->context_member, template->context_inner);
	done = machine->host->evaluate(machine->host->arg, machine->run, template, &scope, value, failure);
	record_marker(machine, template, done ? *value : NULL, failure);
	return done;
}

bool
ow_machine_evaluate(OwMachine *machine, const OwSqlTemplate *template, Jsonb **value, OwFailure *failure)
{
	return ow_machine_sql_evaluate(machine, template, (OwSqlScope) {NULL}, value, failure);
}

/* ---- values of a type ---- */

static bool
refuse_value(const OwSqlTemplate *template, const char *wanted, const JsonbValue *value, OwFailure *failure)
{
	return ow_fail(failure, OW_ERROR_QUERY_EVALUATION, "%s: it must be %s, not %s", ow_where_subject(template->where),
				   wanted, ow_json_type_phrase(value));
}

bool
ow_machine_evaluate_number(OwMachine *machine, const OwSqlTemplate *template, double low, double high, bool whole,
						   double *number, OwFailure *failure)
{
	JsonbValue	value;
	Jsonb	   *json;
	int64		integer;

	if (!ow_machine_evaluate(machine, template, &json, failure))
		return false;
	ow_json_as_value(json, &value);
	if (value.type != jbvNumeric)
		return refuse_value(template, "a number", &value, failure);
	*number = ow_json_value_double(&value);
	if (!(*number >= low && *number <= high) || (whole && !ow_json_value_int64(&value, &integer)))
		return ow_fail(failure, OW_ERROR_QUERY_EVALUATION, "%s: it must be %s from %g to %.0f, not %s",
					   ow_where_subject(template->where), whole ? "a whole number" : "a number", low, high,
					   ow_json_to_cstring(json));
	return true;
}

/* A string; NULL when the expression is null */
bool
ow_machine_evaluate_text(OwMachine *machine, const OwSqlTemplate *template, const char **text, OwFailure *failure)
{
	JsonbValue	value;
	Jsonb	   *json;

	if (template == NULL)
		return true;
	if (!ow_machine_evaluate(machine, template, &json, failure))
		return false;
	ow_json_as_value(json, &value);
	if (value.type != jbvString && value.type != jbvNull)
		return refuse_value(template, "a string", &value, failure);
	*text = value.type == jbvNull ? NULL : ow_json_value_cstring(&value);
	return true;
}

bool
ow_machine_evaluate_time(OwMachine *machine, const OwMoment *moment, TimestampTz *at, OwFailure *failure)
{
	const char *text = NULL;
	double		seconds;

	if (moment->sql_seconds != NULL)
	{
		if (!ow_machine_evaluate_number(machine, moment->sql_seconds, 0, PG_INT32_MAX, true, &seconds, failure))
			return false;
		*at = ow_instant_add_ms(machine->now, (int64) seconds * 1000);
		return true;
	}
	if (!ow_machine_evaluate_text(machine, moment->sql_timestamp, &text, failure))
		return false;
	if (text == NULL || !ow_instant_parse(text, at))
		return ow_fail(failure, OW_ERROR_QUERY_EVALUATION, "%s: it must be an RFC 3339 timestamp, not %s",
					   ow_where_subject(moment->sql_timestamp->where), text ? text : "null");
	return true;
}

/* NULL does not match, as in WHERE. */
bool
ow_machine_sql_condition(OwMachine *machine, const OwSqlTemplate *template, OwSqlScope scope, bool *matches,
						 OwFailure *failure)
{
	JsonbValue	value;
	Jsonb	   *json;

	*matches = false;
	if (!ow_machine_sql_evaluate(machine, template, scope, &json, failure))
		return false;
	ow_json_as_value(json, &value);
	if (value.type != jbvBool && value.type != jbvNull)
		return refuse_value(template, "true or false", &value, failure);
	*matches = value.type == jbvBool && value.val.boolean;
	return true;
}

bool
ow_machine_evaluate_condition(OwMachine *machine, const OwSqlTemplate *template, const Jsonb *result, bool *matches,
							  OwFailure *failure)
{
	return ow_machine_sql_condition(machine, template, (OwSqlScope) {.result = result}, matches, failure);
}

/* ---- items ---- */

/* {"a": 1} as [{"Key": "a", "Value": 1}] */
static Jsonb *
pair_members(JsonbValue *object)
{
	JsonbParseState *state = NULL;
	OwJsonMembers members;
	JsonbValue	member;
	char	   *name;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	ow_json_members_begin(&members, object);
	while (ow_json_members_next(&members, &name, &member))
	{
		OwObject	pair;
		JsonbValue	value;

		ow_object_begin(&pair);
		ow_object_add_text(&pair, "Key", name);
		ow_object_add_value(&pair, "Value", &member);
		ow_json_as_value(ow_object_end(&pair), &value);
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* The items of a Map: an array, or the members of an object */
bool
ow_machine_evaluate_items(OwMachine *machine, const OwState *state, JsonbValue *items, OwFailure *failure)
{
	const OwSqlTemplate *template = state->sql->items;
	Jsonb	   *json = machine->token->data;

	if (template != NULL && !ow_machine_evaluate(machine, template, &json, failure))
		return false;
	ow_json_as_value(json, items);
	if (ow_json_value_is_object(items))
		ow_json_as_value(pair_members(items), items);
	if (!ow_json_value_is_array(items))
		return ow_fail(failure, OW_ERROR_QUERY_EVALUATION, "%s: the items must be an array or an object, not %s",
					   template ? ow_where_subject(template->where) : psprintf("state \"%s\"", state->name),
					   ow_json_type_phrase(items));
	return true;
}

/* ---- Assign and Output ---- */

static bool
assign(OwMachine *machine, const OwSqlTemplate *template, OwSqlScope scope, OwFailure *failure)
{
	Jsonb	   *assigned = NULL;

	if (template != NULL && !ow_machine_sql_evaluate(machine, template, scope, &assigned, failure))
		return false;
	return ow_machine_take_assigned(machine, assigned, failure);
}

/* Evaluates both; the output is otherwise when there is no Output. */
static bool
assign_and_output(OwMachine *machine, const OwSqlTemplate *assigned, const OwSqlTemplate *template, OwSqlScope scope,
				  Jsonb *otherwise, Jsonb **output, OwFailure *failure)
{
	if (!assign(machine, assigned, scope, failure))
		return false;
	*output = otherwise;
	return template == NULL || ow_machine_sql_evaluate(machine, template, scope, output, failure);
}

/* Of a state that has a result, or with NULL of one that has none */
bool
ow_machine_sql_output(OwMachine *machine, const OwState *state, Jsonb *result, Jsonb **output, OwFailure *failure)
{
	return assign_and_output(machine, state->sql->assign, state->sql->output, (OwSqlScope) {.result = result},
							 result ? result : machine->token->data, output, failure);
}

/* Of one thing that an Await waited for; the payload is NULL when it was a moment. */
bool
ow_machine_sql_awaited(OwMachine *machine, const OwAwaited *awaited, const Jsonb *payload, Jsonb **output,
					   OwFailure *failure)
{
	return assign_and_output(machine, awaited->sql_assign, awaited->sql_output, (OwSqlScope) {.result = payload},
							 machine->token->data, output, failure);
}

bool
ow_machine_sql_catch(OwMachine *machine, const OwCatcher *catcher, Jsonb *error, Jsonb **output, OwFailure *failure)
{
	return assign_and_output(machine, catcher->sql_assign, catcher->sql_output, (OwSqlScope) {.error_output = error},
							 error, output, failure);
}

/* Which way a Choice goes, and with what */
bool
ow_machine_sql_choose(OwMachine *machine, const OwState *state, int *next, Jsonb **output, OwFailure *failure)
{
	const OwSqlTemplate *assigned = state->sql->assign;
	const OwSqlTemplate *template = state->sql->output;

	*next = state->default_next;
	for (int i = 0; i < state->nbranches; i++)
	{
		const OwChoiceBranch *branch = &state->branches[i];
		bool		matches;

		if (!ow_machine_evaluate_condition(machine, branch->condition, NULL, &matches, failure))
			return false;
		if (!matches)
			continue;
		*next = branch->next;
		assigned = branch->sql_assign;
		template = branch->sql_output;
		break;
	}
	if (*next == OW_NO_STATE)
		return ow_fail(failure, OW_ERROR_NO_CHOICE, "no choice of state \"%s\" matches, and it has no Default",
					   state->name);
	return assign_and_output(machine, assigned, template, (OwSqlScope) {NULL}, machine->token->data, output, failure);
}

/* ---- what the token keeps ---- */

static void
keep(OwToken *token, const char *name, const Jsonb *value)
{
	token->kept = ow_json_with_member(token->kept, name, value);
}

static bool
is_dynamic(const OwSqlTemplate *template)
{
	return template != NULL && template->nexpressions > 0;
}

/* The input of a task or Parallel, evaluated the first time, then as kept */
bool
ow_machine_sql_input(OwMachine *machine, const OwState *state, Jsonb **input, OwFailure *failure)
{
	const OwSqlTemplate *template = state->sql->arguments;
	OwToken    *token = machine->token;

	*input = token->data;
	if (template == NULL)
		return true;
	if (!is_dynamic(template))
		return ow_machine_evaluate(machine, template, input, failure);
	*input = token->kept ? ow_json_get(token->kept, "Input") : NULL;
	if (*input != NULL)
		return true;
	if (!ow_machine_evaluate(machine, template, input, failure))
		return false;
	keep(token, "Input", *input);
	return true;
}

/* A timeout of the task, evaluated the first time, then as kept; *ms stays as it is when it has none. */
static bool
evaluate_timeout(OwMachine *machine, const OwSqlTemplate *template, const char *name, int64 *ms, OwFailure *failure)
{
	OwToken    *token = machine->token;
	JsonbValue	value;
	double		seconds;

	if (template == NULL)
		return true;
	if (token->kept != NULL && ow_json_member(token->kept, name, &value))
		seconds = ow_json_value_double(&value);
	else
	{
		if (!ow_machine_evaluate_number(machine, template, 1, OW_MAX_SECONDS, true, &seconds, failure))
			return false;
		keep(token, name, ow_json_int((int64) seconds));
	}
	*ms = (int64) seconds * 1000;
	return true;
}

bool
ow_machine_sql_timeout(OwMachine *machine, const OwState *state, int64 *ms, OwFailure *failure)
{
	return evaluate_timeout(machine, state->sql->timeout_seconds, "TimeoutSeconds", ms, failure);
}

bool
ow_machine_sql_heartbeat(OwMachine *machine, const OwState *state, int64 *ms, OwFailure *failure)
{
	return evaluate_timeout(machine, state->sql->heartbeat_seconds, "HeartbeatSeconds", ms, failure);
}

/* The fairness key of the task, evaluated the first time, then as kept */
bool
ow_machine_sql_fairness_key(OwMachine *machine, const OwState *state, char **key, OwFailure *failure)
{
	const OwSqlTemplate *template = state->sql->fairness_key;
	OwToken    *token = machine->token;
	JsonbValue	value;
	Jsonb	   *json;

	*key = NULL;
	if (template == NULL)
		return true;
	if (token->kept == NULL || !ow_json_member(token->kept, "FairnessKey", &value))
	{
		if (!ow_machine_evaluate(machine, template, &json, failure))
			return false;
		ow_json_as_value(json, &value);
		keep(token, "FairnessKey", json);
	}
	return ow_machine_fairness_text(psprintf("state \"%s\"", state->name), &value, key, failure);
}

/* Evaluates all that an attempt is made with. */
bool
ow_machine_sql_call(OwMachine *machine, const OwState *state, Jsonb **input, OwFailure *failure)
{
	int64		ignored;
	char	   *ignored_key;

	return ow_machine_sql_input(machine, state, input, failure) &&
		ow_machine_sql_timeout(machine, state, &ignored, failure) &&
		ow_machine_sql_heartbeat(machine, state, &ignored, failure) &&
		ow_machine_sql_fairness_key(machine, state, &ignored_key, failure);
}

/* What undoes the task gets: the result is NULL when it is recorded before the task runs. */
bool
ow_machine_sql_compensation(OwMachine *machine, const OwState *state, Jsonb *result, Jsonb **input, OwFailure *failure)
{
	const OwSqlTemplate *template = state->compensation->arguments;

	*input = machine->task_input;
	return template == NULL || ow_machine_sql_evaluate(machine, template, (OwSqlScope) {.result = result}, input, failure);
}

/* ---- a stored result ---- */

/* Keeps the result of a stuck transition, with the input, which the compensation will need. */
void
ow_machine_keep_result(OwToken *token, const OwState *state, Jsonb *result)
{
	OwObject	object;

	if (state->sql == NULL)
	{
		token->kept = result;
		return;
	}
	ow_object_begin(&object);
	if (is_dynamic(state->sql->arguments) && token->kept != NULL)
		ow_object_add(&object, "Input", ow_json_get(token->kept, "Input"));
	ow_object_add(&object, "Result", result);
	token->kept = ow_object_end(&object);
}

Jsonb *
ow_machine_kept_result(const OwToken *token, const OwState *state)
{
	return state->sql == NULL ? token->kept : ow_json_get(token->kept, "Result");
}

/* Another version of the definition may have the state in another language, with other arguments. */
void
ow_machine_move_kept(OwToken *token, const OwState *from, const OwState *to)
{
	Jsonb	   *result;

	if (from->sql == NULL && to->sql == NULL)
		return;
	if (token->phase == OW_PHASE_EXIT)
	{
		result = ow_machine_kept_result(token, from);
		if (from->sql == NULL)
			token->kept = NULL;
		ow_machine_keep_result(token, to, result);
	}
	else if (token->phase == OW_PHASE_ACTIVITY || token->phase == OW_PHASE_BACKOFF ||
			 token->phase == OW_PHASE_CIRCUIT_OPEN)
		token->kept = NULL;
}
