/*
 * path_parse.c
 *		Parses the text of a path into segments; the grammar is that of Step Functions' JSONPath:
 *
 *		path    = ("$" | "$$" | "$" variable) segment*
 *		segment = "." name | ".*" | ".." (name | "*" | bracket) | bracket
 *		bracket = "[" ( "*" | quoted ("," quoted)* | index ("," index)* |
 *						[from] ":" [to] [":" stride] | "?(" filter ")" ) "]"
 *		filter  = operand [op operand] | "!" filter | "(" filter ")" | filter ("&&" | "||") filter
 *		operand = "@" segment* | path | quoted | number | "true" | "false" | "null"
 *
 * In a name after a dot a backslash takes the next character as it is.
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "fmgr.h"
#include "machine/expression.h"
#include "machine/path_internal.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define MAX_SEGMENTS 256
#define MAX_FILTER_NESTING 32
#define MAX_INDEX_DIGITS 9

typedef struct OwPathParser
{
	const char *at;
	const char *error;			/* the first one wins */
	int			filter_depth;	/* 0: not within a filter */
	bool		is_argument;	/* of a call: ends before a comma, a parenthesis or a space */
} OwPathParser;

static OwFilter *parse_filter(OwPathParser *parser);

/* Notes the error and returns NULL, for use as: return give_up(parser, …) */
static void *
give_up(OwPathParser *parser, const char *error)
{
	if (parser->error == NULL)
		parser->error = error;
	return NULL;
}

static void
skip_space(OwPathParser *parser)
{
	while (*parser->at == ' ' || *parser->at == '\t')
		parser->at++;
}

static bool
accept(OwPathParser *parser, const char *token)
{
	size_t		length = strlen(token);

	if (strncmp(parser->at, token, length) != 0)
		return false;
	parser->at += length;
	return true;
}

static bool
expect(OwPathParser *parser, const char *token, const char *error)
{
	skip_space(parser);
	if (accept(parser, token))
		return true;
	give_up(parser, error);
	return false;
}

/* ---- names and numbers ---- */

/* Tells whether a character ends a name after a dot. */
static bool
ends_name(const OwPathParser *parser)
{
	char		c = *parser->at;

	if (c == '\0' || c == '.' || c == '[' || (parser->is_argument && strchr(" \t\r\n,)", c) != NULL))
		return true;
	return parser->filter_depth > 0 && strchr(" \t)=!<>&|,]", c) != NULL;
}

/* Reads a name after a dot. */
static char *
parse_name(OwPathParser *parser)
{
	StringInfoData name;

	initStringInfo(&name);
	while (!ends_name(parser))
	{
		int			length;

		if (*parser->at == '\\' && parser->at[1] != '\0')
			parser->at++;
		else if (strchr(" \t\n\r()]'\"*?,:@", *parser->at) != NULL)
			return give_up(parser, "a name with such a character must stand in brackets and quotes, as in $['a b']");
		length = pg_mblen(parser->at);
		appendBinaryStringInfo(&name, parser->at, length);
		parser->at += length;
	}
	if (name.len == 0)
		return give_up(parser, "a name is missing after \".\"");
	return name.data;
}

/* Reads a quoted string; a backslash escapes the quote and itself, and is kept before others. */
static char *
parse_quoted(OwPathParser *parser)
{
	StringInfoData text;
	char		quote = *parser->at++;

	initStringInfo(&text);
	while (*parser->at != quote)
	{
		if (*parser->at == '\0')
			return give_up(parser, "a quote is not closed");
		if (*parser->at == '\\' && (parser->at[1] == quote || parser->at[1] == '\\'))
			parser->at++;
		appendStringInfoChar(&text, *parser->at++);
	}
	parser->at++;
	return text.data;
}

/* Reads an integer if there is one. */
static bool
accept_integer(OwPathParser *parser, int *number)
{
	const char *at = parser->at;
	bool		negative = *at == '-';
	int			digits = 0;

	if (negative)
		at++;
	for (*number = 0; isdigit((unsigned char) *at); at++)
	{
		if (++digits > MAX_INDEX_DIGITS)
		{
			give_up(parser, "an index is too large");
			return false;
		}
		*number = *number * 10 + (*at - '0');
	}
	if (digits == 0)
		return false;
	if (negative)
		*number = -*number;
	parser->at = at;
	return true;
}

/* ---- segments ---- */

static OwPathSegment *
make_segment(OwSegmentKind kind)
{
	OwPathSegment *segment = palloc0(sizeof(OwPathSegment));

	segment->kind = kind;
	return segment;
}

static void
add_name(OwPathSegment *segment, char *name)
{
	segment->names = segment->names == NULL ? palloc(sizeof(char *)) :
		repalloc(segment->names, (segment->count + 1) * sizeof(char *));
	segment->names[segment->count++] = name;
	segment->kind = segment->count == 1 ? OW_SEGMENT_MEMBER : OW_SEGMENT_MEMBERS;
}

static void
add_index(OwPathSegment *segment, int index)
{
	segment->indexes = segment->indexes == NULL ? palloc(sizeof(int)) :
		repalloc(segment->indexes, (segment->count + 1) * sizeof(int));
	segment->indexes[segment->count++] = index;
	segment->kind = segment->count == 1 ? OW_SEGMENT_INDEX : OW_SEGMENT_INDEXES;
}

/* Parses 'a', 'b' within brackets. */
static OwPathSegment *
parse_names(OwPathParser *parser)
{
	OwPathSegment *segment = make_segment(OW_SEGMENT_MEMBER);

	do
	{
		char	   *name;

		skip_space(parser);
		if (*parser->at != '\'' && *parser->at != '"')
			return give_up(parser, "a quoted name is missing within brackets");
		name = parse_quoted(parser);
		if (name == NULL)
			return NULL;
		add_name(segment, name);
		skip_space(parser);
	} while (accept(parser, ","));
	return segment;
}

/* Parses the rest of a slice, at its first colon. */
static OwPathSegment *
parse_slice(OwPathParser *parser, bool has_from, int from)
{
	OwPathSegment *segment = make_segment(OW_SEGMENT_SLICE);

	segment->has_from = has_from;
	segment->from = from;
	segment->stride = 1;
	parser->at++;
	skip_space(parser);
	segment->has_to = accept_integer(parser, &segment->to);
	skip_space(parser);
	if (accept(parser, ":") && accept_integer(parser, &segment->stride) && segment->stride < 1)
		return give_up(parser, "the step of a slice must be at least 1");
	return segment;
}

/* Parses indexes or a slice within brackets. */
static OwPathSegment *
parse_indexes(OwPathParser *parser)
{
	OwPathSegment *segment = make_segment(OW_SEGMENT_INDEX);
	int			index = 0;
	bool		given = accept_integer(parser, &index);

	skip_space(parser);
	if (*parser->at == ':')
		return parse_slice(parser, given, index);
	if (!given)
		return give_up(parser, "brackets must hold an index, a slice, a quoted name, * or ?(…)");

	add_index(segment, index);
	while (accept(parser, ","))
	{
		skip_space(parser);
		if (!accept_integer(parser, &index))
			return give_up(parser, "an index is missing after \",\"");
		add_index(segment, index);
		skip_space(parser);
	}
	return segment;
}

static OwPathSegment *
parse_filter_segment(OwPathParser *parser)
{
	OwPathSegment *segment = make_segment(OW_SEGMENT_FILTER);

	if (!expect(parser, "(", "\"?\" must be followed by a filter in parentheses"))
		return NULL;
	if (++parser->filter_depth > MAX_FILTER_NESTING)
		return give_up(parser, "filters are nested too deeply");
	segment->filter = parse_filter(parser);
	parser->filter_depth--;
	if (segment->filter == NULL || !expect(parser, ")", "a filter is not closed with \")\""))
		return NULL;
	return segment;
}

static OwPathSegment *
parse_bracket(OwPathParser *parser)
{
	OwPathSegment *segment;

	parser->at++;
	skip_space(parser);
	if (accept(parser, "*"))
		segment = make_segment(OW_SEGMENT_WILDCARD);
	else if (accept(parser, "?"))
		segment = parse_filter_segment(parser);
	else if (*parser->at == '\'' || *parser->at == '"')
		segment = parse_names(parser);
	else
		segment = parse_indexes(parser);

	if (segment == NULL || !expect(parser, "]", "a bracket is not closed with \"]\""))
		return NULL;
	return segment;
}

/* Parses what follows a dot: a name or "*". */
static OwPathSegment *
parse_dotted(OwPathParser *parser)
{
	OwPathSegment *segment;
	char	   *name;

	if (accept(parser, "*"))
		return make_segment(OW_SEGMENT_WILDCARD);
	name = parse_name(parser);
	if (name == NULL)
		return NULL;
	segment = make_segment(OW_SEGMENT_MEMBER);
	add_name(segment, name);
	return segment;
}

/* Parses the next segment; NULL at the end of the path, or with an error. */
static OwPathSegment *
parse_segment(OwPathParser *parser, const OwPathSegment *previous)
{
	bool		descended = previous != NULL && previous->kind == OW_SEGMENT_DESCEND;

	if (*parser->at == '[')
		return parse_bracket(parser);
	if (descended)
		return parse_dotted(parser);
	if (accept(parser, ".."))
		return make_segment(OW_SEGMENT_DESCEND);
	if (accept(parser, "."))
		return parse_dotted(parser);
	if (!ends_name(parser))
		return give_up(parser, "\".\" or \"[\" is expected between the names of a path");
	return NULL;
}

/* Parses the segments after a root, and tells whether they select at most one value. */
static bool
parse_segments(OwPathParser *parser, OwPath *path)
{
	OwPathSegment *segment = NULL;
	int			allocated = 4;

	path->segments = palloc(allocated * sizeof(OwPathSegment));
	path->definite = true;
	while ((segment = parse_segment(parser, segment)) != NULL)
	{
		if (path->nsegments == MAX_SEGMENTS)
			return give_up(parser, "the path is too long") != NULL;
		if (path->nsegments == allocated)
		{
			allocated *= 2;
			path->segments = repalloc(path->segments, allocated * sizeof(OwPathSegment));
		}
		path->segments[path->nsegments++] = *segment;
		if (segment->kind != OW_SEGMENT_MEMBER && segment->kind != OW_SEGMENT_INDEX)
			path->definite = false;
	}
	return parser->error == NULL;
}

static OwPath *
parse_rooted(OwPathParser *parser, OwPathRoot root)
{
	OwPath	   *path = palloc0(sizeof(OwPath));
	const char *start = parser->at;

	path->root = root;
	if (!parse_segments(parser, path))
		return NULL;
	path->text = pnstrdup(start, parser->at - start);
	return path;
}

static OwPath *
parse_from_variable(OwPathParser *parser)
{
	int			length = ow_variable_name_length(parser->at);
	char	   *name = pnstrdup(parser->at, length);
	OwPath	   *path;

	if (!ow_variable_name_is_valid(name))
		return give_up(parser, psprintf("\"%s\" cannot be the name of a variable", name));
	parser->at += length;
	path = parse_rooted(parser, OW_ROOT_VARIABLE);
	if (path != NULL)
		path->variable = name;
	return path;
}

/* Parses a path that begins with "$"; parser stands behind it. */
static OwPath *
parse_from_dollar(OwPathParser *parser)
{
	if (accept(parser, "$"))
		return parse_rooted(parser, OW_ROOT_CONTEXT);
	if (ow_variable_name_length(parser->at) > 0)
		return parse_from_variable(parser);
	return parse_rooted(parser, OW_ROOT_DATA);
}

/* ---- filters ---- */

static bool
parse_number(OwPathParser *parser, JsonbValue *literal)
{
	size_t		length = strspn(parser->at, "+-0123456789.eE");
	char	   *text = pnstrdup(parser->at, length);

	if (!IsValidJsonNumber(text, length) || length > 40)
		return give_up(parser, "a filter compares paths, quoted strings, numbers, true, false and null") != NULL;
	parser->at += length;
	literal->type = jbvNumeric;
	literal->val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
															   ObjectIdGetDatum(InvalidOid),
															   Int32GetDatum(-1)));
	return true;
}

static bool
parse_literal(OwPathParser *parser, JsonbValue *literal)
{
	if (*parser->at == '\'' || *parser->at == '"')
	{
		char	   *text = parse_quoted(parser);

		if (text == NULL)
			return false;
		literal->type = jbvString;
		literal->val.string.val = text;
		literal->val.string.len = strlen(text);
		return true;
	}
	if (accept(parser, "null"))
	{
		literal->type = jbvNull;
		return true;
	}
	literal->type = jbvBool;
	literal->val.boolean = *parser->at == 't';
	return accept(parser, "true") || accept(parser, "false") || parse_number(parser, literal);
}

static bool
parse_operand(OwPathParser *parser, OwFilterOperand *operand)
{
	skip_space(parser);
	if (accept(parser, "@"))
		operand->path = parse_rooted(parser, OW_ROOT_ELEMENT);
	else if (accept(parser, "$"))
		operand->path = parse_from_dollar(parser);
	else
		return parse_literal(parser, &operand->literal);
	return operand->path != NULL;
}

static bool
accept_comparison(OwPathParser *parser, OwComparison *comparison)
{
	/* longer operators first */
	static const struct
	{
		const char *text;
		OwComparison comparison;
	}			operators[] = {
		{"==", OW_COMPARE_EQUAL},
		{"!=", OW_COMPARE_NOT_EQUAL},
		{"<=", OW_COMPARE_LESS_EQUAL},
		{">=", OW_COMPARE_GREATER_EQUAL},
		{"<", OW_COMPARE_LESS},
		{">", OW_COMPARE_GREATER}
	};

	skip_space(parser);
	for (int i = 0; i < (int) lengthof(operators); i++)
	{
		if (accept(parser, operators[i].text))
		{
			*comparison = operators[i].comparison;
			return true;
		}
	}
	return false;
}

static OwFilter *
make_filter(OwFilterKind kind, OwFilter *left, OwFilter *right)
{
	OwFilter   *filter = palloc0(sizeof(OwFilter));

	filter->kind = kind;
	filter->left = left;
	filter->right = right;
	return filter;
}

/* Parses an existence test or a comparison. */
static OwFilter *
parse_test(OwPathParser *parser)
{
	OwFilter   *filter = make_filter(OW_FILTER_EXISTS, NULL, NULL);

	if (!parse_operand(parser, &filter->operands[0]))
		return NULL;
	if (accept_comparison(parser, &filter->comparison))
	{
		filter->kind = OW_FILTER_COMPARE;
		return parse_operand(parser, &filter->operands[1]) ? filter : NULL;
	}
	if (filter->operands[0].path == NULL)
		return give_up(parser, "a filter must test a path or compare two values");
	return filter;
}

static OwFilter *
parse_unary(OwPathParser *parser)
{
	OwFilter   *filter;

	skip_space(parser);
	if (*parser->at != '!' && *parser->at != '(')
		return parse_test(parser);
	if (++parser->filter_depth > MAX_FILTER_NESTING)
		return give_up(parser, "filters are nested too deeply");

	if (accept(parser, "!"))
	{
		filter = parse_unary(parser);
		filter = filter ? make_filter(OW_FILTER_NOT, filter, NULL) : NULL;
	}
	else
	{
		parser->at++;
		filter = parse_filter(parser);
		if (filter != NULL && !expect(parser, ")", "a parenthesis is not closed in a filter"))
			filter = NULL;
	}
	parser->filter_depth--;
	return filter;
}

static OwFilter *
parse_and(OwPathParser *parser)
{
	OwFilter   *left = parse_unary(parser);

	for (skip_space(parser); left != NULL && accept(parser, "&&"); skip_space(parser))
	{
		OwFilter   *right = parse_unary(parser);

		left = right ? make_filter(OW_FILTER_AND, left, right) : NULL;
	}
	return left;
}

static OwFilter *
parse_filter(OwPathParser *parser)
{
	OwFilter   *left = parse_and(parser);

	for (skip_space(parser); left != NULL && accept(parser, "||"); skip_space(parser))
	{
		OwFilter   *right = parse_and(parser);

		left = right ? make_filter(OW_FILTER_OR, left, right) : NULL;
	}
	return left;
}

/* ---- names of variables ---- */

/* Characters beyond ASCII that are no letters: punctuation, symbols, private use, pictures */
static bool
is_symbol(pg_wchar code)
{
	static const pg_wchar ranges[][2] = {
		{0x80, 0xA9}, {0xAB, 0xB4}, {0xB6, 0xB9}, {0xBB, 0xBF}, {0xD7, 0xD7}, {0xF7, 0xF7}, {0x2000, 0x206F},
		{0x2190, 0x2BFF}, {0x3000, 0x3004}, {0x3008, 0x3020}, {0xE000, 0xF8FF}, {0x1F000, 0x1FFFF}, {0xE0000, 0x10FFFF}
	};

	for (int i = 0; i < (int) lengthof(ranges); i++)
	{
		if (code >= ranges[i][0] && code <= ranges[i][1])
			return true;
	}
	return false;
}

/* The length of the character if it can stand in an identifier, else 0 */
static int
identifier_character(const char *at, bool first)
{
	unsigned char byte = *at;

	if (!IS_HIGHBIT_SET(byte))
		return isalpha(byte) || byte == '_' || (!first && isdigit(byte)) ? 1 : 0;
	if (GetDatabaseEncoding() == PG_UTF8 && is_symbol(utf8_to_unicode((const unsigned char *) at)))
		return 0;
	return pg_mblen(at);
}

int
ow_variable_name_length(const char *text)
{
	const char *at = text;
	int			length;

	while (*at && (length = identifier_character(at, at == text)) > 0)
		at += length;
	return at - text;
}

bool
ow_variable_name_is_valid(const char *name)
{
	return *name != '\0' && name[ow_variable_name_length(name)] == '\0' &&
		pg_mbstrlen(name) <= OW_MAX_VARIABLE_NAME && strcmp(name, "states") != 0;
}

/* ---- */

OwPath *
ow_path_parse(const char *text, const char **end, const char **error)
{
	OwPathParser parser = {.at = text, .is_argument = end != NULL};
	OwPath	   *path = NULL;

	if (ow_expression_is_call(text))
		give_up(&parser, "a path is needed here, not a call of a function");
	else if (!accept(&parser, "$"))
		give_up(&parser, "a path must begin with \"$\"");
	else
		path = parse_from_dollar(&parser);

	if (path != NULL && end == NULL && *parser.at != '\0')
		path = give_up(&parser, "the path goes on after its end");
	*error = parser.error;
	if (path != NULL)
		path->text = pnstrdup(text, parser.at - text);
	if (end != NULL)
		*end = parser.at;
	return path;
}
