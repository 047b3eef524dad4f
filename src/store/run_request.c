/*
 * run_request.c
 *		Messages between workflows: requests, their answers, and what parents and children are told when they close.
 *
 * None of this touches a row of the other run, which may be on another machine.  Ids of messages follow from what they
 * are about, so that none is there twice.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "store/request.h"
#include "store/run_internal.h"
#include "store/run_row.h"
#include "store/start.h"
#include "test_kit/test_kit.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

/* The id of a message about a request: its own, with another version, so that messages of one time are in their order */
#define MESSAGE_ID(id, version) "overlay(" id "::text PLACING " version " FROM 15 FOR 1)::uuid"
#define CLOSED "ChildClosed"
#define FIRST_ANSWER "8"
#define CHILD_CLOSED "9"
#define CANCELED "a"
#define PARENT_CLOSED "b"

static OwStatement insert_requests = {
	.sql = "INSERT INTO workflow.message SELECT * FROM unnest($1) ON CONFLICT DO NOTHING",
	.argument_types = "workflow.message[]"
};

static OwStatement insert_children = {
	.sql = "INSERT INTO workflow.child SELECT * FROM unnest($1)",
	.argument_types = "workflow.child[]"
};

static OwStatement delete_child = {
	.sql = "DELETE FROM workflow.child WHERE shard_key = $1 AND chain_id = $2 AND child_run_id = $3",
	.argument_types = "int,uuid,uuid"
};

static OwStatement cancel_child = {
	.sql =
	"INSERT INTO workflow.message (shard_key, run_id, message_id, owner, kind, payload, sent_by, sent_at)"
	" SELECT c.child_shard_key, c.child_run_id, " MESSAGE_ID("c.child_run_id", "'" CANCELED "'") ","
	"        c.child_owner, 'Cancel', $4, c.owner, $5"
	"   FROM workflow.child c WHERE c.shard_key = $1 AND c.chain_id = $2 AND c.child_run_id = $3"
	" ON CONFLICT DO NOTHING RETURNING shard_key, run_id, owner::oid",
	.argument_types = "int,uuid,uuid,jsonb,timestamptz"
};

/* The parent closes: whatever its children are at, they are told, each as its policy has it. */
static OwStatement close_children = {
	.sql =
	"WITH left_open AS (DELETE FROM workflow.child WHERE shard_key = $1 AND chain_id = $2 RETURNING *)"
	"INSERT INTO workflow.message (shard_key, run_id, message_id, owner, kind, payload, sent_by, sent_at)"
	" SELECT c.child_shard_key, c.child_run_id, " MESSAGE_ID("c.child_run_id", "'" PARENT_CLOSED "'") ","
	"        c.child_owner, CASE c.policy WHEN 'Terminate' THEN 'Terminate' ELSE 'Cancel' END, $3, c.owner, $4"
	"   FROM left_open c"
	" ON CONFLICT DO NOTHING RETURNING shard_key, run_id, owner::oid",
	.argument_types = "int,uuid,jsonb,timestamptz"
};

static OwStatement take_requests = {
	.sql =
	"SELECT m.shard_key, m.run_id, m.kind, m.owner::oid, m.sent_by::oid, m.payload"
	"  FROM unnest($1, $2) AS wanted (shard_key, run_id),"
	"       LATERAL (SELECT * FROM workflow.message r"
	"                 WHERE r.shard_key = wanted.shard_key AND r.run_id = wanted.run_id"
	"                   AND r.kind IN ('StartChild', 'SignalExternal', 'CancelExternal')"
	"                   FOR UPDATE SKIP LOCKED) AS m"
	" ORDER BY m.sent_at, m.message_id",
	.argument_types = "int[],uuid[]"
};

/* With the request itself, or all that was sent to what will not be */
static OwStatement delete_mail = {
	.sql =
	"DELETE FROM workflow.message WHERE shard_key = $1 AND run_id = $2"
	" AND ($3 OR kind IN ('StartChild', 'SignalExternal', 'CancelExternal'))",
	.argument_types = "int,uuid,boolean"
};

static OwStatement insert_answer = {
	.sql =
	"INSERT INTO workflow.message (shard_key, run_id, message_id, owner, kind, payload, sent_by, sent_at)"
	" VALUES ($1, $2, " MESSAGE_ID("$3", "$9") ", $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
	.argument_types = "int,uuid,uuid,regrole,text,jsonb,regrole,timestamptz,text"
};

static const char *const request_kinds[] = {
	[OW_REQUEST_CHILD] = "StartChild",
	[OW_REQUEST_SIGNAL] = "SignalExternal",
	[OW_REQUEST_CANCEL] = "CancelExternal"
};

/* ---- what runs ask ---- */

static OwRunRef
ref_of(const OwRequest *request)
{
	return (OwRunRef)
	{
		.shard_key = ow_run_id_shard_key(&request->id), .run_id = request->id
	};
}

static Datum
request_row(const OwLoadedRun *loaded, const OwRequest *request)
{
	OwRow		row;

	memset(&row, 0, sizeof(row));
	ow_row_set(&row, MESSAGE_SHARD_KEY, Int32GetDatum(ow_run_id_shard_key(&request->id)));
	ow_row_set(&row, MESSAGE_RUN_ID, UUIDPGetDatum(&request->id));
	ow_row_set(&row, MESSAGE_MESSAGE_ID, UUIDPGetDatum(&request->id));
	ow_row_set(&row, MESSAGE_OWNER, ObjectIdGetDatum(request->receiver));
	ow_row_set_text(&row, MESSAGE_KIND, request_kinds[request->kind]);
	ow_row_set_json(&row, MESSAGE_PAYLOAD, request->payload);
	ow_row_set(&row, MESSAGE_SENT_BY, ObjectIdGetDatum(loaded->owner));
	ow_row_set(&row, MESSAGE_SENT_AT, TimestampTzGetDatum(request->at));
	return ow_store_row("message", row.values, row.nulls);
}

static Datum
child_row(const OwLoadedRun *loaded, const OwRequest *request)
{
	OwRow		row;

	memset(&row, 0, sizeof(row));
	ow_row_set(&row, CHILD_SHARD_KEY, Int32GetDatum(loaded->run.shard_key));
	ow_row_set(&row, CHILD_CHAIN_ID, UUIDPGetDatum(&loaded->chain_id));
	ow_row_set(&row, CHILD_CHILD_RUN_ID, UUIDPGetDatum(&request->id));
	ow_row_set(&row, CHILD_OWNER, ObjectIdGetDatum(loaded->owner));
	ow_row_set(&row, CHILD_CHILD_SHARD_KEY, Int32GetDatum(ow_run_id_shard_key(&request->id)));
	ow_row_set(&row, CHILD_CHILD_OWNER, ObjectIdGetDatum(request->receiver));
	ow_row_set_text(&row, CHILD_CHILD_WORKFLOW, request->workflow);
	ow_row_set_text(&row, CHILD_CHILD_WORKFLOW_ID, request->workflow_id);
	ow_row_set_text(&row, CHILD_POLICY, ow_close_policy_name(request->policy));
	return ow_store_row("child", row.values, row.nulls);
}

static void
flush_requests(List *runs)
{
	OwRows		messages = {0};
	OwRows		children = {0};
	ListCell   *cell;

	foreach(cell, runs)
	{
		OwLoadedRun *loaded = lfirst(cell);
		ListCell   *inner;

		foreach(inner, loaded->run.requests)
		{
			const OwRequest *request = lfirst(inner);
			OwRunRef	ref = ref_of(request);

			if (request->kind == OW_REQUEST_CANCEL_CHILD)
				continue;
			ow_rows_add(&messages, request_row(loaded, request));
			ow_wakeup_run(request->receiver, &ref);
			if (ow_clock_is_virtual())
				ow_test_kit_started(&ref);
			if (request->kind != OW_REQUEST_CHILD || request->policy == OW_CLOSE_ABANDON)
				continue;
			ow_rows_add(&children, child_row(loaded, request));
			loaded->children = true;
		}
	}
	ow_rows_write(&insert_requests, "message", &messages);
	ow_rows_write(&insert_children, "child", &children);
}

/* Wakes those to whom the statement has just written. */
static void
wake_receivers(uint64 count)
{
	for (uint64 row = 0; row < count; row++)
	{
		OwRunRef	ref = {.shard_key = ow_store_int(row, 1), .run_id = ow_store_uuid(row, 2)};

		ow_wakeup_run((Oid) ow_store_int(row, 3), &ref);
	}
}

static void
chain_key(const OwLoadedRun *loaded, Datum *values)
{
	values[0] = Int32GetDatum(loaded->run.shard_key);
	values[1] = UUIDPGetDatum(&loaded->chain_id);
}

static void
cancel_children(const OwLoadedRun *loaded)
{
	ListCell   *cell;

	foreach(cell, loaded->run.requests)
	{
		const OwRequest *request = lfirst(cell);
		Datum		values[5];

		if (request->kind != OW_REQUEST_CANCEL_CHILD)
			continue;
		chain_key(loaded, values);
		values[2] = UUIDPGetDatum(&request->id);
		values[3] = JsonbPGetDatum(request->payload);
		values[4] = TimestampTzGetDatum(request->at);
		wake_receivers(ow_store_execute(&cancel_child, values, NULL));
	}
}

static void
forget_children(const OwLoadedRun *loaded)
{
	ListCell   *cell;

	foreach(cell, loaded->run.closed_children)
	{
		Datum		values[3];

		chain_key(loaded, values);
		values[2] = UUIDPGetDatum(lfirst(cell));
		ow_store_execute(&delete_child, values, NULL);
	}
}

/* ---- closing ---- */

/* A run that is reset closes its children, since the one in its place starts them anew. */
static bool
has_ended(const OwLoadedRun *loaded)
{
	return loaded->run.token.phase == OW_PHASE_CLOSED && !ow_run_continues(loaded);
}

static void
close_all_children(const OwLoadedRun *loaded)
{
	Datum		values[4];
	OwObject	payload;

	ow_object_begin(&payload);
	ow_object_add_text(&payload, "reason",
					   psprintf("its parent closed: %s", ow_status_name(loaded->run.status)));
	chain_key(loaded, values);
	values[2] = JsonbPGetDatum(ow_object_end(&payload));
	values[3] = TimestampTzGetDatum(ow_run_closed_at(loaded));
	wake_receivers(ow_store_execute(&close_children, values, NULL));
}

/* Sends an answer to the run that asked. */
static void
send_answer(const pg_uuid_t *run_id, Oid owner, const pg_uuid_t *request_id, const char *kind, const Jsonb *payload,
			Oid sender)
{
	OwRunRef	ref = {.shard_key = ow_run_id_shard_key(run_id), .run_id = *run_id};
	Datum		values[9];

	values[0] = Int32GetDatum(ref.shard_key);
	values[1] = UUIDPGetDatum(run_id);
	values[2] = UUIDPGetDatum(request_id);
	values[3] = ObjectIdGetDatum(owner);
	values[4] = CStringGetTextDatum(kind);
	values[5] = JsonbPGetDatum(payload);
	values[6] = ObjectIdGetDatum(sender);
	values[7] = TimestampTzGetDatum(ow_clock_now());
	values[8] = CStringGetTextDatum(strcmp(kind, CLOSED) == 0 ? CHILD_CLOSED : FIRST_ANSWER);
	if (ow_store_execute(&insert_answer, values, NULL) > 0)
		ow_wakeup_run(owner, &ref);
}

static void
tell_parent(const OwLoadedRun *loaded)
{
	const OwRun *run = &loaded->run;
	OwObject	payload;

	ow_object_begin(&payload);
	ow_object_add_text(&payload, "request_id", ow_uuid_to_cstring(&loaded->chain_id));
	ow_object_add_text(&payload, "workflow", run->workflow);
	ow_object_add_text(&payload, "workflow_id", run->workflow_id);
	ow_object_add_text(&payload, "run_id", ow_uuid_to_cstring(&run->run_id));
	ow_object_add_text(&payload, "started_at", ow_instant_format(run->started_at));
	ow_object_add_text(&payload, "closed_at", ow_instant_format(ow_run_closed_at(loaded)));
	ow_object_add_text(&payload, "status", ow_status_name(run->status));
	ow_object_add(&payload, "result", run->outcome.output);
	ow_object_add_text(&payload, "error", run->outcome.error);
	ow_object_add_text(&payload, "cause", run->outcome.cause);
	send_answer(&loaded->parent->run_id, loaded->parent->owner, &loaded->chain_id, CLOSED, ow_object_end(&payload),
				loaded->owner);
}

void
ow_requests_flush(List *runs)
{
	ListCell   *cell;

	flush_requests(runs);
	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);

		cancel_children(loaded);
		forget_children(loaded);
		if (!has_ended(loaded))
			continue;
		if (loaded->children)
			close_all_children(loaded);
		if (loaded->parent != NULL && !loaded->replaced && OidIsValid(loaded->parent->owner))
			tell_parent(loaded);
	}
}

/* ---- taking requests in ---- */

List *
ow_request_take(List *ids, MemoryContext context)
{
	List	   *mails = NIL;
	int			count = list_length(ids);
	int32	   *shard_keys = palloc(sizeof(int32) * count);
	pg_uuid_t  *run_ids = palloc(sizeof(pg_uuid_t) * count);
	ListCell   *cell;
	Datum		values[2];
	uint64		found;

	foreach(cell, ids)
	{
		shard_keys[foreach_current_index(cell)] = ((const OwRunRef *) lfirst(cell))->shard_key;
		run_ids[foreach_current_index(cell)] = ((const OwRunRef *) lfirst(cell))->run_id;
	}
	values[0] = ow_store_int_array(shard_keys, count);
	values[1] = ow_store_uuid_array(run_ids, count);
	found = ow_store_execute(&take_requests, values, NULL);
	for (uint64 row = 0; row < found; row++)
	{
		MemoryContext previous = MemoryContextSwitchTo(context);
		OwMail	   *mail = palloc(sizeof(OwMail));

		mail->ref.shard_key = ow_store_int(row, 1);
		mail->ref.run_id = ow_store_uuid(row, 2);
		mail->kind = ow_store_text(row, 3);
		mail->owner = (Oid) ow_store_int(row, 4);
		mail->sender = (Oid) ow_store_int(row, 5);
		mail->payload = ow_store_jsonb(row, 6);
		mails = lappend(mails, mail);
		MemoryContextSwitchTo(previous);
	}
	return mails;
}

void
ow_request_answer(const OwMail *mail, const char *kind, Jsonb *payload, bool refused)
{
	Jsonb	   *sender = ow_json_get(mail->payload, "sender");
	pg_uuid_t	run_id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(ow_json_get_string(sender, "run_id"))));
	Datum		values[3] = {
		Int32GetDatum(mail->ref.shard_key), UUIDPGetDatum(&mail->ref.run_id), BoolGetDatum(refused)
	};

	ow_store_execute(&delete_mail, values, NULL);
	send_answer(&run_id, mail->sender, &mail->ref.run_id, kind, payload, mail->owner);
}
