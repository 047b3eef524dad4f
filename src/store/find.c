/*
 * find.c
 *		Finding a run for the SQL API, and sending it a message.
 *
 * A run moves from execution to closed_execution in one transaction, so looking at open runs first
 * and at closed ones in a later statement misses none.  (A closed run may be reopened in between,
 * so open ones are looked at once more before giving up.)
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "engine/activity.h"
#include "engine/clock.h"
#include "machine/json.h"
#include "store/advisory_lock.h"
#include "store/find.h"
#include "store/start.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/wakeup.h"

enum
{
	FOUND_SHARD_KEY = 1,
	FOUND_RUN_ID,
	FOUND_WORKFLOW_ID,
	FOUND_WORKFLOW,
	FOUND_VERSION,
	FOUND_OWNER,
	FOUND_STARTED_BY,
	FOUND_STARTED_AT,
	FOUND_STATUS,
	FOUND_REQUEST_ID,
	FOUND_CHAIN_ID,
	FOUND_BUCKET,
	FOUND_CLOSED_AT,
	FOUND_OUTPUT,
	FOUND_ERROR,
	FOUND_CAUSE,
	FOUND_PUBLIC_ERROR,
	FOUND_XMIN,
	FOUND_CANCEL_REQUESTED,
	FOUND_CONTINUED
};

#define COMMON_COLUMNS \
	"e.shard_key, e.run_id, e.workflow_id, d.workflow, d.version, e.owner, e.started_by," \
	" e.started_at, e.status, e.request_id, e.chain_id, e.bucket"
#define SELECT_OPEN \
	"SELECT " COMMON_COLUMNS ", NULL::timestamptz, NULL::jsonb, NULL::text, NULL::text, NULL::jsonb," \
	"       e.xmin, e.cancel_requested, false" \
	"  FROM workflow.execution e JOIN workflow.definition d ON d.definition_id = e.definition_id"
#define SELECT_CLOSED \
	"SELECT " COMMON_COLUMNS ", e.closed_at, e.output, e.error, e.cause, e.public_error, NULL::xid, false," \
	"       e.next_run_id IS NOT NULL" \
	"  FROM workflow.closed_execution e" \
	"  JOIN workflow.definition d ON d.definition_id = e.definition_id"
#define LATEST " ORDER BY e.started_at DESC, e.run_id DESC LIMIT 1"

/* An open run that is not a child of an earlier run of the workflow id, on its way to be closed */
static OwStatement find_staying = {
	.sql =
	"SELECT 1 FROM workflow.execution e"
	" WHERE e.shard_key = $1 AND e.workflow_id = $2"
	"   AND NOT (e.parent_workflow_id IS NOT DISTINCT FROM $3 AND e.parent_run_id <> $4"
	"            AND (e.cancel_requested OR EXISTS (SELECT FROM workflow.message m"
	"                                                WHERE m.shard_key = $1 AND m.run_id = e.run_id AND m.kind IN ('Cancel', 'Terminate'))))",
	.argument_types = "int,text,text,uuid"
};

static OwStatement open_by_workflow = {
	.sql = SELECT_OPEN " WHERE e.shard_key = $1 AND e.workflow_id = $2",
	.argument_types = "int,text"
};

static OwStatement closed_by_workflow = {
	.sql = SELECT_CLOSED " WHERE e.shard_key = $1 AND e.workflow_id = $2" LATEST,
	.argument_types = "int,text"
};

static OwStatement open_by_run = {
	.sql = SELECT_OPEN " WHERE e.shard_key = $1 AND e.run_id = $2",
	.argument_types = "int,uuid"
};

static OwStatement closed_by_run = {
	.sql = SELECT_CLOSED " WHERE e.shard_key = $1 AND e.run_id = $2 AND e.bucket = $3",
	.argument_types = "int,uuid,smallint"
};

/* A run that has left the leaf which its id names */
static OwStatement moved_by_run = {
	.sql = SELECT_CLOSED " WHERE e.shard_key = $1 AND e.run_id = $2",
	.argument_types = "int,uuid"
};

static OwStatement open_by_request = {
	.sql =
	SELECT_OPEN " WHERE e.shard_key = $1 AND e.request_id = $2 AND d.workflow = $4"
	" AND e.workflow_id = coalesce($3, e.run_id::text)" LATEST,
	.argument_types = "int,text,text,text"
};

static OwStatement closed_by_request = {
	.sql =
	SELECT_CLOSED " WHERE e.shard_key = $1 AND e.request_id = $2 AND d.workflow = $4"
	" AND e.workflow_id = coalesce($3, e.run_id::text)" LATEST,
	.argument_types = "int,text,text,text"
};

static OwStatement open_of_chain = {
	.sql = SELECT_OPEN " WHERE e.shard_key = $1 AND e.workflow_id = $2 AND e.chain_id = $3",
	.argument_types = "int,text,uuid"
};

static OwStatement closed_of_chain = {
	.sql = SELECT_CLOSED " WHERE e.shard_key = $1 AND e.workflow_id = $2 AND e.chain_id = $3" LATEST,
	.argument_types = "int,text,uuid"
};

static OwStatement failed_compensations = {
	.sql =
	"SELECT FROM workflow.compensation c"
	" WHERE c.shard_key = $1 AND c.run_id = $2 AND c.bucket = $3 AND c.status = 'Failed' LIMIT 1",
	.argument_types = "int,uuid,smallint"
};

/* See is_at in machine_control.c. */
static OwStatement pending = {
	.sql =
	"SELECT FROM (SELECT e.state, e.phase, e.compensation FROM workflow.execution e"
	"              WHERE e.shard_key = $1 AND e.run_id = $2"
	"             UNION ALL"
	"             SELECT b.state, b.phase, b.compensation FROM workflow.branch b"
	"              WHERE b.shard_key = $1 AND b.run_id = $2) AS t"
	" WHERE (t.phase IN ('Activity', 'Backoff', 'CircuitOpen', 'Callback', 'Queued') AND t.state = ANY ($4))"
	"    OR (t.phase IN ('Compensate', 'CompensateBackoff', 'CompensateCircuitOpen', 'CompensateQueued')"
	"        AND EXISTS (SELECT FROM workflow.compensation c"
	"                     WHERE c.shard_key = $1 AND c.bucket = $3 AND c.run_id = $2 AND c.sequence = t.compensation"
	"                       AND $5 IN (c.activity, c.state)))"
	" LIMIT 1",
	.argument_types = "int,uuid,smallint,text[],text"
};

static OwStatement insert_message = {
	.sql =
	"INSERT INTO workflow.message"
	"       (shard_key, run_id, message_id, owner, kind, payload, sent_by, sent_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	" ON CONFLICT (shard_key, run_id, message_id) DO NOTHING",
	.argument_types = "int,uuid,uuid,regrole,text,jsonb,regrole,timestamptz"
};

static OwStatement insert_request = {
	.sql = "INSERT INTO workflow.signal_request VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
	.argument_types = "int,uuid,text,regrole"
};

static OwStatement find_task = {
	.sql = "SELECT run_id, owner::oid FROM workflow.activity_task WHERE shard_key = $1 AND task_token = $2"
	"   AND ($3 < 0 OR claim = $3)",
	.argument_types = "int,uuid,int"
};

static OwStatement find_tasks = {
	.sql =
	"SELECT wanted.position::int, t.run_id"
	"  FROM unnest($1, $2, $3) WITH ORDINALITY AS wanted (shard_key, task_token, claim, position),"
	"       LATERAL (SELECT r.run_id FROM workflow.activity_task r"
	"                 WHERE r.shard_key = wanted.shard_key AND r.task_token = wanted.task_token"
	"                   AND (wanted.claim < 0 OR r.claim = wanted.claim) OFFSET 0) AS t",
	.argument_types = "int[],uuid[],int[]"
};

static OwStatement lock_run = {
	.sql = "SELECT FROM workflow.execution WHERE shard_key = $1 AND run_id = $2 FOR UPDATE",
	.argument_types = "int,uuid"
};

static TimestampTz
read_time(int column)
{
	bool		isnull;
	Datum		value = ow_store_datum(0, column, &isnull);

	return isnull ? DT_NOEND : DatumGetTimestampTz(value);
}

static bool
written_here(void)
{
	bool		isnull;
	Datum		xmin = ow_store_datum(0, FOUND_XMIN, &isnull);

	return !isnull && TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

/*
 * Fills run, which is allocated in the caller's context, from the first row of the current result.
 */
static OwFoundRun *
read_found(OwFoundRun *run)
{
	bool		isnull;

	run->ref.shard_key = DatumGetInt32(ow_store_datum(0, FOUND_SHARD_KEY, &isnull));
	run->ref.run_id = *DatumGetUUIDP(ow_store_datum(0, FOUND_RUN_ID, &isnull));
	run->workflow_id = ow_store_text(0, FOUND_WORKFLOW_ID);
	run->workflow = ow_store_text(0, FOUND_WORKFLOW);
	run->version = DatumGetInt32(ow_store_datum(0, FOUND_VERSION, &isnull));
	run->owner = DatumGetObjectId(ow_store_datum(0, FOUND_OWNER, &isnull));
	run->started_by = DatumGetObjectId(ow_store_datum(0, FOUND_STARTED_BY, &isnull));
	run->started_at = read_time(FOUND_STARTED_AT);
	run->status = ow_status_from_name(ow_store_text(0, FOUND_STATUS));
	run->request_id = ow_store_text(0, FOUND_REQUEST_ID);
	run->chain_id = *DatumGetUUIDP(ow_store_datum(0, FOUND_CHAIN_ID, &isnull));
	run->bucket = ow_store_int(0, FOUND_BUCKET);
	run->closed_at = read_time(FOUND_CLOSED_AT);
	run->output = ow_store_jsonb(0, FOUND_OUTPUT);
	run->error = ow_store_text(0, FOUND_ERROR);
	run->cause = ow_store_text(0, FOUND_CAUSE);
	run->public_error = ow_store_jsonb(0, FOUND_PUBLIC_ERROR);
	run->cancel_requested = ow_store_bool(0, FOUND_CANCEL_REQUESTED);
	run->continued = ow_store_bool(0, FOUND_CONTINUED);
	run->open = run->closed_at == DT_NOEND;
	run->uncommitted = run->open && written_here();
	return run;
}

/* Runs the statements in turn until one finds something; the array ends with NULL. */
static OwFoundRun *
find_first(OwStatement *const *statements, Datum *values, const char *nulls)
{
	OwFoundRun *run = palloc0(sizeof(OwFoundRun));
	OwFoundRun *found = NULL;

	ow_store_open();
	for (int i = 0; found == NULL && statements[i] != NULL; i++)
	{
		if (ow_store_execute(statements[i], values, nulls) > 0)
			found = read_found(run);
	}
	ow_store_close();
	return found;
}

OwFoundRun *
ow_find_workflow(const char *workflow_id)
{
	OwStatement *statements[] = {&open_by_workflow, &closed_by_workflow, &open_by_workflow, NULL};
	Datum		values[2] = {
		Int32GetDatum(ow_shard_key(workflow_id)), CStringGetTextDatum(workflow_id)
	};

	return find_first(statements, values, NULL);
}

OwFoundRun *
ow_find_open(const char *workflow_id)
{
	OwStatement *statements[] = {&open_by_workflow, NULL};
	Datum		values[2] = {
		Int32GetDatum(ow_shard_key(workflow_id)), CStringGetTextDatum(workflow_id)
	};

	return find_first(statements, values, NULL);
}

OwFoundRun *
ow_find_last_closed(const char *workflow_id)
{
	OwStatement *statements[] = {&closed_by_workflow, NULL};
	Datum		values[2] = {
		Int32GetDatum(ow_shard_key(workflow_id)), CStringGetTextDatum(workflow_id)
	};

	return find_first(statements, values, NULL);
}

/* The closed run's statement has one argument more, which the open run's does not look at. */
OwFoundRun *
ow_find_run(const pg_uuid_t *run_id)
{
	OwStatement *statements[] = {&open_by_run, &closed_by_run, &open_by_run, &moved_by_run, NULL};
	Datum		values[3] = {
		Int32GetDatum(ow_run_id_shard_key(run_id)), UUIDPGetDatum(run_id),
		Int16GetDatum(ow_run_id_bucket(run_id))
	};

	return find_first(statements, values, NULL);
}

OwFoundRun *
ow_find_request(int32 shard_key, const char *workflow_id, const char *workflow,
				const char *request_id)
{
	OwStatement *statements[] = {&open_by_request, &closed_by_request, &open_by_request, NULL};
	Datum		values[4] = {
		Int32GetDatum(shard_key), CStringGetTextDatum(request_id),
		workflow_id ? CStringGetTextDatum(workflow_id) : (Datum) 0, CStringGetTextDatum(workflow)
	};

	return find_first(statements, values, workflow_id ? "    " : "  n ");
}

OwFoundRun *
ow_find_continuation(const OwFoundRun *run)
{
	OwStatement *statements[] = {&open_of_chain, &closed_of_chain, &open_of_chain, NULL};
	Datum		values[3] = {
		Int32GetDatum(run->ref.shard_key), CStringGetTextDatum(run->workflow_id),
		UUIDPGetDatum(&run->chain_id)
	};

	return find_first(statements, values, NULL);
}

void
ow_find_lock_request(int32 shard_key, const char *request_id)
{
	ow_advisory_lock(OW_LOCK_REQUEST, (uint32) shard_key,
					 hash_bytes((const unsigned char *) request_id, strlen(request_id)), ExclusiveLock);
}

bool
ow_find_has_failed_compensations(const OwFoundRun *run)
{
	Datum		values[3] = {
		Int32GetDatum(run->ref.shard_key), UUIDPGetDatum(&run->ref.run_id),
		Int16GetDatum(run->bucket)
	};
	bool		found;

	ow_store_open();
	found = ow_store_execute(&failed_compensations, values, NULL) > 0;
	ow_store_close();
	return found;
}

bool
ow_find_is_pending(const OwFoundRun *run, Datum states, const char *name)
{
	Datum		values[5] = {
		Int32GetDatum(run->ref.shard_key), UUIDPGetDatum(&run->ref.run_id),
		Int16GetDatum(run->bucket), states, CStringGetTextDatum(name)
	};
	bool		found;

	ow_store_open();
	found = ow_store_execute(&pending, values, NULL) > 0;
	ow_store_close();
	return found;
}

bool
ow_message_store(const OwRunRef *run, Oid owner, const char *kind, const pg_uuid_t *message_id, Jsonb *payload,
				 Oid sender)
{
	pg_uuid_t	new_id;
	Datum		values[8];
	bool		sent;

	ow_run_id_make(run->shard_key, 0, &new_id);
	values[0] = Int32GetDatum(run->shard_key);
	values[1] = UUIDPGetDatum(&run->run_id);
	values[2] = UUIDPGetDatum(message_id ? message_id : &new_id);
	values[3] = ObjectIdGetDatum(owner);
	values[4] = CStringGetTextDatum(kind);
	values[5] = JsonbPGetDatum(payload);
	values[6] = ObjectIdGetDatum(sender);
	values[7] = TimestampTzGetDatum(ow_clock_now());
	ow_store_open();
	sent = ow_store_execute(&insert_message, values, NULL) > 0;
	ow_store_close();
	if (sent)
		ow_activity_note_message(&run->run_id);
	return sent;
}

bool
ow_signal_request_note(const OwFoundRun *run, const char *request_id)
{
	Datum		values[4] = {
		Int32GetDatum(run->ref.shard_key), UUIDPGetDatum(&run->chain_id), CStringGetTextDatum(request_id),
		ObjectIdGetDatum(run->owner)
	};
	bool		noted;

	ow_store_open();
	noted = ow_store_execute(&insert_request, values, NULL) > 0;
	ow_store_close();
	return noted;
}

bool
ow_message_send(const OwFoundRun *run, const char *kind, const pg_uuid_t *message_id, Jsonb *payload, Oid sender)
{
	if (!ow_message_store(&run->ref, run->owner, kind, message_id, payload, sender))
		return false;
	ow_wakeup_run(run->owner, &run->ref);
	return true;
}

/* The task of an activity that answers for itself before it has ended */
static bool
is_task_running_here(const pg_uuid_t *task_token, OwRunRef *run)
{
	const OwRun *current;
	const OwActivityCall *call = ow_activity_current(&current);

	if (call == NULL || call->task_token == NULL || memcmp(call->task_token, task_token, UUID_LEN) != 0)
		return false;
	run->shard_key = current->shard_key;
	run->run_id = current->run_id;
	return true;
}

static bool
find_stored_task(const OwTaskClaim *held, OwRunRef *run, Oid *owner)
{
	Datum		values[3] = {
		Int32GetDatum(run->shard_key), UUIDPGetDatum(&held->task_token), Int32GetDatum(held->claim)
	};
	bool		isnull;

	if (ow_store_execute(&find_task, values, NULL) == 0)
		return false;
	run->run_id = ow_store_uuid(0, 1);
	*owner = DatumGetObjectId(ow_store_datum(0, 2, &isnull));
	return true;
}

void
ow_find_tasks(OwFoundTask *tasks, int count)
{
	int32	   *shard_keys = palloc(sizeof(int32) * count);
	pg_uuid_t  *task_tokens = palloc(sizeof(pg_uuid_t) * count);
	int32	   *claims = palloc(sizeof(int32) * count);
	Datum		values[3];
	uint64		rows;

	for (int i = 0; i < count; i++)
	{
		tasks[i].found = false;
		tasks[i].run.shard_key = shard_keys[i] = ow_task_token_shard_key(&tasks[i].held.task_token);
		task_tokens[i] = tasks[i].held.task_token;
		claims[i] = tasks[i].held.claim;
	}
	values[0] = ow_store_int_array(shard_keys, count);
	values[1] = ow_store_uuid_array(task_tokens, count);
	values[2] = ow_store_int_array(claims, count);
	ow_store_open();
	rows = ow_store_execute(&find_tasks, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		OwFoundTask *task = &tasks[ow_store_int(row, 1) - 1];

		task->run.run_id = ow_store_uuid(row, 2);
		task->found = true;
	}
	ow_store_close();
}

/*
 * An activity waits for no other run's lock, since its own is held meanwhile; nor does a transaction that
 * could not see what was done before it got the lock.
 */
static bool
may_lock_run(void)
{
	return ow_activity_current(NULL) == NULL && !IsolationUsesXactSnapshot();
}

bool
ow_find_lock_open(const OwFoundRun *run)
{
	Datum		values[2] = {Int32GetDatum(run->ref.shard_key), UUIDPGetDatum(&run->ref.run_id)};
	bool		open;

	if (!run->open || run->uncommitted || !may_lock_run())
		return run->open;
	ow_store_open();
	open = ow_store_execute(&lock_run, values, NULL) > 0;
	ow_wakeup_locked(run->owner, &run->ref);
	ow_store_close();
	return open;
}

bool
ow_find_task(const OwTaskClaim *held, OwRunRef *run, Oid *owner)
{
	bool		found;

	if (is_task_running_here(&held->task_token, run))
	{
		const OwFoundRun *current = ow_find_run(&run->run_id);

		if (current != NULL)
			*owner = current->owner;
		return current != NULL && current->open;
	}
	run->shard_key = ow_task_token_shard_key(&held->task_token);
	ow_store_open();
	found = find_stored_task(held, run, owner);
	if (found && may_lock_run())
	{
		Datum		values[2] = {Int32GetDatum(run->shard_key), UUIDPGetDatum(&run->run_id)};

		found = ow_store_execute(&lock_run, values, NULL) > 0;
		ow_wakeup_locked(*owner, run);
		found = found && find_stored_task(held, run, owner);	/* as it is under the lock */
	}
	ow_store_close();
	return found;
}

bool
ow_find_id_gets_free(int32 shard_key, const char *workflow_id, const char *parent_workflow_id, const pg_uuid_t *parent_run_id)
{
	Datum		values[4] = {
		Int32GetDatum(shard_key), CStringGetTextDatum(workflow_id), CStringGetTextDatum(parent_workflow_id),
		UUIDPGetDatum(parent_run_id)
	};
	bool		free;

	ow_store_open();
	free = ow_store_execute(&find_staying, values, NULL) == 0;
	ow_store_close();
	return free;
}
