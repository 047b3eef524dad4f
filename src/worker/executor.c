/*
 * executor.c
 *		The worker that runs one role's workflows in one database, logged in as that role.
 *
 * Started by the launcher with a slot reserved for it.  Each turn of its loop runs what is due and a
 * batch of what is ready; when there is neither, it sleeps on its latch until the pool's next due
 * time.  It leaves after a while without work, when the launcher asks it to because another role
 * waits, when a command wants the database without workers, and when the extension is gone.
 *
 * The engine runs all transactions, and does not raise errors for what a run did.  An error that
 * comes out of it anyway is logged; the runs in hand are found again through the tables, and are
 * tried one at a time, so that one in trouble does not take others with it.
 *
 * Nothing in hand is lost when the process dies: the slot's exit callback sends the pool to the
 * tables.
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "worker/again.h"
#include "worker/crash_map.h"
#include "worker/executor.h"
#include "worker/pool.h"
#include "worker/ring.h"
#include "worker/session.h"
#include "worker/slot.h"

/* Runs fetched in one step of the walk through the tables */
#define SCAN_STEP 512
#define KEPT_MEMORY (16 * 1024 * 1024)
#define MAX_BACKOFF_S 60

/* A batch that takes longer has another executor started when there is more to do */
#define LONG_MS 200
#define GATHER_RUNS 16			/* a batch worth its commit */

typedef enum Permission
{
	MAY_RUN,
	NOT_INSTALLED,
	QUARANTINED
} Permission;

static Oid	my_database;
static Oid	my_role = InvalidOid;
static OwPool *my_pool;
static MemoryContext loop_context;

static OwRunRef batch[OW_MAX_BATCH_SIZE];
static int	n_batch;			/* the runs in hand */
static OwRunRef queue[OW_MAX_BATCH_SIZE * 2];	/* taken over, to be run in later batches */
static int	n_queue;
static int	batch_limit;		/* small for a while after an error */
static TimeoutId long_timeout;
static int	due_page;			/* due timers fetched at once */
static int	failures;			/* errors in a row */
static bool in_trouble = true;	/* views may show an error of ours, or of a failed start */
static TimestampTz idle_since;	/* 0: not idle */

static void start_up(int slot);
static void keep_freed_memory(void);
static void work_until_asked(void);
static bool take_turn(void);
static bool run_queue(void);
static void fetch_due(void);
static bool run_ready(void);
static void refill_ring(void);
static void gather(void);
static void run_batch(void);
static void note_long(void);
static void note_success(void);
static int	remove_duplicates(OwRunRef *refs, int count);
static int	recover(void);
static void put_back(void);
static void back_off(int seconds);
static bool rest(void);
static long rest_ms(TimestampTz now);
static void leave(void) pg_attribute_noreturn();
static Permission ask_permission(void);
static void check_permission(void);

/*
 * Entry point of the process.
 */
void
ow_executor_main(Datum slot)
{
	start_up(DatumGetInt32(slot));
	check_permission();
	work_until_asked();
	leave();
}

bool
ow_executor_is_mine(Oid role)
{
	return OidIsValid(my_role) && my_role == role;
}

void
ow_executor_note_contended(const OwRunRef *run, OwContendedResult result)
{
	ow_again_contended(run, result);
}

bool
ow_executor_is_asked_to_leave(void)
{
	return my_pool != NULL && ow_slot_asked() != 0;
}

void
ow_executor_detain(bool detained)
{
	if (my_pool != NULL)
		ow_ring_detain(my_pool, ow_slot_mine, detained);
}

/*
 * Takes the slot, and logs in as the role.
 */
static void
start_up(int slot)
{
	uint32		generation;

	memcpy(&generation, MyBgworkerEntry->bgw_extra, sizeof(generation));
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGQUIT, ow_crash_map_quickdie);
	BackgroundWorkerUnblockSignals();

	if (!ow_slot_attach(slot, generation))
		proc_exit(0);
	my_database = ow_shared_slots[slot].database;
	my_pool = &ow_shared_pools[ow_shared_slots[slot].pool];
	if (ow_slot_asked() != 0)
		leave();

	ow_session_start(my_database, ow_shared_slots[slot].role, "order_workflow executor");
	my_role = GetSessionUserId();
	ow_slot_note_connected();

	long_timeout = RegisterTimeout(USER_TIMEOUT, note_long);
	keep_freed_memory();
	batch_limit = ow_batch_size;
	loop_context = AllocSetContextCreate(TopMemoryContext, "order_workflow executor loop",
										 ALLOCSET_DEFAULT_SIZES);
}

/*
 * Each transaction allocates and frees a few megabytes.  Giving them back to the system in between
 * would cost more in page faults than much of the work.
 */
static void
keep_freed_memory(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
	(void) mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY);
#endif
}

static void
work_until_asked(void)
{
	while (take_turn())
		;
}

/*
 * Takes one turn of the loop; false when it is time to leave.
 */
static bool
take_turn(void)
{
	volatile bool stay = true;
	volatile int delay_s = 0;

	MemoryContextReset(loop_context);
	MemoryContextSwitchTo(loop_context);
	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
		if (!PostmasterIsAlive())
			proc_exit(1);		/* whoever sleeps learns it there, but there may always be work */
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			check_permission(); /* order_workflow.instance may be another */
		}
		if (ow_slot_asked() != 0 || !ow_enabled)
			stay = false;
		else if (run_queue() | run_ready())
		{
			idle_since = 0;
			(void) pgstat_report_stat(false);
		}
		else
			stay = rest();
	}
	PG_CATCH();
	{
		delay_s = recover();
	}
	PG_END_TRY();

	if (delay_s > 0)
	{
		back_off(delay_s);
		check_permission();
	}
	return stay;
}

/*
 * Runs a batch of what has timers that are due, or is to be tried alone.
 */
static bool
run_queue(void)
{
	if (n_queue == 0)
		fetch_due();
	if (n_queue == 0)
		return false;

	n_batch = Min(Min(batch_limit, ow_batch_size), n_queue);
	memcpy(batch, queue, n_batch * sizeof(OwRunRef));
	n_queue -= n_batch;
	memmove(queue, queue + n_batch, n_queue * sizeof(OwRunRef));
	run_batch();
	return true;
}

/*
 * Fetches a page of due timers' runs.
 *
 * A full page ends with the time that the next one starts from.  If all of it are due at that very
 * time, and cannot be run now, only a larger page gets past them.
 */
static void
fetch_due(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz from = ow_ring_take_due(my_pool, now);
	TimestampTz next_due;

	if (from == DT_NOEND)
		return;

	due_page = Max(due_page, ow_batch_size);
	SetCurrentStatementStartTimestamp();
	n_queue = ow_engine_find_due(my_role, from, now, queue, due_page, &next_due);
	ow_pool_post_due(my_database, my_role, next_due);
	due_page = next_due <= from ? Min(due_page * 2, OW_MAX_BATCH_SIZE) : ow_batch_size;
}

/*
 * Runs a batch of what is ready.
 */
static bool
run_ready(void)
{
	int			limit = Min(batch_limit, ow_batch_size);

	if (ow_again_wants_rescan())
		ow_ring_rescan(my_pool, ow_slot_mine);
	refill_ring();
	if (idle_since == 0)
		gather();

	n_batch = ow_again_take(my_database, my_role, batch, limit);
	n_batch += ow_ring_pop(my_pool, batch + n_batch, limit - n_batch);
	if (n_batch == 0)
		return false;
	run_batch();
	return true;
}

/*
 * Under load, lets a batch grow to what is worth a commit: an executor that has just finished one and
 * finds little more waits a moment.  One that was asleep never does.
 */
static void
gather(void)
{
	int			count = my_pool->ring_count;	/* a guess will do */

	if (ow_batch_delay_us > 0 && count > 0 && count < GATHER_RUNS)
		pg_usleep(ow_batch_delay_us);
}

/*
 * Takes a step of the walk through the tables, if one is wanted.
 */
static void
refill_ring(void)
{
	pg_uuid_t	position;
	int			room;
	OwRunRef   *refs;
	int			count;

	if (!ow_ring_scan_begin(my_pool, ow_slot_mine, &position, &room))
		return;
	room = Min(room, SCAN_STEP);
	refs = MemoryContextAlloc(loop_context, room * sizeof(OwRunRef));
	SetCurrentStatementStartTimestamp();
	count = ow_engine_find_ready(my_role, &position, refs, room);
	ow_ring_scan_end(my_pool, refs, count, count < room);
}

/*
 * Runs the batch in hand.
 */
static void
run_batch(void)
{
	OwSlot	   *slot = &ow_shared_slots[ow_slot_mine];

	n_batch = remove_duplicates(batch, n_batch);
	if (n_batch == 0)
		return;

	/* The engine's transactions leave us in another context */
	MemoryContextSwitchTo(loop_context);
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, "running workflows");
	enable_timeout_after(long_timeout, LONG_MS);
	ow_engine_run_batch(batch, n_batch);
	disable_timeout(long_timeout, false);
	ow_ring_note_short(my_pool, ow_slot_mine);
	ow_again_settle(my_database, my_role, batch, n_batch);

	slot->batches++;
	slot->runs += n_batch;
	slot->last_batch_at = GetCurrentTimestamp();
	n_batch = 0;
	failures = 0;
	batch_limit = Min(batch_limit * 2, OW_MAX_BATCH_SIZE);
	note_success();
}

/*
 * Handler of the timeout: the batch in hand takes long.
 */
static void
note_long(void)
{
	ow_ring_note_long(my_pool, ow_slot_mine);
}

/*
 * Takes back what views say about trouble.
 */
static void
note_success(void)
{
	if (in_trouble)
		ow_pool_note_running(my_database, my_role, NULL);
	in_trouble = false;
}

static int
compare_refs(const void *a, const void *b)
{
	return memcmp(&((const OwRunRef *) a)->run_id, &((const OwRunRef *) b)->run_id,
				  sizeof(pg_uuid_t));
}

/*
 * Sorts runs by id, which is by age, and removes those that come twice.
 *
 * The order also keeps two executors from locking the same runs crosswise.
 */
static int
remove_duplicates(OwRunRef *refs, int count)
{
	int			kept = 0;

	qsort(refs, count, sizeof(OwRunRef), compare_refs);
	for (int i = 0; i < count; i++)
	{
		if (kept == 0 || compare_refs(&refs[kept - 1], &refs[i]) != 0)
			refs[kept++] = refs[i];
	}
	return kept;
}

/*
 * Cleans up after an error, in PG_CATCH; returns for how many seconds to leave it at that.
 */
static int
recover(void)
{
	ErrorData  *error;
	bool		alone;

	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	EmitErrorReport();
	MemoryContextSwitchTo(loop_context);
	error = CopyErrorData();
	AbortCurrentTransaction();
	FlushErrorState();
	MemoryContextSwitchTo(loop_context);

	ow_ring_awake(my_pool, ow_slot_mine);
	ow_executor_detain(false);
	ow_crash_map_leave();
	ow_again_break_off();
	alone = n_batch == 1 && ow_again_failed(&batch[0]);
	if (!alone)
		put_back();
	n_batch = 0;
	batch_limit = 1;
	ow_pool_note_running(my_database, my_role, error->message);
	in_trouble = true;
	RESUME_INTERRUPTS();

	/* A run that failed alone has its own delay, and the others need not wait for it */
	failures++;
	return alone ? 1 : Min(1 << Min(failures - 1, 6), MAX_BACKOFF_S);
}

/*
 * Keeps the runs in hand, to be tried one at a time; without knowing them, goes back to the tables.
 */
static void
put_back(void)
{
	if (n_batch == 0 || n_queue + n_batch > (int) lengthof(queue))
	{
		ow_ring_rescan(my_pool, ow_slot_mine);
		return;
	}
	memcpy(queue + n_queue, batch, n_batch * sizeof(OwRunRef));
	n_queue += n_batch;
}

/*
 * Waits, whatever work there is, unless asked to leave.
 */
static void
back_off(int seconds)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), seconds * INT64CONST(1000));

	pgstat_report_activity(STATE_IDLE, NULL);
	(void) pgstat_report_stat(true);
	while (ow_slot_asked() == 0)
	{
		long		ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);

		if (ms <= 0)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Sleeps until there is something to do; false when it has been idle for long enough.
 */
static bool
rest(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (idle_since == 0)
	{
		idle_since = now;
		if (failures == 0)
			note_success();
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) pgstat_report_stat(true);
	}
	if (TimestampDifferenceExceeds(idle_since, now, ow_idle_timeout_s * 1000) &&
		ow_again_next(my_database, my_role) == DT_NOEND)
		return false;

	if (ow_ring_sleep(my_pool, ow_slot_mine))
	{
		if (ow_shared->room_wanted)
			ow_shared_wake(ow_shared->launcher);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, rest_ms(now),
						 PG_WAIT_EXTENSION);
		ow_ring_awake(my_pool, ow_slot_mine);
	}
	ResetLatch(MyLatch);
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
	return true;
}

/*
 * Tells how long to sleep.
 */
static long
rest_ms(TimestampTz now)
{
	TimestampTz until = TimestampTzPlusMilliseconds(idle_since, ow_idle_timeout_s * INT64CONST(1000));

	until = Min(until, (TimestampTz) pg_atomic_read_u64(&my_pool->next_due));
	until = Min(until, ow_again_next(my_database, my_role));
	return TimestampDifferenceMilliseconds(now, until);
}

/*
 * Ends the process, in good order.
 */
static void
leave(void)
{
	if (n_queue > 0 || ow_again_next(my_database, my_role) != DT_NOEND)
		ow_ring_rescan(my_pool, ow_slot_mine);
	ow_ring_leave(my_pool, ow_slot_mine);
	ow_slot_note_leaving();
	proc_exit(0);
}

/*
 * Asks the tables whether workflows may run here.
 */
static Permission
ask_permission(void)
{
	Permission	permission = MAY_RUN;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (!ow_engine_installed())
		permission = NOT_INSTALLED;
	else if (ow_engine_quarantined())
		permission = QUARANTINED;
	CommitTransactionCommand();
	return permission;
}

/*
 * Leaves when workflows may not run here.
 *
 * What changes that posts work after it has committed; since we would miss what comes between asking
 * and giving up, ask again after that.
 */
static void
check_permission(void)
{
	switch (ask_permission())
	{
		case MAY_RUN:
			return;
		case NOT_INSTALLED:
			ow_pool_forget_database(my_database);
			break;
		case QUARANTINED:
			ow_pool_park(my_database, my_role, DT_NOEND,
						 "the engine is quarantined until workflow.resume_engine() is called");
			break;
	}
	if (ask_permission() == MAY_RUN)
		ow_pool_request_scan(my_database);
	leave();
}
