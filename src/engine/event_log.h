/*
 * event_log.h
 *		What has happened to runs, for those who read the server's log.
 */
#ifndef OW_EVENT_LOG_H
#define OW_EVENT_LOG_H

#include "nodes/pg_list.h"

/* Runs that have just been flushed: of OwLoadedRun *.  Lines are written when the transaction commits, of tests none. */
extern void ow_event_log_runs(List *runs);

#endif							/* OW_EVENT_LOG_H */
