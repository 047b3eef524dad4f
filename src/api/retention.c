/*
 * retention.c
 *		SQL-callable: how long closed runs are kept, and the leaves of the ring that they are in.
 *
 * What empties the leaves is SQL: sql/functions/76_retention.sql.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/clock.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "store/retention.h"
#include "store/store.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_set_retention);
PG_FUNCTION_INFO_V1(ow_set_retention_class);
PG_FUNCTION_INFO_V1(ow_retention_leaves);

static void
check_positive(const Interval *keep)
{
	if (ow_retention_us(keep) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep must be positive")));
}

/* The class that keeps runs long enough, and no longer than it must */
static OwRetention
class_for(const Interval *keep)
{
	int64		keep_us = ow_retention_us(keep);
	int			found = -1;
	int64		found_us = 0;

	for (int class = 0; class < OW_RETENTION_FOREVER; class++)
	{
		int64		class_us = ow_catalog_keep_us(class);

		if (class_us >= keep_us && (found < 0 || class_us < found_us))
		{
			found = class;
			found_us = class_us;
		}
	}
	if (found < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no retention class keeps runs for that long"),
				 errhint("Lengthen one by workflow.set_retention_class(), or keep them for ever, by NULL.")));
	return found;
}

/* set_retention(workflow text, keep interval) RETURNS text: the class */
Datum
ow_set_retention(PG_FUNCTION_ARGS)
{
	char	   *workflow = ow_api_text(fcinfo, 0, "workflow");
	OwRetention class = OW_RETENTION_FOREVER;
	Oid			owner;

	PreventCommandIfReadOnly("workflow.set_retention()");
	if (!ow_catalog_find_type(workflow, &owner, NULL))
		(void) ow_api_definition(workflow, 0);	/* raises */
	ow_api_check_owns(workflow, owner);
	if (!PG_ARGISNULL(1))
	{
		check_positive(PG_GETARG_INTERVAL_P(1));
		class = class_for(PG_GETARG_INTERVAL_P(1));
	}
	ow_retention_set(workflow, class);
	PG_RETURN_TEXT_P(cstring_to_text(ow_retention_name(class)));
}

static OwRetention
class_argument(FunctionCallInfo fcinfo, int argument)
{
	char	   *name = ow_api_text(fcinfo, argument, "class");

	if (!ow_retention_is_name(name) || ow_retention_from_name(name) == OW_RETENTION_FOREVER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no retention class \"%s\" whose time can be set", name),
				 errhint("Classes are: short, normal, long.")));
	return ow_retention_from_name(name);
}

/* set_retention_class(class text, keep interval) */
Datum
ow_set_retention_class(PG_FUNCTION_ARGS)
{
	OwRetention class;

	PreventCommandIfReadOnly("workflow.set_retention_class()");
	if (!has_privs_of_role(GetUserId(), ow_store_owner()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be a member of the extension's owner to set how long runs are kept")));
	class = class_argument(fcinfo, 0);
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("keep must not be null")));
	check_positive(PG_GETARG_INTERVAL_P(1));
	ow_retention_set_keep(class, PG_GETARG_INTERVAL_P(1));
	PG_RETURN_VOID();
}

/* What was changed applies to what starts from now on: what is there already is kept as long as that. */
static TimestampTz
due_at(const OwLeaf *leaf)
{
	TimestampTz changed_at = ow_retention_changed_at(leaf->class);

	return changed_at == DT_NOBEGIN ? leaf->due_at : Max(leaf->due_at, changed_at + leaf->keep_us);
}

static Interval *
interval_of(int64 us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->day = us / USECS_PER_DAY;
	interval->time = us % USECS_PER_DAY;
	return interval;
}

static void
put_leaf(ReturnSetInfo *result, int bucket, TimestampTz at)
{
	OwRetention class = ow_retention_of_bucket(bucket);
	bool		for_ever = class == OW_RETENTION_FOREVER;
	OwLeaf		leaf;
	Datum		values[8];
	bool		nulls[8] = {0};

	ow_retention_leaf(bucket, for_ever ? OW_LEAVES : ow_catalog_keep_us(class), at, &leaf);
	values[0] = Int16GetDatum(bucket);
	values[1] = CStringGetTextDatum(ow_retention_name(class));
	values[2] = IntervalPGetDatum(interval_of(leaf.keep_us));
	values[3] = TimestampTzGetDatum(leaf.filled_from);
	values[4] = TimestampTzGetDatum(leaf.filled_until);
	values[5] = TimestampTzGetDatum(for_ever ? 0 : due_at(&leaf));
	values[6] = BoolGetDatum(for_ever || leaf.is_filled);
	values[7] = BoolGetDatum(!for_ever && !leaf.is_filled && at >= DatumGetTimestampTz(values[5]));
	for (int column = 2; column <= 5; column++)
		nulls[column] = for_ever;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* retention_leaves(at timestamptz): the ring as it is then; null: now, by the engine's clock */
Datum
ow_retention_leaves(PG_FUNCTION_ARGS)
{
	TimestampTz at = PG_ARGISNULL(0) ? ow_clock_now() : PG_GETARG_TIMESTAMPTZ(0);

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at must be finite")));
	InitMaterializedSRF(fcinfo, 0);
	for (int bucket = 0; bucket < OW_BUCKETS; bucket++)
		put_leaf((ReturnSetInfo *) fcinfo->resultinfo, bucket, at);
	PG_RETURN_NULL();
}
