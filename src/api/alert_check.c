/*
 * alert_check.c
 *		workflow.check_alerts: what the rules find, and what has become of it since.
 *
 * What the rules that come with the extension find is read from workflow.alert_conditions, as the caller.  An own rule is a
 * query of its owner: it is evaluated in a session of that very role only, read-only, in a subtransaction that is rolled back, and outside
 * any store section.  So it can do nothing that the role could not, and leaves nothing behind.
 */
#include "postgres.h"

#include "access/xact.h"
#include "api/alert.h"
#include "api/api.h"
#include "commands/async.h"
#include "engine/clock.h"
#include "engine/session.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_check_alerts);

#define CHANNEL "order_workflow_alerts"
#define MOST_SUBJECTS 1000
#define STRINGIFY(x) #x
#define LIMIT(x) STRINGIFY(x)

/* What the current user finds, with an array of objects as its one row */
static const char conditions_query[] =
"SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(c)) FROM workflow.alert_conditions c";

static const char own_query[] =
"SELECT pg_catalog.jsonb_agg(x.o) FROM (SELECT pg_catalog.jsonb_build_object("
"'subject', pg_catalog.left(q.subject::pg_catalog.text, 500),"
" 'since', (pg_catalog.to_jsonb(q) OPERATOR(pg_catalog.->>) 'since')::pg_catalog.timestamptz,"
" 'message', pg_catalog.to_jsonb(q) OPERATOR(pg_catalog.->>) 'message',"
" 'facts', pg_catalog.to_jsonb(q) OPERATOR(pg_catalog.-) '{subject,since,message}'::pg_catalog.text[]) AS o"
" FROM (%s\n) q WHERE q.subject IS NOT NULL LIMIT " LIMIT(MOST_SUBJECTS) " + 1) x";

/* One row's one value, in the context; NULL when it is null.  A cursor is of one statement only. */
static Jsonb *
query_value(const char *sql, MemoryContext context)
{
	Portal		portal;
	Jsonb	   *value = NULL;
	bool		isnull;
	Datum		datum;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	portal = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, false, 0);
	SPI_cursor_fetch(portal, true, 1);
	if (SPI_processed > 0)
	{
		datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		if (!isnull)
		{
			MemoryContext previous = MemoryContextSwitchTo(context);

			value = ow_json_copy(DatumGetJsonbP(datum));
			MemoryContextSwitchTo(previous);
		}
	}
	SPI_cursor_close(portal);
	SPI_finish();
	return value;
}

/* Shows an error in the query as one there, and not in ours around it */
static void
query_error(void *query)
{
	int			before = strstr(own_query, "%s") - own_query;
	int			position = getinternalerrposition();
	bool		within = position > before && position <= before + pg_mbstrlen(query);

	if (position > 0)
	{
		internalerrposition(within ? position - before : 0);
		internalerrquery(within ? query : NULL);
	}
	if (position > 0 && (!within || geterrcode() == ERRCODE_SYNTAX_ERROR))
		errhint("The query is one SELECT without a semicolon, which gives a column \"subject\"; \"since\" is a time, if it gives that.");
	errcontext("query of an alert rule: %s", (const char *) query);
}

void
ow_alert_query_check(const char *query)
{
	ErrorContextCallback context = {.callback = query_error, .arg = (void *) query, .previous = error_context_stack};
	SPIPlanPtr	plan;

	error_context_stack = &context;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare(psprintf(own_query, query), 0, NULL);
	if (plan == NULL || !SPI_is_cursor_plan(plan))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query of an alert rule must be one SELECT")));
	SPI_finish();
	error_context_stack = context.previous;
}

/* ---- own rules ---- */

static Jsonb *
evaluate(const char *query, MemoryContext context)
{
	Jsonb	   *found;
	JsonbValue	array;

	PushActiveSnapshot(GetTransactionSnapshot());
	found = query_value(psprintf(own_query, query), context);
	PopActiveSnapshot();
	if (found == NULL)
		return NULL;
	ow_json_as_value(found, &array);
	if (ow_json_value_count(&array) > MOST_SUBJECTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the rule finds more than %d subjects", MOST_SUBJECTS)));
	return found;
}

/* What the query finds; false when it raised the error.  What else it did is rolled back. */
static bool
evaluate_apart(const char *query, Jsonb **found, ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	*error = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	XactReadOnly = true;		/* until the subtransaction ends */
	PG_TRY();
	{
		*found = evaluate(query, context);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		*error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (*error != NULL && (*error)->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(*error);
	return *error == NULL;
}

/* The elements of an array, NULL: none */
static List *
list_of(const Jsonb *array)
{
	List	   *list = NIL;
	JsonbValue	value;
	JsonbValue *elements;
	int			count = 0;

	if (array == NULL)
		return NIL;
	ow_json_as_value(array, &value);
	elements = ow_json_elements(&value, &count);
	for (int i = 0; i < count; i++)
		list = lappend(list, ow_json_from_value(&elements[i]));
	return list;
}

/* As regrole reads it, whatever the role's name has in it */
static char *
owner_of(const OwAlertRule *rule)
{
	return psprintf("%u", rule->owner);
}

static List *
add_own(List *found, const OwAlertRule *rule, const Jsonb *rows)
{
	Jsonb	   *owner = ow_json_text(owner_of(rule));
	Jsonb	   *name = ow_json_text(rule->name);
	ListCell   *cell;

	foreach(cell, list_of(rows))
		found = lappend(found, ow_json_with_member(ow_json_with_member(lfirst(cell), "rule", name), "owner", owner));
	return found;
}

static Jsonb *
failed(const OwAlertRule *rule, const ErrorData *error)
{
	OwObject	facts;
	OwObject	object;

	ow_object_begin(&facts);
	ow_object_add_text(&facts, "sqlstate", unpack_sql_state(error->sqlerrcode));
	ow_object_begin(&object);
	ow_object_add_text(&object, "rule", "RuleFailed");
	ow_object_add_text(&object, "owner", owner_of(rule));
	ow_object_add_text(&object, "subject", rule->name);
	ow_object_add_text(&object, "message", psprintf("alert rule \"%s\" raises an error: %s", rule->name, error->message));
	ow_object_add(&object, "facts", ow_object_end(&facts));
	ow_object_add_text(&object, "hint", "Its alerts stay as they are until it works again.");
	return ow_object_end(&object);
}

/* Of the rules of the caller; those that it has not made are checked by whoever has. */
static List *
check_own_rules(OwAlertCheck *check, List *found)
{
	OwAlertRule *rules;
	int			count;

	if (!ow_session_is_of(check->caller))
		return found;
	count = ow_alert_rules_of(check->caller, &rules);
	check->checked = palloc(sizeof(char *) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		Jsonb	   *rows = NULL;
		ErrorData  *error;

		if (rules[i].enabled && !evaluate_apart(rules[i].query, &rows, &error))
		{
			found = lappend(found, failed(&rules[i], error));
			continue;
		}
		check->checked[check->nchecked++] = rules[i].name;
		found = add_own(found, &rules[i], rows);
	}
	return found;
}

/* ---- all rules ---- */

static void
check_rules(OwAlertCheck *check)
{
	List	   *found = list_of(query_value(conditions_query, CurrentMemoryContext));

	check->found = ow_json_array(check_own_rules(check, found));
}

static void
notify(const char *event, const OwAlertChange *changes, int count)
{
	for (int i = 0; i < count; i++)
	{
		OwObject	object;

		ow_object_begin(&object);
		ow_object_add_text(&object, "event", event);
		ow_object_add_text(&object, "alert_id", ow_api_uuid_text(&changes[i].alert_id));
		ow_object_add_text(&object, "rule", changes[i].rule);
		ow_object_add_text(&object, "severity", changes[i].severity);
		Async_Notify(CHANNEL, ow_json_to_cstring(ow_object_end(&object)));
	}
}

/* check_alerts(notify boolean, keep interval, OUT opened int, OUT still_open int, OUT resolved int) */
Datum
ow_check_alerts(PG_FUNCTION_ARGS)
{
	OwAlertCheck check = {.caller = GetUserId(), .began_at = GetCurrentTimestamp()};
	TupleDesc	descriptor;
	Datum		values[3];
	bool		nulls[3] = {0};

	PreventCommandIfReadOnly("workflow.check_alerts()");
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	check_rules(&check);
	ow_alert_note(&check);
	if (!PG_ARGISNULL(1))
		ow_alert_expire(check.caller, PG_GETARG_DATUM(1));
	if (!PG_ARGISNULL(0) && PG_GETARG_BOOL(0))
	{
		notify("Opened", check.opened, check.nopened);
		notify("Resolved", check.resolved, check.nresolved);
	}
	values[0] = Int32GetDatum(check.nopened);
	values[1] = Int32GetDatum(check.nstill_open);
	values[2] = Int32GetDatum(check.nresolved);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
