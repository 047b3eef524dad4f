/*
 * plan.c
 *		Which pools get an executor: part of the launcher.
 *
 * Each pool with work gets one, those that have waited longest first; if then there is room, pools
 * with more work than their executors keep up with, or with all of them in long activities, get
 * another.  When all executors of the server are
 * in use and a pool waits, one of them is asked to yield: an idle one, else one of a pool that has
 * several, else the one that is longest at it, once its quantum is over.  One in a long activity is
 * asked last, as it cannot leave soon.
 *
 * A pool whose role cannot log in as things are is parked, with a reason that views show.  It is
 * looked at again when work comes for it (at most once a second), at a reload, and once a minute.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "worker/launcher.h"
#include "worker/pool.h"
#include "worker/scanner.h"
#include "worker/slot.h"

#define PARKED_RETRY_MS 60000
#define PARKED_NEWS_MS 1000
#define NO_SLOT_RETRY_MS 1000
#define OVERFLOW_SOON_MS 10000
/* As postgres marks databases whose DROP was interrupted */
#define CONNECTION_LIMIT_INVALID (-2)

/* Who is asked to yield first: the highest */
#define RANK_NOT_NOW 0
#define RANK_LONG_ACTIVITY 1
#define RANK_QUANTUM_OVER 2
#define RANK_ONE_OF_SEVERAL 3
#define RANK_IDLE 4

/* One turn */
typedef struct Plan
{
	TimestampTz now;
	TimestampTz wake_at;
	int			n_views;
	int			executors;		/* in use, not asked to leave */
	int			leaving;		/* asked to, not yet gone */
	int			leaving_soon;	/* of them, those not in a long activity */
	int			waiting;		/* pools without one that could start it, were there room */
	int			behind;			/* pools that could start another one, were there room */
} Plan;

static OwPoolView *views;		/* room for all pools */

static void count_executors(Plan *plan);
static void serve_pool(Plan *plan, const OwPoolView *view);
static TimestampTz may_try_at(Plan *plan, const OwPoolView *view);
static void serve_pool_behind(Plan *plan, const OwPoolView *view);
static void start_executor(Plan *plan, const OwPoolView *view);
static bool check_pool(Plan *plan, const OwPoolView *view);
static const char *find_obstacle(Oid database, Oid role, bool *gone);
static const char *find_role_obstacle(Oid role);
static const char *find_connect_obstacle(Oid database, Oid role);
static void make_room(Plan *plan);
static void want_room(Plan *plan);
static bool lacks_pool(Plan *plan);
static void ask_to_yield(Plan *plan, int slot);
static int	choose_to_yield(Plan *plan, bool at_once, int *best_rank);
static int	rank_to_yield(Plan *plan, OwSlot *slot, bool at_once);
static int	compare_waiting(const void *a, const void *b);

void
ow_plan_init(void)
{
	views = MemoryContextAlloc(TopMemoryContext, sizeof(OwPoolView) * ow_shared->n_pools);
}

/*
 * Starts executors, asks some to leave, and tells when to look again.
 */
void
ow_plan_turn(TimestampTz now, TimestampTz *wake_at)
{
	Plan		plan = {.now = now, .wake_at = *wake_at};

	plan.n_views = ow_pool_view_all(views);
	count_executors(&plan);
	qsort(views, plan.n_views, sizeof(OwPoolView), compare_waiting);

	if (ow_enabled)
	{
		for (int i = 0; i < plan.n_views; i++)
			serve_pool(&plan, &views[i]);
		for (int i = 0; i < plan.n_views && plan.waiting == 0; i++)
			serve_pool_behind(&plan, &views[i]);
	}
	make_room(&plan);
	want_room(&plan);
	*wake_at = plan.wake_at;
}

/*
 * Has executors that go to sleep tell, while somebody waits for their place.  One may have done so
 * just before it could know: look again at once.
 */
static void
want_room(Plan *plan)
{
	bool		wanted = plan->waiting + plan->behind > 0;

	if (wanted && !ow_shared->room_wanted)
		plan->wake_at = plan->now;
	ow_shared->room_wanted = wanted;
	pg_memory_barrier();
}

static void
count_executors(Plan *plan)
{
	for (int i = 0; i < ow_shared->n_slots; i++)
	{
		OwSlot	   *slot = &ow_shared_slots[i];

		if (slot->kind != OW_SLOT_EXECUTOR || !ow_slot_is_used(slot))
			continue;
		if (slot->state == OW_SLOT_LEAVING || pg_atomic_read_u32(&slot->asked) != 0)
		{
			plan->leaving++;
			if (pg_atomic_read_u32(&slot->is_long) == 0)
				plan->leaving_soon++;
		}
		else
			plan->executors++;
	}
}

/*
 * Sees to a pool that has no executor.
 */
static void
serve_pool(Plan *plan, const OwPoolView *view)
{
	TimestampTz try_at;

	if (view->executors > 0)
		return;
	if (!view->work)
	{
		plan->wake_at = Min(plan->wake_at, view->next_due);
		return;
	}

	try_at = may_try_at(plan, view);
	if (try_at > plan->now)
	{
		plan->wake_at = Min(plan->wake_at, try_at);
		return;
	}
	if (ow_scanner_has_suspects(view->database))
		return;					/* to be charged first; the scanner's end wakes us */
	if (view->waiting_since == 0)
		ow_pool_note_waiting(view->database, view->role, plan->now);
	if (plan->executors + plan->leaving >= ow_max_workers)
		plan->waiting++;
	else if (check_pool(plan, view))
		start_executor(plan, view);
}

/*
 * Tells when a start may be tried.
 */
static TimestampTz
may_try_at(Plan *plan, const OwPoolView *view)
{
	/* It was parked for something only another look into the tables can change */
	if (view->retry_at == DT_NOEND)
		return DT_NOEND;
	if (view->parked_at != 0 && view->told)
		return Min(view->retry_at, TimestampTzPlusMilliseconds(view->parked_at, PARKED_NEWS_MS));
	return view->retry_at;
}

/*
 * Gives a pool that does not keep up another executor, if all others have theirs.
 */
static void
serve_pool_behind(Plan *plan, const OwPoolView *view)
{
	if (view->executors == 0 || view->idle > 0)
		return;
	if (!view->behind)
	{
		/* Nobody else has an eye on its timers */
		if (view->all_long)
			plan->wake_at = Min(plan->wake_at, view->next_due);
		return;
	}
	if (view->retry_at > plan->now)
		plan->wake_at = Min(plan->wake_at, view->retry_at);
	else if (plan->executors + plan->leaving >= ow_max_workers)
		plan->behind++;
	else if (check_pool(plan, view))
		start_executor(plan, view);
}

static void
start_executor(Plan *plan, const OwPoolView *view)
{
	if (ow_start_executor(view->database, view->role, view->index))
		plan->executors++;
	else
		plan->wake_at = Min(plan->wake_at,
							TimestampTzPlusMilliseconds(plan->now, NO_SLOT_RETRY_MS));
}

/*
 * Tells whether an executor of the pool could log in; parks the pool if not.
 */
static bool
check_pool(Plan *plan, const OwPoolView *view)
{
	const char *obstacle;
	TimestampTz retry_at;
	bool		gone = false;

	/* From here on, what comes is news */
	ow_pool_clear_told(view->database, view->role);

	StartTransactionCommand();
	/* Who mended a role has woken us at its commit, which is just before it invalidates caches. */
	if (view->parked_at != 0)
		InvalidateSystemCaches();
	obstacle = find_obstacle(view->database, view->role, &gone);
	if (gone)
		ow_pool_forget_database(view->database);
	else if (obstacle != NULL)
	{
		retry_at = TimestampTzPlusMilliseconds(plan->now, PARKED_RETRY_MS);
		ow_pool_park(view->database, view->role, retry_at, obstacle);
		plan->wake_at = Min(plan->wake_at, retry_at);
	}
	CommitTransactionCommand();
	return obstacle == NULL;
}

/*
 * Finds what would keep an executor from logging in; NULL: nothing.
 */
static const char *
find_obstacle(Oid database, Oid role, bool *gone)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	Form_pg_database form;
	const char *obstacle = NULL;

	if (!HeapTupleIsValid(tuple))
	{
		*gone = true;
		return "the database does not exist";
	}
	form = (Form_pg_database) GETSTRUCT(tuple);
	if (!form->datallowconn || form->datconnlimit == CONNECTION_LIMIT_INVALID)
		obstacle = psprintf("database \"%s\" does not accept connections", NameStr(form->datname));
	ReleaseSysCache(tuple);

	if (obstacle == NULL)
		obstacle = find_role_obstacle(role);
	if (obstacle == NULL)
		obstacle = find_connect_obstacle(database, role);
	return obstacle;
}

static const char *
find_role_obstacle(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	const char *obstacle = NULL;

	if (!HeapTupleIsValid(tuple))
		return psprintf("role %u does not exist", role);
	if (!((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin)
		obstacle = psprintf("role \"%s\" is not permitted to log in",
							NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname));
	ReleaseSysCache(tuple);
	return obstacle;
}

static const char *
find_connect_obstacle(Oid database, Oid role)
{
	if (pg_database_aclcheck(database, role, ACL_CONNECT) == ACLCHECK_OK)
		return NULL;
	return psprintf("role \"%s\" has no CONNECT privilege on the database",
					GetUserNameFromId(role, false));
}

/*
 * Asks executors to leave: for pools that wait, and when there are more than there may be.  For pools
 * that could do with another one, only idle ones; for work that found no pool, all idle ones, as
 * theirs can then be given up.
 */
static void
make_room(Plan *plan)
{
	bool		too_many = plan->executors > ow_max_workers;
	int			wanted = too_many ? plan->executors - ow_max_workers : plan->waiting - plan->leaving_soon;
	int			wanted_idle = lacks_pool(plan) ? plan->executors :
		plan->waiting + plan->behind - plan->leaving_soon;

	while (wanted > 0 || wanted_idle > 0)
	{
		int			rank;
		int			slot = choose_to_yield(plan, too_many, &rank);

		if (slot == OW_NONE || (wanted <= 0 && rank != RANK_IDLE))
			break;
		ask_to_yield(plan, slot);
		wanted--;
		wanted_idle--;
	}
}

/*
 * Tells whether work waits for a pool.
 */
static bool
lacks_pool(Plan *plan)
{
	TimestampTz due = (TimestampTz) pg_atomic_read_u64(&ow_shared->overflow_due);

	return due <= TimestampTzPlusMilliseconds(plan->now, OVERFLOW_SOON_MS);
}

static void
ask_to_yield(Plan *plan, int slot)
{
	ow_slot_ask(slot, OW_ASK_YIELD);
	for (int i = 0; i < plan->n_views; i++)
	{
		if (views[i].index == ow_shared_slots[slot].pool)
			views[i].executors--;
	}
}

/*
 * Chooses an executor, and notes when one will be over its quantum if none is yet.
 */
static int
choose_to_yield(Plan *plan, bool at_once, int *best_rank)
{
	int			best = OW_NONE;

	*best_rank = RANK_NOT_NOW;
	for (int i = 0; i < ow_shared->n_slots; i++)
	{
		OwSlot	   *slot = &ow_shared_slots[i];
		int			rank = rank_to_yield(plan, slot, at_once);

		if (rank > *best_rank ||
			(best != OW_NONE && rank == *best_rank &&
			 slot->started_at < ow_shared_slots[best].started_at))
		{
			best = i;
			*best_rank = rank;
		}
	}
	return best;
}

/*
 * Tells how willingly an executor is asked to yield.
 */
static int
rank_to_yield(Plan *plan, OwSlot *slot, bool at_once)
{
	TimestampTz quantum_end;

	if (slot->kind != OW_SLOT_EXECUTOR || slot->state != OW_SLOT_RUNNING ||
		pg_atomic_read_u32(&slot->asked) != 0)
		return RANK_NOT_NOW;
	if (slot->rest == OW_REST_IDLE)
		return RANK_IDLE;
	for (int i = 0; i < plan->n_views && pg_atomic_read_u32(&slot->is_long) == 0; i++)
	{
		if (views[i].index == slot->pool && views[i].executors > 1)
			return RANK_ONE_OF_SEVERAL;
	}
	quantum_end = TimestampTzPlusMilliseconds(slot->started_at, ow_quantum_ms);
	if (at_once || quantum_end <= plan->now)
		return pg_atomic_read_u32(&slot->is_long) == 0 ? RANK_QUANTUM_OVER : RANK_LONG_ACTIVITY;
	plan->wake_at = Min(plan->wake_at, quantum_end);
	return RANK_NOT_NOW;
}

/*
 * Orders pools by how long they have waited; those that do not wait come last.
 */
static int
compare_waiting(const void *a, const void *b)
{
	TimestampTz since_a = ((const OwPoolView *) a)->waiting_since;
	TimestampTz since_b = ((const OwPoolView *) b)->waiting_since;

	if (since_a == 0)
		since_a = DT_NOEND;
	if (since_b == 0)
		since_b = DT_NOEND;
	return since_a < since_b ? -1 : since_a > since_b ? 1 : 0;
}
