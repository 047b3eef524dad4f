/*
 * run_internal.h
 *		What run_load.c and run_flush.c leave to run_branch.c (branches and their outputs), run_task.c, run_signal.c,
 *		run_update.c and run_compensation.c.
 */
#ifndef OW_RUN_INTERNAL_H
#define OW_RUN_INTERNAL_H

#include "store/run.h"

/* Loads the branches that run, of those of the runs that have any; everything in context. */
extern void ow_branches_load(List *runs, MemoryContext context);

/* Resolves the names of states that the branches stand in. */
extern void ow_branches_bind(OwLoadedRun *loaded);

/* Writes back what has changed of branches and outputs. */
extern void ow_branches_flush(List *runs);

/* Finds the tasks that have rows, and the leases of those that somebody has taken; after the branches. */
extern void ow_tasks_load(List *runs, MemoryContext context);

/* Writes tasks that wait for an answer now, and deletes those that do no longer. */
extern void ow_tasks_flush(List *runs);

/* Loads the signals that are buffered, of those of the runs that have any. */
extern void ow_signals_load(List *runs, MemoryContext context);

/* Writes signals that have come, and deletes those consumed, and those of runs that have closed. */
extern void ow_signals_flush(List *runs);

/* A timer of the run as a row of workflow.timer */
extern Datum ow_timer_row(const OwLoadedRun *loaded, const char *kind, TimestampTz due_at);

/* Writes what has become of updates, and deletes those of chains that have ended. */
extern void ow_updates_flush(List *runs);

/* Writes what the runs ask of others, and what parents and children are told when they close. */
extern void ow_requests_flush(List *runs);

/* When a run closed whose last event was just recorded */
extern TimestampTz ow_run_closed_at(const OwLoadedRun *loaded);

/* Does another run continue this one? */
extern bool ow_run_continues(const OwLoadedRun *loaded);

/* Does one continue it, or take its place after a reset? */
extern bool ow_run_has_successor(const OwLoadedRun *loaded);

/* Is the message, not taken yet, for whichever run goes on? */
extern bool ow_message_goes_along(const OwMessage *message);

/* Inserts the runs that continue those that have closed; their rows have gone. */
extern void ow_runs_continue(List *runs);

/* Passes messages to a run that has closed on to the one that goes on in its place, if any does. */
extern void ow_run_pass_on(const OwRunRef *ref);

/* Loads compensations, of those of the runs that need all of them; everything in context. */
extern void ow_compensations_load(List *runs, MemoryContext context);

/* Writes back what has changed of compensations, and deletes those that will never run. */
extern void ow_compensations_flush(List *runs);

/* Has a compensation of the run failed? */
extern bool ow_compensations_failed(const OwLoadedRun *loaded);

/* The index of a state in the run's definition; raises when there is none. */
extern int	ow_run_resolve_state(const OwLoadedRun *loaded, const char *name);

/* The loaded run of this id; NULL */
extern OwLoadedRun *ow_run_find_loaded(List *runs, const pg_uuid_t *run_id);

#endif							/* OW_RUN_INTERNAL_H */
