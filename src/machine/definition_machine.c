/*
 * definition_machine.c
 *		The machines of a definition: its own, and those nested in Parallel and Map states.
 *
 * All their states stand in one array, those of a machine together, in the order of jsonb's keys; a
 * transition leads to a state of the same machine.  Nested machines are compiled after the one around
 * them, so that the array grows between machines only.  Names are unique over all of them, as Step
 * Functions demands: so a name alone tells the state, in tables and in history.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"
#include "mb/pg_wchar.h"

/* Compares as jsonb orders its keys: shorter names first. */
static int
compare_names(const char *a, const char *b)
{
	size_t		a_length = strlen(a);
	size_t		b_length = strlen(b);

	if (a_length != b_length)
		return a_length < b_length ? -1 : 1;
	return memcmp(a, b, a_length);
}

/* ---- finding states ---- */

/* The state of this name between two places of an order (NULL: that of the states themselves) */
static int
search(const OwState *states, const int *order, int low, int high, const char *name)
{
	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		int			state = order ? order[middle] : middle;
		int			comparison = compare_names(name, states[state].name);

		if (comparison == 0)
			return state;
		if (comparison < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return OW_NO_STATE;
}

int
ow_find_sibling(const OwCompiler *compiler, const char *name)
{
	const OwSubmachine *machine = &compiler->definition->submachines[compiler->submachine];

	return search(compiler->definition->states, NULL, machine->first_state, machine->first_state + machine->nstates,
				  name);
}

int
ow_definition_find_state(const OwDefinition *definition, const char *name)
{
	return search(definition->states, definition->by_name, 0, definition->nstates, name);
}

int
ow_definition_start(const OwDefinition *definition)
{
	return definition->submachines[0].start_at;
}

bool
ow_state_has_branches(const OwState *state)
{
	return state->type == OW_STATE_PARALLEL || state->type == OW_STATE_MAP;
}

/* ---- names ---- */

static void
check_state_name(OwCompiler *compiler, const char *name, const char *states)
{
	if (*name == '\0')
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidName", states, NULL,
					   "a state has an empty name");
	else if (pg_mbstrlen(name) > OW_MAX_STATE_NAME)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidName",
					   ow_where_member(states, name), NULL,
					   "state \"%s\" has a name of %d characters, more than %d",
					   name, pg_mbstrlen(name), OW_MAX_STATE_NAME);
}

/* Makes room for more states in everything that is kept by state. */
static void
grow(OwCompiler *compiler, int count)
{
	OwDefinition *definition = compiler->definition;
	int			before = definition->nstates;
	int			after = before + count;
	OwState    *states = palloc0(Max(after, 1) * sizeof(OwState));
	const char **names = palloc0(Max(after, 1) * sizeof(char *));
	const char **places = palloc0(Max(after, 1) * sizeof(char *));
	List	  **targets = palloc0(Max(after, 1) * sizeof(List *));
	bool	   *ends = palloc0(Max(after, 1) * sizeof(bool));

	if (before > 0)
	{
		memcpy(states, definition->states, before * sizeof(OwState));
		memcpy(names, compiler->names, before * sizeof(char *));
		memcpy(places, compiler->places, before * sizeof(char *));
		memcpy(targets, compiler->targets, before * sizeof(List *));
		memcpy(ends, compiler->ends, before * sizeof(bool));
		pfree(definition->states);
		pfree(compiler->names);
		pfree(compiler->places);
		pfree(compiler->targets);
		pfree(compiler->ends);
	}
	definition->states = states;
	compiler->names = names;
	compiler->places = places;
	compiler->targets = targets;
	compiler->ends = ends;
}

/* Collects the names of a machine, so that any of its states can lead to any other. */
static void
name_states(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	OwDefinition *definition = compiler->definition;
	OwSubmachine *machine = &definition->submachines[compiler->submachine];
	OwJsonMembers members;
	JsonbValue	body;
	char	   *name;

	machine->first_state = definition->nstates;
	grow(compiler, ow_json_value_count(source));
	ow_json_members_begin(&members, source);
	while (ow_json_members_next(&members, &name, &body))
	{
		OwState    *state = &definition->states[definition->nstates];

		check_state_name(compiler, name, where);
		state->name = name;
		state->index = definition->nstates;
		state->submachine = compiler->submachine;
		compiler->names[state->index] = name;
		compiler->places[state->index] = ow_where_member(where, name);
		definition->nstates++;
	}
	machine->nstates = definition->nstates - machine->first_state;
}

static int
compare_by_name(const void *a, const void *b, void *states)
{
	const OwState *first = (const OwState *) states + *(const int *) a;
	const OwState *second = (const OwState *) states + *(const int *) b;

	return compare_names(first->name, second->name);
}

/* Sorts all states by name, and reports names that occur more than once. */
static void
index_names(OwCompiler *compiler)
{
	OwDefinition *definition = compiler->definition;

	definition->by_name = palloc(Max(definition->nstates, 1) * sizeof(int));
	for (int i = 0; i < definition->nstates; i++)
		definition->by_name[i] = i;
	qsort_arg(definition->by_name, definition->nstates, sizeof(int), compare_by_name, definition->states);
	for (int i = 1; i < definition->nstates; i++)
	{
		const char *name = definition->states[definition->by_name[i]].name;

		if (strcmp(name, definition->states[definition->by_name[i - 1]].name) == 0)
			ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "DuplicateState",
						   compiler->places[definition->by_name[i]],
						   "Names of states are unique over the whole definition, nested machines included.",
						   "there is more than one state \"%s\"", name);
	}
}

/* ---- machines ---- */

int
ow_add_submachine(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	OwDefinition *definition = compiler->definition;
	int			index = definition->nsubmachines++;
	OwPendingMachine *pending = palloc(sizeof(OwPendingMachine));
	OwSubmachine *machine;

	definition->submachines = index == 0 ? palloc(sizeof(OwSubmachine)) :
		repalloc(definition->submachines, definition->nsubmachines * sizeof(OwSubmachine));
	machine = &definition->submachines[index];
	machine->owner = compiler->current;
	machine->start_at = OW_NO_STATE;
	machine->first_state = definition->nstates;
	machine->nstates = 0;
	pending->submachine = index;
	pending->source = *source;
	pending->where = where;
	compiler->pending = lappend(compiler->pending, pending);
	return index;
}

static void
compile_machine(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	char	   *place = ow_where_member(where, "States");
	OwSubmachine *machine;
	OwJsonMembers members;
	JsonbValue	states;
	JsonbValue	body;
	char	   *name;

	if (!ow_field_get(source, "States", OW_OBJECT, &states))
		return;
	name_states(compiler, &states, place);
	machine = &compiler->definition->submachines[compiler->submachine];
	if (machine->nstates == 0)
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "NoStates", place, NULL,
					   "%s has no states", ow_where_subject(where));
		return;
	}

	compiler->current = machine->first_state;
	ow_json_members_begin(&members, &states);
	while (ow_json_members_next(&members, &name, &body))
	{
		ow_compile_state(compiler, &body, compiler->places[compiler->current]);
		ow_variables_collect_reads(compiler);
		compiler->current++;
	}
	compiler->current = OW_NO_STATE;
	/* compiling the states may have moved the array of machines */
	compiler->definition->submachines[compiler->submachine].start_at =
		ow_compile_target(compiler, source, "StartAt", where);
}

void
ow_compile_machines(OwCompiler *compiler, const JsonbValue *source)
{
	(void) ow_add_submachine(compiler, source, "");
	while (compiler->pending != NIL)
	{
		const OwPendingMachine *pending = linitial(compiler->pending);

		compiler->pending = list_delete_first(compiler->pending);
		compiler->submachine = pending->submachine;
		compile_machine(compiler, &pending->source, pending->where);
	}
	compiler->submachine = 0;
	index_names(compiler);
}
