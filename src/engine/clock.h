/*
 * clock.h
 *		The engine's clock: the real one, or the virtual one of a test's transaction.
 *
 * Everything that compares or records time asks here; run ids alone always use the real clock.
 */
#ifndef OW_CLOCK_H
#define OW_CLOCK_H

#include "datatype/timestamp.h"

extern TimestampTz ow_clock_now(void);
extern bool ow_clock_is_virtual(void);
extern void ow_clock_set_virtual(TimestampTz now);	/* until ow_clock_reset or the transaction's
													 * end */
extern void ow_clock_reset(void);

#endif							/* OW_CLOCK_H */
