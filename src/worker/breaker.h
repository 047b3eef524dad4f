/*
 * breaker.h
 *		The circuit breakers of activities: where they are kept, and which outcomes they have heard of.
 *
 * They are kept in shared memory, by database and activity, and lost at a restart: closed again.  Without
 * order_workflow in shared_preload_libraries each backend has its own; in a test's transaction they are that
 * transaction's, on its clock.
 *
 * What a transaction finds out counts for itself at once, and for others when it commits.  What is let through to
 * probe is known to all at once, lest several do.
 */
#ifndef OW_BREAKER_H
#define OW_BREAKER_H

#include "machine/circuit.h"
#include "nodes/pg_list.h"

/* An activity, and what its registration says of its circuit */
typedef struct OwBreaker
{
	const char *activity;
	const OwCircuitBreaker *options;
	uint32		queue_key;		/* of those who wait for its tasks (wakeup.h); 0: nobody does */
} OwBreaker;

extern void ow_breaker_init(void);
extern void ow_breaker_request(void);
extern void ow_breaker_startup(void);

/* May the holder make an attempt?  When refused, *retry_at is when to ask again, *error what opened the circuit. */
extern bool ow_breaker_may_attempt(const OwBreaker *breaker, const OwCircuitHolder *holder, TimestampTz now,
								   TimestampTz *retry_at, char **error);

/* Note what happened; it counts for all if the transaction commits. */
extern void ow_breaker_note(const OwBreaker *breaker, const OwCircuitEvent *event);

/* What was noted after the mark did not happen: it will be done again. */
extern int	ow_breaker_mark(void);
extern void ow_breaker_forget(int mark);

/* A test begins: it knows of nothing. */
extern void ow_breaker_begin_test(void);

/* As this transaction sees it; *rejected is how many attempts were refused */
extern void ow_breaker_look(const OwBreaker *breaker, OwCircuit *circuit, int64 *rejected);

/* An activity of this database whose circuit is not closed */
typedef struct OwOpenCircuit
{
	char	   *activity;
	OwCircuitState state;
	bool		outside;		/* its tasks are put into queues */
	TimestampTz half_open_at;
	bool		probing;		/* and not for so long that another could */
	OwCircuitHolder probe;
} OwOpenCircuit;

extern List *ow_breaker_list_open(TimestampTz now); /* of OwOpenCircuit *; NIL nearly always */

#endif							/* OW_BREAKER_H */
