/*
 * traceparent.h
 *		W3C Trace Context: which trace a run belongs to, and which span an attempt is.
 *
 *		00-<32 hex digits: trace id>-<16: parent or span id>-<2: flags>
 */
#ifndef OW_TRACEPARENT_H
#define OW_TRACEPARENT_H

#include "postgres.h"
#include "utils/uuid.h"

#define OW_TRACEPARENT_LENGTH 55
#define OW_SPAN_ID_AT 36
#define OW_SPAN_ID_LENGTH 16

/* The part of the text that every version of the format has; NULL: it is no traceparent. */
extern char *ow_traceparent_parse(const char *text);

/*
 * What an attempt hands on: the trace that its run was given (NULL: one made of the run id), and a span id that is
 * this attempt's alone.
 */
extern char *ow_traceparent_of_attempt(const char *given, const pg_uuid_t *run_id, const char *idempotency_key,
									   int attempt);

#endif							/* OW_TRACEPARENT_H */
