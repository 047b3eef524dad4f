/*
 * redact.c
 *		Redact: compiles the paths, and copies documents without what they lead to.
 *
 *		"Redact": ["$.card.number", "$..pan", "$.items[*].note"]
 *
 * What is hidden must not depend on the data: so there are names, indexes, wildcards and "..", but no filters, nor what
 * counts from the end.  A document is walked once, for all paths together: a path is at a set of places, the number of
 * segments that lead to where the walk is, of which ".." makes several.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "machine/definition_internal.h"
#include "machine/json.h"
#include "machine/path_internal.h"
#include "machine/redact.h"
#include "miscadmin.h"

#define MAX_PATHS 100
#define MAX_SEGMENTS 63			/* of a path: its places are bits */
#define MAX_COLLECTED 1000		/* values that are looked for in a text */

/* Where each path is */
typedef struct Places
{
	uint64		of_path[MAX_PATHS];
} Places;

typedef struct Copy
{
	const OwDefinition *definition;
	bool		anywhere;
	JsonbParseState *state;
	JsonbValue *result;			/* of the last push */
	bool		collects;
	List	   *hidden;			/* of char *: values that were, if they are collected */
} Copy;

/* ---- following paths ---- */

/* From a place before ".." a path is behind it as well. */
static uint64
pass_descents(const OwPath *path, uint64 places)
{
	for (int i = 0; i < path->nsegments; i++)
	{
		if ((places & (UINT64CONST(1) << i)) != 0 && path->segments[i].kind == OW_SEGMENT_DESCEND)
			places |= UINT64CONST(1) << (i + 1);
	}
	return places;
}

/* The paths begin here, besides where they are. */
static void
begin(const OwDefinition *definition, Places *places)
{
	for (int i = 0; i < definition->nredacted; i++)
		places->of_path[i] = pass_descents(definition->redacted[i], places->of_path[i] | 1);
}

static bool
is_hidden(const OwDefinition *definition, const Places *places)
{
	for (int i = 0; i < definition->nredacted; i++)
	{
		if ((places->of_path[i] & (UINT64CONST(1) << definition->redacted[i]->nsegments)) != 0)
			return true;
	}
	return false;
}

static bool
leads_on(const OwDefinition *definition, const Places *places)
{
	for (int i = 0; i < definition->nredacted; i++)
	{
		if (places->of_path[i] != 0)
			return true;
	}
	return false;
}

static bool
is_by_name(const OwPathSegment *segment)
{
	return segment->kind == OW_SEGMENT_MEMBER || segment->kind == OW_SEGMENT_MEMBERS;
}

static bool
is_by_index(const OwPathSegment *segment)
{
	return segment->kind == OW_SEGMENT_INDEX || segment->kind == OW_SEGMENT_INDEXES;
}

/* Can both lead to the same child?  If the one is not of Redact and cannot be told from its text: yes */
static bool
may_meet(const OwPathSegment *segment, const OwPathSegment *other)
{
	if ((is_by_name(segment) && (is_by_index(other) || other->kind == OW_SEGMENT_SLICE)) ||
		(is_by_index(segment) && is_by_name(other)))
		return false;
	if (!(is_by_name(segment) && is_by_name(other)) && !(is_by_index(segment) && is_by_index(other)))
		return true;
	for (int i = 0; i < segment->count; i++)
	{
		for (int j = 0; j < other->count; j++)
		{
			if (is_by_name(segment) ? strcmp(segment->names[i], other->names[j]) == 0 :
				segment->indexes[i] == other->indexes[j] || other->indexes[j] < 0)
				return true;
		}
	}
	return false;
}

/* To a child, or to all that the segment may lead to */
static Places
step(const OwDefinition *definition, const Places *from, const OwPathSegment *to)
{
	Places		places = {{0}};

	for (int i = 0; i < definition->nredacted; i++)
	{
		const OwPath *path = definition->redacted[i];
		uint64		next = 0;

		for (int place = 0; place < path->nsegments; place++)
		{
			if ((from->of_path[i] & (UINT64CONST(1) << place)) == 0)
				continue;
			if (path->segments[place].kind == OW_SEGMENT_DESCEND)
				next |= UINT64CONST(1) << place;
			else if (may_meet(&path->segments[place], to))
				next |= UINT64CONST(1) << (place + 1);
		}
		places.of_path[i] = pass_descents(path, next);
	}
	return places;
}

static OwPathSegment
member_segment(char **name)
{
	return (OwPathSegment)
	{
		.kind = OW_SEGMENT_MEMBER, .count = 1, .names = name
	};
}

/* ---- documents ---- */

static void copy_value(Copy *copy, Places places, JsonbValue *value, JsonbIteratorToken token);

static void
collect_scalar(Copy *copy, const JsonbValue *value)
{
	char	   *text;

	if (list_length(copy->hidden) >= MAX_COLLECTED || (value->type != jbvString && value->type != jbvNumeric))
		return;
	text = value->type == jbvString ? ow_json_value_cstring(value) : ow_json_compact(value);
	if (strlen(text) >= OW_REDACTED_LENGTH)
		copy->hidden = lappend(copy->hidden, text);
}

static void
collect(Copy *copy, const JsonbValue *value)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	inner;

	if (value->type != jbvBinary)
	{
		collect_scalar(copy, value);
		return;
	}
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &inner, false)) != WJB_DONE)
	{
		if (token == WJB_VALUE || token == WJB_ELEM)
			collect_scalar(copy, &inner);
	}
}

static void
copy_children(Copy *copy, const Places *places, const JsonbValue *container)
{
	bool		is_array = ow_json_value_is_array(container);
	JsonbValue	child;

	copy->result = pushJsonbValue(&copy->state, is_array ? WJB_BEGIN_ARRAY : WJB_BEGIN_OBJECT, NULL);
	if (is_array)
	{
		int			count;
		JsonbValue *elements = ow_json_elements(container, &count);

		for (int i = 0; i < count; i++)
		{
			OwPathSegment segment = {.kind = OW_SEGMENT_INDEX, .count = 1, .indexes = &i};

			copy_value(copy, step(copy->definition, places, &segment), &elements[i], WJB_ELEM);
		}
	}
	else
	{
		OwJsonMembers members;
		char	   *name;

		ow_json_members_begin(&members, container);
		while (ow_json_members_next(&members, &name, &child))
		{
			OwPathSegment segment = member_segment(&name);
			JsonbValue	key = {.type = jbvString};

			key.val.string.val = name;
			key.val.string.len = (int) strlen(name);
			(void) pushJsonbValue(&copy->state, WJB_KEY, &key);
			copy_value(copy, step(copy->definition, places, &segment), &child, WJB_VALUE);
		}
	}
	copy->result = pushJsonbValue(&copy->state, is_array ? WJB_END_ARRAY : WJB_END_OBJECT, NULL);
}

static void
copy_value(Copy *copy, Places places, JsonbValue *value, JsonbIteratorToken token)
{
	JsonbValue	hidden = {.type = jbvString};

	check_stack_depth();
	if (copy->anywhere)
		begin(copy->definition, &places);
	if (is_hidden(copy->definition, &places))
	{
		if (copy->collects)
			collect(copy, value);
		hidden.val.string.val = OW_REDACTED;
		hidden.val.string.len = strlen(OW_REDACTED);
		copy->result = pushJsonbValue(&copy->state, token, &hidden);
	}
	else if (value->type == jbvBinary && leads_on(copy->definition, &places))
		copy_children(copy, &places, value);
	else
		copy->result = pushJsonbValue(&copy->state, token, value);
}

Jsonb *
ow_redact(const OwDefinition *definition, const Jsonb *document, bool anywhere)
{
	Copy		copy = {.definition = definition, .anywhere = anywhere};
	Places		places = {{0}};
	JsonbValue	root;

	begin(definition, &places);
	if (is_hidden(definition, &places))
		return ow_json_text(OW_REDACTED);
	ow_json_as_value(document, &root);
	if (definition->nredacted == 0 || root.type != jbvBinary)
		return ow_json_copy(document);
	copy_children(&copy, &places, &root);
	return JsonbValueToJsonb(copy.result);
}

Jsonb *
ow_redact_search_attributes(const OwDefinition *definition, const Jsonb *attributes)
{
	Jsonb	   *shown = ow_redact(definition, attributes, false);

	for (int i = 0; i < definition->nsearch_attributes; i++)
	{
		const OwSearchAttribute *attribute = &definition->search_attributes[i];

		if (attribute->redacted && ow_json_get(shown, attribute->name) != NULL)
			shown = ow_json_with_member(shown, attribute->name, ow_json_text(OW_REDACTED));
	}
	return shown;
}

Jsonb *
ow_redact_event(const OwDefinition *definition, const Jsonb *attributes)
{
	Jsonb	   *shown = ow_redact(definition, attributes, true);
	Jsonb	   *searched = ow_json_get(shown, "search_attributes");

	if (searched != NULL && JB_ROOT_IS_OBJECT(searched))
		shown = ow_json_with_member(shown, "search_attributes", ow_redact_search_attributes(definition, searched));
	return shown;
}

/* ---- texts ---- */

List *
ow_redact_collect(const OwDefinition *definition, const Jsonb *document, List *values)
{
	Copy		copy = {.definition = definition, .anywhere = true, .collects = true, .hidden = values};
	Places		places = {{0}};
	JsonbValue	root;

	if (definition->nredacted == 0 || document == NULL)
		return values;
	ow_json_as_value(document, &root);
	begin(definition, &places);
	if (is_hidden(definition, &places))
		collect(&copy, &root);
	else if (root.type == jbvBinary)
		copy_children(&copy, &places, &root);
	return copy.hidden;
}

/* One may be part of another. */
static int
longest_first(const ListCell *a, const ListCell *b)
{
	size_t		a_length = strlen(lfirst(a));
	size_t		b_length = strlen(lfirst(b));

	return a_length < b_length ? 1 : a_length > b_length ? -1 : 0;
}

static char *
without(const char *text, const char *value)
{
	StringInfoData rest;
	const char *found;

	initStringInfo(&rest);
	while ((found = strstr(text, value)) != NULL)
	{
		appendBinaryStringInfo(&rest, text, (int) (found - text));
		appendStringInfoString(&rest, OW_REDACTED);
		text = found + strlen(value);
	}
	appendStringInfoString(&rest, text);
	return rest.data;
}

char *
ow_redact_text(const char *text, const List *values)
{
	char	   *shown = pstrdup(text);
	List	   *sorted = list_copy(values);
	ListCell   *cell;

	list_sort(sorted, longest_first);
	foreach(cell, sorted)
	{
		if (strstr(shown, lfirst(cell)) != NULL)
			shown = without(shown, lfirst(cell));
	}
	return shown;
}

/* ---- compiling ---- */

/* Does the path read what is hidden, or may it? */
static bool
reads_hidden(const OwDefinition *definition, const OwPath *path)
{
	OwPathSegment elements = {.kind = OW_SEGMENT_SLICE};
	Places		places = {{0}};

	begin(definition, &places);
	for (int i = 0; i < path->nsegments && !is_hidden(definition, &places); i++)
	{
		if (path->segments[i].kind == OW_SEGMENT_DESCEND)
			return leads_on(definition, &places);
		places = step(definition, &places, &path->segments[i]);
	}
	if (is_hidden(definition, &places))
		return true;
	places = step(definition, &places, &elements);
	return is_hidden(definition, &places);
}

/* Why the path cannot be used; NULL: it can */
static const char *
unusable(const OwPath *path)
{
	if (!ow_path_is_data(path))
		return "it must begin with \"$.\", a document's own root";
	if (path->nsegments > MAX_SEGMENTS)
		return "it is too long";
	for (int i = 0; i < path->nsegments; i++)
	{
		const OwPathSegment *segment = &path->segments[i];

		if (segment->kind == OW_SEGMENT_FILTER || segment->kind == OW_SEGMENT_SLICE)
			return "what is hidden cannot depend on the data: no filters and slices";
		for (int j = 0; is_by_index(segment) && j < segment->count; j++)
		{
			if (segment->indexes[j] < 0)
				return "what is hidden cannot depend on the data: no indexes from the end";
		}
	}
	return NULL;
}

static OwPath *
compile_path(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	const char *error = NULL;
	char	   *text;
	OwPath	   *path;

	if (source->type != jbvString)
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType", where, NULL,
					   "field \"Redact\" in the definition must be a list of paths, not of %s", ow_json_type_phrase(source));
		return NULL;
	}
	text = ow_json_value_cstring(source);
	path = ow_path_compile(text, false, &error);
	if (path != NULL)
		error = unusable(path);
	if (error == NULL)
		return path;
	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidPath", where,
				   "Write it as in \"$.card.number\", \"$.items[*].note\" or \"$..pan\".",
				   "field \"Redact\" in the definition has no usable path: \"%s\": %s", text, error);
	return NULL;
}

void
ow_compile_redact(OwCompiler *compiler, const JsonbValue *source)
{
	OwDefinition *definition = compiler->definition;
	JsonbValue	list;
	JsonbValue *paths;
	int			count;

	if (!ow_field_get(source, "Redact", OW_ARRAY, &list))
		return;
	paths = ow_json_elements(&list, &count);
	if (count > MAX_PATHS)
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "TooMany", "Redact", NULL,
					   "field \"Redact\" in the definition has %d paths, more than %d", count, MAX_PATHS);
		return;
	}
	definition->redacted = palloc0(sizeof(OwPath *) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		OwPath	   *path = compile_path(compiler, &paths[i], ow_where_element("Redact", i));

		if (path != NULL)
			definition->redacted[definition->nredacted++] = path;
	}
	for (int i = 0; i < definition->nsearch_attributes; i++)
	{
		OwSearchAttribute *attribute = &definition->search_attributes[i];

		attribute->redacted = attribute->path != NULL && reads_hidden(definition, attribute->path);
	}
}
