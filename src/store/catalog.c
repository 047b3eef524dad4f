/*
 * catalog.c
 *		The per-backend caches of definitions, workflow types, activities and grants.
 *
 * What can change lives in a generation: one memory context with all of it.  An invalidation marks
 * the generation stale; the next lookup starts a new one, and the old one is freed when the
 * transaction ends, so that nobody's pointer dies under him in mid-batch.  Definitions are
 * immutable and stay for the life of the backend; only DDL on their table (DROP EXTENSION) retires
 * them, in the same way.  There is no limit: a backend holds the definitions and activities it has
 * used.
 *
 * An entry may be read by a snapshot that is older than the invalidation that came in meanwhile, so
 * every load is repeated until none did.  What a transaction-long snapshot (REPEATABLE READ) has
 * read is forgotten when the transaction ends.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type_d.h"
#include "errors.h"
#include "machine/json.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "store/catalog.h"
#include "store/log_level.h"
#include "store/store.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* Names have at most 400 characters, those that users choose 200 */
#define NAME_KEY_SIZE (400 * MAX_MULTIBYTE_CHAR_LEN + 1)

typedef struct CachedGrant
{
	Oid			grantee;
	int			privileges;		/* OwPrivilege bits */
} CachedGrant;

typedef struct CachedType
{
	char		name[NAME_KEY_SIZE];	/* hash key */
	Oid			owner;
	int			current_version;	/* 0: none */
	int			definition_id;	/* of the current version; 0: none */
	int			ramp_definition_id; /* what part of the new runs follow instead; 0: none does */
	double		ramp_percent;
	OwRetention retention;
	int			log_kinds;		/* OwLogKind bits; -1: as order_workflow.log_events has it */
	List	   *grants;			/* of CachedGrant * */
} CachedType;

typedef struct CachedActivity
{
	OwActivity	public;			/* first */
	OwSqlFunction function;
	List	   *grantees;		/* Oids */
} CachedActivity;

typedef struct ActivityEntry
{
	char		name[NAME_KEY_SIZE];	/* hash key */
	CachedActivity *activity;
} ActivityEntry;

typedef struct DefinitionEntry
{
	int			definition_id;	/* hash key */
	OwCompiled *compiled;
} DefinitionEntry;

typedef struct Generation
{
	MemoryContext context;
	HTAB	   *types;
	HTAB	   *activities;
	int64		keep_us[OW_RETENTION_FOREVER];	/* 0: not read yet */
} Generation;

static Generation *current;
static MemoryContext definitions_context;
static HTAB *definitions;
static List *retired;			/* contexts to be freed at the end of the transaction */

/* Set by invalidation callbacks, which may do nothing else */
static bool generation_stale;
static bool definitions_stale;
static uint64 invalidations;

static bool forget_at_end;		/* read under a transaction-long snapshot */

/* Relations whose invalidations count, as of when the caches were begun */
static Oid	type_relation;
static Oid	definition_relation;

static OwStatement read_type = {
	.sql =
	"SELECT t.owner, t.current_version, d.definition_id, r.definition_id, t.ramp_percent, t.retention, t.log_events"
	"  FROM workflow.workflow_type t"
	"  LEFT JOIN workflow.definition d ON d.workflow = t.name AND d.version = t.current_version"
	"  LEFT JOIN workflow.definition r ON r.workflow = t.name AND r.version = t.ramp_version"
	" WHERE t.name = $1",
	.argument_types = "text"
};

static OwStatement read_workflow_grants = {
	.sql =
	"SELECT g.grantee, g.privilege FROM workflow.workflow_grant g WHERE g.workflow = $1",
	.argument_types = "text"
};

static OwStatement read_version = {
	.sql =
	"SELECT d.definition_id FROM workflow.definition d WHERE d.workflow = $1 AND d.version = $2",
	.argument_types = "text,int"
};

static OwStatement read_definition = {
	.sql =
	"SELECT d.workflow, d.version, t.owner, d.definition, d.created_at"
	"  FROM workflow.definition d JOIN workflow.workflow_type t ON t.name = d.workflow"
	" WHERE d.definition_id = $1",
	.argument_types = "int"
};

static OwStatement read_activity = {
	.sql =
	"SELECT a.owner, a.kind, a.function_schema, a.function_name, a.function_arguments, a.options,"
	"       a.quarantined_at IS NOT NULL, a.created_at, a.function_hash,"
	"       coalesce((SELECT r.in_force_from FROM workflow.activity_registration r"
	"                  WHERE r.activity = a.name ORDER BY r.registered_at DESC LIMIT 1), a.registered_at)"
	"  FROM workflow.activity a WHERE a.name = $1",
	.argument_types = "text"
};

static OwStatement read_activity_grants = {
	.sql =
	"SELECT g.grantee FROM workflow.activity_grant g WHERE g.activity = $1",
	.argument_types = "text"
};

static OwStatement read_retention = {
	.sql = "SELECT r.class, r.keep FROM workflow.retention_class r",
	.argument_types = ""
};

/* ---- invalidation ---- */

static void
relation_changed(Datum arg, Oid relation)
{
	if (OidIsValid(relation) && relation != type_relation && relation != definition_relation)
		return;
	generation_stale = true;
	if (relation != type_relation)
		definitions_stale = true;
	invalidations++;
}

/*
 * A function or schema was made, changed or dropped: what an activity's name stands for may differ.
 */
static void
function_changed(Datum arg, int cache, uint32 hash)
{
	generation_stale = true;
	invalidations++;
}

static void
transaction_ended(XactEvent event, void *arg)
{
	ListCell   *cell;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			break;
		default:
			return;
	}
	foreach(cell, retired)
		MemoryContextDelete(lfirst(cell));
	list_free(retired);
	retired = NIL;
	if (forget_at_end)
		generation_stale = true;
	forget_at_end = false;
}

void
ow_catalog_init(void)
{
	static bool done = false;

	if (done)
		return;
	done = true;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, function_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, function_changed, (Datum) 0);
	RegisterXactCallback(transaction_ended, NULL);
}

/*
 * Tells every backend, this one at once, that a type, activity, grant or the retention has changed.
 */
void
ow_catalog_changed(void)
{
	Oid			relation = ow_store_relation("workflow_type");

	if (OidIsValid(relation))
		CacheInvalidateRelcacheByRelid(relation);
	/* makes the message count here too if the transaction is rolled back */
	CommandCounterIncrement();
	generation_stale = true;
	invalidations++;
}

/* ---- generations ---- */

static void
retire(MemoryContext context)
{
	MemoryContext previous = MemoryContextSwitchTo(TopMemoryContext);

	retired = lappend(retired, context);
	MemoryContextSwitchTo(previous);
}

static HTAB *
make_hash(const char *name, Size key_size, Size entry_size, bool strings, MemoryContext context)
{
	HASHCTL		control = {.keysize = key_size, .entrysize = entry_size, .hcxt = context};

	int			flags = HASH_ELEM | HASH_CONTEXT | (strings ? HASH_STRINGS : HASH_BLOBS);

	return hash_create(name, 32, &control, flags);
}

static void
begin_generation(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "order_workflow catalog",
												  ALLOCSET_DEFAULT_SIZES);
	Generation *generation = MemoryContextAllocZero(context, sizeof(Generation));

	generation->context = context;
	generation->types = make_hash("order_workflow types", NAME_KEY_SIZE, sizeof(CachedType), true,
								  context);
	generation->activities = make_hash("order_workflow activities", NAME_KEY_SIZE,
									   sizeof(ActivityEntry), true,
									   context);
	current = generation;
}

static void
begin_definitions(void)
{
	definitions_context = AllocSetContextCreate(TopMemoryContext, "order_workflow definitions",
												ALLOCSET_DEFAULT_SIZES);
	definitions = make_hash("order_workflow definitions", sizeof(int), sizeof(DefinitionEntry),
							false,
							definitions_context);
}

/*
 * Makes caches that no invalidation has reached so far the current ones.  Returns the count of
 * invalidations: a load during which it moved has to be repeated.
 */
static uint64
refresh(void)
{
	ow_catalog_init();
	if (generation_stale && current != NULL)
	{
		retire(current->context);
		current = NULL;
	}
	if (definitions_stale && definitions != NULL)
	{
		retire(definitions_context);
		definitions = NULL;
	}
	if (current == NULL)
	{
		generation_stale = false;
		type_relation = ow_store_relation("workflow_type");
		begin_generation();
	}
	if (definitions == NULL)
	{
		definitions_stale = false;
		definition_relation = ow_store_relation("definition");
		begin_definitions();
	}
	if (IsolationUsesXactSnapshot())
		forget_at_end = true;
	return invalidations;
}

uint64
ow_catalog_changes(void)
{
	return refresh();
}

static bool
is_possible_name(const char *name)
{
	return strlen(name) < NAME_KEY_SIZE;
}

/* ---- workflow types ---- */

static int
privilege_bit(const char *name)
{
	if (strcmp(name, "start") == 0)
		return OW_PRIVILEGE_START;
	if (strcmp(name, "signal") == 0)
		return OW_PRIVILEGE_SIGNAL;
	if (strcmp(name, "cancel") == 0)
		return OW_PRIVILEGE_CANCEL;
	Assert(strcmp(name, "read") == 0);
	return OW_PRIVILEGE_READ;
}

static int
result_int(uint64 row, int column)
{
	bool		isnull;
	Datum		value = ow_store_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

/* Reads a type's row and its grants; false when there is none. */
static bool
load_type(const char *name, CachedType *type)
{
	Datum		values[1] = {CStringGetTextDatum(name)};
	char	   *log_events;
	uint64		count;
	bool		isnull;

	memset(type, 0, sizeof(CachedType));
	ow_store_open();
	count = ow_store_execute(&read_type, values, NULL);
	if (count > 0)
	{
		type->owner = (Oid) result_int(0, 1);
		type->current_version = result_int(0, 2);
		type->definition_id = result_int(0, 3);
		type->ramp_definition_id = result_int(0, 4);
		type->ramp_percent = DatumGetFloat8(ow_store_datum(0, 5, &isnull));
		type->retention = ow_retention_from_name(ow_store_text(0, 6));
		log_events = ow_store_text(0, 7);
		type->log_kinds = log_events ? ow_log_level_parse(log_events) : -1;
		count = ow_store_execute(&read_workflow_grants, values, NULL);
		for (uint64 row = 0; row < count; row++)
		{
			MemoryContext previous = MemoryContextSwitchTo(current->context);
			CachedGrant *grant = palloc(sizeof(CachedGrant));

			grant->grantee = (Oid) result_int(row, 1);
			grant->privileges = privilege_bit(ow_store_text(row, 2));
			type->grants = lappend(type->grants, grant);
			MemoryContextSwitchTo(previous);
		}
		ow_store_close();
		return true;
	}
	ow_store_close();
	return false;
}

static const CachedType *
find_type(const char *name)
{
	uint64		seen = refresh();
	CachedType *entry;
	CachedType	loaded;
	bool		known;

	if (!is_possible_name(name))
		return NULL;
	entry = hash_search(current->types, name, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;
	for (;;)
	{
		known = load_type(name, &loaded);
		if (seen == invalidations)
			break;
		seen = refresh();
	}
	if (!known)
		return NULL;
	entry = hash_search(current->types, name, HASH_ENTER, NULL);
	memcpy(loaded.name, entry->name, NAME_KEY_SIZE);
	*entry = loaded;
	return entry;
}

bool
ow_catalog_find_type(const char *workflow, Oid *owner, int *current_version)
{
	const CachedType *type = find_type(workflow);

	if (type == NULL)
		return false;
	*owner = type->owner;
	if (current_version != NULL)
		*current_version = type->current_version;
	return true;
}

/*
 * Tells whether role may do that with somebody's workflow.  The common case, the owner himself, is
 * answered without any table.
 */
bool
ow_catalog_may(Oid role, const char *workflow, Oid owner, int privileges)
{
	const CachedType *type;
	ListCell   *cell;

	if (has_privs_of_role(role, owner))
		return true;
	type = find_type(workflow);
	if (type == NULL)
		return false;
	foreach(cell, type->grants)
	{
		const CachedGrant *grant = lfirst(cell);

		if ((grant->privileges & privileges) != 0 && has_privs_of_role(role, grant->grantee))
			return true;
	}
	return false;
}

/* ---- definitions ---- */

static void
report_broken_definition(const OwCompiled *compiled, const OwProblems *problems)
{
	const OwProblem *first = problems->list == NIL ? NULL : linitial(problems->list);

	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_DEFINITION),
			 errmsg("version %d of workflow \"%s\" cannot be compiled",
					compiled->version, compiled->workflow),
			 first ? errdetail("%s: %s", first->path ? first->path : "definition",
							   first->message) : 0,
			 errhint("It was registered with another version of the extension. Register a corrected version and move runs to it with workflow.retry().")));
}

/* Reads and compiles a definition, in a context of its own; NULL when there is no such row. */
static OwCompiled *
load_definition(int definition_id)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "order_workflow definition",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	Datum		values[1] = {Int32GetDatum(definition_id)};
	OwProblems	problems = {0};
	OwCompiled *compiled = NULL;
	Jsonb	   *source = NULL;

	ow_store_open();
	if (ow_store_execute(&read_definition, values, NULL) > 0)
	{
		compiled = MemoryContextAllocZero(context, sizeof(OwCompiled));
		compiled->definition_id = definition_id;
		compiled->workflow = ow_store_text(0, 1);
		compiled->version = result_int(0, 2);
		compiled->owner = (Oid) result_int(0, 3);
		source = ow_store_jsonb(0, 4);
		compiled->created_at = ow_store_time(0, 5);
	}
	ow_store_close();
	if (compiled != NULL)
	{
		compiled->definition = ow_definition_compile(source, &problems);
		if (compiled->definition == NULL)
			report_broken_definition(compiled, &problems);
	}
	MemoryContextSwitchTo(previous);
	if (compiled == NULL)
		MemoryContextDelete(context);
	return compiled;
}

static OwCompiled *
find_compiled(int definition_id)
{
	DefinitionEntry *entry;
	OwCompiled *compiled;
	uint64		seen;

	(void) refresh();
	entry = hash_search(definitions, &definition_id, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->compiled;
	do
	{
		seen = refresh();
		compiled = load_definition(definition_id);
	} while (seen != invalidations);
	if (compiled == NULL)
		return NULL;
	MemoryContextSetParent(GetMemoryChunkContext(compiled), definitions_context);
	entry = hash_search(definitions, &definition_id, HASH_ENTER, NULL);
	entry->compiled = compiled;
	return compiled;
}

const OwCompiled *
ow_catalog_definition(int definition_id)
{
	const OwCompiled *compiled = find_compiled(definition_id);

	if (compiled == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_VERSION_NOT_FOUND),
				 errmsg("workflow definition %d does not exist", definition_id)));
	return compiled;
}

/* Seldom asked for: not cached */
static int
find_version(const char *workflow, int version)
{
	Datum		values[2] = {CStringGetTextDatum(workflow), Int32GetDatum(version)};
	int			definition_id = 0;

	ow_store_open();
	if (ow_store_execute(&read_version, values, NULL) > 0)
		definition_id = result_int(0, 1);
	ow_store_close();
	return definition_id;
}

const OwCompiled *
ow_catalog_find_definition(const char *workflow, int version)
{
	const CachedType *type = find_type(workflow);
	OwCompiled *compiled;
	Oid			owner;
	int			definition_id;

	if (type == NULL)
		return NULL;
	owner = type->owner;
	definition_id = version == 0 || version == type->current_version ?
		type->definition_id : find_version(workflow, version);
	if (definition_id == 0)
		return NULL;
	compiled = find_compiled(definition_id);
	if (compiled != NULL)
		compiled->owner = owner;
	return compiled;
}

const OwCompiled *
ow_catalog_ramped(const char *workflow, double *percent)
{
	const CachedType *type = find_type(workflow);
	OwCompiled *compiled;
	Oid			owner;

	if (type == NULL || type->ramp_definition_id == 0)
		return NULL;
	owner = type->owner;
	*percent = type->ramp_percent;
	compiled = find_compiled(type->ramp_definition_id);
	if (compiled != NULL)
		compiled->owner = owner;
	return compiled;
}

/* ---- activities ---- */

static void
load_options(const Jsonb *source, OwTaskOptions *options)
{
	OwProblems	problems = {0};
	OwTaskOptions *compiled = ow_task_options_compile(source, "options", &problems);

	if (compiled != NULL)
		*options = *compiled;
	else
		ow_task_options_init(options);
}

/* Fills an activity from the current result row; everything in the current context. */
static Jsonb *
read_activity_row(CachedActivity *activity)
{
	OwSqlFunction *function = &activity->function;
	char	   *kind = ow_store_text(0, 2);
	bool		isnull;

	function->owner = (Oid) result_int(0, 1);
	function->schema = ow_store_text(0, 3);
	function->name = ow_store_text(0, 4);
	function->arguments = ow_store_text(0, 5);
	activity->public.kind = strcmp(kind, "sql") == 0 ? OW_ACTIVITY_SQL : OW_ACTIVITY_QUEUE;
	activity->public.quarantined = DatumGetBool(ow_store_datum(0, 7, &isnull));
	function->created_at = ow_store_time(0, 8);
	function->hash = ow_store_text(0, 9);
	function->in_force_from = ow_store_time(0, 10);
	activity->public.shell = function;
	return ow_store_jsonb(0, 6);
}

static CachedActivity *
load_activity(const char *name)
{
	Datum		values[1] = {CStringGetTextDatum(name)};	/* not the generation's */
	MemoryContext previous = MemoryContextSwitchTo(current->context);
	CachedActivity *activity = NULL;
	Jsonb	   *options = NULL;
	uint64		count;

	/* the store copies results to the context it was opened in: the generation's */
	ow_store_open();
	if (ow_store_execute(&read_activity, values, NULL) > 0)
	{
		activity = MemoryContextAllocZero(current->context, sizeof(CachedActivity));
		options = read_activity_row(activity);
		count = ow_store_execute(&read_activity_grants, values, NULL);
		for (uint64 row = 0; row < count; row++)
		{
			Oid			grantee = (Oid) result_int(row, 1);
			MemoryContext spi = MemoryContextSwitchTo(current->context);

			activity->grantees = lappend_oid(activity->grantees, grantee);
			MemoryContextSwitchTo(spi);
		}
	}
	ow_store_close();
	if (activity != NULL)
	{
		activity->public.name = pstrdup(name);
		activity->function.context = current->context;
		load_options(options, &activity->public.options);
		if (activity->public.kind == OW_ACTIVITY_SQL)
		{
			activity->function.function = ow_catalog_resolve(&activity->function);
			activity->public.missing = !OidIsValid(activity->function.function);
		}
	}
	MemoryContextSwitchTo(previous);
	return activity;
}

const OwActivity *
ow_catalog_activity(const char *name)
{
	uint64		seen = refresh();
	ActivityEntry *entry;
	CachedActivity *activity;

	if (!is_possible_name(name))
		return NULL;
	entry = hash_search(current->activities, name, HASH_FIND, NULL);
	if (entry != NULL)
		return &entry->activity->public;
	for (;;)
	{
		activity = load_activity(name);
		if (seen == invalidations)
			break;
		seen = refresh();
	}
	if (activity == NULL)
		return NULL;
	entry = hash_search(current->activities, name, HASH_ENTER, NULL);
	entry->activity = activity;
	return &activity->public;
}

/*
 * Somebody else's function would run with the rights of the definition's owner, so two must agree: the
 * activity's owner by a grant, or by being a role the other is a member of; and the definition's owner
 * by naming an activity that was there.  Being a superuser is no consent.
 */
bool
ow_catalog_may_use(Oid owner, const OwActivity *activity, TimestampTz defined_at)
{
	const CachedActivity *cached = (const CachedActivity *) activity;
	ListCell   *cell;

	if (owner == cached->function.owner)
		return true;
	if (cached->function.created_at >= defined_at)
		return false;
	if (is_member_of_role_nosuper(owner, cached->function.owner))
		return true;
	foreach(cell, cached->grantees)
	{
		if (is_member_of_role_nosuper(owner, lfirst_oid(cell)))
			return true;
	}
	return false;
}

/* ---- retention ---- */

static void
load_retention(int64 *keep_us)
{
	uint64		count;

	for (int class = 0; class < OW_RETENTION_FOREVER; class++)
		keep_us[class] = ow_retention_default(class);
	ow_store_open();
	count = ow_store_execute(&read_retention, NULL, NULL);
	for (uint64 row = 0; row < count; row++)
	{
		bool		isnull;
		Datum		keep = ow_store_datum(row, 2, &isnull);

		keep_us[ow_retention_from_name(ow_store_text(row, 1))] = ow_retention_us(DatumGetIntervalP(keep));
	}
	ow_store_close();
}

int64
ow_catalog_keep_us(OwRetention class)
{
	uint64		seen = refresh();

	while (current->keep_us[class] == 0)
	{
		int64		keep_us[OW_RETENTION_FOREVER];

		load_retention(keep_us);
		if (seen == invalidations)
			memcpy(current->keep_us, keep_us, sizeof(keep_us));
		else
			seen = refresh();
	}
	return current->keep_us[class];
}

OwRetention
ow_catalog_retention(const char *workflow)
{
	const CachedType *type = find_type(workflow);

	return type ? type->retention : OW_RETENTION_NORMAL;
}

int
ow_catalog_log_kinds(const char *workflow)
{
	const CachedType *type = find_type(workflow);

	return type == NULL || type->log_kinds < 0 ? ow_log_kinds : type->log_kinds;
}
