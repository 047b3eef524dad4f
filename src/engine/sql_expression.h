/*
 * sql_expression.h
 *		Checking and evaluating the SQL expressions of templates (machine/sql_template.h).
 *
 * An expression is one scalar SQL expression over input, vars, result, error_output and context, all
 * jsonb.  They are parameters: no data ever becomes SQL.  It is parsed and planned with nothing but
 * pg_catalog in the search path, once per backend, and the plan is kept for as long as the memory of its
 * template.  It runs in a session of the workflow's owner, reads only, and its subtransaction is rolled
 * back whatever it did.
 */
#ifndef OW_SQL_EXPRESSION_H
#define OW_SQL_EXPRESSION_H

#include "machine/sql_template.h"

/*
 * The template's value, allocated in the current memory context.  False: the failure is
 * States.QueryEvaluationError, with where it happened and the message as its cause.  Raises an error in
 * a session that is not the owner's, and when somebody cancels the query.
 */
extern bool ow_sql_evaluate(const OwSqlTemplate *template, const OwSqlScope *scope, Oid owner,
							Jsonb **value, OwFailure *failure);

/* Is an expression being evaluated, or checked, in this backend? */
extern bool ow_sql_is_evaluating(void);

/*
 * Reports what is wrong with the template's expressions.  Planning can call functions (immutable ones),
 * so they are planned only in a session of the workflow's owner; else they are parsed and examined.
 */
extern void ow_sql_check(const OwSqlTemplate *template, Oid owner, OwProblems *problems);

#endif							/* OW_SQL_EXPRESSION_H */
