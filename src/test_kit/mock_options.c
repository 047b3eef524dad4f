/*
 * mock_options.c
 *		What a mock is: the options that SQL gives, as one jsonb object, read and checked.
 *
 * Members that are absent are those that SQL left out; which there are is said by the functions in sql/test_kit.  The
 * elements of "answers" are written by the author of the test, and checked as such.
 */
#include "postgres.h"

#include "engine/clock.h"
#include "fmgr.h"
#include "machine/json.h"
#include "machine/problems.h"
#include "test_kit/kit_internal.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonpath.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_test_mock);

static const char *const kind_names[] = {
	[OW_MOCK_ACTIVITY] = "activity",
	[OW_MOCK_WORKFLOW] = "workflow",
	[OW_MOCK_SIGNAL] = "signal",
	[OW_MOCK_CANCEL] = "cancel"
};

static const char *const answer_keys[] = {
	"result", "error", "message", "details", "non_retryable", "next_retry_delay", "compute", "never", "heartbeat", "duration"
};

const char *
ow_mock_kind_name(OwMockKind kind)
{
	return kind_names[kind];
}

static OwMockKind
kind_of(const char *name)
{
	for (int i = 0; i < (int) lengthof(kind_names); i++)
	{
		if (strcmp(kind_names[i], name) == 0)
			return (OwMockKind) i;
	}
	elog(ERROR, "unknown kind of mock \"%s\"", name);
}

/* ---- single values ---- */

static char *
read_text(const Jsonb *options, const char *key)
{
	JsonbValue	value;

	if (!ow_json_member(options, key, &value))
		return NULL;
	if (value.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be a string, not %s", key, ow_json_type_phrase(&value))));
	return ow_json_value_cstring(&value);
}

static bool
read_bool(const Jsonb *options, const char *key)
{
	JsonbValue	value;

	if (!ow_json_member(options, key, &value))
		return false;
	if (value.type != jbvBool)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be a boolean, not %s", key, ow_json_type_phrase(&value))));
	return value.val.boolean;
}

static Jsonb *
read_json(const Jsonb *options, const char *key)
{
	Jsonb	   *value = ow_json_get(options, key);

	return value ? ow_json_copy(value) : NULL;
}

int
ow_mock_read_int(const Jsonb *options, const char *key, int missing)
{
	JsonbValue	value;
	int64		number = 0;

	if (!ow_json_member(options, key, &value))
		return missing;
	if (!ow_json_value_int64(&value, &number) || number < 1 || number > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be positive", key)));
	return (int) number;
}

int64
ow_mock_read_interval(const Jsonb *options, const char *key, int64 missing)
{
	char	   *text = read_text(options, key);
	const Interval *interval;
	int64		ms;

	if (text == NULL)
		return missing;
	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	ms = interval->time / 1000 + ((int64) interval->day + (int64) interval->month * DAYS_PER_MONTH) * SECS_PER_DAY * 1000;
	if (ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", key)));
	return ms;
}

/* ---- which calls ---- */

void
ow_mock_read_match(const Jsonb *options, OwCallMatch *match)
{
	match->signal = read_text(options, "signal");
	match->input = read_json(options, "input");
	match->matching = read_text(options, "matching");
	match->attempt = ow_mock_read_int(options, "attempt", 0);
	match->workflow_id = read_text(options, "workflow_id");
	if (match->matching != NULL)
		(void) DirectFunctionCall1(jsonpath_in, CStringGetDatum(match->matching));
}

/* ---- answers ---- */

static void
check_one_outcome(const OwMockAnswer *answer)
{
	bool		result = answer->result != NULL && !ow_json_is_null(answer->result);

	if (result + (answer->error != NULL) + (answer->compute != NULL) + answer->never > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a mock answers with one of result, error, compute and never"),
				 errhint("Several answers, one after the other, are given as answers.")));
	if (answer->error != NULL && *answer->error == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("error must not be empty")));
}

void
ow_mock_read_answer(const Jsonb *options, OwMockAnswer *answer)
{
	answer->result = read_json(options, "result");
	answer->error = read_text(options, "error");
	answer->message = read_text(options, "message");
	answer->details = read_json(options, "details");
	answer->non_retryable = read_bool(options, "non_retryable");
	answer->next_retry_delay_ms = ow_mock_read_interval(options, "next_retry_delay", OW_UNSET);
	answer->compute = read_text(options, "compute");
	answer->never = read_bool(options, "never");
	answer->heartbeat = read_json(options, "heartbeat");
	answer->duration_ms = ow_mock_read_interval(options, "duration", 0);
	check_one_outcome(answer);
	if (answer->compute != NULL)
		ow_mock_check_expression(answer->compute);
}

static void
check_answer_keys(const JsonbValue *answer, int n)
{
	OwJsonMembers members;
	JsonbValue	value;
	char	   *key;

	if (!ow_json_value_is_object(answer))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("answer %d is %s, not an object", n, ow_json_type_phrase(answer)),
				 errhint("Answers look like [{\"error\": \"Busy\"}, {\"result\": {\"paid\": true}}].")));
	ow_json_members_begin(&members, answer);
	while (ow_json_members_next(&members, &key, &value))
	{
		const char *nearest = ow_nearest_name(key, answer_keys, lengthof(answer_keys));
		bool		known = false;

		for (int i = 0; i < (int) lengthof(answer_keys) && !known; i++)
			known = strcmp(key, answer_keys[i]) == 0;
		if (!known)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("answer %d has the unknown key \"%s\"", n, key),
					 nearest ? errhint("Perhaps you meant \"%s\".", nearest) : 0));
	}
}

/* Several answers, one for each call */
static void
read_answers(const Jsonb *options, OwMock *mock)
{
	JsonbValue	array;

	if (!ow_json_member(options, "answers", &array))
	{
		mock->answers = 1;
		mock->answer = palloc0(sizeof(OwMockAnswer));
		ow_mock_read_answer(options, mock->answer);
		return;
	}
	mock->answers = ow_json_value_is_array(&array) ? ow_json_value_count(&array) : 0;
	if (mock->answers == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("answers must be an array with one object or more")));
	if (mock->left >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("times does not go with answers, of which each is for one call"),
				 errhint("For calls after the last answer, add another mock.")));
	for (int i = 0; i < (int) lengthof(answer_keys); i++)
	{
		JsonbValue	value;

		if (ow_json_member(options, answer_keys[i], &value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s does not go with answers", answer_keys[i]),
					 errhint("Give it in each of the answers that it is for.")));
	}
	mock->left = mock->answers;
	mock->answer = palloc0(sizeof(OwMockAnswer) * mock->answers);
	for (int i = 0; i < mock->answers; i++)
	{
		JsonbValue	answer;

		(void) ow_json_value_element(&array, i, &answer);
		check_answer_keys(&answer, i + 1);
		ow_mock_read_answer(ow_json_from_value(&answer), &mock->answer[i]);
	}
}

bool
ow_mock_takes_time(const OwMock *mock)
{
	for (int i = 0; i < mock->answers; i++)
	{
		if (mock->answer[i].duration_ms > 0 || mock->answer[i].never)
			return mock->kind == OW_MOCK_ACTIVITY;
	}
	return false;
}

/* _mock(kind text, name text, options jsonb) */
Datum
ow_test_mock(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	OwMockKind	kind = kind_of(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	const Jsonb *options = PG_GETARG_JSONB_P(2);
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	OwMock	   *mock = palloc0(sizeof(OwMock));

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg(kind == OW_MOCK_ACTIVITY ? "the activity to mock must not be null" :
						"the workflow to mock must not be null")));
	mock->kind = kind;
	ow_mock_read_match(options, &mock->match);
	mock->match.name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	mock->left = ow_mock_read_int(options, "times", -1);
	read_answers(options, mock);
	kit->takes_time |= ow_mock_takes_time(mock);
	kit->mocks = lappend(kit->mocks, mock);
	kit->names_unchecked = true;
	MemoryContextSwitchTo(previous);
	PG_RETURN_VOID();
}
