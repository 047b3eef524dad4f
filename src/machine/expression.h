/*
 * expression.h
 *		What computes a value: a path, or a call of one of the language's intrinsic functions.
 *
 * "$.order.id", "$limit", "States.Format('{} of {}', $.n, $$.State.Name)".  Calls can stand wherever
 * the language allows them: the ".$" members of payload templates, ErrorPath and CausePath.  Compiled
 * once; see intrinsic_parse.c for the grammar.
 */
#ifndef OW_EXPRESSION_H
#define OW_EXPRESSION_H

#include "machine/path.h"

typedef struct OwExpression OwExpression;

/* NULL and *error set to a lower-case reason when the text is neither a path nor a call. */
extern OwExpression *ow_expression_compile(const char *text, const char **error);

/* A call, or a path that selects at most one value? */
extern bool ow_expression_is_reference(const OwExpression *expression);

/* Adds the names of the variables that the expression reads to names; each once. */
extern List *ow_expression_variables(List *names, const OwExpression *expression);

/* Tells whether the text is meant as a call, good or bad, rather than as a path. */
extern bool ow_expression_is_call(const char *text);

/*
 * True: *value is set (points into the scope's data, or freshly allocated).  False: failure is filled,
 * with States.Runtime when a path finds nothing and States.IntrinsicFailure when a function refuses its
 * arguments.
 */
extern bool ow_expression_evaluate(const OwExpression *expression, OwScope *scope, JsonbValue *value,
								   OwFailure *failure);

#endif							/* OW_EXPRESSION_H */
