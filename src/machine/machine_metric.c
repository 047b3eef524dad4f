/*
 * machine_metric.c
 *		What a run that has closed gives for a metric of its definition.
 *
 * It is evaluated over the run as it ended, and is no part of it: nothing is recorded, and what has no value is for
 * the shell to count, not for the run to fail of.
 */
#include "postgres.h"

#include <math.h>

#include "machine/instant.h"
#include "machine/machine_internal.h"
#include "utils/numeric.h"

/* In microseconds */
static int64
duration(const OwMachine *machine)
{
	return Max(machine->now - machine->run->started_at, 0);
}

static Jsonb *
outcome_error(const OwOutcome *outcome)
{
	OwObject	object;

	if (outcome->error == NULL && outcome->cause == NULL)
		return NULL;
	ow_object_begin(&object);
	ow_object_add_text(&object, "Error", outcome->error ? outcome->error : "");
	ow_object_add_text(&object, "Cause", outcome->cause ? outcome->cause : "");
	return ow_object_end(&object);
}

/* $$ of a run that has closed: also when, how long it took, and of what it failed */
static Jsonb *
make_context(void *arg, const char *member, const char *inner)
{
	OwMachine  *machine = arg;
	Jsonb	   *context = ow_machine_run_context(machine, member, inner);
	Jsonb	   *execution = ow_json_get(context, "Execution");
	JsonbValue	seconds;

	if (execution == NULL)
		return context;
	seconds.type = jbvNumeric;
	seconds.val.numeric = int64_div_fast_to_numeric(duration(machine), 6);
	execution = ow_json_with_member(execution, "Duration", ow_json_from_value(&seconds));
	execution = ow_json_with_member(execution, "StopTime", ow_json_text(ow_instant_format(machine->now)));
	if (ow_json_get(execution, "Error") == NULL && outcome_error(&machine->run->outcome) != NULL)
		execution = ow_json_with_member(execution, "Error", outcome_error(&machine->run->outcome));
	return ow_json_with_member(context, "Execution", execution);
}

/* NULL where the value is missing; false when an expression of SQL has none */
static bool
evaluate(OwMachine *machine, const OwMeasured *measured, Jsonb **value)
{
	const OwHost *host = machine->host;
	OwSqlScope	sql_scope;
	OwScope		scope;
	JsonbValue	found;
	OwFailure	failure;

	*value = measured->fixed;
	if (measured->sql != NULL)
	{
		ow_machine_run_sql_scope(machine, measured->sql, &sql_scope);
		if (measured->sql->uses_context)
			sql_scope.context = make_context(machine, measured->sql->context_member, NULL);
		if (!host->evaluate(host->arg, machine->run, measured->sql, &sql_scope, value, &failure))
			return false;
	}
	else if (measured->path != NULL)
	{
		ow_machine_run_scope(machine, ow_machine_run_data(machine->run), &scope);
		scope.make_context = make_context;
		if (ow_expression_evaluate(measured->path, &scope, &found, &failure))
			*value = ow_json_from_value(&found);
	}
	if (*value != NULL && ow_json_is_null(*value))
		*value = NULL;
	return true;
}

static OwMeasureFault
measure_value(OwMachine *machine, const OwMeasure *measure, double *value)
{
	Jsonb	   *json;
	JsonbValue	number;

	if (!measure->value.given)
	{
		*value = measure->kind == OW_MEASURE_HISTOGRAM ? (double) duration(machine) / USECS_PER_SEC : 1;
		return OW_MEASURE_GOOD;
	}
	if (!evaluate(machine, &measure->value, &json))
		return OW_MEASURE_FAILED;
	if (json == NULL)
		return OW_MEASURE_MISSING;
	ow_json_as_value(json, &number);
	if (number.type != jbvNumeric)
		return OW_MEASURE_NO_NUMBER;
	*value = ow_json_value_double(&number);
	if (isinf(*value) || isnan(*value))
		return OW_MEASURE_NO_NUMBER;
	return measure->kind == OW_MEASURE_COUNTER && *value < 0 ? OW_MEASURE_NEGATIVE : OW_MEASURE_GOOD;
}

/* A label that is missing is empty, which to Prometheus is the same. */
static OwMeasureFault
measure_label(OwMachine *machine, const OwMeasured *label, const char **text)
{
	Jsonb	   *json;
	JsonbValue	value;

	if (!evaluate(machine, label, &json))
		return OW_MEASURE_FAILED;
	*text = "";
	if (json == NULL)
		return OW_MEASURE_GOOD;
	ow_json_as_value(json, &value);
	if (value.type == jbvBinary)
		return OW_MEASURE_LABEL;
	*text = value.type == jbvString ? ow_json_value_cstring(&value) : ow_json_to_cstring(json);
	return OW_MEASURE_GOOD;
}

OwMeasureFault
ow_machine_measure(OwMachine *machine, const OwMeasure *measure, double *value, const char **labels)
{
	OwMeasureFault fault;

	ow_machine_select(machine, NULL);
	fault = measure_value(machine, measure, value);
	for (int i = 0; fault == OW_MEASURE_GOOD && i < measure->nlabels; i++)
		fault = measure_label(machine, &measure->labels[i], &labels[i]);
	return fault;
}

const char *
ow_measure_fault_name(OwMeasureFault fault)
{
	static const char *const names[] = {
		[OW_MEASURE_GOOD] = "none",
		[OW_MEASURE_MISSING] = "missing",
		[OW_MEASURE_NO_NUMBER] = "no_number",
		[OW_MEASURE_NEGATIVE] = "negative",
		[OW_MEASURE_LABEL] = "label",
		[OW_MEASURE_FAILED] = "failed"
	};

	return names[fault];
}
