/*
 * schedule.c
 *		Schedules: making, changing and driving them.
 *
 * What concerns pg_cron is in SQL (sql/functions/48_schedule.sql), since it may be there or not.
 */
#include "postgres.h"

#include "api/api.h"
#include "api/start_options.h"
#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "engine/schedule.h"
#include "errors.h"
#include "funcapi.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/identity.h"
#include "store/schedule.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ow_put_schedule);
PG_FUNCTION_INFO_V1(ow_remove_schedule);
PG_FUNCTION_INFO_V1(ow_pause_schedule);
PG_FUNCTION_INFO_V1(ow_resume_schedule);
PG_FUNCTION_INFO_V1(ow_trigger_schedule);
PG_FUNCTION_INFO_V1(ow_backfill_schedule);
PG_FUNCTION_INFO_V1(ow_schedule_tick);
PG_FUNCTION_INFO_V1(ow_cron_times);
PG_FUNCTION_INFO_V1(ow_cron_fields_sql);
PG_FUNCTION_INFO_V1(ow_pg_cron_database);

/* Of put_schedule, before those that are columns, and after */
enum
{
	ARG_CREATE,
	ARG_NAME,
	ARG_COLUMNS,
	ARG_PAUSED = ARG_COLUMNS + SCHEDULE_ARGUMENTS
};

/* Times of one backfill */
#define MOST_BACKFILLED 10000

/* Bytes that follow the prefix in a workflow id */
#define ID_SUFFIX 40

/* ---- arguments ---- */

static void
read_cron(const char *text, OwCron *cron)
{
	char	   *problem = ow_cron_parse(text, cron);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid cron expression: \"%s\"", text),
				 errdetail("%s", problem),
				 errhint("Its fields are minute, hour, day of the month, month and day of the week, as in \"30 6 * * mon-fri\".")));
}

static void
check_cron(const char *text)
{
	OwCron		cron;

	read_cron(text, &cron);
	if (ow_cron_next(&cron, ow_clock_now(), ow_schedule_zone()) == DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cron expression \"%s\" is never due", text),
				 errdetail("There is no such time in the next ten years.")));
}

static OwOverlap
read_overlap(const char *name)
{
	OwOverlap	overlap;

	if (!ow_overlap_find(name, &overlap))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for overlap: \"%s\"", name),
				 errhint("Use \"Skip\", \"BufferOne\", \"BufferAll\", \"CancelOther\", \"TerminateOther\" or \"AllowAll\".")));
	return overlap;
}

static void
check_interval(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Interval	zero = {0};

	if (!PG_ARGISNULL(argument) &&
		DatumGetBool(DirectFunctionCall2(interval_lt, PG_GETARG_DATUM(argument), IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
}

static void
check_number(FunctionCallInfo fcinfo, int argument, const char *name, int lowest)
{
	if (!PG_ARGISNULL(argument) && PG_GETARG_INT32(argument) < lowest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be less than %d", name, lowest)));
}

/* The workflow that owner's schedule is to start, so that it can, as far as one can tell now */
static void
check_workflow(const char *workflow, int version, Jsonb *input, const Jsonb *search_attributes, Oid owner)
{
	const OwCompiled *compiled = ow_api_definition(workflow, version);
	OwNewRun	run = {.compiled = compiled, .input = input};

	ow_api_check_may(owner, workflow, compiled->owner, OW_PRIVILEGE_START, "start");
	ow_api_check_activities(compiled);
	ow_api_check_input(compiled, input);
	ow_start_describe(&run, search_attributes);
}

/* A JSON null, and 0, say that there are none. */
static void
check_run_options(const Jsonb *retry, int priority)
{
	if (retry != NULL && !ow_json_equal(retry, ow_json_null()))
		(void) ow_start_check_retry(retry);
	if (priority != 0)
		(void) ow_start_check_priority(priority);
}

static void
check_columns(FunctionCallInfo fcinfo)
{
	char	   *workflow_id = ow_api_optional_text(fcinfo, ARG_COLUMNS + SCHEDULE_WORKFLOW_ID);

	if (!PG_ARGISNULL(ARG_COLUMNS + SCHEDULE_CRON))
		check_cron(ow_api_text(fcinfo, ARG_COLUMNS + SCHEDULE_CRON, "cron"));
	if (!PG_ARGISNULL(ARG_COLUMNS + SCHEDULE_OVERLAP))
		(void) read_overlap(ow_api_text(fcinfo, ARG_COLUMNS + SCHEDULE_OVERLAP, "overlap"));
	check_number(fcinfo, ARG_COLUMNS + SCHEDULE_VERSION, "version", 0);
	check_number(fcinfo, ARG_COLUMNS + SCHEDULE_REMAINING_ACTIONS, "remaining_actions", -1);
	check_interval(fcinfo, ARG_COLUMNS + SCHEDULE_CATCHUP_WINDOW, "catchup_window");
	check_interval(fcinfo, ARG_COLUMNS + SCHEDULE_JITTER, "jitter");
	check_interval(fcinfo, ARG_COLUMNS + SCHEDULE_EXECUTION_TIMEOUT, "execution_timeout");
	check_interval(fcinfo, ARG_COLUMNS + SCHEDULE_RUN_TIMEOUT, "run_timeout");
	check_run_options(ow_api_optional_jsonb(fcinfo, ARG_COLUMNS + SCHEDULE_RETRY),
					  PG_ARGISNULL(ARG_COLUMNS + SCHEDULE_PRIORITY) ? 0 : PG_GETARG_INT32(ARG_COLUMNS + SCHEDULE_PRIORITY));
	if (workflow_id == NULL)
		return;
	ow_api_check_id("workflow_id", workflow_id);
	if (strlen(workflow_id) > OW_MAX_ID_LENGTH - ID_SUFFIX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("workflow_id of a schedule is too long"),
				 errdetail("The time is added to it.")));
}

/* A schedule that the current user may change */
static OwRunRef
own_schedule(FunctionCallInfo fcinfo, int argument)
{
	char	   *name = ow_api_text(fcinfo, argument, "name");
	OwRunRef	ref;
	Oid			owner;

	if (!ow_schedule_find(name, &ref, &owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("schedule \"%s\" does not exist", name)));
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of schedule \"%s\"", name)));
	return ref;
}

/* ---- making and changing ---- */

static OwRunRef
create(FunctionCallInfo fcinfo, const Datum *values, const bool *nulls)
{
	char	   *name = ow_api_text(fcinfo, ARG_NAME, "name");
	OwRunRef	ref;

	ow_api_check_name("a schedule", name);
	(void) ow_api_text(fcinfo, ARG_COLUMNS + SCHEDULE_CRON, "cron");
	check_workflow(ow_api_text(fcinfo, ARG_COLUMNS + SCHEDULE_WORKFLOW, "workflow"),
				   nulls[SCHEDULE_VERSION] ? 0 : DatumGetInt32(values[SCHEDULE_VERSION]),
				   ow_api_jsonb(fcinfo, ARG_COLUMNS + SCHEDULE_INPUT, "input"),
				   ow_api_optional_jsonb(fcinfo, ARG_COLUMNS + SCHEDULE_SEARCH_ATTRIBUTES), GetUserId());
	ow_api_check_can_log_in(GetUserId());
	ow_identity_claim();
	if (!ow_schedule_insert(name, GetUserId(), values, nulls, &ref))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("schedule \"%s\" already exists", name),
				 errhint("Change it with workflow.update_schedule().")));
	return ref;
}

/* What the settings so far say of times up to now is done first. */
static OwRunRef
change(FunctionCallInfo fcinfo, const Datum *values, const bool *nulls)
{
	OwRunRef	ref = own_schedule(fcinfo, ARG_NAME);
	OwSchedule *schedule;
	bool		locked;

	(void) ow_schedule_drive(&ref, true, NULL);
	ow_schedule_update(&ref, values, nulls);
	schedule = ow_schedule_lock(&ref, true, &locked);
	if (schedule != NULL)
		check_workflow(schedule->workflow, schedule->version, schedule->input, schedule->search_attributes, schedule->owner);
	return ref;
}

/*
 * put_schedule(create boolean, name text, …, paused boolean): makes a schedule, or changes one.  Returns whether it is
 * for pg_cron to drive.
 */
Datum
ow_put_schedule(PG_FUNCTION_ARGS)
{
	Datum		values[SCHEDULE_ARGUMENTS];
	bool		nulls[SCHEDULE_ARGUMENTS];
	OwRunRef	ref;

	PreventCommandIfReadOnly("workflow.put_schedule()");
	check_columns(fcinfo);
	for (int i = 0; i < SCHEDULE_ARGUMENTS; i++)
	{
		values[i] = fcinfo->args[ARG_COLUMNS + i].value;
		nulls[i] = PG_ARGISNULL(ARG_COLUMNS + i);
	}
	ref = PG_GETARG_BOOL(ARG_CREATE) ? create(fcinfo, values, nulls) : change(fcinfo, values, nulls);
	if (!PG_ARGISNULL(ARG_PAUSED) && PG_GETARG_BOOL(ARG_PAUSED))
		ow_schedule_pause(&ref, NULL);
	(void) ow_schedule_drive(&ref, true, NULL);
	PG_RETURN_BOOL(!ow_clock_is_virtual());
}

/* remove_schedule(name text) */
Datum
ow_remove_schedule(PG_FUNCTION_ARGS)
{
	OwRunRef	ref;

	PreventCommandIfReadOnly("workflow.delete_schedule()");
	ref = own_schedule(fcinfo, 0);
	ow_schedule_delete(&ref);
	PG_RETURN_BOOL(!ow_clock_is_virtual());
}

/* pause_schedule(name text, reason text): what was due before is still done. */
Datum
ow_pause_schedule(PG_FUNCTION_ARGS)
{
	OwRunRef	ref;

	PreventCommandIfReadOnly("workflow.pause_schedule()");
	ref = own_schedule(fcinfo, 0);
	(void) ow_schedule_drive(&ref, true, NULL);
	ow_schedule_pause(&ref, ow_api_optional_text(fcinfo, 1));
	(void) ow_schedule_drive(&ref, true, NULL);
	PG_RETURN_VOID();
}

/* resume_schedule(name text) */
Datum
ow_resume_schedule(PG_FUNCTION_ARGS)
{
	OwRunRef	ref;
	OwSchedule *schedule;
	bool		locked;

	PreventCommandIfReadOnly("workflow.resume_schedule()");
	ref = own_schedule(fcinfo, 0);
	schedule = ow_schedule_lock(&ref, true, &locked);
	if (schedule == NULL || !schedule->paused)
		PG_RETURN_VOID();
	ow_schedule_resume(&ref);
	(void) ow_schedule_drive(&ref, true, NULL);
	PG_RETURN_VOID();
}

/* ---- driving ---- */

static void
request(FunctionCallInfo fcinfo, const OwRunRef *ref, int overlap_argument, OwScheduleRequest *request)
{
	request->has_overlap = !PG_ARGISNULL(overlap_argument);
	if (request->has_overlap)
		request->overlap = read_overlap(ow_api_text(fcinfo, overlap_argument, "overlap"));
	(void) ow_schedule_drive(ref, true, request);
}

/* trigger_schedule(name text, overlap text): the run id; null when nothing was started yet */
Datum
ow_trigger_schedule(PG_FUNCTION_ARGS)
{
	TimestampTz now = ow_clock_now();
	OwScheduleRequest trigger = {.times = &now, .count = 1, .moves = true};
	OwRunRef	ref;
	pg_uuid_t  *run_id = palloc(sizeof(pg_uuid_t));

	PreventCommandIfReadOnly("workflow.trigger_schedule()");
	ref = own_schedule(fcinfo, 0);
	request(fcinfo, &ref, 1, &trigger);
	if (trigger.started == 0)
		PG_RETURN_NULL();
	*run_id = trigger.run_id;
	PG_RETURN_UUID_P(run_id);
}

/* All times from one to another, both included */
static TimestampTz *
times_between(const char *text, TimestampTz from, TimestampTz to, int *count)
{
	TimestampTz *times = palloc(sizeof(TimestampTz) * MOST_BACKFILLED);
	OwCron		cron;

	read_cron(text, &cron);
	*count = 0;
	for (TimestampTz time = ow_cron_next(&cron, from - 1, ow_schedule_zone()); time <= to && time != DT_NOEND;
		 time = ow_cron_next(&cron, time, ow_schedule_zone()))
	{
		if (*count == MOST_BACKFILLED)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many times to backfill"),
					 errdetail("At most %d are done at once.", MOST_BACKFILLED),
					 errhint("Divide the range.")));
		times[(*count)++] = time;
	}
	return times;
}

/* backfill_schedule(name text, from_time timestamptz, to_time timestamptz, overlap text): how many runs were started */
Datum
ow_backfill_schedule(PG_FUNCTION_ARGS)
{
	OwScheduleRequest backfill = {0};
	OwSchedule *schedule;
	OwRunRef	ref;
	bool		locked;

	PreventCommandIfReadOnly("workflow.backfill_schedule()");
	ref = own_schedule(fcinfo, 0);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(1)) ||
		TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(2)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_time and to_time must be given, and finite")));
	if (PG_GETARG_TIMESTAMPTZ(2) > ow_clock_now())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("to_time must not be in the future")));
	schedule = ow_schedule_lock(&ref, true, &locked);
	if (schedule == NULL)
		PG_RETURN_INT32(0);
	backfill.times = times_between(schedule->cron, PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_TIMESTAMPTZ(2), &backfill.count);
	request(fcinfo, &ref, 3, &backfill);
	PG_RETURN_INT32(backfill.started);
}

/* schedule_tick(name text): how many runs were started */
Datum
ow_schedule_tick(PG_FUNCTION_ARGS)
{
	OwRunRef	ref;

	PreventCommandIfReadOnly("workflow.schedule_tick()");
	ref = own_schedule(fcinfo, 0);
	if (ow_identity_is_foreign())
	{
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("no schedule runs in a copy of another database"),
				 errhint("If this is the one to run, call workflow.resume_engine().")));
		PG_RETURN_INT32(0);
	}
	PG_RETURN_INT32(ow_schedule_drive(&ref, true, NULL));
}

/* ---- cron ---- */

/* cron_times(cron text, after timestamptz, count int) */
Datum
ow_cron_times(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz time = PG_ARGISNULL(1) ? ow_clock_now() : PG_GETARG_TIMESTAMPTZ(1);
	int			count = PG_ARGISNULL(2) ? 1 : PG_GETARG_INT32(2);
	OwCron		cron;

	read_cron(ow_api_text(fcinfo, 0, "cron"), &cron);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < count; i++)
	{
		Datum		value;
		bool		isnull = false;

		CHECK_FOR_INTERRUPTS();
		time = ow_cron_next(&cron, time, ow_schedule_zone());
		if (time == DT_NOEND)
			break;
		value = TimestampTzGetDatum(time);
		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}

/* cron_fields(cron text): the five fields of @daily and such */
Datum
ow_cron_fields_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(ow_cron_fields(ow_api_text(fcinfo, 0, "cron"))));
}

/* pg_cron_database(): where its jobs are; null when the server does not run it */
Datum
ow_pg_cron_database(PG_FUNCTION_ARGS)
{
	const char *database = GetConfigOption("cron.database_name", true, false);

	if (database == NULL || GetConfigOption("cron.max_running_jobs", true, false) == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(database));
}
