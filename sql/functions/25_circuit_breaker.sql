-- Circuit breakers of activities: see the option "CircuitBreaker" of register_activity.

-- circuit_breaker_stats: how an activity's circuit breaker stands; nulls when it has none
CREATE FUNCTION workflow.circuit_breaker_stats(
    activity text, OUT state text, OUT failures int, OUT failure_threshold int, OUT opened_at timestamptz,
    OUT half_open_at timestamptz, OUT probing boolean, OUT last_error text, OUT rejected bigint) RETURNS record
    LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'ow_circuit_breaker_stats';
COMMENT ON FUNCTION workflow.circuit_breaker_stats(text) IS
    'How the circuit breaker of an activity stands; see workflow.circuit_breakers';

-- reset_circuit_breaker: closes the circuit breaker of an activity, and forgets the failures
-- Takes effect when the transaction commits.  Returns whether it was not closed.  Runs that wait for it go on when
-- their wait is over, which is no longer than OpenSeconds and a quarter.
-- Raises OW003 for an unknown activity, insufficient_privilege for others than its owner.
CREATE FUNCTION workflow.reset_circuit_breaker(activity text) RETURNS boolean
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_reset_circuit_breaker';
COMMENT ON FUNCTION workflow.reset_circuit_breaker(text) IS 'Closes the circuit breaker of an activity';

-- open_circuit_breaker: opens the circuit breaker of an activity, whose service is known to be down
--   duration   after which an attempt is let through; if it succeeds, all are
-- Takes effect when the transaction commits.  Raises as reset_circuit_breaker does.
CREATE FUNCTION workflow.open_circuit_breaker(activity text, duration interval) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_open_circuit_breaker';
COMMENT ON FUNCTION workflow.open_circuit_breaker(text, interval) IS
    'Opens the circuit breaker of an activity, for so long';
