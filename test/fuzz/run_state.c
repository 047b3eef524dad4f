/*
 * run_state.c
 *		A run's state: as text, to be compared, and as the engine's tables keep it.
 *
 * What is stored and loaded here stands for src/store/run_*.c: branches and compensations are written
 * only when the machine has marked them, a branch's row and an output's go when it says so, and
 * compensations are read a page at a time.
 */
#include "postgres.h"

#include "fuzz.h"
#include "lib/stringinfo.h"
#include "machine/instant.h"
#include "run_state.h"

#define PAGE 2					/* of compensations */

void
fuzz_run_start(OwRun *run, const OwDefinition *definition, Jsonb *input, TimestampTz at)
{
	memset(run, 0, sizeof(*run));
	memset(run->run_id.data, 0x5A, UUID_LEN);
	run->root_run_id = run->run_id;
	run->workflow_id = "fuzz-1";
	run->workflow = "fuzz";
	run->owner = "fuzz";
	run->version = 1;
	run->attempt = 1;
	run->started_at = at;
	run->deadline = definition->timeout_ms == OW_UNSET ? DT_NOEND : ow_instant_add_ms(at, definition->timeout_ms);
	run->input = input;
	run->status = OW_STATUS_RUNNING;
	run->sticky_status = OW_STATUS_RUNNING;
	run->next_event_id = 1;
	run->next_branch_id = 1;
	run->token.state = OW_NO_STATE;
	run->token.phase = OW_PHASE_NEW;
	run->token.due_at = DT_NOEND;
}

/* ---- compensations ---- */

static OwRecordedCompensation *
find_compensation(const List *compensations, int sequence)
{
	ListCell   *cell;

	foreach(cell, compensations)
	{
		OwRecordedCompensation *compensation = lfirst(cell);

		if (compensation->sequence == sequence)
			return compensation;
	}
	return NULL;
}

static int
compare_sequences(const ListCell *a, const ListCell *b)
{
	return ((const OwRecordedCompensation *) lfirst(a))->sequence -
		((const OwRecordedCompensation *) lfirst(b))->sequence;
}

/* Those in memory, and the rows of the others; store may be NULL */
static List *
all_compensations(const OwRun *run, const FuzzStore *store)
{
	List	   *all = list_concat_copy(run->compensations, run->ended_compensations);
	ListCell   *cell;

	foreach(cell, store ? store->compensations : NIL)
	{
		if (find_compensation(all, ((OwRecordedCompensation *) lfirst(cell))->sequence) == NULL)
			all = lappend(all, lfirst(cell));
	}
	list_sort(all, compare_sequences);
	return all;
}

bool
fuzz_run_has_failed_compensation(const OwRun *run, const FuzzStore *store)
{
	ListCell   *cell;

	foreach(cell, all_compensations(run, store))
	{
		if (((OwRecordedCompensation *) lfirst(cell))->status == OW_COMPENSATION_FAILED)
			return true;
	}
	return false;
}

static OwRecordedCompensation *
copy_compensation(const OwRecordedCompensation *compensation)
{
	OwRecordedCompensation *copy = palloc(sizeof(OwRecordedCompensation));

	*copy = *compensation;
	copy->stored = true;
	copy->dirty = false;
	return copy;
}

static void
write_compensations(FuzzStore *store, const List *compensations)
{
	ListCell   *cell;

	foreach(cell, compensations)
	{
		const OwRecordedCompensation *compensation = lfirst(cell);
		OwRecordedCompensation *row = find_compensation(store->compensations, compensation->sequence);
		bool		dropped = compensation->status == OW_COMPENSATION_DROPPED;

		if (row != NULL && (compensation->dirty || (dropped && compensation->stored)))
			store->compensations = list_delete_ptr(store->compensations, row);
		if (compensation->dirty && !dropped)
			store->compensations = lappend(store->compensations, copy_compensation(compensation));
	}
	list_sort(store->compensations, compare_sequences);
}

static void
store_compensations(FuzzStore *store, OwRun *run)
{
	bool		closed = run->token.phase == OW_PHASE_CLOSED;
	ListCell   *cell;

	if (!closed)
		write_compensations(store, run->compensations);
	write_compensations(store, run->ended_compensations);
	foreach(cell, closed ? store->compensations : NIL)
	{
		if (((OwRecordedCompensation *) lfirst(cell))->status == OW_COMPENSATION_RECORDED)
			store->compensations = foreach_delete_current(store->compensations, cell);
	}
	run->compensations = run->ended_compensations = NIL;
	run->unloaded_compensations = run->last_compensation;
}

/* The next page of those still to run, from the end */
void
fuzz_run_load_compensations(const FuzzStore *store, OwRun *run)
{
	List	   *page = NIL;

	for (int i = list_length(store->compensations) - 1; i >= 0 && list_length(page) < PAGE; i--)
	{
		const OwRecordedCompensation *row = list_nth(store->compensations, i);

		if (row->sequence <= run->unloaded_compensations && row->status == OW_COMPENSATION_RECORDED)
			page = lcons(copy_compensation(row), page);
	}
	run->unloaded_compensations = list_length(page) < PAGE ? 0 :
		((OwRecordedCompensation *) linitial(page))->sequence - 1;
	run->compensations = list_concat(page, run->compensations);
}

/* All of them, for the failed ones to run again; right after the run was loaded */
void
fuzz_run_load_all_compensations(const FuzzStore *store, OwRun *run)
{
	ListCell   *cell;

	foreach(cell, store->compensations)
	{
		const OwRecordedCompensation *row = lfirst(cell);

		if (row->status == OW_COMPENSATION_RECORDED)
			run->compensations = lappend(run->compensations, copy_compensation(row));
		else
			run->ended_compensations = lappend(run->ended_compensations, copy_compensation(row));
	}
	run->unloaded_compensations = 0;
}

/* ---- as text ---- */

static void
put_json(StringInfo out, const char *name, const Jsonb *json)
{
	appendStringInfo(out, "%s: %s\n", name, json ? ow_json_to_cstring(json) : "none");
}

static void
put_token(StringInfo out, const OwToken *token, const OwDefinition *definition)
{
	appendStringInfo(out, "state: %d\nphase: %s\nattempt: %d\ntransitions: %d\ncompensation: %d\nopened: %d\nfailed: %d\n",
					 token->state, ow_phase_name(token->phase), token->attempt, token->transitions,
					 token->compensation, token->opened, token->failed);
	appendStringInfo(out, "entered: " INT64_FORMAT "\nscheduled: " INT64_FORMAT "\ndue: " INT64_FORMAT "\n",
					 token->entered_at, token->scheduled_at, token->due_at);
	for (int i = 0; i < OW_MAX_RETRIERS; i++)
		appendStringInfo(out, "retries by retrier: %d\n", token->retry_counts[i]);
	appendStringInfo(out, "task token: %s\n", token->has_task_token ? ow_uuid_to_cstring(&token->task_token) : "none");
	put_json(out, "data", token->data);
	put_json(out, "last failure", token->last_failure);
	put_json(out, "kept", token->kept);
	put_json(out, "visits", ow_machine_visits(token, definition));
	put_json(out, "variables", token->variables);
	put_json(out, "control", token->control);
}

static void
put_branch(StringInfo out, const OwBranch *branch, const OwDefinition *definition)
{
	appendStringInfo(out, "branch: %d of %d, index %d, %s, %s\n", branch->id, branch->parent, branch->index,
					 branch->path, branch->tolerated ? "tolerated" : "not tolerated");
	put_json(out, "branch's failure", branch->failure);
	put_token(out, &branch->token, definition);
}

static void
put_compensation(StringInfo out, const OwRecordedCompensation *compensation)
{
	appendStringInfo(out, "compensation: %d %s %s %s %s %d " INT64_FORMAT " " INT64_FORMAT "\n",
					 compensation->sequence, compensation->branch ? compensation->branch : "", compensation->state,
					 compensation->activity, ow_compensation_status_name(compensation->status), compensation->attempts,
					 compensation->recorded_at, compensation->closed_at);
	put_json(out, "compensation's input", compensation->input);
	put_json(out, "compensates", compensation->compensates);
	put_json(out, "compensation's failure", compensation->failure);
}

static void
put_signal(StringInfo out, const OwBufferedSignal *signal)
{
	appendStringInfo(out, "signal: %d %s %s " INT64_FORMAT "\n", signal->event_id, signal->name,
					 signal->update_id ? signal->update_id : "", signal->sent_at);
	put_json(out, "signal's payload", signal->payload);
}

/* A field a line, "name: value" */
char *
fuzz_run_describe(const OwRun *run, const FuzzStore *store, const OwDefinition *definition)
{
	StringInfoData out;
	ListCell   *cell;

	initStringInfo(&out);
	appendStringInfo(&out, "status: %s\nsticky status: %s\nhandler taken: %d\ncancel requested: %d\n",
					 ow_status_name(run->status), ow_status_name(run->sticky_status), run->handler_taken,
					 run->cancel_requested);
	appendStringInfo(&out, "next event: %d\nnext branch: %d\ndeadline: " INT64_FORMAT "\n", run->next_event_id,
					 run->next_branch_id, run->deadline);
	put_token(&out, &run->token, definition);
	put_json(&out, "execution error", run->error);
	put_json(&out, "stuck", run->stuck);
	put_json(&out, "paused", run->paused);
	put_json(&out, "changes", run->changes);
	put_json(&out, "updated", run->updated);
	appendStringInfo(&out, "outcome: %d %d %s %s %s\n", run->outcome.decided, run->outcome.non_retryable, ow_status_name(run->outcome.status),
					 run->outcome.error ? run->outcome.error : "none", run->outcome.cause ? run->outcome.cause : "none");
	put_json(&out, "output", run->outcome.output);
	put_json(&out, "public error", run->outcome.public_error);
	foreach(cell, run->branches)
		put_branch(&out, lfirst(cell), definition);
	appendStringInfo(&out, "signals with request ids: %d\n", run->signal_requests);
	foreach(cell, run->signals)
		put_signal(&out, lfirst(cell));
	appendStringInfo(&out, "last compensation: %d\n", run->last_compensation);
	foreach(cell, all_compensations(run, store))
	{
		const OwRecordedCompensation *compensation = lfirst(cell);

		/* what a run never came to undo leaves no row once it has closed */
		if (compensation->status != OW_COMPENSATION_DROPPED &&
			(compensation->status != OW_COMPENSATION_RECORDED || run->token.phase != OW_PHASE_CLOSED))
			put_compensation(&out, compensation);
	}
	return out.data;
}

/* ---- as rows ---- */

static void
settle_token(OwToken *token, const OwDefinition *definition)
{
	token->visits = ow_machine_visits(token, definition);
	token->visit_counts = NULL;
}

static void
delete_branch(FuzzStore *store, int id)
{
	ListCell   *cell;

	foreach(cell, store->branches)
	{
		if (((OwBranch *) lfirst(cell))->id == id)
			store->branches = foreach_delete_current(store->branches, cell);
	}
}

static int
compare_ids(const ListCell *a, const ListCell *b)
{
	return ((OwBranch *) lfirst(a))->id - ((OwBranch *) lfirst(b))->id;
}

static void
store_branch(FuzzStore *store, const OwBranch *branch, const OwDefinition *definition)
{
	OwBranch   *row = palloc0(sizeof(OwBranch));

	*row = (OwBranch) {
		.id = branch->id,
		.parent = branch->parent,
		.index = branch->index,
		.path = branch->path,
		.failure = branch->failure,
		.tolerated = branch->tolerated,
		.status = OW_BRANCH_RUNNING,
		.token = branch->token,
		.stored = true
	};
	settle_token(&row->token, definition);
	row->token.spread = NULL;
	delete_branch(store, branch->id);
	store->branches = lappend(store->branches, row);
}

static void
store_output(FuzzStore *store, OwBranch *ended)
{
	ListCell   *cell;

	foreach(cell, store->outputs)
	{
		const OwBranch *output = lfirst(cell);

		if (output->parent == ended->parent && output->index == ended->index)
			fuzz_finding("two outputs are stored for one branch");
	}
	store->outputs = lappend(store->outputs, ended);
}

static void
delete_gone(FuzzStore *store, const OwRun *run)
{
	ListCell   *cell;

	foreach(cell, run->gone_branches)
		delete_branch(store, lfirst_int(cell));
	foreach(cell, store->outputs)
	{
		if (list_member_int(run->gathered, ((OwBranch *) lfirst(cell))->parent))
			store->outputs = foreach_delete_current(store->outputs, cell);
	}
}

static void
store_branches(FuzzStore *store, const OwRun *run, const OwDefinition *definition)
{
	ListCell   *cell;

	delete_gone(store, run);
	foreach(cell, run->branches)
	{
		const OwBranch *branch = lfirst(cell);

		if (branch->dirty)
			store_branch(store, branch, definition);
	}
	foreach(cell, run->ended_branches)
		store_output(store, lfirst(cell));
}

static List *
copy_branches(const List *rows)
{
	List	   *copies = NIL;
	ListCell   *cell;

	foreach(cell, rows)
	{
		OwBranch   *copy = palloc(sizeof(OwBranch));

		*copy = *(OwBranch *) lfirst(cell);
		copies = lappend(copies, copy);
	}
	list_sort(copies, compare_ids);
	return copies;
}

/* Rows of signals come and go as the run says; what it says of others than those that are there is lost. */
static void
store_signals(FuzzStore *store, OwRun *run)
{
	ListCell   *cell;

	foreach(cell, store->signals)
	{
		if (list_member_int(run->consumed_signals, ((OwBufferedSignal *) lfirst(cell))->event_id))
			store->signals = foreach_delete_current(store->signals, cell);
	}
	foreach(cell, run->signals)
	{
		OwBufferedSignal *row = palloc(sizeof(OwBufferedSignal));

		*row = *(OwBufferedSignal *) lfirst(cell);
		if (row->stored)
			continue;
		row->stored = true;
		store->signals = lappend(store->signals, row);
	}
	run->consumed_signals = NIL;
	if (run->token.phase == OW_PHASE_CLOSED)
		store->signals = NIL;
	else
		run->signals = list_copy(store->signals);
}

void
fuzz_run_store_and_load(FuzzStore *store, OwRun *run, const OwDefinition *definition)
{
	store_branches(store, run, definition);
	store_compensations(store, run);
	store_signals(store, run);
	if (run->token.phase == OW_PHASE_CLOSED)
		store->branches = store->outputs = NIL;
	else if (run->token.phase != OW_PHASE_BRANCHES && store->branches != NIL)
		fuzz_finding("branches have rows that are not read in phase %s", ow_phase_name(run->token.phase));
	settle_token(&run->token, definition);
	run->token.spread = NULL;
	run->branches = run->token.phase == OW_PHASE_BRANCHES ? copy_branches(store->branches) : NIL;
	run->ended_branches = run->gone_branches = run->gathered = NIL;
}

void
fuzz_run_read_outputs(const FuzzStore *store, int parent, Jsonb **outputs, int count)
{
	ListCell   *cell;

	foreach(cell, store->outputs)
	{
		const OwBranch *output = lfirst(cell);

		if (output->parent == parent && output->index < count && outputs[output->index] == NULL)
			outputs[output->index] = output->output;
	}
}

bool
fuzz_run_awaits_signal(const OwRun *run)
{
	ListCell   *cell;

	if (run->token.phase == OW_PHASE_AWAIT)
		return true;
	foreach(cell, run->branches)
	{
		if (((const OwBranch *) lfirst(cell))->token.phase == OW_PHASE_AWAIT)
			return true;
	}
	return false;
}
