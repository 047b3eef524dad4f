/*
 * epoch.c
 *		SQL-callable: what an operator does after a promotion or a restore, and the tokens that views show.
 */
#include "postgres.h"

#include "api/api.h"
#include "errors.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "store/epoch.h"
#include "store/identity.h"
#include "store/release.h"
#include "store/store.h"
#include "utils/acl.h"

PG_FUNCTION_INFO_V1(ow_advance_epoch);
PG_FUNCTION_INFO_V1(ow_release_tasks_sql);
PG_FUNCTION_INFO_V1(ow_answerable_token);
PG_FUNCTION_INFO_V1(ow_current_epoch);

/* advance_epoch(): for the extension's owner and superusers */
Datum
ow_advance_epoch(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.advance_epoch()");
	if (!has_privs_of_role(GetUserId(), ow_store_owner()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be a member of the extension's owner to advance its epoch")));
	if (ow_identity_is_foreign())
		ereport(ERROR,
				(errcode(ERRCODE_OW_ENGINE_QUARANTINED),
				 errmsg("the epoch cannot be advanced because this is a copy of another database"),
				 errhint("Call workflow.resume_engine() if workflows are to run here from now on: it does that, too.")));
	ow_epoch_advance();
	PG_RETURN_VOID();
}

/* release_tasks(task_queue text, worker text) RETURNS bigint */
Datum
ow_release_tasks_sql(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.release_tasks()");
	PG_RETURN_INT64(ow_release_tasks(ow_api_optional_text(fcinfo, 0), ow_api_optional_text(fcinfo, 1), GetUserId()));
}

/* answerable_token(task_token uuid, claim int) RETURNS uuid: a stored token as it would be handed out now */
Datum
ow_answerable_token(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *answerable;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	answerable = palloc(sizeof(pg_uuid_t));
	*answerable = *PG_GETARG_UUID_P(0);
	ow_epoch_hand_out(PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1), answerable);
	PG_RETURN_UUID_P(answerable);
}

/* current_epoch() RETURNS bigint: what is noted of tasks that are taken now */
Datum
ow_current_epoch(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(ow_epoch_current());
}
