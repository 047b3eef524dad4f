-- Which version new runs follow.  Running ones stay on theirs, whatever is called here.
--
-- All of this is for the owner of the workflow, and takes effect with the commit.  All raise OW002 for an unknown workflow,
-- OW006 for an unknown version, insufficient_privilege for others than the owner, reserved_name for the workflows that
-- start_activity makes.

-- set_current: the version that new runs follow from now on; running ones stay on theirs
-- Returns the version that was current before, NULL if there was none: what to set to go back.  A ramp to this version
-- is over; a ramp to another one stays.
-- Raises OW020 for a version that is retired.
CREATE FUNCTION workflow.set_current(name text, version int) RETURNS int
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_set_current';
COMMENT ON FUNCTION workflow.set_current(text, int) IS
    'Makes a version the one that new runs follow; gives the one that was';

-- set_ramp: leads part of the new runs to another version than the current one
--   version  NULL, if percent is 0
--   percent  of the workflow ids, from 0 to 100; 0 ends the ramp
-- Which ids these are depends on nothing but the id (and the name of the workflow): an id that was led there is so at any
-- greater percentage, too.  It counts for whatever begins without naming a version: runs that are started, or continue as
-- new with "Current".
-- Raises OW020 for a version that is retired, OW021 for the current one, invalid_parameter_value for such a percentage.
CREATE FUNCTION workflow.set_ramp(name text, version int, percent float8) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_set_ramp';
COMMENT ON FUNCTION workflow.set_ramp(text, int, float8) IS
    'Leads so many percent of the new runs to a version; 0 ends that';

-- deprecate: has whoever starts a version by its number warned
-- A version that is made current, ramped or registered again is so no longer.
-- Raises OW021 for a version that is current or ramped, OW020 for one that is retired.
CREATE FUNCTION workflow.deprecate(name text, version int) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_deprecate';
COMMENT ON FUNCTION workflow.deprecate(text, int) IS 'Has whoever starts a version by its number warned';

-- retire: closes a version, on which no run is, for good: nothing is started on it or moved to it any more
-- Waits for transactions that have started runs on the version, and have not ended.  What has closed can be read as
-- before.  Registering the same definition again brings the version back.
-- Raises OW021 for a version that is current or ramped, or has open runs (the detail says how many),
-- invalid_transaction_state if the isolation level is not READ COMMITTED.
CREATE FUNCTION workflow.retire(name text, version int) RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_retire';
COMMENT ON FUNCTION workflow.retire(text, int) IS 'Closes a version on which no run is';
