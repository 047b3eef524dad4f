/*
 * session.h
 *		Undoing what an activity did to the session it ran in, so that the next finds it clean.
 */
#ifndef OW_SESSION_H
#define OW_SESSION_H

#include "postgres.h"

/*
 * Around the call of an activity, inside its subtransaction.  Settings changed in between go back in
 * any session; in an executor also session-level advisory locks, temporary objects, prepared
 * statements and cursors go (LISTEN is refused in background processes).  A caller's session keeps
 * those: pgTAP has its plan in temporary tables.
 */
extern int	ow_session_save(void);
extern void ow_session_restore(int saved);

/* After an activity that failed, when its subtransaction is rolled back: what has outlived that */
extern void ow_session_clean(void);

/*
 * After an activity: fire its deferred constraints, as its commit would, and put
 * the initially deferred ones back (SET CONSTRAINTS outlives RELEASE).
 */
extern void ow_session_fire_constraints(void);

/* False when some could not be put back: no further activity may run in this transaction */
extern bool ow_session_can_defer(void);

/* May user code of this owner run here?  session_user = current_user = owner, no security context */
extern bool ow_session_is_of(Oid owner);

extern void ow_session_init(void);	/* registers the invalidation callback; from _PG_init */

#endif							/* OW_SESSION_H */
