/*
 * payload_schema.c
 *		Compiles the type of a payload: a subset of JSON Schema, or the name of a composite type.
 *
 * What JSON Schema has beyond the subset is refused, never ignored: a rule that does not hold is worse
 * than none.
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "machine/json.h"
#include "machine/payload_schema.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

static const OwField schema_fields[] = {
	{"type", OW_STRING | OW_ARRAY, OW_OPTIONAL},
	{"enum", OW_ARRAY, OW_OPTIONAL},
	{"const", OW_ANY, OW_OPTIONAL},
	{"properties", OW_OBJECT, OW_OPTIONAL},
	{"required", OW_ARRAY, OW_OPTIONAL},
	{"additionalProperties", OW_BOOLEAN | OW_OBJECT, OW_OPTIONAL},
	{"items", OW_OBJECT, OW_OPTIONAL},
	{"minItems", OW_NUMBER, OW_OPTIONAL},
	{"maxItems", OW_NUMBER, OW_OPTIONAL},
	{"uniqueItems", OW_BOOLEAN, OW_OPTIONAL},
	{"minimum", OW_NUMBER, OW_OPTIONAL},
	{"maximum", OW_NUMBER, OW_OPTIONAL},
	{"exclusiveMinimum", OW_NUMBER, OW_OPTIONAL},
	{"exclusiveMaximum", OW_NUMBER, OW_OPTIONAL},
	{"minLength", OW_NUMBER, OW_OPTIONAL},
	{"maxLength", OW_NUMBER, OW_OPTIONAL},
	{"pattern", OW_STRING, OW_OPTIONAL},
	{"format", OW_STRING, OW_OPTIONAL},
	/* for people and editors */
	{"title", OW_STRING, OW_OPTIONAL},
	{"description", OW_STRING, OW_OPTIONAL},
	{"default", OW_ANY, OW_OPTIONAL},
	{"examples", OW_ARRAY, OW_OPTIONAL},
	{"$comment", OW_STRING, OW_OPTIONAL},
	{"$schema", OW_STRING, OW_OPTIONAL},
	{"$id", OW_STRING, OW_OPTIONAL},
	/* of JSON Schema, and not of the subset */
	{"$ref", OW_NOT_YET, OW_OPTIONAL},
	{"$defs", OW_NOT_YET, OW_OPTIONAL},
	{"definitions", OW_NOT_YET, OW_OPTIONAL},
	{"allOf", OW_NOT_YET, OW_OPTIONAL},
	{"anyOf", OW_NOT_YET, OW_OPTIONAL},
	{"oneOf", OW_NOT_YET, OW_OPTIONAL},
	{"not", OW_NOT_YET, OW_OPTIONAL},
	{"if", OW_NOT_YET, OW_OPTIONAL},
	{"then", OW_NOT_YET, OW_OPTIONAL},
	{"else", OW_NOT_YET, OW_OPTIONAL},
	{"multipleOf", OW_NOT_YET, OW_OPTIONAL},
	{"prefixItems", OW_NOT_YET, OW_OPTIONAL},
	{"contains", OW_NOT_YET, OW_OPTIONAL},
	{"patternProperties", OW_NOT_YET, OW_OPTIONAL},
	{"propertyNames", OW_NOT_YET, OW_OPTIONAL},
	{"minProperties", OW_NOT_YET, OW_OPTIONAL},
	{"maxProperties", OW_NOT_YET, OW_OPTIONAL},
	{"dependentRequired", OW_NOT_YET, OW_OPTIONAL},
	{"dependentSchemas", OW_NOT_YET, OW_OPTIONAL},
	{"unevaluatedProperties", OW_NOT_YET, OW_OPTIONAL},
	{NULL}
};
static const OwField *const schema_tables[] = {schema_fields, NULL};

static OwSchema *compile_schema(const JsonbValue *source, const char *where, OwProblems *problems);

OwSchema *
ow_schema_make(void)
{
	OwSchema   *schema = palloc0(sizeof(OwSchema));

	schema->types = OW_ANY;
	schema->min_length = schema->max_length = OW_NO_LIMIT;
	schema->min_items = schema->max_items = OW_NO_LIMIT;
	return schema;
}

/* ---- types ---- */

static int
type_bit(const char *name)
{
	static const struct
	{
		const char *name;
		int			bit;
	}			types[] = {
		{"string", OW_STRING}, {"number", OW_NUMBER}, {"integer", OW_INTEGER}, {"boolean", OW_BOOLEAN},
		{"object", OW_OBJECT}, {"array", OW_ARRAY}, {"null", OW_NULL}
	};

	for (int i = 0; i < (int) lengthof(types); i++)
	{
		if (strcmp(types[i].name, name) == 0)
			return types[i].bit;
	}
	return 0;
}

static int
read_type(const JsonbValue *value, const char *where, OwProblems *problems)
{
	static const char *const names[] = {"string", "number", "integer", "boolean", "object", "array", "null"};
	char	   *name = value->type == jbvString ? ow_json_value_cstring(value) : NULL;
	int			bit = name ? type_bit(name) : 0;
	const char *nearest;

	if (bit != 0)
		return bit;
	nearest = name ? ow_nearest_name(name, names, lengthof(names)) : NULL;
	ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidValue", where,
				   nearest ? psprintf("Did you mean \"%s\"?", nearest) :
				   "There are \"string\", \"number\", \"integer\", \"boolean\", \"object\", \"array\" and \"null\".",
				   "%s is not the name of a JSON type", ow_where_subject(where));
	return 0;
}

static void
compile_types(OwSchema *schema, const JsonbValue *source, const char *where, OwProblems *problems)
{
	char	   *place = ow_where_member(where, "type");
	JsonbValue	value;
	JsonbValue	element;

	if (!ow_field_get(source, "type", OW_STRING | OW_ARRAY, &value))
		return;
	schema->types = 0;
	if (value.type == jbvString)
		schema->types = read_type(&value, place, problems);
	else if (ow_json_value_count(&value) == 0)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidValue", place, NULL,
					   "%s is empty: nothing is of no type", ow_where_subject(place));
	for (int i = 0; ow_json_value_element(&value, i, &element); i++)
		schema->types |= read_type(&element, ow_where_element(place, i), problems);
}

/* ---- values ---- */

static void
compile_allowed(OwSchema *schema, const JsonbValue *source, const char *where, OwProblems *problems)
{
	static const char *const fields[] = {"enum", "const", NULL};
	JsonbValue	value;
	JsonbValue *elements;

	ow_fields_exclusive(source, fields, false, where, problems);
	if (ow_field_get(source, "const", OW_ANY, &value))
	{
		schema->nallowed = 1;
		schema->allowed = palloc(sizeof(Jsonb *));
		schema->allowed[0] = ow_json_from_value(&value);
	}
	if (!ow_field_get(source, "enum", OW_ARRAY, &value))
		return;
	elements = ow_json_elements(&value, &schema->nallowed);
	if (schema->nallowed == 0)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidValue", ow_where_member(where, "enum"), NULL,
					   "field \"enum\" in %s is empty: nothing would fit", ow_where_subject(where));
	schema->allowed = palloc(sizeof(Jsonb *) * Max(schema->nallowed, 1));
	for (int i = 0; i < schema->nallowed; i++)
		schema->allowed[i] = ow_json_from_value(&elements[i]);
}

static Numeric
read_number(const JsonbValue *source, const char *name)
{
	JsonbValue	value;

	if (!ow_field_get(source, name, OW_NUMBER, &value))
		return NULL;
	return DatumGetNumericCopy(NumericGetDatum(value.val.numeric));
}

/* Reports two limits between which there is nothing. */
static void
check_order(bool wrong, const char *low, const char *high, const char *where, OwProblems *problems)
{
	if (wrong)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "OutOfRange", ow_where_member(where, low), NULL,
					   "field \"%s\" in %s is greater than \"%s\": nothing would fit",
					   low, ow_where_subject(where), high);
}

static void
compile_numbers(OwSchema *schema, const JsonbValue *source, const char *where, OwProblems *problems)
{
	schema->minimum = read_number(source, "minimum");
	schema->maximum = read_number(source, "maximum");
	schema->exclusive_minimum = read_number(source, "exclusiveMinimum");
	schema->exclusive_maximum = read_number(source, "exclusiveMaximum");
	check_order(schema->minimum && schema->maximum &&
				DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(schema->minimum),
												 NumericGetDatum(schema->maximum))),
				"minimum", "maximum", where, problems);
}

/* ---- strings ---- */

/* Reports a pattern that is no regular expression. */
static void
check_pattern(const char *pattern, const char *where, OwProblems *problems)
{
	pg_wchar   *characters = palloc((strlen(pattern) + 1) * sizeof(pg_wchar));
	int			length = pg_mb2wchar_with_len(pattern, characters, strlen(pattern));
	regex_t		compiled;
	char		message[100];
	int			code = pg_regcomp(&compiled, characters, length, REG_ADVANCED | REG_NOSUB, DEFAULT_COLLATION_OID);

	pfree(characters);
	if (code == REG_OKAY)
	{
		pg_regfree(&compiled);
		return;
	}
	CHECK_FOR_INTERRUPTS();		/* that is an error of its own */
	pg_regerror(code, &compiled, message, sizeof(message));
	ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidValue", ow_where_member(where, "pattern"),
				   "It is read as a regular expression of PostgreSQL, as by the operator ~.",
				   "field \"pattern\" in %s is not a regular expression: %s", ow_where_subject(where), message);
}

static void
compile_strings(OwSchema *schema, const JsonbValue *source, const char *where, OwProblems *problems)
{
	static const char *const formats[] = {"date-time", "date", "uuid", NULL};
	char	   *pattern = ow_field_string(source, "pattern");

	schema->min_length = ow_field_integer(source, "minLength", 0, PG_INT32_MAX, OW_NO_LIMIT, where, problems);
	schema->max_length = ow_field_integer(source, "maxLength", 0, PG_INT32_MAX, OW_NO_LIMIT, where, problems);
	check_order(schema->max_length != OW_NO_LIMIT && schema->min_length > schema->max_length,
				"minLength", "maxLength", where, problems);
	/* -1 when absent: none */
	schema->format = OW_FORMAT_DATE_TIME + ow_field_choice(source, "format", formats, where, problems);
	if (pattern == NULL)
		return;
	check_pattern(pattern, where, problems);
	schema->pattern = cstring_to_text(pattern);
}

/* ---- arrays ---- */

static void
compile_items(OwSchema *schema, const JsonbValue *source, const char *where, OwProblems *problems)
{
	JsonbValue	value;

	schema->min_items = ow_field_integer(source, "minItems", 0, PG_INT32_MAX, OW_NO_LIMIT, where, problems);
	schema->max_items = ow_field_integer(source, "maxItems", 0, PG_INT32_MAX, OW_NO_LIMIT, where, problems);
	check_order(schema->max_items != OW_NO_LIMIT && schema->min_items > schema->max_items,
				"minItems", "maxItems", where, problems);
	schema->unique_items = ow_field_get(source, "uniqueItems", OW_BOOLEAN, &value) && value.val.boolean;
	if (ow_field_get(source, "items", OW_OBJECT, &value))
		schema->items = compile_schema(&value, ow_where_member(where, "items"), problems);
}

/* ---- objects ---- */

int
ow_property_compare(const void *a, const void *b)
{
	return strcmp(((const OwProperty *) a)->name, ((const OwProperty *) b)->name);
}

static void
compile_properties(OwSchema *schema, const JsonbValue *source, const char *where, OwProblems *problems)
{
	char	   *place = ow_where_member(where, "properties");
	OwJsonMembers members;
	JsonbValue	object;
	JsonbValue	value;
	char	   *name;

	if (!ow_field_get(source, "properties", OW_OBJECT, &object))
		return;
	schema->closed = true;
	schema->properties = palloc0(sizeof(OwProperty) * Max(ow_json_value_count(&object), 1));
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &name, &value))
	{
		OwProperty *property = &schema->properties[schema->nproperties++];

		property->name = name;
		property->schema = compile_schema(&value, ow_where_member(place, name), problems);
	}
	qsort(schema->properties, schema->nproperties, sizeof(OwProperty), ow_property_compare);
}

static void
compile_additional(OwSchema *schema, const JsonbValue *source, const char *where, OwProblems *problems)
{
	JsonbValue	value;

	if (!ow_field_get(source, "additionalProperties", OW_BOOLEAN | OW_OBJECT, &value))
		return;
	schema->closed = value.type == jbvBool && !value.val.boolean;
	if (value.type != jbvBool)
		schema->additional = compile_schema(&value, ow_where_member(where, "additionalProperties"), problems);
}

static OwProperty *
find_property(OwSchema *schema, const char *name)
{
	for (int i = 0; i < schema->nproperties; i++)
	{
		if (strcmp(schema->properties[i].name, name) == 0)
			return &schema->properties[i];
	}
	return NULL;
}

/* Adds a member that must be there and may be whatever other members may. */
static void
add_required(OwSchema *schema, char *name)
{
	schema->properties = schema->properties == NULL ? palloc(sizeof(OwProperty)) :
		repalloc(schema->properties, (schema->nproperties + 1) * sizeof(OwProperty));
	schema->properties[schema->nproperties++] = (OwProperty) {
		.name = name, .schema = schema->additional, .required = true
	};
}

static void
report_unknown_required(OwSchema *schema, const char *name, const char *place, OwProblems *problems)
{
	const char **names = palloc(sizeof(char *) * Max(schema->nproperties, 1));
	const char *nearest;

	for (int i = 0; i < schema->nproperties; i++)
		names[i] = schema->properties[i].name;
	nearest = ow_nearest_name(name, names, schema->nproperties);
	ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidValue", place,
				   nearest ? psprintf("Did you mean \"%s\"?", nearest) : "Add it to \"properties\".",
				   "%s is \"%s\", which is not one of \"properties\": nothing would fit",
				   ow_where_subject(place), name);
}

static void
compile_required(OwSchema *schema, const JsonbValue *source, const char *where, OwProblems *problems)
{
	char	   *place = ow_where_member(where, "required");
	JsonbValue	array;
	JsonbValue *elements;
	int			count;

	if (!ow_field_get(source, "required", OW_ARRAY, &array))
		return;
	elements = ow_json_elements(&array, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = elements[i].type == jbvString ? ow_json_value_cstring(&elements[i]) : NULL;
		OwProperty *property = name ? find_property(schema, name) : NULL;

		if (name == NULL)
			ow_problem_add(problems, OW_SEVERITY_ERROR, "WrongType", ow_where_element(place, i), NULL,
						   "%s must be a string, not %s", ow_where_subject(ow_where_element(place, i)),
						   ow_json_type_phrase(&elements[i]));
		else if (property != NULL)
			property->required = true;
		else if (schema->closed)
			report_unknown_required(schema, name, ow_where_element(place, i), problems);
		else
			add_required(schema, name);
	}
	if (schema->nproperties > 0)
		qsort(schema->properties, schema->nproperties, sizeof(OwProperty), ow_property_compare);
}

/* ---- */

static OwSchema *
compile_schema(const JsonbValue *source, const char *where, OwProblems *problems)
{
	OwSchema   *schema = ow_schema_make();

	check_stack_depth();
	if (!ow_fields_check(source, where, schema_tables, problems))
		return schema;
	compile_types(schema, source, where, problems);
	compile_allowed(schema, source, where, problems);
	compile_numbers(schema, source, where, problems);
	compile_strings(schema, source, where, problems);
	compile_items(schema, source, where, problems);
	compile_properties(schema, source, where, problems);
	compile_additional(schema, source, where, problems);
	compile_required(schema, source, where, problems);
	return schema;
}

/* Splits schema.name, each perhaps quoted. */
static bool
split_name(OwPayloadType *type, const char *text)
{
	List	   *names;

	if (!SplitIdentifierString(pstrdup(text), '.', &names) || list_length(names) != 2)
		return false;
	type->type_schema = linitial(names);
	type->type_name = lsecond(names);
	return true;
}

OwPayloadType *
ow_payload_type_compile(const JsonbValue *source, const char *name, const char *where, OwProblems *problems)
{
	OwPayloadType *type;
	JsonbValue	value;

	if (!ow_field_get(source, name, OW_STRING | OW_OBJECT, &value))
		return NULL;
	type = palloc0(sizeof(OwPayloadType));
	if (value.type != jbvString)
		type->schema = compile_schema(&value, ow_where_member(where, name), problems);
	else if (!split_name(type, ow_json_value_cstring(&value)))
	{
		ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidName", ow_where_member(where, name),
					   "Name a composite type with its schema, as in \"shop.order\", or give a JSON Schema.",
					   "field \"%s\" in %s is not the qualified name of a type: \"%s\"",
					   name, ow_where_subject(where), ow_json_value_cstring(&value));
		return NULL;
	}
	return type;
}
