/*
 * launcher.c
 *		The worker that starts all others: main loop.
 *
 * One per server, from the end of recovery on: so there is none on a standby, and it starts on
 * promotion.  It is connected to no database and reads shared catalogs only.  Each turn of its loop it
 * frees the slots of processes that are gone (start.c), goes on with scanning databases (scan.c), and
 * gives pools with work their executors (plan.c).  Then it sleeps on its latch: without a timeout,
 * unless some pool without executors has a timer, or something is to be tried again.
 *
 * Those who bring work to a pool without executors set its latch, and so do processes that exit.
 */
#include "postgres.h"

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/launcher.h"
#include "worker/pool.h"
#include "worker/shared.h"

#define RESTART_S 5
#define ERROR_DELAY_MS 1000

static MemoryContext turn_context;

static void start_up(void);
static void detach(int code, Datum arg);
static TimestampTz take_turn(void);
static void reload(void);
static void recover(void);
static void rest(TimestampTz wake_at);

/*
 * Registers the launcher with the postmaster.
 */
void
ow_launcher_init(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "order_workflow launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "order_workflow launcher");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "order_workflow");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "ow_launcher_main");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_S;
	RegisterBackgroundWorker(&worker);
}

/*
 * Entry point of the process.
 */
void
ow_launcher_main(Datum arg)
{
	start_up();
	for (;;)
		rest(take_turn());
}

static void
start_up(void)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	before_shmem_exit(detach, 0);
	ow_shared->launcher = MyProc->pgprocno;
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	turn_context = AllocSetContextCreate(TopMemoryContext, "order_workflow launcher turn",
										 ALLOCSET_DEFAULT_SIZES);
	ow_start_init();
	ow_plan_init();
	ow_scan_all();
}

static void
detach(int code, Datum arg)
{
	ow_shared->launcher = OW_NONE;
}

/*
 * Takes one turn; returns when to take the next at the latest.
 */
static TimestampTz
take_turn(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz wake_at = DT_NOEND;
	volatile bool failed = false;

	MemoryContextReset(turn_context);
	MemoryContextSwitchTo(turn_context);
	PG_TRY();
	{
		if (ConfigReloadPending)
			reload();
		if (catchupInterruptPending)
			ProcessCatchupInterrupt();
		ow_start_reap();
		ow_scan_turn(now, &wake_at);
		ow_plan_turn(now, &wake_at);
	}
	PG_CATCH();
	{
		recover();
		failed = true;
	}
	PG_END_TRY();
	return failed ? TimestampTzPlusMilliseconds(now, ERROR_DELAY_MS) : wake_at;
}

/*
 * Reads the configuration anew, and looks at everything again: a reload is what an administrator does
 * after having mended something.
 */
static void
reload(void)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	ow_pool_unpark(InvalidOid);
	ow_scan_all();
}

/*
 * Cleans up after an error, in PG_CATCH.
 */
static void
recover(void)
{
	HOLD_INTERRUPTS();
	QueryCancelPending = false;
	EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
}

/*
 * Sleeps.
 */
static void
rest(TimestampTz wake_at)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	long		ms = -1;

	if (wake_at != DT_NOEND)
	{
		events |= WL_TIMEOUT;
		ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), wake_at);
	}
	(void) WaitLatch(MyLatch, events, ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();
}
