/*
 * task_headers.c
 *		What a worker is to send along with the requests that it makes for a task.
 */
#include "postgres.h"

#include "machine/json.h"
#include "machine/traceparent.h"
#include "store/task.h"
#include "utils/builtins.h"

void
ow_task_headers(Datum *values, bool *nulls)
{
	char	   *given = nulls[POLL_HEADERS] ? NULL : TextDatumGetCString(values[POLL_HEADERS]);
	OwObject	headers;

	ow_object_begin(&headers);
	ow_object_add_text(&headers, "traceparent",
					   ow_traceparent_of_attempt(given, DatumGetUUIDP(values[POLL_RUN_ID]),
												 TextDatumGetCString(values[POLL_IDEMPOTENCY_KEY]),
												 DatumGetInt32(values[POLL_ATTEMPT])));
	values[POLL_HEADERS] = JsonbPGetDatum(ow_object_end(&headers));
	nulls[POLL_HEADERS] = false;
}
