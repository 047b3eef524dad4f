/*
 * explore_kit.c
 *		SQL-callable: an exploration begins, tells of itself, and ends.
 *
 * For sql/test_kit/45_explore.sql, which makes menus of definitions, and scripts shorter.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "engine/clock.h"
#include "fmgr.h"
#include "machine/json.h"
#include "store/store.h"
#include "test_kit/explore.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/breaker.h"

PG_FUNCTION_INFO_V1(ow_test_explore_begin);
PG_FUNCTION_INFO_V1(ow_test_explore_begins_at);
PG_FUNCTION_INFO_V1(ow_test_explored);
PG_FUNCTION_INFO_V1(ow_test_explore_end);
PG_FUNCTION_INFO_V1(ow_test_runs);

/* 2030-01-01, where tests begin by default */
#define OW_TEST_BEGIN ((TimestampTz) 30 * 365 * USECS_PER_DAY + (TimestampTz) 8 * USECS_PER_DAY)

/* What is counted in them is counted anew. */
static List *
copy_each(const List *from, size_t size)
{
	List	   *copies = NIL;
	ListCell   *cell;

	foreach(cell, from)
		copies = lappend(copies, memcpy(palloc(size), lfirst(cell), size));
	return copies;
}

/* A kit with what the outer one says of activities and commands, and no runs */
static OwTestKit *
make_kit(const OwTestKit *outer)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext, "order_workflow exploration", ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	OwTestKit  *kit = palloc0(sizeof(OwTestKit));

	kit->context = context;
	kit->explore = palloc0(sizeof(OwExplore));
	if (outer != NULL)
	{
		kit->mocks = copy_each(outer->mocks, sizeof(OwMock));
		kit->commands = copy_each(outer->commands, sizeof(OwTestCommand));
		kit->reactions = copy_each(outer->reactions, sizeof(OwTestReaction));
		kit->takes_time = outer->takes_time;
		kit->allowed = list_copy(outer->allowed);
	}
	MemoryContextSwitchTo(previous);
	return kit;
}

/* Back to the outer test, if there is one, at its time */
static void
end(OwTestKit *kit)
{
	OwTestKit  *outer = kit->explore->outer;

	if (outer == NULL)
		ow_clock_reset();
	else
		ow_clock_set_virtual(kit->explore->outer_now);
	ow_test_kit_set(outer);
	MemoryContextDelete(kit->context);
	ow_breaker_begin_test();
}

static void
take_script(OwTestKit *kit, const Jsonb *script)
{
	JsonbValue	value;
	JsonbValue *decisions;
	int			count;

	ow_json_as_value(script, &value);
	if (!ow_json_value_is_array(&value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a script must be an array of decisions")));
	decisions = ow_json_elements(&value, &count);
	for (int i = 0; i < count; i++)
		(void) ow_explore_decide(kit, ow_json_from_value(&decisions[i]));
}

static TimestampTz
beginning(const OwTestKit *outer)
{
	return outer ? ow_clock_now() : OW_TEST_BEGIN;
}

/* _explore_begins_at(): where the clock of an exploration begins */
Datum
ow_test_explore_begins_at(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(beginning(ow_test_kit()));
}

/*
 * _explore_begin(seed bigint, run int, menu jsonb, script jsonb, max_time interval, max_steps int): what the script
 * decides happens, what else may comes from the menu (NULL: nothing does).
 */
Datum
ow_test_explore_begin(PG_FUNCTION_ARGS)
{
	static const double rates[] = {0.05, 0.15, 0.4};
	static const double repeats[] = {0, 0.5, 0.95};
	uint64		seed = hash_combine64((uint64) PG_GETARG_INT64(0), (uint64) PG_GETARG_INT32(1));
	OwTestKit  *outer = ow_test_kit();
	OwTestKit  *kit;
	OwExplore  *explore;
	MemoryContext previous;

	if (outer != NULL && outer->explore != NULL)
	{
		end(outer);				/* it was left by an error */
		outer = ow_test_kit();
	}
	kit = make_kit(outer);
	explore = kit->explore;
	explore->outer = outer;
	explore->outer_now = ow_clock_now();
	explore->began_at = beginning(outer);
	explore->until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(explore->began_at),
															 PG_GETARG_DATUM(4)));
	explore->max_steps = PG_GETARG_INT32(5);
	pg_prng_seed(&explore->random, seed);
	pg_prng_seed(&explore->chance, ~seed);
	explore->rate = rates[pg_prng_uint64_range(&explore->chance, 0, lengthof(rates) - 1)];
	explore->again = repeats[pg_prng_uint64_range(&explore->chance, 0, lengthof(repeats) - 1)];
	previous = MemoryContextSwitchTo(kit->context);
	explore->menu = PG_ARGISNULL(2) ? NULL : ow_json_copy(PG_GETARG_JSONB_P(2));
	MemoryContextSwitchTo(previous);
	ow_test_kit_set(kit);
	ow_clock_set_virtual(explore->began_at);
	ow_breaker_begin_test();
	if (!PG_ARGISNULL(3))
		take_script(kit, PG_GETARG_JSONB_P(3));
	PG_RETURN_VOID();
}

static OwTestKit *
exploration(void)
{
	OwTestKit  *kit = ow_test_kit_required();

	if (kit->explore == NULL)
		elog(ERROR, "no exploration has begun");
	return kit;
}

/* The decisions that made a difference */
static Jsonb *
script_of(const OwExplore *explore)
{
	List	   *used = NIL;
	ListCell   *cell;

	foreach(cell, explore->decisions)
	{
		const OwDecision *decision = lfirst(cell);

		if (decision->used)
			used = lappend(used, decision->json);
	}
	return ow_json_array(used);
}

static Jsonb *
answers_of(const OwExplore *explore)
{
	List	   *answers = NIL;
	ListCell   *cell;

	foreach(cell, explore->answers)
	{
		const OwExploredAnswer *answer = lfirst(cell);

		answers = lappend(answers, ow_json_with_member(answer->answer,
													   ow_mock_kind_name(answer->kind),
													   ow_json_text(answer->name)));
	}
	return ow_json_array(answers);
}

/* _explored(): the script that has been followed, the answers to all calls, and whether the run went on for too long */
Datum
ow_test_explored(PG_FUNCTION_ARGS)
{
	const OwExplore *explore = exploration()->explore;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add(&object, "script", script_of(explore));
	ow_object_add(&object, "answers", answers_of(explore));
	ow_object_add_bool(&object, "stopped", explore->stopped);
	PG_RETURN_JSONB_P(ow_object_end(&object));
}

/* _explore_end(): goes back to the test that was left, if an exploration is on. */
Datum
ow_test_explore_end(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit();

	if (kit != NULL && kit->explore != NULL)
		end(kit);
	PG_RETURN_VOID();
}

/* _runs(): the runs of this test, in the order they were started */
Datum
ow_test_runs(PG_FUNCTION_ARGS)
{
	(void) ow_test_kit_required();
	PG_RETURN_DATUM(ow_test_kit_runs());
}
