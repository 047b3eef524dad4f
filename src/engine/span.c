/*
 * span.c
 *		What the activity that runs says of its span (workflow.span_attributes).
 *
 * It is recorded with the outcome of the attempt, in the event that ends it: so it is there once, as the attempt is.  Until then it is
 * in this backend's memory, out of reach of rollbacks, since a failed attempt has something to say as well.
 */
#include "postgres.h"

#include "engine/span.h"
#include "machine/json.h"
#include "utils/memutils.h"

/* As OpenTelemetry's SDKs have it */
#define MOST_ATTRIBUTES 128
#define MOST_BYTES 8192

static MemoryContext said_context;
static Jsonb *said;

void
ow_span_forget(void)
{
	if (said == NULL)
		return;
	MemoryContextReset(said_context);
	said = NULL;
}

static void
check_size(const Jsonb *attributes)
{
	JsonbValue	object;

	ow_json_as_value(attributes, &object);
	if (ow_json_value_count(&object) <= MOST_ATTRIBUTES && VARSIZE(attributes) <= MOST_BYTES)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("the span has too many attributes"),
			 errdetail("An attempt can have %d, which take %d bytes at most.", MOST_ATTRIBUTES, MOST_BYTES)));
}

/* Without members that are null */
static Jsonb *
without_nulls(const Jsonb *attributes)
{
	OwJsonMembers members;
	OwObject	object;
	JsonbValue	whole;
	JsonbValue	value;
	char	   *key;

	ow_json_as_value(attributes, &whole);
	ow_object_begin(&object);
	ow_json_members_begin(&members, &whole);
	while (ow_json_members_next(&members, &key, &value))
	{
		if (value.type != jbvNull)
			ow_object_add_value(&object, key, &value);
	}
	return ow_object_end(&object);
}

void
ow_span_say(const Jsonb *attributes)
{
	Jsonb	   *merged = without_nulls(said ? ow_json_merged(said, attributes) : attributes);
	MemoryContext previous;

	check_size(merged);
	if (said_context == NULL)
		said_context = AllocSetContextCreate(TopMemoryContext, "order_workflow span attributes", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(said_context);
	previous = MemoryContextSwitchTo(said_context);
	said = ow_json_copy(merged);
	MemoryContextSwitchTo(previous);
}

Jsonb *
ow_span_said(void)
{
	JsonbValue	object;

	if (said == NULL)
		return NULL;
	ow_json_as_value(said, &object);
	return ow_json_value_count(&object) > 0 ? ow_json_copy(said) : NULL;
}
