/*
 * path_query.c
 *		Evaluates paths that can select many values: wildcards, slices, unions, filters, "..".
 *
 * A value that a segment does not fit (a name asked of an array, an index out of range) is passed
 * over without an error.
 */
#include "postgres.h"

#include "fmgr.h"
#include "machine/json.h"
#include "machine/path_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

typedef struct OwPathQuery
{
	const OwPath *path;
	OwScope    *scope;
	JsonbParseState *found;
} OwPathQuery;

static void select_from(OwPathQuery *query, int depth, const JsonbValue *value);
static bool filter_accepts(const OwFilter *filter, const JsonbValue *element, OwScope *scope);

/* ---- filters ---- */

/* Finds an operand's value; false if it is a path that finds nothing. */
static bool
operand_value(const OwFilterOperand *operand, const JsonbValue *element, OwScope *scope,
			  JsonbValue *value)
{
	const OwPath *path = operand->path;

	if (path == NULL)
	{
		*value = operand->literal;
		return true;
	}
	if (!ow_path_root_value(path, scope, element, value))
		return false;
	if (!path->definite)
	{
		JsonbValue	root = *value;

		ow_json_as_value(ow_path_query(path, &root, scope), value);
		return ow_json_value_count(value) > 0;
	}
	for (int i = 0; i < path->nsegments; i++)
	{
		JsonbValue	next;

		if (!ow_path_enter(&path->segments[i], value, &next))
			return false;
		*value = next;
	}
	return true;
}

/* Orders two numbers or two strings (by bytes); false if they have no order. */
static bool
order_of(const JsonbValue *a, const JsonbValue *b, int *order)
{
	if (a->type == jbvNumeric && b->type == jbvNumeric)
	{
		*order = DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a->val.numeric),
												   NumericGetDatum(b->val.numeric)));
		return true;
	}
	if (a->type == jbvString && b->type == jbvString)
	{
		*order = memcmp(a->val.string.val, b->val.string.val,
						Min(a->val.string.len, b->val.string.len));
		if (*order == 0)
			*order = a->val.string.len - b->val.string.len;
		return true;
	}
	return false;
}

static bool
comparison_holds(const OwFilter *filter, const JsonbValue *element, OwScope *scope)
{
	JsonbValue	a;
	JsonbValue	b;
	bool		has_a = operand_value(&filter->operands[0], element, scope, &a);
	bool		has_b = operand_value(&filter->operands[1], element, scope, &b);
	bool		equal = has_a && has_b ? ow_json_values_equal(&a, &b) : has_a == has_b;
	int			order;

	if (filter->comparison == OW_COMPARE_EQUAL)
		return equal;
	if (filter->comparison == OW_COMPARE_NOT_EQUAL)
		return !equal;
	if (!has_a || !has_b || !order_of(&a, &b, &order))
		return false;
	switch (filter->comparison)
	{
		case OW_COMPARE_LESS:
			return order < 0;
		case OW_COMPARE_LESS_EQUAL:
			return order <= 0;
		case OW_COMPARE_GREATER:
			return order > 0;
		default:
			return order >= 0;
	}
}

static bool
filter_accepts(const OwFilter *filter, const JsonbValue *element, OwScope *scope)
{
	JsonbValue	ignored;

	switch (filter->kind)
	{
		case OW_FILTER_OR:
			return filter_accepts(filter->left, element, scope) ||
				filter_accepts(filter->right, element, scope);
		case OW_FILTER_AND:
			return filter_accepts(filter->left, element, scope) &&
				filter_accepts(filter->right, element, scope);
		case OW_FILTER_NOT:
			return !filter_accepts(filter->left, element, scope);
		case OW_FILTER_EXISTS:
			return operand_value(&filter->operands[0], element, scope, &ignored);
		case OW_FILTER_COMPARE:
			return comparison_holds(filter, element, scope);
	}
	return false;
}

/* ---- segments ---- */

/* Selects from each member or element. */
static void
select_from_children(OwPathQuery *query, int depth, const JsonbValue *value)
{
	OwJsonMembers members;
	char	   *key;
	JsonbValue	child;

	if (ow_json_value_is_array(value))
	{
		for (int i = 0; ow_json_value_element(value, i, &child); i++)
			select_from(query, depth, &child);
		return;
	}
	ow_json_members_begin(&members, value);
	while (ow_json_members_next(&members, &key, &child))
		select_from(query, depth, &child);
}

/* Selects with the next segment from the value and all below it. */
static void
descend(OwPathQuery *query, int depth, const JsonbValue *value)
{
	/* staying at this depth makes the children descend too */
	select_from(query, depth + 1, value);
	select_from_children(query, depth, value);
}

static void
select_members(OwPathQuery *query, int depth, const JsonbValue *value)
{
	const OwPathSegment *segment = &query->path->segments[depth];
	JsonbValue	child;

	if (value->type != jbvBinary)
		return;
	for (int i = 0; i < segment->count; i++)
	{
		if (ow_json_container_member(value->val.binary.data, segment->names[i], &child))
			select_from(query, depth + 1, &child);
	}
}

static void
select_indexes(OwPathQuery *query, int depth, const JsonbValue *value)
{
	const OwPathSegment *segment = &query->path->segments[depth];
	int			count = ow_json_value_count(value);
	JsonbValue	child;

	for (int i = 0; i < segment->count; i++)
	{
		int			index = segment->indexes[i];

		if (ow_json_value_element(value, index < 0 ? index + count : index, &child))
			select_from(query, depth + 1, &child);
	}
}

static void
select_slice(OwPathQuery *query, int depth, const JsonbValue *value)
{
	const OwPathSegment *segment = &query->path->segments[depth];
	int			count = ow_json_value_is_array(value) ? ow_json_value_count(value) : 0;
	int			from = segment->has_from ? segment->from : 0;
	int			to = segment->has_to ? segment->to : count;
	JsonbValue	child;

	from = Max(0, from < 0 ? from + count : from);
	to = Min(count, to < 0 ? to + count : to);
	for (int64 i = from; i < to; i += segment->stride)
	{
		if (ow_json_value_element(value, (int) i, &child))
			select_from(query, depth + 1, &child);
	}
}

/*
 * An array is filtered by element; an object stands for itself.  After ".." every value is visited
 * anyway: each stands for itself.
 */
static void
select_filtered(OwPathQuery *query, int depth, const JsonbValue *value)
{
	const OwPathSegment *segments = query->path->segments;
	const OwFilter *filter = segments[depth].filter;
	bool		descended = depth > 0 && segments[depth - 1].kind == OW_SEGMENT_DESCEND;
	JsonbValue	child;

	if (descended || ow_json_value_is_object(value))
	{
		if (!ow_json_value_is_array(value) && filter_accepts(filter, value, query->scope))
			select_from(query, depth + 1, value);
		return;
	}
	for (int i = 0; ow_json_value_element(value, i, &child); i++)
	{
		if (filter_accepts(filter, &child, query->scope))
			select_from(query, depth + 1, &child);
	}
}

/* Adds to the result what the path from this segment on selects from the value. */
static void
select_from(OwPathQuery *query, int depth, const JsonbValue *value)
{
	JsonbValue	selected = *value;

	check_stack_depth();
	if (depth == query->path->nsegments)
	{
		(void) pushJsonbValue(&query->found, WJB_ELEM, &selected);
		return;
	}
	switch (query->path->segments[depth].kind)
	{
		case OW_SEGMENT_MEMBER:
		case OW_SEGMENT_MEMBERS:
			select_members(query, depth, value);
			break;
		case OW_SEGMENT_INDEX:
		case OW_SEGMENT_INDEXES:
			select_indexes(query, depth, value);
			break;
		case OW_SEGMENT_SLICE:
			select_slice(query, depth, value);
			break;
		case OW_SEGMENT_WILDCARD:
			select_from_children(query, depth + 1, value);
			break;
		case OW_SEGMENT_DESCEND:
			descend(query, depth, value);
			break;
		case OW_SEGMENT_FILTER:
			select_filtered(query, depth, value);
			break;
	}
}

Jsonb *
ow_path_query(const OwPath *path, const JsonbValue *root, OwScope *scope)
{
	OwPathQuery query = {.path = path, .scope = scope};

	(void) pushJsonbValue(&query.found, WJB_BEGIN_ARRAY, NULL);
	select_from(&query, 0, root);
	return JsonbValueToJsonb(pushJsonbValue(&query.found, WJB_END_ARRAY, NULL));
}
