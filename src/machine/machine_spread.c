/*
 * machine_spread.c
 *		What a Parallel or Map spreads over its branches: evaluated once, on entering.
 *
 * It is kept with the token that stands in the state, and never changes while branches run, so that a
 * run's row does not grow or get rewritten with them:
 *
 *		Parallel	{"Count": 2, "Input": …}
 *		Map			{"Count": 10000, "Input": …, "Items": […], "Concurrency": 40, "Tolerated": 3}
 */
#include "postgres.h"

#include "machine/json.h"
#include "machine/machine_internal.h"

/* ---- numbers and items ---- */

static bool
read_number(OwMachine *machine, const OwNumber *number, const char *field, double low, double high, bool whole,
			Jsonb *input, double *value, OwFailure *failure)
{
	const OwState *state = ow_machine_state(machine);
	OwScope		scope;
	JsonbValue	found;
	const char *missing;
	int64		integer;

	*value = number->fixed;
	if (number->expression != NULL)
		return ow_machine_evaluate_number(machine, number->expression, low, high, whole, value, failure);
	if (number->path == NULL)
		return true;
	ow_machine_scope(machine, input, OW_EVALUATE_INPUT, &scope);
	if (!ow_path_get(number->path, &scope, &found, &missing))
		return ow_fail(failure, OW_ERROR_RUNTIME, "%s", missing);
	if (found.type != jbvNumeric || (whole && !ow_json_value_int64(&found, &integer)))
		return ow_fail(failure, OW_ERROR_RUNTIME, "%sPath of state \"%s\" refers to a value that is not %s", field,
					   state->name, whole ? "a whole number" : "a number");
	*value = ow_json_value_double(&found);
	if (*value < low || *value > high)
		return ow_fail(failure, OW_ERROR_RUNTIME, "%s of state \"%s\" must be between %g and %.0f", field,
					   state->name, low, high);
	return true;
}

/* The smaller of what the count and the percentage allow */
static bool
read_tolerated(OwMachine *machine, const OwState *state, Jsonb *input, int count, int *tolerated, OwFailure *failure)
{
	double		by_count;
	double		percentage;

	*tolerated = OW_UNSET;
	if (!read_number(machine, &state->tolerated_failure_count, "ToleratedFailureCount", 0, PG_INT32_MAX, true,
					 input, &by_count, failure) ||
		!read_number(machine, &state->tolerated_failure_percentage, "ToleratedFailurePercentage", 0, 100, false,
					 input, &percentage, failure))
		return false;
	if (state->tolerated_failure_count.given)
		*tolerated = (int) by_count;
	if (state->tolerated_failure_percentage.given)
	{
		int			by_percentage = (int) (percentage * count / 100 + 1e-9);

		*tolerated = *tolerated == OW_UNSET ? by_percentage : Min(*tolerated, by_percentage);
	}
	return true;
}

static bool
read_items(OwMachine *machine, const OwState *state, Jsonb *input, JsonbValue *items, OwFailure *failure)
{
	OwScope		scope;
	const char *missing;

	if (state->sql != NULL)
		return ow_machine_evaluate_items(machine, state, items, failure);
	if (state->items_path == NULL)
		ow_json_as_value(input, items);
	else
	{
		ow_machine_scope(machine, input, OW_EVALUATE_INPUT, &scope);
		if (!ow_path_get(state->items_path, &scope, items, &missing))
			return ow_fail(failure, OW_ERROR_RUNTIME, "%s", missing);
	}
	if (!ow_json_value_is_array(items))
		return ow_fail(failure, OW_ERROR_RUNTIME, "Reference path \"%s\" must point to array.",
					   state->items_path ? ow_path_text(state->items_path) : "$");
	return true;
}

static bool
selects_items(const OwState *state)
{
	return state->sql ? state->sql->item_selector != NULL : state->item_selector != NULL;
}

/* Is the Map's input kept for the ItemSelector, which is evaluated when an iteration is opened? */
static bool
keeps_input(const OwState *state)
{
	return selects_items(state) && state->sql == NULL && state->item_batcher == NULL;
}

/* What one iteration gets: the item, through ItemSelector */
bool
ow_machine_select_item(OwMachine *machine, const OwState *state, Jsonb *input, JsonbValue *item, int index, Jsonb **selected,
					   OwFailure *failure)
{
	OwScope		scope;
	bool		done;

	if (!selects_items(state))
	{
		*selected = ow_json_from_value(item);
		return true;
	}
	machine->item = item;
	machine->item_index = index;
	if (state->sql != NULL)
		done = ow_machine_evaluate(machine, state->sql->item_selector, selected, failure);
	else
	{
		ow_machine_scope(machine, input, OW_EVALUATE_INPUT, &scope);
		*selected = ow_template_evaluate(state->item_selector, &scope, failure);
		done = *selected != NULL;
	}
	machine->item = NULL;
	return done;
}

/* ---- batches of items ---- */

typedef struct Batches
{
	JsonbParseState *all;		/* the array of batches */
	JsonbParseState *items;		/* the items of the current one; NULL: none is open */
	int			count;			/* of items in it */
	double		bytes;
	Jsonb	   *input;			/* BatchInput; NULL: none */
} Batches;

static void
end_batch(Batches *batches)
{
	JsonbValue	value;
	OwObject	object;

	if (batches->items == NULL)
		return;
	value = *pushJsonbValue(&batches->items, WJB_END_ARRAY, NULL);
	ow_object_begin(&object);
	ow_object_add(&object, "BatchInput", batches->input);
	ow_object_add(&object, "Items", JsonbValueToJsonb(&value));
	ow_json_as_value(ow_object_end(&object), &value);
	pushJsonbValue(&batches->all, WJB_ELEM, &value);
	batches->items = NULL;
	batches->count = 0;
	batches->bytes = 0;
}

static void
add_to_batch(Batches *batches, const Jsonb *item)
{
	JsonbValue	value;

	if (batches->items == NULL)
		pushJsonbValue(&batches->items, WJB_BEGIN_ARRAY, NULL);
	ow_json_as_value(item, &value);
	pushJsonbValue(&batches->items, WJB_ELEM, &value);
	batches->count++;
}

/* ItemBatcher: arrays of items, each the input of one iteration as {"BatchInput": …, "Items": […]} */
static bool
batch_items(OwMachine *machine, const OwState *state, Jsonb *input, JsonbValue *items, OwFailure *failure)
{
	const OwItemBatcher *batcher = state->item_batcher;
	int			count = ow_json_value_count(items);
	Batches		batches = {NULL};
	double		max_items;
	double		max_bytes;

	if (!read_number(machine, &batcher->max_items, "MaxItemsPerBatch", 1, PG_INT32_MAX, true, input, &max_items,
					 failure) ||
		!read_number(machine, &batcher->max_bytes, "MaxInputBytesPerBatch", 1, PG_INT32_MAX, true, input, &max_bytes,
					 failure))
		return false;
	if (batcher->sql_batch_input != NULL &&
		!ow_machine_evaluate(machine, batcher->sql_batch_input, &batches.input, failure))
		return false;
	if (batcher->batch_input != NULL)
	{
		OwScope		scope;

		ow_machine_scope(machine, input, OW_EVALUATE_INPUT, &scope);
		batches.input = ow_template_evaluate(batcher->batch_input, &scope, failure);
		if (batches.input == NULL)
			return false;
	}
	pushJsonbValue(&batches.all, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		JsonbValue	item;
		Jsonb	   *selected;
		double		bytes;

		(void) ow_json_value_element(items, i, &item);
		if (!ow_machine_select_item(machine, state, input, &item, i, &selected, failure))
			return false;
		ow_json_as_value(selected, &item);
		bytes = batcher->max_bytes.given ? strlen(ow_json_compact(&item)) : 0;
		if ((batcher->max_items.given && batches.count >= max_items) ||
			(batcher->max_bytes.given && batches.count > 0 && batches.bytes + bytes > max_bytes))
			end_batch(&batches);
		add_to_batch(&batches, selected);
		batches.bytes += bytes;
	}
	end_batch(&batches);
	*items = *pushJsonbValue(&batches.all, WJB_END_ARRAY, NULL);
	ow_json_as_value(JsonbValueToJsonb(items), items);
	return true;
}

/* ---- entering ---- */

static int
spread_int(const Jsonb *kept, const char *key, int fallback)
{
	JsonbValue	value;
	int64		number;

	return ow_json_member(kept, key, &value) && ow_json_value_int64(&value, &number) ? (int) number : fallback;
}

/* How many branches there will be, and how many at a time: a setting may say that, and change. */
static void
record_spread(OwMachine *machine, const OwState *state)
{
	const Jsonb *kept = machine->token->kept;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "branches", spread_int(kept, "Count", 0));
	if (state->type == OW_STATE_MAP)
		ow_object_add_int(&object, "concurrency", spread_int(kept, "Concurrency", 0));
	ow_machine_record(machine, "BranchesScheduled", state->name, ow_object_end(&object));
}

static bool
describe_map(OwMachine *machine, const OwState *state, Jsonb *input, OwObject *object, OwFailure *failure)
{
	JsonbValue	items;
	double		concurrency;
	int			tolerated;

	if (!read_items(machine, state, input, &items, failure))
		return false;
	/* an ItemSelector is evaluated for each batch's items now, for others when they are opened */
	if (state->item_batcher != NULL && !batch_items(machine, state, input, &items, failure))
		return false;
	if (!read_number(machine, &state->max_concurrency, "MaxConcurrency", 0, PG_INT32_MAX, true, input, &concurrency,
					 failure) ||
		!read_tolerated(machine, state, input, ow_json_value_count(&items), &tolerated, failure))
		return false;
	if (concurrency == 0)
		concurrency = machine->host->max_concurrency(machine->host->arg, machine->run);
	if (keeps_input(state))
		ow_object_add(object, "Input", input);
	ow_object_add_int(object, "Count", ow_json_value_count(&items));
	ow_object_add_value(object, "Items", &items);
	ow_object_add_int(object, "Concurrency", (int64) concurrency);
	if (tolerated != OW_UNSET)
		ow_object_add_int(object, "Tolerated", tolerated);
	return true;
}

/* Evaluates what is spread; a new visit, so that what is done now has idempotency keys of its own. */
static bool
start_spreading(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	OwToken    *token = machine->token;
	Jsonb	   *input;
	OwObject	object;

	ow_machine_visit_counts(machine)[state->index]++;
	if (!ow_machine_input(machine, state, &input, failure))
		return false;
	ow_object_begin(&object);
	if (state->type == OW_STATE_MAP)
	{
		if (!describe_map(machine, state, input, &object, failure))
			return false;
	}
	else
	{
		ow_object_add(&object, "Input", input);
		ow_object_add_int(&object, "Count", state->nsubmachines);
	}
	token->kept = ow_object_end(&object);
	token->phase = OW_PHASE_BRANCHES;
	token->opened = 0;
	token->failed = 0;
	record_spread(machine, state);
	return true;
}

bool
ow_machine_enter_branches(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	machine->token->attempt = 1;
	machine->token->scheduled_at = machine->now;
	if (start_spreading(machine, state, failure))
		return true;
	return ow_machine_catch(machine, state, failure);
}

/* The back-off of a failed Parallel or Map is over: all of it again. */
void
ow_machine_spread_again(OwMachine *machine)
{
	const OwState *state = ow_machine_state(machine);
	OwFailure	failure;

	if (!start_spreading(machine, state, &failure) && !ow_machine_catch(machine, state, &failure))
		ow_machine_fail(machine, &failure);
}

/* Can what is kept of one version's Parallel or Map be spread over the branches of another's? */
bool
ow_machine_spreads_alike(const OwState *state, const OwState *other)
{
	if (state->type == OW_STATE_PARALLEL)
		return state->nsubmachines == other->nsubmachines;
	return (state->item_batcher == NULL) == (other->item_batcher == NULL) &&
		(keeps_input(state) || !keeps_input(other));
}

/* What the token spreads, unpacked once for all of its branches */
const OwSpread *
ow_machine_unpack(OwToken *token)
{
	OwSpread   *spread = token->spread;

	if (spread != NULL && spread->kept == token->kept)
		return spread;
	spread = token->spread = palloc0(sizeof(OwSpread));
	spread->kept = token->kept;
	spread->input = ow_json_get(token->kept, "Input");
	(void) ow_json_member(token->kept, "Items", &spread->items);
	spread->count = spread_int(token->kept, "Count", 0);
	spread->concurrency = spread_int(token->kept, "Concurrency", spread->count);
	spread->tolerated = spread_int(token->kept, "Tolerated", OW_UNSET);
	return spread;
}
