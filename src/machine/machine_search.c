/*
 * machine_search.c
 *		A run's search attributes are changed while it runs: an event, and what the shell has to write.
 *
 * The machine does not look at them, and does not know those that were there before.
 */
#include "postgres.h"

#include "machine/machine_internal.h"

void
ow_machine_upsert_search_attributes(OwMachine *machine, const OwInput *input)
{
	OwRun	   *run = machine->run;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add(&object, "search_attributes", input->details);
	ow_object_add_text(&object, "requested_by", input->requested_by);
	ow_machine_record(machine, "UpsertWorkflowSearchAttributes", NULL, ow_object_end(&object));
	run->search_changes = run->search_changes ? ow_json_merged(run->search_changes, input->details) : input->details;
}
