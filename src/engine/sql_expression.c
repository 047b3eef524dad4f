/*
 * sql_expression.c
 *		Evaluates the SQL expressions of a template, and checks them when it is registered.
 *
 * All expressions of a template share one subtransaction, which can only read, has a time limit, and is
 * rolled back in any case: so settings go back, locks are released, and an error costs nothing more.
 * It never has a transaction id.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/activity.h"
#include "engine/guard.h"
#include "engine/session.h"
#include "engine/sql_expression.h"
#include "engine/sql_plan.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "settings.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/* ---- the subtransaction ---- */

typedef struct Attempt
{
	void		(*work) (void *arg);
	void	   *arg;
	int			limit_ms;		/* 0: none */
	bool		overran;
	ErrorData  *error;			/* in the caller's context; NULL: none */
} Attempt;

/* Functions of expressions can be anybody's, and call what they like. */
static bool in_attempt = false;

bool
ow_sql_is_evaluating(void)
{
	return in_attempt;
}

static void
arm(const Attempt *attempt)
{
	if (attempt->limit_ms > 0)
		ow_guard_arm(attempt->limit_ms);
}

static bool
disarm(const Attempt *attempt)
{
	return attempt->limit_ms > 0 && ow_guard_disarm();
}

static void
work_with_snapshot(const Attempt *attempt)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	attempt->work(attempt->arg);
	PopActiveSnapshot();
}

/* In somebody's session, a cancel that is not our own time limit is for somebody above. */
static void
rethrow_cancel(Attempt *attempt)
{
	if (!IsBackgroundWorker && attempt->error != NULL && attempt->error->sqlerrcode == ERRCODE_QUERY_CANCELED && !attempt->overran)
		ReThrowError(attempt->error);
}

/* Does the work in a subtransaction; false when an error ended it, or the time limit did. */
static bool
attempt_work(Attempt *attempt)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if (in_attempt)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a workflow's expression cannot evaluate those of another")));
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	XactReadOnly = true;		/* until the subtransaction ends */
	in_attempt = true;
	PG_TRY();
	{
		/* around it, errors would be put into the caller's context, and their position with them */
		error_context_stack = NULL;
		arm(attempt);
		work_with_snapshot(attempt);
		attempt->overran = disarm(attempt);
	}
	PG_CATCH();
	{
		attempt->overran = disarm(attempt);
		MemoryContextSwitchTo(context);
		attempt->error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	in_attempt = false;
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	rethrow_cancel(attempt);
	return attempt->error == NULL && !attempt->overran;
}

/* ---- evaluating ---- */

typedef struct Evaluation
{
	const OwSqlTemplate *template;
	const OwSqlScope *scope;
	int			current;		/* expression */
	bool		calls_out;
	Jsonb	  **values;
} Evaluation;

/* Plans are made when first needed, and stay with the template. */
static OwSqlPlan *
get_plan(const OwSqlTemplate *template, OwSqlExpression *expression)
{
	OwSqlPlan  *plan = expression->plan;

	if (plan == NULL)
	{
		plan = ow_sql_plan_make(expression->text, template->allowed);
		ow_sql_plan_keep(plan, GetMemoryChunkContext(template->expressions));
		expression->plan = plan;
	}
	return plan;
}

static void
evaluate_all(void *arg)
{
	Evaluation *evaluation = arg;
	const OwSqlTemplate *template = evaluation->template;
	ParamListInfo parameters = ow_sql_plan_parameters(evaluation->scope);

	for (int i = 0; i < template->nexpressions; i++)
	{
		OwSqlPlan  *plan;

		evaluation->current = i;
		plan = get_plan(template, &template->expressions[i]);
		evaluation->calls_out |= ow_sql_plan_calls_out(plan);
		evaluation->values[i] = ow_sql_plan_evaluate(plan, parameters);
	}
}

/* The time limit's flag decides, whatever came out of the attempt. */
static bool
fail(const Evaluation *evaluation, const Attempt *attempt, OwFailure *failure)
{
	const OwSqlExpression *expression = &evaluation->template->expressions[evaluation->current];
	const char *where = ow_where_subject(expression->where);

	if (attempt->overran)
		return ow_fail(failure, OW_ERROR_QUERY_EVALUATION,
					   "%s: it took longer than order_workflow.expression_timeout (%d ms)", where, attempt->limit_ms);
	(void) ow_fail(failure, OW_ERROR_QUERY_EVALUATION, "%s: %s", where, attempt->error->message);
	failure->details = ow_error_details(attempt->error);
	return false;
}

static void
check_session(const OwSqlTemplate *template, Oid owner)
{
	if (ow_session_is_of(owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the expressions of %s are evaluated only in a session of the workflow's owner",
					ow_where_subject(template->where)),
			 errdetail("Session user and current user must both be role \"%s\".", GetUserNameFromId(owner, true)),
			 errhint("Connect as that role.")));
}

bool
ow_sql_evaluate(const OwSqlTemplate *template, const OwSqlScope *scope, Oid owner, Jsonb **value,
				OwFailure *failure)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	Evaluation	evaluation = {.template = template, .scope = scope};
	Attempt		attempt = {.work = evaluate_all, .arg = &evaluation, .limit_ms = ow_expression_timeout_ms};
	bool		done;

	if (template->nexpressions == 0)
		return ow_sql_template_fill(template, NULL, value, failure);
	check_session(template, owner);
	context = AllocSetContextCreate(caller, "order_workflow expressions", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	evaluation.values = palloc0(template->nexpressions * sizeof(Jsonb *));
	done = attempt_work(&attempt);
	MemoryContextSwitchTo(caller);
	if (evaluation.calls_out)
		ow_session_clean();
	done = done ? ow_sql_template_fill(template, evaluation.values, value, failure) :
		fail(&evaluation, &attempt, failure);
	MemoryContextDelete(context);
	return done;
}

/* ---- checking ---- */

typedef struct Check
{
	const OwSqlTemplate *template;
	const OwSqlExpression *expression;
	bool		plan;
} Check;

static void
check_expression(void *arg)
{
	const Check *check = arg;
	OwSqlPlan  *plan = ow_sql_plan_make(check->expression->text, check->template->allowed);

	if (check->plan)
		ow_sql_plan_prepare(plan);
}

/* "input, vars and context" */
static char *
list_names(int allowed)
{
	return psprintf("input, vars%s%s and context", allowed & OW_SQL_RESULT ? ", result" : "",
					allowed & OW_SQL_ERROR_OUTPUT ? ", error_output" : "");
}

/* Is it an operator that was not found?  The error's code says only that something callable was not. */
static bool
is_about_operator(const ErrorData *error)
{
	return error->message_id != NULL && strncmp(error->message_id, "operator", strlen("operator")) == 0;
}

/* What to do about an error, where we know better than the parser; NULL: nothing */
static const char *
find_hint(const ErrorData *error, const char *expression, int allowed)
{
	switch (error->sqlerrcode)
	{
		case ERRCODE_SYNTAX_ERROR:
			if (expression[0] == '$')
				return "Paths are of JSONPath. In SQL, $.order is input->'order', $name is vars->'name', and $$.State is context->'State'.";
			break;
		case ERRCODE_UNDEFINED_COLUMN:
			if (error->hint == NULL)
				return psprintf("An expression here can use %s.", list_names(allowed));
			break;
		case ERRCODE_UNDEFINED_FUNCTION:
			if (is_about_operator(error))
				return "Variables are jsonb: take a text out with ->> and cast it, as in (input->>'amount')::numeric.";
			/* FALLTHROUGH */
		case ERRCODE_UNDEFINED_OBJECT:
		case ERRCODE_UNDEFINED_TABLE:
			return "Put its schema before the name of whatever is not PostgreSQL's own, in the bodies of SQL functions as well: the search path is pg_catalog.";
	}
	return error->hint;
}

static void
report(const Check *check, const ErrorData *error, OwProblems *problems)
{
	const OwSqlExpression *expression = check->expression;

	ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidExpression", expression->where,
				   find_hint(error, expression->text, check->template->allowed),
				   "%s is not a usable SQL expression: \"%s\": %s%s", ow_where_subject(expression->where),
				   expression->text, error->message,
				   error->cursorpos > 0 ? psprintf(" at character %d", error->cursorpos) : "");
}

void
ow_sql_check(const OwSqlTemplate *template, Oid owner, OwProblems *problems)
{
	MemoryContext caller = CurrentMemoryContext;
	Check		check = {.template = template, .plan = ow_session_is_of(owner)};

	for (int i = 0; i < template->nexpressions; i++)
	{
		MemoryContext context = AllocSetContextCreate(caller, "order_workflow expressions", ALLOCSET_DEFAULT_SIZES);
		Attempt		attempt = {.work = check_expression, .arg = &check};
		bool		done;

		check.expression = &template->expressions[i];
		MemoryContextSwitchTo(context);
		done = attempt_work(&attempt);
		MemoryContextSwitchTo(caller);
		if (!done)
			report(&check, attempt.error, problems);
		MemoryContextDelete(context);
	}
}
