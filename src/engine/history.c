/*
 * history.c
 *		Recorded histories, played again: to rebuild a run's state, to reset it, to try another version on it.
 *
 * Nothing of it touches the live run, and no activity or expression of anybody is evaluated: history has what they
 * came out as.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/history.h"
#include "errors.h"
#include "machine/json.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* What a replay takes its definitions from */
typedef struct Versions
{
	const char *workflow;
	const OwCompiled *against;	/* NULL: the versions that were in force */
} Versions;

static const OwCompiled *
find_version(const Versions *versions, int version)
{
	const OwCompiled *compiled = versions->against;

	if (compiled == NULL)
		compiled = ow_catalog_find_definition(versions->workflow, version);
	if (compiled == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_VERSION_NOT_FOUND),
				 errmsg("workflow \"%s\" has no version %d, which the history names", versions->workflow, version)));
	return compiled;
}

static const OwDefinition *
definition_for_version(void *arg, int version)
{
	return find_version(arg, version)->definition;
}

/* The version the run started on, from its first event; a retry may have moved it since. */
static int
started_version(List *events, int version_now)
{
	const OwHistoryEvent *started = linitial(events);
	JsonbValue	value;
	int64		version;

	if (started->attributes != NULL && ow_json_member(started->attributes, "version", &value) &&
		ow_json_value_int64(&value, &version))
		return version;
	return version_now;
}

bool
ow_history_play(OwLoadedRun *loaded, List *events, const OwCompiled *against, OwReplay *replay)
{
	Versions   *versions = palloc(sizeof(Versions));
	OwMachine	machine;
	bool		same;

	versions->workflow = loaded->run.workflow;
	versions->against = against;
	loaded->run.version = started_version(events, loaded->run.version);
	loaded->compiled = find_version(versions, loaded->run.version);
	machine = ow_run_machine(loaded, NULL);
	memset(replay, 0, sizeof(*replay));
	replay->events = events;
	replay->definition_for = definition_for_version;
	replay->arg = versions;
	same = ow_history_replay(&machine, replay);
	loaded->compiled = find_version(versions, loaded->run.version);
	loaded->definition_id = loaded->compiled->definition_id;
	return same;
}

/* What the machine could not do with the history */
static char *
take_error(MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
		PG_RE_THROW();
	FlushErrorState();
	return psprintf("event cannot be replayed: %s", error->message);
}

bool
ow_history_try(OwLoadedRun *loaded, List *events, const OwCompiled *against, OwReplay *replay)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool same = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		same = ow_history_play(loaded, events, against, replay);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		replay->difference = take_error(context);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return same;
}
