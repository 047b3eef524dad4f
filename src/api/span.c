/*
 * span.c
 *		The span of an attempt: its id, the same that the attempt itself was told, and what that says of it.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/activity.h"
#include "engine/span.h"
#include "errors.h"
#include "fmgr.h"
#include "machine/json.h"
#include "machine/traceparent.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(ow_span_id_sql);
PG_FUNCTION_INFO_V1(ow_span_attributes);

/* workflow.span_id(run_id uuid, idempotency_key text, attempt int) */
Datum
ow_span_id_sql(PG_FUNCTION_ARGS)
{
	char	   *traceparent =
	ow_traceparent_of_attempt(NULL, PG_GETARG_UUID_P(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_INT32(2));

	PG_RETURN_TEXT_P(cstring_to_text_with_len(traceparent + OW_SPAN_ID_AT, OW_SPAN_ID_LENGTH));
}

/* workflow.span_attributes(attributes jsonb) */
Datum
ow_span_attributes(PG_FUNCTION_ARGS)
{
	Jsonb	   *attributes = ow_api_jsonb(fcinfo, 0, "attributes");
	JsonbValue	object;

	if (ow_activity_current(NULL) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_NO_CURRENT_ACTIVITY),
				 errmsg("no activity is running in this session"),
				 errhint("A program outside exports spans of its own, as children of the traceparent in its task's headers.")));
	ow_json_as_value(attributes, &object);
	if (!ow_json_value_is_object(&object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("attributes must be an object, not %s", ow_json_type_phrase(&object))));
	ow_span_say(attributes);
	PG_RETURN_VOID();
}
