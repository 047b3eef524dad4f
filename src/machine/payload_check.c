/*
 * payload_check.c
 *		Checks a value against its declared type, and says where it differs.
 *
 * The place of a value is kept as a chain on the stack and becomes text only for a mismatch.
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "lib/stringinfo.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "machine/payload_schema.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"

#define SHOWN_CHARACTERS 40		/* of a value that does not fit */

typedef struct Place
{
	const struct Place *parent; /* NULL: the whole value */
	const char *member;			/* NULL: an element */
	int			index;
} Place;

static void check_value(const OwSchema *schema, const JsonbValue *value, const Place *place,
						OwMismatches *mismatches);

/* ---- saying what is wrong ---- */

static bool
is_plain(const char *name)
{
	if (!isalpha((unsigned char) *name) && *name != '_')
		return false;
	for (; *name; name++)
	{
		if (!isalnum((unsigned char) *name) && *name != '_')
			return false;
	}
	return true;
}

static void
append_member(StringInfo path, const char *name)
{
	if (is_plain(name))
	{
		appendStringInfo(path, ".%s", name);
		return;
	}
	appendStringInfoString(path, "['");
	for (; *name; name++)
	{
		if (*name == '\'' || *name == '\\')
			appendStringInfoChar(path, '\\');
		appendStringInfoChar(path, *name);
	}
	appendStringInfoString(path, "']");
}

/* The JSONPath of a place.  Schemas are not nested so deeply that this would matter. */
static void
append_place(StringInfo path, const Place *place)
{
	if (place->parent == NULL)
	{
		appendStringInfoChar(path, '$');
		return;
	}
	append_place(path, place->parent);
	if (place->member != NULL)
		append_member(path, place->member);
	else
		appendStringInfo(path, "[%d]", place->index);
}

static void mismatch(OwMismatches *mismatches, const Place *place, const char *format, ...) pg_attribute_printf(3, 4);

static void
mismatch(OwMismatches *mismatches, const Place *place, const char *format, ...)
{
	StringInfoData line;

	if (list_length(mismatches->lines) == OW_MAX_MISMATCHES)
	{
		mismatches->more = true;
		return;
	}
	initStringInfo(&line);
	append_place(&line, place);
	appendStringInfoString(&line, ": ");
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&line, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&line, needed);
	}
	mismatches->lines = lappend(mismatches->lines, line.data);
}

char *
ow_mismatches_text(const OwMismatches *mismatches)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, mismatches->lines)
		appendStringInfo(&text, "%s%s", text.len > 0 ? "\n" : "", (char *) lfirst(cell));
	if (mismatches->more)
		appendStringInfoString(&text, "\n...");
	return text.data;
}

/* A value as JSON, if that is not too long */
static char *
show_json(const JsonbValue *value)
{
	JsonbValue	copy = *value;
	char	   *text = ow_json_to_cstring(ow_json_from_value(&copy));
	int			length;

	if (pg_mbstrlen(text) <= SHOWN_CHARACTERS)
		return text;
	length = pg_mbcharcliplen(text, strlen(text), SHOWN_CHARACTERS);
	return psprintf("%.*s...", length, text);
}

/* What was got instead of what is expected */
static char *
show(const JsonbValue *value)
{
	return value->type == jbvBinary ? pstrdup(ow_json_type_phrase(value)) : show_json(value);
}

/* ---- scalars ---- */

static bool
is_whole(Numeric number)
{
	Datum		value = NumericGetDatum(number);

	return DatumGetBool(DirectFunctionCall2(numeric_eq, value,
											DirectFunctionCall2(numeric_trunc, value, Int32GetDatum(0))));
}

static bool
is_of_type(const JsonbValue *value, int types)
{
	switch (value->type)
	{
		case jbvNull:
			return (types & OW_NULL) != 0;
		case jbvString:
			return (types & OW_STRING) != 0;
		case jbvNumeric:
			return (types & OW_NUMBER) != 0 || ((types & OW_INTEGER) != 0 && is_whole(value->val.numeric));
		case jbvBool:
			return (types & OW_BOOLEAN) != 0;
		default:
			return (types & (ow_json_value_is_array(value) ? OW_ARRAY : OW_OBJECT)) != 0;
	}
}

static void
check_allowed(const OwSchema *schema, const JsonbValue *value, const Place *place, OwMismatches *mismatches)
{
	StringInfoData listed;

	initStringInfo(&listed);
	for (int i = 0; i < schema->nallowed; i++)
	{
		JsonbValue	allowed;

		ow_json_as_value(schema->allowed[i], &allowed);
		if (ow_json_values_equal(value, &allowed))
			return;
		if (i < OW_MAX_MISMATCHES)
			appendStringInfo(&listed, "%s%s", i > 0 ? ", " : "", show_json(&allowed));
	}
	mismatch(mismatches, place, "expected %s%s%s, got %s", schema->nallowed > 1 ? "one of " : "", listed.data,
			 schema->nallowed > OW_MAX_MISMATCHES ? ", ..." : "", show_json(value));
}

static void
check_limit(Numeric number, Numeric limit, PGFunction holds, const char *phrase, const Place *place,
			OwMismatches *mismatches)
{
	if (limit == NULL ||
		DatumGetBool(DirectFunctionCall2(holds, NumericGetDatum(number), NumericGetDatum(limit))))
		return;
	mismatch(mismatches, place, "expected a number %s %s, got %s", phrase,
			 DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(limit))),
			 DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number))));
}

static void
check_number(const OwSchema *schema, Numeric number, const Place *place, OwMismatches *mismatches)
{
	check_limit(number, schema->minimum, numeric_ge, "of at least", place, mismatches);
	check_limit(number, schema->maximum, numeric_le, "of at most", place, mismatches);
	check_limit(number, schema->exclusive_minimum, numeric_gt, "greater than", place, mismatches);
	check_limit(number, schema->exclusive_maximum, numeric_lt, "less than", place, mismatches);
}

static bool
is_date(const char *text)
{
	TimestampTz ignored;

	return strlen(text) == 10 && ow_instant_parse(psprintf("%sT00:00:00Z", text), &ignored);
}

static bool
is_uuid(const char *text)
{
	for (int i = 0; i < 36; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char) text[i]))
			return false;
	}
	return text[36] == '\0';
}

static void
check_format(OwFormat format, const JsonbValue *value, const Place *place, OwMismatches *mismatches)
{
	char	   *text = ow_json_value_cstring(value);
	const char *expected = NULL;
	TimestampTz ignored;

	switch (format)
	{
		case OW_FORMAT_NONE:
			break;
		case OW_FORMAT_DATE_TIME:
			if (!ow_instant_parse(text, &ignored))
				expected = "an RFC 3339 timestamp such as \"2030-01-31T12:00:00Z\"";
			break;
		case OW_FORMAT_DATE:
			if (!is_date(text))
				expected = "a date such as \"2030-01-31\"";
			break;
		case OW_FORMAT_UUID:
			if (!is_uuid(text))
				expected = "a UUID";
			break;
	}
	if (expected != NULL)
		mismatch(mismatches, place, "expected %s, got %s", expected, show(value));
}

static void
check_string(const OwSchema *schema, const JsonbValue *value, const Place *place, OwMismatches *mismatches)
{
	char	   *text = value->val.string.val;
	int			bytes = value->val.string.len;

	if (schema->min_length != OW_NO_LIMIT && pg_mbstrlen_with_len(text, bytes) < schema->min_length)
		mismatch(mismatches, place, "expected at least " INT64_FORMAT " characters, got %s", schema->min_length,
				 show(value));
	if (schema->max_length != OW_NO_LIMIT && pg_mbstrlen_with_len(text, bytes) > schema->max_length)
		mismatch(mismatches, place, "expected at most " INT64_FORMAT " characters, got %d", schema->max_length,
				 pg_mbstrlen_with_len(text, bytes));
	if (schema->pattern != NULL &&
		!RE_compile_and_execute(schema->pattern, text, bytes, REG_ADVANCED | REG_NOSUB, DEFAULT_COLLATION_OID,
								0, NULL))
		mismatch(mismatches, place, "expected text that matches \"%s\", got %s", text_to_cstring(schema->pattern),
				 show(value));
	check_format(schema->format, value, place, mismatches);
}

/* ---- arrays ---- */

static int
compare_items(const void *a, const void *b)
{
	return compareJsonbContainers(&(*(Jsonb *const *) a)->root, &(*(Jsonb *const *) b)->root);
}

static void
check_unique(JsonbValue *elements, int count, const Place *place, OwMismatches *mismatches)
{
	Jsonb	  **items = palloc(sizeof(Jsonb *) * Max(count, 1));

	for (int i = 0; i < count; i++)
		items[i] = ow_json_from_value(&elements[i]);
	qsort(items, count, sizeof(Jsonb *), compare_items);
	for (int i = 1; i < count; i++)
	{
		JsonbValue	twice;

		if (compare_items(&items[i - 1], &items[i]) != 0)
			continue;
		ow_json_as_value(items[i], &twice);
		mismatch(mismatches, place, "expected each item once, got %s twice", show_json(&twice));
		return;
	}
}

/*
 * What the elements of a database's array are: of its type, or a further dimension, that is all of them
 * arrays and of the same length.  NULL: neither.
 */
static const OwSchema *
element_schema(const OwSchema *schema, JsonbValue *elements, int count, const Place *place,
			   OwMismatches *mismatches)
{
	for (int i = 0; i < count; i++)
	{
		if (ow_json_value_is_array(&elements[i]) != ow_json_value_is_array(&elements[0]) ||
			(ow_json_value_is_array(&elements[0]) &&
			 ow_json_value_count(&elements[i]) != ow_json_value_count(&elements[0])))
		{
			mismatch(mismatches, place, "expected arrays of the same length within the array");
			return NULL;
		}
	}
	return count > 0 && ow_json_value_is_array(&elements[0]) ? schema : schema->items;
}

static void
check_array(const OwSchema *schema, const JsonbValue *value, const Place *place, OwMismatches *mismatches)
{
	const OwSchema *items = schema->items;
	int			count;
	JsonbValue *elements = ow_json_elements(value, &count);

	if (schema->min_items != OW_NO_LIMIT && count < schema->min_items)
		mismatch(mismatches, place, "expected at least " INT64_FORMAT " items, got %d", schema->min_items, count);
	if (schema->max_items != OW_NO_LIMIT && count > schema->max_items)
		mismatch(mismatches, place, "expected at most " INT64_FORMAT " items, got %d", schema->max_items, count);
	if (schema->unique_items)
		check_unique(elements, count, place, mismatches);
	if (schema->nested)
		items = element_schema(schema, elements, count, place, mismatches);
	for (int i = 0; items != NULL && i < count && !mismatches->more; i++)
		check_value(items, &elements[i], &(Place) {.parent = place, .index = i}, mismatches);
}

/* ---- objects ---- */

static void
report_unknown(const OwSchema *schema, const Place *place, OwMismatches *mismatches)
{
	const char **names = palloc(sizeof(char *) * Max(schema->nproperties, 1));
	const char *nearest;

	for (int i = 0; i < schema->nproperties; i++)
		names[i] = schema->properties[i].name;
	nearest = ow_nearest_name(place->member, names, schema->nproperties);
	if (nearest != NULL)
		mismatch(mismatches, place, "unknown key; did you mean \"%s\"?", nearest);
	else
		mismatch(mismatches, place, "unknown key");
}

/* Members that are no properties: errors, or of a schema for them all. */
static void
check_others(const OwSchema *schema, const JsonbValue *value, const Place *place, OwMismatches *mismatches)
{
	OwJsonMembers members;
	JsonbValue	member;
	char	   *name;

	ow_json_members_begin(&members, value);
	while (!mismatches->more && ow_json_members_next(&members, &name, &member))
	{
		OwProperty	key = {.name = name};
		Place		here = {.parent = place, .member = name};

		if (schema->nproperties > 0 &&
			bsearch(&key, schema->properties, schema->nproperties, sizeof(OwProperty), ow_property_compare) != NULL)
			continue;
		if (schema->closed)
			report_unknown(schema, &here, mismatches);
		else
			check_value(schema->additional, &member, &here, mismatches);
	}
}

static void
check_object(const OwSchema *schema, const JsonbValue *value, const Place *place, OwMismatches *mismatches)
{
	int			known = 0;

	/* unknown ones first: a misspelt key is missing as well, and its name is what helps */
	for (int i = 0; i < schema->nproperties; i++)
	{
		JsonbValue	ignored;

		known += ow_json_container_member(value->val.binary.data, schema->properties[i].name, &ignored);
	}
	if (known < ow_json_value_count(value) && (schema->closed || schema->additional != NULL))
		check_others(schema, value, place, mismatches);
	for (int i = 0; i < schema->nproperties && !mismatches->more; i++)
	{
		const OwProperty *property = &schema->properties[i];
		Place		here = {.parent = place, .member = property->name};
		JsonbValue	member;

		if (!ow_json_container_member(value->val.binary.data, property->name, &member))
		{
			if (property->required)
				mismatch(mismatches, &here, "required, but missing");
		}
		else if (property->schema != NULL)
			check_value(property->schema, &member, &here, mismatches);
	}
}

/* ---- */

static void
check_value(const OwSchema *schema, const JsonbValue *value, const Place *place, OwMismatches *mismatches)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (mismatches->more)
		return;
	if (!is_of_type(value, schema->types))
	{
		mismatch(mismatches, place, "expected %s, got %s", ow_describe_types(schema->types), show(value));
		return;
	}
	if (schema->nallowed > 0)
		check_allowed(schema, value, place, mismatches);
	if (schema->test != NULL && value->type != jbvNull)
	{
		char	   *problem = schema->test(schema->test_arg, value);

		if (problem != NULL)
			mismatch(mismatches, place, "%s", problem);
	}
	if (value->type == jbvNumeric)
		check_number(schema, value->val.numeric, place, mismatches);
	else if (value->type == jbvString)
		check_string(schema, value, place, mismatches);
	else if (ow_json_value_is_array(value))
		check_array(schema, value, place, mismatches);
	else if (ow_json_value_is_object(value))
		check_object(schema, value, place, mismatches);
}

void
ow_schema_check(const OwSchema *schema, const Jsonb *value, OwMismatches *mismatches)
{
	JsonbValue	whole;

	ow_json_as_value(value, &whole);
	check_value(schema, &whole, &(Place) {.parent = NULL}, mismatches);
}
