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

/* Is it what a part of a histogram is called? */
extern bool ow_is_metric_part(const char *name);

#define OW_METRIC_LABEL_NAME_LENGTH 40

extern bool ow_is_label_name(const char *text);

/* Is it one that metrics get, or that Prometheus gives a meaning? */
extern bool ow_is_reserved_label(const char *name);

#endif							/* OW_MACHINE_METRIC_H */
