/*
 * answer.c
 *		SQL-callable: answers to task tokens, from whoever was given one.
 *
 * The token is all that it takes: nobody can guess it.  Of two answers the first counts.  The run goes on here if
 * nothing of its owner has to be run for that, else by an executor (engine/answer.c).
 */
#include "postgres.h"

#include "api/answer.h"
#include "api/api.h"
#include "catalog/pg_type_d.h"
#include "engine/answer.h"
#include "fmgr.h"
#include "funcapi.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/heartbeat.h"
#include "store/task.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(ow_complete_activity);
PG_FUNCTION_INFO_V1(ow_fail_activity);
PG_FUNCTION_INFO_V1(ow_cancel_activity);
PG_FUNCTION_INFO_V1(ow_complete_activities);
PG_FUNCTION_INFO_V1(ow_fail_activities);
PG_FUNCTION_INFO_V1(ow_cancel_activities);
PG_FUNCTION_INFO_V1(ow_heartbeat);
PG_FUNCTION_INFO_V1(ow_heartbeats);

static const pg_uuid_t *
token_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("task_token must not be null")));
	return PG_GETARG_UUID_P(0);
}

/* ---- what is answered, from the arguments that come after what names the attempt ---- */

#define MAX_ARGUMENTS 5

static Jsonb *
json_of(const NullableDatum *argument)
{
	return argument->isnull ? NULL : DatumGetJsonbP(argument->value);
}

static char *
text_of(const NullableDatum *argument)
{
	return argument->isnull ? NULL : TextDatumGetCString(argument->value);
}

/* (result jsonb) */
static Jsonb *
completed(const NullableDatum *arguments)
{
	OwObject	payload;

	ow_object_begin(&payload);
	ow_object_add(&payload, "result", arguments[0].isnull ? ow_json_null() : json_of(&arguments[0]));
	return ow_object_end(&payload);
}

/* (error text, message text, details jsonb, non_retryable boolean, next_retry_delay interval) */
static Jsonb *
failed(const NullableDatum *arguments)
{
	OwObject	payload;

	ow_object_begin(&payload);
	ow_object_add_text(&payload, "error", text_of(&arguments[0]));
	ow_object_add_text(&payload, "cause", text_of(&arguments[1]));
	ow_object_add(&payload, "details", json_of(&arguments[2]));
	ow_object_add_bool(&payload, "non_retryable", !arguments[3].isnull && DatumGetBool(arguments[3].value));
	if (!arguments[4].isnull)
		ow_object_add_int(&payload, "next_retry_delay_ms", ow_api_retry_delay(&arguments[4]));
	return ow_object_end(&payload);
}

/* (details jsonb) */
static Jsonb *
canceled(const NullableDatum *arguments)
{
	OwObject	payload;

	ow_object_begin(&payload);
	ow_object_add_text(&payload, "error", OW_ERROR_CANCELED);
	ow_object_add_text(&payload, "cause", "the activity was canceled by its worker");
	ow_object_add(&payload, "details", json_of(&arguments[0]));
	ow_object_add_bool(&payload, "non_retryable", true);
	return ow_object_end(&payload);
}

/* ---- one ---- */

static OwAnswer
make_answer(const pg_uuid_t *task_token, OwInputKind kind, Jsonb *payload)
{
	OwAnswer	answer = {.message = {.kind = kind, .payload = payload}};
	OwTaskClaim held;

	ow_epoch_take_back(task_token, &held);
	answer.message.task_token = held.task_token;
	answer.claim = held.claim;
	return answer;
}

static void
notice_not_taken(const OwAnswer *answer)
{
	pg_uuid_t	task_token = answer->message.task_token;

	ow_epoch_hand_out(answer->claim, &task_token);
	ereport(NOTICE,
			(errmsg("nothing waits for an answer to task token %s", ow_uuid_to_cstring(&task_token)),
			 errdetail("It was answered, its attempt timed out or was canceled, the task was put back, or handed out before a "
					   "promotion or restore, or there has never been such a token.")));
}

static void
answer_all(OwAnswer *answers, int count)
{
	ow_engine_answer(answers, count);
	for (int i = 0; i < count; i++)
	{
		if (!answers[i].taken)
			notice_not_taken(&answers[i]);
	}
}

static Datum
answer_one(const pg_uuid_t *task_token, OwInputKind kind, Jsonb *payload)
{
	OwAnswer	answer = make_answer(task_token, kind, payload);

	answer_all(&answer, 1);
	PG_RETURN_BOOL(answer.taken);
}

Datum
ow_answer_complete(FunctionCallInfo fcinfo, const pg_uuid_t *task_token, int first)
{
	return answer_one(task_token, OW_INPUT_ACTIVITY_COMPLETED, completed(&fcinfo->args[first]));
}

Datum
ow_answer_fail(FunctionCallInfo fcinfo, const pg_uuid_t *task_token, int first)
{
	return answer_one(task_token, OW_INPUT_ACTIVITY_FAILED, failed(&fcinfo->args[first]));
}

Datum
ow_answer_cancel(FunctionCallInfo fcinfo, const pg_uuid_t *task_token, int first)
{
	return answer_one(task_token, OW_INPUT_ACTIVITY_FAILED, canceled(&fcinfo->args[first]));
}

/*
 * complete_activity(task_token uuid, result jsonb) RETURNS boolean: the attempt's result.  False, with a
 * notice, when nothing waits for it any more.
 */
Datum
ow_complete_activity(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.complete_activity()");
	return ow_answer_complete(fcinfo, token_argument(fcinfo), 1);
}

/*
 * fail_activity(task_token uuid, error text, message text, details jsonb, non_retryable boolean,
 * next_retry_delay interval) RETURNS boolean: the attempt has failed.
 */
Datum
ow_fail_activity(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.fail_activity()");
	return ow_answer_fail(fcinfo, token_argument(fcinfo), 1);
}

/*
 * cancel_activity(task_token uuid, details jsonb) RETURNS boolean: whoever works on the task gives it up.
 */
Datum
ow_cancel_activity(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.cancel_activity()");
	return ow_answer_cancel(fcinfo, token_argument(fcinfo), 1);
}

/* ---- many at a time ---- */

/* An argument that is an array, with as many elements as there are tokens; those that are missing are null. */
typedef struct Elements
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
} Elements;

typedef struct ArrayArgument
{
	const char *name;
	Oid			type;			/* of an element */
} ArrayArgument;

static void
read_elements(FunctionCallInfo fcinfo, int position, Oid type, Elements *elements)
{
	int16		length;
	bool		by_value;
	char		alignment;

	elements->count = 0;
	if (PG_ARGISNULL(position))
		return;
	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(position), type, length, by_value, alignment, &elements->values,
					  &elements->nulls, &elements->count);
}

/* Argument 0, the tokens; none of them null */
static void
read_tokens(FunctionCallInfo fcinfo, Elements *tokens)
{
	read_elements(fcinfo, 0, UUIDOID, tokens);
	for (int i = 0; i < tokens->count; i++)
	{
		if (tokens->nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("task_token must not be null")));
	}
}

/* The arguments that follow, each null or an array with an element for each token */
static void
read_arguments(FunctionCallInfo fcinfo, const ArrayArgument *arguments, int count, const Elements *tokens,
			   Elements *elements)
{
	for (int i = 0; i < count; i++)
	{
		read_elements(fcinfo, i + 1, arguments[i].type, &elements[i]);
		if (!PG_ARGISNULL(i + 1) && elements[i].count != tokens->count)
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("%s must have as many elements as task_tokens", arguments[i].name)));
	}
}

/* What the arguments of a function for one would be */
static void
set_arguments(const Elements *elements, int count, int index, NullableDatum *arguments)
{
	for (int i = 0; i < count; i++)
	{
		arguments[i].isnull = index >= elements[i].count || elements[i].nulls[index];
		if (!arguments[i].isnull)
			arguments[i].value = elements[i].values[index];
	}
}

static Datum
answer_many(FunctionCallInfo fcinfo, OwInputKind kind, const ArrayArgument *arguments, int count,
			Jsonb *(*make_payload) (const NullableDatum *arguments))
{
	Elements	tokens;
	Elements	elements[MAX_ARGUMENTS];
	OwAnswer   *answers;
	Datum	   *taken;

	read_tokens(fcinfo, &tokens);
	read_arguments(fcinfo, arguments, count, &tokens, elements);
	answers = palloc(sizeof(OwAnswer) * Max(tokens.count, 1));
	taken = palloc(sizeof(Datum) * Max(tokens.count, 1));
	for (int i = 0; i < tokens.count; i++)
	{
		NullableDatum of_one[MAX_ARGUMENTS];

		set_arguments(elements, count, i, of_one);
		answers[i] = make_answer(DatumGetUUIDP(tokens.values[i]), kind, make_payload(of_one));
	}
	answer_all(answers, tokens.count);
	for (int i = 0; i < tokens.count; i++)
		taken[i] = BoolGetDatum(answers[i].taken);
	return PointerGetDatum(construct_array(taken, tokens.count, BOOLOID, sizeof(bool), true, TYPALIGN_CHAR));
}

Datum
ow_answer_complete_many(FunctionCallInfo fcinfo)
{
	static const ArrayArgument arguments[] = {{"results", JSONBOID}};

	return answer_many(fcinfo, OW_INPUT_ACTIVITY_COMPLETED, arguments, lengthof(arguments), completed);
}

/* complete_activities(task_tokens uuid[], results jsonb[]) RETURNS boolean[] */
Datum
ow_complete_activities(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.complete_activities()");
	return ow_answer_complete_many(fcinfo);
}

/*
 * fail_activities(task_tokens uuid[], errors text[], messages text[], details jsonb[], non_retryable boolean[],
 * next_retry_delays interval[]) RETURNS boolean[]
 */
Datum
ow_fail_activities(PG_FUNCTION_ARGS)
{
	static const ArrayArgument arguments[] = {
		{"errors", TEXTOID},
		{"messages", TEXTOID},
		{"details", JSONBOID},
		{"non_retryable", BOOLOID},
		{"next_retry_delays", INTERVALOID}
	};

	PreventCommandIfReadOnly("workflow.fail_activities()");
	return answer_many(fcinfo, OW_INPUT_ACTIVITY_FAILED, arguments, lengthof(arguments), failed);
}

/* cancel_activities(task_tokens uuid[], details jsonb[]) RETURNS boolean[] */
Datum
ow_cancel_activities(PG_FUNCTION_ARGS)
{
	static const ArrayArgument arguments[] = {{"details", JSONBOID}};

	PreventCommandIfReadOnly("workflow.cancel_activities()");
	return answer_many(fcinfo, OW_INPUT_ACTIVITY_FAILED, arguments, lengthof(arguments), canceled);
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
send_heartbeat(const OwTaskClaim *held, const Jsonb *details)
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

/* Columns of what heartbeat() and heartbeats() tell */
enum
{
	BEAT_OK,
	BEAT_CANCEL_REQUESTED,
	BEAT_PAUSED,
	BEAT_COLUMNS
};

static void
tell(const OwHeartbeat *beat, Datum *values)
{
	const OwFoundRun *run = NULL;

	if (!beat->noted && !ow_task_is_queued(&beat->held.task_token))
		run = send_heartbeat(&beat->held, beat->details);
	values[BEAT_OK] = BoolGetDatum(beat->noted || run != NULL);
	values[BEAT_CANCEL_REQUESTED] = BoolGetDatum(run != NULL && run->cancel_requested);
	values[BEAT_PAUSED] = BoolGetDatum((beat->noted || run != NULL) && beat->paused);
}

Datum
ow_answer_heartbeat(FunctionCallInfo fcinfo, const pg_uuid_t *task_token, Jsonb *details)
{
	TupleDesc	descriptor;
	Datum		values[BEAT_COLUMNS] = {0};
	bool		nulls[BEAT_COLUMNS] = {0};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (task_token != NULL)
	{
		OwHeartbeat beat = {.details = details};

		ow_epoch_take_back(task_token, &beat.held);
		ow_heartbeats_note(&beat, 1);
		tell(&beat, values);
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/*
 * heartbeat(task_token uuid, details jsonb, OUT ok boolean, OUT cancel_requested boolean,
 * OUT paused boolean): the attempt goes on.  ok is false when nothing waits for it any more.
 */
Datum
ow_heartbeat(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.heartbeat()");
	return ow_answer_heartbeat(fcinfo, token_argument(fcinfo), ow_api_optional_jsonb(fcinfo, 1));
}

/* heartbeats(task_tokens uuid[], details jsonb[]): a row (task_token, ok, cancel_requested, paused) for each */
Datum
ow_heartbeats(PG_FUNCTION_ARGS)
{
	static const ArrayArgument arguments[] = {{"details", JSONBOID}};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Elements	tokens;
	Elements	details;
	OwHeartbeat *beats;

	PreventCommandIfReadOnly("workflow.heartbeats()");
	read_tokens(fcinfo, &tokens);
	read_arguments(fcinfo, arguments, lengthof(arguments), &tokens, &details);
	beats = palloc0(sizeof(OwHeartbeat) * Max(tokens.count, 1));
	for (int i = 0; i < tokens.count; i++)
	{
		NullableDatum of_one;

		set_arguments(&details, 1, i, &of_one);
		ow_epoch_take_back(DatumGetUUIDP(tokens.values[i]), &beats[i].held);
		beats[i].details = json_of(&of_one);
	}
	ow_heartbeats_note(beats, tokens.count);
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < tokens.count; i++)
	{
		Datum		values[BEAT_COLUMNS + 1] = {tokens.values[i]};
		bool		nulls[BEAT_COLUMNS + 1] = {0};

		tell(&beats[i], values + 1);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
