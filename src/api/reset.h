/*
 * reset.h
 *		What a batch operation that resets runs shares with workflow.reset_to().
 */
#ifndef OW_API_RESET_H
#define OW_API_RESET_H

#include "engine/reset.h"
#include "utils/jsonb.h"

/* Fills in the rule, or raises: {"to": "First" | "Last"} or {"state": …} */
extern void ow_api_reset_rule(const Jsonb *rule, OwResetRequest *request);

#endif							/* OW_API_RESET_H */
