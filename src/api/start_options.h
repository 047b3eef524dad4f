/*
 * start_options.h
 *		What the functions that start runs say of them beyond the definition.
 */
#ifndef OW_START_OPTIONS_H
#define OW_START_OPTIONS_H

#include "api/api.h"
#include "store/start.h"

/* Positions of arguments; one that the function has not is 0 */
typedef struct OwStartArguments
{
	int			execution_timeout;
	int			run_timeout;
	int			retry;
	int			priority;
	int			search_attributes;	/* jsonb, over those that the definition takes from the input */
} OwStartArguments;

typedef struct OwStartOptions
{
	FunctionCallInfo fcinfo;
	const OwStartArguments *arguments;
	Jsonb	   *retry;			/* NULL */
	int			priority;		/* 0 */
	Jsonb	   *search_attributes;	/* NULL */
} OwStartOptions;

/* Reads and checks what is the same for all runs of the call. */
extern void ow_start_options_read(FunctionCallInfo fcinfo, const OwStartArguments *arguments, OwStartOptions *options);

/* Sets the run's options, deadlines and search attributes; its definition, start and input are known. */
extern void ow_start_options_apply(const OwStartOptions *options, OwNewRun *run);

/* Raise unless they are what the functions that start runs take; retry comes back normal. */
extern Jsonb *ow_start_check_retry(const Jsonb *retry);
extern int	ow_start_check_priority(int32 priority);

/* Sets the search attributes of the run, whose definition and input are known: those given (may be NULL) over its own. */
extern void ow_start_describe(OwNewRun *run, const Jsonb *given);

/* The time an interval after start; an interval that is not positive is an error. */
extern TimestampTz ow_start_add_interval(FunctionCallInfo fcinfo, int argument, const char *name, TimestampTz start);

#endif							/* OW_START_OPTIONS_H */
