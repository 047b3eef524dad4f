/*
 * definition_variables.c
 *		Variables and their scopes: who assigns and who reads what.
 *
 * Each machine, the definition's own or a nested one, is a scope.  A variable exists in a scope if any of
 * its states assigns it.  States read the variables of their own scope and of those around it, and must
 * not assign one that exists in a scope around theirs.
 */
#include "postgres.h"

#include "machine/definition_internal.h"

#define NO_SCOPE (-1)

/* What is assigned, sorted by name, then scope */
typedef struct OwVariables
{
	const OwDefinition *definition;
	int			nuses;
	OwVariableUse *uses;
} OwVariables;

/* ---- noting ---- */

static OwVariableUse *
make_use(const OwCompiler *compiler, const char *name, const char *where, const char *field)
{
	OwVariableUse *use = palloc(sizeof(OwVariableUse));

	*use = (OwVariableUse) {.submachine = compiler->submachine, .name = name, .where = where, .field = field};
	return use;
}

void
ow_variables_note_assigned(OwCompiler *compiler, const char *name, const char *where, const char *field)
{
	compiler->assigned = lappend(compiler->assigned, make_use(compiler, name, where, field));
}

void
ow_variables_collect_reads(OwCompiler *compiler)
{
	ListCell   *cell;

	foreach(cell, compiler->problems->reads)
	{
		const OwVariableRead *note = lfirst(cell);

		compiler->read = lappend(compiler->read, make_use(compiler, note->name, note->where, note->field));
	}
	compiler->problems->reads = NIL;
}

/* ---- finding ---- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const OwVariableUse *) a)->name, ((const OwVariableUse *) b)->name);
}

static int
compare_uses(const void *a, const void *b)
{
	int			order = compare_names(a, b);

	return order != 0 ? order :
		((const OwVariableUse *) a)->submachine - ((const OwVariableUse *) b)->submachine;
}

static void
sort_uses(OwVariables *variables, const List *assigned)
{
	ListCell   *cell;

	variables->uses = palloc(Max(list_length(assigned), 1) * sizeof(OwVariableUse));
	foreach(cell, assigned)
		variables->uses[variables->nuses++] = *(OwVariableUse *) lfirst(cell);
	qsort(variables->uses, variables->nuses, sizeof(OwVariableUse), compare_uses);
}

/* Where a scope assigns a variable; NULL if it does not. */
static const OwVariableUse *
find_assigned(const OwVariables *variables, const char *name, int scope)
{
	OwVariableUse key = {.submachine = scope, .name = name};

	return bsearch(&key, variables->uses, variables->nuses, sizeof(OwVariableUse), compare_uses);
}

static int
scope_around(const OwDefinition *definition, int scope)
{
	int			owner = definition->submachines[scope].owner;

	return owner == OW_NO_STATE ? NO_SCOPE : definition->states[owner].submachine;
}

/* The same, in this scope or any around it. */
static const OwVariableUse *
find_visible(const OwVariables *variables, const char *name, int scope)
{
	const OwVariableUse *use = NULL;

	for (; scope != NO_SCOPE && use == NULL; scope = scope_around(variables->definition, scope))
		use = find_assigned(variables, name, scope);
	return use;
}

/* ---- checks ---- */

/* Reports a variable of a nested machine that exists around it, too. */
static void
check_assigned(OwCompiler *compiler, const OwVariables *variables, const OwVariableUse *inner)
{
	const OwVariableUse *outer = find_visible(variables, inner->name,
											  scope_around(variables->definition, inner->submachine));

	if (outer != NULL)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "ShadowedVariable",
					   ow_where_member(inner->where, inner->field),
					   "Take another name: a branch or item cannot assign variables of the machine around it.",
					   "%s sets variable \"%s\", which %s sets around it",
					   ow_where_subject(inner->where), inner->name, ow_where_subject(outer->where));
}

/* The variable that may be meant, of those that a state of this scope sees */
static const char *
nearest_visible(const OwVariables *variables, const char *name, int scope)
{
	const char **names = palloc(Max(variables->nuses, 1) * sizeof(char *));
	int			count = 0;

	for (int i = 0; i < variables->nuses; i++)
	{
		const OwVariableUse *use = &variables->uses[i];

		if ((count == 0 || strcmp(names[count - 1], use->name) != 0) &&
			find_visible(variables, use->name, scope) != NULL)
			names[count++] = use->name;
	}
	return ow_nearest_name(name, names, count);
}

static char *
explain_unknown(const OwVariables *variables, const OwVariableUse *use)
{
	const OwVariableUse *hidden = bsearch(use, variables->uses, variables->nuses, sizeof(OwVariableUse), compare_names);
	const char *nearest;

	if (hidden != NULL)
		return psprintf("%s sets it, but in another machine: a variable is seen in its own and in those nested in it.",
						ow_where_subject(hidden->where));
	nearest = nearest_visible(variables, use->name, use->submachine);
	return nearest != NULL ? psprintf("Did you mean \"$%s\"?", nearest) : NULL;
}

/* Warns of a variable that can have no value where it is read. */
static void
check_read(OwCompiler *compiler, const OwVariables *variables, const OwVariableUse *use)
{
	if (find_visible(variables, use->name, use->submachine) == NULL)
		ow_problem_add(compiler->problems, OW_SEVERITY_WARNING, "UnknownVariable",
					   ow_where_member(use->where, use->field), explain_unknown(variables, use),
					   "field \"%s\" in %s reads variable \"%s\", which no state sets",
					   use->field, ow_where_subject(use->where), use->name);
}

void
ow_variables_check(OwCompiler *compiler)
{
	OwVariables variables = {.definition = compiler->definition};
	ListCell   *cell;

	sort_uses(&variables, compiler->assigned);
	foreach(cell, compiler->assigned)
		check_assigned(compiler, &variables, lfirst(cell));
	if (compiler->has_unknown)
		return;
	foreach(cell, compiler->read)
		check_read(compiler, &variables, lfirst(cell));
}
