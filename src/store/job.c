/*
 * job.c
 *		Definitions that run one activity: found, or made, and cached per backend.
 *
 * Nothing is locked to make one, so that a long transaction that uses new options keeps nobody else from his own:
 * two at a time may each add the same content, and either serves.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/job.h"
#include "store/registry.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

/* Roles are renamed, and others get their names: then a name is taken */
#define MAX_SAME_NAMES 100

typedef struct JobKey
{
	Oid			role;
	uint32		length;			/* of the options; also, no padding */
	uint64		hash;			/* of activity and options */
} JobKey;

typedef struct JobEntry
{
	JobKey		key;
	char	   *activity;
	Jsonb	   *options;
	int			definition_id;
} JobEntry;

static MemoryContext jobs_context;
static HTAB *jobs;
static uint64 jobs_changes;		/* of the catalog, when they were begun */

bool
ow_job_is_name(const char *workflow)
{
	return strncmp(workflow, OW_JOB_PREFIX, strlen(OW_JOB_PREFIX)) == 0 ||
		strncmp(workflow, OW_ROLE_JOB_PREFIX, strlen(OW_ROLE_JOB_PREFIX)) == 0;
}

/* ---- the cache ---- */

static void
begin_jobs(uint64 changes)
{
	HASHCTL		control = {.keysize = sizeof(JobKey), .entrysize = sizeof(JobEntry)};

	if (jobs_context == NULL)
		jobs_context = AllocSetContextCreate(TopMemoryContext, "order_workflow jobs", ALLOCSET_DEFAULT_SIZES);
	jobs = NULL;
	MemoryContextReset(jobs_context);
	control.hcxt = jobs_context;
	jobs = hash_create("order_workflow jobs", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	jobs_changes = changes;
}

static JobKey
job_key(Oid role, const char *activity, const Jsonb *options)
{
	uint64		seed = hash_bytes_extended((const unsigned char *) activity, strlen(activity), 0);

	return (JobKey)
	{
		.role = role,
			.length = VARSIZE(options),
			.hash = hash_bytes_extended((const unsigned char *) options, VARSIZE(options), seed)
	};
}

const OwCompiled *
ow_job_cached(Oid role, const char *activity, const Jsonb *options)
{
	uint64		changes = ow_catalog_changes();
	JobKey		key = job_key(role, activity, options);
	const JobEntry *entry;

	if (jobs == NULL || jobs_changes != changes)
		begin_jobs(changes);
	entry = hash_search(jobs, &key, HASH_FIND, NULL);
	if (entry == NULL || strcmp(entry->activity, activity) != 0 ||
		memcmp(entry->options, options, VARSIZE(options)) != 0)
		return NULL;
	return ow_catalog_definition(entry->definition_id);
}

static void
remember(Oid role, const char *activity, const Jsonb *options, int definition_id)
{
	JobKey		key = job_key(role, activity, options);
	char	   *kept_activity = MemoryContextStrdup(jobs_context, activity);
	Jsonb	   *kept_options = MemoryContextAlloc(jobs_context, VARSIZE(options));
	JobEntry   *entry;

	memcpy(kept_options, options, VARSIZE(options));
	entry = hash_search(jobs, &key, HASH_ENTER, NULL);
	entry->activity = kept_activity;
	entry->options = kept_options;
	entry->definition_id = definition_id;
}

/* ---- the tables ---- */

/*
 * "activity:Pay", "activity@bob:Pay", and if that is somebody else's "activity@bob:Pay (2)".  The role's name is quoted
 * where it must be, so that nobody takes such a name by calling his own activity something.
 */
static char *
job_name(Oid role, const char *activity, int try)
{
	const OwActivity *registered = ow_catalog_activity(activity);
	bool		own = registered == NULL || ((const OwSqlFunction *) registered->shell)->owner == role;
	char	   *name = own ? psprintf(OW_JOB_PREFIX "%s", activity) :
		psprintf(OW_ROLE_JOB_PREFIX "%s:%s", quote_identifier(GetUserNameFromId(role, false)), activity);

	return try == 1 ? name : psprintf("%s (%d)", name, try);
}

/* The role's workflow for the activity, made if it is new */
static char *
find_workflow(Oid role, const char *activity)
{
	for (int try = 1; try <= MAX_SAME_NAMES; try++)
	{
		char	   *name = job_name(role, activity, try);
		Oid			owner;

		if (!ow_catalog_find_type(name, &owner, NULL))
		{
			if (ow_registry_add_type(name, role))
			{
				ow_catalog_changed();
				return name;
			}
			/* another transaction was faster */
			if (!ow_catalog_find_type(name, &owner, NULL))
				ereport(ERROR,
						(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						 errmsg("could not serialize access due to a concurrent first start of activity \"%s\"",
								activity)));
		}
		if (owner == role)
			return name;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("all names for jobs of activity \"%s\" belong to other roles", activity)));
}

const OwCompiled *
ow_job_find(Oid role, const char *activity, const Jsonb *options, Jsonb *definition)
{
	OwDefinitionRow row = {
		.workflow = find_workflow(role, activity), .source = ow_json_to_cstring(definition),
		.definition = definition, .created_by = role
	};
	uint64		changes = ow_catalog_changes();
	bool		settled = false;
	int			definition_id = ow_registry_find_content(&row, &settled);
	const OwCompiled *compiled;

	if (definition_id == 0)
		definition_id = ow_registry_add_unnumbered(&row, OW_MAX_JOB_VERSIONS);
	if (definition_id == 0)
		return NULL;
	compiled = ow_catalog_definition(definition_id);
	if (settled && jobs != NULL && jobs_changes == changes && changes == ow_catalog_changes())
		remember(role, activity, options, definition_id);
	return compiled;
}
