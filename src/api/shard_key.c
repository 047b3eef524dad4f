/*
 * shard_key.c
 *		The key that leads every index, for views and SQL functions that look one run up.
 */
#include "postgres.h"

#include "fmgr.h"
#include "store/start.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(ow_shard_key_sql);
PG_FUNCTION_INFO_V1(ow_run_id_shard_key_sql);

/* workflow.shard_key(workflow_id text) */
Datum
ow_shard_key_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(ow_shard_key(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* workflow.shard_key(run_id uuid) */
Datum
ow_run_id_shard_key_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(ow_run_id_shard_key(PG_GETARG_UUID_P(0)));
}
