/*
 * retention.c
 *		Retention classes: their leaves, and what is set of them.
 */
#include "postgres.h"

#include "engine/clock.h"
#include "store/catalog.h"
#include "store/retention.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static const struct
{
	const char *name;
	int			days;
}			classes[] = {
	[OW_RETENTION_SHORT] = {"short", 1},
	[OW_RETENTION_NORMAL] = {"normal", 30},
	[OW_RETENTION_LONG] = {"long", 365},
	[OW_RETENTION_FOREVER] = {"forever", 0}
};

static OwStatement set_class = {
	.sql = "UPDATE workflow.workflow_type SET retention = $2 WHERE name = $1",
	.argument_types = "text,text"
};

static OwStatement set_keep = {
	.sql =
	"INSERT INTO workflow.retention_class (class, keep, changed_at) VALUES ($1, $2, $3)"
	" ON CONFLICT (class) DO UPDATE SET keep = excluded.keep, changed_at = excluded.changed_at",
	.argument_types = "text,interval,timestamptz"
};

static OwStatement read_change = {
	.sql = "SELECT changed_at FROM workflow.retention_class WHERE class = $1",
	.argument_types = "text"
};

/* ---- names ---- */

const char *
ow_retention_name(OwRetention class)
{
	return classes[class].name;
}

bool
ow_retention_is_name(const char *name)
{
	for (int class = 0; class < (int) lengthof(classes); class++)
	{
		if (strcmp(classes[class].name, name) == 0)
			return true;
	}
	return false;
}

OwRetention
ow_retention_from_name(const char *name)
{
	for (int class = 0; class < (int) lengthof(classes); class++)
	{
		if (strcmp(classes[class].name, name) == 0)
			return class;
	}
	elog(ERROR, "unknown retention class \"%s\"", name);
	return OW_RETENTION_NORMAL;
}

int64
ow_retention_default(OwRetention class)
{
	return classes[class].days * USECS_PER_DAY;
}

int64
ow_retention_us(const Interval *interval)
{
	int64		days = interval->day + (int64) interval->month * DAYS_PER_MONTH;

	return interval->time + days * USECS_PER_DAY;
}

/* ---- leaves ---- */

/* The time that shares a leaf: all but two of them hold what must be kept, and one is being filled. */
static int64
period_of(int64 keep_us)
{
	return Max(keep_us / (OW_LEAVES - 2), 1);
}

/* Rounds down, also before 2000. */
static int64
period_number(int64 period, TimestampTz at)
{
	return at / period - (at % period < 0 ? 1 : 0);
}

static int
leaf_of(int64 number)
{
	return (int) ((number % OW_LEAVES + OW_LEAVES) % OW_LEAVES);
}

int
ow_retention_bucket(OwRetention class, int64 keep_us, TimestampTz at)
{
	if (class == OW_RETENTION_FOREVER)
		return OW_BUCKETS - 1;
	return class * OW_LEAVES + leaf_of(period_number(period_of(keep_us), at));
}

OwRetention
ow_retention_of_bucket(int bucket)
{
	return bucket / OW_LEAVES;
}

void
ow_retention_leaf(int bucket, int64 keep_us, TimestampTz at, OwLeaf *leaf)
{
	int64		period = period_of(keep_us);
	int64		now = period_number(period, at);
	int64		number = now - leaf_of(now - bucket % OW_LEAVES);

	memset(leaf, 0, sizeof(OwLeaf));
	leaf->bucket = bucket;
	leaf->class = ow_retention_of_bucket(bucket);
	if (leaf->class == OW_RETENTION_FOREVER)
		return;
	leaf->keep_us = keep_us;
	leaf->filled_from = number * period;
	leaf->filled_until = leaf->filled_from + period;
	leaf->due_at = leaf->filled_until + keep_us;
	leaf->is_filled = number == now;
}

/* ---- settings ---- */

void
ow_retention_set(const char *workflow, OwRetention class)
{
	Datum		values[2] = {CStringGetTextDatum(workflow), CStringGetTextDatum(ow_retention_name(class))};

	ow_store_open();
	ow_store_execute(&set_class, values, NULL);
	ow_store_close();
	ow_catalog_changed();
}

void
ow_retention_set_keep(OwRetention class, const Interval *keep)
{
	Datum		values[3] = {
		CStringGetTextDatum(ow_retention_name(class)), IntervalPGetDatum(keep), TimestampTzGetDatum(ow_clock_now())
	};

	ow_store_open();
	ow_store_execute(&set_keep, values, NULL);
	ow_store_close();
	ow_catalog_changed();
}

TimestampTz
ow_retention_changed_at(OwRetention class)
{
	Datum		values[1] = {CStringGetTextDatum(ow_retention_name(class))};
	TimestampTz changed_at = DT_NOBEGIN;

	ow_store_open();
	if (ow_store_execute(&read_change, values, NULL) > 0)
		changed_at = ow_store_time(0, 1);
	ow_store_close();
	return changed_at;
}
