/*
 * observe.c
 *		What has happened to runs, for those who count.
 *
 * All that happens is an event of some run, and all events pass here on their way into history: nothing else need be
 * asked, nothing counted on the way, and what was rolled back was never an event.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/measure.h"
#include "engine/observe.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/run.h"
#include "utils/timestamp.h"
#include "worker/metrics.h"

static double
seconds_between(TimestampTz from, TimestampTz to)
{
	return (double) Max(to - from, 0) / USECS_PER_SEC;
}

static const char *
version_text(const OwRun *run)
{
	return psprintf("%d", run->version);
}

/* When an attempt that was not queued was scheduled: it ends in the transaction that it begins in.  0: in another */
static TimestampTz
scheduled_at(const List *events, int end)
{
	const OwHistoryEvent *ended = list_nth(events, end);

	for (int i = end - 1; i >= 0; i--)
	{
		const OwHistoryEvent *event = list_nth(events, i);

		if (event->branch == ended->branch)
			return strcmp(event->type, "ActivityTaskScheduled") == 0 ? event->time : 0;
	}
	return 0;
}

TimestampTz
ow_observe_attempt_began(const List *events, int end)
{
	const OwHistoryEvent *event = list_nth(events, end);

	return event->queued_at != 0 ? event->taken_at : scheduled_at(events, end);
}

static const char *
outcome_of(const OwHistoryEvent *event)
{
	static const struct
	{
		const char *type;
		const char *outcome;
	}			outcomes[] = {
		{"ActivityTaskCompleted", "completed"},
		{"ActivityTaskFailed", "failed"},
		{"ActivityTaskTimedOut", "timed_out"},
		{"ActivityTaskCanceled", "canceled"}
	};

	for (int i = 0; i < (int) lengthof(outcomes); i++)
	{
		if (strcmp(event->type, outcomes[i].type) == 0)
			return outcomes[i].outcome;
	}
	return NULL;
}

static bool
timed_out_of_heartbeats(const OwHistoryEvent *event)
{
	const char *error = strcmp(event->type, "ActivityTaskTimedOut") == 0 ? ow_json_get_string(event->attributes, "error") : NULL;

	return error != NULL && strcmp(error, OW_ERROR_HEARTBEAT_TIMEOUT) == 0;
}

static void
observe_attempt(const OwLoadedRun *loaded, int n)
{
	const OwHistoryEvent *event = list_nth(loaded->events, n);
	const char *outcome = outcome_of(event);
	TimestampTz began_at = ow_observe_attempt_began(loaded->events, n);
	bool		failed;

	if (outcome == NULL || event->activity == NULL)
		return;
	ow_metric_note(OW_METRIC_ACTIVITY_ATTEMPTS, loaded->owner, 1, event->activity, outcome, NULL);
	if (began_at != 0)
		ow_metric_note(OW_METRIC_ACTIVITY_SECONDS, loaded->owner, seconds_between(began_at, event->time), event->activity,
					   NULL, NULL);
	if (event->taken_at != 0)
		ow_metric_note(OW_METRIC_ACTIVITY_WAIT_SECONDS, loaded->owner, seconds_between(event->queued_at, event->taken_at),
					   event->activity, NULL, NULL);
	if (timed_out_of_heartbeats(event))
		ow_metric_note(OW_METRIC_HEARTBEATS_MISSED, loaded->owner, 1, event->activity, NULL, NULL);
	failed = *outcome == 'f' || *outcome == 't';
	if (failed && ow_json_get(event->attributes, "retry_at") != NULL)
		ow_metric_note(OW_METRIC_ACTIVITY_RETRIES, loaded->owner, 1, event->activity, NULL, NULL);
	else if (failed && ow_json_get(event->attributes, "compensation") != NULL)
		ow_metric_note(OW_METRIC_COMPENSATIONS_FAILED, loaded->owner, 1, loaded->run.workflow, NULL, NULL);
}

/* Of events that are of the run as a whole; "WorkflowExecution" is behind us */
static void
observe_execution(const OwLoadedRun *loaded, const OwHistoryEvent *event, const char *what)
{
	const OwRun *run = &loaded->run;

	if (strcmp(what, "Started") == 0)
		ow_metric_note(OW_METRIC_EXECUTIONS_STARTED, loaded->owner, 1, run->workflow, version_text(run), NULL);
	else if (strcmp(what, "Signaled") == 0)
		ow_metric_note(OW_METRIC_SIGNALS, loaded->owner, 1, run->workflow,
					   ow_json_get_string(event->attributes, "signal"), NULL);
	else if (strcmp(what, ow_status_name(run->status)) == 0)
	{
		ow_metric_note(OW_METRIC_EXECUTIONS_CLOSED, loaded->owner, 1, run->workflow, version_text(run), what);
		ow_metric_note(OW_METRIC_EXECUTION_SECONDS, loaded->owner, seconds_between(run->started_at, event->time),
					   run->workflow, version_text(run), NULL);
		if (loaded->compiled != NULL && loaded->compiled->definition->nmeasures > 0)
			ow_measure_run(loaded, event->time);
	}
}

static void
observe_run(const OwLoadedRun *loaded)
{
	static const char execution[] = "WorkflowExecution";

	for (int i = 0; i < list_length(loaded->events); i++)
	{
		const OwHistoryEvent *event = list_nth(loaded->events, i);

		if (strncmp(event->type, execution, sizeof(execution) - 1) == 0)
			observe_execution(loaded, event, event->type + sizeof(execution) - 1);
		else if (strcmp(event->type, "WorkflowTaskFailed") == 0)
			ow_metric_note(OW_METRIC_STUCK, loaded->owner, 1, loaded->run.workflow, version_text(&loaded->run), NULL);
		else
			observe_attempt(loaded, i);
	}
}

void
ow_observe_runs(List *runs)
{
	ListCell   *cell;

	if (!ow_metrics_wanted())
		return;
	foreach(cell, runs)
		observe_run(lfirst(cell));
}

void
ow_observe_batch(int runs)
{
	Oid			owner = GetSessionUserId();

	ow_metric_note(OW_METRIC_BATCH_RUNS, owner, runs, NULL, NULL, NULL);
	ow_metric_note(OW_METRIC_EXECUTOR_SECONDS, owner,
				   seconds_between(GetCurrentTransactionStartTimestamp(), GetCurrentTimestamp()), NULL, NULL, NULL);
}
