/*
 * search_attribute.c
 *		Compiles SearchAttributes, and reads values of their types.
 *
 *		"SearchAttributes": {"OrderID": {"Type": "Keyword", "Path": "$.order_id"}, "Total": {"Type": "Double"}}
 *
 * and those of states, which set some of them:
 *
 *		"SearchAttributes": {"Status": "paid", "Total.$": "$.total"}
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/instant.h"
#include "machine/search_attribute.h"
#include "mb/pg_wchar.h"

#define MAX_NAME 80				/* characters */
#define MAX_ATTRIBUTES 100
#define MAX_LIST 1000

static const OwField attribute_fields[] = {
	{"Type", OW_STRING, OW_REQUIRED},
	{"Path", OW_STRING, OW_OPTIONAL},
	{NULL}
};
static const OwField *const attribute_tables[] = {attribute_fields, NULL};

static const char *const type_names[] = {
	[OW_SEARCH_KEYWORD] = "Keyword",
	[OW_SEARCH_KEYWORD_LIST] = "KeywordList",
	[OW_SEARCH_TEXT] = "Text",
	[OW_SEARCH_INT] = "Int",
	[OW_SEARCH_DOUBLE] = "Double",
	[OW_SEARCH_BOOL] = "Bool",
	[OW_SEARCH_DATETIME] = "Datetime",
	NULL
};

const char *
ow_search_type_name(OwSearchType type)
{
	return type_names[type];
}

/* ---- declarations ---- */

static OwPath *
compile_path(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	char	   *text = ow_field_string(source, "Path");
	const char *error = NULL;
	OwPath	   *path;

	if (text == NULL)
		return NULL;
	path = ow_path_compile(text, false, &error);
	if (path != NULL && !ow_path_is_data(path))
		error = "it is over the input of a run";
	if (error != NULL)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidPath", ow_where_member(where, "Path"), NULL,
					   "field \"Path\" in %s is not a usable path: \"%s\": %s", ow_where_subject(where), text, error);
	return path;
}

static void
check_name(OwCompiler *compiler, const char *name, const char *where)
{
	if (*name == '\0' || pg_mbstrlen(name) > MAX_NAME)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidName", where, NULL,
					   "the name of a search attribute must have 1 to %d characters", MAX_NAME);
}

void
ow_compile_search_attributes(OwCompiler *compiler, const JsonbValue *source)
{
	OwDefinition *definition = compiler->definition;
	OwJsonMembers members;
	JsonbValue	attributes;
	JsonbValue	attribute;
	char	   *name;

	if (!ow_field_get(source, "SearchAttributes", OW_OBJECT, &attributes))
		return;
	if (ow_json_value_count(&attributes) > MAX_ATTRIBUTES)
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "TooMany", "SearchAttributes", NULL,
					   "\"SearchAttributes\" has more than %d entries", MAX_ATTRIBUTES);
		return;
	}
	definition->search_attributes = palloc0(sizeof(OwSearchAttribute) * ow_json_value_count(&attributes));
	ow_json_members_begin(&members, &attributes);
	while (ow_json_members_next(&members, &name, &attribute))
	{
		char	   *place = ow_where_member("SearchAttributes", name);
		OwSearchAttribute *compiled = &definition->search_attributes[definition->nsearch_attributes];
		int			type;

		if (ow_is_remark(name) || !ow_fields_check(&attribute, place, attribute_tables, compiler->problems))
			continue;
		check_name(compiler, name, place);
		type = ow_field_choice(&attribute, "Type", type_names, place, compiler->problems);
		if (type < 0)
			continue;
		compiled->name = name;
		compiled->type = (OwSearchType) type;
		compiled->path = compile_path(compiler, &attribute, place);
		definition->nsearch_attributes++;
	}
}

const OwSearchAttribute *
ow_search_attribute_find(const OwDefinition *definition, const char *name)
{
	for (int i = 0; i < definition->nsearch_attributes; i++)
	{
		if (strcmp(definition->search_attributes[i].name, name) == 0)
			return &definition->search_attributes[i];
	}
	return NULL;
}

const char *
ow_search_attribute_nearest(const OwDefinition *definition, const char *name)
{
	const char **names = palloc(sizeof(char *) * Max(definition->nsearch_attributes, 1));

	for (int i = 0; i < definition->nsearch_attributes; i++)
		names[i] = definition->search_attributes[i].name;
	return ow_nearest_name(name, names, definition->nsearch_attributes);
}

/* ---- of states ---- */

/* Does the template say what the value is?  Else it turns out when the state is left. */
static bool
is_constant(const OwCompiler *compiler, bool dynamic, const JsonbValue *value)
{
	if (!compiler->sql || value->type != jbvString)
		return !dynamic;
	return value->val.string.len < 2 || strncmp(value->val.string.val, "{%", 2) != 0;
}

/* Reports a member that sets what is not declared, or sets it to a value of another type. */
static void
check_set(OwCompiler *compiler, const char *member, const JsonbValue *value, const char *where)
{
	size_t		length = strlen(member);
	bool		dynamic = !compiler->sql && length > 2 && strcmp(member + length - 2, ".$") == 0;
	char	   *name = dynamic ? pnstrdup(member, length - 2) : pstrdup(member);
	const OwSearchAttribute *attribute = ow_search_attribute_find(compiler->definition, name);
	List	   *values = NIL;

	if (attribute == NULL)
	{
		const char *nearest = ow_search_attribute_nearest(compiler->definition, name);

		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "UnknownSearchAttribute", ow_where_member(where, member),
					   nearest ? psprintf("Did you mean \"%s\"?", nearest) :
					   "Declare it in \"SearchAttributes\" of the definition.",
					   "%s sets the search attribute \"%s\", which the definition does not declare",
					   ow_where_subject(where), name);
	}
	else if (is_constant(compiler, dynamic, value) && !ow_search_values_read(attribute, value, &values))
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType", ow_where_member(where, member), NULL,
					   "%s sets the search attribute \"%s\" to %s, which is not of its type %s", ow_where_subject(where),
					   name, ow_json_type_phrase(value), ow_search_type_name(attribute->type));
}

/* Checks the field of a state; false: it has none. */
static bool
check_sets(OwCompiler *compiler, const JsonbValue *source, JsonbValue *object, const char *where)
{
	OwJsonMembers members;
	JsonbValue	value;
	char	   *name;

	if (!ow_field_get(source, "SearchAttributes", OW_OBJECT, object))
		return false;
	ow_json_members_begin(&members, object);
	while (ow_json_members_next(&members, &name, &value))
		check_set(compiler, name, &value, where);
	return true;
}

OwTemplate *
ow_compile_search(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	char	   *place = ow_where_member(where, "SearchAttributes");
	JsonbValue	object;

	return check_sets(compiler, source, &object, place) ?
		ow_template_compile(&object, place, compiler->problems) : NULL;
}

OwSqlTemplate *
ow_compile_sql_search(OwCompiler *compiler, const JsonbValue *source, int names, const char *where)
{
	JsonbValue	object;

	return check_sets(compiler, source, &object, ow_where_member(where, "SearchAttributes")) ?
		ow_compile_sql(compiler, source, "SearchAttributes", names, where) : NULL;
}

/* ---- values ---- */

static bool
read_text(OwSearchValue *read, const JsonbValue *value)
{
	if (value->type != jbvString)
		return false;
	read->text = ow_json_value_cstring(value);
	return read->attribute->type == OW_SEARCH_TEXT || value->val.string.len <= OW_MAX_KEYWORD;
}

static bool
read_value(OwSearchValue *read, const JsonbValue *value)
{
	switch (read->attribute->type)
	{
		case OW_SEARCH_KEYWORD:
		case OW_SEARCH_KEYWORD_LIST:
		case OW_SEARCH_TEXT:
			return read_text(read, value);
		case OW_SEARCH_INT:
			return value->type == jbvNumeric && ow_json_value_int64(value, &read->number);
		case OW_SEARCH_DOUBLE:
			if (value->type != jbvNumeric)
				return false;
			read->real = ow_json_value_double(value);
			return true;
		case OW_SEARCH_BOOL:
			read->truth = value->type == jbvBool && value->val.boolean;
			return value->type == jbvBool;
		case OW_SEARCH_DATETIME:
			return value->type == jbvString && ow_instant_parse(ow_json_value_cstring(value), &read->instant);
	}
	return false;
}

static bool
read_one(const OwSearchAttribute *attribute, const JsonbValue *value, int position, List **values)
{
	OwSearchValue *read = palloc0(sizeof(OwSearchValue));

	read->attribute = attribute;
	read->position = position;
	*values = lappend(*values, read);
	return read_value(read, value);
}

bool
ow_search_values_read(const OwSearchAttribute *attribute, const JsonbValue *value, List **values)
{
	JsonbValue	element;

	if (value->type == jbvNull)
		return true;
	if (attribute->type != OW_SEARCH_KEYWORD_LIST)
		return read_one(attribute, value, 0, values);
	if (!ow_json_value_is_array(value) || ow_json_value_count(value) > MAX_LIST)
		return false;
	for (int i = 0; ow_json_value_element(value, i, &element); i++)
	{
		if (!read_one(attribute, &element, i, values))
			return false;
	}
	return true;
}

const OwSearchAttribute *
ow_search_attributes_mismatch(const OwDefinition *definition, const Jsonb *attributes, JsonbValue *value)
{
	OwJsonMembers members;
	JsonbValue	object;
	char	   *name;

	ow_json_as_value(attributes, &object);
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &name, value))
	{
		const OwSearchAttribute *attribute = ow_search_attribute_find(definition, name);
		List	   *values = NIL;

		if (attribute != NULL && !ow_search_values_read(attribute, value, &values))
			return attribute;
	}
	return NULL;
}

Jsonb *
ow_search_attributes_of(const OwDefinition *definition, const Jsonb *input, const Jsonb *given)
{
	OwObject	object;
	bool		any = false;

	ow_object_begin(&object);
	for (int i = 0; i < definition->nsearch_attributes; i++)
	{
		const OwSearchAttribute *attribute = &definition->search_attributes[i];
		OwScope		scope = {.data = input};
		const char *missing;
		JsonbValue	value;

		if (attribute->path == NULL || !ow_path_get(attribute->path, &scope, &value, &missing))
			continue;
		ow_object_add_value(&object, attribute->name, &value);
		any = true;
	}
	if (!any)
		return unconstify(Jsonb *, given);
	return given ? ow_json_merged(ow_object_end(&object), given) : ow_object_end(&object);
}
