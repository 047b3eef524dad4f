/*
 * guard.h
 *		A limit on how long an activity may hold up its transaction.
 *
 * Neither statement_timeout nor lock_timeout will do: user code catches those with WHEN OTHERS and
 * turns them into business results.  Our own timeout sets a flag and raises a query cancel; the flag
 * decides, whatever came out of the activity.  Swallowed, it fires again; swallowed for long, it ends
 * the executor's session.
 */
#ifndef OW_GUARD_H
#define OW_GUARD_H

#include "postgres.h"

extern void ow_guard_arm(int64 limit_ms);	/* > 0 */

/* Disarms; true when it fired since it was armed */
extern bool ow_guard_disarm(void);

/* True when it ends the session */
extern bool ow_guard_gave_up(void);

#endif							/* OW_GUARD_H */
