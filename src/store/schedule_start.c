/*
 * schedule_start.c
 *		Starting a schedule's runs, by the functions that anybody calls.
 *
 * So what holds for starting a workflow, its privileges above all, holds for schedules.  What only a schedule's run
 * knows, workflow.start asks for while it is called from here.  The calls hold no operator, which the search path of the
 * session could decide on.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "executor/spi.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "store/schedule.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#define START_ARGUMENTS 12

static const char *const start_run =
"SELECT workflow.start(workflow => $1, input => $2, workflow_id => $3, version => $4, start_delay => $5,"
"                      execution_timeout => $6, memo => $7, request_id => $8, run_timeout => $9, retry => $10,"
"                      priority => $11, search_attributes => $12)";

static const char *const cancel_run = "SELECT workflow.cancel($1, $2)";
static const char *const terminate_run = "SELECT workflow.terminate($1, $2)";

static const OwSchedule *starting = NULL;
static TimestampTz starting_for;

Jsonb *
ow_schedule_starting(void)
{
	OwObject	object;

	if (starting == NULL)
		return NULL;
	ow_object_begin(&object);
	ow_object_add_text(&object, "Name", starting->name);
	ow_object_add_text(&object, "ScheduledTime", ow_instant_format(starting_for));
	return ow_object_end(&object);
}

static void
call(const char *sql, int count, Oid *types, Datum *values, const char *nulls)
{
	if (SPI_execute_with_args(sql, count, types, values, nulls, false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not execute: %s", sql);
}

/* An interval that says something, else null */
static void
set_interval(Datum *value, char *null, Datum interval)
{
	Interval	zero = {0};

	*value = interval;
	if (DatumGetBool(DirectFunctionCall2(interval_eq, interval, IntervalPGetDatum(&zero))))
		*null = 'n';
}

static void
set_json(Datum *value, char *null, const Jsonb *json)
{
	*value = JsonbPGetDatum(json);
	if (json == NULL)
		*null = 'n';
}

static void
set_int(Datum *value, char *null, int number)
{
	*value = Int32GetDatum(number);
	if (number == 0)
		*null = 'n';
}

static void
call_start(const OwSchedule *schedule, const OwScheduleAction *action, TimestampTz start_at)
{
	Oid			types[START_ARGUMENTS] = {TEXTOID, JSONBOID, TEXTOID, INT4OID, INTERVALOID, INTERVALOID, JSONBOID, TEXTOID,
	INTERVALOID, JSONBOID, INT4OID, JSONBOID};
	TimestampTz now = ow_clock_now();
	Datum		values[START_ARGUMENTS];
	char		nulls[START_ARGUMENTS + 1] = "            ";

	values[0] = CStringGetTextDatum(schedule->workflow);
	values[1] = JsonbPGetDatum(schedule->input);
	values[2] = CStringGetTextDatum(action->workflow_id);
	set_int(&values[3], &nulls[3], schedule->version);
	if (start_at <= now)
		nulls[4] = 'n';
	else
		values[4] = DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(start_at), TimestampTzGetDatum(now));
	set_interval(&values[5], &nulls[5], schedule->execution_timeout);
	set_json(&values[6], &nulls[6], schedule->memo);
	values[7] = CStringGetTextDatum(psprintf("schedule:%s:%s", schedule->name, ow_instant_format(action->scheduled_for)));
	set_interval(&values[8], &nulls[8], schedule->run_timeout);
	set_json(&values[9], &nulls[9], schedule->retry);
	set_int(&values[10], &nulls[10], schedule->priority);
	set_json(&values[11], &nulls[11], schedule->search_attributes);
	call(start_run, START_ARGUMENTS, types, values, nulls);
}

pg_uuid_t
ow_schedule_start(const OwSchedule *schedule, const OwScheduleAction *action, TimestampTz start_at)
{
	pg_uuid_t	run_id;
	bool		isnull;

	SPI_connect();
	starting = schedule;
	starting_for = action->scheduled_for;
	PG_TRY();
	{
		call_start(schedule, action, start_at);
	}
	PG_FINALLY();
	{
		starting = NULL;
	}
	PG_END_TRY();
	run_id = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return run_id;
}

void
ow_schedule_ask(const OwScheduleAction *action, const char *what)
{
	Oid			types[2] = {TEXTOID, TEXTOID};
	Datum		values[2] = {CStringGetTextDatum(action->workflow_id), CStringGetTextDatum("its schedule starts the next run")};

	SPI_connect();
	call(strcmp(what, "Cancel") == 0 ? cancel_run : terminate_run, 2, types, values, NULL);
	SPI_finish();
}
