/*
 * init.c
 *		What happens when the library is loaded: each module's init, nothing else.
 *
 * In shared_preload_libraries, the server gets shared memory, hooks and the launcher.  Loaded by a
 * session only, the SQL functions work and no worker does: ow_pool_available() says which.
 */
#include "postgres.h"

#include "fmgr.h"

#include "engine/session.h"
#include "settings.h"
#include "store/catalog.h"
#include "worker/breaker.h"
#include "worker/metrics.h"
#include "worker/launcher.h"
#include "worker/log_lines.h"
#include "worker/shared.h"
#include "worker/utility_hook.h"
#include "worker/wakeup.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	ow_settings_init();
	ow_catalog_init();
	ow_session_init();
	ow_shared_init();
	ow_log_lines_init();
	ow_wakeup_init();
	ow_breaker_init();
	ow_metrics_init();
	ow_utility_hook_init();
	ow_launcher_init();
}
