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
#include "machine/instant.h"
#include "machine/json.h"
#include "test_kit/explore.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* While a call takes long, something may happen. */
#define MEANWHILE 0.5

/* Something happens to a run that waits. */
#define WAITING 0.5

static bool
happens(OwExplore *explore, double probability)
{
	return pg_prng_double(&explore->chance) < probability;
}

/* ---- scripts ---- */

static void
raise_invalid(const Jsonb *json, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid decision in a script: %s", what),
			 errdetail("The decision is %s.", ow_json_to_cstring(json))));
}

static void
add_command(OwTestKit *kit, TimestampTz at, const char *sql, OwDecision *decision)
{
	OwTestCommand command = {.at = at, .sql = (char *) sql, .decision = decision};

	ow_test_add_command(kit, &command);
}

/* What is to come before the run begins counts as earlier than its start. */
static void
decide_command(OwTestKit *kit, OwDecision *decision)
{
	int64		at = ow_mock_read_interval(decision->json, "at", OW_UNSET);
	char	   *then = ow_json_get_string(decision->json, "then");
	TimestampTz begin = kit->explore->began_at;
	TimestampTz when = at == OW_UNSET ? begin - 1 : ow_instant_add_ms(begin, at);

	add_command(kit, when, ow_json_get_string(decision->json, "command"), decision);
	if (then != NULL)
		add_command(kit, ow_instant_add_ms(Max(when, begin), ow_mock_read_interval(decision->json, "after", 0)), then, decision);
}

/* A mock from the members that answers have; without any, success */
static OwMock *
make_mock(OwMockKind kind, const char *name, const Jsonb *json)
{
	OwMock	   *mock = palloc0(sizeof(OwMock));
	OwMockAnswer *answer = palloc0(sizeof(OwMockAnswer));

	ow_mock_read_answer(json, answer);
	if (answer->result == NULL)
		answer->result = ow_json_empty_object();
	mock->kind = kind;
	mock->match.name = pstrdup(name);
	mock->answers = 1;
	mock->answer = answer;
	mock->left = -1;
	return mock;
}

static char *
seconds(int64 ms)
{
	return psprintf("%g s", ms / 1000.0);
}

/* What a mock answers this time, with the members that make it again */
static Jsonb *
describe_answer(const OwMock *mock)
{
	const OwMockAnswer *answer = ow_mock_next_answer(mock);
	OwObject	object;

	ow_object_begin(&object);
	if (answer->error == NULL && answer->compute == NULL && !answer->never)
		ow_object_add(&object, "result", answer->result ? answer->result : ow_json_null());
	ow_object_add_text(&object, "error", answer->error);
	ow_object_add_text(&object, "message", answer->message);
	ow_object_add(&object, "details", answer->details);
	ow_object_add_text(&object, "compute", answer->compute);
	ow_object_add(&object, "heartbeat", answer->heartbeat);
	if (answer->never)
		ow_object_add_bool(&object, "never", true);
	if (answer->non_retryable)
		ow_object_add_bool(&object, "non_retryable", true);
	if (answer->duration_ms != 0)
		ow_object_add_text(&object, "duration", seconds(answer->duration_ms));
	if (answer->next_retry_delay_ms != OW_UNSET)
		ow_object_add_text(&object, "next_retry_delay", seconds(answer->next_retry_delay_ms));
	return ow_object_end(&object);
}

static void
decide_call(OwTestKit *kit, OwDecision *decision, OwMockKind kind, const char *name)
{
	JsonbValue	call;
	int64		number = 1;

	if (ow_json_member(decision->json, "call", &call) &&
		(call.type != jbvNumeric || !ow_json_value_int64(&call, &number) || number < 1 || number > PG_INT32_MAX))
		raise_invalid(decision->json, "\"call\" must be a number from 1");
	decision->call = (int) number;
	decision->mock = make_mock(kind, name, decision->json);
	kit->takes_time |= ow_mock_takes_time(decision->mock);
}

OwDecision *
ow_explore_decide(OwTestKit *kit, const Jsonb *json)
{
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	OwDecision *decision = palloc0(sizeof(OwDecision));
	char	   *activity = ow_json_get_string(json, "activity");
	char	   *workflow = ow_json_get_string(json, "workflow");

	decision->json = ow_json_copy(json);
	if (activity != NULL)
		decide_call(kit, decision, OW_MOCK_ACTIVITY, activity);
	else if (workflow != NULL)
		decide_call(kit, decision, OW_MOCK_WORKFLOW, workflow);
	else if (ow_json_get_string(json, "command") != NULL)
		decide_command(kit, decision);
	else
		raise_invalid(json, "it has neither \"activity\" nor \"workflow\" nor \"command\"");
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

/* What is to come before the run begins counts as earlier than its start: see decide_command. */
void
ow_explore_begins(OwTestKit *kit)
{
	OwExplore  *explore = kit->explore;

	if (may_draw(explore) && happens(explore, explore->rate / 2))
		(void) draw_command(kit, explore->began_at - 1);
	while (ow_test_next_command(kit) < explore->began_at)
		(void) ow_test_execute_due(kit);
}

bool
ow_explore_idles(OwTestKit *kit, TimestampTz next)
{
	static const int64 spans_ms[] = {1, 10 * 1000, 3600 * 1000, 3 * 86400 * INT64CONST(1000)};
	OwExplore  *explore = kit->explore;
	TimestampTz now = ow_clock_now();
	int64		span_ms;

	if (explore->stopped || !may_draw(explore) || !happens(explore, WAITING))
		return false;
	span_ms = spans_ms[pg_prng_uint64_range(&explore->chance, 0, lengthof(spans_ms) - 1)];
	if (next != DT_NOEND)
		span_ms = Min(span_ms, (next - now) / 1000);
	return draw_command(kit, ow_instant_add_ms(now, draw_ms(explore, span_ms)));
}

static OwExploredCalls *
calls_of(OwTestKit *kit, const OwMockedCall *call)
{
	OwExploredCalls *calls;
	ListCell   *cell;

	foreach(cell, kit->explore->calls)
	{
		calls = lfirst(cell);
		if (calls->kind == call->kind && strcmp(calls->name, call->name) == 0)
			return calls;
	}
	calls = palloc0(sizeof(OwExploredCalls));
	calls->kind = call->kind;
	calls->name = pstrdup(call->name);
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

		if (decision->mock != NULL && decision->mock->kind == calls->kind && decision->call == calls->calls &&
			strcmp(decision->mock->match.name, calls->name) == 0)
			return decision;
	}
	return NULL;
}

/* What may become of a call: as the menu says of this one, else of any */
static Jsonb *
outcomes_of(const OwExplore *explore, const OwExploredCalls *calls)
{
	Jsonb	   *menu = ow_json_get(explore->menu, calls->kind == OW_MOCK_ACTIVITY ? "activities" : "workflows");
	Jsonb	   *outcomes = menu ? ow_json_get(menu, calls->name) : NULL;

	return outcomes ? outcomes : menu ? ow_json_get(menu, "") : NULL;
}

static OwDecision *
draw_outcome(OwTestKit *kit, OwExploredCalls *calls)
{
	OwExplore  *explore = kit->explore;
	Jsonb	   *outcome = NULL;
	OwDecision *decision;
	int64		duration_ms;

	if (!may_draw(explore))
		return NULL;
	if (calls->last != NULL && happens(explore, explore->again))
		outcome = calls->last;
	else if (happens(explore, explore->rate))
		outcome = draw_one(explore, outcomes_of(explore, calls));
	if (outcome == NULL)
		return NULL;
	explore->drawn++;
	calls->last = ow_json_copy(outcome);
	outcome = ow_json_with_member(outcome, ow_mock_kind_name(calls->kind), ow_json_text(calls->name));
	outcome = ow_json_with_member(outcome, "call", ow_json_int(calls->calls));
	decision = ow_explore_decide(kit, outcome);
	duration_ms = decision->mock->answer->duration_ms;
	if (duration_ms > 0 && may_draw(explore) && happens(explore, MEANWHILE))
		(void) draw_command(kit, ow_instant_add_ms(ow_clock_now(), draw_ms(explore, duration_ms)));
	return decision;
}

static void
note_answer(OwTestKit *kit, const OwExploredCalls *calls, const OwMock *mock)
{
	OwExploredAnswer *answer = palloc(sizeof(OwExploredAnswer));

	answer->kind = calls->kind;
	answer->name = calls->name;
	answer->answer = describe_answer(mock);
	kit->explore->answers = lappend(kit->explore->answers, answer);
}

OwMock *
ow_explore_mock(OwTestKit *kit, const OwMockedCall *call, OwMock *own)
{
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	OwExploredCalls *calls = calls_of(kit, call);
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
	else if (mock == NULL && call->kind == OW_MOCK_ACTIVITY)
		mock = make_mock(call->kind, call->name, ow_json_empty_object());
	if (mock != NULL)
		note_answer(kit, calls, mock);
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
ow_explore_execute(const OwTestCommand *command)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		ow_test_execute(command);
		ReleaseCurrentSubTransaction();
		command->decision->used = true;
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
