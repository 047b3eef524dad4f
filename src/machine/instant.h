/*
 * instant.h
 *		RFC 3339 timestamps of the Amazon States Language, and spans in milliseconds.
 */
#ifndef OW_INSTANT_H
#define OW_INSTANT_H

#include "postgres.h"
#include "datatype/timestamp.h"

/* ASL's profile of RFC 3339: capital T and Z, offset or Z required, fraction optional. */
extern bool ow_instant_parse(const char *text, TimestampTz *instant);

/* "2030-01-01T00:00:00.123456Z": UTC, fraction only when there is one */
extern char *ow_instant_format(TimestampTz instant);
extern TimestampTz ow_instant_add_ms(TimestampTz instant, int64 ms);	/* saturates at DT_NOEND */

#endif							/* OW_INSTANT_H */
