/*
 * rebuild.c
 *		SQL-callable: a run's state rebuilt from its history alone, and resuming a quarantined copy.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/history.h"
#include "errors.h"
#include "miscadmin.h"
#include "store/identity.h"
#include "store/run.h"
#include "store/store.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "worker/pool.h"

PG_FUNCTION_INFO_V1(ow_rebuild_state);
PG_FUNCTION_INFO_V1(ow_resume_engine);

static void
replay(OwLoadedRun *loaded, List *events)
{
	OwReplay	replay;

	if (!ow_history_play(loaded, events, NULL, &replay))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("history of run %s does not lead to its state", ow_uuid_to_cstring(&loaded->ref.run_id)),
				 errdetail("%s.", replay.difference)));
}

OwLoadedRun *
ow_api_rebuild(const OwFoundRun *found)
{
	MemoryContext context = CurrentMemoryContext;
	OwLoadedRun *loaded;
	List	   *events;

	ow_store_open();
	loaded = ow_run_read_started(&found->ref, context);
	events = loaded == NULL ? NIL : ow_run_read_history(&found->ref, context);
	ow_store_close();
	if (loaded == NULL)
		return NULL;
	loaded->compiled = ow_catalog_definition(loaded->definition_id);
	loaded->run.workflow = loaded->compiled->workflow;
	loaded->run.version = loaded->compiled->version;
	loaded->run.owner = GetUserNameFromId(loaded->owner, true);
	if (events != NIL)
		replay(loaded, events);
	return loaded;
}

/*
 * rebuild_state(run_id uuid) RETURNS workflow.execution: replays the run's history through the state
 * machine.  Raises data_corrupted when the machine does not make the recorded events again.
 */
Datum
ow_rebuild_state(PG_FUNCTION_ARGS)
{
	OwFoundRun *found = ow_api_run(fcinfo);
	OwLoadedRun *loaded;

	ow_api_check_may_read(found);
	loaded = ow_api_rebuild(found);
	if (loaded == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(ow_run_row(loaded));
}

/*
 * resume_engine(): this copy of the database is the one whose workflows run from now on.  For the
 * extension's owner and superusers.
 */
Datum
ow_resume_engine(PG_FUNCTION_ARGS)
{
	if (!has_privs_of_role(GetUserId(), ow_store_owner()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be a member of the extension's owner to resume its engine")));
	ow_identity_claim_anew();
	ow_pool_rescan_database(MyDatabaseId);
	PG_RETURN_VOID();
}
