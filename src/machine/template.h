/*
 * template.h
 *		Payload templates (Parameters, ResultSelector, Assign): JSON whose ".$" members are expressions.
 *
 * Parsed once at compile time.  A template without any dynamic member is kept as one constant.
 */
#ifndef OW_TEMPLATE_H
#define OW_TEMPLATE_H

#include "machine/expression.h"

typedef struct OwTemplate OwTemplate;
struct OwProblems;

/*
 * Compile the template; problems are reported under where (a JSON-pointer-like path such as
 * "States.Pay.Parameters").  Never returns NULL: a bad member compiles to null beside its problem.
 */
extern OwTemplate *ow_template_compile(const JsonbValue *source, const char *where, struct OwProblems *problems);

/* NULL and failure filled when an expression has no value; see ow_expression_evaluate. */
extern Jsonb *ow_template_evaluate(const OwTemplate *template, OwScope *scope, OwFailure *failure);

#endif							/* OW_TEMPLATE_H */
