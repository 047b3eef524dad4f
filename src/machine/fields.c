/*
 * fields.c
 *		Checks an object's fields against tables, and reads them with their types.
 */
#include "postgres.h"

#include "machine/fields.h"
#include "machine/json.h"

#define MAX_FIELDS 64			/* in all tables of one kind of object */

static int
type_of(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return OW_NULL;
		case jbvString:
			return OW_STRING;
		case jbvNumeric:
			return OW_NUMBER;
		case jbvBool:
			return OW_BOOLEAN;
		default:
			return ow_json_value_is_array(value) ? OW_ARRAY : OW_OBJECT;
	}
}

char *
ow_describe_types(int types)
{
	static const struct
	{
		int			type;
		const char *text;
	}			names[] = {
		{OW_STRING, "a string"}, {OW_NUMBER, "a number"}, {OW_INTEGER, "a whole number"}, {OW_BOOLEAN, "true or false"},
		{OW_OBJECT, "an object"}, {OW_ARRAY, "an array"}, {OW_NULL, "null"}
	};
	char	   *text = "";

	if (types == (OW_ANY & ~OW_NULL))
		return "anything but null";
	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (types & names[i].type)
			text = *text ? psprintf("%s or %s", text, names[i].text) : pstrdup(names[i].text);
	}
	return text;
}

/* ---- checking ---- */

static const OwField *
find_field(const OwField *const *tables, const char *name)
{
	for (; *tables != NULL; tables++)
	{
		for (const OwField *field = *tables; field->name != NULL; field++)
		{
			if (strcmp(field->name, name) == 0)
				return field;
		}
	}
	return NULL;
}

/* Is it a field of states in another query language? */
static bool
is_foreign(const OwField *field)
{
	return (field->types & (OW_JSONPATH_ONLY | OW_SQL_ONLY)) != 0;
}

/* What does the same in the other language; NULL: nothing in particular */
static const char *
find_counterpart(const char *name, bool is_path)
{
	static const char *const pairs[][2] = {
		{"Parameters", "Arguments"}, {"InputPath", "Arguments"}, {"OutputPath", "Output"}, {"Result", "Output"},
		{"ResultSelector", "Output"}, {"ResultPath", "Output"}, {"Variable", "Condition"}, {"And", "Condition"},
		{"Or", "Condition"}, {"Not", "Condition"}, {"ItemsPath", "Items"}, {"Iterator", "ItemProcessor"}
	};
	size_t		length = strlen(name);

	for (int i = 0; i < (int) lengthof(pairs); i++)
	{
		if (strcmp(pairs[i][is_path ? 0 : 1], name) == 0)
			return pairs[i][is_path ? 1 : 0];
	}
	/* "SecondsPath" and the like */
	return is_path && length > 4 && strcmp(name + length - 4, "Path") == 0 ? pnstrdup(name, length - 4) : NULL;
}

static void
report_foreign(const OwField *field, const char *where, OwProblems *problems)
{
	bool		is_path = (field->types & OW_JSONPATH_ONLY) != 0;
	const char *counterpart = find_counterpart(field->name, is_path);

	ow_problem_add(problems, OW_SEVERITY_ERROR, "WrongLanguage", ow_where_member(where, field->name),
				   counterpart ? psprintf("Write \"%s\" instead.", counterpart) : NULL,
				   "field \"%s\" in %s is one of %s, but its language is %s", field->name, ow_where_subject(where),
				   is_path ? "JSONPath" : "SQL", is_path ? "SQL" : "JSONPath");
}

static void
report_unknown(const OwField *const *tables, const char *name, const char *where,
			   OwProblems *problems)
{
	const char *names[MAX_FIELDS];
	const char *nearest;
	int			count = 0;

	for (; *tables != NULL; tables++)
	{
		for (const OwField *field = *tables; field->name != NULL && count < MAX_FIELDS; field++)
		{
			if (!is_foreign(field))
				names[count++] = field->name;
		}
	}
	nearest = ow_nearest_name(name, names, count);
	ow_problem_add(problems, OW_SEVERITY_ERROR, "UnknownField", ow_where_member(where, name),
				   nearest ? psprintf("Did you mean \"%s\"?", nearest) : NULL,
				   "unknown field \"%s\" in %s", name, ow_where_subject(where));
}

static void
check_member(const OwField *const *tables, const char *name, const JsonbValue *value,
			 const char *where, OwProblems *problems)
{
	static const OwField comment = {"Comment", OW_STRING, OW_OPTIONAL};
	const OwField *field;

	if (strncmp(name, "x-", 2) == 0)
		return;
	field = strcmp(name, "Comment") == 0 ? &comment : find_field(tables, name);
	if (field == NULL)
		report_unknown(tables, name, where, problems);
	else if (is_foreign(field))
		report_foreign(field, where, problems);
	else if (field->types == OW_NOT_YET)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "NotSupported", ow_where_member(where, name), NULL,
					   "field \"%s\" in %s is not supported yet", name, ow_where_subject(where));
	else if ((field->types & type_of(value)) == 0)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "WrongType", ow_where_member(where, name), NULL,
					   "field \"%s\" in %s must be %s, not %s", name, ow_where_subject(where),
					   ow_describe_types(field->types), ow_json_type_phrase(value));
}

static void
check_required(const OwField *const *tables, const JsonbValue *source, const char *where,
			   OwProblems *problems)
{
	for (; *tables != NULL; tables++)
	{
		for (const OwField *field = *tables; field->name != NULL; field++)
		{
			if (field->required && !ow_field_is_present(source, field->name))
				ow_problem_add(problems, OW_SEVERITY_ERROR, "MissingField", where, NULL,
							   "%s has no \"%s\"", ow_where_subject(where), field->name);
		}
	}
}

bool
ow_fields_check(const JsonbValue *source, const char *where, const OwField *const *tables,
				OwProblems *problems)
{
	OwJsonMembers members;
	char	   *name;
	JsonbValue	value;

	if (!ow_json_value_is_object(source))
	{
		ow_problem_add(problems, OW_SEVERITY_ERROR, "WrongType", where, NULL,
					   "%s must be an object, not %s", ow_where_subject(where),
					   ow_json_type_phrase(source));
		return false;
	}
	ow_json_members_begin(&members, source);
	while (ow_json_members_next(&members, &name, &value))
		check_member(tables, name, &value, where, problems);
	check_required(tables, source, where, problems);
	return true;
}

JsonbValue
ow_fields_known(const JsonbValue *source, const OwField *const *tables)
{
	OwJsonMembers members;
	OwObject	object;
	JsonbValue	known = *source;
	JsonbValue	value;
	char	   *name;
	int			count = 0;

	ow_object_begin(&object);
	ow_json_members_begin(&members, source);
	while (ow_json_members_next(&members, &name, &value))
	{
		if (find_field(tables, name) == NULL)
			continue;
		ow_object_add_value(&object, name, &value);
		count++;
	}
	if (count < ow_json_value_count(source))
		ow_json_as_value(ow_object_end(&object), &known);
	return known;
}

void
ow_fields_exclusive(const JsonbValue *source, const char *const *names, bool needed,
					const char *where, OwProblems *problems)
{
	const char *first = NULL;
	char	   *listed = NULL;

	for (; *names != NULL; names++)
	{
		listed = listed ? psprintf("%s, \"%s\"", listed, *names) : psprintf("\"%s\"", *names);
		if (!ow_field_is_present(source, *names))
			continue;
		if (first != NULL)
			ow_problem_add(problems, OW_SEVERITY_ERROR, "ExclusiveFields",
						   ow_where_member(where, *names), "Keep one of them.",
						   "%s has both \"%s\" and \"%s\"", ow_where_subject(where), first, *names);
		else
			first = *names;
	}
	if (needed && first == NULL)
		ow_problem_add(problems, OW_SEVERITY_ERROR, "MissingField", where, NULL,
					   "%s needs one of %s", ow_where_subject(where), listed);
}

/* ---- reading ---- */

bool
ow_field_get(const JsonbValue *source, const char *name, int types, JsonbValue *value)
{
	return ow_json_value_is_object(source) &&
		ow_json_container_member(source->val.binary.data, name, value) &&
		(types & type_of(value)) != 0;
}

bool
ow_field_is_present(const JsonbValue *source, const char *name)
{
	JsonbValue	ignored;

	return ow_field_get(source, name, OW_ANY, &ignored);
}

char *
ow_field_string(const JsonbValue *source, const char *name)
{
	JsonbValue	value;

	if (!ow_field_get(source, name, OW_STRING, &value))
		return NULL;
	return ow_json_value_cstring(&value);
}

int64
ow_field_integer(const JsonbValue *source, const char *name, int64 low, int64 high, int64 fallback,
				 const char *where, OwProblems *problems)
{
	JsonbValue	value;
	int64		number;

	if (!ow_field_get(source, name, OW_NUMBER, &value))
		return fallback;
	if (ow_json_value_int64(&value, &number) && number >= low && number <= high)
		return number;
	ow_problem_add(problems, OW_SEVERITY_ERROR, "OutOfRange", ow_where_member(where, name), NULL,
				   "field \"%s\" in %s must be a whole number from " INT64_FORMAT " to " INT64_FORMAT,
				   name, ow_where_subject(where), low, high);
	return fallback;
}

int64
ow_field_seconds_ms(const JsonbValue *source, const char *name, int low, const char *where,
					OwProblems *problems)
{
	int64		seconds = ow_field_integer(source, name, low, OW_MAX_SECONDS, -1, where, problems);

	return seconds < 0 ? -1 : seconds * 1000;
}

OwPath *
ow_field_path(const JsonbValue *source, const char *name, bool reference_only, bool *is_null,
			  const char *where, OwProblems *problems)
{
	JsonbValue	value;
	OwPath	   *path;
	const char *error = NULL;
	char	   *text;

	if (!ow_field_get(source, name, OW_STRING | OW_NULL, &value))
		return NULL;
	if (value.type == jbvNull)
	{
		if (is_null != NULL)
			*is_null = true;
		return NULL;
	}
	text = ow_json_value_cstring(&value);
	path = ow_path_compile(text, reference_only, &error);
	if (path == NULL)
		ow_problem_add_path(problems, where, name, text, error);
	else
		ow_problems_note_reads(problems, ow_path_variables(NIL, path), where, name);
	return path;
}

OwExpression *
ow_field_expression(const JsonbValue *source, const char *name, const char *where, OwProblems *problems)
{
	char	   *text = ow_field_string(source, name);
	const char *error = NULL;
	OwExpression *expression;

	if (text == NULL)
		return NULL;
	expression = ow_expression_compile(text, &error);
	if (expression != NULL && !ow_expression_is_reference(expression))
		error = "it selects any number of values, and one is needed here";
	if (error != NULL)
		ow_problem_add_path(problems, where, name, text, error);
	else
		ow_problems_note_reads(problems, ow_expression_variables(NIL, expression), where, name);
	return expression;
}

int
ow_field_choice(const JsonbValue *source, const char *name, const char *const *choices,
				const char *where, OwProblems *problems)
{
	char	   *text = ow_field_string(source, name);
	char	   *listed = NULL;

	if (text == NULL)
		return -1;
	for (int i = 0; choices[i] != NULL; i++)
	{
		if (strcmp(choices[i], text) == 0)
			return i;
		listed = listed ? psprintf("%s or \"%s\"", listed, choices[i]) :
			psprintf("\"%s\"", choices[i]);
	}
	ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidValue", ow_where_member(where, name), NULL,
				   "field \"%s\" in %s must be %s, not \"%s\"",
				   name, ow_where_subject(where), listed, text);
	return -1;
}
