/*
 * chain.h
 *		Driving one loaded run inside the current transaction: decide, run activities, decide, …
 */
#ifndef OW_CHAIN_H
#define OW_CHAIN_H

#include "store/run.h"

typedef enum OwChainResult
{
	OW_CHAIN_DONE,				/* flush it */
	OW_CHAIN_ALONE,				/* untouched: run it again in a transaction of its own */
	OW_CHAIN_DONE_THEN_ALONE	/* flush it, then go on in a transaction of its own */
} OwChainResult;

typedef struct OwChainOptions
{
	MemoryContext context;		/* the batch's: what the machine makes lives here until the flush */
	bool		shared;			/* other runs share the transaction */
	bool		outside;		/* not in a session of the owner: nothing of his is run here */
	bool		evaluates;		/* outside: SQL expressions, if the session is the owner's */
	TimestampTz stop_at;		/* start no further activity after this real time; DT_NOEND: never */
	const OwFailure *stuck;		/* do nothing but leave the run stuck for this reason; NULL */
} OwChainOptions;

extern OwChainResult ow_chain_drive(OwLoadedRun *loaded, const OwChainOptions *options);

/* May the run be driven outside?  evaluates: as above */
extern bool ow_chain_may_drive_outside(const OwLoadedRun *loaded, bool evaluates);

/* The run one of whose expressions is being evaluated; NULL */
extern const OwRun *ow_chain_evaluating(void);

/* Room for another chain before the transaction's subtransaction cache overflows? */
extern bool ow_chain_has_room(void);

/* Memory for another, of what the transaction's runs are driven in? */
extern bool ow_chain_has_memory(MemoryContext context);

#endif							/* OW_CHAIN_H */
