/*
 * update.c
 *		workflow.update and its kin: asking a run to do something, and for an answer.
 *
 * What a handler does, or an Await state that the run stands in, is done here, in the caller's transaction.  Anything else
 * happens after that has been committed: so the function does not wait for it, but the procedure commits and does.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/activity.h"
#include "engine/clock.h"
#include "engine/payload.h"
#include "engine/update.h"
#include "errors.h"
#include "executor/spi.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "settings.h"
#include "store/identity.h"
#include "store/start.h"
#include "store/update.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/pool.h"
#include "worker/wakeup.h"

PG_FUNCTION_INFO_V1(ow_update);
PG_FUNCTION_INFO_V1(ow_update_and_wait);
PG_FUNCTION_INFO_V1(ow_update_result);
PG_FUNCTION_INFO_V1(ow_hold_open);

/* ---- what may be sent ---- */

/* The update as the run's version declares it */
static const OwUpdateType *
declared_update(const OwCompiled *compiled, const char *name)
{
	const OwUpdateType *update = ow_definition_find_update(compiled->definition, name);
	const char *nearest;

	if (update != NULL)
		return update;
	nearest = ow_definition_nearest_update(compiled->definition, name);
	ereport(ERROR,
			(errcode(ERRCODE_OW_UPDATE_NOT_DECLARED),
			 errmsg("workflow \"%s\" has no update \"%s\"", compiled->workflow, name),
			 errdetail("\"Updates\" of version %d does not declare it.", compiled->version),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
	return NULL;
}

static void
check_payload(const OwCompiled *compiled, const OwUpdateType *update, const Jsonb *payload)
{
	OwMismatches mismatches = {0};

	if (VARSIZE(payload) > (Size) ow_max_payload_kb * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("arguments of update \"%s\" are too large", update->name),
				 errdetail("They take %u bytes as jsonb; order_workflow.max_payload is %d kB.", VARSIZE(payload),
						   ow_max_payload_kb),
				 errhint("Store the data in a table, and send the key.")));
	if (ow_payload_check(update->payload, payload, &mismatches))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_PAYLOAD),
			 errmsg("arguments of update \"%s\" are not of its declared type", update->name),
			 errdetail("%s", ow_mismatches_text(&mismatches)),
			 errhint("Field \"Updates\" of version %d of workflow \"%s\" declares it.", compiled->version,
					 compiled->workflow)));
}

/* ---- why there is no result ---- */

/* The public error, else the internal one for those who may read it */
static void
report_failure(const OwFoundRun *run, const char *name, bool rejected, const Jsonb *failure)
{
	const Jsonb *public = ow_json_get(failure, "Public");
	char	   *code = public ? ow_json_get_string(public, "Code") : NULL;
	char	   *message = public ? ow_json_get_string(public, "Message") : NULL;
	int			sqlstate = rejected ? ERRCODE_OW_UPDATE_REJECTED : ERRCODE_OW_UPDATE_FAILED;
	const char *what = rejected ? "was rejected" : "failed";
	bool		internal = ow_catalog_may(GetUserId(), run->workflow, run->owner, OW_PRIVILEGE_READ);
	char	   *cause = ow_json_get_string(failure, "Cause");

	if (code != NULL)
		ereport(ERROR,
				(errcode(sqlstate),
				 message ? errmsg("%s: %s", code, message) : errmsg("%s", code)));
	ereport(ERROR,
			(errcode(sqlstate),
			 internal ? errmsg("update \"%s\" of workflow id \"%s\" %s: %s", name, run->workflow_id, what,
							   ow_json_get_string(failure, "Error")) :
			 errmsg("update \"%s\" of workflow id \"%s\" %s", name, run->workflow_id, what),
			 internal && cause ? errdetail("%s", cause) : 0));
}

static void
report_unknown(const OwFoundRun *run, const char *update_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_UPDATE_NOT_FOUND),
			 errmsg("workflow id \"%s\" has no update \"%s\"", run->workflow_id, update_id),
			 errhint("It was never sent, it was rejected, or the run closed before it could take it in.")));
}

/* ---- waiting ---- */

typedef struct Wait
{
	const OwFoundRun *run;
	const char *update_id;
	TimestampTz until;
	bool		commits;		/* the procedure */
} Wait;

static void
report_cannot_wait(const Wait *wait, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot wait for update \"%s\" of workflow id \"%s\" here", wait->update_id, wait->run->workflow_id),
			 errdetail("%s", detail),
			 errhint("%s", hint)));
}

#define SEND_ONLY_HINT "Send it with wait => '0', commit, and ask workflow.update_result(); or CALL workflow.update_and_wait()."

/* Refuses to wait for what cannot come, however long it takes. */
static void
check_can_wait(const Wait *wait, const OwSentUpdate *update)
{
	if (update->uncommitted)
		report_cannot_wait(wait, "It is not completed by what the run does at once, and nothing else happens before this transaction commits.",
						   SEND_ONLY_HINT);
	if (ow_activity_current(NULL) != NULL)
		report_cannot_wait(wait, "An activity that waits holds up the executor that may have to drive that run.",
						   SEND_ONLY_HINT);
	if (IsolationUsesXactSnapshot())
		report_cannot_wait(wait, "A transaction whose isolation level is REPEATABLE READ or SERIALIZABLE would never see it completed.",
						   "Use READ COMMITTED.");
	if (ow_clock_is_virtual())
		report_cannot_wait(wait, "On a virtual clock nothing happens meanwhile.",
						   "Send it with wait => '0', and let workflow_test.run() drive the run.");
	if (!ow_pool_available())
		report_cannot_wait(wait, "Nothing runs workflows here.",
						   "Add order_workflow to shared_preload_libraries and restart the server.");
	if (ow_identity_is_foreign())
		report_cannot_wait(wait, "This is a copy of another database.",
						   "Call workflow.resume_engine() if workflows are to run here from now on.");
}

static void
report_timeout(const Wait *wait)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_WAIT_TIMEOUT),
			 errmsg("update \"%s\" of workflow id \"%s\" has not completed", wait->update_id, wait->run->workflow_id),
			 errhint("workflow.explain() tells what the run is waiting for; workflow.update_result() gives the result, once there is one.")));
}

static pg_noinline void
wait_until_settled(const Wait *wait, OwSentUpdate *update)
{
	for (;;)
	{
		*update = ow_update_find(wait->run, wait->update_id);
		if (update->status != OW_SENT_PENDING)
			break;
		if (wait->until <= GetCurrentTimestamp())
			report_timeout(wait);
		check_can_wait(wait, update);
		(void) ow_api_sleep(wait->until, wait->commits);
	}
}

/* The key is entered before the look that counts. */
static void
wait_registered(const Wait *wait, OwSentUpdate *update)
{
	uint32		key = ow_wakeup_key(wait->run->workflow_id);

	PG_TRY();
	{
		ow_waiter_begin(key, OW_WAKE_ALL);
		wait_until_settled(wait, update);
	}
	PG_FINALLY();
	{
		ow_waiter_end();
	}
	PG_END_TRY();
}

/* The result, once there is one, or an error */
static Jsonb *
wait_for_result(const Wait *wait)
{
	OwSentUpdate update;

	wait_registered(wait, &update);
	if (update.status == OW_SENT_UNKNOWN)
		report_unknown(wait->run, wait->update_id);
	if (update.status != OW_SENT_COMPLETED)
		report_failure(wait->run, update.name, update.status == OW_SENT_REJECTED, update.failure);
	return update.result;
}

/* ---- sending ---- */

/* An id that nobody else uses */
static char *
make_id(const OwFoundRun *run)
{
	pg_uuid_t	id;

	ow_run_id_make(run->ref.shard_key, 0, &id);
	return ow_uuid_to_cstring(&id);
}

static OwFoundRun *
find_run(FunctionCallInfo fcinfo)
{
	OwFoundRun *run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_SIGNAL);

	ow_api_check_may_signal(run, "update");
	return run;
}

static void
check_sending(const OwUpdateSending *sending)
{
	const OwCompiled *compiled;

	ow_api_check_open(sending->run);
	compiled = ow_api_definition(sending->run->workflow, sending->run->version);
	check_payload(compiled, declared_update(compiled, sending->name), sending->payload);
}

/* Was it sent before?  Ids that are made here were not. */
static bool
is_known(const OwUpdateSending *sending, bool own_id)
{
	return !own_id && ow_update_find(sending->run, sending->update_id).status != OW_SENT_UNKNOWN;
}

/*
 * Sends the update of arguments 1 (name), 2 (args) and 4 (update id); *wait tells where.  A run that closes meanwhile may
 * have been continued, or another been started: it is looked for again.
 */
static OwUpdateSending
send_update(FunctionCallInfo fcinfo, Wait *wait)
{
	OwUpdateSending sending = {
		.name = ow_api_text(fcinfo, 1, "name"),
		.payload = PG_ARGISNULL(2) ? ow_json_null() : PG_GETARG_JSONB_P(2),
		.update_id = ow_api_optional_text(fcinfo, 4)
	};
	bool		own_id = sending.update_id == NULL;

	if (!own_id)
		ow_api_check_id("update_id", sending.update_id);
	do
	{
		sending.run = find_run(fcinfo);
		if (own_id)
			sending.update_id = make_id(sending.run);
		if (is_known(&sending, own_id))
			sending.fate = OW_UPDATE_KNOWN;
		else
		{
			check_sending(&sending);
			ow_engine_update(&sending);
		}
	} while (sending.fate == OW_UPDATE_NO_RUN);
	wait->run = sending.run;
	wait->update_id = sending.update_id;
	return sending;
}

/* The result of an update that is settled */
static Jsonb *
settled_result(const OwUpdateSending *sending)
{
	const OwUpdateOutcome *outcome = &sending->outcome;

	if (outcome->status != OW_UPDATE_COMPLETED)
		report_failure(sending->run, sending->name, outcome->status == OW_UPDATE_REJECTED, outcome->failure);
	return outcome->result;
}

/* update(workflow_id text | run_id uuid, name text, args jsonb, wait interval, update_id text) RETURNS jsonb */
Datum
ow_update(PG_FUNCTION_ARGS)
{
	Wait		wait = {NULL};
	OwUpdateSending sending;

	PreventCommandIfReadOnly("workflow.update()");
	wait.until = ow_api_until(fcinfo, 3);
	sending = send_update(fcinfo, &wait);
	if (sending.fate == OW_UPDATE_SETTLED)
		PG_RETURN_JSONB_P(settled_result(&sending));
	if (wait.until <= GetCurrentTimestamp() && ow_update_find(wait.run, wait.update_id).status == OW_SENT_PENDING)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(wait_for_result(&wait));
}

/* update_and_wait(workflow_id text | run_id uuid, name text, args jsonb, timeout interval, update_id text, result jsonb) */
Datum
ow_update_and_wait(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext lasting;
	Wait		wait = {.commits = true};
	OwUpdateSending sending;
	Jsonb	   *result;
	Datum		row;

	PreventCommandIfReadOnly("workflow.update_and_wait()");
	ow_api_check_may_commit(fcinfo, "workflow.update_and_wait()", "use workflow.update()");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	lasting = CurrentMemoryContext;
	wait.until = ow_api_until(fcinfo, 3);
	sending = send_update(fcinfo, &wait);
	SPI_commit();
	MemoryContextSwitchTo(lasting);
	result = sending.fate == OW_UPDATE_SETTLED ? settled_result(&sending) : wait_for_result(&wait);
	MemoryContextSwitchTo(caller);
	row = ow_api_procedure_row(fcinfo, JsonbPGetDatum(result));
	SPI_finish();
	return row;
}

/* update_result(workflow_id text | run_id uuid, update_id text, wait interval) RETURNS jsonb */
Datum
ow_update_result(PG_FUNCTION_ARGS)
{
	Wait		wait = {
		.run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_SIGNAL),
		.update_id = ow_api_text(fcinfo, 1, "update_id"),
		.until = ow_api_until(fcinfo, 2)
	};

	PG_RETURN_JSONB_P(wait_for_result(&wait));
}

/* hold_open(run_id uuid) RETURNS boolean: keeps the run from closing until the transaction ends; false when it has closed */
Datum
ow_hold_open(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.update_with_start()");
	PG_RETURN_BOOL(ow_find_lock_open(find_run(fcinfo)));
}
