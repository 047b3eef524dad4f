/*
 * drive.h
 *		A run that is driven, and what its machine finds around it.
 */
#ifndef OW_FUZZ_DRIVE_H
#define OW_FUZZ_DRIVE_H

#include "machine/machine.h"
#include "run_state.h"

typedef struct Drive
{
	OwMachine	machine;
	OwRun		run;
	OwHost		host;
	OwActivity	activity;
	OwActivity	outside;
	bool		some_outside;
	bool		some_rejected;
	FuzzStore	store;
	uint8		task_tokens;	/* and ids of requests, given out */
	int			updates;		/* sent so far */
	int			signals;		/* sent because nothing else could happen */
	bool		operator_came;	/* what was missing has been registered */
	bool		in_database;	/* expressions are evaluated for what they are */
	bool		forgetful;		/* stored and loaded again after each step */
	int64		tick;			/* microseconds from one input to the next */
	TimestampTz now;
	const char *script;			/* what is left of it */
	OwStep		step;
} Drive;

/* What its machine asks of the world around it; the hash of the case says how that is. */
extern void fuzz_host_begin(Drive *drive, uint64 hash);

/* Composite types are the database's: values of all of them fit. */
extern bool fuzz_host_fits(const OwPayloadType *type, const Jsonb *value, OwMismatches *mismatches);

#endif							/* OW_FUZZ_DRIVE_H */
