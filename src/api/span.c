/*
 * span.c
 *		The span of an attempt, for views of traces: the same that the attempt itself was told.
 */
#include "postgres.h"

#include "fmgr.h"
#include "machine/traceparent.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(ow_span_id_sql);

/* workflow.span_id(run_id uuid, idempotency_key text, attempt int) */
Datum
ow_span_id_sql(PG_FUNCTION_ARGS)
{
	char	   *traceparent =
	ow_traceparent_of_attempt(NULL, PG_GETARG_UUID_P(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_INT32(2));

	PG_RETURN_TEXT_P(cstring_to_text_with_len(traceparent + OW_SPAN_ID_AT, OW_SPAN_ID_LENGTH));
}
