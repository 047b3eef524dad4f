/*
 * start.c
 *		workflow.start and workflow.start_many.
 *
 * The unique key on open workflow ids decides who starts a run: insert first, then look why not.
 * What concerns closed runs (id_reuse_policy) is looked up after the insert, in a later statement:
 * the insert has waited for a run that was just closing.  A request id is guarded by a lock that
 * lasts until the transaction ends, so that the second start with it finds what the first one made.
 *
 * TerminateExisting closes the open run in this transaction (engine/terminate.h), whose row is then gone when the next
 * one is inserted; whoever else starts one waits for us at the key.
 */
#include "postgres.h"

#include "api/api.h"
#include "api/start_options.h"
#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "engine/payload.h"
#include "engine/terminate.h"
#include "errors.h"
#include "funcapi.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "machine/traceparent.h"
#include "miscadmin.h"
#include "settings.h"
#include "store/identity.h"
#include "store/schedule.h"
#include "store/start.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"
#include "worker/pool.h"

PG_FUNCTION_INFO_V1(ow_start);
PG_FUNCTION_INFO_V1(ow_start_many);

/* Somebody else's run may close between our insert and our look, again and again */
#define MAX_TRIES 10

enum
{
	ARG_WORKFLOW,
	ARG_INPUT,
	ARG_WORKFLOW_ID,
	ARG_VERSION,
	ARG_REUSE_POLICY,
	ARG_CONFLICT_POLICY,
	ARG_START_DELAY,
	ARG_EXECUTION_TIMEOUT,
	ARG_MEMO,
	ARG_REQUEST_ID,
	ARG_TRACEPARENT,
	ARG_RUN_TIMEOUT,
	ARG_RETRY,
	ARG_PRIORITY,
	ARG_SEARCH_ATTRIBUTES
};

/* …and of start_many, behind inputs and workflow ids; of start_activities, which has options for the version */
enum
{
	ARG_MANY_VERSION = 3,
	ARG_MANY_EXECUTION_TIMEOUT,
	ARG_MANY_RUN_TIMEOUT,
	ARG_MANY_RETRY,
	ARG_MANY_PRIORITY,
	ARG_MANY_SEARCH_ATTRIBUTES
};

typedef enum ReusePolicy
{
	ALLOW_DUPLICATE,
	ALLOW_DUPLICATE_FAILED_ONLY,
	REJECT_DUPLICATE
} ReusePolicy;

typedef enum ConflictPolicy
{
	CONFLICT_FAIL,
	CONFLICT_USE_EXISTING,
	CONFLICT_TERMINATE_EXISTING
} ConflictPolicy;

typedef struct StartOptions
{
	ReusePolicy reuse;
	ConflictPolicy conflict;
	bool		choose;			/* nobody said which version: by the workflow id */
} StartOptions;

static const char *const reuse_names[] = {
	"AllowDuplicate", "AllowDuplicateFailedOnly", "RejectDuplicate"
};
static const char *const conflict_names[] = {"Fail", "UseExisting", "TerminateExisting"};

/* ---- arguments ---- */

static int
policy_argument(FunctionCallInfo fcinfo, int argument, const char *name, const char *const *names)
{
	char	   *text = ow_api_optional_text(fcinfo, argument);

	if (text == NULL)
		return 0;
	for (int i = 0; i < 3; i++)
	{
		if (strcmp(text, names[i]) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for %s: \"%s\"", name, text),
			 errhint("Use \"%s\", \"%s\" or \"%s\".", names[0], names[1], names[2])));
	return 0;
}

static StartOptions
options_argument(FunctionCallInfo fcinfo, bool choose)
{
	StartOptions options = {.choose = choose};

	options.reuse = policy_argument(fcinfo, ARG_REUSE_POLICY, "id_reuse_policy", reuse_names);
	options.conflict = policy_argument(fcinfo, ARG_CONFLICT_POLICY, "id_conflict_policy",
									   conflict_names);
	if (options.conflict == CONFLICT_TERMINATE_EXISTING && options.reuse == REJECT_DUPLICATE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("id_conflict_policy \"TerminateExisting\" contradicts id_reuse_policy \"RejectDuplicate\""),
				 errdetail("The run that is terminated has used the workflow id.")));
	return options;
}

static char *
traceparent_argument(FunctionCallInfo fcinfo)
{
	char	   *text = ow_api_optional_text(fcinfo, ARG_TRACEPARENT);
	char	   *traceparent;

	if (text == NULL)
		return NULL;
	traceparent = ow_traceparent_parse(text);
	if (traceparent == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid traceparent: \"%s\"", text),
				 errhint("It is a W3C Trace Context header, such as \"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\".")));
	return traceparent;
}

/* ---- checks ---- */

static void
warn_nothing_runs(void)
{
	static bool warned = false;

	if (warned || ow_pool_available() || ow_clock_is_virtual())
		return;
	warned = true;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("workflows are started, but nothing runs them"),
			 errhint("Add order_workflow to shared_preload_libraries and restart the server.")));
}

/* What both forms of starting a workflow check; returns the definition that was named, or (version 0) the current one. */
static const OwCompiled *
find_definition(const char *workflow, int version)
{
	const OwCompiled *compiled;

	PreventCommandIfReadOnly("workflow.start()");
	compiled = ow_api_definition(workflow, version);
	ow_api_check_may(GetUserId(), workflow, compiled->owner, OW_PRIVILEGE_START, "start");
	return compiled;
}

/* What starting anything at all takes */
static void
prepare(const OwCompiled *compiled)
{
	ow_api_check_activities(compiled);
	ow_identity_claim();
	warn_nothing_runs();
}

/* The input must not be too large, and of the type that the definition declares. */
void
ow_api_check_input(const OwCompiled *compiled, const Jsonb *input)
{
	OwMismatches mismatches = {0};

	if (VARSIZE(input) > (Size) ow_max_payload_kb * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("input of workflow \"%s\" is too large", compiled->workflow),
				 errdetail("It takes %u bytes as jsonb; order_workflow.max_payload is %d kB.", VARSIZE(input), ow_max_payload_kb),
				 errhint("Store the data in a table, and start the workflow with the key.")));
	if (ow_payload_check(compiled->definition->input_type, input, &mismatches))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_PAYLOAD),
			 errmsg("input of workflow \"%s\" is not of its declared type", compiled->workflow),
			 errdetail("%s", ow_mismatches_text(&mismatches)),
			 errhint("Field \"Input\" of version %d of the definition declares it.", compiled->version)));
}

/*
 * The version that a run of this id follows, if nobody has said which: mostly the one that was found before there was
 * an id.
 */
static const OwCompiled *
choose_version(const OwCompiled *current, const char *workflow_id, const OwCompiled **checked)
{
	const OwCompiled *chosen = ow_catalog_choose(current->workflow, workflow_id);

	if (chosen == NULL)
		return current;
	if (chosen != current && chosen != *checked)
	{
		ow_api_check_activities(chosen);
		*checked = chosen;
	}
	return chosen;
}

static void
report_already_started(const char *workflow_id, const char *why, const OwFoundRun *run)
{
	bool		visible = run != NULL && ow_api_may_see(run, OW_PRIVILEGE_READ);

	ereport(ERROR,
			(errcode(ERRCODE_OW_ALREADY_STARTED),
			 errmsg("workflow id \"%s\" %s", workflow_id, why),
			 visible ? errdetail("It is run %s of workflow \"%s\".",
								 ow_api_uuid_text(&run->ref.run_id), run->workflow) : 0));
}

/* After the insert: does a closed run of the same id forbid the new one? */
static void
check_reuse(const char *workflow_id, ReusePolicy policy)
{
	OwFoundRun *last;

	if (policy == ALLOW_DUPLICATE)
		return;
	last = ow_find_last_closed(workflow_id);
	if (last == NULL)
		return;
	if (policy == REJECT_DUPLICATE)
		report_already_started(workflow_id, "has been used already", last);
	if (last->status == OW_STATUS_COMPLETED || last->status == OW_STATUS_CONTINUED_AS_NEW)
		report_already_started(workflow_id, "has a run that completed", last);
}

/* ---- one run ---- */

/* Fills the ids; a run without a workflow id gets its run id's text as such. */
static void
name_run(OwNewRun *run, const char *workflow)
{
	int			bucket = ow_bucket_for(workflow, run->started_at);

	if (run->workflow_id != NULL)
	{
		ow_api_check_id("workflow_id", run->workflow_id);
		run->ref.shard_key = ow_shard_key(run->workflow_id);
		ow_run_id_make(run->ref.shard_key, bucket, &run->ref.run_id);
		return;
	}
	if (run->request_id != NULL)
	{
		/* the request is looked up by its own hash */
		run->ref.shard_key = ow_shard_key(run->request_id);
		ow_run_id_make(run->ref.shard_key, bucket, &run->ref.run_id);
	}
	else
		ow_run_id_make_own(bucket, &run->ref.run_id, &run->ref.shard_key);
	run->workflow_id = ow_api_uuid_text(&run->ref.run_id);
}

static void
fill_run(FunctionCallInfo fcinfo, const OwCompiled *compiled, const StartOptions *options, OwNewRun *run)
{
	static const OwStartArguments arguments = {
		.execution_timeout = ARG_EXECUTION_TIMEOUT,
		.run_timeout = ARG_RUN_TIMEOUT,
		.retry = ARG_RETRY,
		.priority = ARG_PRIORITY,
		.search_attributes = ARG_SEARCH_ATTRIBUTES
	};
	OwStartOptions more;
	const OwCompiled *checked = compiled;

	memset(run, 0, sizeof(OwNewRun));
	run->started_by = GetUserId();
	run->started_at = ow_clock_now();
	run->workflow_id = ow_api_optional_text(fcinfo, ARG_WORKFLOW_ID);
	run->request_id = ow_api_optional_text(fcinfo, ARG_REQUEST_ID);
	if (run->request_id != NULL)
		ow_api_check_id("request_id", run->request_id);
	name_run(run, compiled->workflow);
	if (options->choose)
		compiled = choose_version(compiled, run->workflow_id, &checked);
	run->compiled = compiled;
	run->input = ow_api_optional_jsonb(fcinfo, ARG_INPUT);
	if (run->input == NULL)
		run->input = ow_json_empty_object();
	ow_api_check_input(compiled, run->input);
	run->memo = ow_api_optional_jsonb(fcinfo, ARG_MEMO);
	run->traceparent = traceparent_argument(fcinfo);
	run->schedule = ow_schedule_starting();
	run->start_at = PG_ARGISNULL(ARG_START_DELAY) ? run->started_at :
		ow_start_add_interval(fcinfo, ARG_START_DELAY, "start_delay", run->started_at);
	ow_start_options_read(fcinfo, &arguments, &more);
	ow_start_options_apply(&more, run);
}

/* The run that an earlier start with the same request id made */
static OwFoundRun *
find_earlier_request(const OwNewRun *run, const char *workflow_id)
{
	OwFoundRun *earlier;

	ow_find_lock_request(run->ref.shard_key, run->request_id);
	earlier = ow_find_request(run->ref.shard_key, workflow_id, run->compiled->workflow,
							  run->request_id);
	return earlier != NULL && ow_api_may_see(earlier, OW_PRIVILEGE_READ) ? earlier : NULL;
}

/* The caller must be somebody who could terminate it as well. */
static void
check_may_terminate(const OwFoundRun *existing)
{
	if (!ow_catalog_may(GetUserId(), existing->workflow, existing->owner, OW_PRIVILEGE_CANCEL))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to terminate the open run of workflow id \"%s\"", existing->workflow_id),
				 errhint("The owner of its workflow can grant \"cancel\" with workflow.grant_workflow().")));
	if (!ow_engine_may_terminate())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot terminate the open run of workflow id \"%s\" here", existing->workflow_id),
				 errdetail("Neither an activity nor a transaction whose isolation level is REPEATABLE READ or SERIALIZABLE can wait for it."),
				 errhint("Use READ COMMITTED, or call workflow.terminate() and start when the run has closed.")));
}

static void
terminate_existing(const OwFoundRun *existing)
{
	check_may_terminate(existing);
	ow_engine_terminate(&existing->ref, "another run was started in its place",
						quote_identifier(GetUserNameFromId(GetUserId(), false)));
}

/* True: the open run is to be used instead of a new one; false: there is none any more. */
static bool
resolve_conflict(const OwNewRun *run, const OwFoundRun *existing, ConflictPolicy policy)
{
	if (policy == CONFLICT_TERMINATE_EXISTING)
	{
		terminate_existing(existing);
		return false;
	}
	if (policy == CONFLICT_USE_EXISTING && ow_api_may_see(existing, OW_PRIVILEGE_READ) &&
		strcmp(existing->workflow, run->compiled->workflow) == 0)
		return true;
	report_already_started(run->workflow_id, "has an open run", existing);
	return false;
}

static pg_uuid_t
start_run(OwNewRun *run, const char *given_id, const StartOptions *options)
{
	OwFoundRun *existing;

	if (run->request_id != NULL)
	{
		existing = find_earlier_request(run, given_id);
		if (existing != NULL)
			return existing->ref.run_id;
	}
	for (int try = 0; try < MAX_TRIES; try++)
	{
		ow_start_runs(run, 1);
		if (run->inserted)
		{
			check_reuse(run->workflow_id, options->reuse);
			return run->ref.run_id;
		}
		existing = ow_find_open(run->workflow_id);
		if (existing != NULL && resolve_conflict(run, existing, options->conflict))
			return existing->ref.run_id;
	}
	report_already_started(run->workflow_id, "is started and closed all the time", NULL);
	return run->ref.run_id;
}

static Datum
start_one(FunctionCallInfo fcinfo, const OwCompiled *compiled, bool choose)
{
	StartOptions options = options_argument(fcinfo, choose);
	pg_uuid_t  *run_id = palloc(sizeof(pg_uuid_t));
	OwNewRun	run;

	prepare(compiled);
	fill_run(fcinfo, compiled, &options, &run);
	*run_id = start_run(&run, ow_api_optional_text(fcinfo, ARG_WORKFLOW_ID), &options);
	PG_RETURN_UUID_P(run_id);
}

Datum
ow_api_start(FunctionCallInfo fcinfo, const OwCompiled *compiled)
{
	return start_one(fcinfo, compiled, false);
}

/* start(workflow text, input jsonb, workflow_id text, …) */
Datum
ow_start(PG_FUNCTION_ARGS)
{
	int			version = ow_api_version(fcinfo, ARG_VERSION);
	const OwCompiled *compiled = find_definition(ow_api_text(fcinfo, ARG_WORKFLOW, "workflow"), version);

	if (version != 0)
		ow_api_hold_version(compiled);
	return start_one(fcinfo, compiled, version == 0);
}

/* ---- many runs ---- */

static void
read_array(FunctionCallInfo fcinfo, int argument, Oid type,
		   Datum **values, bool **nulls, int *count)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argument);

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("inputs and workflow_ids must be one-dimensional arrays")));
	deconstruct_array(array, type, -1, false, TYPALIGN_INT, values, nulls, count);
}

/* The workflow ids, or NULL when there are none; a null element means an id of its own. */
static char **
ids_argument(FunctionCallInfo fcinfo, int count)
{
	Datum	   *values;
	bool	   *nulls;
	int			length;
	char	  **ids;

	if (PG_ARGISNULL(2))
		return NULL;
	read_array(fcinfo, 2, TEXTOID, &values, &nulls, &length);
	if (length != count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("inputs and workflow_ids must have the same length"),
				 errdetail("There are %d inputs and %d workflow ids.", count, length)));
	ids = palloc(sizeof(char *) * Max(count, 1));
	for (int i = 0; i < count; i++)
		ids[i] = nulls[i] ? NULL : TextDatumGetCString(values[i]);
	return ids;
}

static void
element_error(void *index)
{
	errcontext("starting element %d of inputs", *(int *) index + 1);
}

static void
fill_many(OwNewRun *runs, int count, const OwCompiled *compiled, bool choose, const OwStartOptions *options)
{
	FunctionCallInfo fcinfo = options->fcinfo;
	Datum	   *inputs;
	bool	   *nulls;
	int			index = 0;
	char	  **ids = ids_argument(fcinfo, count);
	TimestampTz now = ow_clock_now();
	const OwCompiled *checked = compiled;
	ErrorContextCallback callback;

	read_array(fcinfo, 1, JSONBOID, &inputs, &nulls, &count);
	callback.callback = element_error;
	callback.arg = &index;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	for (index = 0; index < count; index++)
	{
		OwNewRun   *run = &runs[index];

		run->started_by = GetUserId();
		run->started_at = now;
		run->start_at = now;
		run->workflow_id = ids ? ids[index] : NULL;
		name_run(run, compiled->workflow);
		run->compiled = choose ? choose_version(compiled, run->workflow_id, &checked) : compiled;
		run->input = nulls[index] ? ow_json_empty_object() : DatumGetJsonbP(inputs[index]);
		ow_api_check_input(run->compiled, run->input);
		ow_start_options_apply(options, run);
	}
	error_context_stack = callback.previous;
}

static void
check_all_inserted(OwNewRun *runs, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (!runs[i].inserted)
			ereport(ERROR,
					(errcode(ERRCODE_OW_ALREADY_STARTED),
					 errmsg("workflow id \"%s\" has an open run", runs[i].workflow_id),
					 errdetail("It is element %d of workflow_ids.", i + 1),
					 errhint("Nothing was started.")));
	}
}

static int
count_inputs(FunctionCallInfo fcinfo)
{
	ArrayType  *inputs;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("inputs must not be null")));
	inputs = PG_GETARG_ARRAYTYPE_P(1);
	return ArrayGetNItems(ARR_NDIM(inputs), ARR_DIMS(inputs));
}

static const OwStartArguments many_arguments = {
	.execution_timeout = ARG_MANY_EXECUTION_TIMEOUT,
	.run_timeout = ARG_MANY_RUN_TIMEOUT,
	.retry = ARG_MANY_RETRY,
	.priority = ARG_MANY_PRIORITY,
	.search_attributes = ARG_MANY_SEARCH_ATTRIBUTES
};

static Datum
start_many(FunctionCallInfo fcinfo, const OwCompiled *compiled, bool choose)
{
	OwStartOptions options;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			count = count_inputs(fcinfo);
	OwNewRun   *runs = palloc_extended(sizeof(OwNewRun) * Max(count, 1),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	prepare(compiled);
	ow_start_options_read(fcinfo, &many_arguments, &options);
	fill_many(runs, count, compiled, choose, &options);
	ow_start_runs(runs, count);
	check_all_inserted(runs, count);

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < count; i++)
	{
		Datum		value = UUIDPGetDatum(&runs[i].ref.run_id);
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}

Datum
ow_api_start_many(FunctionCallInfo fcinfo, const OwCompiled *compiled)
{
	return start_many(fcinfo, compiled, false);
}

/* start_many(workflow text, inputs jsonb[], workflow_ids text[], version int, …) */
Datum
ow_start_many(PG_FUNCTION_ARGS)
{
	int			version = ow_api_version(fcinfo, ARG_MANY_VERSION);
	const OwCompiled *compiled = find_definition(ow_api_text(fcinfo, ARG_WORKFLOW, "workflow"), version);

	if (version != 0)
		ow_api_hold_version(compiled);
	return start_many(fcinfo, compiled, version == 0);
}
