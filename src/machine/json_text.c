/*
 * json_text.c
 *		JSON as text: parsing what may be no JSON at all without raising, and writing without spaces.
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "machine/json.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#define MAX_DATA_NESTING 1000	/* of a text made data: deeper ones are no JSON for us */

/* Well within what numeric holds, and beyond what anybody means */
#define MAX_NUMBER_LENGTH 1000
#define MAX_EXPONENT 1000

int
ow_json_text_nesting(const char *text)
{
	int			depth = 0;
	int			deepest = 0;
	bool		in_string = false;

	for (; *text; text++)
	{
		if (in_string)
		{
			if (*text == '\\' && text[1] != '\0')
				text++;
			else if (*text == '"')
				in_string = false;
		}
		else if (*text == '"')
			in_string = true;
		else if (*text == '{' || *text == '[')
		{
			depth++;
			deepest = Max(deepest, depth);
		}
		else if (*text == '}' || *text == ']')
			depth--;
	}
	return deepest;
}

bool
ow_json_number_fits(const char *number)
{
	const char *exponent = strpbrk(number, "eE");
	long		power = exponent == NULL ? 0 : strtol(exponent + 1, NULL, 10);

	return strlen(number) <= MAX_NUMBER_LENGTH && power >= -MAX_EXPONENT && power <= MAX_EXPONENT;
}

/* ---- parsing ---- */

static void
check_scalar(void *arg, char *token, JsonTokenType type)
{
	bool	   *fits = arg;

	if (type == JSON_TOKEN_NUMBER && !ow_json_number_fits(token))
		*fits = false;
}

/* Checks first whatever jsonb's own parser would raise an error for. */
Jsonb *
ow_json_parse(const char *text)
{
	bool		fits = true;
	JsonSemAction actions = {.semstate = &fits, .scalar = check_scalar};
	JsonLexContext *lex;

	if (ow_json_text_nesting(text) > MAX_DATA_NESTING)
		return NULL;
	lex = makeJsonLexContextCstringLen(pstrdup(text), strlen(text), GetDatabaseEncoding(), true);
	if (pg_parse_json(lex, &actions) != JSON_SUCCESS || !fits)
		return NULL;
	return ow_json_from_cstring(text);
}

/* ---- writing ---- */

static void
append_scalar(StringInfo text, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(text, "null");
			break;
		case jbvBool:
			appendStringInfoString(text, value->val.boolean ? "true" : "false");
			break;
		case jbvNumeric:
			appendStringInfoString(text, DatumGetCString(DirectFunctionCall1(numeric_out,
																			 NumericGetDatum(value->val.numeric))));
			break;
		default:
			escape_json(text, ow_json_value_cstring(value));
	}
}

/* A comma goes before whatever follows a value in the same container. */
static void
append_container(StringInfo text, JsonbContainer *container)
{
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		follows = false;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool		closes = token == WJB_END_ARRAY || token == WJB_END_OBJECT;

		if (follows && !closes)
			appendStringInfoChar(text, ',');
		follows = token == WJB_ELEM || token == WJB_VALUE || closes;
		if (token == WJB_BEGIN_ARRAY || token == WJB_END_ARRAY)
			appendStringInfoChar(text, closes ? ']' : '[');
		else if (token == WJB_BEGIN_OBJECT || token == WJB_END_OBJECT)
			appendStringInfoChar(text, closes ? '}' : '{');
		else
			append_scalar(text, &value);
		if (token == WJB_KEY)
			appendStringInfoChar(text, ':');
	}
}

char *
ow_json_compact(const JsonbValue *value)
{
	StringInfoData text;

	initStringInfo(&text);
	if (value->type == jbvBinary)
		append_container(&text, value->val.binary.data);
	else
		append_scalar(&text, value);
	return text.data;
}
