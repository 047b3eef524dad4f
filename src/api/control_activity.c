/*
 * control_activity.c
 *		SQL-callable: workflow.pause_activity, resume_activity, reset_activity and update_activity_options.
 *
 * Each leaves a message, as those of control.c do, for all attempts of the activity that are pending when the run
 * takes it in; see machine_control.c for what comes of it.
 */
#include "postgres.h"

#include "api/api.h"
#include "catalog/pg_type_d.h"
#include "errors.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_pause_activity);
PG_FUNCTION_INFO_V1(ow_resume_activity);
PG_FUNCTION_INFO_V1(ow_reset_activity);
PG_FUNCTION_INFO_V1(ow_update_activity_options);

/* The activity that is asked about */
typedef struct Target
{
	OwFoundRun *run;
	const OwDefinition *definition;
	char	   *name;			/* of the activity, or of a state */
} Target;

static bool
names(const OwState *state, const char *name)
{
	return state->activity != NULL && (strcmp(state->name, name) == 0 || strcmp(state->activity, name) == 0);
}

static bool
names_compensation(const OwState *state, const char *name)
{
	return state->compensation != NULL &&
		(strcmp(state->name, name) == 0 || strcmp(state->compensation->resource, name) == 0);
}

/* The names of activities and states there are, for a hint */
static const char *
nearest_name(const Target *target)
{
	const OwDefinition *definition = target->definition;
	const char **candidates = palloc(sizeof(char *) * (definition->nstates + definition->nactivities));
	int			count = 0;

	for (int i = 0; i < definition->nstates; i++)
	{
		if (definition->states[i].type == OW_STATE_TASK)
			candidates[count++] = definition->states[i].name;
	}
	for (int i = 0; i < definition->nactivities; i++)
		candidates[count++] = definition->activities[i];
	return ow_nearest_name(target->name, candidates, count);
}

static void
report_unknown(const Target *target)
{
	const char *nearest = nearest_name(target);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("version %d of workflow \"%s\" has no activity \"%s\", nor a state of that name that calls one",
					target->run->version, target->run->workflow, target->name),
			 nearest ? errhint("Perhaps you meant \"%s\".", nearest) : 0));
}

/* The states that have the activity; raises when neither they nor a compensation do. */
static Datum
find_states(const Target *target)
{
	const OwDefinition *definition = target->definition;
	Datum	   *states = palloc(sizeof(Datum) * Max(definition->nstates, 1));
	int			count = 0;
	bool		known = false;

	for (int i = 0; i < definition->nstates; i++)
	{
		const OwState *state = &definition->states[i];

		if (names(state, target->name))
			states[count++] = CStringGetTextDatum(state->name);
		known |= names_compensation(state, target->name);
	}
	if (count == 0 && !known)
		report_unknown(target);
	return PointerGetDatum(construct_array(states, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Reads the first two arguments, and raises unless something of that name is pending that the caller may control. */
static void
find_target(FunctionCallInfo fcinfo, const char *function, Target *target)
{
	PreventCommandIfReadOnly(function);
	target->name = ow_api_text(fcinfo, 1, "activity");
	target->run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_CANCEL);
	ow_api_check_controllable(target->run);
	target->definition = ow_api_definition(target->run->workflow, target->run->version)->definition;
	if (ow_find_is_pending(target->run, find_states(target), target->name))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_STATUS),
			 errmsg("workflow id \"%s\" is not at activity \"%s\"", target->run->workflow_id, target->name),
			 errhint("See workflow.pending_activities for what it is at.")));
}

static Datum
send_request(const Target *target, const char *kind, OwObject *payload)
{
	ow_object_add_text(payload, "activity", target->name);
	(void) ow_message_send(target->run, kind, NULL, ow_object_end(payload), GetUserId());
	PG_RETURN_VOID();
}

/* pause_activity(workflow_id text | run_id uuid, activity text, reason text) */
Datum
ow_pause_activity(PG_FUNCTION_ARGS)
{
	Target		target;
	OwObject	payload;

	find_target(fcinfo, "workflow.pause_activity()", &target);
	ow_object_begin(&payload);
	ow_object_add_text(&payload, "reason", ow_api_optional_text(fcinfo, 2));
	return send_request(&target, "PauseActivity", &payload);
}

/* resume_activity(workflow_id text | run_id uuid, activity text) */
Datum
ow_resume_activity(PG_FUNCTION_ARGS)
{
	Target		target;
	OwObject	payload;

	find_target(fcinfo, "workflow.resume_activity()", &target);
	ow_object_begin(&payload);
	return send_request(&target, "ResumeActivity", &payload);
}

/* reset_activity(workflow_id text | run_id uuid, activity text, keep_paused boolean, reset_heartbeat boolean) */
Datum
ow_reset_activity(PG_FUNCTION_ARGS)
{
	Target		target;
	OwObject	payload;

	find_target(fcinfo, "workflow.reset_activity()", &target);
	ow_object_begin(&payload);
	ow_object_add_bool(&payload, "keep_paused", !PG_ARGISNULL(2) && PG_GETARG_BOOL(2));
	ow_object_add_bool(&payload, "reset_heartbeat", !PG_ARGISNULL(3) && PG_GETARG_BOOL(3));
	return send_request(&target, "ResetActivity", &payload);
}

/* ---- options ---- */

static void
check_options(const Jsonb *given)
{
	OwProblems	problems = {0};

	ow_task_options_check_override(given, "options", &problems);
	if (problems.errors > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid options of an activity"),
				 errdetail("%s", ow_api_problem_lines(&problems))));
}

/* Would the task, done outside, wait for ever for a worker that is gone?  What is looked up later is taken for given. */
static bool
lacks_lease(const Target *target, const OwTaskOptions *own, const char *activity_name, const Jsonb *given)
{
	const OwActivity *activity = ow_catalog_activity(activity_name);
	OwTaskOptions options;

	if (activity == NULL || activity->kind != OW_ACTIVITY_QUEUE)
		return false;
	ow_task_options_merge(&options, own, &target->definition->defaults, &activity->options);
	ow_task_options_override(&options, given);
	return options.start_to_close_ms == OW_UNSET && options.start_to_close_path == NULL &&
		options.heartbeat_ms == OW_UNSET && options.heartbeat_path == NULL;
}

static bool
state_lacks_lease(const Target *target, const OwState *state, const Jsonb *given)
{
	const OwSqlState *sql = state->sql;
	JsonbValue	value;

	if (sql != NULL && ((sql->timeout_seconds != NULL && !ow_json_member(given, "StartToCloseSeconds", &value)) ||
						(sql->heartbeat_seconds != NULL && !ow_json_member(given, "HeartbeatSeconds", &value))))
		return false;
	return lacks_lease(target, &state->options, state->activity, given);
}

static bool
removes(const Jsonb *given, const char *field)
{
	JsonbValue	value;

	return ow_json_member(given, field, &value) && value.type == jbvNull;
}

static void
check_lease(const Target *target, const Jsonb *given)
{
	if (!removes(given, "StartToCloseSeconds") && !removes(given, "HeartbeatSeconds"))
		return;
	for (int i = 0; i < target->definition->nstates; i++)
	{
		const OwState *state = &target->definition->states[i];
		const OwCompensation *compensation = state->compensation;

		if ((names(state, target->name) && state_lacks_lease(target, state, given)) ||
			(names_compensation(state, target->name) &&
			 lacks_lease(target, &compensation->options, compensation->resource, given)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("activity \"%s\" would have neither StartToCloseSeconds nor HeartbeatSeconds", target->name),
					 errdetail("It is done outside: a worker that is gone would be waited for forever.")));
	}
}

/* TimeoutSeconds is another name of StartToCloseSeconds: what is given later replaces either. */
static Jsonb *
with_one_name(const Jsonb *given)
{
	Jsonb	   *timeout = ow_json_get(given, "TimeoutSeconds");

	if (timeout == NULL)
		return ow_json_copy(given);
	return ow_json_with_member(ow_json_without_member(given, "TimeoutSeconds"), "StartToCloseSeconds", timeout);
}

/* update_activity_options(workflow_id text | run_id uuid, activity text, options jsonb) */
Datum
ow_update_activity_options(PG_FUNCTION_ARGS)
{
	Target		target;
	Jsonb	   *given = ow_api_jsonb(fcinfo, 2, "options");
	OwObject	payload;

	find_target(fcinfo, "workflow.update_activity_options()", &target);
	check_options(given);
	given = with_one_name(given);
	check_lease(&target, given);
	ow_object_begin(&payload);
	ow_object_add(&payload, "options", given);
	return send_request(&target, "UpdateActivityOptions", &payload);
}
