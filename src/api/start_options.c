/*
 * start_options.c
 *		Timeouts, retry, priority and search attributes of new runs.
 *
 * The time to close in counts from when a run may begin: run_timeout, as the definition's TimeoutSeconds, for each run
 * anew, execution_timeout for all that follow one another.
 */
#include "postgres.h"

#include "api/search_attributes.h"
#include "api/start_options.h"
#include "engine/new_run.h"
#include "store/run_options.h"
#include "utils/timestamp.h"

#define HIGHEST_PRIORITY 1
#define LOWEST_PRIORITY 5

static bool
is_given(FunctionCallInfo fcinfo, int argument)
{
	return argument != 0 && argument < PG_NARGS() && !PG_ARGISNULL(argument);
}

TimestampTz
ow_start_add_interval(FunctionCallInfo fcinfo, int argument, const char *name, TimestampTz start)
{
	TimestampTz end = ow_api_add_interval(start, PG_GETARG_DATUM(argument));

	if (end <= start)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be greater than zero", name)));
	return end;
}

Jsonb *
ow_start_check_retry(const Jsonb *retry)
{
	OwProblems	problems = {0};
	Jsonb	   *normal = ow_retry_normalize(retry, &problems);

	if (normal == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid retry"),
				 errdetail("%s", ow_api_problem_lines(&problems)),
				 errhint("It is an array of retriers as the \"Retry\" of a state, or one of them, which may leave out \"ErrorEquals\".")));
	return normal;
}

int
ow_start_check_priority(int32 priority)
{
	if (priority < HIGHEST_PRIORITY || priority > LOWEST_PRIORITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("priority must be from %d to %d", HIGHEST_PRIORITY, LOWEST_PRIORITY),
				 errdetail("The lower, the sooner.")));
	return priority;
}

void
ow_start_options_read(FunctionCallInfo fcinfo, const OwStartArguments *arguments, OwStartOptions *options)
{
	memset(options, 0, sizeof(OwStartOptions));
	options->fcinfo = fcinfo;
	options->arguments = arguments;
	if (is_given(fcinfo, arguments->retry))
		options->retry = ow_start_check_retry(PG_GETARG_JSONB_P(arguments->retry));
	if (is_given(fcinfo, arguments->priority))
		options->priority = ow_start_check_priority(PG_GETARG_INT32(arguments->priority));
	if (is_given(fcinfo, arguments->search_attributes))
		options->search_attributes = PG_GETARG_JSONB_P(arguments->search_attributes);
}

void
ow_start_describe(OwNewRun *run, const Jsonb *given)
{
	const OwSearchAttribute *mismatch;
	JsonbValue	value;

	if (given != NULL)
		ow_api_check_search_attributes(run->compiled, given);
	mismatch = ow_new_run_describe(run, given, &value);
	if (mismatch != NULL)
		ow_api_report_search_attribute(run->compiled, mismatch, &value);
}

void
ow_start_options_apply(const OwStartOptions *options, OwNewRun *run)
{
	FunctionCallInfo fcinfo = options->fcinfo;
	const OwStartArguments *arguments = options->arguments;
	TimestampTz run_end = DT_NOEND;
	int64		run_timeout_ms = OW_UNSET;

	run->execution_deadline = DT_NOEND;
	if (is_given(fcinfo, arguments->run_timeout))
	{
		run_end = ow_start_add_interval(fcinfo, arguments->run_timeout, "run_timeout", run->start_at);
		run_timeout_ms = Max((run_end - run->start_at) / 1000, 1);
	}
	if (is_given(fcinfo, arguments->execution_timeout))
		run->execution_deadline = ow_start_add_interval(fcinfo, arguments->execution_timeout, "execution_timeout", run->start_at);
	ow_new_run_limit(run, run_end);
	run->options = ow_run_options_make(options->retry, run_timeout_ms, options->priority);
	ow_start_describe(run, options->search_attributes);
}
