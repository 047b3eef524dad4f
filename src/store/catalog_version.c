/*
 * catalog_version.c
 *		Which version a run that begins follows, and that it is not retired meanwhile.
 *
 * A version is retired when no run is on it, so whoever is about to start one, which nobody else sees before he commits,
 * holds the version: a shared lock, which whoever retires it asks for alone.  What was chosen before the lock was there
 * is looked up again if anything has changed since.
 */
#include "postgres.h"

#include "access/xact.h"
#include "errors.h"
#include "miscadmin.h"
#include "store/advisory_lock.h"
#include "store/catalog.h"
#include "store/store.h"
#include "utils/inval.h"

static OwStatement read_use = {
	.sql =
	"SELECT d.retired_at IS NOT NULL, d.deprecated_at IS NOT NULL"
	"  FROM workflow.definition d WHERE d.definition_id = $1",
	.argument_types = "int"
};

/* With a snapshot of before, which does not show that it was retired, this cannot be serialized. */
static OwStatement lock_use = {
	.sql =
	"SELECT d.retired_at IS NOT NULL, d.deprecated_at IS NOT NULL"
	"  FROM workflow.definition d WHERE d.definition_id = $1 FOR SHARE",
	.argument_types = "int"
};

static void
lock(int definition_id, LOCKMODE mode)
{
	ow_advisory_lock(OW_LOCK_VERSION, 0, (uint32) definition_id, mode);
	AcceptInvalidationMessages();
}

/* True unless it is retired; it is there, as definitions are never removed. */
static bool
read_usable(int definition_id, bool *deprecated)
{
	Datum		values[1] = {Int32GetDatum(definition_id)};
	bool		usable;

	ow_store_open();
	usable = ow_store_execute(IsolationUsesXactSnapshot() ? &lock_use : &read_use, values, NULL) > 0 &&
		!ow_store_bool(0, 1);
	*deprecated = usable && ow_store_bool(0, 2);
	ow_store_close();
	return usable;
}

bool
ow_catalog_hold(int definition_id, bool *deprecated)
{
	lock(definition_id, ShareLock);
	return read_usable(definition_id, deprecated);
}

void
ow_catalog_let_go(int definition_id)
{
	lock(definition_id, ExclusiveLock);
}

/*
 * FNV-1a, then a finalizer: alike on every architecture, since what was decided for an id must be decided again in a
 * copy of the database.
 */
double
ow_catalog_share(const char *name, const char *id)
{
	const char *texts[] = {name, id};
	uint64		hash = UINT64CONST(14695981039346656037);

	for (int i = 0; i < 2; i++)
	{
		for (const char *at = texts[i]; *at; at++)
			hash = (hash ^ (unsigned char) *at) * UINT64CONST(1099511628211);
		hash = (hash ^ 0xff) * UINT64CONST(1099511628211);	/* no byte of a text */
	}
	hash = (hash ^ (hash >> 33)) * UINT64CONST(0xff51afd7ed558ccd);
	hash = (hash ^ (hash >> 33)) * UINT64CONST(0xc4ceb9fe1a85ec53);
	hash ^= hash >> 33;
	return (double) (hash >> 11) * (100.0 / (double) (UINT64CONST(1) << 53));
}

static const OwCompiled *
choose(const char *workflow, const char *workflow_id)
{
	double		percent;
	const OwCompiled *ramped = ow_catalog_ramped(workflow, &percent);

	if (ramped != NULL && ow_catalog_share(workflow, workflow_id) < percent)
		return ramped;
	return ow_catalog_find_definition(workflow, 0);
}

/* What is current or ramped is never retired: with the lock there is nothing to be read. */
const OwCompiled *
ow_catalog_choose(const char *workflow, const char *workflow_id)
{
	const OwCompiled *chosen;
	bool		deprecated;
	uint64		seen;

	do
	{
		seen = ow_catalog_changes();
		chosen = choose(workflow, workflow_id);
		if (chosen == NULL)
			return NULL;
		lock(chosen->definition_id, ShareLock);
	} while (seen != ow_catalog_changes());
	if (IsolationUsesXactSnapshot() && !read_usable(chosen->definition_id, &deprecated))
		elog(ERROR, "version %d of workflow \"%s\" is current, but retired", chosen->version, workflow);
	return chosen;
}
