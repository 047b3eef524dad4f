/*
 * answer.c
 *		SQL-callable: answers to task tokens, from whoever was given one.
 *
 * The token is all that it takes: nobody can guess it.  An answer is stored as a message while the run is
 * locked, and the run's next transition takes it in; of two, the first counts.  That transition is made here if
 * nothing of the run's owner has to be run for it, else by an executor.
 */
#include "postgres.h"

#include "api/api.h"
#include "catalog/pg_type_d.h"
#include "engine/batch.h"
#include "fmgr.h"
#include "funcapi.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/task.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(ow_complete_activity);
PG_FUNCTION_INFO_V1(ow_fail_activity);
PG_FUNCTION_INFO_V1(ow_cancel_activity);
PG_FUNCTION_INFO_V1(ow_complete_activities);
PG_FUNCTION_INFO_V1(ow_fail_activities);
PG_FUNCTION_INFO_V1(ow_heartbeat);

static const pg_uuid_t *
token_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("task_token must not be null")));
	return PG_GETARG_UUID_P(0);
}

typedef struct Answers
{
	OwRunRef   *refs;			/* of runs that an answer was stored for */
	Oid		   *owners;
	int			count;
} Answers;

static void
begin_answers(Answers *answers, int room)
{
	answers->refs = palloc(sizeof(OwRunRef) * room);
	answers->owners = palloc(sizeof(Oid) * room);
	answers->count = 0;
}

/* Stores the answer, with the run locked; false, with a notice, when nothing waits for it any more. */
static bool
store_answer(Answers *answers, const pg_uuid_t *task_token, const char *kind, OwObject *payload)
{
	OwRunRef   *ref = &answers->refs[answers->count];
	Oid		   *owner = &answers->owners[answers->count];
	OwTaskClaim held;

	ow_epoch_take_back(task_token, &held);
	ow_object_add_text(payload, "task_token", ow_uuid_to_cstring(&held.task_token));
	if (ow_find_task(&held, ref, owner) &&
		ow_message_store(ref, *owner, kind, &held.task_token, ow_object_end(payload), GetUserId()))
	{
		answers->count++;
		return true;
	}
	ereport(NOTICE,
			(errmsg("nothing waits for an answer to task token %s", ow_uuid_to_cstring(task_token)),
			 errdetail("It was answered, its attempt timed out or was canceled, the task was put back, or handed out before a "
					   "promotion or restore, or there has never been such a token.")));
	return false;
}

/* The runs go on here, as far as they can; what is stored is safe whatever becomes of that. */
static void
end_answers(const Answers *answers)
{
	if (answers->count > 0)
		ow_engine_continue(answers->refs, answers->owners, answers->count);
}

static Datum
answer(const pg_uuid_t *task_token, const char *kind, OwObject *payload)
{
	Answers		answers;
	bool		stored;

	begin_answers(&answers, 1);
	stored = store_answer(&answers, task_token, kind, payload);
	end_answers(&answers);
	PG_RETURN_BOOL(stored);
}

/*
 * complete_activity(task_token uuid, result jsonb) RETURNS boolean: the attempt's result.  False, with a
 * notice, when nothing waits for it any more.
 */
Datum
ow_complete_activity(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *task_token = token_argument(fcinfo);
	OwObject	payload;

	PreventCommandIfReadOnly("workflow.complete_activity()");
	ow_object_begin(&payload);
	ow_object_add(&payload, "result", PG_ARGISNULL(1) ? ow_json_null() : ow_api_optional_jsonb(fcinfo, 1));
	return answer(task_token, "ActivityCompleted", &payload);
}

/*
 * fail_activity(task_token uuid, error text, message text, details jsonb, non_retryable boolean,
 * next_retry_delay interval) RETURNS boolean: the attempt has failed.
 */
Datum
ow_fail_activity(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *task_token = token_argument(fcinfo);
	OwObject	payload;

	PreventCommandIfReadOnly("workflow.fail_activity()");
	ow_object_begin(&payload);
	ow_object_add_text(&payload, "error", ow_api_optional_text(fcinfo, 1));
	ow_object_add_text(&payload, "cause", ow_api_optional_text(fcinfo, 2));
	ow_object_add(&payload, "details", ow_api_optional_jsonb(fcinfo, 3));
	ow_object_add_bool(&payload, "non_retryable", !PG_ARGISNULL(4) && PG_GETARG_BOOL(4));
	if (!PG_ARGISNULL(5))
		ow_object_add_int(&payload, "next_retry_delay_ms", ow_api_retry_delay(fcinfo, 5));
	return answer(task_token, "ActivityFailed", &payload);
}

/*
 * cancel_activity(task_token uuid, details jsonb) RETURNS boolean: whoever works on the task gives it up.
 */
Datum
ow_cancel_activity(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *task_token = token_argument(fcinfo);
	OwObject	payload;

	PreventCommandIfReadOnly("workflow.cancel_activity()");
	ow_object_begin(&payload);
	ow_object_add_text(&payload, "error", OW_ERROR_CANCELED);
	ow_object_add_text(&payload, "cause", "the activity was canceled by its worker");
	ow_object_add(&payload, "details", ow_api_optional_jsonb(fcinfo, 1));
	ow_object_add_bool(&payload, "non_retryable", true);
	return answer(task_token, "ActivityFailed", &payload);
}

/* ---- many at a time ---- */

/* An argument that is an array, with as many elements as there are tokens; those that are missing are null. */
typedef struct Elements
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
} Elements;

static void
read_elements(FunctionCallInfo fcinfo, int argument, const char *name, Oid type, int length, char alignment,
			  const Elements *tokens, Elements *elements)
{
	if (PG_ARGISNULL(argument))
	{
		elements->count = 0;
		return;
	}
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), type, length, false, alignment, &elements->values,
					  &elements->nulls, &elements->count);
	if (tokens != NULL && elements->count != tokens->count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s must have as many elements as task_tokens", name)));
}

static void
read_tokens(FunctionCallInfo fcinfo, Elements *tokens)
{
	memset(tokens, 0, sizeof(*tokens));
	read_elements(fcinfo, 0, "task_tokens", UUIDOID, UUID_LEN, TYPALIGN_CHAR, NULL, tokens);
	for (int i = 0; i < tokens->count; i++)
	{
		if (tokens->nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("task_token must not be null")));
	}
}

static bool
has_element(const Elements *elements, int index)
{
	return index < elements->count && !elements->nulls[index];
}

static void
add_text_element(OwObject *payload, const char *name, const Elements *elements, int index)
{
	if (has_element(elements, index))
		ow_object_add_text(payload, name, TextDatumGetCString(elements->values[index]));
}

static int
compare_tokens(const void *a, const void *b, void *arg)
{
	const Elements *tokens = arg;

	return memcmp(DatumGetUUIDP(tokens->values[*(const int *) a]), DatumGetUUIDP(tokens->values[*(const int *) b]),
				  UUID_LEN);
}

/*
 * Several runs are locked: always in the order of the tokens, whose first bytes are the runs' shard keys, so that
 * two who answer for the same runs do not wait for each other.
 */
static int *
lock_order(const Elements *tokens)
{
	int		   *order = palloc(sizeof(int) * Max(tokens->count, 1));

	for (int i = 0; i < tokens->count; i++)
		order[i] = i;
	qsort_arg(order, tokens->count, sizeof(int), compare_tokens, unconstify(Elements *, tokens));
	return order;
}

static Datum
boolean_array(Datum *values, int count)
{
	return PointerGetDatum(construct_array(values, count, BOOLOID, sizeof(bool), true, TYPALIGN_CHAR));
}

/* complete_activities(task_tokens uuid[], results jsonb[]) RETURNS boolean[] */
Datum
ow_complete_activities(PG_FUNCTION_ARGS)
{
	Elements	tokens;
	Elements	results;
	Answers		answers;
	Datum	   *stored;
	int		   *order;

	PreventCommandIfReadOnly("workflow.complete_activities()");
	read_tokens(fcinfo, &tokens);
	read_elements(fcinfo, 1, "results", JSONBOID, -1, TYPALIGN_INT, &tokens, &results);
	begin_answers(&answers, Max(tokens.count, 1));
	stored = palloc(sizeof(Datum) * Max(tokens.count, 1));
	order = lock_order(&tokens);
	for (int i = 0; i < tokens.count; i++)
	{
		int			index = order[i];
		OwObject	payload;

		ow_object_begin(&payload);
		ow_object_add(&payload, "result", has_element(&results, index) ? DatumGetJsonbP(results.values[index]) :
					  ow_json_null());
		stored[index] = BoolGetDatum(store_answer(&answers, DatumGetUUIDP(tokens.values[index]), "ActivityCompleted",
												  &payload));
	}
	end_answers(&answers);
	PG_RETURN_DATUM(boolean_array(stored, tokens.count));
}

/* fail_activities(task_tokens uuid[], errors text[], messages text[], details jsonb[]) RETURNS boolean[] */
Datum
ow_fail_activities(PG_FUNCTION_ARGS)
{
	Elements	tokens;
	Elements	errors;
	Elements	messages;
	Elements	details;
	Answers		answers;
	Datum	   *stored;
	int		   *order;

	PreventCommandIfReadOnly("workflow.fail_activities()");
	read_tokens(fcinfo, &tokens);
	read_elements(fcinfo, 1, "errors", TEXTOID, -1, TYPALIGN_INT, &tokens, &errors);
	read_elements(fcinfo, 2, "messages", TEXTOID, -1, TYPALIGN_INT, &tokens, &messages);
	read_elements(fcinfo, 3, "details", JSONBOID, -1, TYPALIGN_INT, &tokens, &details);
	begin_answers(&answers, Max(tokens.count, 1));
	stored = palloc(sizeof(Datum) * Max(tokens.count, 1));
	order = lock_order(&tokens);
	for (int i = 0; i < tokens.count; i++)
	{
		int			index = order[i];
		OwObject	payload;

		ow_object_begin(&payload);
		add_text_element(&payload, "error", &errors, index);
		add_text_element(&payload, "cause", &messages, index);
		if (has_element(&details, index))
			ow_object_add(&payload, "details", DatumGetJsonbP(details.values[index]));
		stored[index] = BoolGetDatum(store_answer(&answers, DatumGetUUIDP(tokens.values[index]), "ActivityFailed",
												  &payload));
	}
	end_answers(&answers);
	PG_RETURN_DATUM(boolean_array(stored, tokens.count));
}

/* ---- heartbeats ---- */

/* The open run that waits for the answer; NULL when it does no longer */
static OwFoundRun *
waiting_run(const OwTaskClaim *held)
{
	OwFoundRun *run;
	OwRunRef	ref;
	Oid			owner;

	if (!ow_find_task(held, &ref, &owner))
		return NULL;
	run = ow_find_run(&ref.run_id);
	return run != NULL && run->open ? run : NULL;
}

/* A task token that was given away: its heartbeats are history, as Step Functions has it. */
static OwFoundRun *
send_heartbeat(const OwTaskClaim *held, Jsonb *details)
{
	OwFoundRun *run = waiting_run(held);
	OwObject	payload;

	if (run == NULL)
		return NULL;
	ow_object_begin(&payload);
	ow_object_add_text(&payload, "task_token", ow_uuid_to_cstring(&held->task_token));
	ow_object_add(&payload, "details", details);
	(void) ow_message_send(run, "Heartbeat", NULL, ow_object_end(&payload), GetUserId());
	return run;
}

/*
 * heartbeat(task_token uuid, details jsonb, OUT ok boolean, OUT cancel_requested boolean,
 * OUT paused boolean): the attempt goes on.  ok is false when nothing waits for it any more.
 */
Datum
ow_heartbeat(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *task_token = token_argument(fcinfo);
	Jsonb	   *details = ow_api_optional_jsonb(fcinfo, 1);
	OwFoundRun *run = NULL;
	OwTaskClaim held;
	bool		ok;
	TupleDesc	descriptor;
	Datum		values[3] = {0};
	bool		nulls[3] = {0};

	PreventCommandIfReadOnly("workflow.heartbeat()");
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	ow_epoch_take_back(task_token, &held);
	ok = ow_task_beat(&held, details);
	if (!ok && !ow_task_is_queued(&held.task_token))
	{
		run = send_heartbeat(&held, details);
		ok = run != NULL;
	}
	values[0] = BoolGetDatum(ok);
	values[1] = BoolGetDatum(run != NULL && run->cancel_requested);
	values[2] = BoolGetDatum(run != NULL && run->status == OW_STATUS_PAUSED);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
