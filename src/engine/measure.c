/*
 * measure.c
 *		The metrics that definitions declare, recorded when a run closes.
 *
 * They are evaluated after the run was written, and are no part of it: what has no value is counted, with the reason.
 * Expressions of SQL are evaluated where they may be: in a session of the run's owner.  A session of another role closes
 * such a run only when it resets it, or starts another in its place.
 */
#include "postgres.h"

#include "engine/measure.h"
#include "engine/session.h"
#include "engine/sql_expression.h"
#include "worker/crash_map.h"
#include "worker/metrics.h"

static bool
evaluate(void *arg, const OwRun *run, const OwSqlTemplate *template, const OwSqlScope *scope, Jsonb **value,
		 OwFailure *failure)
{
	const OwLoadedRun *loaded = arg;

	if (template->nexpressions > 0 && !ow_session_is_of(loaded->owner))
		return ow_fail(failure, OW_ERROR_RUNTIME, "this is no session of the workflow's owner");
	return ow_sql_evaluate(template, scope, loaded->owner, value, failure);
}

static OwMetric
metric_of(OwMeasureKind kind)
{
	switch (kind)
	{
		case OW_MEASURE_COUNTER:
			return OW_METRIC_COUNTER;
		case OW_MEASURE_GAUGE:
			return OW_METRIC_GAUGE;
		default:
			return OW_METRIC_HISTOGRAM;
	}
}

static char *
labels_text(const OwRun *run, const OwMeasure *measure, const char *const *values)
{
	StringInfoData labels;

	initStringInfo(&labels);
	appendStringInfoChar(&labels, '{');
	ow_metric_append_label(&labels, "workflow", run->workflow);
	ow_metric_append_label(&labels, "version", psprintf("%d", run->version));
	for (int i = 0; i < measure->nlabels; i++)
		ow_metric_append_label(&labels, measure->labels[i].name, values[i]);
	appendStringInfoChar(&labels, '}');
	return labels.data;
}

static void
measure_one(OwMachine *machine, const OwMeasure *measure, Oid owner)
{
	const char **values = palloc0(sizeof(char *) * Max(measure->nlabels, 1));
	OwCustomMetric custom = {
		.metric = metric_of(measure->kind),
		.name = measure->name,
		.help = measure->help,
		.nbounds = measure->nbounds,
		.bounds = measure->bounds
	};
	double		value;
	OwMeasureFault fault = ow_machine_measure(machine, measure, &value, values);

	if (fault == OW_MEASURE_GOOD)
	{
		custom.labels = labels_text(machine->run, measure, values);
		if (strlen(custom.labels) >= OW_METRIC_LABELS_SIZE)
			fault = OW_MEASURE_LABEL;
	}
	if (fault == OW_MEASURE_GOOD)
		ow_metric_note_custom(&custom, owner, value);
	else
		ow_metric_note(OW_METRIC_UNUSABLE, owner, 1, machine->run->workflow, measure->name, ow_measure_fault_name(fault));
}

void
ow_measure_run(const OwLoadedRun *loaded, TimestampTz closed_at)
{
	/* nothing of the run is changed */
	OwLoadedRun *run = unconstify(OwLoadedRun *, loaded);
	OwHost		host = {.evaluate = evaluate, .arg = run};
	OwMachine	machine = ow_run_machine(run, &host);
	const OwDefinition *definition = machine.definition;

	machine.now = closed_at;
	ow_crash_map_enter(loaded->owner, &loaded->ref, "");
	for (int i = 0; i < definition->nmeasures; i++)
	{
		if (definition->measures[i].statuses & (1 << loaded->run.status))
			measure_one(&machine, &definition->measures[i], loaded->owner);
	}
	ow_crash_map_leave();
}
