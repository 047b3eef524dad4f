/*
 * traceparent.c
 *		W3C Trace Context: which trace a run belongs to, and which span an attempt is.
 *
 * A span id is a hash of what tells the attempt from all others, and of nothing that is a secret: task tokens are
 * rights to answer, traces go to third parties.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "machine/traceparent.h"

#define HEX_DIGITS "0123456789abcdef"
#define TRACE_ID_AT 3
#define TRACE_ID_LENGTH 32
#define FLAGS_AT 53
#define FLAGS_LENGTH 2

/* That many hexadecimal digits, and then `after` */
static bool
is_hex(const char *text, int length, const char *after)
{
	return (int) strspn(text, HEX_DIGITS) == length && strchr(after, text[length]) != NULL;
}

static bool
is_zero(const char *text, int length)
{
	return (int) strspn(text, "0") >= length;
}

/* A later version of the format may have more behind the flags. */
char *
ow_traceparent_parse(const char *text)
{
	bool		later = strncmp(text, "00", 2) != 0;

	if (strlen(text) < OW_TRACEPARENT_LENGTH || !is_hex(text, 2, "-") || strncmp(text, "ff", 2) == 0 ||
		!is_hex(text + TRACE_ID_AT, TRACE_ID_LENGTH, "-") || is_zero(text + TRACE_ID_AT, TRACE_ID_LENGTH) ||
		!is_hex(text + OW_SPAN_ID_AT, OW_SPAN_ID_LENGTH, "-") || is_zero(text + OW_SPAN_ID_AT, OW_SPAN_ID_LENGTH) ||
		(int) strspn(text + FLAGS_AT, HEX_DIGITS) != FLAGS_LENGTH ||
		(text[OW_TRACEPARENT_LENGTH] != '\0' && !(later && text[OW_TRACEPARENT_LENGTH] == '-')))
		return NULL;
	return pnstrdup(text, OW_TRACEPARENT_LENGTH);
}

static uint64
span_id(const pg_uuid_t *run_id, const char *idempotency_key, int attempt)
{
	uint64		hash = hash_bytes_extended(run_id->data, UUID_LEN, (uint64) attempt);

	hash = hash_bytes_extended((const unsigned char *) idempotency_key, strlen(idempotency_key), hash);
	return hash == 0 ? 1 : hash;
}

static void
write_hex(char *to, const unsigned char *bytes, int count)
{
	for (int i = 0; i < count; i++)
	{
		*to++ = HEX_DIGITS[bytes[i] >> 4];
		*to++ = HEX_DIGITS[bytes[i] & 0x0f];
	}
}

char *
ow_traceparent_of_attempt(const char *given, const pg_uuid_t *run_id, const char *idempotency_key, int attempt)
{
	char	   *text = pstrdup("00-00000000000000000000000000000000-0000000000000000-01");
	uint64		span = span_id(run_id, idempotency_key, attempt);
	unsigned char bytes[sizeof(span)];

	if (given == NULL)
		write_hex(text + TRACE_ID_AT, run_id->data, UUID_LEN);
	else
	{
		memcpy(text + TRACE_ID_AT, given + TRACE_ID_AT, TRACE_ID_LENGTH);
		memcpy(text + FLAGS_AT, given + FLAGS_AT, FLAGS_LENGTH);
	}
	for (int i = 0; i < (int) sizeof(span); i++)
		bytes[i] = (unsigned char) (span >> (8 * i));
	write_hex(text + OW_SPAN_ID_AT, bytes, sizeof(span));
	return text;
}
