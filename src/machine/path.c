/*
 * path.c
 *		Reading definite paths straight through jsonb, and writing at Reference Paths.
 */
#include "postgres.h"

#include "machine/json.h"
#include "machine/path_internal.h"
#include "miscadmin.h"

const Jsonb *
ow_scope_context(OwScope *scope)
{
	if (scope->context == NULL && scope->make_context != NULL)
		scope->context = scope->make_context(scope->make_context_arg, NULL, NULL);
	return scope->context;
}

/* As much of the context object as the path can see */
static const Jsonb *
context_for(const OwPath *path, OwScope *scope)
{
	const OwPathSegment *segments = path->segments;
	bool		has_inner = path->nsegments > 1 && segments[1].kind == OW_SEGMENT_MEMBER;

	if (scope->context != NULL || scope->make_context == NULL || path->nsegments == 0 ||
		segments[0].kind != OW_SEGMENT_MEMBER)
		return ow_scope_context(scope);
	return scope->make_context(scope->make_context_arg, segments[0].names[0], has_inner ? segments[1].names[0] : NULL);
}

/* ---- compiling ---- */

/* Tells whether the path has nothing but names and indexes from the front. */
static bool
is_strict_reference(const OwPath *path)
{
	for (int i = 0; i < path->nsegments; i++)
	{
		const OwPathSegment *segment = &path->segments[i];

		if (segment->kind != OW_SEGMENT_MEMBER &&
			!(segment->kind == OW_SEGMENT_INDEX && segment->indexes[0] >= 0))
			return false;
	}
	return true;
}

OwPath *
ow_path_compile(const char *text, bool reference_only, const char **error)
{
	OwPath	   *path = ow_path_parse(text, NULL, error);

	if (path != NULL && reference_only && !is_strict_reference(path))
	{
		*error = "a Reference Path is needed here: names and indexes only, such as $.order.items[0]";
		return NULL;
	}
	return path;
}

OwPath *
ow_path_compile_argument(const char *text, const char **end, const char **error)
{
	return ow_path_parse(text, end, error);
}

const char *
ow_path_text(const OwPath *path)
{
	return path->text;
}

bool
ow_path_is_root(const OwPath *path)
{
	return path->root == OW_ROOT_DATA && path->nsegments == 0;
}

bool
ow_path_is_data(const OwPath *path)
{
	return path->root == OW_ROOT_DATA;
}

bool
ow_path_is_reference(const OwPath *path)
{
	return path->definite;
}

static List *
add_filter_variables(List *names, const OwFilter *filter)
{
	if (filter->kind == OW_FILTER_COMPARE || filter->kind == OW_FILTER_EXISTS)
	{
		for (int i = 0; i < (int) lengthof(filter->operands); i++)
		{
			if (filter->operands[i].path != NULL)
				names = ow_path_variables(names, filter->operands[i].path);
		}
		return names;
	}
	names = add_filter_variables(names, filter->left);
	return filter->right != NULL ? add_filter_variables(names, filter->right) : names;
}

static List *
add_variable(List *names, char *name)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return names;
	}
	return lappend(names, name);
}

List *
ow_path_variables(List *names, const OwPath *path)
{
	check_stack_depth();
	if (path->root == OW_ROOT_VARIABLE)
		names = add_variable(names, path->variable);
	for (int i = 0; i < path->nsegments; i++)
	{
		if (path->segments[i].kind == OW_SEGMENT_FILTER)
			names = add_filter_variables(names, path->segments[i].filter);
	}
	return names;
}

/* ---- reading ---- */

bool
ow_path_root_value(const OwPath *path, OwScope *scope, const JsonbValue *element, JsonbValue *root)
{
	const Jsonb *whole = NULL;

	switch (path->root)
	{
		case OW_ROOT_ELEMENT:
			*root = *element;
			return true;
		case OW_ROOT_VARIABLE:
			return scope->variables != NULL && ow_json_member(scope->variables, path->variable, root);
		case OW_ROOT_DATA:
			whole = scope->data;
			break;
		case OW_ROOT_CONTEXT:
			whole = context_for(path, scope);
			break;
	}
	if (whole != NULL)
		ow_json_as_value(whole, root);
	else
		root->type = jbvNull;
	return true;
}

bool
ow_path_enter(const OwPathSegment *segment, const JsonbValue *from, JsonbValue *to)
{
	int			index;

	if (from->type != jbvBinary)
		return false;
	if (segment->kind == OW_SEGMENT_MEMBER)
	{
		JsonbContainer *container = from->val.binary.data;

		return ow_json_container_member(container, segment->names[0], to);
	}
	index = segment->indexes[0];
	return ow_json_value_element(from, index < 0 ? index + ow_json_value_count(from) : index, to);
}

/* Says why a definite segment found nothing. */
static const char *
explain_missing(const OwPath *path, const OwPathSegment *segment, const JsonbValue *from)
{
	const char *phrase = ow_json_type_phrase(from);

	if (segment->kind == OW_SEGMENT_INDEX)
	{
		if (!ow_json_value_is_array(from))
			return psprintf("the path \"%s\" finds nothing: [%d] is asked of %s, not of an array",
							path->text, segment->indexes[0], phrase);
		return psprintf("the path \"%s\" finds nothing: the array has %d elements, none is [%d]",
						path->text, ow_json_value_count(from), segment->indexes[0]);
	}
	if (!ow_json_value_is_object(from))
		return psprintf("the path \"%s\" finds nothing: \"%s\" is asked of %s, not of an object",
						path->text, segment->names[0], phrase);
	return psprintf("the path \"%s\" finds nothing: there is no \"%s\"", path->text, segment->names[0]);
}

bool
ow_path_get(const OwPath *path, OwScope *scope, JsonbValue *value, const char **missing_cause)
{
	JsonbValue	at;

	if (!ow_path_root_value(path, scope, NULL, &at))
	{
		*missing_cause = psprintf("the path \"%s\" finds nothing: variable \"%s\" has not been assigned",
								  path->text, path->variable);
		return false;
	}
	if (!path->definite)
	{
		ow_json_as_value(ow_path_query(path, &at, scope), value);
		return true;
	}
	for (int i = 0; i < path->nsegments; i++)
	{
		JsonbValue	next;

		if (!ow_path_enter(&path->segments[i], &at, &next))
		{
			*missing_cause = explain_missing(path, &path->segments[i], &at);
			return false;
		}
		at = next;
	}
	*value = at;
	return true;
}

Jsonb *
ow_path_get_json(const OwPath *path, OwScope *scope, const char **missing_cause)
{
	JsonbValue	value;

	if (!ow_path_get(path, scope, &value, missing_cause))
		return NULL;
	return JsonbValueToJsonb(&value);
}

/* ---- writing ---- */

typedef struct OwPathWrite
{
	const OwPath *path;
	const Jsonb *value;
	OwFailure  *failure;
} OwPathWrite;

static Jsonb *write_at(OwPathWrite *writing, int depth, const Jsonb *current);

/* Reports that the path does not fit the data; returns NULL. */
static Jsonb *
refuse(OwPathWrite *writing, const char *reason)
{
	(void) ow_fail(writing->failure, OW_ERROR_RESULT_PATH,
				   "the ResultPath \"%s\" cannot be applied to the input: %s",
				   writing->path->text, reason);
	return NULL;
}

/* Writes below a member, which is made if need be. */
static Jsonb *
write_member(OwPathWrite *writing, int depth, const Jsonb *current)
{
	const char *name = writing->path->segments[depth].names[0];
	Jsonb	   *member = NULL;

	if (current != NULL && !JB_ROOT_IS_OBJECT(current))
		return refuse(writing, psprintf("\"%s\" would be set in something that is not an object", name));
	if (current != NULL && depth + 1 < writing->path->nsegments)
		member = ow_json_get(current, name);
	member = write_at(writing, depth + 1, member);
	return member ? ow_json_with_member(current, name, member) : NULL;
}

/* Copies an array with one element replaced. */
static Jsonb *
with_element(const Jsonb *array, int index, const Jsonb *element)
{
	JsonbParseState *state = NULL;
	JsonbValue	whole;
	int			count;

	ow_json_as_value(array, &whole);
	count = ow_json_value_count(&whole);
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		JsonbValue	value;

		if (i == index)
			ow_json_as_value(element, &value);
		else
			(void) ow_json_value_element(&whole, i, &value);
		(void) pushJsonbValue(&state, WJB_ELEM, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* Writes below an element, which must be there. */
static Jsonb *
write_element(OwPathWrite *writing, int depth, const Jsonb *current)
{
	int			index = writing->path->segments[depth].indexes[0];
	JsonbValue	array;
	JsonbValue	element;
	Jsonb	   *replaced;

	if (current == NULL)
		return refuse(writing, psprintf("there is no array for [%d]", index));
	ow_json_as_value(current, &array);
	if (!ow_json_value_element(&array, index, &element))
		return refuse(writing, psprintf("there is no element [%d] to replace", index));
	replaced = write_at(writing, depth + 1, JsonbValueToJsonb(&element));
	return replaced ? with_element(current, index, replaced) : NULL;
}

/* Returns current (NULL: nothing there yet) with the value set below it. */
static Jsonb *
write_at(OwPathWrite *writing, int depth, const Jsonb *current)
{
	const OwPath *path = writing->path;

	if (depth == path->nsegments)
		return ow_json_copy(writing->value);
	if (path->segments[depth].kind == OW_SEGMENT_MEMBER)
		return write_member(writing, depth, current);
	return write_element(writing, depth, current);
}

Jsonb *
ow_path_set(const OwPath *path, const Jsonb *data, const Jsonb *value, OwFailure *failure)
{
	OwPathWrite writing = {.path = path, .value = value, .failure = failure};

	Assert(path->root == OW_ROOT_DATA && is_strict_reference(path));
	return write_at(&writing, 0, data);
}
