/*
 * run_state.h
 *		A run's state: as text, to be compared, and as the engine's tables keep it.
 */
#ifndef OW_FUZZ_RUN_STATE_H
#define OW_FUZZ_RUN_STATE_H

#include "machine/machine.h"

/* The rows that hang on a run */
typedef struct FuzzStore
{
	List	   *branches;		/* of OwBranch * */
	List	   *outputs;		/* of OwBranch *: parent, index and output */
	List	   *compensations;	/* of OwRecordedCompensation * */
	List	   *signals;		/* of OwBufferedSignal * */
} FuzzStore;

extern void fuzz_run_start(OwRun *run, const OwDefinition *definition, Jsonb *input, TimestampTz at);

/* With what is in the store only; NULL: nothing is */
extern char *fuzz_run_describe(const OwRun *run, const FuzzStore *store, const OwDefinition *definition);

/* Ends a transaction of the engine and begins another: what nobody writes is lost. */
extern void fuzz_run_store_and_load(FuzzStore *store, OwRun *run, const OwDefinition *definition);
extern bool fuzz_run_awaits_signal(const OwRun *run);
extern bool fuzz_run_has_failed_compensation(const OwRun *run, const FuzzStore *store);
extern void fuzz_run_load_compensations(const FuzzStore *store, OwRun *run);
extern void fuzz_run_load_all_compensations(const FuzzStore *store, OwRun *run);
extern void fuzz_run_read_outputs(const FuzzStore *store, int parent, Jsonb **outputs, int count);

#endif							/* OW_FUZZ_RUN_STATE_H */
