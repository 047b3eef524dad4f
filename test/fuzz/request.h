/*
 * request.h
 *		Requests of a run to other workflows, and what answers them.
 */
#ifndef OW_FUZZ_REQUEST_H
#define OW_FUZZ_REQUEST_H

#include "machine/machine.h"

/* The first token that waits for another workflow; NULL */
extern const OwToken *fuzz_request_waiting(const OwRun *run, int *branch);

/*
 * The answer, by words such as "Started", "Failed Error", "Refused Error", "Accepted"; without any, what comes next when all
 * goes well.  Detached: of a child that nobody waits for.  False: the words say nothing that could come.
 */
extern bool fuzz_request_answer(const OwDefinition *definition, const OwToken *token, const char *words, OwInput *input);

#endif							/* OW_FUZZ_REQUEST_H */
