/*
 * sql_plan.h
 *		The plan of one SQL expression, and its value.
 *
 * Private to sql_expression.c, which sets up the subtransaction that all of this runs in.
 */
#ifndef OW_SQL_PLAN_H
#define OW_SQL_PLAN_H

#include "machine/sql_template.h"
#include "nodes/params.h"

typedef struct OwSqlPlan OwSqlPlan;

/*
 * Parses and examines the expression.  The plan lives in a child of the current memory context, or of
 * the one it is moved to, and what the plan cache has of it goes with that.  Raises, with the position
 * in the expression where it can.
 */
extern OwSqlPlan *ow_sql_plan_make(const char *text, int allowed);
extern void ow_sql_plan_keep(OwSqlPlan *plan, MemoryContext context);

/* Plans it, unless that is done and still valid. */
extern void ow_sql_plan_prepare(OwSqlPlan *plan);

/* The values of a scope as the parameters of expressions */
extern ParamListInfo ow_sql_plan_parameters(const OwSqlScope *scope);

/* Evaluates it with a snapshot pushed; NULL is SQL NULL. Allocates in the current memory context. */
extern Jsonb *ow_sql_plan_evaluate(OwSqlPlan *plan, ParamListInfo parameters);

/* Does it run anybody's code but PostgreSQL's own? */
extern bool ow_sql_plan_calls_out(const OwSqlPlan *plan);

#endif							/* OW_SQL_PLAN_H */
