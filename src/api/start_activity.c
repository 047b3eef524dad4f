/*
 * start_activity.c
 *		workflow.start_activity and workflow.start_activities: jobs, without a workflow of the user's own.
 *
 * A job is a run of a definition that is nothing but this activity with these options (store/job.h), and from there
 * on a run as any other.  It executes as the role that starts it, which must own the activity or have been granted
 * it; options are checked when they are new, or when something that they depend on may have changed.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/clock.h"
#include "errors.h"
#include "fmgr.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/job.h"

PG_FUNCTION_INFO_V1(ow_start_activity);
PG_FUNCTION_INFO_V1(ow_start_activities);

/* Of both functions; the rest are those of start and start_many */
enum
{
	ARG_ACTIVITY = 0,
	ARG_OPTIONS = 3
};

static void
report_not_registered(const char *activity)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_ACTIVITY_NOT_REGISTERED),
			 errmsg("activity \"%s\" is not registered", activity),
			 errhint("Register it with workflow.register_activity().")));
}

/* Of a name that was registered, but that no definition can use */
static void
report_name(const char *activity)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_NAME),
			 errmsg("activity \"%s\" cannot be started because of its name", activity),
			 errdetail("As the Resource of a Task it means something else."),
			 errhint("Register it under another name.")));
}

static void
check_activity(const char *activity)
{
	const OwActivity *registered = ow_catalog_activity(activity);

	if (registered == NULL && !ow_clock_is_virtual())	/* a test may mock what is not there yet */
		report_not_registered(activity);
	if (registered != NULL && !ow_catalog_may_use(GetUserId(), registered, DT_NOEND))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to start activity \"%s\"", activity),
				 errhint("Its owner can allow it with workflow.grant_activity(). Superusers need that, too, as it runs as the role that starts it.")));
}

/* Warnings are of what the user cannot see. */
static void
check_problems(const char *activity, OwProblems *problems)
{
	ListCell   *cell;

	if (problems->errors == 0)
		return;
	foreach(cell, problems->list)
	{
		if (((OwProblem *) lfirst(cell))->severity != OW_SEVERITY_ERROR)
			problems->list = foreach_delete_current(problems->list, cell);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("activity \"%s\" cannot be started with these options", activity),
			 errdetail("%s", ow_api_problem_lines(problems)),
			 errhint("Options are the fields of a Task that say how it is run, such as Retry.")));
}

/* Makes the definition, with everything checked that registering it would check. */
static Jsonb *
make_definition(const char *activity, const Jsonb *options)
{
	OwProblems	problems = {0};
	Jsonb	   *definition = ow_job_definition(activity, options, &problems);

	check_problems(activity, &problems);
	ow_api_check_definition(definition, GetUserId(), &problems);
	check_problems(activity, &problems);
	if (!ow_job_names_activity(ow_definition_compile(definition, &problems), activity))
		report_name(activity);
	ow_api_check_can_log_in(GetUserId());
	return definition;
}

static const OwCompiled *
find_definition(FunctionCallInfo fcinfo)
{
	char	   *activity = ow_api_text(fcinfo, ARG_ACTIVITY, "activity");
	Jsonb	   *options = PG_ARGISNULL(ARG_OPTIONS) ? ow_json_empty_object() : PG_GETARG_JSONB_P(ARG_OPTIONS);
	const OwCompiled *compiled;

	ow_api_check_name("an activity", activity);
	check_activity(activity);
	compiled = ow_job_cached(GetUserId(), activity, options);
	if (compiled == NULL)
		compiled = ow_job_find(GetUserId(), activity, options, make_definition(activity, options));
	if (compiled == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("activity \"%s\" has been started with too many different options", activity),
				 errdetail("Each are kept like a version of a definition, at most %d.", OW_MAX_JOB_VERSIONS),
				 errhint("Let what differs from job to job be part of the input, from where \"TimeoutSecondsPath\", \"HeartbeatSecondsPath\" and a path as \"FairnessKey\" take it.")));
	return compiled;
}

/* start_activity(activity text, input jsonb, workflow_id text, options jsonb, …) */
Datum
ow_start_activity(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.start_activity()");
	return ow_api_start(fcinfo, find_definition(fcinfo));
}

/* start_activities(activity text, inputs jsonb[], workflow_ids text[], options jsonb) */
Datum
ow_start_activities(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("workflow.start_activities()");
	return ow_api_start_many(fcinfo, find_definition(fcinfo));
}
