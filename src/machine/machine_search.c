/*
 * machine_search.c
 *		A run's search attributes are changed while it runs, by a message or by a state that is left: an event, and what the
 *		shell has to write.
 *
 * The machine does not look at them, and does not know those that were there before.  Events that states have made
 * name their state, and are made again by replay.
 */
#include "postgres.h"

#include "machine/machine_internal.h"
#include "machine/search_attribute.h"

static void
change(OwMachine *machine, Jsonb *attributes, const char *state, const char *requested_by)
{
	OwRun	   *run = machine->run;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add(&object, "search_attributes", attributes);
	ow_object_add_text(&object, "requested_by", requested_by);
	ow_machine_record(machine, "UpsertWorkflowSearchAttributes", state, ow_object_end(&object));
	run->search_changes = run->search_changes ? ow_json_merged(run->search_changes, attributes) : attributes;
}

void
ow_machine_upsert_search_attributes(OwMachine *machine, const OwInput *input)
{
	change(machine, input->details, NULL, input->requested_by);
}

/* ---- of states ---- */

static bool
evaluate(OwMachine *machine, const OwState *state, const Jsonb *output, const Jsonb *result, Jsonb **attributes,
		 OwFailure *failure)
{
	OwScope		scope;

	if (state->sql != NULL)
		return ow_machine_sql_evaluate(machine, state->sql->search, (OwSqlScope) {.result = result}, attributes, failure);
	ow_machine_scope(machine, output, OW_EVALUATE_SEARCH, &scope);
	*attributes = ow_template_evaluate(state->search, &scope, failure);
	return *attributes != NULL;
}

bool
ow_machine_search(OwMachine *machine, const OwState *state, const Jsonb *output, const Jsonb *result, OwFailure *failure)
{
	const OwSearchAttribute *mismatch;
	Jsonb	   *attributes = NULL;
	JsonbValue	value;

	machine->searched = NULL;
	if (state->sql ? state->sql->search == NULL : state->search == NULL)
		return true;
	if (!evaluate(machine, state, output, result, &attributes, failure))
		return false;
	mismatch = ow_search_attributes_mismatch(machine->definition, attributes, &value);
	if (mismatch != NULL)
		return ow_fail(failure, OW_ERROR_RUNTIME, "the search attribute \"%s\" that state \"%s\" sets is not of its type %s: it is %s",
					   mismatch->name, state->name, ow_search_type_name(mismatch->type), ow_json_type_phrase(&value));
	machine->searched = attributes;
	return true;
}

void
ow_machine_keep_searched(OwMachine *machine, const OwState *state)
{
	Jsonb	   *attributes = machine->searched;

	machine->searched = NULL;
	if (attributes != NULL && JB_ROOT_COUNT(attributes) > 0)
		change(machine, attributes, state->name, NULL);
}
