/*
 * json.c
 *		Helpers over jsonb values, for the pure core.
 */
#include "postgres.h"

#include "fmgr.h"
#include "machine/json.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* ---- whole values ---- */

Jsonb *
ow_json_null(void)
{
	JsonbValue	value = {.type = jbvNull};

	return JsonbValueToJsonb(&value);
}

Jsonb *
ow_json_bool(bool value)
{
	JsonbValue	json = {.type = jbvBool, .val.boolean = value};

	return JsonbValueToJsonb(&json);
}

Jsonb *
ow_json_int(int64 value)
{
	JsonbValue	json = {.type = jbvNumeric, .val.numeric = int64_to_numeric(value)};

	return JsonbValueToJsonb(&json);
}

/* Makes a jbvString that points to the given text. */
static void
string_value(JsonbValue *value, const char *text)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, text);
	value->val.string.len = strlen(text);
}

Jsonb *
ow_json_text(const char *value)
{
	JsonbValue	json;

	string_value(&json, value);
	return JsonbValueToJsonb(&json);
}

Jsonb *
ow_json_empty_object(void)
{
	OwObject	object;

	ow_object_begin(&object);
	return ow_object_end(&object);
}

Jsonb *
ow_json_copy(const Jsonb *json)
{
	Jsonb	   *copy = palloc(VARSIZE(json));

	memcpy(copy, json, VARSIZE(json));
	return copy;
}

Jsonb *
ow_json_from_value(JsonbValue *value)
{
	return JsonbValueToJsonb(value);
}

bool
ow_json_is_null(const Jsonb *json)
{
	JsonbValue	value;

	if (!JB_ROOT_IS_SCALAR(json))
		return false;
	ow_json_as_value(json, &value);
	return value.type == jbvNull;
}

bool
ow_json_equal(const Jsonb *a, const Jsonb *b)
{
	if (VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0)
		return true;
	/* the same value can have two forms: 1 and 1.0 */
	return compareJsonbContainers(&unconstify(Jsonb *, a)->root, &unconstify(Jsonb *, b)->root) == 0;
}

char *
ow_json_to_cstring(const Jsonb *json)
{
	return JsonbToCString(NULL, &unconstify(Jsonb *, json)->root, VARSIZE(json));
}

Jsonb *
ow_json_from_cstring(const char *text)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

void
ow_json_as_value(const Jsonb *json, JsonbValue *value)
{
	JsonbContainer *root = &unconstify(Jsonb *, json)->root;

	if (JsonContainerIsScalar(root))
	{
		*value = *getIthJsonbValueFromContainer(root, 0);
		return;
	}
	value->type = jbvBinary;
	value->val.binary.data = root;
	value->val.binary.len = VARSIZE(json) - VARHDRSZ;
}

/* ---- members ---- */

bool
ow_json_container_member(JsonbContainer *container, const char *key, JsonbValue *value)
{
	return JsonContainerIsObject(container) &&
		getKeyJsonValueFromContainer(container, key, strlen(key), value) != NULL;
}

bool
ow_json_member(const Jsonb *json, const char *key, JsonbValue *value)
{
	return ow_json_container_member(&unconstify(Jsonb *, json)->root, key, value);
}

Jsonb *
ow_json_get(const Jsonb *json, const char *key)
{
	JsonbValue	value;

	return ow_json_member(json, key, &value) ? JsonbValueToJsonb(&value) : NULL;
}

char *
ow_json_get_string(const Jsonb *json, const char *key)
{
	JsonbValue	value;

	if (!ow_json_member(json, key, &value) || value.type != jbvString)
		return NULL;
	return ow_json_value_cstring(&value);
}

/* ---- values ---- */

char *
ow_json_value_cstring(const JsonbValue *value)
{
	Assert(value->type == jbvString);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Tells whether the number has no fraction (and is not NaN or infinite). */
static bool
numeric_is_integral(Numeric number)
{
	Datum		whole;

	if (numeric_is_nan(number) || numeric_is_inf(number))
		return false;
	whole = DirectFunctionCall2(numeric_trunc, NumericGetDatum(number), Int32GetDatum(0));
	return DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(number), whole));
}

bool
ow_json_value_int64(const JsonbValue *value, int64 *out)
{
	Datum		number;
	Datum		low;
	Datum		high;

	if (value->type != jbvNumeric || !numeric_is_integral(value->val.numeric))
		return false;

	number = NumericGetDatum(value->val.numeric);
	low = NumericGetDatum(int64_to_numeric(PG_INT64_MIN));
	high = NumericGetDatum(int64_to_numeric(PG_INT64_MAX));
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, number, low)) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, number, high)))
		return false;

	*out = DatumGetInt64(DirectFunctionCall1(numeric_int8, number));
	return true;
}

double
ow_json_value_double(const JsonbValue *value)
{
	Assert(value->type == jbvNumeric);
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  NumericGetDatum(value->val.numeric)));
}

const char *
ow_json_type_name(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "string";
		case jbvNumeric:
			return "number";
		case jbvBool:
			return "boolean";
		default:
			return ow_json_value_is_array(value) ? "array" : "object";
	}
}

const char *
ow_json_type_phrase(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		default:
			return ow_json_value_is_array(value) ? "an array" : "an object";
	}
}

bool
ow_json_value_is_object(const JsonbValue *value)
{
	return value->type == jbvObject ||
		(value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data));
}

bool
ow_json_value_is_array(const JsonbValue *value)
{
	return value->type == jbvArray ||
		(value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data));
}

bool
ow_json_values_equal(const JsonbValue *a, const JsonbValue *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type)
	{
		case jbvNull:
			return true;
		case jbvBool:
			return a->val.boolean == b->val.boolean;
		case jbvNumeric:
			return DatumGetBool(DirectFunctionCall2(numeric_eq,
													NumericGetDatum(a->val.numeric),
													NumericGetDatum(b->val.numeric)));
		case jbvString:
			return a->val.string.len == b->val.string.len &&
				memcmp(a->val.string.val, b->val.string.val, a->val.string.len) == 0;
		case jbvBinary:
			return compareJsonbContainers(a->val.binary.data, b->val.binary.data) == 0;
		default:
			elog(ERROR, "unexpected jsonb value type %d", (int) a->type);
	}
}

/* ---- walking ---- */

void
ow_json_members_begin(OwJsonMembers *members, const JsonbValue *object)
{
	JsonbValue	ignored;

	members->iterator = NULL;
	if (object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data))
		return;
	members->iterator = JsonbIteratorInit(object->val.binary.data);
	(void) JsonbIteratorNext(&members->iterator, &ignored, true);
}

bool
ow_json_members_next(OwJsonMembers *members, char **key, JsonbValue *value)
{
	JsonbValue	name;

	if (members->iterator == NULL ||
		JsonbIteratorNext(&members->iterator, &name, true) != WJB_KEY)
		return false;
	*key = ow_json_value_cstring(&name);
	(void) JsonbIteratorNext(&members->iterator, value, true);
	return true;
}

int
ow_json_value_count(const JsonbValue *container)
{
	return container->type == jbvBinary ? (int) JsonContainerSize(container->val.binary.data) : 0;
}

bool
ow_json_value_element(const JsonbValue *array, int index, JsonbValue *value)
{
	JsonbValue *element;

	if (array->type != jbvBinary || !JsonContainerIsArray(array->val.binary.data) || index < 0)
		return false;
	element = getIthJsonbValueFromContainer(array->val.binary.data, index);
	if (element == NULL)
		return false;
	*value = *element;
	pfree(element);
	return true;
}

JsonbValue *
ow_json_elements(const JsonbValue *array, int *count)
{
	JsonbValue *elements = palloc(Max(ow_json_value_count(array), 1) * sizeof(JsonbValue));
	JsonbIterator *iterator;
	JsonbValue	ignored;

	*count = 0;
	if (array->type != jbvBinary || !JsonContainerIsArray(array->val.binary.data))
		return elements;
	iterator = JsonbIteratorInit(array->val.binary.data);
	(void) JsonbIteratorNext(&iterator, &ignored, true);
	while (JsonbIteratorNext(&iterator, &elements[*count], true) == WJB_ELEM)
	{
		if (++*count == ow_json_value_count(array))
			break;
	}
	return elements;
}

Jsonb *
ow_json_array(const List *values)
{
	JsonbParseState *state = NULL;
	ListCell   *cell;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach(cell, values)
	{
		JsonbValue	value;

		ow_json_as_value(lfirst(cell), &value);
		(void) pushJsonbValue(&state, WJB_ELEM, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* ---- building ---- */

void
ow_object_begin(OwObject *object)
{
	object->parse_state = NULL;
	(void) pushJsonbValue(&object->parse_state, WJB_BEGIN_OBJECT, NULL);
}

void
ow_object_add_value(OwObject *object, const char *key, JsonbValue *value)
{
	JsonbValue	name;

	string_value(&name, key);
	(void) pushJsonbValue(&object->parse_state, WJB_KEY, &name);
	(void) pushJsonbValue(&object->parse_state, WJB_VALUE, value);
}

void
ow_object_add(OwObject *object, const char *key, const Jsonb *value)
{
	JsonbValue	json;

	if (value == NULL)
		return;
	ow_json_as_value(value, &json);
	ow_object_add_value(object, key, &json);
}

void
ow_object_add_text(OwObject *object, const char *key, const char *value)
{
	JsonbValue	json;

	if (value == NULL)
		return;
	string_value(&json, value);
	ow_object_add_value(object, key, &json);
}

void
ow_object_add_int(OwObject *object, const char *key, int64 value)
{
	JsonbValue	json = {.type = jbvNumeric, .val.numeric = int64_to_numeric(value)};

	ow_object_add_value(object, key, &json);
}

void
ow_object_add_bool(OwObject *object, const char *key, bool value)
{
	JsonbValue	json = {.type = jbvBool, .val.boolean = value};

	ow_object_add_value(object, key, &json);
}

Jsonb *
ow_object_end(OwObject *object)
{
	return JsonbValueToJsonb(pushJsonbValue(&object->parse_state, WJB_END_OBJECT, NULL));
}

Jsonb *
ow_json_with_member(const Jsonb *base, const char *key, const Jsonb *value)
{
	OwObject	object;
	OwJsonMembers members;
	JsonbValue	whole;
	JsonbValue	member;
	char	   *name;

	ow_object_begin(&object);
	if (base != NULL)
	{
		ow_json_as_value(base, &whole);
		ow_json_members_begin(&members, &whole);
		while (ow_json_members_next(&members, &name, &member))
		{
			if (strcmp(name, key) != 0)
				ow_object_add_value(&object, name, &member);
		}
	}
	ow_object_add(&object, key, value);
	return ow_object_end(&object);
}

Jsonb *
ow_json_merged(const Jsonb *base, const Jsonb *over)
{
	const Jsonb *layers[] = {base, over};
	OwObject	object;

	ow_object_begin(&object);
	for (int i = 0; i < (int) lengthof(layers); i++)
	{
		OwJsonMembers members;
		JsonbValue	whole;
		JsonbValue	member;
		char	   *name;

		ow_json_as_value(layers[i], &whole);
		ow_json_members_begin(&members, &whole);
		while (ow_json_members_next(&members, &name, &member))
			ow_object_add_value(&object, name, &member);
	}
	return ow_object_end(&object);
}

Jsonb *
ow_json_without_member(const Jsonb *base, const char *key)
{
	OwObject	object;
	OwJsonMembers members;
	JsonbValue	whole;
	JsonbValue	member;
	char	   *name;

	ow_object_begin(&object);
	ow_json_as_value(base, &whole);
	ow_json_members_begin(&members, &whole);
	while (ow_json_members_next(&members, &name, &member))
	{
		if (strcmp(name, key) != 0)
			ow_object_add_value(&object, name, &member);
	}
	return ow_object_end(&object);
}
