-- set_flag: sets a feature flag, which Version states read
--   name     at most 200 characters
--   value    what they get: true for the greatest version, false for the least, or a version; NULL removes the flag
--   percent  for how many percent of the workflow ids, by their hash; for others it is as if there were no flag
--   owner    whose runs it is for; by default the current user.  The same name is another flag for each owner
-- Takes effect with the commit, for runs that come to the change for the first time.  A run that has chosen keeps to it.
-- Raises insufficient_privilege without the rights of the owner, invalid_parameter_value for a percentage below 0 or above
-- 100, invalid_name.
CREATE FUNCTION workflow.set_flag(name text, value jsonb, percent float8 DEFAULT 100, owner regrole DEFAULT NULL)
    RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'ow_set_flag';
COMMENT ON FUNCTION workflow.set_flag(text, jsonb, float8, regrole) IS 'Sets a feature flag, which Version states read';
