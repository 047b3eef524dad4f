/*
 * test_kit.c
 *		Driving the runs of a test's transaction: the virtual clock, and what is due on it.
 *
 * run() does, until idle: drive every run that is ready, has messages or a timer due; else execute
 * the commands due; else move the clock to the next timer or command.  The clock moves only when
 * nothing can be done at the current time (and by the duration of a mocked SQL activity).  Tasks in task queues
 * that a mock answers are taken one by one, when no run can move; others wait for
 * workflow.poll_activity in the test.  While the test has such a task in hand, time is not skipped but to what the
 * test has planned itself.
 */
#include "postgres.h"

#include "engine/batch.h"
#include "engine/clock.h"
#include "engine/schedule.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "store/schedule.h"
#include "store/store.h"
#include "test_kit/explore.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/breaker.h"

PG_FUNCTION_INFO_V1(ow_test_begin);
PG_FUNCTION_INFO_V1(ow_test_skip_time);
PG_FUNCTION_INFO_V1(ow_test_run);
PG_FUNCTION_INFO_V1(ow_test_advance);
PG_FUNCTION_INFO_V1(ow_test_now);

static OwTestKit *kit = NULL;

static OwStatement find_work = {
	.sql =
	"SELECT mine.shard_key, mine.run_id,"
	"       coalesce(e.ready, false) OR EXISTS (SELECT FROM workflow.message m"
	"                           WHERE m.shard_key = mine.shard_key AND m.run_id = mine.run_id),"
	"       least((SELECT min(t.due_at) FROM workflow.timer t"
	"               WHERE t.shard_key = mine.shard_key AND t.run_id = mine.run_id),"
	"             (SELECT min(l.lease_until) FROM workflow.activity_task l"
	"               WHERE l.shard_key = mine.shard_key AND l.run_id = mine.run_id)),"
	"       EXISTS (SELECT FROM workflow.activity_task h"
	"                WHERE h.shard_key = mine.shard_key AND h.run_id = mine.run_id"
	"                  AND h.worker <> '" OW_MOCK_WORKER "')"
	"  FROM unnest($1, $2) WITH ORDINALITY AS mine (shard_key, run_id, n)"
	"  LEFT JOIN workflow.execution e ON e.shard_key = mine.shard_key AND e.run_id = mine.run_id"
	" ORDER BY mine.n",
	.argument_types = "int[],uuid[]"
};

/* The kit of the current transaction; NULL when it is not a test. */
OwTestKit *
ow_test_kit(void)
{
	return ow_clock_is_virtual() ? kit : NULL;
}

/* Another takes its place, in the same transaction. */
void
ow_test_kit_set(OwTestKit *another)
{
	kit = another;
}

bool
ow_test_kit_fill_random(void *bytes, size_t length)
{
	OwTestKit  *current = ow_test_kit();

	if (current == NULL || current->explore == NULL)
		return false;
	for (size_t i = 0; i < length; i++)
		((unsigned char *) bytes)[i] = (unsigned char) pg_prng_uint32(&current->explore->random);
	return true;
}

/* …raising when there is none */
OwTestKit *
ow_test_kit_required(void)
{
	OwTestKit  *current = ow_test_kit();

	if (current == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no test has begun in this transaction"),
				 errhint("Call workflow_test.begin() first, in the same transaction.")));
	return current;
}

/* A statement that is executed on the way must not drive what is being driven. */
static void
check_not_driving(const OwTestKit *current, const char *what)
{
	if (current->driving)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s cannot be called while runs are driven", what),
				 errdetail("A statement of this test, or an activity, calls it."),
				 errhint("What it leaves to be done is done when it has ended.")));
}

/* begin(at timestamptz): starts the virtual clock for this transaction, without mocks or runs. */
Datum
ow_test_begin(PG_FUNCTION_ARGS)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext, "order_workflow test", ALLOCSET_DEFAULT_SIZES);

	if (ow_test_kit() != NULL)
	{
		check_not_driving(kit, "workflow_test.begin()");
		MemoryContextDelete(kit->context);
	}
	kit = MemoryContextAllocZero(context, sizeof(OwTestKit));
	kit->context = context;
	ow_clock_set_virtual(PG_GETARG_TIMESTAMPTZ(0));
	ow_breaker_begin_test();
	PG_RETURN_VOID();
}

void
ow_test_kit_started(const OwRunRef *ref)
{
	OwTestKit  *current = ow_test_kit();
	MemoryContext previous;

	if (current == NULL)
		return;
	previous = MemoryContextSwitchTo(current->context);
	current->runs = lappend(current->runs, memcpy(palloc(sizeof(OwRunRef)), ref, sizeof(OwRunRef)));
	MemoryContextSwitchTo(previous);
}

Datum
ow_test_kit_runs(void)
{
	OwTestKit  *current = ow_test_kit();
	pg_uuid_t  *run_ids;
	ListCell   *cell;

	if (current == NULL)
		return (Datum) 0;
	run_ids = palloc(sizeof(pg_uuid_t) * Max(list_length(current->runs), 1));
	foreach(cell, current->runs)
		run_ids[foreach_current_index(cell)] = ((OwRunRef *) lfirst(cell))->run_id;
	return ow_store_uuid_array(run_ids, list_length(current->runs));
}

/* A run this transaction has reopened belongs to the test as one it started. */
void
ow_test_kit_ready(const OwRunRef *ref)
{
	OwTestKit  *current = ow_test_kit();
	ListCell   *cell;

	if (current == NULL)
		return;
	foreach(cell, current->runs)
	{
		if (memcmp(lfirst(cell), ref, sizeof(OwRunRef)) == 0)
			return;
	}
	ow_test_kit_started(ref);
}

/*
 * The runs and schedules that have something to do now; *next is the earliest timer after now.  Schedules go on for ever, so
 * without an end the clock does not move for them.  *in_hand: the test has taken a task, and not answered yet.
 */
static List *
find_runs_to_drive(OwTestKit *current, TimestampTz until, TimestampTz *next, bool *in_hand)
{
	MemoryContext caller = CurrentMemoryContext;
	int			count = list_length(current->runs);
	int32	   *shard_keys = palloc(sizeof(int32) * Max(count, 1));
	pg_uuid_t  *run_ids = palloc(sizeof(pg_uuid_t) * Max(count, 1));
	List	   *result = NIL;
	Datum		values[2];
	uint64		found;
	ListCell   *cell;

	*next = DT_NOEND;
	*in_hand = false;
	foreach(cell, current->runs)
	{
		const OwRunRef *ref = lfirst(cell);

		shard_keys[foreach_current_index(cell)] = ref->shard_key;
		run_ids[foreach_current_index(cell)] = ref->run_id;
	}
	ow_store_open();
	values[0] = ow_store_int_array(shard_keys, count);
	values[1] = ow_store_uuid_array(run_ids, count);
	found = ow_store_execute(&find_work, values, NULL);
	for (uint64 row = 0; row < found; row++)
	{
		TimestampTz due_at = ow_store_time(row, 4);
		OwRunRef	ref = {.shard_key = ow_store_int(row, 1), .run_id = ow_store_uuid(row, 2)};

		*in_hand |= ow_store_bool(row, 5);
		if (ow_store_bool(row, 3) || due_at <= ow_clock_now())
		{
			MemoryContext previous = MemoryContextSwitchTo(caller);

			result = lappend(result, memcpy(palloc(sizeof(ref)), &ref, sizeof(ref)));
			MemoryContextSwitchTo(previous);
			continue;
		}
		if (until != DT_NOEND || !ow_schedule_is_ref(&ref))
			*next = Min(*next, due_at);
	}
	ow_store_close();
	return result;
}

/* Where calls take time, one run after the other: what falls due meanwhile comes before the next. */
static int
drive_runs(OwTestKit *current, List *runs, MemoryContext context)
{
	OwRunRef   *refs = palloc(sizeof(OwRunRef) * list_length(runs));
	OwDriveRest rest;
	ListCell   *cell;
	int			count = 0;

	foreach(cell, runs)
	{
		OwRunRef   *ref = lfirst(cell);

		if (ow_schedule_is_ref(ref))
			(void) ow_schedule_drive(ref, true, NULL);
		else if (!ow_test_close_child(current, ref))
			refs[count++] = *ref;
		if (current->takes_time)
			break;
	}
	return count > 0 ? ow_engine_drive(refs, count, context, &rest) : 0;
}

/* Does everything that can be done now; how often a run moved. *next is when there is something again. */
static int
drive_now(OwTestKit *current, TimestampTz until, MemoryContext context, TimestampTz *next)
{
	int			moved = 0;

	for (;;)
	{
		TimestampTz planned;
		bool		in_hand;
		List	   *runs;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		*next = DT_NOEND;
		if (current->explore != NULL && ow_explore_is_over(current->explore))
			return moved;
		runs = find_runs_to_drive(current, until, next, &in_hand);
		if (runs != NIL)
		{
			moved += drive_runs(current, runs, context);
			continue;
		}
		if (ow_test_kit_answer_queued(current) || ow_test_send_replies(current, &planned))
			continue;
		planned = Min(planned, ow_test_next_command(current));
		*next = Min(Min(*next, current->held_until), planned);
		if (until == DT_NOEND && (current->skips_no_time || (in_hand && planned == DT_NOEND)))
			*next = DT_NOEND;
		return moved;
	}
}

/* Drives until idle or until the clock has got there; returns how often a run moved. */
static int
run_until(OwTestKit *current, TimestampTz until)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "order_workflow test drive",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	int			moved = 0;

	if (current->explore != NULL)
		ow_explore_begins(current);
	for (;;)
	{
		TimestampTz next;

		moved += drive_now(current, until, context, &next);
		if (current->explore != NULL && ow_explore_idles(current, next))
			continue;
		if (next == DT_NOEND || next > until)
			break;
		ow_clock_set_virtual(Max(next, ow_clock_now()));
		ow_test_keep_beating(current);
		(void) ow_test_execute_due(current);
	}
	if (until != DT_NOEND && until > ow_clock_now())
		ow_clock_set_virtual(until);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
	return moved;
}

static int
drive(OwTestKit *current, TimestampTz until, const char *what)
{
	int			moved = 0;

	check_not_driving(current, what);
	if (current->explore == NULL)
		ow_mock_check_names(current);
	current->driving = true;
	PG_TRY();
	{
		moved = run_until(current, until);
	}
	PG_FINALLY();
	{
		current->driving = false;
	}
	PG_END_TRY();
	return moved;
}

/* run(until timestamptz): NULL drives until idle. */
Datum
ow_test_run(PG_FUNCTION_ARGS)
{
	OwTestKit  *current = ow_test_kit_required();

	PG_RETURN_INT32(drive(current, PG_ARGISNULL(0) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(0), "workflow_test.run()"));
}

/* advance(by interval): moves the clock and drives what falls due on the way. */
Datum
ow_test_advance(PG_FUNCTION_ARGS)
{
	OwTestKit  *current = ow_test_kit_required();
	TimestampTz until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
																TimestampTzGetDatum(ow_clock_now()), PG_GETARG_DATUM(0)));

	if (until < ow_clock_now())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the test's clock cannot go back")));
	PG_RETURN_INT32(drive(current, until, "workflow_test.advance()"));
}

/* skip_time(skip boolean): whether run() moves the clock when nothing else is to be done */
Datum
ow_test_skip_time(PG_FUNCTION_ARGS)
{
	ow_test_kit_required()->skips_no_time = !PG_GETARG_BOOL(0);
	PG_RETURN_VOID();
}

Datum
ow_test_now(PG_FUNCTION_ARGS)
{
	(void) ow_test_kit_required();
	PG_RETURN_TIMESTAMPTZ(ow_clock_now());
}
