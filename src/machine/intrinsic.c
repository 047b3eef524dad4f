/*
 * intrinsic.c
 *		Evaluates expressions: the table of intrinsic functions, and what their arguments are read with.
 */
#include "postgres.h"

#include "machine/intrinsic_internal.h"
#include "machine/json.h"
#include "machine/problems.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

static const OwIntrinsic functions[] = {
	{"States.Format", 1, OW_ANY_NUMBER, "s*", ow_intrinsic_format},
	{"States.StringToJson", 1, 1, "s", ow_intrinsic_string_to_json},
	{"States.JsonToString", 1, 1, "?", ow_intrinsic_json_to_string},
	{"States.Array", 0, OW_ANY_NUMBER, "*", ow_intrinsic_array},
	{"States.ArrayPartition", 2, 2, "an", ow_intrinsic_array_partition},
	{"States.ArrayContains", 2, 2, "a?", ow_intrinsic_array_contains},
	{"States.ArrayRange", 3, 3, "nnn", ow_intrinsic_array_range},
	{"States.ArrayGetItem", 2, 2, "an", ow_intrinsic_array_get_item},
	{"States.ArrayLength", 1, 1, "a", ow_intrinsic_array_length},
	{"States.ArrayUnique", 1, 1, "a", ow_intrinsic_array_unique},
	{"States.Base64Encode", 1, 1, "s", ow_intrinsic_base64_encode},
	{"States.Base64Decode", 1, 1, "s", ow_intrinsic_base64_decode},
	{"States.Hash", 2, 2, "?s", ow_intrinsic_hash},
	{"States.JsonMerge", 3, 3, "oob", ow_intrinsic_json_merge},
	{"States.MathRandom", 2, 3, "nnn", ow_intrinsic_math_random},
	{"States.MathAdd", 2, 2, "nn", ow_intrinsic_math_add},
	{"States.StringSplit", 2, 2, "ss", ow_intrinsic_string_split},
	{"States.UUID", 0, 0, "", ow_intrinsic_uuid}
};

const OwIntrinsic *
ow_intrinsic_find(const char *name, const char **nearest)
{
	const char *names[lengthof(functions)];

	for (int i = 0; i < (int) lengthof(functions); i++)
	{
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
		names[i] = functions[i].name;
	}
	*nearest = ow_nearest_name(name, names, lengthof(names));
	return NULL;
}

/* ---- what an expression reads ---- */

bool
ow_expression_is_reference(const OwExpression *expression)
{
	return expression->kind != OW_EXPRESSION_PATH || ow_path_is_reference(expression->path);
}

List *
ow_expression_variables(List *names, const OwExpression *expression)
{
	check_stack_depth();
	if (expression->kind == OW_EXPRESSION_PATH)
		return ow_path_variables(names, expression->path);
	for (int i = 0; i < expression->narguments; i++)
		names = ow_expression_variables(names, expression->arguments[i]);
	return names;
}

/* ---- what functions read and return ---- */

bool
ow_call_refuse(OwCall *call, const char *format, ...)
{
	StringInfoData reason;

	initStringInfo(&reason);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&reason, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&reason, needed);
	}
	return ow_fail(call->failure, OW_ERROR_INTRINSIC, "%s: %s", call->expression->function->name, reason.data);
}

static bool
refuse_type(OwCall *call, int argument, const char *wanted)
{
	return ow_call_refuse(call, "argument %d must be %s, not %s", argument + 1, wanted,
						  ow_json_type_phrase(&call->arguments[argument]));
}

bool
ow_call_text(OwCall *call, int argument, char **text)
{
	const JsonbValue *value = &call->arguments[argument];

	if (value->type != jbvString)
		return refuse_type(call, argument, "a string");
	*text = ow_json_value_cstring(value);
	return true;
}

bool
ow_call_integer(OwCall *call, int argument, int64 *number)
{
	JsonbValue	value = call->arguments[argument];
	Datum		half;

	if (value.type != jbvNumeric)
		return refuse_type(call, argument, "a number");
	if (!ow_json_value_int64(&value, number))
	{
		half = DirectFunctionCall2(numeric_div, NumericGetDatum(int64_to_numeric(1)), NumericGetDatum(int64_to_numeric(2)));
		half = DirectFunctionCall2(numeric_add, NumericGetDatum(value.val.numeric), half);
		value.val.numeric = DatumGetNumeric(DirectFunctionCall1(numeric_floor, half));
		if (!ow_json_value_int64(&value, number))
			return ow_call_refuse(call, "argument %d is out of range", argument + 1);
	}
	return true;
}

bool
ow_call_array(OwCall *call, int argument, JsonbValue **elements, int *count)
{
	const JsonbValue *value = &call->arguments[argument];

	if (!ow_json_value_is_array(value))
		return refuse_type(call, argument, "an array");
	*elements = ow_json_elements(value, count);
	return true;
}

bool
ow_call_return(OwCall *call, const Jsonb *result)
{
	ow_json_as_value(result, call->result);
	return true;
}

bool
ow_call_return_text(OwCall *call, const char *text)
{
	return ow_call_return(call, ow_json_text(text));
}

/* ---- evaluating ---- */

static bool
evaluate_call(const OwExpression *expression, OwScope *scope, JsonbValue *value, OwFailure *failure)
{
	OwCall		call = {.expression = expression, .scope = scope, .result = value, .failure = failure};

	check_stack_depth();
	call.arguments = palloc(Max(expression->narguments, 1) * sizeof(JsonbValue));
	for (int i = 0; i < expression->narguments; i++)
	{
		if (!ow_expression_evaluate(expression->arguments[i], scope, &call.arguments[i], failure))
			return false;
	}
	return expression->function->evaluate(&call);
}

bool
ow_expression_evaluate(const OwExpression *expression, OwScope *scope, JsonbValue *value, OwFailure *failure)
{
	const char *missing;

	switch (expression->kind)
	{
		case OW_EXPRESSION_PATH:
			return ow_path_get(expression->path, scope, value, &missing) ||
				ow_fail(failure, OW_ERROR_RUNTIME, "%s", missing);
		case OW_EXPRESSION_LITERAL:
			*value = expression->literal;
			return true;
		case OW_EXPRESSION_CALL:
			break;
	}
	return evaluate_call(expression, scope, value, failure);
}
