/*
 * sql_plan.c
 *		Parses, examines, plans and evaluates one SQL expression.
 *
 * As in PL/pgSQL, the expression is parsed as what follows SELECT, its variables become parameters by
 * a parser hook, the plan cache keeps its plan (and notices when a function in it is replaced), and one
 * without sub-selects is evaluated without the executor:
 *
 *		simple:		the state of the expression is made once in a transaction, and holds the plan
 *		else:		an executor run each time
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "engine/activity_internal.h"
#include "engine/sql_plan.h"
#include "executor/executor.h"
#include "machine/json.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_node.h"
#include "parser/parser.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"

/* Also the numbers of the parameters, from 1 */
static const struct
{
	const char *name;
	int			bit;
}			variables[] = {
	{"input", OW_SQL_INPUT},
	{"vars", OW_SQL_VARS},
	{"result", OW_SQL_RESULT},
	{"error_output", OW_SQL_ERROR_OUTPUT},
	{"context", OW_SQL_CONTEXT}
};

struct OwSqlPlan
{
	MemoryContext context;		/* of the plan */
	MemoryContextCallback at_deletion;
	int			allowed;		/* OW_SQL_… */
	CachedPlanSource *source;
	bool		calls_out;

	/* as of this generation of the plan */
	int			generation;
	MemoryContext generation_context;
	Oid			type;
	FmgrInfo	to_jsonb;

	/* simple: as of this transaction */
	LocalTransactionId lxid;
	CachedPlan *held;			/* NULL: none */
	MemoryContext state_context;
	ExprState  *state;
};

/* ---- names ---- */

static int
find_variable(const char *name)
{
	for (int i = 0; i < (int) lengthof(variables); i++)
	{
		if (strcmp(variables[i].name, name) == 0)
			return i;
	}
	return -1;
}

static Node *
make_parameter(int variable, int location)
{
	Param	   *param = makeNode(Param);

	param->paramkind = PARAM_EXTERN;
	param->paramid = variable + 1;
	param->paramtype = JSONBOID;
	param->paramtypmod = -1;
	param->paramcollid = InvalidOid;
	param->location = location;
	return (Node *) param;
}

/* The parser calls this for each name of a column, after it has looked for one. */
static Node *
resolve_name(ParseState *pstate, ColumnRef *reference, Node *column)
{
	const OwSqlPlan *plan = pstate->p_ref_hook_state;
	Node	   *first = linitial(reference->fields);
	int			variable = IsA(first, String) ? find_variable(strVal(first)) : -1;
	const char *name;

	if (variable < 0)
		return NULL;
	name = variables[variable].name;
	if (list_length(reference->fields) > 1)
	{
		Node	   *second = lsecond(reference->fields);

		if (column == NULL && IsA(second, String))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("\"%s\" is jsonb and has no columns", name),
					 errhint("Write %s->'%s', or %s->>'%s' to have text.",
							 name, strVal(second), name, strVal(second)),
					 parser_errposition(pstate, reference->location)));
		return NULL;
	}
	if (column != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_COLUMN),
				 errmsg("\"%s\" could be the variable or a column", name),
				 errhint("Put the table's name before that of the column, or give the column another name to have the variable."),
				 parser_errposition(pstate, reference->location)));
	if ((plan->allowed & variables[variable].bit) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("there is no \"%s\" in this field", name),
				 parser_errposition(pstate, reference->location)));
	return make_parameter(variable, reference->location);
}

static void
set_up_parser(ParseState *pstate, void *arg)
{
	pstate->p_post_columnref_hook = resolve_name;
	pstate->p_ref_hook_state = arg;
}

/*
 * An error in between needs no cleaning up here: the abort of the subtransaction restores the path.
 */
static void
pin_search_path(void)
{
	OverrideSearchPath path = {.schemas = NIL, .addCatalog = true, .addTemp = false};

	PushOverrideSearchPath(&path);
}

/* ---- examining ---- */

/* Refuses what the grammar takes after SELECT, but is more than an expression. */
static void
check_syntax(const SelectStmt *select)
{
	const ResTarget *target;

	if (select->targetList == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the expression is empty")));
	target = linitial_node(ResTarget, select->targetList);
	if (list_length(select->targetList) > 1 || target->name != NULL || target->indirection != NIL ||
		select->distinctClause != NIL || select->fromClause != NIL || select->whereClause != NULL ||
		select->groupClause != NIL || select->havingClause != NULL || select->windowClause != NIL ||
		select->sortClause != NIL || select->limitOffset != NULL || select->limitCount != NULL ||
		select->lockingClause != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("it must be one expression"),
				 errhint("Put a query in parentheses: (SELECT … FROM …).")));
}

typedef struct Inspection
{
	bool		calls_out;
	bool		locks_rows;
	Oid			volatile_function;
	Oid			table;
} Inspection;

static bool
inspect_function(Oid function, void *arg)
{
	Inspection *inspection = arg;

	if (function >= FirstNormalObjectId)
		inspection->calls_out = true;
	if (func_volatile(function) == PROVOLATILE_VOLATILE)
		inspection->volatile_function = function;
	return false;
}

static void
inspect_query(const Query *query, Inspection *inspection)
{
	ListCell   *cell;

	if (query->rowMarks != NIL)
		inspection->locks_rows = true;
	foreach(cell, query->rtable)
	{
		const RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_RELATION)
		{
			inspection->calls_out = true;	/* of policies and views */
			inspection->table = entry->relid;
		}
	}
}

static bool
inspect(Node *node, Inspection *inspection)
{
	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, inspect_function, inspection);
	if (IsA(node, CoerceToDomain))
		inspection->calls_out = true;	/* its constraints */
	if (!IsA(node, Query))
		return expression_tree_walker(node, inspect, inspection);
	inspect_query((Query *) node, inspection);
	return query_tree_walker((Query *) node, inspect, inspection, 0);
}

static void
refuse_table(Oid table)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("it reads table %s",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), get_rel_name(table))),
			 errhint("Read it in a STABLE function, or allow it with \"TablesInExpressions\": true at the top of the definition.")));
}

static void
refuse_volatile(Oid function)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("function %s is volatile", format_procedure(function)),
			 function >= FirstNormalObjectId ?
			 errhint("If it changes nothing and gives the same result throughout a query, declare it STABLE. Else call it in an activity.") :
			 errhint("Call it in an activity.")));
}

static void
check_shape(const Query *query)
{
	const char *what = query->hasAggs ? "an aggregate function" :
		query->hasWindowFuncs ? "a window function" :
		query->hasTargetSRFs ? "a function that returns a set" : NULL;

	if (list_length(query->targetList) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("it must be one expression")));
	if (what != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is not allowed outside a query", what),
				 errhint("Put a query in parentheses: (SELECT … FROM …).")));
}

static void
check_type(Oid type)
{
	if (get_typtype(type) == TYPTYPE_PSEUDO && type != RECORDOID && type != RECORDARRAYOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("its type is %s, which is not that of a value", format_type_be(type))));
}

/*
 * Refuses what can write, or comes out differently when evaluated again.  Returns whether any code but
 * PostgreSQL's own can run.
 */
static bool
examine(Query *query, int allowed)
{
	Inspection	inspection = {0};

	check_shape(query);
	check_type(exprType((Node *) linitial_node(TargetEntry, query->targetList)->expr));
	(void) inspect((Node *) query, &inspection);
	if (OidIsValid(inspection.volatile_function))
		refuse_volatile(inspection.volatile_function);
	if (OidIsValid(inspection.table) && (allowed & OW_SQL_TABLES) == 0)
		refuse_table(inspection.table);
	if (inspection.locks_rows)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("it locks rows")));
	return inspection.calls_out;
}

/* ---- making ---- */

static void
let_go(OwSqlPlan *plan)
{
	plan->lxid = InvalidLocalTransactionId;
	plan->state = NULL;
	if (plan->held != NULL)
		ReleaseCachedPlan(plan->held, NULL);
	plan->held = NULL;
}

static void
drop(void *arg)
{
	OwSqlPlan  *plan = arg;

	let_go(plan);
	DropCachedPlan(plan->source);
}

static OwSqlPlan *
allocate(int allowed)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "order_workflow expression",
												  ALLOCSET_SMALL_SIZES);
	OwSqlPlan  *plan = MemoryContextAllocZero(context, sizeof(OwSqlPlan));

	plan->allowed = allowed;
	plan->context = context;
	plan->generation_context = AllocSetContextCreate(context, "order_workflow expression generation",
													 ALLOCSET_SMALL_SIZES);
	plan->state_context = AllocSetContextCreate(context, "order_workflow expression state",
												ALLOCSET_SMALL_SIZES);
	return plan;
}

OwSqlPlan *
ow_sql_plan_make(const char *text, int allowed)
{
	OwSqlPlan  *plan = allocate(allowed);
	RawStmt    *raw = linitial_node(RawStmt, raw_parser(text, RAW_PARSE_PLPGSQL_EXPR));
	CachedPlanSource *source;
	List	   *queries;

	check_syntax(castNode(SelectStmt, raw->stmt));
	pin_search_path();
	source = CreateCachedPlan(raw, text, CMDTAG_SELECT);
	queries = pg_analyze_and_rewrite_withcb(raw, text, set_up_parser, plan, NULL);
	plan->calls_out = examine(linitial_node(Query, queries), allowed);
	CompleteCachedPlan(source, queries, NULL, NULL, 0, set_up_parser, plan, CURSOR_OPT_GENERIC_PLAN, false);
	PopOverrideSearchPath();
	SaveCachedPlan(source);
	plan->source = source;
	plan->at_deletion.func = drop;
	plan->at_deletion.arg = plan;
	MemoryContextRegisterResetCallback(plan->context, &plan->at_deletion);
	return plan;
}

void
ow_sql_plan_keep(OwSqlPlan *plan, MemoryContext context)
{
	MemoryContextSetParent(plan->context, context);
}

/* ---- preparing ---- */

/* The expression, when all that the plan does is to compute it; else NULL. */
static Expr *
simple_expression(const CachedPlan *cached)
{
	const PlannedStmt *statement = linitial_node(PlannedStmt, cached->stmt_list);
	const Plan *tree = statement->planTree;

	if (!IsA(tree, Result) || tree->lefttree != NULL || tree->righttree != NULL || tree->initPlan != NIL ||
		tree->qual != NIL || ((const Result *) tree)->resconstantqual != NULL || statement->subplans != NIL)
		return NULL;
	return linitial_node(TargetEntry, tree->targetlist)->expr;
}

/* Takes in a new plan: the expression may have been parsed again, and mean something else. */
static void
begin_generation(OwSqlPlan *plan, const CachedPlan *cached)
{
	MemoryContext previous;

	plan->generation = 0;
	MemoryContextReset(plan->generation_context);
	MemoryContextReset(plan->state_context);
	plan->calls_out = examine(linitial_node(Query, plan->source->query_list), plan->allowed);
	plan->type = TupleDescAttr(plan->source->resultDesc, 0)->atttypid;
	previous = MemoryContextSwitchTo(plan->generation_context);
	if (plan->type != JSONBOID)
		ow_look_up_to_jsonb(&plan->to_jsonb, plan->type);
	MemoryContextSwitchTo(previous);
	plan->generation = cached->generation;
}

/* Makes the state of a simple expression, for this transaction. */
static void
begin_state(OwSqlPlan *plan)
{
	MemoryContext previous;

	MemoryContextReset(plan->state_context);
	previous = MemoryContextSwitchTo(plan->state_context);
	plan->state = ExecInitExpr(simple_expression(plan->held), NULL);
	MemoryContextSwitchTo(previous);
	plan->lxid = MyProc->lxid;
}

static bool
is_ready(const OwSqlPlan *plan)
{
	return plan->held != NULL && plan->lxid == MyProc->lxid && plan->source->is_valid &&
		plan->source->gplan == plan->held && plan->held->is_valid;
}

/*
 * Returns the plan of an expression that is not simple, to be released by the caller's resource owner;
 * NULL when it is simple, and ready.
 */
static CachedPlan *
get_plan(OwSqlPlan *plan)
{
	CachedPlan *cached;
	bool		simple;

	if (is_ready(plan))
		return NULL;
	let_go(plan);
	pin_search_path();
	cached = GetCachedPlan(plan->source, NULL, CurrentResourceOwner, NULL);
	if (cached->generation != plan->generation)
		begin_generation(plan, cached);
	simple = simple_expression(cached) != NULL &&
		CachedPlanAllowsSimpleValidityCheck(plan->source, cached, NULL);
	if (simple)
	{
		/* held by the expression itself, whatever becomes of the subtransaction */
		plan->held = GetCachedPlan(plan->source, NULL, NULL, NULL);
		ReleaseCachedPlan(cached, CurrentResourceOwner);
	}
	PopOverrideSearchPath();
	if (!simple)
		return cached;
	begin_state(plan);
	return NULL;
}

void
ow_sql_plan_prepare(OwSqlPlan *plan)
{
	CachedPlan *cached = get_plan(plan);

	if (cached != NULL)
		ReleaseCachedPlan(cached, CurrentResourceOwner);
}

bool
ow_sql_plan_calls_out(const OwSqlPlan *plan)
{
	return plan->calls_out;
}

/* ---- evaluating ---- */

static void
set_parameter(ParamListInfo parameters, int number, const Jsonb *value)
{
	parameters->params[number] = (ParamExternData) {
		.value = value ? JsonbPGetDatum(value) : (Datum) 0,
		.isnull = value == NULL,
		.ptype = JSONBOID
	};
}

ParamListInfo
ow_sql_plan_parameters(const OwSqlScope *scope)
{
	ParamListInfo parameters = makeParamList(lengthof(variables));

	set_parameter(parameters, 0, scope->input);
	set_parameter(parameters, 1, scope->vars ? scope->vars : ow_json_empty_object());
	set_parameter(parameters, 2, scope->result);
	set_parameter(parameters, 3, scope->error_output);
	set_parameter(parameters, 4, scope->context);
	return parameters;
}

/* Converts a value in the current context, as a copy that does not depend on any other. */
static Jsonb *
convert(OwSqlPlan *plan, Datum value, bool isnull)
{
	if (isnull)
		return NULL;
	if (plan->type != JSONBOID)
		return DatumGetJsonbP(FunctionCall1(&plan->to_jsonb, value));
	return DatumGetJsonbPCopy(value);
}

static Jsonb *
evaluate_simple(OwSqlPlan *plan, ParamListInfo parameters)
{
	ExprContext *econtext = CreateStandaloneExprContext();
	bool		isnull;
	Datum		value;
	Jsonb	   *result;

	econtext->ecxt_param_list_info = parameters;
	plan->lxid = InvalidLocalTransactionId; /* an error leaves a state that is of no use */
	value = ExecEvalExprSwitchContext(plan->state, econtext, &isnull);
	plan->lxid = MyProc->lxid;
	result = convert(plan, value, isnull);
	FreeExprContext(econtext, true);
	return result;
}

typedef struct Receiver
{
	DestReceiver public;		/* first */
	OwSqlPlan  *plan;
	MemoryContext context;
	Jsonb	   *result;
} Receiver;

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver   *receiver = (Receiver *) self;
	MemoryContext previous = MemoryContextSwitchTo(receiver->context);
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	receiver->result = convert(receiver->plan, value, isnull);
	MemoryContextSwitchTo(previous);
	return true;
}

static void
start_receiving(DestReceiver *self, int operation, TupleDesc descriptor)
{
}

static void
stop_receiving(DestReceiver *self)
{
}

/* A query without FROM or WHERE has one row. */
static Jsonb *
run_query(OwSqlPlan *plan, CachedPlan *cached, ParamListInfo parameters)
{
	Receiver	receiver = {
		.public = {
			.receiveSlot = receive, .rStartup = start_receiving, .rShutdown = stop_receiving,
			.rDestroy = stop_receiving, .mydest = DestNone
		},
		.plan = plan,
		.context = CurrentMemoryContext
	};
	QueryDesc  *query = CreateQueryDesc(linitial_node(PlannedStmt, cached->stmt_list), plan->source->query_string,
										GetActiveSnapshot(), InvalidSnapshot, &receiver.public, parameters, NULL, 0);

	ExecutorStart(query, 0);
	ExecutorRun(query, ForwardScanDirection, 0, true);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	return receiver.result;
}

Jsonb *
ow_sql_plan_evaluate(OwSqlPlan *plan, ParamListInfo parameters)
{
	CachedPlan *cached = get_plan(plan);
	Jsonb	   *result;

	if (cached == NULL)
		return evaluate_simple(plan, parameters);
	result = run_query(plan, cached, parameters);
	ReleaseCachedPlan(cached, CurrentResourceOwner);
	return result;
}
