/*
 * request.c
 *		Requests between workflows: where one goes to, and what is done when it gets there.
 *
 * A request to start a child is taken in by an executor of the child's owner, one to signal or cancel by one of the owner
 * of the run that asks.  Each is checked here, against the rights of the latter; it is answered, well or not,
 * in the transaction that does what was asked.  So it is done once, however often somebody tries.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/clock.h"
#include "engine/guard.h"
#include "engine/new_run.h"
#include "engine/payload.h"
#include "engine/request.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "settings.h"
#include "store/find.h"
#include "store/request.h"
#include "store/start.h"
#include "store/store.h"
#include "test_kit/test_kit.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* The owner of a workflow that is not there: he is told so. */
static Oid
receiver_of(const OwLoadedRun *loaded, const OwRequest *request)
{
	Oid			owner;

	return request->kind == OW_REQUEST_CHILD && ow_catalog_find_type(request->workflow, &owner, NULL) ? owner : loaded->owner;
}

void
ow_request_address(const OwLoadedRun *loaded, OwRequest *request)
{
	int			bucket = request->kind == OW_REQUEST_CHILD ? ow_bucket_for(request->workflow, request->at) : 0;

	ow_run_id_make(ow_shard_key(request->workflow_id), bucket, &request->id);
	request->receiver = receiver_of(loaded, request);
}

/* ---- answers ---- */

static void
begin_answer(const OwMail *mail, OwObject *object)
{
	ow_object_begin(object);
	ow_object_add_text(object, "request_id", ow_uuid_to_cstring(&mail->ref.run_id));
	ow_object_add(object, "workflow", ow_json_get(mail->payload, "workflow"));
	ow_object_add(object, "workflow_id", ow_json_get(mail->payload, "workflow_id"));
}

static void
answer(const OwMail *mail, const char *kind, Jsonb *payload, bool refused)
{
	ow_store_open();
	ow_request_answer(mail, kind, payload, refused);
	ow_store_close();
}

static void
accept(const OwMail *mail, const char *kind, const pg_uuid_t *run_id, TimestampTz started_at)
{
	OwObject	object;

	begin_answer(mail, &object);
	ow_object_add_text(&object, "run_id", ow_uuid_to_cstring(run_id));
	ow_object_add_text(&object, "started_at", ow_instant_format(started_at));
	answer(mail, kind, ow_object_end(&object), false);
}

/* closing: what is in the way is about to go */
static void
refuse_for(const OwMail *mail, const OwFailure *failure, bool closing)
{
	OwObject	object;

	begin_answer(mail, &object);
	ow_object_add_text(&object, "error", failure->error);
	ow_object_add_text(&object, "cause", failure->cause);
	if (closing)
		ow_object_add_bool(&object, "closing", true);
	answer(mail, "RequestFailed", ow_object_end(&object), true);
}

static void
refuse(const OwMail *mail, const OwFailure *failure)
{
	refuse_for(mail, failure, false);
}

/* ---- children ---- */

static char *
role_name(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name ? name : psprintf("%u", role);
}

static bool
not_permitted(const OwMail *mail, const char *verb, const char *workflow, OwFailure *failure)
{
	return ow_fail(failure, OW_ERROR_PERMISSIONS, "role \"%s\" may not %s workflow \"%s\"", role_name(mail->sender), verb, workflow);
}

/* The definition that the child follows; NULL, with the failure, when its parent may not have it */
static const OwCompiled *
find_child_definition(const OwMail *mail, OwFailure *failure)
{
	char	   *workflow = ow_json_get_string(mail->payload, "workflow");
	const OwCompiled *compiled;
	JsonbValue	value;
	int64		version = 0;
	Oid			owner;

	if (ow_json_member(mail->payload, "version", &value))
		(void) ow_json_value_int64(&value, &version);
	compiled = ow_catalog_find_definition(workflow, (int) version);
	if (compiled == NULL && !ow_catalog_find_type(workflow, &owner, NULL))
		(void) ow_fail(failure, OW_ERROR_WORKFLOW_NOT_FOUND, "workflow \"%s\" does not exist", workflow);
	else if (compiled == NULL && version == 0)
		(void) ow_fail(failure, OW_ERROR_WORKFLOW_NOT_FOUND, "workflow \"%s\" has no current version", workflow);
	else if (compiled == NULL)
		(void) ow_fail(failure, OW_ERROR_WORKFLOW_NOT_FOUND, "workflow \"%s\" has no version %d", workflow, (int) version);
	else if (!ow_catalog_may(mail->sender, workflow, compiled->owner, OW_PRIVILEGE_START))
	{
		(void) not_permitted(mail, "start", workflow, failure);
		compiled = NULL;
	}
	return compiled;
}

static bool
check_type(const OwPayloadType *type, const Jsonb *value, const char *what, OwFailure *failure)
{
	OwMismatches mismatches = {0};

	if (VARSIZE(value) > (Size) ow_max_payload_kb * 1024)
		return ow_fail(failure, OW_ERROR_INVALID_INPUT, "%s takes %u bytes as jsonb, and order_workflow.max_payload is %d kB",
					   what, VARSIZE(value), ow_max_payload_kb);
	return ow_payload_check(type, value, &mismatches) ||
		ow_fail(failure, OW_ERROR_INVALID_INPUT, "%s is not of its declared type: %s", what, ow_mismatches_text(&mismatches));
}

static void
read_parent(const OwMail *mail, OwParent *parent)
{
	Jsonb	   *sender = ow_json_get(mail->payload, "sender");

	parent->workflow_id = ow_json_get_string(sender, "workflow_id");
	parent->run_id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(ow_json_get_string(sender, "run_id"))));
	parent->owner = mail->sender;
}

static void
fill_run(const OwMail *mail, const OwCompiled *compiled, const OwParent *parent, OwNewRun *run)
{
	char	   *deadline = ow_json_get_string(mail->payload, "deadline");

	memset(run, 0, sizeof(OwNewRun));
	run->ref = mail->ref;
	run->workflow_id = ow_json_get_string(mail->payload, "workflow_id");
	run->compiled = compiled;
	run->started_by = mail->sender;
	run->started_at = run->start_at = ow_clock_now();
	run->execution_deadline = DT_NOEND;
	if (deadline != NULL)
		(void) ow_instant_parse(deadline, &run->execution_deadline);
	ow_new_run_limit(run, DT_NOEND);
	run->input = ow_json_get(mail->payload, "input");
	run->traceparent = ow_json_get_string(mail->payload, "traceparent");
	run->parent = parent;
}

static bool
describe(OwNewRun *run, OwFailure *failure)
{
	JsonbValue	value;
	const OwSearchAttribute *mismatch = ow_new_run_describe(run, NULL, &value);

	return mismatch == NULL ||
		ow_fail(failure, OW_ERROR_INVALID_INPUT, "search attribute \"%s\" of workflow \"%s\" is not of its type %s: it is %s",
				mismatch->name, run->compiled->workflow, ow_search_type_name(mismatch->type), ow_json_type_phrase(&value));
}

static void
start_child(const OwMail *mail)
{
	OwFailure	failure;
	OwParent	parent;
	OwNewRun	run;
	const OwCompiled *compiled;

	if (ow_test_kit_mocks_child(mail))
	{
		accept(mail, "ChildStarted", &mail->ref.run_id, ow_clock_now());
		return;
	}
	compiled = find_child_definition(mail, &failure);
	if (compiled == NULL)
	{
		refuse(mail, &failure);
		return;
	}
	read_parent(mail, &parent);
	fill_run(mail, compiled, &parent, &run);
	if (!check_type(compiled->definition->input_type, run.input, psprintf("the input of workflow \"%s\"", compiled->workflow),
					&failure) || !describe(&run, &failure))
	{
		refuse(mail, &failure);
		return;
	}
	ow_start_runs(&run, 1);
	if (run.inserted)
	{
		accept(mail, "ChildStarted", &run.ref.run_id, run.started_at);
		return;
	}
	(void) ow_fail(&failure, OW_ERROR_ALREADY_STARTED, "workflow id \"%s\" has an open run", run.workflow_id);
	refuse_for(mail, &failure, ow_find_id_gets_free(mail->ref.shard_key, run.workflow_id, parent.workflow_id, &parent.run_id));
}

/* ---- signals and cancels ---- */

/* The open run that is meant; NULL, with the failure, when there is none, or it is not for the sender to do that to it */
static const OwFoundRun *
find_target(const OwMail *mail, OwPrivilege privilege, OwFailure *failure)
{
	char	   *workflow_id = ow_json_get_string(mail->payload, "workflow_id");
	const OwFoundRun *run = ow_find_workflow(workflow_id);

	if (run == NULL || !(has_privs_of_role(mail->sender, run->started_by) ||
						 ow_catalog_may(mail->sender, run->workflow, run->owner, OW_PRIVILEGE_READ | privilege)))
		(void) ow_fail(failure, OW_ERROR_EXECUTION_NOT_FOUND, "workflow id \"%s\" has no run", workflow_id);
	else if (!ow_catalog_may(mail->sender, run->workflow, run->owner, privilege))
		(void) not_permitted(mail, privilege == OW_PRIVILEGE_SIGNAL ? "signal" : "cancel", run->workflow, failure);
	else if (!run->open)
		(void) ow_fail(failure, OW_ERROR_EXECUTION_NOT_FOUND, "workflow id \"%s\" has no open run", workflow_id);
	else
		return run;
	return NULL;
}

static bool
check_signal(const OwMail *mail, const OwFoundRun *run, OwFailure *failure)
{
	char	   *name = ow_json_get_string(mail->payload, "signal");
	const OwCompiled *compiled = ow_catalog_find_definition(run->workflow, run->version);
	const OwSignalType *signal = ow_definition_find_signal(compiled->definition, name);

	if (signal == NULL)
		return ow_fail(failure, OW_ERROR_SIGNAL_NOT_DECLARED, "workflow \"%s\" has no signal \"%s\"", run->workflow, name);
	return check_type(signal->payload, ow_json_get(mail->payload, "payload"), psprintf("the payload of signal \"%s\"", name), failure);
}

static void
send_on(const OwMail *mail, bool signals)
{
	OwFailure	failure;
	OwObject	message;
	const OwFoundRun *run;

	if (ow_test_kit_mocks_message(mail, &failure))
	{
		if (failure.error != NULL)
			refuse(mail, &failure);
		else
			accept(mail, "RequestAccepted", &mail->ref.run_id, ow_clock_now());
		return;
	}
	run = find_target(mail, signals ? OW_PRIVILEGE_SIGNAL : OW_PRIVILEGE_CANCEL, &failure);
	if (run == NULL || (signals && !check_signal(mail, run, &failure)))
	{
		refuse(mail, &failure);
		return;
	}
	ow_object_begin(&message);
	ow_object_add(&message, "signal", ow_json_get(mail->payload, "signal"));
	ow_object_add(&message, "payload", ow_json_get(mail->payload, "payload"));
	ow_object_add(&message, "reason", ow_json_get(mail->payload, "reason"));
	(void) ow_message_send(run, signals ? "Signal" : "Cancel", &mail->ref.run_id, ow_object_end(&message), mail->sender);
	accept(mail, "RequestAccepted", &run->ref.run_id, run->started_at);
}

/* ---- all of them ---- */

static void
deliver_one(const OwMail *mail, const OwFailure *stuck)
{
	if (stuck != NULL)
		refuse(mail, stuck);
	else if (strcmp(mail->kind, "StartChild") == 0)
		start_child(mail);
	else
		send_on(mail, strcmp(mail->kind, "SignalExternal") == 0);
}

static void
deliver(List *ids, const OwFailure *stuck, MemoryContext context)
{
	List	   *mails;
	ListCell   *cell;

	ow_store_open();
	mails = ow_request_take(ids, context);
	ow_store_close();
	foreach(cell, mails)
		deliver_one(lfirst(cell), stuck);
}

/*
 * A workflow id that somebody else is about to use is waited for until he has made up his mind; not where others would have
 * to wait with us.
 */
static bool
deliver_without_waiting(List *ids, MemoryContext context)
{
	MemoryContext outer_context = CurrentMemoryContext;
	ResourceOwner outer_owner = CurrentResourceOwner;
	volatile bool overran = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(outer_context);
	PG_TRY();
	{
		ow_guard_arm(ow_batch_wait_ms);
		deliver(ids, NULL, context);
		overran = ow_guard_disarm();
		if (overran)
			RollbackAndReleaseCurrentSubTransaction();
		else
			ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		overran = ow_guard_disarm();
		if (!overran)
			PG_RE_THROW();
		MemoryContextSwitchTo(outer_context);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(outer_context);
	CurrentResourceOwner = outer_owner;
	return !overran;
}

void
ow_requests_deliver(List *ids, bool shared, const OwFailure *stuck, MemoryContext context, List **alone)
{
	MemoryContext previous = MemoryContextSwitchTo(context);

	if (!shared)
		deliver(ids, stuck, context);
	else if (!deliver_without_waiting(ids, context))
		*alone = list_concat_copy(*alone, ids);
	MemoryContextSwitchTo(previous);
}
