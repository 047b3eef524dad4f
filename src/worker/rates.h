/*
 * rates.h
 *		Shared memory: how many tasks have come into each task queue in the last minute, and been taken.
 */
#ifndef OW_RATES_H
#define OW_RATES_H

#include "postgres.h"

extern Size ow_rates_size(void);
extern void ow_rates_startup(void);

/*
 * Count tasks of an owner in a queue of this database (its key is that of ow_task_queue_key).  No errors, no
 * allocation: for the end of a transaction.
 */
extern void ow_rates_count(Oid owner, uint32 queue_key, int added, int taken);

/* Tasks per second; false when it is not known: no shared memory, or no room in it */
extern bool ow_rates_read(Oid owner, uint32 queue_key, double *added, double *taken);

#endif							/* OW_RATES_H */
