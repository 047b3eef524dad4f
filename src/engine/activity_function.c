/*
 * activity_function.c
 *		Which functions can be activities, and how each is called.
 *
 * Found out once per function and generation of the catalog: argument kinds, defaults, and the
 * FmgrInfos of the function and of the conversions around it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "engine/activity.h"
#include "engine/activity_internal.h"
#include "errors.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#define FORMS_HINT \
	"An activity's function takes jsonb, one composite argument, or named arguments, " \
	"and may take a workflow.activity_context besides."

Oid
ow_activity_context_type(void)
{
	Oid			schema = get_namespace_oid("workflow", true);

	if (!OidIsValid(schema))
		return InvalidOid;
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("activity_context"),
						   ObjectIdGetDatum(schema));
}

/* ---- fitness ---- */

static const char *
refuse_kind(Form_pg_proc form)
{
	switch (form->prokind)
	{
		case PROKIND_PROCEDURE:
			return "is a procedure";
		case PROKIND_AGGREGATE:
			return "is an aggregate function";
		case PROKIND_WINDOW:
			return "is a window function";
	}
	return form->proretset ? "returns a set" : NULL;
}

static bool
is_value_type(Oid type)
{
	return get_typtype(type) != TYPTYPE_PSEUDO;
}

static const char *
refuse_types(Form_pg_proc form)
{
	Oid			result = form->prorettype;

	if (!is_value_type(result) && result != VOIDOID && result != RECORDOID)
		return "returns a pseudo-type";
	for (int i = 0; i < form->pronargs; i++)
	{
		if (!is_value_type(form->proargtypes.values[i]))
			return "has an argument of a pseudo-type";
	}
	return NULL;
}

/* Names of the input arguments: NULL, or an array whose elements may be NULL */
static char **
input_names(HeapTuple tuple)
{
	bool		names_null;
	bool		modes_null;
	Datum		names = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargnames, &names_null);
	Datum		modes = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargmodes, &modes_null);
	char	  **result = NULL;

	if (names_null)
		return NULL;
	(void) get_func_input_arg_names(names, modes_null ? PointerGetDatum(NULL) : modes, &result);
	return result;
}

/* Whole-input kind of a sole argument; OW_ARGUMENT_NAMED when it is a plain value */
static OwArgumentKind
sole_argument_kind(Oid type)
{
	if (type == JSONBOID)
		return OW_ARGUMENT_JSONB;
	if (type == JSONOID)
		return OW_ARGUMENT_JSON;
	if (get_typtype(getBaseType(type)) == TYPTYPE_COMPOSITE)
		return OW_ARGUMENT_COMPOSITE;
	return OW_ARGUMENT_NAMED;
}

/* Sorts out the arguments; returns why it cannot, or NULL. */
static const char *
classify_arguments(HeapTuple tuple, OwArgument *args)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);
	char	  **names = input_names(tuple);
	Oid			context_type = ow_activity_context_type();
	int			others = 0;
	int			contexts = 0;

	for (int i = 0; i < form->pronargs; i++)
	{
		OwArgument *arg = &args[i];

		arg->type = form->proargtypes.values[i];
		arg->name = names && names[i] && *names[i] ? names[i] : NULL;
		arg->kind = arg->type == context_type ? OW_ARGUMENT_CONTEXT : OW_ARGUMENT_NAMED;
		if (arg->kind == OW_ARGUMENT_CONTEXT)
			contexts++;
		else
			others++;
	}
	if (contexts > 1)
		return "has more than one argument of type workflow.activity_context";
	for (int i = 0; i < form->pronargs; i++)
	{
		if (args[i].kind == OW_ARGUMENT_CONTEXT)
			continue;
		if (others == 1)
			args[i].kind = sole_argument_kind(args[i].type);
		if (args[i].kind == OW_ARGUMENT_NAMED && args[i].name == NULL)
			return "has an argument without a name";
	}
	return NULL;
}

static const char *
examine(HeapTuple tuple, OwArgument *args, const char **hint)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);
	const char *reason = refuse_kind(form);

	*hint = reason ? "Write a plain function that returns one value." : FORMS_HINT;
	if (reason == NULL)
		reason = refuse_types(form);
	if (reason == NULL)
		reason = classify_arguments(tuple, args);
	return reason;
}

static HeapTuple
get_function(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	return tuple;
}

const char *
ow_activity_refuse(Oid function, const char **hint)
{
	HeapTuple	tuple = get_function(function);
	OwArgument	args[FUNC_MAX_ARGS] = {0};
	const char *reason = examine(tuple, args, hint);

	ReleaseSysCache(tuple);
	return reason;
}

/* ---- calling ---- */

/* Gives the last arguments their defaults, as unplanned expressions. */
static void
read_defaults(HeapTuple tuple, OwFunctionCall *call)
{
	int			count = ((Form_pg_proc) GETSTRUCT(tuple))->pronargdefaults;
	bool		isnull;
	Datum		source;
	List	   *defaults;
	ListCell   *cell;

	if (count == 0)
		return;
	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargdefaults, &isnull);
	Assert(!isnull);
	defaults = castNode(List, stringToNode(TextDatumGetCString(source)));
	foreach(cell, defaults)
		call->args[call->nargs - count + foreach_current_index(cell)].default_value = lfirst(cell);
}

/* to_jsonb asks its call for the type of its argument. */
void
ow_look_up_to_jsonb(FmgrInfo *flinfo, Oid type)
{
	Const	   *argument = makeNullConst(type, -1, get_typcollation(type));

	fmgr_info_cxt(F_TO_JSONB, flinfo, CurrentMemoryContext);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL), flinfo);
}

/*
 * The row that jsonb_to_record fills: one column for each argument taken from the input's members
 */
static void
prepare_fields(OwFunctionCall *call)
{
	int			count = 0;
	AttrNumber	column = 0;

	for (int i = 0; i < call->nargs; i++)
	{
		if (call->args[i].kind == OW_ARGUMENT_NAMED || call->args[i].kind == OW_ARGUMENT_COMPOSITE)
			count++;
	}
	if (count == 0)
		return;
	call->fields = CreateTemplateTupleDesc(count);
	for (int i = 0; i < call->nargs; i++)
	{
		const OwArgument *arg = &call->args[i];

		if (arg->kind == OW_ARGUMENT_NAMED)
			TupleDescInitEntry(call->fields, ++column, arg->name, arg->type, -1, 0);
		else if (arg->kind == OW_ARGUMENT_COMPOSITE)
			TupleDescInitEntry(call->fields, ++column, "input", arg->type, -1, 0);
	}
	call->fields = BlessTupleDesc(call->fields);
	fmgr_info_cxt(F_JSONB_TO_RECORD, &call->to_record, CurrentMemoryContext);
}

static void
report_unfit(const OwActivity *activity, const char *reason, const char *hint)
{
	const OwSqlFunction *function = activity->shell;

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
			 errmsg("function %s.%s of activity \"%s\" %s",
					function->schema, function->name, activity->name, reason),
			 errhint("%s", hint)));
}

static OwFunctionCall *
make_call(const OwActivity *activity, Oid function)
{
	OwFunctionCall *call = palloc0(sizeof(OwFunctionCall));
	HeapTuple	tuple = get_function(function);
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);
	const char *hint;
	const char *reason;

	call->function = function;
	call->nargs = form->pronargs;
	call->args = palloc0(sizeof(OwArgument) * Max(call->nargs, 1));
	call->result_type = form->prorettype;
	reason = examine(tuple, call->args, &hint);
	if (reason != NULL)
		report_unfit(activity, reason, hint);
	read_defaults(tuple, call);
	ReleaseSysCache(tuple);

	prepare_fields(call);
	if (call->result_type != VOIDOID && call->result_type != JSONBOID)
		ow_look_up_to_jsonb(&call->to_jsonb, call->result_type);
	fmgr_info_cxt(function, &call->flinfo, CurrentMemoryContext);
	call->hash = ow_catalog_function_hash(function);
	return call;
}

static void
report_gone(const OwActivity *activity)
{
	const OwSqlFunction *function = activity->shell;

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("function %s.%s(%s) of activity \"%s\" does not exist",
					function->schema, function->name, function->arguments, activity->name),
			 errhint("Create the function again, or give the activity another one with workflow.register_activity().")));
}

OwFunctionCall *
ow_function_call(const OwActivity *activity)
{
	OwSqlFunction *function = activity->shell;

	Assert(activity->kind == OW_ACTIVITY_SQL);
	if (!OidIsValid(function->function))
		report_gone(activity);
	if (function->call == NULL)
	{
		MemoryContext previous = MemoryContextSwitchTo(function->context);

		function->call = make_call(activity, function->function);
		MemoryContextSwitchTo(previous);
	}
	return function->call;
}

/*
 * What is registered needs no saying: it can be read.  But if it was registered again in mid-flight, which attempt ran
 * what could not be told.
 */
const char *
ow_activity_replaced_hash(const OwActivity *activity, const OwRun *run)
{
	const OwSqlFunction *function = activity->shell;

	if (function == NULL || function->call == NULL)
		return NULL;
	return function->hash != NULL && strcmp(function->hash, function->call->hash) == 0 &&
		function->in_force_from <= run->started_at ? NULL : function->call->hash;
}
