/*
 * flow.c
 *		SQL-callable: limits, weights and pauses of task queues and fairness keys.
 *
 * Whoever owns the runs governs their tasks.  Workers that may take them may also pause them, which is what they
 * do when somebody tells them to come back later.
 */
#include "postgres.h"

#include <math.h>

#include "api/api.h"
#include "errors.h"
#include "fmgr.h"
#include "machine/definition.h"
#include "miscadmin.h"
#include "store/task_flow.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_set_task_queue);
PG_FUNCTION_INFO_V1(ow_set_fairness_key);
PG_FUNCTION_INFO_V1(ow_pause_task_queue);
PG_FUNCTION_INFO_V1(ow_resume_task_queue);

static char *
queue_argument(FunctionCallInfo fcinfo)
{
	char	   *task_queue = ow_api_text(fcinfo, 0, "task_queue");

	ow_api_check_name("a task queue", task_queue);
	return task_queue;
}

static void
check_key(const char *key)
{
	if (key != NULL && (*key == '\0' || strlen(key) > OW_MAX_FAIRNESS_KEY))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fairness_key must have from 1 to %d bytes", OW_MAX_FAIRNESS_KEY)));
}

static double
positive_argument(FunctionCallInfo fcinfo, int argument, const char *name, double highest)
{
	double		value;

	if (PG_ARGISNULL(argument))
		return 0;
	value = PG_GETARG_FLOAT8(argument);
	if (!(value >= 1 / highest && value <= highest))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %g and %g, not %g", name, 1 / highest, highest, value)));
	return value;
}

static double
rate_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	return positive_argument(fcinfo, argument, name, 1e6);
}

static int
count_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	int			value;

	if (PG_ARGISNULL(argument))
		return 0;
	value = PG_GETARG_INT32(argument);
	if (value < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be at least 1, not %d", name, value),
				 errhint("Call workflow.pause_task_queue() to have no more tasks taken.")));
	return value;
}

static void
check_role(Oid role)
{
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role)));
}

/* Whose tasks are meant: somebody's whose rights the caller has */
static Oid
owner_argument(FunctionCallInfo fcinfo, int argument)
{
	Oid			owner = PG_ARGISNULL(argument) ? GetUserId() : PG_GETARG_OID(argument);

	check_role(owner);
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to control tasks of role \"%s\"", ow_api_role_name(owner)),
				 errdetail("Only members of the role that runs execute as control their tasks.")));
	return owner;
}

/* The one owner who is meant when none is named: who has let the caller take tasks, or the caller */
static Oid
find_owner(const char *task_queue, const List *granting)
{
	Oid			user = GetUserId();

	if (granting == NIL)
		return user;
	if (list_length(granting) > 1 || (linitial_oid(granting) != user && ow_flow_exists(task_queue, user)))
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				 errmsg("it is not clear whose tasks of task queue \"%s\" are meant", task_queue),
				 errdetail("You may take tasks of several owners from it."),
				 errhint("Name one as owner.")));
	return linitial_oid(granting);
}

/* Whose tasks are meant: somebody's whose rights the caller has, or who lets it take them */
static Oid
pausing_owner_argument(FunctionCallInfo fcinfo, int argument, const char *task_queue)
{
	List	   *granting = ow_flow_granting_owners(task_queue, GetUserId());

	if (PG_ARGISNULL(argument))
		return find_owner(task_queue, granting);
	if (list_member_oid(granting, PG_GETARG_OID(argument)))
		return PG_GETARG_OID(argument);
	return owner_argument(fcinfo, argument);
}

/*
 * set_task_queue(task_queue text, rate_limit float8, max_in_flight int, key_rate_limit float8,
 * key_max_in_flight int, owner regrole): replaces the settings.
 */
Datum
ow_set_task_queue(PG_FUNCTION_ARGS)
{
	OwFlowSettings settings = {.task_queue = queue_argument(fcinfo)};

	settings.rate = rate_argument(fcinfo, 1, "rate_limit");
	settings.max_in_flight = count_argument(fcinfo, 2, "max_in_flight");
	settings.key_rate = rate_argument(fcinfo, 3, "key_rate_limit");
	settings.key_max_in_flight = count_argument(fcinfo, 4, "key_max_in_flight");
	settings.owner = owner_argument(fcinfo, 5);
	ow_flow_set(&settings);
	PG_RETURN_VOID();
}

/*
 * set_fairness_key(task_queue text, fairness_key text, weight float8, rate_limit float8, max_in_flight int,
 * owner regrole): replaces the settings of one key.
 */
Datum
ow_set_fairness_key(PG_FUNCTION_ARGS)
{
	OwFlowSettings settings = {.task_queue = queue_argument(fcinfo)};

	settings.fairness_key = ow_api_text(fcinfo, 1, "fairness_key");
	check_key(settings.fairness_key);
	settings.weight = PG_ARGISNULL(2) ? 1 : positive_argument(fcinfo, 2, "weight", 1000);
	settings.rate = rate_argument(fcinfo, 3, "rate_limit");
	settings.max_in_flight = count_argument(fcinfo, 4, "max_in_flight");
	settings.owner = owner_argument(fcinfo, 5);
	ow_flow_set(&settings);
	PG_RETURN_VOID();
}

/* It may be paused before it has any tasks; or its name be misspelt. */
static void
notice_unknown(const char *task_queue, Oid owner)
{
	if (!ow_flow_exists(task_queue, owner))
		ereport(NOTICE,
				(errmsg("task queue \"%s\" has had no tasks of role \"%s\" so far", task_queue, ow_api_role_name(owner)),
				 errhint("Whose tasks are meant is said by owner; workflow.task_queues has the queues there are.")));
}

/* pause_task_queue(task_queue text, until timestamptz, fairness_key text, reason text, owner regrole) */
Datum
ow_pause_task_queue(PG_FUNCTION_ARGS)
{
	char	   *task_queue = queue_argument(fcinfo);
	char	   *key = ow_api_optional_text(fcinfo, 2);
	Oid			owner;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("until must not be null")));
	check_key(key);
	owner = pausing_owner_argument(fcinfo, 4, task_queue);
	notice_unknown(task_queue, owner);
	ow_flow_pause(task_queue, owner, key, PG_GETARG_TIMESTAMPTZ(1), ow_api_optional_text(fcinfo, 3));
	PG_RETURN_VOID();
}

/* resume_task_queue(task_queue text, fairness_key text, owner regrole) */
Datum
ow_resume_task_queue(PG_FUNCTION_ARGS)
{
	char	   *task_queue = queue_argument(fcinfo);
	char	   *key = ow_api_optional_text(fcinfo, 1);
	Oid			owner;

	check_key(key);
	owner = pausing_owner_argument(fcinfo, 2, task_queue);
	notice_unknown(task_queue, owner);
	ow_flow_pause(task_queue, owner, key, DT_NOBEGIN, NULL);
	PG_RETURN_VOID();
}
