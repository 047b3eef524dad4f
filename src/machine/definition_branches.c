/*
 * definition_branches.c
 *		Compiles Parallel and Map states: the machines nested in them, and how a Map goes through its items.
 *
 * A Map runs in line, in its own execution.  What only distributed maps have is refused.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"

const OwField ow_parallel_fields[] = {
	{"Branches", OW_ARRAY, OW_REQUIRED},
	{"Parameters", OW_ANY, OW_OPTIONAL},
	{"ResultSelector", OW_ANY, OW_OPTIONAL},
	{"ResultPath", OW_STRING | OW_NULL, OW_OPTIONAL},
	{"Retry", OW_ARRAY, OW_OPTIONAL},
	{"Catch", OW_ARRAY, OW_OPTIONAL},
	{"Compensate", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

const OwField ow_parallel_sql_fields[] = {
	{"Branches", OW_ARRAY, OW_REQUIRED},
	{"Arguments", OW_ANY, OW_OPTIONAL},
	{"Retry", OW_ARRAY, OW_OPTIONAL},
	{"Catch", OW_ARRAY, OW_OPTIONAL},
	{"Compensate", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	{NULL}
};

const OwField ow_map_fields[] = {
	{"ItemProcessor", OW_OBJECT, OW_OPTIONAL},
	{"Iterator", OW_OBJECT, OW_OPTIONAL},
	{"ItemsPath", OW_STRING, OW_OPTIONAL},
	{"ItemSelector", OW_ANY, OW_OPTIONAL},
	{"Parameters", OW_ANY, OW_OPTIONAL},
	{"ItemBatcher", OW_OBJECT, OW_OPTIONAL},
	{"MaxConcurrency", OW_NUMBER, OW_OPTIONAL},
	{"MaxConcurrencyPath", OW_STRING, OW_OPTIONAL},
	{"ToleratedFailureCount", OW_NUMBER, OW_OPTIONAL},
	{"ToleratedFailureCountPath", OW_STRING, OW_OPTIONAL},
	{"ToleratedFailurePercentage", OW_NUMBER, OW_OPTIONAL},
	{"ToleratedFailurePercentagePath", OW_STRING, OW_OPTIONAL},
	{"ResultSelector", OW_ANY, OW_OPTIONAL},
	{"ResultPath", OW_STRING | OW_NULL, OW_OPTIONAL},
	{"Retry", OW_ARRAY, OW_OPTIONAL},
	{"Catch", OW_ARRAY, OW_OPTIONAL},
	{"Compensate", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	/* of distributed maps: known, to be refused with a reason */
	{"ItemReader", OW_ANY, OW_OPTIONAL},
	{"ResultWriter", OW_ANY, OW_OPTIONAL},
	{"Label", OW_ANY, OW_OPTIONAL},
	{NULL}
};

const OwField ow_map_sql_fields[] = {
	{"ItemProcessor", OW_OBJECT, OW_REQUIRED},
	{"Items", OW_ARRAY | OW_OBJECT | OW_STRING, OW_OPTIONAL},
	{"ItemSelector", OW_ANY, OW_OPTIONAL},
	{"ItemBatcher", OW_OBJECT, OW_OPTIONAL},
	{"MaxConcurrency", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"ToleratedFailureCount", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"ToleratedFailurePercentage", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"Retry", OW_ARRAY, OW_OPTIONAL},
	{"Catch", OW_ARRAY, OW_OPTIONAL},
	{"Compensate", OW_STRING | OW_OBJECT, OW_OPTIONAL},
	{"ItemReader", OW_ANY, OW_OPTIONAL},
	{"ResultWriter", OW_ANY, OW_OPTIONAL},
	{"Label", OW_ANY, OW_OPTIONAL},
	{NULL}
};

static const OwField machine_fields[] = {
	{"StartAt", OW_STRING, OW_REQUIRED},
	{"States", OW_OBJECT, OW_REQUIRED},
	{NULL}
};
static const OwField *const branch_tables[] = {machine_fields, NULL};

static const OwField processor_fields[] = {
	{"ProcessorConfig", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};
static const OwField *const processor_tables[] = {machine_fields, processor_fields, NULL};

static const OwField processor_config_fields[] = {
	{"Mode", OW_STRING, OW_OPTIONAL},
	{"ExecutionType", OW_STRING, OW_OPTIONAL},
	{NULL}
};
static const OwField *const processor_config_tables[] = {processor_config_fields, NULL};

static const OwField batcher_fields[] = {
	{"MaxItemsPerBatch", OW_NUMBER, OW_OPTIONAL},
	{"MaxItemsPerBatchPath", OW_STRING, OW_OPTIONAL},
	{"MaxInputBytesPerBatch", OW_NUMBER, OW_OPTIONAL},
	{"MaxInputBytesPerBatchPath", OW_STRING, OW_OPTIONAL},
	{"BatchInput", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};
static const OwField *const batcher_tables[] = {batcher_fields, NULL};

static const OwField sql_batcher_fields[] = {
	{"MaxItemsPerBatch", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"MaxInputBytesPerBatch", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"BatchInput", OW_OBJECT, OW_OPTIONAL},
	{NULL}
};
static const OwField *const sql_batcher_tables[] = {sql_batcher_fields, ow_jsonpath_only_fields, NULL};

/* ---- what both have ---- */

/* Retry and Compensate of the whole; Catch is the caller's. */
static void
compile_whole(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	ow_read_retriers(&state->options, source, where, compiler->problems);
	state->compensation = ow_compile_compensation(compiler, source, where);
	if (state->compensation != NULL && state->compensation->when_scheduled)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "NotSupported",
					   ow_where_member(ow_where_member(where, "Compensate"), "When"),
					   "Give the tasks inside compensations that are recorded when scheduled.",
					   "the compensation of state \"%s\" can be recorded only when it completes", state->name);
}

void
ow_compile_parallel(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	char	   *place = ow_where_member(where, "Branches");
	JsonbValue	branches;
	JsonbValue	branch;

	compile_whole(compiler, state, source, where);
	if (!ow_field_get(source, "Branches", OW_ARRAY, &branches))
		return;
	if (ow_json_value_count(&branches) == 0)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "NoBranches", place, NULL,
					   "field \"Branches\" in state \"%s\" is empty", state->name);
	state->first_submachine = compiler->definition->nsubmachines;
	while (ow_json_value_element(&branches, state->nsubmachines, &branch))
	{
		char	   *branch_place = ow_where_element(place, state->nsubmachines);

		(void) ow_fields_check(&branch, branch_place, branch_tables, compiler->problems);
		(void) ow_add_submachine(compiler, &branch, branch_place);
		state->nsubmachines++;
	}
}

/* ---- Map ---- */

/* Reports what only distributed maps have. */
static void
refuse_distributed(OwCompiler *compiler, const OwState *state, const JsonbValue *source, const char *where)
{
	static const char *const fields[] = {"ItemReader", "ResultWriter", "Label"};

	for (int i = 0; i < (int) lengthof(fields); i++)
	{
		if (ow_field_is_present(source, fields[i]))
			ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "NotSupported",
						   ow_where_member(where, fields[i]),
						   "Read the items in an activity before the Map and give them to it with \"ItemsPath\"; let an activity store the results.",
						   "field \"%s\" in state \"%s\" belongs to distributed maps, which are not supported",
						   fields[i], state->name);
	}
}

static void
check_processor_config(OwCompiler *compiler, const OwState *state, const JsonbValue *processor, const char *where)
{
	static const char *const modes[] = {"INLINE", "DISTRIBUTED", NULL};
	static const char *const execution_types[] = {"STANDARD", "EXPRESS", NULL};
	char	   *place = ow_where_member(where, "ProcessorConfig");
	JsonbValue	config;

	if (!ow_field_get(processor, "ProcessorConfig", OW_OBJECT, &config) ||
		!ow_fields_check(&config, place, processor_config_tables, compiler->problems))
		return;
	(void) ow_field_choice(&config, "ExecutionType", execution_types, place, compiler->problems);
	if (ow_field_choice(&config, "Mode", modes, place, compiler->problems) == 1)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "NotSupported", ow_where_member(place, "Mode"),
					   "Use \"INLINE\": a Map over many items keeps memory flat in this mode, too.",
					   "state \"%s\" is a distributed map, which is not supported", state->name);
}

static void
compile_processor(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	static const char *const names[] = {"ItemProcessor", "Iterator", NULL};

	ow_fields_exclusive(source, names, true, where, compiler->problems);
	for (int i = 0; names[i] != NULL; i++)
	{
		char	   *place = ow_where_member(where, names[i]);
		JsonbValue	processor;

		if (!ow_field_get(source, names[i], OW_OBJECT, &processor))
			continue;
		(void) ow_fields_check(&processor, place, processor_tables, compiler->problems);
		check_processor_config(compiler, state, &processor, place);
		state->first_submachine = ow_add_submachine(compiler, &processor, place);
		state->nsubmachines = 1;
		return;
	}
}

/* Reads a number in [low, high], or the path to one in the field of the same name with "Path". */
static void
compile_number(OwCompiler *compiler, OwNumber *number, const JsonbValue *source, const char *name, double low,
			   double high, bool whole, const char *where)
{
	char	   *path_name = psprintf("%sPath", name);
	const char *const names[] = {name, path_name, NULL};
	JsonbValue	value;
	int64		integer;

	ow_fields_exclusive(source, names, false, where, compiler->problems);
	if (compiler->sql)
		number->expression = ow_compile_sql_expression(compiler, source, name, "a number", 0, where);
	else
		number->path = ow_field_path(source, path_name, true, NULL, where, compiler->problems);
	number->given = number->path != NULL || number->expression != NULL;
	if (!ow_field_get(source, name, OW_NUMBER, &value))
		return;
	number->given = true;
	number->fixed = ow_json_value_double(&value);
	if (number->fixed < low || number->fixed > high || (whole && !ow_json_value_int64(&value, &integer)))
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "OutOfRange", ow_where_member(where, name), NULL,
					   "field \"%s\" in %s must be %s from %g to %.0f", name, ow_where_subject(where),
					   whole ? "a whole number" : "a number", low, high);
}

static void
compile_batcher(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	char	   *place = ow_where_member(where, "ItemBatcher");
	OwItemBatcher *batcher;
	JsonbValue	object;
	JsonbValue	batch_input;

	if (!ow_field_get(source, "ItemBatcher", OW_OBJECT, &object))
		return;
	(void) ow_fields_check(&object, place, compiler->sql ? sql_batcher_tables : batcher_tables, compiler->problems);
	batcher = palloc0(sizeof(OwItemBatcher));
	compile_number(compiler, &batcher->max_items, &object, "MaxItemsPerBatch", 1, PG_INT32_MAX, true, place);
	compile_number(compiler, &batcher->max_bytes, &object, "MaxInputBytesPerBatch", 1, PG_INT32_MAX, true, place);
	if (!batcher->max_items.given && !batcher->max_bytes.given)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "MissingField", place, NULL,
					   "%s needs \"MaxItemsPerBatch\", \"MaxInputBytesPerBatch\" or the path to one of them",
					   ow_where_subject(place));
	if (compiler->sql)
		batcher->sql_batch_input = ow_compile_sql(compiler, &object, "BatchInput", 0, place);
	else if (ow_field_get(&object, "BatchInput", OW_OBJECT, &batch_input))
		batcher->batch_input = ow_template_compile(&batch_input, ow_where_member(place, "BatchInput"),
												   compiler->problems);
	state->item_batcher = batcher;
}

/* ItemSelector, which was called Parameters once */
static void
compile_item_selector(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	static const char *const names[] = {"ItemSelector", "Parameters", NULL};
	JsonbValue	selector;

	ow_fields_exclusive(source, names, false, where, compiler->problems);
	state->item_selector = state->parameters;
	state->parameters = NULL;
	if (ow_field_get(source, "ItemSelector", OW_ANY, &selector))
		state->item_selector = ow_template_compile(&selector, ow_where_member(where, "ItemSelector"),
												   compiler->problems);
}

void
ow_compile_map(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	compile_whole(compiler, state, source, where);
	refuse_distributed(compiler, state, source, where);
	compile_processor(compiler, state, source, where);
	if (compiler->sql)
	{
		state->sql->items = ow_field_string(source, "Items") ?
			ow_compile_sql_expression(compiler, source, "Items", "an array or an object", 0, where) :
			ow_compile_sql(compiler, source, "Items", 0, where);
		state->sql->item_selector = ow_compile_sql(compiler, source, "ItemSelector", 0, where);
	}
	else
	{
		state->items_path = ow_field_path(source, "ItemsPath", false, NULL, where, compiler->problems);
		compile_item_selector(compiler, state, source, where);
	}
	compile_batcher(compiler, state, source, where);
	compile_number(compiler, &state->max_concurrency, source, "MaxConcurrency", 0, PG_INT32_MAX, true, where);
	compile_number(compiler, &state->tolerated_failure_count, source, "ToleratedFailureCount", 0, PG_INT32_MAX,
				   true, where);
	compile_number(compiler, &state->tolerated_failure_percentage, source, "ToleratedFailurePercentage", 0, 100,
				   false, where);
}
