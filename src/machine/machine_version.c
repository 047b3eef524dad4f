/*
 * machine_version.c
 *		Moving a run to another version of its definition, in which it goes on where it stands.
 */
#include "postgres.h"

#include "machine/machine_internal.h"

static const char *
state_name(const OwDefinition *definition, int state)
{
	return state == OW_NO_STATE ? NULL : definition->states[state].name;
}

/* Is the state, if it is nested, in the same branch of the same Parallel, or the same Map? */
static bool
is_nested_alike(const OwDefinition *from, const OwState *state, const OwDefinition *to, const OwState *found)
{
	int			owner = from->submachines[state->submachine].owner;
	int			new_owner = to->submachines[found->submachine].owner;

	if (owner == OW_NO_STATE || new_owner == OW_NO_STATE)
		return owner == new_owner;
	return strcmp(state_name(from, owner), state_name(to, new_owner)) == 0 &&
		state->submachine - from->states[owner].first_submachine == found->submachine - to->states[new_owner].first_submachine;
}

/* Can what the token is at in the state be brought to its end in the one found for it? */
static bool
can_go_on(const OwToken *token, const OwState *state, const OwState *found)
{
	if (token->phase == OW_PHASE_ENTER)
		return true;
	if (state->type != found->type)
		return false;
	switch (token->phase)
	{
		case OW_PHASE_ACTIVITY:
		case OW_PHASE_CIRCUIT_OPEN:
		case OW_PHASE_CALLBACK:
		case OW_PHASE_QUEUED:
			return state->callback == found->callback;
		case OW_PHASE_BRANCHES:
			return ow_machine_spreads_alike(state, found);
		case OW_PHASE_AWAIT:
			return ow_machine_awaits_alike(state, found);
		default:
			return true;
	}
}

/* Does the definition have a state in which the token can go on? */
static bool
has_place(const OwDefinition *from, const OwDefinition *to, const OwToken *token)
{
	const OwState *state;
	int			found;

	if (token->state == OW_NO_STATE)
		return true;
	state = &from->states[token->state];
	found = ow_definition_find_state(to, state->name);
	return found != OW_NO_STATE && is_nested_alike(from, state, to, &to->states[found]) &&
		can_go_on(token, state, &to->states[found]);
}

bool
ow_machine_can_use_definition(const OwMachine *machine, const OwDefinition *definition)
{
	ListCell   *cell;

	if (!has_place(machine->definition, definition, &machine->run->token))
		return false;
	foreach(cell, machine->run->branches)
	{
		if (!has_place(machine->definition, definition, &((OwBranch *) lfirst(cell))->token))
			return false;
	}
	return true;
}

/* States keep their names, not their indexes. */
static void
move_token(OwToken *token, const OwDefinition *from, const OwDefinition *to)
{
	token->visits = ow_machine_visits(token, from);
	token->visit_counts = NULL;
	if (token->state != OW_NO_STATE)
	{
		const OwState *state = &from->states[token->state];

		token->state = ow_definition_find_state(to, state->name);
		ow_machine_move_kept(token, state, &to->states[token->state]);
	}
}

/* A retry may move the run to another version. */
void
ow_machine_use_definition(OwMachine *machine, const OwDefinition *definition, int version)
{
	ListCell   *cell;

	move_token(&machine->run->token, machine->definition, definition);
	foreach(cell, machine->run->branches)
		move_token(&((OwBranch *) lfirst(cell))->token, machine->definition, definition);
	machine->definition = definition;
	machine->run->version = version;
	machine->task_input = NULL;
}
