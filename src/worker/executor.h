/*
 * executor.h
 *		The worker that runs one role's workflows.  Private to src/worker.
 */
#ifndef OW_EXECUTOR_H
#define OW_EXECUTOR_H

#include "worker/contended.h"

extern PGDLLEXPORT void ow_executor_main(Datum slot);

/* Is this process an executor of that role? */
extern bool ow_executor_is_mine(Oid role);

/* A run of the batch in hand could not be locked */
extern void ow_executor_note_contended(const OwRunRef *run, OwContendedResult result);

/* Has this executor been told to leave by a command of ours, which then may have ended it? */
extern bool ow_executor_is_asked_to_leave(void);

/* This executor drives one run alone, which may take long: others must not wait for it. */
extern void ow_executor_detain(bool detained);

#endif							/* OW_EXECUTOR_H */
