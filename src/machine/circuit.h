/*
 * circuit.h
 *		The circuit breaker of an activity: whether an attempt may be made, and what its outcome changes.
 *
 *		Closed --> (so many failures within the window) --> Open --> (time) --> HalfOpen: one attempt is let through
 *		   ^                                                 ^                     |
 *		   |                                                 +---- it fails -------+
 *		   +------------------------------------------------------ it succeeds ----+
 *
 * An OwCircuit is plain data, so that it can live in shared memory; all zero is a closed one.  Where it lives,
 * and which outcomes count when, is the business of worker/breaker.c.
 */
#ifndef OW_CIRCUIT_H
#define OW_CIRCUIT_H

#include "datatype/timestamp.h"
#include "machine/definition.h"
#include "utils/uuid.h"

#define OW_CIRCUIT_ERROR_SIZE 256

typedef enum OwCircuitState
{
	OW_CIRCUIT_CLOSED,
	OW_CIRCUIT_OPEN,
	OW_CIRCUIT_HALF_OPEN
} OwCircuitState;

extern const char *ow_circuit_state_name(OwCircuitState state);

/* Whose attempt it is: a token has one at a time, and the same one when its transaction is redone */
typedef struct OwCircuitHolder
{
	pg_uuid_t	run_id;
	int			branch;			/* id; 0: the run's own token */
} OwCircuitHolder;

typedef struct OwCircuit
{
	bool		open;			/* or half-open */
	bool		probing;		/* an attempt that was let through has not ended, as far as known */
	TimestampTz opened_at;
	TimestampTz half_open_at;
	TimestampTz probe_until;	/* then another is let through: its worker may have died */
	OwCircuitHolder probe;
	int			nfailures;		/* remembered, of the last ones */
	int			next;			/* where the next one goes */
	TimestampTz failed_at[OW_MAX_FAILURE_THRESHOLD];
	char		last_error[OW_CIRCUIT_ERROR_SIZE];
} OwCircuit;

typedef enum OwCircuitEventKind
{
	OW_CIRCUIT_FAILED,			/* an attempt, and it counts */
	OW_CIRCUIT_SUCCEEDED,
	OW_CIRCUIT_UNCOUNTED,		/* an attempt failed in a way that says nothing of the service */
	OW_CIRCUIT_PROBED,			/* the holder's attempt is let through */
	OW_CIRCUIT_RESET,			/* by an operator */
	OW_CIRCUIT_OPENED			/* by an operator, until then */
} OwCircuitEventKind;

typedef struct OwCircuitEvent
{
	OwCircuitEventKind kind;
	TimestampTz at;
	TimestampTz until;			/* OPENED */
	OwCircuitHolder holder;
	char	   *error;			/* FAILED, OPENED */
} OwCircuitEvent;

typedef enum OwCircuitAnswer
{
	OW_CIRCUIT_PASS,
	OW_CIRCUIT_PROBE,			/* this attempt is the one that tries */
	OW_CIRCUIT_REFUSE
} OwCircuitAnswer;

extern OwCircuitState ow_circuit_state(const OwCircuit *circuit, TimestampTz now);

/* Failures that count now */
extern int	ow_circuit_failures(const OwCircuit *circuit, const OwCircuitBreaker *breaker, TimestampTz now);

/* May the holder make an attempt?  When refused, *retry_at is when to ask again. */
extern OwCircuitAnswer ow_circuit_ask(const OwCircuit *circuit, const OwCircuitBreaker *breaker,
									  const OwCircuitHolder *holder, TimestampTz now, TimestampTz *retry_at);

/* Would the event change anything? */
extern bool ow_circuit_heeds(const OwCircuit *circuit, const OwCircuitEvent *event);
extern void ow_circuit_apply(OwCircuit *circuit, const OwCircuitBreaker *breaker, const OwCircuitEvent *event);

/* From when on the circuit is as good as one that nothing was ever heard of; DT_NOEND: it has to stay */
extern TimestampTz ow_circuit_stale_at(const OwCircuit *circuit, const OwCircuitBreaker *breaker);

#endif							/* OW_CIRCUIT_H */
