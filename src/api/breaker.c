/*
 * breaker.c
 *		SQL-callable: how circuit breakers of activities stand, and opening and closing them by hand.
 */
#include "postgres.h"

#include "api/api.h"
#include "engine/circuit.h"
#include "engine/clock.h"
#include "errors.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_circuit_breaker_stats);
PG_FUNCTION_INFO_V1(ow_reset_circuit_breaker);
PG_FUNCTION_INFO_V1(ow_open_circuit_breaker);

static Oid
owner_of(const OwActivity *activity)
{
	return ((const OwSqlFunction *) activity->shell)->owner;
}

/* As workflow.readable_activity has it */
static bool
may_see(const OwActivity *activity)
{
	return has_privs_of_role(GetUserId(), owner_of(activity)) || ow_api_sees_all_runs() ||
		ow_catalog_may_use(GetUserId(), activity, DT_NOEND);
}

/*
 * circuit_breaker_stats(activity text): nulls for one that has no breaker, or that the current user may not see
 */
Datum
ow_circuit_breaker_stats(PG_FUNCTION_ARGS)
{
	const OwActivity *activity = ow_catalog_activity(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	TimestampTz now = ow_clock_now();
	OwCircuitState state;
	OwCircuit	circuit;
	OwBreaker	breaker;
	int64		rejected;
	TupleDesc	descriptor;

	if (activity == NULL || activity->options.circuit_breaker == NULL || !may_see(activity))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	breaker = ow_circuit_breaker_of(activity);
	ow_breaker_look(&breaker, &circuit, &rejected);
	state = ow_circuit_state(&circuit, now);
	{
		Datum		values[] = {
			CStringGetTextDatum(ow_circuit_state_name(state)),
			Int32GetDatum(ow_circuit_failures(&circuit, breaker.options, now)),
			Int32GetDatum(breaker.options->failure_threshold),
			TimestampTzGetDatum(circuit.opened_at),
			TimestampTzGetDatum(circuit.half_open_at),
			BoolGetDatum(circuit.probing && now < circuit.probe_until),
			CStringGetTextDatum(circuit.last_error),
			Int64GetDatum(rejected)
		};
		bool		nulls[lengthof(values)] = {
			[3] = state == OW_CIRCUIT_CLOSED,
			[4] = state == OW_CIRCUIT_CLOSED,
			[6] = circuit.last_error[0] == '\0'
		};

		PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
	}
}

/* The breaker of the activity that argument 0 names, for its owner */
static OwBreaker
breaker_argument(FunctionCallInfo fcinfo)
{
	char	   *name = ow_api_text(fcinfo, 0, "activity");
	const OwActivity *activity = ow_catalog_activity(name);

	if (activity == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OW_ACTIVITY_NOT_REGISTERED),
				 errmsg("activity \"%s\" is not registered", name)));
	if (!has_privs_of_role(GetUserId(), owner_of(activity)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of activity \"%s\"", name),
				 errdetail("The name belongs to role \"%s\", which registered it first.",
						   ow_api_role_name(owner_of(activity)))));
	if (activity->options.circuit_breaker == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("activity \"%s\" has no circuit breaker", name),
				 errhint("Register it again, with the option \"CircuitBreaker\".")));
	return ow_circuit_breaker_of(activity);
}

/* reset_circuit_breaker(activity text): whether it was open, or half-open */
Datum
ow_reset_circuit_breaker(PG_FUNCTION_ARGS)
{
	OwCircuitEvent event = {.kind = OW_CIRCUIT_RESET, .at = ow_clock_now()};
	OwBreaker	breaker = breaker_argument(fcinfo);
	OwCircuit	circuit;
	int64		rejected;

	PreventCommandIfReadOnly("workflow.reset_circuit_breaker()");
	ow_breaker_look(&breaker, &circuit, &rejected);
	ow_breaker_note(&breaker, &event);
	PG_RETURN_BOOL(circuit.open);
}

/* open_circuit_breaker(activity text, duration interval) */
Datum
ow_open_circuit_breaker(PG_FUNCTION_ARGS)
{
	OwCircuitEvent event = {.kind = OW_CIRCUIT_OPENED, .at = ow_clock_now()};
	OwBreaker	breaker = breaker_argument(fcinfo);

	PreventCommandIfReadOnly("workflow.open_circuit_breaker()");
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("duration must not be null")));
	event.until = ow_api_add_interval(event.at, PG_GETARG_DATUM(1));
	if (event.until <= event.at)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("duration must be positive")));
	event.error = psprintf("opened by role \"%s\"", ow_api_role_name(GetUserId()));
	ow_breaker_note(&breaker, &event);
	PG_RETURN_VOID();
}
