/*
 * settings.c
 *		The order_workflow.* settings.
 *
 * Called once, by _PG_init.  Everything can be changed by a reload, save what sizes shared memory.
 * Where the library is loaded by a session only (not in shared_preload_libraries), the latter has no
 * effect, and is defined just so that it is not an unknown setting.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "store/log_level.h"
#include "utils/guc.h"

#include "settings.h"

int			ow_max_workers;
int			ow_max_pools;
int			ow_max_circuit_breakers;
int			ow_max_metrics;
int			ow_batch_size;
int			ow_batch_time_ms;
int			ow_batch_delay_us;
int			ow_batch_wait_ms;
int			ow_idle_timeout_s;
int			ow_quantum_ms;
int			ow_expression_timeout_ms;
int			ow_max_transitions;
int			ow_transition_limit;
int			ow_map_concurrency;
int			ow_max_payload_kb;
int			ow_crash_limit;
char	   *ow_instance;
bool		ow_enabled;

static void define_worker_settings(void);
static void define_batch_settings(void);
static void define_safety_settings(void);

/*
 * Defines all settings.
 */
void
ow_settings_init(void)
{
	define_worker_settings();
	define_batch_settings();
	define_safety_settings();
	ow_log_level_define_setting();
	MarkGUCPrefixReserved("order_workflow");
}

/*
 * How many executors there are, and how long they stay.
 */
static void
define_worker_settings(void)
{
	DefineCustomBoolVariable("order_workflow.enabled",
							 "Runs workflows in this server.",
							 "When off, executors leave and none starts; calls of the SQL API go on working.",
							 &ow_enabled, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.max_workers",
							"Sets the maximum number of executors in the whole server.",
							"They, the launcher and now and then a scanner are taken from max_worker_processes.",
							&ow_max_workers, 4, 0, 1024,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.max_pools",
							"Sets for how many pairs of database and workflow owner work is kept in shared memory.",
							"The work of further ones waits until a pool is free.",
							&ow_max_pools, 64, 1, 4096,
							process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP,
							0, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.idle_timeout",
							"Sets how long an executor without work stays.",
							NULL,
							&ow_idle_timeout_s, 60, 0, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.quantum",
							"Sets how long an executor may run while the workflows of another owner wait for one.",
							NULL,
							&ow_quantum_ms, 1000, 10, 600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

/*
 * How much is done in one transaction.
 */
static void
define_batch_settings(void)
{
	DefineCustomIntVariable("order_workflow.batch_size",
							"Sets the maximum number of workflow runs carried on in one transaction.",
							NULL,
							&ow_batch_size, 64, 1, OW_MAX_BATCH_SIZE,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.batch_time",
							"Sets how long further steps are added to a transaction.",
							"An activity that has begun is not interrupted by this.",
							&ow_batch_time_ms, 50, 0, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.batch_delay",
							"Sets how long a busy executor waits for a small batch to grow, in microseconds.",
							"An executor that was asleep runs at once what wakes it. 0 turns this off.",
							&ow_batch_delay_us, 4000, 0, 100000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("order_workflow.batch_wait",
							"Sets how long an activity may take in a transaction shared with other runs.",
							"One that takes longer is rolled back and run again in a transaction of its own.",
							&ow_batch_wait_ms, 25, 1, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.expression_timeout",
							"Sets how long the SQL expressions of one field of a state may take.",
							NULL,
							&ow_expression_timeout_ms, 1000, 1, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.max_transitions",
							"Sets how many states a run may enter without waiting before others get their turn.",
							NULL,
							&ow_max_transitions, 1000, 1, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.transition_limit",
							"Sets how many states may be entered without waiting or running an activity, after which the workflow fails.",
							"It fails with OW.TransitionLimitExceeded.  Branches count for themselves.  Zero is no limit.",
							&ow_transition_limit, 100000, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.max_payload",
							"Sets how large the input of a run and the output of a state may be.",
							"A start with more is refused; a state that puts out more fails with States.DataLimitExceeded.",
							&ow_max_payload_kb, 16 * 1024, 64, 256 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.map_concurrency",
							"Sets how many iterations of a Map may run at a time that sets no MaxConcurrency.",
							NULL,
							&ow_map_concurrency, 40, 1, 10000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * What keeps harm away.
 */
static void
define_safety_settings(void)
{
	DefineCustomIntVariable("order_workflow.crash_limit",
							"Sets how often a run may crash the server before it is left stuck.",
							"An activity that has left two runs stuck that way is quarantined.",
							&ow_crash_limit, 3, 1, 1000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.max_circuit_breakers",
							"Sets how many circuit breakers of activities may be open, or have failures that count, at a time.",
							"Failures of further activities do not count.",
							&ow_max_circuit_breakers, 256, 1, 65536,
							process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP,
							0, NULL, NULL, NULL);
	DefineCustomIntVariable("order_workflow.max_metrics",
							"Sets for how many series of metrics there is room.",
							"A series is a name with its labels. Further ones are not kept; how many is counted.",
							&ow_max_metrics, 2000, 100, 1000000,
							process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP,
							0, NULL, NULL, NULL);
	DefineCustomStringVariable("order_workflow.instance",
							   "Names this server, to tell physical copies of it apart.",
							   "Keep it in configuration outside the data directory. A copy that finds another "
							   "name than its tables were written under runs nothing until workflow.resume_engine().",
							   &ow_instance, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
}
