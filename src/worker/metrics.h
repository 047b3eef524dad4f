/*
 * metrics.h
 *		Counters and histograms, of what committed: where they are kept, and what transactions have yet to tell.
 *
 * They are kept in shared memory, by database, owner, name and labels, and start from nothing at a restart, as
 * Prometheus expects.  Without order_workflow in shared_preload_libraries nothing is kept.
 *
 * What a transaction notes counts when it commits; what a subtransaction noted is forgotten if it rolls back.  What
 * comes of a test's transaction is seen by that transaction only.
 */
#ifndef OW_METRICS_H
#define OW_METRICS_H

#include "lib/stringinfo.h"
#include "machine/metric.h"
#include "nodes/pg_list.h"

typedef enum OwMetric
{
	OW_METRIC_EXECUTIONS_STARTED,
	OW_METRIC_EXECUTIONS_CLOSED,
	OW_METRIC_EXECUTION_SECONDS,
	OW_METRIC_ACTIVITY_ATTEMPTS,
	OW_METRIC_ACTIVITY_SECONDS,
	OW_METRIC_ACTIVITY_WAIT_SECONDS,
	OW_METRIC_ACTIVITY_RETRIES,
	OW_METRIC_COMPENSATIONS_FAILED,
	OW_METRIC_STUCK,
	OW_METRIC_SIGNALS,
	OW_METRIC_BATCH_RUNS,
	OW_METRIC_EXECUTOR_SECONDS,
	OW_METRIC_HEARTBEATS_MISSED,
	OW_METRIC_UNUSABLE,
	/* of applications and definitions, which give their names */
	OW_METRIC_COUNTER,
	OW_METRIC_GAUGE,
	OW_METRIC_HISTOGRAM
} OwMetric;

/* Upper bounds of the buckets of histograms that have none of their own; the last bucket has no bound */
#define OW_METRIC_BOUNDS {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 3600, 86400}

#define OW_METRIC_LABELS_SIZE 320

typedef enum OwMetricKind
{
	OW_METRIC_KIND_COUNTER,
	OW_METRIC_KIND_GAUGE,
	OW_METRIC_KIND_HISTOGRAM
} OwMetricKind;

typedef struct OwMetricInfo
{
	const char *name;
	OwMetricKind kind;
	const char *labels[3];		/* names, in the order of the values; NULL ends */
	const char *help;
} OwMetricInfo;

extern const OwMetricInfo *ow_metric_info(OwMetric metric);

extern void ow_metrics_request(void);
extern void ow_metrics_startup(void);
extern void ow_metrics_init(void);

/* Is anything kept at all? */
extern bool ow_metrics_wanted(void);

/* Note that it happened: a counter goes up by the value, a histogram has one more.  NULL labels: there are fewer. */
extern void ow_metric_note(OwMetric metric, Oid owner, double value,
						   const char *label1, const char *label2, const char *label3);

/* An application's, or a definition's */
typedef struct OwCustomMetric
{
	OwMetric	metric;
	const char *name;
	const char *labels;			/* the text of a JSON object, shorter than OW_METRIC_LABELS_SIZE */
	const char *help;			/* NULL */
	int			nbounds;		/* 0: OW_METRIC_BOUNDS */
	const double *bounds;
} OwCustomMetric;

extern void ow_metric_note_custom(const OwCustomMetric *custom, Oid owner, double value);

/* Adds a label to the text of an object that has been begun; its value is cut. */
extern void ow_metric_append_label(StringInfo labels, const char *name, const char *value);

typedef struct OwMetricValue
{
	OwMetric	metric;
	Oid			owner;
	char		name[OW_METRIC_NAME_SIZE];
	char		labels[OW_METRIC_LABELS_SIZE];
	int64		count;
	double		sum;			/* of a counter or gauge, its value */
	char		help[OW_METRIC_HELP_SIZE];
	int			nbounds;		/* of a histogram; it has a bucket more */
	double		bounds[OW_METRIC_MAX_BOUNDS];
	int64		buckets[OW_METRIC_MAX_BOUNDS + 1];
} OwMetricValue;

/* Those of this database; in a test, those of its transaction: of OwMetricValue * */
extern List *ow_metrics_list(void);

/* How many observations found no room for their series since the start */
extern uint64 ow_metrics_lost(void);

#endif							/* OW_METRICS_H */
