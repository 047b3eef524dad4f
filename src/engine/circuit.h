/*
 * circuit.h
 *		The circuit breaker of an activity; and what the machine asks of it, as OwHost has it.
 */
#ifndef OW_ENGINE_CIRCUIT_H
#define OW_ENGINE_CIRCUIT_H

#include "machine/machine.h"
#include "worker/breaker.h"

/* Of an activity that has one */
extern OwBreaker ow_circuit_breaker_of(const OwActivity *activity);

extern bool ow_circuit_may_attempt(void *arg, const OwRun *run, const OwAttempt *attempt, OwRejection *rejection);
extern void ow_circuit_attempt_ended(void *arg, const OwRun *run, const OwAttempt *attempt, const OwFailure *failure);

#endif							/* OW_ENGINE_CIRCUIT_H */
