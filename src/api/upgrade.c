/*
 * upgrade.c
 *		SQL-callable: moving an open run to another version of its workflow.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/upgrade.h"
#include "errors.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_upgrade);

/* {state of the run's version: state of the other} */
static const Jsonb *
state_map_argument(FunctionCallInfo fcinfo, int argument, const OwCompiled *from, const OwCompiled *to)
{
	const Jsonb *map = ow_api_optional_jsonb(fcinfo, argument);
	OwJsonMembers members;
	JsonbValue	object;
	JsonbValue	value;
	char	   *name;

	if (map == NULL)
		return NULL;
	ow_json_as_value(map, &object);
	if (!ow_json_value_is_object(&object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("state_map must be an object: {\"old name\": \"new name\"}")));
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &name, &value))
	{
		bool		known = ow_definition_find_state(from->definition, name) != OW_NO_STATE;

		if (!known || value.type != jbvString ||
			ow_definition_find_state(to->definition, ow_json_value_cstring(&value)) == OW_NO_STATE)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("state_map cannot be followed at \"%s\"", name),
					 !known ? errdetail("Version %d has no such state.", from->version) :
					 errdetail("Version %d has no such state as it leads to.", to->version)));
	}
	return map;
}

/* upgrade(workflow_id text | run_id uuid, version int, state_map jsonb) */
Datum
ow_upgrade(PG_FUNCTION_ARGS)
{
	OwUpgradeRequest request;
	OwFoundRun *run;

	PreventCommandIfReadOnly("workflow.upgrade()");
	run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_CANCEL);
	ow_api_check_controllable(run);
	request.run = run;
	request.to = ow_api_definition(run->workflow, ow_api_version(fcinfo, 1));
	ow_api_hold_version(request.to);
	ow_api_check_activities(request.to);
	request.state_map = state_map_argument(fcinfo, 2, ow_api_definition(run->workflow, run->version), request.to);
	request.requested_by = GetUserId();
	ow_upgrade_run(&request);
	PG_RETURN_VOID();
}
