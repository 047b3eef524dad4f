/*
 * store.c
 *		Running kept plans as the owner of the extension's tables.
 *
 * As referential-integrity triggers do, the session's user is switched for the length of a store
 * section only, with SECURITY_LOCAL_USERID_CHANGE, so that no user code can reach the switched
 * identity.  An error needs no cleaning up here: the abort of the (sub)transaction restores the user,
 * the search path and SPI; a section left that way is told by its subtransaction, which is over.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "funcapi.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "parser/parse_type.h"
#include "storage/proc.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#define SCHEMA "workflow"

/* Row types of the tables that rows were made for in the open section: looked up once, not for each row */
#define MAX_ROW_TYPES 16

static struct
{
	const char *table;
	Oid			type;
}			row_types[MAX_ROW_TYPES];
static int	nrow_types;

/* The open section */
static struct
{
	LocalTransactionId lxid;
	SubTransactionId subtransaction;
	Oid			saved_user;
	int			saved_security;
	bool		pushed_snapshot;
	Oid			extension;		/* workflow.execution: tells one installation from another */
	MemoryContext caller_context;
}			section;

bool
ow_store_is_open(void)
{
	return section.lxid != InvalidLocalTransactionId && section.lxid == MyProc->lxid &&
		section.subtransaction == GetCurrentSubTransactionId();
}

Oid
ow_store_relation(const char *name)
{
	Oid			schema = get_namespace_oid(SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/* The owner of the tables, looked up each time: ALTER EXTENSION … OWNER may change it. */
Oid
ow_store_owner(void)
{
	Oid			relation = ow_store_relation("execution");
	HeapTuple	tuple;
	Oid			owner;

	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"order_workflow\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION order_workflow.")));
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
ow_store_open(void)
{
	OverrideSearchPath path = {.schemas = NIL, .addCatalog = true, .addTemp = false};
	Oid			owner = ow_store_owner();

	Assert(!ow_store_is_open());
	nrow_types = 0;
	section.caller_context = CurrentMemoryContext;
	section.extension = ow_store_relation("execution");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	GetUserIdAndSecContext(&section.saved_user, &section.saved_security);
	SetUserIdAndSecContext(owner, section.saved_security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	PushOverrideSearchPath(&path);
	/* SPI takes a new snapshot for each statement, but wants one to be there already. */
	section.pushed_snapshot = !ActiveSnapshotSet();
	if (section.pushed_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	section.lxid = MyProc->lxid;
	section.subtransaction = GetCurrentSubTransactionId();
}

void
ow_store_close(void)
{
	Assert(ow_store_is_open());
	section.lxid = InvalidLocalTransactionId;
	if (section.pushed_snapshot)
		PopActiveSnapshot();
	PopOverrideSearchPath();
	SetUserIdAndSecContext(section.saved_user, section.saved_security);
	SPI_finish();
}

static void
prepare(OwStatement *statement)
{
	Oid			types[OW_STATEMENT_MAX_ARGS];
	int			count = 0;
	char	   *list = pstrdup(statement->argument_types);
	SPIPlanPtr	plan;

	for (char *name = strtok(list, ","); name != NULL; name = strtok(NULL, ","))
	{
		int32		typmod;

		if (count == OW_STATEMENT_MAX_ARGS)
			elog(ERROR, "too many arguments for statement: %s", statement->sql);
		parseTypeString(name, &types[count++], &typmod, false);
	}
	plan = SPI_prepare(statement->sql, count, types);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s: %s", SPI_result_code_string(SPI_result), statement->sql);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	if (statement->plan != NULL)
		SPI_freeplan(statement->plan);
	statement->plan = plan;
	statement->plan_for = section.extension;
}

/*
 * Execute with a generic plan that goes by indexes: a plan made while a table was empty must not scan
 * it when it has grown.  Where the planner has no such plan it makes one of an enormous cost, which
 * must not bring in the compiler: that would take longer than all executions together.  The planner's
 * switches are set as variables, since a GUC round trip costs more than most of the statements.
 */
uint64
ow_store_execute(OwStatement *statement, Datum *values, const char *nulls)
{
	bool		saved_seqscan = enable_seqscan;
	bool		saved_bitmapscan = enable_bitmapscan;
	bool		saved_hashjoin = enable_hashjoin;
	bool		saved_mergejoin = enable_mergejoin;
	bool		saved_material = enable_material;
	bool		saved_jit = jit_enabled;
	int			saved_mode = plan_cache_mode;
	int			result;

	Assert(ow_store_is_open());
	enable_seqscan = enable_bitmapscan = enable_hashjoin = enable_mergejoin = enable_material = false;
	jit_enabled = false;
	plan_cache_mode = PLAN_CACHE_MODE_FORCE_GENERIC_PLAN;
	PG_TRY();
	{
		if (statement->plan == NULL || statement->plan_for != section.extension)
			prepare(statement);
		result = SPI_execute_plan(statement->plan, values, nulls, false, 0);
	}
	PG_FINALLY();
	{
		enable_seqscan = saved_seqscan;
		enable_bitmapscan = saved_bitmapscan;
		enable_hashjoin = saved_hashjoin;
		enable_mergejoin = saved_mergejoin;
		enable_material = saved_material;
		jit_enabled = saved_jit;
		plan_cache_mode = saved_mode;
	}
	PG_END_TRY();
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s: %s", SPI_result_code_string(result), statement->sql);
	return SPI_processed;
}

MemoryContext
ow_store_caller_context(void)
{
	return section.caller_context;
}

Datum
ow_store_datum(uint64 row, int column, bool *isnull)
{
	TupleDesc	descriptor = SPI_tuptable->tupdesc;
	Form_pg_attribute attribute = TupleDescAttr(descriptor, column - 1);
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], descriptor, column, isnull);
	MemoryContext previous;

	if (*isnull || attribute->attbyval)
		return value;
	previous = MemoryContextSwitchTo(section.caller_context);
	if (attribute->attlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		value = datumCopy(value, attribute->attbyval, attribute->attlen);
	MemoryContextSwitchTo(previous);
	return value;
}

char *
ow_store_text(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	MemoryContext previous;
	char	   *result;

	if (isnull)
		return NULL;
	previous = MemoryContextSwitchTo(section.caller_context);
	result = TextDatumGetCString(value);
	MemoryContextSwitchTo(previous);
	return result;
}

Jsonb *
ow_store_jsonb(uint64 row, int column)
{
	bool		isnull;
	Datum		value = ow_store_datum(row, column, &isnull);

	return isnull ? NULL : DatumGetJsonbP(value);
}

static Datum
raw_datum(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

int32
ow_store_int(uint64 row, int column)
{
	bool		isnull;
	Datum		value = raw_datum(row, column, &isnull);

	if (isnull)
		return 0;
	return TupleDescAttr(SPI_tuptable->tupdesc, column - 1)->attlen == sizeof(int16) ?
		DatumGetInt16(value) : DatumGetInt32(value);
}

bool
ow_store_bool(uint64 row, int column)
{
	bool		isnull;
	Datum		value = raw_datum(row, column, &isnull);

	return !isnull && DatumGetBool(value);
}

TimestampTz
ow_store_time(uint64 row, int column)
{
	bool		isnull;
	Datum		value = raw_datum(row, column, &isnull);

	return isnull ? DT_NOEND : DatumGetTimestampTz(value);
}

pg_uuid_t
ow_store_uuid(uint64 row, int column)
{
	bool		isnull;
	Datum		value = raw_datum(row, column, &isnull);

	Assert(!isnull);
	return *DatumGetUUIDP(value);
}

static Oid
row_type(const char *table)
{
	Oid			type;

	for (int i = 0; i < nrow_types; i++)
	{
		if (strcmp(row_types[i].table, table) == 0)
			return row_types[i].type;
	}
	type = get_rel_type_id(ow_store_relation(table));
	if (nrow_types < MAX_ROW_TYPES)
	{
		row_types[nrow_types].table = table;
		row_types[nrow_types++].type = type;
	}
	return type;
}

Datum
ow_store_row(const char *table, Datum *values, bool *nulls)
{
	TupleDesc	descriptor = lookup_rowtype_tupdesc(row_type(table), -1);
	HeapTuple	tuple = heap_form_tuple(descriptor, values, nulls);

	ReleaseTupleDesc(descriptor);
	return HeapTupleGetDatum(tuple);
}

Datum
ow_store_row_array(const char *table, Datum *rows, int count)
{
	return PointerGetDatum(construct_array(rows, count, row_type(table), -1, false, TYPALIGN_DOUBLE));
}

Datum
ow_store_int_array(const int32 *values, int count)
{
	Datum	   *datums = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		datums[i] = Int32GetDatum(values[i]);
	return PointerGetDatum(construct_array(datums, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

Datum
ow_store_uuid_array(const pg_uuid_t *values, int count)
{
	Datum	   *datums = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		datums[i] = UUIDPGetDatum(&values[i]);
	return PointerGetDatum(construct_array(datums, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}
