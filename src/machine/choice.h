/*
 * choice.h
 *		Choice rules: And, Or, Not and every comparison operator of the Amazon States Language.
 */
#ifndef OW_CHOICE_H
#define OW_CHOICE_H

#include "machine/path.h"

typedef struct OwChoiceRule OwChoiceRule;
struct OwProblems;

/* Compile the condition of one rule (without its Next); problems are reported under where. */
extern OwChoiceRule *ow_choice_compile(const JsonbValue *source, const char *where, struct OwProblems *problems);

/* True with *matches set; false with failure filled (States.Runtime) when a Variable is missing. */
extern bool ow_choice_evaluate(const OwChoiceRule *rule, OwScope *scope, bool *matches, OwFailure *failure);

#endif							/* OW_CHOICE_H */
