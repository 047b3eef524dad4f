/*
 * replay.h
 *		A run's state rebuilt from its history alone.
 */
#ifndef OW_REPLAY_H
#define OW_REPLAY_H

#include "machine/machine.h"

/* Lends a definition of the same workflow by version, when a retry moved the run to it */
typedef const OwDefinition *(*OwDefinitionForVersion) (void *arg, int version);

/*
 * Rebuild machine->run, given as it was when started, from the events.  Returns NULL when the machine
 * made exactly the recorded events again, else what differs.
 */
extern char *ow_history_replay(OwMachine *machine, List *events, OwDefinitionForVersion definition_for, void *arg);

#endif							/* OW_REPLAY_H */
