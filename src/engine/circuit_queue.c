/*
 * circuit_queue.c
 *		Taking tasks of programs outside, as far as circuit breakers let them be taken.
 *
 * When a circuit opens, tasks of its activity may be in task queues.  They stay there, and burn no attempt; when it
 * is half-open, one is handed out.  That one is taken in a subtransaction of its own, since somebody else may
 * be quicker: only when it is known which task it is can the circuit be asked whether it may be.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "engine/circuit.h"
#include "engine/circuit_queue.h"
#include "engine/clock.h"
#include "store/catalog.h"
#include "store/epoch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* Who waits while a task is let through looks again after so long: its success wakes only the registered queue. */
#define PROBING_LOOK_MS 1000

/* Does the activity have a breaker still? */
static bool
is_guarded(const char *name)
{
	const OwActivity *activity = ow_catalog_activity(name);

	return activity != NULL && activity->options.circuit_breaker != NULL;
}

/* Those that tasks in queues may have to wait for: of OwOpenCircuit *; NIL nearly always */
static List *
list_circuits(void)
{
	List	   *circuits = ow_breaker_list_open(ow_clock_now());
	ListCell   *cell;

	foreach(cell, circuits)
	{
		const OwOpenCircuit *circuit = lfirst(cell);

		if (!circuit->outside || !is_guarded(circuit->activity))
			circuits = foreach_delete_current(circuits, cell);
	}
	return circuits;
}

static bool
holds_back(List *circuits, const char *activity)
{
	ListCell   *cell;

	foreach(cell, circuits)
	{
		if (strcmp(((OwOpenCircuit *) lfirst(cell))->activity, activity) == 0)
			return true;
	}
	return false;
}

static Datum
text_array(Datum *names, int count)
{
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The names that are given, without those held back */
static Datum
wanted_without(Datum activities, List *circuits)
{
	Datum	   *names;
	bool	   *nulls;
	int			given;
	int			count = 0;

	deconstruct_array(DatumGetArrayTypeP(activities), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &given);
	for (int i = 0; i < given; i++)
	{
		if (!nulls[i] && !holds_back(circuits, TextDatumGetCString(names[i])))
			names[count++] = names[i];
	}
	return text_array(names, count);
}

/* All but those held back */
static Datum
any_without(List *circuits)
{
	Datum	   *names = palloc(sizeof(Datum) * (list_length(circuits) + 1));
	int			count = 0;
	ListCell   *cell;

	names[count++] = CStringGetTextDatum(OW_ALL_BUT_THESE);
	foreach(cell, circuits)
		names[count++] = CStringGetTextDatum(((OwOpenCircuit *) lfirst(cell))->activity);
	return text_array(names, count);
}

static OwTaskRequest
request_without(const OwTaskRequest *request, List *circuits)
{
	OwTaskRequest others = *request;

	others.activities = request->activities == 0 ? any_without(circuits) : wanted_without(request->activities, circuits);
	return others;
}

static bool
is_wanted(const OwTaskRequest *request, const char *activity)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;

	if (request->activities == 0)
		return true;
	deconstruct_array(DatumGetArrayTypeP(request->activities), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i] && strcmp(TextDatumGetCString(names[i]), activity) == 0)
			return true;
	}
	return false;
}

/*
 * One task of the activity; while one is let through already, that one, if it is in a queue again.  False when
 * there is none to ask for.
 */
static bool
request_probe(const OwTaskRequest *request, const OwOpenCircuit *circuit, OwTaskRequest *probe)
{
	Datum		name = CStringGetTextDatum(circuit->activity);

	*probe = *request;
	probe->activities = text_array(&name, 1);
	probe->max_tasks = 1;
	if (circuit->probing)
	{
		pg_uuid_t	task_token;
		Datum		wanted = UUIDPGetDatum(&task_token);

		if (!ow_task_of_branch(&circuit->probe.run_id, circuit->probe.branch, &task_token))
			return false;
		probe->runs = PointerGetDatum(construct_array(&wanted, 1, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	}
	return true;
}

/* ---- taking ---- */

#define BY_VALUE 0
#define VARLENA (-1)

/* How long the values of a taken task are */
static const int value_lengths[] = {
	[POLL_TASK_TOKEN] = UUID_LEN,
	[POLL_WORKFLOW_ID] = VARLENA,
	[POLL_RUN_ID] = UUID_LEN,
	[POLL_ACTIVITY] = VARLENA,
	[POLL_ATTEMPT] = BY_VALUE,
	[POLL_INPUT] = VARLENA,
	[POLL_HEARTBEAT_TIMEOUT] = sizeof(Interval),
	[POLL_HEARTBEAT_DETAILS] = VARLENA,
	[POLL_LAST_FAILURE] = VARLENA,
	[POLL_SCHEDULED_AT] = BY_VALUE,
	[POLL_DEADLINE] = BY_VALUE,
	[POLL_IDEMPOTENCY_KEY] = VARLENA,
	[POLL_COMPENSATES] = VARLENA,
	[POLL_FAIRNESS_KEY] = VARLENA,
	[POLL_HEADERS] = VARLENA
};

StaticAssertDecl(lengthof(value_lengths) == POLL_COLUMNS, "each value of a taken task has a length");

typedef struct Taken
{
	MemoryContext context;
	bool		any;
	Datum		values[POLL_COLUMNS];
	bool		nulls[POLL_COLUMNS];
} Taken;

/* The values are the receiver's for as long as the call lasts. */
static void
keep_task(void *arg, Datum *values, bool *nulls)
{
	Taken	   *taken = arg;
	MemoryContext previous = MemoryContextSwitchTo(taken->context);

	taken->any = true;
	for (int i = 0; i < POLL_COLUMNS; i++)
	{
		taken->nulls[i] = nulls[i];
		if (!nulls[i])
			taken->values[i] = datumCopy(values[i], value_lengths[i] == BY_VALUE, value_lengths[i]);
	}
	MemoryContextSwitchTo(previous);
}

static int
branch_of(const Taken *taken)
{
	OwTaskClaim held;

	ow_epoch_take_back(DatumGetUUIDP(taken->values[POLL_TASK_TOKEN]), &held);
	return ow_task_branch(&held.task_token);
}

static bool
may_be_made(const char *activity, const pg_uuid_t *run_id, int branch)
{
	OwBreaker	breaker = ow_circuit_breaker_of(ow_catalog_activity(activity));
	OwCircuitHolder holder = {.run_id = *run_id, .branch = branch};
	TimestampTz retry_at;
	char	   *error;

	return ow_breaker_may_attempt(&breaker, &holder, ow_clock_now(), &retry_at, &error);
}

/* Takes the one task that tries a half-open circuit; false when there is none, or another was quicker. */
static bool
take_probe(const OwTaskRequest *request, const OwOpenCircuit *circuit, TimestampTz *again_at,
		   OwTaskReceiver receive, void *arg)
{
	OwTaskRequest probe;
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Taken		taken = {.context = context};
	bool		granted;

	if (!request_probe(request, circuit, &probe))
		return false;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	(void) ow_task_take(&probe, keep_task, &taken);
	*again_at = Min(*again_at, probe.again_at);
	granted = taken.any &&
		may_be_made(circuit->activity, DatumGetUUIDP(taken.values[POLL_RUN_ID]), branch_of(&taken));
	if (granted)
	{
		receive(arg, taken.values, taken.nulls);
		ReleaseCurrentSubTransaction();
	}
	else
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return granted;
}

/* When there may be something to take that is held back now */
static TimestampTz
held_until(List *circuits)
{
	TimestampTz now = ow_clock_now();
	TimestampTz until = DT_NOEND;
	ListCell   *cell;

	foreach(cell, circuits)
	{
		const OwOpenCircuit *circuit = lfirst(cell);

		if (circuit->state == OW_CIRCUIT_OPEN)
			until = Min(until, circuit->half_open_at);
		else if (circuit->probing)
			until = Min(until, TimestampTzPlusMilliseconds(now, PROBING_LOOK_MS));
	}
	return until;
}

OwTaskRequest
ow_circuit_request(const OwTaskRequest *request)
{
	List	   *circuits = list_circuits();

	return circuits == NIL ? *request : request_without(request, circuits);
}

int
ow_circuit_take_tasks(OwTaskRequest *request, OwTaskReceiver receive, void *arg)
{
	List	   *circuits = list_circuits();
	OwTaskRequest others;
	ListCell   *cell;
	int			taken;

	if (circuits == NIL)
		return ow_task_take(request, receive, arg);
	others = request_without(request, circuits);
	taken = ow_task_take(&others, receive, arg);
	foreach(cell, circuits)
	{
		const OwOpenCircuit *circuit = lfirst(cell);

		if (circuit->state == OW_CIRCUIT_HALF_OPEN && taken < request->max_tasks &&
			is_wanted(request, circuit->activity))
			taken += take_probe(request, circuit, &others.again_at, receive, arg);
	}
	request->again_at = Min(others.again_at, held_until(list_circuits()));
	return taken;
}

bool
ow_circuit_has_tasks(OwTaskRequest *request)
{
	List	   *circuits = list_circuits();
	OwTaskRequest others;
	TimestampTz again_at;
	ListCell   *cell;

	if (circuits == NIL)
		return ow_task_is_available(request);
	others = request_without(request, circuits);
	if (ow_task_is_available(&others))
		return true;
	again_at = others.again_at;
	foreach(cell, circuits)
	{
		const OwOpenCircuit *circuit = lfirst(cell);

		if (circuit->state != OW_CIRCUIT_HALF_OPEN || !is_wanted(request, circuit->activity) ||
			!request_probe(request, circuit, &others))
			continue;
		if (ow_task_is_available(&others))
			return true;
		again_at = Min(again_at, others.again_at);
	}
	request->again_at = Min(again_at, held_until(circuits));
	return false;
}

bool
ow_circuit_lets_take(const OwTaskInQueue *task, TimestampTz *until)
{
	ListCell   *cell;

	foreach(cell, list_circuits())
	{
		const OwOpenCircuit *circuit = lfirst(cell);

		if (strcmp(circuit->activity, task->activity) != 0)
			continue;
		if (circuit->state == OW_CIRCUIT_OPEN)
		{
			*until = Min(*until, circuit->half_open_at);
			return false;
		}
		return may_be_made(task->activity, &task->run.run_id, task->branch);
	}
	return true;
}
