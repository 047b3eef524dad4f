/*
 * machine_branches.c
 *		Parallel and Map: opening branches, gathering their outputs, and what a failing one stops.
 *
 * A branch of a Parallel and the iteration of a Map over one item are the same here: a token of its own
 * that goes through a nested machine.  The token that stands in the Parallel or Map (its owner) opens
 * one after the other, as many at a time as its concurrency allows:
 *
 *		enter --> BRANCHES --> (all ended) --> outputs gathered --> leave, as a Task with its result
 *		             |  ^
 *		  a branch fails |
 *		             |   \-- tolerated: what the branch did is undone, the others go on
 *		             \-- else its siblings are canceled, what all of them did is undone,
 *		                 then BACKOFF (a retrier allows: all again), Catch, or the owner fails in its turn
 */
#include "postgres.h"

#include "machine/json.h"
#include "machine/machine_internal.h"

/* ---- finding ---- */

OwBranch *
ow_run_find_branch(const OwRun *run, int id)
{
	int			low = 0;
	int			high = list_length(run->branches);

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		OwBranch   *branch = list_nth(run->branches, middle);

		if (branch->id == id)
			return branch;
		if (branch->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

TimestampTz
ow_run_next_timer(const OwRun *run, int *branch)
{
	TimestampTz first = ow_token_due_at(&run->token);
	ListCell   *cell;

	*branch = 0;
	foreach(cell, run->branches)
	{
		const OwBranch *candidate = lfirst(cell);
		TimestampTz due_at = ow_token_due_at(&candidate->token);

		if (due_at >= first)
			continue;
		first = due_at;
		*branch = candidate->id;
	}
	return first;
}

static bool
waits_for(const OwToken *token, const pg_uuid_t *task_token)
{
	return (token->phase == OW_PHASE_CALLBACK || ow_token_is_queued(token)) && token->has_task_token &&
		memcmp(&token->task_token, task_token, UUID_LEN) == 0;
}

const OwToken *
ow_run_find_task(const OwRun *run, const pg_uuid_t *task_token, int *branch)
{
	ListCell   *cell;

	*branch = 0;
	if (waits_for(&run->token, task_token))
		return &run->token;
	foreach(cell, run->branches)
	{
		const OwBranch *candidate = lfirst(cell);

		*branch = candidate->id;
		if (waits_for(&candidate->token, task_token))
			return &candidate->token;
	}
	return NULL;
}

/* Makes a branch, or the run itself (NULL), the one whose token moves. */
void
ow_machine_select(OwMachine *machine, OwBranch *branch)
{
	if (branch != NULL)
		branch->dirty = true;
	if (machine->token != NULL && machine->branch == branch)
		return;
	machine->branch = branch;
	machine->token = branch ? &branch->token : &machine->run->token;
	machine->task_input = NULL;
}

static int
current_id(const OwMachine *machine)
{
	return machine->branch ? machine->branch->id : 0;
}

/* The token that opened this branch */
static OwToken *
owner_of(const OwMachine *machine, const OwBranch *branch)
{
	OwBranch   *parent = ow_run_find_branch(machine->run, branch->parent);

	return parent ? &parent->token : &machine->run->token;
}

/* The failure of one of its branches is tolerated: the owner counts them. */
static void
count_failed(OwMachine *machine, const OwBranch *branch)
{
	OwBranch   *parent = ow_run_find_branch(machine->run, branch->parent);

	owner_of(machine, branch)->failed++;
	if (parent != NULL)
		parent->dirty = true;
}

/* The token has waited, or run an activity: that is no idle loop, nor is what it is a branch of. */
void
ow_machine_not_idle(OwMachine *machine)
{
	OwBranch   *branch = machine->branch;

	machine->token->transitions = 0;
	while (branch != NULL)
	{
		OwToken    *owner = owner_of(machine, branch);

		branch = ow_run_find_branch(machine->run, branch->parent);
		if (branch != NULL && owner->transitions > 0)
			branch->dirty = true;
		owner->transitions = 0;
	}
}

static const OwState *
owner_state(const OwMachine *machine, const OwBranch *branch)
{
	return &machine->definition->states[owner_of(machine, branch)->state];
}

/* ---- opening ---- */

/* Can the token open another branch, or have all ended? */
bool
ow_machine_can_spread(OwToken *token)
{
	const OwSpread *spread = ow_machine_unpack(token);

	if (token->failing)
		return false;
	return token->opened < spread->count ? token->running < spread->concurrency : token->running == 0;
}

/* Counts the branches of each token; from then on they are counted as they come and go. */
void
ow_machine_count_running(OwMachine *machine)
{
	OwRun	   *run = machine->run;
	ListCell   *cell;

	run->token.running = 0;
	run->token.failing = false;
	foreach(cell, run->branches)
	{
		OwToken    *token = &((OwBranch *) lfirst(cell))->token;

		token->running = 0;
		token->failing = false;
	}
	foreach(cell, run->branches)
	{
		const OwBranch *branch = lfirst(cell);
		OwToken    *owner = owner_of(machine, branch);

		owner->running++;
		owner->failing |= branch->failure != NULL && !branch->tolerated;
	}
}

/* Writes a name so that it cannot be taken for more than one part of a path. */
void
ow_machine_append_name(StringInfo path, const char *name)
{
	for (; *name; name++)
	{
		if (strchr(":/\\", *name) != NULL)
			appendStringInfoChar(path, '\\');
		appendStringInfoChar(path, *name);
	}
}

static char *
branch_path(OwMachine *machine, const OwState *state, int index)
{
	StringInfoData path;

	initStringInfo(&path);
	if (machine->branch != NULL)
		appendStringInfo(&path, "%s/", machine->branch->path);
	ow_machine_append_name(&path, state->name);
	appendStringInfo(&path, ":%d:%d", ow_machine_visit_counts(machine)[state->index], index);
	return path.data;
}

static OwBranch *
new_branch(OwMachine *machine, const OwState *state, int index)
{
	OwRun	   *run = machine->run;
	OwBranch   *branch = palloc0(sizeof(OwBranch));

	branch->id = run->next_branch_id++;
	branch->parent = current_id(machine);
	branch->index = index;
	branch->path = branch_path(machine, state, index);
	branch->status = OW_BRANCH_RUNNING;
	branch->token.state = OW_NO_STATE;
	branch->token.entered_at = machine->now;
	branch->token.scheduled_at = DT_NOEND;
	branch->token.due_at = DT_NOEND;
	run->branches = lappend(run->branches, branch);
	machine->token->running++;
	return branch;
}

static void
record_started(OwMachine *machine, const OwState *owner)
{
	const OwBranch *branch = machine->branch;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "index", branch->index);
	if (branch->parent != 0)
		ow_object_add_int(&object, "parent", branch->parent);
	ow_machine_record(machine, "BranchStarted", owner->name, ow_object_end(&object));
}

/* Opens the next branch, and sends its token to the first state of its machine. */
static void
open_branch(OwMachine *machine, const OwState *state, const OwSpread *spread)
{
	OwToken    *owner = machine->token;
	int			index = owner->opened++;
	int			submachine = state->first_submachine + (state->type == OW_STATE_MAP ? 0 : index);
	OwBranch   *branch = new_branch(machine, state, index);
	Jsonb	   *data = spread->input;
	bool		ok = true;
	OwFailure	failure;

	if (state->type == OW_STATE_MAP)
	{
		JsonbValue	item;

		(void) ow_json_value_element(&spread->items, index, &item);
		if (state->item_batcher != NULL)
			data = ow_json_from_value(&item);
		else
			ok = ow_machine_select_item(machine, state, spread->input, &item, index, &data, &failure);
	}
	ow_machine_select(machine, branch);
	record_started(machine, state);
	ow_machine_go(machine, machine->definition->submachines[submachine].start_at, ok ? data : ow_json_null());
	if (!ok)
		ow_machine_branch_failed(machine, &failure);
}

/* The item of the Map around the current state, or whose ItemSelector is evaluated */
bool
ow_machine_map_item(const OwMachine *machine, int *index, JsonbValue *item)
{
	const OwBranch *branch = machine->branch;
	const OwToken *owner;
	JsonbValue	items;

	if (machine->item != NULL)
	{
		*index = machine->item_index;
		*item = *machine->item;
		return true;
	}
	while (branch != NULL && owner_state(machine, branch)->type != OW_STATE_MAP)
		branch = ow_run_find_branch(machine->run, branch->parent);
	if (branch == NULL)
		return false;
	owner = owner_of(machine, branch);
	*index = branch->index;
	return ow_json_member(owner->kept, "Items", &items) && ow_json_value_element(&items, *index, item);
}

/* ---- gathering ---- */

/* Takes a branch that runs no more off the list; a row that it has goes at flush. */
static void
remove_running(OwMachine *machine, OwBranch *branch)
{
	OwRun	   *run = machine->run;

	owner_of(machine, branch)->running--;
	run->branches = list_delete_ptr(run->branches, branch);
	if (branch->stored)
		run->gone_branches = lappend_int(run->gone_branches, branch->id);
}

/* What rows there are of outputs of the owner's branches goes; of those opened just now there are none. */
static void
forget_stored_outputs(OwRun *run, const OwBranch *owner)
{
	if (owner == NULL || owner->stored)
		run->gathered = list_append_unique_int(run->gathered, owner ? owner->id : 0);
}

/* All that the token has opened is over, and nobody wants the outputs any more. */
static void
forget_outputs(OwMachine *machine, const OwBranch *owner)
{
	OwRun	   *run = machine->run;
	int			id = owner ? owner->id : 0;
	List	   *others = NIL;
	ListCell   *cell;

	foreach(cell, run->ended_branches)
	{
		if (((const OwBranch *) lfirst(cell))->parent != id)
			others = lappend(others, lfirst(cell));
	}
	list_free(run->ended_branches);
	run->ended_branches = others;
	forget_stored_outputs(run, owner);
}

/* Takes the outputs that have no rows, of branches that ended last; returns how many there were. */
static int
take_outputs(OwRun *run, int owner, Jsonb **outputs, int count)
{
	int			found = 0;

	for (int i = list_length(run->ended_branches) - 1; i >= 0 && found < count; i--)
	{
		const OwBranch *branch = list_nth(run->ended_branches, i);

		if (branch->parent != owner)
			continue;
		outputs[branch->index] = branch->output;
		found++;
		run->ended_branches = list_delete_nth_cell(run->ended_branches, i);
	}
	return found;
}

/* The outputs of all branches, in their order */
static Jsonb *
gather_outputs(OwMachine *machine, int count)
{
	OwRun	   *run = machine->run;
	int			id = current_id(machine);
	Jsonb	  **outputs = palloc0(sizeof(Jsonb *) * Max(count, 1));
	JsonbParseState *array = NULL;

	/* rows are of before the run was loaded: of an earlier visit, if that was gathered since */
	if (take_outputs(run, id, outputs, count) < count && !list_member_int(run->gathered, id))
		machine->host->read_outputs(machine->host->arg, id, outputs, count);
	forget_stored_outputs(run, machine->branch);
	pushJsonbValue(&array, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		JsonbValue	value;

		if (outputs[i] == NULL)
			elog(ERROR, "output of branch %d of state \"%s\" is missing", i, ow_machine_state(machine)->name);
		ow_json_as_value(outputs[i], &value);
		pushJsonbValue(&array, WJB_ELEM, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&array, WJB_END_ARRAY, NULL));
}

static void
record_completed(OwMachine *machine, const OwState *state)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_int(&object, "attempt", machine->token->attempt);
	if (machine->token->failed > 0)
		ow_object_add_int(&object, "tolerated", machine->token->failed);
	ow_machine_record(machine, "StateCompleted", state->name, ow_object_end(&object));
}

/* Opens the next branch of the token's Parallel or Map, or leaves it when all have ended. */
void
ow_machine_spread(OwMachine *machine)
{
	const OwState *state = ow_machine_state(machine);
	const OwSpread *spread = ow_machine_unpack(machine->token);
	Jsonb	   *result;

	if (machine->token->opened < spread->count)
	{
		open_branch(machine, state, spread);
		return;
	}
	result = gather_outputs(machine, spread->count);
	record_completed(machine, state);
	ow_machine_leave_task(machine, result);
}

static void
end_branch(OwMachine *machine, OwBranchStatus status, Jsonb *output)
{
	OwBranch   *branch = machine->branch;
	OwRun	   *run = machine->run;

	branch->status = status;
	branch->output = output;
	branch->failure = NULL;
	branch->token.phase = OW_PHASE_CLOSED;
	branch->token.due_at = DT_NOEND;
	if (branch->token.visit_counts != NULL)
		pfree(branch->token.visit_counts);
	branch->token.visit_counts = NULL;
	remove_running(machine, branch);
	run->ended_branches = lappend(run->ended_branches, branch);
	ow_machine_select(machine, NULL);
}

/* The branch has come to the end of its machine. */
void
ow_machine_branch_completed(OwMachine *machine, Jsonb *output)
{
	end_branch(machine, OW_BRANCH_COMPLETED, output);
}

/* ---- failing ---- */

/* Records what the token was doing when it is taken away from it. */
static void
record_canceled(OwMachine *machine)
{
	const OwToken *token = machine->token;
	const char *name = token->state == OW_NO_STATE ? NULL : ow_machine_state(machine)->name;

	if (token->phase == OW_PHASE_WAIT || token->phase == OW_PHASE_AWAIT)
		ow_machine_cancel_timers(machine);
	else if (token->phase == OW_PHASE_ACTIVITY || token->phase == OW_PHASE_BACKOFF || token->phase == OW_PHASE_CIRCUIT_OPEN ||
			 token->phase == OW_PHASE_CALLBACK || token->phase == OW_PHASE_QUEUED)
		ow_machine_record_ended(machine, "ActivityTaskCanceled", name, NULL);
	else if (token->phase == OW_PHASE_REQUEST)
		ow_machine_leave_child(machine);
	ow_machine_record(machine, "BranchCanceled", name, NULL);
}

#define NOBODY 0				/* no branch has this id */

/* Stops the branches that a token has opened, and theirs, but for one. */
static void
cancel_opened(OwMachine *machine, int owner, int spared, bool recorded)
{
	List	   *branches = list_copy(machine->run->branches);
	ListCell   *cell;

	foreach(cell, branches)
	{
		OwBranch   *branch = lfirst(cell);

		if (branch->parent != owner || branch->id == spared)
			continue;
		if (branch->token.phase == OW_PHASE_BRANCHES)
		{
			cancel_opened(machine, branch->id, NOBODY, recorded);
			forget_outputs(machine, branch);
		}
		ow_machine_select(machine, branch);
		if (recorded)
			record_canceled(machine);
		remove_running(machine, branch);
	}
	list_free(branches);
}

/* Stops all branches of the run: it is canceled, timed out or (without a trace of each) terminated. */
void
ow_machine_cancel_branches(OwMachine *machine, bool recorded)
{
	OwToken    *token = &machine->run->token;

	if (token->phase != OW_PHASE_BRANCHES)
		return;
	cancel_opened(machine, 0, NOBODY, recorded);
	forget_outputs(machine, NULL);
	ow_machine_select(machine, NULL);
	token->opened = token->failed = 0;
	token->failing = false;
}

/*
 * Is the compensation one of those to run now?  For the run all are.  A failing branch undoes what it
 * did itself when its failure is tolerated, else what all branches of its Parallel or Map did; a
 * Compensate state what its branch did.
 */
bool
ow_machine_undoes(const OwMachine *machine, const OwRecordedCompensation *compensation)
{
	const OwBranch *branch = machine->branch;
	size_t		length;

	if (branch == NULL)
		return true;
	if (compensation->branch == NULL)
		return false;
	if (branch->failure != NULL && !branch->tolerated)
	{
		length = strrchr(branch->path, ':') + 1 - branch->path; /* "Ship:1:" */
		return strncmp(compensation->branch, branch->path, length) == 0;
	}
	length = strlen(branch->path);
	return strncmp(compensation->branch, branch->path, length) == 0 &&
		(compensation->branch[length] == '\0' || compensation->branch[length] == '/');
}

/* A failure as a branch keeps it while it is undone */
static Jsonb *
kept_failure(const OwMachine *machine, const OwFailure *failure)
{
	const OwState *state = ow_machine_state(machine);
	bool		deeper = failure->state != NULL;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Error", failure->error);
	ow_object_add_text(&object, "Cause", failure->cause);
	ow_object_add(&object, "Details", failure->details);
	if (failure->non_retryable)
		ow_object_add_bool(&object, "NonRetryable", true);
	ow_object_add_text(&object, "State", deeper ? failure->state : state->name);
	ow_object_add_text(&object, "Activity", deeper ? failure->activity : state->activity);
	if (deeper ? failure->attempt > 0 : state->type == OW_STATE_TASK && machine->token->attempt > 0)
		ow_object_add_int(&object, "Attempt", deeper ? failure->attempt : machine->token->attempt);
	return ow_object_end(&object);
}

static void
record_failed(OwMachine *machine, const OwFailure *failure)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "error", failure->error);
	ow_object_add_text(&object, "cause", failure->cause);
	ow_machine_record(machine, "BranchFailed", ow_machine_state(machine)->name, ow_object_end(&object));
}

/* Too many items have failed: the Map fails with an error of its own. */
static void
exceed_tolerated(const OwMachine *machine, const OwFailure *failure, OwFailure *exceeded)
{
	const OwState *state = ow_machine_state(machine);

	(void) ow_fail(exceeded, OW_ERROR_TOLERATED_FAILURES, "The specified tolerated failure threshold was exceeded");
	exceeded->details = ow_failure_json(failure);
	exceeded->state = failure->state ? failure->state : state->name;
	exceeded->activity = failure->state ? failure->activity : state->activity;
	exceeded->attempt = failure->state ? failure->attempt : machine->token->attempt;
}

/* An error that nothing inside the branch took. */
void
ow_machine_branch_failed(OwMachine *machine, const OwFailure *failure)
{
	OwBranch   *branch = machine->branch;
	OwToken    *owner = owner_of(machine, branch);
	int			tolerated = ow_machine_unpack(owner)->tolerated;
	OwFailure	exceeded;

	record_failed(machine, failure);
	branch->tolerated = owner->failed < tolerated;
	if (branch->tolerated)
		count_failed(machine, branch);
	else if (tolerated != OW_UNSET)
	{
		exceed_tolerated(machine, failure, &exceeded);
		failure = &exceeded;
	}
	branch->failure = kept_failure(machine, failure);
	branch->token.due_at = DT_NOEND;
	if (!branch->tolerated)
	{
		owner->failing = true;
		cancel_opened(machine, branch->parent, branch->id, true);
		ow_machine_select(machine, branch);
	}
	if (!ow_machine_compensate_next(machine))
		ow_machine_branch_undone(machine);
}

/*
 * Retry, Catch or failure of the Parallel or Map whose token is the current one.  That a task is not to be tried again says
 * nothing about the whole, whose Retry goes by the error, as in Step Functions.
 */
static void
fail_whole(OwMachine *machine, const OwFailure *failure)
{
	const OwState *state = ow_machine_state(machine);
	OwFailure	retryable = *failure;
	const OwInput input = {.kind = OW_INPUT_ACTIVITY_FAILED, .now = machine->now, .failure = &retryable};

	retryable.non_retryable = false;
	if (!ow_machine_try_again(machine, &input, &state->options, state->name, OW_PHASE_BACKOFF) &&
		!ow_machine_catch(machine, state, failure))
		ow_machine_fail(machine, failure);
}

/* What the failed branch did, and if need be its siblings, has been undone. */
void
ow_machine_branch_undone(OwMachine *machine)
{
	OwBranch   *branch = machine->branch;
	OwFailure	failure;

	ow_failure_from_json(branch->failure, &failure);
	failure.of_branch = true;
	if (branch->tolerated)
	{
		OwObject	object;

		ow_object_begin(&object);
		ow_object_add_text(&object, "Error", failure.error);
		ow_object_add_text(&object, "Cause", failure.cause ? failure.cause : "");
		end_branch(machine, OW_BRANCH_FAILED, ow_object_end(&object));
		return;
	}
	remove_running(machine, branch);
	ow_machine_select(machine, ow_run_find_branch(machine->run, branch->parent));
	forget_outputs(machine, machine->branch);
	machine->token->kept = NULL;
	machine->token->opened = machine->token->failed = 0;
	machine->token->failing = false;
	fail_whole(machine, &failure);
}
