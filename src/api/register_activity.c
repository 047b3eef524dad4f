/*
 * register_activity.c
 *		workflow.register_activity and workflow.release_activity.
 *
 * A function is stored by schema, name and argument types, all qualified and quoted where needed,
 * so that it is found again after dump, restore and pg_upgrade, whatever the search path.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/api.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "engine/activity.h"
#include "engine/payload.h"
#include "errors.h"
#include "machine/definition.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/identity.h"
#include "store/registry.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(ow_register_activity);
PG_FUNCTION_INFO_V1(ow_register_activity_text);
PG_FUNCTION_INFO_V1(ow_release_activity);

enum
{
	ARG_NAME,
	ARG_FUNCTION,
	ARG_TASK_QUEUE,
	ARG_URL,
	ARG_OPTIONS
};

/* ---- checks ---- */

/* Exactly one kind, and none by url so far */
static void
check_kind(FunctionCallInfo fcinfo)
{
	int			kinds = 0;

	for (int argument = ARG_FUNCTION; argument <= ARG_URL; argument++)
		kinds += !PG_ARGISNULL(argument);

	if (kinds != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("exactly one of function, task_queue and url must be given")));
	if (!PG_ARGISNULL(ARG_URL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("activities by url are not supported yet"),
				 errhint("Give a function, or a task_queue.")));
}

/* Lists what has the name of a function, as it can be given: "pay(jsonb), pay(text,integer)".  NULL: nothing has. */
static char *
list_candidates(const char *function)
{
	char	   *name = pnstrdup(function, strcspn(function, "("));
	char	   *listed = NULL;

	for (FuncCandidateList candidate = FuncnameGetCandidates(stringToQualifiedNameList(name), -1, NIL,
															 false, false, false, true);
		 candidate != NULL; candidate = candidate->next)
	{
		char	   *signature = format_procedure(candidate->oid);

		listed = listed ? psprintf("%s, %s", listed, signature) : signature;
	}
	return listed;
}

/* Finds the function of a signature, as regprocedure's input does, but says what there is instead. */
static Oid
find_function(const char *signature)
{
	bool		typed = strchr(signature, '(') != NULL;

	LOCAL_FCINFO(call, 1);
	Datum		function = 0;
	char	   *candidates;

	InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
	call->args[0].value = CStringGetTextDatum(signature);
	call->args[0].isnull = false;
	if (typed)
		function = to_regprocedure(call);
	if (typed && !call->isnull)
		return DatumGetObjectId(function);

	candidates = list_candidates(signature);
	if (candidates != NULL && !typed)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function \"%s\" is named without the types of its arguments", signature),
				 errhint("Write %s.", candidates)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("function \"%s\" does not exist", signature),
			 candidates ? errhint("There is %s.", candidates) :
			 errhint("Name it with its schema, if that is not on the search path, and the types of its arguments.")));
	return InvalidOid;
}

static Jsonb *
options_argument(FunctionCallInfo fcinfo, const char *name)
{
	Jsonb	   *options = ow_api_optional_jsonb(fcinfo, ARG_OPTIONS);
	OwProblems	problems = {0};
	OwTaskOptions *compiled;

	if (options == NULL)
		options = ow_json_empty_object();
	compiled = ow_task_options_compile(options, "options", &problems);
	if (compiled != NULL)
		ow_payload_verify(compiled->input_type, GetUserId(), "Input", "options", &problems);
	if (problems.errors > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid options of activity \"%s\"", name),
				 errdetail("%s", ow_api_problem_lines(&problems)),
				 errhint("Options are the fields of a Task that say how it is run, such as Retry, and the type of its Input.")));
	return options;
}

static void
check_function(Oid function, Form_pg_proc form)
{
	const char *hint;
	const char *reason;

	if (isAnyTempNamespace(form->pronamespace))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function %s is temporary", format_procedure(function)),
				 errdetail("Executors run activities in sessions of their own, which do not have it.")));
	reason = ow_activity_refuse(function, &hint);
	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function %s cannot be an activity: it %s",
						format_procedure(function), reason),
				 errhint("%s", hint)));
	if (pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, NameStr(form->proname));
}

static void
check_owner(const char *name, Oid owner)
{
	if (has_privs_of_role(GetUserId(), owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of activity \"%s\"", name),
			 errdetail("The name belongs to role \"%s\", which registered it first.",
					   ow_api_role_name(owner))));
}

/* ---- storing ---- */

/* "pg_catalog.jsonb, shop.order": what catalog.c reads back */
static char *
argument_types(Form_pg_proc form)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < form->pronargs; i++)
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(form->proargtypes.values[i]));
		Form_pg_type type;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for type %u", form->proargtypes.values[i]);
		type = (Form_pg_type) GETSTRUCT(tuple);
		appendStringInfo(&text, "%s%s", i > 0 ? ", " : "",
						 quote_qualified_identifier(get_namespace_name(type->typnamespace),
													NameStr(type->typname)));
		ReleaseSysCache(tuple);
	}
	return text.data;
}

static void
fill_function(OwActivityRow *row, Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	form = (Form_pg_proc) GETSTRUCT(tuple);
	check_function(function, form);
	row->function_schema = get_namespace_name(form->pronamespace);
	row->function_name = pstrdup(NameStr(form->proname));
	row->function_arguments = argument_types(form);
	row->function_hash = ow_catalog_function_hash(function);
	ReleaseSysCache(tuple);
}

/* The queue is the activity's TaskQueue, which Defaults and states may replace. */
static void
fill_queue(OwActivityRow *row, char *task_queue)
{
	char	   *other = ow_json_get_string(row->options, "TaskQueue");

	ow_api_check_name("a task queue", task_queue);
	if (other != NULL && strcmp(other, task_queue) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"TaskQueue\" of activity \"%s\" is another than its task_queue", row->name)));
	row->task_queue = task_queue;
	row->options = ow_json_with_member(row->options, "TaskQueue", ow_json_text(task_queue));
}

static void
register_activity(FunctionCallInfo fcinfo, char *name, Oid function)
{
	OwActivityRow row = {.name = name, .owner = GetUserId()};

	ow_api_check_name("an activity", name);
	row.options = options_argument(fcinfo, name);
	if (PG_ARGISNULL(ARG_TASK_QUEUE))
		fill_function(&row, function);
	else
		fill_queue(&row, text_to_cstring(PG_GETARG_TEXT_PP(ARG_TASK_QUEUE)));
	if (!ow_registry_add_activity(&row))
	{
		if (!ow_registry_lock_activity(name, &row.owner))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to a concurrent registration of activity \"%s\"",
							name)));
		check_owner(name, row.owner);
		ow_registry_replace_activity(&row);
	}
	ow_catalog_changed();
	ow_identity_claim();
}

/* register_activity(name text, function regprocedure, task_queue text, url text, options jsonb) */
Datum
ow_register_activity(PG_FUNCTION_ARGS)
{
	char	   *name = ow_api_text(fcinfo, ARG_NAME, "name");

	check_kind(fcinfo);
	PreventCommandIfReadOnly("workflow.register_activity()");
	register_activity(fcinfo, name, PG_ARGISNULL(ARG_FUNCTION) ? InvalidOid : PG_GETARG_OID(ARG_FUNCTION));
	PG_RETURN_VOID();
}

/* register_activity(name text, function text, task_queue text, url text, options jsonb) */
Datum
ow_register_activity_text(PG_FUNCTION_ARGS)
{
	char	   *name = ow_api_text(fcinfo, ARG_NAME, "name");

	check_kind(fcinfo);
	PreventCommandIfReadOnly("workflow.register_activity()");
	register_activity(fcinfo, name, PG_ARGISNULL(ARG_FUNCTION) ? InvalidOid :
					  find_function(text_to_cstring(PG_GETARG_TEXT_PP(ARG_FUNCTION))));
	PG_RETURN_VOID();
}

/* release_activity(name text) */
Datum
ow_release_activity(PG_FUNCTION_ARGS)
{
	char	   *name = ow_api_text(fcinfo, 0, "name");
	Oid			owner;
	bool		released;

	PreventCommandIfReadOnly("workflow.release_activity()");
	if (!ow_registry_lock_activity(name, &owner))
		ereport(ERROR,
				(errcode(ERRCODE_OW_ACTIVITY_NOT_REGISTERED),
				 errmsg("activity \"%s\" is not registered", name)));
	check_owner(name, owner);
	released = ow_registry_release_activity(name);
	ow_catalog_changed();
	PG_RETURN_BOOL(released);
}
