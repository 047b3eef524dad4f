/*
 * chain_outside.c
 *		May a run be driven in a session that is not its owner's executor?
 *
 * There, nothing but JSONPath is evaluated, and no activity runs.
 * The session of the owner himself may evaluate his expressions, where that is what he asks for.
 */
#include "postgres.h"

#include "engine/chain.h"
#include "engine/clock.h"
#include "engine/session.h"
#include "machine/json.h"

/* May anything else than JSONPath be evaluated between the run's activities? */
static bool
has_expressions(const OwDefinition *definition)
{
	for (int i = 0; i < definition->nstates; i++)
		if (definition->states[i].sql != NULL)
			return true;
	return definition->output_type != NULL || ow_definition_measures_by_sql(definition);
}

static const OwUpdateType *
update_of(const OwLoadedRun *loaded, const OwMessage *message)
{
	char	   *name = message->kind == OW_INPUT_UPDATE ? ow_json_get_string(message->payload, "update") : NULL;

	return name ? ow_definition_find_update(loaded->compiled->definition, name) : NULL;
}

/* Do any of the messages bring an update with expressions of its own? */
static bool
brings_expressions(const OwLoadedRun *loaded)
{
	ListCell   *cell;

	foreach(cell, loaded->messages)
	{
		const OwUpdateType *type = update_of(loaded, lfirst(cell));

		if (type != NULL && type->sql)
			return true;
	}
	return false;
}

/* Is there nothing to do but to handle one update, which sets the run going no further? */
static bool
only_handles_update(const OwLoadedRun *loaded)
{
	const OwRun *run = &loaded->run;
	const OwUpdateType *type;
	int			branch;

	if (loaded->ready || run->token.phase == OW_PHASE_NEW || list_length(loaded->messages) != 1 ||
		Min(run->deadline, ow_run_next_timer(run, &branch)) <= ow_clock_now())
		return false;
	type = update_of(loaded, linitial(loaded->messages));
	return type != NULL && type->handled;
}

bool
ow_chain_may_drive_outside(const OwLoadedRun *loaded, bool evaluates)
{
	if (loaded->crashes > 0)
		return false;
	if (evaluates && ow_session_is_of(loaded->owner))
		return true;
	if (brings_expressions(loaded))
		return false;
	return !has_expressions(loaded->compiled->definition) || only_handles_update(loaded);
}
