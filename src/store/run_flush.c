/*
 * run_flush.c
 *		Writing a batch of runs back: one statement per table, fed by arrays of rows.
 *
 * Order of writes: history, compensations, branches and tasks, timers, signals, updates, messages and requests, then the runs' own rows (which this
 * transaction has locked since loading).  The wake-ups that follow are owed until commit.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "store/run.h"
#include "store/run_internal.h"
#include "store/run_row.h"
#include "store/schedule.h"
#include "store/search_attribute.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

/* A reset writes the history of another run at once: a row of it stays short. */
#define EVENTS_PER_ROW 1000

/*
 * One statement per table, however many rows.  What is there must be found by its key, whatever the planner believes
 * of the tables: a join with the rows at hand, planned while a table was small, would go through all of it when it has
 * grown.  So rows are looked up by key to be updated at the place where they were found, which nothing else but the
 * place leads to; and for those that go there is an index scan for the shard keys, as in run_task.c.
 */
static OwStatement insert_history = {
	.sql =
	"INSERT INTO workflow.history_batch SELECT * FROM unnest($1)",
	.argument_types = "workflow.history_batch[]"
};

static OwStatement write_timers = {
	.sql =
	"INSERT INTO workflow.timer SELECT * FROM unnest($1)"
	" ON CONFLICT (shard_key, run_id, kind) DO UPDATE SET due_at = excluded.due_at",
	.argument_types = "workflow.timer[]"
};

static OwStatement delete_timers = {
	.sql =
	"DELETE FROM workflow.timer"
	" WHERE shard_key = ANY ($1) AND ((run_id, kind) IN (SELECT unnest($2), unnest($3))) IS TRUE",
	.argument_types = "int[],uuid[],text[]"
};

static OwStatement keep_undeliverable = {
	.sql =
	"INSERT INTO workflow.undeliverable_signal"
	" SELECT shard_key, run_id, message_id, owner, payload, sent_by, sent_at FROM workflow.message"
	" WHERE shard_key = $1 AND run_id = $2 AND message_id = $3",
	.argument_types = "int,uuid,uuid"
};

static OwStatement delete_messages = {
	.sql =
	"DELETE FROM workflow.message"
	" WHERE shard_key = ANY ($1) AND ((run_id, message_id) IN (SELECT unnest($2), unnest($3))) IS TRUE",
	.argument_types = "int[],uuid[],uuid[]"
};

#define UPDATE_RUNS(documents) \
	"UPDATE workflow.execution e" \
	"   SET definition_id = n.definition_id, deadline = n.deadline, deadline_timer = n.deadline_timer," \
	"       ready = n.ready, crashes = n.crashes, status = n.status, state = n.state, phase = n.phase," \
	"       attempt = n.attempt, transitions = n.transitions, next_event_id = n.next_event_id," \
	"       next_branch_id = n.next_branch_id, handler_taken = n.handler_taken," \
	"       cancel_requested = n.cancel_requested, sticky_status = n.sticky_status," \
	"       compensation = n.compensation, compensations = n.compensations, signals = n.signals," \
	"       signal_requests = n.signal_requests, updates = n.updates, updated = n.updated, opened = n.opened," \
	"       failed = n.failed, entered_at = n.entered_at, scheduled_at = n.scheduled_at, due_at = n.due_at," \
	"       task_token = n.task_token, retry_counts = n.retry_counts, last_failure = n.last_failure," \
	"       visits = n.visits, control = n.control," documents " error = n.error, outcome = n.outcome, stuck = n.stuck," \
	"       options = n.options, paused = n.paused, changes = n.changes, children = n.children" \
	"  FROM unnest($1) AS n," \
	"       LATERAL (SELECT r.ctid AS place FROM workflow.execution r" \
	"                 WHERE r.shard_key = n.shard_key AND r.run_id = n.run_id OFFSET 0) AS found" \
	" WHERE e.ctid = found.place"

static OwStatement update_runs = {
	.sql = UPDATE_RUNS(" data = n.data, kept = n.kept, variables = n.variables,"),
	.argument_types = "workflow.execution[]"
};

/* Without the documents, which may be large: a Map over many items is written back often. */
static OwStatement update_progress = {
	.sql = UPDATE_RUNS(""),
	.argument_types = "workflow.execution[]"
};

static OwStatement delete_runs = {
	.sql =
	"DELETE FROM workflow.execution WHERE shard_key = ANY ($1) AND (run_id IN (SELECT unnest($2))) IS TRUE",
	.argument_types = "int[],uuid[]"
};

static OwStatement insert_run = {
	.sql =
	"INSERT INTO workflow.execution SELECT * FROM unnest($1) ON CONFLICT (shard_key, workflow_id) DO NOTHING",
	.argument_types = "workflow.execution[]"
};

static OwStatement insert_closed = {
	.sql =
	"INSERT INTO workflow.closed_execution SELECT * FROM unnest($1)",
	.argument_types = "workflow.closed_execution[]"
};

static bool
is_closed(const OwLoadedRun *loaded)
{
	return loaded->run.token.phase == OW_PHASE_CLOSED;
}

static const char *
current_state(const OwLoadedRun *loaded)
{
	int			state = loaded->run.token.state;

	return state == OW_NO_STATE ? NULL : loaded->compiled->definition->states[state].name;
}

static Jsonb *
outcome_json(const OwOutcome *outcome)
{
	OwObject	object;

	if (!outcome->decided)
		return NULL;
	ow_object_begin(&object);
	ow_object_add_text(&object, "Status", ow_status_name(outcome->status));
	ow_object_add(&object, "Output", outcome->output);
	ow_object_add_text(&object, "Error", outcome->error);
	ow_object_add_text(&object, "Cause", outcome->cause);
	ow_object_add(&object, "PublicError", outcome->public_error);
	if (outcome->non_retryable)
		ow_object_add_bool(&object, "NonRetryable", true);
	return ow_object_end(&object);
}

/* A run whose timer waits for compensations is not interrupted by its deadline. */
static bool
wants_deadline_timer(const OwLoadedRun *loaded)
{
	const OwRun *run = &loaded->run;

	return !is_closed(loaded) && !loaded->ready && run->deadline != DT_NOEND && ow_machine_heeds_deadline(run);
}

/* What may be large has not changed since the run was loaded: it need not be written again. */
static bool
documents_stored(const OwLoadedRun *loaded)
{
	const OwToken *token = &loaded->run.token;

	return token->data == loaded->stored_data && token->data != NULL && token->kept == loaded->stored_kept &&
		token->variables == loaded->stored_variables;
}

Datum
ow_run_row(const OwLoadedRun *loaded)
{
	const OwRun *run = &loaded->run;
	OwRow		row;

	memset(&row, 0, sizeof(row));
	ow_row_set(&row, EXECUTION_SHARD_KEY, Int32GetDatum(run->shard_key));
	ow_row_set(&row, EXECUTION_RUN_ID, UUIDPGetDatum(&run->run_id));
	ow_row_set_text(&row, EXECUTION_WORKFLOW_ID, run->workflow_id);
	ow_row_set(&row, EXECUTION_BUCKET, Int16GetDatum(loaded->bucket));
	ow_row_set(&row, EXECUTION_DEFINITION_ID, Int32GetDatum(loaded->definition_id));
	ow_row_set(&row, EXECUTION_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set(&row, EXECUTION_STARTED_BY, ObjectIdGetDatum(loaded->started_by));
	ow_row_set_time(&row, EXECUTION_STARTED_AT, run->started_at);
	ow_row_set_time(&row, EXECUTION_DEADLINE, run->deadline);
	ow_row_set(&row, EXECUTION_DEADLINE_TIMER, BoolGetDatum(wants_deadline_timer(loaded)));
	ow_row_set(&row, EXECUTION_READY, BoolGetDatum(loaded->ready));
	ow_row_set(&row, EXECUTION_CRASHES, Int32GetDatum(loaded->crashes));
	ow_row_set_text(&row, EXECUTION_STATUS, ow_status_name(run->status));
	ow_row_set(&row, EXECUTION_NEXT_EVENT_ID, Int32GetDatum(run->next_event_id));
	ow_row_set(&row, EXECUTION_NEXT_BRANCH_ID, Int32GetDatum(run->next_branch_id));
	ow_row_set(&row, EXECUTION_HANDLER_TAKEN, BoolGetDatum(run->handler_taken));
	ow_row_set(&row, EXECUTION_CANCEL_REQUESTED, BoolGetDatum(run->cancel_requested));
	ow_row_set_text(&row, EXECUTION_STICKY_STATUS, ow_status_name(run->sticky_status));
	ow_row_set(&row, EXECUTION_COMPENSATIONS, Int32GetDatum(run->last_compensation));
	ow_row_set(&row, EXECUTION_SIGNALS, Int32GetDatum(list_length(run->signals)));
	ow_row_set(&row, EXECUTION_SIGNAL_REQUESTS, BoolGetDatum(run->signal_requests));
	ow_row_set(&row, EXECUTION_UPDATES, BoolGetDatum(loaded->updates));
	ow_row_set_json(&row, EXECUTION_UPDATED, run->updated);
	ow_row_set_token(&row, EXECUTION_TOKEN, &run->token, loaded->compiled->definition, !documents_stored(loaded));
	ow_row_set_json(&row, EXECUTION_ERROR, run->error);
	ow_row_set_json(&row, EXECUTION_OUTCOME, outcome_json(&run->outcome));
	ow_row_set_json(&row, EXECUTION_STUCK, run->stuck);
	ow_row_set_json(&row, EXECUTION_PAUSED, run->paused);
	ow_row_set_json(&row, EXECUTION_CHANGES, run->changes);
	ow_row_set_json(&row, EXECUTION_INPUT, run->input);
	ow_row_set_json(&row, EXECUTION_MEMO, loaded->memo);
	ow_row_set_text(&row, EXECUTION_REQUEST_ID, loaded->request_id);
	ow_row_set(&row, EXECUTION_CHAIN_ID, UUIDPGetDatum(&loaded->chain_id));
	ow_row_set(&row, EXECUTION_ROOT_RUN_ID, UUIDPGetDatum(&run->root_run_id));
	ow_row_set_text(&row, EXECUTION_TRACEPARENT, run->traceparent);
	ow_row_set_time(&row, EXECUTION_EXECUTION_DEADLINE, loaded->execution_deadline);
	ow_row_set(&row, EXECUTION_RUN_ATTEMPT, Int32GetDatum(run->attempt));
	ow_row_set_json(&row, EXECUTION_OPTIONS, loaded->options);
	ow_row_set_json(&row, EXECUTION_SCHEDULE, run->schedule);
	ow_row_set_parent(&row, EXECUTION_PARENT_WORKFLOW_ID, loaded->parent);
	row.nulls[EXECUTION_PARENT_OWNER] = loaded->parent == NULL || !OidIsValid(loaded->parent->owner);
	if (!row.nulls[EXECUTION_PARENT_OWNER])
		ow_row_set(&row, EXECUTION_PARENT_OWNER, ObjectIdGetDatum(loaded->parent->owner));
	ow_row_set(&row, EXECUTION_CHILDREN, BoolGetDatum(loaded->children));
	return ow_store_row("execution", row.values, row.nulls);
}

/* What only a run that may come back for its failed compensations needs; see run_reopen.c */
static Jsonb *
machine_json(const OwLoadedRun *loaded)
{
	const OwRun *run = &loaded->run;
	OwObject	object;

	if (!ow_compensations_failed(loaded))
		return NULL;
	ow_object_begin(&object);
	ow_object_add(&object, "data", run->token.data);
	ow_object_add(&object, "variables", run->token.variables);
	ow_object_add_int(&object, "next_branch_id", run->next_branch_id);
	ow_object_add(&object, "visits", ow_machine_visits(&run->token, loaded->compiled->definition));
	ow_object_add(&object, "error", run->error);
	ow_object_add(&object, "changes", run->changes);
	ow_object_add_bool(&object, "handler_taken", run->handler_taken);
	ow_object_add_bool(&object, "cancel_requested", run->cancel_requested);
	if (run->outcome.non_retryable)
		ow_object_add_bool(&object, "non_retryable", true);
	ow_object_add_text(&object, "sticky_status", ow_status_name(run->sticky_status));
	ow_object_add_int(&object, "compensations", run->last_compensation);
	ow_object_add_text(&object, "entered_at", ow_instant_format(run->token.entered_at));
	ow_object_add_text(&object, "scheduled_at", ow_instant_format(run->token.scheduled_at));
	return ow_object_end(&object);
}

static Datum
closed_row(const OwLoadedRun *loaded)
{
	const OwRun *run = &loaded->run;
	OwRow		row;

	memset(&row, 0, sizeof(row));
	ow_row_set(&row, CLOSED_SHARD_KEY, Int32GetDatum(run->shard_key));
	ow_row_set(&row, CLOSED_BUCKET, Int16GetDatum(loaded->bucket));
	ow_row_set(&row, CLOSED_RUN_ID, UUIDPGetDatum(&run->run_id));
	ow_row_set_text(&row, CLOSED_WORKFLOW_ID, run->workflow_id);
	ow_row_set(&row, CLOSED_DEFINITION_ID, Int32GetDatum(loaded->definition_id));
	ow_row_set(&row, CLOSED_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set(&row, CLOSED_STARTED_BY, ObjectIdGetDatum(loaded->started_by));
	ow_row_set_time(&row, CLOSED_STARTED_AT, run->started_at);
	ow_row_set_time(&row, CLOSED_CLOSED_AT, ow_run_closed_at(loaded));
	ow_row_set_text(&row, CLOSED_STATUS, ow_status_name(run->status));
	ow_row_set_text(&row, CLOSED_STATE, current_state(loaded));
	ow_row_set(&row, CLOSED_EVENTS, Int32GetDatum(run->next_event_id - 1));
	ow_row_set_json(&row, CLOSED_INPUT, run->input);
	ow_row_set_json(&row, CLOSED_OUTPUT, run->outcome.output);
	ow_row_set_text(&row, CLOSED_ERROR, run->outcome.error);
	ow_row_set_text(&row, CLOSED_CAUSE, run->outcome.cause);
	ow_row_set_json(&row, CLOSED_PUBLIC_ERROR, run->outcome.public_error);
	ow_row_set_json(&row, CLOSED_MEMO, loaded->memo);
	ow_row_set_text(&row, CLOSED_REQUEST_ID, loaded->request_id);
	ow_row_set(&row, CLOSED_CHAIN_ID, UUIDPGetDatum(&loaded->chain_id));
	ow_row_set(&row, CLOSED_ROOT_RUN_ID, UUIDPGetDatum(&run->root_run_id));
	ow_row_set_json(&row, CLOSED_MACHINE, machine_json(loaded));
	ow_row_set_text(&row, CLOSED_TRACEPARENT, run->traceparent);
	ow_row_set(&row, CLOSED_RUN_ATTEMPT, Int32GetDatum(run->attempt));
	ow_row_set(&row, CLOSED_NEXT_RUN_ID, UUIDPGetDatum(&run->outcome.next_run_id));
	row.nulls[CLOSED_NEXT_RUN_ID] = !ow_run_continues(loaded);
	ow_row_set_json(&row, CLOSED_SCHEDULE, run->schedule);
	ow_row_set_parent(&row, CLOSED_PARENT_WORKFLOW_ID, loaded->parent);
	ow_row_set_time(&row, CLOSED_DEADLINE, run->deadline);
	ow_row_set_time(&row, CLOSED_EXECUTION_DEADLINE, loaded->execution_deadline);
	ow_row_set_json(&row, CLOSED_OPTIONS, loaded->options);
	return ow_store_row("closed_execution", row.values, row.nulls);
}

/* One of the arrays of a history row; where a null stands, the event has no such thing. */
static Datum
event_array(Datum *values, bool *nulls, int count, Oid type)
{
	int			dimension = count;
	int			lower_bound = 1;
	int16		length;
	bool		by_value;
	char		alignment;

	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	return PointerGetDatum(construct_md_array(values, nulls, 1, &dimension, &lower_bound, type,
											  length, by_value, alignment));
}

static Datum
history_row(const OwLoadedRun *loaded, int first, int count)
{
	Datum	   *values = palloc(sizeof(Datum) * count * 4);
	bool	   *nulls = palloc0(sizeof(bool) * count * 4);
	Datum	   *times = values,
			   *types = times + count,
			   *states = types + count,
			   *attributes = states + count;
	int32	   *branches = palloc(sizeof(int32) * count);
	bool		any_branch = false;
	OwRow		row;

	for (int i = 0; i < count; i++)
	{
		const OwHistoryEvent *event = list_nth(loaded->events, first + i);

		branches[i] = event->branch;
		any_branch |= event->branch != 0;
		times[i] = TimestampTzGetDatum(event->time);
		types[i] = CStringGetTextDatum(event->type);
		nulls[2 * count + i] = event->state == NULL;
		states[i] = event->state ? CStringGetTextDatum(event->state) : (Datum) 0;
		nulls[3 * count + i] = event->attributes == NULL;
		attributes[i] = JsonbPGetDatum(event->attributes);
	}
	memset(&row, 0, sizeof(row));
	ow_row_set(&row, HISTORY_SHARD_KEY, Int32GetDatum(loaded->run.shard_key));
	ow_row_set(&row, HISTORY_BUCKET, Int16GetDatum(loaded->bucket));
	ow_row_set(&row, HISTORY_RUN_ID, UUIDPGetDatum(&loaded->run.run_id));
	ow_row_set(&row, HISTORY_FIRST_EVENT_ID,
			   Int32GetDatum(((OwHistoryEvent *) list_nth(loaded->events, first))->event_id));
	ow_row_set(&row, HISTORY_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set(&row, HISTORY_STARTED_BY, ObjectIdGetDatum(loaded->started_by));
	ow_row_set(&row, HISTORY_EVENT_TIMES, event_array(times, nulls, count, TIMESTAMPTZOID));
	ow_row_set(&row, HISTORY_EVENT_TYPES, event_array(types, nulls + count, count, TEXTOID));
	ow_row_set(&row, HISTORY_STATES, event_array(states, nulls + 2 * count, count, TEXTOID));
	row.nulls[HISTORY_BRANCHES] = !any_branch;
	if (any_branch)
		ow_row_set(&row, HISTORY_BRANCHES, ow_store_int_array(branches, count));
	ow_row_set(&row, HISTORY_ATTRIBUTES, event_array(attributes, nulls + 3 * count, count, JSONBOID));
	return ow_store_row("history_batch", row.values, row.nulls);
}

static void
flush_history(List *runs)
{
	OwRows		rows = {0};
	ListCell   *cell;

	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);
		int			count = list_length(loaded->events);

		for (int first = 0; first < count; first += EVENTS_PER_ROW)
			ow_rows_add(&rows, history_row(loaded, first, Min(count - first, EVENTS_PER_ROW)));
	}
	ow_rows_write(&insert_history, "history_batch", &rows);
}

Datum
ow_timer_row(const OwLoadedRun *loaded, const char *kind, TimestampTz due_at)
{
	OwRow		row;

	memset(&row, 0, sizeof(row));
	ow_row_set(&row, TIMER_SHARD_KEY, Int32GetDatum(loaded->run.shard_key));
	ow_row_set(&row, TIMER_RUN_ID, UUIDPGetDatum(&loaded->run.run_id));
	ow_row_set_text(&row, TIMER_KIND, kind);
	ow_row_set(&row, TIMER_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set_time(&row, TIMER_DUE_AT, due_at);
	return ow_store_row("timer", row.values, row.nulls);
}

/* One kind of timer of one run: written when it is new or moved, deleted when it is over. */
static void
diff_timer(const OwLoadedRun *loaded, const char *kind, TimestampTz stored, TimestampTz wanted,
		   OwRows *rows, OwRows *gone)
{
	if (wanted == stored)
		return;
	if (wanted != DT_NOEND)
	{
		ow_rows_add(rows, ow_timer_row(loaded, kind, wanted));
		ow_wakeup_at(loaded->owner, wanted);
	}
	else
	{
		ow_rows_add(&gone[0], Int32GetDatum(loaded->run.shard_key));
		ow_rows_add(&gone[1], UUIDPGetDatum(&loaded->run.run_id));
		ow_rows_add(&gone[2], CStringGetTextDatum(kind));
	}
}

/* When the first of the run's tokens goes on by itself; while it is paused none does */
static TimestampTz
token_due_at(const OwLoadedRun *loaded)
{
	int			branch;

	return is_closed(loaded) || loaded->run.status == OW_STATUS_PAUSED ? DT_NOEND : ow_run_next_timer(&loaded->run, &branch);
}

static void
flush_timers(List *runs)
{
	OwRows		rows = {0};
	OwRows		gone[3] = {{0}};
	ListCell   *cell;

	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);

		diff_timer(loaded, "Token", loaded->stored_due_at, token_due_at(loaded), &rows, gone);
		diff_timer(loaded, "Deadline", loaded->stored_deadline,
				   wants_deadline_timer(loaded) ? loaded->run.deadline : DT_NOEND, &rows, gone);
	}
	ow_rows_write(&write_timers, "timer", &rows);
	(void) ow_rows_execute_keys(&delete_timers, gone, (Oid[]) {INT4OID, UUIDOID, TEXTOID}, 3);
}

static void
add_message(OwRows *rows, const OwLoadedRun *loaded, const OwMessage *message)
{
	ow_rows_add(&rows[0], Int32GetDatum(loaded->run.shard_key));
	ow_rows_add(&rows[1], UUIDPGetDatum(&loaded->run.run_id));
	ow_rows_add(&rows[2], UUIDPGetDatum(&message->message_id));
}

/* Messages that were taken in, and those a closed run can no longer take: a signal among them is kept for people to see. */
static void
flush_messages(List *runs)
{
	OwRows		gone[3] = {{0}};
	OwRows		late[3] = {{0}};
	ListCell   *cell;

	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);
		ListCell   *inner;

		foreach(inner, loaded->messages)
		{
			const OwMessage *message = lfirst(inner);

			if (message->handed_over || (!message->taken && !is_closed(loaded)))
				continue;
			if (ow_run_has_successor(loaded) && ow_message_goes_along(message))
				continue;
			add_message(gone, loaded, message);
			if (message->kind == OW_INPUT_SIGNAL && !message->taken)
				add_message(late, loaded, message);
		}
	}
	ow_rows_execute_each(&keep_undeliverable, late, 3);
	(void) ow_rows_execute_keys(&delete_messages, gone, (Oid[]) {INT4OID, UUIDOID, UUIDOID}, 3);
}

static void
flush_runs(List *runs)
{
	OwRows		open = {0};
	OwRows		progress = {0};
	OwRows		closed = {0};
	OwRows		gone[2] = {{0}};
	ListCell   *cell;

	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);

		if (!is_closed(loaded))
		{
			ow_rows_add(documents_stored(loaded) ? &progress : &open, ow_run_row(loaded));
			continue;
		}
		ow_rows_add(&closed, closed_row(loaded));
		ow_rows_add(&gone[0], Int32GetDatum(loaded->run.shard_key));
		ow_rows_add(&gone[1], UUIDPGetDatum(&loaded->run.run_id));
	}
	ow_rows_write(&update_runs, "execution", &open);
	ow_rows_write(&update_progress, "execution", &progress);
	ow_rows_write(&insert_closed, "closed_execution", &closed);
	(void) ow_rows_execute_keys(&delete_runs, gone, (Oid[]) {INT4OID, UUIDOID}, 2);
	ow_runs_continue(runs);
}

/* What hangs on the runs */
static void
flush_children(List *runs)
{
	flush_history(runs);
	ow_search_attributes_flush(runs);
	ow_compensations_flush(runs);
	ow_branches_flush(runs);
	ow_tasks_flush(runs);
	flush_timers(runs);
	ow_signals_flush(runs);
	ow_updates_flush(runs);
	flush_messages(runs);
}

bool
ow_run_insert(OwLoadedRun *loaded)
{
	Datum		row = ow_run_row(loaded);
	Datum		value = ow_store_row_array("execution", &row, 1);

	if (ow_store_execute(&insert_run, &value, NULL) == 0)
		return false;
	flush_children(list_make1(loaded));
	ow_wakeup_run(loaded->owner, &loaded->ref);
	return true;
}

void
ow_run_flush(List *runs)
{
	ListCell   *cell;

	flush_children(runs);
	ow_requests_flush(runs);
	flush_runs(runs);
	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);

		if (is_closed(loaded) || loaded->run.update_outcomes != NIL)
			ow_wakeup_waiters(ow_wakeup_key(loaded->run.workflow_id));
		if (is_closed(loaded) && loaded->run.schedule != NULL && !ow_run_has_successor(loaded))
			ow_schedule_run_closed(loaded->run.schedule);
		if (!is_closed(loaded) && loaded->ready)
			ow_wakeup_run(loaded->owner, &loaded->ref);
	}
}
