/*
 * metric.h
 *		Limits of a metric, as definitions are checked for them and shared memory has room.
 */
#ifndef OW_MACHINE_METRIC_H
#define OW_MACHINE_METRIC_H

/* With the terminating null */
#define OW_METRIC_NAME_SIZE 64
#define OW_METRIC_HELP_SIZE 120

/* Of a histogram; there is one bucket more, without a bound */
#define OW_METRIC_MAX_BOUNDS 20

/* Letters, digits and underscores */
extern bool ow_is_metric_name(const char *text);

/* Is it one of the extension's own? */
extern bool ow_is_reserved_metric(const char *name);

#endif							/* OW_MACHINE_METRIC_H */
