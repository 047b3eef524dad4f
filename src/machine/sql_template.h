/*
 * sql_template.h
 *		Values of the SQL language: JSON whose strings may hold SQL expressions, "{% input->'order' %}".
 *
 * A string that is one expression stands for its value, of any type.  An expression among other text
 * is replaced by its value as text: a string as it is, anything else as JSON.  SQL NULL is null, but
 * has no text: that fails, since a missing part of an id or message should not go unnoticed.
 *
 * An expression ends at the first "%}" outside quotes.  "{%" itself is written {% '{%' %}; "%}" by
 * itself is ordinary text, and so are the names of members.
 *
 * The core only takes templates apart and puts values in: it is the engine that plans and evaluates
 * the expressions (engine/sql_expression.h), all those of a template at once.
 */
#ifndef OW_SQL_TEMPLATE_H
#define OW_SQL_TEMPLATE_H

#include "machine/failure.h"
#include "machine/problems.h"

/* What expressions of a template may name, and do */
#define OW_SQL_INPUT		(1 << 0)
#define OW_SQL_VARS			(1 << 1)
#define OW_SQL_RESULT		(1 << 2)
#define OW_SQL_ERROR_OUTPUT	(1 << 3)
#define OW_SQL_CONTEXT		(1 << 4)
#define OW_SQL_TABLES		(1 << 5)	/* read tables directly */

/* What every field has */
#define OW_SQL_COMMON		(OW_SQL_INPUT | OW_SQL_VARS | OW_SQL_CONTEXT)

/* The values of those names; NULL is SQL NULL, save that vars are never NULL, but {} */
typedef struct OwSqlScope
{
	const Jsonb *input;
	const Jsonb *vars;
	const Jsonb *result;
	const Jsonb *error_output;
	const Jsonb *context;
} OwSqlScope;

typedef struct OwSqlExpression
{
	char	   *text;			/* what stands between "{%" and "%}" */
	char	   *where;			/* "States.Pay.Arguments.amount" */
	void	   *plan;			/* the engine's; NULL until it is first evaluated */
} OwSqlExpression;

typedef struct OwSqlTemplate
{
	char	   *where;			/* of the field */
	int			allowed;		/* OW_SQL_… */
	int			nexpressions;	/* 0: a constant */
	bool		uses_context;	/* an expression may name the context object, and so it is made */
	char	   *context_member; /* but only this member of it; NULL: all */
	char	   *context_inner;	/* and only this member of that; NULL: all */
	OwSqlExpression *expressions;
	Jsonb	   *source;			/* as written; of a constant, its value */
	struct OwSqlString *strings;	/* those that hold expressions, as they come in source */
	int			nstrings;
} OwSqlTemplate;

/* Never returns NULL: what cannot be parsed is reported, and left as it is. */
extern OwSqlTemplate *ow_sql_template_compile(const JsonbValue *source, const char *where, int allowed,
											  OwProblems *problems);

/* Is the template one expression and nothing else? */
extern bool ow_sql_template_is_expression(const OwSqlTemplate *template);

/* The template with the values of its expressions, in their order; NULL is SQL NULL. */
extern bool ow_sql_template_fill(const OwSqlTemplate *template, Jsonb *const *values, Jsonb **result,
								 OwFailure *failure);

#endif							/* OW_SQL_TEMPLATE_H */
