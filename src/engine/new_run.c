/*
 * new_run.c
 *		What a new run has of its definition, whoever starts it: workflow.start and its like, or another workflow.
 *
 * The definition's Retry needs nothing: it is looked up when the run fails.
 */
#include "postgres.h"

#include "engine/new_run.h"
#include "machine/instant.h"
#include "store/run_options.h"
#include "utils/timestamp.h"

void
ow_new_run_limit(OwNewRun *run, TimestampTz run_end)
{
	int64		timeout_ms = run->compiled->definition->timeout_ms;

	run->deadline = Min(run_end, run->execution_deadline);
	if (timeout_ms != OW_UNSET)
		run->deadline = Min(run->deadline, ow_instant_add_ms(run->start_at, timeout_ms));
}

const OwSearchAttribute *
ow_new_run_describe(OwNewRun *run, const Jsonb *given, JsonbValue *value)
{
	const OwDefinition *definition = run->compiled->definition;
	const OwSearchAttribute *mismatch;

	if (definition->nsearch_attributes == 0)
		return NULL;
	run->search_attributes = ow_search_attributes_of(definition, run->input, given);
	if (run->search_attributes == NULL)
		return NULL;
	mismatch = ow_search_attributes_mismatch(definition, run->search_attributes, value);
	if (mismatch == NULL)
		run->options = ow_run_options_searchable(run->options, run->search_attributes);
	return mismatch;
}
