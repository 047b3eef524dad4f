/*
 * intrinsic_text.c
 *		States.Format, StringSplit, Base64Encode, Base64Decode, Hash.
 */
#include "postgres.h"

#include "common/base64.h"
#include "common/cryptohash.h"
#include "common/md5.h"
#include "common/sha1.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "machine/intrinsic_internal.h"
#include "machine/json.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define MAX_CODED 10000			/* characters for Base64 and Hash, as Step Functions */

/* ---- Format ---- */

static bool
is_escape(const char *at)
{
	return at[0] == '\\' && at[1] != '\0' && strchr("'{}\\", at[1]) != NULL;
}

static bool
is_hole(const char *at)
{
	return at[0] == '{' && at[1] == '}';
}

int
ow_format_count_holes(const char *template)
{
	int			count = 0;

	for (const char *at = template; *at; at += is_escape(at) || is_hole(at) ? 2 : 1)
		count += is_hole(at);
	return count;
}

/* Containers look as Step Functions shows them, "{id=1, of=[a, b]}", not as JSON. */
static void
append_shown(StringInfo text, const JsonbValue *value)
{
	OwJsonMembers members;
	char	   *key;
	JsonbValue	member;
	const char *separator = "";

	check_stack_depth();
	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(text, "null");
			return;
		case jbvBool:
			appendStringInfoString(text, value->val.boolean ? "true" : "false");
			return;
		case jbvString:
			appendBinaryStringInfo(text, value->val.string.val, value->val.string.len);
			return;
		case jbvNumeric:
			appendStringInfoString(text, DatumGetCString(DirectFunctionCall1(numeric_out,
																			 NumericGetDatum(value->val.numeric))));
			return;
		default:
			break;
	}
	appendStringInfoChar(text, ow_json_value_is_array(value) ? '[' : '{');
	if (ow_json_value_is_array(value))
	{
		int			count;
		JsonbValue *elements = ow_json_elements(value, &count);

		for (int i = 0; i < count; i++)
		{
			appendStringInfoString(text, i > 0 ? ", " : "");
			append_shown(text, &elements[i]);
		}
	}
	ow_json_members_begin(&members, value);
	while (ow_json_members_next(&members, &key, &member))
	{
		appendStringInfo(text, "%s%s=", separator, key);
		append_shown(text, &member);
		separator = ", ";
	}
	appendStringInfoChar(text, ow_json_value_is_array(value) ? ']' : '}');
}

/* A literal template still has its escapes; one that comes from the data may have some, too. */
bool
ow_intrinsic_format(OwCall *call)
{
	StringInfoData text;
	char	   *template = call->expression->arguments[0]->escaped;
	int			argument = 1;

	if (template == NULL && !ow_call_text(call, 0, &template))
		return false;
	if (ow_format_count_holes(template) != call->expression->narguments - 1)
		return ow_call_refuse(call, "the template has %d times {}, but there are %d arguments for it",
							  ow_format_count_holes(template), call->expression->narguments - 1);
	initStringInfo(&text);
	for (const char *at = template; *at; at++)
	{
		if (is_hole(at))
		{
			append_shown(&text, &call->arguments[argument++]);
			at++;
			continue;
		}
		if (is_escape(at))
			at++;
		appendStringInfoChar(&text, *at);
	}
	return ow_call_return_text(call, text.data);
}

/* ---- StringSplit ---- */

/* The length of the character at this place if it is one of those that separate, else 0 */
static int
separator_length(const char *at, const char *separators)
{
	int			length = pg_mblen(at);

	for (; *separators; separators += pg_mblen(separators))
	{
		if (pg_mblen(separators) == length && memcmp(at, separators, length) == 0)
			return length;
	}
	return 0;
}

/* Splits at any of the characters given; empty pieces are left out. */
bool
ow_intrinsic_string_split(OwCall *call)
{
	JsonbParseState *state = NULL;
	char	   *text;
	char	   *separators;
	const char *start;

	if (!ow_call_text(call, 0, &text) || !ow_call_text(call, 1, &separators))
		return false;
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	start = text;
	for (const char *at = text;;)
	{
		int			length = *at ? separator_length(at, separators) : 0;

		if (*at && length == 0)
		{
			at += pg_mblen(at);
			continue;
		}
		if (at > start)
		{
			JsonbValue	piece = {.type = jbvString};

			piece.val.string.val = unconstify(char *, start);
			piece.val.string.len = at - start;
			(void) pushJsonbValue(&state, WJB_ELEM, &piece);
		}
		if (*at == '\0')
			break;
		at += length;
		start = at;
	}
	return ow_call_return(call, JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

/* ---- Base64 and hashes ---- */

static bool
check_length(OwCall *call, const char *text)
{
	return pg_mbstrlen(text) <= MAX_CODED ||
		ow_call_refuse(call, "argument 1 has more than %d characters", MAX_CODED);
}

bool
ow_intrinsic_base64_encode(OwCall *call)
{
	char	   *text;
	char	   *encoded;
	int			size;
	int			length;

	if (!ow_call_text(call, 0, &text) || !check_length(call, text))
		return false;
	size = pg_b64_enc_len(strlen(text));
	encoded = palloc0(size + 1);
	length = pg_b64_encode(text, strlen(text), encoded, size);
	if (length < 0)
		return ow_call_refuse(call, "the string cannot be encoded");
	encoded[length] = '\0';
	return ow_call_return_text(call, encoded);
}

bool
ow_intrinsic_base64_decode(OwCall *call)
{
	static const char *const padding[] = {"", "===", "==", "="};
	char	   *text;
	char	   *decoded;
	int			size;
	int			length;

	if (!ow_call_text(call, 0, &text) || !check_length(call, text))
		return false;
	text = psprintf("%s%s", text, padding[strlen(text) % 4]);
	size = pg_b64_dec_len(strlen(text));
	decoded = palloc0(size + 1);
	length = pg_b64_decode(text, strlen(text), decoded, size);
	if (length < 0)
		return ow_call_refuse(call, "argument 1 is not Base64");
	if (!pg_verify_mbstr(GetDatabaseEncoding(), decoded, length, true))
		return ow_call_refuse(call, "argument 1 does not encode a text");
	decoded[length] = '\0';
	return ow_call_return_text(call, decoded);
}

static const struct OwHashAlgorithm
{
	const char *name;
	pg_cryptohash_type type;
	int			length;
}			algorithms[] = {
	{"MD5", PG_MD5, MD5_DIGEST_LENGTH},
	{"SHA-1", PG_SHA1, SHA1_DIGEST_LENGTH},
	{"SHA-256", PG_SHA256, PG_SHA256_DIGEST_LENGTH},
	{"SHA-384", PG_SHA384, PG_SHA384_DIGEST_LENGTH},
	{"SHA-512", PG_SHA512, PG_SHA512_DIGEST_LENGTH}
};

static bool
hash_text(const char *text, const struct OwHashAlgorithm *algorithm, uint8 *digest)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(algorithm->type);
	bool		ok = pg_cryptohash_init(context) >= 0 &&
		pg_cryptohash_update(context, (const uint8 *) text, strlen(text)) >= 0 &&
		pg_cryptohash_final(context, digest, algorithm->length) >= 0;

	pg_cryptohash_free(context);
	return ok;
}

/* The hash of a string, or of the JSON text of anything else, in hexadecimal */
bool
ow_intrinsic_hash(OwCall *call)
{
	char	   *text = NULL;
	char	   *name;
	uint8		digest[PG_SHA512_DIGEST_LENGTH];
	char		hex[2 * PG_SHA512_DIGEST_LENGTH + 1];

	if (call->arguments[0].type == jbvString)
		text = ow_json_value_cstring(&call->arguments[0]);
	else
		text = ow_json_compact(&call->arguments[0]);
	if (!check_length(call, text) || !ow_call_text(call, 1, &name))
		return false;
	for (int i = 0; i < (int) lengthof(algorithms); i++)
	{
		if (strcmp(algorithms[i].name, name) != 0)
			continue;
		if (!hash_text(text, &algorithms[i], digest))
			return ow_call_refuse(call, "%s is not available on this server", name);
		hex_encode((const char *) digest, algorithms[i].length, hex);
		hex[2 * algorithms[i].length] = '\0';
		return ow_call_return_text(call, hex);
	}
	return ow_call_refuse(call, "there is no algorithm \"%s\"; take MD5, SHA-1, SHA-256, SHA-384 or SHA-512", name);
}
