/*
 * signal.c
 *		workflow.signal: telling a run something that its Await states may wait for.
 *
 * A signal is a message to the run, as a cancel is: the run is not locked.  One that is committed after its run has
 * closed comes too late; it is kept where the view workflow.signals shows it.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/payload.h"
#include "errors.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "settings.h"
#include "store/find.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_signal);
PG_FUNCTION_INFO_V1(ow_signal_open);

/* The signal as the run's version declares it */
static const OwSignalType *
declared_signal(const OwCompiled *compiled, const char *name)
{
	const OwSignalType *signal = ow_definition_find_signal(compiled->definition, name);
	const char *nearest;

	if (signal != NULL)
		return signal;
	nearest = ow_definition_nearest_signal(compiled->definition, name);
	ereport(ERROR,
			(errcode(ERRCODE_OW_SIGNAL_NOT_DECLARED),
			 errmsg("workflow \"%s\" has no signal \"%s\"", compiled->workflow, name),
			 errdetail("\"Signals\" of version %d does not declare it.", compiled->version),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
	return NULL;
}

static void
check_payload(const OwCompiled *compiled, const OwSignalType *signal, const Jsonb *payload)
{
	OwMismatches mismatches = {0};

	if (VARSIZE(payload) > (Size) ow_max_payload_kb * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("payload of signal \"%s\" is too large", signal->name),
				 errdetail("It takes %u bytes as jsonb; order_workflow.max_payload is %d kB.", VARSIZE(payload),
						   ow_max_payload_kb),
				 errhint("Store the data in a table, and send the key.")));
	if (ow_payload_check(signal->payload, payload, &mismatches))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_PAYLOAD),
			 errmsg("payload of signal \"%s\" is not of its declared type", signal->name),
			 errdetail("%s", ow_mismatches_text(&mismatches)),
			 errhint("Field \"Signals\" of version %d of workflow \"%s\" declares it.", compiled->version,
					 compiled->workflow)));
}

/* Sends the signal of arguments 1 to 3: name, payload, request id. */
static void
send_signal(FunctionCallInfo fcinfo, const OwFoundRun *run)
{
	char	   *name = ow_api_text(fcinfo, 1, "signal");
	Jsonb	   *payload = PG_ARGISNULL(2) ? ow_json_null() : ow_api_optional_jsonb(fcinfo, 2);
	char	   *request_id = ow_api_optional_text(fcinfo, 3);
	const OwCompiled *compiled = ow_api_definition(run->workflow, run->version);
	OwObject	message;

	check_payload(compiled, declared_signal(compiled, name), payload);
	if (request_id != NULL)
	{
		ow_api_check_id("request_id", request_id);
		if (!ow_signal_request_note(run, request_id))
			return;
	}
	ow_object_begin(&message);
	ow_object_add_text(&message, "signal", name);
	ow_object_add(&message, "payload", payload);
	if (request_id != NULL)
	{
		ow_object_add_text(&message, "request_id", request_id);
		ow_object_add_text(&message, "chain_id", ow_api_uuid_text(&run->chain_id));
	}
	(void) ow_message_send(run, "Signal", NULL, ow_object_end(&message), GetUserId());
}

/* signal(workflow_id text | run_id uuid, signal text, payload jsonb, request_id text) */
Datum
ow_signal(PG_FUNCTION_ARGS)
{
	OwFoundRun *run;

	PreventCommandIfReadOnly("workflow.signal()");
	run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_SIGNAL);
	ow_api_check_may_signal(run, "signal");
	ow_api_check_open(run);
	send_signal(fcinfo, run);
	PG_RETURN_VOID();
}

/*
 * signal_open(run_id uuid, signal text, payload jsonb, request_id text) RETURNS boolean: signals the run, which is then
 * kept from closing until the transaction ends; false when it has closed.
 */
Datum
ow_signal_open(PG_FUNCTION_ARGS)
{
	OwFoundRun *run;

	PreventCommandIfReadOnly("workflow.signal_with_start()");
	run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_SIGNAL);
	ow_api_check_may_signal(run, "signal");
	if (!ow_find_lock_open(run))
		PG_RETURN_BOOL(false);
	send_signal(fcinfo, run);
	PG_RETURN_BOOL(true);
}
