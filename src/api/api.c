/*
 * api.c
 *		What the SQL-callable functions share.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/api.h"
#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "errors.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "store/job.h"
#include "store/registry.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* ---- arguments ---- */

static void
require(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

char *
ow_api_text(FunctionCallInfo fcinfo, int argument, const char *name)
{
	require(fcinfo, argument, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

pg_uuid_t *
ow_api_uuid(FunctionCallInfo fcinfo, int argument, const char *name)
{
	require(fcinfo, argument, name);
	return PG_GETARG_UUID_P(argument);
}

double
ow_api_percent(FunctionCallInfo fcinfo, int argument, double otherwise)
{
	double		percent = PG_ARGISNULL(argument) ? otherwise : PG_GETARG_FLOAT8(argument);

	if (!(percent >= 0 && percent <= 100))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("percent must be from 0 to 100")));
	return percent;
}

char *
ow_api_optional_text(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

int
ow_api_version(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return 0;
	if (PG_GETARG_INT32(argument) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must be greater than zero")));
	return PG_GETARG_INT32(argument);
}

Jsonb *
ow_api_jsonb(FunctionCallInfo fcinfo, int argument, const char *name)
{
	require(fcinfo, argument, name);
	return PG_GETARG_JSONB_P(argument);
}

Jsonb *
ow_api_optional_jsonb(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : PG_GETARG_JSONB_P(argument);
}

void
ow_api_check_name(const char *what, const char *name)
{
	if (*name == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("the name of %s must not be empty", what)));
	if (pg_mbstrlen(name) > OW_MAX_NAME_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("the name of %s is too long", what),
				 errdetail("It has %d characters; at most %d are allowed.",
						   pg_mbstrlen(name), OW_MAX_NAME_LENGTH)));
}

void
ow_api_check_id(const char *what, const char *id)
{
	if (*id == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what)));
	if (strlen(id) > OW_MAX_ID_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too long", what),
				 errdetail("It has %zu bytes; at most %d are allowed.",
						   strlen(id), OW_MAX_ID_LENGTH)));
}

char *
ow_api_uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

TimestampTz
ow_api_add_interval(TimestampTz start, Datum interval)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(start), interval));
}

TimestampTz
ow_api_until(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return DT_NOEND;
	return ow_api_add_interval(GetCurrentTimestamp(), PG_GETARG_DATUM(argument));
}

/* A delay of days and months counts from now. */
int64
ow_api_retry_delay(const NullableDatum *argument)
{
	TimestampTz now = ow_clock_now();
	TimestampTz then;

	if (argument->isnull)
		return OW_UNSET;
	then = ow_api_add_interval(now, argument->value);
	if (then < now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("next_retry_delay must not be negative")));
	return (then - now) / 1000;
}

char *
ow_api_role_name(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name ? name : psprintf("%u", role);
}

/* ---- runs ---- */

static const char *
privilege_name(OwPrivilege privilege)
{
	switch (privilege)
	{
		case OW_PRIVILEGE_START:
			return "start";
		case OW_PRIVILEGE_SIGNAL:
			return "signal";
		case OW_PRIVILEGE_CANCEL:
			return "cancel";
		case OW_PRIVILEGE_READ:
			return "read";
	}
	return NULL;
}

void
ow_api_check_may(Oid role, const char *workflow, Oid owner, OwPrivilege privilege, const char *to)
{
	if (ow_catalog_may(role, workflow, owner, privilege))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to %s workflow \"%s\"", to, workflow),
			 errhint("Its owner \"%s\" can grant \"%s\" with workflow.grant_workflow().",
					 ow_api_role_name(owner), privilege_name(privilege))));
}

void
ow_api_check_may_read(const OwFoundRun *run)
{
	ow_api_check_may(GetUserId(), run->workflow, run->owner, OW_PRIVILEGE_READ, "read the state of");
}

void
ow_api_check_may_signal(const OwFoundRun *run, const char *to)
{
	ow_api_check_may(GetUserId(), run->workflow, run->owner, OW_PRIVILEGE_SIGNAL, to);
}

void
ow_api_check_may_control(const OwFoundRun *run)
{
	ow_api_check_may(GetUserId(), run->workflow, run->owner, OW_PRIVILEGE_CANCEL, "control");
}

bool
ow_api_may_see(const OwFoundRun *run, int privileges)
{
	Oid			user = GetUserId();

	return has_privs_of_role(user, run->started_by) ||
		ow_catalog_may(user, run->workflow, run->owner, privileges);
}

void
ow_api_report_no_workflow_id(const char *workflow_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_EXECUTION_NOT_FOUND),
			 errmsg("workflow id \"%s\" has no run", workflow_id),
			 errhint("It was never started, or you may not see it.")));
}

void
ow_api_report_no_run(const pg_uuid_t *run_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_EXECUTION_NOT_FOUND),
			 errmsg("run %s does not exist", ow_api_uuid_text(run_id)),
			 errhint("It was never started, or you may not see it.")));
}

static OwFoundRun *
run_by_workflow_id(FunctionCallInfo fcinfo, int privileges)
{
	char	   *workflow_id = ow_api_text(fcinfo, 0, "workflow_id");
	OwFoundRun *run = ow_find_workflow(workflow_id);

	if (run == NULL || !ow_api_may_see(run, privileges))
		ow_api_report_no_workflow_id(workflow_id);
	return run;
}

static OwFoundRun *
run_by_run_id(FunctionCallInfo fcinfo, int privileges)
{
	pg_uuid_t  *run_id = ow_api_uuid(fcinfo, 0, "run_id");
	OwFoundRun *run = ow_find_run(run_id);

	if (run == NULL || !ow_api_may_see(run, privileges))
		ow_api_report_no_run(run_id);
	return run;
}

OwFoundRun *
ow_api_run_for(FunctionCallInfo fcinfo, int privileges)
{
	Oid		   *types;
	int			count;

	/* which overload this is; fn_expr would not be there for every caller */
	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
	if (types[0] == UUIDOID)
		return run_by_run_id(fcinfo, privileges);
	return run_by_workflow_id(fcinfo, privileges);
}

OwFoundRun *
ow_api_run(FunctionCallInfo fcinfo)
{
	return ow_api_run_for(fcinfo, OW_PRIVILEGE_READ);
}

void
ow_api_check_open(const OwFoundRun *run)
{
	if (run->open)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OW_ALREADY_CLOSED),
			 errmsg("workflow id \"%s\" has no open run", run->workflow_id),
			 errdetail("Its latest run has closed with status %s.", ow_status_name(run->status))));
}

/* ---- definitions ---- */

static void
append_problem(StringInfo lines, const OwProblem *problem)
{
	if (lines->len > 0)
		appendStringInfoChar(lines, '\n');
	appendStringInfoString(lines, problem->severity == OW_SEVERITY_ERROR ? "error" : "warning");
	if (problem->path != NULL && *problem->path)
		appendStringInfo(lines, " at %s", problem->path);
	appendStringInfo(lines, ": %s", problem->message);
	if (problem->hint != NULL)
		appendStringInfo(lines, ". %s", problem->hint);
}

char *
ow_api_problem_lines(const OwProblems *problems)
{
	StringInfoData lines;
	ListCell   *cell;

	initStringInfo(&lines);
	foreach(cell, problems->list)
	{
		if (((OwProblem *) lfirst(cell))->severity == OW_SEVERITY_ERROR)
			append_problem(&lines, lfirst(cell));
	}
	foreach(cell, problems->list)
	{
		if (((OwProblem *) lfirst(cell))->severity == OW_SEVERITY_WARNING)
			append_problem(&lines, lfirst(cell));
	}
	return lines.data;
}

void
ow_api_report_no_version(const char *workflow, int version, int last)
{
	const char *versions = ow_job_is_name(workflow) ? "Its versions are those that workflow.definitions shows." :
		last == 1 ? "Its only version is 1." : psprintf("Its versions are 1 to %d.", last);

	if (version == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OW_VERSION_NOT_FOUND),
				 errmsg("workflow \"%s\" has no current version", workflow),
				 errdetail("%s", versions),
				 errhint("Name a version, or make one current with workflow.set_current().")));
	ereport(ERROR,
			(errcode(ERRCODE_OW_VERSION_NOT_FOUND),
			 errmsg("workflow \"%s\" has no version %d", workflow, version),
			 errdetail("%s", versions)));
}

const OwCompiled *
ow_api_definition(const char *workflow, int version)
{
	const OwCompiled *compiled = ow_catalog_find_definition(workflow, version);
	Oid			owner;

	if (compiled != NULL)
		return compiled;
	if (!ow_catalog_find_type(workflow, &owner, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_OW_WORKFLOW_NOT_FOUND),
				 errmsg("workflow \"%s\" does not exist", workflow),
				 errhint("Register it with workflow.register().")));
	ow_api_report_no_version(workflow, version, ow_registry_last_version(workflow));
	return NULL;
}

void
ow_api_check_owns(const char *workflow, Oid owner)
{
	if (has_privs_of_role(GetUserId(), owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of workflow \"%s\"", workflow),
			 errdetail("The name belongs to role \"%s\", which registered it first.",
					   ow_api_role_name(owner))));
}

void
ow_api_check_activities(const OwCompiled *compiled)
{
	const OwDefinition *definition = compiled->definition;
	StringInfoData missing;

	if (ow_clock_is_virtual())
		return;					/* a test may mock what is not there yet */
	missing.data = NULL;
	for (int i = 0; i < definition->nactivities; i++)
	{
		const OwActivity *activity = ow_catalog_activity(definition->activities[i]);

		if (activity != NULL && ow_catalog_may_use(compiled->owner, activity, compiled->created_at))
			continue;
		if (missing.data == NULL)
			initStringInfo(&missing);
		else
			appendStringInfoString(&missing, ", ");
		appendStringInfo(&missing, "\"%s\"", definition->activities[i]);
	}
	if (missing.data != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_ACTIVITY_NOT_REGISTERED),
				 errmsg("workflow \"%s\" uses activities that are not registered: %s",
						compiled->workflow, missing.data),
				 errhint("Register them with workflow.register_activity(). Those of another role must have been "
						 "registered, and granted, before the definition is.")));
}

void
ow_api_check_may_commit(FunctionCallInfo fcinfo, const char *procedure, const char *instead)
{
	if (fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!((CallContext *) fcinfo->context)->atomic)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
			 errmsg("%s cannot be called in a transaction block or from a function", procedure),
			 errdetail("It commits, so as not to hold a snapshot while it waits."),
			 errhint("Call it by itself, or %s.", instead)));
}

Datum
ow_api_procedure_row(FunctionCallInfo fcinfo, Datum value)
{
	TupleDesc	descriptor;
	bool		isnull = false;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type of a procedure must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), &value, &isnull));
}
