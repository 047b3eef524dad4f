/*
 * update.h
 *		Updates, from any session.
 */
#ifndef OW_ENGINE_UPDATE_H
#define OW_ENGINE_UPDATE_H

#include "store/update.h"

typedef enum OwUpdateFate
{
	OW_UPDATE_SETTLED,			/* the outcome is there */
	OW_UPDATE_PENDING,			/* accepted, or left to an executor: it counts when the transaction
								 * commits */
	OW_UPDATE_KNOWN,			/* the id was used before: nothing was done */
	OW_UPDATE_NO_RUN			/* the run has closed meanwhile */
} OwUpdateFate;

typedef struct OwUpdateSending
{
	const OwFoundRun *run;
	const char *update_id;
	const char *name;
	Jsonb	   *payload;

	/* what becomes of it */
	OwUpdateFate fate;
	OwUpdateOutcome outcome;	/* SETTLED */
} OwUpdateSending;

/*
 * Sends the update.  The run is locked and driven, as far as no code of its owner runs that is not the session's own,
 * or the update is stored for an executor.  An error that comes of driving it is the caller's.
 */
extern void ow_engine_update(OwUpdateSending *sending);

#endif							/* OW_ENGINE_UPDATE_H */
