/*
 * activity.c
 *		Calling a SQL activity's function: arguments from the input, the result as jsonb.
 *
 * chain.c calls this in the activity's subtransaction, with a snapshot, as the run's owner.  What
 * is wrong with the input is raised with an SQLSTATE of its own, which activity_failure.c turns
 * into OW.InvalidInput.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type.h"
#include "engine/activity.h"
#include "engine/activity_internal.h"
#include "engine/clock.h"
#include "engine/payload.h"
#include "errors.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "machine/traceparent.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

/* Columns of workflow.activity_context */
enum
{
	CONTEXT_WORKFLOW_ID,
	CONTEXT_RUN_ID,
	CONTEXT_WORKFLOW,
	CONTEXT_VERSION,
	CONTEXT_ACTIVITY,
	CONTEXT_STATE,
	CONTEXT_ATTEMPT,
	CONTEXT_SCHEDULED_AT,
	CONTEXT_DEADLINE,
	CONTEXT_IDEMPOTENCY_KEY,
	CONTEXT_LAST_FAILURE,
	CONTEXT_COMPENSATES,
	CONTEXT_TRACEPARENT,
	CONTEXT_COLUMNS
};

/* The activity that runs in this backend */
static struct
{
	const OwActivityCall *call;
	const OwRun *run;
	TimestampTz deadline;		/* DT_NOEND: none */
}			running;

/* The activity that ran last sent its own run a message */
static bool sent_to_itself;

/* What is entered next is the same call, which a test has looked at before */
static bool same_call;

/* ---- the activity's context ---- */

const OwActivityCall *
ow_activity_current(const OwRun **run)
{
	if (run != NULL)
		*run = running.run;
	return running.call;
}

void
ow_activity_reset(void)
{
	running.call = NULL;
	running.run = NULL;
}

void
ow_activity_suspend(void)
{
	ow_activity_reset();
	same_call = true;
}

void
ow_activity_note_message(const pg_uuid_t *run_id)
{
	if (running.run != NULL && memcmp(&running.run->run_id, run_id, UUID_LEN) == 0)
		sent_to_itself = true;
}

bool
ow_activity_sent_to_itself(void)
{
	return sent_to_itself;
}

void
ow_activity_enter(const OwActivityCall *call, const OwRun *run)
{
	if (!same_call)
		sent_to_itself = false;
	same_call = false;
	running.call = call;
	running.run = run;
	running.deadline = call->close_by;
	if (call->start_to_close_ms != OW_UNSET)
	{
		TimestampTz end = ow_instant_add_ms(ow_clock_now(), call->start_to_close_ms);

		running.deadline = Min(running.deadline, end);
	}
}

Datum
ow_activity_context(void)
{
	const OwActivityCall *call = running.call;
	const OwRun *run = running.run;
	Datum		values[CONTEXT_COLUMNS] = {0};
	bool		nulls[CONTEXT_COLUMNS] = {0};
	TupleDesc	descriptor;
	HeapTuple	tuple;

	if (call == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_NO_CURRENT_ACTIVITY),
				 errmsg("no activity is running in this session"),
				 errhint("A function that is also called by hand can take a workflow.activity_context as an argument instead.")));
	values[CONTEXT_WORKFLOW_ID] = CStringGetTextDatum(run->workflow_id);
	values[CONTEXT_RUN_ID] = UUIDPGetDatum(&run->run_id);
	values[CONTEXT_WORKFLOW] = CStringGetTextDatum(run->workflow);
	values[CONTEXT_VERSION] = Int32GetDatum(run->version);
	values[CONTEXT_ACTIVITY] = CStringGetTextDatum(call->activity->name);
	values[CONTEXT_STATE] = CStringGetTextDatum(call->state);
	values[CONTEXT_ATTEMPT] = Int32GetDatum(call->attempt);
	values[CONTEXT_SCHEDULED_AT] = TimestampTzGetDatum(call->scheduled_at);
	values[CONTEXT_DEADLINE] = TimestampTzGetDatum(running.deadline);
	nulls[CONTEXT_DEADLINE] = running.deadline == DT_NOEND;
	values[CONTEXT_IDEMPOTENCY_KEY] = CStringGetTextDatum(call->idempotency_key);
	values[CONTEXT_LAST_FAILURE] = JsonbPGetDatum(call->last_failure);
	nulls[CONTEXT_LAST_FAILURE] = call->last_failure == NULL;
	values[CONTEXT_COMPENSATES] = JsonbPGetDatum(call->compensates);
	nulls[CONTEXT_COMPENSATES] = call->compensates == NULL;
	values[CONTEXT_TRACEPARENT] = CStringGetTextDatum(ow_traceparent_of_attempt(run->traceparent, &run->run_id,
																				call->idempotency_key, call->attempt));

	descriptor = lookup_rowtype_tupdesc(ow_activity_context_type(), -1);
	if (descriptor->natts != CONTEXT_COLUMNS)
		elog(ERROR, "type workflow.activity_context has %d columns instead of %d",
			 descriptor->natts, CONTEXT_COLUMNS);
	tuple = heap_form_tuple(descriptor, values, nulls);
	ReleaseTupleDesc(descriptor);
	return HeapTupleGetDatum(tuple);
}

/* ---- checking the input ---- */

static void
report_not_object(const char *activity, const Jsonb *input)
{
	JsonbValue	value;

	ow_json_as_value(input, &value);
	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_INPUT),
			 errmsg("input of activity \"%s\" is not an object but of type %s",
					activity, ow_json_type_name(&value)),
			 errhint("Its function takes the members of an object as arguments: choose them with Parameters.")));
}

static void
report_unknown_key(const char *activity, const char *key, const char *const *names, int count)
{
	const char *nearest = ow_nearest_name(key, names, count);

	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_INPUT),
			 errmsg("input of activity \"%s\" has the unknown key \"%s\"", activity, key),
			 nearest ? errhint("Perhaps you meant \"%s\".", nearest) :
			 errhint("Its function has no argument or column of that name: choose what it gets with Parameters.")));
}

static void
report_missing_key(const char *activity, const char *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_INPUT),
			 errmsg("input of activity \"%s\" lacks the key \"%s\"", activity, key),
			 errhint("Its function has an argument of that name without a default.")));
}

static void
require_object(const char *activity, const Jsonb *input)
{
	if (!JB_ROOT_IS_OBJECT((Jsonb *) input))
		report_not_object(activity, input);
}

/* Refuses members that nothing would take. */
static void
check_keys(const char *activity, const Jsonb *input, const char *const *names, int count)
{
	JsonbValue	object;
	JsonbValue	value;
	OwJsonMembers members;
	char	   *key;

	ow_json_as_value(input, &object);
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &key, &value))
	{
		int			i = 0;

		while (i < count && strcmp(names[i], key) != 0)
			i++;
		if (i == count)
			report_unknown_key(activity, key, names, count);
	}
}

static void
check_composite(const char *activity, const Jsonb *input, Oid type)
{
	TupleDesc	descriptor = lookup_rowtype_tupdesc_domain(type, -1, false);
	const char **names = palloc(sizeof(char *) * Max(descriptor->natts, 1));
	int			count = 0;

	for (int i = 0; i < descriptor->natts; i++)
	{
		if (!TupleDescAttr(descriptor, i)->attisdropped)
			names[count++] = pstrdup(NameStr(TupleDescAttr(descriptor, i)->attname));
	}
	ReleaseTupleDesc(descriptor);
	require_object(activity, input);
	check_keys(activity, input, names, count);
}

/* Unknown keys first: a misspelt one is missing as well, and its name is what helps. */
static void
check_named(const char *activity, const Jsonb *input, const OwFunctionCall *call)
{
	const char *names[FUNC_MAX_ARGS];
	int			count = 0;
	JsonbValue	value;

	require_object(activity, input);
	for (int i = 0; i < call->nargs; i++)
	{
		if (call->args[i].kind == OW_ARGUMENT_NAMED)
			names[count++] = call->args[i].name;
	}
	check_keys(activity, input, names, count);
	for (int i = 0; i < call->nargs; i++)
	{
		const OwArgument *arg = &call->args[i];

		if (arg->kind == OW_ARGUMENT_NAMED && arg->default_value == NULL &&
			!ow_json_member(input, arg->name, &value))
			report_missing_key(activity, arg->name);
	}
}

/* The input must be of the type that the activity was registered with, whatever its function takes. */
static void
check_declared(const OwActivity *activity, const Jsonb *input)
{
	OwMismatches mismatches = {0};

	if (ow_payload_check(activity->options.input_type, input, &mismatches))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_INPUT),
			 errmsg("input of activity \"%s\" is not of its declared type: %s",
					activity->name, (char *) linitial(mismatches.lines)),
			 errdetail("%s", ow_mismatches_text(&mismatches))));
}

/* ---- converting the input ---- */

/*
 * Errors of the conversion itself ("abc" is no integer) are about the input, whatever their
 * SQLSTATE.
 */
static void
conversion_error(void *activity)
{
	int			category = ERRCODE_TO_CATEGORY(geterrcode());

	if (category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		geterrcode() == ERRCODE_DATATYPE_MISMATCH)
		errcode(ERRCODE_OW_INVALID_INPUT);
	errcontext("converting the input of activity \"%s\"", (const char *) activity);
}

/* Finds what only a conversion to the declared type does: a domain's constraint that does not hold. */
static void
convert_declared(const OwActivity *activity, const Jsonb *input)
{
	ErrorContextCallback callback;

	if (activity->options.input_type == NULL)
		return;
	callback.callback = conversion_error;
	callback.arg = activity->name;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	ow_payload_convert(activity->options.input_type, input);
	error_context_stack = callback.previous;
}

/* Makes the members of the input a row of call->fields, as jsonb_to_record does. */
static void
convert_fields(OwFunctionCall *call, const Jsonb *members, Datum *values, bool *nulls)
{
	LOCAL_FCINFO(fcinfo, 1);
	ReturnSetInfo expected = {.type = T_ReturnSetInfo, .expectedDesc = call->fields};
	HeapTupleHeader header;
	HeapTupleData tuple = {0};

	InitFunctionCallInfoData(*fcinfo, &call->to_record, 1, InvalidOid, NULL, (fmNodePtr) &expected);
	fcinfo->args[0].value = JsonbPGetDatum((Jsonb *) members);
	fcinfo->args[0].isnull = false;
	header = DatumGetHeapTupleHeader(FunctionCallInvoke(fcinfo));
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	tuple.t_data = header;
	ItemPointerSetInvalid(&tuple.t_self);
	heap_deform_tuple(&tuple, call->fields, values, nulls);
}

static Datum
evaluate_default(const OwArgument *arg, bool *isnull)
{
	EState	   *estate = CreateExecutorState();
	ExprState  *state = ExecPrepareExpr(arg->default_value, estate);
	Datum		value = ExecEvalExprSwitchContext(state, GetPerTupleExprContext(estate), isnull);
	int16		length;
	bool		by_value;

	get_typlenbyval(arg->type, &length, &by_value);
	if (!*isnull)
		value = datumCopy(value, by_value, length);
	FreeExecutorState(estate);
	return value;
}

/* Reads the arguments that are members of the input, in the order of call->fields. */
static void
read_fields(OwFunctionCall *call, const OwActivityCall *activity_call, Datum *values, bool *nulls)
{
	const char *activity = activity_call->activity->name;
	const Jsonb *input = activity_call->input;
	bool		composite = false;
	ErrorContextCallback callback;

	for (int i = 0; i < call->nargs; i++)
	{
		if (call->args[i].kind != OW_ARGUMENT_COMPOSITE)
			continue;
		composite = true;
		check_composite(activity, input, call->args[i].type);
		input = ow_json_with_member(NULL, "input", input);
	}
	if (!composite)
		check_named(activity, input, call);
	callback.callback = conversion_error;
	callback.arg = (void *) activity;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	convert_fields(call, input, values, nulls);
	error_context_stack = callback.previous;
}

static Datum
json_from_jsonb(const Jsonb *input)
{
	return PointerGetDatum(cstring_to_text(ow_json_to_cstring(input)));
}

/* Fills the function's arguments; returns false when it is strict and one is null. */
static bool
fill_arguments(OwFunctionCall *call, const OwActivityCall *activity_call, FunctionCallInfo fcinfo)
{
	Datum		fields[FUNC_MAX_ARGS];
	bool		field_nulls[FUNC_MAX_ARGS];
	int			field = 0;
	JsonbValue	ignored;

	if (call->fields != NULL)
		read_fields(call, activity_call, fields, field_nulls);
	for (int i = 0; i < call->nargs; i++)
	{
		OwArgument *arg = &call->args[i];
		NullableDatum *target = &fcinfo->args[i];

		target->isnull = false;
		switch (arg->kind)
		{
			case OW_ARGUMENT_JSONB:
				target->value = JsonbPGetDatum(activity_call->input);
				break;
			case OW_ARGUMENT_JSON:
				target->value = json_from_jsonb(activity_call->input);
				break;
			case OW_ARGUMENT_CONTEXT:
				target->value = ow_activity_context();
				break;
			case OW_ARGUMENT_NAMED:
				if (arg->default_value != NULL &&
					!ow_json_member(activity_call->input, arg->name, &ignored))
				{
					target->value = evaluate_default(arg, &target->isnull);
					field++;
					break;
				}
				/* FALLTHROUGH */
			case OW_ARGUMENT_COMPOSITE:
				target->value = fields[field];
				target->isnull = field_nulls[field++];
				break;
		}
		if (target->isnull && call->flinfo.fn_strict)
			return false;
	}
	return true;
}

/* ---- the call ---- */

static Jsonb *
result_to_jsonb(OwFunctionCall *call, Datum result, bool isnull)
{
	if (isnull || call->result_type == VOIDOID)
		return ow_json_null();
	if (call->result_type == JSONBOID)
		return DatumGetJsonbP(result);
	return DatumGetJsonbP(FunctionCall1(&call->to_jsonb, result));
}

/*
 * Raises the error that a missing EXECUTE privilege is, in a way that activity_failure.c can tell
 * from one raised inside the function.
 */
static void
check_execute(const OwActivity *activity, Oid function)
{
	const OwSqlFunction *stored = activity->shell;

	if (pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for function %s.%s of activity \"%s\"",
					stored->schema, stored->name, activity->name),
			 errhint("Grant EXECUTE on it to role \"%s\", which owns the workflow.",
					 GetUserNameFromId(GetUserId(), false)),
			 err_generic_string(PG_DIAG_DATATYPE_NAME, OW_PERMISSIONS_TOKEN)));
}

static Datum
invoke(OwFunctionCall *call, FunctionCallInfo fcinfo)
{
	PgStat_FunctionCallUsage usage;
	Datum		result;

	InvokeFunctionExecuteHook(call->function);
	pgstat_init_function_usage(fcinfo, &usage);
	result = FunctionCallInvoke(fcinfo);
	pgstat_end_function_usage(&usage, true);
	return result;
}

Jsonb *
ow_activity_call(const OwActivityCall *activity_call, const OwRun *run)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	OwFunctionCall *call = ow_function_call(activity_call->activity);
	Jsonb	   *result;
	Datum		value;

	Assert(ActiveSnapshotSet());
	check_execute(activity_call->activity, call->function);
	ow_activity_enter(activity_call, run);
	check_declared(activity_call->activity, activity_call->input);
	convert_declared(activity_call->activity, activity_call->input);
	InitFunctionCallInfoData(*fcinfo, &call->flinfo, call->nargs, DEFAULT_COLLATION_OID,
							 NULL, NULL);
	if (fill_arguments(call, activity_call, fcinfo))
	{
		value = invoke(call, fcinfo);
		result = result_to_jsonb(call, value, fcinfo->isnull);
	}
	else
		result = ow_json_null();
	ow_activity_reset();
	return result;
}
