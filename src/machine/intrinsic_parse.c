/*
 * intrinsic_parse.c
 *		Parses expressions: paths, and calls of intrinsic functions, which nest.
 *
 *		expression = path | call
 *		call       = "States." name "(" [ argument ("," argument)* ] ")"
 *		argument   = call | path | string | number | "true" | "false" | "null"
 *		string     = "'" ( character | "\'" | "\{" | "\}" | "\\" )* "'"
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "fmgr.h"
#include "machine/intrinsic_internal.h"
#include "machine/json.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define MAX_CALL_NESTING 10		/* as Step Functions */
#define MAX_ARGUMENTS 1000

typedef struct OwCallParser
{
	const char *at;
	const char *error;			/* the first one wins */
	int			depth;
} OwCallParser;

static OwExpression *parse_call(OwCallParser *parser);

/* Notes the error and returns NULL, for use as: return give_up(parser, …) */
static void *
give_up(OwCallParser *parser, const char *error)
{
	if (parser->error == NULL)
		parser->error = error;
	return NULL;
}

static void
skip_space(OwCallParser *parser)
{
	while (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\n' || *parser->at == '\r')
		parser->at++;
}

static bool
accept(OwCallParser *parser, char token)
{
	skip_space(parser);
	if (*parser->at != token)
		return false;
	parser->at++;
	return true;
}

static OwExpression *
make_expression(OwExpressionKind kind)
{
	OwExpression *expression = palloc0(sizeof(OwExpression));

	expression->kind = kind;
	return expression;
}

/* ---- literals ---- */

static OwExpression *
parse_string(OwCallParser *parser)
{
	OwExpression *literal = make_expression(OW_EXPRESSION_LITERAL);
	StringInfoData text;
	const char *start = ++parser->at;

	initStringInfo(&text);
	while (*parser->at != '\'')
	{
		if (*parser->at == '\0')
			return give_up(parser, "a string is not closed with \"'\"");
		if (*parser->at == '\\' && (*++parser->at == '\0' || strchr("'{}\\", *parser->at) == NULL))
			return give_up(parser, "in a string \"\\\" may only stand before ', {, } or itself");
		appendStringInfoChar(&text, *parser->at++);
	}
	literal->escaped = pnstrdup(start, parser->at - start);
	literal->literal.type = jbvString;
	literal->literal.val.string.val = text.data;
	literal->literal.val.string.len = text.len;
	parser->at++;
	return literal;
}

/* Parses a number, true, false or null. */
static OwExpression *
parse_word(OwCallParser *parser)
{
	OwExpression *literal = make_expression(OW_EXPRESSION_LITERAL);
	size_t		length = strcspn(parser->at, " \t\r\n,)");
	char	   *word = pnstrdup(parser->at, length);

	parser->at += length;
	if (strcmp(word, "null") == 0)
		literal->literal.type = jbvNull;
	else if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
	{
		literal->literal.type = jbvBool;
		literal->literal.val.boolean = *word == 't';
	}
	else if (IsValidJsonNumber(word, length) && ow_json_number_fits(word))
	{
		literal->literal.type = jbvNumeric;
		literal->literal.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(word),
																		   ObjectIdGetDatum(InvalidOid),
																		   Int32GetDatum(-1)));
	}
	else
		return give_up(parser, "an argument must be a path, a call, a number, true, false, null or a string in single quotes");
	return literal;
}

/* ---- calls ---- */

static OwExpression *
parse_argument(OwCallParser *parser)
{
	OwExpression *argument;
	const char *error = NULL;

	skip_space(parser);
	if (ow_expression_is_call(parser->at))
		return parse_call(parser);
	if (*parser->at == '\'')
		return parse_string(parser);
	if (*parser->at != '$')
		return parse_word(parser);
	argument = make_expression(OW_EXPRESSION_PATH);
	argument->path = ow_path_compile_argument(parser->at, &parser->at, &error);
	return argument->path != NULL ? argument : give_up(parser, error);
}

static bool
parse_arguments(OwCallParser *parser, OwExpression *call)
{
	int			allocated = 4;

	call->arguments = palloc(allocated * sizeof(OwExpression *));
	if (accept(parser, ')'))
		return true;
	do
	{
		OwExpression *argument = parse_argument(parser);

		if (argument == NULL)
			return false;
		if (call->narguments == MAX_ARGUMENTS)
			return give_up(parser, "a call has too many arguments") != NULL;
		if (call->narguments == allocated)
		{
			allocated *= 2;
			call->arguments = repalloc(call->arguments, allocated * sizeof(OwExpression *));
		}
		call->arguments[call->narguments++] = argument;
	} while (accept(parser, ','));
	return accept(parser, ')') || give_up(parser, "\",\" or \")\" is expected after an argument") != NULL;
}

static const char *
expected_count(const OwIntrinsic *function)
{
	if (function->most == OW_ANY_NUMBER)
		return psprintf("at least %d", function->least);
	if (function->most == function->least)
		return psprintf("%d", function->least);
	return psprintf("%d or %d", function->least, function->most);
}

/* Tells whether a literal can be what the function wants; arrays and objects are never literals. */
static bool
literal_fits(const JsonbValue *literal, char type)
{
	switch (type)
	{
		case 's':
			return literal->type == jbvString;
		case 'n':
			return literal->type == jbvNumeric;
		case 'b':
			return literal->type == jbvBool;
		case 'a':
		case 'o':
			return false;
		default:
			return true;
	}
}

static bool
check_literals(OwCallParser *parser, const OwExpression *call)
{
	const char *type = call->function->types;

	for (int i = 0; i < call->narguments && *type != '*'; i++, type++)
	{
		const OwExpression *argument = call->arguments[i];

		if (argument->kind == OW_EXPRESSION_LITERAL && !literal_fits(&argument->literal, *type))
			return give_up(parser, psprintf("argument %d of %s cannot be %s", i + 1, call->function->name,
											ow_json_type_phrase(&argument->literal))) != NULL;
	}
	return true;
}

/* Checks what can be told of the arguments before they have values. */
static bool
check_arguments(OwCallParser *parser, const OwExpression *call)
{
	const OwIntrinsic *function = call->function;

	if (call->narguments < function->least ||
		(function->most != OW_ANY_NUMBER && call->narguments > function->most))
		return give_up(parser, psprintf("%s takes %s arguments, not %d", function->name, expected_count(function),
										call->narguments)) != NULL;
	if (!check_literals(parser, call))
		return false;
	if (function->evaluate == ow_intrinsic_format && call->arguments[0]->escaped != NULL &&
		ow_format_count_holes(call->arguments[0]->escaped) != call->narguments - 1)
		return give_up(parser, psprintf("%s needs one argument for each {} of its template", function->name)) != NULL;
	return true;
}

static OwExpression *
parse_call(OwCallParser *parser)
{
	OwExpression *call = make_expression(OW_EXPRESSION_CALL);
	size_t		length = strspn(parser->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._");
	char	   *name = pnstrdup(parser->at, length);
	const char *nearest = NULL;

	parser->at += length;
	call->function = ow_intrinsic_find(name, &nearest);
	if (call->function == NULL)
		return give_up(parser, nearest ? psprintf("there is no function \"%s\"; did you mean \"%s\"?", name, nearest) :
					   psprintf("there is no function \"%s\"", name));
	if (++parser->depth > MAX_CALL_NESTING)
		return give_up(parser, psprintf("calls are nested more than %d levels deep", MAX_CALL_NESTING));
	if (!accept(parser, '('))
		return give_up(parser, "\"(\" is expected after the name of a function");
	if (!parse_arguments(parser, call) || !check_arguments(parser, call))
		return NULL;
	parser->depth--;
	return call;
}

/* ---- */

bool
ow_expression_is_call(const char *text)
{
	return strncmp(text, "States.", 7) == 0;
}

OwExpression *
ow_expression_compile(const char *text, const char **error)
{
	OwCallParser parser = {.at = text};
	OwExpression *expression;

	if (*text != '$' && !ow_expression_is_call(text))
	{
		*error = "a path begins with \"$\", a call of a function with \"States.\"";
		return NULL;
	}
	if (!ow_expression_is_call(text))
	{
		expression = make_expression(OW_EXPRESSION_PATH);
		expression->path = ow_path_compile(text, false, error);
		return expression->path != NULL ? expression : NULL;
	}
	expression = parse_call(&parser);
	skip_space(&parser);
	if (expression != NULL && *parser.at != '\0')
		expression = give_up(&parser, "there is more after the end of the call");
	*error = parser.error;
	return expression;
}
