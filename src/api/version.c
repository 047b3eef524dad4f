/*
 * version.c
 *		Which version new runs follow: workflow.set_current, set_ramp, deprecate and retire.
 *
 * Each locks the row of the workflow, so that they agree on what is current, ramped and retired.
 */
#include "postgres.h"

#include "access/xact.h"
#include "api/api.h"
#include "errors.h"
#include "miscadmin.h"
#include "store/job.h"
#include "store/registry.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_set_current);
PG_FUNCTION_INFO_V1(ow_set_ramp);
PG_FUNCTION_INFO_V1(ow_deprecate);
PG_FUNCTION_INFO_V1(ow_retire);

/* A workflow whose versions are to be changed; its row is locked. */
typedef struct Target
{
	char	   *workflow;
	const OwCompiled *compiled; /* NULL: no version was named */
	OwCurrentVersions now;
} Target;

static void
check_is_no_job(const char *workflow)
{
	if (ow_job_is_name(workflow))
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("versions of \"%s\" are those of workflow.start_activity()", workflow),
				 errhint("New ones are made with other options; which one a job follows is what it is started with.")));
}

/* Arguments 0 and 1: the workflow and the version */
static Target
lock_target(FunctionCallInfo fcinfo, const char *function, bool may_be_null)
{
	Target		target = {.workflow = ow_api_text(fcinfo, 0, "name")};

	PreventCommandIfReadOnly(function);
	check_is_no_job(target.workflow);
	if (PG_ARGISNULL(1) ? !may_be_null : PG_GETARG_INT32(1) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must be greater than zero")));
	/* raises unless there is such a version; definitions are never removed */
	if (!PG_ARGISNULL(1))
		target.compiled = ow_api_definition(target.workflow, PG_GETARG_INT32(1));
	if (!ow_registry_lock_versions(target.workflow, &target.now))
		(void) ow_api_definition(target.workflow, 0);	/* there is no such workflow */
	ow_api_check_owns(target.workflow, target.now.owner);
	return target;
}

static void
report_retired(const OwCompiled *compiled)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_VERSION_RETIRED),
			 errmsg("version %d of workflow \"%s\" is retired", compiled->version, compiled->workflow),
			 errhint("Take another version, or register the definition again, which brings this one back.")));
}

void
ow_api_hold_version(const OwCompiled *compiled)
{
	bool		deprecated;

	if (!ow_catalog_hold(compiled->definition_id, &deprecated))
		report_retired(compiled);
	if (deprecated)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING_DEPRECATED_FEATURE),
				 errmsg("version %d of workflow \"%s\" is deprecated", compiled->version, compiled->workflow),
				 errhint("Name no version, and the run follows the current one.")));
}

/* The version is wanted: what was said against it no longer holds. */
static void
take_into_use(const Target *target)
{
	bool		deprecated;

	if (!ow_catalog_hold(target->compiled->definition_id, &deprecated))
		report_retired(target->compiled);
	if (deprecated)
		ow_registry_mark_version(target->compiled->definition_id, OW_VERSION_IN_USE);
}

/* set_current(name text, version int) */
Datum
ow_set_current(PG_FUNCTION_ARGS)
{
	Target		target = lock_target(fcinfo, "workflow.set_current()", false);

	take_into_use(&target);
	ow_registry_make_current(target.workflow, target.compiled->version);
	ow_catalog_changed();
	if (target.now.current == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(target.now.current);
}

/* ---- ramp ---- */

static void
check_ramp(const Target *target)
{
	if (target->compiled == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must be greater than zero"),
				 errhint("Without a version, percent must be 0: that ends the ramp.")));
	if (target->now.current == 0)
		ow_api_report_no_version(target->workflow, 0, ow_registry_last_version(target->workflow));
	if (target->compiled->version == target->now.current)
		ereport(ERROR,
				(errcode(ERRCODE_OW_VERSION_IN_USE),
				 errmsg("version %d of workflow \"%s\" is current already", target->now.current, target->workflow),
				 errdetail("What a ramp does not take goes to the current version.")));
}

/* set_ramp(name text, version int, percent float8) */
Datum
ow_set_ramp(PG_FUNCTION_ARGS)
{
	double		percent = ow_api_percent(fcinfo, 2, 0);
	Target		target = lock_target(fcinfo, "workflow.set_ramp()", true);

	if (percent > 0)
	{
		check_ramp(&target);
		take_into_use(&target);
		ow_registry_set_ramp(target.workflow, target.compiled->version, percent);
	}
	else
		ow_registry_set_ramp(target.workflow, 0, 0);
	ow_catalog_changed();
	PG_RETURN_VOID();
}

/* ---- deprecate, retire ---- */

static void
report_in_use(const Target *target, const char *wanted, const char *how, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_VERSION_IN_USE),
			 errmsg("version %d of workflow \"%s\" cannot be %s", target->compiled->version, target->workflow, wanted),
			 errdetail("%s", how),
			 errhint("%s", hint)));
}

static void
check_takes_no_new_runs(const Target *target, const char *wanted)
{
	if (target->compiled->version == target->now.current)
		report_in_use(target, wanted, "It is the one that new runs follow.",
					  "Make another one current with workflow.set_current().");
	if (target->compiled->version == target->now.ramp)
		report_in_use(target, wanted, psprintf("It is the one that %g %% of the new runs follow.", target->now.percent),
					  "End the ramp with workflow.set_ramp(…, 0).");
}

/* deprecate(name text, version int) */
Datum
ow_deprecate(PG_FUNCTION_ARGS)
{
	Target		target = lock_target(fcinfo, "workflow.deprecate()", false);
	bool		deprecated;

	check_takes_no_new_runs(&target, "deprecated");
	if (!ow_catalog_hold(target.compiled->definition_id, &deprecated))
		report_retired(target.compiled);
	if (!deprecated)
		ow_registry_mark_version(target.compiled->definition_id, OW_VERSION_DEPRECATED);
	PG_RETURN_VOID();
}

/* retire(name text, version int) */
Datum
ow_retire(PG_FUNCTION_ARGS)
{
	Target		target;
	int64		open;

	/* with a snapshot of before, runs that were started since would not be seen */
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("workflow.retire() needs the isolation level READ COMMITTED")));
	target = lock_target(fcinfo, "workflow.retire()", false);
	check_takes_no_new_runs(&target, "retired");
	ow_catalog_let_go(target.compiled->definition_id);
	open = ow_registry_count_runs(target.compiled->definition_id);
	if (open > 0)
		report_in_use(&target, "retired",
					  psprintf(open == 1 ? "One run on it has not ended." : INT64_FORMAT " runs on it have not ended.", open),
					  "The view workflow.version_usage shows how many there are still; workflow.deprecate() warns whoever starts more.");
	ow_registry_mark_version(target.compiled->definition_id, OW_VERSION_RETIRED);
	ow_catalog_changed();
	PG_RETURN_VOID();
}
