/*
 * update.h
 *		Updates by their ids: noting that one was sent, and finding what became of it.
 *
 * The id counts once in a chain of runs that continue one another.
 */
#ifndef OW_UPDATE_H
#define OW_UPDATE_H

#include "store/find.h"

typedef enum OwSentUpdateStatus
{
	OW_SENT_UNKNOWN,			/* no update of that id was sent, or it was not accepted by a chain
								 * that is over */
	OW_SENT_PENDING,
	OW_SENT_COMPLETED,
	OW_SENT_REJECTED,
	OW_SENT_FAILED
} OwSentUpdateStatus;

typedef struct OwSentUpdate
{
	OwSentUpdateStatus status;
	char	   *name;			/* unless unknown */
	bool		uncommitted;	/* pending, and sent in this transaction */
	Jsonb	   *result;			/* COMPLETED */
	Jsonb	   *failure;		/* REJECTED, FAILED: {Error, Cause, Public} */
} OwSentUpdate;

/* False when the chain of the run knows the id already. */
extern bool ow_update_note(const OwFoundRun *run, const char *update_id, const char *name, Jsonb *payload);

/* What became of the update that was sent to the chain of this run */
extern OwSentUpdate ow_update_find(const OwFoundRun *run, const char *update_id);

#endif							/* OW_UPDATE_H */
