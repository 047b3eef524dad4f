/*
 * batch.c
 *		A batch of runs: load, drive each, flush, commit.
 *
 *		drive_shared	one transaction for many runs -> done, left over (no room, no time), alone
 *		drive_alone		one transaction for one run: waits for locks as anybody does
 *		leave_stuck		one transaction that only records why a run cannot be driven
 *
 * If a shared transaction fails as a whole, nothing of it happened, and its runs are driven alone.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/activity.h"
#include "engine/batch.h"
#include "engine/chain.h"
#include "engine/engine.h"
#include "engine/event_log.h"
#include "engine/guard.h"
#include "engine/observe.h"
#include "engine/request.h"
#include "engine/schedule.h"
#include "miscadmin.h"
#include "settings.h"
#include "storage/ipc.h"
#include "store/store.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/executor.h"
#include "worker/pool.h"

/* Refs still to do; lives in the caller's context, across the transactions of a batch */
typedef struct RefList
{
	OwRunRef   *refs;
	int			count;
	bool		dangerous;		/* some have crashed the server */
} RefList;

static void
add_ref(RefList *list, const OwRunRef *ref)
{
	list->refs[list->count++] = *ref;
}

static bool
has_something_to_write(const OwLoadedRun *loaded, bool was_ready)
{
	int			branch;

	return loaded->events != NIL || loaded->messages != NIL || loaded->ready != was_ready ||
		loaded->due_leases != NIL || ow_run_next_timer(&loaded->run, &branch) != loaded->stored_due_at;
}

static void
flush(List *runs)
{
	if (runs == NIL)
		return;
	ow_store_open();
	ow_run_flush(runs);
	ow_store_close();
	ow_observe_runs(runs);
	ow_event_log_runs(runs);
}

/* Of runs, as workflow.start takes them */
#define DEFAULT_PRIORITY 3
#define LOWEST_PRIORITY 5

/*
 * A run that crashed the server shares no transaction.  And it goes first: so it is found out before
 * the next of its kind gets to crash the server as well.
 */
static bool
is_too_dangerous(const OwLoadedRun *loaded, bool shared)
{
	return shared && loaded->crashes > 0;
}

static bool
any_too_dangerous(List *runs, bool shared)
{
	ListCell   *cell;

	foreach(cell, runs)
	{
		if (is_too_dangerous(lfirst(cell), shared))
			return true;
	}
	return false;
}

/* The failure of a run that crashed the server too often; NULL when it may run */
static const OwFailure *
crash_failure(const OwLoadedRun *loaded)
{
	OwFailure  *failure;

	if (loaded->crashes < ow_crash_limit || loaded->run.status == OW_STATUS_STUCK)
		return NULL;
	failure = palloc0(sizeof(OwFailure));
	(void) ow_fail(failure, "OW.ActivityQuarantined",
				   "an activity of this run has crashed the server, or did not stop when it was told to, %d times", loaded->crashes);
	return failure;
}

static bool
has_message(const OwLoadedRun *loaded, OwInputKind kind)
{
	ListCell   *cell;

	foreach(cell, loaded->messages)
	{
		if (((OwMessage *) lfirst(cell))->kind == kind)
			return true;
	}
	return false;
}

/* Ended before anything else is looked at, by whoever may do that: nothing of its owner is run */
static bool
is_terminated_first(const OwLoadedRun *loaded)
{
	return loaded->messages != NIL && ((OwMessage *) linitial(loaded->messages))->kind == OW_INPUT_TERMINATE;
}

static OwChainResult
drive_one(OwLoadedRun *loaded, OwChainOptions *options, const OwFailure *stuck)
{
	ow_run_bind(loaded);
	options->outside = options->outside && !is_terminated_first(loaded);
	options->stuck = stuck;
	if (stuck == NULL && !has_message(loaded, OW_INPUT_RETRY) && !has_message(loaded, OW_INPUT_TERMINATE))
		options->stuck = crash_failure(loaded);
	return ow_chain_drive(loaded, options);
}

/* The lower its priority's number, the sooner a run is driven; of the same one, in the order in which they came. */
static List *
in_order_of_priority(List *runs)
{
	List	   *ordered = NIL;
	bool		any = false;
	ListCell   *cell;

	foreach(cell, runs)
		any |= ((OwLoadedRun *) lfirst(cell))->run.priority != 0;
	if (!any)
		return runs;
	for (int priority = 1; priority <= LOWEST_PRIORITY; priority++)
	{
		foreach(cell, runs)
		{
			int			of_run = ((OwLoadedRun *) lfirst(cell))->run.priority;

			if ((of_run == 0 ? DEFAULT_PRIORITY : of_run) == priority)
				ordered = lappend(ordered, lfirst(cell));
		}
	}
	return ordered;
}

/* Drives the runs in the current transaction.  What was not done is added to left and alone. */
static int
drive_loaded(List *runs, OwChainOptions options, const OwFailure *stuck, OwDriveRest *rest)
{
	bool		shared = options.shared;
	MemoryContext context = options.context;
	List	   *done = NIL;
	ListCell   *cell;
	bool		interfered = false; /* the locks held so far are in somebody's way: commit soon */

	/* loading does not count: what takes long to load would otherwise be loaded the more often */
	TimestampTz stop_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ow_batch_time_ms);

	options.stop_at = DT_NOEND;
	if (IsBackgroundWorker)
		options.stop_at = stop_at;
	rest->dangerous = any_too_dangerous(runs, shared);
	foreach(cell, runs)
	{
		OwLoadedRun *loaded = lfirst(cell);
		bool		was_ready = loaded->ready;
		OwChainResult result;

		CHECK_FOR_INTERRUPTS();
		if (is_too_dangerous(loaded, shared))
		{
			rest->alone = lappend(rest->alone, &loaded->ref);
			continue;
		}
		if (rest->dangerous ||
			(shared && cell != list_head(runs) &&
			 (interfered || !ow_chain_has_room() || !ow_chain_has_memory(context) || GetCurrentTimestamp() >= stop_at)))
		{
			rest->left = lappend(rest->left, &loaded->ref);
			continue;
		}
		result = drive_one(loaded, &options, stuck);
		interfered |= result == OW_CHAIN_ALONE;
		if (result != OW_CHAIN_DONE)
			rest->alone = lappend(rest->alone, &loaded->ref);
		if (result != OW_CHAIN_ALONE && has_something_to_write(loaded, was_ready))
			done = lappend(done, loaded);
	}
	flush(done);
	return list_length(done);
}

/*
 * Drives the refs in the current transaction.  What was not done comes back in left (to be tried again
 * in the next transaction), in alone, and in contended.
 */
static int
drive(const OwRunRef *refs, int count, OwChainOptions options, const OwFailure *stuck, OwDriveRest *rest)
{
	List	   *runs;
	List	   *absent;
	int			moved;

	ow_store_open();
	runs = ow_run_load(refs, count, &rest->contended, &absent, options.context);
	ow_store_close();
	moved = drive_loaded(in_order_of_priority(runs), options, stuck, rest);
	if (absent != NIL)
		ow_requests_deliver(absent, options.shared, stuck, options.context, &rest->alone);
	return moved;
}

int
ow_engine_drive(const OwRunRef *refs, int count, MemoryContext context, OwDriveRest *rest)
{
	memset(rest, 0, sizeof(*rest));
	return drive(refs, count, (OwChainOptions) {.context = context}, NULL, rest);
}

void
ow_engine_drive_outside(const OwRunRef *refs, int count, bool evaluates, MemoryContext context, OwLoadedHook hook,
						void *arg, OwDriveRest *rest)
{
	OwChainOptions options = {.context = context, .outside = true, .evaluates = evaluates};
	List	   *runs;

	memset(rest, 0, sizeof(*rest));
	ow_store_open();
	runs = ow_run_load_waiting(refs, count, context);
	ow_store_close();
	hook(runs, arg);
	(void) drive_loaded(runs, options, NULL, rest);
}

static void
collect(RefList *list, List *refs)
{
	ListCell   *cell;

	foreach(cell, refs)
		add_ref(list, lfirst(cell));
}

/*
 * One transaction over the refs; false when it failed, which has been reported.  The error's text is
 * kept in *reason when asked for.
 */
static bool
drive_transaction(const OwRunRef *refs, int count, bool shared, const OwFailure *stuck,
				  RefList *left, RefList *alone, char **reason)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile bool ok = true;
	OwDriveRest rest = {NIL};

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PG_TRY();
	{
		MemoryContext context = AllocSetContextCreate(TopTransactionContext, "order_workflow batch",
													  ALLOCSET_DEFAULT_SIZES);
		ListCell   *cell;

		MemoryContextSwitchTo(context);
		(void) drive(refs, count, (OwChainOptions) {.context = context, .shared = shared}, stuck, &rest);
		collect(left, rest.left);
		collect(alone, rest.alone);
		alone->dangerous |= rest.dangerous;
		foreach(cell, rest.contended)
			ow_ready_contended(GetSessionUserId(), lfirst(cell));
		ow_observe_batch(count);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		ok = false;
		MemoryContextSwitchTo(caller);
		if (reason != NULL)
			*reason = CopyErrorData()->message;
		EmitErrorReport();
		FlushErrorState();
		ow_activity_reset();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return ok;
}

/* Records why a run cannot be driven, so that an operator sees it. */
static void
leave_stuck(const OwRunRef *ref, const char *reason)
{
	RefList		ignored = {.refs = palloc(sizeof(OwRunRef))};
	OwFailure	failure;

	(void) ow_fail(&failure, "OW.TransactionFailed", "the transaction of this run failed: %s", reason);
	(void) drive_transaction(ref, 1, false, &failure, &ignored, &ignored, NULL);
}

static void
drive_alone(const OwRunRef *ref)
{
	RefList		ignored = {.refs = palloc(sizeof(OwRunRef) * 2)};
	char	   *reason = NULL;

	ow_executor_detain(true);
	if (!drive_transaction(ref, 1, false, NULL, &ignored, &ignored, &reason))
		leave_stuck(ref, reason);
	ow_executor_detain(false);
}

static void
drive_shared(const OwRunRef *refs, int count, RefList *left, RefList *alone)
{
	int			left_before = left->count;
	int			alone_before = alone->count;

	if (drive_transaction(refs, count, true, NULL, left, alone, NULL))
		return;
	left->count = left_before;
	alone->count = alone_before;
	for (int i = 0; i < count; i++)
		add_ref(alone, &refs[i]);
}

/*
 * An activity (or expression) that would not stop ends this process, and would end the next as well.  So it is charged
 * like one that crashes the server: its run is alone from now on, and stuck in the end.  So is one that
 * ends the session it runs in.  Somebody else may have ended it, or the server be shutting down: that
 * takes as many times in a row, without any progress of the run in between, to count.
 */
static void
charge_at_exit(int code, Datum arg)
{
	const OwRun *run;
	const OwActivityCall *call = ow_activity_current(&run);
	OwCrashSuspect suspect = {.database = MyDatabaseId, .owner = GetSessionUserId()};

	if (call == NULL)
		run = ow_chain_evaluating();
	if (run == NULL || (!ow_guard_gave_up() && ow_executor_is_asked_to_leave()))
		return;
	suspect.run.shard_key = run->shard_key;
	suspect.run.run_id = run->run_id;
	if (call != NULL)
		strlcpy(suspect.activity, call->activity->name, sizeof(suspect.activity));
	AbortOutOfAnyTransaction();
	StartTransactionCommand();
	ow_engine_charge_crash(&suspect);
	CommitTransactionCommand();
}

static void
drive_all_alone(RefList *alone)
{
	for (int i = 0; i < alone->count; i++)
		drive_alone(&alone->refs[i]);
	alone->count = 0;
	alone->dangerous = false;
}

void
ow_engine_run_batch(const OwRunRef *refs, int count)
{
	static bool registered = false;
	RefList		todo = {.refs = palloc(sizeof(OwRunRef) * count)};
	RefList		alone = {.refs = palloc(sizeof(OwRunRef) * count)};

	if (!registered)
		before_shmem_exit(charge_at_exit, (Datum) 0);
	registered = true;
	memcpy(todo.refs, refs, sizeof(OwRunRef) * count);
	todo.count = ow_schedules_run(todo.refs, count);
	while (todo.count > 0)
	{
		RefList		left = {.refs = palloc(sizeof(OwRunRef) * todo.count)};

		drive_shared(todo.refs, todo.count, &left, &alone);
		if (alone.dangerous)
			drive_all_alone(&alone);
		todo = left;
	}
	drive_all_alone(&alone);
}
