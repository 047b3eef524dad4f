/*
 * explore.c
 *		How the calls of an explored run end, and what happens to it meanwhile.
 *
 * All chance comes from a generator of the exploration's own, so that a seed means the same on any machine.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/clock.h"
#include "errors.h"
#include "executor/spi.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "test_kit/explore.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* Having failed once, a call fails the next time: retries are to be used up. */
#define AGAIN 0.6

/* While a call takes long, something may happen. */
#define MEANWHILE 0.5

/* Something happens to a run that waits. */
#define WAITING 0.5

static const char *
kind_key(OwDecisionKind kind)
{
	return kind == OW_DECIDE_ACTIVITY ? "activity" : "workflow";
}

static bool
happens(OwExplore *explore, double probability)
{
	return pg_prng_double(&explore->chance) < probability;
}

/* ---- scripts ---- */

static int64
milliseconds(const char *interval)
{
	Interval   *value = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(interval),
															  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));

	return value->time / 1000 + ((int64) value->day + (int64) value->month * DAYS_PER_MONTH) * SECS_PER_DAY * 1000;
}

static void
raise_invalid(const Jsonb *json, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid decision in a script: %s", what),
			 errdetail("The decision is %s.", ow_json_to_cstring(json))));
}

/* Adds a command, by time; those of the same time stay in their order. */
static void
add_command(OwTestKit *kit, TimestampTz at, const char *sql, OwDecision *decision)
{
	OwTestCommand *command = palloc0(sizeof(OwTestCommand));
	int			position = 0;
	ListCell   *cell;

	command->at = at;
	command->sql = pstrdup(sql);
	command->decision = decision;
	foreach(cell, kit->commands)
	{
		if (((OwTestCommand *) lfirst(cell))->at <= at)
			position = foreach_current_index(cell) + 1;
	}
	kit->commands = list_insert_nth(kit->commands, position, command);
}

/* What is to come before the run begins counts as earlier than its start. */
static void
decide_command(OwTestKit *kit, OwDecision *decision)
{
	char	   *at = ow_json_get_string(decision->json, "at");
	char	   *after = ow_json_get_string(decision->json, "after");
	char	   *then = ow_json_get_string(decision->json, "then");
	TimestampTz begin = kit->explore->began_at;
	TimestampTz when = at ? ow_instant_add_ms(begin, milliseconds(at)) : begin - 1;

	add_command(kit, when, ow_json_get_string(decision->json, "command"), decision);
	if (then != NULL)
		add_command(kit, ow_instant_add_ms(Max(when, begin), after ? milliseconds(after) : 0), then, decision);
}

/* A mock from the members that those of mock_activity have */
static OwMock *
make_mock(const char *name, const Jsonb *json)
{
	OwMock	   *mock = palloc0(sizeof(OwMock));
	char	   *duration = ow_json_get_string(json, "duration");
	JsonbValue	flag;

	mock->activity = pstrdup(name);
	mock->result = ow_json_get(json, "result");
	if (mock->result == NULL)
		mock->result = ow_json_empty_object();
	mock->error = ow_json_get_string(json, "error");
	mock->message = ow_json_get_string(json, "message");
	mock->details = ow_json_get(json, "details");
	mock->non_retryable = ow_json_member(json, "non_retryable", &flag) && flag.type == jbvBool && flag.val.boolean;
	mock->left = -1;
	mock->duration_ms = duration ? milliseconds(duration) : 0;
	return mock;
}

/* …and the members of a mock, as one can make it again */
static Jsonb *
describe_mock(const OwMock *mock)
{
	OwObject	object;

	ow_object_begin(&object);
	if (mock->error == NULL)
		ow_object_add(&object, "result", mock->result ? mock->result : ow_json_null());
	ow_object_add_text(&object, "error", mock->error);
	ow_object_add_text(&object, "message", mock->message);
	ow_object_add(&object, "details", mock->details);
	if (mock->non_retryable)
		ow_object_add_bool(&object, "non_retryable", true);
	if (mock->duration_ms != 0)
		ow_object_add_text(&object, "duration", psprintf("%g s", mock->duration_ms / 1000.0));
	return ow_object_end(&object);
}

static void
decide_call(OwDecision *decision)
{
	JsonbValue	call;
	int64		number = 1;

	decision->name = ow_json_get_string(decision->json, kind_key(decision->kind));
	if (ow_json_member(decision->json, "call", &call) &&
		(call.type != jbvNumeric || !ow_json_value_int64(&call, &number) || number < 1 || number > PG_INT32_MAX))
		raise_invalid(decision->json, "\"call\" must be a number from 1");
	decision->call = (int) number;
	decision->mock = make_mock(decision->name, decision->json);
}

OwDecision *
ow_explore_decide(OwTestKit *kit, const Jsonb *json)
{
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	OwDecision *decision = palloc0(sizeof(OwDecision));

	decision->json = ow_json_copy(json);
	if (ow_json_get_string(json, "activity") != NULL)
		decision->kind = OW_DECIDE_ACTIVITY;
	else if (ow_json_get_string(json, "workflow") != NULL)
		decision->kind = OW_DECIDE_WORKFLOW;
	else if (ow_json_get_string(json, "command") != NULL)
		decision->kind = OW_DECIDE_COMMAND;
	else
		raise_invalid(json, "it has neither \"activity\" nor \"workflow\" nor \"command\"");
	if (decision->kind == OW_DECIDE_COMMAND)
		decide_command(kit, decision);
	else
		decide_call(decision);
	kit->explore->decisions = lappend(kit->explore->decisions, decision);
	MemoryContextSwitchTo(previous);
	return decision;
}

/* ---- chance ---- */

static bool
may_draw(const OwExplore *explore)
{
	return explore->menu != NULL && explore->drawn < OW_EXPLORE_MAX_DRAWN;
}

/* One of an array's elements; NULL when there is none */
static Jsonb *
draw_one(OwExplore *explore, const Jsonb *array)
{
	JsonbValue	value;
	JsonbValue *elements;
	int			count;

	if (array == NULL)
		return NULL;
	ow_json_as_value(array, &value);
	elements = ow_json_elements(&value, &count);
	if (count == 0)
		return NULL;
	return ow_json_from_value(&elements[pg_prng_uint64_range(&explore->chance, 0, count - 1)]);
}

/* A time within a span, in whole seconds if it is long enough */
static int64
draw_ms(OwExplore *explore, int64 span_ms)
{
	if (span_ms >= 2000)
		return (int64) pg_prng_uint64_range(&explore->chance, 0, span_ms / 1000 - 1) * 1000 + 1000;
	return (int64) pg_prng_uint64_range(&explore->chance, 0, Max(span_ms, 1) - 1);
}

static bool
draw_command(OwTestKit *kit, TimestampTz at)
{
	OwExplore  *explore = kit->explore;
	Jsonb	   *command = draw_one(explore, ow_json_get(explore->menu, "commands"));
	int64		ms = (at - explore->began_at) / 1000;

	if (command == NULL)
		return false;
	if (at >= explore->began_at)
		command = ow_json_with_member(command, "at", ow_json_text(ms % 1000 == 0 ? psprintf(INT64_FORMAT " s", ms / 1000)
																  : psprintf(INT64_FORMAT " ms", ms)));
	explore->drawn++;
	(void) ow_explore_decide(kit, command);
	return true;
}

void
ow_explore_begins(OwTestKit *kit)
{
	if (may_draw(kit->explore) && happens(kit->explore, kit->explore->rate / 2))
		(void) draw_command(kit, kit->explore->began_at - 1);
}

bool
ow_explore_idles(OwTestKit *kit, TimestampTz next)
{
	static const int64 spans_ms[] = {1, 10 * 1000, 3600 * 1000, 3 * 86400 * INT64CONST(1000)};
	OwExplore  *explore = kit->explore;
	TimestampTz now = ow_clock_now();
	int64		span_ms;

	if (!may_draw(explore) || !happens(explore, WAITING))
		return false;
	span_ms = spans_ms[pg_prng_uint64_range(&explore->chance, 0, lengthof(spans_ms) - 1)];
	if (next != DT_NOEND)
		span_ms = Min(span_ms, (next - now) / 1000);
	return draw_command(kit, ow_instant_add_ms(now, draw_ms(explore, span_ms)));
}

static OwExploredCalls *
calls_of(OwTestKit *kit, OwDecisionKind kind, const char *name)
{
	OwExploredCalls *calls;
	ListCell   *cell;

	foreach(cell, kit->explore->calls)
	{
		calls = lfirst(cell);
		if (calls->kind == kind && strcmp(calls->name, name) == 0)
			return calls;
	}
	calls = palloc0(sizeof(OwExploredCalls));
	calls->kind = kind;
	calls->name = pstrdup(name);
	kit->explore->calls = lappend(kit->explore->calls, calls);
	return calls;
}

static OwDecision *
find_decision(OwTestKit *kit, const OwExploredCalls *calls)
{
	ListCell   *cell;

	foreach(cell, kit->explore->decisions)
	{
		OwDecision *decision = lfirst(cell);

		if (decision->kind == calls->kind && decision->call == calls->calls && strcmp(decision->name, calls->name) == 0)
			return decision;
	}
	return NULL;
}

/* What may become of a call: as the menu says of this one, else of any */
static Jsonb *
outcomes_of(const OwExplore *explore, const OwExploredCalls *calls)
{
	Jsonb	   *menu = ow_json_get(explore->menu, calls->kind == OW_DECIDE_ACTIVITY ? "activities" : "workflows");
	Jsonb	   *outcomes = menu ? ow_json_get(menu, calls->name) : NULL;

	return outcomes ? outcomes : menu ? ow_json_get(menu, "") : NULL;
}

static OwDecision *
draw_outcome(OwTestKit *kit, OwExploredCalls *calls)
{
	OwExplore  *explore = kit->explore;
	Jsonb	   *outcome = NULL;
	OwDecision *decision;

	if (!may_draw(explore))
		return NULL;
	if (calls->last != NULL && happens(explore, AGAIN))
		outcome = calls->last;
	else if (happens(explore, explore->rate))
		outcome = draw_one(explore, outcomes_of(explore, calls));
	if (outcome == NULL)
		return NULL;
	explore->drawn++;
	calls->last = ow_json_copy(outcome);
	outcome = ow_json_with_member(outcome, kind_key(calls->kind), ow_json_text(calls->name));
	outcome = ow_json_with_member(outcome, "call", ow_json_int(calls->calls));
	decision = ow_explore_decide(kit, outcome);
	if (decision->mock->duration_ms > 0 && may_draw(explore) && happens(explore, MEANWHILE))
		(void) draw_command(kit, ow_instant_add_ms(ow_clock_now(), draw_ms(explore, decision->mock->duration_ms)));
	return decision;
}

static void
note_answer(OwTestKit *kit, OwDecisionKind kind, const char *name, const OwMock *mock)
{
	OwExploredAnswer *answer = palloc(sizeof(OwExploredAnswer));

	answer->kind = kind;
	answer->name = pstrdup(name);
	answer->answer = describe_mock(mock);
	kit->explore->answers = lappend(kit->explore->answers, answer);
}

OwMock *
ow_explore_mock(OwTestKit *kit, OwDecisionKind kind, const char *name, OwMock *own)
{
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	OwExplore  *explore = kit->explore;
	OwExploredCalls *calls = calls_of(kit, kind, name);
	OwDecision *decision;
	OwMock	   *mock = own;

	calls->calls++;
	decision = find_decision(kit, calls);
	if (decision == NULL)
		decision = draw_outcome(kit, calls);
	if (decision != NULL)
	{
		decision->used = true;
		mock = decision->mock;
	}
	else if (mock == NULL && kind == OW_DECIDE_ACTIVITY)
	{
		if (explore->success == NULL)
			explore->success = make_mock("", ow_json_empty_object());
		mock = explore->success;
	}
	if (mock != NULL)
		note_answer(kit, kind, name, mock);
	MemoryContextSwitchTo(previous);
	return mock;
}

/* ---- commands ---- */

/* Errors of our own class say that the run is over, not stuck, or not there: nothing has happened then. */
static bool
is_too_late(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_OW_EXECUTION_NOT_FOUND);
}

void
ow_explore_execute(OwDecision *decision, const char *sql)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		SPI_connect();
		SPI_execute(sql, false, 0);
		SPI_finish();
		ReleaseCurrentSubTransaction();
		decision->used = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (!is_too_late(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

bool
ow_explore_is_over(OwExplore *explore)
{
	explore->stopped |= ++explore->steps > explore->max_steps || ow_clock_now() > explore->until;
	return explore->stopped;
}
