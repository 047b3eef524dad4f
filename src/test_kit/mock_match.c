/*
 * mock_match.c
 *		Which calls mocks and expectations are for; which mock is for a call, which were never used, and taking them away.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "machine/json.h"
#include "machine/problems.h"
#include "test_kit/kit_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonpath.h"

PG_FUNCTION_INFO_V1(ow_test_concerns);
PG_FUNCTION_INFO_V1(ow_test_reset_mocks);
PG_FUNCTION_INFO_V1(ow_test_mocks);
PG_FUNCTION_INFO_V1(ow_test_nearest);

static bool
contains(const Jsonb *input, const Jsonb *wanted)
{
	return DatumGetBool(DirectFunctionCall2(jsonb_contains, JsonbPGetDatum(input), JsonbPGetDatum(wanted)));
}

/* A predicate that is true, or a filter that finds something; errors are no match */
static bool
path_matches(const Jsonb *input, const char *path)
{
	Datum		found = DirectFunctionCall4(jsonb_path_query_array, JsonbPGetDatum(input),
											DirectFunctionCall1(jsonpath_in, CStringGetDatum(path)),
											JsonbPGetDatum(ow_json_empty_object()), BoolGetDatum(true));
	JsonbValue	all;
	JsonbValue	first;

	ow_json_as_value(DatumGetJsonbP(found), &all);
	if (!ow_json_value_element(&all, 0, &first))
		return false;
	return first.type != jbvNull && (first.type != jbvBool || first.val.boolean);
}

static bool
is_or_any(const char *wanted, const char *actual)
{
	return wanted == NULL || (actual != NULL && strcmp(wanted, actual) == 0);
}

bool
ow_mock_matches(const OwCallMatch *match, const OwMockedCall *call)
{
	return strcmp(match->name, call->name) == 0 &&
		is_or_any(match->signal, call->signal) &&
		is_or_any(match->workflow_id, call->workflow_id) &&
		(match->attempt == 0 || match->attempt == call->attempt) &&
		(match->input == NULL || contains(call->input, match->input)) &&
		(match->matching == NULL || path_matches(call->input, match->matching));
}

/* _concerns(expectation jsonb, workflow_id text, signal text, attempt int, input jsonb): of a call of the expectation's name */
Datum
ow_test_concerns(PG_FUNCTION_ARGS)
{
	OwCallMatch match;
	OwMockedCall call = {
		.name = "",
		.workflow_id = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)),
		.signal = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)),
		.attempt = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3),
		.input = PG_ARGISNULL(4) ? ow_json_null() : PG_GETARG_JSONB_P(4)
	};

	ow_mock_read_match(PG_GETARG_JSONB_P(0), &match);
	match.name = "";
	PG_RETURN_BOOL(ow_mock_matches(&match, &call));
}

OwMock *
ow_mock_find(const OwTestKit *kit, const OwMockedCall *call)
{
	ListCell   *cell;

	foreach(cell, kit->mocks)
	{
		OwMock	   *mock = lfirst(cell);

		if (mock->kind == call->kind && mock->left != 0 && ow_mock_matches(&mock->match, call))
			return mock;
	}
	return NULL;
}

const OwMockAnswer *
ow_mock_next_answer(const OwMock *mock)
{
	return &mock->answer[mock->answers == 1 ? 0 : mock->used];
}

const OwMockAnswer *
ow_mock_take_answer(OwMock *mock)
{
	const OwMockAnswer *answer = ow_mock_next_answer(mock);

	mock->used++;
	if (mock->left > 0)
		mock->left--;
	return answer;
}

/* reset_mocks(name text): forgets the mocks of that name, NULL: all; how many. */
Datum
ow_test_reset_mocks(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	char	   *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			before = list_length(kit->mocks);
	ListCell   *cell;

	foreach(cell, kit->mocks)
	{
		if (is_or_any(name, ((OwMock *) lfirst(cell))->match.name))
			kit->mocks = foreach_delete_current(kit->mocks, cell);
	}
	PG_RETURN_INT32(before - list_length(kit->mocks));
}

static void
put_name(ReturnSetInfo *result, const char *kind, const char *name, int used, int answers)
{
	Datum		values[4] = {
		CStringGetTextDatum(kind), CStringGetTextDatum(name), Int32GetDatum(used), Int32GetDatum(answers)
	};
	bool		nulls[4] = {false, false, false, answers < 0};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* _mocks(): what the test has said of activities and workflows, by name, in the order given */
Datum
ow_test_mocks(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, kit->mocks)
	{
		const OwMock *mock = lfirst(cell);

		put_name(result, ow_mock_kind_name(mock->kind), mock->match.name, mock->used, mock->answers);
	}
	foreach(cell, kit->allowed)
		put_name(result, "allowed", lfirst(cell), 0, -1);
	foreach(cell, kit->reactions)
		put_name(result, "reaction", ((OwTestReaction *) lfirst(cell))->match.name, ((OwTestReaction *) lfirst(cell))->seen, -1);
	return (Datum) 0;
}

/* _nearest(name text, candidates text[]): the one that is probably meant; NULL: none is like it */
Datum
ow_test_nearest(PG_FUNCTION_ARGS)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	const char **candidates;
	const char *nearest;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	candidates = palloc(sizeof(char *) * Max(count, 1));
	for (int i = 0; i < count; i++)
		candidates[i] = nulls[i] ? "" : TextDatumGetCString(elements[i]);
	nearest = ow_nearest_name(text_to_cstring(PG_GETARG_TEXT_PP(0)), candidates, count);
	if (nearest == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(nearest));
}

/*
 * A name that no activity and no definition here has was probably misspelt: warns.  Looked at when runs are driven next, so that a
 * test may mock before it registers.
 */
void
ow_mock_check_names(OwTestKit *kit)
{
	int			result;

	if (!kit->names_unchecked)
		return;
	kit->names_unchecked = false;
	SPI_connect();
	result = SPI_execute("SELECT workflow_test._check_names()", false, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "checking the names of mocks failed: %s", SPI_result_code_string(result));
	SPI_finish();
}
