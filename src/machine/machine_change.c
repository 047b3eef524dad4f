/*
 * machine_change.c
 *		Version states: which version of a change a run follows, chosen once.
 *
 * As Temporal's GetVersion.  A run that comes to a change for the first time takes its greatest version, or what a flag
 * says; that is recorded, by the change's id, and the run keeps to it wherever it comes by again: in loops, at other
 * states of the same change, on another version of the definition.  A run that continues this one as new chooses again.
 */
#include "postgres.h"

#include "machine/json.h"
#include "machine/machine_internal.h"

static const OwChangeVersion *
find_version(const OwState *state, int64 version)
{
	for (int i = 0; i < state->nversions; i++)
	{
		if (state->versions[i].version == version)
			return &state->versions[i];
	}
	return NULL;
}

/* What the run has chosen before */
static bool
recall(const OwRun *run, const OwState *state, int64 *version)
{
	JsonbValue	value;

	return run->changes != NULL && ow_json_member(run->changes, state->change_id, &value) &&
		ow_json_value_int64(&value, version);
}

/* True is the new way, false or nothing the old one, a number the version of that number; NULL: none of these. */
static const OwChangeVersion *
version_by_flag(const OwState *state, const Jsonb *flag)
{
	const OwChangeVersion *oldest = &state->versions[0];
	JsonbValue	value;
	int64		version;

	if (flag == NULL)
		return oldest;
	ow_json_as_value(flag, &value);
	switch (value.type)
	{
		case jbvNull:
			return oldest;
		case jbvBool:
			return value.val.boolean ? &state->versions[state->nversions - 1] : oldest;
		case jbvNumeric:
			return ow_json_value_int64(&value, &version) ? find_version(state, version) : NULL;
		default:
			return NULL;
	}
}

/* What was read is recorded whatever comes of it: replay asks nobody. */
static void
record(OwMachine *machine, const OwState *state, const Jsonb *flag, const OwChangeVersion *chosen)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "change_id", state->change_id);
	if (chosen != NULL)
		ow_object_add_int(&object, "version", chosen->version);
	if (state->flag != NULL)
		ow_object_add_text(&object, "flag", state->flag);
	ow_object_add(&object, "flag_value", flag);
	ow_machine_record(machine, "MarkerRecorded", state->name, ow_object_end(&object));
}

static bool
choose(OwMachine *machine, const OwState *state, const OwChangeVersion **chosen, OwFailure *failure)
{
	const OwHost *host = machine->host;
	OwRun	   *run = machine->run;
	Jsonb	   *flag = NULL;

	*chosen = &state->versions[state->nversions - 1];
	if (state->flag != NULL)
	{
		flag = host->read_flag == NULL ? NULL : host->read_flag(host->arg, run, state->flag);
		*chosen = version_by_flag(state, flag);
	}
	record(machine, state, flag, *chosen);
	if (*chosen == NULL)
		return ow_fail(failure, OW_ERROR_VERSION, "flag \"%s\" is %s: it must be true, false or a version of change \"%s\"",
					   state->flag, ow_json_to_cstring(flag), state->change_id);
	run->changes = ow_json_with_member(run->changes, state->change_id, ow_json_int((*chosen)->version));
	return true;
}

static bool
find_way(OwMachine *machine, const OwState *state, const OwChangeVersion **chosen, OwFailure *failure)
{
	int64		version;

	if (!recall(machine->run, state, &version))
		return choose(machine, state, chosen, failure);
	*chosen = find_version(state, version);
	return *chosen != NULL ||
		ow_fail(failure, OW_ERROR_VERSION, "the run has followed version " INT64_FORMAT " of change \"%s\", which leads nowhere",
				version, state->change_id);
}

/* What cannot be decided is no failure of the run: it is stuck, until the flag or the definition is mended. */
void
ow_machine_enter_version(OwMachine *machine, const OwState *state)
{
	const OwChangeVersion *chosen;
	OwFailure	failure;

	if (find_way(machine, state, &chosen, &failure))
		ow_machine_go(machine, chosen->next, machine->token->data);
	else
		ow_machine_stick(machine, &failure);
}
