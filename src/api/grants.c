/*
 * grants.c
 *		Granting workflows and activities to other roles.
 *
 * Only the owner of a name, members of it and superusers grant it.  The grants are rows that only the
 * owner of our tables writes, so who asks is checked here, before the store is opened.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "api/api.h"
#include "errors.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "store/catalog.h"
#include "store/store.h"
#include "store/task.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(ow_grant_workflow);
PG_FUNCTION_INFO_V1(ow_revoke_workflow);
PG_FUNCTION_INFO_V1(ow_grant_activity);
PG_FUNCTION_INFO_V1(ow_revoke_activity);
PG_FUNCTION_INFO_V1(ow_grant_worker);
PG_FUNCTION_INFO_V1(ow_revoke_worker);

static OwStatement grant_workflow = {
	.sql =
	"INSERT INTO workflow.workflow_grant (grantee, workflow, privilege)"
	" SELECT $1, $2, privilege FROM unnest($3) AS p (privilege)"
	" ON CONFLICT DO NOTHING",
	.argument_types = "regrole,text,text[]"
};

static OwStatement revoke_workflow = {
	.sql = "DELETE FROM workflow.workflow_grant WHERE grantee = $1 AND workflow = $2 AND privilege = ANY ($3)",
	.argument_types = "regrole,text,text[]"
};

static OwStatement grant_activity = {
	.sql = "INSERT INTO workflow.activity_grant (grantee, activity) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	.argument_types = "regrole,text"
};

static OwStatement revoke_activity = {
	.sql = "DELETE FROM workflow.activity_grant WHERE grantee = $1 AND activity = $2",
	.argument_types = "regrole,text"
};

/* The functions' arguments: role, name and, of workflows only, privileges */
static void
check_arguments(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("role, name and privileges must not be null")));
	if (!SearchSysCacheExists1(AUTHOID, PG_GETARG_DATUM(0)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", PG_GETARG_OID(0))));
}

static bool
is_privilege(const char *name)
{
	static const char *const known[] = {"start", "signal", "cancel", "read"};

	for (int i = 0; i < (int) lengthof(known); i++)
		if (strcmp(name, known[i]) == 0)
			return true;
	return false;
}

static void
check_privileges(ArrayType *privileges)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;

	deconstruct_array(privileges, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		const char *name = nulls[i] ? "NULL" : TextDatumGetCString(names[i]);

		if (!is_privilege(name))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized privilege on a workflow: \"%s\"", name),
					 errhint("Privileges are start, signal, cancel and read.")));
	}
}

static void
check_owner(Oid owner, const char *kind, const char *name)
{
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of %s \"%s\"", kind, name)));
}

static Datum
write_grant(FunctionCallInfo fcinfo, OwStatement *statement)
{
	Datum		values[3];

	for (int i = 0; i < PG_NARGS(); i++)
		values[i] = PG_GETARG_DATUM(i);
	ow_store_open();
	ow_store_execute(statement, values, NULL);
	ow_store_close();
	ow_catalog_changed();
	PG_RETURN_VOID();
}

static Datum
write_workflow_grant(FunctionCallInfo fcinfo, OwStatement *statement)
{
	char	   *name;
	Oid			owner;

	check_arguments(fcinfo);
	check_privileges(PG_GETARG_ARRAYTYPE_P(2));
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!ow_catalog_find_type(name, &owner, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_OW_WORKFLOW_NOT_FOUND),
				 errmsg("workflow \"%s\" does not exist", name)));
	check_owner(owner, "workflow", name);
	return write_grant(fcinfo, statement);
}

static Datum
write_activity_grant(FunctionCallInfo fcinfo, OwStatement *statement)
{
	char	   *name;
	const OwActivity *activity;

	check_arguments(fcinfo);
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	activity = ow_catalog_activity(name);
	if (activity == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_ACTIVITY_NOT_REGISTERED),
				 errmsg("activity \"%s\" is not registered", name)));
	check_owner(((const OwSqlFunction *) activity->shell)->owner, "activity", name);
	return write_grant(fcinfo, statement);
}

/* workflow.grant_workflow(role regrole, workflow text, privileges text[]) */
Datum
ow_grant_workflow(PG_FUNCTION_ARGS)
{
	return write_workflow_grant(fcinfo, &grant_workflow);
}

/* workflow.revoke_workflow(role regrole, workflow text, privileges text[]) */
Datum
ow_revoke_workflow(PG_FUNCTION_ARGS)
{
	return write_workflow_grant(fcinfo, &revoke_workflow);
}

/* workflow.grant_activity(role regrole, activity text) */
Datum
ow_grant_activity(PG_FUNCTION_ARGS)
{
	return write_activity_grant(fcinfo, &grant_activity);
}

/* workflow.revoke_activity(role regrole, activity text) */
Datum
ow_revoke_activity(PG_FUNCTION_ARGS)
{
	return write_activity_grant(fcinfo, &revoke_activity);
}

/* What a worker calls; whoever may write workflows may let others work for them. */
static OwStatement let_call = {
	.sql =
	"SELECT format('GRANT %s TO %s', p.privilege, $1)"
	"  FROM (VALUES ('USAGE ON SCHEMA workflow'),"
	"               ('EXECUTE ON FUNCTION workflow.poll_activity'),"
	"               ('EXECUTE ON PROCEDURE workflow.wait_for_activity'),"
	"               ('EXECUTE ON FUNCTION workflow.complete_and_poll'),"
	"               ('EXECUTE ON FUNCTION workflow.complete_activity'),"
	"               ('EXECUTE ON FUNCTION workflow.complete_activities'),"
	"               ('EXECUTE ON FUNCTION workflow.fail_activity'),"
	"               ('EXECUTE ON FUNCTION workflow.fail_activities'),"
	"               ('EXECUTE ON FUNCTION workflow.cancel_activity'),"
	"               ('EXECUTE ON FUNCTION workflow.heartbeat'),"
	"               ('EXECUTE ON FUNCTION workflow.drain_worker'),"
	"               ('EXECUTE ON FUNCTION workflow.pause_task_queue'),"
	"               ('EXECUTE ON FUNCTION workflow.resume_task_queue'),"
	"               ('EXECUTE ON FUNCTION workflow.complete_activity_by_id'),"
	"               ('EXECUTE ON FUNCTION workflow.fail_activity_by_id'),"
	"               ('EXECUTE ON FUNCTION workflow.cancel_activity_by_id'),"
	"               ('EXECUTE ON FUNCTION workflow.heartbeat_by_id')) AS p (privilege)",
	.argument_types = "regrole"
};

static void
grant_calls(Oid role)
{
	Datum		values[1] = {ObjectIdGetDatum(role)};
	uint64		count;
	SPITupleTable *grants;

	ow_store_open();
	count = ow_store_execute(&let_call, values, NULL);
	grants = SPI_tuptable;
	for (uint64 row = 0; row < count; row++)
	{
		char	   *grant = SPI_getvalue(grants->vals[row], grants->tupdesc, 1);

		if (SPI_execute(grant, false, 0) < 0)
			elog(ERROR, "could not execute: %s", grant);
	}
	ow_store_close();
}

static Datum
write_worker_grant(FunctionCallInfo fcinfo, bool grant)
{
	Oid			role;
	char	   *task_queue;

	check_arguments(fcinfo);
	role = PG_GETARG_OID(0);
	task_queue = text_to_cstring(PG_GETARG_TEXT_PP(1));
	ow_api_check_name("a task queue", task_queue);
	ow_task_grant(role, task_queue, GetUserId(), grant);
	if (grant)
		grant_calls(role);
	PG_RETURN_VOID();
}

/* workflow.grant_worker(role regrole, task_queue text) */
Datum
ow_grant_worker(PG_FUNCTION_ARGS)
{
	return write_worker_grant(fcinfo, true);
}

/* workflow.revoke_worker(role regrole, task_queue text) */
Datum
ow_revoke_worker(PG_FUNCTION_ARGS)
{
	return write_worker_grant(fcinfo, false);
}
