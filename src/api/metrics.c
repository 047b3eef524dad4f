/*
 * metrics.c
 *		Counters and histograms: what applications note, and what has come of all that was noted.
 *
 * A role sees the metrics of roles whose rights it has; readers (grant_reader) see all.
 */
#include "postgres.h"

#include <math.h>

#include "api/api.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "worker/metrics.h"

PG_FUNCTION_INFO_V1(ow_metric);
PG_FUNCTION_INFO_V1(ow_metric_values);
PG_FUNCTION_INFO_V1(ow_metrics_lost_count);

static const char *const kind_names[] = {
	[OW_METRIC_KIND_COUNTER] = "counter",
	[OW_METRIC_KIND_GAUGE] = "gauge",
	[OW_METRIC_KIND_HISTOGRAM] = "histogram"
};

static OwMetric
metric_of_kind(const char *kind)
{
	static const OwMetric metrics[] = {
		[OW_METRIC_KIND_COUNTER] = OW_METRIC_COUNTER,
		[OW_METRIC_KIND_GAUGE] = OW_METRIC_GAUGE,
		[OW_METRIC_KIND_HISTOGRAM] = OW_METRIC_HISTOGRAM
	};

	for (int i = 0; i < (int) lengthof(kind_names); i++)
	{
		if (strcmp(kind, kind_names[i]) == 0)
			return metrics[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is not a kind of metric", kind),
			 errhint("There are counter, gauge and histogram.")));
}

static void
check_name(const char *name)
{
	if (ow_is_reserved_metric(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a name of a metric", name),
				 errhint("Names that begin with \"order_workflow_\" are the extension's own.")));
	if (!ow_is_metric_name(name) || strlen(name) >= OW_METRIC_NAME_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a name of a metric", name),
				 errhint("Names are of at most %d letters, digits and underscores, and do not start with a digit.",
						 OW_METRIC_NAME_SIZE - 1)));
	if (ow_is_metric_part(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a name of a metric", name),
				 errhint("Names that end in \"_bucket\", \"_sum\" or \"_count\" are those of a histogram's parts.")));
}

/* The owner is told by itself: nobody notes a value in the name of another role. */
static void
check_label(const char *name, const JsonbValue *value)
{
	if (ow_is_reserved_label(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("label \"%s\" is not usable", name),
				 errhint("Every metric has \"owner\"; \"le\" and \"quantile\" are Prometheus'.")));
	if (!ow_is_label_name(name) || (value->type != jbvString && value->type != jbvNumeric && value->type != jbvBool))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("label \"%s\" is not usable", name),
				 errhint("Names of labels are of at most %d letters, digits and underscores, and do not start with a digit or two "
						 "underscores; values are strings, numbers and booleans.", OW_METRIC_LABEL_NAME_LENGTH)));
}

/* An object of strings, numbers and booleans, as one of texts: 1 and "1" are the same label. */
static char *
labels_text(const Jsonb *labels)
{
	OwJsonMembers members;
	JsonbValue	object;
	JsonbValue	value;
	StringInfoData text;
	char	   *name;

	if (labels == NULL)
		return "{}";
	ow_json_as_value(labels, &object);
	if (!ow_json_value_is_object(&object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("labels must be a JSON object")));
	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &name, &value))
	{
		check_label(name, &value);
		ow_metric_append_label(&text, name, value.type == jbvString ? ow_json_value_cstring(&value) : ow_json_compact(&value));
	}
	appendStringInfoChar(&text, '}');
	if (text.len >= OW_METRIC_LABELS_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the labels of a metric are longer than %d bytes", OW_METRIC_LABELS_SIZE - 1),
				 errhint("Each combination of labels is a series of its own: they tell kinds of things apart, not things.")));
	return text.data;
}

/* metric(name text, value float8, labels jsonb, kind text) */
Datum
ow_metric(PG_FUNCTION_ARGS)
{
	char	   *name = ow_api_text(fcinfo, 0, "name");
	char	   *labels = labels_text(ow_api_optional_jsonb(fcinfo, 2));
	OwMetric	metric = metric_of_kind(ow_api_text(fcinfo, 3, "kind"));
	double		value;

	check_name(name);
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("value must not be null")));
	value = PG_GETARG_FLOAT8(1);
	if (isnan(value) || isinf(value) || (metric == OW_METRIC_COUNTER && value < 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%g is not a value of a %s", value, text_to_cstring(PG_GETARG_TEXT_PP(3)))));
	ow_metric_note_custom(&(OwCustomMetric) {
		.metric = metric,
			.name = name,
			.labels = labels
	}, GetUserId(), value);
	PG_RETURN_VOID();
}

static ArrayType *
bucket_array(const OwMetricValue *value)
{
	Datum		counts[OW_METRIC_MAX_BOUNDS + 1];
	int64		total = 0;

	for (int i = 0; i <= value->nbounds; i++)
		counts[i] = Int64GetDatum(total += value->buckets[i]);
	return construct_array(counts, value->nbounds + 1, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* Their upper bounds: the last has none */
static ArrayType *
bound_array(const OwMetricValue *value)
{
	Datum		bounds[OW_METRIC_MAX_BOUNDS + 1];

	for (int i = 0; i < value->nbounds; i++)
		bounds[i] = Float8GetDatum(value->bounds[i]);
	bounds[value->nbounds] = Float8GetDatum(get_float8_infinity());
	return construct_array(bounds, value->nbounds + 1, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* metric_values(): name, kind, help, owner, labels, value, count, buckets, custom, bounds */
Datum
ow_metric_values(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		all = ow_api_sees_all_runs();
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, ow_metrics_list())
	{
		const OwMetricValue *value = lfirst(cell);
		const OwMetricInfo *info = ow_metric_info(value->metric);
		Datum		values[] = {
			CStringGetTextDatum(value->name),
			CStringGetTextDatum(kind_names[info->kind]),
			CStringGetTextDatum(value->help),
			ObjectIdGetDatum(value->owner),
			JsonbPGetDatum(ow_json_from_cstring(value->labels)),
			Float8GetDatum(value->sum),
			Int64GetDatum(value->count),
			(Datum) 0,
			BoolGetDatum(info->name == NULL),
			(Datum) 0
		};
		bool		is_histogram = info->kind == OW_METRIC_KIND_HISTOGRAM;
		bool		nulls[lengthof(values)] = {[7] = !is_histogram,[9] = !is_histogram};

		if (!all && !has_privs_of_role(GetUserId(), value->owner))
			continue;
		if (is_histogram)
		{
			values[7] = PointerGetDatum(bucket_array(value));
			values[9] = PointerGetDatum(bound_array(value));
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* metrics_lost() RETURNS bigint */
Datum
ow_metrics_lost_count(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) ow_metrics_lost());
}
