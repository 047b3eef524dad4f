/*
 * run_load.c
 *		Locking and loading a batch of runs: their rows first, their children in later statements.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/run.h"
#include "store/run_internal.h"
#include "store/run_options.h"
#include "store/run_row.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

/*
 * The keys come first, and each is looked up by index: LATERAL with FOR UPDATE or OFFSET 0 leaves the
 * planner no other way round, whatever it believes of the tables' sizes.
 */
#define LOCK_RUNS \
	"SELECT e.*" \
	"  FROM unnest($1, $2) AS wanted (shard_key, run_id)," \
	"       LATERAL (SELECT r.* FROM workflow.execution r" \
	"                 WHERE r.shard_key = wanted.shard_key AND r.run_id = wanted.run_id" \
	"                   FOR UPDATE"

static OwStatement lock_runs = {
	.sql = LOCK_RUNS " SKIP LOCKED) AS e",
	.argument_types = "int[],uuid[]"
};

static OwStatement lock_runs_waiting = {
	.sql = LOCK_RUNS ") AS e",
	.argument_types = "int[],uuid[]"
};

static OwStatement read_open = {
	.sql = "SELECT * FROM workflow.execution WHERE shard_key = $1 AND run_id = $2",
	.argument_types = "int,uuid"
};

static OwStatement find_open = {
	.sql =
	"SELECT e.shard_key, e.run_id"
	"  FROM unnest($1, $2) AS wanted (shard_key, run_id),"
	"       LATERAL (SELECT r.shard_key, r.run_id FROM workflow.execution r"
	"                 WHERE r.shard_key = wanted.shard_key AND r.run_id = wanted.run_id OFFSET 0) AS e",
	.argument_types = "int[],uuid[]"
};

/* Row by row: the plan of a join might go through all messages. */
static OwStatement delete_undeliverable = {
	.sql =
	"WITH gone AS ("
	"DELETE FROM workflow.message WHERE shard_key = $1 AND run_id = $2"
	" AND NOT EXISTS (SELECT FROM workflow.message s WHERE s.shard_key = $1 AND s.run_id = $2"
	"                  AND s.kind IN ('StartChild', 'SignalExternal', 'CancelExternal'))"
	" AND NOT EXISTS (SELECT FROM workflow.execution e WHERE e.shard_key = $1 AND e.run_id = $2)"
	" RETURNING shard_key, run_id, message_id, owner, kind, payload, sent_by, sent_at)"
	", forgotten AS ("
	"DELETE FROM workflow.signal_request r USING gone"
	" WHERE r.shard_key = $1 AND r.chain_id = (gone.payload->>'chain_id')::uuid"
	"   AND r.request_id = gone.payload->>'request_id')"
	", unsent AS ("
	"DELETE FROM workflow.update_request u USING gone"
	" WHERE gone.kind = 'Update' AND u.shard_key = $1 AND u.chain_id = (gone.payload->>'chain_id')::uuid"
	"   AND u.update_id = gone.payload->>'update_id')"
	" INSERT INTO workflow.undeliverable_signal"
	" SELECT shard_key, run_id, message_id, owner, payload, sent_by, sent_at FROM gone WHERE kind = 'Signal'",
	.argument_types = "int,uuid"
};

static OwStatement read_messages = {
	.sql =
	"SELECT m.run_id, m.message_id, m.kind, m.payload, m.sent_by::text, m.sent_at"
	"  FROM unnest($1, $2) AS wanted (shard_key, run_id),"
	"       LATERAL (SELECT * FROM workflow.message r"
	"                 WHERE r.shard_key = wanted.shard_key AND r.run_id = wanted.run_id OFFSET 0) AS m"
	" ORDER BY m.sent_at, m.message_id",
	.argument_types = "int[],uuid[]"
};

/* run_columns.h counts from 0, the store's readers from 1. */
#define read_int(row, column) ow_store_int(row, (column) + 1)
#define read_oid(row, column) ((Oid) ow_store_int(row, (column) + 1))
#define read_bool(row, column) ow_store_bool(row, (column) + 1)
#define read_time(row, column) ow_store_time(row, (column) + 1)
#define read_uuid(row, column) ow_store_uuid(row, (column) + 1)
#define read_text(row, column) ow_store_text(row, (column) + 1)
#define read_json(row, column) ow_store_jsonb(row, (column) + 1)

static void
read_outcome(const Jsonb *json, OwOutcome *outcome)
{
	JsonbValue	value;

	if (json == NULL)
		return;
	outcome->decided = true;
	outcome->status = ow_status_from_name(ow_json_get_string(json, "Status"));
	outcome->output = ow_json_get(json, "Output");
	outcome->error = ow_json_get_string(json, "Error");
	outcome->cause = ow_json_get_string(json, "Cause");
	outcome->public_error = ow_json_get(json, "PublicError");
	outcome->non_retryable = ow_json_member(json, "NonRetryable", &value);
}

static void
read_run(uint64 row, OwRun *run)
{
	run->shard_key = read_int(row, EXECUTION_SHARD_KEY);
	run->run_id = read_uuid(row, EXECUTION_RUN_ID);
	run->root_run_id = read_uuid(row, EXECUTION_ROOT_RUN_ID);
	run->workflow_id = read_text(row, EXECUTION_WORKFLOW_ID);
	run->started_at = read_time(row, EXECUTION_STARTED_AT);
	run->deadline = read_time(row, EXECUTION_DEADLINE);
	run->attempt = read_int(row, EXECUTION_RUN_ATTEMPT);
	run->input = read_json(row, EXECUTION_INPUT);
	run->traceparent = read_text(row, EXECUTION_TRACEPARENT);
	run->schedule = read_json(row, EXECUTION_SCHEDULE);
	run->status = ow_status_from_name(read_text(row, EXECUTION_STATUS));
	run->next_event_id = read_int(row, EXECUTION_NEXT_EVENT_ID);
	run->next_branch_id = read_int(row, EXECUTION_NEXT_BRANCH_ID);
	run->last_compensation = read_int(row, EXECUTION_COMPENSATIONS);
	run->unloaded_compensations = run->last_compensation;
	run->signal_requests = read_bool(row, EXECUTION_SIGNAL_REQUESTS);
	run->updated = read_json(row, EXECUTION_UPDATED);
	run->error = read_json(row, EXECUTION_ERROR);
	run->handler_taken = read_bool(row, EXECUTION_HANDLER_TAKEN);
	run->sticky_status = ow_status_from_name(read_text(row, EXECUTION_STICKY_STATUS));
	run->cancel_requested = read_bool(row, EXECUTION_CANCEL_REQUESTED);
	run->stuck = read_json(row, EXECUTION_STUCK);
	run->paused = read_json(row, EXECUTION_PAUSED);
	run->changes = read_json(row, EXECUTION_CHANGES);
	ow_row_read_token(row, EXECUTION_TOKEN, &run->token);
	read_outcome(read_json(row, EXECUTION_OUTCOME), &run->outcome);
}

static OwLoadedRun *
read_loaded(uint64 row)
{
	OwLoadedRun *loaded = palloc0(sizeof(OwLoadedRun));

	read_run(row, &loaded->run);
	loaded->ref.shard_key = loaded->run.shard_key;
	loaded->ref.run_id = loaded->run.run_id;
	loaded->definition_id = read_int(row, EXECUTION_DEFINITION_ID);
	loaded->state_name = read_text(row, EXECUTION_TOKEN + TOKEN_STATE);
	loaded->bucket = read_int(row, EXECUTION_BUCKET);
	loaded->owner = read_oid(row, EXECUTION_OWNER);
	loaded->started_by = read_oid(row, EXECUTION_STARTED_BY);
	loaded->memo = read_json(row, EXECUTION_MEMO);
	loaded->request_id = read_text(row, EXECUTION_REQUEST_ID);
	loaded->chain_id = read_uuid(row, EXECUTION_CHAIN_ID);
	loaded->ready = read_bool(row, EXECUTION_READY);
	loaded->crashes = read_int(row, EXECUTION_CRASHES);
	loaded->stored_data = loaded->run.token.data;
	loaded->stored_kept = loaded->run.token.kept;
	loaded->stored_variables = loaded->run.token.variables;
	loaded->stored_branch_id = loaded->run.next_branch_id;
	loaded->stored_deadline = read_bool(row, EXECUTION_DEADLINE_TIMER) ? loaded->run.deadline : DT_NOEND;
	loaded->stored_compensation = loaded->run.last_compensation;
	loaded->stored_event_id = loaded->run.next_event_id;
	loaded->execution_deadline = read_time(row, EXECUTION_EXECUTION_DEADLINE);
	loaded->stored_signals = read_int(row, EXECUTION_SIGNALS);
	loaded->options = read_json(row, EXECUTION_OPTIONS);
	loaded->run.priority = ow_run_options_priority(loaded->options);
	loaded->run.search_attributes = ow_run_options_search_attributes(loaded->options);
	loaded->updates = read_bool(row, EXECUTION_UPDATES);
	loaded->parent = ow_row_read_parent(row, EXECUTION_PARENT_WORKFLOW_ID + 1);
	loaded->children = read_bool(row, EXECUTION_CHILDREN);
	return loaded;
}

OwLoadedRun *
ow_run_find_loaded(List *runs, const pg_uuid_t *run_id)
{
	ListCell   *cell;

	foreach(cell, runs)
	{
		OwLoadedRun *loaded = lfirst(cell);

		if (memcmp(&loaded->ref.run_id, run_id, UUID_LEN) == 0)
			return loaded;
	}
	return NULL;
}

/* The two key arrays that every statement starts from */
static void
ref_arrays(const OwRunRef *refs, int count, Datum *values)
{
	int32	   *shard_keys = palloc(sizeof(int32) * count);
	pg_uuid_t  *run_ids = palloc(sizeof(pg_uuid_t) * count);

	for (int i = 0; i < count; i++)
	{
		shard_keys[i] = refs[i].shard_key;
		run_ids[i] = refs[i].run_id;
	}
	values[0] = ow_store_int_array(shard_keys, count);
	values[1] = ow_store_uuid_array(run_ids, count);
}

static void
key_arrays(List *runs, Datum *values)
{
	OwRunRef   *refs = palloc(sizeof(OwRunRef) * list_length(runs));
	ListCell   *cell;

	foreach(cell, runs)
		refs[foreach_current_index(cell)] = ((OwLoadedRun *) lfirst(cell))->ref;
	ref_arrays(refs, list_length(runs), values);
}

/* What each kind of message is to its run */
static const struct
{
	const char *kind;
	OwInputKind input;
}			message_kinds[] = {
	{"Cancel", OW_INPUT_CANCEL},
	{"Terminate", OW_INPUT_TERMINATE},
	{"Pause", OW_INPUT_PAUSE},
	{"Resume", OW_INPUT_RESUME},
	{"Retry", OW_INPUT_RETRY},
	{"RetryCompensations", OW_INPUT_RETRY_COMPENSATIONS},
	{"ActivityCompleted", OW_INPUT_ACTIVITY_COMPLETED},
	{"ActivityFailed", OW_INPUT_ACTIVITY_FAILED},
	{"Heartbeat", OW_INPUT_HEARTBEAT},
	{"SearchAttributes", OW_INPUT_SEARCH_ATTRIBUTES},
	{"Signal", OW_INPUT_SIGNAL},
	{"Update", OW_INPUT_UPDATE},
	{"Compensations", OW_INPUT_COMPENSATIONS},
	{"PauseActivity", OW_INPUT_PAUSE_ACTIVITY},
	{"ResumeActivity", OW_INPUT_RESUME_ACTIVITY},
	{"ResetActivity", OW_INPUT_RESET_ACTIVITY},
	{"UpdateActivityOptions", OW_INPUT_ACTIVITY_OPTIONS},
	{"ChildStarted", OW_INPUT_CHILD_STARTED},
	{"ChildClosed", OW_INPUT_CHILD_CLOSED},
	{"RequestAccepted", OW_INPUT_REQUEST_ACCEPTED},
	{"RequestFailed", OW_INPUT_REQUEST_FAILED}
};

static OwInputKind
message_input(const char *kind)
{
	for (int i = 0; i < (int) lengthof(message_kinds); i++)
	{
		if (strcmp(kind, message_kinds[i].kind) == 0)
			return message_kinds[i].input;
	}
	elog(ERROR, "unrecognized message \"%s\"", kind);
}

/* An answer to a task token names it. */
static void
read_task_token(OwMessage *message, Jsonb *payload)
{
	char	   *text = ow_json_get_string(payload, "task_token");

	message->payload = payload;
	if (text != NULL)
		message->task_token = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
}

static void
load_messages(List *runs, MemoryContext context)
{
	Datum		values[2];
	uint64		count;

	key_arrays(runs, values);
	count = ow_store_execute(&read_messages, values, NULL);
	for (uint64 row = 0; row < count; row++)
	{
		pg_uuid_t	run_id = read_uuid(row, 0);
		OwLoadedRun *loaded = ow_run_find_loaded(runs, &run_id);
		MemoryContext previous = MemoryContextSwitchTo(context);
		OwMessage  *message = palloc0(sizeof(OwMessage));
		Jsonb	   *payload = read_json(row, 3);
		JsonbValue	value;
		int64		definition_id;

		message->message_id = read_uuid(row, 1);
		message->kind = message_input(read_text(row, 2));
		message->reason = ow_json_get_string(payload, "reason");
		message->sent_by = read_text(row, 4);
		message->sent_at = read_time(row, 5);
		if (ow_json_member(payload, "definition_id", &value) && ow_json_value_int64(&value, &definition_id))
			message->definition_id = definition_id;
		read_task_token(message, payload);
		loaded->messages = lappend(loaded->messages, message);
		MemoryContextSwitchTo(previous);
	}
}

static bool
is_in(List *refs, const OwRunRef *wanted)
{
	ListCell   *cell;

	foreach(cell, refs)
	{
		if (memcmp(&((const OwRunRef *) lfirst(cell))->run_id, &wanted->run_id, UUID_LEN) == 0)
			return true;
	}
	return false;
}

/*
 * Of the refs that were not loaded, those that still have an open row were locked by others; the rest
 * have closed, and whatever was sent to them too late goes, or are the names of requests (request.h).
 */
static List *
find_contended(const OwRunRef *refs, int count, List *runs, List **absent, MemoryContext context)
{
	OwRunRef   *missing = palloc(sizeof(OwRunRef) * count);
	int			missing_count = 0;
	List	   *contended = NIL;
	Datum		values[2];
	uint64		found;

	for (int i = 0; i < count; i++)
	{
		if (ow_run_find_loaded(runs, &refs[i].run_id) == NULL)
			missing[missing_count++] = refs[i];
	}
	if (missing_count == 0)
		return NIL;
	ref_arrays(missing, missing_count, values);
	found = ow_store_execute(&find_open, values, NULL);
	for (uint64 row = 0; row < found; row++)
	{
		MemoryContext previous = MemoryContextSwitchTo(context);
		OwRunRef   *ref = palloc(sizeof(OwRunRef));

		ref->shard_key = read_int(row, 0);
		ref->run_id = read_uuid(row, 1);
		contended = lappend(contended, ref);
		MemoryContextSwitchTo(previous);
	}
	for (int i = 0; i < missing_count && found < (uint64) missing_count; i++)
	{
		MemoryContext previous;

		if (is_in(contended, &missing[i]))
			continue;
		values[0] = Int32GetDatum(missing[i].shard_key);
		values[1] = UUIDPGetDatum(&missing[i].run_id);
		ow_run_pass_on(&missing[i]);
		ow_store_execute(&delete_undeliverable, values, NULL);
		previous = MemoryContextSwitchTo(context);
		*absent = lappend(*absent, memcpy(palloc(sizeof(OwRunRef)), &missing[i], sizeof(OwRunRef)));
		MemoryContextSwitchTo(previous);
	}
	return contended;
}

static List *
lock(OwStatement *statement, const OwRunRef *refs, int count, MemoryContext context)
{
	List	   *runs = NIL;
	Datum		values[2];
	uint64		loaded_count;

	ref_arrays(refs, count, values);
	loaded_count = ow_store_execute(statement, values, NULL);
	for (uint64 row = 0; row < loaded_count; row++)
	{
		MemoryContext previous = MemoryContextSwitchTo(context);
		OwLoadedRun *loaded = read_loaded(row);

		if (ow_run_find_loaded(runs, &loaded->ref.run_id) == NULL)	/* a ref may come twice */
			runs = lappend(runs, loaded);
		MemoryContextSwitchTo(previous);
		ow_wakeup_locked(loaded->owner, &loaded->ref);
	}
	return runs;
}

static void
load_children(List *runs, MemoryContext context)
{
	if (runs == NIL)
		return;
	load_messages(runs, context);
	ow_compensations_load(runs, context);
	ow_branches_load(runs, context);
	ow_tasks_load(runs, context);
	ow_signals_load(runs, context);
}

/* The caller's context, CurrentMemoryContext before the store was opened, is given as context. */
List *
ow_run_load(const OwRunRef *refs, int count, List **contended, List **absent, MemoryContext context)
{
	List	   *runs = lock(&lock_runs, refs, count, context);

	*absent = NIL;
	*contended = find_contended(refs, count, runs, absent, context);
	load_children(runs, context);
	return runs;
}

List *
ow_run_load_waiting(const OwRunRef *refs, int count, MemoryContext context)
{
	List	   *runs = lock(&lock_runs_waiting, refs, count, context);

	load_children(runs, context);
	return runs;
}

OwLoadedRun *
ow_run_read_open(const OwRunRef *ref, MemoryContext context)
{
	Datum		values[2] = {Int32GetDatum(ref->shard_key), UUIDPGetDatum(&ref->run_id)};
	MemoryContext previous;
	OwLoadedRun *loaded;

	if (ow_store_execute(&read_open, values, NULL) == 0)
		return NULL;
	previous = MemoryContextSwitchTo(context);
	loaded = read_loaded(0);
	MemoryContextSwitchTo(previous);
	return loaded;
}

int
ow_run_resolve_state(const OwLoadedRun *loaded, const char *name)
{
	const OwRun *run = &loaded->run;
	int			state = ow_definition_find_state(loaded->compiled->definition, name);

	if (state == OW_NO_STATE)
		elog(ERROR, "state \"%s\" of run %s is not in version %d of workflow \"%s\"", name, run->workflow_id,
			 run->version, run->workflow);
	return state;
}

/* Resolves the definition, and names of states to their indexes. */
void
ow_run_bind(OwLoadedRun *loaded)
{
	OwRun	   *run = &loaded->run;

	loaded->compiled = ow_catalog_definition(loaded->definition_id);
	run->workflow = loaded->compiled->workflow;
	run->version = loaded->compiled->version;
	run->owner = GetUserNameFromId(loaded->owner, true);
	if (loaded->state_name != NULL)
		run->token.state = ow_run_resolve_state(loaded, loaded->state_name);
	ow_branches_bind(loaded);
}

OwMachine
ow_run_machine(OwLoadedRun *loaded, const OwHost *host)
{
	return (OwMachine)
	{
		.definition = loaded->compiled->definition,
			.host = host,
			.run = &loaded->run,
			.context = CurrentMemoryContext
	};
}

void
ow_run_move(OwLoadedRun *loaded, OwMachine *machine, int definition_id)
{
	const OwCompiled *compiled = ow_catalog_definition(definition_id);

	if (ow_machine_no_place(machine, compiled->definition, NULL) != NULL)
		return;
	(void) ow_machine_use_definition(machine, compiled->definition, compiled->version, NULL);
	loaded->compiled = compiled;
	loaded->definition_id = definition_id;
}
