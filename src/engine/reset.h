/*
 * reset.h
 *		Resetting a run to an event of its history.
 */
#ifndef OW_RESET_H
#define OW_RESET_H

#include "store/find.h"

typedef struct OwResetRequest
{
	const OwFoundRun *run;
	int			event_id;		/* the last that is kept */
	const char *reason;			/* may be NULL */
	Oid			requested_by;
} OwResetRequest;

/* Ends the run, if it is open, and begins another that stands where it stood after the event: its id */
extern pg_uuid_t ow_reset_run(const OwResetRequest *request);

/* A list of OwRest *: where a run can be reset to.  Its history comes back, too. */
extern List *ow_reset_points(const OwFoundRun *run, List **events);

#endif							/* OW_RESET_H */
