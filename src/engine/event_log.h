/*
 * event_log.h
 *		What has happened to runs, for those who read the server's log.
 */
#ifndef OW_EVENT_LOG_H
#define OW_EVENT_LOG_H

#include "machine/json.h"
#include "machine/machine.h"

/* Runs that have just been flushed: of OwLoadedRun *.  Lines are written when the transaction commits, of tests none. */
extern void ow_event_log_runs(List *runs);

/* What every line about a run has: when, where, and which run it is */
extern void ow_event_log_add_run(OwObject *object, TimestampTz time, const OwRun *run);

#endif							/* OW_EVENT_LOG_H */
