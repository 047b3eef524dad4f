/*
 * metrics.c
 *		Counters and histograms, of what committed.
 *
 * A transaction's observations are notes (notes.c).  At commit they are applied under one lock, a few for each run: no
 * series is looked up before.  The table has room for so many series; further ones are lost, and counted.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "engine/clock.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "settings.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "worker/metrics.h"
#include "worker/notes.h"

#define TRANCHE "order_workflow metrics"

/* A label's value is cut after so many bytes: those of a series fit, however they are escaped. */
#define LABEL_BYTES 40

typedef struct SeriesKey
{
	Oid			database;
	Oid			owner;
	uint32		metric;
	uint32		unused;
	uint64		name_and_labels;
} SeriesKey;

typedef struct Series
{
	SeriesKey	key;
	OwMetricValue value;
} Series;

typedef struct Observation
{
	OwNote		note;
	bool		of_test;
	Oid			owner;
	OwCustomMetric what;		/* its name NULL: the metric's own */
	double		value;
} Observation;

typedef struct Shared
{
	LWLock	   *lock;
	int			custom;			/* series with names of applications and definitions */
	uint64		lost;
} Shared;

/* A quarter of the room is kept for the extension's own. */
#define MAX_CUSTOM (ow_max_metrics - ow_max_metrics / 4)

static const double default_bounds[] = OW_METRIC_BOUNDS;

/* NULL when the library was not preloaded */
static Shared *shared;
static HTAB *table;

static void end_transaction(XactEvent event);

static OwNotes observations = {.entry_size = sizeof(Observation), .end = end_transaction};

static const OwMetricInfo infos[] = {
	[OW_METRIC_EXECUTIONS_STARTED] = {"executions_started_total", OW_METRIC_KIND_COUNTER, {"workflow", "version"},
	"Runs that were started"},
	[OW_METRIC_EXECUTIONS_CLOSED] = {"executions_closed_total", OW_METRIC_KIND_COUNTER, {"workflow", "version", "status"},
	"Runs that closed, by how"},
	[OW_METRIC_EXECUTION_SECONDS] = {"execution_seconds", OW_METRIC_KIND_HISTOGRAM, {"workflow", "version"},
	"From the start of a run to its close"},
	[OW_METRIC_ACTIVITY_ATTEMPTS] = {"activity_attempts_total", OW_METRIC_KIND_COUNTER, {"activity", "outcome"},
	"Attempts of activities that ended, by how"},
	[OW_METRIC_ACTIVITY_SECONDS] = {"activity_seconds", OW_METRIC_KIND_HISTOGRAM, {"activity"},
	"From when an attempt was begun to its end"},
	[OW_METRIC_ACTIVITY_WAIT_SECONDS] = {"activity_wait_seconds", OW_METRIC_KIND_HISTOGRAM, {"activity"},
	"From when an attempt was put into a task queue to when a worker took it"},
	[OW_METRIC_ACTIVITY_RETRIES] = {"activity_retries_total", OW_METRIC_KIND_COUNTER, {"activity"},
	"Attempts that failed, and another follows"},
	[OW_METRIC_COMPENSATIONS_FAILED] = {"compensations_failed_total", OW_METRIC_KIND_COUNTER, {"workflow"},
	"Compensations that failed for good"},
	[OW_METRIC_STUCK] = {"executions_stuck_total", OW_METRIC_KIND_COUNTER, {"workflow", "version"},
	"Runs that became stuck"},
	[OW_METRIC_SIGNALS] = {"signals_total", OW_METRIC_KIND_COUNTER, {"workflow", "signal"},
	"Signals that runs have taken in"},
	[OW_METRIC_BATCH_RUNS] = {"batch_runs", OW_METRIC_KIND_HISTOGRAM, {NULL},
	"Runs that were driven in one transaction"},
	[OW_METRIC_EXECUTOR_SECONDS] = {"executor_busy_seconds_total", OW_METRIC_KIND_COUNTER, {NULL},
	"Time that executors have spent driving runs"},
	[OW_METRIC_HEARTBEATS_MISSED] = {"heartbeats_missed_total", OW_METRIC_KIND_COUNTER, {"activity"},
	"Attempts that ended because no heartbeat came in time"},
	[OW_METRIC_UNUSABLE] = {"metric_values_unusable_total", OW_METRIC_KIND_COUNTER, {"workflow", "metric", "reason"},
	"Values of metrics of definitions that were missing or no numbers"},
	[OW_METRIC_COUNTER] = {NULL, OW_METRIC_KIND_COUNTER, {NULL}, "Counted by an application or workflow"},
	[OW_METRIC_GAUGE] = {NULL, OW_METRIC_KIND_GAUGE, {NULL}, "Set by an application or workflow"},
	[OW_METRIC_HISTOGRAM] = {NULL, OW_METRIC_KIND_HISTOGRAM, {NULL}, "Observed by an application or workflow"},
};

const OwMetricInfo *
ow_metric_info(OwMetric metric)
{
	return &infos[metric];
}

void
ow_metrics_init(void)
{
	ow_notes_register(&observations);
}

/* ---- the table ---- */

void
ow_metrics_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
	RequestAddinShmemSpace(hash_estimate_size(ow_max_metrics, sizeof(Series)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

void
ow_metrics_startup(void)
{
	HASHCTL		control = {.keysize = sizeof(SeriesKey), .entrysize = sizeof(Series)};
	bool		found;

	shared = ShmemInitStruct(TRANCHE, sizeof(Shared), &found);
	if (!found)
	{
		shared->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
		shared->custom = 0;
		shared->lost = 0;
	}
	table = ShmemInitHash("order_workflow metric series", ow_max_metrics, ow_max_metrics, &control,
						  HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

bool
ow_metrics_wanted(void)
{
	return table != NULL || ow_clock_is_virtual();
}

static int
bucket_of(const OwMetricValue *series, double value)
{
	int			i = 0;

	while (i < series->nbounds && value > series->bounds[i])
		i++;
	return i;
}

static void
observe(OwMetricValue *value, OwMetricKind kind, double observed)
{
	value->count++;
	if (kind == OW_METRIC_KIND_GAUGE)
		value->sum = observed;
	else
		value->sum += observed;
	if (kind == OW_METRIC_KIND_HISTOGRAM)
		value->buckets[bucket_of(value, observed)]++;
}

static const char *
name_of(const Observation *observation)
{
	return observation->what.name ? observation->what.name : infos[observation->what.metric].name;
}

static SeriesKey
key_of(const Observation *observation)
{
	const unsigned char *name = (const unsigned char *) name_of(observation);
	const unsigned char *labels = (const unsigned char *) observation->what.labels;
	SeriesKey	key;

	memset(&key, 0, sizeof(key));
	key.database = MyDatabaseId;
	key.owner = observation->owner;
	key.metric = (uint32) observation->what.metric;
	key.name_and_labels = hash_bytes_extended(labels, strlen(observation->what.labels),
											  hash_bytes_extended(name, strlen(name_of(observation)), 0));
	return key;
}

static void
begin_series(OwMetricValue *value, const Observation *observation)
{
	const OwCustomMetric *what = &observation->what;

	memset(value, 0, sizeof(*value));
	value->metric = what->metric;
	value->owner = observation->owner;
	strlcpy(value->name, name_of(observation), sizeof(value->name));
	strlcpy(value->labels, what->labels, sizeof(value->labels));
	strlcpy(value->help, what->help ? what->help : infos[what->metric].help, sizeof(value->help));
	value->nbounds = what->nbounds > 0 ? what->nbounds : (int) lengthof(default_bounds);
	memcpy(value->bounds, what->nbounds > 0 ? what->bounds : default_bounds, value->nbounds * sizeof(double));
}

/* False when there is no room for the series */
static bool
apply(HTAB *to, const Observation *observation)
{
	bool		is_custom = observation->what.name != NULL && to == table;
	HASHACTION	enter = to == table ? HASH_ENTER_NULL : HASH_ENTER; /* a test's own table grows */
	SeriesKey	key = key_of(observation);
	Series	   *series;
	bool		found;

	series = hash_search(to, &key, is_custom && shared->custom >= MAX_CUSTOM ? HASH_FIND : enter, &found);
	if (series == NULL)
		return false;
	if (!found)
	{
		begin_series(&series->value, observation);
		if (is_custom)
			shared->custom++;
	}
	observe(&series->value, infos[observation->what.metric].kind, observation->value);
	return true;
}

/* ---- what a transaction has noted ---- */

static void
apply_all(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < observations.count; i++)
	{
		const Observation *observation = ow_note_at(&observations, Observation, i);

		if (!observation->of_test && !apply(table, observation))
			shared->lost++;
	}
	LWLockRelease(shared->lock);
}

static void
end_transaction(XactEvent event)
{
	if (event == XACT_EVENT_COMMIT && table != NULL && observations.count > 0)
		apply_all();
}

/* A copy that lasts as long as the transaction */
static OwCustomMetric
keep(const OwCustomMetric *custom)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
	OwCustomMetric kept = *custom;

	kept.name = custom->name ? pstrdup(custom->name) : NULL;
	kept.labels = pstrdup(custom->labels);
	kept.help = custom->help ? pstrdup(custom->help) : NULL;
	if (custom->nbounds > 0)
		kept.bounds = memcpy(palloc(custom->nbounds * sizeof(double)), custom->bounds, custom->nbounds * sizeof(double));
	MemoryContextSwitchTo(caller);
	return kept;
}

void
ow_metric_note_custom(const OwCustomMetric *custom, Oid owner, double value)
{
	Observation *observation;
	OwCustomMetric what;

	if (!ow_metrics_wanted())
		return;
	what = keep(custom);
	observation = ow_notes_add(&observations);
	observation->of_test = ow_clock_is_virtual();
	observation->owner = owner;
	observation->what = what;
	observation->value = value;
}

void
ow_metric_append_label(StringInfo labels, const char *name, const char *value)
{
	char	   *cut = pnstrdup(value, pg_mbcliplen(value, (int) strlen(value), LABEL_BYTES));

	if (labels->len > 1)
		appendStringInfoString(labels, ", ");
	escape_json(labels, name);
	appendStringInfoString(labels, ": ");
	escape_json(labels, cut);
	pfree(cut);
}

void
ow_metric_note(OwMetric metric, Oid owner, double value, const char *label1, const char *label2, const char *label3)
{
	const char *values[] = {label1, label2, label3};
	StringInfoData labels;

	if (!ow_metrics_wanted())
		return;
	initStringInfo(&labels);
	appendStringInfoChar(&labels, '{');
	for (int i = 0; i < (int) lengthof(values) && values[i] != NULL && infos[metric].labels[i] != NULL; i++)
		ow_metric_append_label(&labels, infos[metric].labels[i], values[i]);
	appendStringInfoChar(&labels, '}');
	ow_metric_note_custom(&(OwCustomMetric) {
		.metric = metric,
			.labels = labels.len < OW_METRIC_LABELS_SIZE ? labels.data : "{}"
	}, owner, value);
	pfree(labels.data);
}

/* ---- looking ---- */

static List *
add_series(List *list, HTAB *from)
{
	HASH_SEQ_STATUS status;
	Series	   *series;

	hash_seq_init(&status, from);
	while ((series = hash_seq_search(&status)) != NULL)
	{
		OwMetricValue *value;

		if (series->key.database != MyDatabaseId)
			continue;
		value = palloc(sizeof(OwMetricValue));
		*value = series->value;
		list = lappend(list, value);
	}
	return list;
}

/* What a test's transaction has noted, as if it had committed */
static List *
list_of_test(void)
{
	HASHCTL		control = {.keysize = sizeof(SeriesKey), .entrysize = sizeof(Series), .hcxt = CurrentMemoryContext};
	HTAB	   *own = hash_create("order_workflow metrics of a test", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	List	   *list;

	for (int i = 0; i < observations.count; i++)
	{
		const Observation *observation = ow_note_at(&observations, Observation, i);

		if (observation->of_test)
			(void) apply(own, observation);
	}
	list = add_series(NIL, own);
	hash_destroy(own);
	return list;
}

List *
ow_metrics_list(void)
{
	List	   *list;

	if (ow_clock_is_virtual())
		return list_of_test();
	if (table == NULL)
		return NIL;
	LWLockAcquire(shared->lock, LW_SHARED);
	list = add_series(NIL, table);
	LWLockRelease(shared->lock);
	return list;
}

uint64
ow_metrics_lost(void)
{
	return shared == NULL ? 0 : shared->lost;
}
