/*
 * random.h
 *		Random numbers that are the same whenever they are drawn again (SplitMix64).
 *
 * Nothing random is recorded in history: seeds are derived from what identifies a step of a run, so
 * that replay draws the same numbers; see ow_machine_scope and ow_machine_random.
 */
#ifndef OW_RANDOM_H
#define OW_RANDOM_H

#include "postgres.h"

static inline uint64
ow_random_next(uint64 *state)
{
	uint64		random = *state += UINT64CONST(0x9E3779B97F4A7C15);

	random = (random ^ (random >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	random = (random ^ (random >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return random ^ (random >> 31);
}

#endif							/* OW_RANDOM_H */
