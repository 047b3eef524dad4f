/*
 * circuit.h
 *		What the machine asks about circuit breakers, as OwHost has it.
 */
#ifndef OW_ENGINE_CIRCUIT_H
#define OW_ENGINE_CIRCUIT_H

#include "machine/machine.h"

extern bool ow_circuit_may_attempt(void *arg, const OwRun *run, const OwAttempt *attempt, OwRejection *rejection);
extern void ow_circuit_attempt_ended(void *arg, const OwRun *run, const OwAttempt *attempt, const OwFailure *failure);

#endif							/* OW_ENGINE_CIRCUIT_H */
