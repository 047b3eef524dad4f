/*
 * definition_metric.c
 *		Compiles the metrics that are recorded when a run closes.
 *
 *		"Metrics": {"order_processing_time": {"Type": "Histogram", "Labels": {"region.$": "$.region"}}}
 *
 * Their names and labels are Prometheus', so its rules for them hold.
 */
#include "postgres.h"

#include <math.h>

#include "machine/definition_internal.h"
#include "machine/json.h"
#include "machine/machine.h"
#include "machine/metric.h"

#define MAX_METRICS 50
#define MAX_LABELS 8
#define RESERVED_PREFIX "order_workflow_"

static const OwField metric_fields[] = {
	{"QueryLanguage", OW_STRING, OW_OPTIONAL},
	{"Type", OW_STRING, OW_REQUIRED},
	{"Labels", OW_OBJECT, OW_OPTIONAL},
	{"Buckets", OW_ARRAY, OW_OPTIONAL},
	{"Help", OW_STRING, OW_OPTIONAL},
	{"On", OW_ARRAY, OW_OPTIONAL},
	{NULL}
};

static const OwField value_fields[] = {
	{"Value", OW_NUMBER, OW_OPTIONAL},
	{"Value.$", OW_STRING, OW_OPTIONAL},
	{NULL}
};
static const OwField *const metric_tables[] = {metric_fields, value_fields, NULL};

static const OwField sql_value_fields[] = {
	{"Value", OW_NUMBER | OW_STRING, OW_OPTIONAL},
	{"Value.$", OW_JSONPATH_ONLY, OW_OPTIONAL},
	{NULL}
};
static const OwField *const sql_metric_tables[] = {metric_fields, sql_value_fields, NULL};

static const char *const kind_names[] = {
	[OW_MEASURE_COUNTER] = "Counter",
	[OW_MEASURE_GAUGE] = "Gauge",
	[OW_MEASURE_HISTOGRAM] = "Histogram",
	NULL
};

bool
ow_is_metric_name(const char *text)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char later[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	return *text != '\0' && strchr(first, *text) != NULL && strspn(text, later) == strlen(text);
}

bool
ow_is_reserved_metric(const char *name)
{
	return strncmp(name, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0;
}

static bool
ends_in(const char *text, const char *end)
{
	size_t		length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

bool
ow_is_metric_part(const char *name)
{
	return ends_in(name, "_bucket") || ends_in(name, "_sum") || ends_in(name, "_count");
}

bool
ow_is_label_name(const char *text)
{
	return ow_is_metric_name(text) && strlen(text) <= OW_METRIC_LABEL_NAME_LENGTH && strncmp(text, "__", 2) != 0;
}

bool
ow_is_reserved_label(const char *name)
{
	return strcmp(name, "owner") == 0 || strcmp(name, "le") == 0 || strcmp(name, "quantile") == 0;
}

/* ---- names ---- */

static void
report_name(OwCompiler *compiler, const char *what, const char *name, const char *where, const char *hint)
{
	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidName", where, hint, "\"%s\" cannot be the name of a %s", name, what);
}

static void
check_metric_name(OwCompiler *compiler, const char *name, const char *where)
{
	if (!ow_is_metric_name(name) || strlen(name) >= OW_METRIC_NAME_SIZE)
		report_name(compiler, "metric", name, where,
					psprintf("Names are of at most %d letters, digits and underscores, and do not start with a digit.",
							 OW_METRIC_NAME_SIZE - 1));
	else if (ow_is_reserved_metric(name))
		report_name(compiler, "metric", name, where, "Names that begin with \"" RESERVED_PREFIX "\" are the extension's own.");
	else if (ow_is_metric_part(name))
		report_name(compiler, "metric", name, where,
					"Names that end in \"_bucket\", \"_sum\" or \"_count\" are those of a histogram's parts.");
}

static void
check_label_name(OwCompiler *compiler, const char *name, const char *where)
{
	if (!ow_is_label_name(name))
		report_name(compiler, "label", name, where,
					psprintf("Names are of at most %d letters, digits and underscores, and do not start with a digit or two underscores.",
							 OW_METRIC_LABEL_NAME_LENGTH));
	if (ow_is_reserved_label(name) || strcmp(name, "workflow") == 0 || strcmp(name, "version") == 0)
		report_name(compiler, "label", name, where, "Every metric has \"workflow\", \"version\" and \"owner\"; \"le\" and \"quantile\" are Prometheus'.");
}

/* ---- values ---- */

static void
compile_value(OwCompiler *compiler, OwMeasure *measure, const JsonbValue *source, const char *where)
{
	static const char *const names[] = {"Value", "Value.$", NULL};
	OwMeasured *value = &measure->value;
	JsonbValue	number;

	if (!compiler->sql)
		ow_fields_exclusive(source, names, false, where, compiler->problems);
	value->path = compiler->sql ? NULL : ow_field_expression(source, "Value.$", where, compiler->problems);
	value->sql = compiler->sql ? ow_compile_sql_expression(compiler, source, "Value", "a number", 0, where) : NULL;
	if (ow_field_get(source, "Value", OW_NUMBER, &number))
		value->fixed = ow_json_from_value(&number);
	value->given = value->path != NULL || value->sql != NULL || value->fixed != NULL;
	if (!value->given && measure->kind == OW_MEASURE_GAUGE && !ow_field_is_present(source, "Value") &&
		!ow_field_is_present(source, "Value.$"))
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "MissingField", where,
					   "A counter goes up by one, and a histogram has the seconds that the run took, unless it says otherwise.",
					   "field \"Value\" is missing in %s, which is a gauge", ow_where_subject(where));
}

static void
compile_label(OwCompiler *compiler, OwMeasure *measure, char *member, const JsonbValue *source, const char *where)
{
	OwMeasured *value = &measure->labels[measure->nlabels++];
	bool		is_path = !compiler->sql && ends_in(member, ".$");
	JsonbValue	fixed;

	value->given = true;
	value->name = is_path ? pnstrdup(member, strlen(member) - 2) : member;
	check_label_name(compiler, value->name, ow_where_member(where, member));
	if (!ow_field_get(source, member, is_path ? OW_STRING : OW_STRING | OW_NUMBER | OW_BOOLEAN, &fixed))
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType", ow_where_member(where, member), NULL,
					   "label \"%s\" in %s must be a string%s", value->name, ow_where_subject(where),
					   is_path ? ": a path" : ", a number or a boolean");
	else if (is_path)
		value->path = ow_field_expression(source, member, where, compiler->problems);
	else if (compiler->sql)
		value->sql = ow_compile_sql(compiler, source, member, 0, where);
	else
		value->fixed = ow_json_from_value(&fixed);
}

static void
compile_labels(OwCompiler *compiler, OwMeasure *measure, const JsonbValue *source, const char *where)
{
	char	   *place = ow_where_member(where, "Labels");
	OwJsonMembers members;
	JsonbValue	labels;
	JsonbValue	ignored;
	char	   *name;

	if (!ow_field_get(source, "Labels", OW_OBJECT, &labels))
		return;
	if (ow_json_value_count(&labels) > MAX_LABELS)
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "TooMany", place,
					   "Each combination of their values is a series of its own.",
					   "\"Labels\" of %s has more than %d entries", ow_where_subject(where), MAX_LABELS);
		return;
	}
	measure->labels = palloc0(sizeof(OwMeasured) * Max(ow_json_value_count(&labels), 1));
	ow_json_members_begin(&members, &labels);
	while (ow_json_members_next(&members, &name, &ignored))
	{
		compile_label(compiler, measure, name, &labels, place);
		for (int i = 0; i < measure->nlabels - 1; i++)
		{
			if (strcmp(measure->labels[i].name, measure->labels[measure->nlabels - 1].name) == 0)
				ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "ExclusiveFields", ow_where_member(place, name), NULL,
							   "label \"%s\" in %s is given twice", measure->labels[i].name, ow_where_subject(place));
		}
	}
}

/* ---- the rest ---- */

/* Upper bounds, each greater than the one before */
static void
compile_buckets(OwCompiler *compiler, OwMeasure *measure, const JsonbValue *source, const char *where)
{
	bool		good;
	JsonbValue	buckets;
	JsonbValue	bound;

	if (!ow_field_get(source, "Buckets", OW_ARRAY, &buckets))
		return;
	good = ow_json_value_count(&buckets) >= 1 && ow_json_value_count(&buckets) <= OW_METRIC_MAX_BOUNDS;
	measure->bounds = palloc(sizeof(double) * OW_METRIC_MAX_BOUNDS);
	for (int i = 0; good && ow_json_value_element(&buckets, i, &bound); i++)
	{
		good = bound.type == jbvNumeric;
		if (!good)
			break;
		measure->bounds[i] = ow_json_value_double(&bound);
		good = !isinf(measure->bounds[i]) && (i == 0 || measure->bounds[i] > measure->bounds[i - 1]);
		measure->nbounds = i + 1;
	}
	if (!good)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidValue", ow_where_member(where, "Buckets"),
					   "They are the buckets' upper bounds; one without a bound comes by itself.",
					   "field \"Buckets\" in %s must be 1 to %d numbers, each greater than the one before", ow_where_subject(where),
					   OW_METRIC_MAX_BOUNDS);
	else if (measure->kind != OW_MEASURE_HISTOGRAM)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidValue", ow_where_member(where, "Buckets"), NULL,
					   "field \"Buckets\" in %s is one of histograms", ow_where_subject(where));
}

static bool
read_status(const JsonbValue *value, int *statuses)
{
	char	   *name = value->type == jbvString ? ow_json_value_cstring(value) : NULL;

	for (int status = OW_STATUS_COMPLETED; name != NULL && status <= OW_STATUS_CONTINUED_AS_NEW; status++)
	{
		if (strcmp(name, ow_status_name((OwStatus) status)) != 0)
			continue;
		*statuses |= 1 << status;
		return true;
	}
	return false;
}

static void
compile_on(OwCompiler *compiler, OwMeasure *measure, const JsonbValue *source, const char *where)
{
	bool		good;
	JsonbValue	names;
	JsonbValue	name;

	measure->statuses = ~0;
	if (!ow_field_get(source, "On", OW_ARRAY, &names))
		return;
	measure->statuses = 0;
	good = ow_json_value_count(&names) > 0;
	for (int i = 0; good && ow_json_value_element(&names, i, &name); i++)
		good = read_status(&name, &measure->statuses);
	if (!good)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidValue", ow_where_member(where, "On"),
					   "A run closes as Completed, Failed, Canceled, Terminated, TimedOut or ContinuedAsNew.",
					   "field \"On\" in %s must be an array of the ways in which a run closes", ow_where_subject(where));
}

static void
compile_help(OwCompiler *compiler, OwMeasure *measure, const JsonbValue *source, const char *where)
{
	measure->help = ow_field_string(source, "Help");
	if (measure->help != NULL && strlen(measure->help) >= OW_METRIC_HELP_SIZE)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidValue", ow_where_member(where, "Help"), NULL,
					   "field \"Help\" in %s is longer than %d bytes", ow_where_subject(where), OW_METRIC_HELP_SIZE - 1);
}

/* As Prometheus would have it */
static void
warn_of_total(OwCompiler *compiler, const OwMeasure *measure, const char *where)
{
	bool		counts = measure->kind == OW_MEASURE_COUNTER;

	if (counts != ends_in(measure->name, "_total"))
		ow_problem_add(compiler->problems, OW_SEVERITY_WARNING, "MetricName", where,
					   counts ? psprintf("Name it \"%s_total\".", measure->name) : NULL,
					   "the names of counters end in \"_total\", and no others do: \"%s\"", measure->name);
}

static void
compile_metric(OwCompiler *compiler, char *name, const JsonbValue *source, const char *where)
{
	OwDefinition *definition = compiler->definition;
	OwMeasure  *measure = &definition->measures[definition->nmeasures];
	int			kind;

	compiler->sql = compiler->default_sql;
	check_metric_name(compiler, name, where);
	if ((ow_json_value_is_object(source) && !ow_read_query_language(compiler, source, &compiler->sql, where)) ||
		!ow_fields_check(source, where, compiler->sql ? sql_metric_tables : metric_tables, compiler->problems))
		return;
	kind = ow_field_choice(source, "Type", kind_names, where, compiler->problems);
	if (kind < 0)
		return;
	measure->name = name;
	measure->kind = (OwMeasureKind) kind;
	compile_value(compiler, measure, source, where);
	compile_labels(compiler, measure, source, where);
	compile_buckets(compiler, measure, source, where);
	compile_on(compiler, measure, source, where);
	compile_help(compiler, measure, source, where);
	warn_of_total(compiler, measure, where);
	definition->nmeasures++;
}

/* "Metrics": {name: …}: what is recorded when a run closes, however that comes */
void
ow_compile_metrics(OwCompiler *compiler, const JsonbValue *source)
{
	OwJsonMembers members;
	JsonbValue	metrics;
	JsonbValue	metric;
	char	   *name;

	if (!ow_field_get(source, "Metrics", OW_OBJECT, &metrics))
		return;
	if (ow_json_value_count(&metrics) > MAX_METRICS)
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "TooMany", "Metrics", NULL,
					   "\"Metrics\" has more than %d entries", MAX_METRICS);
		return;
	}
	compiler->definition->measures = palloc0(sizeof(OwMeasure) * Max(ow_json_value_count(&metrics), 1));
	ow_json_members_begin(&members, &metrics);
	while (ow_json_members_next(&members, &name, &metric))
	{
		if (!ow_is_remark(name))
			compile_metric(compiler, name, &metric, ow_where_member("Metrics", name));
	}
	ow_variables_collect_reads(compiler);
}

static bool
has_expression(const OwMeasured *value)
{
	return value->sql != NULL && value->sql->nexpressions > 0;
}

bool
ow_definition_measures_by_sql(const OwDefinition *definition)
{
	for (int i = 0; i < definition->nmeasures; i++)
	{
		const OwMeasure *measure = &definition->measures[i];

		if (has_expression(&measure->value))
			return true;
		for (int label = 0; label < measure->nlabels; label++)
		{
			if (has_expression(&measure->labels[label]))
				return true;
		}
	}
	return false;
}
