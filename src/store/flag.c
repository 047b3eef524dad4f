/*
 * flag.c
 *		Feature flags, cached per backend.
 *
 * A flag is known by the role whose runs it is for, besides its name: so nobody can set one that somebody else's runs
 * read.  What is cached is forgotten whenever anything in the catalog has changed, of which writing a flag is one.
 */
#include "postgres.h"

#include "access/xact.h"
#include "machine/json.h"
#include "mb/pg_wchar.h"
#include "store/catalog.h"
#include "store/flag.h"
#include "store/store.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* An Oid, a colon, and a name of at most 200 characters */
#define FLAG_KEY_SIZE (12 + 200 * MAX_MULTIBYTE_CHAR_LEN + 1)

typedef struct Flag
{
	char		key[FLAG_KEY_SIZE]; /* hash key */
	Jsonb	   *value;			/* NULL: there is no such flag */
	double		percent;
} Flag;

static MemoryContext flags_context;
static HTAB *flags;
static uint64 flags_changes;	/* of the catalog, when they were begun */

static OwStatement write_flag = {
	.sql =
	"INSERT INTO workflow.flag (owner, name, value, percent, set_by) VALUES ($1, $2, $3, $4, $5)"
	" ON CONFLICT (owner, name) DO UPDATE"
	" SET value = excluded.value, percent = excluded.percent, set_by = excluded.set_by, set_at = clock_timestamp()",
	.argument_types = "regrole,text,jsonb,float8,regrole"
};

static OwStatement delete_flag = {
	.sql = "DELETE FROM workflow.flag WHERE owner = $1 AND name = $2",
	.argument_types = "regrole,text"
};

static OwStatement read_flag = {
	.sql = "SELECT f.value, f.percent FROM workflow.flag f WHERE f.owner = $1 AND f.name = $2",
	.argument_types = "regrole,text"
};

void
ow_flag_set(Oid owner, const char *name, Jsonb *value, double percent, Oid set_by)
{
	Datum		values[5] = {
		ObjectIdGetDatum(owner), CStringGetTextDatum(name), JsonbPGetDatum(value), Float8GetDatum(percent),
		ObjectIdGetDatum(set_by)
	};

	ow_store_open();
	ow_store_execute(value ? &write_flag : &delete_flag, values, NULL);
	ow_store_close();
	ow_catalog_changed();
}

static void
begin_flags(uint64 changes)
{
	HASHCTL		control = {.keysize = FLAG_KEY_SIZE, .entrysize = sizeof(Flag)};

	if (flags_context == NULL)
		flags_context = AllocSetContextCreate(TopMemoryContext, "order_workflow flags", ALLOCSET_DEFAULT_SIZES);
	flags = NULL;
	MemoryContextReset(flags_context);
	control.hcxt = flags_context;
	flags = hash_create("order_workflow flags", 16, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	flags_changes = changes;
}

static void
load(Oid owner, const char *name, Flag *flag)
{
	Datum		values[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};
	bool		isnull;

	flag->value = NULL;
	flag->percent = 0;
	ow_store_open();
	if (ow_store_execute(&read_flag, values, NULL) > 0)
	{
		flag->value = ow_store_jsonb(0, 1);
		flag->percent = DatumGetFloat8(ow_store_datum(0, 2, &isnull));
	}
	ow_store_close();
}

static void
remember(const Flag *flag)
{
	Jsonb	   *kept = NULL;
	Flag	   *entry;

	if (flag->value != NULL)
	{
		kept = MemoryContextAlloc(flags_context, VARSIZE(flag->value));
		memcpy(kept, flag->value, VARSIZE(flag->value));
	}
	entry = hash_search(flags, flag->key, HASH_ENTER, NULL);
	entry->value = kept;
	entry->percent = flag->percent;
}

/* What a snapshot of before shows is good for its transaction only: not cached. */
static void
find_flag(Oid owner, const char *name, Flag *flag)
{
	uint64		changes = ow_catalog_changes();
	const Flag *known;

	snprintf(flag->key, FLAG_KEY_SIZE, "%u:%s", owner, name);
	if (flags == NULL || flags_changes != changes)
		begin_flags(changes);
	known = hash_search(flags, flag->key, HASH_FIND, NULL);
	if (known != NULL)
	{
		flag->value = known->value ? ow_json_copy(known->value) : NULL;
		flag->percent = known->percent;
		return;
	}
	load(owner, name, flag);
	if (!IsolationUsesXactSnapshot() && changes == ow_catalog_changes())
		remember(flag);
}

Jsonb *
ow_flag_read(void *arg, const OwRun *run, const char *name)
{
	Oid			owner = run->owner ? get_role_oid(run->owner, true) : InvalidOid;
	Flag		flag;

	if (!OidIsValid(owner))
		return NULL;
	find_flag(owner, name, &flag);
	return flag.value != NULL && ow_catalog_share(name, run->workflow_id) < flag.percent ? flag.value : NULL;
}
