/*
 * history.h
 *		History events as stored (packed jsonb), and a run's state rebuilt from them alone.
 */
#ifndef OW_HISTORY_H
#define OW_HISTORY_H

#include "machine/machine.h"

/*
 * Events of one flush as [[type, microseconds after recorded_at, state, attributes], …]; trailing
 * nulls of an event are left out.  Ids are not stored: they count up from the row's first_event_id.
 */
extern Jsonb *ow_history_pack(List *events, TimestampTz recorded_at);
extern List *ow_history_unpack(const Jsonb *packed, TimestampTz recorded_at, int first_event_id);

/* Lends a definition of the same workflow by version, when a retry moved the run to it */
typedef const OwDefinition *(*OwDefinitionForVersion) (void *arg, int version);

/*
 * Rebuild machine->run, given as it was when started, from the events.  Returns NULL when the machine
 * made exactly the recorded events again, else what differs.
 */
extern char *ow_history_replay(OwMachine *machine, List *events, OwDefinitionForVersion definition_for, void *arg);

#endif							/* OW_HISTORY_H */
