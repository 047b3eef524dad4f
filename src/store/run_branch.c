/*
 * run_branch.c
 *		What hangs on a run while it is in Parallel or Map states.
 *
 * A branch has a row while it runs and its transaction is over: most start and end within one, and leave
 * only their output.  Outputs are inserted once, one row each, and deleted when all of the Parallel or
 * Map have been gathered: nothing is rewritten that grows with the number of items.
 */
#include "postgres.h"

#include "machine/json.h"
#include "store/run_internal.h"
#include "store/run_row.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static OwStatement read_branches = {
	.sql =
	"SELECT b.*"
	"  FROM unnest($1, $2) AS wanted (shard_key, run_id),"
	"       LATERAL (SELECT * FROM workflow.branch r"
	"                 WHERE r.shard_key = wanted.shard_key AND r.run_id = wanted.run_id OFFSET 0) AS b"
	" ORDER BY b.run_id, b.branch_id",
	.argument_types = "int[],uuid[]"
};

static OwStatement write_branches = {
	.sql =
	"INSERT INTO workflow.branch SELECT * FROM unnest($1)"
	" ON CONFLICT (shard_key, run_id, branch_id) DO UPDATE"
	" SET failure = excluded.failure, tolerated = excluded.tolerated, state = excluded.state,"
	"     phase = excluded.phase, attempt = excluded.attempt, transitions = excluded.transitions,"
	"     compensation = excluded.compensation, opened = excluded.opened, failed = excluded.failed,"
	"     entered_at = excluded.entered_at, scheduled_at = excluded.scheduled_at, due_at = excluded.due_at,"
	"     task_token = excluded.task_token, retry_counts = excluded.retry_counts, data = excluded.data,"
	"     kept = excluded.kept, last_failure = excluded.last_failure, visits = excluded.visits,"
	"     variables = excluded.variables, control = excluded.control",
	.argument_types = "workflow.branch[]"
};

static OwStatement delete_branch = {
	.sql = "DELETE FROM workflow.branch WHERE shard_key = $1 AND run_id = $2 AND branch_id = $3",
	.argument_types = "int,uuid,int"
};

static OwStatement delete_branches_of_run = {
	.sql = "DELETE FROM workflow.branch WHERE shard_key = $1 AND run_id = $2",
	.argument_types = "int,uuid"
};

static OwStatement write_outputs = {
	.sql = "INSERT INTO workflow.branch_output SELECT * FROM unnest($1)",
	.argument_types = "workflow.branch_output[]"
};

static OwStatement read_outputs = {
	.sql =
	"SELECT item_index, output FROM workflow.branch_output"
	" WHERE shard_key = $1 AND run_id = $2 AND parent = $3",
	.argument_types = "int,uuid,int"
};

static OwStatement delete_outputs = {
	.sql = "DELETE FROM workflow.branch_output WHERE shard_key = $1 AND run_id = $2 AND parent = $3",
	.argument_types = "int,uuid,int"
};

static OwStatement delete_outputs_of_run = {
	.sql = "DELETE FROM workflow.branch_output WHERE shard_key = $1 AND run_id = $2",
	.argument_types = "int,uuid"
};

/* ---- loading ---- */

static OwBranch *
read_branch(uint64 row)
{
	OwBranch   *branch = palloc0(sizeof(OwBranch));

	branch->id = ow_store_int(row, BRANCH_BRANCH_ID + 1);
	branch->parent = ow_store_int(row, BRANCH_PARENT + 1);
	branch->index = ow_store_int(row, BRANCH_ITEM_INDEX + 1);
	branch->path = ow_store_text(row, BRANCH_PATH + 1);
	branch->failure = ow_store_jsonb(row, BRANCH_FAILURE + 1);
	branch->tolerated = ow_store_bool(row, BRANCH_TOLERATED + 1);
	branch->status = OW_BRANCH_RUNNING;
	branch->stored = true;
	branch->state_name = ow_store_text(row, BRANCH_TOKEN + TOKEN_STATE + 1);
	ow_row_read_token(row, BRANCH_TOKEN, &branch->token);
	return branch;
}

/* Only a run whose token stands in a Parallel or Map can have branches that run. */
static List *
runs_with_branches(List *runs)
{
	List	   *with_some = NIL;
	ListCell   *cell;

	foreach(cell, runs)
	{
		OwLoadedRun *loaded = lfirst(cell);

		if (loaded->run.token.phase == OW_PHASE_BRANCHES)
			with_some = lappend(with_some, loaded);
	}
	return with_some;
}

static void
read_all_branches(List *runs, MemoryContext context)
{
	int			count = list_length(runs);
	int32	   *shard_keys = palloc(sizeof(int32) * count);
	pg_uuid_t  *run_ids = palloc(sizeof(pg_uuid_t) * count);
	Datum		values[2];
	uint64		rows;
	ListCell   *cell;

	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);

		shard_keys[foreach_current_index(cell)] = loaded->run.shard_key;
		run_ids[foreach_current_index(cell)] = loaded->run.run_id;
	}
	values[0] = ow_store_int_array(shard_keys, count);
	values[1] = ow_store_uuid_array(run_ids, count);
	rows = ow_store_execute(&read_branches, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		pg_uuid_t	run_id = ow_store_uuid(row, BRANCH_RUN_ID + 1);
		OwLoadedRun *loaded = ow_run_find_loaded(runs, &run_id);
		MemoryContext previous = MemoryContextSwitchTo(context);
		OwBranch   *branch = read_branch(row);

		loaded->run.branches = lappend(loaded->run.branches, branch);
		MemoryContextSwitchTo(previous);
	}
}

void
ow_branches_load(List *runs, MemoryContext context)
{
	List	   *with_some = runs_with_branches(runs);

	if (with_some != NIL)
		read_all_branches(with_some, context);
}

void
ow_branches_bind(OwLoadedRun *loaded)
{
	ListCell   *cell;

	foreach(cell, loaded->run.branches)
	{
		OwBranch   *branch = lfirst(cell);

		if (branch->state_name != NULL)
			branch->token.state = ow_run_resolve_state(loaded, branch->state_name);
	}
}

/* In a section of its own: a run that is being driven asks for them. */
void
ow_run_read_outputs(const OwRunRef *ref, int parent, Jsonb **outputs, int count)
{
	Datum		values[3];
	uint64		rows;

	ow_store_open();
	values[0] = Int32GetDatum(ref->shard_key);
	values[1] = UUIDPGetDatum(&ref->run_id);
	values[2] = Int32GetDatum(parent);
	rows = ow_store_execute(&read_outputs, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		int			index = ow_store_int(row, 1);

		if (index < count && outputs[index] == NULL)
			outputs[index] = ow_store_jsonb(row, 2);
	}
	ow_store_close();
}

/* ---- writing back ---- */

static Datum
branch_row(const OwLoadedRun *loaded, const OwBranch *branch)
{
	OwRow		row;

	memset(&row, 0, sizeof(row));
	ow_row_set(&row, BRANCH_SHARD_KEY, Int32GetDatum(loaded->run.shard_key));
	ow_row_set(&row, BRANCH_RUN_ID, UUIDPGetDatum(&loaded->run.run_id));
	ow_row_set(&row, BRANCH_BRANCH_ID, Int32GetDatum(branch->id));
	ow_row_set(&row, BRANCH_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set(&row, BRANCH_PARENT, Int32GetDatum(branch->parent));
	ow_row_set(&row, BRANCH_ITEM_INDEX, Int32GetDatum(branch->index));
	ow_row_set_text(&row, BRANCH_PATH, branch->path);
	ow_row_set_json(&row, BRANCH_FAILURE, branch->failure);
	ow_row_set(&row, BRANCH_TOLERATED, BoolGetDatum(branch->tolerated));
	ow_row_set_token(&row, BRANCH_TOKEN, &branch->token, loaded->compiled->definition, true);
	return ow_store_row("branch", row.values, row.nulls);
}

static Datum
output_row(const OwLoadedRun *loaded, const OwBranch *branch)
{
	OwRow		row;

	memset(&row, 0, sizeof(row));
	ow_row_set(&row, OUTPUT_SHARD_KEY, Int32GetDatum(loaded->run.shard_key));
	ow_row_set(&row, OUTPUT_RUN_ID, UUIDPGetDatum(&loaded->run.run_id));
	ow_row_set(&row, OUTPUT_PARENT, Int32GetDatum(branch->parent));
	ow_row_set(&row, OUTPUT_ITEM_INDEX, Int32GetDatum(branch->index));
	ow_row_set(&row, OUTPUT_BRANCH_ID, Int32GetDatum(branch->id));
	ow_row_set(&row, OUTPUT_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set_text(&row, OUTPUT_STATUS, ow_branch_status_name(branch->status));
	ow_row_set_json(&row, OUTPUT_OUTPUT, branch->output);
	return ow_store_row("branch_output", row.values, row.nulls);
}

/* Deletes what rows are no longer wanted; a run that closes leaves none. */
static void
delete_gone(const OwLoadedRun *loaded)
{
	const OwRun *run = &loaded->run;
	Datum		values[3] = {Int32GetDatum(run->shard_key), UUIDPGetDatum(&run->run_id)};
	ListCell   *cell;

	if (loaded->stored_branch_id <= 1)
		return;
	if (run->token.phase == OW_PHASE_CLOSED)
	{
		ow_store_execute(&delete_branches_of_run, values, NULL);
		ow_store_execute(&delete_outputs_of_run, values, NULL);
		return;
	}
	foreach(cell, run->gone_branches)
	{
		values[2] = Int32GetDatum(lfirst_int(cell));
		ow_store_execute(&delete_branch, values, NULL);
	}
	foreach(cell, run->gathered)
	{
		values[2] = Int32GetDatum(lfirst_int(cell));
		ow_store_execute(&delete_outputs, values, NULL);
	}
}

static void
collect_branches(const OwLoadedRun *loaded, OwRows *branches, OwRows *outputs)
{
	ListCell   *cell;

	if (loaded->run.token.phase == OW_PHASE_CLOSED)
		return;
	foreach(cell, loaded->run.branches)
	{
		const OwBranch *branch = lfirst(cell);

		if (branch->dirty)
			ow_rows_add(branches, branch_row(loaded, branch));
	}
	foreach(cell, loaded->run.ended_branches)
		ow_rows_add(outputs, output_row(loaded, lfirst(cell)));
}

void
ow_branches_flush(List *runs)
{
	OwRows		branches = {0};
	OwRows		outputs = {0};
	ListCell   *cell;

	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);

		delete_gone(loaded);
		collect_branches(loaded, &branches, &outputs);
	}
	ow_rows_write(&write_branches, "branch", &branches);
	ow_rows_write(&write_outputs, "branch_output", &outputs);
}
