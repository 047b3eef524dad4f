/*
 * run_continue.c
 *		Runs in whose place another goes on, as they continue as new or are retried: the next run's row, and what goes
 *		along with it.  Also what a reset sends along.
 *
 * The next run is inserted when the row of the one before has gone, in the same transaction: the workflow id
 * always has one open run.  Signals and compensations go along as messages, by which they come into its history.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "store/run_internal.h"
#include "store/run_options.h"
#include "store/run_row.h"
#include "store/search_attribute.h"
#include "store/start.h"
#include "test_kit/test_kit.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

static OwStatement insert_runs = {
	.sql = "INSERT INTO workflow.execution SELECT * FROM unnest($1)",
	.argument_types = "workflow.execution[]"
};

static OwStatement insert_messages = {
	.sql = "INSERT INTO workflow.message SELECT * FROM unnest($1)",
	.argument_types = "workflow.message[]"
};

static OwStatement insert_timers = {
	.sql = "INSERT INTO workflow.timer SELECT * FROM unnest($1)",
	.argument_types = "workflow.timer[]"
};

static OwStatement pass_message_on = {
	.sql =
	"UPDATE workflow.message SET run_id = $4, sent_at = greatest(sent_at, $5)"
	" WHERE shard_key = $1 AND run_id = $2 AND message_id = $3",
	.argument_types = "int,uuid,uuid,uuid,timestamptz"
};

/*
 * What was committed after the run had continued as new, or been reset, and is for whichever run goes on in its place.  There is hardly ever
 * any: so the message comes first, before all leaves of the ring are looked into.
 */
static OwStatement pass_all_on = {
	.sql =
	"UPDATE workflow.message m SET run_id = n.run_id"
	"  FROM (SELECT s.message_id, e.run_id, e.owner"
	"          FROM (SELECT message_id FROM workflow.message WHERE shard_key = $1 AND run_id = $2"
	"                   AND kind IN ('ChildClosed', 'Signal', 'Update', 'Cancel', 'Terminate', 'Pause', 'Resume', 'SearchAttributes') OFFSET 0) AS s,"
	"               LATERAL (SELECT e.run_id, e.owner FROM workflow.closed_execution c"
	"                          JOIN workflow.execution e"
	"                            ON e.shard_key = $1 AND e.workflow_id = c.workflow_id AND e.chain_id = c.chain_id"
	"                         WHERE c.shard_key = $1 AND c.run_id = $2 "
	"                           AND (c.next_run_id IS NOT NULL OR c.status = 'Terminated') OFFSET 0) AS e) AS n"
	" WHERE m.shard_key = $1 AND m.run_id = $2 AND m.message_id = n.message_id"
	" RETURNING n.run_id, n.owner::oid",
	.argument_types = "int,uuid"
};

static OwStatement forget_result = {
	.sql =
	"UPDATE workflow.update_request"
	"   SET status = 'Sent', run_id = $4, event_id = NULL, result = NULL, failure = NULL, settled_at = NULL"
	" WHERE shard_key = $1 AND chain_id = $2 AND update_id = $3",
	.argument_types = "int,uuid,text,uuid"
};

bool
ow_run_continues(const OwLoadedRun *loaded)
{
	return loaded->run.token.phase == OW_PHASE_CLOSED && loaded->run.outcome.next_input != NULL;
}

bool
ow_run_has_successor(const OwLoadedRun *loaded)
{
	return loaded->replaced || ow_run_continues(loaded);
}

/* Is the message meant for the workflow id rather than for what this run was at? */
bool
ow_message_goes_along(const OwMessage *message)
{
	return !message->taken && (message->kind == OW_INPUT_SIGNAL || message->kind == OW_INPUT_UPDATE ||
							   message->kind == OW_INPUT_CANCEL || message->kind == OW_INPUT_TERMINATE ||
							   message->kind == OW_INPUT_PAUSE || message->kind == OW_INPUT_RESUME ||
							   message->kind == OW_INPUT_CHILD_CLOSED ||
							   message->kind == OW_INPUT_SEARCH_ATTRIBUTES);
}

TimestampTz
ow_run_closed_at(const OwLoadedRun *loaded)
{
	return ((const OwHistoryEvent *) llast(loaded->events))->time;
}

bool
ow_run_may_retry(const OwLoadedRun *loaded, OwRetryQuestion *question, OwRetryAnswer *answer)
{
	question->close_by = loaded->execution_deadline;
	if (!ow_run_options_retry(loaded->options, loaded->compiled->definition, question, answer))
		return false;
	ow_store_open();
	answer->retry = !ow_compensations_failed(loaded);
	ow_store_close();
	return answer->retry;
}

/* ---- the run ---- */

static OwLoadedRun *
next_run(const OwLoadedRun *loaded)
{
	const OwRun *run = &loaded->run;
	const OwDefinition *definition = loaded->next->definition;
	OwLoadedRun *next = palloc0(sizeof(OwLoadedRun));
	OwRun	   *it = &next->run;
	bool		retried = run->outcome.retry.retry;
	TimestampTz begin_at;
	Jsonb	   *attributes;

	it->shard_key = run->shard_key;
	it->run_id = it->root_run_id = run->outcome.next_run_id;
	it->attempt = 1;
	it->workflow_id = run->workflow_id;
	it->started_at = ow_run_closed_at(loaded);
	if (retried)
	{
		it->root_run_id = run->root_run_id;
		it->attempt = run->attempt + 1;
	}
	begin_at = retried ? run->outcome.retry.at : it->started_at;
	it->deadline = ow_run_options_deadline(loaded->options, begin_at, loaded->execution_deadline);
	if (definition->timeout_ms != OW_UNSET)
		it->deadline = Min(it->deadline, ow_instant_add_ms(begin_at, definition->timeout_ms));
	it->input = run->outcome.next_input;
	it->traceparent = run->traceparent;
	it->schedule = run->schedule;
	it->status = it->sticky_status = OW_STATUS_RUNNING;
	it->next_event_id = it->next_branch_id = 1;
	it->token.state = OW_NO_STATE;
	it->token.phase = OW_PHASE_NEW;
	it->token.entered_at = it->token.scheduled_at = DT_NOEND;
	it->token.due_at = begin_at > it->started_at ? begin_at : DT_NOEND;
	next->ref.shard_key = it->shard_key;
	next->ref.run_id = it->run_id;
	next->definition_id = loaded->next->definition_id;
	next->compiled = loaded->next;
	next->bucket = ow_run_id_bucket(&it->run_id);
	next->owner = loaded->owner;
	next->started_by = loaded->started_by;
	next->memo = loaded->memo;
	next->chain_id = loaded->chain_id;
	next->execution_deadline = loaded->execution_deadline;
	next->parent = loaded->parent;
	next->children = loaded->children;
	next->options = ow_run_options_next(loaded->options, &run->outcome.retry);
	attributes = ow_search_attributes_read(loaded);
	if (attributes != NULL)
		next->options = ow_run_options_searchable(next->options, attributes);
	next->ready = it->token.due_at == DT_NOEND;
	return next;
}

/* A run that waits before it begins has the timers of a waiting run. */
static void
add_timers(const OwLoadedRun *next, OwRows *timers)
{
	if (next->ready)
		return;
	ow_rows_add(timers, ow_timer_row(next, "Token", next->run.token.due_at));
	if (next->run.deadline != DT_NOEND)
		ow_rows_add(timers, ow_timer_row(next, "Deadline", next->run.deadline));
	ow_wakeup_at(next->owner, Min(next->run.token.due_at, next->run.deadline));
}

/* ---- what goes along ---- */

static Datum
message_row(const OwLoadedRun *next, const char *kind, Jsonb *payload, const char *sent_by, TimestampTz sent_at)
{
	Oid			sender = sent_by ? get_role_oid(sent_by, true) : InvalidOid;
	pg_uuid_t	message_id;
	OwRow		row;

	ow_run_id_make(next->run.shard_key, 0, &message_id);
	memset(&row, 0, sizeof(row));
	ow_row_set(&row, MESSAGE_SHARD_KEY, Int32GetDatum(next->run.shard_key));
	ow_row_set(&row, MESSAGE_RUN_ID, UUIDPGetDatum(&next->run.run_id));
	ow_row_set(&row, MESSAGE_MESSAGE_ID, UUIDPGetDatum(&message_id));
	ow_row_set(&row, MESSAGE_OWNER, ObjectIdGetDatum(next->owner));
	ow_row_set_text(&row, MESSAGE_KIND, kind);
	ow_row_set_json(&row, MESSAGE_PAYLOAD, payload);
	ow_row_set(&row, MESSAGE_SENT_BY, ObjectIdGetDatum(OidIsValid(sender) ? sender : next->owner));
	ow_row_set(&row, MESSAGE_SENT_AT, TimestampTzGetDatum(sent_at));
	return ow_store_row("message", row.values, row.nulls);
}

/* They come first, whatever else was sent. */
static void
add_compensations(const OwLoadedRun *loaded, const OwLoadedRun *next, OwRows *messages)
{
	OwObject	payload;

	if (loaded->run.compensations == NIL)
		return;
	ow_object_begin(&payload);
	ow_object_add(&payload, "compensations", ow_machine_carried_compensations(&loaded->run));
	ow_rows_add(messages, message_row(next, "Compensations", ow_object_end(&payload), NULL, DT_NOBEGIN));
}

/* After those before it; its request id has done its work.  Moves the time that the next may have. */
static void
add_signal(const OwBufferedSignal *signal, const OwLoadedRun *next, TimestampTz *earliest, OwRows *messages)
{
	TimestampTz sent_at = Max(signal->sent_at, *earliest);
	OwObject	payload;

	ow_object_begin(&payload);
	ow_object_add_text(&payload, "signal", signal->name);
	ow_object_add(&payload, "payload", signal->payload);
	ow_rows_add(messages, message_row(next, "Signal", ow_object_end(&payload), signal->sent_by, sent_at));
	*earliest = sent_at + 1;
}

/*
 * In the order in which they came, without updates, which are of the run that has accepted them.  Gives the time that the
 * next may have.
 */
static TimestampTz
add_signals(const OwLoadedRun *loaded, const OwLoadedRun *next, OwRows *messages)
{
	TimestampTz earliest = DT_NOBEGIN;
	ListCell   *cell;

	foreach(cell, loaded->run.signals)
	{
		const OwBufferedSignal *signal = lfirst(cell);

		if (signal->update_id == NULL)
			add_signal(signal, next, &earliest, messages);
	}
	return earliest;
}

/* What came after them */
static void
pass_messages_on(const OwLoadedRun *loaded, const OwLoadedRun *next, TimestampTz earliest)
{
	ListCell   *cell;

	foreach(cell, loaded->messages)
	{
		const OwMessage *message = lfirst(cell);
		Datum		values[5] = {
			Int32GetDatum(loaded->run.shard_key), UUIDPGetDatum(&loaded->run.run_id),
			UUIDPGetDatum(&message->message_id), UUIDPGetDatum(&next->run.run_id), TimestampTzGetDatum(earliest)
		};

		if (ow_message_goes_along(message))
			ow_store_execute(&pass_message_on, values, NULL);
	}
}

void
ow_runs_continue(List *runs)
{
	OwRows		rows = {0};
	OwRows		messages = {0};
	OwRows		timers = {0};
	ListCell   *cell;

	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);
		OwLoadedRun *next;

		if (!ow_run_continues(loaded))
			continue;
		next = next_run(loaded);
		ow_rows_add(&rows, ow_run_row(next));
		add_timers(next, &timers);
		ow_search_attributes_continue(loaded, next);
		add_compensations(loaded, next, &messages);
		pass_messages_on(loaded, next, add_signals(loaded, next, &messages));
		ow_wakeup_run(next->owner, &next->ref);
		if (ow_clock_is_virtual())
			ow_test_kit_started(&next->ref);
	}
	ow_rows_write(&insert_runs, "execution", &rows);
	ow_rows_write(&insert_messages, "message", &messages);
	ow_rows_write(&insert_timers, "timer", &timers);
}

/* ---- after a reset ---- */

static void
add_recorded_signal(const OwHistoryEvent *event, const OwLoadedRun *next, TimestampTz *earliest, OwRows *messages)
{
	char	   *sent_at = ow_json_get_string(event->attributes, "sent_at");
	OwBufferedSignal signal = {
		.name = ow_json_get_string(event->attributes, "signal"),
		.payload = ow_json_get(event->attributes, "payload"),
		.sent_by = ow_json_get_string(event->attributes, "requested_by")
	};

	if (sent_at == NULL || !ow_instant_parse(sent_at, &signal.sent_at))
		elog(ERROR, "malformed signal in history event %d", event->event_id);
	add_signal(&signal, next, earliest, messages);
}

/* Its id counts for the run that is gone, too: whoever asks is told what becomes of it now. */
static void
add_recorded_update(const OwHistoryEvent *event, const OwLoadedRun *next, TimestampTz *earliest, OwRows *messages)
{
	char	   *sent_at = ow_json_get_string(event->attributes, "sent_at");
	char	   *update_id = ow_json_get_string(event->attributes, "update_id");
	Datum		values[4] = {
		Int32GetDatum(next->run.shard_key), UUIDPGetDatum(&next->chain_id), CStringGetTextDatum(update_id),
		UUIDPGetDatum(&next->run.run_id)
	};
	TimestampTz at;
	OwObject	payload;

	if (sent_at == NULL || !ow_instant_parse(sent_at, &at))
		elog(ERROR, "malformed update in history event %d", event->event_id);
	at = Max(at, *earliest);
	ow_object_begin(&payload);
	ow_object_add_text(&payload, "update", ow_json_get_string(event->attributes, "update"));
	ow_object_add_text(&payload, "update_id", update_id);
	ow_object_add(&payload, "payload", ow_json_get(event->attributes, "payload"));
	ow_object_add_text(&payload, "chain_id", ow_uuid_to_cstring(&next->chain_id));
	ow_rows_add(messages, message_row(next, "Update", ow_object_end(&payload),
									  ow_json_get_string(event->attributes, "requested_by"), at));
	*earliest = at + 1;
	ow_store_execute(&forget_result, values, NULL);
}

static void
add_recorded_upsert(const OwHistoryEvent *event, const OwLoadedRun *next, TimestampTz *earliest, OwRows *messages)
{
	TimestampTz at = Max(event->time, *earliest);
	OwObject	payload;

	ow_object_begin(&payload);
	ow_object_add(&payload, "search_attributes", ow_json_get(event->attributes, "search_attributes"));
	ow_rows_add(messages, message_row(next, "SearchAttributes", ow_object_end(&payload),
									  ow_json_get_string(event->attributes, "requested_by"), at));
	*earliest = at + 1;
}

/* What it continues as new was told first, and is told first again. */
static void
add_recorded_compensations(const OwHistoryEvent *event, const OwLoadedRun *next, OwRows *messages)
{
	OwObject	payload;

	ow_object_begin(&payload);
	ow_object_add(&payload, "compensations", ow_json_get(event->attributes, "compensations"));
	ow_rows_add(messages, message_row(next, "Compensations", ow_object_end(&payload), NULL, DT_NOBEGIN));
}

void
ow_run_tell_again(OwLoadedRun *base, List *events, const OwLoadedRun *loaded)
{
	TimestampTz earliest = DT_NOBEGIN;
	OwRows		messages = {0};
	ListCell   *cell;

	foreach(cell, events)
	{
		const OwHistoryEvent *event = lfirst(cell);

		if (strcmp(event->type, "WorkflowExecutionSignaled") == 0)
			add_recorded_signal(event, loaded, &earliest, &messages);
		else if (strcmp(event->type, "WorkflowExecutionUpdateAccepted") == 0)
			add_recorded_update(event, loaded, &earliest, &messages);
		else if (strcmp(event->type, "UpsertWorkflowSearchAttributes") == 0 && event->state == NULL)
			add_recorded_upsert(event, loaded, &earliest, &messages);
		else if (strcmp(event->type, "CompensationsCarriedOver") == 0)
			add_recorded_compensations(event, loaded, &messages);
	}
	if (base != NULL)
		pass_messages_on(base, loaded, earliest);
	ow_rows_write(&insert_messages, "message", &messages);
}

void
ow_run_pass_on(const OwRunRef *ref)
{
	Datum		values[2] = {Int32GetDatum(ref->shard_key), UUIDPGetDatum(&ref->run_id)};
	uint64		count = ow_store_execute(&pass_all_on, values, NULL);

	for (uint64 row = 0; row < count; row++)
	{
		OwRunRef	next = {.shard_key = ref->shard_key, .run_id = ow_store_uuid(row, 1)};

		ow_wakeup_run((Oid) ow_store_int(row, 2), &next);
	}
}
