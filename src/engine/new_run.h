/*
 * new_run.h
 *		What a new run has of its definition, whoever starts it.
 */
#ifndef OW_NEW_RUN_H
#define OW_NEW_RUN_H

#include "store/start.h"

/* Sets the deadline: the definition's TimeoutSeconds, run_end (DT_NOEND: none) or execution_deadline, whichever comes first. */
extern void ow_new_run_limit(OwNewRun *run, TimestampTz run_end);

/*
 * Sets the search attributes that the definition takes from the input, and those given (may be NULL), which it declares,
 * over them.  Gives the first whose value is not of its type, with the value; NULL: they are all right.
 */
extern const OwSearchAttribute *ow_new_run_describe(OwNewRun *run, const Jsonb *given, JsonbValue *value);

#endif							/* OW_NEW_RUN_H */
