/*
 * history.h
 *		Recorded histories, played again.
 */
#ifndef OW_HISTORY_H
#define OW_HISTORY_H

#include "machine/replay.h"
#include "store/run.h"

/*
 * Rebuilds the run, given as it was when it started, from its events: with the versions that were in force, or all of
 * them with another (against; NULL: none).  False: the machine does not make the same events; replay says where, and
 * how.  Sets loaded->compiled to what the run follows at the end.  Outside a store section.
 */
extern bool ow_history_play(OwLoadedRun *loaded, List *events, const OwCompiled *against, OwReplay *replay);

/*
 * The same against a version that the history may not be of at all: an error is a difference as well, in a
 * subtransaction of its own.
 */
extern bool ow_history_try(OwLoadedRun *loaded, List *events, const OwCompiled *against, OwReplay *replay);

#endif							/* OW_HISTORY_H */
