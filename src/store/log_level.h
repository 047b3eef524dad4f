/*
 * log_level.h
 *		Which events of runs are written to the server's log: the levels' names, the setting, and what a workflow has instead.
 *
 * A level is a list of kinds of events, such as "failures, closes", or none, or all.
 */
#ifndef OW_LOG_LEVEL_H
#define OW_LOG_LEVEL_H

#include "postgres.h"

typedef enum OwLogKind
{
	OW_LOG_FAILURES = 1 << 0,	/* runs that failed, timed out or are stuck, and attempts that
								 * failed */
	OW_LOG_CLOSES = 1 << 1,		/* runs that closed, however */
	OW_LOG_STARTS = 1 << 2,
	OW_LOG_RETRIES = 1 << 3,	/* attempts that follow others */
	OW_LOG_COMPENSATIONS = 1 << 4,	/* attempts of compensations that have ended */
	OW_LOG_REQUESTS = 1 << 5	/* to cancel */
} OwLogKind;

/* The kinds in a level; -1 when it is none */
extern int	ow_log_level_parse(const char *level);

#define OW_LOG_LEVEL_HINT \
	"A level is \"none\", \"all\", or a list of \"failures\", \"closes\", \"starts\", \"retries\", \"compensations\" and \"requests\"."

/* order_workflow.log_events, for workflows of which nothing else is said */
extern int	ow_log_kinds;
extern void ow_log_level_define_setting(void);

/* Of one workflow; NULL: as order_workflow.log_events has it */
extern void ow_log_level_set(const char *workflow, const char *level);

#endif							/* OW_LOG_LEVEL_H */
