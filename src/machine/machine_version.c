/*
 * machine_version.c
 *		Moving a run to another version of its definition, in which it goes on where it stands.
 *
 * States keep their names, or get others by a map {old name: new name}; their indexes change.  A stuck run is moved when it is
 * retried, and one that goes on when somebody upgrades it: between two steps, while nobody works for it.
 */
#include "postgres.h"

#include "machine/machine_internal.h"

/* From which definition to which */
typedef struct Move
{
	const OwDefinition *from;
	const OwDefinition *to;
	const Jsonb *state_map;		/* NULL: all states keep their names */
} Move;

/* ---- whether it can be ---- */

static const char *
new_name(const Move *move, const char *name)
{
	const char *mapped = move->state_map ? ow_json_get_string(move->state_map, name) : NULL;

	return mapped ? mapped : name;
}

/* The state that takes the place of this one; OW_NO_STATE */
static int
new_state(const Move *move, int state)
{
	return ow_definition_find_state(move->to, new_name(move, move->from->states[state].name));
}

/* Is the state, if it is nested, in the same branch of the same Parallel, or the same Map? */
static bool
is_nested_alike(const Move *move, const OwState *state, const OwState *found)
{
	int			owner = move->from->submachines[state->submachine].owner;
	int			new_owner = move->to->submachines[found->submachine].owner;

	if (owner == OW_NO_STATE || new_owner == OW_NO_STATE)
		return owner == new_owner;
	return new_state(move, owner) == new_owner &&
		state->submachine - move->from->states[owner].first_submachine ==
		found->submachine - move->to->states[new_owner].first_submachine;
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
			return state->callback == found->callback && (state->workflow == NULL) == (found->workflow == NULL);
		case OW_PHASE_BRANCHES:
			return ow_machine_spreads_alike(state, found);
		case OW_PHASE_AWAIT:
			return ow_machine_awaits_alike(state, found);
		case OW_PHASE_REQUEST:
			return found->workflow != NULL && state->workflow->kind == found->workflow->kind &&
				state->workflow->waits == found->workflow->waits;
		default:
			return true;
	}
}

/* Why there is no state in which the token can go on; NULL: there is one */
static char *
no_place(const Move *move, const OwToken *token)
{
	const OwState *state;
	int			found;

	if (token->state == OW_NO_STATE)
		return NULL;
	state = &move->from->states[token->state];
	found = new_state(move, token->state);
	if (found == OW_NO_STATE)
		return psprintf("it stands in state \"%s\", and the version has no state \"%s\"", state->name,
						new_name(move, state->name));
	if (!is_nested_alike(move, state, &move->to->states[found]))
		return psprintf("it stands in state \"%s\", which is in another place there", state->name);
	if (!can_go_on(token, state, &move->to->states[found]))
		return psprintf("what it is at in state \"%s\" cannot be brought to its end there", state->name);
	return NULL;
}

char *
ow_machine_no_place(const OwMachine *machine, const OwDefinition *definition, const Jsonb *state_map)
{
	Move		move = {machine->definition, definition, state_map};
	char	   *reason = no_place(&move, &machine->run->token);
	ListCell   *cell;

	foreach(cell, machine->run->branches)
	{
		if (reason == NULL)
			reason = no_place(&move, &((OwBranch *) lfirst(cell))->token);
	}
	return reason;
}

/* Why the token should not be moved now; NULL: it can be */
static char *
is_busy(const OwDefinition *definition, const OwToken *token)
{
	if (ow_token_is_compensating(token))
		return "it compensates";
	if (ow_token_is_queued(token) && token->lease != NULL && !token->lease->released)
		return psprintf("a worker is at the task of state \"%s\"", definition->states[token->state].name);
	return NULL;
}

char *
ow_machine_is_busy(const OwMachine *machine)
{
	char	   *reason = is_busy(machine->definition, &machine->run->token);
	ListCell   *cell;

	if (machine->run->status == OW_STATUS_STUCK)
		return "it is stuck";
	foreach(cell, machine->run->branches)
	{
		if (reason == NULL)
			reason = is_busy(machine->definition, &((OwBranch *) lfirst(cell))->token);
	}
	return reason;
}

/* ---- moving ---- */

/* What was counted under a name goes on under the new one. */
static Jsonb *
rename_visits(const Move *move, const Jsonb *visits)
{
	OwJsonMembers members;
	JsonbValue	all;
	JsonbValue	value;
	char	   *name;
	OwObject	object;

	if (visits == NULL || move->state_map == NULL)
		return unconstify(Jsonb *, visits);
	ow_object_begin(&object);
	ow_json_as_value(visits, &all);
	ow_json_members_begin(&members, &all);
	while (ow_json_members_next(&members, &name, &value))
		ow_object_add_value(&object, new_name(move, name), &value);
	return ow_object_end(&object);
}

static void
move_token(const Move *move, OwToken *token)
{
	token->visits = rename_visits(move, ow_machine_visits(token, move->from));
	token->visit_counts = NULL;
	if (token->state != OW_NO_STATE)
	{
		const OwState *state = &move->from->states[token->state];

		token->state = new_state(move, token->state);
		ow_machine_move_kept(token, state, &move->to->states[token->state]);
	}
}

/* Has the token passed this change, which its version did not know of? */
static bool
has_passed(const OwDefinition *definition, const OwState *change, const OwToken *token)
{
	return token->state != OW_NO_STATE && &definition->states[token->state] != change && change->leads_to[token->state];
}

static bool
has_any_passed(const OwMachine *machine, const OwState *change)
{
	ListCell   *cell;

	if (has_passed(machine->definition, change, &machine->run->token))
		return true;
	foreach(cell, machine->run->branches)
	{
		if (has_passed(machine->definition, change, &((OwBranch *) lfirst(cell))->token))
			return true;
	}
	return false;
}

static bool
has_chosen(const OwRun *run, const OwState *change)
{
	JsonbValue	value;

	return run->changes != NULL && ow_json_member(run->changes, change->change_id, &value);
}

/*
 * A run that is beyond a Version state it has never seen has gone the old way, and keeps to it should it come by, in a
 * loop.  Gives what has been chosen so: {change id: -1}; NULL: nothing.
 */
static Jsonb *
keep_to_old_ways(OwMachine *machine)
{
	OwRun	   *run = machine->run;
	Jsonb	   *chosen = NULL;

	for (int i = 0; i < machine->definition->nstates; i++)
	{
		const OwState *state = &machine->definition->states[i];

		if (state->type != OW_STATE_VERSION || state->versions[0].version != OW_ORIGINAL_VERSION ||
			has_chosen(run, state) || !has_any_passed(machine, state))
			continue;
		chosen = ow_json_with_member(chosen, state->change_id, ow_json_int(OW_ORIGINAL_VERSION));
		run->changes = ow_json_with_member(run->changes, state->change_id, ow_json_int(OW_ORIGINAL_VERSION));
	}
	return chosen;
}

Jsonb *
ow_machine_use_definition(OwMachine *machine, const OwDefinition *definition, int version, const Jsonb *state_map)
{
	Move		move = {machine->definition, definition, state_map};
	ListCell   *cell;

	move_token(&move, &machine->run->token);
	foreach(cell, machine->run->branches)
	{
		OwBranch   *branch = lfirst(cell);

		branch->dirty = true;
		move_token(&move, &branch->token);
	}
	machine->definition = definition;
	machine->run->version = version;
	machine->task_input = NULL;
	return keep_to_old_ways(machine);
}

/* Somebody moves a run that is not stuck; whether it can be is for him to ask. */
void
ow_machine_upgrade(OwMachine *machine, const OwInput *input)
{
	int			previous_version = machine->run->version;
	Jsonb	   *changes = ow_machine_use_definition(machine, input->definition, input->version, input->request);
	OwObject	object;

	ow_machine_select(machine, NULL);
	ow_object_begin(&object);
	ow_object_add_int(&object, "version", input->version);
	ow_object_add_int(&object, "previous_version", previous_version);
	ow_object_add(&object, "changes", changes);
	ow_object_add(&object, "state_map", input->request);
	ow_object_add_text(&object, "requested_by", input->requested_by);
	ow_machine_record(machine, "WorkflowExecutionUpgraded", NULL, ow_object_end(&object));
}
