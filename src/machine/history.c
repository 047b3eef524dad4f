/*
 * history.c
 *		Packing and unpacking history events.
 */
#include "postgres.h"

#include "machine/history.h"
#include "machine/json.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

static void
push_string(JsonbParseState **state, const char *text)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	pushJsonbValue(state, WJB_ELEM, &value);
}

static void
push_null(JsonbParseState **state)
{
	JsonbValue	value = {.type = jbvNull};

	pushJsonbValue(state, WJB_ELEM, &value);
}

static void
push_event(JsonbParseState **state, const OwHistoryEvent *event, TimestampTz recorded_at)
{
	JsonbValue	value;

	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	push_string(state, event->type);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(event->time - recorded_at);
	pushJsonbValue(state, WJB_ELEM, &value);
	if (event->state != NULL)
		push_string(state, event->state);
	else if (event->attributes != NULL)
		push_null(state);
	if (event->attributes != NULL)
	{
		ow_json_as_value(event->attributes, &value);
		pushJsonbValue(state, WJB_ELEM, &value);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

Jsonb *
ow_history_pack(List *events, TimestampTz recorded_at)
{
	JsonbParseState *state = NULL;
	ListCell   *cell;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach(cell, events)
		push_event(&state, lfirst(cell), recorded_at);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static OwHistoryEvent *
unpack_event(JsonbContainer *packed, TimestampTz recorded_at, int event_id)
{
	OwHistoryEvent *event = palloc0(sizeof(OwHistoryEvent));
	JsonbValue *type = getIthJsonbValueFromContainer(packed, 0);
	JsonbValue *offset = getIthJsonbValueFromContainer(packed, 1);
	JsonbValue *state = getIthJsonbValueFromContainer(packed, 2);
	JsonbValue *attributes = getIthJsonbValueFromContainer(packed, 3);
	int64		microseconds;

	if (type == NULL || type->type != jbvString || offset == NULL || !ow_json_value_int64(offset, &microseconds))
		elog(ERROR, "malformed history event %d", event_id);
	event->event_id = event_id;
	event->type = ow_json_value_cstring(type);
	event->time = recorded_at + microseconds;
	if (state != NULL && state->type == jbvString)
		event->state = ow_json_value_cstring(state);
	if (attributes != NULL)
		event->attributes = ow_json_from_value(attributes);
	return event;
}

List *
ow_history_unpack(const Jsonb *packed, TimestampTz recorded_at, int first_event_id)
{
	JsonbContainer *events = unconstify(JsonbContainer *, &packed->root);
	int			count = JsonContainerSize(events);
	List	   *result = NIL;

	for (int i = 0; i < count; i++)
	{
		JsonbValue *event = getIthJsonbValueFromContainer(events, i);

		if (event->type != jbvBinary)
			elog(ERROR, "malformed history event %d", first_event_id + i);
		result = lappend(result, unpack_event(event->val.binary.data, recorded_at, first_event_id + i));
	}
	return result;
}
