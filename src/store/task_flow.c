/*
 * task_flow.c
 *		Taking tasks under control: whose turn it is, and who may not have any now.
 *
 * Whoever owns the runs governs its tasks in a queue.  Those who take such tasks lock the owner's row of the queue
 * first, so that they come one after another, and count exactly; all that is counted is in rows, and so is as it
 * was when they roll back.
 *
 * Within a priority, keys share by weight (stride scheduling): each has a pass, its virtual time, that moves on by
 * 1 / weight with each task; the lowest is served next, and who has been away starts where the others are.  A rate is
 * a bucket that holds what comes in within a second, at least one: full_at, when it is full again, is all there
 * is to know of it.
 *
 * How many tasks of a class there are is not known before they are taken.  So what each is to have is settled as if
 * there were enough, then taken; where there were fewer, the rest is given back and settled again.
 */
#include "postgres.h"

#include "engine/clock.h"
#include "store/task_internal.h"
#include "utils/timestamp.h"

static TimestampTz
rate_interval(double rate)
{
	return (TimestampTz) (USECS_PER_SEC / rate);
}

/* When there is a token: not later than now if there is one */
static TimestampTz
next_token_at(double rate, TimestampTz full_at, TimestampTz now)
{
	if (rate == 0 || full_at <= now)
		return DT_NOBEGIN;
	return full_at + rate_interval(rate) - Max(rate_interval(rate), USECS_PER_SEC);
}

/* DT_NOEND: when another task ends */
static TimestampTz
next_slot_at(int max_in_flight, int in_flight)
{
	return max_in_flight > 0 && in_flight >= max_in_flight ? DT_NOEND : DT_NOBEGIN;
}

/* When a task of the class may be taken: not later than now if it may */
static TimestampTz
class_due_at(const OwFlowClass *class, TimestampTz now)
{
	const OwFlow *flow = class->flow;
	const OwFlowKey *key = class->key;
	TimestampTz due_at = Max(flow->paused_until, key->paused_until);

	due_at = Max(due_at, next_token_at(flow->rate, flow->full_at, now));
	due_at = Max(due_at, next_token_at(key->rate, key->full_at, now));
	due_at = Max(due_at, next_slot_at(flow->max_in_flight, flow->in_flight));
	return Max(due_at, next_slot_at(key->max_in_flight, key->in_flight));
}

static double
class_pass(const OwFlowClass *class)
{
	return Max(class->key->pass, class->flow->pass);
}

/* Is it the turn of the one rather than of the other?  Owners share by what they have had in this poll. */
static bool
comes_before(const OwFlowClass *a, const OwFlowClass *b)
{
	double		pass_a = class_pass(a) - a->flow->first_pass;
	double		pass_b = class_pass(b) - b->flow->first_pass;

	return pass_a < pass_b || (pass_a == pass_b && a->oldest_at < b->oldest_at);
}

/* The class that is served next; NULL, and *again_at no later than when one may be */
static OwFlowClass *
choose_class(List *classes, TimestampTz now, TimestampTz *again_at)
{
	OwFlowClass *chosen = NULL;
	ListCell   *cell;

	foreach(cell, classes)
	{
		OwFlowClass *class = lfirst(cell);
		TimestampTz due_at;

		if (class->exhausted)
			continue;
		if (chosen != NULL && class->priority > chosen->priority)
			break;
		due_at = class_due_at(class, now);
		if (due_at > now)
			*again_at = Min(*again_at, due_at);
		else if (chosen == NULL || comes_before(class, chosen))
			chosen = class;
	}
	return chosen;
}

static void
spend(double rate, TimestampTz *full_at, TimestampTz now, int count)
{
	if (rate > 0)
		*full_at = Max(*full_at, now) + count * rate_interval(rate);
}

/* Counts so many tasks; or, if negative, so many less. */
static void
count_tasks(OwFlowClass *class, int count, TimestampTz now)
{
	OwFlow	   *flow = class->flow;
	OwFlowKey  *key = class->key;

	if (count > 0)
	{
		flow->pass = class_pass(class);
		key->pass = flow->pass;
	}
	key->pass += count / key->weight;
	spend(flow->rate, &flow->full_at, now, count);
	spend(key->rate, &key->full_at, now, count);
	flow->in_flight += count;
	key->in_flight += count;
	class->wanted += count;
}

/* Settles how many tasks each class is to have; how many in all. */
static int
settle(List *classes, int max_tasks, TimestampTz now, TimestampTz *again_at)
{
	int			settled = 0;

	while (settled < max_tasks)
	{
		OwFlowClass *class = choose_class(classes, now, again_at);

		if (class == NULL)
			break;
		count_tasks(class, 1, now);
		settled++;
	}
	return settled;
}

/* Gives back what was settled but is not there.  Virtual time is where those are who were served. */
static void
give_back(List *classes, TimestampTz now)
{
	ListCell   *cell;

	foreach(cell, classes)
	{
		OwFlowClass *class = lfirst(cell);

		if (class->wanted > 0)
		{
			class->exhausted = true;
			count_tasks(class, -class->wanted, now);
		}
		class->flow->pass = class->flow->first_pass;
	}
	foreach(cell, classes)
	{
		OwFlowClass *class = lfirst(cell);

		if (class->key->served)
			class->flow->pass = Max(class->flow->pass, class->key->pass - 1 / class->key->weight);
	}
}

/* Takes what is wanted of the classes, with keys or without; class->wanted is then what was not there. */
static int
take_settled(const OwTaskRequest *request, const OwAvailable *available, List *classes, bool keyed, TimestampTz now,
			 OwTaskReceiver receive, void *arg)
{
	uint64		count = ow_flow_find(request, available, classes, keyed, now);
	SPITupleTable *found = SPI_tuptable;

	if (count == 0)
		return 0;
	for (uint64 row = 0; row < count; row++)
	{
		OwFlowClass *class = list_nth(classes, ow_store_int(row, FOUND_COLUMNS + 1));

		class->wanted--;
		class->key->served = true;
	}
	ow_task_hand_over(request, found, (int) count, true, now, receive, arg);
	return (int) count;
}

/* Takes tasks, having locked what governs them. */
static int
take_locked(OwTaskRequest *request, const OwAvailable *available, int max_tasks, OwTaskReceiver receive, void *arg)
{
	TimestampTz now = ow_clock_now();
	List	   *flows;
	List	   *classes;
	bool		everything = false;
	int			taken = 0;
	ListCell   *cell;

	ow_store_open();
	flows = ow_flows_read(request, available, true);
	classes = ow_flow_classes_read(request, available, flows, false);
	while (taken < max_tasks)
	{
		if (settle(classes, max_tasks - taken, now, &request->again_at) == 0)
		{
			if (!request->woken || taken > 0 || everything)
				break;
			/* what it was woken for is not among what is known */
			everything = true;
			flows = ow_flows_read(request, available, true);
			classes = ow_flow_classes_read(request, available, flows, true);
			continue;
		}
		taken += take_settled(request, available, classes, true, now, receive, arg);
		taken += take_settled(request, available, classes, false, now, receive, arg);
		give_back(classes, now);
	}
	if (taken > 0)
	{
		foreach(cell, flows)
			ow_flow_write(request, lfirst(cell), now);
	}
	ow_store_close();
	return taken;
}

/* Could any be taken, of everything or of what is known? */
static bool
look_for(OwTaskRequest *request, const OwAvailable *available, bool everything)
{
	List	   *flows = ow_flows_read(request, available, false);

	return settle(ow_flow_classes_read(request, available, flows, everything), 1, ow_clock_now(), &request->again_at) > 0;
}

static bool
look(OwTaskRequest *request, const OwAvailable *available)
{
	bool		found;

	ow_store_open();
	found = look_for(request, available, false) || (request->woken && look_for(request, available, true));
	ow_store_close();
	return found;
}

/* Whoever takes nothing must not hold locks while it waits: it gives them up with a subtransaction. */
int
ow_task_take_controlled(OwTaskRequest *request, const OwAvailable *available, int max_tasks, OwTaskReceiver receive,
						void *arg)
{
	if (receive == NULL || request->look_first)
	{
		bool		found = look(request, available);

		if (!found || receive == NULL)
			return found ? 1 : 0;
	}
	return ow_task_take_or_let_go(take_locked, request, available, max_tasks, receive, arg);
}
