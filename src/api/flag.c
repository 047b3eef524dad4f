/*
 * flag.c
 *		workflow.set_flag.
 */
#include "postgres.h"

#include "api/api.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "store/flag.h"
#include "utils/acl.h"

PG_FUNCTION_INFO_V1(ow_set_flag);

/* The role whose runs the flag is for: the current user has its rights. */
static Oid
owner_argument(FunctionCallInfo fcinfo)
{
	Oid			owner = PG_ARGISNULL(3) ? GetUserId() : PG_GETARG_OID(3);

	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set flags for runs of role \"%s\"", ow_api_role_name(owner)),
				 errhint("Only that role, its members and superusers can.")));
	return owner;
}

/* set_flag(name text, value jsonb, percent float8, owner regrole) */
Datum
ow_set_flag(PG_FUNCTION_ARGS)
{
	char	   *name = ow_api_text(fcinfo, 0, "name");
	double		percent = ow_api_percent(fcinfo, 2, 100);

	PreventCommandIfReadOnly("workflow.set_flag()");
	ow_api_check_name("a flag", name);
	ow_flag_set(owner_argument(fcinfo), name, ow_api_optional_jsonb(fcinfo, 1), percent, GetUserId());
	PG_RETURN_VOID();
}
