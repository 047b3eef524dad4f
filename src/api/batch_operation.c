/*
 * batch_operation.c
 *		SQL-callable: making batch operations, and what the procedure that does them needs of their rows.
 *
 * The condition is SQL of the caller.  It is evaluated once, here, in the caller's session as the caller, outside any
 * store section; what is kept of it are the ids of runs.  Nothing is done to those but by the functions that anybody
 * calls (sql/functions/43_batch.sql), as the role that has made the operation.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/api.h"
#include "api/reset.h"
#include "errors.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/batch_operation.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(ow_start_batch);
PG_FUNCTION_INFO_V1(ow_take_batch_chunk);
PG_FUNCTION_INFO_V1(ow_finish_batch_chunk);
PG_FUNCTION_INFO_V1(ow_cancel_batch);
PG_FUNCTION_INFO_V1(ow_delete_batch);

#define MAX_CHUNK 10000
#define MAX_ARGUMENTS 3
#define ROWS_PER_FETCH 1000

typedef struct Operation
{
	const char *name;
	bool		of_closed;		/* runs that have closed can be chosen as well: of a workflow id
								 * the last */
	struct
	{
		const char *name;
		const char *type;		/* of JSON; NULL: any */
		bool		required;
	}			arguments[MAX_ARGUMENTS + 1];
	void		(*check) (const Jsonb *arguments);	/* what else is to be said of them; NULL:
													 * nothing */
} Operation;

static void
check_reset(const Jsonb *arguments)
{
	ow_api_reset_rule(arguments, &(OwResetRequest) {0});
}

/* How each is done: workflow.apply_operation */
static const Operation operations[] = {
	{.name = "signal", .arguments = {{"signal", "string", true}, {"payload"}}},
	{.name = "cancel"},
	{.name = "terminate"},
	{.name = "retry", .arguments = {{"version", "number"}}},
	{.name = "pause"},
	{.name = "resume"},
	{.name = "upgrade", .arguments = {{"version", "number"}, {"state_map", "object"}}},
	{.name = "reset", .of_closed = true, .arguments = {{"to", "string"}, {"state", "string"}}, .check = check_reset},
};

/* ---- arguments ---- */

static const Operation *
operation_argument(FunctionCallInfo fcinfo, int argument)
{
	char	   *name = ow_api_text(fcinfo, argument, "operation");
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < (int) lengthof(operations); i++)
	{
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", operations[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown operation \"%s\"", name),
			 errhint("Operations are: %s.", known.data)));
	return NULL;
}

static void
check_argument(const Operation *operation, const char *key, const JsonbValue *value)
{
	for (int i = 0; operation->arguments[i].name != NULL; i++)
	{
		if (strcmp(operation->arguments[i].name, key) != 0)
			continue;
		if (operation->arguments[i].type == NULL || strcmp(operation->arguments[i].type, ow_json_type_name(value)) == 0)
			return;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of operation \"%s\" must be a %s, not %s", key, operation->name,
						operation->arguments[i].type, ow_json_type_phrase(value))));
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("operation \"%s\" has no argument \"%s\"", operation->name, key)));
}

static Jsonb *
arguments_argument(FunctionCallInfo fcinfo, int argument, const Operation *operation)
{
	Jsonb	   *arguments = PG_ARGISNULL(argument) ? ow_json_empty_object() : ow_api_optional_jsonb(fcinfo, argument);
	OwJsonMembers members;
	JsonbValue	object;
	JsonbValue	value;
	char	   *key;

	ow_json_as_value(arguments, &object);
	if (!ow_json_value_is_object(&object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments must be an object, not %s", ow_json_type_phrase(&object))));
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &key, &value))
		check_argument(operation, key, &value);
	for (int i = 0; operation->arguments[i].name != NULL; i++)
	{
		if (operation->arguments[i].required && !ow_json_member(arguments, operation->arguments[i].name, &value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("operation \"%s\" needs the argument \"%s\"", operation->name,
							operation->arguments[i].name)));
	}
	if (operation->check != NULL)
		operation->check(arguments);
	return arguments;
}

static int
chunk_size_argument(FunctionCallInfo fcinfo, int argument)
{
	int			size = PG_ARGISNULL(argument) ? 100 : PG_GETARG_INT32(argument);

	if (size < 1 || size > MAX_CHUNK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("chunk_size must be between 1 and %d, not %d", MAX_CHUNK, size)));
	return size;
}

static double
rate_argument(FunctionCallInfo fcinfo, int argument)
{
	double		rate = PG_ARGISNULL(argument) ? 0 : PG_GETARG_FLOAT8(argument);

	if (!PG_ARGISNULL(argument) && !(rate >= 0.001 && rate <= 1e6))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rate_per_second must be between 0.001 and 1e+06, not %g", rate)));
	return rate;
}

/* ---- the runs ---- */

typedef struct RunList
{
	pg_uuid_t  *run_ids;
	int64		count;
	int64		room;
	MemoryContext context;
} RunList;

static void
add_run(RunList *list, const pg_uuid_t *run_id)
{
	if (list->count == list->room)
	{
		Size		size;

		list->room = Max(list->room * 2, ROWS_PER_FETCH);
		size = list->room * sizeof(pg_uuid_t);
		list->run_ids = list->run_ids ? repalloc_huge(list->run_ids, size)
			: MemoryContextAllocHuge(list->context, size);
	}
	list->run_ids[list->count++] = *run_id;
}

static void
condition_error(void *condition)
{
	errcontext("condition of a batch operation: %s", (const char *) condition);
}

/* One statement of the caller's, which only reads; one that is more than a condition is no cursor, or does not parse. */
static void
select_runs(char *condition, bool of_closed, RunList *list)
{
	ErrorContextCallback context = {.callback = condition_error, .arg = condition, .previous = error_context_stack};
	char	   *sql = psprintf(of_closed ?
							   "SELECT DISTINCT ON (e.shard_key, e.workflow_id) e.run_id FROM workflow.executions e"
							   " WHERE (%s\n) ORDER BY e.shard_key, e.workflow_id, e.run_id DESC" :
							   "SELECT e.run_id FROM workflow.executions e"
							   " WHERE (%s\n) AND e.closed_at IS NULL ORDER BY e.shard_key, e.run_id", condition);
	Portal		portal;

	error_context_stack = &context;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	portal = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, ROWS_PER_FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			bool		isnull;
			Datum		run_id = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull);

			add_run(list, DatumGetUUIDP(run_id));
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
	error_context_stack = context.previous;
}

/*
 * start_batch(operation text, condition text, arguments jsonb, reason text, chunk_size int, rate_per_second float8,
 * dry_run boolean) RETURNS uuid: chooses the runs, and does nothing to them.
 */
Datum
ow_start_batch(PG_FUNCTION_ARGS)
{
	const Operation *operation = operation_argument(fcinfo, 0);
	OwBatchOperation batch = {.operation = pstrdup(operation->name)};
	RunList		list = {.context = CurrentMemoryContext};
	pg_uuid_t  *batch_id = palloc(sizeof(pg_uuid_t));

	PreventCommandIfReadOnly("workflow.start_batch()");
	batch.condition = ow_api_text(fcinfo, 1, "condition");
	batch.arguments = arguments_argument(fcinfo, 2, operation);
	batch.reason = ow_api_optional_text(fcinfo, 3);
	batch.chunk_size = chunk_size_argument(fcinfo, 4);
	batch.rate_per_second = rate_argument(fcinfo, 5);
	batch.dry_run = !PG_ARGISNULL(6) && PG_GETARG_BOOL(6);
	batch.owner = GetUserId();
	select_runs(batch.condition, operation->of_closed, &list);
	ow_batch_operation_insert(&batch, list.run_ids, list.count);
	*batch_id = batch.batch_id;
	PG_RETURN_UUID_P(batch_id);
}

/* ---- doing it ---- */

static void
find_batch(FunctionCallInfo fcinfo, OwBatchOperation *batch)
{
	pg_uuid_t  *batch_id = ow_api_uuid(fcinfo, 0, "batch_id");

	if (!ow_batch_operation_find(batch_id, batch) || !has_privs_of_role(GetUserId(), batch->owner))
		ereport(ERROR,
				(errcode(ERRCODE_OW_BATCH_NOT_FOUND),
				 errmsg("there is no batch operation %s", ow_api_uuid_text(batch_id)),
				 errdetail("Or it is not yours.")));
}

/* What somebody has chosen must not be done to with the rights of another: those may go further. */
static void
check_owner(const OwBatchOperation *batch)
{
	if (GetUserId() == batch->owner)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to run batch operation %s", ow_api_uuid_text(&batch->batch_id)),
			 errdetail("It is done with the rights of the role that has made it, \"%s\".",
					   ow_api_role_name(batch->owner)),
			 errhint("Run it as that role, by SET ROLE perhaps.")));
}

/*
 * take_batch_chunk(batch_id uuid): one row with what is to be done next, all of it null when there is nothing; locked
 * until the transaction ends
 */
Datum
ow_take_batch_chunk(PG_FUNCTION_ARGS)
{
	OwBatchOperation batch;
	OwBatchChunk chunk;
	TupleDesc	descriptor;
	Datum		values[7] = {0};
	bool		nulls[7];

	PreventCommandIfReadOnly("workflow.run_batch_operation()");
	find_batch(fcinfo, &batch);
	check_owner(&batch);
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(nulls, true, sizeof(nulls));
	if (!batch.canceled && ow_batch_chunk_take(&batch.batch_id, &chunk))
	{
		memset(nulls, false, sizeof(nulls));
		values[0] = Int32GetDatum(chunk.chunk);
		values[1] = chunk.run_ids;
		values[2] = CStringGetTextDatum(batch.operation);
		values[3] = JsonbPGetDatum(batch.arguments);
		nulls[4] = batch.reason == NULL;
		if (batch.reason != NULL)
			values[4] = CStringGetTextDatum(batch.reason);
		values[5] = BoolGetDatum(batch.dry_run);
		values[6] = Float8GetDatum(batch.rate_per_second);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/* finish_batch_chunk(batch_id uuid, chunk int, errors jsonb) RETURNS boolean */
Datum
ow_finish_batch_chunk(PG_FUNCTION_ARGS)
{
	OwBatchOperation batch;

	PreventCommandIfReadOnly("workflow.run_batch_operation()");
	find_batch(fcinfo, &batch);
	check_owner(&batch);
	PG_RETURN_BOOL(ow_batch_chunk_finish(&batch.batch_id, PG_GETARG_INT32(1), PG_GETARG_JSONB_P(2)));
}

/* cancel_batch(batch_id uuid) RETURNS boolean */
Datum
ow_cancel_batch(PG_FUNCTION_ARGS)
{
	OwBatchOperation batch;

	PreventCommandIfReadOnly("workflow.cancel_batch()");
	find_batch(fcinfo, &batch);
	PG_RETURN_BOOL(ow_batch_operation_cancel(&batch.batch_id, GetUserId()));
}

/* delete_batch(batch_id uuid) RETURNS void */
Datum
ow_delete_batch(PG_FUNCTION_ARGS)
{
	OwBatchOperation batch;

	PreventCommandIfReadOnly("workflow.delete_batch()");
	find_batch(fcinfo, &batch);
	if (!ow_batch_operation_delete(&batch.batch_id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch operation %s is not done", ow_api_uuid_text(&batch.batch_id)),
				 errhint("End it first, by workflow.cancel_batch().")));
	PG_RETURN_VOID();
}
