/*
 * crash_map.h
 *		Who was running which activity when the server went down.
 *
 * A small file in pg_stat_tmp, mapped by every executor: it outlives a backend crash (shared memory
 * does not) and base backups skip it.  An executor notes the activity before running it and clears
 * the note after.  When another process takes the server down, its SIGQUIT handler marks the slot
 * "victim"; after the restart only unmarked notes are charged.
 */
#ifndef OW_CRASH_MAP_H
#define OW_CRASH_MAP_H

#include "engine/engine.h"

/* No-ops outside an executor */
extern void ow_crash_map_enter(Oid owner, const OwRunRef *run, const char *activity);
extern void ow_crash_map_leave(void);

/* In the postmaster: maps the file, moves what a crash left in it to ow_shared_suspects */
extern void ow_crash_map_startup(void);

/* SIGQUIT handler of executors: marks the slot and exits at once */
extern void ow_crash_map_quickdie(int signo);

#endif							/* OW_CRASH_MAP_H */
