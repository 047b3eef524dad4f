/*
 * definition_text.c
 *		Checks a definition's text: what jsonb would lose (duplicate keys) or refuse with less said.
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "machine/definition_internal.h"
#include "machine/json.h"
#include "mb/pg_wchar.h"

/* An object or array that the parser is in */
typedef struct OwTextLevel
{
	char	   *where;
	bool		is_array;
	int			index;			/* of an array's element, from 0 */
	int			nkeys;			/* an object's keys so far */
	int			allocated;
	char	  **keys;
	char	   *key;			/* the current one */
} OwTextLevel;

typedef struct OwTextCheck
{
	OwProblems *problems;
	JsonLexContext *lex;
	int			depth;			/* levels in use */
	OwTextLevel levels[OW_MAX_NESTING + 1];
} OwTextCheck;

void
ow_report_too_large(OwProblems *problems)
{
	ow_problem_add(problems, OW_SEVERITY_ERROR, "TooLarge", NULL, NULL,
				   "the definition is larger than %d bytes", OW_MAX_DEFINITION_BYTES);
}

void
ow_report_too_deep(OwProblems *problems)
{
	ow_problem_add(problems, OW_SEVERITY_ERROR, "TooDeep", NULL, NULL,
				   "the definition is nested more than %d levels deep", OW_MAX_NESTING);
}

/* ---- duplicate keys ---- */

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The place of the value that comes next. */
static char *
current_place(OwTextCheck *check)
{
	OwTextLevel *level;

	if (check->depth == 0)
		return "";
	level = &check->levels[check->depth - 1];
	return level->is_array ? ow_where_element(level->where, level->index) :
		ow_where_member(level->where, level->key);
}

static void
enter(OwTextCheck *check, bool is_array)
{
	char	   *where = current_place(check);

	Assert(check->depth <= OW_MAX_NESTING);
	check->levels[check->depth++] = (OwTextLevel) {.where = where, .is_array = is_array};
}

static void
object_start(void *arg)
{
	enter(arg, false);
}

static void
array_start(void *arg)
{
	enter(arg, true);
}

static void
array_end(void *arg)
{
	((OwTextCheck *) arg)->depth--;
}

static void
element_end(void *arg, bool isnull)
{
	OwTextCheck *check = arg;

	check->levels[check->depth - 1].index++;
}

static void
field_start(void *arg, char *name, bool isnull)
{
	OwTextCheck *check = arg;
	OwTextLevel *level = &check->levels[check->depth - 1];

	if (level->nkeys == level->allocated)
	{
		level->allocated = Max(8, level->allocated * 2);
		level->keys = level->keys == NULL ? palloc(level->allocated * sizeof(char *)) :
			repalloc(level->keys, level->allocated * sizeof(char *));
	}
	level->keys[level->nkeys++] = name;
	level->key = name;
}

static void
object_end(void *arg)
{
	OwTextCheck *check = arg;
	OwTextLevel *level = &check->levels[check->depth - 1];

	if (level->nkeys > 1)
		qsort(level->keys, level->nkeys, sizeof(char *), compare_keys);
	for (int i = 1; i < level->nkeys; i++)
	{
		char	   *key = level->keys[i];

		/* once for each key, however often it comes */
		if (strcmp(key, level->keys[i - 1]) != 0 ||
			(i > 1 && strcmp(key, level->keys[i - 2]) == 0))
			continue;
		ow_problem_add(check->problems, OW_SEVERITY_ERROR, "DuplicateKey",
					   ow_where_member(level->where, key), "Only the last one would count.",
					   strcmp(level->where, "States") == 0 ? "state \"%s\" is defined twice in %s" :
					   "key \"%s\" is given twice in %s", key, ow_where_subject(level->where));
	}
	check->depth--;
}

/* Reports a number that jsonb would refuse. */
static void
scalar(void *arg, char *token, JsonTokenType type)
{
	OwTextCheck *check = arg;

	if (type != JSON_TOKEN_NUMBER || ow_json_number_fits(token))
		return;
	ow_problem_add(check->problems, OW_SEVERITY_ERROR, "OutOfRange", current_place(check), NULL,
				   "a number in %s is out of range",
				   ow_where_subject(check->depth ? check->levels[check->depth - 1].where : ""));
}

/* ---- */

/* Reports a syntax error with its line. */
static void
report_syntax(OwTextCheck *check, JsonParseErrorType error)
{
	JsonLexContext *lex = check->lex;

	/* at the end of the text there is no token */
	char	   *at = lex->token_start ? lex->token_start : lex->prev_token_terminator;
	int			column = at > lex->line_start ?
		pg_mbstrlen_with_len(lex->line_start, at - lex->line_start) + 1 : 1;

	ow_problem_add(check->problems, OW_SEVERITY_ERROR, "InvalidJson", NULL,
				   json_errdetail(error, lex),
				   "the definition is not valid JSON: line %d, column %d", lex->line_number, column);
}

void
ow_definition_check_text(const char *text, OwProblems *problems)
{
	OwTextCheck *check = palloc0(sizeof(OwTextCheck));
	size_t		length = strlen(text);
	JsonSemAction actions = {
		.semstate = check,
		.object_start = object_start,
		.object_end = object_end,
		.array_start = array_start,
		.array_end = array_end,
		.object_field_start = field_start,
		.array_element_end = element_end,
		.scalar = scalar
	};
	JsonParseErrorType error;

	if (length > OW_MAX_DEFINITION_BYTES)
	{
		ow_report_too_large(problems);
		return;
	}
	if (ow_json_text_nesting(text) > OW_MAX_NESTING)
	{
		ow_report_too_deep(problems);
		return;
	}
	check->problems = problems;
	check->lex = makeJsonLexContextCstringLen(pstrdup(text), length, GetDatabaseEncoding(), true);
	error = pg_parse_json(check->lex, &actions);
	if (error != JSON_SUCCESS)
		report_syntax(check, error);
}
