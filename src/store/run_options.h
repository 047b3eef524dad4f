/*
 * run_options.h
 *		What a start says of its run beyond the definition, for all runs that follow it: workflow.execution.options.
 *
 *		{"Retry": [...]				retriers, instead of the definition's
 *		 "RetryCounts": [1, 0]		how often each of the retriers has been used
 *		 "RunTimeoutMs": 60000		how long each run may take
 *		 "Priority": 2				of tasks that set none
 *		 "Searchable": true}		it has search attributes; until its history has them, those that it
 *									starts with: {name: value}
 */
#ifndef OW_RUN_OPTIONS_H
#define OW_RUN_OPTIONS_H

#include "machine/machine.h"

/* Most runs have none of these. */
extern Jsonb *ow_run_options_make(const Jsonb *retry, int64 run_timeout_ms, int priority);

/* …with the mark that the run has search attributes, which it starts with; NULL: history has those */
extern Jsonb *ow_run_options_searchable(const Jsonb *options, Jsonb *attributes);
extern Jsonb *ow_run_options_search_attributes(const Jsonb *options);	/* NULL: history has them,
																		 * or none */
extern bool ow_run_options_is_searchable(const Jsonb *options);

extern int	ow_run_options_priority(const Jsonb *options);	/* 0: none */

/* The earlier of the deadline and the run's own, which begins then */
extern TimestampTz ow_run_options_deadline(const Jsonb *options, TimestampTz begin_at, TimestampTz deadline);

/* Completes the question with the retriers, the definition's if the start gave none, and answers it. */
extern bool ow_run_options_retry(const Jsonb *options, const OwDefinition *definition, OwRetryQuestion *question,
								 OwRetryAnswer *answer);

/* …of the run that follows: with a retry counted, or, after a run that did not fail, none */
extern Jsonb *ow_run_options_next(const Jsonb *options, const OwRetryAnswer *answer);

#endif							/* OW_RUN_OPTIONS_H */
