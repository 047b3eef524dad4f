/*
 * request.h
 *		What runs ask of other workflows, on its way.
 *
 * A request is a message whose run_id is its own id: of a child, that of the run to be started; else of no run at all.
 * So an executor comes upon it as upon any message, finds no such run, and takes the request in (engine/request.c).
 * The answer is a message to the run that asked.  Between ow_store_open and ow_store_close.
 */
#ifndef OW_REQUEST_H
#define OW_REQUEST_H

#include "store/run.h"

typedef struct OwMail
{
	OwRunRef	ref;			/* the request's id */
	char	   *kind;			/* StartChild, SignalExternal, CancelExternal */
	Oid			owner;			/* whose executors take it in */
	Oid			sender;			/* the owner of the run that asked */
	Jsonb	   *payload;
} OwMail;

/* The requests of these ids (OwRunRef *), locked; those that others are at are left out.  OwMail *, in context */
extern List *ow_request_take(List *ids, MemoryContext context);

/* The request has been taken in: answers it, and deletes it with whatever else was sent to its id if it is refused. */
extern void ow_request_answer(const OwMail *mail, const char *kind, Jsonb *payload, bool refused);

#endif							/* OW_REQUEST_H */
