/*
 * problems.c
 *		Collects what is wrong with a definition, and says where in words.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "machine/problems.h"
#include "miscadmin.h"

/* Longer names are not compared: nobody means a nearby one. */
#define MAX_COMPARED_NAME 128

/* Names that begin with as many equal characters begin alike. */
#define MIN_PREFIX 4

void
ow_problem_add(OwProblems *problems, OwSeverity severity, const char *code,
			   const char *path, const char *hint, const char *format, ...)
{
	OwProblem  *problem = palloc0(sizeof(OwProblem));
	StringInfoData message;

	initStringInfo(&message);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}

	problem->severity = severity;
	problem->code = code;
	problem->path = pstrdup(path ? path : "");
	problem->message = message.data;
	problem->hint = hint ? pstrdup(hint) : NULL;
	problems->list = lappend(problems->list, problem);
	if (severity == OW_SEVERITY_ERROR)
		problems->errors++;
}

void
ow_problem_add_path(OwProblems *problems, const char *where, const char *name, const char *text, const char *error)
{
	bool		call = strncmp(text, "States.", 7) == 0;

	ow_problem_add(problems, OW_SEVERITY_ERROR, call ? "InvalidCall" : "InvalidPath", ow_where_member(where, name), NULL,
				   "field \"%s\" in %s is not a usable %s: \"%s\": %s", name, ow_where_subject(where),
				   call ? "call of a function" : "path", text, error);
}

void
ow_problems_note_reads(OwProblems *problems, const List *variables, const char *where, const char *name)
{
	ListCell   *cell;

	foreach(cell, variables)
	{
		OwVariableRead *note = palloc(sizeof(OwVariableRead));

		*note = (OwVariableRead) {.name = lfirst(cell), .where = where, .field = pstrdup(name)};
		problems->reads = lappend(problems->reads, note);
	}
}

/* ---- places ---- */

/* Tells whether a name can stand in a path without quotes. */
static bool
is_plain_name(const char *name)
{
	if (*name == '\0')
		return false;
	for (const char *at = name; *at; at++)
	{
		if (!IS_HIGHBIT_SET(*at) && !isalnum((unsigned char) *at) && strchr(" _-$", *at) == NULL)
			return false;
	}
	return true;
}

/*
 * Joins a place and the name of a member.
 *
 * The one member whose name ends in ".$" (a path of a template) is common enough to be shown plain.
 */
char *
ow_where_member(const char *where, const char *name)
{
	size_t		length = strlen(name);
	char	   *stem = length > 2 && strcmp(name + length - 2, ".$") == 0 ?
		pnstrdup(name, length - 2) : pstrdup(name);

	if (!is_plain_name(stem))
		return psprintf("%s[\"%s\"]", where, name);
	return *where ? psprintf("%s.%s", where, name) : pstrdup(name);
}

char *
ow_where_element(const char *where, int index)
{
	return psprintf("%s[%d]", where, index);
}

/* Splits "States.Pay.Retry[0]" into the state's name and what follows it; false if it is no state's. */
static bool
split_outer_state(const char *where, char **state, const char **rest)
{
	const char *start;
	const char *end;

	if (strncmp(where, "States.", 7) == 0)
	{
		start = where + 7;
		end = start + strcspn(start, ".[");
		*rest = end;
	}
	else if (strncmp(where, "States[\"", 8) == 0)
	{
		start = where + 8;
		end = strstr(start, "\"]");
		if (end == NULL)
			return false;
		*rest = end + 2;
	}
	else
		return false;

	*state = pnstrdup(start, end - start);
	return true;
}

/* The start of "States.…" behind "ItemProcessor." or the like; NULL when there is none */
static const char *
nested_states(const char *rest)
{
	static const char *const fields[] = {".ItemProcessor.", ".Iterator.", ".Branches["};

	for (int i = 0; i < (int) lengthof(fields); i++)
	{
		size_t		length = strlen(fields[i]);
		const char *states = rest + length;

		if (strncmp(rest, fields[i], length) != 0)
			continue;
		if (fields[i][length - 1] == '[')
		{
			states = strstr(states, "].");
			if (states == NULL)
				return NULL;
			states += 2;
		}
		return strncmp(states, "States", 6) == 0 && (states[6] == '.' || states[6] == '[') ? states : NULL;
	}
	return NULL;
}

/* The same for the innermost state, which may be one of a nested machine */
static bool
split_state(const char *where, char **state, const char **rest)
{
	if (!split_outer_state(where, state, rest))
		return false;
	while ((where = nested_states(*rest)) != NULL && split_outer_state(where, state, rest))
		;
	return true;
}

char *
ow_where_subject(const char *where)
{
	char	   *state;
	const char *rest;

	if (*where == '\0')
		return pstrdup("the definition");
	if (!split_state(where, &state, &rest))
		return pstrdup(where);
	if (*rest == '\0')
		return psprintf("state \"%s\"", state);
	return psprintf("%s of state \"%s\"", *rest == '.' ? rest + 1 : rest, state);
}

/* ---- nearest names ---- */

/* Counts edits (insert, delete, replace, swap of neighbours) between two names, whatever their case. */
static int
edit_distance(const char *a, const char *b)
{
	int			rows[3][MAX_COMPARED_NAME + 1];
	int			alen = strlen(a);
	int			blen = strlen(b);

	for (int j = 0; j <= blen; j++)
		rows[0][j] = j;

	for (int i = 1; i <= alen; i++)
	{
		int		   *current = rows[i % 3];
		int		   *above = rows[(i + 2) % 3];
		int		   *two_above = rows[(i + 1) % 3];

		current[0] = i;
		for (int j = 1; j <= blen; j++)
		{
			char		ca = pg_tolower((unsigned char) a[i - 1]);
			char		cb = pg_tolower((unsigned char) b[j - 1]);

			current[j] = Min(Min(above[j], current[j - 1]) + 1, above[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == pg_tolower((unsigned char) b[j - 2]) &&
				cb == pg_tolower((unsigned char) a[i - 2]))
				current[j] = Min(current[j], two_above[j - 2] + 1);
		}
	}
	return rows[alen % 3][blen];
}

/*
 * How many edits leave a name near enough to be meant: one in three characters.  Of names that begin
 * alike one may be another form of the other, "Retries" of "Retry", or be cut short, "Timeout" of
 * "TimeoutSeconds".
 */
static int
edits_allowed(const char *name, const char *candidate)
{
	int			length = strlen(name);
	int			alike = 0;

	while (name[alike] != '\0' &&
		   pg_tolower((unsigned char) name[alike]) == pg_tolower((unsigned char) candidate[alike]))
		alike++;
	if (alike >= MIN_PREFIX && alike == length)
		return MAX_COMPARED_NAME;
	if (alike >= MIN_PREFIX && alike * 2 >= length)
		return length / 2;
	return Max(1, length / 3);
}

const char *
ow_nearest_name(const char *name, const char *const *candidates, int count)
{
	const char *nearest = NULL;
	int			length = strlen(name);
	int			best = MAX_COMPARED_NAME + 1;

	if (length > MAX_COMPARED_NAME)
		return NULL;
	for (int i = 0; i < count; i++)
	{
		int			candidate_length = strlen(candidates[i]);
		int			allowed;
		int			distance;

		CHECK_FOR_INTERRUPTS();
		if (candidate_length > MAX_COMPARED_NAME)
			continue;
		allowed = Min(edits_allowed(name, candidates[i]), best - 1);
		if (abs(candidate_length - length) > allowed)
			continue;
		distance = edit_distance(name, candidates[i]);
		/* replacing a name of one or two characters as a whole is not "near" */
		if (distance <= allowed && distance < Max(length, candidate_length))
		{
			best = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}
