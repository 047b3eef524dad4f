/*
 * measure.h
 *		The metrics that definitions declare, recorded when a run closes.
 */
#ifndef OW_MEASURE_H
#define OW_MEASURE_H

#include "store/run.h"

/* The run has closed at this time.  It counts when the transaction commits; nothing of the run can make it fail. */
extern void ow_measure_run(const OwLoadedRun *loaded, TimestampTz closed_at);

#endif							/* OW_MEASURE_H */
