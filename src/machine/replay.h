/*
 * replay.h
 *		A run's state rebuilt from its history alone.
 */
#ifndef OW_REPLAY_H
#define OW_REPLAY_H

#include "machine/machine.h"

/* Lends a definition of the same workflow by version, when a retry moved the run to it */
typedef const OwDefinition *(*OwDefinitionForVersion) (void *arg, int version);

/* A point at which the machine waits for an input, or to be told to continue */
typedef struct OwRest
{
	int			event_id;		/* the last one that was made */
	int			branch;			/* whose token moved last; 0: the run's own */
	const char *state;			/* that it stands in, or is about to enter; NULL: none */
	OwPhase		phase;
	bool		stuck;
} OwRest;

typedef struct OwReplay
{
	List	   *events;			/* of OwHistoryEvent *, from the first on */
	OwDefinitionForVersion definition_for;
	void	   *arg;
	/* what comes out */
	List	   *rests;			/* of OwRest *, in order; a closed run does not rest */
	int			event_id;		/* of the first that is not made again as it was; 0: all are */
	char	   *difference;		/* how it differs */
} OwReplay;

/*
 * Rebuild machine->run, given as it was when started, from the events.  True when the machine made exactly the
 * recorded events again.
 */
extern bool ow_history_replay(OwMachine *machine, OwReplay *replay);

#endif							/* OW_REPLAY_H */
