/*
 * sql_template.c
 *		Takes values of the SQL language apart into expressions, and puts their values in.
 *
 * A template stays the JSON it was.  Beside it stands a list of those of its strings that hold
 * expressions, in the order in which walking the JSON meets them, each as a sequence of parts: texts
 * and numbers of expressions.  To fill the template is to walk it again.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "machine/json.h"
#include "machine/sql_template.h"
#include "miscadmin.h"
#include "parser/scansup.h"

#define OPEN "{%"
#define CLOSE "%}"
#define MARK_LENGTH 2
#define CONTEXT "context"		/* the variable */

typedef struct OwSqlPart
{
	char	   *text;			/* NULL: an expression */
	int			expression;
} OwSqlPart;

typedef struct OwSqlString
{
	int			nparts;
	OwSqlPart  *parts;
} OwSqlString;

/* ---- compiling ---- */

typedef struct OwSqlCompiler
{
	OwSqlTemplate *template;
	OwProblems *problems;
} OwSqlCompiler;

static bool
holds_expression(const JsonbValue *value)
{
	return value->type == jbvString &&
		memmem(value->val.string.val, value->val.string.len, OPEN, MARK_LENGTH) != NULL;
}

/*
 * Finds the end of an expression.  In one whose quotes do not match, any end will do: then it is the
 * SQL parser that should report them.
 */
static const char *
find_close(const char *start)
{
	char		quote = '\0';

	for (const char *at = start; *at; at++)
	{
		if (quote != '\0')
			quote = *at == quote ? '\0' : quote;
		else if (*at == '\'' || *at == '"')
			quote = *at;
		else if (strncmp(at, CLOSE, MARK_LENGTH) == 0)
			return at;
	}
	return strstr(start, CLOSE);
}

static OwSqlPart *
add_part(OwSqlString *string)
{
	string->parts = string->parts == NULL ? palloc(sizeof(OwSqlPart)) :
		repalloc(string->parts, (string->nparts + 1) * sizeof(OwSqlPart));
	return &string->parts[string->nparts++];
}

static void
add_text(OwSqlString *string, const char *text, size_t length)
{
	if (length > 0)
		*add_part(string) = (OwSqlPart) {.text = pnstrdup(text, length)};
}

/* Copies a text without the spaces around it. */
static char *
copy_trimmed(const char *text, size_t length)
{
	for (; length > 0 && scanner_isspace(*text); length--)
		text++;
	while (length > 0 && scanner_isspace(text[length - 1]))
		length--;
	return pnstrdup(text, length);
}

static const char *
skip_spaces(const char *at)
{
	while (scanner_isspace(*at))
		at++;
	return at;
}

/* Reads "->'name'" or "['name']", and moves behind it; NULL if it is something else that follows. */
static char *
read_member(const char **from)
{
	const char *at = skip_spaces(*from);
	bool		bracket = *at == '[';
	const char *end;
	char	   *name;

	if (!bracket && strncmp(at, "->", 2) != 0)
		return NULL;
	at = skip_spaces(at + (bracket ? 1 : at[2] == '>' ? 3 : 2));
	if (*at != '\'' || (end = strchr(at + 1, '\'')) == NULL)
		return NULL;
	name = pnstrdup(at + 1, end - at - 1);
	at = skip_spaces(end + 1);
	if (bracket && *at != ']')
		return NULL;
	*from = at + (bracket ? 1 : 0);
	return name;
}

static bool
is_same(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Finds out what the expression takes of the context object, which can be large. */
static void
note_context(OwSqlTemplate *template, const char *text)
{
	while ((text = strcasestr(text, CONTEXT)) != NULL)
	{
		char	   *member;
		char	   *inner;

		text += strlen(CONTEXT);
		member = read_member(&text);
		inner = member ? read_member(&text) : NULL;
		if (!template->uses_context)
		{
			template->context_member = member;
			template->context_inner = inner;
		}
		if (!is_same(member, template->context_member))
			template->context_member = NULL;
		if (template->context_member == NULL || !is_same(inner, template->context_inner))
			template->context_inner = NULL;
		template->uses_context = true;
	}
}

static void
add_expression(OwSqlTemplate *template, OwSqlString *string, char *text, const char *where)
{
	int			number = template->nexpressions++;

	template->expressions = number == 0 ? palloc(sizeof(OwSqlExpression)) :
		repalloc(template->expressions, template->nexpressions * sizeof(OwSqlExpression));
	note_context(template, text);
	template->expressions[number] = (OwSqlExpression) {.text = text, .where = pstrdup(where)};
	*add_part(string) = (OwSqlPart) {.expression = number};
}

static void
report_unterminated(OwSqlCompiler *compiler, const char *where, const char *text)
{
	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidExpression", where,
				   "End it with \"%}\". To have \"{%\" as it is, write {% '{%' %}.",
				   "%s has an expression without an end: \"%s\"", ow_where_subject(where), text);
}

/* Splits a string that holds expressions. */
static void
compile_string(OwSqlCompiler *compiler, const JsonbValue *source, const char *where)
{
	OwSqlTemplate *template = compiler->template;
	OwSqlString string = {0};
	const char *rest = ow_json_value_cstring(source);
	const char *open;

	while ((open = strstr(rest, OPEN)) != NULL)
	{
		const char *text = open + MARK_LENGTH;
		const char *close = find_close(text);

		if (close == NULL)
		{
			report_unterminated(compiler, where, open);
			return;
		}
		add_text(&string, rest, open - rest);
		add_expression(template, &string, copy_trimmed(text, close - text), where);
		rest = close + MARK_LENGTH;
	}
	add_text(&string, rest, strlen(rest));
	template->strings = template->strings == NULL ? palloc(sizeof(OwSqlString)) :
		repalloc(template->strings, (template->nstrings + 1) * sizeof(OwSqlString));
	template->strings[template->nstrings++] = string;
}

/* Warns of "a.$": "$.b", brought from JSONPath, where it would be a path; here both are just what they say. */
static void
check_leftover(OwSqlCompiler *compiler, const char *name, const JsonbValue *value, const char *where)
{
	size_t		length = strlen(name);
	const char *text;

	if (length <= 2 || strcmp(name + length - 2, ".$") != 0 || value->type != jbvString)
		return;
	text = ow_json_value_cstring(value);
	if (*text == '$' || strncmp(text, "States.", strlen("States.")) == 0)
		ow_problem_add(compiler->problems, OW_SEVERITY_WARNING, "LeftoverPath", ow_where_member(where, name),
					   psprintf("Write \"%.*s\": \"{%% … %%}\", with input->'a' for $.a.", (int) length - 2, name),
					   "%s has a member \"%s\", which is no path in the language SQL: \"%s\" stays a text",
					   ow_where_subject(where), name, text);
}

/* Walks in the same order as a JsonbIterator. */
static void
compile_value(OwSqlCompiler *compiler, const JsonbValue *source, const char *where)
{
	OwJsonMembers members;
	char	   *name;
	JsonbValue	value;
	int			count;

	check_stack_depth();
	if (ow_json_value_is_object(source))
	{
		ow_json_members_begin(&members, source);
		while (ow_json_members_next(&members, &name, &value))
		{
			check_leftover(compiler, name, &value, where);
			compile_value(compiler, &value, ow_where_member(where, name));
		}
	}
	else if (ow_json_value_is_array(source))
	{
		JsonbValue *elements = ow_json_elements(source, &count);

		for (int i = 0; i < count; i++)
			compile_value(compiler, &elements[i], ow_where_element(where, i));
	}
	else if (holds_expression(source))
		compile_string(compiler, source, where);
}

OwSqlTemplate *
ow_sql_template_compile(const JsonbValue *source, const char *where, int allowed, OwProblems *problems)
{
	OwSqlTemplate *template = palloc0(sizeof(OwSqlTemplate));
	OwSqlCompiler compiler = {.template = template, .problems = problems};
	JsonbValue	value = *source;

	template->where = pstrdup(where);
	template->allowed = allowed;
	template->source = ow_json_from_value(&value);
	compile_value(&compiler, source, where);
	return template;
}

bool
ow_sql_template_is_expression(const OwSqlTemplate *template)
{
	return template->nstrings == 1 && JB_ROOT_IS_SCALAR(template->source) &&
		template->strings[0].nparts == 1 && template->strings[0].parts[0].text == NULL;
}

/* ---- filling ---- */

/* Appends the text of an expression's value; false when it has none. */
static bool
append_value(StringInfo text, const OwSqlExpression *expression, const Jsonb *json, OwFailure *failure)
{
	JsonbValue	value = {.type = jbvNull};

	if (json != NULL)
		ow_json_as_value(json, &value);
	if (value.type == jbvNull)
		return ow_fail(failure, OW_ERROR_QUERY_EVALUATION,
					   "%s: the expression \"%s\" within a text is null; use coalesce() to give it one",
					   ow_where_subject(expression->where), expression->text);
	if (value.type == jbvString)
		appendBinaryStringInfo(text, value.val.string.val, value.val.string.len);
	else
		appendStringInfoString(text, ow_json_compact(&value));
	return true;
}

/* The value of a string that holds expressions */
static bool
fill_string(const OwSqlTemplate *template, const OwSqlString *string, Jsonb *const *values, JsonbValue *value,
			OwFailure *failure)
{
	StringInfoData text;

	if (string->nparts == 1 && string->parts[0].text == NULL)
	{
		const Jsonb *whole = values[string->parts[0].expression];

		value->type = jbvNull;
		if (whole != NULL)
			ow_json_as_value(whole, value);
		return true;
	}
	initStringInfo(&text);
	for (int i = 0; i < string->nparts; i++)
	{
		const OwSqlPart *part = &string->parts[i];

		if (part->text != NULL)
			appendStringInfoString(&text, part->text);
		else if (!append_value(&text, &template->expressions[part->expression], values[part->expression], failure))
			return false;
	}
	value->type = jbvString;
	value->val.string.val = text.data;
	value->val.string.len = text.len;
	return true;
}

/* Walks the template, with other values in the place of strings that hold expressions. */
static bool
fill_container(const OwSqlTemplate *template, Jsonb *const *values, Jsonb **result, OwFailure *failure)
{
	JsonbParseState *state = NULL;
	JsonbIterator *iterator = JsonbIteratorInit(&template->source->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	JsonbValue *whole = NULL;
	const OwSqlString *string = template->strings;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool		is_value = token == WJB_VALUE || token == WJB_ELEM;

		if (is_value && holds_expression(&value) && !fill_string(template, string++, values, &value, failure))
			return false;
		whole = pushJsonbValue(&state, token, is_value || token == WJB_KEY ? &value : NULL);
	}
	*result = JsonbValueToJsonb(whole);
	return true;
}

bool
ow_sql_template_fill(const OwSqlTemplate *template, Jsonb *const *values, Jsonb **result, OwFailure *failure)
{
	JsonbValue	value;

	if (template->nexpressions == 0)
		*result = ow_json_copy(template->source);
	else if (!JB_ROOT_IS_SCALAR(template->source))
		return fill_container(template, values, result, failure);
	else
	{
		if (!fill_string(template, template->strings, values, &value, failure))
			return false;
		*result = ow_json_from_value(&value);
	}
	return true;
}
