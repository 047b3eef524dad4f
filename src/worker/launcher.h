/*
 * launcher.h
 *		The worker that starts all others.  Private to src/worker.
 */
#ifndef OW_LAUNCHER_H
#define OW_LAUNCHER_H

#include "worker/shared.h"

extern void ow_launcher_init(void);
extern PGDLLEXPORT void ow_launcher_main(Datum arg);

/*
 * start.c: processes.  The launcher alone calls these.
 */
extern void ow_start_init(void);

/* Starts a process in a slot reserved for it; false: no slot, or no process, with the pool told why */
extern bool ow_start_executor(Oid database, Oid role, int pool);
extern int	ow_start_scanner(Oid database);
extern bool ow_start_is_over(int slot);

/* Frees the slots of processes that have ended, or never came */
extern void ow_start_reap(void);

/*
 * scan.c: which databases to scan.
 */
extern void ow_scan_all(void);
extern void ow_scan_turn(TimestampTz now, TimestampTz *wake_at);

/*
 * plan.c: which pools get an executor.
 */
extern void ow_plan_init(void);
extern void ow_plan_turn(TimestampTz now, TimestampTz *wake_at);

#endif							/* OW_LAUNCHER_H */
