/*
 * reset.h
 *		Resetting a run to an event of its history.
 */
#ifndef OW_RESET_H
#define OW_RESET_H

#include "store/find.h"

typedef enum OwResetRule
{
	OW_RESET_TO_EVENT,
	OW_RESET_TO_FIRST,			/* of the events that the run can be reset to */
	OW_RESET_TO_LAST,
	OW_RESET_TO_STATE			/* before it was entered last */
} OwResetRule;

typedef struct OwResetRequest
{
	const OwFoundRun *run;
	OwResetRule rule;
	int			event_id;		/* OW_RESET_TO_EVENT: the last that is kept */
	const char *state;			/* OW_RESET_TO_STATE */
	const char *reason;			/* may be NULL */
	Oid			requested_by;
} OwResetRequest;

/* Ends the run, if it is open, and begins another that stands where it stood after the event: its id */
extern pg_uuid_t ow_reset_run(const OwResetRequest *request);

/* A list of OwRest *: where a run can be reset to.  Its history comes back, too. */
extern List *ow_reset_points(const OwFoundRun *run, List **events);

#endif							/* OW_RESET_H */
