/*
 * definition_graph.c
 *		The graph of states: resolves their names, and finds what cannot be reached or never ends.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"

/* ---- edges ---- */

static void
note_edge(OwCompiler *compiler, int target)
{
	if (compiler->current == OW_NO_STATE)
		compiler->roots = list_append_unique_int(compiler->roots, target);
	else
		compiler->targets[compiler->current] =
			list_append_unique_int(compiler->targets[compiler->current], target);
}

/* Reports a transition to a state that the machine does not have. */
static void
report_stray(OwCompiler *compiler, const char *field, const char *where, const char *name, const char *nearest)
{
	OwStray    *stray = palloc(sizeof(OwStray));

	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "UnknownState",
				   ow_where_member(where, field),
				   nearest ? psprintf("Did you mean \"%s\"?", nearest) : NULL,
				   "field \"%s\" in %s names a state that does not exist: \"%s\"",
				   field, ow_where_subject(where), name);
	*stray = (OwStray) {.problem = llast(compiler->problems->list), .field = field, .where = where, .name = name};
	compiler->strays = lappend(compiler->strays, stray);
}

/* Says of states that do exist, but in another machine, which it is: now all machines are known. */
static void
explain_strays(OwCompiler *compiler)
{
	const OwDefinition *definition = compiler->definition;
	ListCell   *cell;

	foreach(cell, compiler->strays)
	{
		OwStray    *stray = lfirst(cell);
		int			state = ow_definition_find_state(definition, stray->name);
		int			owner;

		if (state == OW_NO_STATE)
			continue;
		owner = definition->submachines[definition->states[state].submachine].owner;
		stray->problem->message = psprintf("field \"%s\" in %s names a state of another machine: \"%s\"",
										   stray->field, ow_where_subject(stray->where), stray->name);
		stray->problem->hint = psprintf("\"%s\" is %s; a transition stays within its machine.", stray->name,
										owner == OW_NO_STATE ? "a state of the definition itself" :
										psprintf("nested in state \"%s\"", definition->states[owner].name));
	}
}

int
ow_compile_target(OwCompiler *compiler, const JsonbValue *source, const char *field,
				  const char *where)
{
	char	   *name = ow_field_string(source, field);
	const OwSubmachine *machine = &compiler->definition->submachines[compiler->submachine];
	const char *nearest;
	int			target;

	if (name == NULL)
		return OW_NO_STATE;
	target = ow_find_sibling(compiler, name);
	if (target != OW_NO_STATE)
	{
		note_edge(compiler, target);
		return target;
	}

	nearest = ow_nearest_name(name, compiler->names + machine->first_state, machine->nstates);
	report_stray(compiler, field, where, name, nearest);
	/* what was meant is not unreachable, too, and what is unknown may be an end */
	if (nearest != NULL)
		note_edge(compiler, ow_find_sibling(compiler, nearest));
	else if (compiler->current != OW_NO_STATE)
		compiler->ends[compiler->current] = true;
	return OW_NO_STATE;
}

void
ow_graph_guess_targets(OwCompiler *compiler, const JsonbValue *source)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	compiler->ends[compiler->current] = true;
	compiler->has_unknown = true;
	if (source->type != jbvBinary)
		return;
	iterator = JsonbIteratorInit(source->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		int			target;

		if ((token != WJB_VALUE && token != WJB_ELEM) || value.type != jbvString)
			continue;
		target = ow_find_sibling(compiler, ow_json_value_cstring(&value));
		if (target != OW_NO_STATE)
			note_edge(compiler, target);
	}
}

/* ---- checks ---- */

/* Marks all states that these lead to, and themselves. */
static bool *
find_reached(OwCompiler *compiler, const List *from)
{
	bool	   *reached = palloc0(compiler->definition->nstates * sizeof(bool));
	List	   *pending = list_copy(from);

	while (pending != NIL)
	{
		int			state = llast_int(pending);

		pending = list_delete_last(pending);
		if (reached[state])
			continue;
		reached[state] = true;
		pending = list_concat(pending, compiler->targets[state]);
	}
	return reached;
}

/* Turns the edges round: for each state, those that lead to it. */
static List **
find_sources(OwCompiler *compiler)
{
	List	  **sources = palloc0(compiler->definition->nstates * sizeof(List *));

	for (int i = 0; i < compiler->definition->nstates; i++)
	{
		ListCell   *cell;

		foreach(cell, compiler->targets[i])
			sources[lfirst_int(cell)] = lappend_int(sources[lfirst_int(cell)], i);
	}
	return sources;
}

/* Marks all states from which the run can come to an end. */
static bool *
find_ending(OwCompiler *compiler)
{
	int			count = compiler->definition->nstates;
	bool	   *ending = palloc0(count * sizeof(bool));
	List	  **sources = find_sources(compiler);
	List	   *pending = NIL;

	for (int i = 0; i < count; i++)
	{
		if (compiler->ends[i])
			pending = lappend_int(pending, i);
	}
	while (pending != NIL)
	{
		int			state = llast_int(pending);

		pending = list_delete_last(pending);
		if (ending[state])
			continue;
		ending[state] = true;
		pending = list_concat(pending, sources[state]);
	}
	return ending;
}

static void
report_unreachable(OwCompiler *compiler, int state)
{
	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "UnreachableState",
				   compiler->places[state],
				   "No StartAt, Next, Default, Catch, OnError, OnCancel or OnTimeout that can be reached names it.",
				   "state \"%s\" cannot be reached", compiler->names[state]);
}

static void
report_endless(OwCompiler *compiler, int state)
{
	ow_problem_add(compiler->problems, OW_SEVERITY_WARNING, "EndlessLoop",
				   compiler->places[state],
				   "Only an error, a cancel request or a timeout can end a run that gets there.",
				   "no way leads from state \"%s\" to an end", compiler->names[state]);
}

static void
report_no_end(OwCompiler *compiler, const OwSubmachine *machine)
{
	static const char hint[] = "Give a state \"End\": true, or add a Succeed or Fail state.";

	if (machine->owner == OW_NO_STATE)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "NoEnd", "States", hint,
					   "no state that ends the workflow can be reached");
	else
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "NoEnd", compiler->places[machine->owner], hint,
					   "no state that ends a machine nested in state \"%s\" can be reached",
					   compiler->names[machine->owner]);
}

static void
check_machine(OwCompiler *compiler, const OwSubmachine *machine, const bool *reached, const bool *ending)
{
	int			end = machine->first_state + machine->nstates;
	bool		any_reached = false;
	bool		any_end = false;

	for (int i = machine->first_state; i < end; i++)
	{
		any_reached = any_reached || reached[i];
		any_end = any_end || (reached[i] && ending[i]);
	}
	if (!any_reached)
		return;					/* StartAt is wrong, which is said already */
	if (!any_end)
		report_no_end(compiler, machine);

	for (int i = machine->first_state; i < end; i++)
	{
		if (!reached[i])
			report_unreachable(compiler, i);
		else if (any_end && !ending[i])
			report_endless(compiler, i);
	}
}

void
ow_graph_check(OwCompiler *compiler)
{
	OwDefinition *definition = compiler->definition;
	bool	   *reached = find_reached(compiler, compiler->roots);
	bool	   *ending = find_ending(compiler);

	explain_strays(compiler);
	for (int i = 0; i < definition->nsubmachines; i++)
		check_machine(compiler, &definition->submachines[i], reached, ending);
	for (int i = 0; i < definition->nstates; i++)
	{
		if (definition->states[i].type == OW_STATE_VERSION)
			definition->states[i].leads_to = find_reached(compiler, compiler->targets[i]);
	}
}
