/*
 * cron.h
 *		Cron expressions: when they are due.
 *
 * What is accepted, pg_cron accepts and takes the same way: it fires the schedules, and this says which times it has
 * missed.
 */
#ifndef OW_CRON_H
#define OW_CRON_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pgtime.h"

typedef struct OwCron
{
	uint64		minutes;		/* bits 0 to 59 */
	uint64		hours;			/* 0 to 23 */
	uint64		days;			/* 1 to 31 */
	uint64		months;			/* 1 to 12 */
	uint64		weekdays;		/* 0 (Sunday) to 6 */
	bool		both_days;		/* a day must be among days and weekdays, else among one of them */
} OwCron;

/* Reads an expression; what is wrong with it otherwise, as a sentence. */
extern char *ow_cron_parse(const char *text, OwCron *cron);

/* Its five fields, which is what @daily and such stand for, too */
extern const char *ow_cron_fields(const char *text);

/* The first time after this one; DT_NOEND when there is none within ten years */
extern TimestampTz ow_cron_next(const OwCron *cron, TimestampTz after, const pg_tz *zone);

#endif							/* OW_CRON_H */
