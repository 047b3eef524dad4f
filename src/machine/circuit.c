/*
 * circuit.c
 *		The circuit breaker of an activity, as a function of what happened and the time.
 */
#include "postgres.h"

#include "machine/circuit.h"
#include "machine/instant.h"
#include "mb/pg_wchar.h"

/* While another probes, one asks again after a tenth of the time that the circuit is open for. */
#define SHORTEST_LOOK_MS 1000
#define LOOKS 10

/* One that has been half-open for so long, without any attempt, is forgotten if its place is needed. */
#define FORGOTTEN_AFTER_MS (INT64CONST(3600) * 1000)

static const char *const state_names[] = {
	[OW_CIRCUIT_CLOSED] = "Closed",
	[OW_CIRCUIT_OPEN] = "Open",
	[OW_CIRCUIT_HALF_OPEN] = "HalfOpen"
};

const char *
ow_circuit_state_name(OwCircuitState state)
{
	return state_names[state];
}

OwCircuitState
ow_circuit_state(const OwCircuit *circuit, TimestampTz now)
{
	if (!circuit->open)
		return OW_CIRCUIT_CLOSED;
	return now < circuit->half_open_at ? OW_CIRCUIT_OPEN : OW_CIRCUIT_HALF_OPEN;
}

int
ow_circuit_failures(const OwCircuit *circuit, const OwCircuitBreaker *breaker, TimestampTz now)
{
	TimestampTz since = ow_instant_add_ms(now, -breaker->window_ms);
	int			failures = 0;

	for (int i = 0; i < circuit->nfailures; i++)
		failures += circuit->failed_at[i] > since;
	return failures;
}

static bool
is_probe(const OwCircuit *circuit, const OwCircuitHolder *holder)
{
	return circuit->probing && circuit->probe.branch == holder->branch &&
		memcmp(&circuit->probe.run_id, &holder->run_id, sizeof(pg_uuid_t)) == 0;
}

OwCircuitAnswer
ow_circuit_ask(const OwCircuit *circuit, const OwCircuitBreaker *breaker, const OwCircuitHolder *holder,
			   TimestampTz now, TimestampTz *retry_at)
{
	switch (ow_circuit_state(circuit, now))
	{
		case OW_CIRCUIT_CLOSED:
			return OW_CIRCUIT_PASS;
		case OW_CIRCUIT_OPEN:
			/* an operator may have opened it for long, and close it sooner */
			*retry_at = Min(circuit->half_open_at, ow_instant_add_ms(now, breaker->open_ms));
			return OW_CIRCUIT_REFUSE;
		case OW_CIRCUIT_HALF_OPEN:
			break;
	}
	if (!circuit->probing || now >= circuit->probe_until)
		return OW_CIRCUIT_PROBE;
	if (is_probe(circuit, holder))
		return OW_CIRCUIT_PASS; /* its transaction is redone */
	*retry_at = Min(circuit->probe_until, ow_instant_add_ms(now, Max(breaker->open_ms / LOOKS, SHORTEST_LOOK_MS)));
	return OW_CIRCUIT_REFUSE;
}

bool
ow_circuit_heeds(const OwCircuit *circuit, const OwCircuitEvent *event)
{
	OwCircuitState state = ow_circuit_state(circuit, event->at);

	switch (event->kind)
	{
		case OW_CIRCUIT_FAILED:
			return state == OW_CIRCUIT_CLOSED || (state == OW_CIRCUIT_HALF_OPEN && is_probe(circuit, &event->holder));
		case OW_CIRCUIT_SUCCEEDED:
		case OW_CIRCUIT_UNCOUNTED:
			return state == OW_CIRCUIT_HALF_OPEN && is_probe(circuit, &event->holder);
		case OW_CIRCUIT_PROBED:
			return state == OW_CIRCUIT_HALF_OPEN;
		case OW_CIRCUIT_RESET:
		case OW_CIRCUIT_OPENED:
			return true;
	}
	pg_unreachable();
}

static void
note_error(OwCircuit *circuit, const char *error)
{
	int			length = pg_mbcliplen(error, strlen(error), OW_CIRCUIT_ERROR_SIZE - 1);

	memcpy(circuit->last_error, error, length);
	circuit->last_error[length] = '\0';
}

static void
open_until(OwCircuit *circuit, TimestampTz now, TimestampTz until)
{
	if (!circuit->open)
		circuit->opened_at = now;
	circuit->open = true;
	circuit->half_open_at = until;
	circuit->probing = false;
}

static void
close_circuit(OwCircuit *circuit)
{
	circuit->open = circuit->probing = false;
	circuit->nfailures = circuit->next = 0;
}

static void
note_failure(OwCircuit *circuit, const OwCircuitBreaker *breaker, const OwCircuitEvent *event)
{
	circuit->failed_at[circuit->next] = event->at;
	circuit->next = (circuit->next + 1) % OW_MAX_FAILURE_THRESHOLD;
	circuit->nfailures = Min(circuit->nfailures + 1, OW_MAX_FAILURE_THRESHOLD);
	note_error(circuit, event->error);
	if (circuit->open || ow_circuit_failures(circuit, breaker, event->at) >= breaker->failure_threshold)
		open_until(circuit, event->at, ow_instant_add_ms(event->at, breaker->open_ms));
}

void
ow_circuit_apply(OwCircuit *circuit, const OwCircuitBreaker *breaker, const OwCircuitEvent *event)
{
	if (!ow_circuit_heeds(circuit, event))
		return;
	switch (event->kind)
	{
		case OW_CIRCUIT_FAILED:
			note_failure(circuit, breaker, event);
			break;
		case OW_CIRCUIT_SUCCEEDED:
		case OW_CIRCUIT_RESET:
			close_circuit(circuit);
			break;
		case OW_CIRCUIT_UNCOUNTED:
			circuit->probing = false;
			break;
		case OW_CIRCUIT_PROBED:
			circuit->probing = true;
			circuit->probe = event->holder;
			circuit->probe_until = ow_instant_add_ms(event->at, breaker->open_ms);
			break;
		case OW_CIRCUIT_OPENED:
			note_error(circuit, event->error);
			open_until(circuit, event->at, event->until);
			break;
	}
}

TimestampTz
ow_circuit_stale_at(const OwCircuit *circuit, const OwCircuitBreaker *breaker)
{
	TimestampTz last = DT_NOBEGIN;

	if (circuit->open)
		return ow_instant_add_ms(circuit->probing ? circuit->probe_until : circuit->half_open_at, FORGOTTEN_AFTER_MS);
	for (int i = 0; i < circuit->nfailures; i++)
		last = Max(last, circuit->failed_at[i]);
	return ow_instant_add_ms(last, breaker->window_ms);
}
